/* cmd/daemon_ready.c - the ready line, and the service manager. */
#include "cmd/daemon.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "controller/api/server.h"
#include "controller/store/store.h"
#include "dns/server.h"

void daemon_notify(const char *text)
{
    const char *path =
        getenv("NOTIFY_SOCKET"); /* NOLINT(concurrency-mt-unsafe): nobody sets the environment */
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (!path || strlen(path) >= sizeof to.sun_path)
        return;
    memcpy(to.sun_path, path, strlen(path));
    if (to.sun_path[0] == '@')
        to.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&to, len) < 0)
        log_warn("msg=\"NOTIFY_SOCKET: %s\"", strerrordesc_np(errno));
    close(fd);
}

static void print_ready(const struct daemon *d)
{
    struct buf_out line;
    buf_out_init(&line);
    buf_puts(&line, "ready");
    for (size_t i = 0; i < dns_server_address_count(d->dns); i++)
        buf_printf(&line, "%s%s", i ? "," : " dns=", dns_server_address(d->dns, i));
    if (*d->options.api_socket)
        buf_printf(&line, " api=%s", d->options.api_socket);
    for (int tls = 0; tls < 2; tls++) {
        const char *before = tls ? " https=" : " http=";
        for (size_t i = 0; i < api_server_address_count(d->api); i++) {
            if (api_server_address_is_tls(d->api, i) != (tls == 1))
                continue;
            buf_printf(&line, "%s%s", before, api_server_address(d->api, i));
            before = ",";
        }
    }
    for (size_t i = 0; i < probe_server_address_count(d->probe); i++)
        buf_printf(&line, "%s%s", i ? "," : " metrics=", probe_server_address(d->probe, i));
    (void)puts(line.data);
    (void)fflush(stdout);
    buf_out_fini(&line);
}

#define READY_POLL_US 1000

/* Who reads the line finds what exists at start (A23): it waits until that is committed. */
static void on_start(void *arg)
{
    struct daemon *d = arg;
    if (store_applied(d->store).revision < d->start_revision && !store_is_read_only(d->store)) {
        loop_timer_set(&d->ready_timer, clock_mono_us() + READY_POLL_US);
        return;
    }
    d->is_serving = true;
    print_ready(d);
    daemon_notify("READY=1");
}

void daemon_ready_start(struct daemon *d)
{
    d->start_revision = store_head(d->store).revision;
    loop_timer_init(&d->ready_timer, d->loop, on_start, d);
    loop_timer_set(&d->ready_timer, clock_mono_us());
}

void daemon_ready_stop(struct daemon *d)
{
    loop_timer_fini(&d->ready_timer);
}
