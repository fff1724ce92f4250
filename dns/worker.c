#include "dns/worker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "dns/listener.h"
#include "dns/tcp.h"
#include "dns/udp.h"

#define BEAT_US 500000

/* A number, once announced, says that no older options will be used: the loads only go forward, and
 * dns/server frees what is older than every announcement. */
static void take_options(struct worker *w)
{
    const struct answer_opts *opts = atomic_load_explicit(&w->shared->answer, memory_order_acquire);
    if (opts == w->ctx.opts)
        return;
    w->ctx.opts = opts;
    atomic_store_explicit(&w->opts_number, opts->number, memory_order_release);
}

const struct zone_version *worker_enter(struct worker *w)
{
    take_options(w);
    w->now_us = w->ctx.now_us = clock_mono_us();
    w->ctx.wall_s = (uint32_t)(clock_now_us() / 1000000);
    int64_t since_us = atomic_load_explicit(&w->shared->stale_since_us, memory_order_relaxed);
    w->ctx.stale_us = since_us == 0 ? 0 : w->now_us - since_us;
    return publish_enter(w->shared->zones, w->index, NULL);
}

static void log_limited(struct dns_context *ctx)
{
    char client[INET6_ADDRSTRLEN];
    inet_ntop(ctx->limited_addr_len == 4 ? AF_INET : AF_INET6, ctx->limited_addr, client,
              sizeof client);
    LOG_LIMITED(LOG_WARN, "client=%s msg=\"more queries than dns.client-limit, dropped\"", client);
    ctx->limited = 0;
}

void worker_leave(struct worker *w)
{
    publish_leave(w->shared->zones, w->index);
    if (w->ctx.limited > 0)
        log_limited(&w->ctx);
}

size_t worker_respond(struct worker *w, const struct zone_version *version,
                      const struct dns_peer *peer, const uint8_t *packet, size_t len, uint8_t *out,
                      size_t room)
{
    size_t size = dns_respond(&w->ctx, version, peer, packet, len, out, room);
    uint32_t one_of = w->ctx.opts->log_queries;
    if (one_of > 0 && len >= DNS_HEADER_SIZE && query_log_picks(&w->query_log, one_of, w->now_us))
        query_log_write(&w->query_log, peer, packet, len, out, size, w->ctx.relay.is_wanted);
    return size;
}

void worker_wake(struct worker *w)
{
    uint64_t one = 1;
    while (write(w->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        continue; /* EAGAIN: it is awake already */
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct worker *w = worker_from(arg);
    uint64_t count;
    if (read(fd, &count, sizeof count) < 0)
        return;
    tcp_close_evicted(w);
    listener_take_changes(w);
    take_options(w);
    if (atomic_load(&w->must_stop))
        event_base_loopbreak(w->base);
}

static void on_beat(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct worker *w = worker_from(arg);
    atomic_store_explicit(&w->beat_us, clock_mono_us(), memory_order_relaxed);
    tcp_close_overdue(w);
}

static struct event_base *new_base(void)
{
    struct event_config *config = event_config_new();
    CHECK(config);
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK); /* nobody else touches this base */
    struct event_base *base = event_base_new_with_config(config);
    CHECK(base);
    event_config_free(config);
    return base;
}

struct worker *worker_new(struct dns_shared *shared, unsigned index)
{
    struct worker *w;
    CHECK(posix_memalign((void **)&w, alignof(struct worker), sizeof *w) == 0);
    memset(w, 0, sizeof *w);
    w->magic = WORKER_MAGIC;
    w->index = index;
    w->shared = shared;
    w->base = new_base();
    w->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    w->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK(w->wake_fd >= 0);
    list_init(&w->conns);
    list_init(&w->transfers);
    list_init(&w->listeners);
    w->batch = udp_batch_new();
    w->tcp_io = tcp_io_new();
    uint8_t key[COOKIE_SECRET_SIZE];
    random_bytes(key, sizeof key);
    error_limit_init(&w->errors, key);
    dns_context_init(&w->ctx, NULL, &w->counters, random_u64());
    w->ctx.clients = &shared->clients;
    take_options(w);
    if (w->ctx.opts->forward)
        w->forward = forwarder_new(w->base, w->ctx.opts->forward, &shared->loop_found, index == 0);
    CHECK(event_assign(&w->wake, w->base, w->wake_fd, EV_READ | EV_PERSIST, on_wake, w) == 0);
    CHECK(event_assign(&w->beat, w->base, -1, EV_PERSIST, on_beat, w) == 0);
    return w;
}

static void *worker_main(void *arg)
{
    struct worker *w = worker_from(arg);
    const struct timeval beat = {.tv_usec = BEAT_US};
    on_beat(-1, 0, w);
    CHECK(event_add(&w->wake, NULL) == 0 && event_add(&w->beat, &beat) == 0);
    listener_take_changes(w);
    while (!atomic_load(&w->must_stop))
        event_base_loop(w->base, 0);
    listener_take_changes(w);
    listener_drain_all(w);
    if (w->forward)
        forward_drain(w->forward);
    tcp_drain(w);
    return NULL;
}

int worker_start(struct worker *w, struct err *e)
{
    sigset_t all, before; /* signals are the control thread's */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&w->thread, NULL, worker_main, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        return err_set(e, ERR_IO, "cannot start DNS worker %u: %s", w->index, strerrordesc_np(rc));
    w->is_running = true;
    return 0;
}

void worker_stop(struct worker *w)
{
    atomic_store(&w->must_stop, true);
    worker_wake(w);
}

void worker_join(struct worker *w)
{
    if (!w || !w->is_running)
        return;
    CHECK(pthread_join(w->thread, NULL) == 0);
    w->is_running = false;
}

void worker_free(struct worker *w)
{
    if (!w)
        return;
    CHECK(!w->is_running);
    listener_free_all(w);
    forwarder_free(w->forward);
    event_base_free(w->base);
    close(w->wake_fd);
    if (w->spare_fd >= 0)
        close(w->spare_fd);
    udp_batch_free(w->batch);
    tcp_io_free(w->tcp_io);
    free(w);
}
