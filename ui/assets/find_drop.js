// A picture to search by: dropped anywhere on the page, pasted, or chosen with the button.
//
// A large photo is made smaller here, where the browser can read it, so that it is quickly there;
// the server checks whatever comes as it checks any upload.

const WHOLE_BYTES = 2 * 2 ** 20;
const LONGEST_SIDE = 1600;

const drops = new WeakMap();

export default function show(component) {
  const parent = component.parentElement;
  let drop = drops.get(parent);
  if (!drop || !drop.button.isConnected) {
    drop?.end();
    drop = new Drop(parent);
    drops.set(parent, drop);
  }
  drop.take(component);
}

class Drop {
  constructor(parent) {
    this.button = document.createElement("button");
    this.button.type = "button";
    this.button.className = "sightdesk-drop-button";
    this.chooser = document.createElement("input");
    this.chooser.type = "file";
    this.chooser.accept = "image/*,.heic,.heif";
    this.chooser.hidden = true;
    this.told = document.createElement("div");
    this.told.className = "sightdesk-drop-told";
    this.told.setAttribute("role", "status");
    parent.append(this.button, this.chooser, this.told);
    this.cover = document.createElement("div");
    this.cover.className = "sightdesk-drop-cover";
    this.cover.setAttribute("aria-hidden", "true");
    this.cover.hidden = true;
    parent.append(this.cover);
    this.button.addEventListener("click", () => this.chooser.click());
    this.chooser.addEventListener("change", () => {
      this.give(this.chooser.files[0]);
      this.chooser.value = "";
    });
    this.depth = 0;
    this.leaving = new AbortController();
    const listen = (kind, heard) =>
      document.addEventListener(
        kind,
        event => (this.button.isConnected ? heard(event) : this.end()),
        { signal: this.leaving.signal },
      );
    listen("dragenter", event => this.over(event, 1));
    listen("dragleave", event => this.over(event, -1));
    listen("dragover", event => {
      if (hasFiles(event)) event.preventDefault();
    });
    listen("drop", event => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      this.depth = 0;
      this.cover.hidden = true;
      this.give(event.dataTransfer.files[0]);
    });
    listen("paste", event => {
      const file = [...event.clipboardData.files].find(each => each.type.startsWith("image/"));
      if (!file) return;
      event.preventDefault();
      this.give(file);
    });
  }

  take({ data, setTriggerValue }) {
    this.send = value => setTriggerValue("picture", value);
    this.data = data;
    this.button.textContent = data.words.choose;
    this.cover.textContent = data.words.drop;
    this.say("");
  }

  over(event, step) {
    if (!hasFiles(event)) return;
    this.depth = Math.max(0, this.depth + step);
    this.cover.hidden = this.depth === 0;
  }

  say(text) {
    this.told.textContent = text;
    this.button.disabled = text === this.data.words.reading;
  }

  async give(file) {
    if (!file || this.button.disabled) return;
    this.say(this.data.words.reading);
    const content = file.size > WHOLE_BYTES ? ((await smaller(file)) ?? file) : file;
    if (content.size > this.data.most) {
      this.say(this.data.words.large);
      return;
    }
    try {
      this.send({ name: file.name.slice(0, 200), content: await text(content), at: Date.now() });
      this.say("");
    } catch {
      this.say(this.data.words.failed);
    }
  }

  end() {
    this.leaving.abort();
    this.cover.remove();
  }
}

function hasFiles(event) {
  return Boolean(event.dataTransfer?.types.includes("Files"));
}

// As a JPEG of moderate size; null where the browser cannot read it.
async function smaller(file) {
  try {
    const picture = await createImageBitmap(file);
    const scale = Math.min(1, LONGEST_SIDE / Math.max(picture.width, picture.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(picture.width * scale));
    canvas.height = Math.max(1, Math.round(picture.height * scale));
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    return await new Promise(done => canvas.toBlob(done, "image/jpeg", 0.9));
  } catch {
    return null;
  }
}

function text(blob) {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => failed(reader.error);
    reader.readAsDataURL(blob);
  });
}
