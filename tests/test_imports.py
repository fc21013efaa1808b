"""What `import reconnect` loads, and that no module needs another one to be imported first."""

import subprocess
import sys

from tests.test_layout import MODULES, theirs

HEAVY = {
    "aiohttp",
    "aioice",
    "aiortc",
    "av",
    "engineio",
    "flask",
    "hypothesis",
    "pytest",
    "redis",
    "rich",
    "socketio",
    "sqlite3",
    "uvicorn",
    "websockets",
}
BROWSER_ONLY = {"js", "pyodide"}

LOADED_BY_US = """
import sys
import attrs, transitions, structlog
before = set(sys.modules)
import reconnect
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""
# `import reconnect` comes before every other import of ours, so what it loads is loaded once
EACH_ALONE = """
import importlib, sys, traceback
import reconnect
always, failed = set(sys.modules), 0
for name in sys.argv[1:]:
    for loaded in set(sys.modules) - always:
        if loaded.partition(".")[0] == "reconnect":
            del sys.modules[loaded]
    try:
        importlib.import_module(name)
    except BaseException:
        failed += 1
        print(f"{name} cannot be imported alone:", traceback.format_exc(limit=-2), sep="\\n")
sys.exit(failed)
"""


def run(program, *arguments):
    """What a fresh interpreter prints, warnings being errors in it."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split()


def test_the_package_loads_no_server_no_webrtc_and_no_database():
    """On top of attrs, transitions and structlog it loads the standard library only."""
    loaded = set(run(LOADED_BY_US))
    assert "reconnect" in loaded
    assert loaded & HEAVY == set()
    assert loaded - sys.stdlib_module_names == {"reconnect"}


def test_every_module_can_be_imported_alone():
    """In any order: no module relies on what another one has imported."""
    names = [
        name
        for name, module in MODULES.items()
        if not BROWSER_ONLY & {package for _, package in theirs(module)}
        and name != "reconnect.__main__"  # to import it is to run it
    ]
    assert "reconnect.core.table" in names
    run(EACH_ALONE, *names)
