"""Pages of our own, as people see them: figures that are drawn and answer, pictures that show, and nothing fetched."""

import math
from pathlib import Path

import pytest
from PIL import Image

from candelabra.commands.check import run_check
from candelabra.commands.report import run_report
from tests.conftest import Compose
from tests.report.browser.conftest import Tab
from tests.report.html.runs import HOSTILE, make_run, make_sweep

pytestmark = pytest.mark.browser


def written(*folders: Path) -> str:
    run_report([str(folder) for folder in folders])
    return (folders[0] / "report.html").as_uri()


def test_a_report_of_a_run_draws_answers_and_fetches_nothing(tab: Tab, tmp_path: Path) -> None:
    page = written(make_run(tmp_path / "first", ["lr=0.1"]))
    tab.open(page)
    assert tab.draw_all() == 7
    assert tab.pictures() == [40]
    loss = tab.page.locator(".panel", has=tab.page.get_by_role("heading", name="loss", exact=True))
    assert loss.locator(".scatterlayer path.js-line").count() == 2
    assert loss.locator(".legendtext").all_text_contents() == ["train/loss", "val/loss"]
    loss.locator(".nsewdrag").hover()
    assert "val/loss : 1.635" in " ".join(loss.locator(".hoverlayer text").all_text_contents())
    before = loss.locator(".ytick").all_text_contents()
    loss.get_by_role("button", name="log").click()
    assert loss.get_by_role("button", name="log").get_attribute("aria-pressed") == "true"
    assert loss.locator(".ytick").all_text_contents() != before
    assert (tab.asked, tab.errors) == ([page], [])


def test_a_report_of_a_sweep_shows_what_came_of_what(tab: Tab, tmp_path: Path) -> None:
    page = written(make_sweep(tmp_path / "sweep", {"val/score": "maximize"}))
    tab.open(page)
    assert tab.draw_all() == 7
    coordinates = tab.page.locator(".panel", has=tab.page.get_by_role("heading", name="parallel coordinates"))
    assert coordinates.locator(".axis-title").all_text_contents() == ["lr", "backbone", "val/score"]
    assert "WebGL is not supported" not in coordinates.inner_text()
    picture = tmp_path / "coordinates.png"
    coordinates.screenshot(path=picture)
    assert len(Image.open(picture).convert("RGB").getcolors(10**6) or ()) > 50  # lines of several colours
    score = tab.page.locator(".panel", has=tab.page.get_by_role("heading", name="val/score", exact=True)).last
    assert score.locator(".scatterlayer path.js-line").count() == 6
    score.scroll_into_view_if_needed()
    x, y = score.locator(".plot").evaluate(PLACE, [49, 0.5 * (1 - math.exp(-4))])
    tab.page.mouse.move(x, y)
    score.locator(".hoverlayer text").first.wait_for()
    assert "#5 lr=0.01 backbone=resnet50" in " ".join(score.locator(".hoverlayer text").all_text_contents())
    buttons = tab.page.locator(".modebar-btn").evaluate_all("all => all.map(each => each.dataset.title)")
    assert set(buttons) == {"Download plot as a PNG"}  # none that sends the data away
    assert (tab.asked, tab.errors) == ([page], [])


def test_tables_are_sorted_by_click_and_by_key(tab: Tab, tmp_path: Path) -> None:
    tab.open(written(make_sweep(tmp_path / "sweep", {"val/score": "maximize"})))
    column = tab.page.locator("#runs table tr td:first-child")
    assert column.all_inner_texts() == ["#0", "#1", "#2", "#3", "#4", "#5"]
    head = tab.page.locator("#runs").get_by_role("button", name="val/score")
    head.click()
    assert column.all_inner_texts() == ["#0", "#3", "#4", "#5", "#1", "#2"]  # what has no score comes last
    head.press("Enter")
    assert column.all_inner_texts() == ["#5", "#4", "#3", "#0", "#1", "#2"]
    assert tab.page.locator("#runs th[aria-sort]").get_attribute("aria-sort") == "descending"


def test_markup_in_names_is_shown_as_it_is(tab: Tab, tmp_path: Path) -> None:
    backbone = {"_target_": "candelabra.backbones.Timm", "name": HOSTILE}
    run = make_run(tmp_path / "first", [f"data.root={HOSTILE}"], backbone=backbone)
    metrics = run / "metrics.csv"
    metrics.write_text(metrics.read_text().replace("gradient_norm", f"x/{HOSTILE}").replace("val/score", "val/<b>"))
    other = make_run(tmp_path / "other", ["data.root=<i>x</i>%{x}"])
    for page in (written(run), written(make_sweep(tmp_path / "sweep", {"val/score": "maximize"}))):
        tab.open(page)
        tab.draw_all()
        assert tab.page.locator("img[src=x], b, i").count() == 0
    run_report([str(run), str(other), f"folder={tmp_path / 'both'}"])
    tab.open((tmp_path / "both" / "report.html").as_uri())
    tab.draw_all()
    assert f"first root={HOSTILE}" in tab.page.locator(".legendtext").all_text_contents()
    assert tab.errors == []


@pytest.mark.parametrize("scheme", [pytest.param("light", marks=pytest.mark.slow), "dark"])
def test_pages_fit_narrow_windows_and_can_be_read_in_both_schemes(scheme: str, tab: Tab, tmp_path: Path) -> None:
    tab.page.emulate_media(color_scheme=scheme)
    long = f"backbone.name=a_backbone_{'of_a_long_name_' * 12}"
    for page in (
        written(make_run(tmp_path / f"first-{'long' * 20}", [long])),
        written(make_sweep(tmp_path / "sweep", {"val/score": "maximize", "seconds": "minimize"})),
    ):
        tab.open(page, width=400)
        tab.draw_all()
        assert tab.overflow() == 0
        for selector in ("body", "h1", ".quiet", "th", "a, summary", ".badge", ".xtitle"):
            assert contrast(tab, selector) >= 4.5, selector


def test_the_page_of_a_check_shows_its_pictures(tab: Tab, tiny: Compose, tmp_path: Path) -> None:
    assert run_check(tiny("data=shapes", "data.count=40", "samples=4", command="check")) == 0
    page = (tmp_path / "check" / "check.html").as_uri()
    tab.open(page)
    widths = tab.pictures()
    assert len(widths) >= 12  # figures, samples before and after their transforms
    assert all(widths)
    assert "Clean" in tab.page.locator("h1").inner_text()
    tab.page.locator("#classes").get_by_role("button", name="class").click()
    assert tab.page.locator("#classes td:first-child").all_inner_texts() == sorted(
        ["circle", "cross", "square", "star", "triangle"]
    )
    assert (tab.asked, tab.errors) == ([page], [])
    tab.open(page, width=400)
    assert tab.overflow() == 0


PLACE = """(plot, [x, y]) => {
  const box = plot.getBoundingClientRect(), axes = plot._fullLayout;
  return [box.x + axes.xaxis._offset + axes.xaxis.l2p(x), box.y + axes.yaxis._offset + axes.yaxis.l2p(y)];
}"""
CONTRAST = """node => {
  const parse = words => words.match(/[\\d.]+/g).map(Number);
  const linear = value => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => [r, g, b].map(value => linear(value / 255))
    .reduce((sum, v, place) => sum + v * [0.2126, 0.7152, 0.0722][place], 0);
  let behind = node;
  const ground = node => parse(getComputedStyle(node).backgroundColor);
  while (behind.parentElement && (ground(behind)[3] === 0)) behind = behind.parentElement;
  const style = getComputedStyle(node), ink = node instanceof SVGElement ? style.fill : style.color;
  const [a, b] = [light(parse(ink)), light(ground(behind))].sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05);
}"""


def contrast(tab: Tab, selector: str) -> float:
    """The least contrast of what is written there with what lies behind, 1 to 21 (WCAG 2)."""
    return min((node.evaluate(CONTRAST) for node in tab.page.locator(selector).all()[:20]), default=21.0)
