"""client-go against the API, in two versions: a recent one, whose informers ask for watch-lists, and one from before that. The program is
goclient/, a subcommand per check; it is built from published modules. Skips where there is no Go, or no way to the modules."""

import os
import subprocess
import sys

import harness
from harness import Daemon, Skip

HERE = os.path.dirname(os.path.abspath(__file__))
VERSIONS = {"goclient": ["-modfile=go.mod"], "goclient-older": ["-modfile=older.mod"]}
EXPECTED = {"goclient": ["-watchlist"], "goclient-older": []}
programs = {}


def build(version):
    if version not in programs:
        made = subprocess.run([os.path.join(HERE, "go_build.sh"), os.path.join(HERE, "goclient"),
                               os.path.join(harness.BUILD, "goclient", version), *VERSIONS[version]],
                              stdout=subprocess.PIPE, text=True)
        programs[version] = made.returncode, made.stdout.strip()
    code, said = programs[version]
    if code == 77:
        raise Skip(said)
    assert code == 0, f"go_build.sh of {version}: exit {code}"
    return said


def run(check, *settings):
    """Runs a check with each version that can be built, each against a fresh daemon; restarts the daemon when asked."""
    skipped = []
    for version in VERSIONS:
        try:
            program = build(version)
        except Skip as why:
            skipped.append(f"{version}: {why}")
            continue
        with Daemon("nodes.embedded=3", "nodes.embedded-start=20ms", *settings) as d:
            process = subprocess.Popen([program, "-server", d.http, *EXPECTED[version], check], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            try:
                for line in process.stdout:
                    assert line == "restart\n", f"{version}: {line!r}"
                    d.kill()
                    d.start()
                    process.stdin.write("done\n")
                    process.stdin.flush()
                errors = process.stderr.read()
                assert process.wait() == 0, f"{version}: {check}: {errors[-4000:]}"
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
    if skipped:
        raise Skip("; ".join(skipped))


def test_discovery_and_rest_mapper():
    run("discovery")


def test_typed_client_and_its_errors():
    run("objects")


def test_conflicts_are_retried_and_nothing_is_lost():
    run("conflicts")


def test_pages_are_of_one_snapshot():
    run("pages")


def test_dynamic_and_metadata_clients():
    run("dynamic")


def test_protobuf_bodies_are_read():
    run("protobuf")


def test_informers_follow_a_set_and_list_again_after_a_kill():
    run("informers")


def test_a_retry_watcher_goes_on_without_gap_or_duplicate():
    run("watches")


def test_a_controller_with_a_work_queue():
    run("queue")


def test_event_recorders_count():
    run("events")


def test_leader_election_hands_over():
    run("leader")


if __name__ == "__main__":
    harness.main(sys.modules["__main__"])
