"""Accounts of a store: what a row may choose, and what it cannot bring in."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.adapters.config import options
from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.errors import ConfigErrors
from mailhaul.adapters.config.load import load
from mailhaul.adapters.config.options import (
    FILE_OR_FOLDER,
    HOST,
    LISTENER,
    OPTIONS,
    SERVER,
    USER,
    Option,
)
from mailhaul.adapters.config.rows import RowReader, is_below, is_host, split_rows
from mailhaul.adapters.config.secret_table import COMMAND, MACHINE
from mailhaul.adapters.config.secrets import SecretReader
from mailhaul.adapters.config.settings import AccountSettings
from mailhaul.adapters.config.writer import quote

ENTRY_OPTIONS = [option for option in OPTIONS if option.level in (SERVER, USER)]
TEXTS = {options.TEXT, options.PATH, options.LIST}
MINE = "/usr/bin/mine --now"


def reader(home: Path, own: str = "", defaults: str = "") -> RowReader:
    rc = home / "rc"
    rc.write_text(
        f'set command mine "{MINE}" set storefolders "{home}/store"\n'
        "set storehosts imap.example.org\n"
        f'defaults proto imap keep pass "defaultsecret" {defaults}\n'
        f"{own or 'poll h user u pass p'}\n"
    )
    rc.chmod(0o600)
    caller = Caller("me", os.getuid(), str(home), None, str(home))
    return RowReader(load(["-f", str(rc)], caller, bytes), caller)


@pytest.fixture
def rows(tmp_path: Path) -> RowReader:
    (tmp_path / "store").mkdir()
    return reader(tmp_path)


Refused = Callable[[str], str]


@pytest.fixture
def refused(rows: RowReader) -> Refused:
    def problem(text: str) -> str:
        with pytest.raises(ConfigErrors) as fault:
            rows.read(text, "row")
        return str(fault.value.errors[0])

    return problem


def entry_with(option: Option, value: str) -> str:
    """Return a row in which an option has this value."""
    chosen = f"{option.keywords[0]} {value}"
    if option.level == SERVER:
        return f'poll imap.example.org {chosen} user "joe"'
    return f'poll imap.example.org user "joe" {chosen}'


def test_a_row_has_the_defaults_of_the_machine_but_not_its_secrets(rows: RowReader) -> None:
    account = rows.read('poll imap.example.org user "joe"', "row")
    assert account.keep
    assert account.protocol == "imap"
    assert account.remote_user == "joe"
    assert account.password is None
    assert account.from_store


def test_the_key_of_a_service_account_is_not_for_rows(tmp_path: Path) -> None:
    rc = tmp_path / "rc"
    rc.write_text(f'defaults oauthkey "{tmp_path}/key.json" proto imap\npoll h user u pass p\n')
    rc.chmod(0o600)
    caller = Caller("me", os.getuid(), str(tmp_path), None, str(tmp_path))
    configuration = load(["-f", str(rc)], caller, bytes)
    assert configuration.accounts[0].oauthkey
    row = RowReader(configuration, caller).read("poll h user u pass p", "row")
    assert (row.protocol, row.oauthkey) == ("imap", None)


def test_the_command_line_counts_for_rows_too(tmp_path: Path) -> None:
    rc = tmp_path / "rc"
    rc.write_text("poll h user u pass p")
    rc.chmod(0o600)
    caller = Caller("me", os.getuid(), str(tmp_path), None, str(tmp_path))
    rows = RowReader(load(["-f", str(rc), "--fetchall"], caller, bytes), caller)
    assert rows.read("poll h user u no fetchall", "row").fetchall


@pytest.mark.parametrize(
    "option", [one for one in ENTRY_OPTIONS if one.leads_to == COMMAND], ids=lambda one: one.name
)
def test_a_command_is_named_and_the_machine_defines_it(
    rows: RowReader, refused: Refused, option: Option
) -> None:
    assert getattr(rows.read(entry_with(option, '"@mine"'), "row"), option.name) == MINE
    with_word = rows.read(entry_with(option, '"@mine joe@example.org"'), "row")
    assert getattr(with_word, option.name) == f"{MINE} joe@example.org"
    keyword = option.keywords[0]
    assert refused(entry_with(option, '"rm -rf /"')).startswith(
        f"row:1:{entry_with(option, '').find(keyword) + 1}: {keyword}: "
    )
    assert "no command" in refused(entry_with(option, '"@other"'))


@pytest.mark.parametrize(
    "word",
    ["-x", "--x", ".", "../x", "/x", "a b", "$(x)", "`x`", "x;y", "x|y", "x&y", "%h", "'", "a\\nb"],
)
def test_the_word_for_a_command_is_nothing_but_a_word(refused: Refused, word: str) -> None:
    assert "cannot contain a command" in refused(f'poll h user u passwordeval "@mine {word}"')


@pytest.mark.parametrize(
    "option",
    [one for one in ENTRY_OPTIONS if one.leads_to == FILE_OR_FOLDER],
    ids=lambda one: one.name,
)
def test_a_path_lies_below_a_folder_that_the_machine_allows(
    rows: RowReader, refused: Refused, option: Option, tmp_path: Path
) -> None:
    if option.name not in {"oauthkey", "oauthsecretfile", "oauthrefreshfile"}:  # need more options
        good = rows.read(entry_with(option, f'"{tmp_path}/store/joe"'), "row")
        assert getattr(good, option.name) == f"{tmp_path}/store/joe"
    for path in (
        "/etc/passwd",
        f"{tmp_path}/store",
        f"{tmp_path}/store/../rc",
        "joe",
        "~/joe",
        "-",
    ):
        assert "is not below a folder" in refused(entry_with(option, quote(path))), path


def test_symbolic_links_lead_nowhere_else(rows: RowReader, tmp_path: Path) -> None:
    (tmp_path / "store" / "out").symlink_to("/etc")
    assert not is_below(f"{tmp_path}/store/out/passwd", [f"{tmp_path}/store"])
    (tmp_path / "alias").symlink_to(tmp_path / "store")
    assert is_below(f"{tmp_path}/store/x", [f"{tmp_path}/alias"])


def test_a_listener_may_be_a_path_which_is_checked(refused: Refused, rows: RowReader) -> None:
    assert rows.read("poll h user u smtphost relay/2525", "row").smtphosts == ("relay/2525",)
    assert "is not below" in refused('poll h user u smtphost "good" "/run/other.sock"')
    assert "is not a host" in refused('poll h user u smtphost "-oProxyCommand=x"')
    assert "is not a port" in refused('poll h user u smtphost "h/-x y"')


@pytest.mark.parametrize(
    "option", [one for one in ENTRY_OPTIONS if one.leads_to == MACHINE], ids=lambda one: one.name
)
def test_what_only_one_machine_has_cannot_be_named(refused: Refused, option: Option) -> None:
    value = "3" if option.kind == options.NUMBER else '"HOME"'
    assert "what only one machine has" in refused(entry_with(option, value))


@pytest.mark.parametrize("name", ["-oProxyCommand=x", "a b", "$(x)", "a;b", "a\\nb", ""])
def test_a_host_is_no_argument_of_a_command(refused: Refused, name: str) -> None:
    assert "is not a host" in refused(f'poll "{name}" user u')
    assert "is not a host" in refused(f'poll h via "{name}" user u')
    assert not is_host(name)


@pytest.mark.parametrize("name", ["imap.example.org", "bücher.example", "::1", "192.0.2.1", "a_b"])
def test_hosts_are_names_and_addresses(name: str) -> None:
    assert is_host(name)


def test_the_host_of_append_is_one_too(refused: Refused) -> None:
    text = 'poll h plugout "@mine" user u append "imaps://u@-oProxyCommand/INBOX" appendpassword x'
    assert "append" in refused(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "a row is one entry"),
        ("poll h user u poll i user v", "a row is one entry"),
        ("poll h user u is a user v is b", "one user"),
        ("skip h user u", '"skip"'),
        ('set command x "y" poll h user u', '"set"'),
        ("set storefolders / poll h user u maildir /x", '"set"'),
        ("defaults keep poll h user u", '"defaults"'),
        ("poll h user u protocol imap3", "row:1:15"),
    ],
)
def test_a_row_is_one_entry_and_nothing_else(refused: Refused, text: str, problem: str) -> None:
    assert problem in refused(text)


def test_a_literal_password_is_allowed_and_warned_about(rows: RowReader) -> None:
    account, warnings = rows.read_with_warnings('poll h user u pass "hush" idle', "row")
    assert account.password
    assert account.password.reveal() == b"hush"
    assert ["password: the secret itself is in the row" in str(one) for one in warnings] == [True]
    assert "hush" not in str(warnings)


def test_netrc_of_the_machine_is_not_read_for_a_row(rows: RowReader, tmp_path: Path) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine good.example login joe password hush\n")
    netrc.chmod(0o600)
    account = rows.read('poll good.example via evil.example user "joe"', "row")
    assert SecretReader(account, "password", str(tmp_path)).read() is None


def test_a_file_of_entries_becomes_one_row_for_each() -> None:
    text = b'# mine\npoll a user "u"\n  keep\npoll b user "v" # yours\n\n'
    found = split_rows(text, "file")
    assert [row for row, _ in found] == ['poll a user "u"\n  keep\n', 'poll b user "v" # yours\n']
    assert [str(place) for _, place in found] == ["file:2:1", "file:4:1"]
    with pytest.raises(ConfigErrors, match=r'file:1:5.*no "set"'):
        split_rows(b"set postmaster x\npoll a user u", "file")


PLAIN_TEXTS = {
    *("aka", "localdomains", "qvirtual", "proxy", "proxyout", "bindaddress", "bindaddressout"),
    *("principal", "esmtpname", "esmtpauth", "oauthissuer", "oauthgrant", "oauthclient"),
    *("oauthtenant", "oauthscope", "retrieve_error", "folders", "fetchdomains", "smtpaddress"),
    *("smtpname", "append", "gmail", "appendauth", "gmaillabels", "only", "excepted", "sslmode"),
    *("sslproto", "sslcommonname", "sslfingerprint", "properties"),
}
"""Texts that lead to nothing on the machine. Whoever adds one has to think about it here."""


def test_every_text_of_the_table_says_where_it_leads() -> None:
    plain = {one.name for one in ENTRY_OPTIONS if one.kind in TEXTS and not one.leads_to}
    assert plain == PLAIN_TEXTS
    known = {"", COMMAND, FILE_OR_FOLDER, LISTENER, HOST, MACHINE}
    assert {one.leads_to for one in ENTRY_OPTIONS} == known


def test_every_option_that_takes_a_command_says_so() -> None:
    says = {one.name for one in ENTRY_OPTIONS if one.help.startswith("command ")}
    assert says == {one.name for one in ENTRY_OPTIONS if one.leads_to == COMMAND}


EVIL = ("/etc/passwd", "rm -rf /", "$(reboot)", "@mine", "@mine x", "@mine -x", "-oProxyCommand=x")
words = st.one_of(st.sampled_from(EVIL), st.text(max_size=12).filter(lambda s: "\0" not in s))
any_option = st.sampled_from(ENTRY_OPTIONS)


@given(st.lists(st.tuples(any_option, words), max_size=5), st.sampled_from(["h", "-h", "a b"]))
def test_no_row_brings_a_command_or_a_path(
    tmp_path_factory: pytest.TempPathFactory, chosen: list[tuple[Option, str]], host: str
) -> None:
    home = tmp_path_factory.getbasetemp() / "rows"
    (home / "store").mkdir(parents=True, exist_ok=True)
    chosen.sort(key=lambda one: one[0].level)  # "server" before "user"
    text = " ".join(f"{option.keywords[0]} {quote(value)}" for option, value in chosen)
    try:
        account = reader(home).read(f"poll {quote(host)} {text}", "row")
    except ConfigErrors:
        return
    assert_harmless(account, str(home / "store"))


def assert_harmless(account: AccountSettings, folder: str) -> None:
    assert is_host(account.host)
    for option in ENTRY_OPTIONS:
        value = getattr(account, option.name)
        if value is None or not account.chose(option.name):
            continue
        if option.leads_to == COMMAND:
            assert re.fullmatch(re.escape(MINE) + r"( [\w+=:,@][\w.+=:,@-]*)?", value, re.ASCII)
        elif option.leads_to == FILE_OR_FOLDER:
            assert is_below(value, [folder])
        elif option.leads_to == LISTENER:
            for one in value:
                assert is_below(one, [folder]) if one[:1] == "/" else is_host(one.split("/")[0])
        else:
            assert option.leads_to != MACHINE


OAUTH = "auth oauth oauthissuer gmail oauthclient c"


@pytest.mark.parametrize("tls", ["ssl", "sslmode wrapped", 'sslmode "starttls=must"'])
def test_a_token_is_sent_to_a_host_that_the_machine_allows(rows: RowReader, tls: str) -> None:
    account = rows.read(f"poll IMAP.example.org {OAUTH} user joe {tls}", "row")
    assert account.auth == "oauth"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("poll evil.example.org {oauth} user joe ssl", 'cannot send tokens to "evil.example.org"'),
        ("poll imap.example.org via h {oauth} user joe ssl", 'cannot send tokens to "h"'),
        ("poll imap.example.org {oauth} user joe", "only to a server that TLS has proved"),
        ("poll imap.example.org {oauth} user joe sslmode none", "TLS has proved"),
        ("poll imap.example.org {oauth} user joe ssl sslmode none", "TLS has proved"),
        ('poll imap.example.org {oauth} user joe ssl sslmode "starttls=may"', "TLS has proved"),
        ("poll imap.example.org {oauth} user joe ssl no sslcertck", "TLS has proved"),
        ("poll imap.example.org {oauth} user joe ssl sslproto tls1", "TLS has proved"),
        ("poll imap.example.org {oauth} user joe ssl sslcommonname e.example", "TLS has proved"),
        (
            'poll h oauthissuer gmail oauthclient c user u password p gmail "joe@gmail.com"',
            "cannot send tokens to",
        ),
        (
            "poll h {smtp} esmtpname joe user u password p smtphost h",
            "esmtpauth: an account of the store cannot send tokens",
        ),
    ],
)
def test_a_token_is_sent_nowhere_else(refused: Refused, row: str, words: str) -> None:
    smtp = OAUTH.replace("auth oauth", "esmtpauth oauth")
    assert words in refused(row.format(oauth=OAUTH, smtp=smtp))


@pytest.mark.parametrize("option", ["sslcertfile", "sslcertpath"])
def test_a_row_does_not_choose_whose_certificates_prove_a_server_for_tokens(
    rows: RowReader, refused: Refused, tmp_path: Path, option: str
) -> None:
    """Mail that an earlier row has delivered may contain a certificate."""
    row = f'poll imap.example.org {OAUTH} user joe ssl {option} "{tmp_path}/store/mail"'
    assert "TLS has proved" in refused(row)
    rows.read(row.replace(OAUTH, "").replace("ssl ", 'pass "p" ssl '), "row")
    own = reader(tmp_path, defaults=f'ssl {option} "{tmp_path}/ca"')
    assert getattr(own.read(f"poll imap.example.org {OAUTH} user joe", "row"), option)
