#!/usr/bin/env bash
# Fails unless the binary links only what every Debian has: the C library, its loader and gcc's unwinder.
set -euo pipefail
binary="${1:?usage: links.sh BINARY}"
linked="$(ldd "$binary")"
foreign="$(grep -vE '^[[:space:]]*(linux-vdso\.so\.1|libc\.so\.6|libm\.so\.6|libgcc_s\.so\.1|/lib.*/ld-linux[^ ]*)( |$)' <<<"$linked" || true)"
if [[ -n "$foreign" ]]; then
  printf '%s links more than libc, libm and libgcc_s:\n%s\n' "$binary" "$foreign" >&2
  exit 1
fi
printf '%s links only what every Debian has\n' "$binary"
