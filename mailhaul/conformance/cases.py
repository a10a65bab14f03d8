"""A case and its registry: what it checks, where the RFC says so, and what it needs.

A case is a coroutine with a decorator. Its docstring is the requirement, as a sentence:

    @POP3.case("pop3/dele/1", rfc=1939, section="5", level=MUST, implied=True)
    async def a_deleted_message_cannot_be_deleted_again(env: Pop3Environment) -> None:
        "The second DELE of a message gets -ERR."
        session = await env.log_in(SHORT)
        await session.positive(b"DELE 1")
        await session.negative(b"DELE 1")
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from .verdicts import Finding, Level

EnvironmentT = TypeVar("EnvironmentT")
Check = Callable[[EnvironmentT], Awaitable[Finding | None]]


@dataclass(frozen=True)
class Case(Generic[EnvironmentT]):
    """One requirement and the coroutine that checks it.

    ``implied`` says that the RFC has no capitalised word for it: the level follows from the grammar
    or from the behaviour that is described. ``after`` are cases that must have passed. ``alone``
    says that no other case may run at the same time, and ``slow`` that it waits for minutes.
    ``note`` is a remark on a disputed reading, with a link.
    """

    id: str
    rfc: int
    section: str
    level: Level
    text: str
    check: Check[EnvironmentT]
    implied: bool = False
    after: tuple[str, ...] = ()
    alone: bool = False
    slow: bool = False
    note: str = ""

    @property
    def topic(self) -> str:
        """The part of the id between the protocol and the number: ``dele``."""
        return self.id.split("/")[1]

    @property
    def source(self) -> str:
        """Where the requirement stands: "RFC 1939, section 5"."""
        return f"RFC {self.rfc}, section {self.section}"


class Suite(Generic[EnvironmentT]):
    """All cases for one kind of target, in the order in which they are listed.

    ``alone`` says that no two of its cases may run at the same time.
    """

    def __init__(self, name: str, *, alone: bool = False) -> None:
        self.name = name
        self.alone = alone
        self.cases: dict[str, Case[EnvironmentT]] = {}

    def case(
        self,
        name: str,
        *,
        rfc: int,
        section: str,
        level: Level,
        implied: bool = False,
        after: Collection[str] = (),
        alone: bool = False,
        slow: bool = False,
        note: str = "",
    ) -> Callable[[Check[EnvironmentT]], Check[EnvironmentT]]:
        """Return a decorator that adds a coroutine as the case ``name``."""

        def add(check: Check[EnvironmentT]) -> Check[EnvironmentT]:
            if name in self.cases:
                raise ValueError(f"{name} is there already")
            text = " ".join((inspect.getdoc(check) or "").split())
            self.cases[name] = Case(
                *(name, rfc, section, level, text, check, implied, tuple(after)),
                *(alone, slow, note),
            )
            return check

        return add


def select(
    cases: Iterable[Case[EnvironmentT]],
    wanted: Collection[str] = (),
    *,
    excluded: Collection[str] = (),
    rfcs: Collection[int] = (),
    levels: Collection[Level] = (),
    slow: bool = False,
) -> list[Case[EnvironmentT]]:
    """Return the cases to run.

    ``wanted`` and ``excluded`` are ids or beginnings of ids (``pop3/dele``); none means all. A slow
    case is run only with ``slow``, or if it is named by its full id.
    """
    return [
        case
        for case in cases
        if (not wanted or any(is_named(case.id, name) for name in wanted))
        and not any(is_named(case.id, name) for name in excluded)
        and (not rfcs or case.rfc in rfcs)
        and (not levels or case.level in levels)
        and (slow or not case.slow or case.id in wanted)
    ]


def is_named(case: str, name: str) -> bool:
    """Whether a name is the id of a case or a group that the case is in."""
    return case == name or case.startswith(name.rstrip("/") + "/")
