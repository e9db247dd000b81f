"""The numbers of a text, however they are written: what typography may never change."""

import re
from typing import Final

__all__ = ["numbers_in"]

# In digits or in English words; what stands before a digit is a sign unless it joins two words.
_NUMBERS: Final = re.compile(
    r"(?P<digits>(?:(?<!\w)[-\u2212](?=\d))?\d+)"
    # How many times as many, or of a hundred: £1m is not £1bn, and 20 is not 20%.
    r"(?:\s?(?P<times>(?:k|mn?|bn?|tr?n?)\b|%|percent\b|per\scent\b|percentage\spoints?\b))?"
    r"|[\u00bc-\u00be\u2150-\u215e\u00b2\u00b3\u00b9\u2070\u2074-\u2079\u2080-\u2089]"
    r"|(?-i:\b(?=[IVX]{2})X{0,3}(?:IX|IV|V?I{0,3})\b)"
    r"|\b(?:zero|one|two|three|four|five|six|"
    r"seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen|"
    r"(?:twen|thir|for|fif|six|seven|eigh|nine)ty|(?:hundred|thousand|million|billion|trillion|dozen)s?|"
    r"first|second|third|(?:four|fif|six|seven|eigh|nin|ten|eleven|twelf|(?:thir|four|fif|six|seven|"
    r"eigh|nine)teen|hundred|thousand|million)th|(?:twen|thir|for|fif|six|seven|eigh|nine)tieth|"
    r"half|halves|thirds|quarters?|no|none|once|twice|thrice|double|triple|single)\b",
    re.IGNORECASE,
)
# The same in other words or signs, among which typography may choose.
_SAME: Final = {
    "percent": "%",
    "per cent": "%",
    "percentage points": "percentage point",
    "thousand": "k",
    "million": "m",
    "mn": "m",
    "billion": "bn",
    "b": "bn",
    "trillion": "tn",
    "trn": "tn",
    "tr": "tn",
    "t": "tn",
}
_RAISED: Final = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉", "01234567890123456789")


def numbers_in(text: str) -> list[str]:
    """Give the numbers of a text in their order: "3 of 5" is another story than "5 of 3"."""
    found: list[str] = []
    for number in _NUMBERS.finditer(text):
        digits, times = number["digits"], " ".join((number["times"] or "").lower().split())
        said = (digits or number[0]).lower().replace("\u2212", "-").translate(_RAISED)
        found += [_SAME.get(each, each) for each in (said, times) if each]
    return found
