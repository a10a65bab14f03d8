"""Prints the state machines of mailhaul into docs/states, from the machines themselves.

    python docs/states.py            writes the pages
    python docs/states.py --check    exits with 1 if a page is not what the machine says

Every module of mailhaul.protocols and mailhaul.flows whose name ends in ``_states`` gets a page,
printed from its ``table``.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path
from types import ModuleType

import mailhaul.flows
import mailhaul.protocols

FOLDER = Path(__file__).parent / "states"
Row = tuple[str, str, str]


def machines() -> dict[str, ModuleType]:
    """Return the modules that hold a machine, by the name of their page."""
    found: dict[str, ModuleType] = {}
    for floor in (mailhaul.protocols, mailhaul.flows):
        for module in pkgutil.walk_packages(floor.__path__, f"{floor.__name__}."):
            if module.name.endswith("_states"):
                *_, folder, name = module.name.split(".")
                page = name.removesuffix("_states")
                page = f"ledger-{page}" if folder == "flows" else f"{folder}-{page}"
                page = page.replace("_", "-")
                found[page] = importlib.import_module(module.name)
    return dict(sorted(found.items()))


def rows(module: ModuleType) -> list[Row]:
    """Return (state, input, next state), sorted."""
    return sorted((str(old), name, str(new)) for old, name, new in module.table.rows)


def inputs(module: ModuleType) -> list[tuple[str, str]]:
    """Return the inputs of a machine, each with the command or reply that it is."""
    found = [(n, f) for n, f in vars(module.table.inputs).items() if not n.startswith("_")]
    return [(name, " ".join((method.__doc__ or "").split())) for name, method in found]


def page(name: str, module: ModuleType) -> str:
    """Return a page: the diagram, then the table."""
    start = module.table.begin().state
    file = f"mailhaul/{module.__name__.removeprefix('mailhaul.').replace('.', '/')}.py"
    first = (module.__doc__ or "").strip().splitlines()[0]
    arrows: dict[tuple[str, str], list[str]] = {}
    for old, event, new in rows(module):
        arrows.setdefault((old, new), []).append(event)
    diagram = [
        "stateDiagram-v2",
        f"    [*] --> {start.replace('-', '_')}",
        *(
            f"    {old.replace('-', '_')} --> {new.replace('-', '_')} : {', '.join(events)}"
            for (old, new), events in arrows.items()
        ),
    ]
    table = [f"| {old} | {event} | {new} |" for old, event, new in rows(module)]
    meanings = [f"| {event} | {meaning} |" for event, meaning in inputs(module)]
    return "\n".join(
        [
            f"# {name}",
            "",
            first,
            f"Printed from `{file}` by `docs/states.py`; what is not listed is refused.",
            "",
            "```mermaid",
            *diagram,
            "```",
            "",
            "| input | what it is |",
            "|---|---|",
            *meanings,
            "",
            "| state | input | next state |",
            "|---|---|---|",
            *table,
            "",
        ]
    )


def main() -> int:
    """Write the pages, or check them."""
    pages = {FOLDER / f"{name}.md": page(name, module) for name, module in machines().items()}
    if "--check" in sys.argv[1:]:
        stale = [p for p, text in pages.items() if not p.exists() or p.read_text() != text]
        stale += sorted(set(FOLDER.glob("*.md")) - set(pages))
        for path in stale:
            print(f"{path}: not what the machine says; run python docs/states.py")
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for path, text in pages.items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
