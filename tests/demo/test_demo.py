"""The demo as users run it: real processes, real WebRTC, real Socket.IO, a real cut."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeAlias

import pytest

from reconnect.telemetry.replay import replay

LIMIT = 150  # s; a slow machine may take half a minute to start five interpreters


Run: TypeAlias = subprocess.CompletedProcess[str]


def run(*options: str) -> Run:
    return subprocess.run(
        [sys.executable, "-m", "reconnect", "demo", *options],
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[Run]]]:
    """The demos of all selected tests, two at a time: most of a demo is waiting."""
    wanted = {
        item.name: mark.args
        for item in request.session.items
        if (mark := item.get_closest_marker("demo")) is not None
    }
    with ThreadPoolExecutor(2) as pool:
        yield {name: pool.submit(run, "--json", *options) for name, options in wanted.items()}


@pytest.fixture
def verdict(request: pytest.FixtureRequest, runs: dict[str, Future[Run]]) -> dict[str, Any]:
    """What the demo with the options of the test's mark printed; it must have been right."""
    done = runs[request.node.name].result()
    assert done.stdout, done.stderr
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode == 0) == (said["problems"] == []), done.stderr
    assert said["problems"] == [], done.stderr
    return said


def assert_recovered(verdict: dict[str, Any], players: int = 2) -> None:
    assert verdict["outcome"] == "connected"
    assert len(verdict["paused_s"]) == players
    assert max(verdict["paused_s"].values()) <= 1.5
    assert verdict["recovered_s"] is not None
    assert verdict["lost"] == verdict["duplicated"] == verdict["reordered"] == 0
    assert verdict["sent"] == verdict["delivered"] > 0
    assert verdict["state_equal"]
    assert len(verdict["outages"]) == 1


@pytest.mark.demo("--outage", "3")
def test_a_cut_of_three_seconds_is_survived(verdict: dict[str, Any]):
    """All pause, all play on, nothing is lost; the trace leads to the same end."""
    assert_recovered(verdict)
    assert verdict["method"] in ("self", "rebuild")
    (session,) = replay(verdict["trace"]).sessions.values()
    assert session.reason == "completed"
    assert round(session.paused_total * 1000) == verdict["total_pause_ms"]


@pytest.mark.demo("--outage", "20", "--path", "fresh")
def test_a_path_that_never_comes_back_the_same_is_survived(verdict: dict[str, Any]):
    """After 20 s only new flows get through: a new peer connection is made."""
    assert_recovered(verdict)
    assert verdict["method"] == "rebuild"


@pytest.mark.demo("--outage", "forever", "--timeout", "5")
def test_an_outage_that_lasts_ends_the_game_for_all(verdict: dict[str, Any]):
    """Every process ends with `timeout`, within a second of each other."""
    assert (verdict["outcome"], verdict["reason"]) == ("ended", "timeout")
    assert verdict["ended_skew_ms"] <= 1000


@pytest.mark.demo("--fault", "control", "--outage", "3")
def test_a_lost_control_link_pauses_nobody_whose_link_is_well(verdict: dict[str, Any]):
    """Three seconds without the coordinator are not noticed by the game."""
    assert verdict["paused_s"] == {}
    assert verdict["outages"] == []


@pytest.mark.demo("--fault", "both", "--outage", "8")
def test_both_links_lost_are_both_mended(verdict: dict[str, Any]):
    """A player who is cut off from everything for 8 s comes back."""
    assert_recovered(verdict)


@pytest.mark.demo("--players", "4", "--outage", "3")
def test_four_players_pause_together_for_one_link(verdict: dict[str, Any]):
    """One link of six is cut: all four pause, and all four play on."""
    assert_recovered(verdict, players=4)


@pytest.mark.demo("--fault", "reload")
def test_a_program_that_starts_again_goes_on_with_the_game(verdict: dict[str, Any]):
    """A player's program is closed and started again: the game is handed over to it."""
    assert verdict["outcome"] == "connected"
    assert verdict["recovered_s"] is not None
    assert verdict["lost"] == verdict["duplicated"] == verdict["reordered"] == 0
    assert verdict["state_equal"]


@pytest.mark.demo("--fault", "server-kill", "--down", "2")
def test_a_server_that_is_soon_back_is_not_missed(verdict: dict[str, Any]):
    """The coordinator is killed and started again after 2 s: nobody is paused."""
    assert verdict["paused_s"] == {}
    assert verdict["outages"] == []


@pytest.mark.demo("--fault", "server-kill", "--down", "15")
def test_a_server_that_is_long_gone_is_waited_for(verdict: dict[str, Any]):
    """After 15 s without a coordinator all have paused; when it is back, all play on."""
    assert verdict["outcome"] == "connected"
    assert len(verdict["paused_s"]) == 2
    assert verdict["lost"] == verdict["duplicated"] == verdict["reordered"] == 0
    assert verdict["state_equal"]
    assert len(verdict["outages"]) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--timeout", "0.2"], "outage_timeout is 0.2"),
        (["--outage", "-1"], "neither `forever` nor a number above 0"),
        (["--outage", "soon"], "soon"),
        (["--players", "7"], "invalid choice"),
    ],
)
def test_options_that_cannot_be_are_refused_in_words(options: list[str], said: str):
    """The message says what is wrong, and nothing is started."""
    done = run(*options)
    assert done.returncode == 2
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
