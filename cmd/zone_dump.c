#include "cmd/zone_dump.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/publish.h"
#include "zones/name.h"
#include "zones/zone_text.h"

#define PIECE_BYTES ((size_t)64 << 10)

struct zone_dump {
    struct publish_pin *pin;
    struct zone_text text;
};

static bool dump_next(void *arg, struct buf_out *out)
{
    struct zone_dump *dump = arg;
    return zone_text_some(&dump->text, out->len + PIECE_BYTES, out);
}

static void dump_done(void *arg)
{
    struct zone_dump *dump = arg;
    publish_unpin(dump->pin);
    free(dump);
}

int zone_dump(struct zones *zones, const char *zone, struct api_text *out, struct err *e)
{
    uint8_t name[NAME_MAX_WIRE];
    int rc = name_parse(zone, name, e);
    if (rc < 0)
        return rc;
    struct publish_pin *pin = publish_pin_current(zones_publish(zones));
    const struct zone_version *version = publish_pin_root(pin);
    const struct zone_apex *apex = zone_apex_find(version, name);
    size_t len = 0;
    const uint8_t *apex_name = apex ? zone_node_name(apex->node, &len) : NULL;
    if (!apex || !name_equal(apex_name, name)) {
        publish_unpin(pin);
        return err_set(e, ERR_NOT_FOUND, "no zone \"%s\" is served here", zone);
    }
    struct zone_dump *dump = xcalloc(1, sizeof *dump);
    dump->pin = pin;
    zone_text_init(&dump->text, version, apex);
    *out = (struct api_text){.next = dump_next, .done = dump_done, .arg = dump};
    return 0;
}
