/* What happens to nodes, and what may be concluded from their silence. */
#include "tests/scenario/sim.h"

#define BEAT (10 * SECOND) /* between two heartbeats of a node */

const char *sim_node_name(unsigned node)
{
    static const char *const names[SIM_NODES + 1] = {"node1", "node2", "node3", "node4", ""};
    return names[node < SIM_NODES ? node : SIM_NODES];
}

unsigned sim_node_index(const char *name)
{
    unsigned i = 0;
    while (i < SIM_NODES && strcmp(name, sim_node_name(i)) != 0)
        i++;
    return i;
}

bool sim_node_answers(const struct sim *s, unsigned node)
{
    return node >= SIM_NODES || (!s->nodes[node].is_silent && !s->nodes[node].holds);
}

void sim_node_silence(struct sim *s, unsigned node, bool is_silent)
{
    world_settle(&s->w); /* what the node has said by now has been heard */
    if (is_silent && !s->nodes[node].is_silent)
        s->nodes[node].silent_us = clock_mono_us();
    s->nodes[node].is_silent = is_silent;
    reconcile_node_silence(s->w.reconcile, sim_node_name(node), is_silent);
    if (sim_node_answers(s, node))
        sim_node_spoke(s, node);
}

void sim_node_hold(struct sim *s, unsigned node, bool holds)
{
    world_settle(&s->w);
    s->nodes[node].holds = holds;
    reconcile_node_ignore_deletion(s->w.reconcile, sim_node_name(node), holds);
    if (sim_node_answers(s, node))
        sim_node_spoke(s, node);
}

/* ---- actions ---- */

void sim_do_silence(struct sim *s)
{
    unsigned n = (unsigned)sim_below(s, SIM_NODES);
    bool is_silent = !s->nodes[n].is_silent;
    sim_did(s, "node%u %s", n + 1, is_silent ? "falls silent" : "is back");
    sim_node_silence(s, n, is_silent);
}

/* We are cut off, or the cut is over. */
void sim_do_mass(struct sim *s)
{
    bool is_silent = sim_one_in(s, 2);
    unsigned spared = (unsigned)sim_below(s, SIM_NODES + 1);
    sim_did(s, "all but node%u %s", spared + 1, is_silent ? "fall silent" : "are back");
    for (unsigned i = 0; i < SIM_NODES; i++)
        if (i != spared)
            sim_node_silence(s, i, is_silent);
    if (sim_one_in(s, 2))
        world_advance(&s->w, 100 * SECOND);
}

void sim_do_hold(struct sim *s)
{
    unsigned n = (unsigned)sim_below(s, SIM_NODES);
    bool holds = !s->nodes[n].holds;
    sim_did(s, "node%u %s", n + 1, holds ? "ignores deletions" : "obeys");
    sim_node_hold(s, n, holds);
}

void sim_do_cordon(struct sim *s)
{
    unsigned n = (unsigned)sim_below(s, SIM_NODES);
    const struct verb_key key = {KIND_NODE, "", sim_node_name(n)};
    bool is_on = sim_one_in(s, 2);
    sim_did(s, "%s %s", is_on ? "cordon" : "uncordon", sim_node_name(n));
    sim_patch(s, &key, SUB_NONE, "{'spec':{'unschedulable':%s}}", is_on ? "true" : "null");
}

/* Cordon, then evict what runs there. */
void sim_do_drain(struct sim *s)
{
    unsigned n = (unsigned)sim_below(s, SIM_NODES);
    const struct verb_key key = {KIND_NODE, "", sim_node_name(n)};
    struct pod_name pods[32];
    size_t count = 0;
    sim_did(s, "drain %s", sim_node_name(n));
    sim_patch(s, &key, SUB_NONE, "{'spec':{'unschedulable':true}}");
    struct store_view view = store_head(s->w.store);
    char term[INDEX_TERM_MAX];
    struct index_cursor cur;
    index_node(term, sim_node_name(n));
    for (index_seek(&cur, &view, KIND_POD, term); cur.object && count < ARRAY_SIZE(pods);
         index_next(&cur), count++) {
        pods[count].ns = strcmp(cur.object->ns, SIM_EXTRA) == 0 ? SIM_EXTRA : "default";
        (void)snprintf(pods[count].name, NAME_SIZE, "%s", cur.object->name);
    }
    for (size_t i = 0; i < count; i++)
        sim_evict(s, pods[i].ns, pods[i].name);
}

/* R43 c: somebody who knows says that a silent node is dead. Ours is: what ran there has ended. */
void sim_do_out_of_service(struct sim *s)
{
    unsigned n = (unsigned)sim_below(s, SIM_NODES);
    const struct verb_key key = {KIND_NODE, "", sim_node_name(n)};
    const struct object *node = sim_find(s, KIND_NODE, "", key.name);
    if (!node)
        return;
    bool is_out = node_view(node)->out_of_service;
    if (!is_out && (!s->nodes[n].is_silent || node_view(node)->has_noexec == false))
        return;
    sim_did(s, "%s is %s", key.name, is_out ? "in service" : "out of service");
    sim_patch(s, &key, SUB_NONE, "{'spec':{'taints':%s}}",
              is_out ? "null"
                     : "[{'key':'node.kubernetes.io/out-of-service','value':'nodeshutdown',"
                       "'effect':'NoExecute'}]");
}

void sim_do_remove_node(struct sim *s)
{
    const struct delete_opts opts = {0};
    unsigned n = (unsigned)sim_below(s, SIM_NODES);
    if (!s->nodes[n].is_silent || !sim_find(s, KIND_NODE, "", sim_node_name(n)))
        return;
    sim_did(s, "remove %s", sim_node_name(n));
    sim_delete(s, KIND_NODE, "", sim_node_name(n), &opts);
}

/* ---- what silence means (R44) ---- */

/* How long the node cannot have been heard, as far as anybody may count: its last word may be
 * early_us older than its silence. */
static int64_t silence_us(const struct sim *s, unsigned node, int64_t early_us)
{
    if (node >= SIM_NODES || !s->nodes[node].is_silent)
        return 0;
    int64_t since_us = s->nodes[node].silent_us - early_us;
    return clock_mono_us() - (since_us > s->heard_us ? since_us : s->heard_us);
}

static bool is_given_up(const struct object *node)
{
    return strcmp(node_view(node)->ready_status, "Unknown") == 0;
}

void sim_check_node(struct sim *s, const struct store_view *view, const struct store_change *c)
{
    if (!c->before || !c->after || is_given_up(c->before) || !is_given_up(c->after))
        return;
    if (silence_us(s, sim_node_index(c->after->name), BEAT) < SIM_GRACE)
        sim_broken(s, "%s is given up, and has not been silent for %lld s (R44)", c->after->key,
                   (long long)(SIM_GRACE / SECOND));
    unsigned counted = 1, silent = 1; /* this one, which is given up in the view already */
    struct view_cursor cur;
    for (view_seek(&cur, view, KIND_NODE, NULL, NULL); cur.object; view_next(&cur)) {
        if (cur.object == c->after || is_given_up(cur.object))
            continue;
        counted++;
        silent += silence_us(s, sim_node_index(cur.object->name), 0) >= SIM_GRACE;
    }
    if (silent >= 2 && silent * 2 > counted)
        sim_broken(s, "%s is given up while %u of %u nodes are silent together (R44)",
                   c->after->key, silent, counted);
}
