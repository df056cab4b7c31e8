#!/usr/bin/env bash
# Every check and every test. Checks go one after the other until one fails; tests all run, whatever fails. However it ends, what was
# skipped is printed last, and before it how long the tests took beyond their build.
#
# Tests live in two lanes. In front are those that real time can break: on a real cluster, against a deadline, with sockets. Behind
# them, at idle priority, are those that only compute: a cluster mostly waits, and they take what it leaves of the cores. What the
# lane behind prints is shown whole, after the other. A target that is not named here is in front, as is the library.
set -euo pipefail
target="${1:?usage: test.sh TARGET-FOLDER FILE-OF-SKIPPED-TESTS}"
skipped="${2:?usage: test.sh TARGET-FOLDER FILE-OF-SKIPPED-TESTS}"
setup="$(dirname "${BASH_SOURCE[0]}")"
behind=(consensus floors recorded sabotage scenarios simulation)
tested=""
lane=""

finish() {
  trap - EXIT INT TERM
  [[ -z "$lane" ]] || kill -KILL -- "-$lane" 2>/dev/null || true
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

step cargo fmt --all --check
step cargo clippy --locked --features lab --all-targets -- --deny warnings
# The product as it is shipped is another configuration: what only the lab or a test uses is dead code there.
step cargo clippy --locked --bin tanist -- --deny warnings
step cargo test --locked --features lab --no-run

mapfile -t front < <(printf '%s\n' tests/*.rs tests/*/main.rs | sed -E 's|^tests/||; s|/main\.rs$||; s|\.rs$||' |
  grep -vxF "$(printf '%s\n' "${behind[@]}")")
options=(--locked --features lab --no-fail-fast)
run_behind() {
  local status=0
  chrt --idle 0 cargo test "${options[@]}" "${behind[@]/#/--test=}" || status=1
  chrt --idle 0 cargo test "${options[@]}" --doc || status=1
  return "$status"
}
begun=$SECONDS
failed=()
# A group of its own, to be stopped as a whole; in the session of this script, as the kernel may weigh sessions and not processes.
set -m
run_behind >"$target/tmp/tests-behind.log" 2>&1 &
lane=$!
set +m
step cargo test "${options[@]}" --lib --bins "${front[@]/#/--test=}" || failed+=("a test in front")
printf '\n+ beside them, at idle priority: %s and the documentation\n' "${behind[*]}"
wait "$lane" || failed+=("a test behind")
lane=""
cat "$target/tmp/tests-behind.log"
tested=$((SECONDS - begun))
if ((${#failed[@]})); then
  printf '\nfailed: %s\n' "${failed[@]}"
  exit 1
fi
step "$setup/links.sh" "$target/debug/tanist"
# Optimised, another build decides what is linked: it is looked at where there is one, and never built for this alone.
[[ ! -x "$target/release/tanist" ]] || step "$setup/links.sh" "$target/release/tanist"
step "$setup/deny.sh" "$skipped"
