"""The review page in a real browser: a person judges by keyboard, and every key counts."""

import dataclasses
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from darkroom import verdicts
from pipelines.review.findings import Findings
from pipelines.review.review_server import ReviewServer
from tests.chromium import BROWSER, Page, browsing
from tests.reviewed import NASTY, make_run

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not BROWSER, reason="there is no chromium here")]
CARDS = "document.querySelectorAll('.card').length"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browsing(tmp_path_factory.mktemp("browser")) as page:
        yield page


@contextmanager
def opened(page: Page, findings: Findings) -> Iterator[None]:
    """Opens the page of a review; nothing went wrong on it, and it asked nobody else for anything."""
    with ReviewServer(findings) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            page.open("about:blank")
            page.wait("location.href === 'about:blank'")
            page.events.clear()
            page.resize(1280, 900)
            page.open(server.address)
            page.wait("document.querySelector('.card[aria-current=true], .empty')")
            yield
            assert page.faults() == []
            assert {address.partition("?")[0].rpartition("/")[0] for address in page.requested()} <= {
                f"http://127.0.0.1:{server.port}", f"http://127.0.0.1:{server.port}/image", "data:image", "",
            }  # fmt: skip
        finally:
            server.shutdown()
            thread.join()


def review(folder: Path, paths: list[str], task: str = "multiclass", checks: tuple[str, ...] = ("dark",)) -> Findings:
    run = make_run(folder, paths, task, checks)
    return Findings(run, folder / "data" / verdicts.FILE, "anna", run.findings)


def written(findings: Findings) -> list[tuple[str, str, str]]:
    paths = {name: path for path, name in findings.run.paths}
    return [(paths[one.image_id], one.word, one.label) for one in verdicts.read(findings.file)]


def test_keys_judge_one_image_after_the_other(page: Page, tmp_path: Path) -> None:
    paths = [f"cat/{number}.png" for number in range(6)]
    findings = review(tmp_path, paths)
    with opened(page, findings):
        page.press("k", "d", "2", "x", "ArrowRight", "r")  # as fast as a person can
        page.wait("document.querySelector('#choose').open")
        page.press("D", "O", "Enter")
        page.wait("document.querySelectorAll('.judged').length === 4")
        assert written(findings) == [
            (paths[5], "keep", ""),
            (paths[4], "drop", ""),
            (paths[3], "relabel", "dog"),
            (paths[1], "relabel", "dog"),
        ]
        page.wait("document.querySelector('#progress').textContent === '4 of 6 judged'")
        page.press("n", "ArrowLeft", "ArrowLeft", "ArrowLeft", "d")
        page.wait("document.querySelectorAll('.badge.drop').length === 2")
        assert written(findings)[4:] == [(paths[3], "drop", "")]
        page.press("o", "k")  # the other picture of that pair
        page.wait("document.querySelector('.card:last-child .badge.keep')")
        assert written(findings)[5:] == [(paths[0], "keep", "")]
        page.press("?")
        page.wait("document.querySelector('#keys').open")


def test_names_are_text_and_pictures_are_seen(page: Page, tmp_path: Path) -> None:
    findings = review(tmp_path, ["cat/0.png", NASTY, "<b>bold</b>.png"])
    with opened(page, findings):
        page.wait("[...document.images].length === 5 && [...document.images].every((one) => one.naturalWidth === 256)")
        assert NASTY in page.run("document.body.innerText") and "<b>bold</b>.png" in page.run("document.body.innerText")
        assert page.run("document.querySelectorAll('b, img[src=x]').length") == 0
        page.press(" ")
        page.wait("[...document.querySelectorAll('#viewer img')].every((one) => one.naturalWidth === 400)")


def test_what_is_proposed_is_accepted_by_its_button_and_by_its_key(page: Page, tmp_path: Path) -> None:
    run = make_run(tmp_path, ["0.png", "1.png", "2.png"])
    alone = [{**finding, "other": None} for finding in run.findings]
    findings = Findings(dataclasses.replace(run, expected={"1.png": ["dog"], "2.png": ["dog"]}), tmp_path / "v.csv", "anna", alone)
    offered = "getComputedStyle(document.querySelector('#accept')).display !== 'none'"
    with opened(page, findings):
        page.wait(f"{offered} && document.querySelector('#accept span').textContent === '→ dog'")
        page.run("document.querySelector('#accept').click()")
        page.wait("document.querySelectorAll('.judged').length === 1")
        page.press("a")
        page.wait(f"document.querySelectorAll('.judged').length === 2 && !({offered})")  # nothing is proposed for the last one
        page.press("a")
        page.wait("document.querySelector('#message').textContent === 'nothing is proposed here'")
        assert written(findings) == [("2.png", "relabel", "dog"), ("1.png", "relabel", "dog")]


def test_several_labels_are_ticked(page: Page, tmp_path: Path) -> None:
    findings = review(tmp_path, ["0.png", "1.png"], "multilabel")
    with opened(page, findings):
        page.press("2", "r")
        page.wait("document.querySelector('#choose').open")
        page.press("Enter")  # as it is
        page.wait("document.querySelectorAll('.judged').length === 2")
        assert written(findings) == [("1.png", "relabel", "cat|dog"), ("0.png", "relabel", "cat")]


def test_five_thousand_findings_are_loaded_as_they_are_needed(page: Page, tmp_path: Path) -> None:
    run = make_run(tmp_path, ["0.png", "1.png"])
    rows = [{**run.findings[number % 2], "other": None, "score": float(number)} for number in range(5000)]
    findings = Findings(run, tmp_path / "v.csv", "anna", rows)
    with opened(page, findings):
        assert page.run(CARDS) == 60
        page.run("scrollTo(0, document.body.scrollHeight)")
        page.wait(f"{CARDS} === 120")
        page.resize(3000, 12_000)  # a window with room for more
        page.wait(f"{CARDS} > 240")
        assert page.run(CARDS) < 2000


def test_a_review_without_findings_says_so(page: Page, tmp_path: Path) -> None:
    run = make_run(tmp_path, ["0.png"])
    with opened(page, Findings(run, tmp_path / "v.csv", "anna", [])):
        assert "nothing to review" in page.run("document.body.innerText")


@pytest.mark.parametrize("dark", [False, True])
def test_nothing_is_wider_than_a_phone(page: Page, tmp_path: Path, dark: bool) -> None:
    findings = review(tmp_path, ["cat/" + "x" * 200 + ".png", "cat/1.png"], checks=("near_duplicate", "same_thing"))
    with opened(page, findings):
        for width in (390, 1280):
            page.resize(width, 844, dark=dark)
            page.wait(f"document.documentElement.clientWidth <= {width}")
            assert page.run("document.documentElement.scrollWidth") <= width
        colours = page.run("[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]")
        bright = [sum(map(int, colour[4:-1].split(","))) > 380 for colour in colours]
        assert bright == [dark, not dark]


def test_a_server_that_has_ended_is_told(page: Page, tmp_path: Path) -> None:
    findings = review(tmp_path, ["0.png"])
    with opened(page, findings):
        page.run("window.fetch = () => Promise.reject(new TypeError('refused'))")  # what a browser says then
        page.press("k")
        page.wait("document.querySelector('#message.wrong')?.textContent.includes('does not answer')")
        assert page.run("document.querySelectorAll('.judged').length") == 0
    assert not findings.file.exists()
