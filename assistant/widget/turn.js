// A question and its answer in the log.

const DOING = {
  ask_image: "looking",
  describe_image: "looking",
  label_image: "labelling",
  read_text: "reading",
  search_knowledge: "looking_up",
  search_images: "looking_for",
  hand_over: "calling",
};

const DID = {
  ask_image: "looked",
  describe_image: "looked",
  label_image: "labelled",
  read_text: "read",
  search_knowledge: "looked_up",
  search_images: "looked_for",
  hand_over: "called",
};

class Turn {
  /** `desk` has: say, wire, sources, again(turn), askPerson(), announce(text). */
  constructor(desk, messageId) {
    this.desk = desk;
    this.id = messageId;
    this.position = -1;
    this.question = el("div", { className: "question", hidden: true });
    this.said = el("div", { className: "said" });
    this.doing = el("p", { className: "doing", hidden: true });
    this.under = el("div", { className: "under" });
    this.body = el("div", { className: "body" }, this.said, this.doing, this.under);
    this.face = el("span", { className: "face", attrs: { "aria-hidden": "true" } }, icon("spark"));
    this.who = el("span", { className: "unseen" });
    this.answer = el("div", { className: "answer" }, this.face, this.who, this.body);
    this.node = el("div", { className: "turn" }, this.question, this.answer);
    this.begin();
  }

  begin() {
    this.sentences = [];
    this.citations = [];
    this.words = "";
    this.message = null;
    this.said.replaceChildren();
    this.under.replaceChildren();
    this.node.removeAttribute("data-by");
  }

  /** What the visitor wrote; `photos` are `{id, name, canvas}`, of which canvas may be null. */
  ask(text, photos) {
    const { say } = this.desk;
    this.text = text;
    this.photos = photos;
    this.question.replaceChildren(el("span", { className: "unseen" }, `${say("you")}: `));
    if (photos.length > 0) {
      const shown = photos.map((photo) => this.photo(photo));
      this.question.append(el("div", { className: "photos" }, ...shown));
    }
    if (text) this.question.append(el("div", { className: "bubble" }, text));
    this.question.hidden = !text && photos.length === 0;
  }

  photo(photo) {
    const { say, wire } = this.desk;
    const canvas = el("canvas", { attrs: { "aria-hidden": "true" } });
    const button = el(
      "button",
      {
        type: "button",
        className: "photo",
        attrs: { "aria-label": say("photo_open", { name: photo.name }) },
        on: { click: () => this.desk.sources.openPhoto(photo) },
      },
      canvas,
    );
    if (photo.canvas) {
      drawn(photo.canvas, PREVIEW_SIDE, canvas);
    } else if (photo.id) {
      canvas.classList.add("coming");
      show(canvas, wire, photo.id, "thumb").then((there) => {
        canvas.classList.remove("coming");
        if (!there) button.replaceChildren(icon("photo"));
      });
    } else {
      button.replaceChildren(icon("photo"));
    }
    return button;
  }

  // --- while it comes

  tell(text) {
    this.node.setAttribute("aria-busy", "true");
    this.answer.hidden = false;
    this.doing.hidden = !text;
    if (!text) return;
    if (this.doing.firstChild === null) {
      const dots = el("span", { className: "dots", attrs: { "aria-hidden": "true" } });
      dots.append(el("i"), el("i"), el("i"));
      this.doing.append(dots, el("span"));
    }
    if (this.doing.lastChild.textContent !== text) {
      this.doing.lastChild.textContent = text;
      this.desk.announce(text);
    }
  }

  take(told) {
    const { say } = this.desk;
    if (told.type === "started") {
      this.begin();
      this.tell(say("thinking"));
    } else if (told.type === "tool") {
      this.words = "";
      this.draw();
      this.tell(say(DOING[told.name] ?? "working"));
    } else if (told.type === "tool_end") {
      this.tell(say("thinking"));
    } else if (told.type === "words") {
      this.words += told.text;
      this.draw();
      this.tell(say("writing"));
    } else if (told.type === "sentence") {
      this.words = "";
      this.sentences.push(told.text);
      this.citations.push(...told.citations);
      this.draw();
      this.tell(say("writing"));
    }
  }

  draw() {
    this.write(this.sentences.length > 0 ? this.sentences.join(" ") : this.words.trim());
  }

  write(text, byPerson = false) {
    const { say } = this.desk;
    this.said.replaceChildren(
      byPerson
        ? linkedText(text)
        : markedText(
            text,
            this.citations.length,
            (number) => say("source", { n: number }),
            (number) => this.desk.sources.open(this.citations[number - 1], number),
          ),
    );
  }

  // --- once it is there

  /** Draw a message as the desk keeps it; `last` offers what only the last one does. */
  settle(message, ticket, last) {
    const { say } = this.desk;
    const byPerson = message.by === "person";
    this.message = message;
    this.last = last;
    this.position = message.position;
    this.citations = message.citations;
    if (byPerson) this.node.dataset.by = "person";
    this.who.textContent = `${say(byPerson ? "person" : "desk")}: `;
    this.face.replaceChildren(icon(byPerson ? "person" : "spark"));
    if (message.state === "streaming") {
      this.write(message.answer);
      this.tell(say("writing"));
      return;
    }
    this.write(message.answer, byPerson);
    this.doing.hidden = true;
    this.under.replaceChildren(...this.below(message, ticket, last));
    this.answer.hidden = !message.answer && this.under.childNodes.length === 0;
    this.node.removeAttribute("aria-busy");
  }

  below(message, ticket, last) {
    const { say } = this.desk;
    const found = [];
    if (message.by === "person") {
      found.push(el("p", { className: "quiet" }, say("person")));
    }
    if (message.citations.length > 0) {
      const list = el("div", {
        className: "sources",
        attrs: { role: "group", "aria-label": say("sources") },
      });
      message.citations.forEach((citation, at) => list.append(this.chip(citation, at + 1)));
      found.push(list);
    }
    if (message.state === "failed") {
      found.push(el("p", { className: "note bad" }, say("failed")));
    } else if (message.state === "stopped") {
      found.push(el("p", { className: "note" }, say("stopped")));
    }
    const did = [...new Set((message.steps ?? []).map((name) => DID[name]))].filter(Boolean);
    const row = el("div", { className: "row" });
    if (message.answer) row.append(this.copier(message.answer));
    const again = message.state === "failed" || message.state === "stopped" || message.failed;
    if (again && last && !message.ticket) {
      row.append(textButton(say("again"), "small", () => this.desk.again(this), "again"));
    }
    if (message.outcome === "abstained" && last && message.state === "done" && ticket === null) {
      row.append(textButton(say("ask_person"), "small", () => this.desk.askPerson(), "person"));
    }
    if (did.length > 0) {
      row.append(el("span", { className: "quiet" }, did.map((key) => say(key)).join(" · ")));
    }
    if (row.childNodes.length > 0) found.push(row);
    return found;
  }

  chip(citation, number) {
    const kind = citation.kind === "image" ? "photo" : "text";
    return el(
      "button",
      {
        type: "button",
        className: "chip",
        on: { click: () => this.desk.sources.open(citation, number) },
      },
      icon(kind),
      el("span", {}, `${number} · ${this.desk.sources.nameOf(citation)}`),
    );
  }

  copier(text) {
    const { say } = this.desk;
    const button = textButton(
      say("copy"),
      "small",
      async () => {
        await copyText(withoutMarks(text), button);
        button.lastChild.textContent = say("copied");
        this.desk.announce(say("copied"));
        setTimeout(() => (button.lastChild.textContent = say("copy")), 2000);
      },
      "copy",
    );
    return button;
  }

  /** It did not come to an answer: why, and a button that tries again. */
  fail(text, again = true) {
    const { say } = this.desk;
    this.doing.hidden = true;
    this.answer.hidden = false;
    this.under.replaceChildren(el("p", { className: "note bad" }, text));
    if (again) {
      const button = textButton(say("again"), "small", () => this.desk.again(this), "again");
      this.under.append(el("div", { className: "row" }, button));
    }
    this.node.removeAttribute("aria-busy");
    this.desk.announce(text);
  }
}

/** The ticket's number, and what happens next. */
const ticketCard = ({ id, state, waiting }, say) => {
  const how = state === "closed" ? "closed" : waiting ? "waits" : "answered";
  const next = { closed: "ticket_closed", waits: "ticket_waits", answered: "ticket_answered" };
  return el(
    "div",
    { className: `ticket ${how}` },
    icon("person"),
    el("div", {}, el("strong", {}, say("ticket", { id })), el("p", {}, say(next[how]))),
  );
};

/** The clipboard may be closed to a page without TLS: then the old way, from inside the shadow. */
const copyText = async (text, near) => {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const box = el("textarea", {
      value: text,
      className: "unseen",
      attrs: { "aria-hidden": "true" },
    });
    near.after(box);
    box.select();
    document.execCommand("copy");
    box.remove();
    near.focus();
  }
};
