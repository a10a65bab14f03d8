"""The result of a dry run, as text and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ...adapters.config.settings import AccountSettings
from ...adapters.sinks.kinds import chosen_sink, sink_value
from ...flows.account import Action
from ...flows.outcome import ExitCode
from ...flows.preview import Forecast, Foreseen, MailboxPreview
from ...flows.retention import DAY
from ...flows.source import format_uid
from ..polls.accounts import user_at_server
from ..polls.lines import escape
from .json_schema import (
    COUNT,
    COUNT_OR_NULL,
    TEXT,
    TEXT_OR_NULL,
    list_of,
    of_fields,
    one_of,
    or_null,
    whole,
)
from .screen import Screen, counted, size_in_words

DOCUMENT, VERSION = "mailhaul-dry-run", 1
"""The name and the version of the JSON document."""
STYLES = {
    Forecast.FETCH: "green",
    Forecast.RETRY: "yellow",
    Forecast.REFUSE: "red",
    Forecast.OVERSIZED: "yellow",
    Forecast.LATER: "blue",
    Forecast.QUARANTINED: "magenta",
    Forecast.DELIVERED: "cyan",
    Forecast.EXPIRED: "cyan",
    Forecast.SEEN: "dim",
}
REASONS = {
    Forecast.LATER: "left for the next poll (fetchlimit)",
    Forecast.QUARANTINED: 'failed too often; see "mailhaul quarantine list"',
    Forecast.DELIVERED: "delivered by an earlier poll",
    Forecast.EXPIRED: "delivered long ago (delete-after)",
    Forecast.SEEN: "fetched before",
}
FETCHED = frozenset({Forecast.FETCH, Forecast.RETRY, Forecast.REFUSE})
"""Messages that are read from the server."""
HEADER_INDENT = 9
"""Columns before sender and subject, which are below the UID."""
LONGEST_UID = 24
"""Characters of a UID in the table; the JSON document has all of it."""


class Result:
    """What is known of one account after its dry run."""

    def __init__(self, settings: AccountSettings) -> None:
        self.settings = settings
        self.mailboxes: list[MailboxPreview] = []
        self.note = ""
        self.error = ""
        self.code = ExitCode.NOMAIL

    def failed(self, code: ExitCode, sentence: str) -> None:
        """Note that the dry run failed."""
        self.error, self.code = sentence, code

    @property
    def messages(self) -> Sequence[Foreseen]:
        """All messages that are listed."""
        return [one for mailbox in self.mailboxes for one in mailbox.messages]


# As text


def account_lines(result: Result, screen: Screen, *, details: bool) -> list[str]:
    """Return the lines about one account."""
    settings = result.settings
    title = screen.paint(escape(user_at_server(settings)), "bold")
    lines = ["", f"{title} ({settings.protocol.upper()})"]
    lines += screen.wrap(destination(settings), 2)
    for number, mailbox in enumerate(result.mailboxes):
        lines += [""] if number else []
        lines += mailbox_lines(mailbox, settings, screen, details=details)
    if result.note:
        lines += screen.wrap(f"{result.note}; a dry run does not connect", 2)
    if result.error:
        first, *rest = screen.wrap(f"error: {result.error}", 2, 9)
        lines += [first.replace("error:", screen.paint("error:", "red", "bold"), 1), *rest]
    return lines


def destination(settings: AccountSettings) -> str:
    """Return where the mail would go."""
    kind = chosen_sink(settings)
    return f"Messages would be {kind.sentence.format(sink_value(kind, settings))}."


def mailbox_lines(
    mailbox: MailboxPreview, settings: AccountSettings, screen: Screen, *, details: bool
) -> list[str]:
    """Return the lines about one mailbox: a title and a table."""
    name = screen.paint(escape(mailbox.mailbox), "bold")
    before = f", {mailbox.seen:,} of them fetched before" if mailbox.seen else ""
    lines = [f"  {name}: {counted(mailbox.total, 'message')}{before}"]
    lines += retention_lines(mailbox, settings, screen)
    if not mailbox.messages:
        return lines
    rows: list[tuple[str, ...]] = [
        ("No.", "UID", "Size", "Verdict", "Then", "Recipients, or why not")
    ]
    styles: list[Sequence[str]] = [("dim",) * 6]
    for one in mailbox.messages:
        rows.append(row_of(one, settings, screen))
        styles.append(("", "", "", STYLES[one.forecast], "red" if is_deleted(one) else "", ""))
    table = screen.table(rows, right=(0, 2), indent=4, styles=styles)
    lines.append(table[0])
    for one, line in zip(mailbox.messages, table[1:], strict=True):
        lines.append(line)
        lines += header_lines(one, screen) if details else ()
    return lines


def retention_lines(
    mailbox: MailboxPreview, settings: AccountSettings, screen: Screen
) -> Sequence[str]:
    """Return the lines about what ``delete-after`` would do, if anything is due."""
    found = mailbox.retention
    if not (found and found.due):
        return ()
    days, gone = settings.deleteafter // DAY, len(found.same)
    due = f"{counted(found.due, 'message')} delivered more than {days} days ago"
    if found.held:
        held = f"{found.held}; see mailhaul retention"
        return screen.wrap(f"delete-after {days}d: {due}, {gone:,} would be deleted: {held}", 4)
    return screen.wrap(f"delete-after {days}d: {due}, {gone:,} would be deleted in this poll", 4)


def row_of(one: Foreseen, settings: AccountSettings, screen: Screen) -> tuple[str, ...]:
    """Return the row of a message."""
    message = one.message
    uid = screen.fit(escape(format_uid(message.uid)), LONGEST_UID)
    size = size_in_words(message.size) if message.size else "?"
    then = {Action.DELETE: "delete", Action.MARK: "keep", None: ""}[one.action]
    return (str(message.number or "?"), uid, size, one.forecast.value, then, why(one, settings))


def why(one: Foreseen, settings: AccountSettings) -> str:
    """Return the recipients of a message, or why it has none."""
    if one.reason:
        return one.reason
    if one.forecast is Forecast.OVERSIZED:
        return f"limit is {size_in_words(settings.limit)}"
    if one.recipients:
        return ", ".join(recipient.decode("utf-8", "replace") for recipient in one.recipients)
    return REASONS.get(one.forecast, "")


def header_lines(one: Foreseen, screen: Screen) -> list[str]:
    """Return sender and subject of a message, which the user has asked for."""
    lines: list[str] = []
    for name, text in (("From:", one.author), ("Subject:", one.subject)):
        if text:
            room = screen.columns - HEADER_INDENT - 9
            shown = screen.fit(escape(text.decode("utf-8", "replace")), room)
            lines.append(f"{' ' * HEADER_INDENT}{screen.paint(name.ljust(9), 'dim')}{shown}")
    return lines


def is_deleted(one: Foreseen) -> bool:
    """Whether a message would be deleted at the server."""
    return one.action is Action.DELETE


def summary(results: Sequence[Result]) -> str:
    """Return the totals as a sentence."""
    totals = totals_of(results)
    of_sizes = f" ({size_in_words(totals['fetch_octets'])})" if totals["fetch"] else ""
    parts = [f"{counted(totals['fetch'], 'message')}{of_sizes} would be fetched"]
    parts += [f"{totals[name]:,} {words}" for name, words in WORDS.items() if totals[name]]
    if failed := totals["failed_accounts"]:
        parts.append(f"{counted(failed, 'account')} failed")
    return f"Dry run: {', '.join(parts)}. Nothing was changed."


WORDS = {
    "delete": "deleted at the server",
    "keep": "kept there",
    "refuse": "refused",
    "oversized": "left as too large",
    "later": "left for the next poll",
    "quarantined": "in quarantine",
}


def totals_of(results: Sequence[Result]) -> dict[str, int]:
    """Return the totals of all accounts."""
    messages = [one for result in results for one in result.messages]
    counts = Counter(one.forecast for one in messages)
    fetched = [one for one in messages if one.forecast in FETCHED]
    return {
        "accounts": len(results),
        "failed_accounts": sum(bool(result.error) for result in results),
        "messages": sum(mailbox.total for result in results for mailbox in result.mailboxes),
        "seen": sum(mailbox.seen for result in results for mailbox in result.mailboxes),
        "fetch": len(fetched),
        "fetch_octets": sum(one.message.size for one in fetched),
        "delete": sum(map(is_deleted, messages)),
        "keep": sum(one.action is Action.MARK for one in messages),
        "refuse": counts[Forecast.REFUSE],
        "oversized": counts[Forecast.OVERSIZED],
        "later": counts[Forecast.LATER],
        "quarantined": counts[Forecast.QUARANTINED],
        "delivered": counts[Forecast.DELIVERED],
        "expired": counts[Forecast.EXPIRED],
    }


# As JSON


def document(results: Sequence[Result], code: ExitCode) -> Mapping[str, object]:
    """Return the result as a JSON document; see SCHEMA."""
    return {
        "document": DOCUMENT,
        "version": VERSION,
        "accounts": [account_facts(result) for result in results],
        "totals": totals_of(results),
        "exit_code": int(code),
    }


def account_facts(result: Result) -> Mapping[str, object]:
    """Return the part of the document about one account."""
    settings = result.settings
    kind = chosen_sink(settings)
    return {
        "account": user_at_server(settings),
        "server": settings.host,
        "user": settings.remote_user,
        "protocol": settings.protocol,
        "sink": {"kind": kind.title.lower(), "to": sink_value(kind, settings)},
        "mailboxes": [mailbox_facts(mailbox) for mailbox in result.mailboxes],
        "note": result.note or None,
        "error": result.error or None,
        "exit_code": int(result.code),
    }


def mailbox_facts(mailbox: MailboxPreview) -> Mapping[str, object]:
    """Return the part of the document about one mailbox."""
    return {
        "name": mailbox.mailbox,
        "total": mailbox.total,
        "seen": mailbox.seen,
        "messages": [message_facts(one) for one in mailbox.messages],
        "retention": retention_facts(mailbox),
    }


def retention_facts(mailbox: MailboxPreview) -> Mapping[str, object] | None:
    """Return the part of the document about ``delete-after``, None for an account without it."""
    found = mailbox.retention
    if found is None:
        return None
    return {"due": found.due, "delete": len(found.same), "held": found.held or None}


def message_facts(one: Foreseen) -> Mapping[str, object]:
    """Return the part of the document about one message."""
    facts: dict[str, object] = {
        "number": one.message.number or None,
        "uid": format_uid(one.message.uid),
        "size": one.message.size or None,
        "verdict": one.forecast.value,
        "then": {Action.DELETE: "delete", Action.MARK: "keep", None: None}[one.action],
        "recipients": [recipient.decode("utf-8", "replace") for recipient in one.recipients],
        "sender": None if one.sender is None else one.sender.decode("utf-8", "replace"),
        "reason": one.reason or None,
    }
    if one.author or one.subject:
        facts["from"] = one.author.decode("utf-8", "replace")
        facts["subject"] = one.subject.decode("utf-8", "replace")
    return facts


MESSAGE = of_fields(
    {
        "number": COUNT_OR_NULL,
        "uid": TEXT,
        "size": COUNT_OR_NULL,
        "verdict": one_of(one.value for one in Forecast),
        "then": one_of(("delete", "keep", None)),
        "recipients": list_of(TEXT),
        "sender": TEXT_OR_NULL,
        "reason": TEXT_OR_NULL,
    },
    {"from": TEXT, "subject": TEXT},
)
RETENTION = of_fields({"due": COUNT, "delete": COUNT, "held": TEXT_OR_NULL})
MAILBOX = of_fields(
    {
        "name": TEXT,
        "total": COUNT,
        "seen": COUNT,
        "messages": list_of(MESSAGE),
        "retention": or_null(RETENTION),
    }
)
ACCOUNT = of_fields(
    {
        "account": TEXT,
        "server": TEXT,
        "user": TEXT,
        "protocol": TEXT,
        "sink": of_fields({"kind": TEXT, "to": TEXT}),
        "mailboxes": list_of(MAILBOX),
        "note": TEXT_OR_NULL,
        "error": TEXT_OR_NULL,
        "exit_code": COUNT,
    }
)
SCHEMA = whole(
    "mailhaul --dry-run --json",
    DOCUMENT,
    VERSION,
    {
        "accounts": list_of(ACCOUNT),
        "totals": of_fields(dict.fromkeys(totals_of([]), COUNT)),
        "exit_code": COUNT,
    },
)
"""The schema of ``document``."""
