/* controller/api/events_v1.c - one Event in two dresses: v1 as it is stored, events.k8s.io/v1 as
 * newer recorders speak. */
#include <string.h>

#include "controller/api/api.h"

static const struct {
    const char *core, *v1;
} names[] = {
    {"involvedObject", "regarding"},
    {"message", "note"},
    {"source", "deprecatedSource"},
    {"firstTimestamp", "deprecatedFirstTimestamp"},
    {"lastTimestamp", "deprecatedLastTimestamp"},
    {"count", "deprecatedCount"},
    {"reportingComponent", "reportingController"},
};

static void rename_member(cJSON *event, const char *from, const char *to)
{
    cJSON *value = cJSON_DetachItemFromObjectCaseSensitive(event, from);
    if (!value)
        return;
    json_del(event, to);
    json_set(event, to, value);
}

void event_to_v1(cJSON *event)
{
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        rename_member(event, names[i].core, names[i].v1);
    json_set_str(event, "apiVersion", "events.k8s.io/v1");
}

void event_from_v1(cJSON *event)
{
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        rename_member(event, names[i].v1, names[i].core);
    if (strcmp(json_str(event, "apiVersion", ""), "events.k8s.io/v1") == 0)
        json_set_str(event, "apiVersion", "v1");
}
