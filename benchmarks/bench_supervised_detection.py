"""What classifiers on features of profiles find, by what they were trained on: mean over seeds.

Average precision and ROC AUC for fakes of an attack that training has not seen: it was on other
attacks, other targets, other sizes, other seeds. The crowd that they are simulated in is

- other: the ratings of the other data set,
- generated: those of `make_ratings`,
- clean: the ratings that are judged, before they were poisoned, which nobody has who needs a
  detector; published figures mostly are of this kind,
- poisoned: the ratings that are judged, with the fakes among them, all taken for genuine.

    python benchmarks/bench_supervised_detection.py --splits PATH [--dataset ...] [--seeds 3]

`--splits` is a folder with {filmtrust,ml-100k}.{train,test}.rating.
"""

import argparse
import time
from collections import defaultdict
from functools import cache
from pathlib import Path

import numpy as np
from bench_attacks import ATTACKS
from bench_quality import published_split
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import AdaBoostClassifier, ExtraTreesClassifier
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from skrecsec.datasets import make_ratings
from skrecsec.detection import ProfileFeatures

OTHER = {"ml-100k": "filmtrust", "filmtrust": "ml-100k"}
SOURCES = ("other", "generated", "clean", "poisoned")
TRAINED_ON = ("random", "average", "bandwagon", "segment", "aush", "gco")
JUDGED = ("average", "segment", "aush", "tna", "dl", "gco")
TRAINING_SEED = 1000  # and following ones, which no attack that is judged has


class RescaledAdaBoost(ClassifierMixin, BaseEstimator):
    """AdaBoost with stumps that shrinks what it has by 1 - 2 / (k + u) before its k-th step."""

    def __init__(self, n_estimators=100, u=2):
        self.n_estimators = n_estimators
        self.u = u

    def fit(self, X, y):
        self.classes_, codes = np.unique(y, return_inverse=True)
        signs = 2 * codes - 1
        f = np.zeros(len(signs))
        self.stumps_, self.weights_ = [], np.empty(0)
        for k in range(1, self.n_estimators + 1):
            shrinkage = 1 - 2 / (k + self.u)
            f, self.weights_ = shrinkage * f, shrinkage * self.weights_
            weights = np.exp(-signs * f)
            stump = DecisionTreeClassifier(max_depth=1, random_state=0)
            answer = stump.fit(X, signs, sample_weight=weights / weights.sum()).predict(X)
            right, wrong = weights[answer == signs].sum(), weights[answer != signs].sum()
            # The line search for the exponential loss has a closed form, as the answers are signs.
            step = np.log((right + 1e-12) / (wrong + 1e-12)) / 2
            f += step * answer
            self.stumps_.append(stump)
            self.weights_ = np.append(self.weights_, step)
        return self

    def decision_function(self, X):
        return sum(w * s.predict(X) for w, s in zip(self.weights_, self.stumps_, strict=True))

    def predict(self, X):
        return self.classes_[(self.decision_function(X) > 0).astype(int)]


# The features, a classifier, and whether it also takes the profiles that are judged, unlabeled.
DETECTORS = {
    "DegreeSAD": ("degree", DecisionTreeClassifier(criterion="entropy", random_state=0), False),
    "kNN": ("burke", KNeighborsClassifier(9), False),
    "SVM": ("burke", SVC(), False),
    "AdaBoost": ("radaboost", AdaBoostClassifier(n_estimators=100, random_state=0), False),
    "RAdaBoost": ("radaboost", RescaledAdaBoost(), False),
    "SemiSAD": ("semisad", SelfTrainingClassifier(GaussianNB()), True),
    "ExtraTrees": ("all", ExtraTreesClassifier(300, min_samples_leaf=2, random_state=0), False),
}


def described(X):
    """Return all features of profiles, by name, as ranks within their crowd."""
    transformer = ProfileFeatures(scale="rank")
    features = transformer.fit_transform(X)
    return dict(zip(transformer.get_feature_names_out(), features.T, strict=True))


def labeled(X, attack):
    """Return features and labels of ratings and the fakes of an attack on them."""
    poisoned = attack.fit_transform(X)
    return described(poisoned), np.arange(poisoned.shape[0]) >= X.shape[0]


def training_sets(X):
    """Return what attacks make of ratings: other targets, and other sizes, than are judged."""
    return {
        name: labeled(
            X,
            ATTACKS[name](
                target_items="random",
                n_targets=(1, 3, 5)[k % 3],
                attack_size=(0.02, 0.05)[k % 2],
                random_state=TRAINING_SEED + k,
            ),
        )
        for k, name in enumerate(TRAINED_ON)
    }


def trained(detector, sets, judged):
    """Return how a detector that has learned from labeled sets scores what is judged."""
    names, classifier, takes_unlabeled = DETECTORS[detector]
    names = ProfileFeatures(names).fit([[1, 2], [2, 1]]).get_feature_names_out()
    X = np.vstack([np.column_stack([features[n] for n in names]) for features, _ in sets])
    y = np.concatenate([labels for _, labels in sets]).astype(int)
    Z = np.column_stack([judged[n] for n in names])
    if takes_unlabeled:
        X, y = np.vstack([X, Z]), np.concatenate([y, np.full(len(Z), -1)])
    classifier.fit(X, y)
    if hasattr(classifier, "predict_proba"):
        return classifier.predict_proba(Z)[:, 1]
    return classifier.decision_function(Z)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=Path, required=True)
    parser.add_argument("--dataset", nargs="*", default=list(OTHER), choices=list(OTHER))
    parser.add_argument("--source", nargs="*", default=list(SOURCES), choices=SOURCES)
    parser.add_argument("--attack", nargs="*", default=list(JUDGED), choices=list(ATTACKS))
    parser.add_argument("--kind", default="unpopular", choices=["unpopular", "random"])
    parser.add_argument("--attack-size", type=float, default=0.03)
    parser.add_argument("--n-targets", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()

    @cache
    def ratings(name):
        return published_split(name, args.splits, None)[0]

    @cache
    def training(source, name):
        if source == "generated":
            return training_sets(make_ratings(random_state=TRAINING_SEED))
        return training_sets(ratings(OTHER[name] if source == "other" else name))

    for name in args.dataset:
        results = defaultdict(list)
        for attack_name in args.attack:
            start = time.perf_counter()
            for seed in range(args.seeds):
                attack = ATTACKS[attack_name](
                    target_items=args.kind, n_targets=args.n_targets,
                    attack_size=args.attack_size, random_state=seed,
                )  # fmt: skip
                poisoned = attack.fit_transform(ratings(name))
                is_fake = np.arange(poisoned.shape[0]) >= ratings(name).shape[0]
                judged = described(poisoned)
                for source in args.source:
                    if source == "poisoned":
                        sets = training_sets(poisoned)
                    else:
                        sets = training(source, name)
                    unseen = [s for other, s in sets.items() if other != attack_name]
                    for detector in DETECTORS:
                        scores = trained(detector, unseen, judged)
                        results[detector, source, attack_name].append(
                            (average_precision_score(is_fake, scores),
                             roc_auc_score(is_fake, scores))
                        )  # fmt: skip
            print(f"{name} {attack_name}: {time.perf_counter() - start:.0f} s", flush=True)
        for source in args.source:
            print(f"\n{name}, {args.kind} targets, trained on {source}: AP / AUC")
            print(f"{'':10}", *(f"{attack:>11}" for attack in args.attack))
            for detector in DETECTORS:
                means = [np.mean(results[detector, source, a], axis=0) for a in args.attack]
                print(f"{detector:10}", *(f"{ap:.2f} / {auc:.2f}" for ap, auc in means))


if __name__ == "__main__":
    main()
