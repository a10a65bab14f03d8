"""What a trace, an error or an event must not show, though the peer may repeat it."""

from __future__ import annotations

from .dots import partial_end
from .sasl.exchange import encode_base64

SHORTEST = 4
"""Octets of a secret that is looked for once the login is over: a shorter one is in any word."""


class Hidden:
    """The secrets that were sent on one connection, in all forms they were sent in."""

    def __init__(self) -> None:
        self._words: set[bytes] = set()

    def add(self, *secrets: bytes) -> None:
        """Hide these, the parts between NULs that they may be made of, and their base64."""
        for secret in secrets:
            self._words.update(secret_forms(secret))

    def login_is_over(self) -> None:
        """Go on with those that cannot be a part of just any word."""
        self._words = {word for word in self._words if len(word) >= SHORTEST}

    def clean(self, line: bytes) -> bytes:
        """Return a line with ``*`` in place of what is hidden."""
        for word in sorted(self._words, key=len, reverse=True):
            line = line.replace(word, b"*")
        return line

    def clean_cut(self, line: bytes) -> bytes:
        """Do so with a line that was cut off, maybe inside a secret."""
        line = self.clean(line)
        cut = max((partial_end(line, word) for word in self._words), default=0)
        return line[:-cut] + b"*" if cut >= SHORTEST else line


def secret_forms(secret: bytes) -> set[bytes]:
    """Return the forms of a secret: the parts between NULs, quoted or not, and all in base64."""
    parts = {part for part in secret.split(b"\0") if part}
    quoted = {part.replace(b"\\", b"\\\\").replace(b'"', b'\\"') for part in parts}
    return parts | quoted | ({encode_base64(secret)} if secret else set())
