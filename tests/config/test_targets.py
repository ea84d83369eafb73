"""Which tables and figures a configuration gives."""

from __future__ import annotations

from pathlib import Path

from dnastudents.config import load_config
from dnastudents.config.targets import figure_names, table_names

DEMO = {"extends": "demo/demo.yaml"}


def test_the_demo(root: Path) -> None:
    demo = load_config(root, DEMO)
    assert table_names(demo) == ["simulated", "benchmarks", "pretraining", "comparisons"]
    assert figure_names(demo) == [
        *("comparisons", "heatmap", "ranks", "against_cost", "overview_simulated", "losses"),
        *("tsne_simulated_lexicon", "confusion_simulated", "pmi"),
    ]


def test_the_papers_have_a_figure_of_each_kind_and_none_twice(root: Path) -> None:
    papers = load_config(root)
    figures, tables = figure_names(papers), table_names(papers)
    assert len(set(figures)) == len(figures) and len(set(tables)) == len(tables)
    assert {f"overview_{suite}" for suite in papers.suites} < set(figures)
    assert {"few_shot", "pmi", "tsne_gue_prom_core_tata"} <= set(figures)


def test_one_run_that_never_learns_on_one_task(root: Path) -> None:
    alone = {"runs": {"had_scratch": {}}, "suites": {"simulated": {"tasks": ["words"]}}}
    config = load_config(root, {**DEMO, **alone, "figures": {"tsne": {"tasks": []}}})
    assert table_names(config) == ["simulated", "benchmarks"]
    expected = ["heatmap", "against_cost", "overview_simulated", "confusion_simulated"]
    assert figure_names(config) == expected
