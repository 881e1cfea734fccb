"""Verbs of everyday photo captions with their forms, and the small closed word classes."""

from __future__ import annotations

from adapters.questions.lists import word_set

_REGULAR = """
run walk jump play stand sit hold ride climb look watch smile wear carry catch throw chase swim
splash leap fly swing slide kick hit talk dance sing pose eat drink lie lay sleep rest lean
crouch kneel hang skate skateboard ski snowboard surf sail row paddle kayak bike cycle drive
race jog sprint hike fish fight wrestle tackle hug kiss laugh cry read write draw paint cook cut
dig bite chew lick sniff bark roll spin flip balance perform practice prepare wait work push
pull drag lift throw toss dribble shoot score serve swing pitch bat bowl block reach grab pick
point wave clap cheer juggle blow smoke fall trip crash land float dive wade bathe wash shake
spray squirt pour fill feed pet groom brush comb shave dress sled tumble crawl creep march
parade gather meet greet stare gaze glance peer examine inspect study show display hand give
take bring fetch retrieve return follow lead guide cross pass enter leave exit approach move
travel stroll wander speed rush hurry bounce hop skip somersault cartwheel grind attempt try
compete battle box fence spar train exercise stretch lounge relax sunbathe nap snore yawn sneeze
listen strum drum film photograph snap record use fix repair build make create cover surround
wrap hide peek emerge appear disappear descend ascend scale rappel parasail waterski wakeboard
windsurf canoe raft drift glide soar hover perch romp frolic tug wag growl snarl pant nuzzle
cuddle snuggle embrace shovel sweep mop rake mow plant water shop sell buy pay browse serve vend
camp picnic barbecue grill roast light burn celebrate entertain address speak discuss chat argue
yell scream shout whisper call text gesture salute bow pray touch feel hold grip grasp clutch
squeeze press turn twist bend squat straddle sprawl huddle line stop start begin enjoy overlook
face cast tie untie strap navigate maneuver steer tow haul load unload collect trot gallop
canter buck graze herd lasso pedal coast rollerblade stick taste swallow open close attack
pounce wrestle support help teach learn lay rock bathe dunk shower sip slurp smell suck stir
scoop twirl wind lower raise set put place plunge poke poke stack step stomp struggle chop carve
sculpt decorate dangle hurdle dodge evade guard defend block punt pile pack pretend protest
demonstrate rub scratch skydive snorkel sprinkle squint blow swat sway swerve tackle tease tend
trudge vault volley wield wink ice-skate trek carry interact share admire check cling converse
cuddle direct flex float guide hurl inflate kneel lasso limp mount operate peddle plow prance
propel putt scrub shear sift sketch come break drop ask bound clean fire shine soak participate
observe pop gnaw parachute head grin socialize howl aim assist search keep sign act collide wipe
adjust spread flap remove fling wake cool explore recline rise rummage nibble weave joust
roughhouse grapple prop nip avoid handle scramble punch spit investigate zip await backpack
rollerskate hoop charge win stumble nod applaud arrive scrape visit giggle cradle stride slip
mingle knock duck flee concentrate pause beg shield tilt dip say see
"""

_DOUBLE = word_set(
    """run sit swim skip hop jog nap hit cut dig clap grab pet hug chat shop spin trip flip stop
    begin pat wag tug rub dip slip step stir put set get bat grip lap let plan plug snap strum tap
    tip zip drum spar wrap chop pin squat sip scrub sun cram drag drop stun swat hum skid snag
    rappel wed mop trot trek sled strap propel beg grin pop nip prop win nod spit"""
)
_IRREGULAR_ING = {
    "lie": "lying", "tie": "tying", "die": "dying", "untie": "untying", "ski": "skiing",
    "frolic": "frolicking", "picnic": "picnicking", "see": "seeing",
}  # fmt: skip


def gerund(base: str) -> str:
    """The -ing form of a base verb."""
    if base in _IRREGULAR_ING:
        return _IRREGULAR_ING[base]
    if base in _DOUBLE:
        return base + base[-1] + "ing"
    if base.endswith("e") and not base.endswith(("ee", "oe", "ye")):
        return base[:-1] + "ing"
    return base + "ing"


def third_person(base: str) -> str:
    """The -s form of a base verb."""
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ies"
    if base.endswith(("s", "x", "z", "ch", "sh", "o")):
        return base + "es"
    return base + "s"


BASES = word_set(_REGULAR) | {"go", "get", "do", "have"}
GERUNDS = {gerund(base): base for base in BASES} | {"rappeling": "rappel"}
THIRD = {third_person(base): base for base in BASES - {"pant"}} | {"has": "have"}
# What is left unsaid when the object of one of these is cut off.
TRANSITIVE = word_set(
    """hold carry wear catch throw chase kick hit push pull drag lift toss grab pick bring fetch
    retrieve use fix make give take show display cover surround wrap tackle pet feed cross have do
    get put set place raise lower touch support help teach begin start try attempt ride enjoy
    perform prepare approach bite strap mount operate follow hand set cut examine inspect remove
    drop keep avoid handle await cradle see say visit shield"""
)
# What says nothing without what follows it.
SAYS_LITTLE = word_set("look go come move point hang stand sit see say keep turn lead reach pick")
# Verbs that tell how somebody looks rather than what they do.
STATIC = frozenset(
    {"wear", "have", "dress", "cover", "surround", "appear", "face", "get", "show", "overlook"}
)

PREPOSITIONS = word_set(
    """in on at of with by near from to into onto over under through across along behind beside
    between around against above below down up off out for towards toward past inside outside
    during after before among amongst amid beneath underneath next atop like via within without
    about amidst while as front alongside upon beyond aboard despite"""
)
DETERMINERS = word_set(
    """a an the his her its their this that these those another each every both some several many
    one no two three four five six seven eight nine ten my your our all any few numerous eleven
    twelve various other"""
)
NUMBERS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "2": 2, "3": 3, "4": 4, "5": 5, "6": 6,
}  # fmt: skip
NUMBER_WORDS = {
    1: "One", 2: "Two", 3: "Three", 4: "Four", 5: "Five", 6: "Six", 7: "Seven", 8: "Eight",
    9: "Nine", 10: "Ten",
}  # fmt: skip
VAGUE = word_set("some several many few group crowd bunch lot lots pack pile numerous various")
POSSESSIVES = word_set("his her its their my your our")
FUNCTION = (
    PREPOSITIONS
    | DETERMINERS
    | word_set(
        """and or but is are was were be been being am has have had do does did who which that what
        where when there it he she they him them himself herself itself themselves together
        outside outdoors indoors while as so if not also very just then than too away back forward
        ahead alone apart nearby here underwater upside high low deep full close up one other
        others each something airborne midair such can will would may might about almost only
        still again sideways backwards downhill uphill wide open asleep ready able 's how because
        since until whilst whist headfirst left right far"""
    )
)
PUNCTUATION = word_set(""". , ; : " ' ! ? ( ) - --""")
PARTICIPLES = word_set(
    """held worn thrown seen lit sat hung wet dressed shown known made taken tied being given led
    caught ridden driven hidden stuck caught lined filled painted built set"""
)

COLOURS = word_set(
    """black white brown tan golden blond beige grey red pink orange yellow green blue purple silver
    gold turquoise maroon teal cream"""
)
COLOUR_WORDS = {colour: colour for colour in sorted(COLOURS)} | {
    "gray": "grey", "blonde": "blond", "navy": "blue", "aqua": "turquoise",
    "cream-colored": "cream", "tan-colored": "tan",
}  # fmt: skip
SHADES = word_set("light dark bright pale neon hot deep lime royal")
# Words before a noun that are no verbs there, and compounds ("grass", "soccer") among them.
ADJECTIVES = word_set(
    """young old little small big large tall short long huge tiny giant great older elderly asian
    black-haired blond-haired blonde-haired grassy snowy sandy rocky dirty wet dry muddy wooden
    metal brick stone concrete city colorful colourful plastic busy crowded empty outdoor indoor
    public shallow deep steep narrow wide high low striped plaid fluffy furry curly bald bearded
    shirtless barefoot happy smiling teenage middle-aged african american african-american chinese
    japanese indian long-haired dark-haired haired skinned dark-skinned spotted multicolored
    multi-colored checkered bright light dark pale lone single male female adult elderly heavy
    heavyset fat thin skinny cute pretty beautiful handsome leather denim knit wool straw
    red-haired brown-haired snow-covered snow covered swimming soccer football tennis baseball
    basketball hockey rugby paved unpaved dusty icy frozen fallen open closed fenced lush green
    tree-lined residential rural wooded grass dirt rough choppy calm clear sunny cloudy leafy
    mountainous hilly same different front back top bottom left right rainbow homemade makeshift
    inflatable toy stuffed collared sleeveless sleeved long-sleeved short-sleeved hooded matching
    bathing business wedding formal fancy traditional tight loose baggy polka-dot polka-dotted
    floral flowered flowery patterned printed camouflage camo khaki neon reflective rubber
    cardboard electric acoustic bass other mountain bmx dirt jack german border golden bull boston
    cocker saint yorkshire"""
)
