"""What the user can do about a refusal, in one sentence: the usual traps of Google and Microsoft.

The words of the servers are matched, because the error codes are the same for many causes.
"""

from __future__ import annotations

import re
from typing import Final

from .providers import DEVICE, GMAIL, MICROSOFT
from .results import ConsentNeeded, Denied, Misconfigured, Refused

TESTING: Final = (
    "if the Google project is in testing, a consent ends after 7 days: publish the project "
    '("In production") under "OAuth consent screen", then sign in again'
)
DEVICE_BLOCKED: Final = (
    "the organization blocks the device flow: use the code flow (oauthgrant code), or ask the "
    "administrator for an exception in Conditional Access"
)
DEVICE_AT_GOOGLE: Final = (
    "Google allows no mail in the device flow: use the code flow (oauthgrant code)"
)
SMTP_OFF: Final = (
    "SMTP AUTH is switched off for this mailbox or organization: an administrator can allow "
    '"Authenticated SMTP" for the mailbox'
)
IMAP_OFF: Final = (
    "IMAP or POP is switched off for this mailbox: switch it on in the settings of the mailbox, or "
    "let an administrator do that"
)
NOT_CONNECTED: Final = (
    "the login is good, but there is no such mailbox for it: IMAP is switched off for the mailbox, "
    "it has no license of Exchange Online, or the token is that of another user: compare who has "
    "signed in with the user in the rc file, and let an administrator check the mailbox"
)
ADMIN_CONSENT: Final = (
    "an administrator of the organization must give consent to this application first "
    "(Entra: Enterprise applications, Permissions, Grant admin consent)"
)
NO_CONSENT: Final = (
    "nobody has agreed to these permissions yet: sign in again and accept all of them; if that is "
    "not offered, an administrator of the organization must consent (Entra: Enterprise "
    "applications, Permissions, Grant admin consent)"
)
DECLINED: Final = 'the consent was declined in the browser: sign in again and choose "Accept"'
API_PERMISSIONS: Final = (
    'the application is not registered for mail: under its "API permissions" add "Office 365 '
    'Exchange Online" or "Microsoft Graph" with IMAP.AccessAsUser.All, POP.AccessAsUser.All or '
    "SMTP.Send, then sign in again"
)
NO_EXCHANGE: Final = (
    "the organization does not have what the application asks for: let an administrator check that "
    "it has Exchange Online, and give consent to the application's permissions again"
)
ONE_TENANT: Final = (
    "the application is registered for one organization only: give its domain or GUID in "
    "oauthtenant, or register the application for accounts in any organization"
)
NO_APPLICATION: Final = (
    "no application of this ID is in this organization: check oauthclient, and give the domain or "
    "GUID of the organization in oauthtenant"
)
OTHER_TENANT: Final = (
    "this user does not belong to the organization in oauthtenant: sign in as another user, or "
    "correct oauthtenant"
)
PUBLIC_HAS_NONE: Final = (
    "the application is registered as a public client, which has no secret: remove oauthsecret and "
    "oauthkey, or register it as a web application"
)
SIGN_IN_FREQUENCY: Final = (
    "the organization demands a new sign-in every few hours or days (Conditional Access, sign-in "
    "frequency): an administrator can exempt this application, else sign in each time"
)
CONDITIONAL_ACCESS: Final = (
    "a Conditional Access policy of the organization blocks this application, place or device: an "
    "administrator sees which one in the sign-in logs of Entra, and can make an exception"
)
MORE_PROOF: Final = (
    "the organization wants to see the user again, with a second factor or a new password: sign in "
    "again in the browser"
)
NOT_ASSIGNED: Final = (
    "the user is not assigned to the application: an administrator must do that (Entra: Enterprise "
    "applications, Users and groups)"
)
SERVICE_PRINCIPAL: Final = (
    "the application has no access to this mailbox: an administrator must register it in Exchange "
    "(New-ServicePrincipal, Add-MailboxPermission)"
)
PUBLIC_CLIENT: Final = (
    'either give the client secret (oauthsecret), or allow "public client flows" in the '
    "application's settings under Authentication"
)
SECRET: Final = "check oauthclient and oauthsecret: the secret must be its value, not its ID"  # noqa: S105
REDIRECT: Final = (
    'the redirect address is not registered: at Google the client must be a "Desktop app", at '
    'Microsoft add http://localhost as a platform "Mobile and desktop applications"'
)
DELEGATION: Final = (
    "the service account is not allowed to act for this user with this scope: an administrator "
    "must add its client ID and the scope under domain-wide delegation"
)
CLOCK: Final = "compare this machine's clock with the right time"

NOT_THERE: Final = r"authenticated but not connected"
"""What Exchange says after a good login, in the reply to SELECT, EXAMINE, LIST or APPEND."""
_TRAPS: Final = (
    (r"AADSTS65001\b", NO_CONSENT),
    (r"AADSTS65004\b", DECLINED),
    (r"AADSTS650057\b", API_PERMISSIONS),
    (r"AADSTS(65005|500011|650052)\b", NO_EXCHANGE),
    (r"AADSTS(50194|50059)\b", ONE_TENANT),
    (r"AADSTS700016\b", NO_APPLICATION),
    (r"AADSTS(50020|50034|90002)\b", OTHER_TENANT),
    (r"AADSTS700025\b", PUBLIC_HAS_NONE),
    (r"AADSTS70043\b", SIGN_IN_FREQUENCY),
    (r"AADSTS(50076|50079|50158|50173|700082|700084)\b", MORE_PROOF),
    (r"AADSTS50105\b", NOT_ASSIGNED),
    (r"AADSTS(90094|90093)\b|admin.{0,20}(consent|approval)", ADMIN_CONSENT),
    (r"AADSTS(5300[0-4]|53003\d|50199)\b|conditional access", CONDITIONAL_ACCESS),
    (r"AADSTS7000218\b", PUBLIC_CLIENT),
    (r"AADSTS(7000215|7000222)\b", SECRET),
    (r"AADSTS50011\b|redirect_uri_mismatch", REDIRECT),
    (r"AADSTS700024\b|reasonable timeframe|iat and exp", CLOCK),
)
"""Words of an issuer, and what helps. The numbers are those of Microsoft: "Microsoft Entra
authentication and authorization error codes"."""
_MAIL_TRAPS: Final = (
    (r"5\.7\.139.*SmtpClientAuthentication|SmtpClientAuthentication is disabled", SMTP_OFF),
    (NOT_THERE, NOT_CONNECTED),
    (r"(IMAP|POP).{0,40}(disabled|not enabled)|enable(d)? (for )?(IMAP|POP)", IMAP_OFF),
    (r"LogonDenied|ServicePrincipal|mailbox.*not.*found", SERVICE_PRINCIPAL),
)


def advice_for(issuer: str, grant: str, refused: Refused) -> str:
    """Return what helps against a refusal of the issuer; "" if nothing is known.

    ``issuer`` and ``grant`` are the values of ``oauthissuer`` and ``oauthgrant``.
    """
    text = str(refused)
    trap = next((advice for words, advice in _TRAPS if re.search(words, text, re.I)), "")
    if trap == CONDITIONAL_ACCESS and grant == DEVICE:
        # This is what such policies block first.
        trap = DEVICE_BLOCKED
    if trap:
        return trap
    match refused:
        case Misconfigured("invalid_scope") if issuer == GMAIL and grant == DEVICE:
            return DEVICE_AT_GOOGLE
        case ConsentNeeded() if issuer == GMAIL and grant == "service":
            return DELEGATION
        case Misconfigured("unauthorized_client") if issuer == GMAIL and grant == "service":
            return DELEGATION
        case ConsentNeeded("invalid_grant") if issuer == GMAIL:
            return TESTING
        case Misconfigured("invalid_client" | "unauthorized_client"):
            return SECRET
        case Denied() if issuer == MICROSOFT:
            return ADMIN_CONSENT
        case _:
            return ""


def advice_for_mail(text: str) -> str:
    """Return what helps against a mail server's words at a refused token; "" if nothing does."""
    return next((advice for words, advice in _MAIL_TRAPS if re.search(words, text, re.I)), "")


def advice_for_mailbox(text: str) -> str:
    """Return what helps if a mailbox cannot be opened after a good login; "" if nothing does."""
    return NOT_CONNECTED if re.search(NOT_THERE, text, re.I) else ""
