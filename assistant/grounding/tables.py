"""Words that carry no claim of their own, words that mean the same, and Swedish labels in English.

All entries are lower case; `words` brings them to their stems, so that one form of each is enough.
"""

from __future__ import annotations


def listed(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


# Grammar, and how one speaks of products and pictures: true of any of them.
FREE = listed(
    """
    a about above according after again all already also although am an and another any anyone
    anything approx approximately are around as ask at away back be because been before being below
    between both but by ca can com could did do does doing done down during either else even ever
    each few for from further get gets give given go goes got had has have having he hello her here
    hers hi him his how however i if in indeed into is it item its itself just kind know known let
    like likely listed look looks lot many may me might more most much must my near need next now of
    off on once onto or other our out over own per perhaps please quite rather really regarding said
    same say says see seem seems seen shall she should show shown shows since so some somewhat sort
    still such sure than thank thanks that the their them then there these they thing things this
    those through to too toward towards type under until up upon us use used uses using very via was
    way we well were what when where whether which while who whom whose why will with within would
    yes you your yours
    approximate roughly nearly circa exactly total typically usually normally generally often
    come comes came coming contain contains consist consists include includes including made make
    makes found find offer offers provide provides state stated states mention mentioned mentions
    described describe describes description information info passage source sources document page
    text title label labeled called name named product products article picture pictures photo
    photos image images appear appears clear-cut information according based detail details
    customer customers help glad happy question answer available good great nice suitable fit fits
    suit suits work works ideal perfect enjoy enjoyed best popular common get take takes taken want
    wants number value values amount amounts level levels fact list part contents content
    class klass one ones welcome sorry glad pleased pleasure hope hopes hi hey bye goodbye anytime
    something anything else today assist assistance
    """
)

# What something is called that the value next to it tells by itself: "Made in: Peru" says of which
# country, "Keeps for: 7 days" what the shelf life is. A source need not have the word; where it
# does, an amount must stand beside it.
ATTRIBUTES = listed(
    """
    country origin manufacturing manufacturer ingredients weight size price warranty guarantee
    certification certificate label date shelf life power availability battery stock payment shop
    store brand material dimensions measures energy content taste colour use kind sort variety time
    hours address phone number total amount
    """
)

# Those of them whose amounts have only some units, "" for none; the first line's value is a name.
MEASURED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("country origin manufacturer certification certificate brand material kind", ()),
    ("availability stock", ("", "min", "month")),
    ("price", ("", "€", "$", "£", "kr")),
    ("warranty guarantee shelf battery", ("min", "month")),
)

# How German, Spanish, French and Swedish are told from English: by their small words.
FOREIGN = listed(
    """
    der die das und ist nicht ein eine aus mit für von wird sind den dem des auf im zum zur auch
    wiegt kommt enthält
    el la los las es una del por para con está son se su más como que pesa viene contiene
    le les des du et est une pour avec dans sont ce cette ils elle pas vient pèse au aux contient
    och är inte ett av som på med till från att den det väger kommer innehåller
    """
) - {"die", "des", "den", "dem", "is", "as", "a"}

NEGATORS = listed(
    "no not never without neither nor cannot non none nothing nicht kein keine keinen keiner ohne "
    "nie niemals sin nunca ni pas sans jamais aucun aucune inte utan ej ingen inga"
)
NOUN_NEGATORS = listed("no without kein keine keinen keiner ohne sin sans utan ingen inga")
SCOPE_ENDS = listed("but however although though while because since instead")
"""What a negation does not reach past."""

# Each line is one meaning; the first word is its name.
SAME = """
origin country countries grow grown grows growing imported import
origin imports provenance originate originates originally
weigh weighs weight weighing heavy volume size mass quantity
manufacturer manufacturers maker produced produce producer produces brand
manufacturer company manufactured manufacturing manufacture
ingredient ingredients
price prices priced cost costs charge charges charged fee fees
ecological organic organically eco ecologically
aubergine aubergines eggplant eggplants
peel skin shell rind peels
pulp flesh
crisp crispy crunchy crunch
refrigerator fridge refrigerated refrigerators
cool cold chilled chill
store stored storage stores storing keep keeps kept
shop shops supermarket
taste tastes flavour flavor flavours flavors tasty tasting flavoured flavored tastefully
colour color colours colors coloured colored
yoghurt yogurt yoghurts yogurts joghurt ghurt
fibre fiber fibres fibers
energy calories calorie calorific
fat fats
sugar sugars
carbohydrate carbohydrates carbs carb
deliver delivers delivery deliveries delivered
pay payment payments paid pays paying
allergy allergies allergen allergens allergic
refund refunds refunded
return returns returned returning
open opens opening opened
close closes closed closing
eat eats eaten eating
buy bought buys buying purchase purchased purchases
cook cooked cooking cooks
bake baked baking
sour tart
large big bigger larger
small little
stone core kernel pit
america usa
netherlands holland dutch
sweden swedish
spain spanish
italy italian
finland finnish
denmark danish
peru peruvian
ecological eko
child children kid kids
day days daily
week weeks weekly
pastry pastries
strawberry strawberries
wholegrain
"""

# Bound words that would read differently apart.
JOINED = {
    ("saturated", "fat"): "saturatedfat",
    ("mättat", "fett"): "saturatedfat",
    ("of", "which"): "",
    ("varav",): "",
    ("folic", "acid"): "folicacid",
    ("pantothenic", "acid"): "pantothenicacid",
}

# Swedish as it stands on labels; a compound gives several words.
SWEDISH = {
    "fett": "fat", "kolhydrat": "carbohydrate", "kolhydrater": "carbohydrate", "socker": "sugar",
    "sockerarter": "sugar", "energi": "energy", "kalcium": "calcium", "kalium": "potassium",
    "fosfor": "phosphorus", "jod": "iodine", "klor": "chlorine", "molybden": "molybdenum",
    "folsyra": "folicacid", "pantotensyra": "pantothenicacid", "vatten": "water", "mjölk": "milk",
    "grädde": "cream", "äpple": "apple", "äpplen": "apple", "äppeljuice": "apple juice",
    "äpplejuice": "apple juice", "apelsin": "orange", "apelsiner": "orange",
    "apelsinjuice": "orange juice", "grape": "grapefruit", "blodgrape": "red grapefruit",
    "grapejuice": "grapefruit juice", "mandariner": "mandarin", "druvor": "grape",
    "jordgubb": "strawberry", "jordgubbar": "strawberry", "vanilj": "vanilla",
    "vaniljyoghurt": "vanilla yoghurt", "vaniljextrakt": "vanilla extract",
    "vaniljstång": "vanilla bean", "havre": "oat", "havrebas": "oat base",
    "havredryck": "oat drink", "havregurt": "oat yoghurt", "rapsolja": "rapeseed oil",
    "majsstärkelse": "corn starch", "potatisstärkelse": "potato starch", "fruktkött": "pulp",
    "koncentrat": "concentrate", "mjölkprotein": "milk protein", "arom": "aroma",
    "aromer": "aroma", "naturlig": "natural", "naturell": "natural", "citronsyra": "citric acid",
    "syra": "acid", "yoghurtkultur": "yoghurt culture", "filkultur": "culture",
    "syrningskultur": "culture", "filmjölk": "sour milk", "gräddfil": "sour cream",
    "kalciumkarbonat": "calcium carbonate", "kalciumfosfat": "calcium phosphate",
    "kalciumfosfater": "calcium phosphate", "joderat": "iodised", "lågpastöriserad":
    "low pasteurized", "högpastöriserad": "high pasteurized", "pastöriserad": "pasteurized",
    "ekologisk": "ecological", "färsk": "fresh", "färskpressad": "fresh pressed", "lätt": "light",
    "mellanmjölk": "medium milk", "standardmjölk": "standard milk", "röd": "red", "grön": "green",
    "gröna": "green", "sverige": "sweden", "danmark": "denmark", "antioxidant": "antioxidant",
    "askorbinsyra": "ascorbic acid", "modifierad": "modified", "malen": "ground",
    "mald": "ground", "vitaminer": "vitamin", "lättyoghurt": "light yoghurt", "berikad": "enriched",
    "ingredienser": "ingredient", "äppelpuré": "apple puree", "puré": "puree", "med": "",
    "och": "", "från": "", "av": "", "på": "", "till": "",
}  # fmt: skip

# Names of countries in the languages that an answer may be in, for passages in English.
COUNTRIES = """
italy italien italia italie 意大利
spain spanien españa espagne 西班牙
sweden schweden suecia suède 瑞典
denmark dänemark dinamarca danemark 丹麦
finland finnland finlandia finlande 芬兰
norway norwegen noruega norvège 挪威
netherlands niederlande holland países pays-bas 荷兰
germany deutschland alemania allemagne 德国
france frankreich francia 法国
poland polen polonia pologne 波兰
portugal 葡萄牙
greece griechenland grecia grèce 希腊
turkey türkei turquía turquie 土耳其
israel israël 以色列
morocco marokko marruecos maroc 摩洛哥
egypt ägypten egipto égypte 埃及
china chine 中国
india indien inde 印度
usa 美国
mexico mexiko méxico mexique 墨西哥
brazil brasilien brasil brésil 巴西
argentina argentinien argentine 阿根廷
chile chili 智利
peru perú pérou 秘鲁
ecuador équateur 厄瓜多尔
colombia kolumbien colombie 哥伦比亚
"""
