/* Asks the resolver of the libc it is linked with, by way of /etc/resolv.conf, as a program in a
 * pod does.
 *
 *     lookup NAME...        addresses
 *     lookup -4|-6 NAME...  of one family
 *     lookup -x ADDRESS...  the name of each
 *
 * A line each: what was asked, then what was found; or "none" (there is no such name, or nothing
 * of this kind at it); or "failed" (no answer that says so). */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#ifndef EAI_NODATA
#define EAI_NODATA EAI_NONAME /* musl has one word for both */
#endif

static void print_error(const char *asked, int error)
{
    printf("%s %s\n", asked, error == EAI_NONAME || error == EAI_NODATA ? "none" : "failed");
}

static void print_addresses(const char *name, int family)
{
    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM}, *list = NULL;
    int error = getaddrinfo(name, NULL, &hints, &list);
    if (error) {
        print_error(name, error);
        return;
    }
    printf("%s", name);
    for (struct addrinfo *a = list; a; a = a->ai_next) {
        char text[64] = "?";
        if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0)
            printf(" %s", text);
    }
    printf("\n");
    freeaddrinfo(list);
}

static void print_name(const char *address)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *list = NULL;
    char name[1025];
    int error = getaddrinfo(address, NULL, &hints, &list);
    if (!error) {
        error =
            getnameinfo(list->ai_addr, list->ai_addrlen, name, sizeof name, NULL, 0, NI_NAMEREQD);
        freeaddrinfo(list);
    }
    if (error)
        print_error(address, error);
    else
        printf("%s %s\n", address, name);
}

int main(int argc, char **argv)
{
    const char *option = argc > 1 && argv[1][0] == '-' ? argv[1] : "";
    int family = strcmp(option, "-4") == 0   ? AF_INET
                 : strcmp(option, "-6") == 0 ? AF_INET6
                                             : AF_UNSPEC;
    for (int i = option[0] ? 2 : 1; i < argc; i++) {
        if (strcmp(option, "-x") == 0)
            print_name(argv[i]);
        else
            print_addresses(argv[i], family);
    }
    return 0;
}
