"""Tables as text: Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def markdown_table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    r"""Return a table in Markdown, columns padded so that it reads well as it is.

    Examples
    --------
    >>> from skrecsec.experiments._tables import markdown_table
    >>> print(markdown_table(["model", "HR"], [["MF", "0.250"], ["a|b", "-"]]))
    | model |    HR |
    | :---- | ----: |
    | MF    | 0.250 |
    | a\|b  |     - |
    """
    lines = [[cell.replace("|", "\\|") for cell in line] for line in (heading, *rows)]
    widths = [max(3, *(len(line[c]) for line in lines)) for c in range(len(heading))]
    rule = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]
    padded = [
        [line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]
        for line in lines
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in (padded[0], rule, *padded[1:]))


def latex_table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    r"""Return a table in LaTeX, with the rules of the package booktabs.

    Examples
    --------
    >>> from skrecsec.experiments._tables import latex_table
    >>> print(latex_table(["model", "HR"], [["MF", "0.250 ± 0.012*"]]))
    \begin{tabular}{lr}
    \toprule
    model & HR \\
    \midrule
    MF & 0.250 $\pm$ 0.012\textsuperscript{*} \\
    \bottomrule
    \end{tabular}
    """
    first, *others = (" & ".join(map(_as_latex, line)) + r" \\" for line in (heading, *rows))
    return "\n".join(
        [
            r"\begin{tabular}{l" + "r" * (len(heading) - 1) + "}",
            r"\toprule",
            first,
            r"\midrule",
            *others,
            r"\bottomrule",
            r"\end{tabular}",
        ]
    )


def _as_latex(cell):
    text = "".join(_LATEX.get(character, character) for character in cell)
    return text.replace("±", r"$\pm$").replace("*", r"\textsuperscript{*}")
