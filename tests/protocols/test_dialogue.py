"""The index over automat's transitions says what automat says."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

import pytest
from automat import NoTransition
from automat._core import Automaton

import mailhaul.protocols


def state_modules() -> list[ModuleType]:
    found = pkgutil.walk_packages(mailhaul.protocols.__path__, "mailhaul.protocols.")
    names = [module.name for module in found if module.name.endswith("_states")]
    return [importlib.import_module(name) for name in names]


@pytest.mark.parametrize("module", state_modules(), ids=lambda module: module.__name__)
def test_every_state_and_input_leads_where_automat_says(module: ModuleType) -> None:
    automaton = module.builder._automaton
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
    assert "outputForInput" in vars(module.builder._automaton)
