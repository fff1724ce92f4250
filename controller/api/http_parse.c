#include "controller/api/http_parse.h"

#include <string.h>
#include <strings.h>

#include "base/check.h"

const char *http_header(const struct http_request *req, const char *name)
{
    for (size_t i = 0; i < req->header_count; i++)
        if (strcasecmp(req->headers[i].name, name) == 0)
            return req->headers[i].value;
    return NULL;
}

static bool is_token(const char *text)
{
    if (!*text)
        return false;
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
            continue;
        if (!strchr("!#$%&'*+-.^_`|~", c))
            return false;
    }
    return true;
}

static bool is_target(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f || *text == '#')
            return false;
    return true;
}

static int refuse(const char **why, int status, const char *text)
{
    *why = text;
    return status;
}

static int parse_method(const char *text, enum http_method *out, const char **why)
{
    static const struct {
        const char *name;
        enum http_method method;
    } methods[] = {{"GET", HTTP_GET}, {"HEAD", HTTP_HEAD},   {"POST", HTTP_POST},
                   {"PUT", HTTP_PUT}, {"PATCH", HTTP_PATCH}, {"DELETE", HTTP_DELETE}};
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
        if (strcmp(text, methods[i].name) == 0) {
            *out = methods[i].method;
            return 0;
        }
    }
    if (!is_token(text))
        return refuse(why, 400, "malformed request line");
    if (strcmp(text, "OPTIONS") == 0 || strcmp(text, "TRACE") == 0 || strcmp(text, "CONNECT") == 0)
        return refuse(why, 405, "the server does not allow this method on the requested resource");
    return refuse(why, 501, "unknown method");
}

/* RFC 9112 section 3.2.2: a server accepts the absolute form as well. The path is moved to make
 * room for the end of the authority. */
static char *target_path(char *target, const char **authority)
{
    if (*target == '/')
        return target;
    if (strncasecmp(target, "http://", 7) != 0 && strncasecmp(target, "https://", 8) != 0)
        return NULL;
    char *host = strstr(target, "//") + 2;
    char *path = strpbrk(host, "/?");
    if (!path || *path != '/' || path == host)
        return NULL;
    size_t len = (size_t)(path - host);
    memmove(host - 1, host, len);
    host[len - 1] = '\0';
    *authority = host - 1;
    return path;
}

static int parse_request_line(char *line, struct http_request *req, struct http_framing *framing,
                              const char **why)
{
    char *target = strchr(line, ' ');
    char *version = target ? strchr(target + 1, ' ') : NULL;
    if (!version)
        return refuse(why, 400, "malformed request line");
    *target++ = '\0';
    *version++ = '\0';
    if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0) {
        bool other = strncmp(version, "HTTP/", 5) == 0 && version[5] >= '0' && version[5] <= '9';
        return other ? refuse(why, 505, "HTTP version not supported")
                     : refuse(why, 400, "malformed request line");
    }
    framing->is_http10 = version[7] == '0';
    int rc = parse_method(line, &req->method, why);
    if (rc)
        return rc;
    if (!is_target(target))
        return refuse(why, 400, "malformed request target");
    char *path = target_path(target, &req->authority);
    if (!path)
        return refuse(why, 400, "malformed request target");
    char *query = strchr(path, '?');
    if (query)
        *query++ = '\0';
    req->path = path;
    req->query = query ? query : "";
    return 0;
}

static bool is_value(const char *text)
{
    for (; *text; text++)
        if (((unsigned char)*text < ' ' && *text != '\t') || *text == 0x7f)
            return false;
    return true;
}

static bool parse_header(char *line, struct http_header *out)
{
    char *colon = strchr(line, ':');
    if (!colon)
        return false;
    *colon = '\0';
    char *value = colon + 1 + strspn(colon + 1, " \t");
    size_t len = strlen(value);
    while (len && (value[len - 1] == ' ' || value[len - 1] == '\t'))
        value[--len] = '\0';
    *out = (struct http_header){.name = line, .value = value};
    return is_token(line) && is_value(value);
}

/* True when the comma list holds the word. */
static bool has_word(const char *list, const char *word)
{
    size_t len = strlen(word);
    while (list && *list) {
        list += strspn(list, " \t,");
        size_t n = strcspn(list, " \t,");
        if (n == len && strncasecmp(list, word, len) == 0)
            return true;
        list += n;
    }
    return false;
}

static bool parse_length(const char *text, int64_t *out)
{
    size_t len = strlen(text);
    if (len == 0 || len > 15 || strspn(text, "0123456789") != len)
        return false;
    *out = 0;
    for (; *text; text++)
        *out = *out * 10 + (*text - '0');
    return true;
}

/* One header that decides where the message ends or how the connection goes on. */
struct seen {
    unsigned hosts, lengths, codings;
};

static int frame_header(const struct http_header *h, struct http_framing *f, struct seen *seen,
                        const char **why)
{
    if (strcasecmp(h->name, "Host") == 0) {
        seen->hosts++;
    } else if (strcasecmp(h->name, "Content-Length") == 0) {
        if (seen->lengths++ || !parse_length(h->value, &f->content_length))
            return refuse(why, 400, "malformed or repeated Content-Length");
    } else if (strcasecmp(h->name, "Transfer-Encoding") == 0) {
        if (seen->codings++)
            return refuse(why, 400, "repeated Transfer-Encoding");
        if (strcasecmp(h->value, "chunked") != 0)
            return refuse(why, 501, "transfer codings other than chunked are not implemented");
        f->is_chunked = true;
    } else if (strcasecmp(h->name, "Expect") == 0) {
        if (strcasecmp(h->value, "100-continue") != 0)
            return refuse(why, 417, "unknown expectation");
        f->expects_continue = !f->is_http10;
    } else if (strcasecmp(h->name, "Connection") == 0) {
        if (has_word(h->value, "close"))
            f->keep_alive = false;
        else if (f->is_http10 && has_word(h->value, "keep-alive"))
            f->keep_alive = true;
    }
    return 0;
}

static int check_framing(const struct http_request *req, const struct http_framing *f,
                         const struct seen *seen, const char **why)
{
    if (seen->hosts > 1 || (seen->hosts == 0 && !f->is_http10))
        return refuse(why, 400, "exactly one Host header is required");
    const char *host = http_header(req, "Host");
    if (req->authority && host && strcasecmp(req->authority, host) != 0)
        return refuse(why, 400, "the Host header differs from the request target");
    if (f->is_chunked && (seen->lengths || f->is_http10))
        return refuse(why, 400, "Transfer-Encoding does not go with Content-Length or HTTP/1.0");
    return 0;
}

/* Cuts the next line off; NULL unless it ends in CRLF and holds no other CR, LF or NUL. */
static char *next_line(char **at, const char *end)
{
    char *line = *at;
    char *lf = memchr(line, '\n', (size_t)(end - line));
    if (!lf || lf == line || lf[-1] != '\r')
        return NULL;
    lf[-1] = '\0';
    *at = lf + 1;
    if (memchr(line, '\r', (size_t)(lf - 1 - line)) || strlen(line) != (size_t)(lf - 1 - line))
        return NULL;
    return line;
}

int http_head_parse(const char *bytes, size_t len, struct arena *arena, struct http_request *req,
                    struct http_framing *framing, const char **why)
{
    char *at = arena_alloc(arena, len + 1);
    memcpy(at, bytes, len);
    const char *end = at + len;
    *req = (struct http_request){.query = "", .body = ""};
    *framing = (struct http_framing){.keep_alive = true};

    char *line = next_line(&at, end);
    int rc = line ? parse_request_line(line, req, framing, why)
                  : refuse(why, 400, "malformed request line");
    if (rc)
        return rc;
    framing->keep_alive = !framing->is_http10;

    struct http_header *headers = arena_alloc(arena, HTTP_HEADERS_MAX * sizeof *headers);
    struct seen seen = {0};
    for (;;) {
        line = next_line(&at, end);
        if (!line)
            return refuse(why, 400, "malformed header");
        if (!*line)
            break;
        if (req->header_count == HTTP_HEADERS_MAX)
            return refuse(why, 431, "too many headers");
        struct http_header *h = &headers[req->header_count];
        if (!parse_header(line, h))
            return refuse(why, 400, "malformed header");
        req->header_count++;
        if ((rc = frame_header(h, framing, &seen, why)))
            return rc;
    }
    req->headers = headers;
    return check_framing(req, framing, &seen, why);
}

/* ---- chunked bodies ---- */

enum {
    CHUNK_SIZE,
    CHUNK_EXT,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_CR,
    CHUNK_LF,
    CHUNK_TRAILER,
    CHUNK_TRAILER_LF
};

#define CHUNK_EXTRA_MAX 8192 /* extensions and trailers, which nobody reads */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool chunk_size_byte(struct http_chunks *c, char byte)
{
    int digit = hex_digit(byte);
    if (digit >= 0) {
        c->left = c->left * 16 + (unsigned)digit;
        return ++c->digits <= 15;
    }
    if (!c->digits)
        return false;
    if (byte == '\r')
        c->state = CHUNK_SIZE_LF;
    else if (byte == ';' || byte == ' ' || byte == '\t')
        c->state = CHUNK_EXT;
    else
        return false;
    return true;
}

/* One byte outside of chunk data: 0 go on, 1 complete, -1 malformed. */
static int chunk_byte(struct http_chunks *c, char byte)
{
    switch (c->state) {
    case CHUNK_SIZE:
        return chunk_size_byte(c, byte) ? 0 : -1;
    case CHUNK_EXT:
        if (byte == '\r')
            c->state = CHUNK_SIZE_LF;
        else if (((unsigned char)byte < ' ' && byte != '\t') || ++c->extra > CHUNK_EXTRA_MAX)
            return -1;
        return 0;
    case CHUNK_SIZE_LF:
        c->state = c->left ? CHUNK_DATA : CHUNK_TRAILER;
        c->digits = 0;
        return byte == '\n' ? 0 : -1;
    case CHUNK_CR:
        c->state = CHUNK_LF;
        return byte == '\r' ? 0 : -1;
    case CHUNK_LF:
        c->state = CHUNK_SIZE;
        return byte == '\n' ? 0 : -1;
    case CHUNK_TRAILER: /* digits counts the bytes of the present line */
        if (byte == '\r')
            c->state = CHUNK_TRAILER_LF;
        else if (byte == '\n' || ++c->extra > CHUNK_EXTRA_MAX)
            return -1;
        else
            c->digits++;
        return 0;
    case CHUNK_TRAILER_LF:
        if (byte != '\n')
            return -1;
        if (!c->digits)
            return 1;
        c->digits = 0;
        c->state = CHUNK_TRAILER;
        return 0;
    default:
        return -1;
    }
}

int http_chunks_feed(struct http_chunks *c, const char *bytes, size_t len, size_t *used, size_t max,
                     struct buf_out *out)
{
    size_t at = 0;
    int rc = 0;
    while (at < len && rc == 0) {
        if (c->state == CHUNK_DATA) {
            size_t n = len - at < c->left ? len - at : (size_t)c->left;
            if (c->left > max || out->len > max - c->left) {
                rc = -413;
                break;
            }
            buf_put(out, bytes + at, n);
            at += n;
            c->left -= n;
            if (!c->left)
                c->state = CHUNK_CR;
            continue;
        }
        rc = chunk_byte(c, bytes[at++]);
        if (rc < 0)
            rc = -400;
    }
    *used = at;
    return rc;
}

bool http_unescape(const char *text, size_t len, bool plus, char *out)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '%') {
            int high = i + 2 < len ? hex_digit(text[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
            if (low < 0 || high * 16 + low == 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (plus && c == '+') {
            c = ' ';
        }
        *out++ = c;
    }
    *out = '\0';
    return true;
}

const char *http_phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } phrases[] = {
        {200, "OK"},
        {201, "Created"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(phrases); i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "Status";
}
