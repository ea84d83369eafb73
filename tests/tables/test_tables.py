import json
import re
import shutil
import subprocess

import pandas as pd
import pytest

from dnastudents.benchmarks.groups import groups_of
from dnastudents.benchmarks.task import write_task
from dnastudents.cli import main
from dnastudents.errors import InputError
from dnastudents.results.rows import collect
from dnastudents.tables.benchmarks import write_benchmarks_table
from dnastudents.tables.render import PANEL_COLUMNS, Sheet, escape, latex, markdown
from dnastudents.tables.results import write_table

GB = "genomic_benchmarks"
LATEX_NEEDS = r"% needs \usepackage{booktabs,graphicx}"
TASKS = ["human_nontata_promoters", "human_enhancers_cohn"]


@pytest.fixture
def published(root):
    return root / "workflow/resources/published_results.csv"


@pytest.fixture
def tables(rows, tmp_path, published):
    """Metrics of two runs on two tasks, and what `write_table` makes of them."""
    facts = {"suite": GB, "metric": "accuracy"}
    folders = [
        rows("had", TASKS[0], [0.90, 0.92, 0.94], **facts),
        rows("had", TASKS[1], [0.70, 0.71, 0.72], **facts),
        rows("had_scratch", TASKS[0], [0.80, 0.81, 0.82], **facts),
        rows("kmer_logistic", TASKS[0], [0.85], **facts),
        rows("kmer_logistic", TASKS[1], [0.7104], **facts),
    ]

    def write(runs=("had",), tasks=TASKS, changed=()):
        collect([*folders, *changed], tmp_path / "metrics.csv")
        write_table(tmp_path / "metrics.csv", GB, published, tmp_path / "t.csv", runs, tasks)
        return {kind: (tmp_path / f"t.{kind}").read_text() for kind in ("csv", "md", "tex")}

    write.csv = tmp_path / "t.csv"
    return write


def line_of(text, start):
    return next(line for line in text.splitlines() if line.startswith(start))


def test_own_rows(tables):
    text = tables()["md"]
    header = "| method | seeds | human_nontata_promoters (accuracy) |"
    assert line_of(text, header).endswith("| human_enhancers_cohn (accuracy) | mean |")
    # t(0.975, 2) = 4.303; sd 2.0 and 1.0; n 3
    assert line_of(text, "| had |") == "| had | 3 | **92.0 ± 5.0** | **71.0 ± 2.5** | **81.5** |"
    # the twin stands there though it was not asked for, without a mean as it lacks a task
    assert line_of(text, "| had_scratch |") == "| had_scratch | 3 | 81.0 ± 2.5 | \u2013 | \u2013 |"
    # one deterministic fit: no interval; equal as shown, so bold too
    assert line_of(text, "| kmer_") == "| kmer_logistic | 1 | 85.0 | **71.0** | 78.0 |"


def test_published_rows_keep_their_source_and_spread(tables):
    text = tables()["md"]
    assert (
        line_of(text, "| Caduceus-PS [")
        == "| Caduceus-PS [1] |  | 94.5 (1.0) | 74.5 (0.7) | 84.5 |"
    )
    number = re.search(r"FinDNA \[(\d)\]", text)[1]
    assert line_of(text, f"- [{number}]").startswith(f"- [{number}] BioGeMT/agentomics-ml")
    assert (
        "[1] Caduceus paper (arXiv 2403.03234), Table 1 (verified; in parentheses: max minus"
        in text
    )
    # two papers' numbers of one model are two rows
    scores = text.partition("size and means")[0]
    assert len(re.findall(r"^\| HyenaDNA \[\d\] ", scores, re.M)) == 2


def test_a_published_mean_needs_the_same_tasks(tables):
    assert "HAD [" not in tables()["md"]  # its mean is of 8 tasks, the table has 2


@pytest.mark.parametrize(("last", "shown"), [("human_ocr_ensembl", True), ("other", False)])
def test_and_not_only_as_many(rows, tmp_path, published, last, shown):
    tasks = [
        "dummy_mouse_enhancers_ensembl",
        "demo_coding_vs_intergenomic_seqs",
        "demo_human_or_worm",
        "human_enhancers_cohn",
        "human_enhancers_ensembl",
        "human_ensembl_regulatory",
        "human_nontata_promoters",
        last,
    ]
    facts = {"suite": GB, "metric": "accuracy"}
    collect([rows("had", task, [0.9], **facts) for task in tasks], tmp_path / "metrics.csv")
    write_table(tmp_path / "metrics.csv", GB, published, tmp_path / "t.csv", ["had"])
    assert ("| HAD [" in (tmp_path / "t.md").read_text()) == shown


def test_the_baseline_is_described_as_it_was_made(tables, rows):
    facts = {"suite": GB, "metric": "accuracy", "kmer_lengths": "1 to 3"}
    changed = [rows("kmer_logistic", task, [0.8], **facts) for task in TASKS]
    assert "k = 1 to 3, strength" in tables(changed=changed)["md"]


def test_csv_holds_numbers(tables):
    tables()
    frame = pd.read_csv(tables.csv).set_index("method")
    had = frame.loc["had"]
    assert had["human_nontata_promoters (accuracy)"] == 92.0
    assert had["human_nontata_promoters ci95"] == pytest.approx(4.968, abs=1e-3)
    assert had["human_nontata_promoters seeds"] == 3
    assert pd.isna(frame.loc["had_scratch", "human_enhancers_cohn (accuracy)"])
    caduceus = frame.loc["Caduceus-PS [1]"]
    assert caduceus["human_nontata_promoters spread"] == pytest.approx(1.0)
    assert pd.isna(caduceus["human_nontata_promoters ci95"])
    assert set(frame["kind"]) == {"ours", "baseline", "published"}


def test_latex_is_escaped_and_balanced(tables):
    text = tables()["tex"]
    assert r"had\_scratch & 3 & 81.0 $\pm$ 2.5 & -- & --" in text
    assert r"\textbf{92.0 $\pm$ 5.0}" in text
    assert text.count(r"\begin{") == text.count(r"\end{")
    body = text.replace(LATEX_NEEDS, "").replace("{!}{%", "{!}{")
    assert not re.search(r"(?<!\\)[_%#]", body)
    labels = re.findall(r"\\label\{(.*?)\}", text)
    assert len(set(labels)) == len(labels) == text.count(r"\begin{table}")


def test_simulated_rows_are_labelled_everywhere(tables, rows):
    changed = rows("had", TASKS[0], [0.9], suite=GB, metric="accuracy", simulated=True)
    for text in tables(changed=[changed]).values():
        assert "had (simulated pretraining)" in text
        assert "had_scratch (simulated" not in text
    assert "(simulated pretraining)**" in tables()["md"]
    assert "- Simulated pretraining: " in tables()["md"]
    facts = {"suite": GB, "metric": "accuracy", "simulated": True}
    changed = [rows("kmer_logistic", TASKS[0], [0.85], **facts), changed]
    for text in tables(changed=changed).values():
        assert "had (simulated)" in text
    assert "(simulated data)**" in tables()["md"]


def test_modes_are_named_in_a_footnote(tables, rows):
    assert "Recipes: as_described" in tables()["md"]
    released = rows("findna", TASKS[0], [0.9], suite=GB, metric="accuracy", mode="as_released")
    described = rows("had", TASKS[0], [0.9], suite=GB, metric="accuracy", mode="as_described")
    text = tables(runs=["had", "findna"], changed=[released, described])["md"]
    assert re.search(r"^- as_released .*: findna\.$", text, re.M)
    # nothing is said of rows without one, as of a checkpoint of others
    assert re.search(r"^- as_described .*: had\.$", text, re.M)


def test_another_start_is_named_in_a_footnote(tables, rows):
    assert "Initialisation" not in tables()["md"]
    for task in TASKS[:2]:
        rows("had", task, [0.9], suite=GB, metric="accuracy", initialisation="range 0.1")
    assert re.search(r"^- Initialisation: range 0\.1: had\.$", tables()["md"], re.M)


def test_parts_are_named_in_a_footnote(tables, rows):
    assert "equal parts" not in tables()["md"]
    rows("had", TASKS[0], [0.9], suite=GB, metric="accuracy", pooling="parts", pooling_parts=7)
    said = "Features are means over each of 7 equal parts of a sequence, side by side: had"
    assert line_of(tables()["md"], "- Features") == f"- {said} ({TASKS[0]})."
    rows("had", TASKS[1], [0.7], suite=GB, metric="accuracy", pooling="parts", pooling_parts=7)
    assert line_of(tables()["md"], "- Features") == f"- {said}."


def test_what_a_grid_has_chosen_is_named_in_a_footnote(tables, rows):
    assert "grid" not in tables()["md"]
    facts = {"suite": GB, "metric": "accuracy", "grid": "learning_rate, pooling"}
    rows("had", TASKS[0], [0.9], **facts, pooling="parts", pooling_parts=7)
    rows("had", TASKS[1], [0.7], **facts, pooling="mean")
    text = tables()["md"]
    said = "from a grid of learning_rate, pooling: had."
    assert line_of(text, "- Chosen on dev") == f"- Chosen on dev, for each task, {said}"
    assert line_of(text, "- Features").endswith(f"side by side: had ({TASKS[0]}).")


def test_a_failed_seed_cannot_be_overlooked(tables, rows):
    whole = tables()
    assert "failed" not in whole["csv"] + whole["md"]
    folder = rows("had", TASKS[0], [0.90, 0.92, 0.94], suite=GB, metric="accuracy")
    record = {"seed": 3, "reason": "the loss is nan in epoch 2", "kind": "diverged"}
    (folder / "failed_seed_3.json").write_text(json.dumps(record))
    text = tables()
    expected = "| had | 3 | **92.0 ± 5.0 † n = 3/4** | **71.0 ± 2.5** | **81.5 †** |"
    assert line_of(text["md"], "| had |") == expected
    assert line_of(text["md"], "| had_scratch |") == line_of(whole["md"], "| had_scratch |")
    assert f"- † had on {TASKS[0]}, seed 3: the loss is nan in epoch 2" in text["md"]
    assert line_of(text["md"], "- † n = finished/all seeds.")
    assert r"92.0 $\pm$ 5.0 $\dagger$ n = 3/4" in text["tex"]
    failed = pd.read_csv(tables.csv).set_index("method")[f"{TASKS[0]} failed seeds"]
    assert failed["had"] == 1
    assert failed["had_scratch"] == 0
    assert pd.isna(failed["Caduceus-PS [1]"])


def test_a_score_that_says_nothing_cannot_be_overlooked(tables, rows):
    whole = tables()
    assert "\u2021" not in whole["md"]
    assert "unsound" not in whole["csv"]
    facts = {"suite": GB, "metric": "accuracy"}
    rows("had", TASKS[0], [0.90], **facts, constant=True, undefined=["mcc"], seed=0)
    rows("had", TASKS[1], [0.5], **facts, constant=False, equal_features=True, seed=1)
    text = tables()
    cells = line_of(text["md"], "| had |").split("|")
    assert [("\u2021" in cell) for cell in cells[3:6]] == [True, True, True]
    assert line_of(text["md"], "| had_scratch |") == line_of(whole["md"], "| had_scratch |")
    assert f"\u2021 had on {TASKS[0]}, seed 0: one class is predicted throughout" in text["md"]
    assert f"\u2021 had on {TASKS[1]}, seed 1: all frozen features are equal" in text["md"]
    assert "undefined" not in text["md"]  # accuracy is judged here, and it is defined
    assert r"$\ddagger$" in text["tex"]
    said = pd.read_csv(tables.csv).set_index("method")[f"{TASKS[0]} unsound"]
    assert said["had"]
    assert not said["had_scratch"]


def test_an_undefined_metric_is_said(rows, tmp_path):
    folder = rows("had", "tf_0", [0.0, 0.4], undefined=None)
    rows("had", "tf_0", [0.0], seed=0, constant=True, undefined=["mcc"])
    collect([folder], tmp_path / "m.csv")
    write_table(tmp_path / "m.csv", "gue", None, tmp_path / "t")
    text = (tmp_path / "t.md").read_text()
    assert "\u2021 had on tf_0, seed 0: mcc is undefined, and 0 by convention" in text
    assert "seed 0, 1" not in text


def test_runs_that_read_only_the_beginning_are_named(tables, rows):
    assert "Only the beginning" not in tables()["md"]
    facts = {"suite": GB, "metric": "accuracy"}
    cut = rows("logo_random", TASKS[0], [0.9], **facts, n_truncated=7)
    whole = rows("logo_random", TASKS[1], [0.9], **facts, n_truncated=0)
    text = tables(runs=["had", "logo_random"], changed=[cut, whole])["md"]
    note = f"Only the beginning of longer sequences is read by logo_random ({TASKS[0]})."
    assert note in text


@pytest.mark.parametrize(
    ("output", "base"), [("t.csv", "t"), ("t.md", "t"), ("t", "t"), ("t.v2", "t.v2")]
)
def test_three_files_keep_the_name_that_was_given(output, base, rows, tmp_path):
    collect([rows("had", "tf_0", [0.4])], tmp_path / "m.csv")
    words = ["table", "gue", "--metrics", tmp_path / "m.csv", "--tasks", "tf_0"]
    assert main([*map(str, words), "--output", str(tmp_path / output)]) == 0
    written = {path.name for path in tmp_path.glob("t*") if path.is_file()}
    assert written == {f"{base}.csv", f"{base}.md", f"{base}.tex"}


def test_another_metric_is_not_comparable(rows, tmp_path, published):
    collect([rows("had", TASKS[0], [0.9], suite=GB, metric="mcc")], tmp_path / "m.csv")
    write_table(tmp_path / "m.csv", GB, published, tmp_path / "t")
    text = (tmp_path / "t.md").read_text()
    assert "Caduceus" not in text
    assert "No published number" in text
    assert line_of(text, "| kmer_logistic") == "| kmer_logistic |  | \u2013 |"


def test_unknown_suite_and_task(tables, tmp_path, published):
    tables()
    with pytest.raises(InputError, match="no row of suite 'gue'"):
        write_table(tmp_path / "metrics.csv", "gue", published, tmp_path / "t")
    with pytest.raises(InputError, match="no task H3"):
        write_table(tmp_path / "metrics.csv", GB, published, tmp_path / "t", None, ["H3"])


def test_wide_tables_are_broken_and_empty_rows_left_out():
    headers = ["method", *(f"t{index}" for index in range(2 * PANEL_COLUMNS))]
    full = ["full", *map(str, range(2 * PANEL_COLUMNS))]
    half = ["half", *["1.0"] * PANEL_COLUMNS, *["\u2013"] * PANEL_COLUMNS]
    empty = ["empty", *["\u2013"] * (2 * PANEL_COLUMNS)]
    sheet = Sheet("T", headers, [full, half, empty], notes=["a & b"], bold={(0, 1)})
    text = markdown(sheet)
    assert [len(columns) for columns, _ in sheet.panels()] == [PANEL_COLUMNS + 1] * 2
    assert text.count("| full |") == text.count("| empty |") == 2
    assert text.count("| half |") == 1
    assert "| full | **0** | 1 |" in text
    assert latex(sheet).count(r"\begin{table}") == 2
    assert latex(sheet).count(r"a \& b\par") == 1


def test_escape_survives_every_special_sign():
    assert escape(r"a_b%c&d#e$f{g}~^") == (
        r"a\_b\%c\&d\#e\$f\{g\}\textasciitilde{}\textasciicircum{}"
    )
    assert escape("\\") == r"\textbackslash{}"


def test_benchmarks_table(tmp_path):
    def frame(*sequences):
        return pd.DataFrame({"sequence": sequences, "label": [0, 1] * (len(sequences) // 2)})

    splits = {
        "train": frame("ACGT", "ACGTN", "ACGT", "AAAA"),  # one repeated
        "dev": frame("CCCC", "GGGGGG"),
        "test": frame("AAAA", "TTTT"),  # AAAA is in train with another label
    }
    folder = tmp_path / "tasks/mine"
    write_task(folder, "mine", "a_task", splits, ["not so", "yes"], "mcc", notes=["a substitute"])
    write_benchmarks_table([folder], tmp_path / "benchmarks.csv")
    text = (tmp_path / "benchmarks.md").read_text()
    row = line_of(text, "| a_task")
    assert (
        row
        == "| a_task | 2 | MCC | 4 | 2 | 2 | 4\u20136 (4) | 1 | 1 | 0 | 1 | 2.9 | 50 | 50 | 100 |"
    )
    assert "mine/a_task: a substitute" in text
    assert r"a\_task & 2 & MCC" in (tmp_path / "benchmarks.tex").read_text()
    numbers = pd.read_csv(tmp_path / "benchmarks.csv")
    assert numbers.loc[0, ["classes", "n_classes"]].tolist() == ["not so, yes", 2]
    assert numbers.loc[0, ["train", "leaks", "dev_rule"]].tolist() == [4, 1, "official"]
    assert numbers.loc[0, ["leakage", "removed", "dev_and_test"]].tolist() == ["report", 0, 0]
    assert numbers.loc[0, ["test_exact", "test_reverse_complement", "test_near"]].tolist() == [
        1,
        1,
        2,
    ]
    (folder / "leaks.json").unlink()
    write_benchmarks_table([folder], tmp_path / "benchmarks.csv")
    row = line_of((tmp_path / "benchmarks.md").read_text(), "| a_task")
    assert row.endswith("| 2.9 | \u2013 | \u2013 | \u2013 |")


def test_benchmarks_table_says_what_was_removed_and_where_dev_is_from(tmp_path):
    sequences = ["ACGT", "AAAA", "CCCC", "GGGG", "GTGT"]
    train = pd.DataFrame({"sequence": sequences, "label": [0, 1, 0, 1, 1]})
    splits = {"train": train, "test": train[:1].assign(sequence="GTGT")}
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        write_task(folder, "mine", folder.name, splits, ["a", "b"], "mcc", leakage="remove")
    for name, own in (("x", {**splits, "dev": train}), ("y", splits)):
        folders.append(tmp_path / name)
        write_task(folders[-1], "own", name, own, ["a", "b"], "mcc")
    table = write_benchmarks_table(folders, tmp_path / "t")
    assert table["removed"].tolist() == [1, 1, 0, 0]
    assert table["leaks"].tolist() == [0, 0, 1, 1]
    text = (tmp_path / "t.md").read_text()
    assert "- dev, mine, own (y): 0.1 of each class of train, at least 1, drawn" in text
    assert "- dev, own (x): official." in text


@pytest.fixture
def gue(rows, tmp_path, published):
    """The table of two groups of GUE, one of which is not whole."""
    tasks = ["prom_core_all", "prom_core_notata", "prom_core_tata", "tf_0"]
    folders = [rows("had", task, [0.6 + 0.1 * n]) for n, task in enumerate(tasks)]
    folders += [rows("findna", task, [0.7]) for task in tasks]
    folders += [rows("logo", "tf_0", [0.95])]
    for name, hours in (("had", 2), ("had@1", 4)):
        run = tmp_path / "pretrain" / name
        run.mkdir(parents=True)
        facts = {"parameters": 12_651_873, "tokens": 3_000_000_000, "wall_seconds": 3600 * hours}
        (run / "metrics.json").write_text(json.dumps({**facts, "device": "H100", "processes": 2}))
    collect(folders, tmp_path / "m.csv")
    pretrainings = [run.with_name("had"), run]
    order = ["findna", "had", "logo"]
    files = (tmp_path / "m.csv", "gue", published, tmp_path / "t")
    write_table(*files, order, tasks, pretrainings)
    return tmp_path / "t.md"


def test_means_of_groups_and_ranks(gue):
    summary = gue.read_text().partition("size and means")[2]
    headers = "parameters | pretraining tokens | device hours | CPD (3) | mean | mean rank |"
    assert line_of(summary, "| method |") == f"| method | seeds | {headers}"
    had, findna = line_of(summary, "| had |"), line_of(summary, "| findna |")
    # of had 60, 70, 80, 90 and of findna 70 on each: ranks 2, 1.5, 1, 1 and 1, 1.5, 2, 2
    assert had == "| had | 1 | 12.7 M | 3 G | 6 | **70.0** | **75.0 \u2605** | 1.38 |"
    assert findna.endswith("| **70.0** | 70.0 | 1.62 |")
    assert line_of(summary, "| logo |").endswith("| \u2013 | \u2013 | \u2013 |")
    numbers = pd.read_csv(gue.with_suffix(".csv")).set_index("method")
    assert numbers.loc["had", ["parameters", "pretraining_device_hours"]].tolist() == [12651873, 6]
    assert numbers.loc["had", "CPD (3)"] == pytest.approx(70)


def test_the_best_of_all_is_marked(gue):
    scores = gue.read_text().partition("size and means")[0]
    best = max(pd.read_csv(gue.with_suffix(".csv"))["tf_0 (mcc)"])
    assert best == 95.0
    assert line_of(scores, "| logo |").split(" | ")[5] == "**95.0 \u2605**"
    stars = [line for line in scores.splitlines() if line.startswith("|") and "\u2605" in line]
    assert any("[1]" in line for line in stars)  # elsewhere a published one is better


def test_groups_are_of_known_tasks(root):
    known = pd.read_csv(root / "workflow/resources/tasks.csv")
    for suite in ("gue", "nucleotide_transformer", "nucleotide_transformer_revised"):
        grouped = [task for tasks in groups_of(suite).values() for task in tasks]
        assert sorted(grouped) == sorted(set(known.loc[known["suite"] == suite, "task"]))
    assert groups_of("mine") == {}


def test_latex_compiles(gue, tables, tmp_path):
    """With nothing but booktabs and graphicx."""
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex here: LaTeX is not compiled")
    tables()
    odd = Sheet("Signs: 50 % & _ ≥ ★", ["a", "b"], [["†", "‡"], ["x|y", "\u2013"]], ["~^\\{}"])
    (tmp_path / "odd.tex").write_text(latex(odd))
    inputs = "".join(rf"\input{{{tmp_path / name}}}" for name in ("t.tex", "odd.tex"))
    text = rf"\documentclass{{article}}\usepackage{{booktabs,graphicx}}\begin{{document}}{inputs}"
    (tmp_path / "paper.tex").write_text(text + r"\end{document}")
    call = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "too large" not in done.stdout
