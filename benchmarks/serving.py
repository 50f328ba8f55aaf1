"""Pictures a second of a served model, beside those of the bare runtime, in turn.

    python -m benchmarks.serving exported/model.onnx photos [--clients 8] [--seconds 60]

The runtime reads and answers the files one after the other; then clients, each with one request at a time, send the
same files to a server of its own process. Prints a line of JSON.
"""

import argparse
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import psutil

from candelabra.runtime import Model

_PORT = 8321


def measure_runtime(model: Model, files: list[bytes], seconds: float) -> float:
    """Pictures a second of the runtime in this process."""
    begun, count = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        model(files[count % len(files)])
        count += 1
    return count / (time.perf_counter() - begun)


def measure_server(files: list[bytes], clients: int, seconds: float) -> tuple[float, list[float]]:
    """Pictures a second of the server, and the seconds of each request."""
    end = time.perf_counter() + seconds

    def ask(first: int) -> list[float]:
        taken, number = [], first
        while time.perf_counter() < end:
            begun = time.perf_counter()
            request = Request(f"http://127.0.0.1:{_PORT}/predict", data=files[number % len(files)], method="POST")
            urlopen(request, timeout=60).read()
            taken.append(time.perf_counter() - begun)
            number += clients
        return taken

    with ThreadPoolExecutor(clients) as threads:
        taken = [each for part in threads.map(ask, range(clients)) for each in part]
    return len(taken) / seconds, taken


def main() -> None:
    """Prints throughput, its ratio to the runtime, latencies and the memory of the server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60)
    given = parser.parse_args()
    files = [path.read_bytes() for path in sorted(given.photos.iterdir())][:64]
    model = Model(given.model)
    model(files[0])
    words = [sys.executable, "-m", "candelabra", "serve", f"model={given.model}", f"port={_PORT}"]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    try:
        time.sleep(10)
        measure_server(files, given.clients, 2)
        process, rounds = psutil.Process(server.pid), 4
        bare: list[float] = []
        served: list[float] = []
        taken: list[float] = []
        memory: list[int] = []
        for _ in range(rounds):
            bare.append(measure_runtime(model, files, given.seconds / rounds))
            speed, more = measure_server(files, given.clients, given.seconds / rounds)
            served.append(speed)
            taken += more
            memory.append(process.memory_info().rss // 10**6)
    finally:
        server.terminate()
        server.wait(timeout=60)
    half, most = np.percentile(taken, [50, 99]) * 1000
    ratio = float(np.median(np.array(served) / np.array(bare)))
    print(
        json.dumps(
            {
                "runtime": round(float(np.median(bare)), 1),
                "served": round(float(np.median(served)), 1),
                "ratio": round(ratio, 2),
                "p50_ms": round(float(half), 1),
                "p99_ms": round(float(most), 1),
                "megabytes": memory,
            }
        )
    )


if __name__ == "__main__":
    main()
