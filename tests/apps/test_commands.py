"""The table of commands, and which words of the command line are commands."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from mailhaul.apps.cli import dispatch
from mailhaul.apps.cli.commands import COMMANDS, NAMES, Command
from mailhaul.apps.cli.dispatch import HELP, chosen_command
from mailhaul.apps.cli.help import full, overview
from mailhaul.apps.cli.slips import is_slip
from mailhaul.apps.main import main

ROOT = Path(__file__).parents[2]
EACH = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
SERVER = "user joe password sesame"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("FETCHMAILHOME", "HOME_ETC", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.argv", ["mailhaul"])
    # What a process inherits is not that of the tests.
    monkeypatch.setattr("mailhaul.apps.main.reset_inherited_state", lambda: None)
    monkeypatch.setattr("mailhaul.apps.main.leave_no_core", lambda: None)
    return tmp_path


def write_rc(home: Path, text: str) -> None:
    path = home / ".fetchmailrc"
    path.write_text(text)
    path.chmod(0o600)


def is_command(*words: str) -> bool:
    return chosen_command(words) is not None


@EACH
@pytest.mark.parametrize("word", sorted(HELP))
def test_each_command_has_help(
    command: Command, word: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command.name, word]) == 0
    assert capsys.readouterr() == (command.usage, "")
    if not command.nested:
        assert main([command.name, "some", word]) == 0
        assert capsys.readouterr() == (command.usage, "")


@EACH
def test_help_explains_each_command(
    command: Command, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["help", command.name]) == 0
    assert capsys.readouterr() == (command.usage, "")


@EACH
def test_a_row_is_well_formed(command: Command) -> None:
    assert re.fullmatch(r"[a-z]{3,}", command.name)
    assert not command.summary.endswith(".")
    assert len(f"  conformance  {command.summary}") <= 80
    for line in command.synopsis.splitlines():
        assert line.startswith((f"usage: mailhaul {command.name}", "       "))
    assert command.usage.startswith(command.synopsis + "\n")
    assert command.usage.endswith("\n")
    assert max(map(len, command.usage.splitlines())) <= 80
    module, _, function = command.target.partition(":")
    assert callable(getattr(import_module(module), function))


def test_the_lists_fit_a_terminal() -> None:
    for text in (overview(), full("mailhaul")):
        assert max(map(len, text.splitlines())) <= 80


def test_the_names_differ_by_more_than_a_slip() -> None:
    """Otherwise a mistyped command would be another one."""
    assert len(NAMES) == len(COMMANDS)
    assert not [(a, b) for a in NAMES for b in NAMES if a < b and is_slip(a, b)]


@pytest.mark.parametrize("words", [["help"], ["-h"], ["-?"], ["--help"]])
def test_every_help_lists_the_commands(
    words: list[str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for command in COMMANDS:
        assert re.search(rf"^  {command.name} +{re.escape(command.summary)}$", out, re.M)


@EACH
def test_the_pages_name_each_command(command: Command) -> None:
    assert f"`mailhaul {command.name}` | {command.summary} |" in (
        ROOT / "docs" / "options.md"
    ).read_text(encoding="utf-8")
    assert f"\\fBmailhaul {command.name}\\fR\n" in (ROOT / "docs" / "mailhaul.1").read_text()
    assert f"mailhaul {command.name}" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("word", ["stauts", "nonsense", ""])
def test_help_for_another_word_says_what_to_type(
    word: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["help", word]) == 5
    out, err = capsys.readouterr()
    assert out == ""
    assert ('did you mean "status"?' if word == "stauts" else '"mailhaul help" lists') in err


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["status", "--json"],
        ["status", "--", "-p", "imap"],
        ["login", "joe", "-f", "/nonexistent"],
        ["help", "status"],
    ],
)
def test_the_name_of_a_command_means_the_command(words: list[str], home: Path) -> None:
    assert is_command(*words)
    write_rc(home, f"poll mail.example.org {SERVER}\n")
    assert is_command(*words)


@pytest.mark.parametrize(
    "words",
    [
        ["status", "-p", "imap"],
        ["status", "-pimap"],
        ["status", "-kp", "imap"],
        ["status", "-u", "joe"],
        ["status", "--proto", "imap"],
        ["status", "--username", "joe", "-k"],
        ["status.example.org"],
        ["-k", "status"],
        ["mail"],
    ],
)
def test_a_name_with_a_dot_a_protocol_or_a_user_means_a_server(
    words: list[str], home: Path
) -> None:
    assert not is_command(*words)


def test_an_option_of_the_command_is_not_one_of_a_server(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = Command("mine", "", "usage: mailhaul mine [--protocol NAME] [--user NAME]\n", "")
    monkeypatch.setattr(dispatch, "find_command", lambda name: command)
    assert is_command("mine", "--protocol", "imap", "--user", "joe")
    assert not is_command("mine", "-p", "imap")


@pytest.mark.parametrize("rc", ["poll status", "skip status", "poll mail.example.org aka status"])
def test_an_entry_wins_over_a_command(rc: str, home: Path) -> None:
    write_rc(home, f"{rc} {SERVER}\n")
    assert not is_command("status")
    assert is_command("ledger")
    other = home / "other"
    other.write_text(f"poll ledger {SERVER}\n")
    other.chmod(0o600)
    for words in (["-f", str(other)], [f"--fetchmailrc={other}"]):
        assert is_command("status", *words)
        assert not is_command("ledger", *words)


def test_a_file_that_cannot_be_used_leaves_the_commands(home: Path) -> None:
    write_rc(home, "poll status user\n")
    assert is_command("status")
    write_rc(home, f"poll status {SERVER}\n")
    (home / ".fetchmailrc").chmod(0o666)
    assert is_command("status")
    assert is_command("status", "-f", "-")
    assert is_command("status", "-f")


def test_some_commands_need_no_home(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", "/nonexistent")
    assert main(["help"]) == 0
    assert main(["status"]) == 23
    assert "the home directory /nonexistent does not exist" in capsys.readouterr().err


def test_arguments_that_cannot_be_meant_are_followed_by_the_synopsis(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ledger", "rename", "one"]) == 5
    out, err = capsys.readouterr()
    assert out == ""
    first, *rest = err.splitlines()
    assert first == 'mailhaul: ledger: invalid arguments: "rename one"'
    assert rest[0] == "mailhaul: usage: mailhaul ledger [list] [--json] [-f FILE]"
    assert len(rest) == 4
    assert main(["login"]) == 5
    assert capsys.readouterr().err.startswith("mailhaul: usage: mailhaul login ACCOUNT ")
