"""A daemon with embedded nodes and the kubectl that talks to it, for the tests that use the real client.

ORDINALD_KUBECTL names the client, "kubectl" from the PATH otherwise; kubectl_versions.py runs the tests with every client it finds.
Commands that a version lacks are skipped, and said so."""

import json
import os
import re
import shutil
import subprocess

from harness import Daemon, Skip

KUBECTL = os.environ.get("ORDINALD_KUBECTL", "kubectl")
SOURCE = os.environ.get("ORDINALD_SOURCE", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
KUBIA = os.path.join(SOURCE, "conf/kubia.yaml")
ZONE = "default.svc.cluster.local"


def version():
    if not shutil.which(KUBECTL):
        raise Skip("no kubectl on the PATH")
    text = subprocess.run([KUBECTL, "version", "--client", "-o", "json"], capture_output=True, text=True).stdout
    match = re.search(r'"minor": *"(\d+)', text)
    return int(match.group(1)) if match else 20


class Cluster(Daemon):
    def __init__(self, *settings):
        self.minor = version()
        super().__init__("nodes.embedded=3", "nodes.embedded-start=20ms", *settings)

    def command(self, *arguments):
        return [KUBECTL, "--server", self.http, "--cache-dir", os.path.join(self.dir, "cache"), *arguments]

    def environment(self, **more):
        return dict(os.environ, HOME=self.dir, KUBECONFIG="/dev/null", TMPDIR=self.dir, **more)

    def run(self, *arguments, stdin=None, check=True, timeout=60, **environment):
        result = subprocess.run(self.command(*arguments), input=stdin, capture_output=True, text=True,
                                env=self.environment(**environment), timeout=timeout)
        if check and result.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(arguments)}: exit {result.returncode}\n{result.stdout}{result.stderr}")
        return result

    def kubectl(self, *arguments, **options):
        return self.run(*arguments, **options).stdout

    def fails(self, text, *arguments, **options):
        """The command ends with 1 and a message that holds text; returns everything it printed."""
        result = self.run(*arguments, check=False, **options)
        printed = result.stdout + result.stderr
        assert result.returncode == 1 and text in printed and "panic" not in printed, f"{arguments}: {result.returncode}\n{printed}"
        return printed

    def need(self, minor, what):
        if self.minor < minor:
            raise Skip(f"kubectl 1.{self.minor} lacks {what}")

    def object(self, *what):
        return json.loads(self.kubectl("get", *what, "-o", "json"))

    def dig(self, *arguments):
        return subprocess.run(["dig", f"@{self.dns[0]}", "-p", str(self.dns[1]), "+tries=3", "+time=2", *arguments],
                              capture_output=True, text=True, check=True).stdout

    def short(self, name, qtype="A"):
        return sorted(self.dig("+short", name, qtype).split())

    def rolled_out(self):
        return self.kubectl("rollout", "status", "statefulset/kubia", "--timeout=60s")

    def apply_kubia(self):
        self.kubectl("apply", "-f", KUBIA)
        self.rolled_out()


def same(have, want):
    assert have == want, f"have {have!r}, want {want!r}"


def messages(c, prefix):
    """Messages of the events that begin with prefix, in the order of their last write."""
    events = sorted(c.object("events")["items"], key=lambda e: int(e["metadata"]["resourceVersion"]))
    return [e["message"] for e in events if e["message"].startswith(prefix)]


def identities(c):
    return {p["metadata"]["name"]: (p["metadata"]["uid"], p["status"].get("podIP")) for p in c.object("pods")["items"]}


def ready_pod(c, name, not_uid):
    found = c.run("get", "pod", name, "-o", "json", check=False)
    if found.returncode != 0:
        return None
    pod = json.loads(found.stdout)
    ready = any(x["type"] == "Ready" and x["status"] == "True" for x in pod["status"].get("conditions", []))
    return pod if ready and pod["metadata"]["uid"] != not_uid else None
