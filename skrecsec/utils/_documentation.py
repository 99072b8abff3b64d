"""Where the documentation is, for the links in the HTML representation of estimators."""

from __future__ import annotations

DOCUMENTATION_URL = "https://skrecsec.readthedocs.io/en/stable"


class DocumentationLinkMixin:
    """Lets scikit-learn's diagram of an estimator link to the page of its class.

    Classes of other packages that derive from those of this one have no link.
    """

    _doc_link_module = "skrecsec"
    _doc_link_template = DOCUMENTATION_URL + "/generated/{estimator_module}.{estimator_name}.html"
