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

from candelabra.config.build import build, resolve
from candelabra.data.loading.datamodule import DataModule
from candelabra.data.loading.workers import processors
from candelabra.embeddings.classifiers.candidate import Candidate, Folds, Indices, folds_of
from candelabra.embeddings.classifiers.features import Labelled, labelled_features
from candelabra.embeddings.classifiers.table import Row, write
from candelabra.errors import CandelabraError
from candelabra.report.pictures import confusion
from candelabra.report.tables import coverage
from candelabra.tasks.loading import load_task
from candelabra.training.trainer import make_trainer

log = logging.getLogger(__name__)


def run_probe(config: DictConfig) -> None:
    """Writes classifiers.csv, classifiers.md, and pictures of the table and of the best one's confusions.

    Raises:
        CandelabraError: the data, the backbone or a classifier cannot be used.
    """
    plain = resolve(config)
    nodes = {name: node for name, node in plain["classifiers"].items() if node is not None}
    if not nodes:
        raise CandelabraError("There is no classifier; leave one of classifiers.* as it is.")
    candidates: dict[str, Candidate] = {name: build(node) for name, node in nodes.items()}
    L.seed_everything(plain["seed"], verbose=False)
    data: DataModule = build(plain["data"])
    coverage(data, ["label"])
    backbone = load_task(plain["run"]).backbone if plain["run"] else build(plain["backbone"])
    trainer = make_trainer(plain["trainer"], logger=False, enable_checkpointing=False)
    begun = time.perf_counter()
    found = labelled_features(backbone, data, build(plain["cache"]), trainer)
    log.info("features of all images in %.1f s", time.perf_counter() - begun)
    train = found["train"]
    folds = folds_of(train.labels, train.groups, plain["folds"], plain["seed"])
    jobs = processors(1) if plain["jobs"] is None else plain["jobs"]
    rows, guesses = [], []
    for candidate in candidates.values():
        row, guessed = judge(candidate, found, folds, jobs)
        log.info("%s: %.4f on validation, in %.1f s", row.words, row.val, row.fitted.seconds)
        rows.append(row)
        guesses.append(guessed)
    best = max(range(len(rows)), key=lambda place: (rows[place].val, rows[place].fitted.cross_validated))
    rows[best] = replace(rows[best], best=True)
    folder = Path(plain["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    counts = ", ".join(f"{len(part.labels)} {split}" for split, part in found.items())
    write(rows, f"classifiers on {train.vectors.shape[1]} features ({counts})", folder)
    matrix = confusion_matrix(found["test"].labels, guesses[best], labels=range(len(data.labels.classes)))
    confusion(torch.from_numpy(matrix), data.labels.classes, folder / "pictures" / "confusion.png")
    log.info("best on validation: %s; see %s", rows[best].words, folder / "classifiers.md")


def judge(candidate: Candidate, found: Mapping[str, Labelled], folds: Folds, jobs: int) -> tuple[Row, Indices]:
    """A row of the table, and what the classifier says of the test images."""
    train, val, test = (found[split] for split in ("train", "val", "test"))
    fitted = candidate.fit(train.vectors, train.labels, folds, jobs)
    if not fitted.converged:
        log.warning("%s ran out of iterations in some fit; see its max_iter", candidate.words)
    begun = time.perf_counter()
    guessed = fitted.model.predict(test.vectors)
    milliseconds = 1000 * (time.perf_counter() - begun) / len(test.labels)
    row = Row(
        candidate.words,
        fitted,
        float(accuracy_score(val.labels, fitted.model.predict(val.vectors))),
        float(accuracy_score(test.labels, guessed)),
        float(f1_score(test.labels, guessed, average="macro")),
        milliseconds,
    )
    return row, guessed
