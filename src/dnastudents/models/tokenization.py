"""The tokenizers as transformers knows them: what AutoTokenizer loads, pipelines and Trainer use.

Ids are those of `genome.tokenizers`, which stays the fast path of everything here; this class only
gives them transformers' interface. It is described by one name, in the file that
`genome.tokenizers` writes too, so both read the same folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizer

from dnastudents.genome import tokenizers
from dnastudents.genome.codes import encode
from dnastudents.genome.tokenizers import FILE_NAME, Tokenizer


class DNATokenizer(PreTrainedTokenizer):
    """Tokenizer of a student, of transformers' kind.

    Letters are read in either case, U as T, every letter but A, C, G, T as N. Text between special
    tokens such as `[MASK]` is tokenised by itself.

    Parameters
    ----------
    name_file : path, optional
        `dna_tokenizer.json` of a model folder.
    name : str, optional
        A name for `genome.tokenizers.build` in place of the file.
    """

    vocab_files_names = {"name_file": FILE_NAME}  # noqa: RUF012  (transformers wants a dict)
    model_input_names = ["input_ids", "attention_mask"]  # noqa: RUF012

    def __init__(
        self, name_file: str | None = None, name: str | None = None, **kwargs: Any
    ) -> None:
        if name is None:
            name = tokenizers.load(Path(name_file).parent).name if name_file else "nucleotide"
        self.dna: Tokenizer = tokenizers.build(name)
        self._token_of_id = self.dna.vocabulary
        self._id_of_token = {token: number for number, token in enumerate(self._token_of_id)}
        for role, number in self._special().items():
            kwargs[role] = None if number is None else self._token_of_id[number]
        kwargs["padding_side"] = "right"  # the students' only one
        super().__init__(name=name, **kwargs)

    def _special(self) -> dict[str, int | None]:
        dna = self.dna
        return {
            "pad_token": dna.pad_id,
            "mask_token": dna.mask_id,
            "unk_token": None,  # N is a token, and a k-mer with N must stay when special ones go
            "cls_token": dna.cls_id if dna.starts_with_cls else None,
            "sep_token": dna.sep_id if dna.starts_with_cls else None,
        }

    @property
    def vocab_size(self) -> int:
        """Number of tokens."""
        return len(self._token_of_id)

    def get_vocab(self) -> dict[str, int]:
        """Map each token to its id."""
        return dict(self._id_of_token)

    def _tokenize(self, text: str, **kwargs: Any) -> list[str]:
        ids = self.dna.encode_batch(encode(text.strip())[None])[0]
        outer = {self.dna.cls_id, self.dna.sep_id} if self.dna.starts_with_cls else set()
        return [self._token_of_id[number] for number in ids.tolist() if number not in outer]

    def _convert_token_to_id(self, token: str) -> int:
        return self._id_of_token.get(token, self.dna.unk_id)

    def _convert_id_to_token(self, index: int) -> str:
        return self._token_of_id[index]

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """Put the tokens around one sequence that the student was trained with."""
        if token_ids_1 is not None:
            raise ValueError("a student reads one sequence at a time, not pairs")
        if not self.dna.starts_with_cls:
            return token_ids_0
        end = [] if self.dna.sep_id is None else [self.dna.sep_id]
        return [self.dna.cls_id, *token_ids_0, *end]  # type: ignore[list-item]

    def get_special_tokens_mask(
        self,
        token_ids_0: list[int],
        token_ids_1: list[int] | None = None,
        already_has_special_tokens: bool = False,
    ) -> list[int]:
        """Mark with 1 the tokens that stand for no base."""
        ids = token_ids_0
        if not already_has_special_tokens:
            ids = self.build_inputs_with_special_tokens(token_ids_0)
        return [int(number in self.dna.special_ids) for number in ids]

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        """Join tokens to bases; what no k-mer of overlapping ones tells is N."""
        if not self.dna.overlaps:
            return "".join(tokens)
        inner = [token for token in tokens if token not in (self.cls_token, self.sep_token)]
        bases = ["N"] * (len(inner) + self.dna.k - 1 if inner else 0)
        for start, token in enumerate(inner):
            if token.isalpha():  # not [UNK], [MASK] or [PAD]
                bases[start : start + self.dna.k] = token
        return "".join(bases)

    def save_vocabulary(
        self, save_directory: str, filename_prefix: str | None = None
    ) -> tuple[str, ...]:
        """Write the file with the tokenizer's name."""
        if filename_prefix:
            raise ValueError(f"{FILE_NAME} has no prefix")
        self.dna.save_pretrained(save_directory)
        return (str(Path(save_directory) / FILE_NAME),)
