"""An exported model: pictures in, answers in the pixels of their files out."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candelabra.environment import count_usable_cores
from candelabra.errors import CandelabraError
from candelabra.runtime.answer import Answer
from candelabra.runtime.description import EMBEDDING_NAME, read_description
from candelabra.runtime.kinds import make_kinds
from candelabra.runtime.pictures import Picture, is_one_picture, list_pictures, read_picture
from candelabra.runtime.sessions import Session, open_session


class Model:
    """A model that `candelabra export` wrote, without torch.

    Called with one picture it returns an `Answer`; with a folder, a glob or a list, a list of them. A picture is a
    path, the bytes of a file, a Pillow image, or an array (H, W), (H, W, 3) or (H, W, 4) of uint8.

    Args:
        path: of the exported file; its model.json lies beside it.
        batch_size: pictures of one size that are run together.
        threads: of one run; null for all cores.
        session: that runs the model; null opens the file by its ending.

    Attributes:
        description: what model.json says.
        kinds: what each head answers with, by name.

    Raises:
        CandelabraError: there is no such model, or its runtime is not installed.

    >>> model = Model("model.onnx")  # doctest: +SKIP
    >>> model("photo.jpg").label.name  # doctest: +SKIP
    'dog'
    """

    def __init__(
        self, path: str | Path, batch_size: int = 8, threads: int | None = None, session: Session | None = None
    ) -> None:
        if batch_size < 1:
            raise CandelabraError(f"batch_size={batch_size} must be at least 1.")
        path = Path(path).expanduser()
        self.description = read_description(path)
        self.kinds = make_kinds(self.description)
        self.session = session or open_session(path, threads)
        self.batch_size = batch_size

    def __call__(self, pictures: Any) -> Any:
        """Answers; one `Answer`, or a list of them.

        Raises:
            CandelabraError: a picture cannot be read, or is none.
        """
        found = self.predict(pictures)
        return next(found) if is_one_picture(pictures) else list(found)

    def predict(self, pictures: Any) -> Iterator[Answer]:
        """Answers one picture after the other, in the order given; reads ahead.

        Raises:
            CandelabraError: a picture cannot be read, or is none.
        """
        waiting: list[Picture] = []
        for picture in self._read_ahead(pictures):
            if waiting and (waiting[0].pixels.shape != picture.pixels.shape or len(waiting) == self.batch_size):
                yield from self.answer(waiting)
                waiting = []
            waiting.append(picture)
        if waiting:
            yield from self.answer(waiting)

    def embed(self, pictures: Any) -> NDArray[np.float32]:
        """Embeds pictures as (N, D) float32: the spatial mean of the final map of the backbone."""
        found = [
            self.session.run(each.pixels[None], [EMBEDDING_NAME])[EMBEDDING_NAME] for each in self._read_ahead(pictures)
        ]
        return np.concatenate(found)

    def read(self, name: str, given: Any) -> Picture:
        """Reads one picture, as small as the model allows; see `read_picture`."""
        return read_picture(name, given, self.description.size)

    def answer(self, pictures: Sequence[Picture]) -> list[Answer]:
        """Answers pictures whose pixels have one shape, in one run."""
        names = [name for kind in self.kinds.values() for name in kind.list_outputs()]
        outputs = self.session.run(np.stack([each.pixels for each in pictures]), names)
        answers = []
        for row, picture in enumerate(pictures):
            own = {name: values[row] for name, values in outputs.items()}
            placed = {name: kind.place(own, picture, self.description) for name, kind in self.kinds.items()}
            answers.append(Answer(picture.name, picture.size, placed, self.kinds))
        return answers

    def _read_ahead(self, pictures: Any) -> Iterator[Picture]:
        with ThreadPoolExecutor(count_usable_cores()) as threads:
            waiting: deque[Future[Picture]] = deque()
            for name, given in list_pictures(pictures):
                waiting.append(threads.submit(self.read, name, given))
                if len(waiting) > 2 * self.batch_size:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
