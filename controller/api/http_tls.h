/* controller/api/http_tls.h - TLS of the API: the server's certificate, and who a client's
 * certificate says it is.
 *
 * TLS 1.2 and 1.3 with forward secrecy only. Every client shows a certificate of api.tls-client-ca
 * for client use; no renegotiation and no resumption, so that no session outlives a certificate.
 * The files are read before privileges are dropped, and again when they have changed (K-RELOAD).
 * Control thread. Who may do what with it: caller.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct ssl_st;
struct ssl_ctx_st;

struct http_tls_files {
    const char *cert, *key; /* PEM; cert with its chain */
    const char *client_ca;  /* PEM, one or more */
};
struct http_tls {
    struct ssl_ctx_st *ctx;
};
/* ERR_IO or ERR_INVALID; the text names the option, the file and what is wrong with it. */
int http_tls_new(const struct http_tls_files *files, struct http_tls **out, struct err *e);
void http_tls_free(struct http_tls *tls); /* NULL is fine; connections keep what they use */
/* The server's own certificate is good until then: wall clock, 0 when that cannot be told. */
int64_t http_tls_expires_us(const struct http_tls *tls);

/* Who the peer of an established connection is: the subject of its certificate. */
#define HTTP_TLS_GROUPS_MAX 16
struct http_tls_subject {
    char *name;                        /* CN */
    char *groups[HTTP_TLS_GROUPS_MAX]; /* O, in order */
    size_t group_count;
    int64_t expires_us; /* of the certificate, wall clock */
};
/* False with *why (constant) when the subject cannot be used: no CN or several, control characters,
 * too many or too long parts. */
bool http_tls_subject_of(const struct ssl_st *ssl, struct http_tls_subject *out, const char **why);
void http_tls_subject_fini(struct http_tls_subject *subject);

/* True when host (without port) is a name or address in the server's own certificate. */
bool http_tls_is_named(const struct ssl_st *ssl, const char *host);
