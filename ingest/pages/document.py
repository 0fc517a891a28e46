"""From the bytes of a page to a tree: in the right encoding, however broken, and not too deep."""

import re
from functools import cached_property

from lxml import etree, html

_META = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9._:-]+)", re.IGNORECASE)
_XML = re.compile(rb"^\s*<\?xml[^>]{0,100}?encoding\s*=\s*[\"']([A-Za-z0-9._:-]+)", re.IGNORECASE)
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
# what pages that name the left one are really written in (WHATWG Encoding, labels)
_REALLY = {"iso-8859-1": "cp1252", "latin-1": "cp1252", "latin1": "cp1252", "ascii": "cp1252",
           "us-ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932",
           "shift-jis": "cp932", "sjis": "cp932", "euc-kr": "cp949", "ks_c_5601-1987": "cp949",
           "iso-8859-9": "cp1254", "utf-16": "utf-8", "windows-31j": "cp932", "x-sjis": "cp932",
           "big5": "big5hkscs", "tis-620": "cp874"}  # fmt: skip
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_PROCESSING = re.compile(r"^\s*<\?xml[^>]*\?>")


def decode(body: bytes) -> str:
    """The text of a page: by its byte-order mark, then its own word, then UTF-8, then Latin."""
    for mark, encoding in _BOMS:
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, errors="replace")
    head = body[:8192]
    told = _XML.search(head) or _META.search(head)
    named = told[1].decode("ascii").lower() if told else "utf-8"
    for encoding in (_REALLY.get(named, named), "utf-8"):
        try:
            return body.decode(encoding)
        except (UnicodeDecodeError, LookupError, ValueError):
            continue
    damaged = body.decode("utf-8", errors="replace")
    if damaged.count("\ufffd") <= len(damaged) // 2000 + 1:
        return damaged
    return body.decode("cp1252", errors="replace")


class Document:
    """A page as a tree.

    Args:
        body: Its bytes.
        url: Its address.

    Attributes:
        text: Its source as text.
        root: Its root element; an empty one where nothing can be read.
        url: Its address.
    """

    def __init__(self, body: bytes, url: str) -> None:
        self.url = url
        source = _PROCESSING.sub("", _CONTROLS.sub(" ", decode(body)), count=1)
        self.text = source
        self.root = _parse(source)

    @cached_property
    def title(self) -> str:
        """The text of its title element."""
        found = self.root.find(".//title")
        return squeeze(found.text_content()) if found is not None else ""

    @cached_property
    def metas(self) -> dict[str, str]:
        """Contents of its meta elements by name or property, in small letters; the first counts."""
        found: dict[str, str] = {}
        for meta in self.root.iter("meta"):
            content = (meta.get("content") or "").strip()
            for name in (meta.get("property"), meta.get("name")):
                if name and content:
                    found.setdefault(name.strip().lower(), content)
        return found

    @cached_property
    def language(self) -> str:
        """Its language as it says, such as `en-NZ`; empty where it does not."""
        return (self.root.get("lang") or self.root.get("xml:lang") or "").strip()


def _parse(source: str) -> html.HtmlElement:
    parser = html.HTMLParser(huge_tree=True, remove_comments=True, remove_pis=True)
    try:
        root = html.document_fromstring(source, parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError, AssertionError):
        return html.Element("html")
    return root


def squeeze(text: str | None) -> str:
    """A text with its runs of white space as one space."""
    return " ".join((text or "").split())
