"""The server answers what the model answers, and refuses with a sentence what it cannot take."""

import asyncio
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from candelabra.commands.serve import run_serve
from candelabra.errors import CandelabraError
from candelabra.runtime import Model
from candelabra.serving.limits import ServingLimits
from tests.exported import ExportedRun

pytest.importorskip("starlette")
from starlette.testclient import TestClient

from candelabra.serving.app import make_app

LIMITS = ServingLimits(megabytes=1, megapixels=1, pictures=4, waiting=8, seconds=20)


@pytest.fixture(scope="module")
def client(exported: ExportedRun) -> Iterator[TestClient]:
    with TestClient(make_app(Model(exported.model), LIMITS), raise_server_exceptions=False) as found:
        yield found


def encode(width: int, height: int, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(buffer, kind)
    return buffer.getvalue()


def test_one_picture_and_several_are_answered_as_by_the_model(client: TestClient, exported: ExportedRun) -> None:
    paths = sorted(exported.pictures.iterdir())[:3]
    expected = [Model(exported.model)(path).to_dict() for path in paths]
    files = [("pictures", (path.name, path.read_bytes())) for path in paths]
    together = client.post("/predict", files=files).json()["answers"]
    alone = [client.post("/predict", content=path.read_bytes()).json()["answers"][0] for path in paths]
    for wanted, *found in zip(expected, together, alone, strict=True):
        for answer in found:
            assert answer["box"] == pytest.approx(wanted["box"], abs=1e-3)
            assert answer["label"]["name"] == wanted["label"]["name"]
    assert [answer["image"] for answer in together] == [path.name for path in paths]


def test_maps_come_as_pictures_where_they_are_asked_for(client: TestClient, exported: ExportedRun) -> None:
    path = exported.pictures / "3_turned.jpg"
    answer = client.post("/predict?maps=true", content=path.read_bytes()).json()["answers"][0]
    import base64

    mask = np.asarray(Image.open(io.BytesIO(base64.b64decode(answer["mask"]["png"].partition(",")[2]))))
    assert mask.shape == (answer["height"], answer["width"]) == (150, 131)
    assert (mask == Model(exported.model)(path).mask).all()


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"", 400, "holds no picture"),
        (b"no picture", 400, "is no image of a kind"),
        (encode(20, 20)[:60], 400, "cannot be read"),
        (encode(2000, 2000), 413, "2000 x 2000 pixels"),
        (b"\x89PNG\r\n\x1a\n" + b"x" * 2_000_000, 413, "at most 1 MB"),
        (b"GIF89a" + b"\xff" * 300, 400, ""),
    ],
)
def test_what_it_cannot_take_is_refused_with_a_sentence(
    content: bytes, status: int, words: str, client: TestClient
) -> None:
    response = client.post("/predict", content=content)
    assert response.status_code == status
    assert words in response.json()["error"]


def test_forms_that_are_damaged_or_hold_too_many_are_refused(client: TestClient) -> None:
    many = [("pictures", (f"{number}.png", encode(4, 4))) for number in range(5)]
    assert client.post("/predict", files=many).status_code == 400
    headers = {"content-type": "multipart/form-data; boundary=x"}
    assert client.post("/predict", content=b"--x\r\nbroken", headers=headers).status_code == 400
    assert client.post("/predict", content=b"x", headers={"content-type": "multipart/form-data"}).status_code == 400
    assert client.post("/predict", data={"word": "no file"}).status_code == 400


def test_hostile_uploads_never_break_it(client: TestClient, exported: ExportedRun) -> None:
    """Files that are cut off and changed at random: each is answered or refused, and the next good one is answered."""
    draw = np.random.default_rng(0)
    sources = [path.read_bytes() for path in sorted(exported.pictures.iterdir())]
    statuses = set()
    for number in range(300):
        content = bytearray(sources[number % len(sources)])
        for place in draw.integers(0, len(content), draw.integers(1, 20)):
            content[place] = draw.integers(0, 256)
        if number % 3 == 0:
            content = content[: draw.integers(1, len(content))]
        statuses.add(client.post("/predict", content=bytes(content)).status_code)
    assert statuses <= {200, 400, 413}
    assert client.post("/predict", content=sources[0]).status_code == 200


def test_it_is_watched_and_described(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    metrics = client.get("/metrics").text
    assert 'candelabra_requests_total{path="/predict",status="200"}' in metrics
    assert "candelabra_waiting_pictures 0.0" in metrics
    described = client.get("/openapi.json").json()
    answer = described["paths"]["/predict"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert {"label", "box", "mask"} <= answer["properties"]["answers"]["items"]["properties"].keys()
    assert client.get("/model").json()["answers"]["label"]["kind"] == "probabilities"
    page = client.get("/")
    assert "Drop a picture here" in page.text
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert client.get("/predict").status_code == 405


class SlowModel(Model):
    """Takes its time."""

    def answer(self, pictures: Any) -> Any:
        time.sleep(0.5)
        return super().answer(pictures)


def test_more_than_can_wait_is_refused_and_requests_share_runs(exported: ExportedRun) -> None:
    import httpx

    limits = ServingLimits(waiting=6, batch=4, window=50, seconds=20)
    app = make_app(SlowModel(exported.model), limits)

    async def ask() -> tuple[list[int], str]:
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client,
        ):
            sent = [client.post("/predict", content=encode(40, 30)) for _ in range(12)]
            statuses = [response.status_code for response in await asyncio.gather(*sent)]
            return statuses, (await client.get("/metrics")).text

    statuses, metrics = asyncio.run(ask())
    assert set(statuses) == {200, 429}
    assert statuses.count(200) == 6
    assert 'candelabra_batch_pictures_bucket{le="1.0"} 0.0' in metrics


def test_slow_answers_and_slow_requests_time_out(exported: ExportedRun) -> None:
    import httpx

    app = make_app(SlowModel(exported.model), ServingLimits(seconds=1, window=0))

    async def drip() -> Any:
        yield encode(40, 30)[:10]
        await asyncio.sleep(5)

    async def ask() -> list[int]:
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client,
        ):
            slow = await client.post("/predict", content=drip())
            busy = await asyncio.gather(*(client.post("/predict", content=encode(40 + n, 30)) for n in range(4)))
            return [slow.status_code, *(response.status_code for response in busy)]

    slow, *busy = asyncio.run(ask())
    assert slow == 408
    assert {200, 503} >= set(busy)
    assert 503 in busy


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "takes model="),
        (["model=none.onnx"], "is no file"),
        (["model=none.onnx", "port=0"], "port=0 cannot be used"),
        (["model=none.onnx", "hots=0.0.0.0"], "hots= is not known"),
    ],
)
def test_wrong_words_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(CandelabraError, match=message):
        run_serve(words)


def test_the_description_is_json(client: TestClient, tmp_path: Path) -> None:
    assert json.dumps(client.get("/openapi.json").json())
