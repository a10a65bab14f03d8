"""The POP3 client before the transaction state: TLS, and every login method."""

from __future__ import annotations

import pytest

from mailhaul.protocols.errors import LimitExceeded, LocalProtocolError, RemoteProtocolError
from mailhaul.protocols.limits import Limits
from mailhaul.protocols.machine import NEED_DATA
from mailhaul.protocols.pop3.client import Pop3Client
from mailhaul.protocols.pop3.commands import (
    Apop,
    Capa,
    Command,
    Pass,
    Quit,
    StartTls,
    Stat,
    User,
)
from mailhaul.protocols.pop3.events import Closed, Completed, ResponseCode, TlsReady
from mailhaul.protocols.sasl.exchange import (
    Authenticate,
    CancelAuthentication,
    Challenge,
    Respond,
    encode_base64,
)
from mailhaul.protocols.secret import Secret

from .pop3_clients import ask, events_of, feed, greeted, hear, sent

PASSWORD = Secret(b"sesame")
PLAIN = Authenticate(b"PLAIN", Secret(b"\0joe\0sesame"))
LONG = Authenticate(b"PLAIN", Secret(b"\0joe\0" + b"x" * 200))


def named() -> Pop3Client:
    client = greeted(text=b"ready <1@x>")
    assert ask(client, User(b"joe"), b"+OK go on") == [Completed(User(b"joe"), True, b"go on")]
    client.data_to_send()
    return client


def logging_in(command: Command) -> Pop3Client:
    client = named() if isinstance(command, Pass) else greeted(text=b"ready <1@x>")
    client.send(command)
    client.data_to_send()
    return client


@pytest.mark.parametrize("command", [Pass(PASSWORD), Apop(b"joe", PASSWORD), PLAIN])
def test_each_login_method_leads_to_the_maildrop(command: Command) -> None:
    client = logging_in(command)
    assert client.state == "authenticating"
    assert hear(client, b"+OK in") == [Completed(command, True, b"in")]
    assert client.state == "transaction"
    client.send(Stat())


@pytest.mark.parametrize("command", [Pass(PASSWORD), Apop(b"joe", PASSWORD), PLAIN])
@pytest.mark.parametrize("code", [ResponseCode.AUTH, ResponseCode.IN_USE, ResponseCode.LOGIN_DELAY])
def test_a_refused_login_leaves_us_where_we_began(command: Command, code: ResponseCode) -> None:
    client = logging_in(command)
    refused = Completed(command, False, b"no", code)
    assert hear(client, b"-ERR [%b] no" % code.value) == [refused]
    assert client.state == "authorization"
    client.send(User(b"joe"))


def sent_together() -> Pop3Client:
    client = greeted(b"PIPELINING")
    client.send(User(b"joe"))
    client.send(Pass(PASSWORD))
    assert sent(client) == b"USER joe\r\nPASS sesame\r\n"
    return client


def test_with_pipelining_the_password_goes_along_with_the_name() -> None:
    client = sent_together()
    with pytest.raises(LocalProtocolError):
        client.send(Stat())
    assert hear(client, b"+OK go on") == [Completed(User(b"joe"), True, b"go on")]
    assert client.state == "authenticating"
    with pytest.raises(LocalProtocolError):
        client.send(Stat())
    assert hear(client, b"+OK in") == [Completed(Pass(PASSWORD), True, b"in")]
    assert client.state == "transaction"
    client.send(Stat())


def test_after_a_refused_name_the_password_sent_along_is_answered_too() -> None:
    client = sent_together()
    assert hear(client, b"-ERR who is sesame?") == [Completed(User(b"joe"), False, b"who is *?")]
    assert hear(client, b"-ERR no") == [Completed(Pass(PASSWORD), False, b"no")]
    assert client.state == "authorization"
    client.send(User(b"ann"))


def test_without_pipelining_the_password_waits_for_the_name() -> None:
    client = greeted()
    client.send(User(b"joe"))
    with pytest.raises(LocalProtocolError, match="PASS must wait for the reply to USER"):
        client.send(Pass(PASSWORD))
    assert sent(client) == b"USER joe\r\n"


def test_after_a_refused_user_no_password_is_sent() -> None:
    client = greeted()
    ask(client, User(b"joe"), b"-ERR who?")
    with pytest.raises(LocalProtocolError):
        client.send(Pass(PASSWORD))


def test_another_name_may_be_given_instead_of_the_password() -> None:
    client = named()
    ask(client, User(b"ann"), b"+OK")
    client.send(Pass(PASSWORD))
    assert sent(client) == b"USER ann\r\nPASS sesame\r\n"


def test_apop_sends_the_digest_of_the_greetings_timestamp() -> None:
    client = greeted(text=b"POP3 server ready <1896.697170952@dbc.mtview.ca.us>")
    client.send(Apop(b"mrose", Secret(b"tanstaaf")))
    assert sent(client) == b"APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n"


def test_apop_without_a_timestamp_is_refused_and_changes_nothing() -> None:
    client = greeted()
    with pytest.raises(LocalProtocolError, match="timestamp"):
        client.send(Apop(b"mrose", PASSWORD))
    assert (client.state, client.outstanding, sent(client)) == ("authorization", (), b"")


# AUTH


def test_an_exchange_goes_on_until_the_server_has_decided() -> None:
    client = logging_in(Authenticate(b"LOGIN"))
    assert hear(client, b"+ VXNlcm5hbWU6") == [Challenge(b"Username:")]
    client.send(Respond(Secret(b"joe")))
    assert sent(client) == b"am9l\r\n"
    assert hear(client, b"+ UGFzc3dvcmQ6") == [Challenge(b"Password:")]
    client.send(Respond(PASSWORD))
    assert sent(client) == b"c2VzYW1l\r\n"
    assert hear(client, b"+OK") == [Completed(Authenticate(b"LOGIN"), True)]


@pytest.mark.parametrize("line", [b"+", b"+ ", b"+   "])
def test_a_challenge_may_be_empty(line: bytes) -> None:
    client = logging_in(Authenticate(b"PLAIN"))
    assert hear(client, line) == [Challenge(b"")]
    client.send(Respond(Secret(b"")))
    assert sent(client) == b"\r\n"


def test_an_initial_response_may_follow_the_command() -> None:
    client = greeted()
    client.send(PLAIN)
    assert sent(client) == b"AUTH PLAIN AGpvZQBzZXNhbWU=\r\n"
    # Whoever asks all the same gets the mechanism's answer.
    assert hear(client, b"+ ") == [Challenge(b"")]


def test_a_long_initial_response_waits_for_a_challenge() -> None:
    client = greeted()
    client.send(LONG)
    assert sent(client) == b"AUTH PLAIN\r\n"
    assert hear(client, b"+ ") == []
    assert sent(client) == encode_base64(b"\0joe\0" + b"x" * 200) + b"\r\n"
    assert hear(client, b"+ bW9yZQ==") == [Challenge(b"more")]


def test_an_initial_response_that_was_not_requested_is_dropped() -> None:
    client = logging_in(LONG)
    hear(client, b"-ERR no")
    client.send(Authenticate(b"CRAM-MD5"))
    client.data_to_send()
    assert hear(client, b"+ PDFAeD4=") == [Challenge(b"<1@x>")]
    assert sent(client) == b""


def test_an_exchange_can_be_cancelled() -> None:
    client = logging_in(Authenticate(b"CRAM-MD5"))
    hear(client, b"+ PDFAeD4=")
    client.send(CancelAuthentication())
    assert sent(client) == b"*\r\n"
    assert hear(client, b"-ERR as you like") == [
        Completed(Authenticate(b"CRAM-MD5"), False, b"as you like")
    ]
    assert client.state == "authorization"


def test_a_server_may_refuse_while_it_waits_for_an_answer() -> None:
    client = logging_in(Authenticate(b"CRAM-MD5"))
    hear(client, b"+ PDFAeD4=", b"-ERR too slow")
    with pytest.raises(LocalProtocolError, match="no challenge"):
        client.send(Respond(PASSWORD))


@pytest.mark.parametrize("answer", [Respond(PASSWORD), CancelAuthentication()])
def test_there_is_no_answer_without_a_challenge(answer: Respond | CancelAuthentication) -> None:
    client = logging_in(Authenticate(b"CRAM-MD5"))
    with pytest.raises(LocalProtocolError, match="no challenge"):
        client.send(answer)
    hear(client, b"+ PDFAeD4=")
    client.send(answer)
    with pytest.raises(LocalProtocolError, match="no challenge"):
        client.send(answer)


def test_a_second_challenge_has_to_wait_for_the_answer_to_the_first() -> None:
    client = logging_in(Authenticate(b"CRAM-MD5"))
    with pytest.raises(RemoteProtocolError, match="before the last one was answered"):
        hear(client, b"+ PDFAeD4=", b"+ PDFAeD4=")


@pytest.mark.parametrize("line", [b"+ not base64", b"+ =", b"+ YQ", b"+ YQ==x", b"+ Y\xffQ="])
def test_a_challenge_that_is_not_base64_cancels_the_exchange(line: bytes) -> None:
    client = logging_in(Authenticate(b"CRAM-MD5"))
    client.data_to_send()
    assert hear(client, line) == []
    assert client.data_to_send() == [b"*\r\n"]
    (refused,) = hear(client, b"-ERR cancelled")
    assert isinstance(refused, Completed)
    assert not refused.positive
    client.send(Authenticate(b"CRAM-MD5"))
    assert hear(client, b"+ Zm9v") == [Challenge(b"foo")]


def test_a_challenge_after_the_exchange_was_cancelled_is_a_fault() -> None:
    client = logging_in(Authenticate(b"CRAM-MD5"))
    with pytest.raises(RemoteProtocolError, match="was cancelled"):
        hear(client, b"+ not base64", b"+ Zm9v")


def test_a_challenge_after_we_have_cancelled_is_a_fault() -> None:
    client = logging_in(Authenticate(b"CRAM-MD5"))
    hear(client, b"+ PDFAeD4=")
    client.send(CancelAuthentication())
    with pytest.raises(RemoteProtocolError, match="was cancelled"):
        hear(client, b"+ PDFAeD4=")


@pytest.mark.parametrize("line", [b"+", b"+ PDFAeD4="])
def test_a_challenge_outside_an_exchange_is_a_fault(line: bytes) -> None:
    client = logging_in(Pass(PASSWORD))
    with pytest.raises(RemoteProtocolError, match=r"PASS is neither \+OK nor -ERR"):
        hear(client, line)


def test_a_challenge_has_its_own_length_limit() -> None:
    limits = Limits(reply_line=50, sasl=100)
    challenge = b"+ " + b"QUFB" * 24
    assert len(challenge) == 98
    client = greeted(limits=limits)
    client.send(Authenticate(b"GSSAPI"))
    # 100 octets with a blank and the CR.
    assert hear(client, challenge + b" ") == [Challenge(b"AAA" * 24)]
    client.send(Respond(Secret(b"")))
    with pytest.raises(LimitExceeded) as raised:
        hear(client, challenge + b"  ")
    assert raised.value.limit == 100


# STLS


def test_starting_tls_drops_everything_announced_before() -> None:
    client = greeted(b"PIPELINING", b"STLS")
    assert client.capabilities == {b"PIPELINING": (), b"STLS": ()}
    assert ask(client, StartTls(), b"+OK begin") == [TlsReady(StartTls())]
    assert (client.state, client.capabilities) == ("tls-handover", {})
    client.tls_started()
    assert client.state == "authorization"
    ask(client, Capa(), b"+OK", b"UIDL", b".")
    assert client.capabilities == {b"UIDL": ()}


def test_capabilities_announced_before_the_handshake_are_dropped_too() -> None:
    client = greeted(b"STLS")
    ask(client, StartTls(), b"+OK")
    client._announced = {b"PIPELINING": ()}
    client.tls_started()
    assert client.capabilities == {}


def test_tls_may_be_refused() -> None:
    client = greeted()
    assert ask(client, StartTls(), b"-ERR no") == [Completed(StartTls(), False, b"no")]
    assert client.state == "authorization"


def test_starttls_is_not_allowed_inside_tls() -> None:
    client = greeted(b"STLS")
    ask(client, StartTls(), b"+OK")
    client.tls_started()
    client.data_to_send()
    with pytest.raises(LocalProtocolError, match="already active"):
        client.send(StartTls())
    assert (client.state, client.outstanding, sent(client)) == ("authorization", (), b"")


@pytest.mark.parametrize("behind", [b"+OK injected\r\n", b"+", b"\r\n", b"\x16\x03\x01"])
def test_unencrypted_data_after_the_ok_to_stls_is_an_error(behind: bytes) -> None:
    client = greeted()
    client.send(StartTls())
    with pytest.raises(RemoteProtocolError, match="unencrypted data"):
        feed(client, [b"+OK begin\r\n" + behind])
    assert client.state == "error"


def test_unencrypted_data_before_the_handshake_is_an_error() -> None:
    client = greeted()
    ask(client, StartTls(), b"+OK begin")
    with pytest.raises(RemoteProtocolError, match="unencrypted data"):
        feed(client, [b"+OK injected\r\n"])


def test_unencrypted_data_is_found_when_the_handshake_ends() -> None:
    client = greeted()
    ask(client, StartTls(), b"+OK begin")
    client.receive_data(b"+OK injected\r\n")
    client.tls_started()
    assert client.state == "error"
    with pytest.raises(RemoteProtocolError, match=r"unencrypted data.*tls-handover"):
        client.next_event()


def test_nothing_is_sent_before_the_handshake() -> None:
    client = greeted()
    ask(client, StartTls(), b"+OK begin")
    for command in (Capa(), Quit(), User(b"joe")):
        with pytest.raises(LocalProtocolError):
            client.send(command)


def test_a_connection_may_end_at_the_handshake() -> None:
    client = greeted()
    ask(client, StartTls(), b"+OK begin")
    client.receive_eof()
    assert list(events_of(client)) == [Closed()]
    assert client.next_event() is NEED_DATA
