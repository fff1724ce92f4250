/* R25, R76-R86, S41-S48 and S79 on the pure planner: tables, the whole matrix of one claim and one
 * volume against the rules said once more, every half-written binding, and a seeded world whose
 * invariants are looked at after every step. */
#include "controller/reconcile/volumes_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/random.h"

#define MI     (INT64_C(1) << 20)
#define UID    "11111111-0000-4000-8000-000000000001"
#define ELSE   "11111111-0000-4000-8000-000000000002"
#define CLAIMS 12
#define VOLS   16

static struct claim_view claim_of(const char *class_name, int64_t bytes)
{
    return (struct claim_view){.phase = "Pending",
                               .volume_name = "",
                               .has_class = class_name != NULL,
                               .class_name = class_name ? class_name : "",
                               .access_modes = ACCESS_RWO,
                               .request_bytes = bytes,
                               .volume_mode = "Filesystem",
                               .attributes_class = "",
                               .selected_node = ""};
}

static struct volume_view volume_of(const char *class_name, int64_t bytes)
{
    return (struct volume_view){.phase = "Available",
                                .class_name = class_name,
                                .access_modes = ACCESS_RWO,
                                .capacity_bytes = bytes,
                                .volume_mode = "Filesystem",
                                .attributes_class = "",
                                .reclaim_policy = "Retain",
                                .claim_ns = "",
                                .claim_name = "",
                                .claim_uid = "",
                                .provisioned_by = "",
                                .path = "/data"};
}

static struct claim_plan_view view_of(const struct claim_view *claim,
                                      const struct plan_volume *volumes, size_t count)
{
    return (struct claim_plan_view){.ns = "default",
                                    .name = "data-kubia-0",
                                    .uid = UID,
                                    .claim = claim,
                                    .is_protected = true,
                                    .volumes = volumes,
                                    .volume_count = count};
}

static void name_claim(struct volume_view *v, const char *uid)
{
    v->claim_ns = "default";
    v->claim_name = "data-kubia-0";
    v->claim_uid = uid;
}

static void expect(const struct claim_plan_view *view, enum claim_step step, const char *volume,
                   const char *reason)
{
    struct claim_plan plan;
    claim_plan(view, &plan);
    assert_int_equal(plan.step, step);
    if (volume)
        assert_string_equal(view->volumes[plan.volume].name, volume);
    assert_string_equal(plan.event.type ? plan.event.reason : "", reason);
    if (plan.event.type)
        assert_true(*plan.event.message);
}

/* ---- choice (R77) ---- */

static void the_smallest_sufficient_volume_is_chosen_r77_s41_s42(void **state)
{
    (void)state;
    struct volume_view v[] = {volume_of("", 10240 * MI), volume_of("", 2 * MI),
                              volume_of("", MI / 2)};
    struct plan_volume volumes[] = {{.name = "big", .view = &v[0], .allows_node = true},
                                    {.name = "two", .view = &v[1], .allows_node = true},
                                    {.name = "half", .view = &v[2], .allows_node = true}};
    struct claim_view claim = claim_of(NULL, MI);
    struct claim_plan_view view = view_of(&claim, volumes, 3);
    expect(&view, CLAIM_BIND, "two", "");
    claim.request_bytes = 3 * MI;
    expect(&view, CLAIM_BIND, "big", "");
    claim.request_bytes = INT64_C(11) * 1024 * MI;
    expect(&view, CLAIM_KEEP, NULL, "FailedBinding");
}

static void fewest_extra_modes_come_before_least_capacity_r77(void **state)
{
    (void)state;
    struct volume_view v[] = {volume_of("", 2 * MI), volume_of("", 5 * MI)};
    v[0].access_modes = ACCESS_RWO | ACCESS_RWX;
    struct plan_volume volumes[] = {{.name = "many", .view = &v[0], .allows_node = true},
                                    {.name = "once", .view = &v[1], .allows_node = true}};
    struct claim_view claim = claim_of(NULL, MI);
    struct claim_plan_view view = view_of(&claim, volumes, 2);
    expect(&view, CLAIM_BIND, "once", "");
    claim.access_modes = ACCESS_RWX;
    expect(&view, CLAIM_BIND, "many", "");
    claim.access_modes = ACCESS_ROX;
    expect(&view, CLAIM_KEEP, NULL, "FailedBinding"); /* S43, R86 */
}

static void a_volume_claimed_for_the_claim_comes_first_r77(void **state)
{
    (void)state;
    struct volume_view v[] = {volume_of("", MI), volume_of("", 50 * MI)};
    name_claim(&v[1], "");
    struct plan_volume volumes[] = {{.name = "fits", .view = &v[0], .allows_node = true},
                                    {.name = "mine", .view = &v[1], .allows_node = true}};
    struct claim_view claim = claim_of(NULL, MI);
    struct claim_plan_view view = view_of(&claim, volumes, 2);
    struct claim_plan plan;
    expect(&view, CLAIM_BIND, "mine", "");
    claim_plan(&view, &plan);
    assert_false(plan.is_our_choice);
    v[1].claim_uid = UID;
    expect(&view, CLAIM_BIND, "mine", "");
    v[1].claim_uid = ELSE; /* R83: of an earlier claim of that name */
    expect(&view, CLAIM_BIND, "fits", "");
    claim_plan(&view, &plan);
    assert_true(plan.is_our_choice);
    name_claim(&v[1], "");
    volumes[1].allows_node = false; /* it cannot be used there, and nothing else is taken */
    claim.selected_node = "node1";
    expect(&view, CLAIM_KEEP, NULL, "FailedBinding");
}

/* ---- no match (R78, R79, R84) ---- */

static void what_happens_without_a_match_depends_on_the_class_r78(void **state)
{
    (void)state;
    static const struct class_view directory = {.provisioner = PROVISIONER_DIRECTORY},
                                   waits = {.provisioner = PROVISIONER_DIRECTORY,
                                            .wait_for_consumer = true},
                                   foreign = {.provisioner = "csi.example.com"},
                                   none = {.provisioner = "kubernetes.io/no-provisioner"},
                                   nowhere = {.provisioner = "kubernetes.io/no-provisioner",
                                              .wait_for_consumer = true};
    static const struct {
        const char *class_name; /* NULL: nil */
        const struct class_view *class;
        const char *fallback, *node, *mode;
        bool has_selector;
        enum claim_step step;
        const char *reason;
    } rows[] = {
        {NULL, NULL, NULL, "", "Filesystem", false, CLAIM_KEEP, "FailedBinding"},
        {NULL, NULL, "standard", "", "Filesystem", false, CLAIM_SET_CLASS, ""},
        {"", NULL, "standard", "", "Filesystem", false, CLAIM_KEEP, "FailedBinding"},
        {"gone", NULL, "standard", "", "Filesystem", false, CLAIM_KEEP, "ProvisioningFailed"},
        {"standard", &directory, NULL, "", "Filesystem", false, CLAIM_PROVISION, ""},
        {"standard", &directory, NULL, "", "Block", false, CLAIM_KEEP, "ProvisioningFailed"},
        {"standard", &directory, NULL, "", "Filesystem", true, CLAIM_KEEP, "ProvisioningFailed"},
        {"late", &waits, NULL, "", "Filesystem", false, CLAIM_KEEP, "WaitForFirstConsumer"},
        {"late", &waits, NULL, "node1", "Filesystem", false, CLAIM_PROVISION, ""},
        {"late", &waits, NULL, "node1", "Block", false, CLAIM_UNSELECT, "ProvisioningFailed"},
        {"local", &nowhere, NULL, "node1", "Filesystem", false, CLAIM_UNSELECT,
         "ProvisioningFailed"},
        {"csi", &foreign, NULL, "", "Filesystem", false, CLAIM_KEEP, "ExternalProvisioning"},
        {"local", &none, NULL, "", "Filesystem", false, CLAIM_KEEP, "ProvisioningFailed"},
    };
    struct selector_term term = {.key = "tier", .op = SELECT_EXISTS};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct claim_view claim = claim_of(rows[i].class_name, MI);
        claim.selected_node = rows[i].node;
        claim.volume_mode = rows[i].mode;
        if (rows[i].has_selector)
            claim.selector = (struct selector){.terms = &term, .count = 1};
        struct claim_plan_view view = view_of(&claim, NULL, 0);
        view.class = rows[i].class;
        view.default_class = rows[i].fallback;
        expect(&view, rows[i].step, NULL, rows[i].reason);
    }
}

static void static_volumes_wait_for_the_consumer_too_r79(void **state)
{
    (void)state;
    static const struct class_view waits = {.provisioner = "kubernetes.io/no-provisioner",
                                            .wait_for_consumer = true};
    struct volume_view v[] = {volume_of("local", MI), volume_of("local", 2 * MI)};
    struct plan_volume volumes[] = {{.name = "there", .view = &v[0], .allows_node = false},
                                    {.name = "here", .view = &v[1], .allows_node = true}};
    struct claim_view claim = claim_of("local", MI);
    struct claim_plan_view view = view_of(&claim, volumes, 2);
    view.class = &waits;
    expect(&view, CLAIM_KEEP, NULL, "WaitForFirstConsumer");
    assert_false(claim_seeks_volume(&view));
    claim.selected_node = "node1";
    assert_true(claim_seeks_volume(&view));
    expect(&view, CLAIM_BIND, "here", "");
    name_claim(&v[0], ""); /* chosen by a person: no consumer is waited for */
    volumes[0].allows_node = true;
    claim.selected_node = "";
    expect(&view, CLAIM_BIND, "there", "");
}

/* ---- the claim names a volume (R80), is bound (R82), is deleted (R25) ---- */

static void a_claim_that_names_a_volume_gets_that_one_or_none_r80(void **state)
{
    (void)state;
    struct volume_view v = volume_of("", MI);
    struct plan_volume volumes[] = {{.name = "vol", .view = &v, .allows_node = true}};
    struct claim_view claim = claim_of(NULL, MI);
    claim.volume_name = "vol";
    struct selector_term term = {.key = "tier", .op = SELECT_EXISTS};
    claim.selector = (struct selector){.terms = &term, .count = 1}; /* not looked at */
    struct claim_plan_view view = view_of(&claim, volumes, 1);
    expect(&view, CLAIM_BIND, "vol", "");
    view.volume_count = 0;
    expect(&view, CLAIM_KEEP, NULL, "");
    view.volume_count = 1;
    v.capacity_bytes = 1;
    expect(&view, CLAIM_KEEP, NULL, "VolumeMismatch");
    v = volume_of("fast", MI);
    expect(&view, CLAIM_KEEP, NULL, "VolumeMismatch");
    v = volume_of("", MI);
    v.access_modes = ACCESS_ROX;
    expect(&view, CLAIM_KEEP, NULL, "VolumeMismatch");
    v = volume_of("", MI);
    v.volume_mode = "Block";
    expect(&view, CLAIM_KEEP, NULL, "VolumeMismatch");
    v = volume_of("", MI);
    name_claim(&v, ELSE);
    expect(&view, CLAIM_KEEP, NULL, "FailedBinding");
    v.claim_uid = UID;
    expect(&view, CLAIM_BIND, "vol", "");
}

static void a_bound_claim_whose_volume_is_not_its_own_is_lost_r82_s48(void **state)
{
    (void)state;
    struct volume_view v = volume_of("", MI);
    v.phase = "Bound";
    name_claim(&v, UID);
    struct plan_volume volumes[] = {{.name = "vol", .view = &v, .allows_node = true}};
    struct claim_view claim = claim_of(NULL, MI);
    claim.volume_name = "vol";
    claim.phase = "Bound";
    claim.bind_completed = true;
    claim.capacity_bytes = MI;
    struct claim_plan_view view = view_of(&claim, volumes, 1);
    expect(&view, CLAIM_KEEP, NULL, "");
    v.claim_uid = ELSE;
    expect(&view, CLAIM_LOSE, NULL, "ClaimMisbound");
    v.claim_name = v.claim_ns = v.claim_uid = "";
    expect(&view, CLAIM_BIND, "vol", "");
    view.volume_count = 0;
    expect(&view, CLAIM_LOSE, NULL, "ClaimLost");
    claim.phase = "Lost"; /* R76: for ever */
    expect(&view, CLAIM_KEEP, NULL, "");
    view.volume_count = 1;
    expect(&view, CLAIM_KEEP, NULL, "");
}

static void a_deleted_claim_stays_while_a_pod_uses_it_r25_s46(void **state)
{
    (void)state;
    struct claim_view claim = claim_of(NULL, MI);
    struct claim_plan_view view = view_of(&claim, NULL, 0);
    view.is_protected = false;
    expect(&view, CLAIM_PROTECT, NULL, "");
    view.is_protected = view.is_terminating = view.is_used = true;
    expect(&view, CLAIM_KEEP, NULL, "");
    view.is_used = false;
    expect(&view, CLAIM_UNPROTECT, NULL, "");
    view.is_protected = false;
    expect(&view, CLAIM_KEEP, NULL, ""); /* somebody else's finalizer holds it */
}

static void a_claim_on_our_volume_grows_r85(void **state)
{
    (void)state;
    static const struct class_view grows = {.provisioner = PROVISIONER_DIRECTORY,
                                            .allow_expansion = true};
    struct volume_view v = volume_of("standard", MI);
    v.phase = "Bound";
    v.provisioned_by = PROVISIONER_DIRECTORY;
    name_claim(&v, UID);
    struct plan_volume volumes[] = {{.name = "vol", .view = &v, .allows_node = true}};
    struct claim_view claim = claim_of("standard", 2 * MI);
    claim.phase = "Bound";
    claim.volume_name = "vol";
    claim.bind_completed = true;
    claim.capacity_bytes = MI;
    struct claim_plan_view view = view_of(&claim, volumes, 1);
    expect(&view, CLAIM_KEEP, NULL, "");
    view.class = &grows;
    expect(&view, CLAIM_EXPAND, "vol", "VolumeResizeSuccessful");
    v.provisioned_by = "csi.example.com";
    expect(&view, CLAIM_KEEP, NULL, "ExternalExpanding");
    view.class = NULL;
    expect(&view, CLAIM_KEEP, NULL, "");
    /* It has grown, its file system not yet: the claim says what it has, until somebody else says
     * more. Of our own volumes the claim follows. */
    view.class = &grows;
    v.capacity_bytes = 2 * MI;
    expect(&view, CLAIM_KEEP, NULL, "");
    claim.capacity_bytes = 0;
    expect(&view, CLAIM_BIND, "vol", "");
    claim.capacity_bytes = MI;
    v.provisioned_by = PROVISIONER_DIRECTORY;
    expect(&view, CLAIM_BIND, "vol", "");
}

/* ---- the matrix: one claim, one volume ---- */

static const struct {
    const char *ns, *name, *uid;
    bool is_free, is_ours;
} references[] = {
    {"", "", "", true, false},
    {"default", "data-kubia-0", "", false, true},
    {"default", "data-kubia-0", UID, false, true},
    {"default", "data-kubia-0", ELSE, false, false},
    {"other", "data-kubia-0", "", false, false},
    {"default", "data-kubia-1", ELSE, false, false},
};

struct cell {
    bool fits, modes, mode, class, going, labels, named, node;
    const char *phase;
    size_t reference; /* of references */
};

/* The rules once more: should this claim be bound to this volume? */
static bool should_bind(const struct cell *c)
{
    bool is_free = references[c->reference].is_free, is_ours = references[c->reference].is_ours;
    bool offers = c->fits && c->modes && c->mode && !c->going;
    if (c->named)
        return is_ours || (is_free && offers && c->class);
    bool is_open = is_free && c->class && c->labels && strcmp(c->phase, "Available") == 0;
    return offers && c->node && (is_ours || is_open);
}

static bool check_cell(const struct cell *c)
{
    const char *gold = "gold";
    struct label label = {"tier", c->labels ? "gold" : "tin"};
    struct selector_term term = {"tier", SELECT_IN, &gold, 1};
    struct volume_view v = volume_of(c->class ? "c" : "d", c->fits ? MI : MI - 1);
    v.access_modes = c->modes ? ACCESS_RWO | ACCESS_ROX : ACCESS_ROX;
    v.volume_mode = c->mode ? "Filesystem" : "Block";
    v.phase = c->phase;
    v.claim_ns = references[c->reference].ns;
    v.claim_name = references[c->reference].name;
    v.claim_uid = references[c->reference].uid;
    struct plan_volume volume = {"vol", &v, &label, 1, c->going, c->node};
    struct claim_view claim = claim_of("c", MI);
    claim.selector = (struct selector){.terms = &term, .count = 1};
    claim.volume_name = c->named ? "vol" : "";
    struct claim_plan_view view = view_of(&claim, &volume, 1);
    struct claim_plan plan;
    claim_plan(&view, &plan);
    assert_int_equal(plan.step, should_bind(c) ? CLAIM_BIND : CLAIM_KEEP);
    if (plan.step == CLAIM_BIND)
        assert_int_equal(plan.is_our_choice, !references[c->reference].is_ours);
    return plan.step == CLAIM_BIND;
}

static void every_pair_of_claim_and_volume_follows_r77_and_r80(void **state)
{
    (void)state;
    static const char *const phases[] = {"", "Available", "Bound", "Released", "Failed"};
    size_t bound = 0, cells = 0;
    for (unsigned bits = 0; bits < 1U << 8U; bits++)
        for (size_t p = 0; p < ARRAY_SIZE(phases); p++)
            for (size_t r = 0; r < ARRAY_SIZE(references); r++, cells++) {
                struct cell c = {bits & 1U,  bits & 2U,  bits & 4U,   bits & 8U, bits & 16U,
                                 bits & 32U, bits & 64U, bits & 128U, phases[p], r};
                bound += check_cell(&c);
            }
    assert_int_equal(cells, 256 * 5 * 6);
    assert_true(bound > 100);
}

/* R81, S79: whichever of the four writes are there, the rest follows, and then nothing. */
static void every_half_written_binding_is_completed_r81_s79(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 16; bits++) {
        struct volume_view v = volume_of("", 2 * MI);
        struct claim_view claim = claim_of(NULL, MI);
        struct plan_volume volume = {.name = "vol", .view = &v, .allows_node = true};
        if (bits & 1)
            name_claim(&v, UID);
        if (bits & 2)
            v.phase = "Bound";
        if (bits & 4) {
            claim.volume_name = "vol";
            claim.bind_completed = true;
        }
        if (bits & 8) {
            claim.phase = "Bound";
            claim.capacity_bytes = 2 * MI;
        }
        struct claim_plan_view view = view_of(&claim, &volume, 1);
        struct claim_plan plan;
        claim_plan(&view, &plan);
        if (bits == 15)
            assert_int_equal(plan.step, CLAIM_KEEP);
        else if (bits == 8 || bits == 10 || bits == 9 || bits == 11)
            assert_int_equal(plan.step, CLAIM_LOSE); /* bound to nothing: lost its reference */
        else if (bits == 2)
            assert_int_equal(plan.step, CLAIM_KEEP); /* a phase without claimRef is nobody's */
        else
            assert_int_equal(plan.step, CLAIM_BIND);
        struct volume_plan_view other = {
            .name = "vol", .volume = &v, .is_protected = true, .claim_uid = UID, .claim = &claim};
        struct volume_plan its;
        volume_plan(&other, &its);
        if (bits & 1 && !(bits & 8))
            assert_int_equal(its.step, VOLUME_WAKE_CLAIM);
    }
}

/* ---- volumes (R76, R83) ---- */

static void the_phase_of_a_volume_follows_its_claim_r76_r83_s47(void **state)
{
    (void)state;
    struct claim_view bound = claim_of(NULL, MI), pending = claim_of(NULL, MI),
                      away = claim_of(NULL, MI), block = claim_of(NULL, MI);
    bound.phase = away.phase = "Bound";
    bound.volume_name = "vol";
    away.volume_name = "other";
    block.volume_mode = "Block";
    const struct {
        const char *phase, *uid, *policy, *provisioner, *claim_uid;
        const struct claim_view *claim;
        enum volume_step step;
        const char *next, *reason;
    } rows[] = {
        {"", "", "Retain", "", NULL, NULL, VOLUME_SET_PHASE, "Available", ""},
        {"Available", "", "Retain", "", NULL, NULL, VOLUME_KEEP, NULL, ""},
        {"Released", "", "Retain", "", NULL, NULL, VOLUME_SET_PHASE, "Available", ""},
        {"Bound", UID, "Retain", "", UID, &bound, VOLUME_KEEP, NULL, ""},
        {"Available", UID, "Retain", "", UID, &bound, VOLUME_SET_PHASE, "Bound", ""},
        {"Bound", UID, "Retain", "", UID, &pending, VOLUME_WAKE_CLAIM, NULL, ""},
        {"Bound", UID, "Retain", "", UID, &block, VOLUME_KEEP, NULL, "VolumeMismatch"},
        {"Bound", UID, "Retain", "", NULL, NULL, VOLUME_SET_PHASE, "Released", ""},
        {"Bound", UID, "Retain", "", ELSE, &pending, VOLUME_SET_PHASE, "Released", ""},
        {"Released", UID, "Retain", "", ELSE, &pending, VOLUME_KEEP, NULL, ""},
        {"Released", UID, "Delete", "", NULL, NULL, VOLUME_DELETE, NULL, ""},
        {"Released", UID, "Delete", PROVISIONER_DIRECTORY, NULL, NULL, VOLUME_DELETE, NULL, ""},
        {"Released", UID, "Delete", "csi.example.com", NULL, NULL, VOLUME_KEEP, NULL, ""},
        {"Released", UID, "Recycle", "", NULL, NULL, VOLUME_SET_PHASE, "Failed",
         "VolumeRecycleFailed"},
        {"Failed", UID, "Recycle", "", NULL, NULL, VOLUME_KEEP, NULL, ""},
        {"Bound", UID, "Retain", "", UID, &away, VOLUME_UNBIND, NULL, ""},
        {"Bound", UID, "Delete", PROVISIONER_DIRECTORY, UID, &away, VOLUME_SET_PHASE, "Released",
         ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct volume_view v = volume_of("", MI);
        v.phase = rows[i].phase;
        v.reclaim_policy = rows[i].policy;
        v.provisioned_by = rows[i].provisioner;
        if (*rows[i].uid)
            name_claim(&v, rows[i].uid);
        struct volume_plan_view view = {.name = "vol",
                                        .volume = &v,
                                        .is_protected = true,
                                        .claim_uid = rows[i].claim_uid,
                                        .claim = rows[i].claim};
        struct volume_plan plan;
        volume_plan(&view, &plan);
        assert_int_equal(plan.step, rows[i].step);
        assert_string_equal(plan.event.type ? plan.event.reason : "", rows[i].reason);
        if (rows[i].next)
            assert_string_equal(plan.phase, rows[i].next);
    }
}

static void a_bound_volume_outlives_its_deletion_r85(void **state)
{
    (void)state;
    struct claim_view bound = claim_of(NULL, MI);
    bound.phase = "Bound";
    bound.volume_name = "vol";
    struct volume_view v = volume_of("", MI);
    v.phase = "Bound";
    v.reclaim_policy = "Delete";
    v.provisioned_by = PROVISIONER_DIRECTORY;
    name_claim(&v, UID);
    struct volume_plan_view view = {.name = "vol", .volume = &v, .claim_uid = UID, .claim = &bound};
    struct volume_plan plan;
    volume_plan(&view, &plan);
    assert_int_equal(plan.step, VOLUME_PROTECT);
    view.is_protected = view.is_terminating = true;
    volume_plan(&view, &plan);
    assert_int_equal(plan.step, VOLUME_KEEP);
    view.claim = NULL;
    view.claim_uid = NULL;
    volume_plan(&view, &plan);
    assert_int_equal(plan.step, VOLUME_SET_PHASE);
    v.phase = "Released";
    volume_plan(&view, &plan);
    assert_int_equal(plan.step, VOLUME_UNPROTECT);
    assert_true(plan.removes_storage);
    v.provisioned_by = ""; /* a person's directory is left alone */
    volume_plan(&view, &plan);
    assert_int_equal(plan.step, VOLUME_UNPROTECT);
    assert_false(plan.removes_storage);
}

/* ---- a seeded world ---- */

struct world_claim {
    bool exists, going;
    char uid[16], name[16];
    struct claim_view view;
};
struct world_volume {
    bool exists, going, is_protected;
    char name[24], ref_name[16], ref_uid[16];
    struct volume_view view;
};
struct world {
    struct world_claim claims[CLAIMS];
    struct world_volume volumes[VOLS + CLAIMS];
    unsigned next_uid;
    size_t deleted_volumes;
};

static const struct class_view world_class = {.provisioner = PROVISIONER_DIRECTORY,
                                              .reclaim_policy = "Delete"};

static void refer(struct world_volume *v, const struct world_claim *c)
{
    (void)snprintf(v->ref_name, sizeof v->ref_name, "%s", c ? c->name : "");
    (void)snprintf(v->ref_uid, sizeof v->ref_uid, "%s", c ? c->uid : "");
    v->view.claim_ns = c ? "default" : "";
    v->view.claim_name = v->ref_name;
    v->view.claim_uid = v->ref_uid;
}

static void world_bind(struct world_claim *c, struct world_volume *v)
{
    refer(v, c);
    v->view.phase = "Bound";
    c->view.volume_name = v->name;
    c->view.bind_completed = true;
    c->view.phase = "Bound";
    c->view.capacity_bytes = v->view.capacity_bytes;
}

static struct world_volume *room_for_volume(struct world *w)
{
    for (size_t i = 0; i < VOLS + CLAIMS; i++)
        if (!w->volumes[i].exists)
            return &w->volumes[i];
    return NULL;
}

static bool step_claim(struct world *w, struct world_claim *c)
{
    struct plan_volume volumes[VOLS + CLAIMS];
    struct world_volume *at[VOLS + CLAIMS];
    size_t n = 0;
    for (size_t i = 0; i < VOLS + CLAIMS; i++)
        if (w->volumes[i].exists) {
            at[n] = &w->volumes[i];
            volumes[n++] = (struct plan_volume){.name = w->volumes[i].name,
                                                .view = &w->volumes[i].view,
                                                .is_terminating = w->volumes[i].going,
                                                .allows_node = true};
        }
    struct claim_plan_view view = view_of(&c->view, volumes, n);
    view.name = c->name;
    view.uid = c->uid;
    view.is_terminating = c->going;
    view.class = strcmp(c->view.class_name, "dyn") == 0 ? &world_class : NULL;
    struct claim_plan plan;
    claim_plan(&view, &plan);
    switch (plan.step) {
    case CLAIM_KEEP:
        return false;
    case CLAIM_BIND:
        world_bind(c, at[plan.volume]);
        return true;
    case CLAIM_PROVISION: {
        struct world_volume *v = room_for_volume(w);
        assert_non_null(v);
        *v = (struct world_volume){
            .exists = true, .is_protected = true, .view = volume_of("dyn", c->view.request_bytes)};
        (void)snprintf(v->name, sizeof v->name, "pvc-%s", c->uid);
        v->view.provisioned_by = PROVISIONER_DIRECTORY;
        v->view.reclaim_policy = "Delete";
        world_bind(c, v);
        return true;
    }
    case CLAIM_UNPROTECT:
        c->exists = false;
        return true;
    case CLAIM_LOSE:
        c->view.phase = "Lost";
        return true;
    case CLAIM_PROTECT:
    case CLAIM_UNSELECT:
    case CLAIM_SET_CLASS:
    case CLAIM_EXPAND:
        break;
    }
    fail_msg("unexpected step %d", (int)plan.step);
    return false;
}

static bool step_volume(struct world *w, struct world_volume *v)
{
    const struct world_claim *c = NULL;
    for (size_t i = 0; i < CLAIMS; i++)
        if (w->claims[i].exists && strcmp(w->claims[i].name, v->ref_name) == 0)
            c = &w->claims[i];
    struct volume_plan_view view = {.name = v->name,
                                    .volume = &v->view,
                                    .is_terminating = v->going,
                                    .is_protected = v->is_protected,
                                    .claim_uid = c ? c->uid : NULL,
                                    .claim = c ? &c->view : NULL};
    struct volume_plan plan;
    volume_plan(&view, &plan);
    switch (plan.step) {
    case VOLUME_KEEP:
    case VOLUME_WAKE_CLAIM:
        return false;
    case VOLUME_SET_PHASE:
        v->view.phase = plan.phase;
        return true;
    case VOLUME_UNBIND:
        refer(v, NULL);
        return true;
    case VOLUME_DELETE:
        v->going = true;
        return true;
    case VOLUME_PROTECT:
        v->is_protected = true;
        return true;
    case VOLUME_UNPROTECT:
        assert_string_not_equal(v->view.phase, "Bound");
        w->deleted_volumes++;
        *v = (struct world_volume){0};
        return true;
    }
    return false;
}

/* After every step: a volume has one claim at most, a claim one volume at most, and both agree. */
static void check_world(const struct world *w)
{
    for (size_t i = 0; i < CLAIMS; i++) {
        const struct world_claim *c = &w->claims[i];
        if (!c->exists || strcmp(c->view.phase, "Bound") != 0)
            continue;
        size_t holders = 0;
        for (size_t k = 0; k < VOLS + CLAIMS; k++)
            holders += w->volumes[k].exists && strcmp(w->volumes[k].ref_uid, c->uid) == 0 &&
                       strcmp(w->volumes[k].view.phase, "Bound") == 0;
        assert_true(holders <= 1);
        for (size_t k = 0; k < i; k++)
            if (w->claims[k].exists && strcmp(w->claims[k].view.phase, "Bound") == 0)
                assert_string_not_equal(w->claims[k].view.volume_name, c->view.volume_name);
        for (size_t k = 0; k < VOLS + CLAIMS; k++)
            if (w->volumes[k].exists && strcmp(w->volumes[k].name, c->view.volume_name) == 0)
                assert_true(w->volumes[k].view.capacity_bytes >= c->view.request_bytes);
    }
}

static void settle_world(struct world *w)
{
    for (unsigned round = 0;; round++) {
        bool any = false;
        for (size_t i = 0; i < VOLS + CLAIMS; i++)
            if (w->volumes[i].exists) {
                any |= step_volume(w, &w->volumes[i]);
                check_world(w);
            }
        for (size_t i = 0; i < CLAIMS; i++)
            if (w->claims[i].exists) {
                any |= step_claim(w, &w->claims[i]);
                check_world(w);
            }
        if (!any)
            return;
        assert_true(round < 20); /* it comes to rest */
    }
}

/* At rest no claim waits that a volume would suit. */
static void check_rest(const struct world *w)
{
    for (size_t i = 0; i < CLAIMS; i++) {
        const struct world_claim *c = &w->claims[i];
        if (!c->exists || c->going || strcmp(c->view.phase, "Pending") != 0)
            continue;
        struct claim_plan_view view = view_of(&c->view, NULL, 0);
        view.name = c->name;
        view.uid = c->uid;
        for (size_t k = 0; k < VOLS + CLAIMS; k++) {
            struct plan_volume volume = {.name = w->volumes[k].name,
                                         .view = &w->volumes[k].view,
                                         .is_terminating = w->volumes[k].going,
                                         .allows_node = true};
            if (w->volumes[k].exists)
                assert_false(volume_suits(&volume, &view));
        }
    }
}

static void poke_world(struct world *w)
{
    struct world_claim *c = &w->claims[random_below(CLAIMS)];
    struct world_volume *v = &w->volumes[random_below(VOLS)];
    switch (random_below(6)) {
    case 0:
    case 1:
        if (c->exists)
            break;
        *c = (struct world_claim){
            .exists = true,
            .view = claim_of(random_below(3) ? "" : "dyn", MI * (1 + (int64_t)random_below(4)))};
        (void)snprintf(c->name, sizeof c->name, "claim-%u", (unsigned)(c - w->claims));
        (void)snprintf(c->uid, sizeof c->uid, "uid-%u", w->next_uid++);
        break;
    case 2:
        if (c->exists)
            c->going = true;
        break;
    case 3:
        if (v->exists)
            break;
        *v = (struct world_volume){.exists = true,
                                   .view = volume_of("", MI * (1 + (int64_t)random_below(5)))};
        v->view.phase = "";
        v->view.reclaim_policy = random_below(2) ? "Delete" : "Retain";
        (void)snprintf(v->name, sizeof v->name, "vol-%u", (unsigned)(v - w->volumes));
        refer(v, NULL);
        break;
    case 4:
        if (v->exists)
            v->going = true;
        break;
    default: /* an administrator frees a released volume */
        if (v->exists && strcmp(v->view.phase, "Released") == 0)
            refer(v, NULL);
        break;
    }
}

static void claims_and_volumes_agree_after_every_step_of_a_seeded_world(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world *w = xcalloc(1, sizeof *w);
        random_seed(seed);
        for (unsigned i = 0; i < 400; i++) {
            poke_world(w);
            if (random_below(3) == 0)
                settle_world(w);
        }
        settle_world(w);
        check_rest(w);
        assert_true(w->deleted_volumes > 0);
        free(w);
    }
    random_seed(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_sufficient_volume_is_chosen_r77_s41_s42),
        cmocka_unit_test(fewest_extra_modes_come_before_least_capacity_r77),
        cmocka_unit_test(a_volume_claimed_for_the_claim_comes_first_r77),
        cmocka_unit_test(what_happens_without_a_match_depends_on_the_class_r78),
        cmocka_unit_test(static_volumes_wait_for_the_consumer_too_r79),
        cmocka_unit_test(a_claim_that_names_a_volume_gets_that_one_or_none_r80),
        cmocka_unit_test(a_bound_claim_whose_volume_is_not_its_own_is_lost_r82_s48),
        cmocka_unit_test(a_deleted_claim_stays_while_a_pod_uses_it_r25_s46),
        cmocka_unit_test(a_claim_on_our_volume_grows_r85),
        cmocka_unit_test(every_pair_of_claim_and_volume_follows_r77_and_r80),
        cmocka_unit_test(every_half_written_binding_is_completed_r81_s79),
        cmocka_unit_test(the_phase_of_a_volume_follows_its_claim_r76_r83_s47),
        cmocka_unit_test(a_bound_volume_outlives_its_deletion_r85),
        cmocka_unit_test(claims_and_volumes_agree_after_every_step_of_a_seeded_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
