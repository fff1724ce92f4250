/* A raw client for tests: bytes out, bytes in, on the same thread as the loop under test. */
#pragma once

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/loop.h"

struct client {
    int fd;
    struct buf_out in;
    bool eof;
};

static inline struct client client_open(const char *path)
{
    struct client c = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
    assert_true(c.fd >= 0);
    assert_int_equal(connect(c.fd, (const struct sockaddr *)&addr, sizeof addr), 0);
    buf_out_init(&c.in);
    return c;
}

static inline void client_close(struct client *c)
{
    close(c->fd);
    buf_out_fini(&c->in);
}

/* One pass of the loop, waiting at most 5 ms. */
static inline void loop_pass(struct loop *loop)
{
    const struct timeval tick = {.tv_usec = 5000};
    event_base_loopexit(loop_base(loop), &tick);
    event_base_loop(loop_base(loop), EVLOOP_ONCE);
}

static inline void client_read(struct client *c)
{
    char piece[65536];
    for (;;) {
        ssize_t n = recv(c->fd, piece, sizeof piece, 0);
        if (n > 0) {
            buf_put(&c->in, piece, (size_t)n);
            continue;
        }
        if (n == 0 || (errno != EAGAIN && errno != EINTR))
            c->eof = true;
        return;
    }
}

/* Sends everything, running the loop while the socket is full. A server that closes in between ends
 * it. */
static inline void client_send(struct client *c, struct loop *loop, const void *bytes, size_t len)
{
    const char *at = bytes;
    int64_t until = clock_mono_us() + 20000000;
    while (len && clock_mono_us() < until) {
        ssize_t n = send(c->fd, at, len, MSG_NOSIGNAL);
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN) {
            loop_pass(loop);
        } else {
            return;
        }
    }
}

static inline void client_puts(struct client *c, struct loop *loop, const char *text)
{
    client_send(c, loop, text, strlen(text));
}

/* Runs the loop until the client has read `text`, the connection ended, or 20 s passed. */
static inline bool client_expect(struct client *c, struct loop *loop, const char *text)
{
    int64_t until = clock_mono_us() + 20000000;
    while (clock_mono_us() < until) {
        client_read(c);
        if (c->in.data && strstr(c->in.data, text))
            return true;
        if (c->eof)
            return false;
        loop_pass(loop);
    }
    return false;
}

static inline bool client_expect_eof(struct client *c, struct loop *loop)
{
    int64_t until = clock_mono_us() + 20000000;
    while (!c->eof && clock_mono_us() < until) {
        client_read(c);
        if (!c->eof)
            loop_pass(loop);
    }
    return c->eof;
}

static inline const char *client_text(const struct client *c)
{
    return c->in.data ? c->in.data : "";
}

static inline void client_forget(struct client *c)
{
    buf_out_fini(&c->in);
    buf_out_init(&c->in);
}
