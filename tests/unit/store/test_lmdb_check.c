#include "store_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/random.h"
#include "controller/store/lmdb_check.h"

/* A database with branch pages, values on pages of their own, and pages that are free again. */

enum { NAMES = 100, PAGE = 4096 };

struct image {
    uint8_t *bytes;
    size_t size;
};

static void write_names(struct fixture *f, int from, int step, int size)
{
    char *text = xasprintf("%0*d", size, from);
    for (int i = from; i < NAMES; i += step) {
        char name[24];
        (void)snprintf(name, sizeof(name), "name-%d", i);
        stage_map(f->store, name, name, text, NULL);
    }
    free(text);
    run_turns(f);
}

static void fill(struct fixture *f)
{
    write_names(f, 0, 1, 400);
    write_names(f, 0, 12, 9000);
    for (int i = 3; i < NAMES; i += 7) {
        char name[24];
        (void)snprintf(name, sizeof(name), "name-%d", i);
        stage_delete(f->store, KIND_CONFIGMAP, name, NULL);
    }
    run_turns(f);
    store_meta_set(f->store, "serial", "1234567890");
    write_names(f, 1, 30, 100);
}

static char *file_of(const struct fixture *f)
{
    return xasprintf("%s/data.mdb", f->dir);
}

static struct image read_image(const struct fixture *f)
{
    struct image image;
    struct stat st = {0};
    char *path = file_of(f);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    image.size = (size_t)st.st_size;
    image.bytes = xmalloc(image.size);
    assert_int_equal(read(fd, image.bytes, image.size), image.size);
    (void)close(fd);
    free(path);
    return image;
}

static void write_image(const struct fixture *f, const uint8_t *bytes, size_t size)
{
    char *path = file_of(f);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, bytes, size), size);
    (void)close(fd);
    free(path);
}

static void expect_file(const struct fixture *f, const uint8_t *bytes, size_t size)
{
    struct image now = read_image(f);
    assert_true(now.size == size && !memcmp(now.bytes, bytes, size));
    free(now.bytes);
}

/* Every object with its revision, and the named value. */
static char *state_of(const struct store *store)
{
    struct store_view view = store_applied(store);
    struct view_cursor cur;
    struct buf_out out;
    buf_out_init(&out);
    for (view_seek(&cur, &view, KIND_CONFIGMAP, NULL, NULL); cur.object; view_next(&cur)) {
        object_write(cur.object, &out);
        buf_putc(&out, '\n');
    }
    buf_puts(&out, store_meta_get(store, "serial"));
    return buf_out_take(&out, NULL);
}

/* A start either refuses the file, names it and leaves it alone, or finds nothing amiss and can
 * write on. Returns whether it refused. */
static bool is_refused(struct fixture *f, const uint8_t *bytes, size_t size, const char *state)
{
    struct err e = {0};
    write_image(f, bytes, size);
    if (store_open(&f->opts, f->loop, &f->store, &e) < 0) {
        char *path = file_of(f);
        if (!strstr(e.text, path) || strchr(e.text, '\n') || e.code != ERR_INVALID)
            fail_msg("%s", e.text);
        free(path);
        expect_file(f, bytes, size);
        return true;
    }
    char *now = state_of(f->store);
    assert_string_equal(now, state);
    free(now);
    write_names(f, 2, 5, 3000);
    store_close(f->store);
    return false;
}

struct damage {
    struct image whole;
    char *state;
    size_t refused, harmless;
};

static struct damage damage_begin(struct fixture *f)
{
    struct damage d = {0};
    fill(f);
    d.state = state_of(f->store);
    store_close(f->store);
    f->store = NULL;
    d.whole = read_image(f);
    return d;
}

static void damage_end(struct fixture *f, struct damage *d)
{
    print_message("%zu bytes: %zu refused, %zu harmless\n", d->whole.size, d->refused, d->harmless);
    fixture_remove_tree(f->dir);
    fixture_open(f);
    free(d->whole.bytes);
    free(d->state);
}

static void flip(struct fixture *f, struct damage *d, size_t at, uint8_t bits)
{
    d->whole.bytes[at] ^= bits;
    if (is_refused(f, d->whole.bytes, d->whole.size, d->state))
        d->refused++;
    else
        d->harmless++;
    d->whole.bytes[at] ^= bits;
}

static void damage_of_heads_and_offsets_is_refused_or_harmless(void **state)
{
    struct fixture *f = *state;
    struct damage d = damage_begin(f);
    for (size_t at = 0; at < (size_t)2 * PAGE; at++) /* both heads */
        if (at % PAGE < 160)
            flip(f, &d, at, (uint8_t)(1U << at % 8));
    for (size_t page = (size_t)2 * PAGE; page < d.whole.size; page += PAGE)
        for (int i = 0; i < 6; i++) /* page heads and the first offsets */
            flip(f, &d, page + random_below(24), (uint8_t)(1U << random_below(8)));
    assert_true(d.refused > 200);
    damage_end(f, &d);
}

static void damage_anywhere_is_refused_or_harmless(void **state)
{
    struct fixture *f = *state;
    struct damage d = damage_begin(f);
    const char *runs = getenv("DAMAGE_RUNS"); /* NOLINT(concurrency-mt-unsafe): one thread */
    for (long i = runs ? strtol(runs, NULL, 10) : 400; i > 0; i--)
        flip(f, &d, random_below((uint32_t)d.whole.size), (uint8_t)(1 + random_below(255)));
    assert_true(d.refused > 0 && d.harmless > 0);
    damage_end(f, &d);
}

static void lost_pages_are_refused_or_harmless(void **state)
{
    struct fixture *f = *state;
    struct damage d = damage_begin(f);
    uint8_t kept[PAGE];
    for (size_t at = 0; at < d.whole.size; at += PAGE) {
        memcpy(kept, d.whole.bytes + at, PAGE);
        memset(d.whole.bytes + at, 0, PAGE);
        flip(f, &d, at, 0);
        memcpy(d.whole.bytes + at, d.whole.bytes + (at + PAGE) % d.whole.size, PAGE);
        flip(f, &d, at, 0);
        memcpy(d.whole.bytes + at, kept, PAGE);
    }
    assert_true(d.refused > d.harmless);
    damage_end(f, &d);
}

static void a_file_of_any_shorter_length_is_refused(void **state)
{
    struct fixture *f = *state;
    struct damage d = damage_begin(f);
    for (size_t size = 0; size < d.whole.size; size += size < 300 ? 1 : 1 + random_below(3000))
        assert_true(is_refused(f, d.whole.bytes, size, d.state));
    damage_end(f, &d);
}

static size_t number_at(const uint8_t *bytes)
{
    size_t number;
    memcpy(&number, bytes, sizeof(number));
    return number;
}

static void expect_refusal(const struct image *image, const char *says)
{
    struct err e = {0};
    assert_int_equal(lmdb_check(image->bytes, image->size, &e), ERR_INVALID);
    if (!strstr(e.text, says))
        fail_msg("%s", e.text);
}

/* Offsets within a head: number of its transaction, root of the free pages' tree. */
enum { HEAD_TXN = 144, HEAD_FREE_ROOT = 80 };

static uint8_t *newest_head(const struct image *image)
{
    bool second = number_at(image->bytes + PAGE + HEAD_TXN) > number_at(image->bytes + HEAD_TXN);
    return image->bytes + (second ? PAGE : 0);
}

static void the_state_before_the_last_commit_is_not_taken_for_the_newest(void **state)
{
    struct fixture *f = *state;
    struct damage d = damage_begin(f);
    uint8_t *txn = newest_head(&d.whole) + HEAD_TXN;
    size_t number = number_at(txn), wrong[] = {0, number - 2, number - 1, number + 1, number + 2};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        if (wrong[i] + 2 == number) /* as if the commit had never been made */
            continue;
        memcpy(txn, &wrong[i], sizeof(wrong[i]));
        expect_refusal(&d.whole, "the two heads do not follow one another");
    }
    damage_end(f, &d);
}

static void a_page_that_is_free_and_used_is_refused(void **state)
{
    struct fixture *f = *state;
    struct damage d = damage_begin(f);
    size_t root = number_at(newest_head(&d.whole) + HEAD_FREE_ROOT), used = 0;
    uint8_t *page = d.whole.bytes + root * PAGE;
    uint16_t node = 0;
    memcpy(&node, page + 16, sizeof(node));
    uint8_t *list = page + node + 8 + 8; /* after the node's head and its key */
    size_t count = number_at(list);
    assert_true(count > 0);
    for (used = number_at(list + count * 8); used > 2;) { /* the smallest one: still in order */
        used--;
        memcpy(list + count * 8, &used, sizeof(used));
        struct err e = {0};
        if (lmdb_check(d.whole.bytes, d.whole.size, &e) == 0)
            continue; /* a page that nothing uses */
        assert_non_null(strstr(e.text, "it is used twice"));
        break;
    }
    assert_true(used > 2);
    damage_end(f, &d);
}

static void a_whole_file_passes_and_says_nothing(void **state)
{
    struct fixture *f = *state;
    struct damage d = damage_begin(f);
    struct err e = {0};
    assert_int_equal(lmdb_check(d.whole.bytes, d.whole.size, &e), 0);
    assert_int_equal(e.code, 0);
    assert_false(is_refused(f, d.whole.bytes, d.whole.size, d.state));
    damage_end(f, &d);
}

static void a_value_without_its_checksum_is_refused_by_name(void **state)
{
    struct fixture *f = *state;
    struct damage d = damage_begin(f);
    struct err e = {0};
    uint8_t *at = memmem(d.whole.bytes, d.whole.size, "1234567890", 10);
    assert_non_null(at);
    for (; at; at = memmem(at + 1, d.whole.size - (size_t)(at + 1 - d.whole.bytes), "1234567890",
                           10)) /* older pages have it, too */
        at[2] = '4';
    write_image(f, d.whole.bytes, d.whole.size);
    assert_int_equal(store_open(&f->opts, f->loop, &f->store, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "data.mdb: the value value/serial is damaged"));
    damage_end(f, &d);
}

/* ---- a new database ---- */

static void what_a_killed_first_start_left_is_swept_away(void **state)
{
    struct fixture *f = *state;
    store_close(f->store);
    fixture_remove_tree(f->dir);
    char *half = xasprintf("%s/new", f->dir), *file = xasprintf("%s/new/data.mdb", f->dir);
    assert_int_equal(mkdir(f->dir, 0700) | mkdir(half, 0700), 0);
    int fd = open(file, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "half", 4), 4);
    (void)close(fd);
    fixture_open(f);
    assert_int_equal(access(half, F_OK), -1);
    write_names(f, 0, 50, 10);
    fixture_reopen(f);
    assert_non_null(applied_find(f->store, KIND_CONFIGMAP, "name-0"));
    free(half);
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_LMDB(a_whole_file_passes_and_says_nothing),
        ON_LMDB(damage_of_heads_and_offsets_is_refused_or_harmless),
        ON_LMDB(damage_anywhere_is_refused_or_harmless),
        ON_LMDB(lost_pages_are_refused_or_harmless),
        ON_LMDB(the_state_before_the_last_commit_is_not_taken_for_the_newest),
        ON_LMDB(a_page_that_is_free_and_used_is_refused),
        ON_LMDB(a_file_of_any_shorter_length_is_refused),
        ON_LMDB(a_value_without_its_checksum_is_refused_by_name),
        ON_LMDB(what_a_killed_first_start_left_is_swept_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
