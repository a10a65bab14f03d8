"""Clients and TLS: whom they believe, and that they never go on in the clear."""

from __future__ import annotations

from ..certificates import OTHER_NAME, RIGHT, UNKNOWN_AUTHORITY
from ..verdicts import MUST, SetUpFailed, Skipped, require
from ..wire_faults import Answer, Change
from .environment import ClientEnvironment, Run, clean_sink, clean_source
from .messages import ONE
from .playing import Played, PlayedSmtp, Source
from .requirements import logins_of, require_delivered, require_end, require_no_login
from .suite import CLIENT


async def run_with(env: ClientEnvironment, server: Played) -> Run:
    """Start the client against a server, to fetch or to send one message."""
    if isinstance(server, Source):
        return await env.fetch(server)
    if isinstance(server, PlayedSmtp):
        return await env.send(server, ONE)
    raise SetUpFailed("no such server")


def servers(env: ClientEnvironment, tls: str) -> list[Played]:
    """Return a server for each protocol that the client speaks with this kind of TLS."""
    template, found = env.client.template, list[Played]()
    if not template.can("tls", tls):
        raise Skipped(f"the template has no words for tls {tls!r}")
    for protocol in ("pop3", "imap"):
        if template.can("protocol", protocol) and protocol in env.client.protocols:
            source = clean_source(protocol, ONE)
            source.tls = tls
            found.append(source)
    if env.sends and "smtp" in env.client.protocols:
        found.append(clean_sink("smtp", tls=tls, login=template.can("login", "password")))
    if not found:
        raise Skipped("no protocol to test")
    return found


@CLIENT.case("client/tls/1", rfc=8314, section="5.3", level=MUST)
async def certificates_are_checked(env: ClientEnvironment) -> None:
    """With implicit TLS the chain and the name are checked, and nothing goes in the clear."""
    # A right certificate is accepted; one for another name, one of an unknown authority, and a
    # server without TLS get no login.
    for server in servers(env, "implicit"):
        for certificate in (OTHER_NAME, UNKNOWN_AUTHORITY):
            server.certificate = certificate
            run = await run_with(env, server)
            require_end(run)
            require_no_login(run, f"to a server with a certificate of the kind {certificate}")
            require_no_text(run)
        server.certificate = RIGHT
        require_delivered(await run_with(env, server), ONE)


@CLIENT.case("client/tls/2", rfc=8314, section="5.2", level=MUST)
async def tls_is_not_given_up(env: ClientEnvironment) -> None:
    """Where STARTTLS is demanded and the server does not offer it, nothing goes in the clear."""
    for server in servers(env, "starttls"):
        server.rules = [
            Change(rb"STLS\r\n", b""),
            Change(rb" STARTTLS", b""),
            Change(rb"250[- ]STARTTLS\r\n", b""),
            Change(rb"250-(\S+)\r\n$", rb"250 \1\r\n"),
            Answer(rb"STLS", b"-ERR unknown command\r\n"),
            Answer(rb"STARTTLS", b"502 5.5.1 unknown command\r\n"),
            Answer(rb"(\S+) STARTTLS", rb"\1 BAD unknown command\r\n"),
        ]
        run = await run_with(env, server)
        require_end(run)
        require_no_login(run, "in the clear")
        require_no_text(run)


@CLIENT.case("client/tls/3", rfc=8314, section="5.2", level=MUST)
async def a_failed_handshake_is_not_repeated_in_the_clear(env: ClientEnvironment) -> None:
    """With STARTTLS a wrong certificate is refused, and no login follows, in the clear either."""
    # The default level of confidentiality demands a valid certificate. A client that refuses the
    # handshake must not connect again and go on without TLS.
    for server in servers(env, "starttls"):
        server.certificate = UNKNOWN_AUTHORITY
        run = await run_with(env, server)
        require_end(run)
        for connection in run.connections:
            inside = any(line.tls for line in logins_of(connection))
            require(not inside, "no login where nobody known signed the certificate", "a login")
        require_no_login(run, "in the clear after a failed handshake")
        require_no_text(run)


def require_no_text(run: Run) -> None:
    """Require that no mail was sent or fetched."""
    texts = sum(len(connection.texts) for connection in run.connections)
    require(not texts and not run.delivered, "no mail on this connection", f"{texts} messages")
