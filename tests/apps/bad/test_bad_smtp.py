"""Listeners that refuse, disconnect or send nonsense: mail not accepted stays on the server."""

from __future__ import annotations

from pathlib import Path

import pytest

from .peer import HANG_UP, NASTY
from .running import account, mailhaul, script
from .scripted_imap import ScriptedImap, message, subjects
from .scripted_smtp import ScriptedSmtp

SHOWN = "not today \\x1b[2J\\x07"
PLAIN = (b"8BITMIME",)
"""The extensions of a listener that wants one command at a time."""


def into(sink: ScriptedSmtp, more: str = "") -> str:
    return f"smtphost localhost/{sink.port} {more}"


def test_a_closed_port_is_named(tmp_path: Path) -> None:
    with ScriptedSmtp() as sink:
        pass
    with ScriptedImap(message(1), message(2)) as server:
        run = mailhaul(tmp_path, account(server.port, into(sink)))
        assert (server.kept, server.changes) == ([1, 2], [])
    assert run.code == 10
    assert f"SMTP connect to localhost/{sink.port}" in run.complaint
    assert "Connection refused" in run.complaint


@pytest.mark.parametrize("code", [b"554", b"421", b"450"])
def test_a_listener_that_turns_us_away_is_quoted(tmp_path: Path, code: bytes) -> None:
    greeting = code + b" " + NASTY
    with ScriptedImap(message(1)) as server, ScriptedSmtp({"greeting": [greeting] * 9}) as sink:
        run = mailhaul(tmp_path, account(server.port, into(sink)))
        assert (server.kept, server.changes) == ([1], [])
        assert "MAIL" not in sink.verbs
    assert run.code == 10
    assert f"{code.decode()} {SHOWN}" in run.complaint


@pytest.mark.parametrize(
    ("greeting", "name"),
    [(b"* OK IMAP ready", "IMAP"), (b"+OK POP3 ready", "POP3"), (b"SSH-2.0-x", "SSH")],
)
def test_another_protocol_at_the_sink_is_named(tmp_path: Path, greeting: bytes, name: str) -> None:
    with ScriptedImap(message(1)) as server, ScriptedSmtp({"greeting": [greeting] * 9}) as sink:
        run = mailhaul(tmp_path, account(server.port, into(sink)))
        assert server.kept == [1]
    assert run.code == 10
    assert f"greeting is not SMTP but looks like {name}" in run.complaint


def test_the_next_listener_gets_what_the_first_refuses(tmp_path: Path) -> None:
    with (
        ScriptedImap(message(1)) as server,
        ScriptedSmtp({"greeting": [b"554 no"] * 9}) as first,
        ScriptedSmtp() as second,
    ):
        hosts = f"smtphost localhost/{first.port},localhost/{second.port}"
        run = mailhaul(tmp_path, account(server.port, hosts))
        assert subjects(second.accepted) == [1]
        assert server.mailbox == {}
    assert run.code == 0


@pytest.mark.parametrize("answer", [b"502 what?", b"500 what?", HANG_UP])
def test_a_listener_that_refuses_ehlo_gets_helo(tmp_path: Path, answer: bytes) -> None:
    with (
        ScriptedImap(message(1), message(2)) as server,
        ScriptedSmtp({"EHLO": [answer] * 9}) as sink,
    ):
        run = mailhaul(tmp_path, account(server.port, into(sink)))
        assert subjects(sink.accepted) == [1, 2]
        assert server.mailbox == {}
        assert "HELO" in sink.verbs
    assert (run.code, run.err) == (0, "")


def test_a_listener_that_refuses_ehlo_and_helo_gets_no_mail(tmp_path: Path) -> None:
    refusal = [b"550 " + NASTY] * 9
    with (
        ScriptedImap(message(1)) as server,
        ScriptedSmtp({"EHLO": refusal, "HELO": refusal}) as sink,
    ):
        run = mailhaul(tmp_path, account(server.port, into(sink)))
        assert server.kept == [1]
    assert run.code == 10
    assert SHOWN in run.complaint


@pytest.mark.parametrize("extensions", [(b"PIPELINING",), PLAIN], ids=["pipelining", "plain"])
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "dot"])
@pytest.mark.parametrize("code", [b"450", b"550"])
def test_a_refused_message_stays_and_those_around_it_go(
    tmp_path: Path, extensions: tuple[bytes, ...], verb: str, code: bytes
) -> None:
    replies = {verb: [b"", code + b" " + NASTY, b""]}
    with (
        ScriptedImap(*map(message, (1, 2, 3))) as server,
        ScriptedSmtp(replies, extensions) as sink,
    ):
        rc = account(server.port, into(sink))
        run = mailhaul(tmp_path, rc)
        assert run.code == 0
        assert f"{code.decode()} {SHOWN}" in run.complaint
        assert "the message stays on the server" in run.complaint
        assert subjects(sink.accepted) == [1, 3]
        assert server.kept == [2]

        assert mailhaul(tmp_path, rc).code == 0
        assert subjects(sink.accepted) == [1, 3, 2]
        assert server.mailbox == {}


@pytest.mark.parametrize(
    "replies",
    [
        {"MAIL": [b"", b"550 go away"], "RCPT": [b"", b"250 ok"], "DATA": [b"", b"354 in vain"]},
        {"RCPT": [b"", b"550 go away"], "DATA": [b"", b"354 in vain"]},
    ],
    ids=["no sender", "no recipient"],
)
def test_a_354_without_recipients_gets_an_empty_text(
    tmp_path: Path, replies: dict[str, list[bytes]]
) -> None:
    with ScriptedImap(*map(message, (1, 2, 3))) as server, ScriptedSmtp(replies) as sink:
        run = mailhaul(tmp_path, account(server.port, into(sink)))
        assert subjects(text for text in sink.accepted if text) == [1, 3]
        assert server.kept == [2]
        assert sink.visits == 1
    assert run.code == 0
    assert "550 go away" in run.complaint


@pytest.mark.parametrize("extensions", [(b"PIPELINING",), PLAIN], ids=["pipelining", "plain"])
@pytest.mark.parametrize(
    "reply", [b"354 more", b"150 wait", b"334 what", b"nonsense " + NASTY, b"250-half\r\n354 odd"]
)
def test_only_2xx_to_the_final_dot_is_acceptance(
    tmp_path: Path, extensions: tuple[bytes, ...], reply: bytes
) -> None:
    with (
        ScriptedImap(message(1)) as server,
        ScriptedSmtp({"dot": [reply] * 9}, extensions) as sink,
    ):
        run = mailhaul(tmp_path, account(server.port, into(sink)))
        assert (server.kept, server.changes) == ([1], [])
    assert run.code == 10
    assert "the message stays on the server" in run.complaint


@pytest.mark.parametrize("extensions", [(b"PIPELINING",), PLAIN], ids=["pipelining", "plain"])
def test_250_to_data_is_not_acceptance(tmp_path: Path, extensions: tuple[bytes, ...]) -> None:
    with (
        ScriptedImap(message(1), message(2)) as server,
        ScriptedSmtp({"DATA": [b"250 fine"]}, extensions) as sink,
    ):
        run = mailhaul(tmp_path, account(server.port, into(sink)))
        # No text went out, and the message is offered again over another connection.
        assert subjects(sink.accepted) == [1, 2]
        assert server.kept == []
    assert (run.code, run.err) == (0, "")


@pytest.mark.parametrize(
    ("verb", "reply"),
    [
        ("MAIL", b"421 " + NASTY),
        ("dot", b"421 " + NASTY),
        ("dot", HANG_UP),
        ("text", HANG_UP),
        ("text", b"421 " + NASTY),
        ("text", b"552 too large"),
    ],
    ids=["421 to MAIL", "421 to the dot", "no answer", "inside", "421 inside", "552 inside"],
)
@pytest.mark.parametrize("extensions", [(b"PIPELINING",), PLAIN], ids=["pipelining", "plain"])
def test_a_listener_that_disconnects_in_the_middle_affects_one_message_at_most(
    tmp_path: Path, verb: str, reply: bytes, extensions: tuple[bytes, ...]
) -> None:
    with (
        ScriptedImap(*map(message, (1, 2, 3))) as server,
        ScriptedSmtp({verb: [b"", reply]}, extensions) as sink,
    ):
        rc = account(server.port, into(sink))
        run = mailhaul(tmp_path, rc)
        assert run.code == 0
        assert set(subjects(sink.accepted)) >= {1, 3}
        assert sorted([*subjects(sink.accepted), *server.kept]) == [1, 2, 3]
        if server.kept:
            assert "the message stays on the server" in run.complaint

        mailhaul(tmp_path, rc)
        assert sorted(subjects(sink.accepted)) == [1, 2, 3]
        assert server.mailbox == {}


def test_a_listener_that_always_closes_after_the_dot_gets_each_message_once_a_poll(
    tmp_path: Path,
) -> None:
    with (
        ScriptedImap(message(1), message(2)) as server,
        ScriptedSmtp({"dot": [HANG_UP] * 9}) as sink,
    ):
        run = mailhaul(tmp_path, account(server.port, into(sink)))
        assert (server.kept, server.changes) == ([1, 2], [])
        assert sink.verbs.count("DATA") <= 4
    assert run.code == 10
    assert len(run.complaints) == 2
    assert all("final dot" in line for line in run.complaints)


@pytest.mark.parametrize("code", [b"450", b"550"])
def test_lmtps_answer_for_the_recipient_decides(tmp_path: Path, code: bytes) -> None:
    with (
        ScriptedImap(*map(message, (1, 2, 3))) as server,
        ScriptedSmtp({"dot": [b"", code + b" " + NASTY]}) as sink,
    ):
        run = mailhaul(tmp_path, account(server.port, into(sink, "lmtp")))
        assert subjects(sink.accepted) == [1, 3]
        assert server.kept == [2]
    assert run.code == 0
    assert run.complaint.startswith("LMTP error: ")
    assert f"{code.decode()} {SHOWN}" in run.complaint


def test_an_smtp_server_on_an_lmtp_port_does_not_get_helo(tmp_path: Path) -> None:
    with (
        ScriptedImap(message(1)) as server,
        ScriptedSmtp({"LHLO": [b"502 " + NASTY] * 9}) as sink,
    ):
        run = mailhaul(tmp_path, account(server.port, into(sink, "lmtp")))
        assert server.kept == [1]
        assert not {"HELO", "EHLO"} & set(sink.verbs)
    assert run.code == 10
    assert run.complaint.startswith("LMTP connect to localhost")


def test_a_missing_unix_socket_is_named(tmp_path: Path) -> None:
    with ScriptedImap(message(1)) as server:
        rc = account(server.port, f'smtphost "{tmp_path}/lmtp.sock"')
        run = mailhaul(tmp_path, rc)
        assert server.kept == [1]
    assert run.code == 10
    assert f"{tmp_path}/lmtp.sock" in run.complaint
    assert "No such file or directory" in run.complaint


@pytest.mark.parametrize("kind", ["missing", "empty", "dies"])
def test_a_plugout_that_does_not_work_is_exit_10_and_nothing_is_lost(
    tmp_path: Path, kind: str
) -> None:
    dying = script(tmp_path / "dying", "echo 'no such mail host' >&2; exit 9")
    plugout, words = {
        "missing": (f"{tmp_path}/nowhere", "not found"),
        "empty": ("", "is empty"),
        "dies": (str(dying), "no such mail host"),
    }[kind]
    with ScriptedImap(message(1)) as server:
        rc = account(server.port, "", server=f'timeout 2 plugout "{plugout}"')
        run = mailhaul(tmp_path, rc)
        assert (server.kept, server.changes) == ([1], [])
    assert run.code == (2 if kind == "empty" else 10)
    assert words in run.complaint
    if kind == "dies":
        assert "status 9" in run.complaint
