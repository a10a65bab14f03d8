"""State tables: states, inputs, and the transitions between states.

The inputs of a dialogue are the methods of a Protocol class, documented by their docstrings. The
states are objects, so that a type checker reports a misspelt one:

    table = Table(Dialogue)
    greeting = table.state("greeting")      # the first state is the initial state
    ready = table.state("ready")
    table.move(greeting, Dialogue.welcomed, ready)

automat runs the table. Only this module depends on automat's internals: automat searches all
transitions at every input, which takes 5 microseconds for sixty transitions. The index that this
module adds reduces that to 0.6. A test checks that both give the same results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from automat import NoTransition, TypeMachineBuilder

Inputs = TypeVar("Inputs")


class State(str):
    """One state of one table. It is a string, its name, so that it can be printed and stored.

    Compare it with the states of its table by ``is`` or ``in``, never with a plain string.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<state {self}>"


Row = tuple[State, str, State]
"""A state, the name of an input, and the state that follows."""


class Place:
    """The current state of one dialogue."""

    __slots__ = ("state",)

    def __init__(self, state: State) -> None:
        self.state = state


class Table(Generic[Inputs]):
    """The transitions of one kind of dialogue. An input without a transition is not allowed."""

    def __init__(self, inputs: Callable[[], Inputs]) -> None:
        # A Protocol class: type checkers do not let it be instantiated.
        self.inputs: Any = inputs
        self.states: list[State] = []
        self.rows: list[Row] = []
        self._machine: Callable[[Place, Any], Inputs] | None = None
        self._built: dict[State, Any] = {}

    def state(self, name: str) -> State:
        """Add a state. The first one added is the initial state."""
        state = State(name)
        self.states.append(state)
        return state

    def move(self, before: State, upon: Callable[[Inputs], None], after: State) -> None:
        """Add a transition: in state ``before``, this input leads to state ``after``."""
        self.rows.append((before, upon.__name__, after))

    def begin(self) -> Place:
        """Return the place of a new dialogue, which is in the initial state."""
        return Place(self.states[0])

    def dialogue(self, place: Place) -> Inputs:
        """Return a dialogue that starts at a place and keeps that place up to date.

        Its methods raise automat.NoTransition for an input without a transition.
        """
        if self._machine is None:
            # Built at the first use: most runs need only one role of two protocols.
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
    """Return the function that automat calls when a dialogue enters a state."""

    def enter(inputs: object, place: Place) -> None:
        place.state = state

    return enter


def give_index(automaton: Any) -> None:
    """Give an automaton an index, so that it need not search for a transition."""
    # By identity: hashing one of automat's states would hash all its fields.
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
