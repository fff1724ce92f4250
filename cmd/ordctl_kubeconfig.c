/* cmd/ordctl_kubeconfig.c - ordctl kubeconfig: what kubectl needs to know to talk to this server.
 */
#include "cmd/ordctl.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"

#define PEM_FILE_MAX 1048576

/* ---- which server ---- */

static bool is_everywhere(const char *url)
{
    return strncmp(url, "https://0.0.0.0:", 16) == 0 || strncmp(url, "https://[::]:", 13) == 0;
}

/* The URL that the daemon behind the Unix socket serves: plain HTTP unless there is a certificate
 * to show. Owned, or NULL after printing. */
static char *ask_server(struct ctl *ctl, bool has_certificate)
{
    cJSON *reply = ctl_call(ctl, "GET", "/ordinald/v1/addresses", ACCEPT_JSON, NULL, NULL);
    const char *wanted = has_certificate ? "https://" : "http://", *found = NULL;
    const cJSON *it = NULL;
    if (!reply)
        return NULL;
    cJSON_ArrayForEach(it, json_get(reply, "addresses"))
    {
        const char *url = cJSON_IsString(it) ? it->valuestring : "";
        if (!found && strncmp(url, wanted, strlen(wanted)) == 0)
            found = url;
    }
    char *url = NULL;
    if (!found)
        (void)ctl_error("the server listens on no %s address, and kubectl cannot use its socket: "
                        "set api.listen%s",
                        wanted,
                        has_certificate ? " and api.tls-cert" : ", or give --client-certificate");
    else if (is_everywhere(found))
        (void)ctl_error("the server listens on every address (%s): give the one that clients use, "
                        "such as --server https://NAME:PORT",
                        found);
    else
        url = xstrdup(found);
    cJSON_Delete(reply);
    return url;
}

/* ---- files ---- */

static void put_base64(struct buf_out *out, const unsigned char *bytes, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        size_t n = len - i < 3 ? len - i : 3;
        unsigned word = (unsigned)bytes[i] << 16;
        word |= n > 1 ? (unsigned)bytes[i + 1] << 8 : 0;
        word |= n > 2 ? (unsigned)bytes[i + 2] : 0;
        for (size_t k = 0; k < 4; k++)
            buf_put(out, k <= n ? &digits[word >> (18 - 6 * k) & 63] : "=", 1);
    }
}

static char *read_pem(const char *flag, const char *path, const char *mark)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        (void)ctl_error("--%s %s: %s", flag, path, strerrordesc_np(errno));
        return NULL;
    }
    char *text = xmalloc(PEM_FILE_MAX + 1);
    size_t len = fread(text, 1, PEM_FILE_MAX + 1, file);
    bool failed = ferror(file) != 0;
    int code = errno;
    (void)fclose(file);
    text[len <= PEM_FILE_MAX ? len : PEM_FILE_MAX] = '\0';
    if (failed)
        (void)ctl_error("--%s %s: %s", flag, path, strerrordesc_np(code));
    else if (len > PEM_FILE_MAX || strlen(text) != len || !strstr(text, "-----BEGIN ") ||
             !strstr(text, mark))
        (void)ctl_error("--%s %s: holds no %s in PEM", flag, path, mark);
    else
        return text;
    free(text);
    return NULL;
}

/* One file of the configuration: its text, or where it is. 0 or 1; nothing when it was not given.
 */
static int put_file(struct ctl *ctl, cJSON *out, const char *flag, const char *mark)
{
    const char *path = args_text(&ctl->args, flag, NULL);
    if (!path)
        return 0;
    char *text = read_pem(flag, path, mark);
    if (!text)
        return 1;
    if (args_bool(&ctl->args, "embed-certs", true)) {
        struct buf_out data;
        char *name = xasprintf("%s-data", flag);
        buf_out_init(&data);
        put_base64(&data, (const unsigned char *)text, strlen(text));
        json_set_str(out, name, data.data);
        buf_out_fini(&data);
        free(name);
    } else {
        char whole[PATH_MAX];
        json_set_str(out, flag, realpath(path, whole) ? whole : path);
    }
    free(text);
    return 0;
}

/* ---- the document ---- */

/* {name: NAME, MEMBER: {}} as the only item of a list; returns the inner object. */
static cJSON *put_only(cJSON *config, const char *list, const char *member, const char *name)
{
    cJSON *item = cJSON_CreateObject();
    CHECK(item && cJSON_AddItemToArray(json_arr(config, list), item));
    json_set_str(item, "name", name);
    return json_obj(item, member);
}

static int put_config(struct ctl *ctl, cJSON *config, const char *url)
{
    const char *name = args_text(&ctl->args, "name", "ordinald");
    json_set_str(config, "apiVersion", "v1");
    json_set_str(config, "kind", "Config");
    json_set_str(config, "current-context", name);
    cJSON *cluster = put_only(config, "clusters", "cluster", name);
    cJSON *context = put_only(config, "contexts", "context", name);
    cJSON *user = put_only(config, "users", "user", name);
    json_set_str(cluster, "server", url);
    json_set_str(context, "cluster", name);
    json_set_str(context, "namespace", ctl->ns);
    json_set_str(context, "user", name);
    if (put_file(ctl, cluster, "certificate-authority", "CERTIFICATE-----") ||
        put_file(ctl, user, "client-certificate", "CERTIFICATE-----") ||
        put_file(ctl, user, "client-key", "PRIVATE KEY-----"))
        return 1;
    return 0;
}

static int run_kubeconfig(struct ctl *ctl)
{
    const char *server = ctl->server;
    bool has_certificate = args_has(&ctl->args, "client-certificate");
    if (ctl->args.word_count)
        return ctl_error("unexpected argument \"%s\"", ctl->args.words[0]);
    bool is_url = strncmp(server, "http://", 7) == 0 || strncmp(server, "https://", 8) == 0;
    char *url = is_url ? xstrdup(server) : ask_server(ctl, has_certificate);
    if (!url)
        return 1;
    cJSON *config = cJSON_CreateObject();
    CHECK(config);
    int status = put_config(ctl, config, url);
    if (status == 0) {
        struct buf_out out;
        buf_out_init(&out);
        print_yaml(&out, config);
        (void)fwrite(out.data, 1, out.len, ctl->out);
        buf_out_fini(&out);
    }
    cJSON_Delete(config);
    free(url);
    return status;
}

static const struct flag kubeconfig_flags[] = {
    {"name", 0, FLAG_TEXT, "NAME", "Name of cluster, user and context: ordinald"},
    {"embed-certs", 0, FLAG_SWITCH, NULL, "The certificates' texts, not their paths: true"},
    {.name = NULL}};

const struct command command_kubeconfig = {
    "kubeconfig",     "[--server URL]", "Prints a configuration for kubectl: server, certificates",
    kubeconfig_flags, run_kubeconfig,   false};
