"""SIGHUP and the configuration file (K-RELOAD), the sampled query log (R-104, R-171), the limit per client (R-103) and
the rotation of cookie keys (R-069) in the running daemon."""

import os
import re
import signal
import socket
import struct
import sys
import threading
import urllib.request

import harness
from harness import Daemon, Reply, query, until

NS = "ns.dns.cluster.local"


def reloads(daemon, result):
    with urllib.request.urlopen(f"http://{daemon.metrics}/metrics", timeout=harness.DEADLINE_S) as f:
        found = re.search(r'ordinald_config_reloads_total\{result="%s"\} (\d+)' % result, f.read().decode())
    return int(found.group(1))


def write(daemon, text):
    path = os.path.join(daemon.dir, "conf.yaml")
    with open(path + ".new", "w") as f:
        f.write(text)
    os.rename(path + ".new", path)
    return path


def reload(daemon, result="success"):
    before = reloads(daemon, result)
    daemon.process.send_signal(signal.SIGHUP)
    until("a reload", lambda: reloads(daemon, result) > before)


class Configured(Daemon):
    """A daemon with a file; the settings of the harness still win."""

    def __init__(self, text):
        super().__init__()
        self.file = write(self, text)
        self.binary = os.path.join(self.dir, "ordinald")
        with open(self.binary, "w") as f:
            f.write(f'#!/bin/sh\nexec {os.path.join(harness.BUILD, "ordinald")} --config {self.file} "$@"\n')
        os.chmod(self.binary, 0o755)

    def start(self, *more):
        build, harness.BUILD = harness.BUILD, self.dir
        try:
            return super().start(*more)
        finally:
            harness.BUILD = build


class Listening(Configured):
    """The file says on which addresses, not the harness."""

    def __init__(self, *addresses):
        super().__init__(self.text(*addresses))
        with open(self.binary, "w") as f:
            f.write(f'#!/bin/sh\nshift 2\nexec {os.path.join(harness.BUILD, "ordinald")} --config {self.file} "$@"\n')

    @staticmethod
    def text(*addresses):
        return "dns: {listen: [%s]}\n" % ", ".join(f'"{a}"' for a in addresses)


def test_r096_addresses_come_and_go():
    with Listening("127.0.0.1:0") as daemon:
        other = "127.0.0.2", daemon.dns[1]
        ask = lambda name: Reply(harness.exchange(other, query(name, "A"))).data()
        serial = lambda: int(daemon.ask("cluster.local", "SOA").data()[0].split()[2])
        assert daemon.addresses(NS) == ["127.0.0.1"]
        before = serial()
        write(daemon, Listening.text("127.0.0.1:0", "%s:%d" % other))
        reload(daemon)
        assert 'changed="dns.listen"' in daemon.log() and "a restart" not in daemon.log(), daemon.log()
        assert sorted(ask(NS)) == daemon.addresses(NS) == ["127.0.0.1", "127.0.0.2"]  # K-NS
        between = serial()
        assert between > before  # K-SERIAL
        with socket.create_connection(other, timeout=harness.DEADLINE_S) as connected:
            for text, why in ((Listening.text("127.0.0.1:0", "192.0.2.1:53"), "192.0.2.1:53"), ("dns: {listen: []}\n", "dns.listen")):
                write(daemon, text)
                reload(daemon, "failure")
                assert "the old one stays" in daemon.log() and why in daemon.log(), daemon.log()
                assert len(ask(NS)) == 2 and serial() == between
            write(daemon, Listening.text("127.0.0.1:0"))
            reload(daemon)
            assert daemon.addresses(NS) == ["127.0.0.1"] and serial() > between
            message = query(NS, "A")
            connected.sendall(struct.pack("!H", len(message)) + message)
            assert Reply(harness.read_message(connected)).data() == ["127.0.0.1"]  # who was connected stays it

        def refused():
            try:
                socket.create_connection(other, timeout=harness.DEADLINE_S).close()
                return False
            except ConnectionRefusedError:
                return True
        until("nobody listens", refused)


def test_what_can_change_does_and_the_rest_is_named():
    with Configured("dns: {chaos: one}\n") as daemon:
        write(daemon, "dns: {chaos: two, tcp-idle: 3s}\nzone: {ttl: 7s}\naccess: {transfer: [127.0.0.0/8]}\n")
        assert daemon.ask("cluster.local", "AXFR", tcp=True).rcode == "REFUSED"
        reload(daemon)
        assert daemon.ask("cluster.local", "AXFR", tcp=True).rcode == "NOERROR"
        assert daemon.ask("version.bind", "TXT", qclass=3).data("TXT") == ['"two"']
        assert daemon.ask(NS).answer[0].ttl == 5
        log = daemon.log()
        assert 'changed="dns.chaos access.transfer"' in log, log
        assert 'options="dns.tcp-idle zone.ttl"' in log and "only a restart takes these" in log, log
        reload(daemon)  # what was not taken still differs
        assert daemon.log().count('options="dns.tcp-idle zone.ttl"') == 2 and 'changed=""' in daemon.log(), daemon.log()


def test_a_bad_file_leaves_the_old_configuration():
    with Configured("dns: {chaos: one}\n") as daemon:
        for text, why in (("dns: {chaos: two, nosuch: 1}\n", "line 1: unknown option dns.nosuch"),
                          ("dns: {chaos: two,\n", "conf.yaml"),
                          ("dns: {chaos: two, cookie-secret: /nonexistent}\n", "dns.cookie-secret /nonexistent")):
            write(daemon, text)
            reload(daemon, "failure")
            assert "the old one stays" in daemon.log() and why in daemon.log(), daemon.log()
            assert daemon.ask("version.bind", "TXT", qclass=3).data("TXT") == ['"one"']
        write(daemon, "dns: {chaos: two}\n")
        reload(daemon)
        assert daemon.ask("version.bind", "TXT", qclass=3).data("TXT") == ['"two"']


def test_the_log_level_and_the_limits_of_connections_change():
    with Configured("log: {level: error}\ndns: {tcp-idle: 1h}\n") as daemon:
        first = socket.create_connection(daemon.dns, timeout=harness.DEADLINE_S)
        with first:
            message = query(NS, "A")
            first.sendall(struct.pack("!H", len(message)) + message)
            harness.read_message(first)
            write(daemon, "log: {level: info}\ndns: {tcp-idle: 1h, tcp-max-per-client: 1}\n")
            assert "configuration reloaded" not in daemon.log()
            reload(daemon)
            assert "configuration reloaded" in daemon.log()
            assert daemon.ask(NS, tcp=True).rcode == "NOERROR"  # the second connection of this client
            assert first.recv(1) == b""  # it has made room


def test_no_query_is_lost_in_many_reloads():
    with Configured("dns: {chaos: one}\n") as daemon:
        stop = threading.Event()
        lost = []

        def ask():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.settimeout(10)
                s.connect(daemon.dns)
                ident = 0
                while not stop.is_set():
                    ident = (ident + 1) % 65536
                    s.send(query(NS, "A", ident=ident))
                    try:
                        if s.recv(512)[:2] != struct.pack("!H", ident):
                            lost.append(ident)
                    except socket.timeout:
                        lost.append(ident)
                        return

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            for i in range(40):
                write(daemon, f"dns: {{chaos: c{i}}}\n")
                reload(daemon)
        finally:
            stop.set()
            thread.join()
        assert not lost, lost


def cookie_of(daemon, sent):
    """The COOKIE option that comes back for `sent`."""
    option = struct.pack("!HH", 10, len(sent)) + sent
    message = query(NS, "A", edns=1232)[:-2] + struct.pack("!H", len(option)) + option
    data = harness.Reply(daemon.ask_raw(message)).opt[2]
    code, length = struct.unpack("!HH", data[:4])
    assert code == 10 and length == 24
    return data[4:28]


def test_cookie_keys_rotate():
    first, second, third = ("%032x" % n for n in (0x11, 0x22, 0x33))
    with Configured("") as daemon:
        secret = os.path.join(daemon.dir, "secret")

        def keys(*lines):
            with open(secret, "w") as f:
                f.write("\n".join(lines) + "\n")
            reload(daemon)

        with open(secret, "w") as f:
            f.write(first + "\n")
        write(daemon, f"dns: {{cookie-secret: {secret}}}\n")
        reload(daemon)
        given = cookie_of(daemon, b"clientab")
        assert cookie_of(daemon, given) == given
        keys(second, first)  # the new key makes cookies, the old one is still good
        assert cookie_of(daemon, given) == given
        newer = cookie_of(daemon, b"clientab")
        assert newer[8:] != given[8:] and cookie_of(daemon, newer) == newer
        keys(third, second)
        assert cookie_of(daemon, given) != given and cookie_of(daemon, newer) == newer


def test_a_random_cookie_key_survives_a_reload():
    with Configured("dns: {chaos: one}\n") as daemon:
        given = cookie_of(daemon, b"clientab")
        write(daemon, "dns: {chaos: two}\n")
        reload(daemon)
        assert cookie_of(daemon, given) == given


def test_queries_are_logged_escaped_and_sampled():
    with Daemon("log.queries=1") as daemon:
        daemon.ask(NS)
        daemon.ask("a\\010b\\034c.cluster.local", "SRV", tcp=True)
        daemon.ask_raw(query("x", "A")[:12] + b"\x3f\x41", tcp=True)  # no question can be read
        log = until("three lines", lambda: daemon.log() if daemon.log().count("proto=") == 3 else None)
        assert re.search(r"client=127\.0\.0\.1 proto=udp name=ns\.dns\.cluster\.local\. class=1 type=A "
                         r"rcode=noerror octets=\d+ skipped=0", log), log
        assert re.search(r'proto=tcp name=a\S+c\.cluster\.local\. class=1 type=SRV rcode=nxdomain', log), log
        assert "name=- class=0 type=- rcode=formerr" in log, log
    with Daemon("log.queries=10") as daemon:
        for _ in range(100):
            assert daemon.ask(NS, tcp=True).rcode == "NOERROR"
        count = daemon.log().count("proto=")
        assert 8 <= count <= 12, count  # two workers, each counts its own
    with Daemon("log.queries=1", "dns.workers=1") as daemon:
        with socket.create_connection(daemon.dns) as s:
            message = query(NS, "A")
            s.sendall((struct.pack("!H", len(message)) + message) * 2000)
            for _ in range(2000):
                harness.read_message(s)
        assert daemon.log().count("proto=") < 1000  # at most 100 a second


def test_one_client_is_limited_and_says_so_once():
    with Daemon("dns.client-limit=10") as daemon:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect(daemon.dns)
            s.settimeout(1)
            for i in range(300):
                s.send(query(NS, "A", ident=i))
            answers = 0
            try:
                while True:
                    s.recv(512)
                    answers += 1
            except socket.timeout:
                pass
        assert 10 <= answers <= 50, answers
        with urllib.request.urlopen(f"http://{daemon.metrics}/metrics", timeout=harness.DEADLINE_S) as f:
            dropped = re.search(r'ordinald_dns_drops_total\{reason="client"\} (\d+)', f.read().decode())
        assert int(dropped.group(1)) == 300 - answers
        lines = [line for line in daemon.log().splitlines() if "dns.client-limit" in line]
        assert 1 <= len(lines) <= 10 and "client=127.0.0.1" in lines[0], lines


if __name__ == "__main__":
    harness.main(sys.modules[__name__])
