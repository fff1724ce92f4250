/* A stored record under its key (the first line of the input) is refused with a reason, or gives an
 * object that can be written, searched and stored again. Every input is tried as it is and with its
 * checksum put right. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "controller/store/index.h"
#include "controller/store/record.h"
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

    size_t size = record_size(obj);
    uint8_t *bytes = xmalloc(size);
    struct object *again = NULL;
    record_encode(obj, obj->create_revision, obj->mod_revision, bytes);
    CHECK(record_decode(obj->key, obj->key_len, bytes, size, &again, NULL) == 0);
    CHECK(!strcmp(again->text, obj->text) && again->mod_revision == obj->mod_revision);
    object_unref(again);
    free(bytes);
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
        uint32_t crc = record_crc(bytes + 8, len - 8);
        for (size_t i = 0; i < 4; i++)
            bytes[4 + i] = (uint8_t)(crc >> (24 - 8 * i));
        try_record(key, strlen(key), bytes, len);
    }
    free(bytes);
    free(key);
    return 0;
}
