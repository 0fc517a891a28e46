"""From the stored bytes of a product page to its observation: a pure function with a version."""

from ingest.pages.observation import Observation
from ingest.pages.parser import PARSER_VERSION, parse_page

__all__ = ["PARSER_VERSION", "Observation", "parse_page"]
