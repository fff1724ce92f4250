"""A running ordinald for system tests: start, kill, restart, its API and its names. Standard library only.

No sleeps: `until` polls a condition within a deadline, and everything else waits for an answer of the daemon."""

import http.client
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

# Zone names that every rule must hold under: the usual one, another, one label, as many labels as fit, and the longest (conf/check.c).
FEW_ZONES = ["cluster.local.", "k8s.test."]
MANY_LABELS = "".join(c + "." for c in 2 * "abcdefghijklmnopqrstuvwxyz0123")
LONGEST = "z" * 63 + "." + "y" * 56 + "."
ZONES = FEW_ZONES + ["k.", MANY_LABELS, LONGEST]

BUILD = os.environ.get("ORDINALD_BUILD", os.path.join(os.path.dirname(__file__), "../../build/debug"))
DEADLINE_S = 60

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "HINFO": 13, "MX": 15, "TXT": 16, "AAAA": 28, "LOC": 29,
         "SRV": 33, "NAPTR": 35, "DS": 43, "HTTPS": 65, "SVCB": 64, "CAA": 257, "ANY": 255, "AXFR": 252, "IXFR": 251}
TYPE_NAMES = {v: k for k, v in TYPES.items()}
RCODES = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH"]


def until(what, condition, deadline_s=DEADLINE_S):
    """Polls condition() until it is true; returns its value. Fails with `what` after the deadline."""
    end = time.monotonic() + deadline_s
    pause = 0.002
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("never came true: " + what)
        select_wait(pause)
        pause = min(pause * 1.5, 0.1)


def select_wait(seconds):
    """Waits without a condition to listen to (the poll interval of `until`)."""
    import select
    select.select([], [], [], seconds)


# ---- names on the wire ----

def name_wire(text):
    out = b""
    label = b""
    i = 0
    if text == ".":
        return b"\0"
    while i < len(text):
        c = text[i]
        if c == "\\":
            if text[i + 1].isdigit():
                label += bytes([int(text[i + 1:i + 4])])
                i += 4
            else:
                label += text[i + 1].encode()
                i += 2
            continue
        if c == ".":
            out += bytes([len(label)]) + label
            label = b""
        else:
            label += c.encode()
        i += 1
    if label:
        out += bytes([len(label)]) + label
    return out + b"\0"


def name_read(message, at):
    labels = []
    jumps = 0
    end = None
    while True:
        n = message[at]
        if n >= 0xC0:
            if end is None:
                end = at + 2
            at = struct.unpack("!H", message[at:at + 2])[0] & 0x3FFF
            jumps += 1
            assert jumps < 100, "compression loop"
            continue
        at += 1
        if n == 0:
            break
        labels.append(message[at:at + n])
        at += n
    text = ".".join(label.decode("latin-1").replace(".", "\\.") for label in labels) + "."
    return text, end if end is not None else at


def query(name, qtype, rd=False, edns=None, qclass=1, ident=None, do=False, version=0):
    ident = ident if ident is not None else int.from_bytes(os.urandom(2), "big")
    number = TYPES.get(qtype) or int(str(qtype).replace("TYPE", ""))
    message = struct.pack("!HHHHHH", ident, 0x0100 if rd else 0, 1, 0, 0, 1 if edns else 0)
    message += name_wire(name) + struct.pack("!HH", number, qclass)
    if edns:
        message += b"\0" + struct.pack("!HHIH", 41, edns, (version << 16) | (0x8000 if do else 0), 0)
    return message


class Record:
    def __init__(self, name, rtype, ttl, data):
        self.name, self.type, self.ttl, self.data = name, rtype, ttl, data

    def __repr__(self):
        return f"{self.name} {self.ttl} {self.type} {self.data}"


class Reply:
    """A strictly parsed response: every byte accounted for."""

    def __init__(self, message):
        self.message = message
        self.id, flags, qd, an, ns, ar = struct.unpack("!HHHHHH", message[:12])
        self.qr, self.aa, self.tc = bool(flags & 0x8000), bool(flags & 0x400), bool(flags & 0x200)
        self.rd, self.ra, self.z = bool(flags & 0x100), bool(flags & 0x80), bool(flags & 0x40)
        self.ad, self.cd = bool(flags & 0x20), bool(flags & 0x10)
        self.opcode = flags >> 11 & 15
        self.rcode = RCODES[flags & 15] if flags & 15 < len(RCODES) else str(flags & 15)
        self.opt = None
        at = 12
        self.question = b""
        for _ in range(qd):
            _, end = name_read(message, at)
            self.question += message[at:end + 4]
            at = end + 4
        self.answer, at = self._section(at, an)
        self.authority, at = self._section(at, ns)
        self.additional, at = self._section(at, ar)
        assert at == len(message), "bytes left over"

    def _section(self, at, count):
        out = []
        for _ in range(count):
            name, at = name_read(self.message, at)
            rtype, rclass, ttl, length = struct.unpack("!HHIH", self.message[at:at + 10])
            at += 10
            data = self.message[at:at + length]
            assert len(data) == length
            if rtype == 41:
                self.opt = (rclass, ttl, data)
            else:
                out.append(Record(name, TYPE_NAMES.get(rtype, f"TYPE{rtype}"), ttl, self._rdata(rtype, at, length)))
            at += length
        return out, at

    def _rdata(self, rtype, at, length):
        m = self.message
        data = m[at:at + length]
        if rtype == 1:
            return socket.inet_ntop(socket.AF_INET, data)
        if rtype == 28:
            return socket.inet_ntop(socket.AF_INET6, data)
        if rtype in (2, 5, 12):
            return name_read(m, at)[0]
        if rtype == 33:
            return "%d %d %d %s" % (struct.unpack("!HHH", data[:6]) + (name_read(m, at + 6)[0],))
        if rtype == 6:
            mname, after = name_read(m, at)
            rname, after = name_read(m, after)
            return "%s %s %d %d %d %d %d" % ((mname, rname) + struct.unpack("!IIIII", m[after:after + 20]))
        if rtype == 16:
            return " ".join('"%s"' % part for part in strings(data))
        return data.hex()

    def data(self, rtype=None):
        return [r.data for r in self.answer if rtype is None or r.type == rtype]


def strings(data):
    while data:
        yield data[1:1 + data[0]].decode("latin-1")
        data = data[1 + data[0]:]


# ---- the daemon ----

class Daemon:
    def __init__(self, *settings, keep=False):
        self.dir = tempfile.mkdtemp(prefix="ordinald-test-")
        self.settings = list(settings)
        self.process = None
        self.env = None  # of the daemon; None: ours
        self.keep = keep
        self.socket = os.path.join(self.dir, "api.sock")
        self.dns = self.http = self.https = self.metrics = None
        self.ports = {"dns": "127.0.0.1:0", "http": "127.0.0.1:0"}

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        if self.process and self.process.poll() is None:
            self.stop(check=exc[0] is None)
        if exc[0] is not None:
            sys.stderr.write(self.log()[-12000:])
        if not self.keep:
            shutil.rmtree(self.dir, ignore_errors=True)

    def start(self, *more):
        # After the first start the ports stay what they were, so that clients find a restarted daemon.
        arguments = [os.path.join(BUILD, "ordinald"),
                     "--set", "dns.listen=" + self.ports["dns"], "--set", "api.listen=" + self.ports["http"],
                     "--set", "api.socket=" + self.socket, "--set", "metrics.listen=127.0.0.1:0",
                     "--set", "store.path=" + os.path.join(self.dir, "data"), "--set", "dns.workers=2"]
        for setting in self.settings + list(more):
            arguments += ["--set", setting]
        self.log_file = open(os.path.join(self.dir, "log"), "ab")
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=self.log_file, text=True, env=self.env)
        line = self.process.stdout.readline()
        assert line.startswith("ready "), "no ready line: " + repr(line) + self.log()
        fields = dict(field.split("=", 1) for field in line.split()[1:])
        self.ports = {"dns": fields["dns"].split(",")[0], "http": fields["http"]}
        host, port = self.ports["dns"].rsplit(":", 1)
        self.dns = (host, int(port))
        self.http = "http://" + fields["http"]
        self.https = fields.get("https")  # of a daemon with TLS: ADDR:PORT
        self.metrics = fields["metrics"]
        return self

    def log(self):
        with open(os.path.join(self.dir, "log"), errors="replace") as f:
            return f.read()

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def stop(self, check=True):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=DEADLINE_S)
        self.process.stdout.close()
        if check:
            assert code == 0, f"exit {code}\n" + self.log()[-12000:]

    # ---- the API over the Unix socket ----

    def request(self, method, path, body=None, content="application/json"):
        connection = http.client.HTTPConnection("localhost", timeout=DEADLINE_S)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(DEADLINE_S)
        connection.sock.connect(self.socket)
        data = None if body is None else body if isinstance(body, (bytes, str)) else json.dumps(body)
        connection.request(method, path, body=data, headers={"Content-Type": content} if data is not None else {})
        response = connection.getresponse()
        text = response.read()
        connection.close()
        try:
            return response.status, json.loads(text)
        except ValueError:
            return response.status, text

    def must(self, method, path, body=None, content="application/json"):
        status, reply = self.request(method, path, body, content)
        assert status < 300, f"{method} {path}: {status} {reply}"
        return reply

    def create(self, obj):
        """POST, then the status through its own door (A25)."""
        path = collection(obj)
        reply = self.must("POST", path, obj)
        if "status" in obj:
            reply = self.must("PATCH", path + "/" + obj["metadata"]["name"] + "/status", {"status": obj["status"]},
                              "application/merge-patch+json")
        return reply

    def get(self, path):
        return self.must("GET", path)

    # ---- names ----

    def ask_raw(self, message, tcp=False):
        return exchange(self.dns, message, tcp)

    def ask(self, name, qtype="A", tcp=False, **options):
        message = query(name, qtype, **options)
        reply = Reply(self.ask_raw(message, tcp))
        assert reply.qr and reply.id == struct.unpack("!H", message[:2])[0]
        return reply

    def addresses(self, name, qtype="A"):
        return sorted(self.ask(name, qtype).data(qtype))


def exchange(server, message, tcp=False):
    """One query and its answer, as bytes; server is (host, port)."""
    if tcp:
        with socket.create_connection(server, timeout=DEADLINE_S) as s:
            s.sendall(struct.pack("!H", len(message)) + message)
            return read_message(s)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        s.connect(server)
        for attempt in range(3):  # a datagram may be lost on a loaded machine
            s.send(message)
            try:
                return s.recv(65535)
            except socket.timeout:
                if attempt == 2:
                    raise
    return None


def read_exact(s, count):
    data = b""
    while len(data) < count:
        more = s.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def read_message(s):
    return read_exact(s, struct.unpack("!H", read_exact(s, 2))[0])


PLURAL = {"Namespace": "namespaces", "Service": "services", "EndpointSlice": "endpointslices", "Pod": "pods",
          "StatefulSet": "statefulsets", "PersistentVolumeClaim": "persistentvolumeclaims", "Node": "nodes",
          "PersistentVolume": "persistentvolumes", "StorageClass": "storageclasses", "ConfigMap": "configmaps"}
CLUSTER_SCOPED = {"Namespace", "Node", "PersistentVolume", "StorageClass"}


def collection(obj):
    version = obj["apiVersion"]
    base = "/api/v1" if version == "v1" else "/apis/" + version
    if obj["kind"] in CLUSTER_SCOPED:
        return f"{base}/{PLURAL[obj['kind']]}"
    return f"{base}/namespaces/{obj['metadata'].get('namespace', 'default')}/{PLURAL[obj['kind']]}"


def kubia(replicas=3):
    """The governing Service and the set of conf/kubia.yaml, without disks."""
    labels = {"app": "kubia"}
    return [{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kubia"},
             "spec": {"clusterIP": "None", "selector": labels, "ports": [{"name": "http", "port": 80}]}},
            {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "kubia"},
             "spec": {"serviceName": "kubia", "replicas": replicas, "selector": {"matchLabels": labels},
                      "template": {"metadata": {"labels": labels},
                                   "spec": {"containers": [{"name": "kubia", "image": "kubia-pet"}]}}}}]


# ---- a test program: functions called test_*, run in order, with a closing line that counts ----

class Skip(Exception):
    """Raised by a test that cannot run here; the text says what is missing."""


def main(module, zones=None):
    """zones: every test runs once for each, with the name in module.ZONE."""
    passed = failed = skipped = 0
    wanted = sys.argv[1:]
    for zone in zones or [None]:
        if zone:
            module.ZONE = zone
        for name, test in list(vars(module).items()):
            if not name.startswith("test_") or (wanted and name not in wanted):
                continue
            title = name if not zone else f"{name} {zone if len(zone) < 20 else zone[:17] + '...'}"
            try:
                test()
                passed += 1
                print("ok   ", title, flush=True)
            except Skip as why:
                skipped += 1
                print("skip ", title, "-", why, flush=True)
            except Exception:  # every failure of a test counts, whatever it raises
                failed += 1
                import traceback
                traceback.print_exc()
                print("FAIL ", title, flush=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    sys.exit(1 if failed or passed + skipped == 0 else 0)
