#include "controller/store/record.h"

#include <string.h>

#include "base/buf.h"
#include "base/check.h"

/* ---- CRC-32, eight bytes at a time: a start reads every record ---- */

#define CRC_POLYNOMIAL 0xedb88320U

static uint32_t crc_table[8][256];

static void crc_init(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ CRC_POLYNOMIAL : crc >> 1;
        crc_table[0][i] = crc;
    }
    for (size_t slice = 1; slice < 8; slice++)
        for (uint32_t i = 0; i < 256; i++)
            crc_table[slice][i] =
                crc_table[slice - 1][i] >> 8 ^ crc_table[0][crc_table[slice - 1][i] & 0xff];
}

uint32_t record_crc(const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    uint32_t crc = 0xffffffffU;
    if (crc_table[0][1] == 0)
        crc_init();
    for (; len >= 8; p += 8, len -= 8) {
        uint32_t low = crc ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
                              (uint32_t)p[3] << 24);
        crc = crc_table[7][low & 0xff] ^ crc_table[6][low >> 8 & 0xff] ^
              crc_table[5][low >> 16 & 0xff] ^ crc_table[4][low >> 24] ^ crc_table[3][p[4]] ^
              crc_table[2][p[5]] ^ crc_table[1][p[6]] ^ crc_table[0][p[7]];
    }
    for (; len > 0; p++, len--)
        crc = crc >> 8 ^ crc_table[0][(crc ^ *p) & 0xff];
    return ~crc;
}

/* ---- records ---- */

static void put_u32(uint8_t *out, uint32_t value)
{
    out[0] = (uint8_t)(value >> 24);
    out[1] = (uint8_t)(value >> 16);
    out[2] = (uint8_t)(value >> 8);
    out[3] = (uint8_t)value;
}

static void put_u64(uint8_t *out, uint64_t value)
{
    put_u32(out, (uint32_t)(value >> 32));
    put_u32(out + 4, (uint32_t)value);
}

static uint64_t get_u64(struct buf_in *in)
{
    uint64_t high = buf_u32(in);
    return high << 32 | buf_u32(in);
}

size_t record_size(const struct object *obj)
{
    return RECORD_HEADER + obj->text_len;
}

void record_encode(const struct object *obj, uint64_t create_revision, uint64_t mod_revision,
                   uint8_t *out)
{
    put_u32(out, RECORD_FORMAT);
    put_u64(out + 8, create_revision);
    put_u64(out + 16, mod_revision);
    put_u32(out + 24, 0);
    put_u32(out + 28, 0);
    memcpy(out + RECORD_HEADER, obj->text, obj->text_len);
    put_u32(out + 4, record_crc(out + 8, record_size(obj) - 8));
}

/* The kind whose resource is the first part of the key. */
static const struct kind *kind_of_key(const char *key, size_t len)
{
    for (int id = 0; id < KIND_COUNT; id++) {
        const struct kind *kind = kind_get((enum kind_id)id);
        size_t n = strlen(kind->resource);
        if (len > n && key[n] == '/' && !memcmp(key, kind->resource, n))
            return kind;
    }
    return NULL;
}

static int damaged(struct err *e, const char *key, size_t key_len, const char *why)
{
    return err_set(e, ERR_INVALID, "the record of %.*s is damaged: %s", (int)key_len, key, why);
}

int record_decode(const char *key, size_t key_len, const void *bytes, size_t len,
                  struct object **out, struct err *e)
{
    struct buf_in in;
    buf_in_init(&in, bytes, len);
    uint32_t format = buf_u32(&in), crc = buf_u32(&in);
    uint64_t create_revision = get_u64(&in), mod_revision = get_u64(&in);
    uint32_t view_len = buf_u32(&in);
    (void)buf_u32(&in); /* the view's version: none is known yet */
    if (in.failed)
        return damaged(e, key, key_len, "it is too short");
    if (format != RECORD_FORMAT)
        return damaged(e, key, key_len, "its format is not known");
    if (record_crc((const uint8_t *)bytes + 8, len - 8) != crc)
        return damaged(e, key, key_len, "its checksum is wrong");
    (void)buf_bytes(&in, view_len);
    size_t text_len = buf_in_left(&in);
    const uint8_t *text = buf_bytes(&in, text_len);
    if (in.failed)
        return damaged(e, key, key_len, "its view is longer than it");
    const struct kind *kind = kind_of_key(key, key_len);
    if (!kind)
        return damaged(e, key, key_len, "there is no such kind");
    if (create_revision == 0 || mod_revision < create_revision)
        return damaged(e, key, key_len, "its revisions are impossible");
    struct err why = {0};
    struct object *obj;
    if (object_load(kind, (const char *)text, text_len, create_revision, mod_revision, &obj, &why) <
        0)
        return damaged(e, key, key_len, why.text);
    if (obj->key_len != key_len || memcmp(obj->key, key, key_len) != 0) {
        object_unref(obj);
        return damaged(e, key, key_len, "it is another object's");
    }
    *out = obj;
    return 0;
}
