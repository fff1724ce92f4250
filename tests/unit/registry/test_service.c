/* Services and EndpointSlices: R99, K-NAMES, state S0, changes of type (D9, D10). */
#include "tests/unit/registry/fixture.h"
#include "tests/unit/registry/state_s0.h"

#define SVC KIND_SERVICE, "default"

static void state_s0_is_accepted_as_it_is(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_SIZE(state_s0); i++) {
        int rc = create(f, state_s0[i].kind, state_s0[i].ns, state_s0[i].json);
        bool is_there = rc == ERR_EXISTS && state_s0[i].kind == KIND_NAMESPACE;
        if (rc < 0 && !is_there)
            fail_msg("%s: %s", state_s0[i].json, f->e.text);
    }
    assert_field(f, KIND_SERVICE, "prod", "dual", "spec>ipFamilies", "[\"IPv4\",\"IPv6\"]");
    assert_field(f, KIND_SERVICE, "prod", "dual", "spec>ipFamilyPolicy", "\"RequireDualStack\"");
    assert_field(f, KIND_SERVICE, "prod", "six", "spec>ipFamilies", "[\"IPv6\"]");
    assert_field(f, KIND_SERVICE, "prod", "six", "spec>ipFamilyPolicy", "\"SingleStack\"");
    assert_field(f, KIND_SERVICE, "prod", "raw", "spec>ports>0>targetPort", "5432");
    assert_field(f, KIND_SERVICE, "prod", "ext", "spec>clusterIP", "");
    /* Pod status goes through /status (A25). */
    assert_field(f, KIND_POD, "prod", "job-x", "status>phase", "\"Pending\"");
    assert_ok(f, merge_status(f, KIND_POD, "prod", "job-x",
                              "{\"status\":{\"phase\":\"Succeeded\",\"podIP\":\"10.244.1.99\"}}"));
    assert_field(f, KIND_POD, "prod", "job-x", "status>podIPs", "[{\"ip\":\"10.244.1.99\"}]");
    /* D9, D10. */
    assert_ok(f, merge(f, KIND_SERVICE, "prod", "ext",
                       "{\"spec\":{\"externalName\":\"bar.example.com\"}}"));
    assert_ok(f, merge(f, KIND_SERVICE, "prod", "ext",
                       "{\"spec\":{\"type\":\"ClusterIP\",\"clusterIP\":\"10.96.10.60\",\"ports\":["
                       "{\"name\":\"http\",\"port\":80}]}}"));
    assert_field(f, KIND_SERVICE, "prod", "ext", "spec>clusterIPs", "[\"10.96.10.60\"]");
    assert_field(f, KIND_SERVICE, "prod", "ext", "spec>externalName", "");
}

static void r99_defaults_of_a_service(void **state)
{
    struct fixture *f = *state;
    assert_ok(f, create(f, SVC,
                        "{\"metadata\":{\"name\":\"1svc\"},\"spec\":{\"ports\":[{\"port\":80}]}}"));
    assert_field(f, SVC, "1svc", "spec>type", "\"ClusterIP\"");
    assert_field(f, SVC, "1svc", "spec>ports",
                 "[{\"port\":80,\"protocol\":\"TCP\",\"targetPort\":80}]");
    assert_field(f, SVC, "1svc", "spec>sessionAffinity", "\"None\"");
    assert_field(f, SVC, "1svc", "spec>internalTrafficPolicy", "\"Cluster\"");
    assert_field(f, SVC, "1svc", "spec>ipFamilies", "[\"IPv4\"]");
    assert_field(f, SVC, "1svc", "spec>ipFamilyPolicy", "\"SingleStack\"");
    assert_field(f, SVC, "1svc", "status", "{\"loadBalancer\":{}}");
    const struct service_view *view = service_view(look(f, SVC, "1svc"));
    assert_int_equal(view->cluster_ip_count, 1);
    assert_memory_equal(view->cluster_ips[0], "10.", 3);
    assert_ok(f,
              create(f, SVC, "{\"metadata\":{\"name\":\"h\"},\"spec\":{\"clusterIP\":\"None\"}}"));
    assert_field(f, SVC, "h", "spec>clusterIPs", "[\"None\"]");
    assert_ok(f, create(f, SVC,
                        "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"ipFamilyPolicy\":"
                        "\"PreferDualStack\",\"ports\":[{\"port\":80}]}}"));
    assert_field(f, SVC, "p", "spec>ipFamilies", "[\"IPv4\",\"IPv6\"]");
    assert_int_equal(service_view(look(f, SVC, "p"))->cluster_ip_count, 2);
    assert_ok(f, merge(f, SVC, "p", "{\"spec\":{\"ipFamilyPolicy\":\"SingleStack\"}}"));
    assert_int_equal(service_view(look(f, SVC, "p"))->cluster_ip_count, 1);
    assert_field(f, SVC, "p", "spec>ipFamilies", "[\"IPv4\"]");
    assert_ok(f, merge(f, SVC, "p", "{\"spec\":{\"ipFamilyPolicy\":\"RequireDualStack\"}}"));
    assert_int_equal(service_view(look(f, SVC, "p"))->cluster_ip_count, 2);
}

static void r99_addresses_are_unique_and_in_range(void **state)
{
    struct fixture *f = *state;
    static const char *const small[] = {"10.9.0.0/29"};
    const struct registry_opts opts = {.service_range = small, .service_range_count = 1};
    struct registry *reg = f->reg, *tiny = NULL;
    assert_int_equal(registry_new(f->store, &opts, &tiny, &f->e), 0);
    f->reg = tiny;
    for (int i = 0; i < 6; i++) {
        char json[128];
        (void)snprintf(json, sizeof(json),
                       "{\"metadata\":{\"name\":\"s%d\"},\"spec\":{\"ports\":[{\"port\":80}]}}", i);
        assert_ok(f, create(f, SVC, json));
    }
    /* Every address of the range but network and broadcast is in use, each once. */
    unsigned seen = 0;
    for (int i = 0; i < 6; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "s%d", i);
        const char *ip = service_view(look(f, SVC, name))->cluster_ips[0];
        assert_memory_equal(ip, "10.9.0.", 7);
        seen |= 1u << strtol(ip + 7, NULL, 10);
    }
    assert_int_equal(seen, 0x7e);
    assert_int_equal(
        create(f, SVC, "{\"metadata\":{\"name\":\"full\"},\"spec\":{\"ports\":[{\"port\":80}]}}"),
        ERR_INTERNAL);
    assert_ok(f, delete_plain(f, SVC, "s3"));
    assert_ok(
        f,
        create(f, SVC, "{\"metadata\":{\"name\":\"again\"},\"spec\":{\"ports\":[{\"port\":80}]}}"));
    f->reg = reg;
    registry_free(tiny);
    assert_ok(f, create(f, SVC,
                        "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"clusterIP\":\"10.96.0.10\","
                        "\"ports\":[{\"port\":80}]}}"));
    assert_fails(f,
                 create(f, SVC,
                        "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"clusterIP\":\"10.96.0.10\","
                        "\"ports\":[{\"port\":80}]}}"),
                 ERR_INVALID,
                 "Service \"b\" is invalid: spec.clusterIPs: Invalid value: [\"10.96.0.10\"]: "
                 "failed to allocate IP "
                 "10.96.0.10: provided IP is already allocated");
    assert_fails(
        f,
        create(f, SVC,
               "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"clusterIP\":\"1.2.3.4\",\"ports\":[{"
               "\"port\":80}]}}"),
        ERR_INVALID,
        "Service \"b\" is invalid: spec.clusterIPs: Invalid value: [\"1.2.3.4\"]: failed to "
        "allocate IP 1.2.3.4: the "
        "provided IP (1.2.3.4) is not in the valid range. The range of valid IPs is 10.96.0.0/12");
    static const char *const reserved[] = {"10.96.0.0", "10.111.255.255",
                                           "fd00:96::", "FD00:96:0::0"};
    for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
        char json[256];
        (void)snprintf(json, sizeof(json),
                       "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"clusterIP\":\"%s\",\"ports\":[{"
                       "\"port\":80}]}}",
                       reserved[i]);
        if (create(f, SVC, json) != ERR_INVALID)
            fail_msg("%s: %s", reserved[i], f->e.text);
    }
}

static uint16_t node_port(struct fixture *f, const char *name, size_t i)
{
    const struct service_view *v = service_view(look(f, SVC, name));
    assert_true(i < v->port_count);
    return v->ports[i].node_port;
}

static void r99_node_ports_are_given_once_and_kept(void **state)
{
    struct fixture *f = *state;
    assert_ok(
        f, create(f, SVC,
                  "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[{"
                  "\"name\":\"t\",\"port\":53},{\"name\":\"u\",\"port\":53,\"protocol\":\"UDP\"},"
                  "{\"name\":\"h\",\"port\":80},{\"name\":\"own\",\"port\":81,\"nodePort\":30007}]"
                  "}}"));
    uint16_t dns = node_port(f, "a", 0), http = node_port(f, "a", 2);
    assert_true(dns >= 30000 && dns <= 32767 && http >= 30000 && http <= 32767 && dns != http);
    assert_int_equal(node_port(f, "a", 1), dns); /* both protocols of one port */
    assert_int_equal(node_port(f, "a", 3), 30007);
    assert_fails(
        f,
        create(f, SVC,
               "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"type\":\"LoadBalancer\",\"ports\":[{"
               "\"port\":80,\"nodePort\":30007}]}}"),
        ERR_INVALID,
        "Service \"b\" is invalid: spec.ports[0].nodePort: Invalid value: 30007: provided "
        "port is already allocated");
    assert_fails(
        f,
        create(f, SVC,
               "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[{"
               "\"port\":80,\"nodePort\":80}]}}"),
        ERR_INVALID,
        "Service \"b\" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port "
        "is not in the valid range. The range of valid ports is 30000-32767");
    assert_ok(f, create(f, SVC,
                        "{\"metadata\":{\"name\":\"none\"},\"spec\":{\"type\":\"LoadBalancer\","
                        "\"allocateLoadBalancerNodePorts\":false,\"ports\":[{\"port\":80}]}}"));
    assert_int_equal(node_port(f, "none", 0), 0);
    assert_ok(
        f, create(f, SVC,
                  "{\"metadata\":{\"name\":\"lb\"},\"spec\":{\"type\":\"LoadBalancer\",\"ports\":[{"
                  "\"port\":80}]}}"));
    assert_true(node_port(f, "lb", 0) >= 30000);
    /* A change that leaves them out keeps them; another type gives them back. */
    assert_ok(f, merge(f, SVC, "a",
                       "{\"spec\":{\"ports\":[{\"name\":\"h\",\"port\":80},{\"name\":"
                       "\"n\",\"port\":90}]}}"));
    assert_int_equal(node_port(f, "a", 0), http);
    assert_true(node_port(f, "a", 1) >= 30000 && node_port(f, "a", 1) != http);
    assert_ok(f, merge(f, SVC, "a", "{\"spec\":{\"type\":\"ClusterIP\"}}"));
    assert_int_equal(node_port(f, "a", 0), 0);
    assert_ok(f,
              create(f, SVC,
                     "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[{"
                     "\"port\":81,\"nodePort\":30007}]}}"));
}

/* All 2768 numbers are given, each once, and then none. */
static void r99_node_ports_come_to_an_end(void **state)
{
    struct fixture *f = *state;
    static bool seen[65536];
    for (int s = 0; s < 4; s++) { /* 4 Services of 692 ports */
        char name[16];
        cJSON *tree = cJSON_CreateObject(), *spec = json_obj(tree, "spec");
        (void)snprintf(name, sizeof name, "s%d", s);
        json_set_str(json_obj(tree, "metadata"), "name", name);
        json_set_str(spec, "type", "NodePort");
        for (int i = 0; i < 692; i++) {
            cJSON *port = cJSON_CreateObject();
            char label[16];
            (void)snprintf(label, sizeof label, "p%d", i);
            json_set_str(port, "name", label);
            json_set_int(port, "port", i + 1);
            cJSON_AddItemToArray(json_arr(spec, "ports"), port);
        }
        char *text = json_print(tree, NULL);
        assert_ok(f, create(f, SVC, text));
        free(text);
        cJSON_Delete(tree);
        for (size_t i = 0; i < 692; i++) {
            assert_false(seen[node_port(f, name, i)]);
            seen[node_port(f, name, i)] = true;
        }
    }
    assert_fails(
        f,
        create(f, SVC,
               "{\"metadata\":{\"name\":\"full\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[{"
               "\"port\":80}]}}"),
        ERR_INTERNAL, "failed to allocate a nodePort: range is full");
}

static void r99_what_may_not_change(void **state)
{
    struct fixture *f = *state;
    assert_ok(f,
              create(f, SVC, "{\"metadata\":{\"name\":\"h\"},\"spec\":{\"clusterIP\":\"None\"}}"));
    assert_ok(f, create(f, SVC,
                        "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"clusterIP\":\"10.96.0.10\","
                        "\"ports\":[{\"port\":80}]}}"));
    assert_fails(
        f, merge(f, SVC, "h", "{\"spec\":{\"clusterIP\":\"10.96.0.9\",\"ports\":[{\"port\":80}]}}"),
        ERR_INVALID,
        "Service \"h\" is invalid: spec.clusterIPs[0]: Invalid value: [\"10.96.0.9\"]: may not "
        "change once set");
    assert_fails(f, merge(f, SVC, "a", "{\"spec\":{\"clusterIP\":\"None\"}}"), ERR_INVALID,
                 "Service \"a\" is invalid: spec.clusterIPs[0]: Invalid value: [\"None\"]: may not "
                 "change once set");
    assert_int_equal(merge(f, SVC, "a", "{\"spec\":{\"clusterIP\":\"10.96.0.11\"}}"), ERR_INVALID);
    /* A PUT without addresses keeps them. */
    assert_ok(f, update(f, SVC, "a", SUB_NONE, verb_change_replace,
                        "{\"spec\":{\"ports\":[{\"port\":81}]}}"));
    assert_field(f, SVC, "a", "spec>clusterIPs", "[\"10.96.0.10\"]");
    assert_field(f, SVC, "a", "spec>ports>0>targetPort", "81");
    /* To ExternalName the address is given back, and can be taken by another. */
    assert_ok(f, merge(f, SVC, "a",
                       "{\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"x.example\"}}"));
    assert_field(f, SVC, "a", "spec>clusterIP", "");
    assert_field(f, SVC, "a", "spec>ipFamilies", "");
    assert_ok(f, create(f, SVC,
                        "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"clusterIP\":\"10.96.0.10\","
                        "\"ports\":[{\"port\":80}]}}"));
}

static void service_errors_read_as_in_kubernetes(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *spec, *text;
    } cases[] = {
        {"{\"ports\":[{\"port\":0}]}",
         "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"},
        {"{}", "spec.ports: Required value"},
        {"{\"ports\":[{\"port\":80},{\"port\":81,\"name\":\"a\"}]}",
         "spec.ports[0].name: Required value"},
        {"{\"ports\":[{\"port\":80,\"name\":\"a\"},{\"port\":81,\"name\":\"a\"}]}",
         "spec.ports[1].name: Duplicate value: \"a\""},
        {"{\"ports\":[{\"port\":80,\"name\":\"a\"},{\"port\":80,\"name\":\"b\"}]}",
         "spec.ports[1]: Duplicate value: {\"protocol\":\"TCP\",\"port\":80}"},
        {"{\"ports\":[{\"port\":80,\"protocol\":\"X\"}]}",
         "spec.ports[0].protocol: Unsupported value: \"X\": supported values: \"SCTP\", \"TCP\", "
         "\"UDP\""},
        {"{\"type\":\"Foo\",\"ports\":[{\"port\":80}]}",
         "spec.type: Unsupported value: \"Foo\": supported values: \"ClusterIP\", "
         "\"ExternalName\", \"LoadBalancer\", "
         "\"NodePort\""},
        {"{\"type\":\"ExternalName\"}", "spec.externalName: Required value"},
        {"{\"type\":\"NodePort\",\"ports\":[{\"name\":\"a\",\"port\":80,\"nodePort\":30001},"
         "{\"name\":\"b\",\"port\":81,\"nodePort\":30001}]}",
         "spec.ports[1].nodePort: Duplicate value: {\"protocol\":\"TCP\",\"nodePort\":30001}"},
        {"{\"ports\":[{\"port\":80,\"nodePort\":30000}]}",
         "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"},
        {"{\"ports\":[{\"port\":80,\"targetPort\":\"a--b\"}]}",
         "spec.ports[0].targetPort: Invalid value: \"a--b\": must not contain consecutive hyphens"},
        {"{\"type\":\"NodePort\",\"clusterIP\":\"None\",\"ports\":[{\"port\":80}]}",
         "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort "
         "services"},
        {"{\"clusterIP\":\"10.96.0.7\",\"clusterIPs\":[\"10.96.0.8\"],\"ports\":[{\"port\":80}]}",
         "spec.clusterIPs: Invalid value: [\"10.96.0.8\"]: first value must match `clusterIP`"},
        {"{\"ports\":[{\"port\":-1,\"targetPort\":70000}]}",
         "[spec.ports[0].port: Invalid value: -1: must be between 1 and 65535, inclusive, "
         "spec.ports[0].targetPort: Invalid "
         "value: 70000: must be between 1 and 65535, inclusive]"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char json[512], want[1024];
        (void)snprintf(json, sizeof(json), "{\"metadata\":{\"name\":\"x\"},\"spec\":%s}",
                       cases[i].spec);
        (void)snprintf(want, sizeof(want), "Service \"x\" is invalid: %s", cases[i].text);
        assert_fails(f, create(f, SVC, json), ERR_INVALID, want);
    }
}

static void slices_are_checked_by_their_address_type(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *body, *text; /* NULL: accepted */
    } cases[] = {
        {"\"addressType\":\"IPv4\",\"endpoints\":[{\"addresses\":[\"fd00::1\"]}]",
         "endpoints[0].addresses[0]: Invalid value: \"fd00::1\": must be a valid IPv4 address"},
        {"\"addressType\":\"IPv6\",\"endpoints\":[{\"addresses\":[\"1.2.3.4\"]}]",
         "endpoints[0].addresses[0]: Invalid value: \"1.2.3.4\": must be a valid IPv6 address"},
        {"\"addressType\":\"IPv6\",\"endpoints\":[{\"addresses\":[\"::ffff:1.2.3.4\"]}]",
         "endpoints[0].addresses[0]: Invalid value: \"::ffff:1.2.3.4\": must be a valid IPv6 "
         "address"},
        {"\"endpoints\":[]", "addressType: Required value"},
        {"\"addressType\":\"IPv5\"", "addressType: Unsupported value: \"IPv5\": supported values: "
                                     "\"FQDN\", \"IPv4\", \"IPv6\""},
        {"\"addressType\":\"IPv4\",\"endpoints\":[{\"addresses\":[]}]",
         "endpoints[0].addresses: Required value: must contain at least 1 address"},
        {"\"addressType\":\"IPv4\",\"endpoints\":[{\"addresses\":[\"1.1.1.1\"],\"hostname\":\"a."
         "b\"}]",
         "endpoints[0].hostname: Invalid value: \"a.b\": a lowercase RFC 1123 label must consist "
         "of lower case alphanumeric "
         "characters or '-', and must start and end with an alphanumeric character (e.g. "
         "'my-name',  or '123-abc', regex "
         "used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"},
        {"\"addressType\":\"IPv4\",\"ports\":[{\"port\":1},{\"port\":2}]",
         "ports[1].name: Duplicate value: \"\""},
        {"\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"a\"}]", NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char json[512], want[1024];
        (void)snprintf(json, sizeof(json), "{\"metadata\":{\"name\":\"x\"},%s}", cases[i].body);
        (void)snprintf(want, sizeof(want), "EndpointSlice.discovery.k8s.io \"x\" is invalid: %s",
                       cases[i].text ? cases[i].text : "");
        if (cases[i].text)
            assert_fails(f, create(f, KIND_SLICE, "default", json), ERR_INVALID, want);
        else
            assert_ok(f, create(f, KIND_SLICE, "default", json));
    }
    assert_fails(f, merge(f, KIND_SLICE, "default", "x", "{\"addressType\":\"IPv6\"}"), ERR_INVALID,
                 "EndpointSlice.discovery.k8s.io \"x\" is invalid: addressType: Invalid value: "
                 "\"IPv6\": field is immutable");
}

static void slices_have_at_most_1000_endpoints_and_100_ports(void **state)
{
    struct fixture *f = *state;
    cJSON *slice = parse(
        "{\"metadata\":{\"name\":\"x\"},\"addressType\":\"IPv4\",\"endpoints\":[],\"ports\":[]}");
    for (int i = 0; i < 1001; i++)
        cJSON_AddItemToArray(json_get(slice, "endpoints"), parse("{\"addresses\":[\"1.1.1.1\"]}"));
    char *text = json_print(slice, NULL);
    assert_fails(f, create(f, KIND_SLICE, "default", text), ERR_INVALID,
                 "EndpointSlice.discovery.k8s.io \"x\" is invalid: endpoints: Too many: 1001: must "
                 "have at most 1000 items");
    free(text);
    cJSON_DeleteItemFromArray(json_get(slice, "endpoints"), 0);
    text = json_print(slice, NULL);
    assert_ok(f, create(f, KIND_SLICE, "default", text));
    free(text);
    cJSON_Delete(slice);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(state_s0_is_accepted_as_it_is),
        T(r99_defaults_of_a_service),
        T(r99_addresses_are_unique_and_in_range),
        T(r99_node_ports_are_given_once_and_kept),
        T(r99_node_ports_come_to_an_end),
        T(r99_what_may_not_change),
        T(service_errors_read_as_in_kubernetes),
        T(slices_are_checked_by_their_address_type),
        T(slices_have_at_most_1000_endpoints_and_100_ports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
