"""The order of the examples in the gallery: from the first steps to what goes further."""

SECTIONS = {  # folders of examples/
    "attack": [
        "plot_poison_profiles.py",
        "plot_attack_strength.py",
        "plot_evasion.py",
        "plot_ease_attack.py",
    ],
    "detect": ["plot_find_fakes.py", "plot_audit.py", "plot_supervised_detectors.py"],
    "defend": [
        "plot_whole_story.py",
        "plot_attack_and_defend.py",
        "plot_recommended_defense.py",
        "plot_filtered_recommender.py",
        "plot_exposure_gate.py",
        "plot_certificate.py",
        "plot_tcd_history.py",
        "plot_pseudo_label_ratio.py",
    ],
    "measure": [
        "plot_own_ratings.py",
        "plot_implicit_model.py",
        "plot_worst_case.py",
        "plot_rank_shifts.py",
        "plot_honest_evaluation.py",
        "plot_movielens_100k.py",
    ],
    "scale": ["plot_grid_search.py", "plot_parallel_cross_validation.py"],
    "extend": ["plot_custom_attack.py", "plot_custom_detector.py", "plot_custom_metric.py"],
}
ORDER = [name for names in SECTIONS.values() for name in names]


class GalleryOrder:
    """A sort key for sphinx-gallery; examples that are not listed come last."""

    def __init__(self, src_dir):
        self.src_dir = src_dir

    def __repr__(self):
        return "GalleryOrder()"

    def __call__(self, filename):
        """Return what the files are sorted by."""
        return (ORDER.index(filename) if filename in ORDER else len(ORDER), filename)
