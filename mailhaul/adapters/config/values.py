"""How single values are understood, in the rc file and on the command line alike."""

from __future__ import annotations


def absolute(path: str, folder: str | None, *, tilde: bool = False) -> str:
    """Return the path as seen from ``folder``. Empty, absolute and ``-`` stay as they are.

    With ``tilde`` so does one below a home folder, for ``at_home`` to complete.
    """
    if tilde and path.startswith("~"):
        return path
    if not path or path == "-" or path.startswith("/") or folder is None:
        return path
    return f"{folder.rstrip('/')}/{path}"


def at_home(path: str, home: str) -> str:
    """Return the path with a leading ``~/`` as the home folder."""
    return f"{home.rstrip('/')}/{path[2:]}" if path.startswith("~/") else path


def service(text: str) -> int | str:
    """Return a service as a port number if it is one, else its name."""
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 10 else text


def c_number(text: str) -> int | None:
    """Return a whole number in C notation (``0x10``, ``010``), or None if it is none."""
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
