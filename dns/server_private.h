/* dns/server_private.h - what tests may change between dns_server_bind and dns_server_start. */
#pragma once

#include "dns/server.h"
#include "dns/worker.h"

struct tcp_timing *dns_server_timing(struct dns_server *server);
struct forward_conf *dns_server_forward(struct dns_server *server);
struct transfer_limits *dns_server_transfer_limits(struct dns_server *server);
struct worker *dns_server_worker(struct dns_server *server, unsigned i);
