/* Any response of an upstream: it is ours or not, and what is copied from it into an answer parses
 * to the last octet and holds nothing that does not follow from the question.
 *
 * Input: one octet of options (1: DO, 2: with EDNS, 4: TCP, 8: ANY, 16: CNAME, 32: a zone of ours
 * is met), then the response; its ID and question are put right unless 64 is set, so that mutations
 * reach what is behind. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "dns/reply.h"
#include "dns/wire_name.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/dns/zone_fixture.h"

#define ID 0x4242
static const uint8_t asked[] = "\3www\7example\3com"; /* and the root label */

static bool is_local(const void *arg, const uint8_t *name)
{
    return arg && name_is_under(name, arg);
}

static unsigned get(const uint8_t *p)
{
    return (unsigned)(p[0] << 8 | p[1]);
}

/* The whole message: every count is kept, nothing is left over, and every owner in the answer
 * section is the question, the target of a CNAME before it (ANY follows none, and gets one at
 * most), or above (DNAME). RDATA is not looked into, but for CNAME: of a type that nobody here
 * knows it is whatever it is (RFC 3597). */
static void check_answer(const uint8_t *m, size_t len, bool is_any)
{
    unsigned cnames = 0;
    uint8_t name[NAME_MAX_WIRE], owner[NAME_MAX_WIRE];
    struct buf_in in;
    buf_in_init(&in, m, len);
    buf_bytes(&in, DNS_HEADER_SIZE);
    CHECK(get(m + 4) == 1 && wire_name_read(m, &in, name) > 0 && buf_bytes(&in, 4));
    unsigned answers = get(m + 6), records = answers + get(m + 8) + get(m + 10);
    for (unsigned i = 0; i < records; i++) {
        CHECK(wire_name_read(m, &in, owner) > 0);
        unsigned type = buf_u16(&in);
        CHECK(buf_u16(&in) == RR_CLASS_IN);
        CHECK(buf_u32(&in) <= INT32_MAX);
        size_t rdlen = buf_u16(&in);
        const uint8_t *rdata = buf_bytes(&in, rdlen);
        CHECK(rdata);
        bool is_above = (type == 39 || type == 46) && name_is_under(name, owner);
        CHECK(i >= answers || type == 46 || is_above || name_equal(owner, name));
        if (i < answers && type == RR_CNAME && is_any) {
            CHECK(++cnames == 1);
        } else if (i < answers && type == RR_CNAME) {
            struct buf_in target;
            buf_in_init(&target, rdata, rdlen);
            CHECK(wire_name_read(m, &target, name) > 0 && buf_in_left(&target) == 0);
        }
    }
    CHECK(!in.failed && buf_in_left(&in) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct reply reply;
    static struct dns_counters counters;
    static struct dns_context ctx;
    static uint8_t out[DNS_TCP_MAX];
    static const struct answer_opts opts = {.udp_size = 1232};
    if (size < 1 || size > DNS_TCP_MAX)
        return 0;
    unsigned options = data[0];
    struct reply_question q = {.name_len = sizeof asked, .dnssec_ok = options & 1};
    q.type = options & 8 ? RR_ANY : options & 16 ? RR_CNAME : RR_A;
    memcpy(q.name, asked, sizeof asked);
    size_t len = size - 1, head = DNS_HEADER_SIZE + sizeof asked + 4;
    uint8_t *bytes = xmalloc(len + 1);
    memcpy(bytes, data + 1, len);
    uint8_t request[DNS_HEADER_SIZE + sizeof asked + 4] = {[2] = 1, [5] = 1};
    memcpy(request + DNS_HEADER_SIZE, asked, sizeof asked);
    put16(put16(request + DNS_HEADER_SIZE + sizeof asked, q.type), RR_CLASS_IN);
    if (!(options & 64) && len >= head) {
        put16(bytes, ID);
        bytes[2] = (uint8_t)(0x80 | (bytes[2] & 7));
        put16(bytes + 4, 1);
        memcpy(bytes + DNS_HEADER_SIZE, request + DNS_HEADER_SIZE, head - DNS_HEADER_SIZE);
    }
    enum reply_kind kind = reply_check(&reply, &q, ID, options & 2, bytes, len);
    if (kind == REPLY_ANSWER) {
        struct name_lookup name;
        struct query query;
        struct message m;
        uint8_t local[] = "\3com";
        query_read_name(&name, request, sizeof request);
        CHECK(query_parse(&query, request, sizeof request, &name, false) == QUERY_OK);
        dns_context_init(&ctx, &opts, &counters, 1);
        message_begin(&m, &ctx, options & 4 ? &fixture_tcp : &fixture_udp, &query, out, sizeof out);
        size_t at = reply_copy(&reply, &m, DNS_HEADER_SIZE, is_local, options & 32 ? local : NULL);
        CHECK(m.len <= m.limit);
        CHECK(at == 0 || name_wire_len(out + at, m.len - at) > 0);
        size_t end = message_end(&m, &query, false);
        check_answer(out, end, q.type == RR_ANY);
    }
    free(bytes);
    return 0;
}
