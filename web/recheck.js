// Looks again at what the watch does not tell: how many of a pool's addresses are in use, and which hosts something that
// was just written still waits for. Asked for by kind and id, and done a little later, once for all who asked.
import {request} from "/api.js";
import {KINDS} from "/store.js";

const SOON_MS = 300;
const FIRST_MS = 5000; // while something is not realized, twice as long each time, and then no more: an idle page is to end
const LAST_MS = 60000;
const MOST = 30; // a round

const stateOf = (object) => object?.status?.realization?.state;

export class Recheck {
  constructor(store) {
    this.store = store;
    this.due = new Map(); // "kind id" -> [kind, id]
    this.running = false;
    this.timer = null;
    this.pause = FIRST_MS;
  }

  start() {
    this.stop();
    this.running = true;
    this.wait(this.pause);
  }

  stop() {
    clearTimeout(this.timer);
    this.running = false;
    this.due.clear();
    this.pause = FIRST_MS;
  }

  wait(ms) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.run(), ms);
  }

  ask(kind, id) {
    if (!this.running) return;
    this.due.set(`${kind} ${id}`, [kind, id]);
    this.pause = FIRST_MS;
    this.wait(SOON_MS);
  }

  // News of an object: what else may be other than it was?
  heard(type, kind, object) {
    if (type === "put" && stateOf(object) === "pending") this.ask(kind, object.id);
    if (kind === "network-adapter" && type !== "status" && object)
      for (const pool of this.store.select("ip-pool", (one) => one.vm_subnet_id === object.vm_subnet_id)) this.ask("ip-pool", pool.id);
  }

  unsettled() {
    return ["vm-network", "vm-subnet", "network-adapter"].flatMap((kind) =>
      this.store.select(kind, (object) => !["realized", "unplaced"].includes(stateOf(object))).map(({id}) => [kind, id]));
  }

  async run() {
    const mine = this.timer;
    const asked = [...this.due.values()];
    const round = (asked.length ? asked : this.unsettled()).slice(0, MOST);
    round.forEach(([kind, id]) => this.due.delete(`${kind} ${id}`));
    await Promise.all(round.map(([kind, id]) => this.look(kind, id)));
    if (!this.running || this.timer !== mine) return;
    if (!asked.length) this.pause *= 2;
    if (this.due.size) this.wait(SOON_MS);
    else if (this.pause <= LAST_MS) this.wait(this.pause);
  }

  async look(kind, id) {
    try {
      const object = await request("GET", `/v1/${KINDS[kind]}/${id}`);
      if (this.running && this.store.get(kind, id)) this.store.put(kind, object);
    } catch (problem) {
      if (problem.status === 404 && this.running) this.store.remove(kind, id);
    }
  }
}
