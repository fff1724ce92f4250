#include "dns/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/random.h"
#include "dns/forward_metrics.h"
#include "dns/listen_set.h"
#include "dns/listener.h"
#include "dns/server_private.h"
#include "dns/tcp_transfers.h"
#include "zones/zone.h"

#define ALIVE_US   5000000 /* */
#define FIRST_US   2000000 /* */
#define MESSAGE_US 2000000
#define STALL_US   5000000
#define FAMILIES   11

/* Options that were, until no worker uses them any more; the last one is in force. */
struct opts_list {
    struct answer_opts opts;
    struct opts_list *newer;
};

struct dns_server {
    struct dns_shared shared;
    struct opts_list *oldest, *newest;
    struct listen_set listen;
    struct metric_family families[FAMILIES];
    struct forward_metrics forward;
};

static int set_text(uint8_t *out, size_t room, size_t *len, const char *option, const char *text,
                    struct err *e)
{
    *len = text ? strlen(text) : 0;
    if (*len > room)
        return err_set(e, ERR_INVALID, "%s: longer than %zu octets", option, room);
    if (text)
        memcpy(out, text, *len);
    return 0;
}

/* old: those in force, NULL at start. */
static int set_answer_opts(struct answer_opts *a, const struct dns_opts *opts,
                           const struct answer_opts *old, struct err *e)
{
    a->udp_size = opts->udp_size;
    a->rotate = opts->rotate;
    a->denied_drop = opts->denied_drop;
    a->cookies = opts->cookies;
    a->max_stale_us = opts->max_stale_us;
    a->client_limit = opts->client_limit;
    a->log_queries = opts->log_queries;
    if (opts->udp_size < DNS_UDP_MIN || opts->udp_size > DNS_UDP_MAX)
        return err_set(e, ERR_INVALID, "dns.udp-size: %u is not between %d and %d",
                       (unsigned)opts->udp_size, DNS_UDP_MIN, DNS_UDP_MAX);
    int rc = set_text(a->nsid, sizeof a->nsid, &a->nsid_len, "dns.nsid", opts->nsid, e);
    if (rc == 0)
        rc = set_text(a->chaos, sizeof a->chaos, &a->chaos_len, "dns.chaos", opts->chaos, e);
    a->has_random_secret = !opts->cookie_secret || !*opts->cookie_secret;
    if (rc == 0 && !a->has_random_secret)
        rc = cookie_secrets_load(&a->secrets, opts->cookie_secret, e);
    else if (old && old->has_random_secret)
        a->secrets = old->secrets; /* cookies given out stay good */
    else
        cookie_secrets_random(&a->secrets);
    if (rc == 0)
        rc = access_list_init(&a->query_acl, "access.query", opts->query_acl, opts->query_acl_count,
                              e);
    if (rc == 0)
        rc = access_list_init(&a->explain_acl, "access.explain", opts->explain_acl,
                              opts->explain_acl_count, e);
    if (rc == 0)
        rc = access_list_init(&a->transfer_acl, "access.transfer", opts->transfer_acl,
                              opts->transfer_acl_count, e);
    return rc;
}

/* Upstreams, if there are any. */
static int set_forward(struct dns_shared *shared, const struct dns_opts *opts, struct err *e)
{
    struct forward_conf *conf = &shared->forward;
    int rc = forward_conf_init(conf, opts->forward_upstream, opts->forward_upstream_count,
                               opts->forward_zones, opts->forward_zone_count, opts->recurse_acl,
                               opts->recurse_acl_count, e);
    if (rc < 0)
        return rc;
    conf->timeout_us = opts->forward_timeout_us;
    return 0;
}

static void opts_list_free(struct opts_list *list)
{
    access_list_fini(&list->opts.query_acl);
    access_list_fini(&list->opts.explain_acl);
    access_list_fini(&list->opts.transfer_acl);
    free(list);
}

/* Those to come; nothing has changed yet. */
static int make_opts(const struct dns_server *s, const struct dns_opts *opts,
                     struct opts_list **out, struct err *e)
{
    struct opts_list *list = xcalloc(1, sizeof *list);
    const struct opts_list *old = s->newest;
    int rc = set_answer_opts(&list->opts, opts, old ? &old->opts : NULL, e);
    if (rc < 0) {
        opts_list_free(list);
        return rc;
    }
    list->opts.forward = s->shared.forward.zone_count > 0 ? &s->shared.forward : NULL;
    list->opts.number = old ? old->opts.number + 1 : 1;
    *out = list;
    return 0;
}

/* They are in force now. */
static void use_opts(struct dns_server *s, struct opts_list *list)
{
    *(s->newest ? &s->newest->newer : &s->oldest) = list;
    s->newest = list;
    atomic_store_explicit(&s->shared.answer, &list->opts, memory_order_release);
}

/* Frees what every worker has left behind. */
static void reclaim_opts(struct dns_server *s)
{
    uint64_t in_use = s->newest->opts.number;
    for (unsigned w = 0; w < s->shared.worker_count; w++) {
        uint64_t number =
            atomic_load_explicit(&s->shared.workers[w]->opts_number, memory_order_acquire);
        if (number < in_use)
            in_use = number;
    }
    while (s->oldest->opts.number < in_use) {
        struct opts_list *list = s->oldest;
        s->oldest = list->newer;
        opts_list_free(list);
    }
}

/* What opts.listen makes of the addresses; upstreams among them are refused. */
static int make_addresses(const struct dns_server *s, const struct dns_opts *opts,
                          struct listen_set *out, struct err *e)
{
    unsigned workers = s->shared.worker_count;
    int rc = listen_set_make(&s->listen, opts->listen, opts->listen_count, workers, out, e);
    for (size_t i = 0; rc == 0 && i < out->count; i++) {
        if (out->items[i].fds)
            rc = forward_check_listener(&s->shared.forward, &out->items[i].address.at.any, e);
        if (rc < 0)
            listen_set_fini(out, workers);
    }
    return rc;
}

/* New addresses join before old ones leave. */
static void take_addresses(struct dns_server *s, struct listen_set *fresh)
{
    struct dns_shared *shared = &s->shared;
    for (size_t i = 0; i < fresh->count; i++) {
        const struct listen_item *item = &fresh->items[i];
        for (unsigned w = 0; item->fds && w < shared->worker_count; w++)
            listener_hand_over(shared->workers[w], item->number, item->fds[w],
                               item->fds[shared->worker_count + w], item->address.is_wildcard);
    }
    listen_set_forget_sockets(fresh);
    for (size_t i = 0; i < s->listen.count; i++) {
        uint64_t number = s->listen.items[i].number;
        for (unsigned w = 0; w < shared->worker_count; w++) {
            if (!listen_set_find(fresh, number))
                listener_call_back(shared->workers[w], number);
        }
    }
    listen_set_fini(&s->listen, shared->worker_count);
    s->listen = *fresh;
}

int dns_server_reload(struct dns_server *s, const struct dns_opts *opts, struct err *e)
{
    struct listen_set addresses;
    reclaim_opts(s);
    struct opts_list *list;
    int rc = make_opts(s, opts, &list, e);
    if (rc < 0)
        return rc;
    rc = make_addresses(s, opts, &addresses, e);
    if (rc < 0) {
        opts_list_free(list);
        return rc;
    }
    use_opts(s, list);
    take_addresses(s, &addresses);
    tcp_registry_set_limits(&s->shared.registry, opts->tcp_max, opts->tcp_max_per_client);
    for (unsigned w = 0; w < s->shared.worker_count; w++)
        worker_wake(s->shared.workers[w]); /* those without queries let the old ones go, too */
    return 0;
}

int dns_server_bind(const struct dns_opts *opts, struct publish *zones, struct dns_server **out,
                    struct err *e)
{
    CHECK(opts->workers >= 1);
    struct dns_server *s = xcalloc(1, sizeof *s);
    struct dns_shared *shared = &s->shared;
    shared->zones = zones;
    shared->worker_count = opts->workers;
    shared->workers = xcalloc(opts->workers, sizeof(struct worker *));
    shared->timing = (struct tcp_timing){opts->tcp_idle_us, FIRST_US, MESSAGE_US, STALL_US};
    shared->limits = (struct transfer_limits){TRANSFER_TIME_US, TRANSFER_PIN_BYTES};
    tcp_registry_init(&shared->registry, opts->tcp_max, opts->tcp_max_per_client, opts->workers);
    shared->registry.max_transfers = TRANSFERS_MAX;
    shared->registry.max_transfers_per_client = TRANSFERS_PER_CLIENT;
    uint8_t key[COOKIE_SECRET_SIZE];
    random_bytes(key, sizeof key);
    client_limit_init(&shared->clients, key);
    struct listen_set addresses;
    struct opts_list *list;
    int rc = set_forward(shared, opts, e);
    if (rc == 0)
        rc = make_opts(s, opts, &list, e);
    if (rc == 0)
        use_opts(s, list);
    if (rc == 0)
        rc = make_addresses(s, opts, &addresses, e);
    if (rc < 0) {
        dns_server_stop(s);
        return rc;
    }
    for (unsigned w = 0; w < shared->worker_count; w++)
        shared->workers[w] = worker_new(shared, w);
    take_addresses(s, &addresses);
    *out = s;
    return 0;
}

/* A rule for names that are answered here would never be obeyed. */
static int check_forward_zones(const struct dns_server *s, struct err *e)
{
    const struct zone_version *version = publish_current(s->shared.zones);
    const struct forward_conf *conf = &s->shared.forward;
    for (size_t i = 0; version && i < conf->zone_count; i++) {
        const struct zone_apex *apex = zone_apex_find(version, conf->zones[i].name);
        char text[NAME_TEXT_MAX];
        if (!apex || (apex->reverse && version->reverse_fallthrough))
            continue;
        name_format(conf->zones[i].name, text);
        return err_set(e, ERR_INVALID, "forward.zones: %s is answered here and never forwarded%s",
                       text, apex->reverse ? " without zone.reverse-fallthrough" : "");
    }
    return 0;
}

int dns_server_start(struct dns_server *s, struct err *e)
{
    int forward_rc = check_forward_zones(s, e);
    if (forward_rc < 0)
        return forward_rc;
    for (unsigned w = 0; w < s->shared.worker_count; w++) {
        int rc = worker_start(s->shared.workers[w], e);
        if (rc < 0)
            return rc;
    }
    return 0;
}

void dns_server_stop(struct dns_server *s)
{
    if (!s)
        return;
    struct dns_shared *shared = &s->shared;
    for (unsigned w = 0; w < shared->worker_count; w++) {
        if (shared->workers[w])
            worker_stop(shared->workers[w]);
    }
    for (unsigned w = 0; w < shared->worker_count; w++)
        worker_join(shared->workers[w]); /* each may still wake another one */
    for (unsigned w = 0; w < shared->worker_count; w++)
        worker_free(shared->workers[w]);
    tcp_registry_fini(&shared->registry);
    while (s->oldest) {
        struct opts_list *list = s->oldest;
        s->oldest = list->newer;
        opts_list_free(list);
    }
    client_limit_fini(&shared->clients);
    forward_conf_fini(&shared->forward);
    free(shared->workers);
    listen_set_fini(&s->listen, shared->worker_count);
    free(s);
}

size_t dns_server_address_count(const struct dns_server *s)
{
    return s->listen.count;
}

const char *dns_server_address(const struct dns_server *s, size_t i)
{
    CHECK(i < s->listen.count);
    return s->listen.items[i].text;
}

void dns_server_set_stale_since(struct dns_server *s, int64_t mono_us)
{
    atomic_store_explicit(&s->shared.stale_since_us, mono_us, memory_order_relaxed);
}

bool dns_server_is_alive(const struct dns_server *s)
{
    int64_t now_us = clock_mono_us();
    for (unsigned w = 0; w < s->shared.worker_count; w++) {
        int64_t beat_us =
            atomic_load_explicit(&s->shared.workers[w]->beat_us, memory_order_relaxed);
        if (beat_us == 0 || now_us - beat_us > ALIVE_US)
            return false;
    }
    return true;
}

struct tcp_timing *dns_server_timing(struct dns_server *s)
{
    return &s->shared.timing;
}

struct forward_conf *dns_server_forward(struct dns_server *s)
{
    return &s->shared.forward;
}

struct transfer_limits *dns_server_transfer_limits(struct dns_server *s)
{
    return &s->shared.limits;
}

struct worker *dns_server_worker(struct dns_server *s, unsigned i)
{
    CHECK(i < s->shared.worker_count);
    return s->shared.workers[i];
}

/* ---- metrics: summed over the workers when asked ---- */

/* Sum of the counter at this offset of struct dns_counters. */
static double sum_at(const struct dns_server *s, size_t offset)
{
    uint64_t sum = 0;
    for (unsigned w = 0; w < s->shared.worker_count; w++) {
        const char *counters = (const char *)&s->shared.workers[w]->counters;
        sum += counter_read((const _Atomic uint64_t *)(const void *)(counters + offset));
    }
    return (double)sum;
}

#define SUM(s, member) sum_at(s, offsetof(struct dns_counters, member))
#define SUM_AT(s, member, i)                                                                       \
    sum_at(s, offsetof(struct dns_counters, member) + (size_t)(i) * sizeof(uint64_t))

static const char *const proto_words[DNS_PROTOS] = {[DNS_UDP] = "udp", [DNS_TCP] = "tcp"};

static void sample(struct buf_out *out, const struct metric_family *f, const char *label,
                   const char *word, double value)
{
    char labels[64];
    (void)snprintf(labels, sizeof labels, "%s=\"%s\"", label, word);
    metrics_sample(out, f->name, labels, value);
}

static void collect_queries(struct buf_out *out, const struct metric_family *f, void *arg)
{
    for (int p = 0; p < DNS_PROTOS; p++)
        sample(out, f, "proto", proto_words[p], SUM_AT(arg, queries, p));
}

static void collect_responses(struct buf_out *out, const struct metric_family *f, void *arg)
{
    for (unsigned p = 0; p < DNS_PROTOS; p++) {
        for (unsigned rcode = 0; rcode < DNS_RCODES; rcode++) {
            const char *word = counters_rcode_word(rcode);
            if (!word)
                continue;
            char labels[64];
            (void)snprintf(labels, sizeof labels, "proto=\"%s\",rcode=\"%s\"", proto_words[p],
                           word);
            metrics_sample(out, f->name, labels, SUM_AT(arg, responses, p * DNS_RCODES + rcode));
        }
    }
}

static void collect_truncated(struct buf_out *out, const struct metric_family *f, void *arg)
{
    for (int p = 0; p < DNS_PROTOS; p++)
        sample(out, f, "proto", proto_words[p], SUM_AT(arg, truncated, p));
}

static void collect_drops(struct buf_out *out, const struct metric_family *f, void *arg)
{
    for (unsigned i = 0; i < DROP_REASONS; i++)
        sample(out, f, "reason", counters_drop_word((enum dns_drop)i), SUM_AT(arg, drops, i));
}

static void collect_edns_errors(struct buf_out *out, const struct metric_family *f, void *arg)
{
    for (unsigned i = 0; i < EDNS_ERRORS; i++)
        sample(out, f, "kind", counters_edns_word((enum dns_edns_error)i),
               SUM_AT(arg, edns_errors, i));
}

static void collect_tcp_opened(struct buf_out *out, const struct metric_family *f, void *arg)
{
    metrics_sample(out, f->name, NULL, SUM(arg, tcp_opened));
}

static void collect_tcp_closed(struct buf_out *out, const struct metric_family *f, void *arg)
{
    for (unsigned i = 0; i < TCP_CLOSE_REASONS; i++)
        sample(out, f, "reason", counters_close_word((enum dns_tcp_close)i),
               SUM_AT(arg, tcp_closed, i));
}

static void collect_transfers(struct buf_out *out, const struct metric_family *f, void *arg)
{
    for (unsigned i = 0; i < TRANSFER_RESULTS; i++)
        sample(out, f, "result", counters_transfer_word((enum dns_transfer)i),
               SUM_AT(arg, transfers, i));
}

static void collect_running(struct buf_out *out, const struct metric_family *f, void *arg)
{
    double running = SUM(arg, transfers_begun);
    for (unsigned i = 0; i < TRANSFER_RESULTS; i++)
        running -= i == TRANSFER_DENIED || i == TRANSFER_QUOTA ? 0 : SUM_AT(arg, transfers, i);
    metrics_sample(out, f->name, NULL, running < 0 ? 0 : running);
}

static void collect_revision(struct buf_out *out, const struct metric_family *f, void *arg)
{
    const struct dns_server *s = arg;
    const struct zone_version *v = publish_current(s->shared.zones);
    metrics_sample(out, f->name, NULL, v ? (double)v->revision : 0);
}

static void collect_age(struct buf_out *out, const struct metric_family *f, void *arg)
{
    struct dns_server *s = arg;
    int64_t since_us = atomic_load_explicit(&s->shared.stale_since_us, memory_order_relaxed);
    metrics_sample(out, f->name, NULL,
                   since_us == 0 ? 0 : (double)(clock_mono_us() - since_us) / 1e6);
}

void dns_server_register_metrics(struct dns_server *s)
{
    const struct metric_family families[FAMILIES] = {
        {"ordinald_dns_queries_total", METRIC_COUNTER, "Messages received.", collect_queries, s},
        {"ordinald_dns_responses_total", METRIC_COUNTER, "Responses by RCODE.", collect_responses,
         s},
        {"ordinald_dns_truncated_total", METRIC_COUNTER, "Responses with TC=1.", collect_truncated,
         s},
        {"ordinald_dns_drops_total", METRIC_COUNTER, "Messages that got no answer.", collect_drops,
         s},
        {"ordinald_dns_edns_errors_total", METRIC_COUNTER,
         "Requests with a malformed OPT, an unknown EDNS version or a malformed cookie.",
         collect_edns_errors, s},
        {"ordinald_dns_tcp_opened_total", METRIC_COUNTER, "TCP connections accepted.",
         collect_tcp_opened, s},
        {"ordinald_dns_tcp_closed_total", METRIC_COUNTER, "TCP connections closed.",
         collect_tcp_closed, s},
        {"ordinald_dns_transfers_total", METRIC_COUNTER,
         "Zone transfers over a stream, and those refused, by how they ended.", collect_transfers,
         s},
        {"ordinald_dns_transfers_running", METRIC_GAUGE, "Zone transfers that pin a version now.",
         collect_running, s},
        {"ordinald_dns_zone_revision", METRIC_GAUGE,
         "Store revision of the zone version that queries are answered from.", collect_revision, s},
        {"ordinald_dns_source_age_seconds", METRIC_GAUGE,
         "Time since the source of the zones was last in contact, 0 while it is.", collect_age, s},
    };
    memcpy(s->families, families, sizeof families);
    for (size_t i = 0; i < FAMILIES; i++)
        metrics_register(&s->families[i]);
    if (s->shared.forward.zone_count > 0)
        forward_metrics_register(&s->forward, &s->shared);
}
