"""AUSH: genuine profiles as templates, parts of which a generative adversarial network re-rates."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from sklearn.utils import gen_batches

from skrecsec.attacks._fillers import candidates_by_popularity, profiles_from_fillers
from skrecsec.attacks._templates import FillerSampler, choose_templates, filler_weights
from skrecsec.base import BaseAttackTransformer
from skrecsec.utils._compat import Count, Number, StrOptions
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete
from skrecsec.utils._threads import single_threaded


@register("attack", "aush")
@complete
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

    %(attack)s

    selected_items_ : ndarray of shape (n_selected,)
        Sorted indices of the items that the generator rates.

    n_iter_ : int
        Number of epochs for which the networks are trained, if there are selected items.

    See Also
    --------
    BandwagonAttackTransformer : Rates popular items highest, and all others at random.
    CoAttackTransformer : Chooses what to rate by means of a surrogate recommender.

    Notes
    -----
    %(appends_rows)s

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

    %(attack.example)s
    >>> attack = AUSHAttackTransformer(max_iter=10, random_state=0)
    >>> attack.fit_transform(X).shape
    (103, 80)
    >>> attack.selected_items_.size
    2
    """

    _parameter_constraints: dict = {
        **BaseAttackTransformer._parameter_constraints,
        "selected_fraction": [Number(0, 1, closed="both")],
        "filler_sampling": [StrOptions({"popularity", "random", "rating", "similarity"})],
        "reconstruction_weight": [Number(0, None, closed="left")],
        "shilling_weight": [Number(0, None, closed="left")],
        "shilling_items": [StrOptions({"targets", "selected"})],
        "n_hidden": [Count()],
        "max_iter": [Count()],
        "learning_rate": [Number(0, None, closed="neither")],
        "batch_size": [Count()],
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
        **threat_model,
    ):
        super().__init__(**threat_model)
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
        users = templates.draw(budget.n_profiles, rng)
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

        from skrecsec.attacks._aush_networks import AdversarialNetworks

        on_targets = self.shilling_items == "targets"
        with single_threaded(), torch.enable_grad():
            networks = AdversarialNetworks(
                n_items=fillers.shape[1],
                n_selected=templates.selected.shape[1],
                n_shilled=budget.target_items.size if on_targets else 0,
                shilling_aim=budget.target_rating if on_targets else budget.rating_levels[-1],
                n_hidden=self.n_hidden,
                rating_range=(budget.rating_levels[0], budget.rating_levels[-1]),
                loss_weights=(float(self.reconstruction_weight), float(self.shilling_weight)),
                learning_rate=float(self.learning_rate),
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


def popular_items(known, n_selected: int, budget) -> np.ndarray:
    """Return the items with most known ratings, sorted; targets are left out."""
    counts = np.bincount(known.indices, minlength=known.shape[1])
    return np.sort(candidates_by_popularity(counts, budget)[:n_selected])


def add_ratings(profiles, items, ratings) -> sp.csr_array:
    """Return the profiles with ratings of items, (n_profiles, n_items_rated), that they lack."""
    return profiles + profiles_from_fillers(
        np.tile(items, (profiles.shape[0], 1)), ratings, profiles.shape[1]
    )
