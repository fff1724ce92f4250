#include "controller/store/record.h"

#include <string.h>

#include "base/check.h"
#include "base/crc32.h"
#include "controller/store/object_build.h"
#include "controller/store/view_code.h"
#include "controller/store/view_fields.h"

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

void record_encode(const struct object *obj, uint64_t create_revision, uint64_t mod_revision,
                   struct buf_out *out)
{
    out->len = 0;
    buf_put(out, (uint8_t[RECORD_HEADER]){0}, RECORD_HEADER);
    view_encode(obj, out);
    size_t view_len = out->len - RECORD_HEADER;
    CHECK(view_len <= UINT32_MAX);
    buf_put(out, obj->text, obj->text_len);
    uint8_t *bytes = (uint8_t *)out->data;
    put_u32(bytes, RECORD_FORMAT);
    put_u64(bytes + 8, create_revision);
    put_u64(bytes + 16, mod_revision);
    put_u32(bytes + 24, (uint32_t)view_len);
    put_u32(bytes + 28, view_fields_version(obj->kind));
    put_u32(bytes + 4, crc32_of(bytes + 8, out->len - 8));
}

const struct kind *record_kind(const char *key, size_t len)
{
    for (int id = 0; id < KIND_COUNT; id++) {
        const struct kind *kind = kind_get((enum kind_id)id);
        size_t n = strlen(kind->resource);
        if (len > n && key[n] == '/' && !memcmp(key, kind->resource, n))
            return kind;
    }
    return NULL;
}

struct contents {
    const struct kind *kind;
    uint64_t create_revision, mod_revision;
    const uint8_t *view, *text;
    size_t view_len, text_len;
    uint32_t view_version;
};

static int damaged(struct err *e, const char *key, size_t key_len, const char *why)
{
    return err_set(e, ERR_INVALID, "the record of %.*s is damaged: %s", (int)key_len, key, why);
}

/* From the text alone, as a view that is not there or not ours. */
static int load_text(const struct kind *kind, const char *key, size_t key_len,
                     const struct contents *c, struct object **out, struct err *e)
{
    struct err why = {0};
    struct object *obj;
    if (object_load(kind, (const char *)c->text, c->text_len, 0, 0, &obj, &why) < 0)
        return damaged(e, key, key_len, why.text);
    if (obj->key_len != key_len || memcmp(obj->key, key, key_len) != 0) {
        object_unref(obj);
        return damaged(e, key, key_len, "it is another object's");
    }
    *out = obj;
    return 0;
}

static struct object *load_view(const struct kind *kind, const char *key, size_t key_len,
                                const struct contents *c)
{
    if (c->view_len == 0 || c->view_version != view_fields_version(kind))
        return NULL;
    return view_decode(kind, key, key_len, (const char *)c->text, c->text_len, c->view,
                       c->view_len);
}

/* Checks all but the checksum and what view and text say. NULL, or what is wrong. */
static const char *read_contents(const char *key, size_t key_len, const void *bytes, size_t len,
                                 struct contents *c)
{
    struct buf_in in;
    buf_in_init(&in, bytes, len);
    uint32_t format = buf_u32(&in);
    (void)buf_u32(&in); /* the checksum */
    c->create_revision = get_u64(&in);
    c->mod_revision = get_u64(&in);
    c->view_len = buf_u32(&in);
    c->view_version = buf_u32(&in);
    if (in.failed)
        return "it is too short";
    if (format != RECORD_FORMAT)
        return "its format is not known";
    c->view = buf_bytes(&in, c->view_len);
    c->text_len = buf_in_left(&in);
    c->text = buf_bytes(&in, c->text_len);
    if (in.failed)
        return "its view is longer than it";
    c->kind = record_kind(key, key_len);
    if (!c->kind)
        return "there is no such kind";
    if (c->create_revision == 0 || c->mod_revision < c->create_revision)
        return "its revisions are impossible";
    return NULL;
}

/* Only of a format that is known: nothing is said of others. */
static bool has_wrong_checksum(const void *bytes, size_t len)
{
    struct buf_in in;
    buf_in_init(&in, bytes, len);
    uint32_t format = buf_u32(&in), crc = buf_u32(&in);
    return !in.failed && format == RECORD_FORMAT &&
           crc32_of((const uint8_t *)bytes + 8, len - 8) != crc;
}

bool record_check(const char *key, size_t key_len, const void *bytes, size_t len,
                  uint64_t *mod_revision)
{
    struct contents c = {0};
    bool is_sound = !has_wrong_checksum(bytes, len) && !read_contents(key, key_len, bytes, len, &c);
    *mod_revision = is_sound ? c.mod_revision : 0;
    return is_sound;
}

int record_decode_checked(const char *key, size_t key_len, const void *bytes, size_t len,
                          struct object **out, struct err *e)
{
    struct contents c = {0};
    const char *why = read_contents(key, key_len, bytes, len, &c);
    if (why)
        return damaged(e, key, key_len, why);
    struct object *obj = load_view(c.kind, key, key_len, &c);
    int rc = obj ? 0 : load_text(c.kind, key, key_len, &c, &obj, e);
    if (rc < 0)
        return rc;
    CHECK(obj);
    obj->create_revision = c.create_revision;
    obj->mod_revision = c.mod_revision;
    *out = obj;
    return 0;
}

int record_decode(const char *key, size_t key_len, const void *bytes, size_t len,
                  struct object **out, struct err *e)
{
    if (has_wrong_checksum(bytes, len))
        return damaged(e, key, key_len, "its checksum is wrong");
    return record_decode_checked(key, key_len, bytes, len, out, e);
}
