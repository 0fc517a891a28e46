"""Makes Great Expectations' Data Docs readable without a network.

As they are written, the pages take their style, and the index its whole content, from scripts of
other people's servers: offline the index is empty, and online every look at a report is told to
strangers. Here they get a style of their own, an index in plain HTML, and lose the rest.
"""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestration.files import remove

_KEPT_STATIC = frozenset({"favicon.ico", "logo-long.png"})
_LOGO = "static/images/logo-long.png"
# each expression takes away one kind of thing that reaches outside, or that needs such a thing
_REACHING_OUT = tuple(
    re.compile(pattern, re.DOTALL | re.IGNORECASE)
    for pattern in (
        r"<script\b.*?</script>",
        r"<link\b[^>]*https?://[^>]*>",
        r"<footer\b.*?</footer>",
        r"background: url\('https?://[^']*'\)[^;]*;",
    )
)
_OUTSIDE_LOGO = re.compile(r'src="https?://[^"]*logo[^"]*"')
_OUTSIDE_LINK = re.compile(r'<a href="https?://[^"]*">(.*?)</a>', re.DOTALL)
_STYLE = """<style>
body { font: 15px/1.45 system-ui, sans-serif; margin: 0; color: #212529; background: #fff; }
.navbar { display: flex; padding: 8px 24px; border-bottom: 1px solid #ddd; }
.d-flex { display: flex; align-items: center; gap: 24px; }
.ge-breadcrumbs { display: flex; gap: 16px; }
body > .container-fluid > .row { display: flex; gap: 32px; padding: 16px 24px; }
.col-lg-2 { flex: 0 0 210px; } .col-lg-10 { flex: 1; min-width: 0; }
.sticky { top: 16px; } .ge-breadcrumbs { list-style: none; padding: 0; }
.alert-secondary, .card-header { background: #eef0f2; padding: 8px 12px; border-radius: 4px; }
table { border-collapse: collapse; margin: 8px 0 16px; }
td, th { border: 1px solid #ddd; padding: 4px 10px; text-align: left; vertical-align: top; }
h4, h5, h6 { font-size: 16px; margin: 6px 0; } a { color: #0b57a4; }
.cooltip { position: relative; }
.fa-check-circle::before { content: "\\2713"; color: #197b30; font-weight: bold; }
.fa-times::before, .fa-exclamation-triangle::before { content: "\\2717"; color: #b3261e; }
.passed { color: #197b30; } .failed { color: #b3261e; font-weight: bold; }
.card:has(.btn-group-toggle) { display: none; }
</style>
</head>"""


@dataclass(frozen=True)
class Validated:
    """How the validation of one suite ended."""

    suite: str
    is_passed: bool
    expectations: int
    failed: int


def make_self_contained(folder: Path, validated: Sequence[Validated]) -> None:
    """Rewrite all pages of a site so that they need nothing from outside, and fill its index."""
    for page in folder.rglob("*.html"):
        depth = len(page.relative_to(folder).parts) - 1
        page.write_text(_inside(page.read_text("utf-8"), "../" * depth), "utf-8")
    index = folder / "index.html"
    body = _index(folder, validated)
    text = index.read_text("utf-8")
    index.write_text(text[: text.index("<body>")] + f"<body>\n{body}\n</body>\n</html>\n", "utf-8")
    for file in (folder / "static").rglob("*"):
        if file.is_file() and file.name not in _KEPT_STATIC:
            remove(file)


def _inside(text: str, up: str) -> str:
    for expression in _REACHING_OUT:
        text = expression.sub("", text)
    text = _OUTSIDE_LOGO.sub(f'src="{up}{_LOGO}"', text)
    text = _OUTSIDE_LINK.sub(r"\1", text)
    return text.replace("</head>", _STYLE, 1)


def _index(folder: Path, validated: Sequence[Validated]) -> str:
    rows = "\n".join(_row(folder, one) for one in validated)
    return (
        f'<nav class="navbar"><img src="{_LOGO}" alt="Great Expectations" height="40"></nav>\n'
        '<div class="container-fluid"><div class="row"><div class="col-lg-10">\n'
        "<h4>Data Docs: what was expected of the deliveries and the marts, and seen</h4>\n"
        "<table><thead><tr><th>result</th><th>suite</th><th>expectations</th><th>failed</th>"
        f"<th>expected</th></tr></thead>\n<tbody>\n{rows}\n</tbody></table>\n</div></div></div>"
    )


def _row(folder: Path, one: Validated) -> str:
    state = "passed" if one.is_passed else "failed"
    path = one.suite.replace(".", "/")
    result = _link(folder, f"validations/{path}/**/*.html", one.suite)
    suite = _link(folder, f"expectations/{path}.html", "suite")
    return (
        f'<tr><td class="{state}">{state}</td><td>{result}</td><td>{one.expectations}</td>'
        f"<td>{one.failed}</td><td>{suite}</td></tr>"
    )


def _link(folder: Path, pattern: str, label: str) -> str:
    found = sorted(folder.glob(pattern))
    text = html.escape(label)
    if not found:
        return text
    return f'<a href="{html.escape(str(found[-1].relative_to(folder)))}">{text}</a>'
