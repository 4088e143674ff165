"""The states in which there is no scorecard to show, and the way from run to run."""

from __future__ import annotations

import shutil

import pytest

from providers.run import Run
from tests.dashboard.conftest import (
    BROKEN_CARD,
    CORRUPT,
    INVALID,
    MIXED,
    RUNNING,
    SCORED,
    UNSCORED,
    begin,
    served,
    summary_of,
)
from tests.dashboard.test_scorecard import SCREENSHOTS


def test_no_run_yet_gives_the_command_that_makes_one(visit, tmp_path):
    """An empty results folder is where everybody starts."""
    with served(tmp_path) as empty:
        page = visit(at=empty)
        assert "No run yet" == page.locator("h1").inner_text()
        assert "locust --headless --rate 20 -t 30s --warm-up 5s" == page.locator(".command").inner_text()
        page.screenshot(path=SCREENSHOTS / "no-run-light-1280.png")
        page.close()


@pytest.mark.parametrize(
    ("run_id", "title", "told"),
    [
        (RUNNING, "This run is under way", "when it ends"),
        (UNSCORED, "Not scored yet", f"python -m scoring RESULTS/{UNSCORED}"),
        (CORRUPT, "This run cannot be read", f"{CORRUPT}/manifest.json: cannot be read as JSON"),
        (BROKEN_CARD, "This run cannot be read", f"{BROKEN_CARD}/summary.json: not a scorecard"),
        ("nobody-knows", "No such run", "nobody-knows"),
        ("..%2F..%2Fetc%2Fpasswd", "No such run", "../../etc/passwd"),
    ],
)
def test_a_run_without_a_scorecard_says_what_to_do(visit, results, run_id, title, told):
    """Each state has its words, and none tells where on the server the results lie."""
    Run(results / RUNNING).live.touch()
    page = visit(f"/?run={run_id}", scheme="dark", width=700)
    said = page.locator("main").inner_text()
    assert title == page.locator("h1").inner_text()
    assert told.replace("RESULTS", results.name) in said
    assert str(results) not in said
    page.screenshot(path=SCREENSHOTS / f"state-{run_id[-6:]}-dark-700.png")


def test_a_summary_that_lacks_a_part_is_a_corrupt_run(visit, results, tmp_path):
    """A card that reads but cannot be drawn is reported, not a blank page."""
    shutil.copytree(results / SCORED, tmp_path / SCORED)
    card = Run(tmp_path / SCORED).summary
    card.write_text(card.read_text(encoding="utf-8").replace('"tie":', '"knot":'), encoding="utf-8")
    with served(tmp_path) as site:
        page = visit(at=site)
        assert "This run cannot be read" == page.locator("h1").inner_text()
        assert f"{SCORED}/summary.json: not a scorecard (KeyError('tie'))" in page.locator("main").inner_text()
        page.close()


def test_an_unknown_page_leads_back(visit):
    """A mistyped address is not a dead end."""
    page = visit("/nowhere")
    assert "No such page" == page.locator("h1").inner_text()
    page.get_by_role("link", name="Show the scorecard").click()
    page.wait_for_selector(".ranking")


def test_a_run_under_way_turns_into_its_scorecard(visit, results, tmp_path):
    """The page looks again by itself, without a reload."""
    shutil.copytree(results / SCORED, tmp_path / SCORED)
    begin(Run(tmp_path / SCORED))
    with served(tmp_path) as site:
        page = visit(at=site)
        assert "This run is under way" == page.locator("h1").inner_text()
        shutil.copytree(results / SCORED, tmp_path / SCORED, dirs_exist_ok=True)
        page.wait_for_selector(".ranking")
        assert summary_of(results, SCORED)["tags"][0]["sentence"] == page.locator("h1").inner_text()
        page.close()


def test_the_newest_run_is_shown_unless_the_address_names_another(visit):
    """The list holds all of them, newest first."""
    page = visit()
    page.locator("#picker summary").click()
    ids = [text.rpartition("\n")[2].split(" · ")[0] for text in page.locator("#picker a").all_inner_texts()]
    assert sorted(ids, reverse=True) == ids
    assert {SCORED, MIXED, RUNNING, UNSCORED, CORRUPT, BROKEN_CARD, INVALID} == set(ids)
    assert MIXED in page.locator("#picker a.current").inner_text()
    page.screenshot(path=SCREENSHOTS / "picker-light-1280.png")


def test_the_picker_can_be_used_with_the_keyboard_alone(visit):
    """Tab reaches it, Enter opens it, Tab and Enter choose; the address follows and the list closes."""
    page = visit(f"/?run={MIXED}")
    for key in ("Tab", "Tab", "Enter", "Tab", "Tab", "Enter"):  # brand, picker, open, first run, second run, choose
        page.keyboard.press(key)
    page.wait_for_url(f"**/?run={SCORED}")
    page.locator(".facts", has_text=SCORED).wait_for()
    assert page.locator("#picker").get_attribute("open") is None
    page.go_back()
    page.locator(".facts", has_text=MIXED).wait_for()
