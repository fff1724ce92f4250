"""The order of checks (R-001) on random requests: a second reading of the rules, independent of the daemon's, says what is due for each.

A request is put together from parts that are right or wrong; while it grows, what each part does to the verdict is noted down.
Sections 0, 1, 2 and 4 of dns-protocol meet here in combinations that no list of examples has. By TCP, where no answer is limited.
SEED and REQUESTS in the environment ask for others."""

import os
import random
import socket
import struct
import sys

import harness
from harness import Daemon, read_message

NOERROR, FORMERR, NXDOMAIN, NOTIMP, REFUSED, NOTAUTH, BADVERS = 0, 1, 3, 4, 5, 9, 16
QR, AA, RD = 0x8000, 0x400, 0x100
NSID, SUBNET, EXPIRE, COOKIE, KEEPALIVE, PADDING, EDE, UNKNOWN = 3, 8, 9, 10, 11, 12, 15, 65001
SOA, OPT, TSIG, IXFR, AXFR = 6, 41, 250, 251, 252
ZONE = b"\7cluster\5local\0"
SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
           "spec": {"clusterIP": "10.96.0.9", "ports": [{"name": "p", "port": 80}]}}
LONG = b"".join(b"\77" + letter * 63 for letter in (b"a", b"b", b"c"))
BROKEN = None
NAMES = [  # on the wire, and the RCODE of any ordinary type; BROKEN: no name
    (b"\1s\7default\3svc" + ZONE, NOERROR), (b"\1S\7deFault\3svc\7CLUSTER\5local\0", NOERROR), (ZONE, NOERROR),
    (b"\7default\3svc" + ZONE, NOERROR), (b"\2no\7default\3svc" + ZONE, NXDOMAIN), (b"\1*\7default\3svc" + ZONE, NXDOMAIN),
    (b"\4s\0.-\7default\3svc" + ZONE, NXDOMAIN), (b"\1\x13\7default\3svc" + ZONE, NXDOMAIN), (b"\1\xf3\7default\3svc" + ZONE, NXDOMAIN),
    (b"\77" + b"a" * 63 + ZONE, NXDOMAIN), (LONG + b"\57" + b"d" * 47 + ZONE, NXDOMAIN), (LONG + b"\60" + b"d" * 48 + ZONE, BROKEN),
    (b"\0", REFUSED), (b"\7example\3com\0", REFUSED), (b"\10xcluster\5local\0", REFUSED), (b"\17x\7cluster\5local\0", REFUSED),
    (b"\xc0\x0c", BROKEN), (b"\1a\xc0\x0c", BROKEN), (b"\xc0\0", BROKEN), (b"\x40a\0", BROKEN), (b"\x80a\0", BROKEN)]
TYPES = [1, 28, 33, 16, SOA, 2, 5, 12, 43, 48, 255, 0, OPT, 249, TSIG, IXFR, AXFR, 253, 254, 128, 666, 65535]


def record(owner, rtype, rclass, ttl, data):
    return owner + struct.pack("!HHIH", rtype, rclass, ttl, len(data)) + data


ADDRESS = record(b"\xc0\x0c", 1, 1, 0, b"abcd")
START = record(b"\0", SOA, 1, 0, b"\0\0" + bytes(20))
SIGNATURE = record(b"\1k\0", TSIG, 255, 0, b"\1h\0" + bytes(6) + b"\1\x2c\0\0\x12\x34\0\0\0\0")


class Request:
    def __init__(self, chance):
        self.chance = chance
        self.id, self.opcode = chance.choice([0, 65535, chance.randrange(65536)]), chance.choice([0] * 12 + [1, 2, 3, 4, 5, 6, 15])
        self.flags = chance.choice([0, RD, chance.randrange(65536)]) & ~0x7800 & ~QR
        self.is_response = chance.random() < 0.02
        self.counts = [chance.choice([1] * 15 + [0, 2, 65535]), 0, 0, 0]
        self.name, self.status = chance.choice(NAMES)
        self.type, self.qclass = chance.choice(TYPES), chance.choice([1] * 12 + [3, 4, 0, 254, 255, 65280])
        self.question = self.name + struct.pack("!HH", self.type, self.qclass)
        self.has_question = self.counts[0] == 1 and self.status is not BROKEN
        self.is_malformed = not self.has_question and self.counts[0] != 0
        self.has_opt = self.has_tsig = self.is_bad_tsig = False
        self.version, self.cookie, self.do = 0, None, 0
        self.body = self.question * min(self.counts[0], 2)
        self.add_records()
        self.add_additional()
        if chance.random() < 0.04:
            self.malformed(bytes(chance.choice([1, 5])))
        if chance.random() < 0.03:
            self.counts[chance.choice([1, 2, 3])] += chance.choice([1, 65000])
            self.is_malformed = True

    def malformed(self, octets):
        self.body += octets
        self.is_malformed = True

    def add_records(self):
        what = self.chance.random()
        if what < 0.1:
            self.counts[1 if what < 0.05 else 2] = 1
            self.malformed(ADDRESS)
        elif self.type == IXFR and self.counts[0] == 1 and what < 0.8:
            self.counts[2] = 1
            self.body += START
        elif what < 0.13:
            self.counts[2] = 1
            self.malformed(START)
        elif self.type == IXFR and self.counts[0] == 1:
            self.is_malformed = True

    def add_additional(self):
        parts = self.chance.choice([""] * 3 + ["o"] * 8 + ["t", "ot", "to", "oo", "a", "oa", "tt", "x"])
        self.counts[3] = len(parts)
        for i, part in enumerate(parts):
            if part == "o":
                self.is_malformed |= self.has_opt
                self.add_opt(b"\0")
            elif part == "x":
                self.add_opt(b"\1x\0")
                self.is_malformed = True
            elif part == "t":
                self.body += SIGNATURE
                self.has_tsig = i == len(parts) - 1
                self.is_bad_tsig |= not self.has_tsig
            else:
                self.malformed(ADDRESS)

    def add_opt(self, owner):
        chance, options, cookie = self.chance, b"", None
        for _ in range(chance.choice([0, 0, 1, 1, 2, 3])):
            code = chance.choice([NSID, SUBNET, EXPIRE, COOKIE, COOKIE, KEEPALIVE, PADDING, EDE, UNKNOWN])
            size = chance.choice([0, 1, 7, 8, 8, 8, 9, 15, 16, 24, 40, 41])
            options += struct.pack("!HH", code, size) + chance.randbytes(size)
            cookie = size if code == COOKIE and cookie is None else cookie  # the first counts
        stray = chance.choice([b""] * 18 + [b"\0", struct.pack("!HH", UNKNOWN, 5) + b"xx"])
        version, flags = chance.choice([0] * 6 + [1, 255]), chance.choice([0, 0x8000, 0x80, 0xffff])
        ttl = chance.choice([0, 255]) << 24 | version << 16 | flags
        self.body += record(owner, OPT, chance.choice([0, 512, 1232, 65535]), ttl, options + stray)
        self.is_malformed |= stray != b""
        if not self.has_opt:
            self.has_opt, self.version, self.cookie, self.do = True, version, cookie, flags & 0x8000

    def message(self):
        flags = self.flags | self.opcode << 11 | (QR if self.is_response else 0)
        return struct.pack("!HHHHHH", self.id, flags, *[min(count, 65535) for count in self.counts]) + self.body

    def verdict(self):
        """RCODE, whether the question comes back, whether there is an OPT; None: no answer."""
        if self.is_response:
            return None
        if self.opcode:
            return NOTIMP, False, False
        if self.is_malformed or (self.counts[0] == 0 and self.cookie is None):
            return FORMERR, self.has_question, False
        return self.late_verdict(), self.has_question, self.has_opt

    def late_verdict(self):
        if self.is_bad_tsig:
            return FORMERR
        if self.has_tsig:
            return NOTAUTH
        if self.version:
            return BADVERS
        if self.cookie is not None and self.cookie != 8 and not 16 <= self.cookie <= 40:
            return FORMERR
        if self.counts[0] == 0:
            return NOERROR
        if self.qclass != 1:
            return REFUSED
        if self.type in (0, OPT, 249, TSIG):
            return FORMERR
        if self.type in (IXFR, AXFR):  # nobody may
            return REFUSED if self.name == ZONE else NOTAUTH
        return self.status


def record_end(message, at):
    while message[at]:
        if message[at] >= 0xc0:
            return at + 2
        at += 1 + message[at]
    return at + 1


def check(request, reply):
    rcode, has_question, has_opt = request.verdict()
    ident, flags, questions, *counts = struct.unpack("!HHHHHH", reply[:12])
    assert ident == request.id and flags & QR and flags >> 11 & 15 == request.opcode, "header"
    assert questions == has_question, f"{questions} questions"
    at, opts, extended = 12, 0, 0
    if has_question:
        at += len(request.question)
        assert reply[12:at] == request.question, "question"
    for _ in range(sum(counts)):
        at = record_end(reply, at)
        rtype, rclass, ttl, length = struct.unpack("!HHIH", reply[at:at + 10])
        at += 10 + length
        if rtype == OPT:
            opts += 1
            extended = ttl >> 24
            assert ttl & 0xffffff == request.do and rclass == 1232, "OPT"
    assert at == len(reply), "octets left over"
    assert opts == has_opt, f"{opts} OPT"
    assert extended << 4 | flags & 15 == rcode, f"RCODE {extended << 4 | flags & 15}, not {rcode}"
    assert flags & 0x2f0 == 0, "TC, RA, Z, AD or CD"
    assert bool(flags & RD) == (bool(request.flags & RD) and rcode != NOTIMP), "RD"
    assert bool(flags & AA) == (rcode in (NOERROR, NXDOMAIN) and has_question), "AA"


def frame(message):
    return struct.pack("!H", len(message)) + message


def test_random_requests_get_their_verdict():
    chance = random.Random(int(os.environ.get("SEED", "1")))
    alive = b"\xab\xcd\1\0\0\1\0\0\0\0\0\0\0\0\1\0\1"
    with Daemon() as d:
        d.create(SERVICE)
        with socket.create_connection(d.dns, timeout=60) as s:
            for number in range(int(os.environ.get("REQUESTS", "5000"))):
                request = Request(chance)
                message = request.message()
                s.sendall(frame(message) + (frame(alive) if request.is_response else b""))
                reply = read_message(s)
                try:
                    if request.is_response:  # the answer is the other one's
                        assert reply[:2] == alive[:2], "answered"
                    else:
                        check(request, reply)
                except AssertionError as why:
                    raise AssertionError(f"request {number} {message.hex()} got {reply.hex()}: {why}") from None


if __name__ == "__main__":
    harness.main(sys.modules["__main__"])
