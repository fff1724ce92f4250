/* The sentences of explain: one view in, a chain of causes out. Which objects become which view is
 * the business of the scenarios explain_*. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/utf8.h"
#include "controller/reconcile/explain_plan.h"

static const struct explain_pod no_pod = {.ns = "default",
                                          .name = "kubia-1",
                                          .name_len = 7,
                                          .ordinal = 1,
                                          .node = "",
                                          .unschedulable = "",
                                          .reason = "",
                                          .foreign_scheduler = "",
                                          .container = {"", "", ""},
                                          .unmet_gate = "",
                                          .controller = "",
                                          .fenced_uid = "",
                                          .fenced_node = "",
                                          .reserved = "",
                                          .set_name = ""};
static const struct explain_set a_set = {.ns = "default",
                                         .name = "kubia",
                                         .exists = true,
                                         .replicas = 3,
                                         .service = "",
                                         .error = "",
                                         .current = "",
                                         .update = ""};

/* Lines with two spaces for each level, joined by newlines. */
static void expect(const struct explain *got, const char *want)
{
    struct buf_out out;
    buf_out_init(&out);
    for (size_t i = 0; i < got->count; i++)
        buf_printf(&out, "%s%*s%s", i ? "\n" : "", (int)got->line[i].depth * 2, "",
                   got->line[i].text);
    assert_string_equal(out.data ? out.data : "", want);
    buf_out_fini(&out);
}

static void expect_pod(const struct explain_pod *pod, bool is_there, const char *want)
{
    static struct explain out;
    out = (struct explain){.is_there = false};
    explain_pod_plan(pod, &out);
    expect(&out, want);
    assert_int_equal(out.is_there, is_there);
    assert_int_equal(out.depth, 0);
}

static struct explain_pod with_set(const struct explain_set *set)
{
    struct explain_pod pod = no_pod;
    pod.set = set;
    pod.set_name = "kubia";
    return pod;
}

static void holes_wait_for_what_the_set_waits_for(void **state) /* R28, R29 */
{
    (void)state;
    static const struct {
        enum set_wait wait;
        int32_t ordinal;
        const char *error, *want;
    } rows[] = {
        {SET_WAIT_READY, 0, "", "kubia-1 waits for kubia-0 to be Ready"},
        {SET_WAIT_AVAILABLE, 0, "", "kubia-1 waits for kubia-0 to be Ready for minReadySeconds"},
        {SET_WAIT_GONE, 0, "", "kubia-1 waits for kubia-0 to be gone"},
        {SET_WAIT_CREATED, 0, "", "kubia-1 waits for kubia-0 to be created"},
        {SET_WAIT_STALE_CLAIM, 0, "", "kubia-1 waits for the old claim of kubia-0 to be collected"},
        {SET_WAIT_REPLACED, 0, "", "kubia-1 waits for kubia-0, which has ended, to be replaced"},
        {SET_WAIT_CREATED, 1, "", "StatefulSet kubia is about to make it"},
        {SET_WAIT_CREATED, 1, "pvc x is being deleted",
         "it cannot be made: pvc x is being deleted"},
        {SET_WAIT_STALE_CLAIM, 1, "",
         "its old claim, of a pod that is gone, has to be collected first"},
        {SET_WAIT_CREATED, 0, "no room",
         "kubia-1 waits for kubia-0 to be created\n    its last step failed: no room"},
        {SET_WAITS_FOR_NOTHING, 0, "", "StatefulSet kubia is about to make it"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct explain_set set = a_set;
        char want[400];
        set.wait = rows[i].wait;
        set.wait_ordinal = rows[i].ordinal;
        set.error = rows[i].error;
        struct explain_pod pod = with_set(&set);
        (void)snprintf(want, sizeof want, "Pod default/kubia-1 does not exist\n  %s", rows[i].want);
        expect_pod(&pod, false, want);
    }
}

static void a_parallel_set_lets_nobody_wait(void **state) /* R30 */
{
    (void)state;
    struct explain_set set = a_set;
    set.is_parallel = true;
    set.wait = SET_WAIT_READY;
    struct explain_pod pod = with_set(&set);
    expect_pod(&pod, false,
               "Pod default/kubia-1 does not exist\n  StatefulSet kubia is about to make it");
}

static void the_chain_goes_through_the_blocker_to_its_claim(void **state)
{
    (void)state;
    struct explain_claim claim = {.ns = "default",
                                  .name = "data-kubia-0",
                                  .exists = true,
                                  .phase = "Pending",
                                  .why = "no persistent volumes available for this claim.",
                                  .volume = "",
                                  .holder = "",
                                  .set = "",
                                  .pod = "",
                                  .fenced = ""};
    struct explain_pod blocker = no_pod;
    blocker.name = "kubia-0";
    blocker.exists = true;
    blocker.unschedulable = "unbound claims";
    blocker.claims = &claim;
    blocker.claim_count = 1;
    struct explain_set set = a_set;
    set.wait = SET_WAIT_READY;
    set.blocker = &blocker;
    struct explain_pod pod = with_set(&set);
    expect_pod(&pod, false,
               "Pod default/kubia-1 does not exist\n"
               "  kubia-1 waits for kubia-0 to be Ready\n"
               "    Pod default/kubia-0 is Pending\n"
               "      no node is found for it: unbound claims\n"
               "        claim data-kubia-0 is Pending: no persistent volumes available for this "
               "claim");
}

static void ordinals_outside_the_range_say_the_range(void **state) /* R3, R40, R62, R7 */
{
    (void)state;
    struct explain_set set = a_set;
    struct explain_pod pod = with_set(&set);
    pod.ordinal = 3;
    expect_pod(&pod, false,
               "Pod default/kubia-1 does not exist\n  StatefulSet kubia has 3 replicas, kubia-0 to "
               "kubia-2: 3 is not among them");
    set.start = 5;
    expect_pod(&pod, false,
               "Pod default/kubia-1 does not exist\n  StatefulSet kubia has 3 replicas, kubia-5 to "
               "kubia-7: 3 is not among them");
    set.start = INT32_MAX;
    expect_pod(&pod, false,
               "Pod default/kubia-1 does not exist\n  StatefulSet kubia has 3 replicas, "
               "kubia-2147483647 to kubia-2147483649: 3 is not among them");
    set.start = set.replicas = 0;
    expect_pod(&pod, false,
               "Pod default/kubia-1 does not exist\n  StatefulSet kubia has 0 replicas");
    set.is_terminating = true;
    expect_pod(&pod, false,
               "Pod default/kubia-1 does not exist\n  StatefulSet kubia is being deleted and makes "
               "no more pods");
    set = a_set;
    pod.ordinal = 1;
    pod.name_len = 64;
    expect_pod(&pod, false,
               "Pod default/kubia-1 does not exist\n  its name has 64 characters and may have 63: "
               "StatefulSet kubia can never make it");
}

static void pods_that_exist_say_what_they_lack(void **state)
{
    (void)state;
    static const char *const finalizers[] = {"a/b", "c/d"};
    struct explain_pod p = no_pod;
    p.exists = true;
    p.is_gated = true;
    expect_pod(&p, false, "Pod default/kubia-1 is Pending\n  its scheduling gates hold it");
    p.is_gated = false;
    p.foreign_scheduler = "mine";
    expect_pod(
        &p, false,
        "Pod default/kubia-1 is Pending\n  scheduler mine, which is not ours, has not placed "
        "it");
    p.foreign_scheduler = "";
    p.is_scheduler_off = true;
    expect_pod(
        &p, false,
        "Pod default/kubia-1 is Pending\n  nobody has placed it: nodes.scheduler is off, so a "
        "client has to");
    p.node = "n1";
    expect_pod(&p, false,
               "Pod default/kubia-1 is Pending on node n1\n  node n1 has not started it yet");
    p.container = (struct explain_container){"web", "ImagePullBackOff", "no such\nimage."};
    expect_pod(&p, false,
               "Pod default/kubia-1 is Pending on node n1\n  container web is not ready: "
               "ImagePullBackOff: no such image");
    p.container.name = "";
    p.phase = POD_RUNNING;
    p.unmet_gate = "example.com/lb";
    p.ip_count = 1;
    expect_pod(&p, false,
               "Pod default/kubia-1 is Running on node n1 and not Ready\n  its readiness gate "
               "example.com/lb is not True");
    p.unmet_gate = "";
    p.ip_count = 0;
    expect_pod(
        &p, false,
        "Pod default/kubia-1 is Running on node n1 and not Ready\n  its node has not reported "
        "it Ready yet\n  it has no address yet");
    p.is_ready = true;
    expect_pod(&p, true, "Pod default/kubia-1 is Running on node n1 and Ready");
    p.is_terminating = true; /* R42, R45 */
    p.grace_s = 30;
    p.finalizers = finalizers;
    p.finalizer_count = 2;
    expect_pod(&p, false,
               "Pod default/kubia-1 is being deleted\n  node n1 has up to 30 s to stop its "
               "containers and confirm it\n  its finalizers hold it: a/b, c/d");
    p.finalizer_count = 0;
    p.node_state = EXPLAIN_NODE_GONE; /* R43 b */
    expect_pod(
        &p, false,
        "Pod default/kubia-1 is being deleted\n  its node n1 does not exist any more: the pod "
        "is removed when the node has been gone for the quarantine");
    p.is_terminating = false;
    p.phase = POD_FAILED;
    p.reason = "Evicted";
    expect_pod(&p, false,
               "Pod default/kubia-1 has ended: Failed, Evicted\n  nobody controls it, so nobody "
               "replaces it");
}

static void hints_tell_what_to_do_once(void **state)
{
    (void)state;
    struct explain_pod p = no_pod;
    struct explain out = {.is_there = false};
    p.exists = p.is_terminating = true;
    p.node = "n1";
    p.grace_s = 30;
    p.node_state = EXPLAIN_NODE_SILENT; /* R44 */
    explain_pod_plan(&p, &out);
    explain_pod_plan(&p, &out);
    assert_int_equal(out.hint_count, 2);
    assert_string_equal(out.hint[1], "or give up that copy alone, which fences it: ordctl delete "
                                     "pod kubia-1 -n default --grace-period=0 --force");
}

/* However long and odd the texts of others are, every line is whole, bounded UTF-8. */
static void texts_of_others_are_bounded(void **state)
{
    (void)state;
    char longest[2000];
    struct explain out = {.is_there = false};
    for (size_t shift = 0; shift < 4; shift++) {
        memset(longest, 'x', sizeof longest);
        for (size_t i = shift; i + 4 < sizeof longest; i += 4)
            memcpy(longest + i, "\xf0\x9f\x98\x80", 4);
        longest[sizeof longest - 1] = '\0';
        for (size_t i = 0; i < EXPLAIN_LINES * 2; i++)
            explain_say(&out, "%s", longest);
        for (size_t i = 0; i < EXPLAIN_HINTS * 2; i++)
            explain_hint(&out, "%zu %s", i, longest);
        for (size_t i = 0; i < out.count; i++) {
            size_t len = strlen(out.line[i].text);
            assert_true(len > EXPLAIN_TEXT - 8 && utf8_is_valid(out.line[i].text, len));
        }
        char brief[121];
        explain_brief(&out, 0, brief, sizeof brief);
        assert_true(strlen(brief) > 112 && utf8_is_valid(brief, strlen(brief)));
    }
    assert_int_equal(out.count, EXPLAIN_LINES);
    assert_int_equal(out.hint_count, EXPLAIN_HINTS);
}

static void the_brief_form_follows_the_chain_as_far_as_it_fits(void **state)
{
    (void)state;
    struct explain out = {.is_there = false};
    char brief[41];
    explain_brief(&out, 0, brief, sizeof brief);
    assert_string_equal(brief, "");
    explain_say(&out, "the pod is Pending");
    out.depth++;
    explain_say(&out, "its claim is Pending");
    explain_brief(&out, 0, brief, sizeof brief);
    assert_string_equal(brief, "the pod is Pending: its claim is Pending");
    explain_say(&out, "a second cause");
    explain_brief(&out, 0, brief, sizeof brief);
    assert_string_equal(brief, "the pod is Pending: its claim is Pending");
    explain_brief(&out, 0, brief, sizeof brief - 1);
    assert_string_equal(brief, "its claim is Pending");
    explain_brief(&out, 1, brief, 18);
    assert_string_equal(brief, "its claim is");
    out.depth++;
    explain_say(&out, "no volume");
    explain_brief(&out, 2, brief, sizeof brief);
    assert_string_equal(brief, "a second cause: no volume");
    out.depth++;
    explain_say(&out, "none");
    explain_brief(&out, 2, brief, 24);
    assert_string_equal(brief, "a second cause: none");
    explain_brief(&out, 2, brief, 12);
    assert_string_equal(brief, "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holes_wait_for_what_the_set_waits_for),
        cmocka_unit_test(a_parallel_set_lets_nobody_wait),
        cmocka_unit_test(the_chain_goes_through_the_blocker_to_its_claim),
        cmocka_unit_test(ordinals_outside_the_range_say_the_range),
        cmocka_unit_test(pods_that_exist_say_what_they_lack),
        cmocka_unit_test(hints_tell_what_to_do_once),
        cmocka_unit_test(texts_of_others_are_bounded),
        cmocka_unit_test(the_brief_form_follows_the_chain_as_far_as_it_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
