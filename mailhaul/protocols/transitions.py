"""How a dialogue is written down and run: states, inputs, and which state follows.

A dialogue's inputs are the methods of a Protocol class, whose docstrings say what each input is.
Its states are values, so that a misspelt one is an error of the type checker:

    table = Table(Dialogue)
    greeting = table.state("greeting")      # the first state is the one a dialogue begins in
    ready = table.state("ready")
    table.move(greeting, Dialogue.welcomed, ready)

automat runs it. This is the only module that knows automat from inside: automat goes through all
transitions at every input, which takes 5 microseconds where there are sixty, and 0.6 with the index
that is given to it here. A test shows that the index says what automat says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from automat import NoTransition, TypeMachineBuilder

Inputs = TypeVar("Inputs")


class State(str):
    """One state of one table. It is its name, so that it can be printed and stored.

    Code compares it with the states of its table, by ``is`` or ``in``, and never with bare text.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<state {self}>"


Row = tuple[State, str, State]
"""A state, the name of an input, and the state that follows."""


class Place:
    """Where one dialogue stands."""

    __slots__ = ("state",)

    def __init__(self, state: State) -> None:
        self.state = state


class Table(Generic[Inputs]):
    """The transitions of a kind of dialogue. Anything that is not listed is refused."""

    def __init__(self, inputs: Callable[[], Inputs]) -> None:
        # A Protocol class: for type checkers it is none that could be instantiated.
        self.inputs: Any = inputs
        self.states: list[State] = []
        self.rows: list[Row] = []
        self._machine: Callable[[Place, Any], Inputs] | None = None
        self._built: dict[State, Any] = {}

    def state(self, name: str) -> State:
        """Add a state. The first one is the one that a dialogue begins in."""
        state = State(name)
        self.states.append(state)
        return state

    def move(self, before: State, upon: Callable[[Inputs], None], after: State) -> None:
        """Let an input lead from one state to another."""
        self.rows.append((before, upon.__name__, after))

    def begin(self) -> Place:
        """Return the place of a dialogue that begins."""
        return Place(self.states[0])

    def dialogue(self, place: Place) -> Inputs:
        """Return a dialogue that goes on from a place and keeps it up to date.

        Its methods raise NoTransition for an input that the table does not list.
        """
        if self._machine is None:
            # Not before the first use: most runs need one role of two protocols.
            self._machine = self._build()
        return self._machine(place, self._built[place.state])

    def _build(self) -> Callable[[Place, Any], Inputs]:
        builder: TypeMachineBuilder[Inputs, Place] = TypeMachineBuilder(self.inputs, Place)
        self._built = {state: builder.state(str(state)) for state in self.states}
        for before, name, after in self.rows:
            registrar: Any = self._built[before].upon(getattr(self.inputs, name))
            registrar.to(self._built[after])(entering(after))
        machine = builder.build()
        automaton: Any = builder._automaton  # pyright: ignore[reportPrivateUsage]
        give_index(automaton)
        return machine


def entering(state: State) -> Callable[[object, Place], None]:
    """Return what automat calls when a dialogue comes to a state."""

    def enter(inputs: object, place: Place) -> None:
        place.state = state

    return enter


def give_index(automaton: Any) -> None:
    """Let an automaton find a transition at once."""
    # By identity: the hash of a state of automat's is computed from all its fields.
    index: dict[tuple[int, str], tuple[object, Sequence[object]]] = {
        (id(before), name): (after, outputs)
        for before, name, after, outputs in automaton.allTransitions()
    }

    def output_for_input(state: object, name: str) -> tuple[object, Sequence[object]]:
        try:
            return index[id(state), name]
        except KeyError:
            raise NoTransition(state=state, symbol=name) from None

    automaton.outputForInput = output_for_input
