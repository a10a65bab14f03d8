"""``python -m tests.find mailhaul/flows/choose.py``: the test files that import a module.

Those that import it by name come first; then those that reach it through a namespace of the
package or through a module that imports it, one step away.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]


def module_name(path: Path) -> str:
    """Return the dotted name of a file of this repository."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> set[str]:
    """Return the dotted names that a file imports: modules, and names in modules."""
    package = module_name(path).split(".")[:-1]
    if path.name == "__init__.py":
        package = list(path.parent.parts)
    found: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            prefix = ".".join([*base, *([node.module] if node.module else [])])
            found |= {prefix, *(f"{prefix}.{alias.name}" for alias in node.names)}
    return found


def files(folder: str) -> Iterator[Path]:
    """Yield the Python files below a folder."""
    return (path.relative_to(ROOT) for path in sorted((ROOT / folder).rglob("*.py")))


def tests_of(module: str) -> list[Path]:
    """Return the test files that import a module by name."""
    return [path for path in files("tests") if module in imported(path)]


def users_of(module: str) -> set[str]:
    """Return the modules of the package that import a module."""
    return {module_name(path) for path in files("mailhaul") if module in imported(path)}


def main(arguments: list[str]) -> int:
    """Print the test files for each module that is named by its path."""
    if not arguments:
        print("usage: python -m tests.find FILE ...", file=sys.stderr)
        return 2
    for argument in arguments:
        module = module_name(Path(argument).resolve().relative_to(ROOT))
        direct = tests_of(module)
        users = users_of(module)
        through = [path for path in files("tests") if path not in direct and imported(path) & users]
        print(f"{module}: imported by {len(direct)} test files")
        print("".join(f"  {path}\n" for path in direct), end="")
        print(f"  and {len(through)} more import one of the {len(users)} modules that use it")
        print("".join(f"    {path}\n" for path in through), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
