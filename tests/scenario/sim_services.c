/* What users do to Services. */
#include "tests/scenario/sim.h"

void sim_put_service(struct sim *s, const struct cast *c)
{
    static const char *const targets[] = {"8000", "8001", "'web'", "'other'"};
    static const char *const families[] = {"PreferDualStack", "PreferDualStack", "SingleStack"};
    sim_apply(s, c->ns,
              "{'apiVersion':'v1','kind':'Service','metadata':{'name':'%s',"
              "'annotations':{'ordinald.dev/publish-identity':'%s'}},"
              "'spec':{'clusterIP':'None','publishNotReadyAddresses':%s,"
              "'ipFamilyPolicy':'%s','selector':{'app':'%s'},"
              "'ports':[{'name':'http','port':80,'targetPort':%s}]}}",
              c->name, sim_one_in(s, 4) ? "always" : "never", sim_one_in(s, 3) ? "true" : "false",
              s->is_dual_stack ? families[sim_below(s, ARRAY_SIZE(families))] : "SingleStack",
              c->name, targets[sim_below(s, ARRAY_SIZE(targets))]);
}

void sim_do_service(struct sim *s)
{
    const struct cast *c = sim_any_set(s);
    const struct delete_opts opts = {0};
    if (sim_one_in(s, 5)) {
        sim_did(s, "delete Service %s/%s", c->ns, c->name);
        sim_delete(s, KIND_SERVICE, c->ns, c->name, &opts);
    } else {
        sim_did(s, "put Service %s/%s", c->ns, c->name);
        sim_put_service(s, c);
    }
}

/* A second Service over the pods of a set: with an address of its own, other ports, of several
 * types. */
void sim_do_front(struct sim *s)
{
    static const char *const types[] = {"ClusterIP", "ClusterIP", "NodePort", "LoadBalancer"};
    const struct cast *c = sim_any_set(s);
    const struct delete_opts opts = {0};
    if (sim_one_in(s, 6)) {
        sim_did(s, "delete Service %s/front", c->ns);
        sim_delete(s, KIND_SERVICE, c->ns, "front", &opts);
        return;
    }
    sim_did(s, "put Service %s/front over %s", c->ns, c->name);
    sim_apply(s, c->ns,
              "{'apiVersion':'v1','kind':'Service','metadata':{'name':'front'},"
              "'spec':{'type':'%s','externalName':null,'selector':{'app':'%s'},"
              "'publishNotReadyAddresses':%s,'ports':[{'name':'web','port':%u},"
              "{'name':'dns','protocol':'UDP','port':53}]}}",
              types[sim_below(s, ARRAY_SIZE(types))], c->name, sim_one_in(s, 4) ? "true" : "false",
              80 + (unsigned)sim_below(s, 2));
}

/* K-EXT: a Service that is another name, and one that was something else before. */
void sim_do_alias(struct sim *s)
{
    static const char *const targets[] = {"www.example.com", "web.default.svc.cluster.local",
                                          "192.0.2.7", "gone.default.svc.cluster.local"};
    const char *name = sim_one_in(s, 3) ? "front" : "alias", *ns = sim_any_namespace(s);
    const char *target = targets[sim_below(s, ARRAY_SIZE(targets))];
    sim_did(s, "%s/%s is %s", ns, name, target);
    sim_apply(s, ns,
              "{'apiVersion':'v1','kind':'Service','metadata':{'name':'%s'},"
              "'spec':{'type':'ExternalName','externalName':'%s'}}",
              name, target);
}

/* A Service without selector, whose slice is its owner's affair (R91). */
void sim_do_hand(struct sim *s)
{
    const char *ns = sim_any_namespace(s);
    const struct delete_opts opts = {0};
    if (sim_one_in(s, 5)) {
        bool is_slice = sim_one_in(s, 2);
        sim_did(s, "delete %s/hand", ns);
        sim_delete(s, is_slice ? KIND_SLICE : KIND_SERVICE, ns, "hand", &opts);
        return;
    }
    sim_did(s, "put %s/hand", ns);
    sim_apply(s, ns,
              "{'apiVersion':'v1','kind':'Service','metadata':{'name':'hand'},"
              "'spec':{%s'publishNotReadyAddresses':%s,'ports':[{'name':'sql','port':5432}]}}",
              strcmp(ns, "default") == 0 ? "'clusterIP':'None'," : "",
              sim_one_in(s, 3) ? "true" : "false");
    sim_apply(s, ns,
              "{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice',"
              "'metadata':{'name':'hand','labels':{'kubernetes.io/service-name':'hand'}},"
              "'addressType':'IPv4','ports':[{'name':'sql','protocol':'TCP','port':5432}],"
              "'endpoints':[{'addresses':['10.244.200.%u'],'hostname':'a','conditions':{}},"
              "{'addresses':['10.244.201.%u'],'conditions':{'ready':%s}}]}",
              1 + (unsigned)sim_below(s, 3), 1 + (unsigned)sim_below(s, 3),
              sim_one_in(s, 2) ? "true" : "false");
}

typedef void action_fn(struct sim *s);

/* Two writes of the same kind, the second one while the commit of the first is under way: names are
 * those of what is committed, until it has ended and afterwards (DESIGN section 1). */
void sim_do_overtake(struct sim *s)
{
    static action_fn *const writes[] = {sim_do_hand, sim_do_front, sim_do_service, sim_do_alias,
                                        sim_do_namespace};
    action_fn *write = writes[sim_below(s, ARRAY_SIZE(writes))];
    world_settle(&s->w);
    s->is_late_due = true;
    write(s);
    while (!sim_ledger_is_flying(s) && loop_step(s->w.loop)) {
    }
    sim_did(s, "overtaken by");
    write(s);
    s->is_late_due = false;
    sim_check_dns(s);
    world_settle(&s->w);
}
