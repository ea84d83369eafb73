"""What mkdocs does to a page before it becomes HTML."""

import re
from typing import Any


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Show files outside docs/ by their path: the site does not hold them, so no link to them can.

    `[text](../slurm/config.yaml)` becomes `text (slurm/config.yaml)` with the path as code, or the
    path alone where it is the text.
    """

    def shown(link: re.Match[str]) -> str:
        text, path = link[1], link[2]
        return f"`{path}`" if text.strip("`") == path else f"{text} (`{path}`)"

    return re.sub(r"\[([^\]]+)\]\(\.\./([^)#]+)[^)]*\)", shown, markdown)
