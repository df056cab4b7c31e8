"""Sums up random worlds, a line of JSON each on standard input: how many, how long, what befell them, what was recorded, how
well faults were found (right and in time, late, missed; wrong is a finding that claims something of a broker that nothing had befallen), what failed. Exit status 1 if anything did."""

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
found = {what: sum(run["found"][what] for run in runs) for what in ("right", "late", "missed", "wrong")}
print("faults and findings: " + ", ".join(f"{what} {count}" for what, count in found.items()))
for run in runs:
    if run["violation"]:
        print("seed", run["seed"], "fails:", run["violation"])
sys.exit(any(run["violation"] for run in runs))
