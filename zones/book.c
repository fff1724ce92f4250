/* zones/book.c - the books: Namespaces, and the nodes that each Service put; declared in
 * zones_state.h.
 *
 * Their trie has the same transactions as the names, so an aborted one leaves no trace. Key:
 * namespace, 0x00, and for a Service its name and 0x00; so a namespace comes just before its
 * Services. */
#include <string.h>

#include "base/check.h"
#include "zones/sizes.h"
#include "zones/zones_state.h"

_Static_assert(sizeof(uintptr_t) == sizeof(uint64_t), "book items are pointers or epochs");

static size_t item_count(const struct book *book)
{
    return (size_t)book->group_count + (size_t)book->host_count * (book->has_epochs ? 2 : 1);
}

const uint8_t *book_texts(const struct book *book)
{
    return (const uint8_t *)(book->item + item_count(book));
}

struct book *book_new(enum book_kind kind, const char *ns, const char *name, size_t groups,
                      size_t hosts, bool has_epochs)
{
    size_t ns_len = strlen(ns);
    size_t name_len = kind == BOOK_SERVICE ? strlen(name) : 0;
    CHECK(ns_len <= NAME_MAX_LABEL && name_len <= NAME_MAX_LABEL && groups < PLAN_NONE &&
          hosts < PLAN_NONE);
    struct book head = {.kind = (uint8_t)kind,
                        .ns_len = (uint8_t)ns_len,
                        .name_len = (uint8_t)name_len,
                        .has_epochs = has_epochs,
                        .group_count = (uint32_t)groups,
                        .host_count = (uint32_t)hosts};
    struct book *book =
        xmalloc(sizeof *book + item_count(&head) * sizeof book->item[0] + ns_len + name_len);
    *book = head;
    memset(book->item, 0, item_count(book) * sizeof book->item[0]);
    uint8_t *text = (uint8_t *)(book->item + item_count(book));
    memcpy(text, ns, ns_len); /* NOLINT(bugprone-not-null-terminated-result): the length is kept */
    if (name_len > 0)
        memcpy(text + ns_len, name, name_len); /* NOLINT(bugprone-not-null-terminated-result) */
    return book;
}

size_t book_bytes(const struct book *book)
{
    return size_allocated(sizeof *book + item_count(book) * sizeof book->item[0] + book->ns_len +
                          book->name_len);
}

static size_t make_key(const void *ns, size_t ns_len, const void *name, size_t name_len,
                       uint8_t *out)
{
    memcpy(out, ns, ns_len);
    out[ns_len] = 0;
    if (name_len == 0)
        return ns_len + 1;
    memcpy(out + ns_len + 1, name, name_len);
    out[ns_len + 1 + name_len] = 0;
    return ns_len + name_len + 2;
}

static size_t book_key(const void *leaf, uint8_t *out)
{
    const struct book *book = leaf;
    const uint8_t *text = book_texts(book);
    return make_key(text, book->ns_len, text + book->ns_len, book->name_len, out);
}

const struct cow_type book_cow_type = {.key = book_key};

static size_t key_of(const char *ns, const char *name, uint8_t *out)
{
    size_t ns_len = strnlen(ns, NAME_MAX_LABEL + 1);
    size_t name_len = name ? strnlen(name, NAME_MAX_LABEL + 1) : 0;
    return make_key(ns, ns_len, name, name_len, out);
}

struct book *txn_find_book(const struct zone_txn *txn, enum book_kind kind, const char *ns,
                           const char *name)
{
    uint8_t key[COW_KEY_MAX];
    size_t len = key_of(ns, kind == BOOK_SERVICE ? name : NULL, key);
    return own(cow_find(&book_cow_type, cow_head(txn->zones->books), key, len));
}

struct book *txn_first_service(const struct zone_txn *txn, const char *ns)
{
    uint8_t key[COW_KEY_MAX];
    size_t len = key_of(ns, NULL, key);
    struct cow_cursor cur;
    cow_seek(&cur, &book_cow_type, cow_head(txn->zones->books), key, len, true);
    bool is_inside = cur.leaf && cur.key_len > len && memcmp(cur.key, key, len) == 0;
    return is_inside ? own(cur.leaf) : NULL;
}

static void count_book(struct zones *zones, const struct book *book, bool is_added)
{
    size_t sign = is_added ? 1 : (size_t)-1;
    zones->services += sign * (book->kind == BOOK_SERVICE);
    zones->book_bytes += sign * book_bytes(book);
    zones->ignored_hostnames += sign * book->ignored_hostnames;
    zones->too_long_names += sign * book->too_long_names;
}

static void book_gone(struct zone_txn *txn, struct book *book)
{
    count_book(txn->zones, book, false);
    vector_push(&txn->gone_books, book);
}

void txn_put_book(struct zone_txn *txn, struct book *book)
{
    vector_push(&txn->made_books, book);
    count_book(txn->zones, book, true);
    struct book *old = cow_set(txn->zones->books, book);
    if (old)
        book_gone(txn, old);
}

void txn_del_book(struct zone_txn *txn, struct book *book)
{
    uint8_t key[COW_KEY_MAX];
    size_t len = book_key(book, key);
    CHECK(cow_del(txn->zones->books, key, len) == book);
    book_gone(txn, book);
}
