"""Host names in ASCII, as used in DNS and in certificates (IDNA 2008, RFC 5891).

Python's ``idna`` codec follows IDNA 2003, which maps ``straße`` to ``strasse``: a host that may
belong to another owner, whose valid certificate would be accepted. So every name that is not ASCII
is encoded here, and the rest of the program sees only ASCII names.
"""

from __future__ import annotations


class BadHostName(ValueError):
    """The host name is not valid. ``str()`` is the reason, for the user."""


def ascii_host(host: str) -> str:
    """Return a host name in ASCII (A-labels). An ASCII name is returned unchanged.

    Before the encoding the name is converted to lower case and to Unicode normal form C, as RFC
    5895 suggests for user input; no other mapping is applied. Raises BadHostName.
    """
    if host.isascii():
        return host
    # Imported here because idna takes 12 ms to load and few configurations need it.
    import unicodedata

    import idna

    normalized = unicodedata.normalize("NFC", host.lower())
    try:
        return idna.encode(normalized).decode("ascii")
    except UnicodeError as fault:
        if any(0xDC80 <= ord(character) <= 0xDCFF for character in host):
            raise BadHostName("it is not UTF-8") from None
        why = str(fault)
        raise BadHostName(f"IDNA 2008 does not allow it: {why[:1].lower()}{why[1:]}") from None


def name_in_mail(host: str) -> str:
    """Return a server's name for a header: ASCII, or unchanged if only a plugin can use it."""
    try:
        return ascii_host(host)
    except BadHostName:
        return host
