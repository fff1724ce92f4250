/* base/cow.h - ordered copy-on-write trie: versions, cursors, nearest leaf.
 *
 * A qp-trie (nibble crit-bit trie with bitmap branches; T. Finch, "QP tries") over byte strings.
 * The tree does not own its leaves and stores no keys: struct cow_type.key writes a leaf's key on
 * demand. A struct cow_root is one immutable version: readers on any thread search it without locks
 * as long as somebody keeps the version alive (base/publish).
 *
 * Writer side (one thread): cow_begin opens a transaction on the newest root; cow_set and cow_del
 * copy only the branches on the path, in place when this transaction already owns them; cow_commit
 * makes the root final and hands out the branches that older versions still use, as garbage to be
 * freed when no reader can be in an older version; cow_abort forgets the transaction. Transactions
 * nest in a chain (a second cow_begin before the first is committed builds on its result): they
 * commit oldest first, and aborting one aborts those begun after it.
 *
 *     branch: | bitmap:17 | nibble position | twig pointers, one per set bit, in order |
 *             bit 0 = "the key ends here", bits 1..16 = nibble value 0..15
 *
 * Order of leaves = order of keys as unsigned bytes, a prefix before what it is a prefix of. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COW_KEY_MAX 767

struct cow_type {
    /* Writes the key of leaf to out (COW_KEY_MAX bytes of room), returns its length. Leaves are at
     * least 4-aligned. */
    size_t (*key)(const void *leaf, uint8_t *out);
    /* May be NULL: true when the leaf's key equals key (saves building it on a hit). */
    bool (*equal)(const void *leaf, const uint8_t *key, size_t len);
};

/* One version; a plain value, to be stored in whatever a program publishes. {0} is the empty
 * version. */
struct cow_root {
    const void *node;
    size_t leaves;
};

/* ---- readers: any thread ---- */

const void *cow_find(const struct cow_type *type, struct cow_root root, const uint8_t *key,
                     size_t len);

struct cow_near {
    const void *exact; /* leaf with this very key, or NULL */
    const void
        *leaf; /* some leaf whose common prefix with key is longest, NULL only in an empty tree */
    size_t common;  /* length of that common prefix in whole bytes */
    bool is_prefix; /* some leaf's key starts with key and is longer (an empty non-terminal, or
                       exact has children) */
};
void cow_near(const struct cow_type *type, struct cow_root root, const uint8_t *key, size_t len,
              struct cow_near *out);

/* cow_near in two steps, for callers who tell faster than by its key whether a leaf is the one:
 * they measure only where it is not. *below: the way to the leaf led through a branch at or beyond
 * the end of key, so when the leaf's key starts with key, longer ones do too. NULL only in an empty
 * tree. */
const void *cow_closest(struct cow_root root, const uint8_t *key, size_t len, bool *below);
/* The same for up to COW_SEARCHES keys at once: while memory brings the next branch of one, the
 * others go on. Fills leaf and below of each. */
#define COW_SEARCHES 16
struct cow_search {
    const uint8_t *key;
    size_t len;
    const void *leaf;
    bool below;
};
void cow_closest_all(struct cow_root root, struct cow_search *searches, size_t count);
void cow_measure(const struct cow_type *type, const void *leaf, bool below, const uint8_t *key,
                 size_t len, struct cow_near *out);

/* Ordered walk over one version. Caller's storage; bounded stack, no allocation. */
struct cow_cursor {
    const struct cow_type *type;
    struct cow_root root;
    const void *leaf; /* present leaf, NULL past the end */
    uint8_t key[COW_KEY_MAX];
    size_t key_len; /* of the present leaf */
};
/* Places the cursor on the first leaf whose key is >= key (strictly greater with after=true). */
void cow_seek(struct cow_cursor *cur, const struct cow_type *type, struct cow_root root,
              const uint8_t *key, size_t len, bool after);
void cow_next(struct cow_cursor *cur);

/* ---- writer: one thread ---- */

struct cow; /* the tree: newest committed root and the open transactions */

/* Branches (never leaves) that left the newest version. */
struct cow_garbage {
    void **nodes;
    size_t count, cap;
    size_t bytes; /* of the branches; set by cow_commit */
};
void cow_garbage_free(
    struct cow_garbage *garbage); /* frees the branches and the array; {0} is fine */

struct cow *cow_new(const struct cow_type *type);
/* No reader may be left. Open transactions are aborted. Leaves are the caller's: walk and release
 * them before. */
void cow_free(struct cow *tree);

struct cow_root cow_committed(const struct cow *tree); /* newest committed version */
struct cow_root
cow_head(const struct cow *tree); /* result of the newest open transaction, else as above */

void cow_begin(struct cow *tree);
bool cow_in_transaction(const struct cow *tree);
/* Puts leaf under its key; returns the leaf it replaced (to be released by the caller when no
 * version shows it) or NULL. */
void *cow_set(struct cow *tree, void *leaf);
/* Removes and returns the leaf with this key, or NULL. */
void *cow_del(struct cow *tree, const uint8_t *key, size_t len);
/* Commits the oldest open transaction. Overwrites *out: the garbage moves to the caller. */
void cow_commit(struct cow *tree, struct cow_garbage *out);
/* Aborts every open transaction. */
void cow_abort(struct cow *tree);

/* Bytes of the branches of the committed version and of open transactions, without garbage handed
 * out (a gauge). */
size_t cow_bytes(const struct cow *tree);
