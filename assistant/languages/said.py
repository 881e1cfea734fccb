"""What the agent itself says, beside what a model writes: en, zh, es, de and fr.

`assistant.languages.say` gives one; a test holds that each key has every language with the same
fields.
"""

from __future__ import annotations

from typing import Final

LANGUAGES: Final = ("en", "zh", "es", "de", "fr")

SAID: Final[dict[str, tuple[str, str, str, str, str]]] = {
    "welcome": (
        "Hello! Ask me about a product, or send me a photo of it.",
        "您好！您可以向我询问商品，也可以发一张商品照片给我。",
        "¡Hola! Pregúnteme por un producto o envíeme una foto.",
        "Guten Tag! Fragen Sie mich nach einem Produkt, oder schicken Sie mir ein Foto davon.",
        "Bonjour ! Posez-moi une question sur un produit, ou envoyez-moi une photo.",
    ),
    "unknown": (
        "I don’t know the answer to that. Would you like me to pass your question to a person?",
        "这个问题我不知道答案。需要我把您的问题转给人工客服吗？",
        "No sé la respuesta a eso. ¿Quiere que le pase su pregunta a una persona?",
        "Das weiß ich leider nicht. Soll ich Ihre Frage an einen Menschen weitergeben?",
        "Je ne connais pas la réponse. Voulez-vous que je transmette votre question à "
        "une personne ?",
    ),
    "no_knowledge": (
        "I have no information about this shop yet, so I can’t answer that. Would you like me to "
        "pass your question to a person?",
        "我这里还没有这家店的资料，所以无法回答。需要我把您的问题转给人工客服吗？",
        "Todavía no tengo información sobre esta tienda y no puedo responder. ¿Quiere que le pase "
        "su pregunta a una persona?",
        "Ich habe noch keine Unterlagen zu diesem Geschäft und kann das nicht beantworten. Soll "
        "ich Ihre Frage an einen Menschen weitergeben?",
        "Je n’ai encore aucune information sur ce magasin et ne peux pas répondre. Voulez-vous que "
        "je transmette votre question à une personne ?",
    ),
    "handed_over": (
        "I’ve passed this conversation to a person; your ticket number is {ticket}. The answer "
        "will appear here.",
        "我已把这段对话转给人工客服，您的工单号是 {ticket}。回复会显示在这里。",
        "He pasado esta conversación a una persona; su número de caso es {ticket}. La respuesta "
        "aparecerá aquí.",
        "Ich habe dieses Gespräch an einen Menschen weitergegeben; Ihre Vorgangsnummer ist "
        "{ticket}. Die Antwort erscheint hier.",
        "J’ai transmis cette conversation à une personne ; votre numéro de dossier est {ticket}. "
        "La réponse s’affichera ici.",
    ),
    "still_open": (
        "I’ve added this to ticket {ticket}. A person will answer you here.",
        "我已把这条消息加到工单 {ticket}，人工客服会在这里回复您。",
        "He añadido su mensaje al caso {ticket}. Una persona le responderá aquí.",
        "Ich habe Ihre Nachricht zum Vorgang {ticket} hinzugefügt. Ein Mensch wird Ihnen hier "
        "antworten.",
        "J’ai ajouté votre message au dossier {ticket}. Une personne vous répondra ici.",
    ),
    "not_handed_over": (
        "I couldn’t reach a person just now, and nothing was passed on. Please try again in a "
        "moment.",
        "现在无法联系人工客服，消息还没有转出。请稍后再试。",
        "Ahora no he podido avisar a una persona y no se ha enviado nada. Inténtelo de nuevo en un "
        "momento.",
        "Ich konnte gerade niemanden erreichen, und es wurde nichts weitergegeben. Bitte versuchen "
        "Sie es gleich noch einmal.",
        "Je n’ai pas pu joindre quelqu’un et rien n’a été transmis. Veuillez réessayer dans un "
        "instant.",
    ),
    "english_only": (
        "I only understand English. Please ask me in English, or I can pass your question to a "
        "person.",
        "抱歉，我只懂英文。您可以用英文提问，或者由我把您的问题转给人工客服。",
        "Lo siento, solo entiendo inglés. Puede preguntarme en inglés, o puedo pasar su pregunta a "
        "una persona.",
        "Leider verstehe ich nur Englisch. Fragen Sie mich bitte auf Englisch, oder ich gebe Ihre "
        "Frage an einen Menschen weiter.",
        "Désolé, je ne comprends que l’anglais. Posez-moi votre question en anglais, ou je peux la "
        "transmettre à une personne.",
    ),
    "ask_person": (
        "I would like to talk to a person, please.",
        "请帮我转人工客服。",
        "Quiero hablar con una persona, por favor.",
        "Ich möchte bitte mit einem Menschen sprechen.",
        "Je voudrais parler à une personne, s’il vous plaît.",
    ),
    "ask_photo": (
        "Please send me a photo of it, then I can have a look.",
        "请发一张照片给我，我就可以看一看。",
        "Envíeme una foto, por favor, y le echo un vistazo.",
        "Bitte schicken Sie mir ein Foto davon, dann sehe ich es mir an.",
        "Envoyez-m’en une photo, s’il vous plaît, et je la regarderai.",
    ),
    "ask_which": (
        "Which one do you mean?",
        "请问您指的是哪一个？",
        "¿A cuál se refiere?",
        "Welches meinen Sie?",
        "Lequel voulez-vous dire ?",
    ),
    "ask_again": (
        "I didn’t understand that. Could you put it in other words?",
        "我没有明白您的意思，可以换个说法吗？",
        "No lo he entendido. ¿Podría decirlo con otras palabras?",
        "Das habe ich nicht verstanden. Können Sie es anders sagen?",
        "Je n’ai pas compris. Pourriez-vous le dire autrement ?",
    ),
    "failed": (
        "Something went wrong and I couldn’t answer. Please try again, or ask for a person.",
        "出了点问题，我没能回答。请再试一次，或要求转人工客服。",
        "Algo ha fallado y no he podido responder. Inténtelo de nuevo o pida hablar con una "
        "persona.",
        "Etwas ist schiefgegangen, und ich konnte nicht antworten. Versuchen Sie es noch einmal, "
        "oder verlangen Sie nach einem Menschen.",
        "Un problème est survenu et je n’ai pas pu répondre. Réessayez, ou demandez à parler à une "
        "personne.",
    ),
    "tool_failed": (
        "I couldn’t look that up just now. Please try again in a moment, or ask for a person.",
        "现在没能查到，请稍后再试，或要求转人工客服。",
        "Ahora no he podido consultarlo. Inténtelo de nuevo en un momento o pida hablar con una "
        "persona.",
        "Das konnte ich gerade nicht nachsehen. Versuchen Sie es gleich noch einmal, oder "
        "verlangen Sie nach einem Menschen.",
        "Je n’ai pas pu vérifier cela. Réessayez dans un instant, ou demandez à parler à une "
        "personne.",
    ),
    "photo_gone": (
        "I can’t open that photo any more. Please send it again.",
        "那张照片已经打不开了，请重新发送。",
        "Ya no puedo abrir esa foto. Envíela de nuevo, por favor.",
        "Dieses Foto kann ich nicht mehr öffnen. Bitte schicken Sie es noch einmal.",
        "Je ne peux plus ouvrir cette photo. Veuillez la renvoyer.",
    ),
    "too_long": (
        "That message is too long for me; please shorten it to {most} characters.",
        "这条消息太长了，请缩短到 {most} 个字符以内。",
        "El mensaje es demasiado largo; redúzcalo a {most} caracteres, por favor.",
        "Die Nachricht ist zu lang; kürzen Sie sie bitte auf {most} Zeichen.",
        "Ce message est trop long ; veuillez le réduire à {most} caractères.",
    ),
    "reply_from_person": (
        "A person answered:",
        "人工客服回复：",
        "Ha respondido una persona:",
        "Ein Mensch hat geantwortet:",
        "Une personne a répondu :",
    ),
    "closed": (
        "Ticket {ticket} is closed. Write here if you need anything else.",
        "工单 {ticket} 已关闭。如果还需要帮助，请在这里留言。",
        "El caso {ticket} está cerrado. Escriba aquí si necesita algo más.",
        "Der Vorgang {ticket} ist abgeschlossen. Schreiben Sie hier, wenn Sie noch etwas brauchen.",
        "Le dossier {ticket} est clos. Écrivez ici si vous avez besoin d’autre chose.",
    ),
}
"""One sentence or two a key, in the order of `LANGUAGES`."""
