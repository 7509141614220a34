#!/usr/bin/env python3
"""A shared library from a Stan model, which Knothe loads as a target.

    build.py MODEL.stan LIBRARY.so [--cache FOLDER]

Needs g++ and pip on 64-bit Linux. The compiler stanc, the headers of Stan, Boost and Eigen, and the library TBB come from the package httpstan of PyPI (45 MB), which is kept in the cache. A
model takes about half a minute. Only the library TBB in the cache is needed later.
"""

import argparse
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "httpstan==4.13.0"
HERE = Path(__file__).resolve().parent


def unpacked(cache):
    """The folder of the package, which is fetched first if it is not there."""
    folder = cache / PACKAGE.replace("==", "-")
    compiler = folder / "httpstan" / "stanc"
    if not compiler.exists():
        folder.mkdir(parents=True, exist_ok=True)
        options = ["--quiet", "--no-deps", "--python-version", "3.11", "--only-binary=:all:", "--dest", folder]
        subprocess.run([sys.executable, "-m", "pip", "download", *map(str, options), PACKAGE], check=True)
        with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
            wheel.extractall(folder)
        compiler.chmod(0o755)
    return folder / "httpstan"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("library", type=Path)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "knothe-stan")
    args = parser.parse_args()
    stan = unpacked(args.cache)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "model.cpp"
        subprocess.run([stan / "stanc", "--o", source, args.model], check=True)
        defines = [f'-DMODEL="{source}"', "-DSTAN_THREADS", "-D_REENTRANT", "-DTBB_INTERFACE_NEW", "-DBOOST_DISABLE_ASSERTS", "-DBOOST_PHOENIX_NO_VARIADIC_EXPRESSION"]
        options = ["-O2", "-std=c++17", "-fPIC", "-shared", "-w", *defines, f"-I{stan / 'include'}"]
        link = [f"-L{stan / 'lib'}", "-ltbb", f"-Wl,-rpath,{stan / 'lib'}"]
        subprocess.run(["g++", *options, HERE / "bridge.cpp", "-o", args.library, *link], check=True)


if __name__ == "__main__":
    main()
