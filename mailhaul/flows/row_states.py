"""The states of a message in the ledger, and the inputs that change them.

An input is an event that the ledger records about a message. A row that is *new* or *gone* is not
in the ledger. The store uses this table: it changes a row only if the table allows the input in
the row's state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from ..protocols.transitions import Table


class Life(Protocol):
    """What can happen to a message."""

    def offer(self) -> None:
        """It is about to be sent to the sink."""

    def accept(self) -> None:
        """The sink accepted it, or its bounce has been sent."""

    def refuse(self) -> None:
        """The sink refused it permanently."""

    def postpone(self) -> None:
        """The sink postponed it, or its verdict is not known."""

    def unreadable(self) -> None:
        """The server did not send its text."""

    def set_aside(self) -> None:
        """It failed so often that it is no longer offered."""

    def retry(self) -> None:
        """The user wants it to be offered again."""

    def drop(self) -> None:
        """The user wants it to be deleted from the server."""

    def delete_unread(self) -> None:
        """The user's options require that it is deleted without delivery."""

    def mark_seen(self) -> None:
        """It was accepted and is kept, or is not read for another reason."""

    def forget(self) -> None:
        """The server has done the pending action, or no longer has the message."""


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
# The offer was lost when the process was killed, or the message was never in the ledger.
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
# A sink may have accepted it in a run that received no verdict: its name is still needed.
table.move(offered, Life.unreadable, offered)
table.move(offered, Life.set_aside, quarantined)
table.move(offered, Life.delete_unread, accepted)
table.move(offered, Life.mark_seen, seen)
table.move(offered, Life.forget, gone)

table.move(refused, Life.offer, offered)
# Its bounce was sent after the refusal.
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

# With fetchall and keep an accepted message is offered again.
table.move(accepted, Life.offer, offered)
table.move(accepted, Life.accept, accepted)
# It was requested before it was accepted.
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
    """Return, for each input, a mapping from the state before to the state after it."""
    rows: dict[str, dict[str, str]] = {}
    for before, name, after in table.rows:
        rows.setdefault(name, {})[before] = after
    return rows


TABLE = following()


class WrongRow(Exception):
    """An input is not allowed in the state of the row."""

    def __init__(self, state: str, name: str) -> None:
        super().__init__(f"input {name!r} is not allowed in state {state!r}")


def after(state: str | None, event: Callable[..., None]) -> str:
    """Return the state of a row after an input; None stands for no row. Raises WrongRow."""
    before = state or new
    try:
        return TABLE[event.__name__][before]
    except KeyError:
        raise WrongRow(before, event.__name__) from None


def before(event: Callable[..., None]) -> tuple[str, ...]:
    """Return the states of rows under way in which an input is allowed."""
    return tuple(state for state in TABLE[event.__name__] if state not in {new, seen})
