/* What users do to sets and to the namespace that comes and goes. */
#include "tests/scenario/sim.h"

static void put_set(struct sim *s, const struct cast *c)
{
    char class[80] = "", stuck[8] = "false";
    if (*c->class)
        (void)snprintf(class, sizeof class, "'storageClassName':'%s',", c->class);
    if (sim_one_in(s, 6))
        (void)snprintf(stuck, sizeof stuck, "true");
    static const char *const strategies[] = {
        "", "", "'updateStrategy':{'type':'RollingUpdate'},",
        "'updateStrategy':{'type':'RollingUpdate','rollingUpdate':{'partition':1}},",
        "'updateStrategy':{'type':'RollingUpdate','rollingUpdate':{'maxUnavailable':2}},"};
    sim_apply(s, c->ns,
              "{'apiVersion':'apps/v1','kind':'StatefulSet','metadata':{'name':'%s',"
              "'annotations':{'ordinald.dev/replace-stuck':'%s'}},"
              "'spec':{'serviceName':'%s','replicas':%u,'podManagementPolicy':'%s',%s"
              "'revisionHistoryLimit':%u,"
              "'persistentVolumeClaimRetentionPolicy':{'whenDeleted':'%s','whenScaled':'%s'},"
              "'selector':{'matchLabels':{'app':'%s'}},'template':{'metadata':{'labels':"
              "{'app':'%s'}},'spec':{'terminationGracePeriodSeconds':5,'containers':"
              "[{'name':'main','image':'registry.example/main:1',"
              "'ports':[{'name':'web','containerPort':8080}]}]}},"
              "'volumeClaimTemplates':[{'metadata':{'name':'" CLAIM_NAME "'},'spec':{%s"
              "'accessModes':['ReadWriteOnce'],'resources':{'requests':{'storage':'1Mi'}}}}]}}",
              c->name, stuck, c->name, (unsigned)sim_below(s, 5), c->policy,
              strategies[sim_below(s, ARRAY_SIZE(strategies))], (unsigned)sim_below(s, 3),
              c->when_deleted, c->when_scaled, c->name, c->name, class);
}

void sim_do_set(struct sim *s)
{
    const struct cast *c = sim_any_set(s);
    if (sim_find(s, KIND_STATEFULSET, c->ns, c->name) || !sim_find(s, KIND_NAMESPACE, "", c->ns))
        return;
    sim_did(s, "create %s/%s", c->ns, c->name);
    sim_put_service(s, c);
    put_set(s, c);
}

static void patch_set(struct sim *s, const struct cast *c, const char *spec)
{
    const struct verb_key key = {KIND_STATEFULSET, c->ns, c->name};
    if (!sim_find(s, KIND_STATEFULSET, c->ns, c->name))
        return;
    sim_did(s, "patch %s/%s %s", c->ns, c->name, spec);
    sim_patch(s, &key, SUB_NONE, "{'spec':{%s}}", spec);
}

void sim_do_scale(struct sim *s)
{
    const struct cast *c = sim_any_set(s);
    const struct verb_key key = {KIND_STATEFULSET, c->ns, c->name};
    unsigned replicas = (unsigned)sim_below(s, 6);
    if (!sim_find(s, KIND_STATEFULSET, c->ns, c->name))
        return;
    sim_did(s, "scale %s/%s to %u", c->ns, c->name, replicas);
    sim_patch(s, &key, sim_one_in(s, 2) ? SUB_SCALE : SUB_NONE, "{'spec':{'replicas':%u}}",
              replicas);
}

void sim_do_shift(struct sim *s)
{
    char spec[64];
    (void)snprintf(spec, sizeof spec, "'ordinals':{'start':%u}", (unsigned)sim_below(s, 3));
    patch_set(s, sim_any_set(s), spec);
}

/* Also back to an older template: that revision is raised (R50). */
static void patch_template(struct sim *s, const struct cast *c)
{
    char spec[200];
    unsigned version = (unsigned)sim_below(s, 5);
    (void)snprintf(spec, sizeof spec,
                   "'template':{'spec':{'containers':[{'name':'main','image':"
                   "'registry.example/main:%u','ports':[{'name':'%s','containerPort':%u}]}]}}",
                   version, version % 2 ? "web" : "other", 8080 + version / 2);
    patch_set(s, c, spec);
}

void sim_do_template(struct sim *s)
{
    patch_template(s, sim_any_set(s));
}

/* A pod leaves a Parallel set and keeps its name, and the set is to be updated: what is missing
 * cannot be made, and the deletions after it are not reached (R61, R67). */
void sim_do_obstruct(struct sim *s)
{
    const struct cast *c = sim_any_set(s);
    char name[NAME_SIZE];
    (void)snprintf(name, sizeof name, "%s-%u", c->name, (unsigned)sim_below(s, 5));
    const struct verb_key key = {KIND_POD, c->ns, name};
    if (strcmp(c->policy, "Parallel") != 0 || !sim_find(s, KIND_POD, c->ns, name))
        return;
    sim_did(s, "obstruct %s/%s", c->ns, name);
    sim_patch(s, &key, SUB_NONE, "{'metadata':{'labels':{'app':'elsewhere'}}}");
    patch_template(s, c);
}

/* An update of several pods at once: those that terminate are unavailable, too (R56). */
void sim_do_wide_update(struct sim *s)
{
    const struct cast *c = sim_any_set(s);
    patch_set(s, c,
              "'updateStrategy':{'type':'RollingUpdate','rollingUpdate':{'maxUnavailable':2}}");
    patch_template(s, c);
}

/* A ConfigMap that several sets own (R66). */
void sim_do_shared(struct sim *s)
{
    char owners[1024] = "";
    size_t len = 0;
    for (size_t i = 0; i < sim_cast_count; i++) {
        const struct cast *c = &sim_cast[i];
        const struct object *set = sim_find(s, KIND_STATEFULSET, c->ns, c->name);
        if (!set || strcmp(c->ns, "default") != 0)
            continue;
        len += (size_t)snprintf(owners + len, sizeof owners - len,
                                "%s{'apiVersion':'apps/v1','kind':'StatefulSet','name':'%s',"
                                "'uid':'%s'}",
                                len > 0 ? "," : "", c->name, set->uid);
    }
    if (len == 0 || sim_find(s, KIND_CONFIGMAP, "default", "shared"))
        return;
    sim_did(s, "create default/shared of all sets");
    sim_apply(s, "default",
              "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'shared',"
              "'ownerReferences':[%s]}}",
              owners);
}

void sim_do_strategy(struct sim *s)
{
    static const char *const specs[] = {
        "'updateStrategy':{'type':'OnDelete','rollingUpdate':null}",
        "'updateStrategy':{'type':'RollingUpdate','rollingUpdate':{'partition':2}}",
        "'updateStrategy':{'type':'RollingUpdate','rollingUpdate':{'partition':1}}",
        "'updateStrategy':{'type':'RollingUpdate','rollingUpdate':{'partition':0}}",
        "'updateStrategy':{'type':'RollingUpdate','rollingUpdate':{'maxUnavailable':2}}",
        "'updateStrategy':{'type':'RollingUpdate','rollingUpdate':{'maxUnavailable':'50%'}}",
        "'updateStrategy':{'type':'RollingUpdate','rollingUpdate':null}"};
    patch_set(s, sim_any_set(s), specs[sim_below(s, ARRAY_SIZE(specs))]);
}

void sim_do_retention(struct sim *s)
{
    char spec[128];
    (void)snprintf(spec, sizeof spec,
                   "'persistentVolumeClaimRetentionPolicy':{'whenDeleted':'%s','whenScaled':'%s'}",
                   sim_one_in(s, 2) ? "Delete" : "Retain", sim_one_in(s, 2) ? "Delete" : "Retain");
    patch_set(s, sim_any_set(s), spec);
}

void sim_do_min_ready(struct sim *s)
{
    char spec[64];
    (void)snprintf(spec, sizeof spec, "'minReadySeconds':%u",
                   sim_one_in(s, 2) ? 0 : 1 + (unsigned)sim_below(s, 20));
    patch_set(s, sim_any_set(s), spec);
}

static const enum propagation ways[] = {PROPAGATE_DEFAULT, PROPAGATE_BACKGROUND,
                                        PROPAGATE_FOREGROUND, PROPAGATE_ORPHAN};

void sim_do_delete_set(struct sim *s)
{
    const struct cast *c = sim_any_set(s);
    const struct delete_opts opts = {.propagation = ways[sim_below(s, ARRAY_SIZE(ways))]};
    if (!sim_find(s, KIND_STATEFULSET, c->ns, c->name))
        return;
    sim_did(s, "delete set %s/%s propagation %d", c->ns, c->name, (int)opts.propagation);
    sim_delete(s, KIND_STATEFULSET, c->ns, c->name, &opts);
}

/* R101: its pods share one claim and have names by chance. */
void sim_do_replicaset(struct sim *s)
{
    const struct verb_key key = {KIND_REPLICASET, "default", "pool"};
    if (!sim_find(s, KIND_REPLICASET, "default", "pool")) {
        sim_did(s, "create pool");
        sim_apply(s, "default",
                  "{'apiVersion':'v1','kind':'PersistentVolumeClaim','metadata':{'name':'shared'},"
                  "'spec':{'accessModes':['ReadWriteMany'],'resources':{'requests':"
                  "{'storage':'1Mi'}}}}");
        sim_apply(s, "default",
                  "{'apiVersion':'apps/v1','kind':'ReplicaSet','metadata':{'name':'pool'},"
                  "'spec':{'replicas':2,'minReadySeconds':%u,"
                  "'selector':{'matchLabels':{'app':'pool'}},"
                  "'template':{'metadata':{'labels':{'app':'pool'}},'spec':{"
                  "'terminationGracePeriodSeconds':5,'containers':[{'name':'main',"
                  "'image':'registry.example/main:1'}],'volumes':[{'name':'shared',"
                  "'persistentVolumeClaim':{'claimName':'shared'}}]}}}}",
                  (unsigned)sim_below(s, 2) * 3);
    } else if (sim_one_in(s, 6)) {
        const struct delete_opts opts = {.propagation = ways[sim_below(s, ARRAY_SIZE(ways))]};
        sim_did(s, "delete pool propagation %d", (int)opts.propagation);
        sim_delete(s, KIND_REPLICASET, "default", "pool", &opts);
    } else {
        unsigned replicas = (unsigned)sim_below(s, 5);
        sim_did(s, "scale pool to %u", replicas);
        sim_patch(s, &key, SUB_SCALE, "{'spec':{'replicas':%u}}", replicas);
    }
}

/* ---- the namespace ---- */

void sim_put_namespace(struct sim *s)
{
    sim_apply(s, "", "{'apiVersion':'v1','kind':'Namespace','metadata':{'name':'" SIM_EXTRA "'}}");
}

void sim_do_namespace(struct sim *s)
{
    const struct delete_opts opts = {0};
    if (!sim_find(s, KIND_NAMESPACE, "", SIM_EXTRA)) {
        sim_did(s, "create namespace " SIM_EXTRA);
        sim_put_namespace(s);
    } else if (sim_one_in(s, 3)) {
        sim_did(s, "delete namespace " SIM_EXTRA);
        sim_delete(s, KIND_NAMESPACE, "", SIM_EXTRA, &opts);
    }
}
