/* The option table and its parser: DESIGN section 2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "conf/check.h"
#include "conf/conf.h"

static char *write_file(const char *text)
{
    char *path = xstrdup("/tmp/test_conf_XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return path;
}

static int load_text(const char *text, struct options *o, struct err *e)
{
    char *path = write_file(text);
    int rc = conf_load(path, NULL, 0, o, e);
    unlink(path);
    free(path);
    return rc;
}

static void defaults_are_those_of_the_contract(void **state)
{
    (void)state;
    struct options o;
    assert_int_equal(conf_load(NULL, NULL, 0, &o, NULL), 0);
    assert_int_equal(o.dns_listen.count, 2);
    assert_string_equal(o.dns_listen.items[1], "[::1]:53");
    assert_int_equal(o.dns_udp_size, 1232);
    assert_true(o.dns_rotate);
    assert_int_equal(o.zone_ttl_us, 5000000);
    assert_int_equal(o.nodes_embedded_start_us, 200000);
    assert_int_equal(o.store_history_bytes, 64 << 20);
    assert_string_equal(o.zone_name, "cluster.local");
    assert_string_equal(o.run_user, "");
    assert_int_equal(o.zone_reverse.count, 0);
    conf_fini(&o);
}

static void file_values_are_read_with_their_units(void **state)
{
    (void)state;
    struct options o;
    struct err e = {0};
    int rc = load_text("dns:\n  listen: [\"127.0.0.1:5300\"]\n  tcp-idle: 3\n  rotate: false\n"
                       "zone:\n  ttl: 30s\n  pods: insecure\nstore:\n  history-bytes: 1 MiB\n"
                       "nodes:\n  gc-period: 1m\n  pod-prefix: 25\nforward:\n",
                       &o, &e);
    assert_string_equal(e.text, "");
    assert_int_equal(rc, 0);
    assert_int_equal(o.dns_listen.count, 1);
    assert_int_equal(o.dns_tcp_idle_us, 3000000);
    assert_false(o.dns_rotate);
    assert_int_equal(o.zone_ttl_us, 30000000);
    assert_string_equal(o.zone_pods, "insecure");
    assert_int_equal(o.store_history_bytes, 1 << 20);
    assert_int_equal(o.nodes_gc_period_us, 60000000);
    assert_string_equal(o.nodes_pod_prefix.items[0], "25");
    conf_fini(&o);
}

static void settings_win_and_the_first_of_a_list_replaces_it(void **state)
{
    (void)state;
    char *path = write_file("zone:\n  name: file.test\ndns:\n  listen: [\"127.0.0.1:1\"]\n");
    const char *settings[] = {"zone.name=k8s.test", "dns.listen=127.0.0.1:2", "dns.listen=[::1]:3",
                              "metrics.listen="};
    struct options o;
    assert_int_equal(conf_load(path, settings, 4, &o, NULL), 0);
    assert_string_equal(o.zone_name, "k8s.test");
    assert_int_equal(o.dns_listen.count, 2);
    assert_string_equal(o.dns_listen.items[0], "127.0.0.1:2");
    assert_int_equal(o.metrics_listen.count, 0);
    conf_fini(&o);
    unlink(path);
    free(path);
}

static void printed_configuration_reads_back_the_same(void **state)
{
    (void)state;
    const char *settings[] = {"zone.ttl=90s", "dns.nsid=a \"b\"", "nodes.pod-range=10.1.0.0/16",
                              "nodes.pod-range=fd00::/48"};
    struct options o, again;
    struct buf_out first, second;
    struct err e = {0};
    assert_int_equal(conf_load(NULL, settings, 4, &o, NULL), 0);
    buf_out_init(&first);
    buf_out_init(&second);
    conf_print(&o, &first);
    int rc = load_text(first.data, &again, &e);
    assert_string_equal(e.text, "");
    assert_int_equal(rc, 0);
    conf_print(&again, &second);
    assert_string_equal(first.data, second.data);
    assert_non_null(strstr(first.data, "ttl: 90s"));
    buf_out_fini(&first);
    buf_out_fini(&second);
    conf_fini(&o);
    conf_fini(&again);
}

static void wrong_files_name_the_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"dns:\n  listen: [\"127.0.0.1:53\"]\n  lissen: 1\n", "line 3: unknown option dns.lissen"},
        {"dnss:\n  listen: 1\n", "line 1: unknown section dnss"},
        {"dns: 5\n", "line 1: dns: expected a mapping"},
        {"zone:\n\n  ttl: 2h\n", "line 3: zone.ttl: \"2h\" is outside 0us to 3600000000us"},
        {"zone:\n  ttl: soon\n",
         "line 2: zone.ttl: \"soon\" is not a duration such as 5s, 200ms or 10m"},
        {"zone:\n  pods: maybe\n",
         "line 2: zone.pods: \"maybe\" is none of verified|insecure|disabled"},
        {"dns:\n  listen: [\"1.2.3.4\"]\n", "line 2: dns.listen: \"1.2.3.4\" is not ADDR:PORT"},
        {"dns:\n  listen: [\"::1:53\"]\n", "is not ADDR:PORT"},
        {"dns:\n  listen: [\"1.2.3.4:70000\"]\n", "does not end in a port"},
        {"dns:\n  rotate: [true]\n", "line 2: dns.rotate: expected a plain value"},
        {"dns:\n  workers: 1.5\n", "line 2: dns.workers: \"1.5\" is not a whole number"},
        {"dns:\n  workers: -1\n", "line 2: dns.workers: \"-1\" is not a whole number"},
        {"dns:\n  workers: 99999999999999999999\n", "dns.workers"},
        {"api:\n  listen: [\"10.0.0.1:80\"]\n",
         "api.tls-cert: is empty; api.listen 10.0.0.1:80 needs"},
        {"nodes:\n  pod-range: [\"10.244.0.1/16\"]\n", "has bits set beyond its prefix length"},
        {"nodes:\n  pod-range: [\"10.1.0.0/16\", \"10.2.0.0/16\"]\n",
         "nodes.pod-range: more than one network of a family"},
        {"forward:\n  cache-size: 1MiB\n",
         "forward.cache-size: known, but this version does not have it yet"},
        {"forward:\n  upstream: [\"one.one.one.one\"]\n",
         "line 2: forward.upstream: \"one.one.one.one\" is not ADDR or ADDR:PORT"},
        {"forward:\n  upstream: [\"127.0.0.1:0\"]\n", "has port 0"},
        {"forward:\n  zones: {a..test: \"127.0.0.1:53\"}\n", "does not begin with a domain name"},
        {"forward:\n  zones: {a.test: \"127.0.0.1:53 ns.b.test\"}\n",
         "has an upstream that is no address"},
        {"forward:\n  zones: {a.test: \" \"}\n", "has no upstream"},
        {"forward:\n  zones:\n    a.test: 127.0.0.1\n    Db.Cluster.LOCAL.: 127.0.0.1\n",
         "line 4: forward.zones: Db.Cluster.LOCAL. is answered here and never forwarded"},
        {"forward:\n  zones: {b.test: 127.0.0.1}\nzone:\n  name: b.test.\n",
         "line 2: forward.zones: b.test is answered here"},
        {"zone: {name: \"a..b\"}\n", "line 1: zone.name: \"a..b\" has an empty label"},
        {"- 1\n", "line 1: expected a mapping of sections"},
        {"dns: {}\n---\ndns: {}\n", "a second document"},
        {"dns:\n  listen: [\n", "line"},
        {"dns:\n  rotate: true\n  rotate: false\n", "line 3"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct options o;
        struct err e = {0};
        assert_true(load_text(rows[i].text, &o, &e) < 0);
        if (!strstr(e.text, rows[i].error))
            fail_msg("%s\ngave: %s\nwanted: %s", rows[i].text, e.text, rows[i].error);
        assert_null(o.zone_name);
    }
}

/* K-REV, K-CASE: addresses back to front below one of the two roots, and nothing else. */
static void reverse_zones_are_checked_by_label(void **state)
{
    (void)state;
    static const char *const good[] = {
        "in-addr.arpa",     "IP6.ARPA.",    "244.10.IN-ADDR.arpa", "255.0.2.192.in-addr.arpa.",
        "0.0.d.F.ip6.arpa", "10.96.0.0/12", "fd00:1:2:300::/57"};
    static const char *const bad[] = {"arpa",
                                      "xin-addr.arpa",
                                      ".in-addr.arpa",
                                      "1..in-addr.arpa",
                                      "x.in-addr.arpa",
                                      "256.10.in-addr.arpa",
                                      "01.in-addr.arpa",
                                      "1e.in-addr.arpa",
                                      "1.2.3.4.5.in-addr.arpa",
                                      "0/25.2.0.192.in-addr.arpa",
                                      "g.ip6.arpa",
                                      "10.ip6.arpa",
                                      "10.244.0.0/33",
                                      "10.0.0.0/08",
                                      "fd00::/008",
                                      "example.com"};
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_null(check_reverse(good[i]));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        if (!check_reverse(bad[i]))
            fail_msg("%s is taken", bad[i]);
    }
}

static void wrong_settings_say_which(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"dns.lissen=1", "--set dns.lissen=1: unknown option dns.lissen"},
        {"dns.rotate", "--set dns.rotate: expected KEY=VALUE"},
        {"dns.rotate=yes", "--set dns.rotate: \"yes\" is neither true nor false"},
        {"dns.listen=", "dns.listen: is empty"},
        {"dns.listen=[::1%lo]:53", /* an interface belongs to a link-local address */
         "--set dns.listen: \"[::1%lo]:53\" does not begin with an IP address"},
        {"dns.listen=[fe80::1%]:53",
         "--set dns.listen: \"[fe80::1%]:53\" does not begin with an IP address"},
        {"metrics.listen=[fe80::1%lo]:53",
         "--set metrics.listen: \"[fe80::1%lo]:53\" does not begin with an IP address"},
        {"zone.reverse=10.0.0.0/08",
         "--set zone.reverse: \"10.0.0.0/08\" has a prefix length with a leading zero"},
        {"access.query=10.0.0.0/08",
         "--set access.query: \"10.0.0.0/08\" has a prefix length with a leading zero"},
        {"nodes.pod-range=10.244.0.0/016",
         "--set nodes.pod-range: \"10.244.0.0/016\" has a prefix length with a leading zero"},
        {"forward.zones=cluster.local=127.0.0.1",
         "forward.zones: cluster.local is answered here and never forwarded (zone.name: "
         "cluster.local)"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct options o;
        struct err e = {0};
        assert_true(conf_load(NULL, &rows[i][0], 1, &o, &e) < 0);
        assert_string_equal(e.text, rows[i][1]);
    }
}

/* */
static void link_local_addresses_name_their_interface(void **state)
{
    (void)state;
    static const char *const settings[] = {
        "dns.listen=[fe80::1%lo]:53", "dns.listen=[febf::1%eth0.100]:53", "dns.listen=[fe80::1]:53",
        "forward.upstream=fe80::1%lo", "forward.upstream=[fe80::1%lo]:53"};
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
        struct options o;
        struct err e = {0};
        if (conf_load(NULL, &settings[i], 1, &o, &e) < 0)
            fail_msg("%s", e.text);
        conf_fini(&o);
    }
}

static void missing_file_is_an_error(void **state)
{
    (void)state;
    struct options o;
    struct err e = {0};
    assert_int_equal(conf_load("/nonexistent/x.conf", NULL, 0, &o, &e), ERR_IO);
    assert_string_equal(e.text, "/nonexistent/x.conf: No such file or directory");
}

static void sample_file_is_the_table_and_loads(void **state)
{
    (void)state;
    struct buf_out sample;
    struct options o;
    struct err e = {0};
    buf_out_init(&sample);
    conf_sample(&sample);
    int rc = load_text(sample.data, &o, &e);
    assert_string_equal(e.text, "");
    assert_int_equal(rc, 0);
    conf_fini(&o);
    FILE *file = fopen(ORDINALD_SOURCE "/conf/ordinald.conf", "r");
    assert_non_null(file);
    char *text = xcalloc(1, sample.len + 2);
    size_t len = fread(text, 1, sample.len + 1, file);
    fclose(file);
    assert_int_equal(len, sample.len);
    assert_string_equal(text, sample.data);
    free(text);
    buf_out_fini(&sample);
}

static void a_reload_swaps_live_options_and_names_the_others(void **state)
{
    (void)state; /* K-RELOAD */
    struct options old, fresh;
    const char *const settings[] = {"log.level=debug",
                                    "access.query=10.0.0.0/8",
                                    "dns.nsid=b",
                                    "dns.listen=127.0.0.1:5353",
                                    "store.path=/elsewhere",
                                    "dns.rotate=false",
                                    "dns.workers=7"};
    const char *const before[] = {"dns.nsid=a"};
    assert_int_equal(conf_load(NULL, before, 1, &old, NULL), 0);
    assert_int_equal(conf_load(NULL, settings, ARRAY_SIZE(settings), &fresh, NULL), 0);
    struct buf_out live, fixed;
    buf_out_init(&live);
    buf_out_init(&fixed);
    conf_swap_live(&old, &fresh, &live, &fixed);
    assert_string_equal(live.data, " dns.listen dns.rotate dns.nsid access.query log.level");
    assert_string_equal(fixed.data, " dns.workers store.path");
    assert_string_equal(old.log_level, "debug");
    assert_string_equal(old.dns_nsid, "b");
    assert_string_equal(old.access_query.items[0], "10.0.0.0/8");
    assert_false(old.dns_rotate);
    assert_string_equal(old.store_path, "/var/lib/ordinald");
    assert_string_equal(fresh.dns_nsid, "a");
    conf_swap_live(&old, &fresh, NULL, NULL); /* undone */
    assert_string_equal(old.log_level, "info");
    assert_string_equal(old.dns_nsid, "a");
    assert_true(old.dns_rotate);
    buf_out_fini(&live);
    buf_out_fini(&fixed);
    conf_fini(&old);
    conf_fini(&fresh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_contract),
        cmocka_unit_test(file_values_are_read_with_their_units),
        cmocka_unit_test(settings_win_and_the_first_of_a_list_replaces_it),
        cmocka_unit_test(printed_configuration_reads_back_the_same),
        cmocka_unit_test(wrong_files_name_the_line),
        cmocka_unit_test(reverse_zones_are_checked_by_label),
        cmocka_unit_test(wrong_settings_say_which),
        cmocka_unit_test(a_reload_swaps_live_options_and_names_the_others),
        cmocka_unit_test(link_local_addresses_name_their_interface),
        cmocka_unit_test(missing_file_is_an_error),
        cmocka_unit_test(sample_file_is_the_table_and_loads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
