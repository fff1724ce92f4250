/* Writes as users make them: through the registry's verbs, each in a unit of its own, and their
 * replies. */
#include "tests/scenario/sim.h"

/* web: the usual one. db: Parallel. tmp: its claims go with it, bound when a pod has a node. disk:
 * static volumes. The second web lives in a namespace that comes and goes. */
const struct cast sim_cast[] = {{"default", "web", "OrderedReady", "Retain", "Retain", ""},
                                {"default", "db", "Parallel", "Retain", "Retain", "standard"},
                                {"default", "tmp", "OrderedReady", "Delete", "Delete", "late"},
                                {"default", "disk", "Parallel", "Delete", "Retain", "manual"},
                                {SIM_EXTRA, "web", "OrderedReady", "Retain", "Delete", ""}};
const size_t sim_cast_count = ARRAY_SIZE(sim_cast);

const struct cast *sim_any_set(struct sim *s)
{
    return &sim_cast[sim_below(s, ARRAY_SIZE(sim_cast))];
}

const char *sim_any_namespace(struct sim *s)
{
    return sim_one_in(s, 4) ? SIM_EXTRA : "default";
}

void sim_any_pod(struct sim *s, struct pod_name *out)
{
    const struct cast *c = sim_any_set(s);
    out->ns = c->ns;
    (void)snprintf(out->name, sizeof out->name, "%s-%u", c->name, (unsigned)sim_below(s, 5));
    if (!sim_one_in(s, 8))
        return;
    struct store_view view = store_head(s->w.store);
    struct view_cursor cur;
    uint64_t at = sim_below(s, 16);
    for (view_seek(&cur, &view, KIND_POD, c->ns, NULL); cur.object && at > 0; at--)
        view_next(&cur);
    if (cur.object)
        (void)snprintf(out->name, sizeof out->name, "%s", cur.object->name);
}

const struct object *sim_find(const struct sim *s, enum kind_id kind, const char *ns,
                              const char *name)
{
    struct store_view view = store_head(s->w.store);
    return view_find(&view, kind, kind_get(kind)->namespaced ? ns : "", name);
}

/* ---- replies ---- */

/* Who asked, to be forgotten when the write did not happen. */
struct asked {
    struct asked *next, **at; /* among those that wait for their reply */
    struct sim *s;
    char uid[UUID_TEXT_SIZE];
    uint64_t revision; /* of the state it was staged on */
    bool is_forced;
};

static struct asked *unanswered;

static void forget(struct asked *asked)
{
    *asked->at = asked->next;
    if (asked->next)
        asked->next->at = asked->at;
    free(asked);
}

void sim_forget_replies(void)
{
    while (unanswered)
        forget(unanswered);
}

static void on_reply(void *arg, enum store_outcome outcome, uint64_t revision, const struct err *e)
{
    (void)e;
    struct asked *asked = arg;
    struct sim *s = asked->s;
    uint64_t applied = store_applied(s->w.store).revision;
    if (outcome == STORE_COMMITTED && (revision < asked->revision || revision > applied))
        sim_broken(s,
                   "a write was acknowledged at %llu, and the applied state is at %llu (K-FRESH)",
                   (unsigned long long)revision, (unsigned long long)applied);
    if (asked->uid[0] && outcome != STORE_COMMITTED && outcome != STORE_UNKNOWN)
        (void)keymap_take(asked->is_forced ? &s->forced : &s->asked, asked->uid);
    forget(asked);
}

int sim_stage(struct sim *s, struct verb *v, int rc, const char *uid, bool is_forced)
{
    struct err e = {0};
    if (rc < 0) {
        s->refused++;
        store_unit_free(v->unit);
        return rc;
    }
    struct asked *asked = xcalloc(1, sizeof *asked);
    *asked = (struct asked){.s = s,
                            .is_forced = is_forced,
                            .revision = store_applied(s->w.store).revision,
                            .next = unanswered,
                            .at = &unanswered};
    if (unanswered)
        unanswered->at = &asked->next;
    unanswered = asked;
    if (uid) {
        (void)snprintf(asked->uid, sizeof asked->uid, "%s", uid);
        *keymap_put(&s->asked, uid) = s;
        if (is_forced)
            *keymap_put(&s->forced, uid) = s;
    }
    s->is_asking = true;
    rc = store_unit_stage(v->unit, on_reply, asked, &e);
    s->is_asking = false;
    if (rc < 0)
        on_reply(asked, STORE_FAILED, 0, &e);
    return rc;
}

/* ---- manifests ---- */

static cJSON *parse(const char *format, va_list args)
{
    char text[3072];
    struct err e = {0};
    int len = vsnprintf(text, sizeof text, format, args);
    CHECK(len > 0 && (size_t)len < sizeof text);
    for (char *p = text; *p; p++)
        if (*p == '\'')
            *p = '"';
    cJSON *tree = json_parse(text, (size_t)len, &e);
    if (!tree)
        (void)fprintf(stderr, "%s: %s\n", text, e.text);
    CHECK(tree);
    return tree;
}

void sim_apply(struct sim *s, const char *ns, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    cJSON *tree = parse(format, args);
    va_end(args);
    struct err e = {0};
    const struct kind *kind =
        kind_by_name(json_str(tree, "apiVersion", ""), json_str(tree, "kind", ""));
    CHECK(kind);
    const char *name = json_str(json_get(tree, "metadata"), "name", "");
    struct verb v = world_verb(&s->w, ROLE_ADMIN);
    const struct verb_key key = {kind->id, kind->namespaced ? ns : "", name};
    AUTO_OBJECT out = NULL;
    int rc = *name && store_unit_find(v.unit, kind->id, key.ns, name)
                 ? verb_update(&v, &key, SUB_NONE, world_merge, tree, &out, &e)
                 : verb_create(&v, kind->id, key.ns, tree, &out, &e);
    (void)sim_stage(s, &v, rc, NULL, false);
    cJSON_Delete(tree);
}

static int merge_all(cJSON *tree, void *arg, struct err *e)
{
    cJSON *merged = cJSON_Duplicate(tree, true);
    int rc = patch_merge(&merged, arg, e);
    if (rc >= 0)
        rc = verb_change_replace(tree, merged, e);
    cJSON_Delete(merged);
    return rc;
}

int sim_update(struct sim *s, const struct verb_key *key, enum subresource sub,
               verb_change_fn *change, void *arg)
{
    struct err e = {0};
    struct verb v = world_verb(&s->w, ROLE_ADMIN);
    AUTO_OBJECT out = NULL;
    return sim_stage(s, &v, verb_update(&v, key, sub, change, arg, &out, &e), NULL, false);
}

void sim_patch(struct sim *s, const struct verb_key *key, enum subresource sub, const char *format,
               ...)
{
    if (!sim_find(s, key->kind, key->ns, key->name))
        return;
    va_list args;
    va_start(args, format);
    cJSON *patch = parse(format, args);
    va_end(args);
    (void)sim_update(s, key, sub, merge_all, patch);
    cJSON_Delete(patch);
}

/* ---- ends ---- */

void sim_delete(struct sim *s, enum kind_id kind, const char *ns, const char *name,
                const struct delete_opts *opts)
{
    struct verb v = world_verb(&s->w, ROLE_ADMIN);
    const struct verb_key key = {kind, kind_get(kind)->namespaced ? ns : "", name};
    const struct object *found = store_unit_find(v.unit, kind, key.ns, name);
    char uid[UUID_TEXT_SIZE] = "";
    if (found)
        (void)snprintf(uid, sizeof uid, "%s", found->uid);
    AUTO_OBJECT out = NULL;
    bool gone = false;
    struct err e = {0};
    int rc = verb_delete(&v, &key, opts, &out, &gone, &e);
    (void)sim_stage(s, &v, rc, uid[0] ? uid : NULL, opts->has_grace && opts->grace_s == 0);
}

void sim_evict(struct sim *s, const char *ns, const char *name)
{
    char uid[UUID_TEXT_SIZE];
    struct verb v = world_verb(&s->w, ROLE_ADMIN);
    const struct object *pod = store_unit_find(v.unit, KIND_POD, ns, name);
    if (!pod) {
        store_unit_free(v.unit);
        return;
    }
    sim_did(s, "evict %s/%s", ns, name);
    (void)snprintf(uid, sizeof uid, "%s", pod->uid);
    struct err e = {0};
    cJSON *body = cJSON_CreateObject();
    json_set_str(json_obj(body, "metadata"), "name", name);
    (void)sim_stage(s, &v, verb_evict(&v, ns, name, body, &e), uid, false);
    cJSON_Delete(body);
}

/* ---- writes that must not do what they say ---- */

static int set_label(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    const char *const *version = arg;
    cJSON *meta = json_obj(tree, "metadata");
    json_set_str(meta, "resourceVersion", *version);
    json_set_str(json_obj(meta, "labels"), "example.com/stale", *version);
    return 0;
}

/* A read, and much later a write on top of what was read (A18). */
void sim_do_stale(struct sim *s)
{
    static struct {
        struct verb_key key;
        char ns[NAME_SIZE], name[NAME_SIZE], version[24];
        uint64_t revision;
    } read;
    if (!*read.name || sim_one_in(s, 3)) {
        struct pod_name pod;
        sim_any_pod(s, &pod);
        const struct object *obj = world_find(&s->w, KIND_POD, pod.ns, pod.name);
        if (!obj)
            return;
        (void)snprintf(read.ns, sizeof read.ns, "%s", pod.ns);
        (void)snprintf(read.name, sizeof read.name, "%s", pod.name);
        read.key = (struct verb_key){KIND_POD, read.ns, read.name};
        read.revision = obj->mod_revision;
        (void)snprintf(read.version, sizeof read.version, "%llu",
                       (unsigned long long)obj->mod_revision);
    }
    const struct object *now = sim_find(s, KIND_POD, read.ns, read.name);
    bool is_fresh = now && now->mod_revision == read.revision;
    const char *version = read.version;
    sim_did(s, "write %s/%s as of %s", read.ns, read.name, version);
    if (sim_update(s, &read.key, SUB_NONE, set_label, &version) >= 0 && !is_fresh)
        sim_broken(s, "a write on %s/%s as of %s was taken after it had changed (A18)", read.ns,
                   read.name, version);
}

/* A deletion that was meant for an earlier pod of that name and comes late: of a client that had
 * read it (A31), or the word of its node, once more (R42). */
void sim_do_late_delete(struct sim *s)
{
    static char ns[NAME_SIZE], name[NAME_SIZE], uid[UUID_TEXT_SIZE];
    static unsigned node;
    const struct object *now = *name ? sim_find(s, KIND_POD, ns, name) : NULL;
    bool is_another = now && strcmp(now->uid, uid) != 0;
    if (!is_another) {
        struct pod_name pod;
        sim_any_pod(s, &pod);
        const struct object *read = world_find(&s->w, KIND_POD, pod.ns, pod.name);
        if (!read || (now && !sim_one_in(s, 4)))
            return;
        (void)snprintf(ns, sizeof ns, "%s", pod.ns);
        (void)snprintf(name, sizeof name, "%s", pod.name);
        (void)snprintf(uid, sizeof uid, "%s", read->uid);
        node = sim_node_index(pod_view(read)->node);
        return;
    }
    bool is_node = node < SIM_NODES && !sim_runs(s, uid) && sim_one_in(s, 2);
    struct verb v = world_verb(&s->w, is_node ? ROLE_NODE : ROLE_ADMIN);
    const struct verb_key key = {KIND_POD, ns, name};
    const struct delete_opts opts = {.has_grace = true, .uid = uid};
    v.node = is_node ? sim_node_name(node) : NULL;
    AUTO_OBJECT kept = object_ref(now);
    AUTO_OBJECT out = NULL;
    bool gone = false;
    struct err e = {0};
    sim_did(s, "%s deletes %s/%s as %s", is_node ? v.node : "a client", ns, name, uid);
    (void)sim_stage(s, &v, verb_delete(&v, &key, &opts, &out, &gone, &e), NULL, false);
    if (sim_find(s, KIND_POD, ns, name) != kept)
        sim_broken(s, "%s deleted by a word about %s (A31, R42)", kept->key, uid);
    *name = '\0';
}

static void check_untouched(struct sim *s, const struct verb_key *key, const struct object *before,
                            struct verb *v)
{
    store_unit_free(v->unit);
    if (sim_find(s, key->kind, key->ns, key->name) != before)
        sim_broken(s, "a dry run changed %s/%s", key->ns, key->name);
}

void sim_do_dry_run(struct sim *s)
{
    const struct cast *c = sim_any_set(s);
    const struct verb_key key = {KIND_STATEFULSET, c->ns, c->name};
    const struct object *before = sim_find(s, KIND_STATEFULSET, c->ns, c->name);
    struct store_view head = store_head(s->w.store);
    size_t pods = view_count(&head, KIND_POD), services = view_count(&head, KIND_SERVICE);
    if (!before)
        return;
    sim_did(s, "dry runs on %s/%s", c->ns, c->name);
    struct err e = {0};
    bool gone = false;
    AUTO_OBJECT kept = object_ref(before);
    {
        AUTO_OBJECT out = NULL;
        struct verb v = world_verb(&s->w, ROLE_ADMIN);
        const struct delete_opts opts = {.propagation = PROPAGATE_BACKGROUND};
        v.dry_run = true;
        (void)verb_delete(&v, &key, &opts, &out, &gone, &e);
        check_untouched(s, &key, kept, &v);
    }
    AUTO_OBJECT out = NULL;
    struct verb v = world_verb(&s->w, ROLE_ADMIN);
    v.dry_run = true;
    static const char text[] =
        "{\"metadata\":{\"generateName\":\"dry-\"},\"spec\":{\"ports\":[{\"port\":80}]}}";
    cJSON *body = json_parse(text, sizeof text - 1, &e);
    CHECK(body);
    (void)verb_create(&v, KIND_SERVICE, c->ns, body, &out, &e);
    cJSON_Delete(body);
    check_untouched(s, &key, kept, &v);
    head = store_head(s->w.store);
    if (view_count(&head, KIND_POD) != pods || view_count(&head, KIND_SERVICE) != services)
        sim_broken(s, "a dry run left something behind");
}
