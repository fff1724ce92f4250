#include "controller/api/http_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"

#define SUBJECT_PART_MAX 256
#define CHAIN_MAX        4
#define CHAIN_BYTES_MAX  32768

/* ---- the server's side ---- */

static int tls_fail(struct err *e, const char *option, const char *file, const char *what)
{
    char text[256] = "";
    unsigned long code = ERR_peek_last_error();
    if (code)
        (void)snprintf(text, sizeof text, ": %s",
                       ERR_reason_error_string(code) ? ERR_reason_error_string(code) : "");
    ERR_clear_error();
    return err_set(e, ERR_INVALID, "%s: %s: %s%s", option, file, what, text);
}

/* OpenSSL's own words for a file that is not there are hard to read. */
static int check_readable(const char *option, const char *file, struct err *e)
{
    if (!file || !*file)
        return err_set(e, ERR_INVALID, "%s: is empty", option);
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char byte;
    ssize_t n = fd < 0 ? -1 : read(fd, &byte, 1);
    int code = errno;
    if (fd >= 0)
        close(fd);
    if (n < 0)
        return err_set(e, ERR_IO, "%s: %s: %s", option, file, strerrordesc_np(code));
    return n ? 0 : err_set(e, ERR_INVALID, "%s: %s: the file is empty", option, file);
}

static int select_http11(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                         const unsigned char *in, unsigned int in_len, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen = NULL;
    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof ours - 1, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static bool set_protocol(SSL_CTX *ctx)
{
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_security_level(ctx, 2); /* no RSA below 2048 bits, no SHA-1 */
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_verify_depth(ctx, CHAIN_MAX);
    SSL_CTX_set_max_cert_list(ctx, CHAIN_BYTES_MAX);
    SSL_CTX_set_alpn_select_cb(ctx, select_http11, NULL);
    return SSL_CTX_set_num_tickets(ctx, 0) == 1 &&
           SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1;
}

/* A key that wants a passphrase is refused instead of asked about on the terminal. */
static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)arg;
    return -1;
}

static int load_files(SSL_CTX *ctx, const struct http_tls_files *f, struct err *e)
{
    int rc;
    if ((rc = check_readable("api.tls-cert", f->cert, e)) < 0 ||
        (rc = check_readable("api.tls-key", f->key, e)) < 0 ||
        (rc = check_readable("api.tls-client-ca", f->client_ca, e)) < 0)
        return rc;
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(ctx, f->cert) != 1)
        return tls_fail(e, "api.tls-cert", f->cert, "not a certificate in PEM that can be used");
    if (X509_cmp_current_time(X509_get0_notAfter(SSL_CTX_get0_certificate(ctx))) <= 0)
        return tls_fail(e, "api.tls-cert", f->cert, "the certificate has expired");
    /* OpenSSL compares a key with the certificate as it loads it: that answer is told apart. */
    ERR_clear_error();
    if (SSL_CTX_use_PrivateKey_file(ctx, f->key, SSL_FILETYPE_PEM) != 1) {
        unsigned long code = ERR_peek_last_error();
        int reason = ERR_GET_REASON(code);
        bool differs = ERR_GET_LIB(code) == ERR_LIB_X509 &&
                       (reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH);
        return tls_fail(e, "api.tls-key", f->key,
                        differs ? "is not the key of api.tls-cert"
                                : "not a private key in PEM without passphrase");
    }
    if (SSL_CTX_check_private_key(ctx) != 1)
        return tls_fail(e, "api.tls-key", f->key, "is not the key of api.tls-cert");
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(f->client_ca);
    if (!names || SSL_CTX_load_verify_locations(ctx, f->client_ca, NULL) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return tls_fail(e, "api.tls-client-ca", f->client_ca, "holds no certificate in PEM");
    }
    SSL_CTX_set_client_CA_list(ctx, names);
    return 0;
}

int http_tls_new(const struct http_tls_files *files, struct http_tls **out, struct err *e)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    int rc = ctx && set_protocol(ctx) ? load_files(ctx, files, e)
                                      : tls_fail(e, "TLS", "OpenSSL", "cannot be set up");
    if (rc < 0) {
        SSL_CTX_free(ctx);
        return rc;
    }
    *out = xcalloc(1, sizeof **out);
    (*out)->ctx = ctx;
    return 0;
}

void http_tls_free(struct http_tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->ctx);
    free(tls);
}

/* ---- the client's side ---- */

/* The text of one part of a name, or NULL when it is nothing that can be shown and compared. */
static char *part_text(const X509_NAME_ENTRY *entry)
{
    unsigned char *utf8 = NULL;
    int len = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));
    char *text = NULL;
    bool good = len > 0 && len <= SUBJECT_PART_MAX;
    for (int i = 0; good && i < len; i++)
        good = utf8[i] >= ' ' && utf8[i] != 0x7f;
    if (good)
        text = xstrndup((const char *)utf8, (size_t)len);
    OPENSSL_free(utf8);
    return text;
}

static bool take_part(struct http_tls_subject *out, const X509_NAME_ENTRY *entry, const char **why)
{
    int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    if (nid != NID_commonName && nid != NID_organizationName)
        return true;
    *why = "the certificate's subject has several common names or too many organizations";
    if (nid == NID_commonName ? out->name != NULL : out->group_count == HTTP_TLS_GROUPS_MAX)
        return false;
    *why = "the certificate's subject holds characters that cannot be used";
    char *text = part_text(entry);
    if (nid == NID_commonName)
        out->name = text;
    else if (text)
        out->groups[out->group_count++] = text;
    return text != NULL;
}

static int64_t expiry_us(const X509 *cert)
{
    struct tm tm = {0};
    if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) != 1)
        return 0;
    return (int64_t)timegm(&tm) * 1000000;
}

int64_t http_tls_expires_us(const struct http_tls *tls)
{
    return expiry_us(SSL_CTX_get0_certificate(tls->ctx));
}

bool http_tls_subject_of(const SSL *ssl, struct http_tls_subject *out, const char **why)
{
    *out = (struct http_tls_subject){0};
    const X509 *cert = SSL_get0_peer_certificate(ssl);
    if (!cert || SSL_get_verify_result(ssl) != X509_V_OK) {
        *why = "a client certificate is required";
        return false;
    }
    const X509_NAME *name = X509_get_subject_name(cert);
    out->expires_us = expiry_us(cert);
    for (int i = 0; i < X509_NAME_entry_count(name); i++)
        if (!take_part(out, X509_NAME_get_entry(name, i), why))
            return false;
    *why = "the certificate's subject has no common name";
    return out->name != NULL;
}

void http_tls_subject_fini(struct http_tls_subject *subject)
{
    free(subject->name);
    for (size_t i = 0; i < subject->group_count; i++)
        free(subject->groups[i]);
    *subject = (struct http_tls_subject){0};
}

bool http_tls_is_named(const SSL *ssl, const char *host)
{
    X509 *cert = SSL_get_certificate(ssl);
    return cert &&
           (X509_check_host(cert, host, 0, 0, NULL) == 1 || X509_check_ip_asc(cert, host, 0) == 1);
}
