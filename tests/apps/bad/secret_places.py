"""A secret in each of the places where it may be kept."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from mailhaul.adapters.config.secret_table import WAYS

OTHER = "esmtp-open-5Wq-sesame"
"""The secret: it must never be printed."""
LOGINS = ("", "joe\0", "\0joe\0")
"""What SASL puts before it."""
KINDS = ("password", "appendpassword", "esmtppassword")
PLACES = (*(way.suffix for way in WAYS), "netrc")
KEYRING = f"""
def get_password(service, user):
    return "{OTHER}" if (service, user) == ("Mail", "joe") else None
"""


def placed(home: Path, kind: str, place: str) -> tuple[str, list[str], dict[str, str]]:
    """Put the secret OTHER into a place; return the option, a starter and the environment."""
    here = os.environ.get("PYTHONPATH", "")
    (home / "secret").write_text(f"{OTHER}\n")
    (home / "secret").chmod(0o600)
    match place:
        case "file":
            return f'{kind}file "{home}/secret"', [], {}
        case "eval":
            return f'{kind}eval "cat {home}/secret; cat {home}/secret >&2"', [], {}
        case "fd":
            return f"{kind}fd 7", ["sh", "-c", f'exec "$@" 7<{home}/secret', "sh"], {}
        case "env":
            return f"{kind}env MAIL_SECRET", [], {"MAIL_SECRET": OTHER}
        case "keyring":
            (home / "keyring.py").write_text(KEYRING)
            return f"{kind}keyring Mail", [], {"PYTHONPATH": f"{home}:{here}"}
        case _:
            (home / ".netrc").write_text(f"machine localhost login joe password {OTHER}\n")
            (home / ".netrc").chmod(0o600)
            return "", [], {}


def shows(text: str, secret: str) -> bool:
    """Whether a text contains a secret, as it is or as SASL sends it."""
    forms = [base64.b64encode(f"{before}{secret}".encode()).decode() for before in LOGINS]
    return any(form in text for form in (secret, *forms))
