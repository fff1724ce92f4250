/* controller/api/http_peer.h - who is at the other end of a local connection.
 *
 * On a Unix socket the kernel says it (SO_PEERCRED). On loopback TCP the peer's socket is looked up
 * by sock_diag, or in /proc/net/tcp where that is not available. A socket that its process has
 * closed already belongs to root in both tables: it has no inode and counts as unknown. Control
 * thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "controller/api/http_parse.h"

bool http_peer_unix(int fd, struct http_peer *out);
/* uid of the process that holds the other end of fd; false when it cannot be told. */
bool http_peer_tcp(int fd, uint32_t *uid);
/* Root, ourselves, or whom the file mode 0660 of the Unix socket would let in: its owner and the
 * members of its group. Path "": the members of our own group. */
bool http_peer_may(uint32_t uid, const char *socket_path);
/* The same for a peer of the Unix socket, whose groups the kernel knows: whatever the mode of the
 * file has become. */
bool http_peer_may_unix(int fd, const struct http_peer *peer, const char *socket_path);
