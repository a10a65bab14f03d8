"""The private Dovecot does what tests rely on: seen with Python's own clients."""

from __future__ import annotations

import imaplib
import smtplib
import ssl
import subprocess
from pathlib import Path

import pytest

from .corpus import CORPUS, body_of, simple, unix
from .servers.certificates import Certificates
from .servers.dovecot import Dovecot

pytestmark = pytest.mark.real


def trusting(certificates: Certificates) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificates.authority))


def fetch_all(client: imaplib.IMAP4) -> list[bytes]:
    client.select(readonly=True)
    _, replies = client.fetch("1:*", "(BODY.PEEK[])")
    return [reply[1] for reply in replies if isinstance(reply, tuple)]


def test_imap_over_tls_takes_any_user_with_the_password(
    dovecot: Dovecot, certificates: Certificates, user: str
) -> None:
    dovecot.deliver(user, simple())
    context = trusting(certificates)
    with imaplib.IMAP4_SSL(dovecot.host, dovecot.imaps_port, ssl_context=context) as client:
        client.login(user, dovecot.password)
        assert fetch_all(client) == [simple()]


def test_imap_in_clear_offers_starttls_and_login(
    dovecot: Dovecot, certificates: Certificates, user: str
) -> None:
    with imaplib.IMAP4(dovecot.host, dovecot.imap_port) as client:
        assert "STARTTLS" in client.capabilities
        assert "LOGINDISABLED" not in client.capabilities
        client.starttls(trusting(certificates))
        assert client.login(user, dovecot.password)[0] == "OK"


def test_a_wrong_password_is_refused(dovecot: Dovecot, user: str) -> None:
    with (
        imaplib.IMAP4(dovecot.host, dovecot.imap_port) as client,
        pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"),
    ):
        client.login(user, "wrong")


def test_a_certificate_for_another_host_does_not_verify(
    dovecot_wrong_name: Dovecot, certificates: Certificates
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        imaplib.IMAP4_SSL(
            "localhost", dovecot_wrong_name.imaps_port, ssl_context=trusting(certificates)
        )


def test_an_expired_certificate_does_not_verify(
    dovecot_expired: Dovecot, certificates: Certificates
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        imaplib.IMAP4_SSL(
            "localhost", dovecot_expired.imaps_port, ssl_context=trusting(certificates)
        )


def test_preauth_argv_speaks_imap_without_a_login(dovecot: Dovecot, user: str) -> None:
    dovecot.deliver(user, simple())
    talk = subprocess.run(
        dovecot.preauth_argv(user),
        input=b"a SELECT INBOX\r\nb LOGOUT\r\n",
        capture_output=True,
        check=True,
        timeout=30,
    )
    assert talk.stdout.startswith(b"* PREAUTH ")
    assert b"* 1 EXISTS\r\n" in talk.stdout
    assert b"b OK " in talk.stdout


@pytest.mark.parametrize("way", ["tcp", "unix"])
def test_lmtp_stores_a_message_behind_a_return_path(dovecot: Dovecot, user: str, way: str) -> None:
    client = (
        smtplib.LMTP("127.0.0.1", dovecot.lmtp_port)
        if way == "tcp"
        else smtplib.LMTP(str(dovecot.lmtp_socket))
    )
    with client:
        assert client.sendmail("ann@example.net", [f"{user}@example.org"], simple()) == {}
    [stored] = dovecot.messages(user)
    assert stored == b"Return-Path: <ann@example.net>\n" + unix(simple())


def test_lmtp_and_imap_mean_the_same_mailbox(dovecot: Dovecot, user: str) -> None:
    dovecot.deliver(user, simple(1))
    with smtplib.LMTP("127.0.0.1", dovecot.lmtp_port) as client:
        client.sendmail("ann@example.net", [f"{user}@example.org"], simple(2))
    with imaplib.IMAP4(dovecot.host, dovecot.imap_port) as imap:
        imap.login(user, dovecot.password)
        served = fetch_all(imap)
    assert sorted(map(body_of, served)) == [body_of(simple(1)), body_of(simple(2))]


def test_flags_go_in_and_come_out(dovecot: Dovecot, user: str) -> None:
    dovecot.deliver(user, simple(1), flags="S")
    dovecot.deliver(user, simple(2))
    with imaplib.IMAP4(dovecot.host, dovecot.imap_port) as client:
        client.login(user, dovecot.password)
        client.select()
        assert client.search(None, "UNSEEN") == ("OK", [b"2"])
        client.store("2", "+FLAGS", r"(\Deleted)")
    assert dovecot.flags(user) == ["S", "T"]
    assert dovecot.messages(user) == [simple(1), simple(2)]


def test_a_folder_is_seen_by_its_imap_name(dovecot: Dovecot, user: str) -> None:
    dovecot.mailbox(user, "lists/dev").deliver(simple())
    with imaplib.IMAP4(dovecot.host, dovecot.imap_port) as client:
        client.login(user, dovecot.password)
        assert client.select("lists/dev") == ("OK", [b"1"])


def test_a_cleared_mailbox_is_empty(dovecot: Dovecot, user: str) -> None:
    dovecot.deliver(user, simple())
    dovecot.clear(user)
    assert dovecot.messages(user) == []


@pytest.mark.parametrize("name", CORPUS)
def test_every_message_of_the_corpus_is_served_octet_for_octet(
    dovecot: Dovecot, user: str, name: str
) -> None:
    dovecot.deliver(user, CORPUS[name]())
    with imaplib.IMAP4(dovecot.host, dovecot.imap_port) as client:
        client.login(user, dovecot.password)
        assert fetch_all(client) == [CORPUS[name]()]


def test_the_socket_path_is_short_enough(dovecot: Dovecot) -> None:
    assert len(bytes(dovecot.lmtp_socket)) < 108
    assert Path(dovecot.lmtp_socket).is_socket()
