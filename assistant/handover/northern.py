"""Words of `wording` in German, Dutch, Swedish, Polish and Turkish, as `text.normalised` has it."""

from __future__ import annotations

from typing import Final

from assistant.handover.wording import Wording

GERMAN: Final = Wording(
    person=(
        r"mensch\w*|person\w*|mitarbeit\w*|berater\w*|kundenberater\w*|kundendienst\w*|"
        r"kundenservice|kundensupport|kundenbetreu\w*|"
        r"service ?mitarbeit\w*|support|servicekraft|sachbearbeiter\w*|ansprechpartner\w*|"
        r"agent\w*|operator\w*|chef\w*|"
        r"vorgesetzt\w*|manager\w*|leiter\w*|filialleit\w*|verantwortlich\w*|jemand\w*|"
        r"irgendjemand\w*|wen|jmd|techniker\w*|"
        r"verkaufer\w*|angestellt\w*|kolleg\w*|zentrale|hotline|callcenter|call[- ]center|"
        r"zustandig\w*|vertreter\w*|fachkraft|"
        r"fachmann|experte\w*|inhaber\w*|geschaftsfuhr\w*|abteilung\w*|beschwerdestelle|ihnen|"
        r"euch|team|leute\w*|einem von (?:ihnen|euch)"
    ),
    talk=(
        r"sprechen|spreche|reden|telefonieren|chatten|unterhalten|kontaktieren|kontakt|verbinden|"
        r"verbindet|verbinde|verbunden|durchstellen|durchgestellt|"
        r"stellen|stell|weiterleiten|leiten|leite|leit|weitergeleitet|ubergeben|wenden|anrufen|"
        r"erreichen|erreiche|ubergib\w*|ubermitteln|vermitteln|gespräch|gesprach|kommunizieren|"
        r"schreiben|mitteilen|eskalier\w*|ubernehmen|ubernimmt"
    ),
    want=(
        r"ich (?:will|mochte|brauche|brauch|verlange|wunsche|hatte|fordere|benotige|bevorzuge|"
        r"suche|wurde)|wir (?:wollen|mochten|brauchen|hatten)|will|mochte|mocht|hatte gern\w*|"
        r"gib(?:t)? mir|geben sie mir|geben sie|holen sie|hol|holt|kann ich|konnte ich|darf ich|"
        r"dürfte ich|bitte|rufen sie|schicken sie|brauche|"
        r"gibt es|gibts|gibt's|ist da|ist dort|sitzt da|haben sie|habt ihr"
    ),
    strong=(
        r"(?:echt\w*|richtig\w*|real\w*|wirklich\w*|lebend\w*|leibhaftig\w*|menschlich\w*|"
        r"kompetent\w*) (?:mensch\w*|person\w*|mitarbeit\w*|berater\w*|ansprechpartner\w*|support|"
        r"hilfe|agent\w*|kontakt|betreu\w*|service|kundendienst)|"
        r"live[- ]?(?:chat|agent|support)|jemand\w* (?:echt\w*|richtig\w*|reales|ander\w+|"
        r"mensch\w*|aus fleisch|kompetent\w*|zustandig\w*|der sich auskennt)|mensch aus fleisch|"
        r"an wen (?:kann|konnte|soll|muss|darf) ich|mit wem (?:kann|konnte|soll|muss|darf) ich|"
        r"wen (?:kann|konnte|soll) ich|"
        r"(?:ist|gibt es|gibts|sitzt) (?:da|dort|hier)? ?(?:auch |denn |irgendwo )?(?:jemand|ein "
        r"mensch|einen menschen|einen mitarbeiter|wer)(?:[ ,]+(?:da|dort|hier|mit dem|der|den|an "
        r"den|erreichbar|verfugbar)|$)|ist (?:da|hier|dort) (?:jemand|wer)|"
        r"(?:kann|konnte|soll|sollte|darf|wurde) (?:\w+ )?(?:\w+ )?(?:jemand|ein mensch|ein "
        r"mitarbeiter|eine mitarbeiterin|ein berater|ein kollege|ein echter \w+)(?: bitte)? "
        r"(?:mir |mich |sich |das |hier )?(?:\w+ ){0,3}?(?:helfen|anrufen|zuruckrufen|melden|"
        r"kontaktieren|antworten|ubernehmen|ansehen|anschauen|kummern|weiterhelfen)"
    ),
    call=(
        r"(?:ruft?|rufen sie|rufen|ruf) (?:mich|uns)|zuruckrufen|zuruck rufen|zuruckgerufen|"
        r"ruckruf\w*|angerufen werden|mich anrufen|mich (?:\w+ )?(?:kontaktieren|anzurufen)|"
        r"meldet? (?:euch|sich) bei mir|melden sie sich(?: bitte)? bei mir|bei mir melden|"
        r"(?:verbinde\w*|verbindet|verbinden sie) (?:mich|uns)|stell\w*(?: sie)? (?:mich|uns)(?: "
        r"bitte)? (?:zu|durch)|durchstellen|(?:leite\w*|leiten sie) (?:mich|uns|das|es|meine?n? "
        r"\w+)(?: bitte)? (?:an|weiter|zu)|eskalier\w*"
    ),
    bots=(
        r"(?:chat ?)?bots?|roboter\w*|ki|kunstlich\w+ intelligenz|automatisch\w*|"
        r"sprachassistent\w*|virtuell\w+ assistent\w*"
    ),
    machines=r"maschin\w*|computer\w*|automat\w*|programm|ansage\w*",
    fed_up=(
        r"(?:will|mochte|mag|werde|kann|habe)(?: \w+){0,3}? (?:nicht|kein\w*)|keine? lust|genug|"
        r"satt|schluss|hor\w* auf|weigere mich|hasse"
    ),
    not_a=(
        r"kein\w*|statt(?: mit)?(?: ein\w*| dies\w*)?|nicht (?:mit )?(?:ein\w*|dies\w*)|genug von|"
        r"schluss mit"
    ),
    refusal=(
        r"niemand|(?:brauche|brauch|will|mochte|wunsche|benotige|muss|verlange|suche|hatte) (?:\w+ "
        r"){0,3}?(?:kein\w*|nicht)|kein\w* (?:\w+ )?(?:mensch\w*|mitarbeit\w*|berater\w*|"
        r"person\w*|agent\w*|kundendienst|ruckruf)|nicht notig|ohne|muss ich|brauche ich|unnotig|"
        r"nicht notwendig|nicht erforderlich"
    ),
    cue=(
        r"ich|mich|mir|wir|uns|bitte|kann|konnte|konnen|konnten|mochte|will|lass\w*|moglich|gerne?|"
        r"wie|sofort|jetzt|brauche|gibt|darf"
    ),
    breaks=r"sondern|aber|weil|denn",
    fillers=(
        r"bitte|jetzt|sofort|ein|eine|einen|einem|einer|mit|mal|gleich|hallo|hi|guten tag|den|der|"
        r"die|das|dem|zum|echt\w*|richtig\w*|menschlich\w*|dringend|schnell|nein|ja|ok|will|ich|"
        r"brauche|danke|nur|endlich|kunden|am telefon|an"
    ),
    bare=(
        r"mensch\w*|mitarbeit\w*|(?:kunden)?berater\w*|kundendienst|kundenservice|kundensupport|"
        r"sachbearbeiter\w*|ansprechpartner\w*|agent\w*|operator\w*|manager\w*|vorgesetzt\w*|"
        r"filialleit\w*|support|person|personal|hotline|callcenter|servicemitarbeiter\w*"
    ),
    never=(
        r"(?:auf|in|im|vom|aus) (?:dem|der|diesem|dieser|den|das|meinem)? ?(?:foto\w*|bild\w*|"
        r"etikett|plakat|hintergrund|vordergrund|video|aufnahme|zeichnung|links|rechts)|"
        r"(?:bist du|sind sie|seid ihr) (?:ein|eine|wirklich|echt|denn)|pro person|fur (?:\w+ "
        r")?personen|wie ?viele (?:menschen|personen|mitarbeiter|leute)|menschlich\w* (?:verzehr|"
        r"korper|gesundheit)|offnungszeit\w*|(?:rechne\w*|reinigungs|treib)mittel|personlich "
        r"haftbar|spreche ich (?:hier |gerade )?mit"
    ),
)

DUTCH: Final = Wording(
    person=(
        r"mens|mensen|personen?|persoon|medewerk\w*|iemand|klantenservice\w*|klantendienst|"
        r"helpdesk|servicedesk|adviseur\w*|agent\w*|operator\w*|manager\w*|leidinggevende\w*|baas|"
        r"chef|supervisor\w*|vertegenwoordiger\w*|verkoper\w*|collega\w*|"
        r"verantwoordelijke|bedrijfsleider|filiaalmanager|eigenaar|support|ondersteuning|"
        r"technicus|expert|specialist|klachtenafdeling|personeel|personeelslid|consulent\w*|"
        r"jullie|mevrouw|meneer|vakman|telefonist\w*|team"
    ),
    talk=(
        r"spreken|praten|bellen|chatten|contact|overleggen|doorverbinden|doorverbonden|doorverbind|"
        r"verbinden|verbind|verbonden|doorgeven|doorschakelen|doorsturen|overdragen|overnemen|"
        r"escaleren|escaleer|bereiken|doorgezet|door te zetten|gesprek|communiceren|te woord|"
        r"schakel|stuur|geef|zet|wenden|aan de (?:lijn|telefoon)"
    ),
    want=(
        r"ik (?:wil|wilde|wou|zou|moet|heb|eis|verlang|wens|zoek|vraag|verkies)|we willen|wij "
        r"willen|wil|geef (?:me|mij)|mag ik|kan ik|kunnen wij|haal|roep|graag|alsjeblieft|"
        r"alstublieft|aub|a\.u\.b|svp|nodig|is er|zijn er|hebben jullie|heb je|heeft u"
    ),
    strong=(
        r"(?:echt\w*|levend\w*|menselijk\w*) (?:mens\w*|persoon|iemand|medewerker|contact|hulp|"
        r"agent|collega)|iemand (?:echt\w*|anders|van vlees)|mens van vlees|live ?chat|(?:met wie|"
        r"bij wie|wie) (?:kan|moet|mag|zou) ik|is (?:er|daar) (?:iemand|een mens)(?: aanwezig| "
        r"beschikbaar| daar| die| met wie| thuis)?$|is er (?:ook )?(?:een mens|iemand|een "
        r"medewerker) (?:die|met wie|beschikbaar|waarmee|daar)|(?:kan|kunnen|zou|wil) (?:er "
        r")?(?:iemand|een mens|een medewerker|een collega)(?: \w+){0,3}? (?:bellen|helpen|"
        r"terugbellen|contact|overnemen|antwoorden|kijken)"
    ),
    call=(
        r"bel (?:me|mij|ons)|belt? u (?:me|mij)|terugbellen|teruggebeld|terugbelverzoek|gebeld "
        r"worden|(?:me|mij) bellen|bel\w* (?:me|mij) terug|neem(?:t)?(?: u)?(?: alstublieft| aub)? "
        r"contact met (?:me|mij) op|contact met (?:me|mij) opnemen|doorverbind\w*|doorverbonden|"
        r"verbind (?:me|mij|ons)|escaleer\w*|schakel (?:me|mij) door|geef (?:me|mij|dit) door"
    ),
    bots=(
        r"(?:chat ?)?bots?|robots?|ai|kunstmatige intelligentie|geautomatiseerd\w*|virtuele "
        r"assistent"
    ),
    machines=r"machines?|computers?|automaat",
    fed_up=r"(?:wil|ga|hoef|weiger)(?: \w+)? (?:niet|geen)|geen zin|genoeg|stop met|weiger|haat",
    not_a=(
        r"geen|niet (?:met )?(?:een|deze|die)|in plaats van (?:een|deze)|genoeg van(?: deze)?|stop "
        r"met deze"
    ),
    refusal=(
        r"(?:wil|hoef|heb|zou|ga|moet|zoek)(?: \w+){0,2}? (?:geen|niet)|niet nodig|geen (?:mens|"
        r"medewerker|persoon|agent)|zonder|hoeft niet|moet ik|heb ik|onnodig|overbodig"
    ),
    cue=(
        r"ik|me|mij|wij|we|ons|graag|alsjeblieft|alstublieft|aub|kan|kun|kunt|kunnen|mag|wil|"
        r"mogelijk|hoe|nu|laat"
    ),
    breaks=r"maar|want|omdat",
    fillers=(
        r"alsjeblieft|alstublieft|aub|a\.u\.b|graag|een|de|het|met|nu|direct|meteen|hallo|hoi|"
        r"goedendag|echt\w*|menselijk\w*|dringend|snel|nee|ja|ok|wil|ik|bedankt|spreken|nodig"
    ),
    bare=(
        r"mens|echte? persoon|persoon|medewerk\w*|klantenservice\w*|klantendienst|helpdesk|agent|"
        r"operator|manager|leidinggevende|supervisor|adviseur|vertegenwoordiger|support|iemand"
    ),
    never=(
        r"(?:op|in|van) (?:de|het|deze|dit) (?:foto\w*|afbeelding\w*|plaatje|etiket|poster|"
        r"achtergrond|voorgrond|schilderij|video|tekening|links|rechts)|(?:ben je|bent u|ben jij) "
        r"(?:een|echt)|per persoon|hoeveel (?:mensen|personen|medewerkers)|voor (?:\w+ )personen|"
        r"menselijke consumptie|openingstijden|spreek ik met|geheim agent|reinigingsmiddel"
    ),
    also=(
        r"(?<!\w)(?:ben|word|heb)(?: \w+){0,2} (?:chat ?)?(?:ro)?bots?"
        r"(?: \w+){0,2} (?:zat|beu|moe)(?!\w)",
    ),
)

SWEDISH: Final = Wording(
    person=(
        r"person\w*|manniska\w*|manniskor|nagon|nan|medarbetare\w*|handlaggare\w*|kundtjanst\w*|"
        r"kundservice|kundsupport|support\w*|agent\w*|operator\w*|chef\w*|ansvarig\w*|"
        r"butikschef\w*|saljare\w*|radgivare\w*|representant\w*|anstalld\w*|tekniker\w*|kollega\w*|"
        r"expert\w*|er|personal\w*|agare\w*|vaxel\w*|handledare\w*"
    ),
    talk=(
        r"prata|tala|snacka|chatta|kontaktar?|kontakt|koppla|kopplas|kopplad|vidarekoppla\w*|ringa|"
        r"diskutera|skicka|overlamna|ta over|eskalera|na|skriva|kommunicera|hjalpas|sattas i "
        r"kontakt|satt mig|satta mig"
    ),
    want=(
        r"jag (?:vill|onskar|behover|kraver|skulle|soker|foredrar|maste)|vi (?:vill|behover)|vill|"
        r"ge mig|ge|kan jag (?:fa|prata)|far jag|hamta|tack|snalla|behover|finns det|har ni|skaffa|"
        r"kalla pa"
    ),
    strong=(
        r"(?:riktig\w*|verklig\w*|levande|mansklig\w*|akta) (?:person\w*|manniska\w*|medarbetare|"
        r"nagon|kontakt|hjalp|handlaggare|agent|support)|nagon (?:riktig|annan|levande)|livechatt?|"
        r"vem (?:kan|ska|far|bor) jag (?:prata|kontakta|ringa|vanda|tala)\w*|ar (?:det )?nagon "
        r"(?:dar|har)|finns (?:det )?(?:nagon|en manniska|en person)(?: \w+)? (?:jag|som|dar|har|"
        r"tillganglig)|kan (?:nagon|en manniska|en medarbetare|en person)(?: \w+){0,3}? (?:ringa|"
        r"hjalpa|kontakta|svara|ta over|titta)"
    ),
    call=(
        r"ring (?:mig|upp|tillbaka|oss)|ringa (?:mig|upp mig|tillbaka)|bli (?:uppringd|kontaktad|"
        r"kopplad)|uppringd|kontakta mig|hora av (?:er|dig) till mig|hor av (?:er|dig)|koppla "
        r"(?:mig|vidare|over|oss|fram)|eskalera\w*|aterkoppla till mig|satt mig i kontakt"
    ),
    bots=r"(?:chatt?(?:ro)?)?bot\w*|robot\w*|ai|artificiell intelligens|virtuell assistent",
    machines=r"maskin\w*|dator\w*|automat\w*",
    fed_up=(
        r"(?:vill|tanker|orkar|ids)(?: \w+)? inte|inte (?:vill|orkar)|trott pa|less pa|sluta|nog "
        r"(?:med|av)|slippa|vagrar|hatar"
    ),
    not_a=r"ingen|inga|inte (?:med )?(?:en|ett|den har)|istallet for (?:en|ett)|slipp\w*",
    refusal=(
        r"(?:vill|behover|ska|maste|onskar|soker)(?: \w+)? (?:inte|ingen|inga)|inte nodvandigt|"
        r"utan att|ingen (?:manniska|person|agent|medarbetare)|behover jag|maste jag|onodigt"
    ),
    cue=r"jag|mig|vi|oss|tack|snalla|kan|kunde|skulle|far|mojligt|hur|nu|vill|gar|lat|behover",
    breaks=r"men|utan|for att|eftersom",
    fillers=(
        r"tack|snalla|en|ett|med|nu|genast|hej|riktig\w*|mansklig\w*|levande|akut|snabbt|nej|ja|ok|"
        r"vill|jag|den|till|bara|prata|direkt"
    ),
    bare=(
        r"person|manniska|medarbetare|handlaggare|kundtjanst|kundservice|kundsupport|support|agent|"
        r"operator|chef|butikschef|radgivare|nagon|representant"
    ),
    never=(
        r"(?:pa|i) (?:bilden|fotot|den har bilden|bild|etiketten|affischen|bakgrunden|forgrunden|"
        r"videon|teckningen|vanster|hoger)|ar du (?:en|verkligen|riktig)|per person|hur manga "
        r"(?:personer|manniskor|anstallda)|for (?:\w+ )personer|mansklig konsumtion|oppettider|"
        r"pratar jag med|hemlig agent|rengoringsmedel"
    ),
)

POLISH: Final = Wording(
    person=(
        r"czlowiek\w*|ludzmi|ludzi|osob\w+|konsultant\w*|pracownik\w*|pracownic\w+|agent\w*|"
        r"operator\w*|kierownik\w*|kierowniczk\w+|menedzer\w*|menadzer\w*|manager\w*|przelozon\w+|"
        r"szef\w*|przedstawiciel\w*|doradc\w+|obslug\w+(?: klienta)?|biur\w+ obslugi|kims|ktos|"
        r"kogos|komus|specjalist\w+|sprzedawc\w+|wlasciciel\w*|support\w*|wsparci\w+|infolini\w+|"
        r"technik\w*|zespol\w*|dzial\w*|wami"
    ),
    talk=(
        r"porozmawiac|rozmawiac|rozmowa|rozmowy|rozmowe|pogadac|gadac|polacz\w*|przelacz\w*|"
        r"skontaktowac|kontakt\w*|zadzwonic|mowic|pomowic|przekaz\w*|przekier\w*|skierowac|"
        r"skieruj\w*|czatowac|popisac|eskal\w+|zglosic|przejmie|przejac|dodzwonic|wezwac|zwrocic"
    ),
    want=(
        r"chce|chcial\w*|chcemy|potrzebuj\w+|prosze|poprosze|zadam|wole|wolal\w*|wymagam|dajcie|"
        r"daj|dac|zawolaj\w*|wezwij\w*|czy moge|moge|szukam|czy jest|jest tam|macie"
    ),
    strong=(
        r"(?:zyw\w+|prawdziw\w+|realn\w+|ludzk\w+) (?:czlowiek\w*|osob\w+|konsultant\w*|"
        r"pracownik\w*|kontakt\w*|obslug\w+|pomoc\w*|agent\w*)|czlowiek\w* z krwi|kims (?:zywym|"
        r"prawdziwym|innym)|(?:z kim|do kogo) (?:moge|powinienem|powinnam|mam|mozna|moglbym|"
        r"moglabym)|czy (?:jest tam |ktos |jest )?(?:tam )?(?:ktos|jest)(?: tam| dostepny)?$|"
        r"(?:czy )?(?:moze|moglby|mozecie) (?:ktos|do mnie ktos|czlowiek|konsultant)(?: \w+){0,3}? "
        r"(?:zadzwonic|oddzwonic|pomoc|odpisac|skontaktowac|przejac)|ktos (?:moze|moglby) (?:\w+ "
        r"){0,3}?(?:zadzwonic|oddzwonic|skontaktowac)"
    ),
    call=(
        r"oddzwon\w*|oddzwonic|oddzwonienie|zadzwon\w* do mnie|do mnie zadzwon\w*|(?:prosze|"
        r"prosimy) o (?:telefon|kontakt|rozmowe|oddzwonienie|polaczenie|przelaczenie)|"
        r"skontaktujcie sie|polacz\w* (?:mnie|nas)|przelacz\w* (?:mnie|nas)|eskalowac|eskalacj\w+"
    ),
    bots=(
        r"(?:chat ?|czat ?)?bot(?:a|em|y|ow|ami|owi)?|robot\w*|ai|sztuczn\w+ inteligencj\w+|"
        r"wirtualn\w+ asystent\w*"
    ),
    machines=r"maszyn\w+|komputer\w*|automat\w*",
    fed_up=r"nie (?:chce|bede|zamierzam|mam ochoty|lubie)|mam dosc|przestan\w*|nienawidze|odmawiam",
    not_a=r"nie z|zamiast|zadn\w+|bez|dosc",
    refusal=(
        r"nie (?:chce|potrzebuje|musze|trzeba|chcialbym|chcialabym|potrzeba|prosze|szukam|wymagam|"
        r"zadam)|bez (?:rozmowy|kontaktu|potrzeby|udzialu)|niepotrzebn\w*|czy (?:potrzebuje|musze)"
    ),
    cue=(
        r"ja|mnie|mi|nas|nam|prosze|moge|mozna|mozecie|moglby\w*|moglbym|moglabym|czy moge|chce|"
        r"chcial\w*|potrzebuj\w+|jak|teraz|da sie|mozliwe|dajcie"
    ),
    breaks=r"ale|tylko|bo|poniewaz|lecz",
    fillers=(
        r"prosze|poprosze|o|z|ze|teraz|natychmiast|zaraz|czesc|dzien dobry|witam|zyw\w+|"
        r"prawdziw\w+|pilne|pilnie|szybko|nie|tak|ok|chce|klienta|dajcie|daj|jakis|jakas|do|tylko"
    ),
    bare=(
        r"czlowiek\w*|konsultant\w*|pracownik\w*|agent\w*|operator\w*|kierownik\w*|menedzer\w*|"
        r"manager\w*|przedstawiciel\w*|doradc\w+|obslug\w+(?: klienta)?|biuro obslugi|osob\w+|"
        r"infolini\w+"
    ),
    never=(
        r"na (?:tym |tej |moim )?(?:zdjeci\w+|obraz\w+|fotografii|etykiecie|plakacie|filmie|"
        r"rysunku)|w tle|(?:czy )?(?:jestes|pan jest|pani jest) (?:\w+ )?(?:czlowiek\w*|bot\w*|"
        r"robot\w*|osob\w+)|ile osob|ilu pracownikow|na osobe|dla (?:\w+ )osob|godzin\w+ otwarcia|"
        r"czy rozmawiam z|(?:srodek|agent) (?:czyszczacy|spulchniajacy|nieruchomosci)"
    ),
)

TURKISH: Final = Wording(
    person=(
        r"insan\w*|temsilci\w*|kisi\w*|yetkili\w*|gorevli\w*|operator\w*|mudur\w*|yonetici\w*|"
        r"calisan\w*|danisman\w*|personel\w*|birisi\w*|biri|biriyle|birine|birini|birinin|musteri "
        r"hizmet\w*|destek ekib\w*|canli destek|canli \w+|sorumlu\w*|usta\w*|uzman\w*|"
        r"supervizor\w*|amir\w*|asistan\w*|sizinle|sef\w*|patron\w*"
    ),
    talk=(
        r"konus\w*|gorus\w*|baglan\w*|bagla\w*|aktar\w*|ulas\w*|iletisim\w*|yonlendir\w*|temas\w*|"
        r"ver\w*|cagir\w*|sohbet\w*|yazis\w*|goruş\w*|devret\w*|ilet\w*"
    ),
    want=(
        r"istiyor\w*|isterim|ister\w*|istedi\w*|lazim|gerek|gerekiyor|ihtiyac\w*|lutfen|verin|"
        r"rica\w*|talep\w*|tercih\w*|var mi|yok mu|bulun|cagirin|bekliyorum|olsun"
    ),
    strong=(
        r"(?:gercek|canli) (?:bir )?(?:insan\w*|kisi\w*|temsilci\w*|destek\w*|biri\w*|yetkili\w*|"
        r"operator\w*)|musteri (?:temsilci\w*|hizmetlerin\w*) (?:bagla\w*|istiyorum|lutfen|"
        r"aktar\w*|ile)|canli destek|kim(?:inle|le|e) (?:gorus\w*|konus\w*|basvur\w*|ulas\w*)|"
        r"(?:orada|orda|kimse) (?:\w+ )?(?:biri|kimse|insan)? ?(?:var mi|yok mu)|(?:biri|birisi|"
        r"bir insan|bir yetkili|bir temsilci)(?: \w+){0,3}? (?:arayabilir|arasin|yardim edebilir|"
        r"ilgilensin|ilgilenebilir|donsun|donebilir|bakabilir)"
    ),
    call=(
        r"beni (?:ara\w*|geri ara\w*)|geri ara\w*|ara(?:yin|r misiniz|sinlar)|aran\w*(?: "
        r"istiyorum)?|telefon edin|bana (?:donus|ulas\w*|telefon\w*)|donus yap\w*|beni (?:bagla\w*|"
        r"aktar\w*|yonlendir\w*)|bana (?:bir )?(?:insan|yetkili|temsilci|mudur)\w* (?:bagla\w*|"
        r"ver\w*)"
    ),
    bots=(
        r"(?:chat ?)?bot(?:la|lar|larla|tan|a)?|sohbet robot\w*|robot\w*|yapay zeka\w*|otomatik\w*|"
        r"sanal asistan\w*"
    ),
    machines=r"makine\w*|makina\w*|bilgisayar\w*",
    fed_up=r"istemiyorum|istemem|biktim|yeter|sikildim|degil|yerine|usandim|konusmam|nefret",
    not_a=r"ne",
    refusal=(
        r"istemiyorum|gerek yok|gerekmiyor|ihtiyac\w* yok|lazim degil|gerek kalmadan|sart degil|"
        r"olmadan|konusmadan|gorusmeden|istemem|baglama\w*|gerekir mi|gerekli mi|istemedim|gerekli "
        r"degil"
    ),
    cue=(
        r"ben|bana|beni|bize|bizi|lutfen|miyim|misiniz|musunuz|miyiz|mumkun|istiyor\w*|istiyorum|"
        r"nasil|hemen|simdi|isterim|istedim|istedigim|lazim|\w+(?:ebilir|abilir)\w*|\w+(?:misin|"
        r"musun)|\w*bagla\w*|\w*aktar\w*|rica"
    ),
    breaks=r"ama|fakat|cunku|ancak",
    fillers=(
        r"lutfen|bir|simdi|hemen|merhaba|selam|gercek|canli|acil|acilen|hayir|evet|tamam|istiyorum|"
        r"ile|tesekkurler|bana|musteri|lazim"
    ),
    bare=(
        r"insan|temsilci\w*|yetkili\w*|operator|mudur|yonetici|musteri hizmetleri|canli destek|"
        r"danisman|musteri temsilcisi|gercek kisi|birisi"
    ),
    never=(
        r"(?:foto\w*|resim\w*|goruntu\w*|etiket\w*|afis\w*|arka plan\w*|video\w*|solda\w*|"
        r"sagda\w*)|(?:insan|robot|bot|gercek) (?:bir )?(?:insan |kisi )?(?:misin|misiniz|musun|"
        r"musunuz)|kac kisi\w*|kac (?:calisan|insan|personel)\w*|kisi basi\w*|\w+ kisilik|insan "
        r"tuketim\w*|calisma saat\w*|emlak\w*|insan sagligi\w*"
    ),
    refused_after=True,
)

NORTHERN: Final = (GERMAN, DUTCH, SWEDISH, POLISH, TURKISH)
