#!/usr/bin/env python3
"""Maps fitted to unnormalised targets by reverse Kullback–Leibler divergence: Knothe beside zuko and TransportMaps.

    reverse_kl.py FOLDER [--knothe target/release/knothe] [--examples target/release/examples] [--only NAME] [--seed N]

FOLDER has the data of posteriordb. The targets are the examples of crates/knothe-target, and the same formulas in PyTorch for the two others; their values are compared first. Each library gets
as many evaluations of the gradient as Knothe used. zuko fits a spline flow whose direction of one pass draws, by Adam on fresh draws, with three learning rates, and the best is shown with its own
time. TransportMaps fits integrated-squared polynomials of total degree 1, 2, ... one after another by BFGS, from where the last one ended, on the draws of a Sobol sequence. Both start from
Laplace's approximation, as Knothe does, and it is not counted. Prints Markdown: the variance diagnostic ½ Var[log π̃ − log q] on fresh draws, and seconds on two threads.

Needs numpy, scipy, torch, zuko and TransportMaps.
"""

import argparse
import ctypes
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy
import torch
import zuko
from scipy import optimize, stats

ROOT = Path(__file__).resolve().parents[2]
HALF_LOG_TAU = 0.5 * math.log(2 * math.pi)
FRESH = 20_000
# Seconds after which TransportMaps gets no higher degree.
LONGEST = 300
BATCH = 64


def bod(_):
    t = torch.arange(1, 6, dtype=torch.float64)
    measured = torch.tensor([0.18, 0.32, 0.42, 0.49, 0.54], dtype=torch.float64)

    def log_density(x):
        a, b = 0.4 + 0.8 * torch.special.ndtr(x[:, :1]), 0.01 + 0.3 * torch.special.ndtr(x[:, 1:])
        residual = measured - a * (1 - torch.exp(-b * t))
        prior = -0.5 * (x * x).sum(1) - 2 * HALF_LOG_TAU
        return prior - (0.5 * residual**2 / 1e-3 + HALF_LOG_TAU + 0.5 * math.log(1e-3)).sum(1)

    return 2, log_density


def eight_schools(data):
    y, sigma = (torch.tensor(data[name], dtype=torch.float64) for name in ["y", "sigma"])
    n = len(y)

    def log_density(x):
        own, mu, log_tau = x[:, :n], x[:, n], x[:, n + 1]
        tau = log_tau.exp()
        priors = -0.5 * (mu / 5) ** 2 - HALF_LOG_TAU - math.log(5) - torch.log1p((tau / 5) ** 2) - math.log(5 * math.pi) + log_tau
        residual = (y - (mu[:, None] + tau[:, None] * own)) / sigma
        return priors - (0.5 * residual**2 + HALF_LOG_TAU + sigma.log() + 0.5 * own**2 + HALF_LOG_TAU).sum(1)

    return n + 2, log_density


def regression(data):
    column = {name: torch.tensor(values, dtype=torch.float64) for name, values in data.items() if isinstance(values, list)}
    if "kid_score" in data:
        y, school, iq = column["kid_score"], column["mom_hs"], column["mom_iq"]
        columns = [torch.ones_like(y), school, iq, school * iq]
    else:
        y = column["weight"].log()
        names = ["diam1", "diam2", "canopy_height", "total_height", "density"]
        columns = [torch.ones_like(y), *(column[name].log() for name in names), column["group"]]
    design = torch.stack(columns)

    def log_density(x):
        beta, log_sigma = x[:, :-1], x[:, -1:]
        residual = (y - beta @ design) / log_sigma.exp()
        log = -(0.5 * residual**2 + log_sigma + HALF_LOG_TAU).sum(1) + log_sigma[:, 0]
        if "kid_score" in data:
            log = log - torch.log1p((log_sigma[:, 0].exp() / 2.5) ** 2) - math.log(2.5 * math.pi)
        return log

    return len(columns) + 1, log_density


TARGETS = {
    "BOD": ("libbod.so", None, bod),
    "eight schools": ("libeight_schools.so", "eight_schools.json", eight_schools),
    "kidscore": ("libregression.so", "kidiq.json", regression),
    "mesquite": ("libregression.so", "mesquite.json", regression),
}


def of_library(path, text, x):
    """The log density of rows by a library with the C interface of BridgeStan."""
    library, message = ctypes.CDLL(str(path)), ctypes.c_char_p()
    library.bs_model_construct.restype = ctypes.c_void_p
    model = ctypes.c_void_p(library.bs_model_construct(text.encode(), 0, ctypes.byref(message)))
    value, gradient = ctypes.c_double(), (ctypes.c_double * x.shape[1])()
    found = []
    for row in x:
        point = (ctypes.c_double * len(row))(*row)
        if library.bs_log_density_gradient(model, True, True, point, ctypes.byref(value), gradient, ctypes.byref(message)):
            raise SystemExit(f"{path}: {message.value}")
        found.append(value.value)
    return numpy.array(found)


def value_and_gradient(log_density, x):
    x = torch.tensor(x, requires_grad=True)
    value = log_density(x)
    return value.detach().numpy(), torch.autograd.grad(value.sum(), x)[0].numpy()


def whitened(dim, log_density):
    """The target in the coordinates in which Laplace's approximation is standard normal."""

    def loss(x):
        value, gradient = value_and_gradient(log_density, x[None])
        return -value[0], -gradient[0]

    mode = torch.tensor(optimize.minimize(loss, numpy.zeros(dim), jac=True, method="L-BFGS-B", options={"maxiter": 10_000, "ftol": 1e-14}).x)
    precision = -torch.autograd.functional.hessian(lambda x: log_density(x[None])[0], mode)
    values, vectors = torch.linalg.eigh(precision)
    # A direction without curvature keeps its own scale.
    scale = vectors * torch.where(values > 1e-3, values, torch.ones_like(values)).rsqrt()
    factor = torch.linalg.qr(scale.T)[1].T
    log_factor = factor.diagonal().abs().log().sum()
    return lambda z: log_density(mode + z @ factor.T) + log_factor


def half_variance(log_ratios):
    return 0.5 * float(numpy.var(log_ratios, ddof=1)) if numpy.isfinite(log_ratios).all() else math.inf


def of_zuko(dim, log_density, gradients, seed):
    """Diagnostic, seconds, and a description, of the best of three learning rates."""
    results = []
    for rate in [1e-3, 3e-3, 1e-2]:
        torch.manual_seed(seed)
        flow = zuko.flows.NSF(dim, transforms=3, hidden_features=(64, 64)).double()
        # The inverse, so that draws take one pass.
        flow = zuko.lazy.Flow(flow.transform.inv, flow.base)
        steps = gradients // BATCH
        adam = torch.optim.Adam(flow.parameters(), rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
        started = time.monotonic()
        for _ in range(steps):
            x, log_q = flow().rsample_and_log_prob((BATCH,))
            loss = (log_q - log_density(x)).mean()
            if not torch.isfinite(loss):
                break
            adam.zero_grad()
            loss.backward()
            adam.step()
            schedule.step()
        seconds = time.monotonic() - started
        with torch.no_grad():
            x, log_q = flow().rsample_and_log_prob((FRESH,))
            results.append((half_variance((log_density(x) - log_q).numpy()), seconds, f"NSF, Adam {rate:g}, {steps} steps of {BATCH}"))
    return min(results)


def of_transport_maps(dim, log_density, gradients, seed, draws):
    """Diagnostic, seconds, and a description, of the best of total degrees 1, 2, ... within the number of gradients."""
    from TransportMaps import Distributions, KL, Maps
    from TransportMaps.TransportMapDistributions import PullBackParametricTransportMapDistribution

    class Spent(Exception):
        pass

    class Target(Distributions.Distribution):
        used = 0

        def log_pdf(self, x, *args, **kwargs):
            return self.tuple_grad_x_log_pdf(x)[0]

        def grad_x_log_pdf(self, x, *args, **kwargs):
            return self.tuple_grad_x_log_pdf(x)[1]

        def tuple_grad_x_log_pdf(self, x, *args, **kwargs):
            if self.used + len(x) > gradients:
                raise Spent
            self.used += len(x)
            return value_and_gradient(log_density, x)

    target, source = Target(dim), Distributions.StandardNormalDistribution(dim)
    x = stats.norm.ppf(stats.qmc.Sobol(dim, seed=seed).random(draws))
    w = numpy.full(draws, 1 / draws)
    z = numpy.random.default_rng(seed).standard_normal((FRESH, dim))
    best, seconds, before = (math.inf, 0.0, "none ended"), 0.0, None
    for degree in range(1, 8):
        # Sums of squares are linear at the start.
        map_ = Maps.assemble_IsotropicIntegratedSquaredTriangularTransportMap(dim, degree, "total")
        if before is None:
            map_.coeffs = identity(map_)
        else:
            warm(before, map_)
        started, spent = time.monotonic(), False
        try:
            KL.minimize_kl_divergence(
                source, PullBackParametricTransportMapDistribution(map_, target), x=x, w=w, x0=map_.coeffs, tol=1e-4, maxit=500, ders=1, fungrad=True
            )
        except Spent:
            # The map has the coefficients that were tried last.
            spent = True
        seconds += time.monotonic() - started
        log_ratios = log_density(torch.tensor(map_.evaluate(z))).numpy() + map_.log_det_grad_x(z) - source.log_pdf(z)
        best = min(best, (half_variance(log_ratios), seconds, f"total degree {degree}, {target.used:,} gradients"))
        if spent or seconds > LONGEST:
            break
        before = map_
    return best


def identity(map_):
    """The coefficients of the identity: x_k = ∫ 1² dx_k."""
    coefficients = []
    for part in map_.approx_list:
        coefficients += [0.0] * part.c.n_coeffs
        coefficients += [1.0 if not any(index) else 0.0 for index in part.h.multi_idxs]
    return numpy.array(coefficients)


def warm(before, after):
    """Starts a map at a map of fewer terms."""
    for old, new in zip(before.approx_list, after.approx_list):
        for f, g in [(old.c, new.c), (old.h, new.h)]:
            known = {tuple(index): value for index, value in zip(f.multi_idxs, f.coeffs)}
            g.coeffs = numpy.array([known.get(tuple(index), 0.0) for index in g.multi_idxs])


def of_knothe(args, library, data):
    """Diagnostic, seconds, and gradients of the whole command."""
    with tempfile.TemporaryDirectory() as folder:
        command = [args.knothe, "posterior", library, "--finish", "importance", "-n", FRESH // 5, "--seed", args.seed, "--json", "--out", f"{folder}/draws.npy"]
        command += ["--data", data] if data else []
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--knothe", type=Path, default=ROOT / "target" / "release" / "knothe")
    parser.add_argument("--examples", type=Path, default=ROOT / "target" / "release" / "examples")
    parser.add_argument("--only", action="append", choices=list(TARGETS))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(2)
    print("| target | parameters | library | map and optimiser | gradients | variance diagnostic | seconds |\n|---|---|---|---|---|---|---|")
    for name in args.only or TARGETS:
        library, file, formula = TARGETS[name]
        library, data = args.examples / library, args.folder / file if file else None
        text = data.read_text() if data else ""
        dim, log_density = formula(json.loads(text) if text else None)
        x = numpy.random.default_rng(0).standard_normal((10, dim))
        # The normal distribution function of the Rust library has an error of 1e-11, which the small variance of BOD multiplies.
        same = numpy.allclose(of_library(library.resolve(), text, x), log_density(torch.tensor(x)).numpy(), rtol=1e-7, atol=1e-7)
        if not same:
            raise SystemExit(f"{name}: the two forms of the target differ")
        report = of_knothe(args, library, data)
        gradients = report["gradient_evaluations"]

        def row(of, description, used, diagnostic, seconds):
            print(f"| {name} | {dim} | {of} | {description} | {used:,} | {diagnostic:.2e} | {seconds:.1f} |", flush=True)

        last = report["steps"][-1]
        row("Knothe", f"{last['maps']} maps, degree {last['degree']}, L-BFGS", gradients, float(report["proposal_variance"]), report["seconds"])
        standard = whitened(dim, log_density)
        diagnostic, seconds, description = of_zuko(dim, standard, gradients, args.seed)
        row("zuko " + zuko.__version__, description, gradients, diagnostic, seconds)
        diagnostic, seconds, description = of_transport_maps(dim, standard, gradients, args.seed, 512)
        row("TransportMaps", description, gradients, diagnostic, seconds)


if __name__ == "__main__":
    sys.exit(main())
