/* The simulator: the whole control plane in one process on a fake clock, a seeded random schedule
 * of what users, nodes, disks and time do, and what must hold after every commit (DESIGN section
 * 6).
 *
 * simulator.c     arguments, the schedule           sim_life.c      start, faults, crash, healing
 * sim_verbs.c     writes of users, their replies    sim_sets.c sim_pods.c sim_storage.c
 * sim_check.c     who may make and end what         sim_services.c sim_nodes.c   actions
 * sim_runs.c      what really runs on the nodes     sim_ledger.c    nothing acknowledged is lost
 * sim_rest.c      when all is at rest: slices, status, identities, recomputed from the objects
 * sim_dns.c       names, recomputed                 sim_watch.c     model watchers, paged lists
 * sim_api.c       clients of the API: collections, selectors, pages, ConfigMaps
 * sim_mutant.c    planted bugs                      docs/simulator.md says how to use it */
#pragma once

#include "controller/reconcile/keymap.h"
#include "tests/scenario/world.h"

#define SIM_NODES  4
#define SIM_GRACE  (50 * SECOND)
#define SIM_EXTRA  "extra" /* the namespace that comes and goes */
#define NAME_SIZE  64
#define PATH_TEXT  160
#define CLAIM_NAME "data"
#define HOLD       "example.com/hold" /* the finalizer of users */

/* What really runs, as the simulator sees it: a node that is silent or holds goes on running what
 * it was told to run, whatever the store says. */
struct incarnation {
    char path[PATH_TEXT]; /* "ns/name" of the pod */
    char uid[UUID_TEXT_SIZE];
    unsigned node; /* index */
    bool is_freed; /* its name was given away without the node's word, as asked */
    char ips[2][48];
    size_t ip_count;
};

struct sim_node {
    bool is_silent, holds;
    int64_t silent_us; /* monotonic: since when it is */
};

struct sim_watch;
struct sim_list;
struct sim_ledger;
struct sim_api;

struct sim {
    struct world w;
    uint64_t seed, rng;
    unsigned step, steps;
    const char *mutant; /* NULL: none */
    bool is_verbose, is_dual_stack;
    struct sim_node nodes[SIM_NODES];
    int64_t heard_us;      /* monotonic: silence before the last start or gap counts for nothing */
    struct keymap failing; /* "ns/pod" whose readiness fails */

    struct incarnation *running;
    size_t running_count, running_cap;
    struct keymap asked;  /* uid -> &sim: a user asked for its deletion */
    struct keymap forced; /* uid -> &sim: a user forced it out */
    struct keymap lost;   /* volumes that a user tore away from their claims */
    struct keymap epochs; /* "ns/pod" -> (uintptr_t) last epoch */

    struct sim_ledger *ledger;
    struct sim_watch *watches;
    struct sim_list *list;
    struct sim_api *api;

    bool is_asking;       /* what is staged now, a user wrote */
    bool is_releasing;    /* and takes the finalizer of a pod away */
    bool is_late_due;     /* the next commit completes late */
    unsigned faults_left; /* commits that may still go wrong */
    bool had_fault;
    uint64_t commits, faults, crashes, checks, events, refused;
};

/* The schedule's own chance: the program under test draws from base/random. */
uint64_t sim_below(struct sim *s, uint64_t bound);
bool sim_one_in(struct sim *s, uint64_t n);

/* One line of the history that a failure prints. */
void sim_did(struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The step, or its part, may take its whole time again: what takes longer is reported as broken. */
void sim_go_on(void);
/* Prints what is broken, with seed and step, and ends the process: 1, or 0 with a mutant planted.
 */
_Noreturn void sim_broken(struct sim *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- sim_life.c ---- */

void sim_start(struct sim *s);
void sim_stop(struct sim *s);
void sim_do_crash(struct sim *s);
void sim_do_faults(struct sim *s);
void sim_do_time(struct sim *s);
void sim_do_gap(struct sim *s);
/* Everything is healed; then all sets reach what they want. */
void sim_heal(struct sim *s);

/* ---- writes of users (sim_verbs.c) ---- */

/* A set of the cast, and the namespace it lives in. */
struct cast {
    const char *ns, *name, *policy, *when_deleted, *when_scaled, *class;
};
extern const struct cast sim_cast[];
extern const size_t sim_cast_count;
const struct cast *sim_any_set(struct sim *s);
const char *sim_any_namespace(struct sim *s);

struct pod_name {
    const char *ns;
    char name[NAME_SIZE];
};
/* Of a set's ordinal, or sometimes of any pod there is; the pod need not exist. */
void sim_any_pod(struct sim *s, struct pod_name *out);

/* In the head. */
const struct object *sim_find(const struct sim *s, enum kind_id kind, const char *ns,
                              const char *name);
/* Creates the manifest, or merges it into the present object. Quotes are written as '. */
void sim_apply(struct sim *s, const char *ns, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Merges the patch into the object, through that door; nothing when it is absent. */
void sim_patch(struct sim *s, const struct verb_key *key, enum subresource sub, const char *format,
               ...) __attribute__((format(printf, 4, 5)));
int sim_update(struct sim *s, const struct verb_key *key, enum subresource sub,
               verb_change_fn *change, void *arg);
void sim_delete(struct sim *s, enum kind_id kind, const char *ns, const char *name,
                const struct delete_opts *opts);
void sim_evict(struct sim *s, const char *ns, const char *name);
/* Stages or drops what a verb built. uid: whose end was asked for, NULL nobody's. */
int sim_stage(struct sim *s, struct verb *v, int rc, const char *uid, bool is_forced);
/* After a crash: nobody tells what became of them. */
void sim_forget_replies(void);

/* Actions that only write. */
void sim_do_stale(struct sim *s);
void sim_do_late_delete(struct sim *s);
void sim_do_dry_run(struct sim *s);

/* ---- actions ---- */

void sim_do_set(struct sim *s);
void sim_do_scale(struct sim *s);
void sim_do_shift(struct sim *s);
void sim_do_template(struct sim *s);
void sim_do_obstruct(struct sim *s);
void sim_do_wide_update(struct sim *s);
void sim_do_shared(struct sim *s);
void sim_do_strategy(struct sim *s);
void sim_do_retention(struct sim *s);
void sim_do_min_ready(struct sim *s);
void sim_do_delete_set(struct sim *s);
void sim_do_replicaset(struct sim *s);
void sim_do_namespace(struct sim *s);
void sim_put_namespace(struct sim *s);

void sim_do_delete_pod(struct sim *s);
void sim_do_force_pod(struct sim *s);
void sim_do_evict(struct sim *s);
void sim_do_relabel(struct sim *s);
void sim_do_finalizer(struct sim *s);
void sim_do_bare_pod(struct sim *s);
void sim_do_readiness(struct sim *s);
void sim_do_address(struct sim *s);
void sim_do_fail_pod(struct sim *s);
void sim_do_ghost(struct sim *s);

void sim_do_delete_claim(struct sim *s);
void sim_do_volume(struct sim *s);
void sim_do_expand(struct sim *s);
void sim_put_classes(struct sim *s);
void sim_put_volume(struct sim *s, const char *name);

void sim_put_service(struct sim *s, const struct cast *c);
void sim_do_service(struct sim *s);
void sim_do_front(struct sim *s);
void sim_do_alias(struct sim *s);
void sim_do_hand(struct sim *s);
void sim_do_overtake(struct sim *s);

void sim_do_silence(struct sim *s);
void sim_do_mass(struct sim *s);
void sim_do_hold(struct sim *s);
void sim_do_cordon(struct sim *s);
void sim_do_drain(struct sim *s);
void sim_do_out_of_service(struct sim *s);
void sim_do_remove_node(struct sim *s);

/* ---- nodes (sim_nodes.c) ---- */

const char *sim_node_name(unsigned node);
/* Index of "node1".., or SIM_NODES. */
unsigned sim_node_index(const char *name);
/* The node stops what it is told to stop, and says so. */
bool sim_node_answers(const struct sim *s, unsigned node);
void sim_node_silence(struct sim *s, unsigned node, bool is_silent);
void sim_node_hold(struct sim *s, unsigned node, bool holds);
/* The Node's Ready condition became Unknown: was that right (R44)? */
void sim_check_node(struct sim *s, const struct store_view *view, const struct store_change *c);

/* ---- invariants ---- */

/* Sets and their pods, in a view. */
struct member {
    const struct object *set;
    int ordinal;
};
/* The set that controls the pod, in the view, and the pod's ordinal. */
bool sim_member_of(const struct store_view *view, const struct object *pod, struct member *out);
bool sim_is_over(const struct object *pod);
/* On stderr: the object and what depends on it, for the person who reads the failure. */
void sim_show(const struct store_view *view, const struct object *owner);
/* The object's namespace is going. */
bool sim_is_namespace_going(const struct store_view *view, const char *ns);

/* Hooks on the store of now; again after every crash, before anything is staged on it. */
void sim_check_hook(struct sim *s);
void sim_ledger_hook(struct sim *s);
/* A commit begins and will end so. */
void sim_ledger_commit(struct sim *s, enum store_mem_fault fault);
/* After a crash, on the store that was opened again: all that was acknowledged, and of what was
 * under way all or nothing. */
void sim_ledger_reloaded(struct sim *s);
/* Something is staged above the commit under way, or above the applied state. */
bool sim_ledger_is_ahead(const struct sim *s);
/* A commit has begun and not ended. */
bool sim_ledger_is_flying(const struct sim *s);
void sim_ledger_free(struct sim *s);

/* What runs (R41-R44): from the apply hook, after a crash, and when a node speaks again. */
void sim_runs_apply(struct sim *s, const struct store_batch *batch);
void sim_runs_reloaded(struct sim *s);
/* Its containers run, or may. */
bool sim_runs(struct sim *s, const char *uid);
/* Its containers have ended, and its node says so. */
void sim_runs_ended(struct sim *s, const char *uid);
void sim_node_spoke(struct sim *s, unsigned node);

/* When everything is at rest. */
void sim_check_rest(struct sim *s);
/* Every name against the objects (kubernetes-dns.md section 1, read plainly). */
void sim_check_dns(struct sim *s);
/* After everything was healed and time has passed. */
void sim_check_alive(struct sim *s);

/* ---- clients that follow (sim_watch.c) ---- */

void sim_do_watch(struct sim *s);
void sim_do_list(struct sim *s);
/* Opens them on the store of now. Before a crash: what they knew is too old. */
void sim_watch_start(struct sim *s);
void sim_watch_crash(struct sim *s);
/* All catch up and must know what the store holds. */
void sim_watch_check(struct sim *s);
void sim_watch_free(struct sim *s);

/* ---- clients of the API (sim_api.c) ---- */

void sim_do_map(struct sim *s);
void sim_do_collection(struct sim *s);
void sim_do_pages(struct sim *s);
/* Those who watch by selector know what is selected. */
void sim_api_check(struct sim *s);
/* Over the registry of now; before a crash or the end all connections break. */
void sim_api_start(struct sim *s);
void sim_api_stop(struct sim *s);
void sim_api_free(struct sim *s);

bool sim_is_mutant(const char *name);
void sim_mutate(struct sim *s);
