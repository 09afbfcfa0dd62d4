"""Runs side by side: order, influence of hyper-parameters, seeds pooled, and what too few runs cannot tell."""

import itertools
import json
import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from tb_evalguide.compare import LEAST_SETTINGS, chance_of, compare, holm, interval, ordered_codes, ranks_of, spearman
from tb_evalguide.i18n import render


def entry(name, value, *, metric="eval/loss", greater=False, eval_tag="eval/loss", **hparams):
    return {
        "run": name,
        "verdict": {"label": "healthy", "level": "ok", "headline": "fine"},
        "roles": {"eval_loss": {"tag": eval_tag}},
        "best": {
            "metric": metric,
            "value": value,
            "step": 100,
            "gap": 0.1,
            "perplexity": None,
            "greater_is_better": greater,
        },
        "signals": [{"state": s} for s in ("pass", "fail", "unknown", "pass", "pass", "unknown", "pass")],
        "cost": {"active_seconds": 60.0},
        "status": {"state": "finished"},
        "hparams": hparams,
    }


def said(comparison):
    return [render(note) for note in comparison.notes]


def sweep(n, noise=0.0, seed=0):
    rng = np.random.default_rng(seed)
    rates = np.geomspace(1e-5, 1e-3, n)
    return [entry(f"r{i}", 1 + i / 10 + noise * rng.normal(), lr=float(r)) for i, r in enumerate(rates)]


# --- the table -----------------------------------------------------------------------------------------------------


def test_the_best_metric_comes_first_and_runs_without_one_last():
    made = compare([entry("a", 2.0), entry("b", 1.0), entry("c", None), entry("d", "NaN")], [])
    assert [row.run for row in made.rows] == ["b", "a", "c", "d"]
    assert [row.best for row in made.rows] == [True, False, False, False]
    assert made.rows[0].signals == "+-?++?+" and made.metric == "eval_loss"
    assert "2 of 4 runs have another metric, or none" in said(made)[0]


def test_a_loss_that_is_the_sum_of_its_parts_is_an_eval_loss():
    runs = [entry("a", 2.0), entry("b", 1.0, metric="val/box+cls_loss", eval_tag="val/box_loss")]
    runs[1]["roles"]["eval_loss"] |= {"name": "val/box+cls_loss", "parts": ["val/box_loss", "val/cls_loss"]}
    made = compare(runs, [])
    assert made.metric == "eval_loss" and [row.run for row in made.rows] == ["b", "a"]


def test_more_is_better_where_the_metric_says_so():
    runs = [entry(n, v, metric="eval/f1", greater=True) for n, v in (("a", 0.7), ("b", 0.9), ("c", 0.8))]
    made = compare(runs, [])
    assert [row.run for row in made.rows] == ["b", "c", "a"] and made.greater_is_better


def test_eval_loss_is_one_metric_whatever_its_tag_is_called():
    made = compare([entry("a", 2.0), entry("b", 1.0, metric="val_loss", eval_tag="val_loss")], [])
    assert made.metric == "eval_loss" and made.rows[0].run == "b" and not any("another metric" in s for s in said(made))


def test_the_table_is_plain_data():
    made = compare(sweep(6), ["lr"]).to_dict("en")
    again = json.loads(json.dumps(made, allow_nan=False))
    assert again["runs"][0]["hparams"] == {"lr": pytest.approx(1e-5)} and again["influences"][0]["name"] == "lr"


def test_nothing_to_compare_is_no_error():
    assert compare([], []).rows == ()
    one = compare([entry("a", 1.0)], [])
    assert len(one.rows) == 1 and one.influences == ()


# --- influence -----------------------------------------------------------------------------------------------------


def test_a_clear_influence_is_said_with_n_and_interval():
    made = compare(sweep(8), ["lr"])
    (found,) = made.influences
    assert found.sure and found.rho == pytest.approx(-1) and found.settings == 8 and found.runs == 8
    text = render(found.text)
    assert text.startswith("lower lr goes with lower eval_loss (ρ 1.00 [0.95, 1.00]") and text.endswith("8 settings)")


def test_the_direction_is_that_of_the_better_metric():
    runs = [entry(f"r{i}", 0.5 + i / 20, metric="acc", greater=True, width=2**i) for i in range(7)]
    (found,) = compare(runs, ["width"]).influences
    assert found.rho == pytest.approx(1) and render(found.text).startswith("higher width goes with higher acc")


@pytest.mark.parametrize(("n", "few"), [(LEAST_SETTINGS - 1, True), (LEAST_SETTINGS, False)])
def test_too_few_settings_are_said(n, few):
    made = compare(sweep(n), ["lr"])
    assert any("too few runs to say" in s for s in said(made)) is few
    assert bool(made.influences) is not few


def test_seeds_of_one_setting_are_pooled():
    runs = [
        entry(f"r{i}s{s}", 1 + i / 10 + s / 100, lr=float(10**-i), seed=s)
        for i, s in itertools.product(range(6), range(3))
    ]
    made = compare(runs, ["lr", "seed"])
    (found,) = made.influences
    assert (found.name, found.settings, found.runs) == ("lr", 6, 18)
    assert any("18 runs are 6 settings" in s for s in said(made))


def test_many_seeds_of_few_settings_stay_too_few():
    runs = [entry(f"r{i}", 1.0 + i % 2 + i / 1000, lr=[1e-3, 1e-4][i % 2], seed=i) for i in range(20)]
    made = compare(runs, ["lr", "seed"])
    assert made.influences == () and any("2 settings are too few" in s for s in said(made))


def test_runs_that_state_nothing_are_no_setting():
    runs = [*sweep(6), entry("x", 0.1), entry("y", 9.0)]
    made = compare(runs, ["lr"])
    assert made.influences[0].settings == 6 and made.influences[0].runs == 6
    assert "2 of 8 runs state none of these settings and are left out." in said(made)


@pytest.mark.parametrize("seed", range(3))
def test_pure_noise_is_no_influence(seed):
    rng = np.random.default_rng(seed)
    runs = [entry(f"r{i}", float(rng.normal()), a=float(rng.normal()), b=float(rng.normal())) for i in range(12)]
    made = compare(runs, ["a", "b"])
    assert len(made.influences) == 2 and not any(i.sure for i in made.influences)
    assert any("more clearly than chance" in s for s in said(made))


def test_false_influences_stay_below_the_stated_chance():
    rng = np.random.default_rng(5)
    wrong = 0
    for _ in range(60):
        runs = [entry(f"r{i}", float(rng.normal()), **{k: float(rng.normal()) for k in "abcde"}) for i in range(7)]
        wrong += any(i.sure for i in compare(runs, list("abcde")).influences)
    assert wrong <= 8  # 5 % of 60 is 3; more than 8 comes once in 200


def test_settings_changed_together_are_said():
    runs = [entry(f"r{i}", 1 + i / 10, lr=float(i), batch=2 * i) for i in range(8)]
    assert any("batch and lr were changed together" in s for s in said(compare(runs, ["lr", "batch"])))


def test_words_without_order_are_left_out_and_two_words_are_coded():
    runs = [entry(f"r{i}", 1 + i % 3, opt=["adam", "sgd", "lion"][i % 3], amp=i % 2 == 0) for i in range(9)]
    made = compare(runs, ["opt", "amp"])
    assert [i.name for i in made.influences] == ["amp"]
    assert any(s == "Not ordered, so no rank correlation: opt." for s in said(made))
    assert ordered_codes(["adam", "sgd", None]).tolist()[:2] == [0.0, 1.0]
    assert ordered_codes(["2e-5", 1e-4, None])[0] == pytest.approx(2e-5)
    assert ordered_codes(["a", "b", "c"]) is None


# --- the statistics beside scipy -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_spearman_is_scipy_s(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 40))
    x, y = rng.integers(0, 6, n).astype(float), rng.normal(size=n)
    assert ranks_of(x).tolist() == scipy_stats.rankdata(x).tolist()
    if len(set(x)) > 1:
        assert spearman(x, y) == pytest.approx(scipy_stats.spearmanr(x, y).statistic)
    else:
        assert math.isnan(spearman(x, y))


def test_holm_is_that_of_statsmodels():
    from statsmodels.stats.multitest import multipletests

    for seed in range(10):
        p = np.random.default_rng(seed).uniform(0, 0.2, 7)
        assert holm(p.tolist()) == pytest.approx(multipletests(p, method="holm")[1].tolist())
    assert holm([]) == []


def test_the_chance_of_an_order_is_counted():
    x = np.arange(5.0)
    assert chance_of(x, x) == pytest.approx(2 / math.factorial(5))
    y = np.random.default_rng(1).normal(size=12)
    drawn = chance_of(np.arange(12.0), y)
    assert drawn == pytest.approx(scipy_stats.spearmanr(np.arange(12), y).pvalue, abs=0.05)
    assert chance_of(np.arange(12.0), y) == drawn


@pytest.mark.parametrize("n", [5, 8, 20, 100])
def test_the_interval_holds_rho_and_narrows_with_n(n):
    for rho in (-1.0, -0.5, 0.0, 0.5, 1.0):
        low, high = interval(rho, n)
        assert -1 <= low < high <= 1
        assert low <= rho <= high or abs(rho) == 1
    assert interval(0.5, n)[1] - interval(0.5, n)[0] > interval(0.5, n + 10)[1] - interval(0.5, n + 10)[0]


def test_the_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    true = 6 / math.pi * math.asin(0.6 / 2)  # Spearman's ρ of a bivariate normal with r = 0.6
    hits = 0
    for _ in range(400):
        x = rng.normal(size=20)
        y = 0.6 * x + 0.8 * rng.normal(size=20)
        low, high = interval(spearman(x, y), 20)
        hits += low <= true <= high
    assert 0.90 <= hits / 400 <= 0.99
