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
    By name, the `color`, `linestyle` and `marker` that were used. Passed to another display as
    `styles`, it has the same names drawn alike.
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
    By name, `color`, `linestyle` and `marker`, or some of them: what has one of these names is
    drawn so. The others get what no name in `styles` has. Takes the `styles_` of another display.
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
