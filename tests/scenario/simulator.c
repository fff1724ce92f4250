/* simulator --seed N --steps N [--patience SECONDS] [--mutant NAME] [--verbose]
 *
 * Exit 0: everything held (with a mutant: it was found). 1: something broke, and the line that says
 * what tells the seed and the step too; the same seed and number of steps replay it exactly. */
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/log.h"
#include "tests/scenario/sim.h"

#define HISTORY 64
/* Of processor time, for one step: the longest takes a tenth of a second, under ASan one. */
#define PATIENCE 60

static char history[HISTORY][200];
static uint64_t history_count;

void sim_did(struct sim *s, const char *format, ...)
{
    char *line = history[history_count++ % HISTORY];
    int n = snprintf(line, sizeof history[0], "%u ", s->step);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line + n, sizeof history[0] - (size_t)n, format, args);
    va_end(args);
    if (s->is_verbose)
        (void)printf("%s\n", line);
}

uint64_t sim_below(struct sim *s, uint64_t bound)
{
    uint64_t z = (s->rng += 0x9e3779b97f4a7c15ULL); /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return (z ^ (z >> 31)) % bound;
}

bool sim_one_in(struct sim *s, uint64_t n)
{
    return sim_below(s, n) == 0;
}

_Noreturn void sim_broken(struct sim *s, const char *format, ...)
{
    va_list args;
    (void)fflush(stdout);
    for (uint64_t i = history_count > HISTORY ? history_count - HISTORY : 0;
         i < history_count && !s->mutant; i++)
        (void)fprintf(stderr, "  %s\n", history[i % HISTORY]);
    (void)fprintf(stderr, "%s seed=%llu steps=%u step=%u: ", s->mutant ? s->mutant : "BROKEN",
                  (unsigned long long)s->seed, s->steps, s->step);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    if (!s->mutant)
        (void)fprintf(stderr, "replays: simulator --seed %llu --steps %u\n",
                      (unsigned long long)s->seed, s->steps);
    (void)fflush(stderr);
    _exit(s->mutant ? 0 : 1); /* the state is what it is: nothing is taken down */
}

/* ---- steps that do not end, assertions that fail ---- */

static struct sim *running;
static unsigned patience = PATIENCE; /* seconds for a step */

static void put(const char *text)
{
    (void)!write(STDERR_FILENO, text, strlen(text));
}

static void put_number(uint64_t number)
{
    char text[24];
    size_t at = sizeof text - 1;
    text[at] = '\0';
    do
        text[--at] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    put(text + at);
}

/* On SIGVTALRM and SIGABRT: what sim_broken says, with nothing that a signal may not use. */
static void on_signal(int number)
{
    uint64_t from = history_count > HISTORY ? history_count - HISTORY : 0;
    for (uint64_t i = from; i < history_count; i++) {
        put("  ");
        put(history[i % HISTORY]);
        put("\n");
    }
    put("BROKEN seed=");
    put_number(running->seed);
    put(" steps=");
    put_number(running->steps);
    put(" step=");
    put_number(running->step);
    put(number == SIGABRT ? ": the program gave up" : ": the step does not end");
    put("\nreplays: simulator --seed ");
    put_number(running->seed);
    put(" --steps ");
    put_number(running->steps);
    put("\n");
    _exit(1);
}

void sim_go_on(void)
{
    const struct itimerval limit = {.it_value = {.tv_sec = patience}};
    CHECK(setitimer(ITIMER_VIRTUAL, &limit, NULL) == 0);
}

static void guard(struct sim *s)
{
    const struct sigaction action = {.sa_handler = on_signal};
    running = s;
    CHECK(sigaction(SIGVTALRM, &action, NULL) == 0 && sigaction(SIGABRT, &action, NULL) == 0);
}

/* ---- the schedule ---- */

static const struct {
    const char *name;
    void (*run)(struct sim *s);
    unsigned weight;
} actions[] = {
    {"create a set", sim_do_set, 16},
    {"scale", sim_do_scale, 16},
    {"move ordinals.start", sim_do_shift, 3},
    {"change a template", sim_do_template, 8},
    {"obstruct a set", sim_do_obstruct, 3},
    {"update many at once", sim_do_wide_update, 4},
    {"ConfigMap of sets", sim_do_shared, 2},
    {"change a strategy", sim_do_strategy, 4},
    {"change retention", sim_do_retention, 2},
    {"change minReadySeconds", sim_do_min_ready, 2},
    {"delete a set", sim_do_delete_set, 3},
    {"ReplicaSet", sim_do_replicaset, 4},
    {"namespace", sim_do_namespace, 1},
    {"delete a pod", sim_do_delete_pod, 10},
    {"force a pod", sim_do_force_pod, 6},
    {"evict a pod", sim_do_evict, 2},
    {"edit labels", sim_do_relabel, 4},
    {"finalizer", sim_do_finalizer, 3},
    {"bare pod", sim_do_bare_pod, 4},
    {"ConfigMap", sim_do_map, 6},
    {"delete a collection", sim_do_collection, 2},
    {"list by selector", sim_do_pages, 3},
    {"readiness", sim_do_readiness, 6},
    {"address in place", sim_do_address, 4},
    {"pod fails", sim_do_fail_pod, 2},
    {"ghost reports", sim_do_ghost, 8},
    {"delete a claim", sim_do_delete_claim, 4},
    {"volume", sim_do_volume, 5},
    {"expand a claim", sim_do_expand, 2},
    {"Service", sim_do_service, 5},
    {"front Service", sim_do_front, 3},
    {"ExternalName", sim_do_alias, 2},
    {"hand-made slice", sim_do_hand, 2},
    {"overtaken write", sim_do_overtake, 3},
    {"silence", sim_do_silence, 6},
    {"mass silence", sim_do_mass, 1},
    {"hold deletions", sim_do_hold, 5},
    {"cordon", sim_do_cordon, 2},
    {"drain", sim_do_drain, 1},
    {"out of service", sim_do_out_of_service, 2},
    {"remove a node", sim_do_remove_node, 1},
    {"stale write", sim_do_stale, 3},
    {"late deletion", sim_do_late_delete, 4},
    {"dry run", sim_do_dry_run, 2},
    {"watchers", sim_do_watch, 6},
    {"paged list", sim_do_list, 4},
    {"faults", sim_do_faults, 6},
    {"time", sim_do_time, 60},
    {"clock gap", sim_do_gap, 1},
    {"crash", sim_do_crash, 2},
};
static uint64_t counts[ARRAY_SIZE(actions)];

static void act(struct sim *s)
{
    unsigned total = 0;
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
        total += actions[i].weight;
    unsigned at = (unsigned)sim_below(s, total);
    size_t i = 0;
    for (; at >= actions[i].weight; i++)
        at -= actions[i].weight;
    counts[i]++;
    actions[i].run(s);
}

static void step(struct sim *s)
{
    sim_go_on();
    act(s);
    if (!sim_one_in(s, 4)) /* else the next action meets this one under way */
        world_settle(&s->w);
    if (s->mutant && sim_one_in(s, 3)) {
        sim_mutate(s);
        world_settle(&s->w);
    }
    if (s->step % 16 != 15)
        return;
    world_settle(&s->w);
    if (s->had_fault) { /* what failed is tried again soon */
        s->faults_left = 0;
        world_advance(&s->w, 5 * SECOND);
        s->had_fault = false;
    }
    sim_check_rest(s);
    sim_check_dns(s);
    sim_watch_check(s);
    sim_api_check(s);
}

static bool read_args(struct sim *s, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--verbose") == 0)
            s->is_verbose = true;
        else if (has_value && strcmp(argv[i], "--seed") == 0)
            s->seed = strtoull(argv[++i], NULL, 10);
        else if (has_value && strcmp(argv[i], "--steps") == 0)
            s->steps = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (has_value && strcmp(argv[i], "--patience") == 0)
            patience = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (has_value && strcmp(argv[i], "--mutant") == 0 && sim_is_mutant(argv[i + 1]))
            s->mutant = argv[++i];
        else
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct sim s = {.seed = 1, .steps = 1000};
    if (!read_args(&s, argc, argv)) {
        (void)fprintf(stderr,
                      "usage: simulator [--seed N] [--steps N] [--patience SECONDS] [--mutant "
                      "replace-early|release-claim] [--verbose]\n");
        return 2;
    }
    /* What the program has to say about its world is no news here: nodes do fall silent. */
    log_set_level((enum log_level)(LOG_ERROR - 1));
    guard(&s);
    sim_start(&s);
    for (; s.step < s.steps; s.step++)
        step(&s);
    sim_heal(&s);
    if (s.mutant) {
        (void)fprintf(stderr, "BROKEN seed=%llu steps=%u: the mutant %s was not found\n",
                      (unsigned long long)s.seed, s.steps, s.mutant);
        return 1;
    }
    for (size_t i = 0; i < ARRAY_SIZE(actions) && s.is_verbose; i++)
        (void)printf("%10llu %s\n", (unsigned long long)counts[i], actions[i].name);
    (void)printf("held seed=%llu steps=%u commits=%llu events=%llu refused=%llu faults=%llu "
                 "crashes=%llu checks=%llu\n",
                 (unsigned long long)s.seed, s.steps, (unsigned long long)s.commits,
                 (unsigned long long)s.events, (unsigned long long)s.refused,
                 (unsigned long long)s.faults, (unsigned long long)s.crashes,
                 (unsigned long long)s.checks);
    sim_stop(&s);
    return 0;
}
