"""docs/troubleshooting.md: each heading is a message that candelabra can print."""

import re

import pytest

from tests.docs.messages import list_messages
from tests.docs.pages import ROOT

HEADINGS = re.findall(r"^### `(.+)`$", (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8"), re.MULTILINE)


def test_there_are_headings() -> None:
    assert len(HEADINGS) >= 25
    assert len(HEADINGS) == len(set(HEADINGS))


@pytest.mark.parametrize("heading", HEADINGS)
def test_a_heading_is_a_message_of_the_source(heading: str) -> None:
    assert heading in list_messages()
