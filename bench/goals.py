#!/usr/bin/env python3
"""What memcxx is to reach, and what was measured of it: rates against the bare loop with client and
servers on one core (S) or on two (X), CPU against the bare loop's, and costs of one operation.

usage: bench/goals.py      from bench/speed.json and bench/cost.json; both come from scripts/bench
                           and scripts/bench-cost

Never here: measuring, words about why.
"""

import json
from pathlib import Path

BENCH = Path(__file__).resolve().parent

AT_LEAST, AT_MOST = ">=", "<="
# Workload, client, what of it, how, and the figure.
# "rate": operations per second divided by the bare loop's; "rate X" with the client on the other
# core; "cpu": CPU divided by the bare loop's; "instructions an item"; "hash": ns of CPU a key.
GOALS = [
    ("get", "memcxx", "rate", AT_LEAST, .98),
    ("get", "memcxx_views", "rate", AT_LEAST, .98),
    ("get", "memcxx_adaptive", "rate X", AT_LEAST, 2.4),
    ("get", "memcxx", "instructions", AT_MOST, 750),
    ("get", "memcxx_views", "instructions", AT_MOST, 600),
    ("get", "memcxx_views", "allocations", AT_MOST, 0),
    ("get", "memcxx", "system_calls", AT_MOST, 2),
    ("set", "memcxx", "rate", AT_LEAST, .98),
    ("set", "memcxx", "instructions", AT_MOST, 500),
    ("set", "memcxx", "allocations", AT_MOST, 0),
    ("set", "memcxx", "system_calls", AT_MOST, 2),
    ("multi_get_100", "memcxx_views", "rate", AT_LEAST, .95),
    ("multi_get_100", "memcxx_views", "cpu", AT_MOST, 1.25),
    ("multi_get_100", "memcxx_views", "instructions", AT_MOST, 20_000),
    ("multi_get_100", "memcxx_views", "allocations", AT_MOST, 1),
    ("multi_get_100", "memcxx_views", "system_calls", AT_MOST, 2),
    ("multi_get_100_4_servers", "memcxx_views_dealt", "rate", AT_LEAST, .95),
    ("multi_get_100_4_servers", "memcxx_views_dealt", "cpu", AT_MOST, 1.25),
    ("multi_get_100_4_servers", "memcxx_views_dealt", "instructions", AT_MOST, 22_000),
    ("multi_get_100_4_servers", "memcxx_views", "hash", AT_MOST, 30),
    ("multi_get_100_4_servers", "memcxx_views_dealt", "allocations", AT_MOST, 1),
    ("multi_get_100_4_servers", "memcxx_views", "system_calls", AT_MOST, 10),
    ("set_many_1000", "memcxx", "rate", AT_LEAST, 1.0),
    ("set_many_1000", "memcxx", "cpu", AT_MOST, 1.3),
    ("set_many_1000", "memcxx", "instructions an item", AT_MOST, 120),
    ("set_many_1000", "memcxx", "allocations", AT_MOST, 0),
    ("set_many_1000", "memcxx", "system_calls", AT_MOST, 4),
    ("in_flight_64", "memcxx_batch", "rate", AT_LEAST, .90),
    ("in_flight_64", "memcxx_coroutines", "rate", AT_LEAST, .90),
    ("in_flight_64", "memcxx_batch_views", "instructions", AT_MOST, 200),
    ("in_flight_64", "memcxx_coroutines_views", "instructions", AT_MOST, 600),
    ("in_flight_64", "memcxx_coroutines_views", "allocations", AT_MOST, 0),
    ("in_flight_64", "memcxx_coroutines", "system_calls", AT_MOST, .1),
    ("threads_64_shared", "memcxx", "rate", AT_LEAST, 2.0),
    ("threads_8_shared", "memcxx", "rate", AT_LEAST, 1.0),
    ("get_100k", "memcxx_views", "rate", AT_LEAST, .97),
    ("get_1m", "memcxx_views", "rate", AT_LEAST, .95),
    ("get_100k", "memcxx_views", "allocations", AT_MOST, 0),
    ("get_1m", "memcxx", "allocations", AT_MOST, 1),
    ("get_100k", "memcxx", "system_calls", AT_MOST, 3),
    ("get_1m", "memcxx", "system_calls", AT_MOST, 8),
    ("get_1m", "memcxx", "page_faults", AT_MOST, 0),
    ("get", "memcxx_python", "rate", AT_LEAST, .94),
    ("set", "memcxx_python", "rate", AT_LEAST, .94),
    ("multi_get_100", "memcxx_python", "rate", AT_LEAST, .92),
    ("set_many_1000", "memcxx_python", "rate", AT_LEAST, .97),
    ("get_1m", "memcxx_python", "rate", AT_LEAST, .93),
    ("get", "memcxx_python", "instructions", AT_MOST, 5_500),
    ("set", "memcxx_python", "instructions", AT_MOST, 5_500),
    ("multi_get_100", "memcxx_python", "instructions", AT_MOST, 65_000),
    ("set_many_1000", "memcxx_python", "instructions an item", AT_MOST, 250),
    ("get", "memcxx_python", "allocations", AT_MOST, 5),
    ("multi_get_100", "memcxx_python", "allocations", AT_MOST, 110),
    ("set_many_1000", "memcxx_python", "allocations", AT_MOST, 6),
    ("get", "memcxx_python", "system_calls", AT_MOST, 2),
    ("multi_get_100", "memcxx_python", "system_calls", AT_MOST, 2),
    ("set_many_1000", "memcxx_python", "system_calls", AT_MOST, 4),
    ("get_1m", "memcxx_python", "system_calls", AT_MOST, 8),
]
# What comes once in a while (memory that grows, a page at the beginning) is no cost of an operation.
SLACK = {"allocations": .1, "page_faults": .05}


class Figures:
    """What was measured, by name."""

    def __init__(self, speed, cost):
        self.speed = {(r["workload"], r["pinning"], r["client"]): r for r in speed}
        self.cost = {(r["workload"], r["client"]): r for r in cost}

    def of(self, workload, client, what):
        """None when it was not measured."""
        try:
            if what in ("rate", "rate X"):
                return self.speed[workload, "X" if what == "rate X" else "S", client]["ratio"]
            if what == "cpu":
                mine, bare = (self.speed[workload, "S", c]["cpu_us"] for c in (client, "raw"))
                return mine / bare
            if what == "hash":
                routed, dealt = (self.speed[workload, "S", c]["cpu_us"]
                                 for c in (client, client + "_dealt"))
                return (routed - dealt) * 1000 / self.cost[workload, client]["items"]
            row = self.cost[workload, client]
            if what == "instructions an item":
                return row["instructions"] / row["items"]
            return row[what]
        except KeyError:
            return None


def judged(speed, cost):
    """(workload, client, what, how, goal, measured, reached) of each goal that was measured."""
    figures = Figures(speed, cost)
    for workload, client, what, how, goal in GOALS:
        measured = figures.of(workload, client, what)
        if measured is None:
            continue
        slack = SLACK.get(what, 0)
        reached = measured >= goal if how == AT_LEAST else measured <= goal + slack
        yield workload, client, what, how, goal, measured, reached


def plain(speed, cost):
    """For a terminal."""
    return "\n".join(
        f"{'reached' if reached else 'missed':8} {workload:24} {client:24} {what:20} "
        f"{how} {goal:<8g} {measured:.4g}"
        for workload, client, what, how, goal, measured, reached in judged(speed, cost))


if __name__ == "__main__":
    print(plain(*(json.loads((BENCH / name).read_text()) for name in ("speed.json", "cost.json"))))
