/* controller/api/http_conn.h - one connection and its server; private to http.c and http_conn.c. */
#pragma once

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>

#include "base/check.h"
#include "base/list.h"
#include "base/metrics.h"
#include "controller/api/http.h"

enum conn_state { CONN_HEAD, CONN_BODY, CONN_HANDLING, CONN_STREAM, CONN_REPLY, CONN_LINGER };

#define HTTP_CONN_MAGIC     0x68747463u
#define HTTP_SERVER_MAGIC   0x68747473u
#define HTTP_LISTENER_MAGIC 0x6874746cu

/* Bodies in flight over all connections of a server. */
#define HTTP_BODIES_MAX ((size_t)192 << 20)
/* Streams pulled per turn after a wake: the rest goes on in the next turn. */
#define HTTP_WAKE_BUDGET 64
#define HTTP_LINGER_US   2000000
#define HTTP_EMFILE_US   200000

struct ssl_ctx_st;

struct http_listener {
    uint32_t magic;
    struct list link;
    struct http_server *server;
    struct evconnlistener *ev;
    struct loop_timer retry;
    bool is_unix;
    char *path;    /* of the Unix socket, unlinked when closed */
    char *address; /* of the TCP listener */
    struct ssl_ctx_st *tls;
};

struct http_server {
    uint32_t magic;
    struct loop *loop;
    struct http_opts opts;
    char *owner_socket; /* owns what opts.owner_socket points to */
    struct list listeners, conns, woken;
    struct loop_task wake_task;
    size_t conn_count, stranger_count, body_bytes, reply_bytes;
    bool stopping;
    bool is_dead; /* freed with the last orphan */
};

struct http_conn {
    uint32_t magic;
    struct list link, woken;
    struct http_server *server;
    struct bufferevent *bev;
    enum conn_state state;
    struct loop_timer deadline;
    struct http_peer peer;
    const char *refused; /* why this peer may not ask anything */
    bool is_tcp, is_tls;
    bool shakes_hands; /* TLS: not established yet */
    bool is_stranger;  /* counted in the server's stranger_count */
    struct http_tls_subject subject;

    struct http_exchange x;
    struct http_framing framing;
    struct http_chunks chunks;
    struct buf_out body;
    size_t reply_len;  /* of the reply that is on its way, as counted in the server's reply_bytes */
    size_t scanned;    /* bytes of the head already searched for its end */
    bool timing_head;  /* the first byte of a head has come */
    bool close_after;  /* the connection ends with this reply */
    bool lingers;      /* ... and its input is not trusted any more */
    bool is_head_only; /* HEAD: no body goes out */

    struct http_stream stream;
    bool waiting; /* the stream said WAIT */
    bool ending;  /* the stream said END: flush, then go on */
};

struct http_counters {
    double connections_now, connections, refused, accept_errors, tls_failures, received_bytes,
        sent_bytes;
};
extern struct http_counters http_counters;

/* Takes the bufferevent. */
void http_conn_new(struct http_server *server, const struct http_listener *listener,
                   struct bufferevent *bev, int fd);
/* Closes at once; a stream is told, an exchange in flight becomes an orphan whose reply is dropped.
 */
void http_conn_free(struct http_conn *c);
/* Pulls once if the stream waits. */
void http_conn_woken(struct http_conn *c);
/* Ends a waiting stream cleanly, closes an idle connection; others close after their reply. */
void http_conn_stop(struct http_conn *c);
