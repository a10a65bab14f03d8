"""Small immutable values: like frozen dataclasses with slots, but forty times cheaper to define.

A poll that finds no mail takes about 50 ms, and defining one dataclass takes 0.3 ms, because its
methods are generated as text and compiled. Records share their methods, except for __init__. That
one is compiled too once a class has several instances, because a busy client makes eight records
for each message.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast, dataclass_transform

if TYPE_CHECKING:
    from inspect import Signature

FEW = 20
"""Instances of a class that are made before its __init__ is compiled."""


@dataclass_transform(frozen_default=True)
class RecordType(type):
    """Turns the annotations of a class into its fields, in order, after those of its bases."""

    field_defaults: dict[str, object]
    instances_made: int
    """Counted until __init__ is compiled."""

    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any
    ) -> RecordType:
        own = tuple(namespace.get("__annotations__", ()))
        inherited = tuple(f for base in bases for f in getattr(base, "__match_args__", ()))
        defaults = {f: namespace.pop(f) for f in own if f in namespace}
        namespace["__slots__"] = own
        namespace["__match_args__"] = inherited + own
        namespace.setdefault("__init__", bind)
        made = super().__new__(cls, name, bases, namespace, **options)
        made.field_defaults = (
            {**getattr(bases[0], "field_defaults", {}), **defaults} if bases else {}
        )
        made.instances_made = 0
        return made

    @property
    def __signature__(cls) -> Signature:
        """The signature for ``help`` and ``inspect.signature``. It is made on demand."""
        return signature_of(cls)


def signature_of(cls: Any) -> Signature:
    """Return the fields of a record as the parameters that its class takes."""
    import inspect
    from typing import get_type_hints

    if cls.__init__ is bind:
        # help() must show the real __init__ among the methods.
        make_init(cls)
    try:
        types = get_type_hints(cls)
    except NameError:
        # A type that is imported only for type checkers stays as written.
        types = annotations_of(cls)
    cls.__init__.__annotations__ = {**types, "return": None}
    _, *fields = inspect.signature(cls.__init__).parameters.values()
    return inspect.Signature(fields)


def bind(self: object, *values: Any, **named: Any) -> None:
    """Set the fields of one of the first instances, or leave it to a compiled __init__.

    This is the __init__ of a class until that is compiled, which takes as long as this does for
    dozens of instances. The compiled one also checks types, and raises TypeError.
    """
    cls: Any = self.__class__
    names: tuple[str, ...] = cls.__match_args__
    fields = {**cls.field_defaults, **dict(zip(names, values, strict=False)), **named}
    cls.instances_made += 1
    count = len(values)
    each_once = not (values and named) or named.keys().isdisjoint(names[:count])
    complete = each_once and count <= len(names) and fields.keys() == {*names}
    if not complete or cls.instances_made > FEW or CheckedRecord in cls.__mro__:
        make_init(cls)
        cls.__init__(self, *values, **named)
        return
    for name in names:
        object.__setattr__(self, name, fields[name])


def make_init(cls: Any) -> None:
    """Compile a class's own __init__."""
    names = fields_of(cls)
    parameters = [f"{n}=_default_{n}" if n in cls.field_defaults else n for n in names]
    scope: dict[str, Any] = {f"_put_{name}": getattr(cls, name).__set__ for name in names}
    scope |= {f"_default_{name}": value for name, value in cls.field_defaults.items()}
    lines = [f"    _put_{name}(self, {name})" for name in names] or ["    pass"]
    if names and issubclass(cls, CheckedRecord):
        types = annotations_of(cls)
        good = " and ".join(check(name, types[name]) for name in names)
        lines[:0] = [f"    if not ({good}):", f"        _refuse(self, {', '.join(names)})"]
        scope = {**scope_of(cls), **scope, "_refuse": refuse}
    source = f"def __init__({', '.join(['self', *parameters])}):\n" + "\n".join(lines)
    exec(source, scope)  # noqa: S102  # names of fields, which are Python's own words
    type.__setattr__(cls, "__init__", scope["__init__"])


def check(name: str, annotation: str) -> str:
    """Return the source of an expression that checks the type of a value.

    Annotations are read as text, because ``typing.get_type_hints`` is slow. The items of a tuple
    are checked only if all have the same simple type.
    """
    wanted, _, optional = annotation.partition(" | ")
    kind, _, inner = wanted.partition("[")
    item = inner.removesuffix(", ...]")
    if item.isidentifier():
        good = f"(isinstance({name}, {kind}) and (not {name} or _all_are({item}, {name})))"
    else:
        good = f"isinstance({name}, {kind})"
    return f"({name} is None or {good})" if optional else good


def scope_of(cls: type) -> dict[str, Any]:
    """Return the names that the annotations of a record may use."""
    return {**vars(sys.modules[cls.__module__]), "_all_are": all_are}


def all_are(item: type, values: Iterable[object]) -> bool:
    """Whether all these values are of the class ``item``."""
    return all(isinstance(value, item) for value in values)


def refuse(record: Record, *values: object) -> NoReturn:
    """Raise TypeError for a value of the wrong type. The text omits the value, maybe a secret."""
    cls = type(record)
    types, known = annotations_of(cls), scope_of(cls)
    for name, value in zip(fields_of(cls), values, strict=True):
        if not eval(check(name, types[name]), known, {name: value}):  # noqa: S307  # our own words
            came, hint = type(value).__name__, ""
            if isinstance(value, tuple) and value:
                items = cast("tuple[object, ...]", value)
                came += f" of {' and '.join(sorted({type(item).__name__ for item in items}))}"
            if "str" in came:
                hint = ": encode the text as bytes"
            elif types[name].startswith("Secret") and isinstance(value, bytes):
                hint = ": wrap it in Secret(...)"
            raise TypeError(f"{cls.__name__}: {name} must be {types[name]}, not {came}{hint}")
    raise AssertionError("all values have the right type")


def annotations_of(cls: type) -> dict[str, str]:
    """Return the types of a record's fields, as written in the source."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__[:-1]):
        found |= base.__annotations__
    return found


class Record(metaclass=RecordType):
    """An immutable value whose fields are its annotations.

    Two records are equal if they have the same class and equal fields. Fields named in ``_hidden``
    (secrets and message text) are left out of the repr.
    """

    _hidden = frozenset[str]()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable")

    __delattr__ = __setattr__  # type: ignore[assignment]  # a value's fields stay

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, f) == getattr(other, f) for f in fields_of(type(self)))

    def __hash__(self) -> int:
        cls = type(self)
        return hash((cls, *(getattr(self, name) for name in fields_of(cls))))

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in self.shown_fields())
        return f"{type(self).__name__}({', '.join(shown)})"

    def shown_fields(self) -> tuple[str, ...]:
        """Return the names of the fields that the repr shows."""
        cls = type(self)
        return tuple(name for name in fields_of(cls) if name not in cls._hidden)

    def __reduce__(self) -> tuple[Any, ...]:
        cls = type(self)
        return cls, tuple(getattr(self, name) for name in fields_of(cls))


class CheckedRecord(Record):
    """A record that raises TypeError for values whose type differs from the annotation.

    Commands and credentials are checked, because callers make them and should see a mistake where
    they make it. Events, which are parsed from a peer's bytes, need no check. An annotation is a
    class, optionally with an item type in brackets, optionally followed by ``| None``.
    """


def fields_of(record: RecordType) -> tuple[str, ...]:
    """Return the names of a record's fields."""
    names: tuple[str, ...] = getattr(record, "__match_args__", ())
    return names


RecordT = TypeVar("RecordT", bound=Record)


def replace(record: RecordT, **changes: Any) -> RecordT:
    """Return a copy of a record in which the fields that are named have other values."""
    cls = type(record)
    return cls(**{name: getattr(record, name) for name in fields_of(cls)} | changes)
