"""Imports go one way, files hold one idea, and tests mirror what they test."""

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import frozen

ROOT = Path(__file__).parent.parent
LINES_MAX = 420  # about 400 is a question, more is an answer
ADAPTERS = ("signaling", "links", "stores", "telemetry")
TOP = ("interactive_gym", "testing", "demo", "cli", "__main__", "diagram")
BASE = ("errors", "policy")
PLAIN = ("ports", "tokens", "runtimes", "log")
ADAPTERS_KNOW_OF_CORE = ("messages", "events", "record")
SHELLS_KNOW_OF_ADAPTERS = ("stores.memory",)

ALWAYS_ALLOWED = {"attrs", "structlog"}
CORE_MAY_IMPORT = {"attrs", "transitions"}
SAME_PACKAGE = {"aioice": "aiortc", "js": "pyodide", "pyodide_js": "pyodide"}

UNMIRRORED = dict.fromkeys(  # module: why it has no test file of its own
    (
        "reconnect.demo.__main__",
        "reconnect.demo.director",
        "reconnect.demo.lines",
        "reconnect.demo.player",
        "reconnect.demo.processes",
        "reconnect.demo.server",
    ),
    "the demo's processes are run for real by tests/demo/test_demo.py",
) | {
    "reconnect.core.linked": "a part of Peer; tested with it by tests/core/test_peer_*.py",
}


@frozen
class Module:
    """One source file, parsed."""

    name: str
    path: str
    tree: ast.Module
    lines: int = 0
    package: bool = False

    @property
    def layer(self) -> str:
        """Which part of the house it belongs to: the first name below `reconnect`."""
        part = self.name.removeprefix("reconnect").lstrip(".").partition(".")[0]
        if part in ADAPTERS or part == "core":
            return part
        kinds = {"base": BASE, "plain": PLAIN, "top": TOP}
        return next((kind for kind, parts in kinds.items() if part in parts), "shell")

    def at(self, line: int, what: str) -> str:
        """A sentence that an editor can jump to."""
        return f"{self.path}:{line}: {what}"


def parsed(name: str, source: str, *, path: str = "", package: bool = False) -> Module:
    return Module(name, path or name, ast.parse(source), source.count("\n"), package)


def modules() -> Iterator[Module]:
    for file in sorted((ROOT / "reconnect").rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if package else parts)
        path = str(file.relative_to(ROOT))
        yield parsed(name, file.read_text("utf-8"), path=path, package=package)


MODULES = {module.name: module for module in modules()}


def imported(module: Module) -> Iterator[tuple[int, str]]:
    """Line and full name of everything a module imports, wherever in it that happens."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.name.split(".")
            above = above[: len(above) - node.level + module.package] if node.level else []
            origin = ".".join([*above, *filter(None, [node.module])])
            full = [f"{origin}.{alias.name}" for alias in node.names]
            names = dict.fromkeys(name if name in MODULES else origin for name in full)
            yield from ((node.lineno, name) for name in names)


def ours(module: Module) -> Iterator[tuple[int, str]]:
    """What a module imports of this package, without the leading `reconnect.`."""
    for line, name in imported(module):
        if name.partition(".")[0] == "reconnect":
            yield line, name.removeprefix("reconnect").lstrip(".")


def theirs(module: Module) -> Iterator[tuple[int, str]]:
    """The packages of others that a module imports."""
    for line, name in imported(module):
        package = name.partition(".")[0]
        if package != "reconnect" and package not in sys.stdlib_module_names:
            yield line, SAME_PACKAGE.get(package, package)


# -- the rules: each gives a sentence for every breach in one module -----------------------------


def imports_point_one_way(module: Module) -> Iterator[str]:
    """policy, errors <- core <- ports, tokens, runtimes <- adapters, shells <- the rest."""
    for line, name in ours(module):
        part = name.partition(".")[0]
        if not _may_import(module, name, part):
            yield module.at(line, f"{module.layer} may not import {name or 'the whole package'}")


def _may_import(module: Module, name: str, part: str) -> bool:
    layer = module.layer
    if layer == "top":
        return True
    if part in BASE:
        return True
    if part == "core":
        # telemetry folds sessions again, and writes down what is in them
        known = layer == "telemetry" or name.removeprefix("core.") in ADAPTERS_KNOW_OF_CORE
        return layer in ("core", "plain", "shell") or (layer in ADAPTERS and known)
    if part in PLAIN:
        return layer in ("plain", "shell", *ADAPTERS)
    if part in ADAPTERS:
        return part == layer or (layer == "shell" and name in SHELLS_KNOW_OF_ADAPTERS)
    return layer == "shell" and bool(part) and part not in TOP


def imports_stand_at_the_top(module: Module) -> Iterator[str]:
    """No import inside a function, a class or a `try`, and none by name."""
    allowed = set(module.tree.body)
    for node in module.tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            allowed.update(node.body)
    for node in ast.walk(module.tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)) and node not in allowed:
            yield module.at(node.lineno, "an import that is not at the top of the module")
        if isinstance(node, ast.Call) and module.layer != "top":
            called = ast.unparse(node.func).rpartition(".")[2]
            if called in ("__import__", "import_module"):
                yield module.at(node.lineno, f"an import by {called}()")


def core_needs_little(module: Module) -> Iterator[str]:
    """`core`, `policy` and `errors` import attrs, transitions and the standard library."""
    if module.layer in ("core", "base"):
        for line, package in theirs(module):
            if package not in CORE_MAY_IMPORT:
                yield module.at(line, f"{module.layer} may not import {package}")


def one_module_one_package(module: Module) -> Iterator[str]:
    """Outside core at most one package of others, besides attrs and structlog."""
    if module.layer != "top":
        packages = sorted({package for _, package in theirs(module)} - ALWAYS_ALLOWED)
        if len(packages) > 1:
            yield module.at(1, f"imports several packages of others: {', '.join(packages)}")


def files_are_short(module: Module) -> Iterator[str]:
    """A file that is longer holds a second idea."""
    if module.lines > LINES_MAX:
        yield module.at(module.lines, f"{module.lines} lines, more than {LINES_MAX}")


def logic_has_a_test_file(module: Module) -> Iterator[str]:
    """`reconnect/x/y.py` is tested by `tests/x/test_y.py`."""
    folders = module.name.split(".")[1:]
    name = folders.pop() if folders and not module.package else "init"
    test = ROOT.joinpath("tests", *folders, f"test_{name}.py")
    if has_logic(module) and module.name not in UNMIRRORED and not test.exists():
        yield module.at(1, f"has no {test.relative_to(ROOT)}")


def has_logic(module: Module) -> bool:
    """Whether a function of it does anything; values, enums and protocols have no logic."""
    return any(
        not _is_bare(statement)
        for node in ast.walk(module.tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for statement in (node.body if isinstance(node.body, list) else [node.body])
    )


def _is_bare(statement: ast.AST) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and (statement.value.value is ... or isinstance(statement.value.value, str))
    )


RULES: list[Callable[[Module], Iterator[str]]] = [
    imports_point_one_way,
    imports_stand_at_the_top,
    core_needs_little,
    one_module_one_package,
    files_are_short,
    logic_has_a_test_file,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_is_in_order(rule):
    """No module breaks the rule; what is listed below does."""
    broken = [sentence for module in MODULES.values() for sentence in rule(module)]
    assert not broken, "\n".join([rule.__doc__ or "", *broken])


def test_what_needs_no_test_file_still_exists():
    """The list of exceptions does not outlive its reasons."""
    assert [name for name in UNMIRRORED if name not in MODULES] == []


@pytest.mark.parametrize(
    ("rule", "name", "source"),
    [
        (imports_point_one_way, "reconnect.policy", "import reconnect.core.table"),
        (imports_point_one_way, "reconnect.core.table", "from reconnect.ports import Store"),
        (imports_point_one_way, "reconnect.core.table", "from reconnect import tokens"),
        (imports_point_one_way, "reconnect.core.table", "from .. import tokens"),
        (imports_point_one_way, "reconnect.core.table", "import reconnect"),
        (imports_point_one_way, "reconnect.ports", "from reconnect.stores.memory import Store"),
        (imports_point_one_way, "reconnect.tokens", "import reconnect.coordinator"),
        (imports_point_one_way, "reconnect.links.aiortc", "from reconnect.core.table import State"),
        (imports_point_one_way, "reconnect.links.aiortc", "from reconnect.core import table"),
        (imports_point_one_way, "reconnect.links.aiortc", "from reconnect.stores import memory"),
        (imports_point_one_way, "reconnect.stores.redis", "from reconnect.signaling import pipe"),
        (imports_point_one_way, "reconnect.telemetry.recorder", "import reconnect.coordinator"),
        (imports_point_one_way, "reconnect.links.aiortc", "from reconnect.testing import virtual"),
        (imports_point_one_way, "reconnect.coordinator", "from reconnect.stores.sqlite import S"),
        (imports_point_one_way, "reconnect.client", "from reconnect.links.memory import Space"),
        (imports_point_one_way, "reconnect.client", "from reconnect.testing import virtual"),
        (imports_stand_at_the_top, "reconnect.client", "def f():\n    import json"),
        (imports_stand_at_the_top, "reconnect.client", "class A:\n    import json"),
        (imports_stand_at_the_top, "reconnect.client", "try:\n    import json\nfinally:\n    ..."),
        (imports_stand_at_the_top, "reconnect.client", "if True:\n    import json"),
        (imports_stand_at_the_top, "reconnect.client", "importlib.import_module('json')"),
        (imports_stand_at_the_top, "reconnect.client", "__import__('json')"),
        (core_needs_little, "reconnect.core.table", "import structlog"),
        (core_needs_little, "reconnect.policy", "from aiortc.sdp import x"),
        (one_module_one_package, "reconnect.stores.redis", "import redis, socketio"),
        (one_module_one_package, "reconnect.stores.redis", "import redis\ndef f(): import av"),
        (files_are_short, "reconnect.client", "x = 1\n" * (LINES_MAX + 1)),
        (logic_has_a_test_file, "reconnect.core.nowhere", "def f(): return 1"),
        (logic_has_a_test_file, "reconnect.nowhere", "class A:\n    async def f(self): await x"),
    ],
)
def test_a_breach_is_found(rule, name, source):
    """Each rule, broken on purpose in a module that does not exist, is said so once."""
    (sentence,) = rule(parsed(name, source))
    assert sentence.startswith(f"{name}:")


@pytest.mark.parametrize(
    ("rule", "name", "source"),
    [
        (imports_point_one_way, "reconnect.core.session", "from reconnect.core.table import move"),
        (imports_point_one_way, "reconnect.core.session", "from . import table"),
        (imports_point_one_way, "reconnect.core.session", "from reconnect.policy import Policy"),
        (imports_point_one_way, "reconnect.ports", "from reconnect.core.messages import View"),
        (imports_point_one_way, "reconnect.links.aiortc", "from reconnect.links import memory"),
        (imports_point_one_way, "reconnect.links.aiortc", "from reconnect.core import messages"),
        (imports_point_one_way, "reconnect.stores.redis", "from reconnect.core.record import R"),
        (imports_point_one_way, "reconnect.coordinator", "from reconnect.stores.memory import M"),
        (imports_point_one_way, "reconnect.coordinator", "from reconnect.core.session import S"),
        (imports_point_one_way, "reconnect.testing.simulation", "import reconnect.coordinator"),
        (imports_stand_at_the_top, "reconnect.client", "if TYPE_CHECKING:\n    import json"),
        (core_needs_little, "reconnect.core.table", "import attrs, transitions, json"),
        (
            one_module_one_package,
            "reconnect.links.aiortc",
            "import aiortc, aioice, attrs",
        ),
        (one_module_one_package, "reconnect.demo.stage", "import rich, uvicorn"),
        (files_are_short, "reconnect.client", "x = 1\n" * LINES_MAX),
        (logic_has_a_test_file, "reconnect.nowhere", "class A(Protocol):\n    def f(self): ..."),
        (logic_has_a_test_file, "reconnect.nowhere", "class A(Enum):\n    B = 1"),
        (logic_has_a_test_file, "reconnect.core.table", "def f(): return 1"),
    ],
)
def test_what_is_allowed_is_not_a_breach(rule, name, source):
    """Each rule lets pass what the house does."""
    assert list(rule(parsed(name, source))) == []
