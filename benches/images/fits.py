"""Fits of image models, each judged on test images."""

import json
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def arguments(parser, out, models):
    """The arguments that all scripts share."""
    parser.add_argument("--knothe", type=Path, default=ROOT / "target" / "release" / "knothe")
    parser.add_argument("--out", type=Path, default=ROOT / "target" / out)
    parser.add_argument("--models", default=models)
    parser.add_argument("options", nargs="*", help="options of knothe fit, after --")
    args = parser.parse_intermixed_args()
    args.out.mkdir(parents=True, exist_ok=True)
    return args


def judged(args, files, more):
    """Fits the models one after another. Each appends a line of JSON with `more` to OUT/results.jsonl."""
    for name in args.models.split(","):
        model = args.out / f"{name}.safetensors"
        fit = ["fit", files["train"], "--validation", files["validation"], "--model", name, "--out", model, *args.options]
        started = time.monotonic()
        subprocess.run([args.knothe, *map(str, fit)], check=True)
        seconds = time.monotonic() - started

        def document(*words):
            done = subprocess.run([args.knothe, *map(str, words), "--json"], check=True, stdout=subprocess.PIPE, text=True)
            return json.loads(done.stdout)

        found, shown = document("evaluate", model, files["test"]), document("inspect", model)
        report = shown["members"][0]["report"]
        line = {
            "model": name,
            "options": args.options,
            "nats": -found["log_likelihood"]["mean"],
            "two_standard_errors": found["log_likelihood"]["two_se"],
            "bits_per_dim": found["bits_per_dim"]["mean"],
            **more,
            "parameters": shown["parameters"],
            "seconds": round(seconds),
            "validation": [-float(epoch["validation"]) for epoch in report["history"]],
        }
        with open(args.out / "results.jsonl", "a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps({key: value for key, value in line.items() if key != "validation"}), flush=True)
