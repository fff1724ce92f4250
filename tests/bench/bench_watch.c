/* Many watches, some of which nobody reads.
 *
 *     bench_watch API PID WATCHERS SLOW RATE SECONDS [table]
 *
 * API: the Unix socket; PID: the server's. WATCHERS connections watch the ConfigMaps of `default`
 * (as rows of a Table with `table`), SLOW further ones open the same watch and never read. One
 * writer PUTs 64 ConfigMaps in turn, RATE times a second, for SECONDS; each text carries the time
 * it was sent. Prints cells of a Markdown row: events delivered a second, late or lost ones, time
 * from sending the write to reading the event, CPU per event, memory, and how many slow ones were
 * cut. Exits 1 when a reading watcher missed an event. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"

#define MAPS    64
#define MARK    "bench-ns-"
#define WAIT_NS (INT64_C(10) * 1000000000)

struct watcher {
    int fd;
    bool is_slow, is_cut;
    uint64_t events;
    char tail[64]; /* what may be the beginning of a mark */
    size_t tail_len;
};

static struct watcher *watchers;
static size_t count, slow_count;
static const char *api, *pid;
static bool is_table;
static int64_t *latency_ns;
static size_t latencies, latency_cap;

static int64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int dial(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    (void)snprintf(to.sun_path, sizeof to.sun_path, "%s", api);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    while (connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        CHECK(errno == EAGAIN || errno == EINTR); /* the backlog is full */
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

static double server_cpu_s(void)
{
    char path[64], text[1024];
    (void)snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    FILE *f = fopen(path, "r");
    CHECK(f);
    size_t len = fread(text, 1, sizeof text - 1, f);
    (void)fclose(f);
    text[len] = '\0';
    char *at = strrchr(text, ')');
    for (int i = 2; at && i < 14; i++)
        at = strchr(at + 1, ' ');
    CHECK(at);
    char *end;
    double user = strtod(at, &end), system = strtod(end, NULL);
    return (user + system) / (double)sysconf(_SC_CLK_TCK);
}

static double server_mib(const char *field)
{
    char path[64], line[256];
    double kib = 0;
    (void)snprintf(path, sizeof path, "/proc/%.20s/status", pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, field, strlen(field)) == 0)
            kib = strtod(line + strlen(field), NULL);
    if (f)
        (void)fclose(f);
    return kib / 1024;
}

/* ---- watchers ---- */

static void watch(struct watcher *w, bool is_slow)
{
    char text[512];
    int len = snprintf(text, sizeof text,
                       "GET /api/v1/namespaces/default/configmaps?watch=true HTTP/1.1\r\n"
                       "Host: localhost\r\n%s\r\n",
                       is_table && !is_slow ? "Accept: application/json;as=Table;v=v1;"
                                              "g=meta.k8s.io\r\n"
                                            : "");
    *w = (struct watcher){.fd = dial(), .is_slow = is_slow};
    if (is_slow) {
        int room = 4096;
        (void)setsockopt(w->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    }
    send_all(w->fd, text, (size_t)len);
}

static void note(int64_t sent_ns)
{
    if (latencies == latency_cap) {
        latency_cap = latency_cap ? 2 * latency_cap : 65536;
        latency_ns = xrealloc(latency_ns, latency_cap * sizeof *latency_ns);
    }
    latency_ns[latencies++] = now_ns() - sent_ns;
}

/* Counts the marks of the text, which may be cut anywhere. */
static void scan(struct watcher *w, const char *text, size_t len)
{
    static char all[sizeof w->tail + 65536];
    memcpy(all, w->tail, w->tail_len);
    memcpy(all + w->tail_len, text, len);
    len += w->tail_len;
    size_t at = 0;
    const char *hit;
    while ((hit = memmem(all + at, len - at, MARK, sizeof MARK - 1))) {
        size_t from = (size_t)(hit - all);
        if (len - from < sizeof MARK - 1 + 20) /* the number may not be here yet */
            break;
        note(strtoll(hit + sizeof MARK - 1, NULL, 10));
        w->events++;
        at = from + sizeof MARK - 1 + 20;
    }
    size_t keep = len - at < sizeof w->tail - 1 ? len - at : sizeof w->tail - 1;
    w->tail_len = keep;
    memcpy(w->tail, all + len - keep, keep);
}

static void on_readable(struct watcher *w)
{
    static char text[65536];
    ssize_t n = recv(w->fd, text, sizeof text, MSG_DONTWAIT);
    if (n > 0)
        scan(w, text, (size_t)n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        w->is_cut = true;
}

static void serve(int epoll, int timeout_ms)
{
    struct epoll_event events[256];
    int n = epoll_wait(epoll, events, 256, timeout_ms);
    for (int i = 0; i < n; i++) {
        struct watcher *w = events[i].data.ptr;
        if (!w->is_cut)
            on_readable(w);
        if (w->is_cut)
            (void)epoll_ctl(epoll, EPOLL_CTL_DEL, w->fd, NULL);
    }
}

/* ---- the writer ---- */

static void write_map(int fd, unsigned i, bool is_new)
{
    char body[1024], head[256], reply[8192], path[32] = "";
    /* In a label: rows of a Table show metadata, not data. */
    int len =
        snprintf(body, sizeof body,
                 "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"map%u\","
                 "\"labels\":{\"sent\":\"" MARK "%020" PRId64 "\"}},\"data\":{\"a\":\"%0600u\"}}",
                 i, now_ns(), i);
    if (!is_new)
        (void)snprintf(path, sizeof path, "/map%u", i);
    int head_len = snprintf(head, sizeof head,
                            "%s /api/v1/namespaces/default/configmaps%s HTTP/1.1\r\n"
                            "Host: localhost\r\nContent-Type: application/json\r\n"
                            "Content-Length: %d\r\n\r\n",
                            is_new ? "POST" : "PUT", path, len);
    send_all(fd, head, (size_t)head_len);
    send_all(fd, body, (size_t)len);
    ssize_t n = recv(fd, reply, sizeof reply - 1, 0);
    CHECK(n > 12 && reply[9] == '2');
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double latency_ms(double share)
{
    size_t at = (size_t)((double)(latencies - 1) * share);
    return latencies ? (double)latency_ns[at] / 1e6 : 0;
}

static uint64_t least_events(void)
{
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < count; i++)
        if (!watchers[i].is_slow && watchers[i].events < least)
            least = watchers[i].events;
    return least;
}

int main(int argc, char **argv)
{
    CHECK(argc >= 7);
    api = argv[1];
    pid = argv[2];
    slow_count = (size_t)strtoul(argv[4], NULL, 10);
    size_t normal = (size_t)strtoul(argv[3], NULL, 10);
    unsigned rate = (unsigned)strtoul(argv[5], NULL, 10);
    unsigned seconds = (unsigned)strtoul(argv[6], NULL, 10);
    is_table = argc > 7 && strcmp(argv[7], "table") == 0;
    struct rlimit files;
    CHECK(getrlimit(RLIMIT_NOFILE, &files) == 0);
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    count = normal + slow_count;
    watchers = xcalloc(count, sizeof *watchers);
    int writer = dial(), epoll = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < MAPS; i++)
        write_map(writer, i, true);
    double before_mib = server_mib("RssAnon:");
    for (size_t i = 0; i < count; i++)
        watch(&watchers[i], i >= normal);
    for (size_t i = 0; i < normal; i++) {
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &watchers[i]};
        CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, watchers[i].fd, &ev) == 0);
    }
    while (least_events() < MAPS) /* the initial state */
        serve(epoll, 100);
    latencies = 0;
    double cpu = server_cpu_s();
    uint64_t writes = (uint64_t)rate * seconds;
    int64_t start = now_ns();
    for (uint64_t i = 0; i < writes; i++) {
        int64_t due = start + (int64_t)(i * 1000000000 / rate);
        while (now_ns() < due)
            serve(epoll, (int)((due - now_ns()) / 1000000));
        write_map(writer, (unsigned)(i % MAPS), false);
        serve(epoll, 0);
    }
    int64_t give_up = now_ns() + WAIT_NS;
    while (least_events() < MAPS + writes && now_ns() < give_up)
        serve(epoll, 100);
    double spent = (double)(now_ns() - start) / 1e9;
    cpu = server_cpu_s() - cpu;
    double after_mib = server_mib("RssAnon:");
    uint64_t missed = 0, cut = 0, cut_slow = 0;
    for (size_t i = 0; i < count; i++) {
        struct watcher *w = &watchers[i];
        if (w->is_slow) { /* what is left to be read ends with the connection, or goes on */
            static char text[65536];
            ssize_t n;
            while ((n = recv(w->fd, text, sizeof text, MSG_DONTWAIT)) > 0)
                continue;
            cut_slow += n == 0 || errno == ECONNRESET;
            continue;
        }
        missed += MAPS + writes - w->events;
        cut += w->is_cut;
    }
    qsort(latency_ns, latencies, sizeof *latency_ns, by_size);
    (void)printf("| %zu%s + %zu | %u | %.0f | %" PRIu64 " | %" PRIu64
                 " | %.1f | %.1f | %.2f | %.1f "
                 "| %.0f | %" PRIu64 " of %zu |\n",
                 normal, is_table ? " (Table)" : "", slow_count, rate, (double)latencies / spent,
                 missed, cut, latency_ms(0.5), latency_ms(0.99), cpu * 1e6 / (double)latencies,
                 100 * cpu / spent, after_mib - before_mib, cut_slow, slow_count);
    return missed > 0;
}
