"""The configuration told to people and editors: resolved, as JSON schema, and as a page of docs.

All of it is made from the tree of settings, so nothing here says what a key means.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from dnastudents.config.config import NAMED, Config
from dnastudents.config.schema import Configuration
from dnastudents.files import ANYTHING, atomic_file
from dnastudents.results.row import MetricsRow

SCHEMA = "workflow/schemas/config.schema.json"  # written by `dnastudents config schema`
PAGE = "docs/configuration.md"  # written by `dnastudents config docs`
COLUMNS_PAGE = "docs/metrics.md"  # by `dnastudents config docs metrics`


def resolved(config: Config) -> dict[str, Any]:
    """Return all that a workflow uses: defaults put in, only the selected runs and suites."""
    values = config.settings.as_json()
    genomes = {name.partition("/")[2] for name in config.data() if name.startswith("reference/")}
    genomes.add(config.settings.genome)
    values["references"] = {k: v for k, v in values["references"].items() if k in genomes}
    values["suites"] = {name: values["suites"][name] for name in config.suites}
    used = {config.run(name).student for name in config.runs}
    teachers = {config.run(name).teacher for name in config.runs} | {*config.tsne_teachers()}
    values["teachers"] = {k: v for k, v in values["teachers"].items() if k in teachers}
    used |= {block["train"]["student"] for block in values["teachers"].values() if block["train"]}
    values["students"] = {k: v for k, v in values["students"].items() if k in used}
    return values


def as_yaml(values: dict[str, Any]) -> str:
    """Return settings as YAML, in their order."""
    text: str = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)
    return text


def write_resolved(config: Config, path: str | Path) -> None:
    """Write what a workflow uses beside its results."""
    with atomic_file(path, ANYTHING) as partial:
        partial.write_text(as_yaml(resolved(config)), encoding="utf-8")


# ---- JSON schema


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a configuration file, for editors.

    A file changes another one, so no key is required, a name may be null, and `extends` is allowed
    where files and runs have it.
    """
    schema = _relaxed(Configuration.model_json_schema(mode="validation"))
    extends = {"type": "string", "description": "A file that this one changes; its path from here."}
    schema["properties"]["extends"] = extends
    run = schema["$defs"]["Run"]["properties"]
    run["extends"] = {"type": "string", "description": "Another run, which this one changes."}
    for key in NAMED:
        block = schema["properties"][key]
        ((pattern, value),) = block["patternProperties"].items()
        block["patternProperties"] = {pattern: {"anyOf": [value, {"type": "null"}]}}
        block["additionalProperties"] = False
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _relaxed(node: Any) -> Any:
    if isinstance(node, dict):
        kept = {key: _relaxed(value) for key, value in node.items()}
        if isinstance(kept.get("required"), list):
            kept.pop("required")
        kept.pop("discriminator", None)
        if "oneOf" in kept:  # a block may leave out the key that says which it is
            kept["anyOf"] = kept.pop("oneOf")
        return kept
    return [_relaxed(item) for item in node] if isinstance(node, list) else node


# ---- docs

_HEAD = """\
# Configuration

Every key of `config.yaml`, with its type, default and meaning. This page is made from the code by
`dnastudents config docs`; a test holds it up to date.

- `config.yaml` is the base. Another file changes it: `snakemake --configfile mine.yaml`. It may
  itself begin with `extends: base.yaml`, another file of the same kind: one that lies beside it
  (the path begins in its folder), or one that comes with the workflow, such as `demo/demo.yaml`.
- Of several files (`--configfile one.yaml other.yaml`) each changes those before it, as if it
  extended them, and `--config 'finetuning={"epochs": 3}'` changes them all; its values are YAML.
- Blocks merge key by key. A block that names another `name`, `kind` or `architecture` replaces the
  old one whole, because the settings of the one mean nothing to the other.
- The `runs` and `suites` of another file *select*: only what it names is run, and each named block
  starts from the block of the same name in the base. Without the key, all of the base are run.
- A run may `extends:` any other run, also one that is not selected; `compare_with` stays behind.
- A reference, student or teacher set to `null` is removed. Runs and suites are left out by
  selecting others.
- `dnastudents config show --configfile mine.yaml` prints what comes out of it all, and
  `dnastudents config run NAME` what `dnastudents pretrain --settings` takes.
- Editors that know YAML schemas complete and check keys by `workflow/schemas/config.schema.json`
  (the first line of `config.yaml` names it).
"""


def markdown() -> str:
    """Write the page docs/configuration.md."""
    schema = Configuration.model_json_schema(mode="validation")
    definitions = schema["$defs"]
    lines = [_HEAD, "## config.yaml", *_table(schema, definitions)]
    for name in _in_order(schema, definitions):
        lines += [
            f"## {name}",
            "",
            _summary(definitions[name]),
            *_table(definitions[name], definitions),
        ]
    return "\n".join(lines).rstrip() + "\n"


_COLUMNS_HEAD = """\
# metrics.csv

Every column of `metrics.csv`, and of `knn.csv` and `linear.csv` of the probes: one row per run,
task and seed. This page is made from the code by `dnastudents config docs metrics`; a test holds it
up to date. Scores are fractions here, and percent in tables and figures. Required columns are
always there, another one only where some row has it. In each `seed_N.json` of a result folder the
same keys hold one row.
"""


def columns() -> str:
    """Write the page docs/metrics.md."""
    lines = [_COLUMNS_HEAD.rstrip(), *_table(MetricsRow.model_json_schema(mode="validation"), {})]
    return "\n".join(lines).rstrip() + "\n"


def _in_order(node: Any, definitions: dict[str, Any]) -> list[str]:
    """Return the names of the definitions, each behind the first block that uses it."""
    found: dict[str, None] = {}
    waiting = list(_references(node.get("properties", {})))
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found[name] = None
            waiting = [*_references(definitions[name]), *waiting]
    return list(found)


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield _target(node)
        for key, value in node.items():
            if key not in ("$ref", "discriminator"):
                yield from _references(value)
    elif isinstance(node, list):
        for item in node:
            yield from _references(item)


def _target(field: dict[str, Any]) -> str:
    """Return the name of the block that a field holds."""
    return str(field.get("$ref", "")).rpartition("/")[2]


def _summary(definition: dict[str, Any]) -> str:
    return " ".join(str(definition.get("description", "")).split("\n\n")[0].split())


def _table(definition: dict[str, Any], definitions: dict[str, Any]) -> list[str]:
    required = definition.get("required", [])
    lines = ["", "| key | type | default | meaning |", "|---|---|---|---|"]
    for key, field in definition.get("properties", {}).items():
        default = "**required**" if key in required else _default(field.get("default"))
        about = field.get("description") or _summary(definitions.get(_target(field), {}))
        about = " ".join(about.split()).replace("|", "\\|")
        lines.append(f"| `{key}` | {_type(field)} | {default} | {about} |")
    return [*lines, ""]


def _default(value: Any) -> str:
    if isinstance(value, dict | list) and (isinstance(value, dict) or not value):
        return ""  # a block's own defaults stand with the block
    return f"`{json.dumps(value)}`"


def _type(field: dict[str, Any]) -> str:
    """Return a field's type in words, with bounds; blocks as links."""
    if name := _target(field):
        return f"[{name}](#{name.lower()})"
    for key in ("anyOf", "oneOf"):
        if key in field:
            return " or ".join(dict.fromkeys(_type(each) for each in field[key]))
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    kind = field.get("type", "any")
    if kind == "array":
        items = field.get("items", field.get("prefixItems", [{}]))
        return "list of " + _type(items[0] if isinstance(items, list) else items)
    if kind == "object":
        (value,) = field.get("patternProperties", {"": field.get("additionalProperties")}).values()
        return "by name: " + _type(value) if isinstance(value, dict) else kind
    bounds = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {field[key]:g}" for key, sign in bounds.items() if key in field]
    return " ".join([kind, ", ".join(limits)]).strip()
