"""The resolvers of programs in pods, those of glibc, musl and Go, by way of a resolv.conf as a kubelet writes it (R-151).

lookup/lookup.c and lookup/lookup.go ask; everything runs in a network and a mount namespace of its own, where ordinald has port 53 of
an address and /etc/resolv.conf names it. Needs root. A resolver that cannot be built here is skipped."""

import os
import shutil
import subprocess
import sys

import harness
from harness import Daemon, Skip
from test_forward import Upstream

HERE = os.path.dirname(os.path.abspath(__file__))
ZONE = harness.ZONES[0]  # set by harness.main
SERVER = "10.96.0.10"
RESOLVERS = {}  # glibc, musl, go: the program, or why there is none
FOREIGN = {"www.example.com.": ["198.51.100.1", "198.51.100.2"]}
FOUR = [f"10.244.0.{i}" for i in range(1, 4)]
SIX = [f"fd00::{i}" for i in range(1, 4)]
MANY = [f"10.244.{i // 100 + 1}.{i % 100 + 1}" for i in range(200)]


def programs():
    """{resolver: program}, built once."""
    if not RESOLVERS:
        folder = os.path.join(harness.BUILD, "lookup")
        os.makedirs(folder, exist_ok=True)
        for libc, words in {"glibc": ["gcc"], "musl": ["musl-gcc", "-static"]}.items():
            path = os.path.join(folder, "lookup-" + libc)
            if shutil.which(words[0]):
                subprocess.run([*words, "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-o", path,
                                os.path.join(HERE, "lookup/lookup.c")], check=True)
                RESOLVERS[libc] = path
        made = subprocess.run([os.path.join(HERE, "go_build.sh"), os.path.join(HERE, "lookup"), os.path.join(folder, "lookup-go")],
                              stdout=subprocess.PIPE, text=True)
        assert made.returncode in (0, 77), "lookup.go does not build"
        if made.returncode == 0:
            RESOLVERS["go"] = made.stdout.strip()
    return RESOLVERS


def lookup(resolver, *arguments):
    """{asked: [word]} for each line, sorted."""
    out = subprocess.run([programs()[resolver], *arguments], capture_output=True, text=True, check=True, timeout=120).stdout
    return {line.split()[0]: sorted(line.split()[1:]) for line in out.splitlines()}


def each_resolver(check):
    for resolver in programs():
        check(resolver)
    missing = {"glibc", "musl", "go"} - set(programs())
    if missing:
        raise Skip("no " + ", ".join(sorted(missing)) + " here; the others are right")


def endpoint_slice(name, service, addresses):
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv6" if ":" in addresses[0] else "IPv4",
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": service}},
            "endpoints": [{"addresses": [a], "hostname": f"{service}-{i}", "conditions": {"ready": True}}
                          for i, a in enumerate(addresses)]}


class World:
    """A daemon on port 53 with an upstream, Services of both families, and a resolv.conf of namespace default."""

    def __init__(self):
        self.upstream = Upstream(lambda name, qtype: (0, FOREIGN[name] if qtype == 1 else []) if name in FOREIGN else (3, []))
        self.daemon = Daemon("zone.name=" + ZONE.rstrip("."), "store.kind=memory", "forward.upstream=" + self.upstream.address,
                             "access.recurse=10.0.0.0/8", "zone.reverse=10.244.0.0/16", "zone.reverse=fd00::/64")
        self.daemon.ports["dns"] = SERVER + ":53"

    def __enter__(self):
        self.daemon.start()
        for service, families in {"kubia": (FOUR, SIX), "four": (FOUR,), "six": (SIX,), "many": (MANY[:100], MANY[100:])}.items():
            self.daemon.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": service}, "spec": {"clusterIP": "None"}})
            for i, addresses in enumerate(families):
                self.daemon.create(endpoint_slice(f"{service}-{i}", service, addresses))
        for name, target in {"outside": "www.example.com", "inside": "kubia.default.svc." + ZONE.rstrip(".")}.items():
            self.daemon.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
                                "spec": {"type": "ExternalName", "externalName": target}})
        with open("/etc/resolv.conf", "w") as f:
            f.write(f"search default.svc.{ZONE} svc.{ZONE} {ZONE}\nnameserver {SERVER}\noptions ndots:5 timeout:20 attempts:1\n")
        return self

    def __exit__(self, *exc):
        self.upstream.__exit__()
        return self.daemon.__exit__(*exc)


def test_k_ns_is_what_is_listened_on_beyond_loopback():
    with World() as world:
        assert world.daemon.addresses("ns.dns." + ZONE) == [SERVER]
    for listen, expected in ({"0.0.0.0:53": [SERVER], "127.0.0.1:53": ["127.0.0.1"]}).items():
        daemon = Daemon("zone.name=" + ZONE.rstrip("."), "store.kind=memory")
        daemon.ports["dns"] = listen
        with daemon:
            daemon.dns = "127.0.0.1", 53
            assert daemon.addresses("ns.dns." + ZONE) == expected, listen


def test_r151_names_by_the_search_path():
    expected = {"kubia-0.kubia": [FOUR[0], SIX[0]], "kubia": FOUR + SIX, "kubia.default": FOUR + SIX, "kubia.default.svc": FOUR + SIX,
                "kubia.default.svc." + ZONE: FOUR + SIX, "KUBIA-2.Kubia": [FOUR[2], SIX[2]]}
    if len(ZONE) < 60:  # beside a search path of a long zone there is no room for it
        expected["kubia.default.svc." + ZONE.rstrip(".")] = FOUR + SIX

    def check(resolver):
        assert lookup(resolver, *expected) == {name: sorted(addresses) for name, addresses in expected.items()}, resolver
    with World():
        each_resolver(check)


def test_r151_one_family_alone_is_not_a_name_that_does_not_exist():
    def check(resolver):
        assert lookup(resolver, "four", "six") == {"four": FOUR, "six": SIX}, resolver
        assert lookup(resolver, "-4", "kubia", "six") == {"kubia": FOUR, "six": ["none"]}, resolver
        assert lookup(resolver, "-6", "kubia", "four") == {"kubia": SIX, "four": ["none"]}, resolver
    with World():
        each_resolver(check)


def test_r151_missing_names_are_known_to_be_missing():
    def check(resolver):
        names = ["nothing", "kubia-9.kubia", "kubia.nowhere", "nothing.example.com"]
        assert lookup(resolver, *names) == {name: ["none"] for name in names}, resolver
    with World() as world:
        each_resolver(check)
        ours = [name for name in world.upstream.names() if name.endswith("." + ZONE.lower())]
        assert ours == [] and "nothing.example.com." in world.upstream.names(), world.upstream.names()


def test_r151_foreign_names_and_external_names():
    def check(resolver):
        assert lookup(resolver, "www.example.com", "outside", "inside") == {
            "www.example.com": FOREIGN["www.example.com."], "outside": FOREIGN["www.example.com."],
            "inside": sorted(FOUR + SIX)}, resolver
    with World():
        each_resolver(check)


def test_r151_large_sets_come_by_tcp():
    def check(resolver):
        found = lookup(resolver, "many")["many"]
        if resolver == "musl":  # keeps 48; before 1.2.4 it does not ask again by TCP, and takes what was not cut off
            assert len(set(found)) == len(found) >= 20 and set(found) <= set(MANY), found
        else:
            assert found == sorted(MANY), (resolver, len(found))
    with World():
        each_resolver(check)


def test_r151_reverse_names():
    def check(resolver):
        name = f"kubia-1.kubia.default.svc.{ZONE}"
        found = lookup(resolver, "-x", FOUR[1], SIX[1])
        assert {address: [word.rstrip(".") + "." for word in words] for address, words in found.items()} == {
            FOUR[1]: [name], SIX[1]: [name]}, (resolver, found)
    with World() as world:
        world.daemon.must("DELETE", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/four-0")
        world.daemon.must("DELETE", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/six-0")
        each_resolver(check)


def test_r151_many_programs_at_once():
    names = ["kubia-0.kubia", "kubia", "four", "nothing", "outside"] * 20
    expected = {"kubia-0.kubia": [FOUR[0], SIX[0]], "kubia": sorted(FOUR + SIX), "four": FOUR, "nothing": ["none"],
                "outside": FOREIGN["www.example.com."]}

    def check(resolver):
        running = [subprocess.Popen([programs()[resolver], *names], stdout=subprocess.PIPE, text=True) for _ in range(8)]
        for process in running:
            lines = process.communicate(timeout=120)[0].splitlines()
            assert len(lines) == len(names)
            for line in lines:
                assert sorted(line.split()[1:]) == expected[line.split()[0]], (resolver, line)
    with World():
        each_resolver(check)


def why_not():
    missing = [c for c in ("ip", "unshare", "mount") if not shutil.which(c)]
    if os.geteuid() != 0:
        return "needs root, for port 53 and /etc/resolv.conf in namespaces"
    missing += [f for f in ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf") if not os.path.exists(f)]
    if missing:
        return "no " + ", ".join(missing)
    if subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True).returncode != 0:
        return "no namespaces can be made here"
    return None


def enter():
    """Files and network that nobody else sees."""
    for words in (["ip", "link", "set", "lo", "up"], ["ip", "addr", "add", SERVER + "/32", "dev", "lo"]):
        subprocess.run(words, check=True)
    for name, text in {"resolv.conf": "", "hosts": "127.0.0.1 localhost\n", "nsswitch.conf": "hosts: files dns\n"}.items():
        path = os.path.join(os.environ["RESOLVERS_INSIDE"], name)
        with open(path, "w") as f:
            f.write(text)
        subprocess.run(["mount", "--bind", path, "/etc/" + name], check=True)


if __name__ == "__main__":
    reason = why_not()
    if reason:
        print("skip  all of test_resolvers -", reason)
        sys.exit(0)
    if "RESOLVERS_INSIDE" not in os.environ:
        import tempfile
        programs()  # modules of Go come by the network, which is gone inside
        with tempfile.TemporaryDirectory(prefix="ordinald-resolvers-") as folder:
            sys.exit(subprocess.run(["unshare", "--net", "--mount", sys.executable, "-B", os.path.abspath(__file__), *sys.argv[1:]],
                                    env=dict(os.environ, RESOLVERS_INSIDE=folder)).returncode)
    enter()
    harness.main(sys.modules["__main__"], harness.FEW_ZONES)
