"""One query among 100,000 vectors of 1,280 numbers: milliseconds, and recall of the ten that are nearest."""

import time

import numpy as np

from benchmarks.reporting import parser, report
from candelabra.embeddings.encoder import Vectors
from candelabra.embeddings.search import ExactSearch, FaissSearch, Search

K = 10


def vectors_of(count: int, width: int, queries: int) -> tuple[Vectors, Vectors]:
    """Clusters of vectors, and queries beside some of them; as features are: not all directions alike."""
    draw = np.random.default_rng(0)
    scale = (1 / np.sqrt(1 + np.arange(width))).astype(np.float32)
    centres = draw.standard_normal((1000, width), dtype=np.float32) * scale
    vectors = centres[draw.integers(0, 1000, count)] + draw.standard_normal((count, width), dtype=np.float32) * scale
    asked = vectors[draw.integers(0, count, queries)]
    return vectors, asked + 0.5 * draw.standard_normal(asked.shape, dtype=np.float32) * scale


def main() -> None:
    """Each search by itself, so that memory holds one at a time."""
    arguments = parser(__doc__)
    arguments.add_argument("--count", type=int, default=100_000)
    arguments.add_argument("--width", type=int, default=1280)
    arguments.add_argument("--queries", type=int, default=30)
    given = arguments.parse_args()
    vectors, queries = vectors_of(given.count, given.width, given.queries)
    rows: dict[str, list[float]] = {}
    true = np.empty((0, K))
    for name, make in (
        ("exact", ExactSearch),
        ("faiss, flat", FaissSearch),
        ("faiss, 10 candidates", lambda given: FaissSearch(given, candidates=10)),
    ):
        begun = time.perf_counter()
        searcher: Search = make(vectors)
        rows[f"{name}: seconds to build"] = [time.perf_counter() - begun]
        found = []
        for query in queries:
            begun = time.perf_counter()
            found.append(searcher.nearest(query[None], K).rows[0])
            rows.setdefault(f"{name}: ms a query", []).append(1000 * (time.perf_counter() - begun))
        true = np.stack(found) if name == "exact" else true
        shares = [len(set(here) & set(there)) / K for here, there in zip(found, true, strict=True)]
        rows[f"{name}: recall@{K}"] = shares
        del searcher
    best = float(np.median(rows["faiss, 10 candidates: ms a query"]))
    report(f"search among {given.count} vectors of {given.width}", rows, ("ms a query with faiss", best), given.json)


if __name__ == "__main__":
    main()
