"""A Peer is a published load generator, in a virtualenv of its own: asked for a load, and taken at its own word.

What it reports is compared with the server's truth as distributions: its p99 less the true p99. The second half of
its requests stands for the steady state; its start-up, mostly imports and a burst of connections, is over by then.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from providers.errors import ConfigError
from providers.words import words
from providers.workload import load_workload
from tests.bench.clients import EVENTS, WARM_UP_S, Client, Figures, Load, quantile
from tests.bench.truth import HERE, Truth

VENVS = HERE.parents[1] / ".cache" / "peers"
LIMIT_S = 180.0
_PROMPT_TOKENS = 64


def requests_of(load: Load) -> int:
    """They count requests, not seconds: so many that they ask about as long as the others."""
    return round(load.asking_s * load.requests_a_second)


def aiperf(load: Load, url: str, folder: Path) -> list[str]:
    prompts = folder / "prompts.jsonl"
    workload = load_workload("chat")
    texts = (workload.prompt(1, index, "aiperf").messages[0][1] for index in range(100))
    prompts.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return [
        *(_program("aiperf"), "profile", "-m", load.model, "--url", url, "--endpoint-type", "chat", "--streaming"),
        *("--tokenizer", _tokenizer(folder), "--use-server-token-count", "--input-file", str(prompts)),
        *("--custom-dataset-type", "single_turn", "--concurrency", str(load.streams)),
        *("--request-count", str(requests_of(load)), "--no-gpu-telemetry", "--no-server-metrics", "--ui", "none"),
        *("--artifact-dir", str(folder / "out")),
    ]


def guidellm(load: Load, url: str, folder: Path) -> list[str]:
    return [
        *("env", "HF_HUB_OFFLINE=1", _program("guidellm"), "run"),
        *("--backend", f"kind=openai_http,target={url},model={load.model}"),
        *("--profile", f"kind=concurrent,streams={load.streams}"),
        *("--constraint", f"kind=max_requests,count={requests_of(load)}"),
        *("--tokenizer", f"kind=hf_auto,model={_tokenizer(folder)}"),
        *("--data", f"kind=synthetic_text,prompt_tokens={_PROMPT_TOKENS},output_tokens={EVENTS}"),
        *("--output", f"kind=json,path={folder / 'out.json'}", "--disable-console-interactive"),
    ]


def genai_bench(load: Load, url: str, folder: Path) -> list[str]:
    return [
        *(_program("genai-bench"), "benchmark", "--api-backend", "openai", "--api-base", url, "--api-key", "none"),
        *("--task", "text-to-text", "--api-model-name", load.model, "--model", "sim"),
        *("--model-tokenizer", _tokenizer(folder), "--num-concurrency", str(load.streams)),
        *("--traffic-scenario", f"D({_PROMPT_TOKENS},{EVENTS})", "--max-time-per-run", "1"),
        *("--max-requests-per-run", str(requests_of(load)), "--experiment-base-dir", str(folder / "out")),
        *("--log-dir", str(folder)),
        *("--server-engine", "vLLM", "--server-gpu-type", "H100", "--server-version", "0", "--server-gpu-count", "1"),
    ]


def _aiperf_report(folder: Path) -> Iterable[tuple[float | None, float | None]]:
    (export,) = folder.glob("out/**/profile_export.jsonl")
    for line in export.read_text(encoding="utf-8").splitlines():
        metrics: dict[str, Any] = json.loads(line)["metrics"]
        values = (metrics.get(name, {}).get("value") for name in ("time_to_first_token", "inter_token_latency"))
        yield next(values), next(values)


def _guidellm_report(folder: Path) -> Iterable[tuple[float | None, float | None]]:
    report = json.loads((folder / "out.json").read_text(encoding="utf-8"))
    for request in report["benchmarks"][0]["requests"]["successful"]:
        yield request.get("time_to_first_token_ms"), request.get("inter_token_latency_ms")


def _genai_bench_report(folder: Path) -> Iterable[tuple[float | None, float | None]]:
    for path in folder.glob("out/**/*.json"):
        report = json.loads(path.read_text(encoding="utf-8"))
        for request in report.get("individual_request_metrics", ()) if isinstance(report, dict) else ():
            if request.get("ttft") is not None:
                yield request["ttft"] * 1e3, request["tpot"] * 1e3


Report = Callable[[Path], Iterable[tuple[float | None, float | None]]]


def _compared(report: Report) -> Callable[[Path, Truth], Figures]:
    """What the peer says less what was, quantile by quantile; gaps are its means per request, as it has no others."""

    def read(folder: Path, truth: Truth) -> Figures:
        said = pd.DataFrame(report(folder), columns=["ttft_ms", "gap_ms"]).astype(float).dropna(subset="ttft_ms")
        served = truth.requests[truth.requests.whole == 1]
        first_ms = (served.first_ns - served.arrival_ns) / 1e6
        mean_gap_ms = (served.last_ns - served.first_ns) / 1e6 / (served.events - 1).clip(lower=1)
        half = len(said) // 2
        steady, steady_ms = said[half:], first_ms[served.arrival_ns >= truth.window(WARM_UP_S)[0]]
        return {
            "ttft_p50_ms": abs(quantile(steady.ttft_ms, 0.5) - quantile(steady_ms, 0.5)),
            "ttft_p99_ms": abs(quantile(steady.ttft_ms, 0.99) - quantile(steady_ms, 0.99)),
            "start_p99_ms": abs(quantile(said.ttft_ms[:half], 0.99) - quantile(first_ms, 0.99)),
            "gap_p50_p99_ms": abs(quantile(steady.gap_ms, 0.99) - quantile(mean_gap_ms, 0.99)),
            "gap_max_p99_ms": float("nan"),
            "requests": float(len(steady)),
        }

    return read


def _program(name: str) -> str:
    program = VENVS / name / "bin" / name
    if not program.exists():
        raise ConfigError(f"{program.relative_to(HERE.parents[1])}: not there; run make bench-peers, which installs it")
    return str(program)


def _tokenizer(folder: Path) -> str:
    """A tokenizer for which a word is a token: peers insist on one, and none can be fetched at run time."""
    made = folder / "tokenizer"
    made.mkdir()
    vocabulary = {word: number for number, word in enumerate(("<unk>", "<s>", "</s>", *words()))}
    document: dict[str, Any] = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None, "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>"},
    }  # fmt: skip
    marks = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", **marks}
    (made / "tokenizer.json").write_text(json.dumps(document), encoding="utf-8")
    (made / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return str(made)


PEERS = (
    Client("aiperf", aiperf, _compared(_aiperf_report), processes=True),
    Client("guidellm", guidellm, _compared(_guidellm_report), processes=True),
    Client("genai-bench", genai_bench, _compared(_genai_bench_report), processes=True),
)
