"""Classifiers of scikit-learn on the features of a frozen backbone."""

from candelabra.embeddings.classifiers.candidate import ClassifierCandidate, FittedClassifier

__all__ = ["ClassifierCandidate", "FittedClassifier"]
