"""The command `tb-evalguide`: parse, call, exit status. Everything heavy is imported by the command that needs it."""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from tb_evalguide.i18n import LANGUAGES, N_, gettext_for, preferred_language

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = "tb-evalguide"
DONE, FOUND, UNREADABLE, OUR_BUG = 0, 1, 2, 70  # 70: EX_SOFTWARE of sysexits.h
INTERRUPTED, PIPE_CLOSED = 130, 141  # as a shell shows a command ended by SIGINT or SIGPIPE
DEBUG_VARIABLE = "TB_EVALGUIDE_DEBUG"

# Spelled here and not taken from the modules that own them: those import NumPy, and --help is to be quick.
# tests/test_cli.py holds them equal.
FORMATS = ("terminal", "json", "jsonl", "markdown", "csv", "html", "junit", "sarif")
PROFILES = ("auto", "guide", "llm-sft", "pretrain", "classification", "vision", "rl", "generic")
RATINGS = ("poor", "fair", "good", "very good")
LEVELS = ("info", "warn", "bad")


class Parser(argparse.ArgumentParser):
    """Says what is wrong with the options in one line."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message} ({self.prog} --help)", file=sys.stderr)
        raise SystemExit(UNREADABLE)


def parser(lang: str = "en") -> argparse.ArgumentParser:
    def t(message: str) -> str:
        # argparse formats help texts with %
        return gettext_for(message, lang).replace("%", "%%")

    top = Parser(prog=PROGRAM, description=t(N_("Says what is wrong with a training run, from its logs.")))
    top.add_argument("--lang", choices=LANGUAGES, help=t(N_("language of the texts")))
    top.add_argument("--version", action="version", version=_version())
    commands = top.add_subparsers(dest="command", metavar=t(N_("COMMAND")), required=True)

    def command(name: str, help: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=t(help), description=t(help))
        made.set_defaults(call=run)
        # Accepted before and after the command; SUPPRESS keeps the second from wiping out the first.
        made.add_argument("--lang", choices=LANGUAGES, default=argparse.SUPPRESS, help=t(N_("language of the texts")))
        made.add_argument("--debug", action="store_true", help=t(N_("show the traceback of an internal error")))
        return made

    def logs(made: argparse.ArgumentParser, formats: Sequence[str]) -> None:
        made.add_argument("--format", choices=formats, default=formats[0], help=t(N_("what to print")))
        made.add_argument("-o", "--output", metavar="FILE", help=t(N_("write to FILE instead of the screen")))
        made.add_argument(
            "--run",
            action="append",  # one name an option: with more, `report --run a LOGDIR` would take LOGDIR for a name
            metavar="NAME",
            help=t(N_("only this run (a name, or a pattern with * and ?); may be given again")),
        )
        made.add_argument("--profile", choices=PROFILES, help=t(N_("which limits apply; auto: chosen from the log")))
        made.add_argument("--config", metavar="FILE", help=t(N_("configuration file in place of evalguide.toml")))
        made.add_argument(
            "--role", action="append", metavar="ROLE=TAG", help=t(N_("take TAG for ROLE, as in train_loss=loss/total"))
        )
        made.add_argument("--metric", metavar="TAG", help=t(N_("rank checkpoints by TAG instead of the eval loss")))
        direction = made.add_mutually_exclusive_group()
        direction.add_argument(
            "--greater-is-better",
            action="store_true",
            default=None,
            dest="greater",
            help=t(N_("a larger value of --metric is better")),
        )
        direction.add_argument(
            "--lower-is-better",
            action="store_false",
            default=None,
            dest="greater",
            help=t(N_("a smaller value of --metric is better")),
        )
        made.add_argument("--jobs", type=_count, metavar="N", help=t(N_("processes to work in (default: all cores)")))
        made.add_argument(
            "--color", choices=("auto", "always", "never"), default="auto", help=t(N_("colours on the screen"))
        )

    report = command("report", N_("diagnose the runs in a log folder"), _run("report"))
    report.add_argument("logdir", metavar="LOGDIR", help=t(N_("folder with the logs, as for tensorboard --logdir")))
    logs(report, FORMATS)
    report.add_argument(
        "--fail-on", choices=LEVELS, help=t(N_("exit with status 1 when a run is at this level or worse"))
    )
    report.add_argument(
        "--at-step", type=_step, metavar="N", help=t(N_("what was known when a run had reached step N"))
    )
    report.add_argument(
        "--select",
        action="append",
        metavar="RULE",
        default=[],
        help=t(N_("only this rule, or all whose id starts so; may be given again")),
    )
    report.add_argument(
        "--ignore",
        action="append",
        metavar="RULE",
        default=[],
        help=t(N_("without this rule, or all whose id starts so; may be given again")),
    )
    report.add_argument("--full", action="store_true", help=t(N_("every run, row and check on the screen")))

    explain = command("explain", N_("show what a rule checks, why, and when it is wrong"), _run("explain"))
    explain.add_argument("rule", nargs="?", metavar="RULE", help=t(N_("rule id, label, or id of the guide, as C2")))
    explain.add_argument("--all", action="store_true", help=t(N_("list all rules")))
    explain.add_argument(
        "--format", choices=("terminal", "markdown", "json"), default="terminal", help=t(N_("what to print"))
    )

    rank = command("rank", N_("rank the checkpoints of a run"), _run("rank"))
    rank.add_argument("logdir", metavar="RUN", help=t(N_("folder of the run")))
    logs(rank, ("terminal", "json", "markdown", "csv"))
    rank.add_argument("--keep", type=_count, metavar="N", help=t(N_("how many checkpoints are worth keeping")))
    what = rank.add_mutually_exclusive_group()
    what.add_argument("--path", action="store_true", help=t(N_("print only the path of the recommended checkpoint")))
    what.add_argument(
        "--prune-plan", action="store_true", help=t(N_("list what could be deleted and what it frees; deletes nothing"))
    )

    compare = command("compare", N_("put runs side by side and say which settings matter"), _run("compare"))
    compare.add_argument("logdir", metavar="LOGDIR", help=t(N_("folder with the logs, as for tensorboard --logdir")))
    logs(compare, ("terminal", "json", "markdown", "csv"))

    rate = command("rate", N_("note how good the sample predictions at a step are"), _run("rate"))
    rate.add_argument("logdir", metavar="RUN", help=t(N_("folder of the run")))
    rate.add_argument("--step", type=_step, required=True, metavar="N", help=t(N_("step of the checkpoint")))
    rate.add_argument("rating", choices=RATINGS, metavar="RATING", help=t(N_('poor, fair, good or "very good"')))
    rate.add_argument("--note", default="", help=t(N_("why, in a few words")))
    rate.add_argument("--file", metavar="FILE", help=t(N_("where to write; default: sample_ratings.csv in RUN")))

    config = command("config", N_("show the configuration in force"), _run("config"))
    config.add_argument("action", choices=("show",), help=t(N_("show: every value and where it comes from")))
    config.add_argument("logdir", nargs="?", metavar="LOGDIR", help=t(N_("folder whose evalguide.toml counts")))
    config.add_argument("--config", metavar="FILE", help=t(N_("configuration file in place of evalguide.toml")))
    config.add_argument("--format", choices=("terminal", "json"), default="terminal", help=t(N_("what to print")))

    command("version", N_("print the version"), _run("version"))
    return top


def _run(name: str) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        from tb_evalguide import commands

        status: int = getattr(commands, name)(options)
        return status

    return run


def _version() -> str:
    from tb_evalguide.version import __version__

    return f"{PROGRAM} {__version__}"


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not 1 or more")
    return number


_count.__name__ = "number"  # argparse names the type in its message


def _step(text: str) -> int:
    number = int(text.replace(",", "").replace("_", ""))
    if not 0 <= number < 2**63:
        raise argparse.ArgumentTypeError(f"{text!r} is no step")
    return number


_step.__name__ = "step"


def _language(arguments: Sequence[str]) -> str:
    """Language of the help, which is printed before the options are parsed."""
    for i, argument in enumerate(arguments):
        value = argument.partition("=")[2] if argument.startswith("--lang=") else ""
        if argument == "--lang" and i + 1 < len(arguments):
            value = arguments[i + 1]
        if value in LANGUAGES:
            return value
    return preferred_language()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status; prints at most one line about an error, never a traceback."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Python has no object for a stream that was closed before it started (`>&-`).
    if sys.stdout is None:
        sys.stdout = _Closed()
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - it stays open as long as the process
    if "--debug" not in given and not os.environ.get(DEBUG_VARIABLE):
        return _main(given, debug=False)
    with _debug_log():
        return _main(given, debug=True)


class _Closed(io.TextIOBase):
    """In place of a closed stdout: whoever has something to print learns that nobody can read it."""

    def write(self, text: str) -> int:
        from tb_evalguide.commands import NotWritable

        raise NotWritable(path="stdout", reason=os.strerror(errno.EBADF))


@contextmanager
def _debug_log() -> Iterator[None]:
    """Shows on stderr what is logged for whoever looks for our bugs: the traceback of a rule or a run that failed."""
    import logging

    handler, log = logging.StreamHandler(), logging.getLogger("tb_evalguide")
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


def _main(given: Sequence[str], debug: bool) -> int:
    lang = _language(given)
    try:
        options = parser(lang).parse_args(given)
        status: int = options.call(options)
        sys.stdout.flush()
        return status
    except SystemExit as exit:  # argparse's way out of --help and of wrong options
        return exit.code if isinstance(exit.code, int) else UNREADABLE
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # `tb-evalguide report … | head`: the reader has seen enough. Python would complain once more while it closes
        # stdout, so stdout is pointed elsewhere first.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except Exception as error:
        from tb_evalguide.errors import EvalguideError
        from tb_evalguide.i18n import render
        from tb_evalguide.render.words import safe

        if debug:
            raise
        if isinstance(error, EvalguideError):
            print(f"{PROGRAM}: {safe(render(error.text, lang), 1000)}", file=sys.stderr)
            return UNREADABLE
        from tb_evalguide.model import Text

        line = render(
            Text(
                N_("internal error ({kind}: {error}). This is our bug; {variable}=1 shows the traceback for a report."),
                {"kind": type(error).__name__, "error": safe(error, 200), "variable": DEBUG_VARIABLE},
            ),
            lang,
        )
        print(f"{PROGRAM}: {line}", file=sys.stderr)
        return OUR_BUG


if __name__ == "__main__":
    raise SystemExit(main())
