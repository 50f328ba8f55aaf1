"""Run the pictures of several requests together, and refuse more than fit."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from candelabra.data.decoding.image_files import RawBytes
from candelabra.data.decoding.images import read_image_size
from candelabra.environment import count_usable_cores
from candelabra.errors import CandelabraError
from candelabra.runtime.answer import Answer
from candelabra.runtime.model import Model
from candelabra.runtime.pictures import Picture
from candelabra.serving.limits import RefusedRequest, ServingLimits
from candelabra.serving.metrics import ServingMetrics


class WaitingPicture(NamedTuple):
    """A decoded picture, and the future that its answer is set on."""

    picture: Picture
    answer: asyncio.Future[Answer]


class PictureQueue:
    """Decodes pictures in threads, and runs those of one size together, one batch after the other.

    Args:
        model: that answers.
        limits: of memory and time.
        metrics: that count.
    """

    def __init__(self, model: Model, limits: ServingLimits, metrics: ServingMetrics) -> None:
        self.model, self.limits, self.metrics = model, limits, metrics
        self.waiting: deque[WaitingPicture] = deque()
        self.arrived = asyncio.Event()
        self.decoders = asyncio.Semaphore(count_usable_cores())
        self.pictures = self.pixels = 0  # of requests that are being answered

    async def answer(self, files: Sequence[tuple[str, bytes]]) -> list[Answer]:
        """Answers the pictures of one request.

        Args:
            files: name and content of each.

        Raises:
            RefusedRequest: there are too many, one is too large or is no picture, or it took too long.
        """
        sizes = [await asyncio.to_thread(self._check, *file) for file in files]
        pixels = sum(sizes)
        most = max(self.limits.pixels * 4, pixels if not self.pictures else 0)
        if self.pictures + len(files) > self.limits.waiting or self.pixels + pixels > most:
            raise RefusedRequest(429, "Too many pictures are waiting; try again in a second.")
        self.pictures, self.pixels = self.pictures + len(files), self.pixels + pixels
        self.metrics.waiting.set(self.pictures)
        tasks = [asyncio.ensure_future(self._answer_one(*file)) for file in files]
        try:
            return list(await asyncio.wait_for(asyncio.gather(*tasks), self.limits.seconds))
        except TimeoutError as error:
            raise RefusedRequest(503, f"There was no answer within {self.limits.seconds} seconds.") from error
        finally:
            for task in tasks:
                task.cancel()
            self.pictures, self.pixels = self.pictures - len(files), self.pixels - pixels
            self.metrics.waiting.set(self.pictures)

    async def run(self) -> None:
        """Runs batches until it is cancelled."""
        while True:
            await self.arrived.wait()
            if len(self.waiting) < self.limits.batch and self.limits.window:
                await asyncio.sleep(self.limits.window / 1000)
            batch = self._take_batch()
            if batch:
                await self._run_batch(batch)

    def _check(self, name: str, content: bytes) -> int:
        """The pixels of a picture, by its header."""
        try:
            width, height = read_image_size(RawBytes(content, name))
        except CandelabraError as error:
            raise RefusedRequest(400, str(error)) from error
        if width * height > self.limits.pixels:
            raise RefusedRequest(
                413, f"{name} has {width} x {height} pixels; at most {self.limits.megapixels} million are taken."
            )
        return width * height

    async def _answer_one(self, name: str, content: bytes) -> Answer:
        try:
            async with self.decoders:
                picture = await asyncio.to_thread(self.model.read, name, content)
        except CandelabraError as error:
            raise RefusedRequest(400, str(error)) from error
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.waiting.append(WaitingPicture(picture, future))
        self.arrived.set()
        return await future

    def _take_batch(self) -> list[WaitingPicture]:
        """The picture that waits longest, and others of its size; those that nobody waits for are dropped."""
        alive = [each for each in self.waiting if not each.answer.done()]
        batch: list[WaitingPicture] = []
        if alive:
            shape = alive[0].picture.pixels.shape
            most = min(self.limits.batch, max(self.limits.pixels // (shape[0] * shape[1]), 1))
            batch = [each for each in alive if each.picture.pixels.shape == shape][:most]
        taken = set(map(id, batch))
        self.waiting = deque(each for each in alive if id(each) not in taken)
        if not self.waiting:
            self.arrived.clear()
        return batch

    async def _run_batch(self, batch: Sequence[WaitingPicture]) -> None:
        self.metrics.batches.observe(len(batch))
        try:
            answers = await asyncio.to_thread(self.model.answer, [each.picture for each in batch])
        except Exception as error:  # what the runtime raises is the request's error, and the server goes on
            for each in batch:
                if not each.answer.done():
                    each.answer.set_exception(error)
            return
        for each, answer in zip(batch, answers, strict=True):
            if not each.answer.done():
                each.answer.set_result(answer)
