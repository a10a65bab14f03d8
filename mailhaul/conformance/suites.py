"""All suites by name. A suite is complete once the modules with its cases are imported."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .cases import Suite
from .environment import Environment
from .session import Session

MODULES = {
    "imap": (
        *("suite", "greeting", "states", "authenticating", "securing", "opening", "mailboxes"),
        *("listing", "extended_listing", "utf8", "appending", "literals", "selecting"),
        *("expunging", "searching", "extended_search", "fetching", "sections"),
        *("storing", "copying", "identifying", "sharing", "idling", "enabling"),
        *("condstore", "qresync"),
    ),
    "pop3": (
        *("suite", "greeting", "commands", "login", "closing", "transaction", "retrieval"),
        *("unique_ids", "capabilities", "pipelining", "sasl", "starttls", "utf8"),
    ),
    "smtp": (
        *("suite", "greeting", "introduction", "syntax", "envelope", "limits", "data"),
        *("smuggling", "commands", "pipelining", "size", "chunking", "tls", "authentication"),
        *("dsn", "eight_bit"),
    ),
    "lmtp": ("suite", "hello", "transaction"),
    "client": (
        *("suite", "pop3_login", "pop3_mail", "imap_login", "imap_mail", "imap_waiting"),
        *("smtp_session", "smtp_mail", "lmtp", "tls"),
    ),
}
"""By the name of a suite, which is also its folder: ``suite`` and the modules with its cases."""


def load_suite(name: str) -> Suite[Any]:
    """Return a suite with all its cases. Raises KeyError for an unknown name."""
    first, *others = (import_module(f".{name}.{module}", __package__) for module in MODULES[name])
    del others
    suite: Suite[Any] = getattr(first, name.upper())
    return suite


def environment_of(name: str) -> type[Environment[Session]]:
    """Return the environment of a suite's cases: what its module ``suite`` has as NameEnvironment.

    Raises KeyError for an unknown name.
    """
    module = import_module(f".{name}.{MODULES[name][0]}", __package__)
    found: type[Environment[Session]] = getattr(module, f"{name.capitalize()}Environment")
    return found
