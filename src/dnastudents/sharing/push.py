"""Upload a model folder to the Hugging Face hub."""

from __future__ import annotations

import logging
from pathlib import Path

from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import (  # type: ignore[attr-defined]
    HFValidationError,
    HTTPError,  # of what the hub's client talks through: requests, httpx or httpx2
    OfflineModeIsEnabled,
)

from dnastudents.errors import InputError
from dnastudents.models import model_folder

logger = logging.getLogger(__name__)

NEEDED = ("config.json", "model.safetensors", "dna_tokenizer.json", "README.md")


def push(folder: Path, repository: str, *, private: bool = False, message: str = "") -> None:
    """Upload a model folder, with its card, as one commit.

    Parameters
    ----------
    folder : Path
        Of a pretraining, or a model folder.
    repository : str
        owner/name on the hub; made if absent. `HF_ENDPOINT` names another hub.
    private : bool
        Whether a new repository is private. Default is False.
    message : str
        Of the commit. Default names the folder.

    Raises
    ------
    InputError
        The folder is no model, nobody is logged in, or the hub refuses.
    """
    folder = model_folder(folder)
    if missing := [name for name in NEEDED if not (folder / name).is_file()]:
        raise InputError(f"{folder}: has no {missing[0]}; give a model folder of this package")
    if get_token() is None:
        raise InputError("no access token of the hub: run `hf auth login`, or set HF_TOKEN")
    hub = HfApi()
    try:
        hub.create_repo(repository, private=private, exist_ok=True)
        done = hub.upload_folder(
            repo_id=repository,
            folder_path=folder,
            commit_message=message or f"Upload {folder.name}",
        )
    except (HTTPError, HFValidationError, OfflineModeIsEnabled, OSError) as error:
        reason = (str(error).strip() or type(error).__name__).partition("\n")[0]
        raise InputError(f"{repository}: the hub refuses it ({reason})") from None
    logger.info(f"{folder} is at {done.commit_url}")
