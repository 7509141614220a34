#!/usr/bin/env python3
"""Test log-likelihood of other density estimators, on the tables that docs/results.md reports.

    likelihood.py METHOD DIRECTORY [--layers 3] [--hidden 128,128] [--steps 6000 | --epochs 200 --patience 20 | --seconds 300] ...

METHOD is one of

    maf, nsf, sos, naf   zuko's flow of that name: bins 8 (nsf), degree 4 and 3 polynomials (sos), signal 16 (naf)
    flowjax_nsf          flowjax's masked autoregressive flow with rational-quadratic splines of 8 knots on [-5, 5]
    mixture              scikit-learn's GaussianMixture with full covariances, components chosen on the validation rows
    vine                 pyvinecopulib's nonparametric vine copula with kernel densities as its margins
    gaussian             a Gaussian with a full covariance

DIRECTORY holds train.npy, val.npy and test.npy, one row a record. A flow is fitted in batches of 512 by Adam with a cosine schedule to 0 and
gradients clipped at a norm of 5, and judged with the weights of the epoch that is best on the validation rows, as `knothe fit` does. With --seconds, the
learning rate follows a cosine of the elapsed time, and `mixture` tries no further number of components after that time. Prints one
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
    parser.add_argument("method", choices=["maf", "nsf", "sos", "naf", "flowjax_nsf", "mixture", "vine", "gaussian"])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--hidden", type=lambda text: tuple(map(int, text.split(","))), default=(128, 128))
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--steps", type=int, help="steps in all, in the place of --epochs")
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--seconds", type=float, help="seconds of the fit, in the place of --epochs and --steps")
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
    adam, started = torch.optim.Adam(model.parameters(), lr=args.lr), time.perf_counter()
    best, best_epoch, weights, done, skipped, epoch = -math.inf, 0, None, 0, 0, 0

    def share():
        """The part of the fit that is over."""
        return (time.perf_counter() - started) / args.seconds if args.seconds else done / steps

    while share() < 1 and not (args.patience and epoch - best_epoch >= args.patience):
        model.train()
        for rows in torch.randperm(len(train)).split(args.batch):
            if share() >= 1:
                break
            for group in adam.param_groups:
                group["lr"] = args.lr * cosine(share())
            loss = -model().log_prob(train[rows]).mean()
            adam.zero_grad()
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            if norm.isfinite():
                adam.step()
            else:
                skipped += 1
            done += 1
        epoch += 1
        score = log_prob(validation).mean()
        if score > best:
            best, best_epoch, weights = score, epoch, copy.deepcopy(model.state_dict())
    model.load_state_dict(weights)
    parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return log_prob, {"steps": done, "skipped": skipped, "best_epoch": best_epoch, "epochs": epoch, "parameters": parameters}


def cosine(share):
    """The learning rate, as a part of the first, when this part of a fit is over."""
    return 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))


def flowjax_nsf(args, train, validation):
    """The same with flowjax."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp
    import numpy as np
    import optax
    import paramax
    from flowjax import bijections, distributions, flows
    from flowjax.train.losses import MaximumLikelihoodLoss
    from flowjax.train.train_utils import step

    spline = bijections.RationalQuadraticSpline(knots=8, interval=5)
    base = distributions.Normal(jnp.zeros(train.shape[1]))
    flow = flows.masked_autoregressive_flow(
        jax.random.key(args.seed), base_dist=base, transformer=spline, flow_layers=args.layers, nn_width=args.hidden[0], nn_depth=len(args.hidden)
    )
    trained, fixed = eqx.partition(flow, eqx.is_inexact_array, is_leaf=lambda leaf: isinstance(leaf, paramax.NonTrainable))
    score = eqx.filter_jit(lambda trained, x: eqx.combine(trained, fixed).log_prob(x))

    def log_prob_of(trained):
        def log_prob(rows):
            parts = np.array_split(np.asarray(rows, np.float32), max(1, len(rows) // 4096))
            return np.concatenate([np.asarray(score(trained, part), np.float64) for part in parts])

        return log_prob

    rate = optax.inject_hyperparams(optax.adam)(learning_rate=args.lr)
    adam, loss = optax.chain(optax.clip_by_global_norm(5.0), rate), MaximumLikelihoodLoss()
    state, key, draws = adam.init(trained), jax.random.key(args.seed + 1), np.random.default_rng(args.seed)
    train, started = np.asarray(train, np.float32), time.perf_counter()
    seconds = args.seconds or 1e9
    steps = args.epochs * math.ceil(len(train) / args.batch) if not args.seconds else 10**12
    best, best_epoch, kept, done, epoch = -math.inf, 0, trained, 0, 0

    def share():
        return max((time.perf_counter() - started) / seconds, done / steps)

    while share() < 1 and not (args.patience and epoch - best_epoch >= args.patience):
        order = draws.permutation(len(train))
        # Batches of one size, so that the step is compiled once.
        for at in range(0, max(len(train) - args.batch, 0) + 1, args.batch):
            if share() >= 1:
                break
            state[1].hyperparams["learning_rate"] = jnp.asarray(args.lr * cosine(share()))
            trained, state, _ = step(trained, fixed, train[order[at : at + args.batch]], optimizer=adam, opt_state=state, loss_fn=loss, key=key)
            done += 1
        epoch += 1
        found = log_prob_of(trained)(validation).mean()
        if found > best:
            best, best_epoch, kept = found, epoch, trained
    return log_prob_of(kept), {"steps": done, "best_epoch": best_epoch, "epochs": epoch}


def mixture(args, train, validation):
    from sklearn.mixture import GaussianMixture

    best, started = None, time.perf_counter()
    for components in args.components:
        if best is not None and args.seconds and time.perf_counter() - started > args.seconds:
            break
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
    # XLA reads none of these.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
    import numpy as np

    train, validation, test = (np.load(args.directory / f"{name}.npy").astype(np.float64) for name in ("train", "val", "test"))
    fit = {"mixture": mixture, "vine": vine, "gaussian": gaussian, "flowjax_nsf": flowjax_nsf}.get(args.method, flow)
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
