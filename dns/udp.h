/* dns/udp.h - datagrams in batches: recvmmsg, answer, sendmmsg.
 *
 * Answers are written where sendmmsg sends them from. Worker's thread; the batch is the worker's,
 * used by all its sockets. */
#pragma once

#include "dns/worker.h"

struct udp_batch *udp_batch_new(void);
void udp_batch_free(struct udp_batch *batch);

void udp_start(struct udp_socket *socket);
/* From now on the kernel gives it nothing more: another socket bound to the address gets it. */
void udp_refuse(struct udp_socket *socket);
/* Answers what has been received, then forgets the event. The socket stays open. */
void udp_drain(struct udp_socket *socket);
