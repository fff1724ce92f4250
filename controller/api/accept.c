#include "controller/api/accept.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"

#define OPENAPI_PB "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"

/* One member of the list: type and the parameters that matter. */
struct range {
    char type[96], as[48], group[48], version[16];
    int quality; /* thousandths */
};

static void copy(char *out, size_t size, const char *text, size_t len)
{
    if (len >= size)
        len = 0; /* longer than anything we serve */
    memcpy(out, text, len);
    out[len] = '\0';
}

static int parse_quality(const char *text)
{
    double q = strtod(text, NULL);
    return q >= 0 && q <= 1 ? (int)(q * 1000) : 1000;
}

static void parse_param(struct range *r, const char *text, size_t len)
{
    const char *equal = memchr(text, '=', len);
    if (!equal)
        return;
    const char *value = equal + 1;
    size_t name = (size_t)(equal - text), n = len - name - 1;
    if (n >= 2 && *value == '"' && value[n - 1] == '"') {
        value++;
        n -= 2;
    }
    if (name == 2 && strncasecmp(text, "as", 2) == 0)
        copy(r->as, sizeof r->as, value, n);
    else if (name == 1 && *text == 'g')
        copy(r->group, sizeof r->group, value, n);
    else if (name == 1 && *text == 'v')
        copy(r->version, sizeof r->version, value, n);
    else if (name == 1 && (*text == 'q' || *text == 'Q')) {
        char number[16];
        copy(number, sizeof number, value, n);
        r->quality = parse_quality(number);
    }
}

/* Reads one member, returns where the next begins. */
static const char *parse_range(const char *at, struct range *r)
{
    *r = (struct range){.quality = 1000};
    bool first = true;
    for (;;) {
        at += strspn(at, " \t");
        size_t len = strcspn(at, ",;"), n = len;
        while (n && (at[n - 1] == ' ' || at[n - 1] == '\t'))
            n--;
        if (first)
            copy(r->type, sizeof r->type, at, n);
        else
            parse_param(r, at, n);
        first = false;
        at += len;
        if (*at != ';')
            return *at ? at + 1 : at;
        at++;
    }
}

static unsigned json_variant(const struct range *r)
{
    bool meta = strcmp(r->group, "meta.k8s.io") == 0 && strcmp(r->version, "v1") == 0;
    if (!*r->as)
        return ACCEPT_JSON;
    if (strcmp(r->as, "Table") == 0)
        return meta ? ACCEPT_TABLE : 0;
    if (strncmp(r->as, "PartialObjectMetadata", 21) == 0)
        return meta ? ACCEPT_PARTIAL : 0;
    if (strcmp(r->as, "APIGroupDiscoveryList") == 0)
        return strcmp(r->group, "apidiscovery.k8s.io") == 0 && strcmp(r->version, "v2") == 0
                   ? ACCEPT_DISCOVERY_V2
                   : 0;
    return 0;
}

static unsigned variant_of(const struct range *r, unsigned servable)
{
    if (strcasecmp(r->type, "application/json") == 0)
        return json_variant(r);
    if (strcmp(r->type, "*/*") == 0)
        return servable & (~servable + 1);
    if (strcasecmp(r->type, "application/*") == 0)
        return servable & (ACCEPT_JSON | ACCEPT_OPENAPI_PB);
    if (strcasecmp(r->type, OPENAPI_PB) == 0 ||
        strcasecmp(r->type, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf") == 0)
        return ACCEPT_OPENAPI_PB;
    if (strcasecmp(r->type, "text/plain") == 0 || strcasecmp(r->type, "text/*") == 0)
        return ACCEPT_TEXT;
    return 0;
}

unsigned accept_choose(const char *header, unsigned servable, struct err *e)
{
    if (!header || !*header)
        return servable & (~servable + 1);
    unsigned best = 0;
    int quality = 0;
    for (const char *at = header; *at;) {
        struct range r;
        at = parse_range(at, &r);
        unsigned variant = variant_of(&r, servable) & servable;
        if (variant && r.quality > quality) {
            best = variant & (~variant + 1);
            quality = r.quality;
        }
    }
    if (!best)
        err_set(e, ERR_NOT_ACCEPTABLE,
                "only the following media types are accepted: application/json, "
                "application/json;as=Table;v=v1;g=meta.k8s.io, "
                "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io");
    return best;
}

const char *accept_content_type(enum accept_variant variant)
{
    switch (variant) {
    case ACCEPT_JSON:
        return "application/json";
    case ACCEPT_TABLE:
        return "application/json;as=Table;v=v1;g=meta.k8s.io";
    case ACCEPT_PARTIAL:
        return "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
    case ACCEPT_DISCOVERY_V2:
        return "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    case ACCEPT_OPENAPI_PB:
        return OPENAPI_PB;
    case ACCEPT_TEXT:
        return "text/plain; charset=utf-8";
    }
    return "application/json";
}
