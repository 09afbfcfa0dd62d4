"""The report for a terminal: an overview of many runs, then about one screen a run, worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tb_evalguide.i18n import N_, gettext_for
from tb_evalguide.i18n import render as render_text
from tb_evalguide.model import Text
from tb_evalguide.render.layout import (
    Column,
    Line,
    Span,
    cells,
    cut,
    cut_middle,
    fit,
    line,
    pad,
    paint,
    table,
    unbroken,
    width,
    wrap,
)
from tb_evalguide.render.plot import Marks, is_clipped, plot, points
from tb_evalguide.render.words import (
    LABELS,
    LEVELS,
    PHASES,
    RUN_STATES,
    SIGNALS,
    STATE_SYMBOLS,
    SYMBOLS,
    duration,
    figures,
    number,
    safe,
    size,
    word,
)

MOST_DETAILED = 6  # more runs than this are listed, and only the worst of them shown in full
DETAILED_WHEN_MANY = 3
MOST_JUDGEMENTS = 7
MOST_CHECKPOINTS = 4
MOST_NOTES = 4
MOST_REMEDIES = 4
PLOT_ROWS = 8
WIDEST = 118  # longer lines are hard to read, however wide the window
NARROWEST = 60
NOT_FINITE = ("NaN", "∞", "-∞", "Infinity", "-Infinity")
STATE_STYLES = {"pass": "ok", "fail": "bad", "unknown": "dim"}


def render(
    report: Mapping[str, Any], lang: str = "en", columns: int = 100, colour: bool = False, full: bool = False
) -> str:
    """The whole report as text. full: every row, every check, every run."""
    page = Page(lang, min(max(columns, NARROWEST), WIDEST), full, str(report["logdir"]))
    runs = report["runs"]
    lines: list[Line] = []
    shown = runs
    if len(runs) > 1:
        lines += page.overview(report)
        if len(runs) > MOST_DETAILED and not full:
            shown = [run for run in runs if run["verdict"]["level"] in ("bad", "warn")][:DETAILED_WHEN_MANY]
    for run in shown:
        if lines:
            lines.append(())
        lines += page.run(run)
    if len(shown) < len(runs):
        more = page.text(
            N_("{count} more runs: add --run NAME for one of them, --full for all."), count=len(runs) - len(shown)
        )
        lines += [(), line(Span(more, "dim"))]
    return paint(lines, colour)


def one_judge(qualities: Sequence[str | None]) -> tuple[str, list[str]]:
    """("eval/accuracy", ["0.67", …]) of "eval/accuracy 0.67" and the like, where one metric judges every row.

    Said once, it leaves the room to the reasons; a person's ratings, or several metrics, stay as they are.
    """
    texts = [quality or "" for quality in qualities]
    parts = [text.rpartition(" ") for text in texts if text]
    names = {name for name, _, _ in parts}
    if len(names) != 1 or "" in names or not all(figure[:1].isdigit() or figure[:1] == "-" for _, _, figure in parts):
        return "", texts
    return names.pop(), [text.rpartition(" ")[2] for text in texts]


class Page:
    """Draws in one language at one width."""

    def __init__(self, lang: str, columns: int, full: bool = False, logdir: str = "") -> None:
        self.logdir = logdir
        self.lang = lang
        self.columns = columns
        self.full = full

    def text(self, template: str, **params: object) -> str:
        return render_text(Text(template, params), self.lang)

    # --- many runs --------------------------------------------------------------------------------------------------

    def overview(self, report: Mapping[str, Any]) -> list[Line]:
        runs = report["runs"]
        counts: list[Span] = [Span(self.text(N_("{count} runs"), count=len(runs)), "bold")]
        for level in ("bad", "warn", "info", "unknown", "ok"):
            count = report["summary"].get(level, 0)
            if count:
                counts += [Span("  "), Span(f"{SYMBOLS[level]} {count} {word(LEVELS, level, self.lang)}", level)]
        lines = wrap(line(Span(cut_middle(safe(report["logdir"]), self.columns // 2)), "  ", *counts), self.columns)
        heads = [N_("run"), N_("verdict"), N_("sure"), N_("from step"), N_("best"), N_("at step"), "Z1–Z7", N_("done")]
        head = [gettext_for(h, self.lang) for h in heads]
        columns = [
            Column(""),
            Column(head[0], flex=True, middle=True),
            Column(head[1], flex=True),
            Column(head[2], "right"),
            Column(head[3], "right", optional=True),
            Column(head[4], "right"),
            Column(head[5], "right", optional=True),
            Column(head[6]),
            Column(head[7], "right", optional=True),
        ]
        rows = [self._overview_row(run) for run in runs]
        return [*lines, (), *table(columns, rows, self.columns, indent=0)]

    def _overview_row(self, run: Mapping[str, Any]) -> list[Line]:
        verdict = run["verdict"]
        level = verdict["level"]
        signals = tuple(
            Span(STATE_SYMBOLS.get(s["state"], "?"), STATE_STYLES.get(s["state"], "")) for s in run["signals"]
        )
        progress, step = run["status"]["progress"], run["best"]["step"]
        return [
            line(Span(SYMBOLS.get(level, "?"), level)),
            line(Span(self.name(run), "bold")),
            line(Span(word(LABELS, verdict["label"], self.lang), level)),
            line(f"{verdict['confidence']:.0%}"),
            line(number(verdict["onset_step"]) if verdict["onset_step"] is not None else ""),
            line(number(run["best"]["value"], 3) if run["best"]["value"] is not None else ""),
            line(number(step) if step is not None else ""),
            signals,
            line(f"{progress:.0%}" if progress is not None else ""),
        ]

    def name(self, run: Mapping[str, Any]) -> str:
        """The run as TensorBoard spells it; the log folder itself, which it spells as a dot, by its own name."""
        folder = self.logdir.replace("\\", "/").rstrip("/").rpartition("/")[2]
        return safe(f"{folder} (.)" if run["run"] == "." and folder not in ("", ".", "..") else run["run"], 4000)

    # --- one run ----------------------------------------------------------------------------------------------------

    def run(self, run: Mapping[str, Any]) -> list[Line]:
        lines = [*self._head(run)]
        for part in (
            self._plot(run),
            self._findings(run),
            self._signals(run),
            self._judgements(run),
            self._checkpoints(run),
            self._checklist(run),
            self._checks(run) if self.full else [],
            self._notes(run),
        ):
            if part:
                lines += [(), *part]
        return lines

    def _head(self, run: Mapping[str, Any]) -> list[Line]:
        verdict = run["verdict"]
        level = verdict["level"]
        badge = Span(f" {SYMBOLS.get(level, '?')} {word(LEVELS, level, self.lang)} ", f"{level}.badge")
        label = Span(word(LABELS, verdict["label"], self.lang), level)
        room = self.columns - cells(badge.text) - cells(label.text) - 8
        name = Span(cut_middle(self.name(run), max(12, room)), "bold")
        rule = Span("─" * max(2, self.columns - width((badge, label, name)) - 5), "dim")
        lines: list[Line] = [line(badge, " ", name, " ", rule, "  ", label)]
        lines += wrap(line(Span(safe(verdict["headline"], 2000), "bold")), self.columns)
        facts = [self.text(N_("confidence {share}"), share=f"{verdict['confidence']:.0%}")]
        if verdict["onset_step"] is not None:
            facts.append(self.text(N_("from step {step:,}"), step=verdict["onset_step"]))
        facts.append(self.text(N_("profile {profile}"), profile=safe(run["profile"]["id"])))
        status = run["status"]
        facts.append(word(RUN_STATES, status["state"], self.lang))
        if status["last_step"] is not None:
            planned = status["planned_steps"]
            if planned is not None and status["last_step"] < planned:
                facts.append(self.text(N_("step {step:,} of {planned:,}"), step=status["last_step"], planned=planned))
            else:
                facts.append(self.text(N_("step {step:,}"), step=status["last_step"]))
        if status["epoch"] is not None:
            facts.append(self.text(N_("epoch {epoch:.3g}"), epoch=status["epoch"]))
        if run["cost"]["active_seconds"]:
            facts.append(duration(run["cost"]["active_seconds"]))
        if status["state"] == "running" and status["remaining_seconds"]:
            facts.append(self.text(N_("about {time} left"), time=duration(status["remaining_seconds"])))
        if run["mode"] == "sampled":
            facts.append(self.text(N_("read from a sample: NaN and spikes may be missing")))
        lines += self._together(" · ".join(fact.replace(" ", "\u00a0") for fact in facts), "dim")
        return lines

    def _plot(self, run: Mapping[str, Any]) -> list[Line]:
        curves = run.get("curves") or {}
        train, evals = points(curves.get("train_loss")), points(curves.get("eval_loss"))
        recommended = next((c["step"] for c in run["checkpoints"] if c["recommended"]), None)
        bad = tuple(step for step, value in (*train, *evals) if value is None)
        onset = run["verdict"]["onset_step"]
        lines = plot(train, evals, Marks(onset, recommended, bad), self.columns, PLOT_ROWS)
        if not lines:
            return []
        legend: list[str | Span] = []

        def entry(sign: str, style: str, text: str) -> None:
            joined = f" {text}".replace(" ", "\u00a0")
            legend.extend([Span("   ") if legend else "", Span(sign, style), joined])

        if train:
            entry("⠒⠒", "train", _curve_name(curves, "train_loss", "eval_loss"))
        if evals:
            entry("⠒●", "eval", _curve_name(curves, "eval_loss", "train_loss"))
        if onset is not None:
            entry("▲", "mark", self.text(N_("from step {step:,}"), step=onset))
        if recommended is not None:
            entry("★", "ok", self.text(N_("checkpoint {step:,}"), step=recommended))
        if bad:
            entry("×", "bad", self.text(N_("not finite from step {step:,}"), step=int(min(bad))))
        high = is_clipped(train, evals)
        if high is not None:
            entry("⠉", "train", self.text(N_("cut off at the top; highest {value:.4g}"), value=high))
        return [*lines, *map(unbroken, wrap(line(*legend), self.columns))]

    def _findings(self, run: Mapping[str, Any]) -> list[Line]:
        findings = run["findings"]
        lines: list[Line] = []
        main = [f for f in findings if f["explained_by"] is None and f["severity"] != "info"]
        consequences = [f for f in findings if f["explained_by"] is not None]
        remarks = [f for f in findings if f["explained_by"] is None and f["severity"] == "info"]
        for finding in main:
            lines += self._finding(finding, run["verdict"]["headline"])
            for other in consequences:
                if other["explained_by"] == finding["rule"]:
                    text = self.text(N_("also follows from this: {message}"), message=safe(other["message"], 600))
                    lines += self._hanging(Span("    ↳ ", "dim"), Span(text, "dim"))
        fired = {f["rule"] for f in main}
        for finding in (*[c for c in consequences if c["explained_by"] not in fired], *remarks):
            lines += self._hanging(Span("  i ", "info"), Span(safe(finding["message"], 600)))
        return lines

    def _finding(self, finding: Mapping[str, Any], headline: str) -> list[Line]:
        # The headline is the main finding's own sentence; said twice it would only cost two lines.
        said = finding["title"] if finding["message"] == headline else finding["message"]
        level = {"critical": "bad", "high": "bad", "medium": "warn"}.get(finding["severity"], "info")
        tail = safe(finding["rule"]) + (f" ({', '.join(finding['guide'])})" if finding["guide"] else "")
        lines = self._hanging(Span(f"  {SYMBOLS[level]} ", level), Span(safe(said, 800)), Span(f"  {tail}", "dim"))
        snippets: list[str] = []
        remedies = finding["remedies"] if self.full else finding["remedies"][:MOST_REMEDIES]
        for remedy in remedies:
            note = f" {self.text(N_('(example numbers)'))}" if remedy["example"] else ""
            lines += self._hanging(Span("    → "), Span(safe(remedy["text"], 600)), Span(note, "dim"))
            if remedy["snippet"] and remedy["snippet"] not in snippets:
                snippets.append(remedy["snippet"])
        left = len(finding["remedies"]) - len(remedies)
        if left:
            lines.append(line(Span("      " + self.text(N_("and {count} more (--full)"), count=left), "dim")))
        for snippet in snippets:
            # never cut: a snippet is there to be copied
            lines += [line("        ", Span(safe(part, 2000), "code")) for part in str(snippet).splitlines()]
        return lines

    def _hanging(self, lead: Span, *rest: Span) -> list[Line]:
        return wrap(line(lead, *rest), self.columns, indent=cells(lead.text))

    def _together(self, text: str, style: str) -> list[Line]:
        """Wrapped at ordinary spaces only; what no-break spaces join stays on one line."""
        return [unbroken(row) for row in wrap(line(Span(text, style)), self.columns)]

    def _title(self, message: str, *more: Span) -> Line:
        return line(Span(gettext_for(message, self.lang), "bold"), *more)

    def _signals(self, run: Mapping[str, Any]) -> list[Line]:
        parts: list[Span] = []
        for signal in run["signals"]:
            state = signal["state"]
            name = gettext_for(SIGNALS.get(signal["id"], ""), self.lang)
            # no-break spaces keep a signal and its mark on one line
            text = f"{STATE_SYMBOLS.get(state, '?')}\u00a0{signal['id']}\u00a0{name}".replace(" ", "\u00a0")
            parts += [Span("  ") if parts else Span(""), Span(text, STATE_STYLES.get(state, ""))]
        if not parts:
            return []
        passed = sum(s["state"] == "pass" for s in run["signals"])
        title = self._title(N_("Signals"), Span(f"  {passed}/{len(run['signals'])}", "dim"))
        wrapped = wrap(line("  ", *parts), self.columns, indent=2)
        return [title, *map(unbroken, wrapped)]

    def _judgements(self, run: Mapping[str, Any]) -> list[Line]:
        rows = run["judgements"]
        if not rows:
            return []
        shown = rows if self.full else thin(rows, MOST_JUDGEMENTS, run["verdict"]["onset_step"])
        head = [
            gettext_for(m, self.lang)
            for m in (N_("step"), N_("train"), N_("eval"), N_("gap"), N_("perplexity"), N_("judgement"))
        ]
        columns = [
            Column(head[0], "right"),
            *(Column(h, "right") for h in head[1:3]),
            Column(head[3], "right"),
            Column(head[4], "right", optional=True),
            Column(""),
            Column(head[5], flex=True),
        ]
        keys = ("train_loss", "eval_loss", "gap", "perplexity")
        values = [self._figures([row[key] for row in shown]) for key in keys]
        cell_rows: list[Sequence[Line]] = [
            [
                line(number(row["step"])),
                *(value[i] for value in values),
                line(Span(SYMBOLS.get(row["level"], "?"), row["level"])),
                line(safe(row["reason"])),
            ]
            for i, row in enumerate(shown)
        ]
        more = Span(f"  {self.text(N_('{shown} of {count} rows'), shown=len(shown), count=len(rows))}", "dim")
        title = self._title(N_("Judgement"), *([more] if len(shown) < len(rows) else []))
        return [title, *table(columns, cell_rows, self.columns)]

    @staticmethod
    def _figures(values: Sequence[Any]) -> list[Line]:
        return [line(Span(text, "bad" if text in NOT_FINITE else "")) for text in figures(values)]

    def _checkpoints(self, run: Mapping[str, Any]) -> list[Line]:
        rows = run["checkpoints"]
        if not rows:
            return []
        shown = rows if self.full else rows[:MOST_CHECKPOINTS]
        recommended = [c for c in rows if c["recommended"]]
        shown = [*shown, *(c for c in recommended if c not in shown)]
        return [*self.checkpoint_table(run, shown), *self.ranking_notes(run)]

    def checkpoint_table(self, run: Mapping[str, Any], shown: Sequence[Mapping[str, Any]]) -> list[Line]:
        metric = run["ranking"]["metric"]
        heads = [
            N_("step"),
            N_("metric"),
            N_("gap"),
            N_("perplexity"),
            N_("samples"),
            N_("size"),
            N_("why"),
            N_("no file"),
        ]
        head = [gettext_for(m, self.lang) for m in heads]
        columns = [
            Column(""),
            Column("#", "right"),
            Column(head[0], "right"),
            Column(head[1], "right"),
            Column(head[2], "right"),
            Column(head[3], "right", optional=True),
            Column(head[4], optional=True),
            Column(head[5], "right", optional=True),
            Column(head[6], flex=True),
        ]
        values = [self._figures([c[key] for c in shown]) for key in ("value", "gap", "perplexity")]
        judge, qualities = one_judge([c["quality"] for c in shown])
        cell_rows: list[Sequence[Line]] = [
            [
                line(Span("★", "ok") if c["recommended"] else Span(" ")),
                line(Span(str(c["rank"]), "bold" if c["recommended"] else "")),
                line(Span(number(c["step"]), "bold" if c["recommended"] else "")),
                *(value[i] for value in values),
                line(safe(qualities[i]) if qualities[i] else ""),
                line(size(c["size"]) if c["size"] else ("" if c["on_disk"] else Span(head[7], "dim"))),
                line(safe(c["reason"])),
            ]
            for i, c in enumerate(shown)
        ]
        by = self.text(N_("ranked by {metric}"), metric=safe(metric)) if metric else ""
        count = self.text(N_("{shown} of {count} rows"), shown=len(shown), count=len(run["checkpoints"]))
        samples = self.text(N_("samples by {metric}"), metric=safe(judge)) if judge else ""
        facts = [fact for fact in (by, samples, count if len(shown) < len(run["checkpoints"]) else "") if fact]
        title = self._title(N_("Checkpoints"), Span("  " + " · ".join(facts), "dim"))
        return [fit(title, self.columns), *table(columns, cell_rows, self.columns)]

    def ranking_notes(self, run: Mapping[str, Any]) -> list[Line]:
        lines: list[Line] = []
        path = next((c["path"] for c in run["checkpoints"] if c["recommended"]), None)
        if path:
            lines += self._hanging(Span("  → ", "ok"), Span(safe(path, 4000), "code"))
        notes = run["ranking"]["notes"]
        for note in notes if self.full else notes[:2]:
            lines += self._hanging(Span("  i ", "dim"), Span(safe(note, 600), "dim"))
        return lines

    def _checklist(self, run: Mapping[str, Any]) -> list[Line]:
        items = run["checklist"]
        if not items:
            return []
        counts: list[Span] = []
        for phase in PHASES:
            states = [item["state"] for item in items if item["id"] == phase]
            if not states:
                continue
            counts.append(Span("  "))
            here = phase == run["status"]["phase"]
            counts.append(
                Span(f"{phase} {gettext_for(PHASES[phase], self.lang)}".replace(" ", "\u00a0"), "bold" if here else "")
            )
            counts += [
                Span(f"\u00a0{STATE_SYMBOLS[state]}{states.count(state)}", STATE_STYLES[state])
                for state in ("pass", "fail", "unknown")
                if state in states
            ]
        lines = [self._title(N_("Checklist"))]
        lines += map(unbroken, wrap(tuple(counts), self.columns, indent=2))
        for item in items:
            if item["state"] == "fail" or self.full:
                text = f"{safe(item['item'])}: {safe(item['reason'])}" if item["reason"] else safe(item["item"])
                sign = Span(f"  {STATE_SYMBOLS.get(item['state'], '?')} ", STATE_STYLES.get(item["state"], ""))
                lines += self._hanging(sign, Span(f"{item['id']} ", "dim"), Span(text))
        return lines

    def _checks(self, run: Mapping[str, Any]) -> list[Line]:
        signs = {"fired": ("✗", "bad"), "passed": ("✓", "ok"), "skipped": ("–", "dim"), "error": ("!", "warn")}
        lines = [self._title(N_("Checks"))]
        for check in run["checks"]:
            sign, style = signs.get(check["outcome"], ("?", ""))
            lines += self._hanging(
                Span(f"  {sign} ", style),
                Span(f"{safe(check['rule'])} {safe(check['title'])}"),
                Span(f"  {safe(check['reason'])}", "dim"),
            )
        return lines

    def _notes(self, run: Mapping[str, Any]) -> list[Line]:
        texts = [safe(note) for note in run["role_notes"]]
        for note in run["notes"]:
            where = safe(note["path"]) if note["path"] else ""
            if note["offset"] is not None:
                where += f" @{note['offset']:,}"
            texts.append(f"{safe(note['message'], 600)}{f' ({where.strip()})' if where else ''}")
        if run["profile"]["chosen_by"] != "user":
            profile = self.text(N_("profile {profile}"), profile=safe(run["profile"]["id"]))
            texts.append(f"{profile}: {safe(run['profile']['reason'])}")
        errors = [check for check in run["checks"] if check["outcome"] == "error"]
        texts += [f"{safe(check['rule'])}: {safe(check['reason'])}" for check in errors]
        shown = texts if self.full else texts[:MOST_NOTES]
        if not shown:
            return []
        more = self.text(N_("{shown} of {count} rows"), shown=len(shown), count=len(texts))
        title = self._title(N_("Notes"), *([Span(f"  {more}", "dim")] if len(shown) < len(texts) else []))
        return [title, *(part for text in shown for part in self._hanging(Span("  · ", "dim"), Span(text, "dim")))]


def _curve_name(curves: Mapping[str, Any], role: str, other: str) -> str:
    """The tag; with its run where train and eval loss bear the same tag, as Keras writes them."""
    curve = curves[role]
    same = other in curves and curves[other]["tag"] == curve["tag"]
    return cut_middle(safe(f"{curve['run']}: {curve['tag']}" if same else curve["tag"]), 30)


def thin(rows: Sequence[Mapping[str, Any]], most: int, onset: int | None) -> list[Mapping[str, Any]]:
    """At most `most` rows: first, last, the first row of each new level, the onset, then evenly spread others."""
    if len(rows) <= most:
        return list(rows)
    keep = {0, len(rows) - 1}
    if onset is not None:
        keep.add(min(range(len(rows)), key=lambda i: abs(rows[i]["step"] - onset)))
    for i in range(1, len(rows)):
        if rows[i]["level"] != rows[i - 1]["level"] and len(keep) < most - 2:
            keep.add(i)
    for k in range(1, most):
        if len(keep) >= most:
            break
        keep.add(round(k * (len(rows) - 1) / (most - 1)))
    return [rows[i] for i in sorted(keep)]


__all__ = ["Page", "cut", "pad", "render", "thin"]
