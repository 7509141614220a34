#!/usr/bin/env python3
"""Compare the conditionals of any_order with known ones, and its predictions with scikit-learn's. A gap is the true log density minus the model's.

    conditionals.py mixture [--knothe PROGRAM] [-- FIT OPTIONS]                              a mixture of four Gaussians in six dimensions: 50 random conditionals, and the joints by two random orders
    conditionals.py magic [--knothe PROGRAM] [-- FIT OPTIONS]                                AUC of predict --column class on a fifth of the rows
    conditionals.py housing --data ../shared/data/california_housing [...] [-- FIT OPTIONS]  R² of predict --column log_value, beside HistGradientBoostingRegressor

Each prints a line of JSON. Needs numpy, and for the last two pandas, pyarrow and scikit-learn.
"""

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]


def knothe(program, *words):
    """Runs a command of Knothe."""
    subprocess.run([program, *map(str, words)], check=True, stdout=subprocess.DEVNULL)


def table(path, rows, names):
    """Writes a CSV file."""
    np.savetxt(path, rows, delimiter=",", header=",".join(names), comments="", fmt="%.9g")


class Mixture:
    """Four Gaussians in six dimensions with random means and covariances."""

    def __init__(self, generator, dim=6, parts=4):
        self.weights = generator.dirichlet(np.full(parts, 3.0))
        self.means = generator.normal(0, 1.5, (parts, dim))
        factors = generator.normal(0, 1, (parts, dim, dim)) / np.sqrt(dim)
        self.covariances = factors @ factors.transpose(0, 2, 1) + 0.1 * np.eye(dim)

    def sample(self, n, generator):
        of = generator.choice(len(self.weights), n, p=self.weights)
        factors = np.linalg.cholesky(self.covariances)
        return self.means[of] + np.einsum("nij,nj->ni", factors[of], generator.normal(size=(n, self.means.shape[1])))

    def log_marginal(self, x, columns):
        """log p of some columns; 0 of none."""
        columns = np.asarray(columns, int)
        logs = []
        for weight, mean, covariance in zip(self.weights, self.means, self.covariances):
            d, c = x[:, columns] - mean[columns], covariance[np.ix_(columns, columns)]
            half = np.einsum("ni,ni->n", d, np.linalg.solve(c, d.T).T) if len(columns) else 0.0
            logs.append(np.log(weight) - 0.5 * (half + np.linalg.slogdet(2 * np.pi * c)[1] if len(columns) else 0.0) + np.zeros(len(x)))
        return np.logaddexp.reduce(logs, axis=0)


def mixture(args, folder):
    """The gaps of 50 random conditionals, and of the joints by two random orders."""
    generator = np.random.default_rng(0)
    law = Mixture(generator)
    train, test = law.sample(100_000, generator), law.sample(5_000, generator)
    names = [f"x{j}" for j in range(6)]
    table(folder / "train.csv", train, names)
    table(folder / "test.csv", test, names)
    model, started = folder / "model.safetensors", time.monotonic()
    knothe(args.knothe, "fit", folder / "train.csv", "--model", "any_order", "--out", model, *args.options)
    seconds = time.monotonic() - started

    def score(asked, known):
        out = folder / "score.npy"
        options = ["--known", ",".join(names[j] for j in known)] if len(known) else []
        knothe(args.knothe, "score", model, folder / "test.csv", "--asked", ",".join(names[j] for j in asked), *options, "--out", out)
        return np.load(out).ravel()

    gaps, sizes = [], []
    for _ in range(50):
        order = generator.permutation(6)
        known = np.sort(order[: generator.integers(0, 6)])
        rest = np.setdiff1d(np.arange(6), known)
        asked = np.sort(generator.permutation(rest)[: generator.integers(1, len(rest) + 1)])
        truth = law.log_marginal(test, np.concatenate([known, asked])) - law.log_marginal(test, known)
        gaps.append(truth - score(asked, known))
        sizes.append(len(asked))
    joints = []
    for _ in range(2):
        order = generator.permutation(6)
        joints.append(sum(score(order[k : k + 1], np.sort(order[:k])) for k in range(6)))
    gaps = np.array(gaps)
    return {
        "seconds": round(seconds),
        "mean_gap": gaps.mean(),
        "mean_absolute_difference": np.abs(gaps).mean(),
        "largest_mean_gap": gaps.mean(1).max(),
        "columns_asked_for": float(np.mean(sizes)),
        "two_orders": joints[0].mean() - joints[1].mean(),
        "joint_gap": (law.log_marginal(test, range(6)) - joints[0]).mean(),
    }


def magic(args, folder):
    """The AUC of the class on a fifth of the rows."""
    import pandas
    from sklearn.metrics import roc_auc_score

    rows = pandas.read_parquet(ROOT / "data" / "magic.parquet")
    rows = rows.sample(frac=1.0, random_state=0)
    cut = len(rows) // 5
    rows[cut:].to_parquet(folder / "train.parquet")
    rows[:cut].to_parquet(folder / "test.parquet")
    model, out, started = folder / "model.safetensors", folder / "class.csv", time.monotonic()
    knothe(args.knothe, "fit", folder / "train.parquet", "--model", "any_order", "--out", model, *args.options)
    seconds = time.monotonic() - started
    knothe(args.knothe, "predict", model, folder / "test.parquet", "--column", "class", "--out", out)
    return {"seconds": round(seconds), "rows": cut, "auc": roc_auc_score(rows["class"][:cut], pandas.read_csv(out)["class mean"])}


def housing(args, folder):
    """R² of the value, beside gradient boosting."""
    import pandas
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.metrics import r2_score

    names = (args.data / "columns.txt").read_text().split()
    train, val, test = (np.load(args.data / f"{part}.npy") for part in ("train", "val", "test"))
    for part, rows in {"train": train, "val": val, "test": test}.items():
        table(folder / f"{part}.csv", rows, names)
    value = names.index(args.column)
    model, out, started = folder / "model.safetensors", folder / "value.csv", time.monotonic()
    knothe(args.knothe, "fit", folder / "train.csv", "--validation", folder / "val.csv", "--model", "any_order", "--out", model, *args.options)
    seconds = time.monotonic() - started
    knothe(args.knothe, "predict", model, folder / "test.csv", "--column", args.column, "--out", out)
    predicted = pandas.read_csv(out)
    trained = np.concatenate([train, val])
    other = HistGradientBoostingRegressor(random_state=0).fit(np.delete(trained, value, 1), trained[:, value])
    return {
        "seconds": round(seconds),
        "r2": r2_score(test[:, value], predicted[f"{args.column} mean"]),
        "r2_boosting": r2_score(test[:, value], other.predict(np.delete(test, value, 1))),
        "covered_90": float(np.mean((predicted[f"{args.column} 0.05"] < test[:, value]) & (test[:, value] < predicted[f"{args.column} 0.95"]))),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["mixture", "magic", "housing"])
    parser.add_argument("--knothe", type=Path, default=ROOT / "target" / "release" / "knothe")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--column", default="log_value", help="the column of housing that is predicted")
    parser.add_argument("options", nargs="*", help="options of knothe fit, after --")
    args = parser.parse_intermixed_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps({"what": args.what, **{"mixture": mixture, "magic": magic, "housing": housing}[args.what](args, Path(folder))}))


if __name__ == "__main__":
    main()
