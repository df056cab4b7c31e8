#!/usr/bin/env python3
"""Measures the simulated world and writes its table into BENCHMARKS.md: bench_sim.py TANIST.

Every figure comes from runs made now; their raw lines are added to benches/results/sim.ndjson. Speed is per second of CPU time of
the one thread that a world has, as the kernel counts it, so that other work on the machine changes little.
"""
import json
import os
import statistics
import subprocess
import sys
import time

BEGIN = "<!-- sim: written by make bench-sim -->"
END = "<!-- end of sim -->"
RUNS = 5


def run(arguments):
    """Runs a command; gives its last line of output, its CPU seconds and the most memory that it held."""
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(arguments)}: exit status {process.returncode}")
    line = json.loads(out.splitlines()[-1])
    cpu = usage.ru_utime + usage.ru_stime
    figure = {"arguments": arguments[1:], "cpu_s": round(cpu, 3), "rss_mib": round(usage.ru_maxrss / 1024, 1)}
    return {**figure, **{key: line[key] for key in ("simulated_s", "node_steps", "trace")}, "at": int(time.time())}


def must_begin(arguments):
    """Plays the large world once for its timeline: its span must hold what it is measured for."""
    told = subprocess.run(arguments, stdout=subprocess.PIPE, text=True, check=True).stdout
    for word in (" finding ", " plan ", " sent "):
        if word not in told:
            sys.exit(f"{' '.join(arguments)}: no line says{word}within the time measured:\n{told}")


def main():
    tanist = sys.argv[1]
    must_begin([tanist, "simulate", "benches/worlds/large.scn", "--no-summary"])
    scenario = lambda name: [tanist, "simulate", f"benches/worlds/{name}.scn", "--no-summary", "-o", "json"]
    cells = {
        "quiet": [run(scenario("quiet")) for _ in range(RUNS)],
        "random": [
            run([tanist, "simulate", "--random", "--seed", str(seed), "--minutes", "60", "-o", "json"])
            for seed in range(1, RUNS + 1)
        ],
        "before": [run(scenario("large-before")) for _ in range(RUNS)],
        "large": [run(scenario("large")) for _ in range(RUNS)],
    }
    with open("benches/results/sim.ndjson", "a", encoding="utf-8") as raw:
        for name, figures in cells.items():
            for figure in figures:
                raw.write(json.dumps({"cell": name, **figure}) + "\n")
    speed = lambda cell, key: statistics.median(one[key] / one["cpu_s"] for one in cells[cell])
    memory = max(one["rss_mib"] for one in cells["large"])
    # The same work up to the fault in both: the least of either is what the machine's other work disturbed least.
    least = lambda cell: min(one["cpu_s"] for one in cells[cell])
    judged = least("large") - least("before")
    yes = lambda good: "reached" if good else "missed"
    rows = [
        ("node-steps a second, quiet", f"{speed('quiet', 'node_steps'):,.0f}", ">= 500,000", speed("quiet", "node_steps") >= 5e5),
        ("node-steps a second, faults at random", f"{speed('random', 'node_steps'):,.0f}", ">= 500,000", speed("random", "node_steps") >= 5e5),
        ("times real time, quiet", f"{speed('quiet', 'simulated_s'):,.0f}", ">= 2,000", speed("quiet", "simulated_s") >= 2000),
        ("times real time, faults at random, 5 brokers", f"{speed('random', 'simulated_s'):,.0f}", "-", None),
        ("the whole world of 200 brokers, 200,000 partitions: resident at most", f"{memory:,.0f} MiB", "<= 1,024 MiB", memory <= 1024),
        ("in it: from a broker's death to the first step sent, all three nodes and Kafka together", f"{judged:.2f} s", "<= 1.5 s", judged <= 1.5),
    ]
    table = ["| what | figure | goal | |", "|------|--------|------|---|"]
    table += [f"| {what} | {value} | {goal} | {'-' if good is None else yes(good)} |" for what, value, goal, good in rows]
    head = f"{sum(map(len, cells.values()))} runs, one core each; cores: {os.cpu_count()}; load average: {os.getloadavg()[0]:.2f}."
    with open("BENCHMARKS.md", encoding="utf-8") as page:
        before, rest = page.read().split(BEGIN)
    after = rest.split(END)[1]
    with open("BENCHMARKS.md", "w", encoding="utf-8") as page:
        page.write(f"{before}{BEGIN}\n\n{head}\n\n" + "\n".join(table) + f"\n\n{END}{after}")
    print("\n".join(table))


if __name__ == "__main__":
    main()
