#!/usr/bin/env bash
# Plays random worlds on all cores: worlds.sh TANIST SEEDS [MINUTES [WITHIN FILE-OF-SKIPPED-TESTS]]. Every seed from 1 on must hold every
# invariant and come to its end; what fails is printed, shrunk, as a scenario. Ends with what happened in all of them, and how long it
# took. After WITHIN seconds no more are played, and those that were not are counted as skipped.
set -euo pipefail

usage="usage: worlds.sh TANIST SEEDS [MINUTES [WITHIN FILE-OF-SKIPPED-TESTS]]"
tanist="${1:?$usage}"
seeds="${2:?$usage}"
minutes="${3:-10}"
within="${4:-}"
skipped="${within:+${5:?$usage}}"
out="$(mktemp -d)"
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$out"' EXIT
begun=$SECONDS
cores="$(nproc)"
share=$(((seeds + cores - 1) / cores))

workers=()
for worker in $(seq 0 $((cores - 1))); do
  first=$((1 + worker * share))
  left=$((seeds - worker * share))
  ((0 < left)) || continue
  timeout --foreground "${within:-0}" "$tanist" simulate --random --seed "$first" --seeds $((left < share ? left : share)) --minutes "$minutes" \
    -o json --save "$out/$worker.scn" >"$out/$worker.ndjson" &
  workers+=($!)
done
failed=0
for worker in "${workers[@]}"; do
  status=0
  wait "$worker" || status=$?
  # 124: its time was over, perhaps while it shrank what fails; whether anything did is told by what it printed.
  ((status == 0 || status == 124)) || failed=1
done

cat "$out"/*.ndjson | python3 "$(dirname "${BASH_SOURCE[0]}")/worlds.py" || failed=1
for scenario in "$out"/*.scn; do
  [[ ! -e "$scenario" ]] || { echo; cat "$scenario"; }
done
played="$(cat "$out"/*.ndjson | wc -l)"
echo "played in $((SECONDS - begun)) s on $cores cores"
if ((failed == 0 && played < seeds)); then
  echo "random worlds: $((seeds - played)) of $seeds, as the time of this run was over (make simulate plays all)" | tee -a "$skipped"
fi
exit "$failed"
