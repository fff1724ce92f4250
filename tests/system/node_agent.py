"""A node agent: runs the pods that are bound to its node as real processes (docs/node-contract.md). Standard library and iproute2.

    node_agent.py --node n1 --api https://ADDR:PORT --ca ca.crt --cert n1.crt --key n1.key --state DIR \\
                  --pod-cidr 10.244.1.0/24 --bridge br0 --gateway 10.244.0.1/16 --dns 10.244.0.1

Images are ignored: a pod's processes see the machine's file system with the pod's own mounts on top. Everything else is as on a
cluster: an address and a network of its own, hostname, /etc/hosts, resolv.conf, volumes, probes, restarts, termination with grace.

Each incarnation of a pod has a directory STATE/UID and a keeper, a process that outlives the agent: it holds the namespaces, starts
the containers and notes how they end. That directory is all an agent needs to find its pods again after it was killed. A keeper
notes itself before anything runs, and nothing runs without the agent's word: so a pod is never started twice."""

import argparse
import ctypes
import datetime
import http.client
import ipaddress
import json
import os
import queue
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

TICK_S = 0.1
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
CLONE = {"mnt": 0x20000, "uts": 0x4000000, "ipc": 0x8000000, "pid": 0x20000000, "net": 0x40000000}
MS_BIND, MS_REC, MS_PRIVATE, MS_MOVE = 0x1000, 0x4000, 0x40000, 0x2000
libc = ctypes.CDLL(None, use_errno=True)


def check(rc, what):
    if rc != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def mount(source, target, kind="none", flags=0, data=""):
    check(libc.mount(source.encode(), target.encode(), kind.encode(), flags, data.encode()), f"mount {target}")


def write_whole(path, value):
    """The file has the old content or the new one, whenever somebody dies."""
    with open(path + ".new", "w") as f:
        json.dump(value, f)
        f.flush()
        os.fsync(f.fileno())
    os.rename(path + ".new", path)


def read_whole(path):
    try:
        with open(path) as f:
            return json.load(f)
    except (OSError, ValueError):
        return None


def started_at(pid):
    """A process id is used again; with its start time it is one process only. None when it is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return None if fields[0] in "ZX" else fields[19]
    except OSError:
        return None


def now(micro=False):
    text = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")
    return text + "Z" if micro else text[:19] + "Z"


# ---- the keeper: one process per incarnation ----

def make_root(root, pod):
    """The machine's file system, with directories for mounts that it does not have."""
    os.makedirs(root, exist_ok=True)
    mount("tmpfs", root, "tmpfs", 0, "mode=755")
    for name in os.listdir("/"):
        source, target = "/" + name, os.path.join(root, name)
        if os.path.islink(source):
            os.symlink(os.readlink(source), target)
        elif os.path.isdir(source) and name != "proc":
            os.mkdir(target)
            mount(source, target, flags=MS_BIND | MS_REC)
    os.makedirs(os.path.join(root, "proc"), exist_ok=True)
    for path, source in pod["mounts"]:
        path = "/" + os.path.normpath(path).lstrip("/")
        if not os.path.isdir(path) and os.path.exists("/" + path.split("/")[1]):
            raise OSError(f"{path}: the machine has /{path.split('/')[1]}, but not this directory in it")
        target = root + path
        os.makedirs(source, exist_ok=True)
        os.makedirs(target, exist_ok=True)
        mount(source, target, flags=MS_BIND | MS_REC)
    for name in ("resolv.conf", "hosts", "hostname"):
        target = os.path.realpath(os.path.join("/etc", name))
        if os.path.exists(target):
            mount(os.path.join(pod["dir"], name), root + target, flags=MS_BIND)


def first_process(pod):
    """Process 1 of the pod: hands SIGTERM on, ends as the pod's command does; all others end with it."""
    libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: no pod without its keeper
    root = os.path.join(pod["dir"], "root")
    make_root(root, pod)
    os.chroot(root)
    os.chdir("/")
    mount("proc", "/proc", "proc")
    environment = dict(PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", HOSTNAME=pod["hostname"], HOME="/root")
    environment.update(pod["env"])
    asked, child = [], None
    signal.signal(signal.SIGTERM, lambda *_: child.send_signal(signal.SIGTERM) if child else asked.append(1))
    child = subprocess.Popen(pod["command"], env=environment, cwd=pod["cwd"], stdin=subprocess.DEVNULL, start_new_session=True)
    if asked:
        child.send_signal(signal.SIGTERM)
    while True:
        pid, status = os.wait()
        if pid == child.pid:
            return os.waitstatus_to_exitcode(status)


def keep(directory):
    os.setsid()
    pod = read_whole(os.path.join(directory, "pod.json"))
    for name in ("net", "uts", "ipc", "mnt"):
        check(libc.unshare(CLONE[name]), "unshare " + name)
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    check(libc.sethostname(pod["hostname"].encode(), len(pod["hostname"])), "sethostname")
    write_whole(os.path.join(directory, "keeper.json"), {"pid": os.getpid(), "start": started_at(os.getpid())})
    print("unshared", flush=True)
    if sys.stdin.readline() != "go\n":  # the agent is gone, or has changed its mind
        return
    # An address keeps its hardware address over restarts, so that nobody's neighbour table is stale.
    hardware = "02:00:" + ":".join(f"{byte:02x}" for byte in ipaddress.ip_address(pod["ip"]).packed)
    for words in (["link", "set", "lo", "up"], ["link", "set", "eth0", "address", hardware, "up"],
                  ["addr", "add", f"{pod['ip']}/{pod['prefix']}", "dev", "eth0"], ["route", "add", "default", "via", pod["gateway"]]):
        subprocess.run(["ip"] + words, check=True, capture_output=True)
    log = os.open(os.path.join(directory, "log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    null = os.open("/dev/null", os.O_RDONLY)
    check(libc.unshare(CLONE["pid"]), "unshare pid")  # the next child is process 1 there
    child = os.fork()
    if child == 0:
        os.dup2(null, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        code = 128
        try:
            code = first_process(pod)
        except BaseException as why:  # whatever it is, it is the pod's end, and its log says it
            print(f"cannot be started: {why}", file=sys.stderr, flush=True)
        os._exit(code if code >= 0 else 128 - code)
    write_whole(os.path.join(directory, "running.json"), {"pid": child, "start": started_at(child), "at": now()})
    try:
        os.write(1, b"running\n")
    except OSError:
        pass  # the agent died meanwhile; the pod runs, as its notes say
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    _, status = os.waitpid(child, 0)
    write_whole(os.path.join(directory, "ended.json"), {"code": os.waitstatus_to_exitcode(status), "at": now()})


# ---- the API ----

class Api:
    def __init__(self, options):
        where = urllib.parse.urlsplit(options.api)
        self.host, self.port, self.context = where.hostname, where.port, None
        if where.scheme == "https":
            self.context = ssl.create_default_context(cafile=options.ca)
            self.context.load_cert_chain(options.cert, options.key)

    def connect(self, timeout):
        if self.context:
            return http.client.HTTPSConnection(self.host, self.port, timeout=timeout, context=self.context)
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)

    def ask(self, method, path, body=None, content="application/json"):
        """(status, tree); raises OSError or HTTPException when the server cannot be reached."""
        connection = self.connect(10)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": content} if body else {})
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read() or b"{}")
        finally:
            connection.close()

    def follow(self, path, put):
        """Lists, then watches, for ever: put("LIST", items), put(type, object)."""
        while True:
            try:
                status, found = self.ask("GET", path)
                if status != 200:
                    raise OSError(f"{path}: {status}")
                put("LIST", found["items"])
                connection = self.connect(60)
                mark = "&" if "?" in path else "?"
                connection.request("GET", f"{path}{mark}watch=true&resourceVersion={found['metadata']['resourceVersion']}")
                for line in connection.getresponse():
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        break
                    put(event["type"], event["object"])
            except (OSError, http.client.HTTPException, ValueError):
                time.sleep(TICK_S)


# ---- one pod ----

def owner_path(pod):
    meta = pod["metadata"]
    return f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"


class Incarnation:
    """What runs under one uid, as its directory tells it. `pod` is None once the API does not have it any more."""

    def __init__(self, agent, directory):
        self.agent, self.dir = agent, directory
        self.spec = read_whole(os.path.join(directory, "pod.json")) or {}
        self.uid = os.path.basename(directory)
        self.pod = None
        self.keeper = None  # our own child; of an earlier agent's only the notes are known
        self.term_at = self.probe_at = None
        self.is_ready, self.successes, self.failures = None, 0, 0  # None: as the API knows it from an earlier agent
        self.confirmed = False
        self.retry_at = 0

    def note(self, name):
        return read_whole(os.path.join(self.dir, name))

    def is_alive(self):
        keeper = self.note("keeper.json")
        if self.keeper:
            self.keeper.poll()  # no zombies
        return bool(keeper) and started_at(keeper["pid"]) == keeper["start"]

    def process(self):
        """Process 1 of the pod as the machine counts, or None."""
        running = self.note("running.json")
        return running["pid"] if running and started_at(running["pid"]) == running["start"] else None

    def start(self):
        for name in ("keeper.json", "running.json", "ended.json"):
            if os.path.exists(os.path.join(self.dir, name)):
                os.unlink(os.path.join(self.dir, name))
        self.keeper = subprocess.Popen([sys.executable, "-B", os.path.abspath(__file__), "--keep", self.dir], text=True,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.keeper.stdout.readline() != "unshared\n":
            raise OSError("the keeper does not start")
        link = "v" + self.uid.replace("-", "")[:12]
        subprocess.run(["ip", "link", "del", link], capture_output=True)
        for words in (["link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(self.keeper.pid)],
                      ["link", "set", link, "master", self.agent.options.bridge, "up"]):
            subprocess.run(["ip"] + words, check=True, capture_output=True)
        self.keeper.stdin.write("go\n")
        self.keeper.stdin.flush()
        if self.keeper.stdout.readline() != "running\n":
            raise OSError("the keeper could not start the pod")

    def terminate(self, grace_s):
        """SIGTERM once, SIGKILL when the grace is over, whatever is left goes with process 1."""
        pid, clock = self.process(), time.monotonic()
        if self.term_at is None:
            self.term_at = clock
            if pid:
                os.kill(pid, signal.SIGTERM)
        if clock - self.term_at >= grace_s:
            if pid:
                os.kill(pid, signal.SIGKILL)
            elif self.is_alive():  # it has not started anything yet
                os.kill(self.note("keeper.json")["pid"], signal.SIGKILL)

    # ---- probes ----

    def probe(self):
        """One readiness probe of the container: true when it succeeds."""
        wanted, ip = self.spec["probe"], self.spec["ip"]
        timeout = wanted.get("timeoutSeconds", 1)
        try:
            if "httpGet" in wanted:
                connection = http.client.HTTPConnection(ip, wanted["httpGet"]["port"], timeout=timeout)
                connection.request("GET", wanted["httpGet"].get("path", "/"))
                return 200 <= connection.getresponse().status < 400
            if "tcpSocket" in wanted:
                socket.create_connection((ip, wanted["tcpSocket"]["port"]), timeout).close()
                return True
            return subprocess.run(["nsenter", "-t", str(self.process()), "-m", "-u", "-i", "-n", "-p", "-r", "--"]
                                  + wanted["exec"]["command"], capture_output=True, timeout=timeout).returncode == 0
        except (OSError, http.client.HTTPException, subprocess.TimeoutExpired):
            return False

    def watch_readiness(self):
        wanted = self.spec["probe"]
        if self.is_ready is None:
            self.is_ready = any(c.get("ready") for c in self.pod["status"].get("containerStatuses", []))
        if not self.process():
            self.is_ready = False
        elif not wanted:
            self.is_ready = True
        elif self.probe_at is None or time.monotonic() >= self.probe_at:
            good = self.probe()
            self.successes, self.failures = (self.successes + 1, 0) if good else (0, self.failures + 1)
            if good and self.successes >= wanted.get("successThreshold", 1):
                self.is_ready = True
            elif not good and self.failures >= wanted.get("failureThreshold", 3):
                self.is_ready = False
            self.probe_at = time.monotonic() + wanted.get("periodSeconds", 10)

    # ---- what is reported ----

    def status(self):
        running, ended = self.note("running.json"), self.note("ended.json")
        is_running = self.process() is not None
        policy = self.pod["spec"].get("restartPolicy", "Always")
        if is_running:
            phase, state = "Running", {"running": {"startedAt": running["at"]}}
        elif ended and not self.is_restarted(ended, policy):
            phase = "Succeeded" if ended["code"] == 0 else "Failed"
            state = {"terminated": {"exitCode": ended["code"], "finishedAt": ended["at"]}}
        else:
            phase = "Running" if ended else "Pending"
            state = {"waiting": {"reason": "CrashLoopBackOff" if ended else "ContainerCreating"}}
        container = self.pod["spec"]["containers"][0]
        ready = "True" if self.is_ready and is_running else "False"
        return {"phase": phase, "hostIP": self.agent.ip, "podIP": self.spec["ip"], "podIPs": [{"ip": self.spec["ip"]}],
                "startTime": self.spec["at"],
                "conditions": {"PodReadyToStartContainers": "True", "Initialized": "True", "ContainersReady": ready,
                               "Ready": ready if self.gates_are_open() else "False"},
                "containerStatuses": [{"name": container["name"], "image": container.get("image", ""), "imageID": "", "state": state,
                                       "ready": ready == "True", "started": is_running, "restartCount": self.spec["restarts"]}]}

    def gates_are_open(self):
        have = {c["type"]: c["status"] for c in self.pod["status"].get("conditions", [])}
        return all(have.get(gate["conditionType"]) == "True" for gate in self.pod["spec"].get("readinessGates", []))

    @staticmethod
    def is_restarted(ended, policy):
        return policy == "Always" or (policy == "OnFailure" and ended["code"] != 0)

    def report(self):
        """Says what is, when the API says something else: after a change here, and after somebody else's there. True when
        the API has it."""
        want, have = self.status(), self.pod["status"]
        conditions = {c["type"]: c for c in have.get("conditions", [])}
        if all(have.get(k) == want[k] for k in ("phase", "podIP", "containerStatuses", "hostIP")) and all(
                conditions.get(t, {}).get("status") == s for t, s in want["conditions"].items()):
            return True
        if have.get("phase") in ("Succeeded", "Failed"):
            return True
        for container in want["containerStatuses"]:  # of three states one is left
            container["state"] = dict(dict.fromkeys(("waiting", "running", "terminated")), **container["state"])
        want["conditions"] = [{"type": t, "status": s, "lastTransitionTime": conditions[t].get("lastTransitionTime")
                               if conditions.get(t, {}).get("status") == s else now()} for t, s in want["conditions"].items()]
        status, reply = self.agent.api.ask("PATCH", owner_path(self.pod) + "/status",
                                           {"metadata": {"uid": self.uid}, "status": want},
                                           "application/strategic-merge-patch+json")
        if status == 200:
            self.pod = reply
        else:  # it went meanwhile, is fenced, or its address is somebody else's
            print(f"{self.uid}: status refused: {status} {reply.get('message')}", file=sys.stderr, flush=True)
        return status == 200

    def confirm(self):
        """The end of this incarnation, and of nothing else: R42, and the release of a fence."""
        path = f"/api/v1/namespaces/{self.spec['namespace']}/pods/{self.spec['name']}"
        status, reply = self.agent.api.ask("DELETE", path, {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}})
        # 404, 409: nobody waits for it (any more). 403: another node's pod has the name.
        if status in (200, 202, 403, 404, 409):
            self.confirmed = True
        else:
            print(f"{self.uid}: confirmation refused: {status} {reply.get('message')}", file=sys.stderr, flush=True)


# ---- the agent ----

class Agent:
    def __init__(self, options):
        self.options, self.api = options, Api(options)
        self.cidr = ipaddress.ip_network(options.pod_cidr)
        self.ip = str(self.cidr.network_address + 1)
        self.pods, self.is_synced, self.is_known = {}, False, False
        self.events = queue.Queue()
        self.lease_at = 0
        os.makedirs(options.state, exist_ok=True)
        self.found = {}
        for name in os.listdir(options.state):
            directory = os.path.join(options.state, name)
            if os.path.isdir(directory):
                self.found[name] = Incarnation(self, directory)

    # ---- the Node and its Lease ----

    def register(self):
        name = self.options.node
        self.api.ask("POST", "/api/v1/nodes", {
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {
                "kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}},
            "spec": {"podCIDR": self.options.pod_cidr, "podCIDRs": [self.options.pod_cidr]}})
        status, node = self.api.ask("GET", "/api/v1/nodes/" + name)
        if status != 200 or node["spec"].get("podCIDR") != self.options.pod_cidr:
            raise SystemExit(f"node {name} is registered otherwise: {node.get('spec', node)}")
        self.report_node()

    def report_node(self):
        resources = {"cpu": str(os.cpu_count()), "memory": "16Gi", "pods": "100", "ephemeral-storage": "10Gi"}
        status, reply = self.api.ask("PATCH", f"/api/v1/nodes/{self.options.node}/status", {"status": {
            "addresses": [{"type": "InternalIP", "address": self.ip}, {"type": "Hostname", "address": self.options.node}],
            "capacity": resources, "allocatable": resources,
            "nodeInfo": {"kubeletVersion": "ordinald-agent", "operatingSystem": "linux"},
            "conditions": [{"type": "Ready", "status": "True", "reason": "AgentReady", "message": "the agent runs its pods",
                            "lastHeartbeatTime": now(), "lastTransitionTime": now()}]}}, "application/strategic-merge-patch+json")
        self.is_known = status == 200

    def heartbeat(self):
        name = self.options.node
        spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": now(micro=True)}
        status, _ = self.api.ask("PATCH", f"{LEASES}/{name}", {"spec": spec}, "application/merge-patch+json")
        if status == 404:
            self.api.ask("POST", LEASES, {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name},
                                          "spec": spec})
        status, node = self.api.ask("GET", "/api/v1/nodes/" + name)
        if status == 200 and not any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", [])):
            self.report_node()

    # ---- starting ----

    def free_address(self):
        """The ring of the node's addresses: the next one that no pod here has, noted before it is used."""
        path = os.path.join(self.options.state, "ring.json")
        last = read_whole(path) or 1
        used = {i.spec.get("ip") for i in self.found.values()}
        size = self.cidr.num_addresses - 3
        for step in range(1, size + 1):
            number = 2 + (last - 2 + step) % size
            ip = str(self.cidr.network_address + number)
            if ip not in used:
                write_whole(path, number)
                return ip
        raise OSError("no address of this node is free")

    def volume_path(self, namespace, volume, directory):
        """Where a volume's data is on this machine; raises LookupError when it is not there yet."""
        if "emptyDir" in volume:
            return os.path.join(directory, "volumes", volume["name"])
        if "hostPath" in volume:
            return volume["hostPath"]["path"]
        if "persistentVolumeClaim" not in volume:
            raise LookupError(f"volume {volume['name']}: of a kind that this agent does not have")
        name = volume["persistentVolumeClaim"]["claimName"]
        status, claim = self.api.ask("GET", f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}")
        if status != 200 or claim["status"].get("phase") != "Bound":
            raise LookupError(f"claim {name} is not bound")
        status, found = self.api.ask("GET", "/api/v1/persistentvolumes/" + claim["spec"]["volumeName"])
        source = found.get("spec", {})
        path = source.get("hostPath", source.get("local", {})).get("path")
        if status != 200 or not path:
            raise LookupError(f"claim {name}: its volume has no path on a machine")
        return path

    def environment(self, pod, container, ip):
        fields = {"metadata.name": pod["metadata"]["name"], "metadata.namespace": pod["metadata"]["namespace"],
                  "metadata.uid": pod["metadata"]["uid"], "spec.nodeName": self.options.node, "status.podIP": ip,
                  "status.hostIP": self.ip}
        for kind in ("annotations", "labels"):
            for key, value in pod["metadata"].get(kind, {}).items():
                fields[f"metadata.{kind}['{key}']"] = value
        return {e["name"]: e.get("value", "") or fields.get(e.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath"), "")
                for e in container.get("env", [])}

    def prepare(self, pod, directory):
        """Everything a start needs, noted in the pod's directory."""
        meta, spec = pod["metadata"], pod["spec"]
        container = spec["containers"][0]
        volumes = {v["name"]: v for v in spec.get("volumes", [])}
        mounts = [(m["mountPath"], self.volume_path(meta["namespace"], volumes[m["name"]], directory))
                  for m in container.get("volumeMounts", [])]
        gateway = ipaddress.ip_interface(self.options.gateway)
        ip, hostname = self.free_address(), spec.get("hostname", meta["name"])
        zone, namespace = self.options.zone, meta["namespace"]
        os.makedirs(directory, exist_ok=True)
        full = f"{hostname}.{spec['subdomain']}.{namespace}.svc.{zone}\t" if spec.get("subdomain") else ""
        files = {"resolv.conf": f"search {namespace}.svc.{zone} svc.{zone} {zone}\nnameserver {self.options.dns}\noptions ndots:5\n",
                 "hosts": f"127.0.0.1\tlocalhost\n::1\tlocalhost\n{ip}\t{full}{hostname}\n", "hostname": hostname + "\n"}
        for name, text in files.items():
            with open(os.path.join(directory, name), "w") as f:
                f.write(text)
        write_whole(os.path.join(directory, "pod.json"), {
            "dir": directory, "namespace": namespace, "name": meta["name"], "hostname": hostname, "ip": ip,
            "prefix": gateway.network.prefixlen, "gateway": str(gateway.ip), "mounts": mounts, "restarts": 0, "at": now(),
            "command": container.get("command", []) + container.get("args", []), "cwd": container.get("workingDir", "/"),
            "env": self.environment(pod, container, ip), "probe": container.get("readinessProbe"),
            "grace": spec.get("terminationGracePeriodSeconds", 30)})

    def begin(self, pod):
        uid = pod["metadata"]["uid"]
        directory = os.path.join(self.options.state, uid)
        try:
            self.prepare(pod, directory)
        except LookupError as why:
            print(f"{uid}: waits: {why}", file=sys.stderr, flush=True)
            return
        it = self.found[uid] = Incarnation(self, directory)
        it.pod = pod
        if it.report():  # the address, before anything runs: nobody else may have it (R89)
            it.start()
        else:
            shutil.rmtree(directory)  # and another address, the next time
            del self.found[uid]

    def restart(self, it):
        if time.monotonic() < it.retry_at:
            return
        it.retry_at = time.monotonic() + 1
        if it.note("ended.json"):
            it.spec["restarts"] += 1
            write_whole(os.path.join(it.dir, "pod.json"), it.spec)
        it.is_ready, it.successes, it.failures, it.probe_at = False, 0, 0, None
        it.start()

    # ---- one pass ----

    def take_events(self):
        try:
            what, value = self.events.get(timeout=TICK_S)
            while True:
                if what == "LIST":
                    self.pods, self.is_synced = {p["metadata"]["uid"]: p for p in value}, True
                elif what == "DELETED":
                    self.pods.pop(value["metadata"]["uid"], None)
                else:
                    self.pods[value["metadata"]["uid"]] = value
                what, value = self.events.get_nowait()
        except queue.Empty:
            return

    def tend(self, it):
        pod = it.pod = self.pods.get(it.uid)
        is_alive = it.is_alive()
        if pod and "deletionTimestamp" not in pod["metadata"]:
            ended = it.note("ended.json")
            it.watch_readiness()
            it.report()
            if not is_alive and (not ended or it.is_restarted(ended, pod["spec"].get("restartPolicy", "Always"))):
                self.restart(it)
            return
        if is_alive:
            grace_s = pod["metadata"].get("deletionGracePeriodSeconds", 0) if pod else it.spec.get("grace", 0)
            it.terminate(grace_s)
        elif not it.confirmed:
            it.confirm()
        elif not pod:
            subprocess.run(["ip", "link", "del", "v" + it.uid.replace("-", "")[:12]], capture_output=True)
            shutil.rmtree(it.dir)
            del self.found[it.uid]

    def turn(self):
        self.take_events()
        if time.monotonic() >= self.lease_at:
            self.lease_at = time.monotonic() + self.options.lease_every
            self.heartbeat()
        if not self.is_synced:  # who may run is not known: nothing starts, nothing ends
            return
        for it in list(self.found.values()):
            self.tend(it)
        for uid, pod in list(self.pods.items()):
            if uid in self.found:
                continue
            if "deletionTimestamp" in pod["metadata"]:  # it never ran here
                self.api.ask("DELETE", owner_path(pod), {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}})
            elif pod["status"].get("phase") == "Pending" or not pod["status"].get("phase"):
                self.begin(pod)

    def run(self):
        path = f"/api/v1/pods?fieldSelector=spec.nodeName={self.options.node}"
        while True:
            try:
                if not self.is_known:
                    self.register()
                    threading.Thread(target=self.api.follow, args=(path, lambda *e: self.events.put(e)), daemon=True).start()
                    print("ready", flush=True)
                self.turn()
            except (OSError, http.client.HTTPException, subprocess.CalledProcessError) as why:
                print(f"again: {why}", file=sys.stderr, flush=True)
                time.sleep(TICK_S)


def main():
    if sys.argv[1:2] == ["--keep"]:
        keep(sys.argv[2])
        return
    parser = argparse.ArgumentParser()
    for name in ("node", "api", "state", "pod-cidr", "bridge", "gateway", "dns"):
        parser.add_argument("--" + name, required=True)
    for name in ("ca", "cert", "key"):
        parser.add_argument("--" + name)
    parser.add_argument("--zone", default="cluster.local")
    parser.add_argument("--lease-every", type=float, default=10)
    Agent(parser.parse_args()).run()


if __name__ == "__main__":
    main()
