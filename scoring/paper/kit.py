"""A Kit is all that an article needs of a run: samples, tables, figures, methods, references, checksums, one ZIP.

It knows which files there are and in which order they are made; the same samples and seed give the same bytes.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from providers.run import Run
from scoring.analysis import Analysis
from scoring.paper import curves, places, ranks, tables, tradeoff
from scoring.paper.archive import CHECKSUMS, checksums, write_archive
from scoring.paper.columns import write_parquet
from scoring.paper.contents import contents
from scoring.paper.methods import methods, to_markdown, to_tex
from scoring.paper.stamp import stamps
from scoring.paper.style import FORMATS, saved, stamp, style
from scoring.paper.tex import booktabs
from scoring.summary import SCHEMA

Json = Mapping[str, Any]
_HERE = Path(__file__).parent
_COPIED = (_HERE / "paper.tex", _HERE / "references.bib", SCHEMA)
_SAMPLES = "samples.parquet"


def write_files(analysis: Analysis, summary: Json, run: Run, out: Path) -> None:
    """Beside results.csv and summary.json, which stand in ``out`` already."""
    files = {**_texts(analysis, summary), **dict(_figures(analysis, summary))}
    files["contents.tex"] = contents(_prefixes(summary), files, stamps(summary)).encode()
    for folder in ("tables", "figures"):
        (out / folder).mkdir(exist_ok=True)
        for old in (out / folder).iterdir():
            if f"{folder}/{old.name}" not in files:  # of other tags, or drawn before the windows were too few
                old.unlink()
    for name, data in files.items():
        (out / name).write_bytes(data)
    for source in _COPIED:
        shutil.copyfile(source, out / source.name)
    if out.resolve() != run.path.resolve():
        shutil.copyfile(run.manifest, out / run.manifest.name)
    write_parquet(run.samples, out / _SAMPLES)
    whole = [*files, *(source.name for source in _COPIED), _SAMPLES, "manifest.json", "results.csv", "summary.json"]
    (out / CHECKSUMS).write_text(checksums(out, whole), encoding="utf-8")
    write_archive(out, [*whole, CHECKSUMS])


def _prefixes(summary: Json) -> list[tuple[str, str]]:
    """Capability -> a file prefix of its own."""
    found: dict[str, str] = {}
    for tag in summary["tags"]:
        stem = re.sub(r"[^a-z0-9]+", "-", tag["capability"].lower()).strip("-") or "tag"
        taken = found.values()
        found[tag["capability"]] = stem if stem not in taken else f"{stem}-{len(found) + 1}"
    return list(found.items())


def _texts(analysis: Analysis, summary: Json) -> dict[str, bytes]:
    manifest = analysis.frame.manifest
    paragraphs = methods(summary, manifest)
    made = {"verdict": tables.verdict(summary)}
    for tag, (_, prefix) in zip(summary["tags"], _prefixes(summary), strict=True):
        made[f"{prefix}-scorecard"] = tables.scorecard(tag)
        made[f"{prefix}-latency"] = tables.latency(tag)
        made[f"{prefix}-cost"] = tables.cost(tag, analysis.frame.declared)
        made[f"{prefix}-pairs"] = tables.pairs(tag)
    marks, run_id = stamps(summary), str(summary["run"]["run_id"])
    texts = {f"tables/{name}.tex": booktabs(table, marks, run_id) for name, table in made.items()}
    texts |= {"methods.md": to_markdown(paragraphs), "methods.tex": to_tex(paragraphs)}
    return {name: text.encode() for name, text in texts.items()}


def _figures(analysis: Analysis, summary: Json) -> Iterator[tuple[str, bytes]]:
    marks = stamps(summary)
    with style():
        for place, (_, prefix) in enumerate(_prefixes(summary)):
            for name, figure in _drawn(analysis, summary, place):
                if figure is not None:
                    stamp(figure, marks)
                    for kind in FORMATS:
                        yield f"figures/{prefix}-{name}.{kind}", saved(figure, kind)


def _drawn(analysis: Analysis, summary: Json, place: int) -> Iterator[tuple[str, Figure | None]]:
    tag, frame = summary["tags"][place], analysis.frame
    seed, paired = int(frame.config.get("seed") or 0), frame.config.get("pairing") != "none"
    view = curves.View(analysis.tags[place], frame.basis, frame.span, seed, paired)
    yield "score", ranks.score(tag)
    yield "contributions", ranks.contributions(tag)
    yield "acceptability", ranks.acceptability(tag)
    yield "percentiles", curves.percentiles(view)
    yield "cdf", curves.cdf(view)
    yield "pareto", tradeoff.pareto(tag)
    yield "regions", places.regions(tag)
    yield "timeline", curves.timeline(view)
