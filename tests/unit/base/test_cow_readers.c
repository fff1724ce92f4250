/* base/cow and base/publish together: readers on other threads walk whole versions while a writer
 * makes new ones, and every branch and leaf is freed exactly once. ThreadSanitizer sees a race,
 * AddressSanitizer a leaf that is freed too early, twice or never. */
#include "base/cow.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/publish.h"

#define READERS  3
#define VERSIONS 3000
#define KEYS     400 /* halves of pairs: a version has both or none */

struct leaf {
    uint32_t number; /* its key, in network order; the partner's is its complement */
    uint32_t version;
};

static size_t leaf_key(const void *ptr, uint8_t *out)
{
    const struct leaf *leaf = ptr;
    for (unsigned i = 0; i < 4; i++)
        out[i] = (uint8_t)(leaf->number >> (24 - 8 * i));
    return 4;
}

static const struct cow_type type = {.key = leaf_key};

static atomic_size_t leaves_alive;

static struct leaf *leaf_new(uint32_t number, uint32_t version)
{
    struct leaf *leaf = xmalloc(sizeof *leaf);
    *leaf = (struct leaf){number, version};
    atomic_fetch_add(&leaves_alive, 1);
    return leaf;
}

static void leaf_free(void *ptr)
{
    atomic_fetch_sub(&leaves_alive, 1);
    free(ptr);
}

static void garbage_free(void *ptr)
{
    cow_garbage_free(ptr);
    free(ptr);
}

/* ---- readers ---- */

struct reader {
    pthread_t thread;
    struct publish *p;
    unsigned slot;
    atomic_bool *done;
    uint64_t walks;
};

/* All leaves in order, each with its partner of the same version; as many as the root says. */
static void check_version(const struct cow_root *root)
{
    struct cow_cursor cur;
    size_t count = 0;
    uint64_t last = 0;
    for (cow_seek(&cur, &type, *root, NULL, 0, false); cur.leaf; cow_next(&cur), count++) {
        const struct leaf *leaf = cur.leaf;
        CHECK(count == 0 || leaf->number > last);
        last = leaf->number;
        struct leaf wanted = {.number = ~leaf->number};
        uint8_t key[COW_KEY_MAX];
        const struct leaf *partner = cow_find(&type, *root, key, leaf_key(&wanted, key));
        CHECK(partner && partner->version == leaf->version);
    }
    CHECK(count == root->leaves);
}

static void *reader_main(void *arg)
{
    struct reader *r = arg;
    do {
        const struct cow_root *root = publish_enter(r->p, r->slot, NULL);
        check_version(root);
        struct publish_pin *pin = r->walks % 7 == 0 ? publish_pin(r->p, r->slot) : NULL;
        publish_leave(r->p, r->slot);
        if (pin) { /* as a transfer: on after the batch */
            check_version(publish_pin_root(pin));
            publish_unpin(pin);
        }
        r->walks++;
    } while (!atomic_load(r->done));
    return NULL;
}

/* ---- the writer ---- */

static uint64_t chance_state = 1;

static uint32_t chance(uint32_t bound)
{
    chance_state = chance_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(((chance_state >> 33) * bound) >> 31);
}

/* Puts or removes one half of a pair; what it replaced goes when nobody can see it. */
static void change_half(struct cow *tree, struct publish *p, uint32_t number, uint32_t version,
                        bool is_there)
{
    struct leaf wanted = {.number = number};
    uint8_t key[COW_KEY_MAX];
    void *old = is_there ? cow_set(tree, leaf_new(number, version))
                         : cow_del(tree, key, leaf_key(&wanted, key));
    if (old)
        publish_retire(p, leaf_free, old);
}

static struct cow_root *next_version(struct cow *tree, struct publish *p, uint32_t version)
{
    cow_begin(tree);
    for (uint32_t n = 1 + chance(6); n > 0; n--) {
        uint32_t number = chance(KEYS) * 0x01030507U;
        bool is_there = chance(5) > 1;
        change_half(tree, p, number, version, is_there);
        change_half(tree, p, ~number, version, is_there);
    }
    struct cow_garbage *garbage = xmalloc(sizeof *garbage);
    cow_commit(tree, garbage);
    publish_retire(p, garbage_free, garbage);
    struct cow_root *root = xmalloc(sizeof *root);
    *root = cow_committed(tree);
    return root;
}

/* The last version, key by key. */
static void remove_all(struct cow *tree)
{
    cow_begin(tree);
    while (cow_head(tree).leaves > 0) {
        struct cow_cursor cur;
        cow_seek(&cur, &type, cow_head(tree), NULL, 0, false);
        leaf_free(cow_del(tree, cur.key, cur.key_len));
    }
    struct cow_garbage garbage;
    cow_commit(tree, &garbage);
    cow_garbage_free(&garbage);
    assert_int_equal(cow_bytes(tree), 0);
}

static void readers_see_whole_versions_and_all_is_freed_once(void **state)
{
    (void)state;
    struct cow *tree = cow_new(&type);
    struct cow_root *current = xcalloc(1, sizeof *current);
    struct publish *p = publish_new(READERS, current);
    atomic_bool done = false;
    struct reader readers[READERS];
    for (unsigned i = 0; i < READERS; i++) {
        readers[i] = (struct reader){.p = p, .slot = i, .done = &done};
        assert_int_equal(pthread_create(&readers[i].thread, NULL, reader_main, &readers[i]), 0);
    }
    for (uint32_t version = 1; version <= VERSIONS; version++) {
        struct cow_root *next = next_version(tree, p, version);
        publish_retire(p, free, current);
        publish_push(p, current = next);
        publish_reclaim(p, version % 4 ? 3 : 0);
    }
    atomic_store(&done, true);
    for (unsigned i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
        assert_true(readers[i].walks > 0);
    }
    assert_int_equal(publish_reclaim(p, 0), 0);
    assert_int_equal(atomic_load(&leaves_alive), cow_committed(tree).leaves);
    publish_free(p);
    free(current);
    remove_all(tree);
    assert_int_equal(atomic_load(&leaves_alive), 0);
    cow_free(tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_see_whole_versions_and_all_is_freed_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
