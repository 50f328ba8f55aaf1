"""Exports of labelling tools that no reader reads, so that messages can name them and say what to export instead."""

from pathlib import Path

_HEAD = 2**16  # bytes of a file that are looked at
_MOST = 20  # files of an ending that are looked at
_COCO = "export COCO (data=coco), Pascal VOC (data=voc) or YOLO (data=yolo) instead"
_SIGNS: tuple[tuple[str, tuple[str, ...], str], ...] = (  # ending, words that are all there, and what that is
    (".xml", ("<annotations", "<image"), f"CVAT's own xml of all images; {_COCO}"),
    (".xml", ("<annotations", "<track"), f"CVAT's own xml of a video; {_COCO}"),
    (".json", ('"shapes"', '"imagePath"'), "LabelMe's json of an image each; convert it to COCO (data=coco)"),
    (".json", ('"annotations"', '"result"', '"data"'), f"Label Studio's json; {_COCO}"),
    (".json", ('"annotation_id"', '"annotator"'), f"Label Studio's short json; {_COCO}"),
    (".json", ('"regions"', '"shape_attributes"'), "VGG Image Annotator's json; export COCO (data=coco) instead"),
    (".json", ('"coordinates"', '"annotations"', '"image"'), f"CreateML's json; {_COCO}"),
    (".json", ('"classTitle"', '"objects"'), f"Supervisely's json; {_COCO}"),
    (".json", ('"dm_format_version"',), f"Datumaro's json; {_COCO}"),
    (".json", ('"assets"', '"regions"'), f"VoTT's json; {_COCO}"),
    (".ndjson", ('"data_row"',), f"Labelbox's ndjson; {_COCO}"),
    (".tfrecord", (), f"TensorFlow's records; {_COCO}"),
)


def recognize_export(root: Path) -> str | None:
    """What an annotation file below a folder is, and what to export instead; null where none is known.

    Args:
        root: an existing folder.
    """
    looked: dict[str, int] = {}
    endings = {ending for ending, _, _ in _SIGNS}
    for path in sorted(root.rglob("*")):
        ending = path.suffix.lower()
        looked[ending] = looked.get(ending, 0) + 1
        if ending not in endings or looked[ending] > _MOST or path.name.startswith(".") or not path.is_file():
            continue
        with path.open("rb") as file:
            head = file.read(_HEAD).decode("latin-1")
        for wanted, words, what in _SIGNS:
            if wanted == ending and all(word in head for word in words):
                return f"{path.relative_to(root)} is {what}"
    return None
