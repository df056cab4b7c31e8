#!/usr/bin/env bash
# Prints, last of all, what could not be tested on this machine and why.
set -euo pipefail
file="${1:?usage: skipped.sh FILE}"
if [[ -s "$file" ]]; then
  printf '\nskipped on this machine: %s\n' "$(sort -u "$file" | wc -l)"
  sort -u "$file" | sed 's/^/  - /'
else
  printf '\nskipped on this machine: nothing\n'
fi
