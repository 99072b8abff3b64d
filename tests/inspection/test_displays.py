"""Displays: what they show, against numbers computed by hand."""

import builtins
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
from matplotlib.colors import same_color
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skrecsec import (
    AverageAttackTransformer,
    MFRecommender,
    RandomAttackTransformer,
    TCDRecommender,
)
from skrecsec.datasets import make_ratings
from skrecsec.experiments import robustness_study
from skrecsec.inspection import (
    AttackCurveDisplay,
    RankShiftDisplay,
    RobustnessDisplay,
    TrainingHistoryDisplay,
)
from skrecsec.inspection._style import COLORS, style_of, styles_for
from skrecsec.metrics import HitRatioScorer, TargetHitRatioScorer, rank_shift
from skrecsec.model_selection import leave_one_out_split


@pytest.fixture(autouse=True)
def backend():
    """Draw without a screen, and leave no figure open."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    before = mpl.get_backend()
    plt.switch_backend("agg")
    yield
    plt.close("all")
    plt.switch_backend(before)


@pytest.fixture(scope="module")
def study():
    return robustness_study(
        make_ratings(120, 90, density=0.2, random_state=0),
        attacks={
            "Average, 5%": AverageAttackTransformer(attack_size=0.05),
            "Average, 10%": AverageAttackTransformer(attack_size=0.1),
            "Random": RandomAttackTransformer(),
        },
        recommenders={"MF": MFRecommender(8), "TCD": TCDRecommender(8, max_iter=8)},
        n_repeats=3,
        k=10,
        random_state=0,
    )


@pytest.fixture(scope="module")
def fitted():
    """Return ratings, held-out items, and fitted pipelines by name."""
    X, y = leave_one_out_split(make_ratings(120, 90, density=0.2, random_state=0), random_state=0)
    attack = AverageAttackTransformer(attack_size=0.1, random_state=0)
    models = {"MF": MFRecommender(8, random_state=0), "TCD": TCDRecommender(8, random_state=0)}
    return X, y, {name: make_pipeline(attack, model).fit(X) for name, model in models.items()}


def test_styles_differ():
    styles = [style_of(number) for number in range(16)]
    assert len(set(styles)) == 16
    assert len({style.color for style in styles[:8]}) == len(COLORS) == 8


def colours(display):
    return {name: style["color"] for name, style in display.styles_.items()}


def test_a_name_has_one_style_in_all_displays():
    points = {name: {"test_hr": 0.2, "target_hr": 0.1} for name in ("clean MF", "MF", "TCD")}
    first = RobustnessDisplay(points).plot()
    shifts = np.arange(2), np.ones(2)
    second = RankShiftDisplay({"MF": shifts, "TCD": shifts, "AT": shifts})
    second.plot(styles=first.styles_)
    assert colours(first) == dict(zip(points, COLORS[:3], strict=True))
    assert colours(second) == colours(first) | {"AT": COLORS[3]}
    curve = {"x": [1, 2], "mean": [1, 2], "low": [0, 1], "high": [2, 3]}
    third = AttackCurveDisplay({"TCD": curve}, xlabel="x", ylabel="y").plot(styles=second.styles_)
    drawn = [
        first.artists_["TCD"].lines[0].get_color(),
        second.artists_["TCD"].get_edgecolor(),
        third.lines_["TCD"].get_color(),
    ]
    assert all(same_color(color, COLORS[2]) for color in drawn)


def test_a_name_of_a_study_has_one_style_however_many_are_shown(study):
    both = RankShiftDisplay.from_study(study, "Random")
    one = RobustnessDisplay.from_study(study, "Random", recommenders="TCD")
    assert colours(one)["TCD"] == colours(both)["TCD"] == COLORS[1]
    assert same_color(one.artists_["TCD"].lines[0].get_color(), COLORS[1])
    attacks = RankShiftDisplay.from_study(study, ["Random", "Average, 10%"], "MF")
    assert colours(attacks)["Random"] == COLORS[2]
    given = RankShiftDisplay.from_study(study, "Random", styles={"TCD": {"color": COLORS[0]}})
    assert colours(given) == {"TCD": COLORS[0], "MF": COLORS[1]}


def test_styles_for():
    assert list(styles_for("ab")) == ["a", "b"]
    assert styles_for("ab")["b"] == style_of(1)._asdict()
    many = styles_for(map(str, range(9)), {"8": {"color": COLORS[0], "marker": "x"}})
    assert {many[str(n)]["color"] for n in range(7)} == set(COLORS[1:])
    assert many["8"] == {"color": COLORS[0], "marker": "x", "linestyle": ":"}
    assert len({tuple(style.values()) for style in many.values()}) == 9
    whole = {"a": style_of(1)._asdict()}
    assert styles_for("ba", whole) == {"a": whole["a"], "b": style_of(0)._asdict()}
    assert whole == {"a": style_of(1)._asdict()}
    # The colours of all but these are taken.
    eight = {str(n): style_of(n)._asdict() for n in range(8)}
    assert styles_for(["new"], eight)["new"] == style_of(8)._asdict()


@pytest.mark.parametrize("styles", ["red", {"MF": "red"}, {"MF": {"colour": "red"}}, [("a", {})]])
def test_styles_that_are_none_are_refused(styles):
    display = RankShiftDisplay({"MF": (np.arange(2), np.ones(2))})
    with pytest.raises(ValueError, match="styles must be a dict of dict: by name, color, line"):
        display.plot(styles=styles)


# --- rank shifts ---


def test_rank_shifts_of_a_study(study):
    display = RankShiftDisplay.from_study(study, "Random")
    assert list(display.distributions) == ["MF", "TCD"]
    shifts, counts = study.rank_shifts("Random", "TCD")
    heights, edges, _ = display.artists_["TCD"].get_data()
    assert_allclose(heights.sum(), 1)
    assert 0 in edges
    assert_allclose(heights[edges[:-1] >= 0].sum(), counts[shifts >= 0].sum() / counts.sum())
    mean = np.average(shifts, weights=counts)
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts[1] == f"TCD (mean {mean:+.0f})"
    assert "place" in display.ax_.get_xlabel()
    assert display.figure_ is display.ax_.figure


@pytest.mark.parametrize(
    ("attacks", "recommenders", "names"),
    [
        (None, "MF", ["Average, 5%", "Average, 10%", "Random"]),
        (["Random"], ["TCD"], ["TCD"]),
        (["Random", "Average, 5%"], ["MF", "TCD"], [
            "MF, Random", "TCD, Random", "MF, Average, 5%", "TCD, Average, 5%",
        ]),
    ],
)  # fmt: skip
def test_distributions_are_named_after_what_varies(attacks, recommenders, names, study):
    display = RankShiftDisplay.from_study(study, attacks, recommenders)
    assert list(display.distributions) == names


def test_rank_shifts_of_predictions_and_estimators(fitted):
    X, _, models = fitted
    clean = MFRecommender(8, random_state=0).fit(X)
    targets = models["MF"][0].target_items_
    shifts = rank_shift(clean.predict(X), models["MF"].predict(X), targets, seen=X)
    expected = np.unique(shifts[~np.isnan(shifts)], return_counts=True)
    for display, name in (
        (RankShiftDisplay.from_estimator(clean, models["MF"], X, targets), "MFRecommender"),
        (
            RankShiftDisplay.from_predictions(
                clean.predict(X), models["MF"].predict(X), targets, seen=X, name="other"
            ),
            "other",
        ),
        (RankShiftDisplay.from_estimator(clean, models["MF"], X, targets, name="third"), "third"),
    ):
        for array, other in zip(display.distributions[name], expected, strict=True):
            assert_array_equal(array, other)
    nameless = RankShiftDisplay.from_predictions(clean.predict(X), clean.predict(X), targets)
    assert nameless.ax_.get_legend() is None


@pytest.mark.parametrize("container", [np.asarray, sp.coo_array, sp.csc_matrix, sp.lil_array])
def test_rank_shifts_of_pipelines_that_transform(container, fitted):
    X, _, _ = fitted
    dense = X.toarray()
    targets = [3, 80]
    liked = FunctionTransformer(_without_low_ratings)
    clean, attacked = (
        make_pipeline(liked, MFRecommender(8, random_state=seed)).fit(dense) for seed in (0, 1)
    )
    given = container(dense)
    with config_context(working_memory=0.01):
        display = RankShiftDisplay.from_estimator(clean, attacked, given, targets)
    assert type(given) is type(container(dense))
    assert_array_equal(sp.csr_array(given).toarray(), dense)
    seen = _without_low_ratings(dense)
    assert 0 < np.count_nonzero(seen) < np.count_nonzero(dense)
    expected = rank_shift(clean.predict(dense), attacked.predict(dense), targets, seen=seen)
    shifts, counts = display.distributions["MFRecommender"]
    assert counts.sum() == np.count_nonzero(seen[:, targets] == 0)
    assert_array_equal(np.repeat(shifts, counts), np.sort(expected[~np.isnan(expected)], axis=None))


def _without_low_ratings(X):
    X = X.toarray() if sp.issparse(X) else X
    return np.where(X < 3, 0, X)


def test_rank_shifts_of_frames(fitted):
    pd = pytest.importorskip("pandas")
    X, _, _ = fitted
    frame = pd.DataFrame(X.toarray(), columns=[f"film {item}" for item in range(X.shape[1])])
    before = frame.copy()
    clean, attacked = (MFRecommender(8, random_state=seed).fit(frame) for seed in (0, 1))
    search = SimpleNamespace(best_estimator_=attacked, predict=attacked.predict)
    by_name = RankShiftDisplay.from_estimator(clean, search, frame, ["film 3", "film 80"])
    of_frames = RankShiftDisplay.from_predictions(
        pd.DataFrame(clean.predict(frame)),
        pd.DataFrame(attacked.predict(frame)),
        [3, 80],
        seen=frame,
        name="MFRecommender",
    )
    for array, other in zip(
        by_name.distributions["MFRecommender"],
        of_frames.distributions["MFRecommender"],
        strict=True,
    ):
        assert_array_equal(array, other)
    pd.testing.assert_frame_equal(frame, before)
    with pytest.raises(ValueError, match="'film 99', which is no column of X"):
        RankShiftDisplay.from_estimator(clean, attacked, frame, ["film 99"])


def test_rank_shifts_of_something_else_are_refused(fitted):
    X, _, models = fitted
    with pytest.raises(ValueError, match="must be a fitted recommender"):
        RankShiftDisplay.from_estimator(models["MF"][0], models["MF"], X, [3])


def test_displays_of_nothing_are_refused():
    for display, name in (
        (RankShiftDisplay({}), "distributions"),
        (RobustnessDisplay({}), "points"),
        (AttackCurveDisplay({}, xlabel="x", ylabel="y"), "curves"),
        (TrainingHistoryDisplay([]), "history"),
    ):
        with pytest.raises(ValueError, match=f"nothing to plot: {name} is empty"):
            display.plot()


def test_displays_draw_on_given_axes(study):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2)
    display = RankShiftDisplay.from_study(study, "Random", ax=axes[1], title="shifts", bins=10)
    assert display.ax_ is axes[1]
    assert display.figure_ is figure
    assert axes[1].get_title() == "shifts"
    assert len(display.artists_["MF"].get_data().values) <= 11


def test_panels_of_rank_shifts_can_share_axes_and_bins(study):
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(1, 2, sharex=True, sharey=True)
    edges = np.arange(-100, 101, 20)
    for ax, shift in zip(axes, (-95, 95), strict=True):
        distribution = np.array([0, shift]), np.array([shift + 100, 5])
        RankShiftDisplay({"one": distribution}).plot(ax, bins=edges)
        assert_array_equal(ax.patches[0].get_data().edges, edges)
    assert axes[0].get_xlim() == (-100, 100)
    low, high = axes[0].get_ylim()
    assert low == 0
    assert high > 195 / 200


# --- curves ---


def test_attack_curves_of_a_study(study):
    curves = {"Average": {0.05: "Average, 5%", 0.1: ("Average, 10%", "TCD")}}
    display = AttackCurveDisplay.from_study(study, curves, xlabel="Attack size")
    rows = {(r["attack"], r["recommender"]): r for r in study.summary("target_hr")}
    expected = [rows["Average, 5%", "MF"], rows["Average, 10%", "TCD"]]
    line = display.lines_["Average"]
    assert_array_equal(line.get_xdata(), [0.05, 0.1])
    assert_allclose(line.get_ydata(), [row["mean"] for row in expected])
    assert_allclose(display.curves["Average"]["low"], [row["ci_low"] for row in expected])
    assert list(display.bands_) == ["Average"]
    assert display.ax_.get_xlabel() == "Attack size"
    assert display.ax_.get_ylabel() == "Target HR@10 (share of users and targets)"
    other = AttackCurveDisplay.from_study(
        study, {"Random": {1: "Random"}}, metric="ri", recommender="TCD", min_effect=0
    )
    (row,) = [
        r for r in study.summary("ri") if (r["attack"], r["recommender"]) == ("Random", "TCD")
    ]
    assert_allclose(other.lines_["Random"].get_ydata(), [row["mean"]])


def test_curves_of_ri_leave_out_weak_attacks(study):
    hr = {
        (row["repeat"], row["attack"]): row["target_hr"]
        for row in study.records
        if row["recommender"] == "MF"
    }
    effects = {  # on this study the Random attack, 3%, promotes in some repeats only
        name: min(hr[repeat, name] - hr[repeat, "clean"] for repeat in range(3))
        for name in ("Average, 5%", "Random", "Average, 10%")
    }
    _, second, strongest = sorted(effects.values())
    assert 0 < second < strongest
    curves = {"all": dict(enumerate(effects))}
    options = {"metric": "ri", "recommender": "TCD"}
    between = (second + strongest) / 2
    display = AttackCurveDisplay.from_study(study, curves, min_effect=between, **options)
    left_out = [effect < strongest for effect in effects.values()]
    for field in ("mean", "low", "high"):
        assert_array_equal(np.isnan(display.curves["all"][field]), left_out)
    whole = AttackCurveDisplay.from_study(study, curves, min_effect=0, **options)
    assert not np.isnan(whole.curves["all"]["mean"]).any()
    other = AttackCurveDisplay.from_study(study, curves, min_effect=1, metric="target_hr")
    assert not np.isnan(other.curves["all"]["mean"]).any()


def test_curves_of_ri_leave_out_attacks_of_changing_direction():
    repeats = {"clean": (0.2, 0.2), "up": (0.3, 0.4), "down": (0.1, 0.0), "both": (0.3, 0.1)}
    study = SimpleNamespace(
        baseline="MF",
        k=10,
        detections=[],
        records=[
            {"repeat": repeat, "attack": attack, "recommender": "MF", "target_hr": ratio}
            for attack, ratios in repeats.items()
            for repeat, ratio in enumerate(ratios)
        ],
        summary=lambda metric: [
            {"attack": attack, "recommender": "MF", "mean": 0.5, "ci_low": 0.4, "ci_high": 0.6}
            for attack in repeats
        ],
    )
    curves = {"all": {1: "up", 2: "down", 3: "both"}}
    display = AttackCurveDisplay.from_study(study, curves, metric="ri", min_effect=0.1 - 1e-9)
    assert_array_equal(np.isnan(display.curves["all"]["mean"]), [False, False, True])


def test_without_intervals_there_is_no_band():
    nan = np.full(2, np.nan)
    curve = {"x": np.arange(2), "mean": np.arange(2), "low": nan, "high": nan}
    assert AttackCurveDisplay({"one": curve}, xlabel="x", ylabel="y").plot().bands_ == {}


def test_many_sizes_are_not_all_ticks_and_many_curves_have_their_legend_outside():
    def plot(n_sizes, n_curves):
        x = np.arange(n_sizes) / 7
        curve = {"x": x, "mean": x, "low": x, "high": x}
        curves = {str(number): curve for number in range(n_curves)}
        display = AttackCurveDisplay(curves, xlabel="x", ylabel="y").plot()
        display.figure_.canvas.draw()
        legend = display.ax_.get_legend().get_window_extent()
        return display.ax_.get_xticks(), legend.x0 > display.ax_.get_window_extent().x1

    ticks, is_outside = plot(8, 5)
    assert_allclose(ticks, np.arange(8) / 7)
    assert not is_outside
    ticks, is_outside = plot(9, 6)
    assert not np.isin(np.arange(9) / 7, ticks).all()
    assert is_outside


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"curves": {"a": {1: "none"}}}, "'none'"),
        ({"curves": {"a": {1: ("Random", "nobody")}}}, "'nobody'"),
        ({"curves": {"a": {1: "Random"}}, "metric": "hr"}, "metric"),
        ({"curves": {"a": {1: "Random"}}, "min_effect": -0.1}, "min_effect"),
        ({"curves": {"a": {1: ("Random",)}}}, r"\('Random',\)"),
        (
            {"curves": {"a": {1: ("Random", "MF")}}, "recommender": "TCD"},
            "recommender='TCD' has no",
        ),
    ],
)
def test_attack_curves_refuse_what_the_study_lacks(arguments, message, study):
    with pytest.raises(ValueError, match=message):
        AttackCurveDisplay.from_study(study, **arguments)


# --- robustness ---


def test_robustness_of_a_study(study):
    display = RobustnessDisplay.from_study(study, "Random")
    rows = {
        (r["metric"], r["recommender"]): r
        for r in study.summary()
        if r["attack"] == "Random" and r["metric"] in ("test_hr", "target_hr")
    }
    for name in ("MF", "TCD"):
        point = display.points[name]
        for metric in ("test_hr", "target_hr"):
            row = rows[metric, name]
            assert point[metric] == row["mean"]
            assert point[f"{metric}_interval"] == (row["ci_low"], row["ci_high"])
    assert "HR@10" in display.ax_.get_xlabel()
    only = RobustnessDisplay.from_study(study, "clean", recommenders=["TCD"])
    assert list(only.points) == ["TCD"]


def test_robustness_of_estimators(fitted):
    X, y, models = fitted
    display = RobustnessDisplay.from_estimator(models, X, y, k=10)
    for name, model in models.items():
        assert display.points[name] == {
            "test_hr": HitRatioScorer(k=10)(model, X, y),
            "target_hr": TargetHitRatioScorer(k=10)(model, X, y),
        }
    targets = models["MF"][0].target_items_
    alone = RobustnessDisplay.from_estimator(
        {"MF": models["MF"][-1]}, X, y, target_items=targets, k=10
    )
    assert alone.points["MF"] == display.points["MF"]
    with pytest.raises(ValueError, match="target_items"):
        RobustnessDisplay.from_estimator({"MF": models["MF"][-1]}, X, y)


def test_the_pareto_front_by_hand():
    points = {
        "worse": (0.3, 0.5),
        "robust": (0.2, 0.0),
        "twin": (0.2, 0.0),
        "accurate": (0.4, 0.6),
        "same targets, worse": (0.1, 0.0),
        "middle": (0.3, 0.2),
    }
    points = {
        name: dict(zip(("test_hr", "target_hr"), p, strict=True)) for name, p in points.items()
    }
    display = RobustnessDisplay(points).plot()
    assert display.front_ == ["robust", "twin", "middle", "accurate"]
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == ["Pareto front", *points]


def test_panels_that_share_axes_show_all_points():
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(1, 2, sharex=True, sharey=True)
    for ax, target_hr in zip(axes, (0.01, 0.9), strict=True):
        RobustnessDisplay({"MF": {"test_hr": target_hr, "target_hr": target_hr}}).plot(ax)
    for low, high in (axes[0].get_xlim(), axes[1].get_ylim()):
        assert low < 0.01
        assert high > 0.9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"attack": "none"}, "attack: 'none'"),
        ({"attack": "Random", "recommenders": ["nobody"]}, "recommenders: 'nobody'"),
    ],
)
def test_robustness_refuses_what_the_study_lacks(arguments, message, study):
    with pytest.raises(ValueError, match=message):
        RobustnessDisplay.from_study(study, **arguments)


# --- histories ---


def test_history_of_tcd_in_a_pipeline(fitted):
    _, _, models = fitted
    display = TrainingHistoryDisplay.from_estimator(models["TCD"])
    recommender = models["TCD"][-1]
    losses, kept = display.ax_.get_lines()
    assert_array_equal(
        losses.get_ydata(), [entry["validation_loss"] for entry in recommender.history_]
    )
    assert kept.get_xdata()[0] == recommender.best_iter_
    (line,) = display.pseudo_ax_.get_lines()
    n_cells = recommender.user_factors_all_.shape[1] * 90 * 3
    expected = [entry["n_pseudo_labels"] / n_cells for entry in recommender.history_]
    assert_allclose(line.get_ydata(), expected)
    assert 0.3 < max(expected) < 1
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == ["Validation loss", "Epoch kept", "Pseudo-ratings (share of all cells)"]


def test_history_of_a_factorisation(fitted):
    X, _, _ = fitted
    display = TrainingHistoryDisplay.from_estimator(MFRecommender(8, random_state=0).fit(X))
    assert display.pseudo_ax_ is None
    raw = TrainingHistoryDisplay([{"epoch": 1, "validation_loss": 0.1, "n_pseudo_labels": 7}])
    assert_array_equal(raw.plot().pseudo_ax_.get_lines()[0].get_ydata(), [7])
    assert len(raw.ax_.get_lines()) == 1


def test_history_refuses_what_has_none(fitted):
    _, _, models = fitted
    with pytest.raises(ValueError, match="no history_"):
        TrainingHistoryDisplay.from_estimator(models["MF"][0])
    with pytest.raises(ValueError, match="n_cells"):
        TrainingHistoryDisplay([{"epoch": 1, "validation_loss": 0.1}], n_cells=9).plot()
    with pytest.raises(ValueError, match="not fitted"):
        TrainingHistoryDisplay.from_estimator(MFRecommender())


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    imported = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return imported(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r"skrecsec\[plots\]"):
        RankShiftDisplay({"a": (np.arange(2), np.arange(2))}).plot()
