"""A notebook: training in one call with growing curves, predictions that show themselves, and a stream of images."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.data.files import make_folder

pytestmark = pytest.mark.figures
CELLS = [
    "import numpy as np\nfrom candelabra import Model",
    "options = {'data.size': 32, 'data.workers': 0, 'backbone.weights': 'none', 'trainer': 'cpu', 'logger': 'csv'}\n"
    "model = Model.train(data='photos', task='classification', backbone='test_resnet', epochs=3, **options)",
    "model('photos/cat/0.JPG')",
    "[each.label.name for each in model(np.zeros((2, 40, 30, 3), dtype=np.uint8))]",
    "next(model(path for path in ['photos/dog/1.JPG'])).label.top(2)",
]


@pytest.mark.slow
def test_a_notebook_trains_and_predicts(tmp_path: Path) -> None:
    make_folder(tmp_path / "photos", 12)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    _, trained, shown, many, streamed = notebook.cells
    pages = [each["data"]["text/html"] for each in trained.outputs if "text/html" in each.get("data", {})]
    curves = [page for page in pages if "val/score" in page]
    assert len(curves) == 1  # one that was brought up to date
    assert "<td>3 / 3</td>" in curves[0]
    assert "data:image/png;base64," in shown.outputs[0]["data"]["text/html"]
    assert set(eval(many.outputs[0]["data"]["text/plain"])) <= {"cat", "dog"}
    assert {name for name, _ in eval(streamed.outputs[0]["data"]["text/plain"])} == {"cat", "dog"}
