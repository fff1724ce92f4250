/* One load for every DNS server: interleaved rounds of UDP queries from a file, in random order.
 *
 *     bench_load [-e] [-w WINDOW | -r RATE] [-s SECONDS] [-n ROUNDS] QUERIES TARGET...
 *
 * QUERIES: lines "NAME TYPE", TYPE a number or A, SRV. TARGET: LABEL=ADDRESS:PORT/PID[+PID]..., the
 * processes whose CPU time is the server's. -e adds an OPT record that offers 1,232 octets.
 *
 * -w (default): closed loop, WINDOW (32) queries in flight; an answer is replaced at once, so
 * nothing is lost and every answer is counted. -r: open loop, RATE queries per second whatever the
 * server does; latencies count from when a query was due. What this program itself is too late for
 * (BEHIND queries) is left out, and missing from SENT.
 *
 * One line per round and target, words separated by tabs:
 *     LABEL ROUND SENT ANSWERS IN_TIME WALL_S CPU_S P50_US P90_US P99_US P999_US NOERROR NXDOMAIN
 *     OTHER
 * IN_TIME: without those after SECONDS. OTHER: answers of any other rcode, and NOERROR without a
 * record; a reflector has nothing else.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "zones/name.h"
#include "zones/rrset.h"

#define BATCH         64
#define PACKET        1500
#define SOCKETS       8    /* so that every worker of a server gets some */
#define SLOTS         8192 /* queries of one socket that are waited for */
#define TARGETS       8
#define PIDS          8
#define LOST_NS       500000000
#define TICK_NS       50000    /* a fast open loop sends what is due this often */
#define MOST_NS       10000000 /* a slow one looks this often whether the time is over */
#define BEHIND        256
#define RECEIVE_BYTES (8 << 20)

/* Latencies: 16 steps per power of two. */
#define STEPS   16
#define BUCKETS ((size_t)64 * STEPS)

struct question {
    uint16_t len;
    uint8_t bytes[NAME_MAX_WIRE + 12 + 4 + 11];
};

struct slot {
    uint16_t id;
    bool is_waited_for;
    int64_t due_ns;
};

struct source {
    int fd;
    uint16_t next_id;
    struct slot slots[SLOTS];
};

struct target {
    char label[32];
    struct sockaddr_in address;
    clockid_t clocks[PIDS];
    int clock_count;
};

/* What one round of one target gave. */
struct tally {
    uint64_t sent, answers, in_time, noerror, nxdomain, other;
    uint64_t latencies[BUCKETS];
    double wall_s, cpu_s;
};

struct load {
    struct question *questions;
    size_t question_count;
    bool has_edns;
    unsigned window;
    double rate, seconds;
    int64_t end_ns; /* of the round's SECONDS */
    uint64_t chance;
    struct source sources[SOCKETS];
    struct mmsghdr out[BATCH], in[BATCH];
    struct iovec out_iov[BATCH], in_iov[BATCH];
    uint8_t out_bytes[BATCH][sizeof(struct question)], in_bytes[BATCH][PACKET];
    struct tally tally;
};

static int64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static double cpu_s(const struct target *t)
{
    double total = 0;
    for (int i = 0; i < t->clock_count; i++) {
        struct timespec at;
        CHECK(clock_gettime(t->clocks[i], &at) == 0);
        total += (double)at.tv_sec + (double)at.tv_nsec / 1e9;
    }
    return total;
}

/* ---- latencies ---- */

static size_t bucket_of(int64_t ns)
{
    uint64_t v = ns > STEPS ? (uint64_t)ns : STEPS;
    unsigned power = 63U - (unsigned)__builtin_clzll(v);
    return (size_t)power * STEPS + (size_t)(v >> (power - 4) & (STEPS - 1));
}

/* Upper end of the bucket that holds the given part of all answers. */
static double percentile_us(const struct tally *t, double part)
{
    uint64_t wanted = (uint64_t)(part * (double)t->answers), seen = 0;
    for (size_t i = 4 * (size_t)STEPS; i < BUCKETS; i++) { /* bucket_of gives none below */
        seen += t->latencies[i];
        if (seen > wanted)
            return (double)((uint64_t)(STEPS + i % STEPS + 1) << (i / STEPS - 4)) / 1e3;
    }
    return 0;
}

/* ---- input ---- */

static uint16_t type_number(const char *word)
{
    if (strcmp(word, "A") == 0)
        return RR_A;
    if (strcmp(word, "SRV") == 0)
        return RR_SRV;
    return (uint16_t)strtoul(word, NULL, 10);
}

static void question_init(struct question *q, const char *name, uint16_t type, bool has_edns)
{
    static const uint8_t header[12] = {0, 0, 1, 0, 0, 1}, opt[11] = {0, 0, RR_OPT, 4, 0xd0};
    memcpy(q->bytes, header, sizeof header);
    int len = name_parse(name, q->bytes + 12, NULL);
    CHECK(len > 0);
    uint8_t *at = q->bytes + 12 + len;
    const uint8_t tail[4] = {(uint8_t)(type >> 8), (uint8_t)type, 0, 1};
    memcpy(at, tail, sizeof tail);
    q->len = (uint16_t)(16 + len);
    if (!has_edns)
        return;
    memcpy(at + 4, opt, sizeof opt);
    q->bytes[11] = 1;
    q->len = (uint16_t)(q->len + sizeof opt);
}

static int read_questions(struct load *l, const char *path)
{
    char line[NAME_TEXT_MAX + 16], name[NAME_TEXT_MAX], type[16];
    size_t room = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "%1023s %15s", name, type) != 2)
            continue;
        if (l->question_count == room) {
            room = room ? 2 * room : 1024;
            l->questions = xrealloc(l->questions, room * sizeof *l->questions);
        }
        question_init(&l->questions[l->question_count++], name, type_number(type), l->has_edns);
    }
    (void)fclose(file);
    return l->question_count > 0 ? 0 : -1;
}

static bool target_parse(struct target *t, char *text)
{
    char *label = strsep(&text, "="), *host = strsep(&text, ":"), *port = strsep(&text, "/");
    if (!label || !host || !port)
        return false;
    (void)snprintf(t->label, sizeof t->label, "%s", label);
    t->address = (struct sockaddr_in){.sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
    if (inet_pton(AF_INET, host, &t->address.sin_addr) != 1)
        return false;
    for (char *pid; t->clock_count < PIDS && (pid = strsep(&text, "+"));) {
        if (clock_getcpuclockid((pid_t)strtol(pid, NULL, 10), &t->clocks[t->clock_count++]) != 0)
            return false;
    }
    return t->clock_count > 0;
}

/* ---- packets ---- */

static const struct question *random_question(struct load *l)
{
    l->chance ^= l->chance << 13; /* xorshift64: the same order in every run */
    l->chance ^= l->chance >> 7;
    l->chance ^= l->chance << 17;
    return &l->questions[(l->chance >> 32) * l->question_count >> 32];
}

/* Sends `count` queries from one socket; query k was due at due_ns + k * step_ns. */
static void ask(struct load *l, struct source *s, unsigned count, double due_ns, double step_ns)
{
    for (unsigned i = 0; i < count; i++) {
        const struct question *q = random_question(l);
        uint16_t id = s->next_id++;
        s->slots[id % SLOTS] = (struct slot){id, true, (int64_t)(due_ns + step_ns * i)};
        memcpy(l->out_bytes[i], q->bytes, q->len);
        l->out_bytes[i][0] = (uint8_t)(id >> 8);
        l->out_bytes[i][1] = (uint8_t)id;
        l->out_iov[i].iov_len = q->len;
    }
    for (unsigned done = 0; done < count;) {
        int n = sendmmsg(s->fd, l->out + done, count - done, 0);
        CHECK(n > 0 || errno == EINTR || errno == ECONNREFUSED);
        done += n > 0 ? (unsigned)n : 0;
    }
    l->tally.sent += count;
}

/* Takes what has arrived on one socket; how many answers that were waited for. */
static unsigned collect(struct load *l, struct source *s)
{
    unsigned answers = 0;
    int n = recvmmsg(s->fd, l->in, BATCH, MSG_DONTWAIT, NULL);
    int64_t now = now_ns();
    struct tally *t = &l->tally;
    for (int i = 0; i < n; i++) {
        const uint8_t *m = l->in_bytes[i];
        uint16_t id = (uint16_t)(m[0] << 8 | m[1]);
        struct slot *slot = &s->slots[id % SLOTS];
        if (l->in[i].msg_len < 12 || !slot->is_waited_for || slot->id != id)
            continue;
        slot->is_waited_for = false;
        answers++;
        t->latencies[bucket_of(now - slot->due_ns)]++;
        unsigned rcode = m[3] & 15;
        bool has_answer = m[6] || m[7];
        t->noerror += rcode == 0 && has_answer;
        t->nxdomain += rcode == 3;
        t->other += rcode != 3 && (rcode != 0 || !has_answer);
    }
    t->answers += answers;
    t->in_time += now < l->end_ns ? answers : 0;
    return answers;
}

/* ---- the two loops ---- */

/* Each socket keeps its share of the window in flight until the time is over. */
static void closed_loop(struct load *l)
{
    struct pollfd fds[SOCKETS];
    unsigned flying = 0;
    int64_t from = now_ns();
    for (unsigned i = 0; i < SOCKETS; i++) {
        unsigned share = (l->window + i) / SOCKETS;
        fds[i] = (struct pollfd){.fd = l->sources[i].fd, .events = POLLIN};
        ask(l, &l->sources[i], share, (double)from, 0);
        flying += share;
    }
    while (flying > 0 && poll(fds, SOCKETS, LOST_NS / 1000000) != 0) {
        int64_t now = now_ns();
        for (int i = 0; i < SOCKETS; i++) {
            if (!(fds[i].revents & POLLIN))
                continue;
            unsigned n = collect(l, &l->sources[i]);
            if (now >= l->end_ns)
                flying -= n;
            else if (n > 0)
                ask(l, &l->sources[i], n, (double)now_ns(), 0);
        }
    }
}

/* How long an open loop waits, at the most, for answers before it sends again. */
static struct timespec pause_until(double next_ns, double step_ns)
{
    double wait = step_ns > TICK_NS ? next_ns - (double)now_ns() : TICK_NS;
    if (wait < 0)
        wait = 0;
    return (struct timespec){.tv_nsec = (long)(wait < MOST_NS ? wait : MOST_NS)};
}

/* Sends what is due, one socket after the other, and waits for stragglers at the end. */
static void open_loop(struct load *l)
{
    struct pollfd fds[SOCKETS];
    for (int i = 0; i < SOCKETS; i++)
        fds[i] = (struct pollfd){.fd = l->sources[i].fd, .events = POLLIN};
    double step_ns = 1e9 / l->rate, next = (double)now_ns(), end = (double)l->end_ns;
    CHECK(prctl(PR_SET_TIMERSLACK, 1UL) == 0);
    for (unsigned turn = 0;; turn++) {
        double now = (double)now_ns();
        double due = now < end && now >= next ? (now - next) / step_ns + 1 : 0;
        if (due > BEHIND) {
            next = now - BEHIND * step_ns;
            due = BEHIND;
        }
        unsigned count = due < BATCH ? (unsigned)due : BATCH;
        if (count > 0)
            ask(l, &l->sources[turn % SOCKETS], count, next, step_ns);
        next += count * step_ns;
        const struct timespec tick =
            due > BATCH ? (struct timespec){0} : pause_until(next, step_ns);
        if (ppoll(fds, SOCKETS, &tick, NULL) > 0) {
            for (int i = 0; i < SOCKETS; i++) {
                if (fds[i].revents & POLLIN)
                    collect(l, &l->sources[i]);
            }
        }
        if (now >= end + LOST_NS || (now >= end && l->tally.answers == l->tally.sent))
            return;
    }
}

static void sources_open(struct load *l, const struct target *t)
{
    for (int i = 0; i < SOCKETS; i++) {
        struct source *s = &l->sources[i];
        int size = RECEIVE_BYTES;
        memset(s->slots, 0, sizeof s->slots);
        s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        CHECK(s->fd >= 0);
        if (setsockopt(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
            (void)setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
        CHECK(connect(s->fd, (const struct sockaddr *)&t->address, sizeof t->address) == 0);
    }
}

static void run_round(struct load *l, const struct target *t, unsigned round)
{
    struct tally *tally = &l->tally;
    memset(tally, 0, sizeof *tally);
    sources_open(l, t);
    double cpu = cpu_s(t);
    int64_t from = now_ns();
    l->end_ns = from + (int64_t)(l->seconds * 1e9);
    if (l->rate > 0)
        open_loop(l);
    else
        closed_loop(l);
    tally->wall_s = (double)(now_ns() - from) / 1e9;
    tally->cpu_s = cpu_s(t) - cpu;
    for (int i = 0; i < SOCKETS; i++)
        (void)close(l->sources[i].fd);
    printf("%s\t%u\t%llu\t%llu\t%llu\t%.4f\t%.6f\t%.1f\t%.1f\t%.1f\t%.1f\t%llu\t%llu\t%llu\n",
           t->label, round, (unsigned long long)tally->sent, (unsigned long long)tally->answers,
           (unsigned long long)tally->in_time, tally->wall_s, tally->cpu_s,
           percentile_us(tally, 0.5), percentile_us(tally, 0.9), percentile_us(tally, 0.99),
           percentile_us(tally, 0.999), (unsigned long long)tally->noerror,
           (unsigned long long)tally->nxdomain, (unsigned long long)tally->other);
    (void)fflush(stdout);
}

static struct load *load_new(void)
{
    struct load *l = xcalloc(1, sizeof *l);
    *l = (struct load){.window = 32, .seconds = 1, .chance = 0x9e3779b97f4a7c15};
    for (size_t i = 0; i < BATCH; i++) {
        l->out_iov[i].iov_base = l->out_bytes[i];
        l->in_iov[i] = (struct iovec){l->in_bytes[i], PACKET};
        l->out[i].msg_hdr = (struct msghdr){.msg_iov = &l->out_iov[i], .msg_iovlen = 1};
        l->in[i].msg_hdr = (struct msghdr){.msg_iov = &l->in_iov[i], .msg_iovlen = 1};
    }
    return l;
}

static int usage(void)
{
    (void)fputs("bench_load [-e] [-w WINDOW | -r RATE] [-s SECONDS] [-n ROUNDS] QUERIES "
                "LABEL=ADDRESS:PORT/PID[+PID]...\n",
                stderr);
    return 2;
}

int main(int argc, char **argv)
{
    static struct target targets[TARGETS];
    struct load *l = load_new();
    unsigned rounds = 6;
    for (int option;
         (option = getopt(argc, argv, "ew:r:s:n:")) != -1;) { /* NOLINT(concurrency-mt-unsafe) */
        switch (option) {
        case 'e':
            l->has_edns = true;
            break;
        case 'w':
            l->window = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'r':
            l->rate = strtod(optarg, NULL);
            break;
        case 's':
            l->seconds = strtod(optarg, NULL);
            break;
        case 'n':
            rounds = (unsigned)strtoul(optarg, NULL, 10);
            break;
        default:
            return usage();
        }
    }
    int count = argc - optind - 1;
    if (count < 1 || count > TARGETS || l->window < 1 || l->window > SOCKETS * BATCH)
        return usage();
    if (read_questions(l, argv[optind]) < 0) {
        (void)fprintf(stderr, "bench_load: no queries in %s\n", argv[optind]);
        return 2;
    }
    for (int i = 0; i < count; i++) {
        if (!target_parse(&targets[i], argv[optind + 1 + i])) {
            (void)fprintf(stderr, "bench_load: target %d: want LABEL=ADDRESS:PORT/PID\n", i + 1);
            return 2;
        }
    }
    for (unsigned round = 0; round < rounds; round++) {
        for (int i = 0; i < count; i++)
            run_round(l, &targets[i], round);
    }
    free(l->questions);
    free(l);
    return 0;
}
