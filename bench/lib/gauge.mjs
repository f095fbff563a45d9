// Counts requests to a store, and for how long they were under way.
import { RecordBackend } from '../../dist/testing/index.js';

/** A store around a store. `figures()` tells requests and bytes by verb, and the seconds of all requests together. */
export class GaugeBackend extends RecordBackend {
  #seconds = 0;
  #flying = 0;
  #most = 0;

  async put(...words) {
    return this.#timed(() => super.put(...words));
  }

  async get(...words) {
    return this.#timed(() => super.get(...words));
  }

  async stat(...words) {
    return this.#timed(() => super.stat(...words));
  }

  async delete(...words) {
    return this.#timed(() => super.delete(...words));
  }

  reset() {
    super.reset();
    this.#seconds = 0;
    this.#most = this.#flying;
  }

  figures() {
    const totals = this.totals();
    const requests = Object.values(totals).reduce((sum, one) => sum + one.requests, 0);
    return { requests, seconds: this.#seconds, most: this.#most, totals };
  }

  async #timed(ask) {
    const start = performance.now();
    this.#flying += 1;
    this.#most = Math.max(this.#most, this.#flying);
    try {
      return await ask();
    } finally {
      this.#flying -= 1;
      this.#seconds += (performance.now() - start) / 1000;
    }
  }
}
