"""The benchmarks run and say what they found; what they find is for a quiet machine to say."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
ROW = {
    "promise", "what", "arm", "unit", "n", "never", "median", "p90", "max", "ratio", "target",
    "met", "values",
}  # fmt: skip


def run(name: str, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / f"{name}.py"), "--json", "--quick", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["benchmark"] == name
    assert {"python", "cores", "load", "reconnect"} <= set(found["machine"])
    assert all(set(row) == ROW for row in found["rows"])
    return found


def test_recovery() -> None:
    """A cut gives two times and four counts for each who was cut."""
    cut = ("--only", "links", "--modes", "same", "--outages", "2", "--arms", "reconnect")
    found = run("recovery", *cut)
    assert [(row["promise"], row["n"]) for row in found["rows"]] == [("P1", 1), ("P2", 1)]
    assert [one["promise"] for one in found["counts"]] == ["P4", "P6", "P6", "P6"]
    assert all(one["of"] > 0 for one in found["counts"])


def test_false_alarms() -> None:
    """Each of the conditions has a number of pauses for each detection time."""
    found = run("false_alarms", "--only", "loss", "--hours", "0.1")
    whats = {cell["what"] for cell in found["cells"]}
    assert len(found["cells"]) == len(whats) * len(found["limits"]) > 0
    assert all(cell["hours"] > 0 for cell in found["cells"])


@pytest.mark.parametrize("part", ["reports", "import"])
def test_core(part: str) -> None:
    """Each part says what was measured, of whom, and whether a target was met."""
    found = run("core", "--only", part, "--runs", "1", "--sessions", "20")
    assert found["rows"]
    assert all(row["median"] > 0 for row in found["rows"])
    assert any(row["met"] is not None for row in found["rows"])


@pytest.mark.parametrize("part", ["saves", "start"])
def test_stores(part: str) -> None:
    """Each kind of store has saved, and was as fast as it was."""
    found = run("stores", "--only", part, "--runs", "1", "--sessions", "3")
    arms = {row["arm"] for row in found["rows"]}
    assert arms == ({"reconnect", "by hand", "memory"} if part == "saves" else {"reconnect"})
    assert all(row["median"] > 0 for row in found["rows"])
