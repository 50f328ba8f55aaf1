"""Damaged files for any reader, and a process of little memory to read them in."""

import json
import random
import resource
import signal
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

import pandas

from candelabra.errors import CandelabraError
from tests.forked import run_forked

PATIENCE = 20  # seconds a file; a hang ends there, and is a failure
MEMORY = 1 << 30  # bytes that a process may hold beside its libraries

Reader = Callable[[Path], object]


def mutants(content: bytes, rng: random.Random, count: int) -> Iterator[bytes]:
    """So many damaged versions of a file: bytes flipped, set, cut, swapped, doubled, put in, numbers made huge."""
    ways = (flipped, extreme, cut, headless, swapped, doubled, inserted, several)
    for number in range(count):
        yield ways[number % len(ways)](content, rng)


def flipped(content: bytes, rng: random.Random) -> bytes:
    """Some bits of the file are others."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 2, 8, 64))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def extreme(content: bytes, rng: random.Random) -> bytes:
    """Up to four bytes near the beginning, where lengths and sizes stand, are as large or as small as can be."""
    changed, place = bytearray(content), rng.randrange(min(len(content), 512))
    length = rng.choice((1, 2, 4))
    changed[place : place + length] = rng.choice((b"\0", b"\xff", b"\x7f", b"\x80")) * length
    return bytes(changed[: len(content)])


def cut(content: bytes, rng: random.Random) -> bytes:
    """The end is missing."""
    return content[: rng.randrange(len(content))]


def headless(content: bytes, rng: random.Random) -> bytes:
    """A piece is missing."""
    start = rng.randrange(len(content))
    return content[:start] + content[start + rng.randrange(1, 200) :]


def swapped(content: bytes, rng: random.Random) -> bytes:
    """Two pieces have changed places."""
    one, two, three = sorted(rng.randrange(len(content) + 1) for _ in range(3))
    return content[:one] + content[two:three] + content[one:two] + content[three:]


def doubled(content: bytes, rng: random.Random) -> bytes:
    """A piece is there many times."""
    start = rng.randrange(len(content))
    return content[:start] + content[start : start + rng.randrange(1, 400)] * rng.randrange(1, 50) + content[start:]


def inserted(content: bytes, rng: random.Random) -> bytes:
    """Rubbish stands between."""
    start = rng.randrange(len(content))
    return content[:start] + rng.randbytes(rng.randrange(1, 300)) + content[start:]


def several(content: bytes, rng: random.Random) -> bytes:
    """Two kinds of damage."""
    ways = (flipped, extreme, cut, headless, swapped, doubled, inserted)
    once = rng.choice(ways)(content, rng)
    return rng.choice(ways)(once, rng) if once else once


def read_all(files: list[Path], read: Reader, refusal: type[Exception]) -> dict[str, object]:
    """Reads files in this process, and says how many were used and refused, what else happened, and bytes of memory."""

    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, late)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = peak()
    counts: Counter[str] = Counter()
    failures = []
    for path in files:
        signal.alarm(PATIENCE)
        try:
            read(path)
            counts["used"] += 1
        except refusal:
            counts["refused"] += 1
        except BaseException as error:
            failures.append(f"{path.name}: {type(error).__name__}: {error}")
        signal.alarm(0)
    return {"used": 0, "refused": 0, **counts, "failures": failures, "bytes": peak() - before}


def peak() -> int:
    """The most bytes that this process held; `getrusage` would say what its parent held when it began."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def read_in_a_process(files: list[Path], module: str, reader: str, timeout: float) -> dict[str, object]:
    """Reads files by a function of a module, in a process that may not grow beyond `MEMORY`.

    Raises:
        AssertionError: the process crashed, or hung where no signal reaches it.
    """
    with TemporaryDirectory() as folder:
        listed, answer = Path(folder, "files.json"), Path(folder, "answer.json")
        listed.write_text(json.dumps([str(file) for file in files]))
        words = [str(listed), module, reader, str(answer)]
        run = run_forked(words, Path.cwd(), module="tests.data.mutants", timeout=timeout)
        assert run.returncode == 0, f"the process ended with {run.returncode}: {run.stderr}"
        found: dict[str, object] = json.loads(answer.read_text())
    return found


def read_limited(listed: Path, module: str, reader: str, answer: Path) -> None:
    """Reads the files of a list in this process, which it keeps from growing."""
    files = [Path(file) for file in json.loads(listed.read_text())]
    warnings.simplefilter("ignore")
    read = getattr(import_module(module), reader)
    pandas.DataFrame([["a"]], dtype=str)  # at its first text Arrow takes a gigabyte of addresses, or fails
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()  # of addresses, not memory
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    answer.write_text(json.dumps(read_all(files, read, CandelabraError)))


if __name__ == "__main__":
    read_limited(Path(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4]))
