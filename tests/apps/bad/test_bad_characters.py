"""Control characters from any source are shown as escapes.

``finish`` checks the output of every run; here each source is used once.
"""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from mailhaul.apps.polls.logs import LogLines

from .peer import NASTY, Peer
from .running import Run, account, launch, mailhaul, piped, script
from .scripted_imap import ScriptedImap, message
from .scripted_smtp import ScriptedSmtp

HARMFUL = "<\x1b[2J\x07\r\x9bK\u202e\u2028>"
HARMLESS = "<\\x1b[2J\\x07\\r\\x9bK\\u202e\\u2028>"
BYTES = b"<\x1b[2J\x07\x9bK\xe2\x80\xae\xff>"
"""The same as a server may send it, and what is no UTF-8."""
SEQUENCES = ("\\x1b[2J\\x07", "\\u202e")


def into(sink: ScriptedSmtp) -> str:
    return f"smtphost localhost/{sink.port}"


def harmless(run: Run) -> bool:
    said = run.out + run.err
    return all(sequence in said for sequence in SEQUENCES)


@pytest.mark.parametrize(
    # Who cannot search has all flags told.
    "command",
    ["LOGIN", "SELECT", "UID FETCH 1:*", "UID FETCH 1", "UID STORE"],
)
@pytest.mark.parametrize("verbose", [[], ["-v", "-v"]], ids=["quiet", "verbose"])
def test_replies_of_an_imap_server(tmp_path: Path, command: str, verbose: list[str]) -> None:
    answers = {command: b"NO " + BYTES}
    if command.endswith("*"):
        answers["UID SEARCH"] = b"BAD " + BYTES
    with ScriptedImap(message(1), answers=answers) as server:
        run = mailhaul(tmp_path, account(server.port, "mda true"), *verbose)
    assert harmless(run)


def test_the_reply_to_a_folder_pattern(tmp_path: Path) -> None:
    with ScriptedImap(message(1), answers={"LIST": b"NO " + BYTES}) as server:
        run = mailhaul(tmp_path, account(server.port, 'mda true folder "*"'))
    assert harmless(run)


def test_the_name_of_a_folder_in_the_rc_file(tmp_path: Path) -> None:
    with ScriptedImap(message(1), answers={"SELECT": b"NO no"}) as server:
        run = mailhaul(tmp_path, account(server.port, f'mda true folder "{HARMFUL}"'))
    assert harmless(run)


def test_replies_of_a_pop3_server(tmp_path: Path) -> None:
    class TurningAway(Peer):
        def serve(self, connection: object) -> None:
            connection.sendall(b"-ERR " + BYTES + b"\r\n")  # type: ignore[attr-defined]  # a socket

    with TurningAway() as server:
        rc = account(server.port, "mda true").replace("protocol imap", "protocol pop3")
        assert harmless(mailhaul(tmp_path, rc))


@pytest.mark.parametrize("verb", ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "dot"])
def test_replies_of_a_listener(tmp_path: Path, verb: str) -> None:
    with (
        ScriptedImap(message(1)) as server,
        ScriptedSmtp({verb: [b"550 " + BYTES, b"550 " + BYTES]}) as sink,
    ):
        run = mailhaul(tmp_path, account(server.port, into(sink)), "-v")
    assert harmless(run)


def test_the_address_of_a_sender(tmp_path: Path) -> None:
    text = message(1).replace(b"ann@", b"ann" + NASTY.replace(b" ", b"") + b"@")
    with ScriptedImap(text) as server, ScriptedSmtp({"MAIL": [b"550 no"]}) as sink:
        run = mailhaul(tmp_path, account(server.port, into(sink)), "-v")
    assert harmless(run) or "\\x1b" not in run.out + run.err


def test_output_of_an_mda(tmp_path: Path) -> None:
    (tmp_path / "words").write_bytes(BYTES)
    failing = script(tmp_path / "failing", f"cat >/dev/null; cat {tmp_path}/words >&2; exit 1")
    with ScriptedImap(message(1)) as server:
        run = mailhaul(tmp_path, account(server.port, f'mda "{failing}"'))
    assert harmless(run)


@pytest.mark.parametrize("stream", [1, 2])
def test_output_of_a_plugin(tmp_path: Path, stream: int) -> None:
    (tmp_path / "words").write_bytes(BYTES)
    plugin = script(tmp_path / "plugin", f"cat {tmp_path}/words >&{stream}; echo >&{stream}")
    assert "\\x1b[2J\\x07" in mailhaul(tmp_path, piped(str(plugin))).err


@pytest.mark.parametrize("text", ["poll h {}", "poll h protocol {}", "{}", 'poll h timeout "{}"'])
def test_a_faulty_rc_file_is_reported(tmp_path: Path, text: str) -> None:
    run = mailhaul(tmp_path, text.format(HARMFUL.replace("\r", "")))
    assert run.code == 5
    assert "\\x1b[2J" in run.err


@pytest.mark.parametrize("option", [HARMFUL, f"--{HARMFUL}", f"--timeout={HARMFUL}"])
def test_an_invalid_command_line_is_reported(tmp_path: Path, option: str) -> None:
    run = launch(tmp_path, "--pidfile", str(tmp_path / "pid"), option).finish()
    assert run.code in {3, 5}
    assert HARMLESS[:8] in run.err


@pytest.mark.parametrize("way", ["-V", "--configdump=json"])
def test_output_of_the_settings(tmp_path: Path, way: str) -> None:
    rc = f'poll h protocol imap plugin "{HARMFUL}"\n  user joe password x folder "{HARMFUL}"'
    run = mailhaul(tmp_path, rc.replace("\r", ""), way)
    assert "\\x1b[2J" in run.out or "\\u001b[2J" in run.out


def test_lines_of_a_log_file() -> None:
    text = io.StringIO()
    lines = LogLines(2, text, text)
    for write in (lines.say, lines.detail, lines.complain, lines.raw, lines.begin):
        write(HARMFUL)
    lines.end(HARMFUL, HARMFUL)
    assert text.getvalue().count(HARMLESS) == 6
    assert all(c.isprintable() or c == "\n" for c in text.getvalue())
