"""From the text of a price tag to its amount and currency.

The one reader behind `tradewind parse-price`, the SQL functions `parse_price` and `price_currency`,
and the reader of product pages. Of several prices in a text the first one counts, unless the text
says which one holds now.
"""

# ruff: noqa: RUF001 - dashes, quotes and signs of many scripts

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, lru_cache

from ingest.countries import NO_CURRENCY, currency_codes
from ingest.currency_signs import THREE_DECIMALS, adjacent_signs, distinct_signs

DECIMAL_MARKS = (",", ".")
_LONGEST = 2000
_SPACES = re.compile(r"[\s\u00a0\u2000-\u200a\u202f\u205f\u3000]")
_QUOTES = re.compile("[\u2018\u2019\u00b4`]")
# the hyphen last, so that it is one in a class of characters
_FULL_WIDTH = str.maketrans("．，－（）％", ".,-()%")
_MIDDLE_DOT = re.compile(r"(?<=\d)\u00b7(?=\d)")
_FRACTION = re.compile(" ?[\u00bc-\u00be\u2150-\u215e]")
_MINUS = "\u2212\u2013\u2014-"
_NUMBER = re.compile(
    r"(?:\d{1,3}(?:[ ']\d{3})+(?!\d)|\d+)(?:[.,']\d+)*(?:[.,] \d\d(?![\d.,])(?! ?\d))?"
    r"|(?<![\w.,])[.,]+\d+(?:[.,]\d+)*"
)
_LETTER = r"[^\W\d_]"
_MAGNITUDE = re.compile(
    r"[kKmM](?![^\W\d_])"
    r"| ?(?:tsd|mio|mln|mn|bn|mrd|cr|crore|lakh|thousand|[mb]illion)s?(?![^\W\d_])",
    re.IGNORECASE,
)
_MONTH = re.compile(
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?,? ?$", re.IGNORECASE
)
_NOW = re.compile(
    r"(?:now|jetzt|nur noch|only|nu|ora|maintenant|ahora|teraz|сейчас)(?: only)?:?\s*\W{0,3}$",
    re.IGNORECASE,
)
_SHIPPING_OFFER = re.compile(
    r"\bfree\b.{0,20}\b(?:shipping|delivery|returns|postage)\b", re.IGNORECASE
)
_COUNT = re.compile(
    r"\b(?:min|max)\.? ?(?:order|qty|quantity)\b|мин\. ?заказ|мінімальне замовлення", re.IGNORECASE
)
_UNITS = re.compile(
    r" ?(?:ft|mm|cm|km|kg|ml|cl|oz|lbs?|inch|in|kwh|watt|volt|гр|кг|мм|см|шт)\.?(?![^\W\d_])",
    re.IGNORECASE,
)
_TO_SIGN = re.compile(r" ?\(?|[.,] ?[-\u2013\u2212]{0,2} ?")
_FREE = re.compile(
    r"\W*(?:for )?(?:free|gratis|kostenlos|gratuito?|zdarma|за\s?даром|бесплатно|無料|免费)"
    r"(?: of charge)?\W*",
    re.IGNORECASE,
)
# `1080p` and `480p` are pictures
_PENCE = re.compile(r"\s*(\d{1,2}(?:\.\d)?)(p)\s*")
_CENTS = re.compile(r" ?(\u00a2|cents?(?![^\W\d_]))", re.IGNORECASE)
_BARE_DOLLARS = frozenset({"$"})
_CENT_CODES = (*distinct_signs()["$"], "EUR")


@dataclass(frozen=True, slots=True)
class Price:
    """What a text says of a price.

    Attributes:
        amount: The amount; None where the text holds no price.
        currency: The currency as it is written, such as `€` or `zł`.
        codes: ISO 4217 codes that it may mean, the likeliest first.
        is_tagged: Whether the currency stands right beside the amount.
    """

    amount: Decimal | None = None
    currency: str | None = None
    codes: tuple[str, ...] = ()
    is_tagged: bool = False


@dataclass(frozen=True, slots=True)
class _Sign:
    start: int
    end: int
    text: str
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Candidate:
    amount: Decimal
    start: int
    end: int
    sign: _Sign | None


@lru_cache(maxsize=4096)
def read_price(text: str, beside: str | None = None, decimal_mark: str | None = None) -> Price:
    """Read a price.

    Args:
        text: The text, such as `1.234,56 €`.
        beside: A text that stands beside it and may tell the currency.
        decimal_mark: `,` or `.` where it is known; guessed from the shape of the number if None.

    Returns:
        The amount and the currency, each None where the text does not tell it.
    """
    plain = _plain(text[:_LONGEST])
    pence = _PENCE.fullmatch(plain)
    if pence:
        return Price(Decimal(pence[1]) / 100, pence[2], ("GBP",), is_tagged=True)
    signs = _signs(plain)
    chosen = _choose(plain, signs, decimal_mark)
    sign = chosen.sign if chosen is not None else None
    sign = sign or (signs[0] if signs else None) or _sign_alone(plain)
    if (sign is None or not _is_distinct(sign)) and beside:
        hint = _plain(beside[:_LONGEST])
        told = _signs(hint)
        sign = next(filter(_is_distinct, told), None) or sign or next(iter(told), None)
        sign = sign or _sign_alone(hint)
    if chosen is not None:
        amount: Decimal | None = chosen.amount
    else:
        amount = Decimal(0) if _FREE.fullmatch(plain) else None
    if sign is None:
        return Price(amount)
    is_tagged = chosen is not None and (chosen.sign is sign or _is_near(plain, chosen, sign))
    return Price(amount, sign.text.strip(), sign.codes, is_tagged)


@lru_cache(maxsize=4096)
def currency_code(text: str) -> str | None:
    """The ISO 4217 code of the currency in a text such as `zł`, `US$` or `12 €`.

    None where there is none, and for a sign that several currencies share, such as `$` or `kr`.
    """
    codes = read_price(text).codes
    return codes[0] if len(codes) == 1 and codes[0] in currency_codes() else None


def _is_near(text: str, chosen: "_Candidate", sign: "_Sign") -> bool:
    """Whether few letters and no digit stand between a number and a sign."""
    between = (
        text[chosen.end : sign.start] if sign.start >= chosen.end else text[sign.end : chosen.start]
    )
    return len(between) <= 10 and not re.search(r"\d", between)


def _plain(text: str) -> str:
    """The text with its spaces, quotes and digits of any script as ASCII, place by place."""
    if text.isascii():
        return re.sub(r"\s", " ", text) if "\n" in text or "\t" in text else text
    text = _QUOTES.sub("'", _SPACES.sub(" ", text)).translate(_FULL_WIDTH)
    if any(c.isdecimal() and not c.isascii() for c in text):
        text = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)
        text = text.replace("٫", ".").replace("٬", ",")
    return _MIDDLE_DOT.sub(".", text)


@cache
def _sign_pattern() -> re.Pattern[str]:
    """One pattern for all signs: the longest first, letters only as whole words."""
    words: list[str] = []
    others: list[str] = []
    for sign in distinct_signs():
        (words if _is_word(sign) else others).append(sign)
    dollars = [code for code in currency_codes() if code.endswith("D")]
    codes = [*currency_codes() - {NO_CURRENCY}, "BTC"]
    return re.compile(
        rf"(?<!{_LETTER})(?P<dollar>{_trie(dollars)})(?= ?\$)"
        rf"|(?P<sign>{_trie(others)})"
        # Russian endings follow: рублей
        rf"|(?<!{_LETTER})(?P<word>[Рр](?:уб|УБ)\.?|{_trie(words)}(?!{_LETTER}))"
        rf"|(?<!{_LETTER})(?P<code>{_trie(codes)})(?!{_LETTER})"
    )


@cache
def _beside_pattern() -> re.Pattern[str]:
    """Letters that are a sign only right beside a number."""
    codes = [code.lower() for code in currency_codes() - {NO_CURRENCY}]
    return re.compile(_trie([*adjacent_signs(), *codes, *(code.title() for code in codes)]))


def _trie(words: Iterable[str]) -> str:
    """A pattern of any of the words, the longest first, that looks at each letter once."""
    by_first: dict[str, set[str]] = {}
    for word in words:
        if word:
            by_first.setdefault(word[0], set()).add(word[1:])
    branches = []
    for first in sorted(by_first):
        rest = by_first[first]
        tail = "" if rest == {""} else _trie(rest)
        branches.append(re.escape(first) + (f"(?:{tail})?" if tail and "" in rest else tail))
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"


def _is_word(sign: str) -> bool:
    """Whether a sign is of letters that stand apart; Arabic and Eastern scripts write on."""
    return sign[0].isalpha() and not (ord(sign[0]) > 0x3000 or "\u0600" <= sign[0] <= "\u06ff")


def _signs(text: str) -> list[_Sign]:
    found: list[_Sign] = []
    for match in _sign_pattern().finditer(text):
        kind, written = match.lastgroup, match[0]
        codes = (written,) if kind in ("code", "dollar") else distinct_signs().get(written, ())
        found.append(_Sign(match.start(), match.end(), written, codes))
    codes_beside = {sign.codes[0] for sign in found if sign.text.isalpha() and sign.codes}
    if len(found) > 1 and codes_beside:
        # in `NZD $100.70` and `$ SGD4.90` the code tells which dollar
        kept = [sign for sign in found if sign.text not in _BARE_DOLLARS]
        if any(sign.text.endswith("D") and len(sign.text) == 3 for sign in kept):
            return kept
    return found


def _sign_alone(text: str) -> _Sign | None:
    """A sign of letters where nothing else stands."""
    stripped = text.strip(" :()[]*")
    match = _beside_pattern().fullmatch(stripped)
    return _adjacent(match, 0) if match else None


def _adjacent(match: re.Match[str], offset: int) -> _Sign:
    written = match[0]
    codes = adjacent_signs().get(written) or (written.upper(),)
    return _Sign(offset + match.start(), offset + match.end(), written, codes)


def _is_distinct(sign: _Sign) -> bool:
    return sign.text in distinct_signs() or sign.text.isupper()


def _choose(text: str, signs: list[_Sign], decimal_mark: str | None) -> _Candidate | None:
    """The price among the numbers of a text."""
    if _SHIPPING_OFFER.search(text) or _COUNT.search(text):
        return None
    found = _candidates(text, signs, decimal_mark)
    priced = [candidate for candidate in found if candidate.sign is not None]
    for candidate in priced[1:]:
        before = text[: candidate.sign.start if candidate.sign else candidate.start]
        if _NOW.search(text[: min(candidate.start, len(before))]):
            return candidate
    if priced:
        return _start_of_range(text, found, priced[0])
    if len(found) > 1 and re.fullmatch(rf"[ /xX×*@{_MINUS}]*", text[found[0].end : found[1].start]):
        return None
    return found[0] if found else None


def _start_of_range(text: str, found: list[_Candidate], first: _Candidate) -> _Candidate:
    """The lower end of a range of which only the upper one has a sign: `From 26 to 50 €`."""
    place = found.index(first)
    if place == 0 or first.sign is None or first.sign.start < first.start:
        return first
    before = found[place - 1]
    between = text[before.end : first.start]
    if re.fullmatch(rf" ?(?:[{_MINUS}]|to|bis|à|a|do|до) ?", between):
        return _Candidate(before.amount, before.start, before.end, first.sign)
    return first


def _candidates(text: str, signs: list[_Sign], decimal_mark: str | None) -> list[_Candidate]:
    found: list[_Candidate] = []
    end = 0
    for match in _NUMBER.finditer(text):
        if match.start() < end:
            continue
        candidate = _candidate(text, match, signs, decimal_mark)
        if candidate is not None:
            found.append(candidate)
            end = candidate.end
    return found


def _candidate(
    text: str, match: re.Match[str], signs: list[_Sign], decimal_mark: str | None
) -> _Candidate | None:
    start, end, token = match.start(), match.end(), match[0]
    cents = _cents_at(text, end)
    sign = cents or _sign_at(text, start, end, signs)
    if not _stands_free(text, start, end, sign):
        return None
    if sign is not None and sign.start >= end and "€" in sign.text and token.isdigit():
        after = re.match(r" ?\d\d(?![\d.,%]| ?[%€])", text[sign.end :])
        if after:
            amount = Decimal(f"{token}.{after[0].strip()}")
            return _Candidate(amount, start, sign.end + after.end(), sign)
    has_three = sign is not None and bool(sign.codes) and sign.codes[0] in THREE_DECIMALS
    amount_or_none = number(token, decimal_mark, has_three)
    if amount_or_none is None:
        return None
    amount = amount_or_none / 100 if cents else amount_or_none
    is_negative = _is_negative(text, start, end, sign)
    return _Candidate(-amount if is_negative else amount, start, end, sign)


def _cents_at(text: str, end: int) -> _Sign | None:
    """The sign of hundredths after a number, which dollars and euros have alike."""
    match = _CENTS.match(text, end)
    return _Sign(match.start(1), match.end(), match[1], _CENT_CODES) if match else None


def _sign_at(text: str, start: int, end: int, signs: list[_Sign]) -> _Sign | None:
    """The sign right before or after a number."""
    after_mark = re.match(rf"[.,] ?[{_MINUS}]{{1,2}}|[.,]", text[end:])
    after = end + (after_mark.end() if after_mark else 0)
    for sign in signs:
        if sign.end <= start and re.fullmatch(rf"[ :.(]{{0,3}}[{_MINUS}]?", text[sign.end : start]):
            return sign
    for sign in signs:
        # in `12345 €12.99` the sign is the next number's
        is_of_next = sign.start > end and text[sign.end : sign.end + 1].isdigit()
        if sign.start >= end and _TO_SIGN.fullmatch(text, end, sign.start) and not is_of_next:
            return sign
    pattern = _beside_pattern()
    gap = re.compile(" ?").match(text, after)
    behind = pattern.match(text, gap.end() if gap else after)
    if behind and not re.match(_LETTER, text[behind.end() : behind.end() + 1]):
        is_last = not text[behind.end() :].strip(" .*)")
        if len(behind[0]) > 1 or is_last:
            return _adjacent(behind, 0)
    left = text[max(0, start - 8) : start]
    before = re.search(rf"(?<!{_LETTER})({_LETTER}[^\W\d]*\.?) ?$", left)
    whole = pattern.fullmatch(before[1]) if before else None
    # of single letters before a number only the rand's is common: K2 and A4 are no prices
    if before is None or whole is None or (len(whole[0]) == 1 and whole[0] != "R"):
        return None
    return _adjacent(whole, max(0, start - 8) + before.start(1))


def _stands_free(text: str, start: int, end: int, sign: _Sign | None) -> bool:
    """Whether a number is a whole one and no percentage, date, count or part of a word."""
    before, after = text[max(0, start - 24) : start], text[end : end + 16]
    if re.match(r" ?[%‰]", after) or _MAGNITUDE.match(after) or _FRACTION.match(after):
        return False
    left = sign.start if sign is not None and sign.start < start else start
    if re.search(rf"[{_MINUS}]{{2}}$", text[:left]):
        return False
    if re.match(r"[.,]{2,}\d|[/:]\d|\^", after) or re.search(r"\d(?:[/:]|[.,]{2,})$|[#№]$", before):
        return False
    is_signed_before = sign is not None and sign.end == start
    if not is_signed_before and re.search(r"[a-zA-Z\u0400-\u04ff]$", before):
        return False
    if sign is not None:
        return True
    if re.search(r"[a-zA-Z]-$", before) or _MONTH.search(before):
        return False
    return not (re.match(r"[a-zA-Z\u0400-\u04ff]", after) or _UNITS.match(after))


def _is_negative(text: str, start: int, end: int, sign: _Sign | None) -> bool:
    left = sign.start if sign is not None and sign.start < start else start
    right = sign.end if sign is not None and sign.end > end else end
    before, after = text[:left], text[right:]
    if before.endswith("(") and re.match(r" ?\)", after) and not before[:-1].strip():
        return not after.strip(" )") or _is_sign(after.strip(" )"))
    bracket = re.fullmatch(r"(.*\S) ?\(", text[:start])
    if bracket and not text[end:].strip(" )") and re.match(r" ?\)", text[end:]):
        # $ (12.50), as spreadsheets write amounts of accounts
        return _is_sign(bracket[1].strip())
    if re.search(rf"(?:^|[\s(])[{_MINUS}]$", before) or re.search(rf"^\s*[{_MINUS}] ?$", before):
        return not re.search(rf"[\d€$£] ?[{_MINUS}]$", before)
    if left != start and re.search(rf"[{_MINUS}]$", text[left:start]):
        return True
    return bool(re.match(rf"[{_MINUS}](?:\s|$)", text[end:]))


def _is_sign(text: str) -> bool:
    """Whether a text is a currency and nothing else."""
    return bool(_sign_pattern().fullmatch(text) or _beside_pattern().fullmatch(text))


def number(token: str, decimal_mark: str | None = None, has_three: bool = False) -> Decimal | None:
    """The number that digits and marks stand for; None where their order makes no sense.

    A single mark before exactly three digits groups thousands, unless the number begins with 0,
    has more than three digits before the mark, or is grouped by spaces or apostrophes.

    Args:
        token: Digits with points, commas, spaces and apostrophes.
        decimal_mark: The decimal mark where it is known.
        has_three: Whether the currency has three decimals.
    """
    token = re.sub(r"([.,]) ", r"\1", token)
    is_grouped = " " in token or "'" in token
    if is_grouped and not re.fullmatch(r"\d{1,3}(?:[ ']\d{3})+(?:[.,]\d+)?", token):
        return None
    token = token.replace(" ", "").replace("'", "")
    lead = re.match(r"[.,]+", token)
    if lead:
        rest = token[lead.end() :]
        return Decimal(f"0.{rest}") if rest.isdigit() else number(rest, decimal_mark, has_three)
    if decimal_mark is not None:
        return _with_mark(token, decimal_mark)
    marks = re.findall(r"[.,]", token)
    if not marks:
        return Decimal(token)
    whole, last = token[: token.rindex(marks[-1])], token[token.rindex(marks[-1]) + 1 :]
    if len(set(marks)) == 1:
        if len(marks) > 1:
            return _grouped(token, marks[0])
        groups = len(last) == 3 and not has_three and not is_grouped
        if groups and len(whole) <= 3 and not whole.startswith("0"):
            return Decimal(whole + last)
        return Decimal(f"{whole}.{last}")
    if marks.count(marks[-1]) > 1 or len(set(marks[:-1])) > 1:
        return None
    left = _grouped(whole, marks[0])
    return None if left is None else Decimal(f"{left}.{last}")


def _with_mark(token: str, mark: str) -> Decimal | None:
    other = "," if mark == "." else "."
    whole, _, decimals = token.partition(mark)
    left = _grouped(whole, other)
    if left is None or (decimals and not decimals.isdigit()):
        return None
    return Decimal(f"{left}.{decimals or 0}")


def _grouped(token: str, mark: str) -> Decimal | None:
    """A whole number in groups of three, or of two as in India; the last one of three."""
    if re.fullmatch(rf"\d{{1,3}}(?:{re.escape(mark)}\d{{2,3}})*{re.escape(mark)}\d{{3}}", token):
        return Decimal(token.replace(mark, ""))
    return Decimal(token) if token.isdigit() else None
