"""Every word of the page "Find", in English and Chinese; `ui.words` has those of the chat."""

from __future__ import annotations

from typing import Final

FIND: Final[dict[str, tuple[str, str]]] = {
    # the frame
    "find": ("Find pictures", "查找图片"),
    "find_title": ("Find pictures", "查找图片"),
    "find_tagline": ("Your pictures, by what they show", "按内容查找您的图片"),
    "find_back": ("Back to the chat", "返回对话"),
    "find_not_here": (
        "This page is served to a network, so the pictures of this machine are not shown here. "
        "Start the page with `sightdesk chat`, without --host, or use `sightdesk find` in a "
        "terminal.",
        "此页面对网络开放，因此这里不显示这台机器上的图片。请用 `sightdesk chat` 启动页面，"
        "不要加 --host，或在终端里使用 `sightdesk find`。",
    ),
    # folders
    "find_add": ("Folders of pictures", "图片文件夹"),
    "find_folders": ("Folders of pictures", "图片文件夹"),
    "find_folder_all": ("All folders", "全部文件夹"),
    "find_path": ("Folder on this machine", "这台机器上的文件夹"),
    "find_path_hint": (
        "Folders in it are looked through as well. Pictures stay where they are.",
        "其中的子文件夹也会查看。图片留在原处，不会移动。",
    ),
    "find_index": ("Index this folder", "索引这个文件夹"),
    "find_update": ("Bring up to date", "更新"),
    "find_remove": ("Remove from the index", "从索引中移除"),
    "find_remove_sure": (
        "Labels and descriptions of its pictures are forgotten; the files stay.",
        "其中图片的标签和描述会被忘记；文件本身不受影响。",
    ),
    "find_remove_yes": ("Remove", "移除"),
    "find_troubles_terminal": (
        "Which files could not be read, and why, is listed in a terminal:",
        "在终端里可以查看哪些文件无法读取以及原因：",
    ),
    "find_starting": ("Starting", "正在启动"),
    "find_stopping": ("Stopping; what is done is kept", "正在停止；已完成的会保留"),
    "find_failed": (
        "It failed without a word; run `sightdesk index` in a terminal to see why.",
        "失败且没有说明原因；请在终端里运行 `sightdesk index` 查看。",
    ),
    "find_interrupted": (
        "It was interrupted. What was done is kept: index the folder again to go on.",
        "已中断。完成的部分会保留：再次索引这个文件夹即可继续。",
    ),
    "find_dismiss": ("Dismiss", "知道了"),
    "find_done_new": ("{n} new", "新增 {n}"),
    "find_done_same": ("{n} unchanged", "未变 {n}"),
    "find_done_changed": ("{n} changed or moved", "更改或移动 {n}"),
    "find_done_removed": ("{n} gone", "消失 {n}"),
    "find_done_troubles": ("{n} could not be read", "无法读取 {n}"),
    # nothing indexed yet
    "find_empty": (
        "Search your own pictures by what they show: “a dog in the snow”, “a red label”, or a "
        "picture that they should be like. First name a folder of pictures to look through.",
        "按内容搜索您自己的图片：“雪地里的狗”“红色标签”，或者给出一张相似的图片。"
        "请先指定一个图片文件夹。",
    ),
    "find_empty_terminal": ("Or in a terminal:", "或在终端里："),
    "find_stays": (
        "Pictures are read on this computer and sent nowhere.",
        "图片只在这台电脑上读取，不会发送到别处。",
    ),
    # the search
    "find_words": ("What should the picture show?", "图片里应该有什么？"),
    "find_words_hint": (
        "What should the picture show? A dog in the snow …",
        "图片里应该有什么？例如：雪地里的狗……",
    ),
    "find_choose": ("Search by a picture", "以图搜图"),
    "find_drop": ("Drop a picture to find ones like it", "松开以查找相似的图片"),
    "find_reading": ("Reading the picture …", "正在读取图片……"),
    "find_too_large": (
        "This file is larger than {n} MiB; choose a smaller one.",
        "文件超过 {n} MiB，请选择较小的文件。",
    ),
    "find_not_read": (
        "The picture could not be read; drop it again.",
        "无法读取这张图片，请再拖放一次。",
    ),
    "find_like": ("Like {name}", "类似 {name}"),
    "find_like_gone": ("Like a picture that is gone", "类似一张已不存在的图片"),
    "find_like_remove": ("Without this picture", "去掉这张图片"),
    "find_what": ("What is shown", "显示什么"),
    "find_all": ("Pictures", "图片"),
    "find_alike": ("Near-duplicates", "近似重复"),
    "find_looking": ("Looking through the pictures …", "正在查找图片……"),
    "find_alike_looking": ("Comparing all pictures …", "正在比较所有图片……"),
    "find_sort": ("Order", "排序"),
    "find_sort_likeness": ("Likeliest first", "最相似的在前"),
    "find_sort_newest": ("Newest first", "最新的在前"),
    "find_sort_oldest": ("Oldest first", "最早的在前"),
    "find_sort_name": ("By name", "按名称"),
    "find_filters": ("Filters", "筛选"),
    "find_filters_on": ("Filters · {n}", "筛选 · {n}"),
    "find_labels": ("Labels", "标签"),
    "find_labels_any": ("Any", "任意"),
    "find_labels_none": ("No picture has a label yet", "还没有带标签的图片"),
    "find_folder": ("Folder", "文件夹"),
    "find_since": ("From", "从"),
    "find_until": ("To", "到"),
    "find_size": ("Size", "尺寸"),
    "find_size_small": ("Small", "小"),
    "find_size_medium": ("Medium or larger", "中或更大"),
    "find_size_large": ("Large", "大"),
    "find_size_help": (
        "Small: no side over 800 pixels. Medium or larger: no side below 1,000. Large: no side "
        "below 2,000.",
        "小：每边不超过 800 像素。中或更大：每边至少 1,000 像素。大：每边至少 2,000 像素。",
    ),
    "find_least": ("At least this likely", "最低可能性"),
    "find_least_hint": (
        "How likely it must be that a picture shows what is looked for. {n} % is the embedder’s "
        "own limit: below it, nothing counts as like it. Less shows more, also wrong ones.",
        "图片符合要求的可能性至少要有多大。{n} % 是嵌入模型自己的界限：低于它就算没有相似的图片。"
        "调低会显示更多图片，也会有更多不符合的。",
    ),
    "find_clear": ("Clear the filters", "清除筛选"),
    # what was found
    "find_one": ("1 picture", "1 张图片"),
    "find_many": ("{n} pictures", "{n} 张图片"),
    "find_first": ("The first {n} pictures", "前 {n} 张图片"),
    "find_from": ("{n} % likely or more", "可能性不低于 {n} %"),
    "find_groups_one": ("1 group", "1 组"),
    "find_groups": ("{n} groups", "{n} 组"),
    "find_grid": (
        "Pictures found; arrow keys move, Enter opens",
        "找到的图片；方向键移动，回车打开",
    ),
    "find_item_loading": ("Loading", "加载中"),
    "find_item_broken": ("Cannot be read any more", "已无法读取"),
    "find_likely": ("{n} % likely", "可能性 {n} %"),
    "find_nothing": ("Nothing like it", "没有相似的图片"),
    "find_nothing_hint": (
        "The closest picture is {n} % likely, and {least} % are asked for: what is there most "
        "probably shows something else.",
        "最接近的图片可能性为 {n} %，而要求至少 {least} %：现有的图片很可能不是要找的内容。",
    ),
    "find_closest": ("Show the closest anyway", "仍然显示最接近的"),
    "find_none_fits": ("No picture fits the filters", "没有符合筛选条件的图片"),
    "find_none_fits_hint": (
        "Take away a filter to see more.",
        "去掉一个筛选条件可以看到更多。",
    ),
    "find_no_pictures": ("No pictures yet", "还没有图片"),
    "find_no_pictures_hint": (
        "The folders hold no picture that could be read, or they are being indexed still.",
        "文件夹里没有可读取的图片，或者仍在索引中。",
    ),
    "find_no_alike": ("No near-duplicates", "没有近似重复的图片"),
    "find_no_alike_hint": (
        "No two files show the same picture, not even resized or compressed anew.",
        "没有两个文件显示同一张图片，包括缩放或重新压缩后的。",
    ),
    # one picture
    "find_details": ("Picture", "图片"),
    "find_previous": ("Previous", "上一张"),
    "find_next": ("Next", "下一张"),
    "find_place": ("{n} of {most}", "第 {n} 张，共 {most} 张"),
    "find_describe": ("Describe", "描述"),
    "find_describe_again": ("Describe again", "重新描述"),
    "find_describing": ("Looking at the picture …", "正在看图片……"),
    "find_waiting": (
        "Another conversation has the model; this waits for it.",
        "另一个对话正在使用模型，请稍候。",
    ),
    "find_similar": ("Similar", "相似图片"),
    "find_ask": ("Ask about this", "就此提问"),
    "find_fact_likely": ("Likelihood", "可能性"),
    "find_likely_means": (
        "Of 100 pictures with this likelihood, about {n} show what is looked for.",
        "在 100 张具有这一可能性的图片中，大约 {n} 张符合要求。",
    ),
    "find_fact_label": ("Label", "标签"),
    "find_fact_kind": ("Kind", "类别"),
    "find_fact_size": ("Size", "尺寸"),
    "find_fact_taken": ("Taken", "拍摄时间"),
    "find_fact_written": ("File written", "文件时间"),
    "find_fact_path": ("Path", "路径"),
    "find_fact_others": ("The same picture is in {n} more files:", "另有 {n} 个文件是同一张图片："),
}
