"""Conversion of single values, for the rc file and for the command line."""

from __future__ import annotations

from collections.abc import Mapping


def absolute(path: str, folder: str | None, *, tilde: bool = False) -> str:
    """Return the path relative to ``folder``. Empty paths, absolute paths and ``-`` are unchanged.

    With ``tilde``, a path that begins with ``~`` is unchanged too; see ``at_home``.
    """
    if tilde and path.startswith("~"):
        return path
    if not path or path == "-" or path.startswith("/") or folder is None:
        return path
    return f"{folder.rstrip('/')}/{path}"


OCTETS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
"""What the letter after a number of octets or of seconds stands for."""
MAX_DIGITS = 15


def amount(text: str, units: Mapping[str, int]) -> int | None:
    """Return a number with a unit, such as ``2500m`` or ``90s``; None for anything else."""
    digits = text.rstrip("kmghdsKMGHDS")
    unit = text[len(digits) :].lower()
    if not (digits.isdecimal() and digits.isascii()) or unit not in units:
        return None
    return int(digits) * units[unit] if len(digits) <= MAX_DIGITS else None


def at_home(path: str, home: str) -> str:
    """Return the path with a leading ``~/`` replaced by the home folder."""
    return f"{home.rstrip('/')}/{path[2:]}" if path.startswith("~/") else path


def service(text: str) -> int | str:
    """Return a service as a port number if possible, otherwise its name."""
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 10 else text


def c_number(text: str) -> int | None:
    """Parse an integer in C notation (``0x10``, ``010``). Return None for anything else."""
    digits = text.strip(" \t\r\n\v\f") if text[-1:].isalnum() else ""
    negative = digits.startswith("-")
    digits = digits[1:] if digits.startswith(("+", "-")) else digits
    if not digits[:1].isdigit() or "_" in digits or not digits.isascii() or len(digits) > 20:
        return None
    try:
        if digits[:2] in ("0x", "0X"):
            value = int(digits, 16)
        else:
            value = int(digits, 8 if digits.startswith("0") else 10)
    except ValueError:
        return None
    return -value if negative else value


SECONDS_PER_DAY = 24 * 3600
MAX_DAYS = 36_500
PERIOD_UNITS = {"d": 1, "w": 7}
"""Units of a period, in days."""


def period(text: str) -> int | None:
    """Return a period such as ``30d`` or ``4w`` in seconds. Return None for anything else."""
    digits, days = text[:-1], PERIOD_UNITS.get(text[-1:].lower(), 0)
    if not (days and digits.isdecimal() and digits.isascii() and len(digits) < 6):
        return None
    found = int(digits) * days
    return found * SECONDS_PER_DAY if 0 < found <= MAX_DAYS else None


def day(text: str) -> str | None:
    """Return a date (``2026-01-31``) or a period. Return None for anything else."""
    if period(text) is not None:
        return text
    from datetime import date  # few rc files have one

    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return text if text == found.isoformat() else None
