#include "controller/api/protobuf.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/json.h"

/* ---- the wire: fields of varint, 64-bit, bytes, 32-bit ---- */

struct field {
    uint32_t number;
    unsigned type;
    uint64_t value;       /* varint */
    const uint8_t *bytes; /* length-delimited */
    size_t len;
};

static uint64_t read_varint(struct buf_in *in)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = buf_u8(in);
        value |= (uint64_t)(byte & 127) << shift;
        if (!(byte & 128))
            return value;
    }
    in->failed = true;
    return 0;
}

/* True for the next field; false at the end or when in->failed. */
static bool next_field(struct buf_in *in, struct field *f)
{
    if (in->failed || !buf_in_left(in))
        return false;
    uint64_t tag = read_varint(in);
    *f = (struct field){.number = (uint32_t)(tag >> 3), .type = tag & 7};
    if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
        in->failed = true;
    switch (f->type) {
    case 0:
        f->value = read_varint(in);
        break;
    case 1:
        (void)buf_bytes(in, 8);
        break;
    case 2: {
        uint64_t len = read_varint(in);
        if (len > buf_in_left(in)) {
            in->failed = true;
            break;
        }
        f->len = (size_t)len;
        f->bytes = buf_bytes(in, f->len);
        break;
    }
    case 5:
        (void)buf_bytes(in, 4);
        break;
    default:
        in->failed = true;
    }
    return !in->failed;
}

/* ---- messages as tables ---- */

enum shape { STRING, BOOL, INT, MESSAGE, MAP, BYTES_MAP, INT_OR_STRING };

struct message;
struct member {
    uint32_t number;
    const char *name;
    enum shape shape;
    bool repeated;
    const struct message *of;
};
struct message {
    const struct member *members; /* ends with number 0 */
};

static const struct member owner_members[] = {{1, "kind", STRING, false, NULL},
                                              {3, "name", STRING, false, NULL},
                                              {4, "uid", STRING, false, NULL},
                                              {5, "apiVersion", STRING, false, NULL},
                                              {6, "controller", BOOL, false, NULL},
                                              {7, "blockOwnerDeletion", BOOL, false, NULL},
                                              {0}};
static const struct message owner_message = {owner_members};

static const struct member meta_members[] = {{1, "name", STRING, false, NULL},
                                             {2, "generateName", STRING, false, NULL},
                                             {3, "namespace", STRING, false, NULL},
                                             {5, "uid", STRING, false, NULL},
                                             {6, "resourceVersion", STRING, false, NULL},
                                             {11, "labels", MAP, false, NULL},
                                             {12, "annotations", MAP, false, NULL},
                                             {13, "ownerReferences", MESSAGE, true, &owner_message},
                                             {14, "finalizers", STRING, true, NULL},
                                             {0}};
static const struct message meta_message = {meta_members};

static const struct member namespace_spec_members[] = {{1, "finalizers", STRING, true, NULL}, {0}};
static const struct message namespace_spec = {namespace_spec_members};
static const struct member namespace_members[] = {{1, "metadata", MESSAGE, false, &meta_message},
                                                  {2, "spec", MESSAGE, false, &namespace_spec},
                                                  {0}};
static const struct message namespace_message = {namespace_members};

static const struct member port_members[] = {{1, "name", STRING, false, NULL},
                                             {2, "protocol", STRING, false, NULL},
                                             {3, "port", INT, false, NULL},
                                             {4, "targetPort", INT_OR_STRING, false, NULL},
                                             {5, "nodePort", INT, false, NULL},
                                             {6, "appProtocol", STRING, false, NULL},
                                             {0}};
static const struct message port_message = {port_members};

static const struct member service_spec_members[] = {
    {1, "ports", MESSAGE, true, &port_message},
    {2, "selector", MAP, false, NULL},
    {3, "clusterIP", STRING, false, NULL},
    {4, "type", STRING, false, NULL},
    {5, "externalIPs", STRING, true, NULL},
    {7, "sessionAffinity", STRING, false, NULL},
    {8, "loadBalancerIP", STRING, false, NULL},
    {9, "loadBalancerSourceRanges", STRING, true, NULL},
    {10, "externalName", STRING, false, NULL},
    {11, "externalTrafficPolicy", STRING, false, NULL},
    {12, "healthCheckNodePort", INT, false, NULL},
    {13, "publishNotReadyAddresses", BOOL, false, NULL},
    {17, "ipFamilyPolicy", STRING, false, NULL},
    {18, "clusterIPs", STRING, true, NULL},
    {19, "ipFamilies", STRING, true, NULL},
    {20, "allocateLoadBalancerNodePorts", BOOL, false, NULL},
    {21, "loadBalancerClass", STRING, false, NULL},
    {22, "internalTrafficPolicy", STRING, false, NULL},
    {23, "trafficDistribution", STRING, false, NULL},
    {0}};
static const struct message service_spec = {service_spec_members};
static const struct member service_members[] = {{1, "metadata", MESSAGE, false, &meta_message},
                                                {2, "spec", MESSAGE, false, &service_spec},
                                                {0}};
static const struct message service_message = {service_members};

static const struct member config_members[] = {{1, "metadata", MESSAGE, false, &meta_message},
                                               {2, "data", MAP, false, NULL},
                                               {3, "binaryData", BYTES_MAP, false, NULL},
                                               {4, "immutable", BOOL, false, NULL},
                                               {0}};
static const struct message config_message = {config_members};

static const struct member attributes_members[] = {
    {1, "namespace", STRING, false, NULL}, {2, "verb", STRING, false, NULL},
    {3, "group", STRING, false, NULL},     {4, "version", STRING, false, NULL},
    {5, "resource", STRING, false, NULL},  {6, "subresource", STRING, false, NULL},
    {7, "name", STRING, false, NULL},      {0}};
static const struct message attributes_message = {attributes_members};
static const struct member path_members[] = {
    {1, "path", STRING, false, NULL}, {2, "verb", STRING, false, NULL}, {0}};
static const struct message path_message = {path_members};
static const struct member access_spec_members[] = {
    {1, "resourceAttributes", MESSAGE, false, &attributes_message},
    {2, "nonResourceAttributes", MESSAGE, false, &path_message},
    {0}};
static const struct message access_spec = {access_spec_members};
static const struct member access_members[] = {
    {1, "metadata", MESSAGE, false, &meta_message}, {2, "spec", MESSAGE, false, &access_spec}, {0}};
static const struct message access_message = {access_members};

static const struct member rules_spec_members[] = {{1, "namespace", STRING, false, NULL}, {0}};
static const struct message rules_spec = {rules_spec_members};
static const struct member rules_members[] = {
    {1, "metadata", MESSAGE, false, &meta_message}, {2, "spec", MESSAGE, false, &rules_spec}, {0}};
static const struct message rules_message = {rules_members};

static const struct member self_members[] = {{1, "metadata", MESSAGE, false, &meta_message}, {0}};
static const struct message self_message = {self_members};

static const struct {
    const char *api_version, *kind;
    const struct message *message;
} kinds[] = {
    {"v1", "Namespace", &namespace_message},
    {"v1", "Service", &service_message},
    {"v1", "ConfigMap", &config_message},
    {"authorization.k8s.io/v1", "SelfSubjectAccessReview", &access_message},
    {"authorization.k8s.io/v1", "SelfSubjectRulesReview", &rules_message},
    {"authentication.k8s.io/v1", "SelfSubjectReview", &self_message},
};

/* ---- decoding ---- */

/* A string item by way of base/json, which refuses what is not UTF-8 or holds a NUL. */
static cJSON *string_item(const uint8_t *bytes, size_t len)
{
    struct buf_out quoted;
    buf_out_init(&quoted);
    buf_putc(&quoted, '"');
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] < ' ' || bytes[i] == '"' || bytes[i] == '\\')
            buf_printf(&quoted, "\\u%04x", bytes[i]);
        else
            buf_putc(&quoted, (char)bytes[i]);
    }
    buf_putc(&quoted, '"');
    cJSON *item = json_parse(quoted.data, quoted.len, NULL);
    buf_out_fini(&quoted);
    return item;
}

static cJSON *base64_item(const uint8_t *bytes, size_t len)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
    char *out = xmalloc((len + 2) / 3 * 4 + 1), *at = out;
    for (size_t i = 0; i < len; i += 3) {
        uint32_t group = (uint32_t)bytes[i] << 16;
        group |= i + 1 < len ? (uint32_t)bytes[i + 1] << 8 : 0;
        group |= i + 2 < len ? bytes[i + 2] : 0;
        *at++ = digits[group >> 18];
        *at++ = digits[group >> 12 & 63];
        *at++ = digits[i + 1 < len ? group >> 6 & 63 : 64];
        *at++ = digits[i + 2 < len ? group & 63 : 64];
    }
    *at = '\0';
    cJSON *item = cJSON_CreateString(out);
    free(out);
    return item;
}

static bool decode_message(const struct message *m, const uint8_t *bytes, size_t len, cJSON *out);

static bool decode_entry(const struct field *f, enum shape shape, cJSON *map)
{
    struct buf_in in;
    struct field part;
    cJSON *key = NULL, *value = NULL;
    buf_in_init(&in, f->bytes, f->len);
    while (next_field(&in, &part)) {
        if (part.type != 2 || part.number > 2)
            continue;
        cJSON **to = part.number == 1 ? &key : &value;
        cJSON_Delete(*to);
        *to = part.number == 2 && shape == BYTES_MAP ? base64_item(part.bytes, part.len)
                                                     : string_item(part.bytes, part.len);
        in.failed = in.failed || !*to;
    }
    if (!in.failed)
        json_set(map, key ? key->valuestring : "", value ? TAKE(value) : cJSON_CreateString(""));
    cJSON_Delete(key);
    cJSON_Delete(value);
    return !in.failed;
}

static cJSON *decode_int_or_string(const struct field *f)
{
    struct buf_in in;
    struct field part;
    int64_t number = 0;
    bool is_text = false;
    cJSON *text = NULL;
    buf_in_init(&in, f->bytes, f->len);
    while (next_field(&in, &part)) {
        if (part.number == 1 && part.type == 0) {
            is_text = part.value == 1;
        } else if (part.number == 2 && part.type == 0) {
            number = (int32_t)part.value;
        } else if (part.number == 3 && part.type == 2) {
            cJSON_Delete(text);
            text = string_item(part.bytes, part.len);
            in.failed = in.failed || !text;
        }
    }
    if (!in.failed && is_text && text)
        return text;
    cJSON_Delete(text);
    return in.failed ? NULL : cJSON_CreateNumber((double)number);
}

/* One value of a known member; NULL when it does not have the shape. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static cJSON *decode_value(const struct member *m, const struct field *f)
{
    switch (m->shape) {
    case BOOL:
        return f->type == 0 ? cJSON_CreateBool(f->value != 0) : NULL;
    case INT:
        return f->type == 0 ? cJSON_CreateNumber((double)(int32_t)f->value) : NULL;
    case STRING:
        return f->type == 2 ? string_item(f->bytes, f->len) : NULL;
    case INT_OR_STRING:
        return f->type == 2 ? decode_int_or_string(f) : NULL;
    case MESSAGE: {
        cJSON *item = cJSON_CreateObject();
        if (f->type == 2 && decode_message(m->of, f->bytes, f->len, item))
            return item;
        cJSON_Delete(item);
        return NULL;
    }
    case MAP:
    case BYTES_MAP:
        break;
    }
    return NULL;
}

/* Go's encoder writes empty strings and false for absent fields: they mean nothing here. */
static bool is_empty(const cJSON *item)
{
    return (cJSON_IsString(item) && !*item->valuestring) || cJSON_IsFalse(item) ||
           (cJSON_IsNumber(item) && item->valuedouble == 0) ||
           (cJSON_IsObject(item) && !item->child);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static bool decode_member(const struct member *m, const struct field *f, cJSON *out)
{
    if (m->shape == MAP || m->shape == BYTES_MAP)
        return f->type == 2 && decode_entry(f, m->shape, json_obj(out, m->name));
    cJSON *item = decode_value(m, f);
    if (!item)
        return false;
    if (m->repeated)
        cJSON_AddItemToArray(json_arr(out, m->name), item);
    else if (is_empty(item))
        cJSON_Delete(item);
    else
        json_set(out, m->name, item);
    return true;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static bool decode_message(const struct message *m, const uint8_t *bytes, size_t len, cJSON *out)
{
    struct buf_in in;
    struct field f;
    buf_in_init(&in, bytes, len);
    while (next_field(&in, &f)) {
        for (const struct member *row = m->members; row->number; row++)
            if (row->number == f.number && !decode_member(row, &f, out))
                return false;
    }
    return !in.failed;
}

static cJSON *decode_kind(const char *api_version, const char *kind, const struct field *raw,
                          struct err *e)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (strcmp(kinds[i].kind, kind) != 0 || strcmp(kinds[i].api_version, api_version) != 0)
            continue;
        cJSON *tree = cJSON_CreateObject();
        json_set_str(tree, "apiVersion", api_version);
        json_set_str(tree, "kind", kind);
        if (decode_message(kinds[i].message, raw->bytes, raw->len, tree))
            return tree;
        cJSON_Delete(tree);
        err_set(e, ERR_MALFORMED, "the protobuf body of the %s is malformed", kind);
        return NULL;
    }
    err_set(e, ERR_UNSUPPORTED,
            "protobuf bodies of %s, Kind=%s are not supported: send application/json", api_version,
            kind);
    return NULL;
}

cJSON *protobuf_decode(const void *bytes, size_t len, struct err *e)
{
    static const struct member type_members[] = {
        {1, "apiVersion", STRING, false, NULL}, {2, "kind", STRING, false, NULL}, {0}};
    static const struct message type_message = {type_members};
    static const struct member envelope = {1, "type", MESSAGE, false, &type_message};
    struct buf_in in;
    struct field f, raw = {.bytes = (const uint8_t *)""};
    bool ok = len >= 4 && memcmp(bytes, "k8s", 4) == 0;
    cJSON *head = cJSON_CreateObject(), *tree = NULL;
    buf_in_init(&in, ok ? (const uint8_t *)bytes + 4 : NULL, ok ? len - 4 : 0);
    while (ok && next_field(&in, &f)) {
        if (f.number == 1)
            ok = decode_member(&envelope, &f, head);
        else if (f.number == 2 && f.type == 2)
            raw = f;
        else if (f.number == 3 && f.len)
            ok = false; /* no content encoding is defined */
    }
    const cJSON *type = json_get(head, "type");
    if (ok && !in.failed)
        tree = decode_kind(json_str(type, "apiVersion", ""), json_str(type, "kind", ""), &raw, e);
    else
        err_set(e, ERR_MALFORMED, "the protobuf body is malformed");
    cJSON_Delete(head);
    return tree;
}
