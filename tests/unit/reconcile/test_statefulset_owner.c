/* What a set adopts, releases and leaves behind, end to end (statefulset.md section 8). */
#include "tests/unit/reconcile/set_scene.h"

/* ---- adoption and release (section 8) ---- */

SCENARIO(s36_r61_a_relabelled_pod_is_released_and_keeps_the_name, 3, "new kubia {}", "wait 5",
         "uid pods kubia-1 = first",
         "edit pods kubia-1 {\"metadata\":{\"labels\":{\"app\":\"x\"}}}", "wait 60",
         "pods = kubia-0 kubia-1^ kubia-2", "uid pods kubia-1 = same",
         "events FailedCreate = ", "status = 2 2 2 2 2", "delete pods kubia-1", "wait 5", ALL_READY,
         "uid pods kubia-1 = other")

SCENARIO(s37_r9_a_lost_identity_label_is_restored, 3, "new kubia {}", "wait 5",
         "uid pods kubia-1 = first",
         "edit pods kubia-1 "
         "{\"metadata\":{\"labels\":{\"statefulset.kubernetes.io/"
         "pod-name\":null,\"apps.kubernetes.io/pod-index\":null}}}",
         "wait 1", "uid pods kubia-1 = same",
         "field pods kubia-1 metadata>labels>statefulset.kubernetes.io/pod-name = \"kubia-1\"",
         "field pods kubia-1 metadata>labels>apps.kubernetes.io/pod-index = \"1\"",
         "events SuccessfulUpdate = 1 Update Pod kubia-1 in StatefulSet kubia successful")

SCENARIO(s38_s39_orphans_of_our_name_are_adopted, 0, ORPHAN("kubia-1"), ORPHAN("other-1"),
         "uid pods kubia-1 = first",
         "new kubia {\"volumeClaimTemplates\":null,\"podManagementPolicy\":\"Parallel\"}", "wait 1",
         "pods = kubia-0? kubia-1? kubia-2? other-1?^", "uid pods kubia-1 = same",
         "field pods kubia-1 metadata>ownerReferences>0>controller = true", "status = 3 0 0 2 2")

SCENARIO(r2_names_that_are_no_ordinals_are_not_ours, 0, ORPHAN("kubia-01"), ORPHAN("kubia-1"),
         ORPHAN("kubia-99999999999"), ORPHAN("kubia-a-2"), ORPHAN("kubia-2-a"),
         "new kubia {\"volumeClaimTemplates\":null,\"podManagementPolicy\":\"Parallel\"}", "wait 1",
         "pods = kubia-0? kubia-01?^ kubia-1? kubia-2? kubia-2-a?^ kubia-99999999999?^ kubia-a-2?^",
         "set {\"replicas\":0}", "wait 1",
         "pods = kubia-01?^ kubia-2-a?^ kubia-99999999999?^ kubia-a-2?^")

SCENARIO(s80_sets_with_overlapping_selectors_keep_apart, 0,
         "new kubia {\"podManagementPolicy\":\"Parallel\",\"replicas\":2}",
         "new kubia-1 {\"podManagementPolicy\":\"Parallel\",\"replicas\":2}", "wait 1",
         "pods = kubia-0? kubia-1? kubia-1-0? kubia-1-1?",
         "field pods kubia-1 metadata>ownerReferences>0>name = \"kubia\"",
         "field pods kubia-1-0 metadata>ownerReferences>0>name = \"kubia-1\"",
         "delete statefulsets kubia-1", "wait 1", "pods = kubia-0? kubia-1?")

/* ---- deletion of the set ---- */

SCENARIO(s69_background_deletion_takes_the_pods_along, 3, "new kubia {}", "wait 5", "hold",
         "delete statefulsets kubia", "uid statefulsets kubia = absent", "wait 1",
         "pods = kubia-0~ kubia-1~ kubia-2~", "go", "wait 1", "pods = ")

SCENARIO(s70_r65_orphans_are_adopted_by_the_next_set, 3, "new kubia {}", "wait 5",
         "uid pods kubia-1 = first", "delete statefulsets kubia orphan", "wait 5",
         "uid statefulsets kubia = absent", "pods = kubia-0^ kubia-1^ kubia-2^", "history = 1",
         "new kubia {}", "wait 5", ALL_READY, "uid pods kubia-1 = same", "history = 1",
         "revisions = 1 1 1 current 1 update 1", "status = 3 3 3 3 3")

SCENARIO(s71_r62_foreground_deletion_makes_nothing_new, 3, "new kubia {}", "wait 5", "hold",
         "delete statefulsets kubia foreground", "wait 5", "uid statefulsets kubia = first",
         "pods = kubia-0~ kubia-1~ kubia-2~", "delete pods kubia-1 force", "wait 5",
         "pods = kubia-0~ kubia-2~", "uid statefulsets kubia = same", "go", "wait 5",
         "pods = ", "uid statefulsets kubia = absent")

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(s36_r61_a_relabelled_pod_is_released_and_keeps_the_name),
        TEST(s37_r9_a_lost_identity_label_is_restored),
        TEST(s38_s39_orphans_of_our_name_are_adopted),
        TEST(r2_names_that_are_no_ordinals_are_not_ours),
        TEST(s80_sets_with_overlapping_selectors_keep_apart),
        TEST(s69_background_deletion_takes_the_pods_along),
        TEST(s70_r65_orphans_are_adopted_by_the_next_set),
        TEST(s71_r62_foreground_deletion_makes_nothing_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
