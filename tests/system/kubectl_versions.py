#!/usr/bin/env python3
"""Runs the kubectl tests with every client version that can be had here, and says which were not.

    kubectl_versions.py                what is found on this machine, and Debian's kubernetes-client (1.20)
    kubectl_versions.py --build        builds the rest of 1.27 to 1.33 from their Go modules (kubectl_module/, minutes each)
    kubectl_versions.py 1.29 1.33      only these

Found are: kubectl and kubectl.1.NN on the PATH and beside the file that kubectl is a link to (as Debian packages of several versions
install them), and what earlier builds left in the cache. Nothing is installed: Debian's package is unpacked into the cache.
The cache is ORDINALD_KUBECTL_CACHE, else ~/.cache/ordinald-kubectl."""

import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.environ.get("ORDINALD_KUBECTL_CACHE", os.path.expanduser("~/.cache/ordinald-kubectl"))
SUPPORTED = ["1.20", "1.27", "1.28", "1.29", "1.30", "1.31", "1.32", "1.33"]
PROGRAMS = ["test_kubectl.py", "test_kubectl_matrix.py"]
BUILD_S = 1800
RUN_S = 900


def version_of(path):
    """ "1.33" of a client, or None when it is none."""
    try:
        text = subprocess.run([path, "version", "--client", "-o", "json"], capture_output=True, text=True, timeout=60).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    major, minor = re.search(r'"major": *"(\d+)', text), re.search(r'"minor": *"(\d+)', text)
    return f"{major.group(1)}.{minor.group(1)}" if major and minor else None


def installed():
    folders = os.environ.get("PATH", "").split(os.pathsep) + [CACHE]
    found = shutil.which("kubectl")
    if found:
        folders.append(os.path.dirname(os.path.realpath(found)))
    clients = {}
    for folder in folders:
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        for name in names:
            path = os.path.join(folder, name)
            if re.fullmatch(r"kubectl(\.1\.\d+)?", name) and os.access(path, os.X_OK):
                version = version_of(path)
                # One named after its version is that version; a plain kubectl may choose by the server it sees.
                if version and (name != "kubectl" or version not in clients):
                    clients[version] = path
    return clients


def unpack_debian():
    """kubernetes-client of the distribution as kubectl.1.20 in the cache, or None."""
    folder = os.path.join(CACHE, "debian")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    try:
        subprocess.run(["apt-get", "download", "kubernetes-client"], cwd=folder, capture_output=True, check=True, timeout=300)
        package = next(name for name in os.listdir(folder) if name.endswith(".deb"))
        subprocess.run(["dpkg-deb", "-x", package, "."], cwd=folder, capture_output=True, check=True, timeout=300)
    except (OSError, subprocess.SubprocessError, StopIteration):
        return None
    path = os.path.join(folder, "usr/bin/kubectl")
    version = version_of(path)
    if not version:
        return None
    kept = os.path.join(CACHE, "kubectl." + version)
    os.replace(path, kept)
    shutil.rmtree(folder)
    return version, kept


def build(version):
    """The client of a version from its Go modules into the cache, or the reason why not."""
    if not shutil.which("go"):
        return None, "no Go here"
    minor = version.split(".")[1]
    folder = os.path.join(CACHE, "build-" + version)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(os.path.join(HERE, "kubectl_module"), folder)
    out = os.path.join(CACHE, "kubectl." + version)
    flags = (f"-s -w -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor={minor} "
             f"-X k8s.io/component-base/version.gitVersion=v{version}.0")
    module = f"k8s.io/kubectl@v0.{minor}.0"
    for command in (["go", "mod", "edit", "-require", module], ["go", "mod", "tidy"],
                    ["go", "build", "-trimpath", "-ldflags", flags, "-o", out, "."]):
        try:
            subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=BUILD_S,
                           env=dict(os.environ, GOFLAGS="-buildvcs=false", CGO_ENABLED="0"))
        except subprocess.CalledProcessError as failure:
            return None, " ".join(command[:2]) + ": " + (failure.stderr.strip().splitlines() or ["failed"])[-1]
        except subprocess.TimeoutExpired:
            return None, " ".join(command[:2]) + ": out of time"
    return out, None


def run(version, path):
    """True when every test passed."""
    good = True
    for program in PROGRAMS:
        result = subprocess.run([sys.executable, "-B", os.path.join(HERE, program)], capture_output=True, text=True, timeout=RUN_S,
                                env=dict(os.environ, ORDINALD_KUBECTL=path))
        lines = result.stdout.splitlines()
        for line in lines:
            if line.startswith(("skip", "FAIL")):
                print(f"{version}: {line}")
        print(f"{version}: {program}: {lines[-1] if lines else 'nothing ran'}", flush=True)
        if result.returncode != 0:
            good = False
            sys.stderr.write(result.stdout + result.stderr)
    return good


def main():
    arguments = sys.argv[1:]
    builds = "--build" in arguments
    wanted = [a for a in arguments if a != "--build"] or SUPPORTED
    if any(version not in SUPPORTED for version in wanted):
        sys.exit(f"usage: kubectl_versions.py [--build] [{'|'.join(SUPPORTED)}]...")
    os.makedirs(CACHE, exist_ok=True)
    clients = installed()
    if "1.20" in wanted and "1.20" not in clients:
        unpacked = unpack_debian()
        if unpacked:
            clients[unpacked[0]] = unpacked[1]
    good = True
    for version in wanted:
        why = "not on this machine"
        if version not in clients and builds and version != "1.20":
            clients[version], why = build(version)
        if clients.get(version):
            good = run(version, clients[version]) and good
        else:
            print(f"skip  kubectl {version} - {why}", flush=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
