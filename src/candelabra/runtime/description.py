"""What model.json, beside an exported model, says of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from candelabra.data.decoding.fitting import PLACEMENTS
from candelabra.errors import CandelabraError
from candelabra.types import Size

DESCRIPTION_FORMAT = 1
INPUT_NAME, EMBEDDING_NAME, RAW_SUFFIX, PREPARED_SUFFIX = "images", "embedding", "_raw", "_prepared"
_LARGEST = 64 * 2**20  # bytes of a model.json


@dataclass(frozen=True)
class ModelDescription:
    """The input and the answers of an exported model.

    Args:
        size: (H, W) in pixels that the network sees.
        resize: stretch, letterbox or crop; how pictures come to this size.
        answers: for each head, the kind of its answer, and names of classes or points; see `Head.describe_answer`.
        document: all of model.json.
    """

    size: Size
    resize: str
    answers: Mapping[str, Mapping[str, Any]]
    document: Mapping[str, Any]


def find_description(model: str | Path) -> Path:
    """The path of the model.json of an exported model: `pets.onnx` has `pets.json`."""
    return Path(model).with_suffix(".json")


def read_description(model: str | Path) -> ModelDescription:
    """Reads the model.json of an exported model.

    Raises:
        CandelabraError: there is no such model, or its model.json is missing, damaged or of another version.
    """
    path = find_description(model)
    if not Path(model).is_file():
        raise CandelabraError(f"model={model} is no file; give one that candelabra export wrote.")
    if not path.is_file():
        raise CandelabraError(f"model={model} needs {path.name} beside it, which candelabra export wrote; copy both.")
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError("it is too large")
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != DESCRIPTION_FORMAT:
            raise ValueError(f"its format is {document['format']}, this version reads {DESCRIPTION_FORMAT}")
        height, width = document["input"]["size"]
        resize, answers = document["input"]["resize"], document["answers"]
        if resize not in PLACEMENTS or not all(isinstance(side, int) and side > 0 for side in (height, width)):
            raise ValueError("its input is none")
        for answer in answers.values():
            str(answer["kind"])
        name, described = Path(model).name, document.get("file", {})
        # a copy may have another name
        other = described.get("name", name) != name and described["bytes"] != Path(model).stat().st_size
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        words = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise CandelabraError(
            f"model={model}: {path.name} cannot be used ({words}); export the checkpoint again."
        ) from error
    if other and (path.parent / described["name"]).is_file():
        raise CandelabraError(
            f"model={model}: {path.name} beside it is that of {described['name']}, which was exported later; export "
            "each into a folder of its own."
        )
    return ModelDescription((height, width), resize, answers, document)
