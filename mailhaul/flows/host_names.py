"""Host names in ASCII, as name services and certificates know them (IDNA 2008, RFC 5891).

Python's own way is IDNA 2003, to which ``straße`` is ``strasse``: the host of another owner, whose
valid certificate would pass. So a name that is not ASCII is encoded here, and only ASCII goes on.
"""

from __future__ import annotations

import unicodedata


class BadHostName(ValueError):
    """``str()`` says what is wrong with the name, for the user."""


def ascii_host(host: str) -> str:
    """Return a name in ASCII; one that is ASCII already is returned as it is. Raises BadHostName.

    Upper case and decomposed letters, which IDNA 2008 leaves to whoever reads what people type
    (RFC 5895), become what they stand for; nothing else is taken for another letter.
    """
    if host.isascii():
        return host
    # Loaded late: 12 milliseconds that few files need.
    import idna

    typed = unicodedata.normalize("NFC", host.lower())
    try:
        return idna.encode(typed).decode("ascii")
    except UnicodeError as fault:
        if any(0xDC80 <= ord(character) <= 0xDCFF for character in host):
            raise BadHostName("it is not UTF-8") from None
        words = str(fault)
        raise BadHostName(f"IDNA 2008 does not allow it: {words[:1].lower()}{words[1:]}") from None


def name_in_mail(host: str) -> str:
    """Return a server's name for a header: ASCII, unless it is a word that only a plugin knows."""
    try:
        return ascii_host(host)
    except BadHostName:
        return host
