"""Checkpoint ranking: the guide's own examples, ties, matching of files to evaluations, and what is said of it all."""

import math

import numpy as np
import pytest

from tb_evalguide.checkpoints import Limits, choose_metric, match_files, rank, tie_width
from tb_evalguide.config import Config
from tb_evalguide.i18n import render
from tb_evalguide.model import Finding, SampleRating, Severity, Text, Tier, TrainerState

from .support.phases import C1, C2, K5, case, file, series, table

OVERFITTING = Finding("OVF001", "overfitting", (), Severity.HIGH, Tier.GENERALISATION, 0.9, (1, 2), (), {}, Text("x"))


def steps(ranking):
    return [c.step for c in ranking.checkpoints]


def chosen(ranking):
    picked = [c for c in ranking.checkpoints if c.recommended]
    assert len(picked) == 1 and picked[0].rank == 1
    return picked[0]


def notes(ranking):
    return [render(n) for n in ranking.notes]


def reasons(ranking):
    return {c.step: render(c.reason) for c in ranking.checkpoints}


# --- the guide -----------------------------------------------------------------------------------------------------


def test_k5_recommends_150_whatever_a_person_thinks_of_200():
    train, evals = table(K5)
    ratings = (SampleRating(100, "fair"), SampleRating(150, "good"), SampleRating(200, "very good"))
    files = tuple(file(s) for s in (100, 150, 200))
    ranking = rank(case(train, evals, checkpoint_files=files, ratings=ratings), (OVERFITTING,))
    best = chosen(ranking)
    assert (best.step, best.value, best.quality, best.path) == (150, 1.1, "good", "checkpoint-150")
    assert best.gap == pytest.approx(0.2) and best.perplexity == pytest.approx(math.exp(1.1))
    assert steps(ranking) == [150, 100, 200]
    levels = {c.step: c.level for c in ranking.checkpoints}
    assert levels == {150: "ok", 100: "warn", 200: "bad"}
    assert reasons(ranking)[200].startswith("Overfitted")


def test_c2_recommends_150_and_c1_the_last():
    assert chosen(rank(case(*table(C2)), (OVERFITTING,))).step == 150
    assert chosen(rank(case(*table(C1)))).step == 250


def test_a_gap_above_the_guide_s_half_is_bad_in_the_guide_profile_only():
    rows = ((10, 2.0, 2.1), (20, 1.0, 1.51), (30, 0.5, 1.6))
    guide = {c.step: c.level for c in rank(case(*table(rows))).checkpoints}
    other = {c.step: c.level for c in rank(case(*table(rows), profile="classification")).checkpoints}
    assert guide[20] == "bad" and other[20] == "ok"
    exactly = ((10, 2.0, 2.1), (20, 1.0, 1.5), (30, 0.5, 1.75))
    assert {c.step: c.level for c in rank(case(*table(exactly))).checkpoints}[20] == "ok"


# --- ties ----------------------------------------------------------------------------------------------------------


def test_inside_a_tie_a_clearly_smaller_gap_wins_over_the_last_thousandth():
    train = series("train/loss", [100, 200, 300], [1.5, 1.4, 0.9])
    evals = series("eval/loss", [100, 200, 300], [1.9, 1.502, 1.5])
    ranking = rank(case(train, evals))
    assert chosen(ranking).step == 200
    assert "gap to the train loss is smaller" in reasons(ranking)[200]
    assert [c.step for c in ranking.checkpoints if c.tied] == [200, 300]


def test_just_outside_the_tie_the_lower_value_wins():
    train = series("train/loss", [100, 200, 300], [1.5, 1.4, 0.9])
    ranking = rank(case(train, series("eval/loss", [100, 200, 300], [1.9, 1.5151, 1.5])))
    assert chosen(ranking).step == 300 and not any(c.tied for c in ranking.checkpoints)


def test_a_person_s_rating_decides_inside_a_tie_only():
    train = series("train/loss", [100, 200, 300], [1.5, 1.4, 1.39])
    evals = series("eval/loss", [100, 200, 300], [1.9, 1.502, 1.5])
    rated = (SampleRating(200, "very good"), SampleRating(300, "fair"), SampleRating(100, "very good"))
    ranking = rank(case(train, evals, ratings=rated))
    assert chosen(ranking).step == 200
    assert "rated its samples very good" in reasons(ranking)[200]


def test_exact_equals_the_earlier_when_overfitting_else_the_later():
    evals = series("eval/loss", [100, 200, 300], [1.5, 1.2, 1.2])
    assert chosen(rank(case(None, evals))).step == 300
    assert chosen(rank(case(None, evals), (OVERFITTING,))).step == 200


def test_logged_quality_decides_between_exact_equals():
    evals = series("eval/loss", [100, 200, 300], [1.5, 1.2, 1.2])
    rouge = series("eval/rouge1", [100, 200, 300], [0.1, 0.4, 0.3])
    ranking = rank(case(None, evals, metrics=[(rouge, True)]))
    assert chosen(ranking).step == 200 and chosen(ranking).quality == "eval/rouge1 0.4"


def test_the_width_of_a_tie_is_capped_in_a_jumpy_run_and_never_negative():
    at = np.arange(20)
    jumpy = np.where(at % 2, 1.0, 2.0)
    assert tie_width(at, jumpy, 1.0) == pytest.approx(0.01)
    assert tie_width(at, np.zeros(20), 0.0) == 0.0
    smooth = 2.0 - at / 1000
    assert 0 < tie_width(at, smooth, 1.981) < 0.01 * 1.981
    gone = np.where(at < 5, np.nan, smooth)
    assert tie_width(at, gone, 1.981) == pytest.approx(tie_width(at[5:], smooth[5:], 1.981))
    assert tie_width(at, jumpy, 1.0, Limits(tie_share=0.5)) == pytest.approx(0.5)


# --- which metric --------------------------------------------------------------------------------------------------


def loss_and_f1():
    loss = series("eval/loss", [10, 20, 30], [1.0, 1.3, 1.6])
    f1 = series("eval/f1", [10, 20, 30], [0.5, 0.7, 0.6])
    return loss, f1


@pytest.mark.parametrize("name", ["eval/f1", "eval_f1", "f1"])
def test_the_user_s_metric_ranks_with_its_sign_turned_once(name):
    loss, f1 = loss_and_f1()
    ranking = rank(case(None, loss, metrics=[(f1, True)]), config=Config(metric=name))
    assert steps(ranking) == [20, 30, 10]
    assert (ranking.metric, ranking.greater_is_better) == ("eval/f1", True)
    assert chosen(ranking).value == 0.7 and "highest eval/f1" in reasons(ranking)[20]
    worse = rank(case(None, loss, metrics=[(f1, True)]), config=Config(metric=name, greater_is_better=False))
    assert steps(worse) == [10, 30, 20]


def test_metric_for_best_model_ranks_and_the_user_wins_over_it():
    loss, f1 = loss_and_f1()
    args = {"metric_for_best_model": "f1", "greater_is_better": True}
    assert chosen(rank(case(None, loss, metrics=[(f1, None)], arguments=args))).step == 20
    asked = Config(metric="eval/loss")
    assert chosen(rank(case(None, loss, metrics=[(f1, None)], arguments=args), config=asked)).step == 10


def test_a_metric_that_is_not_logged_is_said_and_the_eval_loss_ranks():
    loss, _ = loss_and_f1()
    ranking = rank(case(None, loss), config=Config(metric="bleu"))
    assert ranking.metric == "eval/loss" and any("No evaluation of bleu" in n for n in notes(ranking))


def test_a_metric_of_unknown_direction_is_said():
    mystery = series("eval/zork", [10, 20], [1.0, 2.0])
    metric, said = choose_metric(case(None, None, metrics=[(mystery, None)]), Config())
    assert metric is not None and metric.greater_is_better is False
    assert "Set greater_is_better" in render(said[0])


def test_without_an_eval_loss_the_first_quality_metric_ranks():
    _, f1 = loss_and_f1()
    ranking = rank(case(None, None, metrics=[(f1, True)]))
    assert chosen(ranking).step == 20 and ranking.metric == "eval/f1"


# --- files ---------------------------------------------------------------------------------------------------------


def test_what_is_not_on_disk_is_not_recommended_and_its_regret_is_said():
    evals = series("eval/loss", [10, 20, 30], [1.5, 1.0, 1.4])
    ranking = rank(case(None, evals, checkpoint_files=(file(10), file(30))))
    assert chosen(ranking).step == 30
    assert (ranking.best_evaluated, ranking.best_on_disk) == (20, 30)
    assert ranking.regret == pytest.approx(0.4)
    assert any("best on disk: step 30 (1.4), worse by 0.4" in n and "save_total_limit" in n for n in notes(ranking))
    assert "no checkpoint of this step is on disk" in reasons(ranking)[20]
    assert any("Evaluations without a checkpoint on disk: 1 (steps 20)" in n for n in notes(ranking))


def test_a_tied_checkpoint_on_disk_is_as_good():
    evals = series("eval/loss", [10, 20, 30], [1.5, 1.0, 1.002])
    ranking = rank(case(None, evals, checkpoint_files=(file(10), file(30))))
    assert chosen(ranking).step == 30 and chosen(ranking).level == "ok"
    assert any("as good within noise" in n for n in notes(ranking))


def test_an_evaluation_is_never_credited_to_another_step():
    evals = series("eval/loss", [10, 20, 30], [1.5, 1.0, 1.4])
    ranking = rank(case(None, evals, checkpoint_files=(file(19), file(21))))
    assert chosen(ranking).step == 20 and not chosen(ranking).on_disk
    assert ranking.best_on_disk is None and ranking.regret is None
    unevaluated = [c for c in ranking.checkpoints if c.value is None]
    assert {c.step for c in unevaluated} == {19, 21} and all(c.on_disk for c in unevaluated)
    assert any("None of the checkpoints on disk was evaluated" in n for n in notes(ranking))
    assert any("Checkpoints on disk that were not evaluated at their step: 2" in n for n in notes(ranking))


def test_lightning_logs_one_step_before_the_name_of_its_checkpoint():
    evals = series("val_loss", [123, 247, 371], [1.5, 1.0, 1.4])
    files = (file(124, "lightning", epoch=0), file(248, "lightning", epoch=1), file(372, "lightning", epoch=2))
    ranking = rank(case(None, evals, checkpoint_files=files))
    assert chosen(ranking).step == 247 and chosen(ranking).path == "checkpoint-248"


def test_a_lightning_script_that_logs_at_the_named_step_is_believed():
    evals = series("val_loss", [124, 248, 372], [1.5, 1.0, 1.4])
    files = tuple(file(s, "lightning") for s in (124, 248, 372))
    matched, _ = match_files(case(None, evals, checkpoint_files=files), evals.steps)
    assert {s: f.step for s, f in matched.items()} == {124: 124, 248: 248, 372: 372}


@pytest.mark.parametrize("as_epoch", [True, False])
def test_keras_counts_epochs_from_one_in_names_and_from_zero_in_logs(as_epoch):
    evals = series("epoch_loss", range(26), [2 - i / 20 if i < 12 else 1.4 + i / 40 for i in range(26)])
    numbers = (1, 6, 11, 16, 21, 26)
    files = tuple(file(None if as_epoch else n, "keras", epoch=n if as_epoch else None, path=f"c{n}") for n in numbers)
    ranking = rank(case(None, evals, checkpoint_files=files))
    on_disk = sorted(c.step for c in ranking.checkpoints if c.on_disk)
    assert on_disk == [0, 5, 10, 15, 20, 25]
    assert chosen(ranking).step == 10 and chosen(ranking).path == "c11" and ranking.best_evaluated == 11


def test_keras_evaluations_every_fifth_epoch_meet_no_checkpoint_of_the_sixth():
    evals = series("epoch_loss", [4, 9, 14, 19], [2, 1.5, 1.2, 1.3])
    files = tuple(file(None, "keras", epoch=n) for n in (1, 6, 11, 16))
    ranking = rank(case(None, evals, checkpoint_files=files))
    assert chosen(ranking).step == 14 and not chosen(ranking).on_disk


def test_epoch_files_meet_evaluations_through_the_run_s_epochs():
    evals = series("val", [100, 200, 300], [1.5, 1.0, 1.4])
    epoch = series("epoch", [50, 100, 150, 200, 250, 300], [0.5, 1, 1.5, 2, 2.5, 3])
    files = tuple(file(None, "torch", epoch=n, path=f"model_{n}.pt") for n in (1, 2, 3))
    ranking = rank(case(None, evals, epoch=epoch, checkpoint_files=files))
    assert chosen(ranking).step == 200 and chosen(ranking).path == "model_2.pt"
    from_zero = tuple(file(None, "torch", epoch=n, path=f"model_{n}.pt") for n in (0, 1, 2))
    assert chosen(rank(case(None, evals, epoch=epoch, checkpoint_files=from_zero))).path == "model_1.pt"


def test_files_without_a_step_are_said():
    evals = series("eval/loss", [10, 20], [1.5, 1.0])
    odd = (file(20), file(None, "torch", path="checkpoint-abc"))
    ranking = rank(case(None, evals, checkpoint_files=odd))
    assert any("so cannot be ranked: 1" in n and "checkpoint-abc" in n for n in notes(ranking))


def test_the_final_model_is_the_last_step_unless_the_best_was_loaded():
    evals = series("eval/loss", [10, 20, 30], [1.5, 1.0, 1.4])
    final = (file(None, "final", path="final_model"),)
    plain, _ = match_files(case(None, evals, checkpoint_files=final), evals.steps)
    assert list(plain) == [30]
    state = TrainerState("trainer_state.json", best_model_checkpoint="out/checkpoint-20")
    args = {"load_best_model_at_end": True}
    loaded = case(None, evals, checkpoint_files=final, arguments=args, trainer_state=state)
    assert list(match_files(loaded, evals.steps)[0]) == [20]
    unknown = case(None, evals, checkpoint_files=final, arguments=args)
    matched, said = match_files(unknown, evals.steps)
    assert matched == {} and "does not say of which step" in render(said[0])


def test_last_and_best_by_name():
    evals = series("val_loss", [9, 19, 29], [1.5, 1.0, 1.4])
    last = file(None, "lightning", path="checkpoints/last.ckpt")
    best = file(None, "torch", path="runs/model_best.pth")
    ranking = rank(case(None, evals, checkpoint_files=(last, best)))
    assert [(c.step, c.path) for c in ranking.checkpoints if c.on_disk] == [(29, "checkpoints/last.ckpt")]
    assert any("model_best.pth holds what the training took for its best" in n for n in notes(ranking))
    below = file(None, "torch", path="best_runs/weights.pth")
    said = notes(rank(case(None, evals, checkpoint_files=(below,))))
    assert any("name no step" in n for n in said) and not any("took for its best" in n for n in said)


# --- broken values -------------------------------------------------------------------------------------------------


def test_nan_evaluations_come_last_and_are_bad():
    evals = series("eval/loss", [10, 20, 30], [1.5, 1.2, math.nan])
    ranking = rank(case(None, evals))
    assert steps(ranking) == [20, 10, 30] and ranking.checkpoints[-1].level == "bad"


def test_a_loss_of_zero_after_a_nan_is_no_perfect_model():
    evals = series("eval/loss", [10, 20, 30], [1.5, 1.2, 0.0])
    grad = series("grad", [10, 20, 25], [1.0, 1.0, math.nan])
    assert chosen(rank(case(None, evals, grad=grad))).step == 20
    assert chosen(rank(case(None, evals))).step == 30


def test_only_nan_recommends_nothing():
    evals = series("eval/loss", [10, 20], [math.nan, math.inf])
    ranking = rank(case(None, evals))
    assert not any(c.recommended for c in ranking.checkpoints) and len(ranking.checkpoints) == 2
    assert any("no checkpoint can be recommended" in n for n in notes(ranking))


def test_without_evaluations_the_last_sound_checkpoint_is_taken_with_a_warning():
    train = series("train/loss", [10, 20, 30, 40], [2, 1.5, math.nan, math.nan])
    ranking = rank(case(train, None, checkpoint_files=tuple(file(s) for s in (10, 20, 30, 40))))
    best = chosen(ranking)
    assert (best.step, best.level, best.value) == (20, "warn", None)
    assert [c.level for c in ranking.checkpoints if c.step > 20] == ["bad", "bad"]
    assert "nothing tells which checkpoint generalises best" in notes(ranking)[0]


def test_nothing_at_all_gives_an_empty_ranking_and_says_so():
    ranking = rank(case(series("train/loss", [1, 2], [2, 1])))
    assert ranking.checkpoints == () and "no evaluation" in notes(ranking)[0]


# --- notes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "arguments", "why"),
    [
        (TrainerState("p", "o/checkpoint-10"), {"metric_for_best_model": "f1"}, "it ranked by f1"),
        (TrainerState("p", "o/checkpoint-10", 1.5, global_step=15), {}, "written at step 15"),
        (TrainerState("p", "o/checkpoint-10", 0.9, global_step=30), {}, "it saw 0.9 there"),
        (TrainerState("p", "o/checkpoint-10"), {}, "does not say"),
        (TrainerState("p", "o/checkpoint-30"), {}, "equally good within noise"),
    ],
)
def test_trainer_state_that_names_another_best_is_explained(state, arguments, why):
    evals = series("eval/loss", [10, 20, 30], [1.5, 1.0, 1.003])
    ranking = rank(case(None, evals, trainer_state=state, arguments=arguments))
    said = [n for n in notes(ranking) if "trainer_state.json names step" in n]
    assert len(said) == 1 and why in said[0]


def test_trainer_state_that_agrees_is_not_mentioned():
    evals = series("eval/loss", [10, 20, 30], [1.5, 1.0, 1.3])
    state = TrainerState("p", "C:\\out\\checkpoint-20")
    assert not any("trainer_state" in n for n in notes(rank(case(None, evals, trainer_state=state))))


def test_the_flattery_of_a_minimum_over_few_equal_evaluations_is_said():
    flat = series("eval/loss", range(10, 60, 10), [1.0, 1.004, 0.998, 1.002, 1.0])
    assert any("best of only 5 evaluations flatters" in n for n in notes(rank(case(None, flat))))
    clear = series("eval/loss", range(10, 60, 10), [3.0, 2.5, 2.0, 1.5, 1.0])
    assert not any("flatters" in n for n in notes(rank(case(None, clear))))
    one = series("eval/loss", [10], [1.0])
    assert any("only one evaluation" in n for n in notes(rank(case(None, one))))


def test_many_evaluations_are_cut_but_never_a_checkpoint():
    evals = series("eval/loss", range(1000), 1 + np.arange(1000) / 1000)
    ranking = rank(case(None, evals, checkpoint_files=(file(999), file(0))))
    assert len(ranking.checkpoints) == 201 and {c.step for c in ranking.checkpoints if c.on_disk} == {0, 999}
