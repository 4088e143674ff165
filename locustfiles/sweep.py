"""Find every provider's knee under a rising rate: ``locust -f locustfiles/sweep.py --rate START``.

The same arrivals and prompts for all, step by step; who can bear no more is asked nothing more, the others go on.
"""

from locust import events

from locustfiles.engine.climb import Climb
from locustfiles.engine.harness import install
from locustfiles.engine.measurement import Measurement
from locustfiles.engine.staircase import add_sweep_flags, staircase


def watch(measurement: Measurement) -> None:
    experiment, load = measurement.experiment, measurement.load
    assert experiment.sweep is not None
    climb = Climb(experiment, experiment.sweep, measurement.names, load.retire)
    load.watchers.append(climb.add)
    measurement.step_watchers.append(climb.step_over)


globals().update(install(__name__, design=staircase, watch=watch))
events.init_command_line_parser.add_listener(add_sweep_flags)
