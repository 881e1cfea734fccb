"""Short texts as customers write them, a line each, by language."""

from __future__ import annotations

from typing import Final

TEXTS: Final[dict[str, str]] = {
    "en": """
        hello
        Where does this come from?
        what's this
        thanks!
        is it ripe
        How much is the Golden Delicious?
        Does Bio Soygurt contain milk?
        opening hours
        return policy
        Garant Ekologisk Standardmjölk
        Arla Mellanmjölk, what is it?
        42
        Tropicana Apelsin 1,75 l
        ok
        can you tell me about this Kvarg
        show me something red
        recipe ideas
        Anjou?
        Piel de Sapo
        protein content God Morgon Red Grapefruit Juice
        whats in God Morgon Juice? the ingredients i mean
        kcal per 100g of Tropicana Mandarin
        and the other one?
    """,
    "zh": """
        你好
        这是什么
        哪里产的？
        谢谢
        多少钱
        這個從哪裡來
        有没有别的颜色
        Tropicana 果汁含糖吗
        怎么退货
        你们几点开门
        我要找人工
        保质期多久
        红富士
        可以配送到家吗
        图里有什么
        好的
    """,
    "es": """
        hola
        gracias
        ¿de dónde viene esto?
        cuanto cuesta
        que es esto
        tienen leche sin lactosa
        a qué hora abren
        quiero devolver esto
        buenos días
        no funciona
        es vegano?
        necesito ayuda
        ¿Qué color es?
        cuándo llega mi pedido
        dime más del melón
        Hola, el Golden Delicious es dulce?
    """,
    "de": """
        hallo
        danke
        wo kommt das her?
        was ist das
        Wie viel kostet die Ananas?
        wann habt ihr auf
        ich brauche hilfe
        ist das vegan
        Guten Tag
        kann ich das zurückgeben
        Welche Farbe hat die Paprika?
        Enthält das Milch?
        noch eine frage
        und die Birne?
        bitte
        Wird auch sonntags geliefert?
    """,
    "fr": """
        bonjour
        merci
        d'où ça vient ?
        c'est quoi
        combien ça coûte
        Quels sont vos horaires ?
        je voudrais rendre ce produit
        est-ce que c'est bio
        quelle couleur
        s'il vous plaît
        j'ai besoin d'aide
        et celui-là ?
        Y a-t-il du lait dedans ?
        bonsoir, livrez-vous le dimanche
        où est ma commande
        ça se mange comment
    """,
    "it": """
        ciao
        grazie
        da dove viene questo?
        quanto costa
        che cos'è
        ho bisogno di aiuto
        a che ora aprite
        vorrei restituire il prodotto
    """,
    "pt": """
        olá
        obrigado
        de onde vem isto?
        quanto custa
        o que é isso
        preciso de ajuda
        a que horas abrem
        não está maduro
    """,
    "nl": """
        hoi
        dank je wel
        waar komt dit vandaan?
        hoeveel kost het
        wat is dit
        ik heb hulp nodig
        hoe laat gaan jullie open
        is dit rijp
    """,
    "sv": """
        hej
        tack så mycket
        varifrån kommer den här?
        vad kostar det
        vad är det här
        jag behöver hjälp
        när har ni öppet
        är den mogen
    """,
    "pl": """
        cześć
        dziękuję
        skąd to pochodzi?
        ile to kosztuje
        co to jest
        potrzebuję pomocy
        czy to jest dojrzałe
    """,
    "tr": """
        merhaba
        teşekkürler
        bu nereden geliyor?
        ne kadar
        bu nedir
        yardıma ihtiyacım var
    """,
    "ru": """
        привет
        спасибо
        откуда это?
        сколько стоит Golden Delicious
        что это
    """,
    "uk": """
        дякую, звідки це?
        що це є
    """,
    "ja": """
        こんにちは
        これは何ですか
        産地はどこ？
        リンゴ
        営業時間を教えて
    """,
    "ko": """
        안녕하세요
        이거 뭐예요
        어디서 왔어요?
        얼마예요
    """,
    "ar": """
        مرحبا
        من أين هذا؟
        كم السعر
        شكرا
    """,
    "el": "από πού είναι αυτό;",
    "th": "นี่คืออะไร",
    "hi": "यह क्या है",
    "he": "מה זה",
}
"""Those that the lists of words were tried on."""

UNSEEN: Final[dict[str, str]] = {
    "en": """
        hi there
        got any grapes?
        price
        which one is sweeter
        Is the Royal Gala sold out
        nope
        my parcel is late
        Yoggi Vaniljyoghurt fat content
        God Morgon Apelsin juice
        cheers mate
        Oatly Havredryck
        does it keep in the fridge
        what a nice photo
        Vegetables from Italy
        please describe
    """,
    "zh": """
        在吗
        苹果甜不甜
        能退吗
        今天送货吗
        这个牌子怎么样
        什么颜色
        没收到货
        再见
        芒果还有货吗
        我想买两个
        請問有賣嗎
        Oatly 是什么
        不是这个
        怎么吃
        帮我看看
    """,
    "es": """
        buenas
        ¿tienen mangos?
        adónde envían
        es dulce o ácido
        no me ha llegado
        vale, gracias
        cómo se come
        ¿Está maduro?
        qué precio tiene la piña
        otra pregunta
        quiero comprar dos
        ¿y el otro?
        ayuda por favor
        contiene gluten
        hasta luego
    """,
    "de": """
        moin
        habt ihr mangos
        wohin liefert ihr
        schmeckt das süß
        meine bestellung fehlt
        alles klar, danke
        wie isst man das
        Ist die reif?
        Was kostet eine Mango
        ich möchte zwei kaufen
        und das andere?
        ist da gluten drin
        auf wiedersehen
        kann man das einfrieren
        schönes foto
    """,
    "fr": """
        coucou
        avez-vous des mangues
        vous livrez où
        c'est sucré ?
        je n'ai rien reçu
        d'accord merci
        comment on le mange
        Est-elle mûre ?
        le prix d'une mangue
        une autre question
        j'en veux deux
        et l'autre ?
        contient du gluten ?
        au revoir
        peut-on le congeler
    """,
    "it": """
        avete i manghi?
        è dolce
        non è arrivato niente
        va bene grazie
        come si mangia
        contiene glutine
    """,
    "pt": """
        vocês têm mangas?
        é doce
        não recebi nada
        tudo bem, obrigada
        como se come
        contém glúten
    """,
    "nl": """
        hebben jullie mango's
        is het zoet
        ik heb niets ontvangen
        oké bedankt
        hoe eet je dit
        bevat dit gluten
    """,
    "sv": """
        har ni mango
        är den söt
        jag har inte fått något
        okej tack
        hur äter man den
        innehåller den gluten
    """,
    "pl": """
        macie mango?
        czy jest słodkie
        nic nie dostałem
        dobrze, dziękuję
        jak to się je
    """,
    "ru": """
        есть манго?
        он сладкий
        ничего не пришло
    """,
    "ja": """
        マンゴーありますか
        甘いですか
        届いていません
    """,
    "ko": """
        망고 있나요
        달아요?
    """,
    "ar": """
        هل لديكم مانجو
        لم يصلني شيء
    """,
    "tr": """
        mango var mı
        tatlı mı
        hiçbir şey gelmedi
    """,
}
"""Those that they were not."""

LATEST: Final[dict[str, str]] = {
    "en": """
        is it any good
        who grows these
        Bravo Äppeljuice
        cheapest apple
        hm
        where's my stuff
        nutrition facts
        Garant Mild Yoghurt Vanilj
        does this have sugar
        not that one
    """,
    "zh": """
        有糖吗
        谁种的
        最便宜的苹果
        我的东西呢
        营养成分
        不是那个
        嗯
        请问一下
        太贵了
        什么时候到
    """,
    "es": """
        ¿lleva azúcar?
        quién lo cultiva
        la manzana más barata
        dónde está mi pedido
        ese no
        información nutricional
        una pregunta
        demasiado caro
        cuánto tarda
        ¿lo puedo congelar?
    """,
    "de": """
        ist da zucker drin?
        wer baut das an
        der billigste apfel
        wo ist meine bestellung
        nicht der
        nährwerte
        ich habe eine frage
        zu teuer
        wie lange dauert das
        lässt sich das einfrieren
    """,
    "fr": """
        il y a du sucre dedans ?
        qui le cultive
        la pomme la moins chère
        où est mon colis
        pas celle-là
        valeurs nutritionnelles
        j'ai une question
        trop cher
        ça prend combien de temps
        ça se congèle ?
    """,
    "it": """
        c'è zucchero?
        dov'è il mio ordine
        troppo caro
        ho una domanda
    """,
    "pt": """
        tem açúcar?
        onde está a minha encomenda
        muito caro
        tenho uma pergunta
    """,
    "nl": """
        zit er suiker in?
        waar is mijn bestelling
        te duur
        ik heb een vraag
    """,
    "sv": """
        innehåller den socker?
        var är min beställning
        för dyrt
        jag har en fråga
    """,
    "pl": """
        czy jest cukier?
        gdzie jest moje zamówienie
        za drogo
        mam pytanie
    """,
}
"""Those that were written when the lists had been mended with `UNSEEN`."""
