#!/usr/bin/env python3
"""Test log-likelihood of other density estimators, on the tables that docs/results.md reports.

    likelihood.py METHOD DIRECTORY [--layers 3] [--hidden 128,128] [--steps 6000 | --epochs 200 --patience 20] ...

METHOD is one of

    maf, nsf, sos, naf   zuko's flow of that name: bins 8 (nsf), degree 4 and 3 polynomials (sos), signal 16 (naf)
    mixture              scikit-learn's GaussianMixture with full covariances, components chosen on the validation rows
    vine                 pyvinecopulib's nonparametric vine copula with kernel densities as its margins
    gaussian             a Gaussian with a full covariance

DIRECTORY holds train.npy, val.npy and test.npy, one row a record. A flow is fitted in batches of 512 by Adam with a cosine schedule to 0 and
gradients clipped at a norm of 5, and judged with the weights of the epoch that is best on the validation rows, as `knothe fit` does. Prints one
line of JSON: the mean log-likelihood of the test rows in nats, two standard errors of it, the same for the validation rows, the number of
parameters, and the seconds of wall-clock and of CPU that the fit took.
"""

import argparse
import copy
import json
import math
import os
import sys
import time
from pathlib import Path


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("method", choices=["maf", "nsf", "sos", "naf", "mixture", "vine", "gaussian"])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--hidden", type=lambda text: tuple(map(int, text.split(","))), default=(128, 128))
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--steps", type=int, help="steps in all, in the place of --epochs")
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--patience", type=int, default=0, help="epochs with no better validation until a stop; 0: none")
    parser.add_argument("--components", type=lambda text: list(map(int, text.split(","))), default=[10, 20, 40, 80, 160])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def flow(args, train, validation):
    """A zuko flow: its log-likelihoods as a function of rows, and what to say of the fit."""
    import torch
    from zuko import flows

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    build = {
        "maf": flows.MAF,
        "nsf": lambda **size: flows.NSF(bins=8, **size),
        "sos": lambda **size: flows.SOSPF(degree=4, polynomials=3, **size),
        "naf": lambda **size: flows.NAF(signal=16, **size),
    }[args.method]
    model = build(features=train.shape[1], transforms=args.layers, hidden_features=args.hidden)
    train = torch.as_tensor(train, dtype=torch.float32)

    def log_prob(rows):
        model.eval()
        with torch.no_grad():
            rows = torch.as_tensor(rows, dtype=torch.float32)
            return torch.cat([model().log_prob(part) for part in rows.split(4096)]).double().numpy()

    in_epoch = math.ceil(len(train) / args.batch)
    steps = args.steps or args.epochs * in_epoch
    adam = torch.optim.Adam(model.parameters(), lr=args.lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    best, best_epoch, weights, done, skipped, epoch = -math.inf, 0, None, 0, 0, 0
    while done < steps and not (args.patience and epoch - best_epoch >= args.patience):
        model.train()
        for rows in torch.randperm(len(train)).split(args.batch)[: steps - done]:
            loss = -model().log_prob(train[rows]).mean()
            adam.zero_grad()
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            if norm.isfinite():
                adam.step()
            else:
                skipped += 1
            schedule.step()
            done += 1
        epoch += 1
        score = log_prob(validation).mean()
        if score > best:
            best, best_epoch, weights = score, epoch, copy.deepcopy(model.state_dict())
    model.load_state_dict(weights)
    parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return log_prob, {"steps": done, "skipped": skipped, "best_epoch": best_epoch, "epochs": epoch, "parameters": parameters}


def mixture(args, train, validation):
    from sklearn.mixture import GaussianMixture

    best = None
    for components in args.components:
        fitted = GaussianMixture(components, reg_covar=1e-5, max_iter=300, random_state=args.seed).fit(train)
        if best is None or fitted.score(validation) > best.score(validation):
            best = fitted
    return best.score_samples, {"components": best.n_components, "tried": args.components}


def vine(args, train, validation):
    """The copula density of the ranks times the kernel density estimates of the columns."""
    import numpy as np
    import pyvinecopulib as pv

    margins = [pv.Kde1d() for _ in train.T]
    for margin, column in zip(margins, train.T):
        margin.fit(column)

    def ranks(rows):
        uniform = np.column_stack([margin.cdf(column) for margin, column in zip(margins, rows.T)])
        return np.clip(uniform, 1e-10, 1 - 1e-10)

    controls = pv.FitControlsVinecop(family_set=pv.families.nonparametric, num_threads=args.threads)
    copula = pv.Vinecop.from_data(ranks(train), controls=controls)

    def log_prob(rows):
        density = np.column_stack([margin.pdf(column) for margin, column in zip(margins, rows.T)])
        with np.errstate(divide="ignore"):
            return np.log(copula.pdf(ranks(rows))) + np.log(density).sum(1)

    return log_prob, {}


def gaussian(args, train, validation):
    from scipy.stats import multivariate_normal

    return multivariate_normal(train.mean(0), np_cov(train)).logpdf, {}


def np_cov(rows):
    import numpy as np

    return np.cov(rows, rowvar=False)


def main():
    args = arguments()
    for library in ("OMP", "MKL", "OPENBLAS"):  # before any of them is loaded
        os.environ[f"{library}_NUM_THREADS"] = str(args.threads)
    import numpy as np

    train, validation, test = (np.load(args.directory / f"{name}.npy").astype(np.float64) for name in ("train", "val", "test"))
    fit = {"mixture": mixture, "vine": vine, "gaussian": gaussian}.get(args.method, flow)
    wall, cpu = time.perf_counter(), time.process_time()
    log_prob, said = fit(args, train, validation)
    said.update(seconds=round(time.perf_counter() - wall, 1), cpu_seconds=round(time.process_time() - cpu, 1))
    for name, rows in ("validation", validation), ("test", test):
        values = log_prob(rows)
        said[name] = round(float(values.mean()), 4)
    said["two_se"] = round(2 * float(values.std() / math.sqrt(len(values))), 4)
    print(json.dumps({"method": args.method, "table": args.directory.name, "seed": args.seed, **said}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
