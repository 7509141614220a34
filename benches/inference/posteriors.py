#!/usr/bin/env python3
"""Nine posteriors of posteriordb by `knothe posterior`, beside their reference draws.

    posteriors.py FOLDER [--knothe target/release/knothe] [--examples target/release/examples] [--only NAME] [--rows 10000] [--json FILE] [-- OPTIONS]

FOLDER has the data (NAME.json) and the reference draws (NAME-MODEL.npy, with NAME-MODEL.names.txt) of posteriordb. Six targets are compiled from the Stan models beside this script, and
three posteriors have targets written in Rust, the examples of crates/knothe-target. OPTIONS go to `knothe posterior`. Prints Markdown: for each posterior the largest error of a mean in
posterior standard deviations, the largest relative error of a standard deviation, and the report. Needs numpy, and g++ for the Stan models.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy

ROOT = Path(__file__).resolve().parents[2]
MODELS = Path(__file__).resolve().parent / "models"
# Data, reference draws, and a Stan model or a library of Rust, with data to add.
POSTERIORS = {
    "autoregression": ("arK", "arK-arK", "autoregression.stan", {}),
    "arma": ("arma", "arma-arma11", "arma.stan", {}),
    "eight schools": ("eight_schools", "eight_schools-eight_schools_noncentered", "libeight_schools.so", {}),
    "eight schools, centred": ("eight_schools", "eight_schools-eight_schools_noncentered", "libeight_schools.so", {"centred": True}),
    "garch": ("garch", "garch-garch11", "garch.stan", {}),
    "gaussian process": ("gp_pois_regr", "gp_pois_regr-gp_regr", "gaussian_process.stan", {}),
    "lotka-volterra": ("hudson_lynx_hare", "hudson_lynx_hare-lotka_volterra", "lotka_volterra.stan", {}),
    "kidscore": ("kidiq", "kidiq-kidscore_interaction", "libregression.so", {}),
    "normal mixture": ("low_dim_gauss_mix", "low_dim_gauss_mix-low_dim_gauss_mix", "normal_mixture.stan", {}),
    "mesquite": ("mesquite", "mesquite-logmesquite", "libregression.so", {}),
}


def library(target, examples):
    """The library of a target. One of a Stan model is built when it is missing or older than its source."""
    if not target.endswith(".stan"):
        return examples / target
    source = MODELS / target
    built = ROOT / "target" / "posteriors" / source.with_suffix(".so").name
    if not built.exists() or built.stat().st_mtime < source.stat().st_mtime:
        built.parent.mkdir(parents=True, exist_ok=True)
        print(f"compiling {target}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, ROOT / "crates" / "knothe-target" / "stan" / "build.py", source, built], check=True)
    return built


def compared(name, args, folder):
    """The report of a posterior, with its errors beside the reference draws."""
    data, reference, target, more = POSTERIORS[name]
    text = json.loads((args.folder / f"{data}.json").read_text()) | more
    (folder / "data.json").write_text(json.dumps(text))
    command = [args.knothe, "posterior", library(target, args.examples), "--data", "data.json", "-n", str(args.rows), "--out", "draws.npy", "--json", *args.options]
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr}")
    report = json.loads(done.stdout)
    draws = numpy.load(folder / "draws.npy")
    names = [parameter["name"] for parameter in report["parameters"]]
    wanted = (args.folder / f"{reference}.names.txt").read_text().split()
    own = draws[:, [names.index(w.replace("[", ".").replace("]", "")) for w in wanted]]
    truth = numpy.load(args.folder / f"{reference}.npy").reshape(-1, len(wanted))
    deviation = truth.std(0)
    report["name"] = name
    report["error_of_means"] = float(numpy.abs((own.mean(0) - truth.mean(0)) / deviation).max())
    report["error_of_deviations"] = float(numpy.abs(own.std(0) / deviation - 1).max())
    return report


def number(report, key):
    """A number of a report. Infinite ones are texts, and null in reports of older versions."""
    return float("inf") if report[key] is None else float(report[key])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--knothe", type=Path, default=ROOT / "target" / "release" / "knothe")
    parser.add_argument("--examples", type=Path, default=ROOT / "target" / "release" / "examples")
    parser.add_argument("--only", action="append", choices=list(POSTERIORS))
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--json", type=Path, help="file for the reports")
    parser.add_argument("options", nargs="*", help="options of knothe posterior, after --")
    args = parser.parse_intermixed_args()
    for name in ["folder", "knothe", "examples"]:
        setattr(args, name, getattr(args, name).resolve())
    chosen = args.only or list(POSTERIORS)
    for name in chosen:
        library(POSTERIORS[name][2], args.examples)
    print("| posterior | target | parameters | error of means | error of standard deviations | draws by | k̂ | log Z | variance diagnostic | gradients | seconds |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    reports = []
    for name in chosen:
        with tempfile.TemporaryDirectory() as folder:
            found = compared(name, args, Path(folder))
        reports.append(found)
        source = "Stan" if POSTERIORS[name][2].endswith(".stan") else "Rust"
        evidence = f"{number(found, 'log_evidence'):.3f} ± {number(found, 'log_evidence_two_se'):.3f}"
        errors = f"{found['error_of_means']:.3f} | {100 * found['error_of_deviations']:.1f} %"
        # Fresh draws judge the map better than those that chose it. An adaptive proposal has other draws.
        variance = number(found, "variance" if found["finish"] == "adaptive" else "proposal_variance")
        numbers = f"{number(found, 'k_hat'):.2f} | {evidence} | {variance:.2e} | {found['gradient_evaluations']:,} | {found['seconds']:.1f}"
        print(f"| {name} | {source} | {len(found['unconstrained'])} | {errors} | {found['finish']} | {numbers} |", flush=True)
        if args.json:
            args.json.write_text(json.dumps(reports, indent=1))


if __name__ == "__main__":
    main()
