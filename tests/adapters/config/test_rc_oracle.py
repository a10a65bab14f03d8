"""A file has the same meaning for mailhaul as for the real fetchmail."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailhaul.adapters.config.caller import Caller, find_caller
from mailhaul.adapters.config.command_line import parse_command_line
from mailhaul.adapters.config.errors import ConfigErrors
from mailhaul.adapters.config.grammar import parse
from mailhaul.adapters.config.merge import account_settings, global_settings
from mailhaul.adapters.config.selection import select
from mailhaul.adapters.config.settings import AccountSettings, GlobalSettings

FETCHMAIL = shutil.which("fetchmail")

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(FETCHMAIL is None, reason="fetchmail is not installed"),
]

Dump = dict[str, Any]
Oracle = Callable[[str, tuple[str, ...]], Dump | None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def environ(folder: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(folder)}


@pytest.fixture
def caller(environ: dict[str, str], folder: Path) -> Caller:
    return find_caller(environ, os.getuid(), str(folder))


@pytest.fixture
def oracle(environ: dict[str, str], folder: Path) -> Oracle:
    """Returns fetchmail's dump of a file, or None if it refuses the file."""

    def ask(text: str, arguments: tuple[str, ...]) -> Dump | None:
        rcfile = folder / "rc"
        rcfile.write_bytes(text.encode("utf-8", "surrogateescape"))
        rcfile.chmod(0o600)
        run = subprocess.run(
            [str(FETCHMAIL), "--configdump", "-f", str(rcfile), *arguments],
            capture_output=True,
            env=environ,
            cwd=folder,
            check=False,
        )
        if run.returncode == 5 and b"configuration invalid" not in run.stderr:
            return None
        assert run.returncode == 0, run.stderr
        names: Dump = {}
        # Control characters are dumped as \0x04, which means something else in Python.
        dumped = re.sub(r"(?<!\\)((?:\\\\)*)\\0x", r"\1\\x", run.stdout.decode("latin-1"))
        exec(dumped, names)
        dump = names["fetchmailrc"]
        assert isinstance(dump, dict)
        return dump

    return ask


PROTOCOLS = {"auto": "auto", "sdps": "POP3", "kpop": "POP3", "pop2": "unknown?!?"}
AUTHS = {"kerberos5": "kerberos_v5"}
WITHOUT_PASSWORD = {"otp", "kerberos5", "gssapi", "ssh", "external"}
RENAMED = {
    "remote": "remote_user",
    "mailboxes": "folders",
    "smtphunt": "smtphosts",
    "envskip": "envelope_skip",
}
SPECIAL = {
    "pollname", "active", "protocol", "service", "auth", "badheader", "users", "password",
    "localnames", "antispam", "tracepolls", "esmtppassword",
}  # fmt: skip


def same_form(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def check_server(dump: Dump, account: AccountSettings) -> None:
    assert account.pollname == dump["pollname"]
    assert account.skip == (not dump["active"])
    assert PROTOCOLS.get(account.protocol, account.protocol.upper()) == dump["protocol"]
    service = "kpop" if account.protocol == "kpop" else account.service
    assert (None if service is None else str(service)) == dump["service"]
    # An external one is left out of the dump.
    assert AUTHS.get(account.auth, account.auth) == dump.get("auth", "external")
    assert (account.bad_header == "accept") == dump["badheader"]
    hidden = account.esmtppassword
    assert (hidden and hidden.reveal().decode()) == dump.get("esmtppassword")
    check_rest(dump, account)


def check_user(dump: Dump, account: AccountSettings) -> None:
    if account.auth not in WITHOUT_PASSWORD or account.password is not None:
        hidden = account.password
        assert (None if hidden is None else hidden.reveal().decode()) == dump["password"]
    names: list[object] = [a if a == b else (a, b) for a, b in account.local_names]
    assert [*names, *(["*"] if account.wildcard else [])] == dump["localnames"]
    assert " ".join(map(str, account.antispam)) == dump["antispam"]
    check_rest({**dump, "mailboxes": dump["mailboxes"] or ["INBOX"]}, account)


def check_rest(dump: Dump, settings: AccountSettings | GlobalSettings) -> None:
    plain = {key: value for key, value in dump.items() if key not in SPECIAL}
    ours = {key: same_form(getattr(settings, RENAMED.get(key, key))) for key in plain}
    assert ours == plain


def compare(text: str, arguments: tuple[str, ...], oracle: Oracle, caller: Caller) -> None:
    dump = oracle(text, arguments)
    try:
        rc = parse(text.encode("utf-8", "surrogateescape"), "rc", caller.home)
        line = parse_command_line(arguments, caller.folder)
    except ConfigErrors as errors:
        complaint = str(errors)
    else:
        complaint = ""
    assert bool(complaint) == (dump is None), complaint or "fetchmail refuses this file"
    if dump is None:
        return
    everything = global_settings(rc, line, caller)
    known = {"poll_interval", "servers", "showdots", "logfile"}
    assert everything.daemon == dump["poll_interval"]
    check_rest({k: v for k, v in dump.items() if k not in known}, everything)
    selected = select(rc, line.servers)
    entries = [entry for entry in rc.entries if entry not in selected] if line.servers else []
    # Command line options are for the selected entries; a new name comes last.
    ours = list(account_settings(rc, [*rc.entries] if not entries else selected, line, caller))
    users = [(server, user) for server in dump["servers"] for user in server["users"]]
    if entries:
        users = [pair for pair in users if pair[0]["pollname"] in {e.pollname for e in selected}]
    assert len(ours) == len(users)
    for account, (server, user) in zip(ours, users, strict=True):
        check_server(server, account)
        check_user(user, account)


SERVER_OPTIONS = [
    "timeout 5", "timeout 0", "interval 3", "via v", "aka a b", "localdomains x y", "proto imap",
    "protocol POP3", "service 993", "service imaps", "port 143", "auth ssh", "auth password",
    "preauth cram", "envelope 2 X", "envelope Y", "no envelope", "qvirtual q", "no dns", "nodns",
    "checkalias", "uidl", "no uidl", "plugin 'a b'", "plugout c", "principal p", "esmtpname e",
    "esmtppassword e", "bad-header accept", "monitor m", "tracepolls", "auth kerberos5",
]  # fmt: skip
USER_OPTIONS = [
    "pass x", 'password "a b"', "is a", "to b c", "is a=b here", "is x there", "is *", "folder A B",
    'folder "C"', "smtphost a b/25", "smtp c", "fetchdomains d", "smtpaddress a", "smtpname b",
    "antispam 1 2", "antispam -1", 'mda "x y"', "bsmtp f", "bsmtp -", "preconnect x", "post y",
    "keep", "nokeep", "no keep", "flush", "nofetchall", "fetchall", "forcecr", "dropstatus",
    "dropdelivered", "mimedec", "pass8", "no pass8bits", "norewrite", "stripcr", "no stripcr",
    "ssl", "no ssl", "no sslcertck", "sslkey k", "sslcert /k", "sslproto ''", "sslproto tls1",
    "sslcommonname c", "sslfingerprint 'AA:BB'", "limit 5", "limit 0", "limit -5", "warnings 3",
    "fetchlimit 4", "batchlimit 0", "expunge 2", "fetchsizelimit 9", "fastuidl 0", "properties z",
    "limitflush",
]  # fmt: skip
LOGINS = ["user u", "user v there", "user l here", "user m n=o here"]
GLOBAL_OPTIONS = [
    "set daemon 5", "set postmaster p", "set no bouncemail", "set nobouncemail", "set spambounce",
    "set softbounce", "set no softbounce", "set syslog", "set invisible", "set no invisible",
    "set properties=q", "set idfile x", 'set postmaster ""',
]  # fmt: skip
ARGUMENTS = [
    (), ("-k",), ("-t", "0"), ("-t7",), ("-u", "z"), ("-r", "q,w"), ("-S", "q"), ("-mcat",),
    ("-p", "IMAP"), ("-n", "--ssl", "h"), ("newhost",), ("-Z4,5",), ("--bsmtp", "o"),
    ("--nosslcertck", "-Q", "H"), ("h",), ("--auth=kerberos",), ("-l", "0x10"),
    ("--limit=010",), ("--postmaster", ""), ("--nob",), ("-d0",), ("-vks",),
]  # fmt: skip
WORDS = [
    "poll", "skip", "set", "no", "here", "there", "and", "with", "keep", "nokeep", "ssl", "nodns",
    "is", "to", "user", "pass", "=", "joe", '"a b"', "'c\"d'", "*", "5", "-1", "timeout", "limit",
    "folder", '"x\\ty"', "aka", "proto", "imap", "IMAP", "auth", "password", "any", "mda",
    "smtphost", "a/25", "port", "envelope", "antispam", "/x", "#", "#c\n", "\n", "\\\n", "\\x41",
    "a\\\n", ",", ":", ";", "sslproto", "''", '"u"v', "x#y", 'k"', "\\065", "\\101", "'a\\'",
]  # fmt: skip
SPACE = st.sampled_from([" ", " ", "\n", "\t", ", ", ""])
QUIET = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def some(words: list[str], most: int) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(words), max_size=most)


@st.composite
def files(draw: st.DrawFn) -> str:
    """A file without errors."""
    parts = draw(some(GLOBAL_OPTIONS, 3))
    if draw(st.booleans()):
        parts += ["defaults", *draw(some(SERVER_OPTIONS, 3)), *draw(some(USER_OPTIONS, 4))]
    parts += [draw(st.sampled_from(["poll h", "skip h", "server h"]))]
    parts += draw(some(SERVER_OPTIONS, 5))
    if draw(st.booleans()):
        parts += draw(some(USER_OPTIONS, 6))
    else:
        for login in draw(some(LOGINS, 2)):
            parts += [login, *draw(some(USER_OPTIONS, 4))]
    return draw(st.sampled_from([" ", "\n", " , ", "\n\t"])).join(parts) + "\n"


@st.composite
def scrambled(draw: st.DrawFn) -> str:
    """Words of the language in any order."""
    start = draw(st.sampled_from(["poll h ", "poll h user u ", "set ", "defaults keep\npoll h "]))
    pieces = draw(st.lists(st.tuples(st.sampled_from(WORDS), SPACE), max_size=8))
    return start + "".join(word + space for word, space in pieces) + "\n"


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=" ".join)
def test_the_command_line_means_what_it_means_to_fetchmail(
    arguments: tuple[str, ...], oracle: Oracle, caller: Caller
) -> None:
    text = "defaults via w smtphost d\npoll h timeout 7 aka H2\nuser a folder f limit 3 user b\n"
    compare(text, arguments, oracle, caller)


@pytest.mark.parametrize("option", [*SERVER_OPTIONS, *LOGINS, *USER_OPTIONS], ids=str)
def test_each_option_means_what_it_means_to_fetchmail(
    option: str, oracle: Oracle, caller: Caller
) -> None:
    compare(f"poll h {option}\n", (), oracle, caller)


@pytest.mark.parametrize(
    "value",
    [
        '"a b"', "'a b'", '"it\'s"', r"\n\t\b\r\\", r'"a\ b"', "a\\\n", '"a\\\n b"', r"\x41b",
        r"\x4", r"\X4a4", r"\065", r"\0101", r"\101", r"\1234", r"\8", r"\777", r"\q", '"a\\"',
        r'"a\0b"', r'"a\xg"', '"a\nb"', '"u""v"', '"u"v', 'u"v"', "p#q", '"#b"', "a/b@c*",
        "a,b", "a=b", "123", "-5", "+5", "0x10", "10k", "keep", "with", "imap", "'x", "#a\nb",
    ],
)  # fmt: skip
@pytest.mark.parametrize("option", ["user", "pass", "is", "mda", "folder", "via"])
def test_each_spelling_of_a_value_means_what_it_means_to_fetchmail(
    option: str, value: str, oracle: Oracle, caller: Caller
) -> None:
    compare(f"poll h {option} {value} here\n", (), oracle, caller)
    compare(f"poll h {option} {value}\n", (), oracle, caller)


@QUIET
@given(text=files(), arguments=st.sampled_from([(), ("-k", "-r", "q"), ("-t", "0", "h")]))
def test_files_mean_what_they_mean_to_fetchmail(
    text: str, arguments: tuple[str, ...], oracle: Oracle, caller: Caller
) -> None:
    compare(text, arguments, oracle, caller)


@QUIET
@given(text=scrambled())
def test_exactly_the_files_that_fetchmail_refuses_are_refused(
    text: str, oracle: Oracle, caller: Caller
) -> None:
    compare(text, (), oracle, caller)
