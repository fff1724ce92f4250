"""The servers of the comparison, each with one thread or process for queries, started from a configuration of its own on a free port
of 127.0.0.1, and killed at the end. Each has a label, an address, and processes() whose CPU time and memory are its own."""

import contextlib
import http.client
import os
import shutil
import socket
import struct
import subprocess
import threading
import time

import compare_data
from compare_data import FORWARD, RANGE, REVERSE

START_S = 600  # a million endpoints take their time
CONNECTIONS = 8
PATH = ":/usr/sbin:/sbin"


class Missing(Exception):
    """The server cannot be had here; the comparison goes on without it."""


def free_port():
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        udp.bind(tcp.getsockname())
        return tcp.getsockname()[1]


def wire_query(name, qtype):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
    return struct.pack(">6H", 4660, 0x100, 1, 0, 0, 1) + labels + struct.pack(">BHHBHHIH", 0, qtype, 1, 0, 41, 1232, 0, 0)


def exchange(address, name, qtype, timeout=1.0):
    """(rcode, AA, answers, authorities) of the reply, or None."""
    with socket.socket(type=socket.SOCK_DGRAM) as s:
        s.settimeout(timeout)
        try:
            s.connect(address)
            s.send(wire_query(name, qtype))
            reply = s.recv(65535)
        except OSError:
            return None
    _, flags, _, answers, authorities, _ = struct.unpack(">6H", reply[:12])
    return flags & 15, flags >> 10 & 1, answers, authorities


class Server:
    label = None
    kinds = {"hit", "nxdomain", "srv"}
    most = 10**7  # endpoints that it is asked to hold

    def __init__(self, folder, build, cpu):
        self.folder = os.path.join(folder, self.label.replace(" ", "-"))
        self.build, self.cpu = build, cpu
        os.makedirs(self.folder)
        self.process = None

    def launch(self, command, env=None, stdout=None):
        log = open(os.path.join(self.folder, "log"), "wb")
        self.process = subprocess.Popen(command, stdout=stdout or log, stderr=log, env=env, preexec_fn=self.settle)
        log.close()

    def settle(self):
        """Pinned, and ahead of the other work of a shared machine where that is allowed."""
        if self.cpu is not None:
            os.sched_setaffinity(0, {self.cpu})
        with contextlib.suppress(OSError):
            os.nice(-15)

    def wait_answers(self, name=FORWARD, qtype=6):
        until = time.monotonic() + START_S
        while (exchange(self.address, name, qtype) or (2, 0))[:2] != (0, 1):
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{self.label} does not answer:\n{self.log()}")
            time.sleep(0.05)

    def log(self):
        with open(os.path.join(self.folder, "log"), errors="replace") as f:
            return f.read()[-4000:]

    def processes(self):
        """The process and all below it."""
        parents = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as f:
                parents.setdefault(int(f.read().rsplit(")", 1)[1].split()[1]), []).append(int(pid))
        found = [self.process.pid]
        for pid in found:
            found += parents.get(pid, [])
        return found

    def memory(self):
        """RSS and PSS of all processes, in octets."""
        rss = pss = 0
        for pid in self.processes():
            with open(f"/proc/{pid}/smaps_rollup") as f:
                for line in f:
                    word = line.split()
                    rss += int(word[1]) * 1024 if word[0] == "Rss:" else 0
                    pss += int(word[1]) * 1024 if word[0] == "Pss:" else 0
        return rss, pss

    def cpu_s(self):
        total = 0
        for pid in self.processes():
            with open(f"/proc/{pid}/stat") as f:
                words = f.read().rsplit(")", 1)[1].split()
            total += (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
        return total

    def target(self):
        return f"{self.label}={self.address[0]}:{self.address[1]}/{'+'.join(map(str, self.processes()))}"

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Reflector(Server):
    """Sends back what it gets; the floor of every figure."""
    label = "reflector"
    octets = []

    def start(self, data):
        self.launch([os.path.join(self.build, "tests/bench_udp"), "reflector"] + self.octets, stdout=subprocess.PIPE)
        host, port = self.process.stdout.readline().decode().split()[0].split(":")
        self.address = host, int(port)


class LongReflector(Reflector):
    """Its datagrams are as long as an SRV answer with five targets, what the kernel alone takes for those."""
    label = "reflector, 393 octets"
    kinds = {"srv"}
    octets = ["393"]


class Ordinald(Server):
    """The whole daemon: API, store (in memory) and zones; one DNS worker."""
    label = "ordinald"
    settings = ["store.kind=memory", "dns.workers=1", "dns.listen=127.0.0.1:0", "api.listen=127.0.0.1:0", "metrics.listen=127.0.0.1:0",
                "nodes.pod-range=" + RANGE, "nodes.service-range=172.16.0.0/12", "zone.pods=disabled", "zone.ns-address=127.0.0.1",
                "log.level=warn"]
    explain = "192.0.2.0/24"  # as the others, it does not say why a name is not there

    def start(self, data):
        self.api = os.path.join(self.folder, "api.sock")
        settings = self.settings + ["store.path=" + self.folder, "access.explain=" + self.explain, "api.socket=" + self.api]
        command = [os.path.join(self.build, "ordinald")] + [word for s in settings for word in ("--set", s)]
        self.launch(command, stdout=subprocess.PIPE)
        ready = self.process.stdout.readline().decode().split()
        if not ready or ready[0] != "ready":
            raise RuntimeError(f"ordinald does not start:\n{self.log()}")
        fields = dict(word.split("=", 1) for word in ready if "=" in word)
        host, port = fields["dns"].split(",")[0].split(":")
        self.address, self.http = (host, int(port)), fields["http"]
        self.fill(data)

    def connect(self):
        connection = http.client.HTTPConnection("localhost", timeout=60)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(self.api)
        return connection

    @staticmethod
    def write(connection, method, path, body):
        connection.request(method, path, body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        text = reply.read()
        if reply.status not in (200, 201):
            raise RuntimeError(f"{method} {path}: {reply.status} {text[:200]}")

    def fill(self, data):
        """Each Service and its slice, over some connections at once: writers share commits."""
        objects, lock, failed = data.objects(), threading.Lock(), []

        def work():
            connection = self.connect()
            while not failed:
                with lock:
                    path, body = next(objects, (None, None))
                if path is None:
                    return
                try:
                    self.write(connection, "POST", path, body)
                except Exception as e:  # told below, once
                    failed.append(e)
        threads = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]


class OrdinaldTelling(Ordinald):
    """As it comes: its negative answers say why to clients of this machine and to pods."""
    label = "with reasons"
    kinds = {"nxdomain"}
    most = 100000
    explain = "127.0.0.0/8"


class CoreDNS(Server):
    """With its kubernetes plugin, which lists and watches ordinald's API."""
    label = "CoreDNS"
    most = 100000
    program = None

    def __init__(self, folder, build, cpu, ordinald):
        if not self.program:
            raise Missing("CoreDNS: no Go, or no way to the modules")
        super().__init__(folder, build, cpu)
        self.ordinald = ordinald

    def start(self, data):
        self.address = "127.0.0.1", free_port()
        corefile = os.path.join(self.folder, "Corefile")
        with open(corefile, "w") as f:
            f.write(f""".:{self.address[1]} {{
    bind 127.0.0.1
    errors
    loadbalance
    kubernetes {FORWARD} {REVERSE} {{
        endpoint {self.ordinald.http}
        ttl {compare_data.TTL}
        startup_timeout 300s
    }}
}}
""")
        self.launch([self.program, "-conf", corefile], env=dict(os.environ, GOMAXPROCS="1"))
        self.wait_answers()
        last = data.services[-1]
        self.wait_answers(f"{last.host(last.count - 1)}.{last.owner}", 1)


class ZoneFileServer(Server):
    program = None

    def __init__(self, folder, build, cpu, zones):
        unpacked = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build/unpacked")
        self.program_path = shutil.which(self.program, path=f"{unpacked}/usr/sbin:{os.environ.get('PATH', '')}{PATH}")
        if not self.program_path:
            raise Missing(f"{self.label}: no {self.program}; run_compare.sh fetches its Debian package")
        self.env = dict(os.environ)
        if self.program_path.startswith(unpacked):
            machine = subprocess.run(["gcc", "-print-multiarch"], stdout=subprocess.PIPE, text=True).stdout.strip()
            self.env["LD_LIBRARY_PATH"] = f"{unpacked}/usr/lib/{machine}:{unpacked}/lib/{machine}"
        super().__init__(folder, build, cpu)
        self.zones = zones

    def start(self, data):
        self.address = "127.0.0.1", free_port()
        path = os.path.join(self.folder, "conf")
        with open(path, "w") as f:
            f.write(self.conf())
        self.launch([self.program_path] + self.arguments + ["-c", path], env=self.env)
        self.wait_answers()
        self.wait_answers(REVERSE)


class Knot(ZoneFileServer):
    label, program, arguments = "Knot DNS", "knotd", []

    def conf(self):
        zones = "".join(f"  - domain: {name}\n    file: {self.zones}/{file}\n    zonefile-sync: -1\n    journal-content: none\n"
                        for name, file in ((FORWARD, "forward.zone"), (REVERSE, "reverse.zone")))
        return f"""server:
    rundir: {self.folder}
    listen: {self.address[0]}@{self.address[1]}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    answer-rotation: on
database:
    storage: {self.folder}
log:
  - target: stderr
    any: warning
zone:
{zones}"""


class Nsd(ZoneFileServer):
    label, program, arguments = "NSD", "nsd", ["-d"]

    def conf(self):
        zones = "".join(f"zone:\n  name: {name}\n  zonefile: {self.zones}/{file}\n"
                        for name, file in ((FORWARD, "forward.zone"), (REVERSE, "reverse.zone")))
        here = self.folder
        return f"""server:
  ip-address: {self.address[0]}@{self.address[1]}
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "{here}"
  database: ""
  pidfile: "{here}/pid"
  xfrdfile: "{here}/xfrd.state"
  zonelistfile: "{here}/zone.list"
  xfrdir: "{here}"
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
  round-robin: yes
remote-control:
  control-enable: no
{zones}"""
