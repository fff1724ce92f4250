#include "base/metrics.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static const struct metric_family **families;
static size_t family_count;

static bool is_metric_name(const char *name)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:";
    static const char others[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:0123456789";
    return strspn(name, first) > 0 && strspn(name, others) == strlen(name);
}

void metrics_register(const struct metric_family *family)
{
    CHECK(is_metric_name(family->name) && family->help && family->collect);
    size_t at = 0;
    while (at < family_count && strcmp(families[at]->name, family->name) < 0)
        at++;
    CHECK(at == family_count || strcmp(families[at]->name, family->name) != 0);
    families = xrealloc(families, (family_count + 1) * sizeof(const struct metric_family *));
    memmove(families + at + 1, families + at,
            (family_count - at) * sizeof(const struct metric_family *));
    families[at] = family;
    family_count++;
}

void metrics_unregister_all(void)
{
    free(families);
    families = NULL;
    family_count = 0;
}

static void put_value(struct buf_out *out, double value)
{
    if (isnan(value))
        buf_puts(out, "NaN");
    else if (isinf(value))
        buf_puts(out, value > 0 ? "+Inf" : "-Inf");
    else if (value == trunc(value) && fabs(value) < 1e15)
        buf_printf(out, "%.0f", value);
    else
        buf_printf(out, "%.17g", value);
}

void metrics_sample(struct buf_out *out, const char *name, const char *labels, double value)
{
    buf_puts(out, name);
    if (labels && *labels)
        buf_printf(out, "{%s}", labels);
    buf_putc(out, ' ');
    put_value(out, value);
    buf_putc(out, '\n');
}

/* Backslash and newline everywhere, the double quote only in label values. */
static void put_escaped(struct buf_out *out, const char *text, bool quotes)
{
    for (; *text; text++) {
        if (*text == '\n')
            buf_puts(out, "\\n");
        else if (*text == '\\' || (quotes && *text == '"'))
            buf_printf(out, "\\%c", *text);
        else
            buf_putc(out, *text);
    }
}

void metrics_escape(struct buf_out *out, const char *value)
{
    put_escaped(out, value, true);
}

void metrics_write(struct buf_out *out)
{
    static const char *const kinds[] = {
        [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram"};
    for (size_t i = 0; i < family_count; i++) {
        const struct metric_family *family = families[i];
        buf_printf(out, "# HELP %s ", family->name);
        put_escaped(out, family->help, false);
        buf_printf(out, "\n# TYPE %s %s\n", family->name, kinds[family->kind]);
        family->collect(out, family, family->arg);
    }
}

static void collect_value(struct buf_out *out, const struct metric_family *family, void *arg)
{
    const struct metric *metric = arg;
    metrics_sample(out, family->name, NULL, metric->value);
}

void metric_register(struct metric *metric)
{
    metric->family.collect = collect_value;
    metric->family.arg = metric;
    metrics_register(&metric->family);
}
