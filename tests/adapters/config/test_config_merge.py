"""Merging defaults, entry and command line into the settings of an account."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_type_hints

import pytest

from mailhaul.adapters.config import options, settings
from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.command_line import parse_command_line
from mailhaul.adapters.config.grammar import parse
from mailhaul.adapters.config.merge import global_settings
from mailhaul.adapters.config.secret_table import SECRETS, WAYS
from mailhaul.adapters.config.settings import AccountSettings, GlobalSettings, RunSettings
from mailhaul.protocols.secret import Secret

Accounts = Callable[..., list[AccountSettings]]


def globals_of(text: str, *arguments: str, uid: int = 1000) -> GlobalSettings:
    caller = Caller("me", uid, "/home/me", None, "/cwd")
    line = parse_command_line(arguments, caller.folder)
    return global_settings(parse(text.encode(), "rc", "/rc"), line, caller)


@pytest.mark.parametrize(
    ("home", "levels"),
    [
        (RunSettings, {options.RUN}),
        (GlobalSettings, {options.GLOBAL}),
        (AccountSettings, {options.SERVER, options.USER}),
    ],
)
def test_every_option_of_the_table_is_a_setting(home: type, levels: set[str]) -> None:
    names = {option.name for option in options.OPTIONS if option.level in levels}
    # "way_of" returns these.
    names -= {kind + way.suffix for kind in SECRETS for way in WAYS}
    extra = {"pollname", "known_as", "skip", "elsewhere", "several", "from_store"}
    extra |= {"envelope_skip", "wildcard", "quit_only"}
    kinds = get_type_hints(home, vars(settings) | {"Secret": Secret})
    assert {name for name in kinds if name[0] != "_"} - extra == names


def test_an_account_has_the_documented_defaults(accounts: Accounts) -> None:
    (account,) = accounts("poll mail.example.org")
    assert (account.host, account.via, account.protocol, account.auth) == (
        "mail.example.org", None, "auto", "any",
    )  # fmt: skip
    assert (account.remote_user, account.local_names) == ("me", (("me", "me"),))
    assert (account.timeout, account.folders, account.smtphosts) == (
        300, ("INBOX",), ("localhost",),
    )  # fmt: skip
    assert (account.sslcertck, account.rewrite, account.stripcr) == (True, True, False)
    assert (account.password, account.multidrop) == (None, False)


@pytest.mark.parametrize(
    ("defaults", "entry", "name", "expected"),
    [
        ("timeout 20", "", "timeout", 20),
        ("timeout 20", "timeout 30", "timeout", 30),
        ("timeout 20", "timeout 0", "timeout", 20),
        ("interval 2", "interval 0", "interval", 2),
        ("limit 20", "limit 0", "limit", 0),
        ("keep", "", "keep", True),
        ("keep", "no keep", "keep", False),
        ("folder a", "", "folders", ("a",)),
        ("folder a", "folder b", "folders", ("b",)),
        ("aka a", "", "aka", ()),
        ("proto sdps", "", "protocol", "pop3"),
        ("user joe", "", "remote_user", "joe"),
        ("is joe", "", "local_names", (("joe", "joe"),)),
        ("is joe", "is ann", "local_names", (("ann", "ann"),)),
        ("is *", "is ann", "wildcard", True),
        ("mda x", "", "stripcr", True),
        ("maildir x", "", "stripcr", True),
        ("mbox x", "", "stripcr", True),
        ("mda x no stripcr", "", "stripcr", False),
        ("stripcr", "", "stripcr", True),
        ("envelope 3 X", "envelope Y", "envelope_skip", 3),
        ("no envelope", "", "envelope", None),
    ],
)
def test_defaults_are_used_for_options_that_the_entry_does_not_set(
    defaults: str, entry: str, name: str, expected: object, accounts: Accounts
) -> None:
    (account,) = accounts(f"defaults {defaults}\npoll h {entry}")
    assert getattr(account, name) == expected


def test_a_password_in_defaults_is_for_all_users(accounts: Accounts) -> None:
    found = accounts("defaults pass x\npoll a user u pass y user v\npoll b")
    passwords = [a.password.reveal() for a in found if a.password]
    assert passwords == [b"y", b"x", b"x"]


@pytest.mark.parametrize(
    ("arguments", "name", "expected"),
    [
        (["-t", "0"], "timeout", 300),
        (["-t", "5"], "timeout", 5),
        (["-K"], "keep", False),
        (["-u", "z"], "remote_user", "z"),
        (["-r", "a,b"], "folders", ("f", "a", "b")),
        (["-S", "a"], "smtphosts", ("a",)),
        (["-m", "cat"], "stripcr", True),
        (["-P", "993"], "service", 993),
        (["--bsmtp", "out"], "bsmtp", "/cwd/out"),
        (["--nosslcertck"], "sslcertck", False),
    ],
)
def test_the_command_line_replaces_values_and_adds_to_lists(
    arguments: list[str], name: str, expected: object, accounts: Accounts
) -> None:
    (account,) = accounts("poll h timeout 7 user u keep folder f", *arguments)
    assert getattr(account, name) == expected


def test_a_server_of_the_command_line_has_defaults_and_options(accounts: Accounts) -> None:
    (account,) = accounts("defaults keep\npoll h", "-l", "5", "mail.example.net")
    assert (account.pollname, account.via) == ("mail.example.net", "mail.example.net")
    assert (account.keep, account.limit, account.remote_user) == (True, 5, "me")
    assert str(account.place("pollname")) == "command line"


def test_the_place_of_each_value_is_known(accounts: Accounts) -> None:
    (account,) = accounts("defaults keep\npoll h timeout 5\n user u limit 3", "-l", "4")
    assert {name: str(account.place(name)) for name in ("keep", "timeout", "limit", "ssl")} == {
        "keep": "rc:1:10",
        "timeout": "rc:2:8",
        "limit": "command line",
        "ssl": "rc:2:1",
    }


@pytest.mark.parametrize(
    ("options", "port"),
    [
        ("proto imap", 143), ("proto imap user u ssl", 993), ("proto pop3", 110),
        ("proto pop3 user u ssl", 995), ("service imaps", 993), ("port 1143", 1143),
        ("service mail-x", "mail-x"),
    ],
)  # fmt: skip
def test_the_port_follows_from_service_protocol_and_ssl(
    options: str, port: object, accounts: Accounts
) -> None:
    (account,) = accounts(f"poll h {options}")
    assert account.port == port


def test_several_names_or_a_star_make_a_multidrop(accounts: Accounts) -> None:
    found = accounts("poll a is x y poll b is * poll c is x=y")
    assert [account.multidrop for account in found] == [True, True, False]


def test_settings_do_not_change_and_hide_passwords(accounts: Accounts) -> None:
    (account,) = accounts("poll h esmtppassword qZ7 user u pass qZ7")
    assert "qZ7" not in repr(account)
    with pytest.raises(AttributeError):
        account.keep = True
    assert account.keep is False


def test_global_settings_have_the_documented_defaults() -> None:
    settings = globals_of("")
    assert (settings.postmaster, settings.idfile) == ("me", "/home/me/.fetchids")
    assert (settings.bouncemail, settings.softbounce, settings.daemon) == (True, True, 0)
    assert globals_of("", uid=0).postmaster == "postmaster"


def test_the_command_line_replaces_global_settings() -> None:
    settings = globals_of(
        "set daemon 300 set postmaster joe set syslog",
        "-d0", "--nobounce", "--postmaster", "", "--pidfile", "p",
    )  # fmt: skip
    assert (settings.daemon, settings.bouncemail, settings.postmaster) == (0, False, "")
    assert (settings.syslog, settings.pidfile) == (True, "/cwd/p")
    assert str(settings.place("daemon")) == "command line"
    assert str(settings.place("syslog")) == "rc:1:39"


def test_the_private_home_holds_the_idfile() -> None:
    caller = Caller("me", 1000, "/home/me", "/var/mailhaul", "/cwd")
    settings = global_settings(parse(b"", "rc"), parse_command_line([], "/"), caller)
    assert settings.idfile == "/var/mailhaul/.fetchids"


def test_entries_that_lead_to_the_same_mailboxes_are_known_as_one(accounts: Accounts) -> None:
    text = """
        poll first via localhost port 1100 protocol pop3 user joe
        poll second via 127.0.0.1 port 1100 protocol pop3 user joe keep user ann
        poll third via localhost port 1101 protocol pop3 user joe
        poll fourth via localhost port 1100 protocol pop3 user joe preconnect "tunnel"
        """
    names = ["first", "second", "third", "fourth"]
    found = [(one.pollname, one.remote_user, one.known_as) for one in accounts(text, *names)]
    assert found == [
        ("first", "joe", "first"),
        ("second", "joe", "first"),
        ("second", "ann", "second"),
        ("third", "joe", "third"),
        ("fourth", "joe", "fourth"),
    ]
    # This does not depend on which of them are polled.
    (joe, _) = accounts(text, "second")
    assert joe.known_as == "first"
    (other,) = accounts(text, "elsewhere.example.org")
    assert other.known_as == "elsewhere.example.org"
