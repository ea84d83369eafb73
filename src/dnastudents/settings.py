"""Typed settings: every block of the configuration is a class, parsed once and passed on.

A class says which keys its block may hold, their types, bounds, defaults and meaning; nothing else
does. Values are taken as they are: `"5"` is not an integer, and `true` is not a number. A mistake
is an `InputError` of one line that names the key and a likely fix.
"""

from __future__ import annotations

import json
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, overload

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from dnastudents.errors import InputError, nearest
from dnastudents.yaml_files import in_one_line

Count = Annotated[int, Field(ge=1)]
NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0)]
Precision = Literal["no", "bf16", "fp16"]
_LONGEST = 200  # letters of a value in a message
NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"
Name = Annotated[str, Field(pattern=NAME)]  # a part of paths and commands

Options = TypeVar("Options", bound="Settings")
Item = TypeVar("Item")


def _require_distinct(items: tuple[Item, ...]) -> tuple[Item, ...]:
    if len(set(items)) < len(items):
        raise ValueError("holds the same twice; remove one")
    return items


Distinct = Annotated[tuple[Item, ...], Field(min_length=1), AfterValidator(_require_distinct)]


class Wrong(InputError, ValueError):
    """Raised by validators for a mistake that belongs to one key of their block."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}")


class Settings(BaseModel):
    """Base of all blocks of settings; frozen, and compared by value."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def changed(self: Options, **values: Any) -> Options:
        """Copy with some values changed, checked like the first."""
        return type(self)(**{**dict(self), **values})

    def _preset(self, values: Mapping[str, Any]) -> None:
        """Set those of `values` that were not given; for validators, before anybody looks."""
        for name, value in values.items():
            if name not in self.model_fields_set:
                object.__setattr__(self, name, value)

    def as_json(self) -> dict[str, Any]:
        """Return all values, defaults included, as `parse` takes them."""
        return self.model_dump(mode="json")

    def in_words(self, names: Iterable[str]) -> str:
        """Return some of the values as in `learning rate 0.001, pooling parts`."""
        return ", ".join(f"{name.replace('_', ' ')} {getattr(self, name)}" for name in names)


def one_of(*kinds: type[Settings], tag: str) -> Any:
    """Make the type of a block that is of one of some classes, chosen by the key `tag`."""
    return Annotated[Union[kinds], Field(discriminator=tag)]  # noqa: UP007


@overload
def parse(kind: type[Options], values: Any, where: str = "") -> Options: ...


@overload
def parse(kind: Any, values: Any, where: str = "") -> Any: ...


def parse(kind: Any, values: Any, where: str = "") -> Any:
    """Make settings from one block of the configuration.

    Parameters
    ----------
    kind : type
        A class of settings, or a union of some.
    values : mapping
        The block. Settings that are parsed already are given back.
    where : str
        The block's path in the configuration, for messages; by default its top.

    Raises
    ------
    InputError
        The first mistake: an unknown or missing key, a wrong type or value.
    """
    if isinstance(values, Settings):
        return values
    _require_text_keys(values, where)
    try:
        return _validated(kind, values)
    except ValidationError as error:
        raise InputError(mistakes(error, kind, where)[0]) from None


def check_part(kind: Any, values: Any, where: str) -> None:
    """Refuse what is wrong with a block that another one completes: all but missing keys."""
    _require_text_keys(values, where)
    try:
        _validated(kind, values)
    except ValidationError as error:
        if lines := mistakes(error, kind, where, ignored=("missing", "union_tag_not_found")):
            raise InputError(lines[0]) from None


def _require_text_keys(values: Any, where: str) -> None:
    """Refuse keys like 1 or true, of which JSON would make text."""
    if isinstance(values, list | tuple):
        values = {str(place): item for place, item in enumerate(values)}
    if isinstance(values, Mapping):
        for key, value in values.items():
            if not isinstance(key, str):
                raise InputError(
                    f"{where or 'config'}: the key {in_one_line(key)} is not text; quote it"
                )
            _require_text_keys(value, f"{where}.{key}" if where else key)


def _validated(kind: Any, values: Any) -> Any:
    # As JSON, whose lists may become tuples, and integers floats, but strings no numbers.
    return TypeAdapter(kind).validate_json(json.dumps(values, default=str))


# What a value must be, by pydantic's type of the error.
_MUST_BE = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "finite_number": "finite",
    "bool_type": "true or false",
    "string_type": "text",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
    "list_type": "a list",
    "tuple_type": "a list",
    "none_required": "null",
    "literal_error": "{expected}",
    "greater_than_equal": "at least {ge:g}",
    "greater_than": "above {gt:g}",
    "less_than_equal": "at most {le:g}",
    "less_than": "below {lt:g}",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "string_pattern_mismatch": "a name of letters, digits, '_', '.' and '-'",
}


def mistakes(
    error: ValidationError, kind: Any, where: str, ignored: Sequence[str] = ()
) -> list[str]:
    """Return one line for each wrong key, typing errors first, missing keys last."""
    lines: dict[str, str] = {}
    must_be: dict[str, list[str]] = {}
    for each in sorted(error.errors(include_url=False), key=_rank):
        if _kind(each) in ignored:
            continue
        path, known = _block_of(kind, each["loc"])
        too_few = _kind(each) == "too_few"  # told of each place that is missing
        path = path[:-1] if too_few else path
        block, last = (".".join(filter(None, [where, *path[:-1]])), "".join(path[-1:]))
        key = ".".join(filter(None, [block, last])) or "config"
        if line := _mistake(each, key, block or "config", last, known, bool(where or path)):
            lines[key] = line
            must_be.pop(key, None)
        elif key not in lines or key in must_be:  # else its type is right in one way
            must_be[key] = [*([] if too_few else must_be.get(key, [])), _must_be(each)]
            phrases = " or ".join(dict.fromkeys(must_be[key]))
            value = each["input"]
            lines[key] = f"{key}: must be {phrases}, not {_shown(value)}{_hint(phrases, value)}"
    # A list that is wrong in itself is not also no text, where either could be.
    return [v for k, v in lines.items() if not any(key.startswith(f"{k}.") for key in lines)]


def _mistake(
    error: Any, key: str, block: str, last: str, known: Sequence[str], named: bool
) -> str | None:
    """Explain what is wrong with a key; None where its value must be of another kind or size."""
    kind, details = _kind(error), error.get("ctx", {})
    if kind == "extra_forbidden":
        return f"{block}: unknown key '{last}'; {nearest(last, known)}"
    if kind == "missing":
        return f"{block}: '{last}' is missing; add it"
    if kind == "union_tag_not_found":
        return f"{key}: {details['discriminator']} is missing; add it"
    if kind == "union_tag_invalid":
        tag, tags = details["discriminator"].strip("'"), details["expected_tags"].split(", ")
        hint = nearest(details["tag"], [name.strip("'") for name in tags])
        return f"{key}.{tag}: unknown value '{details['tag']}'; {hint}"
    if kind == "value_error":
        problem = details["error"]
        if isinstance(problem, Wrong):
            return f"{key}.{problem}" if named else str(problem)
        return f"{key}: {problem}"
    if kind == "literal_error" and isinstance(error["input"], str) and len(known) > 1:
        return f"{key}: unknown value '{error['input']}'; {nearest(error['input'], known)}"
    return None


def _kind(error: Any) -> str:
    """Return pydantic's type of an error; it calls the items that a list lacks missing keys."""
    too_few = error["type"] == "missing" and isinstance(error["loc"][-1], int)
    return "too_few" if too_few else str(error["type"])


def _must_be(error: Any) -> str:
    if _kind(error) == "too_few":
        return f"a list of {error['loc'][-1] + 1}"
    return _MUST_BE.get(error["type"], error["msg"]).format(**error.get("ctx", {}))


def _rank(error: Any) -> int:
    return {"extra_forbidden": 0, "missing": 2}.get(_kind(error), 1)


def _shown(value: Any) -> str:
    """Show a value as it stands in YAML, or its beginning."""
    text = repr(value) if isinstance(value, str) else in_one_line(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _hint(wanted: str, value: Any) -> str:
    """Suggest what to do with a number in quotes, and with what must be text and has none."""
    is_number, is_word = isinstance(value, int | float), isinstance(value, bool)
    if (wanted == "text" and is_number) or (wanted.startswith("'") and is_word):
        return "; quote it"
    if isinstance(value, str) and wanted.startswith(("a number", "an integer")):
        try:
            float(value)
        except ValueError:
            return ""
        # YAML 1.1, as Snakemake reads a `configfile:`, takes 1e-3 for text
        also = ", and write 1.0e-3 for 1e-3" if "e" in value.lower() else ""
        return f"; that is text: leave out the quotes{also}"
    return ""


def _block_of(kind: Any, location: Sequence[int | str]) -> tuple[list[str], list[str]]:
    """Return the keys to a block that pydantic names, and what is known there: keys, or values.

    Pydantic's locations also hold the tags and types of the members of unions, which are not keys.
    """
    path: list[str] = []
    known: list[str] = []
    for part in location:
        kinds = list(_members(kind))
        models = [k for k in kinds if isinstance(k, type) and issubclass(k, Settings)]
        chosen = [model for model in models if part in _tags(model)]
        if chosen and len(models) > 1:
            kind = chosen[0]
            continue
        fields = {name: field for model in models for name, field in model.model_fields.items()}
        known = list(fields)
        if part in fields:
            field = fields[str(part)]
            kind = Annotated[field.annotation, *field.metadata, None]
        elif containers := [k for k in kinds if get_origin(k) in (dict, tuple, list)]:
            if len(kinds) - (type(None) in kinds) > 1:  # the type of a member of a union
                if get_origin(containers[0]).__name__ in str(part):
                    kind = containers[0]
                continue
            kind = get_args(containers[0])[-1 if get_origin(containers[0]) is dict else 0]
        elif not models:  # the type of a member of a union of plain values
            continue
        if part != "[key]":
            path.append(str(part))
    values = [value for k in _members(kind) if get_origin(k) is Literal for value in get_args(k)]
    return path, [str(value) for value in values] if values else known


def _members(kind: Any) -> Iterator[Any]:
    """Return the types that a union is made of, or the one type."""
    origin = get_origin(kind)
    if origin is Annotated:
        inner, *notes = get_args(kind)
        union = next((note.union for note in notes if hasattr(note, "union")), inner)
        yield from _members(union if union is not kind else inner)
    elif origin in (Union, types.UnionType):
        for member in get_args(kind):
            yield from _members(member)
    else:
        yield kind


def _tags(model: type[Settings]) -> set[Any]:
    """Return the values of the fields that identify a class of settings."""
    fields = model.model_fields.values()
    return {
        v for f in fields if get_origin(f.annotation) is Literal for v in get_args(f.annotation)
    }
