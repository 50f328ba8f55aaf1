"""`candelabra probe`: classic classifiers on the features of a backbone that holds still."""

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import lightning as L
import torch
from omegaconf import DictConfig
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from candelabra.cli.compose import list_typed_keys
from candelabra.config.build import build_data, build_object, resolve_config
from candelabra.data.loading.dataset_part import parse_size
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.data.loading.workers import count_processors
from candelabra.data.targets import LabelTarget
from candelabra.embeddings.classifiers.candidate import ClassifierCandidate, FoldIndices, Folds, make_folds
from candelabra.embeddings.classifiers.features import LabelledFeatures, load_labelled_features
from candelabra.embeddings.classifiers.table import ClassifierRow, write_classifier_table
from candelabra.embeddings.encoder import choose_encoding_precision
from candelabra.errors import CandelabraError
from candelabra.report.plots import draw_confusion
from candelabra.report.tables import count_labels
from candelabra.tasks.loading import load_task
from candelabra.tasks.preprocessing import read_trained_size, set_trained_size
from candelabra.training.trainer import make_trainer

log = logging.getLogger(__name__)


def run_probe(config: DictConfig) -> None:
    """Writes classifiers.csv, classifiers.md, and pictures of the table and of the best one's confusions.

    Raises:
        CandelabraError: the data, the backbone or a classifier cannot be used.
    """
    plain = resolve_config(config)
    nodes = {name: node for name, node in plain["classifiers"].items() if node is not None}
    if not nodes:
        raise CandelabraError("There is no classifier; leave one of classifiers.* as it is.")
    candidates: dict[str, ClassifierCandidate] = {name: build_object(node) for name, node in nodes.items()}
    task = load_task(plain["run"]) if plain["run"] else None
    if task is not None:
        set_trained_size(plain["data"], task.recipe["config"]["data"], list_typed_keys())
    L.seed_everything(plain["seed"], verbose=False)
    data: SampleDataModule = build_data(plain["data"])
    count_labels(data, [LabelTarget.name])
    backbone = build_object(plain["backbone"]) if task is None else task.backbone
    if plain["trainer"]["precision"] == "auto":  # on a CPU
        about = read_trained_size(plain["data"]), plain["run"] or plain["backbone"]
        plain["trainer"]["precision"] = choose_encoding_precision(backbone, parse_size(about[0], "data.size"), *about)
    trainer = make_trainer(plain["trainer"], logger=False, enable_checkpointing=False)
    begun = time.perf_counter()
    found = load_labelled_features(backbone, data, build_object(plain["cache"]), trainer)
    log.info("features of all images in %.1f s", time.perf_counter() - begun)
    train = found["train"]
    folds = make_folds(train.labels, train.groups, plain["folds"], plain["seed"])
    jobs = count_processors(1) if plain["jobs"] is None else plain["jobs"]
    rows, guesses = [], []
    for candidate in candidates.values():
        row, guessed = score_candidates(candidate, found, folds, jobs)
        log.info("%s: %.4f on validation, in %.1f s", row.words, row.val, row.fitted.seconds)
        rows.append(row)
        guesses.append(guessed)
    best = max(range(len(rows)), key=lambda place: (rows[place].val, rows[place].fitted.cross_validated))
    rows[best] = replace(rows[best], best=True)
    folder = Path(plain["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    counts = ", ".join(f"{len(part.labels)} {split}" for split, part in found.items())
    write_classifier_table(rows, f"classifiers on {train.vectors.shape[1]} features ({counts})", folder)
    matrix = confusion_matrix(found["test"].labels, guesses[best], labels=range(len(data.labels[LabelTarget].classes)))
    draw_confusion(torch.from_numpy(matrix), data.labels[LabelTarget].classes, folder / "pictures" / "confusion.png")
    log.info("best on validation: %s; see %s", rows[best].words, folder / "classifiers.md")


def score_candidates(
    candidate: ClassifierCandidate, found: Mapping[str, LabelledFeatures], folds: Folds, jobs: int
) -> tuple[ClassifierRow, FoldIndices]:
    """A row of the table, and what the classifier says of the test images."""
    train, val, test = (found[split] for split in ("train", "val", "test"))
    fitted = candidate.fit(train.vectors, train.labels, folds, jobs)
    if not fitted.converged:
        log.warning("%s ran out of iterations in some fit; see its max_iter", candidate.words)
    begun = time.perf_counter()
    guessed = fitted.model.predict(test.vectors)
    milliseconds = 1000 * (time.perf_counter() - begun) / len(test.labels)
    row = ClassifierRow(
        candidate.words,
        fitted,
        float(accuracy_score(val.labels, fitted.model.predict(val.vectors))),
        float(accuracy_score(test.labels, guessed)),
        float(f1_score(test.labels, guessed, average="macro")),
        milliseconds,
    )
    return row, guessed
