"""Tables in HTML, for notebooks and reports; whatever is put into them is escaped."""

from __future__ import annotations

import html
from collections.abc import Sequence


def html_table(heading: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table, which scrolls within the page where it is wider.

    Examples
    --------
    >>> from skrecsec.utils._html import html_table
    >>> print(html_table(["name"], [["a < b"]]))
    <div style="overflow-x: auto"><table><thead><tr><th>name</th></tr></thead>
    <tbody><tr><td>a &lt; b</td></tr></tbody></table></div>
    """

    def row(cells, tag):
        return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

    body = "\n".join(row(cells, "td") for cells in lines)
    return (
        f'<div style="overflow-x: auto"><table><thead>{row(heading, "th")}</thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )
