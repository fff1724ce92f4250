"""What tests that ask other servers the same questions share: which names to ask, answers in words, and the table of differences
that are meant."""

import fnmatch
import ipaddress
import os
import socket

ZONE = os.environ.get("ORDINALD_ZONE", "cluster.local.")
REVERSE = ["96.10.in-addr.arpa.", "244.10.in-addr.arpa.", "0.0.d.f.ip6.arpa."]
ASKED = ["A", "AAAA", "SRV", "PTR", "TXT", "ANY", "CNAME", "NS", "SOA", "MX", "HTTPS", "DS", "TYPE666"]


def free_port():
    """A port that was free a moment ago, for UDP and TCP: these servers cannot tell which one they got."""
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        udp.bind(tcp.getsockname())
        return tcp.getsockname()[1]


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

    def differences(self, other):
        """The part in which two answers differ, with what each says: an answer that differs entails the rest."""
        for part in ("answer", "authority", "additional", "flags"):
            a, b = getattr(self, part), getattr(other, part)
            if a != b:
                return [(part, a, b)]
        return []


class Differences:
    """A table of differences, and which of its rows happened. A row: patterns of the keys (name and type, say), the part of the
    answer, patterns of what each says, the reason."""

    def __init__(self, path, keys, them):
        with open(path) as f:
            self.rows = [line.rstrip("\n").replace("cluster.local.", ZONE).split("\t") for line in f
                         if line.strip() and not line.startswith("#")]
        assert all(len(row) == keys + 4 for row in self.rows), f"{path}: a row has {keys + 4} columns"
        self.keys = keys
        self.them = them
        self.seen = set()
        self.unlisted = []
        self.asked = 0

    def note(self, key, ours, theirs):
        self.asked += 1
        for part, a, b in ours.differences(theirs):
            if not self.allows(key, part, a, b):
                self.unlisted.append(f"{' '.join(key)}: {part}: ordinald {a}, {self.them} {b}")

    def allows(self, key, part, a, b):
        """All rows that fit count as seen, so that a row hidden behind another one is not taken for gone."""
        rows = [i for i, row in enumerate(self.rows)
                if part == row[self.keys] and fits(a, row[self.keys + 1]) and fits(b, row[self.keys + 2])
                and all(fits_any(word, row[k]) for k, word in enumerate(key))]
        self.seen.update(rows)
        return bool(rows)

    def gone(self):
        return ["\t".join(row) for i, row in enumerate(self.rows) if i not in self.seen]

    def must_be_listed(self, table):
        shown = int(os.environ.get("ORDINALD_SHOW", 40))
        assert not self.unlisted, f"{len(self.unlisted)} differences that {table} does not list:\n" + "\n".join(self.unlisted[:shown])

    def must_be_complete(self, table):
        self.must_be_listed(table)
        assert not self.gone(), f"rows of {table} that no longer happen:\n" + "\n".join(self.gone())


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
