"""What a rollback game knows: the inputs, the states that follow from them, and good guesses."""

State = dict[str, int]
Inputs = list[tuple[int, int]]  # of one player: frame, move


class Rollback:
    """A game whose inputs may come late and in any order; what is missing is guessed."""

    def __init__(self, players: list[str]) -> None:
        self.inputs: dict[str, dict[int, int]] = {player: {} for player in players}
        self.become(0, dict.fromkeys(players, 0), {})

    def become(self, frame: int, state: State, inputs: dict[str, Inputs]) -> None:
        """Go on from another copy, as `whole` tells of it."""
        self.confirmed = frame  # the first frame for which somebody's input is missing
        self.states = {frame: state}  # of all frames up to that one; they are final
        for player, known in inputs.items():
            self.hold(player, known)

    def whole(self, frame: int) -> tuple[int, State, dict[str, Inputs]]:
        """The latest final state up to `frame`, and every input since."""
        base = min(frame, self.confirmed)
        return base, self.states[base], {player: self.held(player, base) for player in self.inputs}

    def hold(self, player: str, inputs: Inputs) -> None:
        """Take in inputs of a player; the first of a frame counts."""
        for frame, move in inputs:
            self.inputs[player].setdefault(frame, move)
        while all(self.confirmed in known for known in self.inputs.values()):
            state = self._after(self.confirmed, self.states[self.confirmed])
            self.confirmed += 1
            self.states[self.confirmed] = state

    def held(self, player: str, since: int) -> Inputs:
        """The inputs of a player from a frame on."""
        return [(frame, move) for frame, move in self.inputs[player].items() if frame >= since]

    def hole(self, player: str) -> int:
        """The first frame for which this player's input is missing."""
        frame = self.confirmed
        while frame in self.inputs[player]:
            frame += 1
        return frame

    def at(self, frame: int) -> State:
        """The state at a frame; beyond the confirmed one it is simulated, with guesses."""
        state = self.states[min(frame, self.confirmed)]
        for one in range(self.confirmed, frame):
            state = self._after(one, state)
        return state

    def _after(self, frame: int, state: State) -> State:
        moves = {player: self._move(player, frame) for player in state}
        return {player: (3 * at + moves[player]) % 10007 for player, at in state.items()}

    def _move(self, player: str, frame: int) -> int:
        """What the player did, or else what the player did last."""
        known = self.inputs[player]
        return known[frame] if frame in known else known.get(self.hole(player) - 1, 0)
