"""Why a run does nothing: there is no account to poll, or the rc file has errors."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from ...adapters.config.caller import Caller
from ...adapters.config.errors import ConfigError
from ...adapters.config.load import Configuration
from ..polls.lines import escape

MOST_NAMES = 5
"""Names of entries that are listed."""


def why_nothing(configuration: Configuration, caller: Caller) -> str:
    """Return why there is no account to poll, and what to type."""
    names = list(dict.fromkeys(configuration.skipped))
    shown = ", ".join(map(escape, names[:MOST_NAMES]))
    shown += ", ..." * (len(names) > MOST_NAMES)
    path = configuration.rcfile
    option = "" if path == caller.rcfile else f" -f {shlex.quote(path)}"
    return (
        f'nothing is polled: all entries in {escape(path)} begin with "skip" ({shown}); name one, '
        f'as in "mailhaul{option} {shlex.quote(names[0])}"'
    )


def described(errors: Sequence[ConfigError]) -> Iterator[str]:
    """Yield a line for each error. If it is the only one in a file, the next step follows."""
    for error in errors:
        only = len(errors) == 1 and error.line > 0
        step = ' Correct it, then type "mailhaul -c"' if only else ""
        end = "" if str(error).endswith((".", "?")) or not step else "."
        yield f"{error}{end}{step}"
