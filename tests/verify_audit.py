#!/usr/bin/env python3
"""Verifies an export of Tanist's audit history. Needs nothing but Python 3, and shares nothing with Tanist but the rule:

The file is UTF-8; every line ends in one newline and is canonical JSON: keys sorted by code point, no spaces, integers only,
only the escapes that JSON demands. The first line is the header
    {"after":{"hash":H,"index":N},"cluster":ID,"format":"tanist-audit-1","genesis":Z}
and says which record the first one below follows (0 and Z = 64 zeros for a whole history). Every other line is
    {"hash":H,"index":N,"record":R}
Records are numbered without a gap. H is SHA-256(hash of the record before, 32 bytes || N as 8 bytes, most significant
first || the bytes of R as they stand in the line), in lower-case hex.

Exit status: 0 the history is whole, 1 it is not (the first bad record is named), 2 wrong usage.
A cut-off tail can only be found with --head, a head that was kept elsewhere.
"""
import argparse
import hashlib
import json
import re
import sys

FORMAT = "tanist-audit-1"
ZEROS = "0" * 64
RECORD_LINE = re.compile(rb'\{"hash":"([0-9a-f]{64})","index":(0|[1-9][0-9]*),"record":(.*)\}', re.DOTALL)


class Broken(Exception):
    """The history is not what it should be; the message names the record."""


def refuse_float(text):
    raise ValueError(f"{text} is not an integer")


def read_integer(text):
    if not -(2**63) <= int(text) < 2**64:
        raise ValueError(f"{text} does not fit into 64 bits")
    return int(text)


def refuse_twins(pairs):
    keys = [key for key, _ in pairs]
    if len(keys) != len(set(keys)):
        raise ValueError("a key occurs twice")
    return dict(pairs)


def read_canonical(raw):
    """Gives the value of canonical bytes, or raises ValueError."""
    value = json.loads(
        raw.decode("utf-8"),
        parse_int=read_integer,
        parse_float=refuse_float,
        parse_constant=refuse_float,
        object_pairs_hook=refuse_twins,
    )
    again = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    if again.encode("utf-8") != raw:
        raise ValueError("it is not in canonical form")
    return value


def read_header(raw):
    try:
        header = read_canonical(raw)
        if sorted(header) != ["after", "cluster", "format", "genesis"]:
            raise ValueError("its fields are others")
        if header["format"] != FORMAT:
            raise ValueError(f"its format is {header['format']!r}, not {FORMAT!r}")
        if header["genesis"] != ZEROS:
            raise ValueError("its genesis is not 64 zeros")
        after = (int(header["after"]["index"]), bytes.fromhex(header["after"]["hash"]))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Broken(f"not an audit export: {error}") from error
    return header["cluster"], after


def read_record(raw):
    """Gives (index, hash, bytes of the record), or raises ValueError."""
    match = RECORD_LINE.fullmatch(raw)
    if not match:
        raise ValueError("it is not the line of a record")
    try:
        read_canonical(match[3])
    except RecursionError as error:
        raise ValueError("it nests too deep") from error
    return int(match[2]), bytes.fromhex(match[1].decode()), match[3]


def chain_hash(before, index, record):
    return hashlib.sha256(before + index.to_bytes(8, "big") + record).digest()


def comes_later(lines, wanted, before):
    """Says whether the true record of this number stands further down."""
    for raw in lines:
        try:
            index, stored, record = read_record(raw.rstrip(b"\n"))
        except ValueError:
            continue
        if index == wanted and chain_hash(before, index, record) == stored:
            return True
    return False


def verify(lines, head):
    """Gives a sentence about a whole history, or raises Broken."""
    lines = iter(lines)
    cluster, (last, before) = read_header(next(lines, b"").rstrip(b"\n"))
    first, at_head = last, None
    for number, raw in enumerate(lines, start=2):
        if head and head[0] == last:
            at_head = before
        wanted = last + 1
        try:
            index, stored, record = read_record(raw[:-1] if raw.endswith(b"\n") else raw)
        except ValueError as error:
            raise Broken(f"broken: record {wanted} should stand in line {number}, but {error}") from error
        if index == wanted and chain_hash(before, index, record) == stored:
            last, before = index, stored
            continue
        if index < wanted:
            raise Broken(f"broken: record {index} was inserted")
        later = comes_later(lines, wanted, before)
        if index == wanted:
            raise Broken(f"broken: record {wanted} was {'inserted' if later else 'changed'}")
        raise Broken(f"broken: record {wanted} was {'re-ordered' if later else 'dropped'}")
    if head and head[0] == last:
        at_head = before
    if head and last < head[0]:
        raise Broken(f"broken: record {last + 1} was dropped, the last {head[0] - last} records are missing")
    if head and at_head != head[1]:
        raise Broken(f"broken: the history differs from the given head at or before record {head[0]}")
    return f"whole: {last - first} records of cluster {cluster}, head {last}:{before.hex()}"


def head_argument(text):
    index, _, digest = text.partition(":")
    if not index.isdecimal() or not re.fullmatch("[0-9a-f]{64}", digest):
        raise argparse.ArgumentTypeError("a head is written INDEX:HASH, a number and 64 lower-case hex digits")
    return int(index), bytes.fromhex(digest)


def main():
    parser = argparse.ArgumentParser(description="Verifies an export of Tanist's audit history.")
    parser.add_argument("file", help="the export, NDJSON")
    parser.add_argument("--head", type=head_argument, help="INDEX:HASH that the history must hold")
    arguments = parser.parse_args()
    try:
        with open(arguments.file, "rb") as lines:
            print(verify(lines, arguments.head))
    except Broken as broken:
        print(broken)
        return 1
    except OSError as error:
        print(f"cannot read {arguments.file}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
