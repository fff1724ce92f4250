/* tests/fuzz/fuzz_main.c - runs a fuzz target with any compiler: fuzz_<entry> [FILE | DIRECTORY]...
 *
 * First every file, then FUZZ_RUNS (20000) mutations of them, the same ones for the same FUZZ_SEED
 * (1). An input that crashes the target or takes longer than 20 s is left in ./fuzz-failure, which
 * is an argument to run it again. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/check.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MAX 65536
#define SLOW_S    20

struct input {
    uint8_t *data; /* owned */
    size_t len;
};

static struct input *corpus;
static size_t corpus_count;

static const uint8_t *running; /* the input under test, for on_death */
static size_t running_len;

/* ---- failures ---- */

static void on_death(void)
{
    static const char note[] = "input left in ./fuzz-failure\n";
    int fd = open("fuzz-failure", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || !running || write(fd, running, running_len) != (ssize_t)running_len ||
        write(STDERR_FILENO, note, sizeof(note) - 1) < 0)
        return;
    (void)close(fd);
}

static void on_signal(int number)
{
    on_death();
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

/* Of the sanitizers' runtime, when there is one. */
void __sanitizer_set_death_callback(void (*callback)(void)) /* NOLINT(*-identifier*,cert-dcl*) */
    __attribute__((weak));

static void watch_for_death(void)
{
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(on_death);
    (void)signal(SIGABRT, on_signal);
    (void)signal(SIGALRM, on_signal);
}

/* A copy of exact size, so that a read beyond it is seen. */
static void run(const uint8_t *data, size_t len)
{
    uint8_t *copy = xmemdup(data, len);
    if (!len) {
        free(copy);
        copy = NULL;
    }
    running = copy;
    running_len = len;
    (void)alarm(SLOW_S);
    (void)LLVMFuzzerTestOneInput(copy, len);
    (void)alarm(0);
    running = NULL;
    free(copy);
}

/* ---- the corpus ---- */

static void add_file(const char *path)
{
    FILE *file = fopen(path, "rbe");
    CHECK(file);
    struct buf_out bytes;
    buf_out_init(&bytes);
    char part[4096];
    size_t got;
    while ((got = fread(part, 1, sizeof(part), file)) > 0)
        buf_put(&bytes, part, got);
    CHECK(!ferror(file));
    (void)fclose(file);
    corpus = xrealloc(corpus, (corpus_count + 1) * sizeof(*corpus));
    struct input *input = &corpus[corpus_count++];
    input->data = (uint8_t *)buf_out_take(&bytes, &input->len);
}

static void add_directory(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    CHECK(count >= 0);
    for (int i = 0; i < count; i++) {
        char *name = xasprintf("%s/%s", path, entries[i]->d_name);
        struct stat st;
        if (stat(name, &st) == 0 && S_ISREG(st.st_mode))
            add_file(name);
        free(name);
        free(entries[i]);
    }
    free(entries);
}

static void add_path(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        CHECK(errno == ENOENT); /* no corpus yet */
        return;
    }
    if (S_ISDIR(st.st_mode))
        add_directory(path);
    else
        add_file(path);
}

/* ---- mutations ---- */

static uint64_t seed;

static size_t below(size_t bound)
{
    seed +=
        UINT64_C(0x9e3779b97f4a7c15); /* splitmix64; the target may use base/random for itself */
    uint64_t z = seed;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return (size_t)(z % bound);
}

struct draft {
    uint8_t data[INPUT_MAX];
    size_t len;
};

/* Replaces `cut` bytes at `at` by len others, as far as there is room. */
static void replace_bytes(struct draft *d, size_t at, size_t cut, const uint8_t *bytes, size_t len)
{
    size_t rest = d->len - at - cut;
    if (len > INPUT_MAX - at - rest)
        len = INPUT_MAX - at - rest;
    memmove(d->data + at + len, d->data + at + cut, rest);
    if (bytes && len)
        memcpy(d->data + at, bytes, len);
    d->len = at + len + rest;
}

static void mutate_integer(struct draft *d)
{
    static const uint32_t interesting[] = {
        0,      1,      0x0c,    0x1f,       0x20,       0x3f,       0x40,      0x7f,
        0x80,   0xc0,   0xff,    0x100,      0x1ff,      0x200,      0x7fff,    0x8000,
        0xc00c, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
    uint32_t value = interesting[below(ARRAY_SIZE(interesting))];
    size_t width = (size_t)1 << below(3);
    if (d->len < width)
        return;
    size_t at = below(d->len - width + 1);
    for (size_t i = 0; i < width; i++)
        d->data[at + i] = (uint8_t)(value >> (8 * (width - 1 - i)));
}

/* Bytes that the grammars here care about, or any byte. */
static uint8_t some_byte(void)
{
    static const char special[] = "{}[]\",:\\u0019-+.eE \n\t&*<|>#%!'?_=/~@.";
    return below(2) ? (uint8_t)special[below(sizeof(special))] : (uint8_t)below(256);
}

static void mutate_insert(struct draft *d)
{
    uint8_t bytes[16];
    size_t len = 1 + below(sizeof(bytes));
    bool same = below(2);
    for (size_t i = 0; i < len; i++)
        bytes[i] = same && i ? bytes[0] : some_byte();
    replace_bytes(d, below(d->len + 1), 0, bytes, len);
}

/* Copies a range of this or another input to some place of this one, often several times. */
static void mutate_copy(struct draft *d, bool from_other)
{
    static struct draft from;
    if (from_other && corpus_count) {
        const struct input *other = &corpus[below(corpus_count)];
        from.len = other->len < INPUT_MAX ? other->len : INPUT_MAX;
        memcpy(from.data, other->data, from.len);
    } else {
        from.len = d->len;
        memcpy(from.data, d->data, d->len);
    }
    if (!from.len)
        return;
    size_t at = below(from.len);
    size_t len = 1 + below(from.len - at);
    size_t to = below(d->len + 1);
    size_t cut = below(3) ? 0 : below(d->len - to + 1);
    for (size_t times = below(4) ? 1 : 1 + below(100); times; times--, cut = 0)
        replace_bytes(d, to, cut, from.data + at, len);
}

static void mutate(struct draft *d)
{
    switch (below(8)) {
    case 0:
        if (d->len)
            d->data[below(d->len)] ^= (uint8_t)(1U << below(8));
        break;
    case 1:
        if (d->len)
            d->data[below(d->len)] = some_byte();
        break;
    case 2:
        d->len = below(d->len + 1);
        break;
    case 3:
        if (d->len) {
            size_t at = below(d->len);
            replace_bytes(d, at, 1 + below(d->len - at), NULL, 0);
        }
        break;
    case 4:
        mutate_insert(d);
        break;
    case 5:
        mutate_integer(d);
        break;
    default:
        mutate_copy(d, below(2));
        break;
    }
}

static unsigned long from_environment(const char *name, unsigned long fallback)
{
    const char *text = getenv(name); /* NOLINT(concurrency-mt-unsafe): one thread */
    return text && *text ? strtoul(text, NULL, 10) : fallback;
}

int main(int argc, char **argv)
{
    static struct draft draft;
    unsigned long runs = from_environment("FUZZ_RUNS", 20000);
    seed = from_environment("FUZZ_SEED", 1);
    for (int i = 1; i < argc; i++)
        add_path(argv[i]);
    watch_for_death();
    for (size_t i = 0; i < corpus_count; i++)
        run(corpus[i].data, corpus[i].len);
    for (unsigned long i = 0; i < runs; i++) {
        draft.len = 0;
        if (corpus_count) {
            const struct input *from = &corpus[below(corpus_count)];
            draft.len = from->len < INPUT_MAX ? from->len : INPUT_MAX;
            memcpy(draft.data, from->data, draft.len);
        }
        for (size_t steps = 1 + below(4); steps; steps--)
            mutate(&draft);
        run(draft.data, draft.len);
    }
    (void)printf("%lu inputs, 0 failures\n", (unsigned long)corpus_count + runs);
    for (size_t i = 0; i < corpus_count; i++)
        free(corpus[i].data);
    free(corpus);
    return 0;
}
