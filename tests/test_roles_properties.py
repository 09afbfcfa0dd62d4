"""Roles, profiles and remedies on logs that nobody would write: no crash, nothing invented, order does not matter."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tb_evalguide.i18n import render
from tb_evalguide.model import Roles, Run, Series, Training
from tb_evalguide.profiles import PROFILES, choose_profile
from tb_evalguide.remedies import advise, catalogue, known_arguments
from tb_evalguide.roles import choose_roles

WORDS = "train val loss Loss eval test acc epoch step lr grad norm box reward f1 ppl d_loss g_loss"
words = st.sampled_from(sorted(WORDS.split()))
tags = st.one_of(
    st.text(min_size=1, max_size=12),
    st.builds(lambda parts, sep: sep.join(parts), st.lists(words, min_size=1, max_size=4), st.sampled_from("/_ .-")),
)
values = st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), min_size=0, max_size=8)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.lists(st.integers(), max_size=2)
)
SETTINGS = """
learning_rate lr batch_size max_grad_norm num_train_epochs max_steps vocab_size model_type architectures problem_type
metric_for_best_model greater_is_better warmup_ratio eval_strategy
"""
names = st.one_of(st.text(max_size=8), st.sampled_from(SETTINGS.split()))
PLACES = st.sampled_from([".", "train", "validation", "a/b", "eval", "a"])


@st.composite
def trainings(draw: st.DrawFn) -> Training:
    runs = []
    for name in draw(
        st.lists(st.sampled_from([".", "train", "validation", "a/b", "eval", "a"]), unique=True, max_size=3)
    ):
        series = {}
        for tag in draw(st.lists(tags, unique=True, max_size=6)):
            points = np.asarray(draw(values), np.float64)
            steps = np.arange(len(points), dtype=np.int64) * draw(st.sampled_from([1, 10]))
            series[tag] = Series(tag, name, steps, points, steps.astype(np.float64))
        runs.append(Run(name, series))
    return Training(
        draw(st.sampled_from([".", "a", "a/b"])),
        tuple(runs),
        framework=draw(st.sampled_from([None, "hf", "keras", "nonsense"])),
        arguments=draw(st.dictionaries(names, scalars, max_size=4)),
        model_config=draw(st.dictionaries(names, scalars, max_size=3)),
    )


def chosen(roles: Roles) -> dict[str, tuple[str, str]]:
    return {role.value: (choice.series.run, choice.tag) for role, choice in roles.choices.items()}


@settings(max_examples=300, deadline=None)
@given(trainings(), st.dictionaries(st.sampled_from(["train_loss", "eval_loss"]), tags, max_size=1))
def test_nothing_breaks_and_nothing_is_invented(training: Training, mapping: dict[str, str]) -> None:
    roles = choose_roles(training, mapping)
    every = [series for run in training.runs for series in run.series.values()]
    held = {(s.run, s.tag): dict(zip(s.steps, map(str, s.values.tolist()))) for s in every}
    for role, choice in roles.choices.items():
        assert choice.role is role and render(choice.reason)
    for choice in (*roles.choices.values(), *roles.metrics, *roles.extra_eval_losses):
        written = held[choice.series.run, choice.series.tag]
        left = dict(zip(choice.series.steps, map(str, choice.series.values.tolist())))
        # placeholders may be left out; every other point is there, and none that was not written
        assert left and left.items() <= written.items()
        assert all(value in ("0.0", "-0.0") for step, value in written.items() if step not in left)
    train, evals = (chosen(roles).get(name) for name in ("train_loss", "eval_loss"))
    assert train is None or train != evals or mapping
    profile = choose_profile(training, roles)
    assert profile.id in PROFILES and render(profile.reason) and render(profile.reason, "ko")
    for note in roles.notes:
        assert render(note)


@settings(max_examples=100, deadline=None)
@given(trainings())
def test_the_order_in_which_files_are_found_does_not_matter(training: Training) -> None:
    turned = Training(
        training.name,
        tuple(Run(run.name, dict(reversed(list(run.series.items())))) for run in reversed(training.runs)),
        framework=training.framework,
        arguments=training.arguments,
        model_config=training.model_config,
    )
    a, b = choose_roles(training), choose_roles(turned)
    assert chosen(a) == chosen(b)
    assert [m.tag for m in a.metrics] == [m.tag for m in b.metrics]
    assert choose_profile(training, a).id == choose_profile(turned, b).id


@settings(max_examples=100, deadline=None)
@given(trainings())
def test_remedies_survive_any_arguments(training: Training) -> None:
    known = known_arguments(training, choose_roles(training))
    for advice in advise(catalogue().values(), known):
        assert render(advice.text)
        assert advice.snippet is None or "\n" not in advice.snippet
