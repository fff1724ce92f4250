#include "controller/reconcile/set_waits.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "controller/reconcile/keymap.h"
#include "controller/reconcile/parts.h"

struct set_waits {
    struct keymap notes; /* "ns/set" -> struct set_wait_note * */
    void (*on_change)(void *arg, const char *key);
    void *arg;
};

struct set_waits *set_waits_new(void)
{
    return xcalloc(1, sizeof(struct set_waits));
}

static void note_free(struct set_wait_note *note)
{
    if (!note)
        return;
    free(note->error);
    free(note);
}

void set_waits_free(struct set_waits *waits)
{
    if (!waits)
        return;
    const char *key;
    void *note;
    for (size_t at = 0; keymap_next(&waits->notes, &at, &key, &note);)
        note_free(note);
    keymap_fini(&waits->notes);
    free(waits);
}

void set_waits_put(struct set_waits *waits, const char *key, enum set_wait wait, int32_t ordinal,
                   const char *error)
{
    struct set_wait_note *note = keymap_find(&waits->notes, key);
    bool is_needed = wait != SET_WAITS_FOR_NOTHING || *error;
    if (!note && !is_needed)
        return;
    if (note && is_needed && note->wait == wait && note->ordinal == ordinal &&
        strcmp(note->error, error) == 0)
        return;
    note_free(keymap_take(&waits->notes, key));
    if (is_needed) {
        note = xcalloc(1, sizeof *note);
        *note = (struct set_wait_note){wait, ordinal, xstrdup(error)};
        *keymap_put(&waits->notes, key) = note;
    }
    if (waits->on_change)
        waits->on_change(waits->arg, key);
}

const struct set_wait_note *set_waits_find(const struct set_waits *waits, const char *ns,
                                           const char *set)
{
    char key[PATH_SIZE];
    path_format(key, ns, set);
    return keymap_find(&waits->notes, key);
}

void set_waits_listen(struct set_waits *waits, void (*fn)(void *arg, const char *key), void *arg)
{
    waits->on_change = fn;
    waits->arg = arg;
}
