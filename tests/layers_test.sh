#!/bin/sh
# tests/layers_test.sh - layers.sh finds every kind of violation and nothing else.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

# put FILE LINE... : a source file of these lines
put() {
    file=$tree/$1
    shift
    mkdir -p "$(dirname "$file")"
    printf '%s\n' "$@" >"$file"
}
put base/loop.c '#include "base/loop.h"' '#include <event2/event.h>' '#include <sys/wait.h>'
put base/yaml.c '#include <yaml.h>' '#include <cjson/cJSON.h>'
put base/bad.c '#include "zones/zone.h"' '#include <event2/event.h>' '#include <lmdb.h>' '#include <curl/curl.h>'
put zones/name.c '#include <ldns/ldns.h>' '#include "base/buf.h"'
put zones/bad.h '  #  include "dns/query.h"' '#include <cjson/cJSON.h>' '#include "name.h"'
put dns/udp.c '#include <event2/event.h>' '#include <openssl/ssl.h>' '#include "zones/name.h"'
put dns/bad.c '#include "controller/store/store.h"' '#include "conf/conf.h"'
put controller/store/store_lmdb.c '#include <lmdb.h>' '#include <cjson/cJSON.h>'
put controller/registry/bad.c '#include "controller/api/http.h"' '#include <yaml.h>'
put controller/api/http_parse.c '#include <event2/http.h>'
put controller/api/bad.c '#include "controller/reconcile/runner.h"' '#include <event2/http.h>' '#include "zones/name.h"'
put controller/reconcile/feed.c '#include "zones/name.h"' '#include "controller/registry/verbs.h"'
put controller/reconcile/bad.c '#include "controller/api/rest.h"'
put conf/bad.c '#include "zones/name.h"' '#include "cmd/x.h"'
put cmd/ordinald.c '#include "conf/conf.h"' '#include "dns/server.h"' '#include "controller/api/http.h"'
put cmd/ordctl_get.c '#include "cmd/ordctl.h"' '#include "controller/reconcile/runner.h"' '#include <curl/curl.h>'
put cmd/bad.c '#include "tests/unit/cmd/x.h"' '#include <lmdb.h>'
put tests/unit/cmd/test_ordctl.c '#include "cmd/ordctl.h"' '#include "base/buf.h"'
put tests/unit/zones/test_name.c '#include <cmocka.h>' '#include "zones/name.h"' '#include <event2/event.h>'
put tests/unit/zones/test_bad.c '#include "dns/query.h"'
put tests/scenario/run.c '#include "tests/scenario/run.h"' '#include "dns/query.h"' '#include "local.h"'

cat >"$tree/expected" <<'END'
base/bad.c:1
base/bad.c:2
base/bad.c:3
base/bad.c:4
cmd/bad.c:1
cmd/bad.c:2
conf/bad.c:1
conf/bad.c:2
controller/api/bad.c:1
controller/api/bad.c:2
controller/api/bad.c:3
controller/reconcile/bad.c:1
controller/registry/bad.c:1
controller/registry/bad.c:2
dns/bad.c:1
dns/bad.c:2
tests/unit/zones/test_bad.c:1
zones/bad.h:1
zones/bad.h:2
zones/bad.h:3
END
if "$here/layers.sh" "$tree" >"$tree/found"; then
    echo "layers.sh succeeds on a tree with violations"
    exit 1
fi
sed 's/: .*//' "$tree/found" | LC_ALL=C sort | diff "$tree/expected" - || exit 1

find "$tree" -name 'bad.*' -o -name 'test_bad.*' | xargs rm
"$here/layers.sh" "$tree"
