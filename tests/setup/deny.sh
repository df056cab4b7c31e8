#!/usr/bin/env bash
# Runs `cargo deny`: licences, bans and sources always; advisories against a fresh database, else against the cached copy
# (and says from when), else not at all, which is counted as skipped. The network decides what is known, never what passes.
set -euo pipefail
skipped="${1:?usage: deny.sh FILE-OF-SKIPPED-TESTS}"
. "$(dirname "${BASH_SOURCE[0]}")/versions.sh"
databases="${CARGO_HOME:-$HOME/.cargo}/advisory-dbs"

# Duplicate versions are a warning in deny.toml; forty of them in every run would hide the others.
deny() { "$cargo_deny" --locked "${@:2}" check --hide-inclusion-graph --allow duplicate $1; }

echo "cargo deny check bans licenses sources"
deny "bans licenses sources"
echo "cargo deny check advisories"
if timeout 120 "$cargo_deny" --locked fetch db 2>/dev/null; then
  deny advisories
elif newest="$(git -C "$databases"/advisory-db-* log -1 --format=%cs 2>/dev/null)"; then
  echo "the advisory database cannot be reached; checking against the copy of $newest"
  deny advisories --offline
  echo "cargo deny: advisories after $newest (database not reachable)" >>"$skipped"
else
  echo "the advisory database cannot be reached and no copy is cached: NOT CHECKED"
  echo "cargo deny: advisories (database not reachable, no copy cached)" >>"$skipped"
fi
