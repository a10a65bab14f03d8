"""The option ``append``: its effect, and its error messages."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.dump import json_dump, python_dump
from mailhaul.adapters.config.errors import ConfigErrors
from mailhaul.adapters.config.load import Configuration, load
from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.adapters.login.access import TlsMode
from mailhaul.adapters.sinks.imap_append import ImapAppendSink
from mailhaul.apps.cli.version import describe
from mailhaul.apps.polls.context import PollContext
from mailhaul.apps.polls.sinks import sink_of
from mailhaul.flows.outcome import ExitCode, PollFailed
from mailhaul.flows.requests import Pipe, Tcp
from mailhaul.runtimes.blocking import run

URL = "imaps://joe%40x.example@imap.x.example/Old%20mail"


def configured(home: Path, options: str, netrc: str = "", plugout: str = "") -> Configuration:
    (home / "rc").write_text(f"poll h proto imap {plugout} user u pass p {options}\n")
    (home / "rc").chmod(0o600)
    (home / ".netrc").write_text(netrc)
    caller = Caller("me", (home / "rc").stat().st_uid, str(home), None, str(home))
    return load(["-f", str(home / "rc")], caller, bytes)


def sink(
    home: Path, options: str, netrc: str = "", plugout: str = ""
) -> tuple[str, ImapAppendSink]:
    configuration = configured(home, options, netrc, plugout)
    (account,) = configuration.accounts
    caller = Caller("me", 0, str(home), None, str(home))
    context = PollContext(
        caller,
        configuration.globals,
        False,
        SqliteLedger(str(home / "ledger")),
        str(home),
        "here",
        lambda protocol: None,
    )
    name, make = sink_of(account, context)
    return name, cast(ImapAppendSink, make())


def test_the_url_gives_the_address_and_the_tls_options_the_trust(tmp_path: Path) -> None:
    options = f"append {URL!r} appendpassword 'qZ7' sslcertfile /ca sslcertpath /cas sslproto ''"
    name, made = sink(tmp_path, options)
    access = made.access
    assert name == f"append {URL}"
    assert made.mailbox == b"Old mail"
    assert (access.peer, access.user) == ("imap.x.example", "joe@x.example")
    assert access.address == Tcp("imap.x.example", 993)
    assert access.tls is TlsMode.WRAPPED
    assert access.password
    assert access.password.reveal() == b"qZ7"
    trust = access.trust
    assert (trust.hostname, trust.verify) == ("imap.x.example", True)
    assert (trust.ca_file, trust.ca_path) == ("/ca", "/cas")


@pytest.mark.parametrize(
    ("url", "plugout", "mode"),
    [
        ("imap://j@h", "", TlsMode.REQUIRED),
        ("imap://j@localhost", "", TlsMode.NEVER),
        ("imap://j@127.0.0.1", "", TlsMode.NEVER),
        ("imap://j@h", "plugout 'ssh %h imapd %p'", TlsMode.OFFERED),
        ("imaps://j@h", "plugout 'ssh %h imapd %p'", TlsMode.WRAPPED),
    ],
)
def test_imap_means_starttls_except_for_local_connections(
    tmp_path: Path, url: str, plugout: str, mode: TlsMode
) -> None:
    name, made = sink(tmp_path, f"append {url!r} appendpassword x", plugout=plugout)
    assert made.access.tls is mode
    port = 993 if url.startswith("imaps") else 143
    if plugout:
        assert made.access.address == Pipe(("ssh", "h", "imapd", str(port)))
        assert name == f"append {url} through ssh %h imapd %p"


def test_a_mailbox_name_is_utf_8_in_the_url_and_encoded_on_the_wire(tmp_path: Path) -> None:
    _, made = sink(tmp_path, "append 'imaps://j@h/Entw%C3%BCrfe%20&%20co' appendpassword x")
    assert made.mailbox == b"Entw&APw-rfe &- co"


def test_netrc_has_the_password_of_that_host_and_user(tmp_path: Path) -> None:
    netrc = "machine h login u password a machine t login u password b machine t login j password c"
    _, made = sink(tmp_path, "append 'imaps://j@t'", netrc)
    access = run(made.access.with_password())
    assert access.password
    assert access.password.reveal() == b"c"


def test_without_a_password_the_place_and_the_remedy_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        PollFailed, match=r"rc:1:\d+: can't find a password for imaps://j@t"
    ) as failure:
        sink(tmp_path, "append 'imaps://j@t'", "machine t login u password b")
    assert failure.value.code is ExitCode.AUTHFAIL
    assert '"appendpassword" or in ~/.netrc' in str(failure.value)


def test_with_a_plugin_no_password_may_be_needed(tmp_path: Path) -> None:
    _, made = sink(tmp_path, "append 'imap://j@t'", plugout="plugout imapd")
    assert made.access.password is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("append 'imaps://j@h' mda cat", "mail can go to one destination only"),
        ("append 'imaps://j@h' bsmtp -", "mail can go to one destination only"),
        ("append 'imaps://j@h' maildir m", "mail can go to one destination only"),
        ("append imaps://j@h", "a URL needs quotes around it"),
        ("append joe@h", 'rc:1:34: append: it does not begin with imaps:// or imap://; write "im'),
        ("append 'imaps://u@h'", "the same mail would be fetched again without end"),
        ("append 'imaps://j:qZ7@h'", 'use "appendpassword"'),
    ],
)
def test_an_impossible_option_is_an_error_with_its_place(
    tmp_path: Path, options: str, words: str
) -> None:
    with pytest.raises(ConfigErrors) as refusal:
        configured(tmp_path, options)
    assert words in str(refusal.value)
    assert "qZ7" not in str(refusal.value)


def test_another_mailbox_of_the_same_account_is_a_place_to_go(tmp_path: Path) -> None:
    _, made = sink(tmp_path, "append 'imaps://u@h/Old' appendpassword x")
    assert made.mailbox == b"Old"


def test_no_form_of_the_settings_shows_the_password(tmp_path: Path) -> None:
    options = f"append {URL!r} appendpassword qZ7secret"
    configuration = configured(tmp_path, options)
    shown = json_dump(configuration.globals, configuration.accounts, with_secrets=False)
    assert URL in shown
    for text in (
        shown,
        python_dump(configuration.globals, configuration.accounts, "here"),
        repr(configuration.accounts),
        describe(configuration),
    ):
        assert "qZ7secret" not in text
    assert f"stored in {URL}" in describe(configuration)
    full = json_dump(configuration.globals, configuration.accounts, with_secrets=True)
    assert "qZ7secret" in full
