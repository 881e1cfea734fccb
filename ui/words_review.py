"""Every word of the review page, in English and Chinese; `ui.words` has those of the chat."""

from __future__ import annotations

from typing import Final

REVIEW: Final[dict[str, tuple[str, str]]] = {
    # the frame
    "review": ("Review labels", "审核标注"),
    "review_tagline": ("Labels and descriptions, looked through", "逐一审核标签和描述"),
    "review_back": ("Back to the chat", "返回对话"),
    "review_jobs": ("Folders that were labelled", "已标注的文件夹"),
    "review_job_label": ("{folder} · labels", "{folder} · 标签"),
    "review_job_describe": ("{folder} · descriptions", "{folder} · 描述"),
    "review_gone": ("That job is not here any more.", "那个任务已经不在了。"),
    "review_not_here": (
        "This page is served to a network, so pictures of this computer’s folders are not shown. "
        "Start the page with `sightdesk chat`, without --host, to review labels.",
        "此页面对网络开放，因此不显示这台电脑文件夹中的图片。要审核标注，请用 `sightdesk chat` "
        "启动页面，不要加 --host。",
    ),
    "review_reading": ("Reading what was found …", "正在读取结果……"),
    # no job yet
    "review_none": ("Nothing to review yet", "还没有可审核的内容"),
    "review_none_hint": (
        "Label or describe a folder of pictures first; what comes out is looked through here, the "
        "unsure ones first. In a terminal:",
        "请先为一个图片文件夹生成标签或描述，结果会在这里逐一审核，把握最小的排在最前。在终端中运行：",
    ),
    "review_start_title": ("Or start here", "或者在这里开始"),
    "review_start_new": ("Another folder", "另一个文件夹"),
    "review_start_folder": ("Folder of pictures", "图片文件夹"),
    "review_start_what": ("What it gets", "生成什么"),
    "review_start_label": ("Labels", "标签"),
    "review_start_describe": ("Descriptions", "描述"),
    "review_start_by": ("Labels of", "标签来自"),
    "review_start": ("Start", "开始"),
    "review_start_empty": (
        "There is no folder to start with; type its path.",
        "没有可处理的文件夹，请输入路径。",
    ),
    "review_start_lost": (
        "{path} is no folder; check the path.",
        "{path} 不是文件夹，请检查路径。",
    ),
    "review_starting": ("Getting the model ready for {folder} …", "正在为 {folder} 准备模型……"),
    "review_start_failed": ("{folder} could not be done: {said}", "{folder} 未能完成：{said}"),
    "review_start_stop": ("Stop", "停止"),
    # which ones
    "review_which": ("Which pictures", "哪些图片"),
    "review_aside": ("Low confidence", "把握不大"),
    "review_all": ("All", "全部"),
    "review_label": ("Guessed as", "猜测为"),
    "review_any_label": ("any label", "任意标签"),
    # the board
    "review_board": ("Review", "审核"),
    "review_picture": ("Picture {name}", "图片 {name}"),
    "review_loading": ("Loading the picture …", "正在加载图片……"),
    "review_accept": ("Accept", "接受"),
    "review_reject": ("Reject", "拒绝"),
    "review_skip": ("Skip", "跳过"),
    "review_undo": ("Back", "返回"),
    "review_use": ("Use “{label}”", "使用“{label}”"),
    "review_save": ("Save the correction", "保存更正"),
    "review_choices": ("Likeliest labels", "最可能的标签"),
    "review_other": ("Another label", "其他标签"),
    "review_other_hint": ("Type a label", "输入标签"),
    "review_new_label": ("New label “{label}”", "新标签“{label}”"),
    "review_found": ("{n} labels match.", "{n} 个标签匹配。"),
    "review_caption": ("Description", "描述"),
    "review_no_label": ("No label", "没有标签"),
    "review_unsure": ("Low confidence", "把握不大"),
    "review_sure": ("{share} sure", "把握 {share}"),
    "review_copies": ("{n} files with the same picture", "{n} 个文件是同一张图片"),
    "review_changed": (
        "This file has changed since it was looked at.",
        "这个文件在处理之后发生了变化。",
    ),
    "review_before": ("Before: {said}", "之前：{said}"),
    "review_was_accept": ("accepted", "已接受"),
    "review_was_correct": ("corrected to {label}", "已更正为 {label}"),
    "review_was_reject": ("rejected", "已拒绝"),
    "review_was_skip": ("skipped", "已跳过"),
    "review_progress": ("Decided", "已审核"),
    "review_done": ("{n} done", "已完成 {n}"),
    "review_left_aside": ("{n} low-confidence left", "把握不大的剩 {n}"),
    "review_left": ("{n} left", "剩余 {n}"),
    "review_next": ("What comes next", "接下来"),
    "review_said_accept": ("Accepted.", "已接受。"),
    "review_said_correct": ("Corrected to {label}.", "已更正为 {label}。"),
    "review_said_caption": ("Correction saved.", "更正已保存。"),
    "review_said_reject": ("Rejected.", "已拒绝。"),
    "review_said_skip": ("Skipped.", "已跳过。"),
    "review_said_undo": ("Taken back.", "已撤回。"),
    "review_said_next": (
        "{done} of {total} done. Next: {next}",
        "已完成 {done}，共 {total}。下一张：{next}",
    ),
    "review_saving": ("Saving …", "正在保存……"),
    "review_offline": (
        "Not saved yet: the page’s server does not answer.",
        "尚未保存：页面的服务器没有响应。",
    ),
    "review_again": ("Try again", "重试"),
    "review_keys": ("Keys", "快捷键"),
    "review_keys_label": (
        "Enter or A accept · 1–9 choose · E type a label · X reject · S skip · U or Backspace back",
        "Enter 或 A 接受 · 1–9 选择 · E 输入标签 · X 拒绝 · S 跳过 · U 或 Backspace 返回",
    ),
    "review_keys_describe": (
        "Enter or A accept · E edit, then Enter saves · X reject · S skip · U or Backspace back",
        "Enter 或 A 接受 · E 编辑，然后 Enter 保存 · X 拒绝 · S 跳过 · U 或 Backspace 返回",
    ),
    "review_empty_aside": (
        "No picture of low confidence is left. Choose “All” to look at the others.",
        "把握不大的图片已全部看完。选择“全部”可查看其余图片。",
    ),
    "review_empty_label": (
        "No picture with this guess is left. Choose another label.",
        "这个猜测的图片已全部看完。请选择其他标签。",
    ),
    "review_empty_yet": (
        "The job has found nothing yet; what it finds appears here.",
        "任务还没有结果；有了结果会显示在这里。",
    ),
    "review_finished": (
        "Every picture is decided: {accepted} accepted, {corrected} corrected, "
        "{rejected} rejected.",
        "全部图片都已审核：接受 {accepted}，更正 {corrected}，拒绝 {rejected}。",
    ),
    # what it is for
    "review_set": ("Training set", "训练集"),
    "review_set_hint": (
        "What you accepted and corrected can train an adapter. Pictures so far: {n}.",
        "您接受和更正的内容可以用来训练适配器。目前有 {n} 张图片。",
    ),
    "review_make": ("Make a training set", "生成训练集"),
    "review_made": ("{n} pictures were written to:", "已写入 {n} 张图片："),
    "review_made_labels": (
        "{n} pictures with {labels} labels were written to:",
        "已写入 {n} 张图片、{labels} 个标签：",
    ),
    "review_command": ("In a terminal:", "在终端中运行："),
    "review_train": ("Train an adapter with it", "用它训练适配器"),
    "review_left_out": ("Left out: {n}", "未采用：{n}"),
    "review_bad": (
        "Files that could not be opened and are not shown here: {n}.",
        "无法打开、未在此显示的文件：{n}。",
    ),
}
