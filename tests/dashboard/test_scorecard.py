"""The scorecard in a real browser: what it says equals what scoring wrote, at every width, in light and in dark."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dashboard.conftest import INVALID, MARKUP, MIXED, SCORED, summary_of

SCREENSHOTS = Path(__file__).parents[2] / ".cache" / "screenshots"
INKS = {  # what is written in which ink, on which paper
    ".sentence": "body", ".eyebrow": "body", ".ranking td small": "body", ".ranking thead th": "body",
    ".facts dt": "body", ".next": ".next", ".verdict .chip": ".verdict .chip", ".banner.mock_data": ".banner.mock_data",
    ".files a": "body", "#picker summary": "#picker summary",
}  # fmt: skip
CONTRAST = """([ink, paper]) => {
  const light = (css) => {
    const [r, g, b] = css.match(/[\\d.]+/g).map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const a = light(getComputedStyle(document.querySelector(ink)).color);
  const b = light(getComputedStyle(document.querySelector(paper)).backgroundColor);
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}"""

CHART_INK = "getComputedStyle(document.querySelector('.hero .xtitle')).fill === getComputedStyle(document.body).color"


def column(page, name, section=0):
    cells = page.locator(".tag").nth(section).locator(f"td[data-label='{name}'] > span")
    return cells.all_inner_texts()


def names(page, section=0):
    return page.locator(".tag").nth(section).locator(".who").all_inner_texts()


def test_providers_stand_in_rank_order_with_the_scores_of_the_summary(read, results):
    """Every provider of the tag is a row, in the summary's order, with its score to one place."""
    page = read(SCORED)
    providers = summary_of(results, SCORED)["tags"][0]["providers"]
    assert [1, 2, 3] == [provider["rank"] for provider in providers]
    assert [provider["name"] for provider in providers] == names(page)
    assert [f"{provider['score']:.1f}" for provider in providers] == column(page, "Score")


def test_intervals_stand_beside_the_figures(read, results):
    """The 95 % interval of the score is the summary's."""
    page = read(SCORED)
    expected = [
        f"{provider['score_lo']:.1f}–{provider['score_hi']:.1f}"  # noqa: RUF001 - as shown
        for provider in summary_of(results, SCORED)["tags"][0]["providers"]
    ]
    assert expected == page.locator("td[data-label='Score'] small").all_inner_texts()


def test_the_verdict_comes_first_with_its_reasons_and_remedies(read, results):
    """Chip, reasons and remedies stand above the sentence; banners say mock and single run; other notes are folded."""
    page = read(MIXED)
    verdict = summary_of(results, MIXED)["verdict"]
    shown = page.locator(".verdict").inner_text()
    assert verdict["level"] in page.locator(".verdict .chip").inner_text()
    assert verdict["reasons"]
    for reason in verdict["reasons"]:
        assert reason["code"] in shown
        assert reason["remedy"][1:] in shown
    assert page.locator(".verdict").bounding_box()["y"] < page.locator("h1").bounding_box()["y"]
    assert 1 == page.locator(".banner.mock_data").count() == page.locator(".banner.single_run").count()
    assert "network" not in shown.lower()
    assert not page.locator(".verdict details li").first.is_visible()


def test_the_sentence_and_the_words_are_those_of_scoring(read, results):
    """The largest type says who leads; the last words say what to do next."""
    page = read(SCORED)
    tag = summary_of(results, SCORED)["tags"][0]
    assert tag["sentence"] == page.locator("h1").inner_text()
    assert tag["words"] == page.locator(".words p").all_inner_texts()
    assert tag["words"][-1] == page.locator(".next").inner_text()


def test_the_chart_has_a_dot_for_each_score_and_a_strip_for_each_dimension(read, results):
    """What is drawn is as many as what is known."""
    page = read(SCORED)
    providers = summary_of(results, SCORED)["tags"][0]["providers"]
    assert len(providers) == page.locator(".hero .scatterlayer .point").count()
    assert len(providers) == page.locator(".hero .errorbar").count()
    assert sum(len(p["contributions"]) for p in providers) == page.locator(".hero .barlayer .point").count()


def test_several_tags_are_sections_of_their_own(read, results):
    """Scores are only compared within a tag: each has its sentence, its chart and its table."""
    page = read(MIXED)
    tags = summary_of(results, MIXED)["tags"]
    assert 2 == len(tags) == page.locator(".tag").count() == page.locator(".ranking").count()
    assert [tag["sentence"] for tag in tags] == page.locator(".sentence").all_inner_texts()
    page.locator(".hero .xtitle").nth(1).wait_for()


def test_who_cannot_be_ranked_is_shown_with_the_reason(read):
    """A failed provider scores 0, one without a price has no score: neither is hidden."""
    page = read(MIXED)
    rows = {name: row for row, name in enumerate(names(page, section=1))}
    scores = column(page, "Score", section=1)
    assert ("0.0", "n/a") == (scores[rows["dead"]], scores[rows["unpriced"]])
    unpriced = page.locator(".tag").nth(1).locator("tbody tr").nth(rows["unpriced"]).inner_text()
    assert "price unknown: declare 'price' in the providers file" in unpriced


def test_an_invalid_run_ranks_nobody_and_says_why(read, results):
    """The chip, the reason and its remedy; scores without rank, interval or chance."""
    page = read(INVALID)
    assert "INVALID" in page.locator(".verdict .chip").inner_text()
    assert "loop_lag" in page.locator(".verdict > .reasons").inner_text()
    assert ["–"] * 3 == column(page, "Rank") == column(page, "P(first)")  # noqa: RUF001 - as shown
    assert 0 == page.locator(".hero .errorbar path").count()
    assert summary_of(results, INVALID)["tags"][0]["sentence"] == page.locator("h1").inner_text()
    page.screenshot(path=SCREENSHOTS / "invalid-light-1280.png", full_page=True)


def test_markup_in_names_is_shown_as_text(read):
    """A capability or a model of a stranger's making runs nothing and formats nothing."""
    page = read(MIXED)
    assert MARKUP in page.locator(".eyebrow").all_inner_texts()
    assert "<b>bold</b>" in page.locator("main").inner_text()
    assert "Nephoscope" == page.title()


def test_run_facts_tell_how_to_make_the_run_again(read, results):
    """Command, seed, profile hash and commit."""
    page = read(SCORED)
    summary = summary_of(results, SCORED)
    shown = page.locator(".facts").inner_text()
    run = summary["run"]
    for fact in (run["command"], SCORED, "2026-11-23 21:30 UTC", summary["profile"]["sha256"][:12], run["git_commit"]):
        assert fact in shown


def test_raw_files_are_one_click_away(read, results):
    """What is fetched is the file itself."""
    page = read(SCORED)
    with page.expect_download() as fetched:
        page.get_by_role("link", name="summary.json").click()
    assert (results / SCORED / "summary.json").read_bytes() == Path(fetched.value.path()).read_bytes()


@pytest.mark.parametrize(
    ("run_id", "scheme", "width"),
    [
        *((SCORED, scheme, width) for scheme in ("light", "dark") for width in (390, 1280, 2560)),
        (MIXED, "dark", 390),
        (SCORED, "light", 800),
    ],
)
def test_the_page_fits_the_screen(visit, run_id, scheme, width):
    """No sideways scrolling at any width, and ink of AA contrast; a picture of each is kept for people to look at."""
    page = visit(f"/?run={run_id}", scheme=scheme, width=width)
    page.wait_for_selector(".hero .xtitle")
    page.wait_for_timeout(200)  # plotly's second drawing
    page.screenshot(path=SCREENSHOTS / f"{run_id[-6:]}-{scheme}-{width}.png", full_page=True)
    assert width == page.evaluate("document.documentElement.scrollWidth")
    assert {} == {ink: ratio for ink, paper in INKS.items() if (ratio := page.evaluate(CONTRAST, [ink, paper])) < 4.5}
    assert page.evaluate(CHART_INK)  # plotly draws one picture; the style sheet makes it readable on dark paper
