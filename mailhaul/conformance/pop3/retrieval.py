"""RETR and TOP: the text of messages (RFC 1939, sections 3, 5 and 7)."""

from __future__ import annotations

from ..verdicts import MAY, MUST, Finding, Skipped, fail, require
from .messages import DOTS, EIGHT_BIT, LONG_LINE, ONE, TEN_LINES, TWO, message
from .session import Pop3Environment, Pop3Session, Reply, subjects
from .suite import POP3

DOT_FIRST = b".Hidden: yes\r\n" + ONE
HEADER_END = b"\r\n\r\n"


@POP3.case("pop3/retr/1", rfc=1939, section="5", level=MUST, implied=True)
async def messages_come_as_they_are_stored(env: Pop3Environment) -> None:
    """RETR returns the stored octets: text, 8 bit characters, and a line of 900 octets."""
    texts = [ONE, LONG_LINE, EIGHT_BIT]
    session = await env.log_in(*texts)
    for number, text in enumerate(texts, 1):
        reply = await session.command(b"RETR %d" % number, many=True)
        if reply.err and text is EIGHT_BIT and reply.text.upper().startswith(b"[UTF8]"):
            continue
        require(reply.ok, f"+OK as the reply to RETR {number}", reply.line)
        require_text(reply, text)


def require_text(reply: Reply, text: bytes) -> None:
    """Require that this text has come. Fields that a server has added are only a warning."""
    if reply.body == text:
        return
    fields, _, body = text.partition(HEADER_END)
    got_fields, _, got_body = reply.body.partition(HEADER_END)
    added = set(fields.split(b"\r\n")) <= set(got_fields.split(b"\r\n")) and body == got_body
    fail(f"the {len(text)} octets that are stored", reply.body, lenient=added)


@POP3.case("pop3/retr/2", rfc=1939, section="3", level=MUST, implied=True)
async def dots_are_stuffed(env: Pop3Environment) -> None:
    """A line that begins with a dot is sent with one more; a line "." does not end the message."""
    session = await env.log_in(DOTS)
    reply = await session.positive(b"RETR 1", many=True)
    require_lines(reply, DOTS)
    await session.positive(b"NOOP")


def require_lines(reply: Reply, text: bytes) -> None:
    """Require the lines of a body, with stuffed dots."""
    body = text.partition(HEADER_END)[2]
    stuffed = [b"." * line.startswith(b".") + line for line in body.split(b"\r\n")[:-1]]
    begin = reply.stuffed.index(b"") + 1 if b"" in reply.stuffed else 0
    got = reply.stuffed[begin : begin + len(stuffed)]
    require(got == stuffed, f"the lines {stuffed}", got)


@POP3.case("pop3/retr/3", rfc=1939, section="5", level=MUST, implied=True)
async def a_deleted_message_is_not_sent(env: Pop3Environment) -> None:
    """RETR of a deleted message gets -ERR."""
    session = await env.log_in(ONE, TWO)
    await session.positive(b"DELE 1")
    await session.negative(b"RETR 1", many=True)
    await session.positive(b"RETR 2", many=True)


@POP3.case("pop3/retr/4", rfc=1939, section="3", level=MUST, implied=True)
async def a_dot_at_the_very_beginning_is_stuffed(env: Pop3Environment) -> None:
    """The first line of a message is stuffed too if it begins with a dot."""
    session = await env.log_in(DOT_FIRST)
    reply = await session.positive(b"RETR 1", many=True)
    found = [line for line in reply.stuffed if b"Hidden: yes" in line]
    require(found == [b"..Hidden: yes"], 'the line "..Hidden: yes"', found)


@POP3.case("pop3/retr/5", rfc=1939, section="3", level=MUST, implied=True)
async def the_last_line_is_ended(env: Pop3Environment) -> None:
    """A message whose last line has no end in the store is followed by CRLF and the dot."""
    unended = message("no end", b"the last line has no end")
    session = await env.log_in(unended, TWO)
    reply = await session.positive(b"RETR 1", many=True)
    last = reply.lines[-1] if reply.lines else b""
    require(last == b"the last line has no end", "the last line of the message", last)
    await session.positive(b"NOOP")


@POP3.case("pop3/retr/6", rfc=1939, section="3", level=MUST, implied=True)
async def bare_line_feeds_do_no_harm(env: Pop3Environment) -> None:
    """A bare LF in the store is sent as CRLF, and a dot alone after it does not end the message."""
    session = await env.log_in(message("bare LF", b"one\ntwo\n.\nthree\r\n"))
    reply = await session.positive(b"RETR 1", many=True)
    require(b"three" in reply.lines, "the whole message", reply.body)
    await session.positive(b"NOOP")
    # The grammar of RFC 2449 has LF among the characters of a line.
    bare = session.bare_line_ends
    got = f"{bare} line(s) that end with LF alone"
    require(not bare, "CRLF at the end of every line", got, lenient=True)


@POP3.case("pop3/retr/7", rfc=1939, section="5", level=MUST, implied=True)
async def a_message_can_be_retrieved_again(env: Pop3Environment) -> None:
    """Commands may be repeated: RETR sends the same message again, and LIST has the same size."""
    session = await env.log_in(ONE, TWO)
    listed = await session.listed(b"LIST")
    first = await session.positive(b"RETR 1", many=True)
    second = await session.positive(b"RETR 1", many=True)
    require(second.body == first.body, "the same message", second.body)
    again = await session.listed(b"LIST")
    require(again == listed, f"LIST with {listed} after RETR", again)


async def top(session: Pop3Session, line: bytes) -> Reply:
    """Return the reply to a TOP that should work. Raises Skipped where TOP is unknown."""
    reply = await session.command(line, many=True)
    if reply.err:
        announced = await session.capabilities()
        if not announced or b"TOP" not in announced:
            raise Skipped("the server has no TOP")
    require(reply.ok, "+OK as the reply to TOP", reply.line)
    return reply


@POP3.case("pop3/top/1", rfc=1939, section="7", level=MUST, implied=True)
async def top_sends_as_many_lines_as_asked_for(env: Pop3Environment) -> None:
    """TOP n 0 sends the header and an empty line, TOP n 2 two more lines, TOP n 99999 all."""
    session = await env.log_in(TEN_LINES)
    whole = (await session.positive(b"RETR 1", many=True)).body
    header, _, body = whole.partition(HEADER_END)
    lines = body.splitlines(keepends=True)
    for count in (0, 2, 99999):
        reply = await top(session, b"TOP 1 %d" % count)
        expected = header + HEADER_END + b"".join(lines[:count])
        require(reply.body == expected, f"the header and {count} lines at most", reply.body)


@POP3.case("pop3/top/2", rfc=1939, section="7", level=MAY)
async def top_leaves_the_message_alone(env: Pop3Environment) -> Finding:
    """A message is still there in the next session after its header was read by TOP."""
    session = await env.log_in(ONE, TWO)
    await top(session, b"TOP 1 0")
    await session.positive(b"QUIT")
    found = await subjects(await env.log_in_again())
    return Finding(found == [b"a", b"b"])


@POP3.case("pop3/top/3", rfc=1939, section="7", level=MUST, implied=True)
async def top_of_a_deleted_message_is_refused(env: Pop3Environment) -> None:
    """TOP of a deleted or missing message gets -ERR."""
    session = await env.log_in(ONE, TWO)
    await top(session, b"TOP 1 0")
    await session.positive(b"DELE 1")
    await session.negative(b"TOP 1 0", many=True)
    await session.negative(b"TOP 3 0", many=True)


@POP3.case("pop3/top/4", rfc=1939, section="7", level=MUST, implied=True)
async def dots_are_stuffed_in_top(env: Pop3Environment) -> None:
    """The lines that TOP sends are stuffed as those of RETR are."""
    session = await env.log_in(DOTS)
    reply = await top(session, b"TOP 1 4")
    require_lines(reply, DOTS)
    await session.positive(b"NOOP")
