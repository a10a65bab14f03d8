"""FETCH of what is known about a message, and of its text (RFC 3501, sections 6.4.5 and 7.4.2)."""

from __future__ import annotations

from ...protocols.imap.values import Text
from ..verdicts import MUST, SHOULD, require
from .contents import (
    announced,
    flags,
    flags_in,
    item,
    number_of,
    set_up,
    text,
    text_in,
)
from .environment import ImapEnvironment
from .grammar import check_date_time, check_envelope, check_structure
from .messages import ONE, THREE, TWO
from .responses import octets_of
from .structured_messages import EIGHT_BIT_HEADER, EIGHT_BIT_SUBJECT, NESTED, ONLY_HEADER
from .suite import IMAP

SEEN = rb"\seen"


@IMAP.case("imap/fetch/1", rfc=3501, section="6.4.5", level=MUST, implied=True)
async def items_follow_the_grammar(env: ImapEnvironment) -> None:
    """FLAGS, INTERNALDATE, RFC822.SIZE, ENVELOPE, BODYSTRUCTURE and UID follow the grammar."""
    session = await env.selected(ONE, NESTED)
    names = b"FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE UID"
    fetched = (await session.ok(b"FETCH 1:2 (%b)" % names)).fetched()
    require(sorted(fetched) == [1, 2], "FETCH responses for the messages 1 and 2", sorted(fetched))
    for items in fetched.values():
        missing = [name for name in names.split() if name not in items]
        require(not missing, "every item that was asked for", missing)
        flags_in(items[b"FLAGS"])
        check_date_time(items[b"INTERNALDATE"])
        number_of(items[b"RFC822.SIZE"])
        require(number_of(items[b"UID"]) > 0, "a UID above 0", items[b"UID"])
        check_envelope(items[b"ENVELOPE"])
        check_structure(items[b"BODY"])
        check_structure(items[b"BODYSTRUCTURE"])


@IMAP.case("imap/fetch/2", rfc=3501, section="6.4.5", level=MUST, implied=True)
async def the_size_is_that_of_the_text(env: ImapEnvironment) -> None:
    """RFC822.SIZE is the number of octets that BODY.PEEK[] returns."""
    session = await env.selected(ONE, NESTED, ONLY_HEADER)
    for number in (1, 2, 3):
        answer = await session.ok(b"FETCH %d (RFC822.SIZE BODY.PEEK[])" % number)
        size = number_of(item(answer, number, b"RFC822.SIZE"))
        octets = len(text_in(answer, number, b""))
        require(size == octets, f"RFC822.SIZE {octets}, as BODY[] has octets", size)


@IMAP.case("imap/fetch/3", rfc=3501, section="6.4.5", level=SHOULD)
async def body_sets_seen(env: ImapEnvironment) -> None:
    """BODY[] sets \\Seen and reports it in a FETCH response; BODY.PEEK[] does neither."""
    session = await env.selected(ONE)
    await set_up(session, rb"STORE 1 -FLAGS.SILENT (\Seen)")
    await session.ok(b"FETCH 1 (BODY.PEEK[])")
    require(SEEN not in await flags(session), "no flag \\Seen after BODY.PEEK[]", "\\Seen")
    answer = await session.ok(b"FETCH 1 (BODY[])")
    reported = answer.fetched().get(1, {}).get(b"FLAGS")
    seen = reported and SEEN in flags_in(reported)
    require(seen, "\\Seen in a FETCH response", answer.lines)
    require(SEEN in await flags(session), "\\Seen after BODY[]", "no such flag")


@IMAP.case("imap/fetch/4", rfc=3501, section="6.4.5", level=MUST, implied=True)
async def a_part_of_the_text_can_be_fetched(env: ImapEnvironment) -> None:
    """BODY.PEEK[]<origin.count> returns these octets, and its name has the origin.

    Past the end it returns an empty string.
    """
    session = await env.selected(NESTED)
    whole = await text(session)
    for origin, count in ((0, 100), (100, 50), (len(whole) - 5, 100), (0, len(whole) + 100)):
        answer = await session.ok(b"FETCH 1 (BODY.PEEK[]<%d.%d>)" % (origin, count))
        got = octets_of(item(answer, 1, b"BODY[]<%d>" % origin))
        wanted = whole[origin : origin + count]
        require(got == wanted, f"{len(wanted)} octets from octet {origin}", got)
    answer = await session.ok(b"FETCH 1 (BODY.PEEK[]<%d.10>)" % (len(whole) + 10))
    value = item(answer, 1, b"BODY[]<%d>" % (len(whole) + 10))
    require(isinstance(value, Text) and not value, "an empty string past the end", repr(value))


@IMAP.case("imap/fetch/7", rfc=3501, section="6.4.5", level=MUST)
async def static_data_do_not_change(env: ImapEnvironment) -> None:
    """UID, INTERNALDATE, size, envelope, structure and text are the same in another session."""
    session = await env.selected(ONE, NESTED)
    command = b"FETCH 2 (UID INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE BODY.PEEK[])"
    before = (await session.ok(command)).fetched().get(2, {})
    other = await env.another(session)
    after = (await other.ok(command)).fetched().get(2, {})
    for name in (name for name in before if name not in {b"FLAGS", b"MODSEQ"}):
        shown = name.decode("ascii", "replace")
        require(after.get(name) == before[name], f"{shown} {before[name]!r}", after.get(name))


@IMAP.case("imap/fetch/8", rfc=3501, section="7.4.2", level=MUST, implied=True)
async def octets_above_127_stay(env: ImapEnvironment) -> None:
    """Header octets above 127 come in literals only, and are not changed."""
    session = await env.selected(EIGHT_BIT_HEADER)
    answer = await session.ok(b"FETCH 1 (ENVELOPE BODY.PEEK[HEADER])")
    for response in answer.all(b"FETCH"):
        lines = [part for part in response.parts if isinstance(part, bytes)]
        plain = [line for line in lines if not isinstance(line, Text)]
        require(all(map(bytes.isascii, plain)), "octets above 127 in literals only", plain)
    header = text_in(answer, 1, b"HEADER")
    # Some servers do not store such octets at all, and say so when they are given a message.
    require(EIGHT_BIT_SUBJECT in header, "the subject as it was appended", header, lenient=True)


@IMAP.case("imap/fetch/13", rfc=3501, section="9", level=MUST, implied=True)
async def sets_have_no_direction(env: ImapEnvironment) -> None:
    """3:1 means 1:3, *:1 means all messages, and a number may stand in a set twice."""
    session = await env.selected(ONE, TWO, THREE)
    for numbers, expected in (
        (b"3:1", [1, 2, 3]),
        (b"*:1", [1, 2, 3]),
        (b"*", [3]),
        (b"2:*", [2, 3]),
        (b"3,1", [1, 3]),
        (b"2,2,1:2", [1, 2]),
        (b"3:*,1", [1, 3]),
    ):
        got = sorted((await session.ok(b"FETCH %b (UID)" % numbers)).fetched())
        shown = numbers.decode("ascii")
        require(got == expected, f"FETCH responses for {expected} with the set {shown}", got)


@IMAP.case("imap/fetch/14", rfc=3501, section="6.4.5", level=MUST, implied=True)
async def macros_stand_for_items(env: ImapEnvironment) -> None:
    """FAST, ALL and FULL stand for the items that the RFC lists."""
    session = await env.selected(ONE)
    fast = {b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE"}
    for macro, expected in (
        (b"FAST", fast),
        (b"ALL", fast | {b"ENVELOPE"}),
        (b"FULL", fast | {b"ENVELOPE", b"BODY"}),
    ):
        items = (await session.ok(b"FETCH 1 " + macro)).fetched().get(1, {})
        missing = sorted(expected - items.keys())
        require(not missing, f"all items of {macro.decode('ascii')}", f"none of {missing}")


@IMAP.case("imap/fetch/15", rfc=3501, section="6.4.5", level=MUST, implied=True)
async def old_names_mean_the_same(env: ImapEnvironment) -> None:
    """RFC822, RFC822.HEADER and RFC822.TEXT return the text, and RFC822.HEADER sets no \\Seen."""
    session = await env.selected(NESTED)
    await env.require_capability(session, b"IMAP4REV1")
    await set_up(session, rb"STORE 1 -FLAGS.SILENT (\Seen)")
    whole = await text(session)
    header = octets_of(item(await session.ok(b"FETCH 1 (RFC822.HEADER)"), 1, b"RFC822.HEADER"))
    require(SEEN not in await flags(session), "no flag \\Seen after RFC822.HEADER", "\\Seen")
    answer = await session.ok(b"FETCH 1 (RFC822.TEXT RFC822)")
    items = answer.fetched().get(1, {})
    body, both = octets_of(items.get(b"RFC822.TEXT")), octets_of(items.get(b"RFC822"))
    require(both == whole, "RFC822 as BODY[]", both)
    require(header + body == whole, "BODY[] in RFC822.HEADER and RFC822.TEXT", header + body)


@IMAP.case("imap/fetch/16", rfc=3501, section="9", level=SHOULD, implied=True)
async def a_number_without_message_gets_bad(env: ImapEnvironment) -> None:
    """A message number above the number of messages gets BAD."""
    session = await env.selected(ONE)
    await session.bad(b"FETCH 2 (UID)")


@IMAP.case("imap/fetch/17", rfc=3501, section="5.2", level=SHOULD, implied=True)
async def seen_by_fetch_is_reported_elsewhere(env: ImapEnvironment) -> None:
    """\\Seen that a FETCH sets in one session is reported to another."""
    session = await env.selected(ONE)
    await set_up(session, rb"STORE 1 -FLAGS.SILENT (\Seen)")
    other = await env.another(session)
    await set_up(session, b"FETCH 1 (BODY[])")
    items = (await announced(other, b"FETCH")).items
    require(SEEN in flags_in(items.get(b"FLAGS")), "\\Seen in a FETCH response", items)
