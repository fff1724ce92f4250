/* base/metrics.h - counters and gauges, described once, next to their names; Prometheus text on
 * request.
 *
 * Worker threads count in their own struct (cache-line aligned, relaxed atomics) and register a
 * collector; the control thread counts in plain variables. Nothing is paid on the hot path but the
 * increment. metrics_write belongs to the control thread. Names and help follow Prometheus
 * conventions: unit suffix, `_total` for counters. */
#pragma once

#include <stdint.h>

#include "base/buf.h"

/* A histogram's collector writes the samples NAME_bucket (cumulative, with le), NAME_sum and
 * NAME_count. */
enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* A collector writes the samples of one family; it is called on the control thread for every
 * scrape. */
struct metric_family {
    const char *name; /* "ordinald_dns_responses_total" */
    enum metric_kind kind;
    const char *help;
    void (*collect)(struct buf_out *out, const struct metric_family *family, void *arg);
    void *arg;
};
/* The family is borrowed until metrics_unregister_all; its name is not yet registered. Families
 * print in order of name. */
void metrics_register(const struct metric_family *family);
void metrics_unregister_all(void);
/* One sample line: name{labels} value; labels is NULL or `zone="x",proto="udp"` (use metrics_escape
 * for values). */
void metrics_sample(struct buf_out *out, const char *name, const char *labels, double value);
void metrics_escape(struct buf_out *out, const char *value);
/* Prometheus text format 0.0.4 of every family. */
void metrics_write(struct buf_out *out);

/* The common case: a family with one unlabelled value kept by the control thread. The caller fills
 * in name, kind and help; metric_register adds the collector. */
struct metric {
    struct metric_family family;
    double value;
};
void metric_register(struct metric *metric);
