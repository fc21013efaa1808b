"""What a stranger gets from `pip install reconnect`."""

import json
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
REQUIRED = {"attrs", "transitions", "structlog"}
INSTALLED = """
import json
from importlib.metadata import distributions
print(json.dumps({one.metadata["Name"]: one.requires or [] for one in distributions()}))
"""
IMPORTED = """
import sys
before = set(sys.modules)
import reconnect
heavy = {"aiortc", "aioice", "av", "socketio", "engineio", "aiohttp", "uvicorn", "sqlite3", "rich"}
sys.exit(" ".join(heavy & (set(sys.modules) - before)) or 0)
"""


def output(*command: Any) -> str:
    done = subprocess.run(
        [str(word) for word in command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from the working tree."""
    into = tmp_path_factory.mktemp("dist")
    output(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", into, ROOT)
    (built,) = into.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def stranger(wheel, tmp_path_factory):
    """The Python of a clean environment in which nothing but the wheel was asked for."""
    home = tmp_path_factory.mktemp("clean")
    venv.create(home, symlinks=True)
    python = home / "bin" / "python"
    output(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", wheel)
    return python


def test_the_wheel_has_the_whole_package_and_nothing_else(wheel):
    """Every source file of `reconnect/` is in the wheel, with `py.typed`; no test, no example."""
    with zipfile.ZipFile(wheel) as archive:
        files = {name for name in archive.namelist() if ".dist-info/" not in name}
        notes = {name.partition(".dist-info/")[2] for name in archive.namelist()} - {""}
    sources = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "reconnect").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert files == sources
    assert "reconnect/py.typed" in files
    assert {"METADATA", "entry_points.txt", "licenses/LICENSE"} <= notes


def test_only_three_packages_and_theirs_are_installed(stranger):
    """Without extras: attrs, transitions, structlog, and what these need themselves."""
    needs = {
        name: {re.match(r"[\w.-]+", line)[0] for line in lines if "extra ==" not in line}
        for name, lines in json.loads(output(stranger, "-c", INSTALLED)).items()
    }
    assert needs["reconnect"] == REQUIRED
    assert set(needs) - {"reconnect"} <= REQUIRED | set().union(*(needs[one] for one in REQUIRED))


def test_it_imports_without_any_extra(stranger):
    """`import reconnect` works in the clean environment and loads no server and no WebRTC."""
    output(stranger, "-I", "-W", "error", "-c", IMPORTED)


def test_the_command_is_installed(stranger, wheel):
    """`reconnect` is a command afterwards, and the function behind it is in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (entries,) = (name for name in archive.namelist() if name.endswith("/entry_points.txt"))
        module, function = re.search(
            r"^reconnect = ([\w.]+):(\w+)$", archive.read(entries).decode(), re.MULTILINE
        ).groups()
        source = archive.read(f"{module.replace('.', '/')}.py").decode()
    assert re.search(rf"^(def {function}\(|from .* import .*\b{function}\b)", source, re.MULTILINE)
    assert stranger.with_name("reconnect").exists()
