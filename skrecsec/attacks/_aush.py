"""AUSH: genuine profiles as templates, parts of which a generative adversarial network re-rates."""

from __future__ import annotations

from itertools import pairwise
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.utils import gen_batches

from skrecsec.attacks._fillers import candidates_by_popularity, profiles_from_fillers
from skrecsec.base import BaseAttackTransformer
from skrecsec.utils._compat import Interval, StrOptions
from skrecsec.utils._threads import single_threaded

# Below any weight of a filler that matters: items without weight come last, in random order.
_SMALLEST_WEIGHT = 1e-9


class AUSHAttackTransformer(BaseAttackTransformer):
    r"""AUSH: augmented genuine profiles.

    A fake profile starts from a template, the profile of a genuine user. Part of its ratings are
    kept as they are, which makes it hard to tell from a genuine one. A few popular items, the
    selected ones, are rated by the generator of a generative adversarial network, which looks at
    what is kept of the template.

    Parameters
    ----------
    selected_fraction : float, default=0.2
        Share of the fillers, in [0, 1], that are selected items, rated by the generator. With 0,
        fake profiles are samples of genuine ones, and no network is trained.

    filler_sampling : {"popularity", "random", "rating", "similarity"}, default="popularity"
        What the chance of a template's rating to be kept is proportional to: the number of ratings
        of the item, nothing (all are alike), the mean rating of the item, or its cosine similarity
        to the selected items.

    reconstruction_weight : float, default=10.0
        Weight of the reconstruction loss against the adversarial loss.

    shilling_weight : float, default=2.0
        Weight of the shilling loss against the adversarial loss.

    shilling_items : {"targets", "selected"}, default="targets"
        Which ratings of the generator the shilling loss acts on: those of the targets, driven to
        the rating that the budget fixes for them, or those of the selected items, driven to the
        highest level. See the notes.

    n_hidden : int, default=64
        Number of units of a hidden layer: the generator has one such layer, the discriminator two.

    max_iter : int, default=50
        Number of epochs; in each, every template is visited once.

    learning_rate : float, default=0.001
        Step size of Adam, for both networks.

    batch_size : int, default=64
        Number of templates of a mini-batch.

    target_items : {"unpopular", "random"} or array-like of int, default="unpopular"
        The items to promote or demote: `n_targets` random ones with fewer than 5 ratings (the least
        rated ones where there are too few of these), random ones, or those with the given indices.

    n_targets : int, default=5
        Number of targets to choose, at most all items. Ignored if `target_items` is an array.

    attack_size : float or int, default=0.03
        Number of fake profiles: a float in (0, 1] as a fraction of the users (rounded down, at
        least one), an int as it is.

    n_fillers : int or "mean", default="mean"
        Number of items that a fake profile rates, targets included. ``"mean"`` is the mean number
        of ratings of the known users, rounded, but at least the number of targets.

    knowledge : float, default=0.4
        Fraction, in (0, 1], of the users whose profiles the attacker sees (rounded, at least one).

    goal : {"push", "nuke"}, default="push"
        Whether targets are given the highest or the lowest rating level.

    random_state : int, RandomState instance or None, default=None
        Determines targets, known users and profiles, each from a stream of its own: attacks with
        the same int share targets and known users.

    Attributes
    ----------
    poison_ : csr_array or csr_matrix of shape (n_fake_profiles, n_items)
        The fake profiles, on the scale of the data.

    n_distinct_profiles_ : int
        How many of them are distinct: copies of one profile are easy to detect.

    selected_items_ : ndarray of shape (n_selected,)
        Sorted indices of the items that the generator rates.

    target_items_ : ndarray of shape (n_targets,)
        Indices of the target items.

    known_users_ : ndarray of shape (n_known_users,)
        Sorted indices of the users whose profiles were seen.

    rating_levels_ : ndarray of shape (n_levels,)
        Sorted rating levels; ratings of fake profiles are among them.

    n_iter_ : int
        Number of epochs for which the networks are trained, if there are selected items.

    n_features_in_ : int
        Number of items.

    feature_names_in_ : ndarray of shape (n_items,)
        Names of the items, if `X` had any.

    See Also
    --------
    BandwagonAttackTransformer : Rates popular items highest, and all others at random.
    CoAttackTransformer : Chooses what to rate by means of a surrogate recommender.

    Notes
    -----
    .. note::
        `fit_transform(X)` appends the fake profiles to `X`, `transform(X)` returns `X` as it is,
        so ``fit_transform(X)`` differs from ``fit(X).transform(X)``. In a pipeline, the model is
        thereby trained on poisoned data and asked about genuine users only.

    Templates are the known users who have rated enough to fill a profile without selected and
    target items. If these are fewer than the fake profiles, those with most ratings come next, and
    their fake profiles are shorter than allowed. A template is used again only after all others.

    With F the sampled fillers of a template u, S the selected items that it has rated,
    :math:`r_{uj}` its ratings divided by the highest level and :math:`g_{uj}` those of the
    generator, which lie between the lowest and the highest level, the generator minimises the mean
    over templates, selected items and items of the shilling loss of

    .. math:: -\log D(r_{uF}, g_{uS}) + w_r (g_{uj} - r_{uj})^2 + w_s (a_t - g_{ut})^2

    The second term, the reconstruction loss, is there for the selected items that the template has
    rated; the third, the shilling loss, for the items t of `shilling_items`, where :math:`a_t` is
    the rating aimed at. The discriminator D is trained to tell :math:`(r_{uF}, r_{uS})` from
    :math:`(r_{uF}, g_{uS})`. In each epoch fillers are sampled anew.

    The budget fixes the ratings of targets, so that those of the generator are not used: a shilling
    loss on them acts on the hidden layer that they share with the selected items, and is soon
    fulfilled. One on the selected items rates these high whatever the goal, since high ratings tie
    the fake users to the genuine ones who like these items. In trials on MovieLens-100K and
    FilmTrust the two were equally strong, and as strong as templates without selected items and
    networks: what promotes the targets is that fake profiles resemble genuine ones.

    Three things differ from the original. It takes the selected items from the attacker, who has
    certain users in mind; here they are the items with most known ratings (of equal ones those with
    the lower index), since the targets are meant for all users. The original shows the
    discriminator all selected items: what the template has not rated then gives the fake profile
    away, whatever its rating. The weights of the losses are parameters, as the original's depend on
    the rating scale.

    The attacker needs to know some profiles and the rating levels; nothing about the victim. An
    epoch takes O(n_template_ratings log n_template_ratings + n_templates n_items n_hidden) time;
    memory is O(n_ratings + (n_hidden + batch_size) n_items + n_fake_profiles n_fillers).

    References
    ----------
    .. [1] C. Lin, S. Chen, H. Li, Y. Xiao, L. Li, Q. Yang, "Attacking recommender systems with
       augmented user profiles", CIKM 2020. :doi:`10.1145/3340531.3411884`

    Examples
    --------
    >>> from skrecsec.attacks import AUSHAttackTransformer
    >>> from skrecsec.datasets import make_ratings
    >>> X = make_ratings(100, 80, density=0.2, random_state=0)
    >>> attack = AUSHAttackTransformer(max_iter=10, random_state=0)
    >>> attack.fit_transform(X).shape
    (103, 80)
    >>> attack.selected_items_.size
    2
    """

    _parameter_constraints: dict = {
        **BaseAttackTransformer._parameter_constraints,
        "selected_fraction": [Interval(Real, 0, 1, closed="both")],
        "filler_sampling": [StrOptions({"popularity", "random", "rating", "similarity"})],
        "reconstruction_weight": [Interval(Real, 0, None, closed="left")],
        "shilling_weight": [Interval(Real, 0, None, closed="left")],
        "shilling_items": [StrOptions({"targets", "selected"})],
        "n_hidden": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        *,
        selected_fraction=0.2,
        filler_sampling="popularity",
        reconstruction_weight=10.0,
        shilling_weight=2.0,
        shilling_items="targets",
        n_hidden=64,
        max_iter=50,
        learning_rate=0.001,
        batch_size=64,
        target_items="unpopular",
        n_targets=5,
        attack_size=0.03,
        n_fillers="mean",
        knowledge=0.4,
        goal="push",
        random_state=None,
    ):
        super().__init__(
            target_items=target_items,
            n_targets=n_targets,
            attack_size=attack_size,
            n_fillers=n_fillers,
            knowledge=knowledge,
            goal=goal,
            random_state=random_state,
        )
        self.selected_fraction = selected_fraction
        self.filler_sampling = filler_sampling
        self.reconstruction_weight = reconstruction_weight
        self.shilling_weight = shilling_weight
        self.shilling_items = shilling_items
        self.n_hidden = n_hidden
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.batch_size = batch_size

    def _craft_profiles(self, known, budget, rng):
        known = sp.csr_array(known)
        n_selected = round(self.selected_fraction * budget.n_fillers)
        selected = popular_items(known, n_selected, budget)
        sampler = FillerSampler(
            weights=filler_weights(known, selected, self.filler_sampling),
            n_fillers=budget.n_fillers - n_selected,
        )
        templates = choose_templates(known, selected, sampler.n_fillers, budget)
        # A template is used again only after all others.
        n_rounds = -(-budget.n_profiles // templates.n_users)
        rounds = np.tile(np.arange(templates.n_users), (n_rounds, 1))
        users = rng.permuted(rounds, axis=1).ravel()[: budget.n_profiles]
        fillers = sampler.sample(templates.fillers[users], rng)
        self.selected_items_ = selected
        self.n_iter_ = self.max_iter
        if n_selected == 0:
            return fillers
        ratings = self._rate_selected_items(templates, sampler, fillers, budget, rng)
        return add_ratings(fillers, selected, ratings)

    def _rate_selected_items(self, templates, sampler, fillers, budget, rng):
        """Train the networks and return the generator's ratings, (n_profiles, n_selected)."""
        import torch  # takes seconds, and other attacks do without

        on_targets = self.shilling_items == "targets"
        with single_threaded(), torch.enable_grad():
            networks = AdversarialNetworks(
                n_items=fillers.shape[1],
                n_selected=templates.selected.shape[1],
                n_shilled=budget.target_items.size if on_targets else 0,
                shilling_aim=budget.target_rating if on_targets else budget.rating_levels[-1],
                n_hidden=self.n_hidden,
                rating_range=(budget.rating_levels[0], budget.rating_levels[-1]),
                loss_weights=(self.reconstruction_weight, self.shilling_weight),
                learning_rate=self.learning_rate,
                rng=rng,
            )
            for _ in range(self.max_iter):
                self._run_epoch(networks, templates, sampler, rng)
            blocks = gen_batches(fillers.shape[0], self.batch_size)
            ratings = np.concatenate([networks.rate(fillers[block]) for block in blocks])
        if not np.isfinite(ratings).all():
            raise ValueError(
                f"The networks diverged; decrease learning_rate={self.learning_rate}, "
                f"reconstruction_weight={self.reconstruction_weight} or "
                f"shilling_weight={self.shilling_weight}."
            )
        return ratings

    def _run_epoch(self, networks, templates, sampler, rng):
        fillers = sampler.sample(templates.fillers, rng)
        order = rng.permutation(templates.n_users)
        for batch in gen_batches(order.size, self.batch_size):
            users = order[batch]
            networks.step(fillers[users], templates.selected[users])


# --- templates ------------------------------------------------------------------------------------


def popular_items(known, n_selected: int, budget) -> np.ndarray:
    """Return the items with most known ratings, sorted; targets are left out."""
    counts = np.bincount(known.indices, minlength=known.shape[1])
    return np.sort(candidates_by_popularity(counts, budget)[:n_selected])


class Templates(NamedTuple):
    """Genuine profiles, cut into the two parts that are treated differently.

    `fillers` is CSR, (n_users, n_items), without the ratings of selected and target items;
    `selected` is dense, (n_users, n_selected), 0 where there is no rating.
    """

    fillers: sp.csr_array
    selected: np.ndarray

    @property
    def n_users(self) -> int:
        """Number of templates."""
        return self.selected.shape[0]


def choose_templates(known, selected, n_fillers: int, budget) -> Templates:
    """Return the known profiles with enough fillers, or else the longest that there are.

    No profile without ratings is taken, and none but those with enough fillers if they suffice for
    a template per fake profile.
    """
    is_filler = np.ones(known.shape[1], dtype=bool)
    is_filler[selected] = False
    is_filler[budget.target_items] = False
    fillers = known.copy()
    fillers.data = np.where(is_filler[fillers.indices], fillers.data, 0)
    fillers.eliminate_zeros()
    rated = np.flatnonzero(np.diff(known.indptr))
    n_usable = np.minimum(np.diff(fillers.indptr)[rated], n_fillers)
    n_templates = max(budget.n_profiles, np.count_nonzero(n_usable == n_fillers))
    users = np.sort(rated[np.argsort(-n_usable, kind="stable")[:n_templates]])
    return Templates(fillers[users], known[users][:, selected].toarray())


def filler_weights(known, selected, sampling: str) -> np.ndarray:
    """Return, for each item, what its chance of being kept as a filler is proportional to."""
    n_items = known.shape[1]
    counts = np.bincount(known.indices, minlength=n_items)
    if sampling == "random":
        weights = np.ones(n_items)
    elif sampling == "popularity":
        weights = counts.astype(float)
    elif sampling == "rating":
        weights = np.bincount(known.indices, known.data, minlength=n_items) / np.maximum(counts, 1)
    else:
        norms = np.sqrt(np.bincount(known.indices, known.data**2, minlength=n_items))
        inverse_norms = 1 / np.where(norms > 0, norms, 1)
        # The sum of the cosines with each of the selected items, as two products with a vector.
        indicator = np.zeros(n_items)
        indicator[selected] = inverse_norms[selected]
        weights = inverse_norms * (known.T @ (known @ indicator))
    return np.maximum(weights, _SMALLEST_WEIGHT)


class FillerSampler(NamedTuple):
    """Draws which ratings of a template are kept, without replacement, by the items' weights."""

    weights: np.ndarray
    n_fillers: int

    def sample(self, ratings, rng) -> sp.csr_array:
        """Return `n_fillers` ratings of each row, or all where there are fewer.

        Exponential times with the weights as rates: those that come first are distributed like
        successive draws. O(n_ratings log n_ratings).
        """
        rows = np.repeat(np.arange(ratings.shape[0]), np.diff(ratings.indptr))
        times = rng.standard_exponential(ratings.nnz) / self.weights[ratings.indices]
        order = np.lexsort((times, rows))
        places = np.arange(ratings.nnz) - ratings.indptr[rows]
        kept = order[places < self.n_fillers]
        sample = (ratings.data[kept], (rows[kept], ratings.indices[kept]))
        return sp.csr_array(sample, shape=ratings.shape)


def add_ratings(profiles, items, ratings) -> sp.csr_array:
    """Return the profiles with ratings of items, (n_profiles, n_items_rated), that they lack."""
    return profiles + profiles_from_fillers(
        np.tile(items, (profiles.shape[0], 1)), ratings, profiles.shape[1]
    )


# --- networks -------------------------------------------------------------------------------------


class Perceptron:
    """A perceptron of rectified linear units, trained by Adam (Kingma & Ba, 2015).

    Modules of torch draw their weights from its global random state when they are made, and the
    first optimiser of a process takes a second to import: hence neither is used.
    """

    _BETA1, _BETA2, _EPS = 0.9, 0.999, 1e-8

    def __init__(self, sizes, learning_rate: float, rng):
        """Draw the weights of layers with the given numbers of units, Xavier-uniform."""
        self.parameters = []
        for n_inputs, n_outputs in pairwise(sizes):
            bound = np.sqrt(6 / (n_inputs + n_outputs))
            weights = rng.uniform(-bound, bound, (n_inputs, n_outputs))
            self.parameters += [_tensor(weights), _tensor(np.zeros(n_outputs))]
        for parameter in self.parameters:
            parameter.requires_grad_()
        self._moments = [
            parameter.new_zeros((2, *parameter.shape)) for parameter in self.parameters
        ]
        self._learning_rate = learning_rate
        self._n_steps = 0

    def __call__(self, x):
        """Return the outputs of the last layer, (n_rows, n_outputs), before any non-linearity."""
        *hidden, last = zip(self.parameters[::2], self.parameters[1::2], strict=True)
        for weights, bias in hidden:
            x = (x @ weights + bias).relu()
        return x @ last[0] + last[1]

    def step(self, loss):
        """Take one step down the gradient of a loss that was computed with this network."""
        import torch

        gradients = torch.autograd.grad(loss, self.parameters)
        self._n_steps += 1
        step_size = self._learning_rate / (1 - self._BETA1**self._n_steps)
        correction = 1 - self._BETA2**self._n_steps
        with torch.no_grad():
            for parameter, gradient, (mean, square) in zip(
                self.parameters, gradients, self._moments, strict=True
            ):
                mean.lerp_(gradient, 1 - self._BETA1)
                square.lerp_(gradient.square(), 1 - self._BETA2)
                scale = (square / correction).sqrt_().add_(self._EPS)
                parameter.addcdiv_(mean, scale, value=-step_size)


class AdversarialNetworks:
    """The generator, which rates selected items, and the discriminator, which judges profiles.

    Fillers come in as CSR, ratings of selected items as arrays, 0 where there is none, all on the
    scale of the data; the networks see them divided by the highest level. The shilling loss drives
    ratings to `shilling_aim`: those of `n_shilled` items of its own, or of the selected ones for 0.
    """

    def __init__(
        self,
        *,
        n_items,
        n_selected,
        n_shilled,
        shilling_aim,
        n_hidden,
        rating_range,
        loss_weights,
        learning_rate,
        rng,
    ):
        self._lowest, self._highest = (float(level) for level in rating_range)
        self._n_selected = n_selected
        self._first_shilled = n_selected if n_shilled else 0
        self._shilling_aim = float(shilling_aim) / self._highest
        self._loss_weights = loss_weights
        sizes = [n_items, n_hidden, n_selected + n_shilled]
        self.generator = Perceptron(sizes, learning_rate, rng)
        self.discriminator = Perceptron(
            [n_items + n_selected, n_hidden, n_hidden, 1], learning_rate, rng
        )

    def rate(self, fillers) -> np.ndarray:
        """Return the generator's ratings of the selected items, (n_profiles, n_selected)."""
        ratings, _ = self._generate(_tensor(fillers.toarray() / self._highest))
        return ratings.detach().numpy().astype(np.float64) * self._highest

    def step(self, fillers, selected):
        """Train the discriminator, then the generator, on a batch of templates."""
        fillers = _tensor(fillers.toarray() / self._highest)
        genuine = _tensor(selected / self._highest)
        rated = (genuine > 0).to(genuine.dtype)
        generated, shilled = self._generate(fillers)
        on_genuine = self._judge(fillers, genuine)
        on_generated = self._judge(fillers, generated.detach() * rated)
        self.discriminator.step(discriminator_loss(on_genuine, on_generated))
        judgement = self._judge(fillers, generated * rated)
        shortfalls = self._shilling_aim - shilled
        loss = generator_loss(judgement, generated, genuine, rated, shortfalls, *self._loss_weights)
        self.generator.step(loss)

    def _generate(self, fillers):
        """Return the ratings of the selected items and those that the shilling loss acts on."""
        lowest = self._lowest / self._highest
        ratings = lowest + (1 - lowest) * self.generator(fillers).sigmoid()
        return ratings[:, : self._n_selected], ratings[:, self._first_shilled :]

    def _judge(self, fillers, selected):
        """Return the log-odds, to the discriminator, that profiles are genuine."""
        return self.discriminator(_hstack(fillers, selected))


def discriminator_loss(on_genuine, on_generated):
    """Return the mean negative log-likelihood of both labels, given log-odds of being genuine."""
    from torch.nn.functional import softplus

    return softplus(-on_genuine).mean() + softplus(on_generated).mean()


def generator_loss(
    judgement,
    generated,
    genuine,
    rated,
    shortfalls,
    reconstruction_weight: float,
    shilling_weight: float,
):
    """Return adversarial, reconstruction and shilling loss together.

    `judgement` is the discriminator's on the generated profiles, `rated` is 1 where a template has
    rated a selected item, `shortfalls` are what ratings lack of those aimed at; all ratings are on
    the [0, 1] scale.
    """
    from torch.nn.functional import softplus

    adversarial = softplus(-judgement).mean()
    errors = (generated - genuine).square() * rated
    reconstruction = errors.sum() / rated.sum().clamp(min=1)
    shilling = shortfalls.square().mean()
    return adversarial + reconstruction_weight * reconstruction + shilling_weight * shilling


def _tensor(array):
    import torch

    # A copy, in memory that torch has aligned: the bits of its products may depend on that.
    return torch.tensor(array, dtype=torch.float32, device="cpu")


def _hstack(*tensors):
    import torch

    return torch.cat(tensors, dim=1)
