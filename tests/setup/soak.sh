#!/usr/bin/env bash
# Plays random worlds on all cores for some hours: soak.sh TANIST HOURS. Ends with cluster-hours, faults, acts and outcomes.
#
# Deliberately no state: seeds begin at the present second, and a seed that fails is printed and leaves its scenario.
set -euo pipefail

tanist="${1:?usage: soak.sh TANIST HOURS}"
hours="${2:?usage: soak.sh TANIST HOURS}" # or a part of one, 0.1
until=$((SECONDS + $(awk -v hours="$hours" 'BEGIN { printf "%d", 3600 * hours }')))
out="$(mktemp -d)"
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$out"' EXIT
first="$(date +%s)"

one() { # one WORKER: seed after seed until the time is over or one fails
  local seed=$((first + $1 * 100000000))
  while ((SECONDS < until)); do
    if ! "$tanist" simulate --random --seed "$seed" --minutes 60 -o json --save "found-$seed.scn" >>"$out/$1.ndjson"; then
      echo "seed $seed fails: found-$seed.scn"
      return 1
    fi
    seed=$((seed + 1))
  done
}

workers=()
for worker in $(seq "$(nproc)"); do one "$worker" & workers+=($!); done
failed=0
for worker in "${workers[@]}"; do wait "$worker" || failed=1; done

cat "$out"/*.ndjson | python3 "$(dirname "${BASH_SOURCE[0]}")/worlds.py" || failed=1
exit "$failed"
