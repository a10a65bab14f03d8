"""Names and options of fetchmail keep their meaning, whatever keywords mailhaul adds."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from mailhaul.adapters.config import options
from mailhaul.adapters.config.command_line import parse_command_line
from mailhaul.adapters.config.errors import ConfigErrors
from mailhaul.adapters.config.grammar import parse
from mailhaul.adapters.config.options import (
    ENTRY_KEYWORDS,
    GLOBAL_KEYWORDS,
    OWN_AUTHS,
    OWN_KEYWORDS,
)
from mailhaul.protocols.secret import Secret

from .conftest import Accounts

OWN_WORDS = sorted(OWN_KEYWORDS | OWN_AUTHS)
STRINGS = sorted(
    word
    for word, spelling in ENTRY_KEYWORDS.items()
    if spelling.value
    and not spelling.option.own
    and spelling.option.kind
    in (options.TEXT, options.PATH, options.LIST, options.HIDDEN, options.ENVELOPE, options.SERVICE)
)
"""Keywords of fetchmail that a word follows."""
FETCHMAILS = [
    *("help", "version", "check", "silent", "verbose", "daemon", "nodetach", "quit", "logfile"),
    *("idfile", "pidfile", "fetchmailrc", "postmaster", "nobounce", "softbounce", "nosoftbounce"),
    *("syslog", "nosyslog", "invisible", "showdots", "interface", "monitor", "plugin", "plugout"),
    *("bad-header", "protocol", "proto", "uidl", "idle", "port", "service", "auth", "timeout"),
    *("envelope", "qvirtual", "principal", "tracepolls", "user", "username", "all", "fetchall"),
    *("nokeep", "keep", "flush", "limitflush", "norewrite", "limit", "warnings", "folder"),
    *("smtphost", "fetchdomains", "antispam", "smtpaddress", "smtpname", "batchlimit"),
    *("fetchlimit", "fetchsizelimit", "fastuidl", "expunge", "mda", "bsmtp", "lmtp", "ssl"),
    *("sslkey", "sslcert", "sslproto", "sslcertck", "nosslcertck", "sslcertfile", "sslcertpath"),
    *("sslcommonname", "sslfingerprint", "configdump", "yydebug"),
]
"""All long options of fetchmail 6.4.37."""


@pytest.mark.parametrize("word", OWN_WORDS)
@pytest.mark.parametrize("keyword", STRINGS)
def test_a_value_may_be_spelled_like_one_of_our_keywords(keyword: str, word: str) -> None:
    start = "poll h user u" if ENTRY_KEYWORDS[keyword].option.level == options.USER else "poll h"
    plain = parse(f"{start} {keyword} {word}".encode(), "rc").entries[0]
    quoted = parse(f'{start} {keyword} "{word}"'.encode(), "rc").entries[0]
    name = ENTRY_KEYWORDS[keyword].option.name
    here, there = (
        entry.server if name in entry.server.values else entry.users[0] for entry in (plain, quoted)
    )
    found, expected = here.values[name], there.values[name]
    if isinstance(found, Secret) and isinstance(expected, Secret):
        found, expected = found.reveal(), expected.reveal()
    assert found == expected


@pytest.mark.parametrize("word", OWN_WORDS)
def test_names_may_be_spelled_like_one_of_our_keywords(accounts: Accounts, word: str) -> None:
    (account,) = accounts(
        f"poll {word} envelope 2 {word} user {word} pass {word} is {word} here keep"
    )
    assert (account.pollname, account.remote_user) == (word, word)
    assert account.local_names == ((word, word),)
    assert (account.envelope, account.envelope_skip, account.keep) == (word, 2, True)
    (account,) = accounts(
        f"set properties {word} skip a poll h user u is {word}={word} folder {word}"
    )
    assert (account.local_names, account.folders) == (((word, word),), (word,))


@pytest.mark.parametrize("word", sorted(OWN_AUTHS))
def test_our_login_methods_are_keywords_only_after_auth(accounts: Accounts, word: str) -> None:
    (account,) = accounts(f"poll h auth {word} aka a {word} user u is x {word} folder a {word}")
    assert (account.auth, account.aka, account.folders) == (word, ("a", word), ("a", word))


def test_our_keywords_are_options_if_an_option_is_expected(accounts: Accounts) -> None:
    (account,) = accounts("poll h no envelope retrieve-error abort user u folder a maildir /m keep")
    assert (account.envelope, account.retrieve_error) == (None, "abort")
    assert (account.folders, account.maildir, account.keep) == (("a",), "/m", True)
    (account,) = accounts("poll h noenvelope retrieve-error abort user u")
    assert (account.envelope, account.retrieve_error) == (None, "abort")


@pytest.mark.parametrize(
    "word", ["maildir", "mbox", "append", "passwordfile", "passwordfd", "passwordenv", "jsonlog"]
)
@pytest.mark.parametrize("after", ["", "keep", "here keep", "poll i", "no keep"])
def test_a_keyword_without_its_argument_is_a_further_name(
    accounts: Accounts, word: str, after: str
) -> None:
    account = accounts(f"poll h user u is a {word} {after}")[0]
    assert account.local_names == (("a", "a"), (word, word))
    if after.startswith("here"):
        (account,) = accounts(f"poll h user a {word} {after}")
        assert account.local_names == (("a", "a"), (word, word))
    else:
        account = accounts(f"poll h user u folder a {word} {after}")[0]
        assert account.folders == ("a", word)


def test_no_own_word_has_a_meaning_in_fetchmail() -> None:
    theirs = [
        word
        for word, spelling in (*GLOBAL_KEYWORDS.items(), *ENTRY_KEYWORDS.items())
        if not spelling.option.own
    ]
    assert not OWN_KEYWORDS & {*theirs, *FETCHMAILS}


def meaning(word: str) -> tuple[str, object] | None:
    """Return the setting of a long option, or None for an error."""
    for words in ([word], [f"{word}=1"], [f"{word}=imap"], [f"{word}=any"], [f"{word}=accept"]):
        try:
            line = parse_command_line(words, "/")
        except ConfigErrors:
            continue
        places = (line.globals, line.options, line.appended, vars(line.run))
        ((name, value),) = [
            pair for place in places for pair in place.items() if pair[0] != "quit_only"
        ] or [("", None)]
        return name, value if isinstance(value, bool) else None
    return None


def test_every_abbreviation_of_fetchmails_options_is_the_same_option() -> None:
    for full in FETCHMAILS:
        if full == "yydebug":
            continue
        assert meaning(f"--{full}"), full
        for end in range(1, len(full)):
            short = full[:end]
            others = {other for other in FETCHMAILS if other.startswith(short)}
            if short in FETCHMAILS or len({meaning(f"--{other}") for other in others}) > 1:
                continue
            assert meaning(f"--{short}") == meaning(f"--{full}"), short


def test_our_own_long_options_can_be_shortened_too() -> None:
    assert meaning("--one") == ("one_by_one", True)
    assert meaning("--json") == ("jsonlog", True)
    assert meaning("--trace") == ("tracepolls", True)
    assert parse_command_line(["--transcript", "f"], "/").run.trace == "/f"


@pytest.mark.real
def test_the_list_of_fetchmails_options_is_complete(tmp_path: Path) -> None:
    program = shutil.which("fetchmail")
    assert program, "fetchmail is not installed: tests/real/install.sh"
    environment = {"HOME": str(tmp_path), "LC_ALL": "C"}
    # Its message about ambiguous options names the hidden ones too.
    named: set[str] = set()
    for letter in "abcdefghijklmnopqrstuvwxyz":
        done = subprocess.run(
            [program, "--configdump", "-f", "/dev/null", f"--{letter}", "1"],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
        first = done.stderr.partition("possibilities:")[2].partition("\n")[0]
        named |= {word.strip("\"'-") for word in first.split()}
    assert named <= {*FETCHMAILS}
    assert len(named) > 60
