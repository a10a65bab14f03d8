"""Mail that the next hop does not take stays on the server, unmarked, and blocks nobody."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .corpus import big, deferred_at_dot, refused_at_dot, simple
from .entries import piped_in, ssh_in, ssh_path
from .mailhaul import by_name, mailhaul, members
from .servers.dovecot import Dovecot
from .servers.exim import Exim
from .servers.process import free_ports, script
from .servers.sshd import Sshd

pytestmark = pytest.mark.real

SERVER = "mail.example.org"


def to_smtp(exim: Exim, recipient: str = "bob") -> str:
    return f"    is {recipient} smtphost localhost/{exim.port}\n"


def names(exim: Exim) -> list[str]:
    return sorted(by_name(one.data for one in exim.delivered()))


@pytest.mark.parametrize(
    ("recipient", "code"),
    [("refused", "550"), ("later", "451"), ("bob@elsewhere.example", "550")],
)
def test_a_refused_recipient_gets_nothing_and_loses_nothing(
    dovecot: Dovecot, exim: Exim, user: str, tmp_path: Path, recipient: str, code: str
) -> None:
    dovecot.deliver(user, simple(1))
    dovecot.deliver(user, simple(2))
    rc = piped_in(dovecot, user) + to_smtp(exim, recipient)
    for _ in range(2):
        run = mailhaul(rc, tmp_path, SERVER)
        assert (run.code, run.left) == (10, ())
        assert run.err.count(code) == 2
        assert [line[-12:] for line in run.status_lines[1:]] == [" not flushed"] * 2
        assert dovecot.messages(user) == [simple(1), simple(2)]
        assert dovecot.flags(user) == ["", ""]
    assert exim.delivered() == []


def test_a_refused_recipient_of_one_entry_is_nothing_to_another(
    dovecot: Dovecot, exim: Exim, user: str, tmp_path: Path
) -> None:
    other = dovecot.new_user()
    dovecot.deliver(user, simple(1))
    dovecot.deliver(other, simple(2))
    rc = (
        piped_in(dovecot, user, "one.example.org")
        + to_smtp(exim, "refused")
        + piped_in(dovecot, other, "two.example.org")
        + to_smtp(exim)
    )
    run = mailhaul(rc, tmp_path, "one.example.org", "two.example.org")
    assert run.code == 0
    assert names(exim) == ["simple2"]
    assert dovecot.flags(user) == [""]
    assert dovecot.messages(other) == []


@pytest.mark.parametrize(
    ("unwanted", "code", "words"),
    [
        (refused_at_dot(), "550", "this message is not wanted"),
        (deferred_at_dot(), "451", "this message is not wanted now"),
    ],
    ids=["550", "451"],
)
def test_a_message_refused_in_the_middle_stays_and_those_behind_it_go(
    dovecot: Dovecot,
    exim: Exim,
    user: str,
    tmp_path: Path,
    unwanted: bytes,
    code: str,
    words: str,
) -> None:
    for message in (simple(1), unwanted, simple(2), unwanted, unwanted, big(), simple(3)):
        dovecot.deliver(user, message)
    rc = piped_in(dovecot, user) + to_smtp(exim)
    run = mailhaul(rc, tmp_path, SERVER)
    assert (run.code, run.left) == (0, ())
    assert run.err.count(code) == 3
    assert words in run.err
    assert [" not flushed" in line for line in run.status_lines[1:]] == [
        *(False, True, False, True, True, False, False)
    ]
    assert names(exim) == ["big", "simple", "simple2", "simple3"]
    assert dovecot.messages(user) == [unwanted] * 3
    assert dovecot.flags(user) == [""] * 3

    again = mailhaul(rc, tmp_path, SERVER)
    assert again.code == 10
    assert dovecot.flags(user) == [""] * 3
    assert len(exim.delivered()) == 4


def test_mail_that_was_refused_goes_once_the_refusal_ends(
    dovecot: Dovecot, exim: Exim, user: str, tmp_path: Path
) -> None:
    dovecot.deliver(user, refused_at_dot())
    rc = piped_in(dovecot, user) + to_smtp(exim)
    assert mailhaul(rc, tmp_path, SERVER).code == 10
    kept = tmp_path / "kept"
    rc = piped_in(dovecot, user) + f'    mda "cat >{kept}"\n'
    assert mailhaul(rc, tmp_path, SERVER).code == 0
    assert kept.read_bytes().endswith(b"Nobody wants this.\n")
    assert dovecot.messages(user) == []


@pytest.mark.parametrize("end", ["exit 75", "exit 1", "kill -9 $$"])
def test_a_command_that_fails_for_one_message_keeps_that_one(
    dovecot: Dovecot, user: str, tmp_path: Path, end: str
) -> None:
    for message in (simple(1), refused_at_dot(), simple(2)):
        dovecot.deliver(user, message)
    folder = tmp_path / "box"
    folder.mkdir()
    picky = script(
        tmp_path / "picky",
        f"cat >{folder}/$$\nif grep -q X-Refuse {folder}/$$; then rm {folder}/$$; {end}; fi\n",
    )
    run = mailhaul(piped_in(dovecot, user) + f'    mda "{picky}"\n', tmp_path, SERVER)
    assert (run.code, run.left) == (0, ())
    assert "MDA " in run.err
    assert sorted(by_name(one.read_bytes() for one in folder.iterdir())) == ["simple", "simple2"]
    assert dovecot.messages(user) == [refused_at_dot()]
    assert dovecot.flags(user) == [""]


@pytest.mark.parametrize("sink", ["nobody listens", "no such program", "all fail"])
def test_a_sink_that_takes_nothing_is_exit_10_and_nothing_is_lost(
    dovecot: Dovecot, user: str, tmp_path: Path, sink: str
) -> None:
    dovecot.deliver(user, simple(1))
    dovecot.deliver(user, simple(2))
    words = {
        "nobody listens": f"smtphost localhost/{free_ports(1)[0]}",
        "no such program": f'mda "{tmp_path}/nowhere %T"',
        "all fail": 'mda "exit 75"',
    }
    run = mailhaul(piped_in(dovecot, user) + f"    {words[sink]}\n", tmp_path, SERVER)
    assert (run.code, run.left) == (10, ())
    assert run.err
    assert dovecot.messages(user) == [simple(1), simple(2)]
    assert dovecot.flags(user) == ["", ""]


def test_no_process_outlives_a_run_whose_sink_is_down(
    sshd: Sshd, dovecot: Dovecot, ssh_user: str, tmp_path: Path
) -> None:
    dovecot.deliver(ssh_user, simple())
    [port] = free_ports(1)
    rc = ssh_in(sshd) + f"    smtphost localhost/{port}\n"
    run = mailhaul(rc, tmp_path, "centralserver.myisp.net", environment=ssh_path(sshd))
    assert (run.code, run.left) == (10, ())
    assert dovecot.flags(ssh_user) == [""]


def test_a_plugin_that_will_not_end_is_ended(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    dovecot.deliver(user, simple())
    imapd = " ".join(dovecot.preauth_argv(user))
    clingy = script(tmp_path / "clingy", f"trap '' TERM HUP\n{imapd}\nsleep 300\n")
    rc = f'skip {SERVER} protocol IMAP preauth ssh plugin "{clingy}"\n    mda "cat >/dev/null"\n'
    run = mailhaul(rc, tmp_path, SERVER)
    assert (run.code, run.left) == (0, ())
    assert dovecot.messages(user) == []


def test_a_command_that_is_at_work_when_the_run_is_terminated_is_ended(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    dovecot.deliver(user, simple())
    deadly = script(tmp_path / "deadly", "kill -TERM $PPID\nsleep 300\n")
    run = mailhaul(piped_in(dovecot, user) + f'    mda "{deadly}"\n', tmp_path, SERVER)
    assert (run.code, run.left) == (23, ())
    assert "terminated with signal 15" in run.err
    assert dovecot.messages(user) == [simple()]
    assert dovecot.flags(user) == [""]


def test_a_server_that_says_nothing_ends_the_poll_and_its_plugin(tmp_path: Path) -> None:
    rc = f'skip {SERVER} protocol IMAP timeout 1 preauth ssh plugin "sleep 300"\n    mda cat\n'
    run = mailhaul(rc, tmp_path, SERVER)
    assert (run.code, run.left) == (2, ())
    assert SERVER in run.err


def test_a_process_that_is_left_would_be_seen() -> None:
    assert any("pytest" in words for words in members(os.getsid(0)))
