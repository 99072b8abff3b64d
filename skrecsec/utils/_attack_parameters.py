"""Texts of docstrings that several attacks share, as `_parameters` has those of all estimators."""

from __future__ import annotations

import re

from skrecsec.utils import _parameters

TEXTS: dict[str, str] = {"features": _parameters.TEXTS["features"]}

TEXTS["keep_ratings"] = r"""
keep_ratings : bool, default={default(keep_ratings)}
    Whether a pickle of the fitted attack holds `genuine_ratings_`. Without them it can be given
    away, but with what is loaded from it, be it from a file or from the cache of a pipeline
    with `memory`, :class:`~skrecsec.metrics.RobustnessImprovementScorer` scores on no other
    ratings than those that the attack was fitted on.
"""[1:-1]

TEXTS["evasion"] = r"""
targets_per_profile : int, "all" or None, default={default(targets_per_profile)}
    How many targets a fake profile rates, at most all; ``"all"`` and None mean all. They are
    shared out, so that all targets get the same number of profiles, or one more. What a profile
    leaves out it may spend on fillers, and the budget of `n_fillers` stays what it is.

target_rating : {"top", "near-top", "mixed"} or int, default={default(target_rating)}
    The level that targets are given: the highest (with ``goal="nuke"``: the lowest), the one
    next to it, either of both in turn, or, as an int, any of so many levels from the highest
    on. An error if there are not so many.

profile_lengths : {"fixed", "genuine"}, default={default(profile_lengths)}
    Whether all fake profiles rate as many items as `n_fillers` says, or each as many as some
    known user. The longest are shortened where all of them together would rate more than with
    ``"fixed"``.

obfuscation : {"noise", "user-shifting", "popular"} or None, default={default(obfuscation)}
    What is done to crafted fillers. ``"noise"`` adds a normal random number to each rating, with
    the standard deviation of the known ratings; ``"user-shifting"`` adds one to all ratings of
    a profile, with that of the known users' means; ``"popular"`` replaces all fillers by random
    ones of the most popular fifth of the known items, rated around their means. Attributes that
    say what fillers are made of, or how strong they were, are of those that were crafted.

evade : detector or None, default={default(evade)}
    A detector in the loop, any estimator whose `fit_predict` returns -1 for fake profiles; it is
    cloned. The attack begins as it is set, and hides more and more until the detector, shown
    the known profiles and all fake ones, finds few enough: with half as many targets in each
    profile, each time also with mixed and then all levels, unless `target_rating` asks for several,
    and at last with half as many profiles. It is crafted anew for every step. Where `n_fillers`
    leaves no room for the targets that a profile does not rate, profiles get shorter. Rows that
    it is to trust are refused unless ``knowledge=1``, since it is not shown all rows of `X`.

max_detected : float, default={default(max_detected)}
    Share of the fake profiles, in [0, 1], that `evade` may find: those that it flags and, if it
    has `profile_scores_`, those among the most abnormal profiles, as many as there are fake
    ones, so that neither its threshold nor another is exceeded. If it finds more whatever is
    tried, the step in which it finds least is taken, with an
    :class:`~skrecsec.exceptions.EvasionWarning`.
"""[1:-1]

TEXTS["threat_model"] = r"""
target_items : {"unpopular", "random"} or array-like of int, default={default(target_items)}
    The items to promote or demote: `n_targets` random ones with fewer than 5 ratings (the least
    rated ones where there are too few of these), random ones, or those with the given indices.

n_targets : int, default={default(n_targets)}
    Number of targets to choose, at most all items. Ignored if `target_items` is an array.

attack_size : float or int, default={default(attack_size)}
    Number of fake profiles: a float in (0, 1] as a fraction of the users (rounded down, at
    least one), an int as it is.

n_fillers : int or "mean", default={default(n_fillers)}
    Number of items that a fake profile rates, targets included. ``"mean"`` is the mean number
    of ratings of the known users, rounded, but at least the number of targets.

knowledge : float, default={default(knowledge)}
    Fraction, in (0, 1], of the users whose profiles the attacker sees (rounded, at least one).

goal : {"push", "nuke"}, default={default(goal)}
    Whether targets are given the highest or the lowest rating level.

%(evasion)s

%(keep_ratings)s

random_state : int, RandomState instance or None, default={default(random_state)}
    Determines targets, known users and profiles, each from a stream of its own: attacks with
    the same int share targets and known users.
"""[1:-1]
for _name in ("evasion", "keep_ratings"):
    TEXTS["threat_model"] = TEXTS["threat_model"].replace(f"%({_name})s", TEXTS[_name])

TEXTS["poison"] = r"""
poison_ : csr_array or csr_matrix of shape (n_fake_profiles, n_items)
    The fake profiles, on the scale of the data.

n_distinct_profiles_ : int
    How many of them are distinct: copies of one profile are easy to detect.

genuine_ratings_ : csr_array or csr_matrix of shape (n_users, n_items)
    The ratings that the attack was fitted on. Pickles leave them out, unless `keep_ratings` is
    True, but recognize them: see `was_fitted_on`. Copies within a process have them.
"""[1:-1]

TEXTS["threat"] = r"""
target_items_ : ndarray of shape (n_targets,)
    Indices of the target items.

known_users_ : ndarray of shape (n_known_users,)
    Sorted indices of the users whose profiles were seen.

rating_levels_ : ndarray of shape (n_levels,)
    Sorted rating levels; ratings of fake profiles are among them.

evasion_ : dict or None
    With `evade`, the settings that were chosen: those parameters with which the attack crafts
    the same profiles without a detector, `detected`, the share of them that it found, and
    `n_tried`, the number of steps. `n_fillers` is among them if it had to be lowered.
"""[1:-1]

TEXTS["attack"] = f"""
{TEXTS["threat_model"]}

Attributes
----------
{TEXTS["poison"]}

{TEXTS["threat"]}

{TEXTS["features"]}
"""[1:-1]

# Of attacks that choose how long their profiles are.
TEXTS["auto_attack"] = re.sub(
    r'n_fillers : int or "mean"(?s:.*?)\n\n',
    r"""
n_fillers : int, "mean" or "auto", default={default(n_fillers)}
    Number of items that a fake profile rates at most, targets included. ``"mean"`` is the mean
    number of ratings of the known users, rounded, but at least the number of targets;
    ``"auto"`` leaves it to the attack, see Notes, which keeps to that.

"""[1:],
    TEXTS["attack"],
)

TEXTS["attack.example"] = r"""
Examples
--------
>>> from skrecsec.attacks import {class}
>>> from skrecsec.datasets import make_ratings
>>> X = make_ratings(100, 80, density=0.2, random_state=0)
"""[1:-1]

TEXTS["power"] = r"""
selection : {"in_degree", "n_ratings", "similarity"}, default={default(selection)}
    Who has influence: those that are among the nearest neighbors of most others, those with most
    ratings, or those whose similarities to all others have the largest sum.

n_neighbors : int, default={default(n_neighbors)}
    Number of nearest neighbors that each has, for ``"in_degree"``.
"""[1:-1]

TEXTS["power.notes"] = r"""
Similarities are Pearson's correlations over common ratings, of which there have to be two, times
min(c, 50) / 50 for c of them. Of equally influential ones those with more known ratings come
first, then those with the lower index. What is not rated by any known user has no influence.

Time is O(n_ratings) with ``"n_ratings"``; with the others one comparison of all pairs, in blocks
bounded by scikit-learn's ``working_memory``.
"""[1:-1]

TEXTS["mobasher"] = r"""
.. [1] B. Mobasher, R. Burke, R. Bhaumik, C. Williams, "Toward trustworthy recommender systems:
   an analysis of attack models and algorithm robustness", ACM Transactions on Internet
   Technology 7(4), 2007. :doi:`10.1145/1278366.1278372`
"""[1:-1]

TEXTS["ridge_surrogate"] = r"""
n_factors : int, default={default(n_factors)}
    Number of latent factors of the surrogate.

reg : float, default={default(reg)}
    Penalty on the squared factors of the surrogate, in (0, 1), as a fraction of the largest
    singular value of the known ratings. With a penalty of that size all factors would be zero.
"""[1:-1]

TEXTS["selection"] = f"""
n_surrogates : int, default={{default(n_surrogates)}}
    Number of guesses of the genuine users that take turns.

shrinkage : float, default={{default(shrinkage)}}
    Share, in [0, 1], of the pairs of items rated by unknown users that are guessed to be rated
    independently of each other.

k : int, default={{default(k)}}
    Length of the lists that targets are pushed into.

min_raters : int, default={{default(min_raters)}}
    Fillers have at least so many known ratings. Where such items are fewer than four times the
    fillers of a profile, as many of the most rated items may be fillers.

max_iter : int, default={{default(max_iter)}}
    Number of steps.

learning_rate : float, default={{default(learning_rate)}}
    Step size of Adam for the numbers that choose fillers.

width : float, default={{default(width)}}
    Width of the loss in the first step, as a fraction of the root mean square of the scores
    that targets must have. It falls to a fifth of that.

{TEXTS["auto_attack"]}

profile_size_ : int
    Number of items that a fake profile rates, targets included; the longest one where their
    lengths are genuine.

n_iter_ : int
    Number of steps.
"""[1:-1]

TEXTS["selection.notes"] = r"""
A profile is a set of items to the victim. Each fake profile f has a number :math:`z_{fi}` for each
item, to start from half a logarithmic popularity plus N(0, 0.1); it consists of the targets that it
is to rate and the items with the largest numbers. With s the scores of a surrogate that has learned
from the fake profiles and :math:`\theta_u` the k-th best score of an item that u has not rated, the
loss is the mean, over known users and the targets that they have not rated, of

.. math:: \frac{1}{1 + \exp((s_{ut} - \theta_u) / b)},

a smooth share of the targets that are not listed, whose width b falls from `width` times the root
mean square of :math:`\theta_u` to a fifth of that. A nuke attack turns its sign. Its gradient by
the interactions of the fake profiles, were they weights between 0 and 1, is taken as that by
:math:`z_{fi}` (a straight-through estimate), which Adam descends. Thresholds are found again each
fifth time that a surrogate has its turn.

What a few known users happen to rate together is not what all users do, and a search that trusts
it too much ends in profiles that work on known users alone. So each surrogate has its own guess of
the unknown users, drawn from the known ones with replacement, with a share of their pairs of items
broken up; and items with few known ratings are no fillers.

With ``n_fillers="auto"``, lengths of 0.5, 0.75 and 1 times ``"mean"`` (to demote, of 0.4, 0.6, 0.8
and 1 times) are tried for a third of the steps each, and that with the lowest loss on the known
users goes on. Short profiles are stronger on MovieLens, where the mean is above 100, long ones on
FilmTrust.

The victim is taken to read which items were rated, not how. Fillers are rated with draws from the
normal distribution of their known ratings, as genuine users would, so that models of ratings are
misled as well.
"""[1:-1]

TEXTS["saved_poison"] = r"""
Examples
--------
>>> import tempfile
>>> from pathlib import Path
>>> from skrecsec.attacks import AverageAttackTransformer, load_poison, save_poison
>>> from skrecsec.datasets import make_ratings
>>> X = make_ratings(100, 80, density=0.2, random_state=0)
>>> attack = AverageAttackTransformer(target_items=[3, 7], random_state=0).fit(X)
>>> with tempfile.TemporaryDirectory() as folder:
...     save_poison(attack, Path(folder, "average.npz"))
...     loaded = load_poison(Path(folder, "average.npz"))
"""[1:-1]

TEXTS["appends_rows"] = r"""
.. note::
    `fit_transform(X)` appends the fake profiles to `X`, `transform(X)` returns `X` as it is,
    so ``fit_transform(X)`` differs from ``fit(X).transform(X)``. In a pipeline, the model is
    thereby trained on poisoned data and asked about genuine users only.
"""[1:-1]

_SOLVER = r"""
solver : {"sgd", "adam", "adadelta"}, default={default(solver)}
    How the surrogate is trained: ``"sgd"`` one rating, and then one known user, at a time, in
    compiled code; ``"adam"`` and ``"adadelta"`` in mini-batches, each with its share of the
    attack loss.

learning_rate : float or "auto", default={default(learning_rate)}
    Step size of the surrogate's solver. ``"auto"`` is 0.02 for ``"sgd"``, 0.001 for ``"adam"``
    and 20 for ``"adadelta"``.

batch_size : int, default={default(batch_size)}
    Number of ratings of a mini-batch; not used by ``"sgd"``.

output : {"sigmoid", "linear"}, default={default(output)}
    Whether the surrogate predicts ratings by the logistic function of p . q or by p . q itself.
    The attack loss takes the logistic function in either case.
"""[1:-1]

_EPOCHS = r"""
n_factors : int, default={default(n_factors)}
    Number of latent factors of the surrogate.

n_pretrain_iter : int, default={default(n_pretrain_iter)}
    Number of epochs on the training loss alone, before the attack loss is added.

max_iter : int, default={default(max_iter)}
    Number of epochs in all.
"""[1:-1]

TEXTS["attack_loss"] = r"""
attack_weight : float, default={default(attack_weight)}
    Weight of the attack loss against the mean squared error of the ratings.

attack_reduction : {"mean", "sum"}, default={default(attack_reduction)}
    Whether the attack loss is averaged over known users and targets or added up. The
    originals write a sum; the mean makes for far stronger attacks, and with a sum
    `attack_weight` has to be small for the descent to be stable.

margin : float, default={default(margin)}
    The threshold :math:`\kappa`: how far, in logarithms of the predicted rating, a target is
    pushed beyond the last item of a list.

k : int, default={default(k)}
    Length of the lists that targets are pushed into.
"""[1:-1]

TEXTS["surrogate"] = f"""
{_SOLVER}

{_EPOCHS}

{TEXTS["attack_loss"]}

{TEXTS["attack"]}

n_iter_ : int
    Number of epochs of the surrogate.
"""[1:-1]
