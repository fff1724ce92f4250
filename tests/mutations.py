#!/usr/bin/env python3
"""Mutations: small edits of production code, each of which the simulator or a test must notice.

An edit replaces a text that must be in its file exactly once: when the code moves on, the mutation is stale, and that
is an error. A mutant that does not compile is an error, too. Every check passes on the unchanged copy first."""
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SEEDS = range(1, 9)
STEPS = 6000
PATIENCE_S = 8  # of processor time, for a step that does not end
TIMEOUT_S = 600
SIMULATOR = "simulator"

# name, what it breaks, the check that must notice (the simulator, or a test by its CTest name), edits (file, old, new).
MUTATIONS = [
    ("replace-early", "the name is free before the old pod is gone (R41)", SIMULATOR, [
        ("controller/registry/finalize.c", "    return grace < 0 ? 1 : grace;\n", "    return 0;\n")]),
    ("release-claim", "scaling down deletes the claim although whenScaled is Retain (R21)", SIMULATOR, [
        ("controller/reconcile/set_pod.c", "bool pod = view->when_scaled_delete && condemned;",
         "bool pod = condemned;")]),
    ("scale-down-lowest", "scaling down begins with the lowest ordinal (R34)", SIMULATOR, [
        ("controller/reconcile/statefulset_plan.c", """\
    for (size_t i = view->pod_count; i-- > 0;) {
        const struct set_pod *pod = &view->pods[i];
        if (in_range(view, pod))""", """\
    for (size_t i = 0; i < view->pod_count; i++) {
        const struct set_pod *pod = &view->pods[i];
        if (in_range(view, pod))""")]),
    ("reply-before-commit", "writers are told before the commit is durable (DESIGN section 1)", SIMULATOR, [
        ("controller/store/store.c", "    note_revision(store);\n    struct store_commit commit = {",
         "    note_revision(store);\n    reply(&store->flying, STORE_COMMITTED, store->last_revision, NULL);\n"
         "    store->flying.waiter_count = 0;\n    struct store_commit commit = {")]),
    ("stale-view", "a set looks at the applied state, not at its own last writes (R26)", SIMULATOR, [
        ("controller/reconcile/statefulset.c", """\
    struct store_view view = store_head(runner_store(s->runner));
    struct set_members *m = s->members;""", """\
    struct store_view view = store_applied(runner_store(s->runner));
    struct set_members *m = s->members;""")]),
    ("claims-not-noted", "what a set keeps of a claim outlives its change (R26)", SIMULATOR, [
        ("controller/reconcile/statefulset.c", "claim->name + (dash + 1 - base));", "NULL);")]),
    ("gone-not-noted", "what a set keeps of a pod outlives the pod (R26)", SIMULATOR, [
        ("controller/reconcile/statefulset.c",
         "        if (change->before)\n            queue_pod(runner, state, &view, change->before);\n", "")]),
    ("address-reused", "a fence does not hold the addresses (R44)", SIMULATOR, [
        ("controller/registry/identity.c",
         "view->host_network ? strings(NULL, 0) : strings(view->ips, view->ip_count));", "strings(NULL, 0));")]),
    ("fence-not-made", "a forced deletion leaves no fence (R44)", SIMULATOR, [
        ("controller/registry/identity.c", "    if (forced || is_fenced) {\n        add_fence(tree, pod, names);\n",
         "    if (forced || is_fenced) {\n")]),
    ("fence-ignored", "what a fenced incarnation reports is believed (R44)", SIMULATOR, [
        ("controller/registry/pod.c", "if (is_report && identity_is_fenced(",
         "if (is_report && !c->old && identity_is_fenced("),
        ("controller/registry/identity.c", "        if (!is_held(c->v, KIND_IDENTITY, term))\n",
         "        if (is_held(c->v, KIND_IDENTITY, term) || true)\n")]),
    ("partition-off-by-one", "an update goes one below the partition (R52)", SIMULATOR, [
        ("controller/reconcile/statefulset_plan.c",
         "lower_bound(view, (int64_t)view->start + partition)",
         "lower_bound(view, (int64_t)view->start + partition - 1)")]),
    ("adopted-twice", "a set adopts a pod that another controls (R60)", SIMULATOR, [
        ("controller/reconcile/adoption.c", "    if (!object_controller(pod) && !pod->deleted_us)\n",
         "    if (!pod->deleted_us)\n"),
        ("controller/reconcile/statefulset.c", "        if (set_ordinal(set->name, cur.object->name) >= 0)\n",
         "        if ((!object_controller(cur.object) ||\n"
         "             strcmp(object_controller(cur.object)->uid, set->uid) != 0) &&\n"
         "            set_ordinal(set->name, cur.object->name) >= 0)\n"),
        ("controller/reconcile/statefulset.c", "    bool is_ours = object_controller(pod) != NULL;\n",
         "    bool is_ours = object_controller(pod) &&\n"
         "                   strcmp(object_controller(pod)->uid, set->uid) == 0;\n"),
        ("controller/reconcile/adoption.c", "    cJSON_AddItemToArray(",
         "    json_del(metadata, \"ownerReferences\");\n    cJSON_AddItemToArray(")]),
    ("gap-trusted", "silence before a gap of the clock counts (R44)", SIMULATOR, [
        ("controller/reconcile/node.c", "    if (now_us - n->seen_us > GAP_US) {",
         "    if (now_us - n->seen_us > GAP_US * 1000) {")]),
    ("mass-silence-trusted", "most nodes fall silent together, and are given up (R44)", SIMULATOR, [
        ("controller/reconcile/node.c", "    return silent >= 2 && silent * 2 > counted;",
         "    return silent > counted;")]),
    ("epoch-not-raised", "two incarnations have one epoch (DESIGN section 4)", SIMULATOR, [
        ("controller/registry/identity.c", "    epoch = (known > epoch ? known : epoch) + 1;",
         "    epoch = known > epoch ? known : epoch > 0 ? epoch : 1;")]),
    ("retain-is-delete", "a volume with policy Retain is deleted (R83)", SIMULATOR, [
        ("controller/reconcile/volumes_plan.c",
         '} else if (same(v->reclaim_policy, "Delete") && !view->is_terminating &&',
         "} else if (!view->is_terminating &&")]),
    ("claim-in-use-goes", "a claim that a pod uses is removed (R25)", SIMULATOR, [
        ("controller/reconcile/volumes.c", "        if (is_using(cur.object))\n            return true;",
         "        if (is_using(cur.object) && cur.object->deleted_us)\n            return true;")]),
    ("unready-published", "a pod that is not ready is published (R93)", SIMULATOR, [
        ("controller/reconcile/endpoints_plan.c",
         ".ready = view->publish_not_ready || (pod->is_ready && !pod->is_terminating),",
         ".ready = view->publish_not_ready || !pod->is_terminating,")]),
    ("terminating-published", "a pod that terminates stays published (R93)", SIMULATOR, [
        ("controller/reconcile/endpoints_plan.c",
         ".ready = view->publish_not_ready || (pod->is_ready && !pod->is_terminating),",
         ".ready = view->publish_not_ready || pod->is_ready,")]),
    ("status-not-written", "readyReplicas is left as it was (R67)", SIMULATOR, [
        ("controller/reconcile/statefulset.c", "           have->st_ready != c->ready || ", "           ")]),
    ("status-before-deed", "status counts a deletion that failed (R67)", SIMULATOR, [
        ("controller/reconcile/statefulset.c",
         "        plan->counts.current += step_rc < 0 && step->lowers_current;\n", "")]),
    ("budget-forgets-terminating", "maxUnavailable does not count pods that terminate (R56)", SIMULATOR, [
        ("controller/reconcile/statefulset_plan.c", "        unavailable += view->pods[i].terminating || view->pods[i].finished ||\n",
         "        unavailable += (view->pods[i].terminating && !view->pods[i].available) || view->pods[i].finished ||\n")]),
    ("event-twice", "a watch that resumes hears the last event again (A34)", SIMULATOR, [
        ("controller/store/watch.c", "        if (ring_at(ring, mid)->event.revision > revision)",
         "        if (ring_at(ring, mid)->event.revision >= revision)")]),
    ("event-lost", "a watch misses what another deletion follows at once (A34)", SIMULATOR, [
        ("controller/store/watch.c", "    w->given = ring_at(ring, w->next++)->event;",
         "    if (w->next + 1 != ring->end && ring_at(ring, w->next)->event.type == EVENT_DELETED)\n"
         "        w->next++;\n    w->given = ring_at(ring, w->next++)->event;")]),
    ("namespace-drops-fences", "a namespace takes the fences of its identities along (R44)",
     "scenario/r44_fences_hold_the_namespace@cluster.local", [
        ("controller/reconcile/namespace.c", "        if (cur.object->deleted_us || is_fencing(cur.object) || !is_its_turn)",
         "        if (cur.object->deleted_us || (is_fencing(cur.object) && cur.object->deleted_us) || !is_its_turn)")]),
    ("dns-keeps-the-past", "names of a Service that goes stay (K-SVC)", SIMULATOR, [
        ("controller/reconcile/zone_feed.c", "        zone_txn_del_service(txn, ns, name);\n        return;",
         "        return;")]),
    ("published-before-commit", "names come from what is only staged (DESIGN section 1)", SIMULATOR, [
        ("controller/reconcile/zone_feed.c",
         "t.pods.count > 0) {\n        struct store_view view = store_applied(feed->store);",
         "t.pods.count > 0) {\n        struct store_view view = store_head(feed->store);")]),
    ("published-when-staged", "names come at once, with the staging (DESIGN section 1)", SIMULATOR, [
        ("controller/reconcile/zone_feed.c",
         "t.pods.count > 0) {\n        struct store_view view = store_applied(feed->store);",
         "t.pods.count > 0) {\n        struct store_view view = store_head(feed->store);"),
        ("controller/reconcile/zone_feed.c",
         "(void)keymap_put(&t->namespaces, ns);\n    struct store_view view = store_applied(feed->store);",
         "(void)keymap_put(&t->namespaces, ns);\n    struct store_view view = store_head(feed->store);"),
        ("controller/reconcile/zone_feed.c", "struct zone_feed *zone_feed_new(struct loop", """\
static void on_stage(void *arg, const struct store_change *change)
{
    struct zone_feed *feed = arg;
    const struct store_batch batch = {.changes = (struct store_change *)(uintptr_t)change,
                                      .count = 1,
                                      .revision = store_head(feed->store).revision + 1};
    on_apply(feed, &batch);
}

struct zone_feed *zone_feed_new(struct loop"""),
        ("controller/reconcile/zone_feed.c", "    store_on_apply(store, on_apply, feed);",
         "    store_on_apply(store, on_apply, feed);\n    store_on_stage(store, on_stage, feed);")]),
    ("foreground-owner-first", "foreground deletion removes the owner first (R63)", SIMULATOR, [
        ("controller/reconcile/garbage.c", "        if (blocks(d.object, owner))\n            return SYNC_DONE;",
         "        if (blocks(d.object, owner))\n            break;")]),
    ("undone-is-heard", "an undone write of a Node counts as a heartbeat (R44)", "unit/reconcile/test_lost_commits", [
        ("controller/reconcile/node.c", "    bool is_undone = node->mod_revision != 0;", "    bool is_undone = false;")]),
    ("release-not-repeated", "a release of a fence that was lost is not made again (R44)",
     "unit/reconcile/test_lost_commits", [
        ("controller/reconcile/embedded_node.c", "    } else if (obj->kind->id == KIND_IDENTITY && change->after) {",
         "    } else if (obj->kind->id == KIND_IDENTITY && !change->after) {"),
        ("controller/reconcile/embedded_node.c", "        queue_fences(em, change->after, NULL);",
         "        queue_fences(em, change->before, NULL);")]),
    ("failure-delays-others", "what a failed sync wrote waits for the backoff (R30)",
     "scenario/r30_failing_ordinals_delay_no_other@cluster.local", [
         ("controller/reconcile/workqueue.c", "    if (is_called && e->eager < EAGER_MOST) {",
          "    if (is_called && e->eager > EAGER_MOST) {")]),
    ("collection-ignores-selector", "a collection is deleted without regard to its selector (A31)", SIMULATOR, [
        ("controller/api/rest.c", "        if (!selection_matches(&selection, cur.object))",
         "        if (!selection_matches(&selection, cur.object) && cur.object->deleted_us)")]),
    ("page-of-now", "a list goes on in the state of now, not in its snapshot (api.md 4)", SIMULATOR, [
        ("controller/api/list.c", "        if (!pin_find(l->api, token.revision, &l->render.view)) {",
         "        struct store_view pinned;\n        if (!pin_find(l->api, token.revision, &pinned)) {")]),
    ("serial-not-raised", "the zone changes and its serial does not (K-SERIAL)", "scenario/d17_serials@cluster.local", [
        ("zones/zone_txn.c",
         "            serial = zones->loaded_us != 0 ? serial_next(serial, revision) : (uint32_t)revision;",
         "            serial = zones->loaded_us != 0 ? serial : (uint32_t)revision;")]),
    ("transition-lost", "an object that leaves a watch's selector is not told (A35)", SIMULATOR, [
        ("controller/api/watch_stream.c", "        else if (was)\n            put_event(w, \"DELETED\", ev->before,",
         "        else if (was && ev->object->deleted_us)\n            put_event(w, \"DELETED\", ev->before,")]),
    ("uid-not-compared", "a deletion meant for an earlier object of that name is done (A31)", SIMULATOR, [
        ("controller/registry/finalize.c", "    if (opts->uid && strcmp(opts->uid, d->obj->uid) != 0) {",
         "    if (opts->uid && strcmp(opts->uid, d->obj->uid) == 0 && !*opts->uid) {")]),
    ("version-not-compared", "a write on top of an old resourceVersion is taken (A18)", SIMULATOR, [
        ("controller/registry/verbs.c", "return *version && strcmp(version, stored) != 0 ?",
         "return *version && strcmp(version, stored) != 0 && before->deleted_us ?")]),
    ("unknown-is-committed", "a commit whose answer was lost counts as made", SIMULATOR, [
        ("controller/store/store.c",
         "    store->in_callbacks = true;\n    if (outcome == STORE_COMMITTED)\n        finish_committed(store);",
         "    store->in_callbacks = true;\n    if (outcome == STORE_COMMITTED || outcome == STORE_UNKNOWN)\n"
         "        finish_committed(store);")]),
    ("unknown-is-failed", "a commit that may be on disk counts as refused", "unit/store/test_lmdb", [
        ("controller/store/store_lmdb.c", "        done(arg, reached ? STORE_UNKNOWN : STORE_FAILED, &e);",
         "        done(arg, STORE_FAILED, &e);")]),
    ("claim-of-another", "a pod gets the claim of the ordinal before it (R13)", SIMULATOR, [
        ("controller/reconcile/set_pod.c",
         "        set_claim_name(set, view->claim_templates[i], ordinal, claim);",
         "        set_claim_name(set, view->claim_templates[i], ordinal > 0 ? ordinal - 1 : 0, claim);")]),
    ("old-address-served", "an address that changes in place is not followed (R92)", SIMULATOR, [
        ("controller/reconcile/endpoints.c", "        if (strcmp(x->ips[i], y->ips[i]) != 0)",
         "        if (strcmp(x->ips[i], y->ips[i]) != 0 && !x->ready)")]),
    ("not-ready-withheld", "publishNotReadyAddresses is not heeded (K-READY)", SIMULATOR, [
        ("controller/reconcile/zone_feed.c", "                                     .publish_not_ready = v->publish_not_ready,\n",
         "")]),
    ("history-unbounded", "old revisions are kept for ever (R57)", SIMULATOR, [
        ("controller/reconcile/set_revisions.c", "int32_t limit = set_view(set)->history_limit;",
         "int32_t limit = INT32_MAX;")]),
    ("live-revision-pruned", "the history drops a revision that a pod runs (R57)", SIMULATOR, [
        ("controller/reconcile/statefulset.c", " || members_have_revision(s->members, name);", ";")]),
    ("finalizer-ignored", "a pod goes though a finalizer holds it (R45)", SIMULATOR, [
        ("controller/registry/finalize.c",
         "    if (d->grace_s == 0 && d->obj->finalizer_count == 0)\n        return remove_now(d, out, gone, e);\n"
         "    int rc = ", "    if (d->grace_s == 0)\n        return remove_now(d, out, gone, e);\n    int rc = ")]),
    ("second-owner-forgotten", "what two own goes with the first of them (R66)", SIMULATOR, [
        ("controller/reconcile/garbage.c", "    if (owners.solid > 0) {",
         "    if (owners.solid > 0 && owners.absent == 0) {")]),
    ("epochs-lost-by-a-crash", "identities are not written to the disk (DESIGN section 4)", SIMULATOR, [
        ("controller/store/kind.c", """\
                       .list_name = "IdentityList",
                       .short_names = "",
                       .namespaced = true,
                       .is_durable = true,""", """\
                       .list_name = "IdentityList",
                       .short_names = "",
                       .namespaced = true,
                       .is_durable = false,""")]),
    ("families-mixed", "a pod is placed in a family whose slices were not looked at (R95)", "unit/reconcile/test_slices", [
        ("controller/reconcile/endpoints_plan.c",
         "bool is_asked = !view->is_part || (pod->held & f->family_bit);",
         "bool is_asked = !view->is_part || pod->held;")]),
    ("pages-inherit-time", "a list has what is left of the time of another (api.md 4)", "unit/api/test_list", [
        ("controller/api/list.c", "    if (store_applied(api->store).revision != revision)\n        return p;",
         "    if (p || store_applied(api->store).revision != revision)\n        return p;")]),
]


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def stale_edits(tree):
    """Sentences about edits whose old text is not there exactly once."""
    for name, _, _, edits in MUTATIONS:
        for file, old, new in edits:
            path = os.path.join(tree, file)
            count = read(path).count(old) if os.path.exists(path) else 0
            if count != 1 or old == new:
                yield f"{name} is stale: the text it replaces is {count} times in {file}"


def run(args, cwd, timeout=TIMEOUT_S):
    """Exit status and output; the status is None when the time is over."""
    try:
        done = subprocess.run(args, cwd=cwd, timeout=timeout, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return done.returncode, done.stdout.decode("utf-8", "replace")
    except subprocess.TimeoutExpired as late:
        return None, (late.stdout or b"").decode("utf-8", "replace")


def copy_tree(to):
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            stdout=subprocess.PIPE, check=True).stdout.decode()
    for file in filter(None, listed.split("\0")):
        if os.path.isfile(os.path.join(ROOT, file)):
            os.makedirs(os.path.dirname(os.path.join(to, file)), exist_ok=True)
            shutil.copy2(os.path.join(ROOT, file), os.path.join(to, file))


def target_of(check):
    if check.startswith("scenario/"):
        return "run_scn"
    return "simulator" if check == SIMULATOR else check.replace("/", "_")


def build(tree, target):
    status, out = run(["cmake", "--build", "build", "-j", str(os.cpu_count() or 1), "--target", target], tree, 1800)
    return None if status == 0 else out


def run_seed(tree, seed):
    """(seed, step, what is not true) or None when all held."""
    status, out = run(["build/tests/simulator", "--seed", str(seed), "--steps", str(STEPS),
                       "--patience", str(PATIENCE_S)], tree)
    if status == 0:
        return None
    said = re.search(r"BROKEN seed=\d+ steps=\d+ step=(\d+): (.*)", out)
    if said:
        return seed, int(said.group(1)), said.group(2)[:110]
    lines = [line for line in out.splitlines() if line.strip()]
    return seed, STEPS, "it does not come to rest" if status is None else (lines or ["no word"])[-1][:110]


def run_check(tree, check):
    """None when the check passes, else what it says."""
    if check != SIMULATOR:
        status, _ = run(["ctest", "-R", "^" + re.escape(check) + "$", "--output-on-failure", "--no-tests=error"],
                        os.path.join(tree, "build"))
        return None if status == 0 else f"{check} fails"
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        found = [said for said in pool.map(lambda seed: run_seed(tree, seed), SEEDS) if said]
    if not found:
        return None
    steps = sorted(step for _, step, _ in found)
    seed, step, said = min(found, key=lambda one: one[1])
    weak = "WEAK, " if len(found) * 2 < len(SEEDS) else ""
    return f"{weak}{len(found)} of {len(SEEDS)} seeds, median step {steps[len(steps) // 2]}, " \
           f"first seed {seed}, step {step}: {said}"


def try_one(tree, mutation):
    """(caught, what is to be said)."""
    _, _, check, edits = mutation
    kept = {file: read(os.path.join(tree, file)) for file, _, _ in edits}
    try:
        for file, old, new in edits:
            path = os.path.join(tree, file)
            write(path, read(path).replace(old, new))
        failed = build(tree, target_of(check))
        if failed is not None:
            return False, "ERROR: it does not compile:\n" + failed[-1500:]
        said = run_check(tree, check)
        return said is not None, said or f"NOT FOUND by {check}"
    finally:
        for file, text in kept.items():
            write(os.path.join(tree, file), text)


def baseline(tree, chosen):
    """The unchanged tree passes every check that will be used."""
    for check in sorted({m[2] for m in chosen}):
        failed = build(tree, target_of(check))
        if failed is not None:
            sys.exit("the unchanged tree does not compile:\n" + failed[-1500:])
        said = run_check(tree, check)
        if said is not None:
            sys.exit(f"the unchanged tree fails: {said}")


def main():
    names = sys.argv[1:]
    if names == ["--list"]:
        for name, what, check, _ in MUTATIONS:
            print(f"{name:28} {check:36} {what}")
        return
    stale = list(stale_edits(ROOT))
    if stale or names == ["--stale"]:
        for line in stale:
            print(line, file=sys.stderr)
        sys.exit(1 if stale else 0)
    chosen = [m for m in MUTATIONS if not names or m[0] in names]
    if len(chosen) < len(set(names)):
        sys.exit("no such mutation: " + " ".join(sorted(set(names) - {m[0] for m in MUTATIONS})))
    missed = 0
    with tempfile.TemporaryDirectory(prefix="ordinald-mutations-") as tree:
        copy_tree(tree)
        status, out = run(["cmake", "-S", ".", "-B", "build", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                           "-DORDINALD_TESTS=ON", "-DORDINALD_SANITIZE=undefined"], tree)
        if status != 0:
            sys.exit("the tree is not configured:\n" + out[-1500:])
        baseline(tree, chosen)
        for mutation in chosen:
            began = time.monotonic()
            caught, said = try_one(tree, mutation)
            missed += not caught
            print(f"{mutation[0]:28} {said}  [{time.monotonic() - began:.0f} s]", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} mutations were noticed")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
