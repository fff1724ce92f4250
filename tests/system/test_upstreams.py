"""Upstream resolvers that do everything wrong (R-141 to R-146, K-EXTRULES): the first label of a name says how its question is answered,
over UDP and over TCP. Whatever they do, the client gets one answer, in time, and it is true or SERVFAIL; local names do not notice."""

import os
import resource
import socket
import struct
import sys
import threading

import harness
from harness import Daemon, Reply, name_read, name_wire, query, read_message, until
from test_forward import external, metric

TRUE, FALSE = "198.51.100.1", "203.0.113.66"
TIMEOUT_S = 2
LOCAL = "ns.dns.cluster.local."


def record(address, owner=b"\xc0\x0c", rtype=1, ttl=60):
    data = socket.inet_aton(address) if rtype == 1 else name_wire(address)
    return owner + struct.pack("!HHIH", rtype, 1, ttl, len(data)) + data


def reply(message, *answers, rcode=0, flags=0x8180, authority=(), additional=(), qname=None):
    """The answer to a query: its ID, its question, these records."""
    _, end = name_read(message, 12)
    question = (qname or message[12:end]) + message[end:end + 4]
    counts = 1, len(answers), len(authority), len(additional)
    return message[:2] + struct.pack("!HHHHH", flags | rcode, *counts) + question + b"".join((*answers, *authority, *additional))


def truth(message, **more):
    return reply(message, record(TRUE), **more)


def lie(message, **more):
    return reply(message, record(FALSE), **more)


def other_id(message, n):
    return struct.pack("!H", struct.unpack("!H", message[:2])[0] ^ n) + message[2:]


def has_opt(message):
    return message[11] == 1


class Upstream:
    """Both sockets of an upstream, each served by a thread. udp(self, message, client) and tcp(self, connection, message) by first label;
    what has no entry is answered truly. asked: (name, transport, message)."""

    def __init__(self, udp=None, tcp=None):
        self.udp_by, self.tcp_by, self.asked = udp or {}, tcp or {}, []
        while True:
            self.tcp = socket.create_server(("127.0.0.1", 0), backlog=1024)
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                self.udp.bind(self.tcp.getsockname())
                break
            except OSError:
                self.tcp.close()
                self.udp.close()
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.address = "127.0.0.1:%d" % self.udp.getsockname()[1]
        self.connections = []
        for loop in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=loop, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.tcp.shutdown(socket.SHUT_RDWR)
        for s in (self.udp, self.tcp, *self.connections):
            s.close()

    def note(self, message, transport):
        name = name_read(message, 12)[0].lower()
        if "loop-check" in name:
            return None
        self.asked.append((name, transport, message))
        return name.split(".")[0].split("-")[0]

    def count(self, name, transport=None):
        return sum(n == name and transport in (None, t) for n, t, _ in self.asked)

    def serve_udp(self):
        while True:
            try:
                message, client = self.udp.recvfrom(4096)
            except OSError:
                return
            label = self.note(message, "udp")
            self.udp_by.get(label, lambda up, m, c: up.send(truth(m) if label else reply(m, rcode=3), c))(self, message, client)

    def send(self, message, client):
        try:
            self.udp.sendto(message, client)
        except OSError:
            pass  # it has closed its socket

    def serve_tcp(self):
        while True:
            try:
                connection, _ = self.tcp.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self.serve_connection, args=(connection,), daemon=True).start()

    def serve_connection(self, connection):
        try:
            message = read_message(connection)
            label = self.note(message, "tcp")
            self.tcp_by.get(label, lambda up, c, m: c.sendall(framed(truth(m))))(self, connection, message)
        except (OSError, EOFError):
            pass  # it has had enough


def framed(message):
    return struct.pack("!H", len(message)) + message


def ask(daemon, name, qtype="A", tcp=False, rd=True, edns=1232):
    return Reply(daemon.ask_raw(query(name, qtype, rd=rd, edns=edns), tcp=tcp))


def is_true(answer):
    return answer.rcode == "NOERROR" and answer.data("A") == [TRUE]


def elsewhere(up, message, client):
    """From another port, and from another address of the same port, before the right one."""
    for host in ("127.0.0.1", "127.0.0.9"):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind((host, 0 if host == "127.0.0.1" else up.udp.getsockname()[1]))
            s.sendto(lie(message), client)
    up.send(truth(message), client)


def wrong_ones(up, message, client):
    name = message[12:name_read(message, 12)[1]]
    swapped = bytes(b ^ 0x20 if chr(b).isalpha() else b for b in name)
    for m in (lie(other_id(message, 1)), lie(message, qname=name_wire("other.example.com.")), lie(message, flags=0x0180),
              lie(message, flags=0x9180), lie(message)[:11], b"", lie(message, qname=swapped)[:len(name)]):
        up.send(m, client)
    up.send(truth(message), client)


def strangers(message):
    """The truth, and what follows from nothing: other owners in every section."""
    bank = name_wire("www.bank.example.")
    return reply(message, record(FALSE, owner=bank), record(TRUE), record("evil.example.", owner=bank, rtype=5),
                 authority=[record("ns.evil.example.", owner=name_wire("example."), rtype=2)],
                 additional=[record(FALSE, owner=name_wire("ns.evil.example.")), record(FALSE, owner=name_wire(LOCAL))])


UDP = {
    "elsewhere": elsewhere,
    "wrong": wrong_ones,
    "strangers": lambda up, m, c: up.send(strangers(m), c),
    "twice": lambda up, m, c: (up.send(truth(m), c), up.send(lie(m), c)),
    "huge": lambda up, m, c: up.send(reply(m, *[record(TRUE)] * 2000), c),
    "torn": lambda up, m, c: up.send(truth(m)[:-2], c),
    "counts": lambda up, m, c: up.send(truth(m)[:6] + b"\xff\xff\xff\xff\xff\xff" + truth(m)[12:], c),
    "loop": lambda up, m, c: up.send(reply(m, record(TRUE, owner=b"\xc0\xff")), c),
    "formerr": lambda up, m, c: up.send(reply(m, rcode=1) if has_opt(m) else truth(m), c),
    "notimp": lambda up, m, c: up.send(reply(m, rcode=4)[:4] + bytes(8) if has_opt(m) else truth(m), c),
    "alwaysformerr": lambda up, m, c: up.send(reply(m, rcode=1), c),
    "case": lambda up, m, c: up.send(lie(m, qname=name_wire("case.example.com.")), c),
    "silent": lambda up, m, c: None,
    "empty": lambda up, m, c: up.send(reply(m, rcode=0), c),
    "tc": lambda up, m, c: up.send(reply(m, flags=0x8380), c),
}


def test_lies_over_udp_are_not_passed_on():
    """R-142, R-144, R-143: true, or not an answer at all."""
    with Upstream(UDP) as up, Daemon("forward.upstream=" + up.address, f"forward.timeout={TIMEOUT_S}s") as d:
        for label in ("elsewhere", "wrong", "strangers", "twice", "formerr", "notimp"):
            for i in range(5):
                answer = ask(d, f"{label}-{i}.example.com.")
                assert is_true(answer), (label, answer.rcode, answer.answer)
                assert not answer.authority and not answer.additional, (label, answer.authority, answer.additional)
        for label in ("torn", "counts", "loop", "alwaysformerr", "silent"):
            answer = ask(d, f"{label}.example.com.")
            assert answer.rcode == "SERVFAIL" and not answer.answer, (label, answer.rcode, answer.answer)
        assert 2 <= up.count("alwaysformerr.example.com.") <= 8  # with and without OPT; more on a slow machine
        answer = ask(d, "case.example.com.")  # by TCP it is asked where nobody can guess
        assert is_true(answer) and 1 <= up.count("case.example.com.", "tcp") <= 8, (answer.rcode, up.asked[-3:])
        answer = ask(d, "huge.example.com.")
        assert answer.rcode == "SERVFAIL" or answer.tc, answer.rcode
        answer = ask(d, "tc.example.com.")
        assert answer.tc and not answer.answer
        assert ask(d, LOCAL).rcode == "NOERROR"


def slowly(up, connection, message):
    for i in range(len(data := framed(truth(message)))):
        connection.sendall(data[i:i + 1])


def reset(up, connection, message):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


TCP = {
    "slowly": slowly,
    "mid": lambda up, c, m: (c.sendall(framed(truth(m))[:-3]), c.close()),
    "half": lambda up, c, m: (c.sendall(b"\0"), c.shutdown(socket.SHUT_WR)),
    "reset": reset,
    "closes": lambda up, c, m: c.close(),
    "zero": lambda up, c, m: c.sendall(b"\0\0" + framed(truth(m))),
    "short": lambda up, c, m: c.sendall(framed(b"12345678901")),
    "second": lambda up, c, m: c.sendall(framed(lie(other_id(m, 7))) + framed(truth(m)) + framed(lie(m))),
    "many": lambda up, c, m: c.sendall(framed(lie(other_id(m, 7))) * 40 + framed(truth(m))),
    "long": lambda up, c, m: c.sendall(b"\xff\xff" + truth(m) + bytes(1000)),
    "full": lambda up, c, m: c.sendall(framed(reply(m, *[record(TRUE)] * 4000))),
    "silent": lambda up, c, m: None,
}


def test_lies_over_tcp_are_not_passed_on():
    """R-143, R-144: streams in pieces, cut, reset, endless."""
    with Upstream(tcp=TCP) as up, Daemon("forward.upstream=" + up.address, f"forward.timeout={TIMEOUT_S}s") as d:
        for label in ("slowly", "second", "full"):
            answer = ask(d, f"{label}.example.com.", tcp=True)
            assert answer.rcode == "NOERROR" and set(answer.data("A")) == {TRUE}, (label, answer.rcode, len(answer.answer))
        for label in ("mid", "half", "reset", "closes", "zero", "short", "many", "long", "silent"):
            answer = ask(d, f"{label}.example.com.", tcp=True)
            assert answer.rcode == "SERVFAIL" and not answer.answer, (label, answer.rcode, answer.answer)
        assert ask(d, LOCAL, tcp=True).rcode == "NOERROR"


def test_late_answers_reach_nobody():
    """R-143: after the deadline there is SERVFAIL; what comes then comes to closed ports, and to no other question."""
    held = []
    up_by = {"late": lambda up, m, c: held.append((m, c))}
    with Upstream(up_by) as up, Daemon("forward.upstream=" + up.address, "forward.timeout=1s", "dns.workers=1") as d:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(harness.DEADLINE_S)
            s.connect(d.dns)
            s.send(query("late.example.com.", "A", rd=True, ident=77))
            assert Reply(s.recv(4096)).rcode == "SERVFAIL"
            for message, client in held:
                up.send(lie(message), client)
                up.send(truth(message), client)
            s.send(query("www.example.com.", "A", rd=True, ident=78))
            answer = Reply(s.recv(4096))
            assert answer.id == 78 and is_true(answer), (answer.id, answer.rcode, answer.answer)


def numbered(daemon, first, count):
    """Asks for n-<number>.example.com, one after the other; the answers."""
    return [ask(daemon, f"n-{i}.example.com.") for i in range(first, first + count)]


def test_the_slow_and_the_dead_are_asked_last():
    """R-143: one of three is slow, one is dead; then all are dead; then one returns."""
    alive = threading.Event()
    alive.set()
    quick = {"n": lambda up, m, c: up.send(truth(m), c) if alive.is_set() else None}
    slow = {"n": lambda up, m, c: threading.Timer(0.7, up.send, (truth(m), c)).start() if alive.is_set() else None}
    dead = {"n": lambda up, m, c: None}
    with Upstream(dead) as a, Upstream(slow) as b, Upstream(quick) as c:
        settings = ["forward.upstream=" + up.address for up in (a, b, c)]
        with Daemon(*settings, f"forward.timeout={TIMEOUT_S}s", "dns.workers=1") as d:
            assert all(is_true(answer) for answer in numbered(d, 0, 40))

            def only_the_quick_is_asked():
                before = len(a.asked), len(b.asked)
                assert all(is_true(answer) for answer in numbered(d, 40, 10))
                return before == (len(a.asked), len(b.asked))
            until("the quick one is preferred", only_the_quick_is_asked)
            alive.clear()
            for answer in numbered(d, 80, 4):
                assert answer.rcode == "SERVFAIL", answer.rcode
            assert ask(d, LOCAL).rcode == "NOERROR"
            alive.set()
            until("answers", lambda: all(is_true(answer) for answer in numbered(d, 100, 3)))


def test_ten_thousand_questions_and_no_answer():
    """R-146, R-141: each of them is answered with SERVFAIL in time, the oldest first; local names are answered meanwhile."""
    count, clients = 10000, 40
    with Upstream({"n": lambda up, m, c: None}) as up:
        with Daemon("forward.upstream=" + up.address, f"forward.timeout={TIMEOUT_S}s", "dns.workers=1") as d:
            sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(clients)]
            for s in sockets:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
                s.settimeout(harness.DEADLINE_S)
                s.connect(d.dns)
            most = 0
            for i in range(count):
                sockets[i % clients].send(query(f"n-{i}.example.com.", "A", rd=True, ident=i))
                if i % 50 == 49:  # nothing is lost on the way, and nobody waits
                    assert ask(d, LOCAL).data("A") == ["127.0.0.1"]
                    most = max(most, metric(d, "ordinald_forward_in_flight")) if i % 1000 == 999 else most
            assert most <= 1024, most
            seen = set()
            for i, s in enumerate(sockets):
                for _ in range(count // clients):
                    answer = Reply(s.recv(4096))
                    assert answer.rcode == "SERVFAIL" and answer.id % clients == i, (answer.rcode, answer.id)
                    seen.add(answer.id)
                s.close()
            assert len(seen) == count


def test_without_descriptors_nothing_else_breaks():
    """R-153, R-143: no socket to ask with is SERVFAIL, not the upstream's fault, and nothing that local names notice."""
    with Upstream({"n": lambda up, m, c: None}) as up:
        with Daemon("forward.upstream=" + up.address, f"forward.timeout={TIMEOUT_S}s", "dns.workers=1") as d:
            used = max(int(fd) for fd in os.listdir(f"/proc/{d.process.pid}/fd"))
            limits = resource.prlimit(d.process.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(d.process.pid, resource.RLIMIT_NOFILE, (used + 5, limits[1]))
            sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(50)]
            for i, s in enumerate(sockets):
                s.settimeout(harness.DEADLINE_S)
                s.connect(d.dns)
                s.send(query(f"n-{i}.example.com.", "A", rd=True))
                assert ask(d, LOCAL).data("A") == ["127.0.0.1"]
            for s in sockets:
                assert Reply(s.recv(4096)).rcode == "SERVFAIL"
                s.close()
            resource.prlimit(d.process.pid, resource.RLIMIT_NOFILE, limits)
            assert is_true(ask(d, "www.example.com.")) and is_true(ask(d, "www.example.com.", tcp=True))


def cname(*targets):
    """www.example.com: a chain of foreign CNAMEs, and the truth at the end unless that is ours."""
    def answer(up, message, client):
        records, owner = [], b"\xc0\x0c"
        for target in targets:
            records.append(record(target, owner=owner, rtype=5))
            owner = name_wire(target)
        records += [record(FALSE if targets and targets[-1].endswith("cluster.local.") else TRUE, owner=owner)]
        up.send(reply(message, *records), client)
    return answer


def test_chains_end_where_the_rules_say():
    """K-EXTRULES, R-046, R-141, R-144: external names in rows and circles, through foreign names and back."""
    base = "default.svc.cluster.local."
    by = {"deep": cname(*[f"d{i}.example.com." for i in range(11)]), "deeper": cname(*[f"d{i}.example.com." for i in range(12)]),
          "home": cname("x.example.com.", LOCAL), "homeless": cname(f"absent.{base}"), "homeagain": cname(f"out.{base}"),
          "self": cname("self.example.com."), "never": lambda up, m, c: up.send(reply(m, rcode=3), c)}
    with Upstream(by) as up, Daemon("forward.upstream=" + up.address, f"forward.timeout={TIMEOUT_S}s") as d:
        for i in range(1, 10):  # far-1 is the last one, and its target foreign
            external(d, f"far-{i}", "www.example.com" if i == 1 else f"far-{i - 1}.{base}".rstrip("."))
        for name, target in (("out", "www.example.com"), ("to-home", "home.example.com"), ("to-again", "homeagain.example.com"),
                             ("to-never", "never.example.com"), ("to-deep", "deep.example.com"), ("to-self", "self.example.com"),
                             ("circle-a", f"circle-b.{base}"[:-1]), ("circle-b", f"circle-a.{base}"[:-1]), ("me", f"me.{base}"[:-1])):
            external(d, name, target)

        def expect(name, rcode, links, addresses, **options):
            answer = ask(d, name, **options)
            said = answer.rcode, len(answer.data("CNAME")), [a for a in answer.data() if a in (TRUE, FALSE, "127.0.0.1")]
            assert said == (rcode, links, addresses), (name, options, said, answer.answer)
            return answer

        expect(f"far-8.{base}", "NOERROR", 8, [TRUE])
        expect(f"far-9.{base}", "NOERROR", 8, [])  # too long
        expect(f"out.{base}", "NOERROR", 1, [TRUE])
        expect(f"out.{base}", "NOERROR", 1, [], qtype="ANY")  # the alias is what ANY asks for
        expect(f"out.{base}", "NOERROR", 1, [], qtype="CNAME")
        expect(f"out.{base}", "NOERROR", 1, [], rd=False)
        expect(f"circle-a.{base}", "NOERROR", 2, [])
        expect(f"me.{base}", "NOERROR", 1, [])
        assert not expect(f"to-never.{base}", "NXDOMAIN", 1, []).tc
        expect("home.example.com.", "NOERROR", 2, ["127.0.0.1"])  # ours, whatever they say of it
        expect(f"to-home.{base}", "NOERROR", 3, ["127.0.0.1"])
        expect("homeless.example.com.", "NXDOMAIN", 1, [])
        expect("homeagain.example.com.", "NOERROR", 2, [])  # it does not leave again
        expect(f"to-again.{base}", "NOERROR", 3, [])
        expect("deep.example.com.", "NOERROR", 11, [TRUE])
        expect("deeper.example.com.", "SERVFAIL", 0, [])
        for name in ("self.example.com.", f"to-self.{base}"):
            answer = ask(d, name)
            assert FALSE not in answer.data() and TRUE not in answer.data(), answer.answer
        assert not [n for n, _, _ in up.asked if n.endswith("cluster.local.")]


def test_those_who_may_not_recurse_get_the_alias_alone():
    """R-140, K-EXTRULES: the rest of the chain is not for them."""
    with Upstream() as up, Daemon("forward.upstream=" + up.address, "access.recurse=10.0.0.0/8") as d:
        external(d, "out", "www.example.com")
        for tcp in (False, True):
            answer = ask(d, "out.default.svc.cluster.local.", tcp=tcp)
            assert (answer.rcode, answer.data(), answer.ra) == ("NOERROR", ["www.example.com."], False), answer.answer
            assert ask(d, "www.example.com.", tcp=tcp).rcode == "REFUSED"
        assert not up.asked


if __name__ == "__main__":
    harness.main(sys.modules[__name__])
