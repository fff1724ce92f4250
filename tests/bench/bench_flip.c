/* What it costs that one pod of a StatefulSet becomes Ready or not, everything behind the API's
 * door included: controllers, commit (in memory), slices, zones. Not a test.
 *
 *   bench_flip [pods of the set; default 5000] [claims of each; default 0] [flips; default 200]
 *   valgrind --tool=callgrind --toggle-collect=flip bench_flip 5000 0 20 */
#include <time.h>

#include "tests/scenario/world.h"

enum { PER_NODE = 200 };

static double now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static void make_set(struct world *w, size_t pods, size_t claims)
{
    struct buf_out templates;
    buf_out_init(&templates);
    for (size_t i = 0; i < claims; i++)
        buf_printf(&templates,
                   "%s{\"metadata\":{\"name\":\"data%zu\"},\"spec\":{\"accessModes\":"
                   "[\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":\"1Mi\"}}}}",
                   i > 0 ? "," : "", i);
    CHECK(world_apply_text(
              w, "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"web\"},"
                 "\"spec\":{\"clusterIP\":\"None\",\"selector\":{\"app\":\"web\"},"
                 "\"ports\":[{\"name\":\"http\",\"port\":80}]}}") == 0);
    CHECK(
        world_apply_text(
            w,
            "{\"apiVersion\":\"apps/v1\",\"kind\":\"StatefulSet\",\"metadata\":{\"name\":\"web\"},"
            "\"spec\":{\"replicas\":%zu,\"serviceName\":\"web\",\"podManagementPolicy\":"
            "\"Parallel\",\"selector\":{\"matchLabels\":{\"app\":\"web\"}},\"template\":{"
            "\"metadata\":{\"labels\":{\"app\":\"web\"}},\"spec\":{\"containers\":[{\"name\":"
            "\"c\",\"image\":\"i\",\"ports\":[{\"name\":\"http\",\"containerPort\":80}]}]}},"
            "\"volumeClaimTemplates\":[%.*s]}}",
            pods, (int)templates.len, templates.data ? templates.data : "") == 0);
    buf_out_fini(&templates);
    for (int i = 0; i < 600; i++) {
        world_advance(w, SECOND);
        if ((size_t)set_view(world_find(w, KIND_STATEFULSET, "default", "web"))->st_available ==
            pods)
            return;
    }
    (void)fprintf(stderr, "the set is not complete\n");
    abort();
}

/* By name for callgrind. */
__attribute__((noinline)) static void flip(struct world *w, const char *pod, bool is_ready)
{
    reconcile_pod_fail_readiness(w->reconcile, "default", pod, !is_ready);
    world_settle(w);
}

int main(int argc, char **argv)
{
    size_t pods = argc > 1 ? strtoul(argv[1], NULL, 10) : 5000;
    size_t claims = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    size_t rounds = argc > 3 ? strtoul(argv[3], NULL, 10) : 200;
    struct world w;
    world_defaults(&w);
    w.opts.embedded_nodes = (unsigned)(pods / PER_NODE + 1);
    w.opts.checks_members = false;
    w.opts.scheduler = true;
    w.registry_opts.default_class = "standard";
    w.zones_opts.pods = PODS_VERIFIED;
    world_start(&w);
    world_advance(&w, SECOND);
    make_set(&w, pods, claims);
    double total = 0, worst = 0;
    for (size_t i = 0; i < rounds; i++) {
        char pod[64];
        (void)snprintf(pod, sizeof pod, "web-%zu", (size_t)random_below(pods));
        for (int is_ready = 0; is_ready <= 1; is_ready++) {
            double start = now_us();
            flip(&w, pod, is_ready == 1);
            double us = now_us() - start;
            CHECK(pod_view(world_find(&w, KIND_POD, "default", pod))->ready == (is_ready == 1));
            CHECK(set_view(world_find(&w, KIND_STATEFULSET, "default", "web"))->st_ready ==
                  (int32_t)(pods - 1 + (size_t)is_ready));
            total += us;
            worst = us > worst ? us : worst;
            world_advance(&w, SECOND);
        }
    }
    printf("flip in a set of %zu with %zu claims each: %.0f us mean, %.0f us worst of %zu\n", pods,
           claims, total / (double)(2 * rounds), worst, 2 * rounds);
    world_stop(&w);
    return 0;
}
