"""Runs the tests that must pass on a GPU: this machine's device compared with MLX's CPU and mlx-lm.

    python examples/llama_lora/bench/right.py --device gpu

Builds the tests and runs each file of them as a process of its own, with a time limit and one test at a time. A line for
each file, the first lines of each failure; the exit code is 1 if anything failed. `MLX_ENABLE_TF32=0` is set for all. The
tests of SmolLM2 fetch it once, 98 MB.

A machine without Rust runs what another one built:

    python examples/llama_lora/bench/right.py --collect ../right        # here: binaries, dumps and this script
    python right/examples/llama_lora/bench/right.py --binaries right --smol FOLDER --device gpu      # there

With MLX's CUDA build first in LD_LIBRARY_PATH there. FOLDER holds SmolLM2-135M-Instruct.Q4_1.gguf.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
SMOL = "SmolLM2-135M-Instruct.Q4_1.gguf"
# Folder of the package, its name, the file of tests. The slowest come first, so that none of them is started last: on a GPU
# most of their time is the compilation of kernels.
SUITES = [
    ("mlx-runtime", "mlx-runtime", "parity"),
    ("examples/models", "mlx-models", "quantised"),
    ("examples/models", "mlx-models", "language"),
    ("examples/llama_lora", "llama_lora", "parity"),
    ("tests", "mlx-tests", "fusion_passes"),
    ("examples/models", "mlx-models", "native_kernels"),
    ("tests", "mlx-tests", "kernels"),
    ("tests", "mlx-tests", "every_kernel"),
    ("tests", "mlx-tests", "metal-text"),
    ("tests", "mlx-tests", "training"),
    ("mlx-runtime", "mlx-runtime", "threads"),
    ("mlx-runtime", "mlx-runtime", "operators"),
    ("tests", "mlx-tests", "parity_optim"),
    ("mlx-runtime", "mlx-runtime", "leaks"),
    ("tests", "mlx-tests", "optimizer_groups"),
    ("mlx-runtime", "mlx-runtime", "device_lost"),
    ("mlx-runtime", "mlx-runtime", "runtime"),
    ("mlx-runtime", "mlx-runtime", "monitor"),
    ("mlx-runtime", "mlx-runtime", "errors"),
    ("mlx-runtime", "mlx-runtime", "panics"),
]
# Files that tests read while they run.
DATA = ["tests/parity/data", "tests/parity/optim.safetensors", "examples/models/tests/data", "mlx-runtime/tests/data"]
# Without TF32, which has 10 bits of precision; a twentieth of the rounds, since a GPU takes longer for small things.
ENV = {"MLX_ENABLE_TF32": "0", "LEAKS_DIVISOR": "20"}


def name(suite):
    return f"{suite[1]}:{suite[2]}"


def build(suites):
    """The paths of the test binaries, as cargo tells them."""
    command = ["cargo", "test", "--release", "--no-run", "--message-format=json-render-diagnostics"]
    for flag, values in (("-p", {s[1] for s in suites}), ("--test", {s[2] for s in suites})):
        for value in sorted(values):
            command += [flag, value]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"cargo ended with exit code {done.returncode}")
    found = {}
    for text in done.stdout.splitlines():
        message = json.loads(text)
        if message.get("reason") == "compiler-artifact" and message.get("executable") and message["profile"]["test"]:
            folder = pathlib.Path(message["manifest_path"]).parent.relative_to(ROOT).as_posix()
            found[folder, message["target"]["name"]] = pathlib.Path(message["executable"])
    return {s: found[s[0], s[2]] for s in suites}


def libraries(binary):
    """libmlxc, where a binary loads it, and OpenBLAS, which that one loads from its runpath."""
    if not shutil.which("ldd"):
        return []
    text = subprocess.run(["ldd", binary], capture_output=True, text=True).stdout
    paths = [pathlib.Path(p) for p in re.findall(r"(/\S+)", text)]
    found = {p for p in paths if p.name.startswith("libmlxc") and p.exists()}
    for mlxc in list(found):
        for folder in re.findall(rb"[^:\0]*scipy_openblas32/lib", mlxc.read_bytes()):
            found |= set(pathlib.Path(os.fsdecode(folder)).glob("libscipy_openblas.so"))
    return sorted(found)


def collect(binaries, to):
    """Copies what another machine needs to run them."""
    for suite, binary in binaries.items():
        at = to / "bin" / suite[1] / suite[2]
        at.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(binary, at)
        if shutil.which("strip"):
            subprocess.run(["strip", at], check=False)
    for library in libraries(next(iter(binaries.values()))):
        (to / "lib").mkdir(exist_ok=True)
        shutil.copy2(library, to / "lib" / library.name)
    for path in [*DATA, pathlib.Path(__file__).resolve().relative_to(ROOT).as_posix()]:
        (to / path).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / path).is_dir():
            shutil.copytree(ROOT / path, to / path, dirs_exist_ok=True)
        else:
            shutil.copy2(ROOT / path, to / path)
    size = sum(f.stat().st_size for f in to.rglob("*") if f.is_file())
    print(f"{len(binaries)} binaries and their data in {to}: {size / 2**20:.0f} MB")


def collected(folder, suites):
    """The binaries of a folder that `--collect` filled, and the environment to run them in."""
    binaries = {s: folder / "bin" / s[1] / s[2] for s in suites}
    env, lib = {}, folder / "lib"
    if (lib / "libmlxc.so").exists():
        # A binary names this library by the path where it was built; one that is there already has that name, too.
        env["LD_PRELOAD"] = str(lib / "libmlxc.so")
        paths = [os.environ.get("LD_LIBRARY_PATH"), str(lib)]
        env["LD_LIBRARY_PATH"] = ":".join(p for p in paths if p)
    return binaries, env


def failures(text, failed):
    """The output of each failed test that the harness kept."""
    parts = re.split(r"^---- (\S+) stdout ----$", text, flags=re.MULTILINE)
    said = {}
    for test, body in zip(parts[1::2], parts[2::2]):
        # The list of names follows the last one.
        body = body.split("\nfailures:\n")[0].split("\nstack backtrace:\n")[0]
        said[test] = [x for x in body.splitlines() if x.strip() and not x.startswith("note: ")]
    return [(test, said.get(test, ["(nothing was printed)"])) for test in failed]


def said_of(code):
    """An exit code in words; a signal is a negative one."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"signal {-code}"


def run(suite, binary, root, env, a):
    """One process; what is known of it."""
    command = [str(binary), "--test-threads", str(a.threads), "--show-output"]
    for skipped in ["smol::"] if a.no_smol else []:
        command += ["--skip", skipped]
    command += a.tests
    env = {**os.environ, **ENV, **env, "CARGO_MANIFEST_DIR": str(root / suite[0])}
    start, wrong = time.perf_counter(), []
    try:
        done = subprocess.run(command, env=env, cwd=root / suite[0], capture_output=True, timeout=a.timeout)
        out, err, code = done.stdout, done.stderr, done.returncode
    except subprocess.TimeoutExpired as e:
        out, err, code = e.stdout or b"", e.stderr or b"", None
        wrong.append(f"took longer than {a.timeout:g} s")
    except OSError as e:
        out, err, code = b"", b"", None
        wrong.append(str(e))
    text, err = out.decode(errors="replace"), err.decode(errors="replace")
    counts = re.search(r"^test result: .*? (\d+) passed; (\d+) failed; (\d+) ignored", text, re.MULTILINE)
    failed = re.findall(r"^test (\S+)[^\n]* \.\.\. FAILED$", text, re.MULTILINE)
    # A process can also end wrongly after all of its tests; 101 is what the harness says of failed ones.
    ended = code and not (code == 101 and failed)
    if ended:
        wrong.append(said_of(code) + (" after the tests" if counts else ""))
    if ended or not counts:
        last = text.strip().splitlines()[-1:] if not counts else []
        wrong += [*last, *err.strip().splitlines()[-a.lines :]]
    return {
        "suite": name(suite),
        "seconds": time.perf_counter() - start,
        "counts": [int(n) for n in counts.groups()] if counts else [text.count(" ... ok\n"), len(failed), 0],
        "failures": failures(text, failed),
        "wrong": wrong,
        "ok": code == 0 and counts is not None,
        "devices": re.findall(r"^computed on (\S+)", text, re.MULTILINE),
        "notes": sorted(set(re.findall(r"^(on a GPU, .*)$", text, re.MULTILINE))),
    }


def show(result, lines):
    passed, failed, ignored = result["counts"]
    end = "ok" if result["ok"] else "FAILED"
    print(f"{result['suite']:<24} {passed:>4} passed {failed:>3} failed {ignored:>3} ignored {result['seconds']:>7.1f} s  {end}")
    for note in result["notes"]:
        print(f"    {note}")
    for text in result["wrong"]:
        print(f"    {text}")
    for test, said in result["failures"]:
        print(f"    {test}")
        for text in said[:lines]:
            print(f"        {text[:300]}")
    sys.stdout.flush()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--collect", type=pathlib.Path, metavar="FOLDER", help="build, copy there what another machine needs, and end")
    p.add_argument("--binaries", type=pathlib.Path, metavar="FOLDER", help="run what --collect copied, instead of building")
    p.add_argument("--suites", nargs="+", metavar="SUITE", help="names of suites (all)")
    p.add_argument("--list", action="store_true", help="show the suites and end")
    p.add_argument("--tests", nargs="+", default=[], metavar="TEST", help="only tests with such a text in their name")
    p.add_argument("--device", choices=["cpu", "gpu"], help="fail unless the tests ran on such a device")
    p.add_argument("--smol", type=pathlib.Path, metavar="FOLDER", help=f"where {SMOL} is (the cache of llama_lora)")
    p.add_argument("--no-smol", action="store_true", help="leave out the tests of SmolLM2")
    p.add_argument("--timeout", type=float, default=900, help="seconds that a suite may take")
    p.add_argument("--threads", type=int, default=1, help="tests of a suite that run at once")
    p.add_argument("--jobs", type=int, default=max(1, min(8, (os.cpu_count() or 1) // 2)), help="suites that run at once; a GPU's kernels are compiled at first use, by the CPU (half of its cores, 8 at most)")
    p.add_argument("--lines", type=int, default=40, help="lines to show of a failure")
    a = p.parse_args()
    # A suite by its whole name, or by its file's name.
    asked = {name(s) for s in SUITES if a.suites and {name(s), s[2]} & set(a.suites)}
    known = [name(s) for s in SUITES]
    unknown = [s for s in a.suites or [] if s not in known and s not in {k.split(":")[1] for k in known}]
    if unknown:
        p.error(f"unknown suite {unknown[0]!r}: expected one of {', '.join(known)}")
    suites = [s for s in SUITES if not a.suites or name(s) in asked]
    if a.list:
        print("\n".join(name(s) for s in suites))
        return 0
    env = {}
    if a.smol:
        if not (a.smol / SMOL).is_file():
            p.error(f"{a.smol / SMOL} not found: --smol names the folder of this file")
        env["LLAMA_LORA_CACHE"] = str(a.smol.resolve())
    if a.binaries:
        root = a.binaries.resolve()
        binaries, more = collected(root, suites)
        env.update(more)
    else:
        root, binaries = ROOT, build(suites)
    if a.collect:
        collect(binaries, a.collect)
        return 0
    results = []
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as jobs:
        started = [jobs.submit(run, s, binaries[s], root, env, a) for s in suites]
        for done in concurrent.futures.as_completed(started):
            results.append(done.result())
            show(results[-1], a.lines)
    devices = sorted({d for r in results for d in r["devices"]})
    print(f"computed on {', '.join(devices) or 'an unknown device (llama_lora:parity says which)'}")
    here = bool(devices) and all(d.startswith(a.device or "") for d in devices)
    if a.device and not here:
        print(f"no: --device {a.device} was asked for")
    return 0 if all(r["ok"] for r in results) and (here or not a.device) else 1


if __name__ == "__main__":
    sys.exit(main())
