"""How mailhaul's cost grows: with the number of messages, their size, and the number of accounts.

Time should be in proportion to the amount, and memory should stay as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .mail import Mix
from .scenarios import Scenario


@dataclass(frozen=True, slots=True)
class GrowthSeries:
    """Some amounts, and the scenario for each. CPU time is shown for each ``per``."""

    name: str
    title: str
    unit: str
    per: str
    scale: float
    scaled: str
    amounts: tuple[int, ...]
    scenario: Callable[[int], Scenario]


def _messages(amount: int) -> Scenario:
    title = "IMAP to SMTP, messages of 1 KB"
    return Scenario("messages", title, "imap", "smtp", amount, (), (), sizes=Mix((1024,)))


def _size(amount: int) -> Scenario:
    return Scenario(
        "size", "IMAP to SMTP, one message", "imap", "smtp", 1, (), (), sizes=Mix((amount,))
    )


def _accounts(amount: int) -> Scenario:
    title = "accounts with 2 messages of 4 KB"
    return Scenario("accounts", title, "imap", "smtp", 2, (), (), accounts=amount)


SERIES = (
    GrowthSeries(
        "messages",
        "Messages of 1 KB, IMAP to SMTP",
        *("messages", "message", 1000, "ms"),
        (100, 1000, 10_000, 100_000),
        _messages,
    ),
    GrowthSeries(
        "size",
        "One message, IMAP to SMTP",
        *("octets", "MB", 1e9, "ms"),
        (1 << 10, 10 << 10, 100 << 10, 1 << 20, 10 << 20, 100 << 20, 1 << 30),
        _size,
    ),
    GrowthSeries(
        "accounts",
        "Accounts on one server with 2 messages of 4 KB each, IMAP to SMTP",
        *("accounts", "account", 1000, "ms"),
        (1, 10, 100, 500, 2000),
        _accounts,
    ),
)
