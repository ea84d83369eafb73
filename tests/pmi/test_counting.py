import subprocess
import sys

import numpy as np
import pytest
from plain_kmers import kmers, plain_counts, random_text

from dnastudents.errors import InputError
from dnastudents.genome.codes import encode
from dnastudents.genome.reference import Reference, build
from dnastudents.pmi import count_kmers, counting


def assert_equal_the_plain_twin(counts: dict[int, np.ndarray], texts: list[str]) -> None:
    for k, counted in counts.items():
        expected = plain_counts(texts, k)
        assert counted.tolist() == [expected[kmer] for kmer in kmers(k)]


def write_genome(folder, texts: list[str]) -> Reference:
    records = (f">s{number}\n{text}\n" for number, text in enumerate(texts))
    (folder / "genome.fa").write_text("".join(records))
    return build(folder / "genome.fa", folder / "reference")


@pytest.mark.parametrize("block", [1, 3, 50, 1 << 20])
@pytest.mark.parametrize("n_share", [0.0, 0.1, 0.6])
def test_counts_equal_the_plain_twin(monkeypatch, block, n_share):
    monkeypatch.setattr(counting, "_BLOCK", block)
    texts = [random_text(length, length, n_share) for length in (0, 1, 4, 5, 200, 301)]
    assert_equal_the_plain_twin(count_kmers([encode(text) for text in texts], 5), texts)


@pytest.mark.parametrize("max_k", [1, 2, 4, 8, 9, 10])
def test_numbers_of_every_width_are_counted(monkeypatch, max_k):
    monkeypatch.setattr(counting, "_LARGE_BLOCK", 999)
    texts = [random_text(3000, n_share=0.01), "T" * 12 + "N" + "T" * 9]
    assert_equal_the_plain_twin(count_kmers([encode(text) for text in texts], max_k), texts)


@pytest.mark.parametrize("part", [1, 7, 64, 1 << 22])
def test_files_in_parts_are_counted_as_whole_sequences(tmp_path, monkeypatch, part):
    monkeypatch.setattr(counting, "_RANGE", part)
    texts = [random_text(length, length, 0.1) for length in (1, 4, 200, 301)]
    reference = write_genome(tmp_path, texts)
    assert counting._file_of(reference.sequence("s1")) is not None
    assert_equal_the_plain_twin(count_kmers(reference, 5), texts)
    span = count_kmers([reference.codes[206:500]], 5)  # ends before its record does
    assert_equal_the_plain_twin(span, [texts[3][1:295]])


@pytest.mark.parametrize("n_share", [0.0, 0.2])
def test_any_number_of_processes_counts_the_same(tmp_path, monkeypatch, n_share):
    monkeypatch.setattr(counting, "_RANGE", 1000)
    monkeypatch.setattr(counting, "_WORTH_A_PROCESS", 1)
    texts = [random_text(length, length, n_share) for length in (20_000, 3, 2_500, 999)]
    reference = write_genome(tmp_path, texts)
    one = count_kmers(reference, 6, processes=1)
    assert_equal_the_plain_twin(one, texts)
    for processes in (2, 3):
        several = count_kmers(reference, 6, processes)
        assert all((one[k] == several[k]).all() for k in range(1, 7))


@pytest.mark.parametrize("part", [5, 300, 1 << 22])
@pytest.mark.parametrize("chosen", [slice(None), slice(None, None, 3), slice(None, None, -1)])
def test_joined_contigs_equal_the_plain_twin(tmp_path, monkeypatch, part, chosen):
    """In order, with gaps between, and backwards; from the file and in memory."""
    monkeypatch.setattr(counting, "_RANGE", part)
    monkeypatch.setattr(counting, "_SHORT", 90)
    sizes = np.random.default_rng(0).integers(1, 120, 80).tolist()
    texts = [random_text(size, size, 0.05) for size in sizes]
    reference = write_genome(tmp_path, texts)
    names = reference.names[chosen]
    assert_equal_the_plain_twin(
        count_kmers([reference.sequence(name) for name in names], 4), texts[chosen]
    )
    monkeypatch.setattr(counting, "_WAITING", 7)
    in_memory = count_kmers([encode(text) for text in texts[chosen]], 4)
    assert_equal_the_plain_twin(in_memory, texts[chosen])


def test_many_contigs_are_read_and_counted_together(tmp_path, monkeypatch):
    texts = [random_text(50, number, 0.0) for number in range(500)]
    reference = write_genome(tmp_path, texts)
    blocks = []
    count_block = counting._Tables._count_block
    monkeypatch.setattr(
        counting._Tables,
        "_count_block",
        lambda self, block: (blocks.append(len(block)), count_block(self, block)),
    )
    count_kmers(reference, 6)
    count_kmers([encode(text) for text in texts], 6)
    assert len(blocks) == 2


def test_a_worker_does_not_wait_for_torch_or_pandas():
    code = "import sys, dnastudents.pmi.counting; print({'torch', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_other_arrays_are_counted_in_memory(tmp_path):
    codes = encode(random_text(500))
    codes.tofile(tmp_path / "codes")
    changed = np.memmap(tmp_path / "codes", dtype=np.uint8, mode="c")
    changed[:] = codes[::-1]
    expected = count_kmers([codes[::-1].copy()], 3)
    for each in (codes[::-1], changed):
        assert (count_kmers([each], 3, processes=2)[3] == expected[3]).all()


def test_a_file_cut_short_is_a_clear_error(tmp_path):
    reference = write_genome(tmp_path, ["ACGT" * 50])
    path = tmp_path / "reference" / "codes.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="cut short"):
        count_kmers(reference, 3)


@pytest.mark.parametrize(
    ("max_k", "processes", "message"),
    [(0, 1, "up to 0 bases"), (13, 1, "up to 13 bases"), (3, 0, "0 processes")],
)
def test_what_cannot_be_counted_is_a_clear_error(max_k, processes, message):
    with pytest.raises(InputError, match=message):
        count_kmers([encode("ACGT")], max_k, processes)
