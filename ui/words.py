"""Every word of the page, in English and Chinese.

    >>> say = Words("zh")
    >>> say("settings")
    '设置'

A test holds that each key is used, and that each has both languages with the same fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from ui.words_desk import DESK
from ui.words_find import FIND
from ui.words_review import REVIEW
from ui.words_tickets import TICKETS
from ui.words_train import TRAINING

Language = Literal["en", "zh"]
LANGUAGES: Final[dict[str, str]] = {"en": "English", "zh": "中文"}

CATALOGUE: Final[dict[str, tuple[str, str]]] = {
    # the frame
    "tagline": ("A support desk that can see", "看得懂照片的服务台"),
    "new": ("New conversation", "新对话"),
    "search": ("Search conversations", "搜索对话"),
    "no_threads": ("Your conversations will be listed here.", "您的对话会列在这里。"),
    "no_match": ("No conversation has these words.", "没有对话包含这些字词。"),
    "more_threads": ("Show more", "显示更多"),
    "untitled": ("Untitled", "未命名"),
    "today": ("Today", "今天"),
    "yesterday": ("Yesterday", "昨天"),
    "week": ("Last 7 days", "最近 7 天"),
    "older": ("Older", "更早"),
    "settings": ("Settings", "设置"),
    "model": ("Model", "模型"),
    "adapter": ("Adapter", "适配器"),
    "adapter_own": ("As started: {name}", "启动时的：{name}"),
    "adapter_hint": (
        "Those that fit the model; the next answer is by the one you choose.",
        "列出与模型匹配的适配器；下一个回答就由所选的给出。",
    ),
    "quantization": ("Quantization", "量化"),
    "none": ("none", "无"),
    # loading
    "loading": ("Getting the model ready", "正在准备模型"),
    "loading_hint": (
        "The first start takes a minute or two, later ones some seconds.",
        "第一次启动需要一两分钟，以后只需几秒。",
    ),
    "load_failed": ("The model could not be loaded", "模型无法加载"),
    "try_again": ("Try again", "重试"),
    # the welcome
    "welcome": ("Ask about a photo", "拿一张照片来问"),
    "welcome_hint": (
        "Drop, paste, pick or take a photo below. Sent without a question, it gets described.",
        "把照片拖到下方、粘贴、选取或现拍都可以。不写问题就发送，会得到一句描述。",
    ),
    "welcome_local": (
        "Photos and answers stay on this computer.",
        "照片和回答只保存在这台电脑上。",
    ),
    "english_only": (
        "The model that ships was trained in English: ask it in English.",
        "自带的模型是用英文训练的：请用英文提问。",
    ),
    "suggest_what": ("What is in this picture?", "图里有什么？"),
    "suggest_colour": ("What colour is it?", "它是什么颜色？"),
    "suggest_count": ("How many are there?", "有多少个？"),
    "add_photo_hint": ("Now add a photo below, then send.", "请在下方添加一张照片，然后发送。"),
    # the message box
    "ask": ("Ask about a photo: drop, paste or pick it", "关于照片提问：拖放、粘贴或选取照片"),
    "camera": ("Camera", "拍照"),
    "camera_label": ("Take a photo", "拍一张照片"),
    "camera_add": ("Use this photo", "使用这张照片"),
    "adjust": ("Adjust photos", "调整照片"),
    "adjust_on": ("Adjusted", "已调整"),
    "adjust_hint": (
        "Photos go to the model as you set them here; the original is kept.",
        "照片会按这里的设置交给模型；原图会保留。",
    ),
    "adjust_no_photo": (
        "Choose a photo here to see the effect before you send it.",
        "在这里选一张照片，可以在发送前看到效果。",
    ),
    "adjust_pick": ("Photo to adjust", "要调整的照片"),
    "adjust_again": (
        "The next question looks at this photo again, adjusted.",
        "下一个问题会用调整后的这张照片重新看一遍。",
    ),
    "denoise": ("Remove noise", "降噪"),
    "brightness": ("Brightness", "亮度"),
    "contrast": ("Contrast", "对比度"),
    "saturation": ("Saturation", "饱和度"),
    "sharpen": ("Sharpen", "锐化"),
    "resize": ("Longest side", "最长边"),
    "resize_keep": ("as it is", "不变"),
    "pixels": ("{n} pixels", "{n} 像素"),
    "reset": ("Reset", "还原"),
    "before": ("Before", "之前"),
    "after": ("After", "之后"),
    "before_alt": ("{name}, as it was taken", "{name}，原样"),
    "after_alt": ("{name}, as given to the model", "{name}，交给模型的样子"),
    "remove": ("Remove {name}", "移除 {name}"),
    "describe_it": ("Describe it", "描述它"),
    "camera_name": ("camera.jpg", "camera.jpg"),
    "too_long": (
        "This message has {n} characters, and the most is {most}. It is back in the box: shorten "
        "it, then send it again.",
        "这条消息有 {n} 个字符，最多 {most} 个。它已放回输入框，请缩短后再发送。",
    ),
    "too_many": (
        "{n} photos were left out: a message takes {most} at most.",
        "有 {n} 张照片未被采用：一条消息最多 {most} 张。",
    ),
    "not_sent": (
        "Your message was not sent and is back in the box.",
        "消息没有发送，已放回输入框。",
    ),
    # a turn
    "describe_shown": ("Describe this picture", "描述这张图片"),
    "enlarge": ("Enlarge {name}", "放大 {name}"),
    "photo_alt": ("Photo {name}", "照片 {name}"),
    "photo_gone": ("This photo cannot be read.", "这张照片无法读取。"),
    "photo": ("Photo", "照片"),
    "earlier": ("Show {n} earlier questions", "显示更早的 {n} 个问题"),
    "looking": ("Looking at the photo …", "正在看照片……"),
    "waiting": ("Waiting for another conversation …", "正在等待另一个对话……"),
    "elsewhere": ("Being answered in another tab.", "正在另一个标签页中回答。"),
    "refresh": ("Refresh", "刷新"),
    "stop": ("Stop", "停止"),
    "stopped": ("Stopped.", "已停止。"),
    "cut": (
        "Cut off at the longest answer that the settings allow.",
        "达到设置的最大长度，已截断。",
    ),
    "nothing_said": (
        "The model had nothing to say: ask in other words.",
        "模型没有给出回答：换个说法再问。",
    ),
    "edit": ("Edit", "编辑"),
    "edit_label": ("Your question", "您的问题"),
    "edit_drops": (
        "Sending it again drops what follows. Questions that go: {n}.",
        "重新发送会删除后面的内容，共 {n} 个问题。",
    ),
    "send_again": ("Send", "发送"),
    "cancel": ("Cancel", "取消"),
    "again": ("Answer again", "重新回答"),
    "more": ("More", "更多"),
    "without": ("Answer without the adjustment", "不调整再回答一次"),
    "without_title": ("Without the adjustment", "不调整时"),
    "correct": ("Correct this answer", "更正这个回答"),
    "correct_label": ("What it should have said", "应该怎样回答"),
    "correct_hint": (
        "Kept on this computer, as an example to train an adapter with.",
        "保存在这台电脑上，可作为训练适配器的例子。",
    ),
    "corrected": ("Your correction: {text}", "您的更正：{text}"),
    "save": ("Save", "保存"),
    # details
    "details": ("Details", "详情"),
    "took": ("{seconds} s", "{seconds} 秒"),
    "quiet": (
        "{model} · first word {first} s · {total} s",
        "{model} · 首字 {first} 秒 · 共 {total} 秒",
    ),
    "quiet_short": ("{model} · {total} s", "{model} · 共 {total} 秒"),
    "detail_encode": ("Encode the photos", "编码照片"),
    "detail_first": ("First word", "首字"),
    "detail_total": ("Whole answer", "全部回答"),
    "detail_tokens": ("Tokens written", "写出的词元"),
    "detail_prompt": ("Tokens read", "读入的词元"),
    "detail_prompt_value": (
        "{computed} computed, {reused} reused",
        "计算 {computed}，复用 {reused}",
    ),
    "detail_sampling": ("Drawn with", "采样方式"),
    "detail_greedy": ("the likeliest words", "最可能的词"),
    "detail_temperature": ("temperature {t}", "温度 {t}"),
    "detail_seed": ("seed {n}", "种子 {n}"),
    "detail_none": ("Nothing was measured.", "没有测量数据。"),
    # where it looked
    "gaze": ("Where it looked", "它看了哪里"),
    "gaze_hint": (
        "Choose a word to see which parts of the photo weighed most when it was written.",
        "选择一个词，查看写下它时照片的哪些部分最重要。",
    ),
    "gaze_words": ("Words of the answer", "回答中的词"),
    "gaze_whole": ("Whole answer", "整个回答"),
    "gaze_text": (
        "For “{word}”, most weight lies {place} of {name}: {share} % of all.",
        "写“{word}”时，权重最大的是 {name} {place}，占全部的 {share} %。",
    ),
    "gaze_text_whole": (
        "Over the whole answer, most weight lies {place} of {name}: {share} % of all.",
        "在整个回答中，权重最大的是 {name} {place}，占全部的 {share} %。",
    ),
    "gaze_computing": ("Reading the attention …", "正在读取注意力……"),
    "gaze_none": ("There is nothing to show for this answer.", "这个回答没有可显示的内容。"),
    "at_top_left": ("at the upper left", "的左上方"),
    "at_top": ("at the top", "的上方"),
    "at_top_right": ("at the upper right", "的右上方"),
    "at_left": ("at the left", "的左侧"),
    "at_middle": ("in the middle", "的中央"),
    "at_right": ("at the right", "的右侧"),
    "at_bottom_left": ("at the lower left", "的左下方"),
    "at_bottom": ("at the bottom", "的下方"),
    "at_bottom_right": ("at the lower right", "的右下方"),
    # what the encoder sees
    "evidence": ("What the encoder sees", "编码器看到了什么"),
    "evidence_hint": (
        "The picture encoder's own guess among 1,000 things, before any word is written.",
        "在写出任何字词之前，图像编码器从 1,000 种事物中的猜测。",
    ),
    "evidence_familiar": (
        "How much it is like the training pictures: {share} %",
        "与训练图片的相似程度：{share} %",
    ),
    "unfamiliar": (
        "This does not look like pictures I was trained on.",
        "这看起来不像我训练时见过的图片。",
    ),
    "unfamiliar_names": ("It may show: {names}.", "可能是：{names}。"),
    # threads
    "thread_menu": ("Conversation", "对话"),
    "rename": ("Rename", "重命名"),
    "rename_label": ("Title", "标题"),
    "export": ("Export", "导出"),
    "export_hint": ("A zip file with the text and the photos.", "包含文字和照片的 zip 文件。"),
    "export_markdown": ("Markdown, to read", "Markdown，便于阅读"),
    "export_json": ("JSON, for programs", "JSON，供程序使用"),
    "delete": ("Delete", "删除"),
    "delete_title": ("Delete this conversation?", "删除这个对话？"),
    "delete_hint": (
        "Its questions and answers go, and the photos that no other conversation shows. "
        "This cannot be undone.",
        "其中的问题和回答，以及其他对话没有用到的照片都会被删除，且无法恢复。",
    ),
    "delete_yes": ("Delete for good", "永久删除"),
    "gone": ("That conversation is not here any more.", "那个对话已经不在了。"),
    "conflict": (
        "This conversation went on in another tab. Here is how it stands now; your message was not "
        "sent and is back in the box.",
        "这个对话在另一个标签页中有了新内容。现在显示的是最新状态；您的消息没有发送，已放回输入框。",
    ),
    # trouble
    "not_saving": ("Nothing is being saved right now", "现在无法保存"),
    "not_saving_hint": (
        "You can go on: this conversation is kept in this tab until it can be saved.",
        "您可以继续：在能够保存之前，这个对话保留在此标签页中。",
    ),
    "saved_again": ("Saved.", "已保存。"),
    "still_not": ("It still cannot be saved.", "仍然无法保存。"),
    # settings
    "language": ("Language", "语言"),
    "language_auto": ("As the browser", "跟随浏览器"),
    "temperature": ("Temperature", "温度"),
    "temperature_hint": (
        "0 always gives the likeliest words; more varies them.",
        "0 总是给出最可能的词；越大变化越多。",
    ),
    "max_tokens": ("Longest answer, in tokens", "回答的最大长度（词元）"),
    "seed": ("Seed", "随机种子"),
    "seed_hint": (
        "The same seed draws the same answer; empty draws anew each time.",
        "同一种子得到同样的回答；留空则每次重新抽取。",
    ),
    "adjust_default": ("Adjust every new photo", "调整每张新照片"),
    "slower": (
        "The model is kept as {kind}: why, and what this machine lacks",
        "模型以 {kind} 形式运行：原因以及这台机器所缺少的",
    ),
    "theme_hint": (
        "Light or dark follows the browser; the menu at the upper right changes it.",
        "明暗主题跟随浏览器，可在右上角菜单中更改。",
    ),
    **TRAINING,
    **TICKETS,
    **DESK,
    **FIND,
    **REVIEW,
}


@dataclass(frozen=True)
class Words:
    """The page's words in one language; calling it gives one, with its fields filled in."""

    language: Language

    def __call__(self, key: str, **fields: object) -> str:
        text = CATALOGUE[key][0 if self.language == "en" else 1]
        return text.format(**fields) if fields else text


def choose_language(wanted: str, locale: str | None) -> Language:
    """The language a visitor chose, else the browser's, else English.

    Args:
        wanted: `en`, `zh`, or anything else for the browser's.
        locale: the browser's, such as ``zh-Hans-CN``.
    """
    known: dict[str, Language] = {"en": "en", "zh": "zh"}
    browsers = (locale or "").replace("_", "-").split("-")[0].lower()
    return known.get(wanted) or known.get(browsers) or "en"
