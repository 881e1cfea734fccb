// Elements, icons and colours. Text enters the page as text, never as HTML.

const SVG = "http://www.w3.org/2000/svg";

const ICONS = {
  chat: "M4 5.5h16v11H9.5L5.5 20v-3.5H4z M8 9.5h8 M8 12.7h5",
  down: "M6 9.5l6 6 6-6",
  close: "M6 6l12 12 M18 6L6 18",
  anew: "M12 20h8 M4 20l1-4.2L15.6 5.2a1.9 1.9 0 0 1 2.7 0l.5.5a1.9 1.9 0 0 1 0 2.7L8.2 19z",
  photo: "M4 5h16v14H4z M4 16l4.5-4.5 4 4 3-3L20 17 M15.5 9.2h.01",
  send: "M12 19.5v-15 M5.5 11L12 4.5l6.5 6.5",
  stop: "M7 7h10v10H7z",
  back: "M14.5 5.5L8 12l6.5 6.5",
  copy: "M9 9h10.5v10.5H9z M15 9V4.5H4.5V15H9",
  text: "M6 3.5h8l4 4v13H6z M9 11.5h6 M9 15.5h6",
  person:
    "M12 12a3.7 3.7 0 1 0 0-7.4 3.7 3.7 0 0 0 0 7.4z M4.8 20c.8-3.6 3.6-5.4 7.2-5.4s6.4 1.8 7.2 5.4",
  spark: "M12 4l1.9 5.1L19 11l-5.1 1.9L12 18l-1.9-5.1L5 11l5.1-1.9z",
  again: "M19 12a7 7 0 1 1-2.2-5.1 M19.3 4v3.6h-3.6",
};

/** An element; `props` are properties, `attrs` attributes, `on` listeners; strings become text. */
const el = (tag, { attrs = {}, on = {}, ...props } = {}, ...children) => {
  const made = document.createElement(tag);
  Object.assign(made, props);
  for (const [name, value] of Object.entries(attrs)) {
    if (value !== null && value !== undefined && value !== false)
      made.setAttribute(name, String(value));
  }
  for (const [name, listener] of Object.entries(on)) made.addEventListener(name, listener);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
};

const icon = (name) => {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
};

/** A button that shows an icon; its name is for those who do not see it, and a tooltip. */
const iconButton = (name, label, className, press) =>
  el(
    "button",
    {
      type: "button",
      className,
      title: label,
      attrs: { "aria-label": label },
      on: { click: press },
    },
    icon(name),
  );

const textButton = (label, className, press, iconName = null) =>
  el(
    "button",
    { type: "button", className, on: { click: press } },
    iconName && icon(iconName),
    el("span", {}, label),
  );

// --- text

const MARKS = /\s*((?:\[\d{1,3}\]\s*)+)/g;
const ADDRESS = /https?:\/\/[^\s<>"'`\u3000-\u303f\uff00-\uffef]+/g;

/** An address that a link may lead to; null for any but a web page's. */
const webAddress = (text) => {
  try {
    const url = new URL(text);
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
  } catch {
    return null;
  }
};

const link = (href, ...children) =>
  el("a", { href, target: "_blank", rel: "noopener noreferrer nofollow" }, ...children);

/** An answer in which the numbers of its sources are buttons; all else is text. */
const markedText = (text, total, markLabel, press) => {
  const found = document.createDocumentFragment();
  let place = 0;
  for (const run of text.matchAll(MARKS)) {
    const numbers = run[1].match(/\d+/g).map(Number);
    if (!numbers.every((number) => number >= 1 && number <= total)) continue;
    found.append(text.slice(place, run.index));
    const marks = el("span", { className: "marks" });
    for (const number of numbers) {
      const label = markLabel(number);
      marks.append(
        el(
          "button",
          {
            type: "button",
            className: "mark",
            attrs: { "aria-label": label },
            on: { click: () => press(number) },
          },
          String(number),
        ),
      );
    }
    found.append("\u00a0", marks); // no line begins with a mark
    place = run.index + run[0].length;
    if (/\s$/.test(run[0])) found.append(" ");
  }
  found.append(text.slice(place));
  return found;
};

/** What a person of the desk wrote: web addresses are links. Only people's words get any. */
const linkedText = (text) => {
  const found = document.createDocumentFragment();
  let place = 0;
  for (const run of text.matchAll(ADDRESS)) {
    const shown = run[0].replace(/[.,;:!?)\]]+$/, "");
    const href = webAddress(shown);
    if (href === null) continue;
    found.append(text.slice(place, run.index), link(href, shown));
    place = run.index + shown.length;
  }
  found.append(text.slice(place));
  return found;
};

const withoutMarks = (text) => text.replace(/\s*\[\d{1,3}\]/g, "");

// --- colours

/** Red, green and blue of any colour that CSS knows, as 0 to 255; null for what is none. */
const readColour = (text) => {
  if (!text || !CSS.supports("color", text)) return null;
  const context = el("canvas", { width: 1, height: 1 }).getContext("2d");
  if (context === null) return null;
  context.fillStyle = text;
  context.fillRect(0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
};

// WCAG 2.2, relative luminance and contrast ratio.
const luminance = (colour) => {
  const [red, green, blue] = colour.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};

const contrast = (one, other) => {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
};

const cssColour = (colour) => `rgb(${colour.map(Math.round).join(" ")})`;

/** The nearest colour on the way to black or white that can be read on a background. */
const readable = (colour, background, least = 4.6) => {
  const goal = luminance(background) > 0.18 ? 0 : 255;
  for (let share = 0; share <= 1; share += 0.05) {
    const mixed = colour.map((part) => part + (goal - part) * share);
    if (contrast(mixed, background) >= least) return mixed;
  }
  return [goal, goal, goal];
};
