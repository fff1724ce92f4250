#include "controller/api/token.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static char *encode(const char *bytes, size_t len)
{
    char *out = xmalloc((len + 2) / 3 * 4 + 1), *at = out;
    for (size_t i = 0; i < len; i += 3) {
        uint32_t group = 0;
        size_t n = len - i < 3 ? len - i : 3;
        for (size_t k = 0; k < 3; k++)
            group = group << 8 | (k < n ? (uint8_t)bytes[i + k] : 0);
        for (size_t k = 0; k <= n; k++)
            *at++ = digits[group >> (18 - 6 * k) & 63];
    }
    *at = '\0';
    return out;
}

/* Into out, which has room for strlen(text). */
static bool decode(const char *text, char *out, size_t *len)
{
    uint32_t group = 0;
    unsigned bits = 0;
    *len = 0;
    for (; *text; text++) {
        const char *digit = strchr(digits, *text);
        if (!digit)
            return false;
        group = group << 6 | (uint32_t)(digit - digits);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[(*len)++] = (char)(group >> bits & 255);
        }
    }
    return true;
}

char *list_token_new(uint64_t revision, const char *after, int64_t left)
{
    struct buf_out out;
    buf_out_init(&out);
    buf_printf(&out, "{\"rv\":\"%" PRIu64 "\",\"left\":%" PRId64 ",\"start\":", revision, left);
    buf_put_json(&out, after);
    buf_putc(&out, '}');
    char *token = encode(out.data, out.len);
    buf_out_fini(&out);
    return token;
}

bool list_token_parse(const char *text, struct list_token *out)
{
    char bytes[2048];
    size_t len;
    if (strlen(text) >= sizeof bytes || !decode(text, bytes, &len))
        return false;
    cJSON *tree = json_parse(bytes, len, NULL);
    const char *revision = json_str(tree, "rv", ""), *after = json_str(tree, "start", "");
    *out = (struct list_token){.left = -1};
    bool ok = *revision && strspn(revision, "0123456789") == strlen(revision) &&
              strlen(revision) < 20 && *after && strlen(after) <= OBJECT_KEY_MAX &&
              json_int(tree, "left", -1, INT32_MAX, &out->left);
    if (ok) {
        out->revision = strtoull(revision, NULL, 10);
        memcpy(out->after, after, strlen(after) + 1);
    }
    cJSON_Delete(tree);
    return ok;
}
