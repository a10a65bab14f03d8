"""What a case may find: the level of a requirement, the verdict, and how a case reports."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NoReturn

from .transcript import Transcript


class Level(StrEnum):
    """How strongly an RFC demands something (RFC 2119)."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"


MUST, SHOULD, MAY = Level


class Verdict(StrEnum):
    """The result of one case."""

    PASS = "pass"  # noqa: S105 - a verdict
    """The requirement was seen to hold."""
    FAIL = "fail"
    """A MUST was seen broken."""
    WARN = "warn"
    """A SHOULD was seen broken, or a MUST from which deployed servers differ on purpose."""
    INFO = "info"
    """What a server does where the RFC leaves the choice."""
    SKIP = "skip"
    """The case does not apply, or what it needs was not given."""
    ERROR = "error"
    """The harness or the set-up broke. This is never the server's fault."""


class Broken(Exception):
    """The requirement does not hold: what was expected, and what came instead."""

    def __init__(self, expected: str, got: str, *, lenient: bool = False) -> None:
        super().__init__(f"expected {expected}, got {got}")
        self.expected = expected
        self.got = got
        self.lenient = lenient
        """Whether a broken MUST is only a warning here."""


class Skipped(Exception):
    """The case does not apply; ``str()`` is the reason."""


class SetUpFailed(Exception):
    """What the case needs could not be prepared; ``str()`` is the reason."""


@contextmanager
def set_up(what: str) -> Generator[None]:
    """Turn Broken into SetUpFailed: ``what`` is not the requirement that the case checks."""
    try:
        yield
    except Broken as broken:
        raise SetUpFailed(f"{what}: {broken.got}") from None


@dataclass(frozen=True)
class Finding:
    """The answer to a MAY: yes or no, with details."""

    yes: bool
    detail: str = ""


@dataclass
class Result:
    """The result of one case. ``seconds`` is how long it took.

    ``unstable`` says that a second run of the case had another verdict. ``internal`` says that the
    harness broke, and not the set-up. ``finished`` is False if the case was stopped.
    """

    case: str
    verdict: Verdict
    reason: str = ""
    expected: str = ""
    got: str = ""
    seconds: float = 0.0
    unstable: bool = False
    internal: bool = False
    finished: bool = True
    transcript: Transcript = field(default_factory=Transcript, repr=False)


def require(holds: object, expected: str, got: object, *, lenient: bool = False) -> None:
    """Raise Broken unless the condition holds. ``got`` is shown as it prints."""
    if not holds:
        fail(expected, got, lenient=lenient)


def fail(expected: str, got: object, *, lenient: bool = False) -> NoReturn:
    """Raise Broken."""
    raise Broken(expected, printable(got) if isinstance(got, bytes) else str(got), lenient=lenient)


def printable(octets: bytes) -> str:
    """Return octets as text for people: what is not printable ASCII is escaped."""
    if len(octets) > MAX_SHOWN:
        return f"{printable(octets[:MAX_SHOWN])}... ({len(octets)} octets)"
    return repr(octets)[2:-1]


MAX_SHOWN = 300
"""Octets of a response that a verdict quotes."""
