"""POP3 clients before the maildrop is open: capabilities, logins, TLS, and commands sent ahead."""

from __future__ import annotations

from ...servers.mailboxes import Mailbox
from ..certificates import OTHER_NAME
from ..verdicts import MUST, SHOULD, fail, require
from ..wire_faults import Answer, Change, Rule
from .environment import ClientEnvironment, Run
from .messages import ONE, THREE, TWO, id_of
from .playing import HOLD, PASSWORD, PlayedPop3
from .requirements import (
    require_connection,
    require_delivered,
    require_end,
    require_no_login,
    require_no_loss,
    require_patience,
)
from .suite import CLIENT

MAILDROP = frozenset({b"STAT", b"LIST", b"UIDL", b"RETR", b"TOP", b"DELE"})


@CLIENT.case("client/pop3/1", rfc=2449, section="7", level=MUST)
async def capa_may_be_missing(env: ClientEnvironment) -> None:
    """Works with a server that answers CAPA with -ERR."""
    old = Answer(rb"CAPA", b"-ERR unknown command\r\n")
    run = await env.fetch(PlayedPop3(mailbox=Mailbox([ONE]), rules=[old]))
    require_delivered(run, ONE)


@CLIENT.case("client/pop3/4", rfc=2449, section="8", level=MUST)
async def response_codes_of_refused_logins(env: ClientEnvironment) -> None:
    """After "-ERR [IN-USE]" or an unknown code no command for the maildrop follows."""
    # The refusal is for now: the next start of the client logs in again.
    source = PlayedPop3(mailbox=Mailbox([ONE]))
    for code in (b"[IN-USE] ", b"[LOGIN-DELAY] ", b"[X-MHTEST/A] "):
        refusal = rb"-ERR " + code + rb"not now\r\n"
        source.rules = [Answer(rb"PASS .*|APOP .*|AUTH \S+.*", refusal)]
        run = await env.fetch(source)
        require_end(run)
        for connection in run.connections:
            for verb in connection.verbs:
                require(verb not in MAILDROP, f"no {verb.decode()} without a login", verb)
    source.rules = []
    require_delivered(await env.fetch(source, again=True), ONE)


@CLIENT.case("client/pop3/5", rfc=5034, section="3", level=SHOULD)
async def only_announced_mechanisms_are_tried(env: ClientEnvironment) -> None:
    """AUTH is not sent where CAPA lists no SASL, and no password in clear if it has only CRAM."""
    # In the second part CAPA has no USER either.
    without = PlayedPop3(mailbox=Mailbox([ONE]), without=(b"SASL", b"PIPELINING"))
    run = await env.fetch(without)
    for connection in run.connections:
        if b"CAPA" in connection.verbs:
            require(b"AUTH" not in connection.verbs, "no AUTH without SASL in CAPA", b"AUTH")
    only: list[Rule] = [
        Change(rb"SASL [^\r]*\r\n", b"SASL CRAM-MD5\r\n"),
        Answer(rb"(USER|PASS|APOP) .*", b"-ERR not here\r\n"),
        Answer(rb"AUTH (?!CRAM-MD5).*", b"-ERR not here\r\n"),
    ]
    source = PlayedPop3(
        mailbox=Mailbox([ONE]), rules=only, without=(b"USER", b"PIPELINING"), challenges=True
    )
    run = await env.fetch(source)
    for connection in run.connections:
        if b"CAPA" in connection.verbs:
            plain = [verb for verb in connection.verbs if verb in {b"PASS", b"APOP"}]
            plain += [
                b"AUTH " + line.words[1]
                for line in connection.commands
                if line.verb == b"AUTH" and line.words[1:2] in ([b"PLAIN"], [b"LOGIN"])
            ]
            require(not plain and PASSWORD not in connection.raw, "only AUTH CRAM-MD5", plain)


@CLIENT.case("client/pop3/6", rfc=2595, section="2.4", level=MUST)
async def the_certificate_must_be_for_the_host(env: ClientEnvironment) -> None:
    """The name in the certificate is checked after STLS; with another name there is no login."""
    source = PlayedPop3(mailbox=Mailbox([ONE]), tls="starttls", certificate=OTHER_NAME)
    run = await env.fetch(source)
    require_end(run)
    require_no_login(run, "to a server with a certificate for another name")


@CLIENT.case("client/pop3/7", rfc=2595, section="4", level=MUST, implied=True)
async def nothing_from_before_tls_counts(env: ClientEnvironment) -> None:
    """What CAPA listed before STLS is forgotten; text injected before the handshake is not used."""
    # A client that gives up is right, too. The first list has SASL, the second has none; what a
    # client does where no list has it is not judged.
    refusal = Answer(rb"AUTH .*", b"-ERR not offered\r\n")
    nowhere: list[Rule] = [Change(rb"SASL [^\r]*\r\n", b""), refusal]
    only_before: list[Rule] = [Change(rb"SASL [^\r]*\r\n", b"", inside=True), refusal]
    source = PlayedPop3(mailbox=Mailbox([ONE]), rules=nowhere, tls="starttls")
    ignores_the_list = authenticates_inside(await env.fetch(source))
    source.rules = only_before
    if authenticates_inside(await env.fetch(source)) and not ignores_the_list:
        fail("no AUTH inside TLS, where CAPA does not list SASL", "AUTH was sent")
    injection = Change(rb"(begin TLS now\r\n)$", rb"\1+OK\r\nUSER\r\nX-MHTEST\r\n.\r\n")
    source = PlayedPop3(mailbox=Mailbox([ONE]), rules=[injection], tls="starttls", hold=HOLD)
    run = await env.fetch(source)
    require_end(run)
    for connection in run.connections:
        for line in connection.commands:
            if line.tls and line.early:
                fail("text injected before the handshake not used", "it was taken for a reply")


def authenticates_inside(run: Run) -> bool:
    """Whether AUTH was sent inside TLS."""
    lines = [line for connection in run.connections for line in connection.commands]
    return any(line.tls and line.verb == b"AUTH" for line in lines)


@CLIENT.case("client/pop3/8", rfc=2449, section="6.6", level=MUST)
async def commands_are_sent_ahead_only_where_that_is_allowed(env: ClientEnvironment) -> None:
    """No command is sent ahead without PIPELINING, and with it each reply goes to its command."""
    # In the second part the server refuses the second of three messages.
    run = await env.fetch(PlayedPop3(mailbox=Mailbox([ONE, TWO]), hold=HOLD))
    require_patience(run)
    require_delivered(run, ONE, TWO)
    refused = Answer(rb"(RETR|TOP) 2( \d+)?", rb"-ERR cannot read this message now\r\n")
    source = PlayedPop3(mailbox=Mailbox([ONE, TWO, THREE]), rules=[refused], without=())
    run = await env.fetch(source)
    require_end(run)
    require_no_loss(run, source, [ONE, TWO, THREE])
    require(id_of(TWO) not in run.delivered_ids, "no delivery of the refused message", "one")


@CLIENT.case("client/pop3/15", rfc=1939, section="3", level=MUST, implied=True)
async def the_greeting_comes_first(env: ClientEnvironment) -> None:
    """No command is sent before the greeting has come."""
    run = await env.fetch(PlayedPop3(mailbox=Mailbox([ONE]), hold=HOLD))
    first = require_connection(run).commands[0]
    require(not first.early, "the first command after the greeting", "one before it")


@CLIENT.case("client/pop3/16", rfc=1939, section="4", level=MUST, implied=True)
async def a_refused_connection_is_no_login(env: ClientEnvironment) -> None:
    """After a greeting with -ERR nothing is sent, except QUIT, and the next start tries again."""
    refusal = Change(rb"^\+OK ready\r\n", b"-ERR come back later\r\n")
    source = PlayedPop3(mailbox=Mailbox([ONE]), rules=[refusal])
    run = await env.fetch(source)
    require_end(run)
    for connection in run.connections:
        sent = [verb for verb in connection.verbs if verb != b"QUIT"]
        require(not sent, "no command after a greeting with -ERR", b", ".join(sent))
    source.rules = []
    require_delivered(await env.fetch(source, again=True), ONE)
