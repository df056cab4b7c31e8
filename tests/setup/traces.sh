#!/usr/bin/env bash
# The same seed gives the same trace, whoever compiled the world: traces.sh TANIST TANIST [SEEDS]. Plays each seed in one process of
# the first build and in two of the second, and compares what happened, event by event, as one number.
set -euo pipefail

one="${1:?usage: traces.sh TANIST TANIST [SEEDS]}"
other="${2:?usage: traces.sh TANIST TANIST [SEEDS]}"
seeds="${3:-3}"

traces() { # traces TANIST: seed and trace of each world, line by line
  "$1" simulate --random --seed 1 --seeds "$seeds" --minutes 2 -o json |
    python3 -c 'import json, sys; [print(run["seed"], run["trace"]) for run in map(json.loads, sys.stdin)]'
}

first="$(traces "$one")"
for again in "$(traces "$other")" "$(traces "$other")"; do
  if [[ "$again" != "$first" ]]; then
    printf 'the traces differ:\n%s\n%s\n' "$first" "$again"
    exit 1
  fi
done
printf 'the same traces in three processes and two builds:\n%s\n' "$first"
