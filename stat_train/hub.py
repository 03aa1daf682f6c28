"""Model folders out of the Hugging Face hub."""

from pathlib import Path

from stat_train.errors import UserError, first_line

WANTED = ["*.safetensors", "*.json", "*.jinja", "*.model", "*.txt"]


def local_model(model: str, option: str, choices: str) -> Path:
    """`model` where it is a folder, else the hub's, fetched (weights as safetensors, no code).

    `option` is where the recipe names it, `choices` what a user may give instead: for the UserError that
    is raised where there is neither.
    """
    if (folder := Path(model).expanduser()).is_dir():
        return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, allow_patterns=WANTED))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise UserError(
            f"{option} {model!r}: no such folder, and the hub has none to give ({first_line(error)}); "
            f"give {choices}"
        ) from error
