"""The Korean catalogue: every message is there, complete, with the same values, and reads as Korean."""

from __future__ import annotations

import importlib.util
import inspect
import re
import string
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tb_evalguide import i18n
from tb_evalguide.model import Rule, Text
from tb_evalguide.rules import RULES

ROOT = Path(__file__).resolve().parent.parent


def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("messages", ROOT / "tools" / "messages.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["messages"] = module
    spec.loader.exec_module(module)
    return module


messages = _tool()
TEMPLATE = messages.extract()
KOREAN = {message.id: message.string for message in messages.read_korean() if message.id}
ENGLISH = sorted(str(message.id) for message in TEMPLATE if message.id)


def fields(template: str) -> dict[str, set[str]]:
    """{placeholder: its format specs}"""
    found: dict[str, set[str]] = {}
    for _, name, spec, _ in string.Formatter().parse(template):
        if name is not None:
            found.setdefault(name, set()).add(spec or "")
    return found


def test_the_catalogue_is_that_of_the_source() -> None:
    """`python tools/messages.py update` has been run after the last change of a message."""
    assert sorted(KOREAN) == ENGLISH
    committed = messages.TEMPLATE.read_text(encoding="utf-8")
    assert all(f"#: {place}" in committed for message in TEMPLATE if message.id for place, _ in message.locations)


def test_everything_is_translated() -> None:
    missing = [english for english in ENGLISH if not KOREAN.get(english)]
    assert not missing, f"{len(missing)} messages without Korean, the first: {missing[:3]}"


def test_translations_name_the_same_values_with_the_same_formats() -> None:
    wrong = {english: korean for english, korean in KOREAN.items() if korean and fields(english) != fields(korean)}
    assert not wrong


ENGLISH_WORDS = r"[a-z]{4,} [a-z]{2,} [a-z]{3,}"


def test_translations_are_korean() -> None:
    wrong = [
        (english, korean)
        for english, korean in KOREAN.items()
        if korean
        and re.search(r"[a-z]{4,} [a-z]{2,} [a-z]{3,}", prose_english(english))
        and not re.search("[가-힣]", korean)
    ]
    assert not wrong


def prose_english(text: str) -> str:
    return re.sub(r"\{[^{}]*\}|`[^`]*`|\b\w*_\w*\b", "", text)


def test_sentences_end_as_polite_korean_sentences_do() -> None:
    """Where the English is a sentence with its full stop, the Korean is one too: -니다, -십시오 or -오."""
    wrong = [
        (english, korean)
        for english, korean in KOREAN.items()
        if korean
        and english.endswith(".")
        and not english.endswith("…")
        and len(english.split()) > 3
        and not re.search(r"(니다|십시오|까|[가-힣}\])%]): [^:]*\.$|(니다|십시오)\.$|[)\]}]\.$", korean)
    ]
    assert not wrong


def test_no_particle_depends_on_a_value() -> None:
    """이/가, 을/를, 은/는, 와/과, (으)로 depend on the last sound of the word before, which a value does not tell."""
    particle = re.compile(r"\{[a-z_0-9]+(?::[^{}]*[^{}%])?\}(을|를|은|는|이|가|와|과|으로|로)(?=[\s.,]|$)")
    wrong = [(korean, particle.findall(korean)) for korean in KOREAN.values() if korean and particle.search(korean)]
    assert not wrong


def test_the_words_of_the_field_are_used_alike() -> None:
    """One word for one thing, as the Korean guide and Korean ML engineers use them."""
    shunned = {
        "학습율": "학습률",
        "검정 손실": "검증 손실",
        "훈련 손실": "학습 손실",
        "오버피팅": "과적합",
        "언더피팅": "과소적합",
        "체크 포인트": "체크포인트",
        "에포크": "에폭",
        "러닝 레이트": "학습률",
        "배치 사이즈": "배치 크기",
        "구배": "gradient",
        "그래디언트": "gradient",
        "해요.": "합니다.",
        "당신": "",
    }
    wrong = [
        (korean, bad, good) for korean in KOREAN.values() for bad, good in shunned.items() if korean and bad in korean
    ]
    assert not wrong


def test_guarded_terms_follow_the_english() -> None:
    terms = {"learning rate": "학습률", "eval loss": "검증 손실", "train loss": "학습 손실", "checkpoint": "체크포인트"}
    wrong = []
    for english, korean in KOREAN.items():
        # neither code nor options nor names of settings
        plain = re.sub(r"`[^`]*`|--\w+|\b[\w-]*[_-][\w-]*\b", "", english.casefold())
        for term, word in terms.items():
            if korean and re.search(rf"\b{term}s?\b", plain) and word not in korean:
                wrong.append((english, korean, word))
    assert not wrong


def rule_messages(rule: Rule) -> Iterator[str]:
    from tb_evalguide.explain import limit_comments, sections

    yield from sections(rule.doc).values()
    yield rule.message
    yield from rule.variants.values()
    if rule.limits is not None:
        yield from limit_comments(inspect.getsource(type(rule.limits))).values()
    for remedy in rule.remedies:
        yield remedy.text
        if remedy.already:
            yield remedy.already


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_says_nothing_that_the_catalogue_lacks(rule: Rule) -> None:
    """Held on the live rules, so that a message built in a way the extractor does not see cannot slip through."""
    assert [text for text in rule_messages(rule) if text and text not in KOREAN] == []


def test_messages_are_plain_templates() -> None:
    for english in ENGLISH:
        for name in fields(english):
            assert name.isidentifier(), english


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The catalogue compiled from the .po of this tree, wherever the package was installed from."""
    folder = tmp_path_factory.mktemp("locale")
    target = folder / "ko" / "LC_MESSAGES"
    target.mkdir(parents=True)
    po = target / messages.KOREAN.name
    po.write_bytes(messages.KOREAN.read_bytes())
    messages.compile_catalogue(po)
    before = i18n.LOCALE_DIR
    i18n.LOCALE_DIR = folder
    i18n._catalogue.cache_clear()
    yield
    i18n.LOCALE_DIR = before
    i18n._catalogue.cache_clear()


def test_a_text_is_rendered_in_both_languages(compiled: None) -> None:
    nested = Text("no {role} in the log", {"role": Text("learning rate")})
    assert i18n.render(nested, "en") == "no learning rate in the log"
    assert i18n.render(nested, "ko") == "로그에 없음: 학습률"


def test_every_korean_template_can_be_filled_in(compiled: None) -> None:
    """Each placeholder takes what the English one takes: a number, a count or a word."""

    class Anything(float):
        def __format__(self, spec: str) -> str:
            return "값" if not spec else (format(7, spec) if spec.endswith("d") else float.__format__(self, spec))

    for english in ENGLISH:
        values: dict[str, Any] = {name: Anything(7) for name in fields(english)}
        made = i18n.render(Text(english, values), "ko")
        assert "{" not in made.replace("{}", "") or "{" in english


@pytest.mark.parametrize(
    ("environ", "lang"),
    [
        ({"LANG": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "en_US.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LC_ALL": "ko", "LANG": "en_US"}, "ko"),
        ({"LANGUAGE": "ko:en", "LANG": "C"}, "ko"),
        ({"LANG": "C"}, "en"),
        ({}, "en"),
    ],
)
def test_the_language_of_the_surroundings(environ: dict[str, str], lang: str) -> None:
    assert i18n.preferred_language(environ) == lang


@pytest.mark.parametrize(("spec", "value", "text"), [
    (".3g", 1789.4, "1,790"),
    (".3g", 999.4, "999"),
    (".2g", 119.0, "120"),
    (".4g", 9876.4, "9,876"),
    (".4g", 12345.0, "12,340"),
    ("g", 1234.5, "1234.5"),
    ("g", 2000, "2,000"),
    ("+.3g", 1789.4, "+1,790"),
    ("+.3g", -45678.0, "-45,700"),
    (".3g", 999_400.0, "999,000"),
    (".3g", 1e6, "1e+06"),
    (".3g", 2.5e-5, "2.5e-05"),
    (".2g", 2e-5, "2e-05"),
    ("+.2g", -1e-6, "-1e-06"),
    (".2g", 0.0, "0"),
    (".3g", float("nan"), "nan"),
    (".3g", float("inf"), "inf"),
    (".0f", 1789.4, "1789"),
])  # fmt: skip
def test_large_numbers_are_written_out(spec: str, value: float, text: str) -> None:
    assert i18n.render(Text("{v:" + spec + "}", {"v": value})) == text


def test_the_tool_sees_every_way_to_write_a_message(tmp_path: Path) -> None:
    source = tmp_path / "module.py"
    source.write_text(
        'a = N_("one" " and more")\n'
        'b = Text("two {x}", {"x": Text(N_("three"))})\n'
        'c = Remedy("four", already=N_("five"))\n'
        'd = Rule(id="X", message="six", variants={"v": "seven"})\n'
        'e = N_("eight" if a else "nine")\n'
    )
    found = [message for message, _ in messages.messages_of(source)]
    assert sorted(set(found)) == ["eight", "five", "four", "nine", "one and more", "seven", "six", "three", "two {x}"]
    source.write_text('x = 1\na = N_(f"value {x}")\n')
    with pytest.raises(SystemExit, match="line 2"):
        list(messages.messages_of(source))
