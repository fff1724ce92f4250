"""State changes D1-D30 of kubernetes-dns 11.2: each starts from S0, and every check is the first query after the write was
acknowledged (K-FRESH); all of it once for each zone name."""

import json
import sys
import threading
import urllib.request

import harness
from harness import Daemon, Reply, query, until
from test_vectors import SETTINGS, load

ZONE = harness.ZONES[0]  # set by harness.main
MERGE = "application/merge-patch+json"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/prod/endpointslices/"
SERVICES = "/api/v1/namespaces/prod/services/"


def fqdn(name):
    return name if name.endswith(".") else f"{name}.svc.{ZONE}"


class State:
    """S0 in a fresh daemon; a change is a method call, a check a line."""

    def __init__(self, *settings):
        self.daemon = Daemon("zone.name=" + ZONE.rstrip("."), *SETTINGS, *settings)

    def __enter__(self):
        self.daemon.start()
        load(self.daemon, ZONE)
        return self

    def __exit__(self, *exc):
        return self.daemon.__exit__(*exc)

    def a(self, name, qtype="A"):
        return self.daemon.addresses(fqdn(name), qtype)

    def rcode(self, name, qtype="A"):
        reply = self.daemon.ask(fqdn(name), qtype)
        return "NODATA" if reply.rcode == "NOERROR" and not reply.answer else reply.rcode

    def targets(self, name):
        return sorted(data.split(" ")[3] for data in self.daemon.ask(fqdn(name), "SRV", edns=1232).data("SRV"))

    def ptr(self, address):
        return sorted(self.daemon.ask(reverse(address), "PTR").data("PTR"))

    def serial(self, zone=None):
        return int(self.daemon.ask(zone or ZONE, "SOA").data()[0].split(" ")[2])

    def slice(self, name, change):
        obj = self.daemon.get(SLICES + name)
        change(obj)
        return self.daemon.must("PUT", SLICES + name, obj)

    def service(self, name, patch):
        return self.daemon.must("PATCH", SERVICES + name, patch, MERGE)

    def delete(self, path):
        return self.daemon.must("DELETE", path)


def reverse(address):
    return ".".join(reversed(address.split("."))) + ".in-addr.arpa."


def ready(index, value):
    def change(obj):
        obj["endpoints"][index]["conditions"] = {"ready": value}
    return change


def same(have, want):
    assert have == want, f"have {have}, want {want}"


def test_d1_ready_endpoint_appears():
    with State() as s:
        s.slice("db-1", ready(2, True))
        same(s.a("db-2.db.prod"), ["10.244.2.12"])
        same(len(s.a("db.prod")), 3)
        same(len(s.targets("_pg._tcp.db.prod")), 3)
        same(s.ptr("10.244.2.12"), [f"db-2.db.prod.svc.{ZONE}"])


def watch_answers(s, names, stop, out):
    while not stop.is_set():
        for name in names:
            out.append((name, tuple(s.a(name))))


def test_d2_address_moves_in_one_step():
    with State() as s:
        stop, seen = threading.Event(), []
        watcher = threading.Thread(target=watch_answers, args=(s, ["db-0.db.prod"], stop, seen))
        watcher.start()
        for last in (77, 10) * 50 + (77,):
            s.slice("db-1", lambda o, n=last: o["endpoints"][0].update(addresses=[f"10.244.2.{n}"]))
            same(s.a("db-0.db.prod"), [f"10.244.2.{last}"])
        stop.set()
        watcher.join()
        same({answer for _, answer in seen} - {("10.244.2.10",), ("10.244.2.77",)}, set())
        same(s.ptr("10.244.2.10"), [f"10-244-2-10.db-peers.prod.svc.{ZONE}"])
        same(s.ptr("10.244.2.77"), [f"db-0.db.prod.svc.{ZONE}"])


def test_d3_address_changes_hands_in_one_step():
    with State() as s:
        def give(obj):
            obj["endpoints"] = [e for e in obj["endpoints"] if e.get("hostname") != "db-0"]
            obj["endpoints"][0]["addresses"] = ["10.244.2.10"]
        s.slice("db-1", give)
        same(s.rcode("db-0.db.prod"), "NXDOMAIN")
        same(s.a("db-1.db.prod"), ["10.244.2.10"])
        same(s.a("db.prod"), ["10.244.2.10"])
        same(s.ptr("10.244.2.10"), [f"db-1.db.prod.svc.{ZONE}"])


def test_d4_nothing_ready_then_back():
    with State() as s:
        def all_ready(value):
            def change(obj):
                for endpoint in obj["endpoints"]:
                    endpoint["conditions"] = {"ready": value}
            return change
        s.slice("db-1", all_ready(False))
        for name in ("db.prod", "db-0.db.prod", "_pg._tcp.db.prod"):
            same(s.rcode(name, "SRV" if name[0] == "_" else "A"), "NXDOMAIN")
        s.slice("db-1", all_ready(True))
        same(len(s.a("db.prod")), 3)


def test_d5_d6_deletion_of_service_or_slice():
    with State() as s:
        s.delete(SERVICES + "db")
        for name in ("db.prod", "db-0.db.prod", "_tcp.db.prod"):
            same(s.rcode(name), "NXDOMAIN")
        same(s.ptr("10.244.2.10"), [f"10-244-2-10.db-peers.prod.svc.{ZONE}"])
    with State() as s:
        s.delete(SLICES + "db-1")
        same(s.rcode("db.prod"), "NXDOMAIN")
        same(s.daemon.get(SERVICES + "db")["metadata"]["name"], "db")


def test_d7_d8_publish_not_ready_and_scale_down():
    with State() as s:
        s.service("db", {"spec": {"publishNotReadyAddresses": True}})
        same(s.a("db-2.db.prod"), ["10.244.2.12"])
    with State() as s:
        s.slice("db-1", lambda o: o["endpoints"].pop(1))
        same(s.rcode("db-1.db.prod"), "NXDOMAIN")
        same(s.a("db.prod"), ["10.244.2.10"])


def test_d9_d10_external_name_changes():
    with State() as s:
        s.service("ext", {"spec": {"externalName": "bar.example.com"}})
        same(s.daemon.ask(fqdn("ext.prod")).data(), ["bar.example.com."])
        s.service("ext", {"spec": {"type": "ClusterIP", "externalName": None, "clusterIP": "10.96.10.60",
                                   "ports": [{"name": "http", "port": 80}]}})
        same(s.a("ext.prod"), ["10.96.10.60"])
        same(s.targets("_http._tcp.ext.prod"), [f"ext.prod.svc.{ZONE}"])
        same(s.rcode("ext.prod", "CNAME"), "NODATA")


def test_d11_service_becomes_headless():
    with State() as s:
        s.delete(SERVICES + "api")
        s.daemon.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api", "namespace": "prod"},
                         "spec": {"clusterIP": "None", "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}})
        same(s.a("api.prod"), ["10.244.1.10", "10.244.1.11"])
        reply = s.daemon.ask(fqdn("_http._tcp.api.prod"), "SRV", edns=1232)
        same(sorted(d.split(" ", 2)[2] for d in reply.data()),
             [f"8080 10-244-1-10.api.prod.svc.{ZONE}", f"8080 10-244-1-11.api.prod.svc.{ZONE}"])
        same(s.rcode("20.10.96.10.in-addr.arpa.", "PTR"), "NXDOMAIN")


def test_d12_d13_namespaces_come_and_go():
    with State() as s:
        s.daemon.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "absent"}})
        same(s.rcode("absent"), "NODATA")
        s.delete("/api/v1/namespaces/empty")
        until("the namespace is gone", lambda: s.daemon.request("GET", "/api/v1/namespaces/empty")[0] == 404)
        same(s.rcode("empty"), "NXDOMAIN")
        same(s.rcode(f"empty.pod.{ZONE}"), "NXDOMAIN")


def test_d14_endpoint_moves_between_slices_without_a_gap():
    with State() as s:
        stop, seen = threading.Event(), []
        watcher = threading.Thread(target=watch_answers, args=(s, ["m-a.manual.prod"], stop, seen))
        watcher.start()
        for _ in range(30):
            one = s.daemon.get(SLICES + "manual-1")
            without = json.loads(json.dumps(one))
            without["endpoints"] = [e for e in one["endpoints"] if e.get("hostname") != "m-a"]
            s.daemon.must("PUT", SLICES + "manual-1", without)
            back = s.daemon.get(SLICES + "manual-1")
            back["endpoints"] = one["endpoints"]
            s.daemon.must("PUT", SLICES + "manual-1", back)
        stop.set()
        watcher.join()
        same({answer for _, answer in seen}, {("10.244.5.10",)})


def test_d15_d16_ports_change_names():
    with State() as s:
        s.service("db", {"spec": {"ports": [{"name": "postgres", "port": 5432}]}})
        s.slice("db-1", lambda o: o["ports"][0].update(name="postgres"))
        same(s.rcode("_pg._tcp.db.prod", "SRV"), "NXDOMAIN")
        same(len(s.targets("_postgres._tcp.db.prod")), 2)
        s.service("dual", {"spec": {"ports": [{"name": "q", "port": 5353, "protocol": "UDP"}]}})
        same(s.rcode("_tcp.dual.prod"), "NXDOMAIN")
        same(s.rcode("_udp.dual.prod"), "NODATA")


def test_d17_d18_d19_serials():
    with State() as s:
        before, reverse_before = s.serial(), s.serial("96.10.in-addr.arpa.")
        s.slice("db-1", ready(2, True))
        after = s.serial()
        assert after > before
        same(s.serial("96.10.in-addr.arpa."), reverse_before)
        s.service("db", {"metadata": {"annotations": {"note": "nothing visible"}}})
        same(s.serial(), after)
        states = {}
        for i in range(300):
            s.slice("db-1", ready(2, i % 2 == 0))
            states.setdefault(s.serial(), set()).add(tuple(s.a("db.prod")))
        same(len(states), 300)
        assert all(len(answers) == 1 for answers in states.values())
        assert list(states) == sorted(states)


def test_d20_d29_readiness_on_the_probe_listener():
    with State() as s:
        for path, want in (("/ready", 200), ("/readyz", 200), ("/health", 200), ("/livez", 200), ("/metrics", 200)):
            with urllib.request.urlopen(f"http://{s.daemon.metrics}{path}") as reply:
                same(reply.status, want)
                text = reply.read().decode()
        assert "ordinald_dns_" in text


def test_d22_pod_record_until_the_object_is_gone():
    with State() as s:
        same(s.a(f"10-244-1-10.prod.pod.{ZONE}"), ["10.244.1.10"])
        s.delete("/api/v1/namespaces/prod/pods/api-x")
        until("the pod object is gone", lambda: s.daemon.request("GET", "/api/v1/namespaces/prod/pods/api-x")[0] == 404)
        same(s.rcode(f"10-244-1-10.prod.pod.{ZONE}"), "NXDOMAIN")


def test_d23_endpoint_names_by_pod():
    with State("zone.endpoint-names=pod") as s:
        def name(obj):
            obj["endpoints"][0]["targetRef"] = {"kind": "Pod", "name": "db-0", "namespace": "prod"}
            obj["endpoints"][1]["targetRef"] = {"kind": "Pod", "name": "x" * 64, "namespace": "prod"}
        s.slice("db-peers-1", name)
        same(s.a("db-0.db-peers.prod"), ["10.244.2.10"])
        same(s.rcode("10-244-2-10.db-peers.prod"), "NXDOMAIN")
        same(s.a("10-244-2-11.db-peers.prod"), ["10.244.2.11"])


def test_d24_to_d27_options():
    with State("zone.ignore-empty-service=true", "zone.pods=insecure", "zone.ptr=all") as s:
        same(s.rcode("idle.prod"), "NXDOMAIN")
        same(s.a("api.prod"), ["10.96.10.20"])
        same(s.daemon.ask(fqdn("ext.prod")).data(), ["www.example.com."])
        same(s.a(f"1-2-3-4.prod.pod.{ZONE}"), ["1.2.3.4"])
        same(s.rcode(f"1-2-3-4.absent.pod.{ZONE}"), "NXDOMAIN")
        for qtype in ("A", "AAAA", "HINFO"):
            same(s.rcode(f"blah.prod.pod.{ZONE}", qtype), "NXDOMAIN")
        same(s.a(f"2001-db8--1.prod.pod.{ZONE}", "AAAA"), ["2001:db8::1"])
        same(s.rcode(f"1-2-3-4.prod.pod.{ZONE}", "AAAA"), "NODATA")
        same(s.ptr("10.244.2.10"), [f"10-244-2-10.db-peers.prod.svc.{ZONE}", f"db-0.db.prod.svc.{ZONE}"])
    with State("zone.pods=disabled", "zone.endpoint-records=headless") as s:
        same(s.rcode(f"10-244-1-10.prod.pod.{ZONE}"), "NXDOMAIN")
        same(s.rcode(f"prod.pod.{ZONE}"), "NXDOMAIN")
        same(s.rcode("10-244-1-10.api.prod"), "NXDOMAIN")
        same(s.a("db-0.db.prod"), ["10.244.2.10"])


def test_d28_two_services_with_one_hostname_and_address():
    with State() as s:
        for name in ("left", "right"):
            s.daemon.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "prod"},
                             "spec": {"clusterIP": "None"}})
            s.daemon.create({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "ports": [],
                             "metadata": {"name": name, "namespace": "prod", "labels": {"kubernetes.io/service-name": name}},
                             "endpoints": [{"addresses": ["10.244.8.8"], "hostname": "n"}]})
        same(s.ptr("10.244.8.8"), [f"n.left.prod.svc.{ZONE}", f"n.right.prod.svc.{ZONE}"])


def test_d30_lameduck():
    daemon = Daemon("zone.name=" + ZONE.rstrip("."), *SETTINGS, "dns.lameduck=1s")
    daemon.start()
    load(daemon, ZONE)
    daemon.process.send_signal(15)

    def status(path):
        try:
            with urllib.request.urlopen(f"http://{daemon.metrics}{path}", timeout=5) as reply:
                return reply.status
        except urllib.error.HTTPError as e:
            return e.code
    until("/ready is 503", lambda: status("/ready") == 503)
    same(status("/health"), 200)
    same(daemon.addresses(fqdn("api.prod")), ["10.96.10.20"])
    same(daemon.process.wait(timeout=30), 0)
    daemon.process.stdout.close()


def test_identity_apart_from_membership():
    """K-IDENT, K-EPOCH: names of peers before they are Ready; the Service itself stays ready-only."""
    with State() as s:
        s.service("db", {"metadata": {"annotations": {"ordinald.dev/publish-identity": "always"}}})
        same(s.a("db-2.db.prod"), ["10.244.2.12"])
        same(len(s.a("db.prod")), 2)
        same(s.ptr("10.244.2.12"), [f"db-2.db.prod.svc.{ZONE}"])


if __name__ == "__main__":
    harness.main(sys.modules["__main__"], harness.FEW_ZONES + ["k.", harness.LONGEST])
