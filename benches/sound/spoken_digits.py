#!/usr/bin/env python3
"""WaveNet on the Free Spoken Digit Dataset: bits per sample, digits told apart by their likelihoods, and ten generated digits.

    spoken_digits.py FOLDER [--knothe target/release/knothe] [--out FOLDER] [--model FILE] [-- FIT OPTIONS]

FOLDER holds raw_concat.npz: the array `pcm` of 16-bit integers at 8 kHz, and the array `offsets` of 3,001 integers. The recordings are sorted by speaker, digit and index (0 to 49).
Recordings with index 0 to 4 are the test set, and recordings with index 5 to 9 choose the epoch. The model is fitted to the others, given the digit.
With --model the script fits no model and judges the given one.
Prints JSON. Needs numpy.
"""

import argparse
import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy

ROOT = Path(__file__).resolve().parents[2]
RATE = 8_000
LEVELS = 256


def sets(folder, out):
    """The three sets as NPZ files."""
    data = numpy.load(folder / "raw_concat.npz")
    pcm, offsets = data["pcm"], data["offsets"]
    number = numpy.arange(len(offsets) - 1)
    index, digit = number % 50, number // 50 % 10
    chosen = {"train": index >= 10, "validation": (index >= 5) & (index < 10), "test": index < 5}
    files = {}
    for name, rows in chosen.items():
        parts = [pcm[offsets[row] : offsets[row + 1]] for row in numpy.flatnonzero(rows)]
        ends = numpy.concatenate([[0], numpy.cumsum([len(part) for part in parts])])
        files[name] = out / f"{name}.npz"
        numpy.savez_compressed(files[name], pcm=numpy.concatenate(parts), offsets=ends, labels=digit[rows], sample_rate=[RATE])
    return files


def levels(file):
    """The levels of the mu-law of each recording of a set."""
    data = numpy.load(file)
    x = data["pcm"] / 32_768
    level = numpy.floor(255 * (numpy.sign(x) * numpy.log1p(255 * abs(x)) / numpy.log(256) + 1) / 2 + 0.5).astype(int)
    return [level[a:b] for a, b in zip(data["offsets"][:-1], data["offsets"][1:])]


def bigrams(train, test):
    """Bits per sample of a table of the levels given the level before, with half a count added to each."""
    counts = numpy.full((LEVELS + 1, LEVELS), 0.5)
    for recording in train:
        before = numpy.concatenate([[LEVELS], recording[:-1]])
        numpy.add.at(counts, (before, recording), 1)
    logs = numpy.log2(counts / counts.sum(1, keepdims=True))
    bits = -sum(logs[numpy.concatenate([[LEVELS], recording[:-1]]), recording].sum() for recording in test)
    return bits / sum(map(len, test))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--knothe", type=Path, default=ROOT / "target" / "release" / "knothe")
    parser.add_argument("--out", type=Path, default=ROOT / "target" / "spoken_digits")
    parser.add_argument("--model", type=Path)
    parser.add_argument("options", nargs="*", help="options of knothe fit, after --")
    args = parser.parse_intermixed_args()
    args.out.mkdir(parents=True, exist_ok=True)
    files = sets(args.folder, args.out)

    def knothe(*words, quiet=True):
        done = subprocess.run([args.knothe, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL if quiet else None, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(map(str, words))}: exit code {done.returncode}")
        return done.stdout

    model = args.model
    if model is None:
        model = args.out / "digits.safetensors"
        split = ["--validation", files["validation"], "--labels", "labels"]
        knothe("fit", files["train"], *split, "--out", model, *args.options, quiet=False)
    found = json.loads(knothe("evaluate", model, files["test"], "--labels", "labels", "--json"))
    scores = []
    for digit in range(10):
        rows = list(csv.DictReader(io.StringIO(knothe("score", model, files["test"], "--given", f"class={digit}"))))
        scores.append([float(row["log_prob"]) for row in rows])
    truth = numpy.load(files["test"])["labels"]
    right = (numpy.argmax(scores, 0) == truth).mean()
    knothe("sample", model, "-n", 10, "--out", args.out / "digits.wav")
    knothe("plot", model, files["test"], "--labels", "labels", "-n", 12, "--out", args.out / "digits.png")
    bits = found["bits_per_sample"]
    result = {
        "bits_per_sample": bits["mean"],
        "two_standard_errors": bits["two_se"],
        "bits_of_bigrams": bigrams(levels(files["train"]), levels(files["test"])),
        "digits_right": float(right),
        "recordings": len(truth),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
