#include "dns/query.h"

#include "base/buf.h"
#include "dns/wire.h"
#include "dns/wire_name.h"
#include "zones/rrset.h"

enum { OPTION_NSID = 3, OPTION_COOKIE = 10, OPTION_KEEPALIVE = 11 };
enum { RR_SIG = 24, CLASS_ANY = 255 };
enum { COOKIE_CLIENT = 8, COOKIE_MIN = 16, COOKIE_MAX = 40 };

#define RECORD_MIN 11

static bool parse_question(struct query *q, struct buf_in *in, const struct name_lookup *name)
{
    size_t len = name->wire_len;
    if (len == 0 || buf_in_left(in) - len < 4)
        return false;
    q->name = in->at;
    q->name_len = len;
    q->lookup = name;
    q->type = get16(in->at + len);
    q->class = get16(in->at + len + 2);
    in->at += len + 4;
    q->has_question = true;
    return true;
}

/* One linear walk; the first option of each kind counts. False when they do not divide
 * evenly. */
static bool parse_options(struct query *q, const uint8_t *rdata, size_t len, bool with_cookies)
{
    while (len > 0) {
        if (len < 4)
            return false;
        uint16_t code = get16(rdata), size = get16(rdata + 2);
        if (size > len - 4)
            return false;
        if (code == OPTION_NSID) {
            q->wants_nsid = true;
        } else if (code == OPTION_KEEPALIVE) {
            q->wants_keepalive = true;
        } else if (code == OPTION_COOKIE && with_cookies && !q->cookie) {
            q->cookie = rdata + 4;
            q->cookie_len = size;
        }
        rdata += 4 + size;
        len -= 4U + size;
    }
    return true;
}

struct record {
    uint16_t type, class;
    uint32_t ttl;
    const uint8_t *rdata;
    size_t rdlen;
};

static inline bool read_record(struct buf_in *in, struct record *rr)
{
    const uint8_t *head = buf_bytes(in, 10);
    if (!head)
        return false;
    rr->type = get16(head);
    rr->class = get16(head + 2);
    rr->ttl = (uint32_t)get16(head + 4) << 16 | get16(head + 6);
    rr->rdlen = get16(head + 8);
    rr->rdata = buf_bytes(in, rr->rdlen);
    return !in->failed;
}

/* False when there are two, or when the record does not hold what it says. */
static inline bool parse_opt(struct query *q, struct buf_in *in, bool with_cookies)
{
    struct record rr;
    if (q->has_edns || !read_record(in, &rr))
        return false;
    q->has_edns = true;
    q->edns_version = (uint8_t)(rr.ttl >> 16);
    q->udp_size = rr.class;
    q->dnssec_ok = rr.ttl & 0x8000;
    return parse_options(q, rr.rdata, rr.rdlen, with_cookies);
}

/* RFC 8945 section 4.2; false when the fields cannot be read. */
static bool parse_tsig(struct query *q, const struct record *rr)
{
    struct buf_in in;
    buf_in_init(&in, rr->rdata, rr->rdlen);
    uint8_t name[NAME_MAX_WIRE];
    q->tsig_algorithm_at = (uint16_t)(in.at - q->packet);
    q->tsig_algorithm_len = wire_name_read(q->packet, &in, name);
    if (q->tsig_algorithm_len == 0 || rr->class != CLASS_ANY || rr->ttl != 0)
        return false;
    q->tsig_time = buf_bytes(&in, 8);
    buf_bytes(&in, buf_u16(&in)); /* MAC */
    q->tsig_original = buf_bytes(&in, 2);
    buf_u16(&in); /* error */
    buf_bytes(&in, buf_u16(&in));
    q->has_tsig = !in.failed && buf_in_left(&in) == 0;
    return q->has_tsig;
}

/* What may stand there beside OPT; returns the place behind it, or NULL. It and parse_client_soa
 * stand apart and take the reader by value, so that the common case keeps it in registers. */
static __attribute__((noinline)) const uint8_t *parse_signature(struct query *q, struct buf_in in,
                                                                bool is_last)
{
    uint8_t owner[NAME_MAX_WIRE];
    size_t owner_at = (size_t)(in.at - q->packet);
    size_t owner_len = wire_name_read(q->packet, &in, owner);
    struct record rr;
    if (owner_len == 0 || !read_record(&in, &rr))
        return NULL;
    if (rr.type == RR_OPT) { /* not at the root, or by a pointer there */
        q->was_edns_error = true;
        return NULL;
    }
    if (rr.type == RR_TSIG) {
        q->tsig_key_at = (uint16_t)owner_at;
        q->tsig_key_len = owner_len;
        if (!is_last || !parse_tsig(q, &rr))
            q->is_bad_tsig = true;
        return in.at;
    }
    /* SIG(0) closes a message too; it proves nothing that is asked for here (RFC 2931 section 3.2).
     */
    bool is_sig0 = rr.type == RR_SIG && is_last && rr.rdlen >= 2 && get16(rr.rdata) == 0;
    return is_sig0 ? in.at : NULL;
}

/* The one record that a request may carry in its authority section: the SOA of an IXFR (RFC 1995
 * section 3). Returns the place behind it, or NULL. */
static __attribute__((noinline)) const uint8_t *parse_client_soa(struct query *q, struct buf_in in)
{
    uint8_t name[NAME_MAX_WIRE];
    struct record rr;
    if (wire_name_read(q->packet, &in, name) == 0 || !read_record(&in, &rr) || rr.type != RR_SOA)
        return NULL;
    struct buf_in rdata;
    buf_in_init(&rdata, rr.rdata, rr.rdlen);
    for (int names = 0; names < 2; names++) { /* MNAME, RNAME */
        if (wire_name_read(q->packet, &rdata, name) == 0)
            return NULL;
    }
    q->ixfr_serial = buf_u32(&rdata);
    return !rdata.failed && buf_in_left(&rdata) == 16 ? in.at : NULL;
}

/* Step 7: everything behind the question, to the last octet. */
static inline bool parse_rest(struct query *q, struct buf_in in, unsigned authority,
                              unsigned additional, bool with_cookies)
{
    unsigned soas = q->type == RR_IXFR;
    if (authority != soas || additional > 2)
        return false;
    if (soas && !(in.at = parse_client_soa(q, in)))
        return false;
    for (unsigned left = additional; left > 0; left--) {
        bool is_opt = buf_in_left(&in) >= RECORD_MIN && in.at[0] == 0 && get16(in.at + 1) == RR_OPT;
        if (is_opt) {
            in.at++;
            q->was_edns_error = !parse_opt(q, &in, with_cookies);
            if (q->was_edns_error)
                return false;
        } else if (!(in.at = parse_signature(q, in, left == 1))) {
            return false;
        }
    }
    return buf_in_left(&in) == 0;
}

static bool cookie_has_length(const struct query *q)
{
    return q->cookie_len == COOKIE_CLIENT ||
           (q->cookie_len >= COOKIE_MIN && q->cookie_len <= COOKIE_MAX);
}

enum query_verdict query_parse(struct query *q, const uint8_t *packet, size_t len,
                               const struct name_lookup *name, bool with_cookies)
{
    q->packet = packet;
    q->len = len;
    q->id = get16(packet);
    q->opcode = (packet[2] >> 3) & 15;
    q->rd = packet[2] & 1;
    q->has_question = q->has_edns = q->dnssec_ok = q->wants_nsid = q->wants_keepalive = false;
    q->was_edns_error = q->has_tsig = q->is_bad_tsig = false;
    q->cookie = NULL;
    q->cookie_len = q->name_len = 0;
    q->udp_size = q->type = q->class = 0;
    q->edns_version = 0;
    q->ixfr_serial = 0;
    if (q->opcode != 0)
        return QUERY_NOTIMP;

    unsigned questions = get16(packet + 4), answers = get16(packet + 6);
    unsigned authority = get16(packet + 8), additional = get16(packet + 10);
    struct buf_in in;
    buf_in_init(&in, packet + DNS_HEADER_SIZE, len - DNS_HEADER_SIZE);
    if (questions > 1 || (questions == 1 && !parse_question(q, &in, name)))
        return QUERY_FORMERR;
    size_t records = (size_t)answers + authority + additional;
    if (answers != 0 || records * RECORD_MIN > buf_in_left(&in))
        return QUERY_FORMERR;
    if (records == 0 && buf_in_left(&in) == 0) /* the common stub query */
        return questions == 1 && q->type != RR_IXFR ? QUERY_OK : QUERY_FORMERR;

    if (!parse_rest(q, in, authority, additional, with_cookies) || (questions == 0 && !q->cookie)) {
        q->has_edns = false;
        return QUERY_FORMERR;
    }
    bool is_bad_cookie = q->cookie && !cookie_has_length(q);
    if (is_bad_cookie)
        q->cookie = NULL;
    if (q->is_bad_tsig)
        return QUERY_BAD_TSIG;
    if (q->has_tsig)
        return QUERY_TSIG;
    if (q->edns_version != 0)
        return QUERY_BADVERS;
    if (is_bad_cookie)
        return QUERY_BAD_COOKIE;
    return questions == 0 ? QUERY_COOKIE_ONLY : QUERY_OK;
}

size_t query_copy_name(const struct query *q, size_t at, uint8_t out[NAME_MAX_WIRE])
{
    struct buf_in in;
    buf_in_init(&in, q->packet, q->len);
    buf_bytes(&in, at);
    size_t len = wire_name_read(q->packet, &in, out);
    name_fold(out, out, len);
    return len;
}
