"""The poll plan, run in simulated time on a line that carries one exchange at a time."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.acquisition.schedule import Job, PollPlan, Turn, Verdict, Wait
from gateway.model.driver import PollGroup
from gateway.model.ids import DeviceId
from gateway.model.reading import PointTable

ANSWER_S = 0.03
TIMEOUT_S = 0.5


def job(device: str, period_s: float = 1.0, *, group: str = "all", retries: int = 2) -> Job:
    return Job(DeviceId(device), PollGroup(group, PointTable(), period_s), period_s, retries)


@dataclass
class Line:
    """A line in simulated time: who answers when, and what that takes."""

    jobs: Sequence[Job]
    answers: Callable[[Job, float], bool] = lambda _job, _now: True
    costs: Mapping[Job, float] = field(default_factory=dict)
    timeout_s: float = TIMEOUT_S
    now: float = 1000.0
    asked: dict[Job, list[float]] = field(default_factory=lambda: defaultdict(list))
    answered: Counter[Job] = field(default_factory=Counter)
    verdicts: list[tuple[float, Job, Verdict]] = field(default_factory=list)
    lateness: dict[Job, list[float]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.plan = PollPlan(self.jobs, self.now)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            match self.plan.next(self.now):
                case Wait(wait):
                    assert wait > 0
                    self.now += min(wait, end - self.now)
                case Turn(job, late_s):
                    self.lateness[job].append(late_s)
                    self.asked[job].append(self.now)
                    ok = self.answers(job, self.now)
                    self.now += self.costs.get(job, ANSWER_S) if ok else self.timeout_s
                    self.answered[job] += ok
                    verdict = self.plan.done(job, self.now, ok=ok)
                    self.verdicts.append((self.now, job, verdict))

    def changes(self) -> list[Verdict]:
        return [v for _, _, v in self.verdicts if v not in (Verdict.ANSWERED, Verdict.RETRY)]


def test_next_of_an_empty_line_waits_for_ever() -> None:
    assert PollPlan([], 0.0).next(5.0) == Wait(math.inf)


@pytest.mark.parametrize("period_s", [0.0, -1.0, math.inf, math.nan])
def test_a_job_whose_period_is_no_positive_number_is_refused(period_s: float) -> None:
    with pytest.raises(ValueError, match="period"):
        job("meter", period_s)


def test_a_job_with_negative_retries_is_refused() -> None:
    with pytest.raises(ValueError, match="retries"):
        job("meter", retries=-1)


def test_at_start_everything_is_asked_once_within_a_second_however_long_its_period() -> None:
    jobs = [job(f"d{n}", period) for n, period in enumerate([0.5, 1.0, 60.0, 3600.0])]
    line = Line(jobs)
    line.run(1.2)
    assert all(line.answered[j] for j in jobs)


def test_devices_of_one_period_are_asked_in_one_run_so_that_the_line_wakes_seldom() -> None:
    jobs = [job(f"d{n}") for n in range(10)]
    line = Line(jobs, costs=dict.fromkeys(jobs, 0.001))
    line.run(20)
    phases = sorted(line.asked[j][-1] % 1.0 for j in jobs)
    runs = 1 + sum(b - a > 0.03 for a, b in pairwise(phases))
    assert runs == 1
    assert min(line.answered[j] for j in jobs) >= 19


def test_a_line_is_awake_for_a_moment_after_a_poll_as_a_real_one_takes_to_ask_again() -> None:
    plan = PollPlan([job(f"d{n}") for n in range(10)], 0.0)
    now, wakes = 0.0, 0
    while now < 20:
        step = plan.next(now)
        if isinstance(step, Wait):
            wakes += 1
            now += step.seconds
            continue
        now += 0.001
        plan.done(step.job, now, ok=True)
        now += 0.002
    assert wakes <= 5 * 20


def test_a_poll_is_never_more_than_a_quarter_of_its_period_early() -> None:
    jobs = [job(f"d{n}", period) for n, period in enumerate([0.4, 1.0, 1.0, 3.0, 3.0, 7.0])]
    line = Line(jobs, costs=dict.fromkeys(jobs, 0.001))
    line.run(60)
    for each in jobs:
        gaps = [b - a for a, b in pairwise(line.asked[each][1:])]
        assert min(gaps) >= each.period_s - 0.1 - 0.01
        assert max(gaps) <= each.period_s + 0.1 + 0.01


def test_slots_do_not_drift_with_the_time_an_exchange_takes() -> None:
    meter = job("meter")
    line = Line([meter], costs={meter: 0.4})
    line.run(100.0)
    assert line.asked[meter][-1] - line.asked[meter][0] == pytest.approx(99.0)


def test_earliest_deadline_goes_first() -> None:
    slow, fast = job("slow", 10.0), job("fast", 1.0)
    plan = PollPlan([slow, fast], 0.0)
    order = []
    for _ in range(2):
        turn = plan.next(2.0)
        assert isinstance(turn, Turn)
        order.append(turn.job)
        plan.done(turn.job, 2.0, ok=True)
    assert order == [fast, slow]


def test_next_says_how_late_a_poll_is() -> None:
    meter = job("meter")
    plan = PollPlan([meter], 0.0)
    assert plan.next(0.25) == Turn(meter, 0.25)


def test_after_a_long_pause_missed_slots_are_skipped_and_counted_without_a_burst() -> None:
    meter = job("meter")
    line = Line([meter])
    line.run(5.0)
    before = len(line.asked[meter])
    line.now += 60.0
    line.run(3.0)
    asked = line.asked[meter][before:]
    assert len(asked) <= 5
    assert min(b - a for a, b in pairwise(asked)) >= 0.5
    assert line.plan.tally(meter).skipped == pytest.approx(58, abs=1)
    assert line.plan.tally(meter).late == 1


def test_one_dead_device_of_ten_costs_the_other_nine_less_than_a_twentieth() -> None:
    jobs = [job(f"d{n}") for n in range(10)]
    dead = jobs[4]
    line = Line(jobs, answers=lambda j, _: j is not dead)
    line.run(60.0)
    assert min(line.answered[j] for j in jobs if j is not dead) >= 0.95 * 60
    assert Verdict.LOST in line.changes()


def test_one_dead_device_with_a_time_out_as_long_as_the_period_costs_as_little() -> None:
    jobs = [job(f"d{n}") for n in range(10)]
    dead = jobs[4]
    line = Line(jobs, answers=lambda j, _: j is not dead, timeout_s=1.0)
    line.run(120.0)
    assert min(line.answered[j] for j in jobs if j is not dead) >= 0.95 * 120


def test_a_dead_device_delays_the_others_by_one_time_out_at_most() -> None:
    jobs = [job(f"d{n}") for n in range(10)]
    dead = jobs[4]
    line = Line(jobs, answers=lambda j, _: j is not dead)
    line.run(300.0)
    worst = max(late for j in jobs if j is not dead for late in line.lateness[j])
    assert worst <= TIMEOUT_S + 9 * ANSWER_S


def test_half_of_the_line_dead_leaves_the_other_half_its_rate() -> None:
    jobs = [job(f"d{n}") for n in range(10)]
    line = Line(jobs, answers=lambda j, _: int(j.device[1:]) % 2 == 0)
    line.run(120.0)
    assert min(line.answered[j] for j in jobs[::2]) >= 0.95 * 120


def test_a_dead_device_is_probed_with_doubling_delay_up_to_ten_seconds() -> None:
    dead = job("dead")
    line = Line([dead], answers=lambda _j, _n: False)
    line.run(60.0)
    probes = line.asked[dead][3:]
    gaps = [round(b - a - TIMEOUT_S, 6) for a, b in pairwise(probes)]
    assert gaps[:5] == [2.0, 4.0, 8.0, 10.0, 10.0]
    assert round(probes[0] - line.asked[dead][2] - TIMEOUT_S, 6) == 1.0


def test_a_probe_that_blocks_the_line_for_long_takes_a_tenth_of_it() -> None:
    dead = job("dead")
    line = Line([dead], answers=lambda _j, _n: False, timeout_s=3.0)
    line.run(600.0)
    gaps = [b - a - 3.0 for a, b in pairwise(line.asked[dead])]
    assert gaps[-1] == pytest.approx(30.0)


def test_a_device_is_away_only_after_its_retries_are_used_up() -> None:
    dead = job("dead", retries=2)
    line = Line([dead], answers=lambda _j, _n: False)
    line.run(1.6)
    assert [v for _, _, v in line.verdicts] == [Verdict.RETRY, Verdict.RETRY, Verdict.LOST]
    assert line.plan.is_away(dead.device)


def test_all_groups_of_a_dead_device_share_one_probe() -> None:
    groups = [job("dead", group=f"g{n}") for n in range(6)]
    line = Line(groups, answers=lambda _j, _n: False)
    line.run(100.0)
    steady = [t for j in groups for t in line.asked[j] if t > 1040.0]
    assert len(steady) <= 6


def test_a_device_that_is_back_takes_up_its_normal_rate_in_all_groups_at_once() -> None:
    groups = [job("meter", group=f"g{n}") for n in range(3)]
    line = Line(groups, answers=lambda _j, now: not 1010.0 <= now < 1050.0)
    line.run(100.0)
    back = next(now for now, _, verdict in line.verdicts if verdict is Verdict.BACK)
    assert back <= 1050.0 + 11.0
    for j in groups:
        after = [t for t in line.asked[j] if back - ANSWER_S <= t + 1e-9 and t < back + 10.0]
        assert len(after) >= 10
        assert after[0] <= back + 3 * ANSWER_S


def test_a_device_that_comes_and_goes_costs_no_more_than_a_dead_one() -> None:
    flapping, good = job("loose"), job("good", 0.25)
    alternate = {"up": False}

    def answers(j: Job, _now: float) -> bool:
        if j is good:
            return True
        if line.plan.is_away(flapping.device):
            alternate["up"] = True
            return True
        up, alternate["up"] = alternate["up"], False
        return up

    line = Line([flapping, good], answers=answers)
    line.run(600.0)
    lost = sum(
        line.timeout_s for _, j, v in line.verdicts if v not in (Verdict.ANSWERED, Verdict.BACK)
    )
    assert lost < 600 * 0.12
    assert line.answered[good] >= 0.85 * 600 * 4


def test_a_device_that_was_well_for_long_is_probed_soon_when_it_is_lost_again() -> None:
    meter = job("meter")
    outages = ((1010.0, 1060.0), (1200.0, 1260.0))
    line = Line([meter], answers=lambda _j, now: not any(a <= now < b for a, b in outages))
    line.run(210.0)
    lost = [now for now, _, verdict in line.verdicts if verdict is Verdict.LOST]
    probe = next(t for t in line.asked[meter] if t > lost[1])
    assert probe - lost[1] == pytest.approx(1.0)


@pytest.mark.parametrize("retries", [0, 2])
@pytest.mark.parametrize("sibling_period_s", [0.5, 1.0, 30.0])
def test_a_silent_group_among_good_ones_is_put_off_alone(
    retries: int, sibling_period_s: float
) -> None:
    mute = job("meter", group="mute", retries=retries)
    good = job("meter", sibling_period_s, group="good", retries=retries)
    line = Line([mute, good], answers=lambda j, _: j is good)
    line.run(600.0)
    assert line.changes().count(Verdict.LOST) <= 1
    assert Verdict.SILENT in line.changes()
    assert line.answered[good] >= 0.95 * 600 / sibling_period_s
    assert len(line.asked[mute]) < 80


def test_a_silent_group_that_answers_again_is_asked_at_its_rate() -> None:
    mute, good = job("meter", group="mute"), job("meter", group="good")
    line = Line([mute, good], answers=lambda j, now: j is good or now > 1100.0)
    line.run(200.0)
    assert line.answered[mute] >= 85


def test_a_restart_asks_everything_within_a_second_and_forgets_who_was_away() -> None:
    jobs = [job("a"), job("b", 60.0)]
    line = Line(jobs, answers=lambda _j, now: now > 1100.0)
    line.run(101.0)
    line.plan.restart(line.now)
    start = line.now
    line.run(1.2)
    assert all(start <= line.asked[j][-1] <= start + 1.0 for j in jobs)
    assert not line.plan.is_away(jobs[0].device)


def test_hurry_makes_a_job_due_at_once() -> None:
    meter = job("meter", 60.0)
    line = Line([meter])
    line.run(3.0)
    line.plan.hurry([meter], line.now)
    turn = line.plan.next(line.now)
    assert isinstance(turn, Turn)
    line.plan.done(meter, line.now, ok=True)
    assert isinstance(line.plan.next(line.now), Wait)


def test_hurry_while_the_job_is_being_asked_asks_it_once_more() -> None:
    meter = job("meter", 60.0)
    plan = PollPlan([meter], 0.0)
    assert isinstance(plan.next(0.0), Turn)
    plan.hurry([meter], 0.1)
    plan.done(meter, 0.2, ok=True)
    assert isinstance(plan.next(0.2), Turn)


def test_hurry_probes_a_device_that_is_away_once_at_once() -> None:
    groups = [job("dead", group="a"), job("dead", group="b")]
    line = Line(groups, answers=lambda _j, _n: False)
    line.run(30.0)
    line.plan.hurry(groups, line.now)
    turn = line.plan.next(line.now)
    assert isinstance(turn, Turn)
    assert isinstance(line.plan.next(line.now), Wait)


def test_hurry_while_the_probe_of_its_device_is_under_way_adds_no_second_one() -> None:
    groups = [job("dead", group="a"), job("dead", group="b")]
    line = Line(groups, answers=lambda _j, _n: False)
    line.run(30.0)
    line.plan.hurry(groups, line.now)
    assert isinstance(line.plan.next(line.now), Turn)
    line.plan.hurry(groups, line.now)
    assert isinstance(line.plan.next(line.now), Wait)


# Periods and costs in milliseconds, so that a failing example is easy to read.
periods = st.integers(100, 5_000)


@st.composite
def loads(draw: st.DrawFn, low: float, high: float) -> tuple[list[Job], dict[Job, float]]:
    """Jobs whose exchanges together take a share of the line between `low` and `high`."""
    jobs = [
        job(f"d{n}", ms / 1000)
        for n, ms in enumerate(draw(st.lists(periods, min_size=1, max_size=12)))
    ]
    weights = draw(st.lists(st.integers(1, 10), min_size=len(jobs), max_size=len(jobs)))
    load = draw(st.floats(low, high))
    costs = {j: load * w / sum(weights) * j.period_s for j, w in zip(jobs, weights, strict=True)}
    return jobs, costs


@settings(max_examples=60, deadline=None)
@given(loads(0.1, 0.9))
def test_every_rate_is_kept_when_the_line_can_carry_it(
    load: tuple[list[Job], dict[Job, float]],
) -> None:
    jobs, costs = load
    shortest = min(j.period_s for j in jobs)
    longest = max(costs.values())
    if longest > shortest:  # one exchange cannot be interrupted: no plan could keep the short one
        costs = {j: cost * shortest / longest for j, cost in costs.items()}
    line = Line(jobs, costs=costs)
    seconds = 40 * max(j.period_s for j in jobs)
    line.run(seconds)
    for j in jobs:
        assert line.answered[j] >= seconds / j.period_s - 2
        assert line.plan.tally(j).skipped == 0


@settings(max_examples=60, deadline=None)
@given(loads(1.2, 6.0))
def test_nobody_starves_on_an_overloaded_line_and_all_are_late_alike(
    load: tuple[list[Job], dict[Job, float]],
) -> None:
    jobs, costs = load
    line = Line(jobs, costs=costs)
    round_s = sum(costs.values())
    line.run(60 * (round_s + max(j.period_s for j in jobs)))
    longest = max(j.period_s for j in jobs)
    for j in jobs:
        gaps = [b - a for a, b in pairwise(line.asked[j])]
        assert max(gaps) <= 3 * (round_s + longest)
    overdue = {j: max(late - j.period_s for late in line.lateness[j][3:]) for j in jobs}
    assert max(overdue.values()) - min(overdue.values()) <= 2 * longest + round_s


@settings(max_examples=100, deadline=None)
@given(
    loads(0.05, 3.0),
    st.lists(st.booleans(), min_size=1, max_size=200),
    st.lists(st.integers(0, 20_000), min_size=1, max_size=200),
)
def test_any_course_keeps_one_turn_a_job_and_never_bursts(
    load: tuple[list[Job], dict[Job, float]], oks: list[bool], pauses_ms: list[int]
) -> None:
    jobs, _ = load
    plan = PollPlan(jobs, 0.0)
    now = 0.0
    well: dict[Job, float] = {}
    for ok, pause_ms in zip(oks * 2, pauses_ms * 2, strict=False):
        step = plan.next(now)
        if isinstance(step, Wait):
            assert 0 < step.seconds < math.inf
            now += step.seconds
            step = plan.next(now)
        assert isinstance(step, Turn)
        assert step.late_s >= 0
        before = well.get(step.job)
        if before is not None:
            assert now - before >= step.job.period_s / 2 - 1e-6
        if ok:
            well[step.job] = now
        else:
            well.pop(step.job, None)
        now += pause_ms / 1000
        plan.done(step.job, now, ok=ok)
