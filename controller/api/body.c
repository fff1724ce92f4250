#include "controller/api/body.h"

#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/json.h"
#include "base/yaml.h"
#include "controller/api/protobuf.h"

/* The media type without parameters, in lower case; "" when absent or too long. */
static void media_type(const struct http_request *req, char out[96])
{
    const char *header = http_header(req, "Content-Type");
    size_t len = header ? strcspn(header, "; \t") : 0;
    if (len >= 96)
        len = 0;
    for (size_t i = 0; i < len; i++)
        out[i] = (char)(header[i] >= 'A' && header[i] <= 'Z' ? header[i] - 'A' + 'a' : header[i]);
    out[len] = '\0';
}

static int read_yaml(const struct http_request *req, cJSON **out, struct err *e)
{
    struct yaml_file file;
    int rc = yaml_parse(req->body, req->body_len, &file, e);
    if (rc < 0)
        return rc;
    if (file.count == 1)
        *out = cJSON_Duplicate(file.docs[0].root, true);
    else
        rc = err_set(e, ERR_MALFORMED, "the body must hold exactly one YAML document");
    yaml_file_fini(&file);
    return rc;
}

static bool note_twice(void *arg, const char *path)
{
    struct body_twice *twice = arg;
    if (twice->count < BODY_TWICE_MAX)
        twice->path[twice->count++] = arena_printf(twice->arena, "%.200s", path);
    return true;
}

static int read_json(const struct http_request *req, struct body_twice *twice, cJSON **out,
                     struct err *e)
{
    struct err why = {0};
    *out = twice ? json_parse_lenient(req->body, req->body_len, note_twice, twice, &why)
                 : json_parse(req->body, req->body_len, &why);
    if (*out)
        return 0;
    return err_set(e, ERR_MALFORMED, "the body of the request is not valid JSON: %s", why.text);
}

static int read_patch(const struct http_request *req, const char *type, struct body_twice *twice,
                      enum body_form *form, cJSON **out, struct err *e)
{
    static const struct {
        const char *type;
        enum body_form form;
    } types[] = {{"application/json-patch+json", BODY_JSON_PATCH},
                 {"application/merge-patch+json", BODY_MERGE_PATCH},
                 {"application/strategic-merge-patch+json", BODY_STRATEGIC_PATCH}};
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (strcmp(type, types[i].type) == 0) {
            *form = types[i].form;
            return req->body_len ? read_json(req, twice, out, e)
                                 : err_set(e, ERR_MALFORMED, "the patch is empty");
        }
    }
    return err_set(e, ERR_UNSUPPORTED,
                   "the body of the request was in an unknown format - accepted media types "
                   "include: application/json-patch+json, application/merge-patch+json, "
                   "application/strategic-merge-patch+json");
}

int body_read(const struct http_request *req, bool is_patch, struct body_twice *twice,
              enum body_form *form, cJSON **out, struct err *e)
{
    char type[96];
    *out = NULL;
    *form = BODY_OBJECT;
    if (twice)
        twice->count = 0;
    media_type(req, type);
    if (is_patch)
        return read_patch(req, type, twice, form, out, e);
    if (!req->body_len)
        return 0;
    if (!http_header(req, "Content-Type") || !*type || strcmp(type, "application/json") == 0)
        return read_json(req, twice, out, e);
    if (strcmp(type, "application/yaml") == 0)
        return read_yaml(req, out, e);
    if (strcmp(type, "application/vnd.kubernetes.protobuf") == 0) {
        *out = protobuf_decode(req->body, req->body_len, e);
        return *out ? 0 : (int)(e ? e->code : ERR_MALFORMED);
    }
    return err_set(e, ERR_UNSUPPORTED,
                   "the body of the request was in an unknown format - accepted media types "
                   "include: application/json, application/yaml, "
                   "application/vnd.kubernetes.protobuf");
}
