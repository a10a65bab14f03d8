"""The page in a real browser, and JUnit XML by a real validator."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailhaul.conformance.report.json import run_as_json
from mailhaul.conformance.report.junit import junit
from mailhaul.conformance.report.matrix import page
from mailhaul.conformance.report.run import Run
from mailhaul.conformance.verdicts import Level, Result, Verdict
from tests.real.servers.process import program

from .chromium import Browser, chromium
from .finished_runs import case, finished_run, results, transcript

pytestmark = pytest.mark.real

SCHEMA = Path(__file__).with_name("junit.xsd")
TARGETS = ("dovecot.example.org", "ours", "a server with a rather long name, version 4.7")
WIDTHS = {"desktop": (1280, 800), "phone": (390, 844)}
TAB, ENTER = ("Tab", 9, ""), ("Enter", 13, "\r")


def validated(path: Path) -> subprocess.CompletedProcess[str]:
    words = [program("xmllint"), "--noout", "--nonet", "--schema", str(SCHEMA), str(path)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("strict", [False, True])
def test_junit_is_as_its_schema_says(strict: bool, tmp_path: Path) -> None:
    run = finished_run(strict=strict)
    (tmp_path / "run.xml").write_bytes(junit(run))
    done = validated(tmp_path / "run.xml")
    assert done.returncode == 0, done.stderr


def test_the_schema_refuses_a_case_without_a_name(tmp_path: Path) -> None:
    text = junit(finished_run()).replace(b' classname="pop3.greet"', b"", 1)
    (tmp_path / "run.xml").write_bytes(text)
    assert validated(tmp_path / "run.xml").returncode == 3


def large_run(name: str) -> Run:
    """Return a run with many cases; each target differs in some of them."""
    run = finished_run(name=name)
    number = TARGETS.index(name)
    many = [
        case(f"pop3/topic{n // 12}/{n % 12 + 1}", f"Requirement {n} holds, said at some length.")
        for n in range(120)
    ]
    run.cases = [*run.cases, *many]
    run.results = [
        *results(),
        *(
            Result(
                about.id,
                Verdict.FAIL if n % 7 == number else Verdict.PASS,
                expected="x" * 400,
                got="an answer",
                transcript=transcript(),
            )
            for n, about in enumerate(many)
        ),
    ]
    return run


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium")) as started:
        yield started


@pytest.fixture(scope="module")
def large_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "page.html"
    runs = {f"{name}.json": json.loads(run_as_json(large_run(name))) for name in TARGETS}
    path.write_text(page(runs), encoding="utf-8")
    return path


@pytest.fixture(params=[*WIDTHS])
def width(request: pytest.FixtureRequest, browser: Browser, large_page: Path) -> Iterator[str]:
    """Load the page at a width; nothing may appear on the console."""
    name: str = request.param
    browser.prefer("light")
    browser.resize(*WIDTHS[name], phone=name == "phone")
    browser.load(large_page)
    yield name
    assert browser.troubles == []


def visible_rows(browser: Browser) -> list[str]:
    found: list[str] = browser.value(
        "[...document.querySelectorAll('tr[data-level]')]"
        ".filter((row) => row.checkVisibility()).map((row) => row.id)"
    )
    return found


def choose(browser: Browser, name: str, value: str) -> None:
    field = f"document.forms.filter.elements.{name}"
    browser.value(
        f"{field}.value = '{value}'; {field}.dispatchEvent(new Event('input', {{bubbles: true}}))"
    )


def fits(browser: Browser) -> bool:
    return bool(browser.value("document.documentElement.scrollWidth <= window.innerWidth"))


def test_everything_is_there_and_fits(width: str, browser: Browser) -> None:
    assert len(visible_rows(browser)) == 130
    assert browser.value("document.getElementById('shown').textContent") == "130 of 130 cases"
    assert fits(browser)
    assert browser.value("document.querySelector('.cases details').open") is False


def test_text_is_filtered_while_it_is_typed(width: str, browser: Browser) -> None:
    browser.value("document.forms.filter.elements.text.focus()")
    browser.type("TOPIC3 length")
    assert len(visible_rows(browser)) == 12
    assert browser.value("document.getElementById('shown').textContent") == "12 of 130 cases"
    heads = "[...document.querySelectorAll('.topic')].filter((row) => row.checkVisibility()).length"
    assert browser.value(heads) == 1


def test_levels_verdicts_and_differences_are_filtered(width: str, browser: Browser) -> None:
    choose(browser, "level", Level.MAY)
    assert visible_rows(browser) == ["pop3/greet/2"]
    choose(browser, "level", "")
    choose(browser, "verdict", "skip")
    assert visible_rows(browser) == ["pop3/stls/1"]
    choose(browser, "verdict", "")
    browser.value("document.forms.filter.elements.differ.click()")
    differing = len([n for n in range(120) if n % 7 < len(TARGETS)])
    assert len(visible_rows(browser)) == differing
    browser.value("document.querySelector('form button').click()")
    browser.value("new Promise((done) => setTimeout(done))")
    assert len(visible_rows(browser)) == 130


def test_a_cell_opens_by_the_keyboard(width: str, browser: Browser) -> None:
    browser.value("document.getElementById('pop3/retr/1').querySelector('a').focus()")
    browser.press(*TAB)
    assert browser.value("document.activeElement.tagName") == "SUMMARY"
    browser.press(*ENTER)
    assert browser.value("document.activeElement.parentElement.open") is True
    shown = browser.value("document.activeElement.parentElement.innerText")
    assert "expected" in shown
    assert "PASS ***" in shown
    assert browser.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_the_head_stays_in_sight(width: str, browser: Browser) -> None:
    head = "document.querySelector('.cases thead th:nth-child(3)')"
    if width == "phone":
        head = "document.getElementById('pop3/topic5/6').parentElement.querySelector('.topic th')"
    browser.value("document.getElementById('pop3/topic5/6').scrollIntoView({block: 'center'})")
    assert abs(browser.value(f"{head}.getBoundingClientRect().top")) < 1
    assert browser.value(f"{head}.checkVisibility()") is True


def test_open_cells_fit_on_a_phone(browser: Browser, large_page: Path) -> None:
    browser.resize(*WIDTHS["phone"], phone=True)
    browser.load(large_page)
    browser.value("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert fits(browser)
    name = browser.value(
        "getComputedStyle(document.querySelector('td[data-target]'), '::before').content"
    )
    assert name == f'"{TARGETS[0]}"'
    assert browser.troubles == []


def test_light_and_dark(browser: Browser, large_page: Path) -> None:
    grounds: list[str] = []
    for scheme in ("light", "dark"):
        browser.prefer(scheme)
        browser.load(large_page)
        grounds.append(browser.value("getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(255, 255, 255)", "rgb(15, 19, 24)"]
    assert browser.troubles == []
