#!/usr/bin/env bash
# Plays random worlds on all cores: worlds.sh TANIST SEEDS [MINUTES]. Every seed from 1 on must hold every invariant and come to
# its end; what fails is printed, shrunk, as a scenario. Ends with what happened in all of them, and how long it took.
set -euo pipefail

tanist="${1:?usage: worlds.sh TANIST SEEDS [MINUTES]}"
seeds="${2:?usage: worlds.sh TANIST SEEDS [MINUTES]}"
minutes="${3:-10}"
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
  "$tanist" simulate --random --seed "$first" --seeds $((left < share ? left : share)) --minutes "$minutes" -o json \
    --save "$out/$worker.scn" >"$out/$worker.ndjson" &
  workers+=($!)
done
failed=0
for worker in "${workers[@]}"; do wait "$worker" || failed=1; done

cat "$out"/*.ndjson | python3 "$(dirname "${BASH_SOURCE[0]}")/worlds.py"
for scenario in "$out"/*.scn; do
  [[ ! -e "$scenario" ]] || { echo; cat "$scenario"; }
done
echo "played in $((SECONDS - begun)) s on $cores cores"
exit "$failed"
