"""What a server takes and how long it works on it."""

from dataclasses import dataclass

from candelabra.errors import CandelabraError


@dataclass(frozen=True)
class ServingLimits:
    """Bounds of memory and time; a request beyond one is refused with a sentence.

    Args:
        megabytes: of the body of a request (10^6 bytes).
        megapixels: of a picture (10^6), as its header says, and of the pictures of one run of the model.
        pictures: of a request.
        waiting: pictures that wait or are worked on; more are refused with 429.
        seconds: that a request may take to arrive, and then to be answered.
        batch: pictures of one size that are run together.
        window: milliseconds that the first picture waits for others.
    """

    megabytes: int = 16
    megapixels: int = 25
    pictures: int = 16
    waiting: int = 64
    seconds: int = 30
    batch: int = 8
    window: int = 2

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < (0 if name == "window" else 1):
                raise CandelabraError(f"{name}={value} cannot be used; give a positive number.")

    @property
    def bytes(self) -> int:
        """Of the body of a request."""
        return self.megabytes * 10**6

    @property
    def pixels(self) -> int:
        """Of a picture."""
        return self.megapixels * 10**6


class RefusedRequest(Exception):
    """A request that is not answered: the status and a sentence that says why.

    Args:
        status: of HTTP.
        words: the sentence.
    """

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status
