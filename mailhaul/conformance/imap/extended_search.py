"""SEARCH with result options (RFC 4731), and saved results (RFC 5182)."""

from __future__ import annotations

from ...protocols.imap.values import Value
from ..verdicts import MUST, Skipped, fail, require
from .contents import number_of, numbers_in, set_up, uids
from .environment import ImapEnvironment
from .messages import ONE, THREE, TWO
from .responses import Answer, name_of, octets_of
from .session import ImapSession
from .suite import IMAP


def extended(answer: Answer) -> dict[bytes, Value]:
    """Return the items of the only ESEARCH response; its tag is TAG, and UID has no value.

    Raises Broken where it does not follow the grammar.
    """
    response = answer.one(b"ESEARCH")
    values = response.values
    found: dict[bytes, Value] = {}
    if values and isinstance(values[0], list):
        correlator = values.pop(0)
        if not isinstance(correlator, list) or len(correlator) != 2:
            fail("(TAG ...) in the ESEARCH response", response.line)
        found[name_of(correlator[0])] = correlator[1]
    if values and name_of(values[0]) == b"UID":
        values.pop(0)
        found[b"UID"] = None
    if len(values) % 2:
        fail("names and values in the ESEARCH response", response.line)
    pairs = zip(values[::2], values[1::2], strict=True)
    return found | {name_of(name): value for name, value in pairs}


async def with_two_flagged(env: ImapEnvironment) -> ImapSession:
    """Return a session with three messages; the last two are flagged. Raises Skipped."""
    session = await env.selected(ONE, TWO, THREE)
    await env.require_capability(session, b"ESEARCH", b"IMAP4REV2")
    await set_up(session, rb"STORE 2:3 +FLAGS.SILENT (\Flagged)")
    return session


def require_numbers(items: dict[bytes, Value], name: bytes, expected: list[int]) -> None:
    """Require that an item of an ESEARCH response names these messages."""
    value = items.get(name)
    got = sorted(set(numbers_in(octets_of(value)))) if value is not None else None
    require(got == expected, f"{name.decode('ascii')} for the messages {expected}", got)


@IMAP.case("imap/esearch/1", rfc=4731, section="3.1", level=MUST)
async def result_options_are_answered(env: ImapEnvironment) -> None:
    """SEARCH RETURN (MIN MAX COUNT ALL) is answered by one ESEARCH response with the command's tag.

    Where nothing matches it has none of MIN, MAX and ALL.
    """
    session = await with_two_flagged(env)
    answer = await session.ok(b"SEARCH RETURN (MIN MAX COUNT ALL) FLAGGED")
    require(not answer.all(b"SEARCH"), "no SEARCH response", answer.lines)
    items = extended(answer)
    tag = octets_of(items.get(b"TAG"))
    require(tag == answer.tagged.tag, f"the tag {answer.tagged.tag!r}", tag)
    for name, numbers in ((b"MIN", [2]), (b"MAX", [3]), (b"COUNT", [2]), (b"ALL", [2, 3])):
        require_numbers(items, name, numbers)
    items = extended(await session.ok(b"SEARCH RETURN (MIN MAX COUNT ALL) DELETED"))
    require(number_of(items.get(b"COUNT")) == 0, "COUNT 0", items)
    present = [name for name in (b"MIN", b"MAX", b"ALL") if name in items]
    require(not present, "none of MIN, MAX and ALL where nothing matches", present)


@IMAP.case("imap/esearch/2", rfc=4731, section="3.1", level=MUST)
async def uid_search_is_marked(env: ImapEnvironment) -> None:
    """The ESEARCH response to UID SEARCH has the UID indicator, and its numbers are UIDs."""
    session = await with_two_flagged(env)
    expected = (await uids(session))[1:]
    items = extended(await session.ok(b"UID SEARCH RETURN (ALL) FLAGGED"))
    require(b"UID" in items, "the UID indicator", items)
    require_numbers(items, b"ALL", expected)


@IMAP.case("imap/esearch/3", rfc=4731, section="3.1", level=MUST, implied=True)
async def no_result_options_mean_all(env: ImapEnvironment) -> None:
    """An empty list of result options is equivalent to (ALL)."""
    session = await with_two_flagged(env)
    require_numbers(extended(await session.ok(b"SEARCH RETURN () FLAGGED")), b"ALL", [2, 3])


@IMAP.case("imap/esearch/4", rfc=4731, section="3.2", level=MUST)
async def the_mod_sequence_is_that_of_the_result(env: ImapEnvironment) -> None:
    """With RETURN (MIN) and a MODSEQ key, MODSEQ is the mod-sequence of the message found."""
    session = await with_two_flagged(env)
    await env.require_capability(session, b"CONDSTORE", b"QRESYNC")
    await set_up(session, rb"STORE 3 +FLAGS.SILENT (\Answered)")
    fetched = (await session.ok(b"FETCH 1 (MODSEQ)")).fetched()
    value = fetched.get(1, {}).get(b"MODSEQ")
    if not isinstance(value, list) or not value:
        fail("MODSEQ of message 1", fetched)
    items = extended(await session.ok(b"SEARCH RETURN (MIN) MODSEQ 1"))
    require_numbers(items, b"MIN", [1])
    expected, got = number_of(value[0]), number_of(items.get(b"MODSEQ"))
    require(got == expected, f"MODSEQ {expected}, as message 1 has it", got)


# Saved results


async def with_saved(env: ImapEnvironment, options: bytes) -> ImapSession:
    """Return a session in which the result of a search for 2:3 was saved. Raises Skipped."""
    session = await with_two_flagged(env)
    await env.require_capability(session, b"SEARCHRES", b"IMAP4REV2")
    answer = await session.command(b"SEARCH RETURN (%b) FLAGGED" % options)
    if answer.code and answer.code.name == b"NOTSAVED":
        raise Skipped("the server refuses to save a result, which RFC 5182, 2.5 allows")
    require(answer.ok, "OK as the answer to SEARCH", answer.tagged.line)
    if options == b"SAVE":
        require(not answer.all(b"ESEARCH"), "no ESEARCH response", answer.lines)
    return session


async def saved(session: ImapSession) -> list[int]:
    """Return the messages that ``$`` stands for."""
    return sorted((await session.ok(b"FETCH $ (UID)")).fetched())


@IMAP.case("imap/searchres/1", rfc=5182, section="2.1", level=MUST, implied=True)
async def a_saved_result_can_be_used(env: ImapEnvironment) -> None:
    """After SEARCH RETURN (SAVE) the mark $ stands for the messages found."""
    session = await with_saved(env, b"SAVE")
    numbers = await saved(session)
    require(numbers == [2, 3], "FETCH responses for the messages 2 and 3", numbers)


@IMAP.case("imap/searchres/2", rfc=5182, section="2.4", level=MUST, implied=True)
async def save_with_min_keeps_one_message(env: ImapEnvironment) -> None:
    """After SEARCH RETURN (SAVE MIN) the mark $ stands for the lowest message only."""
    session = await with_saved(env, b"SAVE MIN")
    numbers = await saved(session)
    require(numbers == [2], "a FETCH response for message 2", numbers)


@IMAP.case("imap/searchres/3", rfc=5182, section="2.1", level=MUST, implied=True)
async def an_empty_result_is_no_error(env: ImapEnvironment) -> None:
    """SELECT empties the saved result, and a FETCH of an empty one gets OK and no data."""
    session = await with_saved(env, b"SAVE")
    await env.select(session)
    numbers = await saved(session)
    require(not numbers, "no FETCH response", numbers)
