#!/usr/bin/env python3
"""Prints the path of every executable of a kind (test, bin) that cargo has built: its messages as JSON on standard input."""

import json
import sys

kind = sys.argv[1]
for line in sys.stdin:
    message = json.loads(line)
    if message["reason"] == "compiler-artifact" and message["executable"] and kind in message["target"]["kind"]:
        print(message["executable"])
