"""Loading the accounts of a run from its arguments."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.errors import ConfigErrors, ConfigRefused
from mailhaul.adapters.config.load import Configuration, load
from mailhaul.adapters.config.rcfile import RcFileRefused


@pytest.fixture
def caller(tmp_path: Path) -> Caller:
    return Caller("me", os.geteuid(), str(tmp_path), None, str(tmp_path))


def read(caller: Caller, text: str, *arguments: str) -> Configuration:
    return load(["-f", "-", *arguments], caller, text.encode)


def write(path: str, text: str, mode: int = 0o600) -> None:
    Path(path).write_text(text)
    Path(path).chmod(mode)


def test_the_rc_file_in_the_home_is_read(caller: Caller) -> None:
    write(caller.rcfile, "poll h proto imap pass x sslkey k")
    configuration = load([], caller, bytes)
    (account,) = configuration.accounts
    assert account.sslkey == f"{caller.home}/k"
    assert configuration.rcfile == caller.rcfile


def test_another_rc_file_is_named_on_the_command_line(caller: Caller) -> None:
    write(f"{caller.folder}/other", "poll i proto imap pass x")
    configuration = load(["-f", "other"], caller, bytes)
    assert [account.pollname for account in configuration.accounts] == ["i"]


def test_the_standard_input_has_a_name_in_messages(caller: Caller) -> None:
    with pytest.raises(ConfigErrors, match=r"^standard input:1:1: found"):
        read(caller, "foo")


def test_a_file_that_others_can_read_is_refused_except_to_show_it(caller: Caller) -> None:
    write(caller.rcfile, "poll h proto pop3", 0o644)
    with pytest.raises(RcFileRefused):
        load([], caller, bytes)
    assert len(load(["-V"], caller, bytes).accounts) == 1


def test_help_reads_no_file(caller: Caller) -> None:
    write(caller.rcfile, "foo", 0o644)
    assert load(["--help"], caller, bytes).run.help


def test_nothing_to_poll_is_an_error_only_if_nothing_is_configured(caller: Caller) -> None:
    with pytest.raises(ConfigRefused, match="no mailservers have been specified"):
        load([], caller, bytes)
    assert read(caller, "skip h").accounts == ()
    assert load(["-p", "imap", "h"], caller, bytes).accounts[0].pollname == "h"


def test_a_contradiction_ends_the_run(caller: Caller) -> None:
    with pytest.raises(ConfigErrors, match='"monitor" is not supported yet'):
        read(caller, "poll h proto imap monitor e")


def test_warnings_of_all_stages_are_collected(caller: Caller) -> None:
    warnings = read(caller, "poll h proto imap port 993 user u pass 'x\n").warnings
    assert [str(warning).rpartition(": ")[2] for warning in warnings] == [
        "this quote is never closed and counts as part of the word",
        'port 993 usually needs "ssl"',
    ]


def test_an_account_may_have_no_password_yet(caller: Caller) -> None:
    write(f"{caller.home}/.netrc", "machine h login u password n", 0o600)
    first, second = read(caller, "poll h proto imap user u user u pass p").accounts
    assert first.password is None
    assert second.password is not None
    assert str(first.place("remote_user")) == "standard input:1:19"


def test_a_transcript_below_the_home_folder_is_found_there(caller: Caller) -> None:
    run = read(caller, "poll h proto imap pass x", "--transcript=~/said").run
    assert run.trace == f"{caller.home}/said"
    with pytest.raises(ConfigErrors, match=r"transcript: the \$ in"):
        read(caller, "poll h proto imap pass x", "--transcript=$HOME/said")
