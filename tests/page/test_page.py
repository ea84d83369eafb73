"""The page says what the tables say, is one file, and works in a browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from made_up import make_results

from dnastudents.errors import InputError
from dnastudents.page.page import Sources, _caption, render, write_page
from dnastudents.tables.comparisons import ALL_TASKS, write_comparisons

TASKS = {"gue": ["tf_0", "tf_1", "tf_2"], "genomic_benchmarks": ["human_enhancers_cohn"]}
VOID = {"meta", "img", "br", "wbr", "input", "link"}


class Page(HTMLParser):
    """Tags in their order, each closed; attributes of each."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Sources:
    made = make_results(tmp_path_factory.mktemp("made"), ["had", "findna"], TASKS)
    return made._replace(
        published=root / "workflow/resources/published_results.csv",
        captions=root / "workflow/report",
    )


@pytest.fixture(scope="module")
def text(sources: Sources) -> str:
    return render(sources)


def test_it_is_one_well_formed_file(text: str) -> None:
    page = Page(text)
    assert page.open == []
    ids = [each["id"] for _, each in page.tags if "id" in each]
    assert len(ids) == len(set(ids))
    for name in ("href", "src", "aria-labelledby", "aria-controls"):
        for value in (each[name] for _, each in page.tags if name in each):
            assert value is not None
            assert value.startswith(("#", "data:image/")) or value in ids
            assert not value.startswith("#") or value[1:] in ids
    assert "://" not in re.sub(r"data:image/[^\"]+", "", text).replace("arXiv", "")


def test_tables_have_captions_and_headings(text: str) -> None:
    page = Page(text)
    names = [name for name, _ in page.tags]
    assert names.count("table") == names.count("caption") > 5
    assert all(each.get("scope") in ("col", "row", "rowgroup") for each in page.all("th"))
    levels = [int(name[1]) for name in names if re.fullmatch(r"h[1-6]", name)]
    assert levels[0] == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))
    assert all(each["alt"] for each in page.all("img"))


def test_a_figure_has_its_own_caption(sources: Sources) -> None:
    captions = sources.captions
    assert captions is not None
    for name, told in {
        "comparisons": "diamond",  # where the table of this name tells of p_holm
        "overview_gue": "seed",
        "tsne_cls": "t-SNE",
    }.items():
        assert told in _caption(name, captions)


def test_the_answer_is_that_of_the_comparisons(sources: Sources, text: str, tmp_path: Path) -> None:
    table = write_comparisons(sources.results / "metrics.csv", sources.pairs, tmp_path / "c")
    single = table[table["task"] != ALL_TASKS]
    better = int((single["verdict"] == "better").sum())
    assert better
    means = table.loc[(table["task"] == ALL_TASKS) | (table["suite"] == "genomic_benchmarks")]
    least, most = means["difference"].min(), means["difference"].max()
    assert f"mean score of a suite by +{least:.1f} points (" in text
    assert f" to +{most:.1f} points (" in text
    said = f"Of {len(single)} comparisons of a pretrained run"
    assert f"{said} with the same student without pretraining, {better} are better" in text
    whole = table[(table["suite"] == "gue") & (table["run"] == "had")].set_index("task")
    gain = f"<strong>+{whole.loc[ALL_TASKS, 'difference']:.1f}</strong>"
    assert f"{gain} ± {whole.loc[ALL_TASKS, 'ci95']:.1f}" in text


def test_the_best_run_is_that_of_the_scores(sources: Sources, text: str) -> None:
    scores = pd.read_csv(sources.results / "metrics.csv")
    means = scores[scores["suite"] == "gue"].groupby(["run", "task"])["value"].mean()
    by_run = means.groupby("run").mean().sort_values()
    assert by_run.index[-1] == "had"
    assert f"had has the best mean, {100 * by_run.iloc[-1]:.1f}" in text
    assert "reaches the best published score on" in text


def test_heat_maps_show_each_cell(sources: Sources, text: str) -> None:
    scores = pd.read_csv(sources.results / "metrics.csv")
    means = 100 * scores.groupby(["suite", "task", "run"])["value"].mean()
    for name, shown in {
        "score": means["gue", "tf_1", "findna"],
        "twin": means["gue", "tf_1", "findna"] - means["gue", "tf_1", "findna_scratch"],
    }.items():
        block = text.partition(f'id="map-{name}"')[2].partition("</table>")[0]
        row = next(line for line in block.splitlines() if ">tf_<wbr>1<" in line)
        cells = [float(x) for x in re.findall(r"(?:<strong>|%\">)\+?([\d.]+)<", row)]
        assert any(value == pytest.approx(shown, abs=0.051) for value in cells)
    assert 'id="map-published"' in text  # of the one task with published rows


def test_names_and_captions_cannot_become_markup(tmp_path: Path) -> None:
    made = make_results(tmp_path, ["<b>had"], {"gue&co": ["a<script>b"]})
    text = render(made)
    assert "<b>" not in text
    assert text.count("<script>") == 1
    assert "gue&amp;co" in text
    assert Page(text).open == []


def test_a_simulated_genome_is_said_first(tmp_path: Path) -> None:
    made = make_results(tmp_path, ["had"], {"simulated": ["words"]}, simulated=True)
    text = render(made)
    assert text.index("Simulated data.") < text.index("The answer")


def test_a_project_of_one_task_is_named_and_answered(tmp_path: Path) -> None:
    folder = tmp_path / "my_project/results"
    folder.mkdir(parents=True)
    text = render(make_results(folder, ["had"], {"mine": ["starts"]}))
    assert "<h1>my_project</h1>" in text
    assert re.search(r"Pretraining changed the score by \+\d+\.\d points \(had\)\.", text)


def test_a_single_run_without_controls_has_a_page(tmp_path: Path) -> None:
    made = make_results(tmp_path, ["had"], {"gue": ["tf_0"]}, seeds=1)
    text = render(made._replace(pairs=(), pretrainings=(), figures=()))
    assert "No run was compared" in text
    assert 'id="figures"' not in text


def test_probes_have_tables_of_their_own(tmp_path: Path) -> None:
    made = make_results(tmp_path, ["had"], {"gue": ["tf_0", "tf_1"]})
    assert "Probes of frozen features" not in render(made)
    rows = pd.read_csv(tmp_path / "metrics.csv")
    rows[rows["task"] == "tf_1"].assign(neighbours=7).to_csv(tmp_path / "knn.csv", index=False)
    shown = render(made._replace(probes=["knn"])).partition("Probes of frozen features")[2]
    assert "gue: k-NN probe, test-set scores" in shown
    assert "the vote of the 7 nearest training sequences" in shown


def test_what_is_wrong_is_named(sources: Sources, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no row of task 'gue/tf_9'"):
        render(sources._replace(tasks=["gue/tf_9"]))
    with pytest.raises(InputError, match="no row of a run 'haad'"):
        render(sources._replace(runs=["haad"]))
    with pytest.raises(InputError, match=r"losses\.svg: no such file"):
        render(sources._replace(figures=[tmp_path / "losses.svg"]))


@pytest.fixture(scope="module")
def browser() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("no Chromium here: the page is not tried in a browser")
    return found


def dump(browser: str, page: Path, *options: str) -> str:
    """The document as a browser has it after the page's script."""
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=2000"]
    profile = f"--user-data-dir={page.parent / 'profile'}"
    done = subprocess.run(
        [browser, *flags, profile, *options, "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


ACTIONS = """
<script>
const failures = [];
addEventListener("error", (event) => failures.push(event.message));
const result = {};
const press = (selector, index = 0) => document.querySelectorAll(selector)[index].click();
press(".switch button", 1);
result.shown = [...document.querySelectorAll(".map")].filter((x) => !x.hidden).map((x) => x.id);
result.pressed = document.querySelectorAll(".switch button[aria-pressed=true]").length;
const table = document.querySelectorAll("#tables table.data")[0];
const column = [...table.tHead.rows[0].cells].findIndex((x) => x.textContent === "mean");
const ours = () => [...table.tBodies[0].rows].slice(1).map((x) => x.cells[column].textContent);
table.tHead.rows[0].cells[column].querySelector("button").click();
result.sort = [table.tHead.rows[0].cells[column].getAttribute("aria-sort"), ours()];
table.tHead.rows[0].cells[column].querySelector("button").click();
result.again = [table.tHead.rows[0].cells[column].getAttribute("aria-sort"), ours()];
const filter = document.querySelector(".filter");
filter.value = "HyenaDNA";
filter.dispatchEvent(new Event("input"));
result.filtered = [...filter.nextElementSibling.querySelectorAll("tbody tr:not(.group)")]
  .filter((x) => !x.hidden).map((x) => x.cells[0].textContent);
result.width = [document.documentElement.scrollWidth, innerWidth];
result.failures = failures;
document.title = JSON.stringify(result);
</script>
"""


@pytest.mark.parametrize("width", [1280, 500])
def test_it_works_in_a_browser(
    browser: str, sources: Sources, text: str, width: int, tmp_path: Path
) -> None:
    page = tmp_path / "index.html"
    page.write_text(text.replace("</body>", f"{ACTIONS}</body>"), encoding="utf-8")
    shown = dump(browser, page, f"--window-size={width},900")
    match = re.search(r"<title>(.*?)</title>", shown, re.DOTALL)
    assert match is not None
    result = json.loads(unescape(match[1]))
    assert result["failures"] == []
    assert result["shown"] == ["map-twin"]
    assert result["pressed"] == 1
    kind, values = result["sort"]
    assert kind == "descending"
    assert values[0] == max(values)
    assert result["again"] == ["ascending", values[::-1]]
    assert result["filtered"]
    assert all("HyenaDNA" in name for name in result["filtered"])
    assert result["width"][0] <= result["width"][1]  # tables scroll, the page does not


def test_a_page_replaces_only_a_page(sources: Sources, tmp_path: Path) -> None:
    place = tmp_path / "index.html"
    for _ in range(2):
        write_page(sources, place)
    place.write_text("<!doctype html>\nmine")
    with pytest.raises(InputError, match="is there and not such a result"):
        write_page(sources, place)
