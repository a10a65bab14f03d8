"""The floors of the house: imports only point down, and a poll loads only what it needs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
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

NAMESPACES = ("imap", "pop3", "smtp", "sasl")
"""The public face of the protocols, and how the other floors use them: a part of that floor."""

FLOOR_OF = dict.fromkeys((*NAMESPACES, "_lazy"), "protocols")
"""The floor of a module that is not in the folder of its floor."""

FEW_NAMES = 3
"""Above this number of names of one protocol a module imports the namespace instead."""

APPS_MAY_IMPORT = {
    "polls": {"polls"},
    "cli": {"polls", "cli"},
    "daemon": {"polls", "daemon"},
    "conformance": {"polls", "conformance"},
}
"""Programs do not use each other: what they share is in ``apps/polls``."""

PURE = {
    *("__future__", "abc", "base64", "binascii", "bisect", "collections", "dataclasses", "enum"),
    *("functools", "hashlib", "hmac", "itertools", "re", "string", "stringprep", "struct"),
    *("types", "typing", "unicodedata", "zlib"),
}
"""What the sans-IO floors may take from the standard library."""

ALSO = {
    "protocols": {"automat"},
    # It imports a part of automat without the rest.
    "protocols/transitions.py": {"importlib", "sys"},
    # A record finds the module of its class, and its signature when help() asks for it.
    "protocols/record.py": {"sys", "inspect"},
    # hashlib would load OpenSSL.
    "protocols/message/fingerprint.py": {"_blake2"},
    # JSON, forms and addresses: urllib.parse does no I/O.
    "protocols/oauth": {"json", "urllib"},
    "protocols/gmail": {"urllib"},
    "protocols/http.py": {"urllib"},
    "protocols/proxy/address.py": {"urllib"},
    "adapters/http": {"h11"},
    "adapters/oauth/signing.py": {"cryptography"},
    "adapters/postgres": {"psycopg", "cryptography"},
    "flows/host_names.py": {"idna"},
    "runtimes/trio.py": {"trio"},
    "runtimes/batch_worker.py": {"trio"},
    "apps/cli/explained/certificates.py": {"cryptography"},
    "apps/daemon": {"trio"},
    "apps/cli/waiting.py": {"trio"},
    "apps/cli/progress.py": {"rich"},
    "apps/polls/jobs.py": {"trio"},
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
            if node.module:
                yield ".".join([*base, node.module])
            else:
                yield from (".".join([*base, alias.name]) for alias in node.names)


def names_imported(path: Path) -> Iterator[tuple[str, str]]:
    """Yield what a module imports from others by name: the absolute module, and the name."""
    package = ["mailhaul", *path.parent.parts]
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            base = package[: len(package) - node.level + 1] if node.level else []
            yield from ((".".join([*base, node.module]), alias.name) for alias in node.names)


def floor_of(name: str) -> str:
    """Return the floor of a module or a folder directly under ``mailhaul``."""
    return FLOOR_OF.get(name, name)


@pytest.mark.parametrize("path", modules(), ids=str)
def test_imports_only_point_down(path: Path) -> None:
    floor = floor_of(path.parts[0].removesuffix(".py"))
    if floor not in MAY_IMPORT:
        assert path.name == "__init__.py" or path.name == "__main__.py"
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "mailhaul" and len(parts) > 1 and name != "mailhaul.__version__":
            assert floor_of(parts[1]) in MAY_IMPORT[floor], f"{path} imports {name}"


@pytest.mark.parametrize("path", [p for p in modules() if p.parts[0] == "protocols"], ids=str)
def test_the_protocols_themselves_do_not_use_the_namespaces(path: Path) -> None:
    """A namespace loads the protocols: this would be a circle."""
    assert not {f"mailhaul.{name}" for name in FLOOR_OF} & {*imports(path)}


@pytest.mark.parametrize("path", modules(), ids=str)
def test_many_names_of_a_protocol_come_through_its_namespace(path: Path) -> None:
    if floor_of(path.parts[0].removesuffix(".py")) == "protocols":
        return
    for protocol in NAMESPACES:
        inside = f"mailhaul.protocols.{protocol}."
        exported = import_module(f"mailhaul.{protocol}").__all__
        found = [
            name
            for module, name in names_imported(path)
            if module.startswith(inside) and name in exported
        ]
        assert len(found) <= FEW_NAMES, f"{path} imports {found}"


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


SERVER_SIDE = ("server", "server_states", "server_lines")


def test_a_source_loads_the_client_of_its_protocol_alone() -> None:
    source = "from mailhaul.adapters.sources.{0} import {1} as Source; from mailhaul import {0}"
    for protocol, name in (("imap", "ImapSource"), ("pop3", "Pop3Source")):
        loaded = loaded_by(f"{source.format(protocol, name)}; {protocol}.Client()")
        inside = {one for one in loaded if one.startswith("mailhaul.protocols.")}
        assert f"mailhaul.protocols.{protocol}.client" in inside
        assert not {one for one in inside if one.rpartition(".")[2] in SERVER_SIDE}
        others = {"imap", "pop3", "smtp"} - {protocol}
        assert not {one for one in inside if one.split(".")[2] in others}


MAX_LINES = 450


@pytest.mark.parametrize("path", modules(), ids=str)
def test_a_long_file_says_why_it_is_long(path: Path) -> None:
    text = (ROOT / path).read_text()
    if text.count("\n") > MAX_LINES:
        assert "This file is long because" in (ast.get_docstring(ast.parse(text)) or "")
