#include "cmd/reload.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "conf/conf.h"

#define CHECK_US  INT64_C(30000000)
#define JITTER_US INT64_C(15000000)

/* What the file is now: all zero when there is none, or no such option. */
static struct stat look(const char *path)
{
    struct stat now = {0};
    if (!path || !*path || stat(path, &now) != 0)
        return (struct stat){0};
    return now;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Before the files are read: one that changes meanwhile is then read again. */
static void look_at_all(struct reload *r)
{
    r->file_seen = look(r->file);
    r->secret_seen = look(r->options->dns_cookie_secret);
}

static void set_timer(struct reload *r)
{
    int64_t jitter_us = (int64_t)random_below(2 * JITTER_US) - JITTER_US;
    loop_timer_set(&r->timer, clock_mono_us() + CHECK_US + jitter_us);
}

static void on_timer(void *arg)
{
    struct reload *r = arg;
    struct stat file = look(r->file), secret = look(r->options->dns_cookie_secret);
    if (!is_same(&file, &r->file_seen) || !is_same(&secret, &r->secret_seen))
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
