/* conf/check.h - what a single value must look like; private to conf/. Each returns NULL when good,
 * else what is wrong. */
#pragma once

#include <stdbool.h>

const char *check_endpoint(const char *value); /* ADDR:PORT */
/* The same; a link-local address may name its interface: [fe80::1%eth0]:53 */
const char *check_scoped_endpoint(const char *value);
const char *check_api_listen(const char *value); /* the same, "https://" may be before it */
const char *check_address(const char *value);
const char *check_cidr(const char *value);
const char *check_network(const char *value);      /* "any", an address or a CIDR */
const char *check_transfer(const char *value);     /* the same; TSIG keys are not known yet */
const char *check_upstream(const char *value);     /* ADDR, ADDR:PORT, [ADDR]:PORT */
const char *check_forward_zone(const char *value); /* "NAME=ADDR ADDR" */
const char *check_reverse(const char *value); /* a CIDR or a name below in-addr.arpa or ip6.arpa */
const char *check_zone(const char *value);    /* a domain name with at least one label */
const char *check_nsid(const char *value);    /* at most 128 octets, as dns/ has room for */
const char *check_chaos(const char *value);   /* at most 255 */
const char *check_socket(const char *value);  /* "" or an absolute path that fits sockaddr_un */
const char *check_path(const char *value);
const char *check_class(const char *value); /* "" or a DNS subdomain */
const char *check_prefix(const char *value);

/* A value of api.listen that is not plain HTTP on loopback. */
bool endpoint_needs_tls(const char *value);
