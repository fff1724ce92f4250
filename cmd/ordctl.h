/* cmd/ordctl.h - the parts of ordctl, the client program; private to cmd.
 *
 * One file per job: arguments, the HTTP client, the kinds the server knows, files of manifests,
 * printing, the three-way merge; and one per group of commands. Commands return the exit status: 0,
 * or 1 after they have printed what went wrong on stderr. Nothing here knows evhttp, the store or
 * the zones: all state is the server's. One thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cjson/cJSON.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/yaml.h"
#include "controller/registry/schema_table.h"

/* ---- arguments (ordctl_args.c) ---- */

enum flag_kind {
    FLAG_SWITCH,  /* --wait, --wait=false */
    FLAG_TEXT,    /* --output json, --output=json, -ojson; the last one wins */
    FLAG_OPTIONAL /* --dry-run, --dry-run=server: a value only after '=' */
};

struct flag {
    const char *name; /* NULL ends a table */
    char letter;      /* 0: none */
    enum flag_kind kind;
    const char *value; /* name of the value in the help, or the value of a FLAG_OPTIONAL without */
    const char *help;
};

struct args {
    const struct flag *tables[2]; /* borrowed; either may be NULL */
    struct args_given {
        const char *name;  /* of the flag's row */
        const char *value; /* borrowed from argv or the row */
    } * given;             /* owned */
    size_t given_count;
    const char **words; /* owned array of what is not a flag; borrowed texts */
    size_t word_count;
};

/* Reads arguments from argv[0] on (argv[argc] is NULL). With stop_at_word it ends before the first
 * word; *used (may be NULL) says how many arguments were read. Adds to what args already holds.
 * ERR_INVALID names the argument: unknown flags, missing or superfluous values. */
int args_parse(struct args *args, char *const *argv, bool stop_at_word, size_t *used,
               struct err *e);
void args_fini(struct args *args);
/* The last value given, or fallback. */
const char *args_text(const struct args *args, const char *name, const char *fallback);
bool args_bool(const struct args *args, const char *name, bool fallback);
bool args_has(const struct args *args, const char *name);
/* The values of one flag in order: the i-th, or NULL. */
const char *args_nth(const struct args *args, const char *name, size_t i);
/* 0 and *out when given as a whole number in [min, max]; 0 and *out untouched when absent;
 * ERR_INVALID. */
int args_int(const struct args *args, const char *name, int64_t min, int64_t max, int64_t *out,
             struct err *e);
/* "90s", "2m", "1h30m", "5" (seconds); absent leaves *out_ms. */
int args_duration(const struct args *args, const char *name, int64_t *out_ms, struct err *e);

/* ---- one run of the program ---- */

struct client;

struct ctl {
    struct args args;
    struct client *client; /* connects on the first request */
    const char *server;    /* --server, or what stands for it */
    const char *ns;        /* --namespace or "default" */
    bool ns_given;
    struct resource_info *kinds; /* what discovery has told so far */
    size_t kind_count;
    bool has_core, has_all;
    FILE *out; /* stdout */
};

struct command {
    const char *name;
    const char *usage; /* after the name */
    const char *help;  /* one line */
    const struct flag *flags;
    int (*run)(struct ctl *ctl);
    bool is_local; /* needs no server */
};

/* "error: ..." on stderr; returns 1. */
int ctl_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "-l" and "-A" of a command as they are. */
const char *ctl_selector(const struct ctl *ctl);
bool ctl_all_namespaces(const struct ctl *ctl);

extern const struct command command_apply, command_create, command_replace, command_get,
    command_events, command_delete, command_scale, command_rollout, command_nodes, command_history,
    command_explain, command_backup, command_dump_zone, command_check_config, command_kubeconfig,
    command_version;

/* ---- HTTP (ordctl_http.c) ---- */

/* Files for an https server; NULL: none. */
struct client_tls {
    const char *ca; /* NULL: those of the system */
    const char *cert, *key;
};
/* server: a path of a Unix socket, http://HOST:PORT or https://HOST:PORT; tls borrows for the life
 * of the client. Owned by the caller. */
struct client *client_new(const char *server, const struct client_tls *tls);
void client_free(struct client *client);

struct reply {
    long status;
    char *text; /* owned, never NULL after a request */
    size_t len;
    cJSON *tree; /* owned; NULL when the body is not JSON */
};
void reply_fini(struct reply *reply);

#define ACCEPT_JSON     "application/json"
#define ACCEPT_TABLE    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
#define PATCH_MERGE     "application/merge-patch+json"
#define PATCH_STRATEGIC "application/strategic-merge-patch+json"

/* One request; body may be NULL, content NULL is JSON. Warnings of the server go to stderr. 0 with
 * any HTTP status in *out, or ERR_IO with one sentence when there was no answer. */
int client_request(struct client *client, const char *method, const char *path, const char *accept,
                   const char *content, const cJSON *body, struct reply *out, struct err *e);
/* GETs a stream of lines and hands over each (NUL-terminated, without the newline) until on_line
 * returns false, the server ends the stream, or timeout_ms passed (0: never). 0, ERR_TIMEOUT,
 * ERR_IO; a status of 400 and more is in *out like any reply and no line is seen. */
int client_stream(struct client *client, const char *path, const char *accept,
                  bool (*on_line)(void *arg, const char *line, size_t len), void *arg,
                  int64_t timeout_ms, struct reply *out, struct err *e);
/* Appends text for a path segment or a query value. */
void path_put_escaped(struct buf_out *out, const char *text);
/* Appends "?name=value" or "&name=value"; nothing for an empty value. */
void path_put_query(struct buf_out *out, const char *name, const char *value);

/* A request whose failure is final: prints it and returns NULL, else the tree, owned. */
cJSON *ctl_call(struct ctl *ctl, const char *method, const char *path, const char *accept,
                const char *content, const cJSON *body);
/* Prints "Error from server (Reason): message" of a reply that is no success; returns 1. */
int ctl_refused(const struct reply *reply);
/* "NotFound", from the Status or the code; borrowed. */
const char *reply_reason(const struct reply *reply);
const char *reply_message(const struct reply *reply);

/* ---- kinds (ordctl_kinds.c) ---- */

struct resource_info {
    char *group, *version; /* "" and "v1" */
    char *name, *singular, *kind;
    char *short_names; /* comma separated */
    bool namespaced, in_all;
};
void kinds_fini(struct ctl *ctl);
/* Finds plural, singular, short name or kind, any letter case, alone or as "statefulsets.apps". 0,
 * or 1 after printing. Borrowed until kinds_fini. */
int kinds_find(struct ctl *ctl, const char *word, size_t *index);
/* -1 when the server has no such kind; -2 after printing a failure. */
int kinds_by_kind(struct ctl *ctl, const char *api_version, const char *kind);
/* Every resource of the category "all" in *out (owned). 0 or 1. */
int kinds_all(struct ctl *ctl, size_t **out, size_t *count);
/* "statefulset.apps", "pod". Owned. */
char *kinds_title(const struct resource_info *kind);
/* The path of a collection (name NULL), of an object or, with sub, of its subresource. ns "" or a
 * cluster-scoped kind: none. */
void kinds_path(const struct resource_info *kind, const char *ns, const char *name, const char *sub,
                struct buf_out *out);
/* The kinds and names that the words of a command mean: "pods", "pods,svc", "pod a b",
 * "pod/a svc/b". */
struct target {
    size_t kind;
    const char *name; /* NULL: all; borrowed from the words */
};
struct targets {
    struct target *at; /* owned */
    size_t count;
    bool is_mixed; /* more than one kind */
};
int targets_parse(struct ctl *ctl, const char *const *words, size_t count, struct targets *out);
void targets_fini(struct targets *targets);

/* ---- manifests (ordctl_files.c) ---- */

struct manifest {
    cJSON *object;              /* borrowed from the document: never changed */
    const struct yaml_doc *doc; /* borrowed */
    const char *file;           /* borrowed */
    char *path;                 /* owned: "" or "items[2]." inside the document */
    size_t kind;
    char *ns;         /* owned: where it goes, "" for cluster scope */
    const char *name; /* borrowed; NULL with generateName */
};
struct manifests {
    struct manifest *at; /* owned */
    size_t count;
    struct source {
        char *name, *text; /* owned */
        struct yaml_file yaml;
    } * sources; /* owned */
    size_t source_count;
};
/* Reads every -f, all documents, and checks what can be checked before anything is sent: syntax,
 * apiVersion, kind and name, and that the server has the kind. Prints every error with file and
 * line. 0 or 1. */
int manifests_read(struct ctl *ctl, bool needs_name, struct manifests *out);
void manifests_fini(struct manifests *m);
/* The texts of one source, without a server. */
int source_parse(struct source *source, struct err *e);
/* Prints a reply that refused a manifest, one line per cause: "kubia.yaml:12: spec.ports[0].port:
 * Invalid value: ...". */
void manifest_refused(const struct manifest *m, const struct reply *reply);
/* The same, as lines appended to out. */
void manifest_explain(const struct manifest *m, const cJSON *status, struct buf_out *out);

/* ---- printing (ordctl_print.c) ---- */

/* Pretty JSON with members in order, four spaces, and a newline. */
void print_json(struct buf_out *out, const cJSON *tree);
void print_yaml(struct buf_out *out, const cJSON *tree);
/* Compact JSON as kubectl writes it into the last-applied annotation: members in order, <, > and &
 * escaped, a newline at the end. */
void print_canonical(struct buf_out *out, const cJSON *tree);

struct table_opts {
    bool wide, no_headers, with_namespace;
    const char *prefix; /* "statefulset.apps/" before each name, or NULL */
};
struct table_print {
    struct table_opts opts;
    size_t *widths; /* owned; kept from one call to the next, so that a watch stays aligned */
    size_t width_count;
    cJSON *columns; /* owned: of the first table, for those that leave theirs out */
    bool has_header;
};
/* Appends the rows of a Table; the first call also the header. */
void table_print(struct table_print *t, const cJSON *table, struct buf_out *out);
void table_print_fini(struct table_print *t);
/* Appends columns of texts, aligned, the first row the header. */
void print_rows(struct buf_out *out, char *const *cells, size_t columns, size_t rows);

/* ---- merge (ordctl_merge.c) ---- */

#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"

/* The object as it is sent: a copy with namespace and the annotation LAST_APPLIED, as kubectl
 * computes it. Owned. */
cJSON *merge_modified(const cJSON *manifest, const char *ns);
/* The strategic merge patch that brings live to modified and deletes what original (may be NULL)
 * had and modified has not; shape is that of the kind, NULL for a JSON merge patch. An empty object
 * when nothing is to do. Owned. */
cJSON *merge_patch(const cJSON *original, const cJSON *modified, const cJSON *live,
                   const struct field *shape);

/* ---- waiting (ordctl_wait.c) ---- */

enum wait_step { WAIT_MORE, WAIT_DONE, WAIT_FAILED };
/* Follows one object by name until step says so: called with the object as it is, and NULL when it
 * is absent. timeout_ms 0: for ever. 0 after WAIT_DONE; 1 after WAIT_FAILED or after printing. */
int wait_object(struct ctl *ctl, const struct resource_info *kind, const char *ns, const char *name,
                int64_t timeout_ms, enum wait_step (*step)(void *arg, const cJSON *object),
                void *arg);
