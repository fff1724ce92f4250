#include "controller/reconcile/address_ring.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More positions than this are never used of one block. */
#define POSITIONS_MOST (UINT64_C(1) << 32)

/* a += value << shift, over the big-endian bytes; what leaves the address is lost. */
static void add(struct naming_address *a, uint64_t value, unsigned shift)
{
    unsigned at = shift / 8, bits = shift % 8;
    uint64_t low = value << bits;
    unsigned high = bits ? (unsigned)(value >> (64 - bits)) : 0;
    unsigned carry = 0;
    for (unsigned i = at; i < a->len; i++) {
        unsigned part = 0;
        if (i - at < 8)
            part = (unsigned)(low >> (8 * (i - at))) & 0xffU;
        else if (i - at == 8)
            part = high;
        unsigned sum = a->bytes[a->len - 1 - i] + part + carry;
        a->bytes[a->len - 1 - i] = (uint8_t)sum;
        carry = sum >> 8;
    }
}

static unsigned host_bits(const struct address_block *block)
{
    return block->base.len * 8U - block->prefix;
}

static void clear_host(struct address_block *block)
{
    for (unsigned bit = block->prefix; bit < block->base.len * 8U; bit++) {
        unsigned kept = block->base.bytes[bit / 8] & ~(0x80U >> (bit % 8));
        block->base.bytes[bit / 8] = (uint8_t)kept;
    }
}

bool address_block_parse(const char *text, struct address_block *out)
{
    const char *slash = strchr(text, '/');
    char address[64];
    if (!slash || (size_t)(slash - text) >= sizeof address)
        return false;
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = '\0';
    char *end = NULL;
    unsigned long prefix = strtoul(slash + 1, &end, 10);
    if (!naming_address_parse(address, &out->base) || end == slash + 1 || *end ||
        prefix > 8UL * out->base.len)
        return false;
    out->prefix = (unsigned)prefix;
    clear_host(out);
    return true;
}

bool address_block_share(const struct address_block *range, unsigned prefix, uint64_t index,
                         struct address_block *out)
{
    if (prefix < range->prefix || prefix > range->base.len * 8U)
        return false;
    unsigned bits = prefix - range->prefix;
    if (bits < 64 && index >> bits)
        return false;
    *out = (struct address_block){range->base, prefix};
    add(&out->base, index, host_bits(out));
    return true;
}

void address_block_format(const struct address_block *block, char out[64])
{
    char text[48];
    (void)snprintf(out, 64, "%s/%u", naming_address_format(&block->base, text), block->prefix);
}

void address_block_bounds(const struct address_block *block, uint64_t *first, uint64_t *last)
{
    unsigned bits = host_bits(block);
    uint64_t size = bits >= 32 ? POSITIONS_MOST : UINT64_C(1) << bits;
    *first = 2;
    *last = size - 1;
    if (block->base.len == 4 && *last > 0)
        --*last; /* broadcast */
}

void address_block_at(const struct address_block *block, uint64_t position,
                      struct naming_address *out)
{
    *out = block->base;
    add(out, position, 0);
}
