"""Turns a `Text` into a sentence in English or Korean (gettext; English is the source)."""

from __future__ import annotations

import gettext
import os
import string
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # model imports NumPy, which `--help` can do without
    from tb_evalguide.model import Text

LANGUAGES = ("en", "ko")
DOMAIN = "tb_evalguide"
LOCALE_DIR = Path(__file__).parent / "locale"


def N_(message: str) -> str:
    """Marks a message for the catalogue and returns it as it is."""
    return message


def preferred_language(environ: Mapping[str, str] = os.environ) -> str:
    """The reader's language from the usual locale variables; English where they name none we have."""
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = environ.get(name, "")
        if value:
            language = value.split(":")[0].split("_")[0].split(".")[0].lower()
            return language if language in LANGUAGES else "en"
    return "en"


@cache
def _catalogue(lang: str) -> gettext.NullTranslations:
    if lang == "en":
        return gettext.NullTranslations()
    return gettext.translation(DOMAIN, LOCALE_DIR, languages=[lang], fallback=True)


class _Formatter(string.Formatter):
    """str.format without attribute or item access: a template may only name its own values."""

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> Any:
        if not field_name.isidentifier():
            raise ValueError(f"template field {field_name!r} is not a plain name")
        return kwargs[field_name], field_name

    def format_field(self, value: Any, format_spec: str) -> Any:
        text = super().format_field(value, format_spec)
        # "1.79e+03" is hard to read beside the curve's own 1,790: as many digits, written out; 1e-05 stays as it is
        whole = "e+0" in text or not set(".e") & set(text)
        if format_spec.endswith("g") and whole and abs(float(text)) < 1e6:
            return f"{float(text):{'+' if format_spec.startswith('+') else ''},.0f}"
        return text


_FORMATTER = _Formatter()


def gettext_for(message: str, lang: str) -> str:
    """The plain message in `lang`, unformatted."""
    return _catalogue(lang).gettext(message) if message else ""


def render(text: Text, lang: str = "en") -> str:
    """The sentence in `lang`. Values are put in after translation, nested texts are translated first."""
    from tb_evalguide.model import Text

    params = {name: render(value, lang) if isinstance(value, Text) else value for name, value in text.params.items()}
    return _FORMATTER.vformat(gettext_for(text.template, lang), (), params)
