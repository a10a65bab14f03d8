"""Wish 1: Microsoft 365 and Gmail take tokens only, and signing in there just works.

By IMAP and by POP3, with XOAUTH2 or OAUTHBEARER, for shared mailboxes and for whole organizations,
and for what takes the mail as well as for what has it. neomutt#2927, freescout#1769,
docker-mailserver#4713, Znuny#259, getmail6#192, stalwart#1369.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from mailhaul.flows.outcome import ExitCode
from tests.wishes.signing_world import OAUTHBEARER, XOAUTH2, SigningWorld

JOE = "joe@contoso.example"
MICROSOFT = (
    "poll outlook.office365.com protocol {protocol} auth oauth oauthissuer microsoft"
    ' oauthclient "00000000-1111-2222-3333-444444444444" {more} no dns\n'
    '    user "{user}" ssl {sink}\n'
)
TEXT = b"From: ann@x.example\r\nTo: joe@contoso.example\r\nSubject: hello\r\n\r\nHello.\r\n"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SigningWorld:
    return SigningWorld(tmp_path, monkeypatch)


def entry(world: SigningWorld, protocol: str, user: str = JOE, more: str = "") -> str:
    sink = f'maildir "{world.home}/Mail"'
    return MICROSOFT.format(protocol=protocol, user=user, more=more, sink=sink)


def test_signing_in_once_is_enough_for_imap_and_pop3_at_microsoft(world: SigningWorld) -> None:
    """Znuny#259: its POP3 servers want AUTH and the token in two lines."""
    world.write(entry(world, "IMAP") + entry(world, "POP3"))
    assert world.log_in(JOE, "--device") is ExitCode.SUCCESS
    world.inbox.append(TEXT)
    world.maildrop.append(TEXT)
    assert world.poll() is ExitCode.SUCCESS, world.err.getvalue()
    assert len(world.delivered()) == 2
    assert world.logins.tried == [b"access-1", b"access-1"]
    assert world.err.getvalue() == ""


@pytest.mark.parametrize("protocol", ["IMAP", "POP3"])
@pytest.mark.parametrize("mechanism", [XOAUTH2, OAUTHBEARER])
def test_a_server_may_offer_either_mechanism_alone(
    world: SigningWorld, protocol: str, mechanism: bytes
) -> None:
    """stalwart#1369: some have only the one that is a standard."""
    world.logins.offered = (mechanism,)
    world.write(
        f"poll mail.x protocol {protocol} auth oauth oauthissuer 'https://issuer.example'"
        f" oauthclient mailhaul oauthgrant device no dns\n"
        f'    user "{JOE}" ssl maildir "{world.home}/Mail"\n'
    )
    world.log_in(JOE)
    world.inbox.append(TEXT)
    world.maildrop.append(TEXT)
    assert world.poll() is ExitCode.SUCCESS, world.err.getvalue()
    assert (len(world.delivered()), world.logins.users) == (1, [JOE.encode()])


def test_a_shared_mailbox_is_opened_with_the_consent_of_a_member(world: SigningWorld) -> None:
    shared = "helpdesk@contoso.example"
    world.logins.may_use[JOE.encode()] = (shared.encode(),)
    world.write(entry(world, "IMAP", shared))
    world.log_in(shared, "--device")
    world.inbox.append(TEXT)
    assert world.poll() is ExitCode.SUCCESS, world.err.getvalue()
    assert (len(world.delivered()), world.logins.users) == (1, [shared.encode()])


def test_an_administrator_opens_mailboxes_to_the_program_and_nobody_signs_in(
    world: SigningWorld,
) -> None:
    users = [f"{name}@contoso.example" for name in ("info", "sales", "support")]
    world.logins.may_use[b"application"] = tuple(user.encode() for user in users)
    grant = "oauthgrant client oauthtenant contoso.example oauthsecret sesame-7Kq-opens"
    world.write("".join(entry(world, "IMAP", user, grant) for user in users))
    world.inbox.append(TEXT)
    assert world.poll() is ExitCode.SUCCESS, world.err.getvalue()
    assert [user.decode() for user in world.logins.users] == users
    assert len(world.delivered()) == 1


def test_mail_goes_into_gmail_with_a_token_too(world: SigningWorld) -> None:
    world.issuer.user = b"joe@gmail.com"
    world.write(
        "poll mail.x protocol POP3 no dns\n"
        "    oauthissuer gmail oauthclient the-id oauthsecret sesame-7Kq\n"
        "    user joe password old-pass-word ssl\n"
        "    append 'imaps://joe%40gmail.com@imap.gmail.com/INBOX' appendauth oauth\n"
    )
    assert world.log_in("joe@gmail.com") is ExitCode.SUCCESS
    world.maildrop.append(TEXT)
    assert world.poll() is ExitCode.SUCCESS, world.err.getvalue()
    [stored] = world.gmail[b"INBOX"].messages
    assert (stored.text, world.maildrop.messages) == (TEXT, [])


def test_so_does_mail_to_a_listener_that_wants_a_login(world: SigningWorld) -> None:
    listener = f'smtphost smtp.office365.com/587 smtpname "{JOE}"'
    login = f'esmtpauth oauth esmtpname "{JOE}"'
    world.write(entry(world, "IMAP", more=login).replace("maildir", f"{listener} #"))
    world.log_in(JOE, "--device")
    world.inbox.append(TEXT)
    assert world.poll() is ExitCode.SUCCESS, world.err.getvalue()
    [taken] = world.received.messages
    assert taken.recipients == (JOE.encode(),)
    assert world.inbox.messages == []
