#include "controller/store/lmdb_check.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/* ---- what LMDB 0.9 keeps on disk: numbers and sizes as the machine has them ---- */

#define META_MAGIC   0xbeefc0deU
#define META_VERSION 1
#define NO_PAGE      SIZE_MAX
#define PAGE_HEADER  sizeof(struct page)
#define NODE_HEADER  8
#define PAGE_MIN     256
#define PAGE_MAX     65536
#define DEPTH_MAX    32
#define KEY_MAX      511
#define TABLES_MAX   8

enum { PAGE_BRANCH = 1, PAGE_LEAF = 2, PAGE_OVERFLOW = 4, PAGE_META = 8 };
enum { NODE_BIG = 1, NODE_TABLE = 2 };
enum { INTEGER_KEYS = 8 };
enum { TREE_FREE, TREE_MAIN, TREE_TABLE };

struct tree {
    uint32_t page_size; /* in the tree of free pages; unused in others */
    uint16_t flags, depth;
    size_t branches, leaves, overflows, entries, root;
};

struct meta {
    uint32_t magic, version;
    size_t address, map_bytes;
    struct tree free, main;
    size_t last_page, txn;
};

struct page {
    size_t number;
    uint16_t unused, flags;
    union {
        struct {
            uint16_t lower, upper; /* the gap between offsets of nodes and nodes */
        };
        uint32_t pages; /* of an overflow run */
    };
};

struct span {
    const uint8_t *at; /* NULL: no bound */
    size_t len;
};

struct node {
    uint32_t low; /* of a leaf: size of the data; of a branch: low bits of the page number */
    uint16_t flags;
    struct span key;
    const uint8_t *data;
    size_t bytes; /* on the page */
};

struct frame { /* a branch page on the way down */
    const uint8_t *page;
    size_t number, count, next;
    struct span low, high; /* keys below it: low <= key < high */
};

struct check {
    const uint8_t *file;
    size_t size, page_size, last_page;
    uint8_t *seen;                    /* one bit per page */
    uint8_t starts[PAGE_MAX / 2 / 8]; /* one bit per even offset: a node begins there */
    struct tree tables[TABLES_MAX];
    size_t table_count;
    struct err *e;
    /* of the tree that is walked */
    int kind;
    struct tree counted;
    struct span last_key;
};

static bool bad(const struct check *c, size_t page, const char *what)
{
    (void)err_set(c->e, ERR_INVALID, "page %zu: %s", page, what);
    return false;
}

static const uint8_t *page_at(const struct check *c, size_t number)
{
    return c->file + number * c->page_size;
}

static struct page header_of(const uint8_t *at)
{
    struct page page;
    memcpy(&page, at, sizeof(page));
    return page;
}

static size_t even(size_t size)
{
    return (size + 1) & ~(size_t)1;
}

/* ---- each page is used once ---- */

static bool claim(struct check *c, size_t from, size_t number)
{
    if (number < 2 || number > c->last_page)
        return bad(c, from, "it leads out of the file");
    uint8_t bit = (uint8_t)(1U << number % 8);
    if (c->seen[number / 8] & bit)
        return bad(c, number, "it is used twice");
    c->seen[number / 8] |= bit;
    return true;
}

/* ---- the order of keys ---- */

static int compare(const struct check *c, struct span a, struct span b)
{
    if (c->kind == TREE_FREE) {
        size_t x, y;
        memcpy(&x, a.at, sizeof(x));
        memcpy(&y, b.at, sizeof(y));
        return x < y ? -1 : x > y;
    }
    int order = memcmp(a.at, b.at, a.len < b.len ? a.len : b.len);
    return order ? order : a.len < b.len ? -1 : a.len > b.len;
}

static bool is_key(const struct check *c, struct span key)
{
    return c->kind == TREE_FREE ? key.len == sizeof(size_t) : key.len > 0 && key.len <= KEY_MAX;
}

/* ---- the nodes of one page ---- */

static struct node node_at(const uint8_t *page, size_t offset)
{
    struct node node;
    uint16_t key_len;
    memcpy(&node.low, page + offset, 4);
    memcpy(&node.flags, page + offset + 4, 2);
    memcpy(&key_len, page + offset + 6, 2);
    node.key = (struct span){.at = page + offset + NODE_HEADER, .len = key_len};
    node.data = node.key.at + key_len;
    node.bytes = NODE_HEADER + (size_t)key_len;
    return node;
}

static size_t offset_of(const uint8_t *page, size_t i)
{
    uint16_t offset;
    memcpy(&offset, page + PAGE_HEADER + 2 * i, 2);
    return offset;
}

static size_t node_bytes(const struct node *node, bool is_leaf)
{
    size_t data = !is_leaf ? 0 : node->flags & NODE_BIG ? sizeof(size_t) : node->low;
    return even(node->bytes + data);
}

/* Nodes fill the page from `upper` to its end without gap and without overlap. */
static bool check_nodes(struct check *c, size_t number, const uint8_t *page, bool is_leaf)
{
    struct page header = header_of(page);
    if (header.lower < PAGE_HEADER + 2 || header.lower % 2 || header.lower > header.upper ||
        header.upper % 2 || header.upper > c->page_size)
        return bad(c, number, "its bounds are wrong");
    size_t count = (header.lower - PAGE_HEADER) / 2, at = header.upper, met = 0;
    memset(c->starts, 0, c->page_size / 16);
    for (size_t i = 0; i < count; i++) {
        size_t offset = offset_of(page, i);
        if (offset < header.upper || offset % 2 || offset > c->page_size - NODE_HEADER)
            return bad(c, number, "an entry is outside of it");
        c->starts[offset / 16] |= (uint8_t)(1U << offset / 2 % 8);
    }
    for (; at < c->page_size; met++) {
        if (!(c->starts[at / 16] & 1U << at / 2 % 8))
            return bad(c, number, "its entries do not fit together");
        struct node node = node_at(page, at);
        at += node_bytes(&node, is_leaf);
    }
    return (at == c->page_size && met == count) ||
           bad(c, number, "its entries do not fit together");
}

/* ---- leaves ---- */

/* *data: its place, also when it is on pages of its own. */
static bool check_data(struct check *c, size_t number, const struct node *node,
                       const uint8_t **data)
{
    *data = node->data;
    if (!(node->flags & NODE_BIG))
        return true;
    size_t first, needed = (PAGE_HEADER - 1 + (size_t)node->low) / c->page_size + 1;
    memcpy(&first, node->data, sizeof(first));
    if (!claim(c, number, first))
        return false;
    struct page header = header_of(page_at(c, first));
    if (header.number != first || header.flags != PAGE_OVERFLOW || header.pages < needed ||
        header.pages > c->last_page - first + 1)
        return bad(c, first, "it does not hold the long value that it should");
    for (size_t i = 1; i < header.pages; i++)
        if (!claim(c, number, first + i))
            return false;
    c->counted.overflows += header.pages;
    *data = page_at(c, first) + PAGE_HEADER;
    return true;
}

/* Pages that a transaction left: their number, then the pages, falling. */
static bool check_free(struct check *c, size_t number, const uint8_t *data, size_t len)
{
    size_t count, before = SIZE_MAX;
    if (len < sizeof(count))
        return bad(c, number, "a list of free pages is too short");
    memcpy(&count, data, sizeof(count));
    if (count > len / sizeof(count) - 1)
        return bad(c, number, "a list of free pages is too short");
    for (size_t i = 1; i <= count; i++) {
        size_t page;
        memcpy(&page, data + i * sizeof(page), sizeof(page));
        if (page >= before)
            return bad(c, number, "a list of free pages is out of order");
        if (!claim(c, number, page))
            return false;
        before = page;
    }
    return true;
}

static bool check_table(struct check *c, size_t number, const uint8_t *data, size_t len)
{
    if (len != sizeof(struct tree) || c->table_count == TABLES_MAX)
        return bad(c, number, "an entry is no table");
    memcpy(&c->tables[c->table_count++], data, len);
    return true;
}

static bool check_entry(struct check *c, size_t number, const struct node *node)
{
    const uint8_t *data;
    if (!is_key(c, node->key))
        return bad(c, number, "a key has an impossible length");
    if (c->last_key.at && compare(c, c->last_key, node->key) >= 0)
        return bad(c, number, "a key is out of order");
    if ((node->flags & ~NODE_BIG) != (c->kind == TREE_MAIN ? NODE_TABLE : 0))
        return bad(c, number, "an entry is of another kind");
    if (!check_data(c, number, node, &data))
        return false;
    c->last_key = node->key;
    c->counted.entries++;
    if (c->kind == TREE_FREE)
        return check_free(c, number, data, node->low);
    return c->kind == TREE_TABLE || check_table(c, number, data, node->low);
}

static bool check_leaf(struct check *c, const struct frame *f)
{
    for (size_t i = 0; i < f->count; i++) {
        struct node node = node_at(f->page, offset_of(f->page, i));
        if (!check_entry(c, f->number, &node))
            return false;
        if ((f->low.at && compare(c, node.key, f->low) < 0) ||
            (f->high.at && compare(c, node.key, f->high) >= 0))
            return bad(c, f->number, "a key is not where it would be looked for");
    }
    c->counted.leaves++;
    return true;
}

/* ---- branches ---- */

/* A page of the tree, claimed and with sound nodes. */
static bool enter(struct check *c, size_t from, size_t number, bool is_leaf, struct frame *f)
{
    if (!claim(c, from, number))
        return false;
    f->page = page_at(c, number);
    f->number = number;
    f->next = 0;
    struct page header = header_of(f->page);
    if (header.number != number || header.flags != (is_leaf ? PAGE_LEAF : PAGE_BRANCH))
        return bad(c, number, "it is of another kind");
    if (!check_nodes(c, number, f->page, is_leaf))
        return false;
    f->count = (header.lower - PAGE_HEADER) / 2;
    return is_leaf || f->count > 1 || bad(c, number, "it leads to one page only");
}

/* The key that parts child i from the one before it; the first child has none. */
static bool separator(const struct check *c, const struct frame *f, size_t i, struct span *out)
{
    *out = node_at(f->page, offset_of(f->page, i)).key;
    return is_key(c, *out) || bad(c, f->number, "a key has an impossible length");
}

static bool child_of(const struct check *c, struct frame *f, struct frame *child, size_t *number)
{
    size_t i = f->next++;
    struct node node = node_at(f->page, offset_of(f->page, i));
    *number = node.low;
    if (sizeof(size_t) > 4)
        *number |= (size_t)((uint64_t)node.flags << 32);
    child->low = f->low;
    child->high = f->high;
    if (i > 0 && !separator(c, f, i, &child->low))
        return false;
    return i + 1 == f->count || separator(c, f, i + 1, &child->high);
}

static bool walk(struct check *c, const struct tree *tree)
{
    struct frame path[DEPTH_MAX] = {{0}};
    size_t level = 0;
    if (!enter(c, 0, tree->root, tree->depth == 1, &path[0]))
        return false;
    if (tree->depth == 1)
        return check_leaf(c, &path[0]);
    c->counted.branches = 1;
    for (;;) {
        struct frame *f = &path[level], *child = &path[level + 1];
        size_t number;
        if (f->next == f->count) {
            if (level == 0)
                return true;
            level--;
            continue;
        }
        bool is_leaf = level + 2 == tree->depth;
        if (!child_of(c, f, child, &number) || !enter(c, f->number, number, is_leaf, child))
            return false;
        if (!is_leaf) {
            c->counted.branches++;
            level++;
        } else if (!check_leaf(c, child)) {
            return false;
        }
    }
}

static bool check_tree(struct check *c, int kind, const struct tree *tree)
{
    c->kind = kind;
    c->counted = (struct tree){0};
    c->last_key = (struct span){0};
    if (tree->flags != (kind == TREE_FREE ? INTEGER_KEYS : 0))
        return bad(c, 0, "a table is of another kind");
    if (tree->root == NO_PAGE ? tree->depth != 0 : tree->depth == 0 || tree->depth > DEPTH_MAX)
        return bad(c, 0, "a table has an impossible depth");
    if (tree->root != NO_PAGE && !walk(c, tree))
        return false;
    return (tree->branches == c->counted.branches && tree->leaves == c->counted.leaves &&
            tree->overflows == c->counted.overflows && tree->entries == c->counted.entries) ||
           bad(c, tree->root == NO_PAGE ? 0 : tree->root, "its table does not have what it counts");
}

/* ---- the meta pages ---- */

static bool read_meta(const struct check *c, size_t number, struct meta *meta)
{
    struct page header = header_of(page_at(c, number));
    memcpy(meta, page_at(c, number) + PAGE_HEADER, sizeof(*meta));
    if (header.number != number || header.flags != PAGE_META || meta->magic != META_MAGIC)
        return bad(c, number, "it is not the head of a database");
    if (meta->version != META_VERSION)
        return bad(c, number, "it was written by another version of LMDB");
    return meta->free.page_size == c->page_size || bad(c, number, "the size of pages is wrong");
}

/* Transactions write the two meta pages in turn. A start with the older one would lose the last
 * commit. */
static bool is_newest(const struct meta *meta, const struct meta *other, size_t number)
{
    return meta->txn % 2 == number && meta->txn == other->txn + 1;
}

static bool choose_meta(struct check *c, struct meta *out)
{
    struct meta metas[2];
    if (!read_meta(c, 0, &metas[0]) || !read_meta(c, 1, &metas[1]))
        return false;
    if (is_newest(&metas[0], &metas[1], 0) || (metas[0].txn == 0 && metas[1].txn == 0))
        *out = metas[0];
    else if (is_newest(&metas[1], &metas[0], 1))
        *out = metas[1];
    else
        return bad(c, 0, "the two heads do not follow one another");
    if (out->last_page < 1)
        return bad(c, out->txn % 2, "it knows no pages");
    return true;
}

static bool check_all(struct check *c)
{
    struct meta meta;
    if (c->size < PAGE_HEADER + sizeof(meta))
        return bad(c, 0, "it was cut short");
    memcpy(&meta, c->file + PAGE_HEADER, sizeof(meta));
    c->page_size = meta.free.page_size;
    if (meta.magic != META_MAGIC)
        return bad(c, 0, "it is not the head of a database");
    if (c->page_size < PAGE_MIN || c->page_size > PAGE_MAX || c->page_size & (c->page_size - 1))
        return bad(c, 0, "the size of pages is wrong");
    if (c->size / c->page_size < 2)
        return bad(c, 1, "it was cut short");
    if (!choose_meta(c, &meta))
        return false;
    if (meta.last_page >= c->size / c->page_size)
        return bad(c, c->size / c->page_size, "it was cut short");
    c->last_page = meta.last_page;
    c->seen = xcalloc(meta.last_page / 8 + 1, 1);
    if (!check_tree(c, TREE_FREE, &meta.free) || !check_tree(c, TREE_MAIN, &meta.main))
        return false;
    for (size_t i = 0; i < c->table_count; i++)
        if (!check_tree(c, TREE_TABLE, &c->tables[i]))
            return false;
    return true;
}

int lmdb_check(const void *file, size_t size, struct err *e)
{
    struct err first = {0};
    struct check *c = xcalloc(1, sizeof(*c));
    c->file = file;
    c->size = size;
    c->e = &first;
    bool is_sound = check_all(c);
    free(c->seen);
    free(c);
    return is_sound ? 0 : err_set(e, first.code, "%s", first.text);
}
