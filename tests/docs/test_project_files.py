"""Files that a public project has name versions, extras and options as they are."""

import re
import tomllib
from typing import Any

import yaml

from candelabra.environment import __version__
from tests.docs.pages import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def read_yaml(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def test_citation_and_changelog_have_the_version() -> None:
    citation = read_yaml("CITATION.cff")
    assert citation["version"] == __version__
    assert citation["license"] == PROJECT["project"]["license"]
    assert f"\n## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_workflow_runs_the_checks_on_every_supported_python() -> None:
    jobs = read_yaml(".github/workflows/ci.yml")["jobs"]
    assert jobs["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    steps = [step.get("run") for job in jobs.values() for step in job["steps"]]
    assert {".ci/run", "make check", "make docs"} <= {*steps}
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert {step.split()[1] for step in steps if step and step.startswith("make ")} <= {*targets}


def test_hooks_run_what_make_check_runs() -> None:
    hooks = read_yaml(".pre-commit-config.yaml")["repos"][0]["hooks"]
    assert [hook["entry"] for hook in hooks] == [".venv/bin/ruff check --fix", ".venv/bin/ruff format"]


def test_issue_forms_ask_for_what_a_report_needs() -> None:
    fields = {field["id"] for field in read_yaml(".github/ISSUE_TEMPLATE/bug.yml")["body"]}
    assert {"command", "printed", "versions"} <= fields


def test_the_image_for_training_installs_extras_that_exist() -> None:
    text = (ROOT / "train.Dockerfile").read_text(encoding="utf-8")
    found = re.search(r"^ARG EXTRAS=(.+)$", text, re.MULTILINE)
    assert found is not None
    assert {*found[1].split(",")} <= {*PROJECT["project"]["optional-dependencies"]}
