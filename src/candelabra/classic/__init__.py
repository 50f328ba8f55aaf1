"""Classic classifiers of scikit-learn on the features of a backbone that holds still."""

from candelabra.classic.candidate import Candidate, Fitted

__all__ = ["Candidate", "Fitted"]
