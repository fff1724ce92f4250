#include "dns/message.h"

#include <string.h>

#include "base/check.h"

enum { OPTION_NSID = 3, OPTION_COOKIE = 10, OPTION_KEEPALIVE = 11, OPTION_EDE = 15 };
enum { TSIG_ERROR_BADKEY = 17, TSIG_CLASS_ANY = 255 };

#define OPT_SIZE       11
#define OPTION_HEAD    4
#define COOKIE_SIZE    (COOKIE_CLIENT_SIZE + COOKIE_SERVER_SIZE)
#define EDE_SIZE       (OPTION_HEAD + 2)
#define KEEPALIVE_SIZE (OPTION_HEAD + 2)

static uint64_t rotl(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

uint64_t message_chance(struct message *m) /* xoshiro256** (Blackman, Vigna) */
{
    uint64_t *s = m->ctx->chance;
    uint64_t result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

void dns_context_init(struct dns_context *ctx, const struct answer_opts *opts,
                      struct dns_counters *counters, uint64_t seed)
{
    *ctx = (struct dns_context){.opts = opts, .counters = counters};
    for (int i = 0; i < 4; i++) { /* splitmix64: never all zero */
        uint64_t z = (seed += 0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        ctx->chance[i] = z ^ (z >> 31);
    }
}

static size_t size_limit(const struct message *m, const struct query *q, size_t room)
{
    size_t limit = DNS_TCP_MAX;
    if (m->peer->proto == DNS_UDP) { /* */
        limit = m->ctx->opts->udp_size;
        size_t client = q->has_edns && q->udp_size > DNS_UDP_MIN ? q->udp_size : DNS_UDP_MIN;
        if (client < limit)
            limit = client;
    }
    return room < limit ? room : limit;
}

void message_begin(struct message *m, struct dns_context *ctx, const struct dns_peer *peer,
                   const struct query *q, uint8_t *out, size_t room)
{
    CHECK(room >= DNS_UDP_MIN);
    m->ctx = ctx;
    m->peer = peer;
    m->out = out;
    m->len = DNS_HEADER_SIZE;
    m->answers = m->authorities = m->additionals = 0;
    m->rcode = RCODE_NOERROR;
    m->ede = EDE_NONE;
    m->truncated = m->is_authoritative = m->is_forwarded = m->is_dropped = false;
    m->flags = 0;
    if (q->has_question) {
        memcpy(out + m->len, q->packet + DNS_HEADER_SIZE, q->name_len + 4);
        m->len += q->name_len + 4;
    }
    m->room = m->limit = size_limit(m, q, room);
    if (q->has_edns) {
        m->limit -= OPT_SIZE;
        if (q->cookie)
            m->limit -= OPTION_HEAD + COOKIE_SIZE;
        if (q->wants_nsid && ctx->opts->nsid_len > 0)
            m->limit -= OPTION_HEAD + ctx->opts->nsid_len;
        if (q->wants_keepalive && peer->proto == DNS_TCP)
            m->limit -= KEEPALIVE_SIZE;
    }
}

void message_clear(struct message *m, const struct query *q)
{
    m->len = DNS_HEADER_SIZE + q->name_len + 4;
    m->answers = m->authorities = m->additionals = 0;
    m->truncated = false;
}

void message_fail(struct message *m, enum dns_rcode rcode, enum ede_code ede)
{
    m->rcode = rcode;
    m->ede = ede;
    m->is_authoritative = false;
}

/* An option behind the others, if the message has room for it. */
static uint8_t *add_option(struct message *m, uint16_t code, size_t size)
{
    if (m->room < m->len + OPTION_HEAD + size)
        return NULL;
    uint8_t *at = put16(put16(m->out + m->len, code), (uint16_t)size);
    m->len += OPTION_HEAD + size;
    return at;
}

static void add_cookie(struct message *m, const struct query *q)
{
    uint8_t *at = add_option(m, OPTION_COOKIE, COOKIE_SIZE);
    if (!at)
        return;
    const struct cookie_secrets *secrets = &m->ctx->opts->secrets;
    memcpy(at, q->cookie, COOKIE_CLIENT_SIZE);
    if (cookie_check(secrets, q->cookie, q->cookie_len, m->peer->addr, m->peer->addr_len,
                     m->ctx->wall_s) == COOKIE_GOOD)
        memcpy(at, q->cookie, COOKIE_SIZE);
    else
        cookie_make(secrets, q->cookie, m->peer->addr, m->peer->addr_len, m->ctx->wall_s,
                    at + COOKIE_CLIENT_SIZE);
}

/* A text goes whole or not at all, and code 0 says nothing without one (RFC 8914 section 4.1). */
static __attribute__((noinline)) void add_ede(struct message *m)
{
    size_t text = m->ede == EDE_OTHER ? m->ctx->why_len : 0;
    uint8_t *option = add_option(m, OPTION_EDE, 2 + text);
    if (!option)
        return;
    put16(option, (uint16_t)m->ede);
    if (text > 0)
        memcpy(option + 2, m->ctx->why, text);
}

/* with_ede: where the message ends for the EDE, which goes last and may be left out. */
static void add_opt(struct message *m, const struct query *q, size_t with_ede)
{
    const struct answer_opts *opts = m->ctx->opts;
    size_t opt_at = m->len;
    uint8_t *at = m->out + opt_at;
    *at++ = 0;
    at = put16(at, RR_OPT);
    at = put16(at, DNS_EDNS_ADVERTISED);
    *at++ = (uint8_t)((unsigned)m->rcode >> 4);
    *at++ = 0; /* version */
    put16(at, q->dnssec_ok ? 0x8000 : 0);
    m->len += OPT_SIZE;
    m->additionals++;
    uint8_t *option;
    if (q->cookie)
        add_cookie(m, q);
    if (q->wants_nsid && opts->nsid_len > 0 &&
        (option = add_option(m, OPTION_NSID, opts->nsid_len)))
        memcpy(option, opts->nsid, opts->nsid_len);
    if (q->wants_keepalive && m->peer->proto == DNS_TCP &&
        (option = add_option(m, OPTION_KEEPALIVE, 2)))
        put16(option, m->peer->keepalive_ds);
    m->room = with_ede;
    if (m->ede != EDE_NONE)
        add_ede(m);
    put16(m->out + opt_at + 9, (uint16_t)(m->len - opt_at - OPT_SIZE));
}

/* The request's key is not known: its names come back without a MAC. Left out where it would make
 * the message longer than R-100 allows. */
static __attribute__((noinline)) void add_tsig(struct message *m, const struct query *q)
{
    size_t size = q->tsig_key_len + 10 + q->tsig_algorithm_len + 16;
    if (m->room < m->len + size)
        return;
    uint8_t *at = m->out + m->len;
    at += query_copy_name(q, q->tsig_key_at, at);
    at = put16(at, RR_TSIG);
    at = put16(at, TSIG_CLASS_ANY);
    at = put16(put16(at, 0), 0);
    at = put16(at, (uint16_t)(q->tsig_algorithm_len + 16));
    at += query_copy_name(q, q->tsig_algorithm_at, at);
    memcpy(at, q->tsig_time, 8);
    at = put16(at + 8, 0); /* no MAC */
    memcpy(at, q->tsig_original, 2);
    put16(put16(at + 2, TSIG_ERROR_BADKEY), 0);
    m->len += size;
    m->additionals++;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t message_end(struct message *m, const struct query *q, bool with_tsig)
{
    bool is_bare = m->rcode == RCODE_NOTIMP;
    size_t with_ede = m->room;
    if (message_is_error(m) && m->peer->proto == DNS_UDP) { /* */
        with_ede = least(m->room, q->len + OPT_SIZE + EDE_SIZE);
        /* A client cookie alone is answered with 16 octets more (RFC 7873 section 5.2.3): they take
         * the room of the EDE, so the bound stays the same. */
        bool is_client_only = q->cookie && q->cookie_len == COOKIE_CLIENT_SIZE;
        m->room = is_client_only ? with_ede : least(m->room, q->len + OPT_SIZE);
    }
    if (q->has_edns)
        add_opt(m, q, with_ede);
    if (with_tsig)
        add_tsig(m, q);
    uint8_t *at = put16(m->out, q->id);
    *at++ = (uint8_t)(0x80 | q->opcode << 3 | (m->is_authoritative ? 4 : 0) |
                      (m->truncated ? 2 : 0) | (q->rd && !is_bare ? 1 : 0));
    *at++ = (uint8_t)(m->flags | ((unsigned)m->rcode & 15));
    at = put16(at, q->has_question ? 1 : 0);
    at = put16(at, m->answers);
    at = put16(at, m->authorities);
    put16(at, m->additionals);
    return m->len;
}
