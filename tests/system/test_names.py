"""Names that the vectors of kubernetes-dns leave out: every rule of its sections 1 to 6 with both address families, odd labels and
ports, Services that change their type, and the options of the zones; through the API, over UDP and TCP, under each zone name.

A line of a table is: rule, name, type, what is answered, and after "+" what the additional section holds. A name without a dot at its
end is below svc.Z, "@" stands for Z and "ptr:ADDRESS" for a reverse name; SRV are written PORT/TARGET, a CNAME in front >TARGET."""

import ipaddress
import sys

import harness
from harness import Daemon, until
from test_vectors import SETTINGS

ZONE = harness.ZONES[0]  # set by harness.main
MERGE = "application/merge-patch+json"


def reverse(address):
    return ipaddress.ip_address(address).reverse_pointer + "."


def full(name):
    if name.startswith("ptr:"):
        return reverse(name[4:])
    name = name.replace("@", ZONE)
    return name if name.endswith(".") else f"{name}.svc.{ZONE}"


class World:
    def __init__(self, *settings):
        self.daemon = Daemon("zone.name=" + ZONE.rstrip("."), "store.kind=memory", *settings)

    def __enter__(self):
        self.daemon.start()
        self.namespace("t")
        return self

    def __exit__(self, *exc):
        return self.daemon.__exit__(*exc)

    def namespace(self, name):
        self.daemon.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def service(self, name, ns="t", annotations=None, **spec):
        self.daemon.create({"apiVersion": "v1", "kind": "Service", "spec": spec,
                            "metadata": {"name": name, "namespace": ns, "annotations": annotations or {}}})

    def headless(self, name, ns="t", **spec):
        self.service(name, ns, clusterIP="None", **spec)

    def external(self, name, target):
        self.service(name, type="ExternalName", externalName=target.replace("@", ZONE).rstrip("."))

    def slice(self, name, service, endpoints, ports=(), ns="t"):
        """The family is that of the first address."""
        family = "IPv6" if ":" in endpoints[0]["addresses"][0] else "IPv4"
        self.daemon.create({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": family,
                            "metadata": {"name": name, "namespace": ns, "labels": {"kubernetes.io/service-name": service}},
                            "ports": list(ports), "endpoints": endpoints})

    def pod(self, name, *addresses, phase="Running", ns="t"):
        self.daemon.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": ns},
                            "spec": {"containers": [{"name": "c", "image": "i"}]},
                            "status": {"phase": phase, "podIP": addresses[0], "podIPs": [{"ip": a} for a in addresses]}})

    def patch(self, kind, name, body):
        group = "/apis/discovery.k8s.io/v1" if kind == "endpointslices" else "/api/v1"
        self.daemon.must("PATCH", f"{group}/namespaces/t/{kind}/{name}", body, MERGE)

    def drop(self, kind, name):
        group = "/apis/discovery.k8s.io/v1" if kind == "endpointslices" else "/api/v1"
        self.daemon.must("DELETE", f"{group}/namespaces/t/{kind}/{name}?gracePeriodSeconds=0")

    def expect(self, table):
        wrong = []
        for line in table.strip().splitlines():
            words, _, additional = line.partition("+")
            rule, name, qtype, *want = words.split()
            for tcp in (False, True):
                reply = self.daemon.ask(full(name), qtype, tcp=tcp, edns=1232)
                have = said(reply)
                is_right = have == sorted(expected(w, qtype) for w in want)
                if additional and sorted(r.data for r in reply.additional) != sorted(additional.split()):
                    is_right = False
                if not is_right and not reply.tc:
                    wrong.append(f"{rule} {full(name)} {qtype}: {have} + {reply.additional}, tcp={tcp}, wanted {line.strip()}")
        assert not wrong, "\n".join(wrong)


def expected(word, qtype):
    if word in ("NODATA", "NXDOMAIN", "REFUSED") or qtype in ("A", "AAAA", "TXT") and word[0] != ">":
        return word
    if word[0] == ">":
        return ">" + full(word[1:])
    if qtype == "SRV":
        port, target = word.split("/")
        return f"{port}/{full(target)}"
    return full(word)


def said(reply):
    """What is answered, in words; every negative one has AA and one SOA (K-NEG)."""
    out = []
    for r in reply.answer:
        fields = r.data.split(" ")
        out.append(f"{fields[2]}/{fields[3]}" if r.type == "SRV" else ">" + r.data if r.type == "CNAME" else r.data)
    last = "REFUSED" if reply.rcode == "REFUSED" else "NXDOMAIN" if reply.rcode == "NXDOMAIN" else None
    soas = [r for r in reply.authority if r.type == "SOA"]
    if soas and not last:
        last = "NODATA"
    assert len(soas) == (last in ("NODATA", "NXDOMAIN")) and reply.aa == (last != "REFUSED") or reply.tc, reply.authority
    return sorted(out + ([last] if last else []))


def ep(address, hostname=None, ready=None, **more):
    out = {"addresses": [address] if isinstance(address, str) else address, **more}
    if hostname:
        out["hostname"] = hostname
    if ready is not None:
        out["conditions"] = {"ready": ready}
    return out


def port(number, name=None, protocol="TCP"):
    return {"port": number, "protocol": protocol, **({"name": name} if name else {})}


def test_cluster_ips_of_one_and_two_families():
    """K-CIP, K-CIPSRV, K-BARE, K-PTR; both families, every protocol, names of ports that are digits, long or missing."""
    with World(*SETTINGS) as w:
        w.service("six", clusterIP="fd00:96::7", clusterIPs=["fd00:96::7"], ipFamilies=["IPv6"],
                  ports=[port(80, "web"), port(53, "dns", "UDP"), port(99, "sig", "SCTP")])
        w.service("d64", ipFamilyPolicy="RequireDualStack", ipFamilies=["IPv6", "IPv4"], clusterIP="fd00:96::64",
                  clusterIPs=["fd00:96::64", "10.96.0.64"], ports=[port(1, "w")])
        w.service("d46", ipFamilyPolicy="RequireDualStack", ipFamilies=["IPv4", "IPv6"], clusterIP="10.96.0.46",
                  clusterIPs=["10.96.0.46", "fd00:96::46"], ports=[port(1, "w")])
        w.service("odd", clusterIP="10.96.1.1",
                  ports=[port(8080, "8080"), port(81, "a-b"), port(53, "dns", "UDP"), port(53, "tcp"), port(53, "sctp", "SCTP")])
        w.service("long", clusterIP="10.96.1.5", ports=[port(82, "x" * 63), port(83, "y" * 62)])
        w.service("1digit", clusterIP="10.96.1.6", ports=[port(80)], externalIPs=["10.96.9.9"], type="NodePort")
        w.expect("""
            K-CIP six.t AAAA fd00:96::7
            K-CIP six.t A NODATA
            K-CIPSRV _sig._sctp.six.t SRV 99/six.t + fd00:96::7
            K-CASE _SIG._SCTP.Six.T SRV 99/six.t
            K-BARE six.t SRV 80/six.t 53/six.t 99/six.t + fd00:96::7
            K-ENT _sctp.six.t SRV NODATA
            K-ENT _udp.six.t TXT NODATA
            K-EXACT _web._udp.six.t SRV NXDOMAIN
            K-EXACT _web.six.t SRV NXDOMAIN
            K-EXACT _80._tcp.six.t SRV NXDOMAIN
            K-EXACT x._web._tcp.six.t SRV NXDOMAIN
            K-PTR ptr:fd00:96::7 PTR six.t
            K-CASE 7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.0.D.F.IP6.ARPA. PTR six.t
            K-ENT 0.0.0.0.6.9.0.0.0.0.d.f.ip6.arpa. PTR NODATA
            K-REV 1.0.0.0.6.9.0.0.0.0.d.f.ip6.arpa. PTR NXDOMAIN
            K-REV ptr:fd00:96::8 PTR NXDOMAIN
            K-CIP d64.t A 10.96.0.64
            K-CIP d64.t AAAA fd00:96::64
            K-SRV _w._tcp.d64.t SRV 1/d64.t + 10.96.0.64 fd00:96::64
            K-SRV _w._tcp.d46.t SRV 1/d46.t + 10.96.0.46 fd00:96::46
            K-PTR ptr:10.96.0.64 PTR d64.t
            K-PTR ptr:fd00:96::64 PTR d64.t
            K-PTR ptr:fd00:96::46 PTR d46.t
            K-CIPSRV _8080._tcp.odd.t SRV 8080/odd.t
            K-CIPSRV _a-b._tcp.odd.t SRV 81/odd.t
            K-CIPSRV _tcp._tcp.odd.t SRV 53/odd.t
            K-BARE odd.t SRV 8080/odd.t 81/odd.t 53/odd.t + 10.96.1.1
            K-NAMES 1digit.t A 10.96.1.6
            K-REV ptr:10.96.9.9 PTR NXDOMAIN
            K-BARE long.t SRV 82/long.t 83/long.t""")
        if len(ZONE) < 100:  # a port name of 63 letters leaves no room for its underscore
            w.expect(f"K-NAMES _{'y' * 62}._tcp.long.t SRV 83/long.t")


def test_endpoints_of_both_families():
    """K-READY, K-HL, K-EP, K-HLSRV, K-HOST: slices that overlap, several addresses, readiness that differs, strange ports."""
    with World(*SETTINGS) as w:
        w.headless("h", ports=[port(5432, "pg")])
        w.slice("h1", "h", [ep("10.244.1.1", "a"), ep("10.244.1.2", "b", False), ep("10.244.1.3", "a", True)], [port(15432, "pg")])
        w.slice("h2", "h", [ep("10.244.1.4", "a"), ep("10.244.1.1", "z"), ep("10.244.1.2", "b", True)],
                [port(15433, "pg"), port(7, "extra")])
        w.slice("h6", "h", [ep("fd00:244::1", "a"), ep("fd00:244::2")], [port(15432, "pg")])
        w.headless("six")
        w.slice("six", "six", [ep("fd00:244::11", "s-0"), ep("2001:DB8:0:0:0:0:0:7"), ep("::1"), ep("fd00:5:1:1:1:1:0:0"),
                               ep("2001:db8:0:1:1:1:1:1"), ep("2001:db8::1:0:0:1")])
        w.headless("many")
        w.slice("many", "many", [ep(["10.244.8.1", "10.244.8.2"]), ep(["10.244.8.3", "10.244.8.4"], "m")], [port(9, "q")])
        w.headless("bare")
        w.slice("bare1", "bare", [ep("10.244.9.1", "u")], [{"port": 77}])
        w.slice("bare2", "bare", [ep("10.244.9.2", "v")], [{"name": "any"}])  # every port: no number to give
        w.headless("term")
        w.slice("term", "term", [ep("10.244.10.1", "t0", conditions={"ready": False, "serving": True, "terminating": True}),
                                 ep("10.244.10.2", "t1", conditions={}), ep("10.244.10.4", "t3", conditions={"serving": False}),
                                 ep("10.244.10.3", "t2", conditions={"ready": True, "serving": False, "terminating": True})])
        w.headless("old", annotations={"service.alpha.kubernetes.io/tolerate-unready-endpoints": "true"})
        w.slice("old", "old", [ep("10.244.10.9", "t0", False)])
        w.service("early", clusterIP="10.96.2.1", publishNotReadyAddresses=True, ports=[port(1, "a")])
        w.slice("early", "early", [ep("10.244.10.10", "t0", False)], [port(11, "a")])
        w.headless("long")
        w.slice("long", "long", [ep("10.244.11.1", "x" * 63), ep("10.244.11.2", "y")], [port(1, "p")])
        w.expect("""
            K-HL h.t A 10.244.1.1 10.244.1.2 10.244.1.3 10.244.1.4
            K-EP a.h.t A 10.244.1.1 10.244.1.3 10.244.1.4
            K-EP a.h.t AAAA fd00:244::1
            K-READY b.h.t A 10.244.1.2
            K-EP z.h.t A 10.244.1.1
            K-HLSRV _pg._tcp.h.t SRV 15432/a.h.t 15433/a.h.t 15433/z.h.t 15433/b.h.t 15432/fd00-244--2.h.t
            K-HLSRV _extra._tcp.h.t SRV 7/a.h.t 7/z.h.t 7/b.h.t
            K-BARE b.h.t SRV 15433/b.h.t 7/b.h.t + 10.244.1.2
            K-BARE fd00-244--2.h.t SRV 15432/fd00-244--2.h.t + fd00:244::2
            K-PTR ptr:10.244.1.1 PTR a.h.t z.h.t
            K-PTR ptr:fd00:244::1 PTR a.h.t
            K-PTR ptr:fd00:244::2 PTR fd00-244--2.h.t
            K-EXACT _pg._tcp.a.h.t SRV NXDOMAIN
            K-EPOCH _epoch.a.h.t TXT NXDOMAIN
            K-HL six.t A NODATA
            K-HL six.t AAAA fd00:244::11 2001:db8::7 ::1 fd00:5:1:1:1:1:: 2001:db8:0:1:1:1:1:1 2001:db8::1:0:0:1
            K-EP s-0.six.t A NODATA
            K-HOST 2001-DB8--7.six.t AAAA 2001:db8::7
            K-HOST 0--1.six.t AAAA ::1
            K-HOST --1.six.t AAAA NXDOMAIN
            K-HOST fd00-5-1-1-1-1--0.six.t AAAA fd00:5:1:1:1:1::
            K-HOST 2001-db8-0-1-1-1-1-1.six.t AAAA 2001:db8:0:1:1:1:1:1
            K-HOST 2001-db8--1-0-0-1.six.t AAAA 2001:db8::1:0:0:1
            K-OUT ptr:2001:db8::7 PTR REFUSED
            K-HL many.t A 10.244.8.1 10.244.8.2 10.244.8.3 10.244.8.4
            K-HOST 10-244-8-2.many.t A 10.244.8.2
            K-EP m.many.t A 10.244.8.3 10.244.8.4
            K-HLSRV _q._tcp.many.t SRV 9/10-244-8-1.many.t 9/10-244-8-2.many.t 9/m.many.t
            K-BARE bare.t SRV 77/u.bare.t + 10.244.9.1
            K-BARE u.bare.t SRV 77/u.bare.t
            K-SRV _tcp.bare.t SRV NXDOMAIN
            K-SRV v.bare.t SRV NODATA
            K-SRV _any._tcp.bare.t SRV NXDOMAIN
            K-READY term.t A 10.244.10.2 10.244.10.3 10.244.10.4
            K-READY old.t A 10.244.10.9
            K-READY t0.early.t A 10.244.10.10
            K-BARE t0.early.t SRV 11/t0.early.t
            K-CIP early.t A 10.96.2.1
            K-NAMES long.t A 10.244.11.1 10.244.11.2
            K-NAMES y.long.t A 10.244.11.2""")
        w.expect(f"K-NAMES {'x' * 63}.long.t A 10.244.11.1")


def test_the_name_server_has_addresses_of_both_families():
    """K-NS: the listen addresses, or those that are configured; with the NS of every apex."""
    with World(*SETTINGS, "dns.listen=[::1]:0") as w:
        w.expect("K-NS ns.dns.@ A 127.0.0.1\nK-NS ns.dns.@ AAAA ::1\nK-NS @ NS ns.dns.@ + 127.0.0.1 ::1")
    with World(*SETTINGS, "zone.ns-address=fd00:96::a", "zone.ns-address=10.96.0.10", "zone.ns-address=10.96.0.10") as w:
        w.expect("K-NS ns.dns.@ A 10.96.0.10\nK-NS ns.dns.@ AAAA fd00:96::a\nK-NS 96.10.in-addr.arpa. NS ns.dns.@ + 10.96.0.10 fd00:96::a")
    with World(*SETTINGS, "zone.ns-address=fd00:96::a") as w:
        w.expect("K-NS ns.dns.@ A NODATA\nK-NS ns.dns.@ AAAA fd00:96::a\nK-NS @ NS ns.dns.@ + fd00:96::a")


def test_names_beyond_255_octets():
    """K-NAMES: under the longest zone a Service always has its name, and what is longer leaves the rest of the sets alone."""
    if len(ZONE) < 120:
        return
    with World(*SETTINGS) as w:
        ns, name = "n" * 63, "s" * 63
        w.namespace(ns)
        w.headless(name, ns=ns, ports=[port(1, "p")])
        w.slice("a", name, [ep("10.244.1.1", "y"), ep("10.244.1.2")], [port(1, "p")], ns=ns)
        w.service("c" * 63, ns=ns, clusterIP="10.96.1.1", ports=[port(7, "p")])
        w.pod("p", "fd00:244:1111:2222:3333:4444:5555:6666", ns=ns)
        w.expect(f"""
            K-NAMES {name}.{ns} A 10.244.1.1 10.244.1.2
            K-NAMES {name}.{ns} SRV NODATA
            K-NAMES ptr:10.244.1.1 PTR NXDOMAIN
            K-NAMES {'c' * 63}.{ns} A 10.96.1.1
            K-NAMES {'c' * 63}.{ns} SRV 7/{'c' * 63}.{ns}
            K-NAMES ptr:10.96.1.1 PTR {'c' * 63}.{ns}
            K-NAMES fd00-244-1111-2222-3333-4444-5555-6666.{ns}.pod.@ AAAA fd00:244:1111:2222:3333:4444:5555:6666""")
        w.daemon.must("DELETE", f"/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices/a")
        w.expect(f"K-EMPTYHL {name}.{ns} A NXDOMAIN")


def test_names_that_must_not_exist():
    """K-NOWILD, K-EXACT, K-NXEXACT: wildcards, search lists, names near the fixed ones."""
    with World(*SETTINGS) as w:
        w.headless("h", ports=[port(1, "p")])
        w.slice("h", "h", [ep("10.244.1.1", "a")], [port(1, "p")])
        names = ["*.t", "any.t", "*.h.t", "any.h.t", "*._tcp.h.t", "_any._tcp.h.t", "_*._tcp.h.t", "*.*", "h.*", "h.any", "*.t.pod.@",
                 "h.t.@", "h.@", "t.@", "h.t.t", "www.example.com.t", "svc", "_dmarc.x", "pod", "svc.pod.@", "x.dns-version.@",
                 "x.dns.@", "ns.@", "hostmaster.@", "_p._tcp.t", "p.tcp.h.t", "_p.h.t", "_tcp._p.h.t", "a.a.h.t", "_p._tcp.t.h.t"]
        if len(ZONE) < 100:
            names += ["h.t.svc.@t", "h.t.svc.@svc.@", "h.t.svc.@@", "h.t.svc.@pod.@"]
        for qtype in ("A", "SRV", "TXT", "SOA"):
            w.expect("\n".join(f"K-EXACT {name} {qtype} NXDOMAIN" for name in names))
        w.expect("""
            K-APEX @ AAAA NODATA
            K-APEX @ TYPE48 NODATA
            K-VER DNS-Version.@ TXT "1.1.0"
            K-NS ns.dns.@ SOA NODATA
            K-ENT dns.@ NS NODATA
            K-DS 0.0.d.f.ip6.arpa. DS NODATA
            K-REV 0.0.d.f.ip6.arpa. PTR NODATA
            K-REV 96.10.in-addr.arpa. NS ns.dns.@
            K-REV 01.1.96.10.in-addr.arpa. PTR NXDOMAIN
            K-REV 256.1.96.10.in-addr.arpa. PTR NXDOMAIN
            K-OUT 10.in-addr.arpa. PTR REFUSED
            K-OUT 1.1.97.10.in-addr.arpa. PTR REFUSED""")


def test_external_names_to_everything():
    """K-EXTRULES, K-EXT: targets of every kind, followed in the message when they are ours."""
    with World(*SETTINGS) as w:
        w.headless("h")
        w.slice("h", "h", [ep("10.244.1.1", "a")])
        w.slice("h6", "h", [ep("fd00:244::1", "a")])
        w.service("c", clusterIP="10.96.1.1", ports=[port(1, "a")])
        for name, target in (("out", "www.example.com"), ("four", "10.1.1.1"), ("h1", "h.t.svc.@"), ("self", "self.t.svc.@"),
                             ("gone", "nx.t.svc.@"), ("node", "svc.@"), ("apex", "@"), ("back", "1.1.96.10.in-addr.arpa"),
                             ("two", "back.t.svc.@"), ("far", "absent.invalid.svc.@"), ("digits", "1.2.3"), ("not4", "256.1.1.1")):
            w.external(name, target)
        w.slice("out", "out", [ep("10.244.13.1", "x")])
        w.expect("""
            K-EXT out.t A >www.example.com.
            K-EXT out.t MX >www.example.com.
            K-EXT four.t A NXDOMAIN
            K-EXT digits.t A >1.2.3.
            K-EXT not4.t A >256.1.1.1.
            K-EXTRULES h1.t A >h.t 10.244.1.1
            K-EXTRULES h1.t AAAA >h.t fd00:244::1
            K-EXTRULES h1.t TXT >h.t NODATA
            K-EXTRULES h1.t CNAME >h.t
            K-ANY h1.t ANY >h.t
            K-EXTRULES self.t A >self.t
            K-EXTRULES gone.t TXT >nx.t NXDOMAIN
            K-EXTRULES node.t A >svc.@ NODATA
            K-EXTRULES apex.t NS >@ ns.dns.@
            K-EXTRULES back.t PTR >1.1.96.10.in-addr.arpa. c.t
            K-EXTRULES two.t A >back.t >1.1.96.10.in-addr.arpa. NODATA
            K-EXTRULES far.t A >absent.invalid NXDOMAIN
            K-EXTRULES x.out.t A NXDOMAIN
            K-EXTRULES ptr:10.244.13.1 PTR NXDOMAIN""")


def test_services_that_become_something_else():
    """K-CIP, K-HL, K-EXT, K-REUSE: every type after every other, families that come and go, slices that change their Service."""
    with World(*SETTINGS) as w:
        w.service("s", clusterIP="10.96.3.1", ports=[port(80, "a")])
        w.slice("s1", "s", [ep("10.244.3.1", "h0"), ep("10.244.3.2")], [port(8080, "a")])
        w.expect("K-CIPSRV _a._tcp.s.t SRV 80/s.t + 10.96.3.1\nK-BARE h0.s.t SRV 8080/h0.s.t")
        w.patch("services", "s", {"spec": {"type": "ExternalName", "externalName": "x.example.com", "clusterIP": None, "clusterIPs": None,
                                           "ports": None, "ipFamilies": None, "ipFamilyPolicy": None}})
        w.expect("""
            K-EXT s.t A >x.example.com.
            K-EXT h0.s.t A NXDOMAIN
            K-EXT _a._tcp.s.t SRV NXDOMAIN
            K-PTR ptr:10.96.3.1 PTR NXDOMAIN
            K-PTR ptr:10.244.3.1 PTR NXDOMAIN""")
        w.patch("services", "s", {"spec": {"type": "ClusterIP", "externalName": None, "clusterIP": "None", "ports": [port(80, "a")]}})
        w.expect("""
            K-HL s.t A 10.244.3.1 10.244.3.2
            K-HLSRV _a._tcp.s.t SRV 8080/h0.s.t 8080/10-244-3-2.s.t
            K-PTR ptr:10.244.3.1 PTR h0.s.t""")
        w.service("np", type="NodePort", clusterIP="10.96.3.3", ports=[port(80, "a")])
        w.patch("services", "np", {"spec": {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv4", "IPv6"],
                                            "clusterIPs": ["10.96.3.3", "fd00:96::33"]}})
        w.expect("K-CIP np.t AAAA fd00:96::33\nK-PTR ptr:fd00:96::33 PTR np.t")
        w.patch("services", "np", {"spec": {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"], "clusterIPs": ["10.96.3.3"]}})
        w.expect("K-CIP np.t AAAA NODATA\nK-PTR ptr:fd00:96::33 PTR NXDOMAIN\nK-CIP np.t A 10.96.3.3")
        w.headless("l1")
        w.headless("l2")
        w.slice("l", "l1", [ep("10.244.5.1", "n")])
        w.expect("K-EP n.l1.t A 10.244.5.1")
        w.patch("endpointslices", "l", {"metadata": {"labels": {"kubernetes.io/service-name": "l2"}}})
        w.expect("K-EP n.l1.t A NXDOMAIN\nK-EMPTYHL l1.t A NXDOMAIN\nK-EP n.l2.t A 10.244.5.1\nK-PTR ptr:10.244.5.1 PTR n.l2.t")
        w.patch("endpointslices", "l", {"metadata": {"labels": {"kubernetes.io/service-name": None}}})
        w.expect("K-EMPTYHL l2.t A NXDOMAIN\nK-PTR ptr:10.244.5.1 PTR NXDOMAIN")
        w.namespace("u")
        w.slice("early", "late", [ep("10.244.6.1", "e")], ns="u")
        w.headless("late")
        w.expect("K-READY late.u A NXDOMAIN\nK-READY late.t A NXDOMAIN\nK-PTR ptr:10.244.6.1 PTR NXDOMAIN")
        w.headless("late", ns="u")
        w.expect("K-READY e.late.u A 10.244.6.1\nK-PTR ptr:10.244.6.1 PTR e.late.u")


def test_a_namespace_that_terminates_keeps_its_names():
    with World(*SETTINGS) as w:
        daemon = w.daemon
        w.namespace("gone")
        w.service("s", ns="gone", clusterIP="10.96.3.20", ports=[port(1, "a")])
        service = "/api/v1/namespaces/gone/services/s"
        daemon.must("PATCH", service, {"metadata": {"finalizers": ["example.dev/hold"]}}, MERGE)
        daemon.must("DELETE", "/api/v1/namespaces/gone")
        until("the namespace terminates", lambda: daemon.get("/api/v1/namespaces/gone")["status"]["phase"] == "Terminating")
        w.expect("K-NSNODE gone A NODATA\nK-NSX gone.pod.@ A NODATA\nK-CIP s.gone A 10.96.3.20")
        daemon.must("PATCH", service, {"metadata": {"finalizers": []}}, MERGE)
        until("the namespace is gone", lambda: daemon.request("GET", "/api/v1/namespaces/gone")[0] == 404)
        w.expect("K-NSX gone A NXDOMAIN\nK-NSX s.gone A NXDOMAIN\nK-NSX gone.pod.@ A NXDOMAIN\nK-PTR ptr:10.96.3.20 PTR NXDOMAIN")


def test_identities_of_two_families():
    """K-IDENT: what is not Ready keeps its own name, and no more."""
    always = {"ordinald.dev/publish-identity": "always"}
    with World(*SETTINGS) as w:
        w.headless("id", annotations=always, ports=[port(1, "p")])
        w.slice("id1", "id", [ep("10.244.4.1", "i-0", False), ep("10.244.4.2", None, False)], [port(5, "p")])
        w.expect("""
            K-IDENT id.t A NODATA
            K-IDENT id.t SRV NODATA
            K-IDENT i-0.id.t A 10.244.4.1
            K-IDENT i-0.id.t SRV 5/i-0.id.t
            K-IDENT 10-244-4-2.id.t A NXDOMAIN
            K-IDENT _tcp.id.t SRV NXDOMAIN
            K-IDENT ptr:10.244.4.1 PTR i-0.id.t
            K-IDENT ptr:10.244.4.2 PTR NXDOMAIN""")
        w.slice("id2", "id", [ep("fd00:244:4::1", "i-0", True)], [port(6, "p")])
        w.expect("""
            K-IDENT id.t A NODATA
            K-IDENT id.t AAAA fd00:244:4::1
            K-IDENT _p._tcp.id.t SRV 6/i-0.id.t
            K-IDENT i-0.id.t SRV 5/i-0.id.t 6/i-0.id.t + 10.244.4.1 fd00:244:4::1""")
        w.patch("services", "id", {"metadata": {"annotations": {"ordinald.dev/publish-identity": "Always"}}})
        w.expect("K-IDENT i-0.id.t A NODATA\nK-IDENT i-0.id.t SRV 6/i-0.id.t\nK-IDENT ptr:10.244.4.1 PTR NXDOMAIN")


def test_reverse_names_that_many_share():
    """K-REV: ClusterIPs before hostnames before addresses, and back as they leave."""
    with World(*SETTINGS) as w:
        for name in ("pa", "pb"):
            w.headless(name)
            w.slice(name, name, [ep("10.244.7.1")])
        w.service("pc", clusterIP="10.96.3.9", ports=[port(1, "a")])
        w.slice("pc", "pc", [ep("10.244.7.1")])
        w.slice("over", "pa", [ep("10.96.3.9", "over")])
        w.expect("""
            K-REV ptr:10.244.7.1 PTR 10-244-7-1.pa.t 10-244-7-1.pb.t 10-244-7-1.pc.t
            K-REV ptr:10.96.3.9 PTR pc.t
            K-EP over.pa.t A 10.96.3.9""")
        w.patch("endpointslices", "pb", {"endpoints": [ep("10.244.7.1", "hh")]})
        w.expect("K-REV ptr:10.244.7.1 PTR hh.pb.t")
        w.patch("endpointslices", "pb", {"endpoints": [ep("10.244.7.1", "hh", False)]})
        w.expect("K-REV ptr:10.244.7.1 PTR 10-244-7-1.pa.t 10-244-7-1.pc.t")
        w.patch("services", "pb", {"metadata": {"annotations": {"ordinald.dev/publish-identity": "always"}}})
        w.expect("K-IDENT ptr:10.244.7.1 PTR hh.pb.t")
        w.drop("services", "pc")
        w.expect("K-REV ptr:10.96.3.9 PTR over.pa.t")


def test_pods_verified():
    """K-PODS, K-HOST (c): one spelling of each address, both families, phases, finalizers, shared addresses."""
    with World(*SETTINGS) as w:
        w.pod("d46", "10.244.1.2", "fd00:244::2")
        w.pod("d64", "2001:db8:1:2:3:4:0:0", "10.244.1.3")
        w.pod("one", "::1")
        for name, phase, last in (("pending", "Pending", 4), ("unknown", "Unknown", 5), ("failed", "Failed", 6)):
            w.pod(name, f"10.244.1.{last}", phase=phase)
        w.pod("host1", "10.244.1.7")
        w.pod("host2", "10.244.1.7")
        w.expect("""
            K-PODS 10-244-1-2.t.pod.@ A 10.244.1.2
            K-PODS 10-244-1-2.t.pod.@ AAAA NODATA
            K-PODS FD00-244--2.T.POD.@ AAAA fd00:244::2
            K-PODS fd00-244--2.t.pod.@ A NODATA
            K-HOST 2001-db8-1-2-3-4--0.t.pod.@ AAAA 2001:db8:1:2:3:4::
            K-HOST 2001-db8-1-2-3-4-0-0.t.pod.@ AAAA NXDOMAIN
            K-HOST 2001-db8-1-2-3-4--.t.pod.@ AAAA NXDOMAIN
            K-PODS 10-244-1-3.t.pod.@ A 10.244.1.3
            K-HOST 0--1.t.pod.@ AAAA ::1
            K-HOST --1.t.pod.@ AAAA NXDOMAIN
            K-PODS 10-244-1-4.t.pod.@ A 10.244.1.4
            K-PODS 10-244-1-5.t.pod.@ A NXDOMAIN
            K-PODS 10-244-1-6.t.pod.@ A NXDOMAIN
            K-PODS x.fd00-244--2.t.pod.@ AAAA NXDOMAIN
            K-PODS d46.t.pod.@ A NXDOMAIN
            K-PTR ptr:10.244.1.2 PTR NXDOMAIN""")
        w.drop("pods", "host1")
        w.expect("K-PODS 10-244-1-7.t.pod.@ A 10.244.1.7")
        w.drop("pods", "host2")
        w.expect("K-PODS 10-244-1-7.t.pod.@ A NXDOMAIN")
        w.patch("pods", "d46", {"metadata": {"finalizers": ["example.dev/hold"]}})
        w.drop("pods", "d46")
        w.expect("K-PODS fd00-244--2.t.pod.@ AAAA fd00:244::2")
        w.patch("pods", "d46", {"metadata": {"finalizers": []}})
        w.expect("K-PODS fd00-244--2.t.pod.@ AAAA NXDOMAIN")


def test_pods_insecure_and_disabled():
    """K-PODS: any spelling of an address, and nothing that is none."""
    with World(*SETTINGS, "zone.pods=insecure") as w:
        for label, address in (("255-255-255-255", "255.255.255.255"), ("0-0-0-0", "0.0.0.0"), ("2001-db8--1", "2001:db8::1"),
                               ("2001-0DB8-0-0-0-0-0-1", "2001:db8::1"), ("0--1", "::1"), ("--1", "::1"), ("1--0", "1::"),
                               ("--", "::"), ("a-b--c", "a:b::c"), ("1-2--3", "1:2::3")):
            mine, other = ("AAAA", "A") if ":" in address else ("A", "AAAA")
            w.expect(f"K-PODS {label}.t.pod.@ {mine} {address}\nK-PODS {label}.t.pod.@ {other} NODATA\nK-PODS {label}.t.pod.@ TXT NODATA")
        for label in ("1-2-3", "1-2-3-256", "01-2-3-4", "1-2-3-4-5", "a-b-c-d", "1--2--3", "1-2-3-4-5-6-7-8-9", "12345--", "g--1", "-", "1",
                      "1-2-3-", "_1-2-3-4", "1-2-3-4x", "1_2_3_4", "*", "---"):
            w.expect("\n".join(f"K-PODS {label}.t.pod.@ {qtype} NXDOMAIN" for qtype in ("A", "AAAA", "TXT")))
        w.expect("""
            K-PODS x.1-2-3-4.t.pod.@ A NXDOMAIN
            K-PODS 1-2-3-4.absent.pod.@ A NXDOMAIN
            K-PODS 1-2-3-4.pod.@ A NXDOMAIN
            K-PODS 1-2-3-4.t A NXDOMAIN""")
    with World(*SETTINGS, "zone.pods=disabled") as w:
        w.pod("p", "fd00:244::2")
        w.expect("K-PODS fd00-244--2.t.pod.@ AAAA NXDOMAIN\nK-PODS t.pod.@ A NXDOMAIN\nK-SVCROOT pod.@ A NODATA")


def test_options_of_the_names():
    """zone.ignore-empty-service, zone.ptr all, zone.endpoint-records headless, zone.endpoint-names pod; both families."""
    with World(*SETTINGS, "zone.ignore-empty-service=true", "zone.ptr=all", "zone.endpoint-records=headless",
               "zone.endpoint-names=pod") as w:
        w.service("e", clusterIP="10.96.4.1", clusterIPs=["10.96.4.1", "fd00:96::41"], ipFamilyPolicy="RequireDualStack",
                  ports=[port(1, "a")])
        w.slice("e4", "e", [ep("10.244.1.1", "x", False)], [port(11, "a")])
        w.expect("""
            K-EMPTYHL e.t A NXDOMAIN
            K-EMPTYHL _tcp.e.t SRV NXDOMAIN
            K-EMPTYHL ptr:10.96.4.1 PTR NXDOMAIN""")
        w.slice("e6", "e", [ep("fd00:244::1", "x")], [port(11, "a")])
        w.expect("""
            K-EMPTYHL e.t A 10.96.4.1
            K-EMPTYHL e.t AAAA fd00:96::41
            K-CIPSRV _a._tcp.e.t SRV 1/e.t
            K-PTR ptr:fd00:96::41 PTR e.t
            C9 x.e.t AAAA NXDOMAIN
            C9 ptr:fd00:244::1 PTR NXDOMAIN""")
        w.drop("endpointslices", "e6")
        w.patch("services", "e", {"spec": {"publishNotReadyAddresses": True}})
        w.expect("K-EMPTYHL e.t A 10.96.4.1")
        of_pod = lambda name: {"targetRef": {"kind": "Pod", "name": name, "namespace": "t"}}
        w.headless("h")
        w.slice("h4", "h", [ep("10.244.2.1", **of_pod("pod-a")), ep("10.244.2.2", targetRef={"kind": "Node", "name": "node-a"}),
                            ep("10.244.2.3", **of_pod("a.b")), ep("10.244.2.4", "host", **of_pod("pod-b"))])
        w.slice("h6", "h", [ep("fd00:244:2::1", **of_pod("pod-a"))])
        w.headless("k")
        w.slice("k", "k", [ep("10.244.2.1", "zz"), ep("10.244.2.4")])
        w.expect("""
            K-HOST pod-a.h.t A 10.244.2.1
            K-HOST pod-a.h.t AAAA fd00:244:2::1
            K-HOST 10-244-2-1.h.t A NXDOMAIN
            K-HOST 10-244-2-2.h.t A 10.244.2.2
            K-NAMES 10-244-2-3.h.t A 10.244.2.3
            K-NAMES a.b.h.t A NXDOMAIN
            K-HOST host.h.t A 10.244.2.4
            K-HOST pod-b.h.t A NXDOMAIN
            C10 ptr:10.244.2.1 PTR pod-a.h.t zz.k.t
            C10 ptr:10.244.2.4 PTR host.h.t 10-244-2-4.k.t
            C10 ptr:fd00:244:2::1 PTR pod-a.h.t""")


def test_reverse_zones_of_any_prefix_length():
    """K-REV: the zones of the next boundary that cover a network; full addresses as apexes; zones inside zones."""
    octets = lambda address, count: ".".join(reversed(address.split(".")[:count])) + ".in-addr.arpa."
    nibbles = lambda address, count: reverse(address).split(".", 32 - count)[32 - count]
    cases = [(["10.96.0.0/12"], octets, 2, ["10.96.0.1", "10.111.255.254"], ["10.95.0.1", "10.112.0.1"]),
             (["10.1.16.0/20"], octets, 3, ["10.1.16.1", "10.1.31.254"], ["10.1.15.1", "10.1.32.1"]),
             (["192.0.2.64/26", "198.51.100.9/32"], octets, 4, ["192.0.2.64", "192.0.2.127", "198.51.100.9"],
              ["192.0.2.63", "192.0.2.128", "198.51.100.8"]),
             (["10.0.0.0/7"], octets, 1, ["10.2.3.4", "11.2.3.4"], ["9.1.1.1", "12.1.1.1"]),
             (["10.0.0.0/8", "10.244.0.0/16"], octets, 2, ["10.244.1.1"], ["11.0.0.1"]),
             (["IN-ADDR.arpa."], octets, 0, ["10.1.1.1"], ["fd00::1"]),
             (["fd00:1:2:300::/56"], nibbles, 14, ["fd00:1:2:300::1", "fd00:1:2:3ff::1"], ["fd00:1:2:400::1", "fd00:1:2:2ff::1"]),
             (["fd00:1:2:300::/57"], nibbles, 15, ["fd00:1:2:300::1", "fd00:1:2:37f::1"], ["fd00:1:2:380::1"]),
             (["fd00:1:2::/62"], nibbles, 16, ["fd00:1:2::1", "fd00:1:2:3::1"], ["fd00:1:2:4::1"]),
             (["fc00::/7"], nibbles, 2, ["fc00::1", "fdff::1"], ["fe00::1"]),
             (["fd00:96::5/128"], nibbles, 32, ["fd00:96::5"], ["fd00:96::4"])]
    for networks, apex_of, count, inside, outside in cases:
        with World(*("zone.reverse=" + network for network in networks)) as w:
            for i, address in enumerate(inside + outside):
                w.headless(f"s{i}")
                w.slice(f"s{i}", f"s{i}", [ep(address, "h")])
                name = reverse(address)
                if address in outside:
                    w.expect(f"K-OUT {name} PTR REFUSED")
                    continue
                w.expect(f"K-REV {name} PTR h.s{i}.t")
                apex, above = apex_of(address, count).lstrip("."), name
                while above != apex:
                    soa = w.daemon.ask(above, "TXT").authority[0]
                    assert (soa.type, soa.name) == ("SOA", apex), (above, soa, apex)
                    above = above.split(".", 1)[1]
                w.expect(f"K-REV {apex} NS ns.dns.@")


if __name__ == "__main__":
    harness.main(sys.modules["__main__"], harness.FEW_ZONES + ["k.", harness.LONGEST])
