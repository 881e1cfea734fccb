"""Wishes for a person, and sentences that are none: `SEEN` were written beside the rules."""

from __future__ import annotations

from typing import Final

SEEN: Final[dict[str, str]] = {
    "en": """
        put me through to someone
        can I speak with your manager
        I want a real human
        this bot is useless, get me an operator
        call me back please
        customer service rep now
        let me talk to somebody who can help
        escalate this
        Human please
        agent
        REPRESENTATIVE!!!
        Is there anyone I can talk to?
        I'd rather deal with a person than a chatbot.
        I don't want to talk to a machine.
        Could you transfer me to customer support?
        How do I get hold of a human being around here
        I need to speak to somebody about my order
        Please have someone call me
        stop giving me automated answers, I want an actual person
        connect me with a live agent
        can a human look at this please
        Are there any humans working there?
        pass me on to one of your colleagues
        I wish to lodge a complaint with your supervisor
        Who can I speak to about this?
        just let me chat with staff
        give me a person
        I'm done talking to a robot
        no more bots
        Would it be possible to discuss this with an employee?
        hand this over to a human
        Can someone from your team get in touch with me?
        I demand to see the manager
        get a human on the line
        talk to human
        Why can't I talk to a person?
        I would like to be transferred to a specialist.
        I can't get this solved here, I need a person
        could I have a word with whoever is in charge
        speak to someone real
    """,
    "zh": """
        转人工
        我要找客服
        请帮我接人工服务
        能不能找个真人跟我说话
        我不想跟机器人聊
        叫你们经理来
        给我回个电话
        有人在吗？
        我要投诉，让你们负责人联系我
        帮我轉接真人客服
        可以和工作人员沟通吗
        人工客服！！
        換個人來跟我講
    """,
    "es": """
        quiero hablar con una persona
        ¿Puedo hablar con un agente?
        Páseme con el encargado, por favor
        Necesito que alguien me llame
        No quiero hablar con un robot
        operador
        ¿Hay alguien ahí?
        Comuníqueme con atención al cliente
        ¿Con quién puedo hablar?
        quisiera contactar con un asesor humano
    """,
    "de": """
        Ich möchte mit einem Mitarbeiter sprechen
        Kann ich bitte mit einem echten Menschen reden?
        Verbinden Sie mich mit dem Kundendienst
        Rufen Sie mich bitte zurück
        Ich will keinen Bot, ich will einen Menschen
        Mitarbeiter bitte
        Ist da jemand?
        Geben Sie mir Ihren Vorgesetzten
        Ich habe keine Lust mehr, mit einer Maschine zu schreiben
        Könnte sich jemand bei mir melden?
        Stellen Sie mich durch
    """,
    "fr": """
        un conseiller s'il vous plaît
        je veux parler à quelqu'un
        Puis-je parler à un être humain ?
        Passez-moi le responsable
        Rappelez-moi
        Je ne veux pas parler à un robot
        Y a-t-il quelqu'un à qui je peux m'adresser ?
        Mettez-moi en relation avec le service client
        j'aimerais échanger avec un agent
    """,
    "it": """
        vorrei parlare con una persona
        mi passi un operatore
        Posso parlare con il responsabile?
        Richiamatemi per favore
        Non voglio parlare con un bot
        operatore umano
        C'è qualcuno con cui posso parlare?
        ho bisogno di assistenza da un essere umano
    """,
    "pt": """
        quero falar com um atendente
        Posso falar com uma pessoa de verdade?
        me transfere para o gerente
        Não quero falar com robô
        atendente por favor
        Podem ligar-me?
        Tem alguém aí?
        Preciso de atendimento humano
    """,
    "nl": """
        ik wil een medewerker spreken
        Kan ik met een echt mens praten?
        Verbind me door met de klantenservice
        Bel me terug alstublieft
        ik wil niet met een robot praten
        medewerker graag
        Is er iemand?
        Mag ik de manager spreken
    """,
    "sv": """
        jag vill prata med en människa
        Kan jag få tala med en chef?
        koppla mig till kundtjänst
        ring mig
        Jag vill inte prata med en robot
        en riktig person tack
        Finns det någon jag kan prata med?
        Jag behöver kontakt med en handläggare
    """,
    "pl": """
        chcę porozmawiać z człowiekiem
        Proszę połączyć mnie z konsultantem
        Czy mogę rozmawiać z kierownikiem?
        nie chcę rozmawiać z botem
        konsultant
        Proszę o telefon
        Czy ktoś może do mnie oddzwonić?
        dajcie mi żywą osobę
    """,
    "ru": """
        хочу поговорить с человеком
        Соедините меня с оператором
        позовите менеджера
        перезвоните мне
        Не хочу общаться с ботом
        оператор
        Можно поговорить с живым человеком?
        Есть кто живой?
        мне нужен сотрудник поддержки
    """,
    "ar": """
        أريد التحدث مع شخص حقيقي
        حولني إلى موظف
        ممكن أكلم خدمة العملاء؟
        لا أريد التحدث مع روبوت
        اتصلوا بي من فضلكم
        أريد موظفاً بشرياً
        ابغى اتكلم مع احد
        أين المدير؟ أريد التكلم معه
        عايز اكلم حد
    """,
    "ja": """
        人間と話したいです
        オペレーターにつないでください
        担当者をお願いします
        ロボットとは話したくない
        折り返し電話をください
        誰かいますか
        店長を出して
        有人チャットに切り替えて
    """,
    "ko": """
        상담원 연결해 주세요
        사람이랑 얘기하고 싶어요
        매니저 바꿔주세요
        로봇 말고 사람이요
        전화 주세요
        직원과 통화할 수 있나요?
        상담원
        진짜 사람 불러줘
    """,
    "tr": """
        bir insanla konuşmak istiyorum
        Müşteri temsilcisine bağlayın
        yetkili biriyle görüşebilir miyim?
        robotla konuşmak istemiyorum
        beni arayın
        müşteri hizmetleri
        Orada kimse var mı?
        Gerçek bir kişi lütfen
    """,
}
"""Wishes, a line each, by language."""

SEEN_NOT: Final[str] = """
    I don't need to talk to a person
    is there a person in the photo?
    a man is sitting there
    Do people talk to agents?
    What is the person in the picture holding?
    How many people are there?
    Are you a human?
    Am I talking to a real person?
    Who is the man on the left?
    Is it fit for human consumption?
    Is this a raising agent?
    What cleaning agent should I use for the lid?
    Can I call you Bob?
    What is this melon called?
    Is there somebody behind the counter in this photo?
    No need for a human, you did fine
    I spoke to an agent yesterday, she was nice. Where do the lemons come from?
    How many calories per person?
    My manager likes these apples
    Is the store manager's special still on?
    When does customer service open?
    Does someone wear a hat?
    Someone left an apple on the table
    What do people cook with ginger?
    Can people with allergies eat this?
    Do I need someone to sign for my delivery?
    Where does this come from?
    I can't find the human figure on the label
    Is the woman talking on the phone?
    The customer is talking to the cashier
    What does the operator of the forklift do?
    I want to know where it is from
    Please give me the recipe
    I need help choosing an apple
    Can you help me?
    Can someone with diabetes eat this?
    图里有人吗？
    照片里的人在做什么
    不用转人工
    这里面有人工色素吗
    客服几点上班
    你是真人吗
    ¿Hay una persona en la foto?
    No necesito hablar con nadie, gracias
    ¿Cuántas personas hay?
    ¿De dónde viene este melón?
    Ist auf dem Foto ein Mensch zu sehen?
    Ich brauche keinen Mitarbeiter
    Woher kommt die Ananas?
    Bist du ein Mensch?
    Y a-t-il une personne sur la photo ?
    Je n'ai pas besoin de parler à quelqu'un
    Êtes-vous un robot ?
    C'è una persona nella foto?
    Non ho bisogno di un operatore
    Quantas pessoas aparecem na imagem?
    Não preciso de atendente
    Hoeveel mensen staan er op de foto?
    Ik hoef geen medewerker te spreken
    Hur många personer finns på bilden?
    Jag behöver inte prata med någon
    Ile osób jest na zdjęciu?
    Nie potrzebuję konsultanta
    Сколько человек на фото?
    Мне не нужен оператор
    Ты человек?
    هل يوجد شخص في الصورة؟
    لا أحتاج إلى موظف
    写真に人が写っていますか
    オペレーターは必要ありません
    사진에 사람이 있나요?
    상담원은 필요 없어요
    Fotoğrafta insan var mı?
    Temsilciye gerek yok
"""


UNSEEN: Final[dict[str, str]] = {
    "en": """
        Give me someone with a brain
        I'm fed up with this, let me speak with a supervisor right away
        hello? any humans there?
        Please forward my case to a member of staff.
        I would prefer to discuss this with a real person
        this isn't helping. agent please
        could you get somebody on the phone for me
        Who's in charge? I want to talk to them.
        I need to talk to customer care
        Can you hook me up with a support rep?
        transfer
        Let me speak to a live representative
        I want my issue looked at by a human
        Sorry, but I'd like to talk with an actual employee.
        ring me on my mobile please
        What do I have to do to reach a human?
        I'm not getting anywhere with you. Is there somebody else I could ask?
        operator operator operator
        Put your boss on
        I want to make a phone call with one of your advisors
        Would someone from the shop contact me, please?
        Take me to a person
        you don't understand me, get me a human
        I asked for a manager!
        can i chat with a real person instead
        speak to rep
        I wanna talk to people not bots
        Do you have a phone line with real people?
        please get this to a person
        Nobody is helping me, I want to complain to the manager
        may I be connected with the store
        human assistance required
        Let a human handle this.
        I won't discuss this with software. Get me your team lead.
        i would like assistance from an employee
        Is it possible to have a person answer this?
    """,
    "zh": """
        麻烦转接人工客服，谢谢
        我想跟真人谈
        找你们主管
        别用机器人敷衍我，叫个人来
        请安排专员联系我
        有没有活人啊
        能让客服给我打电话吗
        我要和店长说话
        人工，快
        你们有人工服务吗
        麻煩幫我轉給專人處理
    """,
    "es": """
        ponme con un operador
        Me gustaría que me atendiera una persona
        exijo hablar con un supervisor
        ¿me pueden comunicar con un representante?
        Esto no sirve, quiero un ser humano
        agente por favor
        llámenme cuando puedan
        ¿Podría hablar con alguien de la tienda?
        Estoy harto de este bot
        Que me atienda alguien de verdad
    """,
    "de": """
        Ich will mit jemandem reden
        Bitte leiten Sie mich an einen Berater weiter
        Gibt es bei Ihnen auch Menschen?
        Ich hätte gern einen Ansprechpartner
        Könnte ich mit Ihrem Chef sprechen?
        Können Sie mich mit einer Person verbinden
        Mensch, jetzt
        Ich möchte angerufen werden
        Das bringt nichts, holen Sie mir einen Kollegen
        Schluss mit dem Bot
        Kundenservice!
    """,
    "fr": """
        Je souhaite être mis en relation avec un conseiller
        pouvez-vous me passer quelqu'un
        je voudrais une vraie personne
        transférez-moi à un agent
        Est-ce qu'un humain peut me répondre ?
        J'en ai marre du robot
        appelez-moi s'il vous plaît
        Je préfère discuter avec une personne
        service client !
    """,
    "it": """
        Mi metta in contatto con un addetto
        voglio un essere umano
        potrei parlare con qualcuno?
        sono stufo di questo bot
        un operatore, grazie
        fatemi parlare con il direttore
        Può farmi richiamare?
        preferirei parlare con una persona vera
    """,
    "pt": """
        gostaria de conversar com um ser humano
        chama o gerente
        Preciso falar com alguém
        me liguem por favor
        Pode passar-me a um assistente?
        chega de robô
        humano
        Quero ser atendido por uma pessoa
    """,
    "nl": """
        Ik zou graag iemand spreken
        kunt u mij doorverbinden met een collega
        een mens aub
        Kan iemand mij bellen?
        Ik ben deze bot zat
        Ik wil contact met de klantenservice
        Geef mij je leidinggevende
        Liever een echt persoon
    """,
    "sv": """
        Kan du koppla mig vidare till en medarbetare?
        Jag skulle vilja tala med någon
        Får jag prata med en riktig människa
        kundtjänst tack
        Be någon ringa upp mig
        Jag är trött på den här boten
        Hämta din chef
        Jag vill ha hjälp av en människa
    """,
    "pl": """
        Chciałbym rozmawiać z konsultantem
        przełącz mnie do człowieka
        Czy mogę z kimś porozmawiać?
        poproszę kierownika
        Zadzwońcie do mnie
        Mam dość tego bota
        Potrzebuję kontaktu z obsługą klienta
        prawdziwy człowiek, proszę
    """,
    "ru": """
        Переключите на специалиста
        Дайте живого оператора
        Я хочу, чтобы мне позвонили
        Как связаться с поддержкой?
        Мне надо поговорить с кем-нибудь
        надоел этот бот
        Человека позовите
        Можно менеджера?
    """,
    "ar": """
        أود التحدث إلى موظف خدمة العملاء
        هل يمكنني التواصل مع إنسان؟
        حولوني لخدمة العملاء
        بدي احكي مع حدا
        أريد المدير
        مللت من هذا الروبوت
        رجاء اتصلوا بي
        أحتاج إلى شخص يساعدني
    """,
    "ja": """
        人と話がしたい
        担当の方に代わってください
        カスタマーサポートに連絡したいのですが
        オペレーターお願いします
        責任者と話せますか
        電話をもらえますか
        機械じゃなくて人間に対応してほしい
        スタッフに繋いで
    """,
    "ko": """
        상담사와 연결 부탁드립니다
        사람과 대화하고 싶습니다
        책임자 나오라고 하세요
        담당자랑 통화하고 싶은데요
        챗봇 싫어요 상담원 바꿔줘요
        고객센터 연결해줘
        연락 주시겠어요?
        진짜 직원한테 말하고 싶어
    """,
    "tr": """
        Bir temsilci ile konuşabilir miyim?
        Beni müşteri hizmetlerine aktarın
        Yöneticinizle görüşmek istiyorum
        canlı destek istiyorum
        Beni geri arar mısınız?
        bu bottan bıktım
        Gerçek bir insanla konuşmam lazım
        operatör
    """,
}
"""Wishes that were written after the rules."""

UNSEEN_NOT: Final[str] = """
    Which person in the image is holding the banana?
    Nobody needs to call me
    I like talking to you
    Is the guy in the picture a manager?
    Please don't transfer me
    I would rather not speak with anyone, just tell me the price
    What does a sales representative earn?
    My boss told me to buy kiwis
    Are the people in this picture happy?
    A human wrote this label, right?
    How do I contact lens cleaner off the table
    Does this contain an anti-caking agent?
    Should I call before I come?
    When can I pick it up?
    Can you talk about where avocados come from?
    I called yesterday
    Tell me about this product
    What would a person normally pay for this?
    How many people does one pineapple serve?
    Someone told me that oranges come from Spain
    Can you connect this to the recipe?
    Give me something else
    I need some juice for my manager
    Do you call this a nectarine or a peach?
    Is anyone allergic to celery in general?
    How do people prepare ginger?
    Who grows these apples?
    The man is talking to a woman in the background
    Is this person an employee of the store?
    What time do your employees start working?
    I don't want to speak to anybody
    Get me the ingredients of this juice
    I want the other one
    Put it in the basket
    Transfer the leftovers into a jar, then what?
    Do I have to be home when the driver comes?
    照片中有几个人
    这是人工养殖的吗
    不需要客服，谢谢
    请问这个苹果产自哪里
    你是机器人吗
    ¿Quién es la persona de la izquierda?
    No hace falta que me llamen
    ¿Este zumo es para cuatro personas?
    ¿Eres un robot?
    Wie viele Leute sind auf dem Bild?
    Ich möchte nicht mit jemandem sprechen, danke
    Sind Sie ein Roboter?
    Was kostet das pro Person?
    Combien de personnes y a-t-il sur l'image ?
    Pas besoin d'un conseiller
    D'où vient ce melon ?
    Quante persone ci sono nella foto?
    Da dove viene questo?
    Não quero falar com ninguém
    De onde vem esta manga?
    Waar komt deze mango vandaan?
    Ben je een robot?
    Varifrån kommer den här melonen?
    Är du en människa?
    Skąd pochodzi ten melon?
    Czy jesteś robotem?
    Откуда этот ананас?
    Не надо мне звонить
    من أين تأتي هذه الفاكهة؟
    كم عدد الأشخاص في الصورة؟
    これはどこ産ですか
    写真の男性は何をしていますか
    이 과일은 어디에서 왔나요?
    당신은 사람인가요?
    Bu meyve nereden geliyor?
    Sen robot musun?
"""


UNSEEN2: Final[dict[str, str]] = {
    "en": """
        I'd appreciate it if one of your employees got back to me
        Enough. Human. Now.
        could you patch me through to the person responsible for deliveries
        Is there a customer service number I can ring?
        let me speak with whoever runs this place
        I need human help with this
        Can we get a real agent in here?
        talk to a representative
        are there people I could talk to instead of you?
        please pass this on to your team
        this is going nowhere, connect me to support
        I'd like to be called back tomorrow morning
        Give me your supervisor's contact, I want to speak with them
        I want to escalate my complaint
        You're just a program. I want to speak to a human being.
        where can I talk to someone
        Could an employee have a look at my photo?
        no, a person please
        I need to get in touch with the shop owner
        get me out of this bot and to an agent
        how can I contact a real person?
        I still would like to chat to one of the staff
        someone please call me about my refund
        Can't I just talk to somebody?
        I want to speak to the person in charge
    """,
    "zh": """
        接人工
        我想找个人问问
        让真人来回答我
        可以帮我联系你们的客服吗
        请转给经理处理
        别再自动回复了，给我接客服
        我需要跟工作人员说
        打电话给我吧
    """,
    "es": """
        Por favor, comuníqueme con un humano
        quiero que me atienda una persona real
        ¿Me puede llamar alguien?
        Necesito contactar con el servicio de atención al cliente
        prefiero hablar con alguien de su equipo
        Deseo hablar con el gerente
        no quiero más bots
        un agente humano por favor
    """,
    "de": """
        Ich würde lieber mit einem Menschen sprechen
        Kann mich bitte jemand anrufen?
        Ich brauche einen menschlichen Ansprechpartner
        Weiterleiten an einen Mitarbeiter bitte
        Wie erreiche ich den Kundendienst?
        Holen Sie bitte den Filialleiter
        Ich will nicht mit einem Roboter reden
        lassen Sie mich mit jemandem sprechen
    """,
    "fr": """
        Je veux un humain
        Pourrais-je parler avec un responsable ?
        Comment contacter le service client ?
        Quelqu'un peut-il me rappeler ?
        Passez-moi un vrai conseiller
        Je ne veux plus discuter avec un bot
        Je souhaiterais m'entretenir avec un employé
        un agent svp
    """,
    "it": """
        Posso essere messo in contatto con una persona?
        Vorrei un operatore umano
        Mi faccia parlare con qualcuno
        Come posso contattare il servizio clienti?
        Basta bot, voglio una persona
        Chiamatemi per favore
        Mi serve parlare con un responsabile
        assistenza clienti
    """,
    "pt": """
        Quero um ser humano
        Posso falar com o responsável?
        Por favor transfira-me para um operador
        Alguém pode me ligar?
        Prefiro falar com uma pessoa
        Não quero conversar com uma máquina
        Como falo com o suporte?
        atendente
    """,
    "nl": """
        Mag ik een echt persoon spreken
        Ik wil doorverbonden worden met een medewerker
        Hoe kan ik de klantenservice bereiken?
        Laat mij met iemand praten
        Geen robot, ik wil een mens
        Kunt u mij terugbellen?
        ik moet iemand van de winkel spreken
        manager alstublieft
    """,
    "sv": """
        Jag vill tala med en person
        Koppla mig till en handläggare tack
        Hur kontaktar jag kundservice?
        Kan någon ringa mig?
        Jag vill inte chatta med en bot
        Får jag tala med butikschefen
        en människa tack
        Jag behöver prata med någon
    """,
    "pl": """
        Chcę rozmawiać z prawdziwą osobą
        Proszę o kontakt z konsultantem
        Jak skontaktować się z obsługą klienta?
        Nie chcę rozmawiać z robotem
        Czy mogę prosić kierownika?
        Połączcie mnie z kimś
        Potrzebuję porozmawiać z pracownikiem
        człowiek
    """,
    "ru": """
        Хочу живого человека
        Соедините с менеджером, пожалуйста
        Как мне поговорить с оператором?
        Пусть мне кто-нибудь позвонит
        Не хочу разговаривать с роботом
        Мне нужен специалист
        переведите на сотрудника
        Дайте поговорить с начальником
    """,
    "ar": """
        اريد انسان
        هل يمكن أن أتحدث مع المدير؟
        من فضلك حولني إلى موظف
        أريد أن يتصل بي أحد
        لا أريد الكلام مع بوت
        ممكن اتكلم مع موظف
        كيف أتواصل مع خدمة العملاء؟
        موظف من فضلك
    """,
    "ja": """
        本物の人間と話をさせてください
        オペレーターに代わって
        カスタマーサービスにつないでほしい
        店員さんと話したい
        誰かに電話してもらえますか
        ボットではなく人に対応してもらいたい
        責任者を呼んでください
        担当者に連絡を取りたい
    """,
    "ko": """
        사람 연결해주세요
        상담원과 이야기하고 싶어요
        점장님 불러주세요
        고객센터에 전화하고 싶어요
        기계 말고 사람과 말하고 싶어요
        담당자 연결 부탁해요
        직원분과 얘기할 수 있을까요?
        상담사 부탁드려요
    """,
    "tr": """
        Gerçek bir temsilciyle görüşmek istiyorum
        Lütfen beni bir insana bağla
        Müdürle konuşabilir miyim?
        Müşteri hizmetlerine nasıl ulaşırım?
        Robot değil insan istiyorum
        biri beni arasın
        bir yetkili ile konuşmak istiyorum
        temsilci lütfen
    """,
}
"""Wishes that were written after the rules had been mended with `UNSEEN`."""

UNSEEN2_NOT: Final[str] = """
    What do agents in the photo wear?
    Tell me who this man is
    I don't think I need a human
    Does a person need to refrigerate this?
    My mother wants to know where it comes from
    is this the manager in the picture
    Can you explain the label to me?
    Can I return it in the store?
    My daughter likes people
    Did someone paint this?
    How do I reach the shop by bus?
    Somebody ate my banana
    I would like to have two of these
    I want a bigger one
    Could you get me the nutrition facts?
    Can I get it delivered today?
    I need one for six people
    There are three people standing near the shelf
    Is the person wearing gloves?
    Which drink is good for older people?
    They transferred me yesterday, it was fine. What fruit is this?
    Please describe the woman in the background
    Can the store deliver to my office?
    What does "agent" mean?
    Are robots used to pick the apples?
    Is the juice made by machines?
    Do humans eat this raw?
    Do you have someone's recipe for leek soup?
    There is no need to escalate
    Don't call me
    这个人手里拿的是什么
    不要转人工，我只想问价格
    店里有几个员工
    这是人工甜味剂吗
    我要两个苹果
    ¿Qué lleva la mujer de la foto?
    No quiero que me llame nadie
    ¿A qué hora abre la tienda?
    Quiero dos manzanas
    Für wie viele Personen reicht das?
    Niemand muss mich anrufen
    Ich möchte zwei Äpfel
    Was macht der Mann auf dem Bild?
    Que fait l'homme sur la photo ?
    Je voudrais deux pommes
    Je ne souhaite pas être rappelé
    Per quante persone basta?
    Cosa fa l'uomo nella foto?
    Quero duas maçãs
    Quem é a mulher na foto?
    Wat doet de man op de foto?
    Ik wil twee appels
    Vad gör mannen på bilden?
    Jag vill ha två äpplen
    Co robi mężczyzna na zdjęciu?
    Chcę dwa jabłka
    Что делает человек на фотографии?
    Хочу два яблока
    ماذا يفعل الرجل في الصورة؟
    أريد تفاحتين
    写真の人は何を持っていますか
    りんごを二つください
    사진 속 사람은 무엇을 하고 있나요?
    사과 두 개 주세요
    Fotoğraftaki adam ne yapıyor?
    İki elma istiyorum
"""


def lines(block: str) -> list[str]:
    """The wordings of a block."""
    return [line.strip() for line in block.splitlines() if line.strip()]
