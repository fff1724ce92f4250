"""kill -9 under write load: every acknowledged write is there after the restart, and the first query sees it. Bad data directories."""

import os
import random
import socket
import subprocess
import sys
import threading

import harness
from harness import BUILD, Daemon, Skip

ROUNDS = int(os.environ.get("KILL_ROUNDS", "20"))
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
MAPS = "/api/v1/namespaces/default/configmaps"
SET = "/apis/apps/v1/namespaces/default/statefulsets/kubia"
PODS = "/api/v1/namespaces/default/pods"
IDENTITIES = "/apis/ordinald.dev/v1/namespaces/default/identities"


class Gone(Exception):
    """The daemon was killed before it answered."""


class Ledger:
    """What each key must be after a restart: what was acknowledged last, or one of what was asked for since. A key has
    one writer; None is an absent object."""

    def __init__(self):
        self.must, self.maybe = {}, {}
        self.revision = 0  # the newest that an acknowledged write had
        self.serials = {}
        self.wrong = []  # what observers saw and must not
        self.answers = 0
        self.holders = {}  # (identity, epoch): uid

    def write(self, daemon, key, value, method, path, body=None, content="application/json"):
        self.maybe.setdefault(key, []).append(value)
        try:
            status, reply = daemon.request(method, path, body, content)
        except Exception as why:  # in whatever way the client notices
            raise Gone from why
        if status >= 300:
            self.maybe[key].pop()
            return reply
        self.must[key], self.maybe[key] = value, []
        if method != "DELETE":
            self.revision = max(self.revision, int(reply["metadata"]["resourceVersion"]))
        return reply

    def settle(self, key, found):
        allowed = [self.must.get(key)] + self.maybe.get(key, [])
        assert found in allowed, f"{key} is {found}, acknowledged {allowed[0]}, asked for {allowed[1:]}"
        self.must[key], self.maybe[key] = found, []


def slice_of(number, address):
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "ports": [],
            "metadata": {"name": f"s-{number}", "labels": {"kubernetes.io/service-name": "s"},
                         "annotations": {"address": address}},
            "endpoints": [{"addresses": [address], "hostname": f"h-{number}"}]}


def map_of(name, value):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"v": value, "w": value * 50}}


def write_creates(daemon, ledger, worker):
    number = worker * 1000000
    while True:
        address = f"10.245.{random.randrange(256)}.{random.randrange(1, 255)}"
        ledger.write(daemon, f"s-{number}", address, "POST", SLICES, slice_of(number, address))
        number += 1


def write_updates(daemon, ledger, worker):
    number = 0
    while True:
        name, value = f"u-{number % 5}", f"{worker}-{number}"
        if ledger.must.get(name) is None:
            ledger.write(daemon, name, value, "POST", MAPS, map_of(name, value))
        else:
            ledger.write(daemon, name, value, "PUT", f"{MAPS}/{name}", map_of(name, value))
        number += 1


def write_deletes(daemon, ledger, worker):
    number = 0
    while True:
        name = f"d-{number % 3}"
        if ledger.must.get(name) is None:
            ledger.write(daemon, name, str(number), "POST", MAPS, map_of(name, str(number)))
        else:
            ledger.write(daemon, name, None, "DELETE", f"{MAPS}/{name}")
        number += worker % 2 + 1


def write_scales(daemon, ledger, worker):
    while True:
        replicas = random.randrange(1, 5)
        ledger.write(daemon, "replicas", replicas, "PATCH", SET, {"spec": {"replicas": replicas}},
                     "application/merge-patch+json")
        try:
            daemon.request("DELETE", f"{PODS}/kubia-{random.randrange(2)}")
        except Exception as why:
            raise Gone from why


def until_killed(write, daemon, ledger, worker):
    try:
        write(daemon, ledger, worker)
    except Gone:
        pass


def observe(daemon, ledger, living, is_over, me):
    """Asks for living names all the time. No answer is fine while the daemon is away, a wrong one never is."""
    rng = random.Random(me)
    while not is_over.is_set():
        name = rng.choice(living)
        for qname, qtype in ((f"h-{name[2:]}.s.default.svc.cluster.local.", "A"), ("cluster.local.", "SOA")):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.settimeout(0.5)
                try:
                    s.connect(daemon.dns)
                    s.send(harness.query(qname, qtype))
                    reply = harness.Reply(s.recv(4096))
                except OSError:
                    continue
            ledger.answers += 1
            if reply.rcode != "NOERROR" or not reply.answer:
                ledger.wrong.append(f"{qname} {qtype}: {reply.rcode} {reply.answer}")
            elif qtype == "A" and reply.data("A") != [ledger.must[name]]:
                ledger.wrong.append(f"{qname}: {reply.data('A')}, acknowledged {ledger.must[name]}")
            elif qtype == "SOA":
                serial = int(reply.data("SOA")[0].split()[2])
                if serial < ledger.serials.get(me, 0):
                    ledger.wrong.append(f"the serial went back from {ledger.serials[me]} to {serial}")
                ledger.serials[me] = serial


def check_identities(daemon, ledger):
    for item in daemon.get(IDENTITIES)["items"]:
        for it in item["incarnations"]:
            key = (item["metadata"]["name"], it["epoch"])
            assert ledger.holders.setdefault(key, it["uid"]) == it["uid"], f"{key} has two holders"
        newest = max(epoch for name, epoch in ledger.holders if name == item["metadata"]["name"])
        assert item["epoch"] >= newest, f"{item['metadata']['name']} went back to epoch {item['epoch']} from {newest}"
    for pod in daemon.get(PODS)["items"]:
        key = (pod["metadata"]["name"], int(pod["metadata"]["annotations"]["ordinald.dev/epoch"]))
        assert ledger.holders.setdefault(key, pod["metadata"]["uid"]) == pod["metadata"]["uid"], f"{key} has two holders"


def check_all(daemon, ledger):
    slices, maps = daemon.get(SLICES + "?labelSelector=kubernetes.io/service-name=s"), daemon.get(MAPS)
    assert int(slices["metadata"]["resourceVersion"]) >= ledger.revision, "resourceVersion went back"
    found = {}
    for item in slices["items"]:
        address = item["endpoints"][0]["addresses"][0]
        assert item["metadata"]["annotations"]["address"] == address, f"half an object: {item}"
        found[item["metadata"]["name"]] = address
    for item in maps["items"]:
        assert item["data"]["w"] == item["data"]["v"] * 50, f"half an object: {item}"
        found[item["metadata"]["name"]] = item["data"]["v"]
    found["replicas"] = daemon.get(SET)["spec"]["replicas"]
    for key in set(ledger.must) | set(ledger.maybe):
        ledger.settle(key, found.pop(key, None))
    assert not found, f"nobody wrote these: {list(found)[:5]}"
    check_identities(daemon, ledger)


def kill_round(daemon, ledger, number):
    writers = [threading.Thread(target=until_killed, args=(write, daemon, ledger, number * 10 + i))
               for i, write in enumerate((write_creates, write_creates, write_updates, write_deletes, write_scales))]
    for writer in writers:
        writer.start()
    goal = ledger.revision + random.randrange(50, 800)
    harness.until("writes are acknowledged", lambda: ledger.revision >= goal)
    daemon.kill()
    for writer in writers:
        writer.join()
    daemon.start()


def observed(daemon, ledger):
    """Threads that watch the names which are there now, and how to end them."""
    living, is_over = [key for key, value in ledger.must.items() if key.startswith("s-") and value], threading.Event()
    threads = [threading.Thread(target=observe, args=(daemon, ledger, living, is_over, me)) for me in range(2)]
    for thread in threads:
        thread.start()
    return threads, is_over


def test_no_acknowledged_write_is_lost_by_kill():
    ledger = Ledger()
    with Daemon("nodes.embedded=3", "nodes.embedded-start=5ms") as daemon:
        daemon.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"clusterIP": "None"}})
        for obj in harness.kubia(2):
            if obj["kind"] == "StatefulSet":
                obj["spec"]["podManagementPolicy"] = "Parallel"
            daemon.create(obj)
        ledger.must["replicas"] = 2
        ledger.write(daemon, "s-1", "10.245.0.1", "POST", SLICES, slice_of(1, "10.245.0.1"))
        for number in range(ROUNDS):
            threads, is_over = observed(daemon, ledger)
            try:
                kill_round(daemon, ledger, number + 1)
                check_all(daemon, ledger)
            finally:
                is_over.set()
                for thread in threads:
                    thread.join()
            assert not ledger.wrong, f"round {number}: {ledger.wrong[:3]}"
        want = ledger.must["replicas"]
        harness.until("the set is whole again", lambda: daemon.get(SET)["status"].get("readyReplicas", 0) == want)
        assert len(daemon.addresses("kubia.default.svc.cluster.local.")) == want
        check_identities(daemon, ledger)
    print(f"       {ROUNDS} kills, {len(ledger.must)} keys, revision {ledger.revision}, {len(ledger.holders)} incarnations, "
          f"{ledger.answers} answers meanwhile")


def start_fails(directory):
    result = subprocess.run([os.path.join(BUILD, "ordinald"), "--set", "dns.listen=127.0.0.1:0", "--set",
                             "api.socket=" + os.path.join(directory, "x.sock"), "--set", "metrics.listen=127.0.0.1:0",
                             "--set", "store.path=" + os.path.join(directory, "data")],
                            capture_output=True, text=True, timeout=60)
    assert result.returncode == 2, f"exit {result.returncode}: {result.stderr}"
    lines = [line for line in result.stderr.splitlines() if line.startswith("ordinald: ")]
    assert len(lines) == 1, result.stderr
    return lines[0]


def test_a_second_daemon_on_the_same_directory_is_refused():
    with Daemon() as daemon:
        line = start_fails(daemon.dir)
        assert "data" in line, line
        assert daemon.ask("cluster.local.", "SOA").rcode == "NOERROR"


def test_a_damaged_database_is_refused_with_one_line():
    daemon = Daemon()
    with daemon:
        daemon.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "v" * 100000}})
        daemon.stop()
        path = os.path.join(daemon.dir, "data", "data.mdb")
        with open(path, "r+b") as f:
            content = f.read()
            at = content.find(b"v" * 1000)
            assert at > 0
            f.seek(at + 500)
            f.write(b"\0" * 100)
        print("      ", start_fails(daemon.dir))
        with open(path, "r+b") as f:
            f.write(b"not a database" * 1000)
        print("      ", start_fails(daemon.dir))


def test_a_full_disk_refuses_writes_and_dns_goes_on():
    directory = harness.tempfile.mkdtemp(prefix="ordinald-full-")
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", directory],
                                           capture_output=True).returncode != 0:
        os.rmdir(directory)
        raise Skip("no tmpfs can be mounted here")
    try:
        with Daemon("store.path=" + directory) as daemon:
            daemon.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"clusterIP": "10.96.0.9", "ports": [{"port": 80}]}})
            path, status, count = "/api/v1/namespaces/default/configmaps", 201, 0
            while status == 201 and count < 200:
                status, reply = daemon.request("POST", path, {"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "x" * 50000},
                                                              "metadata": {"name": f"c-{count}"}})
                count += 1
            assert status in (500, 503, 507) and reply["kind"] == "Status", (status, reply)
            assert daemon.addresses("s.default.svc.cluster.local.") == ["10.96.0.9"]
            present = len(daemon.get(path)["items"])
            assert present == count - 1, "the refused object is half there"
            for i in range(count - 1):
                daemon.request("DELETE", f"{path}/c-{i}")
            daemon.kill()
            daemon.start()
            assert daemon.addresses("s.default.svc.cluster.local.") == ["10.96.0.9"]
    finally:
        subprocess.run(["umount", directory], check=False)
        os.rmdir(directory)


def test_configuration_errors_exit_1_and_name_the_line():
    with harness.tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
        f.write("dns:\n  lissen: 1\n")
        f.flush()
        result = subprocess.run([os.path.join(BUILD, "ordinald"), "--config", f.name], capture_output=True, text=True)
    assert result.returncode == 1 and "line 2: unknown option dns.lissen" in result.stderr, result.stderr


if __name__ == "__main__":
    harness.main(sys.modules["__main__"])
