"""The life of a message in the ledger: which state a row may go to,, and on which input.

Inputs are what is noted of a message. A row that is *new* or *gone* is not in the ledger. The
store reads this table: it changes a row only from a state in which the table has the input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from automat import TypeMachineBuilder

from ..protocols.dialogue import assemble, move


class Life(Protocol):
    """What can happen to a message."""

    def offer(self) -> None:
        """It is about to be handed to the sink."""

    def accept(self) -> None:
        """The sink took it, or everybody who is to know was told that nobody gets it."""

    def refuse(self) -> None:
        """The sink refused it for good."""

    def postpone(self) -> None:
        """The sink put it off, or its answer is not known."""

    def unreadable(self) -> None:
        """The server did not give its text."""

    def set_aside(self) -> None:
        """It failed so often that it is not offered any more."""

    def retry(self) -> None:
        """The user wants it offered again."""

    def drop(self) -> None:
        """The user wants it deleted at the server."""

    def delete_unread(self) -> None:
        """The user's options say that it is to be deleted, though nobody gets it."""

    def mark_seen(self) -> None:
        """It was accepted and is kept, or is not to be read for another reason."""

    def forget(self) -> None:
        """The server has done what it owed, or has the message no more."""


@dataclass(slots=True)
class Facts:
    """Where a row stands."""

    state: str = "new"


builder = TypeMachineBuilder(Life, Facts)

new = builder.state("new")
offered = builder.state("offered")
accepted = builder.state("accepted")
refused = builder.state("refused")
postponed = builder.state("postponed")
quarantined = builder.state("quarantined")
seen = builder.state("seen")
gone = builder.state("gone")

move(new, Life.offer, offered)
# An offer that a kill has interrupted, or a message that the ledger has never heard of.
move(new, Life.accept, accepted)
move(new, Life.refuse, refused)
move(new, Life.postpone, postponed)
move(new, Life.unreadable, refused)
move(new, Life.delete_unread, accepted)
move(new, Life.mark_seen, seen)

move(offered, Life.offer, offered)
move(offered, Life.accept, accepted)
move(offered, Life.refuse, refused)
move(offered, Life.postpone, postponed)
# A sink may have taken it in a run that heard no verdict: its name is still needed.
move(offered, Life.unreadable, offered)
move(offered, Life.set_aside, quarantined)
move(offered, Life.delete_unread, accepted)
move(offered, Life.mark_seen, seen)
move(offered, Life.forget, gone)

move(refused, Life.offer, offered)
# Its sender was told after the refusal.
move(refused, Life.accept, accepted)
move(refused, Life.refuse, refused)
move(refused, Life.postpone, postponed)
move(refused, Life.unreadable, refused)
move(refused, Life.set_aside, quarantined)
move(refused, Life.delete_unread, accepted)
move(refused, Life.mark_seen, seen)
move(refused, Life.forget, gone)

move(postponed, Life.offer, offered)
move(postponed, Life.accept, accepted)
move(postponed, Life.refuse, refused)
move(postponed, Life.postpone, postponed)
move(postponed, Life.unreadable, postponed)
move(postponed, Life.set_aside, quarantined)
move(postponed, Life.delete_unread, accepted)
move(postponed, Life.mark_seen, seen)
move(postponed, Life.forget, gone)

move(quarantined, Life.retry, refused)
move(quarantined, Life.drop, accepted)
move(quarantined, Life.unreadable, quarantined)
move(quarantined, Life.delete_unread, accepted)
move(quarantined, Life.mark_seen, seen)
move(quarantined, Life.forget, gone)

# Whoever accepted it before: under fetchall and keep it is offered again.
move(accepted, Life.offer, offered)
move(accepted, Life.accept, accepted)
# It was asked for before it was accepted.
move(accepted, Life.unreadable, accepted)
move(accepted, Life.delete_unread, accepted)
move(accepted, Life.mark_seen, seen)
move(accepted, Life.forget, gone)

move(seen, Life.offer, offered)
move(seen, Life.unreadable, refused)
move(seen, Life.delete_unread, accepted)
move(seen, Life.mark_seen, seen)
move(seen, Life.forget, gone)

new_life = assemble(builder)


def table() -> Mapping[str, Mapping[str, str]]:
    """Return for each input the state that a row is in after it, by the state before."""
    automaton: Any = builder._automaton  # pyright: ignore[reportPrivateUsage]
    rows: dict[str, dict[str, str]] = {}
    for before, name, after, _ in automaton.allTransitions():
        rows.setdefault(name, {})[before.name] = after.name
    return rows


TABLE = table()


class WrongRow(Exception):
    """Something was noted of a message that cannot happen in the state in which its row is."""

    def __init__(self, state: str, upon: str) -> None:
        super().__init__(f"a row that is {state!r} cannot take {upon!r}")


def after(state: str | None, upon: Callable[..., None]) -> str:
    """Return the state of a row after an input; None stands for no row. Raises WrongRow."""
    before = state or new.name
    try:
        return TABLE[upon.__name__][before]
    except KeyError:
        raise WrongRow(before, upon.__name__) from None


def before(upon: Callable[..., None]) -> tuple[str, ...]:
    """Return the states of rows in the ledger that an input is possible in."""
    return tuple(state for state in TABLE[upon.__name__] if state not in {new.name, seen.name})
