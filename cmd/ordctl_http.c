/* cmd/ordctl_http.c - requests to the server over its Unix socket or TCP, on libcurl. */
#include "cmd/ordctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "base/check.h"
#include "base/json.h"

#define REPLY_MAX   (1U << 30)
#define CONNECT_MS  10000L
#define KEEPALIVE_S 30L
#define USER_AGENT  "ordctl/" ORDINALD_VERSION

struct client {
    CURL *curl;
    struct client_tls tls;
    char why[CURL_ERROR_SIZE]; /* what libcurl says of the last failure */
    char *socket;              /* NULL: TCP */
    char *base;                /* "http://localhost", without a slash at the end */
    char *shown;               /* as the user wrote it */
};

struct client *client_new(const char *server, const struct client_tls *tls)
{
    bool is_url = strncmp(server, "http://", 7) == 0 || strncmp(server, "https://", 8) == 0;
    if (!is_url && strncmp(server, "unix:", 5) == 0)
        server += strncmp(server, "unix://", 7) == 0 ? 7 : 5;
    if (!*server || (!is_url && !strchr(server, '/') && strchr(server, ':')))
        return NULL;
    struct client *client = xcalloc(1, sizeof(*client));
    client->tls = *tls;
    client->shown = xstrdup(server);
    client->socket = is_url ? NULL : xstrdup(server);
    client->base = xstrdup(is_url ? server : "http://localhost");
    size_t len = strlen(client->base);
    while (len && client->base[len - 1] == '/')
        client->base[--len] = '\0';
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    client->curl = curl_easy_init();
    CHECK(client->curl);
    return client;
}

void client_free(struct client *client)
{
    if (!client)
        return;
    curl_easy_cleanup(client->curl);
    curl_global_cleanup();
    free(client->socket);
    free(client->base);
    free(client->shown);
    free(client);
}

void reply_fini(struct reply *reply)
{
    free(reply->text);
    cJSON_Delete(reply->tree);
    *reply = (struct reply){0};
}

/* ---- callbacks ---- */

struct transfer {
    CURL *curl;
    struct buf_out body; /* the reply, or the line that is being read */
    bool (*on_line)(void *arg, const char *line, size_t len);
    void *arg;
    bool was_stopped, is_too_large;
};

/* `Warning: 299 - "text"` goes to the user as `Warning: text`. */
static size_t on_header(char *text, size_t size, size_t count, void *arg)
{
    (void)arg;
    size_t len = size * count;
    static const char prefix[] = "Warning: 299 ";
    if (len > sizeof(prefix) && strncasecmp(text, prefix, sizeof(prefix) - 1) == 0) {
        struct buf_out out;
        buf_out_init(&out);
        const char *end = text + len, *at = memchr(text, '"', len);
        for (at = at ? at + 1 : end; at < end && *at != '"'; at++) {
            if (*at == '\\' && at + 1 < end)
                at++;
            buf_putc(&out, *at);
        }
        (void)fflush(stdout);
        (void)fprintf(stderr, "Warning: %s\n", out.data ? out.data : "");
        buf_out_fini(&out);
    }
    return len;
}

/* Hands over the lines that are complete. */
static bool split_lines(struct transfer *t, const char *text, size_t len)
{
    while (len) {
        const char *newline = memchr(text, '\n', len);
        size_t part = newline ? (size_t)(newline - text) : len;
        buf_put(&t->body, text, part);
        if (!newline)
            return true;
        bool goes_on = !t->body.len || t->on_line(t->arg, t->body.data, t->body.len);
        buf_out_fini(&t->body);
        buf_out_init(&t->body);
        if (!goes_on)
            return false;
        text += part + 1;
        len -= part + 1;
    }
    return true;
}

static size_t on_body(char *text, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    size_t len = size * count;
    if (t->body.len + len > REPLY_MAX) {
        t->is_too_large = true;
        return 0;
    }
    long status = 0;
    (void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    if (!t->on_line || status >= 400) {
        buf_put(&t->body, text, len);
        return len;
    }
    if (split_lines(t, text, len))
        return len;
    t->was_stopped = true;
    return 0;
}

/* ---- requests ---- */

static int transfer_error(const struct client *client, const struct transfer *t, CURLcode code,
                          struct err *e)
{
    if (t->is_too_large)
        return err_set(e, ERR_IO, "the reply of %s is too large", client->shown);
    long os = 0;
    (void)curl_easy_getinfo(client->curl, CURLINFO_OS_ERRNO, &os);
    if (code == CURLE_COULDNT_CONNECT)
        return err_set(e, ERR_IO, "no connection to the server %s: %s (is ordinald running?)",
                       client->shown, os ? strerrordesc_np((int)os) : curl_easy_strerror(code));
    if (code == CURLE_OPERATION_TIMEDOUT)
        return err_set(e, ERR_TIMEOUT, "timed out waiting for the server %s", client->shown);
    return err_set(e, ERR_IO, "the server %s did not answer: %s", client->shown,
                   *client->why ? client->why : curl_easy_strerror(code));
}

static void set_tls(const struct client *client)
{
    CURL *curl = client->curl;
    (void)curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (client->tls.ca) {
        (void)curl_easy_setopt(curl, CURLOPT_CAINFO, client->tls.ca);
        (void)curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    }
    if (client->tls.cert) {
        (void)curl_easy_setopt(curl, CURLOPT_SSLCERT, client->tls.cert);
        (void)curl_easy_setopt(curl, CURLOPT_SSLKEY, client->tls.key);
    }
}

/* What all requests have in common; the header list is the caller's to free. */
static struct curl_slist *prepare(struct client *client, const char *path, const char *accept,
                                  const char *content, struct transfer *t)
{
    CURL *curl = client->curl;
    curl_easy_reset(curl);
    char *url = xasprintf("%s%s", client->base, path);
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    free(url);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
    *client->why = '\0';
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->why);
    set_tls(client);
    if (client->socket)
        (void)curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, client->socket);
    (void)curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    (void)curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_S);
    (void)curl_easy_setopt(curl, CURLOPT_USERAGENT, USER_AGENT);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
    t->curl = curl;
    buf_out_init(&t->body);
    char *line = xasprintf("Accept: %s", accept);
    struct curl_slist *headers = curl_slist_append(NULL, line);
    free(line);
    line = xasprintf("Content-Type: %s", content ? content : ACCEPT_JSON);
    headers = curl_slist_append(headers, line);
    free(line);
    headers = curl_slist_append(headers, "Expect:");
    CHECK(headers);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    return headers;
}

static void take_reply(struct client *client, struct transfer *t, struct reply *out)
{
    *out = (struct reply){0};
    (void)curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &out->status);
    out->text = buf_out_take(&t->body, &out->len);
    out->tree = out->len ? json_parse(out->text, out->len, NULL) : NULL;
}

int client_request(struct client *client, const char *method, const char *path, const char *accept,
                   const char *content, const cJSON *body, struct reply *out, struct err *e)
{
    struct transfer t = {0};
    *out = (struct reply){0};
    struct curl_slist *headers = prepare(client, path, accept, content, &t);
    size_t len = 0;
    char *text = body ? json_print(body, &len) : NULL;
    if (text || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0) {
        (void)curl_easy_setopt(client->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
        (void)curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, text ? text : "");
    }
    (void)curl_easy_setopt(client->curl, CURLOPT_CUSTOMREQUEST, method);
    CURLcode code = curl_easy_perform(client->curl);
    curl_slist_free_all(headers);
    free(text);
    if (code != CURLE_OK) {
        buf_out_fini(&t.body);
        return transfer_error(client, &t, code, e);
    }
    take_reply(client, &t, out);
    return 0;
}

int client_stream(struct client *client, const char *path, const char *accept,
                  bool (*on_line)(void *arg, const char *line, size_t len), void *arg,
                  int64_t timeout_ms, struct reply *out, struct err *e)
{
    struct transfer t = {.on_line = on_line, .arg = arg};
    *out = (struct reply){0};
    struct curl_slist *headers = prepare(client, path, accept, NULL, &t);
    if (timeout_ms > 0)
        (void)curl_easy_setopt(client->curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    CURLcode code = curl_easy_perform(client->curl);
    curl_slist_free_all(headers);
    if (code != CURLE_OK && !t.was_stopped) {
        buf_out_fini(&t.body);
        return transfer_error(client, &t, code, e);
    }
    take_reply(client, &t, out);
    return 0;
}

/* ---- paths ---- */

void path_put_escaped(struct buf_out *out, const char *text)
{
    for (const char *at = text; *at; at++) {
        unsigned char c = (unsigned char)*at;
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || strchr("-._~", c);
        if (is_plain)
            buf_putc(out, *at);
        else
            buf_printf(out, "%%%02X", c);
    }
}

void path_put_query(struct buf_out *out, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    buf_printf(out, "%c%s=", out->data && strchr(out->data, '?') ? '&' : '?', name);
    path_put_escaped(out, value);
}

/* ---- what the server refuses ---- */

int ctl_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fflush(stdout);
    (void)fputs("error: ", stderr);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    va_end(args);
    return 1;
}

const char *reply_reason(const struct reply *reply)
{
    const char *reason = json_str(reply->tree, "reason", NULL);
    if (reason && *reason)
        return reason;
    switch (reply->status) {
    case 400:
        return "BadRequest";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "NotFound";
    case 503:
        return "ServiceUnavailable";
    default:
        return reply->status < 500 ? "BadRequest" : "InternalError";
    }
}

const char *reply_message(const struct reply *reply)
{
    const char *message = json_str(reply->tree, "message", NULL);
    return message && *message ? message : "the server gave no reason";
}

int ctl_refused(const struct reply *reply)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "Error from server (%s): %s\n", reply_reason(reply),
                  reply_message(reply));
    return 1;
}

cJSON *ctl_call(struct ctl *ctl, const char *method, const char *path, const char *accept,
                const char *content, const cJSON *body)
{
    struct reply reply;
    struct err e = {0};
    if (client_request(ctl->client, method, path, accept, content, body, &reply, &e) < 0) {
        (void)ctl_error("%s", e.text);
        return NULL;
    }
    cJSON *tree = NULL;
    if (reply.status >= 400)
        (void)ctl_refused(&reply);
    else if (!reply.tree)
        (void)ctl_error("the server's answer to %s %s is not JSON", method, path);
    else
        tree = TAKE(reply.tree);
    reply_fini(&reply);
    return tree;
}

const char *ctl_selector(const struct ctl *ctl)
{
    return args_text(&ctl->args, "selector", "");
}

bool ctl_all_namespaces(const struct ctl *ctl)
{
    return args_bool(&ctl->args, "all-namespaces", false);
}
