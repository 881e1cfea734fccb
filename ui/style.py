"""The page's own style sheet, beside the theme in `.streamlit/config.toml`.

It is one constant: nothing that a person or a model wrote ever comes near it.
"""

from __future__ import annotations

from typing import Final

import streamlit as st

from ui.words import Language

STYLE: Final = """
<style>
/* A photo is a button: the picture is seen, the button over it is pressed. */
[class*="st-key-photo-"] { position: relative; }
[class*="st-key-photo-"] img {
  border-radius: 0.6rem; width: 150px !important; height: 112px; object-fit: cover; }
[class*="st-key-photo-"] [data-testid="stElementToolbar"] { display: none; }
[class*="st-key-photo-"] > [class*="st-key-enlarge-"] {
  position: absolute; inset: 0; width: 100%; height: 100%; }
[class*="st-key-enlarge-"] :is(.stButton, .stTooltipHoverTarget) { width: 100%; height: 100%; }
[class*="st-key-enlarge-"] button {
  width: 100%; height: 100%; min-height: 0; padding: 0; cursor: zoom-in; overflow: hidden;
  background: transparent !important; border-color: transparent; }
[class*="st-key-enlarge-"] button * { opacity: 0; }
/* The visitor's side is tinted, the answer stands on the page. */
[data-testid="stChatMessage"]:has([data-testid="stChatMessageAvatarUser"]) {
  background-color: rgba(42, 143, 132, 0.09); }
[data-testid="stChatMessageAvatarUser"] { background-color: #5a6663; }
[data-testid="stChatMessageAvatarAssistant"] { background-color: #0f6e66; }
[data-testid="stChatMessageAvatarCustom"] { background-color: #8a4b12; border-color: #8a4b12; }
[data-testid^="stChatMessageAvatar"] * { color: #ffffff; }
/* Small print as dark as small print must be: contrast 4.5 to 1 on every background here. */
[data-testid="stCaptionContainer"] {
  color: color-mix(in srgb, currentcolor 76%, transparent) !important; opacity: 1 !important; }
[data-testid="stCaptionContainer"] p { color: inherit !important; opacity: 1 !important; }
/* What is chosen, white on the darker green: the theme's own pair is too weak in the dark. */
button[data-variant][data-selected="true"] {
  background-color: #0f6e66 !important; border-color: #0f6e66 !important; color: #fff !important; }
[data-testid="stSliderThumbValue"] * { color: inherit !important; }
[role="dialog"] [data-testid="stImage"] img {
  max-height: 62vh; width: auto !important; object-fit: contain; border-radius: 0.6rem; }
/* What stands under an answer stays quiet until it is wanted. */
[class*="st-key-under-"] button { min-height: 2rem; padding-top: 0; padding-bottom: 0; }
[class*="st-key-under-"] button p { font-size: 0.85rem; }
[class*="st-key-under-"] [data-testid="stCaptionContainer"] p { font-size: 0.8rem; }
/* A popover is placed when it opens, before the camera is there. */
.st-key-camera-box { min-height: 23rem; }
.st-key-preview img { border-radius: 0.6rem; max-height: 200px; object-fit: contain; }
.st-key-title h3 { font-size: 1.25rem; overflow-wrap: anywhere; }
[data-testid="stPageLink-NavLink"] { padding-left: 0; }
.st-key-tools { margin-bottom: -0.75rem; }
.st-key-tools button { min-height: 2rem; padding-top: 0; padding-bottom: 0; }
.st-key-threads button > div { width: 100%; }
.st-key-threads button, .st-key-threads button div { justify-content: flex-start; }
.st-key-threads button p {
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap; text-align: left; }
.st-key-threads [class*="st-key-thread-"] button { padding-left: 0.75rem; padding-right: 0.75rem; }
[data-testid="stText"] { font-family: inherit; white-space: pre-wrap; overflow-wrap: anywhere; }
/* The desk: what it did stays quiet, the numbers of citations stand high and small. */
[class*="st-key-trace-"] [data-testid="stExpander"] summary {
  color: color-mix(in srgb, currentcolor 76%, transparent) !important; opacity: 1 !important; }
[class*="st-key-trace-"] [data-testid="stExpander"] summary * {
  color: inherit !important; opacity: 1 !important; }
[class*="st-key-trace-"] [data-testid="stExpander"] summary p { font-size: 0.85rem; }
[class*="st-key-trace-"] [data-testid="stText"] { font-size: 0.85rem; }
.sightdesk-said { line-height: 1.6; overflow-wrap: anywhere; }
.sightdesk-marks { white-space: nowrap; }
.sightdesk-mark {
  font: inherit; font-size: 0.72em; line-height: 1.5; vertical-align: 0.25em; padding: 0 0.42em;
  color: inherit; background: color-mix(in srgb, currentcolor 8%, transparent); cursor: pointer;
  border: 1px solid color-mix(in srgb, currentcolor 22%, transparent); border-radius: 0.4em; }
.sightdesk-mark:hover { background: color-mix(in srgb, currentcolor 16%, transparent); }
.sightdesk-mark:focus-visible { outline: 2px solid #2a8f84; outline-offset: 1px; }
[class*="st-key-sources-"] button { min-height: 1.9rem; padding: 0 0.6rem; }
[class*="st-key-sources-"] button p { font-size: 0.85rem; }
[data-testid="stChatMessage"]:has([class*="st-key-by-person-"]) {
  border-left: 3px solid #0f6e66; padding-left: 0.8rem; }
.st-key-doing [data-testid="stIconMaterial"] { animation: st-desk-turn 1.2s linear infinite; }
@keyframes st-desk-turn { to { transform: rotate(360deg); } }
@media (max-width: 640px) {
  [data-testid="stMainBlockContainer"] { padding: 3.5rem 0.9rem 1rem; }
  [data-testid="stBottomBlockContainer"] { padding: 0.5rem 0.9rem 1rem; }
  [data-testid="stLayoutWrapper"]:has(> [class*="st-key-photo-"]), [class*="st-key-photo-"],
  [class*="st-key-photo-"] img {
    width: 84px !important; height: 66px !important; flex-basis: 84px !important; }
  .st-key-preview [data-testid="stLayoutWrapper"], .st-key-preview [data-testid="stVerticalBlock"]
  { width: 120px !important; flex-basis: 120px !important; }
  [data-testid="stChatMessage"] { padding-left: 0.5rem; padding-right: 0.5rem; }
  .st-key-tools { gap: 0.4rem 0.6rem !important; }
  .st-key-tools button p { font-size: 0.85rem; }
  .st-key-tools button { padding-left: 0; padding-right: 0; }
}
@media (prefers-reduced-motion: reduce) {
  *, *::before, *::after { animation: none !important; transition: none !important; }
}
</style>
"""


# A number in an answer presses the button of its source, which a keyboard reaches by itself.
SCRIPT: Final = """
<script>
if (!window.sightdeskMarks) {
  window.sightdeskMarks = true;
  document.addEventListener('click', event => {
    const mark = event.target.closest('[class*="st-key-cited-"] .sightdesk-mark');
    if (!mark) return;
    const said = [...mark.closest('[class*="st-key-cited-"]').classList]
      .find(name => name.startsWith('st-key-cited-')).slice('st-key-cited-'.length);
    const button = `.st-key-source-${CSS.escape(said + '-' + mark.textContent.trim())} button`;
    document.querySelector(button)?.click();
  });
}
</script>
"""

TAGS: Final = {"en": "en", "zh": "zh-CN"}


def draw_style(language: Language) -> None:
    """Put the style sheet into the page, and its language, so that it is read out in it."""
    st.html(STYLE)
    script = f"<script>document.documentElement.lang = '{TAGS[language]}';</script>"
    st.html(script + SCRIPT, unsafe_allow_javascript=True)
