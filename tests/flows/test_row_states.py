"""The states of a row in the ledger."""

from __future__ import annotations

import re

import pytest

from mailhaul.adapters.ledger.schema import TABLES
from mailhaul.flows.row_states import TABLE, Life, WrongRow, after, before


def test_the_ledger_allows_the_states_of_the_table_and_no_others() -> None:
    check = re.search(r"state IN\s*\((.*?)\)", " ".join(TABLES))
    assert check
    states = {state for row in TABLE.values() for pair in row.items() for state in pair}
    assert set(re.findall(r"'(\w+)'", check[1])) == states - {"new", "gone", "seen"}


@pytest.mark.parametrize(
    ("state", "upon", "then"),
    [
        (None, Life.offer, "offered"),
        ("offered", Life.accept, "accepted"),
        ("offered", Life.unreadable, "offered"),
        ("refused", Life.offer, "offered"),
        ("refused", Life.set_aside, "quarantined"),
        ("quarantined", Life.retry, "refused"),
        ("quarantined", Life.drop, "accepted"),
        ("accepted", Life.mark_seen, "seen"),
        ("accepted", Life.forget, "gone"),
    ],
)
def test_a_row_goes_where_the_table_says(state: str | None, upon: object, then: str) -> None:
    assert after(state, upon) == then  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "upon"),
    [
        ("quarantined", Life.offer),
        ("quarantined", Life.accept),
        ("accepted", Life.refuse),
        ("accepted", Life.set_aside),
        ("gone", Life.offer),
    ],
)
def test_inputs_that_are_not_in_the_table_are_refused(state: str, upon: object) -> None:
    with pytest.raises(WrongRow, match=state):
        after(state, upon)  # type: ignore[arg-type]


def test_nothing_leads_to_a_deletion_but_acceptance_and_the_user() -> None:
    """Only accepted messages may be deleted from the server."""
    leading = {
        name
        for name, row in TABLE.items()
        for state, then in row.items()
        if then == "accepted" != state
    }
    assert leading == {"accept", "drop", "delete_unread"}
    assert set(before(Life.set_aside)) == {"offered", "refused", "postponed"}
