/* Server CPU per UDP answer on loopback, beside a bare reflector as the floor (budget: at most 1.10
 * times the reflector).
 *
 *     bench_udp reflector                   prints "ADDRESS PID", sends every datagram back with
 * QR=1 bench_udp server [workers]            the same for this server over the zone of the tests
 *     bench_udp load NAME SECONDS WINDOW ADDRESS:PORT PID [ADDRESS:PORT PID]...
 *
 * `load` keeps WINDOW queries for NAME A in flight against each target in turn, in interleaved
 * slices, and reads the CPU time of the target from /proc/<pid>/stat. Closed loop: nothing is lost,
 * so every answer is counted. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "dns/server.h"
#include "tests/unit/dns/zone_fixture.h"

#define BATCH   64
#define PACKET  4096
#define SLICES  6
#define SOCKETS 8 /* so that every worker of a server gets some */
#define TARGETS 8
#define LOST_MS 1000

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

_Noreturn static void reflect(void)
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
            b->iov[i].iov_len = b->msg[i].msg_len;
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

struct target {
    const char *address;
    long pid;
    int fd[SOCKETS];
    uint64_t answers, lost;
    double cpu_s, wall_s;
};

/* utime + stime of a process. */
static double cpu_of(long pid)
{
    char path[64], text[1024];
    (void)snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "re");
    CHECK(file && fgets(text, sizeof text, file));
    (void)fclose(file);
    char *at = strrchr(text, ')');
    CHECK(at);
    for (int field = 2; field < 14; field++)
        at = strchr(at + 1, ' ');
    char *end;
    unsigned long user = strtoul(at + 1, &end, 10), kernel = strtoul(end, NULL, 10);
    return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void target_open(struct target *t)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    char host[64];
    size_t len = strcspn(t->address, ":");
    CHECK(len < sizeof host && t->address[len] == ':');
    memcpy(host, t->address, len);
    host[len] = '\0';
    CHECK(inet_pton(AF_INET, host, &to.sin_addr) == 1);
    to.sin_port = htons((uint16_t)strtoul(t->address + len + 1, NULL, 10));
    for (int i = 0; i < SOCKETS; i++) {
        t->fd[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        CHECK(connect(t->fd[i], (struct sockaddr *)&to, sizeof to) == 0);
    }
}

static void send_queries(int fd, struct batch *out, unsigned count)
{
    while (count > 0) {
        int n = sendmmsg(fd, out->msg, count < BATCH ? count : BATCH, 0);
        CHECK(n > 0 || errno == EINTR || errno == ECONNREFUSED);
        count -= n > 0 ? (unsigned)n : 0;
    }
}

/* Each socket keeps its share of the window in flight: what is answered is asked again. */
static void slice(struct target *t, struct batch *out, struct batch *in, double seconds,
                  unsigned window)
{
    struct pollfd poll_fd[SOCKETS];
    unsigned flying = 0;
    for (int i = 0; i < SOCKETS; i++) {
        poll_fd[i] = (struct pollfd){.fd = t->fd[i], .events = POLLIN};
        send_queries(t->fd[i], out, window / SOCKETS);
        flying += window / SOCKETS;
    }
    double cpu_s = cpu_of(t->pid), from_s = now_s(), until_s = from_s + seconds;
    while (flying > 0) {
        if (poll(poll_fd, SOCKETS, LOST_MS) == 0) {
            t->lost += flying;
            break;
        }
        bool is_over = now_s() >= until_s;
        for (int i = 0; i < SOCKETS; i++) {
            if (!(poll_fd[i].revents & POLLIN))
                continue;
            int n = recvmmsg(t->fd[i], in->msg, BATCH, MSG_DONTWAIT, NULL);
            if (n <= 0)
                continue;
            t->answers += (unsigned)n;
            if (is_over)
                flying -= (unsigned)n;
            else
                send_queries(t->fd[i], out, (unsigned)n);
        }
    }
    t->cpu_s += cpu_of(t->pid) - cpu_s;
    t->wall_s += now_s() - from_s;
}

static int load(int argc, char **argv)
{
    static struct target targets[TARGETS];
    double seconds = strtod(argv[1], NULL);
    unsigned window = (unsigned)strtoul(argv[2], NULL, 10);
    int count = (argc - 3) / 2;
    struct batch *out = batch_new(), *in = batch_new();
    CHECK(count <= TARGETS && window >= SOCKETS);
    for (size_t i = 0; i < BATCH; i++) {
        static const uint8_t header[12] = {0x12, 0x34, 1, 0, 0, 1};
        uint8_t *at = out->bytes[i];
        memcpy(at, header, sizeof header);
        int len = name_parse(argv[0], at + 12, NULL);
        CHECK(len > 0);
        const uint8_t tail[4] = {0, RR_A, 0, 1};
        memcpy(at + 12 + len, tail, sizeof tail);
        out->iov[i].iov_len = 16 + (size_t)len;
    }
    for (int i = 0; i < count; i++) {
        targets[i] =
            (struct target){.address = argv[3 + 2 * i], .pid = strtol(argv[4 + 2 * i], NULL, 10)};
        target_open(&targets[i]);
    }
    for (int k = 0; k < SLICES; k++) {
        for (int i = 0; i < count; i++)
            slice(&targets[i], out, in, seconds / SLICES, window);
    }
    for (int i = 0; i < count; i++) {
        const struct target *t = &targets[i];
        printf(
            "%s: %.0f answers/s, %.2f us of server CPU per answer, %.2f x the first, lost %llu\n",
            t->address, (double)t->answers / t->wall_s, t->cpu_s / (double)t->answers * 1e6,
            t->cpu_s / (double)t->answers / (targets[0].cpu_s / (double)targets[0].answers),
            (unsigned long long)t->lost);
    }
    free(out);
    free(in);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "reflector") == 0)
        reflect();
    if (argc >= 2 && strcmp(argv[1], "server") == 0)
        return serve(argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1);
    if (argc >= 7 && strcmp(argv[1], "load") == 0)
        return load(argc - 2, argv + 2);
    (void)fputs(
        "bench_udp reflector | server [workers] | load NAME SECONDS WINDOW ADDRESS:PORT PID "
        "[ADDRESS:PORT PID]...\n",
        stderr);
    return 1;
}
