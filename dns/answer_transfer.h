/* dns/answer_transfer.h - who gets a zone, and what the first message of a transfer is (K-XFR,
 * Private to dns/answer. */
#pragma once

#include "dns/message.h"

/* AXFR or IXFR of class IN. The checks, in this order: zone (exact apex, any case) or NOTAUTH;
 * access.transfer and no AXFR over UDP, or REFUSED; loaded, and the quota not spent, or SERVFAIL.
 */
void answer_transfer(struct message *m, const struct zone_version *version, const struct query *q);
