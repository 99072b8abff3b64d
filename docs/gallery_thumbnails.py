"""Thumbnails of one panel: next to nothing of a whole figure could be read at their size."""

from pathlib import Path

# Which panel stands for the first figure of an example, where it is not the last one.
PANELS = {
    "plot_filtered_recommender": 0,
    "plot_poison_profiles": 1,
    "plot_tcd_history": 0,
}


def scrape(block, block_vars, gallery_conf):
    """Save the figures of a block as sphinx-gallery does, and beside each one of its panels."""
    import matplotlib.pyplot as plt
    from sphinx_gallery.scrapers import matplotlib_scraper

    figures = [plt.figure(number) for number in plt.get_fignums()]
    paths = block_vars["image_path_iterator"]
    first = len(paths) + 1
    # The scraper closes the figures, but they can be drawn all the same.
    rst = matplotlib_scraper(block, block_vars, gallery_conf)
    for number, figure in enumerate(figures, start=first):
        _save_panel(figure, Path(str(paths.image_path).format(number)))
    return rst


def _save_panel(figure, image):
    path = image.parent / "panels" / image.name
    path.unlink(missing_ok=True)
    panels: dict = {}  # by place: a second scale shares that of the first one
    for ax in figure.axes:
        if ax.get_subplotspec() is not None:  # as a colour bar has none
            panels.setdefault(ax.get_subplotspec(), ax)
    if len(panels) < 2:
        return
    name = image.stem.removeprefix("sphx_glr_").rpartition("_")[0]
    panel = list(panels.values())[PANELS.get(name, -1)]
    for ax in figure.axes:
        ax.set_visible(ax.get_subplotspec() == panel.get_subplotspec())
    for legend in figure.legends:
        legend.set_visible(False)
    # What it shares with its neighbours it now has to say itself.
    panel.tick_params(labelleft=True, labelbottom=True)
    handles, labels = panel.get_legend_handles_labels()
    if labels and panel.get_legend() is None:
        panel.legend(handles, labels)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, bbox_inches="tight")


def make_thumbnails(app):
    """Replace the thumbnails of whole figures, once sphinx-gallery has made them."""
    from sphinx_gallery.utils import scale_image

    for panel in Path(app.srcdir, "auto_examples").glob("*/images/panels/*_001.png"):
        thumbnail = f"{panel.stem.removesuffix('_001')}_thumb.png"
        path = panel.parents[1] / "thumb" / thumbnail
        scale_image(panel, path, *app.config.sphinx_gallery_conf["thumbnail_size"])
