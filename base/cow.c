#include "base/cow.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/* A twig is a pointer to a branch, or to a leaf with its lowest bit set. A root is one twig, or
 * NULL.
 *
 * Invariant that ownership rests on: a branch points to branches of its own or of older
 * transactions only, because putting a branch into a twig takes a parent that the newest
 * transaction owns. So everything the open transactions made is reached from the head through
 * branches that they made, or is in their garbage. */
#define END_BIT   1U
#define ALL_BITS  ((1U << 17) - 1)
#define POS_SHIFT 17

#define DEPTH_MAX (2 * COW_KEY_MAX + 2)
#define NOWHERE   SIZE_MAX /* position at which equal keys differ */

#ifndef COW_STAMP_MAX
#define COW_STAMP_MAX UINT32_MAX /* lowered by a test: renumbering begins anew beyond it */
#endif

struct branch {
    uint32_t head;  /* bitmap, above it the nibble position with its lowest bit inverted */
    uint32_t stamp; /* the transaction that made it; readers never look at it */
    void *twigs[];
};

struct txn {
    uint32_t stamp;
    void *root;
    size_t leaves;
    struct cow_garbage garbage; /* replaced here, made by earlier transactions */
};

struct cow {
    const struct cow_type *type;
    void *root; /* committed */
    size_t leaves;
    struct txn *open; /* oldest first */
    size_t open_count, open_cap;
    uint32_t last_stamp;
    size_t bytes;
};

/* ---- twigs ---- */

static inline bool is_leaf(const void *twig)
{
    return ((uintptr_t)twig & 1) != 0;
}

static inline const void *leaf_of(const void *twig)
{
    return (const char *)twig - 1;
}

static inline void *leaf_taken(void *twig)
{
    return (char *)twig - 1;
}

static inline void *leaf_twig(void *leaf)
{
    return (char *)leaf + 1;
}

static inline uint32_t head_at(size_t pos)
{
    return (uint32_t)(pos ^ 1) << POS_SHIFT;
}

static inline size_t position(const struct branch *b)
{
    return (b->head >> POS_SHIFT) ^ 1;
}

/* The bit of the twig that key takes at a branch with this head. Even positions are high nibbles.
 */
static inline uint32_t symbol_bit(uint32_t head, const uint8_t *key, size_t len)
{
    size_t at = head >> (POS_SHIFT + 1);
    if (at >= len)
        return END_BIT;
    return 2U << ((key[at] >> ((head >> (POS_SHIFT - 2)) & 4)) & 15);
}

/* Portable x86-64 has no popcnt; ranks need at most 16 bits. */
#define ONES_2(n) (n), (n) + 1, (n) + 1, (n) + 2
#define ONES_4(n) ONES_2(n), ONES_2((n) + 1), ONES_2((n) + 1), ONES_2((n) + 2)
#define ONES_6(n) ONES_4(n), ONES_4((n) + 1), ONES_4((n) + 1), ONES_4((n) + 2)
static const uint8_t ones[256] = {ONES_6(0), ONES_6(1), ONES_6(1), ONES_6(2)};

/* How many twigs come before the one of this bit. */
static inline size_t rank(uint32_t head, uint32_t bit)
{
    uint32_t below = head & (bit - 1);
    return (size_t)ones[below & 255] + ones[below >> 8];
}

static inline size_t twig_count(const struct branch *b)
{
    return rank(b->head, 1U << 16) + ((b->head >> 16) & 1);
}

static inline size_t branch_bytes(size_t twigs)
{
    return sizeof(struct branch) + twigs * sizeof(void *);
}

/* ---- keys ---- */

static size_t common_bytes(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    size_t len = a_len < b_len ? a_len : b_len;
    size_t at = 0;
    while (at + sizeof(uint64_t) <= len) {
        uint64_t x, y;
        memcpy(&x, a + at, sizeof x);
        memcpy(&y, b + at, sizeof y);
        if (x != y)
            break;
        at += sizeof x;
    }
    while (at < len && a[at] == b[at])
        at++;
    return at;
}

/* The nibble position at which two keys part, NOWHERE when they are equal. */
static size_t parting(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    size_t common = common_bytes(a, a_len, b, b_len);
    if (common < a_len && common < b_len)
        return 2 * common + (((a[common] ^ b[common]) & 0xf0) == 0);
    return a_len == b_len ? NOWHERE : 2 * common;
}

static size_t leaf_key(const struct cow_type *type, const void *leaf, uint8_t out[COW_KEY_MAX])
{
    size_t len = type->key(leaf, out);
    CHECK(len <= COW_KEY_MAX);
    return len;
}

/* Apart from cow_find, so that the common case carries neither this buffer nor its stack guard. */
static __attribute__((noinline)) bool equal_by_key(const struct cow_type *type, const void *leaf,
                                                   const uint8_t *key, size_t len)
{
    uint8_t own[COW_KEY_MAX];
    return leaf_key(type, leaf, own) == len && (len == 0 || memcmp(own, key, len) == 0);
}

/* ---- readers ---- */

const void *cow_find(const struct cow_type *type, struct cow_root root, const uint8_t *key,
                     size_t len)
{
    const void *twig = root.node;
    if (!twig)
        return NULL;
    while (!is_leaf(twig)) {
        const struct branch *b = twig;
        uint32_t head = b->head;
        uint32_t bit = symbol_bit(head, key, len);
        if (!(head & bit))
            return NULL;
        twig = b->twigs[rank(head, bit)];
    }
    const void *leaf = leaf_of(twig);
    bool found = type->equal ? type->equal(leaf, key, len) : equal_by_key(type, leaf, key, len);
    return found ? leaf : NULL;
}

/* Key's twig where there is one, any other where not. */
static const void *closest(const void *twig, const uint8_t *key, size_t len, bool *below)
{
    uint32_t last = 0; /* positions only grow on the way */
    bool has_branch = !is_leaf(twig);
    while (!is_leaf(twig)) {
        const struct branch *b = twig;
        uint32_t head = b->head, bit = symbol_bit(head, key, len);
        twig = b->twigs[head & bit ? rank(head, bit) : 0];
        last = head;
    }
    *below = has_branch && ((last >> POS_SHIFT) ^ 1) >= 2 * len;
    return leaf_of(twig);
}

const void *cow_closest(struct cow_root root, const uint8_t *key, size_t len, bool *below)
{
    *below = false;
    return root.node ? closest(root.node, key, len, below) : NULL;
}

/* One step of each search that has not come to its leaf; how many took one. */
static size_t step_all(const struct cow_search *searches, const void **twigs, uint32_t *last,
                       size_t count)
{
    size_t steps = 0;
    for (size_t i = 0; i < count; i++) {
        if (is_leaf(twigs[i]))
            continue;
        const struct branch *b = twigs[i];
        uint32_t head = b->head, bit = symbol_bit(head, searches[i].key, searches[i].len);
        twigs[i] = b->twigs[head & bit ? rank(head, bit) : 0];
        __builtin_prefetch(twigs[i]);
        last[i] = head;
        steps++;
    }
    return steps;
}

void cow_closest_all(struct cow_root root, struct cow_search *searches, size_t count)
{
    const void *twigs[COW_SEARCHES];
    uint32_t last[COW_SEARCHES] = {0};
    CHECK(count <= COW_SEARCHES);
    bool has_branch = root.node && !is_leaf(root.node);
    for (size_t i = 0; i < count; i++)
        twigs[i] = root.node;
    while (has_branch && step_all(searches, twigs, last, count) > 0)
        continue;
    for (size_t i = 0; i < count; i++) {
        searches[i].leaf = root.node ? leaf_of(twigs[i]) : NULL;
        searches[i].below = has_branch && ((last[i] >> POS_SHIFT) ^ 1) >= 2 * searches[i].len;
    }
}

void cow_measure(const struct cow_type *type, const void *leaf, bool below, const uint8_t *key,
                 size_t len, struct cow_near *out)
{
    uint8_t own[COW_KEY_MAX];
    size_t own_len = leaf_key(type, leaf, own);
    *out = (struct cow_near){.leaf = leaf, .common = common_bytes(key, len, own, own_len)};
    if (out->common < len)
        return;
    /* The leaf's key starts with key, and so do all those below the first branch at or beyond its
     * end: two or more. */
    out->is_prefix = below || own_len > len;
    out->exact = own_len == len ? leaf : NULL;
}

void cow_near(const struct cow_type *type, struct cow_root root, const uint8_t *key, size_t len,
              struct cow_near *out)
{
    bool below;
    const void *leaf = cow_closest(root, key, len, &below);
    if (!leaf)
        *out = (struct cow_near){0};
    else if (type->equal && type->equal(leaf, key, len)) /* no need to build the leaf's key */
        *out = (struct cow_near){.exact = leaf, .leaf = leaf, .common = len, .is_prefix = below};
    else
        cow_measure(type, leaf, below, key, len, out);
}

struct way {
    const void *twig;  /* a leaf, or the first branch on key's way at position until or beyond */
    const void *right; /* nearest twig to the right of the way, NULL when there is none */
};

/* Goes the way of key, whose twig is present in every branch before position until. */
static struct way follow(const void *root, const uint8_t *key, size_t len, size_t until)
{
    struct way way = {.twig = root};
    while (!is_leaf(way.twig)) {
        const struct branch *b = way.twig;
        if (position(b) >= until)
            break;
        uint32_t bit = symbol_bit(b->head, key, len);
        size_t at = rank(b->head, bit);
        if ((b->head & ALL_BITS) >= bit << 1)
            way.right = b->twigs[at + 1];
        way.twig = b->twigs[at];
    }
    return way;
}

static void cursor_place(struct cow_cursor *cur, const void *twig)
{
    if (!twig) {
        cur->leaf = NULL;
        cur->key_len = 0;
        return;
    }
    while (!is_leaf(twig)) {
        const struct branch *b = twig;
        twig = b->twigs[0];
    }
    cur->leaf = leaf_of(twig);
    cur->key_len = leaf_key(cur->type, cur->leaf, cur->key);
}

/* The first twig with keys greater than key, which parts from near's key at position `at`. */
static const void *beyond(const void *root, const uint8_t *key, size_t len, const uint8_t *near,
                          size_t near_len, size_t at)
{
    struct way way = follow(root, key, len, at);
    uint32_t bit = symbol_bit(head_at(at), key, len);
    if (!is_leaf(way.twig)) {
        const struct branch *b = way.twig;
        if (position(b) == at) /* key's own twig is missing here */
            return (b->head & ALL_BITS) > bit ? b->twigs[rank(b->head, bit)] : way.right;
    }
    return bit < symbol_bit(head_at(at), near, near_len) ? way.twig : way.right;
}

void cow_seek(struct cow_cursor *cur, const struct cow_type *type, struct cow_root root,
              const uint8_t *key, size_t len, bool after)
{
    cur->type = type;
    cur->root = root;
    if (!root.node) {
        cursor_place(cur, NULL);
        return;
    }
    bool below;
    const void *leaf = closest(root.node, key, len, &below);
    uint8_t near[COW_KEY_MAX];
    size_t near_len = leaf_key(type, leaf, near);
    size_t at = parting(key, len, near, near_len);
    if (at != NOWHERE) {
        cursor_place(cur, beyond(root.node, key, len, near, near_len, at));
    } else if (after) {
        cursor_place(cur, follow(root.node, near, near_len, NOWHERE).right);
    } else {
        cur->leaf = leaf;
        cur->key_len = near_len;
        memcpy(cur->key, near, near_len);
    }
}

void cow_next(struct cow_cursor *cur)
{
    if (cur->leaf)
        cursor_place(cur, follow(cur->root.node, cur->key, cur->key_len, NOWHERE).right);
}

/* ---- branches of the writer ---- */

static struct branch *branch_new(struct cow *tree, size_t twigs)
{
    tree->bytes += branch_bytes(twigs);
    return xmalloc(branch_bytes(twigs));
}

static void branch_free(struct cow *tree, struct branch *b)
{
    tree->bytes -= branch_bytes(twig_count(b));
    free(b);
}

static struct branch *branch_resize(struct cow *tree, struct branch *b, size_t from, size_t to)
{
    tree->bytes = tree->bytes - branch_bytes(from) + branch_bytes(to);
    return xrealloc(b, branch_bytes(to));
}

static struct txn *newest(struct cow *tree)
{
    CHECK(tree->open_count > 0);
    return &tree->open[tree->open_count - 1];
}

/* The branch leaves the newest transaction's version. */
static void branch_drop(struct cow *tree, struct txn *txn, struct branch *b)
{
    if (b->stamp == txn->stamp) {
        branch_free(tree, b);
        return;
    }
    struct cow_garbage *garbage = &txn->garbage;
    if (garbage->count == garbage->cap) {
        garbage->cap = garbage->cap ? garbage->cap * 2 : 16;
        garbage->nodes = xrealloc(garbage->nodes, garbage->cap * sizeof *garbage->nodes);
    }
    garbage->nodes[garbage->count++] = b;
}

/* The branch in *slot, made the newest transaction's own. */
static struct branch *branch_own(struct cow *tree, struct txn *txn, void **slot)
{
    struct branch *b = *slot;
    if (b->stamp == txn->stamp)
        return b;
    size_t twigs = twig_count(b);
    struct branch *own = branch_new(tree, twigs);
    memcpy(own, b, branch_bytes(twigs));
    own->stamp = txn->stamp;
    *slot = own;
    branch_drop(tree, txn, b);
    return own;
}

static void twig_insert(struct cow *tree, struct txn *txn, void **slot, uint32_t bit, void *twig)
{
    struct branch *b = branch_own(tree, txn, slot);
    size_t twigs = twig_count(b);
    size_t at = rank(b->head, bit);
    b = branch_resize(tree, b, twigs, twigs + 1);
    memmove(&b->twigs[at + 1], &b->twigs[at], (twigs - at) * sizeof b->twigs[0]);
    b->twigs[at] = twig;
    b->head |= bit;
    *slot = b;
}

static void twig_remove(struct cow *tree, struct txn *txn, void **slot, uint32_t bit)
{
    struct branch *b = *slot;
    size_t twigs = twig_count(b);
    size_t at = rank(b->head, bit);
    if (twigs == 2) { /* no branch has a single twig */
        *slot = b->twigs[1 - at];
        branch_drop(tree, txn, b);
        return;
    }
    b = branch_own(tree, txn, slot);
    memmove(&b->twigs[at], &b->twigs[at + 1], (twigs - at - 1) * sizeof b->twigs[0]);
    b->head &= ~bit;
    *slot = branch_resize(tree, b, twigs, twigs - 1);
}

/* Makes the branches on key's way before position until the transaction's own; returns the slot
 * below them. */
static void **own_way(struct cow *tree, struct txn *txn, const uint8_t *key, size_t len,
                      size_t until)
{
    void **slot = &txn->root;
    while (!is_leaf(*slot)) {
        struct branch *b = *slot;
        if (position(b) >= until)
            break;
        b = branch_own(tree, txn, slot);
        slot = &b->twigs[rank(b->head, symbol_bit(b->head, key, len))];
    }
    return slot;
}

typedef void visit_fn(struct cow *tree, struct branch *b, uint32_t oldest);

/* Visits the branches under twig, children first, leaving out those made before `oldest` and all
 * below them. */
static void visit_branches(struct cow *tree, void *twig, uint32_t oldest, visit_fn *visit)
{
    struct {
        struct branch *b;
        size_t next;
    } way[DEPTH_MAX];
    size_t depth = 0;
    for (void *child = twig;;) {
        if (child && !is_leaf(child) && ((struct branch *)child)->stamp >= oldest) {
            CHECK(depth < DEPTH_MAX);
            way[depth].b = child;
            way[depth++].next = 0;
        }
        while (depth > 0 && way[depth - 1].next == twig_count(way[depth - 1].b))
            visit(tree, way[--depth].b, oldest);
        if (depth == 0)
            return;
        child = way[depth - 1].b->twigs[way[depth - 1].next++];
    }
}

static void visit_free(struct cow *tree, struct branch *b, uint32_t oldest)
{
    (void)oldest;
    branch_free(tree, b);
}

static uint32_t renumbered(uint32_t stamp, uint32_t oldest)
{
    return stamp < oldest ? 0 : stamp - oldest + 1;
}

static void visit_renumber(struct cow *tree, struct branch *b, uint32_t oldest)
{
    (void)oldest;
    b->stamp = tree->open_count ? renumbered(b->stamp, tree->open[0].stamp) : 0;
}

/* Stamps ran out, once in four billion transactions: committed branches get 0, those of open
 * transactions 1 and up. A committed branch that is not below the head is in the garbage of an open
 * transaction. */
static void renumber(struct cow *tree)
{
    void *head = tree->open_count ? newest(tree)->root : tree->root;
    visit_branches(tree, head, 0, visit_renumber);
    for (size_t i = 0; i < tree->open_count; i++) {
        struct cow_garbage *garbage = &tree->open[i].garbage;
        for (size_t j = 0; j < garbage->count; j++)
            visit_renumber(tree, garbage->nodes[j], 0);
    }
    uint32_t oldest = tree->open_count ? tree->open[0].stamp : 0;
    for (size_t i = 0; i < tree->open_count; i++)
        tree->open[i].stamp = renumbered(tree->open[i].stamp, oldest);
    tree->last_stamp = (uint32_t)tree->open_count;
}

/* ---- writer ---- */

void cow_garbage_free(struct cow_garbage *garbage)
{
    for (size_t i = 0; i < garbage->count; i++)
        free(garbage->nodes[i]);
    free(garbage->nodes);
    *garbage = (struct cow_garbage){0};
}

struct cow *cow_new(const struct cow_type *type)
{
    struct cow *tree = xcalloc(1, sizeof *tree);
    tree->type = type;
    return tree;
}

void cow_free(struct cow *tree)
{
    if (!tree)
        return;
    cow_abort(tree);
    visit_branches(tree, tree->root, 0, visit_free);
    CHECK(tree->bytes == 0);
    free(tree->open);
    free(tree);
}

struct cow_root cow_committed(const struct cow *tree)
{
    return (struct cow_root){.node = tree->root, .leaves = tree->leaves};
}

struct cow_root cow_head(const struct cow *tree)
{
    if (tree->open_count == 0)
        return cow_committed(tree);
    const struct txn *txn = &tree->open[tree->open_count - 1];
    return (struct cow_root){.node = txn->root, .leaves = txn->leaves};
}

void cow_begin(struct cow *tree)
{
    if (tree->last_stamp == COW_STAMP_MAX)
        renumber(tree);
    CHECK(tree->last_stamp < COW_STAMP_MAX);
    if (tree->open_count == tree->open_cap) {
        tree->open_cap = tree->open_cap ? tree->open_cap * 2 : 4;
        tree->open = xrealloc(tree->open, tree->open_cap * sizeof *tree->open);
    }
    bool first = tree->open_count == 0;
    void *root = first ? tree->root : newest(tree)->root;
    size_t leaves = first ? tree->leaves : newest(tree)->leaves;
    tree->open[tree->open_count++] =
        (struct txn){.stamp = ++tree->last_stamp, .root = root, .leaves = leaves};
}

bool cow_in_transaction(const struct cow *tree)
{
    return tree->open_count > 0;
}

void *cow_set(struct cow *tree, void *leaf)
{
    struct txn *txn = newest(tree);
    CHECK(leaf && ((uintptr_t)leaf & 3) == 0);
    uint8_t key[COW_KEY_MAX], near[COW_KEY_MAX];
    size_t len = leaf_key(tree->type, leaf, key);
    if (!txn->root) {
        txn->root = leaf_twig(leaf);
        txn->leaves = 1;
        return NULL;
    }
    bool below;
    size_t near_len = leaf_key(tree->type, closest(txn->root, key, len, &below), near);
    size_t at = parting(key, len, near, near_len);
    void **slot = own_way(tree, txn, key, len, at);
    if (at == NOWHERE) {
        void *old = leaf_taken(*slot);
        *slot = leaf_twig(leaf);
        return old;
    }
    txn->leaves++;
    uint32_t bit = symbol_bit(head_at(at), key, len);
    if (!is_leaf(*slot) && position(*slot) == at) {
        twig_insert(tree, txn, slot, bit, leaf_twig(leaf));
        return NULL;
    }
    uint32_t near_bit = symbol_bit(head_at(at), near, near_len);
    struct branch *b = branch_new(tree, 2);
    b->head = head_at(at) | bit | near_bit;
    b->stamp = txn->stamp;
    b->twigs[bit > near_bit] = leaf_twig(leaf);
    b->twigs[bit < near_bit] = *slot;
    *slot = b;
    return NULL;
}

void *cow_del(struct cow *tree, const uint8_t *key, size_t len)
{
    struct txn *txn = newest(tree);
    if (!cow_find(tree->type, cow_head(tree), key, len))
        return NULL;
    txn->leaves--;
    void **slot = &txn->root;
    if (is_leaf(*slot)) {
        void *leaf = leaf_taken(*slot);
        *slot = NULL;
        return leaf;
    }
    for (;;) {
        struct branch *b = *slot;
        uint32_t bit = symbol_bit(b->head, key, len);
        void *child = b->twigs[rank(b->head, bit)];
        if (is_leaf(child)) {
            twig_remove(tree, txn, slot, bit);
            return leaf_taken(child);
        }
        b = branch_own(tree, txn, slot);
        slot = &b->twigs[rank(b->head, bit)];
    }
}

void cow_commit(struct cow *tree, struct cow_garbage *out)
{
    CHECK(tree->open_count > 0);
    struct txn *txn = &tree->open[0];
    tree->root = txn->root;
    tree->leaves = txn->leaves;
    for (size_t i = 0; i < txn->garbage.count; i++)
        txn->garbage.bytes += branch_bytes(twig_count(txn->garbage.nodes[i]));
    tree->bytes -= txn->garbage.bytes;
    *out = txn->garbage;
    tree->open_count--;
    memmove(&tree->open[0], &tree->open[1], tree->open_count * sizeof *tree->open);
}

void cow_abort(struct cow *tree)
{
    if (tree->open_count == 0)
        return;
    uint32_t oldest = tree->open[0].stamp;
    visit_branches(tree, newest(tree)->root, oldest, visit_free);
    for (size_t i = 0; i < tree->open_count; i++) {
        struct cow_garbage *garbage = &tree->open[i].garbage;
        for (size_t j = 0; j < garbage->count; j++) {
            struct branch *b = garbage->nodes[j];
            if (b->stamp >= oldest) /* made and replaced by open transactions */
                branch_free(tree, b);
        }
        free(garbage->nodes);
    }
    tree->open_count = 0;
}

size_t cow_bytes(const struct cow *tree)
{
    return tree->bytes;
}
