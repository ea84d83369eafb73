import json

import pandas as pd
import pytest

from dnastudents.errors import InputError
from dnastudents.tables.pretraining import write_pretraining_table
from small_students import BERT, PRETRAINING


def finished(folder, name, seed, perplexity, masking="cm_gems", switch=20, start=None):
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
        "validation": {"loss": 2.0, "perplexity": perplexity, "masked_accuracy": 0.25},
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
    pd.DataFrame(rows).to_csv(folder / "history.csv", index=False)
    return folder


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
    lines = (tmp_path / "t.md").read_text().splitlines()
    ours = next(line for line in lines if line.startswith("| gems"))
    assert ours.startswith("| gems (3 seeds) | 5,000 | 40 \u00d7 16 | 100 | 2.0 |")
    assert ours.endswith("| 1,100 ± 248 | 20, 30, never |")
    control = next(line for line in lines if line.startswith("| random"))
    assert control.endswith("| 3.142 | \u2013 |")
    assert len(pd.read_csv(tmp_path / "t.csv")) == 4


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
