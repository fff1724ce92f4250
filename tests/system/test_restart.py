"""Restarts under a load of queries, by kill -9 and by SIGTERM: whoever gets an answer gets the right one. Not one NXDOMAIN or SERVFAIL
for a name that lives, over UDP or TCP, of a forward, a reverse or a pod's name (K-SYNC, K-LAME); only silence while nobody is there."""

import random
import socket
import struct
import sys
import threading

import harness
from harness import Daemon, Reply, query, until

SETTINGS = ["nodes.embedded=3", "nodes.embedded-start=20ms", "zone.reverse=244.10.in-addr.arpa", "zone.pods=verified"]
ENDPOINTS = 120
RESTARTS = 4
ASKERS = 4  # two of them by TCP


def endpoints(address):
    """A headless Service with named endpoints, the last one under an address of the caller's."""
    labels = {"kubernetes.io/service-name": "many"}
    addresses = [f"10.244.77.{i + 1}" for i in range(ENDPOINTS - 1)] + [address]
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "many-1", "labels": labels},
            "addressType": "IPv4", "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
            "endpoints": [{"addresses": [a], "hostname": f"many-{i}", "conditions": {"ready": True}} for i, a in enumerate(addresses)]}


def living(zone, daemon):
    """What is asked, with the answer that is due: (name, type) to RDATA."""
    base = f"many.default.svc.{zone}"
    out = {(f"many-{i}.{base}", "A"): f"10.244.77.{i + 1}" for i in range(ENDPOINTS - 1)}
    out.update({(f"{i + 1}.77.244.10.in-addr.arpa.", "PTR"): f"many-{i}.{base}" for i in range(ENDPOINTS - 1)})
    for pod in daemon.get("/api/v1/namespaces/default/pods")["items"]:
        address = pod["status"]["podIP"]
        out[(f"{pod['metadata']['name']}.kubia.default.svc.{zone}", "A")] = address
        out[(f"{address.replace('.', '-')}.default.pod.{zone}", "A")] = address
    return out


class Asker(threading.Thread):
    """Asks for living names without a pause until told to stop. `wrong`: answers that must not be; `right` counts the others."""

    def __init__(self, server, due, is_tcp, seed):
        super().__init__(daemon=True)
        self.server, self.due, self.is_tcp = server, list(due.items()), is_tcp
        self.chance = random.Random(seed)
        self.right, self.wrong, self.over = 0, [], False

    def run(self):
        while not self.over:
            try:
                with socket.socket(type=socket.SOCK_STREAM if self.is_tcp else socket.SOCK_DGRAM) as s:
                    s.settimeout(0.3)
                    s.connect(self.server)
                    self.ask_on(s)
            except (OSError, EOFError):
                pass  # nobody there: the next one

    def ask_on(self, s):
        for _ in range(50):
            (name, qtype), data = self.chance.choice(self.due)
            message = query(name, qtype)
            s.sendall((struct.pack("!H", len(message)) if self.is_tcp else b"") + message)
            reply = Reply(harness.read_message(s) if self.is_tcp else s.recv(65535))
            if reply.rcode != "NOERROR" or reply.data() != [data] or not reply.aa:
                self.wrong.append(f"{name} {qtype}: {reply.rcode} {reply.data()}, due {data}")
            self.right += 1
            if self.over:
                return


def port_of_nobody():
    """A free port below those that the kernel gives to clients: while the daemon is away, an asker's own socket must not take it."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        lowest = int(f.read().split()[0])
    chance = random.Random()
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            where = "127.0.0.1", chance.randrange(lowest // 2, lowest)
            try:
                tcp.bind(where)
                udp.bind(where)
                return "%s:%d" % where
            except OSError:
                pass


def restart_under_load(zone, stop):
    """stop(daemon) ends it; between restarts a write that was acknowledged is seen by the very next query."""
    daemon = Daemon("zone.name=" + zone.rstrip("."), *SETTINGS)
    daemon.ports = {"dns": port_of_nobody(), "http": port_of_nobody()}
    with daemon as d:
        d.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "many"},
                  "spec": {"clusterIP": "None", "ports": [{"name": "http", "port": 80}]}})
        d.create(endpoints("10.244.78.1"))
        for obj in harness.kubia(3):
            d.create(obj)
        until("the set is up", lambda: len(d.addresses(f"kubia.default.svc.{zone}")) == 3)
        due = living(zone, d)
        askers = [Asker(d.dns, due, i % 2 == 1, i) for i in range(ASKERS)]
        for asker in askers:
            asker.start()
        for round_ in range(RESTARTS):
            address = f"10.244.79.{round_ + 1}"
            d.must("PATCH", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/many-1",
                   {"endpoints": endpoints(address)["endpoints"]}, "application/merge-patch+json")
            stop(d)
            d.start()
            assert d.addresses(f"many-{ENDPOINTS - 1}.many.default.svc.{zone}") == [address], "the write before the end is lost"
            before = [asker.right for asker in askers]
            until("all askers are answered again", lambda: all(a.right > b + 20 or a.wrong for a, b in zip(askers, before)))
        for asker in askers:
            asker.over = True
        for asker in askers:
            asker.join(harness.DEADLINE_S)
        wrong = [text for asker in askers for text in asker.wrong]
        assert not wrong, f"{len(wrong)} wrong answers:\n" + "\n".join(wrong[:20])
        print(f"      {sum(a.right for a in askers)} answers during {RESTARTS} restarts")


def test_a_kill_denies_no_living_name():
    restart_under_load("cluster.local.", lambda d: d.kill())


def test_a_kill_denies_no_living_name_of_another_zone():
    restart_under_load("k8s.test.", lambda d: d.kill())


def test_an_orderly_restart_denies_no_living_name():
    restart_under_load("cluster.local.", lambda d: d.stop())


if __name__ == "__main__":
    harness.main(sys.modules["__main__"])
