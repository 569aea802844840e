"""String formats as patterns: never narrower than what jsonschema-rs accepts.

Each format has a wide pattern, which the judge's verdicts stay inside, and where that differs a
plain one for generating, which only makes ordinary values. The oracle decides the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

_DATE = (
    r"([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    r"|02-(0[1-9]|1[0-9]|2[0-8]))"
    r"|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)"
)
_ZONE = r"([zZ]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
_PLAIN_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)"
_OCTET = r"(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_HEX = r"[0-9a-fA-F]"
_LABEL = r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_ATOM = r"[a-zA-Z0-9!#$%&'*+\-/=?^_`{|}~]+"
_QUOTED = r'"([\t !#-\[\]-~]|\\[!-~])*"'
_URI = r"[a-zA-Z0-9\-._~:/?#\[\]@!$&'()*+,;=%]"
_IRI = r"([a-zA-Z0-9\-._~:/?#\[\]@!$&'()*+,;=%]|[^\x00-\x9f])"
_SCHEME = r"[a-zA-Z][a-zA-Z0-9+\-.]*:"
_PATH = r"(/([^~/]|~[01])*)*"
_TEXT = r"[a-zA-Z0-9\-._~!$&'()*+,;=]"


@dataclass(frozen=True, slots=True)
class Format:
    """One format.

    Attributes:
        wide: Pattern that holds every string of the format.
        beside: Another one, for what both together say in fewer states; "" for none.
        plain: Pattern for generating; "" where it is the wide one.
        wide_exact: Whether the wide pattern holds nothing else.
        plain_exact: Whether everything in the plain pattern is of the format.
    """

    wide: str
    plain: str = ""
    beside: str = ""
    wide_exact: bool = False
    plain_exact: bool = False


def _duration() -> str:
    time = r"T([0-9]+H([0-9]+M([0-9]+S)?)?|[0-9]+M([0-9]+S)?|[0-9]+S)"
    date = r"([0-9]+Y([0-9]+M([0-9]+D)?)?|[0-9]+M([0-9]+D)?|[0-9]+D)"
    return f"^P({date}({time})?|{time}|[0-9]+W)$"


FORMATS = {
    "date": Format(f"^{_DATE}$", wide_exact=True),
    "time": Format(
        rf"^{_TIME}(\.[0-9]+)?{_ZONE}$",
        rf"^{_PLAIN_TIME}(\.[0-9]{{1,6}})?{_ZONE}$",
        plain_exact=True,
    ),
    "date-time": Format(
        rf"^{_DATE}[tT]{_TIME}(\.[0-9]+)?{_ZONE}$",
        rf"^{_DATE}T{_PLAIN_TIME}(\.[0-9]{{1,6}})?{_ZONE}$",
        plain_exact=True,
    ),
    "duration": Format(_duration(), wide_exact=True),
    "email": Format(
        rf"^({_ATOM}(\.{_ATOM})*|{_QUOTED})@({_LABEL}(\.{_LABEL})*|\[[0-9a-zA-Z:.]+\])$",
        rf"^[a-zA-Z0-9_+-]{{1,30}}(\.[a-zA-Z0-9_+-]{{1,30}})?@{_LABEL}(\.{_LABEL}){{1,3}}$",
        beside=r"^[\s\S]{1,64}@[^@]+$",
    ),
    "idn-email": Format("@", r"^[a-zA-Z0-9_+-]{1,60}@[a-z0-9]{1,60}(\.[a-z0-9]{1,60}){1,3}$"),
    "hostname": Format(r"^[a-zA-Z0-9.-]{1,255}$", rf"^{_LABEL}(\.{_LABEL}){{0,3}}$"),
    "idn-hostname": Format(r"^.+$", rf"^{_LABEL}(\.{_LABEL}){{0,3}}$"),
    "ipv4": Format(rf"^({_OCTET}\.){{3}}{_OCTET}$", wide_exact=True),
    "ipv6": Format(
        r"^[0-9a-fA-F:.]{2,45}$",
        rf"^(({_HEX}{{1,4}}:){{7}}{_HEX}{{1,4}}|({_HEX}{{1,4}}:){{1,3}}(:{_HEX}{{1,4}}){{1,4}}|::1?)$",
        plain_exact=True,
    ),
    "uuid": Format(rf"^{_HEX}{{8}}-({_HEX}{{4}}-){{3}}{_HEX}{{12}}$", wide_exact=True),
    "uri": Format(
        f"^{_SCHEME}{_URI}*$", rf"^[a-z]{{2,8}}://{_LABEL}(\.{_LABEL}){{1,3}}(/{_TEXT}*){{0,9}}$"
    ),
    "uri-reference": Format(f"^{_URI}*$", rf"^(/?{_TEXT}+(/{_TEXT}*){{0,9}})$"),
    "iri": Format(f"^{_SCHEME}{_IRI}*$"),
    "iri-reference": Format(f"^{_IRI}*$", rf"^(/?{_TEXT}+(/{_TEXT}*){{0,9}})$"),
    "uri-template": Format(r"""^[^\x00-\x20"<>\\^`|]*$""", rf"^({_TEXT}|/|\{{[a-z]+\}})*$"),
    "json-pointer": Format(f"^{_PATH}$", wide_exact=True),
    "relative-json-pointer": Format(f"^(0|[1-9][0-9]*)(#|{_PATH})$", wide_exact=True),
    "regex": Format(""),
}
"""Every format that jsonschema-rs asserts; others say nothing."""
