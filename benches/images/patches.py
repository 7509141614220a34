#!/usr/bin/env python3
"""Models of colour patches of two photographs, judged on other parts of the photographs.

    patches.py FOLDER [--knothe target/release/knothe] [--out OUT] [--models pixel_cnn_pp,glow] [-- FIT OPTIONS]

FOLDER holds china.jpg and flower.jpg, each of 427 x 640 pixels (`sklearn/datasets/images` of scikit-learn). Patches of 16 x 16 pixels are cut from three parts of each photograph that do
not overlap. The left 384 columns are the training set, with a patch at every fourth row and column. The next 96 columns choose the epoch. The last 160 columns are the test set. The
patches of the last two parts do not overlap. The models are fitted one after another, and each appends a line of JSON to OUT/results.jsonl.
Each line also has the bits per dimension of the test part as a PNG
file. The script needs numpy and pillow.
"""

import argparse
import io
import sys
from pathlib import Path

import fits
import numpy
from PIL import Image

SIDE = 16
# The columns of each set, and the distance of its patches.
PARTS = {"train": (0, 384, 4), "validation": (384, 480, SIDE), "test": (480, 640, SIDE)}


def cut(photograph, step):
    """The patches of a photograph, [n, 16, 16, 3]."""
    windows = numpy.lib.stride_tricks.sliding_window_view(photograph, (SIDE, SIDE), (0, 1))
    return windows[::step, ::step].reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)


def patches(folder, out):
    """The three sets as NPZ files, and the bits per dimension of the test parts as PNG files."""
    photographs = [numpy.asarray(Image.open(folder / name)) for name in ("china.jpg", "flower.jpg")]
    files = {}
    for name, (start, end, step) in PARTS.items():
        files[name] = out / f"{name}.npz"
        images = numpy.concatenate([cut(photograph[:, start:end], step) for photograph in photographs])
        numpy.savez_compressed(files[name], images=images)
    size, numbers = 0, 0
    for photograph in photographs:
        part, bytes_ = photograph[:, slice(*PARTS["test"][:2])], io.BytesIO()
        Image.fromarray(part).save(bytes_, "PNG", optimize=True)
        size, numbers = size + len(bytes_.getvalue()), numbers + part.size
    return files, 8 * size / numbers


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    args = fits.arguments(parser, "patches", "pixel_cnn_pp,glow")
    files, png = patches(args.folder, args.out)
    print(f"PNG: {png:.3f} bits per dimension", file=sys.stderr, flush=True)
    fits.judged(args, files, {"bits_of_png": png})


if __name__ == "__main__":
    main()
