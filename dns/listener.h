/* dns/listener.h - what one worker has open on one listen address: a UDP socket and a TCP listener,
 * which come and go while it answers.
 *
 * The control thread opens the sockets and hands them over; the worker takes them at its next wake.
 * When an address goes, what was received is answered, open TCP connections go on, and the UDP
 * socket stays until the last answer that waits for an upstream has left through it. */
#pragma once

#include "dns/worker.h"

struct listener {
    struct list link; /* in worker.listeners */
    bool has_left;
    struct udp_socket udp;
    struct tcp_listener tcp;
};

/* Control thread. Takes the sockets; number is how the address is called when it goes. */
void listener_hand_over(struct worker *w, uint64_t number, int udp_fd, int tcp_fd,
                        bool has_pktinfo);
/* Control thread: the worker lets that address go. */
void listener_call_back(struct worker *w, uint64_t number);

/* Worker's thread: takes and lets go what it was told. */
void listener_take_changes(struct worker *w);
/* Worker's thread: one user less, of those that udp_socket.users counts; the last one of a listener
 * that has left frees it. */
void listener_release(struct udp_socket *socket);
/* Worker's thread: at its end, whoever has asked is answered and nobody else is heard. */
void listener_drain_all(struct worker *w);
/* Joined, or never started: closes everything, also what was never taken. */
void listener_free_all(struct worker *w);
