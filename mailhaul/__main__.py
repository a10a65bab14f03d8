"""The program ``mailhaul``: what the installed script calls, and ``python -m mailhaul``."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress
from typing import NoReturn


def run() -> int:
    """Run the command line; return its exit code."""
    # There is no garbage yet, and a search takes long: ``end_loading`` enables it.
    gc.disable()
    from .apps.main import main

    return main()


def program() -> NoReturn:
    """Run the command line, and end the process with its exit code."""
    code = run()
    if "threading" in sys.modules:
        raise SystemExit(code)
    for stream in (sys.stdout, sys.stderr):
        # A lost line was reported when it was printed.
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    # Nobody else has anything left to do, and freeing every object takes 5 ms.
    os._exit(code)


if __name__ == "__main__":
    # A profiler or a debugger may want to have the last word.
    sys.exit(run())
