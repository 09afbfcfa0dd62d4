"""The plain YAML of hparams.yaml and args.yaml against PyYAML, and files that are something else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tb_evalguide.sources.hparams_yaml import parse_flat, read_flat


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            found.update(flat(value, f"{prefix}{key}."))
        elif not isinstance(value, list):
            found[prefix + key] = value
    return found


names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name not in ("y", "n", "yes", "no", "on", "off", "true", "false", "null")
)
words = st.from_regex(r"[A-Za-z][A-Za-z0-9_./=+ -]{0,20}[A-Za-z0-9]", fullmatch=True)
scalars = st.one_of(
    st.integers(-(10**12), 10**12), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none(), words
)
trees = st.recursive(
    st.dictionaries(names, scalars, min_size=1, max_size=4),
    lambda inner: st.dictionaries(
        names, st.one_of(scalars, inner, st.lists(scalars, min_size=1, max_size=3)), min_size=1, max_size=4
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "word", ["no", "No", "NO", "nO", "True", "tRUE", "Null", "nULL", ".NaN", ".nAN", "-.Inf", "-.iNF"]
)
def test_words_as_pyyaml_spells_them(word: str) -> None:
    yaml = pytest.importorskip("yaml")
    text = f"a: {word}\n"
    assert repr(parse_flat(text)["a"]) == repr(yaml.safe_load(text)["a"])


@settings(max_examples=200, deadline=None)
@given(trees)
def test_the_same_as_pyyaml(tree: dict[str, Any]) -> None:
    yaml = pytest.importorskip("yaml")
    text = yaml.safe_dump(tree, width=1000)
    assert parse_flat(text) == flat(yaml.safe_load(text))


def test_lightning_and_yolo() -> None:
    text = """\
# written by Lightning
lr: 0.001
batch_size: 32
name: 'two words'
model:
  width: 64
  layers:
  - 1
  - 2
  opt:
    beta: 0.9
config: !!python/object:argparse.Namespace
  secret: 3
  deep:
    x: 1
scheduler: {type: cosine}
device: cuda:0
url: http://x/y#z
flag: true
nothing: null
empty:
momentum: 1e-3
last: .inf
"""
    assert parse_flat(text) == {
        "lr": 0.001,
        "batch_size": 32,
        "name": "two words",
        "model.width": 64,
        "model.opt.beta": 0.9,
        "device": "cuda:0",
        "url": "http://x/y#z",
        "flag": True,
        "nothing": None,
        "momentum": 0.001,
        "last": float("inf"),
    }


@pytest.mark.parametrize(
    "text", ["", "- a\n- b\n", "\x00\x01", "{", "a: &x\n  <<: *y\n", "just words", ":\n::\n", "\t\ttabs: 1"]
)
def test_other_texts_state_nothing_and_break_nothing(text: str) -> None:
    assert set(parse_flat(text)) <= {"tabs"}


@given(st.text())
def test_any_text_is_survived(text: str) -> None:
    assert isinstance(parse_flat(text), dict)


def test_a_missing_file_states_nothing(tmp_path: Path) -> None:
    assert read_flat(str(tmp_path / "gone.yaml")) == {}
