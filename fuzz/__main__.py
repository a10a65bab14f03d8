"""``python -m fuzz TARGET... --seconds 60``: look for broken promises, guided by coverage.

Each target runs in a process of its own, one after the other. A finding does not end a run: it is
minimised, kept under regressions/ and reported, once for each place in the code.
"""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import sys
import time

from .run import CORPUS
from .targets import NAMES


def main() -> int:
    """Fuzz the targets; 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(NAMES))
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    options = parser.parse_args()
    if unknown := set(options.targets) - set(NAMES):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    CORPUS.mkdir(exist_ok=True)
    (CORPUS / ".gitignore").write_text("*\n")
    found = [fuzz(name, options.seconds) for name in options.targets or NAMES]
    return int(any(found))


def fuzz(name: str, seconds: int) -> bool:
    """Run one target in a process of its own; say what came of it."""
    command = [sys.executable, "-m", "fuzz.run", name, str(seconds)]
    log = CORPUS / f"{name}.log"
    began, cpu = time.monotonic(), cpu_of_children()
    with log.open("wb") as file:
        code = subprocess.run(command, stdout=file, stderr=file, check=False).returncode
    wall, cpu = time.monotonic() - began, cpu_of_children() - cpu
    text = log.read_text(errors="replace")
    units = re.search(r"number_of_executed_units: (\d+)", text)
    found = re.findall(r"^FINDING .*(?:\n  .*)*", text, re.MULTILINE)
    if code or units is None:
        found.append(f"FINDING {name}: ended with {code}; see {log}")
    inputs = units[1] if units else "?"
    print(f"{name}: {inputs} inputs in {wall:.0f} s ({cpu:.0f} s of CPU), {len(found)} findings")
    print(*found, sep="\n", end="\n" if found else "", flush=True)
    return bool(found)


def cpu_of_children() -> float:
    """Return the CPU seconds of all processes that have ended under this one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
