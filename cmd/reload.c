#include "cmd/reload.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "conf/conf.h"

#define CHECK_US  INT64_C(30000000)
#define JITTER_US INT64_C(15000000)

struct file_seen file_look(const char *path)
{
    struct file_seen seen = {0};
    if (!path || !*path || stat(path, &seen.now) != 0)
        return (struct file_seen){0};
    return seen;
}

bool file_is_same(const struct file_seen *one, const struct file_seen *other)
{
    const struct stat *a = &one->now, *b = &other->now;
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static const char *watched(const struct reload *r, size_t i)
{
    const struct options *o = r->options;
    const char *const files[RELOAD_FILES] = {r->file, o->dns_cookie_secret, o->api_tls_cert,
                                             o->api_tls_key, o->api_tls_client_ca};
    return files[i];
}

/* Before the files are read: one that changes meanwhile is then read again. */
static void look_at_all(struct reload *r)
{
    for (size_t i = 0; i < RELOAD_FILES; i++)
        r->seen[i] = file_look(watched(r, i));
}

static void set_timer(struct reload *r)
{
    int64_t jitter_us = (int64_t)random_below(2 * JITTER_US) - JITTER_US;
    loop_timer_set(&r->timer, clock_mono_us() + CHECK_US + jitter_us);
}

static void on_timer(void *arg)
{
    struct reload *r = arg;
    bool is_changed = false;
    for (size_t i = 0; i < RELOAD_FILES; i++) {
        struct file_seen now = file_look(watched(r, i));
        is_changed = is_changed || !file_is_same(&now, &r->seen[i]);
    }
    if (is_changed)
        reload_now(r, "a file has changed");
    set_timer(r);
}

void reload_start(struct reload *r, struct loop *loop)
{
    look_at_all(r);
    loop_timer_init(&r->timer, loop, on_timer, r);
    set_timer(r);
}

void reload_stop(struct reload *r)
{
    loop_timer_fini(&r->timer);
}

void reload_now(struct reload *r, const char *why)
{
    struct options fresh;
    struct err e = {0};
    struct buf_out live, fixed;
    buf_out_init(&live);
    buf_out_init(&fixed);
    look_at_all(r);
    int rc = conf_load(r->file, r->settings, r->setting_count, &fresh, &e);
    if (rc == 0) {
        conf_swap_live(r->options, &fresh, &live, &fixed);
        rc = r->apply(r->arg, r->options, &e);
        if (rc < 0)
            conf_swap_live(r->options, &fresh, NULL, NULL);
        conf_fini(&fresh);
    }
    if (rc < 0) {
        r->failed++;
        log_error("reason=\"%s\" msg=\"configuration not reloaded, the old one stays: %s\"", why,
                  e.text);
    } else {
        r->succeeded++;
        log_info("reason=\"%s\" changed=\"%s\" msg=\"configuration reloaded\"", why,
                 live.len ? live.data + 1 : "");
        if (fixed.len)
            log_warn("options=\"%s\" msg=\"changed, but only a restart takes these\"",
                     fixed.data + 1);
    }
    buf_out_fini(&live);
    buf_out_fini(&fixed);
}
