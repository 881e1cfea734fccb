// A question on its way: sent again under its name until the desk has told an end.

const TRIES = 6;
const FIRST_TRIES = 3; // where the desk has never answered

class Asking {
  constructor(wire, memory, say) {
    Object.assign(this, { wire, memory, say });
  }

  /** Hand all that is told to `take`; what may pass is waited for, the rest is thrown. */
  async run(turn, body, take, signal) {
    for (let tries = 1; ; tries += 1) {
      let error = new WireError(0, "unreachable", "");
      try {
        const ended = await this.wire.stream("messages", body, take, signal);
        if (ended) return;
      } catch (problem) {
        if (signal.aborted || !(problem instanceof WireError)) throw problem;
        error = problem;
      }
      const mayPass = [0, 409, 429, 502, 503, 504].includes(error.status);
      const most = this.memory.get("token") ? TRIES : FIRST_TRIES;
      if (!mayPass || tries >= most || error.wait > 90) throw error;
      if (error.wait > 0) {
        await this.countDown(turn, error.wait, signal);
      } else {
        turn.tell(error.status === 409 ? this.say("thinking") : this.say("lost"));
        await sleep(Math.min(8000, 600 * 2 ** (tries - 1)), signal);
      }
    }
  }

  async countDown(turn, seconds, signal) {
    for (let left = Math.ceil(seconds); left > 0; left -= 1) {
      turn.tell(this.say("wait", { n: left }));
      await sleep(1000, signal);
    }
  }

  /** A failure in one sentence. */
  explain(error) {
    const known = {
      unreachable: "offline",
      origin_not_allowed: "not_here",
      too_long: "too_long",
      image_not_found: "photo_not_there",
      too_many: "too_many",
      busy: "too_many",
      still_answering: "too_many",
    }[error.code];
    if (known) return this.say(known, { n: this.wire.limits.chars });
    return this.say("trouble");
  }
}
