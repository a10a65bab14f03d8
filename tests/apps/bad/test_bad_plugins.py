"""Plugins that are missing, crash, hang or do not end."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from . import relay
from .peer import NASTY
from .running import mailhaul, piped, script
from .scripted_imap import ScriptedImap, message, subjects
from .scripted_smtp import ScriptedSmtp

RELAY = f"{sys.executable} {relay.__file__}"


def test_a_missing_plugin_is_named(tmp_path: Path) -> None:
    run = mailhaul(tmp_path, piped(f"{tmp_path}/nowhere %h %p"))
    assert run.code == 2
    assert run.complaint.startswith("mail.example.org: ")
    assert f'"{tmp_path}/nowhere" not found' in run.complaint


def test_a_plugin_that_may_not_be_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    run = mailhaul(tmp_path, piped(f"{tmp_path}/text"))
    assert run.code == 2
    assert f'"{tmp_path}/text" cannot be run: Permission denied' in run.complaint


@pytest.mark.parametrize("plugin", ["", "   "])
def test_an_empty_plugin_is_an_error(tmp_path: Path, plugin: str) -> None:
    run = mailhaul(tmp_path, piped(plugin))
    assert run.code == 2
    assert "plugin for host mail.example.org service imap is empty" in run.complaint


def test_a_plugin_that_ends_before_the_greeting_is_heard_out(tmp_path: Path) -> None:
    plugin = script(tmp_path / "plugin", "printf 'no \\033[2J way\\nto go\\n' >&2; exit 255")
    run = mailhaul(tmp_path, piped(str(plugin)))
    assert run.code == 2
    assert run.complaint.startswith("mail.example.org: connection closed before the greeting")
    assert "status 255" in run.complaint
    assert "no \\x1b[2J way / to go" in run.complaint


def test_a_plugin_killed_by_a_signal_is_reported(tmp_path: Path) -> None:
    run = mailhaul(tmp_path, piped(str(script(tmp_path / "plugin", "kill -9 $$"))))
    assert run.code == 2
    assert "signal 9" in run.complaint


def test_a_plugin_that_ends_inside_the_greeting_is_not_a_server(tmp_path: Path) -> None:
    run = mailhaul(tmp_path, piped(str(script(tmp_path / "plugin", "printf '* OK hel'; exit 3"))))
    assert run.code == 2
    assert "connection closed before the greeting" in run.complaint
    assert "status 3" in run.complaint


def test_a_plugin_that_ends_after_the_greeting_is_reported(tmp_path: Path) -> None:
    plugin = script(tmp_path / "plugin", "echo '* PREAUTH hello'; read line; exit 4")
    run = mailhaul(tmp_path, piped(str(plugin)))
    assert run.code == 2
    assert "connection closed while CAPABILITY was unanswered" in run.complaint
    assert "status 4" in run.complaint


def test_a_plugin_that_repeats_the_password_is_not_quoted(tmp_path: Path) -> None:
    plugin = script(
        tmp_path / "plugin",
        "echo '* OK [CAPABILITY IMAP4rev1] hello'; read line; echo \"got $line\" >&2; exit 1",
    )
    run = mailhaul(tmp_path, piped(str(plugin)))
    assert run.code == 2
    assert "got A0001 LOGIN" in run.complaint
    assert "*" in run.complaint


def test_a_plugin_that_ends_in_the_middle_of_a_message_costs_only_that_message(
    tmp_path: Path,
) -> None:
    with (
        ScriptedImap(message(1), message(2), message(3), cuts={2: b"of message"}) as server,
        ScriptedSmtp() as sink,
    ):
        rc = piped(f"{RELAY} {server.port} 7", f"smtphost localhost/{sink.port}")
        run = mailhaul(tmp_path, rc)
        assert run.code == 2
        assert "status 7" in run.err
        assert "relay: remote host closed the pipe" in run.err
        assert subjects(sink.accepted) == [1, 3]
        assert server.kept == [2]

        server.cuts.clear()
        assert mailhaul(tmp_path, rc).code == 0
        assert subjects(sink.accepted) == [1, 3, 2]
        assert server.mailbox == {}


def test_a_plugin_that_never_answers_is_ended_after_the_timeout(tmp_path: Path) -> None:
    plugin = script(tmp_path / "plugin", "echo 'waiting for Godot' >&2; exec sleep 300")
    run = mailhaul(tmp_path, piped(str(plugin)))
    assert run.code == 2
    assert run.complaint.startswith("mail.example.org: timeout after 2 seconds")
    assert "waiting for Godot" in run.complaint


def test_a_plugin_that_only_writes_to_stderr_is_ended(tmp_path: Path) -> None:
    plugin = script(tmp_path / "plugin", "exec yes 'nothing to see' >&2")
    run = mailhaul(tmp_path, piped(str(plugin)))
    assert run.code == 2
    assert "timeout after 2 seconds" in run.complaint
    assert len(run.complaint) < 1000


def test_a_plugin_that_outlives_everything_is_killed(tmp_path: Path) -> None:
    plugin = script(
        tmp_path / "plugin", "trap '' TERM HUP\necho 'I stay' >&2\nwhile :; do sleep 1; done"
    )
    run = mailhaul(tmp_path, piped(str(plugin)))
    assert run.code == 2
    assert "timeout after 2 seconds" in run.complaint
    assert "I stay" in run.complaint


def test_children_of_a_plugin_that_hold_its_stderr_do_not_delay_the_end(tmp_path: Path) -> None:
    # ssh's connection sharing leaves such a process behind, on purpose.
    plugin = script(tmp_path / "plugin", "setsid sleep 4 <&- >&- & echo 'no route' >&2; exit 255")
    run = mailhaul(tmp_path, piped(str(plugin)), within=3)
    assert run.code == 2
    assert "no route" in run.complaint
    assert "status 255" in run.complaint


def test_shell_characters_in_a_plugin_command_are_literal(tmp_path: Path) -> None:
    words = tmp_path / "words"
    plugin = script(tmp_path / "plugin", f'printf "%s|" "$@" >{words}; exit 1')
    run = mailhaul(tmp_path, piped(f"{plugin} %h %p $HOME ;id"))
    assert run.code == 2
    assert words.read_text() == "mail.example.org|imap|$HOME|;id|"


def test_plugin_output_instead_of_imap_is_shown_escaped(tmp_path: Path) -> None:
    noise = tmp_path / "noise"
    noise.write_bytes(NASTY + b"\r\n")
    run = mailhaul(tmp_path, piped(f"cat {shlex.quote(str(noise))}"))
    assert run.code == 4
    assert "greeting is not IMAP" in run.complaint
