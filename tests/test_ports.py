"""Every adapter has what its port promises, call for call."""

import ast
import importlib
import inspect
import textwrap

import pytest

from reconnect import ports
from reconnect.stores.memory import MemoryStore
from tests.test_layout import ADAPTERS, MODULES, theirs

# the longer suffix first: a SocketIOClientSignaling is no ServerSignaling
PORTS = {
    "ClientSignaling": ports.ClientSignaling,
    "Signaling": ports.ServerSignaling,
    "Links": ports.Links,
    "Link": ports.Link,
    "Store": ports.Store,
    "Recorder": ports.Recorder,
    "Runtime": ports.Runtime,
}
BROWSER_ONLY = {"pyodide"}  # cannot be imported outside a browser


def adapters():
    """Every public class whose name says which port it fulfils, as `<Library><Port>`."""
    for module in MODULES.values():
        if module.layer not in ADAPTERS and module.name != "reconnect.runtimes":
            continue
        if BROWSER_ONLY & {package for _, package in theirs(module)}:
            continue
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                port = next((port for suffix, port in PORTS.items() if _ends(node, suffix)), None)
                if port is not None:
                    yield pytest.param(module.name, node.name, port, id=node.name)


def _ends(node, suffix):
    return node.name.endswith(suffix) and "Protocol" not in {ast.unparse(one) for one in node.bases}


def promised(port):
    """Names of what a port has: its calls, and its attributes."""
    calls = {name for name, value in vars(port).items() if inspect.isfunction(value)}
    return {name for name in calls if not name.startswith("_")}, set(port.__annotations__)


@pytest.mark.parametrize(("module", "name", "port"), [*adapters()])
def test_an_adapter_fulfils_its_port(module, name, port):
    """Each call can be made with the port's arguments, and each attribute is there."""
    adapter = getattr(importlib.import_module(module), name)
    calls, attributes = promised(port)
    for call in calls:
        assert_accepts(getattr(adapter, call), getattr(port, call))
    assert [one for one in attributes if not has_attribute(adapter, one)] == []


def assert_accepts(call, contract):
    """Whatever the contract allows a caller to write works with this call."""
    mine, theirs_ = inspect.signature(call), inspect.signature(contract)
    free = [
        one
        for one in mine.parameters.values()
        if one.name not in theirs_.parameters and one.default is one.empty
    ]
    assert free == [], f"{call.__qualname__} needs more than its port gives"
    for one in theirs_.parameters.values():
        found = mine.parameters.get(one.name)
        assert found is not None, f"{call.__qualname__} has no parameter {one.name}"
        assert found.kind in (one.kind, inspect.Parameter.POSITIONAL_OR_KEYWORD), one.name
    assert not inspect.iscoroutinefunction(call), "all calls of a port are synchronous"


def has_attribute(adapter, name):
    """Whether objects of this class have the attribute: of the class, or set in a method."""
    return hasattr(adapter, name) or any(
        name in declared(one) for one in adapter.__mro__ if one.__module__.startswith("reconnect.")
    )


def declared(kind):
    """The attributes that a class annotates, and those that its methods assign."""
    names = set()
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(kind)))):
        if isinstance(node, ast.AnnAssign):
            names.add(ast.unparse(node.target))
        elif isinstance(node, ast.Assign):
            names.update(ast.unparse(target) for target in node.targets)
    return {name.removeprefix("self.") for name in names}


def test_there_are_adapters():
    """The search finds those that a default needs."""
    found = {param.values[1] for param in adapters()}
    assert {"MemoryStore", "AsyncioRuntime", "ThreadRuntime"} <= found


@pytest.mark.parametrize(
    "wrong",
    [
        lambda self, record: None,
        lambda self, record, *, expect: None,
        lambda self, record, *, expected, also: None,
        lambda record, /, *, expected: None,
    ],
)
def test_a_call_that_is_not_the_contracts_is_found(wrong):
    """A missing, a mistyped and an additional parameter are noticed."""
    with pytest.raises(AssertionError):
        assert_accepts(wrong, ports.Store.save)


async def _asynchronous(self, record, *, expected):
    """An adapter's mistake."""


def test_a_coroutine_is_no_call_of_a_port():
    """Nobody would wait for it."""
    with pytest.raises(AssertionError, match="synchronous"):
        assert_accepts(_asynchronous, ports.Store.save)


def test_an_attribute_that_is_not_there_is_found():
    """A store that does not say whether it blocks is none."""
    assert has_attribute(MemoryStore, "blocking")
    assert not has_attribute(MemoryStore, "lock")
    assert not has_attribute(object, "blocking")
