"""The skeleton in the config.yaml of a DeepLabCut project."""

from collections.abc import Sequence
from pathlib import Path

from candelabra.data.decoding.text_files import read_annotation_text
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.storage.documents import load_yaml

_CONFIG = "config.yaml"


def read_skeleton(root: Path, parts: Sequence[str], issues: list[DataIssue]) -> list[tuple[str, str]]:
    """The pairs of body parts that the project joins with a line; none where it does not say.

    Pairs of other words are left out: DeepLabCut writes examples into the file of a new project.

    Args:
        root: the project's folder.
        parts: the body parts that are read.
        issues: list to which issues are appended.
    """
    import yaml

    path = root / _CONFIG
    text = read_annotation_text(path, _CONFIG, issues) if path.is_file() else None
    try:
        config = load_yaml(text or "")
    except (yaml.YAMLError, ValueError) as error:
        detail = " ".join(str(error).split())
        issues.append(DataIssue(_CONFIG, "skeleton cannot be read", IssueTreatment.USED, detail))
        return []
    given = config.get("skeleton") if isinstance(config, dict) else None
    pairs = [pair for pair in given if isinstance(pair, list) and len(pair) == 2] if isinstance(given, list) else []
    named = [(str(one), str(other)) for one, other in pairs]
    return [pair for pair in named if set(pair) <= set(parts)]
