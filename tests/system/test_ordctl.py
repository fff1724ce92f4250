"""ordctl against a running daemon: every command, and what each says when it cannot do its job."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading

import harness
from harness import BUILD, DEADLINE_S, Daemon, until

SOURCE = os.environ.get("ORDINALD_SOURCE", os.path.join(os.path.dirname(__file__), "../.."))
KUBIA = os.path.join(SOURCE, "conf/kubia.yaml")
ORDCTL = os.path.join(BUILD, "ordctl")


class Result:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    def __repr__(self):
        return f"exit {self.code}\n{self.out}{self.err}"


def run(*arguments, given=None, server=None, env=None, cwd=None):
    command = [ORDCTL] + (["--server", server] if server else []) + list(arguments)
    return Result(subprocess.run(command, input=given, capture_output=True, text=True, timeout=DEADLINE_S * 2, cwd=cwd,
                                 env={**os.environ, **(env or {})}))


class Client:
    """ordctl on one daemon."""

    def __init__(self, daemon):
        self.daemon = daemon

    def __call__(self, *arguments, given=None, cwd=None):
        return run(*arguments, given=given, server=self.daemon.socket, cwd=cwd)

    def good(self, *arguments, given=None, err="", cwd=None):
        result = self(*arguments, given=given, cwd=cwd)
        assert result.code == 0 and result.err == err, (arguments, result)
        return result.out

    def bad(self, *arguments, given=None):
        result = self(*arguments, given=given)
        assert result.code == 1, (arguments, result)
        return result.err

    def json(self, *arguments):
        return json.loads(self.good(*arguments, "-o", "json"))

    def file(self, name, text):
        path = os.path.join(self.daemon.dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
        return path


def service(name, port=80, extra=""):
    return f"""apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  clusterIP: None
  ports:
    - name: http
      port: {port}
{extra}"""


class Shared:
    """One daemon with three simulated nodes for all tests that leave it usable."""
    daemon = None


def shared():
    if not Shared.daemon:
        Shared.daemon = Daemon("nodes.embedded=3", "nodes.grace=2s", "nodes.embedded-start=10ms").start()
    return Client(Shared.daemon)


SET = """
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: kubia}
spec:
  serviceName: kubia
  replicas: 3
  selector: {matchLabels: {app: kubia}}
  template:
    metadata: {labels: {app: kubia}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: kubia, image: kubia-pet}]
"""


def kubia(ctl):
    """The kubia set without disks, applied and Ready."""
    ctl.good("apply", "-f", "-", given=service("kubia", 80, "  selector: {app: kubia}\n") + SET)
    ctl.good("scale", "sts/kubia", "--replicas", "3")
    ctl.good("rollout", "status", "sts/kubia", "--timeout", "60s")


# ---- without a server ----

def test_help_lists_every_command():
    out = run("help").out
    for command in ("apply", "create", "replace", "get", "events", "delete", "scale", "rollout", "nodes", "history", "explain", "backup",
                    "dump-zone", "check-config", "version"):
        assert f"  {command} " in out, command
        told = run(command, "--help")
        assert told.code == 0 and told.out.startswith(f"usage: ordctl {command}"), told
        assert run("help", command).out == told.out
    assert run("--help").out == out
    assert run().code == 1


def test_mistakes_of_the_command_line_are_errors():
    for arguments, want in ((["nope"], 'error: unknown command "nope"'), (["get", "--colour"], "error: unknown flag: --colour"),
                            (["get", "-o"], "error: flag needs an argument: -o"),
                            (["get", "pods", "-n", ""], "error: --namespace must not be empty"),
                            (["--nope", "get"], "error: unknown flag: --nope"),
                            (["--server", "localhost:1", "version"], "error: --server localhost:1: neither")):
        result = run(*arguments)
        assert result.code == 1 and result.err.startswith(want) and not result.out, (arguments, result)


def test_a_server_that_is_gone_is_one_clear_line():
    for arguments in (["get", "pods"], ["apply", "-f", KUBIA], ["delete", "pod", "x"], ["events"], ["dump-zone"],
                      ["get", "pods", "-w"], ["rollout", "status", "sts/x"], ["nodes"]):
        result = run(*arguments, server="/nonexistent/api.sock")
        assert result.code == 1 and not result.out, (arguments, result)
        assert result.err == "error: no connection to the server /nonexistent/api.sock: No such file or directory " \
                             "(is ordinald running?)\n", (arguments, result)
    result = run("get", "pods", env={"ORDINALD_SERVER": "/nonexistent/by-env.sock"})
    assert "/nonexistent/by-env.sock" in result.err
    assert run("get", "pods", server="http://127.0.0.1:1").code == 1


def test_check_config():
    good = run("check-config", os.path.join(SOURCE, "conf/ordinald.conf"))
    assert (good.code, good.out, good.err) == (0, "configuration ok\n", ""), good
    bad = subprocess.run([ORDCTL, "check-config", "/dev/stdin"], input="dns:\n  workers: 2\n  nope: 1\n", text=True,
                         capture_output=True)
    assert bad.returncode == 1 and "3" in bad.stderr and "nope" in bad.stderr, bad
    assert run("check-config", "/nonexistent").code == 1
    assert run("check-config").code == 1


# ---- apply ----

def test_apply_creates_changes_and_leaves_alone():
    ctl = shared()
    assert ctl.good("apply", "-f", "-", given=service("alpha")) == "service/alpha created\n"
    assert ctl.good("apply", "-f", "-", given=service("alpha")) == "service/alpha unchanged\n"
    labelled = service("alpha").replace("  name: alpha\n", "  name: alpha\n  labels: {a: b, c: d}\n")
    assert ctl.good("apply", "-f", "-", given=labelled) == "service/alpha configured\n"
    before = ctl.json("get", "service", "alpha")
    assert before["metadata"]["labels"] == {"a": "b", "c": "d"}
    assert ctl.good("apply", "-f", "-", given=labelled) == "service/alpha unchanged\n"
    assert ctl.json("get", "service", "alpha") == before
    # what was taken out goes, what others wrote stays
    ctl.daemon.must("PATCH", "/api/v1/namespaces/default/services/alpha", {"metadata": {"labels": {"other": "x"}}},
                    "application/merge-patch+json")
    less = labelled.replace("a: b, ", "")
    assert ctl.good("apply", "-f", "-", given=less) == "service/alpha configured\n"
    assert ctl.json("get", "service", "alpha")["metadata"]["labels"] == {"c": "d", "other": "x"}
    # as with kubectl, a mapping taken out as a whole goes as a whole
    assert ctl.good("apply", "-f", "-", given=service("alpha")) == "service/alpha configured\n"
    assert "labels" not in ctl.json("get", "service", "alpha")["metadata"]
    ctl.good("delete", "service", "alpha")


def test_apply_replaces_a_port_by_its_key():
    ctl = shared()
    two = service("beta", 80, "    - name: admin\n      port: 81\n")
    ctl.good("apply", "-f", "-", given=two)
    assert ctl.good("apply", "-f", "-", given=two) == "service/beta unchanged\n"
    ctl.good("apply", "-f", "-", given=service("beta", 82))
    ports = ctl.json("get", "service", "beta")["spec"]["ports"]
    assert [(p["name"], p["port"], p["protocol"]) for p in ports] == [("http", 82, "TCP")], ports
    ctl.good("delete", "service/beta")


def test_apply_writes_the_annotation_as_kubectl_does():
    ctl = shared()
    ctl.good("apply", "-f", "-", given=service("gamma"))
    text = ctl.json("get", "svc", "gamma")["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
    want = {"apiVersion": "v1", "kind": "Service", "metadata": {"annotations": {}, "name": "gamma", "namespace": "default"},
            "spec": {"clusterIP": "None", "ports": [{"name": "http", "port": 80}]}}
    assert text == json.dumps(want, sort_keys=True, separators=(",", ":")) + "\n", text
    ctl.good("delete", "svc", "gamma")


def test_apply_of_an_object_that_was_created_adds_the_annotation():
    ctl = shared()
    assert ctl.good("create", "-f", "-", given=service("delta")) == "service/delta created\n"
    result = ctl("apply", "-f", "-", given=service("delta"))
    assert result.code == 0 and result.out == "service/delta configured\n", result
    assert result.err.startswith("Warning: stdin:1: delta was not created by apply"), result
    assert ctl.good("apply", "-f", "-", given=service("delta")) == "service/delta unchanged\n"
    ctl.good("delete", "svc", "delta")


def test_nothing_is_applied_when_the_third_document_is_wrong():
    ctl = shared()
    head = service("one") + "---\n" + service("two") + "---\n"
    lines = head.count("\n")
    cases = [
        (service("three", 0), f"Error from server (Invalid): Service \"three\" is invalid\nstdin:{lines + 9}: "
                              "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive\n"),
        (service("three", "80", "  sellector: {a: b}\n"), "Error from server (BadRequest): "),
        (service("three", "eighty"), "Error from server (BadRequest): "),
        (service("three").replace("v1", "v7"), f'error: stdin:{lines + 2}: kind: no matches for kind "Service" in version "v7"\n'),
        (service("three").replace("Service", "Servise"), f'error: stdin:{lines + 2}: kind: no matches for kind "Servise"'),
        (service("three").replace("  name: three\n", "  labels: {}\n"), f"error: stdin:{lines + 3}: metadata.name: Required value\n"),
        ("apiVersion: v1\nmetadata: {name: x}\n", f"error: stdin:{lines + 1}: kind: Required value\n"),
        ("- a\n- b\n", f"error: stdin:{lines + 1}: an object must be a mapping\n"),
        ("kind: Service\nkind: Service\n", f"error: stdin:{lines + 2}: "),
        ("kind: [\n", f"error: stdin:{lines + 2}: "),
        (service("three").replace("  name: three", "  name: three\n  namespace: nowhere"),
         f'Error from server (NotFound): stdin:{lines + 1}: namespaces "nowhere" not found\n'),
    ]
    for text, want in cases:
        err = ctl.bad("apply", "-f", "-", given=head + text)
        assert err.startswith(want), (text, err, want)
        assert ctl.good("get", "svc", "-o", "name", err="").find("service/one") < 0, "half applied: " + text
    unknown = ctl.bad("apply", "-f", "-", given=head + service("three", "80", "  sellector: {a: b}\n"))
    assert f'stdin:{lines + 10}: unknown field "spec.sellector"\n' in unknown, unknown
    typed = ctl.bad("apply", "-f", "-", given=head + service("three", "eighty"))
    assert f"stdin:{lines + 7}: " in typed, typed
    # every mistake is told, not only the first
    both = ctl.bad("apply", "-f", "-", given=service("bad-a", 0) + "---\n" + service("bad-b", 70000))
    assert "stdin:9: spec.ports[0].port" in both and "stdin:19: spec.ports[0].port" in both, both


def test_files_may_be_json_lists_directories_and_several():
    ctl = shared()
    objects = [json.loads(json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": n}, "data": {"k": n}}))
               for n in ("a", "b", "c", "d")]
    one = ctl.file("many/1.json", json.dumps(objects[0], indent=1))
    ctl.file("many/2.yaml", json.dumps({"apiVersion": "v1", "kind": "List", "items": objects[1:3]}))
    ctl.file("many/ignored.txt", "not: [a manifest")
    assert ctl.good("apply", "-f", os.path.dirname(one)) == "configmap/a created\nconfigmap/b created\nconfigmap/c created\n"
    two = ctl.file("d.yml", "---\n# nothing\n---\n" + json.dumps(objects[3]) + "\n")
    assert ctl.good("apply", "-f", one, "-f", two) == "configmap/a unchanged\nconfigmap/d created\n"
    bad = {"apiVersion": "v1", "kind": "List", "items": [objects[0], {"apiVersion": "v1", "kind": "Service",
                                                                       "metadata": {"name": "x"}, "spec": {"type": "Nope"}}]}
    path = ctl.file("bad.json", json.dumps(bad, indent=1))
    line = 1 + json.dumps(bad, indent=1)[:json.dumps(bad, indent=1).index('"type"')].count("\n")
    assert f"{path}:{line}: spec.type: " in ctl.bad("apply", "-f", path)
    assert "no objects" in ctl.bad("apply", "-f", "-", given="# empty\n")
    assert "cannot be read" in ctl.bad("apply", "-f", "/nonexistent.yaml")
    assert "which?" in ctl.bad("apply")
    assert "unexpected argument" in ctl.bad("apply", "x", "-f", path)
    ctl.good("delete", "-f", os.path.dirname(one), "-f", two)
    assert "configmaps \"a\" not found" in ctl.bad("delete", "-f", one)


def test_a_namespace_and_what_is_in_it_come_in_one_file():
    ctl = shared()
    text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: team}\n---\n" + \
        service("inside").replace("  name: inside", "  name: inside\n  namespace: team")
    assert ctl.good("apply", "-f", "-", given=text) == "namespace/team created\nservice/inside created\n"
    assert ctl.good("apply", "-f", "-", given=text) == "namespace/team unchanged\nservice/inside unchanged\n"
    assert ctl.good("get", "svc", "-n", "team", "-o", "name") == "service/inside\n"
    assert "is not the namespace of --namespace" in ctl.bad("apply", "-n", "default", "-f", "-", given=text)
    rows = ctl.good("get", "svc", "-A").splitlines()
    assert rows[0].split()[:2] == ["NAMESPACE", "NAME"] and any(r.split()[:2] == ["team", "inside"] for r in rows)
    ctl.good("delete", "ns", "team", "--timeout", "30s")
    assert ctl.bad("get", "ns", "team") == 'Error from server (NotFound): namespaces "team" not found\n'


def test_a_dry_run_changes_nothing():
    ctl = shared()
    for flag in ("--dry-run", "--dry-run=server"):
        assert ctl.good("apply", flag, "-f", "-", given=service("dry")) == "service/dry created (server dry run)\n"
    assert ctl.bad("get", "svc", "dry") == 'Error from server (NotFound): services "dry" not found\n'
    assert "invalid --dry-run value" in ctl.bad("apply", "--dry-run=client", "-f", "-", given=service("dry"))


def test_create_and_replace():
    ctl = shared()
    assert ctl.good("create", "-f", "-", given=service("epsilon")) == "service/epsilon created\n"
    err = ctl.bad("create", "-f", "-", given=service("epsilon"))
    assert err == 'Error from server (AlreadyExists): stdin:1: services "epsilon" already exists\n', err
    assert ctl.good("replace", "-f", "-", given=service("epsilon", 99)) == "service/epsilon replaced\n"
    assert ctl.json("get", "svc", "epsilon")["spec"]["ports"][0]["port"] == 99
    ctl.good("delete", "svc", "epsilon")
    assert "NotFound" in ctl.bad("replace", "-f", "-", given=service("epsilon"))
    out = ctl.good("create", "-f", "-", given="apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: gen-}\n")
    name = out.split()[0]
    assert name.startswith("configmap/gen-") and len(name) == len("configmap/gen-") + 5, out
    ctl.good("delete", name)


# ---- get ----

def test_get_in_every_form():
    ctl = shared()
    kubia(ctl)
    rows = ctl.good("get", "pods").splitlines()
    assert rows[0].split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert [r.split()[:3] for r in rows[1:]] == [[f"kubia-{i}", "1/1", "Running"] for i in range(3)], rows
    for word in ("po", "pod", "Pod", "pods.v1."):
        assert ctl.good("get", word, "--no-headers").count("kubia-") == 3, word
    assert "10.244." in ctl.good("get", "pods", "-o", "wide")
    assert ctl.good("get", "statefulsets.apps", "-o", "name") == "statefulset.apps/kubia\n"
    assert ctl.good("get", "pod/kubia-0", "sts/kubia", "-o", "name") == "pod/kubia-0\nstatefulset.apps/kubia\n"
    assert ctl.good("get", "pods", "-l", "app=other", err="No resources found in default namespace.\n") == ""
    assert ctl.good("get", "pods", "--field-selector", "metadata.name=kubia-1", "-o", "name") == "pod/kubia-1\n"
    everything = ctl.good("get", "all")
    for part in ("pod/kubia-2", "service/kubia", "statefulset.apps/kubia"):
        assert part in everything
    listed = ctl.json("get", "pods")
    assert listed["kind"] == "List" and [p["kind"] for p in listed["items"]] == ["Pod"] * 3
    assert ctl.json("get", "pod", "kubia-0")["metadata"]["name"] == "kubia-0"
    text = ctl.good("get", "svc", "kubia", "-o", "yaml")
    assert text.startswith("apiVersion: v1\nkind: Service\nmetadata:\n") and "  clusterIP: None\n" in text
    # what is printed as YAML can be applied again
    assert ctl.good("apply", "--dry-run", "-f", "-", given=text) == "service/kubia configured (server dry run)\n"


def test_get_tells_what_is_wrong():
    ctl = shared()
    assert ctl.bad("get", "pod", "nope") == 'Error from server (NotFound): pods "nope" not found\n'
    assert ctl.bad("get", "nopes") == 'error: the server doesn\'t have a resource type "nopes"\n'
    assert ctl.bad("get", "pods", "-o", "xml").startswith('error: unknown output format "xml"')
    assert ctl.bad("get", "pods", "-l", "a in (").startswith("Error from server (BadRequest): ")
    assert ctl.bad("get", "pods", "--field-selector", "x=y").startswith("Error from server (BadRequest): ")
    assert "by name across all namespaces" in ctl.bad("get", "pod", "x", "-A")
    assert "-w follows one kind" in ctl.bad("get", "pods,svc", "-w")
    assert "which?" in ctl.bad("get")
    assert "form KIND/NAME" in ctl.bad("get", "pod/a", "b")
    # one that is absent does not hide the others
    kubia(ctl)
    result = ctl("get", "pods", "kubia-0", "nope", "-o", "name")
    assert result.code == 1 and result.out == "pod/kubia-0\n" and "NotFound" in result.err, result


def test_long_lists_come_in_pages():
    ctl = shared()
    count = 1203
    text = "\n---\n".join(f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m{i:04}, labels: {{many: \"yes\"}}}}"
                          for i in range(count))
    assert ctl.good("create", "-f", "-", given=text).count("created\n") == count
    want = [f"m{i:04}" for i in range(count)]
    assert [r.split()[0] for r in ctl.good("get", "cm", "--no-headers").splitlines()] == want
    assert [o["metadata"]["name"] for o in ctl.json("get", "cm")["items"]] == want
    out = ctl.good("delete", "cm", "-l", "many=yes")
    assert out.count(" deleted\n") == count


def lines_of(process):
    """The lines of a process as they come, in a list that grows."""
    lines = []

    def read():
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
    threading.Thread(target=read, daemon=True).start()
    return lines


def test_watch_follows_changes_through_the_end_of_the_server():
    with Daemon() as daemon:
        ctl = Client(daemon)
        watcher = subprocess.Popen([ORDCTL, "--server", daemon.socket, "get", "cm", "-w", "-o", "name"], text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        table = subprocess.Popen([ORDCTL, "--server", daemon.socket, "get", "cm", "-w"], text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        names, rows = lines_of(watcher), lines_of(table)
        manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "first"}}
        ctl.good("apply", "-f", "-", given=json.dumps(manifest))
        until("the object is seen", lambda: names[:1] == ["configmap/first"])
        until("the row is seen", lambda: len(rows) >= 2 and rows[0].split() == ["NAME", "DATA", "AGE"])
        ctl.good("apply", "-f", "-", given=json.dumps({**manifest, "data": {"k": "v"}}))
        until("the change is seen", lambda: len(names) == 2)
        until("its row is aligned", lambda: len(rows) == 3 and rows[2].index("1") == rows[1].index("0 "))
        daemon.kill()
        assert watcher.wait(timeout=DEADLINE_S) == 1 and table.wait(timeout=DEADLINE_S) == 1
        err = watcher.stderr.read()
        assert err.startswith("error: ") and err.count("\n") == 1, err
        for process in (watcher, table):
            process.stdout.close()
            process.stderr.close()
        daemon.start()


def test_events_are_in_the_order_of_time():
    with Daemon("nodes.embedded=3", "nodes.embedded-start=1ms") as daemon:
        ctl = Client(daemon)
        kubia(ctl)
        out = ctl.good("events")
        assert out.splitlines()[0].split()[:3] == ["LAST", "SEEN", "TYPE"]
        for text in (out, ctl.good("get", "events"), ctl.good("get", "events", "-o", "json")):
            created = [line.rsplit("Create Pod ", 1)[1].split()[0] for line in text.splitlines() if "Create Pod " in line]
            assert created == ["kubia-0", "kubia-1", "kubia-2"], created


# ---- changes ----

def test_delete_waits_for_the_uid_and_not_for_the_name():
    ctl = shared()
    kubia(ctl)
    uid = ctl.json("get", "pod", "kubia-0")["metadata"]["uid"]
    assert ctl.good("delete", "pod", "kubia-0", "--timeout", "60s") == 'pod "kubia-0" deleted\n'
    until("a successor has the name", lambda: ctl("get", "pod", "kubia-0").code == 0)
    assert ctl.json("get", "pod", "kubia-0")["metadata"]["uid"] != uid
    ctl.good("rollout", "status", "sts/kubia", "--timeout", "60s")
    rows = [line.split() for line in ctl.good("history", "kubia-0").splitlines()]
    assert rows[0] == ["EPOCH", "UID", "NODE", "ADDRESSES", "CLAIMS", "FROM", "UNTIL", "ENDED"]
    old = next(r for r in rows if r[1] == uid)
    assert old[2].startswith("node") and old[3].startswith("10.244.") and old[4] == "<none>" and old[7] == "Deleted", rows
    assert int(rows[-1][0]) == int(old[0]) + 1 and rows[-1][6] == "<present>" and rows[-1][3].startswith("10.244."), rows
    assert ctl.bad("history", "nope") == 'Error from server (NotFound): identities.ordinald.dev "nope" not found\n'
    assert "which pod?" in ctl.bad("history")


def test_delete_waits_until_finalizers_are_gone():
    ctl = shared()
    ctl.good("create", "-f", "-", given="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: held, finalizers: [x.y/z]}\n")
    assert ctl.good("delete", "cm", "held", "--wait=false") == 'configmap "held" deleted\n'
    result = ctl("delete", "cm", "held", "--timeout", "200ms")
    assert result.code == 1 and result.err == "error: timed out waiting for the condition\n", result
    waiting = subprocess.Popen([ORDCTL, "--server", ctl.daemon.socket, "delete", "cm", "held"], stdout=subprocess.PIPE, text=True)
    assert waiting.stdout.readline() == 'configmap "held" deleted\n'
    assert waiting.poll() is None
    ctl.daemon.must("PATCH", "/api/v1/namespaces/default/configmaps/held", {"metadata": {"finalizers": None}},
                    "application/merge-patch+json")
    assert waiting.wait(timeout=DEADLINE_S) == 0
    waiting.stdout.close()


def test_delete_tells_what_is_wrong():
    ctl = shared()
    assert ctl.bad("delete", "pod", "nope") == 'Error from server (NotFound): pods "nope" not found\n'
    assert ctl.good("delete", "pod", "nope", "--ignore-not-found") == ""
    assert "no name was specified" in ctl.bad("delete", "pods")
    assert "invalid --cascade" in ctl.bad("delete", "pod", "x", "--cascade=maybe")
    assert "cannot be specified together" in ctl.bad("delete", "pod", "x", "--force", "--grace-period=5")
    assert "not a whole number" in ctl.bad("delete", "pod", "x", "--grace-period=soon")
    assert "together with a selector" in ctl.bad("delete", "pod", "x", "-l", "a=b")
    assert "words cannot be given" in ctl.bad("delete", "pod", "-f", KUBIA)
    assert ctl.good("delete", "pods", "-l", "no=such") == "No resources found\n"


def test_orphans_stay_and_the_cascade_takes_them():
    ctl = shared()
    kubia(ctl)
    assert ctl.good("delete", "sts/kubia", "--cascade=orphan") == 'statefulset.apps "kubia" deleted\n'
    assert ctl.good("get", "pods", "-o", "name").count("pod/kubia-") == 3
    kubia(ctl)
    ctl.good("delete", "sts/kubia", "--cascade=foreground", "--timeout", "60s")
    until("the pods went with it", lambda: "kubia" not in ctl("get", "pods", "-o", "name").out)
    kubia(ctl)


def test_scale():
    ctl = shared()
    kubia(ctl)
    assert ctl.good("scale", "statefulset", "kubia", "--replicas", "2") == "statefulset.apps/kubia scaled\n"
    assert ctl.bad("scale", "sts/kubia", "--replicas=1", "--current-replicas=5") == "error: Expected replicas to be 5, was 2\n"
    assert ctl.good("scale", "sts/kubia", "--replicas=3", "--current-replicas=2") == "statefulset.apps/kubia scaled\n"
    assert ctl.bad("scale", "sts/nope", "--replicas=3") == 'Error from server (NotFound): statefulsets.apps "nope" not found\n'
    assert "how many?" in ctl.bad("scale", "sts/kubia")
    assert "must be between" in ctl.bad("scale", "sts/kubia", "--replicas=-1")


def test_rollout_status_and_restart():
    ctl = shared()
    kubia(ctl)
    uid = ctl.json("get", "pod", "kubia-0")["metadata"]["uid"]
    assert ctl.good("rollout", "restart", "sts/kubia") == "statefulset.apps/kubia restarted\n"
    out = ctl.good("rollout", "status", "sts/kubia", "--timeout", "60s")
    assert out.splitlines()[-1].startswith("statefulset rolling update complete 3 pods at revision kubia-"), out
    assert ctl.json("get", "pod", "kubia-0")["metadata"]["uid"] != uid
    assert ctl.bad("rollout", "status", "sts/nope") == 'Error from server (NotFound): statefulsets.apps "nope" not found\n'
    assert "only statefulsets" in ctl.bad("rollout", "status", "svc/kubia")
    assert "what?" in ctl.bad("rollout")
    assert "not a duration" in ctl.bad("rollout", "status", "sts/kubia", "--timeout", "soon")
    ctl.good("nodes", "cordon", "node1", "node2", "node3")
    ctl.good("scale", "sts/kubia", "--replicas", "4")
    result = ctl("rollout", "status", "sts/kubia", "--timeout", "300ms")
    assert result.code == 1 and result.err == "error: timed out waiting for the condition\n", result
    assert result.out.endswith("Waiting for 1 pods to be ready...\n"), result
    assert ctl.good("rollout", "status", "sts/kubia", "--watch=false") == "Waiting for 1 pods to be ready...\n"
    ctl.good("nodes", "uncordon", "node1", "node2", "node3")
    ctl.good("rollout", "status", "sts/kubia", "--timeout", "60s")
    ctl.good("scale", "sts/kubia", "--replicas", "3")


def test_nodes():
    ctl = shared()
    listed = [[line.split()[i] for i in (0, 1, 4)] for line in ctl.good("nodes", "list").splitlines()]  # without the age
    assert listed == [[line.split()[i] for i in (0, 1, 4)] for line in ctl.good("nodes").splitlines()]
    assert ctl.good("nodes").splitlines()[0].split()[:2] == ["NAME", "STATUS"]
    assert ctl.good("nodes", "cordon", "node1") == "node/node1 cordoned\n"
    assert ctl.good("nodes", "cordon", "node1") == "node/node1 already cordoned\n"
    assert "SchedulingDisabled" in ctl.good("get", "node", "node1")
    assert ctl.good("nodes", "uncordon", "node1") == "node/node1 uncordoned\n"
    assert ctl.bad("nodes", "cordon", "nope") == 'Error from server (NotFound): nodes "nope" not found\n'
    assert "unknown command" in ctl.bad("nodes", "explode")
    assert "which node?" in ctl.bad("nodes", "silence")


def test_a_silent_node_keeps_its_identities_until_force():
    ctl = shared()
    kubia(ctl)
    pod = ctl.json("get", "pod", "kubia-1")
    node, uid = pod["spec"]["nodeName"], pod["metadata"]["uid"]
    assert ctl.good("nodes", "silence", node) == f"node/{node} silenced\n"
    assert ctl.good("nodes", "silence", node) == f"node/{node} already silent\n"
    until("the node is NotReady", lambda: "NotReady" in ctl.good("get", "node", node))
    ctl.good("delete", "pod", "kubia-1", "--wait=false")
    assert "Terminating" in ctl.good("get", "pod", "kubia-1")
    assert ctl.json("get", "pod", "kubia-1")["metadata"]["uid"] == uid
    forced = ctl("delete", "pod", "kubia-1", "--force", "--grace-period=0", "--timeout", "30s")
    assert forced.code == 0 and forced.out == 'pod "kubia-1" force deleted\n', forced
    assert forced.err.startswith("Warning: Immediate deletion does not wait"), forced
    ctl.good("rollout", "status", "sts/kubia", "--timeout", "60s")
    row = next(line for line in ctl.good("history", "kubia-1").splitlines() if uid in line)
    assert row.endswith("ForceDeleted (fenced)"), row
    assert ctl.good("nodes", "wake", node) == f"node/{node} woken\n"
    until("the node is Ready", lambda: "NotReady" not in ctl.good("get", "node", node))
    until("the node confirmed the end", lambda: "(fenced)" not in ctl.good("history", "kubia-1"))


def test_a_silent_node_stays_silent_over_a_restart():
    with Daemon("nodes.embedded=3", "nodes.grace=1s") as daemon:
        ctl = Client(daemon)
        until("the nodes are there", lambda: ctl.good("get", "nodes", "--no-headers").count(" Ready ") == 3)
        ctl.good("nodes", "silence", "node2")
        until("it is NotReady", lambda: "NotReady" in ctl.good("get", "node", "node2"))
        daemon.stop()
        daemon.start()
        lease = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/"
        before = daemon.get(lease + "node2")["metadata"]["resourceVersion"]
        version = daemon.get(lease + "node1")["metadata"]["resourceVersion"]
        until("others renew", lambda: daemon.get(lease + "node1")["metadata"]["resourceVersion"] != version)
        assert daemon.get(lease + "node2")["metadata"]["resourceVersion"] == before
        ctl.good("nodes", "wake", "node2")
        until("it is Ready", lambda: "NotReady" not in ctl.good("get", "node", "node2"))


# ---- what is ordinald's own ----

def test_dump_zone_prints_what_dns_answers():
    ctl = shared()
    kubia(ctl)
    text = ctl.good("dump-zone")
    assert text == ctl.good("dump-zone", "cluster.local.")
    first = text.splitlines()[0].split()
    assert first[0] == "cluster.local." and first[3] == "SOA", first
    name = "kubia-0.kubia.default.svc.cluster.local"
    addresses = [line.split()[4] for line in text.splitlines() if line.split()[0] == name + "." and line.split()[3] == "A"]
    assert addresses == ctl.daemon.addresses(name), (addresses, text)
    reverse = ctl.good("dump-zone", "244.10.in-addr.arpa")
    assert name in reverse
    assert ctl.bad("dump-zone", "example.org") == 'Error from server (NotFound): no zone "example.org" is served here\n'
    assert "Error from server (Invalid)" in ctl.bad("dump-zone", "a..b")
    # below a zone is not the zone
    assert "NotFound" in ctl.bad("dump-zone", "svc.cluster.local")


def test_explain_tells_the_chain_of_causes_and_what_to_do():
    with Daemon("nodes.embedded=2", "nodes.grace=2s", "nodes.embedded-start=10ms", "volumes.class=") as daemon:
        ctl = Client(daemon)
        ctl.good("apply", "-f", KUBIA)
        until("kubia-0 is there", lambda: ctl("get", "pod", "kubia-0").code == 0)
        told = ctl.good("explain", "kubia-2")
        assert told == ctl.good("explain", "pod/kubia-2") == ctl.good("explain", "pod", "kubia-2", "-n", "default")
        lines = told.splitlines()
        assert lines[:3] == ["Pod default/kubia-2 does not exist", "  kubia-2 waits for kubia-0 to be Ready",
                             "    Pod default/kubia-0 is Pending"], told
        assert lines[4].startswith("        claim data-kubia-0 is Pending: no persistent volumes available"), told
        assert lines[5] == "What to do:" and lines[6].startswith("  - make a PersistentVolume"), told
        # the same below the name, with and without the zone
        named = ctl.good("explain", "kubia-2.kubia.default.svc.cluster.local")
        assert named == ctl.good("explain", "kubia-2.kubia") and lines[2].strip() in named, named
        reply = ctl.json("explain", "kubia-2.kubia")
        assert reply["found"] is False and reply["namespace"] == "default" and reply["hints"], reply
        assert [c["depth"] for c in reply["causes"]] == [0, 1, 2, 3, 4, 5], reply
        assert ctl.good("explain", "kubai.default.svc.cluster.local") == "no such Service default/kubai\n"
        assert ctl.good("explain", "x.kubia", "-n", "nope") == "no such namespace nope\n"
        assert ctl.bad("explain") == "error: what is not there? Give explain NAME, or KIND/NAME\n"
        assert "is no kind that can be explained" in ctl.bad("explain", "node/node1")
        assert "Error from server (Invalid)" in ctl.bad("explain", "a..b")
        assert "output format" in ctl.bad("explain", "kubia-0", "-o", "yaml")
        status, reply = daemon.request("GET", "/ordinald/v1/explain?name=%ff")
        assert status == 400 and "UTF-8" in reply["message"], reply
        assert daemon.request("POST", "/ordinald/v1/explain?name=x", {})[0] == 405
        # what a person makes as told heals it
        for i in range(3):
            daemon.create({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"v{i}"},
                           "spec": {"capacity": {"storage": "1Mi"}, "accessModes": ["ReadWriteOnce"],
                                    "hostPath": {"path": f"/tmp/v{i}"}}})
        ctl.good("rollout", "status", "sts/kubia", "--timeout", "60s")
        address = daemon.addresses("kubia-2.kubia.default.svc.cluster.local")[0]
        assert ctl.good("explain", "kubia-2.kubia").splitlines()[0] == \
            f"kubia-2.kubia.default.svc.cluster.local has A {address}"
        rows = [line.split() for line in ctl.good("get", "identities").splitlines()]
        assert rows[0][:3] == ["NAME", "EPOCH", "NODE"] and rows[3][:2] == ["kubia-2", "1"], rows
        assert "data-kubia-2" in ctl.good("history", "kubia-2")


def ede_of(daemon, name):
    """The text of the extended error that dig prints, or None."""
    host, port = daemon.dns
    out = subprocess.run(["dig", "-p", str(port), "@" + host, name, "A", "+tries=3"], capture_output=True, text=True,
                         timeout=DEADLINE_S).stdout
    match = re.search(r"^; EDE: 0 \(Other\): \((.*)\)$", out, re.M)
    return match and match.group(1)


def test_dig_is_told_why_a_name_is_not_there():
    if not shutil.which("dig"):
        raise harness.Skip("no dig")
    zone = ".default.svc.cluster.local"
    with Daemon("nodes.embedded=2", "nodes.embedded-start=10ms", "volumes.class=") as daemon:
        ctl = Client(daemon)
        assert ede_of(daemon, "kubia" + zone) == "no such Service default/kubia"
        ctl.good("apply", "-f", KUBIA)
        until("the set waits", lambda: ede_of(daemon, "kubia-2.kubia" + zone) == "kubia-2 waits for kubia-0 to be Ready")
        until("the pod has its text", lambda: (ede_of(daemon, "kubia-0.kubia" + zone) or "").startswith(
            "claim data-kubia-0 is Pending: no persistent volumes available"))
        assert ede_of(daemon, "kubia-3.kubia" + zone).startswith("kubia-3 is not among the 3 replicas"), "range"
        assert ede_of(daemon, "example.org") is None
        # a text outlives a restart
        daemon.kill()
        daemon.start()
        until("the set waits again", lambda: ede_of(daemon, "kubia-2.kubia" + zone) == "kubia-2 waits for kubia-0 to be Ready")
    with Daemon("access.explain=192.0.2.0/24") as daemon:
        assert daemon.ask("kubia" + zone).rcode == "NXDOMAIN" and ede_of(daemon, "kubia" + zone) is None


def test_a_backup_holds_what_was_acknowledged():
    ctl = shared()
    kubia(ctl)
    path = os.path.join(ctl.daemon.dir, "backup")
    assert ctl.good("backup", "backup", cwd=ctl.daemon.dir) == f"backup written to {path}\n"
    assert os.path.getsize(os.path.join(path, "data.mdb")) > 0
    assert "Error from server (AlreadyExists)" in ctl.bad("backup", path)
    assert "Error from server" in ctl.bad("backup", "/nonexistent/a/b")
    assert "where to?" in ctl.bad("backup")
    over_tcp = run("backup", path + "2", server=ctl.daemon.http)
    assert over_tcp.code == 1 and over_tcp.err.startswith("Error from server (Forbidden): "), over_tcp
    assert not os.path.exists(path + "2")
    status, reply = ctl.daemon.request("POST", "/ordinald/v1/backup", {"directory": "relative"})
    assert status == 400, reply
    with Daemon("store.path=" + path) as restored:
        uids = [p["metadata"]["uid"] for p in ctl.json("get", "pods")["items"]]
        assert [p["metadata"]["uid"] for p in Client(restored).json("get", "pods")["items"]] == uids


def test_version_and_both_transports():
    ctl = shared()
    out = ctl.good("version")
    assert out.startswith("ordctl ") and "\nserver v1." in out, out
    over_tcp = run("version", server=ctl.daemon.http)
    assert over_tcp.code == 0 and over_tcp.out == out, over_tcp
    assert run("version", "--client").out == out.splitlines()[0] + "\n"
    by_env = run("version", env={"ORDINALD_SERVER": ctl.daemon.socket})
    assert by_env.out == out


def test_zz_the_shared_daemon_ends_cleanly():
    if Shared.daemon:
        Shared.daemon.__exit__(None, None, None)


if __name__ == "__main__":
    try:
        harness.main(sys.modules[__name__])
    finally:
        if Shared.daemon and Shared.daemon.process.poll() is None:
            sys.stderr.write(Shared.daemon.log()[-4000:])
            Shared.daemon.kill()
