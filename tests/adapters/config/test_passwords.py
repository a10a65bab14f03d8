"""Passwords in files, from commands and through descriptors; TLS in one word; tokens."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from mailhaul.adapters.config.caller import Caller, find_caller
from mailhaul.adapters.config.errors import ConfigErrors
from mailhaul.adapters.config.load import load
from mailhaul.adapters.config.passwords import PasswordReader, password_from, read_once
from mailhaul.adapters.config.settings import AccountSettings
from mailhaul.adapters.login.access import TlsMode
from mailhaul.adapters.login.reach import access_of, tls_mode
from mailhaul.flows.outcome import ExitCode, PollFailed


@pytest.fixture
def caller(tmp_path: Path) -> Caller:
    return find_caller({"HOME": str(tmp_path)}, os.getuid(), str(tmp_path))


@pytest.fixture(autouse=True)
def unread() -> Iterator[None]:
    read_once.cache_clear()
    yield
    read_once.cache_clear()


def account(text: str, caller: Caller) -> AccountSettings:
    [found] = load(["-f", "-"], caller, text.encode).accounts
    return found


def revealed(text: str, caller: Caller) -> bytes:
    settings = account(f"poll h protocol imap user joe {text}", caller)
    assert "sesame" not in repr(settings)
    return password_from(settings).reveal()


def test_the_first_line_of_a_file_is_the_password(tmp_path: Path, caller: Caller) -> None:
    (tmp_path / "secret").write_bytes(b"sesame \r\nand more\n")
    assert revealed(f'passwordfile "{tmp_path}/secret"', caller) == b"sesame "


def test_a_credential_of_systemd_is_found_by_the_name_of_the_file(
    tmp_path: Path, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "gmail").write_bytes(b"handed over\n")
    (tmp_path / "other").write_bytes(b"in its place\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    assert revealed("passwordfile gmail", caller) == b"handed over"
    assert revealed("passwordfile ../somewhere/gmail", caller) == b"handed over"
    assert revealed(f'passwordfile "{tmp_path}/other"', caller) == b"in its place"


def test_a_command_prints_the_password(caller: Caller) -> None:
    assert revealed("passwordeval \"printf 'ses%s\\\\n' ame; echo more\"", caller) == b"sesame"


def test_a_descriptor_has_the_password_for_all_accounts(caller: Caller) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"sesame\n")
    os.close(writing)
    for _ in range(2):
        assert revealed(f"passwordfd {reading}", caller) == b"sesame"
    os.close(reading)


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("passwordfile /nowhere/secret", "No such file"),
        ("passwordfile /dev/null", "it contains no password"),
        ("passwordeval false", "status 1"),
        ("passwordeval true", "it contains no password"),
        ("passwordfd 999", "descriptor 999: Bad file"),
    ],
)
def test_an_error_names_the_place_of_the_option(option: str, problem: str, caller: Caller) -> None:
    with pytest.raises(PollFailed, match=problem) as failure:
        revealed(option, caller)
    # No server has refused a login, so the next attempt need not wait for an hour or a day.
    assert failure.value.code is ExitCode.IOERR
    assert str(failure.value).startswith("standard input:1:")


def test_background_processes_of_a_command_are_not_waited_for(caller: Caller) -> None:
    began = time.monotonic()
    assert revealed("passwordeval \"sleep 30 & printf 'ses%s' ame\"", caller) == b"sesame"
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("option", ["passwordeval 'sleep 30; :'", "passwordfile /dev/fd/PIPE"])
def test_a_silent_source_has_a_deadline_and_can_be_cancelled(option: str, caller: Caller) -> None:
    reading, writing = os.pipe()
    option = option.replace("PIPE", str(reading))
    settings = account(f"poll h protocol imap user joe {option}", caller)
    began = time.monotonic()
    with pytest.raises(PollFailed, match=r"0\.3 seconds"):
        PasswordReader(settings, 0.3).password()
    reader = PasswordReader(settings)

    def ask() -> None:
        with pytest.raises(PollFailed):
            reader.password()

    waiting = Thread(target=ask)
    waiting.start()
    reader.cancel()
    waiting.join(20)
    assert not waiting.is_alive()
    assert time.monotonic() - began < 20
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize(
    ("word", "mode", "port"),
    [
        ("none", TlsMode.NEVER, 143),
        ("wrapped", TlsMode.WRAPPED, 993),
        ("starttls=may", TlsMode.OFFERED, 143),
        ("starttls=must", TlsMode.REQUIRED, 143),
    ],
)
def test_one_option_sets_the_tls_mode(word: str, mode: TlsMode, port: int, caller: Caller) -> None:
    found = account(f'poll h protocol imap user joe password x ssl sslmode "{word}"', caller)
    assert (tls_mode(found), found.port) == (mode, port)


def test_a_token_is_not_used_as_a_password(caller: Caller) -> None:
    for name in ("oauthbearer", "xoauth2"):
        found = account(f"poll h protocol imap auth {name} user joe password token ssl", caller)
        held = access_of(found, None).credentials
        assert held.password is None
        assert held.token is not None
        assert held.token.reveal() == b"token"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("poll h protocol imap user joe password x sslmode maybe", "unknown sslmode"),
        ("poll h protocol imap retrieve-error never user joe", "unknown retrieve-error"),
        ("poll h protocol imap user joe forceidle", "not supported yet"),
    ],
)
def test_an_unsupported_setting_is_reported(text: str, problem: str, caller: Caller) -> None:
    with pytest.raises(ConfigErrors, match=problem):
        account(text, caller)


def test_options_of_fetchmail_7_without_effect_are_accepted(caller: Caller) -> None:
    text = "poll h protocol imap retrieve-error continue user joe password x idletimeout 60"
    found = account(text, caller)
    assert (found.retrieve_error, found.idletimeout) == ("continue", 60)
