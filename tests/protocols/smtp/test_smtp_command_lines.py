"""Command lines: what a client refuses to send, and what a server parses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.errors import LocalProtocolError
from mailhaul.protocols.limits import DEFAULT_LIMITS
from mailhaul.protocols.smtp.command_lines import encode_command, parse_command
from mailhaul.protocols.smtp.commands import (
    Bdat,
    Command,
    Data,
    Ehlo,
    Etrn,
    Expn,
    Heard,
    Helo,
    Help,
    Mail,
    Malformed,
    Noop,
    Quit,
    Rcpt,
    Rset,
    StartTls,
    Unrecognized,
    Vrfy,
)

ALL = (b"SIZE", b"8BITMIME", b"SMTPUTF8", b"PIPELINING")
MORE = (*ALL, b"CHUNKING", b"BINARYMIME", b"DSN", b"AUTH", b"ETRN")


def encode(command: Command, extensions: tuple[bytes, ...] = ALL, lmtp: bool = False) -> bytes:
    return encode_command(command, extensions, lmtp=lmtp)


def parse(line: bytes, extensions: tuple[bytes, ...] = ALL, lmtp: bool = False) -> Heard:
    return parse_command(line, extensions, DEFAULT_LIMITS, lmtp=lmtp)


@pytest.mark.parametrize(
    ("command", "extensions", "line"),
    [
        (Ehlo(b"host.example.org"), (), b"EHLO host.example.org"),
        (Ehlo(b"[127.0.0.1]"), (), b"EHLO [127.0.0.1]"),
        (Helo(b"host"), (), b"HELO host"),
        (Mail(b""), ALL, b"MAIL FROM:<>"),
        (Mail(b"a@x", 5, b"8BITMIME"), ALL, b"MAIL FROM:<a@x> SIZE=5 BODY=8BITMIME"),
        (Mail(b"a@x", 0, b"8BITMIME"), (b"SIZE",), b"MAIL FROM:<a@x> SIZE=0"),
        (Mail(b"a@x", 5, b"7BIT"), (b"8BITMIME",), b"MAIL FROM:<a@x> BODY=7BIT"),
        (Mail(b"a@x", 5, b"8BITMIME"), (), b"MAIL FROM:<a@x>"),
        (Mail("ä@x".encode()), ALL, "MAIL FROM:<ä@x> SMTPUTF8".encode()),
        (Mail(b"a@x", utf8=True), ALL, b"MAIL FROM:<a@x> SMTPUTF8"),
        (Rcpt(b'"a b\\" c"@x'), (), b'RCPT TO:<"a b\\" c"@x>'),
        (Data(), (), b"DATA"),
        (Rset(), (), b"RSET"),
        (Noop(), (), b"NOOP"),
        (Quit(), (), b"QUIT"),
        (StartTls(), (), b"STARTTLS"),
        (Mail(b"a@x", body=b"BINARYMIME"), MORE, b"MAIL FROM:<a@x> BODY=BINARYMIME"),
        (
            Mail(b"a@x", ret=b"HDRS", envid=b"a+b c"),
            MORE,
            b"MAIL FROM:<a@x> RET=HDRS ENVID=a+2Bb+20c",
        ),
        (Mail(b"a@x", ret=b"HDRS", envid=b"a", auth=b"b@x"), ALL, b"MAIL FROM:<a@x>"),
        (Mail(b"a@x", auth=b""), MORE, b"MAIL FROM:<a@x> AUTH=<>"),
        (Mail(b"a@x", auth=b"b=c@x"), MORE, b"MAIL FROM:<a@x> AUTH=b+3Dc@x"),
        (
            Rcpt(b"a@x", (b"FAILURE", b"DELAY"), b"rfc822;b=c@x"),
            MORE,
            b"RCPT TO:<a@x> NOTIFY=FAILURE,DELAY ORCPT=rfc822;b+3Dc@x",
        ),
        (Rcpt(b"a@x", (b"NEVER",), b"rfc822;b@x"), ALL, b"RCPT TO:<a@x>"),
        (Bdat(0, last=True), MORE, b"BDAT 0 LAST"),
        (Bdat(12), MORE, b"BDAT 12"),
        (Etrn(b"example.org"), (), b"ETRN example.org"),
        (Vrfy(b"joe doe"), (), b"VRFY joe doe"),
        (Expn(b"staff"), (), b"EXPN staff"),
        (Help(), (), b"HELP"),
    ],
)
def test_only_announced_parameters_are_sent(
    command: Command, extensions: tuple[bytes, ...], line: bytes
) -> None:
    assert encode(command, extensions) == line


def test_lmtp_sends_lhlo_and_never_helo() -> None:
    assert encode(Ehlo(b"host"), lmtp=True) == b"LHLO host"
    with pytest.raises(LocalProtocolError, match="HELO"):
        encode(Helo(b"host"), lmtp=True)


EVIL = [
    *(b"a\r\nRCPT TO:<b@x>", b"a\nb", b"a\rb", b"a\0b", b"a@x> SIZE=1", b"<a@x>", b"a b@x"),
    *(b'"a@x', b'a"b c', b"a\tb", b"a\x7f@x", b"a@x SIZE=9", b'"a\r\nb"@x', b"\xff@x"),
]


@pytest.mark.parametrize("address", EVIL)
def test_an_address_cannot_become_a_command_or_a_parameter(address: bytes) -> None:
    for command in (Mail(address), Rcpt(address)):
        with pytest.raises(LocalProtocolError):
            encode(command)


@given(st.binary(max_size=20))
def test_any_address_arrives_unchanged_at_the_server(address: bytes) -> None:
    try:
        line = encode(Rcpt(address))
    except LocalProtocolError:
        return
    if not address.startswith(b"@"):
        assert parse(line) == Rcpt(address)


@pytest.mark.parametrize(
    "command",
    [
        *(Ehlo(b""), Ehlo(b"a b"), Ehlo(b"a\r\nQUIT"), Helo("ä".encode()), Rcpt(b"")),
        *(Mail(b"a@x", -1), Mail(b"a@x", body=b"8BITMIME SIZE=1")),
        *(Mail(b"a@x", ret=b"FULL SIZE=1"), Mail(b"a@x", body=b"BINARYMIME"), Bdat(5)),
        *(Etrn(b"a b"), Etrn(b""), Vrfy(b"a\r\nDATA"), Help(b"\0")),
    ],
)
def test_invalid_arguments_are_not_sent(command: Command) -> None:
    with pytest.raises(LocalProtocolError):
        encode(command)


@pytest.mark.parametrize(
    "command",
    [
        *(Rcpt(b"a@x", (b"NEVER", b"DELAY")), Rcpt(b"a@x", (b"SOON",)), Bdat(-1), Bdat(0)),
        *(Rcpt(b"a@x", (), b"rfc822 x;b@x"), Rcpt(b"a@x", (), b";b@x")),
    ],
)
def test_parameters_of_missing_extensions_are_not_sent(command: Command) -> None:
    with pytest.raises(LocalProtocolError):
        encode(command, MORE)


@given(st.binary(max_size=20))
def test_any_octets_go_through_a_parameter(octets: bytes) -> None:
    rcpt = Rcpt(b"a@x", (b"FAILURE",), b"rfc822;" + octets)
    assert parse(encode(rcpt, MORE), MORE) == rcpt
    mail = Mail(b"a@x", ret=b"FULL", envid=octets or None, auth=octets)
    assert parse(encode(mail, MORE), MORE) == mail


@pytest.mark.parametrize(
    ("line", "heard"),
    [
        (b"BDAT 5", Bdat(5)),
        (b"bdat 0 last", Bdat(0, last=True)),
        (b"ETRN example.org", Etrn(b"example.org")),
        (b"MAIL FROM:<a@x> RET=full AUTH=<>", Mail(b"a@x", ret=b"FULL", auth=b"")),
        (b"MAIL FROM:<a@x> body=binarymime", Mail(b"a@x", body=b"BINARYMIME")),
        (b"RCPT TO:<a@x> notify=never", Rcpt(b"a@x", (b"NEVER",))),
    ],
)
def test_announced_parameters_are_understood(line: bytes, heard: Heard) -> None:
    assert parse(line, MORE) == heard
    verb = line.split(b" ")[0]
    if verb in {b"MAIL", b"RCPT"}:
        assert isinstance(parse(line), Malformed)
    else:
        assert parse(line) == Unrecognized(verb.upper())


@pytest.mark.parametrize(
    ("line", "code"),
    [
        *((b"BDAT", 501), (b"BDAT x", 501), (b"BDAT -1", 501), (b"BDAT 1 FIRST", 501)),
        *((b"BDAT " + b"9" * 21, 501), (b"AUTH", 501), (b"AUTH PLAIN ?", 501), (b"ETRN", 501)),
        *((b"MAIL FROM:<a@x> RET=ALL", 501), (b"MAIL FROM:<a@x> ENVID=+zz", 501)),
        *((b"RCPT TO:<a@x> NOTIFY=NEVER,DELAY", 501), (b"RCPT TO:<a@x> X=1", 555)),
        (b"RCPT TO:<a@x> ORCPT=rfc822;+1", 501),
    ],
)
def test_a_malformed_parameter_has_a_reply_code(line: bytes, code: int) -> None:
    heard = parse(line, MORE)
    assert isinstance(heard, Malformed)
    assert heard.code == code


def test_utf8_needs_the_extension() -> None:
    for mail in (Mail("ä@x".encode()), Mail(b"a@x", utf8=True)):
        with pytest.raises(LocalProtocolError, match="6531"):
            encode(mail, (b"SIZE",))


@pytest.mark.parametrize(
    ("line", "heard"),
    [
        (b"ehlo host", Ehlo(b"host")),
        (b"HELO host ", Helo(b"host")),
        (b"mAiL fRoM:<>", Mail(b"")),
        (b"MAIL FROM: <a@x>  size=12 body=8bitmime", Mail(b"a@x", 12, b"8BITMIME")),
        (b"MAIL FROM:<@a,@b:c@x>", Mail(b"c@x")),
        (b'RCPT TO:<"a>b c"@x>', Rcpt(b'"a>b c"@x')),
        (b"RCPT TO:<Postmaster>", Rcpt(b"Postmaster")),
        (b"MAIL FROM:<a@x> SMTPUTF8", Mail(b"a@x", utf8=True)),
        (b"NOOP hello", Noop()),
        (b"data ", Data()),
        (b"VRFY bob", Vrfy(b"bob")),
        (b"expn staff", Expn(b"staff")),
        (b"HELP", Help()),
        (b"help DATA", Help(b"DATA")),
        (b"LHLO host", Unrecognized(b"LHLO")),
        (b"", Unrecognized(b"")),
    ],
)
def test_a_server_understands(line: bytes, heard: Heard) -> None:
    assert parse(line) == heard


def test_an_lmtp_server_knows_neither_ehlo_nor_helo() -> None:
    assert parse(b"LHLO host", lmtp=True) == Ehlo(b"host")
    assert parse(b"EHLO host", lmtp=True) == Unrecognized(b"EHLO")
    assert parse(b"HELO host", lmtp=True) == Unrecognized(b"HELO")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"EHLO", 501),
        (b"MAIL a@x", 501),
        (b"MAIL FROM:a@x", 501),
        (b"MAIL FROM:<a@x", 501),
        (b"MAIL FROM:<a@x>SIZE=1", 501),
        (b"MAIL FROM:<a@x> SIZE=-1", 501),
        (b"MAIL FROM:<a@x> SIZE=" + b"9" * 21, 501),
        (b"MAIL FROM:<a@x> BODY=9BIT", 501),
        (b"MAIL FROM:<a@x> XMF=1", 555),
        (b"MAIL FROM:<\xc3\xa4@x>", 550),
        (b"RCPT TO:<>", 501),
        (b"RCPT TO:<a b@x>", 501),
        (b"RCPT TO:<@a>", 501),
        (b"RCPT TO:<a@x> NOTIFY=NEVER", 555),
        (b"STARTTLS now", 501),
        (b"DATA x", 501),
        (b"NOOP a\nQUIT", 500),
        (b"NOOP a\rQUIT", 500),
        (b"NOOP \0", 500),
    ],
)
def test_a_malformed_command_has_a_reply_code(line: bytes, code: int) -> None:
    heard = parse(line)
    assert isinstance(heard, Malformed)
    assert heard.code == code


def test_parameters_count_only_when_announced() -> None:
    for parameter in (b"SIZE=1", b"BODY=7BIT", b"SMTPUTF8"):
        heard = parse(b"MAIL FROM:<a@x> " + parameter, ())
        assert isinstance(heard, Malformed)
        assert heard.code == 555


@given(st.binary(max_size=60))
def test_any_line_is_heard_as_something(line: bytes) -> None:
    for verb in (b"", b"MAIL FROM:", b"RCPT TO:<", b"EHLO "):
        assert parse(verb + line) is not None
