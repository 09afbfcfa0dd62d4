"""INT004: a pretrained model that starts at ln(vocabulary)."""

import math

import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.untrained_start import RULE

from ..support.checks import decay, evals, found, severity, skipped, train
from ..support.phases import case

QWEN = {"vocab_size": 151_936}
CHANCE = math.log(151_936)


@pytest.mark.parametrize(("share", "fires"), [(0.89, False), (0.91, True), (1.0, True)])
def test_start_against_ln_vocabulary(share, fires):
    it = found(RULE, case(train(decay(20, share * CHANCE, 5.0, noise=0.0)), profile="llm-sft", model_config=QWEN))
    assert bool(it) is fires
    if fires:
        assert severity(RULE, it[0]) is Severity.HIGH and it[0].numbers["vocabulary"] == 151_936


def test_an_evaluation_before_the_first_step_counts():
    start = evals([11.9, 8.0, 6.0])
    early = case(train(decay(20, 4.0), interval=500), start, model_config=QWEN)
    assert found(RULE, early)[0].tags == ("eval/loss",)
    late = case(train(decay(20, 4.0), interval=50), start, model_config=QWEN)
    assert not found(RULE, late), "the first loss of all is the train loss, and that is low"


def test_training_from_scratch_is_meant_to_start_there():
    scratch = case(train(decay(20, CHANCE, 4.0)), profile="pretrain", model_config=QWEN)
    assert "pretrained" in skipped(RULE, scratch)
    lora = case(
        train(decay(20, CHANCE, 4.0, noise=0.0)), profile="pretrain", model_config=QWEN, arguments={"lora_r": 8}
    )
    assert found(RULE, lora)


def test_small_vocabularies_and_other_profiles_are_left_alone():
    assert "pretrained" in skipped(RULE, case(train(decay(20, 4.2)), model_config={"vocab_size": 65}))
    assert "vocabulary" in skipped(RULE, case(train(decay(20))))
    assert "profile" in skipped(RULE, case(train(decay(20)), profile="vision", model_config=QWEN))


def test_a_thousand_words_are_no_characters():
    start = train(decay(20, math.log(1000), 4.0, noise=0.0))
    assert "pretrained" in skipped(RULE, case(start, model_config={"vocab_size": 950}))
    assert found(RULE, case(start, model_config={"vocab_size": 1050}))
