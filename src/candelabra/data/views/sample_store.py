"""Where samples are kept: one file each, in memory or on disk, shared by all processes, up to so many bytes."""

import json
import logging
import math
import os
import shutil
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from candelabra.data.samples import make_sample as make_sample
from candelabra.environment import CACHE_VARIABLE
from candelabra.errors import CandelabraError
from candelabra.types import Sample

log = logging.getLogger(__name__)
_GIGA = 10**9
SHARED_MEMORY = Path("/dev/shm")
_USED = "bytes"
_HEAD = struct.Struct("<QQ")  # bytes of the file, and of the line that describes it
_ALIGNED = 64  # each tensor begins on a cache line
_MAPS = 16_384  # files that a process looks into without reading them; Linux allows it four times as many


def find_store_folder(place: Literal["ram", "disk"]) -> Path:
    """The folder of all shelves: in memory that all processes share, or in $CANDELABRA_CACHE or ~/.cache/candelabra.

    Raises:
        CandelabraError: this system has no such memory.
    """
    if place == "disk":
        return Path(os.environ.get(CACHE_VARIABLE, "~/.cache/candelabra"), "images").expanduser().absolute()
    if not SHARED_MEMORY.is_dir():
        raise CandelabraError(
            f"data.cache=ram needs {SHARED_MEMORY}, which this system does not have; use data.cache=disk."
        )
    return SHARED_MEMORY / f"candelabra-{os.getuid()}"


class SampleStore:
    """A folder of samples, by name.

    A file is written under a passing name and then renamed, so what has a name is whole; what a loss of power has cut
    short is found out by its length and made again. Whoever uses the shelf holds its lock together with all others: a
    shelf that nobody uses gives way to one that needs the room, the one that was not used for longest first. In memory,
    a shelf goes with the last process that uses it; one of processes that were killed, when the next is opened.

    Args:
        folder: of all shelves, see `find_store_folder`.
        name: of this one.
        gigabytes: (10^9 bytes each) that all shelves of the folder may have together.
        lasting: it stays when nobody uses it.

    Raises:
        CandelabraError: the folder cannot be made or written to.
    """

    def __init__(self, folder: Path, name: str, gigabytes: float, lasting: bool) -> None:
        self.home, self.folder, self.limit, self.lasting = folder, folder / name, gigabytes * _GIGA, lasting
        self.full = torch.zeros(1, dtype=torch.bool).share_memory_()  # so that one of several workers says so
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._alone():  # or one that lets go, or needs the room, would take it away again
                self.folder.mkdir(exist_ok=True)
                self.lock = os.open(self.folder.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
                if not lasting:
                    for other in self._others():
                        _remove_unused(other)
                if _locked(self.lock, alone=True):  # nobody else is at it
                    self._count()
                _locked(self.lock)
                os.utime(self.lock)  # used now
        except OSError as error:
            raise CandelabraError(f"{folder}, where data.cache would keep images, cannot be used ({error}).") from error
        self.owner = os.getpid()
        self.mapped: dict[str, Sample] = {}

    def get(self, name: str) -> Sample | None:
        """A sample; null where it is not there.

        Its image is memory that every later call gives again: to be read only. Nothing changes on the shelf if it is
        written to, or if the other tensors are, which are the caller's own.
        """
        kept = self.mapped.get(name)
        if kept is None:
            self._let_parent_hold()
            kept = self._looked_up(name)
            if kept is None or len(self.mapped) >= _MAPS:
                return kept
            self.mapped[name] = kept
        tensors = cast(dict[str, Tensor], kept)
        return cast(Sample, {key: each if key == "image" else each.clone() for key, each in tensors.items()})

    def _looked_up(self, name: str) -> Sample | None:
        try:
            file = os.open(self._path(name), os.O_RDONLY)
        except OSError:
            return None
        try:
            size = os.fstat(file).st_size
            if len(self.mapped) < _MAPS and size:
                # A map costs a fault for each few pages, once; a copy costs less than that, but in each epoch.
                return unpack_sample(torch.from_file(str(self._path(name)), False, size, dtype=torch.uint8).numpy())
            bits: NDArray[np.uint8] = np.empty(size, np.uint8)
            os.readv(file, [bits.data])
        except (OSError, RuntimeError):  # torch's word for a file that cannot be mapped
            return None
        finally:
            os.close(file)
        return unpack_sample(bits)

    def put(self, name: str, sample: Sample) -> None:
        """Keeps a sample if there is room; says in one line when there is no more."""
        if self.full.item():
            return
        parts = pack_sample(sample)
        size = sum(len(part) for part in parts)
        path = self._path(name)
        try:
            with self._alone():
                if not self._room(size):
                    return
                (self.folder / _USED).write_text(str(_used(self.folder) + size))
            path.parent.mkdir(exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".part", delete=False) as file:
                file.writelines(parts)
            Path(file.name).replace(path)
        except OSError as error:
            self._refuse(str(error))

    def close(self) -> None:
        """Lets go; the last to use a shelf that does not last takes it away."""
        self.mapped.clear()
        if self.owner == os.getpid() and self.lock >= 0:
            os.close(self.lock)
            self.lock = -1
            if not self.lasting:
                with suppress(OSError), self._alone(wait=False):  # else whoever opens the next shelf takes it away
                    _remove_unused(self.folder)

    def _path(self, name: str) -> Path:
        return self.folder / name[:2] / name

    def _room(self, size: int) -> bool:
        used = {folder: _used(folder) for folder in [self.folder, *self._others()]}
        limit = min(self.limit, sum(used.values()) + shutil.disk_usage(self.home).free * 0.9)
        for other in sorted(used.keys() - {self.folder}, key=_last_used):
            if sum(used.values()) + size <= limit:
                break
            if _remove_unused(other):
                log.info("removed kept images not used for longest: %s (%.2f GB)", other, used.pop(other) / _GIGA)
        if sum(used.values()) + size <= limit:
            return True
        full = limit == self.limit
        self._refuse(f"data.cache_gigabytes={self.limit / _GIGA:g} is full" if full else "little is left there")
        return False

    def _refuse(self, why: str) -> None:
        if not self.full.item():
            kept = _used(self.folder) / _GIGA
            log.warning(
                "no more images are kept in %s (%s, %.2f GB of this data set): others are read", self.home, why, kept
            )
        self.full.fill_(True)

    def _let_parent_hold(self) -> None:
        """A worker, which is forked, has inherited the lock; it must not hold it when the run is over."""
        if self.owner != os.getpid() and self.lock >= 0:
            os.close(self.lock)
            self.lock = -1

    def _others(self) -> list[Path]:
        return [path for path in self.home.iterdir() if path.is_dir() and path != self.folder]

    def _count(self) -> None:
        """What is really there, and away with what a killed process left half written."""
        for torn in self.folder.glob("*.part"):
            torn.unlink(missing_ok=True)
        (self.folder / _USED).write_text(str(sum(path.stat().st_size for path in self.folder.glob("??/*"))))

    @contextmanager
    def _alone(self, wait: bool = True) -> Iterator[None]:
        """No other process counts or removes shelves in the meantime."""
        import fcntl

        with (self.home / "shelves.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            yield


def pack_sample(sample: Sample) -> list[bytes]:
    """A sample -> its length, a line that describes it, and the bits of its tensors."""
    arrays = {key: value.as_subclass(Tensor).numpy() for key, value in sample.items()}  # type: ignore[attr-defined]
    arrays["image"] = arrays["image"].transpose(1, 2, 0)  # as decoders give it
    layout = {key: (array.dtype.str, array.shape) for key, array in arrays.items()}
    words = json.dumps(layout).encode()
    parts = [words + bytes(_aligned(_HEAD.size + len(words)) - _HEAD.size - len(words))]
    parts += [array.tobytes() + bytes(_aligned(array.nbytes) - array.nbytes) for array in arrays.values()]
    return [_HEAD.pack(_HEAD.size + sum(map(len, parts)), len(words)), *parts]


def unpack_sample(bits: NDArray[np.uint8]) -> Sample | None:
    """The sample that was packed; null where its end is missing."""
    if len(bits) < _HEAD.size:
        return None
    length, words = _HEAD.unpack_from(bits.data)
    if length != len(bits):
        return None
    layout = json.loads(bits[_HEAD.size : _HEAD.size + words].tobytes())
    place = _aligned(_HEAD.size + words)
    tensors = {}
    for key, (kind, shape) in layout.items():
        dtype, count = np.dtype(kind), math.prod(shape)
        tensors[key] = torch.from_numpy(np.frombuffer(bits, dtype, count, place).reshape(shape))
        place = _aligned(place + dtype.itemsize * count)
    return make_sample(tensors.pop("image").permute(2, 0, 1), **tensors)


def _aligned(place: int) -> int:
    return -(-place // _ALIGNED) * _ALIGNED


def _used(folder: Path) -> int:
    try:
        return int((folder / _USED).read_text())
    except (OSError, ValueError):
        return 0


def _last_used(folder: Path) -> float:
    try:
        return folder.with_suffix(".lock").stat().st_mtime
    except OSError:
        return 0.0


def _locked(lock: int, alone: bool = False) -> bool:
    """Takes a lock together with all others who use the shelf, or alone; whether that was possible at once."""
    import fcntl

    try:
        fcntl.flock(lock, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove_unused(folder: Path) -> bool:
    """Takes a shelf away if no living process uses it; whether it did."""
    try:
        lock = os.open(folder.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if not _locked(lock, alone=True):
            return False
        with suppress(OSError):
            shutil.rmtree(folder)
            folder.with_suffix(".lock").unlink(missing_ok=True)
        return True
    finally:
        os.close(lock)
