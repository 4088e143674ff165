"""The figure of a sweep holds every step once, the Pareto ones on the line."""

from __future__ import annotations

from scoring.knee_figure import sweep_figure


def test_every_step_is_drawn_once_and_the_front_is_the_line():
    """A step whose speed is unknown is not drawn."""
    steps = [
        {"rate_rps": rate, "state": "met", "output_speed_p50": speed, "output_tokens_per_s": made, "pareto": front}
        for rate, speed, made, front in ((1, 50.0, 100.0, False), (2, 50.0, 200.0, True), (3, None, 0.0, False))
    ]
    line, rest = sweep_figure({"providers": {"narrow": {"steps": steps}}}).data
    assert ((200.0,), (100.0,)) == (line.y, rest.y)
    assert "lines+markers" == line.mode
