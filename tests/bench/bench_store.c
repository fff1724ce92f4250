/* The store at 100,000 pods of 1.5 KB: durable commits, start, memory.
 *
 *     bench_store [directory [pods]]
 *
 * The directory must be on the disk to be measured (default: the present one). Prints, beside one 4
 * KB write + fdatasync on the same disk: durable commits a second of 1, 10, 100 and 1000 objects;
 * the same in memory; the time of a start; bytes per object; the time one pod's change takes with
 * few and with many pods loaded. */
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/json.h"
#include "base/random.h"
#include "controller/store/store.h"

#define PAYLOAD 900 /* brings a pod to 1.5 KB of text */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static struct object *make_pod(size_t number, size_t version)
{
    static char payload[PAYLOAD + 1];
    memset(payload, 'x', PAYLOAD);
    char *text = xasprintf(
        "{\"metadata\":{\"name\":\"web-%zu\",\"namespace\":\"default\",\"uid\":\"00000000-0000-"
        "4000-8000-%012zu\",\"labels\":{\"app\":"
        "\"web%zu\",\"apps.kubernetes.io/pod-index\":\"%zu\",\"statefulset.kubernetes.io/"
        "pod-name\":\"web-%zu\"},"
        "\"ownerReferences\":[{\"apiVersion\":\"apps/"
        "v1\",\"kind\":\"StatefulSet\",\"name\":\"web\",\"uid\":\"set-%zu\","
        "\"controller\":true}],\"annotations\":{\"v\":\"%zu\",\"p\":\"%s\"}},\"spec\":{"
        "\"nodeName\":\"node%zu\",\"hostname\":\"web-%zu\","
        "\"subdomain\":\"web\",\"containers\":[{\"name\":\"c\",\"ports\":[{\"name\":\"http\","
        "\"containerPort\":80}]}],\"volumes\":[{"
        "\"name\":\"data\",\"persistentVolumeClaim\":{\"claimName\":\"data-web-%zu\"}}]},"
        "\"status\":{\"phase\":\"Running\","
        "\"podIPs\":[{\"ip\":\"10.%zu.%zu.%zu\"}],\"conditions\":[{\"type\":\"Ready\",\"status\":"
        "\"True\"}]}}",
        number, number, number / 20, number % 20, number, number / 20, version, payload,
        number % 100, number, number, number >> 16 & 255, number >> 8 & 255, number & 255);
    cJSON *tree = json_parse(text, strlen(text), NULL);
    struct object *obj;
    CHECK(tree && object_new(kind_get(KIND_POD), tree, &obj, NULL) == 0);
    cJSON_Delete(tree);
    free(text);
    return obj;
}

static void stage(struct store *store, struct object *obj)
{
    struct store_unit *unit = store_unit_new(store);
    store_unit_put(unit, obj, store_unit_find(unit, KIND_POD, obj->ns, obj->name));
    CHECK(store_unit_stage(unit, NULL, NULL, NULL) == 0);
}

static void turn(struct loop *loop)
{
    while (loop_step(loop))
        continue;
}

static double sync_time(const char *dir)
{
    static char block[4096];
    char *path = xasprintf("%s/bench-sync", dir);
    int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600), rounds = 200;
    CHECK(fd >= 0);
    double start = now();
    for (int i = 0; i < rounds; i++)
        CHECK(pwrite(fd, block, sizeof(block), (off_t)i * 4096) == sizeof(block) &&
              fdatasync(fd) == 0);
    double each = (now() - start) / rounds;
    (void)close(fd);
    (void)unlink(path);
    free(path);
    return each;
}

static struct store *open_store(struct loop *loop, const char *dir)
{
    const struct store_opts opts = {.memory = dir == NULL,
                                    .path = dir,
                                    .history_us = 600000000,
                                    .history_bytes = 64 << 20,
                                    .map_bytes = 0};
    struct store *store;
    CHECK(store_open(&opts, loop, &store, NULL) == 0);
    return store;
}

/* Objects are made outside the measured time: the store alone. */
static void bench_commits(struct store *store, struct loop *loop, const char *name, size_t pods)
{
    static const size_t sizes[] = {1, 10, 100, 1000};
    static struct object *objects[1000];
    static size_t version;
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        double spent = 0;
        size_t rounds = 0;
        for (; spent < 1.0; rounds++) {
            version++;
            size_t first = (size_t)random_below(pods - sizes[i] + 1);
            for (size_t k = 0; k < sizes[i]; k++)
                objects[k] = make_pod(first + k, version);
            double start = now();
            for (size_t k = 0; k < sizes[i]; k++)
                stage(store, objects[k]);
            turn(loop);
            spent += now() - start;
        }
        printf("%-7s commits of %4zu: %8.0f commits/s %9.0f objects/s %8.1f us each object\n", name,
               sizes[i], (double)rounds / spent, (double)(rounds * sizes[i]) / spent,
               spent * 1e6 / (double)(rounds * sizes[i]));
    }
}

static void fill(struct store *store, struct loop *loop, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        stage(store, make_pod(i, 0));
        if (i % 1000 == 999)
            turn(loop);
    }
    turn(loop);
}

int main(int argc, char **argv)
{
    char *dir = xasprintf("%s/bench-store-XXXXXX", argc > 1 ? argv[1] : ".");
    size_t pods = argc > 2 ? (size_t)strtoul(argv[2], NULL, 10) : 100000;
    struct loop *loop = loop_new_fake();
    CHECK(mkdtemp(dir) && pods >= 2000);
    random_seed(1);
    printf("4 KB write + fdatasync: %.3f ms\n", sync_time(dir) * 1e3);

    struct store *store = open_store(loop, NULL);
    fill(store, loop, 0, 2000);
    bench_commits(store, loop, "mem 2k", 2000);
    fill(store, loop, 2000, pods);
    bench_commits(store, loop, "mem", pods);
    store_close(store);
    malloc_trim(0);

    store = open_store(loop, dir);
    fill(store, loop, 0, pods);
    bench_commits(store, loop, "lmdb", pods);
    store_close(store);
    malloc_trim(0);

    size_t before = mallinfo2().uordblks;
    double start = now();
    store = open_store(loop, dir);
    double spent = now() - start;
    struct store_view view = store_applied(store);
    CHECK(view_count(&view, KIND_POD) == pods);
    const struct object *one = view_find(&view, KIND_POD, "default", "web-1");
    printf("start with %zu pods of %zu bytes: %.3f s, %.1f us each\n", pods, one->text_len, spent,
           spent * 1e6 / (double)pods);
    printf("memory per pod: %zu bytes, of them the object %zu (text %zu)\n",
           (mallinfo2().uordblks - before) / pods, one->bytes, one->text_len);
    store_close(store);
    loop_free(loop);
    char *file = xasprintf("%s/data.mdb", dir);
    (void)unlink(file);
    free(file);
    file = xasprintf("%s/lock.mdb", dir);
    (void)unlink(file);
    free(file);
    (void)rmdir(dir);
    free(dir);
    return 0;
}
