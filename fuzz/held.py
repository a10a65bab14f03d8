"""What a machine holds: octets of bytes and text, and how many objects, all that it leads to."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Set
from typing import Any, NamedTuple, cast

from mailhaul.protocols.limits import Limits


class Held(NamedTuple):
    """Octets in bytes, bytearrays and strings; and the number of all objects."""

    octets: int
    objects: int


def held(machine: object) -> Held:
    """Count what is reached from a machine, each object once. Code and limits are not counted."""
    octets = 0
    seen: set[int] = set()
    left = members(machine)
    while left:
        thing = left.pop()
        if id(thing) in seen or thing is None:
            continue
        seen.add(id(thing))
        if isinstance(thing, bytes | bytearray | str):
            octets += len(thing)
        else:
            left.extend(parts(thing))
    return Held(octets, len(seen))


def parts(thing: Any) -> Iterable[Any]:
    """Return what an object leads to."""
    if isinstance(thing, Mapping):
        return [item for pair in cast(Iterable[Any], thing.items()) for item in pair]
    if isinstance(thing, list | tuple | deque | Set):
        return cast(Iterable[Any], thing)
    if isinstance(thing, Limits | type) or not type(thing).__module__.startswith("mailhaul."):
        return ()
    return members(thing)


def members(thing: Any) -> list[Any]:
    """Return the values of an object's attributes."""
    names = {name for kind in type(thing).__mro__ for name in slots(kind)}
    values = [getattr(thing, name) for name in names if hasattr(thing, name)]
    return [*values, *getattr(thing, "__dict__", {}).values()]


def slots(kind: type) -> Iterable[str]:
    """Return the names of the slots that a class adds."""
    own = kind.__dict__.get("__slots__", ())
    return (own,) if isinstance(own, str) else own
