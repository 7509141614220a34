#!/usr/bin/env python3
"""A classifier of images, and what it says of a model's samples of known classes.

    classifier.py TRAIN.npz TEST.npz SAMPLES.npz [--epochs 4] [--seed 0] [--threads 2]

Each file has `images` of [n, height, width] bytes and `labels`, as `knothe sample MODEL -n 1000 --out SAMPLES.npz` writes them. Two convolutions and two dense
layers in PyTorch (requirements.txt). Prints one line of JSON: the accuracy on the test images, and the share of the samples that get their own class, in
all and by class.
"""

import argparse
import json

import numpy as np
import torch
from torch import nn


def read(path):
    file = np.load(path)
    images = torch.from_numpy(file["images"].astype("float32") / 255.0)[:, None]
    return images, torch.from_numpy(file["labels"].astype("int64"))


def network(side, classes):
    half = side // 4
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(64 * half * half, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, classes)),
    )


def predictions(model, images):
    model.eval()
    with torch.no_grad():
        return torch.cat([model(part).argmax(1) for part in images.split(1000)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs=3, metavar="FILE")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    (images, labels), (test, of_test), (samples, classes) = map(read, args.files)
    model = network(images.shape[-1], int(labels.max()) + 1)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(args.epochs):
        model.train()
        for rows in torch.randperm(len(images)).split(128):
            adam.zero_grad(set_to_none=True)
            nn.functional.cross_entropy(model(images[rows]), labels[rows]).backward()
            adam.step()
    right = predictions(model, samples) == classes
    found = {
        "accuracy": (predictions(model, test) == of_test).float().mean().item(),
        "samples": right.float().mean().item(),
        "by_class": {int(k): right[classes == k].float().mean().item() for k in classes.unique()},
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
