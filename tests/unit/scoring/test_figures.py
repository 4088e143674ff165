"""The figures: what is drawn equals what scoring wrote, and a provider looks the same wherever it is drawn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.figures import score_figure
from scoring.look import looks

NAMES = st.lists(st.text("abcdefghij-", min_size=1, max_size=8), unique=True, max_size=30)


def provider(name, **known):
    return {
        "name": name, "rank": 1, "status": "ok", "score": 70.0, "score_lo": 60.0, "score_hi": 75.0, "n": 100,
        "p_first": {"fixed": 0.9}, "tie": "a", "contributions": {"latency": 30.0, "cost": 40.0}, **known,
    }  # fmt: skip


@given(NAMES)
def test_no_two_providers_look_alike(names):
    """Colour and marker together tell any thirty of them apart."""
    found = looks(names)
    assert set(names) == set(found)
    assert len(names) == len({(look.colour, look.marker) for look in found.values()})


@given(NAMES)
def test_looks_do_not_depend_on_the_order_of_names(names):
    """A ranking that changes does not repaint anybody."""
    assert looks(names) == looks(names[::-1])


def test_six_providers_have_six_colours():
    """Colours repeat only when there are more providers than colours."""
    assert 6 == len({look.colour for look in looks(["aws", "azure", "gcp", "openai", "vllm", "local"]).values()})


def test_the_strip_ends_where_the_dot_stands():
    """Contributions add up to the score, on one axis."""
    figure = score_figure([provider("aws")])
    assert 70.0 == sum(trace.x[0] for trace in figure.data if trace.type == "bar")
    assert (70.0,) == next(trace.x for trace in figure.data if trace.type == "scatter")


def test_the_whisker_spans_the_interval():
    """Its arms are the distances to both ends."""
    whisker = next(trace for trace in score_figure([provider("aws")]).data if trace.type == "scatter").error_x
    assert ((5.0,), (10.0,)) == (tuple(whisker.array), tuple(whisker.arrayminus))


@pytest.mark.parametrize(
    ("known", "text"),
    [
        ({"score": None, "rank": None, "status": "no_score", "contributions": {}, "p_first": None}, "no score"),
        ({"status": "not_eligible", "p_first": None}, "not eligible"),
        ({"score_lo": None, "score_hi": None, "p_first": None}, "70.0"),
        ({"name": "<i>x</i>"}, "&lt;i&gt;x&lt;/i&gt;"),
    ],
)
def test_what_is_missing_or_odd_is_still_drawn(known, text):
    """A provider is never left out for lack of a score, an interval or good manners."""
    texts = [label.text for label in score_figure([provider("aws") | known]).layout.annotations]
    assert any(text in shown for shown in texts), texts


def test_only_a_tie_that_is_shared_is_named():
    """A letter that nobody else has says nothing."""
    tied = score_figure([provider("a"), provider("b"), provider("c", tie="b")])
    assert [True, True, False] == [" tie " in label.text for label in tied.layout.annotations if "<b>" in label.text]


def test_simulated_data_is_stamped():
    """A picture may travel without its page."""
    assert "MOCK DATA" in [label.text for label in score_figure([provider("aws")], mock=True).layout.annotations]
