/* conf/options.h - every option: one row of a table, one field of a struct.
 *
 * The table is the contract of DESIGN section 2. A new option is one row in options.c and one field
 * here; parsing, --set, --check,
 * --print-config and the error texts follow. Strings and lists are owned by struct options. Control
 * thread, at start. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct string_list {
    char **items; /* owned, each owned */
    size_t count;
};

struct options {
    struct string_list dns_listen;
    int64_t dns_workers, dns_udp_size;
    bool dns_rotate;
    int64_t dns_tcp_idle_us, dns_tcp_max, dns_tcp_max_per_client, dns_lameduck_us;
    bool dns_cookies;
    char *dns_cookie_secret, *dns_nsid, *dns_chaos;
    int64_t dns_rate_limit, dns_rate_slip, dns_client_limit;
    struct string_list dns_rate_exempt, dns_notify;
    char *dns_tsig_keys;
    struct string_list access_query, access_recurse, access_transfer, access_explain;
    char *access_denied;
    char *zone_name;
    struct string_list zone_ns_address, zone_reverse;
    bool zone_reverse_fallthrough;
    int64_t zone_ttl_us, zone_negative_ttl_us;
    char *zone_pods, *zone_endpoint_names, *zone_endpoint_records, *zone_ptr;
    bool zone_ignore_empty_service;
    int64_t zone_max_stale_us;
    struct string_list forward_upstream, forward_zones;
    int64_t forward_timeout_us, forward_cache_size;
    bool forward_autopath;
    char *api_socket;
    struct string_list api_listen;
    char *api_tls_cert, *api_tls_key, *api_tls_client_ca;
    char *store_path, *store_kind;
    int64_t store_history_us, store_history_bytes;
    char *volumes_class;
    int64_t nodes_embedded, nodes_embedded_start_us;
    bool nodes_scheduler;
    struct string_list nodes_pod_range, nodes_service_range, nodes_pod_prefix;
    int64_t nodes_grace_us, nodes_gc_period_us, nodes_gc_quarantine_us;
    struct string_list metrics_listen, health_listen, ready_listen;
    char *log_level;
    int64_t log_queries;
    char *run_user;
};

enum option_type {
    OPT_BOOL,
    OPT_INT,
    OPT_SIZE,     /* bytes: 64MiB, 16 MiB, 1k */
    OPT_DURATION, /* microseconds: 5 s, 200ms; a bare number is seconds */
    OPT_STRING,
    OPT_WORD, /* one of `words` */
    OPT_LIST,
    OPT_MAP /* mapping, kept as "key=value" items */
};

/* Checks one text value (list items one by one); NULL when good, else what is wrong ("is not an
 * address"). */
typedef const char *option_check_fn(const char *value);

struct conf_option {
    const char *name; /* "dns.listen" */
    enum option_type type;
    size_t offset;        /* of the field in struct options */
    const char *fallback; /* text form; list items separated by commas */
    int64_t min, max;     /* OPT_INT, OPT_SIZE, OPT_DURATION (us) */
    const char *words;    /* OPT_WORD: "a|b|c" */
    option_check_fn *check;
    bool is_reserved; /* known, but this version has nothing behind it: only the default is accepted
                       */
    bool is_live;     /* a reload changes it; the others need a restart (K-RELOAD) */
    const char *help; /* one sentence; what the sample file says */
};

extern const struct conf_option options_table[];
extern const size_t options_count;

const struct conf_option *option_find(const char *name);
