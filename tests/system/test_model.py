"""Random states and random changes, made through the API as clients make them; after every batch the zones and the answers to random
questions must be those of zone_model.py, a literal reading of kubernetes-dns, under random options. What was built change by change must
also be what a daemon builds that was killed and started again.

ORDINALD_SEED: the first seed; ORDINALD_WORLDS: how many daemons, each with options of its own; ORDINALD_BATCHES: how many batches of
changes each goes through; ORDINALD_ASKED: how many questions after each batch."""

import concurrent.futures
import ipaddress
import os
import random
import socket
import struct
import subprocess
import sys

import harness
from harness import Daemon, Reply, until
from model_changes import Changes
from zone_model import Options, State, Zones, controlled_endpoints, dashed, listed_endpoints, reverse_name

SEED = int(os.environ.get("ORDINALD_SEED", 1))
WORLDS = int(os.environ.get("ORDINALD_WORLDS", 5))
BATCHES = int(os.environ.get("ORDINALD_BATCHES", 14))
ASKED = int(os.environ.get("ORDINALD_ASKED", 120))
KINDS = ["/api/v1/namespaces", "/api/v1/services", "/apis/discovery.k8s.io/v1/endpointslices", "/api/v1/pods"]
TYPES = ["A", "AAAA", "SRV", "PTR", "TXT", "ANY", "CNAME", "NS", "SOA", "MX", "HTTPS", "DS", "HINFO", "TYPE666"]
ODD_LABELS = ["*", "any", "_tcp", "_udp", "_sctp", "_epoch", "x", "_", "tcp", "1-2-3-4", "01-2-3-4", "1-2-3-256", "2001-DB8--1", "--1",
              "0--1", "1-2-3-4-5-6-7--", "a-b-c-d", "1-2-3", "f-0-0-0-0-0-0-1", "--", "-", "1--2--3", "fd00-0244-0-0-0-0-0-1", "\\000",
              "a\\046b", "--ffff-1-2-3-4", "0-0-0-0-0-ffff-1-2", "1-2-3-4-5-6-7-8", "1-2-3-4-5-6-7-8-9", "1-2-3-4-", "-1-2-3-4",
              "255-255-255-255"]
REVERSE = [(), ("10.244.0.0/16", "10.96.0.0/12", "fd00:96::/112", "fd00:244::/32"), ("96.10.in-addr.arpa", "0.0.d.f.IP6.arpa."),
           ("10.0.0.0/8", "10.244.0.0/16", "fd00::/8"), ("10.244.0.1/32", "10.244.0.4/31", "10.244.0.0/29", "fd00:244::1/128"),
           ("10.240.0.0/13", "fd00:244::/30", "10.96.0.8/30"), ("in-addr.arpa", "ip6.arpa."),
           ("0.0.0.0/0", "0.244.10.in-addr.arpa", "::/1")]


def random_options(chance):
    """The options of the model and the settings that give a daemon the same."""
    zone = chance.choice(harness.ZONES + harness.FEW_ZONES + harness.FEW_ZONES)
    settings = ["nodes.service-range=10.96.0.0/12", "nodes.service-range=fd00:96::/112", "nodes.pod-range=10.244.0.0/16",
                "nodes.pod-range=fd00:244::/48", "access.transfer=127.0.0.1/32", "zone.name=" + zone.rstrip("."),
                "nodes.grace=1h", "nodes.gc-quarantine=1h"]  # nothing by the clock
    given = {"ttl": chance.choice([5, 5, 0, 30, 3600]), "negative_ttl": chance.choice([5, 5, 0, 1, 300]),
             "pods": chance.choice(["verified", "verified", "insecure", "disabled"]), "endpoint_names": chance.choice(["ip", "pod"]),
             "endpoint_records": chance.choice(["all", "all", "headless"]), "ptr": chance.choice(["prefer-hostname", "all"]),
             "ignore_empty_service": chance.random() < 0.4, "reverse_fallthrough": chance.random() < 0.25}
    for key, value in given.items():
        settings.append(f"zone.{key.replace('_', '-')}={str(value).lower()}")
    reverse = chance.choice(REVERSE)
    settings += ["zone.reverse=" + text for text in reverse]
    given["reverse"] = reverse or ("10.96.0.0/12", "fd00:96::/112", "10.244.0.0/16", "fd00:244::/48")
    given["ns_address"] = chance.choice([("127.0.0.1",), ("127.0.0.1", "::1"), ("192.0.2.53",),
                                         ("192.0.2.53", "2001:db8:0::35", "198.51.100.1")])
    if given["ns_address"][-1] == "::1":
        settings.append("dns.listen=[::1]:0")
    elif given["ns_address"] != ("127.0.0.1",):
        settings += ["zone.ns-address=" + address for address in given["ns_address"]]
    return Options(zone, **given), settings


# ---- what the daemon holds and says ----

def listed(daemon):
    """The objects of one revision and that revision."""
    replies = [daemon.get(path) for path in KINDS]
    revisions = {reply["metadata"]["resourceVersion"] for reply in replies}
    return (int(revisions.pop()), State(*(reply["items"] for reply in replies))) if len(revisions) == 1 else None


def exchange_tcp(daemon, messages):
    """Questions in one stream, answers in the order of the questions."""
    out = {}
    with socket.create_connection(daemon.dns, timeout=harness.DEADLINE_S) as s:
        s.sendall(b"".join(struct.pack("!H", len(message)) + message for message in messages))
        for _ in messages:
            reply = harness.read_message(s)
            out[reply[:2]] = reply
    return [out[message[:2]] for message in messages]


def rdata_of(record):
    fields = record.data.split(" ")
    if record.type == "SRV":
        return f"0 * {fields[2]} {fields[3]}"
    if record.type == "SOA":
        return " ".join(fields[:2] + fields[3:])
    if record.type == "AAAA":
        return str(ipaddress.ip_address(record.data))
    return '"RFC8482" ""' if record.type == "HINFO" and record.data == b"\7RFC8482\0".hex() else record.data


def transfer(daemon, zone):
    """(serial, {(owner, type, rdata, TTL)}) by AXFR."""
    records = []
    with socket.create_connection(daemon.dns, timeout=harness.DEADLINE_S) as s:
        message = harness.query(zone, "AXFR")
        s.sendall(struct.pack("!H", len(message)) + message)
        while not records or records[-1].type != "SOA" or len(records) == 1:
            reply = Reply(harness.read_message(s))
            assert reply.rcode == "NOERROR" and reply.answer, (zone, reply.rcode)
            records += reply.answer
    assert repr(records[0]) == repr(records[-1])
    out = {(r.name, r.type, rdata_of(r), r.ttl) for r in records[:-1]}
    assert len(out) == len(records) - 1, ("a record twice", zone)
    return int(records[0].data.split(" ")[2]), out


def dumped(daemon, zone):
    """The same, by ordctl dump-zone."""
    text = subprocess.run([os.path.join(harness.BUILD, "ordctl"), "--server", daemon.socket, "dump-zone", zone], check=True,
                          capture_output=True, text=True).stdout
    records = []
    for line in text.splitlines():
        fields = line.split(None, 4)
        if line and line[0] not in ";$":
            records.append(harness.Record(fields[0], fields[3], int(fields[1]), " ".join(fields[4].split())))
    soa, = [r for r in records if r.type == "SOA"]
    return int(soa.data.split(" ")[2]), {(r.name, r.type, rdata_of(r), r.ttl) for r in records}


# ---- questions ----

class Names:
    """Names that exist, that existed, and that resemble those."""

    def __init__(self, chance, options):
        self.chance, self.options, self.known, self.labels = chance, options, [], []
        self.seen = set()

    def learn(self, zones, addresses):
        for name in sorted(set(zones.records) | zones.nodes):
            while name and name not in self.seen:
                self.seen.add(name)
                self.known.append(name)
                label, _, name = name.partition(".")
                if label not in self.labels:
                    self.labels.append(label)
        for address in addresses:
            name = reverse_name(address)
            if name not in self.seen:
                self.seen.add(name)
                self.known += [name] * 3
                self.labels += [dashed(address), address.replace(".", "-").replace(":", "-")]

    def one(self, zones):
        chance = self.chance
        name = chance.choice(sorted(zones.records)) if chance.random() < 0.4 else chance.choice(self.known)
        for _ in range(chance.choice([0, 0, 0, 1, 1, 2])):
            name = self.changed(name)
        name = name.strip(".").replace("..", ".") + "."
        name = name if len(harness.name_wire(name)) <= 255 and all(len(label) <= 63 for label in name.split(".")) else self.options.zone
        return "".join(chance.choice([c.upper(), c.lower()]) for c in name) if chance.random() < 0.3 else name

    def changed(self, name):
        chance, labels = self.chance, name.split(".")
        what = chance.randrange(9)
        if what == 0:
            return ".".join(labels[1:]) or "."
        if what == 8:  # any spelling, at the place where pods have their names
            return f"{chance.choice(ODD_LABELS)}.{chance.choice(['a', 'svc', 'gone', 'default'])}.pod.{self.options.zone}"
        if what == 1:
            return chance.choice(ODD_LABELS) + "." + name
        if what == 2:
            return chance.choice(self.labels) + "." + name
        if what == 3:
            at = chance.randrange(len(labels))
            return ".".join(labels[:at] + [chance.choice(self.labels)] + labels[at + 1:])
        if what == 4:
            at = chance.randrange(len(labels))
            return ".".join(labels[:at] + labels[at + 1:]) or "."
        if what == 5:
            return name.rstrip(".") + "." + chance.choice([self.options.zone, f"svc.{self.options.zone}", f"a.svc.{self.options.zone}"])
        if what == 6:
            return f"{chance.choice(self.labels)}.{chance.choice(['a', 'svc', 'gone', 'default'])}.pod.{self.options.zone}"
        return name.replace(".svc.", ".pod.") if ".svc." in name else name.replace(".pod.", ".svc.")


def question(chance, names, zones, number):
    name = names.one(zones)
    owned = [rtype for rtype in zones.records.get(name.lower(), {})]
    qtype = chance.choice(owned) if owned and chance.random() < 0.5 else chance.choice(TYPES)
    return name, qtype, harness.query(name, qtype, ident=number)


def differences(message, data, want, options, serials):
    """What is wrong with an answer, as texts."""
    reply, wrong = Reply(data), []
    have = [(r.name.lower(), r.type, rdata_of(r), r.ttl) for r in reply.answer]
    expected = [set(part) for part in want.answer]
    if reply.question != message[12:] or reply.tc or reply.ra:
        wrong.append("question or flags")
    if (reply.rcode, reply.aa) != (want.rcode, want.is_authoritative):
        wrong.append(f"{reply.rcode} AA={reply.aa}, not {want.rcode} AA={want.is_authoritative}")
    at = 0
    for part in expected:  # the links of a chain in their order, then the set
        if set(have[at:at + len(part)]) != part:
            wrong.append(f"answer {have}, not {expected}")
            break
        at += len(part)
    if len(have) != sum(map(len, expected)):
        wrong.append(f"{len(have)} records, not {expected}")
    soa = []
    if want.soa:
        ttl = options.negative_ttl
        soa = [(want.soa, f"ns.dns.{options.zone} hostmaster.{options.zone} {serials[want.soa]} 7200 1800 86400 {ttl}", ttl)]
    if [(r.name.lower(), r.data, r.ttl) for r in reply.authority] != soa:
        wrong.append(f"authority {reply.authority}, not {soa}")
    additional = [(r.name.lower(), r.type, rdata_of(r), r.ttl) for r in reply.additional]
    if set(additional) != want.additional or len(additional) != len(want.additional):
        wrong.append(f"additional {additional}, not {want.additional}")
    return wrong


# ---- a world ----

class World:
    def __init__(self, seed):
        self.seed, self.chance = seed, random.Random(seed)
        self.options, self.settings = random_options(self.chance)
        self.names = Names(self.chance, self.options)
        self.serials, self.before, self.revision = {}, {}, 0
        self.daemon = Daemon(*self.settings)
        self.story = []

    def run(self):
        with self.daemon:
            changes = Changes(self.daemon, self.chance)
            self.names.learn(self.check(False), changes.addresses)
            for number in range(BATCHES):
                is_single = self.batch(changes)
                zones = self.check(is_single)
                self.names.learn(zones, ())
                self.ask(zones)
                if number % 5 == 3:
                    self.restart()
            return changes

    def batch(self, changes):
        """Changes one by one or many at once (of which the store commits several together); whether it was a single one."""
        count = self.chance.choice([1, 2, 5, 12, 25])
        planned = [changes.plan() for _ in range(count)]
        if count > 1 and self.chance.random() < 0.4:
            with concurrent.futures.ThreadPoolExecutor(6) as pool:
                self.story = list(pool.map(lambda step: changes.do(step, False), planned))
        else:
            self.story = [changes.do(step) for step in planned]
        changes.settle()
        return count == 1

    def snapshot(self, get):
        """State and zones of one revision."""
        def once():
            first = listed(self.daemon)
            contents = {zone: get(self.daemon, zone) for zone in self.options.reverse + [self.options.zone]}
            second = listed(self.daemon)
            return (first, contents) if first and second and first[0] == second[0] else None
        return until("the state stands still", once)

    def check(self, is_single):
        (revision, state), contents = self.snapshot(dumped if self.chance.random() < 0.1 else transfer)
        made, due = listed_endpoints(state), controlled_endpoints(state, {"node-a"})
        wrong = [f"{key}: {made.get(key)}, not {due[key]}" for key in due if made.get(key) != due[key]]
        assert not wrong, self.told("slices of the controller: " + "\n".join(wrong))
        zones = Zones(state, self.options)
        wanted, visible = zones.contents(), zones.visible()
        for zone, (serial, have) in contents.items():
            assert have == wanted[zone], self.told(f"zone {zone}: too much {sorted(have - wanted[zone])}\n"
                                                   f"  missing {sorted(wanted[zone] - have)}")
            if self.before:  # [K-SERIAL]
                old = self.serials[zone]
                if visible[zone] != self.before[zone]:
                    assert self.revision < serial <= revision, self.told(f"{zone} changed: serial {old} -> {serial}")
                elif is_single:
                    assert serial == old, self.told(f"{zone} did not change: serial {old} -> {serial}")
            self.serials[zone] = serial
        self.before, self.revision = visible, revision
        return zones

    def restart(self):
        serials = dict(self.serials)
        self.daemon.kill()
        self.daemon.ports = dict.fromkeys(self.daemon.ports, "127.0.0.1:0")  # somebody may have taken the old ones
        self.daemon.start()
        self.story = ["kill -9"]
        self.ask(self.check(True))
        assert serials == self.serials, self.told(f"serials {serials} -> {self.serials}")

    def ask(self, zones):
        asked = [question(self.chance, self.names, zones, number) for number in range(ASKED)]
        wrong = []
        for (name, qtype, message), data in zip(asked, exchange_tcp(self.daemon, [message for _, _, message in asked])):
            found = differences(message, data, zones.answer(name, qtype), self.options, self.serials)
            wrong += [f"{name} {qtype}: {text}" for text in found]
        for name, qtype, message in asked[:ASKED // 10]:
            data, want = self.daemon.ask_raw(message), zones.answer(name, qtype)
            if not Reply(data).tc and not want.additional:  # which may not fit
                wrong += [f"UDP {name} {qtype}: {text}" for text in differences(message, data, want, self.options, self.serials)]
        assert not wrong, self.told("\n".join(wrong))

    def told(self, text):
        """What failed, and how to see it again."""
        return f"seed {self.seed}: {text}\noptions {' '.join(self.settings)}\nafter\n" + "\n".join(map(str, self.story))


def test_zones_and_answers_are_those_of_the_model():
    for seed in range(SEED, SEED + WORLDS):
        changes = World(seed).run()
        if os.environ.get("ORDINALD_VERBOSE"):
            print(f"seed {seed}", changes.told(), flush=True)


if __name__ == "__main__":
    harness.main(sys.modules["__main__"])
