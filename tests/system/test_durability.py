"""kill -9 under write load: every acknowledged write is there after the restart, and the first query sees it. Bad data directories."""

import json
import os
import random
import subprocess
import sys
import threading

import harness
from harness import BUILD, Daemon, Skip

ROUNDS = int(os.environ.get("KILL_ROUNDS", "6"))


def slice_of(number, address):
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "ports": [],
            "metadata": {"name": f"s-{number}", "labels": {"kubernetes.io/service-name": "s"}},
            "endpoints": [{"addresses": [address], "hostname": f"h-{number}"}]}


def write_until_killed(daemon, worker, acknowledged):
    path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
    number = 0
    while True:
        name = worker * 1000000 + number
        address = f"10.244.{random.randrange(256)}.{random.randrange(1, 255)}"
        try:
            status, _ = daemon.request("POST", path, slice_of(name, address))
        except Exception:  # the daemon is gone, in whatever way the client notices
            return
        if status == 201:
            acknowledged[name] = address
        number += 1


def test_no_acknowledged_write_is_lost_by_kill():
    with Daemon() as daemon:
        daemon.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"clusterIP": "None"}})
        acknowledged = {}
        for round_number in range(ROUNDS):
            writers = [threading.Thread(target=write_until_killed, args=(daemon, round_number * 10 + w, acknowledged))
                       for w in range(4)]
            for writer in writers:
                writer.start()
            goal = len(acknowledged) + random.randrange(20, 200)
            harness.until("writes are acknowledged", lambda: len(acknowledged) >= goal)
            daemon.kill()
            for writer in writers:
                writer.join()
            daemon.start()
            for number, address in list(acknowledged.items())[-100:]:
                have = daemon.addresses(f"h-{number}.s.default.svc.cluster.local.")
                assert have == [address], f"round {round_number}: h-{number} is {have}, acknowledged {address}"
        listed = daemon.get("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices")
        names = {item["metadata"]["name"] for item in listed["items"]}
        missing = [n for n in acknowledged if f"s-{n}" not in names]
        assert not missing, f"{len(missing)} acknowledged writes are gone"


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
