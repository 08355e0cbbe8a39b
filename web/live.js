// Keeps a Store current over Server-Sent Events.
//
// The watch is opened first and tells where it stands (its bookmark); then everything is listed, then what was heard
// meanwhile is applied in its order. The last event about an object always tells its last state, so this converges,
// changes of realization included, which a watch does not keep for those who come later. Whatever ends a watch (the
// network, a controller that restarts, history that is gone), the answer is the same: begin again, after a while.
import {list, request} from "/api.js";
import {Recheck} from "/recheck.js";
import {KINDS} from "/store.js";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30000;

export class Live {
  constructor(store) {
    this.store = store;
    this.recheck = new Recheck(store);
    this.source = null;
    this.timer = null;
    this.pause = FIRST_PAUSE_MS;
    this.round = 0;
  }

  start() {
    this.stop();
    const round = this.round;
    this.source = new EventSource(`/v1/watch?kinds=${Object.keys(KINDS).join(",")}`);
    let waiting = []; // null once the lists are in
    const hear = (event) => {
      const news = {type: event.type, ...JSON.parse(event.data)};
      if (waiting) waiting.push(news);
      else this.apply(news);
    };
    for (const type of ["put", "status", "delete"]) this.source.addEventListener(type, hear);
    this.source.addEventListener("bookmark", async () => {
      if (!waiting || waiting.listing) return;
      waiting.listing = true;
      try {
        await this.load(round);
      } catch {
        if (round === this.round) this.again();
        return;
      }
      if (round !== this.round) return;
      waiting.forEach((news) => this.apply(news));
      waiting = null;
      this.pause = FIRST_PAUSE_MS;
      this.recheck.start();
      this.store.setLive(true);
    });
    for (const type of ["error", "gone"])
      this.source.addEventListener(type, () => {
        if (round === this.round) this.again();
      });
  }

  stop() {
    this.round += 1;
    this.source?.close();
    this.source = null;
    clearTimeout(this.timer);
    this.recheck.stop();
  }

  pauseNow() {
    this.stop();
    this.store.setLive(false);
  }

  async load(round) {
    const kinds = Object.entries(KINDS);
    const lists = await Promise.all(kinds.map(([, collection]) => list(collection)));
    if (round === this.round) kinds.forEach(([kind], i) => this.store.replace(kind, lists[i]));
  }

  apply({type, kind, id, object}) {
    const known = this.store.get(kind, id);
    if (type === "delete") this.store.remove(kind, id);
    else if (type === "put" || known) this.store.put(kind, object);
    this.recheck.heard(type, kind, object ?? known);
  }

  again() {
    this.pauseNow();
    const round = this.round;
    this.timer = setTimeout(async () => {
      try {
        await request("GET", "/v1/sessions/current"); // says so when the session has ended
      } catch {
        if (round === this.round) this.again();
        return;
      }
      if (round === this.round) this.start();
    }, this.pause * (0.5 + Math.random() / 2));
    this.pause = Math.min(this.pause * 2, LONGEST_PAUSE_MS);
  }
}
