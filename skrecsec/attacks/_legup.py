"""Leg-UP: genuine profiles as templates, re-rated by a generator that a surrogate teaches."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from sklearn.utils import gen_batches

from skrecsec.attacks._legup_surrogate import ListSurrogate
from skrecsec.attacks._templates import FillerSampler, choose_templates, filler_weights
from skrecsec.base import BaseAttackTransformer, complete_profiles
from skrecsec.utils._compat import Count, Number, StrOptions
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete
from skrecsec.utils._threads import single_threaded

_NO_ITEMS = np.empty(0, dtype=np.int64)


@register("attack", "legup")
@complete
class LegUPAttackTransformer(BaseAttackTransformer):
    r"""Leg-UP: genuine profiles, re-rated by a generator that a surrogate recommender teaches.

    A fake profile has some of the items of a template, the profile of a genuine user. All of them
    are rated anew, by the generator of a generative adversarial network. What it gives are rating
    levels: its outputs are cut at thresholds that are learned for each item. It is trained to
    deceive a discriminator, and to promote the targets in a surrogate that is fitted to the
    profiles.

    Parameters
    ----------
    filler_sampling : {"popularity", "random", "rating"}, default="popularity"
        What the chance of a template's item to be taken is proportional to: the number of ratings
        of the item, nothing (all are alike), or the mean rating of the item.

    reconstruction_weight : float, default=100.0
        Weight of the reconstruction loss against the adversarial loss.

    attack_weight : float, default=30.0
        Weight of the attack loss against the adversarial loss, its gradient having been scaled to
        unit root mean square.

    n_hidden : int, default=64
        Number of units of a hidden layer: the generator has one such layer, the discriminator two.

    n_pretrain_iter : int, default=15
        Number of epochs in which the generator learns to give the ratings of all templates.

    max_iter : int, default=50
        Number of steps of discriminator and generator that follow.

    learning_rate : float, default=0.005
        Step size of Adam, for both networks.

    batch_size : int, default=64
        Number of templates of a mini-batch.

    %(ridge_surrogate)s

    n_sweeps : int, default=2
        Number of alternating sweeps of ridge solves in each step: so many to fit the surrogate
        again, and so many to differentiate through.

    %(attack)s

    n_iter_ : int
        Number of steps.

    See Also
    --------
    AUSHAttackTransformer : Keeps most of the template's ratings, and has no surrogate.
    PGAAttackTransformer : Takes the gradient through the same surrogate, and chooses items by it.

    Notes
    -----
    %(appends_rows)s

    Templates are chosen as by :class:`AUSHAttackTransformer`. With :math:`a_{fi}` the output of the
    generator for an item of a template, levels :math:`l_0 < l_1 < \dots` and the learned thresholds
    :math:`b_{i1} < b_{i2} < \dots` of the item, the rating is :math:`l_0 + \sum_k (l_k - l_{k-1})
    H(a_{fi} - b_{ik})` with H the unit step, whose derivative is taken for that of
    :math:`(1 + \tanh(x / (l_k - l_{k-1}))) / 2`.

    The attack loss is the mean, over known users u and the targets t that they have not rated, of

    .. math:: -\log \frac{\exp s_{ut}}{\sum_{i: s_{ui} \ge s_{ut}} \exp s_{ui}}

    with the sum over items that u has not rated, s being five times the surrogate's prediction on
    the [0, 1] scale; to demote, s changes its sign. The surrogate is the ridge factorisation of
    :class:`PGAAttackTransformer`, fitted to the known and the fake ratings, and its derivative is
    taken in the same way.

    What differs from the original [1]_: its surrogate is trained by gradient steps, the last of
    which is differentiated through; it takes turns between some dozens of steps on the attack loss
    and one on the adversarial loss, where each step here is on both, and on the reconstruction
    loss, which it uses before that only; its templates are of any length; and its discriminator
    sees whole genuine profiles, which are told from fake ones by their length.

    The items of a fake profile are those of its template: to a victim that does not read how items
    were rated, the networks make no difference.

    The attacker needs to know some profiles and the rating levels; nothing about the victim. A step
    takes O(n_sweeps (n_ratings n_factors^2 + (n_users + n_items) n_factors^3) + n_users n_items
    (n_factors + n_targets) + (n_fake_profiles + batch_size) n_items n_hidden) time, users and
    ratings being the known and the fake ones. Memory is O(n_ratings + (n_users + n_items) n_factors
    + n_items (n_hidden + n_levels) + (n_fake_profiles + batch_size) n_items), and one block of
    scores.

    References
    ----------
    .. [1] C. Lin, S. Chen, M. Zeng, S. Zhang, M. Gao, H. Li, "Shilling Black-box Recommender
       Systems by Learning to Generate Fake User Profiles", IEEE Transactions on Neural Networks and
       Learning Systems, 2022. :doi:`10.48550/arXiv.2206.11433`

    %(attack.example)s
    >>> attack = LegUPAttackTransformer(max_iter=10, random_state=0)
    >>> attack.fit_transform(X).shape
    (103, 80)
    """

    _parameter_constraints: dict = {
        **BaseAttackTransformer._parameter_constraints,
        "filler_sampling": [StrOptions({"popularity", "random", "rating"})],
        "reconstruction_weight": [Number(0, None, closed="left")],
        "attack_weight": [Number(0, None, closed="left")],
        "n_hidden": [Count()],
        "n_pretrain_iter": [Count(0)],
        "max_iter": [Count()],
        "learning_rate": [Number(0, None, closed="neither")],
        "batch_size": [Count()],
        "n_factors": [Count()],
        "reg": [Number(0, 1, closed="neither")],
        "n_sweeps": [Count()],
    }

    def __init__(
        self,
        *,
        filler_sampling="popularity",
        reconstruction_weight=100.0,
        attack_weight=30.0,
        n_hidden=64,
        n_pretrain_iter=15,
        max_iter=50,
        learning_rate=0.005,
        batch_size=64,
        n_factors=16,
        reg=0.05,
        n_sweeps=2,
        **threat_model,
    ):
        super().__init__(**threat_model)
        self.filler_sampling = filler_sampling
        self.reconstruction_weight = reconstruction_weight
        self.attack_weight = attack_weight
        self.n_hidden = n_hidden
        self.n_pretrain_iter = n_pretrain_iter
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_factors = n_factors
        self.reg = reg
        self.n_sweeps = n_sweeps

    def _craft_profiles(self, known, budget, rng):
        self.n_iter_ = self.max_iter
        highest = budget.rating_levels[-1]
        known = sp.csr_array(known) / highest
        weights = filler_weights(known, _NO_ITEMS, self.filler_sampling)
        sampler = FillerSampler(weights, budget.n_fillers)
        templates = choose_templates(known, _NO_ITEMS, budget.n_fillers, budget)
        users = templates.draw(budget.n_profiles, rng)
        fillers = sampler.sample(templates.fillers[users], rng)
        if fillers.nnz > 0 and budget.rating_levels.size > 1:
            fillers.data = self._train(known, templates, sampler, fillers, budget, rng)
        return fillers * highest

    def _train(self, known, templates, sampler, fillers, budget, rng):
        """Train the networks and return the generator's ratings of the fillers, (n_ratings,)."""
        import torch  # takes seconds, and other attacks do without

        from skrecsec.attacks._legup_networks import LegUPNetworks

        with single_threaded(), torch.enable_grad():
            networks = LegUPNetworks(
                budget.rating_levels / budget.rating_levels[-1],
                fillers.shape[1],
                self.n_hidden,
                float(self.learning_rate),
                (float(self.reconstruction_weight), float(self.attack_weight)),
                rng,
            )
            surrogate = ListSurrogate(
                known,
                budget.target_items,
                budget.n_profiles,
                1 if self.goal == "push" else -1,
                n_factors=self.n_factors,
                reg=self.reg,
                n_sweeps=self.n_sweeps,
                rng=rng,
            )
            for _ in range(self.n_pretrain_iter):
                for batch in self._batches(templates, sampler, rng):
                    networks.reconstruct(batch)
            for _ in range(self.max_iter):
                ratings, profiles = networks.generate(fillers)
                slopes = _slopes(surrogate, fillers, self._numbers(ratings), budget)
                networks.judge(next(self._batches(templates, sampler, rng)), profiles)
                networks.step(ratings, profiles, fillers.data, slopes)
            return self._numbers(networks.generate(fillers)[0])

    def _batches(self, templates, sampler, rng):
        """Yield parts of all templates in random order, in mini-batches."""
        order = rng.permutation(templates.n_users)
        for batch in gen_batches(order.size, self.batch_size):
            yield sampler.sample(templates.fillers[order[batch]], rng)

    def _numbers(self, ratings):
        """Return generated ratings in double precision, or raise a ValueError."""
        ratings = ratings.detach().numpy().astype(np.float64)
        if not np.isfinite(ratings).all():
            raise ValueError(
                f"The networks diverged; decrease learning_rate={self.learning_rate}, "
                f"reconstruction_weight={self.reconstruction_weight} or "
                f"attack_weight={self.attack_weight}."
            )
        return ratings


def _slopes(surrogate, fillers, ratings, budget):
    """Return the derivatives of the attack loss by the ratings, of unit root mean square.

    `fillers` has the places of the ratings, (n_ratings,), on the [0, 1] scale.
    """
    highest = budget.rating_levels[-1]
    rated = sp.csr_array((ratings * highest, fillers.indices, fillers.indptr), fillers.shape)
    fakes = complete_profiles(rated, fillers.shape[1], budget) / highest
    rows = np.repeat(np.arange(fillers.shape[0]), np.diff(fillers.indptr))
    _, slopes = surrogate.slopes(fakes, rows, fillers.indices)
    largest = np.abs(slopes).max()
    if largest > 0:
        slopes /= largest  # so that squares do not underflow
        slopes /= np.sqrt((slopes**2).mean())
    return slopes
