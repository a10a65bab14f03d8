"""Small immutable values: like frozen dataclasses with slots, and forty times cheaper to define.

A poll that finds no mail lasts some 50 ms, and defining a dataclass takes 0.3 of them: the
methods are made as text and compiled for every class. Here all classes share theirs, but for
__init__: that is compiled for a class when its first instance is made, since a busy client makes
eight records for every message.
"""

from __future__ import annotations

from typing import Any, NoReturn, dataclass_transform


@dataclass_transform(frozen_default=True)
class RecordType(type):
    """Makes the annotations of a class its fields, in order, behind those of its bases."""

    field_defaults: dict[str, object]

    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any
    ) -> RecordType:
        own = tuple(namespace.get("__annotations__", ()))
        inherited = tuple(f for base in bases for f in getattr(base, "__match_args__", ()))
        defaults = {f: namespace.pop(f) for f in own if f in namespace}
        namespace["__slots__"] = own
        namespace["__match_args__"] = inherited + own
        namespace.setdefault("__init__", compile_init)
        made = super().__new__(cls, name, bases, namespace, **options)
        made.field_defaults = (
            {**getattr(bases[0], "field_defaults", {}), **defaults} if bases else {}
        )
        return made


def compile_init(self: object, *values: Any, **named: Any) -> None:
    """Stand in as __init__ of a class for its first instance: make the real one, and call it."""
    cls: Any = self.__class__
    names = fields_of(cls)
    parameters = [f"{n}=_default_{n}" if n in cls.field_defaults else n for n in names]
    lines = [f"    _put_{name}(self, {name})" for name in names] or ["    pass"]
    scope: dict[str, Any] = {f"_put_{name}": getattr(cls, name).__set__ for name in names}
    scope |= {f"_default_{name}": value for name, value in cls.field_defaults.items()}
    source = f"def __init__({', '.join(['self', *parameters])}):\n" + "\n".join(lines)
    exec(source, scope)  # noqa: S102  # names of fields, which are Python's own words
    type.__setattr__(cls, "__init__", scope["__init__"])
    cls.__init__(self, *values, **named)


class Record(metaclass=RecordType):
    """An immutable value whose fields are its annotations; equal if class and fields are.

    Fields named in ``_hidden`` are left out of the repr: secrets and message text.
    """

    _hidden = frozenset[str]()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} does not change")

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
        """Return the names of the fields that may be shown."""
        cls = type(self)
        return tuple(name for name in fields_of(cls) if name not in cls._hidden)

    def __reduce__(self) -> tuple[Any, ...]:
        cls = type(self)
        return cls, tuple(getattr(self, name) for name in fields_of(cls))


def fields_of(record: RecordType) -> tuple[str, ...]:
    """Return the names of a record's fields."""
    names: tuple[str, ...] = getattr(record, "__match_args__", ())
    return names
