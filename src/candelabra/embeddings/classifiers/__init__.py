"""Classic classifiers of scikit-learn on the features of a backbone that holds still."""

from candelabra.embeddings.classifiers.candidate import Candidate, Fitted

__all__ = ["Candidate", "Fitted"]
