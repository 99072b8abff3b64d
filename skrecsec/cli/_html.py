"""Pages that need no other file and no network; whatever is put into them is escaped."""

from __future__ import annotations

import base64
import html
import shlex
from collections.abc import Callable, Sequence

from skrecsec.utils._figures import as_bytes, figure_without_window
from skrecsec.utils._versions import package_versions

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1.5rem 0; }
th, td { padding: .35rem .9rem; text-align: right; border-bottom: 1px solid #8886; }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom: 2px solid #888; }
p { overflow-wrap: anywhere; }
figure { margin: 1.5rem 0; }
img { max-width: 100%; background: white; border-radius: 6px; }
figcaption, footer, dt { color: #777; font-size: .9rem; }
code { background: #8882; padding: .1rem .3rem; border-radius: 4px; }
"""


def heading(text: str, level: int = 2) -> str:
    """Return a heading."""
    return f"<h{level}>{html.escape(text)}</h{level}>"


def paragraph(text: str) -> str:
    """Return a paragraph."""
    return f"<p>{html.escape(text)}</p>"


def definitions(explanations: dict[str, str]) -> str:
    """Return what names mean."""
    text = html.escape
    pairs = (f"<dt>{text(name)}</dt><dd>{text(what)}</dd>" for name, what in explanations.items())
    return "\n".join(["<dl>", *pairs, "</dl>"])


def figure(title: str, caption: str, draw: Callable, height: float = 4.6) -> str:
    """Return a figure, which a function draws on axes, of so many inches."""
    figure, (ax,) = figure_without_window(1, (8, height))
    draw(ax)
    image = base64.b64encode(as_bytes(figure, "png")).decode()
    text = html.escape(caption)
    return (
        f'<figure>{heading(title)}<img alt="{text}" '
        f'src="data:image/png;base64,{image}"><figcaption>{text}</figcaption></figure>'
    )


def page(title: str, parts: Sequence[str], command: Sequence[str]) -> str:
    """Return a page, with the command and the versions that have made it."""
    versions = package_versions("scikit-learn", "numpy")
    made_by = html.escape(shlex.join(command))
    used = html.escape(", ".join(f"{name} {version}" for name, version in versions.items()))
    footer = f"<footer><p>Made by <code>{made_by}</code> with {used}.</p></footer>"
    body = "\n".join([*parts, footer])
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style></head>\n<body>\n{body}\n</body>\n</html>\n"
    )
