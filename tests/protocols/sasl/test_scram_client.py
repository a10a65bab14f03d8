"""The SCRAM client: the exchanges in the RFCs, and servers that violate the protocol."""

from __future__ import annotations

from base64 import b64decode, b64encode

import pytest

from mailhaul.protocols.errors import LocalProtocolError
from mailhaul.protocols.limits import Limits
from mailhaul.protocols.record import Record
from mailhaul.protocols.sasl.client_scram import Scram
from mailhaul.protocols.sasl.credentials import ChannelBinding
from mailhaul.protocols.sasl.errors import SaslError, SaslLimitExceeded, ScramRefused
from mailhaul.protocols.secret import Secret

PENCIL = Secret(b"pencil")


class Script(Record):
    """One exchange as printed in an RFC."""

    mechanism: bytes
    nonce: bytes
    client_first: bytes
    server_first: bytes
    client_final: bytes
    server_final: bytes


RFC_5802 = Script(
    b"SCRAM-SHA-1",
    b"fyko+d2lbbFgONRv9qkxdawL",
    b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
    b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
    b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
    b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
)
RFC_7677 = Script(
    b"SCRAM-SHA-256",
    b"rOprNGfwEbeRWgbNEkqO",
    b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
    b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
)
both = pytest.mark.parametrize("script", [RFC_5802, RFC_7677], ids=["SHA-1", "SHA-256"])


def begun(script: Script = RFC_5802, limits: Limits | None = None) -> Scram:
    scram = Scram(script.mechanism, b"user", PENCIL, script.nonce, limits=limits or Limits())
    first = scram.initial_response()
    assert first is not None
    assert first.reveal() == script.client_first
    return scram


def proved(script: Script) -> Scram:
    scram = begun(script)
    assert scram.respond(script.server_first).reveal() == script.client_final
    return scram


def complete(scram: Scram, first: bytes, final: bytes) -> None:
    """Complete an exchange that has begun."""
    scram.respond(first)
    scram.respond(final)
    scram.finish()


def first_words(
    user: bytes = b"user",
    binding: ChannelBinding | None = None,
    could_bind: bool = False,
    act_as: bytes = b"",
) -> bytes:
    scram = Scram(b"SCRAM-SHA-1", user, PENCIL, b"N", binding, could_bind, act_as)
    words = scram.initial_response()
    assert words is not None
    return words.reveal()


@both
def test_the_exchange_in_the_rfc(script: Script) -> None:
    scram = proved(script)
    assert scram.respond(script.server_final).reveal() == b""
    scram.finish()


@both
def test_the_server_proof_may_be_in_the_success_reply(script: Script) -> None:
    proved(script).finish(script.server_final)


@both
def test_success_without_the_servers_proof_is_an_error(script: Script) -> None:
    with pytest.raises(SaslError, match="before the exchange was complete"):
        proved(script).finish()


@both
def test_a_second_proof_is_an_error(script: Script) -> None:
    scram = proved(script)
    scram.respond(script.server_final)
    with pytest.raises(SaslError):
        scram.finish(script.server_final)


@both
@pytest.mark.parametrize("mask", [0x01, 0x20, 0x80])
@pytest.mark.parametrize("message", ["first", "final"])
def test_a_byte_changed_in_a_message_of_the_server_never_leads_to_success(
    script: Script, message: str, mask: int
) -> None:
    whole = script.server_first if message == "first" else script.server_final
    for place in range(len(whole)):
        changed = whole[:place] + bytes((whole[place] ^ mask,)) + whole[place + 1 :]
        first, final = (
            (changed, script.server_final) if message == "first" else (script.server_first, changed)
        )
        scram = begun(script)
        with pytest.raises(SaslError):
            complete(scram, first, final)
        with pytest.raises(SaslError):
            scram.finish()


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"r=NONCEx,s=QQ==", id="no count"),
        pytest.param(b"s=QQ==,r=NONCEx,i=4096", id="order"),
        pytest.param(b"r=NONCEx,i=4096,s=QQ==", id="order of salt and count"),
        pytest.param(b"m=ext,r=NONCEx,s=QQ==,i=4096", id="mandatory extension"),
        pytest.param(b"r=NONCEx,s=QQ==,i=4096,m=ext", id="mandatory extension at the end"),
        pytest.param(b"r=NONCE,s=QQ==,i=4096", id="nonce not continued"),
        pytest.param(b"r=nonceX,s=QQ==,i=4096", id="another nonce"),
        pytest.param(b"r=xNONCE,s=QQ==,i=4096", id="nonce behind"),
        pytest.param(b"r=NONCE\x7f,s=QQ==,i=4096", id="nonce not printable"),
        pytest.param(b"r=NONCEx,s=,i=4096", id="no salt"),
        pytest.param(b"r=NONCEx,s=Q,i=4096", id="salt not base64"),
        pytest.param(b"r=NONCEx,s=QQ==,i=04096", id="leading zero"),
        pytest.param(b"r=NONCEx,s=QQ==,i=-4096", id="negative"),
        pytest.param(b"r=NONCEx,s=QQ==,i=4095", id="too few"),
        pytest.param(b"r=NONCEx,s=QQ==,i=1", id="one"),
        pytest.param(b"r=NONCEx,s=QQ==,i=" + b"9" * 30, id="digits"),
        pytest.param(b"r=NONCEx,s=QQ==,i=4096\n", id="line end"),
        pytest.param(b"r=NONCEx,s=QQ==,i=4096,", id="empty extension"),
        pytest.param(b"v=QQ==", id="the end at the beginning"),
    ],
)
def test_an_invalid_first_message_is_an_error(message: bytes) -> None:
    scram = Scram(b"SCRAM-SHA-256", b"user", PENCIL, b"NONCE")
    scram.initial_response()
    with pytest.raises(SaslError):
        scram.respond(message)
    with pytest.raises(SaslError):
        scram.respond(b"r=NONCEx,s=QQ==,i=4096")


def test_an_excessive_iteration_count_is_refused_before_the_computation() -> None:
    scram = begun(RFC_5802, Limits(scram_iterations=5000))
    with pytest.raises(SaslLimitExceeded):
        scram.respond(RFC_5802.server_first.replace(b"4096", b"5001"))
    begun(RFC_5802, Limits(scram_iterations=4096)).respond(RFC_5802.server_first)


def test_an_extension_that_is_not_mandatory_is_ignored() -> None:
    scram = begun()
    scram.respond(RFC_5802.server_first + b",x=anything")
    with pytest.raises(SaslError, match="does not prove"):
        scram.respond(RFC_5802.server_final)  # the extension is part of the signed text
    scram = proved(RFC_5802)
    scram.respond(RFC_5802.server_final + b",x=anything")
    scram.finish()


@pytest.mark.parametrize("after", ["first", "final"])
def test_the_error_value_of_a_refusal_is_kept(after: str) -> None:
    scram = begun() if after == "first" else proved(RFC_5802)
    with pytest.raises(ScramRefused, match="invalid-proof") as caught:
        scram.respond(b"e=invalid-proof")
    assert caught.value.error == b"invalid-proof"


@pytest.mark.parametrize("message", [b"", b"v=", b"v=" + b64encode(b"x" * 20), b"e=", b"e=\x1b[m"])
def test_a_final_message_without_proof_is_an_error(message: bytes) -> None:
    with pytest.raises(SaslError, match="does not prove"):
        proved(RFC_5802).respond(message)


def test_another_encoding_of_the_correct_signature_is_not_accepted() -> None:
    other = RFC_5802.server_final.replace(b"KQ=", b"KR=")
    assert b64decode(other[2:]) == b64decode(RFC_5802.server_final[2:])
    with pytest.raises(SaslError, match="does not prove"):
        proved(RFC_5802).respond(other)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (first_words(), b"n,,n=user,r=N"),
        (first_words(could_bind=True), b"y,,n=user,r=N"),
        (
            first_words(binding=ChannelBinding(b"tls-exporter", b"x")),
            b"p=tls-exporter,,n=user,r=N",
        ),
        (first_words(b"a=b,c"), b"n,,n=a=3Db=2Cc,r=N"),
        (first_words(b"u", act_as=b"x,y"), b"n,a=x=2Cy,n=u,r=N"),
        (first_words("I\u00adX\u00aa".encode()), b"n,,n=IXa,r=N"),
    ],
)
def test_the_first_message_names_user_and_channel_binding(words: bytes, expected: bytes) -> None:
    assert words == expected


@pytest.mark.parametrize(
    ("binding", "could_bind", "header"),
    [
        (None, False, b"n,,"),
        (None, True, b"y,,"),
        (ChannelBinding(b"tls-server-end-point", b"\0hash"), False, b"p=tls-server-end-point,,"),
    ],
)
def test_the_proof_covers_the_channel_binding(
    binding: ChannelBinding | None, could_bind: bool, header: bytes
) -> None:
    scram = Scram(b"SCRAM-SHA-1", b"user", PENCIL, b"N", binding, could_bind)
    scram.initial_response()
    bound = scram.respond(b"r=Nx,s=QQ==,i=4096").reveal().split(b",")[0]
    assert b64decode(bound.removeprefix(b"c=")) == header + (binding.data if binding else b"")
    assert scram.name == (b"SCRAM-SHA-1-PLUS" if binding else b"SCRAM-SHA-1")


@pytest.mark.parametrize("nonce", [b"", b"a,b", b"a b", b"\xff", b"a\n"])
def test_an_invalid_nonce_is_a_local_error(nonce: bytes) -> None:
    with pytest.raises(LocalProtocolError, match="nonce"):
        Scram(b"SCRAM-SHA-1", b"user", PENCIL, nonce)


@pytest.mark.parametrize("binding", [ChannelBinding(b"a,b", b"x"), ChannelBinding(b"tls", b"")])
def test_an_invalid_binding_is_a_local_error(binding: ChannelBinding) -> None:
    with pytest.raises(LocalProtocolError, match="binding"):
        Scram(b"SCRAM-SHA-1", b"user", PENCIL, b"N", binding)


def test_neither_binding_nor_proof_is_shown() -> None:
    scram = proved(RFC_5802)
    assert "data" not in repr(ChannelBinding(b"tls-unique", b"data"))
    with pytest.raises(SaslError) as caught:
        scram.respond(b"v=cGVuY2ls")
    for secret in ("pencil", "cGVuY2ls", "rmF9", "v0X8"):
        assert secret not in f"{scram!r} {scram} {caught.value} {caught.value!r}"
