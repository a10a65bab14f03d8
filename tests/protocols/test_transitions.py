"""The index of transitions gives the same results as automat."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import Any

import pytest
from automat import NoTransition
from automat._core import Automaton

import mailhaul.protocols


def state_modules() -> list[ModuleType]:
    found = pkgutil.walk_packages(mailhaul.protocols.__path__, "mailhaul.protocols.")
    names = [module.name for module in found if module.name.endswith("_states")]
    return [importlib.import_module(name) for name in names]


def automaton_of(module: ModuleType) -> Any:
    dialogue = module.table.dialogue(module.table.begin())
    return dialogue.__automat_transitioner__._automaton


@pytest.mark.parametrize("module", state_modules(), ids=lambda module: module.__name__)
def test_automat_has_every_row_of_the_table(module: ModuleType) -> None:
    rows = automaton_of(module).allTransitions()
    told = {(str(before), name, str(after)) for before, name, after in module.table.rows}
    assert {(before.name, name, after.name) for before, name, after, _ in rows} == told
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
def test_every_dialogue_has_its_index(module: ModuleType) -> None:
    assert "outputForInput" in vars(automaton_of(module))
