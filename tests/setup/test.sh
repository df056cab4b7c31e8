#!/usr/bin/env bash
# Every check and every test. Checks go one after the other until one fails; tests all run, whatever fails. However it ends, what was
# skipped is printed last, and before it how long the tests took beyond their build.
#
# First what only computes and is long, on all cores: every scenario and a thousand random worlds, from a build of their own that is
# optimised (they take a fraction of the time). They have five minutes; worlds that were not played by then are counted as skipped.
#
# Then come the others, in three lanes, as a real cluster mostly waits. In front, one after the other, are those on a real cluster.
# Beside them, with a tenth of their weight, are the others that real time can break: against a deadline, with sockets, with a model.
# Behind both, at idle priority, is what else only computes, optimised too. What the lanes beside and behind print is shown whole,
# after the one in front. A target that is not named here is beside, as is the library. Two clusters at a time take two thirds of the
# time, and whole runs then have a case in which somebody was late.
set -euo pipefail
target="${1:?usage: test.sh TARGET-FOLDER FILE-OF-SKIPPED-TESTS}"
skipped="${2:?usage: test.sh TARGET-FOLDER FILE-OF-SKIPPED-TESTS}"
setup="$(dirname "${BASH_SOURCE[0]}")"
front=(differential kafka_probe kafka_wire lab trio_auto trio_people)
behind=(consensus recorded sabotage simulation)
worlds=1000
worlds_within=300
# No more worlds are begun so late (seconds after the start of this script), that the whole ends in time on a slow machine, too.
worlds_until=1260
played=""
tested=""
lanes=()

finish() {
  trap - EXIT INT TERM
  for lane in "${lanes[@]}"; do kill -KILL -- "-$lane" 2>/dev/null || true; done
  [[ -z "$played" ]] || printf '\nscenarios and random worlds took %d min %02d s\n' $((played / 60)) $((played % 60))
  [[ -z "$tested" ]] || printf '\nthe other tests took %d min %02d s beyond their build, those on real clusters %d min %02d s of these\n' \
    $((tested / 60)) $((tested % 60)) $((in_front / 60)) $((in_front % 60))
  "$setup/skipped.sh" "$skipped"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

step() {
  printf '+ %s\n' "$*"
  "$@"
}

# Compiles with Clippy in place of rustc, which compiles as well: a pass of its own would go over all dependencies once more and take a
# quarter of the whole. Whatever it warns of is an error here, and cargo tells again what it warned of before. Not for what is to be
# quick: Clippy optimises less.
lint() {
  step "$@" 2>&1 | tee "$target/tmp/lint.log"
  ! grep -E '^warning' "$target/tmp/lint.log" || { printf 'failed: a warning of %s\n' "$*"; exit 1; }
}

step cargo fmt --all --check
# First the optimised one: whoever is built last leaves the program that tests on a real cluster start.
options=(--locked --features lab)
# We have no debug assertions; with them on, each step through a map of the standard library checks what its own tests have shown (a
# sixth of all the time). Overflow is checked as ever.
compute() {
  CARGO_PROFILE_DEV_OPT_LEVEL=2 CARGO_PROFILE_DEV_DEBUG_ASSERTIONS=false \
    cargo test "${options[@]}" --no-run --test=scenarios "${behind[@]/#/--test=}" "$@"
}
step compute
paths="$(compute --quiet --message-format=json | "$setup/executables.py" scenarios "${behind[@]}")"
mapfile -t computing <<<"$paths"
optimised="$target/tmp/tanist-optimised"
cp "$target/debug/tanist" "$optimised"
# As cargo runs it, which would compile it anew for another profile.
run_computing() { CARGO_MANIFEST_DIR="$PWD" "$@"; }
mapfile -t beside < <(printf '%s\n' tests/*.rs tests/*/main.rs | sed -E 's|^tests/||; s|/main\.rs$||; s|\.rs$||' |
  grep -vxF "$(printf '%s\n' scenarios "${front[@]}" "${behind[@]}")")
# What is built from here on is what this has built.
export RUSTC_WORKSPACE_WRAPPER=clippy-driver
# The product as it is shipped is another configuration: what only the lab or a test uses is dead code there.
lint cargo build --locked --bin tanist
lint cargo test "${options[@]}" --no-run --all-targets

failed=()
begun=$SECONDS
step run_computing "${computing[0]}" || failed+=("a scenario")
within=$((worlds_until < begun + worlds_within ? worlds_until - begun : worlds_within))
step "$setup/worlds.sh" "$optimised" "$worlds" 10 $((0 < within ? within : 1)) "$skipped" || failed+=("a random world")
played=$((SECONDS - begun))

options+=(--no-fail-fast)
run_beside() {
  nice -n 10 cargo test "${options[@]}" --lib --bins "${beside[@]/#/--test=}"
}
run_behind() {
  local status=0 test
  for test in "${computing[@]:1}"; do run_computing chrt --idle 0 "$test" || status=1; done
  chrt --idle 0 cargo test "${options[@]}" --doc || status=1
  chrt --idle 0 "$setup/traces.sh" "$target/debug/tanist" "$optimised" || status=1
  return "$status"
}
begun=$SECONDS
# Each a group of its own, to be stopped as a whole; in the session of this script, as the kernel may weigh sessions and not processes.
set -m
run_beside >"$target/tmp/tests-beside.log" 2>&1 &
lanes+=($!)
run_behind >"$target/tmp/tests-behind.log" 2>&1 &
lanes+=($!)
set +m
step cargo test "${options[@]}" "${front[@]/#/--test=}" || failed+=("a test in front")
in_front=$((SECONDS - begun))
for place in beside behind; do
  wait "${lanes[0]}" || failed+=("a test $place")
  lanes=("${lanes[@]:1}")
  printf '\n+ %s them\n' "$place"
  cat "$target/tmp/tests-$place.log"
done
tested=$((SECONDS - begun))
if ((${#failed[@]})); then
  printf '\nfailed: %s\n' "${failed[@]}"
  exit 1
fi
step "$setup/links.sh" "$target/debug/tanist"
# Optimised, another build decides what is linked: it is looked at where there is one, and never built for this alone.
[[ ! -x "$target/release/tanist" ]] || step "$setup/links.sh" "$target/release/tanist"
step "$setup/deny.sh" "$skipped"
