"""The states of a message in the ledger, and the inputs that change them.

An input is an event that the ledger records about a message. A row that is *new* or *gone* is not
in the ledger. The store uses this table: it changes a row only if the table allows the input in
the row's state.
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


@dataclass(slots=True)
class Facts:
    """The state of a row."""

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
# The offer was lost when the process was killed, or the message was never in the ledger.
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
# A sink may have accepted it in a run that received no verdict: its name is still needed.
move(offered, Life.unreadable, offered)
move(offered, Life.set_aside, quarantined)
move(offered, Life.delete_unread, accepted)
move(offered, Life.mark_seen, seen)
move(offered, Life.forget, gone)

move(refused, Life.offer, offered)
# Its bounce was sent after the refusal.
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

# With fetchall and keep an accepted message is offered again.
move(accepted, Life.offer, offered)
move(accepted, Life.accept, accepted)
# It was requested before it was accepted.
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
    """Return, for each input, a mapping from the state before to the state after it."""
    automaton: Any = builder._automaton  # pyright: ignore[reportPrivateUsage]
    rows: dict[str, dict[str, str]] = {}
    for before, name, after, _ in automaton.allTransitions():
        rows.setdefault(name, {})[before.name] = after.name
    return rows


TABLE = table()


class WrongRow(Exception):
    """An input is not allowed in the state of the row."""

    def __init__(self, state: str, name: str) -> None:
        super().__init__(f"input {name!r} is not allowed in state {state!r}")


def after(state: str | None, event: Callable[..., None]) -> str:
    """Return the state of a row after an input; None stands for no row. Raises WrongRow."""
    before = state or new.name
    try:
        return TABLE[event.__name__][before]
    except KeyError:
        raise WrongRow(before, event.__name__) from None


def before(event: Callable[..., None]) -> tuple[str, ...]:
    """Return the states of rows under way in which an input is allowed."""
    return tuple(state for state in TABLE[event.__name__] if state not in {new.name, seen.name})
