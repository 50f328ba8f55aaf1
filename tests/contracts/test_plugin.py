"""A plug-in runs the contract tests of the package over its own target and head."""

from pathlib import Path

from tests.forked import run_forked

ROOT = Path(__file__).parents[2]


def test_the_example_of_a_target_keeps_the_contracts(tmp_path: Path) -> None:
    words = ("--pyargs", "candelabra.contracts", "-v", "-k", "distance", "-p", "no:cacheprovider", "-p", "no:xdist")
    plugins = {"CANDELABRA_PLUGINS": str(ROOT / "examples" / "distance"), "CANDELABRA_ACTIVE_PLUGINS": ""}
    done = run_forked(words, tmp_path, plugins, module="pytest")
    assert done.returncode == 0, done.stdout[-3000:]
    assert (
        "test_alignment.py::test_a_resized_value_lies_where_its_image_does[distance-Letterbox-48x64] PASSED"
        in done.stdout
    )
    assert int(done.stdout.rsplit(" passed", 1)[0].split()[-1]) > 30
