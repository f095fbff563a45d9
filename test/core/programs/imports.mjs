// Prints the modules that an import of the package loads.
import { register } from 'node:module';

const seen = [];
const { port1, port2 } = new MessageChannel();
port1.on('message', (url) => seen.push(url));
port1.unref();
const hooks = `let port; export const initialize = (given) => { port = given; };
  export async function load(url, context, next) { port.postMessage(url); return next(url, context); }`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`, { data: port2, transferList: [port2] });
await import('packvault');
// The hooks' thread has said everything before the import of one more module, of its own name, is over.
const last = 'data:text/javascript,/* the last one */';
await import(last);
while (!seen.includes(last)) await new Promise((resolve) => setImmediate(resolve));
console.log(JSON.stringify(seen));
