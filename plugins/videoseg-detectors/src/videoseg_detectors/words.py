"""Nouns for the classes of COCO: synonyms, kinds, and words for several classes.

A word stands here only if what it names is of the class in the sense in which COCO was annotated:
a swan is a bird, but a wolf is not annotated as a dog, nor a toy car reliably as a car. What is
left out is unknown, which costs less than a wrong box. Words are singular, in lower case, with
spaces instead of hyphens.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "GROUPS",
    "KINDS_OF",
    "LIKENESSES",
    "NOT_PERSONS",
    "PERSON_HEADS",
    "PLAYED",
    "SYNONYMS",
]


def _table(text: str) -> Mapping[str, tuple[str, ...]]:
    """Return a table from lines ``class: word, word, ...``; a line without a colon continues."""
    joined: dict[str, str] = {}
    name = ""
    for line in text.strip().splitlines():
        head, colon, rest = line.partition(":")
        if colon:
            name = head.strip()
        joined[name] = f"{joined.get(name, '')},{rest if colon else line}"
    return {
        name: tuple(word.strip() for word in words.split(",") if word.strip())
        for name, words in joined.items()
    }


SYNONYMS = _table(
    """
    person: human, human being, somebody, someone
    bicycle: pushbike, pedal bike, push bike, pedal cycle
    car: automobile, auto, motorcar, motor car
    motorcycle: motorbike, motor bike, motor cycle
    airplane: aeroplane, plane, aircraft, air plane
    bus: omnibus
    train: railway train, railroad train
    truck: lorry
    boat: watercraft
    traffic light: stoplight, traffic signal, stop light
    fire hydrant: hydrant, fireplug
    stop sign: stopsign
    parking meter:
    bench: park bench
    bird:
    cat: house cat, kitty, pussycat, domestic cat
    dog: doggy, doggie, pooch, hound, domestic dog
    cow: cattle
    bear:
    backpack: rucksack, knapsack
    umbrella: brolly
    handbag: hand bag, purse
    tie: necktie, neck tie
    suitcase: trolley case, suit case
    frisbee: flying disc, flying disk
    skis: ski
    snowboard: snow board
    sports ball: ball
    baseball bat: baseballbat
    baseball glove: baseball mitt, catcher's mitt
    skateboard: skate board
    surfboard: surf board
    tennis racket: tennis racquet, racket, racquet
    wine glass: wineglass
    cup: mug
    banana:
    sandwich:
    orange: orange fruit
    hot dog: hotdog, frankfurter
    donut: doughnut
    couch: sofa, settee
    potted plant: houseplant, house plant, pot plant, pottedplant
    dining table: table, dinner table, diningtable, kitchen table
    toilet: lavatory, toilet bowl, commode
    tv: television, tv set, television set, telly, tvmonitor, tv monitor
    laptop: laptop computer, notebook computer
    mouse: computer mouse
    remote: remote control, remote controller, tv remote
    keyboard: computer keyboard
    cell phone: cellphone, mobile phone, phone, smartphone, smart phone
    microwave: microwave oven
    oven: stove, cooker
    sink: washbasin, wash basin, basin
    refrigerator: fridge, icebox
    clock: timepiece
    scissors: pair of scissors, shears
    teddy bear: teddy, teddybear, stuffed bear
    hair drier: hair dryer, hairdryer, blow dryer, hairdrier
    toothbrush: tooth brush
    """
)
"""For each class other words for the same thing."""

KINDS_OF = _table(
    """
    person: man, woman, boy, girl, child, kid, baby, toddler, infant, newborn, adult, teenager,
     teen, youth, youngster, guy, gentleman, lady, lad, fellow, dude, chap, bloke, gal,
     elder, senior, pensioner, grandmother, grandma, granny, grandfather, grandpa,
     mother, mom, mum, mommy, father, dad, daddy, parent, brother, sister, sibling, son,
     daughter, twin, uncle, aunt, cousin, husband, wife, bride, groom, bridesmaid, friend,
     neighbor, neighbour, stranger, people, folk, crowd, couple, team, audience,
     pedestrian, passerby, passer by, bystander, onlooker, spectator, viewer, visitor, tourist,
     traveler, traveller, passenger, commuter, guest, customer, shopper, client, owner, hiker,
     walker, runner, jogger, sprinter, racer, athlete, sportsman, sportswoman, gymnast, acrobat,
     climber, mountaineer, swimmer, diver, surfer, kitesurfer, windsurfer, sailor, rower, kayaker,
     canoeist, paddler, skater, rollerblader, roller skater, ice skater, figure skater,
     skateboarder, snowboarder, skier, sledder, cyclist, bicyclist, biker, motorcyclist,
     motorbiker, rider, horse rider, horseman, horsewoman, equestrian, jockey, cowboy, cowgirl,
     driver, chauffeur, pilot, skydiver, parachutist, player,
     footballer, goalkeeper, goalie, goaltender, striker, quarterback, batsman,
     catcher, golfer,
     opponent, teammate, referee, umpire, linesman, trainer,
     captain, cheerleader, fighter, wrestler, fencer, archer, weightlifter,
     bodybuilder, martial artist, judoka, karateka, dancer, breakdancer, break dancer, ballerina,
     ballet dancer, singer, musician, guitarist, drummer, pianist, violinist, cellist, trumpeter,
     bassist, rapper, dj, conductor, performer, artist, painter, actor, actress, comedian, clown,
     magician, juggler, mime, entertainer, photographer, cameraman, camerawoman, reporter,
     journalist, presenter, speaker, lecturer, teacher, instructor, professor, student,
     pupil, schoolboy, schoolgirl, classmate, worker, laborer, labourer, builder,
     construction worker, carpenter, plumber, electrician, mechanic, engineer, technician,
     craftsman, farmer, shepherd, gardener, fisherman, angler, hunter, butcher, baker, cook, chef,
     waiter, waitress, bartender, barista, cashier, seller, salesman, saleswoman, vendor,
     merchant, shopkeeper, clerk, receptionist, secretary, manager, boss, businessman,
     businesswoman, employee, colleague, official, officer, policeman, policewoman, police officer,
     cop, firefighter, fireman, soldier, guard, bodyguard, lifeguard, doctor, physician, surgeon,
     nurse, dentist, patient, scientist, astronaut, judge, lawyer, priest, monk, nun, king, queen,
     prince, princess, knight, thief, burglar, robber, homeless person, beggar, barber,
     hairdresser, hairstylist, janitor, postman, mailman, courier, delivery man, maid,
     babysitter, nanny, scout, volunteer, protester, demonstrator, politician, president,
     participant, contestant, competitor,
     matador, bullfighter, gondolier, pirate, stuntman, handyman, foreman,
     sports fan, football fan, soccer fan, baseball fan, basketball fan, hockey fan, tennis fan,
     rugby fan, cricket fan, music fan, rock climber, mountain climber, ice climber, free climber
    bicycle: mountain bike, road bike, racing bike, bmx, bmx bike, tandem, ebike, e bike,
     electric bike, city bike, racing bicycle
    car: sedan, hatchback, convertible, coupe, limousine, limo, suv, jeep, taxi, cab, taxicab,
     police car, race car, racing car, racecar, sports car, sportscar, station wagon, minivan,
     roadster, cabriolet, electric car, patrol car, rally car,
     squad car, vintage car, muscle car, drift car
    motorcycle: scooter, motor scooter, moped, vespa, dirt bike, dirtbike,
     motocross bike, sport bike, superbike, minibike
    airplane: jet, airliner, jetliner, biplane, jumbo jet, fighter jet, jet plane, seaplane,
     propeller plane, passenger plane, warplane, monoplane
    bus: minibus, double decker, double decker bus, school bus, shuttle bus,
     trolleybus, city bus, tour bus, articulated bus
    train: locomotive, steam train, tram, streetcar, tramcar, subway, subway train,
     metro train, freight train, railcar, monorail, bullet train, steam locomotive,
     steam engine, commuter train, passenger train
    truck: pickup, pickup truck, pick up truck, semi truck, tractor trailer, dump truck,
     garbage truck, fire truck, fire engine, tow truck, tanker truck, delivery truck,
     box truck, flatbed truck, dumper, dumper truck, trash truck, monster truck, cement truck,
     concrete mixer truck, food truck, articulated lorry
    boat: ship, sailboat, sailing boat, motorboat, motor boat, speedboat, speed boat, yacht, canoe,
     kayak, rowboat, rowing boat, dinghy, ferry, ferryboat, gondola, catamaran, fishing boat,
     barge, raft, tugboat, tug, cruise ship, steamboat, lifeboat, vessel, sailing ship, schooner,
     houseboat, rubber boat, inflatable boat, trimaran, paddle boat, pedal boat, steamship
    bird: swan, black swan, blackswan, duck, duckling, goose, gosling, mallard, pigeon, dove,
     seagull, gull, crow, raven, magpie, jay, sparrow, robin, finch, tit, blackbird, starling,
     swallow, thrush, wren, nightingale, canary, parrot, parakeet, budgie, budgerigar, cockatoo,
     macaw, eagle, hawk, falcon, kestrel, buzzard, vulture, condor, owl, stork, heron, egret,
     crane bird, flamingo, pelican, cormorant, penguin, puffin, albatross, ostrich, emu, peacock,
     peahen, pheasant, quail, partridge, turkey, chicken, hen, rooster, cock, cockerel, chick,
     fowl, waterfowl, songbird, hummingbird, woodpecker, kingfisher, cuckoo, toucan, ibis, rhea,
     seabird, waterbird, nestling, fledgling, poultry, osprey, cygnet, drake, kiwi bird, lark
    cat: kitten, tomcat, tabby, siamese, siamese cat, persian cat, maine coon, calico cat,
     tabby cat
    dog: puppy, pup, hunting dog, guide dog, sheepdog, watchdog, labrador, golden retriever,
     retriever, poodle, dachshund, beagle, bulldog, terrier, german shepherd, husky, corgi,
     chihuahua, pug, collie, border collie, dalmatian, greyhound, rottweiler, doberman, spaniel,
     mastiff, shih tzu, yorkshire terrier, great dane, mutt, mongrel, lapdog, whippet,
     jack russell, samoyed, malamute, schnauzer, pekingese, sled dog, guard dog, police dog
    horse: pony, stallion, mare, foal, colt, filly, gelding, racehorse, race horse, steed, mustang,
     workhorse
    sheep: lamb, ram, ewe
    cow: bull, ox, calf, heifer, steer, bullock, dairy cow, highland cow
    elephant: african elephant, asian elephant, baby elephant
    bear: grizzly, grizzly bear, brown bear, black bear, polar bear, bear cub
    zebra:
    giraffe:
    backpack: daypack, school bag, schoolbag
    umbrella: parasol, sunshade umbrella, beach umbrella
    handbag: shoulder bag, tote, tote bag, ladies' bag
    tie: bow tie, bowtie
    suitcase: trolley bag
    skis: alpine skis, cross country ski
    sports ball: football, soccer ball, basketball, tennis ball, baseball, volleyball, golf ball,
     rugby ball, beach ball, bowling ball, ping pong ball, cricket ball, handball, softball,
     billiard ball, medicine ball
    skateboard: longboard, long board, penny board
    surfboard: bodyboard, boogie board, paddle board, paddleboard
    tennis racket: badminton racket, squash racket
    bottle: water bottle, beer bottle, wine bottle, milk bottle, plastic bottle, glass bottle,
     soda bottle, baby bottle
    wine glass: champagne glass, goblet, champagne flute
    cup: teacup, tea cup, coffee cup, coffee mug, paper cup, plastic cup
    knife: kitchen knife, bread knife, butter knife, steak knife, table knife
    spoon: teaspoon, tablespoon, soup spoon, wooden spoon
    bowl: salad bowl, soup bowl, mixing bowl, cereal bowl
    apple: green apple, red apple
    sandwich: burger, hamburger, cheeseburger, toastie, panini, club sandwich
    orange: mandarin, tangerine, clementine, satsuma
    broccoli: broccoli floret
    carrot: baby carrot
    pizza: pizza slice, slice of pizza
    cake: birthday cake, cupcake, wedding cake, cheesecake, chocolate cake, gateau, layer cake
    chair: armchair, office chair, rocking chair, folding chair, deckchair, deck chair, high chair,
     highchair, wooden chair, swivel chair, dining chair, lawn chair
    couch: loveseat, divan, sofa bed, chesterfield
    potted plant: bonsai, potted flower, potted tree
    bed: double bed, single bed, bunk bed, crib, cot, hospital bed
    dining table: picnic table
    tv: flat screen, flatscreen, flat screen tv, computer monitor, computer screen, monitor
    laptop: macbook, chromebook, netbook
    cell phone: iphone, android phone, flip phone
    sink: kitchen sink, bathroom sink
    refrigerator: mini fridge
    book: textbook, paperback, novel, hardcover, cookbook, storybook, comic book
    clock: alarm clock, wall clock, grandfather clock, tower clock
    vase: flower vase
    teddy bear: plush bear
    toothbrush: electric toothbrush
    """
)
"""For each class words for some of its things; another thing of the class may be found as well."""

GROUPS = _table(
    """
    vehicle: bicycle, car, motorcycle, airplane, bus, train, truck, boat
    motor vehicle: car, motorcycle, bus, truck
    road vehicle: car, motorcycle, bus, truck, bicycle
    automotive vehicle: car, bus, truck
    bike: bicycle, motorcycle
    cycle: bicycle, motorcycle
    two wheeler: bicycle, motorcycle
    van: car, truck, bus
    camper: car, truck, bus
    ambulance: car, truck
    public transport: bus, train
    animal: bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe
    creature: bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe
    beast: horse, sheep, cow, elephant, bear, zebra, giraffe
    mammal: cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe
    pet: cat, dog, bird
    farm animal: horse, sheep, cow
    livestock: horse, sheep, cow
    living being: person, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe
    bag: backpack, handbag, suitcase
    luggage: backpack, handbag, suitcase
    baggage: backpack, handbag, suitcase
    board: skateboard, snowboard, surfboard
    seat: chair, couch, bench
    furniture: chair, couch, bed, dining table, bench
    glass: wine glass, cup
    drinking glass: wine glass, cup
    cutlery: fork, knife, spoon
    silverware: fork, knife, spoon
    tableware: wine glass, cup, fork, knife, spoon, bowl
    fruit: banana, apple, orange
    vegetable: broccoli, carrot
    food: banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake
    snack: sandwich, hot dog, pizza, donut, cake
    dessert: donut, cake
    computer: laptop
    screen: tv, laptop
    display: tv, laptop
    household appliance: microwave, oven, toaster, refrigerator
    appliance: microwave, oven, toaster, refrigerator
    kitchen appliance: microwave, oven, toaster, refrigerator
    traffic sign: stop sign
    """
)
"""Words of a wider sense, with the classes of which it takes in some things or all."""

PERSON_HEADS = frozenset(
    ("artist", "athlete", "boy", "child", "cyclist", "dancer", "drummer", "fisherman",
     "gentleman", "girl", "goalkeeper", "guitarist", "guy", "gymnast", "kid", "lady",
     "man", "musician", "officer", "passenger", "pedestrian", "people", "person", "policeman",
     "rider", "singer", "skateboarder", "skater", "skier", "snowboarder", "spectator", "student",
     "surfer", "swimmer", "teacher", "tourist", "woman", "worker")
)  # fmt: skip
"""Words for a person that stay one with nearly any noun before them: an ice skater.

Words that are things as well are no heads (an exhaust fan, a climber in a garden); compounds of
them that are persons stand in ``KINDS_OF``.
"""

LIKENESSES = frozenset(
    ("cardboard", "clay", "doll", "dummy", "figurine", "gingerbread", "inflatable", "lego",
     "mannequin", "plush", "puppet", "robot", "statue", "stick", "straw", "toy")
)  # fmt: skip
"""Words that, anywhere before a head, leave no person: a toy man, a robot dancer."""

NOT_PERSONS = frozenset(
    ("air dancer", "goat kid", "iron man", "low rider", "paper boy", "pond skater", "sky dancer",
     "snow boy", "snow girl", "snow lady", "snow man", "snow people", "snow person", "snow woman",
     "tin man", "tube dancer", "tube guy", "tube man", "water skater", "wind dancer")
)  # fmt: skip
"""Other compounds with a head that are no person, with any words before them."""

PLAYED = frozenset(
    ("american football", "badminton", "baseball", "basketball", "beach volleyball", "bass",
     "card", "cello", "chess", "cricket", "drum", "field hockey", "flute", "football", "golf",
     "guitar", "handball", "hockey", "ice hockey", "lacrosse", "piano", "ping pong", "poker",
     "polo", "rugby", "saxophone", "soccer", "softball", "squash", "table tennis", "tennis",
     "trumpet", "video game", "violin", "volleyball", "water polo")
)  # fmt: skip
"""What makes a person of ``player``: a record player is none."""
