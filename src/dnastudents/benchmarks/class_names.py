"""Names of classes that a benchmark's files number only, for people; task folders keep the numbers.

Only two-class tasks are named: in all of these suites 1 is what the task looks for. The numbers of
tasks with more classes are shown as they are, where nobody says what they mean.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# What class 1 is, by the start of the task's name.
SOUGHT = {
    "nucleotide_transformer": {
        r"H\d": "{task}",
        "enhancers$": "enhancer",
        "promoter_": "promoter",
        "splice_sites_acceptors": "acceptor",
        "splice_sites_donors": "donor",
    },
    "gue": {
        r"H\d": "{task}",
        "prom_": "promoter",
        "(tf|mouse)_": "binding site",
    },
    "few_shot": {
        "prom_": "promoter",
        "cohn_enh_": "enhancer",
        "silencer_": "silencer",
    },
}
SOUGHT["nucleotide_transformer_revised"] = SOUGHT["nucleotide_transformer"]


def shown_classes(suite: str, task: str, classes: Sequence[str]) -> tuple[str, ...]:
    """Return what to call the classes of a task; those of `task.json` where they are names."""
    if tuple(classes) == ("0", "1"):
        for start, name in SOUGHT.get(suite, {}).items():
            if re.match(start, task):
                sought = name.format(task=task)
                return f"no {sought}", sought
    return tuple(classes)
