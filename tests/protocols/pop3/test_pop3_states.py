"""The state tables of both sides: every listed pair is allowed, and every other is not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from automat import NoTransition

from mailhaul.protocols.pop3 import client_states, server_states

CLIENT = """
greeting: welcomed authorization, turned_away leaving
authorization: assumed_authenticated transaction
authorization: question_sent authorization, utf8_sent authorization
authorization: start_tls_sent tls-pending, user_sent naming, login_sent authenticating
authorization: quit_sent quitting, closed closed
tls-pending: start_tls_granted tls-handover, start_tls_refused authorization
tls-handover: tls_started authorization, closed closed
naming: user_taken named, user_refused authorization, password_sent logging-in
logging-in: user_taken authenticating, user_refused authenticating
named: question_sent named, user_sent naming, password_sent authenticating
named: login_sent authenticating, quit_sent quitting, closed closed
authenticating: login_granted transaction, login_refused authorization
transaction: question_sent transaction, maildrop_command_sent transaction
transaction: quit_sent quitting, closed closed
quitting: quit_answered leaving
leaving: closed closed
closed:
"""

SERVER = """
start: welcomed authorization, turned_away leaving
authorization: question_heard authorization, utf8_heard authorization
authorization: start_tls_heard authorization, start_tls_granted tls-handover
authorization: user_heard authorization, user_taken named, login_heard authorization
authorization: login_granted transaction, login_refused authorization, quit_heard leaving
tls-handover: tls_started authorization
named: question_heard named, user_heard named, user_taken named, password_heard named
named: utf8_heard named, start_tls_heard named, start_tls_granted tls-handover
named: login_heard named, login_granted transaction, login_refused authorization
named: quit_heard leaving
transaction: question_heard transaction, maildrop_command_heard transaction
transaction: quit_heard leaving
leaving:
"""

PATHS = {
    "client": {
        "greeting": "",
        "authorization": "welcomed",
        "tls-pending": "welcomed start_tls_sent",
        "tls-handover": "welcomed start_tls_sent start_tls_granted",
        "naming": "welcomed user_sent",
        "logging-in": "welcomed user_sent password_sent",
        "named": "welcomed user_sent user_taken",
        "authenticating": "welcomed login_sent",
        "transaction": "welcomed assumed_authenticated",
        "quitting": "welcomed quit_sent",
        "leaving": "turned_away",
        "closed": "turned_away closed",
    },
    "server": {
        "start": "",
        "authorization": "welcomed",
        "tls-handover": "welcomed start_tls_heard start_tls_granted",
        "named": "welcomed user_heard user_taken",
        "transaction": "welcomed login_heard login_granted",
        "leaving": "turned_away",
    },
}
"""How each state is reached from the first."""

MODULES: dict[str, Any] = {"client": client_states, "server": server_states}
Table = dict[str, dict[str, str]]


def table_of(text: str) -> Table:
    table: Table = {}
    for line in text.strip().splitlines():
        state, _, moves = line.partition(":")
        row = table.setdefault(state, {})
        row.update(tuple(move.split()) for move in moves.split(",") if move.strip())  # type: ignore[misc]  # a pair each
    return table


TABLES = {"client": table_of(CLIENT), "server": table_of(SERVER)}


def inputs_of(role: str) -> list[str]:
    names: Iterable[str] = MODULES[role].Dialogue.__dict__
    return [name for name in names if not name.startswith("_")]


def in_state(role: str, state: str) -> tuple[Any, Any]:
    place = MODULES[role].table.begin()
    dialogue = MODULES[role].table.dialogue(place)
    for name in PATHS[role][state].split():
        getattr(dialogue, name)()
    assert place.state == state
    return dialogue, place


@pytest.mark.parametrize(
    ("role", "state", "name", "expected"),
    [
        pytest.param(role, state, name, moves.get(name), id=f"{role}-{state}-{name}")
        for role, table in TABLES.items()
        for state, moves in table.items()
        for name in inputs_of(role)
    ],
)
def test_each_pair_leads_where_the_table_says_or_is_refused(
    role: str, state: str, name: str, expected: str | None
) -> None:
    dialogue, place = in_state(role, state)
    if expected is None:
        with pytest.raises(NoTransition):
            getattr(dialogue, name)()
        assert place.state == state
    else:
        getattr(dialogue, name)()
        assert place.state == expected


@pytest.mark.parametrize("role", ["client", "server"])
def test_the_table_lists_every_state_and_names_only_inputs_there_are(role: str) -> None:
    states = MODULES[role].table.states
    table = TABLES[role]
    assert {str(state) for state in states} == table.keys() == PATHS[role].keys()
    assert {name for moves in table.values() for name in moves} == set(inputs_of(role))
