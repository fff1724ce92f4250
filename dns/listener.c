#include "dns/listener.h"

#include <stdlib.h>
#include <unistd.h>

#include "dns/tcp.h"
#include "dns/udp.h"

/* What a worker is to do; a list of these, the newest first, is in worker.changes. */
struct listen_change {
    struct listen_change *next;
    struct listener *comes; /* or NULL: number goes */
    uint64_t number;
};

static void push_change(struct worker *w, const struct listen_change *change)
{
    struct listen_change *c = xmalloc(sizeof *c);
    *c = *change;
    c->next = atomic_load_explicit(&w->changes, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&w->changes, &c->next, c, memory_order_release,
                                                  memory_order_relaxed))
        continue;
    worker_wake(w);
}

void listener_hand_over(struct worker *w, uint64_t number, int udp_fd, int tcp_fd, bool has_pktinfo)
{
    struct listener *l = xcalloc(1, sizeof *l);
    l->udp = (struct udp_socket){
        .worker = w, .number = number, .fd = udp_fd, .has_pktinfo = has_pktinfo, .users = 1};
    l->tcp = (struct tcp_listener){.worker = w, .fd = tcp_fd};
    push_change(w, &(struct listen_change){.comes = l});
}

void listener_call_back(struct worker *w, uint64_t number)
{
    push_change(w, &(struct listen_change){.number = number});
}

/* All changes, the oldest first. */
static struct listen_change *take_all(struct worker *w)
{
    struct listen_change *newest =
                             atomic_exchange_explicit(&w->changes, NULL, memory_order_acquire),
                         *oldest = NULL;
    while (newest) {
        struct listen_change *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

static void listener_free(struct listener *l)
{
    close(l->udp.fd);
    if (l->tcp.fd >= 0)
        close(l->tcp.fd);
    free(l);
}

void listener_release(struct udp_socket *socket)
{
    CHECK(socket->users > 0);
    if (--socket->users > 0)
        return;
    struct listener *l = LIST_ENTRY(socket, struct listener, udp);
    list_remove(&l->link);
    listener_free(l);
}

static struct listener *find(struct worker *w, uint64_t number)
{
    LIST_FOREACH(it, &w->listeners) /* NOLINT(clang-analyzer-unix.Malloc): whoever is freed left */
    {
        struct listener *l = LIST_ENTRY(it, struct listener, link);
        if (l->udp.number == number && !l->has_left)
            return l;
    }
    return NULL;
}

/* Its own use ends here; answers that wait for an upstream may go on. */
static void let_go(struct listener *l)
{
    l->has_left = true;
    tcp_stop_listening(&l->tcp);
    udp_refuse(&l->udp);
    udp_drain(&l->udp);
    listener_release(&l->udp);
}

void listener_take_changes(struct worker *w)
{
    struct listen_change *c = take_all(w);
    while (c) {
        struct listen_change *next = c->next;
        if (c->comes) {
            list_push_back(&w->listeners, &c->comes->link);
            udp_start(&c->comes->udp);
            tcp_start(&c->comes->tcp);
        } else {
            struct listener *l = find(w, c->number);
            if (l)
                let_go(l);
        }
        free(c);
        c = next;
    }
}

void listener_drain_all(struct worker *w)
{
    LIST_FOREACH(it, &w->listeners)
    {
        struct listener *l = LIST_ENTRY(it, struct listener, link);
        if (!l->has_left)
            tcp_stop_listening(&l->tcp);
    }
    LIST_FOREACH(it, &w->listeners)
    {
        struct listener *l = LIST_ENTRY(it, struct listener, link);
        if (!l->has_left)
            udp_drain(&l->udp);
    }
}

void listener_free_all(struct worker *w)
{
    for (struct listen_change *c = take_all(w), *next; c; c = next) {
        next = c->next;
        if (c->comes)
            listener_free(c->comes);
        free(c);
    }
    while (!list_is_empty(&w->listeners))
        listener_free(LIST_ENTRY(list_take_first(&w->listeners), struct listener, link));
}
