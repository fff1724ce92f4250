/* The simulator: the whole control plane in one process on a fake clock, a seeded random schedule
 * of what users, nodes, disks and time do, and what must hold after every commit (DESIGN section
 * 6).
 *
 * simulator.c  the schedule        sim_check.c   the invariants, from hooks on stage and apply
 * sim_dns.c    names, recomputed from the objects        sim_mutant.c  planted bugs */
#pragma once

#include "controller/reconcile/keymap.h"
#include "tests/scenario/world.h"

#define SIM_NODES 4

/* What really runs, as the simulator sees it: a node that is silent or holds goes on running what
 * it was told to run, whatever the store says. */
struct incarnation {
    char name[64], uid[UUID_TEXT_SIZE]; /* pod of namespace default */
    unsigned node;                      /* index */
    bool is_freed; /* its name was given away without the node's word, as asked */
    char ips[2][48];
    size_t ip_count;
};

struct sim_node {
    bool is_silent, holds;
};

struct sim {
    struct world w;
    uint64_t seed, rng;
    unsigned step, steps;
    const char *mutant; /* NULL: none */
    bool is_verbose;
    struct sim_node nodes[SIM_NODES];
    struct keymap failing; /* pods whose readiness fails */

    struct incarnation *running;
    size_t running_count, running_cap;
    struct keymap asked;  /* uid -> &sim: a user asked for its deletion */
    struct keymap forced; /* uid -> &sim: a user forced it out */
    struct keymap epochs; /* pod name -> (uintptr_t) last epoch */

    unsigned faults_left; /* commits that may still go wrong */
    bool had_fault;
    uint64_t commits, faults, crashes, checks;
    uint64_t counts[32]; /* actions taken */
};

/* The schedule's own chance: the program under test draws from base/random. */
uint64_t sim_below(struct sim *s, uint64_t bound);
bool sim_one_in(struct sim *s, uint64_t n);

/* Prints what is broken, with seed and step, and ends the process: 1, or 0 with a mutant planted.
 */
_Noreturn void sim_broken(struct sim *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Index of "node1".., or SIM_NODES. */
unsigned sim_node_index(const char *name);
/* The node stops what it is told to stop, and says so. */
bool sim_node_answers(const struct sim *s, unsigned node);

/* Hooks on the store of now; again after every crash. */
void sim_check_hook(struct sim *s);
/* After a crash: the disk may hold a commit that nobody was told of. */
void sim_check_reloaded(struct sim *s);
/* The node speaks again: what was freed there has ended. */
void sim_node_spoke(struct sim *s, unsigned node);
/* When everything is at rest: slices and claims against pods. */
void sim_check_rest(struct sim *s);
/* Every name against the objects (kubernetes-dns.md section 1, read plainly). */
void sim_check_dns(struct sim *s);
/* After everything was healed and time has passed. */
void sim_check_alive(struct sim *s);

bool sim_is_mutant(const char *name);
void sim_mutate(struct sim *s);
