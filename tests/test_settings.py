"""What is wrong with a block of settings is said in one line that names the key and a fix."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from dnastudents import models
from dnastudents.config.schema import Cost, Pmi, Run, Suite, Teacher, TSNEWithTeachers
from dnastudents.errors import InputError
from dnastudents.finetune.options import Finetuning, layered
from dnastudents.genome import tokenizers
from dnastudents.masking.options import MASKINGS
from dnastudents.models import STUDENTS
from dnastudents.objectives import OBJECTIVES
from dnastudents.settings import Settings, check_part, mistakes, parse
from dnastudents.training.options import PretrainingBlock, RunSettings

TEXT = "; that is text: leave out the quotes"
EXPONENT = f"{TEXT}, and write 1.0e-3 for 1e-3"
WINDOW: dict[str, Any] = {"kind": "windows", "length": 100}
PRETRAINING: dict[str, Any] = {
    "steps": 5,
    "batch_size": 2,
    "window": WINDOW,
    "optimizer": {"learning_rate": 1e-3},
}
SUITE: dict[str, Any] = {"tasks": ["H3"], "seeds": [0]}
SPLITS: dict[str, Any] = {"train": ["chr1"]}


def changed(**values: Any) -> dict[str, Any]:
    return {**PRETRAINING, **values}


def grid(**values: Any) -> dict[str, Any]:
    return {"grid": {"learning_rate": [1e-3], "batch_size": [8, 16], **values}}


def augmented(*augmentations: Any) -> dict[str, Any]:
    return {"name": "findna", "teacher_augmentations": list(augmentations)}


MISTAKES: list[tuple[Any, Any, str]] = [
    # unknown keys
    (Finetuning, {"epoch": 3}, "at: unknown key 'epoch'; did you mean 'epochs'?"),
    (
        PretrainingBlock,
        changed(optimizer={"learning_rate": 1e-3, "lr": 1e-3}),
        "at.optimizer: unknown key 'lr'; known: betas, eps, learning_rate, weight_decay",
    ),
    (
        PretrainingBlock,
        changed(**{"window.length": 9}),
        "at: unknown key 'window.length'; did you mean 'window'?",
    ),
    # missing keys
    (PretrainingBlock, {}, "at: 'steps' is missing; add it"),
    (
        PretrainingBlock,
        changed(window={"kind": "windows"}),
        "at.window: 'length' is missing; add it",
    ),
    # wrong types
    (PretrainingBlock, changed(steps="5"), f"at.steps: must be an integer, not '5'{TEXT}"),
    (PretrainingBlock, changed(steps=True), "at.steps: must be an integer, not true"),
    (PretrainingBlock, changed(steps=5.0), "at.steps: must be an integer, not 5.0"),
    (PretrainingBlock, changed(steps=None), "at.steps: must be an integer, not null"),
    (
        PretrainingBlock,
        changed(micro_batch_size="4"),
        f"at.micro_batch_size: must be an integer, not '4'{TEXT}",
    ),
    (
        PretrainingBlock,
        changed(gradient_clip="1"),
        f"at.gradient_clip: must be a number, not '1'{TEXT}",
    ),
    (PretrainingBlock, changed(gradient_clip=True), "at.gradient_clip: must be a number, not true"),
    (
        Finetuning,
        {"learning_rate": "1e-3"},
        f"at.learning_rate: must be a number, not '1e-3'{EXPONENT}",
    ),
    (Finetuning, {"learning_rate": "low"}, "at.learning_rate: must be a number, not 'low'"),
    (Finetuning, {"learning_rate": float("nan")}, "at.learning_rate: must be finite, not .nan"),
    (Finetuning, {"frozen": 1}, "at.frozen: must be true or false, not 1"),
    (Finetuning, {"frozen": "yes"}, "at.frozen: must be true or false, not 'yes'"),
    (Finetuning, {"grid": 3}, "at.grid: must be keys and values, not 3"),
    (Finetuning, [], "at: must be keys and values, not []"),
    (
        Run,
        {"student": 3, "objective": {"name": "had"}},
        "at.student: must be text, not 3; quote it",
    ),
    # out of bounds
    (PretrainingBlock, changed(steps=0), "at.steps: must be at least 1, not 0"),
    (PretrainingBlock, changed(gradient_clip=0), "at.gradient_clip: must be above 0, not 0"),
    (
        PretrainingBlock,
        changed(reverse_complement=1.5),
        "at.reverse_complement: must be at most 1, not 1.5",
    ),
    (
        PretrainingBlock,
        changed(optimizer={"learning_rate": 1e-3, "betas": [0.9, 2]}),
        "at.optimizer.betas.1: must be below 1, not 2",
    ),
    (
        PretrainingBlock,
        changed(optimizer={"learning_rate": 1e-3, "betas": [0.9]}),
        "at.optimizer.betas: must be a list of 2, not [0.9]",
    ),
    (
        PretrainingBlock,
        changed(optimizer={"learning_rate": 1e-3, "betas": []}),
        "at.optimizer.betas: must be a list of 2, not []",
    ),
    (
        PretrainingBlock,
        changed(optimizer={"learning_rate": 1e-3, "betas": [0.9, 0.95, 0.99]}),
        "at.optimizer.betas: must be a list of at most 2, not [0.9, 0.95, 0.99]",
    ),
    (
        PretrainingBlock,
        changed(window={"kind": "pieces", "length": 6}),
        "at.window.length: must be above 6, not 6",
    ),
    (
        Finetuning,
        {"learning_rate": {"peak": True, "then": None}},
        "at.learning_rate: must be a number, not {peak: true, then: null}",
    ),
    (Finetuning, {"gradient_clip": float("inf")}, "at.gradient_clip: must be finite, not .inf"),
    # unknown values
    (Finetuning, {"pooling": "men"}, "at.pooling: unknown value 'men'; did you mean 'mean'?"),
    (
        Finetuning,
        {"precision": False},
        "at.precision: must be 'no', 'bf16' or 'fp16', not false; quote it",
    ),
    (Finetuning, {"pooling": 3}, "at.pooling: must be 'mean', 'cls' or 'parts', not 3"),
    (
        PretrainingBlock,
        changed(precision="bf61"),
        "at.precision: unknown value 'bf61'; did you mean 'bf16'?",
    ),
    # lists
    (Finetuning, grid(learning_rate=1e-3), "at.grid.learning_rate: must be a list, not 0.001"),
    (
        Finetuning,
        grid(learning_rate=[]),
        "at.grid.learning_rate: must be a list of at least 1, not []",
    ),
    (
        Finetuning,
        grid(learning_rate=[1e-3, "1e-4"]),
        f"at.grid.learning_rate.1: must be a number, not '1e-4'{EXPONENT}",
    ),
    (Finetuning, grid(batch_size=[8, 8]), "at.grid.batch_size: holds the same twice; remove one"),
    (
        Suite,
        {**SUITE, "tasks": ["my task"]},
        "at.tasks.0: must be a name of letters, digits, '_', '.' and '-', not 'my task'",
    ),
    (
        OBJECTIVES.union,
        augmented({"name": "deletio"}),
        "at.teacher_augmentations.0.name: unknown value 'deletio'; did you mean 'deletion'?",
    ),
    (
        OBJECTIVES.union,
        augmented({"name": "deletion"}, {"name": "insertion", "most": -1}),
        "at.teacher_augmentations.1.most: must be at least 0, not -1",
    ),
    (
        OBJECTIVES.union,
        augmented({"name": "mutation", "rat": 0.1}),
        "at.teacher_augmentations.0: unknown key 'rat'; did you mean 'rate'?",
    ),
    (
        OBJECTIVES.union,
        augmented("deletion"),
        "at.teacher_augmentations.0: must be keys and values, not 'deletion'",
    ),
    (Suite, {**SUITE, "tasks": [1]}, "at.tasks.0: must be text, not 1; quote it"),
    (Suite, {**SUITE, "tasks": [False]}, "at.tasks.0: must be text, not false; quote it"),
    (Suite, {**SUITE, "seeds": "x" * 999}, f"at.seeds: must be a list, not '{'x' * 199}..."),
    # paths
    (
        Suite,
        {**SUITE, "source": "$HOME/a.csv"},
        "at.source: is '$HOME/a.csv', and nobody fills in variables here; write the whole path",
    ),
    (
        Suite,
        {**SUITE, "source": "a{b}.csv"},
        "at.source: has braces, 'a{b}.csv', and Snakemake takes them for names; rename it",
    ),
    (
        Suite,
        {**SUITE, "source": ["a.csv", "b}.csv"]},
        "at.source.1: has braces, 'b}.csv', and Snakemake takes them for names; rename it",
    ),
    (
        Suite,
        {**SUITE, "csv": "~nobody-here/data"},
        "at.csv: is '~nobody-here/data', and nobody has such a home; write the whole path",
    ),
    # mappings of names
    (Cost, {"watts": {"cpu": -1}}, "at.watts.cpu: must be above 0, not -1"),
    (
        MASKINGS.union,
        {"name": "cm_gems", "probability": {"genemask": "0.1"}},
        f"at.probability.genemask: must be a number, not '0.1'{TEXT}",
    ),
    (
        Suite,
        {**SUITE, "by_task": {"H3": {"epoch": 1}}},
        "at.by_task.H3: unknown key 'epoch'; did you mean 'epochs'?",
    ),
    (
        Suite,
        {**SUITE, "by_student": {"logo": {"by_task": {"H3": {"epochs": 0}}}}},
        "at.by_student.logo.by_task.H3.epochs: must be at least 1, not 0",
    ),
    # keys that are no text
    (Finetuning, {1: 2}, "at: the key 1 is not text; quote it"),
    (Suite, {**SUITE, "by_task": {True: {}}}, "at.by_task: the key true is not text; quote it"),
    # unions of blocks
    (
        STUDENTS.union,
        {"architecture": "hybird"},
        "at.architecture: unknown value 'hybird'; did you mean 'hybrid'?",
    ),
    (STUDENTS.union, {}, "at: 'architecture' is missing; add it"),
    (STUDENTS.union, "hybrid", "at: must be keys and values, not 'hybrid'"),
    (
        STUDENTS.union,
        {"architecture": "chordmixer", "heads": 2},
        "at: unknown key 'heads'; known: architecture, blocks,",
    ),
    (
        STUDENTS.union,
        {"architecture": "bert", "num_attention_heads": 7},
        "at.hidden_size: must be a multiple of num_attention_heads (7), not 768",
    ),
    (
        STUDENTS.union,
        {"architecture": "hybrid", "attention_heads": 3},
        "at.hidden_size: must be a multiple of twice attention_heads (3), not 128: rotary heads "
        "have an even size",
    ),
    (
        PretrainingBlock,
        changed(window={"kind": "windws", "length": 9}),
        "at.window.kind: unknown value 'windws'; did you mean 'windows'?",
    ),
    (PretrainingBlock, changed(window={"length": 9}), "at.window: 'kind' is missing; add it"),
    (
        PretrainingBlock,
        changed(window={**WINDOW, "kind": "pieces", "count": 3}),
        "at.window: unknown key 'count'; known: duplicates, kind, length, unknown",
    ),
    (
        PretrainingBlock,
        changed(window={**WINDOW, "length": "9"}),
        f"at.window.length: must be an integer, not '9'{TEXT}",
    ),
    (PretrainingBlock, changed(window=[]), "at.window: must be keys and values, not []"),
    (
        Run,
        {"student": "x", "objective": {"name": "hda"}},
        "at.objective.name: unknown value 'hda'; did you mean 'had'?",
    ),
    (
        Teacher,
        {"train": {"student": "x", "objective": {"name": "had", "pooled": 1}}},
        "at.train.objective.pooled: must be true or false, not 1",
    ),
    # unions of plain values
    (Pmi, {"threshold": "scald"}, "at.threshold: must be a number or 'scaled', not 'scald'"),
    (Pmi, {"threshold": 0.5}, "at.threshold: must be above 1 or 'scaled', not 0.5"),
    (Suite, {**SUITE, "source": 3}, "at.source: must be text or a list, not 3"),
    (Suite, {**SUITE, "source": ["a.csv", 3]}, "at.source.1: must be text, not 3; quote it"),
    (Suite, {**SUITE, "source": ["a.csv", "a.csv"]}, "at.source: holds the same twice; remove one"),
    (
        TSNEWithTeachers,
        {"teachers": "nt"},
        "at.teachers: must be true or false or a list, not 'nt'",
    ),
    # what a block says of several of its keys
    (
        Finetuning,
        {"selection": "last", "dev": "by_seed"},
        "at.dev: by_seed draws what selects, and with `selection: last` nothing does; drop one",
    ),
    (
        MASKINGS.union,
        {"name": "genemask", "mask_share": 0.9, "random_share": 0.2},
        "at: mask_share + random_share is more than 1; lower one",
    ),
    (
        OBJECTIVES.union,
        {"name": "findna", "contrastive_weight": 0.5},
        "at.contrastive_weight: compares two views; set symmetric: true, or 0",
    ),
    (Teacher, {}, "at: give one of `dataset:` and `train:`"),
    # of two mistakes, the typo first, and what is missing last
    (
        Finetuning,
        {"epochs": 0, "batchsize": 8},
        "at: unknown key 'batchsize'; did you mean 'batch_size'?",
    ),
    (PretrainingBlock, {"step": 5}, "at: unknown key 'step'; did you mean 'steps'?"),
    (PretrainingBlock, {"steps": 0}, "at.steps: must be at least 1, not 0"),
]


@pytest.mark.parametrize(("kind", "values", "message"), MISTAKES)
def test_a_mistake_is_one_line(kind: Any, values: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(kind, values, "at")
    line = str(caught.value)
    assert line.startswith(message) if message.endswith((",", ": ")) else line == message
    assert "\n" not in line


def test_the_top_of_the_configuration_is_named() -> None:
    with pytest.raises(InputError, match=r"^config: unknown key 'epoch'; did you mean 'epochs'\?$"):
        parse(Finetuning, {"epoch": 3})
    with pytest.raises(InputError, match=r"^grid: must be keys and values, not 3$"):
        parse(Finetuning, {"grid": 3})
    with pytest.raises(InputError, match=r"^config: must be keys and values, not 3$"):
        parse(Finetuning, 3)


def test_all_mistakes_are_explained_typos_first() -> None:
    with pytest.raises(ValidationError) as caught:
        PretrainingBlock(step=1, batch_size=0, window={}, optimizer={"learning_rate": 1.0})  # type: ignore[call-arg,arg-type]
    lines = mistakes(caught.value, PretrainingBlock, "at")
    assert lines == [
        "at: unknown key 'step'; did you mean 'steps'?",
        "at.batch_size: must be at least 1, not 0",
        "at.window: 'kind' is missing; add it",
        "at: 'steps' is missing; add it",
    ]


def test_a_part_may_lack_what_another_block_has() -> None:
    check_part(Run, {"objective": {}, "pretraining": {"steps": 3}}, "runs.base")
    with pytest.raises(InputError, match=r"^runs\.base\.pretraining: unknown key 'step'"):
        check_part(Run, {"pretraining": {"step": 3}}, "runs.base")
    with pytest.raises(InputError, match=r"^runs\.base\.pretraining: the key 3 is not text"):
        check_part(Run, {"pretraining": {3: 3}}, "runs.base")


def test_numbers_and_lists_are_taken_as_yaml_gives_them() -> None:
    found = parse(Finetuning, {"learning_rate": 1, **grid(learning_rate=[1, 0.5])})
    assert found.learning_rate == 1.0
    assert isinstance(found.learning_rate, float)
    assert found.grid is not None
    assert found.grid.learning_rate == (1.0, 0.5)
    assert parse(Suite, {**SUITE, "source": ["a", "b"]}).source == ("a", "b")


def test_the_home_folder_is_put_in_for_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    found = parse(Suite, {**SUITE, "source": ["~/a.csv", "b~.csv"]})
    assert found.source == ("/home/me/a.csv", "b~.csv")
    assert parse(Suite, found.as_json()) == found
    assert parse(Suite, {**SUITE, "csv": "~"}).csv == "/home/me"


BERT = {"architecture": "bert"}
IMPOSSIBLE: list[tuple[dict[str, Any], str]] = [
    (
        {"objective": {"name": "findna"}},
        "student: the objective 'findna' adds CLS positions, which bert does not have; "
        "choose a chordmixer",
    ),
    (
        {"objective": {"name": "had"}},
        "student: the objective 'had' hides bases one by one, and a token of bert is not a single "
        "base; choose a hybrid",
    ),
    (
        {
            "student": {"architecture": "hybrid", "hidden_size": 24, "attention_heads": 3},
            "objective": {"name": "had", "decoder_heads": 5},
        },
        "objective.decoder_heads: must divide the width of the student's features (24), which 5 "
        "does not",
    ),
    (
        {"student": {"architecture": "hybrid"}, "masking": {"name": "genemask"}},
        "masking: 'genemask' follows a ranking of k-mers, which hybrid does not read; choose "
        "bernoulli or random_span",
    ),
    (
        {"pretraining": changed(window={"kind": "windows", "length": 516}, splits=SPLITS)},
        "pretraining.window.length: must be at most 515, the bases that the student has "
        "positions for, not 516",
    ),
]


@pytest.mark.parametrize(("values", "message"), IMPOSSIBLE)
def test_what_no_job_could_train_is_refused(values: dict[str, Any], message: str) -> None:
    run = {"student": BERT, "objective": {"name": "masked_lm"}, **values}
    if run["objective"]["name"] == "masked_lm":
        run.setdefault("masking", {"name": "random_span"})
    run.setdefault("pretraining", changed(splits=SPLITS))
    with pytest.raises(InputError) as caught:
        parse(RunSettings, run).require_possible()
    assert str(caught.value) == message


@pytest.mark.parametrize(("positions", "bases"), [(8, 11), (512, 515)])
def test_the_longest_sequence_of_bert_fills_its_positions(positions: int, bases: int) -> None:
    student = STUDENTS.parse({**BERT, "max_position_embeddings": positions})
    tokens = tokenizers.build(student.tokenizer).encode("A" * bases)
    assert student.longest == bases
    assert len(tokens) == positions


@pytest.mark.parametrize("name", STUDENTS)
def test_a_students_width_is_what_its_settings_say(name: str) -> None:
    small = {"chordmixer": {"blocks": 1, "hidden_size": 8}}.get(name, {"num_hidden_layers": 1})
    for values in (small, {**small, "width": 30}) if name == "chordmixer" else (small,):
        student = STUDENTS.parse({"architecture": name, **values})
        model = models.build(student, tokenizers.build(student.tokenizer))
        assert model.feature_size == student.feature_size
        assert model.has_cls == student.has_cls


def test_settings_are_frozen_and_parsed_once() -> None:
    found = parse(Finetuning, {"epochs": 3})
    assert parse(Finetuning, found) is found
    with pytest.raises(ValidationError, match="frozen"):
        found.epochs = 4  # type: ignore[misc]
    assert found.changed(epochs=4) == parse(Finetuning, {"epochs": 4})
    with pytest.raises(ValidationError, match="epochs"):
        found.changed(epochs=0)


def test_the_last_layer_that_sets_a_key_wins() -> None:
    layers = [{"epochs": 3, "dropout": 0.2}, {"epochs": 5, "batch_size": 8}, {"batch_size": 32}]
    found = layered(*(parse(Finetuning, layer) for layer in layers))
    assert found == parse(Finetuning, {"epochs": 5, "dropout": 0.2, "batch_size": 32})


def test_a_run_has_the_masking_of_its_paper() -> None:
    block = changed(splits={"train": ["chr1"]})
    values = {"student": {"architecture": "hybrid"}, "pretraining": block}
    had = parse(RunSettings, {**values, "objective": {"name": "had"}}, "run")
    assert had.masking == MASKINGS.parse({"name": "teacher_groups"})
    with pytest.raises(InputError, match=r"^run\.masking: is missing; choose bernoulli or "):
        parse(RunSettings, {**values, "objective": {"name": "masked_lm"}}, "run")
    with pytest.raises(InputError, match=r"^run: 'pretraining' is missing; add it$"):
        parse(RunSettings, {**values, "objective": {"name": "had"}, "pretraining": None}, "run")
    wrong = {**values, "objective": {"name": "had"}, "pretraining": changed()}
    with pytest.raises(InputError, match=r"^run\.pretraining\.splits: 'train' names nothing"):
        parse(RunSettings, wrong, "run")


def test_blocks_compare_by_value() -> None:
    one, same = (parse(Pmi, {"k": 4, "sequences": ["chr1"]}) for _ in range(2))
    assert one == same
    assert isinstance(one, Settings)
    assert one != parse(Pmi, {"k": 5, "sequences": ["chr1"]})
