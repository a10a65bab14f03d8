"""How much of anything a peer may send before we stop listening, in one table."""

from __future__ import annotations

from .record import Record


class Limits(Record):
    """Upper bounds on what a peer may make us hold. Sizes are in bytes."""

    reply_line: int = 8 * 1024
    """One SMTP, LMTP or POP3 status line (RFC 5321, 4.5.3.1.5 asks for 512)."""
    reply_lines: int = 100
    """Lines of one SMTP reply, or of a POP3 capability list."""
    listing_lines: int = 1_500_000
    """Lines of one POP3 listing (LIST, UIDL)."""
    listing_octets: int = 40 * 1024 * 1024
    """One POP3 listing; a million messages with ids of 20 octets take 28 million."""
    command_line: int = 8 * 1024
    """One line from an SMTP, LMTP or POP3 client, as a server."""
    sasl: int = 64 * 1024
    """One challenge or response of an authentication, in base64."""
    sasl_rounds: int = 8
    """Challenges of one authentication."""
    scram_iterations: int = 2_000_000
    """Rounds of hashing that a SCRAM server may ask for: about a second of work."""
    response_line: int = 64 * 1024
    """One IMAP response outside its literals."""
    literal: int = 64 * 1024
    """An IMAP literal that is not message text."""
    untagged: int = 16 * 1024 * 1024
    """Untagged IMAP data outside message text while one command is pending."""
    nesting: int = 64
    """Depth of parentheses in an IMAP response."""
    digits: int = 20
    """Digits of any number."""
    capabilities: int = 256
    """Capabilities or SMTP extensions that a server may announce."""
    outstanding: int = 1000
    """Commands of ours that may wait for their reply."""
    header: int = 1024 * 1024
    """The header of a message, or one field of it; what is longer passes without a look."""
    header_fields: int = 10_000
    """Fields of a header; with more of them it passes without a look."""


DEFAULT_LIMITS = Limits()
