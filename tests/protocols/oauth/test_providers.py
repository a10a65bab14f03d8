"""The presets for Gmail and Microsoft 365, and what helps against their refusals."""

from __future__ import annotations

import pytest

from mailhaul.protocols.errors import LocalProtocolError
from mailhaul.protocols.http import parse_url
from mailhaul.protocols.oauth import advice, providers
from mailhaul.protocols.oauth.discovery import AuthorizationServer
from mailhaul.protocols.oauth.errors import clock_is_wrong, meaning_of
from mailhaul.protocols.oauth.providers import missing_scope, preset, scope_for
from mailhaul.protocols.oauth.results import Misconfigured


@pytest.mark.parametrize("name", ["gmail", "microsoft"])
def test_the_endpoints_of_a_preset_are_addresses(name: str) -> None:
    server = preset(name)
    assert isinstance(server, AuthorizationServer)
    for address in (server.authorization, server.token, server.device):
        assert parse_url(address).scheme == "https"


def test_a_tenant_is_part_of_the_address() -> None:
    server = preset("microsoft", "contoso.example")
    assert server
    assert server.token == "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token"
    for tenant in ("", "a/b", "a?b", "..", "a b", "x" * 200):
        with pytest.raises(LocalProtocolError):
            preset("microsoft", tenant)


def test_any_other_issuer_has_no_preset() -> None:
    assert preset("https://issuer.example") is None
    assert providers.provider_of("https://issuer.example").name == ""


OUTLOOK = "https://outlook.office.com"


@pytest.mark.parametrize(
    ("issuer", "grant", "uses", "scope"),
    [
        ("gmail", "code", {"imap", "smtp"}, ("https://mail.google.com/",)),
        ("gmail", "code", {"gmail-insert"}, ("https://www.googleapis.com/auth/gmail.insert",)),
        ("microsoft", "code", {"imap"}, (f"{OUTLOOK}/IMAP.AccessAsUser.All", "offline_access")),
        (
            "microsoft",
            "device",
            {"smtp", "pop3"},
            (f"{OUTLOOK}/POP.AccessAsUser.All", f"{OUTLOOK}/SMTP.Send", "offline_access"),
        ),
        ("microsoft", "client", {"imap"}, ("https://outlook.office365.com/.default",)),
        ("https://issuer.example", "code", {"imap"}, ()),
    ],
)
def test_the_scope_depends_on_what_the_token_is_for(
    issuer: str, grant: str, uses: set[str], scope: tuple[str, ...]
) -> None:
    assert scope_for(issuer, grant, uses) == scope


def test_a_permission_that_the_user_left_out_is_found() -> None:
    asked = ("https://mail.google.com/", "openid", "offline_access")
    assert missing_scope(asked, ("openid",)) == ["https://mail.google.com/"]
    assert missing_scope(asked, ("https://mail.google.com/", "x")) == []
    assert missing_scope(asked, ()) == []
    assert missing_scope(("https://outlook.office365.com/.default",), ("IMAP",)) == []


@pytest.mark.parametrize(
    ("issuer", "grant", "error", "words", "expected"),
    [
        ("gmail", "code", "invalid_grant", "Token has been expired or revoked.", advice.TESTING),
        ("gmail", "device", "invalid_scope", "Invalid device flow scope", advice.DEVICE_AT_GOOGLE),
        ("gmail", "service", "unauthorized_client", "Client is unauthorized", advice.DELEGATION),
        (
            *("microsoft", "device", "invalid_grant"),
            "AADSTS53003: Access has been blocked by Conditional Access policies.",
            advice.DEVICE_BLOCKED,
        ),
        (
            *("microsoft", "code", "invalid_grant"),
            "AADSTS65001: The user or administrator has not consented to use the application",
            advice.NO_CONSENT,
        ),
        (
            *("microsoft", "code", "invalid_client"),
            "AADSTS7000218: The request body must contain client_assertion or client_secret",
            advice.PUBLIC_CLIENT,
        ),
        ("microsoft", "client", "invalid_client", "AADSTS7000215: Invalid", advice.SECRET),
        (
            *("microsoft", "code", "access_denied"),
            "AADSTS65004: User declined to consent to access the app.",
            advice.DECLINED,
        ),
        (
            *("microsoft", "code", "invalid_resource"),
            "AADSTS650057: Invalid resource. The client has requested access to a resource which "
            "is not listed in the requested permissions in the client's application registration.",
            advice.API_PERMISSIONS,
        ),
        (
            *("microsoft", "code", "invalid_client"),
            "AADSTS65005: The application needs access to a service that your organization has not "
            "subscribed to or enabled. Contact your administrator.",
            advice.NO_EXCHANGE,
        ),
        (
            *("microsoft", "code", "invalid_request"),
            "AADSTS50194: Application 'x' is not configured as a multi-tenant application.",
            advice.ONE_TENANT,
        ),
        (
            *("microsoft", "code", "invalid_client"),
            "AADSTS700025: Client is public so neither 'client_assertion' nor 'client_secret' "
            "should be presented.",
            advice.PUBLIC_HAS_NONE,
        ),
        (
            *("microsoft", "device", "invalid_grant"),
            "AADSTS70043: The refresh token has expired or is invalid due to sign-in frequency "
            "checks by conditional access.",
            advice.SIGN_IN_FREQUENCY,
        ),
        (
            *("microsoft", "code", "invalid_grant"),
            "AADSTS53003: Access has been blocked by Conditional Access policies.",
            advice.CONDITIONAL_ACCESS,
        ),
        (
            *("microsoft", "code", "invalid_grant"),
            "AADSTS50076: Due to a configuration change made by your administrator, you must use "
            "multi-factor authentication.",
            advice.MORE_PROOF,
        ),
        (
            *("microsoft", "code", "invalid_grant"),
            "AADSTS90094: An administrator must grant consent.",
            advice.ADMIN_CONSENT,
        ),
        ("https://issuer.example", "code", "invalid_grant", "gone", ""),
        ("https://issuer.example", "code", "temporarily_unavailable", "", ""),
    ],
)
def test_the_known_traps_are_named(
    issuer: str, grant: str, error: str, words: str, expected: str
) -> None:
    assert advice.advice_for(issuer, grant, meaning_of(error, words)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the "
            "Tenant.",
            advice.SMTP_OFF,
        ),
        ("User is authenticated but not connected.", advice.NOT_CONNECTED),
        (
            "[ALERT] Your account is not enabled for IMAP use.",
            advice.IMAP_OFF,
        ),
        ("AUTHENTICATE failed.", ""),
    ],
)
def test_a_mail_server_has_traps_too(text: str, expected: str) -> None:
    assert advice.advice_for_mail(text) == expected


def test_a_wrong_clock_is_recognized() -> None:
    google = (
        "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable "
        "timeframe. Check your iat and exp values in the JWT claim."
    )
    assert clock_is_wrong(meaning_of("invalid_grant", google))
    assert clock_is_wrong(meaning_of("invalid_client", "AADSTS700024: Client assertion is not"))
    assert not clock_is_wrong(meaning_of("invalid_grant", "Token has been expired or revoked."))


@pytest.mark.parametrize("number", ["50194", "700025", "650057"])
def test_a_wrong_registration_is_not_repaired_by_another_consent(number: str) -> None:
    refused = meaning_of("invalid_grant", f"AADSTS{number}: so it is")
    assert isinstance(refused, Misconfigured)


def test_every_advice_of_a_number_names_the_next_step() -> None:
    for pattern, words in advice._TRAPS:
        assert len(words) > 30, pattern
        verbs = ("sign in", "give", "add", "check", "must", "can", "remove", "allow", "compare")
        assert any(verb in words for verb in verbs), words


MICROSOFT = "https://login.microsoftonline.com"
GUID = "9188040d-6c67-4c5b-b112-36a304b66dad"


@pytest.mark.parametrize(
    ("tenant", "name", "is_it"),
    [
        ("common", f"{MICROSOFT}/{GUID}/v2.0", True),
        ("organizations", f"{MICROSOFT}/{GUID}/v2.0", True),
        ("contoso.example", f"{MICROSOFT}/{GUID}/v2.0", True),
        (GUID.upper(), f"{MICROSOFT}/{GUID}/v2.0", True),
        (GUID, f"{MICROSOFT}/{GUID.replace('9', '8')}/v2.0", False),
        ("common", f"{MICROSOFT}/common/v2.0", False),
        ("common", f"{MICROSOFT}/{{tenantid}}/v2.0", False),
        ("common", f"https://evil.example/{GUID}/v2.0", False),
        ("common", f"{MICROSOFT}/{GUID}/v2.0/x/v2.0", False),
        ("common", f"{MICROSOFT}/{GUID}", False),
        ("common", "", False),
    ],
)
def test_microsoft_is_called_by_the_guid_of_the_organization(
    tenant: str, name: str, is_it: bool
) -> None:
    server = preset("microsoft", tenant)
    assert server
    assert server.is_called(name) is is_it


def test_google_has_one_name() -> None:
    server = preset("gmail")
    assert server
    assert server.is_called("https://accounts.google.com")
    assert not server.is_called("https://accounts.google.com/")
