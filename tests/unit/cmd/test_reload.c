/* Reloads on a fake clock and a fake loop: when they happen, and that a bad one changes nothing
 * (K-RELOAD). */
#include "cmd/reload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "conf/conf.h"

struct setup {
    char file[64], secret[64];
    struct options options;
    struct loop *loop;
    struct reload reload;
    unsigned applied;
    bool refuses;
};

static void write_text(const char *path, const char *text)
{
    char other[80]; /* as editors and kubelets do: another file takes its place */
    (void)snprintf(other, sizeof other, "%s.new", path);
    FILE *f = fopen(other, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(rename(other, path), 0);
}

static int apply(void *arg, const struct options *options, struct err *e)
{
    struct setup *s = arg;
    assert_ptr_equal(options, &s->options);
    s->applied++;
    return s->refuses ? err_set(e, ERR_IO, "dns.cookie-secret: no such key") : 0;
}

static void begin(struct setup *s)
{
    *s = (struct setup){.file = "/tmp/test_reload_XXXXXX", .secret = "/tmp/test_reload_XXXXXX"};
    close(mkstemp(s->file));
    close(mkstemp(s->secret));
    char text[128];
    (void)snprintf(text, sizeof text, "dns:\n  nsid: one\n  cookie-secret: %s\n", s->secret);
    write_text(s->file, text);
    clock_fake(1000000, 1000000);
    random_seed(7);
    log_set_level(LOG_ERROR);
    s->loop = loop_new_fake();
    assert_int_equal(conf_load(s->file, NULL, 0, &s->options, NULL), 0);
    s->reload = (struct reload){.file = s->file, .options = &s->options, .apply = apply, .arg = s};
    reload_start(&s->reload, s->loop);
}

static void end(struct setup *s)
{
    reload_stop(&s->reload);
    loop_free(s->loop);
    conf_fini(&s->options);
    unlink(s->file);
    unlink(s->secret);
    clock_real();
    random_seed(0);
}

/* To the next look at the files; how long that took. */
static int64_t next_look(struct setup *s)
{
    int64_t before_us = clock_mono_us();
    clock_fake_advance(loop_next_timer_us(s->loop) - before_us);
    loop_step(s->loop);
    return clock_mono_us() - before_us;
}

static void files_are_looked_at_every_half_minute(void **state)
{
    (void)state;
    struct setup s;
    begin(&s);
    int64_t least = INT64_MAX, most = 0;
    for (int i = 0; i < 50; i++) {
        int64_t took = next_look(&s);
        least = took < least ? took : least;
        most = took > most ? took : most;
    }
    assert_in_range(least, 15000000, 20000000);
    assert_in_range(most, 40000000, 45000000);
    assert_int_equal(s.applied, 0);
    write_text(s.file, "dns: {nsid: two}\nlog: {level: error}\n");
    next_look(&s);
    assert_int_equal(s.applied, 1);
    assert_string_equal(s.options.dns_nsid, "two");
    next_look(&s);
    assert_int_equal(s.applied, 2); /* another path for the secret is another file, once */
    next_look(&s);
    assert_int_equal(s.applied, 2);
    end(&s);
}

static void a_new_cookie_key_is_seen(void **state)
{
    (void)state; /* rotation by writing the file */
    struct setup s;
    begin(&s);
    write_text(s.secret, "00112233445566778899aabbccddeeff\n");
    next_look(&s);
    assert_int_equal(s.applied, 1);
    next_look(&s);
    assert_int_equal(s.applied, 1);
    end(&s);
}

static void a_new_certificate_is_seen(void **state)
{
    (void)state; /* K-RELOAD: the files of TLS, whose paths stay */
    struct setup s;
    begin(&s);
    char *const paths[] = {xasprintf("%s.cert", s.file), xasprintf("%s.key", s.file),
                           xasprintf("%s.ca", s.file)};
    free(s.options.api_tls_cert);
    free(s.options.api_tls_key);
    free(s.options.api_tls_client_ca);
    s.options.api_tls_cert = paths[0]; /* the options own them now */
    s.options.api_tls_key = paths[1];
    s.options.api_tls_client_ca = paths[2];
    for (unsigned i = 0; i < 3; i++) {
        write_text(paths[i], "x\n");
        next_look(&s);
        assert_int_equal(s.applied, i + 1);
    }
    next_look(&s);
    assert_int_equal(s.applied, 3);
    for (size_t i = 0; i < 3; i++)
        unlink(paths[i]);
    end(&s);
}

static void a_bad_configuration_changes_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {"dns: {nsid: two, nosuch: 1}\n", "dns: {nsid: two\n",
                                      "dns: {nsid: two}\naccess: {query: [10.0.0.0/40]}\n"};
    struct setup s;
    begin(&s);
    for (size_t i = 0; i < 3; i++) {
        write_text(s.file, bad[i]);
        reload_now(&s.reload, "test");
        assert_string_equal(s.options.dns_nsid, "one");
    }
    assert_int_equal(s.applied, 0);
    unlink(s.file);
    reload_now(&s.reload, "test");
    assert_int_equal(s.reload.failed, 4);
    write_text(s.file, "dns: {nsid: two}\n"); /* well-formed, but the module refuses it */
    s.refuses = true;
    reload_now(&s.reload, "test");
    assert_int_equal(s.reload.failed, 5);
    assert_string_equal(s.options.dns_nsid, "one");
    s.refuses = false;
    reload_now(&s.reload, "test");
    assert_int_equal(s.reload.succeeded, 1);
    assert_string_equal(s.options.dns_nsid, "two");
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_looked_at_every_half_minute),
        cmocka_unit_test(a_new_cookie_key_is_seen),
        cmocka_unit_test(a_new_certificate_is_seen),
        cmocka_unit_test(a_bad_configuration_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
