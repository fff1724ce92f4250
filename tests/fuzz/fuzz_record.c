/* A stored record under its key (the first line of the input) is refused with a reason, or gives an
 * object that can be written, searched and stored again. Every input is tried as it is, with its
 * checksum put right, and with the version of its view put right as well. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/crc32.h"
#include "controller/store/index.h"
#include "controller/store/record.h"
#include "controller/store/view_code.h"
#include "controller/store/view_fields.h"
#include "tests/fuzz/fuzz.h"

static void use_object(const struct object *obj)
{
    struct buf_out out;
    char value[64];
    struct index_keys keys = {0};
    buf_out_init(&out);
    object_write(obj, &out);
    CHECK(out.len > obj->text_len);
    buf_out_fini(&out);
    (void)object_annotation(obj, "ordinald.dev/epoch", value, sizeof(value));
    (void)object_annotation(obj, "a", value, 2);
    index_keys_of(&keys, obj);
    index_keys_fini(&keys);

    struct buf_out record, view;
    struct object *again;
    buf_out_init(&record);
    record_encode(obj, obj->create_revision, obj->mod_revision, &record);
    CHECK(record_decode(obj->key, obj->key_len, record.data, record.len, &again, NULL) == 0);
    CHECK(again->text_len == obj->text_len && !memcmp(again->text, obj->text, obj->text_len));
    CHECK(again->mod_revision == obj->mod_revision && !strcmp(again->uid, obj->uid));
    buf_out_init(&view);
    view_encode(again, &view);
    CHECK(view.len < record.len && !memcmp(view.data, record.data + RECORD_HEADER, view.len));
    object_unref(again);
    buf_out_fini(&view);
    buf_out_fini(&record);
}

static void try_record(const char *key, size_t key_len, const uint8_t *bytes, size_t len)
{
    struct object *obj = NULL;
    struct err e = {0};
    if (record_decode(key, key_len, bytes, len, &obj, &e) < 0) {
        CHECK(!obj && e.code == ERR_INVALID && e.text[0]);
        return;
    }
    use_object(obj);
    object_unref(obj);
}

static void put_u32(uint8_t *out, uint32_t value)
{
    for (size_t i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> (24 - 8 * i));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
    if (!end)
        return 0;
    size_t key_len = (size_t)(end - data), len = size - key_len - 1;
    char *key = xstrndup((const char *)data, key_len);
    uint8_t *bytes = xmalloc(len ? len : 1);
    memcpy(bytes, end + 1, len);
    try_record(key, strlen(key), bytes, len);
    if (len >= 8) {
        put_u32(bytes + 4, crc32_of(bytes + 8, len - 8));
        try_record(key, strlen(key), bytes, len);
    }
    if (len >
        RECORD_HEADER) { /* a view of this version, whatever the input thinks its version is */
        for (int id = 0; id < KIND_COUNT; id++) {
            const struct kind *kind = kind_get((enum kind_id)id);
            size_t n = strlen(kind->resource);
            if (strlen(key) > n && key[n] == '/' && !memcmp(key, kind->resource, n))
                put_u32(bytes + 28, view_fields_version(kind));
        }
        put_u32(bytes + 4, crc32_of(bytes + 8, len - 8));
        try_record(key, strlen(key), bytes, len);
    }
    free(bytes);
    free(key);
    return 0;
}
