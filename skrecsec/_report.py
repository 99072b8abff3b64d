"""The page that `python -m skrecsec --report` writes: a table, plots, and what made them."""

from __future__ import annotations

import base64
import html
import shlex

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1.5rem 0; }
th, td { padding: .35rem .9rem; text-align: right; border-bottom: 1px solid #8886; }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom: 2px solid #888; }
figure { margin: 1.5rem 0; }
img { max-width: 100%; background: white; border-radius: 6px; }
figcaption, footer, dt { color: #777; font-size: .9rem; }
code { background: #8882; padding: .1rem .3rem; border-radius: 4px; }
"""


def report_page(
    *, title, summary, heading, lines, explanations, figures, arguments, versions
) -> str:
    """Return a page that needs no other file and no network.

    Parameters
    ----------
    title, summary : str
        What was done.

    heading, lines : list of str, list of list of str
        The table.

    explanations : dict of str
        What the columns mean, by heading.

    figures : list of tuple
        For each figure a title, what it shows, and a function that draws it on axes.

    arguments : list of str
        Those of the command line.

    versions : dict of str
        Versions of packages.
    """
    text = html.escape
    parts = [
        f"<h1>{text(title)}</h1>",
        f"<p>{text(summary)}</p>",
        _table(heading, lines),
        "<dl>",
        *(f"<dt>{text(name)}</dt><dd>{text(what)}</dd>" for name, what in explanations.items()),
        "</dl>",
    ]
    for name, caption, draw in figures:
        image = base64.b64encode(_draw(draw)).decode()
        parts.append(
            f'<figure><h2>{text(name)}</h2><img alt="{text(caption)}" '
            f'src="data:image/png;base64,{image}"><figcaption>{text(caption)}</figcaption></figure>'
        )
    command = shlex.join(["python", "-m", "skrecsec", *arguments])
    used = ", ".join(f"{name} {version}" for name, version in versions.items())
    parts.append(f"<footer><p>Made by <code>{text(command)}</code> with {text(used)}.</p></footer>")
    body = "\n".join(parts)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{text(title)}</title>'
        f"<style>{STYLE}</style></head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _table(heading, lines):
    def row(cells, tag):
        return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

    body = "\n".join(row(cells, "td") for cells in lines)
    return f"<table><thead>{row(heading, 'th')}</thead>\n<tbody>{body}</tbody></table>"


def _draw(draw):
    from skrecsec.utils._figures import as_bytes, figure_without_window

    figure, (ax,) = figure_without_window(1, (8, 4.6))
    draw(ax)
    return as_bytes(figure, "png")
