// As lookup.c, with the resolver that programs in Go bring along.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
)

func main() {
	resolver := &net.Resolver{PreferGo: true}
	networks := map[string]string{"-4": "ip4", "-6": "ip6"}
	option, names := os.Args[1], os.Args[2:]
	if option[0] != '-' {
		option, names = "", os.Args[1:]
	}
	for _, name := range names {
		var found []string
		var err error
		if option == "-x" {
			found, err = resolver.LookupAddr(context.Background(), name)
		} else {
			network := networks[option]
			if network == "" {
				network = "ip"
			}
			var addresses []net.IP
			addresses, err = resolver.LookupIP(context.Background(), network, name)
			for _, address := range addresses {
				found = append(found, address.String())
			}
		}
		var failure *net.DNSError
		switch {
		case err == nil:
			fmt.Print(name)
			for _, word := range found {
				fmt.Print(" ", word)
			}
			fmt.Println()
		case errors.As(err, &failure) && failure.IsNotFound:
			fmt.Println(name, "none")
		default:
			fmt.Println(name, "failed")
		}
	}
}
