"""The report as Markdown, for a pull request, an issue or a notebook."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tb_evalguide.i18n import N_, gettext_for
from tb_evalguide.i18n import render as render_text
from tb_evalguide.model import Text
from tb_evalguide.render.words import (
    LABELS,
    LEVELS,
    PHASES,
    RUN_STATES,
    SIGNALS,
    STATES,
    duration,
    figures,
    number,
    safe,
    size,
    word,
)

MARKS: Mapping[str, str] = {"bad": "❌", "warn": "⚠️", "unknown": "❔", "info": "ℹ️", "ok": "✅"}
STATE_MARKS: Mapping[str, str] = {"pass": "✅", "fail": "❌", "unknown": "❔"}
# Everything that means something to CommonMark or GitHub somewhere in a line: names of runs are not ours.
_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~@&$:])")


def escape(text: object, limit: int = 2000) -> str:
    """Hostile text for running text or a table cell: no markup, no HTML, no mention, no autolink, one line."""
    return _SPECIAL.sub(lambda match: _ENTITIES.get(match[1], "\\" + match[1]), safe(text, limit))


# A backslash does not stop GitHub from linking addresses or people, so these become entities.
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;", "@": "&#64;", ":": "&#58;"}


def prose(text: object) -> str:
    """A sentence of ours with the values that it names: escaped where it could be markup, readable in the source."""
    return re.sub(r"([\\`*_\[\]<>|~@&#$]|(?<=\w):(?=//))", lambda m: _ENTITIES.get(m[1], "\\" + m[1]), safe(text, 4000))


def code(text: object) -> str:
    """An inline code span, whatever backquotes it holds; a pipe would still end a table cell."""
    plain = safe(text, 2000).replace("|", "¦")
    fence = "`" * (max((len(run) for run in re.findall("`+", plain)), default=0) + 1)
    room = " " if plain.startswith("`") or plain.endswith("`") or len(fence) > 1 else ""
    return f"{fence}{room}{plain}{room}{fence}"


def fenced(lines: Sequence[str], language: str = "") -> list[str]:
    """A code block that its content cannot end."""
    longest = max((len(run) for text in lines for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", *lines, fence]


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    rule = ["---:" if i in right else "---" for i in range(len(head))]
    return [f"| {' | '.join(row)} |" for row in (list(head), rule, *rows)]


def render(report: Mapping[str, Any], lang: str = "en") -> str:
    runs = report["runs"]

    def t(message: str, **params: object) -> str:
        return render_text(Text(message, params), lang)

    lines = [f"# {t(N_('Training report'))}: {code(report['logdir'])}", ""]
    if len(runs) > 1:
        counts = [
            f"{MARKS[level]} {report['summary'].get(level, 0)} {word(LEVELS, level, lang)}"
            for level in ("bad", "warn", "info", "unknown", "ok")
            if report["summary"].get(level, 0)
        ]
        lines += [f"{t(N_('{count} runs'), count=len(runs))}: {' · '.join(counts)}", ""]
        head = [t(m) for m in (N_("run"), N_("verdict"), N_("sure"), N_("from step"), N_("best"), N_("at step"))]
        best = figures([run["best"]["value"] for run in runs])
        rows = [
            [
                escape(run["run"]),
                f"{MARKS.get(run['verdict']['level'], '')} {word(LABELS, run['verdict']['label'], lang)}",
                f"{run['verdict']['confidence']:.0%}",
                number(run["verdict"]["onset_step"]),
                value or "–",
                number(run["best"]["step"]),
            ]
            for run, value in zip(runs, best, strict=True)
        ]
        lines += [*table(head, rows, right=(2, 3, 4, 5)), ""]
    for run in runs:
        lines += _run(run, lang)
    lines += [f"<sub>{escape(report['tool']['name'])} {escape(report['tool']['version'])}</sub>"]
    return "\n".join(lines) + "\n"


def _run(run: Mapping[str, Any], lang: str) -> list[str]:
    def t(message: str, **params: object) -> str:
        return render_text(Text(message, params), lang)

    verdict, status = run["verdict"], run["status"]
    lines = [f"## {MARKS.get(verdict['level'], '')} {escape(run['run'])}", "", f"**{prose(verdict['headline'])}**", ""]
    facts = [word(LABELS, verdict["label"], lang), t(N_("confidence {share}"), share=f"{verdict['confidence']:.0%}")]
    if verdict["onset_step"] is not None:
        facts.append(t(N_("from step {step:,}"), step=verdict["onset_step"]))
    facts += [t(N_("profile {profile}"), profile=escape(run["profile"]["id"])), word(RUN_STATES, status["state"], lang)]
    if status["last_step"] is not None:
        facts.append(t(N_("step {step:,}"), step=status["last_step"]))
    if run["cost"]["active_seconds"]:
        facts.append(duration(run["cost"]["active_seconds"]))
    if run["mode"] == "sampled":
        facts.append(t(N_("read from a sample: NaN and spikes may be missing")))
    lines += [" · ".join(facts), ""]
    lines += _findings(run, t)
    lines += [f"### {t(N_('Signals'))}", ""]
    lines += [
        f"- {STATE_MARKS.get(s['state'], '')} **{escape(s['id'])}** {gettext_for(SIGNALS.get(s['id'], ''), lang)}: "
        f"{prose(s['reason'])}"
        for s in run["signals"]
    ]
    lines.append("")
    if run["judgements"]:
        heads = (N_("step"), N_("train"), N_("eval"), N_("gap"), N_("perplexity"), N_("judgement"))
        columns = [
            figures([row[key] for row in run["judgements"]]) for key in ("train_loss", "eval_loss", "gap", "perplexity")
        ]
        rows = [
            [
                number(row["step"]),
                *(column[i] or "–" for column in columns),
                f"{MARKS.get(row['level'], '')} {prose(row['reason'])}",
            ]
            for i, row in enumerate(run["judgements"])
        ]
        lines += [f"### {t(N_('Judgement'))}", "", *table([t(h) for h in heads], rows, right=range(5)), ""]
    if run["checkpoints"]:
        lines += [f"### {t(N_('Checkpoints'))}", "", *checkpoints(run, lang), ""]
        lines += [f"- {prose(note)}" for note in run["ranking"]["notes"]]
        lines += [""] if run["ranking"]["notes"] else []
    if run["checklist"]:
        titles = (N_("phase"), N_("item"), N_("state"), N_("reason"))
        rows = [
            [
                f"{escape(item['id'])} {gettext_for(PHASES.get(item['id'], ''), lang)}",
                prose(item["item"]),
                f"{STATE_MARKS.get(item['state'], '')} {word(STATES, item['state'], lang)}",
                prose(item["reason"]),
            ]
            for item in run["checklist"]
        ]
        lines += [f"### {t(N_('Checklist'))}", "", *table([t(title) for title in titles], rows), ""]
    notes = [prose(note) for note in run["role_notes"]]
    notes += [prose(n["message"]) + (f" ({code(n['path'])})" if n["path"] else "") for n in run["notes"]]
    notes.append(
        f"{t(N_('profile {profile}'), profile=escape(run['profile']['id']))}: {prose(run['profile']['reason'])}"
    )
    lines += [f"### {t(N_('Notes'))}", "", *(f"- {note}" for note in notes), ""]
    return lines


def _findings(run: Mapping[str, Any], t: Any) -> list[str]:
    if not run["findings"]:
        return []
    lines = [f"### {t(N_('Findings'))}", ""]
    levels = {"critical": "bad", "high": "bad", "medium": "warn"}
    for finding in run["findings"]:
        guide = f" ({', '.join(finding['guide'])})" if finding["guide"] else ""
        mark = MARKS[levels.get(finding["severity"], "info")]
        because = ""
        if finding["explained_by"]:
            because = " " + t(N_("Explained by {rule}."), rule=escape(finding["explained_by"]))
        lines.append(f"- {mark} {prose(finding['message'])}{because} `{safe(finding['rule'])}`{guide}")
        for remedy in finding["remedies"]:
            example = f" *{t(N_('(example numbers)'))}*" if remedy["example"] else ""
            lines.append(f"  - {prose(remedy['text'])}{example}")
            if remedy["snippet"]:
                block = fenced([safe(part, 2000) for part in str(remedy["snippet"]).splitlines()], "python")
                lines += [f"    {part}" for part in block]
    return [*lines, ""]


def checkpoints(run: Mapping[str, Any], lang: str) -> list[str]:
    """The ranking as a table."""
    heads = (
        "",
        "#",
        N_("step"),
        N_("metric"),
        N_("gap"),
        N_("perplexity"),
        N_("samples"),
        N_("size"),
        N_("file"),
        N_("why"),
    )
    rows_in = run["checkpoints"]
    columns = [figures([c[key] for c in rows_in]) for key in ("value", "gap", "perplexity")]
    rows = [
        [
            "★" if c["recommended"] else "",
            str(c["rank"]),
            number(c["step"]),
            *(column[i] or "–" for column in columns),
            escape(c["quality"] or "–"),
            size(c["size"]),
            code(c["path"]) if c["path"] else "–",
            prose(c["reason"]),
        ]
        for i, c in enumerate(rows_in)
    ]
    return table([gettext_for(h, lang) for h in heads], rows, right=(1, 2, 3, 4, 5, 7))
