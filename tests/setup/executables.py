#!/usr/bin/env python3
"""Prints the path of every integration test that cargo has built: its messages as JSON on standard input."""

import json
import sys

for line in sys.stdin:
    message = json.loads(line)
    if message["reason"] == "compiler-artifact" and message["executable"] and "test" in message["target"]["kind"]:
        print(message["executable"])
