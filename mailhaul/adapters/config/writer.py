"""Write entries of an rc file: the reverse of the parser, from the same table of options.

Every text is quoted in a way that the lexer reads back unchanged. fetchmail's quotes have no
escape for the quote itself, so that it is written by its number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, cast

from ...protocols.secret import Secret
from . import options
from .options import OPTIONS, SERVER, USER, Option

INDENT: Final = "    "
_SAFE_HOST: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*(?:\.[A-Za-z0-9-]+)+")
"""A name that needs no quotes: with its dot it is no keyword, and with a letter no number."""
_ESCAPES: Final = {
    "\\": r"\\",
    '"': r"\x22",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
}
_SERVER_OPTIONS: Final = {o.name: o for o in reversed(OPTIONS) if o.level == SERVER}
_USER_OPTIONS: Final = {o.name: o for o in reversed(OPTIONS) if o.level == USER}


def quote(text: str) -> str:
    """Return a text as a quoted string. Raises ValueError for a NUL, which no value can have."""
    if "\0" in text:
        raise ValueError("a value cannot contain a NUL")
    return f'"{"".join(_ESCAPES.get(character, character) for character in text)}"'


def host_name(text: str) -> str:
    """Return the name of a host, quoted if it has to be."""
    plain = _SAFE_HOST.fullmatch(text) and re.search("[A-Za-z]", text)
    return text if plain else quote(text)


def write_entry(
    pollname: str, server: Mapping[str, object], user: Mapping[str, object], *, skip: bool = False
) -> str:
    """Return an entry with one user.

    The keys are the names of options (``protocol``, ``remote_user``), in the order in which they
    are written; the values have the types of the settings. A text may be a Secret. Raises
    ValueError for an option or a value that cannot be written.
    """
    words = ["skip" if skip else "poll", host_name(pollname)]
    words += _written(_SERVER_OPTIONS, server)
    lines = [" ".join(words), *(INDENT + text for text in _written(_USER_OPTIONS, user))]
    return "\n".join(lines) + "\n"


def _written(table: Mapping[str, Option], chosen: Mapping[str, object]) -> Iterator[str]:
    for name, value in chosen.items():
        if name not in table:
            raise ValueError(f"{name} is no option here")
        yield write_option(table[name], value)


def write_option(option: Option, value: object) -> str:
    """Return an option with its value. Raises ValueError if it cannot be written."""
    keyword = option.keywords[0]
    match option.kind, value:
        case options.FLAG, bool():
            if not value and not option.negation:
                raise ValueError(f"{keyword} cannot be switched off")
            return keyword if value else f"no {keyword}"
        case options.PROTOCOL, str():
            return f"{keyword} {value.upper()}"
        case ((options.AUTH | options.POLICY), str()):
            return f"{keyword} {value}"
        case ((options.NUMBER | options.PORT | options.SERVICE), int()):
            return f"{keyword} {value}"
        case options.NUMBERS, tuple():
            return f"{keyword} {' '.join(map(str, cast('tuple[object, ...]', value)))}"
        case options.LIST, tuple():
            return f"{keyword} {' '.join(map(quote, cast('tuple[str, ...]', value)))}"
        case _, Secret():
            return f"{keyword} {quote(value.reveal().decode('utf-8', 'surrogateescape'))}"
        case (
            (options.TEXT | options.PATH | options.LOGIN | options.SERVICE | options.HIDDEN),
            str(),
        ):
            return f"{keyword} {quote(value)}"
        case _:
            raise ValueError(f"{keyword} cannot have this value")
