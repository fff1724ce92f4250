/* How long a starting daemon is silent: asks DNS and the API until both have answered.
 *
 *     bench_start port                                  a free UDP and TCP port on 127.0.0.1
 *     bench_start DNS NAME API PATH PID PODS DATABASE   DNS: ADDRESS:PORT, API: a Unix socket
 *
 * To be called at once after the daemon was started; the clock is that of the process PID, so the
 * time of exec counts. An answer of DNS is NOERROR with an address of NAME, one of the API is 200
 * for PATH. Prints cells of a Markdown row (run_start.sh). */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"

#define POLL_MS   2
#define GIVE_UP_S 120

static double uptime_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_BOOTTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Field n (from 1) of /proc/PID/stat, of those after the name. */
static double stat_field(const char *pid, int n)
{
    char path[64], text[1024];
    (void)snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return -1;
    size_t len = fread(text, 1, sizeof text - 1, f);
    (void)fclose(f);
    text[len] = '\0';
    const char *at = strrchr(text, ')');
    for (int i = 2; at && i < n; i++)
        at = strchr(at + 1, ' ');
    return at ? strtod(at + 1, NULL) : -1;
}

static double cpu_s(const char *pid)
{
    return (stat_field(pid, 14) + stat_field(pid, 15)) / (double)sysconf(_SC_CLK_TCK);
}

static double status_mib(const char *pid, const char *name)
{
    char path[64], line[256];
    double kib = 0;
    (void)snprintf(path, sizeof path, "/proc/%.20s/status", pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, name, strlen(name)) == 0)
            kib = strtod(line + strlen(name), NULL);
    if (f)
        (void)fclose(f);
    return kib / 1024;
}

static size_t make_query(const char *name, uint8_t *out)
{
    static const uint8_t head[12] = {0x4f, 0x44, 0, 0, 0, 1};
    size_t at = sizeof head;
    memcpy(out, head, sizeof head);
    while (*name) {
        size_t len = strcspn(name, ".");
        CHECK(len > 0 && len < 64 && at + len < 260);
        out[at++] = (uint8_t)len;
        memcpy(out + at, name, len);
        at += len;
        name += len + (name[len] == '.');
    }
    memcpy(out + at, "\0\0\1\0\1", 5);
    return at + 5;
}

static bool dns_answers(const struct sockaddr_in *to, const uint8_t *query, size_t len)
{
    uint8_t reply[1500];
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    bool good = connect(fd, (const struct sockaddr *)to, sizeof *to) == 0 &&
                send(fd, query, len, 0) == (ssize_t)len;
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    good = good && poll(&wait, 1, 20) == 1;
    ssize_t n = good ? recv(fd, reply, sizeof reply, 0) : -1;
    (void)close(fd);
    return n > 12 && (reply[3] & 15) == 0 && reply[7] > 0;
}

static bool api_answers(const char *socket_path, const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    char text[512];
    (void)snprintf(to.sun_path, sizeof to.sun_path, "%s", socket_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    int len = snprintf(text, sizeof text,
                       "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
    bool good = connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
                send(fd, text, (size_t)len, MSG_NOSIGNAL) == len;
    ssize_t n = good ? recv(fd, text, sizeof text - 1, 0) : -1;
    (void)close(fd);
    return n > 12 && memcmp(text, "HTTP/1.1 200", 12) == 0;
}

static int print_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 &&
          getsockname(fd, (struct sockaddr *)&at, &len) == 0);
    (void)printf("%u\n", ntohs(at.sin_port));
    (void)close(fd);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "port") == 0)
        return print_port();
    CHECK(argc == 8);
    const char *api = argv[3], *path = argv[4], *pid = argv[5];
    struct sockaddr_in dns = {.sin_family = AF_INET};
    char host[64];
    const char *colon = strrchr(argv[1], ':');
    CHECK(colon);
    (void)snprintf(host, sizeof host, "%.*s", (int)(colon - argv[1]), argv[1]);
    CHECK(inet_pton(AF_INET, host, &dns.sin_addr) == 1);
    dns.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    uint8_t query[512];
    size_t query_len = make_query(argv[2], query);
    double began = stat_field(pid, 22) / (double)sysconf(_SC_CLK_TCK), dns_s = 0, api_s = 0;
    double dns_cpu_s = 0, pods = strtod(argv[6], NULL);
    while ((dns_s == 0 || api_s == 0) && uptime_s() - began < GIVE_UP_S && cpu_s(pid) >= 0) {
        if (dns_s == 0 && dns_answers(&dns, query, query_len)) {
            dns_s = uptime_s() - began;
            dns_cpu_s = cpu_s(pid);
        }
        if (api_s == 0 && api_answers(api, path))
            api_s = uptime_s() - began;
        (void)poll(NULL, 0, POLL_MS);
    }
    struct stat st = {0};
    CHECK(stat(argv[7], &st) == 0);
    double anon = status_mib(pid, "RssAnon:"), all = status_mib(pid, "VmRSS:");
    (void)printf("| %.2f | %.2f | %.2f | %.2f | %.0f | %.0f | %.0f | %.0f |\n", dns_s, dns_cpu_s,
                 api_s, cpu_s(pid), anon, all, anon * 1048576 / pods, (double)st.st_size / pods);
    return dns_s == 0 || api_s == 0;
}
