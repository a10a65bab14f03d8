"""SELECT and EXAMINE (RFC 3501, 6.3.1 and 6.3.2)."""

from __future__ import annotations

from ...protocols.imap.values import Value
from ..verdicts import MAY, MUST, Finding, require
from .environment import ImapEnvironment
from .messages import ONE, TWO
from .names import is_there
from .responses import Answer, octets_of
from .session import quoted
from .suite import IMAP

SELECT_CODES = (b"UIDVALIDITY", b"PERMANENTFLAGS", b"UIDNEXT")
"""What SELECT sends as codes of untagged OK responses; UNSEEN only where a message is unseen."""


def untagged_codes(answer: Answer) -> dict[bytes, bytes]:
    """Return the codes that came before the tagged response, with their arguments."""
    found = [response.code for response in answer.untagged]
    return {code.name: code.arguments for code in found if code}


def flags_of(items: dict[bytes, Value]) -> set[bytes]:
    """Return the flags in the items of a FETCH response, in lower case."""
    flags = items.get(b"FLAGS")
    return {octets_of(flag).lower() for flag in flags} if isinstance(flags, list) else set()


@IMAP.case("imap/select/1", rfc=3501, section="6.3.1", level=MUST)
async def select_describes_the_mailbox(env: ImapEnvironment) -> None:
    """Before its OK, SELECT gives FLAGS, EXISTS, RECENT, UIDVALIDITY, UIDNEXT, PERMANENTFLAGS."""
    session = await env.log_in()
    revisions = await env.capabilities(session)
    name = await env.mailbox(session, ONE, TWO)
    answer = await session.ok(b"SELECT " + quoted(name))
    answer.one(b"FLAGS")
    exists = answer.one(b"EXISTS")
    require(exists.number == 2, "2 EXISTS", exists.line)
    # RFC 9051 has no RECENT response.
    if b"IMAP4REV1" in revisions:
        answer.one(b"RECENT")
    codes = untagged_codes(answer)
    for code in SELECT_CODES:
        # UIDNEXT is required, but clients are told what its absence means.
        missing = f"the code {code.decode('ascii')}"
        require(code in codes, missing, sorted(codes), lenient=code == b"UIDNEXT")
    for code in (b"UIDVALIDITY", b"UIDNEXT"):
        number = codes[code]
        valid = number.isdigit() and 0 < int(number) < 2**32
        require(valid, f"a number of 32 bits as {code.decode('ascii')}", number)


@IMAP.case("imap/select/2", rfc=3501, section="6.3.1", level=MUST)
async def select_says_what_is_permitted(env: ImapEnvironment) -> None:
    """The OK of SELECT has READ-ONLY if the mailbox cannot be changed, else READ-WRITE."""
    session = await env.log_in()
    name = await env.mailbox(session, ONE)
    answer = await session.ok(b"SELECT " + quoted(name))
    code = answer.code.name if answer.code else b""
    changes = await session.command(rb"STORE 1 +FLAGS (\Seen)")
    if changes.ok:
        # SHOULD; and READ-ONLY may be right where flags belong to the user alone.
        require(code == b"READ-WRITE", "READ-WRITE", answer.tagged.line, lenient=True)
    else:
        require(code == b"READ-ONLY", "READ-ONLY where STORE fails", answer.tagged.line)


@IMAP.case("imap/select/3", rfc=3501, section="5.1", level=MUST, implied=True)
async def inbox_has_no_case(env: ImapEnvironment) -> None:
    """INBOX is the same mailbox in any case."""
    session = await env.log_in()
    found: set[bytes | None] = set()
    for name in (b"INBOX", b"inbox", b'"InBoX"'):
        answer = await session.ok(b"SELECT " + name)
        found.add(answer.codes().get(b"UIDVALIDITY"))
    require(len(found) == 1, "the same UIDVALIDITY each time", found)


@IMAP.case("imap/select/4", rfc=9051, section="7.1", level=MAY)
async def closed_ends_the_selected_mailbox(env: ImapEnvironment) -> Finding:
    """SELECT with a mailbox selected sends CLOSED where the responses about that one end."""
    session = await env.log_in()
    announced = await env.capabilities(session)
    wanted = sorted(announced & {b"IMAP4REV2", b"QRESYNC", b"CONDSTORE"})
    if wanted and announced & {b"IMAP4REV2", b"ENABLE"}:
        await session.ok(b"ENABLE " + b" ".join(wanted))
    await session.ok(b"SELECT INBOX")
    answer = await session.ok(b"SELECT INBOX")
    return Finding(b"CLOSED" in untagged_codes(answer))


@IMAP.case("imap/select/5", rfc=3501, section="6.3.1", level=MUST, implied=True)
async def a_missing_mailbox_gets_no(env: ImapEnvironment) -> None:
    """SELECT and EXAMINE of a mailbox that does not exist get NO, and create nothing."""
    session = await env.log_in()
    name = await env.name(session, b"missing")
    env.delete_later(name)
    await session.no(b"SELECT " + quoted(name))
    await session.no(b"EXAMINE " + quoted(name))
    require(not await is_there(session, name), "no new mailbox", name)


@IMAP.case("imap/examine/1", rfc=3501, section="6.3.2", level=MUST)
async def examine_changes_nothing(env: ImapEnvironment) -> None:
    r"""EXAMINE gets READ-ONLY; after it flags stay as they are, \Seen and \Recent among them."""
    session = await env.log_in()
    name = await env.mailbox(session, ONE)
    answer = await session.ok(b"EXAMINE " + quoted(name))
    code = answer.code.name if answer.code else b""
    require(code == b"READ-ONLY", "READ-ONLY", answer.tagged.line)
    recent = [response.number for response in answer.all(b"RECENT")]
    await session.ok(b"FETCH 1 (BODY[])")
    await session.command(rb"STORE 1 +FLAGS (\Flagged)")
    other = await env.log_in()
    answer = await other.ok(b"SELECT " + quoted(name))
    flags = flags_of((await other.ok(b"FETCH 1 (FLAGS)")).message(1, b"FLAGS"))
    changed = flags & {rb"\seen", rb"\flagged"}
    require(not changed, r"a message without \Seen and \Flagged", changed)
    if recent == [1]:
        now = [response.number for response in answer.all(b"RECENT")]
        require(now == [1], "1 RECENT as before", now)
