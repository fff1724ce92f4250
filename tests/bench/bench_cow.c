/* base/cow at one million names of 43 bytes: lookups, updates, a batch, memory.
 *
 *     bench_cow [names]
 *
 * Targets (docs: budgets of the name index): random lookup 405 ns, one-name update 5 us, batch of
 * 100,000 names 0.3 s, 80 bytes per name beyond its records. Two shapes of names: those of
 * StatefulSet pods as the DNS index orders them, and the same with hashed labels, which share less.
 */
#include "base/cow.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"

#define KEY_LEN 43
#define LOOKUPS 1000000
#define ROUNDS  7
#define UPDATES 200000
#define BATCH   100000
#define HOT     1000

struct leaf {
    uint8_t key[KEY_LEN + 1];
};

static size_t leaf_key(const void *leaf, uint8_t *out)
{
    memcpy(out, leaf, KEY_LEN);
    return KEY_LEN;
}

static bool leaf_equal(const void *leaf, const uint8_t *key, size_t len)
{
    return len == KEY_LEN && memcmp(leaf, key, KEY_LEN) == 0;
}

static const struct cow_type type = {.key = leaf_key, .equal = leaf_equal};

static uint64_t chance_state = 42;

static uint64_t chance(void)
{
    chance_state ^= chance_state << 13;
    chance_state ^= chance_state >> 7;
    chance_state ^= chance_state << 17;
    return chance_state;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Labels from the root down, each ended by a zero byte:
 * local.cluster.svc.<namespace>.<service>.<pod>. */
static void pod_name(struct leaf *leaf, size_t i)
{
    char text[128];
    unsigned service = (unsigned)(i / 20), pod = (unsigned)(i % 20);
    (void)snprintf(text, sizeof text, "local.cluster.svc.ns-%03u.app-%06u.app-%02u..........",
                   service % 500, service, pod);
    memcpy(leaf->key, text, KEY_LEN);
}

static void hashed_name(struct leaf *leaf, size_t i)
{
    char text[128];
    uint64_t hash = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
    (void)snprintf(text, sizeof text, "local.cluster.svc.default.%016llx.......",
                   (unsigned long long)hash);
    memcpy(leaf->key, text, KEY_LEN);
}

static void shuffle(struct leaf *leaves, size_t count)
{
    for (size_t i = count - 1; i > 0; i--) {
        size_t j = chance() % (i + 1);
        struct leaf swap = leaves[i];
        leaves[i] = leaves[j];
        leaves[j] = swap;
    }
}

static size_t heap_bytes(void)
{
    return mallinfo2().uordblks;
}

/* Nanoseconds per lookup, the best of some rounds: the machine may be shared. */
static double lookups(struct cow_root root, const struct leaf *keys, size_t among)
{
    double best = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        size_t found = 0;
        double start = now();
        for (size_t i = 0; i < LOOKUPS; i++)
            found += cow_find(&type, root, keys[i % among].key, KEY_LEN) != NULL;
        double spent = (now() - start) / LOOKUPS * 1e9;
        CHECK(found == LOOKUPS);
        best = spent < best ? spent : best;
    }
    return best;
}

/* How many branches the transaction copied. */
static size_t commit(struct cow *tree)
{
    struct cow_garbage garbage;
    cow_commit(tree, &garbage);
    size_t copied = garbage.count;
    cow_garbage_free(&garbage);
    return copied;
}

static void run(const char *shape, void (*name)(struct leaf *, size_t), size_t names)
{
    struct leaf *leaves = xcalloc(names, sizeof *leaves);
    for (size_t i = 0; i < names; i++)
        name(&leaves[i], i);
    shuffle(leaves, names); /* memory order is not name order */
    /* A packet has just been received: its bytes are read in order, unlike the trie and its leaves.
     */
    struct leaf *asked = xmemdup(leaves, names * sizeof *leaves);
    shuffle(asked, names);

    struct cow *tree = cow_new(&type);
    size_t heap = heap_bytes();
    double start = now();
    cow_begin(tree);
    for (size_t i = 0; i < names; i++)
        cow_set(tree, &leaves[i]);
    commit(tree);
    double load = now() - start;
    CHECK(cow_committed(tree).leaves == names);
    double per_name = (double)(heap_bytes() - heap) / (double)names;
    double random = lookups(cow_committed(tree), asked, names);
    double hot = lookups(cow_committed(tree), asked, HOT < names ? HOT : names);

    size_t copied = 0, deepest = 0;
    start = now();
    for (size_t i = 0; i < UPDATES; i++) {
        cow_begin(tree);
        cow_set(tree, &leaves[chance() % names]);
        size_t depth = commit(tree); /* the branches above the leaf, no other */
        copied += depth;
        deepest = depth > deepest ? depth : deepest;
    }
    double update = (now() - start) / UPDATES * 1e6;

    start = now();
    cow_begin(tree);
    for (size_t i = 0; i < BATCH; i++)
        cow_set(tree, &leaves[chance() % names]);
    commit(tree);
    double batch = now() - start;

    start = now();
    struct cow_cursor cur;
    size_t walked = 0;
    for (cow_seek(&cur, &type, cow_committed(tree), NULL, 0, false); cur.leaf; cow_next(&cur))
        walked++;
    double walk = (now() - start) / (double)walked * 1e9;
    double after = (double)(heap_bytes() - heap) / (double)names;

    printf("%-7s names=%zu load_s=%.2f lookup_random_ns=%.0f lookup_hot_ns=%.0f update_us=%.2f "
           "branches_copied=%.1f (at most %zu) batch_100k_s=%.3f walk_step_ns=%.0f "
           "bytes_per_name=%.1f (after updates %.1f, asked "
           "%.1f)\n",
           shape, names, load, random, hot, update, (double)copied / UPDATES, deepest, batch, walk,
           per_name, after, (double)cow_bytes(tree) / (double)names);
    cow_free(tree);
    free(asked);
    free(leaves);
}

int main(int argc, char **argv)
{
    size_t names = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    CHECK(names > 0);
    run("pods", pod_name, names);
    run("hashed", hashed_name, names);
    return 0;
}
