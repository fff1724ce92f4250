"""Messages P1-P37 of kubernetes-dns 11.3 and probes of dns-protocol against the running daemon. After each the daemon still answers.
All of it once for each zone name."""

import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import time

import harness
from harness import Daemon, Reply, Skip, name_wire, query, read_message
from test_vectors import SETTINGS, load

ZONE = harness.ZONES[0]  # set by harness.main
DAEMON = None


def daemon():
    """One daemon with S0 and the large Services for all tests here; stopped by the last."""
    global DAEMON
    if DAEMON is None:
        DAEMON = Daemon("zone.name=" + ZONE.rstrip("."), *SETTINGS)
        DAEMON.start()
        load(DAEMON, ZONE)
        big("big", 200, [])
        big("forty", 40, [{"name": "http", "port": 8080}])
        for name, target in (("loop-a", "loop-b"), ("loop-b", "loop-a")):
            external(name, fqdn(target).rstrip("."))
        for i in range(12):
            external(f"chain-{i}", fqdn(f"chain-{i + 1}").rstrip("."))
    return DAEMON


def big(name, count, ports):
    DAEMON.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "prod"},
                   "spec": {"clusterIP": "None", "ports": ports}})
    endpoints = [{"addresses": [f"10.244.{100 + i // 250}.{1 + i % 250}"]} for i in range(count)]
    for start in range(0, count, 100):
        DAEMON.create({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "ports": ports,
                       "metadata": {"name": f"{name}-{start}", "namespace": "prod",
                                    "labels": {"kubernetes.io/service-name": name}},
                       "endpoints": endpoints[start:start + 100]})


def external(name, target):
    DAEMON.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "prod"},
                   "spec": {"type": "ExternalName", "externalName": target}})


def fqdn(name):
    return f"{name}.prod.svc.{ZONE}"


def alive():
    assert daemon().addresses(fqdn("api")) == ["10.96.10.20"]


def raw(message, tcp=False):
    return Reply(daemon().ask_raw(message, tcp))


def whole(message):
    """As a stub asks: again by TCP when the answer was cut."""
    reply = raw(message)
    return raw(message, tcp=True) if reply.tc else reply


def silent(message):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        s.connect(daemon().dns)
        s.send(message)
        probe = query(fqdn("api"), "A")  # the answer to this one shows that the other was dropped
        s.send(probe)
        assert s.recv(65535)[:2] == probe[:2]
    alive()


def test_p1_p2_p3_large_set():
    reply = raw(query(fqdn("big"), "A"))
    assert len(reply.message) <= 512 and reply.tc and reply.answer and reply.question
    reply = raw(query(fqdn("big"), "A", edns=4096))
    assert len(reply.message) <= 1232 and reply.tc and reply.opt
    for bufsize in (512, 1232, 65535):
        assert len(raw(query(fqdn("big"), "A", edns=bufsize)).message) <= min(bufsize, 1232)
    reply = raw(query(fqdn("big"), "A"), tcp=True)
    assert len(set(reply.data())) == 200 and not reply.tc


def test_p4_p5_srv_drops_additional_first():
    reply = raw(query(fqdn("forty"), "SRV", edns=1232))
    targets = {r.data.split(" ")[3] for r in reply.answer}
    assert reply.tc == (len(targets) < 40) and not (reply.tc and reply.additional)
    reply = raw(query(fqdn("forty"), "SRV"), tcp=True)
    assert len(reply.answer) == 40 and len(reply.additional) == 40 and not reply.tc


def test_p6_p7_every_record_comes_first_sometimes():
    first = [daemon().ask(fqdn("twin.twins")).data()[0] for _ in range(2000)]
    share = first.count("10.244.6.1") / len(first)
    assert 0.4 <= share <= 0.6, share
    seen = set()
    for _ in range(2000):
        seen.update(daemon().ask(fqdn("big")).data())
    assert len(seen) == 200


def test_p8_edns_version():
    reply = raw(query(fqdn("api"), "A", edns=1232, version=1))
    assert reply.opt and reply.rcode == "NOERROR" and reply.opt[1] >> 24 == 1 and not reply.answer  # BADVERS = 16


def test_p9_p10_classes():
    assert raw(query("version.bind.", "TXT", qclass=3)).rcode == "REFUSED"
    for qclass in (0, 3, 4, 254, 255, 65280):
        assert raw(query(fqdn("api"), "A", qclass=qclass)).rcode == "REFUSED", qclass
    alive()


def test_p11_opcodes():
    for opcode in list(range(1, 16)):
        message = bytearray(query(fqdn("api"), "A"))
        message[2] |= opcode << 3
        reply = raw(bytes(message))
        assert (reply.rcode, reply.opcode, reply.question) == ("NOTIMP", opcode, b""), opcode
    alive()


def test_p12_p13_p14_counts_responses_and_short_messages():
    header = struct.pack("!HHHHHH", 7, 0, 0, 0, 0, 0)
    assert raw(header).rcode == "FORMERR"
    one = name_wire(fqdn("api")) + b"\0\1\0\1"
    assert raw(struct.pack("!HHHHHH", 7, 0, 2, 0, 0, 0) + one + one).rcode == "FORMERR"
    assert raw(struct.pack("!HHHHHH", 7, 0, 65535, 0, 0, 0) + one).rcode == "FORMERR"
    assert raw(query(fqdn("api"), "A") + b"\0").rcode == "FORMERR"
    silent(struct.pack("!HHHHHH", 7, 0x8000, 1, 0, 0, 0) + one)
    silent(b"12345678901")
    silent(b"")


def test_p15_p16_any():
    for tcp in (False, True):
        reply = raw(query(fqdn("api"), "ANY"), tcp)
        assert [(r.type, r.data) for r in reply.answer] == [("HINFO", b"\x07RFC8482\x00".hex())]
    assert raw(query(fqdn("nothing"), "ANY")).rcode == "NXDOMAIN"
    assert [r.type for r in raw(query(fqdn("ext"), "ANY")).answer] == ["CNAME"]


def test_p17_transfers_are_refused():
    assert raw(query(ZONE, "AXFR"), tcp=True).rcode == "REFUSED"
    soa = b"\xc0\x0c" + struct.pack("!HHIH", 6, 1, 0, 22) + b"\0\0" + struct.pack("!IIIII", 1, 0, 0, 0, 0)
    incremental = bytearray(query(ZONE, "IXFR") + soa)
    incremental[9] = 1  # NSCOUNT: the client's SOA (RFC 1995 section 3)
    assert raw(bytes(incremental), tcp=True).rcode == "REFUSED"
    assert raw(query("example.org.", "AXFR"), tcp=True).rcode == "NOTAUTH"
    assert raw(query(ZONE, "AXFR")).rcode in ("REFUSED", "FORMERR")


def longest_below(name, label):
    """255 octets: labels of this many letters, and one that fills what is left."""
    room = 255 - len(name_wire(name))
    sizes = [label] * (room // (label + 1))
    left = room - sum(size + 1 for size in sizes)
    if left == 1:
        sizes[-1] += 1
    elif left > 1:
        sizes.append(left - 1)
    out = "".join("a" * size + "." for size in sizes) + name
    assert len(name_wire(out)) == 255
    return out


def test_p21_p22_p23_strange_names():
    label = "a" * 63
    for name in (longest_below(ZONE, 63), f"{label}.{ZONE}", f"x\\.y.prod.svc.{ZONE}", f"\\000.prod.svc.{ZONE}",
                 longest_below("svc." + ZONE, 1)):
        message = query(name, "A")
        for tcp in (False, True):
            reply = raw(message, tcp)
            assert reply.rcode == "NXDOMAIN" and reply.question == message[12:], name
            assert (len(reply.authority) == 1) != reply.tc and not (tcp and reply.tc), name
    for pointer in (b"\xc0\x0c", b"\x01a\xc0\x0c", b"\xc0\xff", b"\xc0\x00", b"\xc0", b"\x40a\0", b"\x80a\0"):
        with_pointer = struct.pack("!HHHHHH", 9, 0, 1, 0, 0, 0) + pointer + b"\0\1\0\1"
        assert raw(with_pointer).rcode == "FORMERR", pointer
    alive()


def test_r018_letter_case_folds_letters_only():
    wire = bytearray(query(fqdn("db-0.db"), "A"))
    at = bytes(wire).index(b"db-0") + 2
    wire[at] = 0x0d  # CR differs from '-' in the bit that case folding would set
    assert raw(bytes(wire)).rcode == "NXDOMAIN"
    longer = "x" + (ZONE if ZONE.index(".") < 63 else ZONE[1:])  # another name, whose octets end like the zone's
    assert raw(query("db-0.db.prod.svc." + longer, "A")).rcode == "REFUSED"


def test_p24_p26_p27_flags():
    for rd in (False, True):
        reply = raw(query(fqdn("api"), "A", rd=rd))
        assert (reply.rd, reply.ra, reply.data()) == (rd, False, ["10.96.10.20"])
    reply = raw(query(fqdn("api"), "A", edns=1232, do=True))
    assert reply.opt[1] & 0x8000 and not reply.ad and [r.type for r in reply.answer] == ["A"]
    reply = raw(query(ZONE, "DS"))
    assert reply.rcode == "NOERROR" and not reply.answer and [r.name for r in reply.authority] == [ZONE]


def test_p25_pipelining_and_split_messages():
    with socket.create_connection(daemon().dns, timeout=10) as s:
        messages = [query(fqdn("api"), "A", ident=i) for i in range(50)]
        stream = b"".join(struct.pack("!H", len(m)) + m for m in messages)
        for at in range(0, 200):
            s.sendall(stream[at:at + 1])
        s.sendall(stream[200:])
        s.shutdown(socket.SHUT_WR)
        assert sorted(Reply(read_message(s)).id for _ in messages) == list(range(50))


def test_p33_p34_external_chains():
    started = time.monotonic()
    reply = whole(query(fqdn("loop-a"), "A"))
    assert (reply.rcode, len(reply.answer), reply.authority) == ("NOERROR", 2, [])
    reply = whole(query(fqdn("chain-0"), "A"))
    assert (reply.rcode, len(reply.answer), reply.authority) == ("NOERROR", 8, [])
    assert time.monotonic() - started < 5


def test_p35_p36_dig_search_and_reverse():
    if not shutil.which("dig"):
        raise Skip("no dig on the PATH")
    host, port = daemon().dns
    for tcp in ("+notcp", "+tcp"):
        for name in ("api", "api.prod", "api.prod.svc"):
            text = subprocess.run(["dig", f"@{host}", "-p", str(port), tcp, "+search", "+ndots=5", "+noall", "+answer", "+tries=3",
                                   "+domain=" + {"api": "prod.svc.", "api.prod": "svc.", "api.prod.svc": ""}[name] + ZONE, name],
                                  capture_output=True, text=True).stdout
            assert text.startswith(fqdn("api")), text
        text = subprocess.run(["dig", f"@{host}", "-p", str(port), tcp, "+short", "-x", "10.96.10.20"], capture_output=True,
                              text=True).stdout
        assert text.strip() == fqdn("api")


def test_p37_random_case():
    for _ in range(100):
        name = "".join(random.choice((c.lower(), c.upper())) for c in fqdn("api"))
        message = query(name, "A")
        reply = raw(message)
        assert reply.question == message[12:] and reply.data() == ["10.96.10.20"]


def test_hostile_streams_leave_the_daemon_answering():
    for junk in (b"\0\0", b"\0\x05hello", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", b"GET / HTTP/1.1\r\n\r\n", os.urandom(500)):
        with socket.create_connection(daemon().dns, timeout=10) as s:
            s.sendall(junk)
    generator = random.Random(7)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(daemon().dns)
        base = query(fqdn("api"), "A", edns=1232)
        for _ in range(3000):
            message = bytearray(base)
            for _ in range(generator.randrange(1, 6)):
                message[generator.randrange(len(message))] = generator.randrange(256)
            s.send(bytes(message[:generator.randrange(1, len(message) + 1)]))
    alive()


def test_zz_the_daemon_stops_cleanly():
    global DAEMON
    daemon().__exit__(None, None, None)
    DAEMON = None


if __name__ == "__main__":
    harness.main(sys.modules["__main__"], harness.ZONES)
