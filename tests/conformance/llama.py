"""A real llama.cpp server on loopback: a model of random weights, made here, behind the engine's own HTTP server.

``python -m tests.conformance.llama FILE`` serves until its stdin ends; its first line on stdout is the address.
The text is noise, but the frames, counts, caches and errors are llama.cpp's own.
"""

from __future__ import annotations

import sys
from pathlib import Path

CONTEXT_TOKENS = 512
_WIDTH, _HEADS, _LAYERS, _INNER = 32, 2, 1, 64
_SPECIALS = ("<unk>", "<s>", "</s>")
_BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
_TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:"


def write_model(path: Path) -> None:
    """A Llama of one layer and 259 tokens: the bytes, and three specials. Greedy sampling gives printable ASCII."""
    import gguf
    import numpy as np

    rng = np.random.default_rng(1)
    vocabulary = [*_SPECIALS, *_BYTES]
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(CONTEXT_TOKENS)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_INNER)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(_WIDTH // _HEADS)
    writer.add_vocab_size(len(vocabulary))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(vocabulary)
    writer.add_token_scores([0.0] * len(vocabulary))
    writer.add_token_types([*kinds, *[gguf.TokenType.BYTE] * len(_BYTES)])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(_TEMPLATE)

    def tensor(name: str, *shape: int) -> None:
        values = rng.normal(0, 0.5, shape) if len(shape) > 1 else np.ones(shape)
        if name == "output.weight":  # a row of zeros is never the largest logit
            shown = range(len(_SPECIALS) + ord("a"), len(_SPECIALS) + ord("z") + 1)
            values[[row for row in range(len(vocabulary)) if row not in shown]] = 0
        writer.add_tensor(name, values.astype(np.float32))

    tensor("token_embd.weight", len(vocabulary), _WIDTH)
    tensor("output_norm.weight", _WIDTH)
    tensor("output.weight", len(vocabulary), _WIDTH)
    for layer in range(_LAYERS):
        for part in ("attn_norm", "ffn_norm"):
            tensor(f"blk.{layer}.{part}.weight", _WIDTH)
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            tensor(f"blk.{layer}.{part}.weight", _WIDTH, _WIDTH)
        for part in ("ffn_gate", "ffn_up"):
            tensor(f"blk.{layer}.{part}.weight", _INNER, _WIDTH)
        tensor(f"blk.{layer}.ffn_down.weight", _WIDTH, _INNER)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def serve(model: Path) -> None:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.model_alias = {"llama"}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = CONTEXT_TOKENS
    params.n_parallel = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = params.n_threads_http = 1
    params.n_gpu_layers = 0
    params.use_jinja = True
    params.ui = False
    params.verbosity = -1
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    file = Path(sys.argv[1])
    write_model(file)
    serve(file)
