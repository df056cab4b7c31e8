#!/usr/bin/env python3
"""Prints the paths of the integration tests of these names, in this order, as cargo has built them: its messages as JSON on standard
input. One that was not built is an error."""

import json
import sys

built = {}
for line in sys.stdin:
    message = json.loads(line)
    if message["reason"] == "compiler-artifact" and message["executable"] and "test" in message["target"]["kind"]:
        built[message["target"]["name"]] = message["executable"]
for name in sys.argv[1:]:
    if name not in built:
        sys.exit(f"executables.py: cargo did not build the test {name!r}, but {', '.join(sorted(built)) or 'none'}")
    print(built[name])
