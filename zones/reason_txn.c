/* zones/reason_txn.c - texts beside the names, as a transaction changes them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/utf8.h"
#include "zones/reason.h"
#include "zones/reason_leaf.h"
#include "zones/sizes.h"
#include "zones/zones_state.h"

static size_t text_len(const char *text)
{
    size_t len = text ? strlen(text) : 0;
    return len <= REASON_TEXT_MAX ? len : utf8_cut(text, REASON_TEXT_MAX);
}

static size_t reason_bytes(const struct reason *reason)
{
    return size_allocated(reason_size(reason));
}

static bool service_name(const struct zones *zones, const char *ns, const char *service,
                         const char *label, struct name_builder *out)
{
    name_begin(out);
    if (label)
        name_add_text(out, label);
    name_add_text(out, service);
    name_add_text(out, ns);
    return name_end(out, zones->svc_root);
}

static struct reason *find(const struct zone_txn *txn, const struct name_builder *name)
{
    uint8_t key[NAME_MAX_KEY];
    size_t len = name_key(name->wire, key);
    return own(cow_find(&reason_cow_type, cow_head(txn->zones->reasons), key, len));
}

static void gone(struct zone_txn *txn, struct reason *old)
{
    if (!old)
        return;
    txn->zones->reason_bytes -= reason_bytes(old);
    vector_push(&txn->gone_reasons, old);
}

static void del(struct zone_txn *txn, const struct name_builder *name)
{
    uint8_t key[NAME_MAX_KEY];
    size_t len = name_key(name->wire, key);
    gone(txn, cow_del(txn->zones->reasons, key, len));
}

/* Puts a leaf with what it says; one that says the same stays. */
static void put(struct zone_txn *txn, const struct name_builder *name, const struct reason *head,
                const char *text, const char *hole)
{
    size_t text_size = text_len(text), hole_size = text_len(hole);
    struct reason *leaf = xcalloc(1, sizeof *leaf + name->len + text_size + hole_size);
    *leaf = *head;
    leaf->name_len = (uint8_t)name->len;
    leaf->text_len = (uint8_t)text_size;
    leaf->hole_len = (uint8_t)hole_size;
    memcpy(leaf->bytes, name->wire, name->len);
    if (text_size)
        memcpy(leaf->bytes + name->len, text, text_size);
    if (hole_size)
        memcpy(leaf->bytes + name->len + text_size, hole, hole_size);
    const struct reason *old = find(txn, name);
    bool is_same =
        old && reason_size(old) == reason_size(leaf) && memcmp(old, leaf, reason_size(leaf)) == 0;
    bool is_full =
        !old && cow_head(txn->zones->reasons).leaves >= REASONS_MOST && (text_size || leaf->is_set);
    if (is_same || is_full) {
        free(leaf);
        return;
    }
    txn->zones->reason_bytes += reason_bytes(leaf);
    vector_push(&txn->made_reasons, leaf);
    gone(txn, cow_set(txn->zones->reasons, leaf));
}

void txn_know_service(struct zone_txn *txn, const char *ns, const char *service)
{
    struct name_builder name;
    if (service_name(txn->zones, ns, service, NULL, &name) && !find(txn, &name))
        put(txn, &name, &(struct reason){.start = 0}, NULL, NULL);
}

void txn_forget_service(struct zone_txn *txn, const struct book *book)
{
    struct name_builder name;
    const uint8_t *texts = book_texts(book);
    name_begin(&name);
    name_add(&name, texts + book->ns_len, book->name_len);
    name_add(&name, texts, book->ns_len);
    if (name_end(&name, txn->zones->svc_root))
        del(txn, &name);
}

void zone_txn_put_reason(struct zone_txn *txn, const char *ns, const char *service,
                         const char *label, const char *text)
{
    struct name_builder name;
    if (!service_name(txn->zones, ns, service, label, &name))
        return;
    if (label && (!text || !*text))
        del(txn, &name);
    else if (label || find(txn, &name)) /* a Service has its leaf as long as it exists */
        put(txn, &name, &(struct reason){.start = 0}, text, NULL);
}

void zone_txn_put_expected(struct zone_txn *txn, const char *ns, const char *service,
                           const struct zone_expected *expected)
{
    struct name_builder name;
    char label[NAME_MAX_LABEL + 2];
    if (strlen(expected->set) >= NAME_MAX_LABEL) /* no pod of it has a name (R7) */
        return;
    (void)snprintf(label, sizeof label, "*%s", expected->set);
    if (service_name(txn->zones, ns, service, label, &name))
        put(txn, &name,
            &(struct reason){.start = expected->start,
                             .replicas = expected->replicas,
                             .waits_ordinal = expected->waits_ordinal,
                             .is_set = true},
            expected->waits, expected->hole);
}
