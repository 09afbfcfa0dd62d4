"""What each command of the command line does: read, diagnose, render, print."""

from __future__ import annotations

import fnmatch
import os
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TextIO

from tb_evalguide.errors import BadOption, EvalguideError, LogdirMissing, UnknownRun
from tb_evalguide.i18n import LANGUAGES, N_, gettext_for, preferred_language
from tb_evalguide.i18n import render as render_text
from tb_evalguide.model import Text

if TYPE_CHECKING:
    import argparse

    from tb_evalguide.config import Config
    from tb_evalguide.model import Rule, Training
    from tb_evalguide.render.layout import Line

LEVEL_RANK = {"info": 1, "warn": 2, "bad": 3}
DEFAULT_COLUMNS = 100  # where nobody says how wide the output is: a pipe, a file
PROGRESS_FROM = 24  # fewer runs are read before a bar could be seen
MOST_NAMED = 8


class NothingRecommended(EvalguideError):
    template = N_("{run}: no checkpoint on disk can be recommended ({reason}).")


class SeveralRuns(EvalguideError):
    template = N_("{path}: holds several runs, choose one with --run. Runs: {known}")


class NotWritable(EvalguideError):
    template = N_("{path}: cannot be written ({reason}).")


# --- report --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    """All that a worker process needs to turn one training into its entry of the contract."""

    config: Config
    lang: str
    curves: int | None
    now: float | None
    at_step: int | None = None
    patterns: tuple[str, ...] = ()
    also: tuple[str, ...] = ()  # further languages, for a file that can be read in all of them

    def __call__(self, training: Training) -> tuple[str, dict[str, Any] | None]:
        """(name, entry); no entry where the run was not asked for."""
        from tb_evalguide.report import diagnosed, run_to_dict

        if self.patterns and not any(_matches(training, pattern) for pattern in self.patterns):
            return training.name, None
        report = diagnosed(training, self.config, self.now, self.at_step)
        entry = run_to_dict(report, self.lang, self.curves)
        if self.also:
            entry["translations"] = {lang: run_to_dict(report, lang) for lang in self.also}
        return training.name, entry


def _matches(training: Training, pattern: str) -> bool:
    names = (training.name, *(run.name for run in training.runs))
    return any(name == pattern or fnmatch.fnmatchcase(name, pattern) for name in names)


def entries(
    options: argparse.Namespace, config: Config, lang: str, curves: int | None, also: tuple[str, ...] = ()
) -> Iterator[dict[str, Any]]:
    """The contract's entries of the runs that were asked for, one after the other. Raises UnknownRun for none."""
    from tb_evalguide.sources import map_trainings

    at_step = getattr(options, "at_step", None)
    patterns = tuple(options.run or ())
    # The age of a run says nothing about how it stood at an earlier step.
    job = Job(config, lang, curves, None if at_step is not None else time.time(), at_step, patterns, also)
    known: list[str] = []
    found = False
    with _progress() as progress:
        for name, entry in map_trainings(job, options.logdir, jobs=options.jobs, progress=progress):
            if entry is not None:
                found = True
                yield entry
            elif len(known) < MOST_NAMED:
                known.append(name)
    if not found:
        raise UnknownRun(run=", ".join(patterns), known=", ".join(known) or "–")


def report(options: argparse.Namespace) -> int:
    """Diagnoses every run of a log folder. Status 1 where --fail-on says so."""
    from tb_evalguide.render import PLOT_POINTS

    config = _config(options)
    lang = _lang(options, config)
    html = options.format == "html"
    curves = HTML_POINTS if html else PLOT_POINTS if options.format == "terminal" else None
    if options.format == "jsonl":
        return _report_lines(options, config, lang)
    data = _contract(options, config, lang, curves, tuple(set(LANGUAGES) - {lang}) if html else ())
    with _output(options) as out:
        if options.format == "terminal":
            from tb_evalguide.render.terminal import render as render_terminal

            columns, colour = _screen(options, out)
            out.write(render_terminal(data, lang, columns, colour, options.full))
        else:
            from tb_evalguide.render import render

            out.write(render(data, options.format, lang))
    return _status(options, (entry["verdict"]["level"] for entry in data["runs"]))


HTML_POINTS = 2000  # as many as the page draws pixels


def _contract(
    options: argparse.Namespace, config: Config, lang: str, curves: int | None, also: tuple[str, ...] = ()
) -> dict[str, Any]:
    from tb_evalguide.report import contract, place_of

    def place(entry: Mapping[str, Any]) -> tuple[int, float, str]:
        return place_of(entry["verdict"]["level"], entry["verdict"]["confidence"], entry["run"])

    brief = options.command == "report" and options.format == "terminal" and not options.full
    made: list[dict[str, Any]] = []
    waiting = 0  # entries at the end of `made` that are not sorted in yet
    for entry in entries(options, config, lang, curves, also):
        made.append(entry)
        waiting += 1
        if brief and waiting >= SORT_EVERY:
            made.sort(key=place)
            made[MOST_DRAWN:] = [_listed(other) for other in made[MOST_DRAWN:]]
            waiting = 0
    return contract(str(options.logdir), sorted(made, key=place), config.profile, lang)


SORT_EVERY = 64
MOST_DRAWN = 16  # more than the terminal draws in full


def _listed(entry: dict[str, Any]) -> dict[str, Any]:
    """What the table of runs and the contract's head need of a run that is not drawn: a small part of the whole."""
    wanted = ("run", "verdict", "best", "status", "signals", "mode", "profile", "findings", "hparams")
    return {key: entry[key] for key in wanted}


def _report_lines(options: argparse.Namespace, config: Config, lang: str) -> int:
    """One line a run as soon as it is known; nothing of a run is kept but its level."""
    from tb_evalguide.render.json_report import dumps

    levels: set[str] = set()
    with _output(options) as out:
        for entry in entries(options, config, lang, None):
            levels.add(entry["verdict"]["level"])
            out.write(dumps(entry) + "\n")
            out.flush()
    return _status(options, levels)


def _status(options: argparse.Namespace, levels: Any) -> int:
    if options.fail_on is None:
        return 0
    limit = LEVEL_RANK[options.fail_on]
    return 1 if any(LEVEL_RANK.get(level, 0) >= limit for level in levels) else 0


# --- explain -------------------------------------------------------------------------------------------------------


def explain(options: argparse.Namespace) -> int:
    """Prints one rule's page, or the list of all."""
    from tb_evalguide.explain import as_markdown, page
    from tb_evalguide.rules import RULES

    lang = options.lang or preferred_language()
    rules = sorted(RULES, key=lambda rule: rule.id)
    if options.rule:
        rules = find_rules(options.rule, rules)
    elif not options.all:
        raise BadOption(option="explain", reason=Text(N_("name a rule, or give --all for the list")))
    pages = [page(rule, lang, limits=True) for rule in rules]
    if options.format == "json":
        import dataclasses

        from tb_evalguide.render.json_report import dumps

        sys.stdout.write(dumps([dataclasses.asdict(p) for p in pages], indent=1) + "\n")
    elif options.format == "markdown":
        sys.stdout.write("\n".join(as_markdown(p, lang) for p in pages))
    else:
        from tb_evalguide.render.layout import paint
        from tb_evalguide.render.rule_page import lines_of, list_of

        options.color = "auto"
        columns, colour = _screen(options, sys.stdout)
        lines: list[Line] = []
        if options.rule:
            for p in pages:
                lines += [*([()] if lines else []), *lines_of(p, lang, columns)]
        else:
            lines = list_of(pages, lang, columns)
        sys.stdout.write(paint(lines, colour))
    return 0


def find_rules(name: str, rules: Sequence[Rule]) -> list[Rule]:
    """The rules that `name` means: an id or the start of one, a label, an id of the guide, a rule's file name."""
    wanted = name.casefold().removesuffix(".py")
    for of in (_id, _file, _label, _guide, _prefix):
        found = [rule for rule in rules if of(rule, wanted)]
        if found:
            return found
    import difflib

    known = sorted({rule.id for rule in rules} | {rule.label for rule in rules})
    folded = {item.casefold(): item for item in known}
    near = difflib.get_close_matches(wanted, list(folded), n=1, cutoff=0.4)
    if near:
        reason = Text(N_("no such rule; did you mean {near}?"), {"near": folded[near[0]]})
    else:
        reason = Text(N_("no such rule; `tb-evalguide explain --all` lists them"))
    raise BadOption(option=name, reason=reason)


def _id(rule: Rule, wanted: str) -> bool:
    return rule.id.casefold() == wanted


def _file(rule: Rule, wanted: str) -> bool:
    module: str = rule.check.__module__
    return module.rpartition(".")[2] == wanted


def _label(rule: Rule, wanted: str) -> bool:
    return rule.label == wanted


def _guide(rule: Rule, wanted: str) -> bool:
    return wanted in (guide.casefold() for guide in rule.guide)


def _prefix(rule: Rule, wanted: str) -> bool:
    return rule.id.casefold().startswith(wanted)


# --- rank ----------------------------------------------------------------------------------------------------------


def rank(options: argparse.Namespace) -> int:
    """Prints the ranking, the recommended path, or what could be deleted."""
    config = _config(options)
    lang = _lang(options, config)
    data = _contract(options, config, lang, None)
    if options.path:
        return _print_path(options, data["runs"])
    if options.prune_plan:
        return _print_plan(options, data["runs"], lang)
    if options.keep is not None:
        for entry in data["runs"]:
            entry["checkpoints"] = keepers(entry["checkpoints"], options.keep)
    from tb_evalguide.render import ranking

    with _output(options) as out:
        columns, colour = _screen(options, out)
        out.write(ranking.render(data, lang, options.format, columns, colour))
    return 0


def keepers(checkpoints: Sequence[Mapping[str, Any]], count: int) -> list[Mapping[str, Any]]:
    """The best `count` that lie on disk, or the best evaluated where none does; the recommended one is among them."""
    there = [c for c in checkpoints if c["on_disk"]] or list(checkpoints)
    first = sorted(there, key=lambda c: (not c["recommended"], c["rank"]))[:count]
    return sorted(first, key=lambda c: int(c["rank"]))


def _print_path(options: argparse.Namespace, runs: Sequence[Mapping[str, Any]]) -> int:
    if len(runs) > 1:
        names = ", ".join(run["run"] for run in runs[:MOST_NAMED])
        raise SeveralRuns(path=str(options.logdir), known=names)
    run = runs[0]
    there = [c for c in run["checkpoints"] if c["path"]]
    best = next((c for c in there if c["recommended"]), None)
    best = best or next((c for c in there if c["step"] == run["ranking"]["best_on_disk"]), None)
    if best is None:
        reason = N_("none was found there") if not there else N_("none of them was evaluated")
        raise NothingRecommended(run=run["run"], reason=Text(reason))
    with _output(options) as out:
        out.write(_full_path(options.logdir, best["path"]) + "\n")
    return 0


def _full_path(logdir: str, path: str) -> str:
    """A path of the report, which is relative to the log folder, as a path that can be opened."""
    return path if os.path.isabs(path) or "://" in path else os.path.join(os.path.expanduser(logdir), path)


def prunable(run: Mapping[str, Any], keep: int) -> list[Mapping[str, Any]]:
    """Checkpoints on disk that are neither among the best `keep` nor needed to go on with an unfinished run."""
    there = [c for c in run["checkpoints"] if c["on_disk"]]
    kept = {c["step"] for c in keepers(there, keep)}
    if run["status"]["state"] != "finished" and there:
        kept.add(max(c["step"] for c in there))
    # What was never evaluated cannot be judged, so nothing is said against it.
    return [c for c in there if c["step"] not in kept and c["value"] is not None]


def _print_plan(options: argparse.Namespace, runs: Sequence[Mapping[str, Any]], lang: str) -> int:
    from tb_evalguide.render import ranking

    keep = options.keep or 1
    plan = [(run, prunable(run, keep)) for run in runs]
    with _output(options) as out:
        columns, colour = _screen(options, out)
        paths = partial(_full_path, str(options.logdir))
        out.write(ranking.render_plan(plan, keep, lang, options.format, columns, colour, paths))
    return 0


# --- compare -------------------------------------------------------------------------------------------------------


def compare(options: argparse.Namespace) -> int:
    """Puts runs side by side."""
    from tb_evalguide.render import comparison

    config = _config(options)
    lang = _lang(options, config)
    data = _contract(options, config, lang, None)
    with _output(options) as out:
        columns, colour = _screen(options, out)
        out.write(comparison.render(data, lang, options.format, columns, colour))
    return 0


# --- rate, config, version -----------------------------------------------------------------------------------------


def rate(options: argparse.Namespace) -> int:
    """Adds a person's rating of the samples at a step to a file."""
    from tb_evalguide.errors import NoRuns
    from tb_evalguide.sources.logdir import walk
    from tb_evalguide.sources.ratings import write_rating
    from tb_evalguide.sources.reading import shares

    lang = options.lang or preferred_language()
    if options.file is None:
        if not os.path.isdir(options.logdir):
            raise LogdirMissing(path=options.logdir or "''")
        # ratings beside no run would never be read
        if not shares(walk(options.logdir)):
            raise NoRuns(path=options.logdir)
    path = write_rating(options.file or options.logdir, options.step, options.rating, options.note)
    _say(N_("{path}: step {step:,} rated {rating}"), lang, path=str(path), step=options.step, rating=options.rating)
    return 0


def config(options: argparse.Namespace) -> int:
    """Prints every setting in force and where it comes from."""
    from tb_evalguide.config import load_config, settings, validate_limits
    from tb_evalguide.rules import RULES
    from tb_evalguide.sources.logdir import is_remote, local_path

    logdir = options.logdir
    if logdir == "" or (logdir and not is_remote(logdir) and not os.path.exists(local_path(logdir))):
        raise LogdirMissing(path=logdir or "''")
    found = load_config(logdir, options.config)
    validate_limits(found, RULES)
    lang = options.lang or found.lang or preferred_language()
    rows = settings(found, RULES)
    if options.format == "json":
        from tb_evalguide.render.json_report import dumps

        listed = [{"key": r.key, "value": r.value, "origin": r.origin, "run": r.run} for r in rows]
        sys.stdout.write(dumps(listed, indent=1) + "\n")
        return 0
    from tb_evalguide.render.layout import Column, Span, line, paint, table
    from tb_evalguide.render.words import safe

    options.color = "auto"
    columns, colour = _screen(options, sys.stdout)
    head = [gettext_for(message, lang) for message in (N_("setting"), N_("value"), N_("where from"))]
    body = [
        [
            line(safe(f"{row.key} [{row.run}]" if row.run else row.key)),
            line(Span(_setting(row.value, lang), "dim" if row.origin == "default" else "bold")),
            line(safe(row.origin)),
        ]
        for row in rows
    ]
    made = table(
        [Column(head[0]), Column(head[1], flex=True), Column(head[2], flex=True, middle=True)], body, columns, 0
    )
    sys.stdout.write(paint(made, colour))
    return 0


def _setting(value: Any, lang: str) -> str:
    from tb_evalguide.render.words import safe

    if value is None:
        return gettext_for(N_("(not set)"), lang)
    if isinstance(value, (tuple, list)):
        return ", ".join(safe(item) for item in value) or gettext_for(N_("(none)"), lang)
    return f"{value:g}" if isinstance(value, float) else safe(value)


def version(options: argparse.Namespace) -> int:
    from tb_evalguide.version import __version__

    print(f"tb-evalguide {__version__}")
    return 0


# --- what commands share -------------------------------------------------------------------------------------------


def _config(options: argparse.Namespace) -> Config:
    """The configuration file with the command line on top, checked against the rules."""
    from tb_evalguide.config import load_config, validate_limits
    from tb_evalguide.rules import RULES

    if not options.logdir:
        raise LogdirMissing(path="''")  # an unset variable of a script, and not the folder it happens to run in
    roles: dict[str, str] = {}
    for text in options.role or ():
        role, sign, tag = text.partition("=")
        if not (sign and role and tag):
            raise BadOption(option=f"--role {text}", reason=Text(N_("write it as ROLE=TAG")))
        roles[role] = tag
    config = load_config(options.logdir, options.config).with_command_line(
        profile=options.profile,
        lang=options.lang,
        metric=options.metric,
        greater_is_better=options.greater,
        roles=roles or None,
        select=getattr(options, "select", ()),
        ignore=getattr(options, "ignore", ()),
    )
    validate_limits(config, RULES)
    return config


def _lang(options: argparse.Namespace, config: Config) -> str:
    return options.lang or config.lang or preferred_language()


def _say(template: str, lang: str, **params: object) -> None:
    from tb_evalguide.render.words import safe

    print(safe(render_text(Text(template, params), lang), 4000))


def _screen(options: argparse.Namespace, out: TextIO) -> tuple[int, bool]:
    """(columns, colour) of the output: colours only on a terminal that has them, unless --color says otherwise."""
    tty = out.isatty()
    asked = os.environ.get("COLUMNS", "")
    columns = int(asked) if asked.isdecimal() and int(asked) > 0 else 0
    columns = columns or (shutil.get_terminal_size((DEFAULT_COLUMNS, 24)).columns if tty else DEFAULT_COLUMNS)
    if options.color != "auto":
        return columns, options.color == "always"
    return columns, tty and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


@contextmanager
def _output(options: argparse.Namespace) -> Iterator[TextIO]:
    """Where the result goes: the screen, or a file that is replaced only when the whole result has been written."""
    target = getattr(options, "output", None)
    if target in (None, "-"):
        # A run name need not be UTF-8 and a screen need not show every character; neither is a reason to fail.
        reconfigure = getattr(sys.stdout, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace", **({} if sys.stdout.isatty() else {"encoding": "utf-8"}))
        yield sys.stdout
        return
    # asked of the name as given: what /dev/stdout leads to in a pipe has no path of its own
    if os.path.exists(target) and not os.path.isfile(target) and not os.path.isdir(target):
        # A pipe or a device has a reader, and nothing to be kept whole: what is put in its place would never be read.
        try:
            with open(target, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
                yield file
        except OSError as error:
            raise NotWritable(path=str(target), reason=error.strerror or str(error)) from error
        return
    # A link stays a link: what it leads to is replaced.
    path = os.path.realpath(target)
    partial_file = f"{path}.{os.getpid()}.part"
    try:
        try:
            with open(partial_file, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
                yield file
            if os.path.isfile(path):
                os.chmod(partial_file, stat.S_IMODE(os.stat(path).st_mode))
            os.replace(partial_file, path)
        except OSError as error:
            raise NotWritable(path=str(target), reason=error.strerror or str(error)) from error
    finally:
        if os.path.exists(partial_file):
            os.unlink(partial_file)


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None] | None]:
    """A bar on stderr while many runs are read, when somebody sits in front of it."""
    if not sys.stderr.isatty():
        yield None
        return
    shown = [0.0]

    def progress(done: int, total: int) -> None:
        now = time.monotonic()
        if total < PROGRESS_FROM or (now - shown[0] < 0.1 and done < total):
            return
        shown[0] = now
        room = 30
        full = round(room * done / total)
        sys.stderr.write(f"\r{'█' * full}{'░' * (room - full)} {done:,}/{total:,}\x1b[K")
        sys.stderr.flush()

    try:
        yield progress
    finally:
        if shown[0]:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
