"""The Contents of a kit: every table and figure with its caption, as one LaTeX file for paper.tex to read.

It knows names and captions, not what was measured.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from scoring.paper.tex import escape

TABLES = {
    "scorecard": "Scores and the metrics behind them",
    "latency": "Latency percentiles",
    "cost": "Prices and cost",
    "pairs": "Differences of the scores",
}
FIGURES = {
    "score": "Scores with 95 % intervals; providers that share a letter cannot be told apart",
    "contributions": "Points by dimension",
    "acceptability": "Probability of each rank in percent, and of the first rank under weights near the profile's and"
    " under any weights",
    "percentiles": "Latency by percentile; ribbons are 95 % intervals, and curves end where n bounds no further one",
    "cdf": "Distribution of latency over all requests that succeeded or timed out",
    "pareto": "Cost against tail latency; on the dashed front nobody is beaten in both",
    "regions": "Tail latency by region of the workers",
    "timeline": "The course of the measured window; below it, the share of requests that failed: white none, black all",
}


def contents(capabilities: Sequence[tuple[str, str]], names: Collection[str], marks: Sequence[str]) -> str:
    """``capabilities`` are tags with their file prefixes; ``names`` all files of the kit."""
    marked = "".join(rf"\textbf{{{escape(mark)}.}} " for mark in marks)
    lines = [_table("tables/verdict.tex", f"{marked}The verdict of the run on itself")]
    for capability, prefix in capabilities:
        told = rf"{marked}\texttt{{{escape(capability)}}}: "
        lines += [_table(f"tables/{prefix}-{name}.tex", told + escape(text)) for name, text in TABLES.items()]
        drawn = [(name, text) for name, text in FIGURES.items() if f"figures/{prefix}-{name}.pdf" in names]
        lines += [_figure(f"figures/{prefix}-{name}.pdf", told + escape(text)) for name, text in drawn]
    return "\n".join([*lines, r"\clearpage", ""])


def _table(path: str, caption: str) -> str:
    # A wide table shrinks to the page; a narrow one keeps its size.
    return "\n".join([
        r"\begin{table}[htbp]\centering\small\setlength{\tabcolsep}{4pt}",
        rf"\caption{{{caption}.}}",
        rf"\setbox0=\hbox{{\input{{{path}}}}}",
        r"\ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\box0}\else\box0\fi",
        r"\end{table}",
    ])  # fmt: skip


def _figure(path: str, caption: str) -> str:
    return "\n".join([
        r"\begin{figure}[htbp]\centering",
        rf"\includegraphics{{{path}}}",
        rf"\caption{{{caption}.}}",
        r"\end{figure}",
    ])  # fmt: skip
