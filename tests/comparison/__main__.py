"""``python -m tests.comparison [PROGRAM...]``: run all experiments.

Without the name of a program, all are run and the page is written.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from .documented import doubts
from .experiments import EXPERIMENTS, result
from .page import PAGE, written
from .programs import installed
from .verdicts import Seen, bad


def main(names: list[str]) -> int:
    """Run, print each result at once, and write the page if all programs ran."""
    if wrong := doubts():
        print("\n".join(wrong), file=sys.stderr)
        return 1
    if os.geteuid() != 0:
        print("the programs are run as root, in a container", file=sys.stderr)
        return 1
    results: dict[tuple[str, str], Seen] = {}
    programs = installed(names)
    with tempfile.TemporaryDirectory(prefix="mh-cmp-") as folder:
        Path(folder).chmod(0o755)
        for experiment in EXPERIMENTS:
            for program in programs:
                where = Path(folder) / f"{len(results)}"
                try:
                    seen = result(experiment, program, where)
                except OSError as error:
                    seen = bad(str(error))
                results[experiment.title, program.name] = seen
                print(f"{experiment.title}: {program.name} {program.version}: {seen}", flush=True)
    if not names:
        PAGE.write_text(written(PAGE.read_text(), programs, results))
        print(f"written: {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
