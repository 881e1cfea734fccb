// The board of the page "Review": one picture, what it may be, and a key for each thing to do.
//
// Streamlit calls the default export again whenever the server sends something; the board itself
// stays with its element. It holds the next pictures, so that a decision shows the next one at
// once, and sends every decision until the server says that it is kept: the next picture but one
// is not shown before. Names, labels and captions are untrusted and only ever become text.

const AHEAD = 8;
const KEPT = 32;
const MATCHES = 8;
const SWIPE = 90;
const STRIP = [200, 140];
const SLOW_MS = 400;
const LOST_MS = 6000;
const POLL_MS = 4000;
const EDGES = /[-_\s]+/g;

const boards = new WeakMap();

export default function show(component) {
  const parent = component.parentElement;
  let board = boards.get(parent);
  if (!board) {
    board = new Board(parent, component.data);
    boards.set(parent, board);
  }
  board.hear(component.data, component.setStateValue);
  return () => {
    board.close();
    boards.delete(parent);
  };
}

/** An element with attributes and children; what is given as text stays text. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'on') for (const [kind, act] of Object.entries(value)) element.addEventListener(kind, act);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function remembered() {
  try {
    return localStorage.getItem('sightdesk-review-keys');
  } catch {
    return null; // a browser that keeps nothing
  }
}

function remember(value) {
  try {
    localStorage.setItem('sightdesk-review-keys', value);
  } catch {
    // it holds until the page is closed
  }
}

/** A small copy for the strip: eight large pictures scaled anew at every key would cost time. */
function reduce(image) {
  const canvas = make('canvas', { width: STRIP[0], height: STRIP[1] });
  const scale = Math.max(STRIP[0] / image.naturalWidth, STRIP[1] / image.naturalHeight);
  const [width, height] = [image.naturalWidth * scale, image.naturalHeight * scale];
  if (!Number.isFinite(scale)) return null; // it did not decode
  const pen = canvas.getContext('2d');
  pen.imageSmoothingQuality = 'high';
  pen.drawImage(image, (STRIP[0] - width) / 2, (STRIP[1] - height) / 2, width, height);
  return canvas;
}

const fill = (text, fields) => text.replace(/\{(\w+)\}/g, (_, name) => String(fields[name] ?? ''));
const spoken = label => label.replace(/[-_]/g, ' ');
const plain = text => text.normalize('NFKC').toLowerCase().replace(EDGES, ' ').trim();

class Board {
  constructor(parent, data) {
    this.root = parent;
    this.describes = data.kind === 'describe';
    this.client = crypto.randomUUID?.() ?? String(Math.random()).slice(2);
    this.number = 0;
    this.moves = []; // decisions of which it is not known that they are kept
    this.told = new Set(); // numbers of refused ones that were shown
    this.view = null;
    this.queue = [];
    this.past = null;
    this.now = null;
    this.held = null; // what is shown once the decision before is kept
    this.pictures = new Map(); // id -> {image, url, trouble, changed, ready}
    this.labels = { key: '', names: [], plain: [] };
    this.items = new Map(); // id -> element of the strip
    this.counts = data.counts;
    this.pause = 60;
    this.keysOn = remembered() !== 'off';
    this.build(data.words);
    this.onKey = event => this.press(event);
    this.onLeave = event => {
      if (this.moves.length) event.preventDefault();
    };
    document.addEventListener('keydown', this.onKey);
    window.addEventListener('beforeunload', this.onLeave);
  }

  close() {
    document.removeEventListener('keydown', this.onKey);
    window.removeEventListener('beforeunload', this.onLeave);
    for (const timer of [this.asking, this.slow, this.lost, this.polling]) clearTimeout(timer);
    for (const picture of this.pictures.values()) if (picture.url) URL.revokeObjectURL(picture.url);
  }

  // --- what is drawn once

  build(words) {
    const button = (name, key, act) => {
      const key_ = make('kbd', { 'aria-hidden': 'true' }, key);
      const text = make('span', {}, words[name]);
      return make('button', { type: 'button', class: name, 'aria-keyshortcuts': key, on: { click: act } }, text, key_);
    };
    this.bar = make('div', { role: 'progressbar', class: 'bar', 'aria-label': words.progress, 'aria-valuemin': 0 }, make('i'));
    this.counted = make('p', { class: 'counts' });
    this.live = make('p', { class: 'unseen', 'aria-live': 'polite', role: 'status' });
    this.alert = make('div', { class: 'alert', role: 'alert', hidden: true });
    this.saving = make('span', { class: 'saving', hidden: true }, words.saving);
    this.frame = make('div', { class: 'frame' });
    this.hint = make('div', { class: 'swiped', 'aria-hidden': 'true', hidden: true });
    this.name = make('figcaption');
    this.figure = make('figure', { tabindex: -1 }, this.frame, this.hint, this.name);
    this.badge = make('span', { class: 'badge', hidden: true }, words.unsure);
    this.sure = make('span', { class: 'sure' });
    this.guess = make('h3', { class: 'guess' });
    this.group = make('p', { class: 'group' });
    this.notes = make('div', { class: 'notes' });
    this.choices = make('ol', { class: 'choices', 'aria-label': words.choices });
    this.buttons = [];
    for (let place = 0; place < 9; place += 1) {
      const choice = make('button', { type: 'button', 'aria-keyshortcuts': place + 1, on: { click: () => this.choose(place) } },
        make('kbd', { 'aria-hidden': 'true' }, String(place + 1)), make('span', { class: 'label' }), make('span', { class: 'share' }));
      this.buttons.push(choice);
      this.choices.append(make('li', {}, choice));
    }
    this.accept = button('accept', 'A', () => this.confirm());
    this.reject = button('reject', 'X', () => this.decide('reject'));
    this.skip = button('skip', 'S', () => this.decide('skip'));
    this.undo = button('undo', 'U', () => this.back());
    this.acts = make('div', { class: 'acts' }, this.accept, this.reject, this.skip, this.undo);
    this.field = this.describes ? this.buildCaption(words) : this.buildLabel(words);
    this.panel = make('div', { class: 'panel' },
      make('p', { class: 'state' }, this.badge, this.sure), this.guess, this.group, this.notes, this.choices, this.field, this.acts);
    this.strip = make('ol', { class: 'strip', 'aria-label': words.next });
    this.empty = make('p', { class: 'empty', hidden: true });
    this.stage = make('div', { class: 'stage' }, this.figure, this.panel);
    this.toggle = make('input', { type: 'checkbox', checked: this.keysOn, on: { change: () => this.setKeys(this.toggle.checked) } });
    this.help = make('p', { class: 'help' }, make('label', {}, this.toggle, words.keys), make('span', {}, words.help));
    this.board = make('section', { class: 'board', 'aria-label': words.board },
      make('div', { class: 'head' }, this.bar, make('div', { class: 'line' }, this.counted, this.saving)),
      this.live, this.alert, this.empty, this.stage, this.strip, this.help);
    this.words = words;
    this.board.classList.toggle('keyless', !this.keysOn);
    this.swipes();
    this.root.append(this.board);
  }

  buildLabel(words) {
    this.input = make('input', {
      type: 'text', id: 'other', role: 'combobox', autocomplete: 'off', spellcheck: 'false', maxlength: 200,
      placeholder: words.otherHint, 'aria-autocomplete': 'list', 'aria-expanded': 'false', 'aria-controls': 'matches', 'aria-keyshortcuts': 'E',
      on: {
        input: () => this.match(),
        keydown: event => this.type(event),
        focus: () => this.match(),
        blur: () => this.fold(),
      },
    });
    this.list = make('ul', { id: 'matches', role: 'listbox', 'aria-label': words.other, hidden: true });
    this.options = [];
    this.active = -1;
    return make('div', { class: 'field' },
      make('label', { for: 'other' }, words.other, make('kbd', { 'aria-hidden': 'true' }, 'E')), this.input, this.list);
  }

  buildCaption(words) {
    this.input = make('textarea', {
      id: 'caption', rows: 3, maxlength: 4096, 'aria-keyshortcuts': 'E',
      on: { input: () => this.drawAccept(), keydown: event => this.type(event) },
    });
    return make('div', { class: 'field' },
      make('label', { for: 'caption' }, words.caption, make('kbd', { 'aria-hidden': 'true' }, 'E')), this.input);
  }

  // --- what the server says

  hear(data, send) {
    this.sendState = send;
    this.words = data.words;
    this.number_ = new Intl.NumberFormat(data.language);
    this.percent = new Intl.NumberFormat(data.language, { style: 'percent' });
    clearTimeout(this.lost);
    this.waiting = false;
    const heard = data.heard;
    if (heard.client === this.client) {
      this.moves = this.moves.filter(move => move.n > heard.number);
      for (const [number, sentence] of heard.refused) this.refuse(number, sentence);
    }
    this.complain(heard.client === this.client ? heard.trouble : '');
    if (data.labels.names && data.labels.key !== this.labels.key) {
      const names = data.labels.names;
      this.labels = { key: data.labels.key, names, plain: names.map(plain) };
    }
    for (const [id, picture] of Object.entries(data.pictures)) this.keep(id, picture);
    if (this.past === null) this.past = data.recent;
    if (data.view !== this.view) {
      this.view = data.view;
      this.now = null;
    }
    const mine = new Set(this.moves.filter(move => move.verdict !== 'open').map(move => move.id));
    this.queue = data.cards.filter(card => !mine.has(card.id) && card.id !== this.now?.id);
    this.counts = { ...data.counts };
    for (const move of this.moves) this.count(move.by);
    if (this.held && this.moves.length <= 1) {
      this.held = null;
      this.advance();
    } else if (!this.now && !this.held) {
      this.advance();
    } else {
      this.draw();
    }
    this.busy();
    this.askForMore();
  }

  refuse(number, sentence) {
    if (this.told.has(number)) return;
    this.told.add(number);
    const place = this.past.findLastIndex(card => card.n === number);
    if (place < 0) return;
    const [card] = this.past.splice(place, 1);
    if (this.now) this.queue.unshift(this.now);
    this.now = { ...card, verdict: '', right: '' };
    this.complain(sentence, false);
    this.draw(true);
  }

  complain(sentence, again = true) {
    this.alert.hidden = !sentence;
    if (!sentence) return;
    this.alert.replaceChildren(make('span', {}, sentence));
    if (again) this.alert.append(make('button', { type: 'button', on: { click: () => this.send() } }, this.words.again));
  }

  keep(id, { jpeg, trouble, changed }) {
    if (this.pictures.has(id)) return;
    const kept = { trouble, changed, ready: Boolean(trouble), url: '', image: null };
    if (jpeg) {
      const raw = atob(jpeg);
      const bytes = new Uint8Array(raw.length);
      for (let place = 0; place < raw.length; place += 1) bytes[place] = raw.charCodeAt(place);
      kept.url = URL.createObjectURL(new Blob([bytes], { type: 'image/jpeg' }));
      kept.image = new Image();
      kept.image.src = kept.url;
      const ready = () => {
        kept.ready = true;
        kept.small = reduce(kept.image);
        if (this.now?.id === id) this.draw();
        else this.drawStrip();
      };
      kept.image.decode().then(ready, ready);
    }
    this.pictures.set(id, kept);
    const wanted = new Set(this.near().map(card => card.id));
    for (const [old, picture] of this.pictures) {
      if (this.pictures.size <= KEPT) break;
      if (wanted.has(old)) continue;
      if (picture.url) URL.revokeObjectURL(picture.url);
      this.pictures.delete(old);
    }
  }

  near() {
    const cards = this.now ? [this.now, ...this.queue] : this.queue;
    return [...cards.slice(0, AHEAD + 1), ...(this.past ?? []).slice(-3)];
  }

  // --- what is said to the server

  send() {
    if (!this.sendState) return;
    this.number += 1;
    this.waiting = true;
    clearTimeout(this.asking);
    this.sendState('said', {
      client: this.client,
      message: this.number,
      moves: this.moves.map(({ n, id, verdict, text }) => ({ n, id, verdict, text })),
      have: this.near().map(card => card.id).filter(id => this.pictures.has(id)),
      labels: this.labels.key,
    });
    clearTimeout(this.lost);
    this.lost = setTimeout(() => this.moves.length && this.complain(this.words.offline), LOST_MS);
    this.busy();
  }

  askForMore() {
    clearTimeout(this.asking);
    clearTimeout(this.polling);
    if (this.waiting) return;
    const lacking = this.near().some(card => !this.pictures.has(card.id));
    if (lacking || !this.labels.key) {
      this.asking = setTimeout(() => this.send(), this.pause);
      this.pause = Math.min(2 * this.pause, 1000);
    } else {
      this.pause = 60;
      // The job may still run; while there is nothing to look at, somebody has to ask.
      if (!this.now) this.polling = setTimeout(() => this.send(), POLL_MS);
    }
  }

  busy() {
    this.board.dataset.waiting = String(this.moves.length > 0);
    clearTimeout(this.slow);
    if (!this.moves.length) this.saving.hidden = true;
    else this.slow = setTimeout(() => (this.saving.hidden = !this.moves.length), SLOW_MS);
  }

  // --- deciding

  get shown() {
    return this.now && !this.held && this.pictures.get(this.now.id)?.ready;
  }

  decide(verdict, text) {
    if (!this.shown) return;
    const card = this.now;
    const by = card.verdict && card.verdict !== 'skip' ? {} : { done: 1, left: -1, aside: card.aside ? -1 : 0 };
    const move = this.move(card, verdict, text, verdict === 'skip' ? {} : by);
    this.past.push({ ...card, verdict, right: text ?? (verdict === 'accept' ? card.guess ?? card.caption : ''), n: move.n });
    this.said = this.saying(verdict, text);
    this.held = card;
    if (this.moves.length <= 1) {
      this.held = null;
      this.advance();
    } else {
      this.board.classList.add('held');
    }
    this.send();
  }

  back() {
    if (this.held || !this.past?.length) return;
    const card = this.past.pop();
    const undone = card.verdict && card.verdict !== 'skip' && card.verdict !== 'open';
    this.move(card, 'open', undefined, undone ? { done: -1, left: 1, aside: card.aside ? 1 : 0 } : {});
    if (this.now && this.now.id !== card.id) this.queue.unshift(this.now);
    this.queue = this.queue.filter(each => each.id !== card.id);
    this.now = { ...card, verdict: '', before: card.verdict };
    this.said = this.words.saidUndo;
    this.draw(true);
    this.send();
  }

  move(card, verdict, text, by) {
    this.number += 1;
    const move = { n: this.number, id: card.id, verdict, text, by };
    this.moves.push(move);
    this.count(by);
    return move;
  }

  count(by) {
    for (const [name, change] of Object.entries(by)) this.counts[name] = Math.max(0, this.counts[name] + change);
  }

  advance() {
    this.board.classList.remove('held');
    this.now = this.queue.shift() ?? null;
    this.draw(true);
  }

  /** Accept, or what stands in the field. */
  confirm() {
    const text = this.input.value.trim().replace(/\s+/g, ' ');
    if (this.describes) {
      if (!text) return this.input.focus();
      return this.decide(text === this.now?.caption ? 'accept' : 'correct', text === this.now?.caption ? undefined : text);
    }
    if (text) return this.decide('correct', this.options[this.active]?.label ?? this.known(text));
    if (this.now?.guess) return this.decide('accept');
    return this.input.focus();
  }

  choose(place) {
    const label = this.now?.choices[place]?.[0];
    if (label) this.decide(label === this.now.guess ? 'accept' : 'correct', label === this.now.guess ? undefined : label);
  }

  saying(verdict, text) {
    const { words } = this;
    if (verdict === 'correct') return this.describes ? words.saidCaption : fill(words.saidCorrect, { label: spoken(text) });
    return { accept: words.saidAccept, reject: words.saidReject, skip: words.saidSkip }[verdict];
  }

  // --- drawing

  draw(anew = false) {
    const { now: card, words, counts } = this;
    this.drawCounts(counts);
    this.stage.hidden = !card;
    // A skipped picture comes back with the next message.
    this.empty.hidden = Boolean(card) || this.moves.length > 0;
    this.empty.textContent = words.empty;
    this.undo.disabled = !this.past?.length;
    if (!card && this.acts.parentNode === this.panel) this.empty.after(this.acts);
    if (card && this.acts.parentNode !== this.panel) this.panel.append(this.acts);
    this.acts.classList.toggle('alone', !card);
    this.drawStrip();
    if (!card) {
      if (anew) this.tell(words.empty);
      return;
    }
    this.drawPicture(card);
    if (!anew) return;
    this.badge.hidden = !card.aside;
    this.sure.textContent = card.sure == null ? '' : fill(words.sure, { share: this.share(card.sure) });
    this.guess.hidden = this.describes;
    this.guess.textContent = card.guess ? spoken(card.guess) : words.noLabel;
    const group = card.coarse && card.coarse !== card.guess ? spoken(card.coarse) : '';
    this.group.textContent = group;
    this.group.hidden = !group;
    this.drawChoices(card);
    this.input.value = this.describes ? (card.before === 'correct' && card.right) || card.caption : '';
    if (!this.describes) this.fold();
    this.drawAccept();
    const focused = this.root.activeElement;
    if (focused && (focused === this.input || focused.closest?.('[hidden]'))) this.figure.focus({ preventScroll: true });
    const next = card.guess ? spoken(card.guess) : card.caption || this.title(card);
    this.tell(fill(words.saidNext, { done: this.number_.format(counts.done), total: this.number_.format(counts.total), next }));
  }

  tell(text) {
    this.live.textContent = `${this.said ?? ''} ${text}`.trim();
    this.said = '';
  }

  drawCounts(counts) {
    const { words } = this;
    const shown = n => this.number_.format(n);
    const parts = [fill(words.done, { n: shown(counts.done) })];
    if (counts.aside) parts.push(fill(words.leftAside, { n: shown(counts.aside) }));
    parts.push(fill(words.left, { n: shown(counts.left) }));
    this.counted.textContent = parts.join(' · ');
    this.bar.setAttribute('aria-valuemax', Math.max(1, counts.total));
    this.bar.setAttribute('aria-valuenow', counts.done);
    this.bar.setAttribute('aria-valuetext', parts.join(', '));
    this.bar.firstChild.style.width = `${(100 * counts.done) / Math.max(1, counts.total)}%`;
  }

  /** What is nearly none or nearly all is not said to be none or all. */
  share(value) {
    if (value > 0 && value < 0.005) return `<${this.percent.format(0.01)}`;
    if (value < 1 && value >= 0.995) return `>${this.percent.format(0.99)}`;
    return this.percent.format(value);
  }

  title(card) {
    return card.name.split('/').pop();
  }

  drawPicture(card) {
    const { words } = this;
    const picture = this.pictures.get(card.id);
    const drawn = this.frame.dataset.of === card.id && this.frame.dataset.ready === String(Boolean(picture?.ready));
    if (!drawn) {
      this.frame.dataset.of = card.id;
      this.frame.dataset.ready = String(Boolean(picture?.ready));
      if (picture?.ready && picture.image) {
        picture.image.alt = fill(words.picture, { name: card.name });
        this.frame.replaceChildren(picture.image);
      } else {
        const text = picture?.trouble || words.loading;
        this.frame.replaceChildren(make('p', { class: picture?.trouble ? 'broken' : 'loading' }, text));
      }
    }
    this.name.replaceChildren(make('span', { class: 'file' }, card.name), make('span', {}, `${card.width} × ${card.height}`));
    const notes = [];
    if (card.trouble && !/%/.test(card.trouble)) notes.push(card.trouble);
    if (card.copies > 1) notes.push(fill(words.copies, { n: this.number_.format(card.copies) }));
    if (picture?.changed) notes.push(words.changed);
    const verdict = card.before || card.verdict;
    if (verdict && verdict !== 'open') {
      const was = { accept: words.wasAccept, correct: words.wasCorrect, reject: words.wasReject, skip: words.wasSkip }[verdict];
      notes.push(fill(words.before, { said: fill(was, { label: spoken(card.right || '') }) }));
    }
    this.notes.replaceChildren(...notes.map(note => make('p', {}, note)));
    this.notes.hidden = !notes.length;
  }

  drawChoices(card) {
    this.choices.hidden = this.describes || !card.choices.length;
    this.buttons.forEach((button, place) => {
      const [label, share] = card.choices[place] ?? [];
      button.parentNode.hidden = label === undefined;
      if (label === undefined) return;
      button.children[1].textContent = spoken(label);
      button.children[2].textContent = this.share(share);
      button.style.setProperty('--share', Math.min(1, Math.max(0, share)));
    });
  }

  drawAccept() {
    const text = this.input.value.trim().replace(/\s+/g, ' ');
    let said = this.words.accept;
    if (this.describes && text && text !== this.now?.caption) said = this.words.save;
    if (!this.describes && text) said = fill(this.words.use, { label: spoken(this.options[this.active]?.label ?? this.known(text)) });
    this.accept.firstChild.textContent = said;
  }

  drawStrip() {
    const cards = this.queue.slice(0, AHEAD);
    const items = cards.map(card => {
      const small = this.pictures.get(card.id)?.small;
      let item = this.items.get(card.id);
      if (!item) {
        const said = this.describes || !card.guess ? this.title(card) : spoken(card.guess);
        item = make('li', { class: card.aside ? 'aside' : null },
          make('span', { class: 'blank' }), make('span', { class: 'what' }, said));
        this.items.set(card.id, item);
      }
      if (small && item.firstChild !== small) item.firstChild.replaceWith(small);
      return item;
    });
    const there = [...this.strip.children];
    if (items.length !== there.length || items.some((item, place) => item !== there[place])) this.strip.replaceChildren(...items);
    for (const id of this.items.keys()) if (!cards.some(card => card.id === id)) this.items.delete(id);
    this.strip.hidden = !cards.length;
  }

  // --- keys

  setKeys(on) {
    this.keysOn = on;
    remember(on ? 'on' : 'off');
    this.board.classList.toggle('keyless', !on);
  }

  press(event) {
    if (!this.keysOn || event.defaultPrevented || event.repeat || event.isComposing) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.composedPath()[0];
    if (target.isContentEditable || (target.matches?.('input, textarea, select') && target !== this.toggle)) return;
    if (document.querySelector('[role="dialog"], [data-baseweb="popover"], [role="menu"], [role="listbox"]')) return;
    // Where another alphabet is typed, the key counts, not the letter on it.
    const typed = /^[\x21-\x7e]$/.test(event.key) || event.key.length > 1 ? event.key : event.code.replace(/^(Key|Digit)/, '');
    const key = typed.length === 1 ? typed.toLowerCase() : typed;
    const pressed = target.closest?.('button, a, summary, input, [role="button"], [role="radio"], [role="tab"]');
    if (key === 'Enter' && pressed) return;
    const act = {
      Enter: () => this.confirm(),
      a: () => this.confirm(),
      x: () => this.decide('reject'),
      s: () => this.decide('skip'),
      u: () => this.back(),
      Backspace: () => this.back(),
      e: () => this.edit(),
    }[key];
    const place = /^[1-9]$/.test(key) && !this.describes ? Number(key) - 1 : -1;
    if (!act && place < 0) return;
    event.preventDefault();
    if (act) act();
    else this.choose(place);
  }

  edit() {
    if (!this.now) return;
    this.input.focus();
    this.input.select();
  }

  /** Keys in the field, which are not those of the board. */
  type(event) {
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === 'Escape') {
      this.input.value = this.describes ? this.now?.caption ?? '' : '';
      this.drawAccept();
      this.figure.focus({ preventScroll: true });
      if (!this.describes) this.fold();
    } else if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      if (!event.repeat && this.input.value.trim()) this.confirm();
    } else if (!this.describes && (event.key === 'ArrowDown' || event.key === 'ArrowUp')) {
      event.preventDefault();
      if (this.list.hidden) this.match();
      const step = event.key === 'ArrowDown' ? 1 : this.options.length - 1;
      if (this.options.length) this.mark((Math.max(this.active, 0) + (this.active < 0 ? 0 : step)) % this.options.length);
    }
  }

  known(text) {
    const place = this.labels.plain.indexOf(plain(text));
    return place < 0 ? text : this.labels.names[place];
  }

  match() {
    const text = plain(this.input.value);
    const found = [[], [], []];
    if (text) {
      this.labels.plain.forEach((name, place) => {
        const at = name.indexOf(text);
        if (at < 0) return;
        found[at === 0 ? 0 : name[at - 1] === ' ' ? 1 : 2].push(this.labels.names[place]);
      });
    }
    const best = found.flat().slice(0, MATCHES);
    const typed = this.input.value.trim().replace(/\s+/g, ' ');
    const exact = this.labels.plain.includes(text);
    this.options = best.map(label => ({ label, text: spoken(label) }));
    if (typed && !exact) this.options.push({ label: typed, text: fill(this.words.newLabel, { label: typed }), fresh: true });
    this.list.replaceChildren(...this.options.map((option, place) => make('li', {
      id: `match-${place}`, role: 'option', 'aria-selected': 'false', class: option.fresh ? 'fresh' : null,
      on: {
        mousedown: event => event.preventDefault(),
        click: () => this.decide('correct', option.label),
      },
    }, option.text)));
    const open = Boolean(this.options.length) && this.root.activeElement === this.input;
    this.list.hidden = !open;
    this.input.setAttribute('aria-expanded', String(open));
    this.mark(this.options.length ? 0 : -1);
  }

  mark(place) {
    this.active = place;
    [...this.list.children].forEach((item, number) => item.setAttribute('aria-selected', String(number === place)));
    if (place >= 0 && !this.list.hidden) this.input.setAttribute('aria-activedescendant', `match-${place}`);
    else this.input.removeAttribute('aria-activedescendant');
    this.list.children[place]?.scrollIntoView({ block: 'nearest' });
    this.drawAccept();
  }

  fold() {
    this.list.hidden = true;
    this.input.setAttribute('aria-expanded', 'false');
    this.input.removeAttribute('aria-activedescendant');
    if (!this.input.value) {
      this.options = [];
      this.active = -1;
    }
  }

  // --- swiping

  swipes() {
    let from = null;
    const reset = () => {
      from = null;
      this.frame.style.transform = '';
      this.hint.hidden = true;
    };
    this.figure.addEventListener('pointerdown', event => {
      if (event.pointerType === 'touch' && event.isPrimary) from = event;
    });
    this.figure.addEventListener('pointermove', event => {
      if (!from || event.pointerId !== from.pointerId) return;
      const across = event.clientX - from.clientX;
      if (Math.abs(across) < 12) return;
      this.frame.style.transform = `translateX(${across}px)`;
      this.hint.hidden = Math.abs(across) < SWIPE;
      this.hint.textContent = across > 0 ? this.words.accept : this.words.reject;
      this.hint.dataset.way = across > 0 ? 'accept' : 'reject';
    });
    this.figure.addEventListener('pointerup', event => {
      if (!from || event.pointerId !== from.pointerId) return;
      const across = event.clientX - from.clientX;
      const down = Math.abs(event.clientY - from.clientY);
      reset();
      if (Math.abs(across) < SWIPE || down > Math.abs(across) / 2) return;
      if (across > 0) this.confirm();
      else this.decide('reject');
    });
    this.figure.addEventListener('pointercancel', reset);
  }
}
