"""Check what the rc file allows to the accounts of a store."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from .errors import ConfigError, quoted
from .settings import GlobalSettings

NAME = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def store_faults(settings: GlobalSettings) -> Iterator[ConfigError]:
    """Yield the errors in ``set command`` and ``set storefolders``."""
    place = settings.place("commands")
    times = Counter(name for name, _ in settings.commands)
    for name, command in settings.commands:
        if not NAME.fullmatch(name):
            hint = "use letters, digits, - and _"
            yield ConfigError(place, f"{quoted(name)} is not a name for a command", hint=hint)
        elif times[name] > 1:
            yield ConfigError(place, f"the command {quoted(name)} is defined twice")
        if not command.strip():
            yield ConfigError(place, f"the command {quoted(name)} is empty")
    for folder in settings.storefolders:
        if not folder.startswith("/") or ".." in folder.split("/"):
            place = settings.place("storefolders")
            hint = "write a path that begins with / and has no .. in it"
            yield ConfigError(place, f"{quoted(folder)} is not an absolute path", hint=hint)
