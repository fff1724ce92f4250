/* The claims of a set's ordinals, end to end (statefulset.md sections 2 and 3). */
#include "tests/unit/reconcile/set_scene.h"

/* ---- claims (sections 2 and 3) ---- */

SCENARIO(s40_a_claim_made_by_hand_is_taken_as_it_is, 3,
         "make {\"apiVersion\":\"v1\",\"kind\":\"PersistentVolumeClaim\",\"metadata\":{\"name\":"
         "\"data-kubia-0\"},\"spec\":{\"accessModes\":[\"ReadWriteMany\"],\"resources\":{"
         "\"requests\":{\"storage\":\"5Gi\"}}}}",
         "uid persistentvolumeclaims data-kubia-0 = first", "new kubia {}", "wait 5", ALL_READY,
         "uid persistentvolumeclaims data-kubia-0 = same",
         "field persistentvolumeclaims data-kubia-0 spec>resources>requests>storage = \"5Gi\"",
         "field persistentvolumeclaims data-kubia-0 metadata>labels = -")

SCENARIO(s46_r14_a_claim_that_is_being_deleted_holds_the_pod_back, 3, "new kubia {}", "wait 5",
         "uid persistentvolumeclaims data-kubia-2 = first",
         "delete persistentvolumeclaims data-kubia-2", "wait 5",
         "claims = data-kubia-0 data-kubia-1 data-kubia-2~", ALL_READY, "hold",
         "delete pods kubia-2", "wait 5", "claims = data-kubia-0 data-kubia-1 data-kubia-2~", "go",
         "wait 5", ALL_READY, "claims = data-kubia-0 data-kubia-1 data-kubia-2",
         "uid persistentvolumeclaims data-kubia-2 = other")

SCENARIO(r14_the_reason_is_told_and_the_pod_comes_when_the_claim_is_gone, 0,
         "make {\"apiVersion\":\"v1\",\"kind\":\"PersistentVolumeClaim\",\"metadata\":{\"name\":"
         "\"data-kubia-0\",\"finalizers\":[\"example.com/wait\"]},\"spec\":{\"accessModes\":["
         "\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":\"1Mi\"}}}}",
         "delete persistentvolumeclaims data-kubia-0", "new kubia {}", "pods = ",
         "said FailedCreate = Create Pod kubia-0 in StatefulSet kubia failed error: pvc "
         "data-kubia-0 is being deleted",
         "wait 300",
         "edit persistentvolumeclaims data-kubia-0 {\"metadata\":{\"finalizers\":null}}",
         "pods = kubia-0?", "claims = data-kubia-0")

SCENARIO(r16_a_pending_pod_gets_its_claim_again, 0, "new kubia {}",
         "uid persistentvolumeclaims data-kubia-0 = first",
         "delete persistentvolumeclaims data-kubia-0",
         "edit persistentvolumeclaims data-kubia-0 {\"metadata\":{\"finalizers\":null}}", "wait 1",
         "uid persistentvolumeclaims data-kubia-0 = other", "pods = kubia-0?")

#define RETENTION(deleted, scaled)                                                                 \
    "{\"persistentVolumeClaimRetentionPolicy\":{\"whenDeleted\":\"" deleted                        \
    "\",\"whenScaled\":\"" scaled "\"}}"

SCENARIO(s49_claims_go_with_the_set_when_asked, 3, "new kubia " RETENTION("Delete", "Retain"),
         "wait 5",
         "claims = data-kubia-0(StatefulSet) data-kubia-1(StatefulSet) data-kubia-2(StatefulSet)",
         "field persistentvolumeclaims data-kubia-0 metadata>ownerReferences>0>controller = true",
         "hold", "delete statefulsets kubia", "wait 5", "pods = kubia-0~ kubia-1~ kubia-2~",
         "claims = data-kubia-0~(StatefulSet) data-kubia-1~(StatefulSet) "
         "data-kubia-2~(StatefulSet)",
         "go", "wait 5", "pods = ", "claims = ")

SCENARIO(s49_claims_stay_when_not_asked, 3, "new kubia {}", "wait 5", "delete statefulsets kubia",
         "wait 5", "pods = ", "history = ", "claims = data-kubia-0 data-kubia-1 data-kubia-2")

SCENARIO(s50_s51_s52_claims_follow_the_pods_that_are_scaled_away, 3,
         "new kubia " RETENTION("Retain", "Delete"), "wait 5",
         "claims = data-kubia-0 data-kubia-1 data-kubia-2",
         "uid persistentvolumeclaims data-kubia-1 = first",
         "uid persistentvolumeclaims data-kubia-2 = first", "finish Failed kubia-1", "wait 5",
         ALL_READY, "uid persistentvolumeclaims data-kubia-1 = same", "hold",
         "set {\"replicas\":2}", "wait 5", "claims = data-kubia-0 data-kubia-1 data-kubia-2(Pod)",
         "edit persistentvolumeclaims data-kubia-2 "
         "{\"metadata\":{\"finalizers\":[\"example.com/wait\"]}}",
         "go", "wait 5", "claims = data-kubia-0 data-kubia-1 data-kubia-2~(Pod)",
         "set {\"replicas\":3}", "wait 60", "pods = kubia-0 kubia-1", "events FailedCreate = ",
         "edit persistentvolumeclaims data-kubia-2 {\"metadata\":{\"finalizers\":null}}", "wait 5",
         ALL_READY, "claims = data-kubia-0 data-kubia-1 data-kubia-2",
         "uid persistentvolumeclaims data-kubia-2 = other",
         "uid persistentvolumeclaims data-kubia-1 = same")

SCENARIO(s53_r24_references_follow_the_policy, 3, "new kubia " RETENTION("Delete", "Delete"),
         "wait 5",
         "claims = data-kubia-0(StatefulSet) data-kubia-1(StatefulSet) data-kubia-2(StatefulSet)",
         "hold", "set {\"replicas\":2}",
         "claims = data-kubia-0(StatefulSet) data-kubia-1(StatefulSet) data-kubia-2(Pod)",
         "set " RETENTION("Retain", "Retain"), "wait 1",
         "claims = data-kubia-0 data-kubia-1 data-kubia-2", "go", "wait 5",
         "pods = kubia-0 kubia-1", "claims = data-kubia-0 data-kubia-1 data-kubia-2")

SCENARIO(r22_a_claim_of_another_controller_is_left_alone, 3,
         "make {\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"boss\"}}",
         "new kubia " RETENTION("Delete", "Retain"), "wait 5",
         "edit persistentvolumeclaims data-kubia-0 {\"metadata\":{\"ownerReferences\":[{"
         "\"apiVersion\":\"x.example/v1\",\"kind\":\"Boss\",\"name\":\"b\",\"uid\":\"1\","
         "\"controller\":true}]}}",
         "wait 5",
         "claims = data-kubia-0(Boss) data-kubia-1(StatefulSet) data-kubia-2(StatefulSet)")

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(s40_a_claim_made_by_hand_is_taken_as_it_is),
        TEST(s46_r14_a_claim_that_is_being_deleted_holds_the_pod_back),
        TEST(r14_the_reason_is_told_and_the_pod_comes_when_the_claim_is_gone),
        TEST(r16_a_pending_pod_gets_its_claim_again),
        TEST(s49_claims_go_with_the_set_when_asked),
        TEST(s49_claims_stay_when_not_asked),
        TEST(s50_s51_s52_claims_follow_the_pods_that_are_scaled_away),
        TEST(s53_r24_references_follow_the_policy),
        TEST(r22_a_claim_of_another_controller_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
