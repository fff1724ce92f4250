"""The Python client of Kubernetes against the API: its models check every reply, patches go by the type of their body, watches go on
and end as section 11 says. The package is installed from PyPI, at a fixed version, into the build folder. Skips where it cannot be."""

import datetime
import os
import shutil
import subprocess
import sys
import threading

import harness
from harness import Daemon, Skip, until

VERSION = "37.0.2"
NS = "default"
state = {}


def packages():
    """The folder of the installed packages; the first caller of a build folder makes it."""
    home = os.path.join(os.path.abspath(harness.BUILD), "python-client-" + VERSION)
    site = os.path.join(home, "lib", "python%d.%d" % sys.version_info[:2], "site-packages")
    stamp = os.path.join(site, "complete")
    if not os.path.exists(stamp):
        shutil.rmtree(home, ignore_errors=True)
        made = subprocess.run([sys.executable, "-m", "venv", home], capture_output=True, text=True)
        if made.returncode != 0:
            raise Skip("no Python environment can be made: " + (made.stdout + made.stderr).strip().split("\n")[-1])
        pip = subprocess.run([os.path.join(home, "bin", "python"), "-m", "pip", "install", "--quiet", "--no-input",
                              "--disable-pip-version-check", "kubernetes==" + VERSION], capture_output=True, text=True, timeout=540)
        if pip.returncode != 0:
            raise Skip(f"kubernetes=={VERSION} cannot be installed: " + pip.stderr.strip().split("\n")[-1])
        with open(stamp, "w"):
            pass
    return site


def connect(daemon):
    """The client package, configured for a daemon: also for those of its parts that make their own ApiClient."""
    if "site" not in state:
        state["site"] = packages_once()
    if isinstance(state["site"], Skip):
        raise state["site"]
    import kubernetes
    configuration = kubernetes.client.Configuration()
    configuration.host = daemon.http
    kubernetes.client.Configuration.set_default(configuration)
    return kubernetes


def packages_once():
    try:
        site = packages()
    except Skip as why:
        return why
    sys.path.insert(0, site)
    return site


def refused(call, *arguments, **options):
    """The status of a call that must fail."""
    import kubernetes
    try:
        reply = call(*arguments, **options)
    except kubernetes.client.ApiException as error:
        return error.status
    raise AssertionError(f"not refused: {reply}")


def config_map(client, name, **data):
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name), data=data)


def test_objects_patches_and_errors():
    with Daemon() as d:
        client = connect(d).client
        core = client.CoreV1Api()
        made = core.create_namespaced_config_map(NS, config_map(client, "a", one="1"))
        assert made.metadata.uid and made.metadata.creation_timestamp.tzinfo, made
        assert refused(core.create_namespaced_config_map, NS, config_map(client, "a")) == 409
        assert refused(core.read_namespaced_config_map, "b", NS) == 404
        assert refused(core.create_namespaced_config_map, NS, config_map(client, "No Name")) == 422

        # A body that is an object goes as a strategic merge patch, a list as a JSON patch.
        assert core.patch_namespaced_config_map("a", NS, {"data": {"two": "2"}}).data == {"one": "1", "two": "2"}
        assert core.patch_namespaced_config_map("a", NS, [{"op": "remove", "path": "/data/one"}]).data == {"two": "2"}
        assert refused(core.patch_namespaced_config_map, "a", NS, [{"op": "test", "path": "/data/two", "value": "3"}]) == 422

        made.data = {"late": "1"}  # with the version of the creation
        assert refused(core.replace_namespaced_config_map, "a", NS, made) == 409
        fresh = core.read_namespaced_config_map("a", NS)
        fresh.data = {"three": "3"}
        assert core.replace_namespaced_config_map("a", NS, fresh).data == {"three": "3"}
        assert [m.metadata.name for m in core.list_namespaced_config_map(NS, field_selector="metadata.name=a").items] == ["a"]
        gone = core.delete_namespaced_config_map("a", NS)
        gone = gone if isinstance(gone, dict) else gone.to_dict()
        assert gone["status"] == "Success" and gone["details"]["uid"] == made.metadata.uid, gone
        assert core.list_namespaced_config_map(NS).items == []


def test_a_strategic_patch_merges_containers_by_name():
    with Daemon() as d:
        client = connect(d).client
        apps = client.AppsV1Api()
        _, kubia = harness.kubia(0)
        apps.create_namespaced_stateful_set(NS, kubia)
        patch = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "side-car"}]}}}}
        have = apps.patch_namespaced_stateful_set("kubia", NS, patch)
        assert sorted(c.name for c in have.spec.template.spec.containers) == ["kubia", "side"], have.spec.template.spec


def test_models_take_every_list_and_refuse_what_is_required():
    with Daemon("nodes.embedded=1", "nodes.embedded-start=20ms") as d:
        client = connect(d).client
        for obj in harness.kubia(1):
            d.create(obj)
        apps, core = client.AppsV1Api(), client.CoreV1Api()
        until("the pod is ready", lambda: apps.read_namespaced_stateful_set_status("kubia", NS).status.ready_replicas == 1)
        lists = [core.list_namespace, core.list_node, core.list_pod_for_all_namespaces, core.list_service_for_all_namespaces,
                 core.list_persistent_volume_claim_for_all_namespaces, core.list_persistent_volume,
                 core.list_event_for_all_namespaces, core.list_config_map_for_all_namespaces, core.list_endpoints_for_all_namespaces,
                 apps.list_stateful_set_for_all_namespaces, apps.list_replica_set_for_all_namespaces,
                 apps.list_controller_revision_for_all_namespaces,
                 client.DiscoveryV1Api().list_endpoint_slice_for_all_namespaces, client.StorageV1Api().list_storage_class,
                 client.CoordinationV1Api().list_lease_for_all_namespaces]
        filled = 0
        for call in lists:
            reply = call()
            assert reply.items is not None and reply.metadata.resource_version, call.__name__
            filled += len(reply.items) > 0
            for item in reply.items:
                assert item.metadata.name and item.metadata.uid, call.__name__
        assert filled >= 9, f"only {filled} kinds had objects to look at"
        try:
            client.V1StatefulSetSpec(replicas=1)  # without selector and template: the client itself refuses
        except ValueError:
            pass
        else:
            raise AssertionError("the client takes a set without selector")
        assert client.VersionApi().get_code().major == "1"


def test_watches_go_on_where_they_were():
    with Daemon() as d:
        kubernetes = connect(d)
        core = kubernetes.client.CoreV1Api()
        watch = kubernetes.watch.Watch()
        version = core.list_namespaced_config_map(NS).metadata.resource_version
        seen, streams, written = [], 0, 0
        while streams < 3:  # each stream ends after its second; the next one goes on from the last event
            for i in range(10):
                core.create_namespaced_config_map(NS, config_map(kubernetes.client, f"m-{written + i:03d}"))
            written += 10
            for event in watch.stream(core.list_namespaced_config_map, NS, resource_version=version, timeout_seconds=1):
                seen.append((event["type"], event["object"].metadata.name))
            version = watch.resource_version
            streams += 1
        assert seen == [("ADDED", f"m-{i:03d}") for i in range(written)], seen


def test_a_watch_that_is_too_old_ends_with_410():
    with Daemon() as d:
        kubernetes = connect(d)
        core = kubernetes.client.CoreV1Api()
        version = core.list_namespaced_config_map(NS).metadata.resource_version
        d.kill()
        d.start()
        for options in ({}, {"timeout_seconds": 5}):
            events = kubernetes.watch.Watch().stream(core.list_namespaced_config_map, NS, resource_version=version, **options)
            assert refused(list, events) == 410
        listed = core.list_namespaced_config_map(NS)  # what the exception asks for: list, and go on from there
        core.create_namespaced_config_map(NS, config_map(kubernetes.client, "a"))
        watch = kubernetes.watch.Watch()
        for event in watch.stream(core.list_namespaced_config_map, NS, resource_version=listed.metadata.resource_version):
            assert (event["type"], event["object"].metadata.name) == ("ADDED", "a")
            watch.stop()


def test_life_of_a_set():
    with Daemon("nodes.embedded=3", "nodes.embedded-start=20ms") as d:
        kubernetes = connect(d)
        core, apps = kubernetes.client.CoreV1Api(), kubernetes.client.AppsV1Api()
        service, kubia = harness.kubia(3)
        core.create_namespaced_service(NS, service)
        apps.create_namespaced_stateful_set(NS, kubia)
        ready(apps, 3)
        pods = {p.metadata.name: p for p in core.list_namespaced_pod(NS, label_selector="app=kubia").items}
        assert sorted(pods) == ["kubia-0", "kubia-1", "kubia-2"]
        for name, pod in pods.items():
            assert d.addresses(f"{name}.kubia.{NS}.svc.cluster.local.") == [pod.status.pod_ip]

        core.delete_namespaced_pod("kubia-1", NS)
        until("kubia-1 is another pod", lambda: another(core, pods["kubia-1"].metadata.uid))
        ready(apps, 3)
        scale = apps.read_namespaced_stateful_set_scale("kubia", NS)
        scale.spec.replicas = 1
        apps.replace_namespaced_stateful_set_scale("kubia", NS, scale)
        ready(apps, 1)
        assert refused(apps.replace_namespaced_stateful_set_scale, "kubia", NS, scale) == 409
        apps.patch_namespaced_stateful_set_scale("kubia", NS, {"spec": {"replicas": 2}})
        ready(apps, 2)
        watch = kubernetes.watch.Watch()
        version = apps.list_namespaced_stateful_set(NS).metadata.resource_version
        apps.delete_namespaced_stateful_set("kubia", NS, propagation_policy="Foreground")
        for event in watch.stream(apps.list_namespaced_stateful_set, NS, resource_version=version):
            if event["type"] == "DELETED":
                watch.stop()
        assert core.list_namespaced_pod(NS).items == []


def another(core, uid):
    pods = [p for p in core.list_namespaced_pod(NS, field_selector="metadata.name=kubia-1").items if p.metadata.uid != uid]
    return pods and pods[0].status.pod_ip


def ready(apps, replicas):
    def done():
        have = apps.read_namespaced_stateful_set("kubia", NS)
        status = have.status
        return (status.observed_generation == have.metadata.generation and status.replicas == replicas
                and (status.ready_replicas or 0) == replicas)
    until(f"{replicas} replicas are ready", done)


def test_events_are_created_in_both_groups():
    with Daemon() as d:
        client = connect(d).client
        core, events = client.CoreV1Api(), client.EventsV1Api()
        made = core.create_namespaced_config_map(NS, config_map(client, "a"))
        about = client.V1ObjectReference(kind="ConfigMap", api_version="v1", namespace=NS, name="a", uid=made.metadata.uid)
        when = datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=datetime.timezone.utc)
        core.create_namespaced_event(NS, client.CoreV1Event(
            metadata=client.V1ObjectMeta(generate_name="a."), involved_object=about, reason="Old", message="by v1", type="Normal",
            count=1, first_timestamp=when, last_timestamp=when, source=client.V1EventSource(component="test")))
        events.create_namespaced_event(NS, client.EventsV1Event(
            metadata=client.V1ObjectMeta(generate_name="a."), regarding=about, reason="New", note="by events", type="Warning",
            action="Testing", event_time=when, reporting_controller="test", reporting_instance="test-1"))
        mine = f"involvedObject.uid={made.metadata.uid}"
        assert {e.reason: e.message for e in core.list_namespaced_event(NS, field_selector=mine).items} == {"Old": "by v1", "New": "by events"}
        # Events of v1 need no eventTime, which the models of events.k8s.io refuse: ask for those that have one.
        newer, = events.list_namespaced_event(NS, field_selector="reason=New").items
        assert newer.event_time == when and newer.regarding.uid == made.metadata.uid, newer


def test_leader_election_on_a_lease():
    with Daemon() as d:
        kubernetes = connect(d)
        from kubernetes.leaderelection import electionconfig, leaderelection
        from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock
        leading = {"a": threading.Event(), "b": threading.Event()}
        lost = threading.Event()

        def candidate(identity):
            lock = LeaseLock("chair", NS, identity)
            config = electionconfig.Config(lock, lease_duration=4, renew_deadline=3, retry_period=1,
                                           onstarted_leading=leading[identity].set, onstopped_leading=lost.set)
            threading.Thread(target=leaderelection.LeaderElection(config).run, daemon=True).start()
            return lock

        leases = kubernetes.client.CoordinationV1Api()
        first = candidate("a")
        assert leading["a"].wait(harness.DEADLINE_S)
        second = candidate("b")
        renewed = leases.read_namespaced_lease("chair", NS).spec
        assert renewed.holder_identity == "a"
        until("a renews its lease", lambda: leases.read_namespaced_lease("chair", NS).spec.renew_time > renewed.renew_time)
        assert not leading["b"].is_set()
        first.update = lambda *arguments: False  # a can no longer reach the lease
        assert leading["b"].wait(harness.DEADLINE_S) and lost.wait(harness.DEADLINE_S)
        assert leases.read_namespaced_lease("chair", NS).spec.holder_identity == "b"
        second.update = lambda *arguments: False


def test_dynamic_client_discovers():
    with Daemon() as d:
        kubernetes = connect(d)
        from kubernetes.dynamic import DynamicClient
        dynamic = DynamicClient(kubernetes.client.ApiClient())
        sets = dynamic.resources.get(api_version="apps/v1", kind="StatefulSet")
        _, kubia = harness.kubia(0)
        assert sets.create(body=kubia, namespace=NS).metadata.generation == 1
        assert [s.metadata.name for s in sets.get(namespace=NS).items] == ["kubia"]
        patched = sets.patch(name="kubia", namespace=NS, body={"spec": {"replicas": 1}}, content_type="application/merge-patch+json")
        assert patched.spec.replicas == 1 and patched.metadata.generation == 2


if __name__ == "__main__":
    harness.main(sys.modules["__main__"])
