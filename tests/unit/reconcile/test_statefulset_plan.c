/* The StatefulSet planner over tables of states, and over whole lives of sets with invariants after
 * every step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/random.h"
#include "controller/reconcile/revision.h"
#include "controller/reconcile/statefulset_plan.h"

/* A row's pods, one word each: ordinal, then letters: r ready, a ready and available, p pending, f
 * finished, t terminating, o old revision (else update), i identity differs. "0a 1r 2p". */
static size_t read_pods(const char *text, struct set_pod *pods)
{
    size_t count = 0;
    while (*text) {
        struct set_pod *pod = &pods[count++];
        *pod = (struct set_pod){.has_phase = true, .is_update = true};
        pod->ordinal = (int32_t)strtol(text, (char **)(uintptr_t)&text, 10);
        for (; *text && *text != ' '; text++) {
            pod->ready |= *text == 'r' || *text == 'a';
            pod->available |= *text == 'a';
            pod->pending |= *text == 'p';
            pod->finished |= *text == 'f';
            pod->terminating |= *text == 't';
            pod->identity_differs |= *text == 'i';
            if (*text == 'o') {
                pod->is_update = false;
                pod->is_current = true;
            }
        }
        pod->available_at_us = 77;
        while (*text == ' ')
            text++;
    }
    return count;
}

/* Claims: "3m" missing, "3s" stale, "3d" refs differ (in range), "3c" refs differ (condemned). */
static struct set_claims read_claims(const void *arg, int32_t ordinal, bool condemned)
{
    struct set_claims out = {0};
    for (const char *at = arg; at && *at;) {
        char *end;
        long o = strtol(at, &end, 10);
        if (o == ordinal) {
            out.missing |= *end == 'm';
            out.stale |= *end == 's';
            out.refs_differ |= *end == (condemned ? 'c' : 'd');
        }
        at = *end ? end + 1 : end;
        while (*at == ' ')
            at++;
    }
    return out;
}

/* "+3" create (u: update revision, c: current), "-3" delete, "~3" fix pod, "#3" create claims, "@3"
 * fix claims (! condemned). */
static void format_steps(const struct set_plan *plan, char *out, size_t size)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < plan->step_count; i++) {
        const struct set_step *s = &plan->steps[i];
        static const char marks[] = {[SET_CREATE_POD] = '+',
                                     [SET_CREATE_CLAIMS] = '#',
                                     [SET_DELETE_POD] = '-',
                                     [SET_FIX_POD] = '~',
                                     [SET_FIX_CLAIMS] = '@'};
        const char *suffix = s->kind == SET_CREATE_POD
                                 ? (s->revision == SET_REVISION_UPDATE ? "u" : "c")
                             : s->condemned ? "!"
                                            : "";
        len += (size_t)snprintf(out + len, size - len, "%s%c%d%s", len ? " " : "", marks[s->kind],
                                s->ordinal, suffix);
    }
}

struct row {
    const char *what;
    const char *options; /* N=3 start=5 P (parallel) D (OnDelete) R (rollingUpdate present) part=2
                            max=2 T (terminating) S (replace-stuck) cur=2 */
    const char *pods, *claims, *steps;
};

static int32_t number_after(const char *options, const char *name, int32_t fallback)
{
    const char *at = strstr(options, name);
    return at ? (int32_t)strtol(at + strlen(name), NULL, 10) : fallback;
}

static bool has_word(const char *options, char word)
{
    for (const char *at = options; *at; at++)
        if (*at == word && (at == options || at[-1] == ' ') && (at[1] == ' ' || at[1] == '\0'))
            return true;
    return false;
}

static struct set_plan_view view_of(const struct row *row, struct set_pod *pods)
{
    return (struct set_plan_view){
        .replicas = number_after(row->options, "N=", 3),
        .start = number_after(row->options, "start=", 0),
        .parallel = has_word(row->options, 'P'),
        .on_delete = has_word(row->options, 'D'),
        .has_rolling = !has_word(row->options, 'A'),
        .partition = number_after(row->options, "part=", 0),
        .max_unavailable = number_after(row->options, "max=", 0),
        .terminating = has_word(row->options, 'T'),
        .replace_stuck = has_word(row->options, 'S'),
        .current_replicas = number_after(row->options, "cur=", 0),
        .pods = pods,
        .pod_count = read_pods(row->pods, pods),
        .claims = read_claims,
        .claims_arg = row->claims,
    };
}

static void steps_follow_the_rules(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"R29 S4 first pod only", "", "", "", "+0u"},
        {"S6 the next waits for Ready", "", "0p", "", ""},
        {"R31 Running but not Ready waits", "", "0", "", ""},
        {"S67 Ready but not available waits", "", "0r", "", ""},
        {"S7 the next after available", "", "0a", "", "+1u"},
        {"all there", "", "0a 1a 2a", "", ""},
        {"S8 Parallel creates all", "N=5 P", "", "", "+0u +1u +2u +3u +4u"},
        {"S9 ordinals start at 5", "N=2 start=5", "", "", "+5u"},
        {"S10 scale up takes the next", "N=5", "0a 1a 2a", "", "+3u"},
        {"S11 scale down, highest first, one at a time", "N=1", "0a 1a 2a", "", "-2"},
        {"S11 waits while it terminates", "N=1", "0a 1a 2at", "", ""},
        {"S11 then the next", "N=1", "0a 1a", "", "-1"},
        {"R35 any terminating condemned pod holds the others", "N=1", "0a 1at 2a", "", ""},
        {"S12 unhealthy in range halts scale down", "N=1", "0 1a 2a", "", ""},
        {"S14 first unavailable condemned goes", "N=2", "0a 1a 2", "", "-2"},
        {"S15 healthy highest goes before a lower unhealthy", "N=1", "0a 1 2a", "", "-2"},
        {"S15 then the unhealthy one", "N=1", "0a 1", "", "-1"},
        {"S81 two unhealthy block each other", "N=1", "0a 1 2", "", ""},
        {"S16 Parallel scales down at once", "N=1 P", "0a 1 2a 3 4a", "", "-4 -3 -2 -1"},
        {"R36 Parallel skips terminating", "N=1 P", "0a 1at 2a", "", "-2"},
        {"S18 start moves up: creation first", "N=3 start=2", "0a 1a 2a", "", "+3u"},
        {"S18 then removal, descending", "N=3 start=2", "0a 1a 2a 3a 4a", "", "-1"},
        {"R3 below start is condemned", "N=1 start=1", "0a 1a", "", "-0"},
        {"S19 replicas 0", "N=0", "0a 1a", "", "-1"},
        {"S20 no replacement while it terminates", "", "0a 1at 2a", "", ""},
        {"S21 the lower hole is filled first", "", "1a", "", "+0u"},
        {"S22 R46 hole is filled although a higher one is unhealthy", "", "1 2a", "", "+0u"},
        {"S32 failed pod is deleted", "", "0a 1f 2a", "", "-1"},
        {"S34 failed and terminating: nothing", "", "0a 1ft 2a", "", ""},
        {"R28a Parallel goes on past a failed one", "P", "0f 1a", "", "-0 +2u"},
        {"R28c pending gets its claims, then waits", "", "0p", "0m", "#0"},
        {"R16 running pod's claim is not made again", "", "0a 1a 2a", "1m", ""},
        {"R23 stale claim blocks creation", "", "0a 1a", "2s", ""},
        {"R23 Parallel goes on with others", "P", "0a", "1s", "+2u"},
        {"R9 identity is restored", "", "0ai 1a 2a", "", "~0"},
        {"R20 claim owners are fixed", "", "0a 1a 2a", "1d", "@1"},
        {"R20 condemned owners before deletion, all of them", "N=1", "0a 1a 2a", "1c 2c",
         "@1! @2! -2"},
        {"R62 a terminating set does nothing", "N=5 T", "0a 1f", "", ""},
        {"S54 update from the top", "", "0ao 1ao 2ao", "", "-2"},
        {"S54 one at a time", "", "0ao 1ao 2", "", ""},
        {"S54 next after Ready", "", "0ao 1ao 2a", "", "-1"},
        {"S55 partition 2", "part=2", "0ao 1ao 2a", "", ""},
        {"S55 below the partition comes back old", "part=2", "1ao 2a", "", "+0c"},
        {"R47 at the partition: update", "part=2", "0ao 1ao", "", "+2u"},
        {"R52 partition beyond N updates nothing", "part=9", "0ao 1ao 2ao", "", ""},
        {"S56 broken revision blocks, even when reverted", "", "0ao 1ao 2", "", ""},
        {"S56 reverted: the stuck pod is the old one", "", "0a 1a 2o", "", ""},
        {"R55 cure", "S", "0a 1a 2o", "", "-2"},
        {"R55 cure leaves wanted revisions alone", "S", "0a 1a 2", "", ""},
        {"R55 cure respects the partition", "S part=3", "0a 1a 2o", "", ""},
        {"S57 Parallel heals by itself", "P", "0a 1a 2o", "", "-2"},
        {"S58 OnDelete: nothing", "D", "0ao 1ao 2ao", "", ""},
        {"S58 OnDelete: the new revision for a deleted one", "D", "0ao 2ao", "", "+1u"},
        {"S73 scale down wins over update", "N=2", "0ao 1ao 2ao", "", "-2"},
        {"S74 scale up creates at the update revision", "N=5", "0ao 1ao 2ao", "", "+3u"},
        {"S82 explicit RollingUpdate alone: old below currentReplicas", "A cur=2", "1ao 2a", "",
         "+0c"},
        {"S83 defaulted strategy: new", "cur=2", "1ao 2a", "", "+0u"},
        {"R56 two at once", "N=4 max=2", "0ao 1ao 2ao 3ao", "", "-3 -2"},
        {"R56 budget used by an unavailable new one", "N=4 max=1 P", "0ao 1ao 2ao 3", "", ""},
        {"R56 a broken old one does not use up the budget", "N=4 max=1 P", "0ao 1ao 2ao 3o", "",
         "-3"},
        {"R56 a terminating pod uses the budget although it is still Ready", "N=4 max=1 P",
         "0ao 1ao 2ao 3aot", "", ""},
        {"R56 and leaves the rest of it", "N=4 max=2 P", "0ao 1ao 2ao 3aot", "", "-2"},
        {"R56 a failed old one that is being replaced uses the budget", "N=4 max=1 P",
         "0ao 1ao 2ao 3of", "", "-3"},
        {"R56 below the partition counts, too", "N=4 max=1 part=2 P", "0 1ao 2ao 3ao", "", ""},
        {"R34 claims before condemned are looked at", "N=2", "0a 1ai 2a", "", "~1 -2"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct set_pod pods[16];
        struct set_plan_view view = view_of(&rows[i], pods);
        struct set_plan plan;
        char steps[256];
        statefulset_plan(&view, &plan);
        format_steps(&plan, steps, sizeof steps);
        if (strcmp(steps, rows[i].steps) != 0)
            fail_msg("%s (%s; %s): have [%s], want [%s]", rows[i].what, rows[i].options,
                     rows[i].pods, steps, rows[i].steps);
        set_plan_fini(&plan);
    }
}

static void status_counts_what_is_there(void **state)
{
    (void)state; /* R67, R53 */
    struct row row = {"", "N=4", "0ao 1r 2at 3p", "", ""};
    struct set_pod pods[8];
    struct set_plan_view view = view_of(&row, pods);
    struct set_plan plan;
    statefulset_plan(&view, &plan);
    assert_int_equal(plan.counts.replicas, 4);
    assert_int_equal(plan.counts.ready, 3);
    assert_int_equal(plan.counts.available, 2);
    assert_int_equal(plan.counts.current, 1);
    assert_int_equal(plan.counts.updated, 2);
    assert_int_equal(plan.again_at_us, 77); /* R32 */
    assert_false(plan.rollout_complete);
    set_plan_fini(&plan);
    struct row done = {"", "N=2", "0a 1a", "", ""};
    view = view_of(&done, pods);
    statefulset_plan(&view, &plan);
    assert_true(plan.rollout_complete);
    set_plan_fini(&plan);
    struct row update = {"", "", "0ao 1ao 2ao", "", ""};
    view = view_of(&update, pods);
    statefulset_plan(&view, &plan);
    assert_int_equal(plan.counts.current, 2); /* lowered with the deletion */
    set_plan_fini(&plan);
}

static void parallel_creation_is_bounded_per_sync(void **state)
{
    (void)state;
    struct row row = {"", "N=2000000000 P", "", "", ""};
    struct set_pod pods[1];
    struct set_plan_view view = view_of(&row, pods);
    struct set_plan plan;
    statefulset_plan(&view, &plan);
    assert_int_equal(plan.step_count, 500);
    assert_true(plan.more);
    set_plan_fini(&plan);
}

/* The applier stops behind the batch in which a step failed, also under Parallel (R30). */
static void r20_no_deletion_shares_a_batch_with_a_reference(void **state)
{
    (void)state;
    struct row row = {"", "N=1 P", "0a 1a 2a", "1c 2c", ""};
    struct set_pod pods[3];
    struct set_plan_view view = view_of(&row, pods);
    struct set_plan plan;
    char steps[64];
    statefulset_plan(&view, &plan);
    format_steps(&plan, steps, sizeof steps);
    assert_string_equal(steps, "@1! @2! -2 -1");
    assert_true(plan.steps[1].batch < plan.steps[2].batch);
    set_plan_fini(&plan);
}

static void names_give_ordinals_only_when_they_fit(void **state)
{
    (void)state; /* R1, R2 */
    assert_int_equal(set_ordinal("kubia", "kubia-0"), 0);
    assert_int_equal(set_ordinal("a-b", "a-b-3"), 3);
    assert_int_equal(set_ordinal("a", "a-b-3"), -1);
    assert_int_equal(set_ordinal("kubia", "kubia-2147483647"), 2147483647);
    assert_int_equal(set_ordinal("kubia", "kubia-2147483648"), -1);
    assert_int_equal(set_ordinal("kubia", "kubia-"), -1);
    assert_int_equal(set_ordinal("kubia", "kubia-00"), -1);
    assert_int_equal(set_ordinal("kubia", "kubia-01"), -1);
    assert_int_equal(set_ordinal("kubia", "kubia-1x"), -1);
    assert_int_equal(set_ordinal("kubia", "kubia"), -1);
    assert_int_equal(set_ordinal("kubia", "kubiaa-1"), -1);
}

/* ---- whole lives ---- */

enum { LIFE_MAX = 12 };

struct life {
    struct set_pod pod[LIFE_MAX];
    bool exists[LIFE_MAX];
    int revision[LIFE_MAX], current, update;
    struct row row;
    struct set_plan_view view;
};

static struct set_claims no_claims(const void *arg, int32_t ordinal, bool condemned)
{
    (void)arg, (void)ordinal, (void)condemned;
    return (struct set_claims){0};
}

static void check_step(const struct life *life, const struct set_step *s)
{
    const struct set_plan_view *v = &life->view;
    bool ordered = !v->parallel;
    if (s->kind == SET_CREATE_POD) {
        assert_false(life->exists[s->ordinal]); /* R41: at most one */
        assert_true(s->ordinal >= v->start && s->ordinal < v->start + v->replicas);
        for (int o = v->start; ordered && o < s->ordinal; o++) /* R29 */
            assert_true(life->exists[o] && life->pod[o].available && !life->pod[o].terminating);
    }
    if (s->kind != SET_DELETE_POD)
        return;
    assert_true(life->exists[s->ordinal] && !life->pod[s->ordinal].terminating);
    bool condemned = s->ordinal < v->start || s->ordinal >= v->start + v->replicas;
    if (!ordered || !condemned)
        return;
    for (int o = 0; o < LIFE_MAX; o++) {
        bool o_condemned = life->exists[o] && (o < v->start || o >= v->start + v->replicas);
        if (o_condemned)
            assert_true(o <= s->ordinal &&
                        !life->pod[o].terminating); /* R35: highest first, one at a time */
        if (o >= v->start && o < v->start + v->replicas)
            assert_true(life->exists[o] && life->pod[o].available); /* R34 */
    }
}

static void plan_and_apply(struct life *life)
{
    struct set_pod pods[LIFE_MAX];
    size_t count = 0;
    for (int o = 0; o < LIFE_MAX; o++)
        if (life->exists[o]) {
            pods[count] = life->pod[o];
            pods[count].is_current = life->revision[o] == life->current;
            pods[count++].is_update = life->revision[o] == life->update;
        }
    life->view.pods = pods;
    life->view.pod_count = count;
    struct set_plan plan;
    statefulset_plan(&life->view, &plan);
    int deleted = 0;
    for (size_t i = 0; i < plan.step_count; i++) {
        const struct set_step *s = &plan.steps[i];
        check_step(life, s);
        if (s->kind == SET_CREATE_POD) {
            life->exists[s->ordinal] = true;
            life->pod[s->ordinal] =
                (struct set_pod){.ordinal = s->ordinal, .pending = true, .has_phase = true};
            life->revision[s->ordinal] =
                s->revision == SET_REVISION_UPDATE ? life->update : life->current;
        } else if (s->kind == SET_DELETE_POD) {
            deleted++;
            life->pod[s->ordinal].terminating = true;
            if (life->pod[s->ordinal].finished)
                life->exists[s->ordinal] = false;
        }
    }
    if (!life->view.parallel)
        assert_true(deleted <= 1);
    life->view.current_replicas = plan.counts.current;
    if (plan.rollout_complete)
        life->current = life->update;
    set_plan_fini(&plan);
}

/* What nodes and users do between two syncs. */
static void disturb(struct life *life)
{
    int o = (int)random_below(LIFE_MAX);
    struct set_pod *pod = &life->pod[o];
    switch (random_below(10)) {
    case 0:
        life->view.replicas = (int32_t)random_below(6);
        break;
    case 1:
        life->view.start = (int32_t)random_below(4);
        break;
    case 2:
        life->update++;
        break;
    case 3:
        if (life->exists[o])
            pod->terminating = true;
        break;
    case 4:
        if (life->exists[o])
            pod->ready = pod->available = false;
        break;
    case 5:
        if (life->exists[o]) {
            pod->finished = true;
            pod->ready = pod->available = false;
        }
        break;
    default: /* the node does its work */
        if (life->exists[o] && pod->terminating)
            life->exists[o] = false;
        else if (life->exists[o] && !pod->finished) {
            pod->available = pod->ready;
            pod->ready = true;
            pod->pending = false;
        }
    }
}

static bool is_settled(const struct life *life)
{
    for (int o = 0; o < LIFE_MAX; o++) {
        bool wanted = o >= life->view.start && o < life->view.start + life->view.replicas;
        if (wanted != life->exists[o] ||
            (wanted && (!life->pod[o].available || life->revision[o] != life->update)))
            return false;
    }
    return true;
}

/* Heals: every pod becomes available or goes; the set must reach its shape. */
static void settle(struct life *life)
{
    for (int round = 0; round < 200 && !is_settled(life); round++) {
        for (int o = 0; o < LIFE_MAX; o++) {
            struct set_pod *pod = &life->pod[o];
            if (!life->exists[o])
                continue;
            bool condemned = o < life->view.start || o >= life->view.start + life->view.replicas;
            if (pod->terminating || (pod->finished && condemned)) /* S81: the user's part */
                life->exists[o] = false;
            else if (!pod->finished) {
                pod->ready = pod->available = true;
                pod->pending = false;
            }
        }
        plan_and_apply(life);
    }
    assert_true(is_settled(life));
}

static void whole_lives_keep_the_invariants_and_settle(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        random_seed(seed);
        struct life life = {.update = 1, .current = 1};
        life.view = (struct set_plan_view){.replicas = 3,
                                           .parallel = seed % 2,
                                           .has_rolling = seed % 3 != 0,
                                           .claims = no_claims,
                                           .max_unavailable = seed % 5 == 0 ? 2 : 0};
        for (int i = 0; i < 300; i++) {
            disturb(&life);
            if (life.view.max_unavailable == 0 || life.view.parallel)
                plan_and_apply(&life);
        }
        life.view.max_unavailable = 0;
        settle(&life);
    }
    random_seed(0);
}

/* ---- revisions ---- */

static const char *nothing_taken(const void *arg, const char *name)
{
    (void)arg, (void)name;
    return NULL;
}

static const char *taken_once(const void *arg, const char *name)
{
    int *calls = (int *)(uintptr_t)arg;
    (void)name;
    return (*calls)++ == 0 ? "{\"other\":1}" : NULL;
}

static void revisions_follow_r50(void **state)
{
    (void)state;
    struct revision_item items[] = {
        {"s-a", 1, "{\"t\":1}"}, {"s-b", 3, "{\"t\":2}"}, {"s-c", 2, "{\"t\":3}"}};
    struct revision_plan plan;
    revision_plan(NULL, 0, "s", "{\"t\":1}", 0, nothing_taken, NULL, &plan);
    assert_int_equal(plan.action, REVISION_CREATE);
    assert_int_equal(plan.number, 1);
    revision_plan(items, 3, "s", "{ \"t\": 2 }", 0, nothing_taken, NULL,
                  &plan); /* semantic comparison */
    assert_int_equal(plan.action, REVISION_USE);
    assert_int_equal(plan.index, 1);
    revision_plan(items, 3, "s", "{\"t\":1}", 0, nothing_taken, NULL, &plan); /* S59 */
    assert_int_equal(plan.action, REVISION_RAISE);
    assert_int_equal(plan.index, 0);
    assert_int_equal(plan.number, 4);
    revision_plan(items, 3, "s", "{\"t\":9}", 0, nothing_taken, NULL, &plan);
    assert_int_equal(plan.action, REVISION_CREATE);
    assert_int_equal(plan.number, 4);
    int calls = 0;
    revision_plan(items, 3, "s", "{\"t\":9}", 5, taken_once, &calls, &plan);
    assert_int_equal(plan.collisions, 6);
}

static void hashes_are_stable_and_in_the_safe_alphabet(void **state)
{
    (void)state; /* R49: FNV-1 32 of "a0": the definition, written out */
    char out[REVISION_HASH_MAX], again[REVISION_HASH_MAX];
    revision_hash("a", 1, 0, out);
    uint32_t hash = 2166136261U;
    hash = (hash * 16777619U) ^ 'a';
    hash = (hash * 16777619U) ^ '0';
    char decimal[16];
    (void)snprintf(decimal, sizeof decimal, "%u", hash);
    assert_int_equal(strlen(out), strlen(decimal));
    for (size_t i = 0; out[i]; i++)
        assert_int_equal(out[i], "bcdfghjklmnpqrstvwxz2456789"[(unsigned char)decimal[i] % 27]);
    revision_hash("a", 1, 1, again);
    assert_string_not_equal(out, again);
}

static bool live_b(const void *arg, const char *name)
{
    (void)arg;
    return strcmp(name, "b") == 0;
}

static void pruning_keeps_live_revisions_and_the_newest(void **state)
{
    (void)state; /* R57 */
    struct revision_item items[] = {{"d", 4, ""}, {"b", 1, ""}, {"c", 3, ""}, {"a", 2, ""}};
    size_t victims[4];
    assert_int_equal(revision_prune(items, 4, 1, live_b, NULL, victims), 2);
    assert_string_equal(items[victims[0]].name, "a");
    assert_string_equal(items[victims[1]].name, "c");
    assert_int_equal(revision_prune(items, 4, 0, live_b, NULL, victims), 3);
    assert_int_equal(revision_prune(items, 4, -1, live_b, NULL, victims), 0);
    assert_int_equal(revision_prune(items, 4, 10, live_b, NULL, victims), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_follow_the_rules),
        cmocka_unit_test(status_counts_what_is_there),
        cmocka_unit_test(parallel_creation_is_bounded_per_sync),
        cmocka_unit_test(r20_no_deletion_shares_a_batch_with_a_reference),
        cmocka_unit_test(names_give_ordinals_only_when_they_fit),
        cmocka_unit_test(whole_lives_keep_the_invariants_and_settle),
        cmocka_unit_test(revisions_follow_r50),
        cmocka_unit_test(hashes_are_stable_and_in_the_safe_alphabet),
        cmocka_unit_test(pruning_keeps_live_revisions_and_the_newest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
