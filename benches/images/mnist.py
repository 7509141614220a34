#!/usr/bin/env python3
"""Models of MNIST or Fashion-MNIST: the data, and fits judged on the test images.

    mnist.py FILE [--bytes] [--knothe target/release/knothe] [--out FOLDER] [--models pixel_cnn,row_lstm,diagonal_bilstm] [-- FIT OPTIONS]

FILE is an NPZ file with the arrays train_images, val_images and test_images, bytes of [n, 28, 28]. With --bytes the images stay as they are. Otherwise each pixel of value v is drawn once as
Bernoulli(v/255) by numpy's default_rng(0): first the training and validation images, then the test images. The models are fitted one after another, and each appends a line of
JSON to FOLDER/results.jsonl. Needs numpy.
"""

import argparse
import sys
from pathlib import Path

import fits
import numpy


def sets(file, out, as_bytes):
    """The three sets as NPZ files, and the nats of independent pixels on the test images."""
    data = numpy.load(file)
    rng = numpy.random.default_rng(0)

    def drawn(images):
        return images if as_bytes else (rng.random(images.shape) < images / 255).astype(numpy.uint8)

    fitted = drawn(numpy.concatenate([data["train_images"], data["val_images"]]))
    test = drawn(data["test_images"])
    n = len(data["train_images"])
    files = {}
    for name, images in {"train": fitted[:n], "validation": fitted[n:], "test": test}.items():
        files[name] = out / f"{name}.npz"
        numpy.savez_compressed(files[name], images=images)
    # Half a count is added to each value of each pixel, so that none is impossible.
    values = 256 if as_bytes else 2
    independent = 0.0
    for value in range(values):
        p = ((fitted == value).sum(0) + 0.5) / (len(fitted) + 0.5 * values)
        independent -= ((test == value) * numpy.log(p)).sum() / len(test)
    return files, independent


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--bytes", action="store_true", help="keep the images as they are")
    args = fits.arguments(parser, "mnist", "pixel_cnn,row_lstm,diagonal_bilstm")
    files, independent = sets(args.file, args.out, args.bytes)
    print(f"independent pixels: {independent:.3f} nats", file=sys.stderr, flush=True)
    fits.judged(args, files, {"independent": independent})


if __name__ == "__main__":
    main()
