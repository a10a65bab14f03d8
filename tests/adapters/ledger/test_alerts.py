"""What users were told outlives the program."""

from __future__ import annotations

from mailhaul.adapters.ledger.alerts import AlertBook
from mailhaul.flows.alerts import Alert
from mailhaul.flows.outcome import ExitCode

from .conftest import Stores

NAME = "j\udcf6rg@server"
ALERT = Alert(f"entry {NAME}", NAME, 100, ExitCode.SOCKET)


def test_an_alert_is_there_until_it_ends(store: Stores) -> None:
    ledger = store()
    assert not ledger.has_alerts()
    AlertBook(ledger).tell(ALERT)
    ledger.close()
    again = store()
    book = AlertBook(again)
    assert list(book.told()) == [ALERT]
    assert again.has_alerts()
    book.end([ALERT])
    assert list(book.told()) == []
    assert not again.has_alerts()
    again.close()


def test_a_problem_is_said_once_until_it_is_over(store: Stores) -> None:
    book = AlertBook(ledger := store())
    assert book.say_once(NAME, "hook")
    assert not book.say_once(NAME, "hook")
    assert book.say_once("other", "hook")
    assert book.say_once(NAME, "mail")
    assert not ledger.has_alerts()
    book.over(NAME, "hook")
    assert book.say_once(NAME, "hook")
    assert not book.say_once(NAME, "mail")
    # Another trouble, which began at another time, is another matter.
    assert book.say_once(NAME, "on-failure", 100)
    assert not book.say_once(NAME, "on-failure", 100)
    assert book.say_once(NAME, "on-failure", 200)
    ledger.close()
