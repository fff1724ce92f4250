/* controller/api/caller.h - who sends a request: a local user, or the subject of a client
 * certificate (api.md section 12).
 *
 *   Unix socket, loopback TCP   the transport let in nobody but root, the daemon's account, the
 *                               owner and the group of the socket: admin
 *   TLS                         by the certificate's organizations (O), as Kubernetes has them:
 *                               system:masters                          admin
 *                               system:nodes, CN system:node:<name>     node <name>
 *                               ordinald:readers                        reader
 *                               anything else                           known, without any right
 *
 * What a role may do: controller/registry/access.h. Control thread. */
#pragma once

#include "base/buf.h"
#include "controller/api/http_parse.h"
#include "controller/registry/access.h"

#define CALLER_MASTERS     "system:masters"
#define CALLER_NODES       "system:nodes"
#define CALLER_NODE_PREFIX "system:node:"
#define CALLER_READERS     "ordinald:readers"

/* Role of a peer; *out borrows from it. */
void caller_of(const struct http_peer *peer, struct access_who *out);
/* The user's name; of a local peer that of its account. Looks accounts up: not for every request.
 */
void caller_name(const struct http_peer *peer, struct buf_out *out);
/* The i-th group, or NULL after the last. */
const char *caller_group(const struct http_peer *peer, size_t i);

/* Why a request is refused, in kubectl's words: User "x" cannot list resource "pods" in API group
 * "" in the namespace "default". */
void caller_refusal(const struct http_peer *peer, const struct access_ask *ask,
                    struct buf_out *out);
