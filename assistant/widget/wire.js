// Talks to the desk: tokens, JSON, streamed answers, uploads. No cookie is sent or kept.

const SILENT_MS = 20_000; // the desk says something at least every five seconds
const RENEW_MS = 60_000; // before a token ends

/** A refusal or a failure: `status` is 0 where the desk was not reached. */
class WireError extends Error {
  constructor(status, code, message, wait = 0) {
    super(message);
    Object.assign(this, { status, code, wait });
  }
}

const hex = (bytes) =>
  Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");

const sleep = (ms, signal) =>
  new Promise((done, stopped) => {
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      stopped(signal.reason);
    });
  });

/** What one tab remembers: in sessionStorage where the page allows it. */
class Memory {
  constructor(key) {
    this.key = key;
    this.values = {};
    try {
      this.values = JSON.parse(sessionStorage.getItem(key) ?? "{}") ?? {};
    } catch {
      // Storage is forbidden, or somebody else wrote there.
    }
    if (typeof this.values !== "object") this.values = {};
  }

  get(name) {
    return this.values[name];
  }

  set(values) {
    Object.assign(this.values, values);
    try {
      sessionStorage.setItem(this.key, JSON.stringify(this.values));
    } catch {
      // Then this page remembers, and the next one does not.
    }
  }
}

class Wire {
  /** `stranger` is called where the desk does not know the visitor of before any more. */
  constructor(base, memory, stranger) {
    Object.assign(this, { base, memory, stranger });
    this.limits = memory.get("limits") ?? { images: 8, image_bytes: 32 * 2 ** 20, chars: 2000 };
    this.renewing = null;
  }

  /** A token that still holds for a while; asked for where there is none. */
  async token(fresh = false) {
    const ends = this.memory.get("ends") ?? 0;
    if (!fresh && this.memory.get("token") && Date.now() < ends - RENEW_MS) {
      return this.memory.get("token");
    }
    this.renewing ??= this.renew().finally(() => {
      this.renewing = null;
    });
    return this.renewing;
  }

  async renew() {
    const old = this.memory.get("token");
    let given;
    try {
      given = await this.json("session", { body: old ? { token: old } : {}, free: true });
    } catch (error) {
      if (error.status === 0 || error.status === 403) {
        console.warn(
          `Sightdesk: ${this.base} does not answer this page. ` +
            `Is it up, and is ${location.origin} in its SIGHTDESK_WIDGET_ORIGINS?`,
        );
      }
      throw error;
    }
    if (old && !given.renewed) this.stranger();
    this.limits = given.limits;
    this.memory.set({
      token: given.token,
      ends: Date.now() + given.expires_in * 1000,
      limits: given.limits,
    });
    return given.token;
  }

  /** A response that is fine; a token that the desk does not know any more is replaced once. */
  async fetch(path, { body, free = false, signal } = {}, again = true) {
    const headers = {};
    if (!free) headers.Authorization = `Bearer ${await this.token()}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    let answer;
    try {
      answer = await fetch(`${this.base}/widget/v1/${path}`, {
        method: body === undefined ? "GET" : "POST",
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        credentials: "omit",
        signal,
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new WireError(0, "unreachable", String(error));
    }
    if (answer.ok) return answer;
    if (answer.status === 401 && !free && again) {
      await this.token(true);
      return this.fetch(path, { body, free, signal }, false);
    }
    throw await refusal(answer.status, answer.headers.get("Retry-After"), await answer.text());
  }

  async json(path, options) {
    const answer = await this.fetch(path, options);
    try {
      return await answer.json();
    } catch (error) {
      throw new WireError(0, "unreachable", String(error));
    }
  }

  /** Hands each event of a streamed answer to `take`; true where the answer came to its end. */
  async stream(path, body, take, signal) {
    const answer = await this.fetch(path, { body, signal });
    const reader = answer.body.getReader();
    const decoder = new TextDecoder();
    let text = "";
    let timer;
    try {
      for (;;) {
        clearTimeout(timer);
        timer = setTimeout(() => reader.cancel().catch(() => {}), SILENT_MS);
        let part;
        try {
          part = await reader.read();
        } catch (error) {
          if (signal.aborted) throw error;
          return false;
        }
        text += decoder.decode(part.value, { stream: !part.done });
        const events = text.split("\n\n");
        text = events.pop();
        for (const event of events) {
          if (!event.startsWith("data: ")) continue;
          const told = JSON.parse(event.slice(6));
          take(told);
          if (told.type === "done") return true;
        }
        if (part.done) return false;
      }
    } finally {
      clearTimeout(timer);
      reader.cancel().catch(() => {});
    }
  }

  /** Sends a photo; `progress` hears the share that is through. */
  async upload(blob, name, progress, signal, again = true) {
    const token = await this.token();
    const { status, wait, text } = await new Promise((done) => {
      const request = new XMLHttpRequest(); // fetch tells no progress of what it sends
      const end = () =>
        done({
          status: request.status,
          wait: request.getResponseHeader("Retry-After"),
          text: request.responseText,
        });
      request.open("POST", `${this.base}/widget/v1/images?name=${encodeURIComponent(name)}`);
      request.setRequestHeader("Authorization", `Bearer ${token}`);
      request.setRequestHeader("Content-Type", blob.type || "application/octet-stream");
      request.upload.onprogress = (event) => progress(event.loaded / Math.max(1, event.total));
      request.onloadend = end;
      signal.addEventListener("abort", () => request.abort());
      request.send(blob);
    });
    if (status === 200) return JSON.parse(text);
    if (status === 401 && again) {
      await this.token(true);
      return this.upload(blob, name, progress, signal, false);
    }
    throw await refusal(status, wait, text);
  }

  /** The bytes of a picture. */
  async picture(id, size) {
    return (await this.fetch(`images/${id}?size=${size}`)).blob();
  }
}

const refusal = async (status, wait, text) => {
  let error = {};
  try {
    error = JSON.parse(text).error ?? {};
  } catch {
    // A proxy answered.
  }
  return new WireError(status, error.code ?? "", error.message ?? "", Number(wait) || 0);
};
