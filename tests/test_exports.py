"""What `import reconnect` gives is what the reference documents."""

import re
from pathlib import Path

import reconnect

ROOT = Path(__file__).parent.parent
DOCUMENTED = re.findall(
    r"^::: reconnect\.(\w+)$", (ROOT / "docs/reference.md").read_text("utf-8"), re.MULTILINE
)


def test_every_public_name_is_documented_once_and_no_other():
    """`reconnect.__all__` and the entries `::: reconnect.Name` of docs/reference.md agree."""
    assert sorted(DOCUMENTED) == sorted(set(reconnect.__all__))
    assert len(set(reconnect.__all__)) == len(reconnect.__all__)


def test_every_public_name_is_there():
    """Nothing in `__all__` is a promise only."""
    assert [name for name in reconnect.__all__ if not hasattr(reconnect, name)] == []
