/* Every name of every zone, recomputed from the applied objects by reading kubernetes-dns.md
 * sections 1, 2, 5 and 6 plainly: no index, no increment, nothing of zones/naming or the feed.
 * Records are lines "owner TYPE rdata" (SRV without its weight); both sides are sorted and
 * compared. */
#include <arpa/inet.h>
#include <ctype.h>

#include "tests/scenario/sim.h"

#define Z            "cluster.local."
#define LOOKUP_EVERY 4 /* names looked up in a check, by turns; all are compared */

struct lines {
    char **text;
    size_t count, cap;
};

static void add(struct lines *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct lines *l, const char *format, ...)
{
    char text[NAME_TEXT_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (l->count == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 256;
        l->text = xrealloc(l->text, l->cap * sizeof *l->text);
    }
    l->text[l->count++] = xstrdup(text);
}

static void sort_unique(struct lines *l)
{
    size_t n = 0;
    if (l->count > 0)
        qsort(l->text, l->count, sizeof *l->text, world_by_text);
    for (size_t i = 0; i < l->count; i++) {
        if (n > 0 && strcmp(l->text[n - 1], l->text[i]) == 0)
            free(l->text[i]);
        else
            l->text[n++] = l->text[i];
    }
    l->count = n;
}

static void lines_fini(struct lines *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->text[i]);
    free(l->text);
}

/* ---- addresses ---- */

struct address {
    char text[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    bool is_six;
};

static bool read_address(const char *text, struct address *out)
{
    out->is_six = strchr(text, ':') != NULL;
    int family = out->is_six ? AF_INET6 : AF_INET;
    return inet_pton(family, text, out->bytes) == 1 &&
           inet_ntop(family, out->bytes, out->text, sizeof out->text);
}

static const char *type_of(const struct address *a)
{
    return a->is_six ? "AAAA" : "A";
}

/* K-HOST c. */
static void dash(const struct address *a, char out[64])
{
    size_t n = 0;
    if (!isalnum((unsigned char)a->text[0]))
        out[n++] = '0';
    for (const char *p = a->text; *p; p++)
        out[n++] = isalnum((unsigned char)*p) ? *p : '-';
    if (n > 0 && out[n - 1] == '-')
        out[n++] = '0';
    out[n] = '\0';
}

static void reverse_name(const struct address *a, char out[128])
{
    size_t n = 0;
    if (!a->is_six) {
        (void)snprintf(out, 128, "%u.%u.%u.%u.in-addr.arpa.", a->bytes[3], a->bytes[2], a->bytes[1],
                       a->bytes[0]);
        return;
    }
    for (int i = 15; i >= 0; i--)
        n += (size_t)snprintf(out + n, 128 - n, "%x.%x.", a->bytes[i] & 15U, a->bytes[i] >> 4U);
    (void)snprintf(out + n, 128 - n, "ip6.arpa.");
}

/* ---- what must be there ---- */

struct ptr { /* of an endpoint; those of ClusterIPs hide them */
    char owner[128], target[512];
    bool is_hostname;
};
struct want {
    const struct store_view *view;
    struct lines lines;
    struct ptr *ptrs;
    size_t ptr_count, ptr_cap;
    struct lines hidden; /* reverse names of ClusterIPs */
};

static void add_ptr(struct want *w, const struct address *a, const char *target, bool is_hostname)
{
    if (w->ptr_count == w->ptr_cap) {
        w->ptr_cap = w->ptr_cap ? w->ptr_cap * 2 : 64;
        w->ptrs = xrealloc(w->ptrs, w->ptr_cap * sizeof *w->ptrs);
    }
    struct ptr *p = &w->ptrs[w->ptr_count++];
    reverse_name(a, p->owner);
    (void)snprintf(p->target, sizeof p->target, "%s", target);
    p->is_hostname = is_hostname;
}

static const char *lower(const char *text, char out[64])
{
    size_t i = 0;
    for (; text[i] && i < 63; i++)
        out[i] = (char)tolower((unsigned char)text[i]);
    out[i] = '\0';
    return out;
}

static void add_named_srv(struct want *w, const struct port_view *port, const char *service,
                          const char *target)
{
    char protocol[64];
    if (*port->name)
        add(&w->lines, "_%s._%s.%s SRV 0 %u %s", port->name, lower(port->protocol, protocol),
            service, port->port, target);
}

/* One endpoint of a slice of a Service called `service`. */
static void want_endpoint(struct want *w, const struct object *svc, const char *service,
                          const struct slice_view *slice, const struct endpoint_view *e)
{
    const struct service_view *v = service_view(svc);
    bool is_published = e->ready || v->publish_not_ready;
    bool is_kept = v->publish_identity && *e->hostname;
    for (size_t i = 0; i < e->address_count && (is_published || is_kept); i++) {
        struct address a;
        char host[64], name[512];
        if (!read_address(e->addresses[i], &a))
            continue;
        if (*e->hostname)
            (void)snprintf(host, sizeof host, "%s", e->hostname);
        else
            dash(&a, host);
        (void)snprintf(name, sizeof name, "%s.%s", host, service);
        add(&w->lines, "%s %s %s", name, type_of(&a), a.text);
        add_ptr(w, &a, name, *e->hostname != '\0');
        for (size_t p = 0; p < slice->port_count; p++)
            add(&w->lines, "%s SRV 0 %u %s", name, slice->ports[p].port, name);
        const struct object *pod = view_find(w->view, KIND_POD, svc->ns, e->target_name);
        if (*e->hostname && pod && pod_view(pod)->epoch)
            add(&w->lines, "_epoch.%s TXT \"epoch=%llu\"", name,
                (unsigned long long)pod_view(pod)->epoch);
        if (!v->headless || !is_published)
            continue;
        add(&w->lines, "%s %s %s", service, type_of(&a), a.text);
        for (size_t p = 0; p < slice->port_count; p++) {
            add(&w->lines, "%s SRV 0 %u %s", service, slice->ports[p].port, name);
            add_named_srv(w, &slice->ports[p], service, name);
        }
    }
}

/* K-EXT: another name, and nothing below. */
static void want_alias(struct want *w, const char *service, const char *target)
{
    struct address literal;
    size_t len = strlen(target);
    if (!read_address(target, &literal))
        add(&w->lines, "%s CNAME %s%s", service, target,
            len > 0 && target[len - 1] == '.' ? "" : ".");
}

static void want_service(struct want *w, const struct object *svc)
{
    const struct service_view *v = service_view(svc);
    char service[256];
    (void)snprintf(service, sizeof service, "%s.%s.svc." Z, svc->name, svc->ns);
    if (strcmp(v->type, "ExternalName") == 0) {
        want_alias(w, service, v->external_name);
        return;
    }
    for (size_t i = 0; i < v->cluster_ip_count && !v->headless; i++) {
        struct address a;
        char owner[128];
        if (!read_address(v->cluster_ips[i], &a))
            continue;
        reverse_name(&a, owner);
        add(&w->lines, "%s %s %s", service, type_of(&a), a.text);
        add(&w->lines, "%s PTR %s", owner, service);
        add(&w->hidden, "%s", owner);
        for (size_t p = 0; p < v->port_count; p++) {
            add(&w->lines, "%s SRV 0 %u %s", service, v->ports[p].port, service);
            add_named_srv(w, &v->ports[p], service, service);
        }
    }
    struct view_cursor cur;
    for (view_seek(&cur, w->view, KIND_SLICE, svc->ns, NULL); cur.object; view_next(&cur)) {
        const struct slice_view *slice = slice_view(cur.object);
        if (strcmp(slice->service, svc->name) != 0 || strcmp(slice->address_type, "FQDN") == 0)
            continue;
        for (size_t i = 0; i < slice->endpoint_count; i++)
            want_endpoint(w, svc, service, slice, &slice->endpoints[i]);
    }
}

/* K-PODS, verified. */
static void want_pod(struct want *w, const struct object *pod)
{
    const struct pod_view *v = pod_view(pod);
    if (v->phase == POD_FAILED || v->phase == POD_SUCCEEDED || v->phase == POD_UNKNOWN)
        return;
    for (size_t i = 0; i < v->ip_count; i++) {
        struct address a;
        char name[64];
        if (!read_address(v->ips[i], &a))
            continue;
        dash(&a, name);
        add(&w->lines, "%s.%s.pod." Z " %s %s", name, pod->ns, type_of(&a), a.text);
    }
}

static bool is_hidden(const struct want *w, const struct ptr *p)
{
    for (size_t i = 0; i < w->hidden.count; i++)
        if (strcmp(w->hidden.text[i], p->owner) == 0)
            return true;
    return false;
}

/* Section 5: names by hostname win over dashed ones. */
static void want_ptrs(struct want *w)
{
    for (size_t i = 0; i < w->ptr_count; i++) {
        const struct ptr *p = &w->ptrs[i];
        bool is_beaten = is_hidden(w, p);
        for (size_t k = 0; k < w->ptr_count && !p->is_hostname; k++)
            is_beaten |= w->ptrs[k].is_hostname && strcmp(w->ptrs[k].owner, p->owner) == 0;
        if (!is_beaten)
            add(&w->lines, "%s PTR %s", p->owner, p->target);
    }
}

static bool has_namespace(const struct store_view *view, const char *ns)
{
    return view_find(view, KIND_NAMESPACE, "", ns) != NULL;
}

static void want_everything(struct want *w)
{
    struct view_cursor cur;
    for (view_seek(&cur, w->view, KIND_SERVICE, NULL, NULL); cur.object; view_next(&cur))
        if (has_namespace(w->view, cur.object->ns))
            want_service(w, cur.object);
    for (view_seek(&cur, w->view, KIND_POD, NULL, NULL); cur.object; view_next(&cur))
        if (has_namespace(w->view, cur.object->ns))
            want_pod(w, cur.object);
    want_ptrs(w);
    sort_unique(&w->lines);
}

/* ---- what is there ---- */

static void have_node(struct lines *have, const struct zone_node *node)
{
    size_t len;
    char owner[NAME_TEXT_MAX];
    (void)name_format(zone_node_name(node, &len), owner);
    if (strcmp(owner, "ns.dns." Z) == 0 || strcmp(owner, "dns-version." Z) == 0)
        return;
    for (size_t i = 0; i < zone_node_set_count(node); i++) {
        const struct rrset *set = zone_node_set_at(node, i);
        char type[16];
        if (rrset_type(set) == RR_SOA || rrset_type(set) == RR_NS)
            continue;
        for (size_t k = 0; k < rrset_count(set); k++) {
            struct buf_out rdata;
            buf_out_init(&rdata);
            zone_text_rdata(set, node, k, &rdata);
            const char *weight = strchr(rdata.data, ' ');
            const char *port = weight ? strchr(weight + 1, ' ') : NULL;
            if (rrset_type(set) == RR_SRV && port)
                add(have, "%s SRV 0%s", owner, port);
            else
                add(have, "%s %s %s", owner, zone_text_type(rrset_type(set), type), rdata.data);
            buf_out_fini(&rdata);
        }
    }
}

static void have_everything(struct lines *have, const struct zone_version *version)
{
    for (size_t i = 0; i < version->apex_count; i++) {
        struct zone_walk walk;
        const struct zone_node *node;
        zone_walk_init(&walk, version, &version->apexes[i]);
        while ((node = zone_walk_next(&walk)))
            have_node(have, node);
    }
    sort_unique(have);
}

static void compare(struct sim *s, const struct lines *want, const struct lines *have)
{
    for (size_t i = 0; i < want->count || i < have->count; i++) {
        if (i == have->count || (i < want->count && strcmp(want->text[i], have->text[i]) < 0))
            sim_broken(s, "not in the zone: %s", want->text[i]);
        if (i == want->count || strcmp(want->text[i], have->text[i]) > 0)
            sim_broken(s, "in the zone, but not in the store: %s", have->text[i]);
    }
}

/* ---- look-ups: the names above, beside and below (K-ENT, K-EXACT, K-NSNODE) ---- */

static enum match_kind find(struct sim *s, const char *name, uint16_t type,
                            struct zone_match *match)
{
    uint8_t wire[NAME_MAX_WIRE];
    struct err e = {0};
    if (name_parse(name, wire, &e) < 0)
        sim_broken(s, "%s is no name: %s", name, e.text);
    zone_find(zones_current(s->w.zones), wire, type, match);
    return match->kind;
}

static void check_name(struct sim *s, const char *line)
{
    char owner[NAME_TEXT_MAX], type[16], child[NAME_TEXT_MAX + 8];
    struct zone_match match;
    if (sscanf(line, "%1000s %15s", owner, type) != 2)
        return;
    bool is_alias = strcmp(type, "CNAME") == 0;
    if (find(s, owner, world_type(type), &match) != MATCH_EXACT)
        sim_broken(s, "%s %s is there and not found", owner, type);
    if (find(s, owner, is_alias ? RR_SRV : RR_CNAME, &match) !=
        (is_alias ? MATCH_CNAME : MATCH_NODATA))
        sim_broken(s, "%s has %s beside a CNAME", owner, type);
    (void)snprintf(child, sizeof child, "no--pe.%s", owner);
    if (find(s, child, RR_A, &match) != MATCH_NXDOMAIN)
        sim_broken(s, "%s exists", child);
    for (const char *up = strchr(owner, '.'); up && up[1]; up = strchr(up + 1, '.')) {
        enum match_kind kind = find(s, up + 1, RR_CNAME, &match);
        if (kind == MATCH_OUTSIDE)
            break;
        if (kind != MATCH_NODATA && kind != MATCH_EXACT)
            sim_broken(s, "%s is above %s and does not exist", up + 1, owner);
    }
}

static void check_namespaces(struct sim *s, const struct store_view *view)
{
    struct view_cursor cur;
    for (view_seek(&cur, view, KIND_NAMESPACE, NULL, NULL); cur.object; view_next(&cur))
        for (int i = 0; i < 2; i++) {
            char name[256];
            struct zone_match match;
            (void)snprintf(name, sizeof name, "%s.%s." Z, cur.object->name, i ? "svc" : "pod");
            if (find(s, name, RR_A, &match) != MATCH_NODATA)
                sim_broken(s, "%s is not an empty node", name);
        }
}

void sim_check_dns(struct sim *s)
{
    struct store_view view = store_applied(s->w.store);
    struct want want = {.view = &view};
    struct lines have = {0};
    s->checks++;
    want_everything(&want);
    have_everything(&have, zones_current(s->w.zones));
    compare(s, &want.lines, &have);
    for (size_t i = s->checks % LOOKUP_EVERY; i < want.lines.count; i += LOOKUP_EVERY)
        check_name(s, want.lines.text[i]);
    check_namespaces(s, &view);
    lines_fini(&want.lines);
    lines_fini(&want.hidden);
    lines_fini(&have);
    free(want.ptrs);
}
