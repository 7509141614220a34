#!/usr/bin/env python3
"""Tables from known generators: how far a model is from the truth.

    known.py [--knothe target/release/knothe] [--rows 20000] [mixed] [integers] [missing] [linear] [errors]

`mixed` has a column of every kind and missing values, `integers` three laws of whole numbers, `missing` a Gaussian with 30 % of its cells missing, `linear` columns that
are nearly linear in one another, and `errors` columns that were measured with errors. Models are fitted to one table and scored on another of the same size. Needs numpy and scipy. Prints Markdown.
"""

import argparse
import csv
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from scipy import stats
from scipy.special import logsumexp

ROOT = Path(__file__).resolve().parents[2]
REGIONS = ["east", "north", "port", "south", "west"]
REGION = np.array([0.35, 0.25, 0.2, 0.12, 0.08])
MEMBER = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
GRID = np.linspace(-6, 6, 1201)


class Knothe:
    """The program, in a folder of its own."""

    def __init__(self, program):
        self.program, self.folder = program, Path(tempfile.mkdtemp(prefix="known."))

    def __call__(self, *arguments):
        done = subprocess.run([self.program, *map(str, arguments)], cwd=self.folder, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(map(str, arguments))}: {done.stderr}")
        return done

    def write(self, name, columns):
        with open(self.folder / name, "w", newline="") as file:
            out = csv.writer(file)
            out.writerow(columns)
            for row in zip(*columns.values()):
                out.writerow(["" if isinstance(v, float) and np.isnan(v) else v for v in row])

    def score(self, model, table):
        return np.array([float(v) for v in self("score", model, table).stdout.split()[1:]])


def rating_law(region, member):
    """P(rating | region, member) over 1 to 5."""
    k = np.arange(5)
    logits = (0.6 * (region[:, None] - 2) + 1.2 * (member[:, None] - 0.5)) * (k - 2)
    return np.exp(logits - logsumexp(logits, axis=1, keepdims=True))


def draw(n, r):
    """A table of the mixed generator."""
    region = r.choice(5, n, p=REGION)
    member = (r.random(n) < MEMBER[region]).astype(int)
    law = rating_law(region, member)
    rating = 1 + (r.random(n)[:, None] > np.cumsum(law, axis=1)).sum(axis=1)
    hour = (24 * (r.vonmises(2 * np.pi * region / 5, 4.0) / (2 * np.pi))) % 24
    paid = r.random(n) < np.where(member == 1, 0.8, 0.4)
    amount = np.where(paid, np.exp(1 + 0.8 * rating + 0.5 * r.normal(size=n)), 0.0)
    x = 1.2 * (region - 2) + 0.5 * r.normal(size=n)
    y = np.sin(x) + 0.3 * rating + 0.3 * r.normal(size=n)
    no_x = r.random(n) < np.where(member == 1, 0.16, 0.07)
    no_rating = r.random(n) < np.where(amount > 0, 0.06, 0.15)
    return dict(region=region, member=member, rating=rating, hour=hour, amount=amount, x=x, y=y, no_x=no_x, no_rating=no_rating)


def columns(t):
    """As a file has them."""
    return {
        "region": [REGIONS[k] for k in t["region"]],
        "member": ["true" if v else "false" for v in t["member"]],
        "rating": ["" if m else int(v) for v, m in zip(t["rating"], t["no_rating"])],
        "hour": t["hour"].tolist(),
        "amount": t["amount"].tolist(),
        "x": [float("nan") if m else float(v) for v, m in zip(t["x"], t["no_x"])],
        "y": t["y"].tolist(),
    }


def truth(t):
    """log p of each row, with what is missing summed and integrated out."""
    region, member, amount = t["region"], t["member"], t["amount"]
    base = np.log(REGION[region]) + np.log(np.where(member == 1, MEMBER[region], 1 - MEMBER[region]))
    base += stats.vonmises.logpdf(2 * np.pi * t["hour"] / 24, 4.0, loc=2 * np.pi * region / 5) + np.log(2 * np.pi / 24)
    pay = np.where(member == 1, 0.8, 0.4)
    base += np.log(np.where(t["no_x"], np.where(member == 1, 0.16, 0.07), 1 - np.where(member == 1, 0.16, 0.07)))
    lose = np.where(amount > 0, 0.06, 0.15)
    base += np.log(np.where(t["no_rating"], lose, 1 - lose))
    law = rating_law(region, member)
    # Over the ratings, of which all but one are impossible where it is known.
    terms = np.full((len(region), 5), -np.inf)
    for k in range(1, 6):
        possible = t["no_rating"] | (t["rating"] == k)
        with np.errstate(divide="ignore"):
            paid = stats.norm.logpdf(np.log(np.maximum(amount, 1e-300)), 1 + 0.8 * k, 0.5) - np.log(np.maximum(amount, 1e-300)) + np.log(pay)
        found = np.log(law[:, k - 1]) + np.where(amount > 0, paid, np.log(1 - pay))
        known = stats.norm.logpdf(t["x"], 1.2 * (region - 2), 0.5) + stats.norm.logpdf(t["y"], np.sin(t["x"]) + 0.3 * k, 0.3)
        found += np.where(t["no_x"], 0, known)
        rows = np.flatnonzero(t["no_x"] & possible)
        if len(rows):
            joint = stats.norm.logpdf(GRID[None], 1.2 * (region[rows, None] - 2), 0.5)
            joint = joint + stats.norm.logpdf(t["y"][rows, None], np.sin(GRID)[None] + 0.3 * k, 0.3)
            found[rows] += logsumexp(joint, axis=1) + np.log(GRID[1] - GRID[0])
        terms[:, k - 1] = np.where(possible, found, -np.inf)
    return base + logsumexp(terms, axis=1)


def independent(t, r):
    """log of the product of the exact marginals, of which those without a formula come from a million draws."""
    big = draw(1_000_000, r)
    total = np.log(REGION)[t["region"]]
    for name in ["member", "no_x", "no_rating"]:
        p = big[name].mean()
        total = total + np.log(np.where(t[name], p, 1 - p)) if name != "no_rating" and name != "no_x" else total
    rating = np.where(t["no_rating"], 0, t["rating"])
    seen = np.bincount(np.where(big["no_rating"], 0, big["rating"]), minlength=6) / 1e6
    total = total + np.log(seen[rating])

    def density(values, sample, low, high):
        heights, edges = np.histogram(sample, bins=400, range=(low, high))
        width = edges[1] - edges[0]
        place = np.clip(((values - low) / width).astype(int), 0, 399)
        return np.log(np.maximum(heights[place], 0.5) / len(sample) / width)

    total = total + density(t["hour"], big["hour"], 0, 24)
    zero = (big["amount"] == 0).mean()
    some = big["amount"] > 0
    logs = np.log(np.maximum(t["amount"], 1e-300))
    total = total + np.where(t["amount"] == 0, np.log(zero), np.log(1 - zero) + density(logs, np.log(big["amount"][some]), -2, 8) - logs)
    no_x = big["no_x"].mean()
    total = total + np.where(t["no_x"], np.log(no_x), np.log(1 - no_x) + density(t["x"], big["x"][~big["no_x"]], -5, 6))
    return total + density(t["y"], big["y"], -3, 4)


def mixed(knothe, rows, options):
    r = np.random.default_rng(1)
    train, test = draw(rows, r), draw(rows, r)
    knothe.write("train.csv", columns(train))
    knothe.write("test.csv", columns(test))
    (knothe.folder / "schema.json").write_text(json.dumps({"hour": {"periodic": [0, 24]}}))
    fit = knothe("fit", "train.csv", "--schema", "schema.json", "--out", "mixed.safetensors", *options)
    p, q, alone = truth(test), knothe.score("mixed.safetensors", "test.csv"), independent(test, r)
    samples = list(csv.DictReader(knothe("sample", "mixed.safetensors", "-n", "20000").stdout.splitlines()))
    bad = sum(
        s["region"] not in REGIONS or s["member"] not in ("true", "false") or s["rating"] not in ("", "1", "2", "3", "4", "5")
        or not 0 <= float(s["hour"]) < 24 or float(s["amount"]) < 0 for s in samples
    )
    missing = sum((s["rating"] == "") + (s["x"] == "") for s in samples) / 2 / len(samples)
    print(f"| mixed | truth {p.mean():.4f} | model {q.mean():.4f} ({q.mean() - p.mean():+.4f} ± {2 * (q - p).std() / len(q) ** 0.5:.4f}) | independent columns {alone.mean():.4f} "
          f"({alone.mean() - q.mean():+.4f} beside the model; total correlation {p.mean() - alone.mean():.2f}) | samples outside the support {bad} of {len(samples)}; {missing:.1%} of two columns missing |")
    return fit


def integers(knothe, rows, options):
    r = np.random.default_rng(2)
    rating = np.array([0.05, 0.1, 0.15, 0.3, 0.4])
    laws = {
        "poisson": (lambda n: r.poisson(3.0, n), lambda k: stats.poisson.logpmf(k, 3.0), range(0, 60)),
        "rating": (lambda n: r.choice(5, n, p=rating) + 1, lambda k: np.log(rating[k - 1]), range(0, 6)),
        "zero_inflated": (lambda n: np.where(r.random(n) < 0.7, 0, r.negative_binomial(3, 0.2, n)),
                          lambda k: np.logaddexp(np.where(k == 0, np.log(0.7), -np.inf), np.log(0.3) + stats.nbinom.logpmf(k, 3, 0.2)), range(0, 400)),
    }
    for name, (sample, law, support) in laws.items():
        train, test = sample(rows), sample(rows)
        for table, values in [("train.csv", train), ("test.csv", test), ("all.csv", np.array(support)), ("same.csv", np.full(1000, train[0]))]:
            knothe.write(table, {"k": values.tolist()})
        knothe("fit", "train.csv", "--out", f"{name}.safetensors", *options)
        q, p = knothe.score(f"{name}.safetensors", "test.csv").mean(), law(test).mean()
        total = np.exp(knothe.score(f"{name}.safetensors", "all.csv")).sum()
        distinct = len(set(knothe.score(f"{name}.safetensors", "same.csv")))
        print(f"| {name} | truth {p:.4f} | model {q:.4f} ({q - p:+.4f}) | Σ masses {total:.7f} | scores of one row 1,000 times: {distinct} distinct |")


def missing(knothe, rows, options):
    r = np.random.default_rng(3)
    factor = r.normal(size=(6, 6)) / 2 + np.eye(6)
    covariance = factor @ factor.T
    def table():
        x = r.multivariate_normal(np.zeros(6), covariance, rows)
        return np.where(r.random(x.shape) < 0.3, np.nan, x)
    train, test = table(), table()
    for name, t in [("train.csv", train), ("test.csv", test)]:
        knothe.write(name, {f"x{j}": t[:, j].tolist() for j in range(6)})
    knothe("fit", "train.csv", "--out", "missing.safetensors", *options)
    q = knothe.score("missing.safetensors", "test.csv")
    p = np.zeros(rows)
    for i, row in enumerate(test):
        there = np.flatnonzero(~np.isnan(row))
        if len(there):
            p[i] = stats.multivariate_normal.logpdf(row[there], np.zeros(len(there)), covariance[np.ix_(there, there)])
    pattern = np.where(np.isnan(test), np.log(0.3), np.log(0.7)).sum(axis=1)
    off = imputed(knothe, test, covariance, r)
    print(f"| missing | exact marginals {p.mean():.4f} | model {q.mean() - pattern.mean():.4f} ({q.mean() - pattern.mean() - p.mean():+.4f}), less the exact log P(pattern) {pattern.mean():.4f} | "
          f"imputation means beside the exact ones, in exact conditional standard deviations: root mean square {np.sqrt((off**2).mean()):.3f}, mean size {np.abs(off).mean():.3f}, largest of {len(off)} {np.abs(off).max():.3f} |")


def imputed(knothe, test, covariance, r, rows=400, draws=500):
    """How far E[missing | observed] of the model's density of complete rows is from the exact mean, in exact standard deviations.

    Draws from the exact conditional are weighted by the model's density over theirs, and the same draws without weights stand for the exact mean."""
    complete, weights, which = [], [], []
    chosen = [row for row in test if 0 < np.isnan(row).sum() < len(row)][:rows]
    for row in chosen:
        there, lacking = np.flatnonzero(~np.isnan(row)), np.flatnonzero(np.isnan(row))
        slope = np.linalg.solve(covariance[np.ix_(there, there)], covariance[np.ix_(there, lacking)]).T
        mean, spread = slope @ row[there], covariance[np.ix_(lacking, lacking)] - slope @ covariance[np.ix_(there, lacking)]
        x = r.multivariate_normal(mean, spread, draws)
        whole = np.tile(row, (draws, 1))
        whole[:, lacking] = x
        complete.append(whole)
        weights.append(stats.multivariate_normal.logpdf(x, mean, spread).reshape(draws))
        which.append((lacking, np.sqrt(np.diag(spread))))
    everything = np.vstack(complete)
    knothe.write("complete.csv", {f"x{j}": everything[:, j].tolist() for j in range(test.shape[1])})
    q = knothe.score("missing.safetensors", "complete.csv").reshape(len(chosen), draws)
    off = []
    for whole, log_p, log_q, (lacking, deviation) in zip(complete, weights, q, which):
        w = np.exp(log_q - log_p - logsumexp(log_q - log_p))
        off.extend((w @ whole[:, lacking] - whole[:, lacking].mean(axis=0)) / deviation)
    return np.array(off)


def linear(knothe, rows, options):
    r = np.random.default_rng(4)
    x = r.normal(size=(2 * rows, 1))
    q, _ = np.linalg.qr(r.normal(size=(6, 6)))
    ill = r.normal(size=(2 * rows, 6)) * np.sqrt(np.geomspace(1, 1e-9, 6)) @ q.T
    families = ["maf_mog", "maf", "nsf", "sos", "naf", "real_nvp", "iaf", "made_mog", "mixture_cdf"]
    for name, t in [("y = x + 0.003 N", np.hstack([x, x + 0.003 * r.normal(size=x.shape)])), ("condition 1e9", ill)]:
        for table, part in [("train.csv", t[:rows]), ("test.csv", t[rows:])]:
            knothe.write(table, {f"x{j}": part[:, j].tolist() for j in range(part.shape[1])})
        found = {}
        for family in ["gaussian", *families]:
            knothe("fit", "train.csv", "--model", family, "--out", "linear.safetensors", *options)
            found[family] = knothe.score("linear.safetensors", "test.csv").mean()
        print(f"| {name} | Gaussian {found['gaussian']:.4f} | " + ", ".join(f"{f} {found[f] - found['gaussian']:+.4f}" for f in families) + " |")


def errors(knothe, rows, options):
    """Two columns measured with an error of each row: a mixture whose parts the errors blur into one, and a positive column."""
    r = np.random.default_rng(5)

    def table():
        x = np.where(r.random(rows) < 0.5, -1.2, 1.2) + 0.3 * r.normal(size=rows)
        y = np.exp(0.5 + 0.4 * np.tanh(x) + 0.3 * r.normal(size=rows))
        sigma = r.uniform(0.3, 1.2, (rows, 2))
        w = np.column_stack([x, y]) + sigma * r.normal(size=(rows, 2))
        return {"x": x, "y": y}, {"x": w[:, 0], "y": w[:, 1], "x_err": sigma[:, 0], "y_err": sigma[:, 1]}

    def log_density(x, y):
        of_x = np.logaddexp(stats.norm.logpdf(x, -1.2, 0.3), stats.norm.logpdf(x, 1.2, 0.3)) + np.log(0.5)
        return of_x + stats.norm.logpdf(np.log(y), 0.5 + 0.4 * np.tanh(x), 0.3) - np.log(y)

    def log_measured(t):
        """log of the integral of q(x, y) N(w; (x, y), errors squared), on a grid of x and log y."""
        x, v = np.meshgrid(np.linspace(-3, 3, 241), np.linspace(-1.5, 2.5, 161))
        log_q = log_density(x, np.exp(v)) + v + np.log(6 / 240 * 4 / 160)
        return np.array([
            logsumexp(log_q + stats.norm.logpdf(t["x"][i], x, t["x_err"][i]) + stats.norm.logpdf(t["y"][i], np.exp(v), t["y_err"][i]))
            for i in range(len(t["x"]))
        ])

    (_, train), (true, test) = table(), table()
    test = {name: values[:2_000] for name, values in test.items()}
    for name, t in [("train.csv", train), ("true.csv", true), ("test.csv", test)]:
        knothe.write(name, {column: values.tolist() for column, values in t.items()})
    for name, kind in [("schema.json", "positive"), ("plain.json", "continuous")]:
        (knothe.folder / name).write_text(json.dumps({"y": kind}))
    knothe("fit", "train.csv", "--errors", "x=x_err,y=y_err", "--schema", "schema.json", "--out", "errors.safetensors", *options)
    # Some measured values of the positive column are negative.
    knothe("fit", "train.csv", "--drop", "x_err,y_err", "--schema", "plain.json", "--out", "plain.safetensors", *options)
    p, q, plain = log_density(true["x"], true["y"]), knothe.score("errors.safetensors", "true.csv"), knothe.score("plain.safetensors", "true.csv")
    exact, found = log_measured(test), knothe.score("errors.safetensors", "test.csv")
    print(f"| errors | true values: truth {p.mean():.4f} | model {q.mean():.4f} ({q.mean() - p.mean():+.4f} ± {2 * (q - p).std() / rows ** 0.5:.4f}) | fitted without the errors {plain.mean():.4f} "
          f"({plain.mean() - p.mean():+.4f}) | measured values: truth {exact.mean():.4f}, model {found.mean():.4f} ({found.mean() - exact.mean():+.4f}) |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", default=["mixed", "integers", "missing", "linear", "errors"])
    parser.add_argument("--knothe", default=str(ROOT / "target" / "release" / "knothe"))
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--fit", default="", help="options for `knothe fit`")
    given = parser.parse_args()
    knothe = Knothe(given.knothe)
    for case in given.cases:
        globals()[case](knothe, given.rows, given.fit.split())


if __name__ == "__main__":
    main()
