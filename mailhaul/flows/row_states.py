"""The life of a message in the ledger: which state a row may go to, and upon what.

Inputs are what is noted of a message. A row that is *new* or *gone* is not in the ledger. The
store reads this table: it changes a row only from a state in which the table has the input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from ..protocols.transitions import Table


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


table = Table(Life)

new = table.state("new")
offered = table.state("offered")
accepted = table.state("accepted")
refused = table.state("refused")
postponed = table.state("postponed")
quarantined = table.state("quarantined")
seen = table.state("seen")
gone = table.state("gone")

table.move(new, Life.offer, offered)
# An offer that a kill has interrupted, or a message that the ledger has never heard of.
table.move(new, Life.accept, accepted)
table.move(new, Life.refuse, refused)
table.move(new, Life.postpone, postponed)
table.move(new, Life.unreadable, refused)
table.move(new, Life.delete_unread, accepted)
table.move(new, Life.mark_seen, seen)

table.move(offered, Life.offer, offered)
table.move(offered, Life.accept, accepted)
table.move(offered, Life.refuse, refused)
table.move(offered, Life.postpone, postponed)
# A sink may have taken it in a run that heard no verdict: its name is still needed.
table.move(offered, Life.unreadable, offered)
table.move(offered, Life.set_aside, quarantined)
table.move(offered, Life.delete_unread, accepted)
table.move(offered, Life.mark_seen, seen)
table.move(offered, Life.forget, gone)

table.move(refused, Life.offer, offered)
# Its sender was told after the refusal.
table.move(refused, Life.accept, accepted)
table.move(refused, Life.refuse, refused)
table.move(refused, Life.postpone, postponed)
table.move(refused, Life.unreadable, refused)
table.move(refused, Life.set_aside, quarantined)
table.move(refused, Life.delete_unread, accepted)
table.move(refused, Life.mark_seen, seen)
table.move(refused, Life.forget, gone)

table.move(postponed, Life.offer, offered)
table.move(postponed, Life.accept, accepted)
table.move(postponed, Life.refuse, refused)
table.move(postponed, Life.postpone, postponed)
table.move(postponed, Life.unreadable, postponed)
table.move(postponed, Life.set_aside, quarantined)
table.move(postponed, Life.delete_unread, accepted)
table.move(postponed, Life.mark_seen, seen)
table.move(postponed, Life.forget, gone)

table.move(quarantined, Life.retry, refused)
table.move(quarantined, Life.drop, accepted)
table.move(quarantined, Life.unreadable, quarantined)
table.move(quarantined, Life.delete_unread, accepted)
table.move(quarantined, Life.mark_seen, seen)
table.move(quarantined, Life.forget, gone)

# Whoever accepted it before: under fetchall and keep it is offered again.
table.move(accepted, Life.offer, offered)
table.move(accepted, Life.accept, accepted)
# It was asked for before it was accepted.
table.move(accepted, Life.unreadable, accepted)
table.move(accepted, Life.delete_unread, accepted)
table.move(accepted, Life.mark_seen, seen)
table.move(accepted, Life.forget, gone)

table.move(seen, Life.offer, offered)
table.move(seen, Life.unreadable, refused)
table.move(seen, Life.delete_unread, accepted)
table.move(seen, Life.mark_seen, seen)
table.move(seen, Life.forget, gone)


def following() -> Mapping[str, Mapping[str, str]]:
    """Return for each input the state that a row is in after it, by the state before."""
    rows: dict[str, dict[str, str]] = {}
    for before, name, after in table.rows:
        rows.setdefault(name, {})[before.name] = after.name
    return rows


TABLE = following()


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
