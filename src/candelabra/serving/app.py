"""The ASGI application: pictures in, JSON out, and one page."""

import asyncio
import base64
import io
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from candelabra.data.decoding.mask_cells import list_run_lengths
from candelabra.runtime.answer import Answer
from candelabra.runtime.model import Model
from candelabra.serving.batching import PictureQueue
from candelabra.serving.limits import RefusedRequest, ServingLimits
from candelabra.serving.metrics import ServingMetrics
from candelabra.serving.openapi import describe_api
from candelabra.serving.uploads import read_uploads

log = logging.getLogger(__name__)
_PAGE = Path(__file__).with_name("page.html")
_POLICY = {  # the page runs its own script alone, and other sites do not frame it
    "Content-Security-Policy": "default-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src 'self' data: blob:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


def make_app(model: Model, limits: ServingLimits) -> Starlette:
    """Makes the application.

    Args:
        model: that answers.
        limits: of requests.
    """
    metrics = ServingMetrics()
    page = _PAGE.read_text(encoding="utf-8")
    about = {"answers": dict(model.description.answers), "limits": vars(limits)}

    @asynccontextmanager
    async def run_queue(app: Starlette) -> AsyncIterator[None]:
        app.state.queue = PictureQueue(model, limits, metrics)
        task = asyncio.create_task(app.state.queue.run())
        yield
        task.cancel()

    async def predict(request: Request) -> Response:
        started = time.perf_counter()
        try:
            files = await read_uploads(request, limits)
            answers = await request.app.state.queue.answer(files)
            maps = request.query_params.get("maps") == "true"
            found = await asyncio.to_thread(lambda: [format_answer(each, maps) for each in answers])
            response: Response = JSONResponse({"answers": found})
        except RefusedRequest as refusal:
            headers = {"Retry-After": "1"} if refusal.status == 429 else {}
            if refusal.status in (408, 413):
                headers["Connection"] = "close"  # the rest of the body is not read
            response = JSONResponse({"error": str(refusal)}, refusal.status, headers)
        metrics.requests.labels("/predict", str(response.status_code)).inc()
        metrics.seconds.observe(time.perf_counter() - started)
        return response

    async def show_page(request: Request) -> Response:
        return HTMLResponse(page, headers=_POLICY)

    async def show_model(request: Request) -> Response:
        return JSONResponse(about)

    async def show_health(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def show_metrics(request: Request) -> Response:
        return Response(metrics.format_text(), media_type="text/plain; version=0.0.4")

    async def show_api(request: Request) -> Response:
        return JSONResponse(describe_api(model.description, limits))

    routes = [
        Route("/predict", predict, methods=["POST"]),
        Route("/", show_page),
        Route("/model", show_model),
        Route("/healthz", show_health),
        Route("/metrics", show_metrics),
        Route("/openapi.json", show_api),
    ]
    return Starlette(routes=routes, lifespan=run_queue)


def format_answer(answer: Answer, maps: bool) -> dict[str, Any]:
    """An answer for JSON.

    Args:
        answer: of one picture.
        maps: also give maps, as PNG files of class indices in data URLs, and of each object with pixels its `mask`, as
            an uncompressed RLE of COCO.
    """
    found = answer.to_dict()
    for name, kind in answer.kinds.items() if maps else ():
        if kind.about["kind"] == "map":
            buffer = io.BytesIO()
            Image.fromarray(answer.values[name]).save(buffer, "PNG")
            found[name] = {"shares": found[name], "png": _format_url(buffer.getvalue())}
        if kind.about["kind"] == "instances":
            for each, thing in zip(found[name], kind.to_result(answer.values[name]), strict=True):
                each["mask"] = list_run_lengths(thing.mask, answer.size)
    return found


def _format_url(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"
