"""Lists of public names, made of what the package exports and what is registered.

`conf.py` writes the reference pages, ``docs/api.rst`` and ``docs/api``, from
``docs/templates/api.txt``, in which a line ``.. names:: MODULE PATTERN`` stands for the public
names of a module that match a regular expression, but for those that a line before it stands for.
``python docs/reference.py`` renews the table in README.md; a test compares it.
"""

import importlib
import re
from pathlib import Path

from skrecsec.utils._registry import registered

DOCS = Path(__file__).parent
README = DOCS.parent / "README.md"
BEGIN = "<!-- made by docs/reference.py -->\n"
END = "<!-- end -->\n"

# What the README says of each kind of thing; {names} are those that are public, or registered.
ROWS = {
    "Recommenders": (
        "skrecsec.recommenders",
        "[A-Z].*",
        "{names}: `fit`, `predict`, `recommend`, `score`; profiles never seen in training are "
        "folded in",
    ),
    "Defense": (
        "skrecsec.recommenders",
        "recommended_.*",
        "{names}: filter, model and gate, with settings for the ratings at hand, unfitted",
    ),
    "Attacks": (
        "skrecsec.attacks",
        ".*Transformer",
        "{names}; with one threat model: targets, size, fillers, knowledge, push or nuke",
    ),
    "Detectors": (
        "skrecsec.detection",
        ".*Detector",
        "{names}: `fit`, `fit_predict`; scores, verdicts, and who acts together on which items",
    ),
    "Features": (
        "skrecsec.detection",
        ".*Features",
        "{names}: `fit`, `transform`; what the literature tells fake profiles by, for classifiers "
        "of scikit-learn's",
    ),
    "Metrics": (
        "skrecsec.metrics",
        ".*_(score|shift)",
        "{names}; rated items are masked, all others ranked",
    ),
    "Scorers": ("skrecsec.metrics", ".*Scorer", "{names}, for `scoring=`; by name: {scorers}"),
    "Splits": ("skrecsec.model_selection", "(?!.*Search).*", "{names}"),
    "Search": (
        "skrecsec.model_selection",
        ".*SearchCV",
        "{names}: settings of a recommender by attacking the ratings that it is to learn from",
    ),
    "Data": ("skrecsec.datasets", "(fetch|load|make)_.*", "{names}"),
    "Experiments": (
        "skrecsec.experiments",
        "[a-z].*",
        "{names}: repeated, parallel, resumable; `python -m skrecsec.experiments` makes the "
        "paper's tables and figures",
    ),
    "Displays": ("skrecsec.inspection", ".*", "{names}"),
    "Extending": (
        "skrecsec.base",
        "Base.*",
        "{names} and `skrecsec.utils.estimator_checks`, see "
        "[how to write your own](docs/guide/extending.rst)",
    ),
    "Shell": (
        "skrecsec",
        "(?!)",
        "`skrecsec`, or `python -m skrecsec`: attack ({attacks}), defend; with `worst-case` try "
        "all of them; with `audit FILE` find users who act alike; report as table, JSON, CSV or, "
        "with `--report out.html`, a page with plots",
    ),
}


def public_names(module, pattern=".*"):
    """Return the public names of a module that match, in order."""
    return sorted(n for n in importlib.import_module(module).__all__ if re.fullmatch(pattern, n))


def api_pages():
    """Return the text of the reference pages by path within the documentation, the first one first.

    There is one for each section of the template, named after its label.
    """
    listed = set()

    def block(found):
        new = [n for n in public_names(found[1], found[2]) if (found[1], n) not in listed]
        listed.update((found[1], name) for name in new)
        names = "\n   ".join(new)
        return (
            f".. currentmodule:: {found[1]}\n\n.. autosummary::\n   :toctree: ../generated\n"
            f"   :nosignatures:\n\n   {names}"
        )

    template = (DOCS / "templates" / "api.txt").read_text(encoding="utf-8")
    first, *sections = re.split(r"^(?=\.\. _)", template, flags=re.MULTILINE)
    pages = {}
    for section in sections:
        name = re.match(r"\.\. _([\w-]+):", section)[1]
        text = re.sub(r"^-+$", lambda line: "=" * len(line[0]), section, flags=re.MULTILINE)
        pages[f"api/{name.replace('-', '_')}.rst"] = re.sub(
            r"^\.\. names:: (\S+) (\S+)$", block, text, flags=re.MULTILINE
        )
    entries = "\n".join(f"   {path.removesuffix('.rst')}" for path in pages)
    return {"api.rst": f"{first}.. toctree::\n   :maxdepth: 1\n\n{entries}\n", **pages}


def readme_table():
    """Return the table of what there is."""
    lists = {f"{kind}s": _as_list(registered(kind)) for kind in ("attack", "scorer")}
    lines = ["| | |", "| --- | --- |"]
    for what, (module, pattern, text) in ROWS.items():
        names = _as_list(public_names(module, pattern))
        lines.append(f"| {what} | {text.format(names=names, **lists)} |")
    return "\n".join(lines) + "\n"


def _as_list(names):
    return ", ".join(f"`{name}`" for name in names)


def readme():
    """Return the README with its table renewed."""
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{readme_table()}{END}{after}"


if __name__ == "__main__":
    README.write_text(readme(), encoding="utf-8")
