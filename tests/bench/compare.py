"""ordinald beside Knot DNS, NSD, CoreDNS and a bare reflector: the same data, the same load, interleaved rounds, one run.

    python3 compare.py [--sizes 1000,100000,1000000] [--rounds 9] [--seconds 0.7] [--only cpu,memory,...] BUILD

Started by run_compare.sh, which makes the programs. Writes BUILD/bench/compare.md, compare.svg and compare.json. Every figure is a median
of rounds; ratios are taken within a round, between neighbours in time, and then the median of those. Not a test: nothing fails here,
but an answer that differs between servers, and a query lost in a closed loop, are said."""

import argparse
import contextlib
import datetime
import json
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import compare_plot
from compare_data import SLICES, Data
from compare_servers import CoreDNS, Knot, LongReflector, Missing, Nsd, Ordinald, OrdinaldTelling, Reflector, exchange

KINDS = {"hit": "A of a pod", "nxdomain": "NXDOMAIN", "srv": "SRV, 5 targets"}
PARTS = ["cpu", "latency", "memory", "update", "overload", "slow", "instructions"]
COLUMNS = "label round sent answers in_time wall_s cpu_s p50 p90 p99 p999 noerror nxdomain other".split()
CPU_SIZE = 100000
CALM_RATE = 4000
OFFERED = [20000, 40000, 60000, 80000, 120000, 160000, 240000, 320000]
SLOW_CLIENTS, CLIENTS_PER_ADDRESS = 1000, 100
UPDATES = 300
FLOORS = {Reflector.label, LongReflector.label}
MOVED = "10.255.0.1"  # beyond the addresses of a million endpoints
MIB = 1 << 20


def median(values):
    values = list(values)
    return statistics.median(values) if values else float("nan")


def say(text):
    print(f"{datetime.datetime.now():%H:%M:%S} {text}", file=sys.stderr, flush=True)


class Bench:
    def __init__(self, options):
        self.options = options
        self.build = os.path.abspath(options.build)
        self.results, self.remarks = {}, []
        cpus = sorted(os.sched_getaffinity(0))
        self.server_cpu, self.load_cpu = (cpus[0], cpus[1]) if len(cpus) > 1 and not options.free else (None, None)

    def remark(self, text):
        if text not in self.remarks:
            say(text)
            self.remarks.append(text)

    # ---- load ----

    def load(self, queries, servers, rounds, *arguments):
        """{label: [row of each round]}"""
        command = [os.path.join(self.build, "tests/bench_load"), "-e", "-s", str(self.options.seconds), "-n", str(rounds), *arguments,
                   queries] + [server.target() for server in servers]

        def settle():
            if self.load_cpu is not None:
                os.sched_setaffinity(0, {self.load_cpu})
            with contextlib.suppress(OSError):
                os.nice(-15)
        out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, preexec_fn=settle).stdout
        rows = {server.label: [] for server in servers}
        for line in out.splitlines():
            words = line.split("\t")
            row = {key: float(word) for key, word in zip(COLUMNS[1:], words[1:])}
            row["cpu_us"] = row["cpu_s"] / max(row["answers"], 1) * 1e6
            rows[words[0]].append(row)
        return rows

    def summary(self, rows, base):
        keys = ("cpu_us", "p50", "p90", "p99", "p999")
        out = {key: median(row[key] for row in rows) for key in keys}
        out["rate"] = median(row["in_time"] for row in rows) / self.options.seconds
        out["lost"] = sum(row["sent"] - row["answers"] for row in rows)
        ratios = sorted(row["cpu_us"] / other["cpu_us"] for row, other in zip(rows, base))
        out["ratio"], out["ratio_low"], out["ratio_high"] = median(ratios), ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
        return out

    def check_answers(self, kind, rows):
        wanted = "nxdomain" if kind == "nxdomain" else "noerror"
        for label, of_label in rows.items():
            wrong = sum(row["answers"] - row[wanted] for row in of_label)
            lost = sum(row["sent"] - row["answers"] for row in of_label)
            if label not in FLOORS and wrong:
                self.remark(f"{label}, {kind}: {wrong:.0f} answers were not {wanted}")
            if lost:
                self.remark(f"{label}, {kind}: {lost:.0f} queries lost in a closed loop")

    def cpu(self, size, folder, servers):
        """Server CPU per answer in a closed loop, interleaved."""
        for kind in KINDS:
            say(f"{size} endpoints, {kind}: " + ", ".join(s.label for s in servers))
            asked = [s for s in servers if kind in s.kinds]
            rows = self.load(f"{folder}/{kind}.txt", asked, self.options.rounds, "-w", str(self.options.window))
            self.check_answers(kind, rows)
            base = rows[Reflector.label]
            for label, of_label in rows.items():
                self.results.setdefault("cpu", {}).setdefault(str(size), {}).setdefault(kind, {})[label] = self.summary(of_label, base)

    @contextlib.contextmanager
    def awake(self):
        """A task of the idle class on each processor: one that has slept answers late, and at a calm rate that is all there is to see."""
        def settle(cpu):
            os.sched_setaffinity(0, {cpu})
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        tasks = [subprocess.Popen([sys.executable, "-c", "while True: pass"], preexec_fn=lambda cpu=cpu: settle(cpu))
                 for cpu in {self.server_cpu, self.load_cpu} - {None}]
        try:
            yield
        finally:
            for task in tasks:
                task.kill()
                task.wait()

    def latency(self, folder, servers):
        """Percentiles at a rate that all of them bear easily."""
        say(f"latency at {CALM_RATE}/s")
        servers = [s for s in servers if "hit" in s.kinds]
        with self.awake():
            rows = self.load(f"{folder}/hit.txt", servers, self.options.rounds, "-r", str(CALM_RATE))
        base = rows[Reflector.label]
        self.results["latency"] = {label: self.summary(of_label, base) for label, of_label in rows.items()}

    def overload(self, folder, servers):
        """Open loop at growing rates, while a busy neighbour has half of the server's CPU: so the load, which has a CPU of its own,
        can offer much more than the server takes. Peak: the most answers per second at any rate."""
        out = self.results["overload"] = {}
        neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"], preexec_fn=servers[0].settle)
        try:
            for server in servers:
                say(f"overload: {server.label}")
                before, by_rate, offers = server.memory()[0], {rate: [] for rate in OFFERED}, []
                for _ in range(5):
                    for rate, rows in by_rate.items():
                        rows += self.load(f"{folder}/hit.txt", [server], 1, "-r", str(rate))[server.label]
                for rows in by_rate.values():
                    offers.append({"offered": median(row["sent"] for row in rows) / self.options.seconds,
                                   "answered": median(row["in_time"] for row in rows) / self.options.seconds,
                                   "per_cpu": median(row["answers"] / row["cpu_s"] for row in rows),
                                   "p50": median(row["p50"] for row in rows), "p99": median(row["p99"] for row in rows)})
                out[server.label] = {"offers": offers, "rss_before": before, "rss_after": server.memory()[0]}
        finally:
            neighbour.kill()
            neighbour.wait()

    def slow_clients(self, folder, server):
        """UDP latency without, then beside TCP clients that never finish a message nor read an answer."""
        def measure():
            with self.awake():
                rows = self.load(f"{folder}/hit.txt", [server], self.options.rounds, "-r", str(CALM_RATE))[server.label]
            return self.summary(rows, rows)
        say("slow TCP clients")
        without, clients = measure(), []
        try:
            for i in range(SLOW_CLIENTS):
                s = socket.socket()
                s.bind((f"127.0.0.{2 + i // CLIENTS_PER_ADDRESS}", 0))
                s.connect(server.address)
                s.sendall(b"\0\x40" + b"\0" * (i % 60))  # a length, and a part of what it promises
                clients.append(s)
            beside = measure()
        finally:
            for s in clients:
                s.close()
        self.results["slow"] = {"clients": SLOW_CLIENTS, "without": without, "beside": beside}

    # ---- memory, updates, instructions ----

    def memory(self, size, servers):
        out = self.results.setdefault("memory", {})[str(size)] = {}
        for server in servers:
            if "hit" not in server.kinds:
                continue
            rss, pss = server.memory()
            out[server.label] = {"rss": rss, "pss": pss}

    def update(self, size, data, server):
        """Through the API, one at a time: a slice of 20 is PUT with one address moved, the answer asked for after the reply."""
        say(f"{size} endpoints: updates")
        connection, chance, latencies, stale = server.connect(), random.Random(7), [], 0
        before = server.cpu_s()
        for _ in range(UPDATES):
            service, i = chance.choice(data.twenties), chance.randrange(20)
            if i in service.moved:
                del service.moved[i]
            else:
                service.moved[i] = MOVED
            body, start = service.slice_body(), time.monotonic()
            server.write(connection, "PUT", f"{SLICES}/{service.name}-a", body)
            latencies.append((time.monotonic() - start) * 1e6)
        cpu_us = (server.cpu_s() - before) / UPDATES * 1e6
        self.results.setdefault("update", {})[str(size)] = {"cpu_us": cpu_us, "p50": median(latencies)}

    def zone_updates(self):
        """The same in zones/ alone, to tell the zones' part from the rest."""
        for services in (50, 5000):
            out = subprocess.run([os.path.join(self.build, "tests/bench_zones"), str(services)], stdout=subprocess.PIPE, text=True).stdout
            found = {what: float(us) for what, us in re.findall(r"flip in (.*?): ([\d.]+) us mean", out)}
            found["heap"] = float(re.search(r"heap ([\d.]+) bytes per endpoint", out).group(1))
            self.results.setdefault("zones", {})[str(services * 20)] = found

    def instructions(self):
        if not shutil.which("valgrind"):
            self.remark("no valgrind: instructions were not counted")
            return
        for kind in KINDS:
            say(f"instructions: {kind}")
            counts = []
            for answers in (2000, 12000):  # the difference leaves out what happens once
                out = subprocess.run(["valgrind", "--tool=callgrind", "--toggle-collect=dns_respond", "--callgrind-out-file=/dev/null",
                                      os.path.join(self.build, "tests/bench_answer"), kind, str(answers)],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True).stderr
                counts.append(int(re.search(r"Collected : (\d+)", out).group(1)))
            self.results.setdefault("instructions", {})[kind] = (counts[1] - counts[0]) / 10000

    # ---- the run ----

    def compare(self, kind, data, servers):
        """Whether all servers say the same, by rcode, AA, and the number of records."""
        for line in random.Random(3).sample(data.queries()[kind], k=min(20, len(data.queries()[kind]))):
            name, qtype = line.split()
            replies = {s.label: exchange(s.address, name, 33 if qtype == "SRV" else 1) for s in servers if s.label not in FLOORS}
            if len({reply[:3] if reply else None for reply in replies.values()}) > 1:
                self.remark(f"{line}: the servers differ (rcode, AA, answers, authorities): {replies}")
                return

    def start(self, size, folder, data, stack):
        servers = []
        ordinald = Ordinald(folder, self.build, self.server_cpu)
        for make in (lambda: Reflector(folder, self.build, self.server_cpu), lambda: ordinald,
                     lambda: Knot(folder, self.build, self.server_cpu, folder), lambda: Nsd(folder, self.build, self.server_cpu, folder),
                     lambda: OrdinaldTelling(folder, self.build, self.server_cpu),
                     lambda: CoreDNS(folder, self.build, self.server_cpu, ordinald),
                     lambda: LongReflector(folder, self.build, self.server_cpu)):
            try:
                server = make()
            except Missing as e:
                self.remark(str(e))
                continue
            if size > server.most:
                continue
            stack.callback(server.stop)
            start = time.monotonic()
            server.start(data)
            say(f"{size} endpoints: {server.label} ready after {time.monotonic() - start:.1f} s")
            servers.append(server)
        return servers

    def run_size(self, size):
        parts = self.options.only
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="compare-", dir=os.path.join(self.build, "bench")))
            data = Data(size)
            data.write_zones(folder)
            data.write_queries(folder)
            servers = self.start(size, folder, data, stack)
            for kind in KINDS:
                self.compare(kind, data, servers)
            if "memory" in parts:
                self.memory(size, servers)
            if "cpu" in parts:
                self.cpu(size, folder, servers)
            if size == CPU_SIZE or len(self.options.sizes) == 1:
                if "latency" in parts:
                    self.latency(folder, servers)
                if "overload" in parts:
                    self.overload(folder, [s for s in servers if isinstance(s, (Knot, Nsd)) or s is servers[1]])
                if "slow" in parts:
                    self.slow_clients(folder, servers[1])
            if "update" in parts:
                self.update(size, data, servers[1])

    def run(self):
        os.makedirs(os.path.join(self.build, "bench"), exist_ok=True)
        for size in self.options.sizes:
            self.run_size(size)
        if "update" in self.options.only:
            self.zone_updates()
        if "instructions" in self.options.only:
            self.instructions()


# ---- the report ----

def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n\n"


def report_cpu(cpu):
    for size, kinds in cpu.items():
        yield f"### {int(size):,} endpoints\n\n"
        head = ["server"] + [f"{title}: us, x the reflector, answers/s" for title in KINDS.values()]
        rows = []
        for label in dict.fromkeys(label for kind in KINDS for label in kinds[kind]):
            row = [label]
            for kind in KINDS:
                s = kinds[kind].get(label)
                spread = f"({s['ratio_low']:.2f} to {s['ratio_high']:.2f})" if s else ""
                row.append(f"{s['cpu_us']:.2f}, **{s['ratio']:.2f}** {spread}, {s['rate']:,.0f}" if s else "")
            rows.append(row)
        yield table(head, rows)


def report(results, remarks, options):
    yield f"# ordinald beside other servers, {datetime.date.today()}\n\n"
    load = os.getloadavg()[1]
    yield (f"{os.cpu_count()} CPUs, load average {load:.1f}; {options.rounds} interleaved rounds of {options.seconds} s; one query "
           "thread or process each; every figure a median, of ratios in brackets the quartiles. Queries carry EDNS, names in random "
           "order.\n\n")
    if "cpu" in results:
        yield f"## Server CPU per answer, closed loop, {options.window} in flight\n\n"
        yield from report_cpu(results["cpu"])
    if "latency" in results:
        yield f"## Latency at {CALM_RATE:,} queries/s, processors kept awake\n\n"
        yield table(["server", "p50 us", "p90 us", "p99 us", "p99.9 us"],
                    [[label] + [f"{s[p]:.0f}" for p in ("p50", "p90", "p99", "p999")] for label, s in results["latency"].items()])
    if "memory" in results:
        yield "## Memory, MiB (PSS), and octets per endpoint beyond the smallest size\n\n"
        yield ("Of several processes the PSS is summed. ordinald holds the API objects, their history for watches and the zones; CoreDNS "
               "what it watches; Knot DNS and NSD the records.\n\n")
        sizes = list(results["memory"])
        rows = []
        for label in results["memory"][sizes[0]]:
            row, least = [label], results["memory"][sizes[0]][label]["pss"]
            for size in sizes:
                s = results["memory"][size].get(label)
                per = f", {(s['pss'] - least) / (int(size) - int(sizes[0])):,.0f}" if s and size != sizes[0] else ""
                row.append(f"{s['pss'] / MIB:,.0f}{per}" if s else "")
            if label not in FLOORS:
                rows.append(row)
        yield table(["server"] + [f"{int(size):,}" for size in sizes], rows)
    if "update" in results:
        yield "## One address of a slice of 20 moves, by PUT\n\n"
        yield table(["endpoints", "server CPU us, JSON included", "p50 us", "zones alone, us"],
                    [[f"{int(size):,}", f"{u['cpu_us']:.0f}", f"{u['p50']:.0f}",
                      f"{results['zones'][size]['a Service of 20']:.1f}" if size in results.get("zones", {}) else ""]
                     for size, u in results["update"].items()])
    if "instructions" in results:
        yield "## Instructions per answer (callgrind)\n\n"
        yield table(list(KINDS.values()), [[f"{results['instructions'][kind]:,.0f}" for kind in KINDS]])
    if "overload" in results:
        yield "## Overload: open loop, half a CPU for the server\n\n"
        rows = []
        for label, s in results["overload"].items():
            peak = max(o["answered"] for o in s["offers"])
            rows += [[label, f"{o['offered']:,.0f}", f"{o['offered'] / peak:.1f} x", f"{o['answered']:,.0f}",
                      f"{o['answered'] / peak * 100:.0f} %", f"{o['per_cpu']:,.0f}", f"{o['p50'] / 1e3:.1f}", f"{o['p99'] / 1e3:.1f}",
                      f"{s['rss_before'] / MIB:.1f} to {s['rss_after'] / MIB:.1f}"] for o in s["offers"]]
        yield table(["server", "offered/s", "of the peak", "answered/s", "of the peak", "per CPU s", "p50 ms", "p99 ms", "RSS MiB"], rows)
    if "slow" in results:
        yield f"## UDP at {CALM_RATE:,}/s beside {results['slow']['clients']:,} slow TCP clients\n\n"
        keys = ("p50", "p99", "p999", "lost")
        yield table(["", "p50 us", "p99 us", "p99.9 us", "lost"],
                    [[what] + [f"{results['slow'][what][key]:.0f}" for key in keys] for what in ("without", "beside")])
    for text in remarks:
        yield f"- {text}\n"


def main():
    parser = argparse.ArgumentParser(description="ordinald beside other servers; see run_compare.sh")
    parser.add_argument("build")
    parser.add_argument("--sizes", default="1000,100000,1000000", type=lambda text: [int(word) for word in text.split(",")])
    parser.add_argument("--rounds", default=9, type=int)
    parser.add_argument("--seconds", default=0.7, type=float)
    parser.add_argument("--window", default=32, type=int)
    parser.add_argument("--only", default=",".join(PARTS), type=lambda text: text.split(","), help="of " + ",".join(PARTS))
    parser.add_argument("--free", action="store_true", help="let the kernel choose the CPUs")
    parser.add_argument("--coredns", help="the program; without it CoreDNS is left out")
    options = parser.parse_args()
    CoreDNS.program = options.coredns
    bench = Bench(options)
    try:
        bench.run()
    finally:  # what has been measured so far is kept
        stem = os.path.join(bench.build, "bench/compare")
        text = "".join(report(bench.results, bench.remarks, options))
        with open(stem + ".md", "w") as f:
            f.write(text)
        with open(stem + ".json", "w") as f:
            json.dump({"results": bench.results, "remarks": bench.remarks}, f, indent=1)
        with open(stem + ".svg", "w") as f:
            f.write(compare_plot.draw(bench.results))
        print(text)


if __name__ == "__main__":
    main()
