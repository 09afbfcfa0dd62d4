"""What every rule must have: documentation, sourced limits, messages that can be filled, remedies, its own tests."""

import ast
import dataclasses
import importlib
import inspect
import re
import string
from pathlib import Path

import pytest

from tb_evalguide import remedies
from tb_evalguide.explain import HEADINGS, page, sections
from tb_evalguide.model import Remedy, Role, Severity, Tier
from tb_evalguide.profiles import PROFILES
from tb_evalguide.rules import RULES

HERE = Path(__file__).parent
PACKAGE = Path(inspect.getfile(importlib.import_module("tb_evalguide.rules"))).parent
LABELS = {
    *("healthy", "insufficient_data", "overfitting", "underfitting", "lr_too_high", "lr_too_low", "divergence", "nan"),
    *("spike", "oscillation", "exploding_gradients", "vanishing_gradients", "plateau", "lr_schedule", "resume_jump"),
    *("stalled", "out_of_memory", "slow", "data_integrity"),
}
FAULT_KINDS = {"out_of_memory", "cuda", "nccl", "disk_full", "python", "killed"}  # of LogFault: chosen by what was read
GUIDE_ID = re.compile(r"M[1-8]|C1|C2|C3|C4a|C4b|P[1-4]|K[1-5]|L[1-5]|V[1-4]|S[1-3]|Z[1-7]")
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")

every_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)


def module_of(rule):
    return inspect.getmodule(rule.check)


def messages(rule):
    return {"": rule.message, **rule.variants}


def test_every_file_holds_a_rule_that_is_registered():
    assert [importlib.import_module(f"tb_evalguide.rules.{name}").RULE.id for name in MODULES]
    registered = {module_of(rule).__name__.rpartition(".")[2] for rule in RULES}
    assert registered == set(MODULES) and len(RULES) == len(MODULES)


def test_ids_and_titles_are_unique():
    assert len({rule.id for rule in RULES}) == len({rule.title for rule in RULES}) == len(RULES)


@every_rule
def test_documentation_has_its_four_parts(rule):
    parts = sections(rule.doc)
    assert list(parts) == ["title", *HEADINGS]
    assert len(parts["title"]) < 90
    for name in HEADINGS:
        assert parts[name].rstrip().endswith((".", ")", ":", "```")), (name, parts[name][-40:])
        assert len(parts[name]) > 30
    assert rule.doc == module_of(rule).__doc__


@every_rule
def test_every_limit_says_where_it_comes_from(rule):
    if rule.limits is None:
        return
    assert dataclasses.is_dataclass(rule.limits) and type(rule.limits).__dataclass_params__.frozen
    for limit in page(rule, limits=True).limits:
        assert len(limit.source) > 8, f"{rule.id}.{limit.name} has no source beside it"
        assert isinstance(limit.value, (bool, int, float, str))
    used = inspect.getsource(module_of(rule))
    for field in dataclasses.fields(rule.limits):
        assert f".{field.name}" in used, f"{rule.id}.{field.name} is never used"


@every_rule
def test_labels_families_guide_ids_and_profiles_exist(rule):
    assert re.fullmatch(r"[A-Z]{3}\d{3}", rule.id)
    assert rule.label in LABELS
    assert isinstance(rule.severity, Severity) and isinstance(rule.tier, Tier)
    assert all(GUIDE_ID.fullmatch(id_) for id_ in rule.guide)
    assert {*rule.profiles, *rule.not_in} <= set(PROFILES)
    assert all(isinstance(need.role, Role) and need.points >= 1 for need in rule.needs)


@every_rule
def test_labels_that_evidence_may_carry_exist(rule):
    tree = ast.parse(inspect.getsource(module_of(rule)))
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in ("label", "rival"):
            for value in ast.walk(node.value):
                if isinstance(value, ast.Constant) and isinstance(value.value, str) and node.arg == "label":
                    assert value.value in LABELS | {""}, value.value


@every_rule
def test_placeholders_are_filled_by_the_rule_s_own_evidence(rule):
    """Each is a plain name that the module gives as a key of `numbers` or `words` (or first and last)."""
    tree = ast.parse(inspect.getsource(module_of(rule)))
    keys = {
        key.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }
    for variant, message in messages(rule).items():
        names = {name for _, name, _, _ in string.Formatter().parse(message) if name is not None}
        assert all(name.isidentifier() for name in names), message
        assert names <= keys | {"first", "last"}, (variant, names - keys)


@every_rule
def test_every_variant_is_chosen_somewhere(rule):
    tree = ast.parse(inspect.getsource(module_of(rule)))
    used = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    for variant in set(rule.variants) - FAULT_KINDS:
        assert used.count(variant) >= 2, f"{rule.id}: variant {variant!r} is written down but never chosen"


@every_rule
def test_messages_are_sentences(rule):
    for message in messages(rule).values():
        assert message[0].isupper() or message[0] == "{", message
        assert message.endswith((".", "{quote}")), message
        assert len(message) < 220 and "\n" not in message and "<" not in message


@every_rule
def test_remedies_come_from_the_catalogue(rule):
    own = [value for value in vars(module_of(rule)).values() if isinstance(value, Remedy)]
    known = [*remedies.catalogue().values(), *own]
    assert rule.remedies and all(remedy in known for remedy in rule.remedies)
    assert len(rule.remedies) == len(set(map(id, rule.remedies)))


@pytest.mark.parametrize("name", MODULES)
def test_every_rule_has_its_own_tests(name):
    assert (HERE / f"test_{name}.py").exists()


def numbers_of(module):
    """Names of all evidence numbers that a rule's source gives, whether in place or gathered in `numbers` before."""
    found = set()
    for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))):
        given = node.value if isinstance(node, ast.keyword) and node.arg == "numbers" else None
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "numbers" for t in node.targets):
            given = node.value
        for part in ast.walk(given) if given is not None else ():
            if isinstance(part, ast.Dict):
                found |= {key.value for key in part.keys if isinstance(key, ast.Constant)}
    return found


def test_every_number_of_every_rule_has_a_label_on_the_page():
    source = (PACKAGE.parent.parent / "frontend" / "src" / "i18n.ts").read_text(encoding="utf-8")
    labels = set(re.findall(r"'evidence\.(\w+)'", source))
    used = set().union(*(numbers_of(module) for module in MODULES))
    assert len(used) > 60 and used == labels
