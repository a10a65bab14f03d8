"""The index of transitions gives the same results as automat."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest
from automat import NoTransition, TypeMachineBuilder
from automat._core import Automaton

import mailhaul.protocols
from mailhaul.protocols.transitions import Place


def state_modules() -> list[ModuleType]:
    found = pkgutil.walk_packages(mailhaul.protocols.__path__, "mailhaul.protocols.")
    names = [module.name for module in found if module.name.endswith("_states")]
    return [importlib.import_module(name) for name in names]


def automaton_of(module: ModuleType) -> Any:
    dialogue = module.table.dialogue(module.table.begin())
    return dialogue.automaton


@pytest.mark.parametrize("module", state_modules(), ids=lambda module: module.__name__)
def test_automat_has_every_row_of_the_table(module: ModuleType) -> None:
    rows = automaton_of(module).allTransitions()
    told = {(str(before), name, str(after)) for before, name, after in module.table.rows}
    assert {(str(before), name, str(after)) for before, name, after, _ in rows} == told
    assert len(told) == len(module.table.rows)


@pytest.mark.parametrize("module", state_modules(), ids=lambda module: module.__name__)
def test_every_state_and_input_leads_where_automat_says(module: ModuleType) -> None:
    automaton = automaton_of(module)
    for state in automaton.states():
        for name in automaton.inputAlphabet():
            try:
                expected, outputs = Automaton.outputForInput(automaton, state, name)
            except NoTransition:
                with pytest.raises(NoTransition):
                    automaton.outputForInput(state, name)
            else:
                found, found_outputs = automaton.outputForInput(state, name)
                assert (found, list(found_outputs)) == (expected, list(outputs))


@pytest.mark.parametrize("module", state_modules(), ids=lambda module: module.__name__)
def test_a_dialogue_keeps_its_place_where_automat_is(module: ModuleType) -> None:
    for before, name, after in module.table.rows:
        place = Place(before)
        dialogue = module.table.dialogue(place)
        getattr(dialogue, name)()
        assert place.state is after
        assert dialogue.transitioner._state is after


@pytest.mark.parametrize("module", state_modules(), ids=lambda module: module.__name__)
def test_automats_own_builder_makes_the_same_machine(module: ModuleType) -> None:
    """The inputs are those that automat finds in the Protocol, and so are the transitions."""
    table = module.table
    builder: Any = TypeMachineBuilder(table.inputs, Place)
    states = {state: builder.state(state) for state in table.states}
    for before, name, after in table.rows:
        states[before].upon(getattr(table.inputs, name)).to(states[after]).returns(None)
    made = builder.build()(Place(table.states[0]))
    inputs = {name for name in dir(type(made)) if not name.startswith("_")}
    assert inputs == {name for name in dir(table.dialogue(table.begin())) if name in inputs}
    ours = {(str(a), b, str(c)) for a, b, c, _ in automaton_of(module).allTransitions()}
    theirs = {(a.name, b, c.name) for a, b, c, _ in builder._automaton.allTransitions()}
    assert ours == theirs
    assert automaton_of(module).initialState == builder._automaton.initialState.name


@pytest.mark.parametrize("first", ["automat", "mailhaul.protocols.transitions"])
def test_there_is_one_core_whoever_is_imported_first(first: str) -> None:
    code = (
        f"import sys, {first}\n"
        "from mailhaul.protocols import transitions\n"
        "alone = 'automat._typed' not in sys.modules\n"
        "import automat\n"
        "from automat import _core\n"
        "assert transitions.NoTransition is automat.NoTransition is _core.NoTransition\n"
        "assert transitions.Automaton is _core.Automaton\n"
        "print(alone)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == [str(first != "automat")]


def test_the_core_is_found_without_files() -> None:
    """As in a program that was packed into one file: the usual import finds it."""
    code = (
        "import sys\n"
        "from importlib.machinery import PathFinder\n"
        "usual = PathFinder.find_spec\n"
        "PathFinder.find_spec = lambda *_: None\n"
        "class Finder:\n"
        "    find_spec = staticmethod(usual)\n"
        "sys.meta_path.append(Finder)\n"
        "from mailhaul.protocols import transitions\n"
        "assert 'automat._typed' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
