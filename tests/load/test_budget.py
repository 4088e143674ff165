"""Money: what may still be spent is asked before each send, and what was spent is never beyond the cap."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import gevent
import pytest
from locust.env import Environment

from locustfiles.engine.budget import Budget, output_cap, worst_usd
from locustfiles.engine.experiment import Experiment, Place, Timetable
from locustfiles.engine.lane import Lane
from locustfiles.engine.load import Load, run_open
from locustfiles.engine.recorder import Recorder
from providers.roster import load_roster
from providers.secret import Scrubber
from providers.spec import Provider
from providers.workload import Workload
from tests.load.scripted import DONE, FINISH, HEAD, chunked, content

PRICE = {"input_per_1m": 1000.0, "output_per_1m": 4000.0}
WORKLOAD = Workload.model_validate(
    {"name": "w", "input_tokens": 16, "output_tokens": {"dist": "uniform", "p50": 30, "p95": 55}}
)
CAP_USD = 3.0


def _answer(rng: random.Random) -> Any:
    """As many tokens as were asked for or fewer, now or a little later; one in eight sends no usage."""

    def script(sock: Any) -> None:
        gevent.sleep(rng.choice((0.0, 0.005, 0.05)))
        usage = b'data: {"choices":[],"usage":{"prompt_tokens":16,"completion_tokens":%d}}\n\n' % rng.randint(1, 20)
        sock.sendall(HEAD + chunked(content("x"), FINISH, *([usage] if rng.random() < 7 / 8 else []), DONE))

    return script


@pytest.fixture
def load(transport, endpoints, tmp_path, serve):
    """A load of one priced provider, without Locust's life cycle."""
    recorders = []

    def make(seed: int) -> Load:
        (tmp_path / "x.yaml").write_text("providers: [{name: p, type: mock}]\n")
        url = serve(_answer(random.Random(seed)))
        provider = Provider.model_validate({"name": "p", "type": "http", "base_url": url, "price": PRICE})
        place = Place(Path("x.yaml"), Path("results"), "", "")
        experiment = Experiment(
            roster=load_roster(tmp_path / "x.yaml"), workload=WORKLOAD, arrivals="poisson", rate_rps=400.0,
            burstiness=1.0, users=0, warm_up_s=0.0, window_s=30.0, drain_s=1.0, slo=None, seed=seed,
            max_cost_usd=CAP_USD, preflight=False, cold_start=False, score=False, self_check=False,
            stop_on_invalid=False, place=place,
        )  # fmt: skip
        recorder = Recorder(tmp_path / f"samples{seed}.csv", ["p"], Environment(user_classes=[]))
        recorders.append(recorder)
        lane = Lane(provider, f"run{seed}", transport, recorder, Scrubber([]), place)
        endpoints.append(lane.endpoint)
        table = Timetable(0.0, 30.0)
        table.begin(time.time())
        return Load(experiment, table, Budget(CAP_USD), {"p": lane})

    yield make
    for recorder in recorders:
        recorder.close()


@pytest.mark.parametrize("seed", range(20))
def test_spend_never_passes_the_cap(load, seed):
    """Drawn lengths and delays, hundreds in flight, bills unknown at times: in 20 of 20 seeds."""
    running = load(seed)
    spent: list[float] = []
    running.watchers.append(lambda sample: spent.append(sample.cost_usd or 0.0))
    run_open(running, time.time())
    with gevent.Timeout(5):
        while running.lanes["p"].outstanding:
            gevent.sleep(0.01)
    assert running.budget.exhausted
    assert sum(spent) <= CAP_USD
    assert len(spent) > 10
    assert sum(spent) <= running.budget.spent_usd <= CAP_USD


def test_worst_case_is_held_while_the_bill_is_out():
    """Ten in flight at 0.1 USD are a dollar, until they are settled for less."""
    budget = Budget(1.0)
    assert [True] * 10 == [budget.reserve(0.1) for _ in range(10)]
    budget.settle(0.1, 0.02)
    assert not budget.reserve(0.1)
    assert budget.exhausted


def test_unknown_bill_counts_as_its_worst_case():
    """Nothing is free because nobody said its price."""
    budget = Budget(1.0)
    budget.reserve(0.6)
    budget.settle(0.6, None)
    assert not budget.reserve(0.5)


def test_worst_case_is_that_of_the_entry_and_the_prompt():
    """1.25 x the input and all the output it may get; the entry's own cap has the last word; mocks cost nothing."""
    entry = {"name": "p", "type": "http", "base_url": "https://x/v1", "price": PRICE}
    provider = Provider.model_validate(entry)
    capped = Provider.model_validate(entry | {"request": {"max_tokens": 7}})
    assert pytest.approx((20 * 1000 + 60 * 4000) / 1e6) == worst_usd(provider, 16, 60)
    assert pytest.approx((20 * 1000 + 7 * 4000) / 1e6) == worst_usd(capped, 16, 60)
    assert (60, 7) == (output_cap(provider, 60), output_cap(capped, 60))
    assert 0.0 == worst_usd(Provider.model_validate({"name": "m", "type": "mock", "price": PRICE}), 16, 60)
