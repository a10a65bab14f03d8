"""SEARCH (RFC 3501, section 6.4.4)."""

from __future__ import annotations

from dataclasses import dataclass

from ...protocols.imap.values import Value
from ..pop3.messages import message
from ..verdicts import MUST, SetUpFailed, require
from .contents import flags_in, number_of, set_up, uids
from .environment import ImapEnvironment
from .messages import ONE, THREE, TWO
from .responses import Answer, octets_of
from .session import ImapSession, Literal, quoted
from .suite import IMAP

ALPHA = (
    b"From: Ann <ann@example.org>\r\nTo: joe@example.net\r\nCc: carol@example.net\r\n"
    b"Date: Mon, 5 Jan 2026 12:00:00 +0000\r\nSubject: alpha\r\n\r\nThe word is walnut.\r\n"
)
BETA = (
    b"From: Bob <bob@example.com>\r\nTo: joe@example.net\r\nBcc: dave@example.net\r\n"
    b"Date: Thu, 15 Jan 2026 12:00:00 +0000\r\nSubject: beta\r\nX-Colour: green\r\n\r\n"
    + b"Line after line of text.\r\n"
    * 80
)
GAMMA = message("gamma", b"The word is hazelnut.\r\n")
DAYS = (b"10-Jan-2026", b"20-Jan-2026", b"30-Jan-2026")
FLAGS = (rb"(\Seen \Flagged)", rb"(\Answered \Deleted)", rb"(\Draft)")

# The keys whose results follow from the texts alone.
BY_TEXT: dict[bytes, list[int]] = {
    b"ALL": [1, 2, 3],
    b'FROM "ann@example.org"': [1, 3],
    b'TO "joe@example.net"': [1, 2],
    b'CC "carol"': [1],
    b'BCC "dave"': [2],
    b'SUBJECT "gamma"': [3],
    b'HEADER X-Colour "green"': [2],
    b'HEADER X-Colour ""': [2],
    b'BODY "walnut"': [1],
    b'TEXT "hazelnut"': [3],
    b'TEXT "beta"': [2],
    b"LARGER 1000": [2],
    b"SMALLER 1000": [1, 3],
    b"SENTBEFORE 15-Jan-2026": [1, 3],
    b"SENTON 15-Jan-2026": [2],
    b"SENTSINCE 15-Jan-2026": [2],
    b"2:3": [2, 3],
    b"1,3": [1, 3],
    b'NOT SUBJECT "beta"': [1, 3],
    b'OR SUBJECT "alpha" SUBJECT "gamma"': [1, 3],
    b'2:3 (OR SUBJECT "alpha" SUBJECT "gamma")': [3],
    b'1:2 TO "joe@example.net" LARGER 1000': [2],
}
BY_FLAG = {
    b"SEEN": rb"\seen",
    b"FLAGGED": rb"\flagged",
    b"ANSWERED": rb"\answered",
    b"DELETED": rb"\deleted",
    b"DRAFT": rb"\draft",
}
ONLY_ACCEPTED = (b"NEW", b"OLD", b"RECENT", b"KEYWORD $Forwarded", b"UNKEYWORD $Forwarded")
"""Keys whose results depend on what the server keeps."""


def found(answer: Answer) -> list[int]:
    """Return the numbers in the SEARCH responses of an answer; there may be no such response."""
    values: list[Value] = []
    for response in answer.all(b"SEARCH"):
        values += [value for value in response.values if not isinstance(value, list)]
    return sorted(number_of(value) for value in values)


async def search(session: ImapSession, key: bytes) -> list[int]:
    """Return the result of a SEARCH."""
    return found(await session.ok(b"SEARCH " + key))


@dataclass
class Known:
    """What FETCH says of a message: its day of arrival, such as ``10-Jan-2026``, and flags."""

    day: bytes
    flags: frozenset[bytes]


async def with_known_mail(env: ImapEnvironment) -> ImapSession:
    """Return a session with three messages of different dates and flags."""
    session = await env.selected()
    for number, (text, day, flags) in enumerate(
        zip((ALPHA, BETA, GAMMA), DAYS, FLAGS, strict=True), 1
    ):
        date = b' "%b 12:00:00 +0000" ' % day
        answer = await session.command(b"APPEND " + quoted(session.mailbox) + date, Literal(text))
        if not answer.ok:
            raise SetUpFailed(f"APPEND fails: {answer.tagged.line!r}")
        await env.select(session)
        await set_up(session, b"STORE %d FLAGS.SILENT %b" % (number, flags))
    return session


async def known_mail(session: ImapSession) -> dict[int, Known]:
    """Return what FETCH says of the messages."""
    fetched = (await session.ok(b"FETCH 1:* (FLAGS INTERNALDATE)")).fetched()
    return {
        number: Known(
            octets_of(items.get(b"INTERNALDATE")).strip().partition(b" ")[0],
            flags_in(items.get(b"FLAGS")),
        )
        for number, items in fetched.items()
    }


@IMAP.case("imap/search/1", rfc=3501, section="6.4.4", level=MUST, implied=True)
async def every_key_finds_its_messages(env: ImapEnvironment) -> None:
    """Every search key of the grammar is accepted, and finds the messages that it describes."""
    session = await with_known_mail(env)
    for key in ONLY_ACCEPTED:
        await session.ok(b"SEARCH " + key)
    expected = dict(BY_TEXT)
    known = await known_mail(session)
    for key, flag in BY_FLAG.items():
        expected[key] = [number for number in known if flag in known[number].flags]
        expected[b"UN" + key] = [number for number in known if flag not in known[number].flags]
    if [known[number].day for number in sorted(known)] == list(DAYS):
        expected[b"BEFORE 20-Jan-2026"] = [1]
        expected[b"ON 20-Jan-2026"] = [2]
        expected[b"SINCE 20-Jan-2026"] = [2, 3]
    for uid, number in zip(await uids(session), (1, 2, 3), strict=False):
        expected[b"UID %d" % uid] = [number]
    for key, numbers in expected.items():
        result = await search(session, key)
        shown = key.decode("ascii")
        require(result == sorted(numbers), f"{numbers} as the result of SEARCH {shown}", result)


@IMAP.case("imap/search/2", rfc=3501, section="6.4.4", level=MUST)
async def an_unknown_charset_gets_no(env: ImapEnvironment) -> None:
    """SEARCH with an unknown CHARSET gets NO, and the response code BADCHARSET."""
    session = await env.selected(ONE)
    answer = await session.no(b'SEARCH CHARSET X-NONSENSE SUBJECT "a"')
    code = answer.code.name if answer.code else b""
    # The response code is only a SHOULD.
    require(code == b"BADCHARSET", "the code BADCHARSET", answer.tagged.line, lenient=True)


@IMAP.case("imap/search/3", rfc=3501, section="6.4.4", level=MUST, implied=True)
async def a_search_without_result_gets_ok(env: ImapEnvironment) -> None:
    """SEARCH gets OK where no message matches, with an empty SEARCH response or none."""
    session = await env.selected(ONE, TWO)
    result = await search(session, b'SUBJECT "no such subject"')
    require(not result, "no message as the result", result)


@IMAP.case("imap/search/4", rfc=3501, section="6.4.8", level=MUST, implied=True)
async def uid_search_returns_uids(env: ImapEnvironment) -> None:
    """UID SEARCH returns UIDs, also where these are not the message numbers."""
    session = await env.selected(ONE, TWO, THREE)
    await set_up(session, rb"STORE 1 +FLAGS.SILENT (\Deleted)")
    await set_up(session, b"EXPUNGE")
    expected = await uids(session)
    result = found(await session.ok(b"UID SEARCH 1:2"))
    require(result == expected, f"the UIDs {expected} of the messages 1 and 2", result)


@IMAP.case("imap/search/5", rfc=3501, section="6.4.4", level=MUST, implied=True)
async def search_ignores_case(env: ImapEnvironment) -> None:
    """SEARCH ignores the case of the text that it looks for."""
    session = await env.selected(ALPHA, BETA)
    for key in (b'SUBJECT "ALPHA"', b'FROM "ANN@EXAMPLE.ORG"', b'BODY "WALNUT"'):
        result = await search(session, key)
        require(result == [1], f"message 1 as the result of {key.decode('ascii')}", result)


@IMAP.case("imap/search/6", rfc=3501, section="6.4.4", level=MUST, implied=True)
async def search_takes_literals(env: ImapEnvironment) -> None:
    """The text of a search key may come as a literal, and further keys may follow it."""
    session = await env.selected(ALPHA, BETA, GAMMA)
    answer = await session.ok(b"SEARCH SUBJECT ", Literal(b"alpha"), b" SMALLER 1000")
    require(found(answer) == [1], "message 1 as the result", found(answer))
