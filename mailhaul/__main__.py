"""The program ``mailhaul``: what the installed script calls, and ``python -m mailhaul``."""

from __future__ import annotations

import gc
import os
import sys
from typing import NoReturn


def program() -> NoReturn:
    """Run the command line, and end the process with its exit code."""
    # There is no garbage yet, and a search takes long: ``end_loading`` enables it.
    gc.disable()
    from .apps.main import main

    code = main()
    if "threading" not in sys.modules:
        # Nobody else has anything left to do, and freeing every object takes 5 ms.
        os._exit(code)
    raise SystemExit(code)


if __name__ == "__main__":
    program()
