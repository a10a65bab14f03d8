"""Records are values: immutable, equal by class and fields, and silent about what is hidden."""

from __future__ import annotations

import pytest

from mailhaul.protocols.record import Record


class Point(Record):
    """Two numbers."""

    x: int
    y: int = 7


class Other(Record):
    """The same fields, another meaning."""

    x: int
    y: int = 7


class Confidential(Record):
    """A name and what must not be shown."""

    name: str
    text: bytes
    _hidden = frozenset({"text"})


def test_fields_come_in_order_or_by_name_with_defaults() -> None:
    assert (Point(1).x, Point(1).y) == (1, 7)
    assert Point(y=2, x=1) == Point(1, 2)


def test_equality_wants_the_same_class() -> None:
    assert Point(1) == Point(1, 7)
    assert Point(1) != Point(2)
    assert Point(1) != Other(1)
    assert len({Point(1), Point(1, 7), Other(1)}) == 2


def test_a_record_does_not_change() -> None:
    point = Point(1)
    with pytest.raises(AttributeError, match="does not change"):
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
