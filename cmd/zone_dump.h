/* cmd/zone_dump.h - a zone as text for the API, in pieces: the API and the zones do not know each
 * other. Control thread. */
#pragma once

#include "base/err.h"
#include "controller/api/server.h"
#include "zones/zone_txn.h"

/* Of the version that is published now, which is kept until the text is done. ERR_NOT_FOUND: no
 * such zone. ERR_INVALID: no name. */
int zone_dump(struct zones *zones, const char *zone, struct api_text *out, struct err *e);
