// The grid of the page "Find": thousands of pictures, of which only the rows in view are elements.
//
// Streamlit calls the default export again whenever the server sends something; the grid itself
// stays with its element. It asks for what it lacks (`wanted`), nearest to the view first and one
// request at a time, and the server answers with names and small pictures over the page's own
// connection: no picture has an address that another visitor could open. Names are untrusted and
// only ever become text.

const GAP = 14;
const CAPTION = 46;
const LEAST_TILE = 164;
const LEAST_COLUMNS = 2;
const BATCH = 24; // asked for at once where answers come within BATCH_MS, else more
const LARGEST_BATCH = 96;
const BATCH_MS = 250;
const KEPT = 1500;
const SCREENS_AHEAD = 1;
const SCREENS_LEAD = 4;
const STILL_MS = 200;
const PATIENCE_MS = 4000;
const HEADER = 64;

const grids = new WeakMap();

export default function show(component) {
  const parent = component.parentElement;
  let grid = grids.get(parent);
  if (!grid || !grid.root.isConnected) {
    grid = new Grid(parent);
    grids.set(parent, grid);
  }
  grid.take(component);
}

class Grid {
  constructor(parent) {
    this.view = null;
    this.total = 0;
    this.items = new Map(); // place -> item, the least recently drawn first
    this.rows = new Map(); // row -> element
    this.spare = [];
    this.active = 0;
    this.columns = 1;
    this.side = LEAST_TILE;
    this.request = { number: Date.now(), since: 0, waiting: false };
    this.last = { above: 0, at: 0 };
    this.speed = 0; // pixels a millisecond
    this.patience = 150; // milliseconds that an answer takes
    this.places = new Map(); // view -> where it was scrolled to
    this.root = document.createElement("div");
    this.root.className = "sightdesk-grid";
    this.root.setAttribute("role", "grid");
    parent.appendChild(this.root);
    this.scroller = scrollerOf(this.root);
    this.paintSoon = this.paintSoon.bind(this);
    this.scroller.addEventListener("scroll", this.paintSoon, { passive: true });
    this.sizes = new ResizeObserver(() => this.measure());
    this.sizes.observe(this.root);
    this.root.addEventListener("keydown", event => this.press(event));
    this.root.addEventListener("click", event => this.click(event));
    this.root.addEventListener("focusin", event => this.focused(event));
  }

  // What the server sent: the view, how much of it there is, and items by their places.
  take({ data, setStateValue, setTriggerValue }) {
    this.ask = value => setStateValue("wanted", value);
    this.open = value => setTriggerValue("opened", value);
    if (!data) return;
    this.words = data.words;
    this.root.setAttribute("aria-label", data.words.grid);
    if (data.view !== this.view) this.change(data);
    for (const [place, item] of Object.entries(data.items)) this.keep(Number(place), item);
    if (this.request.waiting && data.answers >= this.request.number) {
      this.request.waiting = false;
      const took = Math.min(performance.now() - this.request.since, PATIENCE_MS);
      this.patience = 0.6 * this.patience + 0.4 * took;
    }
    this.measure();
  }

  change({ view, total, groups }) {
    const first = this.view === null;
    if (!first) this.places.set(this.view, this.scroller.scrollTop);
    const known = this.places.get(view) ?? 0;
    this.forget();
    this.view = view;
    this.total = total;
    this.groups = groups ?? [total];
    this.starts = null;
    this.active = 0;
    this.request.waiting = false;
    for (const element of this.rows.values()) this.lay(element);
    this.rows.clear();
    // The server may have drawn a heading anew above; come back once that has its height.
    if (!first) {
      requestAnimationFrame(() => {
        this.measure();
        this.scroller.scrollTop = known;
      });
    }
  }

  keep(place, { picture, ...item }) {
    const before = this.items.get(place);
    if (picture) {
      item.url = URL.createObjectURL(new Blob([bytes(picture)], { type: "image/webp" }));
    } else if (before?.url) {
      item.url = before.url;
    }
    if (before?.url && before.url !== item.url) URL.revokeObjectURL(before.url);
    this.items.delete(place);
    this.items.set(place, item);
    if (this.items.size > KEPT) {
      for (const [oldest, { url }] of this.items) {
        if (this.rows.has(this.rowOf(oldest))) continue;
        if (url) URL.revokeObjectURL(url);
        this.items.delete(oldest);
        break;
      }
    }
    const tile = this.starts && this.tile(place);
    if (tile) this.fill(tile, place);
  }

  forget() {
    for (const { url } of this.items.values()) if (url) URL.revokeObjectURL(url);
    this.items.clear();
  }

  // Columns and heights from the width; nothing moves when pictures arrive.
  measure() {
    const width = this.root.clientWidth;
    if (!width) return;
    const gap = width < 480 ? 10 : GAP;
    const columns = Math.max(LEAST_COLUMNS, Math.floor((width + gap) / (LEAST_TILE + gap)));
    const side = Math.floor((width - gap * (columns - 1)) / columns);
    if (columns !== this.columns || !this.starts) {
      for (const element of this.rows.values()) this.lay(element);
      this.rows.clear();
      if (columns !== this.columns) this.spare = [];
      this.columns = columns;
      this.line();
    }
    this.side = side;
    this.step = side + CAPTION + gap;
    this.root.style.height = `${Math.max(0, this.lines * this.step - gap)}px`;
    this.root.style.setProperty("--side", `${side}px`);
    this.root.style.setProperty("--gap", `${gap}px`);
    this.root.setAttribute("aria-rowcount", this.lines);
    this.root.setAttribute("aria-colcount", columns);
    for (const [row, element] of this.rows) this.put(element, row);
    this.paint();
  }

  // Where each row begins: a group begins a row of its own.
  line() {
    this.starts = [];
    let place = 0;
    for (const size of this.groups) {
      for (let within = 0; within < size; within += this.columns) this.starts.push(place + within);
      place += size;
    }
    this.lines = this.starts.length;
    this.starts.push(this.total);
  }

  rowOf(place) {
    let low = 0;
    let high = this.lines;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.starts[middle] <= place) low = middle;
      else high = middle;
    }
    return low;
  }

  paintSoon() {
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => {
      this.due = false;
      this.paint();
    });
  }

  paint() {
    if (!this.root.isConnected) return this.end();
    if (!this.step) return;
    const seen = this.scroller.clientHeight || innerHeight;
    const above =
      this.scroller.getBoundingClientRect().top - this.root.getBoundingClientRect().top;
    const ahead = seen * SCREENS_AHEAD;
    const first = clamp(Math.floor((above - ahead) / this.step), 0, this.lines);
    const end = clamp(Math.ceil((above + seen + ahead) / this.step), 0, this.lines);
    const pinned = this.rowOf(this.active);
    for (const [row, element] of this.rows) {
      if ((row < first || row >= end) && row !== pinned) {
        this.rows.delete(row);
        this.lay(element);
      }
    }
    for (let row = first; row < end; row++) this.draw(row);
    if (this.total) this.draw(pinned);
    this.wish(above, seen);
  }

  draw(row) {
    if (this.rows.has(row)) return;
    const element = this.spare.pop() ?? this.make();
    this.rows.set(row, element);
    this.put(element, row);
    element.hidden = false;
    element.setAttribute("aria-rowindex", row + 1);
    for (let column = 0; column < this.columns; column++) {
      const place = this.starts[row] + column;
      this.fill(element.children[column], place < this.starts[row + 1] ? place : this.total);
    }
    // The order of the elements is the order in which a screen reader goes through them.
    let after = null;
    for (const [other, sibling] of this.rows) {
      if (other > row && (after === null || other < after[0])) after = [other, sibling];
    }
    this.root.insertBefore(element, after ? after[1] : null);
  }

  make() {
    const row = document.createElement("div");
    row.className = "sightdesk-row";
    row.setAttribute("role", "row");
    for (let column = 0; column < this.columns; column++) {
      const tile = document.createElement("div");
      tile.className = "sightdesk-tile";
      tile.setAttribute("role", "gridcell");
      tile.setAttribute("aria-colindex", column + 1);
      const frame = document.createElement("div");
      frame.className = "sightdesk-frame";
      const picture = document.createElement("img");
      picture.alt = "";
      picture.decoding = "async";
      picture.draggable = false;
      const pill = document.createElement("span");
      pill.className = "sightdesk-pill";
      frame.append(picture, pill);
      const name = document.createElement("div");
      name.className = "sightdesk-name";
      const label = document.createElement("div");
      label.className = "sightdesk-label";
      tile.append(frame, name, label);
      row.appendChild(tile);
    }
    return row;
  }

  put(element, row) {
    element.style.transform = `translateY(${row * this.step}px)`;
  }

  fill(tile, place) {
    const [frame, name, label] = tile.children;
    const [picture, pill] = frame.children;
    const absent = place >= this.total;
    const item = absent ? undefined : this.items.get(place);
    tile.dataset.place = absent ? "" : place;
    tile.style.visibility = absent ? "hidden" : "";
    tile.tabIndex = !absent && place === this.active ? 0 : -1;
    tile.setAttribute("aria-label", item?.told ?? this.words.loading);
    tile.title = item?.name ?? "";
    name.textContent = item?.name ?? "";
    label.textContent = item?.label ?? "";
    pill.textContent = item?.likely ?? "";
    frame.classList.toggle("sightdesk-waits", !absent && !item?.url && !item?.broken);
    frame.classList.toggle("sightdesk-broken", Boolean(item?.broken));
    frame.dataset.told = item?.broken ? this.words.broken : "";
    if (item?.url) {
      if (picture.getAttribute("src") !== item.url) picture.src = item.url;
      this.items.delete(place); // drawn now: the last to be forgotten
      this.items.set(place, item);
    } else {
      picture.removeAttribute("src");
    }
  }

  lay(element) {
    element.hidden = true;
    if (element.children.length === this.columns) this.spare.push(element);
    else element.remove();
  }

  // How far one will have scrolled when an answer is there, in pixels.
  lead(above, seen, now) {
    const passed = now - this.last.at;
    if (passed > 0) {
      const speed = (above - this.last.above) / passed;
      this.speed = passed > STILL_MS ? 0 : 0.7 * this.speed + 0.3 * speed;
    }
    this.last = { above, at: now };
    return clamp(this.speed * this.patience, -SCREENS_LEAD * seen, SCREENS_LEAD * seen);
  }

  // What is missing, nearest first to the middle of what will be in view.
  wish(above, seen) {
    const now = performance.now();
    const middle = above + seen / 2;
    const lead = this.lead(above, seen, now);
    const aim = clamp(middle + lead, 0, Math.max(0, this.lines * this.step - seen / 2));
    if (lead) {
      // Once it stands still, what is in view is what counts.
      clearTimeout(this.standing);
      this.standing = setTimeout(this.paintSoon, STILL_MS + 50);
    }
    if (this.request.waiting && now - this.request.since < PATIENCE_MS) return;
    const row = pixels => clamp(Math.floor(pixels / this.step), 0, this.lines);
    const reach = seen * (0.5 + SCREENS_AHEAD);
    const first = row(Math.min(aim, middle) - reach);
    const end = row(Math.max(aim, middle) + reach + this.step);
    const missing = [];
    for (let place = this.starts[first]; place < this.starts[end]; place++) {
      const item = this.items.get(place);
      if (!item || (!item.url && !item.broken)) missing.push(place);
    }
    if (!missing.length) return;
    const centre = this.starts[row(aim)] + this.columns / 2;
    missing.sort((a, b) => Math.abs(a - centre) - Math.abs(b - centre) || a - b);
    const batch = Math.round((BATCH * this.patience) / BATCH_MS);
    const places = missing.slice(0, clamp(batch, BATCH, LARGEST_BATCH));
    this.request = { number: this.request.number + 1, since: now, waiting: true };
    this.ask({ view: this.view, places, number: this.request.number });
    clearTimeout(this.again);
    this.again = setTimeout(this.paintSoon, PATIENCE_MS + 100);
  }

  click(event) {
    const tile = event.target.closest("[role=gridcell]");
    if (tile?.dataset.place) this.choose(Number(tile.dataset.place));
  }

  choose(place) {
    this.go(place, false);
    this.open({ view: this.view, place, at: Date.now() });
  }

  focused(event) {
    const tile = event.target.closest("[role=gridcell]");
    if (tile?.dataset.place) this.mark(Number(tile.dataset.place));
  }

  mark(place) {
    const before = this.tile(this.active);
    if (before) before.tabIndex = -1;
    this.active = place;
    const now = this.tile(place);
    if (now) now.tabIndex = 0;
  }

  tile(place) {
    const row = this.rowOf(place);
    return this.rows.get(row)?.children[place - this.starts[row]];
  }

  go(place, scroll = true) {
    place = clamp(place, 0, this.total - 1);
    this.mark(place);
    const row = this.rowOf(place);
    if (scroll) {
      const top =
        this.root.getBoundingClientRect().top -
        this.scroller.getBoundingClientRect().top +
        row * this.step;
      const bottom = top + this.step;
      if (top < HEADER) this.scroller.scrollTop += top - HEADER;
      else if (bottom > this.scroller.clientHeight) {
        this.scroller.scrollTop += bottom - this.scroller.clientHeight + GAP;
      }
    }
    this.paint();
    this.tile(place)?.focus({ preventScroll: true });
  }

  // The place so many rows further down, in the same column where there is one.
  below(row, many) {
    const to = clamp(row + many, 0, this.lines - 1);
    return Math.min(this.starts[to] + this.active - this.starts[row], this.starts[to + 1] - 1);
  }

  press(event) {
    if (event.altKey || event.metaKey) return;
    const row = this.rowOf(this.active);
    const start = this.starts[row];
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / this.step));
    const to = {
      ArrowRight: this.active + 1,
      ArrowLeft: this.active - 1,
      ArrowDown: this.below(row, 1),
      ArrowUp: this.below(row, -1),
      PageDown: this.below(row, page),
      PageUp: this.below(row, -page),
      Home: event.ctrlKey ? 0 : start,
      End: (event.ctrlKey ? this.total : this.starts[row + 1]) - 1,
    }[event.key];
    if (to !== undefined) {
      this.go(to);
    } else if (event.key === "Enter" || event.key === " ") {
      this.choose(this.active);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  end() {
    this.scroller.removeEventListener("scroll", this.paintSoon);
    this.sizes.disconnect();
    clearTimeout(this.again);
    clearTimeout(this.standing);
    this.forget();
  }
}

function scrollerOf(element) {
  for (let each = element.parentElement; each; each = each.parentElement) {
    if (/auto|scroll/.test(getComputedStyle(each).overflowY)) return each;
  }
  return document.scrollingElement;
}

function bytes(text) {
  return Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
}

function clamp(value, least, most) {
  return Math.max(least, Math.min(most, value));
}
