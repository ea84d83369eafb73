"""Write what bgzip writes."""

from __future__ import annotations

import io

from Bio import bgzf


def bgzip(content: bytes) -> bytes:
    """Compress in blocks, each a gzip of its own that says how long it is."""
    stream = io.BytesIO()
    writer = bgzf.BgzfWriter(fileobj=stream)
    writer.write(content)
    writer.flush()
    stream.write(bgzf._bgzf_eof)
    return stream.getvalue()
