"""Compare every provider of a file under the same load: ``locust -f locustfiles/compare.py``.

The classes are generated from ``--providers FILE``; ``locust --list`` shows them.
"""

from locustfiles.engine.harness import install

globals().update(install(__name__))
