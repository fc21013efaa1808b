"""A skipped test is a real part that was missing: said loudly, and under CI=true a failure."""

import os
from collections.abc import Generator

import pytest
from hypothesis import settings

ON_CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")
LOUD = pytest.StashKey[list[tuple[str, str]]]()

# how long one example takes says something about the machine, nothing about the code
settings.register_profile("reconnect", parent=settings.default, deadline=None)
settings.load_profile("reconnect")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LOUD] = []


def _why(report: pytest.CollectReport | pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return str(report.longrepr)


def _judge(report: pytest.CollectReport | pytest.TestReport, config: pytest.Config) -> None:
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    why = _why(report)
    config.stash[LOUD].append((report.nodeid, why))
    if ON_CI:
        report.outcome = "failed"
        report.longrepr = f"skipped, and CI=true allows no skips: {why}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _judge(report, item.config)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _judge(report, collector.config)
    return report


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what was not run, and why, in front of the summary line."""
    if not (skipped := config.stash[LOUD]):
        return
    terminalreporter.section("NOT RUN", sep="!", red=True, bold=True)
    for nodeid, why in skipped:
        terminalreporter.line(f"{nodeid}: {why}")
