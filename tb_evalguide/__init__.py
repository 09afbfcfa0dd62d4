"""tb-evalguide: says what is wrong with a training run, from its logs.

The way the data takes, one stage a module, imports pointing back only:

    sources  files → runs → trainings
    roles    which tag is the train loss, the eval loss, the learning rate …, and why
    case     a training prepared for the rules: clean curves, noise, shape
    rules    one file a rule: evidence, never prose
    diagnosis  rules → findings → one verdict; checkpoints, checklist, status, cost
    report   the contract that every renderer draws
    render, cli, plugin   terminal, JSON, Markdown, HTML, TensorBoard's Diagnosis tab

    >>> import tb_evalguide as tbe
    >>> report = tbe.diagnose("results/")          # doctest: +SKIP
    >>> report.runs[0].verdict.label               # doctest: +SKIP
    'overfitting'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tb_evalguide.version import __version__

if TYPE_CHECKING:
    from tb_evalguide.api import diagnose, read
    from tb_evalguide.config import Config
    from tb_evalguide.errors import EvalguideError
    from tb_evalguide.model import Run, Series
    from tb_evalguide.report import Report

__all__ = ["Config", "EvalguideError", "Report", "Run", "Series", "__version__", "diagnose", "read"]

_HOMES = {
    "diagnose": "api",
    "read": "api",
    "Config": "config",
    "EvalguideError": "errors",
    "Report": "report",
    "Run": "model",
    "Series": "model",
}


def __getattr__(name: str) -> Any:
    """Loads a public name when it is first used, so that the command's help and TensorBoard's start stay quick."""
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(f"tb_evalguide.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names too, although they are loaded late: for the completion of a notebook."""
    return sorted({*globals(), *__all__})
