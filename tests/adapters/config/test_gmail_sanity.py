"""The options of the sink for Gmail: what is understood, and what is said about mistakes."""

from __future__ import annotations

import time
from typing import cast

import pytest

from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.errors import ConfigErrors
from mailhaul.adapters.config.load import Configuration, load
from mailhaul.adapters.oauth.grants import Issuer
from mailhaul.adapters.sinks.kinds import chosen_sink
from mailhaul.apps.polls.context import PollContext
from mailhaul.apps.polls.tokens import oauth_account, uses_of

CALLER = Caller("joe", 1000, "/home/joe", None, "/home/joe")
OAUTH = "oauthissuer gmail oauthclient id"


def loaded(text: str) -> Configuration:
    return load(["-f", "-"], CALLER, text.encode)


def test_the_options_are_read() -> None:
    found = loaded(
        f"poll h protocol pop3 {OAUTH} user joe password p gmail ann@x.example "
        "gmaillabels INBOX 'Old Mail' gmailneverspam"
    )
    assert found.warnings == ()
    [account] = found.accounts
    assert (account.oauthissuer, account.gmail) == ("gmail", "ann@x.example")
    assert account.gmaillabels == ("INBOX", "Old Mail")
    assert account.gmailneverspam
    assert chosen_sink(account).title == "Gmail"
    uses = {use.kind: use.user for use in uses_of(account)}
    assert uses == {"gmail-insert": "ann@x.example", "gmail-labels": "ann@x.example"}


def test_a_service_account_asks_for_all_that_the_user_needs_in_one_token() -> None:
    [account] = loaded(
        "poll h protocol pop3 oauthissuer gmail oauthgrant service oauthkey k user joe password p "
        "gmail ann@x.example gmaillabels INBOX 'Old Mail'"
    ).accounts
    found = oauth_account(account, cast(PollContext, None), "ann@x.example")
    assert Issuer(found, time.time).own_scope == (
        "https://www.googleapis.com/auth/gmail.insert",
        "https://www.googleapis.com/auth/gmail.labels",
    )
    # What another user of the entry needs is not asked for.
    other = oauth_account(account, cast(PollContext, None), "joe")
    assert other.uses == frozenset()


def test_without_names_of_labels_no_more_is_asked_for() -> None:
    [account] = loaded(f"poll h protocol pop3 {OAUTH} user joe gmail ann@x.example").accounts
    assert [use.kind for use in uses_of(account)] == ["gmail-insert"]


@pytest.mark.parametrize(
    ("host", "options", "words"),
    [
        ("h", f"{OAUTH} user joe gmail ann", 'gmail: "ann" is not the address of a mailbox'),
        ("h", f"{OAUTH} user joe gmail '@x'", 'gmail: "@x" is not the address'),
        ("h", f"{OAUTH} user joe gmail 'a b@x'", 'gmail: "a b@x" is not the address'),
        ("h", "user joe gmail a@x", '"gmail" needs "oauthissuer"; write "oauthissuer gmail"'),
        ("h", "oauthissuer gmail user joe gmail a@x", 'gmail" needs "oauthclient"'),
        (
            "h",
            "oauthissuer microsoft oauthclient i user joe gmail a@x",
            '"gmail" together with "oauthissuer microsoft"',
        ),
        ("pop.gmail.com", f"{OAUTH} user Ann@x gmail ann@X", "the mailbox that mail is fetched"),
        ("h", f"{OAUTH} user joe gmail a@x maildir /m", "together with"),
    ],
)
def test_mistakes_are_named(host: str, options: str, words: str) -> None:
    with pytest.raises(ConfigErrors) as failure:
        loaded(f"poll {host} protocol pop3 {options}")
    assert words in str(failure.value)
