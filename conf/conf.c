#include "conf/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/check.h"
#include "base/json.h"
#include "base/yaml.h"
#include "conf/check.h"
#include "conf/value.h"

#define FILE_MAX (1 << 20)

/* A scalar of the file as the text that value_set reads; NULL for mappings, sequences and null. */
static const char *scalar_text(const cJSON *node, char room[32])
{
    int64_t number;
    if (cJSON_IsString(node))
        return node->valuestring;
    if (cJSON_IsBool(node))
        return cJSON_IsTrue(node) ? "true" : "false";
    if (json_is_int(node, &number))
        (void)snprintf(room, 32, "%" PRId64, number);
    else if (cJSON_IsNumber(node))
        (void)snprintf(room, 32, "%.15g", node->valuedouble);
    else
        return NULL;
    return room;
}

static int set_one(struct options *o, const struct conf_option *option, const char *text,
                   struct err *e)
{
    struct err why = {0};
    int rc = value_set(o, option, text, &why);
    return rc < 0 ? err_set(e, rc, "%s: %s", option->name, why.text) : 0;
}

static int set_list(struct options *o, const struct conf_option *option, const cJSON *node,
                    struct err *e)
{
    value_clear(o, option);
    char room[32];
    const cJSON *item;
    cJSON_ArrayForEach(item, node)
    {
        const char *text = scalar_text(item, room);
        if (!text)
            return err_set(e, ERR_INVALID, "%s: an item is not a plain value", option->name);
        char *pair =
            option->type == OPT_MAP ? xasprintf("%s=%s", item->string, text) : xstrdup(text);
        int rc = set_one(o, option, pair, e);
        free(pair);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int set_node(struct options *o, const struct conf_option *option, const cJSON *node,
                    struct err *e)
{
    char room[32];
    const char *text = scalar_text(node, room);
    bool is_list = option->type == OPT_LIST || option->type == OPT_MAP;
    if (is_list && (option->type == OPT_MAP ? cJSON_IsObject(node) : cJSON_IsArray(node)))
        return set_list(o, option, node, e);
    if (!text || option->type == OPT_MAP)
        return err_set(e, ERR_INVALID, "%s: expected %s", option->name,
                       option->type == OPT_MAP ? "a mapping"
                       : is_list               ? "a list"
                                               : "a plain value");
    if (is_list)
        value_clear(o, option);
    return set_one(o, option, text, e);
}

static int file_error(struct err *e, const char *path, int line, int rc, const char *text)
{
    return line > 0 ? err_set(e, rc, "%s: line %d: %s", path, line, text)
                    : err_set(e, rc, "%s: %s", path, text);
}

static int load_section(const char *path, const struct yaml_doc *doc, const cJSON *section,
                        struct options *o, struct err *e)
{
    const cJSON *node;
    cJSON_ArrayForEach(node, section)
    {
        char name[128], text[ERR_TEXT_MAX];
        struct err why = {0};
        (void)snprintf(name, sizeof name, "%s.%s", section->string, node->string);
        const struct conf_option *option = option_find(name);
        if (!option) {
            (void)snprintf(text, sizeof text, "unknown option %s", name);
            return file_error(e, path, yaml_line(doc, node), ERR_INVALID, text);
        }
        int rc = set_node(o, option, node, &why);
        if (rc < 0)
            return file_error(e, path, yaml_line(doc, node), rc, why.text);
    }
    return 0;
}

static int load_document(const char *path, const struct yaml_doc *doc, struct options *o,
                         struct err *e)
{
    if (cJSON_IsNull(doc->root))
        return 0;
    if (!cJSON_IsObject(doc->root))
        return file_error(e, path, doc->line, ERR_INVALID,
                          "expected a mapping of sections such as \"dns:\"");
    const cJSON *section;
    cJSON_ArrayForEach(section, doc->root)
    {
        bool is_known = false;
        size_t len = strlen(section->string);
        for (size_t i = 0; i < options_count && !is_known; i++)
            is_known = strncmp(options_table[i].name, section->string, len) == 0 &&
                       options_table[i].name[len] == '.';
        char text[256];
        (void)snprintf(text, sizeof text,
                       is_known ? "%.200s: expected a mapping" : "unknown section %.200s",
                       section->string);
        if (is_known && cJSON_IsNull(section))
            continue;
        if (!is_known || !cJSON_IsObject(section))
            return file_error(e, path, yaml_line(doc, section), ERR_INVALID, text);
        int rc = load_section(path, doc, section, o, e);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int read_file(const char *path, char **text, size_t *len, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(e, ERR_IO, "%s: %s", path, strerrordesc_np(errno));
    *text = xmalloc(FILE_MAX + 1);
    *len = 0;
    ssize_t got = 0;
    while (*len <= FILE_MAX && (got = read(fd, *text + *len, FILE_MAX + 1 - *len)) > 0)
        *len += (size_t)got;
    int rc = got < 0           ? err_set(e, ERR_IO, "%s: %s", path, strerrordesc_np(errno))
             : *len > FILE_MAX ? err_set(e, ERR_TOO_LARGE, "%s: larger than 1 MiB", path)
                               : 0;
    close(fd);
    return rc;
}

/* *file holds what was read, for the lines; the caller's to end. */
static int load_file(const char *path, struct yaml_file *file, struct options *o, struct err *e)
{
    char *text = NULL;
    size_t len = 0;
    struct err why = {0};
    int rc = read_file(path, &text, &len, e);
    if (rc == 0 && (rc = yaml_parse(text, len, file, &why)) < 0)
        err_set(e, rc, "%s: %s", path, why.text);
    if (rc == 0 && file->count > 1)
        rc = file_error(e, path, file->docs[1].line, ERR_INVALID, "a second document");
    if (rc == 0 && file->count == 1)
        rc = load_document(path, &file->docs[0], o, e);
    free(text);
    return rc;
}

static int load_settings(const char *const *settings, size_t count, struct options *o,
                         struct err *e)
{
    bool *seen = xcalloc(options_count, sizeof *seen);
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        size_t len = strcspn(settings[i], "=");
        char *name = xstrndup(settings[i], len);
        const struct conf_option *option = option_find(name);
        if (settings[i][len] != '=') {
            rc = err_set(e, ERR_INVALID, "--set %s: expected KEY=VALUE", settings[i]);
        } else if (!option) {
            rc = err_set(e, ERR_INVALID, "--set %s: unknown option %s", settings[i], name);
        } else {
            const char *value = settings[i] + len + 1;
            bool is_list = option->type == OPT_LIST || option->type == OPT_MAP;
            if (is_list && !seen[option - options_table])
                value_clear(o, option);
            seen[option - options_table] = true;
            struct err why = {0};
            if (option->type == OPT_MAP && !strchr(value, '='))
                rc = err_set(e, ERR_INVALID, "--set %s: expected %s=SUFFIX=VALUE", settings[i],
                             name);
            else if (!(is_list && *value == '\0') && (rc = set_one(o, option, value, &why)) < 0)
                err_set(e, rc, "--set %s", why.text);
        }
        free(name);
    }
    free(seen);
    return rc;
}

static int check_ranges(const struct string_list *list, const char *name, struct err *e)
{
    unsigned v4 = 0, v6 = 0;
    for (size_t i = 0; i < list->count; i++)
        *(strchr(list->items[i], ':') ? &v6 : &v4) += 1;
    return v4 > 1 || v6 > 1 ? err_set(e, ERR_INVALID, "%s: more than one network of a family", name)
                            : 0;
}

/* TLS is complete or absent, and there where an address needs it. */
static int check_tls(const struct options *o, struct err *e)
{
    const struct {
        const char *name, *value;
    } files[] = {{"api.tls-cert", o->api_tls_cert},
                 {"api.tls-key", o->api_tls_key},
                 {"api.tls-client-ca", o->api_tls_client_ca}};
    const char *why = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(files) && !why; i++)
        why = *files[i].value ? files[i].name : NULL;
    for (size_t i = 0; i < o->api_listen.count; i++)
        if (endpoint_needs_tls(o->api_listen.items[i]))
            why = o->api_listen.items[i];
    for (size_t i = 0; i < ARRAY_SIZE(files) && why; i++)
        if (!*files[i].value)
            return err_set(e, ERR_INVALID,
                           "%s: is empty; %s%s needs api.tls-cert, api.tls-key and "
                           "api.tls-client-ca (plain HTTP is for loopback only)",
                           files[i].name, *why == 'a' ? "" : "api.listen ", why);
    return 0;
}

/* What no single value shows: ranges per family, the order of the pod prefixes, something to listen
 * on, reserved options. */
static int check_across(struct options *o, struct err *e)
{
    int rc;
    if ((rc = check_ranges(&o->nodes_pod_range, "nodes.pod-range", e)) < 0 ||
        (rc = check_ranges(&o->nodes_service_range, "nodes.service-range", e)) < 0)
        return rc;
    if (o->nodes_pod_range.count == 0)
        return err_set(e, ERR_INVALID, "nodes.pod-range: is empty");
    if (o->nodes_pod_prefix.count < 1 || o->nodes_pod_prefix.count > 2 ||
        strtol(o->nodes_pod_prefix.items[0], NULL, 10) > 32)
        return err_set(e, ERR_INVALID,
                       "nodes.pod-prefix: expected a length for IPv4 (up to 32) and one for IPv6");
    if (o->dns_listen.count == 0)
        return err_set(e, ERR_INVALID, "dns.listen: is empty");
    if (o->access_query.count == 0)
        return err_set(e, ERR_INVALID, "access.query: is empty, nobody could ask");
    if (o->api_socket[0] == '\0' && o->api_listen.count == 0)
        return err_set(e, ERR_INVALID, "api.socket: empty, and api.listen too: nobody could write");
    if ((rc = check_tls(o, e)) < 0)
        return rc;
    for (size_t i = 0; i < options_count; i++)
        if (options_table[i].is_reserved && !value_is_default(o, &options_table[i]))
            return err_set(
                e, ERR_INVALID,
                "%s: known, but this version does not have it yet; leave it at its default",
                options_table[i].name);
    return 0;
}

/* Length of a domain name in text without its last dot. */
static size_t zone_text_len(const char *text, size_t len)
{
    return len > 0 && text[len - 1] == '.' ? len - 1 : len;
}

/* What is at or below the zone is answered here: a rule for it would never be obeyed. */
static int check_forward_zones(const char *path, const struct yaml_file *file,
                               const struct options *o, struct err *e)
{
    size_t zone_len = zone_text_len(o->zone_name, strlen(o->zone_name));
    for (size_t i = 0; i < o->forward_zones.count; i++) {
        char *suffix = xstrndup(o->forward_zones.items[i], strcspn(o->forward_zones.items[i], "="));
        size_t len = zone_text_len(suffix, strlen(suffix));
        bool is_inside = len >= zone_len &&
                         strncasecmp(suffix + len - zone_len, o->zone_name, zone_len) == 0 &&
                         (len == zone_len || suffix[len - zone_len - 1] == '.');
        char text[ERR_TEXT_MAX];
        (void)snprintf(text, sizeof text,
                       "forward.zones: %s is answered here and never forwarded (zone.name: %s)",
                       suffix, o->zone_name);
        const cJSON *root = file->count == 1 ? file->docs[0].root : NULL;
        const cJSON *forward = cJSON_GetObjectItemCaseSensitive(root, "forward");
        const cJSON *zones = cJSON_GetObjectItemCaseSensitive(forward, "zones");
        const cJSON *node = cJSON_GetObjectItemCaseSensitive(zones, suffix);
        free(suffix);
        if (is_inside)
            return node ? file_error(e, path, yaml_line(&file->docs[0], node), ERR_INVALID, text)
                        : err_set(e, ERR_INVALID, "%s", text);
    }
    return 0;
}

int conf_load(const char *path, const char *const *settings, size_t setting_count,
              struct options *out, struct err *e)
{
    *out = (struct options){0};
    for (size_t i = 0; i < options_count; i++)
        value_default(out, &options_table[i]);
    struct yaml_file file = {0};
    int rc = path ? load_file(path, &file, out, e) : 0;
    if (rc == 0)
        rc = load_settings(settings, setting_count, out, e);
    if (rc == 0)
        rc = check_across(out, e);
    if (rc == 0)
        rc = check_forward_zones(path, &file, out, e);
    yaml_file_fini(&file);
    if (rc < 0)
        conf_fini(out);
    return rc;
}

void conf_fini(struct options *o)
{
    for (size_t i = 0; i < options_count; i++)
        value_clear(o, &options_table[i]);
    *o = (struct options){0};
}

void conf_swap_live(struct options *a, struct options *b, struct buf_out *live,
                    struct buf_out *fixed)
{
    for (size_t i = 0; i < options_count; i++) {
        const struct conf_option *option = &options_table[i];
        if (value_equal(a, b, option))
            continue;
        struct buf_out *names = option->is_live ? live : fixed;
        if (names)
            buf_printf(names, " %s", option->name);
        if (option->is_live)
            value_swap(a, b, option);
    }
}

/* Calls for every row: a section line when the part before the dot changes, then the key. */
static void print_key(const struct conf_option *option, const char *previous, const char *prefix,
                      struct buf_out *out)
{
    size_t len = strcspn(option->name, ".");
    if (!previous || strncmp(previous, option->name, len + 1) != 0)
        buf_printf(out, "%s%.*s:\n", previous ? "\n" : "", (int)len, option->name);
    buf_printf(out, "%s%s: ", prefix, option->name + len + 1);
}

void conf_print(const struct options *o, struct buf_out *out)
{
    const char *previous = NULL;
    for (size_t i = 0; i < options_count; i++) {
        print_key(&options_table[i], previous, "  ", out);
        value_print(o, &options_table[i], out);
        buf_putc(out, '\n');
        previous = options_table[i].name;
    }
}

void conf_sample(struct buf_out *out)
{
    struct options o = {0};
    const char *previous = NULL;
    buf_puts(out, "# ordinald: every option with its default. Uncomment what you change; an "
                  "unknown key is an error.\n"
                  "# Durations take us, ms, s, m, h (a bare number is seconds); --set KEY=VALUE "
                  "wins over this file.\n\n");
    for (size_t i = 0; i < options_count; i++) {
        const struct conf_option *option = &options_table[i];
        if (option->is_reserved)
            continue;
        value_default(&o, option);
        struct buf_out line;
        buf_out_init(&line);
        print_key(option, previous, "  # ", &line);
        value_print(&o, option, &line);
        buf_printf(out, "%s\n  #   %s\n", line.data, option->help);
        buf_out_fini(&line);
        value_clear(&o, option);
        previous = option->name;
    }
}
