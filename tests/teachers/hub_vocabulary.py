"""The vocabulary of Nucleotide Transformer v2 as the hub's vocab.txt has it."""

from __future__ import annotations

from itertools import product

VOCABULARY = (
    *("<unk>", "<pad>", "<mask>", "<cls>", "<eos>", "<bos>"),
    *map("".join, product("ATCG", repeat=6)),
    *("A", "T", "C", "G", "N"),
)
