"""``--transcript`` records a run without secrets, and ``mailhaul replay`` replays it."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from .peer import HANG_UP, NASTY
from .running import SECRET, account, launch, mailhaul
from .scripted_imap import ScriptedImap, message
from .scripted_smtp import ScriptedSmtp


def traced(home: Path, *options: str, answers: dict[str, bytes] | None = None) -> str:
    """Poll two messages, write a transcript, and return it."""
    with (
        ScriptedImap(message(1), message(2), answers=answers) as server,
        ScriptedSmtp() as sink,
    ):
        rc = account(server.port, f"smtphost localhost/{sink.port}")
        mailhaul(home, rc, "--transcript", str(home / "trace"), *options)
    return (home / "trace").read_text("ascii")


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {"LOGIN": f"NO no user joe with {SECRET}".encode()},
        {"LOGIN": b"NO " + base64.b64encode(b"\0joe\0" + SECRET.encode())},
        {"SELECT": b"NO " + NASTY},
        {"UID FETCH 2": HANG_UP},
        {"UID SEARCH": b"* SEARCH 1\r\n<tag> OK\r\n* what"},
    ],
)
def test_a_transcript_can_be_gone_through_again(tmp_path: Path, answers: dict[str, bytes]) -> None:
    text = traced(tmp_path, answers=answers)
    assert " > Login(user=b'joe', password=Secret())" in text
    assert SECRET not in text
    assert base64.b64encode(b"\0joe\0" + SECRET.encode()).decode() not in text
    assert all(line.isprintable() for line in text.splitlines())

    run = launch(tmp_path, "replay", str(tmp_path / "trace")).finish()

    assert (run.code, run.err) == (0, "")
    assert "1 open imap localhost" in run.out
    assert run.out.endswith("no differences\n")


def test_only_its_user_can_read_it_even_if_the_file_existed(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_text("what stood here")
    path.chmod(0o644)
    assert "what stood here" not in traced(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_no_link_is_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "trace").symlink_to(victim)
    run = mailhaul(tmp_path, account(9, "mda true"), "--transcript", str(tmp_path / "trace"))
    assert run.code == 6
    assert f"trace {tmp_path}/trace: " in run.complaint
    assert victim.read_text() == "precious"


def test_texts_are_recorded_as_lengths_by_default(tmp_path: Path) -> None:
    assert "The body of message" not in traced(tmp_path)
    assert "Subject: number" not in (tmp_path / "trace").read_text()
    assert f"<text {len(message(1))}" in (tmp_path / "trace").read_text()


def test_requested_texts_are_recorded(tmp_path: Path) -> None:
    text = traced(tmp_path, "--transcript-bodies")
    assert "< The body of message 2 is here." in text
    assert launch(tmp_path, "replay", str(tmp_path / "trace")).finish().code == 0


def test_differences_are_shown(tmp_path: Path) -> None:
    text = traced(tmp_path)
    (tmp_path / "trace").write_text(text.replace("< * 2 EXISTS", "< * 3 EXISTS"))
    run = launch(tmp_path, "replay", str(tmp_path / "trace")).finish()
    assert run.code == 4
    assert "= Exists(count=2)\n    but now: Exists(count=3)\n" in run.out
    assert run.out.endswith("mailhaul: 1 difference\n")


@pytest.mark.parametrize("words", [[], ["a", "b"], ["/nowhere"], ["/proc/self/cmdline"]])
def test_a_file_that_is_not_a_transcript_is_reported(tmp_path: Path, words: list[str]) -> None:
    run = launch(tmp_path, "replay", *words).finish()
    assert run.code == 5
    assert "replay" in run.complaint


def test_several_accounts_side_by_side_share_a_transcript(tmp_path: Path) -> None:
    with ScriptedImap(message(1)) as one, ScriptedImap(message(2)) as other, ScriptedSmtp() as sink:
        into = f"smtphost localhost/{sink.port}"
        rc = account(one.port, into) + account(other.port, into).replace("joe", "ann")
        assert mailhaul(tmp_path, rc, "--transcript", str(tmp_path / "trace")).code == 0
    text = (tmp_path / "trace").read_text()
    assert [text.count(f" open {kind} ") for kind in ("imap", "smtp")] == [2, 2]
    assert SECRET not in text
    assert launch(tmp_path, "replay", str(tmp_path / "trace")).finish().code == 0
