/* cmd/ordinald.c - the daemon: arguments, options, the stages in order. Its parts are daemon_*.c,
 * which with this file are the only ones that know every folder. */

#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/check.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "cmd/daemon.h"
#include "conf/conf.h"
#include "controller/api/http_tls.h"
#include "controller/store/store.h"

enum { EXIT_CONFIG = 1, EXIT_START = 2 };

struct stage {
    const char *name;
    int (*start)(struct daemon *d, struct err *e);
    void (*stop)(struct daemon *d);
};

/* Started in order, stopped in reverse. A restart never denies a living pod: queries are answered
 * once the first complete version is published. What controllers have to look at comes after. */
static const struct stage stages[] = {
    {"metrics", daemon_probe_start, daemon_probe_stop},
    {"zones", daemon_zones_start, daemon_zones_stop},
    {"dns sockets", daemon_dns_bind, daemon_dns_unbind},
    {"rights", daemon_rights_drop, NULL},
    {"store", daemon_store_start, daemon_store_stop},
    {"names", daemon_content_load, daemon_reconcile_end},
    {"dns", daemon_dns_start, NULL},
    {"store", daemon_store_complete, NULL},
    {"reconcile", daemon_reconcile_begin, NULL},
    {"api", daemon_api_start, daemon_api_stop},
    {"signals", daemon_signals_start, daemon_signals_stop},
};

static void serve_until_stopped(struct daemon *d)
{
    daemon_register_metrics(d);
    daemon_ready_start(d);
    daemon_tls_watch(d);
    reload_start(&d->reload, d->loop);
    loop_run(d->loop);
    reload_stop(&d->reload);
    daemon_ready_stop(d);
    daemon_notify("STOPPING=1");
    metrics_unregister_all();
}

static int run(struct daemon *d)
{
    struct err e = {0};
    size_t started = 0;
    for (; started < ARRAY_SIZE(stages); started++)
        if (stages[started].start(d, &e) < 0)
            break;
    bool good = started == ARRAY_SIZE(stages);
    if (good) {
        serve_until_stopped(d);
    } else {
        (void)fprintf(stderr, "ordinald: %s: %s\n", stages[started].name, e.text);
        started++; /* what a failed stage opened is closed too */
    }
    for (size_t i = started; i-- > 0;)
        if (stages[i].stop)
            stages[i].stop(d);
    return good ? EXIT_SUCCESS : EXIT_START;
}

/* Takes *options over for its time: a reload changes them; and tls for good. */
static int serve(struct options *options, const char *file, const char *const *settings,
                 size_t count, struct http_tls *tls)
{
    struct daemon d = {.options = *options, .tls = tls};
    d.reload = (struct reload){.file = file,
                               .settings = settings,
                               .setting_count = count,
                               .options = &d.options,
                               .apply = daemon_apply_options,
                               .arg = &d};
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    mallopt(M_ARENA_MAX, 2); /* NOLINT(concurrency-mt-unsafe): the only thread yet */
    json_keep_blocks();
    daemon_signals_block();
    umask(0027);
    d.loop = loop_new();
    daemon_versions_start(&d);
    int rc = run(&d);
    daemon_versions_stop(&d);
    loop_free(d.loop);
    http_tls_free(d.tls);
    *options = d.options;
    return rc;
}

static int print_help(void)
{
    return puts(
               "usage: ordinald [--config FILE] [--set KEY=VALUE]... [--check] [--print-config] "
               "[--version] [--help]\n"
               "\n"
               "Authoritative DNS for stateful workloads, fed through a controller socket.\n"
               "\n"
               "  -c, --config FILE    read options from a YAML file (without it no file is read)\n"
               "  -s, --set KEY=VALUE  set one option; wins over the file; repeat to add to a "
               "list\n"
               "      --check          check the configuration and exit\n"
               "      --print-config   print the effective configuration and exit\n"
               "      --print-sample   print every option with its default and meaning and exit\n"
               "  -V, --version        print the version and exit\n"
               "  -h, --help           print this help and exit\n"
               "\n"
               "Exit codes: 0 after SIGTERM, 1 configuration error, 2 start failure.") < 0;
}

enum mode { MODE_SERVE, MODE_CHECK, MODE_PRINT };

static int configured(const char *file, const char *const *settings, size_t count, enum mode mode)
{
    struct options options;
    struct http_tls *tls = NULL;
    struct err e = {0};
    if (conf_load(file, settings, count, &options, &e) < 0) {
        (void)fprintf(stderr, "ordinald: %s\n", e.text);
        return EXIT_CONFIG;
    }
    if (mode != MODE_PRINT && daemon_tls_read(&options, &tls, &e) < 0) {
        (void)fprintf(stderr, "ordinald: %s\n", e.text);
        conf_fini(&options);
        return EXIT_CONFIG;
    }
    int rc = EXIT_SUCCESS;
    enum log_level level = LOG_INFO;
    log_level_parse(options.log_level, &level);
    log_set_level(level);
    if (mode == MODE_PRINT) {
        struct buf_out text;
        buf_out_init(&text);
        conf_print(&options, &text);
        (void)fputs(text.data, stdout);
        buf_out_fini(&text);
    } else if (mode == MODE_CHECK) {
        (void)puts("configuration ok");
    } else {
        rc = serve(&options, file, settings, count, TAKE(tls));
    }
    http_tls_free(tls);
    conf_fini(&options);
    return rc;
}

static int print_sample(void)
{
    struct buf_out text;
    buf_out_init(&text);
    conf_sample(&text);
    (void)fputs(text.data, stdout);
    buf_out_fini(&text);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    enum { ARG_CHECK = 256, ARG_PRINT, ARG_SAMPLE };
    static const struct option arguments[] = {
        {"config", required_argument, NULL, 'c'},
        {"set", required_argument, NULL, 's'},
        {"check", no_argument, NULL, ARG_CHECK},
        {"print-config", no_argument, NULL, ARG_PRINT},
        {"print-sample", no_argument, NULL, ARG_SAMPLE},
        {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *file = NULL;
    const char **settings = xcalloc((size_t)argc, sizeof *settings);
    size_t count = 0;
    enum mode mode = MODE_SERVE;
    int rc = -1, c;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the only thread yet */
    while (rc < 0 && (c = getopt_long(argc, argv, "c:s:Vh", arguments, NULL)) != -1) {
        if (c == 'c')
            file = optarg;
        else if (c == 's')
            settings[count++] = optarg;
        else if (c == ARG_CHECK)
            mode = MODE_CHECK;
        else if (c == ARG_PRINT)
            mode = MODE_PRINT;
        else if (c == ARG_SAMPLE)
            rc = print_sample();
        else if (c == 'V')
            rc = puts("ordinald " ORDINALD_VERSION) < 0;
        else if (c == 'h')
            rc = print_help();
        else
            rc = EXIT_CONFIG; /* getopt_long has said why */
    }
    if (rc < 0 && optind < argc) {
        (void)fprintf(stderr, "ordinald: unexpected argument \"%s\"\n", argv[optind]);
        rc = EXIT_CONFIG;
    }
    if (rc < 0)
        rc = configured(file, settings, count, mode);
    free(settings);
    return rc;
}
