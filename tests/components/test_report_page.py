"""The report's page: what it says, that it asks for nothing, and how it behaves in a browser."""

from __future__ import annotations

import dataclasses
import html
import html.parser
import json
import re
from pathlib import Path

import plotly.graph_objects
import pytest

from components.evaluator.results.values import Bound
from components.report.facts import ReportFacts
from components.report.page.page import render
from tests.components.report_facts import HOSTILE_NAMES, make_facts, without_extras

_HEADINGS = {"h1": 1, "h2": 2, "h3": 3}
_VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source"}
# Contrast of each text with what is behind it, after WCAG 2: what is too faint.
_FAINT = """() => {
    const parsed = (colour) => {
        const [red, green, blue, alpha = 1] = colour.match(/[\\d.]+/g).map(Number);
        return { rgb: [red, green, blue], alpha };
    };
    const luminance = (rgb) => {
        const [red, green, blue] = rgb
            .map((value) => value / 255)
            .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const { rgb, alpha } = parsed(getComputedStyle(at).backgroundColor);
            if (alpha === 1) return rgb;
        }
        throw new Error("Nothing opaque is behind it.");
    };
    const faint = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement;
        if (!texts.currentNode.data.trim() || !element.checkVisibility()) continue;
        if (element.closest("script, style, option, .heatmaplayer")) continue;
        const style = getComputedStyle(element);
        const ink = element.namespaceURI.endsWith("svg") ? style.fill : style.color;
        const [dark, bright] = [luminance(parsed(ink).rgb), luminance(behind(element))].sort();
        const contrast = (bright + 0.05) / (dark + 0.05);
        if (contrast < 4.5) faint.push([texts.currentNode.data.trim(), contrast]);
    }
    return faint;
}"""


class _Page(html.parser.HTMLParser):
    """What of a page a test asks for."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.levels: list[int] = []
        self.styles = self.charts = ""
        self.words: list[str] = []
        self._open: list[str] = []
        self._id: str | None = None
        self.feed(document)
        self.close()
        self.text = " ".join(" ".join(self.words).split())
        assert self._open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._id = dict(attrs).get("id")
        if tag in _HEADINGS:
            self.levels.append(_HEADINGS[tag])
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] == ["style"]:
            self.styles += data
        elif self._open[-1:] != ["script"]:
            self.words.append(data)
        elif self._id == "charts":
            self.charts += data

    def attributes(self, tag: str, name: str) -> list[str | None]:
        return [attributes.get(name) for found, attributes in self.tags if found == tag]


@pytest.fixture(scope="module")
def hostile() -> _Page:
    return _Page(render(make_facts(hostile=True)))


def test_asks_for_nothing_from_elsewhere(hostile: _Page) -> None:
    for _, attributes in hostile.tags:
        for name in ("src", "srcset", "href", "action", "data", "poster"):
            address = attributes.get(name)
            assert address is None or address.startswith(("data:", "#")), address
    assert "url(" not in hostile.styles
    assert "@import" not in hostile.styles
    policy = dict(hostile.tags[[tag for tag, _ in hostile.tags].index("meta") + 1][1])
    assert (policy["content"] or "").startswith("default-src 'none'; script-src 'sha256-")


def test_names_that_are_markup_are_shown_letter_by_letter(hostile: _Page) -> None:
    for name in HOSTILE_NAMES:
        assert name in hostile.text
    assert [attributes for _, attributes in hostile.tags if "onerror" in attributes] == []
    assert "https://evil.example" not in hostile.attributes("a", "href")
    assert "x" not in hostile.attributes("img", "src")
    drawn = json.loads(hostile.charts)["confusion"]["data"][0]["x"]
    assert "&lt;script&gt;document.title='taken'&lt;/script&gt;" in drawn


def test_is_laid_out_for_those_who_do_not_see_it(hostile: _Page) -> None:
    assert hostile.attributes("html", "lang") == ["en"]
    assert [tag for tag, _ in hostile.tags if tag in ("header", "nav", "main", "footer")] == [
        "header", "nav", "main", "footer",
    ]  # fmt: skip
    assert hostile.levels[0] == 1
    assert hostile.levels.count(1) == 1
    steps = zip(hostile.levels[:-1], hostile.levels[1:], strict=True)
    assert all(after - before <= 1 for before, after in steps)
    assert all(hostile.attributes("img", "alt"))
    plots = [attributes for _, attributes in hostile.tags if "data-chart" in attributes]
    assert {plot["data-chart"] for plot in plots} == set(json.loads(hostile.charts))
    assert all(plot["role"] == "img" and plot["aria-label"] for plot in plots)
    ids = [attributes["id"] for _, attributes in hostile.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {(link or "").removeprefix("#") for link in hostile.attributes("a", "href")} <= set(ids)


def test_refused_model_says_which_bound_it_missed_and_by_how_much() -> None:
    facts = make_facts(blessed=False)
    bounds = (*facts.verdict.bounds, Bound("Canary's answers", None, 1.0, True, False))
    text = _Page(_with_verdict(facts, bounds=bounds)).text

    assert "✗ Refused Refused: two bounds were missed" in text
    assert "3 bounds were missed, 3 kept." in text
    missed, kept = text.index("✗ missed by 0.031"), text.index("✓ kept")
    assert missed < kept
    assert "0.431 , must be at least 0.500" in text.replace("0.431,", "0.431 ,")
    assert "not measured" in text
    assert "12.4 ms" in text
    assert "Pushed to" not in text


def test_bound_missed_by_a_hair_is_not_missed_by_nothing() -> None:
    bounds = (Bound("Accuracy", 0.89999, 0.9, True, False),)

    assert "missed by 1e-05" in _Page(_with_verdict(make_facts(blessed=False), bounds=bounds)).text


def test_refusal_says_what_to_do_next() -> None:
    facts = make_facts(blessed=False)
    step = "More pictures of <Pug> (12 for training, recall 0.10)."
    verdict = dataclasses.replace(facts.verdict, next_steps=(step,))
    text = _Page(render(dataclasses.replace(facts, verdict=verdict))).text

    assert "What to do next" in text
    assert step in text
    majority = facts.evaluation.majority
    assert f"Naming {majority.breed}, the most frequent breed, for every one of them" in text


def test_many_kept_bounds_do_not_bury_a_missed_one() -> None:
    kept = [Bound(f"Accuracy of breed {number}", 0.8, 0.5, True, True) for number in range(40)]
    bounds = (*kept, Bound("Accuracy", 0.5, 0.9, True, False))
    text = _Page(_with_verdict(make_facts(blessed=False), bounds=bounds)).text

    assert text.index("missed by 0.400") < text.index("Accuracy of breed 0")
    assert "32 more bounds that were kept" in text


def test_first_run_reads_naturally() -> None:
    page = _Page(render(make_facts(baseline=False)))

    assert "This is the first model: nothing was served before." in page.text
    assert "There is no served model to compare it with." in page.text
    assert "Difference" not in page.text
    assert "None" not in page.text
    assert "nan" not in page.text.split()


def test_decisions_about_single_pictures_are_told() -> None:
    page = _Page(render(make_facts()))

    assert "Of the pictures, 3 relabelled, 1 dropped, 2 kept by decision." in page.text


def test_what_a_run_does_not_have_is_left_out() -> None:
    page = _Page(render(without_extras(make_facts())))

    assert [link for link in page.attributes("a", "href") if link != "#verdict"] == [
        "#figures", "#calibration", "#breeds", "#confusion", "#training",
    ]  # fmt: skip
    assert "The training left no history." in page.text


@pytest.mark.parametrize("pretrained", [True, False])
def test_figures_of_a_pretrained_backbone_come_with_a_warning(pretrained: bool) -> None:
    facts = make_facts()
    training = dataclasses.replace(facts.training, pretrained=pretrained)

    page = _Page(render(dataclasses.replace(facts, training=training)))

    assert ("Stanford Dogs is drawn from ImageNet" in page.text) == pretrained


def test_share_of_known_pictures_is_said() -> None:
    page = _Page(render(make_facts(5)))

    assert "It knows 0.987 of the eval pictures" in page.text


def test_changed_pictures_stand_below_those_as_they_are() -> None:
    page = _Page(render(make_facts(blessed=False)))

    clean, rotated, dark = (
        page.text.index(words) for words in ("As they are", "Rotated by 15°", "Darkened to 30%")
    )
    assert clean < rotated < dark
    assert "✗ missed" in page.text[dark:][:100]
    assert "✗ missed" not in page.text[rotated:dark]


def test_charts_are_what_plotly_draws_and_numbers_are_finite() -> None:
    charts = json.loads(_Page(render(make_facts(30))).charts, parse_constant=pytest.fail)

    named = {"calibration", "kept", "recalls", "confusion", "splits", "training_loss"}
    assert named <= set(charts)
    assert charts["training_loss"]["data"][0]["y"][2] is None  # it was not a number
    for chart in charts.values():
        # The page puts in the theme's colours; Plotly's own types know every other part.
        plotly.graph_objects.Figure(
            json.loads(re.sub(r'"--[a-z0-9-]+"', '"#123456"', json.dumps(chart)))
        )


def test_every_colour_is_one_of_the_style_sheet() -> None:
    page = _Page(render(make_facts()))

    used = set(re.findall(r'"(--[a-z0-9-]+)"', page.charts))
    used |= set(re.findall(r"var\((--[a-z0-9-]+)\)", page.styles))
    assert used == set(re.findall(r"^\s*(--[a-z0-9-]+):", page.styles, re.MULTILINE))


def test_hundred_and_twenty_breeds_stay_small() -> None:
    document = render(make_facts(120))

    assert len(document.encode()) < 15_000_000
    assert document.count("<tr>") > 120


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(make_facts(14, hostile=True)), encoding="utf-8")
    return path


@pytest.mark.slow
def test_in_a_browser(browser, report: Path, tmp_path: Path) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
    _note(page)
    page.goto(report.as_uri())
    page.wait_for_selector("html[data-drawn]")
    facts = make_facts(14, hostile=True)
    named = [row.breed for row in facts.evaluation.breeds]
    recalls = {row.breed: row.recall for row in facts.evaluation.breeds}
    rows = page.locator("#breed-table tbody tr:visible th")

    # Sorts by recall with the mouse, and the other way with the keyboard.
    assert rows.all_inner_texts() == named
    header = page.get_by_role("columnheader", name="Recall")
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "ascending"
    assert rows.all_inner_texts() == sorted(named, key=lambda name: recalls[name] or 0.0)
    page.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "descending"
    assert rows.all_inner_texts() == sorted(named, key=lambda name: -(recalls[name] or 0.0))

    # Filters, and says how many are left.
    page.get_by_label("Show breeds with").fill("SÖHNE")
    assert rows.all_inner_texts() == [HOSTILE_NAMES[1]]
    assert page.locator("#breed-filter-count").inner_text() == "1 of 14 breeds"
    page.get_by_label("Show breeds with").fill("cat")
    assert page.locator("#breed-none").is_visible()
    page.get_by_label("Show breeds with").fill("")

    # The matrix: alphabetical, then a part of it.
    drawn = "document.getElementById('chart-confusion')"
    page.get_by_label("alphabetical").check()
    seen = page.evaluate(f"{drawn}.data[0].x")
    assert seen[-1] == "Wire-haired poodle"
    assert seen != page.evaluate(f"{drawn}.data[0].x.toSorted().toReversed()")
    diagonal = page.evaluate(f"{drawn}.data[1].z.map((row, place) => row[place])")
    by_name = dict(zip(named, _diagonal(facts), strict=True))
    assert diagonal[-1] == pytest.approx(by_name["Wire-haired poodle"])
    page.get_by_label("Go to").select_option(label="Wire-haired poodle")
    low, high = page.evaluate(f"{drawn}.layout.xaxis.range")
    assert high - low == pytest.approx(13)
    assert low < seen.index("Wire-haired poodle") < high
    page.get_by_role("button", name="Whole matrix").click()
    assert page.evaluate(f"{drawn}.layout.xaxis.range") == [-0.5, 13.5]

    # Dark: page and charts alike.
    title = page.locator("#chart-recalls .ytitle")
    light = title.evaluate("node => getComputedStyle(node).fill")
    assert page.evaluate(_FAINT) == []
    page.get_by_role("button", name="Show in dark colours").click()
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    assert title.evaluate("node => getComputedStyle(node).fill") != light
    assert page.evaluate(_FAINT) == []
    assert page.evaluate(f"{drawn}.data[0].x") == seen

    # Paper is light whatever the screen is.
    page.evaluate("""() => addEventListener("beforeprint", () => {
        window.printed = getComputedStyle(document.documentElement).colorScheme;
    })""")
    pdf = page.pdf(path=tmp_path / "report.pdf", format="A4")
    assert pdf.startswith(b"%PDF")
    assert page.evaluate("window.printed") == "light"
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"

    assert len(page.screenshot(full_page=True)) > 100_000
    assert page.title() == f"sample: {facts.verdict.headline}"  # no name ran as a script
    assert page.noted == []
    page.close()


@pytest.mark.slow
def test_on_a_phone_nothing_sticks_out(browser, report: Path) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 740}, has_touch=True)
    _note(page)
    page.goto(report.as_uri())
    page.wait_for_selector("html[data-drawn]")

    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.locator("#breed-table").bounding_box()["width"] > 360  # scrolls within its box
    assert page.noted == []
    page.close()


@pytest.mark.slow
def test_in_a_sandboxed_frame(browser, report: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer.html"
    outer.write_text(
        '<iframe sandbox="allow-scripts" width="1300" height="700" '
        f'srcdoc="{html.escape(report.read_text(encoding="utf-8"))}">',
        encoding="utf-8",
    )
    page = browser.new_page()
    _note(page)
    page.goto(outer.as_uri())
    frame = page.frame_locator("iframe")
    frame.locator("html[data-drawn]").wait_for(timeout=120_000)  # tests share few cores
    frame.get_by_role("button", name="Show in dark colours").click()
    frame.get_by_role("button", name=re.compile(r"Copy\s*: Repeat this run")).click()
    frame.get_by_text(re.compile("Copied|Press Ctrl")).wait_for()  # it stands for seconds only

    assert frame.locator("html").get_attribute("data-theme") == "dark"
    # A link within the page stays within it: otherwise the frame would open what is around it.
    frame.get_by_role("link", name="Provenance").click()
    heading = frame.locator("#provenance h2")
    assert heading.evaluate("node => Math.abs(node.getBoundingClientRect().top) < 700")
    assert page.noted == []
    page.close()


@pytest.mark.slow
def test_without_scripts_all_but_the_charts_is_there(browser, report: Path) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(report.as_uri())

    assert page.locator("#breed-table tbody tr").count() == 14
    assert page.get_by_role("button").count() == 0
    assert page.get_by_label("Show breeds with").is_hidden()
    assert page.locator("#chart-calibration .undrawn").count() == 1
    page.close()


def _diagonal(facts: ReportFacts) -> list[float]:
    counts = facts.evaluation.confusion.counts
    return [row[label] / sum(row) for label, row in enumerate(counts)]


def _with_verdict(facts: ReportFacts, *, bounds: tuple[Bound, ...]) -> str:
    verdict = dataclasses.replace(facts.verdict, bounds=bounds)
    return render(dataclasses.replace(facts, verdict=verdict))


def _note(page) -> None:
    """Keeps what the page complains of, and what it asks of any address but its own file."""
    page.noted = []
    page.on("console", lambda said: page.noted.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: page.noted.append(str(error)))
    own = ("data:", "file:")
    page.on(
        "request",
        lambda asked: None if asked.url.startswith(own) else page.noted.append(asked.url),
    )
