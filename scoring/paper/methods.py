"""Methods: how a run was measured and scored, in the words of an article, from the configuration that was used.

Text is written once and printed as Markdown and as LaTeX; it claims nothing that the run or its summary does not hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from providers.notation import digits
from scoring.paper.stamp import MEANING, stamps
from scoring.paper.tex import escape

Json = Mapping[str, Any]
Paragraph = tuple[str, str]
_PARTS = re.compile(r"(`[^`]*`|\$[^$]+\$|\[@[^\]]+\])")


def to_markdown(paragraphs: Sequence[Paragraph]) -> str:
    """With citations as pandoc reads them."""
    return "# Methods\n\n" + "\n".join(f"**{title}.** {text}\n" for title, text in paragraphs)


def to_tex(paragraphs: Sequence[Paragraph]) -> str:
    return "\n".join(f"\\paragraph{{{escape(title)}.}} {_tex(text)}\n" for title, text in paragraphs)


def _tex(text: str) -> str:
    return "".join(_tex_part(part) for part in _PARTS.split(text))


def _tex_part(part: str) -> str:
    if part.startswith("$"):
        return part
    if part.startswith("`"):
        return rf"\texttt{{{escape(part.strip('`'))}}}"
    if part.startswith("[@"):
        keys = part[1:-1].replace("@", "").replace("; ", ",")
        return rf"\cite{{{keys}}}"
    return escape(part)


def methods(summary: Json, manifest: Json) -> list[Paragraph]:
    return [
        *(("Caution", f"{mark}: {MEANING[mark]}.") for mark in stamps(summary)),
        ("Providers", " ".join(_providers(manifest))),
        ("Load", " ".join(_load(summary, manifest))),
        ("Instrument", " ".join(_instrument(summary, manifest))),
        ("Metrics", " ".join(_metrics(summary))),
        ("Score", " ".join(_score(summary["profile"]))),
        ("Uncertainty", " ".join(_uncertainty(summary))),
        ("Validity", " ".join(_validity(summary))),
        ("Reproduction", " ".join(_reproduction(summary))),
    ]


def _code(value: object) -> str:
    """Other people's words, which may hold anything."""
    return f"`{str(value).replace('`', '')}`"


def _providers(manifest: Json) -> Iterator[str]:
    for entry in manifest.get("providers") or []:
        known = [f"{key} {_code(entry[key])}" for key in ("type", "cloud", "region", "model") if entry.get(key)]
        yield f"{_code(entry['name'])} ({', '.join([*known, _price(entry.get('price') or {})])})."


def _price(price: Json) -> str:
    parts = [
        f"{digits(float(price[key]))} USD {unit}"
        for key, unit in (
            ("input_per_1m", "per 1M input tokens"), ("output_per_1m", "per 1M output tokens"),
            ("per_request", "per request"), ("hourly_usd", "per hour and replica"),
        )
        if price.get(key) is not None and (price[key] or key != "per_request")
    ]  # fmt: skip
    as_of = f" as of {_code(price['as_of'])}" if price.get("as_of") else ""
    source = f" from {_code(price['source'])}" if price.get("source") else ""
    return f"{' and '.join(parts)}{as_of}{source}" if parts else "no price known"


def _load(summary: Json, manifest: Json) -> Iterator[str]:
    config = summary["run"]["config"]
    arrivals, phases, workload = (config.get(key) or {} for key in ("arrivals", "phases", "workload"))
    yield f"The workload {_code(workload.get('name'))} asked for {_length(workload.get('input_tokens'))} input and"
    yield f"{_length(workload.get('output_tokens'))} output tokens"
    yield f"(prompt cache: {_code((workload.get('cache') or {}).get('kind') or 'unknown')})."
    if arrivals.get("kind") == "closed":
        yield f"Load was closed: {arrivals.get('users')} users without think time, each awaiting its answer."
    else:
        rate = digits(float(arrivals["rate_rps"])) if arrivals.get("rate_rps") else "a varying number of"
        yield f"Load was open: {_code(arrivals.get('kind'))} arrivals of {rate} requests per second and provider,"
        yield "whatever the answers took."
    if sweep := summary["sweep"]:
        rates = ", ".join(digits(rate) for rate in sweep["rates_rps"])
        yield f"The rate climbed in steps of {digits(sweep['step_s'])} s: {rates} requests per second."
    yield _pairing(config.get("pairing"))
    yield f"After {digits(float(phases.get('warm_up_s') or 0))} s of warm-up, {digits(summary['run']['window_s'])} s"
    yield f"were measured ({summary['run']['requests']:,} requests); failed requests were never retried."
    regions = sorted({str(worker.get("region") or "local") for worker in manifest.get("workers") or []})
    if regions:
        yield f"Requests came from {len(manifest['workers'])} worker(s) in {', '.join(map(_code, regions))}."


def _length(length: Any) -> str:
    if isinstance(length, int | float):
        return digits(float(length))
    return _code(length) if length else "a varying number of"


def _pairing(pairing: str | None) -> str:
    if pairing == "instant":
        return "All providers got the same prompt at the same instant."
    return (
        "All providers got the same prompts, unpaired." if pairing == "none" else "All providers got the same prompts."
    )


def _instrument(summary: Json, manifest: Json) -> Iterator[str]:
    versions, host = summary["run"]["versions"] or {}, manifest.get("host") or {}
    yield f"Nephoscope {_code(versions.get('nephoscope', 'unknown'))} drove the load with Locust"
    yield f"{_code(versions.get('locust', 'unknown'))} [@locust]"
    yield f"on {_code(host.get('cpu_model', 'unknown'))} with {host.get('cores', 'an unknown number of')} cores."
    stamps_known = {worker.get("kernel_stamps") for worker in manifest.get("workers") or []}
    if stamps_known == {True}:
        yield "Arrival times were stamped by the kernel."
    for check in summary["run"]["self_checks"]:
        if check["n"] and check["ttft_error_p99_s"] is not None:
            error = digits(1000 * check["ttft_error_p99_s"])
            yield f"A target of known truth on the worker's own machine saw TTFT errors of {error} ms at most in 99 %"
            yield f"of {check['n']:,} answers."


def _metrics(summary: Json) -> Iterator[str]:
    basis = summary["run"]["basis"]
    clock = "the scheduled instant" if basis == "response" else "the first byte of the request"
    yield f"Latencies count from {clock} ({_code(basis)} basis). TTFT ends with the first non-empty fragment, E2E with"
    yield "the last; a success needs the stream's terminal marker. Percentiles are inverted distribution functions,"
    yield "$k = \\lceil p n \\rceil$; requests that timed out are right-censored at their end [@kaplan1958]."
    yield "Curves of percentiles are drawn on the axis of HdrHistogram [@tene-hdrhistogram]."
    yield "Success is given with Wilson's interval [@wilson1927]; cost is billed usage at the prices above."
    if slo := summary["profile"]["slo"]:
        limits = ", ".join(f"{_code(name)} at most {digits(float(limit))} s" for name, limit in slo.items())
        yield f"The service level was {limits}."


def _score(profile: Json) -> Iterator[str]:
    yield f"The score follows profile {_code(profile['name'])} (SHA-256 {_code(profile['sha256'][:16])}), fixed before"
    yield "the data: each metric $x$ becomes $s = \\mathrm{clip}(\\ln(W/x)/\\ln(W/B), 0, 1)$ between fixed anchors"
    yield "[@nardo2008oecd; @undp2010], and $S = 100 \\sum_k w_k s_k$, so that no provider enters another's score."
    yield "Anchors $B$ and $W$, and weights: " + "; ".join(_indicators(profile)) + "."


def _indicators(profile: Json) -> Iterator[str]:
    for dimension, shares in profile["dimensions"].items():
        weight = profile["weights"][dimension]
        for metric, share in shares.items():
            anchor = profile["anchors"][metric]
            ends = f"{_plain(anchor['best'])} and {_plain(anchor['worst'])} {anchor['unit']}"
            yield f"{_code(metric)} {ends}, {digits(100 * weight * share)} %"


def _plain(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".")


def _uncertainty(summary: Json) -> Iterator[str]:
    bootstrap = summary["bootstrap"]
    if bootstrap["reason"]:
        yield f"There are no intervals: {bootstrap['reason']}."
    else:
        yield f"Intervals are the central 95 % of {bootstrap['replicates']:,} bootstrap replicates over"
        yield f"{bootstrap['windows']} windows of {digits(bootstrap['window_s'])} s"
        yield "(a block bootstrap [@politis1994stationary], for requests near in time are not independent), seed"
        yield f"{bootstrap['seed']}. {_draws(summary['run']['config'].get('pairing'))}"
        yield "success is drawn from a Beta distribution within each."
        yield "Rank probabilities follow from the replicates [@tervonen2007implementing]; differences are tested"
        yield "pair by pair with Holm's correction [@holm1979], and shared letters mark ties [@piepho2004]."
    yield "All of it holds within this run [@georges2007rigorous; @hoefler2015scientific]; other days need other"
    yield "runs [@kalibera2013rigorous]."


def _draws(pairing: str | None) -> str:
    return "Each provider draws its own windows;" if pairing == "none" else "All providers share the drawn windows;"


def _validity(summary: Json) -> Iterator[str]:
    verdict = summary["verdict"]
    codes = sorted({reason["code"] for reason in verdict["reasons"]})
    yield f"The run judged itself {_code(verdict['level'])}"
    yield f"({', '.join(map(_code, codes))})." if codes else "(no reason against it)."
    notes = sorted({note["code"] for note in verdict["notes"]})
    if notes:
        yield f"Notes: {', '.join(map(_code, notes))}."


def _reproduction(summary: Json) -> Iterator[str]:
    run = summary["run"]
    config, commit = (run["hashes"] or {}).get("config"), run["git_commit"] or "unknown"
    yield f"Run {_code(run['run_id'])} of {_code(run['created_at'])}, command {_code(run['command'])},"
    yield f"seed {run['seed']}, configuration {_code(str(config)[:16])}, commit {_code(commit)}."
