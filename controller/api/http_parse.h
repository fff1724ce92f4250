/* controller/api/http_parse.h - the bytes of an HTTP/1.1 request as a plain struct (RFC 9110, RFC
 * 9112).
 *
 * Strict where leniency lets two readers of one stream disagree: lines end in CRLF, names are
 * tokens, no line folding, one Host, one Content-Length of digits, no transfer coding but chunked,
 * never both. Pure functions, no sockets. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE };

struct http_header {
    const char *name, *value;
};

struct http_peer {
    bool is_unix; /* uid, gid and pid are the kernel's word */
    bool is_tls;  /* name and groups are those of a verified certificate (CN, O); no uid */
    uint32_t uid, gid;
    int32_t pid;
    const char *name; /* borrowed from the connection, like groups */
    char *const *groups;
    size_t group_count;
};

struct http_request {
    enum http_method method;
    const char *path;      /* as sent, still escaped, without the query */
    const char *query;     /* after the '?', still escaped; "" when there is none */
    const char *authority; /* of a target in absolute form: what Host says, too; else NULL */
    const struct http_header *headers;
    size_t header_count;
    const char *body; /* NUL-terminated beyond body_len */
    size_t body_len;
    struct http_peer peer;
};
/* Value of the first header of that name (any letter case), or NULL. */
const char *http_header(const struct http_request *req, const char *name);

/* How the rest of the message is framed. */
struct http_framing {
    bool is_http10;
    bool keep_alive;
    bool is_chunked;
    bool expects_continue;
    int64_t content_length; /* 0 when there is no body or it is chunked */
};

#define HTTP_HEADERS_MAX 100

/* Parses the head of a request: everything up to and including the empty line. The bytes are copied
 * into the arena, from which *req borrows. Returns 0, or the status code of the refusal with *why
 * (a constant sentence). */
int http_head_parse(const char *bytes, size_t len, struct arena *arena, struct http_request *req,
                    struct http_framing *framing, const char **why);

/* A chunked body, decoded as it arrives. {0} is the start. */
struct http_chunks {
    int state;
    uint64_t left; /* of the present chunk */
    size_t digits, extra;
};
/* Reads at most len bytes, appends data to out, sets *used. Returns 1 when the body is complete, 0
 * when more is needed, or the negative status code of the refusal (-400, -413 when out would exceed
 * max). */
int http_chunks_feed(struct http_chunks *c, const char *bytes, size_t len, size_t *used, size_t max,
                     struct buf_out *out);

/* Decodes %XX (and + when plus is set) from len bytes into out, which has room for len + 1. False
 * for a bad escape or an escaped NUL. */
bool http_unescape(const char *text, size_t len, bool plus, char *out);
/* Standard phrase of a status code. */
const char *http_phrase(int status);
