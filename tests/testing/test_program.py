"""One life of a player's program."""

from reconnect.testing.table import Table


def test_each_life_has_a_name_of_its_own():
    """Ann's first program, and her second."""
    table = Table(players=["ann", "ben"])
    table.reload("ann")
    assert [one.name for one in table.programs] == ["ann.1", "ben.1", "ann.2"]


def test_who_hangs_is_alive_and_does_not_play():
    """Until it goes on."""
    table = Table()
    table.until_playing()
    program = table.programs[0]
    table.stall(program.player, 0.3)
    assert (program.alive, program.hangs, program.playing) == (True, True, False)
    table.run(0.4)
    assert (program.hangs, program.playing) == (False, True)


def test_who_is_gone_does_not_play():
    """Though its client, of whom nobody asks any more, might believe so."""
    table = Table()
    table.until_playing()
    program = table.programs[0]
    table.kill(program.player)
    assert (program.alive, program.playing) == (False, False)
    assert program.client.playing


def test_no_token_is_shown():
    """A failing test prints programs."""
    program = Table().programs[0]
    assert program.token not in repr(program)
