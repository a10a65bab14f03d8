"""What many cases for clients require: mail arrives whole, none is lost, no password gets out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..connections import Connection, Line
from ..verdicts import SetUpFailed, fail, require
from .environment import Run
from .messages import body_of, id_of
from .playing import PASSWORD, Source

POP3_LOGINS = frozenset({b"USER", b"PASS", b"APOP", b"AUTH"})
IMAP_LOGINS = frozenset({b"LOGIN", b"AUTHENTICATE"})
SMTP_LOGINS = frozenset({b"AUTH"})
LOGINS = {"pop3": POP3_LOGINS, "imap": IMAP_LOGINS, "smtp": SMTP_LOGINS, "lmtp": SMTP_LOGINS}


def require_end(run: Run) -> None:
    """Require that the client ended by itself, and not by a signal of its own making."""
    require(run.ended.status is not None, "the client to end", "it ran until the time limit")
    status = run.ended.status or 0
    require(status >= 0, "the client to end by itself", f"it was ended by signal {-status}")


def require_delivered(run: Run, *texts: bytes) -> None:
    """Require that these messages were delivered, each with its body as it was.

    Of a client that fetches one message the first of them is required.
    """
    require_end(run)
    for text in texts[:1] if run.only_first else texts:
        name = id_of(text).decode()
        found = [arrived for arrived in run.delivered if id_of(arrived) == id_of(text)]
        require(found, f"the delivery of {name}", f"no delivery of it ({run.said})")
        wanted = body_of(text)
        for arrived in found:
            got = body_of(arrived)
            require(got == wanted, f"the body of {name} as {wanted}", got)


def require_no_loss(run: Run, source: Source, texts: Iterable[bytes]) -> None:
    """Require that of these messages each that the client deleted was delivered, with its body."""
    left = {id_of(text) for text in source.left}
    bodies = {id_of(text): body_of(text) for text in run.delivered}
    for text in texts:
        name = id_of(text)
        if name in left:
            continue
        shown = name.decode()
        require(name in bodies, f"{shown} at the server, or its delivery", "neither of them")
        wanted = body_of(text)
        require(
            bodies[name] == wanted, f"{shown} delivered whole before it is deleted", bodies[name]
        )


def require_no_login(run: Run, why: str) -> None:
    """Require that no command of a login was sent, whatever its argument."""
    for connection in run.connections:
        for line in logins_of(connection):
            fail(f"no login {why}", f"{shown_verb(connection, line.octets)} was sent")
        if PASSWORD in connection.raw:
            fail(f"no password {why}", "the password was sent")


def logins_of(connection: Connection) -> Sequence[Line]:
    """Return the commands of a login."""
    if connection.protocol == "imap":
        return [line for line in connection.commands if line.imap in IMAP_LOGINS]
    known = LOGINS[connection.protocol]
    return [line for line in connection.commands if line.verb in known]


def shown_verb(connection: Connection, line: bytes) -> str:
    """Return the name of a command."""
    words = line.split(b" ")
    verb = words[1] if connection.protocol == "imap" and len(words) > 1 else words[0]
    return verb.decode("ascii", "replace")


def require_patience(run: Run) -> None:
    """Require that no command was sent before the last one was answered."""
    for connection in run.connections:
        for line in connection.commands:
            if line.early:
                fail(
                    "each command after the answer to the last one",
                    f"{shown_verb(connection, line.octets)} was sent before that",
                )


def require_connection(run: Run) -> Connection:
    """Return the first connection to the client's server. Raises SetUpFailed."""
    if not run.connections:
        raise SetUpFailed(f"the client did not connect ({run.said})")
    return run.connections[0]
