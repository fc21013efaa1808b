"""What the tests of stores share."""

import pytest

from tests.stores.lives import Nursery


@pytest.fixture
def nursery(tmp_path):
    """Processes on a store of their own; none of them outlives the test."""
    nursery = Nursery(tmp_path)
    yield nursery
    nursery.close()
