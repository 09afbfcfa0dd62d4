"""A rule's page: parsed from its docstring, complete, and docs/rules is what the rules say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tb_evalguide.explain import HEADINGS, as_markdown, limit_comments, page, sections, write_docs
from tb_evalguide.model import Rule
from tb_evalguide.render.layout import paint
from tb_evalguide.render.rule_page import lines_of, list_of
from tb_evalguide.rules import RULES

DOCS = Path(__file__).resolve().parent.parent / "docs" / "rules"
DOC = """Eval loss rises.

## What it checks
Whether it rises
over two lines.

- one
  goes on
- two

## Why it matters
It matters.

## What to do
Do `this`.

## When it is wrong
Seldom.
"""


def test_a_docstring_becomes_five_texts_without_its_line_breaks() -> None:
    assert sections(DOC) == {
        "title": "Eval loss rises",
        "what": "Whether it rises over two lines.\n\n- one goes on\n- two",
        "why": "It matters.",
        "todo": "Do `this`.",
        "wrong": "Seldom.",
    }


@pytest.mark.parametrize(
    "doc",
    [
        "Only a title.",
        DOC.replace("## Why it matters", "## Why"),
        DOC.replace("## What to do\nDo `this`.\n", ""),
        DOC.replace("Seldom.", ""),
        DOC.replace("## What it checks", "Some text.\n\n## What it checks"),
        DOC + "\n## More\nText.\n",
    ],
)
def test_a_docstring_of_another_form_is_an_error(doc: str) -> None:
    with pytest.raises(ValueError, match="docstring"):
        sections(doc)


def test_limits_carry_the_comment_beside_and_above_them() -> None:
    source = (
        "@dataclass(frozen=True)\n"
        "class Limits:\n"
        "    # above: where it comes from\n"
        "    a: float = 1.0  # beside it\n"
        "    b: int = 2\n"
        "    c: tuple[int, ...] = (\n"
        "        1,  # inside\n"
        "    )\n"
    )
    assert limit_comments(source) == {"a": "above: where it comes from beside it", "b": "", "c": "inside"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_has_a_whole_page(rule: Rule) -> None:
    made = page(rule, limits=True)
    assert made.id == rule.id and made.title == rule.title
    assert all(text for _, text in made.sections)
    for limit in made.limits:
        assert limit.source, f"{rule.id}: {limit.name} has no source beside it"
    text = as_markdown(made)
    assert text.startswith(f"# {rule.id} · ")
    assert [row[3:] for row in text.splitlines() if row.startswith("## ")][: len(HEADINGS)] == list(HEADINGS.values())
    for lang in ("en", "ko"):
        shown = paint(lines_of(page(rule, lang, limits=True), lang, 60), colour=False)
        assert rule.id in shown and "\x1b" not in shown
        assert page(rule, lang).limits == ()


def test_the_least_data_and_where_limits_come_from_are_said() -> None:
    spike, slow = (next(rule for rule in RULES if rule.id == name) for name in ("STB003", "LRN003"))
    assert "## Least data\n\n`train_loss`: 12 points" in as_markdown(page(spike, limits=True))
    by_limits = as_markdown(page(slow, limits=True))
    assert "By the limits below" in by_limits and "picked again without the project" in by_limits
    assert "picked again" not in as_markdown(page(spike)), "no limits, no word on them"
    assert "train_loss" in as_markdown(page(spike, "ko"), "ko") and "Least data" not in as_markdown(
        page(spike, "ko"), "ko"
    )


def test_the_list_names_every_rule_once() -> None:
    shown = paint(list_of([page(rule) for rule in RULES], "en", 100), colour=False)
    assert [sum(row.startswith(rule.id + " ") for row in shown.splitlines()) for rule in RULES] == [1] * len(RULES)


def test_docs_are_those_of_the_rules() -> None:
    """Made again by: python -m tb_evalguide.explain docs/rules"""
    written = {path.name: path.read_text(encoding="utf-8") for path in DOCS.glob("*.md")}
    expected = write_docs(RULES)
    assert sorted(written) == sorted(expected)
    stale = [name for name in expected if written[name] != expected[name]]
    assert not stale
