"""State tables: states, inputs, and the transitions between states.

The inputs of a dialogue are the methods of a Protocol class, documented by their docstrings. The
states are objects, so that a type checker reports a misspelt one:

    table = Table(Dialogue)
    greeting = table.state("greeting")      # the first state is the initial state
    ready = table.state("ready")
    table.move(greeting, Dialogue.welcomed, ready)

automat runs the table: the inputs and states of a dialogue are symbols of an Automaton, and a
Transitioner keeps its state. Only this module depends on automat's internals: automat searches all
transitions at every input, which takes 5 microseconds for sixty transitions. The index that this
module adds reduces that to 0.6. A test checks that both give the same results.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

if TYPE_CHECKING:
    from types import ModuleType

    from automat import NoTransition as NoTransition  # noqa: PLC0414  # machines catch it
    from automat._core import Automaton, Transitioner


def load_core() -> ModuleType:
    """Import automat._core, and the rest of automat only where that is unavoidable.

    The rest is other ways to write a machine. They need ``inspect`` and ``dataclasses``, and with
    these take a third of the time of a poll that finds no mail. If anybody imports automat later,
    it uses this same module.
    """
    from importlib import import_module
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    name = "automat._core"
    package = None if name in sys.modules else PathFinder.find_spec("automat")
    spec = package and PathFinder.find_spec(name, package.submodule_search_locations)
    if not spec or not spec.loader:
        return import_module(name)
    sys.modules[name] = core = module_from_spec(spec)
    spec.loader.exec_module(core)
    return core


if not TYPE_CHECKING:
    core = load_core()
    Automaton, NoTransition, Transitioner = core.Automaton, core.NoTransition, core.Transitioner

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
        self._kind: type[Running] | None = None

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

        Its methods raise NoTransition for an input without a transition.
        """
        if self._kind is None:
            # Built at the first use: most runs need only one role of two protocols.
            self._kind = self._build()
        return cast("Inputs", self._kind(place))

    def _build(self) -> type[Running]:
        automaton = IndexedAutomaton(self.states[0], self.rows)
        inputs = [name for name in dir(self.inputs) if not name.startswith("_")]
        methods = {name: input_method(name) for name in inputs}
        return type("Dialogue", (Running,), {"__slots__": (), "automaton": automaton, **methods})


class IndexedAutomaton(Automaton[State, str, State]):
    """An automaton that does not search for a transition. The output is the state it leads to."""

    def __init__(self, initial: State, rows: Sequence[Row]) -> None:
        super().__init__(initial)
        for before, name, after in rows:
            self.addTransition(before, name, after, (after,))
        self._index = {
            (before, name): (after, outputs)
            for before, name, after, outputs in self.allTransitions()
        }

    def outputForInput(  # noqa: N802
        self,
        inState: State,  # noqa: N803
        inputSymbol: str,  # noqa: N803
    ) -> tuple[State, Sequence[State]]:
        """Return what follows. Raises NoTransition."""
        try:
            return self._index[inState, inputSymbol]
        except KeyError:
            raise NoTransition(inState, inputSymbol) from None


class Running:
    """A dialogue under way. The dialogues of each table are a subclass that has their inputs."""

    __slots__ = ("place", "transitioner")
    automaton: IndexedAutomaton

    def __init__(self, place: Place) -> None:
        self.place = place
        self.transitioner = Transitioner(self.automaton, place.state)


def input_method(name: str) -> Callable[[Running], None]:
    """Return the method for an input of a dialogue."""

    def move(self: Running) -> None:
        (after,), _ = self.transitioner.transition(name)
        self.place.state = after

    return move
