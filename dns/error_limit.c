#include "dns/error_limit.h"

#include <string.h>

#include "dns/wire.h"

#define COST_US (1000000 / ERROR_LIMIT_PER_S)

void error_limit_init(struct error_limit *limit, const uint8_t key[COOKIE_SECRET_SIZE])
{
    *limit = (struct error_limit){.tokens_us = 1000000};
    memcpy(limit->key, key, COOKIE_SECRET_SIZE);
}

bool error_limit_pass(struct error_limit *limit, const struct dns_peer *peer, uint16_t id,
                      int64_t now_us)
{
    uint8_t input[20] = {0};
    memcpy(input, peer->addr, peer->addr_len);
    put16(put16(input + 16, peer->port), id);
    uint64_t tag = siphash24(limit->key, input, sizeof input);
    size_t slot = tag % ERROR_LIMIT_SLOTS;
    if (limit->slots[slot].tag == tag && now_us < limit->slots[slot].until_us)
        return false;
    if (limit->last_us == 0)
        limit->last_us = now_us;
    limit->tokens_us += now_us - limit->last_us;
    limit->last_us = now_us;
    if (limit->tokens_us > 1000000)
        limit->tokens_us = 1000000;
    if (limit->tokens_us < COST_US)
        return false;
    limit->tokens_us -= COST_US;
    limit->slots[slot].tag = tag;
    limit->slots[slot].until_us = now_us + ERROR_LIMIT_REPEAT_US;
    return true;
}
