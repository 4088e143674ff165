"""Tex is LaTeX source: other people's text made harmless, and tables in the booktabs style.

It does not know what the cells mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scoring.paper.stamp import MEANING

_ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$", "|": "$|$", '"': "''",
    "\N{EN DASH}": "--", "\N{GREATER-THAN OR EQUAL TO}": r"$\ge$", "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{GREEK SMALL LETTER TAU}": r"$\tau$", "\N{HORIZONTAL ELLIPSIS}": r"\ldots{}", "\N{MIDDLE DOT}": r"$\cdot$",
}  # fmt: skip
_LETTERS = ("\N{LATIN CAPITAL LETTER A WITH GRAVE}", "\N{LATIN SMALL LETTER Z WITH CARON}")  # LaTeX knows these


@dataclass(frozen=True, slots=True)
class Table:
    """``rows`` are LaTeX already; a row of one cell is a rule. ``notes`` stand below, across all columns."""

    columns: str  # as tabular wants them, a letter for each
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


def escape(text: str) -> str:
    """Any text as LaTeX that prints it; characters that pdfLaTeX cannot print stand by their code points."""
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if " " <= character <= "~" or _LETTERS[0] <= character <= _LETTERS[1]:
        return character
    return " " if character.isspace() else f"[U+{ord(character):04X}]"


def small(text: str) -> str:
    return rf"{{\scriptsize {text}}}" if text else ""


def bold(text: str) -> str:
    return rf"\textbf{{{text}}}"


def booktabs(table: Table, marks: Sequence[str], run_id: str) -> str:
    """A tabular for an article to input; its stamps stand inside it, so that no caption can lose them."""
    wide = len(table.head)
    stamped = [rf"\multicolumn{{{wide}}}{{c}}{{{bold(escape(mark))}: {escape(MEANING[mark])}}} \\" for mark in marks]
    notes = [rf"\multicolumn{{{wide}}}{{@{{}}l@{{}}}}{{{small(note)}}} \\" for note in table.notes]
    lines = [
        f"% Nephoscope, run {run_id}; needs the package booktabs",
        rf"\begin{{tabular}}{{@{{}}{table.columns}@{{}}}}",
        *stamped,
        r"\toprule",
        _line(table.head),
        r"\midrule",
        *(_line(row) if len(row) > 1 else row[0] for row in table.rows),
        r"\bottomrule",
        *notes,
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"
