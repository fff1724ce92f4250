"""The same data for every server of the comparison, for a number of endpoints: headless Services of 20 with hostnames and one named
port, and beside them one in a thousand endpoints in Services of 5 (at least two Services), which the SRV queries ask for.

    data = Data(100000)
    data.write_zones(folder)      forward.zone and reverse.zone, for servers that read files
    data.objects()                (path, body) of each Service and EndpointSlice, for ordinald's API
    data.write_queries(folder)    hit.txt, nxdomain.txt, srv.txt: lines "NAME TYPE" for bench_load

Alone, `python3 compare_data.py ENDPOINTS FOLDER` writes the files."""

import ipaddress
import json
import os
import sys

FORWARD, REVERSE = "cluster.local.", "10.in-addr.arpa."
RANGE = "10.0.0.0/8"
NAMESPACE = "default"
TTL = 5
QUERIES = 100000
SLICES = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
SERVICES = f"/api/v1/namespaces/{NAMESPACE}/services"
SOA = f"@ {TTL} IN SOA ns.dns.{FORWARD} hostmaster.{FORWARD} 1 7200 1800 86400 {TTL}\n@ {TTL} IN NS ns.dns.{FORWARD}\n"


class Service:
    def __init__(self, name, first, count):
        self.name, self.count, self.first = name, count, first
        self.owner = f"{name}.{NAMESPACE}.svc.{FORWARD}"
        self.moved = {}  # endpoint: its address, where it is not the first one

    def host(self, i):
        return f"{self.name}-{i}"

    def address(self, i):
        return self.moved.get(i) or str(ipaddress.ip_address(0x0A000001 + self.first + i))

    def body(self):
        port = {"name": "http", "port": 80, "protocol": "TCP"}
        return json.dumps({"apiVersion": "v1", "kind": "Service", "metadata": {"name": self.name, "namespace": NAMESPACE},
                           "spec": {"clusterIP": "None", "ports": [port]}})

    def slice_body(self):
        endpoints = [{"addresses": [self.address(i)], "hostname": self.host(i),
                      "conditions": {"ready": True, "serving": True, "terminating": False}} for i in range(self.count)]
        return json.dumps({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
                           "metadata": {"name": self.name + "-a", "namespace": NAMESPACE,
                                        "labels": {"kubernetes.io/service-name": self.name}},
                           "ports": [{"name": "http", "port": 80, "protocol": "TCP"}], "endpoints": endpoints})


class Data:
    def __init__(self, endpoints):
        fives = max(endpoints // 5000, 2)
        twenties = (endpoints - 5 * fives) // 20
        self.twenties = [Service(f"web{s}", 20 * s, 20) for s in range(twenties)]
        self.fives = [Service(f"five{s}", 20 * twenties + 5 * s, 5) for s in range(fives)]
        self.services = self.twenties + self.fives
        self.endpoints = 20 * twenties + 5 * fives

    def write_zones(self, folder):
        with open(os.path.join(folder, "forward.zone"), "w") as forward, open(os.path.join(folder, "reverse.zone"), "w") as reverse:
            forward.write(f"$ORIGIN {FORWARD}\n{SOA}ns.dns {TTL} IN A 127.0.0.1\ndns-version {TTL} IN TXT \"1.1.0\"\n")
            reverse.write(f"$ORIGIN {REVERSE}\n{SOA}")
            for service in self.services:
                for i in range(service.count):
                    host, address = f"{service.host(i)}.{service.owner}", service.address(i)
                    forward.write(f"{service.owner} {TTL} IN A {address}\n{host} {TTL} IN A {address}\n"
                                  f"_http._tcp.{service.owner} {TTL} IN SRV 0 {100 // service.count} 80 {host}\n")
                    reverse.write(f"{ipaddress.ip_address(address).reverse_pointer}. {TTL} IN PTR {host}\n")

    def objects(self):
        for service in self.services:
            yield SERVICES, service.body()
            yield SLICES, service.slice_body()

    def queries(self):
        """kind: the lines of its file. At most QUERIES names, spread over all Services."""
        step = max(1, self.endpoints // QUERIES)
        hits = [(s, i) for s in self.twenties for i in range(20)][::step]
        return {
            "hit": [f"{s.host(i)}.{s.owner} A" for s, i in hits],
            "nxdomain": [f"{s.name}-{20 + i}.{s.owner} A" for s, i in hits],
            "srv": [f"_http._tcp.{s.owner} SRV" for s in self.fives],
        }

    def write_queries(self, folder):
        for kind, lines in self.queries().items():
            with open(os.path.join(folder, kind + ".txt"), "w") as f:
                f.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    data = Data(int(sys.argv[1]))
    os.makedirs(sys.argv[2], exist_ok=True)
    data.write_zones(sys.argv[2])
    data.write_queries(sys.argv[2])
    with open(os.path.join(sys.argv[2], "objects.jsonl"), "w") as out:
        for _, body in data.objects():
            out.write(body + "\n")
