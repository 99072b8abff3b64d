"""Recommenders that experiments compare with, and that defend nothing."""

from __future__ import annotations

import importlib.util

from skrecsec import recommenders
from skrecsec.base import BaseRecommender
from skrecsec.recommenders import PopularityRecommender


class ImplicitRecommender(recommenders.ImplicitRecommender):
    """The same, with the settings and seeds that saved results were made with."""

    def _make_model(self):
        if self.model != "als":
            return super()._make_model()
        from implicit.als import AlternatingLeastSquares

        settings = {"factors": 64, "regularization": 0.05, "alpha": 5}
        return AlternatingLeastSquares(**settings, use_gpu=False, num_threads=1)

    def _draw_seed(self):
        return self.random_state


def reference_recommenders() -> dict[str, BaseRecommender]:
    """Return the recommenders to compare with, by name; those of `implicit` if it is installed."""
    recommenders = {"Popularity": PopularityRecommender()}
    if importlib.util.find_spec("implicit") is not None:
        recommenders["ALS"] = ImplicitRecommender("als")
        recommenders["BPR"] = ImplicitRecommender("bpr")
    return recommenders
