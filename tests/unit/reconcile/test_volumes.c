/* The binder on the whole control plane over a memory store: what scenarios cannot see: directories
 * on disk, that no commit holds half a binding (R14, R81), failing commits, many at once. */
#include <dirent.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/scenario/world.h"

static struct world w;
static char dir[] = "/tmp/test_volumes.XXXXXX";

static int start(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/test_volumes.XXXXXX");
    assert_non_null(mkdtemp(dir));
    world_defaults(&w);
    w.opts.volume_dir = dir;
    w.registry_opts.default_class = "standard";
    world_start(&w);
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int stop(void **state)
{
    (void)state;
    world_stop(&w);
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread */
    assert_int_equal(nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
    return 0;
}

static void make_claim(const char *name, const char *class_name)
{
    assert_int_equal(
        world_apply_text(&w,
                         "{\"apiVersion\":\"v1\",\"kind\":\"PersistentVolumeClaim\","
                         "\"metadata\":{\"name\":\"%s\"},\"spec\":{\"accessModes\":"
                         "[\"ReadWriteOnce\"],\"storageClassName\":\"%s\",\"resources\":"
                         "{\"requests\":{\"storage\":\"1Mi\"}}}}",
                         name, class_name),
        0);
}

static void make_volume(const char *name)
{
    assert_int_equal(
        world_apply_text(&w,
                         "{\"apiVersion\":\"v1\",\"kind\":\"PersistentVolume\",\"metadata\":"
                         "{\"name\":\"%s\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],"
                         "\"capacity\":{\"storage\":\"1Mi\"},\"hostPath\":{\"path\":\"/data\"}}}",
                         name),
        0);
}

static const struct object *claim(const char *name)
{
    const struct object *obj = world_find(&w, KIND_PVC, "default", name);
    assert_non_null(obj);
    return obj;
}

static const char *path_of(const char *name)
{
    const struct object *volume = world_find(&w, KIND_PV, "", claim_view(claim(name))->volume_name);
    assert_non_null(volume);
    return volume_view(volume)->path;
}

static bool is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static size_t entries(void)
{
    DIR *d = opendir(dir);
    size_t n = 0;
    while (readdir(d)) /* NOLINT(concurrency-mt-unsafe) */
        n++;
    (void)closedir(d);
    return n - 2;
}

/* ---- directories ---- */

static void a_dynamic_volume_has_a_directory_until_it_is_deleted_r83_r84(void **state)
{
    (void)state;
    make_claim("data", "standard");
    char *path = xstrdup(path_of("data"));
    assert_true(is_dir(path));
    assert_non_null(strstr(path, claim("data")->uid));
    char *inner = xasprintf("%s/one", path), *link = xasprintf("%s/link", path);
    assert_int_equal(mkdir(inner, 0700), 0);
    assert_int_equal(symlink("/", link), 0);
    assert_int_equal(world_delete(&w, KIND_PVC, "default", "data"), 0);
    world_settle(&w);
    assert_false(is_dir(path));
    assert_int_equal(entries(), 0); /* nor is anything left aside */
    struct store_view view = store_applied(w.store);
    assert_int_equal(view_count(&view, KIND_PV), 0);
    assert_true(is_dir("/tmp"));
    free(path);
    free(inner);
    free(link);
}

static void deep_and_wide_trees_are_emptied_in_steps(void **state)
{
    (void)state;
    make_claim("data", "standard");
    char *path = xstrdup(path_of("data"));
    for (int i = 0; i < 700; i++) {
        char *leaf = xasprintf("%s/%d", path, i);
        assert_int_equal(mkdir(leaf, 0700), 0);
        free(leaf);
    }
    char *deep = xstrdup(path);
    for (int i = 0; i < 120; i++) {
        char *next = xasprintf("%s/deep", deep);
        assert_int_equal(mkdir(next, 0700), 0);
        free(deep);
        deep = next;
    }
    assert_int_equal(world_delete(&w, KIND_PVC, "default", "data"), 0);
    world_advance(&w, SECOND);
    assert_int_equal(entries(), 0);
    free(deep);
    free(path);
}

static void a_restart_makes_missing_directories_and_empties_what_was_aside(void **state)
{
    (void)state;
    make_claim("data", "standard");
    char *path = xstrdup(path_of("data")), *aside = xasprintf("%s/.removed-0123", dir);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkdir(aside, 0700), 0);
    world_crash(&w);
    world_settle(&w);
    assert_true(is_dir(path));
    assert_false(is_dir(aside));
    free(path);
    free(aside);
}

static void a_directory_of_a_kept_volume_stays(void **state)
{
    (void)state;
    assert_int_equal(
        world_apply_text(&w, "{\"apiVersion\":\"storage.k8s.io/v1\",\"kind\":\"StorageClass\","
                             "\"metadata\":{\"name\":\"keep\"},\"provisioner\":"
                             "\"ordinald.dev/directory\",\"reclaimPolicy\":\"Retain\"}"),
        0);
    make_claim("data", "keep");
    char *path = xstrdup(path_of("data")), *name = xstrdup(claim_view(claim("data"))->volume_name);
    assert_int_equal(world_delete(&w, KIND_PVC, "default", "data"), 0);
    world_settle(&w);
    assert_true(is_dir(path));
    assert_string_equal(volume_view(world_find(&w, KIND_PV, "", name))->phase, "Released");
    assert_int_equal(world_delete(&w, KIND_PV, "", name), 0);
    world_settle(&w);
    assert_null(world_find(&w, KIND_PV, "", name));
    assert_true(is_dir(path));
    free(path);
    free(name);
}

static void a_directory_that_cannot_be_made_is_tried_again(void **state)
{
    (void)state;
    make_claim("first", "standard");
    char *path = xstrdup(path_of("first"));
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(dir), 0);
    make_claim("data", "standard"); /* the binding is durable all the same */
    assert_string_equal(claim_view(claim("data"))->phase, "Bound");
    assert_false(is_dir(path_of("data")));
    world_crash(&w); /* the descriptor of the old place is no use */
    assert_true(is_dir(path_of("data")));
    free(path);
}

/* ---- units ---- */

/* After every commit: all four writes of a binding or none (R14, R81). */
static void check_batch(void *arg, const struct store_batch *batch)
{
    (void)batch;
    unsigned *bound = arg;
    struct store_view view = store_applied(w.store);
    struct view_cursor cur;
    for (view_seek(&cur, &view, KIND_PVC, NULL, NULL); cur.object; view_next(&cur)) {
        const struct claim_view *c = claim_view(cur.object);
        const struct object *volume =
            *c->volume_name ? view_find(&view, KIND_PV, "", c->volume_name) : NULL;
        bool is_bound = strcmp(c->phase, "Bound") == 0;
        assert_int_equal(is_bound, c->bind_completed);
        assert_int_equal(is_bound, volume != NULL);
        if (!volume)
            continue;
        assert_string_equal(volume_view(volume)->claim_uid, cur.object->uid);
        assert_string_equal(volume_view(volume)->phase, "Bound");
        ++*bound;
    }
    for (view_seek(&cur, &view, KIND_PV, NULL, NULL); cur.object; view_next(&cur)) {
        const struct volume_view *v = volume_view(cur.object);
        if (!*v->claim_uid)
            continue;
        const struct object *owner = view_find(&view, KIND_PVC, v->claim_ns, v->claim_name);
        assert_non_null(owner);
        assert_string_equal(claim_view(owner)->volume_name, cur.object->name);
    }
}

static enum store_mem_fault any_fault(void *arg)
{
    (void)arg;
    static const enum store_mem_fault faults[] = {
        STORE_MEM_NONE, STORE_MEM_LATE, STORE_MEM_CONFLICT, STORE_MEM_FAIL, STORE_MEM_NO_SPACE};
    return faults[random_below(ARRAY_SIZE(faults))];
}

static void no_commit_holds_half_a_binding_r81(void **state)
{
    (void)state;
    unsigned bound = 0;
    store_on_apply(w.store, check_batch, &bound);
    for (int i = 0; i < 6; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "dyn-%d", i);
        make_claim(name, "standard");
        (void)snprintf(name, sizeof name, "static-%d", i);
        make_claim(name, "");
    }
    store_mem_set_fault(w.store, any_fault, NULL);
    for (int i = 0; i < 6; i++) {
        struct verb v = world_verb(&w, ROLE_ADMIN);
        cJSON *tree = cJSON_CreateObject();
        json_set_str(tree, "apiVersion", "v1");
        json_set_str(tree, "kind", "PersistentVolume");
        json_set_str(json_obj(tree, "metadata"), "generateName", "vol-");
        cJSON *spec = json_obj(tree, "spec");
        json_set_str(json_obj(spec, "capacity"), "storage", "1Mi");
        json_set_str(json_obj(spec, "hostPath"), "path", "/data");
        cJSON_AddItemToArray(json_arr(spec, "accessModes"), cJSON_CreateString("ReadWriteOnce"));
        struct object *out = NULL;
        if (world_write(&w, &v, verb_create(&v, KIND_PV, "", tree, &out, &w.e)) < 0)
            i--;
        object_unref(out);
        cJSON_Delete(tree);
    }
    store_mem_set_fault(w.store, NULL, NULL);
    world_advance(&w, 1200 * SECOND);
    for (int i = 0; i < 6; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "static-%d", i);
        assert_string_equal(claim_view(claim(name))->phase, "Bound");
    }
    assert_true(bound > 12);
    store_forget(w.store, &bound);
}

static void as_many_claims_as_volumes_all_find_one(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "n-%d", i);
        make_claim(name, "");
    }
    for (int i = 0; i < 200; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "v-%d", i);
        make_volume(name);
    }
    world_settle(&w);
    for (int i = 0; i < 200; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "n-%d", i);
        assert_string_equal(claim_view(claim(name))->phase, "Bound");
    }
}

static size_t count_of(enum kind_id kind)
{
    struct store_view view = store_applied(w.store);
    return view_count(&view, kind);
}

static void a_state_that_holds_is_told_once(void **state)
{
    (void)state;
    make_claim("waits", "");
    world_settle(&w);
    size_t events = count_of(KIND_EVENT);
    for (int i = 0; i < 20; i++) { /* each wakes the claim */
        make_volume("too-late");
        assert_int_equal(world_delete(&w, KIND_PVC, "default", "waits"), 0);
        world_settle(&w);
        assert_int_equal(world_delete(&w, KIND_PV, "", "too-late"), 0);
        make_claim("waits", "");
        world_settle(&w);
    }
    assert_true(count_of(KIND_EVENT) <= events + 40);
    size_t before = count_of(KIND_EVENT);
    world_advance(&w, 1800 * SECOND);
    assert_true(count_of(KIND_EVENT) <= before + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
        TEST(a_dynamic_volume_has_a_directory_until_it_is_deleted_r83_r84),
        TEST(deep_and_wide_trees_are_emptied_in_steps),
        TEST(a_restart_makes_missing_directories_and_empties_what_was_aside),
        TEST(a_directory_of_a_kept_volume_stays),
        TEST(a_directory_that_cannot_be_made_is_tried_again),
        TEST(no_commit_holds_half_a_binding_r81),
        TEST(as_many_claims_as_volumes_all_find_one),
        TEST(a_state_that_holds_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
