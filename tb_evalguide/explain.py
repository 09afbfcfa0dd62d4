"""One rule's page from its docstring and its limits: for the command line, docs/rules and the Diagnosis tab."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import io
import re
import sys
import textwrap
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tb_evalguide.i18n import N_, gettext_for

if TYPE_CHECKING:
    from tb_evalguide.model import Rule

HEADINGS: Mapping[str, str] = {
    "what": N_("What it checks"),
    "why": N_("Why it matters"),
    "todo": N_("What to do"),
    "wrong": N_("When it is wrong"),
}
LIMITS = N_("Limits")


@dataclass(frozen=True)
class Limit:
    """One threshold of a rule. source: the comment beside it, which says where the number comes from."""

    name: str
    value: Any
    source: str
    from_runs: bool = False  # it was chosen on labelled runs


@dataclass(frozen=True)
class RulePage:
    """What there is to read about one rule, in one language."""

    id: str
    label: str
    guide: tuple[str, ...]
    severity: str
    title: str
    what: str
    why: str
    todo: str
    wrong: str
    limits: tuple[Limit, ...] = ()
    needs: tuple[tuple[str, int], ...] = ()  # (role, points) without which the rule is skipped

    @property
    def chosen_on_runs(self) -> bool:
        """Any of the limits comes from labelled runs."""
        return any(limit.from_runs for limit in self.limits)

    @property
    def sections(self) -> tuple[tuple[str, str], ...]:
        """(heading as message id, text) in reading order."""
        return tuple((heading, getattr(self, key)) for key, heading in HEADINGS.items())


def sections(doc: str) -> dict[str, str]:
    """A rule's docstring as {title, what, why, todo, wrong}: message ids. ValueError if a heading is off."""
    title, _, rest = inspect.cleandoc(doc).partition("\n")
    parts = re.split(r"^## (.+)$", rest, flags=re.MULTILINE)
    found = {heading.strip(): _flow(text) for heading, text in zip(parts[1::2], parts[2::2], strict=True)}
    if parts[0].strip() or list(found) != list(HEADINGS.values()) or not all(found.values()):
        raise ValueError(f"{title!r}: a rule's docstring has a title line and then exactly {list(HEADINGS.values())}")
    return {"title": title.strip().rstrip("."), **{key: found[heading] for key, heading in HEADINGS.items()}}


def _flow(text: str) -> str:
    """Joins the source's line breaks, so that a reader's width can wrap it; keeps paragraphs, lists and code."""
    blocks: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text.strip("\n")):
        lines: list[str] = []
        for line in paragraph.splitlines():
            own_line = not lines or re.match(r"(\s*[-*] |\s*\d+\. |    )", line) is not None
            if own_line:
                lines.append(line.rstrip())
            else:
                lines[-1] += " " + line.strip()
        if lines:
            blocks.append("\n".join(lines))
    return "\n\n".join(blocks).strip()


def page(rule: Rule, lang: str = "en", limits: bool = False) -> RulePage:
    """The rule's page in `lang`. limits: with its thresholds, for which the rule's source is read."""
    texts = {key: gettext_for(text, lang) for key, text in sections(rule.doc).items()}
    return RulePage(
        id=rule.id,
        label=rule.label,
        guide=rule.guide,
        severity=rule.severity.value,
        limits=_limits(rule, lang) if limits and rule.limits is not None else (),
        needs=tuple((need.role.value, need.points) for need in rule.needs),
        **texts,
    )


def _limits(rule: Rule, lang: str) -> tuple[Limit, ...]:
    sources = limit_comments(inspect.getsource(type(rule.limits)))
    return tuple(
        Limit(
            f.name,
            getattr(rule.limits, f.name),
            gettext_for(sources.get(f.name, ""), lang),
            "labelled" in sources.get(f.name, ""),
        )
        for f in dataclasses.fields(rule.limits)
    )


def limit_comments(class_source: str) -> dict[str, str]:
    """{field: comment} of a limits dataclass: the comment behind the field, with the comment lines right above it."""
    source = textwrap.dedent(class_source)
    comments = {
        token.start[0]: (token.string.lstrip("# ").strip(), token.line.lstrip().startswith("#"))
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            above: list[str] = []
            line = node.lineno - 1
            while line in comments and comments[line][1]:
                above.insert(0, comments[line][0])
                line -= 1
            behind = [comments[n][0] for n in range(node.lineno, (node.end_lineno or node.lineno) + 1) if n in comments]
            # A comment on the line below belongs to the next field, never to this one.
            found[node.target.id] = " ".join(above + behind)
    return found


def as_markdown(rule_page: RulePage, lang: str = "en") -> str:
    """The page for docs/rules."""
    lines = [f"# {rule_page.id} · {rule_page.title}", ""]
    facts = [f"`{rule_page.label}`", rule_page.severity]
    if rule_page.guide:
        facts.append(f"{gettext_for(GUIDE, lang)} " + ", ".join(rule_page.guide))
    lines += [" · ".join(facts), ""]
    for heading, text in rule_page.sections:
        lines += [f"## {gettext_for(heading, lang)}", "", text, ""]
    lines += [f"## {gettext_for(LEAST, lang)}", "", least_data(rule_page, lang), ""]
    if rule_page.limits:
        name, default, source = (gettext_for(m, lang) for m in (NAME, DEFAULT, SOURCE))
        lines += [f"## {gettext_for(LIMITS, lang)}", "", f"| {name} | {default} | {source} |", "|---|---|---|"]
        lines += [f"| `{limit.name}` | {_value(limit.value)} | {_cell(limit.source)} |" for limit in rule_page.limits]
        if rule_page.chosen_on_runs:
            lines += ["", gettext_for(CHOSEN, lang)]
        lines += ["", gettext_for(HOW_TO_CHANGE, lang), "", "```toml"]
        first = rule_page.limits[0]
        lines += [f"[limits.{rule_page.id}]", f"{first.name} = {_toml(first.value)}", "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def least_data(rule_page: RulePage, lang: str = "en") -> str:
    """What must have been logged before the rule says anything."""
    if not rule_page.needs:
        return gettext_for(NEEDS_BY_LIMITS, lang)
    return ", ".join(gettext_for(NEEDS, lang).format(role=role, points=points) for role, points in rule_page.needs)


GUIDE = N_("guide")
LEAST = N_("Least data")
NEEDS = N_("`{role}`: {points} points")
NEEDS_BY_LIMITS = N_("By the limits below: where less was logged the rule is skipped, and says what it lacks.")
CHOSEN = N_(
    "Limits that come from labelled runs, and on which a verdict hinges, were picked again without the project that is "
    "judged: docs/accuracy.md shows what that changes."
)
NAME = N_("name")
DEFAULT = N_("default")
SOURCE = N_("where it comes from")
HOW_TO_CHANGE = N_("Each limit can be changed in `evalguide.toml`:")


def _value(value: Any) -> str:
    return _cell(f"{value:g}" if isinstance(value, float) else str(value))


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else repr(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def write_docs(rules: Iterable[Rule]) -> dict[str, str]:
    """{file name: content} of docs/rules: one page a rule and README.md as the list of all."""
    pages = [page(rule, limits=True) for rule in sorted(rules, key=lambda rule: rule.id)]
    index = [
        "# Rules",
        "",
        "Made by `python -m tb_evalguide.explain docs/rules` from the rules' own docstrings; do not edit these pages.",
        "",
        "| rule | label | guide | what it says |",
        "|---|---|---|---|",
    ]
    index += [f"| [{p.id}]({p.id}.md) | {p.label} | {', '.join(p.guide) or '–'} | {_cell(p.title)} |" for p in pages]
    return {"README.md": "\n".join(index) + "\n", **{f"{p.id}.md": as_markdown(p) for p in pages}}


def main(folder: str) -> None:
    """Writes docs/rules and removes pages of rules that are gone."""
    from tb_evalguide.rules import RULES

    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    files = write_docs(RULES)
    for name, text in files.items():
        (target / name).write_text(text, encoding="utf-8")
    for old in target.glob("*.md"):
        if old.name not in files:
            old.unlink()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "docs/rules")
