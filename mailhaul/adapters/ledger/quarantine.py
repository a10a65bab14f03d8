"""The messages that were set aside: list them, retry them, or drop them.

The messages themselves stay on their servers; the ledger has only their records.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...flows.account import Action
from ...flows.row_states import Life, after, quarantined
from ...flows.source import Uid
from ...protocols.record import Record
from .names import as_text
from .store import SqlLedger


class Stuck(Record):
    """One message in quarantine. Times are Unix time, ``size`` is in octets."""

    key: str
    account: str
    sink: str
    mailbox: str
    uid: Uid
    size: int
    tries: int
    since: int
    tried: int
    reason: str


KEY = "substr(message.name, length(message.name) - 15, 8)"
"""The key of a message for the user: a part of the name of its last offer (``new_name``)."""
LIST = f"""
SELECT {KEY}, account, sink.name, mailbox.name, uid, size, tries, since, tried, reason
    FROM message JOIN mailbox ON mailbox.id = mailbox JOIN sink ON sink.id = sink
    WHERE state = '{quarantined}' ORDER BY account, mailbox.name, since, uid
"""  # noqa: S608  KEY is ours
RETRY = f"""
UPDATE message SET state = ?, tries = 0, since = 0
    WHERE state = '{quarantined}' AND {KEY} = ?
"""  # noqa: S608
DROP = f"""
UPDATE message SET state = ?, action = ?, tries = 0, tried = 0
    WHERE state = '{quarantined}' AND {KEY} = ?
"""  # noqa: S608


def stuck(ledger: SqlLedger) -> Sequence[Stuck]:
    """Return all messages in quarantine. Raises LedgerFault."""
    rows = ledger.write(lambda db: db.execute(LIST).fetchall())
    return [
        Stuck(
            *(key, as_text(account), as_text(sink), as_text(mailbox)),
            ledger.from_column(uid),
            *rest,
        )
        for key, account, sink, mailbox, uid, *rest in rows
    ]


def retry(ledger: SqlLedger, keys: Sequence[str]) -> None:
    """Let the next poll offer these messages again. Raises LedgerFault."""
    state = after(quarantined, Life.retry)
    ledger.write(lambda db: db.executemany(RETRY, [(state, key) for key in keys]))


def drop(ledger: SqlLedger, keys: Sequence[str]) -> None:
    """Let the next poll delete these messages from their servers. Raises LedgerFault."""
    state, action = after(quarantined, Life.drop), Action.DELETE.value
    ledger.write(lambda db: db.executemany(DROP, [(state, action, key) for key in keys]))
    ledger.make_durable()
