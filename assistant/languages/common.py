"""Common words of languages that are written in Latin letters, as customers write them."""

from __future__ import annotations

from typing import Final

_WORDS: Final[dict[str, str]] = {
    "en": """
        the a an is are was were be been am do does did what where when who which why how this that
        these those it its you your i i'm my me we our they their he she his her and or but not no
        yes of in on at to from for with by about there here can could would will should have has
        had get got please thanks thank hello hi hey any some much many more good bad want need know
        tell show give like as if so than then too very just don't doesn't isn't it's that's what's
        where's order delivery price open return returns refund photo picture product colour color
        made come comes help buy store shop ok okay bye sorry sweet ripe price list recipe fresh
        other one contain contains juice milk per inside
    """,
    "es": """
        el la los las un una unos unas de del al y o pero no sí si es son está están esta este esto
        estos estas eso esa ese ser hay qué que cómo como cuándo cuando cuánto cuánta cuántos
        cuantas cuanto dónde donde de quién cuál cuales cuál por para con sin sobre en a yo tú usted
        ustedes me mi mis te tu su sus lo le les nos se más muy también hola gracias buenos buenas
        días tardes noches favor adiós quiero quisiera puedo puede pueden necesito tengo tiene
        tienen dime viene vienen cuesta precio pedido envío tienda devolver devolución color foto
        abren cierran gustaría ayuda ayúdame bien mal vale perdón producto hecho saber hace pudo
        demasiado poco funciona mucho mucha ahora hoy mañana aquí ahí desde hasta otra otro otros
        otras contiene contienen adónde envían envía enviar dulce ácido maduro madura llegado llega
        come comer comprar dos tres pregunta luego azúcar sabe sabor fresco fresca congelar guardar
        nevera semana caro barato cuándo alguna alguno nada todo todos he ha han era fue donde vive
        busco foto nombre marca vegano vegana ecológico sano buen funciona pagar tarjeta pedidos
        recibido cambiar kilo gramos
    """,
    "de": """
        der die das den dem des ein eine einen einem einer eines und oder aber nicht kein keine ist
        sind war waren bin bist sein wird werden wurde was wo wann wer wie warum welche welcher
        welches wieviel woher wohin ich du er sie es wir ihr mich mir dich dir uns euch mein meine
        dein deine ihre ihren sich zu zum zur von vom aus mit bei nach für auf an im am in über
        unter ohne gegen auch noch schon sehr nur hier da dort dies diese dieser dieses hallo guten
        tag morgen danke bitte ja nein kann können könnte möchte will habe hat haben gibt macht
        kommt kostet preis farbe lieferung bestellung öffnungszeiten geöffnet zurück hilfe gut heute
        wissen tschüss servus moin entschuldigung her hin denn mal wenn dass man viel viele schön
        schönes schöne süß sauer reif reife kaufen zwei drei frage essen isst einfrieren kühlschrank
        woche teuer billig nichts alles klar wiedersehen liefert liefern bekommen bestellt geschmack
        schmeckt frisch bio marke name bezahlen karte ändern gramm habt seid welchen andere anderen
        diesen enthält drin kilo rezept also schon doch
    """,
    "fr": """
        le la les un une des du de au aux et ou mais ne pas non oui est sont était être suis es êtes
        sommes ce cet cette ces c'est ça cela trop qu'est-ce que quoi quel quelle quels quelles qui
        où quand comment combien pourquoi d'où je j'ai tu il elle nous vous ils elles mon ma mes ton
        ta tes son sa ses votre vos notre nos leur se me te lui y en dans sur sous avec sans pour
        par chez plus très aussi bonjour bonsoir salut merci s'il plaît svp voudrais veux peux
        pouvez puis avez avoir ai a ont fait faire vient viennent coûte prix couleur livraison
        commande horaires ouvert fermé retour remboursement aide aidez bien mal aujourd'hui demain
        ici là savoir revoir désolé pardon produit magasin autre autres contient contiennent sucré
        mûr mûre reçu reçois livrez livrer livré envoyer acheter deux trois question mangue mange
        manger congeler garder frigo semaine cher rien tout tous coucou accord peut peut-on sont-ils
        goût frais fraîche bio marque nom celui-là celui-ci celle-là celle-ci celui celle payer
        carte recevoir changer kilo grammes faut dois doit connais connaissez recette alors encore
        déjà après avant même dedans
    """,
    "it": """
        il lo la i gli le un uno una di del della dei delle dello degli al alla ai alle da dal dalla
        dai dalle in nel nella sul sulla con per tra fra e ed o ma non sì si è sono era essere che
        cosa cos'è come quando quanto quanta quanti dove dov'è chi quale quali perché io tu lui lei
        noi voi loro mi ti ci vi mio mia tuo tua suo sua nostro vostro questo questa questi queste
        quello quella più molto troppo anche ciao buongiorno buonasera salve grazie prego per favore
        vorrei voglio posso può potete ho ha hai avete viene vengono costa prezzo colore consegna
        ordine orari aperto chiuso reso aiuto aiutami bene oggi domani qui qua scusa scusi prodotto
        arrivederci negozio sapere altro altra contiene dolce maturo matura arrivato arrivata niente
        mangia mangiare comprare due tre domanda congelare frigo settimana caro va bene tutto gusto
        fresco marca nome pagare carta ricevuto cambiare grammi avete dentro ancora già spedite
        consegnate
    """,
    "pt": """
        o a os as um uma uns umas de do da dos das ao à aos às em no na nos nas num numa por pelo
        pela para pra com sem sobre e ou mas não sim é são está estão era ser foi que quê o qual
        quais como quando quanto quanta quantos onde donde quem porquê porque eu tu ele ela nós você
        vocês eles elas me te lhe meu minha teu tua seu sua nosso este esta isto isso esse essa
        aquele mais muito também olá oi bom boa dia tarde noite obrigado obrigada por favor quero
        queria gostaria posso pode podem preciso tem têm tenho vem vêm custa preço cor entrega
        pedido encomenda horário aberto devolver ajuda ajudar hoje amanhã aqui ali desculpe tchau
        produto loja saber horas abrem abre fecham outro outra contém contêm doce maduro madura
        recebi chegou come-se comer comprar dois duas três pergunta congelar frigorífico geladeira
        semana caro nada tudo sabor fresco marca nome pagar cartão trocar gramas vocês entregam até
        logo ainda já funciona
    """,
    "nl": """
        de het een en of maar niet geen is zijn was waren ben bent wordt worden wat waar wanneer wie
        welke welk hoe hoeveel waarom waarvandaan ik jij je hij zij ze wij we jullie u mij me mijn
        jouw uw ons onze hun zich van in op aan te tot met bij voor uit naar over onder zonder door
        om ook nog al heel erg alleen hier daar er dit dat deze die hallo hoi goedemorgen goedendag
        dank dankjewel bedankt alstublieft alsjeblieft ja nee kan kunt kunnen mag wil zou heb heeft
        hebben komt vandaan kost prijs kleur levering bestelling open geopend terug retour hulp help
        goed vandaag morgen weten doei graag als dan worden veel ander andere bevat zoet zuur rijp
        kopen twee drie vraag eten eet invriezen koelkast week duur niets alles ontvangen geleverd
        leveren smaak smaakt vers merk naam betalen pas ruilen gram jullie zit erin oké dag
    """,
    "sv": """
        en ett den det de och eller men inte ingen inget är var vara blir vad var när vem vilken
        vilket vilka hur varför varifrån jag du han hon vi ni mig dig oss er min mitt mina din ditt
        sin sitt av i på till från med utan för om under över också mycket bara här där denna detta
        dessa hej god morgon tack snälla ja nej kan kunde vill skulle har hade får finns kommer
        kostar pris färg leverans beställning öppet öppettider tillbaka retur hjälp hjälpa bra idag
        imorgon veta hejdå ursäkta många som att så då annan andra innehåller söt sur mogen köpa två
        tre fråga äta äter frysa kylskåp vecka dyr inget allt fått levererar smak smakar färsk märke
        namn betala kort byta gram man okej dag
    """,
    "pl": """
        i a ale lub albo nie tak jest są był była było być co gdzie kiedy kto który która które jak
        ile dlaczego skąd czy ja ty on ona ono my wy oni mnie mi ci go jej nas was mój moja moje
        twój ten ta to te tego tej tym w we na do z ze od dla o u po przez pod nad bez też bardzo za
        drogo tylko tu tutaj tam cześć dzień dobry dziękuję dzięki proszę witam chcę chciałbym
        chciałabym mogę może można mam ma macie pochodzi kosztuje cena kolor dostawa zamówienie
        otwarte godziny zwrot pomoc pomóż dobrze dziś jutro przepraszam produkt się inny inna
        zawiera słodkie słodki kwaśny dojrzałe kupić dwa trzy pytanie jeść je zamrozić lodówka
        tydzień drogi nic wszystko dostałem dostałam smak świeży marka nazwa zapłacić karta wymienić
        gram mango macie
    """,
    "tr": """
        bir bu şu o ve veya ama değil yok var mı mi mu mü ne nerede nereden nasıl ne zaman kim hangi
        kaç niye neden ben sen biz siz onlar bana sana bize benim senin sizin için ile gibi çok da
        de daha en merhaba selam günaydın teşekkürler teşekkür ederim lütfen evet hayır istiyorum
        isterim olur mu miyim misiniz geliyor gelir kadar fiyat fiyatı renk teslimat sipariş açık
        kapalı iade yardım edin iyi bugün yarın burada orada ürün nedir mısınız başka içerir
        içeriyor tatlı ekşi olgun almak iki üç soru yemek yenir dondurulur hafta pahalı hiçbir şey
        geldi gelmedi tadı taze marka isim ödeme kart değiştirmek gram
    """,
    "da": """
        og eller men ikke ingen er var være hvad hvor hvornår hvem hvilken hvordan hvorfor hvorfra
        jeg du han hun vi mig dig os jer min mit din dit det den de en et af i på til fra med uden
        for om også meget kun her der denne dette hej tak ja nej kan kunne vil ville har havde
        findes kommer koster pris farve levering bestilling åbent tilbage hjælp godt i dag
    """,
    "no": """
        og eller men ikke ingen er var være hva hvor når hvem hvilken hvordan hvorfor hvorfra jeg du
        han hun vi meg deg oss dere min mitt din ditt det den de en et av i på til fra med uten for
        om også veldig bare her der denne dette hei takk ja nei kan kunne vil ville har hadde finnes
        kommer koster pris farge levering bestilling åpent tilbake hjelp bra i dag
    """,
    "fi": """
        ja tai mutta ei en et on ovat oli olla mitä missä milloin kuka mikä miten miksi mistä
        paljonko minä sinä hän me te he minun sinun tämä tuo se nämä myös hyvin vain täällä hei moi
        kiitos kyllä voiko voinko haluan haluaisin tulee maksaa hinta väri toimitus tilaus auki apua
    """,
    "cs": """
        a ale nebo ne ano je jsou byl byla být co kde kdy kdo který která jak kolik proč odkud já ty
        on ona my vy mě mi můj moje tvůj ten ta to v na do z ze od pro o u bez také velmi jen tady
        tam ahoj dobrý den děkuji díky prosím chci chtěl mohu může mám máte pochází stojí cena barva
        doručení objednávka otevřeno vrácení pomoc dnes zítra
    """,
    "ro": """
        și sau dar nu da este sunt era fi ce unde când cine care cum cât câte de ce eu tu el ea noi
        voi ei îmi mă meu mea acest această acesta un o în la din pe cu fără pentru despre foarte
        aici acolo bună salut mulțumesc vă rog vreau aș dori pot puteți am aveți vine costă preț
        culoare livrare comandă deschis retur ajutor azi
    """,
    "hu": """
        a az egy és vagy de nem igen van vannak volt mi mit hol mikor ki melyik hogyan miért honnan
        mennyi mennyibe én te ő mi ti ez ezt azt is nagyon csak itt ott szia helló köszönöm kérem
        szeretnék akarok lehet jön kerül ár szín szállítás rendelés nyitva vissza segítség ma
    """,
    "vi": """
        là và hoặc nhưng không có của cho với từ ở đâu gì khi nào ai bao nhiêu như thế sao tôi bạn
        chúng này kia đó rất cũng xin chào cảm ơn vui lòng muốn cần giá màu giao hàng mở cửa giúp
    """,
    "id": """
        dan atau tapi tidak ya adalah ini itu apa di mana dimana dari kapan siapa yang bagaimana
        berapa mengapa saya aku kamu anda kami kita mereka dengan untuk ke pada juga sangat hanya
        sini halo terima kasih tolong mau ingin bisa ada harga warna pengiriman pesanan buka bantuan
    """,
}

COMMON: Final = {language: frozenset(words.split()) for language, words in _WORDS.items()}
"""Words by language."""

LETTERS: Final[dict[str, str]] = {
    "es": "ñ¿¡",
    "de": "ß",
    "fr": "œ",
    "pt": "ãõ",
    "pl": "łżśźćńąę",
    "tr": "ığş",
    "cs": "řěůť",
    "ro": "țșă",
    "hu": "őű",
    "vi": "ạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹơưđ",
    "da": "æø",
    "no": "æø",
    "sv": "å",
}
"""Letters and marks that few other languages have."""
