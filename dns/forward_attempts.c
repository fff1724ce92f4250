#include "dns/forward_attempts.h"

#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/random.h"
#include "dns/wire.h"

/* Each letter in a case of its own, so that an answer has more to guess than port and ID (0x20 of
 * draft-vixie-dnsext-dns0x20). */
static void spell_at_random(uint8_t *out, const uint8_t *name, size_t len)
{
    uint8_t chance[(NAME_MAX_WIRE + 7) / 8];
    random_bytes(chance, sizeof chance);
    for (size_t i = 0; i < len; i++) {
        bool is_letter = name[i] >= 'a' && name[i] <= 'z'; /* no length is as large as a letter */
        bool is_upper = is_letter && (chance[i / 8] >> i % 8 & 1);
        out[i] = is_upper ? (uint8_t)(name[i] - 'a' + 'A') : name[i];
    }
}

/* Header, question, OPT (R-065, R-150: DO and CD as the client set them; nothing else of its OPT,
 * */
static size_t write_query(const struct reply_question *question, const struct attempt *a,
                          uint8_t out[TRY_QUERY_MAX])
{
    uint8_t *at = put16(out, a->id);
    *at++ = 1; /* RD */
    *at++ = question->checking_disabled ? 0x10 : 0;
    at = put16(put16(put16(put16(at, 1), 0), 0), a->has_edns ? 1 : 0);
    memcpy(at, a->name, question->name_len);
    at += question->name_len;
    at = put16(put16(at, question->type), RR_CLASS_IN);
    if (a->has_edns) {
        *at++ = 0;
        at = put16(put16(at, RR_OPT), DNS_EDNS_ADVERTISED);
        at = put16(put16(at, 0), question->dnssec_ok ? 0x8000 : 0);
        at = put16(at, 0);
    }
    return (size_t)(at - out);
}

/* One that is over, or else the oldest. */
static size_t place_for_next(const struct attempts *set)
{
    for (size_t i = 0; i < FORWARD_TRIES_OPEN; i++) {
        if (!set->at[i].try)
            return i;
    }
    return (set->latest + 1) % FORWARD_TRIES_OPEN;
}

bool attempts_start(struct attempts *set, struct upstream_tries *tries,
                    const struct forward_address *to, const struct reply_question *question,
                    struct attempt a, void *arg)
{
    uint8_t bytes[TRY_QUERY_MAX];
    a.id = (uint16_t)random_below(UINT16_MAX + 1U);
    a.sent_us = clock_mono_us();
    if (a.keeps_case)
        spell_at_random(a.name, question->name, question->name_len);
    else
        memcpy(a.name, question->name, question->name_len);
    size_t len = write_query(question, &a, bytes);
    a.try = upstream_try_new(tries, to, a.proto, bytes, len, arg);
    if (!a.try)
        return false;
    size_t place = place_for_next(set);
    attempt_close(&set->at[place]);
    set->at[place] = a;
    set->latest = place;
    return true;
}

void attempt_close(struct attempt *a)
{
    upstream_try_free(a->try);
    a->try = NULL;
}

void attempts_close(struct attempts *set)
{
    for (size_t i = 0; i < FORWARD_TRIES_OPEN; i++)
        attempt_close(&set->at[i]);
}

void attempts_close_to(struct attempts *set, int upstream)
{
    for (size_t i = 0; i < FORWARD_TRIES_OPEN; i++) {
        if (set->at[i].upstream == upstream)
            attempt_close(&set->at[i]);
    }
}

struct attempt *attempts_of(struct attempts *set, const struct upstream_try *try)
{
    for (size_t i = 0; i < FORWARD_TRIES_OPEN; i++) {
        if (set->at[i].try == try)
            return &set->at[i];
    }
    CHECK(false);
    return NULL;
}

struct attempt *attempts_latest(struct attempts *set)
{
    struct attempt *a = &set->at[set->latest];
    return a->try ? a : NULL;
}

bool attempts_are_open(const struct attempts *set)
{
    bool is_open = false;
    for (size_t i = 0; i < FORWARD_TRIES_OPEN; i++)
        is_open |= set->at[i].try != NULL;
    return is_open;
}

size_t attempts_held_bytes(const struct attempts *set)
{
    size_t bytes = 0;
    for (size_t i = 0; i < FORWARD_TRIES_OPEN; i++)
        bytes += upstream_try_held_bytes(set->at[i].try);
    return bytes;
}
