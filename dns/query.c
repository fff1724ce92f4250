#include "dns/query.h"

#include <string.h>

#include "base/buf.h"
#include "dns/wire.h"
#include "dns/wire_name.h"
#include "zones/rrset.h"

enum { OPTION_NSID = 3, OPTION_COOKIE = 10, OPTION_KEEPALIVE = 11 };
enum { RR_SIG = 24, CLASS_ANY = 255 };
enum { COOKIE_CLIENT = 8, COOKIE_MIN = 16, COOKIE_MAX = 40 };

#define RECORD_MIN 11

/* The name at in->at in lower case; its length or 0. */
static size_t read_name(const struct query *q, struct buf_in *in, uint8_t out[NAME_MAX_WIRE])
{
    size_t len = wire_name_read(q->packet, in, out);
    name_fold(out, out, len);
    return len;
}

static bool parse_question(struct query *q, struct buf_in *in)
{
    size_t len = name_wire_len(in->at, buf_in_left(in));
    if (len == 0 || buf_in_left(in) - len < 4)
        return false;
    q->name = in->at;
    q->name_len = len;
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

struct rest { /* what the records behind the question say */
    bool opt, bad_tsig;
    uint8_t version;
};

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
static bool parse_opt(struct query *q, struct buf_in *in, struct rest *rest, bool with_cookies)
{
    struct record rr;
    if (rest->opt || !read_record(in, &rr))
        return false;
    rest->opt = true;
    rest->version = (uint8_t)(rr.ttl >> 16);
    q->udp_size = rr.class;
    q->dnssec_ok = rr.ttl & 0x8000;
    return parse_options(q, rr.rdata, rr.rdlen, with_cookies);
}

/* RFC 8945 section 4.2; false when the fields cannot be read. */
static bool parse_tsig(struct query *q, const struct record *rr)
{
    struct buf_in in;
    buf_in_init(&in, rr->rdata, rr->rdlen);
    q->tsig_algorithm_len = read_name(q, &in, q->tsig_algorithm);
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

/* What may stand there beside OPT. Apart from parse_additional, so that the common case does not
 * carry the buffer. */
static __attribute__((noinline)) bool parse_signature(struct query *q, struct buf_in *in,
                                                      bool is_last, struct rest *rest)
{
    uint8_t owner[NAME_MAX_WIRE];
    size_t owner_len = read_name(q, in, owner);
    struct record rr;
    if (owner_len == 0 || !read_record(in, &rr))
        return false;
    if (rr.type == RR_OPT) { /* not at the root, or by a pointer there */
        q->was_edns_error = true;
        return false;
    }
    if (rr.type == RR_TSIG) {
        memcpy(q->tsig_key, owner, owner_len);
        q->tsig_key_len = owner_len;
        if (!is_last || !parse_tsig(q, &rr))
            rest->bad_tsig = true;
        return true;
    }
    /* SIG(0) closes a message too; it proves nothing that is asked for here (RFC 2931 section 3.2).
     */
    return rr.type == RR_SIG && is_last && rr.rdlen >= 2 && get16(rr.rdata) == 0;
}

static bool parse_additional(struct query *q, struct buf_in *in, bool is_last, struct rest *rest,
                             bool with_cookies)
{
    bool is_opt = buf_in_left(in) >= RECORD_MIN && in->at[0] == 0 && get16(in->at + 1) == RR_OPT;
    if (!is_opt)
        return parse_signature(q, in, is_last, rest);
    in->at++;
    q->was_edns_error = !parse_opt(q, in, rest, with_cookies);
    return !q->was_edns_error;
}

/* The one record that a request may carry in its authority section: the SOA of an IXFR (RFC 1995
 * section 3). */
static __attribute__((noinline)) bool parse_client_soa(struct query *q, struct buf_in *in)
{
    uint8_t name[NAME_MAX_WIRE];
    struct record rr;
    if (read_name(q, in, name) == 0 || !read_record(in, &rr) || rr.type != RR_SOA)
        return false;
    struct buf_in rdata;
    buf_in_init(&rdata, rr.rdata, rr.rdlen);
    for (int names = 0; names < 2; names++) { /* MNAME, RNAME */
        if (read_name(q, &rdata, name) == 0)
            return false;
    }
    q->ixfr_serial = buf_u32(&rdata);
    return !rdata.failed && buf_in_left(&rdata) == 16;
}

/* Step 7: everything behind the question, to the last octet. */
static bool parse_rest(struct query *q, struct buf_in *in, uint16_t authority, uint16_t additional,
                       struct rest *rest, bool with_cookies)
{
    bool is_ixfr = q->has_question && q->type == RR_IXFR;
    if (authority != (is_ixfr ? 1 : 0) || additional > 2)
        return false;
    if (is_ixfr && !parse_client_soa(q, in))
        return false;
    for (uint16_t i = 1; i <= additional; i++) {
        if (!parse_additional(q, in, i == additional, rest, with_cookies))
            return false;
    }
    return buf_in_left(in) == 0;
}

static bool cookie_has_length(const struct query *q)
{
    return q->cookie_len == COOKIE_CLIENT ||
           (q->cookie_len >= COOKIE_MIN && q->cookie_len <= COOKIE_MAX);
}

enum query_verdict query_parse(struct query *q, const uint8_t *packet, size_t len,
                               bool with_cookies)
{
    q->packet = packet;
    q->len = len;
    q->id = get16(packet);
    q->opcode = (packet[2] >> 3) & 15;
    q->rd = packet[2] & 1;
    q->has_question = q->has_edns = q->dnssec_ok = q->wants_nsid = q->wants_keepalive = false;
    q->was_edns_error = q->has_tsig = false;
    q->cookie = NULL;
    q->cookie_len = q->name_len = 0;
    q->udp_size = q->type = q->class = 0;
    q->ixfr_serial = 0;
    if (q->opcode != 0)
        return QUERY_NOTIMP;

    uint16_t questions = get16(packet + 4), answers = get16(packet + 6);
    uint16_t authority = get16(packet + 8), additional = get16(packet + 10);
    struct buf_in in;
    buf_in_init(&in, packet + DNS_HEADER_SIZE, len - DNS_HEADER_SIZE);
    if (questions > 1 || (questions == 1 && !parse_question(q, &in)))
        return QUERY_FORMERR;
    size_t records = (size_t)answers + authority + additional;
    if (answers != 0 || records * RECORD_MIN > buf_in_left(&in))
        return QUERY_FORMERR;
    if (records == 0 && buf_in_left(&in) == 0) /* the common stub query */
        return questions == 1 && q->type != RR_IXFR ? QUERY_OK : QUERY_FORMERR;

    struct rest rest = {0};
    if (!parse_rest(q, &in, authority, additional, &rest, with_cookies))
        return QUERY_FORMERR;
    if (questions == 0 && !q->cookie)
        return QUERY_FORMERR;
    q->has_edns = rest.opt;
    bool is_bad_cookie = q->cookie && !cookie_has_length(q);
    if (is_bad_cookie)
        q->cookie = NULL;
    if (rest.bad_tsig)
        return QUERY_BAD_TSIG;
    if (q->has_tsig)
        return QUERY_TSIG;
    if (rest.version != 0)
        return QUERY_BADVERS;
    if (is_bad_cookie)
        return QUERY_BAD_COOKIE;
    return questions == 0 ? QUERY_COOKIE_ONLY : QUERY_OK;
}
