import json

import pandas as pd
import pytest

from dnastudents.errors import InputError
from dnastudents.tables.pretraining import write_pretraining_table
from small_students import BERT, PRETRAINING


def finished(
    folder, name, seed, perplexity, masking="cm_gems", switch=20, start=None, plain=1200.0, **more
):
    folder = folder / name
    folder.mkdir()
    metrics = {
        "parameters": 5000,
        "steps": 40,
        "tokens": 8000,
        "tokens_per_second": 100.0,
        "wall_seconds": 120.0,
        "seed": seed,
        "device": "cpu",
        "simulated": False,
        "validation": {
            "loss": 2.0,
            "hidden": 2.5,
            "perplexity": perplexity,
            "accuracy": 0.25,
            "shown_accuracy": 0.5,
            "frequency_perplexity": plain,
            "markov_perplexity": 2.345678,
        },
        **more,
    }
    student = BERT if start is None else BERT | {"initialisation": start}
    settings = {
        "student": student,
        "objective": {"name": "masked_lm"},
        "masking": {"name": masking},
    }
    settings["pretraining"] = PRETRAINING
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "settings.json").write_text(json.dumps(settings))
    stages = ["genemask" if step <= switch else "global_pmi" for step in (10, 20, 30, 40)]
    rows = {"step": (10, 20, 30, 40), "split": "validation", "stage": stages, "loss": 2.0}
    rows["gradient_norm"] = (0.5, 0.25, None, 0.125)
    pd.DataFrame(rows).to_csv(folder / "history.csv", index=False)
    return folder


def lines_of(table, run):
    """A run's lines: what it took, what it reached."""
    return [line for line in table.read_text().splitlines() if line.startswith(f"| {run}")]


@pytest.mark.parametrize(("told", "shown"), [(0, 0), (15, 15), (39, 39), (40, None)])
def test_a_switch_that_was_told_is_shown_as_told(tmp_path, told, shown):
    """Whatever the rows of the history are."""
    folder = finished(tmp_path, "gems", 0, 1000.0)
    settings = json.loads((folder / "settings.json").read_text())
    settings["masking"] |= {"switch_step": told}
    (folder / "settings.json").write_text(json.dumps(settings))
    (step,) = write_pretraining_table([folder], tmp_path / "t.csv")["switch_step"]
    assert (None if pd.isna(step) else step) == shown


def test_replicas_are_one_line(tmp_path):
    folders = [
        finished(tmp_path, "gems", 0, 1000.0),
        finished(tmp_path, "gems@1", 1, 1200.0, switch=30),
        finished(tmp_path, "gems@2", 2, 1100.0, switch=40),
        finished(tmp_path, "random", 0, 3.14159, masking="random_span"),
    ]
    frame = write_pretraining_table(folders, tmp_path / "t.csv")
    assert frame["switch_step"].tolist()[:2] == [20, 30]
    assert frame["switch_step"].isna().tolist() == [False, False, True, True]
    took, reached = lines_of(tmp_path / "t.md", "gems")
    assert took == "| gems (3 seeds) | 5,000 | 40 \u00d7 16 | 100 | 2.0 |"
    assert reached == (
        "| gems (3 seeds) | 1,100 ± 248 ‡ | 1,200 | 2.346 | 0.25, 0.12 | 20, 30, never |"
    )
    control = lines_of(tmp_path / "t.md", "random")[1]
    assert control == "| random | 3.142 | 1,200 | 2.346 | 0.25, 0.12 | \u2013 |"
    written = pd.read_csv(tmp_path / "t.csv")
    assert len(written) == 4
    values = ["validation_accuracy", "validation_shown_accuracy", "validation_markov_perplexity"]
    assert written.loc[0, [*values, "gradient_norm", "gradient_norm_last"]].tolist() == [
        *(0.25, 0.5, 2.345678, 0.25, 0.125)
    ]


def test_who_learned_nothing_is_named(tmp_path):
    """1,200 is no better than 1,200; 0.99 times that is the limit; unknown ones pass."""
    nothing = {"teacher_perplexity": 3676.0, "teacher_frequency_perplexity": 3673.0}
    something = {"teacher_perplexity": 117.0, "teacher_frequency_perplexity": 1854.0}
    folders = [
        finished(tmp_path, "a", 0, 1188.0),
        finished(tmp_path, "b", 0, 1187.0),
        finished(tmp_path, "c", 0, 1300.0, plain=None),
        finished(tmp_path, "d", 0, 900.0, **nothing),
        finished(tmp_path, "e", 0, 900.0, **something),
    ]
    write_pretraining_table(folders, tmp_path / "t.csv")
    text = (tmp_path / "t.md").read_text()
    marked = [line for line in text.splitlines() if "‡" in line]
    assert marked[0].startswith("| a |")
    assert "a: perplexity 1,188 is no better than that of token frequencies, 1,200" in marked[1]
    assert len(marked) == 2
    assert "d: its teacher has perplexity 3,676, token frequencies have 3,673; it is no" in text
    assert "e: its teacher has perplexity 117, token frequencies have 1,854" in text


def test_a_perplexity_of_shown_tokens_too_is_left_out(tmp_path):
    """Versions before this one did not tell them apart."""
    folder = finished(tmp_path, "old", 0, 900.0)
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["validation"] = {"loss": 2.0, "perplexity": 900.0, "masked_accuracy": 0.25}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    pd.read_csv(folder / "history.csv").drop(columns="gradient_norm").to_csv(
        folder / "history.csv", index=False
    )
    write_pretraining_table([folder], tmp_path / "t.csv")
    reached = lines_of(tmp_path / "t.md", "old")[1]
    assert reached == "| old | \u2013 | \u2013 | \u2013 | \u2013 | 20 |"


def test_the_oracle_has_a_column_where_it_knows(tmp_path):
    folders = [finished(tmp_path, "made", 0, 2.0), finished(tmp_path, "other", 0, 2.0)]
    metrics = json.loads((folders[0] / "metrics.json").read_text())
    metrics["validation"]["oracle_perplexity"] = 1.75
    (folders[0] / "metrics.json").write_text(json.dumps(metrics))
    write_pretraining_table(folders, tmp_path / "t.csv")
    text = (tmp_path / "t.md").read_text()
    assert "| oracle |" in text
    assert "| 2.346 | 1.750 |" in lines_of(tmp_path / "t.md", "made")[1]
    assert "no student can have a lower one" in text
    write_pretraining_table(folders[1:], tmp_path / "t.csv")
    assert "oracle" not in (tmp_path / "t.md").read_text()


def test_a_curriculum_that_never_switched_says_so(tmp_path):
    write_pretraining_table([finished(tmp_path, "gems", 0, 900.0, switch=40)], tmp_path / "t.csv")
    assert (tmp_path / "t.md").read_text().count("| never |") == 1


def test_another_start_is_named_in_a_footnote(tmp_path):
    start = {"range": 0.1, "kmers": "composed"}
    folders = [finished(tmp_path, "new", 0, 9.0, start=start), finished(tmp_path, "old", 0, 900.0)]
    write_pretraining_table(folders, tmp_path / "t.csv")
    text = (tmp_path / "t.md").read_text()
    assert "- Initialisation: range 0.1, composed k-mers: new." in text.splitlines()
    write_pretraining_table(folders[1:], tmp_path / "t.csv")
    assert "Initialisation" not in (tmp_path / "t.md").read_text()


def test_an_unfinished_pretraining_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no finished pretraining"):
        write_pretraining_table([tmp_path], tmp_path / "t.csv")
