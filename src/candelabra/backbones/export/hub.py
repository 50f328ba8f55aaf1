"""Trunks to and from the Hugging Face hub, in timm's own layout; the hub is touched here alone."""

from pathlib import Path

from candelabra.backbones.weights import EXPORT_FILES
from candelabra.environment import NETWORK_TIMEOUT, is_reachable
from candelabra.errors import CandelabraError


def push_to_hub(folder: Path, repository: str, private: bool) -> str:
    """Uploads an exported trunk, making the repository if need be; under the account that huggingface_hub knows.

    Returns:
        The address.

    Raises:
        CandelabraError: it is no trunk, or the hub cannot be reached or refuses.
    """
    for name in EXPORT_FILES:
        if not (folder / name).is_file():
            raise CandelabraError(f"{folder} is no exported trunk: there is no {name}; see candelabra trunk export.")
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    _must_answer(repository)
    hub = huggingface_hub.HfApi(library_name="candelabra")
    try:
        made = hub.create_repo(repository, private=private, exist_ok=True)
        hub.upload_folder(
            repo_id=made.repo_id,
            folder_path=folder,
            allow_patterns=[*EXPORT_FILES, "README.md"],
            commit_message=f"Add {folder.name}",
        )
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise CandelabraError(f"repo={repository} was refused: {_words(error)}; see hf auth login.") from error
    return str(made)


def pull_from_hub(repository: str, folder: Path) -> None:
    """Downloads a trunk, or any model of timm's layout, into a folder; safetensors alone, no pickle.

    Raises:
        CandelabraError: the hub cannot be reached or has no such model, or it has no safetensors.
    """
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    _must_answer(repository)
    try:
        huggingface_hub.snapshot_download(
            repository, local_dir=folder, allow_patterns=[*EXPORT_FILES, "README.md"], etag_timeout=NETWORK_TIMEOUT
        )
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise CandelabraError(f"repo={repository} could not be fetched: {_words(error)}.") from error
    missing = [name for name in EXPORT_FILES if not (folder / name).is_file()]
    if missing:
        raise CandelabraError(
            f"repo={repository} has no {' and no '.join(missing)}; it is not kept as timm keeps models."
        )


def _must_answer(repository: str) -> None:
    """Fails within seconds if the hub does not answer; huggingface_hub would retry for minutes."""
    from huggingface_hub import constants

    owner, _, name = repository.partition("/")
    if not owner or not name:
        raise CandelabraError(f"repo={repository} cannot be used; give repo=<owner>/<name>.")
    if constants.HF_HUB_OFFLINE or not is_reachable(constants.ENDPOINT):
        why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else f"{constants.ENDPOINT} does not answer"
        raise CandelabraError(
            f"repo={repository} is out of reach: {why}; the folder of an exported trunk can be copied by any other way."
        )


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
