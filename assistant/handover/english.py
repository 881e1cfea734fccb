"""English words of `wording`."""

from __future__ import annotations

from typing import Final

from assistant.handover.wording import Wording

_ROLES = (
    r"persons?|humans?|human beings?|(?:cs |sales |service |support |customer )*agents?|"
    r"(?:[\w-]+ )?reps?|representatives?|operators?|managers?|supervisors?|boss|"
    r"advis[eo]rs?|associates?|employees?|staff|staff members?|member of (?:the |your )?(?:staff|"
    r"team)|"
    r"team members?|specialists?|technicians?|consultants?|human support|"
    r"customer (?:service|services|support|care|relations|success)|tech(?:nical)? support|"
    r"(?:the |your )?(?:support|service|sales|help) (?:team|desk|staff|department|people|line)|"
    r"helpdesk|front desk|service desk|call cent(?:er|re)|shopkeeper|store ?keeper|"
    r"shop (?:assistant|owner)|(?:the |your )owner|someone in charge|"
    r"flesh and blood|superiors?|higher[- ]ups?|receptionist|colleagues?|coworkers?|"
    r"team ?leaders?|shift leader|head office|management|complaints? (?:team|department|dept)|"
    r"people who work (?:there|here)|whoever is in charge|cust(?:omer)? serv(?:ice)?|csr"
)
_ANYONE = (
    r"someone|somebody|anyone|anybody|some one|people|peeps|a guy|a lady|a man|a woman|a dude|"
    r"a living soul|an actual soul|your team|the team|support|"
    r"the person|whoever|one of you|one of your|an adult|a grown[- ]?up|an expert|a pro"
)
_NOUN = rf"(?<!my )(?:{_ROLES}|{_ANYONE})"
_KIND = (
    r"(?:(?:real|live|actual|human|proper|genuine|living|breathing|physical|true|qualified|"
    r"competent|flesh[- ]and[- ]blood|non[- ]?bot|non[- ]?robot|honest[- ]to[- ]god) )"
)
_ME = (
    r"(?:me|us|this|it|that|my [\w ]{2,25}?|our [\w ]{2,25}?|"
    r"the (?:call|chat|conversation|case|issue|matter|ticket|problem|request|line))"
)

ENGLISH: Final = Wording(
    person=_NOUN,
    talk=(
        r"(?:talk|talking|speak|speaking|chat|chatting|converse|communicate|correspond|deal|"
        r"have a (?:word|chat|talk|conversation)|get a hold|get hold|hear|in contact|in touch|"
        r"on the (?:phone|line)|connected|transferred|transfered|put through|passed on|"
        r"patched through|escalated|forwarded|discuss(?: \w+){0,3}|message|text|dm|email|contact|"
        r"reach|reach out|phone|ring|call|get through|hook up|touch base|interact|type|write|"
        r"complain|explain(?: \w+){0,3}|turn) ?(?:directly |now |again |live |back |up |of |from )?"
        r"(?:to|with|of|from)?"
    ),
    want=(
        r"(?:i|we|i'd|we'd|i would|we would|i'll|i will|i'm|i am|im|id)(?: \w+){0,3}? "
        r"(?:want|wanna|need|require|demand|prefer|like|love|wish|asking for|ask for|"
        r"asked for|request|requesting|insist on|waiting for|looking for|rather have|rather|"
        r"rather deal with|have to have|gotta have|gimme|would appreciate|appreciate|expect)"
        r"(?: for| to have| to see| to get| to reach| to find| to contact| to ask| some)?|"
        r"^(?:just |please |pls |plz |ok |okay |ugh |no |so |and |then |well )*"
        r"(?:want|need|wanna have|gimme|give me|get me|get us|get|bring|find|bring in|bring on|"
        r"fetch|"
        r"find me|call|summon|request|requesting|looking for|would like|need to see|must have)|"
        r"(?:get|give|bring|fetch|find|send|assign|offer|grab|provide|lend|loan|pass)(?: \w+)? "
        r"(?:me|us)(?: \w+)?|gimme|"
        r"(?:can|could|may|might|will|would|do|shall) (?:i|we) (?:please |just |maybe |possibly )*"
        r"(?:have|get|see|request|ask for|reach|be given|find|be helped by|be served by|"
        r"get help from|get some help from|get an answer from)|"
        r"(?:can|could|will|would) you (?:please |just |maybe )*(?:get|find|fetch|bring|call in|"
        r"involve|loop in|ask|summon|page|notify|alert|grab|have|let)|"
        r"(?:please|pls|plz) (?:get|find|fetch|bring|call in|involve|loop in|ask|summon|page|"
        r"notify|alert|have|send|let|assign)|loop in|bring in"
    ),
    strong=(
        rf"{_KIND}+(?:{_ROLES}|support|help|assistance|assistant|chat|cashier|reply|response|"
        rf"someone|somebody|guy|man|woman|folks?)|live (?:chat|support|help|agents?)|"
        rf"human (?:touch|contact|interaction|intervention|takeover|attention|eyes|please|now)|"
        rf"someone (?:real|human|alive|else|with a pulse|from (?:the|your|customer) [\w ]{{3,20}}|"
        rf"higher up|senior|in (?:charge|person|authority|your (?:team|company|store|shop)))|"
        rf"somebody (?:real|human|alive|else|higher up|senior|in (?:charge|authority))|"
        rf"(?:real|actual|living) (?:people|human beings?)|who can i (?:talk|speak|turn|complain|"
        rf"write|chat|address|contact|call|reach)(?: to| with)?|who do i (?:talk|speak|turn|"
        rf"complain|contact|call)(?: to| with)?|who should i (?:talk|speak|contact|call)(?: to| "
        rf"with)?"
    ),
    call=(
        rf"(?:put|patch|pass|hand|switch|transfer|connect|route|forward|refer|redirect|escalate|"
        rf"direct|bump|kick|push) {_ME} (?:through|over|up|on|across|upstairs)|"
        rf"(?:transfer|connect|patch|redirect|reroute) (?:me|us)|"
        rf"escalate(?: this| it| that| my| our| the| now| please| to)?|"
        rf"escalation|"
        rf"(?:put|pass|hand|send|move|take|route|switch|transfer|connect|forward|refer|direct|"
        rf"redirect|turn|give|submit|raise|bring|point|get|link|hook|steer) {_ME} "
        rf"(?:\w+ ){{0,2}}?(?:to|with|in touch with|through to|in contact with|on to|onto|toward|"
        rf"towards|before) "
        rf"(?:(?:a|an|the|your|some|one of your|any|another) )?(?:[\w-]+ ){{0,2}}?(?:{_NOUN})|"
        rf"call ?back|callback|"
        rf"(?:can|could|would|will|please|pls|plz|just|must|should|to|have \w+|let \w+|someone|"
        rf"somebody|anyone|you|and|manager|agent) (?:please |kindly |just )?(?:call|phone|ring|"
        rf"telephone|contact) (?:me|us)|"
        rf"(?:call|phone|ring|telephone|contact|reach) (?:me|us) (?:back|please|pls|now|at|on|when|"
        rf"tomorrow|today|asap|later|in|after|before|as soon|this|immediately|about|regarding|"
        rf"tonight|by|over|here|if)|^(?:call|phone|ring|telephone|contact) (?:me|us)$|"
        rf"(?:give|drop) (?:me|us) (?:a |an )?(?:quick )?(?:call|ring|phone call|bell|buzz|shout)|"
        rf"(?:get|getting|reach|reaching) (?:back|out) to me|get in touch with me|"
        rf"(?:be|get|someone) (?:called|phoned|contacted) (?:back|by)|"
        rf"take over (?:from|for) (?:the |this )?(?:bot|robot|machine|ai|computer)|"
        rf"on the phone with (?:you|someone)|let me out of (?:here|this bot)"
    ),
    bots=(
        r"(?:chat ?)?bots?|robots?|ai|a\.i|automated|automation|artificial intelligence|"
        r"algorithms?|"
        r"virtual (?:assistant|agent)|chat ?gpt|siri|ivr|auto ?(?:reply|replies|responses?)|"
        r"canned (?:reply|replies|answers?|responses?)"
    ),
    machines=r"machines?|computers?|program(?:me)?|software|scripts?|recordings?|app|screen",
    fed_up=(
        r"(?:don't|dont|do not|won't|wont|will not|refuse to|not going to|hate to|can't stand|hate|"
        r"no longer want|never want|not willing|not interested in|no interest in|no desire) "
        r"(?:\w+ ){0,3}?(?:talk|talking|speak|speaking|chat|chatting|deal|dealing|communicate|"
        r"interact|type|typing|write|discuss|argue|arguing|helped|waste|answers?|answered)|"
        r"(?:don't|dont|do not) want|stop|enough|(?:sick|tired|fed up|done|through|finished|had it|"
        r"over|bored|annoyed)(?: and tired)?(?: of|with| talking| speaking| chatting| dealing)|"
        r"no more|anything but|get rid of|bypass|skip"
    ),
    not_a=(
        r"(?:instead of|rather than|other than|not|no|without|and not|besides|not to|not with)"
        r"(?: talking| speaking| chatting| dealing)?(?: to| with)?(?: a| an| the| this| some| "
        r"your| any)?"
        r"(?: stupid| dumb| silly| damn| useless| bloody)?"
    ),
    cue=(
        r"i|i'd|i'm|i'll|i've|id|im|me|my|we|us|our|we'd|please|pls|plz|let|let's|lemme|wanna|"
        r"gotta|"
        r"possible|way|chance|option|how|where|anyone|number|asap|now|immediately|urgent|urgently|"
        r"you|your|need|want|can|could|somehow"
    ),
    refusal=(
        r"(?:don't|dont|do not|didn't|did not|doesn't|does not|wouldn't|would not|never|"
        r"no longer|not|needn't|need not|won't|will not)(?: (?:really|actually|even|necessarily|"
        r"yet|currently|think i|think we|believe i|have to|to))*"
        r" (?:need|want|wanted|wish|like|care|intend|mean|ask|asking|asked|necessary|needed|"
        r"require|"
        r"required|have to|talk|speak|call|contact|be transferred|transfer|connect|put|escalate|"
        r"bother|looking|"
        r"rather|prefer|interested|trying)|"
        r"no need|without|unnecessary|rather not|before (?:i|we) (?:call|talk|speak)|"
        r"(?:do|did|would|should|must|will) (?:i|we) (?:(?:really |even )?(?:need|require)|have "
        r"to (?!do))|"
        r"(?:nobody|no one) (?:needs?|has|should|must|will|wants?)|"
        r"(?:already|yesterday|just) (?:spoke|talked|called|contacted|asked)|"
        r"(?:people|customers|everyone|everybody|others|kids|children|they) (?:\w+ )?(?:wants?|"
        r"needs?|talks?|speaks?|calls?|like|love)"
    ),
    breaks=r"but|however|instead|otherwise|because|so|then|until|unless",
    bare=rf"{_ROLES}|someone|somebody",
    fillers=(
        r"please|pls|plz|now|right now|asap|immediately|hello|hi|hey|ok|okay|a|an|the|your|any|"
        r"some|real|live|actual|human|just|only|want|need|for|to|thanks|thank you|no|nope|yes|get|"
        r"me|i|urgent|urgently|today|here|sir|quick|quickly|fast|this|minute|instant|again|more|"
        r"senior|another|different|other|proper|talk|speak|chat|with|contact|call|store|shop|the|"
        r"department|dept|number|duty|assistance|help|would be (?:nice|great|better|good|helpful)"
    ),
    never=(
        r"(?:in|on|(?<!look )at|of|from) (?:the|this|that|my|these|a) "
        r"(?:photos?|pictures?|images?|pics?|"
        r"background|foreground|drawing|painting|poster|label|scene|video|screenshot|left|right|"
        r"bench|street|cover|packaging|logo|box)|"
        r"(?:are|r) (?:you|u) (?:a |an |really |actually |even )*(?:\w+ )?(?:human|person|bot|"
        r"robot|machine|agent|ai|man|woman|real)|"
        r"am i (?:talking|speaking|chatting|writing) (?:to|with)|is this (?:a |an )(?:\w+ "
        r")?(?:human|person|bot|agent|robot)|"
        r"human (?:consumption|body|health|skin|food|foods|hair|hands?|rights|face|error|race|"
        r"faces|"
        r"bodies|resources|made|shape|shaped|figures?|use)|"
        r"(?:cleaning|cleansing|raising|thickening|leavening|bleaching|caking|anti[- ]caking|"
        r"coating|glazing|firming|gelling|real estate|estate|travel|secret|insurance|drying|"
        r"foaming|"
        r"preserving|colouring|coloring|setting|active|bulking|double agent|flavou?ring|ripening) "
        r"agents?|"
        r"(?:is|are) (?:there|that|it|this|these|those) (?:a |an |any |some |the )?(?:man|woman|"
        r"person|people|human|humans|"
        r"someone|somebody|anyone|anybody)?(?: \w+)?(?: \w+)? (?:in|on|at|behind|sitting|standing|"
        r"walking|wearing|holding|eating|visible)(?! (?:duty|charge|the (?:line|phone)|your|"
        r"customer))|"
        r"(?:how many|what is the|what's the|what are the|who is the|who's the|which|what do|what "
        r"does|what did|how old|how tall) (?:\w+ )?"
        r"(?:person|people|man|woman|men|women|agents?|managers?|operators?|humans?|staff|"
        r"employees?|guy|lady|supervisors?|representatives?)|"
        r"(?:opening|office|business|working) (?:hours|times)|per person|for (?:\d+|two|three|"
        r"four|five|six|ten|many|how many) (?:people|persons)|"
        r"personal|person's|manager's special|call it|do you call|is called|are called|it called|"
        r"(?:each|every|one|same|first|third|which|what) (?:person|human)|"
        r"(?:someone|somebody|anyone|people|person|friend|guest|kid|child|toddler)(?: \w+){0,2} "
        r"(?:allerg\w+|diabet\w+|vegan|vegetarian|pregnant|birthday|lactose|gluten)"
    ),
    also=(
        # Is there somebody …
        rf"(?:is|are|isn't|aren't|is there|are there|isn't there|aren't there|got|have you got|"
        rf"don't you have|do you have|do you employ)"
        rf" (?:not )?(?:a |an |any |some |the |your |no )?(?:[\w-]+ )?(?:{_NOUN})(?:[\w ]{{0,25}}?)"
        rf" (?:i|we|available|around|there|here|to talk|to speak|who|that|on duty|in charge|on "
        rf"shift|"
        rf"online|free|nearby|i could|working|awake|at all|answering|reading|listening|to help|"
        rf"with whom|to whom|over there)(?!\w)",
        rf"(?:do you have|have you got|don't you have|are there|is there|isn't there|aren't "
        rf"there) (?:a |an |any |no |some )?"
        rf"(?:{_KIND})*(?:humans?|agents?|representatives?|operators?|managers?|supervisors?|"
        rf"reps?|human support|phone support|telephone support|helpline|hotline|customer service|"
        rf"live [\w]+)$",
        rf"(?:any|no) (?:{_KIND})*(?:humans?|people|agents?|operators?|reps?|staff|managers?|one|"
        rf"body|person)"
        rf" (?:available|around|there|here|on duty|online|working|free|i can|to talk)",
        # Can a person …
        rf"(?:can|could|will|would|may|should|must|have|let|get|please have|want|need|like|wish|"
        rf"ask|tell|make)"
        rf" (?:a |an |the |one of |your |some |another |any )*(?:[\w-]+ )?(?:{_ROLES}|"
        rf"{_ANYONE})(?: from [\w ]{{2,25}}?| in charge)?"
        rf" (?:please |to |just |actually |kindly |maybe |personally )*(?:call|contact|phone|ring|"
        rf"get back|reach out|take over|step in|"
        rf"talk|speak|reply|respond|answer|come|join|write|get in touch|email|handle|deal with|"
        rf"(?:have a |take a )?look (?:at|into)|intervene|assist|message|attend|follow up|"
        rf"pick up|serve)(?!\w)",
        rf"(?:can|could|will|would|have|let|get|want|need|like) (?:a |an |the |one of |your |some "
        rf"|another )*"
        rf"(?:{_KIND})*(?:{_ROLES}) (?:please |to |just |actually |kindly )*(?:help|assist|check|"
        rf"sort|fix|do|see|tell|explain|review|decide|give)(?!\w)",
        r"(?:someone|somebody|anyone|anybody|person|people|human|individual|one) (?:who|that|"
        r"with|which) (?:\w+ )?"
        r"(?:can|could|will|knows?|understands?|speaks?|is|has|isn't|is not|actually|authority|a "
        r"brain|breathes?|listens?|thinks?)"
        r"(?: \w+){0,4}? ?(?:help|understand|me|competent|answer|decide|know|knows|charge|fix|"
        r"solve|human|real|bot|robot|authority|things?|this|brain|breathes?|listens?|thinks?|"
        r"english|spanish|chinese|german|french)",
        rf"(?:let|allow|help|want|like|need|love|possible|way|able|chance|prefer|rather|happy|"
        rf"ready|trying|how|where|wish|demand|time|going|possibility|option) (?:me |us |for me |"
        rf"do i |can i |i |we )?(?:to |of )?(?:\w+ )?(?:talk|speak|chat|discuss (?:this|it)) "
        rf"(?:to|with) (?:a |an |the |your |some |one |any )*(?:[\w-]+ )?(?:{_NOUN})",
        r"(?:want|need|like|wanna|let me|can i|could i|may i)(?: \w+)? (?:talk|speak) (?:to|with) "
        r"(?:them|him|her|you guys|y'all)(?!\w)",
        r"^(?:please |pls |just |ok |now )*(?:transfer|escalate|connect)(?: please| me| now| it| "
        r"pls)*$",
        rf"put (?:a |an |the |your |some |another )*(?:[\w-]+ )?(?:{_NOUN}) (?:on|through)(?!\w)",
        r"(?:talk|speak|connected|transferred) (?:to|with) (?:the|your) (?:store|shop)(?!\w)",
        r"^(?:agent|human|representative|operator|rep|person|manager|supervisor)(?:[ ,]+(?:agent|"
        r"human|representative|operator|rep|person|manager|supervisor|please|now))*$",
    ),
)
