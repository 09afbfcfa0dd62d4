"""What a Hugging Face checkpoint says of its model: `config.json`, and `adapter_config.json` where there is LoRA."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tb_evalguide.sources.logdir import Folder, leaf_of
from tb_evalguide.sources.trainings import CHECKPOINT

CONFIG = "config.json"
ADAPTER = "adapter_config.json"
# A configuration is a few kilobytes; label maps of large classifiers make it a megabyte.
LARGEST = 1 << 24

# As they are called on the command lines of the training scripts, which the guide's remedies name.
_ADAPTER_NAMES = {"r": "lora_r", "lora_alpha": "lora_alpha", "lora_dropout": "lora_dropout", "peft_type": "peft_type"}


@dataclass(frozen=True)
class Model:
    """config: the model's configuration. adapter: arguments of the adapter under the names of training scripts."""

    config: Mapping[str, Any]
    adapter: Mapping[str, Any]


NOTHING = Model({}, {})


def read(folders: Iterable[Folder]) -> Model:
    """From the latest checkpoint that holds them, else from any other of these folders."""
    latest_first = sorted(folders, key=_number, reverse=True)
    config = next((f for f in latest_first if CONFIG in f.files), None)
    adapter = next((f for f in latest_first if ADAPTER in f.files), None)
    stated = _object(adapter.join(ADAPTER)) if adapter else {}
    return Model(
        _object(config.join(CONFIG)) if config else {},
        {name: stated[key] for key, name in _ADAPTER_NAMES.items() if stated.get(key) is not None},
    )


def _number(folder: Folder) -> int:
    match = CHECKPOINT.fullmatch(leaf_of(folder.name))
    return int(match.group(1)) if match else -1


def _object(path: str) -> dict[str, Any]:
    """The JSON object in a file; nothing where there is none: it is a help, never needed."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            found = json.loads(file.read(LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
