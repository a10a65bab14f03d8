"""Values of responses: atoms, strings, NIL and lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.errors import LimitExceeded, RemoteProtocolError
from mailhaul.protocols.imap.values import Atom, Text, Value, Values, number, parse_values


@pytest.mark.parametrize(
    ("line", "values"),
    [
        (b"", []),
        (b"  a  b ", [b"a", b"b"]),
        (b"NIL nil", [None, None]),
        (b"()", [[]]),
        (b"(a(b)c)", [[b"a", [b"b"], b"c"]]),
        (b'"a b" c', [b"a b", b"c"]),
        (rb'"a\"b\\c"', [rb'a"b\c']),
        (b'"NIL"', [b"NIL"]),
        (b"BODY[HEADER.FIELDS (A B)]<0> 1", [b"BODY[HEADER.FIELDS (A B)]<0>", b"1"]),
        (rb"(\Seen \*)", [[rb"\Seen", rb"\*"]]),
    ],
)
def test_how_a_line_is_read(line: bytes, values: list[Value]) -> None:
    assert parse_values([line], 5) == values


@pytest.mark.parametrize("line", [b"(", b")", b'"', b'"a\\"', b"BODY[", b'("a"', b'"a")'])
def test_unbalanced_parentheses_are_an_error(line: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_values([line], 5)


def test_a_long_line_has_few_words() -> None:
    assert parse_values([b"a " + b"7," * 1_000_000], 5)[0] == b"a"
    with pytest.raises(LimitExceeded, match="words of a response"):
        parse_values([b"a " * 300_000], 5)


@pytest.mark.parametrize("end", [b"", b' "x"'])
def test_lists_are_as_deep_as_is_allowed_and_no_deeper(end: bytes) -> None:
    parse_values([b"(" * 5 + b")" * 5 + end], 5)
    with pytest.raises(LimitExceeded):
        parse_values([b"(" * 6 + b")" * 6 + end], 5)


def test_a_hundred_thousand_parentheses_are_no_problem() -> None:
    assert parse_values([b"()" * 100_000], 5) == [[]] * 100_000
    with pytest.raises(LimitExceeded):
        parse_values([b"(" * 100_000], 64)


def test_strings_and_atoms_are_distinguished() -> None:
    first, second, third = parse_values([b'5 "5"', Text(b"5")], 5)
    assert [type(value) for value in (first, second, third)] == [Atom, Text, Text]
    assert [number(value, 5) for value in (first, second, third)] == [5, None, None]


@pytest.mark.parametrize("word", [b"", b"-1", b"1x", b"123456", b"NIL"])
def test_an_invalid_number_is_refused(word: bytes) -> None:
    assert number(Atom(word), 5) is None


def test_values_can_be_read_before_a_list_is_closed() -> None:
    values = Values(5)
    values.add(b"1 (a (b")
    assert values.top == [b"1", [b"a", [b"b"]]]
    assert values.innermost == [b"b"]
    values.add(b"))")
    assert values.innermost is values.top


@given(st.text("ab() NIL\\*{}]<>0.", max_size=60))
def test_a_line_means_the_same_with_and_without_strings_in_it(text: str) -> None:
    def outcome(line: bytes) -> list[Value] | str:
        try:
            return parse_values([line], 4)
        except RemoteProtocolError as fault:
            return fault.problem

    plain, quoted = outcome(text.encode()), outcome(b'"" ' + text.encode())
    assert (quoted if isinstance(quoted, str) else quoted[1:]) == plain
