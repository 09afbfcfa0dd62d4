"""The way of the data holds: a module imports only modules of its own stage or of stages before it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "tb_evalguide"

# First stage first. A name is a module or a package right below tb_evalguide; it may import its own stage and
# those before. explain reads the rules' docstrings for the report, the command and the docs alike.
STAGES = (
    ("version", "model", "errors", "i18n"),
    ("frames", "sources"),
    ("roles", "profiles", "config", "remedies", "stats", "case", "shape", "segments", "cost", "status"),
    ("rules",),
    ("explain",),
    ("diagnosis", "judgements", "checkpoints", "checklist", "compare"),
    ("report", "api", "replay"),
    ("render",),
    ("commands", "cli", "plugin", "callbacks", "__main__"),
)
STAGE = {name: number for number, names in enumerate(STAGES) for name in names}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def first_part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(tree: ast.Module) -> list[tuple[str, int]]:
    """The parts of our package that are imported when the module runs or in its functions, with their lines.

    What stands under `if TYPE_CHECKING:` names types and imports nothing.
    """
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }
    found = []
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are written in full"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "tb_evalguide" and len(parts) > 1:
                found.append((parts[1], node.lineno))
    return found


def test_every_module_has_its_stage() -> None:
    assert {first_part(path) for path in MODULES} <= set(STAGE)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_back(path: Path) -> None:
    here = first_part(path)
    for name, line in imported(ast.parse(path.read_text(encoding="utf-8"))):
        if name not in STAGE:
            continue  # a name of tb_evalguide/__init__.py itself, such as __version__
        # the model's to_frame reaches forward on purpose, inside a method: a Run can turn itself into a table
        if (here, name) == ("model", "frames"):
            continue
        assert STAGE[name] <= STAGE[here], f"{here} (line {line}) imports {name}, which comes after it"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_opens_with_one_sentence(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring, "no docstring"
    assert docstring.splitlines()[0].endswith((".", ":", ")")), docstring.splitlines()[0]


HEAVY = ("pandas", "tbparse", "tensorboard", "scipy", "torch", "werkzeug", "fsspec")


@pytest.mark.parametrize(
    "arguments", [("--help",), ("report", "demo_logs/overfitting", "--format", "json")], ids=["help", "report"]
)
def test_command_line_loads_nothing_heavy(arguments: tuple[str, ...]) -> None:
    code = (
        "import sys, contextlib, io\n"
        "from tb_evalguide.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        f"    main({list(arguments)!r})\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent, timeout=60
    )
    assert done.stdout.strip() == "[]"
