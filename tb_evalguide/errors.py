"""The closed list of errors a user can meet: what, where, what to do."""

from __future__ import annotations

from tb_evalguide.i18n import N_, render
from tb_evalguide.model import Text


class EvalguideError(Exception):
    """Base of all: carries one sentence that can be translated. Exit status 2 on the command line."""

    template = N_("{what}")

    def __init__(self, **params: object) -> None:
        self.text = Text(self.template, params)
        super().__init__(render(self.text))


class LogdirMissing(EvalguideError):
    template = N_("{path}: no such file or folder. Check the path given as LOGDIR.")


class LogdirUnreadable(EvalguideError):
    template = N_("{path}: cannot be read ({reason}). Check its permissions.")


class UnknownScheme(LogdirUnreadable):
    template = N_("{path}: {scheme}:// is no kind of address that is known here. Known are, among others: {known}.")


class NoRuns(EvalguideError):
    template = N_(
        "{path}: no training logs found below it "
        "(looked for TensorBoard event files, trainer_state.json, metrics.csv and JSON lines)."
    )


class OnlyOtherData(EvalguideError):
    template = N_(
        "{path}: event files found, but they hold no scalars (only {kinds}). "
        "Log the loss as a scalar to get a diagnosis."
    )


class BadOption(EvalguideError):
    template = N_("{option}: {reason}")


class BadConfig(EvalguideError):
    template = N_("{path}: {reason}")


class MissingExtra(EvalguideError):
    template = N_(
        "{path}: reading this needs the {package} package. Install it with: pip install 'tb-evalguide[{extra}]'"
    )


class BadRatings(EvalguideError):
    template = N_("{path}: {reason}. Expected the columns step, rating (poor, fair, good, very good) and note.")


class UnknownRun(EvalguideError):
    template = N_("{run}: no such run in this log folder. Runs: {known}")
