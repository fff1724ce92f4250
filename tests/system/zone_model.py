"""What the zones must hold and how every name must be answered: the rules of kubernetes-dns read slowly and literally, over the objects
as the API lists them. No cleverness: everything is computed anew for each state, names are texts, sets are Python sets. It shares nothing
with the daemon, and nothing with the other tests but the standard library.

A zone is {owner: {type: {rdata: TTL}}}; SRV are written "0 * PORT TARGET", since tests must not depend on weights, and a SOA without its
serial. What stands in brackets is the rule that a line follows."""

import ipaddress
import re

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
TOLERATE = "service.alpha.kubernetes.io/tolerate-unready-endpoints"
IDENTITY = "ordinald.dev/publish-identity"
EPOCH = "ordinald.dev/epoch"
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
MAX_LINKS = 8
VERSION_TTL = 28800


class Options:
    """The options of the zones, by their names with "_" for "-", and what each is when not given."""

    def __init__(self, zone="cluster.local.", reverse=("10.244.0.0/16", "10.96.0.0/12"), ns_address=("127.0.0.1",), ttl=5, negative_ttl=5,
                 pods="verified", endpoint_names="ip", endpoint_records="all", ptr="prefer-hostname", ignore_empty_service=False,
                 reverse_fallthrough=False):
        self.zone = zone.lower()
        self.reverse = sorted({apex for text in reverse for apex in reverse_zones(text)})
        self.ns_address, self.ttl, self.negative_ttl, self.pods = ns_address, ttl, negative_ttl, pods
        self.endpoint_names, self.endpoint_records, self.ptr = endpoint_names, endpoint_records, ptr
        self.ignore_empty_service, self.reverse_fallthrough = ignore_empty_service, reverse_fallthrough


class State:
    """Objects as the API lists them; the key is (namespace, name), of a Namespace its name."""

    def __init__(self, namespaces=(), services=(), slices=(), pods=()):
        key = lambda obj: (obj["metadata"]["namespace"], obj["metadata"]["name"])
        self.namespaces = {obj["metadata"]["name"] for obj in namespaces}
        self.services = {key(obj): obj for obj in services}
        self.slices = {key(obj): obj for obj in slices}
        self.pods = {key(obj): obj for obj in pods}


# ---- addresses and their names ----

def reverse_name(address):
    return ip(address).reverse_pointer + "."


def ip(text):
    return ipaddress.ip_address(text)


def family(address):
    return "A" if ip(address).version == 4 else "AAAA"


def dashed(address):
    """[K-HOST c]"""
    label = str(ip(address)).replace(".", "-").replace(":", "-")
    return ("0" if label.startswith("-") else "") + label + ("0" if label.endswith("-") else "")


def undashed(label):
    """The address that a label spells in any way, or None [K-PODS insecure]."""
    if not re.fullmatch("[0-9a-f-]+", label):
        return None
    is_v4 = label.count("-") == 3 and "--" not in label
    try:
        return str(ipaddress.IPv4Address(label.replace("-", ".")) if is_v4 else ipaddress.IPv6Address(label.replace("-", ":")))
    except ValueError:
        return None


def reverse_zones(text):
    """The zones that a zone name or a network stands for: those of the next boundary that together cover it [K-REV]."""
    if "/" not in text:
        return [text.lower().rstrip(".") + "."]
    network = ipaddress.ip_network(text, strict=False)
    step = 8 if network.version == 4 else 4
    length = -(-network.prefixlen // step) * step
    cut = (network.max_prefixlen - length) // step
    return [reverse_name(str(part.network_address)).split(".", cut)[cut] for part in network.subnets(new_prefix=length)]


def is_label(text):
    return bool(text) and LABEL.fullmatch(text) is not None


def wire_length(name):
    return 1 if name == "." else len(name) + 1


def fits(name):
    """At most 255 octets in all and 63 in a label [K-NAMES]."""
    return wire_length(name) <= 255 and all(0 < len(label) <= 63 for label in name.rstrip(".").split("."))


def is_below(name, above):
    return name.endswith("." + above)


# ---- endpoints ----

class Endpoint:
    """One address of one endpoint of one slice, under one Service."""

    def __init__(self, name, address, is_published, is_explicit, ports, pod):
        self.name, self.address, self.is_published, self.is_explicit, self.ports, self.pod = (name, address, is_published, is_explicit,
                                                                                              ports, pod)


def slice_ports(piece):
    """(name or "", protocol, number); a port without a number says nothing that a SRV could hold."""
    return [(port.get("name") or "", (port.get("protocol") or "TCP").lower(), port["port"])
            for port in piece.get("ports") or [] if port.get("port") is not None]


def is_headless(service):
    return not is_external(service) and service["spec"].get("clusterIP") == "None"


def is_external(service):
    return service["spec"].get("type") == "ExternalName"


def is_regardless(service):
    """Whether its endpoints are published ready or not [K-READY 3]."""
    return service["spec"].get("publishNotReadyAddresses") is True or annotations(service).get(TOLERATE) == "true"


def annotations(obj):
    return obj["metadata"].get("annotations") or {}


def endpoints_of(state, service, options):
    """Every endpoint that has a name: the published ones and identities [K-READY, K-HOST, K-IDENT]."""
    ns, name = service["metadata"]["namespace"], service["metadata"]["name"]
    regardless = is_regardless(service)
    for (piece_ns, _), piece in sorted(state.slices.items()):
        label = (piece["metadata"].get("labels") or {}).get(SERVICE_NAME)
        if piece_ns != ns or label != name or piece["addressType"] not in ("IPv4", "IPv6"):
            continue
        for endpoint in piece.get("endpoints") or []:
            ready = (endpoint.get("conditions") or {}).get("ready")
            is_published = ready is None or ready or regardless
            is_explicit = is_label(endpoint.get("hostname"))
            if not is_published and not (annotations(service).get(IDENTITY) == "always" and is_explicit):
                continue
            target = endpoint.get("targetRef") or {}
            for address in map(lambda text: str(ip(text)), endpoint["addresses"]):
                host = dashed(address)
                if is_explicit:
                    host = endpoint["hostname"]
                elif options.endpoint_names == "pod" and target.get("kind") == "Pod" and is_label(target.get("name")):
                    host = target["name"]
                yield Endpoint(host, address, is_published, is_explicit, slice_ports(piece), epoch_of(state, ns, target))


def epoch_of(state, ns, target):
    """The epoch of the Pod that an endpoint points at, of that incarnation and of no other [K-EPOCH]."""
    pod = state.pods.get((target.get("namespace") or ns, target.get("name"))) if target.get("kind") == "Pod" else None
    if not pod or (target.get("uid") and target["uid"] != pod["metadata"]["uid"]):
        return None
    return annotations(pod).get(EPOCH)


# ---- what the EndpointSlice controller must have made (statefulset.md, section 13) ----

def controlled_endpoints(state, nodes):
    """{(namespace, Service)}: {(address, hostname, ready, serving, terminating, Pod, ports)}, for Services with a selector."""
    out = {}
    for (ns, name), service in state.services.items():
        spec = service["spec"]
        if is_external(service) or not spec.get("selector"):  # [R91]
            continue
        regardless = is_regardless(service)
        found = out[(ns, name)] = set()
        for (pod_ns, pod_name), pod in state.pods.items():
            labels, status = pod["metadata"].get("labels") or {}, pod.get("status") or {}
            is_selected = pod_ns == ns and all(labels.get(key) == value for key, value in spec["selector"].items())
            has_node = pod["spec"].get("nodeName", "") in nodes | {""}  # a pod that has none misses none
            if not is_selected or status.get("phase") in ("Succeeded", "Failed") or not (has_node or regardless):  # [R92]
                continue
            serving = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or [])
            terminating = "deletionTimestamp" in pod["metadata"]
            ready = regardless or (serving and not terminating)  # [R93]
            hostname = pod["spec"].get("hostname") if pod["spec"].get("subdomain") == name else None  # [R94]
            ports = frozenset(port for port in (pod_port(pod, port) for port in spec.get("ports") or []) if port)
            for entry in status.get("podIPs") or []:
                if f"IPv{ip(entry['ip']).version}" in spec["ipFamilies"]:
                    found.add((str(ip(entry["ip"])), hostname or None, ready, serving, terminating,
                               (pod_name, pod["metadata"]["uid"]), ports))
    return out


def pod_port(pod, port):
    """[R96]"""
    protocol, target = port.get("protocol", "TCP"), port.get("targetPort") or port["port"]
    if isinstance(target, str):
        target = next((p["containerPort"] for c in pod["spec"]["containers"] for p in c.get("ports") or []
                       if p.get("name") == target and p.get("protocol", "TCP") == protocol), None)
    return (port.get("name") or "", protocol, target) if target else None


def listed_endpoints(state):
    """The same, as the slices of the controller have it [R98]."""
    out = {}
    for (ns, _), piece in state.slices.items():
        labels = piece["metadata"].get("labels") or {}
        if labels.get(MANAGED_BY) == "endpointslice-controller.k8s.io":
            found = out.setdefault((ns, labels[SERVICE_NAME]), set())
            ports = frozenset((p.get("name") or "", p.get("protocol"), p.get("port")) for p in piece.get("ports") or [])
            for e in piece.get("endpoints") or []:
                c, target = e.get("conditions") or {}, e.get("targetRef") or {}
                ready = c.get("ready") is not False  # what is not said: ready, serving when ready, not terminating
                conditions = (ready, ready if c.get("serving") is None else c["serving"], c.get("terminating") is True)
                found |= {(str(ip(a)), e.get("hostname"), *conditions, (target.get("name"), target.get("uid")), ports)
                          for a in e["addresses"]}
    return out


# ---- the zones of a state ----

class Zones:
    def __init__(self, state, options):
        self.state, self.options = state, options
        self.apexes = [options.zone] + options.reverse
        self.records = {}  # owner -> type -> {rdata: TTL}, of all zones
        self.nodes = set()  # names that exist and own nothing [K-SVCROOT, K-NSNODE]
        self.cluster_ips = {}  # address -> names
        self.endpoint_names = {}  # address -> {(name, is_explicit)}
        self.apex_records()
        self.namespace_nodes()
        for service in state.services.values():
            if service["metadata"]["namespace"] in state.namespaces:  # [K-NSX]
                self.service(service)
        if options.pods == "verified":
            self.verified_pods()
        self.pointers()
        self.above = set()  # every name with a name below it [K-ENT]
        for owner in list(self.records) + list(self.nodes):
            while owner:
                owner = owner.partition(".")[2]
                self.above.add(owner)

    def add(self, owner, rtype, rdata, ttl=None):
        if fits(owner):
            self.records.setdefault(owner, {}).setdefault(rtype, {})[rdata] = self.options.ttl if ttl is None else ttl

    def zone_of(self, name):
        found = [apex for apex in self.apexes if name == apex or is_below(name, apex)]
        return max(found, key=len) if found else None

    def apex_records(self):
        zone = self.options.zone
        for apex in self.apexes:  # [K-APEX, K-REV]
            self.add(apex, "SOA", f"ns.dns.{zone} hostmaster.{zone} 7200 1800 86400 {min(self.options.negative_ttl, 300)}")
            self.add(apex, "NS", f"ns.dns.{zone}")
        for address in self.options.ns_address:  # [K-NS]
            self.add(f"ns.dns.{zone}", family(address), str(ip(address)))
        self.add(f"dns-version.{zone}", "TXT", '"1.1.0"', VERSION_TTL)  # [K-VER]

    def namespace_nodes(self):
        zone = self.options.zone
        self.nodes |= {f"svc.{zone}", f"pod.{zone}"}
        for ns in self.state.namespaces:
            self.nodes |= {f"{ns}.svc.{zone}"} if fits(f"{ns}.svc.{zone}") else set()
            self.nodes |= {f"{ns}.pod.{zone}"} if self.options.pods != "disabled" and fits(f"{ns}.pod.{zone}") else set()

    def service(self, service):
        name, spec = f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc.{self.options.zone}", service["spec"]
        if is_external(service):
            self.external(name, spec["externalName"])
            return
        endpoints = list(endpoints_of(self.state, service, self.options))
        published = [endpoint for endpoint in endpoints if endpoint.is_published]
        if is_headless(service):
            self.headless(name, published)
        elif published or not self.options.ignore_empty_service:  # [K-EMPTYHL]
            self.cluster_ip(name, spec)
        if is_headless(service) or self.options.endpoint_records == "all":  # [C9]
            self.endpoints(name, endpoints)

    def external(self, name, target):
        """[K-EXT]"""
        try:
            ip(target.rstrip("."))
        except ValueError:
            target = target.lower().rstrip(".") + "."
            if fits(target):
                self.add(name, "CNAME", target)

    def srv(self, owner, number, target):
        if fits(target):
            self.add(owner, "SRV", f"0 * {number} {target}")

    def cluster_ip(self, name, spec):
        """[K-CIP, K-CIPSRV, K-BARE]"""
        for address in spec.get("clusterIPs") or []:
            self.add(name, family(address), str(ip(address)))
            if fits(name):
                self.cluster_ips.setdefault(str(ip(address)), set()).add(name)
        for port in spec.get("ports") or []:
            self.srv(name, port["port"], name)
            if port.get("name"):
                self.srv(f"_{port['name']}._{port.get('protocol', 'TCP')}.{name}".lower(), port["port"], name)

    def headless(self, name, published):
        """[K-HL, K-HLSRV, K-BARE]"""
        for endpoint in published:
            self.add(name, family(endpoint.address), endpoint.address)
            for port, proto, number in endpoint.ports:
                self.srv(name, number, f"{endpoint.name}.{name}")
                if port:
                    self.srv(f"_{port}._{proto}.{name}".lower(), number, f"{endpoint.name}.{name}")

    def endpoints(self, name, endpoints):
        """[K-EP, K-EPOCH, K-PTR]"""
        for endpoint in endpoints:
            full = f"{endpoint.name}.{name}"
            if not fits(full):
                continue
            self.add(full, family(endpoint.address), endpoint.address)
            for _, _, number in endpoint.ports:
                self.srv(full, number, full)
            if endpoint.is_explicit and endpoint.pod:
                self.add(f"_epoch.{full}", "TXT", f'"epoch={endpoint.pod}"')
            self.endpoint_names.setdefault(endpoint.address, set()).add((full, endpoint.is_explicit))

    def pointers(self):
        """[K-REV]"""
        for address in set(self.cluster_ips) | set(self.endpoint_names):
            owner, found = reverse_name(address), self.endpoint_names.get(address, set())
            if self.zone_of(owner) is None:
                continue
            explicit = {name for name, is_explicit in found if is_explicit}
            names = {name for name, _ in found}
            if self.options.ptr == "prefer-hostname" and explicit:
                names = explicit
            for name in self.cluster_ips.get(address, names):  # hides the endpoints
                self.add(owner, "PTR", name)

    def verified_pods(self):
        """[K-PODS]"""
        for (ns, _), pod in self.state.pods.items():
            status = pod.get("status") or {}
            if ns in self.state.namespaces and status.get("phase") not in ("Succeeded", "Failed", "Unknown"):
                for entry in status.get("podIPs") or []:
                    address = str(ip(entry["ip"]))
                    self.add(f"{dashed(address)}.{ns}.pod.{self.options.zone}", family(address), address)

    # ---- what is seen of them ----

    def contents(self):
        """{apex: {(owner, type, rdata, TTL)}}: what a transfer of each zone holds [K-XFR]."""
        out = {apex: set() for apex in self.apexes}
        for owner, types in self.records.items():
            for rtype, rdatas in types.items():
                out[self.zone_of(owner)] |= {(owner, rtype, rdata, ttl) for rdata, ttl in rdatas.items()}
        return out

    def visible(self):
        """{apex: what the serial of the zone answers for}: its records and its empty nodes [K-SERIAL]."""
        return {apex: (records, frozenset(node for node in self.nodes if self.zone_of(node) == apex))
                for apex, records in self.contents().items()}

    def find(self, name):
        """What the name owns; {} when it exists and owns nothing, None when it does not exist [K-ENT, K-NSX]."""
        if name in self.records:
            return self.records[name]
        if self.options.pods == "insecure":
            label, _, rest = name.partition(".")
            ns, _, root = rest.partition(".")
            address = undashed(label) if root == f"pod.{self.options.zone}" and ns in self.state.namespaces else None
            if address:
                return {family(address): {address: self.options.ttl}}
        return {} if name in self.nodes or name in self.above else None

    def is_ours(self, name):
        """Whether it is for this server to answer; others would be forwarded, and are REFUSED where forwarding is off [K-OUT, K-REV]."""
        zone = self.zone_of(name)
        if zone and zone != self.options.zone and self.options.reverse_fallthrough:
            return "PTR" in self.records.get(name, {})
        return zone is not None

    def answer(self, qname, qtype):
        """The Answer to a question of a client that may not have names forwarded."""
        name, out = qname.lower(), Answer()
        if not self.is_ours(name):
            out.rcode, out.is_authoritative = "REFUSED", False
            return out
        links = []
        while True:
            owned = self.find(name)
            if not owned or "CNAME" not in owned or qtype == "CNAME":
                break
            if name in links or len(links) == MAX_LINKS:
                return out  # [K-EXTRULES: no SOA]
            links.append(name)
            out.add(name, "CNAME", owned["CNAME"])
            name = next(iter(owned["CNAME"]))
            if qtype == "ANY" or not self.is_ours(name):
                return out  # [K-ANY: not followed]
        if owned is None:
            out.rcode = "NXDOMAIN"
        if owned and qtype == "ANY":
            out.add(name, "HINFO", {'"RFC8482" ""': self.options.ttl})
        elif owned and qtype in owned:
            out.add(name, qtype, owned[qtype])
            if qtype in ("SRV", "NS"):  # [K-SRV, V2]
                for target in {rdata.split(" ")[-1] for rdata in owned[qtype]}:
                    for rtype in ("A", "AAAA"):
                        found = self.records.get(target, {}).get(rtype, {})
                        out.additional |= {(target, rtype, rdata, ttl) for rdata, ttl in found.items()}
        else:
            out.soa = self.zone_of(name)  # [K-NEG]
        return out


class Answer:
    def __init__(self):
        self.rcode, self.is_authoritative, self.soa = "NOERROR", True, None  # soa: the zone whose SOA stands in the authority section
        self.answer, self.additional = [], set()

    def add(self, owner, rtype, rdatas):
        self.answer.append({(owner, rtype, rdata, ttl) for rdata, ttl in rdatas.items()})  # a link of the chain, or the last set
