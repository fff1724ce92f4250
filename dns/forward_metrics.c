#include "dns/forward_metrics.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define LABELS_MAX 160

/* Sum of the counter at this offset of struct forward_counters. */
static double sum_at(const struct forward_metrics *m, size_t offset)
{
    uint64_t sum = 0;
    for (unsigned w = 0; w < m->shared->worker_count; w++) {
        const char *counters = (const char *)forwarder_counters(m->shared->workers[w]->forward);
        sum += counter_read((const _Atomic uint64_t *)(const void *)(counters + offset));
    }
    return (double)sum;
}

#define SUM(m, member) sum_at(m, offsetof(struct forward_counters, member))
#define SUM_TO(m, upstream, member)                                                                \
    sum_at(m, offsetof(struct forward_counters, to[0].member) +                                    \
                  (upstream) * sizeof(((struct forward_counters *)NULL)->to[0]))

static void sample(struct buf_out *out, const char *name, const struct forward_metrics *m,
                   size_t upstream, const char *label, const char *word, double value)
{
    char labels[LABELS_MAX];
    const char *to = m->shared->forward.upstreams[upstream].text;
    if (label)
        (void)snprintf(labels, sizeof labels, "to=\"%s\",%s=\"%s\"", to, label, word);
    else
        (void)snprintf(labels, sizeof labels, "to=\"%s\"", to);
    metrics_sample(out, name, labels, value);
}

static void collect_requests(struct buf_out *out, const struct metric_family *f, void *arg)
{
    const struct forward_metrics *m = arg;
    for (size_t i = 0; i < m->shared->forward.upstream_count; i++) {
        sample(out, f->name, m, i, "proto", "udp", SUM_TO(m, i, requests[DNS_UDP]));
        sample(out, f->name, m, i, "proto", "tcp", SUM_TO(m, i, requests[DNS_TCP]));
    }
}

static void collect_responses(struct buf_out *out, const struct metric_family *f, void *arg)
{
    const struct forward_metrics *m = arg;
    for (size_t i = 0; i < m->shared->forward.upstream_count; i++) {
        for (unsigned r = 0; r < FORWARD_RESULTS; r++)
            sample(out, f->name, m, i, "result", forward_result_word((enum forward_result)r),
                   sum_at(m, offsetof(struct forward_counters, to[0].results) +
                                 i * sizeof(((struct forward_counters *)NULL)->to[0]) +
                                 r * sizeof(uint64_t)));
    }
}

static void collect_duration(struct buf_out *out, const struct metric_family *f, void *arg)
{
    const struct forward_metrics *m = arg;
    char name[LABELS_MAX], bound[32];
    for (size_t i = 0; i < m->shared->forward.upstream_count; i++) {
        double sum = 0;
        (void)snprintf(name, sizeof name, "%s_bucket", f->name);
        for (size_t b = 0; b < FORWARD_BUCKETS; b++) {
            sum += sum_at(m, offsetof(struct forward_counters, to[0].buckets) +
                                 i * sizeof(((struct forward_counters *)NULL)->to[0]) +
                                 b * sizeof(uint64_t));
            if (b < FORWARD_BUCKETS - 1)
                (void)snprintf(bound, sizeof bound, "%g", forward_bucket_s[b]);
            else
                (void)snprintf(bound, sizeof bound, "+Inf");
            sample(out, name, m, i, "le", bound, sum);
        }
        (void)snprintf(name, sizeof name, "%s_sum", f->name);
        sample(out, name, m, i, NULL, NULL, SUM_TO(m, i, took_us) / 1e6);
        (void)snprintf(name, sizeof name, "%s_count", f->name);
        sample(out, name, m, i, NULL, NULL, sum);
    }
}

/* How many workers have given it up for now. */
static void collect_down(struct buf_out *out, const struct metric_family *f, void *arg)
{
    const struct forward_metrics *m = arg;
    for (size_t i = 0; i < m->shared->forward.upstream_count; i++)
        sample(out, f->name, m, i, NULL, NULL, SUM_TO(m, i, is_down));
}

static void collect_in_flight(struct buf_out *out, const struct metric_family *f, void *arg)
{
    metrics_sample(out, f->name, NULL, SUM(arg, in_flight));
}

static void collect_merged(struct buf_out *out, const struct metric_family *f, void *arg)
{
    metrics_sample(out, f->name, NULL, SUM(arg, merged));
}

static void collect_rejected(struct buf_out *out, const struct metric_family *f, void *arg)
{
    metrics_sample(out, f->name, NULL, SUM(arg, rejected));
}

static void collect_loop(struct buf_out *out, const struct metric_family *f, void *arg)
{
    const struct forward_metrics *m = arg;
    metrics_sample(out, f->name, NULL, atomic_load(&m->shared->loop_found) ? 1 : 0);
}

void forward_metrics_register(struct forward_metrics *m, const struct dns_shared *shared)
{
    const struct metric_family families[FORWARD_FAMILIES] = {
        {"ordinald_forward_requests_total", METRIC_COUNTER, "Queries sent to upstreams.",
         collect_requests, m},
        {"ordinald_forward_responses_total", METRIC_COUNTER,
         "What came of them; mismatches are answers to other questions, which are ignored.",
         collect_responses, m},
        {"ordinald_forward_request_duration_seconds", METRIC_HISTOGRAM,
         "Time until an upstream answered.", collect_duration, m},
        {"ordinald_forward_upstream_down", METRIC_GAUGE,
         "Workers that ask others first because it does not answer.", collect_down, m},
        {"ordinald_forward_in_flight", METRIC_GAUGE, "Questions that wait for an upstream.",
         collect_in_flight, m},
        {"ordinald_forward_merged_total", METRIC_COUNTER,
         "Messages that joined a question already in flight.", collect_merged, m},
        {"ordinald_forward_max_concurrent_rejects_total", METRIC_COUNTER,
         "Messages given up for newer ones at a limit.", collect_rejected, m},
        {"ordinald_forward_loop", METRIC_GAUGE,
         "1 when an upstream was found to send our queries back; nothing is forwarded then.",
         collect_loop, m},
    };
    m->shared = shared;
    memcpy(m->families, families, sizeof families);
    for (size_t i = 0; i < FORWARD_FAMILIES; i++)
        metrics_register(&m->families[i]);
}
