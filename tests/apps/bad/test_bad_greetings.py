"""Servers of another protocol, and servers that refuse the connection or send no greeting."""

from __future__ import annotations

from pathlib import Path

import pytest

from .peer import HANG_UP, NASTY
from .running import account, mailhaul
from .scripted_imap import ScriptedImap, message, subjects
from .scripted_smtp import ScriptedSmtp


@pytest.mark.parametrize(
    ("greeting", "name"),
    [
        (b"+OK POP3 ready <1@example.org>\r\n", "POP3"),
        (b"220 mail.example.org ESMTP\r\n", "SMTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH"),
        (b"HTTP/1.0 400 Bad request\r\n\r\n", "HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x0a", "TLS"),
        (b"\x16\x03\x03\x00\x7a\x02\x00", "TLS"),
    ],
)
def test_another_protocol_on_the_port_is_named(tmp_path: Path, greeting: bytes, name: str) -> None:
    with ScriptedImap(greeting=greeting) as server:
        run = mailhaul(tmp_path, account(server.port, "mda cat"))
        assert server.commands == []
    assert run.code == 4
    assert run.complaint.startswith(f"localhost: greeting is not IMAP but looks like {name}")


def test_noise_in_place_of_a_greeting_is_shown_harmlessly(tmp_path: Path) -> None:
    with ScriptedImap(greeting=NASTY + b"\r\n") as server:
        run = mailhaul(tmp_path, account(server.port, "mda cat"))
        assert server.commands == []
    assert run.code == 4
    assert "greeting is not IMAP" in run.complaint


def test_a_server_that_turns_us_away_is_quoted(tmp_path: Path) -> None:
    with ScriptedImap(greeting=b"* BYE " + NASTY + b"\r\n") as server:
        run = mailhaul(tmp_path, account(server.port, "mda cat"))
        assert server.commands == []
    assert run.code == 2
    assert run.complaint.startswith("localhost: the server refuses the connection: not today \\x1b")


def test_a_greeting_without_end_is_cut_off(tmp_path: Path) -> None:
    with ScriptedImap(greeting=b"* OK " + b"x" * 50_000_000) as server:
        run = mailhaul(tmp_path, account(server.port, "mda cat"), within=5)
    assert run.code == 4
    assert "exceeds the limit of 65536" in run.complaint


def test_an_immediately_closed_connection_is_an_error(tmp_path: Path) -> None:
    with ScriptedImap(greeting=HANG_UP) as server:
        run = mailhaul(tmp_path, account(server.port, "mda cat"))
    assert run.code == 2
    assert run.complaint.startswith("localhost: connection closed before the greeting")


def test_a_silent_server_is_given_up_after_the_timeout(tmp_path: Path) -> None:
    with ScriptedImap(greeting=b"") as server:
        run = mailhaul(tmp_path, account(server.port, "mda cat"), within=5)
    assert run.code == 2
    assert run.complaint == "localhost: timeout after 2 seconds"


def test_a_greeting_that_stalls_is_given_up_after_the_timeout(tmp_path: Path) -> None:
    with ScriptedImap(greeting=b"* OK slowly", bytewise=True) as server:
        run = mailhaul(tmp_path, account(server.port, "mda cat"), within=5)
    assert run.code == 2
    assert run.complaint == "localhost: timeout after 2 seconds"


def test_a_server_that_sends_byte_by_byte_is_understood(tmp_path: Path) -> None:
    with ScriptedImap(message(1), message(2), bytewise=True) as server, ScriptedSmtp() as sink:
        run = mailhaul(tmp_path, account(server.port, f"smtphost localhost/{sink.port}"))
        assert subjects(sink.accepted) == [1, 2]
        assert server.mailbox == {}
    assert (run.code, run.err) == (0, "")


def test_a_host_without_listener_is_named_with_the_reason(tmp_path: Path) -> None:
    with ScriptedImap() as server:
        port = server.port
    run = mailhaul(tmp_path, account(port, "mda cat"))
    assert run.code == 2
    assert f"localhost:{port}" in run.complaint
    assert "Connection refused" in run.complaint


def test_a_host_without_address_is_named(tmp_path: Path) -> None:
    rc = account(143, "mda cat").replace("poll localhost", "poll no-such-host.invalid")
    run = mailhaul(tmp_path, rc, within=30)
    assert run.code == 11
    assert "cannot find the address of no-such-host.invalid" in run.complaint
