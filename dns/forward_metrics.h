/* dns/forward_metrics.h - the families ordinald_forward_* (R-170), summed over the workers when
 * asked. Control thread. */
#pragma once

#include "base/metrics.h"
#include "dns/worker.h"

#define FORWARD_FAMILIES 8

struct forward_metrics {
    const struct dns_shared *shared; /* borrowed */
    struct metric_family families[FORWARD_FAMILIES];
};

/* Only where something is forwarded. m lives as long as the metrics. */
void forward_metrics_register(struct forward_metrics *m, const struct dns_shared *shared);
