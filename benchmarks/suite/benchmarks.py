"""What users wait for, each on 600 users, 500 items and 30,000 ratings.

Everything is called once before it is timed, so that compiling is not.
"""

import time

from skrecsec import (
    AverageAttackTransformer,
    CoAttackTransformer,
    EASERecommender,
    LockstepDetector,
    MFRecommender,
    TCDRecommender,
)
from skrecsec.datasets import make_ratings
from skrecsec.metrics import get_scorer
from skrecsec.model_selection import leave_one_out_split

from .peers import MAKERS

timer = time.process_time  # of all benchmarks here: what else the machine does is not counted


def make_data():
    return make_ratings(600, 500, density=0.1, random_state=0)


class Import:
    """In a process of its own, by the clock."""

    def timeraw_package(self):
        return "import skrecsec"

    def timeraw_recommender(self):
        return "from skrecsec import MFRecommender"


class OneEpoch:
    """An epoch of each way of training; of TCD, one of each of its phases."""

    params = (["MF", "TCD"],)
    param_names = ("model",)

    def setup(self, model):
        self.X = make_data()
        self.model = {
            "MF": MFRecommender(max_iter=1, random_state=0),
            "TCD": TCDRecommender(max_iter=2, n_pretrain_iter=1, random_state=0),
        }[model]
        self.model.fit(self.X)

    def time_fit(self, model):
        self.model.fit(self.X)

    def peakmem_fit(self, model):
        self.model.fit(self.X)


class EASE:
    """A model in closed form, and the lists that it makes."""

    def setup(self):
        self.X = make_data()
        self.model = EASERecommender().fit(self.X)
        self.model.recommend(self.X)

    def time_fit(self):
        self.model.fit(self.X)

    def peakmem_fit(self):
        self.model.fit(self.X)

    def time_recommend(self):
        self.model.recommend(self.X)

    def peakmem_recommend(self):
        self.model.recommend(self.X)


class Detecting:
    """A detector on poisoned ratings."""

    def setup(self):
        attack = AverageAttackTransformer(random_state=0)
        self.X = attack.fit_transform(make_data())
        LockstepDetector().fit_predict(self.X)

    def time_fit_predict(self):
        LockstepDetector().fit_predict(self.X)

    def peakmem_fit_predict(self):
        LockstepDetector().fit_predict(self.X)


class Attacking:
    """An attack that draws its profiles, and one that trains models for them."""

    params = (["Average", "CoAttack"],)
    param_names = ("attack",)

    def setup(self, attack):
        self.X = make_data()
        self.attack = {
            "Average": AverageAttackTransformer(random_state=0),
            "CoAttack": CoAttackTransformer(random_state=0),
        }[attack]
        self.attack.fit(self.X)

    def time_fit(self, attack):
        self.attack.fit(self.X)

    def peakmem_fit(self, attack):
        self.attack.fit(self.X)


class Scoring:
    """A scorer, which ranks hidden ratings."""

    def setup(self):
        self.X, self.y = leave_one_out_split(make_data(), random_state=0)
        self.model = MFRecommender(max_iter=1, random_state=0).fit(self.X)
        self.scorer = get_scorer("hit_ratio")
        self.scorer(self.model, self.X, self.y)

    def time_score(self):
        self.scorer(self.model, self.X, self.y)

    def peakmem_score(self):
        self.scorer(self.model, self.X, self.y)


class Peers:
    """A few epochs of other libraries, and of this one: a change of all is one of the machine."""

    params = ([f"{model} of {library}" for model, library in MAKERS],)
    param_names = ("model",)

    def setup(self, model):
        try:
            self.fit = MAKERS[tuple(model.split(" of "))](make_data())
        except ImportError as error:  # by which asv knows that there is nothing to measure
            raise NotImplementedError(f"{model} is not installed") from error
        self.fit()

    def time_fit(self, model):
        self.fit()
