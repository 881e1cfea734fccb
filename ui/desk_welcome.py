"""The first page of a support desk: what it knows, and questions that fit it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import streamlit as st

from assistant.errors import SightdeskError
from assistant.prompts import spoken_label
from ui.photos import Photo
from ui.plain import label, one_line
from ui.session import get_agents, served_here
from ui.troubles import draw_error
from ui.words import Words

if TYPE_CHECKING:
    from assistant.engine import Engine
    from assistant.knowledge import Document, Knowledge, Product
    from ui.desk import Desk

LOOKED_AT: Final = 12
"""Products whose passages are read for what could be asked of them."""
MOST: Final = 5
NAME_CHARS: Final = 40

_ORIGIN: Final = re.compile(r"\b(country|origin|from)\b|产地|原产", re.IGNORECASE)
_STORAGE: Final = re.compile(r"\b(stor(e|age)|keep|refrigerator)\b|保存|储存", re.IGNORECASE)
_RETURNS: Final = re.compile(r"return|refund|退货|退款", re.IGNORECASE)
_DELIVERY: Final = re.compile(r"deliver|shipping|配送|送货", re.IGNORECASE)
_HOURS: Final = re.compile(r"opening|hours|营业", re.IGNORECASE)
_PAYMENT: Final = re.compile(r"payment|paying|付款|支付", re.IGNORECASE)


@dataclass(frozen=True)
class Suggestion:
    """A question to begin with.

    Attributes:
        text: as it is shown.
        question: as it is put into the message box.
        picture: id of a product picture that goes along.
        name: of that product.
        photo: whether the visitor is to add a photo.
    """

    text: str
    question: str
    picture: str = ""
    name: str = ""
    photo: bool = False


def draw_desk_welcome(desk: Desk, say: Words, engine: Engine) -> None:
    """What a visitor of the desk sees first."""
    st.header(say("desk_welcome"), anchor=False)
    st.write(say("desk_welcome_hint"))
    agents = get_agents()
    english = agents.uses_engine and engine.name == "embedded"
    try:
        knowledge = agents.knowledge()
        documents, products = knowledge.documents(), knowledge.products()
        found = suggestions(knowledge, documents, products, say, english=english)
    except SightdeskError as error:
        st.subheader(say("desk_not_open"), anchor=False)
        draw_error(str(error), say)
        st.button(say("try_again"), key="retry-desk", icon=":material/refresh:")
        return
    with st.container(horizontal=True, key="suggestions"):
        for place, suggestion in enumerate(found):
            st.button(
                label(suggestion.text, 60),
                key=f"suggest-{place}",
                icon=":material/image:" if suggestion.picture or suggestion.photo else None,
                on_click=_suggest,
                args=(desk, suggestion),
            )
    if documents:
        st.caption(f":material/menu_book: {known(len(documents), len(products), say)}")
    else:
        st.info(say("desk_knows_nothing"), icon=":material/menu_book:")
        if served_here():
            st.caption(say("desk_add_some"))
    if agents.untrained:
        st.caption(f":material/warning: {say('desk_untrained')}")
    if say.language != "en" and english:
        st.caption(say("english_only"))


def known(documents: int, products: int, say: Words) -> str:
    """What the desk knows, in one line."""
    what = say("documents_one") if documents == 1 else say("documents_many", n=documents)
    if products:
        goods = say("products_one") if products == 1 else say("products_many", n=f"{products:,}")
        what = say("desk_knows_both", documents=what, products=goods)
    return say("desk_knows", what=what)


def suggestions(
    knowledge: Knowledge,
    documents: list[Document],
    products: list[Product],
    say: Words,
    *,
    english: bool,
) -> list[Suggestion]:
    """Questions that the knowledge base can answer, in the words of the page.

    Args:
        english: they are asked in English, whatever the page's language, for a model that knows no
            other.
    """
    ask = Words("en") if english else say
    found: list[Suggestion] = []
    origin, storage = _facts(knowledge, products)
    if origin:
        found.append(
            Suggestion(say("suggest_origin", name=origin), ask("suggest_origin", name=origin))
        )
    topics = [
        (_RETURNS, say("suggest_returns"), ask("suggest_returns")),
        (_DELIVERY, say("suggest_delivery"), ask("suggest_delivery")),
        (_HOURS, say("suggest_hours"), ask("suggest_hours")),
        (_PAYMENT, say("suggest_payment"), ask("suggest_payment")),
    ]
    names = [document.name for document in documents]
    for pattern, text, question in topics:
        if len(found) < MOST - 1 and any(pattern.search(name) for name in names):
            found.append(Suggestion(text, question))
    if storage and len(found) < MOST - 1:
        found.append(
            Suggestion(say("suggest_storage", name=storage), ask("suggest_storage", name=storage))
        )
    if products and not found:
        name = _name(products[0])
        found.append(Suggestion(say("suggest_about", name=name), ask("suggest_about", name=name)))
    pictured = next((product for product in products[1:] if product.image_id), None)
    pictured = pictured or next((product for product in products if product.image_id), None)
    if pictured is not None:
        name = _name(pictured)
        found.append(
            Suggestion(
                say("suggest_with_photo", name=name), ask("suggest_photo"), pictured.image_id, name
            )
        )
    else:
        found.append(Suggestion(say("suggest_own_photo"), ask("suggest_photo"), photo=True))
    return found


def _facts(knowledge: Knowledge, products: list[Product]) -> tuple[str, str]:
    """Names of products of which the origin is known, and how they are kept."""
    origin = storage = ""
    for product in products[:LOOKED_AT]:
        text = " ".join(knowledge.passage(id).text for id in product.passage_ids[:3])
        if not origin and _ORIGIN.search(text):
            origin = _name(product)
        elif not storage and _STORAGE.search(text):
            storage = _name(product)
    return origin, storage


def _name(product: Product) -> str:
    return one_line(spoken_label(product.label), NAME_CHARS)


def _suggest(desk: Desk, suggestion: Suggestion) -> None:
    desk.draft = suggestion.question
    if suggestion.picture:
        try:
            picture = desk.picture(suggestion.picture)
        except SightdeskError as error:
            desk.notices.append(str(error))
            return
        desk.tray = [Photo(suggestion.name, picture)]
    desk.hint = suggestion.photo
