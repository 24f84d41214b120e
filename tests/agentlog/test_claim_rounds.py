"""Lanes among equals take turns; what is more urgent comes first, wherever its lane stands."""

from __future__ import annotations

from typing import Any

import pytest

from agentlog.claim_rounds import STEPS, Place, Rounds


class Table:
    """What waits: lanes in order, each with an urgency and whether its head is free; and what has no lane."""

    def __init__(self, lanes: list[tuple[int, str, bool]], alone: tuple[int, ...] = ()) -> None:
        self.lanes, self.alone, self.asked = sorted(lanes), alone, 0

    async def fetch(
        self, first: bool, after: Place | None, exactly: bool, steps: int
    ) -> list[dict[str, Any]]:
        """As the queries do it: behind `after` if that is `exactly` meant, or is the most urgent there is."""
        self.asked += 1
        begin = 0
        if after is not None and (exactly or (self.lanes and self.lanes[0][0] == after[0])):
            begin = sum((urgency, lane) <= after for urgency, lane, _ in self.lanes)
        rows = [
            {"stream_id": 1000 + n if free else None, "urgency": urgency, "lane": lane, "step": n - begin + 1}
            for n, (urgency, lane, free) in enumerate(self.lanes)
            if begin <= n < begin + steps
        ]
        alone = [
            {"stream_id": n, "urgency": urgency, "lane": None, "step": 0}
            for n, urgency in enumerate(self.alone)
        ]
        return alone + rows


async def lanes_of(rounds: Rounds, table: Table, limit: int) -> list[str | None]:
    """Which lanes are claimed, None for what has none."""
    return [row["lane"] for row in (await rounds.read("s", limit, table.fetch))[:limit]]


def urgent(lanes: str, urgency: int = -7) -> list[tuple[int, str, bool]]:
    return [(urgency, lane, True) for lane in lanes]


@pytest.mark.parametrize("served", ["b", "c", "z"])
async def test_what_is_more_urgent_comes_first_also_where_its_lane_had_its_turn(served: str):
    """Found by the model of tasks: claims began behind the lane served last and took what was less urgent."""
    rounds, table = Rounds(), Table(urgent("ab"), alone=(1, 1))
    rounds.served("s", -7, served)
    assert await lanes_of(rounds, table, 1) == ["a"]
    assert sorted(map(str, await lanes_of(rounds, table, 3))) == ["None", "a", "b"]


async def test_what_is_more_urgent_comes_first_however_many_full_lanes_stand_before_it():
    """More than one page of them."""
    full = [(-7, f"full {n:03}", False) for n in range(3 * STEPS)]
    table = Table([*full, (-7, "last of all", True), (0, "less urgent", True)], alone=(1,))
    assert table.lanes[-2][1] == "last of all"
    assert await lanes_of(Rounds(), table, 1) == ["last of all"]


async def test_a_round_whose_equals_are_gone_is_not_asked_for_again():
    """Claims of what has no lane would cost two questions from then on."""
    rounds, table = Rounds(), Table([], alone=(0, 0))
    rounds.served("s", -7, "gone")
    assert await lanes_of(rounds, table, 1) == [None]
    assert table.asked == 2
    assert await lanes_of(rounds, table, 1) == [None]
    assert table.asked == 3


async def test_within_a_round_one_question_is_enough():
    """As long as equals behind the lane served last are free."""
    rounds, table = Rounds(), Table(urgent("abc"))
    rounds.served("s", -7, "a")
    assert await lanes_of(rounds, table, 2) == ["b", "c"]
    assert table.asked == 1


async def test_going_round_begins_behind_the_lane_served_last_and_reads_on_where_pages_end():
    """However many lanes at the front are full."""
    free = ("lane 000", "lane 250")
    table = Table([(0, name, name in free) for name in (f"lane {n:03}" for n in range(300))])
    rounds = Rounds()
    rounds.served("s", 0, "lane 100")
    assert await lanes_of(rounds, table, 1) == ["lane 250"]
    assert await lanes_of(rounds, table, 2) == ["lane 250", "lane 000"]
