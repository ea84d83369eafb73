"""The shipped configurations, how blocks are merged, and what wrong keys and names say."""

from __future__ import annotations

from pathlib import Path
from shutil import copy, copytree
from typing import Any

import pytest
import yaml

from dnastudents import models
from dnastudents.config import export, load_config
from dnastudents.config.merge import merge
from dnastudents.errors import InputError, nearest
from dnastudents.genome import tokenizers
from dnastudents.masking.options import MASKINGS
from dnastudents.probes.options import KNNOptions

SHIPPED = {
    "had",
    "had_reconstruction_only",
    "had_distillation_only",
    "had_scratch",
    "findna",
    "findna_masking_only",
    "findna_scratch",
    *(f"dnabert_{rule}" for rule in ("random", "genemask", "global_pmi", "cm_step", "cm_gems")),
    *(f"logo_{rule}" for rule in ("random", "genemask", "global_pmi", "cm_step", "cm_gems")),
    "dnabert_scratch",
    "dnabert_random_composed",
    "dnabert_composed_scratch",
    "logo_scratch",
    "dnabert_cm_gems_1k",
    "dnabert_random_120k",
    "logo_cm_gems_1k",
}
NEW = {"student": "logo", "objective": {"name": "masked_lm"}, "seed": 0} | {
    "masking": {"name": "random_span"}
}

TEACHING = {
    "steps": 1,
    "batch_size": 1,
    "window": {"kind": "windows", "length": 60},
    "optimizer": {"learning_rate": 1e-3},
}


@pytest.fixture(scope="module")
def demo(root: Path) -> dict[str, Any]:
    return yaml.safe_load((root / "demo/demo.yaml").read_text())


def test_the_papers_runs_are_shipped(root: Path) -> None:
    assert set(load_config(root).runs) == SHIPPED


def test_every_run_and_task_resolves(root: Path) -> None:
    config = load_config(root)
    for run in config.runs:
        settings = config.pretrain_settings(run)
        assert settings.student.architecture == config.student(config.run(run).student).architecture
        assert "finetuning" not in settings.as_json()["student"]
        assert (settings.pretraining is not None) == config.is_pretrained(run)
        if settings.pretraining is not None:
            assert settings.pretraining.steps > 0
            assert settings.pretraining.splits.train
        for suite, task in config.tasks():
            assert config.finetune_settings(run, suite, task).learning_rate > 0


def test_replicas_are_further_seeds_of_one_run(root: Path, demo: dict[str, Any]) -> None:
    runs = {"had": {"replicas": 3, "seed": 5}, "mine": {"extends": "had"}, "had_scratch": {}}
    config = load_config(root, merge(demo, {}) | {"runs": runs})
    assert config.replicas("had") == ["had", "had@1", "had@2"]
    assert config.replicas("mine") == ["mine", "mine@1", "mine@2"]
    assert config.replicas("had_scratch") == ["had_scratch"]
    one, other = config.pretrain_settings("had"), config.pretrain_settings("had@2")
    assert other == one.changed(seed=7)
    assert "replicas" not in one.as_json()
    assert config.needs("had@2") == config.needs("had")
    for name in ("had@0", "had@", "had@3", "had_scratch@1"):
        with pytest.raises(InputError, match=f"no run '{name}' is selected; did you mean 'had"):
            config.run(name)


def test_a_run_is_compared_with_its_scratch_twin_and_with_what_it_names(root: Path) -> None:
    pairs = load_config(root).comparisons()
    controls = [control for run, control in pairs if run == "logo_cm_gems"]
    assert controls == ["logo_scratch", "logo_random", "logo_genemask"]
    assert ("had", "had_scratch") in pairs
    twice = load_config(
        root, {"runs": {"had": {"compare_with": ["had_scratch"]}, "had_scratch": {}}}
    )
    assert twice.comparisons() == [("had", "had_scratch")]
    changes = {"runs": {"logo_cm_gems": {"compare_with": ["logo_radnom"]}}}
    with pytest.raises(InputError, match="did you mean 'logo_random'"):
        load_config(root, changes)


def test_features_are_cached_for_runs_with_a_teacher_and_fixed_windows(root: Path) -> None:
    fixed = {"window": {"count": 1000}, "reverse_complement": 0.0}
    had = {"teacher_cache": True, "objective": {"static_masks": True}, "pretraining": fixed}
    config = load_config(
        root, {"runs": {"had": {**had, "replicas": 2}, "had_reconstruction_only": {}}}
    )
    assert config.needs("had@1")["features"] == "had@1"
    assert "features" not in config.needs("had_reconstruction_only")  # it has no teacher
    assert "teacher_cache" not in config.pretrain_settings("had").as_json()
    for key, unfixed in {
        "objective": "objective.static_masks: true",
        "pretraining": "pretraining.window.count: N, pretraining.reverse_complement: 0",
    }.items():
        without = {name: block for name, block in had.items() if name != key}
        with pytest.raises(InputError) as caught:
            load_config(root, {"runs": {"had": without}})
        assert str(caught.value) == (
            f"runs.had.teacher_cache: features are cached of fixed windows and masks; set {unfixed}"
        )


def test_extending_merges_key_by_key(root: Path) -> None:
    config = load_config(root)
    had, ablation = config.run("had"), config.run("had_distillation_only")
    assert ablation.objective == had.objective.changed(reconstruction_weight=0.0)
    assert ablation.pretraining == had.pretraining


def test_another_masking_replaces_the_settings_of_the_old_one(root: Path) -> None:
    expected = MASKINGS.parse({"name": "cm_gems", "threshold": 1.0})
    assert load_config(root).run("logo_cm_gems").masking == expected


def test_other_files_select_runs_and_suites(root: Path, demo: dict[str, Any]) -> None:
    config = load_config(root, demo)
    assert config.runs == list(demo["runs"])
    assert list(config.suites) == ["simulated"]
    # `had: {...}` of the demo starts from the paper's block of the same name
    assert config.run("had").masking == load_config(root).run("had").masking
    steps = demo["runs"]["had"]["pretraining"]["steps"]
    assert config.pretrain_settings("had").pretraining.steps == steps
    assert config.pretrain_settings("had").simulated is True


def test_a_run_may_extend_one_that_is_not_selected(root: Path, demo: dict[str, Any]) -> None:
    changes = merge(demo, {})
    changes["runs"] = {"mine": {"extends": "findna", "objective": {"cls_weight": 0.5}}}
    config = load_config(root, changes)
    assert config.runs == ["mine"]
    assert config.run("mine").objective.cls_weight == 0.5


def test_finetuning_settings_from_the_general_to_the_special(root: Path) -> None:
    config = load_config(root)
    suite, students = config.suites["few_shot"], config.settings.students
    few = config.finetune_settings("logo_random", "few_shot", "prom_core_100")
    many = config.finetune_settings("logo_random", "few_shot", "prom_core_500")
    assert few.weight_decay == config.settings.finetuning.weight_decay
    assert few.pooling == students["logo"].finetuning.pooling
    assert few.epochs == suite.finetuning.epochs
    assert few.learning_rate == suite.by_student["logo"].learning_rate
    assert many.epochs == suite.by_task["prom_core_500"].epochs != few.epochs
    assert (
        config.finetune_settings("had", "few_shot", "prom_core_100").learning_rate
        == students["had"].finetuning.learning_rate
    )


def test_probes_are_of_the_named_suites(root: Path, demo: dict[str, Any]) -> None:
    config = load_config(root)
    assert {suite for suite, _ in config.probe_tasks("knn")} == {"genomic_benchmarks", "gue"}
    assert len(config.probe_tasks("knn")) == 8 + 28
    expected = KNNOptions(k=5, pooling="mean", max_train_sequences=None)
    assert config.knn_settings("findna", "gue", "H3") == expected
    assert load_config(root, demo).probes() == []
    changes = {"probes": {"knn": {"k": 3, "suites": ["few_shot"]}}}
    changes["suites"] = {"few_shot": {"finetuning": {"max_train_sequences": 9}}}
    settings = load_config(root, changes).knn_settings("had", "few_shot", "prom_core_10")
    assert settings == KNNOptions(k=3, pooling="mean", max_train_sequences=9)
    linear = {"probes": {"linear": {"epochs": 7, "suites": ["gue"]}}}
    assert load_config(root, linear).probes() == ["knn", "linear"]
    settings = load_config(root, linear).linear_settings("findna", "gue", "H3")
    assert (settings.frozen, settings.epochs, settings.weight_decay) == (True, 7, 0.1)
    with pytest.raises(InputError, match=r"probes\.knn\.suites: no such name 'geu'; did you mean"):
        load_config(root, {"probes": {"knn": {"suites": ["geu"]}}})


def test_cls_tokens_are_drawn_of_chordmixers(root: Path) -> None:
    runs, tasks = load_config(root).tsne("tsne_cls")
    assert runs and all(run.startswith("findna") for run in runs)
    assert tasks == [("gue", "prom_300_tata")]
    changes = {"figures": {"tsne_cls": {"runs": ["had", "findna"], "tasks": ["gue/H3"]}}}
    assert load_config(root, changes).tsne("tsne_cls") == (["findna"], [("gue", "H3")])
    with pytest.raises(InputError, match=r"figures\.tsne_cls\.tasks: no such name 'gue/H33'"):
        load_config(root, {"figures": {"tsne_cls": {"tasks": ["gue/H33"]}}})


def test_a_figure_shows_the_teachers_of_its_runs(root: Path) -> None:
    config = load_config(root)
    assert config.tsne_teachers() == ["nt_v2_500m"]
    drawn = {"figures": {"tsne": {"teachers": ["nt_v2_50m"]}}, "runs": {"findna": {}}}
    assert set(export.resolved(load_config(root, drawn))["teachers"]) == {"nt_v2_50m"}

    def drawn(**tsne: Any) -> list[str]:
        return load_config(root, {"figures": {"tsne": tsne}}).tsne_teachers()

    assert drawn(runs=["had_reconstruction_only", "findna"]) == []  # neither has a teacher
    assert drawn(teachers=False) == []
    assert drawn(teachers=["nt_v2_50m"], runs=["findna"]) == ["nt_v2_50m"]
    with pytest.raises(InputError, match=r"figures\.tsne\.teachers: no such name 'nt_v2_50'"):
        drawn(teachers=["nt_v2_50"])


def test_ablations_of_had_change_one_thing_each(root: Path) -> None:
    config = load_config(root, {"extends": "studies/had_ablations.yaml"})
    had = dict(config.pretrain_settings("had")) | config.needs("had")
    assert config.run("had") == load_config(root).run("had")
    changed = {}
    for run in filter(config.is_pretrained, config.runs):
        settings = dict(config.pretrain_settings(run)) | config.needs(run)
        changed[run] = [key for key in had if settings.get(key) != had[key]]
        if run != "had":
            assert (run, "had") in config.comparisons()
    assert changed.pop("had_reconstruction_only") == ["objective", "teacher"]  # it needs none
    assert changed.pop("had") == []
    assert {run: key for run, (key,) in changed.items()} == {
        "had_distillation_only": "objective",
        "had_masked_alignment": "objective",
        "had_all_alignment": "objective",
        "had_random_teacher": "objective",
        "had_teacher_50m": "teacher",
        "had_teacher_100m": "teacher",
        "had_teacher_250m": "teacher",
        "had_no_attention": "student",
    }
    objectives = [config.run(run).objective for run in config.runs]
    assert len({str(objective) for objective in objectives}) == 1 + 6  # none, had, and five changes
    counts = [
        models.count_parameters(models.build(settings.student, tokenizers.build("nucleotide")))
        for settings in map(config.pretrain_settings, ("had", "had_no_attention"))
    ]
    attention = 4 * 128**2 + 128  # four projections and a norm
    assert counts == [1_072_560, 1_072_560 - attention]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resutls": "x"}, "config: unknown key 'resutls'; did you mean 'results'?"),
        (
            {"runs": {"had": {"pretraining": {"setps": 3}}}},
            "runs.had.pretraining: unknown key 'setps'; did you mean 'steps'?",
        ),
        (
            {"runs": {"mine": {"extends": "hda"}}},
            "runs.mine.extends: no run 'hda'; did you mean 'had'?",
        ),
        (
            {"runs": {"had": {"student": "fidna"}}},
            "runs.had.student: no such name 'fidna'; did you mean 'findna'?",
        ),
        (
            {"suites": {"gue": {"tasks": ["prom_core_tatta"]}}},
            "suites.gue.tasks: no such name 'prom_core_tatta'; did you mean 'prom_core_tata'?",
        ),
        (
            {"suites": {"geu": {"tasks": ["H3"], "seeds": [0]}}},
            "suites.geu: no such name 'geu'; did you mean 'gue'?",
        ),
        (
            {"runs": {"had": {"pretraining": {"steps": "many"}}}},
            "runs.had.pretraining.steps: must be an integer, not 'many'",
        ),
        (
            {"runs": {"had": {"masking": {"name": "cm_gem"}}}},
            "runs.had.masking.name: unknown value 'cm_gem'; did you mean 'cm_gems'?",
        ),
        (
            {"references": {"hg38": {"fasta": "no/such.fa"}}},
            "references.hg38.fasta: nothing at 'no/such.fa'; correct the path or drop it",
        ),
        (
            {"references": {"hg38": {"dataset": "reference/hg39.fa.gz"}}},
            "references.hg38.dataset: no such name 'reference/hg39.fa.gz'; "
            "did you mean 'reference/hg38.fa.gz'?",
        ),
        (
            {"references": {"hg38": {"dataset": ["reference/hg38/chr9.fa.gz", "chr21.fa.gz"]}}},
            "references.hg38.dataset: no such name 'chr21.fa.gz'; "
            "did you mean 'reference/hg38/chr21.fa.gz'?",
        ),
        (
            {"references": {"hg38": {"splits": {"validation": ["chr1"]}}}},
            "references.hg38.splits: 'chr1' is in train and in validation; choose one",
        ),
        ({"mirror": "/no/such"}, "mirror: nothing at '/no/such'; correct the path or drop it"),
        (
            {"runs": {"new": {**NEW, "pretraining": {"steps": 3}}}},
            "runs.new.pretraining: 'batch_size' is missing; add it",
        ),
        (
            {"runs": {"had": {"masking": {"name": "bernoulli"}}}},
            "runs.had.masking: 'bernoulli' does not go with the objective 'had'; "
            "choose teacher_groups",
        ),
        ({"runs": {}}, "runs: names nothing; name at least one, or drop the key"),
        (
            {"runs": {"my run; x": {"extends": "had"}}},
            "runs.my run; x: must be a name of letters, digits, '_', '.' and '-', not 'my run; x'",
        ),
        ({"runs": {1: {"extends": "had"}}}, "runs: the key 1 is not text; quote it"),
        (
            {"pmi": {"threshold": "scald"}},
            "pmi.threshold: must be a number or 'scaled', not 'scald'",
        ),
        (
            {"runs": {"findna": {"objective": {"teacher_augmentations": [{"name": "deletio"}]}}}},
            "runs.findna.objective.teacher_augmentations.0.name: "
            "unknown value 'deletio'; did you mean 'deletion'?",
        ),
        (
            {"runs": {"finda": {}}},
            "runs.finda: no such run; did you mean 'findna'?",
        ),
        (
            {"runs": {"had": {"objective": {"alignment_weight": 0, "reconstruction_weight": 0}}}},
            "runs.had.objective.alignment_weight: is 0, and so is reconstruction_weight; raise one",
        ),
        (
            {"runs": {"had": {"student": "findna"}}},
            "runs.had.student: the objective 'had' saves its decoder as the head of the student, "
            "which a chordmixer cannot carry; choose a hybrid",
        ),
        (
            {"runs": {"had": {"pretraining": {"optimizer": {"betas": [1.0, 0.999]}}}}},
            "runs.had.pretraining.optimizer.betas.0: must be below 1, not 1.0",
        ),
        (
            {"runs": {"dnabert_random_120k": {"pretraining": {"steps": 100}}}},
            "runs.dnabert_random_120k.pretraining.schedule.warmup_steps: 10,000 are more than all "
            "100 steps, so the learning rate would never be reached; lower it, or set "
            "warmup_steps: null and warmup_fraction",
        ),
        ({"genome": "hg83"}, "genome: no such name 'hg83'; did you mean 'hg38'?"),
        (
            {"runs": {"a": {"extends": "b"}, "b": {"extends": "a"}}},
            "runs.b.extends: the chain ['a', 'b'] goes in a circle",
        ),
        (
            {"runs": {"mine": {"extends": "findna", "student": "had"}}},
            "runs.mine.student: the objective 'findna' adds CLS positions, which hybrid does not "
            "have; choose a chordmixer",
        ),
        (
            {"runs": {"logo_random": {"pretraining": {"window": {"length": 600}}}}},
            "runs.logo_random.pretraining.window.length: must be at most 515, the bases that the "
            "student has positions for, not 600",
        ),
        (
            {"pmi": {"k": 5}, "runs": {"logo_random": {}, "logo_cm_gems": {}}},
            "pmi.k: runs.logo_cm_gems masks by a ranking of 6-mers; set 6",
        ),
        (
            {"teachers": {"nt_v2_50m": {"dataset": None, "train": {"extends": "x"}}}},
            "teachers.nt_v2_50m.train: unknown key 'extends'; known: ",
        ),
        (
            {
                "teachers": {
                    "nt_v2_500m": {
                        "dataset": None,
                        "train": {**NEW, "pretraining": TEACHING},
                    }
                }
            },
            "teachers.nt_v2_500m.train.student: a teacher reads the tokens of "
            "nucleotide_transformer, not those of bert; choose a student of that architecture",
        ),
        (
            {"finetuning": {"pooling": "cls"}, "runs": {"logo_random": {}, "had": {}}},
            "finetuning.pooling of nucleotide_transformer/H3: 'cls' needs a "
            "classification token, which the student 'had' of runs.had does not have; set mean",
        ),
        (
            {"finetuning": {"grid": {"pooling": ["mean", "cls"]}}, "runs": {"findna": {}}},
            "finetuning.grid.pooling of nucleotide_transformer/H3: 'cls' needs a "
            "classification token, which the student 'findna' of runs.findna does not have; set "
            "mean",
        ),
        (
            {"probes": {"knn": {"pooling": "cls"}}, "runs": {"findna": {}}},
            "probes.knn.pooling: 'cls' needs a classification token, which the student 'findna' of "
            "runs.findna does not have; set mean",
        ),
        (
            {
                "suites": {
                    "gue": {
                        "by_student": {
                            "had": {
                                "released_transfer": {
                                    "max_length": 70,
                                    "track_size": 2,
                                    "blocks": 1,
                                }
                            }
                        }
                    }
                }
            },
            "finetuning.released_transfer of gue/",
        ),
        (
            {"runs": {"kmer_logistic": {"extends": "had"}}},
            "runs.kmer_logistic: the baseline has this name in tables; choose another",
        ),
        (
            {
                "genome": "made",
                "references": {
                    "made": {
                        "simulate": {"seed": 0},
                        "splits": {"train": ["sim1"], "validation": ["sim9"]},
                    }
                },
                "suites": {"simulated": {"tasks": ["lexicon"], "seeds": [0]}},
            },
            "references.made.splits.validation: no sequence 'sim9' in the simulated genome; did "
            "you mean 'sim4'?",
        ),
        ({"runs": 3}, "runs: must be keys and values, not 3"),
        ({"runs": None}, "runs: must be keys and values, not null"),
        ({"runs": {"had": [1]}}, "runs.had: must be keys and values, not [1]"),
        ({"runs": {"had": {"extends": ["a"]}}}, "runs.had.extends: must be text, not [a]"),
        (
            {"suites": {"gue": None}},
            "suites.gue: is null, and selected; drop it, or make it {}",
        ),
        (
            {"runs": {"findna": None}},
            "runs.findna: is null, and selected; drop it, or make it {}",
        ),
        ({"suites": {"geu": {}}}, "suites.geu: no such name 'geu'; did you mean 'gue'?"),
        (
            {"suites": {"mine": {"cvs": "data", "tasks": ["a"], "seeds": [0]}}},
            "suites.mine: unknown key 'cvs'; did you mean 'csv'?",
        ),
        ({"results": "/"}, "results: is '/', which is not a path; correct it, or drop the key"),
        (
            {"references": {"hg38": {"fasta": ""}}},
            "references.hg38.fasta: is '', which is not a path; correct it, or drop the key",
        ),
        (
            {"results": "my {results}"},
            "results: has braces, 'my {results}', and Snakemake takes them for names; rename it",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(root: Path, changes: dict, message: str) -> None:
    with pytest.raises(InputError) as caught:
        load_config(root, changes)
    said = str(caught.value)
    assert said.startswith(message) if message.endswith((": ", "/")) else said == message


def test_nearest_lists_all_when_nothing_is_near() -> None:
    assert nearest("zzz", ["b", "a"]) == "known: a, b"


def test_files_extend_files(root: Path) -> None:
    """`extends` chains; the nearest file with `runs` selects them."""
    config = load_config(root, {"extends": "tests/workflow/tiny.yaml", "runs": {"had": {}}})
    assert config.runs == ["had"]
    assert list(config.suites) == ["simulated"]
    assert config.run("had").pretraining.steps == 6  # of tiny
    assert config.settings.students["had"].hidden_size == 32  # of tiny
    assert config.settings.genome == "simulated"  # of the demo


def test_tasks_of_a_suite_of_your_own_are_its_blocks(root: Path, tmp_path: Path) -> None:
    copy(root / "config.yaml", tmp_path)
    copytree(root / "workflow", tmp_path / "workflow")
    (tmp_path / "workflow/rules/benchmarks/mine.smk").touch()
    block = {"tasks": ["enhancers"], "seeds": [0]}
    load_config(tmp_path, {"suites": {"mine": {**block, "by_task": {"enhancers": {"epochs": 2}}}}})
    with pytest.raises(InputError, match="did you mean 'enhancers'"):
        load_config(
            tmp_path, {"suites": {"mine": {**block, "by_task": {"enhancer": {"epochs": 2}}}}}
        )


def test_places_in_a_fasta_of_your_own_are_looked_up(
    root: Path, demo: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "genome.fa").write_text(">one\nACGT\n>two:10-14\nACGT\n>two:12-16\nACGT\n")
    held_out = {"train": ["one"], "test": ["two:12-16"]}
    own = {"fasta": str(tmp_path / "genome.fa"), "splits": held_out}
    changes = {
        "results": str(tmp_path / "results"),
        "genome": "mine",
        "references": {"mine": {**own, "splits": {**own["splits"], "validation": ["two:10-12"]}}},
        "runs": {"had": {}},
        "suites": {"gue": {}},
    }
    load_config(root, changes)  # without PMI, pmi.sequences names what is not there
    changes["references"]["mine"]["splits"]["train"] = ["one", "two:11-13"]
    with pytest.raises(InputError, match=r"^references\.mine\.splits: splits 'train' and 'valid"):
        load_config(root, changes)
    changes["references"]["mine"]["splits"]["train"] = ["one"]
    with pytest.raises(InputError) as caught:
        load_config(root, changes | {"runs": {"logo_cm_gems": {}}})
    assert str(caught.value).startswith("pmi.sequences: no sequence 'chr1' in genome.fa; known: ")
    changes["references"]["mine"]["splits"]["validation"] = ["two:10-13"]
    with pytest.raises(InputError) as caught:
        load_config(root, changes)
    assert str(caught.value) == (
        "references.mine.splits: splits 'validation' and 'test' share two:12-13; "
        "give each chromosome or region to one split"
    )
    changes["references"]["mine"]["splits"]["train"] = ["ones"]
    with pytest.raises(InputError) as caught:
        load_config(root, changes)
    assert str(caught.value) == (
        "references.mine.splits.train: no sequence 'ones' in genome.fa; did you mean 'one'?"
    )


def test_few_of_many_names_are_listed() -> None:
    names = [f"contig{number:04d}" for number in range(2000)]
    assert nearest("zzz", names).endswith("contig0049, and 1,950 more")


def test_csv_files_of_your_own(root: Path, tmp_path: Path) -> None:
    for name in ("train.csv", "test.tsv.gz"):
        (tmp_path / "enhancers").mkdir(exist_ok=True)
        (tmp_path / "enhancers" / name).touch()
    block = {"csv": str(tmp_path), "tasks": ["enhancers"], "seeds": [0]}
    config = load_config(root, {"suites": {"mine": {**block, "metric": "mcc"}}})
    files = [f"{tmp_path}/enhancers/{name}" for name in ("train.csv", "test.tsv.gz")]
    assert config.data()["mine/enhancers"] == {"files": files}
    for suite, changes, message in (
        ("mine", {"tasks": ["promoters"]}, f"no file '{tmp_path}/promoters/train.csv'"),
        ("mine", {"metric": "auc"}, "unknown value 'auc'"),
        ("mine", {"source": str(tmp_path)}, "has `csv` and `source`; drop one"),
        ("mine", {"route": "archive"}, "a suite of your own has no routes"),
        ("gue", {"tasks": ["H3"]}, "'gue' has a rule already; choose another name"),
        ("GUE", {}, "suites.GUE: did you mean 'gue'. Your own suite needs another name"),
    ):
        with pytest.raises(InputError, match=message):
            load_config(root, {"suites": {suite: {**block, **changes}}})
    with pytest.raises(InputError, match="metric: is for suites with `csv`"):
        load_config(root, {"suites": {"gue": {"metric": "mcc"}}})


@pytest.mark.parametrize("name", ["benchmarks", "comparisons", "knn_gue"])
def test_a_suite_has_no_name_of_another_table(root: Path, tmp_path: Path, name: str) -> None:
    for file in ("train.csv", "test.csv"):
        (tmp_path / "a").mkdir(exist_ok=True)
        (tmp_path / "a" / file).touch()
    block = {"csv": str(tmp_path), "tasks": ["a"], "seeds": [0]}
    with pytest.raises(InputError, match=rf"^suites\.{name}: another table has this name"):
        load_config(root, {"suites": {name: block, "gue": {}}})


def test_names_that_look_like_something_else_are_names(root: Path, tmp_path: Path) -> None:
    for task in ("001", "null"):
        (tmp_path / task).mkdir()
        for file in ("train.csv", "test.csv"):
            (tmp_path / task / file).touch()
    suite = {"csv": str(tmp_path), "tasks": ["001", "null"], "seeds": [0]}
    runs = {"NA": {"extends": "had"}, "1": {"extends": "had_scratch"}}
    config = load_config(root, {"runs": runs, "suites": {"true": suite}})
    assert (config.runs, config.tasks()) == (["NA", "1"], [("true", "001"), ("true", "null")])
    shown = yaml.safe_load(export.as_yaml(export.resolved(config)))
    assert (list(shown["runs"]), list(shown["suites"])) == (["NA", "1"], ["true"])
    assert shown["suites"]["true"]["tasks"] == ["001", "null"]
    with pytest.raises(InputError, match=r"^runs: the key 1 is not text; quote it$"):
        load_config(root, {"runs": {1: {"extends": "had"}}})
