"""The real kubectl against the controller socket: the main job of the design played with kubectl and dig, a kill -9 in the middle
included, and the life of a StatefulSet. test_kubectl_matrix.py has the commands one by one."""

import json
import re
import subprocess
import sys

import harness
from harness import until
from kubectl import KUBIA, ZONE, Cluster, identities, messages, ready_pod, same


def test_main_job_with_kubectl_and_dig():
    with Cluster("nodes.grace=2s") as c:
        c.apply_kubia()
        pods = {p["metadata"]["name"]: p for p in c.object("pods")["items"]}
        same(sorted(pods), ["kubia-0", "kubia-1", "kubia-2"])
        same(messages(c, "Create Pod"), [f"Create Pod kubia-{i} in StatefulSet kubia successful" for i in range(3)])
        same([c["status"]["phase"] for c in c.object("pvc")["items"]], ["Bound"] * 3)
        ip = {name: pod["status"]["podIP"] for name, pod in pods.items()}
        same(c.short(f"kubia-1.kubia.{ZONE}"), [ip["kubia-1"]])
        same(c.short(f"kubia.{ZONE}"), sorted(ip.values()))
        same(len(c.dig("+short", f"_http._tcp.kubia.{ZONE}", "SRV").splitlines()), 3)
        same(c.dig("+short", "-x", ip["kubia-1"]).strip(), f"kubia-1.kubia.{ZONE}.")

        # 3: a deleted pod comes back with its name and its disk, elsewhere
        volume = c.object("pvc", "data-kubia-0")["spec"]["volumeName"]
        c.kubectl("delete", "pod", "kubia-0")
        renewed = until("kubia-0 is Ready again", lambda: ready_pod(c, "kubia-0", pods["kubia-0"]["metadata"]["uid"]))
        assert renewed["spec"]["nodeName"] != pods["kubia-0"]["spec"]["nodeName"]
        assert renewed["status"]["podIP"] != ip["kubia-0"]
        same(c.object("pvc", "data-kubia-0")["spec"]["volumeName"], volume)
        same(c.short(f"kubia-0.kubia.{ZONE}"), [renewed["status"]["podIP"]])

        # kill -9: names answer at once, pods keep uid and address
        before = identities(c)
        c.kill()
        c.start()
        for name, (_, address) in before.items():
            same(c.short(f"{name}.kubia.{ZONE}"), [address])
        same(identities(c), before)

        # 4: scale down from the top, claims stay; up again, the same volumes
        volumes = {p["metadata"]["name"]: p["spec"]["volumeName"] for p in c.object("pvc")["items"]}
        c.kubectl("scale", "statefulset/kubia", "--replicas=1")
        until("one pod is left", lambda: list(identities(c)) == ["kubia-0"])
        same([m.split()[2] for m in messages(c, "Delete Pod")], ["kubia-2", "kubia-1"])
        same(len(c.object("pvc")["items"]), 3)
        same(c.ask(f"kubia-2.kubia.{ZONE}.").rcode, "NXDOMAIN")
        c.kubectl("scale", "statefulset/kubia", "--replicas=3")
        c.kubectl("rollout", "status", "statefulset/kubia", "--timeout=60s")
        same({p["metadata"]["name"]: p["spec"]["volumeName"] for p in c.object("pvc")["items"]}, volumes)

        # 5: a silent node does not get its pods duplicated
        victim = c.object("pod", "kubia-1")
        node = victim["spec"]["nodeName"]
        c.kubectl("annotate", "node", node, "ordinald.dev/simulate=silent")
        until("the node is NotReady", lambda: "NotReady" in c.kubectl("get", "node", node))
        until("kubia-1 left the answers", lambda: c.short(f"kubia-1.kubia.{ZONE}") == [])
        c.kubectl("delete", "pod", "kubia-1", "--wait=false")
        until("kubia-1 is terminating", lambda: c.object("pod", "kubia-1")["metadata"].get("deletionTimestamp"))
        same(c.object("pod", "kubia-1")["metadata"]["uid"], victim["metadata"]["uid"])
        c.kubectl("delete", "pod", "kubia-1", "--force", "--grace-period=0")
        renewed = until("a new kubia-1 is Ready", lambda: ready_pod(c, "kubia-1", victim["metadata"]["uid"]))
        same(c.short(f"kubia-1.kubia.{ZONE}"), [renewed["status"]["podIP"]])
        assert renewed["status"]["podIP"] != victim["status"]["podIP"]


def test_apply_new_unchanged_changed():
    with Cluster() as c:
        same(c.kubectl("apply", "-f", KUBIA).splitlines(), ["service/kubia created", "statefulset.apps/kubia created"])
        same(c.kubectl("apply", "-f", KUBIA).splitlines(), ["service/kubia unchanged", "statefulset.apps/kubia unchanged"])
        with open(KUBIA) as f:
            changed = f.read().replace("replicas: 3", "replicas: 2").replace("image: kubia-pet", "image: kubia-pet:v2")
        same(c.kubectl("apply", "-f", "-", stdin=changed).splitlines(), ["service/kubia unchanged", "statefulset.apps/kubia configured"])
        same(c.object("sts", "kubia")["spec"]["replicas"], 2)
        bad = c.run("apply", "-f", "-", stdin=changed.replace("replicas: 2", "replicas: -2"), check=False)
        assert bad.returncode == 1 and "spec.replicas: Invalid value" in bad.stderr, bad.stderr
        unknown = c.run("apply", "-f", "-", stdin=changed.replace("serviceName:", "serviceNam:"), check=False)
        assert unknown.returncode == 1 and "serviceNam" in unknown.stderr, unknown.stderr
        served = c.run("apply", "--server-side", "-f", KUBIA, check=False)
        assert served.returncode == 1 and "erver-side" in served.stderr, served.stderr


def test_get_in_every_form():
    with Cluster() as c:
        c.apply_kubia()
        table = c.kubectl("get", "statefulset")
        assert re.search(r"^NAME +READY +AGE\nkubia +3/3 +\d+s", table), table
        wide = c.kubectl("get", "pods", "-o", "wide")
        assert re.search(r"kubia-0 +1/1 +Running +0 +\S+ +10\.244\.\d+\.\d+ +node\d +<none> +<none>", wide), wide
        assert c.kubectl("get", "svc", "kubia").splitlines()[1].split()[:5] == ["kubia", "ClusterIP", "None", "<none>", "80/TCP"]
        pvc = c.kubectl("get", "pvc").splitlines()[1].split()
        same([pvc[0], pvc[1], pvc[3], pvc[4], pvc[5]], ["data-kubia-0", "Bound", "1Mi", "RWO", "standard"])
        assert "kubia" in c.kubectl("get", "sts", "kubia", "-o", "yaml")
        same(c.kubectl("get", "pods", "-o", "name").split(), ["pod/kubia-0", "pod/kubia-1", "pod/kubia-2"])
        everything = c.kubectl("get", "all")
        for name in ("pod/kubia-0", "service/kubia", "statefulset.apps/kubia"):
            assert name in everything, everything
        assert "default" in c.kubectl("get", "pods", "-A")
        same(c.kubectl("get", "pods", "-l", "app=kubia,apps.kubernetes.io/pod-index in (1,2)", "-o", "name").split(),
             ["pod/kubia-1", "pod/kubia-2"])
        same(c.kubectl("get", "pods", "--field-selector", "metadata.name=kubia-1", "-o", "name").split(), ["pod/kubia-1"])
        same(c.kubectl("get", "pods", "--chunk-size=1", "-o", "name").split(), ["pod/kubia-0", "pod/kubia-1", "pod/kubia-2"])
        same(len(c.kubectl("get", "pods", "--sort-by=.metadata.name", "--no-headers").splitlines()), 3)
        for kinds in ("sts,svc,pods", "nodes", "endpointslices", "pv", "sc", "ns", "cm", "events", "leases", "controllerrevisions",
                      "endpoints", "identities"):
            c.kubectl("get", kinds)
        missing = c.run("get", "pod", "nobody", check=False)
        assert 'pods "nobody" not found' in missing.stderr, missing.stderr
        unknown = c.run("get", "gadgets", check=False)
        assert "the server doesn't have a resource type" in unknown.stderr, unknown.stderr


def test_watch_shows_changes_as_they_happen():
    with Cluster() as c:
        watch = subprocess.Popen(c.command("get", "pods", "-w", "-o", "name"), stdout=subprocess.PIPE, text=True,
                                 env=c.environment())
        try:
            c.apply_kubia()
            seen = []
            while "pod/kubia-2" not in seen:
                seen.append(watch.stdout.readline().strip())
            assert seen.index("pod/kubia-0") < seen.index("pod/kubia-1") < seen.index("pod/kubia-2")
        finally:
            watch.terminate()
            watch.wait()
            watch.stdout.close()


def test_describe():
    with Cluster() as c:
        c.apply_kubia()
        text = c.kubectl("describe", "sts", "kubia")
        assert "SuccessfulCreate" in text and "3 desired | 3 total" in text, text
        assert "10.244." in c.kubectl("describe", "pod", "kubia-0")
        assert "Endpoints" in c.kubectl("describe", "svc", "kubia")
        assert "Used By" in c.kubectl("describe", "pvc", "data-kubia-0")
        for what in (("node", "node1"), ("pv",), ("sc",), ("ns", "default")):
            c.kubectl("describe", *what)


def test_scale_patch_label_annotate():
    with Cluster() as c:
        c.apply_kubia()
        c.kubectl("scale", "sts/kubia", "--current-replicas=3", "--replicas=2")
        same(c.object("sts", "kubia")["spec"]["replicas"], 2)
        wrong = c.run("scale", "sts/kubia", "--current-replicas=7", "--replicas=1", check=False)
        assert wrong.returncode == 1
        c.kubectl("patch", "sts", "kubia", "-p", '{"spec":{"replicas":3}}')
        c.kubectl("patch", "sts", "kubia", "--type=merge", "-p", '{"metadata":{"annotations":{"a":"b"}}}')
        c.kubectl("patch", "sts", "kubia", "--type=json", "-p", '[{"op":"replace","path":"/spec/replicas","value":1}]')
        same(c.object("sts", "kubia")["spec"]["replicas"], 1)
        failed = c.run("patch", "sts", "kubia", "--type=json", "-p", '[{"op":"test","path":"/spec/replicas","value":9}]', check=False)
        assert failed.returncode == 1
        c.kubectl("label", "pod", "kubia-0", "tier=front")
        c.kubectl("annotate", "pod", "kubia-0", "note=here")
        pod = c.object("pod", "kubia-0")["metadata"]
        same((pod["labels"]["tier"], pod["annotations"]["note"]), ("front", "here"))
        c.kubectl("label", "pod", "kubia-0", "tier-")
        assert "tier" not in c.object("pod", "kubia-0")["metadata"]["labels"]
        immutable = c.run("patch", "sts", "kubia", "-p", '{"spec":{"serviceName":"other"}}', check=False)
        assert "Forbidden: updates to statefulset spec for fields other than" in immutable.stderr, immutable.stderr  # R73, S72


def test_rollout():
    with Cluster() as c:
        c.apply_kubia()
        c.kubectl("set", "image", "sts/kubia", "kubia=kubia-pet:v2")
        c.kubectl("rollout", "status", "sts/kubia", "--timeout=60s")
        same({p["spec"]["containers"][0]["image"] for p in c.object("pods")["items"]}, {"kubia-pet:v2"})
        status = c.object("sts", "kubia")["status"]
        same(status["currentRevision"], status["updateRevision"])  # S54
        history = c.kubectl("rollout", "history", "sts/kubia")
        assert re.search(r"^1 .*\n2 ", history, re.M), history
        c.kubectl("rollout", "undo", "sts/kubia")
        c.kubectl("rollout", "status", "sts/kubia", "--timeout=60s")
        same({p["spec"]["containers"][0]["image"] for p in c.object("pods")["items"]}, {"kubia-pet"})
        same(sorted(r["revision"] for r in c.object("controllerrevisions")["items"]), [2, 3])  # S59
        c.kubectl("rollout", "restart", "sts/kubia")
        c.kubectl("rollout", "status", "sts/kubia", "--timeout=60s")


def test_wait():
    with Cluster() as c:
        c.kubectl("apply", "-f", KUBIA)
        c.kubectl("rollout", "status", "sts/kubia", "--timeout=60s")
        c.kubectl("wait", "pod/kubia-0", "--for=condition=Ready", "--timeout=30s")
        c.kubectl("scale", "sts/kubia", "--replicas=2")
        result = c.run("wait", "pod/kubia-2", "--for=delete", "--timeout=30s", check=False)
        gone = "NotFound" in result.stderr or "no matching resources found" in result.stderr  # since 1.21, before
        assert result.returncode == 0 or gone, result.stderr


def test_wait_for_a_field():
    with Cluster() as c:
        c.need(23, "wait --for=jsonpath")
        c.kubectl("apply", "-f", KUBIA)
        c.kubectl("wait", "sts/kubia", "--for=jsonpath={.status.readyReplicas}=3", "--timeout=60s")


def test_delete_in_every_form():
    with Cluster() as c:
        c.apply_kubia()
        c.kubectl("delete", "pod", "kubia-2")
        c.kubectl("rollout", "status", "sts/kubia", "--timeout=60s")
        c.kubectl("delete", "pod", "kubia-1", "--force", "--grace-period=0")
        c.kubectl("rollout", "status", "sts/kubia", "--timeout=60s")
        c.kubectl("delete", "pods", "-l", "app=kubia")
        c.kubectl("rollout", "status", "sts/kubia", "--timeout=60s")
        before = identities(c)
        c.kubectl("delete", "sts", "kubia", "--cascade=orphan")
        same(identities(c), before)  # S70
        c.kubectl("apply", "-f", KUBIA)
        c.kubectl("rollout", "status", "sts/kubia", "--timeout=60s")
        same(identities(c), before)
        c.kubectl("delete", "sts", "kubia", "--cascade=foreground")
        until("no pod is left", lambda: not identities(c))
        same(len(c.object("pvc")["items"]), 3)
        c.kubectl("delete", "-f", KUBIA, "--ignore-not-found")
        c.kubectl("delete", "pvc", "--all")
        same(c.object("pv")["items"], [])


def test_namespaces_services_configmaps():
    with Cluster() as c:
        c.kubectl("create", "namespace", "team")  # protobuf from 1.32 on (A2)
        c.kubectl("create", "service", "clusterip", "web", "--tcp=80:8080", "-n", "team")
        c.kubectl("create", "configmap", "settings", "--from-literal=a=b", "-n", "team")
        same(c.object("cm", "settings", "-n", "team")["data"], {"a": "b"})
        address = c.object("svc", "web", "-n", "team")["spec"]["clusterIP"]
        same(c.short("web.team.svc.cluster.local"), [address])
        c.kubectl("apply", "-f", KUBIA, "-n", "team")
        c.kubectl("delete", "namespace", "team")
        assert c.run("get", "ns", "team", check=False).returncode == 1
        same(c.object("pods", "-A")["items"], [])
        same(c.ask("team.svc.cluster.local.").rcode, "NXDOMAIN")


def test_discovery_and_versions():
    with Cluster() as c:
        resources = c.kubectl("api-resources")
        for line in (r"statefulsets +sts +apps/v1 +true +StatefulSet", r"pods +po +v1 +true +Pod", r"identities .*ordinald.dev/v1 +true"):
            assert re.search(line, resources), resources
        assert "apps/v1" in c.kubectl("api-versions").split()
        assert "Server Version" in c.kubectl("version")
        same(c.kubectl("auth", "can-i", "create", "pods").strip(), "yes")
        same(c.kubectl("get", "--raw", "/readyz"), "ok")
        logs = c.run("logs", "nobody", check=False)
        same(logs.returncode, 1)


def test_nodes_cordon_and_drain():
    with Cluster() as c:
        c.apply_kubia()
        node = c.object("pod", "kubia-0")["spec"]["nodeName"]
        c.kubectl("cordon", node)
        assert "SchedulingDisabled" in c.kubectl("get", "node", node)
        c.kubectl("drain", node, "--force", "--ignore-daemonsets", "--delete-emptydir-data" if c.minor >= 20 else "--delete-local-data",
                  "--timeout=60s")
        c.kubectl("rollout", "status", "sts/kubia", "--timeout=60s")
        assert all(p["spec"]["nodeName"] != node for p in c.object("pods")["items"])
        c.kubectl("uncordon", node)


def test_diff_and_dry_run():
    with Cluster() as c:
        c.need(27, "OpenAPI v3, where it looks whether a kind can be tried (A12, A13)")
        c.apply_kubia()
        with open(KUBIA) as f:
            changed = f.read().replace("replicas: 3", "replicas: 4")
        result = c.run("diff", "-f", "-", stdin=changed, check=False)
        assert result.returncode == 1 and "replicas: 4" in result.stdout, result.stdout + result.stderr
        c.kubectl("apply", "-f", "-", "--dry-run=server", stdin=changed)
        same(c.object("sts", "kubia")["spec"]["replicas"], 3)


def test_replace_run_expose():
    with Cluster() as c:
        c.apply_kubia()
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kubia"},
                   "spec": {"clusterIP": "None", "selector": {"app": "kubia"}, "ports": [{"name": "web", "port": 81}]}}
        c.kubectl("replace", "-f", "-", stdin=json.dumps(service))
        same(c.object("svc", "kubia")["spec"]["ports"][0]["name"], "web")
        c.kubectl("run", "single", "--image=x", "--restart=Never")
        c.kubectl("expose", "pod", "single", "--port=80")
        same(len(c.short(f"single.{ZONE}")), 1)


if __name__ == "__main__":
    harness.main(sys.modules["__main__"])
