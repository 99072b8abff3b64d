"""Training beside other libraries: what fits each model of each, for a few epochs.

All see the same ratings and have as many factors, and one thread.
"""

import os
import tempfile
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from skrecsec import BPRRecommender
from skrecsec.training._data import RatingData, initial_factors
from skrecsec.training._plans import plan_pairs
from skrecsec.training._sgd import SGDSolver

N_FACTORS = {"MF": 128, "BPR": 64, "ALS": 64}
N_EPOCHS = {"MF": 20, "BPR": 5, "ALS": 5}
OURS = "skrecsec"


def mf_of_this(X):
    def fit():
        rng = np.random.default_rng(0)
        data = RatingData.from_matrix(X, 0.0, rng)
        factors = initial_factors(1, *X.shape, N_FACTORS["MF"], rng)
        solver = SGDSolver(data, *factors, learning_rate=0.02, reg=0.01)
        for _ in range(N_EPOCHS["MF"]):
            solver.run_pairs(plan_pairs(data, rng))

    return fit


def bpr_of_this(X):
    return lambda: BPRRecommender(N_FACTORS["BPR"], max_iter=N_EPOCHS["BPR"], random_state=0).fit(X)


def of_cornac(X, model):
    import cornac

    users, items = X.nonzero()
    triplets = zip(users.tolist(), items.tolist(), X.data.tolist(), strict=True)
    train = cornac.data.Dataset.build(list(triplets), seed=0)
    options = {"max_iter": N_EPOCHS[model], "learning_rate": 0.02, "num_threads": 1, "seed": 0}
    return lambda: getattr(cornac.models, model)(k=N_FACTORS[model], **options).fit(train)


def mf_of_surprise(X):
    import pandas as pd
    import surprise

    users, items = X.nonzero()
    frame = pd.DataFrame({"user": users, "item": items, "rating": X.data})
    reader = surprise.Reader(rating_scale=(X.data.min(), X.data.max()))
    train = surprise.Dataset.load_from_df(frame, reader).build_full_trainset()
    return lambda: surprise.SVD(N_FACTORS["MF"], n_epochs=N_EPOCHS["MF"], random_state=0).fit(train)


def of_implicit(X, module, model, name):
    import implicit

    ones = sp.csr_matrix((np.ones(X.nnz, np.float32), X.indices, X.indptr), shape=X.shape)
    make = getattr(getattr(implicit, module), model)
    options = {"factors": N_FACTORS[name], "iterations": N_EPOCHS[name], "num_threads": 1}
    return lambda: make(**options, random_state=0).fit(ones, show_progress=False)


def bpr_of_recbole(X):
    import torch

    # It uses names that NumPy 2 no longer has.
    for name, kind in (("float_", np.float64), ("complex_", np.complex128), ("unicode_", np.str_)):
        setattr(np, name, kind)
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.model.general_recommender import BPR
    from recbole.trainer import Trainer

    folder = Path(tempfile.mkdtemp())
    (folder / "data").mkdir()
    users, items = X.nonzero()
    np.savetxt(
        folder / "data" / "data.inter",
        np.column_stack([users, items]),
        fmt="%d",
        delimiter="\t",
        header="user_id:token\titem_id:token",
        comments="",
    )
    settings = {
        "data_path": str(folder),
        "checkpoint_dir": str(folder),
        "load_col": {"inter": ["user_id", "item_id"]},
        "eval_args": {"split": {"RS": [1, 0, 0]}, "mode": "full", "order": "RO"},
        "embedding_size": N_FACTORS["BPR"],
        "use_gpu": False,
        "state": "ERROR",
        "show_progress": False,
    }
    os.chdir(folder)  # where it writes its logs
    config = Config(model="BPR", dataset="data", config_dict=settings)
    dataset = create_dataset(config)
    train, _, _ = data_preparation(config, dataset)
    torch.set_num_threads(1)

    def fit():
        trainer = Trainer(config, BPR(config, train.dataset))
        for epoch in range(N_EPOCHS["BPR"]):
            trainer._train_epoch(train, epoch)

    return fit


# By model and library; each takes ratings, and raises ImportError if its library is absent.
MAKERS = {
    ("MF", OURS): mf_of_this,
    ("MF", "cornac"): lambda X: of_cornac(X, "MF"),
    ("MF", "Surprise"): mf_of_surprise,
    ("BPR", OURS): bpr_of_this,
    ("BPR", "implicit"): lambda X: of_implicit(X, "bpr", "BayesianPersonalizedRanking", "BPR"),
    ("BPR", "cornac"): lambda X: of_cornac(X, "BPR"),
    ("BPR", "RecBole"): bpr_of_recbole,
    ("ALS", "implicit"): lambda X: of_implicit(X, "als", "AlternatingLeastSquares", "ALS"),
}
