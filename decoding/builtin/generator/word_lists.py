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
MORE_FIRST = words("""
Jürgen Zoë Łukasz José André Søren Márta Renée Björn Inês Chloé François Anaïs Óscar Ewa Tim Ben
Ada Alan Grace Ian Joan Ken Lena Mark Neil Otto Pam Rita Sam Tina Uwe Vic Will Amy Bob Cara Dean
Eve Fay Gus Holly Ivy Jack Kate Leo Mia Ned Owen Piet Ruth Stan Theo Una Vince Wes Yan Deepa Arjun
Hiroshi Yuki Wei Jun Aminata Chidi Ngozi Tariq Layla Sven Ingrid Matteo Giulia Pilar Diego
""")
MORE_LAST = words("""
Müller Nuñez Sørensen Dvořák Lefèvre García Öztürk Szabó Köhler Peña Smith Johnson Miller Wilson
Anderson Thompson Robinson Walker Wright Hughes Edwards Turner Parker Collins Stewart Morris
Murphy Cook Rogers Morgan Cooper Peterson Bailey Kelly Howard Ward Cox Richardson Wood Watson
Brooks Bennett Gray Ross Price Barnes Fisher Patel Sharma Kaur Mensah Abebe Ibrahim Hassan Suzuki
Yamamoto Ricci Ferrari Bianchi Lambert Girard Becker Hoffmann Wagner Lindqvist Virtanen O'Brien
O'Neill McDonald McCarthy
""")
TRADES = words("""
plumber baker nurse teacher carpenter electrician welder gardener cook waiter driver cashier
librarian accountant lawyer engineer programmer designer translator editor journalist dentist
pharmacist surveyor architect chemist biologist mechanic painter roofer tailor receptionist
photographer economist analyst technician optician butcher florist barber paramedic postman
""")
TRADE_ADJECTIVES = words("""
senior junior assistant trainee head chief lead deputy retired freelance night primary mobile
marine legal medical technical
""")
FOODS = words("""
flour sugar butter milk eggs salt pepper onions garlic carrots potatoes tomatoes rice lentils
chickpeas beans spinach mushrooms cheese cream yoghurt honey oats almonds walnuts raisins apples
pears lemons oranges bananas cherries plums basil parsley thyme cinnamon ginger vanilla cocoa yeast
olives capers celery leeks pumpkin beetroot cabbage noodles couscous tofu salmon tuna chicken ham
""")
FOOD_ADJECTIVES = words("""
fresh dried brown red green plain ground chopped smoked grated frozen tinned roasted sliced unsalted
""")
DISHES = words("""
soup stew pie salad curry risotto cake bread lasagne omelette tart pancakes dumplings casserole
crumble biscuits goulash gratin pudding chilli noodles sandwich
""")
VERBS = words("""
replace repair check order update review clean book print send collect paint test install call
measure translate archive move label
""")
OBJECTS = words("""
filter report invoice website contract heater door roof server printer window pump gate sign
spreadsheet brochure database archive kitchen projector alarm lock boiler fence leaflet manual
keyboard router battery carpet ladder schedule
""")
OBJECT_ADJECTIVES = words("""
old new broken main rear front second annual missing spare weekly heavy draft faulty small large
""")
QUALITIES = words("""
free early quick quiet local shared public extra daily cold hot soft hard dry wet clean blank slow
fast bright dark loose tight sharp digital manual leather wooden metal paper plastic cotton spare
front rear broken cracked late wrong damaged double single heated foldable waterproof adjustable
""")
CONCEPTS = words("""
delivery screen handle strap button cable socket hinge lid wheel zip pocket timer alarm display
battery charger sensor switch lock stand case parts parking breakfast access storage seating
lighting training support service rest report login password page backup copy seal label edge
surface noise smell leak dent scratch stain headache cough fever ankle knee shoulder tooth check-up
budget schedule safety hiring marketing pricing security planning statistics pottery drawing
photography swimming cooking chess history music yoga
""")
LANGUAGES = words("""
English German French Spanish Italian Portuguese Dutch Polish Czech Swedish Danish Norwegian
Finnish Greek Turkish Arabic Hebrew Hindi Urdu Bengali Mandarin Japanese Korean Vietnamese Thai
Swahili Russian Ukrainian Romanian Hungarian
""")
PLACE_TAILS = words("Hotel Inn Hall Centre Room Pavilion Theatre Cafe House Arena Museum Lodge")
PLACE_HEADS = words("""
Aurora Riverside Bellevue Grand Central Royal Seaside Harbour Garden Lakeside Station Park Old
Victoria Panorama Sunrise Corner Market Castle Meadow Northern Southern Crystal Blue Green
""")
TEAM_TAILS = words("United Rovers City Athletic Wanderers Tigers Eagles Hawks Wolves Town Rangers")
ORGANISATIONS = words("""
University Hospital Library Council School College Institute Foundation Bank Museum Clinic Airlines
Bakery Garage Insurance Press Pharmacy Railways
""")
CAR_TYPES = words("Estate Coupe Van Hatchback Roadster Pickup Cruiser Compact Sport Family")
FLAVOURS = words("""
chicken tomato lentil mushroom apple carrot lemon almond onion potato chickpea spinach leek pumpkin
ginger chocolate plum cherry walnut cheese bean salmon tuna rice pepper beetroot orange pear banana
""")
THEME_HEADS = words("""
Advanced Basic Modern Practical Regional Annual Weekly Creative Digital Green Open Spring Autumn
Winter Summer Everyday Joint
""")
THEME_TAILS = words("""
Workshop Review Basics Project Update Planning Course Programme Seminar Relaunch Pilot Study
Refresh Essentials Clinic Initiative 2024 2025 2026
""")
