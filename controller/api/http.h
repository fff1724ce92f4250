/* controller/api/http.h - requests in, replies and pull streams out: the only file that knows
 * libevent's connections.
 *
 * Written on bufferevents and not on evhttp: that of libevent 2.1 answers its own errors in HTML
 * before any callback, has neither a deadline for a head that drips nor a limit on connections, and
 * reads several forms on which two parsers disagree (libraries.md section 1). Here every connection
 * is one struct with one state:
 *
 *   HEAD -> BODY -> HANDLING -> REPLY -> HEAD ...     one request at a time, the next one waits in
 * the socket
 *                           \-> STREAM -/             pulled when the client has read what it was
 * sent any -> REPLY -> LINGER -> closed                  refusals: the rest of the input is read
 * and dropped for a moment
 *
 * A handler gets an exchange and answers it once, at once or later. Control thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"
#include "controller/api/http_parse.h"
#include "controller/api/http_tls.h"

enum http_pull {
    HTTP_PULL_MORE, /* there is more: call again when the client has read this */
    HTTP_PULL_WAIT, /* nothing now: http_wake will be called */
    HTTP_PULL_END,  /* complete: close the stream cleanly */
    HTTP_PULL_CUT   /* drop the connection, the client must notice that something is missing */
};

/* A reply of unknown length. */
struct http_stream {
    /* Appends about HTTP_PULL_BYTES to out. */
    enum http_pull (*pull)(void *arg, struct buf_out *out);
    /* Exactly once, after END, CUT, or when the client left: frees arg. */
    void (*closed)(void *arg);
    void *arg;
    bool is_watch; /* may wait for long: a client that closes its side has left */
};
#define HTTP_PULL_BYTES 65536

struct http_reply {
    int status;
    const char *content_type; /* NULL: none */
    const char *headers;      /* complete further lines, "Warning: ...\r\n"; NULL: none */
};

/* One request being answered. */
struct http_exchange {
    struct http_request request;
    struct arena arena; /* until the reply is given */
    const struct http_transport *transport;
};

/* What carries exchanges: the connections of http.c, or a test without sockets. */
struct http_transport {
    void (*reply)(struct http_exchange *x, const struct http_reply *reply, struct buf_out *body);
    void (*stream)(struct http_exchange *x, const struct http_reply *reply,
                   const struct http_stream *stream);
    void (*wake)(struct http_exchange *x);
};

/* Answers; the bytes of body (may be NULL) are taken. The exchange is over with this call. */
void http_reply(struct http_exchange *x, const struct http_reply *reply, struct buf_out *body);
/* Answers with a stream; the header goes out at once (A33). The exchange lives until
 * stream->closed. */
void http_reply_stream(struct http_exchange *x, const struct http_reply *reply,
                       const struct http_stream *stream);
/* There is something to pull again. Cheap; pulls happen later, within the loop's budget. */
void http_wake(struct http_exchange *x);

typedef void http_handler_fn(void *arg, struct http_exchange *x);

struct http_opts {
    http_handler_fn *handler;
    void *arg;
    /* Local peers (Unix socket, plain TCP) must be root, ourselves, or the owner or in the group of
     * this file; "": of our own group. NULL: no such check. */
    const char *owner_socket;
    bool refuse_browsers; /* Host must be loopback, no Origin: a page in a browser cannot reach us
                             over TCP */
    /* 0 takes the default. */
    size_t max_connections; /* 4096 */
    size_t max_strangers;   /* 256: of them in a TLS handshake, or refused and about to hear it */
    size_t max_head_bytes;  /* 32 KiB */
    size_t max_body_bytes;  /* 3 MiB */
    int64_t idle_us;        /* 120 s: between requests (longer than the 90 s for which Go keeps a
                               connection) */
    int64_t handshake_us;   /* 10 s: from accept to the end of the TLS handshake */
    int64_t head_us;        /* 15 s: from the first byte of a head to its last */
    int64_t body_us;        /* 60 s: from the head to the last byte of the body */
    int64_t write_us;       /* 60 s: without any progress of a reply */
    size_t min_rate;        /* 32 KiB/s: a reply must be read this fast, after write_us */
    size_t max_replies;     /* 256 MiB: of large replies that wait to be read; reads get 429 then */
};
struct http_server;
int http_server_new(struct loop *loop, const struct http_opts *opts, struct http_server **out,
                    struct err *e);
/* Stops accepting, ends streams that wait, lets exchanges in flight be answered for at most
 * drain_us while the loop runs, then closes. Streams are closed, late replies are dropped. NULL is
 * fine. */
void http_server_free(struct http_server *server, int64_t drain_us);

/* Unix socket, mode 0660; who connects is checked by its credentials as well. A stale socket is
 * replaced, one that is served is not. ERR_IO. */
int http_listen_unix(struct http_server *server, const char *path, struct err *e);

/* "127.0.0.1:8001" or "[::1]:0". tls NULL: plain. ERR_INVALID, ERR_IO. */
int http_listen_tcp(struct http_server *server, const char *address, const struct http_tls *tls,
                    struct err *e);
/* New connections of the listeners with TLS use this one; those that are open keep what they have.
 * tls is borrowed for the call. */
void http_server_set_tls(struct http_server *server, const struct http_tls *tls);
/* TCP listeners in order, with the ports they got. */
size_t http_address_count(const struct http_server *server);
const char *http_address(const struct http_server *server, size_t i);
bool http_address_is_tls(const struct http_server *server, size_t i);
/* True for an address text of the loopback range. */
bool http_address_is_loopback(const char *address);

/* Bytes and connections of all servers of the process, as metrics. Once. */
void http_metrics_register(void);
