"""Messages taken apart for an IMAP client: octets stay what they are."""

from __future__ import annotations

from typing import Any

import pytest

from mailhaul.flows.serve.mime import Part, section_of, structure_of

NESTED = (
    b'Subject: outer\r\nContent-Type: multipart/mixed; boundary="a b"\r\n\r\n'
    b"preamble\r\n--a b\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n"
    b"--in\r\n\r\nplain\r\n--in\r\nContent-Type: text/html\r\n\r\n<p>\r\n--in--\r\n"
    b"--a b\r\nContent-Disposition: attachment; filename=x.bin\r\n"
    b"Content-Transfer-Encoding: base64\r\nContent-Type: application/octet-stream\r\n\r\n"
    b"AAEC\r\n\r\n--a b--\r\nepilogue\r\n"
)


@pytest.mark.parametrize(
    ("section", "text"),
    [
        (b"1.1", b"plain"),
        (b"1.2", b"<p>"),
        (b"1.2.MIME", b"Content-Type: text/html\r\n\r\n"),
        (b"2", b"AAEC\r\n"),
        (b"3", None),
        (b"1.3", None),
        (b"2.1", None),
        (b"1.1.HEADER", None),
        (b"HEADER.FIELDS (SUBJECT)", b"Subject: outer\r\n\r\n"),
        (b"NONSENSE", None),
        (b"", NESTED),
    ],
)
def test_a_section_is_cut_out_as_it_is(section: bytes, text: bytes | None) -> None:
    assert section_of(Part(NESTED), section) == text


def test_fields_can_be_left_out() -> None:
    header = section_of(Part(b"A: 1\r\nB: 2\r\n 2\r\nC: 3\r\n\r\ntext"), b"HEADER.FIELDS.NOT (B)")
    assert header == b"A: 1\r\nC: 3\r\n\r\n"


def test_the_structure_says_what_is_attached() -> None:
    structure: Any = structure_of(Part(NESTED), extended=True)
    alternative, attachment, kind = structure[:3]
    assert (kind, alternative[2]) == (b"mixed", b"alternative")
    assert attachment[:2] == [b"application", b"octet-stream"]
    assert attachment[6] == b"6"
    assert attachment[8] == [b"attachment", [b"filename", b"x.bin"]]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"no header at all",
        b"Content-Type: multipart/mixed\r\n\r\nno boundary\r\n",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\nno such line\r\n",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x",
        b"Content-Type: message/rfc822\r\n\r\n" * 50,
        b"\xff\0: \xfe\r\n\r\n",
    ],
)
def test_what_is_no_proper_message_has_a_structure_all_the_same(text: bytes) -> None:
    structure: Any = structure_of(Part(text), extended=True)
    assert structure
    assert section_of(Part(text), b"") == text
