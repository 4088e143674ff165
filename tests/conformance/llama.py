"""A real llama.cpp server on loopback: a model of random weights, made here, behind the engine's own HTTP server.

``python tests/conformance/llama.py FILE TOKENS`` serves until its stdin ends; its first line on stdout is the address.
The text is noise, but frames, counts, caches and errors are llama.cpp's own.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import xllamacpp

CONTEXT_TOKENS, ENDLESS_TOKENS = 512, 65_536
KILL_AFTER_S = 0.4
_WIDTH, _HEADS, _LAYERS, _INNER = 32, 2, 1, 64
_SPECIALS = ("<unk>", "<s>", "</s>")
_BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
_VOCABULARY = [*_SPECIALS, *_BYTES]
_SHOWN = {f"<0x{ord(letter):02X}>" for letter in "abcdefghijklmnopqrstuvwxyz"}
_TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:"


@dataclass(frozen=True)
class Llama:
    address: str
    model: Path

    def killed_under(self, ask: Callable[[str], Any]) -> Any:
        """What a client heard of a second server, with room for a long answer, that was killed while it spoke."""
        with _served(self.model.with_name("doomed.gguf"), ENDLESS_TOKENS) as (address, process):
            killing = threading.Timer(KILL_AFTER_S, process.kill)
            killing.start()
            heard = ask(address)
            killing.join()
            return heard


@contextlib.contextmanager
def llama(model: Path) -> Iterator[Llama]:
    with _served(model, CONTEXT_TOKENS) as (address, _):
        yield Llama(address, model)


@contextlib.contextmanager
def _served(model: Path, context_tokens: int) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """(address, a process of its own)."""
    command = [sys.executable, __file__, str(model), str(context_tokens)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            address = child.stdout.readline().strip()
            assert address.startswith("http"), "llama.cpp does not listen"
            yield address, child
        finally:
            child.kill()


def write_model(path: Path, context_tokens: int) -> None:
    """A Llama of one layer and 259 tokens: three specials, and the bytes. Greedy sampling gives small letters."""
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(context_tokens)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_INNER)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(_WIDTH // _HEADS)
    writer.add_vocab_size(len(_VOCABULARY))
    _add_tokenizer(writer)
    rng = np.random.default_rng(1)
    for name, shape in _shapes().items():
        values = rng.normal(0, 0.5, shape) if len(shape) > 1 else np.ones(shape)
        if name == "output.weight":  # a row of zeros is never the largest logit
            values[[row for row, token in enumerate(_VOCABULARY) if token not in _SHOWN]] = 0
        writer.add_tensor(name, values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_tokenizer(writer: gguf.GGUFWriter) -> None:
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(_VOCABULARY)
    writer.add_token_scores([0.0] * len(_VOCABULARY))
    writer.add_token_types([*kinds, *[gguf.TokenType.BYTE] * len(_BYTES)])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(_TEMPLATE)


def _shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (len(_VOCABULARY), _WIDTH),
        "output_norm.weight": (_WIDTH,),
        "output.weight": (len(_VOCABULARY), _WIDTH),
    }
    layer = {"attn_norm": (_WIDTH,), "ffn_norm": (_WIDTH,), "ffn_down": (_WIDTH, _INNER)}
    layer |= dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_output"), (_WIDTH, _WIDTH))
    layer |= dict.fromkeys(("ffn_gate", "ffn_up"), (_INNER, _WIDTH))
    for number in range(_LAYERS):
        shapes |= {f"blk.{number}.{part}.weight": shape for part, shape in layer.items()}
    return shapes


def serve(model: Path, context_tokens: int) -> None:
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.model_alias = {"llama"}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = context_tokens
    params.n_parallel = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = params.n_threads_http = 1
    params.n_gpu_layers = 0
    params.use_jinja = True
    params.ui = False
    params.verbosity = -1
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)  # noqa: T201 - the line is the contract with the parent
    sys.stdin.read()


if __name__ == "__main__":
    file, tokens = Path(sys.argv[1]), int(sys.argv[2])
    write_model(file, tokens)
    serve(file, tokens)
