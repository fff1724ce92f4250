/* TLS of the transport: certificates made here, a client on the same thread as the loop. */
#include "tests/unit/api/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>

#include "controller/api/http_conn.h"

/* ---- certificates ---- */

struct pair {
    EVP_PKEY *key;
    X509 *cert;
};

static void put_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert_non_null(ext);
    assert_int_equal(X509_add_ext(cert, ext, -1), 1);
    X509_EXTENSION_free(ext);
}

/* subject: "O=a", "CN=b", ... up to NULL. issuer NULL: an authority, signed by itself. */
static struct pair pair_new(const struct pair *issuer, const char *usage, long seconds,
                            const char *const *subject)
{
    static long serial = 1;
    struct pair p = {.key = EVP_EC_gen("P-256"), .cert = X509_new()};
    X509_NAME *name = X509_get_subject_name(p.cert);
    for (; *subject; subject++) {
        char field[8];
        size_t len = strcspn(*subject, "=");
        snprintf(field, sizeof field, "%.*s", (int)len, *subject);
        assert_int_equal(X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                                    (const unsigned char *)*subject + len + 1, -1,
                                                    -1, 0),
                         1);
    }
    X509_set_version(p.cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(p.cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(p.cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(p.cert), seconds);
    X509_set_pubkey(p.cert, p.key);
    X509_set_issuer_name(p.cert, issuer ? X509_get_subject_name(issuer->cert) : name);
    if (issuer)
        put_extension(p.cert, NID_ext_key_usage, usage);
    else
        put_extension(p.cert, NID_basic_constraints, "critical,CA:TRUE");
    if (issuer && strcmp(usage, "serverAuth") == 0)
        put_extension(p.cert, NID_subject_alt_name, "DNS:ours.test");
    assert_true(X509_sign(p.cert, issuer ? issuer->key : p.key, EVP_sha256()) > 0);
    return p;
}

static void pair_free(struct pair *p)
{
    X509_free(p->cert);
    EVP_PKEY_free(p->key);
}

#define SUBJECT(...) ((const char *const[]){__VA_ARGS__, NULL})
#define HOUR         3600

/* ---- a server with TLS ---- */

struct world {
    struct loop *loop;
    struct http_server *server;
    struct http_tls *tls;
    struct pair ca, own;
    char dir[64], cert[96], key[96], client_ca[96];
    char seen[512]; /* who asked last */
    unsigned requests;
};

static void handle(void *arg, struct http_exchange *x)
{
    struct world *w = arg;
    const struct http_peer *peer = &x->request.peer;
    w->requests++;
    assert_true(peer->is_tls);
    assert_int_equal(peer->uid, UINT32_MAX);
    int n = snprintf(w->seen, sizeof w->seen, "%s", peer->name);
    for (size_t i = 0; i < peer->group_count; i++)
        n += snprintf(w->seen + n, sizeof w->seen - (size_t)n, "|%s", peer->groups[i]);
    http_reply(x, &(struct http_reply){.status = 200, .content_type = "text/plain"}, NULL);
}

static void write_pem(const char *path, const struct pair *p, bool is_key)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(is_key ? PEM_write_PrivateKey(file, p->key, NULL, NULL, 0, NULL, NULL)
                            : PEM_write_X509(file, p->cert),
                     1);
    assert_int_equal(fclose(file), 0);
}

static struct world *world_new(struct http_opts opts)
{
    struct world *w = xcalloc(1, sizeof *w);
    struct err e = {0};
    snprintf(w->dir, sizeof w->dir, "/tmp/test-tls-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->cert, sizeof w->cert, "%s/cert", w->dir);
    snprintf(w->key, sizeof w->key, "%s/key", w->dir);
    snprintf(w->client_ca, sizeof w->client_ca, "%s/ca", w->dir);
    w->ca = pair_new(NULL, NULL, HOUR, SUBJECT("CN=authority"));
    w->own = pair_new(&w->ca, "serverAuth", HOUR, SUBJECT("CN=server"));
    write_pem(w->cert, &w->own, false);
    write_pem(w->key, &w->own, true);
    write_pem(w->client_ca, &w->ca, false);
    const struct http_tls_files files = {.cert = w->cert, .key = w->key, .client_ca = w->client_ca};
    if (http_tls_new(&files, &w->tls, &e) < 0)
        fail_msg("%s", e.text);
    w->loop = loop_new();
    opts.handler = handle;
    opts.arg = w;
    assert_int_equal(http_server_new(w->loop, &opts, &w->server, &e), 0);
    assert_int_equal(http_listen_tcp(w->server, "127.0.0.1:0", w->tls, &e), 0);
    assert_true(http_address_is_tls(w->server, 0));
    http_tls_free(TAKE(w->tls)); /* the listener keeps what it needs */
    return w;
}

static void world_free(struct world *w)
{
    http_server_free(w->server, 100000);
    loop_free(w->loop);
    unlink(w->cert);
    unlink(w->key);
    unlink(w->client_ca);
    rmdir(w->dir);
    pair_free(&w->ca);
    pair_free(&w->own);
    free(w);
}

/* ---- a client ---- */

static int tcp_open(const struct world *w)
{
    struct sockaddr_in in = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)atoi(strchr(http_address(w->server, 0), ':') + 1))};
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(connect(fd, (const struct sockaddr *)&in, sizeof in) == 0 || errno == EINPROGRESS);
    return fd;
}

struct tls_client {
    int fd;
    SSL_CTX *ctx;
    SSL *ssl;
};

static struct tls_client tls_open(const struct world *w, const struct pair *who, int version)
{
    struct tls_client c = {.fd = tcp_open(w), .ctx = SSL_CTX_new(TLS_client_method())};
    SSL_CTX_set_max_proto_version(c.ctx, version);
    if (who) {
        assert_int_equal(SSL_CTX_use_certificate(c.ctx, who->cert), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(c.ctx, who->key), 1);
    }
    c.ssl = SSL_new(c.ctx);
    SSL_set_fd(c.ssl, c.fd);
    SSL_set_connect_state(c.ssl);
    return c;
}

static void tls_close(struct tls_client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
    close(c->fd);
    ERR_clear_error();
}

/* Runs the loop while step wants to wait; its last result. */
static int tls_run(struct tls_client *c, struct loop *loop, int (*step)(SSL *ssl))
{
    int64_t until = clock_mono_us() + 20000000;
    while (clock_mono_us() < until) {
        ERR_clear_error();
        int rc = step(c->ssl);
        int why = rc > 0 ? SSL_ERROR_NONE : SSL_get_error(c->ssl, rc);
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
            return rc;
        loop_pass(loop);
    }
    return -1;
}

static char answer[4096];
static size_t answer_len;

static int ask_once(SSL *ssl)
{
    static const char text[] = "GET /a HTTP/1.1\r\nHost: ours.test\r\n\r\n";
    return SSL_write(ssl, text, sizeof text - 1);
}

static int read_once(SSL *ssl)
{
    int n = SSL_read(ssl, answer + answer_len, (int)(sizeof answer - 1 - answer_len));
    answer_len += n > 0 ? (size_t)n : 0;
    answer[answer_len] = '\0';
    return n;
}

/* The status of one request, 0 when the connection ends before an answer. A refusal is read to its
 * end. */
static int tls_ask(struct tls_client *c, struct loop *loop)
{
    answer_len = 0;
    if (tls_run(c, loop, ask_once) <= 0 || tls_run(c, loop, read_once) <= 0)
        return 0;
    int status = atoi(answer + strlen("HTTP/1.1 "));
    while (status >= 400 && tls_run(c, loop, read_once) > 0)
        ;
    return status;
}

static void the_subject_reaches_the_handler(void **state)
{
    (void)state;
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct world *w = world_new((struct http_opts){.refuse_browsers = true});
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        struct pair who = pair_new(&w->ca, "clientAuth", HOUR,
                                   SUBJECT("C=de", "O=system:nodes", "OU=x", "O=b", "CN=n\u00e9"));
        struct tls_client c = tls_open(w, &who, versions[i]);
        assert_int_equal(tls_ask(&c, w->loop), 200);
        assert_int_equal(SSL_version(c.ssl), versions[i]);
        assert_string_equal(w->seen, "n\u00e9|system:nodes|b");
        assert_int_equal(tls_ask(&c, w->loop), 200); /* and goes on */
        tls_close(&c);
        pair_free(&who);
    }
    world_free(w);
}

static void a_subject_that_cannot_be_used_is_nobody(void **state)
{
    (void)state;
    static const char *const subjects[][20] = {
        {"O=system:masters"},
        {"CN=a", "CN=b"},
        {"CN=a\nb"},
        {"CN=a", "O=system:masters\x7f"},
        {"CN=a", "O=1", "O=2", "O=3", "O=4", "O=5", "O=6", "O=7", "O=8", "O=9", "O=10", "O=11",
         "O=12", "O=13", "O=14", "O=15", "O=16", "O=system:masters"},
    };
    struct world *w = world_new((struct http_opts){0});
    for (size_t i = 0; i < ARRAY_SIZE(subjects); i++) {
        struct pair who = pair_new(&w->ca, "clientAuth", HOUR, subjects[i]);
        struct tls_client c = tls_open(w, &who, TLS1_3_VERSION);
        assert_int_equal(tls_ask(&c, w->loop), 401);
        assert_non_null(strstr(answer, "subject"));
        tls_close(&c);
        pair_free(&who);
    }
    assert_int_equal(w->requests, 0);
    world_free(w);
}

/* A NUL in a name ends it for one reader and not for another. */
static void a_nul_in_the_subject_is_nobody(void **state)
{
    (void)state;
    struct world *w = world_new((struct http_opts){0});
    struct pair who = pair_new(&w->ca, "clientAuth", HOUR, SUBJECT("CN=a"));
    X509_NAME *name = X509_get_subject_name(who.cert);
    static const unsigned char group[] = "system:masters\0x";
    assert_int_equal(
        X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, group, sizeof group - 1, -1, 0), 1);
    assert_true(X509_sign(who.cert, w->ca.key, EVP_sha256()) > 0);
    struct tls_client c = tls_open(w, &who, TLS1_3_VERSION);
    assert_int_equal(tls_ask(&c, w->loop), 401);
    tls_close(&c);
    pair_free(&who);
    world_free(w);
}

static void who_has_no_certificate_of_ours_asks_nothing(void **state)
{
    (void)state;
    struct world *w = world_new((struct http_opts){0});
    struct pair other = pair_new(NULL, NULL, HOUR, SUBJECT("CN=authority"));
    struct pair forged = pair_new(&other, "clientAuth", HOUR, SUBJECT("O=system:masters", "CN=a"));
    struct pair late = pair_new(&w->ca, "clientAuth", -60, SUBJECT("O=system:masters", "CN=a"));
    struct pair server = pair_new(&w->ca, "serverAuth", HOUR, SUBJECT("CN=a"));
    const struct pair *const cases[] = {NULL, &forged, &late, &server};
    double before = http_counters.tls_failures;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct tls_client c = tls_open(w, cases[i], TLS1_3_VERSION);
        assert_int_equal(tls_ask(&c, w->loop), 0);
        tls_close(&c);
        c = tls_open(w, cases[i], TLS1_2_VERSION);
        assert_int_equal(tls_ask(&c, w->loop), 0);
        tls_close(&c);
    }
    assert_int_equal(w->requests, 0);
    assert_int_equal((int)(http_counters.tls_failures - before), 2 * ARRAY_SIZE(cases));
    pair_free(&other);
    pair_free(&forged);
    pair_free(&late);
    pair_free(&server);
    world_free(w);
}

/* A connection does not outlive the certificate that opened it. */
static void an_expired_certificate_ends_the_connection(void **state)
{
    (void)state;
    struct world *w = world_new((struct http_opts){0});
    struct pair who = pair_new(&w->ca, "clientAuth", 2, SUBJECT("CN=a"));
    struct tls_client c = tls_open(w, &who, TLS1_3_VERSION);
    assert_int_equal(tls_ask(&c, w->loop), 200);
    int status = 200;
    for (int64_t until = clock_mono_us() + 20000000; status == 200 && clock_mono_us() < until;)
        status = tls_ask(&c, w->loop);
    assert_int_equal(status, 401);
    assert_non_null(strstr(answer, "expired"));
    assert_non_null(strstr(answer, "Connection: close\r\n"));
    assert_true(tls_run(&c, w->loop, read_once) <= 0);
    tls_close(&c);
    pair_free(&who);
    world_free(w);
}

/* Nothing, half a hello, a byte now and then, plain HTTP: none holds a connection for long. */
static void a_handshake_has_a_deadline(void **state)
{
    (void)state;
    static const char hello[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    static const struct {
        const char *bytes;
        size_t len;
        bool drips;
    } cases[] = {{"", 0, false},
                 {hello, sizeof hello - 1, false},
                 {"\x16", 1, true},
                 {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27, false}};
    struct world *w = world_new((struct http_opts){.handshake_us = 60000});
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        double before = http_counters.tls_failures;
        struct client c = {.fd = tcp_open(w)};
        buf_out_init(&c.in);
        client_send(&c, w->loop, cases[i].bytes, cases[i].len);
        /* A record of 16 KiB that comes byte by byte. */
        if (cases[i].drips)
            client_send(&c, w->loop, "\x03\x01\x40\x00\x01\x00\x3f\xfc", 8);
        int64_t until = clock_mono_us() + 20000000;
        while (!c.eof && clock_mono_us() < until) {
            if (cases[i].drips)
                (void)send(c.fd, "x", 1, MSG_NOSIGNAL);
            loop_pass(w->loop);
            client_read(&c);
        }
        assert_true(c.eof);
        assert_int_equal((int)(http_counters.tls_failures - before), 1);
        client_close(&c);
    }
    assert_int_equal(w->requests, 0);
    world_free(w);
}

/* Those who have shown nothing yet cannot take all the places. */
static void handshakes_are_bounded_apart(void **state)
{
    (void)state;
    struct world *w = world_new((struct http_opts){.max_strangers = 2, .max_connections = 8});
    struct pair who = pair_new(&w->ca, "clientAuth", HOUR, SUBJECT("CN=a"));
    struct tls_client early[3];
    for (size_t i = 0; i < ARRAY_SIZE(early); i++) { /* these have: they do not count */
        early[i] = tls_open(w, &who, TLS1_3_VERSION);
        assert_int_equal(tls_ask(&early[i], w->loop), 200);
    }
    struct client idle[3];
    for (size_t i = 0; i < ARRAY_SIZE(idle); i++) {
        idle[i] = (struct client){.fd = tcp_open(w)};
        buf_out_init(&idle[i].in);
    }
    assert_true(client_expect_eof(&idle[2], w->loop));
    client_read(&idle[0]);
    assert_false(idle[0].eof);
    for (size_t i = 0; i < ARRAY_SIZE(early); i++) {
        assert_int_equal(tls_ask(&early[i], w->loop), 200);
        tls_close(&early[i]);
    }
    client_close(&idle[0]); /* who leaves makes room */
    double failed = http_counters.tls_failures;
    while (http_counters.tls_failures == failed)
        loop_pass(w->loop);
    struct tls_client c = tls_open(w, &who, TLS1_3_VERSION);
    assert_int_equal(tls_ask(&c, w->loop), 200);
    tls_close(&c);
    client_close(&idle[1]);
    client_close(&idle[2]);
    pair_free(&who);
    world_free(w);
}

static void renegotiation_is_refused(void **state)
{
    (void)state;
    struct world *w = world_new((struct http_opts){0});
    struct pair who = pair_new(&w->ca, "clientAuth", HOUR, SUBJECT("CN=a"));
    struct tls_client c = tls_open(w, &who, TLS1_2_VERSION);
    assert_int_equal(tls_ask(&c, w->loop), 200);
    assert_int_equal(SSL_renegotiate(c.ssl), 1);
    assert_true(tls_run(&c, w->loop, SSL_do_handshake) <= 0);
    tls_close(&c);
    pair_free(&who);
    world_free(w);
}

static void names_of_the_certificate_are_ours(void **state)
{
    (void)state;
    struct world *w = world_new((struct http_opts){0});
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate(ctx, w->own.cert), 1);
    SSL *ssl = SSL_new(ctx);
    assert_true(http_tls_is_named(ssl, "ours.test"));
    assert_true(http_tls_is_named(ssl, "OURS.test"));
    assert_false(http_tls_is_named(ssl, "theirs.test"));
    assert_false(http_tls_is_named(ssl, "x.ours.test"));
    assert_false(http_tls_is_named(ssl, ""));
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    world_free(w);
}

/* K-RELOAD: who is connected goes on, who connects finds the new files. */
static void a_new_certificate_serves_new_connections(void **state)
{
    (void)state;
    struct world *w = world_new((struct http_opts){0});
    struct pair ca = pair_new(NULL, NULL, HOUR, SUBJECT("CN=next"));
    struct pair own = pair_new(&ca, "serverAuth", HOUR, SUBJECT("CN=server"));
    struct pair then = pair_new(&w->ca, "clientAuth", HOUR, SUBJECT("CN=a"));
    struct pair now = pair_new(&ca, "clientAuth", HOUR, SUBJECT("CN=b"));
    struct tls_client old = tls_open(w, &then, TLS1_3_VERSION);
    assert_int_equal(tls_ask(&old, w->loop), 200);
    write_pem(w->cert, &own, false);
    write_pem(w->key, &own, true);
    write_pem(w->client_ca, &ca, false);
    const struct http_tls_files files = {.cert = w->cert, .key = w->key, .client_ca = w->client_ca};
    struct err e = {0};
    assert_int_equal(http_tls_new(&files, &w->tls, &e), 0);
    http_server_set_tls(w->server, w->tls);
    http_tls_free(TAKE(w->tls));
    struct tls_client fresh = tls_open(w, &now, TLS1_3_VERSION);
    assert_int_equal(tls_ask(&fresh, w->loop), 200);
    assert_string_equal(w->seen, "b");
    assert_int_equal(X509_cmp(SSL_get0_peer_certificate(fresh.ssl), own.cert), 0);
    assert_int_equal(tls_ask(&old, w->loop), 200);
    assert_string_equal(w->seen, "a");
    struct tls_client refused = tls_open(w, &then, TLS1_3_VERSION);
    assert_int_equal(tls_ask(&refused, w->loop), 0);
    tls_close(&old);
    tls_close(&fresh);
    tls_close(&refused);
    pair_free(&ca);
    pair_free(&own);
    pair_free(&then);
    pair_free(&now);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_subject_reaches_the_handler),
        cmocka_unit_test(a_subject_that_cannot_be_used_is_nobody),
        cmocka_unit_test(a_nul_in_the_subject_is_nobody),
        cmocka_unit_test(who_has_no_certificate_of_ours_asks_nothing),
        cmocka_unit_test(an_expired_certificate_ends_the_connection),
        cmocka_unit_test(a_handshake_has_a_deadline),
        cmocka_unit_test(handshakes_are_bounded_apart),
        cmocka_unit_test(renegotiation_is_refused),
        cmocka_unit_test(names_of_the_certificate_are_ours),
        cmocka_unit_test(a_new_certificate_serves_new_connections),
    };
    signal(SIGPIPE, SIG_IGN); /* as the daemon does */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
