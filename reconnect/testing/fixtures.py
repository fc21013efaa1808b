"""The pytest fixture `table`: a game in virtual time, at which everybody plays already.

In the project's topmost conftest.py:

    pytest_plugins = ["reconnect.testing.fixtures"]

and in a test:

    @pytest.mark.table(game=MyGame, players=3, outage_timeout=10.0)
    def test_my_game_survives_a_cut(table):
        table.cut("ann", "ben")
        table.run(3)
        assert table.paused
        table.mend()
        table.until_playing()

A marker takes the arguments of `Table`, by name, and values of the `Policy`. That of a module or
a class (`pytestmark`) holds for all of its tests, which may add to it or differ from it. With
`start=False` no program has been started yet. The report of a test that fails says why everybody
at its tables is where they are.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from reconnect.core.table import State
from reconnect.testing.table import Table

MARKER = "table"
HELP = (
    "table(*, game=None, players=2, seed=0, **options): what the fixture `table` is: "
    "arguments of reconnect.testing.table.Table, and values of its Policy"
)


def pytest_configure(config: pytest.Config) -> None:
    """The marker is known, for those who allow no others."""
    config.addinivalue_line("markers", HELP)


@pytest.fixture
def table(request: pytest.FixtureRequest) -> Table:
    """A `reconnect.testing.table.Table` as the markers `table` want it; everybody plays."""
    options = _options(request.node)
    made = Table(**options)
    if options.get("start", True):
        made.until(lambda: made.playing and made.state is State.CONNECTED)
    return made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A report of a failure says how things stand at the tables that the test was given."""
    report = yield
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, Table):
                report.sections.append((f"{name}, {value!r}", value.explain()))
    return report


def _options(node: pytest.Item) -> dict[str, Any]:
    """Of all markers, the nearest one counting most."""
    options: dict[str, Any] = {}
    for marker in reversed(list(node.iter_markers(MARKER))):
        if marker.args:
            pytest.fail(
                "the marker takes its options by name: @pytest.mark.table(game=MyGame)",
                pytrace=False,
            )
        options |= marker.kwargs
    return options
