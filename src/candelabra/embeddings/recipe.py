"""The recipe of an index: all that is needed to embed further images in the same way."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import lightning as L

from candelabra.backbones.backbone import Backbone
from candelabra.config.build import PlainConfig, build_object
from candelabra.config.recipes import check_recipe
from candelabra.config.tensor_limit import TensorLimit
from candelabra.data.loading.dataset_part import parse_size
from candelabra.data.samples import hash_contents
from candelabra.data.transforms.pipeline import TransformPipeline, make_eval_transforms
from candelabra.data.transforms.resize import Resizing, make_resize
from candelabra.embeddings.encoder import Encoder, choose_encoding_precision
from candelabra.errors import CandelabraError
from candelabra.heads import Embedding, find_embedding
from candelabra.tasks.loading import load_task
from candelabra.tasks.preprocessing import read_trained_resize, read_trained_size
from candelabra.training.trainer import make_trainer

_LARGEST = 4 << 30  # bytes of the weights of a backbone


@dataclass(frozen=True)
class EmbeddingRecipe:
    """How to embed images, in plain types.

    Args:
        backbone: its config.
        run: a checkpoint or the folder of a run, whose backbone is used instead; null for none.
        vectors: head, those of the embedding head of the run, if it has one; or backbone, its pooled features.
        seed: of random weights (backbone.weights=none).
        size: (H, W) of the input of the backbone.
        resize: method, see `data.resize`.
        precision: of a trainer.
    """

    backbone: PlainConfig
    run: str | None
    vectors: str
    seed: int
    size: tuple[int, int]
    resize: Resizing
    precision: str

    @property
    def pipeline(self) -> TransformPipeline:
        """The transforms of images."""
        return make_eval_transforms(make_resize(self.resize, self.size))

    def network(self) -> tuple[Backbone, Embedding | None]:
        """The backbone, and the head whose vectors are taken, on the CPU.

        Raises:
            CandelabraError: weights cannot be loaded.
        """
        if self.run is not None:
            task = load_task(self.run)
            return task.backbone, find_embedding(task.heads.values()) if self.vectors == "head" else None
        L.seed_everything(self.seed, verbose=False)
        with TensorLimit(_LARGEST, "The index"):
            backbone: Backbone = build_object(self.backbone)
        return backbone, None

    def encoder(self, trainer: PlainConfig) -> Encoder:
        """The backbone on the device of a trainer's config, in the precision of this recipe."""
        made = make_trainer({**trainer, "precision": self.precision}, logger=False, enable_checkpointing=False)
        backbone, head = self.network()
        return Encoder(backbone, made.strategy.root_device, made.precision_plugin.forward_context, head)

    def told(self, encoder: Encoder) -> dict[str, Any]:
        """The recipe in words, with a digest of the weights."""
        told = {**asdict(self), "weights": describe_weights(encoder)}
        if encoder.head is None:
            del told["vectors"]  # as in indexes from before there were such heads
        return {**told, "size": list(self.size)} | ({"backbone": None} if self.run else {})


def make_recipe(plain: PlainConfig, otherwise: PlainConfig | None) -> EmbeddingRecipe:
    """Makes the recipe of a command's config.

    Args:
        plain: with `backbone`, `run`, `seed`, `size`, `resize` and `trainer`.
        otherwise: the config of the embedded data, which gives `size` and `resize` where they are null.

    Raises:
        CandelabraError: the run cannot be used, or the size is invalid.
    """
    run = None if plain["run"] is None else str(Path(plain["run"]).expanduser().absolute())
    given = load_task(run).recipe["config"]["data"] if run else otherwise
    size = plain["size"]
    if size is None:
        size = read_trained_size(given) if given else 224
    sides = parse_size(size, "size")
    word = plain["resize"] or (read_trained_resize(given) if given else "stretch")
    make_resize(word, (8, 8))  # refuses a word that is not known
    resize = cast(Resizing, word)
    if plain["vectors"] not in ("head", "backbone"):
        raise CandelabraError(f"vectors={plain['vectors']} is not known; allowed are head and backbone.")
    recipe = EmbeddingRecipe(
        plain["backbone"], run, plain["vectors"], plain["seed"], sides, resize, plain["trainer"]["precision"]
    )
    if recipe.precision == "auto":  # on a CPU
        precision = choose_encoding_precision(recipe.network()[0], sides, run or plain["backbone"])
        recipe = replace(recipe, precision=precision)
    return recipe


def restore_recipe(about: Any, trainer: PlainConfig) -> tuple[EmbeddingRecipe, Encoder]:
    """Restores the recipe of an index.

    Raises:
        CandelabraError: the weights are not those that the index was made with.
    """
    source = f"The index of {about.get('candelabra', 'candelabra')}"
    check_recipe({"backbone": about.get("backbone")}, source)
    words = {key: about.get(key) for key in ("backbone", "run", "seed", "resize", "precision")}
    size, kinds = about.get("size"), [type(words[key]) for key in ("seed", "resize")]
    sides = [side for side in size if isinstance(side, int) and 8 <= side <= 1 << 14] if isinstance(size, list) else []
    if len(sides) != 2 or kinds != [int, str] or not isinstance(words["run"] or "", str):
        raise CandelabraError(f"{source} is damaged: size, seed, resize, precision or run are no such values.")
    recipe = EmbeddingRecipe(size=(sides[0], sides[1]), vectors=str(about.get("vectors", "backbone")), **words)
    encoder = recipe.encoder(trainer)
    if describe_weights(encoder) != about["weights"]:
        source = f"run={recipe.run}" if recipe.run else f"backbone.weights={recipe.backbone['weights']}"
        raise CandelabraError(
            f"The weights of {source} are not those that the index was made with; embed its images again."
        )
    return recipe, encoder


def describe_weights(encoder: Encoder) -> str:
    """Hashes all weights and buffers that make vectors."""
    state = encoder.backbone.state_dict()
    if encoder.head is not None:
        state |= {f"head.{name}": value for name, value in encoder.head.state_dict().items()}
    return hash_contents(*(part for name in sorted(state) for part in (name, state[name].detach().cpu().float()))).hex()
