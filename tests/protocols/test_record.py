"""Records are immutable, equal by class and fields, and hide secrets in their repr."""

from __future__ import annotations

import inspect
import pydoc
import re
import subprocess
import sys
from typing import Any

import pytest

from mailhaul.protocols.imap.commands import Enable, Login, Select
from mailhaul.protocols.pop3.commands import Retrieve
from mailhaul.protocols.record import FEW, CheckedRecord, Record, bind, replace
from mailhaul.protocols.sasl.credentials import Credentials
from mailhaul.protocols.sasl.exchange import Respond
from mailhaul.protocols.secret import Secret
from mailhaul.protocols.smtp.commands import Mail, Rcpt


class Point(Record):
    """Two numbers."""

    x: int
    y: int = 7


class Other(Record):
    """The same fields in another class."""

    x: int
    y: int = 7


class Confidential(Record):
    """A name and a hidden field."""

    name: str
    text: bytes
    _hidden = frozenset({"text"})


def test_fields_come_in_order_or_by_name_with_defaults() -> None:
    assert (Point(1).x, Point(1).y) == (1, 7)
    assert Point(y=2, x=1) == Point(1, 2)


@pytest.mark.parametrize("earlier", [0, FEW, 2 * FEW])
def test_the_first_instances_are_made_like_all_others(earlier: int) -> None:
    class Pair(Record):
        first: int
        second: int = 7

    for number in range(earlier):
        assert Pair(number).first == number
    pair: Any = Pair
    made = [pair(1), pair(1, 2), pair(second=2, first=1), pair(1, second=3), pair(first=4)]
    assert [(one.first, one.second) for one in made] == [(1, 7), (1, 2), (1, 2), (1, 3), (4, 7)]


@pytest.mark.parametrize("earlier", [0, FEW])
@pytest.mark.parametrize(
    ("values", "named", "problem"),
    [
        ((), {}, "missing 1 required positional argument: 'first'"),
        ((1, 2, 3), {}, "takes from 2 to 3 positional arguments but 4 were given"),
        ((1,), {"first": 1}, "got multiple values for argument 'first'"),
        ((1,), {"third": 1}, "got an unexpected keyword argument 'third'"),
    ],
)
def test_wrong_arguments_are_refused_by_the_first_instance_too(
    earlier: int, values: tuple[int, ...], named: dict[str, int], problem: str
) -> None:
    class Pair(Record):
        first: int
        second: int = 7

    for number in range(earlier):
        Pair(number)
    pair: Any = Pair
    with pytest.raises(TypeError, match=re.escape(problem)):
        pair(*values, **named)


def test_a_class_with_few_instances_is_not_compiled() -> None:
    class Single(Record):
        value: int

    for number in range(FEW):
        Single(number)
    assert Single.__init__ is bind
    Single(FEW)
    assert Single.__init__ is not bind


def test_replace_returns_a_changed_copy() -> None:
    point = Point(1, 2)
    assert replace(point, y=3) == Point(1, 3)
    assert point == Point(1, 2)
    with pytest.raises(TypeError, match="z"):
        replace(point, z=3)


def test_equality_wants_the_same_class() -> None:
    assert Point(1) == Point(1, 7)
    assert Point(1) != Point(2)
    assert Point(1) != Other(1)
    assert len({Point(1), Point(1, 7), Other(1)}) == 2


def test_a_record_does_not_change() -> None:
    point = Point(1)
    with pytest.raises(AttributeError, match="is immutable"):
        point.x = 2  # type: ignore[misc]  # the point of the test
    with pytest.raises(AttributeError):
        point.z = 2


def test_a_record_can_be_taken_apart() -> None:
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)


def test_hidden_fields_are_not_shown() -> None:
    assert repr(Confidential("n", b"secret")) == "Confidential(name='n')"


@pytest.mark.parametrize(
    ("values", "named"), [((), {}), ((1, 2, 3), {}), ((1,), {"z": 3}), ((1, 2), {"y": 3})]
)
def test_wrong_fields_are_refused(values: tuple[int, ...], named: dict[str, int]) -> None:
    with pytest.raises(TypeError):
        Point(*values, **named)


def test_the_signature_names_fields_types_and_defaults() -> None:
    assert str(inspect.signature(Point)) == "(x: int, y: int = 7)"
    assert str(inspect.signature(Respond)) == "(response: mailhaul.protocols.secret.Secret)"


def test_a_class_without_fields_takes_nothing() -> None:
    assert str(inspect.signature(Record)) == "()"


def test_a_type_that_cannot_be_looked_up_is_shown_as_written() -> None:
    class Waiting(Record):
        """Its type is imported only for type checkers."""

        value: Absent  # type: ignore[name-defined]  # noqa: F821  # the point of the test

    assert str(inspect.signature(Waiting)) == "(value: 'Absent')"


def test_help_shows_the_real_signature_everywhere() -> None:
    # Python 3.13 gives each parameter of a long signature a line of its own.
    words = pydoc.plain(pydoc.render_doc(Select)).replace("|", " ").split()
    text = " ".join(words).replace("( ", "(")
    assert " Select(mailbox: bytes, read_only: bool = False, " in text
    assert " __init__(self, mailbox: bytes, read_only: bool = False, " in text
    assert "*values" not in text


def test_signatures_are_made_on_demand() -> None:
    code = "import mailhaul.protocols.imap.commands, sys; print('inspect' in sys.modules)"
    code = f"import sys; sys.modules.pop('inspect', None); {code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"False\n"


@pytest.mark.parametrize(
    ("kind", "values", "problem"),
    [
        (Login, (b"u", b"p"), "Login: password must be Secret, not bytes: wrap it in Secret(...)"),
        (
            Login,
            ("u", Secret(b"p")),
            "Login: user must be bytes, not str: encode the text",
        ),
        (Enable, (b"UTF8=ACCEPT",), "Enable: names must be tuple[bytes, ...], not bytes"),
        (Enable, (("IDLE",),), "Enable: names must be tuple[bytes, ...], not tuple of str"),
        (Enable, ((b"IDLE", 1),), "Enable: names must be tuple[bytes, ...], not tuple of bytes"),
        (Select, (b"INBOX", False, False, b""), "Select: resync must be Resync | None, not bytes"),
        (Select, ((),), "Select: mailbox must be bytes, not tuple"),
        (Retrieve, (b"1",), "Retrieve: number must be int, not bytes"),
        (Mail, (None,), "Mail: sender must be bytes, not NoneType"),
        (Credentials, (b"u", b"p"), "Credentials: password must be Secret | None, not bytes"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_in_words(
    kind: type[CheckedRecord], values: tuple[object, ...], problem: str
) -> None:
    with pytest.raises(TypeError) as refused:
        kind(*values)
    assert str(refused.value).startswith(problem)


def test_a_refusal_shows_no_value() -> None:
    with pytest.raises(TypeError) as refused:
        Login(b"u", b"sesame")  # type: ignore[arg-type]  # the point of the test
    assert "sesame" not in str(refused.value)
    with pytest.raises(TypeError, match=r"Secret\(\) takes bytes, not str") as refused:
        Secret("sesame")  # type: ignore[arg-type]  # the point of the test
    assert "sesame" not in str(refused.value)


def test_valid_fields_are_accepted() -> None:
    assert Rcpt(b"joe@example.org", (b"NEVER",)).notify == (b"NEVER",)
    assert Rcpt(b"joe@example.org", original=None).original is None
    assert Credentials(b"joe", token=Secret(b"t")).password is None
