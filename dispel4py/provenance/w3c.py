"""PROV-JSON, PROV-N and RDF (Turtle), written as statements come.

Sources: https://www.w3.org/submissions/prov-json/, https://www.w3.org/TR/prov-n/ and
https://www.w3.org/TR/prov-o/.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, TextIO

from dispel4py.provenance.statements import NAMESPACES, Element, Relation, timestamp

__all__ = ["write_prov_json", "write_prov_n", "write_turtle"]

_XSD = "http://www.w3.org/2001/XMLSchema#"
_PROV = "http://www.w3.org/ns/prov#"
#: The two ends of a relation in PROV-JSON.
_ENDS = {
    "wasGeneratedBy": ("prov:entity", "prov:activity"),
    "used": ("prov:activity", "prov:entity"),
    "wasDerivedFrom": ("prov:generatedEntity", "prov:usedEntity"),
    "wasAssociatedWith": ("prov:activity", "prov:agent"),
    "actedOnBehalfOf": ("prov:delegate", "prov:responsible"),
}
Statements = Iterable[Element | Relation]


def write_prov_json(statements: Statements, file: TextIO) -> None:
    """Write PROV-JSON.

    Parameters
    ----------
    statements : iterable of Element or Relation
    file : file
    """
    prefixes = {**NAMESPACES, "xsd": _XSD}
    file.write(f'{{"prefix": {json.dumps(prefixes)}')
    section = ""
    for n, statement in enumerate(statements):
        if statement.kind != section:
            file.write("\n}" if section else "")
            section = statement.kind
            file.write(f',\n"{section}": {{\n')
        else:
            file.write(",\n")
        if isinstance(statement, Element):
            name, content = statement.name, _json_attributes(statement)
        else:
            first, second = _ENDS[statement.kind]
            name = f"_:{n}"
            content = {first: statement.first, second: statement.second}
        file.write(f"{json.dumps(name)}: {json.dumps(content, ensure_ascii=False)}")
    file.write("\n}}\n" if section else "}\n")


def _json_attributes(element: Element) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name, seconds in zip(("startTime", "endTime"), element.times, strict=True):
        if seconds is not None:
            content[f"prov:{name}"] = timestamp(seconds)
    for name, value in element.attributes:
        if name == "prov:type":
            content[name] = {"$": value, "type": "prov:QUALIFIED_NAME"}
        elif isinstance(value, str):
            content[name] = value
        else:
            text, kind = _literal(value)
            content[name] = {"$": text, "type": f"xsd:{kind}"}
    return content


def _literal(value: Any) -> tuple[str, str]:
    """Return a value as text, and its type in XML Schema."""
    if isinstance(value, bool):
        return str(value).lower(), "boolean"
    if isinstance(value, int):
        return str(value), "integer"
    if isinstance(value, float):
        return repr(value), "double"
    return str(value), "string"


def write_prov_n(statements: Statements, file: TextIO) -> None:
    """Write PROV-N.

    Parameters
    ----------
    statements : iterable of Element or Relation
    file : file
    """
    file.write("document\n")
    for prefix, address in NAMESPACES.items():
        file.write(f"  prefix {prefix} <{address}>\n")
    for statement in statements:
        if isinstance(statement, Relation):
            ends = f"{statement.first}, {statement.second}"
            if statement.kind in ("wasGeneratedBy", "used", "wasAssociatedWith"):
                ends += ", -"
            file.write(f"  {statement.kind}({ends})\n")
            continue
        words = [statement.name]
        if statement.kind == "activity":
            words += [timestamp(seconds) or "-" for seconds in statement.times]
        pairs = [f"{name}={_n_value(name, v)}" for name, v in statement.attributes]
        words += [f"[{', '.join(pairs)}]"] if pairs else []
        file.write(f"  {statement.kind}({', '.join(words)})\n")
    file.write("endDocument\n")


def _n_value(name: str, value: Any) -> str:
    if name == "prov:type":
        return f"'{value}'"
    text, kind = _literal(value)
    return _quoted(text) if kind == "string" else f'"{text}" %% xsd:{kind}'


def _quoted(text: str) -> str:
    """Return a text in quotes, as PROV-N and Turtle have it."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def write_turtle(statements: Statements, file: TextIO) -> None:
    """Write RDF as Turtle, in the terms of PROV-O.

    Parameters
    ----------
    statements : iterable of Element or Relation
    file : file
    """
    for prefix, address in {**NAMESPACES, "prov": _PROV, "xsd": _XSD}.items():
        file.write(f"@prefix {prefix}: <{address}> .\n")
    for statement in statements:
        if isinstance(statement, Relation):
            first, second = _address(statement.first), _address(statement.second)
            file.write(f"{first} prov:{statement.kind} {second} .\n")
            continue
        lines = [f"a prov:{statement.kind.capitalize()}"]
        moments = ("startedAtTime", "endedAtTime")
        for name, seconds in zip(moments, statement.times, strict=True):
            if seconds is not None:
                lines.append(f'prov:{name} "{timestamp(seconds)}"^^xsd:dateTime')
        for name, value in statement.attributes:
            if name == "prov:type":
                lines.append(f"a {value}")
            else:
                text, kind = _literal(value)
                mark = "" if kind == "string" else f"^^xsd:{kind}"
                lines.append(f"{_address(name)} {_quoted(text)}{mark}")
        content = " ;\n    ".join(lines)
        file.write(f"{_address(statement.name)} {content} .\n")


def _address(name: str) -> str:
    """Return the full address of a qualified name."""
    prefix, _, local = name.partition(":")
    return f"<{NAMESPACES[prefix]}{local}>"
