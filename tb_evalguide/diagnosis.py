"""Rules → outcomes → one verdict: tiers, suppression, what explains what, confidence."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import shape, stats
from tb_evalguide.case import LEAST_CURVE, Case, Curve
from tb_evalguide.checklist import checklist, signals
from tb_evalguide.checkpoints import rank
from tb_evalguide.config import Config, limits_of
from tb_evalguide.i18n import N_
from tb_evalguide.judgements import judge
from tb_evalguide.model import (
    Advice,
    CheckResult,
    Evidence,
    Finding,
    Role,
    Rule,
    RunReport,
    Severity,
    Skip,
    Text,
    Training,
    Verdict,
)
from tb_evalguide.profiles import choose_profile
from tb_evalguide.remedies import advise, known_arguments
from tb_evalguide.roles import choose_roles
from tb_evalguide.rules import RULES, lr_too_low, overfitting
from tb_evalguide.status import run_status

_log = logging.getLogger(__name__)

LEVEL = {Severity.CRITICAL: "bad", Severity.HIGH: "bad", Severity.MEDIUM: "warn", Severity.INFO: "ok"}
# Outside the guide's own short tables, silence of the rules says little before that many points: most need more.
MIN_HEALTHY_POINTS = 12
MIN_HEALTHY_EVALS = 6
MIN_PLAIN_POINTS = 5  # train points, where every loss of four points or more falls; readers call such runs healthy
PLAIN_FALL = 0.1  # of the first level, in so few points; own choice
RISEN = 1.1  # times the first evaluation, where two or three are all there are; own choice
SLOWNESS = ("LRN003", "LRN004")  # the rules that say why a loss hardly falls
LEAST_PROGRESS = 0.025  # relative drop of the loss (as LRN003): less is none, and "healthy" would be said by absence
LEAST_FALL = 1e-3  # of the first loss: beside no noise at all a fall in the last digits is none; own choice
LEARNED_IN_WARMUP = 0.2  # relative drop of the loss: a run that learns so well while its rate still rises is judged
# Shares of right answers among runs that nobody had seen (docs/accuracy.md, Confidence)
LACKING_FEW = 0.95  # of those with fewer than four points of anything
LACKING_SHORT = 0.85  # of those with too few to be called healthy
LACKING_SIGHT = 0.6  # of those with points enough, but no loss among them, or nothing but its noise or a warm-up
HEALTHY = 0.94  # of the runs called healthy, with evaluations or without, many points or few
HEALTHY_NEAR = 0.03  # fewer, where something less than a fault was found
HEALTHY_BLIND = 0.6  # of those without any loss
HEALTHY_UNCHECKED = 0.2  # fewer, where a check failed; own choice


@dataclass(frozen=True)
class Outcome:
    """What one rule said of one training."""

    rule: Rule
    result: CheckResult
    evidence: tuple[Evidence, ...] = ()


# Losses near the largest number overflow to infinities that the rules expect: a warning would tell nobody anything.
@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def diagnose_training(training: Training, config: Config | None = None, now: float | None = None) -> RunReport:
    """Everything that can be said about one training. now: wall time in seconds, or None to not judge by age."""
    config = (config or Config()).for_run(training.name, *(run.name for run in training.runs))
    roles = choose_roles(training, config.roles, metric=config.metric, greater_is_better=config.greater_is_better)
    profile = choose_profile(training, roles, config.profile)
    case = Case(training, roles, profile, config, now)
    outcomes = tuple(check_rule(rule, case) for rule in RULES)
    found = findings(outcomes, case)
    status = run_status(case, now)
    ranking = rank(case, found, config)
    return RunReport(
        training=training,
        roles=roles,
        profile=profile,
        verdict=verdict(case, found, outcomes),
        findings=found,
        checks=tuple(outcome.result for outcome in outcomes),
        judgements=judge(case),
        signals=signals(case, found),
        checklist=checklist(case, found, ranking, status),
        ranking=ranking,
        status=status,
        cost=case.cost,
    )


def check_rule(rule: Rule, case: Case) -> Outcome:
    """Runs one rule, or says why it was not run."""

    def skipped(reason: Text) -> Outcome:
        return Outcome(rule, CheckResult(rule.id, "skipped", reason))

    if not case.config.is_on(rule.id):
        return skipped(Text(N_("switched off in the configuration")))
    if (rule.profiles and case.profile.id not in rule.profiles) or case.profile.id in rule.not_in:
        return skipped(Text(N_("does not apply to the profile {profile}"), {"profile": case.profile.id}))
    for need in rule.needs:
        curve = case.curve(need.role)
        have = len(curve) if curve is not None else 0
        if have == 0 and case.roles.get(need.role) is None:
            return skipped(Text(N_("no {role} in the log"), {"role": Text(ROLE_NAMES[need.role.value])}))
        if have < need.points:
            params = {"role": Text(ROLE_NAMES[need.role.value]), "have": have, "need": need.points}
            return skipped(Text(N_("not enough data: {have} points of {role}, {need} needed"), params))
    limits = limits_of(rule, case.config)
    try:
        result = rule.check(case, limits)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        # One rule that trips over a log nobody foresaw must not take the other rules' answers with it. It is not
        # hidden: the outcome is "error", the verdict is less sure, and the traceback is in the debug log.
        _log.debug("rule %s failed on %r", rule.id, case.training.name, exc_info=True)
        reason = Text(N_("the check itself failed ({error}); please report this"), {"error": type(error).__name__})
        return Outcome(rule, CheckResult(rule.id, "error", reason))
    if isinstance(result, Skip):
        return skipped(result.reason)
    evidence = tuple(result)
    if not evidence:
        return Outcome(rule, CheckResult(rule.id, "passed", Text(N_("checked, nothing found"))))
    message = message_of(rule, evidence[0])
    return Outcome(rule, CheckResult(rule.id, "fired", message), evidence)


ROLE_NAMES = {
    "train_loss": N_("train loss"),
    "eval_loss": N_("eval loss"),
    "learning_rate": N_("learning rate"),
    "grad_norm": N_("grad norm"),
    "epoch": N_("epoch"),
    "train_perplexity": N_("train perplexity"),
    "eval_perplexity": N_("eval perplexity"),
    "train_accuracy": N_("train accuracy"),
    "eval_accuracy": N_("eval accuracy"),
    "eval_metric": N_("eval metric"),
    "loss_scale": N_("loss scale"),
    "memory": N_("memory"),
    "throughput": N_("throughput"),
    "step_time": N_("step time"),
    "reward": N_("reward"),
    "tokens": N_("tokens"),
}


def message_of(rule: Rule, evidence: Evidence) -> Text:
    """The rule's sentence for this evidence, still untranslated."""
    template = rule.variants[evidence.variant] if evidence.variant else rule.message
    params: dict[str, object] = {"first": evidence.steps[0], "last": evidence.steps[1]}
    return Text(template, {**params, **evidence.numbers, **evidence.words})


def findings(outcomes: Sequence[Outcome], case: Case) -> tuple[Finding, ...]:
    """All findings, the headline's first; consequences carry the rule that explains them."""
    fired: list[tuple[Rule, Evidence]] = [(o.rule, e) for o in outcomes for e in o.evidence]
    fired.sort(key=lambda item: importance(*item))
    fired = suppress(fired)
    found: list[Finding] = []
    taken: set[str] = set()
    settings: dict[str, object] = {}
    arguments = known_arguments(case.training, case.roles)
    written = {choice.series.tag: choice.series.tags for choice in case.roles.choices.values()}
    for rule, evidence in fired:
        severity = evidence.severity or rule.severity
        label = evidence.label or rule.label
        explained = explanation(label, severity, rule, evidence, found)
        remedies = rule.remedies if evidence.remedies is None else evidence.remedies
        advice: tuple[Advice, ...] = ()
        if explained is None:
            advice = advise(remedies, arguments, taken_moves=taken, taken_settings=settings)
            taken |= {remedy.move for remedy in remedies if remedy.move}
            settings |= {a.setting: a.new for a in advice if a.setting is not None}
        found.append(
            Finding(
                rule=rule.id,
                label=label,
                guide=rule.guide,
                severity=severity,
                tier=evidence.tier or rule.tier,
                confidence=confidence(evidence, case),
                steps=evidence.steps,
                tags=tuple(part for tag in evidence.tags for part in written.get(tag, (tag,))),
                evidence=dict(evidence.numbers),
                message=message_of(rule, evidence),
                remedies=advice,
                explained_by=explained,
            )
        )
    return tuple(found)


SEVERITY_ORDER = {Severity.CRITICAL: 0, Severity.HIGH: 1, Severity.MEDIUM: 2, Severity.INFO: 3}


def importance(rule: Rule, evidence: Evidence) -> tuple[int, int, int, int]:
    """Sort key: information last; then tier, then severity, then onset (failure-modes.md, One headline).

    The catalogue has onset before severity within a tier. A warning of a beginning is earlier than the fault it leads
    to, and would hide it.
    """
    severity = evidence.severity or rule.severity
    tier = evidence.tier or rule.tier
    return (int(severity is Severity.INFO), int(tier), SEVERITY_ORDER[severity], evidence.steps[0])


# label → labels it explains when its onset is not later (failure-modes.md, Suppressions). A tier's own order is the
# default; these name pairs within one tier, and causes whose consequence may show a little earlier than they do.
EXPLAINS: dict[str, frozenset[str]] = {
    "nan": frozenset(
        {
            "divergence",
            "spike",
            "oscillation",
            "exploding_gradients",
            "lr_too_high",
            "plateau",
            "underfitting",
            "lr_too_low",
            "vanishing_gradients",
            "overfitting",
            "data_integrity",
        }
    ),
    "out_of_memory": frozenset({"stalled", "slow"}),
    "divergence": frozenset(
        {"overfitting", "oscillation", "spike", "exploding_gradients", "plateau", "underfitting", "lr_too_low"}
    ),
    "lr_too_high": frozenset(
        {
            "overfitting",
            "oscillation",
            "spike",
            "exploding_gradients",
            "divergence",
            "plateau",
            "underfitting",
            "lr_too_low",
        }
    ),
    "exploding_gradients": frozenset({"spike", "divergence", "oscillation", "overfitting", "plateau", "underfitting"}),
    "oscillation": frozenset({"spike", "divergence", "overfitting", "plateau", "underfitting"}),
    "resume_jump": frozenset({"spike", "overfitting", "lr_schedule", "divergence", "oscillation"}),
    "data_integrity": frozenset(
        {
            "resume_jump",
            "spike",
            "overfitting",
            "divergence",
            "oscillation",
            "underfitting",
            "plateau",
            "lr_too_low",
            "lr_too_high",
            "lr_schedule",
        }
    ),
    "lr_schedule": frozenset({"lr_too_low", "plateau", "underfitting", "spike", "oscillation"}),
    "lr_too_low": frozenset({"plateau", "underfitting"}),
    "underfitting": frozenset({"plateau", "lr_too_low"}),
    "plateau": frozenset({"underfitting", "lr_too_low"}),
    "overfitting": frozenset(),
}


def explanation(label: str, severity: Severity, rule: Rule, evidence: Evidence, found: Iterable[Finding]) -> str | None:
    """The id of the earlier, heavier finding that this one follows from, or None."""
    if severity is Severity.INFO:
        return None
    for cause in found:
        if cause.explained_by is not None or cause.severity is Severity.INFO or cause.rule == rule.id:
            continue
        if cause.label == label:
            return cause.rule
        if label in EXPLAINS.get(cause.label, frozenset()) and cause.steps[0] <= evidence.steps[1]:
            return cause.rule
    return None


def suppress(fired: list[tuple[Rule, Evidence]]) -> list[tuple[Rule, Evidence]]:
    """Drops findings that another one makes meaningless (not merely secondary): a k-fold loss has no true gap."""
    names = {rule.id for rule, evidence in fired if (evidence.severity or rule.severity) is not Severity.INFO}
    silenced = {victim for cause in names for victim in SILENCES.get(cause, ())}
    return [(rule, evidence) for rule, evidence in fired if rule.id not in silenced]


# rule id → rule ids it makes meaningless (failure-modes.md, Suppressions)
SILENCES: dict[str, tuple[str, ...]] = {
    "INT003": ("OVF002", "OVF005", "OVF007"),  # k-fold train loss: no gap can be read
}


def confidence(evidence: Evidence, case: Case) -> float:
    """The rule's own confidence, capped by how much was logged and lowered by a close rival (failure-modes.md)."""
    value = evidence.confidence
    if value < 0.99:
        value = min(value, evidence_cap(case))
    if evidence.rival:
        value -= 0.15
    return round(max(0.05, min(value, 0.99)), 3)


def evidence_cap(case: Case) -> float:
    """Upper bound of confidence by the number of evaluations, or of train points ÷ 5 where there are none."""
    n = len(case.evals) if case.evals is not None else 0
    if case.train is not None:
        n = max(n, len(case.train) // 5)
    for least, cap in ((20, 0.95), (8, 0.9), (5, 0.8), (4, 0.65)):
        if n >= least:
            return cap
    return 0.5


def verdict(case: Case, found: Sequence[Finding], outcomes: Sequence[Outcome]) -> Verdict:
    """One headline: the first active finding; else not enough data; else healthy."""
    active = [f for f in found if f.explained_by is None and f.severity is not Severity.INFO]
    if active:
        head = active[0]
        return Verdict(head.label, LEVEL[head.severity], head.confidence, head.message, head.steps[0])
    lacking = missing(case) or standstill(case, outcomes) or few_rising_evals(case)
    if lacking is not None:
        return Verdict("insufficient_data", "unknown", lacking_confidence(case), lacking)
    if case.training.sampled:
        text = Text(
            N_("No fault seen, but only a sample of the points could be read: NaN values and spikes may be missing.")
        )
        return Verdict("insufficient_data", "unknown", 0.5, text)
    failed = sum(outcome.result.outcome == "error" for outcome in outcomes)
    return Verdict("healthy", "ok", healthy_confidence(case, found, failed), healthy_headline(case, found))


def step_of(curve: Curve | None, count: int) -> int | None:
    """The step at which there will be so many points, if they are logged as far apart as so far; None if unknown."""
    if curve is None or not len(curve):
        return None
    apart = float(stats.median(np.diff(curve.steps))) if len(curve) > 1 else float(curve.steps[0])
    return int(curve.steps[-1] + (count - len(curve)) * apart) if apart > 0 else None


def from_step(step: int | None) -> Text:
    """From which step on there is an answer; nothing where that is not known."""
    return Text(N_(", from about step {step} on"), {"step": step}) if step is not None else Text("")


def when_logged(case: Case, points: int, evaluations: int) -> Text:
    """From which step on the log will have so many train points or evaluations, whichever comes first."""
    known = [step_of(case.train, points), step_of(case.evals, evaluations)]
    return from_step(min((step for step in known if step is not None), default=None))


def logged_points(case: Case) -> dict[str, int]:
    """How many points there are of the train loss, the evaluations, the metric with most, and the reward."""
    points = {
        "train": len(case.train) if case.train is not None else 0,
        "eval": len(case.evals) if case.evals is not None else 0,
        "metric": max((len(choice.series) for choice in case.metrics), default=0),
        "reward": len(case.roles.choices[Role.REWARD].series) if Role.REWARD in case.roles.choices else 0,
    }
    # losses that took no role (Keras' batch_loss beside epoch_loss) still count as evidence of how the run went
    others = (len(s) for run in case.training.runs for tag, s in run.series.items() if "loss" in tag.lower())
    points["train"] = max([points["train"], *others])
    return points


def is_short(points: Mapping[str, int]) -> bool:
    """Too few of everything for silence of the rules to mean health."""
    few = max(points["train"], points["reward"]) < MIN_HEALTHY_POINTS
    return few and max(points["eval"], points["metric"]) < MIN_HEALTHY_EVALS


def missing(case: Case) -> Text | None:
    """What is lacking for any verdict, or None when there is enough."""
    points = logged_points(case)
    best = max(points.values())
    if case.loss is not None and not any(c.values.any() for c in (case.train, case.evals) if c is not None):
        return Text(
            N_(
                "{tag} is exactly 0 at all {count} points: no sample counts (all labels masked), or it is another "
                "term. Nothing can be judged by it; name the tag of the loss with --role train_loss=TAG."
            ),
            {"tag": case.loss.tag, "count": len(case.loss)},
        )
    if best == 0:
        return Text(
            N_(
                "No loss found in this log: nothing can be judged. Log the train loss, or name its tag with "
                "--role train_loss=TAG."
            )
        )
    if best < LEAST_CURVE:
        return Text(
            N_(
                "Too few points were logged ({count}): no trend can be told yet. A first answer needs {need} of a "
                "loss{when}."
            ),
            {"count": best, "need": LEAST_CURVE, "when": when_logged(case, LEAST_CURVE, LEAST_CURVE)},
        )
    if is_short(points) and not fell_plainly(case) and not case.is_guide:
        params = {
            "train": points["train"],
            "evals": points["eval"],
            "points": MIN_HEALTHY_POINTS,
            "need": MIN_HEALTHY_EVALS,
            "when": when_logged(case, MIN_HEALTHY_POINTS, MIN_HEALTHY_EVALS),
        }
        return Text(
            N_(
                "No fault in what was logged, but {train} train points and {evals} evaluations are too few to "
                "call the run healthy; "
                "that takes {points} train points or {need} evaluations{when}."
            ),
            params,
        )
    if shape.in_warmup(case) and not (shape.progress(case) >= LEARNED_IN_WARMUP or fell_plainly(case)):
        # a rate that rises on after the planned warm-up does not follow that plan
        over = case.warmup_steps is None or case.warmup_steps <= case.last_step
        return Text(
            N_(
                "Only the warm-up was logged (learning rate still rising at step {step}): nothing can be judged "
                "before it ends{when}."
            ),
            {"step": case.last_step, "when": from_step(None if over else case.warmup_steps)},
        )
    return None


def standstill(case: Case, outcomes: Sequence[Outcome]) -> Text | None:
    """What is lacking where the loss has not fallen beyond its noise, or hardly, and no rule says why; or None."""
    told = [o.result.outcome != "skipped" for o in outcomes if o.rule.id in SLOWNESS]
    if case.loss is None or case.profile.id == "rl":
        return None
    of, start, end = shape.progress_told(case) or (case.loss, *shape.ends(case.loss))
    if len(case.loss) >= LEAST_CURVE and not fell_beyond_chance(case) and not overfitting.metric_gains(case):
        return Text(
            N_(
                "The loss does not fall by more than its noise ({start:.4g} → {end:.4g} over {points} points): no more "
                "can be told."
            ),
            {"start": start, "end": end, "points": len(of)},
        )
    if any(told) or not shape.progress(case) < LEAST_PROGRESS:
        return None
    return Text(
        N_("The loss has hardly fallen yet ({start:.4g} → {end:.4g}), and {steps} steps are too few to say why{when}."),
        {
            "start": start,
            "end": end,
            "steps": case.last_step - case.first_step,
            "when": from_step(max(case.first_step + lr_too_low.RULE.limits.steps, case.last_step + 1)),
        },
    )


def few_rising_evals(case: Case) -> Text | None:
    """Two or three evaluations that rose prove no overfitting, and no health either; None where they did not."""
    evals = case.evals
    if evals is None or not 2 <= len(evals) < LEAST_CURVE or not 0 < evals.values[0] * RISEN < evals.values[-1]:
        return None
    return Text(
        N_(
            "Eval loss rose from {first:.3g} to {last:.3g} in {count} evaluations: too few to call it overfitting, and "
            "too much to call the run healthy. The next evaluation tells{when}."
        ),
        {
            "first": float(evals.values[0]),
            "last": float(evals.values[-1]),
            "count": len(evals),
            "when": from_step(step_of(evals, len(evals) + 1)),
        },
    )


def fell_plainly(case: Case) -> bool:
    """Few points, but they fall beyond doubt: five points of the train loss or more, or both losses in four.

    Three evaluations must not contradict it.
    """
    train, evals = case.train, case.evals
    if train is None:
        return False
    if evals is not None and len(evals) == 3 and not (np.diff(evals.values) < 0).all():
        return False
    falls = [falls_plainly(c) for c in (train, evals) if c is not None and len(c) >= LEAST_CURVE]
    return bool(falls) and all(falls) and (len(train) >= MIN_PLAIN_POINTS or len(falls) == 2)


def fell_beyond_chance(case: Case) -> bool:
    """Either loss falls, by the usual test of a trend, or far beyond its noise at once, where no trend is left."""
    curves = [c for c in (case.train, case.evals) if c is not None and len(c) >= LEAST_CURVE]
    return any(
        stats.mann_kendall(c.values).p_down < 0.05
        or c.start - c.tail(0.1, 2) > max(shape.HIDDEN_SIGMAS * c.noise, LEAST_FALL * abs(c.values[0]))
        for c in curves
    )


def falls_plainly(curve: Curve) -> bool:
    """It falls by a tenth and by more than chance. A loss that ends at exactly 0 is broken rather than learned."""
    falls = stats.mann_kendall(curve.values).p_down < 0.05
    return bool(falls and curve.values[-1] > 0 and curve.tail(0.1, 2) < (1 - PLAIN_FALL) * curve.head())


def healthy_headline(case: Case, found: Sequence[Finding]) -> Text:
    """One sentence on why the run looks well, in its own numbers."""
    train, evals = case.train, case.evals
    if evals is not None and len(evals) >= 2 and train is not None and len(train) >= 2:
        params = {
            "t0": train.start,
            "t1": train.tail(),
            "e0": float(evals.values[0]),
            "e1": float(evals.values[-1]),
        }
        return Text(
            N_("Train loss went from {t0:.3g} to {t1:.3g} and eval loss from {e0:.3g} to {e1:.3g}; no fault found."),
            params,
        )
    curve = train if train is not None and len(train) >= 2 else evals
    if curve is not None and len(curve) >= 2:
        params = {"first": curve.start, "end": curve.tail()}
        if evals is None:
            return Text(
                N_(
                    "Loss went from {first:.3g} to {end:.3g}; no fault found. Without an eval loss, overfitting "
                    "cannot be seen."
                ),
                params,
            )
        return Text(N_("Loss went from {first:.3g} to {end:.3g}; no fault found."), params)
    return Text(N_("No fault found in what was logged; there is no loss to judge learning by."))


def lacking_confidence(case: Case) -> float:
    """How sure it is that nothing can be said: the less was logged, the surer."""
    points = logged_points(case)
    most = max(points.values())
    if most == 0:
        return LACKING_SIGHT
    return LACKING_FEW if most < LEAST_CURVE else LACKING_SHORT if is_short(points) else LACKING_SIGHT


def healthy_confidence(case: Case, found: Sequence[Finding], failed: int) -> float:
    """How sure healthy is: less where something was found nevertheless, without a loss, or with a check that failed."""
    value = HEALTHY if case.loss is not None else HEALTHY_BLIND
    if any(f.explained_by is None and f.label not in ("healthy", "spike") for f in found):
        value -= HEALTHY_NEAR
    return round(value - HEALTHY_UNCHECKED * bool(failed), 3)
