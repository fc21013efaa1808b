"""A game that notices everything: a lost or doubled input leaves two players in different states.

Every state follows from all inputs before it, every input is drawn at random by one program and
known to nobody else before it arrives, and every message has a number.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

from reconnect.client import Client

DELAY = 3  # frames for an input to arrive in
KEPT = 400  # frames whose states are remembered, to be compared
MODULUS = 1_000_003


class Broken(AssertionError):
    """The game is not what it should be: the sentence says how."""


class Lockstep:
    """One program's copy of the game; it is the `resync=` of its `client`.

    With a `hub`, as in a star, inputs travel over the hub's program. Of players who have left or
    were dropped not everybody may hold the same inputs: the first of the others says how many
    count.
    """

    client: Client

    def __init__(
        self, me: str, *, program: str = "", seed: object = 0, hub: str | None = None
    ) -> None:
        self.me = me
        self.program = program or me
        self.hub = hub
        self.frame = 0
        self.state = 0
        self.states = {0: 0}
        """Of the last frames."""
        self.everybody: tuple[str, ...] = ()
        """Who played in the beginning."""
        self.cuts: dict[str, int] = {}
        """From which frame on players who are gone give no inputs."""
        self.inputs: dict[tuple[int, str], int] = {}
        self.sent: dict[str, int] = {}
        """How many messages each player has been sent."""
        self.heard: dict[str, int] = {}
        """The number of the last message of each program."""
        self._to_pass_on: list[tuple[int, str, int]] = []
        self._moves = Random(f"{seed}/{self.program}")

    def turn(self) -> None:
        """One pass of the program's loop."""
        self.client.notices()
        for sender, data in self.client.receive():
            self._received(sender, data)
        if self.client.playing:
            self._pass_on()
            self._cut_off_who_is_gone()
            self._give_inputs()
            if self._complete():
                self._step()

    # -- what the resync asks for ------------------------------------------------------------------

    def snapshot(self) -> bytes:
        return json.dumps([self.frame, self.state, self._held()]).encode()

    def restore(self, snapshot: bytes) -> None:
        self.frame, self.state, held = json.loads(snapshot)
        self.client.frame = self.frame
        self.states = {self.frame: self.state}
        self._take_in(held)  # what has come before stays: nobody says it again

    def mark(self, _peer: str) -> bytes:
        return b""  # so few inputs are held that all can be told again

    def since(self, _peer: str, _mark: bytes) -> bytes:
        return json.dumps(self._held()).encode()

    def merge(self, _peer: str, data: bytes) -> None:
        self._take_in(json.loads(data))

    def _held(self) -> list[Any]:
        inputs = [(frame, player, move) for (frame, player), move in self.inputs.items()]
        return [inputs, self.cuts, self.everybody]

    def _take_in(self, held: list[Any]) -> None:
        inputs, cuts, everybody = held
        for frame, player, move in inputs:
            self._input(frame, player, move)
        self.cuts |= cuts
        self.everybody = self.everybody or tuple(everybody)

    # -- the game ----------------------------------------------------------------------------------

    def _give_inputs(self) -> None:
        for frame in range(self.frame, self.frame + DELAY + 1):
            if (frame, self.me) not in self.inputs:
                move = self._moves.randrange(1000)
                self.inputs[frame, self.me] = move
                self._tell({"inputs": [(frame, self.me, move)]})

    def _cut_off_who_is_gone(self) -> None:
        self.everybody = self.everybody or self.client.players
        if self.me != (self.hub or self.client.players[0]):
            return
        for player in self.everybody:
            if player not in self.client.players and player not in self.cuts:
                held = [key for key in self.inputs if key[1] == player]
                self.cuts[player] = 1 + max((frame for frame, _ in held), default=self.frame - 1)
                inputs = [(*key, self.inputs[key]) for key in held]
                self._tell({"inputs": inputs, "cuts": self.cuts})

    def _complete(self) -> bool:
        """Whether all inputs of the next step are there, and nobody's are in doubt."""
        if any(one not in self.cuts for one in self.everybody if one not in self.client.players):
            return False
        return all((self.frame, player) in self.inputs for player in self._players())

    def _players(self) -> list[str]:
        """Whose inputs the next step takes."""
        frame = self.frame
        return sorted(one for one in self.everybody if self.cuts.get(one, frame + 1) > frame)

    def _step(self) -> None:
        for player in self._players():
            self.state = (self.state * 31 + self.inputs[self.frame, player] + 1) % MODULUS
        self.frame += 1
        self.states[self.frame] = self.state
        self.states.pop(self.frame - KEPT, None)
        for player in self.everybody:
            self.inputs.pop((self.frame - DELAY - 2, player), None)  # nobody is further behind
        self.client.frame = self.frame

    # -- messages ----------------------------------------------------------------------------------

    def _pass_on(self) -> None:
        """The hub's program tells everybody what anybody has told it."""
        passed_on, self._to_pass_on = self._to_pass_on, []
        if passed_on and self.hub == self.me:
            self._tell({"inputs": passed_on})

    def _tell(self, said: dict[str, Any]) -> None:
        """Tell those with whom there is a link."""
        others = [player for player in self.client.players if player != self.me]
        if self.hub not in (None, self.me):
            others = [player for player in others if player == self.hub]
        for player in others:
            number = self.sent[player] = self.sent.get(player, 0) + 1
            self.client.send(json.dumps([self.program, number, said]).encode(), to=player)

    def _received(self, sender: str, data: bytes) -> None:
        program, number, said = json.loads(data)
        if program.rpartition(".")[0] not in ("", sender):
            raise Broken(f"{self.program} heard {program} from {sender}")
        last = self.heard.get(program)
        if last is not None and number != last + 1:
            raise Broken(f"{self.program} heard message {number} of {program} after {last}")
        self.heard[program] = number
        for frame, player, move in said["inputs"]:
            self._input(frame, player, move)
        self.cuts |= said.get("cuts", {})

    def _input(self, frame: int, player: str, move: int) -> None:
        if (frame, player) not in self.inputs:
            self.inputs[frame, player] = move
            self._to_pass_on.append((frame, player, move))
        elif self.inputs[frame, player] != move:
            raise Broken(f"{self.program} holds two inputs of {player} for frame {frame}")


class Spectator:
    """A client's program where the server's own loop is the game."""

    client: Client

    def __init__(self, me: str) -> None:
        self.me = me

    def turn(self) -> None:
        self.client.notices()


def differing(games: list[Lockstep]) -> str | None:
    """What is wrong among games that should be one; None if nothing is."""
    for index, one in enumerate(games):
        for other in games[index + 1 :]:
            for frame in one.states.keys() & other.states.keys():
                if one.states[frame] != other.states[frame]:
                    return f"{one.program} and {other.program} differ in frame {frame}"
    return None
