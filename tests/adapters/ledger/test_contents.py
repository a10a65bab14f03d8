"""Contents that were delivered from other folders: for how long they are known."""

from __future__ import annotations

import pytest

from mailhaul.adapters.ledger.reading import COPY_SECONDS
from mailhaul.flows.account import Action
from mailhaul.flows.ledger import Acceptance
from mailhaul.flows.outcome import Outcome, Verdict
from mailhaul.flows.source import Listed

from .conftest import Stores

DAY = 86_400
NOW = 1_800_000_000


@pytest.mark.parametrize(
    ("later", "known"),
    [(0, True), (COPY_SECONDS - DAY, True), (COPY_SECONDS + DAY, False), (-365 * DAY, False)],
    ids=["at once", "within the time", "after it", "recorded by a clock that was ahead"],
)
def test_a_content_is_known_for_some_time_after_its_delivery(
    store: Stores, later: int, known: bool
) -> None:
    moment = NOW
    ledger = store(lambda: float(moment))
    page = ledger.page("imap joe@h", "maildir Mail", "INBOX", 1)
    page.reserve([Listed(1, 100)])
    page.contents = {1: b"content"}
    page.accept([Acceptance(1, 100, Action.DELETE, Outcome(Verdict.ACCEPTED))])
    moment = NOW + later
    other = ledger.page("imap joe@h", "maildir Mail", "Other", 1)
    found = other.reading().known_contents([b"content", b"unknown"])
    assert dict(found) == ({b"content": 100} if known else {})
