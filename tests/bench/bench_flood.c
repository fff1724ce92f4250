/* Whether a flood of API requests moves the latency of DNS.
 *
 *     bench_flood DNS NAME API ROUNDS [DNS_CPU FLOOD_CPU]
 *
 * DNS: ADDRESS:PORT, NAME: a name with an A record, API: the Unix socket. A round is SLICE_S
 * seconds of queries at RATE a second (open loop: a late answer does not delay the next query)
 * without and as many with a flood: CLIENTS connections, each with one request in flight, that
 * create, read, list and delete ConfigMaps as fast as they are answered. Which comes first
 * alternates. Prints a row of a Markdown table for each round, and the median of the ratios of p99.
 * With CPUs given the prober stays on the first and the flood on the second, and both are kept
 * awake by a task of the idle class: a virtual processor that has slept answers late, and a flood
 * that keeps it from sleeping would look like a cure. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"

#define RATE    2000
#define SLICE_S 3
#define CLIENTS 8
#define QUERIES (RATE * SLICE_S)
#define LOST_NS (INT64_C(2) * 1000000000)

static const char *api;
static struct sockaddr_in dns;
static int flood_cpu = -1;
static _Atomic uint64_t *requests; /* shared with the flood */

static int64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    CHECK(sched_setaffinity(0, sizeof set, &set) == 0);
}

/* A task that runs where and when nothing else wants to, until it is killed. */
static pid_t keep_awake(int cpu)
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child > 0)
        return child;
    CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
    pin(cpu);
    CHECK(sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0}) == 0);
    for (;;)
        atomic_signal_fence(memory_order_seq_cst);
}

/* ---- flood ---- */

static int dial(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    (void)snprintf(to.sun_path, sizeof to.sun_path, "%s", api);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    return fd;
}

static void ask(int fd, unsigned client, unsigned step)
{
    static const char path[] = "/api/v1/namespaces/default/configmaps";
    char text[2048], body[1024] = "";
    int body_len = 0;
    const char *verb = "GET";
    char name[32] = "";
    switch (step % 4) {
    case 0:
        verb = "POST";
        body_len = snprintf(body, sizeof body,
                            "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":"
                            "\"flood%u\"},\"data\":{\"a\":\"%0600u\"}}",
                            client, step);
        break;
    case 1:
        break; /* the list */
    case 2:
        (void)snprintf(name, sizeof name, "/flood%u", client);
        break;
    default:
        verb = "DELETE";
        (void)snprintf(name, sizeof name, "/flood%u", client);
        break;
    }
    int len = snprintf(text, sizeof text,
                       "%s %s%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                       "Content-Length: %d\r\n\r\n%s",
                       verb, path, name, body_len, body);
    CHECK(send(fd, text, (size_t)len, MSG_NOSIGNAL) == len);
}

struct reply {
    char text[65536];
    size_t len;
};

/* Reads what has come; true when the reply is whole, and the room free for the next. */
static bool is_complete(struct reply *reply, int fd)
{
    static const char field[] = "Content-Length: ";
    ssize_t n = recv(fd, reply->text + reply->len, sizeof reply->text - 1 - reply->len, 0);
    CHECK(n > 0);
    reply->len += (size_t)n;
    reply->text[reply->len] = '\0';
    const char *body = strstr(reply->text, "\r\n\r\n");
    const char *length = body ? strcasestr(reply->text, field) : NULL;
    if (!body)
        return false;
    CHECK(length && length < body); /* none of these replies is long enough to come in chunks */
    if (reply->len <
        (size_t)(body + 4 - reply->text) + strtoul(length + sizeof field - 1, NULL, 10))
        return false;
    if (memcmp(reply->text + 9, "409", 3) != 0 &&
        reply->text[9] != '2') { /* 409: left by a round */
        (void)fprintf(stderr, "bench_flood: %s\n", reply->text);
        _exit(2);
    }
    reply->len = 0;
    return true;
}

static _Noreturn void flood(void)
{
    static struct reply clients[CLIENTS];
    struct pollfd fds[CLIENTS];
    unsigned steps[CLIENTS] = {0};
    if (flood_cpu >= 0)
        pin(flood_cpu);
    for (unsigned i = 0; i < CLIENTS; i++) {
        fds[i] = (struct pollfd){.fd = dial(), .events = POLLIN};
        ask(fds[i].fd, i, steps[i]++);
    }
    for (;;) {
        CHECK(poll(fds, CLIENTS, -1) > 0 || errno == EINTR);
        for (unsigned i = 0; i < CLIENTS; i++) {
            if (!(fds[i].revents & POLLIN))
                continue;
            if (!is_complete(&clients[i], fds[i].fd))
                continue;
            (*requests)++;
            ask(fds[i].fd, i, steps[i]++);
        }
    }
}

/* ---- probe ---- */

static size_t make_query(const char *name, uint8_t *out)
{
    static const uint8_t head[12] = {0, 0, 0, 0, 0, 1};
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

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

struct result {
    double p50_us, p99_us;
    size_t lost;
};

static void collect(int fd, const int64_t *sent, int64_t *latency, size_t *answers, int64_t until)
{
    uint8_t reply[1500];
    int64_t left;
    while (*answers < QUERIES && (left = until - now_ns()) > 0) {
        struct timespec wait = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (ppoll(&p, 1, &wait, NULL) <= 0)
            continue;
        while (recv(fd, reply, sizeof reply, MSG_DONTWAIT) > 12) {
            size_t id = (size_t)reply[0] << 8 | reply[1];
            CHECK(id < QUERIES && (reply[3] & 15) == 0);
            latency[(*answers)++] = now_ns() - sent[id];
        }
    }
}

static struct result probe(uint8_t *query, size_t len)
{
    static int64_t sent[QUERIES], latency[QUERIES];
    size_t answers = 0;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&dns, sizeof dns) == 0);
    int64_t start = now_ns();
    for (size_t i = 0; i < QUERIES; i++) {
        collect(fd, sent, latency, &answers, start + (int64_t)i * 1000000000 / RATE);
        query[0] = (uint8_t)(i >> 8);
        query[1] = (uint8_t)i;
        sent[i] = now_ns();
        CHECK(send(fd, query, len, 0) == (ssize_t)len);
    }
    collect(fd, sent, latency, &answers, now_ns() + LOST_NS);
    (void)close(fd);
    qsort(latency, answers, sizeof *latency, by_size);
    CHECK(answers > 0);
    return (struct result){.p50_us = (double)latency[answers / 2] / 1e3,
                           .p99_us = (double)latency[answers * 99 / 100] / 1e3,
                           .lost = QUERIES - answers};
}

static struct result probe_flooded(uint8_t *query, size_t len)
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        flood();
    struct result r = probe(query, len);
    int status;
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child);
    return r;
}

int main(int argc, char **argv)
{
    CHECK(argc == 5 || argc == 7);
    char host[64];
    const char *colon = strrchr(argv[1], ':');
    CHECK(colon);
    (void)snprintf(host, sizeof host, "%.*s", (int)(colon - argv[1]), argv[1]);
    dns.sin_family = AF_INET;
    CHECK(inet_pton(AF_INET, host, &dns.sin_addr) == 1);
    dns.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    api = argv[3];
    unsigned rounds = (unsigned)strtoul(argv[4], NULL, 10);
    pid_t awake[2] = {0};
    if (argc == 7) {
        pin((int)strtol(argv[5], NULL, 10));
        flood_cpu = (int)strtol(argv[6], NULL, 10);
        awake[0] = keep_awake((int)strtol(argv[5], NULL, 10));
        awake[1] = keep_awake(flood_cpu);
    }
    requests =
        mmap(NULL, sizeof *requests, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(requests != MAP_FAILED && rounds > 0 && rounds < 1000);
    uint8_t query[512];
    size_t len = make_query(argv[2], query);
    int64_t ratios[1000];
    (void)probe(query, len); /* warm */
    for (unsigned i = 0; i < rounds; i++) {
        struct result quiet = {0}, loud;
        uint64_t before = *requests;
        if (i % 2 == 0)
            quiet = probe(query, len);
        loud = probe_flooded(query, len);
        if (i % 2 == 1)
            quiet = probe(query, len);
        double ratio = loud.p99_us / quiet.p99_us;
        ratios[i] = (int64_t)(ratio * 1000);
        (void)printf("| %u | %.0f | %.0f | %.0f | %.0f | %.2f | %.0f | %zu + %zu |\n", i + 1,
                     quiet.p50_us, loud.p50_us, quiet.p99_us, loud.p99_us, ratio,
                     (double)(*requests - before) / SLICE_S, quiet.lost, loud.lost);
        (void)fflush(stdout);
    }
    qsort(ratios, rounds, sizeof *ratios, by_size);
    for (size_t i = 0; i < 2 && awake[i]; i++) {
        int status;
        CHECK(kill(awake[i], SIGKILL) == 0 && waitpid(awake[i], &status, 0) == awake[i]);
    }
    (void)printf("\nMedian of the ratios of p99: %.2f\n", (double)ratios[rounds / 2] / 1000);
    return 0;
}
