"""Every word of the support desk in the chat, in English and Chinese."""

from __future__ import annotations

from typing import Final

DESK: Final[dict[str, tuple[str, str]]] = {
    # who answers
    "desk": ("Support desk", "客服台"),
    "photo_model": ("Photo model", "图像模型"),
    "answers_by": ("Who answers", "由谁回答"),
    "answers_auto": ("As started: {name}", "启动时的：{name}"),
    "answers_hint": (
        "The support desk looks things up, cites them and calls a person; the photo model answers "
        "from the photo alone.",
        "客服台会查资料、注明出处、转人工；图像模型只根据照片回答。",
    ),
    "ask_desk": (
        "Ask about a product or the shop, or add a photo",
        "询问商品或店铺，也可以添加照片",
    ),
    "ask_desk_ticket": (
        "Write to the person who has ticket {id}",
        "给处理工单 {id} 的人工客服留言",
    ),
    # the first page
    "desk_welcome": ("How can we help?", "有什么可以帮您？"),
    "desk_welcome_hint": (
        "Ask in your own words, with or without a photo. An answer says what it rests on; what the "
        "desk does not know goes to a person.",
        "请直接提问，可以附上照片。回答会注明出处；不知道的问题可以转给人工客服。",
    ),
    "desk_knows": ("The desk knows {what}.", "客服台的资料：{what}。"),
    "desk_knows_both": ("{documents} and {products}", "{documents}和{products}"),
    "documents_one": ("1 document", "1 份文档"),
    "documents_many": ("{n} documents", "{n} 份文档"),
    "products_one": ("1 product", "1 种商品"),
    "products_many": ("{n} products", "{n} 种商品"),
    "desk_knows_nothing": (
        "The desk has no documents yet, so it can only look at photos and call a person.",
        "客服台还没有资料，目前只能看照片和转人工。",
    ),
    "desk_add_some": (
        "Add some in a terminal: `sightdesk knowledge add FOLDER`. `sightdesk demo` opens a small "
        "shop to try.",
        "在终端里添加：`sightdesk knowledge add FOLDER`。`sightdesk demo` 会打开一个可试用的小店。",
    ),
    "desk_untrained": (
        "The desk’s own adapter is not installed: the model chooses its steps untrained, and often "
        "wrongly.",
        "客服台自己的适配器没有安装：模型未经训练地选择步骤，常会出错。",
    ),
    "desk_not_open": ("The desk cannot be opened", "客服台无法打开"),
    "suggest_origin": ("Where is {name} from?", "{name}产自哪里？"),
    "suggest_about": ("What do you know about {name}?", "关于{name}，你们知道些什么？"),
    "suggest_returns": ("How do I return something?", "怎么退货？"),
    "suggest_delivery": ("How much is delivery?", "送货费用是多少？"),
    "suggest_hours": ("When are you open?", "几点营业？"),
    "suggest_payment": ("How can I pay?", "可以怎么付款？"),
    "suggest_storage": ("How do I store {name}?", "{name}怎么保存？"),
    "suggest_photo": ("Where does this come from?", "这个产自哪里？"),
    "suggest_with_photo": ("A photo of {name}: where is it from?", "{name}的照片：产自哪里？"),
    "suggest_own_photo": ("Show a photo of a product", "发一张商品照片"),
    # what it does
    "desk_thinking": ("Thinking …", "正在思考……"),
    "desk_opening": ("Opening the desk …", "正在打开客服台……"),
    "desk_writing": ("Writing the answer …", "正在写回答……"),
    "desk_for": ("{doing} {seconds} s", "{doing} {seconds} 秒"),
    "desk_looking": ("Looking at the photo …", "正在看照片……"),
    "desk_labelling": ("Recognising the product …", "正在识别商品……"),
    "desk_reading": ("Reading the text in the photo …", "正在读取照片里的文字……"),
    "desk_looking_up": ("Looking up: {query} …", "正在查找：{query}……"),
    "desk_looking_for_pictures": ("Looking for pictures …", "正在找图片……"),
    "desk_calling": ("Calling a person …", "正在联系人工客服……"),
    "desk_using": ("Using {tool} …", "正在使用 {tool}……"),
    "desk_looked": ("Looked at the photo", "看了照片"),
    "desk_labelled": ("Looked at the photo: {label}", "看了照片：{label}"),
    "desk_labelled_short": ("Looked for the product in the photo", "识别照片里的商品"),
    "desk_read": ("Read the text in the photo", "读取了照片里的文字"),
    "desk_looked_up": ("Looked up: {query}", "查找了：{query}"),
    "desk_looked_up_short": ("Looked it up", "查找资料"),
    "desk_looked_for_pictures": ("Looked for pictures", "找了图片"),
    "desk_called": ("Called a person", "联系了人工客服"),
    "desk_used": ("Used {tool}", "使用了 {tool}"),
    "desk_too_slow": ("{what}: took too long", "{what}：超时"),
    "desk_in_vain": ("{what}: did not work", "{what}：没有成功"),
    # what it rests on
    "source_number": ("Source {n}", "出处 {n}"),
    "source_photo": ("Your photo", "您的照片"),
    "source_picture": ("Product picture", "商品图片"),
    "source_from": ("From {document}", "出自 {document}"),
    "source_seen": ("What was seen in it", "从中看到的"),
    "source_gone": (
        "This passage is not in the knowledge base any more; here is what it said.",
        "这段资料已不在知识库里；以下是当时的内容。",
    ),
    "source_unreadable": ("This source cannot be shown.", "无法显示这个出处。"),
    # how it ended
    "ask_for_person": ("Ask for a person", "转人工客服"),
    "desk_failed": (
        "The model that runs the desk could not answer. It may be down or out of reach.",
        "运行客服台的模型没能回答，可能已停止或无法连接。",
    ),
    "desk_handed": ("Ticket {id}", "工单 {id}"),
    "desk_handed_next": (
        "A person reads this conversation with its photos and answers here. What you write "
        "meanwhile goes to the same ticket.",
        "人工客服会看到这段对话和照片，并在这里回复。您接着写的内容会加到同一个工单。",
    ),
    "desk_handed_answered": (
        "A person has answered below. What you write goes to the same ticket.",
        "人工客服已在下方回复。您写的内容会加到同一个工单。",
    ),
    "desk_handed_closed": (
        "This ticket is closed. If you write again, the desk answers first.",
        "这个工单已关闭。您再留言时，先由客服台回答。",
    ),
    "desk_handed_gone": ("This ticket was deleted.", "这个工单已被删除。"),
    "ticket_with_person": ("with a person", "人工处理中"),
    "ticket_was_answered": ("answered", "已回复"),
    "ticket_is_closed": ("closed", "已关闭"),
    "desk_needs_saving": (
        "The support desk cannot answer while nothing can be saved. Try again below the reason "
        "that is shown, or let the photo model answer (see the settings).",
        "在无法保存期间客服台不能回答。请按上面显示的原因重试，或在设置里改由图像模型回答。",
    ),
    # details
    "detail_outcome": ("How it ended", "结果"),
    "detail_answered": ("answered", "已回答"),
    "detail_abstained": ("did not know", "不知道"),
    "detail_handed_over": ("handed over, ticket {id}", "已转人工，工单 {id}"),
    "detail_model": ("Choosing steps and writing", "选择步骤和书写"),
}
