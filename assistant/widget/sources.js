// What an answer rests on, and photos, shown large over the conversation.

class Sources {
  constructor(frame, wire, say) {
    Object.assign(this, { frame, wire, say });
  }

  nameOf(citation) {
    if (citation.title) return citation.title;
    if (citation.kind !== "image") return this.say("sources");
    return this.say(citation.own ? "source_photo" : "source_picture");
  }

  open(citation, number) {
    const { say, wire } = this;
    const content = [];
    if (citation.image) content.push(this.picture(citation.image, this.nameOf(citation)));
    if (citation.kind === "image" && citation.text && citation.text !== citation.title) {
      content.push(el("p", { className: "quiet" }, say("source_seen")));
    }
    if (citation.text && citation.text !== citation.title) {
      content.push(el("div", { className: "passage" }, citation.text));
    }
    const href = citation.url ? webAddress(citation.url) : null;
    if (href !== null) content.push(link(href, say("source_link")));
    this.frame.cover(`${number} · ${this.nameOf(citation)}`, ...content);
  }

  openPhoto(photo) {
    this.frame.cover(photo.name, this.picture(photo.id, photo.name, photo.canvas));
  }

  picture(id, name, preview = null) {
    const canvas = el("canvas", {
      className: "picture coming",
      attrs: { role: "img", "aria-label": this.say("photo", { name }) },
    });
    if (preview) drawn(preview, LONGEST_SIDE, canvas);
    const holder = el("div", { className: "holder" }, canvas);
    if (!id) return holder;
    show(canvas, this.wire, id, "full").then((there) => {
      canvas.classList.remove("coming");
      if (!there && !preview)
        holder.replaceChildren(el("p", { className: "note" }, this.say("photo_gone")));
    });
    return holder;
  }
}
