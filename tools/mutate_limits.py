"""Halves and doubles each limit of each rule and says which of them no test of that rule notices.

    python tools/mutate_limits.py [MODULE …]      modules of tb_evalguide/rules; all of them take half an hour

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


def passes(module: str, mutant: str | None = None) -> bool:
    """Whether the tests of the rule pass, with the limit that `mutant` names changed."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "mutate_limits", f"tests/rules/test_{module}.py"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tools"), **({VARIABLE: mutant} if mutant else {})},
        capture_output=True,
        text=True,
    )
    return done.returncode == 0


def main() -> int:
    from tb_evalguide.config import limit_values
    from tb_evalguide.rules import RULES

    modules = {rule.check.__module__.rpartition(".")[2]: rule for rule in RULES}
    unknown = set(sys.argv[1:]) - set(modules)
    if unknown:
        raise SystemExit(f"no rule in {', '.join(sorted(unknown))}; known: {', '.join(sorted(modules))}")
    silent = 0
    for module in sys.argv[1:] or sorted(modules):
        rule = modules[module]
        if not passes(module):
            raise SystemExit(f"tests/rules/test_{module}.py fails with the limits in force: nothing can be told")
        for name, value in limit_values(rule.limits).items():
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not value:
                continue
            for new in mutants(value):
                if (module, name, new) not in SHADOWED and passes(module, f"{module}:{name}:{new!r}"):
                    silent += 1
                    print(f"{rule.id} {module}.{name}: {value:g} → {new:g} is not noticed", flush=True)
    print(f"{silent} not noticed")
    return 1 if silent else 0


if __name__ == "__main__":
    sys.exit(main())
