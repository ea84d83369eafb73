"""What YAML files may not hold, and what their numbers are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from dnastudents.errors import InputError
from dnastudents.yaml_files import in_one_line, parse_yaml, read_yaml


@pytest.mark.parametrize(
    ("text", "number"),
    [("1e-3", 1e-3), ("1.5e3", 1500.0), ("-2E+2", -200.0), (".5e1", 5.0), ("1.e2", 100.0)],
)
def test_numbers_with_an_exponent_are_numbers(text: str, number: float) -> None:
    assert parse_yaml(f"a: {text}", "x") == {"a": number}
    assert parse_yaml(f"a: '{text}'", "x") == {"a": text}


@pytest.mark.parametrize("text", ["e3", "1e", "1e-", "chr1e3", "1e3a", "0x1e3", "1 e3", "3", "1.5"])
def test_all_else_is_as_in_any_yaml(text: str) -> None:
    assert parse_yaml(text, "x") == yaml.safe_load(text)


def test_a_key_that_stands_twice_is_refused_with_both_lines(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    for text, key, lines in (
        ("a: 1\nb: 2\na: 3\n", "a", (1, 3)),
        ("a:\n  b: {c: 1,\n   c: 2}\n", "c", (2, 3)),
        ("a: 1\n'a': 1\n", "a", (1, 2)),
        ("- {1: a}\n- 1: a\n  1: a\n", "1", (2, 3)),
    ):
        file.write_text(text)
        with pytest.raises(InputError) as caught:
            read_yaml(file)
        assert str(caught.value) == (
            f"{file}: the key '{key}' is in line {lines[0]} and again in line {lines[1]}; "
            "keep one of them"
        )


@pytest.mark.parametrize("text", ["010", "-01", "0_7", "1:30", "1:30.5", "+1:0:0"])
def test_digits_in_another_base_are_refused(text: str) -> None:
    base = 60 if ":" in text else 8
    said = rf"x: line 2: {re.escape(text)} would be read in base {base}; write a decimal number"
    with pytest.raises(InputError, match=said):
        parse_yaml(f"b: 1\na: {text}", "x")
    with pytest.raises(InputError, match=said.replace("line 2", "line 1")):
        parse_yaml(f"{{{text} : 1}}", "x")  # a name of a run, say
    assert parse_yaml(f"a: '{text}'", "x") == {"a": text}


@pytest.mark.parametrize("text", ["a: &a {b: *a}", "&a [1, [*a]]"])
def test_a_block_that_holds_itself(text: str) -> None:
    with pytest.raises(InputError, match="x: the block &a holds itself; write it out"):
        parse_yaml(text, "x")


def test_blocks_inside_blocks_have_an_end() -> None:
    with pytest.raises(InputError, match="x: not valid YAML: too many blocks inside blocks"):
        parse_yaml("[" * 5000, "x")


def test_what_is_merged_in_may_be_changed() -> None:
    text = "a: &a {x: 1, y: 2}\nb: &b {<<: *a, x: 3}\nc: {<<: *b, x: 4, z: 5}\n"
    assert parse_yaml(text, "x") == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 3, "y": 2},
        "c": {"x": 4, "y": 2, "z": 5},
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [1\n", r"my\.yaml: not valid YAML: .* line 2"),
        (b"a: 2024-13-45\n", r"my\.yaml: not valid YAML: month"),
        (b"a: \xff\n", r"my\.yaml: not valid YAML: not UTF-8"),
        (b"- a\n", r"my\.yaml: must hold keys and values"),
        (b"", r"my\.yaml: must hold keys and values"),
        (b"{a: 1}\n---\n{a: 2}\n", r"my\.yaml: not valid YAML: expected a single document"),
    ],
)
def test_what_is_no_mapping_is_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "my.yaml").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_yaml(tmp_path / "my.yaml")
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"your\.yaml: no such file"):
        read_yaml(tmp_path / "your.yaml")


def test_a_byte_order_mark_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_yaml(tmp_path / "my.yaml") == {"a": 1}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (None, "null"),
        ([0.9, None], "[0.9, null]"),
        ({"a": {"b": False}}, "{a: {b: false}}"),
        (float("nan"), ".nan"),
        ("001", "'001'"),
        ("null", "'null'"),
        ("é, ü", "'é, ü'"),
        (["a" * 300, "b"], f"[{'a' * 300}, b]"),
    ],
)
def test_values_in_one_line(value: object, text: str) -> None:
    assert in_one_line(value) == text
