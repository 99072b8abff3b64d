"""What a pickle of an attack says of genuine users, and what copies keep."""

import copy
import io
import pickle

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skrecsec import AverageAttackTransformer, FixedAttackTransformer, MFRecommender
from skrecsec.metrics import RobustnessImprovementScorer
from skrecsec.utils._registry import registered

ATTACKS = {name: entry.make for name, entry in registered("attack").items()}


def pickled(estimator):
    return pickle.loads(pickle.dumps(estimator))


@pytest.mark.parametrize("cls", ATTACKS.values(), ids=ATTACKS)
def test_no_genuine_rating_is_in_a_pickle(cls, ratings):
    """No array of the size of the ratings, nor any part of theirs; AUSH copies some by design."""
    attack = cls(target_items=[3, 7], random_state=0).fit(ratings)
    content = pickle.dumps(attack)
    assert not hasattr(pickle.loads(content), "genuine_ratings_")
    rows = ratings[attack.known_users_] if "AUSH" in cls.__name__ else ratings
    assert len(content) < rows.data.nbytes
    # A genuine profile has its items in some type of integers; fake ones may share a few.
    for start, stop in zip(ratings.indptr[:-1], ratings.indptr[1:], strict=True):
        for dtype in (np.int32, np.int64):
            assert ratings.indices[start:stop].astype(dtype).tobytes() not in content
    arrays = [v for v in vars(pickle.loads(content)).values() if isinstance(v, np.ndarray)]
    assert not any(a.ndim > 1 for a in arrays)


def test_of_a_pipeline_neither(ratings):
    pipeline = make_pipeline(AverageAttackTransformer(random_state=0), MFRecommender(4, max_iter=2))
    pipeline.fit(ratings)
    assert not hasattr(pickled(pipeline)[0], "genuine_ratings_")
    buffer = io.BytesIO()
    joblib.dump(pipeline, buffer)
    assert ratings.data.tobytes() not in buffer.getvalue()
    assert ratings.indices.tobytes() not in buffer.getvalue()


@pytest.mark.parametrize("make", [AverageAttackTransformer, FixedAttackTransformer])
def test_ratings_are_kept_where_that_is_asked_for(make, ratings):
    parameters = {"profiles": np.eye(2, 90) + 1} if make is FixedAttackTransformer else {}
    attack = make(target_items=[3], keep_ratings=True, **parameters).fit(ratings)
    assert_array_equal(pickled(attack).genuine_ratings_.toarray(), ratings.toarray())
    attack.set_params(keep_ratings=False)
    assert not hasattr(pickled(attack), "genuine_ratings_")
    del attack.keep_ratings  # as one that is pickled by an earlier version has not
    assert not hasattr(pickled(attack), "genuine_ratings_")
    attack.keep_ratings = False
    assert not hasattr(pickled(clone(attack).fit(ratings)), "genuine_ratings_")


@pytest.mark.parametrize("make_copy", [copy.copy, copy.deepcopy])
def test_copies_within_a_process_are_whole(make_copy, ratings):
    attack = AverageAttackTransformer(random_state=0).fit(ratings)
    copied = make_copy(attack)
    assert type(copied) is AverageAttackTransformer
    assert vars(copied).keys() == vars(attack).keys()
    assert_array_equal(copied.genuine_ratings_.toarray(), ratings.toarray())
    assert (copied.poison_ is attack.poison_) == (make_copy is copy.copy)
    first, second = make_copy([attack, attack])
    assert first is second  # the memory of deepcopy is used


def test_what_comes_of_a_cache_is_scored_on_its_own_ratings(ratings, tmp_path):
    def fitted(**parameters):
        attack = AverageAttackTransformer(random_state=0, **parameters)
        model = MFRecommender(4, max_iter=2, random_state=0)
        return make_pipeline(attack, model, memory=str(tmp_path)).fit(ratings)

    scorer = RobustnessImprovementScorer(MFRecommender(4, max_iter=2, random_state=0), k=9)
    some = ratings[:60]
    first = fitted()
    expected, expected_of_some = (scorer(first, X) for X in (ratings, some))
    again = fitted()
    assert not hasattr(again[0], "genuine_ratings_")
    for X in ratings, sp.csr_matrix(ratings), ratings.tocsc(), ratings.toarray():
        assert scorer(again, X) == pytest.approx(expected, nan_ok=True)
    with pytest.raises(ValueError, match="keep_ratings=True"):
        scorer(again, some)
    fitted(keep_ratings=True)
    kept = fitted(keep_ratings=True)
    assert scorer(kept, some) == pytest.approx(expected_of_some, nan_ok=True)


def test_steps_before_the_attack_are_taken_before_ratings_are_compared(ratings):
    root = FunctionTransformer(np.sqrt)
    attack = AverageAttackTransformer(random_state=0)
    model = MFRecommender(4, max_iter=2, random_state=0)
    scorer = RobustnessImprovementScorer(MFRecommender(4, max_iter=2, random_state=0), k=9)
    X = ratings.toarray()
    pipeline = make_pipeline(root, attack, model).fit(X)
    assert scorer(pickled(pipeline), X) == pytest.approx(scorer(pipeline, X), nan_ok=True)


def test_an_attack_knows_what_it_was_fitted_on(ratings):
    attack = AverageAttackTransformer(random_state=0).fit(ratings)
    other = ratings.copy()
    other.data[0] = 6 - other.data[0] + (other.data[0] == 3)
    for fitted in attack, pickled(attack), pickled(pickled(attack)):
        assert fitted.was_fitted_on(ratings.toarray())
        assert not fitted.was_fitted_on(other)
        assert not fitted.was_fitted_on(ratings[::-1])
        assert not fitted.was_fitted_on(ratings[1:])
    refitted = pickled(attack).fit(other)
    for fitted in refitted, pickled(refitted):
        assert fitted.was_fitted_on(other)
        assert not fitted.was_fitted_on(ratings)


def test_the_attributes_of_an_unpickled_attack_serve(ratings):
    loaded = pickled(AverageAttackTransformer(random_state=0).fit(ratings))
    assert sp.issparse(loaded.transform(ratings))
    assert loaded.fit_transform(ratings).shape[0] > 120
    assert hasattr(loaded, "genuine_ratings_")
