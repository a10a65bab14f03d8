"""IMAP clients and the mail: responses in any order, literals, and what others do meanwhile."""

from __future__ import annotations

import re

from ...servers.mailboxes import Mailbox
from ..verdicts import MAY, MUST, SHOULD, Finding, require
from ..wire_faults import Answer, Change, Rule, Trigger
from .environment import ClientEnvironment
from .messages import DOTS, FOUR, ONE, THREE, TWO, id_of
from .playing import HOLD, PlayedImap
from .requirements import require_delivered, require_end, require_no_loss
from .suite import CLIENT

TAGGED = rb"(?<=\n)(\S+) OK"
"""A tagged OK after other lines; the same tag follows as group 1."""
READS = rb"\S+ (UID )?FETCH .*(BODY(\.PEEK)?\[(?!HEADER\.FIELDS)|RFC822(\.PEEK|\.TEXT|\)|$)).*"
"""A FETCH of message text."""


@CLIENT.case("client/imap/5", rfc=3501, section="2.2.2", level=MUST)
async def untagged_data_may_come_at_any_time(env: ClientEnvironment) -> None:
    """Untagged data is accepted at any time, also of unknown kinds, and mail that has just come."""
    # In the second part the server says BYE in the middle; then nothing is lost.
    anywhere = rb'* OK [ALERT] maintenance\r\n* NO a warning\r\n* X-MHTEST (1 "two" NIL)\r\n'
    in_mailbox = rb'* LIST () "/" elsewhere\r\n* FLAGS (\\Seen \\Deleted)\r\n'
    mailbox = Mailbox([ONE, TWO])
    news = Trigger(READS, lambda: mailbox.append(THREE))
    rules: list[Rule] = [
        Change(rb"(?<!\S)([^\s*+]\S*) OK(?= )", anywhere + rb"\1 OK"),
        Change(rb"(\* (?:\d+ FETCH|SEARCH) .*\r\n)(?=[^\s*+]\S* OK )", rb"\1" + in_mailbox),
        news,
    ]
    run = await env.fetch(PlayedImap(mailbox=mailbox, rules=rules))
    require_delivered(run, ONE, TWO)
    bye = Answer(rb"(\S+) (UID )?FETCH .*", b"* BYE going down\r\n", after=1, close=True)
    source = PlayedImap(mailbox=Mailbox([ONE, TWO]), rules=[bye])
    run = await env.fetch(source)
    require_end(run)
    require_no_loss(run, source, [ONE, TWO])


@CLIENT.case("client/imap/7", rfc=3501, section="7.1", level=SHOULD)
async def unknown_response_codes_are_ignored(env: ClientEnvironment) -> None:
    """Response codes that the client does not know change nothing."""
    code = rb'\1 OK [X-MHTEST (1 "two" NIL)] done'
    rules = [
        Change(rb"(?<=\n)([^\s*+]\S*) OK (\[[^\]]*\] )?done", code),
        Change(rb"^([^\s*+]\S*) OK (\[[^\]]*\] )?done", code),
        Change(rb"\* OK \[(UNSEEN|UIDNEXT) ", rb"* OK [X-MHTEST-2 a b] more\r\n* OK [\1 "),
    ]
    run = await env.fetch(PlayedImap(mailbox=Mailbox([ONE, TWO]), rules=rules))
    require_delivered(run, ONE, TWO)


@CLIENT.case("client/imap/8", rfc=3501, section="5.2", level=MUST)
async def numbers_follow_removals_by_others(env: ClientEnvironment) -> None:
    """Where another session removes a message during the poll, only delivered mail is deleted."""
    # New mail arrives at the same time, so that a stale number would hit a message not yet fetched.
    mailbox = Mailbox([ONE, TWO, THREE])

    def change() -> None:
        mailbox.remove({mailbox.messages[0].uid})
        mailbox.append(FOUR)

    second = Trigger(READS, change, after=1)
    source = PlayedImap(mailbox=mailbox, rules=[second])
    run = await env.fetch(source)
    require_end(run)
    require_no_loss(run, source, [TWO, THREE, *([FOUR] if second.seen > second.after else [])])


@CLIENT.case("client/imap/9", rfc=3501, section="2.3.1", level=MUST, implied=True)
async def a_new_uidvalidity_makes_all_uids_new(env: ClientEnvironment) -> None:
    """After a change of UIDVALIDITY no mail is skipped, and none deleted by a stale UID."""
    # A client that gives up and says so by its exit status skips nothing.
    source = PlayedImap(mailbox=Mailbox([ONE, TWO], uidvalidity=11))
    await env.fetch(source, keep="yes")
    source.mailbox = Mailbox([THREE, FOUR], uidvalidity=12)
    run = await env.fetch(source, keep="yes", again=True)
    require(len(source.left) == 2, "both new messages at the server", f"{len(source.left)} of 2")
    if run.ended.status and not run.delivered:
        return
    require_delivered(run, THREE, FOUR)


@CLIENT.case("client/imap/11", rfc=3501, section="3.4", level=SHOULD)
async def the_session_ends_with_logout(env: ClientEnvironment) -> None:
    """The session ends with LOGOUT, and the answer is read before the connection is closed."""
    source = PlayedImap(mailbox=Mailbox([ONE]), hold=HOLD)
    run = await env.fetch(source)
    require_delivered(run, ONE)
    for connection in run.connections:
        last = connection.imap_commands[-1:]
        require(last == [b"LOGOUT"], "LOGOUT as the last command", b"".join(last) or "none")
        require(not connection.left_early, "the answer to LOGOUT read", "the connection closed")


@CLIENT.case("client/imap/12", rfc=3501, section="4.3", level=MUST, implied=True)
async def a_literal_is_as_long_as_it_says(env: ClientEnvironment) -> None:
    """A message is read by the count of its literal, whatever RFC822.SIZE was."""
    for size in (b"7", b"70007"):
        wrong = Change(rb"RFC822\.SIZE \d+", rb"RFC822.SIZE " + size)
        run = await env.fetch(PlayedImap(mailbox=Mailbox([DOTS, ONE]), rules=[wrong]))
        require_delivered(run, DOTS, ONE)


@CLIENT.case("client/imap/15", rfc=3501, section="7.4.2", level=MUST, implied=True)
async def items_of_a_fetch_response_have_no_order(env: ClientEnvironment) -> None:
    """UID and FLAGS may come after the text of a message, and in any order."""

    def text_first(found: re.Match[bytes]) -> bytes:
        size = int(found["size"])
        text, rest = found["rest"][:size], found["rest"][size:]
        more, end, after = rest.partition(b")\r\n")
        items = found["items"].strip() + b" " * bool(found["items"].strip())
        head = b"* %b FETCH (%b {%d}\r\n" % (found["number"], found["name"], size)
        uid = b" " + items.strip() if items else b""
        return head + text + more + uid + end + after

    pattern = (
        rb"\* (?P<number>\d+) FETCH \((?P<items>(?:(?:UID|RFC822\.SIZE) \d+ )*)"
        rb"(?P<name>BODY\[[^\]]*\]|RFC822\S*) \{(?P<size>\d+)\}\r\n(?P<rest>.*)$"
    )
    source = PlayedImap(mailbox=Mailbox([ONE, DOTS]), rules=[Change(pattern, text_first)])
    require_delivered(await env.fetch(source), ONE, DOTS)


@CLIENT.case("client/imap/16", rfc=3501, section="2.2", level=MUST, implied=True)
async def segments_mean_nothing(env: ClientEnvironment) -> None:
    """Responses and literals are read as they are, however they are cut into segments."""
    for slices in (1, 7):
        run = await env.fetch(PlayedImap(mailbox=Mailbox([DOTS, ONE]), slices=slices))
        require_delivered(run, DOTS, ONE)


@CLIENT.case("client/imap/17", rfc=3501, section="6.4.5", level=MUST, implied=True)
async def a_text_that_is_missing_is_no_mail(env: ClientEnvironment) -> None:
    """A message whose FETCH gets NO, or OK without its text, is not deleted as if it had come."""
    for reply in (rb"\1 NO try again later\r\n", rb"\1 OK done\r\n"):
        rule = Answer(READS.replace(rb"\S+ ", rb"(\S+) ", 1), reply)
        source = PlayedImap(mailbox=Mailbox([ONE]), rules=[rule])
        run = await env.fetch(source)
        require_end(run)
        require_no_loss(run, source, [ONE])


@CLIENT.case("client/imap/18", rfc=4315, section="2.1", level=MAY)
async def messages_that_others_marked_are_left(env: ClientEnvironment) -> Finding:
    """A message that another session has marked as deleted is not expunged: UID EXPUNGE is used."""
    mailbox = Mailbox([ONE, TWO])
    mailbox.messages[1].flags.add(rb"\Deleted")
    run = await env.fetch(PlayedImap(mailbox=mailbox))
    require_end(run)
    there = {id_of(message.text) for message in mailbox.messages}
    return Finding(id_of(TWO) in there or id_of(TWO) in run.delivered_ids)
