"""Tokenizers of the students and the teacher: vectorised from codes to ids, without transformers.

Each is fully described by its name, so what is saved with a model is that name. Text is read
case-insensitively, U is T, and every other letter but A, C, G, T is N; the tokenizers of the papers
give up on such letters in ways that break the alignment of tokens and bases.

A batch comes back as wide as its longest row needs, padded on the right. Shapes: B sequences, L
bases, T tokens.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from itertools import product
from pathlib import Path

import numpy as np

from dnastudents.errors import InputError, nearest
from dnastudents.files import read_json, write_json
from dnastudents.genome import codes as sequence
from dnastudents.genome.codes import PAD, N, kmer_codes

FILE_NAME = "dna_tokenizer.json"
NO_LABEL = -100  # label of a token that is not to be predicted; torch's cross-entropy leaves it out
_ATCG = np.array([0, 2, 3, 1])  # digit of A, C, G, T where a vocabulary is in the order A, T, C, G


class Tokenizer(ABC):
    """What all tokenizers share.

    Attributes
    ----------
    name : str
        What `build` makes it from.
    k : int
        Bases of an ordinary token.
    vocab_size : int
        Rows of an embedding that takes the ids.
    pad_id, mask_id : int
        Padding and mask.
    unk_id : int
        The token that stands for what cannot be said otherwise.
    cls_id, sep_id : int or None
        None where the vocabulary has none.
    special_ids : tuple of int
        Ids that stand for no base: never masked, never pooled.
    base_ids : tuple of int
        Ids that a random replacement may be drawn from.
    starts_with_cls : bool
        Whether each sequence comes between `cls_id` and, where there is one, `sep_id`.
    overlaps : bool
        Whether a token shares all bases but one with the next.
    """

    name: str
    k: int
    vocab_size: int
    pad_id: int
    mask_id: int
    unk_id: int
    cls_id: int | None
    sep_id: int | None
    special_ids: tuple[int, ...]
    base_ids: tuple[int, ...]
    starts_with_cls: bool = False
    overlaps: bool = False

    @property
    @abstractmethod
    def vocabulary(self) -> list[str]:
        """The tokens in the order of their ids."""

    @abstractmethod
    def encode_batch(self, codes: np.ndarray) -> np.ndarray:
        """Tokenize codes uint8 (B, L), padded with PAD, into int64 (B, T), padded with pad_id."""

    @abstractmethod
    def batch_spans(self, codes: np.ndarray) -> np.ndarray:
        """Return the bases [start, end) under each token of `encode_batch`, int64 (B, T, 2).

        (0, 0) for special and padding tokens.
        """

    def encode(self, text: str) -> list[int]:
        """Tokenize one sequence of letters."""
        return self.encode_codes(sequence.encode(text)).tolist()

    def encode_codes(self, codes: np.ndarray) -> np.ndarray:
        """Tokenize one sequence of codes uint8 (L,) into int64 (T,)."""
        return self.encode_batch(codes[None])[0]

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the tokenizer's file into `folder`, made if absent."""
        write_json(Path(folder) / FILE_NAME, {"tokenizer": self.name})


class NucleotideTokenizer(Tokenizer):
    """One token a base, no special tokens around the sequence.

    The ids are Caduceus' (kuleshov-group/caduceus @0060a6d8): [CLS] 0, [SEP] 1, [BOS] 2, [MASK] 3,
    [PAD] 4, [RESERVED] 5, [UNK] 6, A 7, C 8, G 9, T 10, N 11; the vocabulary is rounded up to 16.
    """

    name = "nucleotide"
    k = 1
    vocab_size = 16
    cls_id: int | None = 0
    sep_id: int | None = 1
    mask_id, pad_id, unk_id = 3, 4, 6
    special_ids: tuple[int, ...] = (0, 1, 2, 3, 4, 5)
    base_ids: tuple[int, ...] = (7, 8, 9, 10)
    _id_of_code = np.array([7, 8, 9, 10, 11, 4])  # by code: A, C, G, T, N, PAD

    @property
    def vocabulary(self) -> list[str]:
        special = ["[CLS]", "[SEP]", "[BOS]", "[MASK]", "[PAD]", "[RESERVED]", "[UNK]"]
        return [*special, *"ACGTN", *(f"[UNUSED{n}]" for n in range(12, self.vocab_size))]

    def encode_batch(self, codes: np.ndarray) -> np.ndarray:
        return self._id_of_code[_trim(codes)[0]]

    def batch_spans(self, codes: np.ndarray) -> np.ndarray:
        codes, _ = _trim(codes)
        position = np.arange(codes.shape[1])
        spans = np.stack(np.broadcast_arrays(position, position + 1), axis=-1)
        return np.where((codes == PAD)[..., None], 0, spans)


class ChordMixerTokenizer(NucleotideTokenizer):
    """FinDNA's symbols: A 0, C 1, G 2, N 3, T 4, then [MASK] 5, [CLS] 6, [PAD] 7.

    ChordMixer maps the ids from 5 on to the zero vector (FinDNA's released code does so with the
    masked, CLS and padding positions).
    """

    name = "chordmixer"
    vocab_size = 8
    cls_id, sep_id, mask_id, pad_id, unk_id = 6, None, 5, 7, 3
    special_ids = (5, 6, 7)
    base_ids = (0, 1, 2, 4)
    _id_of_code = np.array([0, 1, 2, 4, 3, 7])

    @property
    def vocabulary(self) -> list[str]:
        return [*"ACGNT", "[MASK]", "[CLS]", "[PAD]"]


class KmerVocabulary(Tokenizer):
    """A vocabulary that lists all k-mers in the order A, T, C, G from some id on."""

    _first_kmer: int

    @cached_property
    def kmer_ids(self) -> np.ndarray:
        """Ids of all k-mers, int64 (4**k,), by their base-4 number in the order A, C, G, T."""
        return self._first_kmer + (_ATCG[self.kmer_bases] << self._shifts).sum(1)

    @property
    def kmer_bases(self) -> np.ndarray:
        """Bases of the k-mers of `kmer_ids`, int64 (4**k, k): 0 A, 1 C, 2 G, 3 T."""
        return (np.arange(4**self.k)[:, None] >> self._shifts) & 3

    @property
    def _shifts(self) -> np.ndarray:
        return 2 * np.arange(self.k)[::-1]

    @property
    def _kmers(self) -> list[str]:
        """All k-mers in the order of their ids."""
        return ["".join(letters) for letters in product("ATCG", repeat=self.k)]

    @cached_property
    def _id_of_number(self) -> np.ndarray:
        """The ids by `kmer_codes`; its -1 finds the unknown token, which stands last."""
        return np.append(self.kmer_ids, self.unk_id)


class KmerTokenizer(KmerVocabulary):
    """Overlapping k-mers between [CLS] and [SEP], with DNABERT's ids.

    [PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, [MASK] 4, then the k-mers in base order A, T, C, G
    (jerryji1993/DNABERT @b6da04e). A k-mer with N is [UNK]. A sequence shorter than k is
    [CLS][SEP].

    Parameters
    ----------
    k : int
        Bases of a token, 1 to 8. Default is 6.
    """

    pad_id, unk_id, cls_id, sep_id, mask_id = 0, 1, 2, 3, 4
    special_ids = (0, 2, 3, 4)
    starts_with_cls = overlaps = True
    _first_kmer = 5

    def __init__(self, k: int = 6) -> None:
        if not 1 <= k <= 8:
            raise InputError(f"a k-mer tokenizer has k from 1 to 8, not {k}")
        self.k = k
        self.name = f"kmer{k}"
        self.vocab_size = self._first_kmer + 4**k
        self.base_ids = tuple(range(self._first_kmer, self.vocab_size))

    @property
    def vocabulary(self) -> list[str]:
        return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *self._kmers]

    def encode_batch(self, codes: np.ndarray) -> np.ndarray:
        codes, lengths = _trim(codes)
        kmers = self._id_of_number[kmer_codes(codes, self.k)]
        # Rows are padded on the right, so the k-mers of a row are its first ones; the others reach
        # into the padding and give way to [SEP] and [PAD].
        counts = np.maximum(lengths - self.k + 1, 0)
        ids = np.full((len(codes), kmers.shape[1] + 2), self.pad_id)
        position = np.arange(kmers.shape[1])
        ids[:, 1:-1] = np.where(position < counts[:, None], kmers, self.pad_id)
        ids[:, 0] = self.cls_id
        ids[np.arange(len(codes)), counts + 1] = self.sep_id
        return ids

    def batch_spans(self, codes: np.ndarray) -> np.ndarray:
        codes, lengths = _trim(codes)
        counts = np.maximum(lengths - self.k + 1, 0)
        # From -1, the slot of [CLS], on to that of [SEP] in the longest row.
        start = np.arange(-1, max(codes.shape[1] - self.k + 1, 0) + 1)
        is_kmer = (start >= 0) & (start < counts[:, None])
        return np.where(is_kmer[..., None], np.stack([start, start + self.k], axis=-1), 0)


class NucleotideTransformerTokenizer(KmerVocabulary):
    """Nucleotide Transformer v2: <cls>, then non-overlapping 6-mers, no <eos>.

    <unk> 0, <pad> 1, <mask> 2, <cls> 3, <eos> 4, <bos> 5, the 6-mers in base order A, T, C, G from
    6 on, A 4102, T 4103, C 4104, G 4105, N 4106 (instadeepai/nucleotide-transformer). The sequence
    is split at N, each part is cut from its left into 6-mers and what remains into single letters;
    each N is a token.
    """

    name = "nucleotide_transformer"
    k = 6
    vocab_size = 4107
    unk_id, pad_id, mask_id, cls_id, sep_id = 0, 1, 2, 3, None
    special_ids = (1, 2, 3, 4, 5)
    base_ids = tuple(range(6, 4102))
    starts_with_cls = True
    _first_kmer = 6
    _letter_ids = np.array([4102, 4104, 4105, 4103, 4106, 1])

    @property
    def vocabulary(self) -> list[str]:
        special = ["<unk>", "<pad>", "<mask>", "<cls>", "<eos>", "<bos>"]
        return [*special, *self._kmers, *"ATCGN"]

    def encode_batch(self, codes: np.ndarray) -> np.ndarray:
        codes, _ = _trim(codes)
        if _is_known(codes):
            return self._encode_known(codes)
        # First an id for every base, then k-mers over those that begin one; only tokens are packed.
        ids = self._letter_ids[codes]  # (B, L)
        is_token, is_kmer = self._layout(codes)
        numbers = kmer_codes(codes, self.k)
        row, start = np.nonzero(is_kmer)
        ids[row, start] = self.kmer_ids[numbers[row, start]]
        row, start, slot, width = _pack(is_token)
        packed = np.full((len(codes), width + 1), self.pad_id)
        packed[:, 0] = self.cls_id
        packed[row, slot + 1] = ids[row, start]
        return packed

    def _encode_known(self, codes: np.ndarray) -> np.ndarray:
        """Tokenize rows that nothing interrupts: all are cut at the same places."""
        count, rest = divmod(codes.shape[1], self.k)
        numbers = np.zeros((len(codes), count), dtype=np.int16)
        for place in range(self.k):
            numbers = numbers << 2 | codes[:, place : count * self.k : self.k]
        ids = np.empty((len(codes), 1 + count + rest), dtype=np.int64)
        ids[:, 0] = self.cls_id
        ids[:, 1 : 1 + count] = self.kmer_ids[numbers]
        ids[:, 1 + count :] = self._letter_ids[codes[:, count * self.k :]]
        return ids

    def batch_spans(self, codes: np.ndarray) -> np.ndarray:
        codes, _ = _trim(codes)
        if len(codes) > 1 and _is_known(codes):
            return self.batch_spans(codes[:1]).repeat(len(codes), axis=0)
        is_token, is_kmer = self._layout(codes)
        row, start, slot, width = _pack(is_token)
        spans = np.zeros((len(codes), width + 1, 2), dtype=np.int64)
        spans[row, slot + 1, 0] = start
        spans[row, slot + 1, 1] = start + np.where(is_kmer[row, start], self.k, 1)
        return spans

    def _layout(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find where tokens begin and where the 6-mers among them do, both bool (B, L)."""
        position = np.broadcast_to(np.arange(codes.shape[1]), codes.shape)
        is_break = codes >= N
        # Bases since the last break, and the bases of the whole part between two breaks.
        # Running maxima from the left and minima from the right find both for all bases at once.
        last = np.maximum.accumulate(np.where(is_break, position, -1), axis=1)
        ahead = np.where(is_break, position, codes.shape[1])[:, ::-1]
        following = np.minimum.accumulate(ahead, axis=1)[:, ::-1]
        rank, total = position - last - 1, following - last - 1  # of each base in its part, and all
        in_kmer = ~is_break & (rank < total - total % self.k)
        is_kmer = in_kmer & (rank % self.k == 0)
        return is_kmer | (~in_kmer & (codes != PAD)), is_kmer


def _trim(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Drop the columns that are padding in every row; also return each row's bases, int64 (B,)."""
    lengths = (codes != PAD).sum(1)
    return codes[:, : lengths.max(initial=0)], lengths


def _is_known(codes: np.ndarray) -> bool:
    """Tell whether all codes are A, C, G or T: no N, and no padding."""
    return bool(codes.max(initial=0) < N)


def _pack(is_token: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Find row, column and rank in its row of each True of (B, L), and the most in one row."""
    row, start = np.nonzero(is_token)
    counts = is_token.sum(1)
    # `nonzero` goes row by row, so a token's slot is its number less that of its row's first.
    slot = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    return row, start, slot, int(counts.max(initial=0))


def build(name: str) -> Tokenizer:
    """Make a tokenizer by its name.

    Parameters
    ----------
    name : str
        nucleotide, chordmixer, nucleotide_transformer, or kmer1 to kmer8.

    Raises
    ------
    InputError
        The name is unknown; the nearest known one is given.
    """
    kinds: list[type[Tokenizer]] = [
        NucleotideTokenizer,
        ChordMixerTokenizer,
        NucleotideTransformerTokenizer,
    ]
    for kind in kinds:
        if name == kind.name:
            return kind()
    names = [*(kind.name for kind in kinds), *(f"kmer{k}" for k in range(1, 9))]
    if name in names:
        return KmerTokenizer(int(name.removeprefix("kmer")))
    raise InputError(f"no tokenizer '{name}'; {nearest(name, names)}")


def load(folder: str | Path) -> Tokenizer:
    """Read the tokenizer that `Tokenizer.save_pretrained` wrote into `folder`."""
    path = Path(folder) / FILE_NAME
    if not path.is_file() and path.with_name("vocab.txt").is_file():
        raise InputError(
            f"{path}: no such file; make the hub's folder one of this package: "
            f"`dnastudents teacher import {folder} --output ...`"
        )
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("tokenizer"), str):
        raise InputError(f"{path}: names no tokenizer; save the model again")
    return build(content["tokenizer"])
