from reconnect.testing.simulation.planted_links import LINK_BUGS
from tests.testing.simulation.retold import assert_noticed, each_found


@each_found(LINK_BUGS)
def test_a_rule_that_is_missing_is_noticed(bug):
    """Without it a law is broken in the recorded story, and with it none is."""
    assert_noticed(bug)
