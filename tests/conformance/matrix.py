"""The conformance matrix: dialect x server x what went over the wire, and why a cell is empty where it is.

It does not know how a cell is tried; ``conftest`` writes MATRIX.md from the outcomes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from providers.dialects import DIALECTS

PAGE = Path(__file__).with_name("MATRIX.md")
AIMOCK, LLAMA, SDK = "aimock", "llama.cpp", "official SDK"
COLUMNS = ("unary", "stream", "error before", "error inside", "truncated", "cut at every byte")
STREAMED = COLUMNS[1:2] + COLUMNS[3:]
INTRODUCTION = """\
# Conformance

Written by the test run (`make test-one SUITE=conformance`); a cell that fails says so.

Servers and clients that we did not write:

- **aimock**: our dialects read CopilotKit's mock server.
- **llama.cpp**: our dialects read the real engine, with a model of random weights.
- **official SDK**: openai (also as AzureOpenAI), anthropic (also on Bedrock and Vertex), boto3, google-genai, ollama
  and cohere read our simulator; the last column is our dialect on the same bytes, held against what the SDK read.

*error before* is an HTTP error, *error inside* one after HTTP 200, *truncated* a connection that ends inside a stream.
*cut at every byte*: the recorded stream, cut in two at every offset and into single bytes, gives identical events.
`n/a` is what a server cannot play; the reason stands below, and a test holds each to be true.
"""


class Cell(NamedTuple):
    server: str
    dialect: str
    column: str

    def __str__(self) -> str:
        return " | ".join(self)


CELLS = [Cell(server, dialect, column) for dialect in DIALECTS for server in (AIMOCK, LLAMA, SDK) for column in COLUMNS]
_UNSPOKEN = {
    AIMOCK: ("openai-completions",),
    LLAMA: ("bedrock-converse", "bedrock-invoke", "vertex-gemini", "ollama", "cohere-v2"),
}
NO_PATH = "the server has no such path (404)"
NO_WRAPPER = "its chunks lack the base64 `bytes` in which AWS wraps every one"
NO_ERROR_EVENT = {
    AIMOCK: "a fixture with an error is answered by an HTTP error, whatever else it holds",
    LLAMA: "a full context, its one failure behind the first event, ends the stream as finish `length`",
}


def reason(cell: Cell) -> str:
    """Why a cell is n/a; empty when it must hold."""
    if cell.dialect in _UNSPOKEN.get(cell.server, ()):
        return NO_PATH
    if cell.server == AIMOCK and cell.dialect == "bedrock-invoke" and cell.column in STREAMED:
        return NO_WRAPPER
    return NO_ERROR_EVENT.get(cell.server, "") if cell.column == "error inside" else ""


def page(outcomes: Mapping[Cell, str]) -> str:
    """The whole of MATRIX.md."""
    reasons = sorted({why for cell in CELLS if (why := reason(cell))})
    lines = [INTRODUCTION, f"| dialect | server | {' | '.join(COLUMNS)} |", "|---" * (2 + len(COLUMNS)) + "|"]
    for at in range(0, len(CELLS), len(COLUMNS)):
        row = CELLS[at : at + len(COLUMNS)]
        said = " | ".join(_word(outcomes[cell], reasons, reason(cell)) for cell in row)
        lines.append(f"| {row[0].dialect} | {row[0].server} | {said} |")
    return "\n".join([*lines, "", *(f"{number}. {why}" for number, why in enumerate(reasons, 1)), ""])


def _word(outcome: str, reasons: list[str], why: str) -> str:
    if outcome != "passed":
        return f"**{outcome}**"
    return f"n/a: {reasons.index(why) + 1}" if why else "yes"
