"""The page in a real browser: a picture is dropped on it, and the answer is drawn."""

import base64
import shutil
import threading
import time
from typing import Any

import pytest

from candelabra.runtime import Model
from candelabra.serving.limits import ServingLimits
from tests.exported import ExportedRun

uvicorn = pytest.importorskip("uvicorn")
playwright = pytest.importorskip("playwright.sync_api")
from candelabra.serving.app import make_app  # noqa: E402

pytestmark = [pytest.mark.browser, pytest.mark.slow]
DROP = """(content) => {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], "picture.png", { type: "image/png" }));
    const options = { dataTransfer: transfer, bubbles: true, cancelable: true };
    document.getElementById("drop").dispatchEvent(new DragEvent("drop", options));
}"""


def test_a_dropped_picture_is_drawn_with_its_answer(exported: ExportedRun) -> None:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium on this machine (apt-get install chromium)")
    config = uvicorn.Config(make_app(Model(exported.model), ServingLimits()), port=0, http="h11", log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    errors: list[Any] = []
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        with playwright.sync_playwright() as library:
            browser = library.chromium.launch(executable_path=path, args=["--no-sandbox"])
            page = browser.new_page()
            page.on("console", lambda message: errors.append(message.text))
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.goto(f"http://127.0.0.1:{port}/")
            content = (exported.pictures / "3.png").read_bytes()
            page.evaluate(DROP, base64.b64encode(content).decode())
            page.wait_for_selector("#canvas:not([hidden])", timeout=90_000)
            assert page.evaluate("[canvas.width, canvas.height]") == [150, 131]
            assert "label" in page.inner_text("#words")
            page.evaluate(DROP, base64.b64encode(b"no picture").decode())
            page.wait_for_selector("#error:not(:empty)", timeout=90_000)
            assert "is no image" in page.inner_text("#error")
            browser.close()
    finally:
        server.should_exit = True
        thread.join(timeout=30)
    assert [words for words in errors if "400" not in words] == []
