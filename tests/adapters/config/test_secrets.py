"""Secrets of every kind, kept in every way; TLS in one word; tokens."""

from __future__ import annotations

import os
import stat
import sys
import time
from importlib import import_module
from pathlib import Path
from threading import Event, Thread
from types import ModuleType

import pytest

from mailhaul.adapters.config import secret_keyring, secrets
from mailhaul.adapters.config.caller import Caller, find_caller
from mailhaul.adapters.config.errors import ConfigErrors
from mailhaul.adapters.config.load import load
from mailhaul.adapters.config.options import OPTIONS
from mailhaul.adapters.config.secret_commands import words_of
from mailhaul.adapters.config.secret_table import (
    EVAL,
    FILE,
    SECRET_WORDS,
    SECRETS,
    WAYS,
    SecretWay,
    way_of,
)
from mailhaul.adapters.config.secrets import SecretReader, have_changed
from mailhaul.adapters.config.settings import AccountSettings
from mailhaul.adapters.login.access import TlsMode
from mailhaul.adapters.login.reach import access_of, tls_mode
from mailhaul.flows.outcome import ExitCode, PollFailed

URL = "imaps://ann@archive.example.org"
LOGINS = {
    "password": ("h", "joe"),
    "appendpassword": ("archive.example.org", "ann"),
    "esmtppassword": ("localhost", "me"),
}
"""The host and the login in ``entry`` of the secrets that .netrc may have."""


@pytest.fixture
def caller(tmp_path: Path) -> Caller:
    return find_caller({"HOME": str(tmp_path)}, os.getuid(), str(tmp_path))


@pytest.fixture(autouse=True)
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_told", set())
    monkeypatch.setattr(secrets, "_variables", {})
    monkeypatch.setattr(secrets, "_descriptors", {})
    monkeypatch.setattr(secrets, "_read_descriptors", set())


def account(text: str, caller: Caller) -> AccountSettings:
    [found] = load(["-f", "-"], caller, text.encode).accounts
    return found


def entry(options: str) -> str:
    """Return an entry with these options of either level."""
    names = tuple(name for name, kind in SECRETS.items() if kind.level == "server")
    server = options if options.startswith(names) else ""
    user = "" if server else options
    proxies = "proxy 'socks5://joe@p' proxyout 'http://joe@q'"
    return (
        f"poll h protocol imap esmtpname me oauthclient joe {proxies} {server}"
        f" user joe append '{URL}' {user}"
    )


def read(text: str, caller: Caller, kind: str = "password") -> bytes | None:
    settings = account(text, caller)
    secret = SecretReader(settings, kind, caller.home).read()
    assert "sesame" not in repr(secret)
    return None if secret is None else secret.reveal()


def revealed(text: str, caller: Caller) -> bytes | None:
    return read(f"poll h protocol imap user joe {text}", caller)


def place_for(way: SecretWay, folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> str:
    """Put a secret into a place of this kind, and return the argument of the option."""
    host, user = LOGINS.get(kind, ("h", "joe"))
    match way.suffix:
        case "file":
            (folder / "secret").write_text("sesame\n")
            (folder / "secret").chmod(0o600)
            return f'"{folder}/secret"'
        case "eval":
            return "\"printf 'ses%s\\\\n' ame\""
        case "fd":
            reading, writing = os.pipe()
            os.write(writing, b"sesame\n")
            os.close(writing)
            return str(reading)
        case "env":
            monkeypatch.setenv("MAIL_SECRET", "sesame")
            return "MAIL_SECRET"
        case _:
            with_keyring(monkeypatch, {(host, user): "sesame"})
            return host


def with_keyring(monkeypatch: pytest.MonkeyPatch, entries: dict[tuple[str, str], object]) -> None:
    """Install a package ``keyring`` with these entries; an exception is raised."""
    module = ModuleType("keyring")

    def get_password(service_name: str, username: str) -> object:
        found = entries.get((service_name, username))
        if isinstance(found, Event):
            found.wait(30)
        if isinstance(found, Exception):
            raise found
        return found

    module.get_password = get_password  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", module)


def told(settings: AccountSettings, caller: Caller) -> list[str]:
    """Return the warnings of a reader."""
    reader = SecretReader(settings, "password", caller.home)
    reader.read()
    return reader.warnings


# Every kind in every way


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.suffix)
@pytest.mark.parametrize("kind", SECRETS)
def test_every_secret_can_be_kept_in_every_way(
    kind: str, way: SecretWay, tmp_path: Path, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    argument = place_for(way, tmp_path, monkeypatch, kind)
    assert read(entry(f"{kind}{way.suffix} {argument}"), caller, kind) == b"sesame"


@pytest.mark.parametrize("kind", LOGINS)
def test_every_password_is_looked_for_in_netrc(kind: str, caller: Caller) -> None:
    host, user = LOGINS[kind]
    text = f"machine {host} login other password no\nmachine {host} login {user} password sesame"
    Path(caller.home, ".netrc").write_text(text)
    assert read(entry(""), caller, kind) == b"sesame"
    Path(caller.home, ".netrc").write_text(f"machine other login {user} password no")
    assert read(entry(""), caller, kind) is None


def test_the_options_follow_from_the_two_tables(caller: Caller) -> None:
    names = {option.name for option in OPTIONS}
    assert {name for kind in SECRETS.values() for name in kind.options} <= names
    assert len(names & {kind + way.suffix for kind in SECRETS for way in WAYS}) == (
        len(SECRETS) * len(WAYS)
    )
    reader = SecretReader(account("poll h proto imap user joe", caller), "password", caller.home)
    assert reader.ways.keys() == {way.suffix for way in WAYS}
    assert {"pass", *SECRETS} == set(SECRET_WORDS)


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("first", ["", *(way.suffix for way in WAYS)])
def test_one_secret_in_two_places_is_refused(kind: str, first: str, caller: Caller) -> None:
    second = FILE if first != FILE else EVAL
    value = "9" if first == "fd" else "sesame"
    text = entry(f"{kind}{first} {value} {kind}{second} other")
    with pytest.raises(ConfigErrors) as failure:
        account(text, caller)
    [line] = str(failure.value).splitlines()
    column = text.index(f" {kind}{second} ") + 2
    assert line.startswith(f"standard input:1:{column}: ")
    assert f'"{kind}{second}" together with "{kind}{first}"' in line
    assert "sesame" not in line


def test_an_entry_replaces_the_place_of_the_defaults(tmp_path: Path, caller: Caller) -> None:
    (tmp_path / "secret").write_text("sesame\n")
    defaults = "defaults protocol imap user u passwordeval 'echo other'\n"
    assert read(f"{defaults}poll h user joe passwordfile {tmp_path}/secret", caller) is not None
    settings = account(f"{defaults}poll h user joe passwordfile {tmp_path}/secret", caller)
    assert way_of(settings, "password") == (WAYS[0], f"{tmp_path}/secret")
    inline = account(f"{defaults}poll h user joe password x", caller)
    assert (inline.password is None, way_of(inline, "password")) == (False, None)
    inherited = account(f"{defaults}poll h user joe", caller)
    assert way_of(inherited, "password") == (WAYS[1], "echo other")
    two = "defaults protocol imap user u passwordfd 3 passwordeval 'echo'\npoll h user joe"
    with pytest.raises(ConfigErrors, match='"passwordeval" together with "passwordfd"'):
        account(two, caller)


# Files


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


def test_a_descriptor_that_stays_silent_has_a_deadline_and_loses_nothing(caller: Caller) -> None:
    reading, writing = os.pipe()
    settings = account(f"poll h protocol imap user joe passwordfd {reading}", caller)
    for some in (b"", b"ses"):
        os.write(writing, some)
        with pytest.raises(PollFailed, match=r"nothing came within 0\.1 seconds; start") as failure:
            SecretReader(settings, "password", caller.home, seconds=0.1).read()
        assert str(failure.value).startswith(
            f"standard input:1:31: passwordfd: descriptor {reading}: "
        )
        assert failure.value.code is ExitCode.IOERR
    # The writer may stay: the first line is all that counts.
    os.write(writing, b"ame\n")
    assert revealed(f"passwordfd {reading}", caller) == b"sesame"
    os.close(writing)
    os.close(reading)
    assert revealed(f"passwordfd {reading}", caller) == b"sesame"


def test_who_waits_for_the_same_descriptor_has_a_deadline_too(caller: Caller) -> None:
    settings = account("poll h protocol imap user joe passwordfd 99", caller)
    with secrets._descriptor_lock, pytest.raises(PollFailed, match="nothing came within"):
        SecretReader(settings, "password", caller.home, seconds=0.1).read()


def test_a_file_that_others_can_read_is_reported_once(tmp_path: Path, caller: Caller) -> None:
    warnings: list[str] = []
    secret = tmp_path / "secret"
    secret.write_text("sesame\n")
    settings = account(f"poll h protocol imap user joe passwordfile {tmp_path}/secret", caller)
    for mode, count in ((0o600, 0), (0o640, 1), (0o604, 1)):
        secret.chmod(mode)
        warnings += told(settings, caller)
        assert len(warnings) == count
    assert warnings[0] == (
        f"{secret}: warning: other users can read or change this file; "
        f'"chmod 600 {secret}" makes it private'
    )


def test_a_netrc_that_others_can_read_is_reported_if_it_is_used(caller: Caller) -> None:
    path = Path(caller.home, ".netrc")
    path.write_text("machine h login joe password sesame")
    path.chmod(0o644)
    for text, count in (("poll i protocol imap user joe", 0), ("poll h protocol imap user joe", 1)):
        assert len(told(account(text, caller), caller)) == count


def test_a_credential_of_systemd_has_the_mode_that_systemd_gave_it(
    tmp_path: Path, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An access list shows as the permission of a group."""
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "gmail").write_text("sesame")
    (tmp_path / "credentials" / "gmail").chmod(stat.S_IRUSR | stat.S_IRGRP)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", f"{tmp_path}/credentials/")
    settings = account("poll h protocol imap user joe passwordfile gmail", caller)
    assert told(settings, caller) == []
    missing = account("poll h protocol imap user joe passwordfile other", caller)
    with pytest.raises(PollFailed, match="LoadCredential=other:FILE"):
        SecretReader(missing, "password", caller.home).read()


def test_a_reader_remembers_the_state_of_the_file(tmp_path: Path, caller: Caller) -> None:
    settings = account(f"poll h protocol imap user joe passwordfile {tmp_path}/secret", caller)
    reader = SecretReader(settings, "password", caller.home)
    with pytest.raises(PollFailed):
        reader.read()
    assert not have_changed(reader.files)
    (tmp_path / "secret").write_text("a\n")
    assert have_changed(reader.files)
    reader.read()
    assert not have_changed(reader.files)
    (tmp_path / "secret").write_text("other\n")
    assert have_changed(reader.files)


def test_a_changed_netrc_is_read_again(caller: Caller) -> None:
    path = Path(caller.home, ".netrc")
    settings = account("poll h protocol imap user joe", caller)
    for word in ("first", "another"):
        path.write_text(f"machine h login joe password {word}")
        secret = SecretReader(settings, "password", caller.home).read()
        assert secret
        assert secret.reveal() == word.encode()


# Commands


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("echo gpg: no key >&2; echo more >&2; exit 2", "ended with status 2: gpg: no key;"),
        ("echo sesame; echo cannot use sesame >&2; exit 1", "status 1: cannot use *;"),
        ("kill -9 $$", "was ended by signal 9;"),
        ("yes x | tr -d '\\n' | head -c 900 >&2; exit 3", f"status 3: {'x' * 200}...;"),
        ("printf '\\033[31mred' >&2; exit 1", r"status 1: \x1b[31mred;"),
        ("nosuchcommand", "status 127: /bin/sh: "),
    ],
)
def test_a_failed_command_is_quoted_without_its_output(
    command: str, words: str, caller: Caller
) -> None:
    with pytest.raises(PollFailed) as failure:
        revealed(f'passwordeval "{command}"', caller)
    said = str(failure.value)
    assert words.replace("\\\\", "\\") in said
    assert said.endswith("run the command in a shell to find out why")
    assert "sesame" not in said
    assert "more" not in said
    assert said.isprintable()
    assert failure.value.code is ExitCode.IOERR


def test_no_part_of_the_output_of_a_failed_command_is_shown() -> None:
    assert words_of(b"bad: password123", b"pass\npassword123\n") == "bad: *"


def test_the_words_of_a_successful_command_are_not_shown(
    caller: Caller, capfd: pytest.CaptureFixture[str]
) -> None:
    assert revealed('passwordeval "echo sesame; echo + sesame >&2"', caller) == b"sesame"
    assert "".join(capfd.readouterr()) == ""


def test_at_a_terminal_a_command_can_ask_the_user(
    caller: Caller, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "isatty", lambda descriptor: descriptor == 2)
    assert revealed("passwordeval \"printf 'Passphrase: ' >&2; echo sesame\"", caller) == b"sesame"
    assert capfd.readouterr() == ("", "Passphrase: ")


def test_much_on_standard_error_does_not_block_a_command(caller: Caller) -> None:
    command = "head -c 300000 /dev/zero >&2; echo sesame"
    assert revealed(f'passwordeval "{command}"', caller) == b"sesame"


# Variables


def test_a_variable_is_taken_before_any_other_program_starts(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIL_SECRET", "sesame")
    monkeypatch.setenv("OTHER_SECRET", "sesame")
    text = (
        "poll h protocol imap user joe passwordenv MAIL_SECRET\n"
        "skip i protocol imap user joe passwordenv OTHER_SECRET"
    )
    settings = account(text, caller)
    assert "MAIL_SECRET" not in os.environ
    assert b"OTHER_SECRET" not in os.environb
    for _ in range(2):
        # A daemon reads it again for each poll, and after a reload of the rc file.
        secret = SecretReader(settings, "password", caller.home).read()
        assert secret
        assert secret.reveal() == b"sesame"
        settings = account(text, caller)


@pytest.mark.parametrize(
    ("name", "problem"),
    [("$MAIL", "not the name"), ("ses-ame", "not the name"), ("''", "not the name")],
)
def test_what_is_no_name_of_a_variable_is_refused_and_not_shown(
    name: str, problem: str, caller: Caller
) -> None:
    with pytest.raises(ConfigErrors, match=problem) as failure:
        account(f"poll h protocol imap user joe passwordenv {name}", caller)
    assert name.strip("'") == "" or name not in str(failure.value)


# The keyring


def test_the_user_in_the_keyring_may_be_another_one(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_keyring(monkeypatch, {("Mail", "me@x"): "sesame", ("a/b", "joe"): "open"})
    assert revealed("passwordkeyring Mail/me@x", caller) == b"sesame"
    assert revealed("passwordkeyring a/b/", caller) == b"open"


class KeyringLocked(Exception):
    """As in the package."""


class NoKeyringError(Exception):
    """As in the package."""


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (None, r'no password of user "joe" for "Mail"; store it with: keyring set Mail joe'),
        ("", "no password of user"),
        (KeyringLocked("sesame"), "the keyring is locked; unlock it"),
        (NoKeyringError("sesame"), 'no keyring that can be used; "keyring diagnose"'),
        (OSError("sesame"), r"the keyring fails \(OSError\)"),
        (
            ModuleNotFoundError(name="keyring"),
            r'install it with: pip install "mailhaul\[keyring\]"',
        ),
        (ModuleNotFoundError(name="dbus"), r"fails \(ModuleNotFoundError\)"),
    ],
)
def test_each_failure_of_the_keyring_names_the_next_step(
    found: object, problem: str, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_keyring(monkeypatch, {("Mail", "joe"): found})
    with pytest.raises(PollFailed, match=problem) as failure:
        revealed("passwordkeyring Mail", caller)
    assert failure.value.code is ExitCode.IOERR
    assert str(failure.value).startswith("standard input:1:31: passwordkeyring: ")
    assert "sesame" not in str(failure.value)


def test_a_keyring_that_waits_for_the_user_has_a_deadline_and_one_thread(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlocked = Event()
    with_keyring(monkeypatch, {("Mail", "joe"): unlocked})
    settings = account("poll h protocol imap user joe passwordkeyring Mail", caller)
    for _ in range(2):
        with pytest.raises(PollFailed, match=r"did not answer within 0\.3 seconds; unlock it"):
            SecretReader(settings, "password", caller.home, seconds=0.3).read()
    reader = SecretReader(settings, "password", caller.home)
    reader.cancel()
    with pytest.raises(PollFailed, match="cancelled"):
        reader.read()
    unlocked.set()
    with secret_keyring._one_at_a_time:
        pass


def test_without_a_thread_the_keyring_is_free_for_the_next_request(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_keyring(monkeypatch, {("Mail", "joe"): "sesame"})

    def start(thread: Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(Thread, "start", start)
        with pytest.raises(PollFailed, match="no thread can be started; the system has too many"):
            revealed("passwordkeyring Mail", caller)
    assert revealed("passwordkeyring Mail", caller) == b"sesame"


def test_the_package_that_is_installed_has_this_function() -> None:
    keyring = pytest.importorskip("keyring")
    before = keyring.get_keyring()
    keyring.set_keyring(import_module("keyring.backends.fail").Keyring())
    try:
        with pytest.raises(secret_keyring.KeyringFailed, match="no keyring that can be used"):
            secret_keyring.ask_keyring("s", "u", Patient())
    finally:
        keyring.set_keyring(before)


class Patient:
    """Waits as long as it takes."""

    seconds = 60.0

    def is_over(self) -> bool:
        return False


# Errors


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("passwordfile /nowhere/secret", "No such file"),
        ("passwordfile /dev/null", "it contains no password"),
        ("passwordeval false", "status 1"),
        ("passwordeval true", "it contains no password"),
        ("passwordfd 999", "descriptor 999: Bad file"),
        ("passwordenv NO_SUCH_NAME", "variable NO_SUCH_NAME is not set; set it"),
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
        SecretReader(settings, "password", caller.home, seconds=0.3).read()
    reader = SecretReader(settings, "password", caller.home)

    def ask() -> None:
        with pytest.raises(PollFailed):
            reader.read()

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
