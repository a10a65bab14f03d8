"""From a message to a parcel: recipients, warnings, and reasons for a refusal."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import pytest

from mailhaul.adapters.aliases import alias_test
from mailhaul.flows.ledger import Offer
from mailhaul.flows.multidrop import MAX_LOOK_UPS, IsServer, LookUpFailed, Multidrop
from mailhaul.flows.outcome import Outcome, Verdict
from mailhaul.flows.parcel import DeliveryRules, Packer
from mailhaul.flows.requests import Call
from mailhaul.flows.sink import Parcel
from mailhaul.protocols.message.outgoing import HeaderRules
from mailhaul.protocols.message.recipients import LocalNames

RULES = HeaderRules("mail.example", "fred", None)
OFFER = Offer("1.R0", False)


def answered(flow: Coroutine[Any, Any, Any]) -> Any:
    """Run a flow whose only requests are calls."""
    news: Any = None
    fault: Exception | None = None
    while True:
        try:
            request = flow.throw(fault) if fault else flow.send(news)
        except StopIteration as end:
            return end.value
        assert isinstance(request, Call)
        fault = None
        try:
            news = request.work()
        except Exception as error:
            fault = error


def pack(header: bytes, offer: Offer = OFFER, **options: Any) -> Parcel | Outcome:
    packer = Packer(DeliveryRules("joe", "here.example", RULES, **options))
    packer.scan(header)
    packer.scan_end()
    result = answered(packer.parcel(100, offer))
    assert isinstance(result, Parcel | Outcome)
    return result


def multidrop(
    envelope: str | None = "X-To", postmaster: str = "boss", is_server: IsServer | None = None
) -> Multidrop:
    names = LocalNames("mail.example", [("joe", "joe"), ("ann", "anna")])
    return Multidrop(names, envelope, 0, postmaster, is_server)


def test_each_recipient_is_named_once(tmp_path: object) -> None:
    header = b"X-To: joe@mail.example, ann@mail.example, JOE@mail.example\r\n\r\n"
    parcel = pack(header, multidrop=multidrop())
    assert isinstance(parcel, Parcel)
    assert parcel.recipients == (b"joe@here.example", b"anna@here.example")


def test_served_recipients_do_not_get_a_message_again() -> None:
    header = b"X-To: joe@mail.example, ann@mail.example\r\n\r\n"
    once = Offer("1.R0", False, frozenset({b"joe@here.example"}))
    parcel = pack(header, once, multidrop=multidrop())
    assert isinstance(parcel, Parcel)
    assert parcel.recipients == (b"anna@here.example",)
    both = Offer("1.R0", False, frozenset({b"joe@here.example", b"anna@here.example"}))
    outcome = pack(header, both, multidrop=multidrop())
    assert isinstance(outcome, Outcome)
    assert outcome.accepted


def test_a_message_without_local_recipient_goes_to_the_postmaster_with_the_reason() -> None:
    parcel = pack(b"X-To: tom@mail.example\r\n\r\n", multidrop=multidrop())
    assert isinstance(parcel, Parcel)
    assert parcel.recipients == (b"boss@here.example",)
    assert b"X-Fetchmail-Warning: recipient address tom@mail.example didn't match" in parcel.header


def test_without_a_postmaster_it_is_refused() -> None:
    outcome = pack(b"X-To: tom@mail.example\r\n\r\n", multidrop=multidrop(postmaster=""))
    assert isinstance(outcome, Outcome)
    assert outcome.verdict is Verdict.REFUSED


def test_a_message_without_envelope_field_is_postponed() -> None:
    outcome = pack(b"To: joe@mail.example\r\n\r\n", multidrop=multidrop())
    assert isinstance(outcome, Outcome)
    assert (outcome.verdict, '"no envelope"' in outcome.reason) == (Verdict.POSTPONED, True)
    guessed = pack(b"To: joe@mail.example\r\n\r\n", multidrop=multidrop(envelope=None))
    assert isinstance(guessed, Parcel)


def test_the_recipient_reported_by_the_server_is_used() -> None:
    parcel = pack(
        b"X-To: joe@mail.example\r\n\r\n",
        multidrop=multidrop(),
        server_recipient=b"ann@mail.example",
    )
    assert isinstance(parcel, Parcel)
    assert parcel.recipients == (b"anna@here.example",)


def test_hosts_are_looked_up_once_and_only_if_needed() -> None:
    asked: list[bytes] = []

    def is_server(host: bytes) -> bool:
        asked.append(host)
        return host == b"pop.example"

    shared = multidrop(is_server=is_server)
    header = b"X-To: joe@pop.example, ann@other.example, tom@unasked.example\r\n\r\n"
    for _ in range(2):
        parcel = pack(header, multidrop=shared)
        assert isinstance(parcel, Parcel)
        assert parcel.recipients == (b"joe@here.example",)
    assert asked == [b"pop.example", b"other.example"]


def test_the_look_ups_for_one_message_are_limited() -> None:
    asked: list[bytes] = []

    def is_server(host: bytes) -> bool:
        asked.append(host)
        return False

    many = b", ".join(b"joe@h%d.example" % number for number in range(200))
    pack(b"X-To: " + many + b"\r\n\r\n", multidrop=multidrop(is_server=is_server))
    assert len(asked) == MAX_LOOK_UPS


def test_hosts_beyond_the_limit_are_looked_up_for_the_next_message() -> None:
    asked: list[bytes] = []

    def is_server(host: bytes) -> bool:
        asked.append(host)
        return True

    shared = multidrop(is_server=is_server)
    many = b", ".join(b"joe@h%d.example" % number for number in range(MAX_LOOK_UPS + 1))
    for header in (many, b"joe@h%d.example" % MAX_LOOK_UPS):
        parcel = pack(b"X-To: " + header + b"\r\n\r\n", multidrop=shared)
        assert isinstance(parcel, Parcel)
        assert parcel.recipients == (b"joe@here.example",)
    assert asked == [b"h%d.example" % number for number in range(MAX_LOOK_UPS + 1)]


def test_trouble_with_the_name_service_postpones_the_message() -> None:
    def is_server(host: bytes) -> bool:
        raise LookUpFailed("no answer about " + host.decode())

    header = b"X-To: joe@pop.example\r\n\r\n"
    outcome = pack(header, multidrop=multidrop(is_server=is_server))
    assert isinstance(outcome, Outcome)
    assert outcome.verdict is Verdict.POSTPONED
    assert outcome.reason == "no answer about pop.example"


@pytest.mark.parametrize("same_address", [True, False])
def test_a_host_of_the_same_address_is_the_server_if_that_is_to_count(same_address: bool) -> None:
    is_server = alias_test("localhost", same_address=same_address)
    assert is_server(b"localhost")
    assert is_server(b"127.0.0.1") == same_address


def test_a_message_in_a_mail_loop_is_refused() -> None:
    outcome = pack(b"Received: x\r\n" * 100 + b"\r\n")
    assert isinstance(outcome, Outcome)
    assert (outcome.verdict, "mail loop" in outcome.reason) == (Verdict.REFUSED, True)
    assert isinstance(pack(b"Received: x\r\n" * 99 + b"\r\n"), Parcel)


def test_a_bad_header_is_refused_with_the_option() -> None:
    header = b"Subject: x\r\nno colon here\r\n\r\n"
    assert isinstance(pack(header), Parcel)
    outcome = pack(header, reject_bad_header=True)
    assert isinstance(outcome, Outcome)
    assert outcome.reason == 'bad header line "no colon here" (bad-header reject)'
