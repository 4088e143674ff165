"""The Reasons for which a measurement may be doubted: a closed list, each with its limits and its remedy, as data.

The load process holds its run so far against them, scoring the whole run. Only a cause on our side can make INVALID: a
slow or failing provider never escapes its rank that way. They do not know where figures come from.
"""

from __future__ import annotations

from dataclasses import dataclass

from providers.notation import figure as shown

VALID, NOTE, DEGRADED, INVALID = "VALID", "NOTE", "DEGRADED", "INVALID"
LEVELS = (VALID, NOTE, DEGRADED, INVALID)
Limits = tuple[float | None, float | None]  # of DEGRADED and of INVALID


@dataclass(frozen=True, slots=True)
class Rule:
    """``degraded`` and ``invalid`` are limits: beyond is worse, and ``falling`` says that beyond means below.

    ``of_ttft`` are shares of a TTFT p50 up to which the limits grow. A rule without limits has the level ``always``,
    whenever it is met at all.
    """

    code: str
    says: str  # {figure} and {limit} stand for the shown values
    remedy: str
    unit: str = ""
    degraded: float | None = None
    invalid: float | None = None
    always: str | None = None
    falling: bool = False
    of_ttft: tuple[float, float] | None = None

    def limits(self, ttft_p50_s: float | None = None) -> Limits:
        if self.of_ttft is None or ttft_p50_s is None:
            return self.degraded, self.invalid
        degraded, invalid = (share * ttft_p50_s for share in self.of_ttft)
        return max(degraded, self.degraded or 0.0), max(invalid, self.invalid or 0.0)

    def breach(self, figure: float | None, limits: Limits) -> tuple[str | None, float | None]:
        """The level that a figure deserves and the limit it lies beyond; (None, None) where all is well."""
        degraded, invalid = limits
        if self.always:
            return self.always, degraded
        if figure is None:
            return None, None
        for level, limit in ((INVALID, invalid), (DEGRADED, degraded)):
            if limit is not None and (figure < limit if self.falling else figure > limit):
                return level, limit
        return None, None

    def said(self, figure: float | None, limit: float | None) -> str:
        return self.says.format(
            figure="?" if figure is None else shown(figure, self.unit),
            limit="?" if limit is None else shown(limit, self.unit),
        )


RULES: dict[str, Rule] = {rule.code: rule for rule in (
    # send_lag is held against the TTFT p50 of its cell, self_check against the lowest
    Rule("send_lag", "requests left {figure} late (p99 of our own lag; limit {limit})",
         "lower --rate or -u, use fewer providers per worker, or a faster machine", "s", 0.005, 0.025,
         of_ttft=(0.01, 0.05)),
    Rule("under_delivered", "only {figure} of the scheduled requests were started (limit {limit})",
         "lower --rate or -u, or add workers", "share", 0.99, 0.95, falling=True),
    Rule("bounded_events", "{figure} of the content events are timed by an interval only (limit {limit})",
         "lower --rate or -u, or add workers, so that reads keep up", "share", 0.05, 0.25),
    Rule("loop_lag", "the worker's event loop woke {figure} late (p99; limit {limit})",
         "lower --rate or -u, add workers, or free the machine of other work", "s", 0.020, 0.100),
    Rule("worker_cpu", "the worker's core was full in {figure} of the seconds (limit {limit})",
         "lower --rate or -u, or add workers (--processes)", "share", 0.01, 0.10),
    Rule("sockets", "{figure} of the arrivals found no socket (limit {limit})",
         "raise the descriptor limit (ulimit -n) or lower --rate", "share", 0.0, 0.01),
    Rule("lost_samples", "{figure} of the sent requests have no row (limit {limit})",
         "repeat the run: requests that cannot be ended are no one's measurement", "share", 0.0, 0.01),
    Rule("clock", "workers' clocks agree only to {figure} (limit {limit})",
         "synchronize the workers' clocks (chrony), or place the master nearer", "s", 0.005, 0.050),
    Rule("self_check", "TTFT of the known target was measured {figure} off (p99; limit {limit})",
         "lower --rate or -u, add workers, or free the machine of other work", "s", 0.001, 0.005,
         of_ttft=(0.01, 0.05)),
    Rule("empty_cell", "was planned and has no row",
         "see the warnings of this run; repeat it with that worker alive", always=INVALID),
    Rule("n_small", "too few: {figure} (limit {limit})",
         "measure longer (-t) or raise --rate", "requests", 72, 30, falling=True),
    Rule("provider_overloaded", "{figure} of the requests met an overloaded provider or found 512 in flight",
         "lower --rate to what the provider can serve", "share", 0.0),
    Rule("limit_held", "its own limits held {figure} of the requests back: its latency contains that wait",
         "lower --rate or -u, or raise these limits", "share", 0.0),
    Rule("cut_off", "{figure} of the requests still ran when the drain was over (limit {limit})",
         "give --drain more seconds", "share", 0.01),
    Rule("windows_lt_30", "independent windows: {figure} (limit {limit})",
         "measure longer (-t)", "", 30, falling=True),
    Rule("output_length_mismatch", "median answers differ by {figure} in length (limit {limit})",
         "fix the length: request.max_tokens with ignore_eos or min_tokens where it is known", "share", 0.10),
    Rule("token_source_mixed", "tokens were counted in different ways",
         "let every provider report usage, or give a tokenizer", always=DEGRADED),
    Rule("limits_unequal", "providers have different limits",
         "give all of them the same limits", always=DEGRADED),
    Rule("load_unequal", "providers were asked unequally often, by {figure} (limit {limit})",
         "give all of them the same users and rates", "share", 0.01),
    Rule("reasoning_visibility_mixed", "some stream their reasoning and some hide it; TTFO is scored for TTFT",
         "compare models that show reasoning alike", always=DEGRADED),
    Rule("stamp_mixed", "some arrivals were stamped by the kernel and some by this process",
         "run all workers on Linux", always=DEGRADED),
    Rule("not_simultaneous", "providers were measured apart: {figure} of the time is not common (limit {limit})",
         "measure all of them in one run", "share", 0.10),
    Rule("model_differs", "they do not seem to serve one model",
         "compare one model, or give each its own capability", always=DEGRADED),
    Rule("n_differs", "one provider has {figure} times the requests of another (limit {limit})",
         "use open-loop arrivals (--rate)", "", 2.0),
    Rule("incomplete", "the run is not complete",
         "run it again to its end", always=DEGRADED),
    Rule("mock_data", "mock providers: simulated on this machine, they say nothing about any cloud",
         "declare real endpoints", always=NOTE),
    Rule("single_run", "one run: intervals hold within it only",
         "repeat it, five runs over three days", always=NOTE),
    Rule("single_time_of_day", "one time of day",
         "repeat it at another time of day", always=NOTE),
    Rule("price_stale", "the price was read {figure} before the run (limit {limit})",
         "read the price again and set price.as_of", "days", always=NOTE),
    Rule("anchor_saturated", "lies at or beyond an anchor of the profile: it can move without moving the score",
         "use a profile whose anchors enclose it", always=NOTE),
    Rule("network_unknown", "no new connection was timed: its network share is unknown",
         "let it open a connection within the run", always=NOTE),
)}  # fmt: skip
