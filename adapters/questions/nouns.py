"""The nouns that questions are asked about, as they are used in everyday photo captions.

``CONCEPTS`` is one table: a line is ``name: other words for it > broader concepts`` under the \
group
that it belongs to. Several words stand with an underscore (``soccer_ball``).
"""

from __future__ import annotations

# Groups: people, animal, vehicle, thing, clothing, place may be asked about; body, backdrop and
# event are known to the parser but are never the object of a "no".
CONCEPTS = """
[people]
person: individual someone somebody pedestrian figure stranger human
man: guy gentleman businessman groom cowboy dad father grandfather fisherman policeman fireman \
male > person
woman: lady bride mother mom grandmother bridesmaid businesswoman female cheerleader > person
boy: schoolboy > child
girl: schoolgirl ballerina > child
child: kid toddler youngster > person
baby: infant newborn > child
teenager: teen youth adolescent > person
adult: > person
couple: > person
crowd: audience spectator onlooker > person
team: > person
band: > person
family: > person
player: footballer goalie goalkeeper quarterback pitcher catcher batter soccer_player \
football_player basketball_player baseball_player tennis_player hockey_player rugby_player \
volleyball_player lacrosse_player teammate opponent > athlete
athlete: runner jogger gymnast wrestler boxer swimmer diver skater ice_skater competitor fencer \
jockey cricketer > person
skateboarder: > athlete
snowboarder: > athlete
skier: > athlete
surfer: windsurfer > athlete
cyclist: biker bicyclist bicycler bike_rider mountain_biker > person
motorcyclist: motorcycle_rider dirt_biker dirt_bike_rider motorcycle_racer motocross_rider > \
person
rider: horse_rider bull_rider > person
climber: rock_climber mountain_climber > person
hiker: backpacker trekker > person
racer: > person
performer: musician singer guitarist drummer dancer clown acrobat juggler violinist > person
worker: construction_worker police_officer officer firefighter soldier chef cook waiter waitress \
vendor driver photographer cameraman referee security_guard lifeguard > person
student: > person
friend: > person
owner: > person

[animal]
animal: creature pet
dog: puppy pup poodle terrier greyhound retriever golden_retriever labrador lab german_shepherd \
collie border_collie beagle husky dachshund bulldog pitbull pit_bull doberman spaniel hound \
chihuahua corgi dalmatian rottweiler mutt sheepdog pug doggy canine shepherd great_dane dogs \
st_bernard > animal
cat: kitten kitty > animal
horse: pony colt bronco stallion > animal
cow: bull calf cattle ox > animal
sheep: lamb > animal
goat: > animal
bird: pigeon seagull duck goose swan parrot eagle hawk chicken turkey owl rooster hen flamingo \
crane pelican > animal
elephant: > animal
camel: > animal
monkey: > animal
bear: > animal
tiger: > animal
lion: > animal
deer: > animal
rabbit: bunny > animal
squirrel: > animal
fish: > animal
dolphin: > animal
whale: > animal
snake: > animal
turtle: > animal
pig: > animal
zebra: > animal
giraffe: > animal
llama: > animal
donkey: mule > animal
frog: > animal
insect: butterfly bee > animal

[vehicle]
vehicle: automobile
car: suv sedan convertible taxi racecar race_car sports_car police_car > vehicle
truck: pickup_truck pickup jeep van fire_truck firetruck dump_truck monster_truck > vehicle
bus: > vehicle
train: subway_train > vehicle
boat: sailboat speedboat rowboat motorboat ship raft yacht canoe kayak fishing_boat \
inflatable_raft ferry > vehicle
airplane: plane jet aeroplane > vehicle
helicopter: > vehicle
motorcycle: motorbike dirt_bike moped > vehicle
bicycle: bike mountain_bike bmx_bike > vehicle
tricycle: > vehicle
unicycle: > vehicle
scooter: > vehicle
ATV: four-wheeler quad_bike > vehicle
snowmobile: > vehicle
tractor: > vehicle
jet_ski: > vehicle
carriage: > vehicle
cart: wheelbarrow shopping_cart >
wagon: >
stroller: pram >
wheelchair: >
sled: sleigh toboggan >
golf_cart: > cart

[thing]
ball: soccer_ball tennis_ball beach_ball rubber_ball volleyball basketball football baseball \
rugby_ball softball bowling_ball golf_ball snowball > toy
toy: stuffed_animal doll teddy_bear plaything chew_toy stuffed_toy
frisbee: disc disk > toy
stick: > 
bone: >
balloon: > toy
bubble: >
kite: > toy
hula_hoop: > toy
skateboard: skate_board >
surfboard: surf_board >
snowboard: snow_board >
boogie_board: > surfboard
skis: ski >
ice_skate: > skate
skate: >
rollerblade: roller_skate roller_blade inline_skate rollerskate > skate
trampoline: >
swing: swing_set tire_swing >
slide: water_slide playground_slide >
seesaw: >
merry-go-round: carousel >
roller_coaster: >
Ferris_wheel: >
ramp: skateboard_ramp skate_ramp bike_ramp half_pipe halfpipe >
hurdle: >
hoop: basketball_hoop >
goal: soccer_goal goalpost >
net: tennis_net volleyball_net soccer_net >
racket: racquet tennis_racket tennis_racquet >
bat: baseball_bat cricket_bat >
golf_club: >
hockey_stick: >
paddle: oar >
fishing_pole: fishing_rod >
tent: >
umbrella: parasol >
backpack: rucksack > bag
bag: purse handbag suitcase luggage shopping_bag plastic_bag tote > 
guitar: > instrument
violin: fiddle > instrument
drum: > instrument
piano: > instrument
accordion: > instrument
trumpet: trombone > instrument
saxophone: > instrument
tuba: > instrument
flute: > instrument
instrument: musical_instrument
microphone: mic >
camera: video_camera camcorder >
phone: cellphone cell_phone telephone mobile_phone >
computer: laptop >
television: tv >
headphones: headphone earphone earphones >
book: novel >
newspaper: >
magazine: >
bottle: water_bottle beer_bottle > 
cup: mug > 
glass: wine_glass >
plate: >
bowl: >
fork: >
knife: >
spoon: >
pizza: > food
cake: birthday_cake cupcake > food
sandwich: hamburger hot_dog hotdog burger > food
banana: > fruit
apple: > fruit
fruit: watermelon > food
ice_cream: popsicle > food
lollipop: > food
food: meal snack
beer: >
cigarette: >
pipe: >
bench: park_bench > seat
chair: armchair rocking_chair lawn_chair highchair > seat
couch: sofa loveseat > seat
stool: barstool > seat
seat: >
bed: crib bunk_bed >
table: picnic_table dining_table > 
desk: >
pillow: cushion >
blanket: quilt >
towel: >
rug: carpet mat >
lamp: >
mirror: >
toilet: >
bathtub: tub bath_tub >
sink: >
refrigerator: fridge >
oven: stove >
bookshelf: bookcase >
clock: >
vase: >
candle: >
ladder: >
rope: > 
leash: >
hose: garden_hose >
sprinkler: lawn_sprinkler >
bucket: pail >
basket: >
box: cardboard_box >
barrel: >
shovel: >
broom: >
hammer: >
sword: >
gun: rifle water_gun pistol >
flag: banner >
sign: billboard poster
statue: sculpture monument
fountain: water_fountain >
fire: campfire bonfire flame >
fireworks: firework >
sparkler: > fireworks
parachute: >
tire: tyre >
wheel: >
pole: >
mask: >
wig: >
pumpkin: >
flower: rose tulip sunflower daisy dandelion
Christmas_tree: >
wheelie: >
igloo: >
snowman: >
sandcastle: sand_castle >
innertube: inner_tube float floatie >
diving_board: >
skull: >
obstacle: >
barrier: >
trash_can: garbage_can trashcan >
fire_hydrant: hydrant >
traffic_light: >
mailbox: >
robot: >

[clothing]
shirt: t-shirt tshirt tee-shirt blouse tank_top jersey polo sweatshirt hoodie sweater pullover
jacket: coat parka vest blazer windbreaker raincoat life_jacket life_vest
dress: gown sundress wedding_dress
skirt: kilt tutu
pants: trousers jeans slacks leggings overalls
shorts: trunks swim_trunks swimming_trunks
swimsuit: bikini bathing_suit swimming_suit
wetsuit: wet_suit >
suit: tuxedo business_suit
uniform: outfit costume >
robe: >
hat: cap beanie baseball_cap cowboy_hat santa_hat ball_cap
helmet: hardhat hard_hat
sunglasses: >
glasses: eyeglasses
goggles: >
scarf: >
headband: bandanna bandana
glove: mitten
shoe: boot sneaker sandal flip-flop flip_flop
sock: >
tie: necktie bow_tie >
belt: >
apron: >
necklace: >
harness: >
collar: >
muzzle: >
snowsuit: >
diaper: >
cape: >

[place]
beach: shore seashore shoreline seaside
sand: >
water: >
ocean: sea surf > water
lake: pond > water
river: stream creek rapids canal > water
pool: swimming_pool kiddie_pool wading_pool > water
puddle: > water
waterfall: > water
wave: > water
snow: snowbank snowdrift
ice: ice_rink rink
mountain: mountainside mountaintop
hill: hillside slope ski_slope dune sand_dune
cliff: ledge canyon
desert: >
forest: woods jungle woodland
field: meadow pasture grassy_field soccer_field football_field baseball_field lawn
park: skate_park city_park amusement_park
playground: >
garden: >
yard: backyard front_yard
street: road highway city_street crosswalk intersection
sidewalk: pavement walkway curb
path: trail dirt_path dirt_road pathway driveway
bridge: >
dock: pier boardwalk
tunnel: >
cave: >
city: town downtown
parking_lot: >
track: racetrack race_track dirt_track
court: tennis_court basketball_court
stadium: arena
gym: gymnasium
stage: >
kitchen: >
bathroom: >
bedroom: >
living_room: >
room: office classroom
restaurant: cafe diner coffee_shop coffee_house
store: shop supermarket grocery_store mall
market: >
train_station: subway_station subway station airport
museum: gallery
church: >
farm: barn
stairs: stair step steps staircase stairway >
escalator: >
railing: handrail rail

[body]
mouth: >
face: >
hand: >
head: >
hair: >
arm: >
leg: >
foot: feet >
ear: >
eye: >
nose: >
tail: >
tongue: >
tooth: teeth >
beard: mustache >
tattoo: >
back: >
lap: >
shoulder: >
finger: >
body: >
paw: >
wing: >
knee: >
neck: >
mohawk: ponytail pigtail >

[backdrop]
grass: weed
tree: tree_trunk pine_tree palm_tree
branch: stump log tree_branch tree_stump > tree
leaf: leaves foliage
plant: bush shrub
rock: boulder stone pebble
dirt: mud
ground: >
floor: >
air: midair >
sky: >
cloud: >
sun: >
sunset: sunrise >
shadow: >
background: foreground distance >
wall: brick_wall rock_wall climbing_wall
fence: chain_link_fence wooden_fence gate
building: skyscraper
house: home hut cabin shed
window: >
door: doorway >
roof: rooftop >
light: >
picture: photo photograph image >
area: >
view: >
edge: corner side top bottom middle front end >
object: something item piece
smoke: >
rain: >
paint: >
graffiti: >
line: row >

[event]
race: marathon >
game: match >
party: birthday_party >
wedding: >
parade: >
trick: stunt jump flip handstand
soccer: >
tennis: >
hockey: >
"""
