"""Transfers of the running daemon by other people's programs: dig, kdig and drill get what ordctl dump-zone prints
(P17 to P20, K-XFR)."""

import os
import re
import shutil
import subprocess
import sys
import threading

import harness
import test_vectors as vectors
from harness import BUILD, Daemon, Skip, until

ZONE = harness.ZONES[0]  # set by harness.main
REVERSE = ["96.10.in-addr.arpa.", "244.10.in-addr.arpa.", "0.0.d.f.ip6.arpa."]


def records(text):
    """Lines of master-file text, one blank between fields."""
    lines = [re.sub(r"\s+", " ", line).strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith(";")]


def run(*argv):
    if shutil.which(argv[0]) is None:
        raise Skip(argv[0] + " is not installed")
    return subprocess.run(argv, capture_output=True, text=True, timeout=harness.DEADLINE_S).stdout


def dig(daemon, *words):
    return run("dig", "@" + daemon.dns[0], "-p", str(daemon.dns[1]), "+tries=1", "+time=10", *words)


def dump(daemon, zone):
    return records(run(os.path.join(BUILD, "ordctl"), "--server", daemon.socket, "dump-zone", zone))


def allowed(*more):
    return Daemon("zone.name=" + ZONE.rstrip("."), "access.transfer=127.0.0.0/8", *vectors.SETTINGS, *more)


def expect_zone(got, want):
    assert got[:len(want)] == want, "\n".join(sorted(set(got) ^ set(want)))
    assert got[len(want):] == want[:1], "the SOA is not last, or something follows it"
    assert len(set(want)) == len(want), "a record twice"


def test_p17_nobody_is_allowed_by_default():
    with Daemon("zone.name=" + ZONE.rstrip(".")) as daemon:
        for words in (["AXFR", ZONE], ["IXFR=1", ZONE, "+notcp"], ["IXFR=1", ZONE, "+tcp"]):
            assert not records(dig(daemon, *words)), words
        for tcp in (False, True):
            assert daemon.ask(ZONE, "AXFR", tcp=tcp).rcode == "REFUSED"
        assert 'ordinald_dns_transfers_total{result="denied"} 5' in metrics(daemon)


def metrics(daemon):
    import urllib.request
    with urllib.request.urlopen(f"http://{daemon.metrics}/metrics", timeout=harness.DEADLINE_S) as f:
        return f.read().decode()


def test_p18_every_zone_as_it_is_dumped():
    with allowed() as daemon:
        vectors.load(daemon, ZONE)
        for zone in [ZONE] + REVERSE:
            want = dump(daemon, zone)
            expect_zone(records(dig(daemon, "AXFR", zone, "+noidnout", "+nocrypto")), want)
            expect_zone(records(dig(daemon, "AXFR", zone.upper())), want)
            expect_zone(records(dig(daemon, "IXFR=0", zone)), want)
            assert daemon.ask(zone, "AXFR").rcode == "REFUSED", "AXFR over UDP"
        assert not records(dig(daemon, "AXFR", "svc." + ZONE)), "not an apex"


def test_p18_kdig_and_drill_agree():
    with allowed() as daemon:
        vectors.load(daemon, ZONE)
        host, port = daemon.dns
        want = dump(daemon, ZONE)
        for argv in (["kdig", "@" + host, "-p", str(port), ZONE, "AXFR"], ["drill", "-p", str(port), "AXFR", ZONE, "@" + host]):
            expect_zone(records(run(*argv)), want)


def test_p18_the_same_as_single_queries():
    with allowed() as daemon:
        vectors.load(daemon, ZONE)
        got = records(dig(daemon, "AXFR", ZONE))[:-1]
        sets = {}
        for line in got:
            name, _, _, rtype, data = line.split(" ", 4)
            sets.setdefault((name, rtype), []).append(data)
        for (name, rtype), want in sets.items():
            reply = daemon.ask(name, rtype, tcp=True)
            assert sorted(reply.data(rtype)) == sorted(want), (name, rtype, reply.answer, want)
        names = {name for name, _ in sets}
        assert "dns-version." + ZONE in names and "ns.dns." + ZONE in names


def test_p19_the_current_serial_is_one_soa():
    with allowed() as daemon:
        vectors.load(daemon, ZONE)
        serial = int(daemon.ask(ZONE, "SOA").data("SOA")[0].split()[2])
        for number, count in ((serial, 1), (serial + 1, 1)):
            for way in ("+tcp", "+notcp"):
                assert len(records(dig(daemon, f"IXFR={number}", ZONE, way))) == count, (number, way)
        assert len(records(dig(daemon, f"IXFR={serial - 1}", ZONE, "+tcp"))) > 50


def test_p20_one_state_while_updates_run():
    """The last octet of the Service's address and its port are the same number in every state that has been."""
    with allowed() as daemon:
        stop = threading.Event()

        def update():
            n = 0
            while not stop.is_set():
                n = n % 200 + 1
                daemon.request("DELETE", "/api/v1/namespaces/default/services/left")
                daemon.must("POST", "/api/v1/namespaces/default/services", {
                    "apiVersion": "v1", "kind": "Service", "metadata": {"name": "left"},
                    "spec": {"clusterIP": f"10.96.7.{n}", "ports": [{"name": "http", "port": n}]}})

        thread = threading.Thread(target=update)
        thread.start()
        try:
            serials = set()

            def transfer():
                got = records(dig(daemon, "AXFR", ZONE))
                assert got[0] == got[-1] and " SOA " in got[0]
                serials.add(got[0].split()[6])
                port = {line.split()[6] for line in got if line.startswith("_http._tcp.left.default.svc.")}
                address = {line.split()[4].rsplit(".", 1)[1] for line in got
                           if line.startswith("left.default.svc.") and " A " in line}
                assert port == address, (port, address)
                return len(serials) >= 10

            until("ten serials", transfer)
        finally:
            stop.set()
            thread.join()


def test_insecure_pod_names_are_not_in_it():
    with allowed("zone.pods=insecure") as daemon:
        vectors.load(daemon, ZONE)
        assert daemon.ask("10-9-8-7.default.pod." + ZONE).data("A") == ["10.9.8.7"]
        assert not [line for line in records(dig(daemon, "AXFR", ZONE)) if ".pod." in line.split()[0]]


def test_keys_are_refused_by_name():
    for value, word in (("key.example", "no TSIG keys"), ("10.0.0.0/33", "prefix length"), ("10.1.0.0/8", "beyond")):
        done = subprocess.run([os.path.join(BUILD, "ordinald"), "--check", "--set", "access.transfer=" + value],
                              capture_output=True, text=True, timeout=harness.DEADLINE_S)
        assert done.returncode == 1 and "access.transfer" in done.stderr and word in done.stderr, done.stderr


if __name__ == "__main__":
    harness.main(sys.modules[__name__], harness.FEW_ZONES + [harness.LONGEST])
