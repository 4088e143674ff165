"""Any byte split of an answer gives the same events, each dated by the read that completed it."""

import httptools
from hypothesis import given
from hypothesis import strategies as st

from locustfiles.engine.exchange import Exchange
from tests.load.scripted import DONE, FINISH, HEAD, ROLE, chunked, content, reply_of

WORDS = ("one", "two", "three", "four")
ANSWER = HEAD + chunked(ROLE, *(content(word) for word in WORDS), FINISH, DONE)
# The byte that completes a word's event is the blank line's second LF, inside its HTTP chunk.
COMPLETED_AT = [ANSWER.index(content(word)) + len(content(word)) for word in WORDS]


def _exchange(cuts: list[int]) -> Exchange:
    """The answer read in pieces; the read that ends at byte n carries the time n ns."""
    exchange = Exchange()
    parser = exchange.parser = httptools.HttpResponseParser(exchange)
    for start, end in zip([0, *cuts], [*cuts, len(ANSWER)], strict=True):
        exchange.note_read(end, end, kernel=True, merged=False)
        parser.feed_data(ANSWER[start:end])
    return exchange


@given(st.sets(st.integers(1, len(ANSWER) - 1), max_size=40))
def test_events_are_dated_by_the_read_that_completed_them(cuts):
    """Reads end where they like; each word's time is the end of the first read that held its last byte."""
    ends = [*sorted(cuts), len(ANSWER)]
    reply = reply_of(_exchange(sorted(cuts)))
    assert reply.failure is None
    assert list(WORDS) == [chunk.fragments[0].text for chunk in reply.chunks]
    expected = [next(end for end in ends if end >= completed) for completed in COMPLETED_AT]
    assert expected == [round(chunk.at_s * 1e9) for chunk in reply.chunks]


def test_one_byte_a_read_and_the_whole_at_once_say_the_same():
    """The two extremes of cutting agree on everything but the times."""
    single, whole = (reply_of(_exchange(cuts)) for cuts in (list(range(1, len(ANSWER))), []))
    assert [c.fragments for c in single.chunks] == [c.fragments for c in whole.chunks]
    assert single.finish == whole.finish == "stop"


def test_only_a_merged_read_bounds_and_never_its_last_event():
    """Of three events in one read of several segments, the first two are bounded; of one segment, none."""
    for merged, expected in ((True, [True, True, True, False]), (False, [False] * 4)):
        exchange = _exchange([])
        exchange.merged[0] = merged
        assert expected == reply_of(exchange).bounded
