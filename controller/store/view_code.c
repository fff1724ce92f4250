#include "controller/store/view_code.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "controller/store/object_build.h"
#include "controller/store/pack.h"
#include "controller/store/selector_build.h"
#include "controller/store/view_build.h"
#include "controller/store/view_fields.h"

/* Encoder and decoder take room for the same things in the same order, so that the encoder knows
 * how much the decoder will need. */
static size_t room_for(size_t used, size_t size)
{
    return ((used + 7) & ~(size_t)7) + size;
}

static const void *at_const(const void *base, size_t offset)
{
    return (const char *)base + offset;
}

static size_t count_of(const void *base, const struct field *f)
{
    size_t count;
    memcpy(&count, at_const(base, f->count_at), sizeof(count));
    return count;
}

/* ---- encode ---- */

struct encoder {
    struct buf_out *out;
    size_t room; /* that the decoder will need */
};

static void put_number(struct encoder *enc, uint64_t value)
{
    uint8_t bytes[10];
    size_t n = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[n++] = (uint8_t)(value | 0x80);
    bytes[n++] = (uint8_t)value;
    buf_put(enc->out, bytes, n);
}

static void put_signed(struct encoder *enc, int64_t value)
{
    put_number(enc, (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0));
}

/* The number of a common text, or PACK_COMMON_COUNT and the length. */
static void put_text(struct encoder *enc, const char *text)
{
    size_t common = pack_common_find(text);
    if (common < PACK_COMMON_COUNT) {
        put_number(enc, common);
        return;
    }
    size_t len = strlen(text);
    put_number(enc, PACK_COMMON_COUNT + len);
    buf_put(enc->out, text, len);
    enc->room += len + 1;
}

static void put_texts(struct encoder *enc, const char *const *texts, size_t count)
{
    put_number(enc, count);
    if (count == 0)
        return;
    enc->room = room_for(enc->room, count * sizeof(*texts));
    for (size_t i = 0; i < count; i++)
        put_text(enc, texts[i]);
}

static void put_selector(struct encoder *enc, const struct selector *s)
{
    put_number(enc, s->matches_nothing);
    put_number(enc, s->count);
    for (size_t i = 0; i < s->count; i++) {
        const struct selector_term *term = &s->terms[i];
        size_t key_len = strlen(term->key);
        put_number(enc, key_len);
        buf_put(enc->out, term->key, key_len);
        put_number(enc, (uint64_t)term->op);
        put_number(enc, term->value_count);
        for (size_t v = 0; v < term->value_count; v++) {
            size_t len = strlen(term->values[v]);
            put_number(enc, len);
            buf_put(enc->out, term->values[v], len);
        }
    }
}

static void put_struct(struct encoder *enc, const struct layout *layout, const void *from);

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static void put_list(struct encoder *enc, const struct field *f, const void *items, size_t count)
{
    put_number(enc, count);
    if (count == 0)
        return;
    enc->room = room_for(enc->room, count * f->item->size);
    for (size_t i = 0; i < count; i++)
        put_struct(enc, f->item, at_const(items, i * f->item->size));
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static void put_field(struct encoder *enc, const struct field *f, const void *base)
{
    const void *at = at_const(base, f->at);
    const char *const *texts;
    switch (f->type) {
    case FIELD_BOOL:
        put_number(enc, *(const bool *)at);
        break;
    case FIELD_U16:
        put_number(enc, *(const uint16_t *)at);
        break;
    case FIELD_U32:
        put_number(enc, *(const uint32_t *)at);
        break;
    case FIELD_I32:
        put_signed(enc, *(const int32_t *)at);
        break;
    case FIELD_I64:
        put_signed(enc, *(const int64_t *)at);
        break;
    case FIELD_U64:
        put_number(enc, *(const uint64_t *)at);
        break;
    case FIELD_TEXT:
        put_text(enc, *(const char *const *)at);
        break;
    case FIELD_TEXTS:
        put_texts(enc, *(const char *const *const *)at, count_of(base, f));
        break;
    case FIELD_PARALLEL:
        texts = *(const char *const *const *)at;
        put_texts(enc, texts, texts ? count_of(base, f) : 0);
        break;
    case FIELD_LIST:
        put_list(enc, f, *(const void *const *)at, count_of(base, f));
        break;
    case FIELD_SELECTOR:
        put_selector(enc, at);
        break;
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static void put_struct(struct encoder *enc, const struct layout *layout, const void *from)
{
    for (size_t i = 0; i < layout->count; i++)
        put_field(enc, &layout->fields[i], from);
}

/*     u32 room | key | uid | metadata | view
 * The room is that of everything but the text. */
void view_encode(const struct object *obj, struct buf_out *out)
{
    const struct layout *view = view_layout(obj->kind->id);
    struct encoder enc = {.out = out};
    size_t start = out->len;
    CHECK(!view == !obj->view);
    buf_put(out, (uint8_t[4]){0}, 4);
    enc.room = room_for(enc.room, sizeof(*obj));
    put_number(&enc, obj->key_len);
    buf_put(out, obj->key, obj->key_len);
    enc.room += obj->key_len + 1;
    put_text(&enc, obj->ns);
    put_number(&enc, strlen(obj->uid));
    buf_put(out, obj->uid, strlen(obj->uid));
    put_struct(&enc, &object_layout, obj);
    if (view) {
        enc.room = room_for(enc.room, view->size);
        put_struct(&enc, view, obj->view);
    }
    for (size_t i = 0; i < 4; i++)
        out->data[start + i] = (char)(enc.room >> (24 - 8 * i));
}

/* ---- decode ---- */

/* The least bytes that so much room can come from: a list item of one field takes a byte at least,
 * and no struct of a list has more than ROOM_PER_BYTE bytes per field. */
enum { ROOM_PER_BYTE = 16, ROOM_FIXED = 1024 };

struct decoder {
    struct buf_in in;
    char *block;
    size_t used, room;
};

static uint64_t get_number(struct decoder *dec)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = buf_u8(&dec->in);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    dec->in.failed = true;
    return 0;
}

static uint64_t get_up_to(struct decoder *dec, uint64_t most)
{
    uint64_t value = get_number(dec);
    if (value <= most)
        return value;
    dec->in.failed = true;
    return 0;
}

static int64_t get_signed(struct decoder *dec, int64_t least, int64_t most)
{
    uint64_t code = get_number(dec);
    int64_t value = (int64_t)(code >> 1) ^ (code & 1 ? -1 : 0);
    if (value >= least && value <= most)
        return value;
    dec->in.failed = true;
    return 0;
}

/* NULL when there is none left. */
static void *take_bytes(struct decoder *dec, size_t size)
{
    if (dec->in.failed || size > dec->room - dec->used) {
        dec->in.failed = true;
        return NULL;
    }
    void *at = dec->block + dec->used;
    dec->used += size;
    return at;
}

/* Zeroed and aligned; NULL when there is none left. */
static void *take_room(struct decoder *dec, size_t size)
{
    size_t skip = room_for(dec->used, 0) - dec->used;
    if (!take_bytes(dec, skip))
        return NULL;
    void *at = take_bytes(dec, size);
    return at ? memset(at, 0, size) : NULL;
}

/* len bytes of the input with a NUL added; NULL when they are not there or hold one. */
static const char *get_bytes(struct decoder *dec, size_t len)
{
    const uint8_t *bytes = buf_bytes(&dec->in, len);
    char *at = bytes ? take_bytes(dec, len + 1) : NULL;
    if (!at || memchr(bytes, '\0', len)) {
        dec->in.failed = true;
        return NULL;
    }
    memcpy(at, bytes, len);
    at[len] = '\0';
    return at;
}

/* A count of things that take a byte of input each. */
static size_t get_count(struct decoder *dec)
{
    return (size_t)get_up_to(dec, buf_in_left(&dec->in));
}

static const char *get_text(struct decoder *dec)
{
    uint64_t code = get_up_to(dec, PACK_COMMON_COUNT + (uint64_t)buf_in_left(&dec->in));
    return code < PACK_COMMON_COUNT ? pack_common((size_t)code)
                                    : get_bytes(dec, (size_t)(code - PACK_COMMON_COUNT));
}

static const char *const *get_texts(struct decoder *dec, size_t *count)
{
    *count = get_count(dec);
    const char **texts = *count ? take_room(dec, *count * sizeof(*texts)) : NULL;
    for (size_t i = 0; texts && i < *count; i++)
        texts[i] = get_text(dec);
    return texts;
}

/* A list as long as one that was read before it, or none. */
static const char *const *get_parallel(struct decoder *dec, size_t wanted)
{
    size_t count;
    const char *const *texts = get_texts(dec, &count);
    if (count != 0 && count != wanted)
        dec->in.failed = true;
    return texts;
}

/* Texts of selectors have a block of their own. */
static bool get_term(struct decoder *dec, struct selector_build *build)
{
    size_t key_len = get_count(dec);
    const uint8_t *key = buf_bytes(&dec->in, key_len);
    enum selector_op op = (enum selector_op)get_up_to(dec, SELECT_LT);
    size_t count = get_count(dec);
    for (size_t i = 0; i < count && !dec->in.failed; i++) {
        size_t len = get_count(dec);
        const uint8_t *value = buf_bytes(&dec->in, len);
        if (value)
            selector_build_value(build, (const char *)value, len);
    }
    if (dec->in.failed || ((op == SELECT_GT || op == SELECT_LT) && count != 1))
        return false;
    char *text = xstrndup((const char *)key, key_len);
    selector_build_term(build, text, op);
    free(text);
    return true;
}

static void get_selector(struct decoder *dec, struct selector *out)
{
    struct selector_build build;
    bool matches_nothing = get_up_to(dec, 1) != 0;
    size_t count = get_count(dec);
    selector_build_init(&build);
    for (size_t i = 0; i < count && !dec->in.failed; i++)
        if (!get_term(dec, &build))
            dec->in.failed = true;
    if (!dec->in.failed)
        selector_build_finish(&build, out);
    out->matches_nothing = matches_nothing;
    selector_build_fini(&build);
}

static void get_struct(struct decoder *dec, const struct layout *layout, void *to);

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static void *get_list(struct decoder *dec, const struct field *f, size_t *count)
{
    *count = get_count(dec);
    char *items = *count ? take_room(dec, *count * f->item->size) : NULL;
    for (size_t i = 0; items && i < *count; i++)
        get_struct(dec, f->item, items + i * f->item->size);
    return items;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static void get_field(struct decoder *dec, const struct field *f, void *base)
{
    void *at = (char *)base + f->at;
    size_t *count = (void *)((char *)base + f->count_at); /* of lists only */
    switch (f->type) {
    case FIELD_BOOL:
        *(bool *)at = get_up_to(dec, 1) != 0;
        break;
    case FIELD_U16:
        *(uint16_t *)at = (uint16_t)get_up_to(dec, UINT16_MAX);
        break;
    case FIELD_U32:
        *(uint32_t *)at = (uint32_t)get_up_to(dec, f->most);
        break;
    case FIELD_I32:
        *(int32_t *)at = (int32_t)get_signed(dec, INT32_MIN, INT32_MAX);
        break;
    case FIELD_I64:
        *(int64_t *)at = get_signed(dec, INT64_MIN, INT64_MAX);
        break;
    case FIELD_U64:
        *(uint64_t *)at = get_number(dec);
        break;
    case FIELD_TEXT:
        *(const char **)at = get_text(dec);
        break;
    case FIELD_TEXTS:
        *(const char *const **)at = get_texts(dec, count);
        break;
    case FIELD_PARALLEL:
        *(const char *const **)at = get_parallel(dec, *count);
        break;
    case FIELD_LIST:
        *(void **)at = get_list(dec, f, count);
        break;
    case FIELD_SELECTOR:
        get_selector(dec, at);
        break;
    }
}

/* Stops at the first fault: later fields stay zero.
 * NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static void get_struct(struct decoder *dec, const struct layout *layout, void *to)
{
    for (size_t i = 0; i < layout->count && !dec->in.failed; i++)
        get_field(dec, &layout->fields[i], to);
}

/* Key, namespace, name and uid; the key must be the one it is stored under. */
static void get_names(struct decoder *dec, const char *key, size_t key_len, struct object *obj)
{
    obj->key_len = get_count(dec);
    obj->key = get_bytes(dec, obj->key_len);
    obj->ns = get_text(dec);
    size_t uid_len = get_count(dec);
    const uint8_t *uid = buf_bytes(&dec->in, uid_len);
    if (dec->in.failed || uid_len == 0 || uid_len >= sizeof(obj->uid) ||
        memchr(uid, '\0', uid_len) || obj->key_len != key_len ||
        memcmp(obj->key, key, key_len) != 0) {
        dec->in.failed = true;
        return;
    }
    memcpy(obj->uid, uid, uid_len);
    if (!object_name_from_key(obj))
        dec->in.failed = true;
}

static void get_object(struct decoder *dec, const char *key, size_t key_len, struct object *obj)
{
    const struct layout *layout = view_layout(obj->kind->id);
    get_names(dec, key, key_len, obj);
    if (dec->in.failed)
        return;
    get_struct(dec, &object_layout, obj);
    void *view = layout ? take_room(dec, layout->size) : NULL;
    obj->view = view;
    if (view)
        get_struct(dec, layout, view);
}

struct object *view_decode(const struct kind *kind, const char *key, size_t key_len,
                           const char *text, size_t text_len, const void *bytes, size_t len)
{
    struct decoder dec = {.room = 0};
    buf_in_init(&dec.in, bytes, len);
    dec.room = buf_u32(&dec.in);
    if (dec.in.failed || dec.room > ROOM_FIXED + ROOM_PER_BYTE * len ||
        dec.room < sizeof(struct object) || !object_text_fits(kind, text, text_len))
        return NULL;
    size_t size = dec.room + text_len + 1;
    dec.block = xmalloc(size);
    struct object *obj = take_room(&dec, sizeof(*obj));
    CHECK(obj);
    obj->refs = 1;
    obj->kind = kind;
    get_object(&dec, key, key_len, obj);
    if (dec.in.failed || dec.used != dec.room || buf_in_left(&dec.in) > 0) {
        view_fini(obj);
        free(dec.block);
        return NULL;
    }
    object_set_text(obj, dec.block + dec.room, text, text_len);
    obj->bytes = size + view_bytes(obj);
    return obj;
}
