"""The pictures say what the table says, and the pages show the pictures."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from reconnect.core.table import ROWS, State
from reconnect.diagram import mermaid, svg

ROOT = Path(__file__).parent.parent
FENCE = re.compile(r"^```mermaid\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
ARROW = re.compile(r"^    (\w+) --> (\w+): ", re.MULTILINE)


def test_the_diagram_has_an_arrow_for_every_row_and_no_other():
    """What the Mermaid text draws between states are the rows of the table, each once."""
    assert ARROW.findall(mermaid()) == [(row.source, row.dest) for row in ROWS]


def test_the_drawing_has_every_state_and_every_move():
    """The SVG is well formed and has a box for each state and a line for each row."""
    tree = ElementTree.fromstring(svg())
    name = "{http://www.w3.org/2000/svg}"
    words = [text.text for text in tree.iter(f"{name}text")]
    lines = [path for path in tree.findall(f"{name}path") if path.get("marker-end")]
    assert {str(state) for state in State} <= set(words)
    assert [line.findtext(f"{name}title") for line in lines] == [row.why for row in ROWS]
    assert [line.get("stroke-dasharray") is not None for line in lines] == [
        row.client_only for row in ROWS
    ]


@pytest.mark.parametrize("page", ["README.md", "docs/state-machine.md"])
def test_the_pages_show_the_table_as_it_is(page):
    """README and the page on the states contain exactly the diagram drawn from the table.

    When it fails, put what `python -c "import reconnect.diagram as d; print(d.mermaid())"`
    prints between the fences.
    """
    assert FENCE.findall((ROOT / page).read_text("utf-8")) == [mermaid()]


def test_the_page_on_the_states_lists_every_row():
    """The table of moves in docs/state-machine.md is the table in the code, row for row."""
    page = (ROOT / "docs/state-machine.md").read_text("utf-8")
    listed = re.findall(r"^\| (\w+) \| `(\w+)` \| (\w+) \| (.+?) \| (.*?) ?\|$", page, re.MULTILINE)
    assert listed == [
        (row.source, row.trigger, row.dest, row.why, "a client only" if row.client_only else "")
        for row in ROWS
    ]
