#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "controller/store/store_private.h"

/* A pin that is broken keeps its place in its owner's hands, but no version. */
struct store_pin {
    struct list link;    /* in store->pins, oldest first */
    struct store *store; /* NULL: broken */
    struct publish_pin *pin;
    struct store_view view;
    int64_t made_us;
};

struct store_pin *store_pin_new(struct store *store)
{
    struct store_pin *pin = xcalloc(1, sizeof(*pin));
    pin->store = store;
    pin->pin = table_pin(store->table);
    pin->view = store_applied(store);
    pin->made_us = clock_mono_us();
    list_push_back(&store->pins, &pin->link);
    return pin;
}

static void break_pin(struct store_pin *pin)
{
    list_remove(&pin->link);
    publish_unpin(pin->pin);
    pin->pin = NULL;
    pin->store = NULL;
}

static bool is_too_old(const struct store *store, const struct store_pin *pin)
{
    return clock_mono_us() - pin->made_us > store->pin_age_us;
}

bool store_pin_view(const struct store_pin *pin, struct store_view *out)
{
    if (!pin->store || is_too_old(pin->store, pin))
        return false;
    *out = pin->view;
    return true;
}

void store_pin_free(struct store_pin *pin)
{
    if (!pin)
        return;
    if (pin->store) {
        struct store *store = pin->store;
        break_pin(pin);
        table_reclaim(store->table);
    }
    free(pin);
}

void pins_enforce(struct store *store)
{
    while (!list_is_empty(&store->pins)) {
        struct store_pin *oldest = LIST_ENTRY(store->pins.next, struct store_pin, link);
        if (!is_too_old(store, oldest) && table_held_bytes(store->table) <= store->pin_bytes)
            return;
        break_pin(oldest);
        table_reclaim(store->table);
    }
}

void pins_break(struct store *store)
{
    while (!list_is_empty(&store->pins))
        break_pin(LIST_ENTRY(store->pins.next, struct store_pin, link));
}
