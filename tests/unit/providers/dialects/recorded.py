"""Answers as their vendors document them, and what a right reader makes of each (``data/README.md`` says whence)."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from providers.dialects import DIALECTS
from providers.dialects.base import Event, Fragment, Usage
from providers.dialects.reply import Arrival, Reply, read_reply

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Recording:
    """One file, and what it says. ``first`` is the frame that holds the first content, ``end`` the one that ends it."""

    file: str  # dialect/name.kind: .json is a whole answer, all else a stream
    usage: Usage
    first: int = 0
    end: int = 0
    answer: str = "Clouds drift."
    reasoning: str = ""
    tool: str = ""
    finish: str = "stop"
    model: str = ""
    chunks: int = 1
    first_tokens: float | None = None  # n1, where the provider counts it

    @property
    def dialect(self) -> str:
        return self.file.partition("/")[0]

    @property
    def stream(self) -> bool:
        return not self.file.endswith(".json")

    @property
    def wire(self) -> bytes:
        data = (DATA / self.file).read_bytes()
        return b"".join(map(message_of, data.splitlines())) if self.file.endswith(".jsonl") else data

    def frames(self) -> list[bytes]:
        return framed(self, [self.wire])

    def read(self, parts: Sequence[bytes]) -> Reply:
        """One part a second, the first at 1 s."""
        arrivals = [Arrival(float(at), part) for at, part in enumerate(parts, 1)]
        return read_reply(DIALECTS[self.dialect], 200, {}, arrivals, stream=self.stream)


def framed(recording: Recording, parts: Sequence[bytes]) -> list[bytes]:
    framer = DIALECTS[recording.dialect].framer(stream=recording.stream)
    return [frame for part in parts for frame in framer.feed(part)] + list(framer.close())


def events(recording: Recording, frame: bytes) -> Sequence[Event]:
    return DIALECTS[recording.dialect].events(frame)


def has_content(recording: Recording, frame: bytes) -> bool:
    return any(isinstance(event, Fragment) for event in events(recording, frame))


def message_of(line: bytes) -> bytes:
    """A line of a .jsonl as AWS puts it on the wire: an event, or a model's own object in Bedrock's wrapping."""
    told = json.loads(line)
    if "chunk" in told:
        inner = json.dumps(told["chunk"], separators=(",", ":")).encode()
        return aws_message("chunk", {"bytes": base64.b64encode(inner).decode(), "p": "abc"})
    return aws_message(told["event"], told["payload"])


def aws_message(kind: str, payload: dict[str, object], message_type: str = "event") -> bytes:
    headers = {f":{message_type}-type": kind, ":content-type": "application/json", ":message-type": message_type}
    return aws_frame(headers, json.dumps(payload, ensure_ascii=False).encode())


def aws_frame(headers: dict[str, str], payload: bytes) -> bytes:
    """The encoding of AWS's event stream specification; all header values are text (type 7)."""
    head = b"".join(
        struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", 7, len(value)) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    body = prelude + struct.pack(">I", crc32(prelude)) + head + payload
    return body + struct.pack(">I", crc32(body))


HM = "Hm, "
LOOK = 'weather{"city":"Bergen"}'
SUSS = "Clouds drift \u2013 süß."
RECORDINGS = [
    # openai-chat: [DONE] ends it, the finish reason already does
    Recording("openai-chat/openai.sse", Usage(1200, 80, 1024, None, 64), 1, 4, SUSS, chunks=3,
              model="gpt-5-mini-2025-08-07"),
    Recording("openai-chat/openai.json", Usage(1200, 70, 1024, None, 64), model="gpt-5-mini-2025-08-07"),
    Recording("openai-chat/openai-tool.sse", Usage(), 0, 3, "", tool=LOOK, finish="tool", chunks=3,
              model="gpt-5-mini-2025-08-07"),
    Recording("openai-chat/azure.sse", Usage(11, 4, 0), 2, 4, chunks=2, model="gpt-4o-mini-2024-07-18"),
    Recording("openai-chat/bedrock.sse", Usage(78, 32), 1, 4, reasoning="The user asks.", chunks=3,
              model="openai.gpt-oss-120b-1:0"),
    Recording("openai-chat/vertex.sse", Usage(9, 204, None, None, 200), 0, 2, chunks=2,
              model="google/gemini-2.5-flash"),
    Recording("openai-chat/vllm.sse", Usage(12, 7), 1, 4, reasoning=HM, finish="length", chunks=3,
              model="Qwen/Qwen3-8B", first_tokens=3.0),
    Recording("openai-chat/vllm.json", Usage(12, 7), reasoning=HM, finish="length", model="Qwen/Qwen3-8B"),
    Recording("openai-chat/sglang.sse", Usage(14, 9), 1, 3, reasoning=HM, chunks=2,
              model="deepseek-ai/DeepSeek-R1"),
    Recording("openai-chat/llama-cpp.sse", Usage(28, 4, 27), 1, 3, chunks=2,
              model="Llama-3.1-8B-Instruct-Q4_K_M.gguf"),
    Recording("openai-chat/groq.sse", Usage(38, 4), 1, 3, chunks=2, model="llama-3.3-70b-versatile"),
    Recording("openai-chat/together.sse", Usage(40, 4, 0), 0, 1, chunks=2,
              model="meta-llama/Llama-3.3-70B-Instruct-Turbo"),
    Recording("openai-chat/fireworks.sse", Usage(17, 4, 16), 1, 3, chunks=2,
              model="accounts/fireworks/models/llama-v3p1-8b-instruct"),
    Recording("openai-chat/mistral.sse", Usage(10, 8), 1, 3, reasoning=HM, chunks=3, model="magistral-medium-2509"),
    Recording("openai-chat/openrouter.sse", Usage(21, 4, 0, None, 0, 0.0000021), 1, 3, chunks=2,
              model="meta-llama/llama-3.3-70b-instruct"),
    Recording("openai-completions/vllm.sse", Usage(5, 4), 0, 3, chunks=2, finish="length", model="facebook/opt-125m"),
    Recording("openai-completions/vllm.json", Usage(5, 4), finish="length", model="facebook/opt-125m"),
    Recording("openai-responses/openai.sse", Usage(1200, 80, 1024, None, 64), 4, 14, reasoning=HM, chunks=3,
              model="gpt-5-mini-2025-08-07"),
    Recording("openai-responses/openai.json", Usage(1200, 80, 1024, None, 64), reasoning=HM,
              model="gpt-5-mini-2025-08-07"),
    Recording("openai-responses/openai-tool.sse", Usage(1200, 20, 1024, None, 0), 1, 6, "", tool=LOOK, finish="tool",
              chunks=3, model="gpt-5-mini-2025-08-07"),
    Recording("anthropic-messages/anthropic.sse", Usage(1136, 42, 1024, 100, 30), 3, 12, reasoning=HM, chunks=3,
              model="claude-haiku-4-5-20251001"),
    Recording("anthropic-messages/anthropic.json", Usage(1136, 42, 1024, 100, 30), reasoning=HM,
              model="claude-haiku-4-5-20251001"),
    Recording("anthropic-messages/vertex.sse", Usage(20, 5, 8, 0), 3, 7, finish="length", chunks=2,
              model="claude-haiku-4-5-20251001"),
    Recording("anthropic-messages/anthropic-tool.sse", Usage(400, 31), 1, 7, "", tool='weather{"city": "Bergen"}',
              finish="tool", chunks=3, model="claude-haiku-4-5-20251001"),
    Recording("bedrock-converse/claude.jsonl", Usage(1136, 42, 1024, 100), 1, 8, SUSS, reasoning=HM, chunks=3),
    Recording("bedrock-converse/claude.json", Usage(1136, 42, 1024, 100), reasoning=HM),
    Recording("bedrock-converse/nova-tool.jsonl", Usage(300, 20), 1, 6, "", tool=LOOK, finish="tool", chunks=3),
    Recording("bedrock-invoke/claude.jsonl", Usage(20, 5, 8, 0), 2, 6, chunks=2, model="claude-haiku-4-5-20251001"),
    Recording("bedrock-invoke/claude.json", Usage(20, 5, 8, 0), model="claude-haiku-4-5-20251001"),
    Recording("bedrock-invoke/llama.jsonl", Usage(12, 5), 1, 3, chunks=2, first_tokens=2.0),
    Recording("bedrock-invoke/llama.json", Usage(12, 5), finish="length"),
    Recording("bedrock-invoke/nova.jsonl", Usage(12, 5), 1, 5, chunks=2),
    Recording("bedrock-invoke/nova.json", Usage(12, 5)),
    Recording("bedrock-invoke/mistral.jsonl", Usage(12, 5), 0, 2, finish="length", chunks=2),
    Recording("bedrock-invoke/mistral.json", Usage()),
    Recording("bedrock-invoke/mistral-chat.jsonl", Usage(12, 5), 0, 2, chunks=2, model="mistral-large-2407"),
    Recording("vertex-gemini/vertex.sse", Usage(1200, 66, 1024, None, 60), 0, 3, SUSS, reasoning=HM, chunks=3,
              model="gemini-2.5-flash"),
    Recording("vertex-gemini/ai-studio.sse", Usage(7, 34, None, None, 30), 0, 1, finish="length", chunks=2,
              model="gemini-2.5-flash", first_tokens=2.0),
    Recording("vertex-gemini/vertex.json", Usage(1200, 66, 1024, None, 60), reasoning=HM, model="gemini-2.5-flash"),
    Recording("vertex-gemini/array.json", Usage(7, 4), model="gemini-2.5-flash"),
    Recording("vertex-gemini/vertex-tool.sse", Usage(59, 8), 0, 0, "", tool=LOOK, model="gemini-2.5-flash"),
    Recording("ollama/ollama.ndjson", Usage(26, 9), 0, 3, SUSS, reasoning=HM, chunks=3, model="llama3.2"),
    Recording("ollama/ollama.json", Usage(26, 9), reasoning=HM, model="llama3.2"),
    Recording("ollama/cached.ndjson", Usage(None, 9), 0, 2, finish="length", chunks=2, model="llama3.2"),
    Recording("ollama/tool.ndjson", Usage(26, 9), 0, 1, "", tool=LOOK, model="llama3.2"),
    Recording("cohere-v2/cohere.sse", Usage(5, 9, 0), 2, 8, reasoning=HM, chunks=3),
    Recording("cohere-v2/cohere.json", Usage(5, 9), reasoning=HM),
    Recording("cohere-v2/tool.sse", Usage(37, 28), 1, 5, "", reasoning="I look it up.", tool=LOOK, finish="tool",
              chunks=3),
]  # fmt: skip
STREAMS = [one for one in RECORDINGS if one.stream]
EVENT_STREAMS = [one for one in STREAMS if one.file.endswith(".jsonl")]
