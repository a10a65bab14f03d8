"""Guess from the text of a reply without a response code why a login was refused."""

from __future__ import annotations

import re

THROTTLED = re.compile(
    rb"too many|throttl|rate limit|limits? (?:exceeded|hit)|exceeded .*limit|bandwidth|simultaneous"
    rb"|maximum number|try again|temporar|unavailable|backoff",
    re.IGNORECASE,
)
"""Words used by servers that are overloaded, or that limit the client's rate."""
ABOUT_PASSWORDS = re.compile(
    rb"fail|invalid|wrong|incorrect|attempt|passw|credential", re.IGNORECASE
)


def is_throttled(text: bytes) -> bool:
    """Whether a login was refused for other reasons than the password.

    Gmail: "Account exceeded command or bandwidth limits. (Failure)", Exchange: "Request is
    throttled." A text about failed attempts may be about the password, so it does not count.
    """
    text = text.removesuffix(b"(Failure)")
    return bool(THROTTLED.search(text)) and not ABOUT_PASSWORDS.search(text)
