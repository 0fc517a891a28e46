"""ISO country and currency codes, and the names that people give to countries.

The names come from ISO 3166-1 itself and its translations (pycountry, iso-codes), and from the
lists below. Reading them all takes a second, so that what comes of them is kept in
country_names.txt: `python -m ingest.countries` writes it anew after a change.
"""

import gettext
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

UNKNOWN = "ZZ"
"""Code of the unknown country, out of ISO 3166's user-assigned range, as in CLDR."""

# What the spellings of a name have in common: letters and digits, in lower case, without accents.
# "n/a" keeps its mark, or it would be NA: Namibia.
NAME_KEY_MACRO: Final = r"""
create or replace temp macro tradewind_country_key(name) as
    case
        when regexp_full_match(lower(trim(name)), '#?n[/.]a[.]?') then 'n/a'
        else regexp_replace(
            strip_accents(lower(replace(name, '&', ' and '))), '[^\p{L}\p{N}]+', '', 'g'
        )
    end
"""

_KOSOVO = "XK"
_NAMES_FILE = Path(__file__).with_name("country_names.txt")
_WITHDRAWN_CURRENCIES = (
    "ADP AFA ALK AOK AON AOR ARA ARP ARY ATS AYM AZM BAD BEC BEF BEL BGJ BGK BGL BGN BOP BRB BRC"
    " BRE BRN BRR BUK BYB BYR CHC CSD CSJ CSK CUC CYP DDM DEM ECS ECV EEK ESA ESB ESP FIM FRF GEK"
    " GHC GHP GNE GNS GQE GRD GWE GWP HRD HRK IEP ILP ILR ISJ ITL LAJ LSM LTL LTT LUC LUF LUL LVL"
    " LVR MGF MLF MRO MTL MTP MVQ MXP MZE MZM NIC NLG PEH PEI PES PLZ PTE RHD ROK ROL RUR SDD SDP"
    " SIT SKK SLL SRG STD SUR TJR TLT TMM TPE TRL UAK UGS UGW USS UYN UYP VEB VEF VNC XEU XFO XRE"
    " YDD YUD YUM YUN ZAL ZMK ZRN ZRZ ZWC ZWD ZWL ZWN ZWR"
)

# Names in common use that ISO 3166-1 does not list, by code.
_VARIANTS = MappingProxyType(
    {
        "AE": "الإمارات, UAE, U.A.E., Emirates",
        "AG": "Antigua",
        "AL": "Shqiperia",
        "AM": "Hayastan",
        "AT": "Oesterreich, Republik Österreich",
        "BA": "Bosnia, Bosnia-Herzegovina, BiH",
        "BD": "বাংলাদেশ",
        "BF": "Upper Volta",
        "BG": "България, Balgariya, BUL",
        "BH": "البحرين",
        "BJ": "Dahomey",
        "BN": "Brunei",
        "BY": "Беларусь, Belarus, Byelorussia",
        "CD": (
            "DR Congo, DRC, Congo DR, Congo (Kinshasa), Congo-Kinshasa, Congo (Dem. Rep.), "
            "Democratic Republic of Congo, Zaire, Congo Democratic Republic of the"
        ),
        "CF": "Central African Rep.",
        "CG": (
            "Congo (Brazzaville), Congo-Brazzaville, Republic of Congo, Congo Republic, Congo Rep."
        ),
        "CH": "Svizra, Schweizerische Eidgenossenschaft, Confoederatio Helvetica, SUI, Helvetia",
        "CI": "Ivory Coast, Cote d Ivoire",
        "CN": (
            "中国, 中國, PRC, P.R. China, PR China, Mainland China, China (mainland), Peoples "
            "Republic of China"
        ),
        "CV": "Cape Verde",
        "CY": "Kypros, Κύπρος, Kıbrıs",  # noqa: RUF001
        "CZ": "Czech Republic, Czech Rep., Ceska republika, Cesko",
        "DE": (
            "Germany Federal Republic of, "
            "Bundesrepublik Deutschland, GER, BRD, FRG, West Germany, East Germany, GDR, DDR, "
            "Germany (West)"
        ),
        "DK": "Danmark, DEN",
        "DZ": "Algérie, الجزائر",
        "EE": "Eesti",
        "EG": "Misr, مصر, Egypt (Arab Rep.)",
        "ES": "Canary Islands, Balearic Islands",
        "FI": "Suomi",
        "FK": "Falkland Islands, Falklands, Malvinas, Falkland Islands (the) [Malvinas]",
        "FM": "Micronesia, Micronesia (Fed. Sts.)",
        "FO": "Føroyar, Faeroe Islands",
        "GB": (
            "UK, U.K., Great Britain, Britain, England, Scotland, Wales, Northern Ireland, "
            "Great Britain and Northern Ireland, United Kingdom (UK), United Kingdom (GB), "
            "United Kingdom (Great Britain), United Kingdom (Northern Ireland), Gr. Britain, "
            "United Kingdom of Great Britain, Great Britain (UK), N. Ireland, England & Wales, "
            "Großbritannien, Grande-Bretagne, Gran Bretaña, Gran Bretagna, Grã-Bretanha, "
            "Groot-Brittannië, Storbritannien, Storbritannia"
        ),
        "GE": "Sakartvelo, საქართველო",
        "GF": "Guyane",
        "GL": "Kalaallit Nunaat",
        "GR": "Ελλάδα, EL, GRE, Hellas",
        "HK": (
            "香港, Hong Kong SAR, Hong Kong SAR China, Hong Kong (China), Hong Kong S.A.R., "
            "HongKong"
        ),
        "HR": "Hrvatska, CRO",
        "IE": (
            "Éire, EIRE, Republic of Ireland, Ireland (Republic), Irish Republic, Southern "
            "Ireland, Ireland (Eire), Republic of Ireland (Eire), Ireland Republic of, "
            "Rep. of Ireland"
        ),
        "IL": "ישראל",
        "IN": "Bharat, भारत",
        "IQ": "العراق",
        "IR": "ایران, Persia, Iran (Islamic Rep.)",
        "IS": "Island",
        # ISO 3166-1 has no code for the Channel Islands together: the larger of the two stands
        # for them, so that they are neither domestic to the United Kingdom nor unknown.
        "JE": (
            "Channel Islands, Channel Isles, The Channel Islands, Channel Is., "
            "Channel Islands (Jersey)"
        ),
        "JO": "الأردن",
        "JP": "日本国, Nippon, Nihon",
        "KH": "Kampuchea, កម្ពុជា",
        "KN": "St Kitts, Saint Kitts, St Kitts-Nevis",
        "KP": (
            "Korea Dem. Rep., "
            "North Korea, Korea North, DPRK, Korea (North), Korea DPR, Korea (Dem. People's Rep.)"
        ),
        "KR": (
            "Korea (Republic), "
            "한국, 대한민국, Korea, South Korea, Korea South, Korea (South), Republic of Korea, "
            "ROK, Korea (Rep.), Korea Rep, Korea Rep of, S. Korea, Rep. of Korea"
        ),
        "KW": "الكويت",
        "KZ": "Қазақстан, Казахстан",
        "LA": "ລາວ, Lao, Lao PDR, Laos",
        "LB": "Liban, لبنان",
        "LK": "ශ්‍රී ලංකාව, Ceylon",
        "LT": "Lietuva",
        "LU": "Luxemburg, Lëtzebuerg",
        "LV": "Latvija",
        "LY": "Libyan Arab Jamahiriya, ليبيا",
        "MA": "Maroc, المغرب",
        "ME": "Crna Gora",
        "MF": "Saint Martin",
        "MK": (
            "Macedonia the former Yugoslav Republic of, "
            "Severna Makedonija, Macedonia, FYROM, FYR Macedonia, The former Yugoslav "
            "Republic of Macedonia, Republic of Macedonia"
        ),
        "MM": "Republic of the Union of Myanmar, မြန်မာ, Burma, Myanmar (Burma)",
        "MN": "Монгол Улс",
        "MO": "澳門, Macau, Macau SAR, Macao SAR, Macao SAR China, Macao (China)",
        "NL": "Holland, HOL, NED, The Netherlands, Netherlands (Kingdom of the)",
        "NO": "Norge, Noreg",
        "NP": "नेपाल",
        "OM": "عمان",
        "PH": "Pilipinas",
        "PK": "پاکستان",
        "PS": (
            "Palestine, Palestinian Territories, Palestinian Territory, West Bank and Gaza, "
            "Occupied Palestinian Territory"
        ),
        "PT": "POR, Azores, Madeira",
        "QA": "قطر",
        "RE": "Reunion Island, La Réunion",
        "RO": "România",
        "RS": "Srbija, Србија",
        "RU": "Россия, Russia, Russian Fed.",
        "SA": "السعودية, KSA, Saudi",
        "SD": "السودان",
        "SE": "Sverige",
        "SG": "新加坡, Singapura",
        "SH": "St. Helena, Saint Helena",
        "SI": "Slovenija, SLO",
        "SJ": "Svalbard, Spitsbergen",
        "SK": "Slovensko, Slovak Republic",
        "ST": "Sao Tome",
        "SX": "Sint Maarten",
        "SY": "سوريا, Syria",
        "SZ": "Swaziland",
        "TH": "ประเทศไทย, Prathet Thai",
        "TL": "East Timor",
        "TN": "Tunisie, تونس",
        "TR": "Turkey (Türkiye), Türkiye Cumhuriyeti, Turkey, Turkiye",
        "TT": "Trinidad",
        "TW": (
            "臺灣, 台灣, 台湾, Taiwan, Taiwan ROC, Taiwan (ROC), Republic of China, "
            "Chinese Taipei, "
            "Taiwan (China)"
        ),
        "UA": "Україна",
        "US": (
            "USA, U.S.A., U.S., America, United States of America (USA), United States (USA), "
            "United States (US), the States, EE. UU., US of A"
        ),
        "VA": "Vatican, Vatican City, Vatican City State, Holy See, Holy See (the)",
        "VC": "St Vincent, Saint Vincent",
        "VE": "Venezuela RB",
        "VG": "BVI, British Virgin Islands, Virgin Islands (British)",
        "VI": (
            "USVI, US Virgin Islands, United States Virgin Islands, Virgin Islands (US), "
            "Virgin Islands (U.S.)"
        ),
        "VN": "Việt Nam, Vietnam",
        "VU": "New Hebrides",
        "YE": "اليمن, Yemen Rep.",
        "ZA": "RSA, R.S.A., South African Republic, S. Africa",
        "ZW": "Rhodesia, Southern Rhodesia",
        _KOSOVO: "Kosovo, XKX, Republic of Kosovo, Kosova",
        UNKNOWN: (
            "European Community, European Union, European Economic Community, EU, EEC, "
            "Europe, Unspecified, Not specified, Unknown, Undefined, Not available, n/a, "
            "None, Other, Others, Rest of world, RoW, International, Worldwide, World, EMEA, APAC, "
            "Asia, Africa, Latin America, South America, North America, Middle East, Oceania"
        ),
    }
)

# Languages whose names for all countries are understood, as their translations are called.
_LANGUAGES = (
    "ar be bg bn bs ca cs cy da de el en es et eu fa fi fr ga gl he hi hr hu hy id is it ja ka"
    " kk km ko lo lt lv mk mn ms mt my nb_NO ne nl nn pl ps pt pt_BR ro ru si sk sl sq sr"
    " sr@latin sv sw ta th tr uk ur uz vi zh_CN zh_HK zh_TW"
)
_SHORT_FORMS = (("Saint ", "St "), (" and ", " "), ("Republic", "Rep."), ("Islands", "Is."))
_ISO, _VARIANT, _DERIVED, _TRANSLATED = range(1, 5)


class CountryName(NamedTuple):
    """A name of a country; where two countries share a name, the one of the lower rank has it."""

    name: str
    code: str
    rank: int


@cache
def country_codes() -> frozenset[str]:
    """ISO 3166-1 alpha-2 codes in force, XK (Kosovo) and ZZ (unknown)."""
    import pycountry

    return frozenset(country.alpha_2 for country in pycountry.countries) | {_KOSOVO, UNKNOWN}


NO_CURRENCY = "XXX"
"""ISO 4217's code for where no currency is involved: no price is in it."""


@cache
def currency_codes() -> frozenset[str]:
    """ISO 4217 codes, withdrawn ones (old deliveries carry them) included."""
    return current_currency_codes() | frozenset(_WITHDRAWN_CURRENCIES.split())


def current_currency_codes() -> frozenset[str]:
    """ISO 4217 codes that are in use."""
    import pycountry

    return frozenset(currency.alpha_3 for currency in pycountry.currencies)


def name_keys() -> str:
    """The keys of all names by country, as text: a line a country, its code and then the keys."""
    return _NAMES_FILE.read_text(encoding="utf-8")


def render_name_keys() -> str:
    """What `name_keys` is to say, computed from all names.

    Where two countries share a name, the one of the better rank has it; where neither rank is
    better, the name stands for none of them.
    """
    import duckdb

    names = tuple(_all_names())
    with duckdb.connect() as connection:
        connection.execute(NAME_KEY_MACRO)
        lines = connection.execute(
            """
            with keyed as (
                select distinct tradewind_country_key(names.name) as key, names.code, names.rank
                from (
                    select unnest($names) as name, unnest($codes) as code, unnest($ranks) as rank
                ) as names
            ),
            best as (
                select key, code
                from keyed
                where key <> ''
                qualify rank = min(rank) over (partition by key)
            ),
            single as (
                select key, min(code) as code from best group by key having count(*) = 1
            )
            select code || ' ' || string_agg(key, ' ' order by key) from single
            group by code order by code
            """,
            {
                "names": [each.name for each in names],
                "codes": [each.code for each in names],
                "ranks": [each.rank for each in names],
            },
        ).fetchall()
    return "".join(f"{line}\n" for (line,) in lines)


def _all_names() -> Iterator[CountryName]:
    yield from (CountryName(code, code, _ISO) for code in country_codes())
    for code, variants in _VARIANTS.items():
        yield from (CountryName(name, code, _VARIANT) for name in variants.split(", "))
    iso_names = tuple(_iso_names())
    for name, code in iso_names:
        yield CountryName(name, code, _ISO)
        yield from (CountryName(other, code, _DERIVED) for other in _derived(name, code))
    for translate in _translations():
        yield from (CountryName(translate(name), code, _TRANSLATED) for name, code in iso_names)


def _iso_names() -> Iterator[tuple[str, str]]:
    """Alpha-3 codes and the names of the standard, with the alpha-2 code of each."""
    import pycountry

    for country in pycountry.countries:
        yield country.alpha_3, country.alpha_2
        for kind in ("name", "official_name", "common_name"):
            name = getattr(country, kind, None)
            if name:
                yield name, country.alpha_2


def _derived(name: str, code: str) -> Iterator[str]:
    """Other ways to write an English name: `Netherlands (the)`, `St Lucia`, `Dominican Rep.`."""
    yield f"the {name}"
    yield f"{name} (the)"
    yield f"{name} ({code})"
    yield f"{code} {name}"
    head, _, tail = name.partition(", ")
    if tail:
        yield f"{tail} {head}"
        yield f"{head} (the {tail})"
        yield head
    for full, short in _SHORT_FORMS:
        if full in name:
            yield name.replace(full, short)


def _translations() -> Iterator[Callable[[str], str]]:
    import pycountry

    for language in _LANGUAGES.split():
        catalogue = gettext.translation(
            "iso3166-1", pycountry.LOCALES_DIR, languages=[language], fallback=True
        )
        yield catalogue.gettext


if __name__ == "__main__":
    _NAMES_FILE.write_text(render_name_keys(), encoding="utf-8")
