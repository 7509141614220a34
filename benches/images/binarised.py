#!/usr/bin/env python3
"""Autoregressive models of binarised MNIST: the data, and fits judged on the test images in nats.

    binarised.py FILE [--knothe target/release/knothe] [--out FOLDER] [--models pixel_cnn,row_lstm,diagonal_bilstm] [-- FIT OPTIONS]

FILE is an NPZ file with the arrays train_images, val_images and test_images, bytes of [n, 28, 28]. Each pixel of value v is drawn once as Bernoulli(v/255) by numpy's default_rng(0),
first those of the training and validation images, then those of the test images. The models are fitted one after another, and each appends a line of JSON to FOLDER/results.jsonl.
Needs numpy.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy

ROOT = Path(__file__).resolve().parents[2]


def binarised(file, out):
    """The three sets as NPZ files, and the nats of independent pixels on the test images."""
    data = numpy.load(file)
    rng = numpy.random.default_rng(0)

    def drawn(images):
        return (rng.random(images.shape) < images / 255).astype(numpy.uint8)

    fitted = drawn(numpy.concatenate([data["train_images"], data["val_images"]]))
    test = drawn(data["test_images"])
    n = len(data["train_images"])
    files = {}
    for name, images in {"train": fitted[:n], "validation": fitted[n:], "test": test}.items():
        files[name] = out / f"{name}.npz"
        numpy.savez_compressed(files[name], images=images)
    # Half an image of each kind is added, so that no pixel is impossible.
    p = (fitted.sum(0) + 0.5) / (len(fitted) + 1)
    independent = -(test * numpy.log(p) + (1 - test) * numpy.log1p(-p)).sum((1, 2)).mean()
    return files, independent


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--knothe", type=Path, default=ROOT / "target" / "release" / "knothe")
    parser.add_argument("--out", type=Path, default=ROOT / "target" / "binarised")
    parser.add_argument("--models", default="pixel_cnn,row_lstm,diagonal_bilstm")
    parser.add_argument("options", nargs="*", help="options of `knothe fit`, after --")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    files, independent = binarised(args.file, args.out)
    print(f"independent pixels: {independent:.3f} nats", file=sys.stderr, flush=True)
    for name in args.models.split(","):
        model = args.out / f"{name}.safetensors"
        fit = ["fit", files["train"], "--validation", files["validation"], "--model", name, "--out", model, *args.options]
        subprocess.run([args.knothe, *map(str, fit)], check=True)
        judged = [args.knothe, "evaluate", model, files["test"], "--json"]
        found = json.loads(subprocess.run(judged, check=True, stdout=subprocess.PIPE, text=True).stdout)
        shown = json.loads(subprocess.run([args.knothe, "inspect", model, "--json"], check=True, stdout=subprocess.PIPE, text=True).stdout)
        report = shown["members"][0]["report"]
        line = {
            "model": name,
            "options": args.options,
            "nats": -found["log_likelihood"]["mean"],
            "two_standard_errors": found["log_likelihood"]["two_se"],
            "independent": independent,
            "parameters": shown["parameters"],
            "seconds": report["seconds"],
            "validation": [-epoch["validation"] for epoch in report["history"]],
        }
        with open(args.out / "results.jsonl", "a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps({key: value for key, value in line.items() if key != "validation"}), flush=True)


if __name__ == "__main__":
    main()
