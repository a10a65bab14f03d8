"""Where a client delivers mail: a program, a Maildir, its standard output, or a server's memory."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from .messages import SENDER, id_of

PROGRAM = """#!/bin/sh
# Stores the message on standard input, or refuses it for now.
cd '{folder}' || exit 75
number=$(ls | wc -l)
if [ "$number" -ge {limit} ]; then
    cat >/dev/null
    exit 75
fi
cat > "$(printf %05d "$number").eml"
"""
MANY = 1_000_000
FIRST_FIELD = re.compile(rb"(?m)^(?=Return-Path: <%b>\r?$)" % re.escape(SENDER))


class Delivered:
    """The deliveries of one start. ``take`` returns those that are new."""

    def __init__(self, home: Path, kind: str, refuse_after: int | None = None) -> None:
        self.maildir = home / "Maildir"
        self.program = home / "deliver"
        self._folder = home / "delivered"
        self._kind = kind
        self._received: Callable[[], list[bytes]] | None = None
        self._known = 0
        for folder in (self._folder, *(self.maildir / name for name in ("new", "cur", "tmp"))):
            folder.mkdir(parents=True, exist_ok=True)
        self._before = set(self._files())
        limit = MANY if refuse_after is None else len(self._before) + refuse_after
        self.program.write_text(PROGRAM.format(folder=self._folder, limit=limit))
        self.program.chmod(0o700)

    def follow(self, received: Callable[[], list[bytes]]) -> None:
        """Take deliveries from a server; ``received`` returns all that it has."""
        self._received, self._known = received, len(received())

    def take(self, output: bytes) -> list[bytes]:
        """Return the messages that were delivered since the start, in order."""
        if self._received is not None:
            return self._received()[self._known :]
        if self._kind == "stdout":
            # The messages follow each other; all of ours begin with the same field.
            return [text for text in re.split(FIRST_FIELD, output) if id_of(text)]
        return [path.read_bytes() for path in self._files() if path not in self._before]

    def _files(self) -> list[Path]:
        folders = [self._folder, self.maildir / "new", self.maildir / "cur"]
        paths = [path for folder in folders for path in folder.iterdir()]
        return sorted(paths, key=lambda path: (os.stat(path).st_mtime_ns, path.name))
