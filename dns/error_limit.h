/* dns/error_limit.h - FORMERR and NOTIMP over UDP, limited so that two confused programs cannot
 * play ping-pong.
 *
 * One error per peer (address and port) and message ID within two seconds, and a token bucket for
 * all of them. Fixed memory, one per worker, no lock. Two peers that share a slot of the table push
 * each other out: then an error more is sent, never less. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dns/answer.h"

#define ERROR_LIMIT_SLOTS     1024
#define ERROR_LIMIT_PER_S     1000
#define ERROR_LIMIT_REPEAT_US 2000000

struct error_limit {
    uint8_t key[COOKIE_SECRET_SIZE];
    int64_t tokens_us, last_us; /* unspent time; one error costs 1 s / ERROR_LIMIT_PER_S */
    struct {
        uint64_t tag;
        int64_t until_us;
    } slots[ERROR_LIMIT_SLOTS];
};

/* key: random, so that slots cannot be aimed at. */
void error_limit_init(struct error_limit *limit, const uint8_t key[COOKIE_SECRET_SIZE]);
/* True when an error may be sent to peer in response to message id at mono time now_us; it then
 * counts. */
bool error_limit_pass(struct error_limit *limit, const struct dns_peer *peer, uint16_t id,
                      int64_t now_us);
