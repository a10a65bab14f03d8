"""fetchmail and mailhaul side by side: the same rc file, mailbox and sink, POP3 and folders.

What arrived, what stayed, the exit codes and the status lines are the same; where they are not,
docs/differences.md says why, and the test says where.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from .corpus import long_line, simple, unix
from .mailhaul import by_name, mailhaul, status_lines
from .servers.certificates import Certificates
from .servers.dovecot_services import DovecotServices
from .servers.exim import Exim
from .servers.fetchmail import fetchmail

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def services(scratch: Path, certificates: Certificates) -> Iterator[DovecotServices]:
    server = DovecotServices(scratch / "beside", certificates.good)
    with server.running():
        yield server


@dataclass(frozen=True)
class Outcome:
    """What one run did, as far as both programs agree on it."""

    code: int
    brought: list[str]
    left: list[str]
    lines: list[str]


Program = Callable[..., tuple[int, str]]


def theirs(rc: str, home: Path, *arguments: str) -> tuple[int, str]:
    done = fetchmail(rc, home, *arguments)
    return done.returncode, done.stdout


def ours(rc: str, home: Path, *arguments: str) -> tuple[int, str]:
    run = mailhaul(rc, home, *arguments)
    assert run.err == "" or run.code not in {0, 1, 13}, run.err
    return run.code, run.out


class Stage:
    """A mailbox and a sink, filled anew for each program."""

    def __init__(self, services: DovecotServices, exim: Exim, home: Path) -> None:
        self._services = services
        self._exim = exim
        self._home = home

    def play(
        self, program: Program, options: str, arguments: Sequence[str], *, protocol: str
    ) -> Outcome:
        """Let a program see one message, then three more, and say what it did with those.

        All users have names of the same length, so that lines can be compared.
        """
        home = self._home / program.__name__
        home.mkdir()
        user = self._services.new_user()
        self._exim.clear()
        port = self._services.pop3_port if protocol == "POP3" else self._services.imap_port
        uidl = " uidl" if protocol == "POP3" else ""
        rc = (
            f"poll localhost no dns protocol {protocol} port {port} auth password{uidl}\n"
            f'  user {user} password "{self._services.password}" is bob here\n'
            f"  sslproto '' smtphost localhost/{self._exim.port} "
        )
        self._services.deliver(user, simple(1))
        assert program(rc + "keep\n", home)[0] == 0
        self._exim.clear()
        for message in (simple(2), long_line(), simple(3)):
            self._services.deliver(user, message)
        code, printed = program(rc + options + "\n", home, *arguments)
        lines = [line.replace(user, "USER") for line in status_lines(printed)]
        if "-v" in arguments:
            # The dialogue stands between the halves of a line.
            lines = [line.partition(" (")[0] for line in lines]
        return Outcome(
            code,
            sorted(by_name(one.data for one in self._exim.delivered())),
            list(by_name(map(unix, self._services.messages(user)))),
            # fetchmail skips messages in passing, mailhaul those it need not read at one go.
            sorted(lines),
        )


@pytest.fixture
def stage(services: DovecotServices, exim: Exim, tmp_path: Path) -> Stage:
    return Stage(services, exim, tmp_path)


@pytest.mark.parametrize("protocol", ["POP3", "IMAP"])
@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        ("", ()),
        ("keep", ()),
        ("fetchall", ()),
        ("fetchall keep", ()),
        ("flush", ()),
        ("limit 10000", ()),
        ("limit 10000 limitflush", ()),
        ("fetchlimit 2", ()),
        ("fetchlimit 9", ()),
        ("", ("-c",)),
        ("", ("-c", "-a")),
        ("keep", ("-v",)),
        ("", ("-s",)),
        ("smtpname bob@example.org", ()),
        ("no rewrite dropstatus", ()),
    ],
)
def test_both_do_the_same(
    stage: Stage, protocol: str, options: str, arguments: Sequence[str]
) -> None:
    expected = stage.play(theirs, options, arguments, protocol=protocol)
    found = stage.play(ours, options, arguments, protocol=protocol)
    assert (found.code, found.brought, found.left) == (
        expected.code,
        expected.brought,
        expected.left,
    )
    assert found.lines == expected.lines


def test_several_folders_are_read_in_their_order(
    services: DovecotServices, exim: Exim, tmp_path: Path
) -> None:
    found: list[tuple[int, list[str], list[str]]] = []
    for program in (theirs, ours):
        home = tmp_path / program.__name__
        home.mkdir()
        user = services.new_user()
        exim.clear()
        services.deliver(user, simple(1))
        for number, folder in ((2, "Drafts"), (3, "Archive")):
            services.mailbox(user, folder).deliver(simple(number))
        rc = (
            f"poll localhost no dns protocol IMAP port {services.imap_port}\n"
            f"  user {user} password \"{services.password}\" is bob here sslproto ''\n"
            f"  folder Archive INBOX Drafts smtphost localhost/{exim.port}\n"
        )
        code, printed = program(rc, home)
        lines = [line.replace(user, "USER") for line in status_lines(printed)]
        found.append((code, sorted(by_name(one.data for one in exim.delivered())), lines))
    assert found[0] == found[1]


@pytest.mark.parametrize("protocol", ["POP3", "IMAP"])
@pytest.mark.parametrize("wrong", ["password", "port"])
def test_both_fail_with_the_same_code(
    services: DovecotServices, tmp_path: Path, protocol: str, wrong: str
) -> None:
    port = services.pop3_port if protocol == "POP3" else services.imap_port
    rc = (
        f"poll localhost no dns protocol {protocol} port {1 if wrong == 'port' else port}\n"
        f"  user {services.new_user()} password \"no\" is bob here sslproto ''\n"
    )
    codes = []
    for program in (theirs, ours):
        home = tmp_path / program.__name__
        home.mkdir()
        codes.append(program(rc, home)[0])
    assert codes[0] == codes[1] == (2 if wrong == "port" else 3)
