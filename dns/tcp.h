/* dns/tcp.h - streams: accept, cut into messages, answer, write (RFC 7766, R-080 to R-088).
 *
 *            bytes                     message              room below the limit
 *     IDLE --------> partial message --------> answered ------------------------> sent -> IDLE
 *                        | 2 s                               | above: stop reading; 5 s without
 * progress v                                   v closed                              closed
 *
 * A transfer goes on whenever the socket has taken what was written, a few messages per turn;
 * queries that come meanwhile are answered between its messages.
 *
 * Nothing blocks and nothing waits in a callback. A connection belongs to the worker that accepted
 * it. */
#pragma once

#include "dns/worker.h"

struct tcp_io *tcp_io_new(void);
void tcp_io_free(struct tcp_io *io);

void tcp_start(struct tcp_listener *listener);
void tcp_stop_listening(struct tcp_listener *listener);
/* Closes what the registry chose on this worker. */
void tcp_close_evicted(struct worker *w);
/* Closes the connections whose transfer is beyond its limits. */
void tcp_close_overdue(struct worker *w);
/* Answers what has been received on every connection, sends what the sockets take, closes. */
void tcp_drain(struct worker *w);
/* Takes a connected stream socket as if it had been accepted (tests use one end of a socketpair).
 */
void tcp_open(struct worker *w, int fd, const struct dns_peer *peer);
