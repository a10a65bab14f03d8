"""The recipients of a multidrop message are found, not guessed, and never wrong by accident."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.message.addresses import Address, addresses
from mailhaul.protocols.message.envelope import is_path, recipient_address
from mailhaul.protocols.message.header import HeaderScanner, split_fields
from mailhaul.protocols.message.outgoing import HeaderRules, outgoing_header
from mailhaul.protocols.message.recipients import (
    MAX_NAMED,
    MAX_RECIPIENTS,
    Known,
    LocalNames,
    LookUp,
    NoEnvelope,
    NoMatch,
    Recipients,
    TooMany,
    envelope_recipients,
    guessed_recipients,
    matching_recipients,
    warning_field,
)

PAIRS = (
    ("joe", "joe"),
    ("Ann", "bob"),
    ("carl@other.example", "carla"),
    ("joe smith", "js"),
    ("Ann", "never"),
)
HERE = LocalNames(
    "Mail.example.org",
    PAIRS,
    aka=["AKA.example"],
    localdomains=["loc.example"],
    qvirtual="pre-",
)
EVERYBODY = LocalNames("mail.example.org", [("ann", "bob")], wildcard=True)

Outcome = Recipients | NoMatch | NoEnvelope | TooMany | LookUp


def found(text: bytes, names: LocalNames = HERE, known: Known = None) -> Outcome:
    """Return the local recipients in an address list."""
    return matching_recipients(addresses(text), names, known)


def enveloped(
    header: bytes, envelope: str = "Received", skip: int = 0, known: Known = None
) -> Outcome:
    return envelope_recipients(split_fields(header), envelope, skip, HERE, known)


def guessed(header: bytes, known: Known = None) -> Outcome:
    return guessed_recipients(split_fields(header), HERE, known)


# Addresses. Unless a comment says otherwise, fetchmail 6.4.37 gives the same result.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"joe@mail.example.org", ("joe",)),
        (b"JOE@MAIL.example.ORG", ("joe",)),
        (b"<ANN@mail.example.org>", ("bob",)),
        (b"Joe <joe@aka.example>", ("joe",)),
        (b"joe@sub.aka.example", ("joe",)),
        (b"joe@x.example, ann@aka.example, joe@aka.example", ("bob", "joe")),
        (b"CARL@Other.example", ("carla",)),
        (b"q@loc.example", ("q@loc.example",)),
        (b"Q@Sub.LOC.example", ("Q@Sub.LOC.example",)),
        (b"joe@loc.example", ("joe@loc.example",)),
        (b"pre-joe@mail.example.org", ("joe",)),
        (b"PRE-q@loc.example", ("q@loc.example",)),
        (b"PRE-carl@other.example", ("carla",)),
        # fetchmail matches this only after rewriting.
        (b"joe", ("joe",)),
        (b"pre-joe", ("joe",)),
        # fetchmail matches none of these.
        (b"joe@mail.example.org.", ("joe",)),
        (b"q@loc.example.", ("q@loc.example",)),
        (b'"joe"@mail.example.org', ("joe",)),
        (b'"joe smith"@mail.example.org', ("js",)),
        (b'<"joe\\ smith">', ("js",)),
        (b"<@a.example,@b.example:joe@mail.example.org>", ("joe",)),
        (b"Friends: joe@mail.example.org, ann@mail.example.org;", ("joe", "bob")),
    ],
)
def test_an_address_matches_a_local_user(text: bytes, expected: tuple[str, ...]) -> None:
    assert found(text) == Recipients(expected)


@pytest.mark.parametrize(
    ("text", "rejected"),
    [
        (b"", ()),
        (b"<>", ()),
        (b"undisclosed-recipients:;", ()),
        (b"pre-", ()),
        (b"zed@mail.example.org", (b"zed@mail.example.org",)),
        (b"joe@sub.mail.example.org", (b"joe@sub.mail.example.org",)),
        (b"joe@xaka.example", (b"joe@xaka.example",)),
        (b"q@xloc.example", (b"q@xloc.example",)),
        (b"carl@mail.example.org", (b"carl@mail.example.org",)),
        (b"carl", (b"carl",)),
        (b"x@y.example, x@y.example, z@y.example", (b"x@y.example", b"z@y.example")),
        (b"mail.example.org!joe", (b"mail.example.org!joe",)),
        (b"joe@[192.0.2.1]", (b"joe@[192.0.2.1]",)),
        (b"@mail.example.org", (b"@mail.example.org",)),
        (b'<"a@b">', (b'"a@b"',)),
        # These are not safe paths.
        (b"a)@loc.example", (b"a)@loc.example",)),
        (b"caf\xc3\xa9@loc.example", (b"caf\xc3\xa9@loc.example",)),
    ],
)
def test_an_address_matches_no_local_user(text: bytes, rejected: tuple[bytes, ...]) -> None:
    assert found(text) == NoMatch(rejected)


def test_recipients_are_unique_and_in_the_order_of_the_addresses() -> None:
    text = b"ann@aka.example, joe@x.example, joe@aka.example, ann, carl@other.example"
    assert found(text) == Recipients(("bob", "joe", "carla"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"Ann@mail.example.org", "bob"),
        (b"Zed@mail.example.org", "Zed"),
        (b"zed", "zed"),
        (b'"zed x"@mail.example.org', '"zed x"'),
        (b"joe%x@mail.example.org", "joe%x"),
    ],
)
def test_with_a_wildcard_every_name_at_the_server_is_local(text: bytes, expected: str) -> None:
    assert found(text, EVERYBODY) == Recipients((expected,))


@pytest.mark.parametrize(
    "text",
    [
        b"zed@other.example",
        b'"victim@other.example"@mail.example.org',
        b'<"victim@other.example">',
        b"a\\b@mail.example.org",
        b"caf\xe9@mail.example.org",
        b"@mail.example.org",
    ],
)
def test_a_wildcard_does_not_allow_relaying_to_other_hosts(text: bytes) -> None:
    assert isinstance(found(text, EVERYBODY), NoMatch)


@pytest.mark.parametrize("written", [rb'<"a\\b \"c\"">', rb'"A\\\b \"c\""@mail.example.org'])
def test_quotes_and_escapes_are_not_part_of_a_name(written: bytes) -> None:
    names = LocalNames("mail.example.org", [('a\\b "c"', "abc")])
    assert found(written, names) == Recipients(("abc",))


def test_a_declared_name_may_be_non_ascii() -> None:
    names = LocalNames("mail.example.org", [("jürgen", "jo")])
    assert found("jürgen@mail.example.org".encode(), names) == Recipients(("jo",))


# Hosts that need a DNS lookup


def test_an_unknown_host_needs_a_lookup() -> None:
    text = b"joe@One.example, ann@two.example, joe@ONE.example."
    assert found(text, known={}) == LookUp((b"one.example", b"two.example"))
    assert found(text, known={b"one.example": True}) == LookUp((b"two.example",))
    known = {b"one.example": True, b"two.example": False}
    assert found(text, known=known) == Recipients(("joe",))


@pytest.mark.parametrize(
    "text",
    [
        b"zed@one.example",
        b"q@loc.example",
        b"carl@other.example",
        b"joe@mail.example.org",
        b"joe@aka.example",
        b"joe@[192.0.2.1]",
        b"joe@caf\xe9.example",
        b"joe@a..b",
        b'joe@"x"',
        b"joe",
    ],
)
def test_there_is_no_lookup_if_the_result_does_not_matter(text: bytes) -> None:
    assert not isinstance(found(text, known={}), LookUp)


def test_without_dns_a_host_is_the_server_only_if_the_options_say_so() -> None:
    assert found(b"joe@one.example", known=None) == NoMatch((b"joe@one.example",))


# The envelope field

DELIVERED = (
    b"Delivered-To: zed@mail.example.org\nX-Delivered-To: no@x\n"
    b"DELIVERED-TO : <pre-joe@mail.example.org>,\n ann@mail.example.org\nTo: carl@other.example\n"
)


@pytest.mark.parametrize("name", ["Delivered-To", "delivered-to:", "Delivered-To: "])
def test_the_envelope_is_read_from_the_field_of_that_name(name: str) -> None:
    assert enveloped(DELIVERED, name) == NoMatch((b"zed@mail.example.org",))
    assert enveloped(DELIVERED, name, 1) == Recipients(("joe", "bob"))


@pytest.mark.parametrize(
    ("name", "skip"), [("Delivered-To", 2), ("X-Envelope-To", 0), ("", 0), (":", 0)]
)
def test_without_the_field_there_is_no_envelope_and_no_guess(name: str, skip: int) -> None:
    assert enveloped(DELIVERED, name, skip) == NoEnvelope(name)


def test_an_empty_envelope_field_names_no_recipient() -> None:
    assert enveloped(b"X-Env:\nTo: joe\n", "X-Env") == NoMatch(())


def test_the_beginning_of_a_name_matches_if_no_field_has_the_whole_name() -> None:
    header = b"X-Envelope-From: ann@aka.example\nX-Envelope: joe@aka.example\n"
    assert enveloped(header, "X-Env") == Recipients(("bob",))
    assert enveloped(header, "X-Envelope") == Recipients(("joe",))


RECEIVED = (
    b"Received: from a by outside.example for <joe@mail.example.org>; D\n"
    b"Received: from b by mail.example.org with LMTP; D\n"
    b"Received: from c by MAIL.example.org. (MTA) with ESMTP id 1\n\tfor <ann@x.example>; D\n"
    b"Received: from d by mail.example.org for <joe@aka.example>; D\n"
    b"To: carl@other.example\n"
)


def test_the_first_received_of_the_server_with_a_recipient_is_the_envelope() -> None:
    assert enveloped(RECEIVED) == NoMatch((b"ann@x.example",))
    assert enveloped(RECEIVED, "RECEIVED:", 2) == NoMatch((b"ann@x.example",))
    assert enveloped(RECEIVED, skip=3) == Recipients(("joe",))
    assert enveloped(RECEIVED, skip=4) == NoEnvelope("Received")


def test_the_host_in_a_received_field_can_be_looked_up() -> None:
    assert enveloped(RECEIVED, known={}) == LookUp((b"outside.example",))
    known = {b"outside.example": True}
    assert enveloped(RECEIVED, known=known) == Recipients(("joe",))
    known = {b"outside.example": False}
    assert enveloped(RECEIVED, known=known) == LookUp((b"x.example",))
    assert enveloped(RECEIVED, known={**known, b"x.example": True}) == Recipients(("bob",))


def test_without_a_received_field_there_is_no_envelope() -> None:
    assert enveloped(b"To: joe@mail.example.org\n") == NoEnvelope("Received")


# Guesses


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"To: joe\nCc: ann\nBCC: carl@other.example\n", ("joe", "bob", "carla")),
        (b"To: joe\nTo: ann\n", ("joe", "bob")),
        (b"Apparently-To: joe\n", ("joe",)),
        (b"Apparently-To: joe\nTo: ann\n", ("joe", "bob")),
        (b"To: ann\nResent-To: joe\n", ("joe",)),
        (b"To: ann\nResent-Cc: joe\n", ("joe",)),
        (b"To: ann\nResent-Bcc: joe\n", ("joe",)),
    ],
)
def test_a_guess_uses_to_and_cc_fields(header: bytes, expected: tuple[str, ...]) -> None:
    assert guessed(header) == Recipients(expected)


def test_a_guess_uses_the_resent_fields_even_if_they_match_no_user() -> None:
    assert guessed(b"Resent-To: x@y.example\nTo: joe\n") == NoMatch((b"x@y.example",))


def test_without_any_recipient_there_is_nothing_to_guess_from() -> None:
    assert guessed(b"Subject: joe\nFrom: joe\nDelivered-To: joe\n") == NoMatch(())


def test_a_guess_can_need_a_lookup() -> None:
    assert guessed(b"To: joe@one.example\n", known={}) == LookUp((b"one.example",))


# Use of the outcome


def test_matched_names_are_valid_for_recipient_address() -> None:
    outcome = found(b'joe, <"joe smith">, carl@other.example, "a b"@loc.example')
    assert isinstance(outcome, Recipients)
    made = [recipient_address(name, "localhost", None, None) for name in outcome.names]
    assert made == [b"joe@localhost", b"js@localhost", b"carla@localhost", b'"a b"@loc.example']


@pytest.mark.parametrize(
    ("rejected", "reason"),
    [
        ((), b"no recipient addresses matched declared local names"),
        ((b"a@b", b"c@d"), b"no recipient addresses matched declared local names"),
        ((b"a@b",), b"recipient address a@b didn't match any local name"),
        ((b"a\r\nX: \xff@b",), b"recipient address a??X: ?@b didn't match any local name"),
        ((b"a" * 1000,), b"recipient address " + b"a" * 320 + b" didn't match any local name"),
    ],
)
def test_the_postmaster_gets_the_reason(rejected: tuple[bytes, ...], reason: bytes) -> None:
    field = warning_field(NoMatch(rejected), b"\r\n")
    assert field == b"X-Fetchmail-Warning: " + reason + b"\r\n"


def test_the_warning_is_the_last_field_of_the_header() -> None:
    scanner = HeaderScanner()
    scanner.feed(b"To: x@y.example\n\nbody")
    outcome = guessed_recipients(scanner.fields, HERE, None)
    assert isinstance(outcome, NoMatch)
    rules = HeaderRules("mail.example.org", "ann", None, multidrop=True)
    warning = warning_field(outcome, scanner.line_end)
    assert outgoing_header(scanner, rules, b"postmaster@localhost", warning) == (
        b"To: x@y.example\n"
        b"X-Fetchmail-Warning: recipient address x@y.example didn't match any local name\n\n"
    )


# Arbitrary input

GARBAGE = st.lists(
    st.one_of(
        st.sampled_from([*b'<>@"\\ \r\n\t\0,;:()[].!\xff']).map(lambda byte: bytes((byte,))),
        st.sampled_from([b"joe", b"pre-", b"@mail.example.org", b"@loc.example", b"@x.example"]),
        st.sampled_from([b" by ", b" for ", b" from ", b"mail.example.org"]),
    ),
    max_size=20,
).map(b"".join)
KNOWN = st.sampled_from([None, {}, {b"x.example": True}, {b"x.example": False}])


@given(
    GARBAGE,
    st.sampled_from([b"Received", b"To", b"X-Env"]),
    st.sampled_from(["Received", "X-Env", "To"]),
    st.sampled_from([HERE, EVERYBODY]),
    KNOWN,
)
def test_the_outcome_is_safe_for_any_header(
    body: bytes, field: bytes, envelope: str, names: LocalNames, known: Known
) -> None:
    fields = split_fields(field + b":" + body)
    for outcome in (
        envelope_recipients(fields, envelope, 0, names, known),
        guessed_recipients(fields, names, known),
    ):
        match outcome:
            case Recipients(recipients):
                assert len(set(recipients)) == len(recipients) > 0
                for name in recipients:
                    assert is_path(recipient_address(name, "localhost", None, None))
            case NoMatch(rejected):
                assert b"" not in rejected
                assert warning_field(outcome, b"\n").count(b"\n") == 1
            case LookUp(hosts):
                assert known is not None
                assert not set(hosts) & set(known)
                assert all(host == host.lower() and host.isascii() for host in hosts)
            case NoEnvelope(missing):
                assert missing == envelope


@given(GARBAGE, st.sampled_from([HERE, EVERYBODY]))
def test_after_all_lookups_no_further_lookup_is_needed(body: bytes, names: LocalNames) -> None:
    known: dict[bytes, bool] = {}
    fields = split_fields(b"Received:" + body + b"\nReceived: by y.example for <joe@z.example>\n")
    for _ in range(10):
        outcome = envelope_recipients(fields, "Received", 0, names, known)
        if not isinstance(outcome, LookUp):
            return
        known.update(dict.fromkeys(outcome.hosts, len(known) % 2 == 0))
    raise AssertionError("it never ends")


def test_ten_thousand_addresses_are_matched_one_by_one() -> None:
    text = b", ".join(b"user%d@loc.example" % number for number in range(10_000))
    assert found(text) == Recipients(tuple(f"user{n}@loc.example" for n in range(10_000)))


def test_an_address_reported_by_the_server_is_matched_in_the_same_way() -> None:
    told = Address(b"pre-joe@mail.example.org", 0, False)
    assert matching_recipients([told], HERE, None) == Recipients(("joe",))


def test_more_recipients_than_a_server_accepts_are_too_many() -> None:
    most = [b"u%d@loc.example" % number for number in range(MAX_RECIPIENTS)]
    assert isinstance(found(b", ".join(most)), Recipients)
    assert found(b", ".join([*most, b"one.more@loc.example"])) == TooMany()


def test_the_number_of_rejected_addresses_and_hosts_is_limited() -> None:
    strangers = b", ".join(b"u%d@h%d.example" % (n, n) for n in range(1000))
    names = LocalNames("mail.example.org", [("joe", "joe")])
    nobody = matching_recipients(addresses(strangers), names, None)
    assert isinstance(nobody, NoMatch)
    assert nobody.rejected == tuple(b"u%d@h%d.example" % (n, n) for n in range(MAX_NAMED))
    everybody = LocalNames("mail.example.org", [], wildcard=True)
    hosts = matching_recipients(addresses(strangers), everybody, {})
    assert hosts == LookUp(tuple(b"h%d.example" % n for n in range(MAX_NAMED)))


def test_a_name_that_is_too_long_for_an_address_matches_no_user() -> None:
    names = LocalNames("mail.example.org", [], wildcard=True)
    long = b"x" * 499
    assert matching_recipients(addresses(long), names, None) == NoMatch((long,))
    assert matching_recipients(addresses(long[1:]), names, None) == Recipients((long[1:].decode(),))
