"""Builds what is not Python: the page (Vite), the catalogues (Babel) and the fast record scanner (C, optional)."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

from setuptools import Command, Extension, setup
from setuptools.command.build import build
from setuptools.command.sdist import sdist

ROOT = Path(__file__).parent.resolve()
PACKAGE = ROOT / "tb_evalguide"
PAGE_SOURCES = ROOT / "frontend"
PAGE = PACKAGE / "static"
STAMP = PAGE / "build.json"
PAGE_MAIN = PAGE / "index.js"
SCANNER = "tb_evalguide/_scan.c"
NODE_NEEDED = "Node.js ^20.19 or >=22.12"  # what Vite 8 runs on; frontend/package.json says the same
NOT_IN_THE_PAGE = {"node_modules", "test", "dist", "coverage"}


def fail(line: str) -> SystemExit:
    """Ends an install with one line; SystemExit because setuptools prints a traceback for anything else."""
    return SystemExit(f"tb-evalguide: {line}")


def page_files() -> list[Path]:
    """The files that the page is made of, in a fixed order."""
    found = []
    for path in PAGE_SOURCES.rglob("*"):
        inside = path.relative_to(PAGE_SOURCES)
        if path.is_file() and not NOT_IN_THE_PAGE.intersection(inside.parts) and not path.name.endswith("~"):
            found.append(path)
    return sorted(found)


def page_hash() -> str:
    """Changes when any source of the page does. By content: a clone or an unpacked archive has no useful file times."""
    digest = hashlib.sha256()
    for path in page_files():
        content = path.read_bytes()
        name = path.relative_to(PAGE_SOURCES).as_posix()
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def page_is_fresh() -> bool:
    if not PAGE_MAIN.is_file():
        return False
    if not (PAGE_SOURCES / "package.json").is_file():
        return True  # packed without the page's sources: what is there is what was built
    try:
        return bool(json.loads(STAMP.read_text(encoding="utf-8"))["sources"] == page_hash())
    except (OSError, ValueError, KeyError):
        return False


def node_is_new_enough(version: str) -> bool:
    match = re.match(r"v?(\d+)\.(\d+)", version)
    if match is None:
        return False
    major, minor = int(match[1]), int(match[2])
    return (major == 20 and minor >= 19) or (major == 22 and minor >= 12) or major > 22


def check_node() -> str:
    """npm's path, or the end of the install with one line that says what is needed."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise fail(f"building the page needs {NODE_NEEDED} with npm, and found none. Install it, or take a wheel.")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    if not node_is_new_enough(version):
        raise fail(f"building the page needs {NODE_NEEDED}; this is Node.js {version}. Update it, or take a wheel.")
    return npm


def page_tools_are_installed() -> bool:
    """Whether frontend/node_modules holds what package-lock.json asks for, as far as the build needs it."""
    locked = json.loads((PAGE_SOURCES / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    for name, package in locked.items():
        if not name or package.get("dev") or package.get("optional") or package.get("devOptional"):
            continue
        try:
            present = json.loads((PAGE_SOURCES / name / "package.json").read_text(encoding="utf-8"))
        except OSError:
            return False
        if present["version"] != package["version"]:
            return False
    return True


def build_page() -> None:
    if page_is_fresh():
        return
    if not (PAGE_SOURCES / "package.json").is_file():
        raise fail("neither the page (tb_evalguide/static) nor its sources (frontend) are here. Take a whole copy.")
    npm = check_node()
    steps = [[npm, "run", "--silent", "build"]]
    if not page_tools_are_installed():
        # an install needs the bundler, not the page's test tools; where a developer has these, they stay
        tools = [] if (PAGE_SOURCES / "node_modules" / "vitest").is_dir() else ["--omit=dev"]
        steps.insert(0, [npm, "ci", *tools, "--no-audit", "--no-fund"])
    for step in steps:
        if subprocess.run(step, cwd=PAGE_SOURCES, check=False).returncode:
            raise fail(f"building the page failed: `npm {' '.join(step[1:])}` in frontend/ (its output is above).")
    if not PAGE_MAIN.is_file():
        raise fail(f"building the page left no {PAGE_MAIN.relative_to(ROOT)}.")
    STAMP.write_text(json.dumps({"sources": page_hash()}) + "\n", encoding="utf-8")


def catalogues() -> list[Path]:
    return sorted(PACKAGE.glob("locale/*/LC_MESSAGES/*.po"))


def build_catalogues() -> None:
    """Compiles every .po to the .mo beside it, without its fuzzy translations: English is better than wrong."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    for source in catalogues():
        with source.open("rb") as text:
            catalogue = read_po(text)
        target = source.with_suffix(".mo")
        with target.open("wb") as binary:
            write_mo(binary, catalogue, use_fuzzy=False)


class BuildStep(Command):
    """A part of `build`, with what setuptools asks of its parts (setuptools.command.build.SubCommand)."""

    user_options: list[tuple[str, str | None, str]] = []
    editable_mode = False

    def initialize_options(self) -> None:
        self.build_lib: str | None = None

    def finalize_options(self) -> None:
        self.set_undefined_options("build_py", ("build_lib", "build_lib"))

    def get_output_mapping(self) -> dict[str, str]:
        """Nothing: the files land in the source tree, and build_py copies them as package data."""
        return {}

    def get_outputs(self) -> list[str]:
        return []


class BuildFrontend(BuildStep):
    description = "build the page into tb_evalguide/static"

    def run(self) -> None:
        build_page()

    def get_source_files(self) -> list[str]:
        return [path.relative_to(ROOT).as_posix() for path in page_files()]


class BuildLocale(BuildStep):
    description = "compile the message catalogues"

    def run(self) -> None:
        build_catalogues()

    def get_source_files(self) -> list[str]:
        return [path.relative_to(ROOT).as_posix() for path in catalogues()]


class Build(build):
    """First the page and the catalogues, since build_py copies what they make."""

    sub_commands = [("build_frontend", None), ("build_locale", None), *build.sub_commands]


class Sdist(sdist):
    """Carries the built page and catalogues, so that whoever installs it needs no Node."""

    def run(self) -> None:
        self.run_command("build_frontend")
        self.run_command("build_locale")
        super().run()


def extensions() -> list[Extension]:
    if not (ROOT / SCANNER).is_file():
        return []
    scanner = Extension(
        "tb_evalguide._scan",
        [SCANNER],
        define_macros=[("Py_LIMITED_API", "0x030A0000")],
        py_limited_api=True,
        optional=True,  # without a compiler the reader's Python path does the same, slower
        extra_compile_args=["-O2"],
    )
    return [scanner]


setup(
    cmdclass={"build": Build, "build_frontend": BuildFrontend, "build_locale": BuildLocale, "sdist": Sdist},
    ext_modules=extensions(),
    options={"bdist_wheel": {"py_limited_api": "cp310"}} if extensions() else {},
)
