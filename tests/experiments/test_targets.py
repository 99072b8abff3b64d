"""Which items a study attacks: what is set on attacks is used, or refused."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone

from skrecsec import AverageAttackTransformer, MFRecommender, RandomAttackTransformer
from skrecsec.experiments import _running, robustness_study
from skrecsec.experiments._plan import seeds_of_repeats
from skrecsec.model_selection import leave_one_out_split


class OneTargetTransformer(AverageAttackTransformer):
    """Has other defaults than its parent."""

    def __init__(self, *, target_items="random", n_targets=1, random_state=None):
        super().__init__(target_items=target_items, n_targets=n_targets, random_state=random_state)


def study(X, *attacks, **options):
    named = {f"a{number}": attack for number, attack in enumerate(attacks)}
    options = {"recommenders": {"MF": MFRecommender(4, max_iter=2)}, "k": 10, **options}
    return robustness_study(X, attacks=named, random_state=0, **{"n_repeats": 2, **options})


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ({}, {}),
        ({}, {"target_items": "random"}),
        ({}, {"n_targets": 2}),
        ({}, {"target_items": [7, 2]}),
        ({"target_items": [7, 2]}, {}),
        ({"target_items": np.array([7, 2])}, {"target_items": [7, 2], "n_targets": 2}),
        ({"target_items": "random"}, {}),
        ({"n_targets": 1}, {}),
        ({"n_targets": 1}, {"target_items": "random"}),
        ({"target_items": "random", "n_targets": 300}, {}),
    ],
)
def test_targets_are_those_of_the_attack_itself(ratings, settings, options):
    attack = AverageAttackTransformer(**settings)
    result = study(ratings, attack, **options)
    alone = clone(attack).set_params(**options)
    for seeds, targets in zip(seeds_of_repeats(0, 2), result.target_items, strict=True):
        X, _ = leave_one_out_split(ratings, random_state=seeds.split)
        alone.set_params(random_state=seeds.attack).fit(X)
        assert_array_equal(targets, alone.target_items_)
        assert targets.dtype == alone.target_items_.dtype


def test_attacks_at_their_defaults_go_with_what_is_stated(ratings):
    attacks = [AverageAttackTransformer(), OneTargetTransformer()]
    result = study(ratings, *attacks, target_items=[3, 5, 8])
    assert [targets.tolist() for targets in result.target_items] == [[3, 5, 8]] * 2
    one_set = [AverageAttackTransformer(target_items="random"), RandomAttackTransformer()]
    assert study(ratings, *one_set, target_items="random").target_items[0].size == 5
    only = study(ratings, OneTargetTransformer())
    assert [targets.size for targets in only.target_items] == [1, 1]


@pytest.mark.parametrize(
    ("attacks", "options", "message"),
    [
        ([{"target_items": [1]}], {"target_items": "random"}, r"attacks\['a0'\] has target_items"),
        ([{"target_items": [1]}], {"target_items": [1, 2]}, r"target_items=\[1\].*\[1, 2\]"),
        ([{"target_items": "random"}], {"target_items": "unpopular"}, "target_items='random'"),
        ([{"n_targets": 1}], {"n_targets": 3}, "n_targets=1, and the study is to have 3"),
        ([{"n_targets": 1}], {"target_items": [4, 5]}, "n_targets=1, and the study is to have 2"),
        ([{}, {"target_items": [1]}], {}, r"attacks\['a1'\].*attacks\['a0'\] has 'unpopular'"),
        ([{}, {"n_targets": 1}], {}, r"attacks\['a1'\] has n_targets=1, and attacks\['a0'\] has 5"),
        ([{"target_items": [1]}, {"target_items": [2]}], {}, r"\[2\], and .* has \[1\]"),
        ([{"target_items": [900]}], {}, r"attacks\['a0'\]: target_items must hold item indices"),
        ([{"target_items": ["x"]}], {}, r"attacks\['a0'\]: .*names of items go with a data frame"),
        ([{}], {"target_items": [1, 2], "n_targets": 3}, "n_targets=3 does not go with the 2"),
    ],
)  # fmt: skip
def test_what_differs_is_refused_before_any_work(ratings, monkeypatch, attacks, options, message):
    monkeypatch.setattr(_running, "run_task", None)
    with pytest.raises(ValueError, match=message) as error:
        study(ratings, *[AverageAttackTransformer(**settings) for settings in attacks], **options)
    if "The attacks of a study" in str(error.value):
        assert "leave those of the attacks at the default" in str(error.value)


def test_the_order_of_the_same_targets_does_not_matter(ratings):
    attacks = [AverageAttackTransformer(target_items=items) for items in ([5, 9], [9, 5])]
    assert study(ratings, *attacks).target_items[0].tolist() == [5, 9]


@pytest.mark.parametrize("where", ["study", "attack"])
def test_names_of_items(ratings, where):
    pd = pytest.importorskip("pandas", reason="needs pandas")
    names = [f"film {item}" for item in range(ratings.shape[1])]
    frame = pd.DataFrame(ratings.toarray(), columns=names)
    given = {"target_items": ["film 7", "film 2"]}
    if where == "attack":
        result = study(frame, AverageAttackTransformer(**given))
    else:
        result = study(frame, AverageAttackTransformer(), **given)
    assert result.target_items[0].tolist() == [7, 2]
    with pytest.raises(ValueError, match="'film x', which is no column of X"):
        study(frame, AverageAttackTransformer(target_items=["film x"]))


@pytest.mark.parametrize("name", ["k", "n_repeats", "n_targets"])
@pytest.mark.parametrize("value", [True, 2**63, 0])
def test_counts_are_counts(name, value, ratings):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of robustness_study"):
        robustness_study(
            ratings,
            attacks={"a": AverageAttackTransformer()},
            recommenders={"m": MFRecommender(2)},
            **{name: value},
        )
