#include "dns/wire_name.h"

#include <string.h>

#include "dns/query.h"
#include "dns/wire.h"

size_t wire_name_read(const uint8_t *message, struct buf_in *in, uint8_t out[NAME_MAX_WIRE])
{
    const uint8_t *at = in->at, *end = in->end, *resume = NULL;
    const uint8_t *lowest = at; /* every jump goes before this, so their number is bounded */
    size_t len = 0;
    if (in->failed)
        return 0;
    for (;;) {
        if (at >= end)
            return 0;
        uint8_t label = *at;
        if ((label & 0xc0) == 0xc0) {
            if (end - at < 2)
                return 0;
            size_t offset = get16(at) & 0x3fffU;
            if (!resume)
                resume = at + 2;
            if (offset < DNS_HEADER_SIZE || message + offset >= lowest)
                return 0;
            at = lowest = message + offset;
            continue;
        }
        if (label > NAME_MAX_LABEL || end - at < label + 1 || len + label + 1 > NAME_MAX_WIRE)
            return 0;
        memcpy(out + len, at, (size_t)label + 1);
        len += (size_t)label + 1;
        at += label + 1;
        if (label == 0)
            break;
    }
    in->at = resume ? resume : at;
    return len;
}

uint32_t wire_name_hash(const uint8_t *name) /* FNV-1a */
{
    uint32_t hash = 2166136261U;
    for (size_t len = name_wire_len(name, NAME_MAX_WIRE); len > 0; len--)
        hash = (hash ^ *name++) * 16777619U;
    return hash;
}

static uint32_t folded_hash(const uint8_t *name)
{
    uint8_t folded[NAME_MAX_WIRE];
    name_fold(folded, name, name_wire_len(name, NAME_MAX_WIRE));
    return wire_name_hash(folded);
}

static void remember(struct name_table *table, uint32_t hash, size_t at)
{
    if (table->count == NAME_TABLE_SIZE || at >= POINTER_REACH)
        return;
    table->names[table->count].hash = hash;
    table->names[table->count].at = (uint16_t)at;
    table->count++;
}

void name_table_add(struct name_table *table, const uint8_t *message, size_t at)
{
    for (; message[at] != 0; at += 1U + message[at])
        remember(table, folded_hash(message + at), at);
}

/* Where the name stands already, or 0. Our own message: its names can be trusted. */
static size_t find_name(const struct name_table *table, const uint8_t *message, size_t end,
                        const uint8_t *name, uint32_t hash)
{
    for (unsigned i = 0; i < table->count; i++) {
        struct buf_in in;
        uint8_t there[NAME_MAX_WIRE];
        if (table->names[i].hash != hash)
            continue;
        buf_in_init(&in, message, end);
        in.at += table->names[i].at;
        if (wire_name_read(message, &in, there) > 0 && name_equal(there, name))
            return table->names[i].at;
    }
    return 0;
}

size_t wire_name_write(uint8_t *message, size_t at, size_t limit, const uint8_t *name,
                       struct name_table *table)
{
    size_t begin = at;
    while (*name != 0) {
        uint32_t hash = folded_hash(name);
        size_t known = find_name(table, message, at, name, hash);
        size_t size = known ? 2 : 1U + *name;
        if (limit < at + size)
            return 0;
        if (known) {
            put16(message + at, (uint16_t)(0xc000U | known));
            return at + 2 - begin;
        }
        remember(table, hash, at);
        memcpy(message + at, name, size);
        at += size;
        name += size;
    }
    if (limit < at + 1)
        return 0;
    message[at] = 0;
    return at + 1 - begin;
}
