"""Where the documentation is, for the links in the HTML representation of estimators."""

from __future__ import annotations

from functools import cache
from importlib import metadata


@cache
def documentation_url() -> str | None:
    """Return the address in `[project.urls]` of pyproject.toml, None while there is none."""
    try:
        urls = metadata.metadata("skrecsec").get_all("Project-URL") or []
    except metadata.PackageNotFoundError:  # a checkout that is not installed
        return None
    named = dict(url.split(", ", 1) for url in urls)
    return named.get("Documentation")


class DocumentationLinkMixin:
    """Lets scikit-learn's diagram of an estimator link to the page of its class.

    Classes of other packages that derive from those of this one have no link.
    """

    _doc_link_module = "skrecsec"

    @property
    def _doc_link_template(self) -> str:
        return f"{documentation_url()}/generated/{{estimator_module}}.{{estimator_name}}.html"

    def _get_doc_link(self) -> str:
        return super()._get_doc_link() if documentation_url() else ""  # type: ignore[misc]
