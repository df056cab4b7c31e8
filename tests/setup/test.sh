#!/usr/bin/env bash
# Every check and every test. Checks go one after the other until one fails; tests all run, whatever fails. However it ends, what was
# skipped is printed last, and before it how long the tests took beyond their build.
#
# Each binary with tests on real clusters (it needs feature `lab`) is begun at once, and they queue for the machine's seat
# (tests/common/seat.rs). All else comes first: beside a cluster on two cores a unit test with sockets of its own is late, and so
# is the cluster. What a binary on real clusters prints is shown whole, after the others.
set -euo pipefail
target="${1:?usage: test.sh TARGET-FOLDER FILE-OF-SKIPPED-TESTS}"
skipped="${2:?usage: test.sh TARGET-FOLDER FILE-OF-SKIPPED-TESTS}"
setup="$(dirname "${BASH_SOURCE[0]}")"
tested=""
running=()

finish() {
  trap - EXIT INT TERM
  # Each leads a process group; its Java machines die with it.
  for group in "${running[@]}"; do kill -KILL -- "-$group" 2>/dev/null || true; done
  [[ -z "$tested" ]] || printf '\nthe tests took %d min %02d s beyond their build\n' $((tested / 60)) $((tested % 60))
  "$setup/skipped.sh" "$skipped"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

step() {
  printf '+ %s\n' "$*"
  "$@"
}

names() { # of the test binaries that these files begin
  sed -E 's|^tests/||; s|/main\.rs$||; s|\.rs$||'
}

step cargo fmt --all --check
step cargo clippy --locked --features lab --all-targets -- --deny warnings
# The product as it is shipped is another configuration: what only the lab or a test uses is dead code there.
step cargo clippy --locked --bin tanist -- --deny warnings
step cargo test --locked --features lab --no-run

# In this order the longest begin first.
mapfile -t real < <(grep -lF 'feature = "lab"' tests/*.rs tests/*/main.rs | names | sort -r)
mapfile -t others < <(printf '%s\n' tests/*.rs tests/*/main.rs | names | grep -vxF "$(printf '%s\n' "${real[@]}")")
options=(--locked --features lab --no-fail-fast)
begun=$SECONDS
failed=()
step cargo test "${options[@]}" --lib --bins "${others[@]/#/--test=}" || failed+=("the tests without a cluster")
step cargo test "${options[@]}" --doc || failed+=("the tests in the documentation")
for name in "${real[@]}"; do
  setsid cargo test "${options[@]}" --test "$name" >"$target/tmp/test-$name.log" 2>&1 &
  running+=($!)
done
printf '+ begun on real clusters: %s\n' "${real[*]}"
for place in "${!real[@]}"; do
  printf '\n+ the tests on real clusters of %s\n' "${real[place]}"
  wait "${running[place]}" || failed+=("${real[place]}")
  cat "$target/tmp/test-${real[place]}.log"
done
running=()
tested=$((SECONDS - begun))
if ((${#failed[@]})); then
  printf '\nfailed: %s\n' "${failed[@]}"
  exit 1
fi
step "$setup/links.sh" "$target/debug/tanist"
# Optimised, another build decides what is linked: it is looked at where there is one, and never built for this alone.
[[ ! -x "$target/release/tanist" ]] || step "$setup/links.sh" "$target/release/tanist"
step "$setup/deny.sh" "$skipped"
