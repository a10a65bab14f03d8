"""What is wrong with the arguments of a command, for those that cannot be sent.

Records do not check their arguments, for millions are made. When sending one fails, its fields are
compared with their annotations, so that the caller is told what was expected.
"""

from __future__ import annotations

from typing import Any, Union, cast, get_args, get_origin, get_type_hints

from .record import Record, fields_of

UNIONS = (Union, type(int | None))
"""What both ways to write a union are made of."""


def explain_wrong_arguments(command: object, cause: Exception) -> None:
    """Raise TypeError for the first argument of a wrong type, if there is one."""
    if not isinstance(command, Record):
        return
    kinds = get_type_hints(type(command))
    for name in fields_of(type(command)):
        value = getattr(command, name)
        if not fits(value, kinds[name]):
            expected = " or ".join(names_of(kinds[name]))
            place = f"{type(command).__name__}.{name}"
            raise TypeError(f"{place} takes {expected}, not {type(value).__name__}") from cause


def fits(value: object, kind: Any) -> bool:
    """Whether a value is of a type as annotations name it."""
    if get_origin(kind) in UNIONS:
        return any(fits(value, one) for one in get_args(kind))
    if get_origin(kind) is tuple:
        return isinstance(value, tuple) and fits_items(cast("tuple[object, ...]", value), kind)
    return isinstance(value, get_origin(kind) or kind)


def fits_items(values: tuple[object, ...], kind: Any) -> bool:
    """Whether the items of a tuple are of the types named: each its own, or all the same."""
    kinds = get_args(kind)
    if kinds[-1] is Ellipsis:
        return all(fits(value, kinds[0]) for value in values)
    return len(values) == len(kinds) and all(map(fits, values, kinds))


def names_of(kind: Any) -> list[str]:
    """Return the names of the types that an annotation allows."""
    if get_origin(kind) in UNIONS:
        return [name for one in get_args(kind) for name in names_of(one)]
    if kind is type(None):
        return ["None"]
    return [str(kind) if get_origin(kind) else kind.__name__]
