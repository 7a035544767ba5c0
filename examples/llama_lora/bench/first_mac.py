"""The first hour on a Mac: builds, checks, measures, and writes one folder that a person can send.

    python3 examples/llama_lora/bench/first_mac.py                    # some 60 minutes, 8B included; fetches MLX and 98 MB
    python3 examples/llama_lora/bench/first_mac.py --models smollm2-135m llama-3.2-1b     # a machine with less memory

It needs Rust, Xcode's command line tools (`xcode-select --install`) and Python 3.10 or newer. mlx-lm goes into an environment
of its own inside the folder. Each step is a process with a time limit; a step that fails is written down and the next one
begins. The folder has report.md, which begins with what failed, the output of each step, and the figures as JSON and SVG.

`--try` runs the same steps with a tiny model on whatever MLX finds here, a CPU for example, to see that the script works.
"""
import argparse
import json
import pathlib
import platform
import subprocess
import sys
import tarfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
BINARY = ROOT / "target/release/llama_lora"
MODELS = ["smollm2-135m", "llama-3.2-1b", "llama-3.2-3b", "llama-3.1-8b"]
ROWS = ["1x128", "4x512", "4bit-1x128", "4bit-4x512"]
# Choices that nobody has measured on a Mac, and the variable that undoes each. docs/metal.md describes them.
GUESSES = [
    ("generated kernels off", "MLX_RS_KERNELS=off"),
    ("packed products never unpack", "MLX_RS_UNPACK_FROM=1000000000"),
    ("packed products unpack from 64 rows", "MLX_RS_UNPACK_FROM=64"),
    ("the memory limit shortens the queue", "MLX_RS_SHORT_QUEUE=on"),
]
# Facts of the machine in the report: a name, and the command that prints it.
MACHINE = [
    ("system", ["sw_vers"]),
    ("chip", ["sysctl", "-n", "machdep.cpu.brand_string"]),
    ("memory", ["sysctl", "-n", "hw.memsize"]),
    ("wired limit", ["sysctl", "iogpu.wired_limit_mb"]),
    ("power", ["pmset", "-g", "batt"]),
    ("compiler", ["c++", "--version"]),
    ("rustc", ["rustc", "-vV"]),
    ("commit", ["git", "-C", str(ROOT), "rev-parse", "HEAD"]),
]


class Report:
    """The steps so far. The file is whole after each of them, whatever happens next."""

    def __init__(self, folder):
        self.folder, self.steps = folder, []

    def step(self, name, command, minutes, cwd=ROOT):
        """Runs a command; its output goes to a file, and the end of it to the screen. Returns True if it succeeded."""
        print(f"== {name}: {' '.join(map(str, command))}", flush=True)
        log = self.folder / f"{len(self.steps) + 1:02}-{name.replace(' ', '-')}.txt"
        start = time.monotonic()
        with log.open("w") as out:
            try:
                done = subprocess.run([str(c) for c in command], cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                      timeout=minutes * 60)
                result = "passed" if done.returncode == 0 else f"exit code {done.returncode}"
            except subprocess.TimeoutExpired:
                result = f"took longer than {minutes} minutes"
            except OSError as error:
                result = f"did not start: {error}"
        tail = log.read_text(errors="replace").splitlines()[-12:]
        print("\n".join(tail), flush=True)
        self.steps.append({"name": name, "command": [str(c) for c in command], "result": result, "seconds": round(time.monotonic() - start),
                           "log": log.name, "tail": tail})
        self.write()
        return result == "passed"

    def write(self):
        failed = [s for s in self.steps if s["result"] != "passed"]
        lines = ["# The first hour on a Mac", "", f"{len(self.steps)} steps, {len(failed)} failed.", ""]
        for s in failed:
            lines += [f"- **{s['name']}**: {s['result']} ({s['log']})", "", "```", *s["tail"], "```", ""]
        lines += ["## Machine", "", "```", *machine(), "```", "", "## Steps", "", "| step | result | s | output |", "|---|---|---:|---|"]
        lines += [f"| {s['name']} | {s['result']} | {s['seconds']} | {s['log']} |" for s in self.steps]
        lines += ["", "## Speed", "", *self.speed()]
        (self.folder / "report.md").write_text("\n".join(lines) + "\n")
        (self.folder / "steps.json").write_text(json.dumps(self.steps, indent=1) + "\n")

    def speed(self):
        """A table for each run of compare.py. Ratios are of one run; a guess is compared with the run before it."""
        lines = []
        for path in sorted(self.folder.glob("speed*/results.json")):
            lines += [f"{path.parent.name}:", "", "| model and row | ms | mlx-lm ms | speed-up | GB | memory | losses differ by | errors |", "|---|---:|---:|---:|---:|---:|---:|---|"]
            for r in json.loads(path.read_text()):
                ours, peer = r["ours"] or {}, r["peer"] or {}
                shown = [r["row"], *(f"{x['median_ms']:.2f}" if x.get("median_ms") else "-" for x in (ours, peer)), f"{r['speedup']:.2f}" if r.get("speedup") else "-"]
                shown += [f"{ours['peak_bytes'] / 2**30:.2f}" if ours.get("peak_bytes") else "-", f"{r['memory_ratio']:.2f}" if r.get("memory_ratio") else "-"]
                shown += [f"{r['loss_difference']:.4%}" if r.get("loss_difference") is not None else "-", "; ".join(r["errors"])[:200].replace("|", "/")]
                lines.append("| " + " | ".join(shown) + " |")
            lines.append("")
        return lines


def machine():
    lines = [f"{platform.platform()}, Python {platform.python_version()}"]
    for name, command in MACHINE:
        try:
            found = subprocess.run(command, capture_output=True, text=True, timeout=20)
            lines.append(f"{name}: {' / '.join((found.stdout or found.stderr).strip().splitlines())}")
        except (OSError, subprocess.TimeoutExpired):
            lines.append(f"{name}: unknown")
    return lines


def peer_python(report, folder, packages):
    """The Python of a new environment with mlx-lm."""
    place = folder.parent / f"{folder.name}-peer"
    python = place / "bin/python"
    made = python.exists() or report.step("environment for mlx-lm", [sys.executable, "-m", "venv", place], 5)
    return python if made and report.step("mlx-lm", [python, "-m", "pip", "install", "--quiet", *packages], 20) else None


def compare(report, python, name, rest, minutes):
    out = report.folder / f"speed-{name}"
    report.step(f"speed {name}", [python, HERE / "compare.py", "--out", out, *rest], minutes)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", type=pathlib.Path, default=pathlib.Path("first-mac"), help="the folder that is written")
    p.add_argument("--models", nargs="+", default=MODELS, help="names of configs/")
    p.add_argument("--peer", type=pathlib.Path, help="a Python that has mlx-lm 0.32.2 already")
    p.add_argument("--try", dest="attempt", action="store_true", help="the same steps, small, on this machine")
    a = p.parse_args()
    mac = sys.platform == "darwin" and platform.machine() == "arm64"
    if not mac and not a.attempt:
        p.error("this is no Mac with Apple silicon: --try runs the steps here with a tiny model")
    folder = a.out.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        p.error(f"the folder {folder} is not empty: --out names another one")
    report = Report(folder)
    device = "gpu" if mac else "cpu"
    if not report.step("build", ["cargo", "build", "--release", "-p", "llama_lora"], 40):
        print(f"The build failed. Please send {folder}.")
        return 1
    report.step("one step", [BINARY, "bench", "--model", "synth:tiny", "--dtype", "float32"], 5)
    demonstration = folder / "demonstration"
    demonstration.mkdir()
    short = ["train", "--model", "smollm2-135m-instruct", "--iters", "2", "--val-batches", "1"] if a.attempt else []
    report.step("demonstration", [BINARY, *short], 20, demonstration)
    right = [sys.executable, HERE / "right.py", "--device", device, *(["--suites", "threads"] if a.attempt else [])]
    report.step("correctness", right, 60)
    packages = ["mlx==0.32.2" if mac else "mlx[cpu]==0.32.2", "mlx-lm==0.32.2"]
    python = a.peer or peer_python(report, folder, packages)
    quick = ["--steps", "2", "--warmup", "1", "--dtype", "float32"] if a.attempt else ["--rounds", "2"]
    models = ["tiny"] if a.attempt else a.models
    rows = ["1x128", "4bit-1x128"] if a.attempt else ROWS
    alone = ["--no-peer"] if python is None else []
    python = python or sys.executable
    compare(report, python, "all", ["--family", *models, "--rows", *rows, *quick, *alone], 60)
    # Guesses are measured on the largest model, each beside its own run without it: a chip gets warm.
    for number, (name, variable) in enumerate(GUESSES, 1):
        print(f"== guess {number}: {name}", flush=True)
        for side, env in (("as-it-is", []), (variable.replace("=", "-"), ["--env", variable])):
            rest = ["--family", models[-1], "--rows", *rows, *quick, "--no-peer", *env]
            compare(report, python, f"guess-{number}-{side}", rest, 20)
    for path in demonstration.glob("**/*.safetensors"):
        path.unlink()
    archive = folder.with_suffix(".tar.gz")
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, folder.name)
    failed = [s["name"] for s in report.steps if s["result"] != "passed"]
    print(f"\n{folder / 'report.md'}\n{archive}: {archive.stat().st_size / 1e6:.1f} MB")
    print("failed: " + ", ".join(failed) if failed else "all steps passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
