"""Subcommands that apply a model to data of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from dnastudents.cli.parsing import command
from dnastudents.garbage import quick_imports

app = typer.Typer()

CLASSIFIER = "results/finetune/had/gue/mouse_0/classifier "
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="folder of a pretrained run or model")]
Classifier = Annotated[
    Path, typer.Argument(metavar="MODEL", help="folder `classifier` of a fine-tuning")
]
Input = Annotated[
    Path,
    typer.Argument(
        metavar="INPUT",
        help="FASTA, Parquet, CSV, TSV or one sequence per line; gzipped or not; - for stdin",
    ),
]
Fasta = Annotated[Path, typer.Option(help="genome, plain or compressed with bgzip")]
Column = Annotated[str, typer.Option(help="column of a table's sequences")]
Table = Annotated[
    Path | None,
    typer.Option(help=".csv, .tsv, .parquet or .npz; complete or absent; default: stdout, as CSV"),
]
Window = Annotated[int | None, typer.Option(min=1, help="bases that are read together")]
Overlap = Annotated[
    float, typer.Option(min=0.0, max=0.99, help="share of a window that the next reads again")
]
BatchSize = Annotated[int, typer.Option(min=1, help="sequences at a time")]


@command(app, "predict", CLASSIFIER + "promoters.fa --output promoters.csv")
def predict(
    model: Classifier,
    source: Input,
    *,
    output: Table = None,
    column: Column = "sequence",
    window: Window = None,
    overlap: Overlap = 0.5,
    long: Annotated[
        Literal["windows", "truncate"], typer.Option(help="how too long sequences are read")
    ] = "windows",
    batch_size: BatchSize = 64,
) -> None:
    """Predict classes of sequences."""
    with quick_imports():
        from dnastudents.inference.predict import predict

    predict(
        model,
        str(source),
        output,
        column=column,
        window=window,
        overlap=overlap,
        long=long,
        batch_size=batch_size,
    )


@command(app, "embed", "results/pretrain/had promoters.fa --output promoters.parquet")
def embed(
    model: Model,
    source: Input,
    *,
    output: Table = None,
    column: Column = "sequence",
    pooling: Annotated[
        Literal["mean", "cls", "parts", "cls_tokens"],
        typer.Option(help="how a sequence's tokens become one vector"),
    ] = "mean",
    parts: Annotated[
        int | None, typer.Option(min=1, help="of a sequence, for --pooling parts; default: 7")
    ] = None,
    layer: Annotated[
        int | None, typer.Option(help="0: what the first layer gets; default: the last")
    ] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="a fixed draw of so many; default: all")
    ] = None,
    window: Window = None,
    overlap: Overlap = 0.0,
    batch_size: BatchSize = 64,
) -> None:
    """Write a vector for each sequence."""
    with quick_imports():
        from dnastudents.inference.embed import embed

    embed(
        model,
        str(source),
        output,
        column=column,
        pooling=pooling,
        layer=layer,
        sample=sample,
        window=window,
        overlap=overlap,
        batch_size=batch_size,
        parts=parts,
    )


@command(app, "score", "results/pretrain/logo variants.vcf --fasta hg38.fa --output scores.csv")
def score(
    model: Model,
    variants: Annotated[Path, typer.Argument(metavar="VCF", help="plain or gzipped")],
    *,
    fasta: Fasta,
    output: Table = None,
    window: Window = None,
    batch_size: BatchSize = 64,
) -> None:
    """Score variants: alternative against reference.

    Both strands are read.
    """
    with quick_imports():
        from dnastudents.inference.score import score

    score(model, variants, fasta, output, window=window, batch_size=batch_size)


@command(app, "push", CLASSIFIER + "me/had-mouse-0 --private")
def push(
    model: Model,
    repository: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="on the hub")],
    *,
    private: Annotated[bool, typer.Option("--private", help="for your eyes only, if new")] = False,
    message: Annotated[str, typer.Option(help="of the commit")] = "",
) -> None:
    """Upload a model to the Hugging Face hub."""
    from dnastudents.sharing.push import push

    push(model, repository, private=private, message=message)


@command(app, "scan", CLASSIFIER + "hg38.fa --bed regions.bed --output track.bedgraph")
def scan(
    model: Classifier,
    fasta: Annotated[Path, typer.Argument(metavar="FASTA", help="plain or bgzipped")],
    *,
    output: Annotated[Path | None, typer.Option(help="bedGraph; default: stdout")] = None,
    bed: Annotated[Path | None, typer.Option(help="regions; default: all")] = None,
    class_name: Annotated[
        str | None, typer.Option("--class", help="whose probability; default: the last")
    ] = None,
    window: Window = None,
    step: Annotated[
        int | None, typer.Option(min=1, help="bases between windows; default: a quarter of one")
    ] = None,
    batch_size: BatchSize = 64,
) -> None:
    """Predict along a genome."""
    with quick_imports():
        from dnastudents.inference.scan import scan

    scan(
        model,
        fasta,
        output,
        bed=bed,
        class_name=class_name,
        window=window,
        step=step,
        batch_size=batch_size,
    )
