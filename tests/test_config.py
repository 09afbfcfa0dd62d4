"""The configuration: where it is found, what it may say, what wins, and where each value came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tb_evalguide.config import COMMAND_LINE, DEFAULT, Config, limits_of, load_config, settings, validate_limits
from tb_evalguide.errors import BadConfig
from tb_evalguide.model import Evidence, Rule, Severity, Tier
from tb_evalguide.profiles import PROFILES


@dataclass(frozen=True)
class Limits:
    rise: float = 4.0
    points: int = 5
    strict: bool = True


def rule(id_: str, limits: object | None = None) -> Rule:
    def check(case: object, limits: object) -> Sequence[Evidence]:
        return ()

    return Rule(
        id=id_,
        label="spike",
        severity=Severity.HIGH,
        tier=Tier.INSTABILITY,
        doc="d",
        check=check,
        message="m",
        limits=limits,
    )


RULES = (rule("OVF001", Limits()), rule("SPK001", Limits()), rule("SPK002"))

FULL = """
profile = "llm-sft"
lang = "ko"
metric = "eval/f1"
greater_is_better = true
rules_off = ["SPK"]

[roles]
train_loss = "my/loss"

[limits.OVF001]
rise = 6
points = 7

[runs."base*"]
profile = "vision"
rules_off = ["OVF001"]

[runs."base*".roles]
eval_loss = "dev/*"

[runs."*_big".limits.OVF001]
rise = 8.5
"""


def write(folder: Path, text: str, name: str = "evalguide.toml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def complaint(here: Path, text: str) -> str:
    write(here / "logs", text)
    with pytest.raises(BadConfig) as caught:
        validate_limits(load_config("logs"), RULES)
    return str(caught.value)


# --- where it is found ---------------------------------------------------------------------------------------------


def test_no_file_gives_the_defaults(here: Path) -> None:
    assert load_config("logs") == Config()
    assert load_config(None) == Config()
    assert load_config("s3://bucket/logs") == Config()


@pytest.mark.parametrize("place", ["logs/run", "logs", "."])
def test_beside_the_logs_up_to_the_working_directory(here: Path, place: str) -> None:
    (here / "logs/run").mkdir(parents=True)
    write(here / place, 'profile = "vision"')
    assert load_config("logs/run").profile == "vision"
    assert load_config(here / "logs" / "run").profile == "vision"


def test_parents_are_not_searched_where_the_logs_lie_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing above a foreign log folder may decide how it is judged; the working directory may."""
    (tmp_path / "work").mkdir()
    (tmp_path / "other/logs").mkdir(parents=True)
    write(tmp_path / "other", 'profile = "vision"')
    monkeypatch.chdir(tmp_path / "work")
    assert load_config("../other/logs").profile is None
    write(tmp_path / "work", 'profile = "rl"')
    assert load_config("../other/logs").profile == "rl"


def test_the_nearest_file_is_read_alone(here: Path) -> None:
    write(here, 'profile = "rl"\nlang = "ko"')
    write(here / "logs", 'profile = "vision"')
    config = load_config("logs")
    assert (config.profile, config.lang) == ("vision", None)


def test_pyproject_counts_only_with_its_table(here: Path) -> None:
    write(here / "logs", "[tool.other]\na = 1", "pyproject.toml")
    write(here, '[tool.tb-evalguide]\nprofile = "vision"', "pyproject.toml")
    assert load_config("logs").profile == "vision"


def test_own_file_before_pyproject(here: Path) -> None:
    write(here, '[tool.tb-evalguide]\nprofile = "vision"', "pyproject.toml")
    write(here, 'profile = "rl"')
    assert load_config("logs").profile == "rl"


def test_explicit_file(here: Path) -> None:
    write(here, 'profile = "rl"')
    assert load_config("logs", write(here / "x", 'profile = "vision"', "mine.toml")).profile == "vision"
    with pytest.raises(BadConfig, match="cannot be read"):
        load_config("logs", here / "nowhere.toml")
    with pytest.raises(BadConfig, match="no table"):
        load_config("logs", write(here / "y", "[tool.x]", "pyproject.toml"))


# --- what it may say -----------------------------------------------------------------------------------------------


def test_all_settings(here: Path) -> None:
    write(here / "logs", FULL)
    config = load_config("logs")
    validate_limits(config, RULES)
    assert (config.profile, config.lang, config.metric, config.greater_is_better) == ("llm-sft", "ko", "eval/f1", True)
    assert config.roles == {"train_loss": "my/loss"}
    assert config.limits == {"OVF001": {"rise": 6, "points": 7}}
    assert not config.is_on("SPK002") and config.is_on("OVF001")


def test_limits_are_put_into_the_rule(here: Path) -> None:
    write(here / "logs", FULL)
    limits = limits_of(RULES[0], load_config("logs"))
    assert limits == Limits(rise=6.0, points=7)
    assert isinstance(limits.rise, float)
    assert limits_of(RULES[1], load_config("logs")) == Limits()
    assert limits_of(RULES[2], load_config("logs")) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('profil = "guide"', ("unknown key profil", "profile")),
        ('profile = "guid"', ("unknown profile guid", "guide")),
        ("profile = 3", ("profile must be a string",)),
        ('lang = "kr"', ("unknown language kr", "ko")),
        ('greater_is_better = "yes"', ("greater_is_better must be true or false",)),
        ('rules_off = "SPK001"', ("rules_off must be a list",)),
        ('rules_off = ["SKP001"]', ("unknown rule SKP001", "SPK001")),
        ('[roles]\ntrainloss = "a"', ("unknown role trainloss", "train_loss")),
        ("[roles]\ntrain_loss = 1", ("roles.train_loss must be a tag",)),
        ("roles = 1", ("roles must be a table",)),
        ("[limits.OVF01]\nrise = 1", ("unknown rule OVF01", "OVF001")),
        ("[limits.ovf001]\nrise = 1", ("unknown rule ovf001", "OVF001")),
        ("[limits.OVF001]\nraise = 1", ("rule OVF001 has no limit raise", "rise")),
        ('[limits.OVF001]\nrise = "a"', ("limits.OVF001.rise must be a number",)),
        ("[limits.OVF001]\nrise = true", ("must be a number",)),
        ("[limits.OVF001]\nrise = nan", ("must be a number",)),
        ("[limits.OVF001]\npoints = 1.5", ("must be a whole number",)),
        ("[limits.OVF001]\nstrict = 1", ("must be true or false",)),
        ("[limits.SPK002]\nrise = 1", ("rule SPK002 has no limit rise",)),
        ("[limits]\nOVF001 = 1", ("limits.OVF001 must be a table",)),
        ('[runs."a*"]\nlang = "ko"', ("unknown key lang", "a*")),
        ('[runs."a*"]\nprofile = "x"', ("unknown profile x", "a*")),
        ('[runs."a*".limits.OVF001]\nrize = 1', ("no limit rize", "rise", "a*")),
        ("[runs]\na = 1", ("runs.a must be a table",)),
        ("runs = 1", ("runs must be a table",)),
        ("a = ", ("not valid TOML",)),
    ],
)
def test_mistakes_are_named_with_the_nearest_name(here: Path, text: str, words: Sequence[str]) -> None:
    message = complaint(here, text)
    assert "evalguide.toml" in message
    for word in words:
        assert word in message


def test_what_is_near_nothing_lists_the_valid_names(here: Path) -> None:
    assert "classification" in complaint(here, 'profile = "qqqqqq"')


def test_bytes_that_are_no_text(here: Path) -> None:
    (here / "evalguide.toml").write_bytes(b"profile = '\xff'")
    with pytest.raises(BadConfig, match="not valid TOML"):
        load_config("logs")


# --- what wins -----------------------------------------------------------------------------------------------------


def test_sections_by_run_name(here: Path) -> None:
    write(here / "logs", FULL)
    config = load_config("logs")
    base = config.for_run("base_1")
    assert base.profile == "vision"
    assert base.roles == {"train_loss": "my/loss", "eval_loss": "dev/*"}
    assert base.limits == {"OVF001": {"rise": 6, "points": 7}}
    assert not base.is_on("OVF001") and not base.is_on("SPK001")
    assert config.for_run("other") == config
    assert config.for_run("other", "base_2").profile == "vision"
    assert config.for_run("base_big").limits["OVF001"] == {"rise": 8.5, "points": 7}


def test_the_command_line_wins_over_all(here: Path) -> None:
    write(here / "logs", FULL)
    config = load_config("logs").with_command_line(
        profile="guide", roles={"eval_loss": "x"}, ignore=["OVF"], greater_is_better=False
    )
    mine = config.for_run("base_1")
    assert (mine.profile, mine.lang, mine.greater_is_better) == ("guide", "ko", False)
    assert mine.roles == {"train_loss": "my/loss", "eval_loss": "x"}
    assert not mine.is_on("OVF001") and not mine.is_on("SPK001")
    assert mine.origin("profile") == COMMAND_LINE


def test_selecting_rules() -> None:
    config = Config().with_command_line(select=["SPK"], ignore=["SPK002"])
    assert [config.is_on(r.id) for r in RULES] == [False, True, False]


def test_automatic_profile_on_the_command_line_undoes_the_file(here: Path) -> None:
    write(here / "logs", 'profile = "vision"')
    assert load_config("logs").with_command_line(profile="auto").profile is None


@pytest.mark.parametrize("bad", [{"profile": "nope"}, {"roles": {"nope": "a"}}, {"lang": "xx"}])
def test_the_command_line_is_checked_too(bad: dict[str, object]) -> None:
    with pytest.raises(BadConfig, match="command line"):
        Config().with_command_line(**bad)  # type: ignore[arg-type]


# --- where each value came from ------------------------------------------------------------------------------------


def test_every_value_has_its_origin(here: Path) -> None:
    path = write(here / "logs", FULL)
    config = load_config("logs").with_command_line(lang="en")
    shown = {(s.key, s.run): (s.value, s.origin) for s in settings(config, RULES)}
    assert shown["profile", None] == ("llm-sft", str(path))
    assert shown["lang", None] == ("en", COMMAND_LINE)
    assert shown["limits.OVF001.rise", None] == (6.0, str(path))
    assert shown["limits.OVF001.strict", None] == (True, DEFAULT)
    assert shown["limits.SPK001.rise", None] == (4.0, DEFAULT)
    assert shown["roles.train_loss", None] == ("my/loss", str(path))
    assert shown["profile", "base*"][0] == "vision" and "base*" in shown["profile", "base*"][1]
    assert shown["limits.OVF001.rise", "*_big"][0] == 8.5


def test_a_section_is_the_origin_of_what_it_sets(here: Path) -> None:
    write(here / "logs", FULL)
    config = load_config("logs").for_run("base_1")
    assert "base*" in config.origin("profile")
    assert "base*" not in config.origin("metric")
    assert config.origin("rules_only") == DEFAULT


# --- the pages ------------------------------------------------------------------------------------------------------

DOCS = Path(__file__).resolve().parent.parent / "docs"


def test_the_example_of_the_page_is_valid(here: Path) -> None:
    """Every key, role, rule and limit in docs/configuration.md exists."""
    from tb_evalguide.rules import RULES as ALL

    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    example = text.split("```toml\n")[1].split("```")[0]
    config = load_config(None, write(here, example))
    validate_limits(config, ALL)
    assert set(config.origins) >= {"profile", "lang", "metric", "greater_is_better", "rules_off", "roles.train_loss"}
    assert config.for_run("baseline/1").limits["OVF001"]["rise"] != config.limits["OVF001"]["rise"]


def test_the_page_names_every_profile() -> None:
    text = (DOCS / "profiles.md").read_text(encoding="utf-8")
    configuration = (DOCS / "configuration.md").read_text(encoding="utf-8")
    for name in PROFILES:
        assert f"| `{name}` |" in text and name in configuration


@pytest.mark.parametrize(
    ("text", "words"),
    [("[tool]\ntb-evalguide = 1", "tool.tb-evalguide must be a table"), ("tool = 1", None)],
)
def test_a_pyproject_of_another_shape(here: Path, text: str, words: str | None) -> None:
    write(here, text, "pyproject.toml")
    if words is None:
        assert load_config("logs") == Config()
    else:
        with pytest.raises(BadConfig, match=words):
            load_config("logs")


def test_a_log_file_has_its_folder_s_configuration(here: Path) -> None:
    write(here / "logs", 'profile = "vision"')
    log = write(here / "logs", "", "events.out.tfevents.1")
    assert load_config(log).profile == "vision"
