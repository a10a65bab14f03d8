"""``python -m bench [--quick] [--rounds N] [NAME ...]``: run scenarios, print and write figures."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from .place import private_place
from .runner import Runner
from .scenarios import SCENARIOS


def main(words: list[str]) -> int:
    """Run the scenarios that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int)
    parser.add_argument("name", nargs="*")
    options = parser.parse_args(words)
    chosen = [
        one
        for one in SCENARIOS
        if not options.name
        or any(one.name == n or one.name.startswith(n + "-") for n in options.name)
    ]
    if options.quick:
        chosen = [one.shortened() for one in chosen if one.quick is not None]
    if options.messages:
        chosen = [replace(one, messages=options.messages) for one in chosen]
    with private_place() as place:
        runner = Runner(place, lambda text: print(text, flush=True))
        for one in chosen:
            runner.run(one, options.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
