#include "controller/reconcile/set_members.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "controller/reconcile/set_pod.h"

/* More changes than this beside the pods there are: it is cheaper to look at all. */
#define CHANGES_MORE 64

struct set_members *members_new(void)
{
    return xcalloc(1, sizeof(struct set_members));
}

void members_clear(struct set_members *m)
{
    const char *name;
    void *pods;
    for (size_t i = 0; i < m->count; i++)
        object_unref(m->at[i].object);
    for (size_t at = 0; keymap_next(&m->revisions, &at, &name, &pods);)
        free(pods);
    keymap_fini(&m->revisions);
    free(m->pods);
    free(m->at);
    free(m->changed);
    *m = (struct set_members){0};
}

void members_free(struct set_members *m)
{
    if (!m)
        return;
    members_clear(m);
    free(m);
}

void members_forget(struct set_members *m)
{
    m->is_known = false;
    m->changed_count = 0;
}

void members_note(struct set_members *m, int32_t ordinal)
{
    if (!m->is_known)
        return;
    if (ordinal < 0 || m->changed_count > m->count + CHANGES_MORE) {
        members_forget(m);
        return;
    }
    if (m->changed_count > 0 && m->changed[m->changed_count - 1] == ordinal)
        return;
    if (m->changed_count == m->changed_cap) {
        m->changed_cap = m->changed_cap ? m->changed_cap * 2 : 8;
        m->changed = xrealloc(m->changed, m->changed_cap * sizeof *m->changed);
    }
    m->changed[m->changed_count++] = ordinal;
}

static int by_number(const void *a, const void *b)
{
    const int32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

int32_t *members_take_changed(struct set_members *m, size_t *count)
{
    int32_t *changed = TAKE(m->changed);
    size_t kept = 0;
    if (m->changed_count > 1)
        qsort(changed, m->changed_count, sizeof *changed, by_number);
    for (size_t i = 0; i < m->changed_count; i++)
        if (i == 0 || changed[i] != changed[i - 1])
            changed[kept++] = changed[i];
    m->changed_count = m->changed_cap = 0;
    *count = kept;
    return changed;
}

static int by_ordinal(const void *a, const void *b)
{
    const struct set_pod *x = a, *y = b;
    return (x->ordinal > y->ordinal) - (x->ordinal < y->ordinal);
}

/* Index among those that are in order, or their number. */
static size_t place_of(const struct set_members *m, int32_t ordinal)
{
    const struct set_pod key = {.ordinal = ordinal};
    const struct set_pod *pod =
        m->sorted ? bsearch(&key, m->pods, m->sorted, sizeof key, by_ordinal) : NULL;
    return pod ? (size_t)(pod - m->pods) : m->sorted;
}

static void drop_at(struct set_members *m, size_t i)
{
    struct set_member *member = &m->at[i];
    if (member->revision && --*member->revision == 0)
        free(keymap_take(&m->revisions, object_label(member->object, LABEL_REVISION)));
    object_unref(member->object);
    *member = (struct set_member){0};
}

void members_drop(struct set_members *m, int32_t ordinal)
{
    size_t i = place_of(m, ordinal);
    if (i < m->sorted && m->at[i].object)
        drop_at(m, i);
}

static size_t new_place(struct set_members *m)
{
    if (m->count == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 16;
        m->pods = xrealloc(m->pods, m->cap * sizeof *m->pods);
        m->at = xrealloc(m->at, m->cap * sizeof *m->at);
    }
    return m->count++;
}

static size_t *count_revision(struct set_members *m, const struct object *pod)
{
    const char *name = object_label(pod, LABEL_REVISION);
    if (!name)
        return NULL;
    size_t **pods = (size_t **)keymap_put(&m->revisions, name);
    if (!*pods)
        *pods = xcalloc(1, sizeof **pods);
    ++**pods;
    return *pods;
}

void members_put(struct set_members *m, const struct object *set, const struct object *pod,
                 int32_t ordinal)
{
    const struct pod_view *v = pod_view(pod);
    size_t i = place_of(m, ordinal);
    if (i == m->sorted)
        i = new_place(m);
    else if (m->at[i].object)
        drop_at(m, i);
    m->at[i] = (struct set_member){.object = object_ref(pod), .revision = count_revision(m, pod)};
    m->pods[i] = (struct set_pod){
        .ordinal = ordinal,
        .terminating = pod->deleted_us != 0,
        .finished = pod_phase_is_final(v->phase),
        .pending = v->phase == POD_PENDING,
        .has_phase = v->has_phase,
        .ready = v->phase == POD_RUNNING && v->ready,
        .available_at_us = /* 0: since when it is Ready is not known */
        v->ready_since_us ? v->ready_since_us + (int64_t)set_view(set)->min_ready_s * 1000000 : 0,
        .identity_differs = !set_pod_has_identity(set, pod, ordinal),
    };
}

/* Sorts pods and what belongs to them together. */
static void sort(struct set_members *m)
{
    struct set_member *sorted = xcalloc(m->cap, sizeof *sorted);
    struct set_pod *before = xmemdup(m->pods, m->count * sizeof *m->pods);
    qsort(m->pods, m->count, sizeof *m->pods, by_ordinal);
    m->sorted = m->count;
    for (size_t i = 0; i < m->count; i++)
        sorted[place_of(m, before[i].ordinal)] = m->at[i];
    free(before);
    free(m->at);
    m->at = sorted;
}

void members_settle(struct set_members *m)
{
    bool is_sorted = m->sorted == m->count;
    size_t kept = 0;
    for (size_t i = 0; i < m->count; i++) {
        if (!m->at[i].object)
            continue;
        if (kept < i) {
            m->pods[kept] = m->pods[i];
            m->at[kept] = m->at[i];
        }
        kept++;
    }
    m->count = kept;
    m->sorted = kept;
    m->hint = 0;
    if (!is_sorted && kept > 0)
        sort(m);
}

void members_mark(struct set_members *m, const struct object *set, int64_t now_us,
                  const char *current, const char *update)
{
    const size_t *is_current = keymap_find(&m->revisions, current);
    const size_t *is_update = keymap_find(&m->revisions, update);
    bool at_once = set_view(set)->min_ready_s == 0;
    for (size_t i = 0; i < m->count; i++) {
        struct set_pod *pod = &m->pods[i];
        const size_t *revision = m->at[i].revision;
        pod->available = pod->ready &&
                         (at_once || (pod->available_at_us != 0 && pod->available_at_us <= now_us));
        pod->is_current = revision && revision == is_current;
        pod->is_update = revision && revision == is_update;
    }
}

struct set_member *members_find(struct set_members *m, int32_t ordinal)
{
    size_t i =
        m->hint < m->count && m->pods[m->hint].ordinal == ordinal ? m->hint : place_of(m, ordinal);
    if (i == m->count)
        return NULL;
    m->hint = i + 1;
    return &m->at[i];
}

bool members_have_revision(const struct set_members *m, const char *name)
{
    return keymap_has(&m->revisions, name);
}

static bool same_pod(const struct set_pod *a, const struct set_pod *b)
{
    return a->ordinal == b->ordinal && a->terminating == b->terminating &&
           a->finished == b->finished && a->pending == b->pending && a->has_phase == b->has_phase &&
           a->ready == b->ready && a->available_at_us == b->available_at_us &&
           a->identity_differs == b->identity_differs;
}

bool members_equal(const struct set_members *a, const struct set_members *b)
{
    const char *name;
    void *pods;
    if (a->count != b->count || a->revisions.count != b->revisions.count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (a->at[i].object != b->at[i].object || !same_pod(&a->pods[i], &b->pods[i]))
            return false;
    for (size_t at = 0; keymap_next(&a->revisions, &at, &name, &pods);) {
        const size_t *others = keymap_find(&b->revisions, name);
        if (!others || *others != *(const size_t *)pods)
            return false;
    }
    return true;
}
