"""A disk that fails, backups of a busy store, and data directories that no start may take: refused by name, exit 2, untouched."""

import errno
import hashlib
import http.client
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import threading
import urllib.request

import harness
from harness import BUILD, Daemon, Skip

MAPS = "/api/v1/namespaces/default/configmaps"
FILE = "data.mdb"


def map_of(name, value, size=50):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"v": value, "w": "x" * size}}


def put(daemon, name, value, size=50):
    """The status of a write of one object, new or not."""
    status, reply = daemon.request("PUT", f"{MAPS}/{name}", map_of(name, value, size))
    if status == 404:
        status, reply = daemon.request("POST", MAPS, map_of(name, value, size))
    return status, reply


def values(daemon):
    return {item["metadata"]["name"]: item["data"]["v"] for item in daemon.get(MAPS)["items"]}


def readyz(daemon):
    try:
        with urllib.request.urlopen(f"http://{daemon.metrics}/readyz", timeout=10) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()


# ---- a disk that fails ----

class FaultyDisk(Daemon):
    def __init__(self, *settings):
        super().__init__(*settings)
        self.fault_file = os.path.join(self.dir, "fault")
        library = os.path.join(BUILD, "tests", "libfault_io.so")
        options = os.environ.get("ASAN_OPTIONS", "")
        self.env = dict(os.environ, FAULT_FILE=self.fault_file, LD_PRELOAD=library,
                        ASAN_OPTIONS=options + ":verify_asan_link_order=0")

    def fault(self, where=None, number=0):
        with open(self.fault_file + ".new", "w") as f:
            f.write(f"{where} {number}\n" if where else "")
        os.rename(self.fault_file + ".new", self.fault_file)


def broken_by(where, number, size=50):
    """One fault of the disk itself: writers are told, DNS and reads go on, a restart recovers."""
    with FaultyDisk() as daemon:
        daemon.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
                       "spec": {"clusterIP": "10.96.0.9", "ports": [{"port": 80}]}})
        assert put(daemon, "a", "1")[0] == 201 and readyz(daemon)[0] == 200
        daemon.fault(where, number)
        status, reply = put(daemon, "a", "2", size)
        assert status == 500 and reply["kind"] == "Status", (status, reply)
        assert FILE in reply["message"] and os.strerror(number) in reply["message"], reply
        daemon.fault()  # the disk is well again, but what it has is not known
        status, reply = put(daemon, "a", "3")
        assert status == 503 and "read-only until restart" in reply["message"], (status, reply)
        code, text = readyz(daemon)
        assert code == 503 and FILE in text, (code, text)
        assert values(daemon) == {"a": "1"}
        assert daemon.addresses("s.default.svc.cluster.local.") == ["10.96.0.9"]
        daemon.stop()
        daemon.start()
        assert readyz(daemon)[0] == 200
        assert values(daemon)["a"] in ("1", "2"), values(daemon)  # nobody was told which
        assert put(daemon, "a", "4")[0] == 200 and values(daemon) == {"a": "4"}
        assert daemon.addresses("s.default.svc.cluster.local.") == ["10.96.0.9"]


def test_a_write_error_stops_writers_and_nobody_else():
    broken_by("write", errno.EIO)
    broken_by("write", errno.EIO, 200000)  # a commit of many pages


def test_a_sync_error_stops_writers_and_nobody_else():
    broken_by("sync", errno.EIO)


def test_an_error_at_the_head_of_the_database_stops_writers_and_nobody_else():
    broken_by("head", errno.EIO)
    broken_by("head", errno.ENOSPC)  # what a file system that copies on write may say


def test_a_disk_without_room_refuses_and_recovers_by_itself():
    for number in (errno.ENOSPC, errno.EDQUOT):
        with FaultyDisk() as daemon:
            assert put(daemon, "a", "1")[0] == 201
            for _ in range(3):
                daemon.fault("write", number)
                status, reply = put(daemon, "a", "2")
                assert status in (503, 507) and "has no room" in reply["message"], (status, reply)
                assert readyz(daemon)[0] == 200 and values(daemon)["a"] == "1"
                daemon.fault()
                assert put(daemon, "b", "1")[0] < 300
            daemon.kill()
            daemon.start()
            assert values(daemon) == {"a": "1", "b": "1"}


# ---- backups ----

def ordctl(daemon, *words):
    return subprocess.run([os.path.join(BUILD, "ordctl"), "--server", daemon.socket, *words], capture_output=True, text=True,
                          timeout=harness.DEADLINE_S)


class Load:
    """Writers of every kind, and everything that happens, in order, as a watch tells it."""

    def __init__(self, daemon):
        self.daemon, self.is_over, self.events = daemon, threading.Event(), []
        revision = daemon.get(MAPS)["metadata"]["resourceVersion"]
        self.stream = http.client.HTTPConnection("localhost")
        self.stream.sock = socket.socket(socket.AF_UNIX)
        self.stream.sock.connect(daemon.socket)
        self.stream.request("GET", f"{MAPS}?watch=true&resourceVersion={revision}")
        self.reply = self.stream.getresponse()
        self.threads = [threading.Thread(target=self.write, args=(i,)) for i in range(3)]
        self.threads.append(threading.Thread(target=self.watch))
        for thread in self.threads:
            thread.start()

    def write(self, me):
        rng, number = random.Random(me), 0
        while not self.is_over.is_set():
            name, number = f"m{me}-{rng.randrange(40)}", number + 1
            if rng.randrange(4) == 0:
                self.daemon.request("DELETE", f"{MAPS}/{name}")
            else:
                put(self.daemon, name, str(number), rng.randrange(6000))
        self.daemon.request("DELETE", f"{MAPS}/the-end")

    def watch(self):
        for line in self.reply:
            event = json.loads(line)
            if event["object"]["metadata"]["name"] == "the-end":
                return
            self.events.append((int(event["object"]["metadata"]["resourceVersion"]), event["type"], event["object"]))

    def end(self):
        self.is_over.set()
        for thread in self.threads[:-1]:
            thread.join()
        self.daemon.must("POST", MAPS, map_of("the-end", ""))
        self.threads[-1].join(harness.DEADLINE_S)
        assert not self.threads[-1].is_alive(), "the watch did not tell the last write"
        self.stream.close()

    def is_a_state(self, objects):
        """True when these, by name, are what there was after some commit."""
        newest = max((int(o["metadata"]["resourceVersion"]) for o in objects.values()), default=0)
        state = {}
        for revision, kind, obj in self.events:
            if revision > newest and kind != "DELETED":
                return state == objects
            if kind == "DELETED":
                state.pop(obj["metadata"]["name"], None)
            else:
                state[obj["metadata"]["name"]] = obj
            if revision >= newest and state == objects:
                return True
        return state == objects


def test_backups_of_a_busy_store_are_whole_and_start_as_stores():
    with Daemon() as daemon:
        load = Load(daemon)
        copies = []
        try:
            for number in range(4):
                goal = len(load.events) + 100
                harness.until("the writers write", lambda: len(load.events) > goal)
                copies.append(os.path.join(daemon.dir, f"copy-{number}"))
                done = ordctl(daemon, "backup", copies[-1])
                assert done.returncode == 0 and done.stdout == f"backup written to {copies[-1]}\n", done
        finally:
            load.end()
        for copy in copies:
            again = ordctl(daemon, "backup", copy)
            assert again.returncode == 1 and "AlreadyExists" in again.stderr, again
            with Daemon("store.path=" + copy) as restored:
                objects = {o["metadata"]["name"]: o for o in restored.get(MAPS)["items"]}
                for obj in objects.values():  # lists leave out what each item of a list has in common
                    obj.update(apiVersion="v1", kind="ConfigMap")
                assert len(objects) > 20 and load.is_a_state(objects), f"{copy} is no state that there ever was"
                assert put(restored, "after", "1")[0] == 201
        print(f"       {len(copies)} copies among {len(load.events)} changes")


def test_a_kill_during_a_backup_harms_neither():
    with Daemon() as daemon:
        for number in range(60):
            assert put(daemon, f"m-{number}", str(number), 200000)[0] == 201
        outcomes = []
        for number in range(6):
            copy = os.path.join(daemon.dir, f"copy-{number}")
            asked = subprocess.Popen([os.path.join(BUILD, "ordctl"), "--server", daemon.socket, "backup", copy],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            harness.until("the copy begins", lambda: os.path.exists(copy) and (number == 0 or os.path.exists(
                os.path.join(copy, FILE)) and os.path.getsize(os.path.join(copy, FILE)) >= number * 1000000))
            daemon.kill()
            done = asked.wait(timeout=harness.DEADLINE_S) == 0
            daemon.start()
            assert len(values(daemon)) == 60
            outcomes.append(copy_is_refused_or_whole(copy, done))
        print("      ", ", ".join(outcomes))


def copy_is_refused_or_whole(copy, must_be_whole):
    if not os.path.exists(os.path.join(copy, FILE)):
        assert not must_be_whole
        return "nothing there"
    result = start(os.path.dirname(copy), copy)
    if result is None:
        return "whole"
    assert result.returncode == 2 and not must_be_whole, result
    assert os.path.join(copy, FILE) in result.stderr, result.stderr
    return "refused"


def start(directory, path, program=os.path.join(BUILD, "ordinald"), **options):
    """How a start on this data directory ended, or None when it serves (all 60 objects of the backup test)."""
    arguments = [program, "--set", "dns.listen=127.0.0.1:0", "--set",
                 "api.socket=" + os.path.join(directory, "x.sock"), "--set", "metrics.listen=127.0.0.1:0", "--set",
                 "store.path=" + path]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    line = process.stdout.readline()
    if line.startswith("ready "):
        process.terminate()
        process.communicate(timeout=harness.DEADLINE_S)
        return None
    out, err = process.communicate(timeout=harness.DEADLINE_S)
    return subprocess.CompletedProcess(arguments, process.returncode, line + out, err)


# ---- data directories that are no store ----

def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def expect_refusal(directory, data, says, **options):
    """Exit 2, one line that names the file and says this, no crash, the file as it was."""
    path = os.path.join(data, FILE)
    before = digest(path) if os.path.isfile(path) else None
    result = start(directory, data, **options)
    assert result is not None, f"{says}: it was taken"
    lines = [line for line in result.stderr.splitlines() if line.startswith("ordinald: ")]
    assert result.returncode == 2 and len(lines) == 1, result
    assert path in lines[0] and says in lines[0], lines[0]
    assert (digest(path) if os.path.isfile(path) else None) == before, "the refused file was changed"


def with_a_store(run):
    with Daemon() as daemon:
        for number in range(40):
            assert put(daemon, f"m-{number}", str(number), number * 200)[0] == 201
        daemon.stop()
        data = os.path.join(daemon.dir, "data")
        with open(os.path.join(data, FILE), "rb") as f:
            content = f.read()
        run(daemon.dir, data, content)
        write(data, content)
        assert start(daemon.dir, data) is None, "the whole file is refused"


def write(data, content):
    with open(os.path.join(data, FILE), "wb") as f:
        f.write(content)


def test_files_that_are_no_whole_database_are_refused():
    def run(directory, data, content):
        for bad, says in ((b"", "it is empty"), (b"\0" * 65536, "it is not the head of a database"),
                          (b"SQLite format 3\0" + b"\0" * 65520, "it is not the head of a database"),
                          (content[:100], "it was cut short"), (content[:4096], "it was cut short"),
                          (content[:len(content) // 2], "it was cut short"),
                          (content[:16] + b"\xde\xc0\xef\xbe\x02" + content[21:], "by another version of LMDB"),
                          (content[:8192] + b"\0" * (len(content) - 8192), "it is")):
            write(data, bad)
            expect_refusal(directory, data, says)
        write(data, content)
    with_a_store(run)


def test_bytes_changed_anywhere_are_refused_or_change_nothing():
    def run(directory, data, content):
        refused = 0
        rng = random.Random(7)
        for _ in range(int(os.environ.get("DAMAGE_ROUNDS", "40"))):
            bad = bytearray(content)
            for _ in range(3):
                bad[rng.randrange(len(bad))] ^= 1 + rng.randrange(255)
            write(data, bad)
            before = digest(os.path.join(data, FILE))
            result = start(directory, data)
            if result is not None:
                refused += 1
                assert result.returncode == 2 and os.path.join(data, FILE) in result.stderr, result
                assert digest(os.path.join(data, FILE)) == before
        assert refused > 0
        print(f"       {refused} of them refused")
    with_a_store(run)


def test_what_is_no_file_is_refused():
    with Daemon() as daemon:
        daemon.stop()
        data = os.path.join(daemon.dir, "data")
        os.unlink(os.path.join(data, FILE))
        os.mkdir(os.path.join(data, FILE))
        expect_refusal(daemon.dir, data, "is not a regular file")
        os.rmdir(os.path.join(data, FILE))
        os.mkfifo(os.path.join(data, FILE))
        expect_refusal(daemon.dir, data, "is not a regular file")
        os.unlink(os.path.join(data, FILE))
        os.symlink("nowhere", os.path.join(data, FILE))
        expect_refusal(daemon.dir, data, "No such file")


def test_what_may_not_be_read_or_written_is_refused():
    if os.geteuid() != 0:
        raise Skip("needs root, to run the daemon as somebody else")
    nobody = 65534

    def become():
        os.setgid(nobody)
        os.setuid(nobody)

    with Daemon() as daemon:
        daemon.stop()
        data = os.path.join(daemon.dir, "data")
        program = shutil.copy(os.path.join(BUILD, "ordinald"), daemon.dir)  # the tree may be in a home that is closed to others
        other = {"program": program, "preexec_fn": become}
        os.chmod(daemon.dir, 0o777)
        os.chmod(data, 0o777)
        for name in os.listdir(data):
            os.chmod(os.path.join(data, name), 0)
        expect_refusal(daemon.dir, data, "Permission denied", **other)
        os.chmod(os.path.join(data, FILE), 0o444)
        expect_refusal(daemon.dir, data, "Permission denied", **other)
        os.chmod(data, 0)
        result = start(daemon.dir, data, **other)
        assert result.returncode == 2 and f"cannot open the data directory {data}: Permission denied" in result.stderr, result


if __name__ == "__main__":
    harness.main(sys.modules["__main__"])
