"""Every word of the training page, in English and Chinese; `ui.words` has those of the chat.

Also Chinese for what the commands themselves call in English: kinds of findings, knobs, phases.
"""

from __future__ import annotations

from typing import Final

TRAINING: Final[dict[str, tuple[str, str]]] = {
    # the frame
    "train": ("Train an adapter", "训练适配器"),
    "train_tagline": ("Adapters from your own photos", "用您自己的照片训练适配器"),
    "train_back": ("Back to the chat", "返回对话"),
    "train_new": ("New training", "新训练"),
    "train_none": ("Your trainings will be listed here.", "您的训练会列在这里。"),
    "train_gone": ("That training is not here any more.", "那个训练已经不在了。"),
    "train_title": ("Train an adapter on your photos", "用您的照片训练适配器"),
    "train_hint": (
        "The model learns your products or your way of describing. Everything stays on this "
        "computer, and you can close this page meanwhile.",
        "让模型学会您的商品或您的描述方式。一切都在这台电脑上进行，期间可以关闭此页面。",
    ),
    "train_not_here": (
        "This page is served to a network, so trainings can be looked at here but not started or "
        "stopped: they read any folder of the computer. Start the page with `sightdesk chat`, "
        "without --host, on the computer that has the photos.",
        "此页面对网络开放，因此这里只能查看训练，不能启动或停止：训练可以读取这台电脑上的任何文件夹。"
        "请在存有照片的电脑上用 `sightdesk chat` 启动页面，不要加 --host。",
    ),
    # states
    "train_state_starting": ("starting", "正在启动"),
    "train_state_running": ("running", "运行中"),
    "train_state_stopping": ("stopping", "正在停止"),
    "train_state_stopped": ("stopped", "已停止"),
    "train_state_interrupted": ("interrupted", "已中断"),
    "train_state_failed": ("failed", "失败"),
    "train_state_done": ("done", "完成"),
    # 1: data
    "train_data": ("Data", "数据"),
    "train_source": ("Where the pictures are", "图片来源"),
    "train_from_path": ("On this computer", "这台电脑上"),
    "train_from_chat": ("My thumbs and corrections", "我的评价和更正"),
    "train_chat_hint": (
        "Learns the answers that you gave a thumb up, and your corrections.",
        "学习您点赞的回答，以及您的更正。",
    ),
    "train_path": ("Folder or file", "文件夹或文件"),
    "train_path_help": (
        "A folder with one folder a class, JSON Lines, LLaVA's conversations, messages with "
        "images, or a CSV of image and caption.",
        "每类一个子文件夹的文件夹、JSON Lines、LLaVA 对话、带图片的消息，或图片与描述的 CSV。",
    ),
    "train_path_hint": (
        "Photos in one folder a class, or a file that lists photos with labels, captions or "
        "questions.",
        "照片按类别放在各自的文件夹里，或用一个文件列出照片及其标签、描述或问题。",
    ),
    "train_path_empty": (
        "Give the path of a folder or a file.",
        "请填写文件夹或文件的路径。",
    ),
    "train_val": ("Pictures to validate on (optional)", "用于验证的图片（可选）"),
    "train_val_help": (
        "Another folder or file, with pictures that are not learnt from.",
        "另一个文件夹或文件，其中的图片不用于学习。",
    ),
    "train_val_none": ("a part of the data is held out", "从数据中留出一部分"),
    "train_check": ("Check the data", "检查数据"),
    "train_reading": ("Reading the data …", "正在读取数据……"),
    "train_opening": (
        "Opening pictures: {done} of {total}, about {left} left",
        "正在打开图片：{done} / {total}，大约还需 {left}",
    ),
    "train_verdict_fine": ("All {n} rows can be used.", "全部 {n} 行都可以使用。"),
    "train_verdict_warnings": (
        "All {n} rows can be used; have a look at the warnings.",
        "全部 {n} 行都可以使用，请看一下警告。",
    ),
    "train_verdict_errors": (
        "{n} of {rows} rows can be used; those with errors are left out.",
        "{rows} 行中有 {n} 行可以使用，有错误的行会被略过。",
    ),
    "train_verdict_none": (
        "No row can be used: correct the errors below, then check again.",
        "没有可用的行：请改正下面的错误，然后重新检查。",
    ),
    "train_pictures": ("Pictures", "图片"),
    "train_labels": ("Labels", "标签"),
    "train_errors": ("Errors", "错误"),
    "train_warnings": ("Warnings", "警告"),
    "train_picture_at": ("Picture of {where}", "{where} 的图片"),
    "train_more_findings": (
        "{n} more are in the report.",
        "另有 {n} 条在报告中。",
    ),
    "train_classes": (
        "{n} labels, {least} to {most} rows each",
        "{n} 个标签，每个 {least} 到 {most} 行",
    ),
    "train_rows": ("rows", "行数"),
    "train_more_classes": ("{n} more labels are in the report.", "另有 {n} 个标签在报告中。"),
    "train_report": ("Whole report (HTML)", "完整报告（HTML）"),
    # 2: recipe
    "train_recipe": ("Recipe", "方案"),
    "train_recipe_later": ("First check your data above.", "请先在上面检查数据。"),
    "train_preset": ("How much to spend", "投入多少时间"),
    "train_quick": ("Quick", "快速"),
    "train_balanced": ("Balanced", "均衡"),
    "train_best": ("Best", "最佳"),
    "train_quick_hint": (
        "For a first look, in a coffee break: the upper part of the encoder, one pass of the "
        "language model.",
        "喝杯咖啡的时间先看看效果：只训练编码器的上层，语言模型学习一遍。",
    ),
    "train_balanced_hint": (
        "Most of the encoder, two passes of the language model.",
        "训练编码器的大部分，语言模型学习两遍。",
    ),
    "train_best_hint": (
        "For the highest scores: more visits to each picture, and mixed pictures against learning "
        "by heart.",
        "追求最高分数：每张图片学习更多次，并混合图片以免死记硬背。",
    ),
    "train_name": ("Name of the adapter", "适配器名称"),
    "train_name_help": (
        "Letters, digits, '.', '_' and '-'. You choose it by this name in the chat.",
        "字母、数字、“.”、“_”和“-”。在对话中按这个名称选择它。",
    ),
    "train_replay": ("Pictures to remember (optional)", "需要记住的图片（可选）"),
    "train_replay_help": (
        "Captioned pictures of other things, learnt again so that no old skill is lost. Without "
        "them the model describes some of your pictures before it changes, and repeats that.",
        "其他事物的带描述图片，会被再次学习，以免丢失原有能力。不提供时，模型会在改变之前描述您的部分图片，"
        "并复习这些描述。",
    ),
    "train_replay_none": ("the model's own descriptions", "模型自己的描述"),
    "train_knobs": ("All knobs", "全部参数"),
    "train_knobs_hint": (
        "Set as the preset sets them; what you change here is added to the command line.",
        "初始值来自预设；在这里改动的参数会加到命令行中。",
    ),
    "train_group_parts": ("What is trained", "训练哪些部分"),
    "train_group_encoder": ("Stage one: telling labels apart", "阶段一：区分标签"),
    "train_group_language": ("Stage two: saying what is seen", "阶段二：说出看到的内容"),
    "train_group_run": ("Steps, saving, stopping early", "步骤、保存与提前结束"),
    "train_command": ("This is the command that will run:", "将要运行的命令："),
    # 3: run
    "train_start_title": ("Start", "开始"),
    "train_start_later": ("First data and recipe above.", "请先完成上面的数据和方案。"),
    "train_start_hint": (
        "It first measures a step and says how long it will take. Stop it whenever you like; it "
        "goes on from there.",
        "它会先测量一步，然后给出预计时间。可以随时停止，之后会从那里继续。",
    ),
    "train_start": ("Start training", "开始训练"),
    "train_other_runs": (
        "Another training runs; two at once take longer than one after the other.",
        "另一个训练正在运行；同时运行两个比先后运行更慢。",
    ),
    "train_run": ("Run", "运行"),
    "train_started": ("Started {when}", "开始于 {when}"),
    "train_held_out": ("Validated on", "用于验证"),
    "train_planned_time": ("Planned time", "计划时间"),
    "train_memory": ("Memory", "内存"),
    "train_trainable": ("Trainable numbers: {parts}", "可训练参数：{parts}"),
    "train_part_encoder": ("encoder", "编码器"),
    "train_part_projector": ("projector", "投影层"),
    "train_part_language": ("language model", "语言模型"),
    "train_part_head": ("label head", "标签头"),
    "train_starting": (
        "Starting: the model is read and a step measured …",
        "正在启动：读取模型并测量一步……",
    ),
    "train_step": ("{stage}: step {step}", "{stage}：第 {step} 步"),
    "train_left": ("about {left} left", "大约还需 {left}"),
    "train_stage_encoder": ("Stage one, encoder", "阶段一，编码器"),
    "train_stage_language": ("Stage two, language", "阶段二，语言"),
    "train_no_curves": (
        "Curves appear with the first step.",
        "第一步完成后会显示曲线。",
    ),
    "train_no_scores": (
        "Scores appear with the first validation.",
        "第一次验证后会显示分数。",
    ),
    "train_steps": ("step", "步"),
    "train_loss": ("loss", "损失"),
    "train_loss_alt": (
        "{stage}: the running mean of the loss went from {first} to {last} in {step} steps.",
        "{stage}：损失的滑动平均在 {step} 步内从 {first} 变为 {last}。",
    ),
    "train_score_alt": (
        "{stage}: {score} at {n} validations, the last ones {values}.",
        "{stage}：{n} 次验证的{score}，最近的为 {values}。",
    ),
    "train_stop_help": (
        "It saves at the end of this step; you can resume it.",
        "在这一步结束时保存，之后可以继续。",
    ),
    "train_stopping": (
        "Stopping: it ends this step and saves.",
        "正在停止：完成这一步并保存。",
    ),
    "train_kill": ("Stop at once", "立即停止"),
    "train_kill_help": (
        "Loses what came after the last checkpoint, a minute's work at most as a rule.",
        "会丢失上一个检查点之后的工作，一般最多一分钟。",
    ),
    "train_stopped": ("It was stopped.", "训练已停止。"),
    "train_interrupted": (
        "It was interrupted: its process is gone.",
        "训练被中断：它的进程已不存在。",
    ),
    "train_resume_hint": (
        "Resume goes on from the last checkpoint, as if it had never stopped.",
        "“继续”会从上一个检查点接着训练，就像从未停止过。",
    ),
    "train_anew_hint": ("It had not begun to learn yet.", "它还没有开始学习。"),
    "train_resume": ("Resume", "继续"),
    "train_anew": ("Start again", "重新开始"),
    "train_no_command": (
        "It is not known how it was started: go on with it in a terminal, with its options and "
        "--resume.",
        "不知道它是怎样启动的：请在终端中用原来的选项加 --resume 继续。",
    ),
    "train_failed_hint": (
        "Its last checkpoint is kept: mend the cause, then resume.",
        "上一个检查点仍在：解决问题后可以继续。",
    ),
    "train_failed_silently": (
        "It ended without saying why: see what it printed, below.",
        "它没有说明原因就结束了：请看下面的输出。",
    ),
    "train_done": ("The adapter is trained.", "适配器已训练完成。"),
    "train_command_title": ("Command line and files", "命令行与文件"),
    "train_resume_command": ("Resume runs:", "“继续”运行的命令："),
    "train_folder": ("Checkpoints and curves are in", "检查点与曲线位于"),
    "train_printed": ("What it printed last", "最近的输出"),
    # 4: result
    "train_result": ("Result", "结果"),
    "train_result_later": (
        "Scores, the comparison with the base and the way into the chat come here.",
        "分数、与基础模型的比较以及在对话中使用的方式会显示在这里。",
    ),
    "train_held_out_scores": (
        "On pictures that were held out of the data:",
        "在从数据中留出的图片上：",
    ),
    "train_no_result": ("No scores are kept with it.", "没有保存分数。"),
    "train_accuracy": ("Accuracy", "准确率"),
    "train_accuracy_fine": ("Labels right", "标签正确"),
    "train_accuracy_coarse": ("Groups right", "大类正确"),
    "train_calibration_error": ("Confidence off by", "置信度误差"),
    "train_cross_entropy": ("Cross-entropy", "交叉熵"),
    "train_pictures_measured": ("Measured on", "测量图片数"),
    "train_use": ("Use in the chat", "在对话中使用"),
    "train_used": ("The chat uses it.", "对话正在使用它。"),
    "train_to_chat": ("To the chat", "前往对话"),
    "train_unuse": ("Use the shipped one again", "改回自带的适配器"),
    "train_not_installed": (
        "It is not among your adapters: it was removed, or it missed what was required of it.",
        "它不在您的适配器中：可能已被移除，或没有达到要求。",
    ),
    "train_picture": ("Curves as a picture", "曲线图片"),
    "train_compare": ("Compare with the base", "与基础模型比较"),
    "train_compare_hint": (
        "On pictures that it has not learnt from: how much better it is, with 95 % intervals and "
        "the worst mistakes.",
        "在它没有学习过的图片上：好了多少，附 95 % 区间和最严重的错误。",
    ),
    "train_compare_data": ("Folder or file of other pictures", "其他图片的文件夹或文件"),
    "train_compare_limit": ("At most this many rows", "最多多少行"),
    "train_compare_limit_help": ("A random sample; 0 takes all.", "随机抽样；0 表示全部。"),
    "train_compare_start": ("Compare", "比较"),
    "train_comparing": (
        "Both answer about the same pictures: {time} so far …",
        "两者正在回答同样的图片：已用 {time}……",
    ),
    "train_compare_ended": (
        "The comparison ended before it had a result.",
        "比较在得出结果之前结束了。",
    ),
    "train_compare_report": ("Report with pictures (HTML)", "带图片的报告（HTML）"),
    "train_score": ("Score", "分数"),
    "train_own": ("Adapter", "适配器"),
    "train_base": ("Base", "基础模型"),
    "train_difference": ("Difference", "差异"),
    # times
    "train_s": ("{n} s", "{n} 秒"),
    "train_min": ("{n} min", "{n} 分钟"),
    "train_h": ("{h} h {min} min", "{h} 小时 {min} 分钟"),
}

KINDS: Final[dict[str, str]] = {
    "one-row": "只有一行",
    "one-class": "只有一个类别",
    "label-case": "只有写法不同的标签",
    "leak": "同一张图片出现在两个划分中",
    "missing-image": "缺失的图片",
    "bad-image": "无法打开的图片",
    "no-image": "没有图片的行",
    "remote-image": "网络上的图片",
    "bad-image-field": "“image”没有指向图片",
    "bad-data-uri": "文本中无法读取的图片",
    "too-many-images": "图片过多",
    "image-marks": "<image> 标记与图片不符",
    "late-image": "第一个问题之后的图片",
    "not-json": "不是 JSON 的行",
    "not-utf-8": "不是 UTF-8 的行",
    "bad-table": "无法拆分的行",
    "long-row": "过长的行",
    "long-text": "过长的文本",
    "missing-key": "缺少的键",
    "bad-value": "类型不对的值",
    "empty-text": "空文本",
    "turn-order": "轮次顺序不对",
    "nothing-to-learn": "没有可学内容的行",
    "no-label": "类别文件夹之外的图片",
    "label-conflict": "一张图片两个标签",
    "unreadable-folder": "无法读取的文件夹",
    "near-leak": "两个划分中几乎相同的图片",
    "duplicate-row": "重复的行",
    "duplicate-image": "重复的图片",
    "near-duplicate": "几乎相同的图片",
    "coarse-conflict": "标签属于两个大类",
    "rare-class": "图片很少的类别",
    "imbalance": "类别不均衡",
    "small-image": "过小的图片",
    "long-conversation": "过长的对话",
    "mark-inside": "文本中的 <image> 标记",
    "mixed-image-field": "“image”有时是文本有时是列表",
    "system-message": "系统消息",
    "thumb-down": "点踩但没有更正",
    "not-a-picture": "其他文件",
    "empty-folder": "空文件夹",
}

PHASES: Final[dict[str, str]] = {
    "Opening pictures": "正在打开图片",
    "Encoding pictures": "正在编码图片",
    "Noting what the base says of the pictures": "正在记录基础模型对图片的描述",
    "Measuring its confidence": "正在测量置信度",
}

KNOBS: Final[dict[str, str]] = {
    "encoder": "视觉编码器：不训练、在逐点卷积上用 LoRA，或训练全部权重。",
    "quantize": "训练时语言模型的保存方式；nf4 即 QLoRA。",
    "encoder_from": "编码器从第几阶段开始训练；更早的阶段只看任何事物的边缘和颜色。",
    "encoder_epochs": "阶段一中每张带标签图片的学习次数；0 表示编码器留到阶段二。",
    "smoothing": "标签平滑（Szegedy et al., CVPR 2016）。",
    "cutmix": "混入其他图片小块的批次比例（Yun et al., CutMix, ICCV 2019）。",
    "average": "所保留的编码器权重滑动平均的衰减；0 表示保留最后的权重。",
    "remember": "阶段一中，复习图片保持其特征的权重。",
    "remember_share": "阶段一每批中复习图片的比例。",
    "language_epochs": "阶段二中每张图片的学习次数。",
    "tokens": "阶段二每步的词元数。",
    "joint": "阶段二也训练编码器；没有标签时总是如此。",
    "replay": "阶段二中用于复习的词元比例，以保留原有能力。",
    "variants": "阶段二中每张图片的版本数：原图、镜像、裁剪。",
    "checkpointing": "激活值计算两次，以减少内存占用。",
    "validations": "每个阶段验证的次数。",
    "patience": "连续多少次验证没有提高就提前结束该阶段。",
    "held_out": "没有提供验证数据时，用于验证的图片比例。",
}
