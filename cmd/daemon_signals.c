/* cmd/daemon_signals.c - SIGTERM, SIGINT and SIGHUP become calls on the loop. */
#include "cmd/daemon.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

static void lameduck_over(void *arg)
{
    struct daemon *d = arg;
    loop_stop(d->loop);
}

static void on_terminate(void *arg)
{
    struct daemon *d = arg;
    if (d->is_stopping)
        return;
    d->is_stopping = true;
    log_info("stopping lameduck_s=%lld", (long long)(d->options.dns_lameduck_us / 1000000));
    loop_timer_set(&d->lameduck, clock_mono_us() + d->options.dns_lameduck_us);
}

static void on_hangup(void *arg)
{
    struct daemon *d = arg;
    reload_now(&d->reload, "SIGHUP");
}

static sigset_t watched_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR2); /* ends the thread below */
    return set;
}

static void *signal_main(void *arg)
{
    struct daemon *d = arg;
    sigset_t set = watched_signals();
    int number = 0;
    while (sigwait(&set, &number) == 0 && number != SIGUSR2)
        loop_post(d->loop, number == SIGHUP ? on_hangup : on_terminate, d);
    return NULL;
}

void daemon_signals_block(void)
{
    sigset_t set = watched_signals();
    (void)signal(SIGPIPE, SIG_IGN);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

int daemon_signals_start(struct daemon *d, struct err *e)
{
    loop_timer_init(&d->lameduck, d->loop, lameduck_over, d);
    int rc = pthread_create(&d->signals, NULL, signal_main, d);
    d->is_watching_signals = rc == 0;
    return rc == 0 ? 0 : err_set(e, ERR_IO, "pthread_create: %s", strerrordesc_np(rc));
}

void daemon_signals_stop(struct daemon *d)
{
    if (d->is_watching_signals) {
        pthread_kill(d->signals, SIGUSR2);
        pthread_join(d->signals, NULL);
    }
    loop_timer_fini(&d->lameduck);
}
