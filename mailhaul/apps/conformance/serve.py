"""``mailhaul conformance serve``: servers with faults, for the tests of other programs."""

from __future__ import annotations

import re
import select
import sys
import threading
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from ...conformance.certificates import RIGHT, Certificates
from ...conformance.connections import Note, no_note
from ...conformance.faults import WrongUse
from ...conformance.server_faults import all_faults, fault_tables
from ...conformance.serving import MESSAGES, FaultyServer
from ...conformance.verdicts import Skipped, printable
from ..polls.lines import Lines, write
from .options import Parser
from .server import signal_code, stopping_at_signals

PROTOCOLS = ("pop3", "imap", "smtp", "lmtp")
EPILOG = """\
ADDRESS is host:port; port 0 is any free one. The addresses are printed, one a line.
Any user can log in, with the password of --password.

A name chooses the fault: for POP3 the user, for IMAP the user or the mailbox, for SMTP and LMTP the
local part of the sender or of a recipient. "joe+drop-in-text" is a name, too. "--fault NAME" gives
a fault to all sessions. "mailhaul conformance list --faults" shows them.

Example: mailhaul conformance serve --imap localhost:1143 --smtp localhost:1025
"""


def run(word: str, arguments: Sequence[str], lines: Lines) -> int:
    """Serve until a signal comes; return the exit code. Raises WrongUse."""
    parser = Parser(word, "--PROTOCOL ADDRESS ...", "Serve with faults.", EPILOG)
    add_serve_arguments(parser)
    return run_serve(parser.parse(arguments), lines)


def add_serve_arguments(parser: ArgumentParser) -> None:
    """Add the options of the servers."""
    add = parser.add_argument
    for protocol in PROTOCOLS:
        add(f"--{protocol}", metavar="ADDRESS", type=address, help=f"serve {protocol.upper()} here")
    add("--fault", metavar="NAME", action="append", default=[], help="a fault of all sessions")
    add("--password", metavar="WORD", default="secret", help="of all users (default: secret)")
    add(
        "--message",
        metavar="FILE",
        action="append",
        default=[],
        help="a message of the mailbox, in place of those that are there",
    )
    add("--keep", action="store_true", help="what a session deletes is gone for the next one too")
    add("--tls", choices=("clear", "starttls", "implicit"), default="clear", help="how TLS is used")
    add("--authority", metavar="FILE", default="", help="write the CA certificate to this file")
    add("--verbose", action="store_true", help="print the dialogues")


def run_serve(options: Namespace, lines: Lines) -> int:
    """Serve until a signal comes; return the exit code. Raises WrongUse."""
    del lines
    servers = make_servers(options)
    with ExitStack() as cleanup:
        if options.tls != "clear":
            folder = cleanup.enter_context(TemporaryDirectory(prefix="mailhaul-certificates-"))
            add_certificates(servers, Certificates(Path(folder)), options.authority)
        stop, received = cleanup.enter_context(stopping_at_signals())
        for server in servers:
            try:
                listener = server.listen()
            except OSError as fault:
                host, port = server.address
                raise WrongUse(f"--{server.protocol} {host}:{port}: {fault.strerror}") from None
            cleanup.callback(listener.close)
            write(sys.stdout, f"{server.protocol} {server.address[0]}:{listener.port}\n")
        sys.stdout.flush()
        poll = select.poll()
        poll.register(stop.reading, select.POLLIN)
        poll.poll()
    return signal_code(received)


def make_servers(options: Namespace) -> list[FaultyServer]:
    """Return a server for each address. Raises WrongUse."""
    found: list[FaultyServer] = []
    note = printed_notes() if options.verbose else no_note
    for protocol in PROTOCOLS:
        place: tuple[str, int] | None = getattr(options, protocol)
        if place is not None:
            known = fault_tables()[protocol].faults
            found.append(
                FaultyServer(
                    protocol,
                    place,
                    options.password.encode(),
                    [name for name in options.fault if name in known],
                    read_messages(options.message),
                    options.keep,
                    options.tls,
                    note=note,
                )
            )
    if not found:
        raise WrongUse("no address: give --pop3, --imap, --smtp or --lmtp; see --help")
    for name in options.fault:
        if not any(name in server.faults for server in found):
            hint = 'see "mailhaul conformance list --faults"'
            raise WrongUse(f"--fault {name}: no server here has it; {hint}")
    return found


def add_certificates(
    servers: Sequence[FaultyServer], certificates: Certificates, authority: str
) -> None:
    """Give the servers a certificate. Raises WrongUse."""
    try:
        for server in servers:
            server.context = certificates.context(RIGHT)
        if authority:
            Path(authority).write_bytes(certificates.authority.read_bytes())
    except (Skipped, OSError) as fault:
        raise WrongUse(f"--tls: {fault}") from None


def read_messages(paths: Sequence[str]) -> Sequence[bytes]:
    """Return the messages in these files, with CRLF line ends. Raises WrongUse."""
    if not paths:
        return MESSAGES
    try:
        return [re.sub(rb"\r?\n", b"\r\n", Path(path).read_bytes()) for path in paths]
    except OSError as fault:
        raise WrongUse(f"--message {fault.filename}: {fault.strerror}") from None


def address(text: str) -> tuple[str, int]:
    """Read host:port."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ArgumentTypeError(f'"{text}" is no address; give host:port, as in localhost:1100')
    return host, int(port)


def printed_notes() -> Note:
    """Return a function that prints the dialogues."""
    lock = threading.Lock()

    def note(number: int, who: str, octets: bytes) -> None:
        with lock:
            for line in octets.splitlines() or [b""]:
                write(sys.stdout, f"{number} {who} {printable(line)}\n")
            sys.stdout.flush()

    return note


def fault_list() -> str:
    """Return one line for each fault: protocols, name, what it does, what it breaks."""
    protocols: dict[tuple[str, str, str], list[str]] = {}
    for fault in all_faults():
        key = (fault.name, fault.text, fault.breaks)
        protocols.setdefault(key, []).append(fault.protocol)
    rows = [(",".join(names), *key) for key, names in protocols.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = (
        "  ".join(
            (*(word.ljust(width) for word, width in zip(row, widths, strict=False)), row[3])
        ).rstrip()
        for row in rows
    )
    return "\n".join(lines) + "\n"
