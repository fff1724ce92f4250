#include "dns/listen_set.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"

const struct listen_item *listen_set_find(const struct listen_set *set, uint64_t number)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->items[i].number == number)
            return &set->items[i];
    }
    return NULL;
}

/* The address of `old` that is meant, unless it has been found before. "127.0.0.1:0" is the one
 * that was picked for it. */
static const struct listen_item *find_meant(const struct listen_set *old,
                                            const struct listen_address *wanted,
                                            const struct listen_set *found)
{
    for (size_t i = 0; i < old->count; i++) {
        const struct listen_item *item = &old->items[i];
        bool is_meant = listen_port(wanted) == 0 ? strcmp(item->option, wanted->option) == 0
                                                 : listen_is_same(&item->address, wanted);
        if (is_meant && !listen_set_find(found, item->number))
            return item;
    }
    return NULL;
}

static bool is_beside(const struct listen_set *set, const struct listen_address *a)
{
    for (size_t i = 0; i < set->count; i++) {
        if (listen_overlap(&set->items[i].address, a))
            return true;
    }
    return false;
}

static int add_new(struct listen_set *set, const struct listen_set *old,
                   const struct listen_address *wanted, unsigned workers, struct err *e)
{
    for (size_t i = 0; i < set->count; i++) {
        if (listen_is_same(&set->items[i].address, wanted))
            return err_set(e, ERR_INVALID, "dns.listen %s: given twice", wanted->option);
    }
    struct listen_item *item = &set->items[set->count];
    item->address = *wanted;
    item->fds = xcalloc(2 * (size_t)workers, sizeof *item->fds);
    int rc = listen_open(&item->address, is_beside(old, wanted) || is_beside(set, wanted),
                         item->fds, item->fds + workers, workers, e);
    if (rc < 0) {
        free(item->fds);
        item->fds = NULL;
        return rc;
    }
    item->option = xstrdup(wanted->option);
    item->address.option = item->option;
    item->number = ++set->last_number;
    listen_format(&item->address, item->text);
    set->count++;
    return 0;
}

static void keep(struct listen_set *set, const struct listen_item *old, const char *option)
{
    struct listen_item *item = &set->items[set->count++];
    *item = *old;
    item->option = xstrdup(option);
    item->address.option = item->option;
    item->fds = NULL;
}

int listen_set_make(const struct listen_set *old, const char *const *wanted, size_t count,
                    unsigned workers, struct listen_set *out, struct err *e)
{
    *out = (struct listen_set){.items = xcalloc(count + 1, sizeof *out->items),
                               .last_number = old->last_number};
    struct listen_address *parsed = xcalloc(count + 1, sizeof *parsed);
    int rc = count > 0 ? 0 : err_set(e, ERR_INVALID, "dns.listen: no address");
    for (size_t i = 0; i < count && rc == 0; i++) /* all of them before any is open */
        rc = listen_parse(wanted[i], &parsed[i], e);
    for (size_t i = 0; i < count && rc == 0; i++) {
        const struct listen_item *same = find_meant(old, &parsed[i], out);
        if (same)
            keep(out, same, wanted[i]);
        else
            rc = add_new(out, old, &parsed[i], workers, e);
    }
    free(parsed);
    if (rc < 0)
        listen_set_fini(out, workers);
    return rc;
}

void listen_set_forget_sockets(struct listen_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        free(set->items[i].fds);
        set->items[i].fds = NULL;
    }
}

void listen_set_fini(struct listen_set *set, unsigned workers)
{
    for (size_t i = 0; i < set->count; i++) {
        struct listen_item *item = &set->items[i];
        for (size_t f = 0; item->fds && f < 2 * (size_t)workers; f++)
            close(item->fds[f]);
        free(item->fds);
        free(item->option);
    }
    free(set->items);
    *set = (struct listen_set){0};
}
