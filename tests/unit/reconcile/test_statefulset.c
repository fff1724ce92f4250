/* Creation, scaling and replacement of the pods of a set, end to end (statefulset.md sections 4 to
 * 6). */
#include "tests/unit/reconcile/set_scene.h"

/* ---- creation (sections 1, 2 and 4) ---- */

SCENARIO(s4_s5_the_first_pod_has_its_identity_claim_and_revision, 0, "new kubia {}", "wait 1",
         "pods = kubia-0?", "claims = data-kubia-0", "history = 1",
         "revisions = 1 current 1 update 1",
         "field pods kubia-0 metadata>labels>statefulset.kubernetes.io/pod-name = \"kubia-0\"",
         "field pods kubia-0 metadata>labels>apps.kubernetes.io/pod-index = \"0\"",
         "field pods kubia-0 metadata>labels>app = \"kubia\"",
         "field pods kubia-0 spec>hostname = \"kubia-0\"",
         "field pods kubia-0 spec>subdomain = \"kubia\"",
         "field pods kubia-0 metadata>ownerReferences>0>apiVersion = \"apps/v1\"",
         "field pods kubia-0 metadata>ownerReferences>0>kind = \"StatefulSet\"",
         "field pods kubia-0 metadata>ownerReferences>0>name = \"kubia\"",
         "field pods kubia-0 metadata>ownerReferences>0>controller = true",
         "field pods kubia-0 metadata>ownerReferences>0>blockOwnerDeletion = true",
         "field pods kubia-0 metadata>ownerReferences>1 = -",
         "field pods kubia-0 spec>volumes>0 = "
         "{\"name\":\"data\",\"persistentVolumeClaim\":{\"claimName\":\"data-kubia-0\"}}",
         "field persistentvolumeclaims data-kubia-0 metadata>labels = "
         "{\"app\":\"kubia\",\"tier\":\"db\"}", /* R12: the selector wins */
         "status = 1 0 0 1 1",
         "events SuccessfulCreate = 1 Create Claim data-kubia-0 Pod kubia-0 in StatefulSet kubia "
         "success; 1 Create Pod kubia-0 in StatefulSet kubia successful")

SCENARIO(s6_s7_a_pod_waits_for_its_predecessors, 3, "fail kubia-0", "new kubia {}", "wait 60",
         "pods = kubia-0?", "status = 1 0 0 1 1", "pass kubia-0", "pods = kubia-0 kubia-1?",
         "wait 5", ALL_READY, "claims = data-kubia-0 data-kubia-1 data-kubia-2",
         "status = 3 3 3 3 3", "field statefulsets kubia status>observedGeneration = 1",
         "field statefulsets kubia status>conditions = -")

SCENARIO(s8_parallel_creates_all_at_once, 0,
         "new kubia {\"podManagementPolicy\":\"Parallel\",\"replicas\":5}",
         "pods = kubia-0? kubia-1? kubia-2? kubia-3? kubia-4?",
         "claims = data-kubia-0 data-kubia-1 data-kubia-2 data-kubia-3 data-kubia-4",
         "status = 5 0 0 5 5")

SCENARIO(r30_a_failure_ends_with_its_batch, 0,
         "make {\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"kubia-1\"},"
         "\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}",
         "new kubia {\"podManagementPolicy\":\"Parallel\",\"replicas\":6}", "wait 1",
         "pods = kubia-0? kubia-1?^ kubia-2?", "delete pods kubia-1", "wait 1",
         "pods = kubia-0? kubia-1? kubia-2? kubia-3? kubia-4? kubia-5?")

SCENARIO(s9_ordinals_start_where_they_are_told, 3,
         "new kubia {\"ordinals\":{\"start\":5},\"replicas\":2}", "wait 5",
         "pods = kubia-5 kubia-6",
         "field pods kubia-6 metadata>labels>apps.kubernetes.io/pod-index = \"6\"")

SCENARIO(
    s75_r7_a_name_too_long_for_pods_fails_again_and_again, 0,
    "make {\"apiVersion\":\"apps/v1\",\"kind\":\"StatefulSet\",\"metadata\":{\"name\":"
    "\"a23456789-123456789-123456789-123456789-123456789-123456789-123\"},\"spec\":{"
    "\"replicas\":1,\"selector\":{\"matchLabels\":{\"app\":\"a\"}},\"template\":{\"metadata\":{"
    "\"labels\":{\"app\":\"a\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"
    "}}",
    "wait 10", "pods = ")

/* ---- scaling (section 5) ---- */

SCENARIO(s10_scale_up_goes_one_by_one, 3, "new kubia {}", "wait 5", "fail kubia-3",
         "set {\"replicas\":5}", "wait 5", "pods = kubia-0 kubia-1 kubia-2 kubia-3?",
         "pass kubia-3", "wait 5", "pods = kubia-0 kubia-1 kubia-2 kubia-3 kubia-4",
         "status = 5 5 5 5 5")

SCENARIO(s11_s13_s38_scale_down_goes_one_by_one_and_claims_wait, 3, "new kubia {}", "wait 5",
         "uid persistentvolumeclaims data-kubia-1 = first",
         "uid persistentvolumeclaims data-kubia-2 = first", "uid pods kubia-1 = first", "hold",
         "set {\"replicas\":1}", "wait 5", "pods = kubia-0 kubia-1 kubia-2~", "go", "wait 5",
         "pods = kubia-0", "claims = data-kubia-0 data-kubia-1 data-kubia-2", "status = 1 1 1 1 1",
         "set {\"replicas\":3}", "wait 5", ALL_READY,
         "uid persistentvolumeclaims data-kubia-1 = same",
         "uid persistentvolumeclaims data-kubia-2 = same", "uid pods kubia-1 = other",
         "events SuccessfulDelete = 1 Delete Pod kubia-1 in StatefulSet kubia successful; 1 Delete "
         "Pod kubia-2 in StatefulSet kubia successful")

SCENARIO(s12_an_unready_pod_in_range_stops_scale_down, 3, "new kubia {}", "wait 5", "fail kubia-0",
         "set {\"replicas\":1}", "wait 60", "pods = kubia-0? kubia-1 kubia-2", "pass kubia-0",
         "wait 5", "pods = kubia-0")

SCENARIO(s14_the_first_unavailable_condemned_pod_goes, 3, "new kubia {}", "wait 5", "fail kubia-2",
         "set {\"replicas\":2}", "wait 5", "pods = kubia-0 kubia-1")

SCENARIO(s15_an_unhealthy_lower_pod_goes_after_a_healthy_higher_one, 3, "new kubia {}", "wait 5",
         "fail kubia-1", "hold", "set {\"replicas\":1}", "wait 5",
         "pods = kubia-0 kubia-1? kubia-2~", "go", "wait 5", "pods = kubia-0")

SCENARIO(s16_parallel_removes_all_at_once, 3,
         "new kubia {\"podManagementPolicy\":\"Parallel\",\"replicas\":5}", "wait 5",
         "fail kubia-0", "fail kubia-3", "hold", "set {\"replicas\":1}",
         "pods = kubia-0? kubia-1~ kubia-2~ kubia-3?~ kubia-4~", "go", "wait 1", "pods = kubia-0?")

SCENARIO(s17_a_terminating_pod_keeps_its_name, 3, "new kubia {}", "wait 5",
         "uid pods kubia-2 = first", "hold", "set {\"replicas\":1}", "set {\"replicas\":3}",
         "wait 60", "pods = kubia-0 kubia-1 kubia-2~", "uid pods kubia-2 = same", "go", "wait 5",
         ALL_READY, "uid pods kubia-2 = other")

SCENARIO(s18_r39_moving_start_creates_first_and_removes_then, 3, "new kubia {}", "wait 5",
         "fail kubia-4", "set {\"ordinals\":{\"start\":2}}", "wait 5",
         "pods = kubia-0 kubia-1 kubia-2 kubia-3 kubia-4?", "hold", "pass kubia-4", "wait 5",
         "pods = kubia-0 kubia-1~ kubia-2 kubia-3 kubia-4", "go", "wait 5",
         "pods = kubia-2 kubia-3 kubia-4", "status = 3 3 3 3 3")

SCENARIO(s19_r40_no_replicas_keep_their_revisions, 3, "new kubia {}", "wait 5",
         "set {\"replicas\":0}", "wait 5", "pods = ", "status = 0 0 0 0 0", "history = 1",
         "revisions = current 1 update 1")

SCENARIO(s81_two_unready_condemned_pods_wait_for_a_person, 3, "new kubia {}", "wait 5",
         "fail kubia-1", "fail kubia-2", "set {\"replicas\":1}", "wait 60",
         "pods = kubia-0 kubia-1? kubia-2?", "delete pods kubia-2", "wait 5", "pods = kubia-0")

/* ---- replacement (section 6) ---- */

SCENARIO(s20_a_deleted_pod_is_replaced_when_it_is_gone, 3, "new kubia {}", "wait 5",
         "uid pods kubia-1 = first", "uid persistentvolumeclaims data-kubia-1 = first", "hold",
         "delete pods kubia-1", "wait 60", "pods = kubia-0 kubia-1~ kubia-2",
         "uid pods kubia-1 = same", "go", "wait 5", ALL_READY, "uid pods kubia-1 = other",
         "uid persistentvolumeclaims data-kubia-1 = same")

SCENARIO(s21_of_two_lost_pods_the_lower_comes_first, 3, "new kubia {}", "wait 5", "hold",
         "delete pods kubia-0", "delete pods kubia-2", "fail kubia-0", "go", "wait 5",
         "pods = kubia-0? kubia-1", "pass kubia-0", "wait 5", ALL_READY)

SCENARIO(s22_r46_a_lower_hole_is_filled_although_a_higher_pod_is_unready, 3, "new kubia {}",
         "wait 5", "fail kubia-1", "delete pods kubia-0", "wait 5",
         "pods = kubia-0 kubia-1? kubia-2")

SCENARIO(s32_a_failed_pod_is_replaced, 3, "new kubia {}", "wait 5", "uid pods kubia-0 = first",
         "uid pods kubia-1 = first", "finish Failed kubia-1", "wait 5", ALL_READY,
         "uid pods kubia-0 = same", "uid pods kubia-1 = other",
         "events SuccessfulDelete = 1 Delete Pod kubia-1 in StatefulSet kubia successful")

SCENARIO(s33_a_pod_that_succeeded_is_replaced, 3,
         "new kubia {\"podManagementPolicy\":\"Parallel\"}", "wait 5", "uid pods kubia-1 = first",
         "finish Succeeded kubia-1", "wait 5", ALL_READY, "uid pods kubia-1 = other",
         "events SuccessfulDelete = 1 Delete Pod kubia-1 in StatefulSet kubia successful")

SCENARIO(s34_s30_a_failed_pod_is_deleted_once, 3, "new kubia {}", "wait 5",
         "edit pods kubia-1 {\"metadata\":{\"finalizers\":[\"example.com/wait\"]}}",
         "finish Failed kubia-1", "wait 60", "pods = kubia-0 kubia-1?~! kubia-2",
         "events SuccessfulDelete = 1 Delete Pod kubia-1 in StatefulSet kubia successful",
         "edit pods kubia-1 {\"metadata\":{\"finalizers\":null}}", "wait 5", ALL_READY)

SCENARIO(s35_a_pod_that_was_never_bound_goes_at_once, 0, "new kubia {}", "uid pods kubia-0 = first",
         "delete pods kubia-0", "wait 1", "pods = kubia-0?", "uid pods kubia-0 = other")

SCENARIO(r41_grace_zero_in_the_template_does_not_free_the_name, 3,
         "new kubia {\"template\":{\"spec\":{\"terminationGracePeriodSeconds\":0}}}", "wait 5",
         "uid pods kubia-1 = first", "hold", "delete pods kubia-1", "wait 5",
         "pods = kubia-0 kubia-1~ kubia-2", "uid pods kubia-1 = same", "go", "wait 5", ALL_READY,
         "uid pods kubia-1 = other")

SCENARIO(r44_a_fenced_pod_on_a_lost_node_is_marked_like_the_others, 1, "new kubia {\"replicas\":1}",
         "wait 5", "edit pods kubia-0 {\"metadata\":{\"finalizers\":[\"example.com/wait\"]}}",
         "hold", "silence node1", "delete pods kubia-0 force", "pods = kubia-0~", "wait 60",
         "pods = kubia-0?~", "hear node1", "go",
         "edit pods kubia-0 {\"metadata\":{\"finalizers\":null}}", "wait 5", "pods = kubia-0")

/* ---- time ---- */

SCENARIO(s67_r32_min_ready_seconds_delay_the_next_pod, 3,
         "new kubia {\"minReadySeconds\":30,\"replicas\":2}", "wait 2", "pods = kubia-0",
         "status = 1 1 0 1 1", "wait 26", "pods = kubia-0", "wait 4", "pods = kubia-0 kubia-1",
         "status = 2 2 1 2 2", "wait 40", "status = 2 2 2 2 2")

SCENARIO(r31_ready_since_nobody_knows_when_is_not_yet_available, 0,
         "new kubia {\"minReadySeconds\":30,\"replicas\":2}",
         "edit pods kubia-0 {\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\","
         "\"status\":\"True\"}]}}",
         "wait 1", "status = 1 1 0 1 1", "pods = kubia-0")

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(s4_s5_the_first_pod_has_its_identity_claim_and_revision),
        TEST(s6_s7_a_pod_waits_for_its_predecessors),
        TEST(s8_parallel_creates_all_at_once),
        TEST(r30_a_failure_ends_with_its_batch),
        TEST(s9_ordinals_start_where_they_are_told),
        TEST(s75_r7_a_name_too_long_for_pods_fails_again_and_again),
        TEST(s10_scale_up_goes_one_by_one),
        TEST(s11_s13_s38_scale_down_goes_one_by_one_and_claims_wait),
        TEST(s12_an_unready_pod_in_range_stops_scale_down),
        TEST(s14_the_first_unavailable_condemned_pod_goes),
        TEST(s15_an_unhealthy_lower_pod_goes_after_a_healthy_higher_one),
        TEST(s16_parallel_removes_all_at_once),
        TEST(s17_a_terminating_pod_keeps_its_name),
        TEST(s18_r39_moving_start_creates_first_and_removes_then),
        TEST(s19_r40_no_replicas_keep_their_revisions),
        TEST(s81_two_unready_condemned_pods_wait_for_a_person),
        TEST(s20_a_deleted_pod_is_replaced_when_it_is_gone),
        TEST(s21_of_two_lost_pods_the_lower_comes_first),
        TEST(s22_r46_a_lower_hole_is_filled_although_a_higher_pod_is_unready),
        TEST(s32_a_failed_pod_is_replaced),
        TEST(s33_a_pod_that_succeeded_is_replaced),
        TEST(s34_s30_a_failed_pod_is_deleted_once),
        TEST(s35_a_pod_that_was_never_bound_goes_at_once),
        TEST(r41_grace_zero_in_the_template_does_not_free_the_name),
        TEST(r44_a_fenced_pod_on_a_lost_node_is_marked_like_the_others),
        TEST(s67_r32_min_ready_seconds_delay_the_next_pod),
        TEST(r31_ready_since_nobody_knows_when_is_not_yet_available),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
