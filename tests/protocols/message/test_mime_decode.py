"""Texts are decoded completely or not at all, and a message keeps its meaning."""

from __future__ import annotations

import quopri
from base64 import encodebytes
from email import message_from_bytes, policy
from email.message import EmailMessage
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.message.header import Field, HeaderScanner
from mailhaul.protocols.message.mime_decode import MAX_DEPTH, MAX_PARTS, WINDOW, MimeDecoder

MIME = b"MIME-Version: 1.0\r\n"


def decoded(*pieces: bytes, window: int = WINDOW) -> bytes:
    """Return the whole message as it is forwarded."""
    scanner = HeaderScanner()
    decoder: MimeDecoder | None = None
    passed = b""
    for piece in pieces:
        if decoder is None:
            scanner.feed(piece)
            if scanner.complete:
                decoder = MimeDecoder(scanner.fields, window)
                decoder.feed(scanner.rest)
        elif decoder.ready:
            passed += piece
        else:
            decoder.feed(piece)
    if decoder is None:
        scanner.finish()
        decoder = MimeDecoder(scanner.fields, window)
        decoder.feed(scanner.rest)
    decoder.finish()
    header = b"".join(field.raw for field in scanner.fields) + scanner.separator
    return b"".join((*decoder.result(header), passed))


def text(encoding: bytes, body: bytes, kind: bytes = b"text/plain; charset=utf-8") -> bytes:
    fields = b"Content-Type: %b\r\nContent-Transfer-Encoding: %b\r\n" % (kind, encoding)
    return fields + b"\r\n" + body


def message(*parts: bytes, kind: bytes = b"mixed", boundary: bytes = b"b") -> bytes:
    return MIME + multipart(*parts, kind=kind, boundary=boundary)


def multipart(*parts: bytes, kind: bytes = b"mixed", boundary: bytes = b"b") -> bytes:
    delimited = b"".join(b"--%b\r\n%b\r\n" % (boundary, part) for part in parts)
    header = b'Content-Type: multipart/%b; boundary="%b"\r\n\r\n' % (kind, boundary)
    return header + delimited + b"--%b--\r\n" % boundary


QP = text(b"quoted-printable", b"Gr=C3=BC=C3=9Fe =\r\naus K=C3=B6ln=20\r\n")
QP_DECODED = text(b"8bit", "Grüße aus Köln \r\n".encode())
BASE64 = text(b"base64", encodebytes("Grüße\r\naus Köln\r\n".encode()).replace(b"\n", b"\r\n"))
BASE64_DECODED = text(b"8bit", "Grüße\r\naus Köln\r\n".encode())
IMAGE = text(b"base64", b"AAAA\r\n", b"image/png")
WIDER = b"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n--b"


def leaves(text: bytes) -> list[tuple[str, bytes]]:
    """Return what a mail reader finds: each part that is not a multipart, decoded."""
    found: list[tuple[str, bytes]] = []
    for part in message_from_bytes(text, policy=policy.compat32).walk():
        content = part.get_payload(decode=True)
        if isinstance(content, bytes):
            found.append((part.get_content_type(), content.replace(b"\r\n", b"\n")))
    return found


@pytest.mark.parametrize(
    ("encoded", "plain"),
    [
        (QP, QP_DECODED),
        (BASE64, BASE64_DECODED),
        (QP.replace(b"quoted-printable", b"Quoted-Printable (x)"), QP_DECODED),
        (text(b"quoted-printable", b"a=3Db \t\r\n"), text(b"7bit", b"a=b\r\n")),
        (text(b"quoted-printable", b"a=0D=0Ab=0Ac"), text(b"7bit", b"a\r\nb\r\nc")),
        (text(b"quoted-printable", b"a=c3=bc="), text(b"8bit", b"a\xc3\xbc")),
        (text(b"base64", b"Zm9vCmJhcgo=\r\n"), text(b"7bit", b"foo\r\nbar\r\n")),
        (text(b"base64", b"Zm 9v"), text(b"7bit", b"foo")),
        (text(b"base64", b"Zm9v", b"TEXT/HTML"), text(b"7bit", b"foo", b"TEXT/HTML")),
    ],
)
def test_a_text_is_decoded_with_its_encoding_field(encoded: bytes, plain: bytes) -> None:
    assert decoded(MIME + encoded) == MIME + plain


def test_decoded_lines_end_like_those_of_the_message() -> None:
    assert decoded((MIME + BASE64).replace(b"\r\n", b"\n")) == (MIME + BASE64_DECODED).replace(
        b"\r\n", b"\n"
    )


def test_encoded_words_of_the_header_are_decoded_for_any_body() -> None:
    assert decoded(b"Subject: =?utf-8?q?=C3=BC?=\r\n\r\n=?utf-8?q?=C3=BC?=") == (
        b"Subject: \xc3\xbc\r\n\r\n=?utf-8?q?=C3=BC?="
    )


def test_only_the_texts_of_a_multipart_are_decoded() -> None:
    found = decoded(message(QP, IMAGE, BASE64))
    expected = message(QP_DECODED, IMAGE, BASE64_DECODED)
    assert found == expected.replace(b"\r\n\r\n--b", WIDER, 1)


def test_all_enclosing_multiparts_declare_the_new_encoding() -> None:
    inner = multipart(QP, kind=b"alternative", boundary=b"inner")
    assert decoded(message(b"X: y\r\n\r\npre", inner)).count(b"Encoding: 8bit\r\n") == 3
    plain = text(b"base64", b"Zm9v")
    assert b"8bit" not in decoded(message(multipart(plain, boundary=b"inner")))
    labelled = message(QP).replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: 7bit\r\n\r\n", 1)
    assert decoded(labelled) == message(QP_DECODED).replace(b"\r\n\r\n--b", WIDER, 1)


KEPT = {
    "no MIME": QP,
    "two versions": MIME + MIME + QP,
    "plain": MIME + text(b"8bit", b"=3D"),
    "unknown encoding": MIME + text(b"uuencode", b"=3D"),
    "two encodings": MIME + b"Content-Transfer-Encoding: base64\r\n" + QP,
    "two types": MIME + b"Content-Type: text/html\r\n" + QP,
    "two charsets": MIME + text(b"base64", b"Zm9v", b"text/plain; charset=a; charset=b"),
    "odd type": MIME + text(b"base64", b"Zm9v", b"text/plain charset=utf-8"),
    "no type": MIME + b"Content-Transfer-Encoding: base64\r\n\r\nZm9v",
    "wide charset": MIME + text(b"base64", b"Zm9v", b"text/plain; charset=UTF-16LE"),
    "file": MIME + b"Content-Disposition: attachment; filename=x\r\n" + QP,
    "no text": MIME + IMAGE,
    "bad escape": MIME + text(b"quoted-printable", b"a=3Db=ZZ"),
    "half escape": MIME + text(b"quoted-printable", b"a=3Db=3"),
    "bad base64": MIME + text(b"base64", b"Zm9v!"),
    "cut base64": MIME + text(b"base64", b"Zm9"),
    "two base64": MIME + text(b"base64", b"Zm8=\r\nZm8=\r\n"),
    "NUL": MIME + text(b"base64", b"AGZv"),
    "bare CR": MIME + text(b"quoted-printable", b"a=0Db"),
    "bare CR as it is": MIME + text(b"quoted-printable", b"a\rb"),
    "long line": MIME + text(b"quoted-printable", b"xxxxxxxxx=\r\n" * 111),
    "signed": message(QP, QP, kind=b"signed"),
    "encrypted": message(QP, QP, kind=b"encrypted"),
    "inside of signed": message(multipart(QP, kind=b"signed", boundary=b"c")),
    "another message": message(b"Content-Type: message/rfc822\r\n\r\n" + MIME + QP),
    "encoded multipart": message(QP).replace(
        b"Content", b"Content-Transfer-Encoding: base64\r\nContent", 1
    ),
    "no boundary": message(QP).replace(b'; boundary="b"', b""),
    "odd boundary": message(QP, boundary=b"a b"),
    "long boundary": message(QP, boundary=b"x" * 71),
    "unclosed": message(QP).replace(b"--b--", b""),
    "behind the end": message(IMAGE) + b"\r\n--b\r\n" + QP + b"\r\n--b--\r\n",
    "forged delimiter": message(text(b"quoted-printable", b"a\r\n=2D-b\r\nc")),
    "forged delimiter at the start": message(text(b"base64", b"LS1iLS0NCg==")),
    "forged outer delimiter": message(
        multipart(text(b"quoted-printable", b"=2D-bcd\r\n"), boundary=b"inner")
    ),
    "many parts": message(*[QP] * (MAX_PARTS + 1)),
    "empty": MIME + text(b"base64", b""),
    "a line that is no field": message(b"--c\r\n" + QP),
    "a blank before a colon": message(b"X : y\r\n" + QP),
    "a NUL in a name": message(b"X\0: y\r\n" + QP),
    "a bare CR in a field": message(b"X: y\rz\r\n" + QP),
    "a fold of blanks": message(b"X: y\r\n \t\r\n" + QP),
    "a delimiter behind a bare CR": message(text(b"7bit", b"\r--b\r\n"), QP),
    "nothing between delimiters": message(b"").replace(b"--b\r\n\r\n", b"--b\r\n--b\r\n"),
    "header only": MIME + b"Content-Type: text/plain",
}


@pytest.mark.parametrize("case", KEPT)
def test_in_doubt_nothing_is_changed(case: str) -> None:
    assert decoded(KEPT[case]) == KEPT[case]


def test_a_decoded_line_may_have_the_maximum_length() -> None:
    assert decoded(MIME + text(b"quoted-printable", b"x=\r\n" * 998)) == (
        MIME + text(b"7bit", b"x" * 998)
    )


def test_multiparts_are_decoded_up_to_the_maximum_depth() -> None:
    deep = QP
    for level in range(MAX_DEPTH - 1):
        deep = multipart(deep, boundary=b"level%d" % level)
    assert b"quoted" not in decoded(message(deep))
    deeper = message(multipart(deep, boundary=b"c"))
    assert decoded(deeper) == deeper


def test_a_delimiter_of_a_longer_boundary_does_not_match_a_shorter_one() -> None:
    inner = multipart(QP, IMAGE, boundary=b"bb")
    assert decoded(message(inner, QP)).count(b"Gr\xc3\xbc\xc3\x9fe") == 2


def test_parts_complete_within_the_window_are_decoded_and_the_rest_is_unchanged() -> None:
    large = text(b"base64", b"AAAA\r\n" * (WINDOW // 6), b"image/png")
    assert decoded(message(QP, large, QP)) == message(QP_DECODED, large, QP).replace(
        b"\r\n\r\n--b", WIDER, 1
    )
    cut = MIME + text(b"quoted-printable", b"=3D\r\n" * (WINDOW // 4))
    assert decoded(cut) == cut


def test_a_delimiter_cut_by_the_window_is_not_recognized() -> None:
    whole = message(QP, IMAGE)
    body = whole[whole.find(b"--b") :]
    forged = whole.replace(b"\r\n--b\r\n", b"\r\n--bc\r\n--b\r\n")
    seen = body.rfind(b"--b\r\n") + len(b"--b\r\n")
    for window in range(len(body) + 9):
        found = decoded(whole, window=window)
        assert (found != whole) == (window >= seen)
        assert leaves(found) == leaves(whole)
        assert leaves(decoded(forged, window=window)) == leaves(forged)


def test_no_more_than_the_window_is_held() -> None:
    decoder = MimeDecoder(fields_of(MIME + QP))
    fed = 0
    while not decoder.ready:
        decoder.feed(b"x" * 4096)
        fed += 4096
    assert fed == WINDOW + 4096


def test_a_message_that_cannot_be_decoded_is_not_held() -> None:
    assert MimeDecoder(fields_of(MIME + IMAGE)).ready
    assert MimeDecoder(fields_of(QP)).ready


def fields_of(text: bytes) -> list[Field]:
    scanner = HeaderScanner()
    scanner.feed(text)
    return scanner.fields


LINES = st.lists(
    st.sampled_from(
        [
            *(b"--b\r\n", b"--b--\r\n", b"--c\r\n", b"--c--\r\n", b"\r\n", b"\n", b"=\r\n", b"=3D"),
            *(b"=", b"Zm9v\r\n", b"x", b"\xfc", b"=2D-b\r\n", b"\0", b"\r", b"--bc\r\n"),
            *(QP, BASE64, IMAGE, b'Content-Type: multipart/mixed; boundary="c"\r\n\r\n'),
            *(b"Content-Type: text/plain\r\n", b"Content-Transfer-Encoding: base64\r\n"),
        ]
    ),
    max_size=20,
).map(b"".join)
STARTS = st.sampled_from([MIME + QP, MIME + BASE64, message(QP, IMAGE), message(), b"x"])


@given(STARTS, LINES, st.lists(st.integers(0, 900), max_size=6), st.integers(20, 400))
def test_the_result_is_the_same_for_any_split(
    start: bytes, lines: bytes, cuts: list[int], window: int
) -> None:
    whole = start + lines
    places = [0, *sorted(cuts), len(whole)]
    pieces = [whole[a:b] for a, b in pairwise(places)]
    assert decoded(*pieces, window=window) == decoded(whole, window=window)


@given(st.lists(st.sampled_from([QP, BASE64, IMAGE]) | LINES, max_size=5), st.booleans())
def test_a_reader_finds_the_same_parts_as_before(parts: list[bytes], nested: bool) -> None:
    body = multipart(*parts, boundary=b"c") if nested else b"".join(parts)
    whole = message(body, QP)
    assert leaves(decoded(whole)) == leaves(whole)


@given(st.binary(max_size=400))
def test_any_bytes_give_a_result(text: bytes) -> None:
    decoded(MIME + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + text)
    decoded(MIME + b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n" + text)
    decoded(text)


TEXTS = st.text("aß =.-\n", max_size=200).map(str.encode)


@given(TEXTS)
def test_text_encoded_by_the_library_is_decoded(content: bytes) -> None:
    for encoding, encode in ((b"quoted-printable", quopri.encodestring), (b"base64", encodebytes)):
        encoded = encode(content).replace(b"\n", b"\r\n")
        label = b"7bit" if content.isascii() else b"8bit"
        if encoded:
            expected = MIME + text(label, content.replace(b"\n", b"\r\n"))
            assert decoded(MIME + text(encoding, encoded)) == expected


def test_a_message_made_by_the_library_keeps_its_content() -> None:
    mail = EmailMessage(policy=policy.SMTP)
    mail["Subject"] = "Grüße"
    mail.set_content("Grüße aus Köln\n", cte="quoted-printable")
    mail.add_alternative("<p>Grüße</p>\n", subtype="html", cte="base64")
    found = message_from_bytes(decoded(mail.as_bytes()), policy=policy.default)
    assert found["Content-Transfer-Encoding"] == "8bit"
    assert isinstance(found, EmailMessage)
    plain, html = found.iter_parts()
    assert (plain.get_content(), html.get_content()) == ("Grüße aus Köln\r\n", "<p>Grüße</p>\r\n")
