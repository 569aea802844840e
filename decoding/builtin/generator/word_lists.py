"""Ordinary real names and words that the endless names are mixed with. Data only."""

from __future__ import annotations


def words(text: str) -> list[str]:
    """The words of `text`."""
    return text.split()


FIRST = words("""
Anna Ben Clara David Elena Farid Grace Hugo Ines Jakob Karin Liam Maria Noah Olga Pavel Quentin
Rosa Samir Tessa Umar Vera Walter Xenia Yusuf Zoe Alice Bruno Chiara Dmitri Emma Felix Greta
Hana Ivan Julia Kenji Laura Mehmet Nina Oscar Priya Rafael Sofia Tomas Ursula Victor Wanda Yara
Aisha Carlos Diana Erik Fatima George Helen Isabel James Kofi Linda Marco Nadia Omar Paula Ravi
Sarah Thomas Amara Lucas Mei Peter Robert Susan Michael Jane John Mary Kwame Leila Mateo
""")
LAST = words("""
Keller Novak Rossi Schmidt Silva Tanaka Moreau Jensen Kowalski Garcia Petrov Nguyen Okafor
Haddad Larsen Weber Costa Dubois Fischer Gupta Hansen Ito Janssen Khan Lopez Meyer Nowak Olsen
Park Quinn Romano Sato Torres Ueda Vogel Walsh Yilmaz Zhang Adams Brown Clark Davies Evans
Foster Green Harris Irving Jones King Lewis Moore Nelson Owens Palmer Reed Scott Taylor
Underwood Vance White Young Bauer Marino Lind Berg Santos Mendez Osei Diallo Rahman Singh Chen
Wong Kim Cohen
""")
CITIES = words("""
Lisbon Oslo Vienna Porto Kyoto Geneva Lyon Dublin Prague Seville Turin Leeds Bergen Cairo Lima
Quito Boston Denver Austin Seattle Toronto Hanoi Accra Nairobi Bremen Gdansk Riga Tallinn Basel
Ghent Malmo Zagreb Krakow Bilbao Athens Izmir Osaka Perth Hobart Mumbai Chennai Havana Bogota
Dakar Berlin Paris London Madrid Rome Hamburg Munich Chicago Dallas Sydney
""")
COUNTRIES = words("""
Portugal Norway Austria Japan Kenya Peru Canada Poland Ghana Chile Iceland Latvia Vietnam
Morocco Jordan Ireland Croatia Finland Bolivia Nepal Germany France Spain Italy Brazil Mexico
India Egypt Greece Turkey
""")
TREES = words("""
Oak Elm Mill Church Garden River Station Park High Market Cedar Maple King Harbour
""")
STREETS = words("Street Road Lane Avenue Way Square Drive Court")
COMPANY_TAILS = words("""
Ltd Inc GmbH Group Systems Labs Partners Foods Logistics Energy Works Media Holdings Industries
Software Motors AG Consulting
""")
MATERIALS = words("""
steel oak wool cotton glass copper ceramic leather walnut linen folding cordless electric
wireless portable outdoor classic compact heavy garden travel silent smart
""")
THINGS = words("""
kettle lamp chair desk drill shelf blanket mug backpack speaker router keyboard monitor heater
bicycle tent jacket notebook printer camera toaster ladder pump filter sofa mattress bottle
helmet scale fan cable charger headset clock stool basket
""")
TINTS = words("""
grey black white red golden silver lesser greater common northern southern eastern western
spotted striped dwarf giant royal painted blue
""")
ANIMALS = words("""
heron fox owl lynx otter finch hare toad gecko falcon badger turtle moth seal crane viper beetle
wolf goat rabbit parrot pony spaniel terrier
""")
PLANTS = words("""
birch fern orchid maple willow rose lily cactus ivy clover thyme sage cedar poppy tulip daisy
mint basil lavender palm
""")
TITLE_ADJECTIVES = words("""
Silent Broken Hidden Golden Last Distant Burning Frozen Little Endless Quiet Crooked Forgotten
Second Winter Summer Glass Paper Iron Empty
""")
TITLE_NOUNS = words("""
Harbour Garden River Letter Mirror Mountain Island House Winter Sky Road Forest Clock Bridge
Shadow Orchard Kingdom Voyage Machine Lantern
""")
