/* base/cow against a sorted array of keys: every version, cursor and nearest leaf, after every
 * transaction. COW_STEPS raises the number of random operations, COW_SEED picks another sequence.
 */
#include "base/cow.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"

struct leaf {
    struct leaf *all; /* every leaf of the test, freed at its end */
    size_t len;
    uint8_t key[];
};

static struct leaf *leaves;

static size_t leaf_key_of(const void *ptr, uint8_t *out)
{
    const struct leaf *leaf = ptr;
    memcpy(out, leaf->key, leaf->len);
    return leaf->len;
}

static bool leaf_is(const void *ptr, const uint8_t *key, size_t len)
{
    const struct leaf *leaf = ptr;
    return leaf->len == len && memcmp(leaf->key, key, len) == 0;
}

static const struct cow_type by_key = {.key = leaf_key_of};
static const struct cow_type by_equal = {.key = leaf_key_of, .equal = leaf_is};

static struct leaf *leaf_make(const void *key, size_t len)
{
    struct leaf *leaf = xmalloc(sizeof *leaf + len);
    leaf->all = leaves;
    leaf->len = len;
    memcpy(leaf->key, key, len);
    leaves = leaf;
    return leaf;
}

static struct leaf *leaf_text(const char *key)
{
    return leaf_make(key, strlen(key));
}

static int leaves_free(void **state)
{
    (void)state;
    while (leaves) {
        struct leaf *next = leaves->all;
        free(leaves);
        leaves = next;
    }
    return 0;
}

static const uint8_t *bytes(const char *text)
{
    return (const uint8_t *)text;
}

static const void *find_text(const struct cow *tree, const char *key)
{
    return cow_find(&by_key, cow_head(tree), bytes(key), strlen(key));
}

static void commit(struct cow *tree)
{
    struct cow_garbage garbage;
    cow_commit(tree, &garbage);
    cow_garbage_free(&garbage);
    assert_null(garbage.nodes);
}

/* ---- by hand ---- */

static void an_empty_tree_has_no_answers(void **state)
{
    (void)state;
    struct cow_root root = {0};
    struct cow_near near;
    struct cow_cursor cur;
    assert_null(cow_find(&by_key, root, bytes("x"), 1));
    cow_near(&by_key, root, bytes("x"), 1, &near);
    assert_null(near.leaf);
    assert_null(near.exact);
    assert_int_equal(near.common, 0);
    assert_false(near.is_prefix);
    cow_seek(&cur, &by_key, root, bytes(""), 0, false);
    assert_null(cur.leaf);
    cow_next(&cur);
    assert_null(cur.leaf);
    cow_free(NULL);
    cow_free(cow_new(&by_key));
}

static void a_prefix_sorts_before_what_it_is_a_prefix_of(void **state)
{
    (void)state;
    static const char *const sorted[] = {"", "a", "ab", "abc", "abd", "b", "ba"};
    static const size_t order[] = {3, 0, 5, 2, 6, 1, 4};
    struct cow *tree = cow_new(&by_key);
    cow_begin(tree);
    for (size_t i = 0; i < ARRAY_SIZE(order); i++)
        assert_null(cow_set(tree, leaf_text(sorted[order[i]])));
    commit(tree);
    assert_int_equal(cow_committed(tree).leaves, ARRAY_SIZE(sorted));
    struct cow_cursor cur;
    cow_seek(&cur, &by_key, cow_committed(tree), bytes(""), 0, false);
    for (size_t i = 0; i < ARRAY_SIZE(sorted); i++) {
        assert_non_null(cur.leaf);
        assert_int_equal(cur.key_len, strlen(sorted[i]));
        assert_memory_equal(cur.key, sorted[i], cur.key_len);
        cow_next(&cur);
    }
    assert_null(cur.leaf);
    cow_free(tree);
}

static void the_nearest_leaf_tells_of_empty_non_terminals(void **state)
{
    (void)state;
    struct cow *tree = cow_new(&by_key);
    cow_begin(tree);
    cow_set(tree, leaf_text("net.example.www"));
    cow_set(tree, leaf_text("net.example.mail.mx1"));
    cow_set(tree, leaf_text("net.example.mail.mx2"));
    cow_set(tree, leaf_text("net.example"));
    static const struct {
        const char *key;
        size_t common;
        bool exact, is_prefix;
    } cases[] = {
        {"net.example.mail", 16, false, true},
        {"net.example", 11, true, true},
        {"net.example.www", 15, true, false},
        {"net.example.wwx", 14, false, false},
        {"net.example.www.a", 15, false, false},
        {"net.example.mail.mx", 19, false, true},
        {"org", 0, false, false},
        {"", 0, false, true},
        {"net.example.mail.mx1", 20, true, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct cow_near near;
        cow_near(&by_key, cow_head(tree), bytes(cases[i].key), strlen(cases[i].key), &near);
        assert_non_null(near.leaf);
        assert_int_equal(near.common, cases[i].common);
        assert_int_equal(near.exact != NULL, cases[i].exact);
        assert_int_equal(near.is_prefix, cases[i].is_prefix);
    }
    cow_free(tree);
}

static void setting_a_key_again_returns_the_leaf_it_replaced(void **state)
{
    (void)state;
    struct cow *tree = cow_new(&by_key);
    struct leaf *first = leaf_text("k"), *second = leaf_text("k");
    cow_begin(tree);
    assert_null(cow_set(tree, first));
    assert_ptr_equal(cow_set(tree, second), first);
    assert_int_equal(cow_head(tree).leaves, 1);
    assert_null(cow_del(tree, bytes("kk"), 2));
    assert_null(cow_del(tree, bytes(""), 0));
    assert_ptr_equal(cow_del(tree, bytes("k"), 1), second);
    assert_null(cow_del(tree, bytes("k"), 1));
    assert_int_equal(cow_head(tree).leaves, 0);
    commit(tree);
    assert_int_equal(cow_bytes(tree), 0);
    cow_free(tree);
}

static void transactions_nest_and_commit_oldest_first(void **state)
{
    (void)state;
    struct cow *tree = cow_new(&by_equal);
    assert_false(cow_in_transaction(tree));
    cow_begin(tree);
    cow_set(tree, leaf_text("a"));
    cow_set(tree, leaf_text("b"));
    struct cow_root inner = cow_head(tree);
    cow_begin(tree);
    cow_set(tree, leaf_text("c"));
    assert_non_null(cow_del(tree, bytes("a"), 1));
    assert_null(find_text(tree, "a"));
    assert_non_null(cow_find(&by_equal, inner, bytes("a"), 1)); /* not touched by the one on top */
    assert_int_equal(cow_committed(tree).leaves, 0);

    struct cow_garbage garbage;
    cow_commit(tree, &garbage);
    assert_int_equal(garbage.count, 0); /* nothing older was replaced */
    cow_garbage_free(&garbage);
    assert_true(cow_in_transaction(tree));
    assert_ptr_equal(cow_committed(tree).node, inner.node);

    cow_abort(tree);
    assert_false(cow_in_transaction(tree));
    assert_ptr_equal(cow_head(tree).node, inner.node);
    assert_int_equal(cow_head(tree).leaves, 2);
    assert_non_null(find_text(tree, "a"));
    assert_null(find_text(tree, "c"));

    cow_begin(tree);
    cow_set(tree, leaf_text("d"));
    cow_commit(tree, &garbage);
    assert_int_equal(garbage.count, 1);
    assert_non_null(
        cow_find(&by_equal, inner, bytes("b"), 1)); /* alive until the garbage is freed */
    cow_garbage_free(&garbage);
    cow_free(tree);
}

static void a_transaction_edits_its_own_branches_in_place(void **state)
{
    (void)state;
    struct cow *tree = cow_new(&by_key);
    cow_begin(tree);
    char key[16];
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(key, sizeof key, "%03d", i);
        cow_set(tree, leaf_text(key));
    }
    for (int i = 1; i < 1000; i += 2) {
        (void)snprintf(key, sizeof key, "%03d", i);
        assert_non_null(cow_del(tree, bytes(key), 3));
    }
    for (int i = 100; i < 400; i += 2) {
        (void)snprintf(key, sizeof key, "%03d", i);
        assert_non_null(cow_del(tree, bytes(key), 3));
    }
    assert_int_equal(cow_head(tree).leaves, 350);
    struct cow_garbage garbage;
    cow_commit(tree, &garbage);
    assert_int_equal(garbage.count, 0); /* what it replaced was its own */
    size_t before = cow_bytes(tree);
    cow_begin(tree);
    for (int round = 0; round < 3; round++)
        cow_set(tree, leaf_text("500"));
    cow_commit(tree, &garbage);
    assert_in_range(garbage.count, 1, 6); /* the branches of one path, once */
    assert_int_equal(cow_bytes(tree), before);
    cow_garbage_free(&garbage);
    cow_free(tree);
}

static void the_longest_keys_make_the_deepest_tree(void **state)
{
    (void)state;
    struct cow *tree = cow_new(&by_key);
    uint8_t key[COW_KEY_MAX] = {0};
    cow_begin(tree);
    for (size_t len = 0; len <= COW_KEY_MAX; len++) {
        cow_set(tree, leaf_make(key, len));
        for (unsigned bit = 1; len > 0 && bit <= 16;
             bit += 15) { /* part at the low and at the high nibble */
            key[len - 1] = (uint8_t)bit;
            cow_set(tree, leaf_make(key, len));
            key[len - 1] = 0;
        }
    }
    commit(tree);
    cow_begin(tree);
    for (size_t len = 0; len <= COW_KEY_MAX; len++) {
        assert_non_null(cow_find(&by_key, cow_head(tree), key, len));
        cow_set(tree, leaf_make(key, len));
    }
    cow_abort(tree);
    struct cow_cursor cur;
    size_t count = 0;
    for (cow_seek(&cur, &by_key, cow_committed(tree), NULL, 0, false); cur.leaf; cow_next(&cur))
        count++;
    assert_int_equal(count, 3 * COW_KEY_MAX + 1);
    cow_free(tree);
}

/* Replaces the leaf under key in a transaction of its own; how many branches that copied. */
static size_t branches_copied(struct cow *tree, const uint8_t *key, size_t len)
{
    struct cow_garbage garbage;
    size_t before = cow_bytes(tree);
    cow_begin(tree);
    assert_non_null(cow_set(tree, leaf_make(key, len)));
    size_t during = cow_bytes(tree);
    cow_commit(tree, &garbage);
    assert_int_equal(during - before, garbage.bytes); /* every copy stands for one that leaves */
    assert_int_equal(cow_bytes(tree), before);
    size_t count = garbage.count;
    cow_garbage_free(&garbage);
    return count;
}

static void an_update_copies_one_path_whatever_the_size(void **state)
{
    (void)state; /* all keys of so many nibbles: a branch for each nibble, and no other */
    for (unsigned nibbles = 1; nibbles <= 4; nibbles++) {
        struct cow *tree = cow_new(&by_key);
        uint32_t count = 1U << 4 * nibbles;
        cow_begin(tree);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t bits = i << (16 - 4 * nibbles);
            cow_set(tree, leaf_make((uint8_t[]){(uint8_t)(bits >> 8), (uint8_t)bits}, 2));
        }
        commit(tree);
        assert_int_equal(cow_committed(tree).leaves, count);
        for (uint32_t i = 0; i < count; i += 1 + count / 300) {
            uint32_t bits = i << (16 - 4 * nibbles);
            uint8_t key[2] = {(uint8_t)(bits >> 8), (uint8_t)bits};
            assert_int_equal(branches_copied(tree, key, 2), nibbles);
        }
        cow_free(tree);
        leaves_free(NULL);
    }
}

static uint32_t chance(uint32_t bound);

static void random_keys_make_a_shallow_tree(void **state)
{
    (void)state; /* depth is about log16 of the size, never near the length of the keys */
    static const size_t sizes[] = {100, 1000, 10000, 100000};
    static const size_t deepest[] = {6, 7, 9, 10}; /* twice log16 of the size, and two */
    for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
        struct cow *tree = cow_new(&by_key);
        uint8_t key[32];
        cow_begin(tree);
        for (size_t i = 0; i < sizes[s]; i++) {
            for (size_t k = 0; k < sizeof key; k++)
                key[k] = (uint8_t)chance(256);
            cow_set(tree, leaf_make(key, sizeof key));
        }
        commit(tree);
        for (int i = 0; i < 1000; i++) {
            struct cow_cursor cur;
            key[0] = (uint8_t)chance(256);
            cow_seek(&cur, &by_key, cow_committed(tree), key, sizeof key, false);
            if (cur.leaf)
                assert_in_range(branches_copied(tree, cur.key, cur.key_len), 1, deepest[s]);
        }
        cow_free(tree);
        leaves_free(NULL);
    }
}

/* ---- at random, against a sorted array ---- */

struct model {
    struct leaf **at;
    size_t count;
};

#define OPEN_MAX 4
#define KEPT_MAX 6

/* A committed version somebody still reads. */
struct kept {
    struct cow_root root;
    struct model model;
    struct cow_garbage garbage; /* of the commit that came after it */
};

struct world {
    const struct cow_type *type;
    struct cow *tree;
    struct model committed, open[OPEN_MAX];
    size_t open_count;
    struct kept kept[KEPT_MAX]; /* oldest first */
    size_t kept_count;
    size_t (*key)(uint8_t *out);
    size_t bytes_before; /* of the committed version */
};

static uint64_t chance_state;

static uint32_t chance(uint32_t bound)
{
    chance_state = chance_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(((chance_state >> 33) * bound) >> 31);
}

static size_t random_bytes_key(uint8_t *out)
{
    size_t len = chance(6);
    for (size_t i = 0; i < len; i++) {
        static const uint8_t likely[] = {0x00, 0x00, 0x01, 0x0f, 0x10, 0x80, 0xf0, 0xff};
        out[i] = chance(8) ? likely[chance(ARRAY_SIZE(likely))] : (uint8_t)chance(256);
    }
    return len;
}

static size_t shared_prefix_key(uint8_t *out)
{
    size_t len = chance(24);
    memset(out, 'p', len);
    if (len && chance(3))
        out[chance((uint32_t)len)] = (uint8_t)chance(4);
    return len;
}

static size_t name_key(uint8_t *out)
{
    static const char *const labels[] = {"local", "cluster", "svc", "default",
                                         "kubia", "k",       "_tcp"};
    size_t len = 0, count = chance(6);
    for (size_t i = 0; i < count; i++) {
        const char *label = labels[i < 3 && chance(4) ? i : chance(ARRAY_SIZE(labels))];
        len += (size_t)snprintf((char *)out + len, 64, "%s", label);
        if (chance(3) == 0)
            len += (size_t)snprintf((char *)out + len, 64, "-%u", chance(12));
        out[len++] = 0;
    }
    return len;
}

static int compare(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    int rc = memcmp(a, b, a_len < b_len ? a_len : b_len);
    if (rc == 0)
        rc = (a_len > b_len) - (a_len < b_len);
    return rc;
}

/* Index of the first key >= key. */
static size_t model_place(const struct model *m, const uint8_t *key, size_t len)
{
    size_t low = 0, high = m->count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (compare(m->at[mid]->key, m->at[mid]->len, key, len) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static struct leaf *model_find(const struct model *m, const uint8_t *key, size_t len)
{
    size_t at = model_place(m, key, len);
    return at < m->count && leaf_is(m->at[at], key, len) ? m->at[at] : NULL;
}

static struct model model_copy(const struct model *m)
{
    struct model copy = {.at = xcalloc(m->count + 1, sizeof(struct leaf *)), .count = m->count};
    memcpy(copy.at, m->at, m->count * sizeof(struct leaf *));
    return copy;
}

static void model_set(struct model *m, struct leaf *leaf)
{
    size_t at = model_place(m, leaf->key, leaf->len);
    if (!model_find(m, leaf->key, leaf->len)) {
        m->at = xrealloc(m->at, (m->count + 1) * sizeof(struct leaf *));
        memmove(&m->at[at + 1], &m->at[at], (m->count - at) * sizeof(struct leaf *));
        m->count++;
    }
    m->at[at] = leaf;
}

static void model_del(struct model *m, const uint8_t *key, size_t len)
{
    size_t at = model_place(m, key, len);
    m->count--;
    memmove(&m->at[at], &m->at[at + 1], (m->count - at) * sizeof(struct leaf *));
}

static size_t shared(const struct leaf *leaf, const uint8_t *key, size_t len)
{
    size_t at = 0;
    while (at < len && at < leaf->len && leaf->key[at] == key[at])
        at++;
    return at;
}

static void near_must_match(const struct world *w, struct cow_root root, const struct model *m,
                            const uint8_t *key, size_t len)
{
    struct cow_near near;
    cow_near(w->type, root, key, len, &near);
    size_t best = 0;
    bool is_prefix = false;
    for (size_t i = 0; i < m->count; i++) {
        size_t common = shared(m->at[i], key, len);
        best = common > best ? common : best;
        is_prefix = is_prefix || (common == len && m->at[i]->len > len);
    }
    assert_int_equal(near.common, best);
    assert_int_equal(near.is_prefix, is_prefix);
    assert_ptr_equal(near.exact, model_find(m, key, len));
    assert_int_equal(near.leaf == NULL, m->count == 0);
    if (near.leaf)
        assert_int_equal(shared(near.leaf, key, len), best);
}

/* Keys looked for together end where each ends alone. */
static void closest_must_match(const struct world *w, struct cow_root root)
{
    uint8_t keys[COW_SEARCHES][COW_KEY_MAX];
    struct cow_search searches[COW_SEARCHES];
    for (size_t i = 0; i < COW_SEARCHES; i++) {
        size_t len = w->key(keys[i]);
        searches[i] = (struct cow_search){.key = keys[i], .len = len};
    }
    for (size_t count = 1; count <= COW_SEARCHES; count += 5) {
        cow_closest_all(root, searches, count);
        for (size_t i = 0; i < count; i++) {
            bool below;
            assert_ptr_equal(searches[i].leaf,
                             cow_closest(root, searches[i].key, searches[i].len, &below));
            assert_int_equal(searches[i].below, below);
        }
    }
}

static void cursor_must_match(const struct cow_cursor *cur, const struct model *m, size_t at)
{
    assert_ptr_equal(cur->leaf, at < m->count ? m->at[at] : NULL);
    if (cur->leaf) {
        assert_int_equal(cur->key_len, m->at[at]->len);
        assert_memory_equal(cur->key, m->at[at]->key, cur->key_len);
    }
}

static void version_must_match(const struct world *w, struct cow_root root, const struct model *m)
{
    assert_int_equal(root.leaves, m->count);
    struct cow_cursor cur;
    size_t at = 0;
    for (cow_seek(&cur, w->type, root, bytes(""), 0, false); cur.leaf; cow_next(&cur)) {
        cursor_must_match(&cur, m, at++);
        assert_ptr_equal(cow_find(w->type, root, cur.key, cur.key_len), cur.leaf);
    }
    assert_int_equal(at, m->count);
    closest_must_match(w, root);
    for (int i = 0; i < 8; i++) {
        uint8_t key[COW_KEY_MAX];
        size_t len = w->key(key);
        const struct leaf *present = model_find(m, key, len);
        assert_ptr_equal(cow_find(w->type, root, key, len), present);
        near_must_match(w, root, m, key, len);
        at = model_place(m, key, len);
        cow_seek(&cur, w->type, root, key, len, false);
        cursor_must_match(&cur, m, at);
        cow_seek(&cur, w->type, root, key, len, true);
        cursor_must_match(&cur, m, at + (present != NULL));
        cow_next(&cur);
        cursor_must_match(&cur, m, at + (present != NULL) + 1);
    }
}

static struct model *head(struct world *w)
{
    return w->open_count ? &w->open[w->open_count - 1] : &w->committed;
}

static void begin(struct world *w)
{
    if (w->open_count == OPEN_MAX)
        return;
    if (w->open_count == 0)
        w->bytes_before = cow_bytes(w->tree);
    struct model copy = model_copy(head(w));
    cow_begin(w->tree);
    w->open[w->open_count++] = copy;
}

static void keep_drop_oldest(struct world *w)
{
    version_must_match(w, w->kept[0].root, &w->kept[0].model);
    cow_garbage_free(&w->kept[0].garbage); /* no version before it is kept */
    free(w->kept[0].model.at);
    memmove(&w->kept[0], &w->kept[1], --w->kept_count * sizeof w->kept[0]);
}

static void commit_oldest(struct world *w)
{
    if (w->open_count == 0)
        return;
    if (w->kept_count == KEPT_MAX)
        keep_drop_oldest(w);
    struct kept *kept = &w->kept[w->kept_count++];
    kept->root = cow_committed(w->tree);
    kept->model = w->committed;
    cow_commit(w->tree, &kept->garbage);
    w->committed = w->open[0];
    memmove(&w->open[0], &w->open[1], --w->open_count * sizeof w->open[0]);
    w->bytes_before = 0; /* known again when none is open */
    while (w->kept_count > 0 && chance(4) == 0)
        keep_drop_oldest(w);
}

static void abort_all(struct world *w)
{
    cow_abort(w->tree);
    while (w->open_count > 0)
        free(w->open[--w->open_count].at);
    if (w->bytes_before)
        assert_int_equal(cow_bytes(w->tree), w->bytes_before);
}

static void change(struct world *w)
{
    if (w->open_count == 0)
        begin(w);
    uint8_t key[COW_KEY_MAX];
    for (uint32_t n = 1 + chance(12); n > 0; n--) {
        size_t len = w->key(key);
        struct leaf *old = model_find(head(w), key, len);
        if (chance(100) < (head(w)->count > 150 ? 60U : 40U)) {
            if (!old && head(w)->count && chance(2)) { /* rather one that is there */
                old = head(w)->at[chance((uint32_t)head(w)->count)];
                memcpy(key, old->key, len = old->len);
            }
            assert_ptr_equal(cow_del(w->tree, key, len), old);
            if (old)
                model_del(head(w), key, len);
        } else {
            struct leaf *leaf = leaf_make(key, len);
            assert_ptr_equal(cow_set(w->tree, leaf), old);
            model_set(head(w), leaf);
        }
    }
}

/* The newest versions, and one of those that are still read; each of these again when it goes. */
static void check_all(const struct world *w)
{
    version_must_match(w, cow_committed(w->tree), &w->committed);
    if (w->open_count)
        version_must_match(w, cow_head(w->tree), &w->open[w->open_count - 1]);
    if (w->kept_count) {
        const struct kept *kept = &w->kept[chance((uint32_t)w->kept_count)];
        version_must_match(w, kept->root, &kept->model);
    }
}

static void clear(struct world *w)
{
    abort_all(w);
    begin(w);
    while (head(w)->count > 0) {
        struct leaf *leaf = head(w)->at[0];
        assert_ptr_equal(cow_del(w->tree, leaf->key, leaf->len), leaf);
        model_del(head(w), leaf->key, leaf->len);
    }
    commit_oldest(w);
    assert_int_equal(cow_bytes(w->tree), 0);
    check_all(w);
}

static unsigned long env_number(const char *name, unsigned long fallback)
{
    const char *text = getenv(name); /* NOLINT(concurrency-mt-unsafe): before any thread */
    return text ? strtoul(text, NULL, 10) : fallback;
}

static void random_history(const struct cow_type *type, size_t (*key)(uint8_t *out))
{
    struct world w = {.type = type, .tree = cow_new(type), .key = key};
    w.committed.at = xcalloc(1, sizeof(struct leaf *));
    chance_state = env_number("COW_SEED", 1);
    unsigned long steps = env_number("COW_STEPS", 3000);
    for (unsigned long step = 0; step < steps; step++) {
        uint32_t what = chance(100);
        if (what < 60) {
            change(&w);
            continue;
        }
        if (what < 75)
            begin(&w);
        else if (what < 95)
            commit_oldest(&w);
        else
            abort_all(&w);
        check_all(&w);
        if (step % 997 == 0)
            clear(&w);
    }
    clear(&w);
    while (w.kept_count > 0)
        keep_drop_oldest(&w);
    free(w.committed.at);
    cow_free(w.tree);
}

static void random_bytes_behave_like_a_sorted_array(void **state)
{
    (void)state;
    random_history(&by_key, random_bytes_key);
}

static void shared_prefixes_behave_like_a_sorted_array(void **state)
{
    (void)state;
    random_history(&by_equal, shared_prefix_key);
}

static void names_behave_like_a_sorted_array(void **state)
{
    (void)state;
    random_history(&by_equal, name_key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(an_empty_tree_has_no_answers, leaves_free),
        cmocka_unit_test_teardown(a_prefix_sorts_before_what_it_is_a_prefix_of, leaves_free),
        cmocka_unit_test_teardown(the_nearest_leaf_tells_of_empty_non_terminals, leaves_free),
        cmocka_unit_test_teardown(setting_a_key_again_returns_the_leaf_it_replaced, leaves_free),
        cmocka_unit_test_teardown(transactions_nest_and_commit_oldest_first, leaves_free),
        cmocka_unit_test_teardown(a_transaction_edits_its_own_branches_in_place, leaves_free),
        cmocka_unit_test_teardown(the_longest_keys_make_the_deepest_tree, leaves_free),
        cmocka_unit_test_teardown(an_update_copies_one_path_whatever_the_size, leaves_free),
        cmocka_unit_test_teardown(random_keys_make_a_shallow_tree, leaves_free),
        cmocka_unit_test_teardown(random_bytes_behave_like_a_sorted_array, leaves_free),
        cmocka_unit_test_teardown(shared_prefixes_behave_like_a_sorted_array, leaves_free),
        cmocka_unit_test_teardown(names_behave_like_a_sorted_array, leaves_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
