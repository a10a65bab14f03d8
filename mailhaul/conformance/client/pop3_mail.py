"""POP3 clients and the mail: it arrives whole, and only what has arrived is deleted."""

from __future__ import annotations

from ...servers.mailboxes import Mailbox
from ..verdicts import MUST, require
from ..wire_faults import Answer, Change, Cut
from .environment import ClientEnvironment
from .messages import DOTS, FOUR, ONE, THREE, TWO, id_of, message
from .playing import PlayedPop3
from .requirements import require_delivered, require_end, require_no_loss
from .suite import CLIENT

LONG = message("long", b"".join(b"line %d of many lines\r\n" % n for n in range(400)))


@CLIENT.case("client/pop3/2", rfc=1939, section="3", level=MUST, implied=True)
async def stuffed_dots_are_removed(env: ClientEnvironment) -> None:
    """The dot that was added to a line that begins with one is removed again."""
    run = await env.fetch(PlayedPop3(mailbox=Mailbox([DOTS])))
    require_delivered(run, DOTS)


@CLIENT.case("client/pop3/3", rfc=1939, section="6", level=MUST, implied=True)
async def deletions_are_confirmed_and_only_for_delivered_mail(env: ClientEnvironment) -> None:
    """QUIT follows DELE, and only messages that were delivered are deleted."""
    source = PlayedPop3(mailbox=Mailbox([ONE, TWO, THREE]))
    run = await env.fetch(source, refuse_after=1)
    require_no_loss(run, source, [ONE, TWO, THREE])
    for connection in run.connections:
        if b"DELE" in connection.verbs:
            require(connection.verbs[-1] == b"QUIT", "QUIT after DELE", connection.verbs[-1])


@CLIENT.case("client/pop3/9", rfc=1939, section="7", level=MUST, implied=True)
async def strange_unique_ids_cost_no_mail(env: ClientEnvironment) -> None:
    """Unique-ids that occur twice or change do not make it delete mail that it did not see."""
    # New ids are new mail, also where the messages have the numbers of old ones.
    twice = Change(rb"\+OK\r\n1 1\.1\r\n2 1\.2\r\n", rb"+OK\r\n1 1.1\r\n2 1.1\r\n")
    source = PlayedPop3(mailbox=Mailbox([ONE, TWO]), rules=[twice])
    run = await env.fetch(source)
    require_no_loss(run, source, [ONE, TWO])
    if not env.client.template.can("keep", "yes"):
        return
    source = PlayedPop3(mailbox=Mailbox([ONE, TWO]))
    await env.fetch(source, keep="yes")
    source.mailbox = Mailbox([THREE, FOUR], uidvalidity=2)
    run = await env.fetch(source, keep="yes", again=True)
    require(len(source.left) == 2, "both new messages at the server", f"{len(source.left)} of 2")
    require_delivered(run, THREE, FOUR)


@CLIENT.case("client/pop3/10", rfc=1939, section="3", level=MUST, implied=True)
async def half_a_message_is_no_message(env: ClientEnvironment) -> None:
    """A message whose text ends without the final dot is not deleted, and comes whole later."""
    # The connection is closed in the middle of the text; then the server works again. Half a
    # message that is delivered, too, gets a warning: no program can take that back.
    cut = Cut(rb"line 200 of", b"line 2", times=1)
    source = PlayedPop3(mailbox=Mailbox([LONG]), rules=[cut])
    first = await env.fetch(source)
    require(source.left, "the message still at the server", "it was deleted")
    require_end(first)
    source.rules = []
    require_delivered(await env.fetch(source, again=True), LONG)
    half = [text for text in first.delivered if b"line 399" not in text]
    require(not half, "no delivery of half a message", f"{len(half)} of it", lenient=True)


@CLIENT.case("client/pop3/11", rfc=1939, section="5", level=MUST, implied=True)
async def a_wrong_size_does_not_count(env: ClientEnvironment) -> None:
    """The text of a message ends with the final dot, whatever size LIST and RETR gave for it."""
    for size in (b"7", b"70007"):
        wrong = [
            Change(rb"^\+OK(?=\r\nReturn-Path)", rb"+OK " + size + rb" octets"),
            Change(rb"(?m)(?<=^1 )\d+(?=\r\n)", size),
            Change(rb"^\+OK 1 \d+(?=\r\n$)", rb"+OK 1 " + size),
        ]
        source = PlayedPop3(mailbox=Mailbox([DOTS]), rules=wrong)
        require_delivered(await env.fetch(source), DOTS)


@CLIENT.case("client/pop3/12", rfc=1939, section="3", level=MUST, implied=True)
async def segments_mean_nothing(env: ClientEnvironment) -> None:
    """Replies and texts are read as they are, however they are cut into segments."""
    texts = [DOTS, ONE]
    for slices in (1, 7):
        source = PlayedPop3(mailbox=Mailbox(texts), slices=slices)
        require_delivered(await env.fetch(source), *texts)


@CLIENT.case("client/pop3/13", rfc=1939, section="5", level=MUST, implied=True)
async def a_refused_message_is_not_deleted(env: ClientEnvironment) -> None:
    """A message that the server refuses to send with -ERR is not deleted, and is no mail."""
    refused = Answer(rb"(RETR|TOP) 2( \d+)?", rb"-ERR cannot read this message now\r\n")
    source = PlayedPop3(mailbox=Mailbox([ONE, TWO, THREE]), rules=[refused])
    run = await env.fetch(source)
    require_end(run)
    require_no_loss(run, source, [ONE, TWO, THREE])
    require(len(run.delivered) <= 2, "two deliveries at most", len(run.delivered))


@CLIENT.case("client/pop3/14", rfc=1939, section="6", level=MUST, implied=True)
async def a_lost_update_brings_no_loss(env: ClientEnvironment) -> None:
    """If the connection is lost before the reply to QUIT, mail may come twice, but none is lost."""
    # The server deletes nothing without QUIT; the next session starts from what is there.
    source = PlayedPop3(mailbox=Mailbox([ONE, TWO]), rules=[Answer(rb"QUIT", b"", close=True)])
    run = await env.fetch(source)
    require_no_loss(run, source, [ONE, TWO])
    source.rules = []
    second = await env.fetch(source, again=True)
    require_end(second)
    known = run.delivered_ids | second.delivered_ids
    wanted = {id_of(ONE)} if run.only_first else {id_of(ONE), id_of(TWO)}
    missing = wanted - known
    require(not missing, "both messages delivered", f"no delivery of {sorted(missing)}")
