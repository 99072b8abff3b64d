"""Texts of docstrings that several estimators share, each written once.

`skrecsec.utils._signatures` puts them where a docstring says ``%(name)s`` on a line of its
own, with ``{default(parameter)}`` replaced by the default of the class at hand.
"""

from __future__ import annotations

TEXTS: dict[str, str] = {}

TEXTS["features"] = r"""
n_features_in_ : int
    Number of items.

feature_names_in_ : ndarray of shape (n_items,)
    Names of the items, if `X` had any.
"""[1:-1]

TEXTS["n_factors"] = r"""
n_factors : int, default={default(n_factors)}
    Number of latent factors d.
"""[1:-1]

TEXTS["training"] = r"""
max_iter : int, default={default(max_iter)}
    Maximum number of epochs. Training stops earlier once the validation loss has not improved
    for 5 epochs.

solver : {"sgd", "adam", "adadelta"}, default={default(solver)}
    ``"sgd"``: one rating at a time, by compiled kernels on one core; the fastest by far.
    ``"adam"`` and ``"adadelta"``: mini-batches by torch, on any `device`; the optimisers that
    the paper names and used.

learning_rate : float or "auto", default={default(learning_rate)}
    Step size. ``"auto"`` is 0.02 for ``"sgd"``, 0.001 for ``"adam"`` and 20 for
    ``"adadelta"``.
"""[1:-1]

TEXTS["reg"] = r"""
reg : float, default={default(reg)}
    Weight of the squared factors in the loss. As small a penalty as 0.02 with ``"sgd"`` lowers
    the error of predicted ratings and ruins the ranking; early stopping regularises better.
"""[1:-1]

TEXTS["minibatch"] = r"""
batch_size : int, default={default(batch_size)}
    Ratings in a mini-batch; ``"sgd"`` ignores it.
"""[1:-1]

TEXTS["validation"] = r"""
validation_fraction : float, default={default(validation_fraction)}
    Share of the ratings, in [0, 1), held back to choose the epoch whose factors are kept: the
    one with the lowest mean squared error on them. With 0, or so few ratings that none is
    held back, all epochs are run and the last one is kept.

fold_in_reg : float, default={default(fold_in_reg)}
    Weight of the squared profile factors when profiles are folded in, on ratings scaled to
    [0, 1].

device : str, default={default(device)}
    Torch device of the mini-batch solvers; ``"sgd"`` takes ``"cpu"`` only.
"""[1:-1]

TEXTS["training.random_state"] = r"""
random_state : int, RandomState instance or None, default={default(random_state)}
    Determines the validation ratings, the initial factors and the order of the samples. Pass
    an int for results that are the same down to the last bit.

verbose : int, default={default(verbose)}
    If positive, print a line per epoch.
"""[1:-1]

TEXTS["factors"] = r"""
user_factors_ : ndarray of shape (n_users, n_factors)
    Factors of the training profiles, for ratings scaled to [0, 1].

item_factors_ : ndarray of shape (n_items, n_factors)
    Item factors.
"""[1:-1]

TEXTS["training.outcome"] = r"""
n_iter_ : int
    Number of epochs run, those of pre-training included.

best_iter_ : int
    The epoch, counted from 1, whose factors were kept.

validation_loss_ : float
    Mean squared error of that epoch on the validation ratings, on the [0, 1] scale; NaN
    without any.
"""[1:-1]

TEXTS["training.result"] = f"""
rating_levels_ : ndarray of shape (n_levels,)
    Sorted rating levels. Ratings are divided by the highest one inside.

{TEXTS["training.outcome"]}

history_ : list of dict
    For each epoch its number and validation loss.
"""[1:-1]

TEXTS["factor_model"] = f"""
{TEXTS["training"]}

{TEXTS["reg"]}

{TEXTS["minibatch"]}

{TEXTS["validation"]}

{TEXTS["training.random_state"]}

Attributes
----------
{TEXTS["factors"]}

{TEXTS["training.result"]}

{TEXTS["features"]}
"""[1:-1]

TEXTS["interactions"] = r"""
interactions : "all" or float, default={default(interactions)}
    What a rating has to be to count as an interaction: ``"all"`` ratings do, or those of at
    least this height.
"""[1:-1]

TEXTS["item_popularity"] = r"""
item_popularity_ : ndarray of shape (n_items,)
    Shares of the training profiles that have the items.
"""[1:-1]

TEXTS["interaction_model"] = f"""
{TEXTS["interactions"]}

Attributes
----------
{TEXTS["item_popularity"]}

{TEXTS["features"]}
"""[1:-1]

TEXTS["adapter"] = f"""
{TEXTS["interactions"]}

random_state : int, RandomState instance or None, default={{default(random_state)}}
    Determines the initial factors and the samples. None leaves it to `model`.

Attributes
----------
model_ : object
    The fitted model.

{TEXTS["item_popularity"]}

{TEXTS["features"]}
"""[1:-1]

TEXTS["ranking_model"] = f"""
max_iter : int, default={{default(max_iter)}}
    Number of epochs; in each, every rating is compared once.

learning_rate : float, default={{default(learning_rate)}}
    Step size of the stochastic gradient descent.

reg : float, default={{default(reg)}}
    Penalty on the squared factors and biases that a comparison touches.

negatives : {{"uniform", "popularity"}}, default={{default(negatives)}}
    How the items are drawn that a user has not rated: all alike, or as often as they were
    rated.

{TEXTS["interactions"]}

fold_in_reg : float, default={{default(fold_in_reg)}}
    Penalty of the regression by which folding in is learned, see `BPRRecommender`.

random_state : int, RandomState instance or None, default={{default(random_state)}}
    Determines the initial factors and the comparisons. Pass an int for results that are the
    same down to the last bit.

verbose : int, default={{default(verbose)}}
    If positive, print a line per epoch.

Attributes
----------
user_factors_ : ndarray of shape (n_users, n_factors)
    Factors of the training profiles.

item_factors_ : ndarray of shape (n_items, n_factors)
    Item factors.

item_biases_ : ndarray of shape (n_items,)
    Item biases.

fold_in_matrix_ : ndarray of shape (n_factors, n_factors)
    Makes factors of profiles of those of their items.

n_iter_ : int
    Number of epochs run.

{TEXTS["item_popularity"]}

{TEXTS["features"]}
"""[1:-1]

TEXTS["profiles"] = r"""
X : {array-like, sparse matrix, sparse array} of shape (n_profiles, n_items)
    Profiles; they need not have been seen in `fit`.
"""[1:-1]

TEXTS["ratings"] = r"""
Parameters
----------
X : {array-like, sparse matrix, sparse array} of shape (n_users, n_items)
    Ratings, finite and positive: the stored entries, of a dense array the non-zero ones.

y : Ignored
    Not used, present for API consistency by convention.
"""[1:-1]

TEXTS["detector.contamination"] = r"""
contamination : "auto" or float, default={default(contamination)}
    Which profiles are called fake: ``"auto"`` leaves that to the detector's own threshold, a
    share in (0, 0.5] takes so many of the most abnormal.
"""[1:-1]

TEXTS["detector.trusted_users"] = r"""
trusted_users : array-like of int of shape (n_trusted,), default={default(trusted_users)}
    Rows of the rating matrix that are known to be genuine: they are never called fake, and have
    the highest of the scores.
"""[1:-1]

TEXTS["detector.attributes"] = f"""
profile_scores_ : ndarray of shape (n_users,)
    Scores of the profiles, the lower the more abnormal.

offset_ : float
    Profiles with lower scores are called fake.

labels_ : ndarray of int of shape (n_users,)
    1 for a genuine profile, -1 for a fake one.

groups_ : list of SuspiciousGroup
    Who acts together, on which items, the most surprising first: groups with profiles among
    them that are called fake.

{TEXTS["features"]}
"""[1:-1]

TEXTS["recommender.fit"] = f"""
{TEXTS["ratings"]}

Returns
-------
self : object
    The fitted recommender.

Raises
------
ValueError
    If `X` or a parameter is invalid, or the model cannot be fitted to `X`.
"""[1:-1]

_SCORES = r"""
Returns
-------
scores : ndarray of shape (n_rows, n_items)
    Scores, the higher the better.
"""[1:-1]

TEXTS["recommender.fit_predict"] = f"{TEXTS['ratings']}\n\n{_SCORES}"

TEXTS["predict_training_rows"] = f"""
Parameters
----------
rows : ndarray of int of shape (n_rows,)
    Rows of the training matrix.

{_SCORES}
"""[1:-1]

TEXTS["recommender.example"] = r"""
Examples
--------
>>> from skrecsec.datasets import make_ratings
>>> from skrecsec.recommenders import {class}
>>> X = make_ratings(100, 80, density=0.2, random_state=0)
"""[1:-1]
