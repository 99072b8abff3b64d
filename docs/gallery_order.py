"""The order of the examples in the gallery: from the first steps to what goes further."""

ORDER = [
    "plot_whole_story.py",
    "plot_attack_and_defend.py",
    "plot_find_fakes.py",
    "plot_filtered_recommender.py",
    "plot_own_ratings.py",
    "plot_audit.py",
    "plot_poison_profiles.py",
    "plot_rank_shifts.py",
    "plot_attack_strength.py",
    "plot_tcd_history.py",
    "plot_pseudo_label_ratio.py",
    "plot_honest_evaluation.py",
    "plot_supervised_detectors.py",
    "plot_grid_search.py",
    "plot_parallel_cross_validation.py",
    "plot_custom_attack.py",
]


class GalleryOrder:
    """A sort key for sphinx-gallery; examples that are not listed come last."""

    def __init__(self, src_dir):
        self.src_dir = src_dir

    def __repr__(self):
        return "GalleryOrder()"

    def __call__(self, filename):
        """Return what the files are sorted by."""
        return (ORDER.index(filename) if filename in ORDER else len(ORDER), filename)
