"""The message catalogue: finds every message of the source, keeps the Korean catalogue in step, compiles it.

python tools/messages.py update    # source → tb_evalguide.pot → ko/…/tb_evalguide.po (keeps translations)
python tools/messages.py compile   # .po → .mo
python tools/messages.py todo      # prints what is not translated yet
python tools/messages.py take FILE # fills translations from a JSON file {English: Korean}
"""

from __future__ import annotations

import ast
import importlib.util
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "tb_evalguide"
TEMPLATE = PACKAGE / "locale" / "tb_evalguide.pot"
KOREAN = PACKAGE / "locale" / "ko" / "LC_MESSAGES" / "tb_evalguide.po"

ABOUT: dict[str, Any] = {
    "project": "tb-evalguide",
    "version": "",
    "copyright_holder": "the tb-evalguide maintainers",
    "msgid_bugs_address": "",
    "charset": "utf-8",
    "fuzzy": False,
    "header_comment": "# Made by tools/messages.py from the source; translations are kept.\n#",
}

# Calls whose literal arguments are messages: {name: (positions, keywords)}. N_ is the rule; the others are types
# of the model whose fields are message ids, so that a rule file need not wrap each of them.
CALLS: dict[str, tuple[tuple[int, ...], tuple[str, ...]]] = {
    "N_": ((0,), ()),
    "Text": ((0,), ("template",)),
    "Remedy": ((0,), ("text", "already")),
    "Rule": ((), ("title", "message", "variants")),
}


def _explain() -> ModuleType:
    """tb_evalguide.explain from this tree, without importing the package's other modules or NumPy."""
    sys.path.insert(0, str(ROOT))
    try:
        return importlib.import_module("tb_evalguide.explain")
    finally:
        sys.path.remove(str(ROOT))


def _literals(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.Dict):
        for value in node.values:
            yield from _literals(value)
    elif isinstance(node, ast.IfExp):
        yield from _literals(node.body)
        yield from _literals(node.orelse)
    elif isinstance(node, ast.JoinedStr):
        raise SystemExit(f"line {node.lineno}: an f-string cannot be a message; use a template with named values")


def messages_of(path: Path) -> Iterator[tuple[str, int]]:
    """(message id, line) of one source file."""
    explain = _explain()
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source, filename=str(path))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute)):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            positions, keywords = CALLS.get(name, ((), ()))
            found = [node.args[p] for p in positions if p < len(node.args)]
            found += [k.value for k in node.keywords if k.arg in keywords]
            for value in found:
                for message in _literals(value):
                    yield message, node.lineno
    if path.parent.name == "rules" and any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Rule"
        for node in ast.walk(tree)
    ):
        for text in explain.sections(ast.get_docstring(tree) or "").values():
            yield text, 1
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and "Limits" in node.name:
                # whole lines: the last field's comment stands behind the end of the class
                lines = source.splitlines()[node.lineno - 1 : node.end_lineno]
                for comment in explain.limit_comments("\n".join(lines)).values():
                    if comment:
                        yield comment, node.lineno


def extract() -> Catalog:
    """All messages of the package, in the order of files and lines."""
    catalog = Catalog(**ABOUT)
    for path in sorted(PACKAGE.rglob("*.py")):
        for message, _ in sorted(messages_of(path), key=lambda found: found[1]):
            if message:
                # Without line numbers: they would make every edit of the source a diff of the catalogue.
                catalog.add(message, locations=[(path.relative_to(ROOT).as_posix(), 0)])
    return catalog


def read_korean() -> Catalog:
    if not KOREAN.exists():
        return Catalog(locale="ko", **ABOUT)
    with KOREAN.open("rb") as file:
        return read_po(file, locale="ko")


def _write(catalog: Catalog, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    write_po(
        buffer, catalog, width=110, omit_header=False, include_lineno=False, ignore_obsolete=True, sort_output=False
    )
    text = buffer.getvalue().decode("utf-8")
    # Dates and tool versions would make every run a diff.
    kept = [
        line
        for line in text.splitlines()
        if not line.startswith(('"POT-Creation-Date', '"PO-Revision-Date', '"Generated-By'))
    ]
    path.write_text("\n".join(kept).rstrip() + "\n", encoding="utf-8")


def update() -> Catalog:
    """Source → template and Korean catalogue. Translations are kept; a changed English text loses its translation."""
    template = extract()
    _write(template, TEMPLATE)
    korean = read_korean()
    # No fuzzy matching: a half-right sentence in Korean is worse than the English one.
    korean.update(template, no_fuzzy_matching=True)
    _write(korean, KOREAN)
    return korean


def compile_catalogue(po: Path = KOREAN) -> Path:
    with po.open("rb") as file:
        catalog = read_po(file, locale="ko")
    mo = po.with_suffix(".mo")
    with mo.open("wb") as out:
        write_mo(out, catalog)
    return mo


def untranslated(catalog: Catalog) -> list[str]:
    return [str(message.id) for message in catalog if message.id and not message.string]


def take(path: Path) -> None:
    """Fills empty or changed translations from {English: Korean}; an English text we do not have is an error."""
    korean = read_korean()
    for english, translation in json.loads(path.read_text(encoding="utf-8")).items():
        message = korean.get(english)
        if message is None:
            print(f"not a message any more: {english[:100]!r}", file=sys.stderr)
        else:
            message.string = translation
    _write(korean, KOREAN)


def main(arguments: list[str]) -> int:
    command = arguments[0] if arguments else ""
    if command == "update":
        left = untranslated(update())
        print(f"{len(left)} messages without Korean")
    elif command == "compile":
        print(compile_catalogue().relative_to(ROOT))
    elif command == "todo":
        print(json.dumps(untranslated(update()), ensure_ascii=False, indent=0))
    elif command == "take" and len(arguments) == 2:
        take(Path(arguments[1]))
        compile_catalogue()
        print(f"{len(untranslated(read_korean()))} messages without Korean")
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
