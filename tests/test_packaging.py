"""What is packed can be installed: a source archive and a wheel carry the built page and need no Node.js."""

from __future__ import annotations

import configparser
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tb_evalguide.version import __version__

ROOT = Path(__file__).parent.parent


def tools(folder: Path, node: str | None) -> dict[str, str]:
    """An environment whose Node.js is of the version given and whose npm fails; with None there is neither."""
    folder.mkdir()
    if node is not None:
        for name, line in (("node", f"echo {node}"), ("npm", "echo npm was called >&2; exit 1")):
            (folder / name).write_text(f"#!/bin/sh\n{line}\n")
            (folder / name).chmod(0o755)
        path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    else:
        path = str(folder)
    return {**os.environ, "PATH": path}


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("sdist")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (archive,) = folder.glob("*.tar.gz")
    yield archive


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made from the source archive where Node.js is too old and npm fails."""
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(sdist)],
        capture_output=True,
        text=True,
        timeout=300,
        env=tools(folder / "bin", "v18.0.0"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


def test_source_archive_holds_the_page_its_sources_and_the_catalogues(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {
        "LICENSE", "README.md", "pyproject.toml", "setup.py",
        "tb_evalguide/static/index.js", "tb_evalguide/static/style.css", "tb_evalguide/static/build.json",
        "tb_evalguide/_scan.c", "tb_evalguide/locale/ko/LC_MESSAGES/tb_evalguide.po",
        "tb_evalguide/locale/ko/LC_MESSAGES/tb_evalguide.mo", "frontend/package.json", "frontend/package-lock.json",
    }  # fmt: skip
    assert wanted <= names
    assert not [name for name in names if "node_modules" in name or name.endswith((".so", ".pyc"))]


def test_wheel_holds_what_runs_and_nothing_else(wheel: Path) -> None:
    assert wheel.name.startswith(f"tb_evalguide-{__version__}-cp310-abi3-")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        entries = configparser.ConfigParser()
        entries.read_string(archive.read(f"tb_evalguide-{__version__}.dist-info/entry_points.txt").decode())
    wanted = {
        "tb_evalguide/static/index.js", "tb_evalguide/static/style.css", "tb_evalguide/py.typed",
        "tb_evalguide/locale/ko/LC_MESSAGES/tb_evalguide.mo", "tb_evalguide/_scan.abi3.so",
        f"tb_evalguide-{__version__}.dist-info/licenses/LICENSE",
    }  # fmt: skip
    assert wanted <= names
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tb_evalguide").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == modules
    assert {Path(name).suffix for name in names if "/static/" in name} <= {".js", ".css", ".json", ".svg"}
    assert not [name for name in names if name.endswith((".po", ".pot", ".c", ".ts", ".tsx", ".pyc"))]
    assert dict(entries["tensorboard_plugins"]) == {"evalguide": "tb_evalguide.plugin:EvalGuidePlugin"}
    assert dict(entries["console_scripts"]) == {"tb-evalguide": "tb_evalguide.cli:main"}


def test_installed_wheel_reports_in_korean_and_finds_its_page(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(site), str(wheel)],
        check=True,
        timeout=120,
    )
    code = (
        "import tb_evalguide, tb_evalguide.cli, tb_evalguide.plugin as plugin, tb_evalguide._scan, sys\n"
        f"assert tb_evalguide.__file__.startswith({str(site)!r}), tb_evalguide.__file__\n"
        f"sys.exit(tb_evalguide.cli.main(['report', {str(ROOT / 'demo_logs' / 'overfitting')!r}, *sys.argv[1:]]))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(site)}
    run = [sys.executable, "-c", code, "--lang", "ko", "--format"]
    done = subprocess.run(
        [*run, "json"], capture_output=True, text=True, check=True, cwd=tmp_path, env=environment, timeout=60
    )
    report = json.loads(done.stdout)
    assert report["runs"][0]["verdict"]["label"] == "overfitting"
    assert any("가" <= letter <= "힣" for letter in report["runs"][0]["verdict"]["headline"])
    page = tmp_path / "report.html"
    subprocess.run([*run, "html", "-o", str(page)], check=True, cwd=tmp_path, env=environment, timeout=60)
    assert (site / "tb_evalguide" / "static" / "index.js").read_text(encoding="utf-8")[:2000] in page.read_text(
        encoding="utf-8"
    )


@pytest.fixture
def unbuilt(tmp_path: Path) -> Path:
    """A clone's files, as far as the build reads them, in which the page has not been built."""
    copy = tmp_path / "clone"
    shutil.copytree(ROOT / "frontend", copy / "frontend", ignore=shutil.ignore_patterns("node_modules"))
    shutil.copytree(ROOT / "tb_evalguide", copy / "tb_evalguide", ignore=shutil.ignore_patterns("static", "*.so"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    return copy


@pytest.mark.parametrize(
    ("node", "words"),
    [(None, "found none"), ("v18.20.4", "this is Node.js v18.20.4"), ("v21.1.0", "v21.1.0"), ("v22.11.0", "v22.11.0")],
)
def test_without_a_fitting_node_the_install_stops_with_one_line(
    unbuilt: Path, tmp_path: Path, node: str | None, words: str
) -> None:
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_frontend"],
        capture_output=True,
        text=True,
        cwd=unbuilt,
        env=tools(tmp_path / "bin", node),
        timeout=60,
    )
    assert done.returncode != 0
    (line,) = [line for line in done.stderr.splitlines() if line.strip()]
    assert line.startswith("tb-evalguide: building the page needs Node.js ^20.19 or >=22.12") and words in line


def test_the_page_is_built_again_when_a_source_changes_and_not_when_only_its_time_does(tmp_path: Path) -> None:
    copy = tmp_path / "clone"
    (copy / "frontend").mkdir(parents=True)
    (copy / "frontend" / "package.json").write_text("{}")
    (copy / "frontend" / "main.ts").write_text("one")
    (copy / "tb_evalguide" / "static").mkdir(parents=True)
    (copy / "tb_evalguide" / "static" / "index.js").write_text("built")
    source = (ROOT / "setup.py").read_text(encoding="utf-8").partition("\nsetup(")[0]
    build: dict[str, object] = {"__file__": str(copy / "setup.py"), "__name__": "build"}
    exec(compile(source, "setup.py", "exec"), build)
    fresh, digest = build["page_is_fresh"], build["page_hash"]
    assert callable(fresh) and callable(digest)
    assert not fresh()  # nothing says from what it was built
    stamp = copy / "tb_evalguide" / "static" / "build.json"
    stamp.write_text(json.dumps({"sources": digest()}))
    assert fresh()
    os.utime(copy / "frontend" / "main.ts", (0, 0))
    assert fresh()
    (copy / "frontend" / "main.ts").write_text("two")
    assert not fresh()
    stamp.write_text("not json")
    assert not fresh()


def test_lock_file_names_no_place_to_download_from() -> None:
    lock = (ROOT / "frontend" / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock and "http://" not in lock.replace("http://www.", "")
    assert all(package.get("integrity") for name, package in json.loads(lock)["packages"].items() if name)
