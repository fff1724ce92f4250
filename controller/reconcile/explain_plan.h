/* controller/reconcile/explain_plan.h - why something is not there, in plain words: DESIGN section
 * 4, "Explained negatives".
 *
 * Pure: plain views in, sentences out; no store, no clock, no log. explain.c gathers the views. The
 * sentences are a chain: each line that is deeper than the one before is its cause.
 *
 *     Pod default/kubia-2 does not exist
 *       kubia-2 waits for kubia-1 to be Ready
 *         Pod default/kubia-1 is Pending
 *           claim data-kubia-1 is Pending: no persistent volumes available ...
 *
 * Hints say what a person can do. Views borrow their strings; texts are "" when absent. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controller/reconcile/statefulset_plan.h"
#include "controller/store/view.h"

#define EXPLAIN_TEXT  384
#define EXPLAIN_LINES 32
#define EXPLAIN_HINTS 8

struct explain_line {
    unsigned depth;
    char text[EXPLAIN_TEXT]; /* one sentence without a full stop, UTF-8 */
};

struct explain {
    bool is_there; /* what was asked for exists and answers: the lines say what it is */
    unsigned depth;
    size_t count, hint_count; /* lines beyond the limit are left out */
    struct explain_line line[EXPLAIN_LINES];
    char hint[EXPLAIN_HINTS][EXPLAIN_TEXT];
};

enum explain_node { EXPLAIN_NODE_FINE, EXPLAIN_NODE_SILENT, EXPLAIN_NODE_GONE };

struct explain_claim {
    const char *ns, *name;
    bool exists, is_terminating;
    const char *phase;
    const char *why;       /* Pending or Lost: the binder's words */
    const char *volume;    /* that it names */
    const char *holder;    /* a pod that uses it */
    const char *set, *pod; /* whose it is by its name */
    const char *fenced;    /* uid of a fenced incarnation that may still write */
    const char *const *finalizers;
    size_t finalizer_count;
};

/* A container that is not ready. */
struct explain_container {
    const char *name, *reason, *message;
};

struct explain_set;

struct explain_pod {
    const char *ns, *name;
    bool exists, is_terminating;
    enum pod_phase phase;
    bool is_ready, is_gated;
    bool is_scheduler_off; /* nobody here places pods */
    int64_t grace_s;
    const char *node;
    enum explain_node node_state;
    const char *unschedulable;     /* message of PodScheduled=False */
    const char *reason;            /* status.reason, or why Ready is False */
    const char *foreign_scheduler; /* spec.schedulerName that is not ours */
    struct explain_container container;
    const char *unmet_gate; /* a readiness gate that is not True */
    const char *const *finalizers;
    size_t finalizer_count;
    size_t ip_count;
    const struct explain_claim *claims; /* those in trouble */
    size_t claim_count;
    const char *controller; /* "StatefulSet kubia", "" none */
    /* of its identity */
    uint64_t epoch;
    const char *fenced_uid, *fenced_node, *reserved; /* reserved: addresses, joined */
    size_t name_len;
    /* The set whose ordinal the name is; NULL: none. */
    const struct explain_set *set;
    int32_t ordinal;
    const char *set_name; /* what comes before the ordinal; "" when the name has none */
    bool is_ours;         /* exists, and set controls it */
};

struct explain_set {
    const char *ns, *name;
    bool exists, is_terminating, is_parallel, on_delete, replaces_stuck;
    int32_t start, replicas, ready, updated;
    const char *service;
    bool has_service;
    enum set_wait wait;
    int32_t wait_ordinal;
    const char *error;                 /* of the last step, "" */
    const struct explain_pod *blocker; /* the pod of wait_ordinal; NULL: not looked at */
    bool is_stuck;                     /* R55: the blocker is of a revision no longer wanted */
    const char *current, *update;      /* revisions */
};

struct explain_service {
    const char *ns, *name;
    bool has_namespace, exists, is_headless, is_external, has_selector;
    bool publishes_not_ready;
    const char *target;               /* externalName */
    const char *cluster_ips;          /* joined */
    size_t slices, listed, published; /* endpoints */
    size_t selected;                  /* pods that match the selector */
};

/* A fenced incarnation that keeps its namespace (R44). */
struct explain_fence {
    const char *pod, *node;
};

struct explain_namespace {
    const char *name;
    bool exists, is_terminating;
    const char *content, *finalizers; /* what is left, in the words of its conditions; "" nothing */
    const struct explain_fence *fences;
    size_t fence_count, more_fences;
};

/* A name directly below a Service. */
struct explain_host {
    const struct explain_service *service;
    const char *host;
    bool is_listed, is_published;  /* by a slice, under this name */
    const struct explain_pod *pod; /* of that name; never NULL */
    bool is_selected;
    const char *label, *wanted, *found; /* the first label of the selector that differs */
    const char *hostname, *subdomain;   /* of the pod's spec */
    bool is_asked_epoch;                /* _epoch.<host> */
};

struct explain_port {
    const struct explain_service *service;
    const char *port, *protocol; /* without underscores */
    bool is_known;               /* the Service or one of its slices has it */
    const char *known;           /* "http/TCP, https/TCP" */
};

/* An address by its reverse name. */
struct explain_address {
    const char *address;
    bool is_in_zone;
    const char *pod, *service, *reserved; /* "ns/name" of who holds it, "" */
    bool pod_is_ready;
};

void explain_claim_plan(const struct explain_claim *view, struct explain *out);
void explain_pod_plan(const struct explain_pod *view, struct explain *out);
void explain_set_plan(const struct explain_set *view, struct explain *out);
void explain_namespace_plan(const struct explain_namespace *view, struct explain *out);
void explain_service_plan(const struct explain_service *view, struct explain *out);
void explain_host_plan(const struct explain_host *view, struct explain *out);
void explain_port_plan(const struct explain_port *view, struct explain *out);
void explain_address_plan(const struct explain_address *view, struct explain *out);

/* For whoever writes lines of its own: a line at the present depth, and one level down or up. */
void explain_say(struct explain *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A hint, once. */
void explain_hint(struct explain *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The chain from line `first` on in one text of at most size - 1 octets: all of it joined by ": ",
 * or its first and its deepest cause, or the deepest alone, cut behind a word when need be. */
void explain_brief(const struct explain *view, size_t first, char *out, size_t size);
