#include "dns/forward.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "dns/reply.h"
#include "dns/upstream.h"
#include "dns/upstream_try.h"
#include "dns/wire.h"
#include "dns/wire_name.h"

#define FORWARDER_MAGIC 0x66777264U
#define QUERY_MAGIC     0x66777271U
#define BUCKETS         1024 /* of the table of queries in flight */
#define START_BUDGET    16   /* queries started per pass of the loop */
#define HOUSEKEEPING_US 250000
#define OPT_SIZE        11

const double forward_bucket_s[FORWARD_BUCKETS - 1] = {0.001, 0.002, 0.004, 0.008, 0.016, 0.032,
                                                      0.064, 0.128, 0.256, 0.512, 1.024};

struct forwarder {
    unsigned magic;
    struct event_base *base;
    const struct forward_conf *conf;
    _Atomic bool *loop_found;
    struct event start, housekeeping;
    struct list asked;   /* waiters that have not been started */
    struct list queries; /* oldest first */
    size_t query_count, stream_count, waiter_count, waiter_bytes;
    bool is_draining, may_probe_loops;
    struct list buckets[BUCKETS];
    uint32_t key; /* of the hash: random */
    struct upstream upstreams[FORWARD_UPSTREAMS_MAX];
    uint32_t lose_case; /* who answers in another case than they were asked in */
    struct forward_counters counters;
    struct reply reply; /* scratch of one message */
};

/* A question on its way to an upstream. */
struct attempt {
    struct upstream_try *try; /* NULL: free */
    int upstream;
    uint16_t id;
    uint8_t name[NAME_MAX_WIRE]; /* as it was sent */
    bool has_edns;
    enum dns_proto proto;
    int64_t sent_us;
};

struct forward_query {
    unsigned magic;
    struct forwarder *f;
    struct list link, bucket_link;
    struct list waiters;
    unsigned waiter_count;
    struct reply_question question;
    enum dns_proto clients; /* how those who wait have asked; found by it */
    enum dns_proto proto;   /* how the upstreams are asked */
    uint32_t members;       /* who may be asked */
    uint32_t exhausted;     /* has said that it does not know, or cannot be reached */
    uint32_t tried;         /* in this round */
    uint32_t without_edns;
    unsigned attempts_made, rounds, mismatches;
    int64_t deadline_us;
    int ede;
    struct event timer;
    struct attempt attempts[FORWARD_TRIES_OPEN]; /* the last one first */
};

static struct forwarder *forwarder_from(void *arg)
{
    struct forwarder *f = arg;
    CHECK(f && f->magic == FORWARDER_MAGIC);
    return f;
}

static struct forward_query *query_from(void *arg)
{
    struct forward_query *q = arg;
    CHECK(q && q->magic == QUERY_MAGIC);
    return q;
}

const char *forward_result_word(enum forward_result result)
{
    static const char *const words[FORWARD_RESULTS] = {
        [FORWARD_NOERROR] = "noerror",   [FORWARD_NXDOMAIN] = "nxdomain",
        [FORWARD_SERVFAIL] = "servfail", [FORWARD_REFUSED] = "refused",
        [FORWARD_OTHER] = "other",       [FORWARD_MALFORMED] = "malformed",
        [FORWARD_MISMATCH] = "mismatch", [FORWARD_TIMEOUT] = "timeout",
        [FORWARD_NETWORK] = "network",
    };
    return result < FORWARD_RESULTS ? words[result] : NULL;
}

static void count(struct forwarder *f, int upstream, enum forward_result result)
{
    counter_add(&f->counters.to[upstream].results[result], 1);
}

static void count_time(struct forwarder *f, int upstream, int64_t took_us)
{
    size_t i = 0;
    while (i < FORWARD_BUCKETS - 1 && (double)took_us > forward_bucket_s[i] * 1e6)
        i++;
    counter_add(&f->counters.to[upstream].buckets[i], 1);
    counter_add(&f->counters.to[upstream].took_us, (uint64_t)took_us);
}

static void set_timer(struct event *timer, int64_t wait_us)
{
    if (wait_us < 0)
        wait_us = 0;
    const struct timeval wait = {.tv_sec = wait_us / 1000000, .tv_usec = wait_us % 1000000};
    CHECK(event_add(timer, &wait) == 0);
}

/* ---- the table of queries ---- */

static uint32_t question_hash(const struct forwarder *f, const struct reply_question *q,
                              enum dns_proto proto)
{
    uint32_t hash = wire_name_hash(q->name) ^ f->key;
    hash = (hash ^ q->type) * 16777619U;
    hash = (hash ^ (q->dnssec_ok ? 1U : 0U) ^ (q->checking_disabled ? 2U : 0U) ^
            (proto == DNS_TCP ? 4U : 0U)) *
           16777619U;
    return hash ^ hash >> 16;
}

static bool is_same(const struct reply_question *a, const struct reply_question *b)
{
    return a->name_len == b->name_len && a->type == b->type && a->dnssec_ok == b->dnssec_ok &&
           a->checking_disabled == b->checking_disabled &&
           memcmp(a->name, b->name, a->name_len) == 0;
}

static struct list *bucket_of(struct forwarder *f, const struct reply_question *question,
                              enum dns_proto proto)
{
    return &f->buckets[question_hash(f, question, proto) % BUCKETS];
}

static struct forward_query *find_query(struct forwarder *f, const struct reply_question *question,
                                        enum dns_proto proto)
{
    LIST_FOREACH(it, bucket_of(f, question, proto))
    {
        struct forward_query *q = LIST_ENTRY(it, struct forward_query, bucket_link);
        if (q->clients == proto && is_same(&q->question, question))
            return q;
    }
    return NULL;
}

static void on_query_timer(evutil_socket_t fd, short what, void *arg);

static struct forward_query *query_new(struct forwarder *f, const struct reply_question *question,
                                       enum dns_proto proto, uint32_t members, int64_t deadline_us)
{
    struct forward_query *q = xcalloc(1, sizeof *q);
    q->magic = QUERY_MAGIC;
    q->f = f;
    q->question = *question;
    q->clients = q->proto = proto;
    q->members = members;
    q->deadline_us = deadline_us;
    q->ede = EDE_NO_AUTHORITY;
    list_init(&q->waiters);
    list_init(&q->bucket_link);
    list_push_back(&f->queries, &q->link);
    f->query_count++;
    f->stream_count += proto == DNS_TCP;
    counter_add(&f->counters.in_flight, 1);
    CHECK(event_assign(&q->timer, f->base, -1, 0, on_query_timer, q) == 0);
    return q;
}

/* From here on nobody joins it. */
static void query_detach(struct forward_query *q)
{
    struct forwarder *f = q->f;
    event_del(&q->timer);
    list_remove(&q->link);
    list_remove(&q->bucket_link);
    f->query_count--;
    f->stream_count -= q->clients == DNS_TCP;
    counter_add(&f->counters.in_flight, UINT64_MAX);
}

static void query_free(struct forward_query *q)
{
    CHECK(list_is_empty(&q->waiters));
    for (size_t i = 0; i < FORWARD_TRIES_OPEN; i++)
        upstream_try_free(q->attempts[i].try);
    q->magic = 0;
    free(q);
}

/* ---- waiters ---- */

static void waiter_leave(struct forwarder *f, struct forward_waiter *waiter)
{
    list_remove(&waiter->link);
    if (waiter->query)
        waiter->query->waiter_count--;
    waiter->query = NULL;
    waiter->is_waiting = false;
    f->waiter_count--;
    f->waiter_bytes -= waiter->bytes;
}

static void waiter_done(struct forwarder *f, struct forward_waiter *waiter,
                        const struct reply *reply, int ede)
{
    const struct reply_question question = waiter->relay.question;
    const struct dns_upstream answer = {.question = &question, .reply = reply, .ede = ede};
    if (!reply)
        counter_add(&f->counters.failed, 1);
    waiter_leave(f, waiter);
    waiter->done(waiter, &answer); /* may free the waiter, cancel others, ask again */
}

/* The end of a query: everybody who waits is told. The reply may be borrowed from an attempt, so
 * those end last. */
static void query_finish(struct forward_query *q, const struct reply *reply)
{
    struct forwarder *f = q->f;
    int ede = q->ede;
    query_detach(q);
    while (!list_is_empty(&q->waiters))
        waiter_done(f, LIST_ENTRY(list_take_first(&q->waiters), struct forward_waiter, link), reply,
                    ede);
    query_free(q);
}

static void want_start(struct forwarder *f)
{
    if (!event_pending(&f->start, EV_TIMEOUT, NULL))
        set_timer(&f->start, 0); /* after the events at hand */
}

void forward_ask(struct forwarder *f, struct forward_waiter *waiter, const struct dns_relay *relay)
{
    CHECK(!waiter->is_waiting);
    if (waiter->deadline_us == 0)
        waiter->deadline_us = clock_mono_us() + f->conf->timeout_us;
    waiter->relay = *relay;
    waiter->query = NULL;
    waiter->is_waiting = true;
    list_push_back(&f->asked, &waiter->link);
    f->waiter_count++;
    f->waiter_bytes += waiter->bytes;
    want_start(f);
}

void forward_cancel(struct forwarder *f, struct forward_waiter *waiter)
{
    if (!waiter->is_waiting)
        return;
    struct forward_query *q = waiter->query;
    waiter_leave(f, waiter);
    if (q && q->waiter_count == 0 && list_is_linked(&q->link)) {
        query_detach(q);
        query_free(q);
    }
}

/* ---- asking ---- */

/* Each letter in a case of its own, so that an answer has more to guess than port and ID (0x20 of
 * draft-vixie-dnsext-dns0x20). */
static void spell_at_random(uint8_t *out, const uint8_t *name, size_t len)
{
    uint8_t chance[(NAME_MAX_WIRE + 7) / 8];
    random_bytes(chance, sizeof chance);
    for (size_t i = 0; i < len; i++) {
        bool is_letter = name[i] >= 'a' && name[i] <= 'z'; /* no length is as large as a letter */
        bool is_upper = is_letter && (chance[i / 8] >> i % 8 & 1);
        out[i] = is_upper ? (uint8_t)(name[i] - 'a' + 'A') : name[i];
    }
}

/* Header, question, OPT (R-065, R-150: DO and CD as the client set them; nothing else of its OPT,
 * */
static size_t write_query(const struct reply_question *question, const struct attempt *a,
                          uint8_t out[TRY_QUERY_MAX])
{
    uint8_t *at = put16(out, a->id);
    *at++ = 1; /* RD */
    *at++ = question->checking_disabled ? 0x10 : 0;
    at = put16(put16(put16(put16(at, 1), 0), 0), a->has_edns ? 1 : 0);
    memcpy(at, a->name, question->name_len);
    at += question->name_len;
    at = put16(put16(at, question->type), RR_CLASS_IN);
    if (a->has_edns) {
        *at++ = 0;
        at = put16(put16(at, RR_OPT), DNS_EDNS_ADVERTISED);
        at = put16(put16(at, 0), question->dnssec_ok ? 0x8000 : 0);
        at = put16(at, 0);
    }
    return (size_t)(at - out);
}

static void attempt_close(struct attempt *a)
{
    upstream_try_free(a->try);
    a->try = NULL;
}

static void on_message(void *arg, struct upstream_try *try, const uint8_t *bytes, size_t len);

/* Sends to one upstream; false when that is not possible. */
static bool attempt_start(struct forward_query *q, int upstream, enum dns_proto proto)
{
    struct forwarder *f = q->f;
    uint8_t bytes[TRY_QUERY_MAX];
    struct attempt a = {.upstream = upstream,
                        .id = (uint16_t)random_below(UINT16_MAX + 1U),
                        .has_edns = !(q->without_edns >> upstream & 1),
                        .proto = proto,
                        .sent_us = clock_mono_us()};
    if (f->lose_case >> upstream & 1)
        memcpy(a.name, q->question.name, q->question.name_len);
    else
        spell_at_random(a.name, q->question.name, q->question.name_len);
    size_t len = write_query(&q->question, &a, bytes);
    counter_add(&f->counters.to[upstream].requests[proto], 1);
    q->attempts_made++;
    a.try =
        upstream_try_new(f->base, &f->conf->upstreams[upstream], proto, bytes, len, on_message, q);
    if (!a.try)
        return false;
    if (q->attempts[0].try) { /* else one that is over has left its place */
        attempt_close(&q->attempts[FORWARD_TRIES_OPEN - 1]);
        memmove(&q->attempts[1], &q->attempts[0], (FORWARD_TRIES_OPEN - 1) * sizeof q->attempts[0]);
    }
    q->attempts[0] = a;
    return true;
}

static void note_failure(struct forwarder *f, int upstream, enum forward_result result)
{
    count(f, upstream, result);
    if (!upstream_failed(&f->upstreams[upstream], clock_mono_us()))
        return;
    atomic_store_explicit(&f->counters.to[upstream].is_down, 1, memory_order_relaxed);
    LOG_LIMITED(LOG_WARN, "upstream=%s msg=\"does not answer, others are asked first\"",
                f->conf->upstreams[upstream].text);
}

static void set_try_timer(struct forward_query *q, int upstream)
{
    int64_t now_us = clock_mono_us(), left_us = q->deadline_us - now_us;
    int64_t wait_us = upstream_timeout(&q->f->upstreams[upstream]) << q->rounds;
    if (q->attempts[0].proto == DNS_TCP)
        wait_us *= 2; /* the handshake comes first */
    if (wait_us < q->f->conf->try_least_us)
        wait_us = q->f->conf->try_least_us;
    if (q->attempts_made >= FORWARD_TRIES_MAX || wait_us > left_us)
        wait_us = left_us;
    set_timer(&q->timer, wait_us);
}

static bool has_open_attempt(const struct forward_query *q)
{
    bool is_open = false;
    for (size_t i = 0; i < FORWARD_TRIES_OPEN; i++)
        is_open |= q->attempts[i].try != NULL;
    return is_open;
}

/* We have no descriptor, port or memory left: nothing that the upstream has done. */
static bool is_own_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM ||
           error == EADDRNOTAVAIL || error == EAGAIN;
}

/* Asks the best upstream that is left; finishes the query when there is none, and none that has
 * been asked may still answer. */
static void query_next(struct forward_query *q)
{
    struct forwarder *f = q->f;
    while (q->attempts_made < FORWARD_TRIES_MAX) {
        uint32_t left = q->members & ~q->exhausted & ~q->tried;
        if (left == 0) {
            q->tried = 0;
            left = q->members & ~q->exhausted;
            q->rounds++;
        }
        int upstream = upstream_choose(f->upstreams, left);
        if (upstream < 0)
            break;
        q->tried |= UINT32_C(1) << upstream;
        if (attempt_start(q, upstream, q->proto)) {
            set_try_timer(q, upstream);
            return;
        }
        q->ede = EDE_NETWORK;
        if (is_own_shortage(errno)) {
            LOG_LIMITED(LOG_WARN, "upstream=%s error=\"%s\" msg=\"no socket to ask it with\"",
                        f->conf->upstreams[upstream].text, strerrordesc_np(errno));
            break;
        }
        note_failure(f, upstream, FORWARD_NETWORK);
        q->exhausted |= UINT32_C(1) << upstream;
    }
    if (q->attempts_made >= FORWARD_TRIES_MAX && has_open_attempt(q))
        set_timer(&q->timer, q->deadline_us - clock_mono_us());
    else
        query_finish(q, NULL);
}

static void on_query_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct forward_query *q = query_from(arg);
    if (q->attempts[0].try)
        note_failure(q->f, q->attempts[0].upstream, FORWARD_TIMEOUT);
    if (clock_mono_us() >= q->deadline_us || q->attempts_made >= FORWARD_TRIES_MAX)
        query_finish(q, NULL);
    else
        query_next(q);
}

/* ---- what comes back ---- */

static struct attempt *attempt_of(struct forward_query *q, const struct upstream_try *try)
{
    for (size_t i = 0; i < FORWARD_TRIES_OPEN; i++) {
        if (q->attempts[i].try == try)
            return &q->attempts[i];
    }
    CHECK(false);
    return NULL;
}

/* This attempt is over without an answer; the next one begins unless a later one is on its way. */
static void attempt_over(struct forward_query *q, struct attempt *a)
{
    bool was_last = a == &q->attempts[0];
    attempt_close(a);
    if (was_last)
        query_next(q);
}

static enum forward_result result_of(const struct reply *r, enum reply_kind kind)
{
    if (r->rcode == RCODE_NXDOMAIN)
        return FORWARD_NXDOMAIN;
    if (r->rcode == RCODE_SERVFAIL)
        return FORWARD_SERVFAIL;
    if (r->rcode == RCODE_REFUSED)
        return FORWARD_REFUSED;
    return kind == REPLY_ANSWER && r->rcode == RCODE_NOERROR ? FORWARD_NOERROR : FORWARD_OTHER;
}

static void note_answer(struct forward_query *q, const struct attempt *a)
{
    struct forwarder *f = q->f;
    int64_t took_us = clock_mono_us() - a->sent_us;
    count_time(f, a->upstream, took_us);
    if (a->proto == DNS_TCP)
        took_us /= 2;
    if (upstream_answered(&f->upstreams[a->upstream], took_us)) {
        atomic_store_explicit(&f->counters.to[a->upstream].is_down, 0, memory_order_relaxed);
        LOG_LIMITED(LOG_INFO, "upstream=%s msg=\"answers again\"",
                    f->conf->upstreams[a->upstream].text);
    }
    for (size_t i = 0; i < f->conf->upstream_count; i++) {
        if ((q->members >> i & 1) && (int)i != a->upstream)
            upstream_passed_over(&f->upstreams[i]);
    }
}

/* The same upstream by TCP, where nobody can guess. */
static void ask_by_tcp(struct forward_query *q, struct attempt *a)
{
    int upstream = a->upstream;
    bool was_tcp = a->proto == DNS_TCP;
    q->proto = DNS_TCP;
    attempt_close(a);
    if (!was_tcp && q->attempts_made < FORWARD_TRIES_MAX && attempt_start(q, upstream, DNS_TCP))
        set_try_timer(q, upstream);
    else
        query_next(q);
}

/* Somebody guesses, or the upstream is mistaken: a question that repeats itself goes by TCP. */
static void on_mismatch(struct forward_query *q, struct attempt *a)
{
    count(q->f, a->upstream, FORWARD_MISMATCH);
    if (++q->mismatches % FORWARD_MISMATCHES != 0)
        return;
    LOG_LIMITED(LOG_WARN, "upstream=%s msg=\"answers to other questions arrive\"",
                q->f->conf->upstreams[a->upstream].text);
    ask_by_tcp(q, a);
}

static void retry_without_edns(struct forward_query *q, struct attempt *a)
{
    int upstream = a->upstream;
    enum dns_proto proto = a->proto;
    q->without_edns |= UINT32_C(1) << upstream;
    attempt_close(a);
    if (q->attempts_made < FORWARD_TRIES_MAX && attempt_start(q, upstream, proto))
        set_try_timer(q, upstream);
    else
        query_next(q);
}

/* REPLY_OTHER_CASE of a datagram is a guess, or an upstream that does not keep the case: it is
 * asked by TCP, where its answer counts in any case, and where it shows which of the two it was. */
static enum reply_kind check_reply(struct forward_query *q, const struct attempt *a,
                                   const uint8_t *bytes, size_t len)
{
    struct forwarder *f = q->f;
    struct reply_question asked = q->question;
    memcpy(asked.name, a->name, asked.name_len);
    enum reply_kind kind = reply_check(&f->reply, &asked, a->id, a->has_edns, bytes, len);
    if (kind != REPLY_OTHER_CASE || a->proto == DNS_UDP)
        return kind;
    if (!(f->lose_case >> a->upstream & 1))
        log_info("upstream=%s msg=\"does not keep the case of names, they go to it in lower case\"",
                 f->conf->upstreams[a->upstream].text);
    f->lose_case |= UINT32_C(1) << a->upstream;
    memcpy(asked.name, bytes + DNS_HEADER_SIZE, asked.name_len);
    return reply_check(&f->reply, &asked, a->id, a->has_edns, bytes, len);
}

static void on_reply(struct forward_query *q, struct attempt *a, const uint8_t *bytes, size_t len)
{
    struct forwarder *f = q->f;
    enum reply_kind kind = check_reply(q, a, bytes, len);
    if (kind == REPLY_MISMATCH) {
        on_mismatch(q, a);
        return;
    }
    if (kind == REPLY_OTHER_CASE) {
        count(f, a->upstream, FORWARD_MISMATCH);
        ask_by_tcp(q, a);
        return;
    }
    note_answer(q, a);
    switch (kind) {
    case REPLY_MISMATCH:
    case REPLY_OTHER_CASE:
        break;
    case REPLY_NO_EDNS:
        count(f, a->upstream, FORWARD_OTHER);
        retry_without_edns(q, a);
        break;
    case REPLY_BROKEN:
        count(f, a->upstream, FORWARD_MALFORMED);
        q->exhausted |= UINT32_C(1) << a->upstream;
        attempt_over(q, a);
        break;
    case REPLY_FAILED:
        count(f, a->upstream, result_of(&f->reply, kind));
        q->exhausted |= UINT32_C(1) << a->upstream;
        q->ede = f->reply.ede == EDE_NONE ? EDE_NO_AUTHORITY : f->reply.ede;
        attempt_over(q, a);
        break;
    case REPLY_ANSWER:
        count(f, a->upstream, result_of(&f->reply, kind));
        query_finish(q, &f->reply);
        break;
    }
}

static void on_message(void *arg, struct upstream_try *try, const uint8_t *bytes, size_t len)
{
    struct forward_query *q = query_from(arg);
    struct attempt *a = attempt_of(q, try);
    if (bytes) {
        on_reply(q, a, bytes, len);
        return;
    }
    note_failure(q->f, a->upstream, FORWARD_NETWORK);
    q->exhausted |= UINT32_C(1) << a->upstream;
    q->ede = EDE_NETWORK;
    attempt_over(q, a);
}

/* ---- starting ---- */

/* Our own probe has come back as a query. */
static bool is_loop(struct forwarder *f, const struct reply_question *question)
{
    const struct forward_conf *conf = f->conf;
    if (question->name_len <= conf->loop_len ||
        memcmp(question->name, conf->loop_labels, conf->loop_len) != 0)
        return false;
    if (!atomic_exchange(f->loop_found, true))
        log_error("option=forward.upstream msg=\"an upstream sends our queries back to us; names "
                  "outside our zones are answered with SERVFAIL until it is corrected and the "
                  "server started again\"");
    return true;
}

static void reject(struct forwarder *f, struct forward_waiter *waiter)
{
    counter_add(&f->counters.rejected, 1);
    waiter_done(f, waiter, NULL, EDE_NO_AUTHORITY);
}

/* Room for the newest by giving up the oldest. */
static void drop_oldest(struct forwarder *f)
{
    if (list_is_empty(&f->queries)) {
        reject(f, LIST_ENTRY(f->asked.next, struct forward_waiter, link));
        return;
    }
    struct forward_query *q = LIST_ENTRY(f->queries.next, struct forward_query, link);
    counter_add(&f->counters.rejected, q->waiter_count);
    query_finish(q, NULL);
}

/* The same for streams, which cost more: two of our connections each, and some of the few that an
 * upstream takes. */
static void drop_oldest_stream(struct forwarder *f)
{
    LIST_FOREACH(it, &f->queries)
    {
        struct forward_query *q = LIST_ENTRY(it, struct forward_query, link);
        if (q->clients != DNS_TCP)
            continue;
        counter_add(&f->counters.rejected, q->waiter_count);
        query_finish(q, NULL);
        return;
    }
}

/* For a query of its own, unless there is one to join. next may be gone then. */
static void make_room(struct forwarder *f, const struct forward_waiter *next)
{
    if (find_query(f, &next->relay.question, next->proto))
        return;
    if (f->query_count >= FORWARD_QUERIES_MAX)
        drop_oldest(f);
    else if (next->proto == DNS_TCP && f->stream_count >= FORWARD_STREAMS_MAX)
        drop_oldest_stream(f);
}

static void join(struct forward_query *q, struct forward_waiter *waiter)
{
    if (q->waiter_count == FORWARD_WAITERS_PER_QUERY)
        reject(q->f, LIST_ENTRY(q->waiters.next, struct forward_waiter, link));
    list_remove(&waiter->link);
    list_push_back(&q->waiters, &waiter->link);
    waiter->query = q;
    q->waiter_count++;
}

static void start_one(struct forwarder *f, struct forward_waiter *waiter)
{
    const struct reply_question *question = &waiter->relay.question;
    const struct forward_zone *zone = forward_zone_find(f->conf, question->name);
    if (f->is_draining || is_loop(f, question) || atomic_load(f->loop_found) || !zone ||
        clock_mono_us() >= waiter->deadline_us) {
        waiter_done(f, waiter, NULL, f->is_draining ? EDE_NOT_READY : EDE_NO_AUTHORITY);
        return;
    }
    struct forward_query *q = find_query(f, question, waiter->proto);
    if (q) {
        counter_add(&f->counters.merged, 1);
        join(q, waiter);
        return;
    }
    q = query_new(f, question, waiter->proto, zone->members, waiter->deadline_us);
    list_push_back(bucket_of(f, question, waiter->proto), &q->bucket_link);
    join(q, waiter);
    query_next(q);
}

static void on_start(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct forwarder *f = forwarder_from(arg);
    while (f->waiter_count > FORWARD_WAITERS_MAX || f->waiter_bytes > FORWARD_WAITER_BYTES_MAX)
        drop_oldest(f);
    for (int budget = START_BUDGET; budget > 0 && !list_is_empty(&f->asked); budget--) {
        make_room(f, LIST_ENTRY(f->asked.next, struct forward_waiter, link));
        if (!list_is_empty(&f->asked))
            start_one(f, LIST_ENTRY(f->asked.next, struct forward_waiter, link));
    }
    if (!list_is_empty(&f->asked))
        want_start(f);
}

/* ---- probes ---- */

/* Asks one upstream for a name that only we know, in a zone of its own: is it there, and is it
 * another server. */
static void probe(struct forwarder *f, int upstream)
{
    const struct forward_conf *conf = f->conf;
    const struct forward_zone *zone = conf->zones;
    while (!(zone->members >> upstream & 1))
        zone++;
    struct reply_question question = {.type = RR_HINFO};
    question.name_len = conf->loop_len + zone->name_len;
    memcpy(question.name, conf->loop_labels, conf->loop_len);
    memcpy(question.name + conf->loop_len, zone->name, zone->name_len);
    struct forward_query *q = query_new(f, &question, DNS_UDP, UINT32_C(1) << upstream,
                                        clock_mono_us() + f->conf->timeout_us);
    q->attempts_made = FORWARD_TRIES_MAX - 2; /* a second one, without EDNS if need be */
    query_next(q);
}

static void on_housekeeping(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct forwarder *f = forwarder_from(arg);
    int64_t now_us = clock_mono_us();
    for (size_t i = 0; i < f->conf->upstream_count; i++) {
        if (upstream_probe_due(&f->upstreams[i], now_us) || f->may_probe_loops)
            probe(f, (int)i);
    }
    f->may_probe_loops = false;
    set_timer(&f->housekeeping, HOUSEKEEPING_US);
}

/* ---- life ---- */

struct forwarder *forwarder_new(struct event_base *base, const struct forward_conf *conf,
                                _Atomic bool *loop_found, bool probes_loops)
{
    struct forwarder *f = xcalloc(1, sizeof *f);
    f->magic = FORWARDER_MAGIC;
    f->base = base;
    f->conf = conf;
    f->loop_found = loop_found;
    f->may_probe_loops = probes_loops;
    f->key = (uint32_t)random_u64();
    list_init(&f->asked);
    list_init(&f->queries);
    for (size_t i = 0; i < BUCKETS; i++)
        list_init(&f->buckets[i]);
    CHECK(event_assign(&f->start, base, -1, 0, on_start, f) == 0);
    CHECK(event_assign(&f->housekeeping, base, -1, 0, on_housekeeping, f) == 0);
    set_timer(&f->housekeeping, 0);
    return f;
}

void forward_drain(struct forwarder *f)
{
    f->is_draining = true;
    while (!list_is_empty(&f->queries)) {
        struct forward_query *q =
            LIST_ENTRY(list_take_first(&f->queries), struct forward_query, link);
        q->ede = EDE_NOT_READY;
        query_finish(q, NULL);
    }
    while (!list_is_empty(&f->asked))
        waiter_done(f, LIST_ENTRY(list_take_first(&f->asked), struct forward_waiter, link), NULL,
                    EDE_NOT_READY);
}

void forwarder_free(struct forwarder *f)
{
    if (!f)
        return;
    CHECK(f->waiter_count == 0);
    forward_drain(f); /* probes */
    event_del(&f->start);
    event_del(&f->housekeeping);
    f->magic = 0;
    free(f);
}

const struct forward_counters *forwarder_counters(const struct forwarder *f)
{
    return &f->counters;
}
