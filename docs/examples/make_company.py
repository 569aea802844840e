"""Writes company.ttl, the example graph of the tutorial and of the SPARQL tests.

The graph is small and made up: employees with managers and departments, products with suppliers,
cities with countries. The same seed gives the same bytes: `python make_company.py > company.ttl`.
"""

from __future__ import annotations

import random
import sys
from datetime import date, timedelta

SEED = 7
NUM_EMPLOYEES = 60
PREFIX = "https://example.org/company#"

CLASSES = ["Employee", "Department", "Product", "Supplier", "City", "Country"]
# Labels are the names written apart: worksIn, "works in".
PREDICATES = (
    "manager worksIn headOf salary hired email locatedIn country suppliedBy price madeIn "
    "population partOf"
)
COUNTRIES = ["Germany", "Austria", "Switzerland", "France", "Poland"]
CITIES = {
    "Leipzig": ("Germany", 628718),
    "Hamburg": ("Germany", 1862565),
    "Freiburg": ("Germany", 236140),
    "Graz": ("Austria", 305314),
    "Linz": ("Austria", 213557),
    "Basel": ("Switzerland", 177595),
    "Bern": ("Switzerland", 136988),
    "Lyon": ("France", 519127),
    "Lille": ("France", 238246),
    "Gdansk": ("Poland", 487371),
}
DEPARTMENTS = {  # department -> the department it is part of
    "Management": None,
    "Engineering": "Management",
    "Research": "Engineering",
    "Quality": "Engineering",
    "Sales": "Management",
    "Customer Care": "Sales",
    "Finance": "Management",
    "Purchasing": "Finance",
}
SUPPLIERS = (
    "Nordwerk, Alpina Tools, Baltic Steel, Rhonelec, Feinmechanik Lang, Castor Plastics, "
    "Juraglas, Wisla Parts"
)
PRODUCTS = (
    "Compass Lamp, Field Notebook, Pocket Scale, Desk Fan, Torque Wrench, Glass Kettle, "
    "Rain Gauge, Bench Vise, Soldering Iron, Wall Clock, Travel Mug, Cable Drum, Hand Drill, "
    "Air Filter, Work Light, Tool Chest, Spirit Level, Paper Cutter, Wire Stripper, "
    "Label Printer, Steam Iron, Bike Pump, Camping Stove, Step Ladder"
)
FIRST = (
    "Anna Bruno Clara David Elena Felix Greta Hanna Ivan Julia Karl Lena Marta Nils Olga Paul "
    "Rosa Simon Tilda Viktor"
)
LAST = (
    "Adler Berger Conrad Dorn Engel Fischer Graf Huber Jansen Keller Lorenz Moreau Nowak Otto "
    "Petit Richter Schwarz Thoma Vogel Winter"
)


def spaced(name: str) -> str:
    """A camel-case name as lower-case words."""
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name)


def iri(label: str) -> str:
    """The prefixed name of an entity: its label without blanks."""
    return ":" + label.replace(" ", "")


def block(label: str, kind: str, *pairs: tuple[str, str]) -> str:
    """One Turtle block; objects in `pairs` are already written as terms."""
    lines = [f"{iri(label)} a :{kind}", f'rdfs:label "{label}"', *(f":{p} {o}" for p, o in pairs)]
    return " ;\n    ".join(lines) + " .\n"


def vocabulary() -> list[str]:
    """Classes and predicates, each with its label."""
    classes = [f':{name} a rdfs:Class ; rdfs:label "{name.lower()}" .' for name in CLASSES]
    predicates = [
        f':{name} a rdf:Property ; rdfs:label "{spaced(name)}" .' for name in PREDICATES.split()
    ]
    return ["\n".join([*classes, *predicates]) + "\n"]


def employees(rng: random.Random) -> list[str]:
    """Employees in three ranks: the chief, the heads of the other departments, everyone else."""
    names = ["Heinrich Hoch"]
    while len(names) < NUM_EMPLOYEES:
        name = f"{rng.choice(FIRST.split())} {rng.choice(LAST.split())}"
        if name not in names:
            names.append(name)
    names[0], names[30] = names[30], names[0]  # Heinrich Hoch is one of many, not the chief
    departments = list(DEPARTMENTS)
    heads = dict(zip(departments, names, strict=False))
    salaries = rng.sample(range(36_000, 72_000, 500), NUM_EMPLOYEES)  # all distinct
    blocks = []
    for i, name in enumerate(names):
        home = departments[i] if i < len(departments) else rng.choice(departments[1:])
        parent = DEPARTMENTS[home]
        boss = (heads[parent] if parent else None) if name == heads[home] else heads[home]
        pay = salaries[i] + (90_000 if i == 0 else 25_250 if i < len(departments) else 0)
        day = date(2008, 1, 1) + timedelta(days=rng.randrange(6200))
        pairs = [("worksIn", iri(home)), ("salary", str(pay)), ("hired", f'"{day}"^^xsd:date')]
        pairs.append(("email", f'"{name.lower().replace(" ", ".")}@example.org"'))
        if boss:
            pairs.insert(0, ("manager", iri(boss)))
        if name == heads[home]:
            pairs.append(("headOf", iri(home)))
        blocks.append(block(name, "Employee", *pairs))
    return blocks


def company(seed: int = SEED) -> str:
    """The whole graph as Turtle."""
    rng = random.Random(seed)
    cities, parts = list(CITIES), vocabulary()
    suppliers, products = SUPPLIERS.split(", "), PRODUCTS.split(", ")
    prefixes = {
        "": PREFIX,
        "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
        "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
        "xsd": "http://www.w3.org/2001/XMLSchema#",
    }
    header = "".join(f"@prefix {name}: <{target}> .\n" for name, target in prefixes.items())
    parts += [block(name, "Country") for name in COUNTRIES]
    parts += [
        block(c, "City", ("country", iri(land)), ("population", str(n)))
        for c, (land, n) in CITIES.items()
    ]
    parts += [
        block(d, "Department", *([("partOf", iri(p))] if p else [])) for d, p in DEPARTMENTS.items()
    ]
    parts += [block(name, "Supplier", ("locatedIn", iri(rng.choice(cities)))) for name in suppliers]
    cents = rng.sample(range(450, 24_000), len(products))
    for i, name in enumerate(products):
        supplier = suppliers[i] if i < len(suppliers) else rng.choice(suppliers)
        pairs = [("suppliedBy", iri(supplier)), ("madeIn", iri(rng.choice(COUNTRIES)))]
        parts.append(block(name, "Product", *pairs, ("price", f"{cents[i] / 100:.2f}")))
    return "\n".join([header, *parts, *employees(rng)])


if __name__ == "__main__":
    sys.stdout.write(company())
