"""How the public namespaces load: a module is imported when a name of it is first used (PEP 562).

So ``from mailhaul import imap`` costs next to nothing, and a program that needs only a client never
loads the server. Type checkers do not come here: they read the imports under TYPE_CHECKING.
"""

from __future__ import annotations

import sys
from typing import Any


def load_lazily(namespace: dict[str, Any], folder: str, *modules: str, **places: str) -> None:
    """Give a module what finds the names of its ``__all__`` when they are used.

    They are looked for in these ``modules`` of a folder of mailhaul, in this order; the first ones
    are those that are cheap to load. ``places`` are names that are elsewhere, or have another name
    there: "protocols.imap.client.ImapClient".
    """

    def find(name: str) -> object:
        if name not in namespace["__all__"]:
            here = namespace["__name__"]
            problem = f"module {here!r} has no attribute {name!r}"
            raise AttributeError(problem, name=name, obj=sys.modules[here])
        from importlib import import_module

        place, _, own = places.get(name, "").rpartition(".")
        for module in [place] if place else (f"{folder}.{module}" for module in modules):
            values = vars(import_module(f"mailhaul.{module}"))
            if (own or name) in values:
                # From now on the name is found without us.
                namespace[name] = values[own or name]
                return namespace[name]
        raise AssertionError(f"{name} is in __all__ and nowhere else")

    def names() -> list[str]:
        return sorted(namespace["__all__"])

    namespace["__getattr__"] = find
    namespace["__dir__"] = names
