"""The terminal report: what is on it, how wide it is, and that nothing from a log can steer it."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import pytest

from tb_evalguide.render.layout import ANSI, Column, Span, cells, cut, cut_middle, line, paint, table, wrap
from tb_evalguide.render.terminal import DETAILED_WHEN_MANY, MOST_DETAILED, one_judge, render, thin
from tb_evalguide.render.words import duration, figures, number, safe, size
from tests.render.contract import RUN, healthy, report, run

HOSTILE = "\x1b[2J\x1b]0;pwned\x07\r\nroot\u202egnp.exe\u2066\u200b\ufeff\x9b31m\ud800" + "Z\u0335" * 3


def widest(text: str) -> int:
    return max(cells(row) for row in text.splitlines())


def test_it_says_what_is_wrong_from_where_and_what_to_do() -> None:
    text = render(report())
    for expected in (
        "overfitting",
        RUN["verdict"]["headline"],
        "93%",
        "from step 150",
        "OVF001 (C2, M8, P4)",
        "weight_decay=0.01,",
        "★ checkpoint 150",
        "qwen-7b/checkpoint-150",
        "3/7",
        "a damaged record was left out",
        "eval loss keeps falling: it rises from step 150",
        "also follows from this: Eval loss is 0.85 above train loss",
    ):
        assert expected in text, expected
    for row in RUN["judgements"]:
        assert row["reason"] in text


def test_one_run_fits_a_screen() -> None:
    assert len(render(report(), columns=100).splitlines()) <= 52


@pytest.mark.parametrize("columns", [10, 60, 72, 80, 100, 118, 300])
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_no_line_is_wider_than_the_screen(columns: int, lang: str) -> None:
    hostile = run(run="日本語" * 40 + HOSTILE, verdict={"headline": "긴 문장 " * 30 + "x" * 200})
    text = render(report(hostile, healthy(), healthy("한글 이름")), lang, columns=columns, full=True)
    assert widest(text) <= max(60, min(columns, 118))


def test_without_colour_there_is_no_escape_and_with_it_the_same_text() -> None:
    plain, coloured = render(report()), render(report(), colour=True)
    assert "\x1b" not in plain
    assert "\x1b[" in coloured
    stripped = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert [row.rstrip() for row in stripped.splitlines()] == plain.splitlines()


def test_nothing_from_a_log_can_steer_the_terminal() -> None:
    made = run(
        run=HOSTILE,
        verdict={"headline": HOSTILE},
        role_notes=[HOSTILE],
        notes=[{"kind": "corrupt", "message": HOSTILE, "path": HOSTILE, "offset": 1, "step": None}],
        profile={"id": "guide", "reason": HOSTILE, "chosen_by": "auto"},
        ranking={"metric": HOSTILE, "notes": [HOSTILE]},
    )
    made["findings"][0].update(message=HOSTILE, rule=HOSTILE)
    made["findings"][0]["remedies"][1].update(text=HOSTILE, snippet=HOSTILE)
    made["checkpoints"][0].update(path=HOSTILE, reason=HOSTILE, quality=HOSTILE)
    made["judgements"][0]["reason"] = HOSTILE
    made["checklist"][2].update(item=HOSTILE, reason=HOSTILE)
    made["curves"]["train_loss"]["tag"] = HOSTILE
    for full in (False, True):
        text = render({**report(made, healthy()), "logdir": HOSTILE}, full=full)
        bad = {char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")} - {"\n"}
        assert not bad
        assert not any(row.startswith("root") for row in text.splitlines())


def test_many_runs_begin_with_a_table_and_only_the_worst_are_drawn() -> None:
    runs = [run(run=f"bad-{i}") for i in range(MOST_DETAILED)] + [healthy(f"fine-{i}") for i in range(10)]
    text = render(report(*runs))
    assert "16 runs" in text and "6 bad" in text and "10 fine" in text
    assert all(entry["run"] in text for entry in runs)
    assert text.count("\nCheckpoints") == DETAILED_WHEN_MANY
    assert f"{len(runs) - DETAILED_WHEN_MANY} more runs" in text
    assert render(report(*runs), full=True).count("\nCheckpoints") == len(runs)


@pytest.mark.parametrize(
    "change",
    [
        {"curves": {}},
        {"curves": None},
        {"judgements": [], "checkpoints": [], "checklist": [], "signals": [], "findings": [], "notes": []},
        {"verdict": {"label": "insufficient_data", "level": "unknown", "onset_step": None}},
        {"verdict": {"label": "a label of a later version", "level": "a level of a later version"}},
        {"best": {"value": None, "step": None, "metric": None}},
        {"status": {"state": "running", "progress": 0.4, "remaining_seconds": 5000.0, "planned_steps": 1000}},
        {"mode": "sampled"},
    ],
)
def test_what_is_missing_is_left_out(change: dict[str, Any]) -> None:
    for full in (False, True):
        assert render(report(run(**change)), full=full, colour=full).strip()
        assert render(report(run(**change), healthy()), full=full).strip()


def test_a_step_of_nan_is_shown_as_such() -> None:
    made = run()
    made["judgements"][3].update(eval_loss="NaN", gap=None, perplexity=None)
    made["curves"]["eval_loss"].update(values=[2.55, 2.15, 1.8, None, 1.6, 1.75], nonfinite=[[150, "NaN"]])
    text = render(report(made))
    assert "NaN" in text
    assert "× not finite from step 150" in text


def test_thinning_keeps_first_last_onset_and_changes() -> None:
    rows = [{"step": 10 * i, "level": "ok" if i < 60 else "bad"} for i in range(100)]
    kept = [row["step"] for row in thin(rows, 7, 430)]
    assert len(kept) == 7
    assert {0, 430, 600, 990} <= set(kept)
    assert kept == sorted(kept)
    assert thin(rows[:3], 7, None) == rows[:3]


# --- layout --------------------------------------------------------------------------------------------------------


def test_widths_count_what_a_terminal_draws() -> None:
    assert [cells(text) for text in ("abc", "한글", "é", "e\u0301", "日本", "😀", "")] == [3, 4, 1, 1, 4, 2, 0]


@pytest.mark.parametrize("text", ["plain", "한글 이름", "日本語の名前", "a" * 50, "😀" * 20, ""])
@pytest.mark.parametrize("columns", [1, 2, 5, 9, 10, 80])
def test_cutting_never_exceeds_the_room(text: str, columns: int) -> None:
    for cutter in (cut, cut_middle):
        made = cutter(text, columns)
        assert cells(made) <= columns
        assert made == text or "…" in made
        assert cells(text) > columns or made == text


def test_wrapping_keeps_every_word_and_style() -> None:
    spans = line(Span("one two three ", "bold"), Span("four", "bad"), Span("five six", "ok"), " " + "x" * 30)
    rows = wrap(spans, 12, indent=2)
    assert all(cells("".join(span.text for span in row)) <= 12 for row in rows)
    assert (
        "".join("".join(span.text for span in row) for row in rows).replace(" ", "")
        == "onetwothreefourfivesix" + "x" * 30
    )
    # no break is made between two styles without a space
    assert any("fourfive" in "".join(span.text for span in row) for row in rows)
    assert all(row[0].text.startswith("  ") for row in rows[1:])


def test_korean_breaks_at_spaces_and_japanese_anywhere() -> None:
    rows = ["".join(span.text for span in row) for row in wrap(line("학습률을 낮추고 다시 시작합니다"), 14)]
    assert rows == ["학습률을", "낮추고 다시", "시작합니다"]
    assert len(wrap(line("日" * 20), 10)) == 4


def test_a_table_leaves_out_what_says_nothing_and_what_does_not_fit() -> None:
    columns = [
        Column("name", flex=True, middle=True),
        Column("empty"),
        Column("n", "right"),
        Column("extra", optional=True),
    ]
    rows = [[line("run-" + "x" * 40 + f"-{i}"), (), line(str(i)), line("y" * 20)] for i in (1, 22)]
    wide = paint(table(columns, rows, 100), colour=False)
    assert "empty" not in wide and "extra" in wide and "…" not in wide
    narrow = paint(table(columns, rows, 30), colour=False)
    assert widest(narrow) <= 30
    assert "extra" not in narrow
    assert all(row.rstrip().endswith(end) for row, end in zip(narrow.splitlines()[1:], ("1", "22"), strict=True))
    assert "-1" in narrow and "-22" in narrow  # the ends of the names are what tells them apart


def test_every_style_has_its_colour() -> None:
    assert all(re.fullmatch(r"[0-9;]*", code) for code in ANSI.values())


# --- words ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "0"),
        (0.0, "0"),
        (12345, "12,345"),
        (1.23456, "1.235"),
        (12.3456, "12.35"),
        (0.0123456, "0.0123"),
        (2e-5, "2e-05"),
        (12345.6, "12,346"),
        (1.5e9, "1.5e+09"),
        (float("nan"), "NaN"),
        (float("inf"), "∞"),
        (float("-inf"), "-∞"),
        ("NaN", "NaN"),
        (True, "true"),
    ],
)
def test_numbers(value: Any, text: str) -> None:
    assert number(value) == text


def test_columns_share_their_decimals() -> None:
    assert figures([2.5, 0.05, None, "NaN"]) == ["2.500", "0.050", "", "NaN"]
    assert figures([12.81, 8.578]) == ["12.81", "8.58"]
    assert figures([0.0012, 0.02]) == ["0.0012", "0.0200"]
    assert figures([0.393, 0.0006, 0.00006, 0.0]) == ["0.393", "0.001", "6e-05", "0.000"]
    assert figures([0.0, 0.0]) == ["0.000", "0.000"]
    assert figures([]) == []


def test_durations_and_sizes() -> None:
    assert [duration(s) for s in (None, 0.02, 45, 600, 12_000, 190_000)] == [
        "–",
        "20 ms",
        "45 s",
        "10 min",
        "3 h 20 min",
        "2 d 5 h",
    ]
    assert [size(n) for n in (None, 0, 999, 1500, 15_200_000_000)] == ["–", "0 B", "999 B", "1.5 kB", "15.2 GB"]


def test_safe_spells_out_what_is_not_plain_text() -> None:
    assert safe("a\x1bb\nc\u202ed") == "a\\x1bb\\x0ac\\u202ed"
    assert safe("가나다 é 😀") == "가나다 é 😀"
    assert len(safe("x" * 10_000)) <= 401
    assert sum(unicodedata.combining(char) > 0 for char in safe("e" + "\u0301" * 500)) <= 2


@pytest.mark.parametrize(("qualities", "judge", "shown"), [
    (["eval/accuracy 0.67", None, "eval/accuracy 0.7"], "eval/accuracy", ["0.67", "", "0.7"]),
    (["eval/accuracy 0.67", "eval/rouge 0.3"], "", ["eval/accuracy 0.67", "eval/rouge 0.3"]),
    (["good", "very good"], "", ["good", "very good"]),  # a person's ratings
    (["very good", "very good"], "", ["very good", "very good"]),
    ([None, None], "", ["", ""]),
])  # fmt: skip
def test_a_metric_that_judges_every_row_is_named_once(qualities, judge, shown):
    assert one_judge(qualities) == (judge, shown)
