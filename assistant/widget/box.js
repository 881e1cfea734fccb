// The message box: text, photos by button, drop and paste, and the button that sends or stops.

class Box {
  /** `acts`: send(text, photos), stop(), trouble(text). */
  constructor(frame, wire, say, acts) {
    Object.assign(this, { frame, wire, say, acts });
    this.photos = [];
    this.busy = false;
    this.build();
    this.listen();
  }

  build() {
    const { say } = this;
    this.tray = el("div", { className: "tray", hidden: true });
    this.text = el("textarea", {
      rows: 1,
      placeholder: say("box_hint"),
      attrs: { "aria-label": say("box"), enterkeyhint: "send", autocomplete: "off" },
    });
    this.picker = el("input", {
      type: "file",
      accept: "image/*,.heic,.heif",
      multiple: true,
      hidden: true,
      attrs: { "aria-label": say("attach") },
    });
    this.attach = iconButton("photo", say("attach"), "tool", () => this.picker.click());
    this.button = iconButton("send", say("send"), "send", () => this.press());
    this.error = el("p", { className: "note bad", hidden: true, attrs: { role: "alert" } });
    this.form = el(
      "div",
      { className: "box" },
      this.tray,
      el("div", { className: "line" }, this.attach, this.picker, this.text, this.button),
    );
    this.frame.foot.replaceChildren(
      this.error,
      this.form,
      el("p", { className: "notice" }, say("notice")),
    );
    this.refresh();
  }

  listen() {
    this.text.addEventListener("input", () => this.refresh());
    this.text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229)
        return;
      event.preventDefault();
      if (!this.busy) this.send();
    });
    this.text.addEventListener("paste", (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (files.length === 0) return;
      event.preventDefault();
      this.add(files);
    });
    this.picker.addEventListener("change", () => {
      this.add([...this.picker.files]);
      this.picker.value = "";
    });
    const { window: target, drop } = this.frame;
    const brings = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    let depth = 0;
    const leave = () => {
      depth = 0;
      drop.hidden = true;
    };
    target.addEventListener("dragenter", (event) => {
      if (!brings(event)) return;
      depth += 1;
      drop.hidden = false;
    });
    target.addEventListener("dragover", (event) => {
      if (brings(event)) event.preventDefault();
    });
    target.addEventListener("dragleave", () => {
      depth -= 1;
      if (depth <= 0) leave();
    });
    target.addEventListener("drop", (event) => {
      leave();
      if (!brings(event)) return;
      event.preventDefault();
      event.stopPropagation();
      this.add([...event.dataTransfer.files]);
    });
  }

  // --- photos

  async add(files) {
    const { say, wire } = this;
    this.complain("");
    await wire.token().catch(() => {}); // the limits come with it
    const pictures = files.filter((file) => {
      if (!isPicture(file)) this.complain(say("not_an_image", { name: short(file.name) }));
      return isPicture(file);
    });
    const room = wire.limits.images - this.photos.length;
    if (pictures.length > room) this.complain(say("too_many_photos", { n: wire.limits.images }));
    for (const file of pictures.slice(0, Math.max(0, room))) this.put(file);
  }

  put(file) {
    const { say } = this;
    const photo = {
      name: short(file.name) || "photo",
      id: null,
      canvas: null,
      share: 0,
      leaving: new AbortController(),
    };
    photo.bar = el("span", { className: "bar", attrs: { "aria-hidden": "true" } });
    photo.slot = el("span", {
      className: "slot",
      attrs: { role: "img", "aria-label": say("photo", { name: photo.name }) },
    });
    photo.slot.append(icon("photo"));
    photo.node = el(
      "div",
      { className: "preview" },
      photo.slot,
      photo.bar,
      iconButton("close", say("remove", { name: photo.name }), "remove", () => {
        const at = this.photos.indexOf(photo);
        this.remove(photo);
        (this.photos[at] ?? this.photos.at(-1))?.node.querySelector("button").focus();
        if (this.photos.length === 0) this.text.focus();
      }),
    );
    this.photos.push(photo);
    this.refresh();
    photo.ready = this.upload(photo, file);
  }

  /** Makes it small, sends it; true where the desk has it. */
  async upload(photo, file) {
    const { say, wire } = this;
    try {
      const { blob, canvas } = await prepared(file);
      if (canvas !== null) {
        photo.canvas = canvas;
        photo.slot.replaceChildren(canvas);
      }
      if (blob.size > wire.limits.image_bytes) throw new WireError(413, "too_large", "");
      const sent = await wire.upload(
        blob,
        photo.name,
        (share) => {
          photo.share = share;
          photo.bar.style.setProperty("--share", String(share));
          photo.progress?.();
        },
        photo.leaving.signal,
      );
      photo.id = sent.id;
      photo.bar.hidden = true;
      if (canvas === null) {
        photo.canvas = el("canvas");
        if (await show(photo.canvas, wire, photo.id, "thumb"))
          photo.slot.replaceChildren(photo.canvas);
        else photo.canvas = null;
      }
      return true;
    } catch (error) {
      if (photo.leaving.signal.aborted) return false;
      const key = { too_large: "too_large", invalid_image: "not_an_image", too_many: "too_many" }[
        error.code
      ];
      this.complain(
        say(error.status === 413 ? "too_large" : (key ?? "not_sent"), { name: photo.name }),
      );
      this.remove(photo);
      return false;
    }
  }

  remove(photo) {
    photo.leaving.abort();
    this.photos = this.photos.filter((other) => other !== photo);
    this.refresh();
  }

  // --- sending

  press() {
    if (this.busy) this.acts.stop();
    else this.send();
    if (!this.frame.narrow.matches) this.text.focus();
  }

  send() {
    const { say, wire } = this;
    const text = this.text.value.trim();
    if (!text && this.photos.length === 0) return;
    if (text.length > wire.limits.chars) {
      this.complain(say("too_long", { n: wire.limits.chars }));
      return;
    }
    this.complain("");
    const { photos } = this;
    this.photos = [];
    this.text.value = "";
    this.refresh();
    this.acts.send(text, photos);
  }

  /** Put a message back that was not sent. */
  restore(text, photos) {
    if (!this.text.value) this.text.value = text;
    this.photos = [...photos, ...this.photos];
    this.refresh();
  }

  setBusy(busy) {
    this.busy = busy;
    const label = this.say(busy ? "stop" : "send");
    this.button.setAttribute("aria-label", label);
    this.button.title = label;
    this.button.replaceChildren(icon(busy ? "stop" : "send"));
    this.refresh();
  }

  setTicket(id) {
    this.text.placeholder = id ? this.say("box_ticket", { id }) : this.say("box_hint");
  }

  complain(text) {
    this.error.hidden = !text;
    this.error.textContent = text;
  }

  refresh() {
    const empty = this.text.value.trim() === "" && this.photos.length === 0;
    // Not `disabled`: it would drop the focus that is on it.
    this.button.setAttribute("aria-disabled", String(empty && !this.busy));
    this.tray.hidden = this.photos.length === 0;
    const shown = this.photos.map((photo) => photo.node);
    if (
      [...this.tray.children].some((node, at) => node !== shown[at]) ||
      this.tray.children.length !== shown.length
    ) {
      this.tray.replaceChildren(...shown);
    }
    this.text.style.setProperty("height", "auto");
    if (this.text.scrollHeight > 0) {
      this.text.style.setProperty("height", `${Math.min(this.text.scrollHeight, 140)}px`);
    }
  }
}

const short = (name) => {
  const line = String(name ?? "")
    .replace(/\s+/g, " ")
    .trim();
  return line.length > 40 ? `${line.slice(0, 24)}…${line.slice(-12)}` : line;
};
