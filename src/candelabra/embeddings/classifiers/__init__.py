"""Classic classifiers of scikit-learn on the features of a backbone that holds still."""

from candelabra.embeddings.classifiers.candidate import ClassifierCandidate, FittedClassifier

__all__ = ["ClassifierCandidate", "FittedClassifier"]
