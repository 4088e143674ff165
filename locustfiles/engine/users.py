"""A user class per provider, generated: Locust lists, picks, weighs and spawns them like any written by hand."""

from __future__ import annotations

import re
from typing import Any

import gevent
from locust import User, task

from locustfiles.engine.closed import run_closed
from providers.roster import Roster
from providers.spec import Provider


class ProviderUser(User):
    """In open loop its presence registers the provider; in closed loop it is one slot that asks and waits."""

    abstract = True
    provider: Provider

    @task
    def infer(self) -> None:
        measurement = self.environment.nephoscope.measurement
        lane = measurement.register(self.provider.name)
        if measurement.experiment.closed:
            slots = self.environment.nephoscope.slots
            with measurement.seats[self.provider.name].seated() as seat:
                run_closed(measurement.load, lane, seat, slots)
        # In open loop, and in the drain, a user neither asks nor dies: its death would change the user count.
        while True:
            gevent.sleep(3600)


def class_name(provider: str) -> str:
    """``aws-us-east`` becomes ``AwsUsEast``, a name Locust's command line takes."""
    name = "".join(part.capitalize() for part in re.split(r"[^a-z0-9]+", provider))
    return f"P{name}" if name[:1].isdigit() else name


def user_classes(roster: Roster, module: str) -> dict[str, Any]:
    """Class name -> class, for a locustfile's ``globals().update``."""
    classes: dict[str, Any] = {}
    for provider in roster.providers:
        name = class_name(provider.name)
        while name in classes:  # 'a-b' and 'ab' are different providers
            name += "_"
        classes[name] = type(
            name,
            (ProviderUser,),
            {
                "__module__": module,
                "__doc__": f"{provider.name}: {provider.base_url or 'mock'}",
                "abstract": False,
                "provider": provider,
                "weight": provider.weight,
                "host": provider.base_url or f"mock://{provider.name}",  # shown in the web UI, used nowhere
            },
        )
    return classes
