"""Several sessions with one mailbox, and several commands at once (RFC 3501, 5.2 and 5.5)."""

from __future__ import annotations

from ..verdicts import MUST, SetUpFailed, require
from .contents import flags_in, observed, set_up, uids
from .environment import ImapEnvironment
from .messages import ONE, THREE, TWO
from .responses import Response
from .session import ImapSession
from .suite import IMAP

MAX_RESPONSES = 1000
"""Responses after which the answers to a few commands are taken to have no end."""


async def deliver(env: ImapEnvironment, session: ImapSession) -> None:
    """Append a message to the mailbox of a session from another one. Raises SetUpFailed."""
    answer = await env.append(await env.log_in(), session.mailbox, THREE)
    if not answer.ok:
        raise SetUpFailed(f"APPEND fails: {answer.tagged.line!r}")


@IMAP.case("imap/multi/1", rfc=3501, section="5.2", level=MUST)
async def new_mail_is_announced(env: ImapEnvironment) -> None:
    """A message that another session appends is announced by EXISTS while a command runs."""
    session = await env.selected(ONE, TWO)
    await deliver(env, session)
    exists = await observed(session, b"EXISTS")
    # Only what a server observes must be announced, so one that looks rarely is only warned about.
    require(exists, "EXISTS in the answer to NOOP", "no such response", lenient=True)
    count = exists.number if exists else None
    require(count == 3, "3 EXISTS", count)


@IMAP.case("imap/multi/2", rfc=3501, section="5.5", level=MUST)
async def pipelined_commands_are_all_answered(env: ImapEnvironment) -> None:
    """Of ten commands that are sent at once each gets one tagged response.

    Where the order matters, the server keeps it: a FETCH after a STORE shows what was stored.
    """
    session = await env.selected(ONE, TWO)
    await set_up(session, rb"STORE 1 FLAGS.SILENT ()")
    commands = (
        *(b"NOOP", rb"STORE 1 +FLAGS (\Flagged)", b"FETCH 1 (FLAGS)", b"FETCH 2 (UID)"),
        *(rb"STORE 1 -FLAGS (\Flagged)", b"SEARCH FLAGGED", rb"STORE 1 +FLAGS (\Answered)"),
        *(b"FETCH 1 (FLAGS)", b"FETCH 1:2 (RFC822.SIZE)", b"NOOP"),
    )
    tags = [b"P%d" % number for number in range(len(commands))]
    pairs = zip(tags, commands, strict=True)
    await session.send(b"".join(b"%b %b\r\n" % pair for pair in pairs))
    responses = await responses_until(session, set(tags))
    answered = [response.tag for response in responses if response.tag != b"*"]
    require(sorted(answered) == sorted(tags), "one tagged response for each command", answered)
    refused = [r.line for r in responses if r.tag != b"*" and r.name != b"OK"]
    require(not refused, "OK for every command", refused)
    in_order = [tag for tag in answered if tag in {tags[n] for n in (1, 2, 4, 6, 7)}]
    require(in_order == sorted(in_order), "the order of STORE and FETCH", in_order)
    for place, wanted in ((2, rb"\flagged"), (7, rb"\answered")):
        end = next(n for n, response in enumerate(responses) if response.tag == tags[place])
        shown = [r for r in responses[:end] if r.name == b"FETCH" and b"FLAGS" in r.items]
        got = flags_in(shown[-1].items[b"FLAGS"]) if shown else frozenset[bytes]()
        require(got == frozenset({wanted}), f"the flag {wanted!r} in the answer to FETCH", got)


async def responses_until(session: ImapSession, tags: set[bytes]) -> list[Response]:
    """Return the responses up to the last of these tags. Raises Broken."""
    found: list[Response] = []
    left = set(tags)
    while left and len(found) < MAX_RESPONSES:
        response = await session.response(f"the tagged responses {sorted(left)}")
        found.append(response)
        left.discard(response.tag)
    return found


@IMAP.case("imap/multi/3", rfc=3501, section="7.4.1", level=MUST, implied=True)
async def numbers_stay_until_expunge_is_reported(env: ImapEnvironment) -> None:
    """Message numbers do not change before the session has got the EXPUNGE response."""
    session = await env.selected(ONE, TWO, THREE)
    before = await uids(session)
    other = await env.another(session)
    await set_up(other, rb"STORE 1 +FLAGS.SILENT (\Deleted)")
    await set_up(other, b"EXPUNGE")
    for number in (2, 3):
        answer = await session.command(b"FETCH %d (UID)" % number)
        got = answer.fetched().get(number, {}).get(b"UID")
        # A server may answer NO while messages that it has not reported are gone (RFC 2180).
        if answer.ok:
            wanted = b"%d" % before[number - 1]
            require(got == wanted, f"UID {before[number - 1]} for message {number}", got)
    if await observed(session, b"EXPUNGE"):
        after = await uids(session)
        require(after == before[1:], f"the UIDs {before[1:]} after EXPUNGE", after)


@IMAP.case("imap/multi/4", rfc=3501, section="5.2", level=MUST, implied=True)
async def a_larger_mailbox_is_announced_before_its_numbers(env: ImapEnvironment) -> None:
    """A message that is new for a session has no number there before EXISTS has announced it."""
    session = await env.selected(ONE)
    await deliver(env, session)
    known = 1
    answer = await session.ok(b"FETCH 1:* (UID)")
    for response in answer.untagged:
        if response.name == b"EXISTS":
            known = response.number or 0
        elif response.name == b"FETCH":
            number = response.number or 0
            require(number <= known, f"numbers up to {known}", answer.lines, lenient=True)
