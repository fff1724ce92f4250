"""The probes of RFC 8906 section 8, as the public compliance tests send them: every zone served, as raw octets and as dig sends them.

The names of the probes are the ones that DNS-Compliance-Testing reports, so that its table and this one can be compared."""

import os
import shutil
import struct
import subprocess
import sys

import harness
from harness import Daemon, Reply, Skip, name_wire
from test_vectors import SETTINGS, load

ZONES = ["cluster.local.", "96.10.in-addr.arpa.", "0.0.d.f.ip6.arpa."]
DAEMON = None

AA, TC, RD, RA, Z, AD, CD = 0x400, 0x200, 0x100, 0x80, 0x40, 0x20, 0x10
SOA, DNSKEY = 6, 48
NSID, SUBNET, EXPIRE, COOKIE, UNKNOWN = 3, 8, 9, 10, 100
OPTIONS = {NSID: b"", SUBNET: b"\0\1\0\0", EXPIRE: b"", COOKIE: bytes(range(8)), UNKNOWN: b""}


class Probe:
    """One query and what is due: a SOA unless wants says "nodata", "badvers" or "notimp"."""

    def __init__(self, wants="soa", flags=0, opcode=0, qtype=SOA, tcp=False, edns=None, size=1232, eflags=0, options=(), dig=""):
        self.wants, self.flags, self.opcode, self.qtype, self.tcp = wants, flags, opcode, qtype, tcp
        self.edns, self.size, self.eflags, self.options, self.dig = edns, size, eflags, options, dig

    def message(self, zone, ident):
        is_bare = self.wants == "notimp"  # dig +header-only
        out = struct.pack("!HHHHHH", ident, self.opcode << 11 | self.flags, 0 if is_bare else 1, 0, 0, 0 if self.edns is None else 1)
        if not is_bare:
            out += name_wire(zone) + struct.pack("!HH", self.qtype, 1)
        if self.edns is not None:
            data = b"".join(struct.pack("!HH", code, len(OPTIONS[code])) + OPTIONS[code] for code in self.options)
            out += b"\0" + struct.pack("!HHBBHH", 41, self.size, 0, self.edns, self.eflags, len(data)) + data
        return out


FLAGS = {"aa": AA, "ad": AD, "cd": CD, "ra": RA, "rd": RD, "tc": TC, "zflag": Z}
PLAIN = "+noedns"
PROBES = {
    "dns": Probe(dig=PLAIN),
    "opcode": Probe("notimp", opcode=15, dig=PLAIN + " +opcode=15 +header-only"),
    "opcodeflg": Probe("notimp", opcode=15, flags=AA | TC | RD | RA | Z | AD | CD,
                       dig=PLAIN + " +opcode=15 +header-only +aaflag +tcflag +rec +raflag +zflag +ad +cd"),
    "type666": Probe("nodata", qtype=666, dig=PLAIN + " -t TYPE666"),
    "tcp": Probe(tcp=True, dig=PLAIN + " +tcp"),
    "edns": Probe(edns=0, dig="+edns=0"),
    "edns1": Probe("badvers", edns=1, dig="+edns=1"),
    "edns@512": Probe("nodata", edns=0, qtype=DNSKEY, size=512, eflags=0x8000, dig="+edns=0 +dnssec +bufsize=512 -t DNSKEY"),
    "ednsopt": Probe(edns=0, options=[UNKNOWN], dig="+edns=0 +ednsopt=100"),
    "edns1opt": Probe("badvers", edns=1, options=[UNKNOWN], dig="+edns=1 +ednsopt=100"),
    "do": Probe(edns=0, eflags=0x8000, dig="+edns=0 +dnssec"),
    "docd": Probe(edns=0, eflags=0x8000, flags=CD, dig="+edns=0 +dnssec +cd"),
    "edns1do": Probe("badvers", edns=1, eflags=0x8000, dig="+edns=1 +dnssec"),
    "ednsflags": Probe(edns=0, eflags=0x0080, dig="+edns=0 +ednsflags=0x80"),
    "edns1flags": Probe("badvers", edns=1, eflags=0x0080, dig="+edns=1 +ednsflags=0x80"),
    "optlist": Probe(edns=0, options=[NSID, SUBNET, EXPIRE, COOKIE],
                     dig="+edns=0 +nsid +subnet=0.0.0.0/0 +expire +cookie=0001020304050607"),
    "ednsnsid": Probe(edns=0, options=[NSID], dig="+edns=0 +nsid"),
    "edns1nsid": Probe("badvers", edns=1, options=[NSID], dig="+edns=1 +nsid"),
    "ednscookie": Probe(edns=0, options=[COOKIE], dig="+edns=0 +cookie=0001020304050607"),
    "edns1cookie": Probe("badvers", edns=1, options=[COOKIE], dig="+edns=1 +cookie=0001020304050607"),
    "ednsexpire": Probe(edns=0, options=[EXPIRE], dig="+edns=0 +expire"),
    "edns1expire": Probe("badvers", edns=1, options=[EXPIRE], dig="+edns=1 +expire"),
    "ednssubnet": Probe(edns=0, options=[SUBNET], dig="+edns=0 +subnet=0.0.0.0/0"),
    "edns1subnet": Probe("badvers", edns=1, options=[SUBNET], dig="+edns=1 +subnet=0.0.0.0/0"),
    "ednstcp": Probe(edns=0, tcp=True, dig="+edns=0 +tcp"),
    "edns512tcp": Probe("nodata", edns=0, qtype=DNSKEY, size=512, eflags=0x8000, tcp=True,
                        dig="+edns=0 +dnssec +bufsize=512 -t DNSKEY +tcp"),
}
for flag_word, flag_bit in FLAGS.items():
    PROBES[flag_word] = Probe(flags=flag_bit, dig=PLAIN + {"rd": " +rec", "ad": " +ad", "cd": " +cd", "zflag": " +zflag"}.get(
        flag_word, f" +{flag_word}flag"))


def daemon():
    """One daemon with S0 for all tests here; stopped by the last."""
    global DAEMON
    if DAEMON is None:
        DAEMON = Daemon(*SETTINGS)
        DAEMON.start()
        load(DAEMON)
    return DAEMON


def options_of(reply):
    data, out = reply.opt[2], []
    while data:
        code, length = struct.unpack("!HH", data[:4])
        out.append((code, data[4:4 + length]))
        data = data[4 + length:]
    return out


def check_header(probe, message, reply):
    """R-003, R-012, R-016: nothing of the query's flags comes back but RD."""
    is_bare = probe.wants == "notimp"
    assert reply.qr and reply.id == struct.unpack("!H", message[:2])[0] and reply.opcode == probe.opcode
    assert reply.rd == (bool(probe.flags & RD) and not is_bare)
    assert not (reply.tc or reply.ra or reply.z or reply.ad or reply.cd)
    assert reply.aa == (probe.wants in ("soa", "nodata"))
    assert reply.question == (b"" if is_bare else message[12:12 + len(reply.question)]) and bool(reply.question) != is_bare


def check_edns(probe, reply):
    """R-060 to R-063, R-071, R-072: version 0, DO copied, no flag and no option that we do not know."""
    if probe.edns is None:
        assert reply.opt is None
        return
    size, fields, _ = reply.opt
    assert size == 1232 and fields >> 24 == (1 if probe.wants == "badvers" else 0)
    assert fields >> 16 & 255 == 0 and fields & 0xffff == probe.eflags & 0x8000
    options = options_of(reply)
    assert [code for code, _ in options] in ([], [COOKIE] if COOKIE in probe.options else [])
    if COOKIE in probe.options and probe.wants == "soa":
        cookie = options[0][1]
        assert cookie[:8] == OPTIONS[COOKIE] and cookie[8:12] == b"\1\0\0\0" and len(cookie) == 24  # RFC 9018


def check(zone, probe):
    message = probe.message(zone, int.from_bytes(os.urandom(2), "big"))
    reply = Reply(daemon().ask_raw(message, probe.tcp))
    check_header(probe, message, reply)
    check_edns(probe, reply)
    assert reply.rcode == ("NOTIMP" if probe.wants == "notimp" else "NOERROR")
    assert [(r.name, r.type) for r in reply.answer] == ([(zone, "SOA")] if probe.wants == "soa" else [])
    assert [(r.name, r.type) for r in reply.authority] == ([(zone, "SOA")] if probe.wants == "nodata" else [])
    assert reply.additional == []
    assert probe.tcp or len(reply.message) <= (512 if probe.edns is None else max(512, min(probe.size, 1232)))
    if probe.wants in ("badvers", "notimp"):
        assert len(reply.message) <= len(message) + 11 + 6


def test_every_probe_is_ok_for_every_zone():
    for zone in ZONES:
        for word, probe in PROBES.items():
            try:
                check(zone, probe)
            except AssertionError as failure:
                raise AssertionError(f"{word} for {zone}") from failure


def dig_wants(probe):
    """What dig prints: the status, and the flags in its order."""
    status = {"badvers": "BADVERS", "notimp": "NOTIMP"}.get(probe.wants, "NOERROR")
    flags = ["qr"] + (["aa"] if probe.wants in ("soa", "nodata") else [])
    return status, flags + (["rd"] if probe.flags & RD and probe.wants != "notimp" else [])


def test_dig_sees_the_same():
    if not shutil.which("dig"):
        raise Skip("no dig on the PATH")
    host, port = daemon().dns
    for zone in ZONES:
        for word, probe in PROBES.items():
            options = ["+norec", "+noad", "+nocookie", "+noednsneg", "+noignore", "+qr", "-t", "SOA"] + probe.dig.split()
            text = subprocess.run(["dig", f"@{host}", "-p", str(port), "+tries=3", "+time=5", "-q", zone] + options, capture_output=True,
                                  text=True).stdout
            reply = text[text.index("Got answer:"):]
            status, flags = dig_wants(probe)
            assert f"status: {status}," in reply, (word, zone, text)
            printed = next(line for line in reply.splitlines() if line.startswith(";; flags:"))
            assert printed.split(":")[1].split(";")[0].split() == flags, (word, zone, text)
            assert "MBZ" not in reply and "malformed" not in text and "WARNING: Messages has" not in text, (word, zone, text)
            assert ("; EDNS: version: 0," in reply) == (probe.edns is not None), (word, zone, text)
            if COOKIE in probe.options and probe.wants == "soa":
                assert "; COOKIE: 0001020304050607" in reply and "(good)" in reply, (word, zone, text)


def test_a_cookie_made_here_is_taken_and_a_forged_one_replaced():
    probe = Probe(edns=0, options=[COOKIE])
    first = options_of(Reply(daemon().ask_raw(probe.message(ZONES[0], 1))))[0][1]
    before = OPTIONS[COOKIE]
    try:
        OPTIONS[COOKIE] = first
        assert options_of(Reply(daemon().ask_raw(probe.message(ZONES[0], 2)))) == [(COOKIE, first)]
        OPTIONS[COOKIE] = first[:-1] + bytes([first[-1] ^ 1])
        again = options_of(Reply(daemon().ask_raw(probe.message(ZONES[0], 3))))
        assert again[0][1][:12] == first[:12] and again[0][1] != OPTIONS[COOKIE]
        for length in (0, 7, 9, 15, 41):  # step 10: FORMERR with OPT
            OPTIONS[COOKIE] = bytes(length)
            reply = Reply(daemon().ask_raw(probe.message(ZONES[0], 10 + length)))
            assert reply.rcode == "FORMERR" and reply.opt and not reply.answer, length
    finally:
        OPTIONS[COOKIE] = before


def test_zz_the_daemon_stops_cleanly():
    daemon().__exit__(None, None, None)


if __name__ == "__main__":
    harness.main(sys.modules["__main__"])
