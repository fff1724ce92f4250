"""Random writes of Namespaces, Services, EndpointSlices, Pods and StatefulSets as clients make them: POST, PUT, three kinds of patches,
DELETE. Pools of names and addresses are small, so that things meet: addresses of Services and pods, hostnames that look like addresses,
Services that come after their slices, namespaces that go and return. Some writes are wrong on purpose and refused."""

import copy
import json

import harness
from zone_model import EPOCH, IDENTITY, MANAGED_BY, SERVICE_NAME, TOLERATE, dashed

MERGE, JSON_PATCH, STRATEGIC = ("application/" + kind for kind in ("merge-patch+json", "json-patch+json", "strategic-merge-patch+json"))
LONG = "l" * 63
NAMESPACES = ["default", "a", "svc", "n" * 63]
SERVICES = ["web", "db", "db-0", "7s", LONG]
SLICES = ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"]
PODS = ["p0", "p1", "p2", "web-0", "web-1", "db-0", "p.dots", "q" * 63, "r" * 64]
HOSTS = ["web-0", "web-1", "db-0", "h", "10-244-0-1", "fd00-244--1", "h" * 63, "7", "svc"]
ODD_HOSTS = ["", "_tcp", "Upper", "a.b", "h" * 64, "-h", "h-"]
PORTS = ["http", "pg", "dns", "p" * 15, "a-1", "x" * 63, "z" * 62]
CHAIN = 10  # ExternalNames that point to each other
V4 = [f"10.244.0.{i}" for i in range(5)] + ["10.244.255.255", "10.96.0.10", "10.96.0.11", "192.0.2.1", "10.243.1.1"]
V6 = ["fd00:244::1", "fd00:244::", "fd00:244:0:0:1::", "fd00:244:1:2:3:4:5:0", "fd00:244:0:1:0:1:0:1", "fd00:96::10", "2001:db8::7",
      "::2", "FD00:244::0001", "fd00:0244:0000:0000:0000:0000:0000:0002", "fd00:244:0:0:0:0:0:0", "64:ff9b::192.0.2.1", "1:2:3:4:5:6:7::"]
CLUSTER_V4, CLUSTER_V6 = ["10.96.0.10", "10.96.0.11", "10.111.255.254"], ["fd00:96::10", "fd00:96::a0"]
EXTERNAL = ["www.example.com", "WWW.Example.Com", "example.com.", "192.0.2.7", "192.0.2.7.", "1.2.3", "gone.a.svc.Z", "web.a.svc.Z",
            "db.a.svc.Z", "7s.a.svc.Z", "c3.a.svc.Z", "web.svc.svc.Z", "_http._tcp.web.a.svc.Z", "db-0.web.a.svc.Z",
            "a.svc.Z", "Z", "1-2-3-4.a.pod.Z",
            "1.0.244.10.in-addr.arpa", "9.9.244.10.in-addr.arpa", "Web.Default.svc.Z", "dns-version.Z", "fd00::7",
            "2001:db8::7", "a." * 126]


class Changes:
    def __init__(self, daemon, chance):
        self.daemon, self.chance = daemon, chance
        self.known = {}  # (kind, namespace, name) -> the object as it was last seen
        self.accepted, self.refused, self.reasons = 0, 0, {}
        self.addresses = sorted(set(V4 + V6 + CLUSTER_V4 + CLUSTER_V6))
        self.zone = next(s for s in daemon.settings if s.startswith("zone.name=")).partition("=")[2]
        for ns in NAMESPACES[1:]:
            self.do(("POST", "/api/v1/namespaces", namespace(ns), "application/json"))
        self.do(("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-a"}}, "application/json"))
        for number in range(chance.choice([0, CHAIN, CHAIN])):
            self.do(self.link(number, number + 1))
        if chance.random() < 0.2 and len(self.zone) < 30:  # all of it fits into one message
            self.large()
        if chance.random() < 0.8:
            self.do(("POST", harness.collection(obj := self.set("a")), obj, "application/json"))
        for number in range(40):
            self.do(self.creation())
            if number % 10 == 0:
                self.settle()

    def some(self, percent):
        return self.chance.random() * 100 < percent

    def told(self):
        worst = sorted(self.reasons.items(), key=lambda item: -item[1][0])[:6]
        return f"{self.accepted} writes, {self.refused} refused" + "".join(f"\n    {count} x {text}" for _, (count, text) in worst)

    # ---- writes ----

    def plan(self):
        what = self.chance.randrange(100)
        if what < 30:
            return self.creation()
        if what < 75:
            return self.update()
        if what < 80:
            return self.namespace_change()
        return self.deletion()

    def do(self, step, is_alone=True):
        """Makes the request; tells what it was and what came of it. A reply holds what the last write of the turn left."""
        method, path, body, content = step
        if isinstance(body, Status):
            self.daemon.request("POST", path, body.pod)
            method, path, body, content = "PATCH", f"{path}/{body.pod['metadata']['name']}/status", {"status": body.status}, MERGE
        status, reply = self.daemon.request(method, path, body, content)
        if status < 300:
            self.accepted += 1
            self.remember(reply)
        else:
            self.refused += 1
            if status not in (404, 409):
                text = reply.get("message", "") if isinstance(reply, dict) else str(reply)
                count = self.reasons.get(text[:60], (0, ""))[0]
                self.reasons[text[:60]] = (count + 1, f"{method} {path}: {status} {text[:300]}")
            assert status < 500, (step, status, reply)
        # the controller mends its slices at once
        is_ours = isinstance(body, dict) and MANAGED_BY not in body.get("metadata", {}).get("labels", {})
        if status < 300 and method in ("POST", "PUT") and is_ours and is_alone:
            lost = missing(body, reply)
            assert not lost, (step, lost, reply)
        return f"{method} {path} -> {status} {json.dumps(body) if body is not None else ''}"

    def remember(self, reply):
        if isinstance(reply, dict) and reply.get("kind") in harness.PLURAL and "metadata" in reply:
            meta = reply["metadata"]
            self.known[(reply["kind"], meta.get("namespace"), meta["name"])] = reply

    def settle(self):
        """Learns what the API holds now."""
        self.known = {}
        for kind, path in (("Service", "/api/v1/services"), ("EndpointSlice", "/apis/discovery.k8s.io/v1/endpointslices"),
                           ("Pod", "/api/v1/pods"), ("Namespace", "/api/v1/namespaces")):
            version = "discovery.k8s.io/v1" if kind == "EndpointSlice" else "v1"
            for item in self.daemon.get(path)["items"]:
                self.remember({"apiVersion": version, "kind": kind, **item})

    # ---- what to write ----

    def creation(self):
        kind = self.chance.choice(["Service", "Service", "EndpointSlice", "EndpointSlice", "EndpointSlice", "Pod", "StatefulSet"])
        ns = self.chance.choice(["a"] * 4 + NAMESPACES)
        if kind == "StatefulSet" and self.some(60):
            kind = "EndpointSlice"
        if kind == "Service" and self.some(10):
            return self.link(self.chance.randrange(CHAIN), self.chance.randrange(CHAIN + 1))
        if kind == "Pod":
            return self.pod(ns)
        obj = self.service(ns) if kind == "Service" else self.slice(ns) if kind == "EndpointSlice" else self.set(ns)
        return "POST", harness.collection(obj), obj, "application/json"

    def namespace_change(self):
        ns = self.chance.choice(NAMESPACES[1:] + ["extra"])
        if self.some(60):
            return "POST", "/api/v1/namespaces", namespace(ns), "application/json"
        return "DELETE", f"/api/v1/namespaces/{ns}", None, "application/json"

    def picked(self, kinds, ns=None):
        keys = sorted((key for key in self.known if key[0] in kinds and ns in (None, key[1])), key=str)
        return self.known[self.chance.choice(keys)] if keys else None

    def deletion(self):
        obj = self.picked(["Service", "EndpointSlice", "EndpointSlice", "Pod"])
        if obj is None:
            return self.creation()
        if self.some(8):
            return "DELETE", f"{harness.collection(obj)}?labelSelector=side%3Dleft", None, "application/json"
        grace = self.chance.choice(["", "?gracePeriodSeconds=0"])
        return "DELETE", f"{harness.collection(obj)}/{obj['metadata']['name']}{grace}", None, "application/json"

    def update(self):
        obj = self.picked(["Service", "EndpointSlice", "Pod"] if self.some(50) else ["EndpointSlice"])
        if obj is None:
            return self.creation()
        path = f"{harness.collection(obj)}/{obj['metadata']['name']}"
        if obj["kind"] == "Pod":
            return self.pod_update(path, obj)
        new = copy.deepcopy(obj)
        if self.some(60):
            new["metadata"].pop("resourceVersion", None)
        (self.change_service if obj["kind"] == "Service" else self.change_slice)(new)
        how = self.chance.randrange(3)
        if how == 0:
            return "PATCH", path, merge_patch(obj, new), MERGE
        if how == 1:
            parts = [part for part in ("spec", "endpoints", "ports", "metadata") if part in new and obj.get(part) != new[part]]
            return "PATCH", path, [{"op": "add", "path": f"/{part}", "value": new[part]} for part in parts], JSON_PATCH
        return "PUT", path, new, "application/json"

    # ---- Services ----

    def link(self, number, target):
        """An ExternalName in a chain, which may be longer than what is followed, or a loop."""
        target = f"{self.chance.choice(['c', 'C'])}{target}.a.svc.{self.zone}" if target < CHAIN else "web.a.svc." + self.zone
        obj = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": f"c{number}", "namespace": "a"},
               "spec": {"type": "ExternalName", "externalName": target}}
        return "POST", harness.collection(obj), obj, "application/json"

    def large(self):
        """A Service with so many endpoints that what the slices say of them is kept."""
        ns, name = "a", self.chance.choice(["web", "db"])
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": ns}, "spec": {"clusterIP": "None"}}
        self.do(("POST", harness.collection(service), service, "application/json"))
        for part in range(3):
            endpoints = [{"addresses": [f"10.244.{8 + part}.{i}"], "conditions": {"ready": self.some(80)},
                          **({"hostname": f"web-{i % 20}"} if self.some(50) else {})} for i in range(200)]
            endpoints[0]["targetRef"] = {"kind": "Pod", "namespace": ns, "name": "web-0"}
            obj = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "endpoints": endpoints,
                   "metadata": {"name": f"large-{part}", "namespace": ns, "labels": {SERVICE_NAME: name}},
                   "ports": [{"name": "http", "port": 80 + part % 2}]}
            self.do(("POST", harness.collection(obj), obj, "application/json"))

    def service(self, ns):
        obj = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": self.chance.choice(SERVICES), "namespace": ns}, "spec": {}}
        self.service_spec(obj)
        self.service_marks(obj)
        return obj

    def service_spec(self, obj):
        chance, spec = self.chance, obj["spec"]
        for field in ("clusterIP", "clusterIPs", "type", "externalName", "ipFamilies", "ipFamilyPolicy", "selector", "ports",
                      "externalTrafficPolicy", "allocateLoadBalancerNodePorts", "internalTrafficPolicy"):
            spec.pop(field, None)
        kind = chance.choice(["cluster", "cluster", "headless", "headless", "headless", "external"])
        if kind == "external":
            spec.update(type="ExternalName", externalName=chance.choice(EXTERNAL).replace("Z", self.zone))
            if self.some(30):
                spec["ports"] = self.service_ports(0)
        elif kind == "headless":
            spec.update(clusterIP="None", ports=self.service_ports(0))
            if self.some(20):
                spec["clusterIPs"] = ["None"]
        else:
            spec.update(type=chance.choice(["ClusterIP", "ClusterIP", "NodePort", "LoadBalancer"]), ports=self.service_ports(1))
            families = chance.choice([[CLUSTER_V4], [CLUSTER_V6], [CLUSTER_V4, CLUSTER_V6], [CLUSTER_V6, CLUSTER_V4], []])
            if families:
                spec["clusterIPs"] = [chance.choice(family) for family in families]
                spec["clusterIP"] = spec["clusterIPs"][0]
            elif self.some(50):
                spec["ipFamilyPolicy"] = "PreferDualStack"
        if kind != "external" and self.some(25):
            spec["selector"] = {"app": chance.choice(["web", "db"])}

    def service_ports(self, least):
        chance, count = self.chance, self.chance.choice([1, 1, 2, 3, 0])
        count = max(count, least)
        ports = []
        for name in chance.sample(PORTS, count):
            port = {"port": chance.choice([80, 53, 5432, 65535])}
            if chance.random() < 0.8:
                port["protocol"] = chance.choice(["TCP", "UDP", "SCTP"])
            if count > 1 or self.some(60):
                port["name"] = name
            if self.some(40):
                port["targetPort"] = chance.choice([8080, "http"])
            if (port["port"], port.get("protocol", "TCP")) not in [(p["port"], p.get("protocol", "TCP")) for p in ports]:
                ports.append(port)
        return ports

    def service_marks(self, obj):
        notes = obj["metadata"].setdefault("annotations", {})
        for key, values in ((IDENTITY, ["always", "always", "always", "Always", "never", None]),
                            (TOLERATE, ["true", "false", None, None, None]), ("note", ["x", None])):
            value = self.chance.choice(values)
            notes.pop(key, None)
            if value:
                notes[key] = value
        obj["spec"]["publishNotReadyAddresses"] = self.some(25)
        if self.some(30):
            obj["metadata"]["labels"] = {"side": self.chance.choice(["left", "right"])}

    def change_service(self, obj):
        spec = obj["spec"]
        what = self.chance.randrange(6)
        if what < 2:
            self.service_spec(obj)
        elif what == 2:
            spec["ports"] = self.service_ports(1)
        elif what == 3 and spec.get("type") == "ExternalName":
            spec["externalName"] = self.chance.choice(EXTERNAL).replace("Z", self.zone)
        else:
            self.service_marks(obj)

    # ---- slices ----

    def slice(self, ns):
        kind = self.chance.choice(["IPv4", "IPv4", "IPv6", "IPv6", "FQDN"] if self.some(30) else ["IPv4", "IPv6"])
        obj = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": kind,
               "metadata": {"name": self.chance.choice(SLICES), "namespace": ns, "labels": {}},
               "endpoints": [self.endpoint(kind, ns) for _ in range(self.chance.choice([0, 1, 2, 3, 5]))]}
        self.slice_label(obj)
        self.slice_ports(obj)
        return obj

    def slice_label(self, obj):
        labels = obj["metadata"].setdefault("labels", {})
        if MANAGED_BY in labels:
            return
        there = sorted(key[2] for key in self.known if key[:2] == ("Service", obj["metadata"]["namespace"]))
        labels[SERVICE_NAME] = self.chance.choice(there if there and self.some(70) else SERVICES)
        if self.some(5):
            del labels[SERVICE_NAME]
        if self.some(30):
            labels["side"] = self.chance.choice(["left", "right"])

    def slice_ports(self, obj):
        chance, ports = self.chance, []
        for name in chance.sample(PORTS, chance.choice([0, 1, 1, 2, 3])):
            port = {"name": name if self.some(80) else chance.choice(["", None]), "port": chance.choice([80, 53, 5432, 65535, None])}
            if port["name"] is None and self.some(50):
                del port["name"]
            if port["port"] is None and self.some(50):
                del port["port"]
            if self.some(70):
                port["protocol"] = chance.choice(["TCP", "UDP", "SCTP"])
            if (port.get("name") or "") not in [p.get("name") or "" for p in ports]:
                ports.append(port)
        obj["ports"] = ports
        if self.some(8):
            obj["ports"] = None
        if self.some(4):
            del obj["ports"]

    def endpoint(self, kind, ns):
        chance = self.chance
        pool = {"IPv4": V4, "IPv6": V6, "FQDN": ["pod.example.com", "web.a.svc"]}[kind]
        if self.some(1):
            pool = V4 + V6 + ["010.244.0.1", "127.0.0.1", "::1", "::ffff:10.244.0.1"]
        out = {"addresses": chance.sample(pool, chance.choice([1, 1, 1, 1, 2]))}
        if self.some(55):
            out["hostname"] = chance.choice(HOSTS if self.some(97) else ODD_HOSTS)
            if kind != "FQDN" and self.some(12):
                out["hostname"] = dashed(chance.choice(pool))  # as an endpoint without would be called
        if self.some(75):
            keys = [key for key in ("ready", "serving", "terminating") if self.some(70)]
            out["conditions"] = {key: chance.choice([True, True, False, None]) for key in keys}
        if self.some(50):
            out["targetRef"] = {"kind": chance.choice(["Pod", "Pod", "Pod", "Node"]), "namespace": ns, "name": chance.choice(PODS)}
            pod = self.picked(["Pod"], ns if self.some(60) else None)
            if pod and self.some(60):
                meta = pod["metadata"]
                out["targetRef"].update(kind="Pod", namespace=meta["namespace"], name=meta["name"])
                if self.some(70):
                    out["targetRef"]["uid"] = meta["uid"]
            if self.some(10):
                out["targetRef"]["uid"] = "00000000-0000-4000-8000-000000000000"
        return out

    def change_slice(self, obj):
        chance = self.chance
        endpoints, kind, ns = obj["endpoints"] or [], obj["addressType"], obj["metadata"]["namespace"]
        what = chance.randrange(11)
        one = chance.choice(endpoints) if endpoints else None
        if what == 0:
            self.slice_ports(obj)
        elif what == 1:
            self.slice_label(obj)
        elif what == 2 or one is None:
            endpoints.insert(chance.randrange(len(endpoints) + 1), self.endpoint(kind, ns))
        elif what == 3:
            endpoints.remove(one)
        elif what == 4:
            one["conditions"] = {"ready": chance.choice([True, False, None])}
        elif what == 5:
            one.update(addresses=self.endpoint(kind, ns)["addresses"])
        elif what == 6:
            one["hostname"] = chance.choice(HOSTS + ([] if kind == "FQDN" else [dashed(a) for a in one["addresses"]] * 3))
        elif what == 7:
            one.pop("hostname", None)
        elif what == 8:
            one.pop("targetRef", None)
        elif what == 9:
            one.update(self.endpoint(kind, ns), addresses=one["addresses"])
        else:
            chance.shuffle(endpoints)
            other = chance.choice(endpoints)  # two endpoints swap their addresses
            one["addresses"], other["addresses"] = other["addresses"], one["addresses"]
        obj["endpoints"] = endpoints

    # ---- Pods and sets ----

    def pod(self, ns):
        chance = self.chance
        spec = {"containers": [{"name": "c", "image": "i", "ports": [{"name": "http", "containerPort": 8081}] if self.some(50) else []}]}
        if self.some(50):
            spec["nodeName"] = "node-a" if self.some(90) else "gone"
        if self.some(50):
            spec.update(hostname=chance.choice(HOSTS), subdomain=chance.choice(SERVICES))
        obj = {"apiVersion": "v1", "kind": "Pod", "spec": spec,
               "metadata": {"name": chance.choice(PODS), "namespace": ns, "labels": {"app": chance.choice(["web", "db"])}}}
        if self.some(20):
            obj["metadata"]["annotations"] = {EPOCH: "7"}
        return "POST", harness.collection(obj), Status(obj, self.pod_status()), MERGE

    def pod_status(self):
        v4, v6 = self.chance.choice(V4[:6]), self.chance.choice([a for a in V6 if a == a.lower()])
        addresses = self.chance.choice([[v4], [v4], [v6], [v4, v6], [v6, v4], []])
        return {"phase": self.chance.choice(["Running", "Running", "Running", "Pending", "Succeeded", "Failed", "Unknown"]),
                "podIP": addresses[0] if addresses else None, "podIPs": [{"ip": a} for a in addresses],
                "conditions": [{"type": "Ready", "status": self.chance.choice(["True", "True", "False"])}]}

    def pod_update(self, path, obj):
        if self.some(70):
            return "PATCH", path + "/status", {"status": self.pod_status()}, self.chance.choice([MERGE, STRATEGIC])
        labels = {"app": self.chance.choice(["web", "db", None])}
        return "PATCH", path, {"metadata": {"labels": labels, "annotations": {"note": self.chance.choice(["x", "y"])}}}, MERGE

    def set(self, ns):
        name = self.chance.choice(["web", "db"])
        labels = {"app": name}
        return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name, "namespace": ns},
                "spec": {"serviceName": self.chance.choice(["web", "db"]), "replicas": 2, "podManagementPolicy": "Parallel",
                         "selector": {"matchLabels": labels},
                         "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}}


class Status:
    """A Pod to create and the status to give it, which has a door of its own."""

    def __init__(self, pod, status):
        self.pod, self.status = pod, status


def namespace(name):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def merge_patch(old, new):
    """RFC 7386: what makes `new` of `old`."""
    out = {}
    for key in {**old, **new}:
        if key not in new:
            out[key] = None
        elif isinstance(old.get(key), dict) and isinstance(new[key], dict):
            out[key] = merge_patch(old[key], new[key])
        elif old.get(key) != new[key]:
            out[key] = new[key]
    return {key: value for key, value in out.items() if value != {}}


def missing(sent, kept, path=""):
    """What was sent and is not kept, but for what the server owns or spells otherwise."""
    if path in (".status", ".metadata.generation", ".metadata.resourceVersion", ".metadata.annotations." + EPOCH):
        return None
    if isinstance(sent, dict):
        kept = kept if isinstance(kept, dict) else {}
        return next((lost for key, value in sent.items() if (lost := missing(value, kept.get(key), f"{path}.{key}"))), None)
    if isinstance(sent, list) and isinstance(kept, list) and len(sent) == len(kept):
        return next((lost for a, b in zip(sent, kept) if (lost := missing(a, b, path + "[]"))), None)
    return None if sent == kept or not sent and not kept else (path, sent, kept)
