"""Vectors V1-V107 of kubernetes-dns 11.1 against the running daemon: UDP and TCP, every zone name of the
harness, before and after kill -9. Also the checks that hold for every answer: flags, TTLs, exactly one SOA, the question echoed."""

import json
import os
import sys

import harness
from harness import Daemon, query, name_wire

ZONE = harness.ZONES[0]  # set by harness.main
HERE = os.path.dirname(os.path.abspath(__file__))
SETTINGS = ["nodes.service-range=10.96.0.0/12", "nodes.service-range=fd00:96::/112", "zone.reverse=96.10.in-addr.arpa",
            "zone.reverse=244.10.in-addr.arpa", "zone.reverse=0.0.d.f.ip6.arpa"]


def objects():
    with open(os.path.join(HERE, "vectors/state.jsonl")) as f:
        return [json.loads(line) for line in f]


def vectors(zone):
    with open(os.path.join(HERE, "vectors/static.tsv")) as f:
        for line in f:
            if line.startswith("#"):
                continue
            number, name, qtype, rcode, answer = line.rstrip("\n").split("\t")
            swap = lambda text: text.replace("cluster.local.", zone).replace("CLUSTER.local.", zone.upper())
            yield number, swap(name), qtype, rcode, [] if answer == "-" else [swap(a) for a in answer.split(";")]


def load(daemon, zone="cluster.local."):
    for obj in objects():
        if obj["kind"] == "Namespace" and obj["metadata"]["name"] in ("default", "kube-system"):
            continue
        text = json.dumps(obj).replace("cluster.local", zone.rstrip("."))
        daemon.create(json.loads(text))


def same(have, want):
    """One RDATA text against a pattern whose fields may be *."""
    a, b = have.split(" "), want.split(" ")
    return want == "*" or (len(a) == len(b) and all(y == "*" or x == y for x, y in zip(a, b)))


def match_all(have, want):
    left = list(have)
    for pattern in want:
        hit = next((h for h in left if same(h, pattern)), None)
        if hit is None:
            return False
        left.remove(hit)
    return not left


def check(daemon, zone, tcp):
    wrong = []
    edns = 1232 if len(zone) > 100 else None  # sets of such names do not fit 512 octets
    for number, name, qtype, rcode, answer in vectors(zone):
        if number == "V106" and len(name_wire(name)) > 255:
            continue  # a name of which the zone stands twice
        message = query(name, qtype, edns=edns)
        reply = harness.Reply(daemon.ask_raw(message, tcp))
        local = rcode != "REFUSED"
        problems = []
        if reply.rcode != rcode:
            problems.append("rcode " + reply.rcode)
        if not match_all(reply.data(), answer):
            problems.append("answer " + repr(reply.data()))
        if reply.question != message[12:12 + len(name_wire(name)) + 4]:
            problems.append("question not echoed")
        if (reply.aa, reply.tc, reply.ra, reply.z, reply.ad) != (local, False, False, False, False):
            problems.append("flags")
        cname_outside = answer and reply.answer and reply.answer[-1].type == "CNAME" and "example.com" in answer[-1]
        negative = rcode == "NXDOMAIN" or (local and not any(r.type == qtype for r in reply.answer)
                                           and not cname_outside and qtype != "ANY")
        soas = [r for r in reply.authority if r.type == "SOA"]
        if negative != (len(soas) == 1) or len(reply.authority) != len(soas):
            problems.append("authority " + repr(reply.authority))
        if soas and (soas[0].ttl != 5 or soas[0].data.split(" ")[6] != "5"):
            problems.append("negative TTL")
        if any(r.ttl != (28800 if r.type == "TXT" else 5) for r in reply.answer):
            problems.append("TTL")
        if problems:
            wrong.append(f"{number} {name} {qtype} tcp={tcp}: " + ", ".join(problems))
    assert not wrong, "\n".join(wrong)


def additional(daemon, name, qtype, want):
    reply = daemon.ask(name, qtype, edns=1232)
    have = sorted(r.data for r in reply.additional)
    assert have == sorted(want), f"{name} {qtype}: additional {have}"


def both_ways(zone):
    with Daemon("zone.name=" + zone.rstrip("."), *SETTINGS) as daemon:
        load(daemon, zone)
        check(daemon, zone, tcp=False)
        check(daemon, zone, tcp=True)
        additional(daemon, zone, "NS", daemon.addresses("ns.dns." + zone))                                    # V2
        additional(daemon, f"_https._tcp.kubernetes.default.svc.{zone}", "SRV", ["10.96.0.1"])                # V21
        additional(daemon, f"api.prod.svc.{zone}", "SRV", ["10.96.10.20"])                                    # V24
        additional(daemon, f"_web._tcp.dual.prod.svc.{zone}", "SRV", ["10.96.10.30", "fd00:96::30"])          # V42
        additional(daemon, f"db.prod.svc.{zone}", "SRV", ["10.244.2.10", "10.244.2.11"])                      # V56
        additional(daemon, f"_gossip._tcp.ring.prod.svc.{zone}", "SRV",
                   ["10.244.3.10", "10.244.3.11", "fd00:244:3::10", "fd00:244:3::11"])                        # V66
        additional(daemon, f"_http._tcp.twins.prod.svc.{zone}", "SRV", ["10.244.6.1", "10.244.6.2"])          # V80
        # V33: every other type is NODATA as well
        for qtype in ("SVCB", "CAA", "NAPTR", "LOC", "TYPE666", "TYPE65535"):
            reply = daemon.ask(f"api.prod.svc.{zone}", qtype)
            assert (reply.rcode, reply.answer, len(reply.authority)) == ("NOERROR", [], 1), qtype
        serial = daemon.ask(zone, "SOA").data()
        daemon.kill()
        daemon.start()
        assert daemon.ask(zone, "SOA").data() == serial, "K-SERIAL: a restart shows another serial"
        check(daemon, zone, tcp=False)
        check(daemon, zone, tcp=True)


def test_static_vectors_hold_over_udp_tcp_and_kill():
    both_ways(ZONE)


if __name__ == "__main__":
    harness.main(sys.modules["__main__"], harness.ZONES)
