"""Writes the golden reports: what the tool says about some of the demo runs, without what changes from place to place.

make golden        then read the diff: every line of it is a change that users will see
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tb_evalguide as tbe

HERE = Path(__file__).parent
DEMOS = HERE.parent.parent / "demo_logs"
NAMES = ("ideal", "ideal_keras", "overfitting", "nan", "out_of_memory", "resume_jump", "insufficient_data")
NOW = 1_770_000_000.0  # a month after the clock of the demo runs, so that ages do not depend on today
POINTS = 60  # a curve, as the page would ask for on a narrow screen
DIGITS = 6  # significant; the last bits of a float depend on the processor


def report(name: str) -> dict[str, Any]:
    """The scrubbed report of one demo run."""
    raw = tbe.diagnose(DEMOS / name, now=NOW, lang="en").to_dict(curves=POINTS)
    raw["logdir"] = f"demo_logs/{name}"
    raw["tool"]["version"] = "0"
    for run in raw["runs"]:
        for checkpoint in run["checkpoints"]:
            checkpoint["modified"] = None  # the time of the checkout
        run["checkpoints"].sort(key=lambda checkpoint: checkpoint["rank"])
    scrubbed: dict[str, Any] = rounded(raw)
    return scrubbed


def rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, list):
        return [rounded(item) for item in value]
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return value


def written(name: str) -> str:
    """As it stands in the file: one line a value, but lists of numbers in one line, so that diffs can be read."""
    text = json.dumps(report(name), indent=1, ensure_ascii=False, sort_keys=True, default=str)
    return _flat(text) + "\n"


def _flat(text: str) -> str:
    out: list[str] = []
    numbers: list[str] | None = None
    for line in text.splitlines():
        bare = line.strip()
        if numbers is None:
            if bare.endswith("["):
                numbers = [line]
            else:
                out.append(line)
        elif bare.rstrip(",").lstrip("-")[:1].isdigit() or bare.rstrip(",") in ("null", '"NaN"'):
            numbers.append(bare)
        elif bare.startswith("]"):
            out.append(numbers[0] + " ".join(numbers[1:]) + bare)
            numbers = None
        else:
            out.extend([numbers[0], *numbers[1:]])
            if bare.endswith("["):
                numbers = [line]
            else:
                out.append(line)
                numbers = None
    return "\n".join(out)


def main() -> None:
    for name in NAMES:
        path = HERE / f"{name}.json"
        new = written(name)
        changed = not path.exists() or path.read_text(encoding="utf-8") != new
        path.write_text(new, encoding="utf-8")
        print(f"{path.relative_to(HERE.parent.parent)}  {'changed' if changed else 'as it was'}")


if __name__ == "__main__":
    main()
