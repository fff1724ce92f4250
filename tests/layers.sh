#!/bin/sh
# tests/layers.sh [ROOT] - every #include line against the table of who may include what (docs/hacking.md).
# Prints each violation as file:line and fails.
set -eu
cd "${1:-$(dirname "$0")/..}"

folders=
for folder in base zones dns controller conf cmd tests; do
    [ ! -d "$folder" ] || folders="$folders $folder"
done
# shellcheck disable=SC2086
grep -rnE '^[[:space:]]*#[[:space:]]*include' --include='*.[ch]' $folders | LC_ALL=C sort | awk '
function split_list(text, into,   parts, n, i) {
    n = split(text, parts, " ")
    for (i = 1; i <= n; i++)
        into[parts[i]] = 1
}
function complain(what) {
    print where ": " what
    bad = 1
}
# The folder a path belongs to: two names deep below controller, the tested folder below tests/unit.
function folder_of(path,   p, n) {
    n = split(path, p, "/")
    if (n < 2)
        return ""
    if (p[1] == "controller")
        return p[2] ~ /\./ ? "" : p[1] "/" p[2]
    return p[1]
}
function tested_folder(path,   p) {
    split(path, p, "/")
    if (p[1] != "tests" || p[2] != "unit")
        return ""
    return p[3] ~ /^(store|registry|api|reconcile)$/ ? "controller/" p[3] : p[3]
}
function may_use(file, folder, library) {
    if (folder == "tests")
        return 1
    if (library == "event2")
        return file ~ /^(base\/loop|controller\/api\/http[a-z_]*|controller\/api\/watch_stream)\.[ch]$/ || folder == "dns"
    if (library == "yaml.h")
        return file ~ /^base\/yaml[a-z_]*\.[ch]$/
    if (library == "cjson")
        return folder == "base" || folder == "cmd" || folder ~ /^controller\//
    if (library == "lmdb.h")
        return folder == "controller/store"
    if (library == "ldns")
        return folder == "zones" || folder == "dns" || folder == "cmd"
    if (library == "curl")
        return folder == "cmd"
    if (library == "openssl")
        return folder == "controller/api" || folder == "dns" || folder == "cmd"
    return 0
}
BEGIN {
    below["base"] = "base"
    below["zones"] = "base zones"
    below["dns"] = "base zones dns"
    below["controller/store"] = "base controller/store"
    below["controller/registry"] = below["controller/store"] " controller/registry"
    below["controller/api"] = below["controller/registry"] " controller/api"
    below["controller/reconcile"] = below["controller/registry"] " zones controller/reconcile"
    below["conf"] = "base conf"
    below["cmd"] = below["dns"] " " below["controller/api"] " controller/reconcile conf cmd"
    for (folder in below)
        projects[folder] = 1
    projects["cmd"] = 1 # for itself and its tests alone: it is below nobody
    split_list("event2 cjson lmdb.h ldns openssl curl yaml.h cmocka.h", libraries)
    split_list("assert ctype dirent endian errno fcntl float fnmatch fts ftw getopt glob grp ifaddrs inttypes " \
        "libgen limits locale malloc math mntent netdb poll pthread pwd regex sched semaphore setjmp signal " \
        "spawn stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string strings syslog " \
        "termios threads time unistd wchar", libc)
    libc["immintrin"] = 1 # of the compiler, as stdatomic
    split_list("arpa linux net netinet sys", libc_folders)
}
{
    match($0, /^[^:]*:[0-9]+:/)
    where = substr($0, 1, RLENGTH - 1)
    file = where
    sub(/:[0-9]+$/, "", file)
    line = substr($0, RLENGTH + 1)
    folder = folder_of(file)
    if (!match(line, /["<][^">]*[">]/)) {
        complain("an include that cannot be read: " line)
        next
    }
    quoted = substr(line, RSTART, 1) == "\""
    header = substr(line, RSTART + 1, RLENGTH - 2)
    if (quoted) {
        target = folder_of(header)
        if (folder == "tests" && (target == "tests" || target == ""))
            next
        if (!(target in projects)) {
            complain("\"" header "\" is in no folder that may be included")
            next
        }
        as = folder == "tests" ? tested_folder(file) : folder
        if (as == "")
            next
        if (!(as in below)) {
            complain("folder " as " is not in the table")
            next
        }
        if (index(" " below[as] " ", " " target " ") == 0)
            complain(as " may not include " target " (\"" header "\")")
        next
    }
    library = header
    if (header ~ /\//)
        sub(/\/.*/, "", library)
    bare = header
    sub(/\.h$/, "", bare)
    if ((header ~ /\// && library in libc_folders) || bare in libc)
        next
    if (!(library in libraries))
        complain("<" header "> is neither libc nor a library of the table")
    else if (!may_use(file, folder, library))
        complain(folder " may not include <" header ">")
}
END {
    exit bad
}'
