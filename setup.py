"""What pyproject.toml cannot say: the description of the package, which needs no checkout."""

import re
from pathlib import Path

from setuptools import setup


def description(readme):
    """Return a README without pictures, comments and links to files beside it."""
    readme = re.sub(r"^!\[[^]]*\]\((?!https?:)[^)]*\)\n+", "", readme, flags=re.MULTILINE)
    readme = re.sub(r"^<!--.*?-->\n", "", readme, flags=re.MULTILINE)
    return re.sub(r"\[([^]]+)\]\((?!https?:)[^)]*\)", r"\1", readme)


if __name__ == "__main__":
    text = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")
    setup(long_description=description(text), long_description_content_type="text/markdown")
