"""One run of atheris over one target, in this process. Findings are kept, and the run goes on."""

from __future__ import annotations

import hashlib
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from .finding import Target, minimised, signature

HERE = Path(__file__).parent
CORPUS = HERE.parent / ".fuzz"
"""Inputs that reached new code: with them the next run begins where this one ended."""
MOST_LENGTH = 6000
"""Octets of an input: more than a machine under tight limits may hold."""
MAX_DIGITS = 640
"""What int() takes at most, as low as Python allows: a line of digits can be longer."""


class Collector:
    """Runs the target, and keeps one small input for each different finding."""

    def __init__(self, name: str, target: Target) -> None:
        self._name = name
        self._target = target
        self._known: set[str] = set()

    def __call__(self, data: bytes) -> None:
        """Run one input."""
        try:
            self._target(data)
        except Exception as fault:  # whatever it is, it is what was looked for
            self._keep(data, signature(fault))

    def _keep(self, data: bytes, found: str) -> None:
        if found in self._known:
            return
        self._known.add(found)
        small = minimised(self._target, data, found)
        folder = HERE / "regressions" / self._name
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / hashlib.sha1(small, usedforsecurity=False).hexdigest()[:12]
        path.write_bytes(small)
        print(f"FINDING {self._name}: {found}\n  {path}\n  {small!r}", flush=True)


def run(name: str, seconds: int) -> None:
    """Fuzz a target for so many seconds. libFuzzer ends the process."""
    atheris: Any = import_module("atheris")  # only here: the targets are replayed without it
    with atheris.instrument_imports(include=["mailhaul.protocols", "mailhaul.adapters.config"]):
        from .targets import load

        target = load(name)
    sys.set_int_max_str_digits(MAX_DIGITS)
    corpus = CORPUS / name
    corpus.mkdir(parents=True, exist_ok=True)
    arguments = [
        f"-max_total_time={seconds}",
        f"-max_len={MOST_LENGTH}",
        "-timeout=20",
        "-rss_limit_mb=1000",
        "-print_final_stats=1",
        f"-artifact_prefix={CORPUS}/{name}-",
    ]
    words = HERE / "dictionaries" / f"{name}.dict"
    arguments += [f"-dict={words}"] if words.exists() else []
    folders = [corpus, *(HERE / kind / name for kind in ("seeds", "regressions"))]
    inputs = [str(folder) for folder in folders if folder.is_dir()]
    atheris.Setup([sys.argv[0], *arguments, *inputs], Collector(name, target))
    atheris.Fuzz()


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]))
