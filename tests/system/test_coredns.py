"""CoreDNS, built from its published module, as a client of the API and as a second opinion on every answer: its kubernetes plugin
lists and watches ordinald's API, and both are asked the vectors of kubernetes-dns 11.1 and thousands of names made from the objects.
Where they differ on purpose is written in coredns/differences.tsv with the reason; any other difference fails, and so does a row
of that table that no longer happens. Skips where there is no Go, or no way to the modules."""

import http.client
import ipaddress
import itertools
import os
import signal
import subprocess
import sys
import tempfile

import harness
from harness import Daemon, Skip, query, until
from second_opinion import ASKED, REVERSE, ZONE, Differences, Said, dashed, free_port, mixed_case, names
from test_vectors import SETTINGS, load, objects, vectors

HERE = os.path.dirname(os.path.abspath(__file__))


def build():
    made = subprocess.run([os.path.join(HERE, "coredns/build.sh"), os.path.join(harness.BUILD, "coredns")],
                          stdout=subprocess.PIPE, text=True)
    if made.returncode == 77:
        raise Skip(made.stdout.strip())
    assert made.returncode == 0, "coredns/build.sh: exit %d" % made.returncode
    return made.stdout.strip()


class CoreDNS:
    """The program, pointed at a daemon's API over plain HTTP."""

    def __init__(self, daemon):
        self.program = build()
        self.daemon = daemon
        self.dir = tempfile.TemporaryDirectory(prefix="ordinald-coredns-")

    def __enter__(self):
        for attempt in range(5):  # somebody else may have taken the port meanwhile
            self.dns, self.ready = ("127.0.0.1", free_port()), free_port()
            if self._start():
                return self
        raise AssertionError("CoreDNS does not start:\n" + self.log())

    def _start(self):
        with open(os.path.join(self.dir.name, "Corefile"), "w") as f:
            f.write(f""".:{self.dns[1]} {{
    bind 127.0.0.1
    errors
    ready 127.0.0.1:{self.ready}
    kubernetes {ZONE} {" ".join(REVERSE)} {{
        endpoint {self.daemon.http}
        pods verified
        ttl 5
        startup_timeout 30s
    }}
}}
""")
        with open(os.path.join(self.dir.name, "log"), "ab") as log:
            self.process = subprocess.Popen([self.program, "-conf", f.name], stdout=log, stderr=log)
        until("CoreDNS is ready", lambda: self.process.poll() is not None or self.is_ready())
        return self.process.poll() is None

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        if exc[0] is not None:
            sys.stderr.write(self.log()[-8000:])
        self.dir.cleanup()

    def is_ready(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.ready, timeout=5)
            connection.request("GET", "/ready")
            if connection.getresponse().status != 200:
                return False
            harness.exchange(self.dns, query(ZONE, "SOA"))  # it says ready a moment before it listens
            return True
        except OSError:
            return False

    def log(self):
        with open(os.path.join(self.dir.name, "log"), errors="replace") as f:
            return f.read()


# ---- what they say ----

def differences():
    return Differences(os.path.join(HERE, "coredns/differences.tsv"), 2, "CoreDNS")


def ask_both(daemon, coredns, name, qtype, tcp=False):
    message = query(name, qtype)
    return [Said(harness.Reply(harness.exchange(where, message, tcp))) for where in (daemon.dns, coredns.dns)]


# ---- tests ----

def test_every_answer_is_that_of_coredns_or_a_listed_difference():
    with Daemon(*SETTINGS) as d:
        load(d)
        with CoreDNS(d) as c:
            table = differences()
            for number, name, qtype, rcode, answer in vectors(ZONE):
                for tcp in (False, True):
                    table.note((name.lower(), qtype), *ask_both(d, c, name, qtype, tcp))
            for name in names(objects()):
                for qtype in ASKED:
                    table.note((name.lower(), qtype), *ask_both(d, c, name, qtype))
                table.note((name.lower(), "A"), *ask_both(d, c, mixed_case(name), "A"))
                table.note((name.lower(), "SRV"), *ask_both(d, c, mixed_case(name), "SRV"))
            print(f"      {table.asked} questions, {len(table.rows)} kinds of difference")
            table.must_be_complete("coredns/differences.tsv")


def test_the_page_gives_the_reason_of_every_difference():
    with open(os.path.join(HERE, "../../docs/coredns.md")) as f:
        listed = itertools.takewhile(lambda line: not line.startswith("## "), f) # later sections list other things
        reasons = [line[2:] for line in listed if line.startswith("- ")]
    want = [row[5] for row in differences().rows]
    assert len(reasons) == len(want), f"{len(want)} rows, {len(reasons)} reasons in docs/coredns.md"
    for have, reason in zip(reasons, want):
        assert have.startswith(reason + ". ") or have.rstrip("\n").rstrip(".") == reason, f"docs/coredns.md: {have!r}, row: {reason!r}"


SET = "/apis/apps/v1/namespaces/default/statefulsets/kubia"
KUBIA = f"kubia.default.svc.{ZONE}"


def members(daemon):
    """Address by pod name of the pods that ordinald's own names know, once that is what the API says."""
    pods = daemon.get("/api/v1/namespaces/default/pods")["items"]
    have = {p["metadata"]["name"]: p["status"].get("podIP") for p in pods if "deletionTimestamp" not in p["metadata"]}
    return have if sorted(filter(None, have.values())) == daemon.addresses(KUBIA) else None


def agree(daemon, coredns, addresses, replicas):
    """CoreDNS comes to say what ordinald says: of the set, each pod that is or was, and each address that is or was in use."""
    have = until(f"{replicas} pods are up", lambda: (lambda m: m is not None and len(m) == replicas and m)(members(daemon)))
    addresses.update(have.values())
    asked = [(KUBIA, t) for t in ("A", "AAAA", "SRV")] + [(f"_http._tcp.{KUBIA}", "SRV")]
    asked += [(f"kubia-{i}.{KUBIA}", t) for i in range(6) for t in ("A", "SRV")]
    asked += [(ipaddress.ip_address(a).reverse_pointer + ".", "PTR") for a in addresses]
    asked += [(f"{dashed(a)}.default.pod.{ZONE}", "A") for a in addresses]

    def differing():
        table = differences()
        for name, qtype in asked:
            table.note((name.lower(), qtype), *ask_both(daemon, coredns, name, qtype))
        return table.unlisted
    try:
        until("CoreDNS follows", lambda: not differing())
    except AssertionError:
        raise AssertionError("CoreDNS does not follow:\n" + "\n".join(differing()))
    for name, address in have.items():
        reply = harness.Reply(harness.exchange(coredns.dns, query(f"{name}.{KUBIA}", "A")))
        assert reply.data("A") == [address], f"{name}: CoreDNS says {reply.data()}, the API {address}"
    return have


def test_coredns_follows_a_set_through_moves_scaling_and_a_kill():
    with Daemon("nodes.embedded=3", "nodes.embedded-start=20ms", *SETTINGS) as d:
        with CoreDNS(d) as c:
            for obj in harness.kubia():
                d.create(obj)
            used = set()
            first = agree(d, c, used, 3)
            assert all(a.startswith("10.244.") for a in used), f"the reverse zones miss {used}"

            d.must("DELETE", "/api/v1/namespaces/default/pods/kubia-1")  # it comes back with another address
            until("kubia-1 moved", lambda: (members(d) or first).get("kubia-1") not in (None, first["kubia-1"]))
            agree(d, c, used, 3)

            scale(d, 5)
            agree(d, c, used, 5)
            scale(d, 1)
            agree(d, c, used, 1)

            d.kill()  # every version CoreDNS knows is too old afterwards: it has to list again (A34)
            reply = harness.Reply(harness.exchange(c.dns, query(f"kubia-0.{KUBIA}", "A")))
            assert reply.data("A") == [first["kubia-0"]], "CoreDNS without its API server"
            d.start()
            scale(d, 2)
            agree(d, c, used, 2)
            d.must("DELETE", "/api/v1/namespaces/default/services/kubia")
            until("the Service is gone from CoreDNS", lambda: Said(harness.Reply(
                harness.exchange(c.dns, query(f"kubia-0.{KUBIA}", "A")))).answer == "NXDOMAIN")


def scale(daemon, replicas):
    daemon.must("PATCH", SET, {"spec": {"replicas": replicas}}, "application/merge-patch+json")


if __name__ == "__main__":
    harness.main(sys.modules["__main__"])
