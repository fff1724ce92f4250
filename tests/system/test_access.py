"""Who may do what: peers of the Unix socket and of loopback TCP by their uid, beyond that TLS with client certificates."""

import http.client
import json
import os
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import warnings

import harness
from harness import DEADLINE_S, Daemon, Skip, until
from test_reload import reloads

PODS = "/api/v1/namespaces/default/pods"
NOBODY = 65534
CTL = os.path.join(harness.BUILD, "ordctl")


# ---- certificates ----

class Certificates:
    """A CA, a server and clients, made by the openssl command in a directory of their own."""

    def __init__(self):
        if not shutil.which("openssl"):
            raise Skip("no openssl command")
        self.dir = tempfile.mkdtemp(prefix="ordinald-tls-")
        self.authority("ca")
        self.issue("server", "/CN=ordinald", "subjectAltName=IP:127.0.0.1,DNS:ordinald.test\nextendedKeyUsage=serverAuth")
        for name, subject in (("admin", "/O=system:masters/CN=alice"), ("reader", "/O=ordinald:readers/CN=rita"),
                              ("n1", "/O=system:nodes/CN=system:node:n1"), ("n2", "/O=system:nodes/CN=system:node:n2"),
                              ("x", "/CN=x")):
            self.issue(name, subject)

    def path(self, name):
        return os.path.join(self.dir, name)

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60, cwd=self.dir)

    def key(self, name):
        self.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", name + ".key")

    def authority(self, name):
        self.key(name)
        self.openssl("req", "-x509", "-new", "-key", name + ".key", "-subj", "/CN=" + name, "-days", "2", "-out", name + ".crt")

    def issue(self, name, subject, extensions="extendedKeyUsage=clientAuth", ca="ca", days="2"):
        self.key(name)
        with open(self.path(name + ".ext"), "w") as f:
            f.write(extensions + "\n")
        self.openssl("req", "-new", "-key", name + ".key", "-subj", subject, "-out", name + ".csr", "-utf8")
        self.openssl("x509", "-req", "-in", name + ".csr", "-CA", ca + ".crt", "-CAkey", ca + ".key", "-CAcreateserial",
                     "-days", days, "-extfile", name + ".ext", "-out", name + ".crt")

    def settings(self):
        return ["api.tls-cert=" + self.path("server.crt"), "api.tls-key=" + self.path("server.key"),
                "api.tls-client-ca=" + self.path("ca.crt")]

    def context(self, name=None):
        context = ssl.create_default_context(cafile=self.path("ca.crt"))
        if name:
            context.load_cert_chain(self.path(name + ".crt"), self.path(name + ".key"))
        return context

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)


CERTS = None


def certs():
    global CERTS
    if CERTS is None:
        CERTS = Certificates()
    return CERTS


def tls_daemon(*settings):
    return Daemon("api.listen=https://127.0.0.1:0", *certs().settings(), *settings)


def ask(daemon, who, method, path, body=None, headers=None):
    """One request over TLS with the certificate of `who`: (status, JSON or bytes)."""
    host, port = daemon.https.rsplit(":", 1)
    connection = http.client.HTTPSConnection(host, int(port), timeout=DEADLINE_S, context=certs().context(who))
    try:
        content = "application/merge-patch+json" if method == "PATCH" else "application/json"
        connection.request(method, path, body=None if body is None else json.dumps(body),
                           headers=dict({"Content-Type": content} if body is not None else {}, **(headers or {})))
        response = connection.getresponse()
        text = response.read()
    finally:
        connection.close()
    try:
        return response.status, json.loads(text)
    except ValueError:
        return response.status, text


def handshake_fails(daemon, context):
    host, port = daemon.https.rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), timeout=DEADLINE_S) as raw:
            with context.wrap_socket(raw, server_hostname=host) as s:
                s.sendall(b"GET /version HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                return not s.recv(100)  # TLS 1.3: the client learns of the refusal when it reads
    except (ssl.SSLError, ConnectionError):
        return True


def metric(daemon, name):
    connection = http.client.HTTPConnection(daemon.metrics, timeout=DEADLINE_S)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.split("{")[0].split(" ")[0] == name)


# ---- TLS ----

def test_roles_come_from_the_certificate():
    with tls_daemon() as d:
        assert ask(d, "admin", "POST", "/api/v1/nodes", {"metadata": {"name": "n1"}})[0] == 201
        pod = {"metadata": {"name": "p"}, "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}}
        status, pod = ask(d, "admin", "POST", PODS, pod)
        assert status == 201, pod
        assert ask(d, "reader", "GET", PODS)[0] == 200
        assert ask(d, "reader", "DELETE", PODS)[0] == 403
        running = {"status": {"phase": "Running"}}
        assert ask(d, "n1", "PATCH", PODS + "/p/status", running)[0] == 200
        assert ask(d, "n2", "PATCH", PODS + "/p/status", running)[0] == 403
        assert ask(d, "n2", "PATCH", "/api/v1/nodes/n1", {"spec": {"unschedulable": True}})[0] == 403
        confirm = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
        assert ask(d, "n2", "DELETE", PODS + "/p", confirm)[0] == 403
        assert ask(d, "n1", "DELETE", PODS + "/p", confirm)[0] == 200
        status, reply = ask(d, "x", "GET", PODS)
        assert (status, reply["message"]) == (403, 'pods is forbidden: User "x" cannot list resource "pods" in API group "" in the '
                                                   'namespace "default"'), reply
        assert ask(d, "admin", "POST", "/ordinald/v1/backup", {"directory": d.dir + "/copy"})[0] == 403  # the Unix socket's alone


def test_only_certificates_of_the_authority_get_in():
    c = certs()
    c.authority("other-ca")
    c.issue("stranger", "/O=system:masters/CN=mallory", ca="other-ca")
    c.issue("expired", "/O=system:masters/CN=late", days="-1")
    c.issue("two-names", "/O=system:masters/CN=a/CN=b")
    c.issue("no-name", "/O=system:masters")
    with tls_daemon("log.level=debug") as d:
        before = metric(d, "ordinald_http_tls_failures_total")
        strangers = [c.context(), c.context("stranger"), c.context("server"), c.context("expired")]
        for context in strangers:
            assert handshake_fails(d, context)
        old = c.context("admin")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old.minimum_version = ssl.TLSVersion.TLSv1
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        weak = c.context("admin")
        weak.maximum_version = ssl.TLSVersion.TLSv1_2
        weak.set_ciphers("AES128-SHA:AES256-GCM-SHA384")  # no forward secrecy
        for context in (old, weak):
            assert handshake_fails(d, context)
        until("failures are counted", lambda: metric(d, "ordinald_http_tls_failures_total") >= before + len(strangers) + 2)
        assert "api=handshake" in d.log()
        for name in ("two-names", "no-name"):  # a subject that two readers could take differently is nobody's
            status, reply = ask(d, name, "GET", PODS)
            assert status == 401 and reply["reason"] == "Unauthorized", reply
        assert ask(d, "admin", "GET", PODS)[0] == 200


def test_tls_1_2_and_1_3_without_resumption():
    with tls_daemon() as d:
        host, port = d.https.rsplit(":", 1)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = certs().context("admin")
            context.minimum_version = context.maximum_version = version
            context.set_alpn_protocols(["h2", "http/1.1"])
            session = None
            for _ in range(2):
                with socket.create_connection((host, int(port)), timeout=DEADLINE_S) as raw:
                    with context.wrap_socket(raw, server_hostname=host, session=session) as s:
                        s.sendall(b"GET /version HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                        assert s.recv(15) == b"HTTP/1.1 200 OK"
                        assert s.selected_alpn_protocol() == "http/1.1"
                        assert not s.session_reused
                        session = s.session if version == ssl.TLSVersion.TLSv1_2 else None


def test_large_bodies_and_pipelines_over_tls():
    with tls_daemon() as d:
        text = "x" * (900 << 10)
        status, reply = ask(d, "admin", "POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "big"}, "data": {"k": text}})
        assert status == 201, reply
        assert ask(d, "reader", "GET", "/api/v1/namespaces/default/configmaps/big")[1]["data"]["k"] == text
        status, reply = ask(d, "admin", "POST", "/api/v1/namespaces/default/configmaps", {"data": {"k": "x" * (4 << 20)}})
        assert status == 413 and reply["kind"] == "Status", reply  # read to its end, not reset
        host, port = d.https.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=DEADLINE_S) as raw:
            with certs().context("reader").wrap_socket(raw, server_hostname=host) as s:
                s.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 50 + b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                data = b""
                while True:
                    more = s.recv(65536)
                    if not more:
                        break
                    data += more
        assert data.count(b"HTTP/1.1 200 OK") == 51, data[:500]


def test_names_of_the_server_over_tls():
    with tls_daemon() as d:
        for host, status in (("127.0.0.1", 200), ("ordinald.test", 200), ("ordinald.test:6443", 200), ("10.1.2.3:6443", 200),
                             ("[fd00::1]:6443", 200), ("localhost", 200), ("evil.example", 403), ("ordinald.test.evil.example", 403),
                             ("", 403)):
            assert ask(d, "admin", "GET", "/livez", headers={"Host": host})[0] == status, host
        for header, value in (("Origin", "https://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site")):
            status, reply = ask(d, "admin", "GET", "/livez", headers={header: value})
            assert status == 403 and header in reply["message"], reply


# ---- ordctl and kubectl ----

def ordctl(*arguments, code=0):
    result = subprocess.run([CTL, *arguments], capture_output=True, text=True, timeout=120)
    assert result.returncode == code, (arguments, result)
    return result.stdout if code == 0 else result.stderr


def flags(who, ca="ca"):
    c = certs()
    return ["--certificate-authority", c.path(ca + ".crt"), "--client-certificate", c.path(who + ".crt"), "--client-key", c.path(who + ".key")]


def test_ordctl_over_tls():
    with tls_daemon() as d:
        server = ["--server", "https://" + d.https]
        assert "default" in ordctl(*server, *flags("admin"), "get", "namespaces")
        assert 'User "rita" cannot delete resource "namespaces"' in ordctl(*server, *flags("reader"), "delete", "namespace", "default", code=1)
        c = certs()
        c.authority("wrong-ca")
        assert "did not answer" in ordctl(*server, *flags("admin", ca="wrong-ca"), "get", "namespaces", code=1)
        assert "go together" in ordctl(*server, "--client-key", c.path("admin.key"), "get", "namespaces", code=1)
        ordctl(*server, "--certificate-authority", c.path("ca.crt"), "get", "namespaces", code=1)  # shows no certificate
        assert "admin.crt" in ordctl(*server, *flags("admin")[:2], "--client-certificate", c.path("no/admin.crt"), "--client-key",
                                     c.path("admin.key"), "get", "namespaces", code=1)


def kubectl(config, *arguments, code=0):
    if not shutil.which("kubectl"):
        raise Skip("no kubectl on the PATH")
    directory = os.path.dirname(config)
    result = subprocess.run(["kubectl", "--kubeconfig", config, "--cache-dir", os.path.join(directory, "cache"), *arguments],
                            capture_output=True, text=True, timeout=120)
    assert result.returncode == code, (arguments, result)
    return (result.stdout if code == 0 else result.stderr).strip()


def written(d, name, *arguments):
    path = os.path.join(d.dir, name)
    with open(path, "w") as f:
        f.write(ordctl(*arguments))
    return path


def test_kubeconfig_for_kubectl_over_tls():
    with tls_daemon() as d:
        server = ["--server", "https://" + d.https]
        shutil.copytree(certs().dir, os.path.join(d.dir, "moved"))
        admin = written(d, "admin.conf", *server, *flags("admin"), "kubeconfig")
        reader = written(d, "reader.conf", *server, *flags("reader"), "-n", "kube-system", "kubeconfig", "--name", "readers", "--embed-certs=false")
        node = written(d, "node.conf", "--server", d.socket, *flags("n1"), "kubeconfig")  # the daemon says where it listens
        nobody = written(d, "x.conf", *server, *flags("x"), "kubeconfig")
        with open(admin) as f:
            assert "client-key-data:" in f.read()
        with open(reader) as f:
            text = f.read()
        assert "client-key: " + certs().path("reader.key") in text.replace('"', "") and "readers" in text and "-data" not in text, text
        assert kubectl(admin, "create", "configmap", "c", "--from-literal=a=b") == "configmap/c created"
        assert kubectl(admin, "auth", "can-i", "*", "*") == "yes"
        assert kubectl(reader, "get", "configmap", "c", "-n", "default", "-o", "jsonpath={.data.a}") == "b"
        assert "No resources found in kube-system namespace." in subprocess.run(
            ["kubectl", "--kubeconfig", reader, "get", "pods"], capture_output=True, text=True, timeout=120).stderr
        assert kubectl(reader, "auth", "can-i", "delete", "pods", code=1) is not None
        refusal = kubectl(reader, "delete", "configmap", "c", "-n", "default", code=1)
        assert refusal == ('Error from server (Forbidden): configmaps "c" is forbidden: User "rita" cannot delete resource "configmaps" in '
                           'API group "" in the namespace "default"'), refusal
        refusal = kubectl(nobody, "get", "pods", code=1)
        assert refusal == ('Error from server (Forbidden): pods is forbidden: User "x" cannot list resource "pods" in API group "" in the '
                           'namespace "default"'), refusal
        try:
            who = kubectl(node, "auth", "whoami")
        except AssertionError as why:
            if "unknown command" not in str(why) and "resource type" not in str(why):
                raise
        else:
            assert "system:node:n1" in who and "system:nodes" in who, who
        rules = kubectl(node, "auth", "can-i", "--list")
        assert "pods/status" in rules and "[n1]" in rules and "*.*" not in rules, rules
        assert kubectl(node, "get", "nodes", "-o", "name") == ""


def test_kubeconfig_on_loopback():
    with Daemon() as d:
        config = written(d, "plain.conf", "--server", d.socket, "kubeconfig")
        assert kubectl(config, "get", "namespace", "default", "-o", "name") == "namespace/default"
        assert "https" in ordctl("--server", d.socket, *flags("admin"), "kubeconfig", code=1)
        c = certs()
        for arguments, text in ((["--client-certificate", c.path("none"), "--client-key", c.path("none")], "No such file"),
                                (["--certificate-authority", c.path("ca.key")], "holds no CERTIFICATE"),
                                (["--certificate-authority", c.dir], "Is a directory")):
            assert text in ordctl("--server", "https://127.0.0.1:1", *arguments, "kubeconfig", code=1)
    with Daemon("api.listen=0.0.0.0:0", *certs().settings()) as d:
        assert "--server https://NAME:PORT" in ordctl("--server", d.socket, *flags("admin"), "kubeconfig", code=1)


# ---- local peers ----

def as_user(uid, gid, groups, work):
    """Runs work() in a child with these ids; what it printed."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        text = ""
        try:
            os.close(read)
            os.setgroups(groups)
            os.setgid(gid)
            os.setuid(uid)
            text = str(work())
        except BaseException as why:
            text = type(why).__name__
        os.write(write, text.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as f:
        text = f.read()
    os.waitpid(child, 0)
    return text


def status_of(family, address, request):
    with socket.socket(family) as s:
        s.settimeout(DEADLINE_S)
        s.connect(address)
        s.sendall(request)
        return s.recv(65536).split(b" ")[1].decode()


READ = b"GET /api/v1/pods HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
BODY = b'{"metadata":{"generateName":"c-"}}'
WRITE = (b"POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
         b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY)


def test_only_owner_and_group_of_the_socket_and_root():
    if os.geteuid() != 0:
        raise Skip("other users can be played by root only")
    with Daemon() as d:
        host, port = d.http[7:].rsplit(":", 1)
        ways = [(socket.AF_INET, (host, int(port))), (socket.AF_UNIX, d.socket)]
        os.chmod(d.dir, 0o755)

        def answers(uid, gid, groups=()):
            return [as_user(uid, gid, list(groups), lambda w=way, r=request: status_of(*w, r)) for way in ways for request in (READ, WRITE)]
        assert os.stat(d.socket).st_mode & 0o7777 == 0o660
        assert answers(0, 0) == ["200", "201"] * 2
        # A stranger reads nothing either: refused by us over TCP, by the file's mode on the socket ...
        assert answers(NOBODY, NOBODY) == ["403", "403", "PermissionError", "PermissionError"]
        os.chmod(d.socket, 0o666)  # ... and by his credentials where somebody has opened the file
        assert answers(NOBODY, NOBODY) == ["403"] * 4
        os.chmod(d.socket, 0o660)
        os.chown(d.socket, 0, NOBODY)  # the group may
        assert answers(NOBODY, NOBODY) == ["200", "201"] * 2
        assert answers(12345, NOBODY)[2:] == ["200", "201"]
        assert answers(12345, 12345, [NOBODY])[2:] == ["200", "201"]
        assert answers(12345, 12345)[:2] == ["403"] * 2
        os.chown(d.socket, NOBODY, 0)  # and the owner
        assert answers(NOBODY, 12345) == ["200", "201"] * 2
        text = d.get("/api/v1/namespaces/default/configmaps")["items"]
        assert len(text) == 1 * 2 + 2 + 1 + 1 + 2, len(text)


# ---- limits of the running daemon ----

def test_out_of_descriptors_accepting_rests_and_recovers():
    with Daemon() as d:
        host, port = d.http[7:].rsplit(":", 1)
        limit = len(os.listdir(f"/proc/{d.process.pid}/fd")) + 2
        before = resource.prlimit(d.process.pid, resource.RLIMIT_NOFILE)
        begin = time.monotonic()
        resource.prlimit(d.process.pid, resource.RLIMIT_NOFILE, (limit, before[1]))
        hog = [socket.create_connection((host, int(port)), timeout=DEADLINE_S) for _ in range(20)]
        until("accept fails for a while", lambda: d.log().count("api=accept error") >= 3)  # a line a second
        assert d.ask("cluster.local.", "SOA").rcode == "NOERROR"
        resource.prlimit(d.process.pid, resource.RLIMIT_NOFILE, before)
        until("the API answers again", lambda: ask_plain(d))
        errors = metric(d, "ordinald_http_accept_errors_total")
        took = time.monotonic() - begin
        assert 3 <= errors <= 3 * (took / 0.2 + 1), (errors, took)  # three listeners, five tries a second each
        for s in hog:
            s.close()


def ask_plain(d):
    try:
        return d.request("GET", "/livez")[0] == 200
    except OSError:
        return False


def closed(s):
    try:
        return not s.recv(65536)
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_idle_handshakes_and_half_requests_are_closed():
    with tls_daemon() as d:
        plain = d.http[7:].rsplit(":", 1)
        secure = d.https.rsplit(":", 1)
        slow = []
        for (host, port), beginning in ((secure, b""), (secure, b"\x16\x03\x01\x02\x00\x01"), (plain, b"GET /livez HTTP/1.1\r\nHost: local"),
                                        (plain, b"GET /livez HTTP/1.1\r\nX: ")):
            s = socket.create_connection((host, int(port)), timeout=DEADLINE_S)
            s.sendall(beginning)
            s.setblocking(False)
            slow.append(s)

        def drip():
            try:
                slow[3].send(b"x")
            except OSError:
                pass
            return all([closed(s) for s in slow])
        until("all are closed", drip)  # 10 s for a handshake, 15 s for a head
        assert metric(d, "ordinald_http_tls_failures_total") == 2
        assert ask(d, "admin", "GET", "/livez")[0] == 200
        for s in slow:
            s.close()


def test_smuggled_requests_are_not_served():
    """The forms of tests/unit/api/test_http.c, those that matter most, over TLS: one refusal, then the end."""
    with tls_daemon() as d:
        host, port = d.https.rsplit(":", 1)
        smuggled = b"GET /api/v1/pods HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        head = b"POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        for rest in (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
                     b"Content-Length: +0\r\n\r\n", b"Transfer-Encoding: xchunked\r\n\r\n", b"Transfer-Encoding: identity\r\n\r\n",
                     b"Content-Length : 0\r\n\r\n", b"X: a\n\r\n\r\n", b"X: a\r\n b\r\n\r\n", b"X: \0\r\n\r\n", b"Host: 127.0.0.1\r\n\r\n",
                     b"Content-Length: 99999999\r\n\r\n"):
            with socket.create_connection((host, int(port)), timeout=DEADLINE_S) as raw:
                with certs().context("admin").wrap_socket(raw, server_hostname=host) as s:
                    s.sendall(head + rest + smuggled)
                    data = b""
                    while True:
                        more = s.recv(65536)
                        if not more:
                            break
                        data += more
            assert data.split(b" ")[1] in (b"400", b"501", b"413") and data.count(b"HTTP/1.1 ") == 1, (rest, data)
        assert d.get("/api/v1/namespaces/default/configmaps")["items"] == []


# ---- configuration ----

def check(*settings):
    arguments = [os.path.join(harness.BUILD, "ordinald"), "--check"]
    for setting in settings:
        arguments += ["--set", setting]
    result = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
    return result.returncode, result.stderr.strip()


def test_files_that_cannot_be_used_are_named():
    c = certs()
    cert, key, ca = c.settings()
    with open(c.path("empty"), "w"):
        pass
    with open(c.path("junk"), "w") as f:
        f.write("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    c.openssl("pkey", "-in", "server.key", "-aes128", "-passout", "pass:secret", "-out", "locked.key")
    c.openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-days", "-1", "-out", "old.crt")
    listen = "api.listen=0.0.0.0:6443"
    assert check(listen, cert, key, ca) == (0, "")
    assert check("api.listen=https://127.0.0.1:6443", cert, key, ca) == (0, "")
    for settings, text in (
            ((listen,), "api.tls-cert: is empty; api.listen 0.0.0.0:6443 needs"),
            (("api.listen=https://127.0.0.1:6443",), "api.tls-cert: is empty"),
            ((listen, cert, ca), "api.tls-key: is empty"),
            ((listen, cert, key), "api.tls-client-ca: is empty"),
            ((cert,), "api.tls-key: is empty"),
            (("api.listen=http://127.0.0.1:80",), "api.listen"),
            ((listen, "api.tls-cert=/nonexistent", key, ca), "api.tls-cert: /nonexistent: No such file or directory"),
            ((listen, cert, "api.tls-key=" + c.dir, ca), f"api.tls-key: {c.dir}: Is a directory"),
            ((listen, cert, "api.tls-key=" + c.path("empty"), ca), "api.tls-key: " + c.path("empty") + ": the file is empty"),
            ((listen, cert, "api.tls-key=" + c.path("admin.key"), ca), "api.tls-key: " + c.path("admin.key") + ": is not the key of api.tls-cert"),
            ((listen, cert, "api.tls-key=" + c.path("ca.crt"), ca), "not a private key in PEM"),
            ((listen, cert, "api.tls-key=" + c.path("locked.key"), ca), "without passphrase"),
            ((listen, "api.tls-cert=" + c.path("junk"), key, ca), "api.tls-cert: " + c.path("junk") + ": not a certificate in PEM"),
            ((listen, "api.tls-cert=" + c.path("old.crt"), key, ca), "the certificate has expired"),
            ((listen, cert, key, "api.tls-client-ca=" + c.path("server.key")), "holds no certificate in PEM")):
        code, error = check(*settings)
        assert code == 1 and text in error, (settings, code, error)
    if os.geteuid() == 0 and shutil.which("setpriv"):
        os.chmod(c.dir, 0o755)
        os.chmod(c.path("server.key"), 0o600)
        result = subprocess.run(["setpriv", "--reuid", str(NOBODY), "--clear-groups", os.path.join(harness.BUILD, "ordinald"), "--check",
                                 "--set", cert, "--set", key, "--set", ca], capture_output=True, text=True, timeout=60)
        assert result.returncode in (1, 126, 127), result  # 126, 127: the build itself is closed to others
        assert result.returncode != 1 or "Permission denied" in result.stderr, result


def test_a_new_certificate_is_read_on_sighup():
    """K-RELOAD: open connections go on, new ones meet the new certificate; a bad one leaves the old one in use and is named."""
    c = Certificates()  # of its own: the files change
    try:
        c.authority("next")
        c.issue("later", "/CN=later", "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth", ca="next")
        c.issue("bob", "/O=system:masters/CN=bob", ca="next")
        with Daemon("api.listen=https://127.0.0.1:0", *c.settings()) as d:
            host, port = d.https.rsplit(":", 1)

            def connect(who, authority):
                context = ssl.create_default_context(cafile=c.path(authority + ".crt"))
                context.load_cert_chain(c.path(who + ".crt"), c.path(who + ".key"))
                connection = http.client.HTTPSConnection(host, int(port), timeout=DEADLINE_S, context=context)
                connection.connect()
                return connection

            def put(**files):
                for name, source in files.items():
                    with open(c.path(source), "rb") as f, open(c.path(name + ".new"), "wb") as out:
                        out.write(f.read())
                    os.rename(c.path(name + ".new"), c.path({"cert": "server.crt", "key": "server.key", "ca": "ca.crt"}[name]))

            def hangup(result):
                before = reloads(d, result)
                d.process.send_signal(signal.SIGHUP)
                until("a reload", lambda: reloads(d, result) > before)

            def livez(connection):
                connection.request("GET", "/livez")
                return connection.getresponse().read()

            shutil.copy(c.path("ca.crt"), c.path("first.crt"))
            old = connect("admin", "first")
            watch = connect("admin", "first")
            watch.request("GET", "/api/v1/configmaps?watch=1")
            stream = watch.getresponse()
            assert livez(old) == b"ok"
            put(cert="later.crt")  # not the certificate of this key
            for _ in range(2):  # and it is still wrong when asked again
                hangup("failure")
                assert "api.tls-key: " + c.path("server.key") + ": is not the key of api.tls-cert" in d.log()
            assert livez(old) == livez(connect("admin", "first")) == b"ok"
            put(key="later.key", ca="next.crt")
            hangup("success")
            assert "msg=\"certificate, key and client authority read anew\"" in d.log(), d.log()
            assert livez(connect("bob", "next")) == livez(old) == b"ok"
            try:
                assert livez(connect("admin", "next")) is None, "a client of the old authority got in"
            except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
                pass
            d.must("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "seen"}})
            assert json.loads(stream.readline())["object"]["metadata"]["name"] == "seen"
            hangup("success")
            assert d.log().count("read anew") == 1  # nothing has changed
    finally:
        c.close()


if __name__ == "__main__":
    try:
        harness.main(sys.modules["__main__"])
    finally:
        if CERTS:
            CERTS.close()
