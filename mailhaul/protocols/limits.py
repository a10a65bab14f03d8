"""Limits on what a peer may send. A machine raises LimitExceeded when one is exceeded."""

from __future__ import annotations

from .record import Record


class Limits(Record):
    """Upper bounds on what a machine accepts from a peer. Sizes are in bytes."""

    reply_line: int = 8 * 1024
    """One SMTP, LMTP or POP3 status line (RFC 5321, 4.5.3.1.5 requires 512)."""
    reply_lines: int = 100
    """Lines of one SMTP reply, or of a POP3 capability list."""
    listing_lines: int = 1_500_000
    """Lines of one POP3 listing (LIST, UIDL)."""
    listing_octets: int = 40 * 1024 * 1024
    """One POP3 listing. A million messages with unique ids of 20 octets take 28 million."""
    command_line: int = 8 * 1024
    """For servers: one line from an SMTP, LMTP or POP3 client."""
    sasl: int = 64 * 1024
    """One SASL challenge or response, in base64."""
    sasl_rounds: int = 8
    """Challenges in one SASL exchange."""
    scram_iterations: int = 2_000_000
    """Iteration count that a SCRAM server may request; this one takes about a second."""
    response_line: int = 64 * 1024
    """One IMAP response without its literals."""
    literal: int = 64 * 1024
    """An IMAP literal that is not message text."""
    untagged: int = 16 * 1024 * 1024
    """Untagged IMAP data outside message text while one command is pending."""
    nesting: int = 64
    """Depth of parentheses in an IMAP response."""
    digits: int = 20
    """Decimal digits of a number."""
    capabilities: int = 256
    """Capabilities or SMTP extensions that a server may announce."""
    outstanding: int = 1000
    """Commands that may wait for their reply at the same time."""
    header: int = 1024 * 1024
    """The header of a message, or one field. A longer one is passed on without being parsed."""
    header_fields: int = 10_000
    """Fields of a header. A header with more is passed on without being parsed."""


DEFAULT_LIMITS = Limits()
