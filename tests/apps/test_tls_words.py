"""The effect of every value of ``sslproto`` and ``sslmode``."""

from __future__ import annotations

import pytest

from mailhaul.adapters.config.options import OPTIONS, RETRIEVE_ERRORS, SSL_MODES, SSL_PROTOS
from mailhaul.adapters.config.settings import AccountSettings
from mailhaul.adapters.login.reach import TLS_MODES, VERSIONS, tls_mode, trust_of
from mailhaul.flows.account import OnRetrieveError
from mailhaul.flows.outcome import ExitCode, PollFailed


def settings(**values: object) -> AccountSettings:
    return AccountSettings({"pollname": "h", "skip": False, **values})


def test_the_tables_hold_what_the_options_allow() -> None:
    assert set(VERSIONS) == {*SSL_PROTOS} - {"ssl3"}
    assert tuple(TLS_MODES) == SSL_MODES
    assert tuple(word.value for word in OnRetrieveError) == RETRIEVE_ERRORS


def test_defaults_are_valid_choices() -> None:
    for option in OPTIONS:
        if option.choices:
            assert option.default is None or option.default in option.choices
            assert not option.fallback or option.fallback in option.choices


@pytest.mark.parametrize("word", ["TLSv1.2", "TLSv1", "SSL2", "tls", "ssl3+", "SSL23", "auto", ""])
def test_values_without_a_version_allow_the_newest_tls(word: str) -> None:
    trust = trust_of(settings(sslproto=word))
    assert (trust.minimum, trust.maximum) == (None, None)


@pytest.mark.parametrize(
    ("word", "versions"), [("tls1.2", ("tls1.2", "tls1.2")), ("TLS1.3+", ("tls1.3", None))]
)
def test_a_version_is_in_any_case(word: str, versions: tuple[str, str | None]) -> None:
    trust = trust_of(settings(sslproto=word))
    assert (trust.minimum, trust.maximum) == versions


def test_ssl_3_alone_is_refused_for_its_account_as_fetchmail_does() -> None:
    with pytest.raises(PollFailed, match=r"ssl3\+") as caught:
        trust_of(settings(sslproto="ssl3"))
    assert caught.value.code is ExitCode.SOCKET


def test_an_unknown_version_still_demands_tls() -> None:
    known = tls_mode(settings(sslproto="auto", sslcertck=False))
    assert tls_mode(settings(sslproto="SSL2", sslcertck=False)) is known
