"""The zones that ordinald serves, dumped with `ordctl dump-zone` and once more by AXFR, in Knot and NSD, and all three asked the same
generated questions: names that exist and that do not, empty non-terminals, types, classes, letter case, flags, opcodes, EDNS variants,
damaged messages, UDP and TCP. Code, flags, every section with its TTLs, question and EDNS are compared; where they differ on purpose is
written in differential.tsv with the reason. Any other difference fails, and so does a row that no longer happens.

ORDINALD_QUESTIONS: how many questions (10 000); ORDINALD_SEED: another sequence; ORDINALD_ZONE: another zone name. Skips a server that
is not installed."""

import itertools
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import tempfile

import harness
from harness import Daemon, Reply, Skip, name_wire, until
from second_opinion import ASKED, REVERSE, ZONE, Differences, Said, free_port, mixed_case, names
from test_vectors import load, objects

HERE = os.path.dirname(os.path.abspath(__file__))
UNPACKED = os.path.join(os.environ.get("ORDINALD_SOURCE", os.path.join(HERE, "../..")), "build/unpacked")  # by tests/unpack.sh
ZONES = [ZONE] + REVERSE
QUESTIONS = int(os.environ.get("ORDINALD_QUESTIONS", 10000))
SEED = int(os.environ.get("ORDINALD_SEED", 1))
NSID = "differential"
SECONDARY = "127.0.0.2"  # the one client that may transfer: questions about AXFR come from elsewhere
SETTINGS = ["nodes.service-range=10.96.0.0/12", "nodes.service-range=fd00:96::/112", "dns.nsid=" + NSID, "nodes.embedded=3",
            "nodes.embedded-start=20ms", "store.kind=memory", "zone.name=" + ZONE.rstrip("."), f"access.transfer={SECONDARY}/32"]
SETTINGS += ["zone.reverse=" + zone.rstrip(".") for zone in REVERSE]
BATCH = 48  # questions in flight: few enough that no buffer overflows


# ---- a rich state ----

def made_objects(chance):
    """Services of every kind in a namespace of their own: single and dual stack, headless with and without hostnames, from one
    endpoint to more than fit a datagram, chains and loops of ExternalName."""
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "made"}}
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "void"}}
    for i in range(30):
        ports = [{"name": f"p{k}", "port": chance.randrange(1, 65536), "protocol": chance.choice(["TCP", "UDP"])}
                 for k in range(chance.randrange(4))]
        yield from headless(f"set-{i}", ports, chance.choice([0, 1, 2, 3, 7, 12]), chance, i)
    yield from headless("large", [{"name": "http", "port": 80, "protocol": "TCP"}], 300, chance, 30)
    for i in range(20):
        yield service(f"cip-{i}", {"clusterIP": f"10.96.20.{i + 1}", "clusterIPs": [f"10.96.20.{i + 1}"] +
                                   ([f"fd00:96::20{i + 1:02x}"] if i % 2 else []),
                                   "ports": [{"name": f"p{k}", "port": 1000 + k, "protocol": "TCP"} for k in range(1 + i % 3)]})
    targets = ["ext-1.made.svc." + ZONE, "ext-2.made.svc." + ZONE, "set-3.made.svc." + ZONE, "large.made.svc." + ZONE,
               "http.tcp.large.made.svc." + ZONE, "svc." + ZONE, "ext-6.made.svc." + ZONE, "ext-5.made.svc." + ZONE, "ext-7.made.svc." + ZONE,
               "absent.made.svc." + ZONE, "www.example.net."]
    for i, target in enumerate(targets):
        yield service(f"ext-{i}", {"type": "ExternalName", "externalName": target.rstrip(".")})


def service(name, spec):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "made"}, "spec": spec}


def headless(name, ports, count, chance, number):
    yield service(name, {"clusterIP": "None", "clusterIPs": ["None"], **({"ports": ports} if ports else {})})
    has_names = chance.random() < 0.7
    for family, prefix in (("IPv4", f"10.244.{100 + number}."), ("IPv6", f"fd00:244:{number:x}::"))[:chance.choice([1, 2])]:
        for first in range(0, count, 100):
            endpoints = [{"addresses": [prefix + ("%d" if family == "IPv4" else "%x") % (1 + k)] if k < 250 else [f"10.244.200.{k - 249}"],
                          "conditions": {"ready": k % 5 != 4}, **({"hostname": f"{name}-{k}"} if has_names else {})}
                         for k in range(first, min(count, first + 100)) if family == "IPv4" or k < 250]
            if endpoints:
                yield {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": family, "ports": ports,
                       "metadata": {"name": f"{name}-{family.lower()}-{first}", "namespace": "made",
                                    "labels": {"kubernetes.io/service-name": name}}, "endpoints": endpoints}


def fill(daemon, chance):
    load(daemon, ZONE)
    for obj in made_objects(chance):
        daemon.create(obj)
    for obj in harness.kubia(5):
        daemon.create(obj)
    until("the set is up", lambda: len(daemon.addresses(f"kubia.default.svc.{ZONE}")) == 5)


def dump(daemon, zone):
    return subprocess.run([os.path.join(harness.BUILD, "ordctl"), "--server", daemon.socket, "dump-zone", zone], check=True,
                          capture_output=True, text=True).stdout


def transfer(daemon, zone):
    """The zone by AXFR, as master-file text; the SOA that ends it is left out."""
    records = []
    with socket.create_connection(daemon.dns, timeout=harness.DEADLINE_S, source_address=(SECONDARY, 0)) as s:
        message = harness.query(zone, "AXFR")
        s.sendall(struct.pack("!H", len(message)) + message)
        while not records or records[-1].type != "SOA" or len(records) == 1:
            reply = Reply(harness.read_message(s))
            assert reply.rcode == "NOERROR" and reply.answer, reply.rcode
            records += reply.answer
    return "".join(f"{r.name} {r.ttl} IN {r.type} {r.data}\n" for r in records[:-1])


def settled(daemon, get):
    """All zones, from a moment at which none of them changed."""
    def once():
        before = [daemon.ask(zone, "SOA").data() for zone in ZONES]
        texts = {zone: get(daemon, zone) for zone in ZONES}
        return texts if before == [daemon.ask(zone, "SOA").data() for zone in ZONES] else None
    return until("the zones stand still", once)


# ---- the other servers ----

class Server:
    """A name server with the dumped zones, on loopback, as an unprivileged child of this program."""

    def __init__(self, texts):
        self.program = shutil.which(self.command, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:{UNPACKED}/usr/sbin")
        if not self.program:
            raise Skip(f"no {self.command}; tests/unpack.sh fetches it")
        self.env = dict(os.environ)
        if self.program.startswith(UNPACKED):
            machine = subprocess.run(["gcc", "-print-multiarch"], stdout=subprocess.PIPE, text=True).stdout.strip()
            self.env["LD_LIBRARY_PATH"] = f"{UNPACKED}/usr/lib/{machine}:{UNPACKED}/lib/{machine}"
        self.texts = texts
        self.dir = tempfile.TemporaryDirectory(prefix=f"ordinald-{self.command}-")

    def __enter__(self):
        for zone, text in self.texts.items():
            with open(os.path.join(self.dir.name, zone + "zone"), "w") as f:
                f.write(text)
        for attempt in range(5):  # somebody else may have taken the port meanwhile
            self.dns = ("127.0.0.1", free_port())
            if self._start():
                return self
        raise AssertionError(f"{self.command} does not start:\n" + self.log())

    def _start(self):
        config = os.path.join(self.dir.name, "conf")
        with open(config, "w") as f:
            f.write(self.config(self.dir.name, *self.dns))
        with open(os.path.join(self.dir.name, "log"), "ab") as log:
            self.process = subprocess.Popen([self.program, *self.arguments, config], stdout=log, stderr=log, env=self.env)
        until(self.command + " answers", lambda: self.process.poll() is not None or self.is_ready())
        return self.process.poll() is None

    def is_ready(self):
        try:
            return all(Reply(harness.exchange(self.dns, harness.query(zone, "SOA"))).data() for zone in ZONES)
        except OSError:
            return False

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(timeout=harness.DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if exc[0] is not None and exc[0] is not AssertionError:
            sys.stderr.write(self.log()[-8000:])
        self.dir.cleanup()

    def log(self):
        with open(os.path.join(self.dir.name, "log"), errors="replace") as f:
            return f.read()


class Knot(Server):
    command, arguments = "knotd", ["-c"]

    def config(self, folder, host, port):
        zones = "".join(f"  - domain: {zone}\n    file: {zone}zone\n" for zone in ZONES)
        return f"""server:
    listen: {host}@{port}
    rundir: {folder}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    nsid: {NSID}
    identity: ""
    version: ""
log:
  - target: stderr
    any: warning
database:
    storage: {folder}
template:
  - id: default
    storage: {folder}
    zonefile-load: whole
    journal-content: none
zone:
{zones}"""


class NSD(Server):
    command, arguments = "nsd", ["-d", "-c"]

    def config(self, folder, host, port):
        zones = "".join(f"zone:\n    name: {zone}\n    zonefile: {zone}zone\n" for zone in ZONES)
        return f"""server:
    ip-address: {host}@{port}
    server-count: 1
    username: ""
    zonesdir: {folder}
    database: ""
    pidfile: {folder}/pid
    xfrdfile: {folder}/xfrd.state
    zonelistfile: {folder}/zone.list
    xfrdir: {folder}
    nsid: "ascii_{NSID}"
    ipv4-edns-size: 1232
    answer-cookie: yes
    rrl-ratelimit: 0
    rrl-whitelist-ratelimit: 0
    hide-version: yes
    hide-identity: yes
    refuse-any: no
    minimal-responses: yes
remote-control:
    control-enable: no
{zones}"""


# ---- what to ask ----

class Question:
    """One message and the words that its row of the table is found by: variant, name, type."""

    def __init__(self, variant, name, qtype, message, is_tcp, room):
        self.key = (variant, name.lower(), qtype)
        self.message = message
        self.is_tcp = is_tcp
        self.room = room  # octets that an answer may have


def option(code, data=b""):
    return struct.pack("!HH", code, len(data)) + data


def opt(size=1232, version=0, flags=0, options=b"", owner=b"\0", extended=0):
    return owner + struct.pack("!HHBBHH", 41, size, extended, version, flags, len(options)) + options


# A variant: header flags and opcode, class, additional records, and what is done to the finished message. Weighted by repetition.
PLAIN = dict(flags=0, qclass=1, extra=[])
COOKIE = bytes(range(8))
VARIANTS = {
    "plain": {}, "rd": dict(flags=0x0100), "cd": dict(flags=0x0010), "ad": dict(flags=0x0020), "flags": dict(flags=0x07f0),
    "z": dict(flags=0x0040),
    "edns": dict(extra=[opt()]), "edns-512": dict(extra=[opt(512)]), "edns-0": dict(extra=[opt(0)]),
    "edns-900": dict(extra=[opt(900)]), "edns-4096": dict(extra=[opt(4096)]), "edns-65535": dict(extra=[opt(65535)]),
    "do": dict(extra=[opt(flags=0x8000)]), "do-cd": dict(flags=0x0010, extra=[opt(flags=0x8000)]),
    "edns-flags": dict(extra=[opt(flags=0x7fff)]), "edns-rcode": dict(extra=[opt(extended=255)]),
    "edns-unknown": dict(extra=[opt(options=option(65001, b"xyz") + option(100))]),
    "nsid": dict(extra=[opt(options=option(3))]), "nsid-twice": dict(extra=[opt(options=option(3) + option(3))]),
    "cookie": dict(extra=[opt(options=option(10, COOKIE))]),
    "cookie-forged": dict(extra=[opt(options=option(10, COOKIE + bytes(16)))]),
    "cookie-short": dict(extra=[opt(options=option(10, b"1234567"))]),
    "ecs": dict(extra=[opt(options=option(8, b"\0\1\x18\0\xc0\0\2"))]), "expire": dict(extra=[opt(options=option(9))]),
    "keepalive": dict(extra=[opt(options=option(11))]), "padding": dict(extra=[opt(options=option(12, bytes(20)))]),
    "badvers": dict(extra=[opt(version=1)]), "badvers-do": dict(extra=[opt(version=255, flags=0x8000, options=option(3))]),
    "opt-twice": dict(extra=[opt(), opt()]), "opt-owner": dict(extra=[opt(owner=b"\1x\0")]),
    "opt-options": dict(extra=[opt(options=b"\0\3\0\5abc")]), "opt-stray": dict(extra=[opt(options=b"abc")]),
    "chaos": dict(qclass=3), "hesiod": dict(qclass=4), "class-any": dict(qclass=255), "class-none": dict(qclass=254),
    "class-0": dict(qclass=0), "class-65280": dict(qclass=65280),
    "iquery": dict(flags=1 << 11), "status": dict(flags=2 << 11), "opcode-3": dict(flags=3 << 11), "dso": dict(flags=6 << 11),
    "opcode-15": dict(flags=15 << 11),
    "record-extra": dict(extra=[name_wire("x.") + struct.pack("!HHIH", 1, 1, 0, 4) + b"\1\2\3\4"]),
    "trailing": dict(damage=lambda m: m + b"\0"), "cut": dict(damage=lambda m: m[:-1]), "cut-name": dict(damage=lambda m: m[:14]),
    "header": dict(damage=lambda m: m[:12]), "short": dict(damage=lambda m: m[:11]),
    "response": dict(flags=0x8000), "response-rcode": dict(flags=0x8003),
    "qdcount-0": dict(damage=lambda m: m[:4] + b"\0\0" + m[6:]), "qdcount-2": dict(damage=lambda m: m[:4] + b"\0\2" + m[6:]),
    "ancount-1": dict(damage=lambda m: m[:6] + b"\0\1" + m[8:]), "arcount-1": dict(damage=lambda m: m[:10] + b"\0\1" + m[12:]),
    "question-twice": dict(damage=lambda m: m[:4] + b"\0\2" + m[6:] + m[12:]),
    "label-type": dict(damage=lambda m: m[:12] + b"\x40" + m[13:]), "label-long": dict(damage=lambda m: m[:12] + b"\x80" + m[13:]),
    "pointer": dict(damage=lambda m: m[:12] + b"\xc0\x0c" + m[-4:]),
}
USUAL = ["plain", "rd", "edns", "edns-512", "edns-900", "edns-4096", "do", "cookie", "nsid"]
TYPES = ASKED + ["A", "AAAA", "SRV", "PTR"] * 3 + ["TXT", "HINFO", "NAPTR", "CAA", "SVCB", "TYPE0", "TYPE128", "TYPE65535", "DNSKEY"]
META = ["TYPE41", "TYPE249", "TYPE250", "TYPE251", "TYPE252", "TYPE253", "TYPE254"]
NUMBERS = {**harness.TYPES, "DNSKEY": 48}


def type_number(qtype):
    return NUMBERS.get(qtype) or int(qtype[4:])


class Names:
    """Names by kind: owners of records, the empty nodes above them, and many that do not exist."""

    def __init__(self, texts):
        self.owners = sorted({line.split()[0] for text in texts.values() for line in text.splitlines()
                              if line and not line.startswith((";", "$"))})
        above = {".".join(owner.split(".")[k:]) for owner in self.owners for k in range(1, owner.count("."))}
        self.empty = sorted(name for name in above - set(self.owners) if any(name.endswith("." + zone) for zone in ZONES))
        self.static = names(objects())
        self.busy = [f"{label}large.made.svc.{ZONE}" for label in ("", "_http._tcp.")] + [f"ext-3.made.svc.{ZONE}"] + \
            [f"set-{i}.made.svc.{ZONE}" for i in range(30)] + [f"ext-{i}.made.svc.{ZONE}" for i in range(11)] + ZONES

    def outside(self, chance):
        return chance.choice([".", "local.", "arpa.", "com.", "www.example.com.", "xcluster.local.", "a\\007cluster.local.", "example.local.",
                              "x244.10.in-addr.arpa.", "1.0.0.127.in-addr.arpa.", "1.e.f.ip6.arpa.", "cluster.local.example.org."])

    def missing(self, chance):
        owner = chance.choice(self.owners + self.empty)
        labels = owner.split(".")
        kind = chance.randrange(7)
        if kind == 0:
            return chance.choice(["x", "*", "_", "_tcp", "-", "0", "\\000", "\\255", "a\\.b", "\\013", "l" * 63]) + "." + owner
        if kind == 1:  # a neighbour
            return ".".join([labels[0] + "x"[:63 - len(labels[0])]] + labels[1:]) if labels[0] != "cluster" else "x." + owner
        if kind == 2:  # one letter changed
            at = chance.randrange(len(labels[0]))
            return ".".join([labels[0][:at] + chance.choice("abc019-_") + labels[0][at + 1:]] + labels[1:])
        if kind == 3:  # a label left out
            at = chance.randrange(len(labels) - 1)
            return ".".join(labels[:at] + labels[at + 1:]) or "."
        if kind == 4:  # two labels swapped
            at = chance.randrange(max(1, len(labels) - 2))
            labels[at], labels[at + 1] = labels[at + 1], labels[at]
            return ".".join(labels).lstrip(".") or "."
        if kind == 5:  # as deep as it goes
            return "a." * ((254 - len(owner)) // 2) + owner if len(owner) < 200 else owner
        return f"web-{chance.randrange(100)}.web.{chance.choice(['default', 'made', 'void', 'absent'])}.svc.{ZONE}"

    def pick(self, chance):
        what = chance.randrange(100)
        if what < 30:
            name = chance.choice(self.owners)
        elif what < 40:
            name = chance.choice(self.busy)
        elif what < 50:
            name = chance.choice(self.empty)
        elif what < 65:
            name = chance.choice(self.static)
        elif what < 70:
            name = self.outside(chance)
        else:
            name = self.missing(chance)
        if len(name_wire(name)) > 255 or any(len(label) > 63 for label in name.split(".")):
            name = chance.choice(self.owners)
        case = chance.randrange(4)
        if case == 0 and "\\" not in name:
            name = "".join(c.upper() if chance.random() < 0.5 else c for c in name)
        return mixed_case(name) if case == 1 and "\\" not in name else name


def random_question(chance, pool):
    variant = chance.choice(USUAL) if chance.random() < 0.6 else chance.choice(list(VARIANTS))
    qtype = chance.choice(META) if chance.random() < 0.03 else chance.choice(TYPES)
    return variant, pool.pick(chance), qtype, chance.random() < 0.08


def question(variant, name, qtype, is_tcp, number):
    """IDs are even and follow each other: within two seconds a peer gets one FORMERR for an ID (R-024), and a late answer finds
    its question."""
    shape = {**PLAIN, **VARIANTS[variant]}
    message = struct.pack("!HHHHHH", 2 * number % 65536, shape["flags"], 1, 0, 0, len(shape["extra"]))
    message += name_wire(name) + struct.pack("!HH", type_number(qtype), shape["qclass"]) + b"".join(shape["extra"])
    size = struct.unpack("!H", shape["extra"][0][3:5])[0] if shape["extra"] and shape["extra"][0][:3] == b"\0\0\x29" else 512
    room = 65535 if is_tcp else max(512, min(1232, size))
    return Question(variant + ("/tcp" if is_tcp else ""), name, qtype, shape.get("damage", lambda m: m)(message), is_tcp, room)


def questions(chance, pool, count):
    """First the large sets in every size and every variant once, then whatever comes."""
    shapes = [(v, name, t, False) for v in USUAL for name in pool.busy for t in ("A", "AAAA", "SRV", "ANY", "NS")]
    shapes += [(v, f"{name}.svc.{ZONE}", t, is_tcp) for v in VARIANTS for is_tcp in (False, True)
               for name, t in (("api.prod", "A"), ("empty", "TXT"), ("nosuch.prod", "A"), ("ext.prod", "SRV"), ("api.prod", "ANY"))]
    shapes += [(v, name, t, False) for v in USUAL for name in (ZONE, "api.prod.svc." + ZONE, "example.com.") for t in ["TYPE0", "A"] + META]
    for i in range(max(count, len(shapes))):
        variant, name, qtype, is_tcp = shapes[i] if i < len(shapes) else random_question(chance, pool)
        may_tcp = not variant.startswith(("short", "response")) and qtype not in ("TYPE251", "TYPE252")
        yield question(variant, name, qtype, is_tcp and may_tcp, i)


# ---- what they say ----

class SaidAll(Said):
    """Every part of an answer. Serials and weights are those of the dump. What ordinald says must parse to the last octet."""

    def __init__(self, question, wire, is_ours=False):
        self.answer, self.authority, self.additional, self.flags, self.question = "SILENCE", "-", "-", "-", "-"
        self.edns = self.options = self.ede = "-"
        if wire is None:
            return
        try:
            reply = Reply(wire)
        except Exception:
            assert not is_ours, f"{question.key}: {question.message.hex()} is answered with {wire.hex()}"
            self.answer = "UNPARSABLE"
            return
        assert not is_ours or len(wire) <= question.room, f"{question.key}: {len(wire)} octets"
        super().__init__(reply)
        rcode = reply.rcode
        if reply.opt and reply.opt[1] >> 24:
            rcode = {16: "BADVERS", 23: "BADCOOKIE"}.get((reply.opt[1] >> 24) << 4 | reply.message[3] & 15, "extended")
            self.answer = rcode + self.answer[len(reply.rcode):] if reply.answer else rcode
        self.code = rcode
        if reply.tc:
            self.answer = "TRUNCATED " + self.answer
        self.flags = " ".join(f for f in ("aa", "tc", "rd", "ra", "z", "ad", "cd") if getattr(reply, f)) or "-"
        self.flags += f" opcode={reply.opcode}" if reply.opcode else ""
        self.question = "echoed" if reply.question and reply.question == question.message[12:12 + len(reply.question)] \
            else "none" if not reply.question else "another"
        if reply.opt:
            self.take_opt(*reply.opt)

    def take_opt(self, size, fields, data):
        self.edns = f"size={size} version={fields >> 16 & 255} flags={fields & 0xffff:04x}"
        options = []
        while data:
            code, length = struct.unpack("!HH", data[:4])
            value = data[4:4 + length]
            if code == 15:
                self.ede = f"EDE {int.from_bytes(value[:2], 'big')}"
            else:
                options.append({3: "nsid=" + value.decode("latin-1"), 10: f"cookie={length}"}.get(code, f"option{code}"))
            data = data[4 + length:]
        self.options = " ".join(options) or "-"

    @staticmethod
    def record(r):
        return f"({r.name.lower()} {r.ttl} {r.type} {r.data if r.type == 'TXT' else r.data.lower()})"

    def differences(self, other):
        """The first section that differs, then question and EDNS, and where the codes are equal flags, options and EDE."""
        parts = [p for p in super().differences(other) if p[0] != "flags"]
        if {self.answer, other.answer} & {"SILENCE", "UNPARSABLE"}:
            return parts
        rest = ["question", "edns"] + (["flags", "options", "ede"] if self.code == other.code else [])
        return parts + [(part, getattr(self, part), getattr(other, part)) for part in rest if getattr(self, part) != getattr(other, part)]


class Client:
    """Asks one server in batches, and what is left without an answer again, one by one: with the answer to a second question that
    was sent after it, silence is certain, without waiting. (A batch does not tell: NSD puts the last one into the place of one that
    it drops.)"""

    def __init__(self, address):
        self.address = address
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.connect(address)
        self.udp.settimeout(2)
        self.last = 1  # IDs of the questions that end a flight are odd, so that a late one is not taken for the next

    def ask(self, questions):
        answers = {}
        left = list(range(len(questions)))
        for size in (BATCH, 1, 1):
            left = [i for i in left if i not in answers]
            if not left:
                break
            self.udp_batch(questions, [i for i in left if not questions[i].is_tcp], answers, size)
            self.tcp_batch(questions, [i for i in left if questions[i].is_tcp], answers)
        return [answers.get(i) for i in range(len(questions))]

    def udp_batch(self, questions, which, answers, size):
        """Message IDs tell the answers apart, so questions with equal ones do not share a flight."""
        while which:
            flight, later = {}, []
            for i in which:
                ident = questions[i].message[:2]
                (later.append(i) if ident in flight or len(flight) == size else flight.update({ident: i}))
            self.last = (self.last + 2) % 65536
            last = struct.pack("!H", self.last)
            for i in flight.values():
                self.udp.send(questions[i].message)
            self.udp.send(last + harness.query(ZONE, "SOA")[2:])
            self.collect(flight, last, answers)
            which = later

    def collect(self, flight, last, answers):
        for _ in range(10 * BATCH):
            try:
                wire = self.udp.recv(65535)
            except socket.timeout:
                return  # the last one was lost: all that is missing is asked again
            if wire[:2] == last:
                return
            if wire[:2] in flight:
                answers[flight[wire[:2]]] = wire

    def tcp_batch(self, questions, which, answers):
        """One connection each time: what a server does after an error differs, and an error must not cost the next answer."""
        for i in which:
            try:
                answers[i] = harness.exchange(self.address, questions[i].message, tcp=True)
            except (EOFError, ConnectionError):
                pass  # closed without an answer


def table():
    return Differences(os.path.join(HERE, "differential.tsv"), 4, "it")


def servers(texts):
    out = []
    for kind in (Knot, NSD):
        try:
            out.append(kind(texts))
        except Skip as why:
            print("skip  a part -", why)
    return out


def ask_all(ours, theirs, pool, chance, count, found):
    """Asks everybody the same questions, a batch at a time."""
    source = questions(chance, pool, count)
    while batch := list(itertools.islice(source, 1000)):
        said = [SaidAll(q, wire, is_ours=True) for q, wire in zip(batch, ours.ask(batch))]
        for name, client in theirs.items():
            for q, mine, wire in zip(batch, said, client.ask(batch)):
                found.note((name,) + q.key, mine, SaidAll(q, wire))


def compare(get, count):
    """Everybody with the zones as `get` brings them; returns what was found."""
    chance = random.Random(SEED)
    with Daemon(*SETTINGS) as d:
        fill(d, chance)
        texts = settled(d, get)
        others = servers(texts)
        if not others:
            raise Skip("neither knotd nor nsd")
        found = table()
        found.rows = [row for row in found.rows if row[0] in ["*"] + [o.command for o in others]]
        started = []
        try:
            for other in others:
                started.append(other.__enter__())
            ask_all(Client(d.dns), {o.command: Client(o.dns) for o in others}, Names(texts), chance, count, found)
            assert {zone: get(d, zone) for zone in ZONES} == texts, "the zones changed meanwhile"
        finally:
            for other in started:
                other.__exit__(*sys.exc_info())
        print(f"      {found.asked // len(others)} questions (seed {SEED}) to each of {', '.join(o.command for o in others)}")
    return found


def test_every_answer_is_that_of_knot_and_nsd_or_a_listed_difference():
    found = compare(dump, QUESTIONS)
    if ZONE == "cluster.local.":
        found.must_be_complete("differential.tsv")
    else:  # under a shorter name some answers are no longer too large by a few octets
        found.must_be_listed("differential.tsv")


def test_zones_that_came_by_transfer_answer_the_same():
    compare(transfer, 0).must_be_listed("differential.tsv")


def test_the_page_gives_the_reason_of_every_difference():
    with open(os.path.join(HERE, "../../docs/conformance.md")) as f:
        page = " ".join(f.read().split())
    for row in table().rows:
        assert f"- {row[7]}." in page, f"docs/conformance.md: no reason {row[7]!r}"


if __name__ == "__main__":
    harness.main(sys.modules["__main__"])
