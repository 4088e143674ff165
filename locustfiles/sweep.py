"""Find every provider's knee: ``locust -f locustfiles/sweep.py``. The offered rate rises in steps, for all at once."""

from locust import events

from locustfiles.engine import sweep
from locustfiles.engine.harness import install

globals().update(install(__name__, sweep.design, sweep.watch))
events.init_command_line_parser.add_listener(sweep.add_flags)
