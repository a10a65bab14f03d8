"""URLs of mailboxes, as in ``append`` (RFC 5092)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.adapters.config.imap_url import BadUrl, read_url
from mailhaul.protocols.imap.mailbox_names import decode_mailbox, encode_name


@pytest.mark.parametrize(
    ("text", "scheme", "user", "host", "port", "mailbox"),
    [
        ("imaps://joe@h", "imaps", "joe", "h", 993, "INBOX"),
        ("imap://joe@h/", "imap", "joe", "h", 143, "INBOX"),
        ("IMAPS://joe@h:/Old", "imaps", "joe", "h", 993, "Old"),
        ("imaps://joe@h:1993/Old/2026/", "imaps", "joe", "h", 1993, "Old/2026"),
        ("imaps://joe%40example.org@h/a%20b", "imaps", "joe@example.org", "h", 993, "a b"),
        ("imaps://joe@example.org@h/[Gmail]/All Mail", "imaps", "joe@example.org", "h", 993,
         "[Gmail]/All Mail"),
        ("imaps://joe@[::1]:10143/x", "imaps", "joe", "::1", 10143, "x"),
        ("imaps://joe@[::1]", "imaps", "joe", "::1", 993, "INBOX"),
        ("imaps://joe@h/Entw%C3%BCrfe", "imaps", "joe", "h", 993, "Entwürfe"),
        ("imaps://joe@h/Entwürfe", "imaps", "joe", "h", 993, "Entwürfe"),
        ("imaps://joe@h/a%3Bb%3Fc%2541", "imaps", "joe", "h", 993, "a;b?c%41"),
        ("imaps://a%2Fb@h/x", "imaps", "a/b", "h", 993, "x"),
    ],
)  # fmt: skip
def test_a_url_names_user_host_and_mailbox(
    text: str, scheme: str, user: str, host: str, port: int, mailbox: str
) -> None:
    url = read_url(text)
    assert (url.scheme, url.user, url.host, url.port) == (scheme, user, host, port)
    assert url.mailbox == mailbox
    assert url.wrapped is (scheme == "imaps")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "does not begin with"),
        ("pop3://joe@h", "does not begin with"),
        ("imaps:/joe@h", "does not begin with"),
        ("imaps://h/INBOX", "names no user"),
        ("imaps://@h", "names no user"),
        ("imaps://joe@", "names no host"),
        ("imaps://joe@:993", "names no host"),
        ("imaps://joe@::1", "names no host, or no port"),
        ("imaps://joe@h:imap", "no port number"),
        ("imaps://joe@h:0", "not a port number"),
        ("imaps://joe@h:65536", "not a port number"),
        ("imaps://joe;AUTH=*@h", "login method"),
        ("imaps://joe@h/x;UIDVALIDITY=3", "UIDVALIDITY"),
        ("imaps://joe@h/x/;UID=3", "UIDVALIDITY"),
        ("imaps://joe@h/x?SUBJECT", "a search"),
        ("imaps://joe@h/%FF", "not UTF-8"),
        ("imaps://joe@h/%0D%0A", "control character"),
        ("imaps://joe@h/%00", "control character"),
    ],
)
def test_an_invalid_url_is_refused_with_a_reason(text: str, words: str) -> None:
    with pytest.raises(BadUrl, match=words.replace("?", r"\?")):
        read_url(text)


@pytest.mark.parametrize("text", ["imaps://joe:qZ7@h", "imaps://joe:qZ7@", "imaps://a;b:qZ7@h:x"])
def test_a_password_in_it_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(BadUrl) as refusal:
        read_url(text)
    assert "appendpassword" in str(refusal.value)
    assert "qZ7" not in str(refusal.value)


@pytest.mark.parametrize(
    ("host", "here"),
    [("localhost", True), ("LOCALHOST", True), ("127.0.0.1", True), ("[::1]", True),
     ("localhost.example.org", False), ("h", False)],
)  # fmt: skip
def test_loopback_hosts_are_recognized(host: str, here: bool) -> None:
    assert read_url(f"imap://joe@{host}/").loopback is here


@given(st.text())
def test_any_text_is_a_mailbox_or_refused(text: str) -> None:
    try:
        url = read_url("imaps://joe@h/" + text)
    except BadUrl:
        return
    assert url.mailbox.isprintable()


@given(st.text())
def test_a_mailbox_name_survives_encoding(name: str) -> None:
    assert decode_mailbox(encode_name(name)) == name
