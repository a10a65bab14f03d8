"""Secrets that must not appear in a trace, an error or an event, even if the peer echoes them."""

from __future__ import annotations

from .sasl.exchange import encode_base64

MIN_LENGTH = 4
"""Octets. After the login, shorter secrets are no longer hidden: many words contain them."""


class Hidden:
    """The secrets sent on one connection, in every form in which they may appear."""

    __slots__ = ("has_short", "words")

    def __init__(self) -> None:
        self.words: tuple[bytes, ...] = ()
        """All forms, the longest first, because a shorter one may be a part of it."""
        self.has_short = False
        """Whether ``login_is_over`` would drop any secret."""

    def add(self, *secrets: bytes) -> None:
        """Hide these secrets, their NUL-separated parts, and their base64 forms."""
        words = {*self.words, *(form for secret in secrets for form in secret_forms(secret))}
        self.words = tuple(sorted(words, key=len, reverse=True))
        self.has_short = bool(words) and len(self.words[-1]) < MIN_LENGTH

    def login_is_over(self) -> None:
        """Stop hiding secrets that are so short that ordinary words contain them."""
        self.words = tuple(word for word in self.words if len(word) >= MIN_LENGTH)
        self.has_short = False

    def clean(self, line: bytes) -> bytes:
        """Return a line with every secret replaced by ``*``."""
        for word in self.words:
            line = line.replace(word, b"*")
        return line

    def clean_cut(self, line: bytes) -> bytes:
        """Return the same for a line that was cut off, perhaps inside a secret."""
        from .dots import partial_end  # only the line of an error is cut

        line = self.clean(line)
        cut = max((partial_end(line, word) for word in self.words), default=0)
        return line[:-cut] + b"*" if cut >= MIN_LENGTH else line


def secret_forms(secret: bytes) -> set[bytes]:
    """Return the forms of a secret: each NUL-separated part, plain and quoted; all in base64."""
    parts = {part for part in secret.split(b"\0") if part}
    quoted = {part.replace(b"\\", b"\\\\").replace(b'"', b'\\"') for part in parts}
    return parts | quoted | ({encode_base64(secret)} if secret else set())
