#include "dns/transfer.h"

#include <string.h>

#include "dns/wire.h"

#define REACH       0x4000 /* first offset that a compression pointer cannot name */
#define LABELS_MAX  128
#define RECORD_HEAD 10 /* type, class, TTL, RDLENGTH */
#define MESSAGE_MAX 65535

/* The owner written last in this message, and where its labels can be pointed at. */
struct last_owner {
    const uint8_t *name; /* borrowed; NULL: none yet */
    size_t labels;
    uint8_t start[LABELS_MAX];   /* of each label in name */
    uint16_t offset[LABELS_MAX]; /* in the message, 0: out of reach */
};

struct writer {
    uint8_t *message;
    size_t at, limit;
    uint16_t records;
    struct last_owner last;
};

static size_t split_labels(const uint8_t *name, uint8_t start[LABELS_MAX])
{
    size_t labels = 0;
    for (size_t at = 0; name[at] != 0; at += 1U + name[at])
        start[labels++] = (uint8_t)at;
    return labels;
}

static bool same_label(const uint8_t *a, const uint8_t *b)
{
    return *a == *b && memcmp(a + 1, b + 1, *a) == 0;
}

/* The labels that the owner before does not end with, then a pointer to those it does. The name
 * fits. */
static void put_owner(struct writer *w, const uint8_t *name)
{
    struct last_owner *last = &w->last, next = {.name = name};
    next.labels = split_labels(name, next.start);
    size_t own = next.labels, shared = last->labels;
    while (own > 0 && shared > 0 && last->offset[shared - 1] != 0 &&
           same_label(name + next.start[own - 1], last->name + last->start[shared - 1])) {
        own--;
        shared--;
    }
    for (size_t i = 0; i < own; i++) {
        size_t len = 1U + name[next.start[i]];
        next.offset[i] = w->at < REACH ? (uint16_t)w->at : 0;
        memcpy(w->message + w->at, name + next.start[i], len);
        w->at += len;
    }
    if (own == next.labels) {
        w->message[w->at++] = 0;
    } else {
        memcpy(next.offset + own, last->offset + shared,
               (next.labels - own) * sizeof next.offset[0]);
        put16(w->message + w->at, (uint16_t)(0xc000U | next.offset[own]));
        w->at += 2;
    }
    *last = next;
}

/* Record i of a set; false when it does not fit: the message is then full. */
static bool put_record(struct writer *w, const struct zone_node *node, const struct rrset *set,
                       size_t i)
{
    size_t name_len, before = w->at;
    const uint8_t *name = zone_node_name(node, &name_len);
    if (w->limit - w->at <= name_len + RECORD_HEAD)
        return false;
    put_owner(w, name);
    uint8_t *head = w->message + w->at;
    size_t rdlen = rrset_rdata(set, node, i, head + RECORD_HEAD, w->limit - w->at - RECORD_HEAD);
    if (rdlen == 0) {
        w->at = before;
        return false;
    }
    uint32_t ttl = rrset_ttl(set);
    uint8_t *at = put16(put16(head, rrset_type(set)), RR_CLASS_IN);
    at = put16(put16(at, (uint16_t)(ttl >> 16)), (uint16_t)ttl);
    put16(at, (uint16_t)rdlen);
    w->at += RECORD_HEAD + rdlen;
    w->records++;
    return true;
}

void transfer_init(struct transfer *t, const struct zone_version *version,
                   const struct zone_apex *apex, const struct query *q, bool soa_only)
{
    t->apex = apex;
    t->stage = soa_only ? XFR_LAST_SOA : XFR_FIRST_SOA;
    t->has_failed = false;
    t->id = q->id;
    t->with_rd = q->rd;
    t->records = 0;
    t->node = NULL;
    t->set_at = t->record_at = 0;
    if (!soa_only)
        zone_walk_init(&t->walk, version, apex);
}

/* The SOA is written first and last, not where it stands. */
static const struct rrset *present_set(const struct transfer *t)
{
    const struct rrset *set = zone_node_set_at(t->node, t->set_at);
    return set == t->apex->soa ? NULL : set;
}

/* Goes on from where the message before ended; false when this one is full. */
static bool put_records(struct transfer *t, struct writer *w)
{
    while (t->node || (t->node = zone_walk_next(&t->walk))) {
        for (; t->set_at < zone_node_set_count(t->node); t->set_at++, t->record_at = 0) {
            const struct rrset *set = present_set(t);
            for (; set && t->record_at < rrset_count(set); t->record_at++) {
                if (!put_record(w, t->node, set, t->record_at))
                    return false;
            }
        }
        t->node = NULL;
        t->set_at = 0;
    }
    return true;
}

size_t transfer_fill(struct transfer *t, const uint8_t *question, uint8_t *message, size_t len,
                     size_t limit, uint16_t *records)
{
    struct writer w = {.message = message, .at = len, .limit = limit};
    const struct zone_node *node = t->apex->node;
    size_t apex_len;
    const uint8_t *apex = zone_node_name(node, &apex_len);
    if (question && memcmp(question, apex, apex_len) == 0) {
        w.last.name = apex;
        w.last.labels = split_labels(apex, w.last.start);
        for (size_t i = 0; i < w.last.labels; i++)
            w.last.offset[i] = (uint16_t)(DNS_HEADER_SIZE + w.last.start[i]);
    }
    bool has_room = true;
    if (t->stage == XFR_FIRST_SOA && (has_room = put_record(&w, node, t->apex->soa, 0)))
        t->stage = XFR_RECORDS;
    if (t->stage == XFR_RECORDS && (has_room = put_records(t, &w)))
        t->stage = XFR_LAST_SOA;
    if (t->stage == XFR_LAST_SOA && has_room && put_record(&w, node, t->apex->soa, 0))
        t->stage = XFR_OVER;
    t->records += w.records;
    *records = w.records;
    return w.at;
}

size_t transfer_next(struct transfer *t, uint8_t *out)
{
    uint16_t records = 0;
    size_t len = DNS_HEADER_SIZE;
    len = transfer_fill(t, NULL, out, len, TRANSFER_MESSAGE, &records);
    if (records == 0)
        len = transfer_fill(t, NULL, out, len, MESSAGE_MAX, &records);
    if (records == 0) {
        t->has_failed = true;
        return 0;
    }
    uint8_t *at = put16(out, t->id);
    at = put16(at, t->with_rd ? 0x8500 : 0x8400); /* QR, AA */
    at = put16(put16(at, 0), records);            /* no question behind the first message */
    put16(put16(at, 0), 0);
    return len;
}
