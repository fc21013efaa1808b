"""The demo as users run it: real processes, real WebRTC, real Socket.IO, a real cut."""

import json
import subprocess
import sys
from typing import Any

import pytest

from reconnect.telemetry.replay import replay

LIMIT = 150  # s; a slow machine may take half a minute to start five interpreters


def demo(*options: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "reconnect", "demo", "--json", *options],
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.stdout, done.stderr
    verdict: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode == 0) == (verdict["problems"] == []), done.stderr
    assert verdict["problems"] == [], done.stderr
    return verdict


def assert_recovered(verdict: dict[str, Any], players: int = 2) -> None:
    assert verdict["outcome"] == "connected"
    assert len(verdict["paused_s"]) == players
    assert max(verdict["paused_s"].values()) <= 1.5
    assert verdict["recovered_s"] is not None
    assert verdict["lost"] == verdict["duplicated"] == verdict["reordered"] == 0
    assert verdict["sent"] == verdict["delivered"] > 0
    assert verdict["state_equal"]
    assert len(verdict["outages"]) == 1


def test_a_cut_of_three_seconds_is_survived():
    """All pause, all play on, nothing is lost; the trace leads to the same end."""
    verdict = demo("--outage", "3")
    assert_recovered(verdict)
    assert verdict["method"] in ("self", "rebuild")
    (session,) = replay(verdict["trace"]).sessions.values()
    assert session.reason == "completed"
    assert round(session.paused_total * 1000) == verdict["total_pause_ms"]


def test_a_path_that_never_comes_back_the_same_is_survived():
    """After 20 s only new flows get through: a new peer connection is made."""
    verdict = demo("--outage", "20", "--path", "fresh")
    assert_recovered(verdict)
    assert verdict["method"] == "rebuild"


def test_an_outage_that_lasts_ends_the_game_for_all():
    """Every process ends with `timeout`, within a second of each other."""
    verdict = demo("--outage", "forever", "--timeout", "5")
    assert (verdict["outcome"], verdict["reason"]) == ("ended", "timeout")
    assert verdict["ended_skew_ms"] <= 1000


def test_a_lost_control_link_pauses_nobody_whose_link_is_well():
    """Three seconds without the coordinator are not noticed by the game."""
    verdict = demo("--fault", "control", "--outage", "3")
    assert verdict["paused_s"] == {}
    assert verdict["outages"] == []


def test_both_links_lost_are_both_mended():
    """A player who is cut off from everything for 8 s comes back."""
    assert_recovered(demo("--fault", "both", "--outage", "8"))


def test_four_players_pause_together_for_one_link():
    """One link of six is cut: all four pause, and all four play on."""
    assert_recovered(demo("--players", "4", "--outage", "3"), players=4)


def test_a_program_that_starts_again_goes_on_with_the_game():
    """A player's program is closed and started again: the game is handed over to it."""
    verdict = demo("--fault", "reload")
    assert verdict["outcome"] == "connected"
    assert verdict["recovered_s"] is not None
    assert verdict["lost"] == verdict["duplicated"] == verdict["reordered"] == 0
    assert verdict["state_equal"]


def test_a_server_that_is_soon_back_is_not_missed():
    """The coordinator is killed and started again after 2 s: nobody is paused."""
    verdict = demo("--fault", "server-kill", "--down", "2")
    assert verdict["paused_s"] == {}
    assert verdict["outages"] == []


def test_a_server_that_is_long_gone_is_waited_for():
    """After 15 s without a coordinator all have paused; when it is back, all play on."""
    verdict = demo("--fault", "server-kill", "--down", "15")
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
    done = subprocess.run(
        [sys.executable, "-m", "reconnect", "demo", *options],
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.returncode == 2
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
