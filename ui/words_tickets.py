"""Every word of the tickets page, in English and Chinese; `ui.words` has those of the chat."""

from __future__ import annotations

from typing import Final

TICKETS: Final[dict[str, tuple[str, str]]] = {
    # the frame
    "tickets": ("Tickets", "工单"),
    "tickets_waiting": ("Tickets · {n} waiting", "工单 · {n} 个待回复"),
    "tickets_tagline": ("Conversations for a person", "需要人工处理的对话"),
    "tickets_back": ("Back to the chat", "返回对话"),
    "tickets_search": ("Search tickets", "搜索工单"),
    "tickets_which": ("Which tickets", "哪些工单"),
    "tickets_open": ("Open", "处理中"),
    "tickets_closed": ("Closed", "已关闭"),
    "tickets_all": ("All", "全部"),
    "tickets_more": ("Show more", "显示更多"),
    "tickets_not_here": (
        "This page is served to a network, so tickets are not shown here: they hold customers’ "
        "conversations. Start the page with `sightdesk chat`, without --host, or use "
        "`sightdesk tickets` in a terminal.",
        "此页面对网络开放，因此这里不显示工单：其中包含客户的对话。请用 `sightdesk chat` 启动页面，"
        "不要加 --host，或在终端里使用 `sightdesk tickets`。",
    ),
    # nothing to show
    "tickets_none": (
        "There are no tickets yet. One appears here when a customer asks for a person, or when the "
        "agent cannot help.",
        "还没有工单。当客户要求人工服务，或助手无法解决时，工单会出现在这里。",
    ),
    "tickets_none_open": ("Nobody is waiting for you.", "没有人在等您。"),
    "tickets_none_closed": ("No ticket has been closed yet.", "还没有已关闭的工单。"),
    "tickets_no_match": ("No ticket has these words.", "没有工单包含这些字词。"),
    "tickets_choose": ("Choose a ticket on the left.", "请在左侧选择一个工单。"),
    "ticket_gone": ("That ticket is not here any more.", "那个工单已经不在了。"),
    # one ticket
    "ticket_title": ("Ticket {id}", "工单 {id}"),
    "ticket_state_waits": ("waits for you", "等待回复"),
    "ticket_state_answered": ("answered", "已回复"),
    "ticket_state_closed": ("closed", "已关闭"),
    "ticket_opened": ("Opened {when}", "创建于 {when}"),
    "ticket_kind_asked": ("The customer asked for a person", "客户要求人工服务"),
    "ticket_kind_topic": ("A topic that you listed", "您列出的话题"),
    "ticket_kind_failures": ("The agent could not help", "助手未能解决"),
    "ticket_kind_tool": ("The agent called a person", "助手请求人工处理"),
    "ticket_summary": ("In short", "摘要"),
    "ticket_reason": ("Why", "原因"),
    "ticket_before": ("Before the hand-over", "转人工之前"),
    "ticket_nothing_said": ("Nothing was said before.", "之前没有对话。"),
    "ticket_since": ("Since then", "转人工之后"),
    "ticket_by_person": ("A person answered · {when}", "人工回复 · {when}"),
    "ticket_by_customer": ("The customer · {when}", "客户 · {when}"),
    "ticket_photo_name": ("photo {n}", "照片 {n}"),
    # what can be done
    "ticket_reply": ("Your answer", "您的回复"),
    "ticket_reply_hint": (
        "It appears in the customer’s conversation as an answer by a person.",
        "它会作为人工回复显示在客户的对话里。",
    ),
    "ticket_send": ("Send", "发送"),
    "ticket_send_close": ("Send and close", "发送并关闭"),
    "ticket_close": ("Close without an answer", "不回复，直接关闭"),
    "ticket_reopen": ("Reopen", "重新打开"),
    "ticket_sent": ("Sent.", "已发送。"),
    "ticket_sent_nowhere": (
        "The conversation is not there any more: the answer is kept with the ticket only.",
        "对话已经不在了：回复只保存在工单里。",
    ),
    "ticket_empty_reply": (
        "There is nothing to send; type an answer.",
        "没有可发送的内容，请输入回复。",
    ),
    # the webhook
    "ticket_told": ("The webhook was told.", "已通知 webhook。"),
    "ticket_not_told": (
        "The webhook has not been told yet ({tries} tries): {error}",
        "尚未通知 webhook（已尝试 {tries} 次）：{error}",
    ),
    "ticket_given_up": (
        "The webhook could not be told ({error}). Try again with "
        "`sightdesk tickets deliver --again`.",
        "无法通知 webhook（{error}）。请用 `sightdesk tickets deliver --again` 重试。",
    ),
    # in the chat
    "person_answered": ("A person answered", "人工客服回复"),
    "ticket_open_here": (
        "A person has this conversation: ticket {id}. Their answers appear here.",
        "这段对话已转人工：工单 {id}。回复会显示在这里。",
    ),
}
