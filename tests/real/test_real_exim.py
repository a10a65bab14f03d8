"""The private Exim does what tests rely on: seen with smtplib, pipes and its sendmail."""

from __future__ import annotations

import smtplib
import subprocess

import pytest

from .corpus import body_of, deferred_at_dot, refused_at_dot, simple, unix
from .servers.exim import Exim

pytestmark = pytest.mark.real

SENDER = "ann@example.net"


def test_a_message_over_smtp_is_delivered_to_each_recipient(exim: Exim) -> None:
    with smtplib.SMTP(exim.host, exim.port) as client:
        client.sendmail(SENDER, ["bob@localhost", "Carol@example.org"], simple())
    delivered = exim.delivered()
    assert sorted(one.recipient for one in delivered) == ["Carol@example.org", "bob@localhost"]
    for one in delivered:
        assert one.sender == SENDER
        assert one.data.startswith(b"Received: ")
        assert body_of(one.data) == body_of(simple())


def test_more_messages_than_exim_likes_in_one_session_are_all_delivered(exim: Exim) -> None:
    with smtplib.SMTP(exim.host, exim.port) as client:
        for number in range(1, 26):
            client.sendmail(SENDER, ["bob@localhost"], simple(number))
    assert sorted(body_of(one.data) for one in exim.delivered()) == sorted(
        body_of(simple(number)) for number in range(1, 26)
    )


@pytest.mark.parametrize(
    ("recipient", "code"),
    [("refused@localhost", 550), ("later@localhost", 451), ("bob@elsewhere.example", 550)],
)
def test_chosen_recipients_are_refused(exim: Exim, recipient: str, code: int) -> None:
    with smtplib.SMTP(exim.host, exim.port) as client:
        refused = client.sendmail(SENDER, ["bob@localhost", recipient], simple())
    assert {name: answer[0] for name, answer in refused.items()} == {recipient: code}
    assert [one.recipient for one in exim.delivered()] == ["bob@localhost"]


@pytest.mark.parametrize(("message", "code"), [(refused_at_dot(), 550), (deferred_at_dot(), 451)])
def test_chosen_messages_are_refused_after_the_dot(exim: Exim, message: bytes, code: int) -> None:
    with (
        smtplib.SMTP(exim.host, exim.port) as client,
        pytest.raises(smtplib.SMTPDataError) as caught,
    ):
        client.sendmail(SENDER, ["bob@localhost"], message)
    assert caught.value.smtp_code == code
    assert exim.delivered() == []


def test_bs_argv_speaks_smtp_on_a_pipe(exim: Exim) -> None:
    talk = subprocess.run(
        exim.bs_argv,
        input=b"EHLO here\r\nMAIL FROM:<ann@example.net>\r\nRCPT TO:<bob@localhost>\r\n"
        b"RCPT TO:<refused@localhost>\r\nDATA\r\n" + simple() + b".\r\nQUIT\r\n",
        capture_output=True,
        check=True,
        timeout=30,
    )
    final = [line[:3] for line in talk.stdout.splitlines() if line[3:4] == b" "]
    assert final == [b"220", b"250", b"250", b"250", b"550", b"354", b"250", b"221"]
    [one] = exim.delivered()
    assert (one.sender, one.recipient) == (SENDER, "bob@localhost")
    assert body_of(one.data) == body_of(simple())


def sendmail(exim: Exim, recipient: str) -> int:
    return subprocess.run(
        [*exim.sendmail_argv, "-f", SENDER, recipient],
        input=unix(simple()),
        check=False,
        timeout=30,
    ).returncode


def test_the_sendmail_command_delivers(exim: Exim) -> None:
    assert sendmail(exim, "bob@example.org") == 0
    [one] = exim.delivered()
    assert (one.sender, one.recipient) == (SENDER, "bob@example.org")
    assert body_of(one.data) == body_of(simple())


def test_the_sendmail_command_mails_an_error_to_the_sender(exim: Exim) -> None:
    sendmail(exim, "refused@example.org")
    [bounce] = exim.delivered()
    assert (bounce.sender, bounce.recipient) == ("", SENDER)
    assert b"refused@example.org" in bounce.data


def test_a_cleared_exim_has_delivered_nothing(exim: Exim) -> None:
    sendmail(exim, "bob@example.org")
    exim.clear()
    assert exim.delivered() == []
