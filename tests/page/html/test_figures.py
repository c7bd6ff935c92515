import numpy as np
import pytest

from harness.page.html import axes
from harness.page.html.density import density_figure, kernel_density
from harness.page.html.effects import random_effects_figure
from harness.page.html.fitted_picture import data_figure, fitted_line
from harness.page.html.residuals import residual_figure
from harness.page.html.svg import Rows, Trace


def rows(groups=3, per_group=10, x_name="x", levels=None):
    group = np.repeat(np.arange(groups), per_group)
    x = np.tile(np.arange(per_group, dtype=float), groups)
    return Rows(
        x_name, "y", "g", x, 2.0 * x + group, group, levels or tuple(f"s{k}" for k in range(groups))
    )


def traces(data, shift=0.0):
    fitted = 2.0 * data.x + data.group
    noise = np.sin(np.arange(fitted.size))
    return [
        Trace("statsmodels", 0, fitted + shift, noise - shift),
        Trace("lme4", 1, fitted, noise),
    ]


def test_kernel_density_integrates_to_one_and_has_scotts_bandwidth():
    values = np.random.default_rng(3).normal(size=400)
    at, height = kernel_density(values, points=400)
    assert np.trapezoid(height, at) == pytest.approx(1.0, abs=0.01)
    scipy_stats = pytest.importorskip("scipy.stats")
    np.testing.assert_allclose(height, scipy_stats.gaussian_kde(values)(at), rtol=1e-10)


@pytest.mark.parametrize("values", [[], [1.0, 2.0], [3.0, 3.0, 3.0, 3.0], [np.nan] * 5])
def test_kernel_density_is_undefined_without_spread(values):
    assert kernel_density(np.array(values, dtype=float)) is None


def test_a_fitted_line_is_its_two_ends_when_straight_and_a_mean_where_x_repeats():
    x = np.array([2.0, 0.0, 1.0, 3.0])
    at, height = fitted_line(x, 1.0 + 2.0 * x)
    assert at.tolist() == [0.0, 3.0]
    assert height.tolist() == [1.0, 7.0]
    at, height = fitted_line(np.array([0.0, 0.0, 1.0]), np.array([1.0, 3.0, 9.0]))
    assert height.tolist() == [2.0, 9.0]


def test_equal_residuals_are_drawn_once_and_the_caption_says_so():
    data = rows()
    same = residual_figure("k", data, traces(data, shift=1e-7))
    assert "drawn once" in same.caption
    assert "1.0e-07" in same.caption
    apart = residual_figure("k", data, traces(data, shift=1.0))
    assert "drawn once" not in apart.caption
    assert 'class="e1 ring"' in apart.svg or 'class="e1 point ring"' in apart.svg


@pytest.mark.parametrize("groups", [1, 3, 6, 7, 18, 36, 37, 120])
def test_every_number_of_groups_has_a_picture_with_both_engines(groups):
    data = rows(groups, 5)
    figure = data_figure("k", data, traces(data))
    assert figure.svg.count("<svg") == 1
    assert "thread" in figure.svg
    assert "band" in figure.svg
    assert "Broad pale: lme4; thin dark: statsmodels." in figure.caption


def test_groups_differ_in_shape_and_line_style_not_in_colour_alone():
    data = rows(4)
    outlines = {axes.marks(np.zeros(1), np.zeros(1), "", shape) for shape in axes.MARKS}
    assert len(outlines) == len(axes.MARKS)
    svg = density_figure("k", data, traces(data)).svg
    assert svg.count("stroke-dasharray") >= 3


def test_text_in_pictures_is_escaped():
    data = rows(2, x_name="<b>&", levels=("<i>", "</svg>"))
    svg = data_figure("k", data, traces(data)).svg
    assert "<b>" not in svg
    assert "&lt;b&gt;&amp;" in svg
    assert svg.count("</svg>") == 1


def test_values_that_are_no_numbers_leave_gaps():
    data = rows()
    broken = traces(data)
    broken[0].fitted[4] = np.nan
    broken[0].residuals[4] = np.inf
    for draw in (data_figure, residual_figure, density_figure):
        svg = draw("k", data, broken).svg.lower()
        assert "nan" not in svg
        assert "inf" not in svg.replace("&", "")


def test_many_random_effects_are_thinned_evenly():
    values = np.arange(500.0)
    figure = random_effects_figure(
        "k", "slope by g", [f"s{k}" for k in range(500)], [("a", 0, values), ("b", 1, values + 0.5)]
    )
    assert "40 of 500 groups" in figure.caption
    assert "largest difference between engines 0.50" in figure.caption
    assert ">s0<" in figure.svg
    assert ">s499<" in figure.svg


@pytest.mark.parametrize(
    ("low", "high"),
    [(0.0, 1.0), (-871.9, -871.8), (1e-9, 3e-9), (0, 7e8), (-1.0, -0.99995), (2e7, 2e7 + 3)],
)
def test_ticks_are_round_and_labels_tell_them_apart(low, high):
    values = axes.Scale(low, high, 0, 1).ticks()
    step = values[1] - values[0]
    labels = [axes.tick_label(v, step) for v in values]
    assert 2 <= len(values) <= 8
    assert len(set(labels)) == len(labels)
