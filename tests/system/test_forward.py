"""Forwarding by the running daemon (P28-P32, K-OUT, K-REV, R-140, R-141, R-145, R-149), with dig as the client and an
upstream made of two sockets; two zone names."""

import contextlib
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request

import harness
from harness import Daemon, Reply, Skip, name_read, query, read_message


class Upstream:
    """A resolver that knows what `answer` knows: a function of name and type to (rcode, [address]), or None for silence."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = []  # (name, type, transport)
        while True:
            self.tcp = socket.create_server(("127.0.0.1", 0))
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                self.udp.bind(self.tcp.getsockname())
                break
            except OSError:
                self.tcp.close()
                self.udp.close()
        self.address = "127.0.0.1:%d" % self.udp.getsockname()[1]
        for loop in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=loop, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for s in (self.udp, self.tcp):
            s.shutdown(socket.SHUT_RDWR) if s is self.tcp else None
            s.close()

    def names(self):
        return [name for name, _, _ in self.asked if "loop-check" not in name]

    def respond(self, message, transport):
        name, end = name_read(message, 12)
        name = name.lower()  # it comes in a random case
        qtype = struct.unpack("!H", message[end:end + 2])[0]
        self.asked.append((name, qtype, transport))
        result = self.answer(name, qtype) if "loop-check" not in name else (3, [])
        if result is None:
            return None
        rcode, addresses = result
        cut = transport == "udp" and len(addresses) > 20
        addresses = addresses[:20] if cut else addresses
        head = struct.pack("!HHHHHH", struct.unpack("!H", message[:2])[0], 0x8180 | (0x200 if cut else 0) | rcode, 1,
                           len(addresses), 0, 0)
        records = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton(a) for a in addresses)
        return head + message[12:end + 4] + records

    def serve_udp(self):
        while True:
            try:
                message, client = self.udp.recvfrom(4096)
            except OSError:
                return
            reply = self.respond(message, "udp")
            if reply:
                with contextlib.suppress(OSError):  # the test is over
                    self.udp.sendto(reply, client)

    def serve_tcp(self):
        while True:
            try:
                connection, _ = self.tcp.accept()
            except OSError:
                return
            with connection:
                reply = self.respond(read_message(connection), "tcp")
                if reply:
                    connection.sendall(struct.pack("!H", len(reply)) + reply)


MANY = ["198.51.100.%d" % i for i in range(1, 101)]


def world(name, qtype):
    if name == "www.example.com.":
        return (0, ["198.51.100.1", "198.51.100.2"]) if qtype == 1 else (0, [])
    if name == "big.example.com.":
        return 0, MANY
    if name == "mute.example.com.":
        return None
    if name == "broken.example.com.":
        return 2, []
    return 3, []


def external(daemon, name, target):
    daemon.must("POST", "/api/v1/namespaces/default/services",
                {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
                 "spec": {"type": "ExternalName", "externalName": target}})


def dig(daemon, *arguments):
    """(status, flags, answers) as dig reads them."""
    if not shutil.which("dig"):
        raise Skip("dig is not here")
    host, port = daemon.dns
    out = subprocess.run(["dig", "@" + host, "-p", str(port), "+tries=1", "+time=20", *arguments], capture_output=True,
                         text=True, check=True).stdout
    status = out.split("status: ")[1].split(",")[0]
    flags = out.split(";; flags: ")[1].split(";")[0].split()
    section = out.split(";; ANSWER SECTION:\n")
    return status, flags, [line.split() for line in section[1].split("\n\n")[0].splitlines()] if len(section) > 1 else []


def vectors(zone):
    with Upstream(world) as upstream, Daemon("zone.name=" + zone, "forward.upstream=" + upstream.address,
                                             "forward.timeout=1s") as daemon:
        for name in ("www", "gone", "big", "mute", "broken"):
            external(daemon, name, name + ".example.com")
        name = lambda label: f"{label}.default.svc.{zone}"
        status, flags, answers = dig(daemon, name("www"), "A")                                          # P28
        assert status == "NOERROR" and "ra" in flags and "aa" in flags, (status, flags)
        assert [a[3] for a in answers] == ["CNAME", "A", "A"], answers
        assert sorted(a[4] for a in answers[1:]) == ["198.51.100.1", "198.51.100.2"]
        status, flags, answers = dig(daemon, name("gone"), "A")                                         # P29
        assert (status, [a[3] for a in answers]) == ("NXDOMAIN", ["CNAME"]), (status, answers)
        for label in ("mute", "broken"):                                                                # P30, C16
            begin = time.monotonic()
            status, flags, answers = dig(daemon, name(label), "A")
            assert (status, answers) == ("SERVFAIL", []) and time.monotonic() - begin < 5, (label, status, answers)
        status, flags, answers = dig(daemon, name("big"), "A", "+ignore", "+bufsize=1232")              # P31
        assert "tc" in flags and answers[0][3] == "CNAME", (flags, answers)
        status, flags, answers = dig(daemon, name("big"), "A")  # dig comes back by TCP
        assert status == "NOERROR" and "tc" not in flags and len(answers) == 1 + len(MANY), (status, flags, len(answers))
        assert ("big.example.com.", 1, "tcp") in upstream.asked
        status, flags, answers = dig(daemon, "WwW.eXample.com", "A")                                    # K-OUT
        assert (status, len(answers)) == ("NOERROR", 2) and "aa" not in flags and "ra" in flags
        assert dig(daemon, "www.example.com", "A", "+norec")[0] == "REFUSED"
        status, flags, answers = dig(daemon, name("www"), "A", "+norec")
        assert (status, [a[3] for a in answers]) == ("NOERROR", ["CNAME"]), (status, answers)
        # none of these leaves
        before = len(upstream.names())
        for local, want in ((name("nothing"), "NXDOMAIN"), ("nothing." + zone, "NXDOMAIN"), ("localhost", "NOERROR"),
                            ("x.invalid", "NXDOMAIN"), ("printer.local", "NXDOMAIN"), ("x.onion", "NXDOMAIN")):
            assert dig(daemon, local, "A")[0] == want, local
        assert dig(daemon, "localhost", "A")[2][0][4] == "127.0.0.1"
        assert dig(daemon, "-x", "10.244.77.1")[0] == "NXDOMAIN"  # the cluster's own
        assert dig(daemon, "-x", "192.168.1.1")[0] == "NXDOMAIN"  # RFC 6303
        assert len(upstream.names()) == before, upstream.names()[before:]


def test_p28_to_p31_dig_and_the_upstream():
    vectors("cluster.local")


def test_the_same_with_a_second_zone_name():
    vectors("k8s.corp.example")


def test_p32_local_names_while_the_upstream_is_dead():
    with Upstream(lambda name, qtype: None) as upstream, \
            Daemon("forward.upstream=" + upstream.address, "forward.timeout=2s") as daemon:
        daemon.must("POST", "/api/v1/namespaces/default/services",
                    {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api"},
                     "spec": {"clusterIP": "10.96.77.77", "ports": [{"port": 80}]}})
        clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(1000)]
        for i, client in enumerate(clients):
            client.connect(daemon.dns)
            client.send(query(f"n{i}.example.com.", "A", rd=True))
        harness.until("queries in flight", lambda: metric(daemon, "ordinald_forward_in_flight") > 300)
        times = []
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(10)
            s.connect(daemon.dns)
            for _ in range(500):
                begin = time.monotonic()
                s.send(query("api.default.svc.cluster.local.", "A", rd=True))
                reply = Reply(s.recv(4096))
                times.append(time.monotonic() - begin)
                assert reply.data() == ["10.96.77.77"] and reply.ra
        times.sort()
        print("local names beside 1000 stuck clients: median %.0f us, 99%% %.0f us" % (times[250] * 1e6, times[495] * 1e6))
        servfail = 0
        for client in clients:  # every one of them gets an answer, in time
            client.settimeout(20)
            servfail += Reply(client.recv(4096)).rcode == "SERVFAIL"
            client.close()
        assert servfail == len(clients), servfail


def metric(daemon, name):
    with urllib.request.urlopen("http://" + daemon.metrics + "/metrics", timeout=harness.DEADLINE_S) as reply:
        lines = [line for line in reply.read().decode().splitlines() if line.startswith(name) and line[len(name)] in " {"]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def test_reverse_names_fall_through():
    with Upstream(lambda name, qtype: (0, [])) as upstream:
        settings = ["forward.upstream=" + upstream.address, "zone.reverse-fallthrough=true"]
        with Daemon(*settings) as daemon:
            assert dig(daemon, "-x", "10.244.77.1")[0] == "NOERROR"
            assert upstream.names() == ["1.77.244.10.in-addr.arpa."]
            daemon.must("POST", "/api/v1/namespaces/default/services",
                        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api"},
                         "spec": {"clusterIP": "10.96.77.77", "ports": [{"port": 80}]}})
            assert dig(daemon, "-x", "10.96.77.77")[2][0][4] == "api.default.svc.cluster.local."
            assert len(upstream.names()) == 1


def test_a_suffix_goes_to_its_own_upstream():
    with Upstream(lambda n, t: (0, ["192.0.2.1"])) as first, Upstream(lambda n, t: (0, ["192.0.2.2"])) as second:
        with Daemon("forward.upstream=" + first.address, "forward.zones=corp.local=" + second.address) as daemon:
            assert dig(daemon, "x.corp.local", "A")[2][0][4] == "192.0.2.2"  # overrides `local`
            assert dig(daemon, "x.corp.example", "A")[2][0][4] == "192.0.2.1"
            assert dig(daemon, "y.local", "A")[0] == "NXDOMAIN"
            assert metric(daemon, "ordinald_forward_requests_total") >= 2
            assert metric(daemon, "ordinald_forward_responses_total") >= 2


def test_an_upstream_that_is_ourselves_is_refused():
    with Daemon() as daemon:
        port = daemon.dns[1]
    result = subprocess.run([os.path.join(harness.BUILD, "ordinald"), "--set", f"dns.listen=127.0.0.1:{port}", "--set",
                             f"forward.upstream=127.0.0.1:{port}", "--set", "store.kind=memory", "--set",
                             "api.socket=" + os.path.join(daemon.dir, "api.sock"), "--set", "metrics.listen=127.0.0.1:0"],
                            capture_output=True, text=True, timeout=harness.DEADLINE_S, check=False)
    assert result.returncode != 0 and "forward.upstream" in result.stderr and "itself" in result.stderr, result


if __name__ == "__main__":
    harness.main(sys.modules[__name__])
