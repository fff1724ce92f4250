/* Requests to the API without sockets: an exchange per call, replies and streams taken as they
 * come. Apart from sim_api.c because the private headers of the API and those of the zones share
 * names. */
#pragma once

#include "base/buf.h"
#include "controller/api/http.h"

struct api_server;
struct registry;

/* One request and its reply. */
struct call {
    struct http_exchange x; /* first: the transport finds the call by it */
    int status;             /* 0: not answered yet */
    struct buf_out body;
    struct http_stream stream; /* pull NULL: none, or it ended */
    bool is_streaming;
};

struct api_server *sim_server_new(struct loop *loop, struct registry *reg);
/* All calls have ended. */
void sim_server_free(struct api_server *server);

/* Sends "METHOD /path?query"; body NULL: none. The reply comes at once or in the loop's passes. To
 * be ended in any case. ERR_MALFORMED. */
int call_send(struct call *c, struct api_server *server, const char *target, const char *type,
              const char *body, struct err *e);
void call_end(struct call *c);
