/* base/metrics: Prometheus text format 0.0.4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "base/check.h"
#include "base/metrics.h"

static int unregister(void **state)
{
    (void)state;
    metrics_unregister_all();
    return 0;
}

static void assert_text(const char *expected)
{
    struct buf_out out;
    buf_out_init(&out);
    metrics_write(&out);
    assert_string_equal(out.data ? out.data : "", expected);
    buf_out_fini(&out);
}

static void collect_by_zone(struct buf_out *out, const struct metric_family *family, void *arg)
{
    const char *const *zones = arg;
    for (int value = 1; *zones; zones++, value++) {
        struct buf_out labels;
        buf_out_init(&labels);
        buf_puts(&labels, "zone=\"");
        metrics_escape(&labels, *zones);
        buf_puts(&labels, "\"");
        metrics_sample(out, family->name, labels.data, value);
        buf_out_fini(&labels);
    }
}

static void families_print_in_order_with_help_and_type(void **state)
{
    (void)state;
    static const char *zones[] = {"cluster.local.", "a\"b\\c\nd", NULL};
    struct metric_family by_zone = {"ordinald_zone_answers_total", METRIC_COUNTER,
                                    "Answers by zone.", collect_by_zone, zones};
    struct metric depth = {{.name = "ordinald_queue_depth",
                            .kind = METRIC_GAUGE,
                            .help = "Keys waiting;\nsay \"many\" with \\."},
                           .value = 2};
    assert_text("");
    metrics_register(&by_zone);
    metric_register(&depth);
    depth.value++;
    assert_text("# HELP ordinald_queue_depth Keys waiting;\\nsay \"many\" with \\\\.\n"
                "# TYPE ordinald_queue_depth gauge\n"
                "ordinald_queue_depth 3\n"
                "# HELP ordinald_zone_answers_total Answers by zone.\n"
                "# TYPE ordinald_zone_answers_total counter\n"
                "ordinald_zone_answers_total{zone=\"cluster.local.\"} 1\n"
                "ordinald_zone_answers_total{zone=\"a\\\"b\\\\c\\nd\"} 2\n");
    metrics_unregister_all();
    assert_text("");
}

static void values_print_exactly(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } rows[] = {
        {0, "m 0\n"},
        {-3, "m -3\n"},
        {123456789012345, "m 123456789012345\n"},
        {0.25, "m 0.25\n"},
        {NAN, "m NaN\n"},
        {INFINITY, "m +Inf\n"},
        {-INFINITY, "m -Inf\n"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct buf_out out;
        buf_out_init(&out);
        metrics_sample(&out, "m", NULL, rows[i].value);
        assert_string_equal(out.data, rows[i].text);
        buf_out_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(families_print_in_order_with_help_and_type, unregister),
        cmocka_unit_test(values_print_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
