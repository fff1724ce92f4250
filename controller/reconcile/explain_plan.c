#include "controller/reconcile/explain_plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/* ---- lines ---- */

/* Text of others as one line of whole characters, without full stop. */
static void tidy(char *text)
{
    size_t left = strlen(text), len = 0, step;
    while ((step = utf8_sequence((const uint8_t *)text + len, left)) > 0) {
        if ((unsigned char)text[len] < 0x20 || text[len] == 0x7f)
            text[len] = ' ';
        len += step;
        left -= step;
    }
    text[len] = '\0';
    while (len > 0 && (text[len - 1] == '.' || text[len - 1] == ' '))
        text[--len] = '\0';
}

void explain_say(struct explain *out, const char *format, ...)
{
    if (out->count == EXPLAIN_LINES)
        return;
    struct explain_line *line = &out->line[out->count++];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line->text, sizeof line->text, format, args);
    va_end(args);
    tidy(line->text);
    line->depth = out->depth;
}

void explain_hint(struct explain *out, const char *format, ...)
{
    if (out->hint_count == EXPLAIN_HINTS)
        return;
    char *hint = out->hint[out->hint_count];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(hint, EXPLAIN_TEXT, format, args);
    va_end(args);
    tidy(hint);
    for (size_t i = 0; i < out->hint_count; i++)
        if (strcmp(out->hint[i], hint) == 0)
            return;
    out->hint_count++;
}

static void join(const char *const *texts, size_t count, char *out, size_t size)
{
    size_t len = 0;
    *out = '\0';
    for (size_t i = 0; i < count && len + 2 < size; i++)
        len += (size_t)snprintf(out + len, size - len, "%s%s", i ? ", " : "", texts[i]);
}

/* ---- claims ---- */

static void say_owner(const struct explain_claim *c, struct explain *out)
{
    if (*c->set)
        explain_say(out, "it belongs to %s of StatefulSet %s", c->pod, c->set);
    if (*c->fenced)
        explain_say(out,
                    "a pod that was removed by force (uid %s) may still write to it: it is marked "
                    "fenced until the node of that pod confirms the end",
                    c->fenced);
}

static void claim_terminating(const struct explain_claim *c, struct explain *out)
{
    char finalizers[200];
    explain_say(out, "claim %s is being deleted", c->name);
    out->depth++;
    join(c->finalizers, c->finalizer_count, finalizers, sizeof finalizers);
    if (*c->holder)
        explain_say(out, "%s still uses it: kubernetes.io/pvc-protection keeps it until then",
                    c->holder);
    else if (c->finalizer_count > 0)
        explain_say(out, "its finalizers hold it: %s", finalizers);
    out->depth--;
    if (*c->holder)
        explain_hint(out, "delete pod %s when its data may go: the claim goes with it", c->holder);
}

static void claim_pending(const struct explain_claim *c, struct explain *out)
{
    if (*c->why)
        explain_say(out, "claim %s is Pending: %s", c->name, c->why);
    else if (*c->volume)
        explain_say(out, "claim %s is Pending: it waits for volume %s, which is not there", c->name,
                    c->volume);
    else
        explain_say(out, "claim %s is Pending: the binder has not come to it yet", c->name);
    if (strstr(c->why, "no persistent volumes"))
        explain_hint(out,
                     "make a PersistentVolume that suits claim %s (size, access modes, class), or "
                     "name a StorageClass that makes one",
                     c->name);
    else if (strstr(c->why, "storageclass"))
        explain_hint(out, "make the StorageClass that claim %s names", c->name);
}

/* One line about a claim, and its causes. True when it stands in nobody's way. */
static bool say_claim(const struct explain_claim *c, struct explain *out)
{
    if (!c->exists) {
        explain_say(out, "claim %s does not exist", c->name);
    } else if (c->is_terminating) {
        claim_terminating(c, out);
    } else if (strcmp(c->phase, "Lost") == 0) {
        explain_say(out, "claim %s is Lost: %s", c->name,
                    *c->why ? c->why : "its volume is gone or belongs to another claim");
        explain_hint(out, "restore volume %s, or delete claim %s to have a new, empty one",
                     *c->volume ? c->volume : "(none)", c->name);
    } else if (strcmp(c->phase, "Bound") != 0) {
        claim_pending(c, out);
    } else {
        explain_say(out, "claim %s is Bound to volume %s", c->name, c->volume);
        return true;
    }
    return false;
}

void explain_claim_plan(const struct explain_claim *view, struct explain *out)
{
    out->is_there = say_claim(view, out);
    out->depth++;
    if (!view->exists && *view->set)
        explain_say(out, "it would belong to %s of StatefulSet %s, which makes it with that pod",
                    view->pod, view->set);
    if (view->exists)
        say_owner(view, out);
    if (view->exists && !view->is_terminating && *view->holder)
        explain_say(out, "%s uses it", view->holder);
    out->depth--;
}

/* ---- pods that exist ---- */

static const char *phase_word(enum pod_phase phase)
{
    static const char *const words[] = {[POD_PENDING] = "Pending",
                                        [POD_RUNNING] = "Running",
                                        [POD_SUCCEEDED] = "Succeeded",
                                        [POD_FAILED] = "Failed",
                                        [POD_UNKNOWN] = "Unknown"};
    return words[phase];
}

static bool is_finished(const struct explain_pod *p)
{
    return pod_phase_is_final(p->phase);
}

static void say_node_trouble(const struct explain_pod *p, struct explain *out)
{
    if (p->node_state == EXPLAIN_NODE_GONE) {
        explain_say(out,
                    "its node %s does not exist any more: the pod is removed when the node has "
                    "been gone for the quarantine",
                    p->node);
        return;
    }
    explain_say(out,
                "node %s is silent, so nobody knows whether its containers stopped: the identity "
                "is reserved until the node returns, is removed, or the pod is force-deleted",
                p->node);
    explain_hint(out, "bring node %s back; or, when it is certainly down: ordctl delete node %s",
                 p->node, p->node);
    explain_hint(out,
                 "or give up that copy alone, which fences it: ordctl delete pod %s -n %s "
                 "--grace-period=0 --force",
                 p->name, p->ns);
}

static void say_terminating(const struct explain_pod *p, struct explain *out)
{
    char finalizers[200];
    join(p->finalizers, p->finalizer_count, finalizers, sizeof finalizers);
    bool has_stopped = !*p->node || p->grace_s == 0 || is_finished(p);
    if (!has_stopped && p->node_state != EXPLAIN_NODE_FINE)
        say_node_trouble(p, out);
    else if (!has_stopped)
        explain_say(out, "node %s has up to %lld s to stop its containers and confirm it", p->node,
                    (long long)p->grace_s);
    if (p->finalizer_count > 0) {
        explain_say(out, "its finalizers hold it: %s", finalizers);
        explain_hint(out,
                     "whoever set the finalizers of %s has to take them away; no replacement is "
                     "made before",
                     p->name);
    }
}

static void say_claims(const struct explain_pod *p, struct explain *out)
{
    for (size_t i = 0; i < p->claim_count; i++)
        (void)say_claim(&p->claims[i], out);
}

static void say_unplaced(const struct explain_pod *p, struct explain *out)
{
    if (p->is_gated)
        explain_say(out, "its scheduling gates hold it");
    else if (*p->foreign_scheduler)
        explain_say(out, "scheduler %s, which is not ours, has not placed it",
                    p->foreign_scheduler);
    else if (p->is_scheduler_off)
        explain_say(out, "nobody has placed it: nodes.scheduler is off, so a client has to");
    else if (*p->unschedulable)
        explain_say(out, "no node is found for it: %s", p->unschedulable);
    else
        explain_say(out, "the scheduler has not come to it yet");
    out->depth++;
    say_claims(p, out);
    out->depth--;
    if (!*p->unschedulable || p->claim_count > 0 || p->is_gated)
        return;
    explain_hint(out, "see what nodes offer: ordctl nodes");
}

static void say_container(const struct explain_pod *p, struct explain *out)
{
    const struct explain_container *c = &p->container;
    explain_say(out, "container %s is not ready%s%s%s%s", c->name, *c->reason ? ": " : "",
                c->reason, *c->message ? ": " : "", c->message);
}

static void say_unready(const struct explain_pod *p, struct explain *out)
{
    if (p->node_state != EXPLAIN_NODE_FINE)
        say_node_trouble(p, out);
    else if (*p->container.name)
        say_container(p, out);
    else if (*p->unmet_gate)
        explain_say(out, "its readiness gate %s is not True", p->unmet_gate);
    else if (*p->reason)
        explain_say(out, "its node says: %s", p->reason);
    else if (p->phase == POD_PENDING)
        explain_say(out, "node %s has not started it yet", p->node);
    else
        explain_say(out, "its node has not reported it Ready yet");
    say_claims(p, out);
    if (p->ip_count == 0 && p->phase != POD_PENDING)
        explain_say(out, "it has no address yet");
}

static void say_present(const struct explain_pod *p, struct explain *out)
{
    const char *where = *p->node ? " on node " : "";
    if (p->is_terminating)
        explain_say(out, "Pod %s/%s is being deleted", p->ns, p->name);
    else if (is_finished(p))
        explain_say(out, "Pod %s/%s has ended: %s%s%s", p->ns, p->name, phase_word(p->phase),
                    *p->reason ? ", " : "", p->reason);
    else if (p->phase == POD_RUNNING)
        explain_say(out, "Pod %s/%s is Running%s%s and %sReady", p->ns, p->name, where, p->node,
                    p->is_ready ? "" : "not ");
    else
        explain_say(out, "Pod %s/%s is %s%s%s", p->ns, p->name, phase_word(p->phase), where,
                    p->node);
    out->depth++;
    if (p->is_terminating)
        say_terminating(p, out);
    else if (is_finished(p))
        explain_say(out, "%s",
                    *p->controller ? "its controller replaces it"
                                   : "nobody controls it, so nobody replaces it");
    else if (!*p->node)
        say_unplaced(p, out);
    else if (!p->is_ready || p->phase != POD_RUNNING)
        say_unready(p, out);
    out->depth--;
}

/* ---- pods that do not exist ---- */

#define POD_NAME_MAX 63

static void say_blocker(const struct explain_set *s, struct explain *out)
{
    if (!s->blocker || s->blocker->set) /* the latter: it would come back here */
        return;
    out->depth++;
    if (s->blocker->exists)
        say_present(s->blocker, out);
    else
        say_claims(s->blocker, out);
    if (s->is_stuck) {
        explain_say(out,
                    "%s runs revision %s, and %s is wanted: a pod that never becomes Ready holds "
                    "the update up",
                    s->blocker->name, s->current, s->update);
        explain_hint(out,
                     "delete pod %s by hand, or let the set do such: annotate it "
                     "ordinald.dev/replace-stuck=true",
                     s->blocker->name);
    }
    out->depth--;
}

static void say_error(const struct explain_set *s, struct explain *out)
{
    if (*s->error)
        explain_say(out, "its last step failed: %s", s->error);
}

/* Why an ordinal in range has no pod. */
static void say_hole(const struct explain_pod *p, struct explain *out)
{
    const struct explain_set *s = p->set;
    char pod[300], what[400];
    if (s->wait != SET_WAITS_FOR_NOTHING && s->wait_ordinal != p->ordinal && !s->is_parallel) {
        (void)snprintf(pod, sizeof pod, "%s-%d", s->name, s->wait_ordinal);
        explain_say(out, "%s waits for %s", p->name,
                    set_wait_text(s->wait, pod, what, sizeof what));
        out->depth++;
        say_error(s, out);
        out->depth--;
        say_blocker(s, out);
    } else if (s->wait == SET_WAIT_STALE_CLAIM) {
        explain_say(out, "its old claim, of a pod that is gone, has to be collected first");
    } else if (*s->error) {
        explain_say(out, "it cannot be made: %s", s->error);
    } else {
        explain_say(out, "StatefulSet %s is about to make it", s->name);
    }
    out->depth++;
    say_claims(p, out);
    out->depth--;
}

static void say_range(const struct explain_pod *p, struct explain *out)
{
    const struct explain_set *s = p->set;
    if (s->replicas == 0)
        explain_say(out, "StatefulSet %s has 0 replicas", s->name);
    else
        explain_say(out, "StatefulSet %s has %d replica%s, %s-%d to %s-%lld: %d is not among them",
                    s->name, s->replicas, s->replicas == 1 ? "" : "s", s->name, s->start, s->name,
                    (long long)s->start + s->replicas - 1, p->ordinal);
    if (p->ordinal >= s->start)
        explain_hint(out, "ordctl scale statefulset/%s -n %s --replicas=%lld", s->name, p->ns,
                     (long long)p->ordinal - s->start + 1);
    else
        explain_hint(out, "spec.ordinals.start of StatefulSet %s is %d", s->name, s->start);
}

static void say_identity(const struct explain_pod *p, struct explain *out)
{
    if (!*p->fenced_uid)
        return;
    explain_say(out,
                "the incarnation with uid %s was removed by force and is fenced until node %s "
                "confirms its end%s%s",
                p->fenced_uid, *p->fenced_node ? p->fenced_node : "(unknown)",
                *p->reserved ? "; its addresses are reserved: " : "", p->reserved);
}

static void say_missing(const struct explain_pod *p, struct explain *out)
{
    const struct explain_set *s = p->set;
    explain_say(out, "Pod %s/%s does not exist", p->ns, p->name);
    out->depth++;
    if (s && s->is_terminating)
        explain_say(out, "StatefulSet %s is being deleted and makes no more pods", s->name);
    else if (s && (p->ordinal < s->start || p->ordinal >= (int64_t)s->start + s->replicas))
        say_range(p, out);
    else if (s && p->name_len > POD_NAME_MAX)
        explain_say(out,
                    "its name has %zu characters and may have %d: StatefulSet %s can never make it",
                    p->name_len, POD_NAME_MAX, s->name);
    else if (s)
        say_hole(p, out);
    else if (*p->set_name)
        explain_say(out, "no such StatefulSet %s/%s", p->ns, p->set_name);
    say_identity(p, out);
    out->depth--;
}

void explain_pod_plan(const struct explain_pod *view, struct explain *out)
{
    if (!view->exists) {
        say_missing(view, out);
        return;
    }
    out->is_there = view->phase == POD_RUNNING && view->is_ready && !view->is_terminating;
    say_present(view, out);
    out->depth++;
    if (view->set && !view->is_ours) /* R61 */
        explain_say(out,
                    "StatefulSet %s does not own it (its labels or its owner differ), so %s-%d "
                    "cannot be made while it holds the name",
                    view->set->name, view->set->name, view->ordinal);
    say_identity(view, out);
    out->depth--;
}

/* ---- sets ---- */

static void say_wait(const struct explain_set *s, struct explain *out)
{
    char pod[300], what[400];
    (void)snprintf(pod, sizeof pod, "%s-%d", s->name, s->wait_ordinal);
    if (s->wait != SET_WAITS_FOR_NOTHING)
        explain_say(out, "it waits for %s", set_wait_text(s->wait, pod, what, sizeof what));
    out->depth++;
    say_error(s, out);
    out->depth--;
    say_blocker(s, out);
}

void explain_set_plan(const struct explain_set *view, struct explain *out)
{
    if (!view->exists) {
        explain_say(out, "no such StatefulSet %s/%s", view->ns, view->name);
        return;
    }
    bool is_updated = strcmp(view->current, view->update) == 0 || view->updated == view->replicas;
    out->is_there = !view->is_terminating && view->ready == view->replicas &&
                    view->wait == SET_WAITS_FOR_NOTHING && (is_updated || view->on_delete);
    explain_say(out, "StatefulSet %s/%s has %d of %d pods Ready", view->ns, view->name, view->ready,
                view->replicas);
    out->depth++;
    if (view->is_terminating)
        explain_say(out, "it is being deleted and takes no more action");
    else
        say_wait(view, out);
    if (!is_updated && !view->is_terminating)
        explain_say(
            out, "%d of %d pods are of revision %s%s", view->updated, view->replicas, view->update,
            view->on_delete ? "; with OnDelete the others change when they are deleted" : "");
    if (*view->service && !view->has_service) {
        explain_say(out, "its Service %s/%s does not exist, so its pods have no names", view->ns,
                    view->service);
        explain_hint(out, "make a headless Service %s that selects the pods", view->service);
    }
    out->depth--;
}

/* ---- namespaces ---- */

void explain_namespace_plan(const struct explain_namespace *view, struct explain *out)
{
    if (!view->exists) {
        explain_say(out, "no such namespace %s", view->name);
        return;
    }
    out->is_there = !view->is_terminating;
    if (!view->is_terminating) {
        explain_say(out, "namespace %s is there; the name has no records of its own", view->name);
        return;
    }
    explain_say(out, "namespace %s is being deleted", view->name);
    out->depth++;
    for (size_t i = 0; i < view->fence_count; i++) {
        const struct explain_fence *fence = &view->fences[i];
        explain_say(out,
                    "pod %s was removed by force and may still run on node %s: its fence stays",
                    fence->pod, fence->node);
        explain_hint(out,
                     "let the agent of node %s confirm the end, or delete Node %s when it will not "
                     "return",
                     fence->node, fence->node);
    }
    if (view->more_fences > 0)
        explain_say(out, "%zu more fences stay", view->more_fences);
    if (*view->finalizers)
        explain_say(out, "%s", view->finalizers);
    if (*view->content)
        explain_say(out, "%s", view->content);
    out->depth--;
}

/* ---- names ---- */

/* True when there is such a Service; says so when not. */
static bool say_service_exists(const struct explain_service *s, struct explain *out)
{
    if (!s->has_namespace)
        explain_say(out, "no such namespace %s", s->ns);
    else if (!s->exists)
        explain_say(out, "no such Service %s/%s", s->ns, s->name);
    return s->has_namespace && s->exists;
}

/* Why a Service publishes nobody. */
static void say_nobody(const struct explain_service *s, struct explain *out)
{
    if (s->listed == 1)
        explain_say(out, "the only endpoint of Service %s/%s is not Ready", s->ns, s->name);
    else if (s->listed > 0)
        explain_say(out, "none of the %zu endpoints of Service %s/%s is Ready", s->listed, s->ns,
                    s->name);
    else if (!s->has_selector)
        explain_say(out, "Service %s/%s has no selector, and no EndpointSlice names an endpoint",
                    s->ns, s->name);
    else if (s->selected == 0)
        explain_say(out, "no pod has the labels that Service %s/%s selects", s->ns, s->name);
    else
        explain_say(out,
                    "%zu pod%s the labels that Service %s/%s selects, but no endpoint: an address "
                    "is missing, or the pod has ended",
                    s->selected, s->selected == 1 ? " has" : "s have", s->ns, s->name);
}

void explain_service_plan(const struct explain_service *view, struct explain *out)
{
    if (!say_service_exists(view, out))
        return;
    if (view->is_external) {
        out->is_there = true;
        explain_say(out, "Service %s/%s is another name for %s", view->ns, view->name,
                    view->target);
        return;
    }
    if (!view->is_headless) {
        out->is_there = true;
        explain_say(out, "Service %s/%s has the address %s", view->ns, view->name,
                    view->cluster_ips);
    } else if (view->published > 0) {
        out->is_there = true;
        explain_say(out, "Service %s/%s publishes %zu of its %zu endpoints", view->ns, view->name,
                    view->published, view->listed);
    } else {
        say_nobody(view, out);
        return;
    }
    out->depth++;
    if (view->published == 0)
        say_nobody(view, out);
    out->depth--;
}

static void say_not_endpoint(const struct explain_host *h, struct explain *out)
{
    const struct explain_service *s = h->service;
    if (!s->has_selector)
        explain_say(out,
                    "Service %s/%s has no selector: its EndpointSlices are made by hand, and "
                    "none names %s",
                    s->ns, s->name, h->host);
    else if (!h->is_selected)
        explain_say(out, "Service %s/%s does not select it: label %s is %s, and %s is wanted",
                    s->ns, s->name, h->label, *h->found ? h->found : "not there", h->wanted);
    else if (!*h->hostname)
        explain_say(out, "its spec.hostname is empty, so it has an address name only");
    else if (strcmp(h->subdomain, s->name) != 0)
        explain_say(out,
                    "its spec.subdomain is \"%s\" and not \"%s\", so its name is not below "
                    "this Service",
                    h->subdomain, s->name);
    else if (strcmp(h->hostname, h->host) != 0)
        explain_say(out, "its spec.hostname is \"%s\"", h->hostname);
    else if (h->pod->ip_count == 0)
        explain_say(out, "it has no address yet");
}

void explain_host_plan(const struct explain_host *view, struct explain *out)
{
    const struct explain_service *s = view->service;
    const struct explain_pod *p = view->pod;
    if (!say_service_exists(s, out))
        return;
    if (view->is_published && !view->is_asked_epoch) {
        out->is_there = true;
        explain_say(out, "Service %s/%s publishes %s", s->ns, s->name, view->host);
        return;
    }
    if (view->is_published && p->exists && p->epoch > 0) {
        out->is_there = true;
        explain_say(out, "Pod %s/%s is incarnation %llu of its identity", p->ns, p->name,
                    (unsigned long long)p->epoch);
        return;
    }
    explain_say(out,
                view->is_published ? "Service %s/%s publishes %s, but it has no epoch: no "
                                     "StatefulSet controls it"
                : view->is_listed  ? "Service %s/%s lists %s, but does not publish it: it is not "
                                     "Ready"
                                   : "Service %s/%s has no endpoint %s",
                s->ns, s->name, view->host);
    out->depth++;
    if (s->is_external)
        explain_say(out, "it is of type ExternalName and has no names below it");
    else if (p->exists && !view->is_listed)
        say_not_endpoint(view, out);
    if (p->exists || p->set || *p->set_name) {
        bool was_there = out->is_there;
        explain_pod_plan(p, out);
        out->is_there = was_there;
    }
    out->depth--;
    if (view->is_listed && !view->is_published && out->hint_count == 0)
        explain_hint(out,
                     "to publish pods before they are Ready: annotate Service %s "
                     "ordinald.dev/publish-identity=always, or set publishNotReadyAddresses",
                     s->name);
}

void explain_port_plan(const struct explain_port *view, struct explain *out)
{
    const struct explain_service *s = view->service;
    if (!say_service_exists(s, out))
        return;
    if (!view->is_known) {
        explain_say(out, "Service %s/%s has no port named %s with protocol %s", s->ns, s->name,
                    view->port, view->protocol);
        out->depth++;
        explain_say(out, "%s%s",
                    *view->known ? "its named ports: " : "none of its ports has a name",
                    view->known);
        out->depth--;
        return;
    }
    out->is_there = s->published > 0 || !s->is_headless;
    explain_say(out, "Service %s/%s has port %s with protocol %s", s->ns, s->name, view->port,
                view->protocol);
    out->depth++;
    if (!out->is_there)
        say_nobody(s, out);
    out->depth--;
}

void explain_address_plan(const struct explain_address *view, struct explain *out)
{
    if (!view->is_in_zone) {
        explain_say(out, "%s is in no range that is served here (zone.reverse)", view->address);
        return;
    }
    if (*view->service) {
        explain_say(out, "%s is the address of Service %s", view->address, view->service);
    } else if (*view->pod) {
        explain_say(out, "%s is the address of Pod %s, which is %sReady", view->address, view->pod,
                    view->pod_is_ready ? "" : "not ");
        out->depth++;
        explain_say(out, "an address has a name while a Service publishes the pod that has it");
        out->depth--;
    } else {
        explain_say(out, "nobody has the address %s", view->address);
        out->depth++;
        if (*view->reserved)
            explain_say(out, "it is reserved for identity %s, whose last pod was removed by force",
                        view->reserved);
        out->depth--;
    }
}

/* ---- short form ---- */

/* Lines first to last, or only these two, into out; false when they are too long. */
static bool join_chain(const struct explain *view, size_t first, size_t last, bool is_whole,
                       char *out, size_t size)
{
    size_t len = 0;
    for (size_t i = first; i <= last; i++) {
        if (!is_whole && i != first && i != last)
            continue;
        int n = snprintf(out + len, size - len, "%s%s", len > 0 ? ": " : "", view->line[i].text);
        if (n < 0 || (size_t)n >= size - len)
            return false;
        len += (size_t)n;
    }
    return true;
}

void explain_brief(const struct explain *view, size_t first, char *out, size_t size)
{
    size_t last = first;
    *out = '\0';
    if (first >= view->count)
        return;
    while (last + 1 < view->count && view->line[last + 1].depth > view->line[last].depth)
        last++;
    if (join_chain(view, first, last, true, out, size) ||
        join_chain(view, first, last, false, out, size) ||
        join_chain(view, last, last, true, out, size))
        return;
    const char *text = view->line[last].text;
    size_t len = utf8_cut(text, size - 1), word = len;
    while (word > size / 2 && text[word] != ' ')
        word--;
    len = word > size / 2 ? word : len;
    while (len > 0 && strchr(" ,:;", text[len - 1]))
        len--;
    memcpy(out, text, len);
    out[len] = '\0';
}
