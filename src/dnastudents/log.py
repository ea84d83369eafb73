"""Log lines of the package on stderr: one line a message, in a training from its main process.

Modules log to `logging.getLogger(__name__)`; the command line calls `configure`. Whoever uses the
package as a library configures the logger `dnastudents` as any other. Free of torch.
"""

from __future__ import annotations

import logging
import sys
from typing import TextIO

from dnastudents.environment import rank


def configure(level: int = logging.INFO) -> None:
    """Send the package's records of at least `level` to stderr."""
    logger = logging.getLogger("dnastudents")
    logger.setLevel(level)
    if not any(isinstance(handler, _Stderr) for handler in logger.handlers):
        logger.addHandler(_Stderr())


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes and flushes line by line to what `sys.stderr` is at that moment."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)  # that of StreamHandler would set the stream for good

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr

    def filter(self, record: logging.LogRecord) -> bool:
        """Leave out what only repeats the main process."""
        return record.levelno >= logging.WARNING or rank() == "0"

    def format(self, record: logging.LogRecord) -> str:
        """Put rank and level before the message, where they are not the usual ones."""
        process = "" if rank() == "0" else f"rank {rank()}: "
        level = "" if record.levelno == logging.INFO else f"{record.levelname}: "
        return f"{process}{level}{super().format(record)}"
