"""What the tests of all attacks measure."""

import pytest

from skrecsec import MFRecommender
from skrecsec.metrics import target_hit_ratio_score


@pytest.fixture(scope="session")
def target_hr():
    """Return the function that measures the targets' hit ratio of a victim of an attack."""

    def measure(attack, X, seed=0):
        model = MFRecommender(random_state=seed).fit(attack.fit_transform(X))
        scores = model.user_factors_[: X.shape[0]] @ model.item_factors_.T
        return target_hit_ratio_score(scores, attack.target_items_, seen=X)

    return measure
