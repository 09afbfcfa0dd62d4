"""The report as SARIF 2.1.0, for code-scanning pages and editors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from tb_evalguide.render.json_report import dumps, strict
from tb_evalguide.render.words import safe

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {"critical": "error", "high": "error", "medium": "warning", "info": "note"}


def render(report: Mapping[str, Any], lang: str = "en") -> str:
    """Every finding is a result at the run's first log file; what another finding explains is only a note."""
    rules = report["rules"]
    ids = sorted(rules)
    results = [
        _result(run, finding, ids.index(finding["rule"])) for run in report["runs"] for finding in run["findings"]
    ]
    document = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": report["tool"]["name"],
                        "version": report["tool"]["version"],
                        "semanticVersion": report["tool"]["version"],
                        "rules": [_rule(rule_id, rules[rule_id]) for rule_id in ids],
                    }
                },
                "language": lang,
                "originalUriBaseIds": {"LOGDIR": {"description": {"text": "the log folder that was read"}}},
                "columnKind": "unicodeCodePoints",
                "results": results,
            }
        ],
    }
    return dumps(document, indent=1) + "\n"


def _rule(rule_id: str, page: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": rule_id,
        "name": page["label"],
        "shortDescription": {"text": page["title"]},
        "fullDescription": {"text": page["what"]},
        "help": {"text": "\n\n".join(page[key] for key in ("why", "todo", "wrong"))},
        "properties": {"tags": [page["label"], *page["guide"]]},
    }


def _result(run: Mapping[str, Any], finding: Mapping[str, Any], index: int) -> dict[str, Any]:
    remedies = "".join(f"\n- {safe(remedy['text'], 1000)}" for remedy in finding["remedies"])
    source = next((s["path"] for s in run["sources"]), run["run"])
    # The same fault of the same run is the same result tomorrow, whatever step the run has reached by then.
    identity = hashlib.sha256(f"{run['run']}\0{finding['rule']}".encode("utf-8", "surrogatepass")).hexdigest()
    return {
        "ruleId": finding["rule"],
        "ruleIndex": index,
        "level": "note" if finding["explained_by"] else LEVELS.get(finding["severity"], "note"),
        "message": {"text": safe(finding["message"], 2000) + remedies},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": _uri(source), "uriBaseId": "LOGDIR"}},
                "logicalLocations": [{"name": safe(run["run"], 4000), "kind": "module"}],
            }
        ],
        "partialFingerprints": {"runAndRule/v1": identity},
        "rank": round(100 * finding["confidence"], 1),
        "properties": strict(
            {
                "label": finding["label"],
                "confidence": finding["confidence"],
                "steps": finding["steps"],
                "tags": [safe(tag) for tag in finding["tags"]],
                "evidence": finding["evidence"],
                "explainedBy": finding["explained_by"],
            }
        ),
    }


def _uri(path: str) -> str:
    return quote(path.replace("\\", "/").lstrip("/").encode("utf-8", "surrogatepass"))
