"""Words of `wording` in Romance languages, without accents, as `text.normalised` gives them."""

from __future__ import annotations

from typing import Final

from assistant.handover.wording import Wording

SPANISH: Final = Wording(
    person=(
        r"personas?|humanos?|humana|ser humano|agentes?|asesor\w*|operador\w*|operari[oa]s?|"
        r"representantes?|encargad[oa]s?|gerentes?|supervisor\w*|responsables?|emplead[oa]s?|"
        r"jef[ea]s?|alguien|dependient[ea]s?|tecnic[oa]s?|ejecutiv[oa]s?|teleoperador\w*|"
        r"atencion al (?:cliente|usuario|consumidor)|servicio al cliente|soporte|vendedor\w*|"
        r"trabajador\w*|duen[oa]s?|companer[oa]s?|superior\w*|gente|especialistas?|"
        r"(?:un|otro|su|tu|el|al) (?:senor|tipo|hombre)|una (?:senora|senorita|mujer)|vosotros|"
        r"ustedes"
    ),
    talk=(
        r"hablar\w*|hable|hablen|hablo|conversar|charlar|chatear|comunicar\w*|comuniqu\w+|"
        r"comunica(?:me|nos)|contactar\w*|contacto|"
        r"contacte\w*|llamar|tratar|consultar\w*|dirigirme|atienda\w*|atendid[oa]|atender\w*|"
        r"pasar\w*|pasame\w*|paseme\w*|pasenme|pase|pon\w*|ponga\w*|conect\w+|conecteme|"
        r"transfier\w+|"
        r"transferir\w*|transfiera\w*|derivar\w*|deriv[ea]\w*|redirig\w+|remit\w+|escal\w+|"
        r"comunic\w+|enlaz\w+"
    ),
    want=(
        r"quiero|quisiera|queremos|queria|necesito|necesitamos|exijo|exigimos|prefiero|deseo|"
        r"solicito|pido|"
        r"busco|(?:me|nos) gustaria|dame|deme|denme|dadme|traeme|traiganme|llame(?:n)? a|llama a|"
        r"avis[ea]\w* a|"
        r"busqu[ea]\w*|puedo (?:ver|tener|contactar)|podria (?:ver|tener|venir)|envi[ae]\w*me|"
        r"mand[ea]\w*me|que venga|"
        r"por favor|requiero|me urge|urge"
    ),
    strong=(
        r"(?:persona|agente|asesor|operador|alguien|ser) (?:real|humano|humana|de verdad|de carne "
        r"y hueso|en vivo)|"
        r"atencion (?:humana|personal|personalizada)|agente en vivo|chat en vivo|"
        r"(?:con quien|a quien) (?:puedo|podria|debo|tengo que|podemos) (?:hablar|contactar|"
        r"dirigirme|llamar|reclamar|acudir)|"
        r"(?:hay|habra|tienen|tienes|teneis) (?:a |algun |alguna )?(?:alguien|persona|humano|"
        r"humana|agente|asesor|operador|encargad[oa])"
        r"(?: \w+)? (?:ahi|alli|disponible|que|con quien|con el que|con la que|al que|real|humano|"
        r"detras|atendiendo|de guardia)|hay alguien(?: ahi| alli)?$"
    ),
    call=(
        r"(?:llame(?:n)?me|llamame|llamadme|llamenme|llameme|me llame(?:n|s)?|me llamas|me llaman|"
        r"me pueden llamar|"
        r"(?:pueden|puede|podria|podrian|podeis|puedes) llamarme|devuelv\w+ la llamada|"
        r"devolver(?:me)? la llamada|"
        r"que (?:alguien )?me (?:llamen|llame|contacten|contacte|atienda)|pongase en contacto "
        r"conmigo|ponganse en contacto conmigo|"
        r"contact[ea](?:n)?me|comuniquense conmigo|quiero (?:que me llamen|una llamada|recibir "
        r"una llamada)|"
        r"escal[ae]\w* (?:esto|mi caso|el caso|este caso|la queja|mi queja)|"
        r"pas[ae](?:n)?me (?:con|a)|paseme (?:con|a)|ponme con|pongame con|comunicame con|"
        r"conectame con)"
    ),
    bots=r"(?:chat ?)?bots?|robots?|ia|inteligencia artificial|automatic[oa]s?|asistente virtual",
    machines=r"maquinas?|ordenador\w*|computadora\w*|contestador\w*",
    fed_up=(
        r"no (?:quiero|me gusta|pienso|voy a|deseo|quisiera)|hart[oa] de|cansad[oa] de|basta de|"
        r"dej[ae]n? de|odio"
    ),
    not_a=(
        r"en vez de(?: a| con)?(?: un| una)?|no (?:con )?(?:un|una)|nada de|basta de|sin|y no "
        r"(?:con )?(?:un|una)|no mas"
    ),
    refusal=(
        r"no (?:quiero|necesito|hace falta|quisiera|deseo|hay que|es necesario|tengo que|preciso|"
        r"pido|requiero|me hace falta|estoy buscando)|"
        r"sin (?:hablar|tener|necesidad|pasar|que)|necesito (?:una persona|alguien) (?:mayor|para "
        r"recibir|en casa)"
    ),
    cue=(
        r"yo|me|mi|nos|por favor|porfa|favor|puedo|podria|podrias|podemos|quiero|quisiera|necesito|"
        r"gustaria|como|donde|posible|manera|forma|hay|pueden|puede|puedes|podeis|deseo|prefiero|"
        r"urgente|\w+me|\w+nos|ya|ahora|alguien"
    ),
    breaks=r"pero|sino|aunque|porque",
    fillers=(
        r"por favor|porfa|porfavor|un|una|con|ya|ahora|mismo|hola|buenas|urgente|quiero|necesito|"
        r"el|la|real|al|a|de|su|ok|vale|no|si|alguna|algun|hablar|humano|humana|gracias|"
        r"inmediatamente|solo"
    ),
    never=(
        r"(?:en|de|sobre) (?:la|el|esta|este|las|los) (?:fotos?|fotografia|imagen|imagenes|cuadro|"
        r"etiqueta|cartel|fondo|dibujo|video|izquierda|derecha)|"
        r"(?:eres|es usted|sos|usted es) (?:un |una )?(?:\w+ )?(?:persona|humano|robot|bot|"
        r"maquina|agente)|cuantas personas|para (?:\w+ )personas|por persona|"
        r"agente (?:secreto|limpiador|espesante|leudante|inmobiliario|de viajes|conservante)|"
        r"consumo humano|horario|cuantos (?:empleados|agentes)"
    ),
)

FRENCH: Final = Wording(
    person=(
        r"personnes?|quelqu'un|quelquun|qqn|humains?|humaine|etre humain|conseill\w+|agents?|"
        r"operateurs?|operatrices?|"
        r"representants?|responsables?|gerants?|gerante|managers?|superviseurs?|chefs?|patron\w*|"
        r"employes?|employee|"
        r"collaborateurs?|teleconseill\w+|techniciens?|vendeurs?|vendeuse|service (?:client\w*|"
        r"apres[- ]vente|consommateurs?|reclamations?)|sav|"
        r"support|assistance|standard|directeurs?|directrice|superieurs?|collegues?|specialistes?|"
        r"equipe|"
        r"un (?:vrai )?(?:monsieur|gars|mec|homme|type)|une (?:dame|vraie dame|femme)|vous"
    ),
    talk=(
        r"parler|parle|parlez|discuter|echanger|dialoguer|converser|communiquer|contacter|joindre|"
        r"appeler|m'adresser|adresser|"
        r"mettre en (?:relation|contact|communication|lien)|mettez[- ]moi|mets[- ]moi|passer|"
        r"passez|passez[- ]moi|passe[- ]moi|transferer|transferez|transfere\w*|"
        r"rediriger|redirigez\w*|connecter|connectez\w*|orienter|orientez\w*|en ligne|au "
        r"telephone|s'occupe|m'aider|m'aide|traiter|basculer|basculez|escalader|transmettre|"
        r"transmettez|"
        r"entretenir|en relation|en contact|en communication"
    ),
    want=(
        r"je (?:veux|voudrais|souhaite\w*|desire|demande|prefere\w*|cherche|reclame|exige)|"
        r"j'(?:aimerais|ai besoin|exige)|j ai besoin|il me faut(?:drait)?|besoin|"
        r"donne[zr][- ]moi|donne[- ]moi|trouve[zr][- ]moi|appele[zr](?: moi)?|faites venir|"
        r"puis[- ]je (?:avoir|voir)|pourrais[- ]je (?:avoir|voir)|est[- ]ce que je peux (?:avoir|"
        r"voir)|je peux avoir|"
        r"s'il vous plait|s'il te plait|s il vous plait|svp|stp|nous (?:voulons|voudrions|"
        r"souhaitons)|envoyez[- ]moi|vite"
    ),
    strong=(
        r"(?:vrai\w* |veritable )(?:personne|humain|conseiller|etre|agent|quelqu'un|"
        r"interlocuteur)|(?:conseiller|agent|operateur|personne|interlocuteur|assistance|support) "
        r"(?:humain\w*|reel\w*|en direct|physique)|"
        r"personne (?:en chair et en os|reelle|physique|vivante)|quelqu'un de (?:reel|vivant|"
        r"competent|vrai|humain)|"
        r"(?:a|avec) qui (?:puis[- ]je|pourrais[- ]je|je peux|dois[- ]je|peut[- ]on)(?: \w+)?|qui "
        r"(?:puis[- ]je|dois[- ]je) (?:contacter|appeler|joindre)|"
        r"(?:y a[- ]t[- ]il|il y a|est[- ]ce qu'il y a|avez[- ]vous) (?:\w+ )?(?:quelqu'un|"
        r"personne|humain|conseiller|agent|responsable|employe)(?: \w+)? (?:qui|a qui|avec qui|"
        r"disponible|la|de disponible|derriere|ici)|il y a quelqu'un|y a quelqu'un|y a[- ]t[- ]il "
        r"quelqu'un$|"
        r"(?:quelqu'un|une personne|un conseiller|un humain|un agent) (?:peut|pourrait|peut[- ]il|"
        r"pourrait[- ]il|pourra)(?:[- ]il|[- ]elle)? (?:m'aider|me (?:rappeler|repondre|contacter|"
        r"joindre|parler|prendre)|prendre|intervenir|regarder)"
    ),
    call=(
        r"rappel(?:ez|er|e|le)(?:[- ]moi)?|(?:me|nous) (?:rappeler?|rappelle|rappeliez|contacter|"
        r"contacte|recontacter|recontacte|telephoner|joindre|appeler)|m'appeler|"
        r"appele[zr]?[- ]moi|m'appelle[rz]? (?:par|au)|"
        r"etre (?:rappele\w*|contacte\w*|recontacte\w*|mis en (?:relation|contact|communication)|"
        r"transfere\w*)|contactez[- ]moi|telephonez[- ]moi|passez[- ]moi (?!le (?:sel|menu))\w+|"
        r"transferez[- ]moi|escalade\w*|"
        r"faites remonter|mettez[- ]moi en (?:relation|contact|communication)|qu'on me "
        r"(?:rappelle|contacte|reponde|passe)|coup de (?:fil|telephone)"
    ),
    bots=r"(?:chat ?)?bots?|robots?|ia|intelligence artificielle|automatiques?|assistant virtuel",
    machines=r"machines?|ordinateurs?|repondeur|automate\w*",
    fed_up=(
        r"(?:ne )?(?:veux|souhaite|voudrais|desire) (?:pas|plus)|ras[- ]le[- ]bol|marre|arretez?|"
        r"stop|j'en ai assez|refuse"
    ),
    not_a=(
        r"plutot qu'un\w*|pas (?:a |avec )?(?:un|une)|pas de|marre (?:des|de ce|de cette|du)|assez "
        r"de|au lieu d'un\w*|et non (?:a |avec )?un\w*"
    ),
    refusal=(
        r"(?:n'ai|ai|n ai) pas (?:besoin|envie)|pas besoin|inutile de|ne (?:veux|souhaite|desire|"
        r"voudrais|cherche|demande) pas|(?:veux|souhaite) pas|sans (?:parler|passer|avoir|devoir|"
        r"appeler)|pas la peine|pas necessaire|jamais demande"
    ),
    cue=(
        r"je|j'\w+|j|moi|me|m'\w+|nous|on|svp|stp|s'il|plait|puis|puis[- ]je|peux|possible|comment|"
        r"vous|pouvez|pourriez|veux|souhaite|besoin|vite|urgent|moyen|\w+[- ]moi"
    ),
    breaks=r"mais|car|parce",
    fillers=(
        r"s'il vous plait|s'il te plait|s il vous plait|svp|stp|un|une|le|la|l'|du|des|de|vrai|"
        r"vraie|humain|bonjour|salut|maintenant|vite|tout de suite|urgent|immediatement|merci|non|"
        r"oui|ok|avec|a|parler|je veux|au|clientele|reel|reelle|besoin|d'|d|l"
    ),
    bare=(
        r"personne (?:reelle|humaine|svp|s'il vous plait)|une (?:vraie )?personne|quelqu'un|humain|"
        r"humaine|etre humain|conseill\w+|agents?|operateurs?|operatrices?|representants?|"
        r"responsables?|gerant|manager|superviseur|service client\w*|sav|support|standard|employe|"
        r"teleconseill\w+"
    ),
    never=(
        r"(?:sur|dans|de|d') ?(?:la|l'|le|cette|cet|ces|les) ?(?:photos?|images?|affiche|"
        r"etiquette|tableau|arriere[- ]plan|fond|dessin|video|gauche|droite)|"
        r"(?:etes|es)[- ](?:vous|tu) (?:un|une)|tu es un|vous etes un|par personne|pour (?:\w+ "
        r")personnes|combien de (?:personnes|agents|conseillers)|consommation humaine|agent "
        r"(?:secret|immobilier|nettoyant|conservateur|de texture)|horaires?|service compris|"
        r"personne n'|assistance respiratoire"
    ),
)

ITALIAN: Final = Wording(
    person=(
        r"person[ae]|uman[oaie]|essere umano|operator[ei]|operatrice|agent[ei]|addett[oaie]|"
        r"responsabil[ei]|direttor[ei]|direttrice|manager|consulent[ei]|rappresentant[ei]|"
        r"impiegat[oaie]|"
        r"commess[oaie]|supervisor[ei]|superior[ei]|capo|titolar[ei]|proprietari[oa]|qualcuno|qlc|"
        r"qualcun altro|assistenza(?: clienti)?|servizio (?:clienti|assistenza|reclami)|supporto|"
        r"tecnic[oa]|collega|collaborator[ei]|dipendent[ei]|personale|voi|specialista|esperto"
    ),
    talk=(
        r"parlare|parlarne|parlo|parlarci|conversare|chattare|comunicare|contattare|contatto|"
        r"telefonare|chiamare|discutere|rivolger\w+|passar\w+|passami|passatemi|mi passi|mi passa|"
        r"mi passate|passi|"
        r"metter\w* in (?:contatto|comunicazione|linea)|mettetemi in (?:contatto|comunicazione)|"
        r"mi metta|mettimi|trasferi\w+|trasferisc\w+|colleg\w+|inoltr\w+|connett\w+|girar\w+|"
        r"girami|assistit\w+|dialogare|confrontarmi|in linea|al telefono"
    ),
    want=(
        r"voglio|vorrei|vogliamo|vorremmo|desidero|ho bisogno|mi serve|mi servirebbe|pretendo|"
        r"esigo|preferisco|preferirei|chiedo|cerco|dammi|datemi|mi dia|chiami(?:ate)?|chiama|"
        r"mandatemi|posso (?:avere|vedere)|potrei (?:avere|vedere)|per favore|per piacere|per "
        r"cortesia|grazie|fatemi (?:vedere|avere)|richiedo|subito"
    ),
    strong=(
        r"(?:persona|operatore|agente|essere|assistenza|supporto|qualcuno)(?: di)? (?:real\w|"
        r"uman\w|vero|vera|in carne e ossa|dal vivo)|(?:vero|vera) (?:persona|operatore|essere|"
        r"umano)|chat dal vivo|"
        r"(?:con chi|a chi) (?:posso|potrei|devo|si puo|possiamo)|chi posso (?:contattare|"
        r"chiamare)|(?:c'e|ce|esiste|avete) (?:\w+ )?(?:qualcuno|una persona|un operatore|un "
        r"umano|un responsabile|un addetto)(?: \w+)? (?:con cui|che|disponibile|li|a cui|con il "
        r"quale)|c'e qualcuno$|"
        r"(?:qualcuno|una persona|un operatore|un umano) (?:puo|potrebbe|mi puo|mi potrebbe) "
        r"(?:aiutarmi|richiamar\w+|chiamar\w+|contattar\w+|aiutare|rispondere|richiamare)"
    ),
    call=(
        r"richiam\w+|ricontatt\w+|chiamatemi|chiamami|mi chiami|mi chiamate|telefonatemi|"
        r"contattatemi|contattami|mi contatti|essere (?:richiamat\w|contattat\w|ricontattat\w)|mi "
        r"faccia (?:chiamare|richiamare|contattare|parlare)|fatemi (?:parlare|chiamare|richiamare|"
        r"contattare)|passatemi|mi passi|mi passa|potete chiamarmi|puo chiamarmi|chiamarmi|"
        r"(?:inoltr|scal)\w+ (?:il mio|il|la mia|questo)"
    ),
    bots=r"(?:chat ?)?bot|robot|ia|intelligenza artificiale|automatic[oa]|assistente virtuale",
    machines=r"macchin[ae]|computer|risponditore",
    fed_up=r"non (?:voglio|vorrei|intendo|mi va)|stuf[oa] di|stanc[oa] di|basta|smett\w+|odio",
    not_a=(
        r"non (?:con )?un\w?|invece di un\w?|invece che con un\w?|basta(?: con)?(?: quest\w| il)?|"
        r"niente|e non (?:con )?un\w?"
    ),
    refusal=(
        r"non (?:voglio|ho bisogno|serve|vorrei|mi serve|occorre|c'e bisogno|e necessario|devo|"
        r"desidero|sto chiedendo)|senza|inutile"
    ),
    cue=(
        r"io|mi|me|ci|per favore|posso|potrei|possiamo|voglio|vorrei|come|possibile|modo|potete|"
        r"puo|puoi|potresti|subito|ora|bisogno|\w+mi|qualcuno"
    ),
    breaks=r"ma|pero|perche|bensi",
    fillers=(
        r"per favore|per piacere|per cortesia|un|una|uno|il|la|lo|con|vero|vera|umano|umana|reale|"
        r"ciao|buongiorno|salve|subito|ora|adesso|urgente|grazie|no|si|ok|voglio|parlare|clienti|"
        r"al|di|qui"
    ),
    never=(
        r"(?:nella|nel|sulla|sull'|sul|della|dell') ?(?:foto\w*|immagine|etichetta|quadro|sfondo|"
        r"manifesto|video|disegno|destra|sinistra)|(?:sei|siete|lei e) (?:un|una|davvero|"
        r"veramente)|per persona|quante persone|quanti (?:operatori|dipendenti)|per (?:\w+ "
        r")persone|consumo umano|orari\w?|agente (?:segreto|lievitante|immobiliare|addensante)"
    ),
)

PORTUGUESE: Final = Wording(
    person=(
        r"pessoas?|human[oa]s?|ser humano|atendentes?|agentes?|operador\w*|gerentes?|"
        r"supervisor\w*|responsave(?:l|is)|representantes?|funcionari[oa]s?|encarregad[oa]s?|"
        r"chefe|"
        r"consultor\w*|assessor\w*|alguem|atendimento(?: (?:humano|ao cliente|pessoal))?|suporte|"
        r"apoio ao cliente|servico de (?:apoio|atendimento)[\w ]{0,15}|sac|tecnic[oa]|vendedor\w*|"
        r"assistentes?|colaborador\w*|don[oa]|proprietari[oa]|superior|moca|equipe|equipa|voces|"
        r"colega|especialista"
    ),
    talk=(
        r"falar|fale|falo|conversar|comunicar|contactar|contatar|contato|contacto|ligar|tratar|"
        r"transfer\w+|transfira\w*|passar|passe\w*|passa\w*|encaminh\w+|conect\w+|coloc\w+|"
        r"direcion\w+|redirecion\w+|"
        r"atendid[oa]|atenda|atender|por na linha|escal\w+|dirigir|reclamar|chamar|em linha|ao "
        r"telefone|no telefone"
    ),
    want=(
        r"quero|queria|queremos|preciso|precisamos|necessito|gostaria|gostava|desejo|exijo|prefiro|"
        r"solicito|peco|me (?:de|da)|da-me|de-me|procuro|posso (?:ter|ver)|poderia (?:ter|ver)|"
        r"chame\w*|chama|por favor|pf|pfv|pfvr|traga\w*|arranje\w*|mande\w*|urgente"
    ),
    strong=(
        r"(?:pessoa|atendente|agente|operador|ser|atendimento|suporte|alguem) (?:real|human\w|de "
        r"verdade|de carne e osso|ao vivo|em direto)|chat ao vivo|"
        r"(?:com quem|a quem|para quem) (?:posso|poderia|devo|eu posso|podemos|falo|eu falo|e que "
        r"posso)|(?:tem|ha|existe|teria|haveria) (?:ai )?(?:\w+ )?(?:alguem|atendente|pessoa|"
        r"humano|gerente|funcionario)(?: \w+)? (?:com quem|que|disponivel|ai|real|humano|para)|"
        r"tem alguem ai|ha alguem ai|alguem ai|tem alguem$|"
        r"(?:alguem|uma pessoa|um atendente|um humano|um funcionario) (?:pode|poderia|podia) "
        r"(?:me |por favor )?(?:ligar|ajudar|atender|responder|contactar|contatar|retornar|falar)"
    ),
    call=(
        r"me (?:liga|ligue|liguem|ligar|telefone|telefonem|contate|contacte|contatem|contactem|"
        r"retorne|retornem)|ligu?e(?:m)?[- ]me|liga[- ]me|ligar[- ]me|ligar de volta|liguem de "
        r"volta|retornar? (?:a |minha )?(?:ligacao|chamada)|receber uma (?:ligacao|chamada)|"
        r"contacte(?:m)?-me|entr\w+ em contat?c?to comigo|ser (?:contactad\w|contatad\w|"
        r"transferid\w|atendid\w por)|me (?:transfere|transfira|transfiram|passa|passe|passem|"
        r"encaminhe|conecte)|(?:transfira|transfere|passe|passa|encaminhe)[- ]me|escal\w+ (?:isto|"
        r"isso|o meu|meu|a minha)"
    ),
    bots=(
        r"(?:chat ?)?bots?|robos?|robot\w*|ia|inteligencia artificial|automatic[oa]|assistente "
        r"virtual"
    ),
    machines=r"maquinas?|computador\w*|gravac\w+",
    fed_up=(
        r"nao (?:quero|gosto|vou|desejo|pretendo|aguento)|fart[oa] de|cansad[oa] de|chega|pare de|"
        r"odeio"
    ),
    not_a=(
        r"nao (?:com )?(?:um|uma)|em vez de (?:um|uma)|nada de|chega de|e nao (?:com )?(?:um|uma)|"
        r"sem"
    ),
    refusal=(
        r"nao (?:quero|preciso|e preciso|necessito|gostaria|desejo|e necessario|tenho de|tenho que|"
        r"precisa|ha necessidade|queria)|sem (?:falar|precisar|ter|passar)|desnecessario|dispenso"
    ),
    cue=(
        r"eu|me|mim|nos|por favor|posso|poderia|podemos|podia|quero|queria|preciso|gostaria|como|"
        r"possivel|jeito|forma|pode|podem|voces|agora|ja|urgente|alguem|\w+-me|tem|ha"
    ),
    breaks=r"mas|porque|pois|e sim|porem",
    fillers=(
        r"por favor|pf|pfv|pfvr|favor|um|uma|o|a|com|ola|oi|bom dia|agora|ja|real|humano|humana|"
        r"urgente|obrigad[oa]|quero|preciso|de|do|da|ao|nao|sim|ok|falar|so|cliente"
    ),
    never=(
        r"(?:na|no|nesta|neste|nessa|nesse|da|do) (?:fotos?|foto\w*|imagem|imagens|etiqueta|cartaz|"
        r"fundo|quadro|video|desenho|esquerda|direita)|(?:voce|tu) (?:e|es) (?:um|uma)|es (?:um|"
        r"uma)|por pessoa|quantas pessoas|quantos (?:atendentes|funcionarios)|para (?:\w+ )pessoas|"
        r"consumo humano|horario|agente (?:secreto|de limpeza|imobiliario|espessante)"
    ),
)

ROMANCE: Final = (SPANISH, FRENCH, ITALIAN, PORTUGUESE)
