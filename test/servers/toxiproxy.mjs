/** Toxiproxy: a network between a client and a server that can be made as bad as one likes. */
import { answers, HOST, Server, words } from './server.mjs';

class Toxiproxy extends Server {
  #proxies = 0;

  /** A proxy in front of `server`; its `port` and `url` stand for the server's. With a fault, it has that one from the start. */
  async proxy(server, type, attributes, options) {
    this.#proxies += 1;
    const name = `proxy-${this.#proxies}`;
    const upstream = `${HOST}:${server.port}`;
    const { listen } = await this.#call('POST', '/proxies', { name, upstream, listen: `${HOST}:0`, enabled: true });
    const proxy = new Proxy(name, Number(listen.split(':').at(-1)), (method, path, body) =>
      this.#call(method, `/proxies/${name}${path}`, body),
    );
    if (type !== undefined) await proxy.add(type, attributes, options);
    return proxy;
  }

  async #call(method, path, body) {
    const response = await fetch(this.url + path, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const answer = await response.text();
    if (!response.ok) throw new Error(`toxiproxy: ${method} ${path}: ${response.status} ${answer}`);
    return answer === '' ? {} : JSON.parse(answer);
  }
}

class Proxy {
  #call;
  #toxics = new Set();
  #next = 0;

  constructor(name, port, call) {
    this.name = name;
    this.host = HOST;
    this.port = port;
    this.url = `http://${HOST}:${port}`;
    this.#call = call;
  }

  /** Adds a fault and returns its name. `type` and `attributes` are Toxiproxy's: latency, bandwidth, timeout, limit_data, … */
  async add(type, attributes, { stream = 'downstream', toxicity = 1 } = {}) {
    this.#next += 1;
    const name = `${type}-${this.#next}`;
    await this.#call('POST', '/toxics', { name, type, stream, toxicity, attributes });
    this.#toxics.add(name);
    return name;
  }

  async remove(name) {
    await this.#call('DELETE', `/toxics/${name}`);
    this.#toxics.delete(name);
  }

  /** Removes all faults and lets connections through again. */
  async heal() {
    await this.#call('POST', '', { enabled: true });
    for (const name of this.#toxics) await this.remove(name);
  }

  /** Refuses connections and cuts those that there are. */
  async cut() {
    await this.#call('POST', '', { enabled: false });
  }
}

export function startToxiproxy() {
  const recipe = {
    name: 'toxiproxy',
    command: (binary, port) => words`${binary} -host ${HOST} -port ${port}`,
    ready: (port) => answers(`http://${HOST}:${port}/version`),
  };
  return new Toxiproxy(recipe).start();
}
