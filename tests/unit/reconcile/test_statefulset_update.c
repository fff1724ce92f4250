/* Revisions, updates, and what is told when a step fails, end to end (statefulset.md sections 7 and
 * 9). */
#include "tests/unit/reconcile/set_scene.h"

/* ---- revisions and updates (section 7) ---- */

#define IMAGE(i)                                                                                   \
    "\"template\":{\"spec\":{\"containers\":[{\"name\":\"kubia\",\"image\":\"" i "\"}]}}"

SCENARIO(s54_an_update_goes_from_the_highest_down, 3, "new kubia {}", "wait 5", "fail kubia-2",
         "pass kubia-2", "wait 1", "hold", "set {" IMAGE("i2") "}", "wait 5",
         "pods = kubia-0 kubia-1 kubia-2~", "revisions = 1 1 1 current 1 update 2",
         "status = 3 3 3 2 0", "fail kubia-2", "go", "wait 5", "pods = kubia-0 kubia-1 kubia-2?",
         "revisions = 1 1 2 current 1 update 2", "status = 3 2 2 2 1", "pass kubia-2", "wait 5",
         ALL_READY, "revisions = 2 2 2 current 2 update 2", "status = 3 3 3 3 3", "history = 1 2",
         "field statefulsets kubia status>observedGeneration = 2")

SCENARIO(s55_r52_pods_below_the_partition_keep_their_revision, 3,
         "new kubia {\"updateStrategy\":{\"rollingUpdate\":{\"partition\":2}}}", "wait 5",
         "set {" IMAGE("i2") "}", "wait 5", "revisions = 1 1 2 current 1 update 2",
         "delete pods kubia-0", "wait 5", ALL_READY, "revisions = 1 1 2 current 1 update 2",
         "status = 3 3 3 2 1",
         "set {\"updateStrategy\":{\"rollingUpdate\":{\"partition\":5}}," IMAGE(
             "i3") "}", /* at N and above nothing is updated */
         "wait 5", "revisions = 1 1 2 current 1 update 3")

SCENARIO(s56_r55_a_broken_revision_blocks_until_a_person_deletes_the_pod, 3, "new kubia {}",
         "wait 5", "fail kubia-2", "wait 1", "pass kubia-2", "hold", "set {" IMAGE("bad") "}",
         "fail kubia-2", "go", "wait 60", "pods = kubia-0 kubia-1 kubia-2?",
         "revisions = 1 1 2 current 1 update 2", "set {" IMAGE("i1") "}", "wait 60",
         "pods = kubia-0 kubia-1 kubia-2?", "delete pods kubia-2", "pass kubia-2", "wait 5",
         ALL_READY, "revisions = 3 3 3 current 3 update 3", "history = 2 3")

SCENARIO(r55_the_cure_is_asked_for_by_an_annotation, 3, "new kubia {}",
         "edit statefulsets kubia "
         "{\"metadata\":{\"annotations\":{\"ordinald.dev/replace-stuck\":\"true\"}}}",
         "wait 5", "hold", "set {" IMAGE("bad") "}", "fail kubia-2", "go", "wait 60",
         "pods = kubia-0 kubia-1 kubia-2?", "uid pods kubia-2 = first", "set {" IMAGE("i1") "}",
         "wait 60", "uid pods kubia-2 = other", "revisions = 3 3 3 current 3 update 3",
         "pass kubia-2", "wait 5", "revisions = 3 3 3 current 3 update 3")

SCENARIO(s57_parallel_heals_by_itself, 3, "new kubia {\"podManagementPolicy\":\"Parallel\"}",
         "wait 5", "hold", "set {" IMAGE("bad") "}", "fail kubia-2", "go", "wait 60",
         "revisions = 1 1 2 current 1 update 2", "hold", "set {" IMAGE("i1") "}", "pass kubia-2",
         "go", "wait 5", ALL_READY, "revisions = 3 3 3 current 3 update 3")

SCENARIO(s58_r54_on_delete_waits_for_a_person, 3,
         "new kubia {\"updateStrategy\":{\"type\":\"OnDelete\"}}", "wait 5",
         "set {" IMAGE("i2") "}", "wait 60", "revisions = 1 1 1 current 1 update 2",
         "delete pods kubia-1", "wait 5", ALL_READY, "revisions = 1 2 1 current 1 update 2",
         "status = 3 3 3 2 1", "delete pods kubia-0", "delete pods kubia-2", "wait 5",
         "revisions = 2 2 2 current 1 update 2", "status = 3 3 3 0 3")

SCENARIO(s59_r50_a_rollback_raises_the_old_revision, 3, "new kubia {}", "wait 5",
         "set {" IMAGE("i2") "}", "wait 5", "history = 1 2", "set {" IMAGE("i1") "}", "wait 5",
         "history = 2 3", "revisions = 3 3 3 current 3 update 3",
         "set {\"minReadySeconds\":1}", /* R48: no template change, no revision */
         "wait 5", "history = 2 3")

SCENARIO(s68_r57_old_revisions_are_forgotten, 3,
         "new kubia {\"revisionHistoryLimit\":2,\"updateStrategy\":{\"type\":\"OnDelete\"}}",
         "wait 5", "set {" IMAGE("a") "}", "set {" IMAGE("b") "}", "set {" IMAGE("c") "}",
         "set {" IMAGE("d") "}", "set {" IMAGE("e") "}", "wait 1",
         "history = 1 4 5 6", /* 1 is current and worn, 6 is wanted */
         "set {\"revisionHistoryLimit\":0}", "wait 1", "history = 1 6",
         "set {\"revisionHistoryLimit\":-1," IMAGE("f") "}", "set {" IMAGE("g") "}", "wait 1",
         "history = 1 6 7 8")

SCENARIO(s82_r47_without_rolling_update_holes_are_filled_with_the_old_revision, 3,
         "new kubia {\"updateStrategy\":{\"type\":\"RollingUpdate\"}}", "wait 5", "hold",
         "set {" IMAGE("i2") "}", "fail kubia-2", "go", "wait 5",
         "revisions = 1 1 2 current 1 update 2", "hold", "fail kubia-0", "delete pods kubia-0",
         "go", "wait 5", "revisions = 1 1 2 current 1 update 2", "pass kubia-2", "pass kubia-0",
         "wait 5", "revisions = 2 2 2 current 2 update 2")

SCENARIO(s83_r47_with_partition_zero_holes_are_filled_with_the_new_revision, 3, "new kubia {}",
         "wait 5", "hold", "set {" IMAGE("i2") "}", "fail kubia-2", "go", "wait 5",
         "revisions = 1 1 2 current 1 update 2", "fail kubia-0", "delete pods kubia-0", "wait 5",
         "revisions = 2 1 2 current 1 update 2", "pass kubia-2", "pass kubia-0", "wait 5",
         "revisions = 2 2 2 current 2 update 2")

SCENARIO(s73_r34_scaling_wins_over_updating, 3, "new kubia {}", "wait 5", "hold",
         "set {\"replicas\":2," IMAGE("i2") "}", "wait 5", "pods = kubia-0 kubia-1 kubia-2~", "go",
         "wait 5", "pods = kubia-0 kubia-1", "revisions = 2 2 current 2 update 2")

SCENARIO(s74_new_ordinals_come_at_the_new_revision, 3, "new kubia {}", "wait 5", "fail kubia-4",
         "set {\"replicas\":5," IMAGE("i2") "}", "wait 5",
         "revisions = 1 1 1 2 2 current 1 update 2", "pass kubia-4", "wait 5",
         "revisions = 2 2 2 2 2 current 2 update 2", "status = 5 5 5 5 5")

SCENARIO(
    r48_a_revision_copies_the_annotations_of_its_set, 0,
    "make {\"apiVersion\":\"apps/v1\",\"kind\":\"StatefulSet\",\"metadata\":{\"name\":"
    "\"kubia\",\"annotations\":{\"example.com/why\":\"first\"}},\"spec\":{\"selector\":{"
    "\"matchLabels\":{\"app\":\"kubia\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":"
    "\"kubia\"}},\"spec\":{\"containers\":[{\"name\":\"kubia\",\"image\":\"i1\"}]}}}}",
    "revision 1 metadata>annotations = {\"example.com/why\":\"first\"}",
    "edit statefulsets kubia {\"metadata\":{\"annotations\":{\"example.com/why\":\"second\"}}}",
    "history = 1", /* no template change, no revision */
    "set {" IMAGE("i2") "}", "wait 1", "history = 1 2",
    "revision 1 metadata>annotations = {\"example.com/why\":\"first\"}",
    "revision 2 metadata>annotations = {\"example.com/why\":\"second\"}",
    "revision 2 metadata>labels>app = \"kubia\"",
    "revision 2 metadata>ownerReferences>0>kind = \"StatefulSet\"",
    "revision 2 metadata>ownerReferences>0>controller = true",
    "revision 2 data>spec>template>$patch = \"replace\"",
    "revision 2 data>spec>template>spec>containers>0>image = \"i2\"",
    "revision 2 data>spec>replicas = -")

SCENARIO(
    r50_a_revision_of_an_older_server_is_the_same_revision, 3,
    "make {\"apiVersion\":\"apps/v1\",\"kind\":\"ControllerRevision\",\"metadata\":{\"name\":"
    "\"kubia-old\",\"labels\":{\"app\":\"kubia\"}},\"revision\":7,\"data\":{\"spec\":{"
    "\"template\":{\"$patch\":\"replace\",\"metadata\":{\"labels\":{\"app\":\"kubia\"}},\"spec\":"
    "{\"containers\":[{\"name\":\"kubia\",\"image\":\"i1\",\"tty\":false}],\"tolerations\":[]}}}}}",
    "new kubia {}", "wait 5", "history = 7", "revisions = 7 7 7 current 7 update 7",
    "revision 7 metadata>name = \"kubia-old\"",
    "revision 7 metadata>ownerReferences>0>name = \"kubia\"", "set {" IMAGE("i2") "}", "wait 5",
    "history = 7 8", "revisions = 8 8 8 current 8 update 8")

SCENARIO(r51_a_current_revision_that_is_gone_is_the_update_revision, 3,
         "new kubia {\"updateStrategy\":{\"rollingUpdate\":{\"partition\":2}}}", "wait 5",
         "set {" IMAGE("i2") "}", "wait 5", "revisions = 1 1 2 current 1 update 2", "forget 1",
         "wait 1", "history = 2", "revisions = 0 0 2 current 2 update 2", "status = 3 3 3 1 1",
         "delete pods kubia-0", "wait 5", ALL_READY, "revisions = 2 0 2 current 2 update 2")

SCENARIO(
    r56_max_unavailable_is_a_number_or_a_percentage, 3,
    "new kubia {\"podManagementPolicy\":\"Parallel\",\"replicas\":5,\"updateStrategy\":{"
    "\"rollingUpdate\":{\"maxUnavailable\":\"50%\"}}}", /* rounded down: 2 */
    "wait 5", "hold", "set {" IMAGE("i2") "}", "wait 60",
    "pods = kubia-0 kubia-1 kubia-2 kubia-3~ kubia-4~",
    "set {\"updateStrategy\":{\"rollingUpdate\":{\"maxUnavailable\":3}}}", "wait 60",
    "pods = kubia-0 kubia-1 kubia-2~ kubia-3~ kubia-4~",
    "set {\"updateStrategy\":{\"rollingUpdate\":{\"maxUnavailable\":\"10%\"}}}", /* at least 1 */
    "fail kubia-4", "go", "wait 60", "pods = kubia-0 kubia-1 kubia-2 kubia-3 kubia-4?",
    "revisions = 1 1 2 2 2 current 1 update 2", "hold", "pass kubia-4", "wait 60",
    "pods = kubia-0 kubia-1~ kubia-2 kubia-3 kubia-4", "go", "wait 5",
    "revisions = 2 2 2 2 2 current 2 update 2")

/* ---- what fails is told, and tried again later (R70) ---- */

SCENARIO(
    r70_a_pod_that_cannot_be_updated_is_told, 0, ORPHAN("kubia-1"),
    "new kubia {\"podManagementPolicy\":\"Parallel\",\"replicas\":2}", "wait 1",
    "pods = kubia-0? kubia-1?", "field pods kubia-1 metadata>ownerReferences>0>name = \"kubia\"",
    "said FailedUpdate = Update Pod kubia-1 in StatefulSet kubia failed error: Pod \"kubia-1\" "
    "is invalid: spec: Forbidden: pod updates may not change fields other than ...")

SCENARIO(
    r70_a_claim_that_cannot_be_made_is_told, 0,
    "new kubia {\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"data\",\"labels\":{\"tier\":"
    "\"not valid\"}},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],\"resources\":{\"requests\":{"
    "\"storage\":\"1Mi\"}}}}]}",
    "pods = ", "claims = ",
    /* twice: its status, written the first time, calls for the set once more */
    "events FailedCreate = 2 Create Claim data-kubia-0 for Pod kubia-0 in StatefulSet kubia "
    "failed error: PersistentVolumeClaim \"data-kubia-0\" is invalid: ...; 2 Create Pod "
    "kubia-0 in StatefulSet kubia failed error: failed to create PVC data-kubia-0: ...")

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(s54_an_update_goes_from_the_highest_down),
        TEST(s55_r52_pods_below_the_partition_keep_their_revision),
        TEST(s56_r55_a_broken_revision_blocks_until_a_person_deletes_the_pod),
        TEST(r55_the_cure_is_asked_for_by_an_annotation),
        TEST(s57_parallel_heals_by_itself),
        TEST(s58_r54_on_delete_waits_for_a_person),
        TEST(s59_r50_a_rollback_raises_the_old_revision),
        TEST(s68_r57_old_revisions_are_forgotten),
        TEST(s82_r47_without_rolling_update_holes_are_filled_with_the_old_revision),
        TEST(s83_r47_with_partition_zero_holes_are_filled_with_the_new_revision),
        TEST(s73_r34_scaling_wins_over_updating),
        TEST(s74_new_ordinals_come_at_the_new_revision),
        TEST(r48_a_revision_copies_the_annotations_of_its_set),
        TEST(r50_a_revision_of_an_older_server_is_the_same_revision),
        TEST(r51_a_current_revision_that_is_gone_is_the_update_revision),
        TEST(r56_max_unavailable_is_a_number_or_a_percentage),
        TEST(r70_a_pod_that_cannot_be_updated_is_told),
        TEST(r70_a_claim_that_cannot_be_made_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
