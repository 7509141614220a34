#!/usr/bin/env python3
"""Reading a CSV file of four columns: Knothe beside polars.

    reading.py [--rows 10000000] [--times 5] [--threads 2] [--bench target/release/deps/reading-…] [--folder FOLDER]

Writes a table of a real, a real of two decimals, a whole number and a category, and reads it whole with both, in turn, each time in a process of its own that reads it
once before. Prints the medians in Markdown. Needs polars (`pip install polars`). Without --bench, Cargo builds it.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CITIES = ["Graz", "Innsbruck", "Linz", "Salzburg", "Wien"]
BLOCK = 100_000

POLARS = """
import json, sys, time
import polars
seconds = []
for _ in range(1 + int(sys.argv[2])):
    start = time.perf_counter()
    table = polars.read_csv(sys.argv[1])
    seconds.append(time.perf_counter() - start)
    rows, columns = table.shape
    del table
print(json.dumps({"rows": rows, "columns": columns, "threads": polars.thread_pool_size(), "seconds": seconds[1:], "version": polars.__version__}))
"""


def write(path, rows):
    """A table with a seed of its own."""
    r = random.Random(0)
    with open(path, "w") as file:
        file.write("x,amount,count,city\n")
        for first in range(0, rows, BLOCK):
            block = range(min(BLOCK, rows - first))
            file.write("".join(f"{r.gauss(0, 1)!r},{r.expovariate(0.01):.2f},{r.randrange(1000)},{r.choice(CITIES)}\n" for _ in block))


def built():
    """The bench, built by Cargo."""
    command = ["cargo", "bench", "--workspace", "--no-run", "--bench", "reading", "--message-format=json"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    messages = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return [m["executable"] for m in messages if m.get("target", {}).get("name") == "reading" and m.get("executable")][-1]


def measured(command, threads):
    """What a process prints."""
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads), "POLARS_MAX_THREADS": str(threads)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=10_000_000)
    arguments.add_argument("--times", type=int, default=5)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--bench", type=Path)
    arguments.add_argument("--folder", type=Path)
    a = arguments.parse_args()
    bench = a.bench or built()
    with tempfile.TemporaryDirectory(prefix="reading.", dir=a.folder) as folder:
        table = Path(folder) / "table.csv"
        write(table, a.rows)
        size = table.stat().st_size
        commands = {"polars": [sys.executable, "-c", POLARS, str(table), "1"], "knothe": [str(bench), str(table), "1"]}
        found = {name: [] for name in commands}
        for _ in range(a.times):
            for name, command in commands.items():
                found[name].append(measured(command, a.threads))
    for name, runs in found.items():
        for run in runs:
            assert (run["rows"], run["columns"], run["threads"]) == (a.rows, 4, a.threads), (name, run)
    medians = {name: statistics.median(s for run in runs for s in run["seconds"]) for name, runs in found.items()}
    version = found["polars"][0]["version"]
    print(f"{a.rows:,} rows of 4 columns, {size / 1e6:.0f} MB, {a.threads} threads, median of {a.times} runs each\n")
    print("| reader | seconds | MB per second | beside polars |\n|---|---|---|---|")
    for name, label in [("polars", f"polars {version}"), ("knothe", "Knothe")]:
        print(f"| {label} | {medians[name]:.3f} | {size / 1e6 / medians[name]:.0f} | {medians[name] / medians['polars']:.2f} × |")


if __name__ == "__main__":
    main()
