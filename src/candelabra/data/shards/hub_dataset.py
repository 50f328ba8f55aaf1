"""Loads data sets of the Hugging Face hub, or of a folder, with `datasets`."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from candelabra.data.sampling.split_names import SPLIT_ALIASES
from candelabra.environment import is_reachable
from candelabra.errors import CandelabraError

log = logging.getLogger(__name__)


def load_hub_dataset(path: str, name: str | None) -> dict[str, Any]:
    """Loads the tables of each split, by its name.

    Raises:
        CandelabraError: there is no such data set, it cannot be fetched, or has no split.
    """
    import datasets
    from datasets.exceptions import DatasetsError

    folder = Path(path).expanduser()
    local = folder.exists() or path.startswith((".", "/", "~"))
    if local and not folder.is_dir():
        raise CandelabraError(f"data.path={path} is not a folder (looked at {folder.absolute()}).")
    try:
        if local and any((folder / file).is_file() for file in ("dataset_dict.json", "state.json")):
            found = datasets.load_from_disk(str(folder))
        elif local:
            found = datasets.load_dataset(str(folder.absolute()), name)
        else:
            found = _download(path, name)
    except (DatasetsError, OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        words = " ".join(str(error).split())[:300]
        ways = "" if local else " Go online (or point HF_ENDPOINT at what can be reached), or give a folder."
        raise CandelabraError(f"data.path={path} cannot be loaded ({type(error).__name__}: {words}).{ways}") from error
    if not isinstance(found, dict):
        return {"": found}
    known = [key for key in found if key.lower() in SPLIT_ALIASES]
    splits = {SPLIT_ALIASES[key.lower()]: found[key] for key in known}
    if len(splits) < len(known):
        raise CandelabraError(
            f"data.path={path} has the splits {', '.join(known)}, of which several mean one; rename or leave out one."
        )
    if splits and len(known) < len(found):
        others = ", ".join(key for key in found if key not in known)
        log.warning("data.path=%s has the splits %s as well, which are not read", path, others)
    if not splits:
        raise CandelabraError(
            f"data.path={path} has the splits {', '.join(found)}; wanted are train, validation, test."
        )
    return splits


def _download(path: str, name: str | None) -> Any:
    import datasets
    import huggingface_hub

    if is_reachable(huggingface_hub.constants.ENDPOINT):
        return datasets.load_dataset(path, name)
    with _work_offline():
        return datasets.load_dataset(path, name)  # from the cache, or not at all


@contextmanager
def _work_offline() -> Iterator[None]:
    """Sets both libraries offline while the hub does not answer; they would retry for minutes."""
    import datasets
    import huggingface_hub

    places: tuple[Any, ...] = (datasets.config, huggingface_hub.constants)
    before = [place.HF_HUB_OFFLINE for place in places]
    try:
        for place in places:
            place.HF_HUB_OFFLINE = True
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            place.HF_HUB_OFFLINE = value


def find_image_roots(path: str) -> list[Path]:
    """Returns the folders that image files of a data set may lie in."""
    import datasets

    folders = [Path(path).expanduser(), Path(datasets.config.HF_CACHE_HOME)]
    return [folder.resolve() for folder in folders if folder.is_dir()]
