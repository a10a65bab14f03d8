"""A secret that cannot be printed, pickled or compared by accident."""

from __future__ import annotations

from typing import NoReturn


class Secret:
    """A password or token, as bytes. Only ``reveal`` returns it; ``repr`` hides it.

    Raises TypeError for anything that is not bytes, and when it is pickled.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        if not isinstance(value, bytes):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"Secret() takes bytes, not {type(value).__name__}")
        self._value = value

    def reveal(self) -> bytes:
        """Return the bytes as they are sent."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(...)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")

    def __bool__(self) -> bool:
        return bool(self._value)
