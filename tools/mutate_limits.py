"""Halves and doubles each limit of each rule and says which of them no test of that rule notices.

    python tools/mutate_limits.py [MODULE …]      modules of tb_evalguide/rules; all of them take about ten minutes

A limit that can be doubled unnoticed has no test just either side of it. Prints those, and exits with 1 if there are
any beside `SHADOWED`, which no input can show at the defaults.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]
VARIABLE = "TB_EVALGUIDE_MUTANT"
SHADOWED = frozenset({
    ("loss_ratio", "tolerance", 0.2),  # min(tolerance · whole, nearest) is `nearest` from 0.1 on
    ("periodic_eval", "longest", 1000),  # n // periods is never more than 500
    ("perplexity_mismatch", "points", 2),  # a p below 0.05 asks for four points
})  # fmt: skip


def pytest_configure() -> None:
    """As a plugin (`-p mutate_limits`): puts the changed limit in force before any test module is imported."""
    if VARIABLE not in os.environ:
        return
    module, name, value = os.environ[VARIABLE].split(":")
    rule = importlib.import_module(f"tb_evalguide.rules.{module}").RULE
    kind = type(rule.limits)
    new = type(getattr(rule.limits, name))(float(value))
    object.__setattr__(rule, "limits", dataclasses.replace(rule.limits, **{name: new}))
    # and for the code that makes Limits() itself
    fields = [field.name for field in dataclasses.fields(kind)]
    defaults = list(kind.__init__.__defaults__)
    defaults[fields.index(name) - len(fields) + len(defaults)] = new
    kind.__init__.__defaults__ = tuple(defaults)
    setattr(kind, name, new)


def mutants(value: float) -> list[float]:
    """Half and double; of a whole number at least one less and one more."""
    out: list[float] = []
    for factor in (0.5, 2):
        new: Any = round(value * factor) if isinstance(value, int) else value * factor
        out.append(new if new != value else value + (1 if factor > 1 else -1))
    return out


def noticed(module: str, name: str, value: float) -> bool:
    """Whether a test of the rule fails with this value. Raises when pytest itself could not run."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "mutate_limits", f"tests/rules/test_{module}.py"],
        cwd=ROOT,
        env={**os.environ, VARIABLE: f"{module}:{name}:{value!r}", "PYTHONPATH": str(ROOT / "tools")},
        capture_output=True,
        text=True,
    )
    if done.returncode not in (0, 1):
        raise SystemExit(done.stdout + done.stderr)
    return done.returncode == 1


def main() -> int:
    from tb_evalguide.config import limit_values
    from tb_evalguide.rules import RULES

    wanted = set(sys.argv[1:])
    silent = 0
    for rule in RULES:
        module = rule.check.__module__.rpartition(".")[2]
        if wanted and module not in wanted:
            continue
        for name, value in limit_values(rule.limits).items():
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not value:
                continue
            for new in mutants(value):
                if (module, name, new) not in SHADOWED and not noticed(module, name, new):
                    silent += 1
                    print(f"{rule.id} {module}.{name}: {value:g} → {new:g} is not noticed", flush=True)
    print(f"{silent} not noticed")
    return 1 if silent else 0


if __name__ == "__main__":
    sys.exit(main())
