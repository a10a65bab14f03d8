"""Sections of a message: headers, parts, and structure (RFC 3501, sections 6.4.5 and 7.4.2)."""

from __future__ import annotations

import re

from ...protocols.imap.values import Value
from ..pop3.messages import message
from ..verdicts import MUST, require
from .contents import item, number_of, text, text_in
from .environment import ImapEnvironment
from .grammar import check_envelope, check_structure, exactly, listed, parameters, string
from .responses import octets_of
from .structured_messages import (
    FEW_FIELDS,
    FIRST_MIME,
    FIRST_PART,
    FOLDED,
    INNER_HEADER,
    INNER_HTML,
    INNER_PLAIN,
    INNER_PLAIN_MIME,
    INNER_TEXT,
    NESTED,
    ONLY_HEADER,
)
from .suite import IMAP

SECTIONS = {
    b"1": FIRST_PART,
    b"1.MIME": FIRST_MIME,
    b"2": INNER_HEADER + INNER_TEXT,
    b"2.HEADER": INNER_HEADER,
    b"2.TEXT": INNER_TEXT,
    b"2.1": INNER_PLAIN,
    b"2.1.MIME": INNER_PLAIN_MIME,
    b"2.2": INNER_HTML,
}
"""The sections of NESTED."""


def fields_in(header: bytes) -> list[bytes]:
    """Return the fields of a header, each with its further lines."""
    return re.findall(
        rb"[^\r\n]+\r\n(?:[ \t][^\r\n]*\r\n)*", header.partition(b"\r\n\r\n")[0] + b"\r\n"
    )


def name_in(field: bytes) -> bytes:
    """Return the name of a field in lower case."""
    return field.partition(b":")[0].strip().lower()


@IMAP.case("imap/fetch/5", rfc=3501, section="6.4.5", level=MUST, implied=True)
async def some_fields_can_be_fetched(env: ImapEnvironment) -> None:
    """HEADER.FIELDS returns the fields with these names, in any case, and a blank line."""
    session = await env.selected(FOLDED)
    header = await text(session, 1, b"HEADER")
    got = await text(session, 1, b"HEADER.FIELDS (sUbJeCt TO X-None)")
    wanted = [field for field in fields_in(header) if name_in(field) in {b"subject", b"to"}]
    # A name in other letters is the same name (RFC 5322, 1.2.2), if not the octets of the header.
    same = [*map(in_small_letters, fields_in(got))] == [*map(in_small_letters, wanted)]
    require(fields_in(got) == wanted, f"the fields {wanted}", got, lenient=same)
    require(got.endswith(b"\r\n\r\n"), "a blank line at the end", got)


def in_small_letters(field: bytes) -> bytes:
    """Return a field with its name in lower case."""
    return name_in(field) + b":" + field.partition(b":")[2]


@IMAP.case("imap/fetch/10", rfc=3501, section="6.4.5", level=MUST, implied=True)
async def other_fields_can_be_fetched(env: ImapEnvironment) -> None:
    """HEADER.FIELDS.NOT returns all fields but those with these names, and a blank line."""
    session = await env.selected(FOLDED)
    header = await text(session, 1, b"HEADER")
    got = await text(session, 1, b"HEADER.FIELDS.NOT (sUbJeCt TO X-None)")
    wanted = [field for field in fields_in(header) if name_in(field) not in {b"subject", b"to"}]
    require(fields_in(got) == wanted, f"the fields {wanted}", got)
    require(got.endswith(b"\r\n\r\n"), "a blank line at the end", got)


@IMAP.case("imap/fetch/6", rfc=3501, section="6.4.5", level=MUST, implied=True)
async def nested_parts_are_numbered(env: ImapEnvironment) -> None:
    """Part numbers, HEADER, TEXT and MIME address the parts of a message in a message."""
    session = await env.selected(NESTED)
    for section, wanted in SECTIONS.items():
        got = await text(session, 1, section)
        require(got == wanted, f"{wanted!r} as BODY[{section.decode('ascii')}]", got)


@IMAP.case("imap/fetch/9", rfc=3501, section="6.4.5", level=MUST, implied=True)
async def header_and_text_are_the_message(env: ImapEnvironment) -> None:
    """BODY[HEADER], which includes the blank line, and BODY[TEXT] together are BODY[]."""
    session = await env.selected(NESTED, FOLDED)
    for number in (1, 2):
        answer = await session.ok(
            b"FETCH %d (BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[])" % number
        )
        header, body = text_in(answer, number, b"HEADER]"), text_in(answer, number, b"TEXT]")
        whole = text_in(answer, number, b"]")
        require(header.endswith(b"\r\n\r\n"), "a blank line at the end of the header", header)
        require(header + body == whole, "BODY[] in BODY[HEADER] and BODY[TEXT]", header + body)


@IMAP.case("imap/fetch/11", rfc=3501, section="7.4.2", level=MUST, implied=True)
async def the_structure_is_that_of_the_message(env: ImapEnvironment) -> None:
    """BODYSTRUCTURE has the types, boundaries, octets and lines of nested parts."""
    session = await env.selected(NESTED)
    value = item(await session.ok(b"FETCH 1 (BODYSTRUCTURE)"), 1, b"BODYSTRUCTURE")
    check_structure(value)
    outer = listed(value, "two parts, and MIXED", least=4)
    require(string(outer[2]).lower() == b"mixed", "MIXED", outer[2])
    boundary = parameters(outer[3]).get(b"boundary")
    require(boundary == b"outer", "the boundary of the message", boundary)
    require_leaf(outer[0], (b"text", b"plain"), FIRST_PART)
    enclosed = listed(outer[1], "the message in the message", least=10)
    require_leaf(enclosed, (b"message", b"rfc822"), INNER_HEADER + INNER_TEXT, lines_at=9)
    subject = octets_of(listed(enclosed[7], "an envelope")[1])
    require(subject == b"inner", "the subject of the inner message", subject)
    inner = listed(enclosed[8], "two parts, and ALTERNATIVE", least=3)
    require(string(inner[2]).lower() == b"alternative", "ALTERNATIVE", inner[2])
    require_leaf(inner[0], (b"text", b"plain"), INNER_PLAIN)
    require_leaf(inner[1], (b"text", b"html"), INNER_HTML)


def require_leaf(value: Value, kind: tuple[bytes, bytes], octets: bytes, lines_at: int = 7) -> None:
    """Require that a part has this type and these octets and lines."""
    part = listed(value, "a part", least=lines_at + 1)
    got = (string(part[0]).lower(), string(part[1]).lower())
    require(got == kind, f"a part of the type {kind}", got)
    size, lines = number_of(part[6]), number_of(part[lines_at])
    require(size == len(octets), f"{len(octets)} octets of {kind}", size)
    wanted = octets.count(b"\n")
    # Whether the last line counts that has no line end of its own is not said.
    require(lines in {wanted, wanted + 1}, f"{wanted} lines of {kind}", lines)


@IMAP.case("imap/fetch/12", rfc=3501, section="6.4.5", level=MUST, implied=True)
async def a_message_may_have_no_body(env: ImapEnvironment) -> None:
    """The BODY[TEXT] of a message with an empty body is an empty string, of 0 octets."""
    session = await env.selected(ONLY_HEADER)
    answer = await session.ok(b"FETCH 1 (BODYSTRUCTURE BODY.PEEK[TEXT] BODY.PEEK[HEADER])")
    header, body = text_in(answer, 1, b"HEADER]"), text_in(answer, 1, b"TEXT]")
    require(header + body == ONLY_HEADER, "the whole message in header and text", header + body)
    structure = item(answer, 1, b"BODYSTRUCTURE")
    check_structure(structure)
    size = number_of(listed(structure, "a part", least=7)[6])
    require(size == len(body), f"a body of {len(body)} octets in BODYSTRUCTURE", size)
    # The grammar allows NIL, though there is a text, of no octets.
    value = item(answer, 1, b"BODY[TEXT]")
    require(value is not None, "an empty string as BODY[TEXT]", "NIL", lenient=True)


# Envelopes


@IMAP.case("imap/envelope/1", rfc=3501, section="7.4.2", level=MUST)
async def sender_and_reply_to_default_to_from(env: ImapEnvironment) -> None:
    """Without the fields Sender and Reply-To, these are in ENVELOPE what From is."""
    session = await env.selected(FEW_FIELDS)
    value = item(await session.ok(b"FETCH 1 (ENVELOPE)"), 1, b"ENVELOPE")
    check_envelope(value)
    _, _, from_, sender, reply_to, *_ = listed(value, "an envelope")
    wanted = [b"Ann", b"", b"ann", b"example.org"]
    addresses = exactly(from_, 1, "one address in From")
    got = [octets_of(part) for part in listed(addresses[0], "an address")]
    require(got == wanted, f"the address {wanted}", got)
    require(sender == from_, "the address of From as the sender", sender)
    require(reply_to == from_, "the address of From as the reply-to", reply_to)


@IMAP.case("imap/envelope/2", rfc=3501, section="7.4.2", level=MUST, implied=True)
async def absent_fields_are_nil(env: ImapEnvironment) -> None:
    """Absent Subject, In-Reply-To and Message-ID fields are NIL in ENVELOPE."""
    session = await env.selected(FEW_FIELDS)
    value = item(await session.ok(b"FETCH 1 (ENVELOPE)"), 1, b"ENVELOPE")
    check_envelope(value)
    envelope = listed(value, "an envelope")
    for name, place in (("subject", 1), ("in-reply-to", 8), ("message-id", 9)):
        require(envelope[place] is None, f"NIL as the {name}", repr(envelope[place]))


@IMAP.case("imap/envelope/3", rfc=3501, section="7.4.2", level=MUST, implied=True)
async def groups_are_marked(env: ImapEnvironment) -> None:
    """A group of addresses begins with an entry without host, and ends with an empty entry."""
    grouped = message("group").replace(
        b"To: joe@example.org", b"To: Friends: bob@example.com, eve@example.net;"
    )
    session = await env.selected(grouped)
    value = item(await session.ok(b"FETCH 1 (ENVELOPE)"), 1, b"ENVELOPE")
    check_envelope(value)
    entries = listed(listed(value, "an envelope")[5], "the addresses of To")
    got = [tuple(part for part in listed(entry, "an address")[2:]) for entry in entries]
    wanted = [(b"Friends", None), (b"bob", b"example.com"), (b"eve", b"example.net"), (None, None)]
    require(got == wanted, f"mailboxes and hosts {wanted}", got)
