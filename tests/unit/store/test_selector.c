#include "controller/store/selector.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/json.h"
#include "controller/store/object.h"

static const struct label web[] = {{"app", "web"}, {"level", "7"}, {"tier", ""}};

static void query_text_selects_as_upstream_does(void **state)
{
    static const struct {
        const char *text;
        bool matches;
    } rows[] = {
        {"", true},
        {"app=web", true},
        {"app==web", true},
        {" app = web ", true},
        {"app!=web", false},
        {"app=db", false},
        {"none!=x", true}, /* an absent key is not equal to anything */
        {"app in (web,db)", true},
        {"app in ( db )", false},
        {"app notin (db)", true},
        {"app notin (web)", false},
        {"none notin (web)", true},
        {"app", true},
        {"none", false},
        {"!none", true},
        {"!app", false},
        {"tier=", true},
        {"app=", false},
        {"tier in (,x)", true},
        {"app in (web,)", true},
        {"level>6", true},
        {"level>7", false},
        {"level<8", true},
        {"level gt 6", true},
        {"app>1", false}, /* the value is no number */
        {"none>1", false},
        {"app=web,level=7,!none", true},
        {"app=web,level=8", false},
        {"in in (a)", false}, /* words are keys where a key stands */
        {"notin!=a", true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct selector s;
        struct err e = {0};
        if (selector_parse(rows[i].text, &s, &e) < 0)
            fail_msg("'%s': %s", rows[i].text, e.text);
        if (selector_matches(&s, web, ARRAY_SIZE(web)) != rows[i].matches)
            fail_msg("'%s' should%s match", rows[i].text, rows[i].matches ? "" : " not");
        selector_fini(&s);
    }
}

static void bad_query_text_is_refused_with_a_sentence(void **state)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"a in b", "unable to parse requirement: found 'b', expected: '('"},
        {"a in (b", "unable to parse requirement: found '', expected: ',' or ')'"},
        {"a in (b c)", "unable to parse requirement: found 'c', expected: ',' or ')'"},
        {"a in ()", "values set can't be empty"},
        {"a in (=)", "unable to parse requirement: found '=', expected: ',', ')' or identifier"},
        {"a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"},
        {"a=b c", "found 'c', expected: ',' or 'end of string'"},
        {"a=b,", "found '', expected: identifier after ','"},
        {",a", "found ',', expected: !, identifier, or 'end of string'"},
        {"=a", "found '=', expected: !, identifier, or 'end of string'"},
        {"!", "unable to parse requirement: found '', expected: identifier"},
        {"!a=b", "found '=', expected: ',' or 'end of string'"},
        {"a==", NULL},
        {"a===b", "unable to parse requirement: found '=', expected: identifier"},
        {"a>x", "the value must be an integer"},
        {"a>", "the value must be an integer"},
        {"a/b/c=d", "a qualified name must consist of"},
        {"/a=d", "prefix part must be non-empty"},
        {"A.b/c=d", "prefix part a lowercase RFC 1123 subdomain"},
        {"a..b/c=d", "prefix part a lowercase RFC 1123 subdomain"},
        {"a/=d", "name part must be non-empty"},
        {"-a=d", "name part must consist of"},
        {"a=b$c", "a valid label must be an empty string or consist of"},
        {"a=-b", "a valid label must be an empty string or consist of"},
        {"a=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
         "must be no more than 63 characters"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct selector s;
        struct err e = {0};
        int rc = selector_parse(rows[i].text, &s, &e);
        if (!rows[i].says) {
            assert_int_equal(rc, 0);
            selector_fini(&s);
            continue;
        }
        if (rc != ERR_MALFORMED || e.code != ERR_MALFORMED || !strstr(e.text, rows[i].says))
            fail_msg("'%s': %d %s", rows[i].text, rc, e.text);
    }
}

static int from_json(const char *text, struct selector *out, struct err *e)
{
    cJSON *json = json_parse(text, strlen(text), NULL);
    assert_non_null(json);
    int rc = selector_from_json(json, "spec.selector", out, e);
    cJSON_Delete(json);
    return rc;
}

static void label_selector_objects_select_and_print(void **state)
{
    static const struct {
        const char *json, *text;
        bool matches;
    } rows[] = {
        {"{}", "", true},
        {"null", "", false},
        {"{\"matchLabels\":{\"app\":\"web\"}}", "app=web", true},
        {"{\"matchLabels\":{\"level\":\"7\",\"app\":\"web\"}}", "app=web,level=7", true},
        {"{\"matchExpressions\":[{\"key\":\"c\",\"operator\":\"In\",\"values\":[\"e\",\"d\",\"e\"]}"
         "],"
         "\"matchLabels\":{\"a\":\"b\"}}",
         "a=b,c in (d,e)", false},
        {"{\"matchExpressions\":[{\"key\":\"app\",\"operator\":\"NotIn\",\"values\":[\"x\",\"y\"]}]"
         "}",
         "app notin (x,y)", true},
        {"{\"matchExpressions\":[{\"key\":\"app\",\"operator\":\"Exists\"},{\"key\":\"x\","
         "\"operator\":\"DoesNotExist\"}]}",
         "app,!x", true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct selector s;
        assert_int_equal(from_json(rows[i].json, &s, NULL), 0);
        char *text = selector_format(&s);
        assert_string_equal(text, rows[i].text);
        if (selector_matches(&s, web, ARRAY_SIZE(web)) != rows[i].matches)
            fail_msg("%s", rows[i].json);
        free(text);
        selector_fini(&s);
    }
}

static void bad_label_selector_objects_name_their_fields(void **state)
{
    static const struct {
        const char *json, *field, *says;
    } rows[] = {
        {"[]", "spec.selector", "must be an object"},
        {"{\"matchLabels\":[]}", "spec.selector.matchLabels", "must be a map of strings"},
        {"{\"matchLabels\":{\"a\":1}}", "spec.selector.matchLabels", "must be a map of strings"},
        {"{\"matchLabels\":{\"a\":\"b c\"}}", "spec.selector.matchLabels",
         "Invalid value: \"b c\": a valid label"},
        {"{\"matchLabels\":{\"a b\":\"c\"}}", "spec.selector.matchLabels",
         "Invalid value: \"a b\": name part"},
        {"{\"matchExpressions\":{}}", "spec.selector.matchExpressions", "must be a list"},
        {"{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\"}]}",
         "spec.selector.matchExpressions[0].values",
         "Required value: must be specified when `operator` is 'In' or 'NotIn'"},
        {"{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"Exists\",\"values\":[\"x\"]}]}",
         "spec.selector.matchExpressions[0].values",
         "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'"},
        {"{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"Gt\",\"values\":[\"1\"]}]}",
         "spec.selector.matchExpressions[0].operator",
         "Invalid value: \"Gt\": not a valid selector operator"},
        {"{\"matchExpressions\":[{\"operator\":\"Exists\"}]}",
         "spec.selector.matchExpressions[0].key",
         "Invalid value: \"\": name part must be non-empty"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct selector s;
        struct err e = {0};
        assert_int_equal(from_json(rows[i].json, &s, &e), ERR_INVALID);
        assert_true(e.causes >= 1);
        assert_string_equal(e.cause[0].field, rows[i].field);
        if (!strstr(e.cause[0].text, rows[i].says) || !strstr(e.text, rows[i].field))
            fail_msg("%s: %s (%s)", rows[i].json, e.cause[0].text, e.text);
        assert_int_equal(from_json(rows[i].json, &s, NULL), ERR_INVALID);
    }
}

static struct object *object_of(enum kind_id kind, const char *text)
{
    cJSON *tree = json_parse(text, strlen(text), NULL);
    struct object *obj = NULL;
    struct err e = {0};
    assert_non_null(tree);
    if (object_new(kind_get(kind), tree, &obj, &e) < 0)
        fail_msg("%s", e.text);
    cJSON_Delete(tree);
    return obj;
}

static void field_selectors_read_the_listed_fields(void **state)
{
    static const char pod[] =
        "{\"metadata\":{\"name\":\"p\",\"namespace\":\"default\",\"uid\":\"u\"},"
        "\"spec\":{\"nodeName\":\"node1\",\"restartPolicy\":\"Always\"},\"status\":{\"phase\":"
        "\"Running\",\"podIP\":\"10.0.0.1\",\"podIPs\":[{\"ip\":\"10.0.0.1\"},{\"ip\":\"fd00::1\"}]"
        "}}";
    static const char event[] =
        "{\"metadata\":{\"name\":\"p.1\",\"namespace\":\"default\",\"uid\":\"u\"},"
        "\"involvedObject\":{\"kind\":\"Pod\",\"name\":\"a,b=c\"},\"reason\":\"Killing\","
        "\"source\":{\"component\":\"kubelet\"}}";
    static const char node[] =
        "{\"metadata\":{\"name\":\"n\",\"uid\":\"u\"},\"spec\":{\"unschedulable\":true}}";
    static const char replicaset[] = "{\"metadata\":{\"name\":\"r\",\"namespace\":\"default\","
                                     "\"uid\":\"u\"},\"status\":{\"replicas\":3}}";
    static const struct { /* NOLINT(*-optin.performance.Padding) */
        enum kind_id kind;
        const char *object, *text;
        bool matches;
    } rows[] = {
        {KIND_POD, pod, "", true},
        {KIND_POD, pod, "metadata.name=p", true},
        {KIND_POD, pod, "metadata.name==p,metadata.namespace=default", true},
        {KIND_POD, pod, "metadata.namespace!=default", false},
        {KIND_POD, pod, "spec.nodeName=node1", true},
        {KIND_POD, pod, "spec.nodeName=", false},
        {KIND_POD, pod, "spec.nodeName!=node2,status.phase=Running", true},
        {KIND_POD, pod, "status.phase!=Running", false},
        {KIND_POD, pod, "spec.restartPolicy=Always,spec.hostNetwork=false", true},
        {KIND_POD, pod,
         "spec.serviceAccountName=,status.nominatedNodeName=,spec.schedulerName=", true},
        {KIND_POD, pod, "status.podIP=10.0.0.1", true},
        {KIND_POD, pod, "status.podIPs=fd00::1", true},
        {KIND_POD, pod, "status.podIPs!=fd00::1", false},
        {KIND_EVENT, event, "involvedObject.name=a\\,b\\=c,involvedObject.kind=Pod", true},
        {KIND_EVENT, event, "reason=Killing,source=kubelet,type=,involvedObject.uid=", true},
        {KIND_EVENT, event, "reason!=Killing", false},
        {KIND_NODE, node, "spec.unschedulable=true", true},
        {KIND_NODE, node, "spec.unschedulable=false", false},
        {KIND_REPLICASET, replicaset, "status.replicas=3", true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct selector s;
        struct err e = {0};
        AUTO_OBJECT obj = object_of(rows[i].kind, rows[i].object);
        if (field_selector_parse(kind_get(rows[i].kind), rows[i].text, &s, &e) < 0)
            fail_msg("'%s': %s", rows[i].text, e.text);
        if (field_selector_matches(&s, obj) != rows[i].matches)
            fail_msg("'%s' should%s match", rows[i].text, rows[i].matches ? "" : " not");
        selector_fini(&s);
    }
}

static void unlisted_fields_are_refused(void **state)
{
    static const struct {
        enum kind_id kind;
        const char *text, *says;
    } rows[] = {
        {KIND_POD, "spec.color=red", "field label not supported: spec.color"},
        {KIND_SERVICE, "status.phase=Running", "field label not supported: status.phase"},
        {KIND_CONFIGMAP, "metadata.labels=x", "field label not supported: metadata.labels"},
        {KIND_POD, "metadata.name",
         "invalid selector: 'metadata.name'; can't understand 'metadata.name'"},
        {KIND_POD, "metadata.name=a=b", "can't understand 'metadata.name=a=b'"},
        {KIND_POD, "metadata.name!x", "can't understand"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct selector s;
        struct err e = {0};
        assert_int_equal(field_selector_parse(kind_get(rows[i].kind), rows[i].text, &s, &e),
                         ERR_MALFORMED);
        if (!strstr(e.text, rows[i].says))
            fail_msg("'%s': %s", rows[i].text, e.text);
    }
}

static void exact_fields_are_found(void **state)
{
    struct selector s;
    (void)state;
    assert_int_equal(
        field_selector_parse(kind_get(KIND_POD), "metadata.name=a,metadata.namespace!=b", &s, NULL),
        0);
    assert_string_equal(field_selector_exact(&s, "metadata.name"), "a");
    assert_null(field_selector_exact(&s, "metadata.namespace"));
    selector_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(query_text_selects_as_upstream_does),
        cmocka_unit_test(bad_query_text_is_refused_with_a_sentence),
        cmocka_unit_test(label_selector_objects_select_and_print),
        cmocka_unit_test(bad_label_selector_objects_name_their_fields),
        cmocka_unit_test(field_selectors_read_the_listed_fields),
        cmocka_unit_test(unlisted_fields_are_refused),
        cmocka_unit_test(exact_fields_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
