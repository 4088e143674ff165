"""A Lane is one provider's way through this process: its prompts rendered, its requests performed, its samples made.

Rendering happens ahead of time and decoding after the stream has ended; between them only the transport runs.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from functools import lru_cache, partial

import gevent

from locustfiles.engine.budget import worst_usd
from locustfiles.engine.exchange import Exchange
from locustfiles.engine.experiment import Place
from locustfiles.engine.recorder import Recorder
from locustfiles.engine.transport import Endpoint, Transport
from providers.auth import Credential, credential_for
from providers.dialects import DIALECTS
from providers.dialects.base import Dialect, Failure, Prompt
from providers.dialects.reply import Reply, read_reply
from providers.remedy import words_of
from providers.sample import DETAIL_LIMIT, Phase, Sample
from providers.secret import Scrubber
from providers.spec import Provider
from providers.wire import rendered
from providers.workload import Workload

_log = logging.getLogger("nephoscope")


class CutOffError(Exception):
    """Thrown into a request that still runs when the drain is over."""


@dataclass(frozen=True, slots=True)
class Job:
    """A request ready to go: ``wire`` are its bytes."""

    request_id: str
    prompt: Prompt
    wire: bytes = field(repr=False)  # gevent prints the arguments of a greenlet that died
    pair: str
    worst_usd: float  # what it may cost at most
    slot: int | None = None
    answers: list[str] | None = None  # takes the answer, for whoever reads it: later prompts of a session, the probe


class Lane:
    def __init__(
        self,
        provider: Provider,
        run_id: str,
        transport: Transport,
        recorder: Recorder,
        scrubber: Scrubber,
        place: Place,
        credential: Credential | None = None,
    ) -> None:
        self.provider = provider
        self._credential = credential or credential_for(provider)
        self._run_id = run_id  # request ids are unique over runs
        self.endpoint = Endpoint(provider.base_url, provider.limits)
        self.running: set[gevent.Greenlet] = set()
        self._dialect = DIALECTS[provider.dialect_name]
        self._transport, self._recorder, self._scrubber, self._place = transport, recorder, scrubber, place
        self._tally = recorder.tallies[provider.name]
        self._counter = 0
        self._costs_at_most = lru_cache(partial(worst_usd, provider))  # prompts come in few sizes
        self._harmless = lru_cache(self._scrubbed)  # most answers name the same model and region

    def prepare(
        self,
        workload: Workload,
        seed: int,
        index: int,
        pair: str,
        slot: int | None = None,
        slots: int | None = None,
        answers: list[str] | None = None,
    ) -> Job:
        """``slots`` users ask abreast in closed loop; ``answers`` are this provider's own in the session."""
        prompt = workload.prompt(
            seed, index, self.provider.name, self._run_id, abreast=slots, history=tuple(answers or ())
        )
        return self.job(self.provider, prompt, pair, slot, answers)

    def job(
        self, entry: Provider, prompt: Prompt, pair: str, slot: int | None = None, answers: list[str] | None = None
    ) -> Job:
        """``entry`` says how to ask; its address is this lane's."""
        self._counter += 1
        request_id = f"{self._run_id}-{self.provider.name}-{self._counter}"
        request = self._dialect.build(prompt, entry)
        proof = self._credential.headers(request)  # a signature's clock starts here, just ahead of the send
        wire = rendered(request, proof, request_id)
        return Job(request_id, prompt, wire, pair, self._worst_usd(prompt), slot, answers)

    def _worst_usd(self, prompt: Prompt) -> float:
        """Of a text that nobody counted, letters stand for tokens: no token is shorter than one."""
        tokens = prompt.target_input_tokens or sum(len(text) for _, text in prompt.messages)
        return self._costs_at_most(tokens, prompt.target_output_tokens or 0)

    def perform(self, job: Job, phase: Phase, scheduled_at: float, held_s: float | None = None) -> Sample:
        """Send, wait, decode, record. What goes wrong on the way is in the sample, not raised.

        ``held_s`` were waited for the provider's own limits.
        """
        exchange = Exchange(held_s=held_s)
        current = gevent.getcurrent()
        self.running.add(current)
        self._tally.in_flight += 1
        in_flight = self._tally.in_flight
        try:
            self._transport.send(self.endpoint, job.wire, exchange, self._has_content)
        except CutOffError:
            exchange.failure = Failure("cut_off", "still running when the drain was over")
        except Exception as error:  # noqa: BLE001 - whatever stood in the way, the request is a row
            _log.error("%s: %s", job.request_id, self._scrubber.scrub(repr(error)))
            exchange.failure = Failure("connection", f"could not be sent: {error}")
        finally:
            self._tally.in_flight -= 1
            self.running.discard(current)
        try:
            sample = self._sample(job, exchange, phase, scheduled_at, in_flight)
        except Exception:  # noqa: BLE001 - whatever an answer did to our decoder, its request is a row
            _log.exception("%s: the answer could not be decoded", job.request_id)
            exchange.failure = Failure("protocol", "the answer could not be decoded")
            exchange.body = [b""] * len(exchange.body)
            sample = self._sample(job, exchange, phase, scheduled_at, in_flight)
        self._recorder.take(sample)
        return sample

    def schedule(self) -> None:
        """Count a request that will end as a sample, whatever happens to it."""
        self._tally.scheduled += 1

    @property
    def outstanding(self) -> int:
        return self._tally.scheduled - self._tally.finished

    def drop(self, job: Job, phase: Phase, scheduled_at: float, detail: str) -> Sample:
        """An arrival that found no place: recorded, never skipped silently."""
        return self._unsent(job, phase, scheduled_at, started_at=scheduled_at, error="dropped", detail=detail)

    def give_up(self, job: Job, phase: Phase, scheduled_at: float, detail: str) -> Sample:
        """A request that still waited for its turn when the drain was over: it ran at least that long."""
        now = time.time()
        held_s = now - scheduled_at
        return self._unsent(
            job, phase, scheduled_at,
            started_at=now, lag_s=held_s, held_s=held_s, end_s=0.0, error="cut_off", detail=detail,
        )  # fmt: skip

    def _unsent(self, job: Job, phase: Phase, scheduled_at: float, **known: object) -> Sample:
        sample = self._identified(job, phase, scheduled_at, in_flight=self._tally.in_flight, **known)
        self._recorder.take(sample)
        return sample

    def cut_off(self) -> None:
        for greenlet in list(self.running):
            gevent.kill(greenlet, CutOffError())

    def _reply(self, exchange: Exchange) -> Reply:
        return reply_of(exchange, self._dialect, stream=self.provider.request.stream)

    def _has_content(self, exchange: Exchange) -> bool:
        return bool(self._reply(exchange).chunks)

    def _sample(self, job: Job, exchange: Exchange, phase: Phase, scheduled_at: float, in_flight: int) -> Sample:
        reply = self._reply(exchange)
        # A stream that said its end is whole, even if its connection then broke.
        broke = exchange.failure if not (reply.ended and reply.failure is None) else None
        failure = broke or reply.failure
        if job.answers is not None and failure is None:
            job.answers.append(reply.text("answer"))
        gaps = sorted(reply.gaps_s)
        usage, bounded = reply.usage, reply.bounded
        input_tokens = usage.input_tokens if usage.input_tokens is not None else _estimated_input(job, reply)
        output_tokens = reply.output_tokens
        return self._identified(
            job,
            phase,
            scheduled_at,
            started_at=exchange.started_at,
            lag_s=exchange.started_at - scheduled_at,
            held_s=exchange.held_s,
            dns_s=exchange.dns_s,
            tcp_s=exchange.tcp_s,
            tls_s=exchange.tls_s,
            headers_s=exchange.headers_s,
            ttft_s=reply.ttft_s,
            ttfo_s=reply.ttfo_s,
            e2e_s=reply.e2e_s,
            end_s=exchange.end_s,
            gap_p50_s=gaps[(len(gaps) - 1) // 2] if gaps else None,
            gap_p99_s=gaps[-(-99 * len(gaps) // 100) - 1] if gaps else None,
            gap_max_s=gaps[-1] if gaps else None,
            chunks=len(reply.chunks),
            bounded_chunks=sum(bounded),
            ttft_bounded=bool(bounded and bounded[0]),
            input_tokens=input_tokens,
            cached_tokens=usage.cached_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            output_tokens=output_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            first_chunk_tokens=reply.first_chunk_tokens,
            output_chars=reply.chars("answer", "tool"),
            reasoning_chars=reply.chars("reasoning"),
            token_source=reply.token_source,
            cost_usd=self._cost_usd(reply, input_tokens, output_tokens),
            provider_cost_usd=usage.cost_usd,
            status=exchange.status,
            error=failure.kind if failure else "",
            finish=reply.finish,
            detail=self._harmless(_in_words(failure, exchange)),
            retry_after_s=failure.retry_after_s if failure else None,
            server_s=reply.served.server_s,
            in_flight=in_flight,
            connection=exchange.connection,
            remote_addr=exchange.remote_addr,
            served_model=self._harmless(reply.served.model),
            served_region=self._harmless(reply.served.region),
            provider_request_id=self._harmless(reply.served.request_id),
            observer_lag_s=exchange.observer_lag_s,
            stamp=exchange.stamp,
        )

    def _identified(self, job: Job, phase: Phase, scheduled_at: float, **measured: object) -> Sample:
        return Sample(
            request_id=job.request_id,
            worker="local",
            worker_region=self._place.region,
            worker_cloud=self._place.cloud,
            provider=self.provider.name,
            capability=self.provider.capability,
            endpoint_region=self.provider.region,
            phase=phase,
            pair=job.pair,
            slot=job.slot,
            session=job.prompt.session,
            turn=job.prompt.turn,
            prompt_id=job.prompt.prompt_id,
            target_input_tokens=job.prompt.target_input_tokens,
            target_output_tokens=job.prompt.target_output_tokens,
            scheduled_at=scheduled_at,
            **measured,  # type: ignore[arg-type]
        )

    def _scrubbed(self, text: str) -> str:
        """What a provider said, on one line, without secrets it may have echoed."""
        return self._scrubber.scrub(" ".join(text.split()))[:DETAIL_LIMIT]

    def _cost_usd(self, reply: Reply, input_tokens: int | None, output_tokens: int | None) -> float | None:
        """Failed requests with usage still cost; without usage only a success is priced, by its estimate."""
        billed = reply.usage.output_tokens is not None or (reply.failure is None and reply.chunks)
        if not billed or input_tokens is None or output_tokens is None:
            return None
        usage = reply.usage
        return self.provider.price.request_usd(
            input_tokens,
            output_tokens,
            usage.cached_tokens or 0,
            usage.cache_write_tokens or 0,
            usage.reasoning_tokens or 0,
        )


def _estimated_input(job: Job, reply: Reply) -> int | None:
    return job.prompt.target_input_tokens if reply.chunks else None


def _in_words(failure: Failure | None, exchange: Exchange) -> str:
    """The failure, or of a success that it came compressed: its times may then be later than its tokens."""
    if failure:
        return words_of(failure, exchange.status, exchange.headers)
    encoding = exchange.headers.get("content-encoding", "identity")
    return "" if encoding.lower() == "identity" else f"compressed ({encoding}) although identity was asked"


def reply_of(exchange: Exchange, dialect: Dialect, *, stream: bool) -> Reply:
    """What an exchange amounted to; a body that cannot be decoded is a failure of its own."""
    try:
        arrivals = exchange.arrivals()
    except ValueError as error:
        return Reply(failure=Failure("protocol", str(error)))
    return read_reply(dialect, exchange.status or 200, exchange.headers, arrivals, stream=stream)
