/* Planted bugs: the wrong write, made by the simulator as the controller would make it. Each must
 * be found by the invariants. */
#include "tests/scenario/sim.h"

static void stage(struct store_unit *unit)
{
    struct err e = {0};
    (void)store_unit_stage(unit, NULL, NULL, &e);
}

/* The name of a pod is given away although its node has not said that it stopped. */
static void replace_early(struct sim *s)
{
    struct store_view view = store_head(s->w.store);
    struct view_cursor cur;
    for (view_seek(&cur, &view, KIND_POD, "default", NULL); cur.object; view_next(&cur)) {
        if (!cur.object->deleted_us || sim_one_in(s, 2))
            continue;
        struct store_unit *unit = store_unit_new(s->w.store);
        store_unit_delete(unit, store_unit_find(unit, KIND_POD, "default", cur.object->name));
        stage(unit);
        return;
    }
}

/* The claim of an ordinal that scaling removed is deleted. */
static void release_claim(struct sim *s)
{
    struct store_view view = store_head(s->w.store);
    struct view_cursor cur;
    for (view_seek(&cur, &view, KIND_PVC, "default", NULL); cur.object; view_next(&cur)) {
        const char *pod = strchr(cur.object->name, '-');
        if (cur.object->deleted_us || !pod || view_find(&view, KIND_POD, "default", pod + 1) ||
            sim_one_in(s, 2))
            continue;
        struct verb v = {.reg = s->w.reg,
                         .unit = store_unit_new(s->w.store),
                         .role = ROLE_CONTROLLER,
                         .validation = VALIDATE_IGNORE};
        const struct verb_key key = {KIND_PVC, "default", cur.object->name};
        const struct delete_opts opts = {.propagation = PROPAGATE_BACKGROUND};
        AUTO_OBJECT out = NULL;
        bool gone = false;
        struct err e = {0};
        if (verb_delete(&v, &key, &opts, &out, &gone, &e) == 0)
            stage(v.unit);
        else
            store_unit_free(v.unit);
        return;
    }
}

static const struct {
    const char *name;
    void (*mutate)(struct sim *s);
} mutants[] = {{"replace-early", replace_early}, {"release-claim", release_claim}};

bool sim_is_mutant(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(mutants); i++)
        if (strcmp(mutants[i].name, name) == 0)
            return true;
    return false;
}

void sim_mutate(struct sim *s)
{
    for (size_t i = 0; s->mutant && i < ARRAY_SIZE(mutants); i++)
        if (strcmp(mutants[i].name, s->mutant) == 0)
            mutants[i].mutate(s);
}
