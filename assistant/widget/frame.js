// The bubble, the window and what lies over it; it knows nothing of conversations.

const NARROW = "(max-width: 540px), (max-height: 520px)";
const FOCUSABLE = "button:not([disabled]), textarea, a[href], [tabindex='0']";

class Frame {
  /** `options`: title, position, colour, theme, launcher; `acts`: toggle, close, anew. */
  constructor(options, say, acts) {
    this.say = say;
    this.options = options;
    this.isOpen = false;
    this.unread = 0;
    this.host = document.createElement("div");
    this.host.dataset.sightdesk = "";
    this.root = this.host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    this.root.adoptedStyleSheets = [sheet];
    this.build(acts);
    this.narrow = matchMedia(NARROW);
    this.narrow.addEventListener("change", () => this.fit());
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.dark.addEventListener("change", () => this.paint());
    this.watchTheme();
    visualViewport?.addEventListener("resize", () => this.fit());
    visualViewport?.addEventListener("scroll", () => this.fit());
    // The page's own shortcuts are not for what is typed here.
    for (const kind of ["keydown", "keyup", "keypress"]) {
      this.host.addEventListener(kind, (event) => event.stopPropagation());
    }
    this.top.addEventListener("keydown", (event) => this.press(event, acts));
    this.paint();
    this.fit();
  }

  build(acts) {
    const { say, options } = this;
    this.badge = el("span", { className: "badge", hidden: true, attrs: { "aria-hidden": "true" } });
    this.bubble = el(
      "button",
      {
        type: "button",
        className: "bubble-button",
        hidden: !options.launcher,
        attrs: { "aria-haspopup": "dialog", "aria-expanded": "false" },
        on: { click: acts.toggle },
      },
      icon("chat"),
      icon("down"),
      this.badge,
    );
    this.log = el("div", {
      className: "log",
      tabIndex: 0,
      attrs: { role: "log", "aria-live": "polite", "aria-label": say("log") },
    });
    this.status = el("div", { className: "unseen", attrs: { role: "status" } });
    this.foot = el("div", { className: "foot" });
    this.anew = iconButton("anew", say("anew"), "tool", acts.anew);
    this.main = el(
      "div",
      { className: "main" },
      el(
        "div",
        { className: "head" },
        el("span", { className: "logo", attrs: { "aria-hidden": "true" } }, icon("spark")),
        el("h2", { id: "title" }, options.title),
        this.anew,
        iconButton("close", say("close"), "tool", acts.close),
      ),
      this.log,
      this.foot,
    );
    this.over = el("div", { className: "over", hidden: true });
    this.drop = el("div", { className: "drop", hidden: true, attrs: { "aria-hidden": "true" } });
    this.drop.append(icon("photo"), el("span", {}, say("drop")));
    this.window = el(
      "div",
      {
        className: "window",
        hidden: true,
        tabIndex: -1,
        attrs: { role: "dialog", "aria-labelledby": "title", lang: options.lang },
      },
      this.main,
      this.over,
      this.drop,
    );
    const label = { "aria-label": options.title, lang: options.lang };
    this.top = el("div", {
      className: `top ${options.position}`,
      attrs: { role: "complementary", ...label },
    });
    this.top.append(this.window, this.bubble, this.status);
    this.root.append(this.top);
    this.name();
  }

  /** Put it at the end of the page, behind the body: nothing of the page encloses it. */
  attach() {
    document.documentElement.append(this.host);
  }

  // --- open, closed, unread

  open(focus) {
    if (this.isOpen) return;
    this.isOpen = true;
    this.before = deepActive();
    this.window.hidden = false;
    this.top.classList.add("opened");
    this.bubble.setAttribute("aria-expanded", "true");
    this.count(0);
    this.fit();
    if (focus) this.focus();
    this.bottom(true);
  }

  focus() {
    if (this.narrow.matches) this.window.focus();
    else this.foot.querySelector("textarea")?.focus();
  }

  close() {
    if (!this.isOpen) return;
    const inside = this.root.activeElement !== null;
    this.isOpen = false;
    this.window.hidden = true;
    this.top.classList.remove("opened");
    this.bubble.setAttribute("aria-expanded", "false");
    this.fit();
    this.name();
    if (!inside) return;
    if (!this.bubble.hidden) this.bubble.focus();
    else this.before?.focus?.();
  }

  count(unread) {
    this.unread = unread;
    this.badge.hidden = unread === 0;
    this.badge.textContent = unread > 9 ? "9+" : String(unread);
    this.name();
  }

  name() {
    const { say, unread } = this;
    const key = this.isOpen ? "close" : unread > 0 ? "open_unread" : "open";
    this.bubble.setAttribute("aria-label", say(key, { n: unread }));
  }

  announce(text) {
    if (this.status.textContent !== text) this.status.textContent = text;
  }

  // --- the log

  /** Whether the visitor reads the end of it. */
  get atEnd() {
    return this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 80;
  }

  bottom(always = false) {
    if (always || this.atEnd) this.log.scrollTop = this.log.scrollHeight;
  }

  // --- what lies over it

  /** Show something over the window until it is closed; focus goes in and comes back. */
  cover(title, ...content) {
    this.underneath = this.root.activeElement;
    const back = iconButton("back", this.say("back"), "tool", () => this.uncover());
    const heading = el("h2", { id: "over-title" }, title);
    this.over.replaceChildren(
      el("div", { className: "head plain" }, back, heading),
      el(
        "div",
        {
          className: "content",
          tabIndex: 0,
          attrs: { role: "group", "aria-labelledby": "over-title" },
        },
        ...content,
      ),
    );
    this.over.hidden = false;
    this.main.inert = true;
    back.focus();
  }

  uncover() {
    if (this.over.hidden) return false;
    this.over.hidden = true;
    this.over.replaceChildren();
    this.main.inert = false;
    (this.underneath?.isConnected ? this.underneath : this.log).focus();
    return true;
  }

  // --- keys

  press(event, acts) {
    if (event.isComposing) return;
    if (event.key === "Escape" && this.isOpen) {
      event.preventDefault();
      if (!this.uncover()) acts.close();
    } else if (event.key === "Tab" && this.isOpen && this.narrow.matches) {
      this.trap(event);
    }
  }

  trap(event) {
    const reachable = [...this.window.querySelectorAll(FOCUSABLE)].filter(
      (each) => each.closest("[inert], [hidden]") === null && each.getClientRects().length > 0,
    );
    const now = this.root.activeElement;
    const edge = event.shiftKey ? reachable[0] : reachable.at(-1);
    if (now !== edge && now !== this.window) return;
    if (now === this.window && !event.shiftKey) return;
    event.preventDefault();
    (event.shiftKey ? reachable.at(-1) : reachable[0])?.focus();
  }

  // --- looks

  fit() {
    const full = this.isOpen && this.narrow.matches;
    this.top.classList.toggle("full", full);
    if (full) this.window.setAttribute("aria-modal", "true");
    else this.window.removeAttribute("aria-modal");
    // The keyboard of a phone covers the page without making it smaller.
    const seen = visualViewport;
    const height = full && seen && seen.scale === 1 ? `${Math.round(seen.height)}px` : "";
    this.window.style.setProperty("--seen", height || "100dvh");
    this.window.style.setProperty(
      "--from",
      full && seen ? `${Math.round(seen.offsetTop)}px` : "0px",
    );
  }

  watchTheme() {
    if (this.options.theme !== "auto") return;
    new MutationObserver(() => this.paint()).observe(document.documentElement, {
      attributes: true,
      attributeFilter: ["data-theme"],
    });
  }

  paint() {
    const asked = [this.options.theme, document.documentElement.dataset.theme];
    const theme =
      asked.find((one) => one === "light" || one === "dark") ??
      (this.dark.matches ? "dark" : "light");
    this.top.dataset.theme = theme;
    const given = readColour(this.options.color);
    if (given === null) return;
    const surface = theme === "dark" ? [23, 29, 28] : [255, 255, 255];
    const ink = contrast(given, [255, 255, 255]) >= 4.5 ? [255, 255, 255] : [16, 20, 19];
    const fill = readable(given, ink);
    this.top.style.setProperty("--accent", cssColour(fill));
    this.top.style.setProperty("--on-accent", cssColour(ink));
    this.top.style.setProperty("--link", cssColour(readable(given, surface, 5.2)));
  }
}

const deepActive = () => {
  let found = document.activeElement;
  while (found?.shadowRoot?.activeElement) found = found.shadowRoot.activeElement;
  return found;
};
