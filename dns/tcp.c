#include "dns/tcp.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "dns/tcp_frames.h"
#include "dns/tcp_transfers.h"
#include "dns/wire.h"

#define ACCEPT_BUDGET   64
#define STOP_BUDGETS    17 /* a queue of connections, dns/listen.c */
#define READ_SIZE       65536
#define FRAME_SIZE      65537 /* TCP_MESSAGE_MAX and its length */
#define OUT_LIMIT       65536 /* answers queued; above, a connection is neither read nor answered */
#define RUN_BUDGET      262144  /* octets of answers per callback */
#define TRANSFER_BUDGET 65536   /* octets of transfers per callback */
#define PAUSE_US        200000  /* without descriptors */
#define WAITING_MAX     32      /* messages of a connection that wait for an upstream */
#define LINGER_LIMIT    1048576 /* octets read and dropped behind a message too short */

struct tcp_io { /* scratch of one callback */
    uint8_t in[READ_SIZE];
    uint8_t out[2UL * FRAME_SIZE];
};

#define TCP_CONN_MAGIC 0x74637063U

struct tcp_conn {
    unsigned magic;
    struct worker *worker;
    int fd;
    struct event read, write, timer;
    struct list link; /* worker's conns */
    struct tcp_entry entry;
    struct dns_peer peer;
    struct tcp_frames frames;
    struct tcp_transfers transfers;
    uint8_t *out; /* owned: answers that the socket did not take, out[out_at..out_len) */
    size_t out_at, out_len;
    int64_t due_us,
        timer_us; /* what the timer is for, and when it fires at the latest (it may be earlier) */
    struct list waiters; /* struct tcp_waiter */
    unsigned waiting;    /* how many; at WAITING_MAX nothing more is read or answered */
    bool is_idle, has_asked, is_reading, is_partial;
    bool is_eof;       /* the client has sent its last */
    bool is_closing;   /* no more is answered; ends when everything is sent */
    bool is_lingering; /* everything is sent: what still comes is dropped, until the client ends */
    size_t dropped;    /* octets, while lingering */
    bool is_dead;      /* ends now */
    enum dns_tcp_close reason;
};

struct tcp_io *tcp_io_new(void)
{
    return xmalloc(sizeof(struct tcp_io));
}

void tcp_io_free(struct tcp_io *io)
{
    free(io);
}

static struct tcp_conn *conn_from(void *arg)
{
    struct tcp_conn *c = arg;
    CHECK(c && c->magic == TCP_CONN_MAGIC);
    return c;
}

static enum dns_transfer transfer_result(enum dns_tcp_close reason)
{
    if (reason == TCP_CLOSE_STALLED)
        return TRANSFER_STALLED;
    return reason == TCP_CLOSE_STOP ? TRANSFER_STOP : TRANSFER_CLOSED;
}

/* A message that waits for an upstream. */
struct tcp_waiter {
    struct forward_waiter waiter;
    struct list link; /* the connection's */
    struct tcp_conn *conn;
    size_t len;
    uint8_t packet[];
};

static void waiter_free(struct tcp_waiter *tw)
{
    list_remove(&tw->link);
    tw->conn->waiting--;
    free(tw);
}

static void conn_close(struct tcp_conn *c, enum dns_tcp_close reason)
{
    struct worker *w = c->worker;
    while (!list_is_empty(&c->waiters)) {
        struct list *first = list_take_first(&c->waiters);
        struct tcp_waiter *tw = LIST_ENTRY(first, struct tcp_waiter, link);
        forward_cancel(w->forward, &tw->waiter);
        waiter_free(tw);
    }
    counter_add(&w->counters.tcp_closed[reason], 1);
    tcp_transfers_end(&c->transfers, transfer_result(reason));
    event_del(&c->read);
    event_del(&c->write);
    event_del(&c->timer);
    list_remove(&c->link);
    tcp_registry_leave(&w->shared->registry, &c->entry);
    close(c->fd);
    tcp_frames_fini(&c->frames);
    free(c->out);
    c->magic = 0;
    free(c);
}

/* ---- timers: one event per connection, moved only when it would fire too late ---- */

static void set_timer(struct tcp_conn *c, int64_t at_us)
{
    int64_t wait_us = at_us - clock_mono_us();
    if (wait_us < 0)
        wait_us = 0;
    struct timeval wait = {.tv_sec = wait_us / 1000000, .tv_usec = wait_us % 1000000};
    CHECK(event_add(&c->timer, &wait) == 0);
    c->timer_us = at_us;
}

static void set_due(struct tcp_conn *c, int64_t wait_us, enum dns_tcp_close reason)
{
    c->due_us = clock_mono_us() + wait_us;
    c->reason = reason;
    if (c->timer_us == 0 || c->due_us < c->timer_us)
        set_timer(c, c->due_us);
}

/* ---- writing ---- */

static size_t out_left(const struct tcp_conn *c)
{
    return c->out_len - c->out_at;
}

/* Octets that the socket took; 0 when it is full or broken (then is_dead). */
static size_t conn_send(struct tcp_conn *c, const uint8_t *bytes, size_t len)
{
    for (;;) {
        ssize_t n = send(c->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0)
            return (size_t)n;
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            c->is_dead = true;
        return 0;
    }
}

static void conn_write(struct tcp_conn *c, const uint8_t *bytes, size_t len)
{
    size_t sent = out_left(c) == 0 && !c->is_dead ? conn_send(c, bytes, len) : 0;
    if (sent == len || c->is_dead)
        return;
    size_t left = out_left(c);
    uint8_t *out = xmalloc(left + len - sent);
    if (left > 0)
        memcpy(out, c->out + c->out_at, left);
    memcpy(out + left, bytes + sent, len - sent);
    free(c->out);
    c->out = out;
    c->out_at = 0;
    c->out_len = left + len - sent;
}

static void conn_flush(struct tcp_conn *c)
{
    if (out_left(c) == 0)
        return;
    size_t sent = conn_send(c, c->out + c->out_at, out_left(c));
    c->out_at += sent;
    if (sent > 0)
        set_due(c, c->worker->shared->timing.stall_us, TCP_CLOSE_STALLED);
    if (out_left(c) == 0) {
        free(c->out);
        c->out = NULL;
        c->out_at = c->out_len = 0;
    }
}

/* ---- answering ---- */

static struct transfer *on_transfer(void *arg)
{
    struct tcp_conn *c = arg;
    return tcp_transfers_open(&c->transfers);
}

static void on_upstream(struct forward_waiter *waiter, const struct dns_upstream *upstream);

/* Other messages of the connection are answered meanwhile. */
static void wait_for_upstream(struct tcp_conn *c, const uint8_t *message, size_t len)
{
    struct worker *w = c->worker;
    size_t bytes = sizeof(struct tcp_waiter) + len;
    struct tcp_waiter *tw = xcalloc(1, bytes);
    w->ctx.relay.is_wanted = false;
    tw->waiter = (struct forward_waiter){.done = on_upstream, .bytes = bytes, .proto = DNS_TCP};
    tw->conn = c;
    tw->len = len;
    memcpy(tw->packet, message, len);
    list_push_back(&c->waiters, &tw->link);
    c->waiting++;
    forward_ask(w->forward, &tw->waiter, &w->ctx.relay);
}

static bool may_answer(const struct tcp_conn *c)
{
    return !c->is_closing && !c->is_dead && out_left(c) <= OUT_LIMIT && c->waiting < WAITING_MAX;
}

/* What the client is told of its idle time. */
static void set_keepalive(struct tcp_conn *c)
{
    struct worker *w = c->worker;
    bool is_ending = c->is_eof || atomic_load_explicit(&w->must_stop, memory_order_relaxed);
    int64_t ds = is_ending ? 0 : w->shared->timing.idle_us / 100000;
    c->peer.keepalive_ds = ds > UINT16_MAX ? UINT16_MAX : (uint16_t)ds;
}

/* Answers whole messages until there are none, the client does not read, or the budget is spent. */
static void conn_answer(struct tcp_conn *c)
{
    struct worker *w = c->worker;
    uint8_t *out = w->tcp_io->out;
    size_t used = 0, budget = RUN_BUDGET;
    const struct zone_version *version = worker_enter(w);
    set_keepalive(c);
    w->ctx.transfer_new = on_transfer;
    w->ctx.transfer_arg = c;
    while (may_answer(c) && budget > 0) {
        const uint8_t *message;
        size_t len;
        enum tcp_frame frame = tcp_frames_next(&c->frames, &message, &len);
        if (frame == TCP_NEED_MORE)
            break;
        c->is_closing = frame == TCP_TOO_SHORT;
        if (c->is_closing)
            break;
        c->has_asked = true;
        c->is_partial = false; /* what is left is another message, with its own time */
        size_t size =
            worker_respond(w, version, &c->peer, message, len, out + used + 2, TCP_MESSAGE_MAX);
        if (size == 0 && w->ctx.relay.is_wanted)
            wait_for_upstream(c, message, len);
        if (size > 0) {
            put16(out + used, (uint16_t)size); /* length and message leave together */
            used += size + 2;
        }
        budget -= size + 32 < budget ? size + 32 : budget;
        if (used > FRAME_SIZE) {
            conn_write(c, out, used);
            used = 0;
        }
    }
    worker_leave(w);
    w->ctx.transfer_new = NULL;
    if (used > 0)
        conn_write(c, out, used);
    tcp_frames_trim(&c->frames);
}

/* Writes on while the socket takes it, then leaves the thread to others. */
static void conn_transfer(struct tcp_conn *c)
{
    uint8_t *out = c->worker->tcp_io->out;
    size_t budget = TRANSFER_BUDGET;
    while (tcp_transfers_are_running(&c->transfers) && out_left(c) == 0 && !c->is_dead &&
           budget > 0) {
        bool failed;
        size_t size = tcp_transfers_next(&c->transfers, out + 2, &failed);
        c->is_dead = failed;
        if (size == 0)
            continue;
        put16(out, (uint16_t)size);
        conn_write(c, out, size + 2);
        budget -= size + 2 < budget ? size + 2 : budget;
    }
}

/* More can be done at once, without waiting for the socket. */
static bool has_work(const struct tcp_conn *c)
{
    return tcp_transfers_are_running(&c->transfers) ||
           (c->waiting < WAITING_MAX && tcp_frames_is_ready(&c->frames));
}

static void set_reading(struct tcp_conn *c, bool is_reading)
{
    if (is_reading == c->is_reading)
        return;
    c->is_reading = is_reading;
    CHECK((is_reading ? event_add(&c->read, NULL) : event_del(&c->read)) == 0);
}

/* Waits for what comes next: the socket to take answers, another turn, the rest of a message, or a
 * message. */
static void conn_wait(struct tcp_conn *c)
{
    const struct tcp_timing *timing = &c->worker->shared->timing;
    bool was_partial = c->is_partial;
    bool is_sending = out_left(c) > 0, is_full = c->waiting == WAITING_MAX;
    bool is_ready = tcp_frames_is_ready(&c->frames);
    bool is_busy = is_sending || has_work(c);
    c->is_partial = !is_busy && !is_full && tcp_frames_is_partial(&c->frames);
    c->is_idle = !is_busy && !c->is_partial && c->waiting == 0;
    tcp_registry_set_idle(&c->worker->shared->registry, &c->entry, c->is_idle);
    set_reading(c,
                !c->is_eof && !c->is_closing && !is_ready && !is_full && out_left(c) <= OUT_LIMIT);
    if (is_sending) {
        if (!event_pending(&c->write, EV_WRITE, NULL)) {
            CHECK(event_add(&c->write, NULL) == 0);
            set_due(c, timing->stall_us, TCP_CLOSE_STALLED);
        }
    } else if (is_busy) {
        c->due_us = 0; /* the budget is spent: go on after the others */
        set_timer(c, 0);
    } else if (!c->has_asked) {
        return; /* the timer of accept runs on */
    } else if (c->is_partial) {
        if (!was_partial)
            set_due(c, timing->message_us, TCP_CLOSE_MESSAGE);
    } else if (c->waiting > 0) {
        c->due_us = INT64_MAX; /* until the forwarder answers, which has its own limit */
    } else {
        set_due(c, timing->idle_us, TCP_CLOSE_IDLE);
    }
}

/* Our end only: a socket closed with octets unread would send a reset, which takes back answers
 * that the client has not read yet (RFC 1122 section 4.2.2.13). */
static void conn_linger(struct tcp_conn *c)
{
    c->is_lingering = true;
    (void)shutdown(c->fd, SHUT_WR);
    set_reading(c, true);
    set_due(c, c->worker->shared->timing.message_us, TCP_CLOSE_SHORT);
}

/* Answers, then closes or waits. May free c. */
static void conn_run(struct tcp_conn *c)
{
    if (!c->is_dead)
        conn_answer(c);
    if (!c->is_dead)
        conn_transfer(c);
    bool is_all_sent =
        out_left(c) == 0 && c->waiting == 0 && !tcp_transfers_are_running(&c->transfers);
    if (c->is_dead)
        conn_close(c, TCP_CLOSE_RESET);
    else if (c->is_closing && is_all_sent)
        conn_linger(c);
    else if (c->is_eof && is_all_sent && !tcp_frames_is_ready(&c->frames))
        conn_close(c, TCP_CLOSE_CLIENT);
    else
        conn_wait(c);
}

/* The answer that a message has waited for. */
static void on_upstream(struct forward_waiter *waiter, const struct dns_upstream *upstream)
{
    struct tcp_waiter *tw = LIST_ENTRY(waiter, struct tcp_waiter, waiter);
    struct tcp_conn *c = conn_from(tw->conn);
    struct worker *w = c->worker;
    uint8_t *out = w->tcp_io->out;
    const struct zone_version *version = worker_enter(w);
    set_keepalive(c);
    size_t size = dns_respond_again(&w->ctx, version, &c->peer, tw->packet, tw->len, upstream,
                                    out + 2, TCP_MESSAGE_MAX);
    worker_leave(w);
    if (size == 0 && w->ctx.relay.is_wanted) { /* the name leads elsewhere now */
        w->ctx.relay.is_wanted = false;
        forward_ask(w->forward, waiter, &w->ctx.relay);
        return;
    }
    waiter_free(tw);
    if (size > 0) {
        put16(out, (uint16_t)size);
        conn_write(c, out, size + 2);
    }
    conn_run(c);
}

/* What fits one buffer; when it does, the look for more shows whether the client has sent its last.
 * False when nothing was there. */
static bool conn_read(struct tcp_conn *c)
{
    struct tcp_io *io = c->worker->tcp_io;
    size_t len = 0;
    ssize_t n = 1;
    while (n > 0 && len < sizeof io->in) {
        n = recv(c->fd, io->in + len, sizeof io->in - len, MSG_DONTWAIT);
        len += n > 0 ? (size_t)n : 0;
    }
    c->is_eof = n == 0;
    c->is_dead = n < 0 && errno != EAGAIN && errno != EINTR;
    tcp_frames_append(&c->frames, io->in, len);
    return len > 0 || c->is_eof || c->is_dead;
}

/* Drops what one read gives; at the end of the stream, or when it is too much, the connection goes.
 */
static void conn_drop(struct tcp_conn *c)
{
    struct tcp_io *io = c->worker->tcp_io;
    ssize_t n = recv(c->fd, io->in, sizeof io->in, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    c->dropped += n > 0 ? (size_t)n : 0;
    if (n <= 0 || c->dropped > LINGER_LIMIT)
        conn_close(c, TCP_CLOSE_SHORT);
}

static void on_conn_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct tcp_conn *c = conn_from(arg);
    if (c->is_lingering)
        conn_drop(c);
    else if (conn_read(c))
        conn_run(c);
}

static void on_conn_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct tcp_conn *c = conn_from(arg);
    conn_flush(c);
    if (out_left(c) > 0 && !c->is_dead) {
        CHECK(event_add(&c->write, NULL) == 0);
        return;
    }
    conn_run(c);
}

static void on_conn_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct tcp_conn *c = conn_from(arg);
    c->timer_us = 0;
    if (!c->is_lingering && out_left(c) == 0 && has_work(c)) {
        conn_run(c);
    } else if (clock_mono_us() < c->due_us) {
        set_timer(c, c->due_us);
    } else {
        conn_close(c, c->reason);
    }
}

/* ---- accepting ---- */

void tcp_open(struct worker *w, int fd, const struct dns_peer *peer)
{
    struct tcp_conn *c = xcalloc(1, sizeof *c);
    int wake;
    counter_add(&w->counters.tcp_opened, 1);
    if (!tcp_registry_admit(&w->shared->registry, &c->entry, peer->addr, peer->addr_len, w->index,
                            &wake)) {
        counter_add(&w->counters.tcp_closed[TCP_CLOSE_REFUSED], 1);
        close(fd);
        free(c);
        return;
    }
    c->magic = TCP_CONN_MAGIC;
    c->worker = w;
    c->fd = fd;
    c->peer = *peer;
    c->is_idle = true;
    c->transfers =
        (struct tcp_transfers){.conn = c, .worker = w, .entry = &c->entry, .peer = &c->peer};
    list_init(&c->transfers.running);
    list_init(&c->waiters);
    list_push_back(&w->conns, &c->link);
    CHECK(event_assign(&c->read, w->base, fd, EV_READ | EV_PERSIST, on_conn_readable, c) == 0);
    CHECK(event_assign(&c->write, w->base, fd, EV_WRITE, on_conn_writable, c) == 0);
    CHECK(event_assign(&c->timer, w->base, -1, 0, on_conn_timer, c) == 0);
    set_due(c, w->shared->timing.first_us, TCP_CLOSE_MESSAGE);
    set_reading(c, true);
    if (wake == (int)w->index)
        tcp_close_evicted(w); /* perhaps c: from its admission on, another worker can evict it */
    else if (wake >= 0)
        worker_wake(w->shared->workers[wake]);
}

void tcp_close_evicted(struct worker *w)
{
    struct tcp_entry *entry;
    while ((entry = tcp_registry_next_evicted(&w->shared->registry, w->index)))
        conn_close(LIST_ENTRY(entry, struct tcp_conn, entry), TCP_CLOSE_EVICTED);
}

void tcp_close_overdue(struct worker *w)
{
    struct tcp_conn *c;
    enum dns_transfer result;
    while ((c = tcp_transfers_overdue(w, &result))) {
        tcp_transfers_end(&c->transfers, result);
        conn_close(c, TCP_CLOSE_TRANSFER);
    }
}

/* Out of descriptors: the spare one takes the connection off the queue, so that accept does not
 * spin. */
static void accept_without_descriptors(struct tcp_listener *l)
{
    struct worker *w = l->worker;
    const struct timeval pause = {.tv_usec = PAUSE_US};
    LOG_LIMITED(LOG_WARN, "worker=%u msg=\"out of file descriptors, TCP connections are refused\"",
                w->index);
    if (w->spare_fd >= 0) {
        close(w->spare_fd);
        int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            counter_add(&w->counters.tcp_opened, 1);
            counter_add(&w->counters.tcp_closed[TCP_CLOSE_REFUSED], 1);
            close(fd);
        }
    }
    w->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    event_del(&l->event);
    CHECK(event_add(&l->pause, &pause) == 0);
}

static void on_pause_over(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct tcp_listener *l = arg;
    CHECK(worker_from(l->worker) && event_add(&l->event, NULL) == 0);
}

/* True when there may be more. */
static bool accept_some(struct tcp_listener *l)
{
    for (int i = 0; i < ACCEPT_BUDGET; i++) {
        union {
            struct sockaddr any;
            struct sockaddr_in v4;
            struct sockaddr_in6 v6;
        } from = {.any.sa_family = AF_UNSPEC};
        socklen_t len = sizeof from;
        int fd = accept4(l->fd, &from.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == ECONNABORTED || errno == EINTR)
                continue;
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                accept_without_descriptors(l);
            return false;
        }
        struct dns_peer peer = {.proto = DNS_TCP};
        peer_from(&peer, &from.any);
        int on = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        tcp_open(l->worker, fd, &peer);
    }
    return true;
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct tcp_listener *l = arg;
    CHECK(worker_from(l->worker));
    (void)accept_some(l);
}

void tcp_start(struct tcp_listener *l)
{
    struct event_base *base = l->worker->base;
    CHECK(event_assign(&l->event, base, l->fd, EV_READ | EV_PERSIST, on_acceptable, l) == 0);
    CHECK(event_assign(&l->pause, base, -1, 0, on_pause_over, l) == 0);
    CHECK(event_add(&l->event, NULL) == 0);
}

void tcp_stop_listening(struct tcp_listener *l)
{
    for (int i = 0; i < STOP_BUDGETS && accept_some(l); i++)
        continue; /* whoever has connected has been promised an answer */
    event_del(&l->event);
    event_del(&l->pause);
    close(l->fd);
    l->fd = -1;
}

void tcp_drain(struct worker *w)
{
    tcp_close_evicted(w);
    LIST_FOREACH(it, &w->conns)
    {
        struct tcp_conn *c = LIST_ENTRY(it, struct tcp_conn, link);
        conn_flush(c);
        if (out_left(c) == 0 && !c->is_dead && !c->is_eof && !c->is_lingering && conn_read(c) &&
            !c->is_dead)
            conn_answer(c);
    }
    if (w->forward)
        forward_drain(w->forward); /* may close some */
    LIST_FOREACH(rest, &w->conns)
    {
        conn_close(LIST_ENTRY(rest, struct tcp_conn, link), TCP_CLOSE_STOP);
    }
}
