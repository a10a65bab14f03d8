"""The floors of the house: imports only point down, and a poll loads only what it needs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mailhaul

ROOT = Path(mailhaul.__file__).parent

MAY_IMPORT = {
    "protocols": {"protocols"},
    "flows": {"protocols", "flows"},
    "servers": {"protocols", "flows", "servers"},
    "runtimes": {"protocols", "flows", "runtimes"},
    "adapters": {"protocols", "flows", "adapters"},
    "conformance": {"protocols", "flows", "servers", "runtimes", "conformance"},
    "apps": {
        *("protocols", "flows", "servers", "runtimes", "adapters", "conformance", "apps"),
    },
}

DOORS = {"imap.py", "pop3.py", "smtp.py", "sasl.py", "_lazy.py"}
"""The public face of the protocols: on no floor, and nothing inside imports them."""

APPS_MAY_IMPORT = {"polls": {"polls"}, "cli": {"polls", "cli"}, "daemon": {"polls", "daemon"}}
"""Programs do not use each other: what they share is in ``apps/polls``."""

PURE = {
    *("__future__", "abc", "base64", "binascii", "bisect", "collections", "dataclasses", "enum"),
    *("functools", "hashlib", "hmac", "itertools", "re", "string", "stringprep", "struct"),
    *("typing", "unicodedata", "zlib"),
}
"""What the sans-IO floors may take from the standard library."""

ALSO = {
    "protocols": {"automat"},
    # A record finds the module of its class, and its signature when help() asks for it.
    "protocols/record.py": {"sys", "inspect"},
    "flows/host_names.py": {"idna"},
    "runtimes/trio.py": {"trio"},
    "runtimes/batch_worker.py": {"trio"},
    "apps/daemon": {"trio"},
    "apps/cli/side_by_side.py": {"trio"},
    "apps/polls/jobs.py": {"trio"},
    "apps/polls/places.py": {"trio"},
    "apps/polls/pool.py": {"trio"},
}
"""What they may take from elsewhere."""


def modules() -> list[Path]:
    return sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Yield what a module imports, as absolute dotted names."""
    package = ["mailhaul", *path.parent.parts]
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            yield ".".join([*base, *([node.module] if node.module else [])])


@pytest.mark.parametrize("path", modules(), ids=str)
def test_imports_only_point_down(path: Path) -> None:
    floor = path.parts[0]
    if floor in DOORS:
        ours = {name for name in imports(path) if name.startswith("mailhaul.")}
        assert all(name.startswith("mailhaul.protocols.") for name in ours - {"mailhaul._lazy"})
        return
    if floor not in MAY_IMPORT:
        assert path.name == "__init__.py" or path.name == "__main__.py"
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "mailhaul" and len(parts) > 1:
            assert parts[1] in MAY_IMPORT[floor], f"{path} imports {name}"


@pytest.mark.parametrize("path", [p for p in modules() if p.parts[0] == "apps"], ids=str)
def test_programs_do_not_import_each_other(path: Path) -> None:
    allowed = APPS_MAY_IMPORT.get(path.parts[1])
    for name in imports(path):
        parts = name.split(".")
        if allowed and parts[:2] == ["mailhaul", "apps"] and len(parts) > 2:
            assert parts[2] in allowed, f"{path} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=str)
def test_the_sans_io_floors_import_nothing_that_acts(path: Path) -> None:
    floor = path.parts[0]
    places = (floor, str(path.parent), str(path))
    allowed = {"mailhaul"}.union(*(ALSO.get(place, set()) for place in places))
    for name in imports(path):
        top = name.split(".", maxsplit=1)[0]
        if floor in {"protocols", "flows", "servers"}:
            assert top in PURE | allowed, f"{path} imports {name}"
        elif top not in sys.stdlib_module_names:
            assert top in allowed, f"{path} imports {name}"


def loaded_by(statement: str) -> set[str]:
    """Return the modules that a fresh interpreter holds after a statement."""
    code = f"{statement}\nimport sys\nprint(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def test_the_blocking_runner_never_imports_trio() -> None:
    loaded = loaded_by("import mailhaul.apps.main, mailhaul.runtimes.blocking")
    assert "trio" not in loaded


def test_only_the_asyncio_runtime_imports_asyncio() -> None:
    users = [path for path in modules() if "asyncio" in set(imports(path))]
    assert users == [Path("runtimes/asyncio.py")]


def test_no_program_loads_the_asyncio_runtime() -> None:
    programs = "mailhaul.apps.main, mailhaul.apps.daemon.service, mailhaul.apps.demo.main"
    assert "mailhaul.runtimes.asyncio" not in loaded_by(f"import {programs}")
    for path in (path for path in modules() if path.parts[0] == "apps"):
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            if isinstance(node, ast.ImportFrom):
                assert "asyncio" not in {alias.name for alias in node.names}, path


def test_the_command_line_starts_without_what_only_some_polls_need() -> None:
    loaded = loaded_by("import mailhaul.apps.main")
    heavy = {
        "ssl",
        "email",
        "logging",
        "argparse",
        "asyncio",
        "subprocess",
        "trio",
        "sqlite3",
        "idna",
    }
    assert not loaded & heavy
