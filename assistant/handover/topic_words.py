"""Words of the topics refunds, injuries and legal, as `text.normalised` gives them."""

from __future__ import annotations

import re
from typing import Final


def _any(*rules: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{rule})" for rule in rules))


_W = r"(?<!\w)"
_MY = (
    rf"{_W}(?:i|i'm|i've|im|ive|me|my|we|we've|our|us|he|she|his|her|husband|wife|son|daughter|"
    r"kids?|child|mother|father|mum|mom|dad|dog|family|baby)(?!\w)"
)

CASES: Final[dict[str, re.Pattern[str]]] = {
    "refunds": _any(
        # English
        rf"{_W}(?:want|need|demand|request|requesting|would like|'d like|claim|expect|require|get|"
        rf"have|give|issue|process|send|owe|asking for|deserve|due|where is|where's|when do i get|"
        rf"waiting for)(?: \w+){{0,5}}? (?:refund|refunds|refunded|money back|reimburs\w+|cash "
        rf"back|my money|our money)",
        rf"{_W}(?:refund|reimburse) (?:me|us|my|our|this|it|the|please|now)|{_W}(?:money|cash) "
        rf"back (?:please|now)|^(?:a )?(?:full |partial )?refund(?: please| now| me)*$",
        rf"{_W}(?:charged|billed) (?:me )?(?:twice|double|too much|wrong\w*|for something|two "
        rf"times)|{_W}(?:over|double)[- ]?charged|{_W}chargeback|{_W}dispute (?:the|this|a) "
        rf"charge|return my money|pay (?:me|us) back|my refund",
        # Chinese, Japanese, Korean
        r"(?:我要|要求|申请|申請|给我|給我|请|請|帮我|幫我|想要?|能不能|可以|必须|立即|马上|还没|"
        r"還沒).{0,6}(?:退款|退钱|退錢|退费|退費)|(?:退|还|還|赔)(?:我)?(?:的)?(?:钱|錢)|"
        r"退款(?:给我|吧|！|$)|多收了|重复扣款|扣了两次|把钱退",
        r"返金(?:して|を?お願い|を?希望|してほしい|してください|を求め|しろ)|お金を返して|"
        r"払い戻し(?:て|を?お願い|を?希望|を?求め|してください)|二重に?(?:請求|課金)",
        r"환불\s?(?:해\s?주|해\s?줘|받고\s?싶|요청|원해|원합|부탁|해\s?달)|돈\s?(?:을\s?)?돌려|"
        r"이중\s?(?:결제|청구)",
        # Spanish, Portuguese, Italian, French
        rf"{_W}(?:quiero|exijo|necesito|solicito|pido|deseo|me deben|quisiera|puedo pedir|denme|"
        rf"dame|deme)(?: \w+){{0,3}}? (?:reembolso|devolucion|dinero)|{_W}(?:devuelv\w+|"
        rf"devolver\w*|reembols(?:en|e|ar)\w*)(?: \w+){{0,2}}? (?:mi |el )?dinero|"
        rf"{_W}(?:reembolsenme|reembolseme|devuelvanme|devuelvame)|me (?:cobraron|han cobrado) "
        rf"(?:dos veces|de mas|doble)",
        rf"{_W}(?:quero|exijo|preciso|solicito|peco|gostaria)(?: \w+){{0,4}}? (?:reembolso|"
        rf"estorno|dinheiro|devolucao)|{_W}(?:devolv\w+|reembols(?:em|e|ar))(?: \w+){{0,2}}? "
        rf"(?:meu |o )?dinheiro|(?:cobraram|cobrad\w)(?: \w+){{0,2}} (?:duas vezes|a mais|em "
        rf"dobro)",
        rf"{_W}(?:voglio|vorrei|esigo|pretendo|chiedo|ho bisogno)(?: \w+){{0,4}}? (?:rimborso|"
        rf"rimborsat\w|soldi|denaro)|{_W}(?:rimborsatemi|rimborsami|ridatemi|restituitemi|"
        rf"ridammi)|(?:addebitat\w)(?: \w+){{0,3}} (?:due volte|doppio)",
        rf"{_W}(?:je (?:veux|voudrais|souhaite|demande|exige)|j'exige|j'aimerais)(?: "
        rf"[\w']+){{0,4}}? (?:rembours\w+|argent)|{_W}rembourse[zr]?[- ](?:moi|nous)|"
        rf"rendez[- ]moi mon argent|(?:debite|preleve|facture)\w*(?: \w+){{0,2}} (?:deux fois|"
        rf"double)",
        # German, Dutch, Swedish, Polish
        rf"{_W}(?:will|mochte|verlange|fordere|brauche|hatte gern\w*|wunsche)(?: \w+){{0,5}}? "
        rf"(?:geld|ruckerstattung|erstattung|erstattet|zuruckerstattet)|{_W}(?:geld|betrag)(?: "
        rf"\w+){{0,3}}? (?:zuruck|wieder)|erstatten sie|{_W}(?:doppelt|zweimal|zu viel) "
        rf"(?:abgebucht|berechnet|bezahlt)",
        rf"{_W}(?:wil|eis|verlang|wens|graag)(?: \w+){{0,5}}? (?:geld|terugbetaling|restitutie|"
        rf"terugbetaald)|geld terug|betaal (?:me|mij|het) terug|dubbel (?:afgeschreven|betaald|in "
        rf"rekening)",
        rf"{_W}(?:vill|kraver|begar|onskar)(?: \w+){{0,5}}? (?:pengar\w*|aterbetalning\w*|"
        rf"aterbetald)|pengarna tillbaka|aterbetala|(?:debiterad|dragit) (?:dubbelt|tva ganger)",
        rf"{_W}(?:chce|zadam|prosze|domagam|wnosze|potrzebuje)(?: \w+){{0,4}}? (?:zwrot\w*|"
        rf"pieniedz\w*|pieniadze)|oddajcie (?:mi )?pieniadze|zwroccie|(?:pobrano|naliczono) "
        rf"(?:dwa razy|podwojnie)",
        # Russian, Arabic, Turkish
        rf"{_W}(?:верните|вернуть|возвратите|требую|хочу|прошу|оформите|нужен)(?: \w+){{0,4}}? "
        rf"(?:деньги|денег|возврат\w*|средств\w*)|{_W}(?:списали|сняли) (?:дважды|два раза|"
        rf"лишн\w+)",
        r"(?:اريد|اطلب|ابغي|ابي|عايز|بدي|اطالب|ارجعوا|رجعوا|اعيدوا|رجع|استرد)(?: \w+){0,4}? "
        r"(?:استرداد|فلوسي|اموالي|نقودي|المال|استرجاع|الفلوس)|استرداد (?:اموالي|نقودي|المبلغ)|"
        r"رجعوا لي|خصمتم مرتين",
        r"(?:paramı|parami|param|ucretimi|iade)(?: \w+){0,3}? (?:geri|istiyorum|verin|edin|talep|"
        r"iade)|iki kez (?:cekildi|odeme)",
    ),
    "injuries": _any(
        rf"{_MY}.{{0,50}}{_W}(?:sick|ill|poisoned|unwell|nauseous|hospital|hospitalised|"
        rf"hospitalized|emergency room|injured|injury|hurt|bleeding|burned|burnt|choked|choking|"
        rf"vomit\w*|threw up|throwing up|diarrh\w+|rash|hives|allergic (?:reaction|shock)|"
        rf"anaphyla\w+|stomach (?:ache|cramps|pain)|swollen|electrocuted)(?!\w)",
        rf"{_W}(?:sick|ill|poisoned|hurt|injured|burned|burnt) (?:from|by|after|because of|on) "
        rf"(?:your|this|the|eating|these)|{_W}food poisoning|{_W}made (?:me|us|my \w+) (?:sick|"
        rf"ill|vomit|throw up)|{_W}(?:cut|burn|burnt|burned|hurt|injured|broke|broken|scalded|"
        rf"pricked) (?:myself|me|himself|herself|(?:my|his|her|our) (?:\w+ )?(?:finger|fingers|"
        rf"hand|hands|thumb|arm|lip|lips|tongue|foot|leg|mouth|gum|gums|face|eye|eyes|throat|skin|"
        rf"tooth|teeth))|{_W}(?:broke|broken|chipped|cracked) (?:a|my|his|her) (?:tooth|teeth)|"
        rf"(?:glass|metal|plastic|needle|razor|nail) in (?:my|the|our) (?:food|salad|bread|juice|"
        rf"mouth|milk)|{_W}allergic reaction (?:to|after|from)",
        r"(?:我|孩子|老公|老婆|家人|宝宝|女儿|儿子|妈|爸).{0,14}(?:食物中毒|中毒|拉肚子|腹泻|呕吐|"
        r"吐了|过敏|過敏|受伤|受傷|划伤|烫伤|住院|进医院|生病|不舒服|肚子疼|肚子痛|噎)|食物中毒了|"
        r"吃(?:了|完|坏).{0,12}(?:拉肚子|中毒|吐|生病|过敏|住院|肚子疼|不舒服|肚子)",
        r"食中毒(?:になり|になった|に)|(?:食べて|飲んで|使って).{0,10}(?:吐|お腹|腹痛|下痢|"
        r"具合が悪|気分が悪|アレルギー|病院|体調)|(?:怪我|けが|火傷|やけど)(?:を?し(?:た|まし)|"
        r"した)",
        r"식중독(?:에)?\s?(?:걸렸|걸린|인)|(?:먹고|마시고|쓰다가).{0,12}(?:아파|아팠|토|설사|병원|"
        r"배탈|알레르기|다쳤)|다쳤(?:어|습)|화상\s?(?:을)?\s?입",
        rf"{_W}(?:me (?:enferme|intoxique|corte|queme|lastime|hice dano|sento mal|ha sentado mal|"
        rf"puse (?:malo|mala|enferm\w))|intoxicacion(?: alimentaria)?|me duele\w*|(?:mi \w+|hijo|"
        rf"hija|nino) (?:\w+ )?(?:enferm\w+|vomit\w+|intoxic\w+|hospital)|vomit(?:e|ando)|"
        rf"reaccion alergica|acabe en (?:el )?hospital)",
        rf"{_W}(?:fiquei (?:doente|mal)|passei mal|intoxicacao alimentar|me (?:cortei|queimei|"
        rf"machuquei|feri)|vomitei|reacao alergica|fui parar no hospital)|{_W}(?:mi sono "
        rf"(?:ammalat\w|fatt\w male|tagliat\w|bruciat\w|ferit\w|sentit\w male)|sono stat\w male|"
        rf"intossicazione|ho vomitato|reazione allergica|pronto soccorso)",
        rf"{_W}(?:je (?:suis|me suis) (?:\w+ )?(?:malade|blesse\w*|coupe\w*|brule\w*|"
        rf"intoxique\w*)|j'ai (?:vomi|ete malade|eu une (?:intoxication|reaction|allergie))|"
        rf"(?:m'a|nous a|l'a) rendu\w* malade|intoxication alimentaire|reaction allergique|aux "
        rf"urgences|hopital)",
        rf"{_W}(?:bin|wurde|ist|sind|war)(?: \w+){{0,6}}? (?:krank|ubel|schlecht geworden|"
        rf"verletzt|im krankenhaus)|{_W}(?:lebensmittelvergiftung|erbrochen|allergische reaktion|"
        rf"allergischen schock)|{_W}habe? (?:mich|mir)(?: \w+){{0,5}}? (?:verletzt|geschnitten|"
        rf"verbrannt|verbruht|vergiftet|zahn)|mir (?:ist|wurde) (?:\w+ )?(?:schlecht|ubel)",
        rf"{_W}(?:ben|werd|is|zijn)(?: \w+){{0,5}}? (?:ziek|misselijk|gewond)|voedselvergiftiging|"
        rf"overgegeven|allergische reactie|(?:gesneden|verbrand|verwond)|{_W}(?:blev|har blivit|"
        rf"ar)(?: \w+){{0,4}}? (?:sjuk|magsjuk|skadad|forgiftad)|matforgift\w+|allergisk reaktion|"
        rf"krakts|skar mig|brande mig",
        rf"{_W}(?:zatrul\w+|zachorowal\w+|zatrucie|wymiotowal\w+|skaleczyl\w+|oparzyl\w+|"
        rf"reakcj\w+ alergiczn\w+|szpital\w*)|{_W}(?:отравил\w+|отравлени\w+|заболел\w+|тошнит|"
        rf"рвало|порезал\w+|обжег\w+|обожг\w+|травм\w+|аллергическ\w+ реакци\w+|стало плохо|"
        rf"больниц\w+)",
        r"(?:تسمم\w*|مرضت|مريض|اصبت|جرحت|جرح|تقيات|حساسيه شديده|احترقت|المستشفي|اسهال)|"
        r"(?:zehirlen\w+|hastalan\w+|hastanelik|kustum|kustu|yaralan\w+|alerjik reaksiyon|elimi "
        r"kestim|yandim)",
    ),
    "legal": _any(
        rf"{_W}(?:my|our|a|the) (?:lawyers?|attorneys?|solicitors?|legal (?:team|counsel|advis\w+|"
        rf"representative))(?!\w)|{_W}(?:sue|suing) (?:you|your|the|this|them)|{_W}(?:take|taking|"
        rf"see|bring) (?:you|your \w+|this|it) (?:to|in) court|{_W}legal (?:action|claim|"
        rf"proceedings|steps|complaint|notice against|threat)|{_W}lawsuit|{_W}(?:small claims|"
        rf"class action)|press charges|{_W}(?:file|filing|filed|make|lodge) (?:a |an )?(?:\w+ "
        rf")?(?:claim|lawsuit|police report|complaint with the (?:police|authorit\w+|consumer))|"
        rf"{_W}(?:consumer (?:protection|rights|ombudsman)|trading standards|ombudsman|better "
        rf"business bureau|data protection (?:authority|officer)|gdpr (?:request|complaint|"
        rf"claim))|see you in court|{_W}(?:damages|compensation) (?:claim|for (?:my|the|our|"
        rf"what))|{_W}(?:want|demand|claim|seek\w*|entitled to) (?:\w+ )?(?:compensation|damages)|"
        rf"liable for",
        r"律师|律師|起诉|起訴|法院|告你们|告你們|法律(?:责任|責任|途径|手段|行动)|消协|消費者協會|"
        r"消费者协会|12315|报警|報警|索赔|賠償|赔偿|诉讼|訴訟|打官司|仲裁",
        r"弁護士|訴え(?:る|ます|て)|訴訟|裁判|法的(?:措置|手段)|損害賠償|消費者センター|"
        r"消費生活センター|警察に(?:通報|行|相談)|변호사|고소|소송|법적\s?(?:조치|대응)|"
        r"손해\s?배상|소비자원|경찰에",
        rf"{_W}(?:abogad[oa]s?|demandar(?:los|les|te)?|los demando|demanda judicial|acciones? "
        rf"legal\w*|tribunal\w*|juzgado|denuncia\w*|indemnizacion|oficina del consumidor|"
        rf"reclamacion judicial|advogad[oa]s?|processar (?:voces|a empresa)|vou processar|acao "
        rf"judicial|medidas legais|procon|indenizacao|avvocat[oi]|fare causa|vi denuncio|"
        rf"denunci\w+|azione legale|vie legali|risarcimento|tribunale)(?!\w)",
        rf"{_W}(?:mon avocat\w*|notre avocat\w*|avocats?|porter plainte|porte plainte|tribunal|"
        rf"poursuivre en justice|poursuites|action en justice|en justice|dommages et interets|"
        rf"dommages-interets|dgccrf|mise en demeure)(?!\w)|{_W}(?:mein\w* anwalt|anwalt\w*|"
        rf"rechtsanwalt\w*|verklag\w*|vor gericht|gerichtlich\w*|rechtliche schritte|klage (?:ein|"
        rf"er)\w*|schadensersatz\w*|schadenersatz\w*|schmerzensgeld|verbraucherzentrale|"
        rf"verbraucherschutz|anzeige (?:erstatten|erstatte)|strafanzeige)",
        rf"{_W}(?:mijn advocaat|advocat?\w*|aanklagen|klaag jullie aan|naar de rechter|juridische "
        rf"stappen|rechtszaak|schadevergoeding|consumentenbond|aangifte|advokat\w*|stamma|stammer "
        rf"er|stamning|rattsliga atgarder|domstol|skadestand\w*|konsumentverket|polisanmal\w*|"
        rf"prawnik\w*|adwokat\w*|pozw\w+|sadu|do sadu|kroki prawne|odszkodowani\w*|uokik|"
        rf"rzecznik\w* (?:praw )?konsument\w*)(?!\w)",
        rf"{_W}(?:юрист\w*|адвокат\w*|в суд|через суд|подам в|иск\w*|судебн\w+|роспотребнадзор\w*|"
        rf"прокуратур\w*|компенсаци\w+|возмещени\w+ (?:ущерба|вреда)|полици\w+|досудебн\w+)(?!\w)|"
        rf"(?:محامي|محاميي|المحامي|المحكمه|محكمه|سارفع دعوي|دعوي|مقاضاه|ساقاضيكم|اقاضيكم|اجراءات "
        rf"قانونيه|اجراء قانوني|تعويض|حمايه المستهلك|الشرطه)|(?:avukat\w*|dava|mahkeme\w*|yasal "
        rf"yol\w*|hukuki|tuketici hakem\w*|tuketici hakki|tazminat\w*|savcilig\w*|sikayet "
        rf"edecegim)",
    ),
}
"""What somebody writes who has such a case."""

MENTIONS: Final[dict[str, re.Pattern[str]]] = {
    "refunds": _any(
        rf"{_W}(?:refund\w*|money[- ]back|reimburs\w+|reembols\w+|devolucion\w*|estorno|"
        rf"rimbors\w+|rembours\w+|ruckerstattung\w*|erstatt\w+|terugbetal\w+|restitutie|"
        rf"aterbetal\w+|zwrot\w* pieniedzy|возврат\w*|iade\w*|para iadesi)(?!\w)",
        r"退款|退钱|退錢|退费|退費|返金|払い戻し|환불|استرداد|استرجاع",
    ),
    "injuries": _any(
        rf"{_W}(?:injur\w+|food poisoning|sick|hurt|allergic reaction\w*|hospital\w*|lesion\w*|"
        rf"intoxica\w+|ferit\w+|infortun\w+|blessur\w+|verletz\w+|vergift\w+|gewond|"
        rf"voedselvergiftiging|skad\w+|matforgiftning|obrazeni\w+|zatruci\w+|травм\w+|отравлен\w+|"
        rf"yaralan\w+|zehirlen\w+)(?!\w)",
        r"受伤|受傷|中毒|过敏反应|怪我|食中毒|부상|식중독|اصاب\w+|تسمم",
    ),
    "legal": _any(
        rf"{_W}(?:legal|lawyers?|lawsuits?|court|liabilit\w+|attorneys?|abogad\w+|legales|"
        rf"advogad\w+|avvocat\w+|legali|avocats?|juridique\w*|anwalt\w*|rechtlich\w*|klage|"
        rf"advocaat|juridisch\w*|advokat\w*|prawnik\w*|prawn\w+|юрист\w*|юридическ\w+|суд|"
        rf"avukat\w*|hukuki)(?!\w)",
        r"律师|律師|法律|诉讼|訴訟|弁護士|法的|변호사|법적|محام\w*|قانون\w*",
    ),
}
"""What also a mere question has."""

_ASKS = (
    rf"{_W}(?:policy|policies|how (?:do|does|long|many|much|can)|what (?:is|are|happens|if)|"
    rf"what's|do you (?:offer|give|do|have|accept|sell)|are (?:refunds|there)|is (?:there|it)|"
    rf"when (?:are|do|does|is) (?:refunds|the refund|you)|which|would i|could (?:this|it|that|"
    rf"eating)|can (?:this|it|that|you|eating|they|one|people)|does|will (?:this|it|eating)|"
    rf"politica|politique|richtlinie\w*|bedingungen|voorwaarden|villkor|polityka|regulamin|"
    rf"политик\w+|условия|سياسه|politika\w*|how to avoid|prevent)(?!\w)"
    r"|政策|规定|規定|怎么退|怎麼退|多久|ポリシー|規約|方針|정책|규정|会不会|会(?:引起|导致)"
)
POLICY: Final[dict[str, re.Pattern[str]]] = {
    "refunds": re.compile(
        rf"{_ASKS}|{_W}can i (?:get|have|ask for|claim|request)(?: \w+){{0,4}}? (?:if|when|within|"
        rf"after|without)(?!\w)|{_W}(?:if|in case) (?:i|the|my|it|something)(?!\w)"
    ),
    "injuries": re.compile(
        rf"{_ASKS}|{_W}(?:help|helps|good|remedy|tea|recipe)(?: \w+)? (?:for|against|with|"
        rf"when)(?!\w)|{_W}(?:would|could|might|may|can) (?:\w+ )?(?:make|cause|get)(?!\w)|"
        rf"{_W}(?:if|when) (?:i|you|my|somebody|someone)(?!\w)"
    ),
    "legal": re.compile(
        rf"{_W}(?:is it legal|legal (?:to|age|notice page|terms|name)|legally (?:required|allowed|"
        rf"sold)|tennis court|food court|court (?:street|road))(?!\w)|compensation policy"
    ),
}
"""What makes a sentence a question about the topic and no case of it."""
