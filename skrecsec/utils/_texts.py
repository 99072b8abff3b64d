"""Texts of docstrings that functions, displays and splitters share, each written once.

Those of estimators are in `_parameters`; `skrecsec.utils._signatures` puts both in place.
"""

from __future__ import annotations

TEXTS: dict[str, str] = {}

# --- displays -------------------------------------------------------------------------------------

TEXTS["display.attributes"] = r"""
ax_ : matplotlib Axes
    Axes with the plot.

figure_ : matplotlib Figure
    Figure with the axes.
"""[1:-1]

TEXTS["display.styles_"] = r"""
styles_ : dict of dict
    By name, the `color`, `linestyle` and `marker` that were used. Passed to another display
    as `styles`, it has the same names drawn alike.
"""[1:-1]

TEXTS["study"] = r"""
study : RobustnessStudy
    What :func:`~skrecsec.experiments.robustness_study` returned.
"""[1:-1]

TEXTS["ax"] = r"""
ax : matplotlib Axes, default=None
    Axes to plot on; None makes a new figure.
"""[1:-1]

TEXTS["plot_options"] = f"""
{TEXTS["ax"]}

**plot_options : dict
    Passed to `plot`.
"""[1:-1]

TEXTS["styles"] = r"""
styles : dict of dict, default=None
    By name, `color`, `linestyle` and `marker`, or some of them: what has one of these names
    is drawn so. The others get what no name in `styles` has. Takes the `styles_` of another
    display.
"""[1:-1]

TEXTS["title"] = r"""
title : str, default=None
    Title of the axes.
"""[1:-1]

TEXTS["plotted"] = r"""
Returns
-------
display : {class}
    Itself.

Raises
------
ImportError
    If matplotlib is not installed.

ValueError
    If there is nothing to plot, or an option is invalid.
"""[1:-1]

TEXTS["plot"] = f"""
Parameters
----------
{TEXTS["ax"]}

{TEXTS["styles"]}

{TEXTS["title"]}

{TEXTS["plotted"]}
"""[1:-1]

TEXTS["study.recommenders"] = f"""
recommenders : str or list of str, default=None
    Names of recommenders; None takes all.

{TEXTS["plot_options"]}
"""[1:-1]

TEXTS["one_distribution"] = f"""
{TEXTS["plot_options"]}

Returns
-------
display : {{class}}
    With one distribution.
"""[1:-1]

# --- metrics --------------------------------------------------------------------------------------

TEXTS["y_score"] = r"""
y_score : array-like of shape (n_users, n_items)
    Predicted scores, the higher the better. Of equal scores the lower item index is ranked
    first; items scored -inf are not ranked.
"""[1:-1]

TEXTS["target_items"] = r"""
target_items : array-like of int of shape (n_targets,)
    Distinct indices of the target items.
"""[1:-1]

TEXTS["k"] = r"""
k : int, default={default(k)}
    Length of the list. May exceed the number of items.
"""[1:-1]

TEXTS["seen"] = r"""
seen : {sparse matrix, array-like} of shape (n_users, n_items), default=None
    The items that the users have rated, which are left out of the ranking: the stored
    entries of a sparse matrix, the non-zero entries of a dense one. None ranks all items.
"""[1:-1]

TEXTS["held_out_metric"] = f"""
{TEXTS["y_score"]}

{TEXTS["k"]}

{TEXTS["seen"]}

Returns
-------
score : float
    Between 0 and 1, the higher the better.

Raises
------
ValueError
    If no item is held out, the shapes do not fit, `k` is not a positive integer or scores
    are NaN.

Warns
-----
UserWarning
    If held-out items are among those seen. They cannot be ranked and count as misses.
"""[1:-1]

TEXTS["section_6_1_4"] = r"""
.. [1] Wang, Q., Wu, C., Lian, D., Chen, E. "Securing Recommender System via Cooperative
   Training", section 6.1.4.
"""[1:-1]

_IN_BLOCKS = r"""
Scores are ranked in blocks of rows that fit in scikit-learn's ``working_memory``; no copy
of the scores larger than a block is made.
"""[1:-1]

TEXTS["held_out_in_blocks"] = f"""
O(number of held-out items * n_items) time.

{_IN_BLOCKS}
"""[1:-1]

TEXTS["targets_in_blocks"] = f"""
O(n_users * n_targets * n_items) time.

{_IN_BLOCKS}

References
----------
{TEXTS["section_6_1_4"]}
"""[1:-1]

TEXTS["scorer.k"] = r"""
k : int, default={default(k)}
    Length of the list.
"""[1:-1]

# --- splits ---------------------------------------------------------------------------------------

TEXTS["split"] = r"""
Parameters
----------
X : {sparse matrix, array-like} of shape (n_users, n_items)
    Ratings.

y : array-like, sparse matrix or HeldOut with n_users rows, default=None
    Held-out items. Only their number of rows is looked at.

groups : object
    Ignored, exists for compatibility.

Yields
------
train : ndarray of shape (n_train_users,)
    Rows to train on.

test : ndarray of shape (n_test_users,)
    Rows to test on.
"""[1:-1]

TEXTS["get_n_splits"] = r"""
Parameters
----------
X, y, groups : object
    Ignored, exist for compatibility.

Returns
-------
n_splits : int
    As given.
"""[1:-1]

# --- datasets -------------------------------------------------------------------------------------

TEXTS["fetch"] = r"""
Parameters
----------
data_home : str, path-like or None, default=None
    The folder in which datasets are kept, each in a folder of its own. With None it is
    ``$SKRECSEC_DATA`` or else ``~/skrecsec_data``.

download_if_missing : bool, default=True
    If False, raise an OSError if the data are not in the data home instead of downloading
    them from their owner.

n_retries : int, default=3
    Number of retries when the download fails.

delay : float, default=1.0
    Number of seconds between retries.

Returns
-------
dataset : :class:`~sklearn.utils.Bunch`
    Dictionary-like object, with the following attributes.
"""[1:-1]

TEXTS["fetched"] = r"""
    user_ids : ndarray of shape (n_users,)
        The id of the user in each row.
    item_ids : ndarray of shape (n_items,)
        The id of the item in each column.
    DESCR : str
        Description, terms of use and citation.

Raises
------
OSError
    If the file is missing and cannot be had; the message says where it is expected.

ValueError
    If a parameter is invalid or a line of the file malformed.
"""[1:-1]

TEXTS["harper_konstan"] = r"""
.. [1] F. M. Harper and J. A. Konstan, "The MovieLens Datasets: History and Context", ACM
   Transactions on Interactive Intelligent Systems 5(4), 2015.
"""[1:-1]

# --- studies and checks ---------------------------------------------------------------------------

TEXTS["study.example"] = r"""
References
----------
.. [1] Q. Wang, C. Wu, D. Lian, E. Chen, "Securing Recommender System via Cooperative
   Training", World Wide Web 26, 2023, section 6. :doi:`10.1007/s11280-023-01214-7`

Examples
--------
>>> from skrecsec import AverageAttackTransformer, MFRecommender, TCDRecommender
>>> from skrecsec.datasets import make_ratings
>>> from skrecsec.experiments import robustness_study
"""[1:-1]

TEXTS["table"] = r"""
Parameters
----------
metric : str, default={default(metric)}
    The key of a figure in `records`.

baseline : str, default=None
    As in `summary`.
"""[1:-1]

TEXTS["checks"] = r"""
Yields
------
check : callable
    ``check(estimator)`` raises an AssertionError if the estimator fails.

See Also
--------
parametrize_with_checks : Runs these and scikit-learn's.
"""[1:-1]
