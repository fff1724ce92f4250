#include "tests/scenario/manifest.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"

const struct kind *manifest_key(char *text, const char **ns, const char **name)
{
    char *kind = strchr(text, '/');
    char *rest = kind ? strchr(kind + 1, '/') : NULL;
    if (!rest)
        return NULL;
    *kind++ = *rest++ = '\0';
    *ns = strcmp(text, "-") == 0 ? "" : text;
    *name = rest;
    for (enum kind_id i = 0; i < KIND_COUNT; i++)
        if (strcmp(kind_get(i)->name, kind) == 0)
            return kind_get(i);
    return NULL;
}

/* ---- paths ---- */

/* The next segment of a path, cut off it; NULL at its end. */
static char *segment(char **path)
{
    char *at = *path;
    if (!at || !*at)
        return NULL;
    if (*at == '[') {
        char *end = strchr(at, ']');
        CHECK(end);
        *end = '\0';
        *path = end[1] == '.' ? end + 2 : end + 1;
        return at + 1;
    }
    char *dot = strchr(at, '.');
    if (dot)
        *dot++ = '\0';
    *path = dot;
    return at;
}

static bool is_index(const char *text)
{
    return *text && !text[strspn(text, "0123456789")];
}

static cJSON *child(cJSON *item, const char *name)
{
    if (cJSON_IsArray(item))
        return is_index(name) ? cJSON_GetArrayItem(item, (int)strtol(name, NULL, 10)) : NULL;
    return json_get(item, name);
}

cJSON *manifest_at(cJSON *tree, char *path)
{
    for (char *name; tree && (name = segment(&path));)
        tree = child(tree, name);
    return tree;
}

static void put(cJSON *parent, const char *name, cJSON *value)
{
    if (!cJSON_IsArray(parent))
        json_set(parent, name, value);
    else if (child(parent, name))
        cJSON_ReplaceItemInArray(parent, (int)strtol(name, NULL, 10), value);
    else
        cJSON_AddItemToArray(parent, value);
}

bool manifest_set_path(cJSON *tree, char *path, const char *value)
{
    struct err e = {0};
    cJSON *item = json_parse(value, strlen(value), &e);
    if (!item)
        item = cJSON_CreateString(value);
    for (char *name = segment(&path); name;) {
        char *next = segment(&path);
        if (!next) {
            put(tree, name, item);
            return true;
        }
        if (!child(tree, name))
            put(tree, name, is_index(next) ? cJSON_CreateArray() : cJSON_CreateObject());
        tree = child(tree, name);
        name = next;
    }
    cJSON_Delete(item);
    return false;
}

/* ---- short forms ---- */

/* "app=web,tier=db" into an object. */
static cJSON *pairs(char *text)
{
    cJSON *out = cJSON_CreateObject();
    char *save = NULL;
    for (char *pair = strtok_r(text, ",", &save); pair; pair = strtok_r(NULL, ",", &save)) {
        char *equals = strchr(pair, '=');
        CHECK(equals);
        *equals = '\0';
        json_set_str(out, pair, equals + 1);
    }
    return out;
}

static cJSON *words(char *text)
{
    cJSON *out = cJSON_CreateArray();
    char *save = NULL;
    for (char *word = strtok_r(text, ",", &save); word; word = strtok_r(NULL, ",", &save))
        cJSON_AddItemToArray(out, cJSON_CreateString(word));
    return out;
}

/* "http:80:TCP:8080,5432" : name, port, protocol, target; a lone number is an unnamed port. */
static cJSON *ports(char *text, const char *number)
{
    cJSON *out = cJSON_CreateArray();
    char *save = NULL;
    for (char *port = strtok_r(text, ",", &save); port; port = strtok_r(NULL, ",", &save)) {
        static const char *const names[] = {"name", NULL, "protocol", "targetPort"};
        cJSON *item = cJSON_CreateObject();
        char *inner = NULL;
        size_t i = is_index(port) ? 1 : 0;
        for (char *part = strtok_r(port, ":", &inner); part;
             part = strtok_r(NULL, ":", &inner), i++) {
            CHECK(i < ARRAY_SIZE(names));
            if (is_index(part))
                json_set_int(item, names[i] ? names[i] : number, strtol(part, NULL, 10));
            else
                json_set_str(item, names[i] ? names[i] : number, part);
        }
        cJSON_AddItemToArray(out, item);
    }
    return out;
}

static cJSON *pod_spec(void)
{
    cJSON *spec = cJSON_CreateObject(), *container = cJSON_CreateObject();
    json_set_str(container, "name", "main");
    json_set_str(container, "image", "registry.example/main:1");
    cJSON_AddItemToArray(json_arr(spec, "containers"), container);
    return spec;
}

static void fill_set(cJSON *tree, const char *name)
{
    cJSON *spec = json_obj(tree, "spec"), *template = json_obj(spec, "template");
    json_set_str(json_obj(json_obj(spec, "selector"), "matchLabels"), "app", name);
    json_set_str(json_obj(json_obj(template, "metadata"), "labels"), "app", name);
    json_set(template, "spec", pod_spec());
}

/* 1Mi, ReadWriteOnce; a volume at /data. */
static void fill_storage(cJSON *tree, const struct kind *kind)
{
    cJSON *spec = json_obj(tree, "spec");
    cJSON *size = kind->id == KIND_PV ? json_obj(spec, "capacity")
                                      : json_obj(json_obj(spec, "resources"), "requests");
    json_set_str(size, "storage", "1Mi");
    cJSON_AddItemToArray(json_arr(spec, "accessModes"), cJSON_CreateString("ReadWriteOnce"));
    if (kind->id == KIND_PV)
        json_set_str(json_obj(spec, "hostPath"), "path", "/data");
}

cJSON *manifest_new(const struct kind *kind, const char *ns, const char *name)
{
    cJSON *tree = cJSON_CreateObject();
    json_set_str(tree, "apiVersion", kind->api_version);
    json_set_str(tree, "kind", kind->name);
    cJSON *metadata = json_obj(tree, "metadata");
    json_set_str(metadata, "name", name);
    if (kind->namespaced)
        json_set_str(metadata, "namespace", ns);
    if (kind->id == KIND_POD)
        json_set(tree, "spec", pod_spec());
    if (kind->id == KIND_STATEFULSET || kind->id == KIND_REPLICASET)
        fill_set(tree, name);
    if (kind->id == KIND_PVC || kind->id == KIND_PV)
        fill_storage(tree, kind);
    if (kind->id == KIND_STORAGECLASS)
        json_set_str(tree, "provisioner", "ordinald.dev/directory");
    return tree;
}

/* "data:1Mi" */
static void add_claim_template(cJSON *spec, char *text)
{
    char *size = strchr(text, ':');
    CHECK(size);
    *size++ = '\0';
    cJSON *claim = cJSON_CreateObject(), *claim_spec = json_obj(claim, "spec");
    json_set_str(json_obj(claim, "metadata"), "name", text);
    cJSON_AddItemToArray(json_arr(claim_spec, "accessModes"), cJSON_CreateString("ReadWriteOnce"));
    json_set_str(json_obj(json_obj(claim_spec, "resources"), "requests"), "storage", size);
    cJSON_AddItemToArray(json_arr(spec, "volumeClaimTemplates"), claim);
}

static bool set_of_service(cJSON *spec, const char *name, char *value)
{
    if (strcmp(name, "selector") == 0)
        json_set(spec, "selector", pairs(value));
    else if (strcmp(name, "ports") == 0)
        json_set(spec, "ports", ports(value, "port"));
    else if (strcmp(name, "families") == 0)
        json_set(spec, "ipFamilies", words(value));
    else
        return false;
    return true;
}

static bool set_of_pod(cJSON *spec, const char *name, char *value)
{
    if (strcmp(name, "node") == 0)
        json_set_str(spec, "nodeName", value);
    else if (strcmp(name, "ports") == 0)
        json_set(json_get(spec, "containers")->child, "ports", ports(value, "containerPort"));
    else
        return false;
    return true;
}

static bool set_of_storage(cJSON *spec, const struct kind *kind, const char *name, char *value)
{
    if (strcmp(name, "size") == 0)
        json_set_str(kind->id == KIND_PV ? json_get(spec, "capacity")
                                         : json_at(spec, "resources", "requests", NULL),
                     "storage", value);
    else if (strcmp(name, "modes") == 0)
        json_set(spec, "accessModes", words(value));
    else if (strcmp(name, "class") == 0)
        json_set_str(spec, "storageClassName", value);
    else
        return false;
    return true;
}

bool manifest_set(cJSON *tree, const struct kind *kind, char *word)
{
    char *value = strchr(word, '=');
    if (!value)
        return false;
    *value++ = '\0';
    cJSON *spec = kind->has_status ? json_obj(tree, "spec") : NULL;
    if (strcmp(word, "labels") == 0) {
        json_set(json_obj(tree, "metadata"), "labels", pairs(value));
        return true;
    }
    if (kind->id == KIND_SERVICE && set_of_service(spec, word, value))
        return true;
    if (kind->id == KIND_POD && set_of_pod(spec, word, value))
        return true;
    if ((kind->id == KIND_PVC || kind->id == KIND_PV) && set_of_storage(spec, kind, word, value))
        return true;
    if (kind->id == KIND_STATEFULSET && strcmp(word, "claims") == 0) {
        add_claim_template(spec, value);
        return true;
    }
    /* A bare word is a member of spec. */
    return manifest_set_path(strchr(word, '.') || !spec ? tree : spec, word, value);
}
