"""What all dialogues share: the rows of a table, and a machine that finds its row at once.

Automat goes through all its transitions at every input: 5 microseconds where there are sixty, and
0.6 with the index that ``assemble`` gives it. This is the one place that knows automat from inside;
a test shows that the index says what automat says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from automat import NoTransition, TypeMachineBuilder

Inputs = TypeVar("Inputs")
Core = TypeVar("Core")


def move(origin: Any, upon: Callable[..., None], target: Any) -> None:
    """Let an input lead from one state to another, and the facts say so."""

    @origin.upon(upon).to(target)  # type: ignore[untyped-decorator]  # one row for any state
    def enter(inputs: object, facts: Any) -> None:
        facts.state = target.name


def assemble(builder: TypeMachineBuilder[Inputs, Core]) -> Callable[[Core], Inputs]:
    """Return what makes a dialogue from its facts, as ``builder.build()`` does."""
    make = builder.build()
    automaton: Any = builder._automaton  # pyright: ignore[reportPrivateUsage]
    table: dict[tuple[object, str], tuple[object, Sequence[object]]] = {
        (old, name): (new, outputs) for old, name, new, outputs in automaton.allTransitions()
    }

    def output_for_input(state: object, name: str) -> tuple[object, Sequence[object]]:
        try:
            return table[state, name]
        except KeyError:
            raise NoTransition(state=state, symbol=name) from None

    automaton.outputForInput = output_for_input
    return make
