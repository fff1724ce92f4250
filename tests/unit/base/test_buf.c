/* base/buf: readers refuse to run past the end, writers grow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"

static void numbers_are_read_in_network_order(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x81, 0x82, 0x83, 0xff, 0x01, 0x02, 0x03, 'x', 'y'};
    struct buf_in in;
    buf_in_init(&in, bytes, sizeof(bytes));
    assert_int_equal(buf_u8(&in), 0x81);
    assert_int_equal(buf_u16(&in), 0x8283);
    assert_int_equal(buf_u32(&in), 0xff010203);
    assert_int_equal(buf_in_left(&in), 2);
    assert_memory_equal(buf_bytes(&in, 2), "xy", 2);
    assert_int_equal(buf_in_left(&in), 0);
    assert_non_null(buf_bytes(&in, 0));
    assert_false(in.failed);
}

static void a_failed_read_stays_failed_and_yields_zeros(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {1, 2, 3};
    struct buf_in in;
    buf_in_init(&in, bytes, sizeof(bytes));
    assert_int_equal(buf_u32(&in), 0);
    assert_true(in.failed);
    assert_int_equal(buf_u8(&in), 0);
    assert_int_equal(buf_u16(&in), 0);
    assert_null(buf_bytes(&in, 0));
    assert_int_equal(buf_in_left(&in), 0);
    buf_in_init(&in, bytes, sizeof(bytes));
    assert_null(buf_bytes(&in, SIZE_MAX));
    buf_in_init(&in, NULL, 0);
    assert_int_equal(buf_u8(&in), 0);
    assert_true(in.failed);
}

static void output_grows_and_stays_terminated(void **state)
{
    (void)state;
    struct buf_out out;
    buf_out_init(&out);
    for (int i = 0; i < 1000; i++) {
        buf_putc(&out, 'a');
        buf_puts(&out, "bc");
        buf_printf(&out, "%03d", i);
        assert_int_equal(strlen(out.data), out.len);
    }
    assert_int_equal(out.len, 6000);
    assert_string_equal(out.data + 5994, "abc999");
    size_t len;
    char *data = buf_out_take(&out, &len);
    assert_int_equal(len, 6000);
    assert_null(out.data);
    free(data);
    data = buf_out_take(&out, NULL);
    assert_string_equal(data, "");
    free(data);
}

static void long_formats_fit(void **state)
{
    (void)state;
    struct buf_out out;
    buf_out_init(&out);
    for (int width = 250; width < 260; width++) {
        size_t before = out.len;
        buf_printf(&out, "%*d", width, 7);
        assert_int_equal(out.len - before, width);
        assert_int_equal(out.data[out.len - 1], '7');
    }
    buf_out_fini(&out);
    assert_null(out.data);
}

static void text_becomes_a_json_string(void **state)
{
    (void)state;
    static const struct {
        const char *text, *json;
    } rows[] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"a\"b\\c/", "\"a\\\"b\\\\c/\""},
        {"\b\f\n\r\t\x01\x1f\x7f", "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\""},
        {"\xc3\xa9\xf0\x9f\x98\x80", "\"\xc3\xa9\xf0\x9f\x98\x80\""},
        {"a\xff"
         "b\xe2\x82",
         "\"a\xef\xbf\xbd"
         "b\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct buf_out out;
        buf_out_init(&out);
        buf_put_json(&out, rows[i].text);
        assert_string_equal(out.data, rows[i].json);
        buf_out_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read_in_network_order),
        cmocka_unit_test(a_failed_read_stays_failed_and_yields_zeros),
        cmocka_unit_test(output_grows_and_stays_terminated),
        cmocka_unit_test(long_formats_fit),
        cmocka_unit_test(text_becomes_a_json_string),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
