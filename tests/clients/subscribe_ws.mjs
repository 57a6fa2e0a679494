// npm graphql-ws: subscribes, is told, resumes after its socket is cut, and is refused. node subscribe_ws.mjs <url> <token>
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const [url, token, cutUrl] = process.argv.slice(2);
const query = 'subscription { taskChanged { id status } }';
const out = { events: [], opened: 0, closes: [] };

let socket;
class Observed extends WebSocket {
  constructor(...all) {
    super(...all);
    socket = this;
  }
}
const client = createClient({
  url,
  webSocketImpl: Observed,
  connectionParams: { authorization: `Bearer ${token}` },
  retryAttempts: 5,
  shouldRetry: () => true,
  on: { connected: () => (out.opened += 1), closed: ({ code, reason }) => out.closes.push([code, reason]) },
});

await new Promise((resolve, reject) => {
  client.subscribe({ query }, {
    next: ({ data }) => {
      out.events.push(data.taskChanged.id);
      if (out.events.length === 1) socket.terminate();
      if (out.opened > 1) resolve();
    },
    error: reject,
    complete: () => {},
  });
  // The test changes a task each time it is asked to.
  const timer = setInterval(() => fetch(cutUrl).catch(() => {}), 400);
  setTimeout(() => reject(new Error(`nothing came: ${JSON.stringify(out)}`)), 25_000).unref();
  process.on('beforeExit', () => clearInterval(timer));
  client.on('closed', () => {});
  out.stop = () => clearInterval(timer);
});
out.stop();
delete out.stop;
await client.dispose();

const refusal = (payload, connectionParams) =>
  new Promise((resolve) => {
    const other = createClient({ url, webSocketImpl: WebSocket, connectionParams, retryAttempts: 0 });
    other.subscribe(payload, {
      next: () => {},
      error: (problem) =>
        resolve(Array.isArray(problem) ? problem[0].extensions.code : (problem.code ?? String(problem))),
      complete: () => resolve('complete'),
    });
  });
out.wrongToken = await refusal({ query }, { authorization: 'Bearer nonsense' });
out.wrongQuery = await refusal({ query: 'subscription { nothing }' }, { authorization: `Bearer ${token}` });
out.query = await refusal({ query: '{ viewer { name } }' }, { authorization: `Bearer ${token}` });
console.log(JSON.stringify(out));
process.exit(0);
