#!/usr/bin/env bash
# Every check and every test, one after the other until one fails. However it ends, what was skipped is printed last, and before
# it how long the tests took beyond their build.
set -euo pipefail
target="${1:?usage: test.sh TARGET-FOLDER FILE-OF-SKIPPED-TESTS}"
skipped="${2:?usage: test.sh TARGET-FOLDER FILE-OF-SKIPPED-TESTS}"
setup="$(dirname "${BASH_SOURCE[0]}")"
tested=""

finish() {
  [[ -z "$tested" ]] || printf '\nthe tests took %d min %02d s beyond their build\n' $((tested / 60)) $((tested % 60))
  "$setup/skipped.sh" "$skipped"
}
trap finish EXIT

step() {
  printf '+ %s\n' "$*"
  "$@"
}

step cargo fmt --all --check
step cargo clippy --locked --features lab --all-targets -- --deny warnings
# The product as it is shipped is another configuration: what only the lab or a test uses is dead code there.
step cargo clippy --locked --bin tanist -- --deny warnings
step cargo test --locked --features lab --no-run
begun=$SECONDS
status=0
step cargo test --locked --features lab --no-fail-fast || status=$?
tested=$((SECONDS - begun))
[[ $status -eq 0 ]] || exit "$status"
step "$setup/links.sh" "$target/debug/tanist"
# Optimised, another build decides what is linked: it is looked at where there is one, and never built for this alone.
[[ ! -x "$target/release/tanist" ]] || step "$setup/links.sh" "$target/release/tanist"
step "$setup/deny.sh" "$skipped"
