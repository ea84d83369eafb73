"""Means since the last line, and the line."""

from __future__ import annotations

import math

import pytest
import torch

from dnastudents.errors import InputError
from dnastudents.training.options import NORM
from dnastudents.training.progress import Meter, clock, log_line, thousands, time_shares


def meter_with(losses: list[float], stop_after: int = 1) -> Meter:
    regions = "chrA:{0}-{0}".format
    meter = Meter("mine", lambda values: values, stop_after=stop_after, regions=regions)
    for loss in losses:
        meter.add({"loss": torch.tensor(loss), "part": torch.tensor(2 * loss)}, tokens=10)
    return meter


def test_means_and_rates() -> None:
    meter = meter_with([1.0, 3.0])
    means = meter.flush(2)
    assert (means["loss"], means["part"]) == (2.0, 4.0)
    assert means["tokens_per_second"] * means["seconds_per_step"] == pytest.approx(10.0)
    meter.add({"loss": torch.tensor(7.0), "part": torch.tensor(1.0)}, tokens=5)
    assert meter.flush(3)["loss"] == 7.0
    assert meter.total_tokens == 25


def test_the_median_of_the_norms_counts() -> None:
    meter = Meter("mine", lambda values: values, stop_after=9)
    for loss, norm in ((1.0, 2.0), (1.0, 900.0), (float("nan"), 50.0), (1.0, 3.0)):
        meter.add({"loss": torch.tensor(loss), NORM: torch.tensor(norm)}, tokens=1)
    assert meter.flush(4)[NORM] == 3.0
    meter.add({"loss": torch.tensor(float("nan")), NORM: torch.tensor(1.0)}, tokens=1)
    assert math.isnan(meter.flush(5)[NORM])


def test_a_state_of_other_terms_is_left_out_of_the_next_line() -> None:
    meter = Meter("mine", lambda values: values)
    meter.load_state(meter_with([9.0]).state(1), keep_rows=True, device=torch.device("cpu"))
    meter.add({"loss": torch.tensor(1.0), NORM: torch.tensor(1.0)}, tokens=1)
    assert meter.flush(2)["loss"] == 1.0


def test_state_restores_an_open_window() -> None:
    one, other = meter_with([1.0, 3.0]), Meter("mine", lambda values: values)
    other.load_state(one.state(2), keep_rows=True, device=torch.device("cpu"))
    other.add({"loss": torch.tensor(5.0), "part": torch.tensor(0.0)}, tokens=10)
    assert other.flush(3)["loss"] == 3.0
    assert other.total_tokens == 30


def test_shares_of_parts() -> None:
    """Of a window, of one that a state has cut, and of all."""
    pending = [{"teacher": 0.25}, {"teacher": 1.0, "other": 0.5}, {"teacher": 0.5}]
    meter = Meter("mine", lambda values: values, lambda: pending.pop(0))
    resumed = Meter("mine", lambda values: values, lambda: pending.pop(0))
    loss = {"loss": torch.tensor(1.0)}
    meter.add(loss, tokens=1)
    meter.started -= 10
    means = meter.flush(1)
    assert means["teacher_share"] * means["seconds_per_step"] == pytest.approx(0.25)
    meter.add(loss, tokens=1)
    resumed.load_state(meter.state(2), keep_rows=True, device=torch.device("cpu"))
    means = resumed.flush(2)
    assert means["teacher_share"] * means["seconds_per_step"] == pytest.approx(1.5)
    assert means["other_share"] * means["seconds_per_step"] == pytest.approx(0.5)
    assert resumed.total_section_seconds == {"teacher": 1.75, "other": 0.5}
    assert time_shares({"teacher": 1.0}, 4.0) == {"teacher_share": 0.25}


def test_other_processes_restore_zeros_because_rows_are_sums() -> None:
    meter = Meter("mine", lambda values: values)
    meter.load_state(meter_with([4.0]).state(1), keep_rows=False, device=torch.device("cpu"))
    assert meter.settle(1).tolist() == [[0.0, 0.0]]


def test_first_bad_step_is_named() -> None:
    meter = meter_with([1.0, float("nan"), float("inf")])
    with pytest.raises(InputError, match=r"its gradient is nan at step 42; .* 42 read chrA:41-41$"):
        meter.flush(43)


def test_bad_steps_are_counted_over_lines_and_states_and_left_out_of_means() -> None:
    nan, inf = float("nan"), float("inf")
    meter = meter_with([1.0, nan, 3.0], stop_after=3)
    assert meter.flush(3)["loss"] == 2.0
    meter.add({"loss": torch.tensor(inf), "part": torch.tensor(0.0)}, tokens=10)
    resumed = meter_with([], stop_after=3)
    resumed.load_state(meter.state(4), keep_rows=True, device=torch.device("cpu"))
    resumed.state(4)  # looks at the same rows once more
    for loss in (5.0, nan, nan):
        resumed.add({"loss": torch.tensor(loss), "part": torch.tensor(0.0)}, tokens=10)
    with pytest.raises(InputError, match="its gradient is nan at step 6, after 2, 4; lower"):
        resumed.flush(7)
    lowered = meter_with([], stop_after=1)
    lowered.load_state(meter.state(4), keep_rows=True, device=torch.device("cpu"))
    with pytest.raises(InputError, match="its gradient is inf at step 4, after 2; lower"):
        lowered.flush(4)


def test_log_line() -> None:
    row = {"loss": 1.234, "learning_rate": 3e-4, "tokens_per_second": 81234.0}
    assert log_line("had", 100, 1000, row, 0.12) == (
        "had step 100/1000 loss 1.2340 lr 3.0e-04 0.12 s/step 81.2k tokens/s eta 0:01:48"
    )
    told = {**row, "perplexity": 3673.21, "accuracy": 0.1234, "gradient_norm": 0.5219}
    assert " loss 1.2340 perplexity 3,673 accuracy 12.3% gradient 0.52 lr " in (
        log_line("had", 100, 1000, told, 0.12)
    )
    line = log_line("had", 100, 1000, {**row, "teacher_share": 0.434}, 0.12)
    assert line.endswith("81.2k tokens/s teacher 43% eta 0:01:48")


def test_words_for_numbers() -> None:
    numbers = [thousands(value) for value in (12.3, 81234, 5e6, 2.5e9)]
    assert numbers == ["12.3", "81.2k", "5M", "2.5G"]
    assert [clock(value) for value in (0, 59.2, 3661)] == ["0:00:00", "0:01:00", "1:01:01"]
