"""What ``from mailhaul import imap, pop3, smtp, sasl, servers`` gives, and what it costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

import mailhaul

ROOT = Path(mailhaul.__file__).parent
NAMES = ("imap", "pop3", "sasl", "servers", "smtp")
EXPORTED = (Path(__file__).parent / "exported.txt").read_text().split()
"""What a release may not take away unannounced. Add a name here when it becomes public."""


def namespace(name: str) -> ModuleType:
    return import_module(f"mailhaul.{name}")


def loaded_by(statement: str) -> set[str]:
    """Return what a statement loads in a fresh interpreter, beyond what was loaded before."""
    code = f"import sys; before = {{*sys.modules}}; {statement}; print(*{{*sys.modules}} - before)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def test_the_exported_names_are_those_of_the_list() -> None:
    there = [f"{name}.{each}" for name in NAMES for each in namespace(name).__all__]
    assert there == EXPORTED


def test_the_package_exports_its_version_and_names_the_namespaces() -> None:
    assert mailhaul.__all__ == ["__version__"]
    assert all(f"``mailhaul.{name}``" in (mailhaul.__doc__ or "") for name in NAMES)


@pytest.mark.parametrize("name", EXPORTED)
def test_an_exported_name_is_there_and_says_what_it_is(name: str) -> None:
    place, _, own = name.partition(".")
    value = getattr(namespace(place), own)
    if isinstance(value, type | FunctionType):
        # Not inherited: each class says for itself what it is.
        assert vars(value)["__doc__"] if isinstance(value, type) else value.__doc__


@pytest.mark.parametrize("name", NAMES)
def test_type_checkers_see_what_is_loaded(name: str) -> None:
    """The imports under TYPE_CHECKING name the same objects as the lazy look-up finds."""
    seen: dict[str, object] = {}
    file = Path(str(namespace(name).__file__))
    package = ["mailhaul", *file.parent.relative_to(ROOT).parts]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level and node.module != "_lazy":
            place = import_module(
                ".".join([*package[: len(package) + 1 - node.level], str(node.module)])
            )
            for alias in node.names:
                seen[alias.asname or alias.name] = vars(place)[alias.name]
    exported = namespace(name)
    assert sorted(seen) == sorted(exported.__all__)
    assert [own for own in seen if getattr(exported, own) is not seen[own]] == []


@pytest.mark.parametrize("name", NAMES)
def test_dir_and_star_are_what_is_exported(name: str) -> None:
    assert dir(namespace(name)) == sorted(namespace(name).__all__)
    names: dict[str, object] = {}
    exec(f"from mailhaul.{name} import *", names)
    assert {*names} - {"__builtins__"} == {*namespace(name).__all__}


def test_what_is_not_exported_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"'mailhaul\.imap' has no attribute 'Cient'"):
        _ = namespace("imap").Cient
    with pytest.raises(ImportError):
        exec("from mailhaul.imap import load_everything")


@pytest.mark.parametrize("name", NAMES)
def test_importing_a_namespace_loads_nothing_else(name: str) -> None:
    loaded = loaded_by(f"import mailhaul.{name}")
    ours = {"mailhaul", f"mailhaul.{name}", "mailhaul._lazy"}
    assert ours <= loaded
    assert {each for each in loaded if each.startswith(("mailhaul", "automat"))} == ours
    assert loaded - ours <= loaded_by("import __future__, typing")


def test_a_command_loads_neither_machines_nor_automat() -> None:
    loaded = loaded_by("from mailhaul import imap; imap.UidFetch")
    assert "mailhaul.protocols.imap.commands" in loaded
    assert not {"automat", "mailhaul.protocols.imap.client"} & loaded


def test_a_client_does_not_load_the_server() -> None:
    loaded = loaded_by("from mailhaul import imap; imap.Client")
    assert "mailhaul.protocols.imap.client" in loaded
    assert "mailhaul.protocols.imap.server" not in loaded


@pytest.mark.parametrize("arguments", [["--version"], ["-V", "-f", "/dev/null"]])
def test_the_program_loads_no_namespace_before_it_polls(arguments: list[str]) -> None:
    code = (
        # The program lets go of its streams at the end.
        "import os, sys\n"
        "from mailhaul.apps.main import main\n"
        "kept = os.dup(2)\n"
        f"main({arguments!r})\n"
        "os.write(kept, ' '.join(sys.modules).encode())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    loaded = set(done.stderr.split())
    assert "mailhaul.apps.main" in loaded
    assert not {"mailhaul._lazy", *(f"mailhaul.{name}" for name in NAMES)} & loaded


def test_an_imap_server_does_not_load_the_other_servers() -> None:
    loaded = loaded_by("from mailhaul import servers; servers.serve_imap")
    assert "mailhaul.servers.imap" in loaded
    assert not {"mailhaul.servers.pop3", "mailhaul.servers.smtp"} & loaded
