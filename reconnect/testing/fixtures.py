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

A marker takes the arguments of `Table`, by name, and values of the `Policy`: `table(MyGame)` would
mark the game, and put one in the place of the test. That of a module or
a class (`pytestmark`) holds for all of its tests, which may add to it or differ from it. With
`start=False` no program has been started yet. The report of a test that fails says why everybody
at its tables is where they are.
"""

from __future__ import annotations

from collections.abc import Generator
from inspect import isclass
from typing import Any

import pytest

from reconnect.core.table import State
from reconnect.testing.table import Table

MARKER = "table"
BY_NAME = "the marker takes its options by name: @pytest.mark.table(game=MyGame)"
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


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, name: str, obj: object
) -> None:
    """A game in the place of a test is a mistake, and not nothing.

    A marker that is called with a class or a function and nothing else takes that for the test.
    """
    tests = collector.funcnamefilter(name) or collector.classnamefilter(name)
    if tests and not isclass(obj) and callable(getattr(type(obj), "turn", None)):
        raise collector.CollectError(
            f"{name} is a {type(obj).__name__}, and no test any more, where the marker was given "
            f"it without its name; {BY_NAME}"
        )


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
            pytest.fail(BY_NAME, pytrace=False)
        options |= marker.kwargs
    return options
