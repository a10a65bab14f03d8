"""``conformance serve``: a name chooses the fault, and each fault is seen on the wire."""

from __future__ import annotations

import socket
from base64 import b64encode
from collections.abc import Generator
from contextlib import contextmanager, suppress

import pytest

from mailhaul.conformance.server_faults import ServerFault, all_faults, fault_tables
from mailhaul.conformance.serving import FaultyServer

FAULTS = list(all_faults())


class Peer:
    """Sends lines and returns what comes, up to silence or the end."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 5)
        self.said = b""

    def hear(self, end: bytes) -> bytes:
        """Read until the octets end like this, nothing comes, or the connection ends."""
        heard = b""
        self._socket.settimeout(0.1)
        with suppress(TimeoutError):
            while not heard.endswith(end) and (data := self._socket.recv(65536)):
                heard += data
        self.said += heard
        return heard

    def ask(self, line: bytes, end: bytes = b"\n") -> bytes:
        with suppress(OSError):
            self._socket.sendall(line + b"\r\n")
            return self.hear(end)
        return b""

    def close(self) -> None:
        self._socket.close()


@contextmanager
def peer_of(protocol: str, *faults: str) -> Generator[Peer]:
    server = FaultyServer(protocol, faults=faults)
    listener = server.listen()
    peer = Peer(listener.port)
    try:
        peer.hear(b"\n")
        yield peer
    finally:
        peer.close()
        listener.close()


def pop3(name: str) -> bytes:
    with peer_of("pop3") as peer:
        for line in (b"USER " + name.encode(), b"PASS secret", b"STAT"):
            peer.ask(line)
        for line in (b"CAPA", b"UIDL", b"LIST", b"TOP 1 0", b"RETR 1", b"RETR 4"):
            peer.ask(line, b"\r\n.\r\n")
        for line in (b"RETR 2", b"DELE 1", b"QUIT"):
            peer.ask(line, b"\r\n.\r\n" if line[:1] == b"R" else b"\n")
        return peer.said


def imap(name: str, *, mailbox: bool = False) -> bytes:
    user, box = ("joe", name) if mailbox else (name, "INBOX")
    lines = [
        f"a LOGIN {user} secret",
        f"a SELECT {box}",
        *("a UID SEARCH ALL", "a UID FETCH 1 (UID RFC822.SIZE BODY.PEEK[])"),
        *("a UID FETCH 2 (FLAGS)", "a STORE 1 +FLAGS (\\Deleted)", "a EXPUNGE", "a LOGOUT"),
    ]
    with peer_of("imap") as peer:
        for line in lines:
            peer.ask(line.encode(), b" done\r\n")
        return peer.said


def smtp(name: str, protocol: str) -> bytes:
    with peer_of(protocol) as peer:
        hello = b"LHLO me" if protocol == "lmtp" else b"EHLO me"
        recipient = b"RCPT TO:<%b@example.org>" % name.encode()
        for line in (hello, b"MAIL FROM:<a@b.c>", b"RCPT TO:<eva@example.org>", recipient, b"DATA"):
            peer.ask(line)
        peer.ask(b"Subject: x\r\n\r\ntext\r\n.")
        peer.hear(b"250 2.0.0 accepted\r\n")
        peer.ask(b"QUIT")
        return peer.said


def dialogue(fault: ServerFault, name: str) -> bytes:
    match fault.protocol:
        case "pop3":
            return pop3(name)
        case "imap":
            return imap(name)
        case _:
            return smtp(name, fault.protocol)


PLAIN: dict[str, bytes] = {}


def plain_dialogue(fault: ServerFault) -> bytes:
    if fault.protocol not in PLAIN:
        PLAIN[fault.protocol] = dialogue(fault, "joe")
    return PLAIN[fault.protocol]


def test_there_are_faults_for_all_protocols() -> None:
    assert set(fault_tables()) == {"pop3", "imap", "smtp", "lmtp"}
    assert len({fault.name for fault in FAULTS}) >= 40


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.protocol}-{fault.name}")
def test_a_name_chooses_its_fault(fault: ServerFault) -> None:
    said = dialogue(fault, fault.name)
    if fault.slices:
        assert said == plain_dialogue(fault)
    else:
        assert said != plain_dialogue(fault)


def test_a_fault_may_follow_a_plus() -> None:
    assert b"+OK 99 12345" in pop3("joe+high-count")


def test_a_mailbox_chooses_a_fault() -> None:
    assert b"RFC822.SIZE 7 " in imap("small-sizes", mailbox=True)


def test_a_user_of_auth_plain_chooses_a_fault() -> None:
    with peer_of("pop3") as peer:
        peer.ask(b"AUTH PLAIN " + b64encode(b"\0high-count\0secret"))
        assert peer.ask(b"STAT") == b"+OK 99 12345\r\n"


def test_a_fault_of_all_sessions_needs_no_name() -> None:
    with peer_of("smtp", "defer-rcpt") as peer:
        peer.ask(b"EHLO me")
        peer.ask(b"MAIL FROM:<a@b.c>")
        assert peer.ask(b"RCPT TO:<joe@example.org>").startswith(b"450 ")


def test_a_fault_ends_with_its_transaction() -> None:
    with peer_of("smtp") as peer:
        peer.ask(b"EHLO me")
        peer.ask(b"MAIL FROM:<a@b.c>")
        assert peer.ask(b"RCPT TO:<defer-rcpt@example.org>").startswith(b"450 ")
        assert peer.ask(b"RCPT TO:<joe@example.org>").startswith(b"450 ")
        peer.ask(b"RSET")
        peer.ask(b"MAIL FROM:<a@b.c>")
        assert peer.ask(b"RCPT TO:<joe@example.org>").startswith(b"250 ")


def test_mail_comes_back_unless_it_is_kept() -> None:
    for keeps, count in ((False, b"+OK 5 "), (True, b"+OK 4 ")):
        counted = b""
        listener = FaultyServer("pop3", keeps=keeps).listen()
        for _ in range(2):
            peer = Peer(listener.port)
            peer.hear(b"\n")
            for line in (b"USER joe", b"PASS secret"):
                peer.ask(line)
            counted = peer.ask(b"STAT")
            peer.ask(b"DELE 1")
            peer.ask(b"QUIT")
            peer.close()
        listener.close()
        assert counted.startswith(count)
