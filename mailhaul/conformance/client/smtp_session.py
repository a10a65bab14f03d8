"""SMTP clients: greetings, extensions, commands sent ahead, TLS and AUTH."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..connections import Connection
from ..verdicts import MUST, SHOULD, Skipped, fail, require
from ..wire_faults import Answer, Change
from .environment import ClientEnvironment, Run
from .messages import EIGHT_BIT, ONE
from .playing import HOLD, PlayedSmtp
from .requirements import require_delivered, require_end
from .suite import CLIENT

EXTENSION_OF = {
    b"SIZE": b"SIZE",
    b"BODY": b"8BITMIME",
    b"SMTPUTF8": b"SMTPUTF8",
    b"AUTH": b"AUTH",
    b"RET": b"DSN",
    b"ENVID": b"DSN",
    b"NOTIFY": b"DSN",
    b"ORCPT": b"DSN",
}
"""The extension to which each parameter of MAIL and RCPT belongs."""


def to_sink(run: Run) -> list[Connection]:
    """Return the connections on which the client sent mail. Raises SetUpFailed."""
    own = [c for c in run.connections if c.protocol in {"smtp", "lmtp"}]
    return own or run.sink_connections


@CLIENT.case("client/smtp/1", rfc=5321, section="2.2.1", level=SHOULD)
async def ehlo_comes_first(env: ClientEnvironment) -> None:
    """A session begins with EHLO, and HELO comes only after that was refused."""
    # After a refusal a client may begin again on a new connection, with HELO.
    run = await env.deliver(PlayedSmtp(), ONE)
    require_delivered(run, ONE)
    for connection in to_sink(run):
        require_ehlo_first(connection)
        require(b"HELO" not in connection.verbs, "no HELO after EHLO was accepted", "HELO")
    refusal = Answer(rb"EHLO.*", b"502 5.5.1 unknown command\r\n")
    run = await env.deliver(PlayedSmtp(rules=[refusal]), ONE)
    require_delivered(run, ONE)
    require_ehlo_first(to_sink(run)[0])


def require_ehlo_first(connection: Connection) -> None:
    """Require EHLO as the first command of a connection."""
    first = connection.verbs[:1]
    require(first == [b"EHLO"], "EHLO as the first command", b"".join(first) or "none")


@CLIENT.case("client/smtp/4", rfc=5321, section="4.1.1.3", level=MUST, implied=True)
async def parameters_belong_to_announced_extensions(env: ClientEnvironment) -> None:
    """MAIL and RCPT have only parameters of extensions that the server announced."""
    for names in ((), (b"SIZE",)):
        run = await env.deliver(PlayedSmtp(extensions=dict.fromkeys(names, b"")), EIGHT_BIT, ONE)
        for connection in to_sink(run):
            for verb, parameter in parameters(connection):
                name = parameter.partition(b"=")[0].upper()
                known = EXTENSION_OF.get(name, name) in names
                require(known, f"no {name.decode()}: it is not announced", verb + b" " + parameter)


def parameters(connection: Connection) -> Iterator[tuple[bytes, bytes]]:
    """Yield the parameters of MAIL and RCPT, each with its command."""
    for line in connection.commands:
        if line.verb in {b"MAIL", b"RCPT"}:
            after = re.sub(rb'^\w+ \w+: ?<("[^"]*"|[^>])*>', b"", line.octets)
            yield from ((line.verb, word) for word in after.split())


@CLIENT.case("client/smtp/6", rfc=5321, section="4.1.1.10", level=MUST)
async def quit_ends_the_session(env: ClientEnvironment) -> None:
    """A client sends QUIT before it closes the connection, and waits for the reply."""
    run = await env.deliver(PlayedSmtp(hold=HOLD), ONE)
    require_delivered(run, ONE)
    for connection in to_sink(run):
        last = connection.verbs[-1:]
        require(last == [b"QUIT"], "QUIT as the last command", b"".join(last) or "none")
        awaited = not connection.left_early  # A SHOULD in the same sentence.
        require(awaited, "the reply to QUIT awaited", "the connection closed", lenient=True)


@CLIENT.case("client/smtp/8", rfc=2920, section="3.1", level=MUST)
async def commands_are_sent_ahead_only_where_that_is_allowed(env: ClientEnvironment) -> None:
    """Commands are sent ahead only with PIPELINING, and each reply is checked."""
    # In the second part all recipients are refused, and DATA gets 354 nevertheless: then only the
    # final dot may follow, and the mail must not be taken for delivered.
    run = await env.deliver(PlayedSmtp(hold=HOLD), ONE)
    for connection in to_sink(run):
        for line in connection.commands:
            if line.early:
                fail("each command after the last reply, without PIPELINING", line.octets)
    require_delivered(run, ONE)
    sink = PlayedSmtp(
        extensions={b"PIPELINING": b"", b"ENHANCEDSTATUSCODES": b""},
        rules=[
            Answer(rb"RCPT .*", b"450 4.2.1 not now\r\n"),
            Answer(rb"DATA", b"354 go ahead\r\n", text=b"250 2.0.0 accepted for nobody\r\n"),
        ],
    )
    await expect_no_delivery(env, sink)
    for connection in sink.connections:
        for text in connection.texts:
            require(bytes(text) == b".\r\n", "a dot alone: no recipient was accepted", bytes(text))


async def expect_no_delivery(env: ClientEnvironment, sink: PlayedSmtp) -> Run:
    """Let the client bring a message to a sink that takes none for now; it must not get lost."""
    if env.sends:
        run = await env.send(sink, ONE)
        require_end(run)
        require(run.ended.status, "an exit status that says so", "exit status 0")
        return run
    source = env.clean_source(ONE)
    run = await env.fetch(source, sink)
    require_end(run)
    require(source.left, "the message still at the server", "it was deleted")
    return run


@CLIENT.case("client/smtp/9", rfc=3207, section="4.2", level=MUST)
async def starttls_begins_again(env: ClientEnvironment) -> None:
    """After STARTTLS a new EHLO comes, its list counts alone, and STARTTLS is not sent again."""
    # The server announces SIZE and 8BITMIME before TLS, and only STARTTLS inside.
    reply = b"250-mail.example.org\r\n250 STARTTLS\r\n"
    inside = Change(rb"^250-mail\.example\.org\r\n.*$", reply, inside=True)
    run = await env.deliver(PlayedSmtp(tls="starttls", rules=[inside]), ONE)
    require_end(run)
    for connection in to_sink(run):
        lines = [line for line in connection.commands if line.tls]
        if not lines:
            continue
        first = lines[0].verb
        require(first in {b"EHLO", b"QUIT"}, "EHLO as the first command inside TLS", first)
        verbs = [line.verb for line in lines]
        require(b"STARTTLS" not in verbs, "no STARTTLS inside TLS", b"STARTTLS")
        for line in lines:
            if line.verb == b"MAIL":
                more = line.octets.partition(b">")[2].strip()
                require(not more, "no parameter: nothing is announced inside TLS", more)


@CLIENT.case("client/smtp/11", rfc=4954, section="4", level=MUST)
async def a_challenge_that_is_no_base64_is_cancelled(env: ClientEnvironment) -> None:
    """A challenge that cannot be decoded gets "*", and nothing follows AUTH before its reply."""
    # The RFC has "*" for giving up, but no word on broken challenges: what else comes is a warning.
    sink = PlayedSmtp(
        login=True,
        challenges=True,
        hold=HOLD,
        extensions={b"PIPELINING": b"", b"ENHANCEDSTATUSCODES": b""},
    )
    run = await env.deliver(sink, ONE)
    if not any(b"AUTH" in connection.verbs for connection in to_sink(run)):
        raise Skipped("the client does not authenticate")
    for connection in to_sink(run):
        after_auth = False
        for line in connection.lines:
            if after_auth and line.early:
                fail("nothing after AUTH before its reply", line.octets)
            after_auth = line.verb == b"AUTH" or (after_auth and line.response)
    broken = PlayedSmtp(
        login=True,
        challenges=True,
        rules=[
            Change(rb"AUTH PLAIN [^\r]*", b"AUTH CRAM-MD5"),
            Answer(rb"AUTH .*", b"334 {not base64}\r\n"),
            Answer(rb"\*", b"501 5.5.2 cancelled\r\n"),
        ],
    )
    run = await env.deliver(broken, ONE)
    require_end(run)
    for connection in to_sink(run):
        for line, following in zip(connection.lines, [*connection.lines[1:], None], strict=True):
            if line.verb != b"AUTH":
                continue
            if following is None:
                fail('"*" after a challenge that is no base64', "the end", lenient=True)
            cancelled = following.octets == b"*"
            require(cancelled, '"*" after a broken challenge', "a response", lenient=True)


@CLIENT.case("client/smtp/13", rfc=5321, section="3.1", level=MUST, implied=True)
async def the_greeting_comes_first(env: ClientEnvironment) -> None:
    """Nothing is sent before the greeting has come, however many lines it has."""
    greeting = Change(rb"^220 (\S+) ready\r\n$", rb"220-\1 says\r\n220-a lot\r\n220 \1 ready\r\n")
    run = await env.deliver(PlayedSmtp(hold=HOLD, rules=[greeting]), ONE)
    for connection in to_sink(run):
        early = bool(connection.commands) and connection.commands[0].early
        require(not early, "the first command after the greeting", "one before it")
    require_delivered(run, ONE)


@CLIENT.case("client/smtp/14", rfc=5321, section="4.2.1", level=MUST, implied=True)
async def replies_may_have_many_lines(env: ClientEnvironment) -> None:
    """A reply to any command may have several lines, and may come in many segments."""
    lines = Change(rb"(?m)^(250|354|220|221) ([^\r]*)\r\n$", rb"\1-first\r\n\1-\2\r\n\1 \2\r\n")
    for slices in (0, 3):
        sink = PlayedSmtp(rules=[lines], slices=slices)
        run = await env.deliver(sink, ONE)
        require_delivered(run, ONE)


@CLIENT.case("client/smtp/15", rfc=5321, section="4.2", level=MUST)
async def unknown_codes_count_by_their_first_digit(env: ClientEnvironment) -> None:
    """A reply code that the client does not know is understood by its first digit."""
    # The second digit is 5 at most, by the grammar.
    rules = [
        Change(rb"^250 2\.1\.0 ", b"259 2.1.0 "),
        Change(rb"^250 2\.1\.5 ", b"258 2.1.5 "),
        Change(rb"^250 2\.0\.0 accepted", b"257 2.0.0 accepted"),
    ]
    require_delivered(await env.deliver(PlayedSmtp(rules=rules), ONE), ONE)
    await expect_no_delivery(env, PlayedSmtp(rules=[Answer(rb"RCPT .*", b"459 not now\r\n")]))
