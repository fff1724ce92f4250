// A CoreDNS with the plugins of a usual cluster, built from its published module: what the tests compare ordinald with,
// and what the benchmarks run beside it.
//
// coremain brings the DNS server, the order of the plugins and the command line; a plugin registers itself when imported.
package main

import (
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/transfer"

	"github.com/coredns/coredns/coremain"
)

func main() {
	coremain.Run()
}
