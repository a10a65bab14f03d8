"""A Maildir as a test fills and reads it, beside the server that serves it."""

from __future__ import annotations

import itertools
import re
import shutil
import time
from pathlib import Path

from .process import OWNER, owned_folder

_serial = itertools.count(1)
_UNIQUE = re.compile(r"(\d+)\.M(\d+)(?:P|Q)(\d+)")


class Maildir:
    """One Maildir folder, owned by OWNER."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def deliver(self, message: bytes, flags: str = "") -> Path:
        """Store ``message`` octet for octet.

        With ``flags`` (Maildir letters such as "S" or "FS") it goes to cur, as mail that
        a client has seen; without, to new, as mail that has just come.
        """
        for name in ("tmp", "new", "cur"):
            owned_folder(self.path / name)
        now = time.time_ns()
        unique = f"{now // 10**9}.M{now // 1000 % 10**6}Q{next(_serial)}.localhost"
        draft = self.path / "tmp" / unique
        draft.write_bytes(message)
        shutil.chown(draft, OWNER, OWNER)
        letters = "".join(sorted(flags))
        target = f"cur/{unique}:2,{letters}" if letters else f"new/{unique}"
        return draft.rename(self.path / target)

    def files(self) -> list[Path]:
        """Return the messages' files, oldest first."""
        found = [*self.path.glob("new/*"), *self.path.glob("cur/*")]
        return sorted(found, key=_age)

    def messages(self) -> list[bytes]:
        """Return the messages as they are stored, oldest first."""
        while True:
            try:
                return [path.read_bytes() for path in self.files()]
            except FileNotFoundError:
                # The server of a client that was killed may still be removing some.
                continue

    def flags(self) -> list[str]:
        """Return the flag letters of each message, in the order of messages()."""
        return [path.name.partition(":2,")[2] for path in self.files()]

    def clear(self) -> None:
        """Remove the folder and what its server knows of it."""
        shutil.rmtree(self.path, ignore_errors=True)


def _age(path: Path) -> tuple[int, int, int]:
    """Return seconds, microseconds and a tie-breaker; none of them is padded in the name."""
    match = _UNIQUE.match(path.name)
    if match is None:
        raise ValueError(f"not a Maildir file name: {path.name}")
    seconds, micros, rest = match.groups()
    return int(seconds), int(micros), int(rest)
