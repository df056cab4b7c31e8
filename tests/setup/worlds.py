"""Sums up random worlds, a line of JSON each on standard input: how many, how long, what befell them, what was recorded, what failed."""

import collections
import json
import sys

runs = [json.loads(line) for line in sys.stdin]
hours = sum(run["simulated_s"] for run in runs) / 3600
steps = sum(run["node_steps"] for run in runs)
print(f"{len(runs)} worlds, {hours:.1f} cluster-hours, {steps} node-steps")
for key in ("faults", "records"):
    total = sum((collections.Counter(run[key]) for run in runs), collections.Counter())
    print(f"{key}: " + ", ".join(f"{what} {count}" for what, count in sorted(total.items())))
for run in runs:
    if run["violation"]:
        print("seed", run["seed"], "fails:", run["violation"])
