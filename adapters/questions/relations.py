"""What goes together in photos: nouns that people mix up, and what a word makes likely.

A question whose answer is "no" is only asked about something that neither table ties to a \
caption.
"""

from __future__ import annotations

# "Is there a X?" is never answered "no" when a caption names another of X's group: the same thing
# is called by all of these names.
NEAR = """
bicycle motorcycle tricycle unicycle scooter ATV vehicle wheel tire
car truck bus vehicle
carriage wagon cart stroller wheelchair car sled
couch chair bench stool seat bed swing
table desk
hill mountain cliff rock field
beach sand ocean lake river pool water wave puddle shore waterfall dock
lake river pool puddle fountain water innertube boat
snow ice sled snowman igloo snowboard ski
field park yard garden grass playground farm
street sidewalk path track parking_lot city
street car truck bus bicycle sign traffic_light building city sidewalk
forest tree park garden
gym court stadium stage
store market restaurant
kitchen bathroom bedroom living_room room
stairs escalator railing ramp
bottle cup glass beer food
bowl plate food cup
pizza cake sandwich fruit ice_cream lollipop food
bag backpack basket box
pole stick paddle hockey_stick fishing_pole bat golf_club sword
ball toy frisbee balloon stick bone object
ball game
rope leash hose harness swing
surfboard skateboard snowboard boogie_board ski sled
skate ski ice_skate skateboard
ramp slide obstacle hurdle barrier
hoop hula_hoop goal net
blanket towel rug bed pillow
hat helmet headband wig mask
sunglasses glasses goggles mask
shirt jacket dress uniform suit snowsuit robe
pants shorts swimsuit wetsuit skirt dress
flag sign kite parachute
fire candle firework smoke
instrument guitar violin drum piano accordion trumpet saxophone tuba flute band microphone stage \
performer
phone camera computer television microphone
book newspaper magazine
statue fountain
cow horse sheep goat donkey deer animal
dog bear lion tiger cat sheep deer
swing slide playground seesaw merry-go-round roller_coaster Ferris_wheel trampoline
tent umbrella parachute
trash_can barrel bucket
snow mountain
flower plant garden
"""

# word: concepts that it makes likely. The word itself need not be a concept.
IMPLIES = """
skateboarder skateboarding skateboards skateboard: skateboard person ramp helmet rail
snowboarder snowboarding snowboard: snowboard snow person mountain hill helmet goggles
skier skiing skis ski: ski snow person mountain hill helmet goggles pole
surfer surfing surfs surfboard wakeboarder wakeboarding windsurfer surf: surfboard water ocean \
wave person rope boat beach
cyclist biker bicyclist biking cycling bicycler bikes bike bicycle bmx: bicycle helmet person \
wheel tire
motorcyclist motocross motorcycle motorbike: motorcycle helmet person wheel tire
rider riding rides jockey rodeo: person bicycle horse motorcycle helmet
climber climbing rappelling climbs: rope harness rock cliff mountain helmet person
hiker hiking hikes: backpack mountain hill path person stick
soccer: ball player goal net field team person
football: ball player team helmet field person
basketball: ball player hoop net court gym team person
baseball softball: ball bat glove player helmet hat field person
tennis: ball racket net court player person
volleyball: ball net player court beach person
hockey: hockey_stick player helmet ice skate stick goal net person
rugby lacrosse cricket golf polo: ball player field team person golf_club stick goal bat horse
swimming swims swim bathing swimmer diving dives wading floating: water pool ocean lake person
rowing paddling kayaking rafting canoe kayak raft boat: boat paddle water river lake ocean \
life_jacket person
fishing fishes fisherman: fishing_pole water boat lake fish river ocean dock
race racing races racer: person car bicycle track horse helmet crowd
wedding bride groom bridesmaid: person dress suit flower church man woman party
concert band performing performs performer singing sings singer musician stage: microphone \
guitar instrument stage crowd person drum piano
party birthday: person cake food balloon table cup crowd
restaurant cafe bar diner dinner eating eats meal kitchen: food table chair plate cup glass \
bottle person
picnic: food table blanket person
drinking drinks drink: bottle cup glass beer water
smoking smokes: cigarette pipe
street city downtown urban town traffic intersection crosswalk sidewalk market store shop: car \
truck bus bicycle person building sign motorcycle street traffic_light sidewalk bag store flag \
city crowd bench
parking: car truck
road highway track: car truck sign
playground park: swing slide bench tree person child
snowy snow-covered snow winter blizzard snowball sled sledding: snow ice mountain hill sled
sandy sand beach ocean sea shore: beach sand water ocean wave person towel umbrella surfboard \
hill bucket
lake river pond stream creek waterfall: water rock
wet splashing splashes splash underwater sprayed spray: water pool hose sprinkler fountain puddle
pool: water pool chair diving_board slide toy
puddle muddy mud: water puddle
leash owner walking walks: leash person
room indoors inside couch bed carpet indoor living: lamp table chair couch pillow rug television \
blanket bed bookshelf clock book room toy bedroom living_room mirror kitchen
office desk classroom: computer table chair book phone desk
crowd crowded group people audience spectators onlookers parade festival event game match team \
stadium protest: person man woman child boy girl baby flag sign bag crowd car camera player \
umbrella balloon teenager adult phone
family couple kids children: person man woman child boy girl baby
campfire campsite camping: fire tent
fire: fire smoke
airport station subway: train bag person bench suitcase sign airplane
flying flies soaring: bird airplane kite
hunting: gun
soldier military army police: gun uniform
farm barn rural: horse cow tractor
mountain mountains: snow hill rock cliff tent
carnival fair amusement: roller_coaster Ferris_wheel merry-go-round food balloon toy
football uniform team: helmet ball
computer laptop desk: computer table desk
photographer photographing photographs filming: camera person
reading reads read: book newspaper magazine
talking phone: phone
playing plays play toy: toy ball
catch catching catches fetch fetching retrieving throw throwing throws leaps leaping: ball \
frisbee toy stick
mouth: ball toy stick frisbee bone
jump jumping jumps midair airborne: ramp trampoline hurdle
obstacle agility course: person crowd hurdle tunnel obstacle ramp pole barrier slide seesaw
stunt trick tricks: ramp skateboard bicycle
costume costumed halloween dressed: hat mask wig uniform dress suit
instrument instruments: guitar violin drum piano accordion trumpet saxophone tuba flute
yard backyard lawn: toy hose fence chair house sprinkler
stands standing sits sitting: bench chair
bag bags shopping shoppers: bag cart store
parachute skydiving parasailing: parachute rope
rope tug tug-of-war pulling: rope leash toy
vendor selling: food cart table
swing swinging: swing rope
tournament competition competing: crowd person
waiting wait: bench bag bus train
harness dogsled: rope leash sled
stuffed: toy bear
bubbles: bubble toy
vehicle vehicles: car truck bus motorcycle
animal animals: dog cat horse cow sheep bird goat
wagon: wheel
cowboy: horse hat rope cow
horseback: horse person
sunbathing lounging: towel chair beach
wrestling boxing: mat
gear: helmet backpack
glasses: sunglasses glasses
"""
