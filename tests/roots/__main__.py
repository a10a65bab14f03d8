"""Run one of the steps; see ``tests.roots``."""

from __future__ import annotations

import sys

from . import __doc__ as usage
from .root import SUITES, RootFailed
from .steps import DIST, build_packages, follow_containerfile, install_packages, run_project


def main(words: list[str]) -> int:
    """Run a step; return the exit code."""
    step, suite, *command = (*words, "", "")[: max(2, len(words))]
    suite = suite or SUITES[0]
    if suite not in SUITES or (step == "run") != bool(command):
        print(usage, file=sys.stderr)
        return 2
    try:
        if step == "deb":
            print(*build_packages(suite), sep="\n")
        elif step == "install":
            found = sorted(DIST.glob(f"*~{suite}.deb"))
            install_packages(suite, found or build_packages(suite))
        elif step == "container":
            follow_containerfile(suite)
        elif step == "run":
            run_project(suite, " ".join(command))
        else:
            print(usage, file=sys.stderr)
            return 2
    except RootFailed as fault:
        print(fault, file=sys.stderr)
        return 1
    return 0


raise SystemExit(main(sys.argv[1:]))
