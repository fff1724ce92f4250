#include "dns/forward.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "dns/forward_attempts.h"
#include "dns/forward_plan.h"
#include "dns/reply.h"
#include "dns/wire_name.h"

#define FORWARDER_MAGIC 0x66777264U
#define QUERY_MAGIC     0x66777271U
#define BUCKETS         1024 /* of the table of queries in flight */
#define START_BUDGET    16   /* queries started per pass of the loop */
#define HOUSEKEEPING_US 250000

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
    struct upstream_tries tries;
    uint32_t lose_case; /* who answers in another case than they were asked in */
    struct forward_counters counters;
    struct reply reply; /* scratch of one message */
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
    struct forward_plan plan;
    uint32_t without_edns;
    unsigned mismatches;
    int ede;
    struct event timer;
    struct attempts attempts;
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

/* The query to join: one whose time is over before the waiter's is, who may be asking again. */
static struct forward_query *find_query(struct forwarder *f, const struct forward_waiter *waiter)
{
    LIST_FOREACH(it, bucket_of(f, &waiter->relay.question, waiter->proto))
    {
        struct forward_query *q = LIST_ENTRY(it, struct forward_query, bucket_link);
        if (q->clients == waiter->proto && is_same(&q->question, &waiter->relay.question) &&
            q->plan.deadline_us <= waiter->deadline_us)
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
    q->plan = (struct forward_plan){.members = members, .deadline_us = deadline_us};
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
    f->stream_count -= q->proto == DNS_TCP;
    counter_add(&f->counters.in_flight, UINT64_MAX);
}

static void query_free(struct forward_query *q)
{
    CHECK(list_is_empty(&q->waiters));
    attempts_close(&q->attempts);
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

/* Sends to one upstream; false when that is not possible. */
static bool attempt_start(struct forward_query *q, int upstream, enum dns_proto proto)
{
    struct forwarder *f = q->f;
    const struct attempt how = {.upstream = upstream,
                                .proto = proto,
                                .has_edns = !(q->without_edns >> upstream & 1),
                                .keeps_case = !(f->lose_case >> upstream & 1)};
    counter_add(&f->counters.to[upstream].requests[proto], 1);
    q->plan.tries++;
    if (!attempts_start(&q->attempts, &f->tries, &f->conf->upstreams[upstream], &q->question, how,
                        q))
        return false;
    int64_t wait_us = forward_plan_wait(&q->plan, &f->upstreams[upstream], proto,
                                        f->conf->try_least_us, clock_mono_us());
    set_timer(&q->timer, wait_us);
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

/* We have no descriptor, port or memory left: nothing that the upstream has done. */
static bool is_own_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM ||
           error == EADDRNOTAVAIL || error == EAGAIN;
}

/* Asks the best upstream that is left. When there is none, what was asked may still be answered
 * until the time is over; the query ends when nothing is. */
static void query_next(struct forward_query *q)
{
    struct forwarder *f = q->f;
    int upstream;
    while ((upstream = forward_plan_next(&q->plan, f->upstreams)) >= 0) {
        if (attempt_start(q, upstream, q->proto))
            return;
        q->ede = EDE_NETWORK;
        if (is_own_shortage(errno)) {
            LOG_LIMITED(LOG_WARN, "upstream=%s error=\"%s\" msg=\"no socket to ask it with\"",
                        f->conf->upstreams[upstream].text, strerrordesc_np(errno));
            break;
        }
        note_failure(f, upstream, FORWARD_NETWORK);
        q->plan.exhausted |= UINT32_C(1) << upstream;
    }
    if (attempts_are_open(&q->attempts))
        set_timer(&q->timer, q->plan.deadline_us - clock_mono_us());
    else
        query_finish(q, NULL);
}

static void on_query_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct forward_query *q = query_from(arg);
    const struct attempt *latest = attempts_latest(&q->attempts);
    if (latest)
        note_failure(q->f, latest->upstream, FORWARD_TIMEOUT);
    if (clock_mono_us() >= q->plan.deadline_us)
        query_finish(q, NULL);
    else
        query_next(q);
}

/* ---- what comes back ---- */

/* This upstream will not answer, however often it was asked. The next one is, unless a later
 * attempt is on its way already. */
static void upstream_over(struct forward_query *q, int upstream)
{
    q->plan.exhausted |= UINT32_C(1) << upstream;
    attempts_close_to(&q->attempts, upstream);
    if (!attempts_latest(&q->attempts))
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
        if ((q->plan.members >> i & 1) && (int)i != a->upstream)
            upstream_passed_over(&f->upstreams[i]);
    }
}

/* The same upstream once more, in another way. */
static void ask_again(struct forward_query *q, struct attempt *a, enum dns_proto proto)
{
    int upstream = a->upstream;
    attempt_close(a);
    if (!forward_plan_may_ask(&q->plan) || !attempt_start(q, upstream, proto))
        query_next(q);
}

/* Where nobody can guess. */
static void ask_by_tcp(struct forward_query *q, struct attempt *a)
{
    q->f->stream_count += q->proto != DNS_TCP;
    q->proto = DNS_TCP;
    want_start(q->f); /* there may be too many now */
    if (a->proto == DNS_TCP)
        upstream_over(q, a->upstream);
    else
        ask_again(q, a, DNS_TCP);
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
        q->without_edns |= UINT32_C(1) << a->upstream;
        ask_again(q, a, a->proto);
        break;
    case REPLY_BROKEN:
        count(f, a->upstream, FORWARD_MALFORMED);
        upstream_over(q, a->upstream);
        break;
    case REPLY_FAILED:
        count(f, a->upstream, result_of(&f->reply, kind));
        q->ede = f->reply.ede == EDE_NONE ? EDE_NO_AUTHORITY : f->reply.ede;
        upstream_over(q, a->upstream);
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
    struct attempt *a = attempts_of(&q->attempts, try);
    if (bytes) {
        on_reply(q, a, bytes, len);
        return;
    }
    note_failure(q->f, a->upstream, FORWARD_NETWORK);
    q->ede = EDE_NETWORK;
    upstream_over(q, a->upstream);
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

static bool is_stream(const struct forward_query *q)
{
    return q->proto == DNS_TCP;
}

static bool holds_bytes(const struct forward_query *q)
{
    return attempts_held_bytes(&q->attempts) > 0;
}

/* The same for streams, which cost more: our connections, memory, and some of the few that an
 * upstream takes. */
static void drop_oldest_of(struct forwarder *f, bool (*is_one)(const struct forward_query *q))
{
    LIST_FOREACH(it, &f->queries)
    {
        struct forward_query *q = LIST_ENTRY(it, struct forward_query, link);
        if (!is_one(q))
            continue;
        counter_add(&f->counters.rejected, q->waiter_count);
        query_finish(q, NULL);
        return;
    }
    CHECK(false);
}

static void on_held(struct upstream_tries *tries)
{
    struct forwarder *f = LIST_ENTRY(tries, struct forwarder, tries);
    if (tries->held_bytes > FORWARD_HELD_BYTES_MAX)
        want_start(f);
}

/* For a query of its own, unless there is one to join. next may be gone then. */
static void make_room(struct forwarder *f, const struct forward_waiter *next)
{
    if (find_query(f, next))
        return;
    if (f->query_count >= FORWARD_QUERIES_MAX)
        drop_oldest(f);
    else if (next->proto == DNS_TCP && f->stream_count >= FORWARD_STREAMS_MAX)
        drop_oldest_of(f, is_stream);
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
    struct forward_query *q = find_query(f, waiter);
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
    while (f->stream_count > FORWARD_STREAMS_MAX)
        drop_oldest_of(f, is_stream);
    while (f->tries.held_bytes > FORWARD_HELD_BYTES_MAX)
        drop_oldest_of(f, holds_bytes);
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
    q->plan.tries = FORWARD_TRIES_MAX - 2; /* a second one, without EDNS if need be */
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
    f->tries = (struct upstream_tries){.base = base, .on_message = on_message, .on_held = on_held};
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
