/* cmd/ordctl.c - the client program: arguments to a command of the table. */
#include "cmd/ordctl.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define DEFAULT_SERVER "/run/ordinald/api.sock"

static const struct command *const commands[] = {
    &command_apply,     &command_create,       &command_replace,    &command_get,
    &command_events,    &command_delete,       &command_scale,      &command_rollout,
    &command_nodes,     &command_history,      &command_explain,    &command_backup,
    &command_dump_zone, &command_check_config, &command_kubeconfig, &command_version};

static const struct flag global_flags[] = {
    {"server", 's', FLAG_TEXT, "URL|SOCKET",
     "Where the server listens: $ORDINALD_SERVER, or " DEFAULT_SERVER},
    {"certificate-authority", 0, FLAG_TEXT, "FILE",
     "Who signed the certificate of an https server"},
    {"client-certificate", 0, FLAG_TEXT, "FILE", "The certificate to show to an https server"},
    {"client-key", 0, FLAG_TEXT, "FILE", "Its key"},
    {"namespace", 'n', FLAG_TEXT, "NS", "Namespace of what is named: default"},
    {"help", 'h', FLAG_SWITCH, NULL, "Says what a command does"},
    {.name = NULL}};

static void put_flags(FILE *out, const struct flag *flags)
{
    for (const struct flag *f = flags; f && f->name; f++) {
        char left[64];
        const char *equal = f->kind == FLAG_TEXT ? "=" : f->kind == FLAG_OPTIONAL ? "[=" : "";
        (void)snprintf(left, sizeof(left), "%c%c%s--%s%s%s%s", f->letter ? '-' : ' ',
                       f->letter ? f->letter : ' ', f->letter ? ", " : "  ", f->name, equal,
                       *equal ? f->value : "", f->kind == FLAG_OPTIONAL ? "]" : "");
        (void)fprintf(out, "  %-34s %s\n", left, f->help);
    }
}

static void print_help(FILE *out)
{
    (void)fputs("usage: ordctl [--server URL|SOCKET] COMMAND ...\n\n", out);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        (void)fprintf(out, "  %-14s %s\n", commands[i]->name, commands[i]->help);
    (void)fputs("\nflags of every command:\n", out);
    put_flags(out, global_flags);
    (void)fputs("\nordctl COMMAND --help says more about one.\n", out);
}

static void print_command_help(FILE *out, const struct command *command)
{
    (void)fprintf(out, "usage: ordctl %s %s\n\n%s\n", command->name, command->usage, command->help);
    if (command->flags && command->flags->name) {
        (void)fputs("\nflags:\n", out);
        put_flags(out, command->flags);
    }
    (void)fputs("\nflags of every command:\n", out);
    put_flags(out, global_flags);
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static int help_about(const char *name)
{
    const struct command *command = find_command(name);
    if (!command)
        return ctl_error("unknown command \"%s\"; ordctl help lists them", name);
    print_command_help(stdout, command);
    return 0;
}

static int run_command(struct ctl *ctl, const struct command *command)
{
    if (args_bool(&ctl->args, "help", false)) {
        print_command_help(stdout, command);
        return 0;
    }
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread, and nobody sets the environment */
    const char *server = getenv("ORDINALD_SERVER");
    server = args_text(&ctl->args, "server", server && *server ? server : DEFAULT_SERVER);
    ctl->ns_given = args_has(&ctl->args, "namespace");
    ctl->ns = args_text(&ctl->args, "namespace", "default");
    if (!*ctl->ns)
        return ctl_error("--namespace must not be empty");
    ctl->server = server;
    if (!command->is_local) {
        const struct client_tls tls = {.ca = args_text(&ctl->args, "certificate-authority", NULL),
                                       .cert = args_text(&ctl->args, "client-certificate", NULL),
                                       .key = args_text(&ctl->args, "client-key", NULL)};
        if (!tls.cert != !tls.key)
            return ctl_error("--client-certificate and --client-key go together");
        ctl->client = client_new(server, &tls);
        if (!ctl->client)
            return ctl_error("--server %s: neither a path of a socket nor an http:// or https:// "
                             "URL",
                             server);
    }
    int status = command->run(ctl);
    if ((fflush(ctl->out) != 0 || ferror(ctl->out)) && status == 0)
        status = ctl_error("the output could not be written");
    client_free(ctl->client);
    kinds_fini(ctl);
    return status;
}

int main(int argc, char **argv)
{
    (void)argc;
    (void)signal(SIGPIPE, SIG_IGN);
    struct ctl ctl = {.out = stdout, .args = {.tables = {global_flags}}};
    struct err e = {0};
    size_t used = 0;
    int status = 1;
    if (args_parse(&ctl.args, argv + 1, true, &used, &e) < 0) {
        status = ctl_error("%s", e.text);
        goto out;
    }
    char **rest = argv + 1 + used;
    bool wants_help = args_bool(&ctl.args, "help", false);
    if (*rest && strcmp(*rest, "help") == 0 && rest[1]) {
        status = help_about(rest[1]);
        goto out;
    }
    if (!*rest || strcmp(*rest, "help") == 0) {
        wants_help = wants_help || *rest;
        print_help(wants_help ? stdout : stderr);
        status = wants_help ? 0 : 1;
        goto out;
    }
    const struct command *command = find_command(*rest);
    if (!command) {
        status = ctl_error("unknown command \"%s\"; ordctl help lists them", *rest);
        goto out;
    }
    ctl.args.tables[1] = command->flags;
    if (args_parse(&ctl.args, rest + 1, false, NULL, &e) < 0)
        status = ctl_error("%s\nSee 'ordctl %s --help' for usage.", e.text, command->name);
    else
        status = run_command(&ctl, command);
out:
    args_fini(&ctl.args);
    return status;
}
