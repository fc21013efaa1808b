"""What a simulation is about."""

import json

from reconnect.policy import Topology
from reconnect.testing.simulation.setting import Setting, drawn_setting

SETTINGS = [drawn_setting(seed) for seed in range(300)]


def test_a_setting_comes_back_from_json_whole():
    """A story of years ago is played by the same rules."""
    for setting in SETTINGS:
        assert Setting.from_json(json.loads(json.dumps(setting.to_json()))) == setting


def test_the_same_seed_is_the_same_setting():
    """And another one is another."""
    assert [drawn_setting(one.seed) for one in SETTINGS] == SETTINGS
    assert len({json.dumps(one.to_json()) for one in SETTINGS}) == len(SETTINGS)


def test_all_there_is_is_drawn():
    """Every topology, two to five players, both ways to go on after a loss or a leave."""
    assert {one.policy.topology for one in SETTINGS} == set(Topology)
    assert {len(one.players) for one in SETTINGS} == {2, 3, 4, 5}
    assert len({(one.policy.on_deadline, one.policy.on_leave) for one in SETTINGS}) == 4
    assert {one.policy.start_timeout is None for one in SETTINGS} == {True, False}
    assert any(one.late for one in SETTINGS)


def test_a_path_is_lost_for_ever_only_where_a_deadline_ends_the_game():
    """Between two players who have a link; sometimes."""
    doomed = [one for one in SETTINGS if one.doomed]
    assert 3 < len(doomed) < len(SETTINGS) / 10
    for one in doomed:
        assert one.policy.topology.peer_to_peer
        assert one.policy.start_timeout is not None
        assert set(one.doomed) < set(one.players) or len(one.players) == 2
        assert one.policy.topology is not Topology.STAR or one.players[0] in one.doomed
