/* Two targets for bench_load; each prints "ADDRESS:PORT PID" and runs until SIGTERM.
 *
 *     bench_udp reflector [OCTETS]  every datagram goes back with QR=1, unread: the floor; shorter
 *                                   ones as so many octets
 *     bench_udp server [workers]    this server over the zone of the tests
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "dns/server.h"
#include "tests/unit/dns/zone_fixture.h"

#define BATCH  64
#define PACKET 4096

struct batch {
    struct mmsghdr msg[BATCH];
    struct iovec iov[BATCH];
    struct sockaddr_in from[BATCH];
    uint8_t bytes[BATCH][PACKET];
};

static struct batch *batch_new(void)
{
    struct batch *b = xcalloc(1, sizeof *b);
    for (size_t i = 0; i < BATCH; i++) {
        b->iov[i] = (struct iovec){b->bytes[i], PACKET};
        b->msg[i].msg_hdr = (struct msghdr){.msg_iov = &b->iov[i], .msg_iovlen = 1};
    }
    return b;
}

static int bind_loopback(struct sockaddr_in *at)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof *at;
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)at, sizeof *at) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)at, &len) == 0);
    return fd;
}

_Noreturn static void reflect(unsigned least)
{
    struct sockaddr_in at;
    int fd = bind_loopback(&at);
    struct batch *b = batch_new();
    printf("127.0.0.1:%u %d\n", (unsigned)ntohs(at.sin_port), (int)getpid());
    (void)fflush(stdout);
    for (;;) {
        for (size_t i = 0; i < BATCH; i++) {
            b->msg[i].msg_hdr.msg_name = &b->from[i];
            b->msg[i].msg_hdr.msg_namelen = sizeof b->from[i];
            b->iov[i].iov_len = PACKET;
        }
        int n = recvmmsg(fd, b->msg, BATCH, MSG_WAITFORONE, NULL);
        for (int i = 0; i < n; i++) {
            b->bytes[i][2] |= 0x80;
            b->iov[i].iov_len = b->msg[i].msg_len < least ? least : b->msg[i].msg_len;
        }
        for (int done = 0; done < n;) {
            int sent = sendmmsg(fd, b->msg + done, (unsigned)(n - done), 0);
            done += sent > 0 ? sent : 1;
        }
    }
}

static int serve(unsigned workers)
{
    static const char *const listen[] = {"127.0.0.1:0"}, *const any[] = {"any"};
    const struct dns_opts opts = {.listen = listen,
                                  .listen_count = 1,
                                  .workers = workers,
                                  .udp_size = 1232,
                                  .rotate = true,
                                  .tcp_idle_us = 10000000,
                                  .tcp_max = 100,
                                  .tcp_max_per_client = 100,
                                  .cookies = true,
                                  .query_acl = any,
                                  .query_acl_count = 1};
    struct fixture f;
    struct dns_server *server;
    struct err e;
    sigset_t stop;
    int got;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);
    fixture_init(&f, true);
    if (dns_server_bind(&opts, zones_publish(f.zones), &server, &e) < 0 ||
        dns_server_start(server, &e) < 0) {
        (void)fprintf(stderr, "%s\n", e.text);
        return 2;
    }
    printf("%s %d\n", dns_server_address(server, 0), (int)getpid());
    (void)fflush(stdout);
    sigwait(&stop, &got);
    dns_server_stop(server);
    fixture_fini(&f);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "reflector") == 0) {
        unsigned long least = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
        CHECK(least <= PACKET);
        reflect((unsigned)least);
    }
    if (argc >= 2 && strcmp(argv[1], "server") == 0)
        return serve(argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1);
    (void)fputs("bench_udp reflector [octets] | server [workers]\n", stderr);
    return 1;
}
