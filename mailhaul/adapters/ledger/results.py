"""What the ledger says about entries of the rc file: how their polls ended, and what waits.

``SqlLedger.record_result`` writes the results.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ...flows.outcome import GOOD, NEUTRAL, ExitCode, PollResult
from ...flows.row_states import offered, postponed, quarantined, refused
from ...protocols.record import Record, replace
from .names import as_text, stored
from .store import SqlLedger, words_of

if TYPE_CHECKING:
    from .statements import Statements


class EntryResult(Record):
    """How the polls of one entry ended. Times are Unix time, 0 for never.

    ``code`` is that of the last poll, None if it is not known. ``failures`` counts the failed polls
    since the last success; ``since`` is the time of the first of them. The poll that failed last,
    however long ago, has ``error_time``, ``error_code`` and ``error_words``. ``codes`` counts all
    polls by the names of their codes, and ``seconds`` and what follows are sums over all polls.
    """

    entry: str
    time: int = 0
    code: ExitCode | None = None
    words: str = ""
    failures: int = 0
    since: int = 0
    success: int = 0
    error_time: int = 0
    error_code: ExitCode | None = None
    error_words: str = ""
    polls: int = 0
    codes: Mapping[str, int] = {}
    seconds: float = 0.0
    fetched: int = 0
    delivered: int = 0
    octets: int = 0
    refused: int = 0
    postponed: int = 0
    spam: int = 0


class Waiting(Record):
    """What waits in one mailbox: messages that are not yet delivered, and still on their server.

    ``queued`` are offered again at the next poll, as are those ``refused``; those ``quarantined``
    wait for the user. ``oldest`` is when the first of them was offered first (Unix time).
    """

    account: str
    mailbox: str
    queued: int = 0
    refused: int = 0
    quarantined: int = 0
    oldest: int = 0


COLUMNS = (
    "entry, time, code, words, failures, since, success, error_time, error_code, error_words,"
    " polls, codes, seconds, fetched, delivered, octets, refused, postponed, spam"
)
# The name of an offer is its time, and 18 more characters (``new_name``).
WAITING = f"""
SELECT account, mailbox.name, count(*) FILTER (WHERE state IN ('{offered}', '{postponed}')),
    count(*) FILTER (WHERE state = '{refused}'), count(*) FILTER (WHERE state = '{quarantined}'),
    min(CAST(substr(message.name, 1, length(message.name) - 18) AS bigint))
    FROM message JOIN mailbox ON mailbox.id = mailbox
    WHERE state IN ('{offered}', '{postponed}', '{refused}', '{quarantined}')
    GROUP BY account, mailbox.name ORDER BY account, mailbox.name
"""  # noqa: S608  the states are ours


def entry_results(ledger: SqlLedger) -> Mapping[str, EntryResult]:
    """Return how the polls of each entry ended, by its name. Raises LedgerFault."""
    query = f"SELECT {COLUMNS} FROM result ORDER BY entry"  # noqa: S608
    rows = ledger.write(lambda db: db.execute(query).fetchall())
    results = map(result_of, rows)
    return {result.entry: result for result in results}


def entry_result(ledger: SqlLedger, entry: str) -> EntryResult:
    """Return how the polls of one entry ended. Raises LedgerFault."""
    query = f"SELECT {COLUMNS} FROM result WHERE entry = ?"  # noqa: S608
    row = ledger.write(lambda db: db.execute(query, (stored(entry),)).fetchone())
    return result_of(row) if row else EntryResult(entry)


def with_result(before: EntryResult, result: PollResult) -> EntryResult:
    """Return what ``SqlLedger.record_result`` makes of a row, for a copy in memory."""
    code, when = result.code, int(result.when)
    good = code in GOOD
    bad = not good and code not in NEUTRAL
    words = words_of(result)
    counts = result.counts
    return replace(
        before,
        time=when,
        code=code,
        words=words,
        failures=0 if good else before.failures + bad,
        since=0 if good else before.since or (when if bad else 0),
        success=when if good else before.success,
        error_time=when if bad else before.error_time,
        error_code=code if bad else before.error_code,
        error_words=words if bad else before.error_words,
        polls=before.polls + 1,
        codes={**before.codes, code.name: before.codes.get(code.name, 0) + 1},
        seconds=before.seconds + round(result.seconds, 3),
        fetched=before.fetched + counts.fetched,
        delivered=before.delivered + counts.delivered,
        octets=before.octets + counts.octets,
        refused=before.refused + counts.refused,
        postponed=before.postponed + counts.postponed,
        spam=before.spam + counts.spam,
    )


def waiting(ledger: SqlLedger) -> Sequence[Waiting]:
    """Return what waits, for each mailbox where something does. Raises LedgerFault."""

    def read(db: Statements) -> Sequence[Waiting]:
        rows = db.execute(WAITING).fetchall()
        return [Waiting(as_text(account), as_text(name), *rest) for account, name, *rest in rows]

    return ledger.write(read)


def result_of(row: Sequence[object]) -> EntryResult:
    """Return what one row of the table says."""
    values = dict(zip(EntryResult.__match_args__, row, strict=True))
    for name in ("code", "error_code"):
        values[name] = code_of(values[name])
    values["entry"] = as_text(values["entry"])  # type: ignore[arg-type]  # a name as stored
    values["codes"] = json.loads(str(values["codes"]))
    return EntryResult(**values)  # type: ignore[arg-type]  # SQLite has the types of the table


def code_of(number: object) -> ExitCode | None:
    """Return a code; None for no number, and for that of a newer version."""
    return next((code for code in ExitCode if code == number), None)
