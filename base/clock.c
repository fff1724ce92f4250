#include "base/clock.h"

#include <time.h>

#include "base/check.h"

#define SECOND_US  INT64_C(1000000)
#define DAY_S      INT64_C(86400)
#define TEXT_FIRST (INT64_C(-62135596800) * SECOND_US)     /* 0001-01-01T00:00:00Z */
#define TEXT_LAST  (INT64_C(253402300800) * SECOND_US - 1) /* the last microsecond of 9999 */

static bool fake;
static int64_t fake_now_us, fake_mono_us;

static int64_t read_us(clockid_t id)
{
    struct timespec ts;
    CHECK(clock_gettime(id, &ts) == 0);
    return (int64_t)ts.tv_sec * SECOND_US + ts.tv_nsec / 1000;
}

int64_t clock_now_us(void)
{
    return fake ? fake_now_us : read_us(CLOCK_REALTIME);
}

int64_t clock_mono_us(void)
{
    return fake ? fake_mono_us : read_us(CLOCK_MONOTONIC);
}

void clock_fake(int64_t now_us, int64_t mono_us)
{
    fake = true;
    fake_now_us = now_us;
    fake_mono_us = mono_us;
}

void clock_fake_advance(int64_t by_us)
{
    CHECK(fake && by_us >= 0);
    fake_now_us += by_us;
    fake_mono_us += by_us;
}

bool clock_is_fake(void)
{
    return fake;
}

void clock_real(void)
{
    fake = false;
}

/* Splits into whole seconds, rounded down, and the rest; time beyond the years 1 to 9999 becomes
 * their edge. */
static int64_t split(int64_t us, struct tm *tm)
{
    if (us < TEXT_FIRST)
        us = TEXT_FIRST;
    if (us > TEXT_LAST)
        us = TEXT_LAST;
    int64_t rest = us % SECOND_US;
    if (rest < 0)
        rest += SECOND_US;
    time_t seconds = (time_t)((us - rest) / SECOND_US);
    CHECK(gmtime_r(&seconds, tm));
    return rest;
}

static size_t put_number(char *out, size_t width, int64_t value)
{
    for (size_t i = width; i-- > 0; value /= 10)
        out[i] = (char)('0' + value % 10);
    return width;
}

static char *put_seconds(const struct tm *tm, char *out)
{
    out += put_number(out, 4, tm->tm_year + INT64_C(1900));
    *out++ = '-';
    out += put_number(out, 2, tm->tm_mon + 1);
    *out++ = '-';
    out += put_number(out, 2, tm->tm_mday);
    *out++ = 'T';
    out += put_number(out, 2, tm->tm_hour);
    *out++ = ':';
    out += put_number(out, 2, tm->tm_min);
    *out++ = ':';
    return out + put_number(out, 2, tm->tm_sec);
}

const char *clock_format(int64_t us, char out[CLOCK_TEXT_MAX])
{
    struct tm tm;
    (void)split(us, &tm);
    char *at = put_seconds(&tm, out);
    *at++ = 'Z';
    *at = '\0';
    return out;
}

const char *clock_format_micro(int64_t us, char out[CLOCK_TEXT_MAX])
{
    struct tm tm;
    int64_t rest = split(us, &tm);
    char *at = put_seconds(&tm, out);
    *at++ = '.';
    at += put_number(at, 6, rest);
    *at++ = 'Z';
    *at = '\0';
    return out;
}

static bool take_number(const char **at, int digits, int max, int *out)
{
    int value = 0;
    for (int i = 0; i < digits; i++, (*at)++) {
        if (**at < '0' || **at > '9')
            return false;
        value = value * 10 + (**at - '0');
    }
    *out = value;
    return value <= max;
}

static bool take_char(const char **at, char c)
{
    return *(*at)++ == c;
}

/* Days from 1970-01-01 in the proleptic Gregorian calendar; months are counted from March so that
 * leap days end a year. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t m = month > 2 ? month - 3 : month + 9;
    return y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static bool is_date(int year, int month, int day)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 1 || month < 1 || month > 12 || day < 1)
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static bool take_fraction(const char **at, int64_t *us)
{
    *us = 0;
    if (**at != '.')
        return true;
    const char *first = ++*at;
    for (int64_t weight = SECOND_US / 10; **at >= '0' && **at <= '9'; weight /= 10)
        *us += weight * (*(*at)++ - '0');
    return *at > first;
}

static bool take_offset(const char **at, int64_t *seconds)
{
    *seconds = 0;
    char sign = *(*at)++;
    if (sign == 'Z')
        return true;
    int hours, minutes;
    if ((sign != '+' && sign != '-') || !take_number(at, 2, 23, &hours) || !take_char(at, ':') ||
        !take_number(at, 2, 59, &minutes))
        return false;
    *seconds = (hours * INT64_C(60) + minutes) * (sign == '-' ? -60 : 60);
    return true;
}

bool clock_parse(const char *text, int64_t *out_us)
{
    int year, month, day, hour, minute, second;
    int64_t fraction_us, offset_s;
    const char *at = text;
    if (!take_number(&at, 4, 9999, &year) || !take_char(&at, '-') ||
        !take_number(&at, 2, 12, &month) || !take_char(&at, '-') ||
        !take_number(&at, 2, 31, &day) || !take_char(&at, 'T'))
        return false;
    if (!take_number(&at, 2, 23, &hour) || !take_char(&at, ':') ||
        !take_number(&at, 2, 59, &minute) || !take_char(&at, ':') ||
        !take_number(&at, 2, 59, &second))
        return false;
    if (!take_fraction(&at, &fraction_us) || !take_offset(&at, &offset_s) || *at ||
        !is_date(year, month, day))
        return false;
    int64_t seconds = days_of(year, month, day) * DAY_S + hour * INT64_C(3600) +
                      minute * INT64_C(60) + second - offset_s;
    *out_us = seconds * SECOND_US + fraction_us;
    return true;
}
