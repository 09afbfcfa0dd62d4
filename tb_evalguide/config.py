"""What the user set (`evalguide.toml`, `[tool.tb-evalguide]`, command line), and where each value is from."""

from __future__ import annotations

import dataclasses
import difflib
import fnmatch
import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tb_evalguide.errors import BadConfig
from tb_evalguide.i18n import LANGUAGES, N_
from tb_evalguide.model import Role, Rule, Text
from tb_evalguide.profiles import PROFILES

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - the other branch runs in CI
    import tomli as tomllib

FILE_NAME = "evalguide.toml"
PROJECT_FILE = "pyproject.toml"
TABLE = "tb-evalguide"
DEFAULT = "default"
COMMAND_LINE = "command line"
KEYS = ("profile", "lang", "metric", "greater_is_better", "rules_off", "rules_only", "roles", "limits", "runs")
SECTION_KEYS = tuple(key for key in KEYS if key not in ("runs", "lang"))  # a language per run would mean nothing


@dataclass(frozen=True)
class Section:
    """Settings for the runs whose name matches a glob. settings: {dotted key: value}."""

    pattern: str
    settings: Mapping[str, Any]
    origin: str


@dataclass(frozen=True)
class Config:
    """What is in force.

    limits: {rule id: {limit name: value}}. origins: {dotted key: where it was set}; a key that is absent is a default.
    """

    profile: str | None = None  # None: chosen from the log
    lang: str | None = None  # None: from the locale
    metric: str | None = None  # tag that checkpoints are ranked by
    greater_is_better: bool | None = None
    roles: Mapping[str, str] = field(default_factory=dict)  # {role: tag, glob or run:tag}
    limits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    rules_off: tuple[str, ...] = ()  # rule ids or prefixes of them
    rules_only: tuple[str, ...] = ()  # empty: all
    sections: tuple[Section, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)
    path: str | None = None  # the file that was read

    def is_on(self, rule_id: str) -> bool:
        """Whether a rule is to be run: named by rules_only (when there is one) and not by rules_off; prefixes count."""
        if self.rules_only and not rule_id.startswith(self.rules_only):
            return False
        return not (self.rules_off and rule_id.startswith(self.rules_off))

    def origin(self, key: str) -> str:
        return self.origins.get(key, DEFAULT)

    def for_run(self, *names: str) -> Config:
        """The configuration of one run: sections whose pattern matches one of its names, in file order.

        The command line wins over every section.
        """
        config = self
        for section in self.sections:
            if any(fnmatch.fnmatchcase(name, section.pattern) for name in names):
                mine = {k: v for k, v in section.settings.items() if k in ADDITIVE or config.origin(k) != COMMAND_LINE}
                config = _put(config, mine, section.origin)
        return config

    def with_command_line(
        self,
        *,
        profile: str | None = None,
        lang: str | None = None,
        metric: str | None = None,
        greater_is_better: bool | None = None,
        roles: Mapping[str, str] | None = None,
        ignore: Iterable[str] = (),
        select: Iterable[str] = (),
    ) -> Config:
        """The same with the options of the command line on top; what is None or empty leaves the file's value."""
        given: dict[str, Any] = {
            "profile": profile,
            "lang": lang,
            "metric": metric,
            "greater_is_better": greater_is_better,
            "roles": dict(roles) if roles else None,
            "rules_off": list(ignore) or None,
            "rules_only": list(select) or None,
        }
        table = {key: value for key, value in given.items() if value is not None}
        return _put(self, _checked(table, COMMAND_LINE, KEYS), COMMAND_LINE)


ADDITIVE = ("rules_off",)  # switching a rule off in one place is not taken back in another


def load_config(logdir: str | Path | None, explicit: str | Path | None = None) -> Config:
    """The configuration file that applies to a log folder, or the defaults.

    `explicit` names the file. Else the first found: in the log folder, in its parents up to the working directory
    when it lies below that, in the working directory; in each folder `evalguide.toml` before `pyproject.toml`.
    """
    if explicit is not None:
        path = Path(explicit)
        table = _tool_table(path) if path.name == PROJECT_FILE else _read_toml(path)
        if table is None:
            raise BadConfig(path=str(path), reason=Text(N_("it has no table [tool.tb-evalguide]")))
        return _from_table(table, str(path))
    for folder in _folders(logdir):
        own = folder / FILE_NAME
        # not Path.is_file, which raises for a folder that may not be entered: that is the reader's to report
        if os.path.isfile(own):
            return _from_table(_read_toml(own), str(own))
        project = folder / PROJECT_FILE
        if os.path.isfile(project):
            table = _tool_table(project)
            if table is not None:
                return _from_table(table, str(project))
    return Config()


def validate_limits(config: Config, rules: Iterable[Rule]) -> None:
    """Raises BadConfig where a rule id, a limit's name or the type of a limit is not one of the rules'."""
    known = {rule.id: rule for rule in rules}
    for origin, limits in _all_limits(config):
        for rule_id, values in limits.items():
            if rule_id not in known:
                raise BadConfig(path=origin, reason=_unknown(N_("unknown rule {name}"), rule_id, known))
            names = limit_values(known[rule_id].limits)
            for name, value in values.items():
                if name not in names:
                    raise BadConfig(
                        path=origin, reason=_unknown(N_("rule {rule} has no limit {name}"), name, names, rule=rule_id)
                    )
                _same_type(value, names[name], f"limits.{rule_id}.{name}", origin)
    for key, prefixes in (("rules_off", _all_rules_off(config)), ("rules_only", config.rules_only)):
        for prefix in prefixes:
            if not any(rule_id.startswith(prefix) for rule_id in known):
                raise BadConfig(path=config.origin(key), reason=_unknown(N_("unknown rule {name}"), prefix, known))


def limits_of(rule: Rule, config: Config) -> Any:
    """The rule's limits with the configuration's values put in."""
    overrides = config.limits.get(rule.id)
    if not overrides or rule.limits is None:
        return rule.limits
    defaults = limit_values(rule.limits)
    # an int written for a float limit becomes one, so that messages format it alike
    values = {k: float(v) if isinstance(defaults.get(k), float) else v for k, v in overrides.items()}
    return dataclasses.replace(rule.limits, **values)


def limit_values(limits: Any) -> dict[str, Any]:
    """{name: value} of a limits dataclass; empty for None."""
    return {f.name: getattr(limits, f.name) for f in dataclasses.fields(limits)} if limits is not None else {}


@dataclass(frozen=True)
class Setting:
    """One line of `tb-evalguide config show`. run: the pattern it is limited to, or None."""

    key: str
    value: Any
    origin: str
    run: str | None = None


def settings(config: Config, rules: Iterable[Rule] = ()) -> tuple[Setting, ...]:
    """Everything in force with its origin: plain settings, roles, every limit of every rule, then the run sections."""
    out = [
        Setting(key, getattr(config, key), config.origin(key))
        for key in ("profile", "lang", "metric", "greater_is_better", "rules_off", "rules_only")
    ]
    out += [Setting(f"roles.{role}", tag, config.origin(f"roles.{role}")) for role, tag in config.roles.items()]
    for rule in rules:
        for name, value in limit_values(limits_of(rule, config)).items():
            key = f"limits.{rule.id}.{name}"
            out.append(Setting(key, value, config.origin(key)))
    for section in config.sections:
        out += [Setting(key, value, section.origin, section.pattern) for key, value in section.settings.items()]
    return tuple(out)


# --- reading -------------------------------------------------------------------------------------------------------


def _folders(logdir: str | Path | None) -> Iterator[Path]:
    here = Path.cwd()
    # A remote address (s3://…) has no folder to look in.
    if logdir and "://" not in str(logdir):
        start = Path(logdir).expanduser().resolve()
        if os.path.isfile(start):
            start = start.parent
        yield start
        if here in start.parents:
            yield from start.parents[: start.parents.index(here)]
        if start == here:
            return
    yield here


def _read_toml(path: Path) -> Mapping[str, Any]:
    try:
        table: Mapping[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return table
    except OSError as error:
        raise BadConfig(
            path=str(path), reason=Text(N_("cannot be read ({reason})"), {"reason": error.strerror or str(error)})
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadConfig(
            path=str(path), reason=Text(N_("is not valid TOML: {reason}"), {"reason": str(error)})
        ) from error


def _tool_table(path: Path) -> Mapping[str, Any] | None:
    tool = _read_toml(path).get("tool", {})
    table = tool.get(TABLE) if isinstance(tool, dict) else None
    if table is not None and not isinstance(table, dict):
        raise BadConfig(path=str(path), reason=_wrong_type(f"tool.{TABLE}", N_("a table")))
    return table


def _from_table(table: Mapping[str, Any], origin: str) -> Config:
    plain = {key: value for key, value in table.items() if key != "runs"}
    config = _put(Config(path=origin), _checked(plain, origin, KEYS), origin)
    runs = table.get("runs", {})
    if not isinstance(runs, dict):
        raise BadConfig(path=origin, reason=_wrong_type("runs", N_("a table")))
    sections = []
    for pattern, values in runs.items():
        if not isinstance(values, dict):
            raise BadConfig(path=origin, reason=_wrong_type(f"runs.{pattern}", N_("a table")))
        where = f'{origin} [runs."{pattern}"]'
        sections.append(Section(pattern, _checked(values, where, SECTION_KEYS), where))
    return dataclasses.replace(config, sections=tuple(sections))


def _checked(table: Mapping[str, Any], origin: str, allowed: Iterable[str]) -> dict[str, Any]:
    """A TOML table as {dotted key: value}, every key known and every value of its type, or BadConfig."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if key not in allowed:
            raise BadConfig(path=origin, reason=_unknown(N_("unknown key {name}"), key, allowed))
        if key in ("profile", "lang", "metric"):
            if not isinstance(value, str):
                raise BadConfig(path=origin, reason=_wrong_type(key, N_("a string")))
            if key == "profile" and value not in (*PROFILES, "auto"):
                raise BadConfig(path=origin, reason=_unknown(N_("unknown profile {name}"), value, (*PROFILES, "auto")))
            if key == "lang" and value not in LANGUAGES:
                raise BadConfig(path=origin, reason=_unknown(N_("unknown language {name}"), value, LANGUAGES))
            flat[key] = None if key == "profile" and value == "auto" else value
        elif key == "greater_is_better":
            if not isinstance(value, bool):
                raise BadConfig(path=origin, reason=_wrong_type(key, N_("true or false")))
            flat[key] = value
        elif key in ("rules_off", "rules_only"):
            if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
                raise BadConfig(path=origin, reason=_wrong_type(key, N_("a list of rule ids")))
            flat[key] = tuple(value)
        elif key == "roles":
            for role, tag in _table(value, key, origin).items():
                if role not in _ROLE_NAMES:
                    raise BadConfig(path=origin, reason=_unknown(N_("unknown role {name}"), role, _ROLE_NAMES))
                if not isinstance(tag, str) or not tag:
                    raise BadConfig(path=origin, reason=_wrong_type(f"roles.{role}", N_("a tag")))
                flat[f"roles.{role}"] = tag
        elif key == "limits":
            for rule_id, names in _table(value, key, origin).items():
                for name, limit in _table(names, f"limits.{rule_id}", origin).items():
                    flat[f"limits.{rule_id}.{name}"] = limit
    return flat


_ROLE_NAMES = tuple(role.value for role in Role)


def _table(value: Any, key: str, origin: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise BadConfig(path=origin, reason=_wrong_type(key, N_("a table")))
    return value


def _put(config: Config, flat: Mapping[str, Any], origin: str) -> Config:
    """The configuration with checked settings put in and their origin noted."""
    plain: dict[str, Any] = {}
    roles = dict(config.roles)
    limits = {rule_id: dict(values) for rule_id, values in config.limits.items()}
    origins = dict(config.origins)
    for key, value in flat.items():
        head, _, rest = key.partition(".")
        if head == "roles":
            roles[rest] = value
        elif head == "limits":
            rule_id, _, name = rest.partition(".")
            limits.setdefault(rule_id, {})[name] = value
        elif head in ADDITIVE:
            before: tuple[str, ...] = getattr(config, head)
            plain[head] = (*before, *(item for item in value if item not in before))
        else:
            plain[head] = value
        if head in ADDITIVE and key in origins and origins[key] != origin:
            origins[key] = f"{origins[key]}, {origin}"
        else:
            origins[key] = origin
    return dataclasses.replace(config, roles=roles, limits=limits, origins=origins, **plain)


def _all_limits(config: Config) -> Iterator[tuple[str, Mapping[str, Mapping[str, Any]]]]:
    yield config.path or COMMAND_LINE, config.limits
    for section in config.sections:
        yield section.origin, _put(Config(), section.settings, section.origin).limits


def _all_rules_off(config: Config) -> tuple[str, ...]:
    return config.rules_off + tuple(r for section in config.sections for r in section.settings.get("rules_off", ()))


def _same_type(value: Any, default: Any, key: str, origin: str) -> None:
    if isinstance(default, bool):
        good, kind = isinstance(value, bool), N_("true or false")
    elif isinstance(default, int):
        good, kind = isinstance(value, int) and not isinstance(value, bool), N_("a whole number")
    elif isinstance(default, float):
        # a threshold of NaN would silently switch its rule off
        good = isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)
        kind = N_("a number")
    else:
        good, kind = isinstance(value, type(default)), N_("of the same type as its default")
    if not good:
        raise BadConfig(path=origin, reason=_wrong_type(key, kind))


def _wrong_type(key: str, kind: str) -> Text:
    return Text(N_("{key} must be {kind}"), {"key": key, "kind": Text(kind)})


def _unknown(template: str, name: str, known: Iterable[str], **params: object) -> Text:
    """`template` about an unknown name, followed by the nearest valid one, or by all when none is near."""
    names = sorted(known)
    # compared without case: `ovf001` is near OVF001
    folded = {n.casefold(): n for n in names}
    near = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.5)
    what = Text(template, {"name": name, **params})
    if near:
        return Text(N_("{what}; did you mean {near}?"), {"what": what, "near": folded[near[0]]})
    return Text(N_("{what}; valid names: {names}"), {"what": what, "names": ", ".join(names) or "–"})
