"""CoreDNS, built from its published module, as a client of the API and as a second opinion on every answer: its kubernetes plugin
lists and watches ordinald's API, and both are asked the vectors of kubernetes-dns 11.1 and thousands of names made from the objects.
Where they differ on purpose is written in coredns/differences.tsv with the reason; any other difference fails, and so does a row
of that table that no longer happens. Skips where there is no Go, or no way to the modules."""

import fnmatch
import http.client
import ipaddress
import os
import signal
import socket
import subprocess
import sys
import tempfile

import harness
from harness import Daemon, Skip, TYPES, query, until
from test_vectors import SETTINGS, load, objects, vectors

HERE = os.path.dirname(os.path.abspath(__file__))
ZONE = "cluster.local."
REVERSE = ["96.10.in-addr.arpa.", "244.10.in-addr.arpa.", "0.0.d.f.ip6.arpa."]
ASKED = ["A", "AAAA", "SRV", "PTR", "TXT", "ANY", "CNAME", "NS", "SOA", "MX", "HTTPS", "DS", "TYPE666"]


def build():
    made = subprocess.run([os.path.join(HERE, "coredns/build.sh"), os.path.join(harness.BUILD, "coredns")],
                          stdout=subprocess.PIPE, text=True)
    if made.returncode == 77:
        raise Skip(made.stdout.strip())
    assert made.returncode == 0, "coredns/build.sh: exit %d" % made.returncode
    return made.stdout.strip()


def free_port():
    """A port that was free a moment ago, for UDP and TCP: CoreDNS cannot tell which one it got."""
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        udp.bind(tcp.getsockname())
        return tcp.getsockname()[1]


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


# ---- what to ask ----

def names_below_service(service, slices):
    meta, spec = service["metadata"], service["spec"]
    base = f"{meta['name']}.{meta['namespace']}.svc.{ZONE}"
    ports = list(spec.get("ports", []))
    hosts = ["missing", "*", "any", "a.b.c.d"]
    for piece in slices:
        ports += piece.get("ports", [])
        for endpoint in piece["endpoints"]:
            hosts += [endpoint["hostname"]] if "hostname" in endpoint else []
            hosts += [dashed(address) for address in endpoint["addresses"]]
    yield base
    yield f"{base}{meta['namespace']}.svc.{ZONE}"  # what a search list makes of it
    for label in ("_tcp", "_udp", "_sctp", "tcp", "_", "_._tcp", "_none._tcp"):
        yield f"{label}.{base}"
    for port in ports:
        for proto in ("tcp", "udp"):
            if "name" in port:
                yield f"_{port['name']}._{proto}.{base}"
                yield f"{port['name']}.{proto}.{base}"
                yield f"x._{port['name']}._{proto}.{base}"
    for host in hosts:
        yield f"{host}.{base}"
        yield f"_tcp.{host}.{base}"
        yield f"x.{host}.{base}"
        for port in ports[:1]:
            yield f"_{port.get('name', '')}._tcp.{host}.{base}"


def dashed(address):
    text = str(ipaddress.ip_address(address)).replace(".", "-").replace(":", "-")
    return ("0" if text.startswith("-") else "") + text + ("0" if text.endswith("-") else "")


def names_of_address(address):
    """The reverse name, a name below it, its neighbour, and every node above it down to the zone's apex."""
    name = ipaddress.ip_address(address).reverse_pointer + "."
    if not any(name.endswith("." + zone) for zone in REVERSE):
        return
    yield "x." + name
    yield "f." + name.split(".", 1)[1] if "ip6" in name else "254." + name.split(".", 1)[1]
    while name not in REVERSE:
        yield name
        name = name.split(".", 1)[1]
    yield name


def addresses_of(state):
    for obj in state:
        if obj["kind"] == "Service":
            yield from (a for a in obj["spec"].get("clusterIPs", []) if a != "None")
        elif obj["kind"] == "EndpointSlice":
            yield from (a for endpoint in obj["endpoints"] for a in endpoint["addresses"])
        elif obj["kind"] == "Pod":
            yield from (ip["ip"] for ip in obj.get("status", {}).get("podIPs", []))


def names(state):
    """Every name that the objects could own, and many that they must not."""
    spaces = [o["metadata"]["name"] for o in state if o["kind"] == "Namespace"] + ["absent"]
    out = {ZONE, *REVERSE}
    out.update(f"{label}.{ZONE}" for label in ("svc", "pod", "dns", "ns.dns", "x.ns.dns", "dns-version", "x.dns-version", "foo", "*"))
    for space in spaces:
        out.update((f"{space}.svc.{ZONE}", f"{space}.pod.{ZONE}", f"missing.{space}.svc.{ZONE}", f"missing.{space}.pod.{ZONE}"))
    for service in (o for o in state if o["kind"] == "Service"):
        out.update(names_below_service(service, [
            o for o in state if o["kind"] == "EndpointSlice" and o["metadata"]["namespace"] == service["metadata"]["namespace"]
            and o["metadata"]["labels"]["kubernetes.io/service-name"] == service["metadata"]["name"]]))
    for address in set(addresses_of(state)):
        out.update(names_of_address(address))
        for space in spaces:
            out.update((f"{dashed(address)}.{space}.pod.{ZONE}", f"x.{dashed(address)}.{space}.pod.{ZONE}"))
    return sorted(out)


def mixed_case(name):
    return "".join(c.upper() if i % 2 else c for i, c in enumerate(name))


# ---- what they say ----

class Said:
    """An answer in words that can be compared: order and case, the serial (K-SERIAL) and weights (K-SRV) aside."""

    def __init__(self, reply):
        self.answer = " ".join([reply.rcode] + sorted({self.record(r) for r in reply.answer}))
        if reply.rcode == "NOERROR" and not reply.answer:
            self.answer = "NODATA"
        self.authority = " ".join(sorted({self.record(r) for r in reply.authority})) or "-"
        self.additional = " ".join(sorted({self.record(r) for r in reply.additional})) or "-"
        self.flags = " ".join(f for f in ("aa", "tc", "ra", "ad", "z") if getattr(reply, f)) or "-"

    @staticmethod
    def record(r):
        data = r.data if r.type == "TXT" else r.data.lower()
        fields = data.split(" ")
        if r.type == "SOA":
            data = " ".join(fields[:2] + ["serial"] + fields[3:])
        if r.type == "SRV":
            data = " ".join(fields[:1] + ["weight"] + fields[2:])
        return f"({r.name.lower()} {r.ttl} {r.type} {data})"


def compare(ours, theirs):
    """The part in which two answers differ, with what each says: an answer that differs entails the rest."""
    for part in ("answer", "authority", "additional", "flags"):
        a, b = getattr(ours, part), getattr(theirs, part)
        if a != b:
            return part, a, b
    return None


def ask_both(daemon, coredns, name, qtype, tcp=False):
    message = query(name, qtype)
    return [Said(harness.Reply(harness.exchange(where, message, tcp))) for where in (daemon.dns, coredns.dns)]


class Differences:
    """The table of differences: which rows happened, and what no row allows."""

    def __init__(self):
        with open(os.path.join(HERE, "coredns/differences.tsv")) as f:
            self.rows = [line.rstrip("\n").split("\t") for line in f if line.strip() and not line.startswith("#")]
        assert all(len(row) == 6 for row in self.rows)
        self.seen = set()
        self.unlisted = []
        self.asked = 0

    def note(self, name, qtype, ours, theirs):
        self.asked += 1
        difference = compare(ours, theirs)
        if difference and not self.allows(name.lower(), qtype, *difference):
            part, a, b = difference
            self.unlisted.append(f"{name} {qtype}: {part}: ordinald {a}, CoreDNS {b}")

    def allows(self, name, qtype, part, a, b):
        """All rows that fit count as seen, so that a row hidden behind another one is not taken for gone."""
        rows = [i for i, (names_, types, part_, ours, theirs, reason) in enumerate(self.rows)
                if part == part_ and fits_any(name, names_) and fits_any(qtype, types) and fits(a, ours) and fits(b, theirs)]
        self.seen.update(rows)
        return bool(rows)

    def gone(self):
        return ["\t".join(row) for i, row in enumerate(self.rows) if i not in self.seen]


def fits(text, pattern):
    return fnmatch.fnmatchcase(text, pattern)


def fits_any(text, patterns):
    """Patterns parted by commas; one that begins with ! takes out what an earlier one let in."""
    inside = False
    for pattern in patterns.split(","):
        if pattern.startswith("!"):
            inside = inside and not fits(text, pattern[1:])
        else:
            inside = inside or fits(text, pattern)
    return inside


# ---- tests ----

def test_every_answer_is_that_of_coredns_or_a_listed_difference():
    with Daemon(*SETTINGS) as d:
        load(d)
        with CoreDNS(d) as c:
            table = Differences()
            for number, name, qtype, rcode, answer in vectors(ZONE):
                for tcp in (False, True):
                    table.note(name, qtype, *ask_both(d, c, name, qtype, tcp))
            for name in names(objects()):
                for qtype in ASKED:
                    table.note(name, qtype, *ask_both(d, c, name, qtype))
                table.note(mixed_case(name), "A", *ask_both(d, c, mixed_case(name), "A"))
                table.note(mixed_case(name), "SRV", *ask_both(d, c, mixed_case(name), "SRV"))
            print(f"      {table.asked} questions, {len(table.rows)} kinds of difference")
            assert not table.unlisted, f"{len(table.unlisted)} differences that coredns/differences.tsv does not list:\n" + \
                "\n".join(table.unlisted[:int(os.environ.get("ORDINALD_SHOW", 40))])
            assert not table.gone(), "differences that no longer happen:\n" + "\n".join(table.gone())


def test_the_page_gives_the_reason_of_every_difference():
    with open(os.path.join(HERE, "../../docs/coredns.md")) as f:
        reasons = [line[2:] for line in f if line.startswith("- ")]
    want = [row[5] for row in Differences().rows]
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
        table = Differences()
        for name, qtype in asked:
            table.note(name, qtype, *ask_both(daemon, coredns, name, qtype))
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
