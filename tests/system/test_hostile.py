"""Malformed, huge, slow, hostile and concurrent input: a clear refusal, nothing half applied, and names go on."""

import json
import os
import resource
import socket
import struct
import sys
import threading

import harness
from harness import Daemon, query, until

SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
           "spec": {"clusterIP": "10.96.0.9", "ports": [{"name": "p", "port": 80}]}}
NAME = "s.default.svc.cluster.local."
SERVICES = "/api/v1/namespaces/default/services"


def served(daemon):
    assert daemon.addresses(NAME) == ["10.96.0.9"]


def refused(daemon, method, path, body, code, text, content="application/json"):
    before = daemon.get(SERVICES)["items"]
    status, reply = daemon.request(method, path, body, content)
    assert status == code, f"{method} {path} {str(body)[:80]}: {status} {reply}"
    assert reply["kind"] == "Status" and reply["code"] == code and text in reply["message"], reply
    assert daemon.get(SERVICES)["items"] == before, "something was applied"


def changed(path, value):
    body = json.loads(json.dumps(SERVICE))
    body["metadata"]["name"] = "other"
    at = body
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = value
    return body


def test_bad_requests_are_refused_with_the_field():
    with Daemon() as d:
        d.create(SERVICE)
        rows = [
            (SERVICE, 409, 'services "s" already exists'),
            (b"{", 400, ""), (b"", 400, ""), (b"[]", 400, ""), (b'"x"', 400, ""), (b"\xff\xfe", 400, ""),
            (b'{"a":"\\u0000"}', 400, ""), (b'{"kind":"Service","kind":"Pod"}', 400, ""),
            (b"[" * 100000, 400, ""), (b'{"a":' * 5000, 400, ""),
            (b'{"metadata":{"name":"x"},"spec":' + b'{"a":' * 64 + b"1" + b"}" * 64 + b"}", 400, ""),
            (changed(("kind",), "Gadget"), 400, ""), (changed(("apiVersion",), "v2"), 400, ""),
            (changed(("metadata", "name"), "UPPER"), 422, "metadata.name"),
            (changed(("metadata", "name"), "x" * 300), 422, "metadata.name"),
            (changed(("metadata", "namespace"), "elsewhere"), 400, ""),
            (changed(("metadata", "labels"), {"bad key!": "x"}), 422, "metadata.labels"),
            (changed(("spec", "ports"), [{"port": 0}]), 422, "spec.ports[0].port"),
            (changed(("spec", "ports"), [{"port": 70000}]), 422, "spec.ports[0].port"),
            (changed(("spec", "ports"), [{"port": 80}, {"port": 81}]), 422, "spec.ports"),
            (changed(("spec", "ports"), "many"), 400, "spec.ports"),
            (changed(("spec", "clusterIP"), "1.2.3.4"), 422, "spec.clusterIP"),
            (changed(("spec", "clusterIP"), "10.96.0.9"), 422, "spec.clusterIP"),
            (changed(("spec", "clusterIP"), "nonsense"), 422, "spec.clusterIP"),
            (changed(("spec", "type"), "Magic"), 422, "spec.type"),
        ]
        for body, code, text in rows:
            refused(d, "POST", SERVICES, body, code, text)
        refused(d, "POST", SERVICES, b'{"metadata":{"name":"big"},"x":"' + b"y" * (4 << 20) + b'"}', 413, "")
        refused(d, "POST", "/api/v1/namespaces/absent/services", changed(("metadata", "name"), "a"), 404, 'namespaces "absent" not found')
        refused(d, "POST", "/api/v1/gadgets", {}, 404, "")
        refused(d, "PUT", SERVICES, {}, 405, "")
        refused(d, "PATCH", SERVICES + "/s", {"spec": {"ports": [{"port": -1}]}}, 422, "spec.ports[0].port", "application/merge-patch+json")
        refused(d, "PATCH", SERVICES + "/s", [{"op": "remove", "path": "/spec/none"}], 422, "", "application/json-patch+json")
        refused(d, "PATCH", SERVICES + "/s", {"a": 1}, 415, "", "text/plain")
        refused(d, "GET", SERVICES + "?labelSelector=a%3D%3D%3Db%2C%2C", None, 400, "")
        refused(d, "GET", SERVICES + "?fieldSelector=spec.magic%3Dx", None, 400, "field label not supported: spec.magic")
        served(d)


def test_a_daemon_that_says_ready_has_its_namespaces():
    for _ in range(5):  # A23
        with Daemon() as d:
            names = {n["metadata"]["name"] for n in d.get("/api/v1/namespaces")["items"]}
            assert names == {"default", "kube-system", "kube-public", "kube-node-lease"}, names


def test_strict_validation_names_unknown_fields():
    with Daemon() as d:
        body = changed(("spec", "portz"), [])
        refused(d, "POST", SERVICES + "?fieldValidation=Strict", body, 400, 'unknown field "spec.portz"')


def test_no_descriptors_left():
    d = Daemon()
    try:
        d.start()
        resource.prlimit(d.process.pid, resource.RLIMIT_NOFILE, (80, 80))
        d.create(SERVICE)
        host, port = d.http[7:].rsplit(":", 1)
        hog = []
        for target in [(host, int(port)), d.dns] * 100:
            try:
                s = socket.create_connection(target, timeout=2)
                s.sendall(b"G" if target != d.dns else b"\0")
                hog.append(s)
            except OSError:
                pass
            if len(hog) % 50 == 0:
                served(d)
        served(d)
        for s in hog:
            s.close()
        until("the API answers again", lambda: answers(d))
        assert harness.Reply(d.ask_raw(query(NAME, "A"), tcp=True)).data() == ["10.96.0.9"]
        d.stop()
    finally:
        d.__exit__(None, None, None)


def answers(d):
    try:
        return d.request("GET", SERVICES)[0] == 200
    except OSError:
        return False


def test_slow_and_half_open_clients_do_not_hold_anybody_up():
    with Daemon() as d:
        d.create(SERVICE)
        host, port = d.http[7:].rsplit(":", 1)
        slow = []
        for i in range(60):
            s = socket.create_connection((host, int(port)), timeout=10)
            s.sendall(b"POST /api/v1/namespaces/default/services HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{"[:20 + i])
            slow.append(s)
            t = socket.create_connection(d.dns, timeout=10)
            t.sendall(struct.pack("!H", 50) + b"x" * (i % 40))
            slow.append(t)
        for _ in range(50):
            served(d)
            assert d.request("GET", SERVICES)[0] == 200
        for s in slow:
            s.close()
        served(d)


def test_concurrent_writers_of_one_object_lose_nothing():
    with Daemon() as d:
        d.must("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "counter"}, "data": {"n": "0"}})
        path = "/api/v1/namespaces/default/configmaps/counter"

        def add(times):
            done = 0
            while done < times:
                obj = d.get(path)
                obj["data"]["n"] = str(int(obj["data"]["n"]) + 1)
                status, _ = d.request("PUT", path, obj)
                assert status in (200, 409), status
                done += status == 200
        threads = [threading.Thread(target=add, args=(25,)) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert d.get(path)["data"]["n"] == "200"


def test_a_browser_cannot_reach_the_api():
    with Daemon() as d:
        host, port = d.http[7:].rsplit(":", 1)
        for header in (b"Host: evil.example\r\n", b"Host: 127.0.0.1:" + port.encode() + b"\r\nOrigin: http://evil.example\r\n"):
            with socket.create_connection((host, int(port)), timeout=10) as s:
                s.sendall(b"GET /api/v1/pods HTTP/1.1\r\n" + header + b"Connection: close\r\n\r\n")
                reply = b""
                while True:
                    more = s.recv(65536)
                    if not more:
                        break
                    reply += more
            assert reply.split(b" ")[1] == b"403", reply[:200]


def test_memory_does_not_grow_with_hostile_packets():
    with Daemon() as d:
        d.create(SERVICE)

        def resident():
            with open(f"/proc/{d.process.pid}/statm") as f:
                return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

        def flood(count):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.connect(d.dns)
                for i in range(count):
                    try:
                        s.send(os.urandom(12 + i % 500))
                    except OSError:
                        pass
        flood(5000)
        before = resident()
        flood(50000)
        served(d)
        assert resident() - before < 16 << 20, f"grew by {resident() - before} bytes"


if __name__ == "__main__":
    harness.main(sys.modules["__main__"])
