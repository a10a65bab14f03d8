"""Why a login was refused, by the words of servers that have no code for it."""

from __future__ import annotations

import re

THROTTLED = re.compile(
    rb"too many|throttl|rate limit|limits? (?:exceeded|hit)|exceeded .*limit|bandwidth|simultaneous"
    rb"|maximum number|try again|temporar|unavailable|backoff",
    re.IGNORECASE,
)
"""Words of servers that are overrun, or say that we ask too much."""
ABOUT_PASSWORDS = re.compile(
    rb"fail|invalid|wrong|incorrect|attempt|passw|credential", re.IGNORECASE
)


def is_throttled(text: bytes) -> bool:
    """Tell whether a login was refused for other reasons than the password.

    Gmail: "Account exceeded command or bandwidth limits. (Failure)", Exchange: "Request is
    throttled." What speaks of failed attempts may be about the password all the same.
    """
    text = text.removesuffix(b"(Failure)")
    return bool(THROTTLED.search(text)) and not ABOUT_PASSWORDS.search(text)
