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
ADMIN_CONSENT: Final = (
    "an administrator of the organization must give consent to this application first "
    "(Entra: Enterprise applications, Permissions, Grant admin consent)"
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

_TRAPS: Final = (
    (r"AADSTS(65001|90094|90093|650057|65004)\b|admin.{0,20}(consent|approval)", ADMIN_CONSENT),
    (r"AADSTS(53003|530035|50199|70043)\b|conditional access", DEVICE_BLOCKED),
    (r"AADSTS7000218\b", PUBLIC_CLIENT),
    (r"AADSTS(7000215|7000222)\b", SECRET),
    (r"AADSTS50011\b|redirect_uri_mismatch", REDIRECT),
    (r"AADSTS700024\b|reasonable timeframe|iat and exp", CLOCK),
)
_MAIL_TRAPS: Final = (
    (r"5\.7\.139.*SmtpClientAuthentication|SmtpClientAuthentication is disabled", SMTP_OFF),
    (r"authenticated but not connected", IMAP_OFF),
    (r"(IMAP|POP).{0,40}(disabled|not enabled)|enable(d)? (for )?(IMAP|POP)", IMAP_OFF),
    (r"LogonDenied|ServicePrincipal|mailbox.*not.*found", SERVICE_PRINCIPAL),
)


def advice_for(issuer: str, grant: str, refused: Refused) -> str:
    """Return what helps against a refusal of the issuer; "" if nothing is known.

    ``issuer`` and ``grant`` are the values of ``oauthissuer`` and ``oauthgrant``.
    """
    text = str(refused)
    trap = next((advice for words, advice in _TRAPS if re.search(words, text, re.I)), "")
    if trap == DEVICE_BLOCKED and grant != DEVICE:
        trap = ""
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
