"""The options of OAuth in the rc file: what is understood, and what is said about mistakes."""

from __future__ import annotations

import pytest

from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.dump import json_dump, python_dump
from mailhaul.adapters.config.errors import ConfigErrors
from mailhaul.adapters.config.load import Configuration, load

CALLER = Caller("joe", 1000, "/home/joe", None, "/home/joe")


def loaded(text: str) -> Configuration:
    return load(["-f", "-"], CALLER, text.encode)


GOOD = [
    "auth oauth oauthissuer gmail oauthclient id oauthsecret word",
    "auth oauth oauthissuer microsoft oauthclient id",
    "auth oauth oauthissuer microsoft oauthclient id oauthgrant device oauthtenant contoso.example",
    "auth oauth oauthissuer microsoft oauthclient id oauthgrant client oauthtenant t.example "
    "oauthkey ~/client.pem",
    "auth oauth oauthissuer gmail oauthgrant service oauthkey ~/key.json",
    "auth oauth oauthissuer 'https://issuer.example/x' oauthclient id oauthscope 'openid mail'",
    "auth oauth oauthissuer 'http://127.0.0.1:3000' oauthclient id oauthgrant client "
    "oauthsecretfile /etc/secret",
    "esmtpauth oauth esmtpname joe@x.example oauthissuer gmail oauthclient id",
]


@pytest.mark.parametrize("options", GOOD)
def test_these_are_understood(options: str) -> None:
    found = loaded(f"poll h protocol imap {options} user joe")
    assert found.warnings == ()
    [account] = found.accounts
    assert account.password is None


def test_values_are_read_as_they_are_meant() -> None:
    [account] = loaded(
        "poll h protocol imap auth oauth oauthissuer gmail oauthgrant service "
        "oauthkey ~/key.json oauthscope a b oauthclient id user joe append "
        "'imaps://joe@y.example/INBOX' appendauth oauth"
    ).accounts
    assert (account.oauthgrant, account.oauthkey) == ("service", "/home/joe/key.json")
    assert account.oauthscope == ("a", "b")
    assert (account.auth, account.appendauth, account.esmtpauth) == ("oauth", "oauth", "password")


@pytest.mark.parametrize(
    ("options", "column", "words"),
    [
        ("auth oauth", 22, '"auth oauth" needs "oauthissuer"; write "oauthissuer gmail"'),
        ("auth oauth oauthissuer yahoo oauthclient i", 33, 'oauthissuer "yahoo": the address'),
        (
            "auth oauth oauthissuer 'http://issuer.example' oauthclient i",
            33,
            "the address is not https",
        ),
        ("auth oauth oauthissuer gmail", 33, 'needs "oauthclient"; docs/oauth.md'),
        (
            "auth oauth oauthissuer gmail oauthclient i oauthgrant device",
            65,
            '"gmail" has no "oauthgrant device" for mail; Google allows no mail in the device flow',
        ),
        (
            "auth oauth oauthissuer gmail oauthclient i oauthgrant client",
            65,
            'has no "oauthgrant client" for mail; use "oauthgrant service"',
        ),
        ("auth oauth oauthissuer gmail oauthgrant service", 51, 'needs "oauthkey"'),
        (
            "auth oauth oauthissuer microsoft oauthclient i oauthgrant client",
            69,
            '"oauthsecret" or',
        ),
        (
            "auth oauth oauthissuer microsoft oauthclient i oauthsecret w oauthgrant client",
            83,
            'needs the "oauthtenant" of your organization',
        ),
        (
            "auth oauth oauthissuer microsoft oauthclient i oauthtenant a/b",
            69,
            'oauthtenant "a/b" is not a tenant',
        ),
        (
            "auth oauth oauthissuer gmail oauthclient i oauthgrant implicit",
            65,
            "unknown oauthgrant",
        ),
        ("esmtpauth oauth oauthissuer gmail oauthclient i", 22, 'needs "esmtpname"'),
        ("esmtpauth xoauth2", 22, 'unknown esmtpauth "xoauth2"'),
    ],
)
def test_a_mistake_is_named_with_its_place(options: str, column: int, words: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        loaded(f"poll h protocol imap {options} user joe")
    assert f"standard input:1:{column}: " in str(caught.value)
    assert words in str(caught.value)


def test_a_protocol_without_a_login_by_token_is_refused() -> None:
    with pytest.raises(ConfigErrors, match="apop"):
        loaded("poll h protocol apop auth oauth oauthissuer gmail oauthclient i user joe")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("oauthissuer gmail oauthclient i", '"oauthissuer" has no effect without "auth oauth"'),
        ("auth oauth oauthissuer gmail oauthclient i oauthtenant x", '"oauthtenant" has an effect'),
    ],
)
def test_what_has_no_effect_is_said(options: str, words: str) -> None:
    [warning] = loaded(f"poll h protocol imap {options} user joe password x").warnings
    assert words in str(warning)


def test_the_secret_is_in_no_dump_unless_it_is_asked_for() -> None:
    found = loaded(
        "poll h protocol imap auth oauth oauthissuer gmail oauthclient id oauthsecret sesame "
        "oauthrefresh 1//open user joe"
    )
    shown = json_dump(found.globals, found.accounts, with_secrets=False)
    assert '"oauthsecret": true' in shown
    assert '"oauthissuer": "gmail"' in shown
    for secret in ("sesame", "1//open"):
        assert secret not in shown
        assert secret not in repr(found.accounts)
        assert secret not in python_dump(found.globals, found.accounts, "here")
        assert secret in json_dump(found.globals, found.accounts, with_secrets=True)


def test_a_secret_in_the_wrong_place_is_not_shown() -> None:
    with pytest.raises(ConfigErrors) as caught:
        loaded("poll h protocol imap oauthsecret se'same word user joe")
    assert "same" not in str(caught.value)


# Two issuers


OAUTH = "oauthissuer {} oauthclient i"


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        (
            "poll h protocol imap auth oauth oauthissuer microsoft oauthclient i oauthissuer gmail "
            "user joe gmail joe@x.example",
            69,
            'a second "oauthissuer" in one entry, after "microsoft"; an entry has one issuer',
        ),
        (
            f"poll outlook.office365.com protocol imap auth oauth {OAUTH.format('gmail')} user joe",
            42,
            '"auth oauth" at outlook.office365.com needs a token of microsoft, not of gmail',
        ),
        (
            f"poll h protocol imap {OAUTH.format('microsoft')} user joe password x append "
            "'imaps://joe@imap.gmail.com/INBOX' appendauth oauth",
            120,
            '"appendauth oauth" at imap.gmail.com needs a token of gmail, not of microsoft',
        ),
        (
            f"poll h protocol imap esmtpauth oauth esmtpname j {OAUTH.format('gmail')} user joe "
            "password x smtphost smtp.office365.com/587",
            22,
            '"esmtpauth oauth" at smtp.office365.com needs a token of microsoft, not of gmail',
        ),
        (
            f"poll outlook.office365.com protocol imap auth oauth {OAUTH.format('microsoft')} "
            "user joe gmail ann@gmail.com",
            98,
            '"gmail" together with "oauthissuer microsoft"',
        ),
    ],
)
def test_an_entry_with_two_issuers_is_refused_at_its_place(
    text: str, column: int, words: str
) -> None:
    with pytest.raises(ConfigErrors) as caught:
        loaded(text)
    assert words in str(caught.value)
    assert f"standard input:1:{column}: " in str(caught.value)


def test_the_same_issuer_may_be_named_twice_and_another_one_in_another_entry() -> None:
    found = loaded(
        f"poll imap.gmail.com protocol imap auth oauth {OAUTH.format('gmail')} oauthissuer gmail "
        f"user joe\npoll outlook.office365.com protocol imap auth oauth "
        f"{OAUTH.format('microsoft')} user ann\n"
    )
    assert [account.oauthissuer for account in found.accounts] == ["gmail", "microsoft"]
    assert found.warnings == ()


# Tokens that others can read


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("auth oauth {} user joe sslproto ''", "mail.x goes over the network in the clear; "),
        ("auth oauthbearer user joe password t sslproto ''", "in the clear; "),
        ("auth xoauth2 user joe password t sslmode none", "in the clear; "),
        ("auth oauth {} user joe no sslcertck", "in the clear if the server offers no TLS"),
        ("auth oauth {} user joe ssl no sslcertck", "whose certificate is not checked"),
        (
            "auth oauth {} user joe sslproto 'tls1.2+' no sslcertck",
            "certificate is not checked",
        ),
        (
            "{} user joe password x append 'imaps://joe@arch.x/INBOX' appendauth oauth "
            "no sslcertck ssl",
            "the token for arch.x goes over TLS whose certificate is not checked",
        ),
    ],
)
def test_a_token_that_others_could_read_is_a_warning_with_its_place(text: str, words: str) -> None:
    options = text.format("oauthissuer 'https://i.example' oauthclient i")
    [warning] = loaded(f"poll mail.x protocol imap {options}").warnings
    assert words in str(warning)
    assert str(warning).startswith("standard input:1:")


@pytest.mark.parametrize(
    "text",
    [
        "poll mail.x protocol imap auth oauth {} user joe ssl",
        "poll mail.x protocol imap auth oauth {} user joe",
        f"poll mail.x protocol imap auth oauth {{}} user joe ssl no sslcertck sslfingerprint "
        f"'{'0' * 64}'",
        "poll localhost protocol imap auth oauth {} user joe sslproto ''",
        "poll mail.x via 127.0.0.1 protocol imap auth oauth {} user joe sslproto ''",
        "poll mail.x protocol imap auth oauth {} plugin 'ssh %h' user joe sslproto ''",
        "poll mail.x protocol imap user joe password x sslproto ''",
    ],
)
def test_a_token_that_is_protected_is_none(text: str) -> None:
    options = text.format("oauthissuer 'https://i.example' oauthclient i")
    assert not [one for one in loaded(options).warnings if "token" in str(one)]
