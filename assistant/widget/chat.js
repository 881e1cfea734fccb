// The conversation: what is asked, what comes, what waits for a person.

const AT_ONCE_MS = 800;
const SOON_MS = 4_000;
const LATE_MS = 60_000;

class Chat {
  constructor(options, base) {
    this.options = options;
    this.say = speaker(options.lang.split("-")[0]);
    this.memory = new Memory(`sightdesk ${base}`);
    this.wire = new Wire(base, this.memory, () => this.startOver());
    this.frame = new Frame(options, this.say, {
      toggle: () => (this.frame.isOpen ? this.close() : this.open()),
      close: () => this.close(),
      anew: () => this.wantAnew(),
    });
    this.box = new Box(this.frame, this.wire, this.say, {
      send: (text, photos) => this.send(text, photos),
      stop: () => this.stop(),
    });
    this.asker = new Asking(this.wire, this.memory, this.say);
    this.sources = new Sources(this.frame, this.wire, this.say);
    this.turns = [];
    this.read = -1; // all up to this position is known here
    this.ticket = null;
    this.asking = null;
    this.polling = null;
    this.pause = SOON_MS;
    this.greet();
    document.addEventListener("visibilitychange", () => this.pollSoon());
    addEventListener("online", () => this.pollSoon());
  }

  greet() {
    this.frame.log.replaceChildren();
    const greeting = el("div", { className: "turn" });
    greeting.append(
      el(
        "div",
        { className: "answer" },
        el("span", { className: "face", attrs: { "aria-hidden": "true" } }, icon("spark")),
        el("div", { className: "body" }, el("div", { className: "said" }, this.options.greeting)),
      ),
    );
    const hints = this.options.suggestions;
    this.hints = el("div", { className: "hints", hidden: hints.length === 0 });
    for (const hint of hints) {
      this.hints.append(textButton(hint, "hint", () => this.send(hint, [])));
    }
    this.frame.log.append(greeting, this.hints);
  }

  // --- open and closed

  start() {
    this.frame.attach();
    const wasOpen = this.memory.get("open");
    if (wasOpen ?? this.options.open) this.open(false);
    else if (this.memory.get("pending") || this.memory.get("waiting")) this.resume();
  }

  open(focus = true) {
    this.frame.open(focus);
    this.memory.set({ open: true, seen: Math.max(this.memory.get("seen") ?? -1, this.read) });
    if (!this.resumed) this.resume();
    else this.pollSoon();
  }

  close() {
    this.frame.close();
    this.memory.set({ open: false });
  }

  get thread() {
    if (!this.memory.get("thread")) this.memory.set({ thread: hex(8) });
    return this.memory.get("thread");
  }

  /** Show again what this tab knows of, and go on with what was being answered. */
  async resume() {
    if (this.resumed) return;
    this.resumed = true;
    const pending = this.memory.get("pending");
    if (this.memory.get("begun")) {
      try {
        await this.refresh();
      } catch {
        this.resumed = false;
        if (this.frame.isOpen && this.turns.length === 0) this.box.complain(this.say("offline"));
        this.later();
        return;
      }
      this.box.complain("");
      this.frame.bottom(true);
    }
    if (pending && this.asking === null) {
      const known = this.turns.find((turn) => turn.id === pending.message_id);
      const turn = known ?? this.add(pending.message_id);
      if (!known) turn.ask(pending.text, pending.photos);
      if (known?.message && known.message.state !== "streaming") this.memory.set({ pending: null });
      else this.ask(turn, pending);
    }
    this.pollSoon();
  }

  // --- asking

  async send(text, photos) {
    if (this.asking !== null) {
      this.box.restore(text, photos);
      return;
    }
    const pending = { message_id: hex(16), text, photos: [] };
    const turn = this.add(pending.message_id);
    turn.ask(text, photos);
    this.hints.hidden = true;
    this.frame.bottom(true);
    this.asking = { turn, leaving: new AbortController() };
    this.box.setBusy(true);
    if (photos.length > 0) {
      for (const photo of photos) photo.progress = () => this.tellSending(turn, photos);
      this.tellSending(turn, photos);
      const sent = await Promise.all(photos.map((photo) => photo.ready));
      if (this.asking?.turn !== turn) return;
      if (this.asking.leaving.signal.aborted || sent.includes(false)) {
        this.remove(turn);
        this.box.restore(
          text,
          photos.filter((photo) => photo.id !== null),
        );
        this.rest();
        return;
      }
    }
    pending.photos = photos.map(({ id, name }) => ({ id, name }));
    this.ask(turn, pending);
  }

  tellSending(turn, photos) {
    if (this.asking?.turn !== turn) return;
    const open = photos.filter((photo) => photo.id === null);
    const share =
      photos.reduce((sum, photo) => sum + (photo.id ? 1 : photo.share), 0) / photos.length;
    if (open.length === 0) return;
    const percent = Math.floor(100 * share);
    turn.tell(percent > 0 ? this.say("sending_part", { n: percent }) : this.say("sending"));
  }

  /** Ask until there is an end: a lost connection asks again under the same name. */
  async ask(turn, pending) {
    const leaving = this.asking?.turn === turn ? this.asking.leaving : new AbortController();
    this.asking = { turn, leaving };
    this.memory.set({ pending, begun: true });
    this.box.setBusy(true);
    turn.begin();
    turn.tell(this.say("thinking"));
    this.frame.bottom(true);
    const body = {
      thread: this.thread,
      message_id: pending.message_id,
      text: pending.text,
      images: pending.photos.map((photo) => photo.id),
    };
    try {
      await this.asker.run(turn, body, (told) => this.take(turn, told), leaving.signal);
    } catch (error) {
      if (!leaving.signal.aborted) turn.fail(this.asker.explain(error), error.status !== 403);
    }
    if (this.asking?.turn !== turn) return;
    this.memory.set({ pending: null });
    this.rest();
  }

  take(turn, told) {
    const follow = this.frame.atEnd;
    if (told.type === "done") {
      this.ticket = told.ticket;
      this.dropForgotten(turn, told.message.position);
      turn.settle(told.message, told.ticket, true);
      if (told.message.position === this.read + 1) this.read += 1;
      this.arrange();
      this.notice(told.message);
    } else if (told.type === "error") {
      throw new WireError(
        told.code === "busy" ? 429 : 500,
        told.code,
        told.message,
        told.retry_after,
      );
    } else {
      turn.take(told);
    }
    if (follow) this.frame.bottom(true);
  }

  /** The desk has deleted the conversation meanwhile, if it gives a position again. */
  dropForgotten(turn, position) {
    const others = this.turns.filter((other) => other !== turn);
    if (!others.some((other) => other.position === position)) return;
    this.read = -1;
    others.forEach((other) => this.remove(other));
  }

  /** The desk takes this tab for somebody new: what was said belongs to who it was before. */
  startOver() {
    this.turns.filter((turn) => turn !== this.asking?.turn).forEach((turn) => this.remove(turn));
    this.ticket = null;
    this.read = -1;
    this.memory.set({ seen: -1, waiting: false });
  }

  rest() {
    this.asking = null;
    this.box.setBusy(false);
    this.pollSoon();
  }

  async stop() {
    if (this.asking === null) return;
    const { turn, leaving } = this.asking;
    if (!this.memory.get("pending")) {
      leaving.abort(); // only photos were being sent
      return;
    }
    try {
      const body = { thread: this.thread, message_id: turn.id };
      const { stopped } = await this.wire.json("stop", { body });
      if (stopped) return; // the stream tells its end
    } catch {
      // Then this side stops listening.
    }
    leaving.abort();
    turn.fail(this.say("stopped"));
    this.box.text.focus();
  }

  again(turn) {
    if (this.asking !== null) return;
    const { text = "", images = turn.photos } = turn.message ?? turn;
    const photos = images.map(({ id, name }) => ({ id, name }));
    this.ask(turn, { message_id: turn.id, text, photos });
  }

  askPerson() {
    this.send(this.say("ask_person_text"), []);
    this.box.text.focus();
  }

  // --- what the desk has

  add(messageId) {
    const turn = new Turn(this, messageId);
    this.turns.push(turn);
    this.frame.log.append(turn.node);
    return turn;
  }

  remove(turn) {
    turn.node.remove();
    this.turns = this.turns.filter((other) => other !== turn);
  }

  /** Read what is new, and put it where it belongs. */
  async refresh() {
    const path = `thread?thread=${this.thread}&after=${this.read}`;
    const { messages, ticket } = await this.wire.json(path);
    const follow = this.frame.atEnd;
    const before = JSON.stringify(this.ticket);
    this.ticket = ticket;
    for (const message of messages) {
      let turn = this.turns.find((one) => one.id === message.message_id);
      if (turn !== undefined && turn === this.asking?.turn) continue;
      if (JSON.stringify(turn?.message) === JSON.stringify(message)) continue;
      if (turn === undefined) {
        turn = this.add(message.message_id);
        turn.ask(message.text, message.images);
      }
      turn.settle(message, ticket, turn.last);
      if (message.state !== "streaming") this.notice(message);
    }
    for (const { position, state } of messages) {
      if (state === "streaming") break;
      this.read = Math.max(this.read, position);
    }
    if (messages.length > 0 || before !== JSON.stringify(ticket)) this.arrange();
    if (follow && messages.length > 0) this.frame.bottom(true);
    return messages.length > 0;
  }

  /** In order, with the ticket's card behind the answer that called a person. */
  arrange() {
    this.hints.hidden = this.turns.length > 0 || this.options.suggestions.length === 0;
    const place = (turn) => (turn.position < 0 ? Number.MAX_VALUE : turn.position);
    const order = [...this.turns].sort((one, other) => place(one) - place(other));
    if (order.some((turn, at) => this.turns[at] !== turn)) {
      this.frame.log.append(...order.map((turn) => turn.node));
    }
    this.turns = order;
    for (const turn of order) {
      const last = turn === order.at(-1);
      const over = turn.message && turn.message.state !== "streaming";
      if (over && turn.last !== last) turn.settle(turn.message, this.ticket, last);
    }
    const { id } = this.ticket ?? {};
    const opener = id && order.find((turn) => turn.message?.ticket === id);
    this.card?.remove();
    this.card = opener ? ticketCard(this.ticket, this.say) : null;
    if (opener) opener.node.append(this.card);
    this.box.setTicket(this.ticket?.state === "open" ? this.ticket.id : null);
    this.memory.set({ waiting: this.ticket?.state === "open" });
  }

  /** Count what came while nobody looked. */
  notice(message) {
    const seen = this.memory.get("seen") ?? -1;
    if (this.frame.isOpen && !document.hidden) {
      this.memory.set({ seen: Math.max(seen, message.position) });
    } else if (message.position > seen && message.position > (this.counted ?? -1)) {
      this.counted = message.position;
      this.frame.count(this.frame.unread + 1);
      this.frame.announce(
        this.say("replied", { text: withoutMarks(message.answer).slice(0, 200) }),
      );
    }
  }

  // --- a person's answer

  pollSoon() {
    this.pause = SOON_MS;
    clearTimeout(this.polling);
    this.polling = setTimeout(() => this.poll(), AT_ONCE_MS);
    if (this.frame.isOpen && !document.hidden && this.frame.unread > 0) this.frame.count(0);
  }

  async poll() {
    const streaming = this.turns.some((turn) => turn.message?.state === "streaming");
    if (document.hidden || this.asking !== null) return;
    if (!this.resumed) {
      if (this.memory.get("begun")) this.resume();
      return;
    }
    if (this.ticket === null && !streaming) return;
    let changed = false;
    try {
      changed = await this.refresh();
    } catch {
      // Later, then.
    }
    if (changed || streaming) this.pause = SOON_MS;
    this.later();
  }

  later() {
    clearTimeout(this.polling);
    this.polling = setTimeout(() => this.poll(), this.pause);
    this.pause = Math.min(LATE_MS, this.pause * 1.25);
  }

  // --- a new conversation

  wantAnew() {
    if (this.ticket?.state !== "open") {
      this.anew();
      return;
    }
    this.frame.cover(
      this.say("anew_ask"),
      el("p", {}, this.say("anew_hint", { id: this.ticket.id })),
      el(
        "div",
        { className: "row" },
        textButton(this.say("anew_yes"), "primary", () => {
          this.frame.uncover();
          this.anew();
        }),
        textButton(this.say("cancel"), "small", () => this.frame.uncover()),
      ),
    );
  }

  anew() {
    this.asking?.leaving.abort();
    if (this.asking !== null && this.memory.get("pending")) {
      const body = { thread: this.thread, message_id: this.asking.turn.id };
      this.wire.json("stop", { body }).catch(() => {});
    }
    this.asking = null;
    this.turns = [];
    this.ticket = null;
    this.card = null;
    this.read = this.counted = -1;
    this.resumed = true;
    this.memory.set({ thread: hex(8), pending: null, seen: -1, waiting: false, begun: false });
    this.box.setBusy(false);
    this.box.setTicket(null);
    this.box.complain("");
    this.greet();
    this.frame.focus();
  }

  announce(text) {
    this.frame.announce(text);
  }
}
