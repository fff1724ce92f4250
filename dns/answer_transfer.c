#include "dns/answer_transfer.h"

#include "dns/transfer.h"

/* RFC 1982: the client has this version, or one that is still to come. */
static bool is_current(uint32_t client, uint32_t ours)
{
    return (int32_t)(client - ours) >= 0;
}

static void fill(struct message *m, struct transfer *t, const struct query *q)
{
    size_t kept = m->room - m->limit; /* for OPT, which is part of the message too */
    size_t limit = m->room < TRANSFER_MESSAGE ? m->limit : TRANSFER_MESSAGE - kept;
    m->is_authoritative = true;
    m->len = transfer_fill(t, q->name, m->out, m->len, limit, &m->answers);
}

static void send_soa(struct message *m, const struct zone_version *v, const struct zone_apex *apex,
                     const struct query *q)
{
    struct transfer t;
    transfer_init(&t, v, apex, q, true);
    fill(m, &t, q);
    m->truncated = !transfer_is_over(&t);
}

/* The whole zone in one datagram; else the SOA says to come by TCP (RFC 1995 section 2). */
static void send_datagram(struct message *m, const struct zone_version *v,
                          const struct zone_apex *apex, const struct query *q)
{
    struct transfer t;
    size_t before = m->len;
    transfer_init(&t, v, apex, q, false);
    fill(m, &t, q);
    if (!transfer_is_over(&t)) {
        m->len = before;
        send_soa(m, v, apex, q);
    }
}

static void send_stream(struct message *m, const struct zone_version *v,
                        const struct zone_apex *apex, const struct query *q)
{
    struct dns_context *ctx = m->ctx;
    struct transfer *t = ctx->transfer_new ? ctx->transfer_new(ctx->transfer_arg) : NULL;
    if (!t) {
        counter_add(&ctx->counters->transfers[TRANSFER_QUOTA], 1);
        message_fail(m, RCODE_SERVFAIL, EDE_NONE);
        return;
    }
    transfer_init(t, v, apex, q, false);
    fill(m, t, q);
}

static void deny(struct message *m, enum dns_rcode rcode, enum ede_code ede)
{
    counter_add(&m->ctx->counters->transfers[TRANSFER_DENIED], 1);
    message_fail(m, rcode, ede);
}

void answer_transfer(struct message *m, const struct zone_version *v, const struct query *q)
{
    const struct zone_apex *apex = v ? zone_apex_find(v, q->name) : NULL;
    size_t apex_len = 0;
    if (apex)
        zone_node_name(apex->node, &apex_len);
    bool is_zone = apex && apex_len == q->name_len;
    bool is_udp = m->peer->proto == DNS_UDP, is_ixfr = q->type == RR_IXFR;
    bool wants_stream = is_udp && !is_ixfr;
    if (!is_zone && !wants_stream)
        deny(m, RCODE_NOTAUTH, EDE_NOT_AUTHORITATIVE);
    else if (wants_stream ||
             !access_list_allows(&m->ctx->opts->transfer_acl, m->peer->addr, m->peer->addr_len))
        deny(m, RCODE_REFUSED, EDE_PROHIBITED);
    else if (!message_is_ready(m, v))
        message_fail(m, RCODE_SERVFAIL, EDE_NOT_READY);
    else if (is_ixfr && is_current(q->ixfr_serial, apex->serial))
        send_soa(m, v, apex, q);
    else if (is_udp)
        send_datagram(m, v, apex, q);
    else
        send_stream(m, v, apex, q);
}
