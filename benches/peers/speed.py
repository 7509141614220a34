#!/usr/bin/env python3
"""Knothe and the Python libraries, on this machine, in one run.

    speed.py [--rounds 3] [--seconds 20] [--threads 2] [--only maf/train/8] [--out docs/speed.json]

Each case is measured `--rounds` times, library after library in turn, each time in a process of its own; the figures are medians over the
rounds of the medians of calls, and the ratio is to the fastest library of the run. Needs Python 3.11 alone: the libraries go into
`target/peers` (requirements.txt; 6 GB). Prints Markdown; messages go to the error stream. The machine must be idle.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WIDE = [(8, 64), (21, 256), (43, 512), (63, 512)]
CASES = [("maf", operation, dim, hidden) for operation in ("train", "score", "sample") for dim, hidden in WIDE]
CASES += [("nsf", operation, dim, hidden) for operation in ("train", "score", "sample") for dim, hidden in WIDE[:2]]
CASES += [(model, "train", dim, hidden) for model in ("sos", "naf", "real_nvp") for dim, hidden in WIDE[:2]]
# Levels and channels of Glow; the number of a shape of convolution.
CASES += [("glow", operation, 3, 256) for operation in ("train", "score", "sample")]
# Gated blocks and channels of PixelCNN.
CASES += [("pixel_cnn", operation, 8, 32) for operation in ("train", "sample")]
CASES += [("wavenet", operation, 20, 32) for operation in ("train", "stream", "sample")]
CASES += [("convolution", operation, shape, 0) for operation in ("forward", "gradients") for shape in range(5)]
COMMON = ["zuko", "nflows", "normflows", "torchflows", "flowjax"]
# Compiling takes half a minute a process, so it runs where the rest of PyTorch is not far behind.
EXTRA = {"maf/train": ["plain PyTorch", "plain PyTorch, compiled"], "nsf/train": ["zuko, compiled"]}
HAVE = {"sos": ["zuko"], "naf": ["zuko", "torchflows"], "glow": ["normflows"], "convolution": ["plain PyTorch"], "pixel_cnn": ["plain PyTorch"], "wavenet": ["plain PyTorch"]}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0, help="of a measurement at most")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default="", help="cases whose name, MODEL/OPERATION/D, begins so")
    parser.add_argument("--environment", type=Path, default=ROOT / "target" / "peers", help="a virtual environment; made if it is not there")
    parser.add_argument("--out", type=Path, help="where to write every measurement, as JSON")
    return parser.parse_args()


def say(*text):
    print(*text, file=sys.stderr, flush=True)


def python(environment):
    found = environment / "bin" / "python"
    if not found.exists():
        say("installing the libraries into", environment)
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        subprocess.run([found, "-m", "pip", "install", "--quiet", "--requirement", HERE / "requirements.txt"], check=True)
    return found


def ours(threads):
    """A function that measures Knothe."""
    names = ["training", "glow", "convolution", "pixels", "streams"]
    build = ["cargo", "bench", "--workspace", "--no-run", "--message-format", "json", *(f"--bench={name}" for name in names)]
    messages = subprocess.run(build, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    made = [message for message in map(json.loads, messages) if message.get("executable")]
    benches = {message["target"]["name"]: message["executable"] for message in made}

    def measure(*case):
        cores = ",".join(map(str, range(threads)))
        bench = benches.get({"pixel_cnn": "pixels", "wavenet": "streams"}.get(case[0], case[0]), benches["training"])
        command = ["taskset", "-c", cores, "env", f"RAYON_NUM_THREADS={threads}", bench, "--json", *map(str, case)]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)

    return measure


def peer(interpreter, library, case, args):
    options = ["--threads", str(args.threads), "--seconds", str(args.seconds)]
    command = [interpreter, HERE / "libraries.py", library, *map(str, case), *options]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        say(f"{library}: no figure, {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
        return None
    return json.loads(done.stdout.splitlines()[-1])


def main():
    args = arguments()
    interpreter, measure = python(args.environment), ours(args.threads)
    peaks = [measure("peak", "sgemm", 2048, 2048)]
    found = {}
    for case in CASES:
        name = "/".join(map(str, case[:3]))
        if not name.startswith(args.only):
            continue
        kind = "/".join(case[:2])
        libraries = HAVE.get(case[0], COMMON) + EXTRA.get(kind, [])
        rounds = found[name] = {library: [] for library in ["knothe", *libraries]}
        for turn in range(args.rounds):
            for library, measured in rounds.items():
                one = measure(*case) if library == "knothe" else peer(interpreter, library, case, args) if len(measured) == turn else None
                if one:
                    measured.append(one)
                    say(f"{name} {library}: {one['median']:.2f} ms, {one['memory']:.0f} MB")
        peaks.append(measure("peak", "sgemm", 2048, 2048))
    peak = statistics.median(one["gigaflops"] for one in peaks)
    print(f"{args.threads} threads, {args.rounds} rounds, float32. sgemm at 2048³: {peak:.0f} GFLOP/s.\n")
    report(found, peak)
    if args.out:
        args.out.write_text(json.dumps({"threads": args.threads, "gigaflops": peak, "cases": found}, indent=1))


def report(found, peak):
    """Milliseconds of each library, the ratio to the fastest, the fraction of the peak, and memory."""
    names = COMMON + ["plain PyTorch", "plain PyTorch, compiled", "zuko, compiled"]
    print("| case | D, H | knothe |", " | ".join(names), "| ratio | of peak | MB | leanest |")
    print("|---" * (len(names) + 7) + "|")
    sizes = {"/".join(map(str, case[:3])): f"{case[2]}, {case[3]}" for case in CASES}
    for name, libraries in found.items():
        model, operation, _ = name.split("/")
        middle = {library: statistics.median(one["median"] for one in rounds) for library, rounds in libraries.items() if rounds}
        memory = {library: min(one["memory"] for one in rounds) for library, rounds in libraries.items() if rounds}
        own, own_memory = middle.pop("knothe"), memory.pop("knothe")
        flops = libraries["knothe"][0]["flops"]
        cells = [f"{middle[library]:.3g}" if library in middle else "" for library in names]
        share = f"{flops / own / 1e6 / peak:.0%}" if flops else ""
        ratio = f"{min(middle.values()) / own:.1f}" if middle else ""
        leanest = f"{min(memory.values()):.0f}" if memory else ""
        row = [f"{model} {operation}", sizes[name], f"{own:.3g}", *cells, ratio, share, f"{own_memory:.0f}", leanest]
        print("|", " | ".join(row), "|")


if __name__ == "__main__":
    main()
