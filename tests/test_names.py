"""Public names of the package: unique, functions named by a verb, everything with a docstring."""

import ast
import builtins
import re
from collections import defaultdict
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "candelabra"
SHARED = {
    "Keypoints": "the task that learns keypoints alone, and the head",
    "Model": "of candelabra, and of candelabra.runtime for an exported file: both are called with pictures",
}
FIRST_WORDS = """
activate add advise announce apply arrange average balance begin bisect blank broadcast build cache caption check
choose clean clear clip collate collect color combine compare compile compose compute continue convert copy count
create crop deal decode describe detach detect diff disable divide download draw drop embed encode enlarge escape
evaluate evict expand explain export extract fill find fit flatten fold fool format group guard handle has hash hold
import index insert inspect is iterate jitter join keep label lead letterbox list load log looks make map match
maximise measure merge mirror monitor move name normalize number observe open order overlay pack pad pair parse paste
pick plot predict prepare preserve print project publish pull push quantize quote read rebuild receive recognize record
reduce relocate remember remove rename repair repeat replace report requeue require resample resize resolve restore
resume retry roll run save scale scan score select set shard share shorten show shrink skip solve sort split stack
start step stretch strip sum summarize suppress survive switch take thin trace transform translate turn unpack verify
view wait watch wrap write
"""  # of functions: imperatives, and questions such as is_labelled
VERBS = set(FIRST_WORDS.split())
ALLOWED = {
    "main": "the entry point, as in every package",
    "dry_run": "the term of the field for trying a run before it begins",
    "masked_losses": "the loss of a training step, as the architecture names it",
    **dict.fromkeys(
        ["image_to_tensor", "mask_to_classes", "numbers_to_json", "retrieval_to_json"],
        "conversions, as torchvision's pil_to_tensor",
    ),
    **dict.fromkeys(["constant", "cosine", "one_cycle", "plateau"], "conf/scheduler names them, as torch does"),
    **dict.fromkeys(
        [
            "deeplabv3plus",
            "fpn",
            "linknet",
            "manet",
            "pan",
            "segformer",
            "unet",
            "unetplusplus",
            "upernet",
            "upsampling_unet",
        ],
        "conf/decoder names them; segmentation_models_pytorch does too",
    ),
    **dict.fromkeys(
        [
            "giou_loss",
            "map_gradient_loss",
            "quality_focal_loss",
            "soft_dice_loss",
            "focal_cross_entropy",
            "lovasz_loss",
        ],
        "losses are named as in torch.nn.functional",
    ),
}


def _list_definitions() -> list[tuple[str, ast.ClassDef | ast.FunctionDef]]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name.startswith("test_") or path.name == "conftest.py":
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                found.append((str(path.relative_to(PACKAGE)), node))
    return found


DEFINITIONS = _list_definitions()


def test_every_public_name_is_unique() -> None:
    places = defaultdict(list)
    for path, node in DEFINITIONS:
        places[node.name].append(path)
    assert {name: paths for name, paths in places.items() if len(paths) > 1 and name not in SHARED} == {}
    assert all(len(places[name]) == 2 for name in SHARED)


def test_functions_begin_with_a_verb() -> None:
    functions = {node.name: path for path, node in DEFINITIONS if isinstance(node, ast.FunctionDef)}
    wrong = {n: p for n, p in functions.items() if n.split("_")[0] not in VERBS and n not in ALLOWED}
    assert wrong == {}
    assert set(ALLOWED) <= set(functions)


@pytest.mark.parametrize("word", ["kept", "shown", "opened", "drawn", "made", "found", "told", "said", "thinned"])
def test_no_name_is_a_bare_participle(word: str) -> None:
    assert [path for path, node in DEFINITIONS if node.name == word] == []


def test_everything_public_is_described() -> None:
    assert [f"{path}: {node.name}" for path, node in DEFINITIONS if not ast.get_docstring(node)] == []


def test_docstrings_name_exceptions_that_exist() -> None:
    """A renamed exception leaves its old name in docstrings, which no other check reads."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(PACKAGE.parent.rglob("*.py"))}
    known = {*dir(builtins), *(name for text in texts.values() for name in re.findall(r"^class (\w+)", text, re.M))}
    known |= {name for text in texts.values() for name in re.findall(r"import (HydraException)$", text, re.M)}
    named = {
        (path.name, name)
        for path, text in texts.items()
        for block in re.findall(r"^ +Raises:\n((?: {8,}.*\n)+)", text, re.M)
        for name in re.findall(r"^ +([A-Z]\w+):", block, re.M)
    }
    assert len(named) > 50
    assert {(path, name) for path, name in named if name not in known} == set()
