"""The tutorial: run as it stands; and its runner shows no page whose cells do not hold."""

import re
from pathlib import Path

import pytest

from tests.script_module import load_script

HERE = Path(__file__).parents[2] / "docs" / "tutorial"


@pytest.fixture(scope="module")
def runner():
    return load_script(HERE / "render.py")


@pytest.fixture(scope="module")
def page(runner, tmp_path_factory):
    """The tutorial's page; its own assertions hold when there is one."""
    target = tmp_path_factory.mktemp("tutorial") / "page.html"
    assert runner.main(str(HERE / "tutorial.md"), str(target)) == 0
    return target.read_text(encoding="utf-8")


@pytest.mark.r
@pytest.mark.slow
def test_the_page_runs_and_has_the_tutorials_table(page):
    assert "both programs ran" in page
    table = page[page.index("<th>RMSE</th>") :]
    for printed in ("2.694785", "0.932351", "6.073401", "0.076190", "0.000553", "1.978708"):
        assert printed in table
    # Its own assertions are what is said to be equal; without them the page proves nothing.
    assert page.count("assert ") >= 20


@pytest.mark.r
@pytest.mark.slow
def test_the_page_is_one_file_that_loads_nothing(page):
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert not re.search(r"<(script|link|img|iframe)", page)
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for anchor in re.findall(r'href="#([^"]+)"', page):
        assert f'id="{anchor}"' in page


def test_a_cell_that_does_not_hold_ends_it_at_its_line(runner, tmp_path, capsys):
    source = tmp_path / "page.md"
    source.write_text(
        "---\nkernelspec: {}\n---\n\n# T\n\n```{code-cell} python\n:tags: [x]\na = 1\n"
        "assert a == 2, 'not two'\n```\n",
        encoding="utf-8",
    )
    target = tmp_path / "page.html"
    assert runner.main(str(source), str(target)) == 1
    assert capsys.readouterr().err == "page.md, line 10: AssertionError: not two\n"
    assert not target.exists()


def test_cells_share_names_and_show_their_last_line(runner):
    cells = ["a = 20", "print('<b>')\na + 1", "import pandas as pd\npd.DataFrame({'x': [a]})"]
    source = "# T\n\n" + "\n".join(f"```{{code-cell}} python\n{cell}\n```\n" for cell in cells)
    page = runner.render(source)
    assert '<pre tabindex="0">&lt;b&gt;</pre><pre tabindex="0">21</pre>' in page
    assert "<td>20</td>" in page


def test_a_syntax_error_is_at_its_line(runner):
    with pytest.raises(runner.CellFailed, match="line 5: SyntaxError"):
        runner.render("# T\n\n```{code-cell} python\nok = 1\nb = = 2\n```\n")
