"""Preprocessor of the book: links that hold in the repository hold among its pages, too.

mdBook turns every relative link to a .md file into one to a page, also where there is no such page:
those that leave docs/ point to the repository instead. It makes README.md a folder's index, and leaves
links to it as they are. Reads the book as JSON from standard input and writes it to standard output
(mdBook's interface).
"""

import json
import posixpath
import re
import sys

REPOSITORY = "https://github.com/haima-health/haima/blob/main/"
LINK = re.compile(r"(\]\()([^)\s]+)(\))")


def led(page, target):
    """Where a link of a page leads in the book."""
    if re.match(r"[a-z]+:|#", target):
        return target
    path, hash_sign, anchor = target.partition("#")
    whole = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), path))
    if not whole.startswith("docs/"):
        return REPOSITORY + whole + hash_sign + anchor
    return re.sub(r"\bREADME\.md$", "index.md", path) + hash_sign + anchor


def rewrite(chapter):
    page = chapter.get("source_path") or chapter.get("path")
    if page:
        chapter["content"] = LINK.sub(
            lambda link: link[1] + led(page, link[2]) + link[3], chapter["content"]
        )
    for item in chapter.get("sub_items", []):
        if "Chapter" in item:
            rewrite(item["Chapter"])


def main():
    if len(sys.argv) > 1 and sys.argv[1] == "supports":
        sys.exit(0)
    _, book = json.load(sys.stdin)
    for item in book.get("items", []):
        if "Chapter" in item:
            rewrite(item["Chapter"])
    json.dump(book, sys.stdout)


main()
