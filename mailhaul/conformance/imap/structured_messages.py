"""Messages with parts, and headers that are not plain, for the cases of FETCH."""

from __future__ import annotations

FIRST_PART = b"The first part.\r\nIt has two lines.\r\n"
INNER_PLAIN = b"The inner text.\r\n"
INNER_HTML = b"<p>The inner text.</p>\r\n"
INNER_PLAIN_MIME = (
    b"Content-Type: text/plain; charset=us-ascii\r\nContent-ID: <one@example.org>\r\n\r\n"
)
INNER_HEADER = (
    b"From: bob@example.com\r\nTo: ann@example.org\r\n"
    b"Date: Sun, 4 Jan 2026 10:00:00 +0000\r\nSubject: inner\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/alternative; boundary="inner"\r\n\r\n'
)
INNER_TEXT = (
    b"--inner\r\n" + INNER_PLAIN_MIME + INNER_PLAIN + b"\r\n--inner\r\n"
    b"Content-Type: text/html; charset=us-ascii\r\n\r\n" + INNER_HTML + b"\r\n--inner--\r\n"
)
OUTER_HEADER = (
    b"From: ann@example.org\r\nTo: joe@example.org\r\n"
    b"Date: Mon, 5 Jan 2026 10:00:00 +0000\r\nSubject: outer\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="outer"\r\n\r\n'
)
FIRST_MIME = b"Content-Type: text/plain; charset=us-ascii\r\n\r\n"
NESTED = (
    OUTER_HEADER
    + b"--outer\r\n"
    + FIRST_MIME
    + FIRST_PART
    + b"\r\n--outer\r\nContent-Type: message/rfc822\r\n\r\n"
    + INNER_HEADER
    + INNER_TEXT
    + b"\r\n--outer--\r\n"
)
"""A text, and a message in a message: parts 1, 2, 2.1 and 2.2."""

EIGHT_BIT_SUBJECT = b"Gr\xc3\xbc\xc3\x9fe"
EIGHT_BIT_HEADER = (
    b"From: ann@example.org\r\nTo: joe@example.org\r\n"
    b"Date: Mon, 5 Jan 2026 10:00:00 +0000\r\nSubject: " + EIGHT_BIT_SUBJECT + b"\r\n\r\nHello.\r\n"
)
FEW_FIELDS = (
    b"From: Ann <ann@example.org>\r\nDate: Mon, 5 Jan 2026 10:00:00 +0000\r\n\r\nHello.\r\n"
)
"""No Sender, Reply-To, Subject or Message-ID."""
ONLY_HEADER = (
    b"From: ann@example.org\r\nDate: Mon, 5 Jan 2026 10:00:00 +0000\r\nSubject: bare\r\n\r\n"
)
"""A header with its blank line, and a body of no octets."""
FOLDED = (
    b"From: ann@example.org\r\nTo: joe@example.org,\r\n\tbob@example.com\r\n"
    b"Date: Mon, 5 Jan 2026 10:00:00 +0000\r\nX-One: 1\r\nSubject: folded\r\n line\r\n"
    b"X-Two: 2\r\n\r\nHello.\r\n"
)
