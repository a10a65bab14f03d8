"""The state tables of both sides: every listed pair is allowed, and every other is not."""

from __future__ import annotations

from typing import Any

import pytest
from automat import NoTransition

from mailhaul.protocols.smtp import client_states, server_states
from mailhaul.protocols.transitions import Place

CLIENT = """
greeting: welcomed start, turned_away parting
start: introduction_sent introducing, quit_sent quitting, going_away parting, ended closed
introducing: introduced ready, not_introduced start
ready: introduction_sent introducing, start_tls_sent tls-pending, mail_sent envelope
ready: envelope_sent data-pending
ready: auth_sent authenticating, etrn_sent ready
ready: rset_sent ready, noop_sent ready, quit_sent quitting, going_away parting, ended closed
tls-pending: tls_granted tls-handover, tls_refused ready
tls-handover: tls_started start
envelope: rcpt_sent envelope, data_sent data-pending, mail_refused ready, rset_sent ready
authenticating: auth_over ready, going_away parting
envelope: bdat_sent chunk
chunk: chunk_over chunking, last_chunk_over ready
chunking: bdat_sent chunk, rset_sent ready, noop_sent chunking, quit_sent quitting
chunking: going_away parting
envelope: noop_sent envelope, quit_sent quitting, going_away parting
data-pending: mail_refused data-pending, text_granted body, empty_text_granted lone-dot
data-pending: data_refused envelope, all_refused ready, going_away parting
body: dot_sent ready, text_cut_short cut-short
lone-dot: dot_sent lone-dot-pending, text_cut_short cut-short
lone-dot-pending: lone_dot_answered ready
cut-short: ended closed
parting: auth_over parting, mail_refused parting, data_refused parting, all_refused parting
parting: quit_sent quitting, going_away parting, ended closed
quitting: going_away quitting, quit_answered done
done: going_away done, ended closed
closed:
"""

SERVER = """
greeting: welcomed start, turned_away parting
start: introduction_heard start, introduced ready, noop_heard start, rset_heard start
start: quit_heard parting, start_tls_heard start, tls_granted tls-handover
ready: introduction_heard start, noop_heard ready, rset_heard ready, quit_heard parting
ready: auth_heard ready
ready: start_tls_heard ready, tls_granted tls-handover, mail_heard ready, mail_taken sender
tls-handover: tls_started start
sender: introduction_heard start, noop_heard sender, rset_heard ready, quit_heard parting
sender: rcpt_heard sender, rcpt_taken recipients
recipients: introduction_heard start, noop_heard recipients, rset_heard ready
recipients: quit_heard parting, rcpt_heard recipients, rcpt_taken recipients
recipients: data_heard recipients, data_granted body, bdat_heard chunking
chunking: bdat_heard chunking, text_over ready, chunk_refused ready
chunking: introduction_heard start, noop_heard chunking, rset_heard ready, quit_heard parting
body: text_over ready
parting: quit_heard parting
"""

Table = dict[str, dict[str, str]]


def table_of(text: str) -> Table:
    table: Table = {}
    for line in text.strip().splitlines():
        state, _, moves = line.partition(":")
        row = table.setdefault(state, {})
        row.update(tuple(move.split()) for move in moves.split(",") if move.strip())  # type: ignore[misc]  # a pair each
    return table


def inputs_of(module: Any) -> list[str]:
    return [name for name in vars(module.Dialogue) if not name.startswith("_")]


def pairs(module: Any, table: Table) -> list[Any]:
    return [
        pytest.param(module, state, name, moves.get(name), id=f"{state}-{name}")
        for state, moves in table.items()
        for name in inputs_of(module)
    ]


def states_of(module: Any) -> dict[str, Any]:
    return {str(state): state for state in module.table.states}


@pytest.mark.parametrize(
    ("module", "state", "name", "expected"),
    [*pairs(client_states, table_of(CLIENT)), *pairs(server_states, table_of(SERVER))],
)
def test_each_pair_leads_where_the_table_says_or_is_refused(
    module: Any, state: str, name: str, expected: str | None
) -> None:
    place = Place(states_of(module)[state])
    dialogue = module.table.dialogue(place)
    if expected is None:
        with pytest.raises(NoTransition):
            getattr(dialogue, name)()
        assert place.state == state
    else:
        getattr(dialogue, name)()
        assert place.state == expected


@pytest.mark.parametrize(
    ("module", "table"),
    [(client_states, CLIENT), (server_states, SERVER)],
    ids=["client", "server"],
)
def test_the_table_lists_every_state(module: Any, table: str) -> None:
    assert states_of(module).keys() == table_of(table).keys()


@pytest.mark.parametrize("module", [client_states, server_states], ids=["client", "server"])
def test_a_new_dialogue_waits_for_the_greeting(module: Any) -> None:
    place = module.table.begin()
    module.table.dialogue(place).welcomed()
    assert place.state == "start"
