"""APPEND (RFC 3501, 6.3.11)."""

from __future__ import annotations

from datetime import datetime

from ..pop3.messages import EIGHT_BIT, message
from ..verdicts import MUST, SHOULD, require
from .environment import ImapEnvironment
from .messages import ONE
from .names import is_there, status
from .opening import flags_of
from .responses import octets_of
from .session import ImapSession, Literal, quoted
from .suite import IMAP

UNTIDY = message(
    "looks like something else",
    b"A1 LOGOUT\r\nINJECTED NOOP\r\n{3}\r\n{3+}\r\n.\r\n..\r\n)\r\nlast line {5}",
)
"""A message with lines that look like commands, literals and ends, and no line end at its end."""
NOTICED = 1.0
"""Seconds in which a server notices that a connection was lost."""


def instant(date: bytes) -> datetime | None:
    """Return the time of a date-time of IMAP, or None."""
    try:
        return datetime.strptime(date.decode("ascii").strip(), "%d-%b-%Y %H:%M:%S %z")
    except ValueError:
        return None


async def stored(session: ImapSession, name: bytes) -> bytes:
    """Return the text of the only message in a mailbox. Raises Broken."""
    await session.ok(b"EXAMINE " + quoted(name))
    items = (await session.ok(b"FETCH 1 (BODY.PEEK[])")).message(1, b"BODY[]")
    return octets_of(items[b"BODY[]"])


@IMAP.case("imap/append/1", rfc=3501, section="6.3.11", level=SHOULD)
async def append_keeps_flags_date_and_text(env: ImapEnvironment) -> None:
    """A message that is appended has the flags, the date and the text that were given."""
    session = await env.log_in()
    name = await env.mailbox(session)
    for text in (EIGHT_BIT, UNTIDY):
        date = b"17-Jul-1996 02:44:25 -0700"
        head = b"APPEND " + quoted(name) + rb' (\Flagged \Draft) "' + date + b'" '
        await session.ok(head, Literal(text))
    await session.ok(b"EXAMINE " + quoted(name))
    answer = await session.ok(b"FETCH 1:2 (FLAGS INTERNALDATE BODY.PEEK[])")
    for number, text in enumerate((EIGHT_BIT, UNTIDY), 1):
        items = answer.message(number, b"FLAGS", b"INTERNALDATE", b"BODY[]")
        flags = flags_of(items)
        require(flags >= {rb"\flagged", rb"\draft"}, r"\Flagged and \Draft", sorted(flags))
        shown = octets_of(items[b"INTERNALDATE"])
        require(instant(shown) == instant(date), f"the date {date.decode('ascii')}", shown)
        require(octets_of(items[b"BODY[]"]) == text, "the text as it was sent", items[b"BODY[]"])


@IMAP.case("imap/append/2", rfc=3501, section="6.3.11", level=MUST)
async def append_creates_no_mailbox(env: ImapEnvironment) -> None:
    """APPEND to a mailbox that does not exist gets NO with TRYCREATE, and does not create it."""
    session = await env.log_in()
    name = await env.name(session, b"missing")
    env.delete_later(name)
    answer = await env.append(session, name, ONE)
    require(answer.condition == b"NO", "NO", answer.tagged.line)
    require(not await is_there(session, name), "no new mailbox", name)
    if not answer.code or answer.code.name != b"TRYCREATE":
        # The code may be missing where the mailbox cannot be created.
        created = await env.create(session, name)
        require(not created.ok, "the code TRYCREATE", answer.tagged.line)


@IMAP.case("imap/append/3", rfc=3501, section="6.3.11", level=SHOULD)
async def a_new_message_is_announced(env: ImapEnvironment) -> None:
    """APPEND to the selected mailbox is answered with EXISTS before its OK."""
    session = await env.selected(ONE)
    answer = await env.append(session, session.mailbox, ONE)
    require(answer.ok, "OK as the answer to APPEND", answer.tagged.line)
    counts = [response.number for response in answer.all(b"EXISTS")]
    require(counts[-1:] == [2], "2 EXISTS before the OK", [each.line for each in answer.untagged])


@IMAP.case("imap/append/4", rfc=3501, section="6.3.11", level=MUST)
async def half_a_message_is_none(env: ImapEnvironment) -> None:
    """An APPEND that is cut off in its literal leaves the mailbox as it was."""
    session = await env.log_in()
    name = await env.mailbox(session, ONE)
    other = await env.log_in()
    tag = await other.begin(b"APPEND " + quoted(name) + b" " + Literal(ONE).head + b"\r\n")
    answer = await other.continued(tag)
    require(answer is None, "a continuation (+)", answer)
    await other.send(ONE[: len(ONE) // 2])
    await other.close()
    await session.pending(NOTICED)
    await session.ok(b"NOOP")
    found = await status(session, name, b"MESSAGES")
    require(found[b"MESSAGES"] == 1, "1 message as before", found)


@IMAP.case("imap/append/5", rfc=3501, section="4.3", level=MUST, implied=True)
async def a_message_is_no_command(env: ImapEnvironment) -> None:
    """Lines of a message that look like commands or literals are part of the message."""
    session = await env.log_in()
    name = await env.mailbox(session)
    answer = await env.append(session, name, UNTIDY)
    require(answer.ok, "OK as the answer to APPEND", answer.tagged.line)
    await session.ok(b"NOOP")
    text = await stored(session, name)
    require(text == UNTIDY, "the text as it was sent", text, lenient=True)


@IMAP.case("imap/append/6", rfc=3501, section="9", level=MUST, implied=True)
async def a_day_may_have_a_blank(env: ImapEnvironment) -> None:
    """In the date of APPEND a day below 10 may have a blank or a zero before it."""
    session = await env.log_in()
    name = await env.mailbox(session)
    dates = (b" 7-Jul-1996 02:44:25 +0000", b"07-Jul-1996 02:44:25 +0000")
    for date in dates:
        await session.ok(b"APPEND " + quoted(name) + b' "' + date + b'" ', Literal(ONE))
    await session.ok(b"EXAMINE " + quoted(name))
    answer = await session.ok(b"FETCH 1:2 (INTERNALDATE)")
    for number in (1, 2):
        shown = octets_of(answer.message(number, b"INTERNALDATE")[b"INTERNALDATE"])
        same = instant(shown) == instant(dates[1])
        require(same, f"the date {dates[1].decode('ascii')}", shown, lenient=True)
