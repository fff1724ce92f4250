"""The programs' contract (DESIGN section 2): arguments, the ready line, exit codes, sd_notify, run.user, directories."""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

import harness
from harness import BUILD, Daemon, Skip

PROGRAM = os.path.join(BUILD, "ordinald")


def run(*arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=60)


def test_arguments():
    for arguments, code, out, err in (
            (("--version",), 0, r"^ordinald \d+\.\d+", ""),
            (("--help",), 0, r"usage: ordinald \[--config FILE\]", ""),
            (("--check",), 0, "configuration ok", ""),
            (("--check", "--set", "zone.ttl=2h"), 1, "", "zone.ttl"),
            (("--print-config", "--set", "zone.ttl=7s"), 0, r"\n  ttl: 7s\n", ""),
            (("--config", "/nonexistent"), 1, "", "/nonexistent: No such file"),
            (("--frobnicate",), 1, "", "frobnicate"),
            (("stray",), 1, "", "unexpected argument"),
            (("--set", "api.listen=10.0.0.1:80"), 1, "", "api.tls-cert"),
            (("--set", "forward.cache-size=1MiB"), 1, "", "forward.cache-size")):
        result = run(*arguments)
        assert result.returncode == code, (arguments, result)
        assert re.search(out, result.stdout) and err in result.stderr, (arguments, result)


def test_an_address_in_use_is_exit_2():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        result = run("--set", f"dns.listen=127.0.0.1:{s.getsockname()[1]}", "--set", "store.kind=memory", "--set", "metrics.listen=")
    assert result.returncode == 2 and "dns.listen" in result.stderr, result


def test_ready_line_and_readiness_for_a_service_manager():
    directory = tempfile.mkdtemp(prefix="ordinald-notify-")
    path = os.path.join(directory, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(harness.DEADLINE_S)
        os.environ["NOTIFY_SOCKET"] = path
        try:
            with Daemon("metrics.listen=127.0.0.1:0", "dns.listen=[::1]:0") as d:
                assert manager.recv(100) == b"READY=1"
                assert re.match(r"127\.0\.0\.1:\d+$", d.ports["dns"]), d.ports
                d.process.send_signal(signal.SIGHUP)  # does not end it
                assert d.ask("cluster.local.", "SOA").rcode == "NOERROR"
            assert manager.recv(100) == b"STOPPING=1"
        finally:
            del os.environ["NOTIFY_SOCKET"]
    shutil.rmtree(directory)


def test_memory_store_forgets():
    with Daemon("store.kind=memory") as d:
        d.must("POST", "/api/v1/namespaces", {"metadata": {"name": "short"}})
        d.stop()
        d.start()
        assert d.request("GET", "/api/v1/namespaces/short")[0] == 404
        assert not os.path.exists(os.path.join(d.dir, "data"))


def test_rights_are_dropped_and_directories_made():
    if os.geteuid() != 0:
        raise Skip("not root")
    account = pwd.getpwnam("nobody")
    directory = tempfile.mkdtemp(prefix="ordinald-user-")
    os.chmod(directory, 0o755)
    try:
        arguments = [PROGRAM, "--set", "run.user=nobody", "--set", "dns.listen=127.0.0.1:0", "--set", "metrics.listen=127.0.0.1:0",
                     "--set", f"api.socket={directory}/run/api.sock", "--set", f"store.path={directory}/lib"]
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline().startswith("ready ")
        with open(f"/proc/{process.pid}/status") as f:
            assert re.search(rf"^Uid:\s+{account.pw_uid}\s+{account.pw_uid}\s+{account.pw_uid}", f.read(), re.M)
        for path, mode in (("run", 0o750), ("lib", 0o700), ("run/api.sock", 0o660)):
            status = os.stat(os.path.join(directory, path))
            assert (status.st_uid, status.st_mode & 0o777) == (account.pw_uid, mode), path
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
        process.stdout.close()
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    harness.main(sys.modules["__main__"])
