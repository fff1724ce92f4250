/* Durable writes through the API and what DNS says of them: load from outside, closed loop.
 *
 *     bench_api API DNS [METRICS [PID [ROUNDS]]]   API: the path of the Unix socket, or
 * ADDRESS:PORT DNS, METRICS: ADDRESS:PORT bench_api disk DIR                           one 4 KB
 * write + fdatasync in DIR
 *
 * 1,000 headless Services and 1,000 EndpointSlices of 20 endpoints with hostnames are created over
 * 16 keep-alive connections, one request in flight on each; then ROUNDS (5) times each slice is PUT
 * with one address changed. Right after each acknowledged slice the first query for the name of one
 * of its endpoints goes out: an answer other than the address just written is a miss, and there
 * must be none. With METRICS and PID it also tells commits per write and CPU time of the server.
 * The cluster zone is cluster.local, the namespace `default`, the store must be empty. Prints rows
 * of a Markdown table; exits 1 on a miss, a lost query or a refused write. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"

#define SERVICES    1000
#define ENDPOINTS   20
#define CONNECTIONS 16
#define ROUNDS      5
#define ROUNDS_MAX  60
#define TEXT_MAX    16384
#define WAIT_MS     5000
#define DISK_WRITES 500

/* A write of the workload: round 0 creates, later rounds update. */
struct task {
    unsigned service, round;
    bool is_slice;
};

struct conn {
    int fd, dns_fd;
    bool is_busy;
    struct task task;
    int64_t sent_ns;
    char text[TEXT_MAX]; /* the reply as far as it has come */
    size_t len;
};

struct bench {
    struct conn conns[CONNECTIONS];
    struct task *tasks;
    size_t task_count, next, done;
    uint16_t query_id;
    uint32_t wanted[UINT16_MAX + 1]; /* by query id: the address the answer must give, or 0 */
    size_t queries, answers, misses, refused;
    int64_t *latency_ns;
};

static int64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* ---- sockets ---- */

static int dial(const char *to, int type)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {.sin_family = AF_INET};
    const char *colon = strrchr(to, ':');
    if (*to == '/') {
        (void)snprintf(local.sun_path, sizeof local.sun_path, "%s", to);
    } else {
        char host[64];
        CHECK(colon);
        (void)snprintf(host, sizeof host, "%.*s", (int)(colon - to), to);
        CHECK(inet_pton(AF_INET, host, &in.sin_addr) == 1);
        in.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    }
    int fd = socket(*to == '/' ? AF_UNIX : AF_INET, type | SOCK_CLOEXEC, 0);
    int rc = *to == '/' ? connect(fd, (struct sockaddr *)&local, sizeof local)
                        : connect(fd, (struct sockaddr *)&in, sizeof in);
    if (fd < 0 || rc < 0) {
        (void)fprintf(stderr, "bench_api: %s: %s\n", to, strerrordesc_np(errno));
        exit(2); /* NOLINT(concurrency-mt-unsafe): one thread */
    }
    return fd;
}

static void send_all(int fd, const char *text, size_t len)
{
    while (len) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
        CHECK(n > 0);
        text += n;
        len -= (size_t)n;
    }
}

/* ---- the server's own figures ---- */

struct figures {
    double commits, cpu_s;
};

static double read_commits(const char *address)
{
    static const char ask[] =
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    static const char line[] = "\nordinald_store_commits_total ";
    static char text[1 << 20];
    size_t len = 0;
    int fd = dial(address, SOCK_STREAM);
    send_all(fd, ask, sizeof ask - 1);
    for (ssize_t n; (n = recv(fd, text + len, sizeof text - 1 - len, 0)) > 0;)
        len += (size_t)n;
    (void)close(fd);
    text[len] = '\0';
    const char *at = strstr(text, line);
    return at ? strtod(at + sizeof line - 1, NULL) : 0;
}

static double read_cpu_s(const char *pid)
{
    char path[64], text[1024];
    (void)snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    size_t len = fread(text, 1, sizeof text - 1, f);
    (void)fclose(f);
    text[len] = '\0';
    const char *at = strrchr(text, ')');
    for (int field = 2; at && field < 13; field++)
        at = strchr(at + 1, ' ');
    if (!at)
        return 0;
    char *end;
    double ticks = strtod(at, &end);
    ticks += strtod(end, NULL);
    return ticks / (double)sysconf(_SC_CLK_TCK);
}

static struct figures read_figures(const char *metrics, const char *pid)
{
    return (struct figures){metrics ? read_commits(metrics) : 0, pid ? read_cpu_s(pid) : 0};
}

/* ---- the workload ---- */

/* In the pod range, so that every endpoint has a PTR record too. Each round moves one endpoint of
 * each slice to the other half of the range and back. */
static uint32_t address_of(unsigned service, unsigned endpoint, unsigned round)
{
    unsigned nth = service * ENDPOINTS + endpoint;
    unsigned moves = round / ENDPOINTS + (endpoint < round % ENDPOINTS);
    return (10u << 24) | (244u << 16) | (nth / 250 + 128 * (moves % 2)) << 8 | (nth % 250 + 1);
}

__attribute__((format(printf, 3, 4))) static void put(char *text, size_t *len, const char *format,
                                                      ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text + *len, TEXT_MAX - *len, format, args);
    va_end(args);
    CHECK(n >= 0 && (size_t)n < TEXT_MAX - *len);
    *len += (size_t)n;
}

static size_t slice_body(char *text, const struct task *t)
{
    size_t len = 0;
    put(text, &len,
        "{\"apiVersion\":\"discovery.k8s.io/v1\",\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":"
        "\"svc-%u-a\",\"namespace\":\"default\",\"labels\":{\"kubernetes.io/service-name\":\"svc-"
        "%u\"}},\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"http\",\"port\":8080,\"protocol\":"
        "\"TCP\"}],\"endpoints\":[",
        t->service, t->service);
    for (unsigned i = 0; i < ENDPOINTS; i++) {
        uint32_t a = address_of(t->service, i, t->round);
        put(text, &len,
            "%s{\"addresses\":[\"%u.%u.%u.%u\"],\"conditions\":{\"ready\":true,\"serving\":true,"
            "\"terminating\":false},\"hostname\":\"pod-%u\"}",
            i ? "," : "", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255, i);
    }
    put(text, &len, "]}");
    return len;
}

static size_t service_body(char *text, const struct task *t)
{
    size_t len = 0;
    put(text, &len,
        "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"svc-%u\","
        "\"namespace\":\"default\"},\"spec\":{\"clusterIP\":\"None\",\"ports\":[{\"name\":\"http\","
        "\"port\":80,\"targetPort\":8080,\"protocol\":\"TCP\"}]}}",
        t->service);
    return len;
}

static void send_task(struct conn *c, const struct task *t)
{
    static const char slices[] = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
    char body[TEXT_MAX], text[TEXT_MAX], path[128];
    size_t body_len = t->is_slice ? slice_body(body, t) : service_body(body, t), len = 0;
    if (!t->is_slice)
        (void)snprintf(path, sizeof path, "POST /api/v1/namespaces/default/services");
    else if (t->round == 0)
        (void)snprintf(path, sizeof path, "POST %s", slices);
    else
        (void)snprintf(path, sizeof path, "PUT %s/svc-%u-a", slices, t->service);
    put(text, &len,
        "%s HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nContent-Type: "
        "application/json\r\nContent-Length: %zu\r\n\r\n%.*s",
        path, body_len, (int)body_len, body);
    c->task = *t;
    c->len = 0;
    c->is_busy = true;
    c->sent_ns = now_ns();
    send_all(c->fd, text, len);
}

/* ---- DNS ---- */

static size_t put_label(uint8_t *out, const char *label)
{
    size_t len = strlen(label);
    *out = (uint8_t)len;
    memcpy(out + 1, label, len); /* NOLINT(bugprone-not-null-terminated-result): a DNS label */
    return len + 1;
}

/* The endpoint that the acknowledged write moved (or one of the new ones), asked for at once. */
static void send_query(struct bench *b, const struct conn *c)
{
    const struct task *t = &c->task;
    unsigned endpoint = t->round ? (t->round - 1) % ENDPOINTS : t->service % ENDPOINTS;
    uint16_t id = ++b->query_id;
    uint8_t q[256] = {(uint8_t)(id >> 8), (uint8_t)id, 0, 0, 0, 1};
    char pod[16], service[16];
    (void)snprintf(pod, sizeof pod, "pod-%u", endpoint);
    (void)snprintf(service, sizeof service, "svc-%u", t->service);
    const char *const labels[] = {pod, service, "default", "svc", "cluster", "local"};
    size_t len = 12;
    for (size_t i = 0; i < ARRAY_SIZE(labels); i++)
        len += put_label(q + len, labels[i]);
    len++;
    q[len + 1] = q[len + 3] = 1;
    len += 4;
    CHECK(b->wanted[id] == 0);
    b->wanted[id] = address_of(t->service, endpoint, t->round);
    b->queries++;
    CHECK(send(c->dns_fd, q, len, 0) == (ssize_t)len);
}

/* One A record, the last of the message: its address is the last four octets. */
static void read_answer(struct bench *b, const struct conn *c)
{
    uint8_t m[1500];
    ssize_t n = recv(c->dns_fd, m, sizeof m, MSG_DONTWAIT);
    if (n < 12)
        return;
    unsigned id = (unsigned)m[0] << 8 | m[1];
    uint32_t address = 0;
    memcpy(&address, m + n - 4, 4);
    bool is_good =
        (m[3] & 15) == 0 && m[7] == 1 && m[9] == 0 && m[11] == 0 && ntohl(address) == b->wanted[id];
    if (b->wanted[id] == 0)
        return;
    b->wanted[id] = 0;
    b->answers++;
    b->misses += !is_good;
}

/* ---- HTTP ---- */

static bool reply_is_complete(const struct conn *c)
{
    static const char field[] = "\r\nContent-Length: ";
    const char *end = strstr(c->text, "\r\n\r\n"), *at = strstr(c->text, field);
    if (!end)
        return false;
    CHECK(at && at < end);
    size_t head = (size_t)(end - c->text) + 4;
    return c->len >= head + strtoul(at + sizeof field - 1, NULL, 10);
}

static void next_task(struct bench *b, struct conn *c)
{
    c->is_busy = false;
    if (b->next < b->task_count)
        send_task(c, &b->tasks[b->next++]);
}

static void read_reply(struct bench *b, struct conn *c)
{
    ssize_t n = recv(c->fd, c->text + c->len, sizeof c->text - 1 - c->len, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    CHECK(n > 0);
    c->len += (size_t)n;
    c->text[c->len] = '\0';
    if (!reply_is_complete(c))
        return;
    b->latency_ns[b->done++] = now_ns() - c->sent_ns;
    if (strncmp(c->text, "HTTP/1.1 20", 11) != 0) {
        if (b->refused++ == 0)
            (void)fprintf(stderr, "bench_api: refused: %s\n", c->text);
    } else if (c->task.is_slice) {
        send_query(b, c);
    }
    next_task(b, c);
}

/* ---- phases ---- */

static int compare_ns(const void *a, const void *b)
{
    int64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/* A query that is not answered within WAIT_MS after the last reply is lost. */
static int64_t run_tasks(struct bench *b)
{
    struct pollfd fds[2 * CONNECTIONS];
    int64_t start = now_ns(), end = start;
    for (size_t i = 0; i < CONNECTIONS; i++) {
        next_task(b, &b->conns[i]);
        fds[2 * i] = (struct pollfd){.fd = b->conns[i].fd, .events = POLLIN};
        fds[2 * i + 1] = (struct pollfd){.fd = b->conns[i].dns_fd, .events = POLLIN};
    }
    while (b->done < b->task_count || b->answers < b->queries) {
        if (poll(fds, ARRAY_SIZE(fds), WAIT_MS) <= 0)
            break;
        for (size_t i = 0; i < CONNECTIONS; i++) {
            if (fds[2 * i].revents && b->done < b->task_count)
                read_reply(b, &b->conns[i]);
            if (fds[2 * i + 1].revents)
                read_answer(b, &b->conns[i]);
        }
        if (b->done < b->task_count)
            end = now_ns();
    }
    CHECK(b->done == b->task_count);
    return end - start;
}

static void add_task(struct bench *b, unsigned service, unsigned round, bool is_slice)
{
    b->tasks[b->task_count++] = (struct task){service, round, is_slice};
}

/* One row of the table. True when every answer was right. */
static bool run_phase(struct bench *b, const char *what, const char *metrics, const char *pid)
{
    b->next = b->done = b->queries = b->answers = b->misses = b->refused = 0;
    memset(b->wanted, 0, sizeof b->wanted);
    struct figures before = read_figures(metrics, pid);
    double seconds = (double)run_tasks(b) / 1e9;
    struct figures after = read_figures(metrics, pid);
    qsort(b->latency_ns, b->done, sizeof *b->latency_ns, compare_ns);
    double writes = (double)b->done, slices = (double)(b->queries + b->refused);
    size_t middle = b->done / 2, late = b->done * 99 / 100;
    printf("| %s | %.0f | %.0f | %.2f | %.2f | %.1f | %.0f | %zu of %zu |\n", what,
           writes / seconds, slices * ENDPOINTS / seconds, (double)b->latency_ns[middle] / 1e6,
           (double)b->latency_ns[late] / 1e6,
           after.commits > before.commits ? writes / (after.commits - before.commits) : 0,
           (after.cpu_s - before.cpu_s) / writes * 1e6, b->misses, b->queries);
    (void)fflush(stdout);
    if (b->refused || b->answers < b->queries)
        (void)fprintf(stderr, "bench_api: %zu writes refused, %zu queries lost\n", b->refused,
                      b->queries - b->answers);
    return !b->refused && !b->misses && b->answers == b->queries;
}

static bool run(const char *api, const char *dns, const char *metrics, const char *pid,
                unsigned rounds)
{
    struct bench *b = xcalloc(1, sizeof *b);
    size_t most = (size_t)SERVICES * (rounds > 2 ? rounds : 2);
    b->tasks = xcalloc(most, sizeof *b->tasks);
    b->latency_ns = xcalloc(most, sizeof *b->latency_ns);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        b->conns[i].fd = dial(api, SOCK_STREAM);
        b->conns[i].dns_fd = dial(dns, SOCK_DGRAM);
    }
    puts("| phase | objects/s | endpoints/s | p50 ms | p99 ms | writes per commit | server CPU us "
         "per object | misses |\n|---|---|---|---|---|---|---|---|");
    for (unsigned i = 0; i < SERVICES; i++) {
        add_task(b, i, 0, false);
        add_task(b, i, 0, true);
    }
    bool good = run_phase(b, "create", metrics, pid);
    b->task_count = 0;
    for (unsigned round = 1; round <= rounds; round++)
        for (unsigned i = 0; i < SERVICES; i++)
            add_task(b, i, round, true);
    good = (rounds == 0 || run_phase(b, "one address moves", metrics, pid)) && good;
    for (size_t i = 0; i < CONNECTIONS; i++) {
        (void)close(b->conns[i].fd);
        (void)close(b->conns[i].dns_fd);
    }
    free(b->tasks);
    free(b->latency_ns);
    free(b);
    return good;
}

/* ---- the disk ---- */

static int measure_disk(const char *dir)
{
    static const uint8_t page[4096];
    int64_t took[DISK_WRITES];
    char *path = xasprintf("%s/bench_api.tmp", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good = fd >= 0;
    for (size_t i = 0; good && i < DISK_WRITES; i++) {
        int64_t start = now_ns();
        good = pwrite(fd, page, sizeof page, (off_t)(i % 64 * sizeof page)) == sizeof page &&
               fdatasync(fd) == 0;
        took[i] = now_ns() - start;
    }
    if (!good)
        (void)fprintf(stderr, "bench_api: %s: %s\n", path, strerrordesc_np(errno));
    if (fd >= 0)
        (void)close(fd);
    (void)unlink(path);
    free(path);
    if (!good)
        return 1;
    qsort(took, DISK_WRITES, sizeof *took, compare_ns);
    size_t middle = DISK_WRITES / 2, late = DISK_WRITES * 99 / 100;
    printf("4 KB write + fdatasync: p50 %.3f ms, p99 %.3f ms\n", (double)took[middle] / 1e6,
           (double)took[late] / 1e6);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "disk") == 0)
        return measure_disk(argv[2]);
    if (argc < 3 || argc > 6) {
        (void)fputs("usage: bench_api API DNS [METRICS [PID [ROUNDS]]]\n"
                    "       bench_api disk DIR\n",
                    stderr);
        return 2;
    }
    unsigned long rounds = argc > 5 ? strtoul(argv[5], NULL, 10) : ROUNDS;
    return run(argv[1], argv[2], argc > 3 ? argv[3] : NULL, argc > 4 ? argv[4] : NULL,
               rounds < ROUNDS_MAX ? (unsigned)rounds : ROUNDS_MAX)
               ? 0
               : 1;
}
