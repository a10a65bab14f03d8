"""A header is found and split into fields in any stream of bytes, and no byte is lost."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailhaul.protocols.dots import LINE_END
from mailhaul.protocols.errors import LocalProtocolError
from mailhaul.protocols.limits import DEFAULT_LIMITS
from mailhaul.protocols.message import header
from mailhaul.protocols.message.header import Field, HeaderScanner

PIECES = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b"A", b"From ", b"\0", b"\xff"]),
    max_size=30,
).map(b"".join)


def scanned(chunks: list[bytes], limit: int = 1 << 20) -> HeaderScanner:
    """Feed chunks until the header is complete; append the other chunks to ``rest``."""
    scanner = HeaderScanner(limit)
    for position, chunk in enumerate(chunks):
        scanner.feed(chunk)
        if scanner.complete:
            scanner.rest += b"".join(chunks[position + 1 :])
            return scanner
    scanner.finish()
    return scanner


def facts(scanner: HeaderScanner) -> tuple[bool, list[bytes], bytes, bytes]:
    raws = [field.raw for field in scanner.fields]
    return scanner.opaque, raws, scanner.separator, scanner.rest


def cut(text: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({min(place, len(text)) for place in cuts})
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


@example(b"\r\r\r\r\n\n", [], 4)
@given(PIECES, st.lists(st.integers(0, 60), max_size=6), st.sampled_from([4, 10, 1000]))
def test_any_bytes_give_the_same_pieces_for_any_split_and_none_is_lost(
    text: bytes, cuts: list[int], limit: int
) -> None:
    scanner = scanned(cut(text, cuts), limit)
    opaque, raws, separator, rest = facts(scanner)
    assert scanner.complete
    assert b"".join([*raws, separator, rest]) == text
    assert facts(scanned([text], limit)) == (opaque, raws, separator, rest)
    assert facts(scanned([bytes((b,)) for b in text], limit)) == (opaque, raws, separator, rest)
    assert separator in {b"", b"\n", b"\r", b"\r\n", b"\r\r\n"}
    assert sum(map(len, raws)) <= limit
    assert opaque == (header_octets(text) > limit)


def header_octets(text: bytes) -> int:
    """Count, line by line, the octets before the first blank line."""
    size = 0
    for found in LINE_END.finditer(text):
        if found.start() == size:
            return size
        size = found.end()
    return len(text)


ENDS = [b"\n", b"\r\n", b"\r", b"\r\r\n"]


@pytest.mark.parametrize(
    "blank",
    # CR and LF together are one line end.
    [a + b for a in ENDS for b in ENDS if not (a == b"\r" and b in {b"\n", b"\r\n"})],
)
def test_the_first_blank_line_ends_the_header_whatever_its_line_ends(blank: bytes) -> None:
    scanner = scanned([b"A: 1\r\nB: 2" + blank + b"body\n\nmore"])
    assert [field.name for field in scanner.fields] == [b"A", b"B"]
    assert scanner.rest == b"body\n\nmore"
    assert scanner.size == len(b"A: 1\r\nB: 2" + blank)


def test_a_bare_cr_ends_a_line_of_the_header() -> None:
    scanner = scanned([b"Return-Path: <a@b>\rFrom: a@b\r folded\r\rThe text.\r"])
    raws = [b"Return-Path: <a@b>\r", b"From: a@b\r folded\r"]
    assert facts(scanner) == (False, raws, b"\r", b"The text.\r")


def test_cr_cr_lf_is_not_a_blank_line() -> None:
    scanner = scanned([b"A: 1\r\r\nB: 2\r\r\n\r\r\nbody\r\r\n"])
    raws = [b"A: 1\r\r\n", b"B: 2\r\r\n"]
    assert facts(scanner) == (False, raws, b"\r\r\n", b"body\r\r\n")


def test_folded_lines_belong_to_their_field() -> None:
    scanner = scanned([b"A: 1\r\n  2\r\n\t3\r\n \r\nB: 4\r\n\r\n"])
    assert [field.raw for field in scanner.fields] == [b"A: 1\r\n  2\r\n\t3\r\n \r\n", b"B: 4\r\n"]


@pytest.mark.parametrize("text", [b"\r\nbody", b"\nbody", b"", b"\r\n"])
def test_a_message_without_header_has_no_fields(text: bytes) -> None:
    assert scanned([bytes((byte,)) for byte in text]).fields == []


@pytest.mark.parametrize(
    ("raw", "name", "body"),
    [
        (b"Subject: hi\r\n", b"Subject", b" hi\r\n"),
        (b"SUBJECT \t: hi\n", b"SUBJECT", b" hi\n"),
        (b"Sub\0ject: h\0i\n", b"Subject", b" hi\n"),
        (b"A::b\n", b"A", b":b\n"),
        (b"A:\n", b"A", b"\n"),
        (b"no colon\r\n", b"", b""),
        (b"From ann@example.org Mon Mar  2 10:00:00 2020\n", b"", b""),
        (b" continued: nothing\n", b"", b""),
        (b"word\n folded: colon\n", b"", b""),
        (b": no name\n", b"", b""),
        (b"Na\xc3\xafve: x\n", b"", b""),
        (b"\n", b"", b""),
    ],
)
def test_name_and_body_of_a_line(raw: bytes, name: bytes, body: bytes) -> None:
    field = Field(raw)
    assert (field.name, field.body) == (name, body)
    assert field.key == name.lower()


@pytest.mark.parametrize(
    ("text", "line_end"),
    [
        (b"A: 1\r\nB: 2\n\n", b"\r\n"),
        (b"A: 1\nB: 2\r\n\r\n", b"\n"),
        (b"\nbody\r\n", b"\n"),
        (b"\r\nbody\n", b"\r\n"),
        (b"A: 1\rB: 2\r\rbody", b"\r\n"),
        (b"A: 1\rB: 2\n\nbody", b"\r\n"),
        (b"A: no line end", b"\r\n"),
        (b"", b"\r\n"),
    ],
)
def test_the_first_line_determines_the_line_end(text: bytes, line_end: bytes) -> None:
    assert scanned([text]).line_end == line_end


def test_an_opaque_header_still_determines_the_line_end() -> None:
    assert scanned([b"A: 1\nB: 2\n\n"], limit=5).line_end == b"\n"
    assert scanned([b"A: 1\nB: 2\n\n"], limit=5).size == 0


def test_one_octet_over_the_limit_is_too_long_even_at_the_end_of_the_message() -> None:
    assert not scanned([b"A: 123"], limit=6).opaque
    scanner = scanned([b"A: 1234"], limit=6)
    assert facts(scanner) == (True, [], b"", b"A: 1234")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (b"A: 1\nB: 2\n\n", 2),
        (b"A: 1\n 1\n\t1\nB: 2", 2),
        (b" A\n\n", 1),
        (b"A: 1\n B", 1),
        (b"\nbody", 0),
        (b"", 0),
    ],
)
def test_a_header_with_too_many_fields_is_not_split(text: bytes, count: int) -> None:
    enough = HeaderScanner(max_fields=count)
    enough.feed(text)
    enough.finish()
    assert (enough.opaque, len(enough.fields)) == (False, count)
    few = HeaderScanner(max_fields=count - 1)
    few.feed(text)
    few.finish()
    assert (few.complete, facts(few)) == (True, (True, [], b"", text))


@given(PIECES)
def test_the_field_count_matches_the_split_fields(text: bytes) -> None:
    assert header.count_fields(text) == len(header.split_fields(text))


def test_the_default_limits_are_those_of_the_table() -> None:
    longest = b"A: " + b"x" * (DEFAULT_LIMITS.header - 4) + b"\n"
    most = b":\n" * DEFAULT_LIMITS.header_fields
    for text, more in ((longest, b"x" + longest), (most, b":\n" + most)):
        for header_text, opaque in ((text, False), (more, True)):
            scanner = HeaderScanner()
            scanner.feed(header_text + b"\nbody")
            assert scanner.opaque is opaque


def test_a_megabyte_of_tiny_fields_is_not_split() -> None:
    scanner = scanned([b":\n" * 500_000 + b"\nbody"])
    assert (scanner.opaque, scanner.size, scanner.fields) == (True, 0, [])


def test_the_repr_of_a_field_shows_no_text() -> None:
    assert "private" not in repr(Field(b"Subject: private\r\n"))


def test_the_body_is_not_parsed_as_header() -> None:
    scanner = HeaderScanner()
    scanner.feed(b"A: 1\n\n")
    with pytest.raises(LocalProtocolError):
        scanner.feed(b"body")
    scanner.finish()
    assert scanner.rest == b""


def test_five_thousand_fields_and_a_field_of_100_kb_are_all_found() -> None:
    fields = [b"X-%d: value\r\n" % number for number in range(5000)]
    fields.append(b"X-Long: " + b"a" * 100_000 + b"\r\n")
    fields.append(b"X-Folded: 1\r\n" + b" fold\r\n" * 3000)
    scanner = scanned([b"".join(fields) + b"\r\nbody"])
    assert [field.raw for field in scanner.fields] == fields
    assert scanner.rest == b"body"


def test_no_byte_is_searched_more_than_three_times_however_it_arrives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at = 0
    search = header.find_blank_line

    def counted(data: bytearray, start: int, stop: int) -> tuple[int, int] | None:
        nonlocal looked_at
        looked_at += len(data) - start
        return search(data, start, stop)

    monkeypatch.setattr(header, "find_blank_line", counted)
    text = b"X-Field: value\r\n" * 500 + b"\r\n"
    scanner = scanned([bytes((byte,)) for byte in text])
    assert len(scanner.fields) == 500
    assert looked_at <= 3 * len(text)
