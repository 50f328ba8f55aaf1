"""Upload exported backbones to the Hugging Face hub and download them, in timm's layout."""

from pathlib import Path

from candelabra.backbones.weights import EXPORT_FILES
from candelabra.environment import NETWORK_TIMEOUT, is_reachable
from candelabra.errors import CandelabraError


def push_to_hub(folder: Path, repository: str, private: bool) -> str:
    """Upload an exported backbone with the account of huggingface_hub; create the repository if it does not exist.

    Args:
        folder: of the exported backbone.
        repository: `<owner>/<name>`.
        private: whether a new repository is private.

    Returns:
        The URL of the repository.

    Raises:
        CandelabraError: the folder is no exported backbone, or the hub cannot be reached or refuses.
    """
    for name in EXPORT_FILES:
        if not (folder / name).is_file():
            raise CandelabraError(f"{folder} is no exported backbone: there is no {name}; see candelabra trunk export.")
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    _check_hub_reachable(repository)
    hub = huggingface_hub.HfApi(library_name="candelabra")
    try:
        created = hub.create_repo(repository, private=private, exist_ok=True)
        hub.upload_folder(
            repo_id=created.repo_id,
            folder_path=folder,
            allow_patterns=[*EXPORT_FILES, "README.md"],
            commit_message=f"Add {folder.name}",
        )
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise CandelabraError(f"repo={repository} was refused: {_format_error(error)}; see hf auth login.") from error
    return str(created)


def pull_from_hub(repository: str, folder: Path) -> None:
    """Download an exported backbone, or any model in timm's layout, to a folder; safetensors only, no pickle.

    Raises:
        CandelabraError: the hub cannot be reached, or has no such model, or the model has no safetensors.
    """
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    _check_hub_reachable(repository)
    try:
        huggingface_hub.snapshot_download(
            repository, local_dir=folder, allow_patterns=[*EXPORT_FILES, "README.md"], etag_timeout=NETWORK_TIMEOUT
        )
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise CandelabraError(f"repo={repository} could not be downloaded: {_format_error(error)}.") from error
    missing = [name for name in EXPORT_FILES if not (folder / name).is_file()]
    if missing:
        raise CandelabraError(
            f"repo={repository} has no {' and no '.join(missing)}; it is not in timm's layout; give another repository."
        )


def _check_hub_reachable(repository: str) -> None:
    """Raise within seconds if the hub does not answer; huggingface_hub would retry for minutes."""
    from huggingface_hub import constants

    owner, _, name = repository.partition("/")
    if not owner or not name:
        raise CandelabraError(f"repo={repository} cannot be used; give repo=<owner>/<name>.")
    if constants.HF_HUB_OFFLINE or not is_reachable(constants.ENDPOINT):
        why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else f"{constants.ENDPOINT} does not answer"
        raise CandelabraError(
            f"repo={repository} cannot be reached: {why}; copy the folder of the exported backbone in another way."
        )


def _format_error(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
