/* What users do to claims, volumes and classes. */
#include "tests/scenario/sim.h"

#define VOLUMES 6 /* names of static volumes: vol-0... */

/* "late" binds when a pod has a node, and its claims may grow; "manual" makes nothing by itself. */
void sim_put_classes(struct sim *s)
{
    sim_apply(s, "",
              "{'apiVersion':'storage.k8s.io/v1','kind':'StorageClass','metadata':{'name':'late'},"
              "'provisioner':'ordinald.dev/directory','volumeBindingMode':'WaitForFirstConsumer',"
              "'allowVolumeExpansion':true}");
    sim_apply(s, "",
              "{'apiVersion':'storage.k8s.io/v1','kind':'StorageClass',"
              "'metadata':{'name':'manual'},'provisioner':'kubernetes.io/no-provisioner'}");
}

void sim_do_delete_claim(struct sim *s)
{
    struct pod_name pod;
    char name[NAME_SIZE + 8];
    const struct delete_opts opts = {0};
    sim_any_pod(s, &pod);
    (void)snprintf(name, sizeof name, CLAIM_NAME "-%s", pod.name);
    if (!sim_find(s, KIND_PVC, pod.ns, name))
        return;
    sim_did(s, "delete claim %s/%s", pod.ns, name);
    sim_delete(s, KIND_PVC, pod.ns, name, &opts);
}

void sim_put_volume(struct sim *s, const char *name)
{
    if (sim_find(s, KIND_PV, "", name))
        return;
    sim_apply(s, "",
              "{'apiVersion':'v1','kind':'PersistentVolume','metadata':{'name':'%s'},"
              "'spec':{'capacity':{'storage':'%uMi'},'accessModes':['ReadWriteOnce'],"
              "'persistentVolumeReclaimPolicy':'%s','storageClassName':'manual',"
              "'hostPath':{'path':'/tmp/%s'}}}",
              name, 1 + (unsigned)sim_below(s, 3), sim_one_in(s, 2) ? "Retain" : "Delete", name);
}

/* A volume that an administrator tears away from its claim (S48). */
static void tear_away(struct sim *s, const char *name)
{
    const struct delete_opts opts = {0};
    const struct verb_key key = {KIND_PV, "", name};
    sim_did(s, "tear away volume %s", name);
    *keymap_put(&s->lost, name) = s;
    sim_delete(s, KIND_PV, "", name, &opts);
    sim_patch(s, &key, SUB_NONE, "{'metadata':{'finalizers':null}}");
}

void sim_do_volume(struct sim *s)
{
    char name[NAME_SIZE];
    (void)snprintf(name, sizeof name, "vol-%u", (unsigned)sim_below(s, VOLUMES));
    const struct verb_key key = {KIND_PV, "", name};
    const struct object *volume = sim_find(s, KIND_PV, "", name);
    if (!volume) {
        sim_did(s, "create volume %s", name);
        sim_put_volume(s, name);
    } else if (strcmp(volume_view(volume)->phase, "Released") == 0) { /* R83 */
        sim_did(s, "clear volume %s", name);
        sim_patch(s, &key, SUB_NONE, "{'spec':{'claimRef':null}}");
    } else if (sim_one_in(s, 4)) {
        const struct delete_opts opts = {0};
        sim_did(s, "delete volume %s", name);
        sim_delete(s, KIND_PV, "", name, &opts);
    } else if (sim_one_in(s, 20) && !volume->deleted_us) {
        tear_away(s, name);
    }
}

void sim_do_expand(struct sim *s)
{
    char name[NAME_SIZE];
    (void)snprintf(name, sizeof name, CLAIM_NAME "-tmp-%u", (unsigned)sim_below(s, 5));
    const struct verb_key key = {KIND_PVC, "default", name};
    if (!sim_find(s, KIND_PVC, "default", name))
        return;
    unsigned size = 1 + (unsigned)sim_below(s, 4);
    sim_did(s, "claim %s wants %uMi", name, size);
    sim_patch(s, &key, SUB_NONE, "{'spec':{'resources':{'requests':{'storage':'%uMi'}}}}", size);
}
