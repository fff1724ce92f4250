"""Every command of the matrix in section 10 of the API's specification with the real kubectl: what works says the right thing, and
what this server does not have fails with exit 1 and a sentence."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request

import harness
from harness import until
from kubectl import KUBIA, ZONE, Cluster, identities, same


def manifest(*changes):
    with open(KUBIA) as f:
        text = f.read()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def header(text):
    """The columns of a printed table: more than one space between them."""
    return re.split(r" {2,}", text.splitlines()[0].strip())


def row(text, name):
    return next(re.split(r" {2,}", line.strip()) for line in text.splitlines() if re.split(r" {2,}", line)[0] == name)


def editor(c, name, script):
    """An editor: a shell script over the file $1."""
    path = os.path.join(c.dir, name)
    with open(path, "w") as f:
        f.write("#!/bin/sh\n" + script + "\n")
    os.chmod(path, 0o755)
    return path


def parked(c):
    """A set whose pods nobody runs: every node is cordoned, so that nothing changes but what a test changes."""
    for node in ("node1", "node2", "node3"):
        c.kubectl("cordon", node)
    c.kubectl("apply", "-f", KUBIA)


def watchers(c):
    with urllib.request.urlopen(f"http://{c.metrics}/metrics", timeout=30) as reply:
        return int(re.search(r"^ordinald_api_watchers (\d+)", reply.read().decode(), re.M).group(1))


# ---- looking ----

def test_api_resources_versions_cluster_info():
    with Cluster() as c:
        table = c.kubectl("api-resources", "--no-headers")
        lines = {tuple(line.split()[i] for i in (0, -3, -2, -1)) for line in table.splitlines()}
        for name, version, namespaced, kind in (
                ("bindings", "v1", "true", "Binding"), ("configmaps", "v1", "true", "ConfigMap"), ("endpoints", "v1", "true", "Endpoints"),
                ("events", "v1", "true", "Event"), ("namespaces", "v1", "false", "Namespace"), ("nodes", "v1", "false", "Node"),
                ("persistentvolumeclaims", "v1", "true", "PersistentVolumeClaim"), ("persistentvolumes", "v1", "false", "PersistentVolume"),
                ("pods", "v1", "true", "Pod"), ("services", "v1", "true", "Service"), ("statefulsets", "apps/v1", "true", "StatefulSet"),
                ("replicasets", "apps/v1", "true", "ReplicaSet"), ("controllerrevisions", "apps/v1", "true", "ControllerRevision"),
                ("endpointslices", "discovery.k8s.io/v1", "true", "EndpointSlice"), ("leases", "coordination.k8s.io/v1", "true", "Lease"),
                ("storageclasses", "storage.k8s.io/v1", "false", "StorageClass"), ("events", "events.k8s.io/v1", "true", "Event"),
                ("identities", "ordinald.dev/v1", "true", "Identity"),
                ("selfsubjectaccessreviews", "authorization.k8s.io/v1", "false", "SelfSubjectAccessReview"),
                ("selfsubjectrulesreviews", "authorization.k8s.io/v1", "false", "SelfSubjectRulesReview"),
                ("selfsubjectreviews", "authentication.k8s.io/v1", "false", "SelfSubjectReview")):
            assert (name, version, namespaced, kind) in lines, f"{name} {version}\n{table}"
        for short, name in (("ns", "namespaces"), ("no", "nodes"), ("po", "pods"), ("svc", "services"), ("pvc", "persistentvolumeclaims"),
                            ("pv", "persistentvolumes"), ("ev", "events"), ("cm", "configmaps"), ("sts", "statefulsets"),
                            ("rs", "replicasets"), ("sc", "storageclasses"), ("ep", "endpoints")):
            assert re.search(rf"^{name} +{short} ", table, re.M), f"{short}\n{table}"
        verbs = c.kubectl("api-resources", "--verbs=deletecollection", "--no-headers")
        assert re.search("^pods ", verbs, re.M) and not re.search("^(endpoints|identities|bindings) ", verbs, re.M), verbs
        same(sorted(c.kubectl("api-versions").split()),
             ["apps/v1", "authentication.k8s.io/v1", "authorization.k8s.io/v1", "coordination.k8s.io/v1", "discovery.k8s.io/v1",
              "events.k8s.io/v1", "ordinald.dev/v1", "storage.k8s.io/v1", "v1"])
        assert "is running at" in c.kubectl("cluster-info")
        c.fails("the server could not find the requested resource", "cluster-info", "dump")  # it wants kinds that are not here
        versions = c.run("version", check=False)
        assert "Server Version" in versions.stdout and "+ordinald" in versions.stdout, versions.stdout + versions.stderr


def test_get_prints_the_columns_of_every_kind():
    with Cluster() as c:
        c.apply_kubia()
        c.kubectl("create", "configmap", "settings", "--from-literal=a=b", "--from-literal=c=d")
        c.kubectl("create", "-f", "-", stdin=json.dumps(
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "copies"},
             "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}},
                      "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "one", "image": "x"}]}}}}))
        columns = {
            "pods": "NAME READY STATUS RESTARTS AGE|IP NODE|NOMINATED NODE|READINESS GATES",
            "statefulsets": "NAME READY AGE|CONTAINERS IMAGES",
            "replicasets": "NAME DESIRED CURRENT READY AGE|CONTAINERS IMAGES SELECTOR",
            "services": "NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE|SELECTOR",
            "persistentvolumeclaims": "NAME STATUS VOLUME CAPACITY|ACCESS MODES|STORAGECLASS VOLUMEATTRIBUTESCLASS AGE|VOLUMEMODE",
            "persistentvolumes": "NAME CAPACITY|ACCESS MODES|RECLAIM POLICY|STATUS CLAIM STORAGECLASS VOLUMEATTRIBUTESCLASS REASON AGE"
                                 "|VOLUMEMODE",
            "storageclasses": "NAME PROVISIONER RECLAIMPOLICY VOLUMEBINDINGMODE ALLOWVOLUMEEXPANSION AGE",
            "nodes": "NAME STATUS ROLES AGE VERSION|INTERNAL-IP EXTERNAL-IP OS-IMAGE KERNEL-VERSION CONTAINER-RUNTIME",
            "namespaces": "NAME STATUS AGE",
            "endpointslices": "NAME ADDRESSTYPE PORTS ENDPOINTS AGE",
            "endpoints": "NAME ENDPOINTS AGE",
            "controllerrevisions": "NAME CONTROLLER REVISION AGE",
            "configmaps": "NAME DATA AGE",
            "identities": "NAME EPOCH NODE|HELD ADDRESSES|AGE",
            "events": "LAST SEEN|TYPE REASON OBJECT|SUBOBJECT SOURCE|MESSAGE|FIRST SEEN|COUNT NAME",
            "events.events.k8s.io": "LAST SEEN|TYPE REASON OBJECT|SUBOBJECT SOURCE|MESSAGE|FIRST SEEN|COUNT NAME",
        }
        spaced = {"NOMINATED NODE", "READINESS GATES", "ACCESS MODES", "RECLAIM POLICY", "LAST SEEN", "FIRST SEEN", "HELD ADDRESSES"}
        for kind, text in columns.items():
            want = [word for part in text.split("|") for word in ([part] if part in spaced else part.split())]
            same(header(c.kubectl("get", kind, "-o", "wide")), want)
        same(header(c.kubectl("get", "leases", "-n", "kube-node-lease")), ["NAME", "HOLDER", "AGE"])
        # Without -o wide those of priority 0.
        same(header(c.kubectl("get", "pods")), ["NAME", "READY", "STATUS", "RESTARTS", "AGE"])
        same(header(c.kubectl("get", "events")), ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"])
        same(header(c.kubectl("get", "sts", "-L", "app")), ["NAME", "READY", "AGE", "APP"])
        same(row(c.kubectl("get", "configmaps"), "settings")[1], "2")
        same(row(c.kubectl("get", "rs", "-o", "wide"), "copies")[1:4] + row(c.kubectl("get", "rs", "-o", "wide"), "copies")[5:],
             ["0", "0", "0", "one", "x", "a=b"])
        same(row(c.kubectl("get", "sc"), "standard (default)")[1:5], ["ordinald.dev/directory", "Delete", "Immediate", "false"])
        same(row(c.kubectl("get", "nodes"), "node1")[1:3], ["Ready", "<none>"])
        revision = c.kubectl("get", "controllerrevisions", "--no-headers").split()
        same(revision[1:3], ["statefulset.apps/kubia", "1"])
        assert re.search(r"^kubia +(10\.244\.\d+\.\d+:80,){2}10\.244\.\d+\.\d+:80 ", c.kubectl("get", "endpoints", "--no-headers"))
        assert re.search(r"^kubia-\S+ +IPv4 +80 +(10\.244\.\d+\.\d+,){2}10\.244", c.kubectl("get", "endpointslices", "--no-headers"))
        # -o name, jsonpath, custom columns and yaml come from the JSON of the same paths.
        same(c.kubectl("get", "sts,svc", "-o", "name").split(), ["statefulset.apps/kubia", "service/kubia"])
        same(c.kubectl("get", "sts", "kubia", "-o", "jsonpath={.spec.replicas}"), "3")
        same(c.kubectl("get", "pods", "-o", "custom-columns=N:.metadata.name,P:.status.phase", "--no-headers").split()[:2],
             ["kubia-0", "Running"])
        assert "No resources found in kube-public namespace" in c.run("get", "pods", "-n", "kube-public").stderr
        c.fails('the server doesn\'t have a resource type "gadgets"', "get", "pods,gadgets")
        both = c.fails('pods "nobody" not found', "get", "pods", "kubia-0", "nobody")
        assert "Running" in both, both  # what exists is shown
        c.fails("unable to parse requirement", "get", "pods", "-l", "a===")
        c.fails("field label not supported: spec.foo", "get", "pods", "--field-selector", "spec.foo=1")


def test_get_raw():
    with Cluster() as c:
        c.apply_kubia()
        same(json.loads(c.kubectl("get", "--raw", "/apis/apps/v1/namespaces/default/statefulsets/kubia/scale"))["spec"], {"replicas": 3})
        c.fails("the server could not find the requested resource", "get", "--raw", "/nope")


def test_get_of_subresources():
    with Cluster() as c:
        c.need(24, "get --subresource")
        c.apply_kubia()
        scale = c.kubectl("get", "sts", "kubia", "--subresource=scale")
        same(header(scale), ["NAME", "DESIRED", "AVAILABLE", "AGE"])
        same(row(scale, "kubia")[1:3], ["3", "3"])
        same(header(c.kubectl("get", "sts", "kubia", "--subresource=status")), ["NAME", "READY", "AGE"])


def test_watch_prints_tables():
    with Cluster() as c:
        c.kubectl("apply", "-f", KUBIA)
        for arguments in (("get", "pods", "-w"), ("get", "pod", "kubia-0", "--watch-only"), ("get", "pods", "-w", "--output-watch-events")):
            c.rolled_out()
            c.kubectl("patch", "pod", "kubia-0", "--type=merge", "-p", '{"metadata":{"finalizers":["example.com/held"]}}')
            watch = subprocess.Popen(c.command(*arguments), stdout=subprocess.PIPE, text=True, env=c.environment())
            late = threading.Timer(60, watch.kill)
            late.start()
            try:
                seen = ""

                def read_until(pattern):
                    nonlocal seen
                    while not re.search(pattern, seen):
                        line = watch.stdout.readline()
                        assert line, seen
                        seen += line

                if "--watch-only" not in arguments:
                    read_until(r"(?s)READY.*kubia-2 +1/1 +Running")
                until("the watch runs", lambda: watchers(c) == 1)
                c.kubectl("delete", "pod", "kubia-0", "--wait=false")
                read_until(r"kubia-0 .*Terminating")
                c.kubectl("patch", "pod", "kubia-0", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
                read_until(r"(?s)Terminating.*kubia-0 +1/1 +Running")
                if "--output-watch-events" in arguments:
                    assert re.search(r"^DELETED +kubia-0", seen, re.M) and len(re.findall(r"^ADDED +kubia-0", seen, re.M)) == 2, seen
            finally:
                late.cancel()
                watch.terminate()
                watch.wait()
                watch.stdout.close()
            until("the watch is over", lambda: watchers(c) == 0)


def test_describe_of_every_kind():
    with Cluster() as c:
        c.apply_kubia()
        c.kubectl("create", "configmap", "settings", "--from-literal=color=blue")
        volume = c.object("pvc", "data-kubia-0")["spec"]["volumeName"]
        event = c.object("events")["items"][0]["metadata"]["name"]
        slice_name = c.object("endpointslices")["items"][0]["metadata"]["name"]
        revision = c.object("controllerrevisions")["items"][0]["metadata"]["name"]
        for what, texts in (
                (("sts", "kubia"), (r"Replicas: +3 desired \| 3 total", r"3 Running / 0 Waiting", "SuccessfulCreate", r"Volume Claims:")),
                (("pod", "kubia-0"), (r"Node: +node\d/", r"IP: +10\.244\.", r"Controlled By: +StatefulSet/kubia", r"Ready +True",
                                      r"ClaimName: +data-kubia-0", r"Scheduled .*Successfully assigned")),
                (("svc", "kubia"), (r"IP: +None", r"Endpoints: +10\.244\.\d+\.\d+:80,")),
                (("pvc", "data-kubia-0"), (r"Status: +Bound", rf"Volume: +{volume}", r"Used By: +kubia-0|Mounted By: +kubia-0",
                                           "ProvisioningSucceeded")),
                (("pv", volume), (r"Claim: +default/data-kubia-0", r"Reclaim Policy: +Delete", r"Status: +Bound")),
                (("node", "node1"), (r"Unschedulable: +false", r"HolderIdentity: +node1", r"Ready +True", r"default +kubia-\d")),
                (("ns", "default"), (r"Status: +Active",)),
                (("sc", "standard"), (r"IsDefaultClass: +Yes", r"Provisioner: +ordinald.dev/directory")),
                (("endpoints", "kubia"), (r"Addresses: +10\.244\.\d+\.\d+,", r"http +80 +TCP")),
                (("endpointslices", slice_name), (r"AddressType: +IPv4", r"TargetRef: +Pod/kubia-0")),
                (("configmap", "settings"), ("color", "blue")),
                (("controllerrevision", revision), (r"Revision: +1", r"Kind: +StatefulSet")),
                (("lease", "node1", "-n", "kube-node-lease"), (r"Holder Identity: +node1",)),
                (("event", event), (r"Involved Object:", r"Reason:")),
                (("identity", "kubia-0"), (r"Epoch: +1",))):
            if what[0] == "endpointslices" and c.minor < 21:
                continue  # it asks for discovery.k8s.io/v1beta1
            text = c.kubectl("describe", *what)
            for want in texts:
                assert re.search(want, text), f"{what}: no {want}\n{text}"
        c.kubectl("create", "-f", "-", stdin=json.dumps(
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "copies"},
             "spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}},
                      "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "one", "image": "x"}]}}}}))
        text = until("the copy runs", lambda: re.search(r"(?s).*1 Running / 0 Waiting.*", c.kubectl("describe", "rs", "copies")))
        assert "1 current / 1 desired" in text.group(0), text.group(0)
        c.fails('pods "nobody" not found', "describe", "pod", "nobody")


def test_events():
    with Cluster() as c:
        c.need(26, "kubectl events")
        c.apply_kubia()
        assert re.search(r"StatefulSet/kubia +Create Pod kubia-0 in StatefulSet kubia successful", c.kubectl("events"))
        own = c.kubectl("events", "--for", "pod/kubia-1").splitlines()
        same(len(own), 2)
        assert "Pod/kubia-1" in own[1] and "Scheduled" in own[1], own
        assert "No events found" in c.run("events", "--types=Warning").stderr


# ---- making and changing ----

def test_create_in_every_form():
    with Cluster() as c:
        same(c.kubectl("create", "namespace", "team").strip(), "namespace/team created")  # protobuf from 1.32 on (A2)
        c.kubectl("create", "service", "clusterip", "web", "--tcp=80:8080", "-n", "team")
        c.kubectl("create", "service", "clusterip", "peers", "--clusterip=None", "--tcp=80", "-n", "team")
        c.kubectl("create", "service", "externalname", "far", "--external-name=far.example", "-n", "team")
        c.kubectl("create", "service", "loadbalancer", "front", "--tcp=80", "-n", "team")
        table = c.kubectl("get", "svc", "-n", "team")
        same(row(table, "peers")[1:5], ["ClusterIP", "None", "<none>", "80/TCP"])
        same(row(table, "far")[1:5], ["ExternalName", "<none>", "far.example", "<none>"])
        same(row(table, "front")[3], "<pending>")
        path = os.path.join(c.dir, "bytes")
        with open(path, "wb") as f:
            f.write(bytes(range(256)))
        c.kubectl("create", "configmap", "settings", "--from-literal=a=b", "--from-file=" + path, "-n", "team")
        have = c.object("cm", "settings", "-n", "team")
        same((have["data"], list(have["binaryData"])), ({"a": "b"}, ["bytes"]))
        c.fails('namespaces "team" already exists', "create", "namespace", "team")
        c.fails('namespaces "nowhere" not found', "create", "configmap", "x", "-n", "nowhere")
        text = manifest()
        same(c.kubectl("create", "-f", "-", stdin=text).splitlines(), ["service/kubia created", "statefulset.apps/kubia created"])
        c.fails('statefulsets.apps "kubia" already exists', "create", "-f", "-", stdin=text)
        c.kubectl("delete", "sts,svc", "--all")
        odd = manifest(("  serviceName: kubia", "  serviceName: kubia\n  colour: blue"))
        if c.minor >= 27:  # Strict; before, the server was not told and warns
            c.fails('strict decoding error: unknown field "spec.colour"', "create", "-f", "-", stdin=odd)
        else:
            assert 'unknown field "spec.colour"' in c.run("create", "-f", "-", stdin=odd).stderr
        c.kubectl("delete", "sts,svc", "--all")
        c.kubectl("create", "-f", "-", "--validate=false", stdin=odd.split("---\n")[1])
        assert "colour" not in c.object("sts", "kubia")["spec"]
        c.fails("replicas", "create", "-f", "-", stdin=manifest(("replicas: 3", "replicas: three"), ("name: kubia\n", "name: other\n")))
        made = c.kubectl("create", "-f", "-", "-o", "name", 
                         stdin='{"apiVersion":"v1","kind":"ConfigMap","metadata":{"generateName":"many-"}}')
        assert re.match(r"configmap/many-[bcdfghjklmnpqrstvwxz2456789]{5}$", made.strip()), made  # A20
        if c.minor >= 27:  # before, it looks for the parameter in OpenAPI v2 (A13)
            c.kubectl("create", "configmap", "ghost", "--dry-run=server")
        c.fails('configmaps "ghost" not found', "get", "cm", "ghost")


def test_apply_keeps_what_was_written():
    with Cluster() as c:
        parked(c)
        quantities = manifest(("image: kubia-pet", "image: kubia-pet\n          resources:\n"
                                                   "            limits: {cpu: 1000m, memory: 1024Mi}\n"
                                                   "            requests: {cpu: \"0.10\", memory: 1.5Gi}"),
                              ("storage: 1Mi", "storage: 1024Ki"))
        c.kubectl("delete", "-f", KUBIA)
        c.kubectl("apply", "-f", "-", stdin=quantities)
        spec = c.object("sts", "kubia")["spec"]
        same(spec["template"]["spec"]["containers"][0]["resources"],
             {"limits": {"cpu": "1000m", "memory": "1024Mi"}, "requests": {"cpu": "0.10", "memory": "1.5Gi"}})  # A24
        same(spec["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"], "1024Ki")
        before = c.object("sts", "kubia")["metadata"]["resourceVersion"]
        same(c.kubectl("apply", "-f", "-", stdin=quantities).splitlines(), ["service/kubia unchanged", "statefulset.apps/kubia unchanged"])
        same(c.object("sts", "kubia")["metadata"]["resourceVersion"], before)  # A17
        # The lists of a pod are merged by their keys and keep the order of the file (A27).
        more = quantities.replace("      containers:\n", "      containers:\n        - name: helper\n          image: help\n")
        c.kubectl("apply", "-f", "-", stdin=more)
        containers = c.object("sts", "kubia")["spec"]["template"]["spec"]["containers"]
        same([x["name"] for x in containers], ["helper", "kubia"])
        same(containers[1]["resources"]["limits"]["cpu"], "1000m")
        c.kubectl("apply", "-f", "-", stdin=quantities)
        same([x["name"] for x in c.object("sts", "kubia")["spec"]["template"]["spec"]["containers"]], ["kubia"])
        assert "storage: 1024Ki" in c.kubectl("apply", "view-last-applied", "sts/kubia")
        c.fails('no matches for kind "Deployment"', "apply", "-f", "-",
                stdin="apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n")
        if c.minor >= 27:
            warned = c.run("apply", "-f", "-", "--validate=warn",
                           stdin=quantities.replace("  serviceName: kubia", "  serviceName: kubia\n  colour: blue"))
            assert 'Warning: unknown field "spec.colour"' in warned.stderr, warned.stderr


def test_scale_waits_and_compares():
    with Cluster() as c:
        c.apply_kubia()
        same(c.kubectl("scale", "sts/kubia", "--replicas=2", "--timeout=30s").strip(), "statefulset.apps/kubia scaled")
        c.kubectl("scale", "sts/kubia", "--current-replicas=2", "--replicas=3")  # a PUT without Content-Type (A1)
        c.fails("xpected replicas to be 7", "scale", "sts/kubia", "--current-replicas=7", "--replicas=1")
        nobody = c.fails("", "scale", "sts/nobody", "--replicas=1")
        assert re.search("not found|no objects passed to scale", nobody), nobody  # 1.27 to 1.31 lose the reason
        same(c.object("sts", "kubia")["spec"]["replicas"], 3)


def test_patch_in_every_form():
    with Cluster() as c:
        parked(c)
        image = '{"spec":{"template":{"spec":{"containers":[{"name":"kubia","image":"v2"}]}}}}'
        same(c.kubectl("patch", "sts", "kubia", "-p", image).strip(), "statefulset.apps/kubia patched")
        container = c.object("sts", "kubia")["spec"]["template"]["spec"]["containers"][0]
        same((container["image"], container["ports"][0]["containerPort"]), ("v2", 8080))
        c.kubectl("patch", "sts", "kubia", "--type=json", "-p", '[{"op":"add","path":"/metadata/labels","value":{"a":"b"}}]')
        c.kubectl("patch", "sts", "kubia", "--type=merge", "-p", '{"metadata":{"labels":{"a":null,"c":"d"}}}')
        same(c.object("sts", "kubia")["metadata"]["labels"], {"c": "d"})
        assert "(no change)" in c.kubectl("patch", "sts", "kubia", "--type=merge", "-p", '{"metadata":{"labels":{"c":"d"}}}')
        stale = '{"metadata":{"resourceVersion":"1"}}'
        c.fails("the object has been modified", "patch", "sts", "kubia", "--type=merge", "-p", stale)  # A18
        c.fails("Forbidden: updates to statefulset spec", "patch", "sts", "kubia", "-p", '{"spec":{"podManagementPolicy":"Parallel"}}')
        c.fails('spec.replicas: Invalid value: -1', "patch", "sts", "kubia", "-p", '{"spec":{"replicas":-1}}')


def test_patch_of_subresources():
    with Cluster() as c:
        c.need(24, "patch --subresource")
        parked(c)
        c.kubectl("patch", "sts", "kubia", "--subresource=scale", "--type=merge", "-p", '{"spec":{"replicas":1}}')
        same(c.object("sts", "kubia")["spec"]["replicas"], 1)
        c.kubectl("patch", "node", "node1", "--subresource=status", "--type=merge", "-p", '{"status":{"capacity":{"gadgets":"3"}}}')
        same(c.object("node", "node1")["status"]["capacity"]["gadgets"], "3")


def test_set_image_env_resources():
    with Cluster() as c:
        parked(c)
        same(c.kubectl("set", "image", "sts/kubia", "kubia=kubia-pet:v2").strip(), "statefulset.apps/kubia image updated")
        c.kubectl("set", "env", "sts/kubia", "MODE=quick", "OLD=1")
        c.kubectl("set", "env", "sts/kubia", "OLD-")
        c.kubectl("set", "resources", "sts/kubia", "-c", "kubia", "--limits=cpu=200m,memory=512Mi")
        container = c.object("sts", "kubia")["spec"]["template"]["spec"]["containers"][0]
        same((container["image"], container["env"]), ("kubia-pet:v2", [{"name": "MODE", "value": "quick"}]))
        same(container["resources"]["limits"], {"cpu": "200m", "memory": "512Mi"})
        assert "MODE=quick" in c.kubectl("set", "env", "sts/kubia", "--list")


def test_edit():
    with Cluster() as c:
        parked(c)
        two = editor(c, "two", "sed -i 's/replicas: 3/replicas: 2/' $1")
        same(c.kubectl("edit", "sts", "kubia", KUBE_EDITOR=two).strip(), "statefulset.apps/kubia edited")
        same(c.object("sts", "kubia")["spec"]["replicas"], 2)
        assert "no changes made" in c.run("edit", "sts", "kubia", KUBE_EDITOR="true").stderr
        # What the server refuses opens the editor again, with the reason at the top.
        bad = editor(c, "bad", f"cp $1 {c.dir}/seen; sed -i 's/serviceName: kubia/serviceName: other/' $1")
        c.fails("no valid changes were saved", "edit", "sts", "kubia", KUBE_EDITOR=bad)
        with open(os.path.join(c.dir, "seen")) as f:
            assert "Forbidden: updates to statefulset spec for fields other than" in f.read()
        same(c.object("sts", "kubia")["spec"]["serviceName"], "kubia")


def test_label_and_annotate():
    with Cluster() as c:
        c.apply_kubia()
        same(c.kubectl("label", "pods", "--all", "tier=front").splitlines(), [f"pod/kubia-{i} labeled" for i in range(3)])
        c.fails("--overwrite is false", "label", "pod", "kubia-0", "tier=back")
        c.kubectl("label", "pod", "kubia-0", "tier=back", "--overwrite")
        same(c.kubectl("get", "pods", "-l", "tier!=back", "-o", "name").split(), ["pod/kubia-1", "pod/kubia-2"])
        c.kubectl("annotate", "pods", "-l", "tier=back", "note=here")
        same(c.object("pod", "kubia-0")["metadata"]["annotations"]["note"], "here")
        c.kubectl("annotate", "pod", "kubia-0", "note-")
        assert "note" not in c.object("pod", "kubia-0")["metadata"]["annotations"]
        c.fails("the object has been modified", "label", "pod", "kubia-0", "x=y", "--resource-version=1")
        c.fails("name part must consist of", "label", "pod", "kubia-0", "bad key=y")
        assert "tier=back" in c.kubectl("label", "pod", "kubia-0", "--list")


def test_rollout_history_undo_pause():
    with Cluster() as c:
        c.apply_kubia()
        for image in ("v2", "v3"):
            c.kubectl("set", "image", "sts/kubia", f"kubia=kubia-pet:{image}")
            c.kubectl("annotate", "sts/kubia", f"kubernetes.io/change-cause=to {image}", "--overwrite")
        c.rolled_out()
        history = c.kubectl("rollout", "history", "sts/kubia")
        same([line.split()[0] for line in history.splitlines()[2:] if line], ["1", "2", "3"])
        assert "kubia-pet:v2" in c.kubectl("rollout", "history", "sts/kubia", "--revision=2")
        c.kubectl("rollout", "undo", "sts/kubia", "--to-revision=1")
        c.rolled_out()
        same({p["spec"]["containers"][0]["image"] for p in c.object("pods")["items"]}, {"kubia-pet"})
        c.fails("9", "rollout", "undo", "sts/kubia", "--to-revision=9")
        before = identities(c)
        same(c.kubectl("rollout", "restart", "sts/kubia").strip(), "statefulset.apps/kubia restarted")
        assert "roll out complete" in c.rolled_out()
        after = identities(c)
        assert sorted(after) == sorted(before) and not {u for u, _ in after.values()} & {u for u, _ in before.values()}
        c.fails("pausing is not supported", "rollout", "pause", "sts/kubia")
        # Status tells what it waits for, and ends when the time is over.
        for node in ("node1", "node2", "node3"):
            c.kubectl("cordon", node)
        c.kubectl("delete", "pod", "kubia-2")
        c.fails("timed out waiting", "rollout", "status", "sts/kubia", "--timeout=1s")
        c.kubectl("patch", "sts", "kubia", "-p", '{"spec":{"updateStrategy":{"type":"OnDelete","rollingUpdate":null}}}')
        c.fails("rollout status is only available for RollingUpdate strategy type", "rollout", "status", "sts/kubia")


def test_replace_and_force():
    with Cluster() as c:
        c.apply_kubia()
        live = c.kubectl("get", "sts", "kubia", "-o", "yaml")
        c.kubectl("label", "sts", "kubia", "late=yes")
        c.fails("the object has been modified", "replace", "-f", "-", stdin=live)  # A18: the file has an older resourceVersion
        same(c.kubectl("replace", "-f", "-", stdin=manifest(("replicas: 3", "replicas: 2"))).splitlines(),
             ["service/kubia replaced", "statefulset.apps/kubia replaced"])
        same(c.object("sts", "kubia")["spec"]["replicas"], 2)
        assert "labels" not in c.object("sts", "kubia")["metadata"]
        uid = c.object("sts", "kubia")["metadata"]["uid"]
        c.kubectl("replace", "--force", "-f", "-", stdin=manifest())
        assert c.object("sts", "kubia")["metadata"]["uid"] != uid
        c.rolled_out()
        c.fails('configmaps "nobody" not found', "replace", "-f", "-", stdin="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: nobody}\n")


def test_diff_and_server_dry_run_change_nothing():
    with Cluster() as c:
        c.need(27, "OpenAPI v3, where it looks whether a kind can be tried (A12, A13)")
        parked(c)
        version = c.object("sts", "kubia")["metadata"]["resourceVersion"]
        same(c.run("diff", "-f", "-", stdin=manifest()).stdout, "")
        changed = c.run("diff", "-f", "-", stdin=manifest(("replicas: 3", "replicas: 4")), check=False)
        assert changed.returncode == 1 and re.search(r"^-  replicas: 3\n\+  replicas: 4", changed.stdout, re.M), changed.stdout
        new = c.run("diff", "-f", "-", stdin="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fresh}\ndata: {a: b}\n", check=False)
        assert new.returncode == 1 and "+  name: fresh" in new.stdout, new.stdout + new.stderr
        assert "(server dry run)" in c.kubectl("apply", "-f", "-", "--dry-run=server", stdin=manifest(("replicas: 3", "replicas: 9")))
        c.fails("spec.replicas: Invalid value", "apply", "-f", "-", "--dry-run=server", stdin=manifest(("replicas: 3", "replicas: -9")))
        c.kubectl("delete", "sts", "kubia", "--dry-run=server")
        c.kubectl("scale", "sts", "kubia", "--replicas=8", "--dry-run=server")
        same(c.object("sts", "kubia")["metadata"]["resourceVersion"], version)


def test_run_and_expose():
    with Cluster() as c:
        c.kubectl("run", "single", "--image=x", "--port=80", "--restart=Never", "--labels=app=single,x=y", "--env=A=b")
        c.kubectl("wait", "pod/single", "--for=condition=Ready", "--timeout=30s")
        same(c.kubectl("expose", "pod", "single", "--name=one", "--port=80", "--target-port=8080").strip(), "service/one exposed")
        same(c.object("svc", "one")["spec"]["selector"]["app"], "single")
        c.kubectl("expose", "svc", "one", "--name=two", "--port=81", "--cluster-ip=None")
        same(c.short(f"two.{ZONE}"), [c.object("pod", "single")["status"]["podIP"]])
        c.fails('pods "single" already exists', "run", "single", "--image=x", "--restart=Never")


# ---- going ----

def test_delete_forms():
    with Cluster() as c:
        c.apply_kubia()
        before = identities(c)
        assert "deleted" in c.kubectl("delete", "pod", "kubia-1", "--now")
        c.rolled_out()
        assert identities(c)["kubia-1"][0] != before["kubia-1"][0]
        same(len(c.kubectl("delete", "pods", "--all", "--wait=false").splitlines()), 3)
        c.rolled_out()
        c.fails('pods "nobody" not found', "delete", "pod", "nobody")
        same(c.kubectl("delete", "pod", "nobody", "--ignore-not-found"), "")
        # An orphaned set leaves its pods, a set deleted again takes the newer policy (R63).
        before = identities(c)
        c.kubectl("patch", "sts", "kubia", "--type=merge", "-p", '{"metadata":{"finalizers":["example.com/held"]}}')
        c.kubectl("delete", "sts", "kubia", "--cascade=foreground", "--wait=false")
        c.kubectl("delete", "sts", "kubia", "--cascade=background", "--wait=false")
        same(c.object("sts", "kubia")["metadata"]["finalizers"], ["example.com/held"])
        c.kubectl("patch", "sts", "kubia", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')  # A32
        c.fails('statefulsets.apps "kubia" not found', "get", "sts", "kubia")
        until("the pods went with it", lambda: not identities(c))
        c.kubectl("delete", "all", "--all")
        c.kubectl("delete", "pvc", "-l", "app=kubia")
        same(c.object("pvc")["items"], [])
        c.fails("is forbidden", "delete", "namespace", "default")


def test_wait_forms():
    with Cluster() as c:
        c.kubectl("apply", "-f", KUBIA)
        c.rolled_out()
        c.kubectl("wait", "pods", "--all", "--for=condition=Ready", "--timeout=30s")
        c.fails("timed out waiting for the condition", "wait", "pod/kubia-0", "--for=condition=Special", "--timeout=1s")
        waiter = subprocess.Popen(c.command("wait", "pod/kubia-2", "--for=delete", "--timeout=60s"), env=c.environment(),
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        c.kubectl("scale", "sts/kubia", "--replicas=2")
        out, err = waiter.communicate(timeout=60)
        gone = "NotFound" in err or "no matching resources found" in err  # it was gone before the first look
        assert waiter.returncode == 0 or gone, out + err
        if c.minor >= 23:
            c.kubectl("wait", "sts/kubia", "--for=jsonpath={.status.replicas}=2", "--timeout=30s")


def test_wait_for_creation():
    with Cluster() as c:
        c.need(31, "wait --for=create")
        c.fails("timed out waiting", "wait", "cm/late", "--for=create", "--timeout=1s")
        waiter = subprocess.Popen(c.command("wait", "cm/late", "--for=create", "--timeout=60s"), env=c.environment(),
                                  stdout=subprocess.PIPE, text=True)
        c.kubectl("create", "configmap", "late")
        same(waiter.communicate(timeout=60)[0].strip(), "configmap/late condition met")


def test_cordon_taint_drain():
    with Cluster() as c:
        c.apply_kubia()
        node = c.object("pod", "kubia-0")["spec"]["nodeName"]
        same(c.kubectl("cordon", node).strip(), f"node/{node} cordoned")
        same(c.object("node", node)["spec"]["unschedulable"], True)
        c.kubectl("uncordon", node)
        assert "unschedulable" not in c.object("node", node)["spec"]
        c.kubectl("taint", "node", node, "color=red:NoSchedule")
        same(c.object("node", node)["spec"]["taints"], [{"key": "color", "value": "red", "effect": "NoSchedule"}])
        assert re.search(r"Taints: +color=red:NoSchedule", c.kubectl("describe", "node", node))
        c.kubectl("taint", "node", node, "color-")
        c.kubectl("run", "single", "--image=x", "--restart=Never")
        until("single is placed", lambda: c.object("pod", "single")["spec"].get("nodeName"))
        where = c.object("pod", "single")["spec"]["nodeName"]
        c.fails("--force", "drain", where, "--timeout=10s")
        drained = c.run("drain", where, "--force", "--timeout=60s").stdout
        how = "evicting pod default/single" if c.minor >= 22 else "pod/single deleted"  # A8; before, it wants a group policy
        assert how in drained, drained
        assert all(p["spec"].get("nodeName") != where for p in c.object("pods")["items"])


# ---- who may what, and what is not here ----

def test_auth():
    with Cluster() as c:
        same(c.kubectl("auth", "can-i", "create", "pods").strip(), "yes")
        same(c.kubectl("auth", "can-i", "get", "/version").strip(), "yes")
        same(c.kubectl("auth", "can-i", "create", "pods/eviction").strip(), "yes")
        assert c.fails("no", "auth", "can-i", "update", "identities").startswith("no")
        assert "Verbs" in c.kubectl("auth", "can-i", "--list")


def test_auth_whoami():
    with Cluster() as c:
        c.need(28, "auth whoami over authentication.k8s.io/v1")
        assert re.search(r"^Username +\S+", c.kubectl("auth", "whoami"), re.M)


def test_what_runs_containers_fails_with_a_sentence():
    with Cluster() as c:
        c.apply_kubia()
        c.fails('logs of "kubia-0" are not available: ordinald does not run containers itself', "logs", "kubia-0")
        c.fails('pods "nobody" not found', "logs", "nobody")
        for command in (("exec", "kubia-0", "--", "true"), ("attach", "kubia-0"), ("port-forward", "kubia-0", "18080:80"),
                        ("cp", os.path.join(c.dir, "log"), "kubia-0:/tmp/x")):
            c.fails("ordinald does not run containers itself", *command)


def test_what_is_not_served_fails_with_a_sentence():
    with Cluster() as c:
        c.apply_kubia()
        missing = "the server could not find the requested resource"
        for what in ("nodes", "pods"):
            c.fails("Metrics API not available", "top", what)
        c.fails(missing, "autoscale", "sts/kubia", "--max=3")
        absent = missing if c.minor >= 27 else "no matches for kind"
        c.fails(absent, "create", "secret", "generic", "x", "--from-literal=a=b")
        c.fails(absent, "create", "serviceaccount", "x")
        c.fails('the server doesn\'t have a resource type "deploy', "get", "deployments")
        c.fails("", "explain", "statefulset")  # no schemas (A12)
        c.fails("erver-side", "apply", "--server-side", "-f", KUBIA)  # A21, A28


def test_create_token_fails_with_a_sentence():
    with Cluster() as c:
        c.need(24, "create token")
        missing = "the server could not find the requested resource"
        c.fails(missing, "create", "token", "default")


def test_interrupted_watch_leaves_the_server_well():
    with Cluster() as c:
        c.apply_kubia()
        watches = [subprocess.Popen(c.command("get", "pods", "-w"), stdout=subprocess.PIPE, text=True, env=c.environment())
                   for _ in range(4)]
        for watch in watches:
            assert "NAME" in watch.stdout.readline()
            watch.send_signal(signal.SIGINT)
            watch.wait(timeout=30)
            watch.stdout.close()
        same(c.kubectl("get", "--raw", "/readyz"), "ok")


if __name__ == "__main__":
    harness.main(sys.modules["__main__"])
