"""Real processes behind names: two node agents, each pod in namespaces of its own with ordinald as its nameserver.

Runs in a network of its own (a bridge and the pods on it) and ends everything with its first process; needs root and iproute2."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request

import harness
from harness import Daemon, Skip, until
from test_access import certs

HERE = os.path.dirname(os.path.abspath(__file__))
SERVER = "10.244.0.1"
PODS = "/api/v1/namespaces/default/pods"
SET = "/apis/apps/v1/namespaces/default/statefulsets/kubia"
IDENTITIES = "/apis/ordinald.dev/v1/namespaces/default/identities"
MERGE = "application/merge-patch+json"

# What runs in each pod: tells who it is, asks a peer by name, and keeps a list of its starts on its volume.
PROGRAM = '''
import http.server, json, os, signal, socket, sys, urllib.request
healthy, listens = True, True
def end(*_):
    if listens:
        sys.exit(0)
signal.signal(signal.SIGTERM, end)
with open("/data/starts", "a") as f:
    f.write(os.environ["POD_UID"] + "\\n")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global healthy, listens
        code, body = 200, {}
        path, _, argument = self.path.partition("?")
        if path == "/who":
            body = {"hostname": socket.gethostname(), "uid": os.environ["POD_UID"], "epoch": os.environ["EPOCH"], "pid": os.getpid(),
                    "starts": open("/data/starts").read().split()}
        elif path == "/ask":
            body = json.load(urllib.request.urlopen("http://%s:8080/who" % argument, timeout=5))
        elif path == "/sick":
            healthy = False
        elif path == "/well":
            healthy = True
        elif path == "/ready":
            code = 200 if healthy else 500
        elif path == "/stubborn":
            listens = False
        elif path == "/exit":
            os._exit(3)
        text = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *_):
        pass
class Server(http.server.ThreadingHTTPServer):
    allow_reuse_address = True
Server(("", 8080), Handler).serve_forever()
'''


def manifests(program):
    field = lambda name, path: {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
    service, kubia = harness.kubia(3)
    container = kubia["spec"]["template"]["spec"]["containers"][0]
    container.update({"command": [sys.executable, "-B", program], "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                      "env": [field("POD_UID", "metadata.uid"), field("EPOCH", "metadata.annotations['ordinald.dev/epoch']")],
                      "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1, "failureThreshold": 2}})
    kubia["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 2
    kubia["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": {
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}}]
    return service, kubia


class World:
    """A bridge, ordinald on it, and two agents."""

    def __init__(self):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        if subprocess.run(["ip", "link", "add", "br0", "type", "bridge"], capture_output=True).returncode != 0:
            raise Skip("no bridge can be made here")
        subprocess.run(["ip", "addr", "add", SERVER + "/16", "dev", "br0"], check=True)
        subprocess.run(["ip", "link", "set", "br0", "up"], check=True)
        self.daemon = Daemon("api.listen=https://127.0.0.1:0", *certs().settings())
        self.daemon.ports["dns"] = SERVER + ":53"
        self.daemon.start()
        self.agents = {}
        for node in ("n1", "n2"):
            self.run_agent(node)
        program = os.path.join(self.daemon.dir, "program.py")
        with open(program, "w") as f:
            f.write(PROGRAM)
        for obj in manifests(program):
            self.daemon.create(obj)

    def run_agent(self, node):
        log = open(os.path.join(self.daemon.dir, node + ".log"), "ab")
        agent = subprocess.Popen(
            [sys.executable, "-B", os.path.join(HERE, "node_agent.py"), "--node", node, "--api", "https://" + self.daemon.https,
             "--ca", certs().path("ca.crt"), "--cert", certs().path(node + ".crt"), "--key", certs().path(node + ".key"),
             "--state", self.state(node), "--pod-cidr", f"10.244.{node[1]}.0/24", "--bridge", "br0", "--gateway", SERVER + "/16",
             "--dns", SERVER, "--lease-every", "1"], stdout=subprocess.PIPE, stderr=log, text=True)
        assert agent.stdout.readline() == "ready\n", self.log(node)
        self.agents[node] = agent

    def state(self, node):
        return os.path.join(self.daemon.dir, node)

    def log(self, node):
        with open(self.state(node) + ".log", errors="replace") as f:
            return f.read()[-4000:]

    def kill_agent(self, node):
        self.agents[node].send_signal(signal.SIGKILL)
        self.agents[node].wait()
        self.agents[node].stdout.close()

    def pod(self, name):
        status, reply = self.daemon.request("GET", f"{PODS}/{name}")
        return reply if status == 200 else None

    def ready(self, name, but=None):
        """The pod when it is Ready and not the incarnation `but`."""
        pod = self.pod(name)
        if not pod or pod["metadata"]["uid"] == but or "deletionTimestamp" in pod["metadata"]:
            return None
        return pod if any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", [])) else None

    def wait_ready(self, name, but=None):
        try:
            return until(f"{name} is Ready", lambda: self.ready(name, but))
        except AssertionError:
            sys.stderr.write(json.dumps(self.pod(name))[:3000] + "\n" + self.log("n1") + self.log("n2"))
            raise

    def whole(self):
        return [self.wait_ready(f"kubia-{i}") for i in range(3)]

    def note(self, pod, name="running.json"):
        with open(os.path.join(self.state(pod["spec"]["nodeName"]), pod["metadata"]["uid"], name)) as f:
            return json.load(f)

    def inside(self, pod, *command):
        """What a command says that runs within the pod."""
        result = subprocess.run(["nsenter", "-t", str(self.note(pod)["pid"]), "-m", "-u", "-n", "-p", "-r", "--", *command],
                                capture_output=True, text=True, timeout=30)
        return result.stdout.strip() or result.stderr

    def end(self):
        for node in self.agents:
            if self.agents[node].poll() is None:
                self.kill_agent(node)
        self.daemon.stop()
        shutil.rmtree(self.daemon.dir, ignore_errors=True)
        certs().close()


WORLD = None


def world():
    global WORLD
    if os.environ.get("NODE_AGENT_INSIDE") != "1":
        raise Skip(why_not() or "not in a network of its own")
    if WORLD is None:
        WORLD = World()
    return WORLD


def ip_of(pod):
    return pod["status"]["podIP"]


def who(address, path="/who"):
    with urllib.request.urlopen(f"http://{address}:8080{path}", timeout=5) as reply:
        return json.load(reply)


def answers(address):
    try:
        return who(address)
    except OSError:
        return None


def name_of(pod):
    return f"{pod['metadata']['name']}.kubia.default.svc.cluster.local."


def test_one_pod_reaches_its_peer_by_name():
    w = world()
    pods = w.whole()
    assert {p["spec"]["nodeName"] for p in pods} == {"n1", "n2"}, "the set is not spread"
    for pod in pods:
        me, name = who(ip_of(pod)), pod["metadata"]["name"]
        assert (me["hostname"], me["uid"], me["epoch"]) == (name, pod["metadata"]["uid"], "1"), me
        assert w.daemon.addresses(name_of(pod)) == [ip_of(pod)]
        assert w.inside(pod, "hostname") == name
        assert w.inside(pod, "cat", "/etc/resolv.conf").splitlines() == [
            "search default.svc.cluster.local svc.cluster.local cluster.local", "nameserver " + SERVER, "options ndots:5"]
        for peer in pods:
            found = w.inside(pod, "getent", "hosts", peer["metadata"]["name"] + ".kubia").split()[0]
            assert found == ip_of(peer), f"{name} finds {peer['metadata']['name']} at {found}"
            assert who(ip_of(pod), f"/ask?{peer['metadata']['name']}.kubia")["uid"] == peer["metadata"]["uid"]
    everybody = {line.split()[0] for line in w.inside(pods[0], "getent", "ahostsv4", "kubia").splitlines()}
    assert everybody == {ip_of(p) for p in pods}, everybody
    # nobody else's processes, network or files
    assert len(w.inside(pods[0], "sh", "-c", "echo /proc/[0-9]*").split()) <= 4
    assert "eth0" in w.inside(pods[0], "ip", "-o", "link") and "br0" not in w.inside(pods[0], "ip", "-o", "link")


def test_a_killed_agent_finds_its_pods_again():
    w = world()
    before = w.whole()
    notes = [w.note(p) for p in before]
    for node in ("n1", "n2"):
        w.kill_agent(node)
    for pod in before:  # nothing but the agents is gone
        assert who(ip_of(pod), "/ask?kubia-0.kubia")["hostname"] == "kubia-0"
    for node in ("n1", "n2"):
        w.run_agent(node)
    victim = before[2]  # something for each agent to do, so that it is known to have looked
    w.daemon.must("PATCH", f"{PODS}/kubia-2", {"metadata": {"annotations": {"seen": "1"}}}, MERGE)
    who(ip_of(victim), "/sick")
    until("the agent sees that kubia-2 is not ready", lambda: not w.ready("kubia-2"))
    assert w.daemon.ask(name_of(victim), "A").rcode == "NXDOMAIN"
    who(ip_of(victim), "/well")
    after = w.whole()
    for pod, was, note in zip(after, before, notes):
        assert pod["metadata"]["uid"] == was["metadata"]["uid"] and ip_of(pod) == ip_of(was)
        assert w.note(pod) == note, "another process"
        assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
        assert who(ip_of(pod))["starts"].count(pod["metadata"]["uid"]) == 1
        if pod["metadata"]["name"] != "kubia-2":
            ready = [[c for c in p["status"]["conditions"] if c["type"] == "Ready"][0] for p in (pod, was)]
            assert ready[0]["lastTransitionTime"] == ready[1]["lastTransitionTime"], "it was not Ready for a while"


def test_a_deleted_pod_comes_back_under_its_name_at_another_address():
    w = world()
    old = w.whole()[0]
    w.daemon.must("DELETE", f"{PODS}/kubia-0")
    new = w.wait_ready("kubia-0", but=old["metadata"]["uid"])
    assert w.daemon.addresses(name_of(new)) == [ip_of(new)] and ip_of(new) != ip_of(old)
    me = who(ip_of(new))
    assert me["epoch"] == "2" and me["uid"] == new["metadata"]["uid"]
    assert me["starts"] == [old["metadata"]["uid"], new["metadata"]["uid"]], "not the same disk"
    assert answers(ip_of(old)) is None, "the old process lives"
    peer = w.pod("kubia-1")
    assert w.inside(peer, "getent", "hosts", "kubia-0.kubia").split()[0] == ip_of(new)
    assert who(ip_of(peer), "/ask?kubia-0.kubia")["epoch"] == "2"


def test_a_process_that_dies_is_started_again_in_its_place():
    w = world()
    pod = w.whole()[1]
    try:
        who(ip_of(pod), "/exit")
    except OSError:
        pass

    def runs_again():
        now = w.ready("kubia-1")
        return now if now and now["status"]["containerStatuses"][0]["restartCount"] == 1 else None

    again = until("kubia-1 runs again", runs_again)
    assert again["metadata"]["uid"] == pod["metadata"]["uid"] and ip_of(again) == ip_of(pod)
    assert who(ip_of(again))["starts"].count(pod["metadata"]["uid"]) == 2


def test_a_process_that_does_not_listen_is_killed_when_its_grace_is_over():
    w = world()
    pod = w.whole()[1]
    who(ip_of(pod), "/stubborn")
    w.daemon.must("DELETE", f"{PODS}/kubia-1")
    new = w.wait_ready("kubia-1", but=pod["metadata"]["uid"])
    assert answers(ip_of(pod)) is None and who(ip_of(new))["uid"] == new["metadata"]["uid"]


def test_an_agent_killed_at_any_moment_starts_nothing_twice():
    w = world()
    rounds = int(os.environ.get("AGENT_KILLS", "6"))
    for number in range(rounds):
        pod = w.whole()[number % 3]
        node, name = pod["spec"]["nodeName"], pod["metadata"]["name"]
        w.daemon.must("PATCH", "/api/v1/nodes/" + ("n1" if node == "n2" else "n2"), {"spec": {"unschedulable": True}}, MERGE)
        w.daemon.must("DELETE", f"{PODS}/{name}")
        moments = {0: lambda: True, 1: lambda: w.pod(name)["metadata"]["uid"] != pod["metadata"]["uid"],
                   2: lambda: (w.pod(name) or {"status": {}})["status"].get("podIP") not in (None, ip_of(pod))}
        until("the moment comes", lambda: w.pod(name) and moments[number % 3]())
        w.kill_agent(node)
        w.run_agent(node)
        w.daemon.must("PATCH", "/api/v1/nodes/" + ("n1" if node == "n2" else "n2"), {"spec": {"unschedulable": None}}, MERGE)
        new = w.wait_ready(name, but=pod["metadata"]["uid"])
        starts = who(ip_of(new))["starts"]
        mine = starts.count(new["metadata"]["uid"])
        assert mine == 1 + new["status"]["containerStatuses"][0]["restartCount"], f"{mine} starts of one incarnation"
        assert starts.index(new["metadata"]["uid"]) == len(starts) - mine, "the old incarnation ran after the new one"
        assert answers(ip_of(pod)) is None


def fences(w, name):
    return w.daemon.get(f"{IDENTITIES}/{name}").get("fences", [])


def test_a_lost_node_keeps_its_process_and_the_fence_keeps_its_address():
    w = world()
    old = w.whole()[0]
    node, address = old["spec"]["nodeName"], ip_of(old)
    w.kill_agent(node)
    w.daemon.must("PATCH", "/api/v1/nodes/" + node, {"spec": {"unschedulable": True}}, MERGE)
    w.daemon.must("DELETE", f"{PODS}/kubia-0")  # with grace: the node does not confirm, so the name stays taken
    assert "deletionTimestamp" in w.pod("kubia-0")["metadata"] and who(address)["uid"] == old["metadata"]["uid"]
    w.daemon.must("DELETE", f"{PODS}/kubia-0", {"gracePeriodSeconds": 0})
    new = w.wait_ready("kubia-0", but=old["metadata"]["uid"])
    assert new["spec"]["nodeName"] != node
    assert [f["uid"] for f in fences(w, "kubia-0")] == [old["metadata"]["uid"]] and fences(w, "kubia-0")[0]["addresses"] == [address]
    assert who(address)["uid"] == old["metadata"]["uid"], "the old process should still run: nobody ended it"
    assert w.daemon.addresses(name_of(new)) == [ip_of(new)] and ip_of(new) != address
    assert who(ip_of(new))["epoch"] > who(address)["epoch"]
    status, reply = w.daemon.request("PATCH", f"{PODS}/kubia-0/status", {"status": {"podIP": address, "podIPs": [{"ip": address}]}},
                                     MERGE)
    assert status == 409 and address in reply["message"], (status, reply)
    w.run_agent(node)  # it finds a process whose uid nobody knows any more, ends it and confirms
    until("the fence is released", lambda: not fences(w, "kubia-0"))
    assert answers(address) is None
    assert w.daemon.addresses(name_of(new)) == [ip_of(new)] and who(ip_of(new))["uid"] == new["metadata"]["uid"]
    w.daemon.must("PATCH", "/api/v1/nodes/" + node, {"spec": {"unschedulable": None}}, MERGE)


def test_scaled_down_and_up_a_pod_finds_what_it_wrote():
    w = world()
    before = {p["metadata"]["name"]: who(ip_of(p))["starts"] for p in w.whole()}
    w.daemon.must("PATCH", SET, {"spec": {"replicas": 1}}, MERGE)
    until("kubia-1 and kubia-2 are gone", lambda: not w.pod("kubia-1") and not w.pod("kubia-2"))
    assert w.daemon.ask("kubia-2.kubia.default.svc.cluster.local.").rcode == "NXDOMAIN"
    w.daemon.must("PATCH", SET, {"spec": {"replicas": 3}}, MERGE)
    for pod in w.whole()[1:]:
        assert who(ip_of(pod))["starts"] == before[pod["metadata"]["name"]] + [pod["metadata"]["uid"]]


def plain_pod(name, **spec):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": dict(
        {"terminationGracePeriodSeconds": 1, "containers": [{"name": "c", "image": "none", "command": ["sleep", "1000"]}]}, **spec)}


def condition(pod, kind):
    return next((c["status"] for c in (pod or {"status": {}})["status"].get("conditions", []) if c["type"] == kind), None)


def test_ready_waits_for_gates_that_others_open():
    w = world()
    w.daemon.create(plain_pod("gated", readinessGates=[{"conditionType": "example.org/open"}]))
    until("its container is ready", lambda: condition(w.pod("gated"), "ContainersReady") == "True")
    assert condition(w.pod("gated"), "Ready") == "False"
    for gate in ("True", "False"):
        w.daemon.must("PATCH", f"{PODS}/gated/status", {"status": {"conditions": [{"type": "example.org/open", "status": gate}]}},
                      "application/strategic-merge-patch+json")
        until("Ready follows the gate", lambda: condition(w.pod("gated"), "Ready") == gate)
    w.daemon.must("DELETE", f"{PODS}/gated")
    until("it is gone", lambda: not w.pod("gated"))


def test_a_pod_that_has_ended_stays_ended():
    w = world()
    for code, phase in ((0, "Succeeded"), (3, "Failed")):
        name, command = phase.lower(), ["sh", "-c", f"exit {code}"]
        w.daemon.create(plain_pod(name, restartPolicy="Never", containers=[{"name": "c", "image": "none", "command": command}]))
        until("it ends", lambda: w.pod(name)["status"]["phase"] == phase)
        state = w.pod(name)["status"]["containerStatuses"][0]["state"]
        assert list(state) == ["terminated"] and state["terminated"]["exitCode"] == code, state
        status, reply = w.daemon.request("PATCH", f"{PODS}/{name}/status", {"status": {"phase": "Running"}}, MERGE)
        assert status == 422 and "a terminal phase may not be left" in reply["message"], reply
        w.daemon.must("DELETE", f"{PODS}/{name}")
        until("it is gone", lambda: not w.pod(name))


def test_zz_nothing_is_left_on_the_nodes():
    w = world()
    w.daemon.must("PATCH", SET, {"spec": {"replicas": 0}}, MERGE)
    until("no pod is left", lambda: not w.daemon.get(PODS)["items"])
    for node in ("n1", "n2"):
        until("no directory is left", lambda: [n for n in os.listdir(w.state(node)) if n != "ring.json"] == [])
    assert subprocess.run(["ip", "-o", "link", "show", "master", "br0"], capture_output=True).stdout == b""
    w.end()


def why_not():
    missing = [c for c in ("ip", "unshare", "nsenter", "getent", "openssl") if not shutil.which(c)]
    if os.geteuid() != 0:
        return "needs root, for namespaces"
    if missing:
        return "no command " + ", ".join(missing)
    if subprocess.run(["unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "true"], capture_output=True).returncode != 0:
        return "no namespaces can be made here"
    return None


if __name__ == "__main__":
    if os.environ.get("NODE_AGENT_INSIDE") != "1" and not why_not():
        os.environ["NODE_AGENT_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
                              sys.executable, "-B", os.path.abspath(__file__), *sys.argv[1:]])
    harness.main(sys.modules["__main__"])
