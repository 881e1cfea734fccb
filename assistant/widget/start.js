// Reads the tag that the page has, and begins.

const limited = (text, most) =>
  String(text ?? "")
    .replace(/\s+/g, " ")
    .trim()
    .slice(0, most);
const isTrue = (text) =>
  text !== undefined && text !== null && !["false", "0", "no"].includes(text);

const readOptions = (tag) => {
  const data = tag?.dataset ?? {};
  const lang = chooseLanguage(data.lang);
  const say = speaker(lang);
  const rightToLeft = getComputedStyle(document.documentElement).direction === "rtl";
  const side = ["left", "right"].includes(data.position)
    ? data.position
    : rightToLeft
      ? "left"
      : "right";
  return {
    lang: lang === "zh" ? "zh-CN" : "en",
    title: limited(data.title, 60) || say("title"),
    greeting: limited(data.greeting, 400) || say("greeting"),
    suggestions: String(data.suggestions ?? "")
      .split("|")
      .map((text) => limited(text, 80))
      .filter(Boolean)
      .slice(0, 4),
    position: side,
    color: limited(data.color, 60),
    theme: ["light", "dark"].includes(data.theme) ? data.theme : "auto",
    open: isTrue(data.open),
    launcher: data.launcher !== "none",
  };
};

const TAG = document.currentScript ?? document.querySelector("script[src*='/widget.js']");

const start = () => {
  if (window.sightdesk) return; // the tag is there twice
  const address = new URL(TAG?.src ?? location.href, location.href);
  const base = address.origin + address.pathname.replace(/\/widget\.js$/, "");
  const options = readOptions(TAG);
  const chat = new Chat(options, base);
  window.sightdesk = Object.freeze({
    open: () => chat.open(),
    close: () => chat.close(),
    ask: (text) => {
      chat.open();
      chat.send(limited(text, 2000), []);
    },
  });
  chat.start();
};

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
else start();
